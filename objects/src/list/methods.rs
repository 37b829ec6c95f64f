//! The type `list`: its slots and methods.

use super::{clear, repr, traverse};
use crate::memory;
use crate::native::Quick;
use crate::prelude::*;
use crate::range::Range;
use crate::slice::{self, Slice};
use crate::str::index;
use crate::types::{alloc_instance, type_flags};

/// `list`
pub static LIST: Type = Type::builtin(
    "list",
    size_of::<List>(),
    &Spec {
        new: Some(|t, cls, _| Ok(Value::from_ptr(alloc_instance(t, Type::of_unchecked(cls))))),
        init: Some(init),
        repr: Some(list_repr),
        compare: Some(compare),
        iter: Some(|t, v| Ok(crate::iter::new_list_iter(t, v).into())),
        len: Some(|_, v| Ok(List::this(v).len())),
        get_item: Some(get_item),
        set_item: Some(set_item),
        contains: Some(|t, v, x| List::this(v).contains(t, x)),
        concat: Some(concat),
        repeat: Some(repeat),
        in_place_concat: Some(|t, v, x| {
            extend(t, List::this(v), x)?;
            Ok(to_reg(t, v.bare()))
        }),
        in_place_repeat: Some(in_place_repeat),
        methods: METHODS,
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.flags(type_flags::SEQUENCE | type_flags::MATCH_SELF)
.doc(
    "Built-in mutable sequence.\n\nIf no argument is given, the constructor creates a new empty list.\nThe argument must be an \
     iterable if specified.",
)
.signature("(iterable=(), /)");

const METHODS: &[NativeDef] = &[
    NativeDef::new("append", "($self, object, /)", |t, a| {
        List::this(a[0]).push(t, Obj::new(t, a[1]).into_value());
        Ok(Value::NONE)
    })
    .quick(Quick::Append)
    .doc("Append object to the end of the list."),
    NativeDef::new("extend", "($self, iterable, /)", |t, a| {
        extend(t, List::this(a[0]), a[1])?;
        Ok(Value::NONE)
    })
    .doc("Extend list by appending elements from the iterable."),
    NativeDef::new("insert", "($self, index, object, /)", insert).doc("Insert object before index."),
    NativeDef::new("pop", "($self, index=-1, /)", pop).doc(
        "Remove and return item at index (default last).\n\nRaises IndexError if list is empty or index is out of range.",
    ),
    NativeDef::new("remove", "($self, value, /)", remove)
        .doc("Remove first occurrence of value.\n\nRaises ValueError if the value is not present."),
    NativeDef::new("index", "($self, value, start=0, stop=sys.maxsize, /)", list_index)
        .doc("Return first index of value.\n\nRaises ValueError if the value is not present."),
    NativeDef::new("count", "($self, value, /)", count).doc("Return number of occurrences of value."),
    NativeDef::new("clear", "($self, /)", |t, a| {
        List::this(a[0]).clear(t);
        Ok(Value::NONE)
    })
    .doc("Remove all items from list."),
    NativeDef::new("copy", "($self, /)", |t, a| {
        Ok(List::this(a[0]).copy(t).into())
    })
    .doc("Return a shallow copy of the list."),
    NativeDef::new("reverse", "($self, /)", |t, a| {
        List::this(a[0]).reverse(t);
        Ok(Value::NONE)
    })
    .doc("Reverse *IN PLACE*."),
    NativeDef::new("sort", "($self, /, *, key=None, reverse=False)", sort).doc(
        "Sort the list in ascending order and return None.\n\nThe sort is in-place (i.e. the list itself is modified) and stable \
         (i.e. the\norder of two equal elements is maintained).\n\nIf a key function is given, apply it once to each list item and \
         sort them,\nascending or descending, according to their function values.\n\nThe reverse flag can be set to sort in \
         descending order.",
    ),
    NativeDef::new("__reversed__", "($self, /)", |t, a| Ok(crate::iter::new_list_reverse_iter(t, a[0]).into()))
        .doc("Return a reverse iterator over the list."),
    NativeDef::new("__sizeof__", "($self, /)", |t, a| Ok(Value::int(List::this(a[0]).size(t) as i64)))
        .doc("Return the size of the list in memory, in bytes."),
    NativeDef::class("__class_getitem__", "($type, item, /)", crate::generic_alias::class_getitem),
];

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    let new = |ty: &Type| ty.slots.new.get().map(|f| f as usize);
    if args.has_keywords() && new(type_of(v)) == new(&LIST) {
        return Err(t.type_error("list() takes no keyword arguments".into()));
    }
    let l = List::this(v);
    let pos = args.pos();
    if pos.len() > 1 {
        return Err(t.type_error(format!(
            "list expected at most 1 argument, got {}",
            pos.len()
        )));
    }
    if !l.is_empty() {
        l.clear(t);
    }
    match pos {
        [items] => extend(t, l, *items),
        _ => Ok(()),
    }
}

/// `l.extend(iterable)`
pub(super) fn extend(t: &mut Thread, l: &List, iterable: Value) -> Res<()> {
    extend_from(t, l, iterable)?;
    memory::check(t)
}

fn extend_from(t: &mut Thread, l: &List, iterable: Value) -> Res<()> {
    if let Some(other) = List::exact(iterable) {
        if !std::ptr::eq(l, other)
            && let Some(items) = other.local_items(t)
            && l.splice_local(t, usize::MAX, usize::MAX, items)
        {
            return Ok(());
        }
        let items = other.to_vec(t);
        l.append(t, items);
        return Ok(());
    }
    if let Some(other) = Tuple::exact(iterable) {
        if !l.splice_local(t, usize::MAX, usize::MAX, other.values()) {
            let items = other.to_vec(t);
            l.append(t, items);
        }
        return Ok(());
    }
    if let Some(items) = crate::dict_views::snapshot(t, iterable) {
        l.append(t, items);
        return Ok(());
    }
    if let Some(set) = crate::set::Set::exact(iterable) {
        let items = set.to_vec(t);
        l.append(t, items);
        return Ok(());
    }
    if let Some(s) = Str::exact(iterable) {
        if !l.reserve(t, s.len()) {
            return Err(t.memory_error());
        }
        for cp in s.text().code_points() {
            l.push(t, Str::char_value(t, cp));
        }
        return Ok(());
    }
    if let Some((start, step, n)) = Range::of(iterable).and_then(Range::small) {
        if !l.reserve(t, n) {
            return Err(t.memory_error());
        }
        for i in 0..n as i64 {
            l.push(t, Value::int(start + i * step));
        }
        return Ok(());
    }
    let it = proto::iter(t, iterable)?;
    let hint = proto::length_hint(t, iterable, 8)?;
    // A hint may be wrong: one that no list could have is left alone.
    if l.len().saturating_add(hint) < isize::MAX as usize && !l.reserve(t, hint) {
        return Err(t.memory_error());
    }
    loop {
        let v = proto::next_value(t, it.value())?;
        if v.is_null() {
            return Ok(());
        }
        l.push(t, v);
        crate::runtime::poll_in_loop(t)?;
    }
}

fn list_repr(t: &mut Thread, v: Value) -> Res {
    let l = List::this(v);
    if l.is_empty() {
        return Ok(Str::intern(t, "[]").into());
    }
    let Some(_guard) = repr::enter(t, v) else {
        return Ok(Str::intern(t, "[...]").into());
    };
    let mut out = b"[".to_vec();
    let mut i = 0;
    repr::push_all(t, &mut out, |t| {
        i += 1;
        l.get(t, i - 1).map(|v| v.to_obj(t))
    })?;
    out.push(b']');
    Ok(Str::from_vec(t, out).into())
}

fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let (Some(x), Some(y)) = (List::of(a), List::of(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    if x.len() != y.len() && matches!(op, CmpOp::Eq | CmpOp::Ne) {
        return Ok(Value::bool(op == CmpOp::Ne));
    }
    let mut i = 0;
    if let (Some(p), Some(q)) = (x.local_items(t), y.local_items(t)) {
        i = p.iter().zip(q).take_while(|(p, q)| p.same(**q)).count();
    }
    while let (Some(p), Some(q)) = (x.get(t, i), y.get(t, i)) {
        i += 1;
        let (p, q) = (p.value(), q.value());
        if p.same(q) {
            continue;
        }
        let (p, q) = (Obj::new(t, p), Obj::new(t, q));
        if !proto::eq(t, p.value(), q.value())? {
            if i > x.len() || i > y.len() {
                break;
            }
            return match op {
                CmpOp::Eq => Ok(Value::FALSE),
                CmpOp::Ne => Ok(Value::TRUE),
                _ => proto::compare(t, p.value(), q.value(), op),
            };
        }
    }
    Ok(Value::bool(op.of(x.len().cmp(&y.len()))))
}

fn get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    let l = List::this(v);
    if let Some(i) = key.to_int() {
        return match l.get_at(t, i) {
            Some(v) => Ok(v.to_reg(t)),
            None => Err(t.index_error("list index out of range")),
        };
    }
    if let Some(s) = Slice::of(key) {
        let (start, stop, step) = s.unpack(t)?;
        return Ok(l.slice(t, start, stop, step).into());
    }
    let i = place(t, key)?;
    match l.get_at(t, i) {
        Some(v) => Ok(v.to_reg(t)),
        None => Err(t.index_error("list index out of range")),
    }
}

fn set_item(t: &mut Thread, v: Value, key: Value, x: Value) -> Res<()> {
    let l = List::this(v);
    if let Some(i) = key.to_int()
        && !x.is_null()
        && let Some(slot) = l.header.is_local(t).then(|| l.local_slot(t, i)).flatten()
    {
        slot.set(t, &l.header, Obj::new(t, x).into_value());
        return Ok(());
    }
    if let Some(s) = Slice::of(key) {
        return if x.is_null() {
            delete_slice(t, l, s.parts())
        } else {
            assign_slice(t, l, s.parts(), x)
        };
    }
    let i = place(t, key)?;
    let done = if x.is_null() {
        l.remove_at(t, i).is_some()
    } else {
        l.set_at(t, i, Obj::new(t, x).into_value())
    };
    if done {
        Ok(())
    } else {
        Err(t.index_error("list assignment index out of range"))
    }
}

/// An index that is no slice, as a number.
fn place(t: &mut Thread, key: Value) -> Res<i64> {
    if !index::has_index(key) {
        let got = type_of(key).name();
        return Err(t.type_error(format!(
            "list indices must be integers or slices, not {got}"
        )));
    }
    proto::index_for(t, key)
}

/// `del l[start:stop:step]`
pub(crate) fn delete_slice(t: &mut Thread, l: &List, parts: [Value; 3]) -> Res<()> {
    let (start, stop, step) = slice::unpack(t, parts)?;
    if step != 1 {
        drop(l.remove_slice(t, start, stop, step));
        return Ok(());
    }
    let (first, _, n) = slice::select(start, stop, 1, l.len());
    if !l.splice_local(t, first as usize, first as usize + n, &[]) {
        drop(l.splice_slice(t, start, stop, Vec::new()));
    }
    Ok(())
}

/// `l[start:stop:step] = x`
pub(crate) fn assign_slice(t: &mut Thread, l: &List, parts: [Value; 3], x: Value) -> Res<()> {
    let (start, stop, step) = slice::unpack(t, parts)?;
    if step == 1 {
        let (start, _, n) = slice::adjust(start, stop, step, l.len());
        let items = match List::exact(x) {
            Some(y) if !std::ptr::eq(y, l) => y.local_items(t),
            Some(_) => None,
            None => Tuple::exact(x).map(Tuple::values),
        };
        if let Some(items) = items
            && l.splice_local(t, start as usize, start as usize + n, items)
        {
            return Ok(());
        }
    }
    let ty = type_of(x);
    if !ty.slots.iter.is_set() && !proto::is_sequence(t, x) {
        return Err(t.type_error("must assign iterable to extended slice".into()));
    }
    let items = proto::to_vec(t, x)?;
    if step == 1 {
        drop(l.splice_slice(t, start, stop, items));
        return Ok(());
    }
    let got = items.len();
    match l.replace_slice(t, [start, stop, step], items) {
        Ok(gone) => {
            drop(gone);
            Ok(())
        }
        Err(n) => Err(t.value_error(format!(
            "attempt to assign sequence of size {got} to extended slice of size {n}"
        ))),
    }
}

fn concat(t: &mut Thread, a: Value, b: Value) -> Res {
    let Some(y) = List::of(b) else {
        let got = type_of(b).name();
        return Err(t.type_error(format!("can only concatenate list (not \"{got}\") to list")));
    };
    let n = List::this(a).len().saturating_add(y.len());
    memory::room_for(t, n, size_of::<Value>())?;
    if let (Some(p), Some(q)) = (List::this(a).local_items(t), y.local_items(t)) {
        return Ok(List::from_words(t, p.len() + q.len(), |i| {
            let v = if i < p.len() { p[i] } else { q[i - p.len()] };
            inc(t, v);
            v
        })
        .into());
    }
    let mut items = List::this(a).to_vec(t);
    items.extend(y.to_vec(t));
    Ok(List::from_vec(t, items).into())
}

fn repeat(t: &mut Thread, a: Value, n: Value) -> Res {
    let n = index::repeat_count(t, n)?;
    let l = List::this(a);
    if n == 0 {
        return Ok(List::new(t).into());
    }
    if l.len() == 1
        && let Some(v) = l.get(t, 0)
    {
        let v = v.value();
        if checked_total(1, n).is_none() {
            return Err(t.memory_error());
        }
        return Ok(List::from_words(t, n, |_| {
            inc(t, v);
            v
        })
        .into());
    }
    let items = l.to_vec(t);
    let Some(total) = checked_total(items.len(), n) else {
        return Err(t.memory_error());
    };
    Ok(List::from_words(t, total, |i| {
        let v = items[i % items.len()].value();
        inc(t, v);
        v
    })
    .into())
}

fn checked_total(len: usize, n: usize) -> Option<usize> {
    let total = len
        .checked_mul(n)
        .filter(|&n| n <= isize::MAX as usize / 16)?;
    crate::tuple::try_memory(total * 8).then_some(total)
}

fn in_place_repeat(t: &mut Thread, v: Value, n: Value) -> Res {
    let n = index::repeat_count(t, n)?;
    let l = List::this(v);
    if n == 0 {
        l.clear(t);
    } else if n > 1 {
        let items = l.to_vec(t);
        let Some(total) = checked_total(items.len(), n) else {
            return Err(t.memory_error());
        };
        let more = (items.len()..total)
            .map(|i| items[i % items.len()].clone())
            .collect();
        l.append(t, more);
    }
    Ok(to_reg(t, v.bare()))
}

fn insert(t: &mut Thread, a: &[Value]) -> Res {
    let l = List::this(a[0]);
    let i = index::size(t, a[1])?;
    l.insert(t, i as i64, Obj::new(t, a[2]).into_value());
    Ok(Value::NONE)
}

fn pop(t: &mut Thread, a: &[Value]) -> Res {
    let l = List::this(a[0]);
    if a[1].is_null() {
        return match l.pop(t) {
            Some(o) => Ok(o.into()),
            None => Err(t.index_error("pop from empty list")),
        };
    }
    let i = index::size(t, a[1])?;
    if l.is_empty() {
        return Err(t.index_error("pop from empty list"));
    }
    match l.remove_at(t, i as i64) {
        Some(o) => Ok(o.into()),
        None => Err(t.index_error("pop index out of range")),
    }
}

fn remove(t: &mut Thread, a: &[Value]) -> Res {
    let l = List::this(a[0]);
    match l.remove(t, a[1])? {
        true => Ok(Value::NONE),
        false => Err(t.value_error("list.remove(x): x not in list")),
    }
}

fn list_index(t: &mut Thread, a: &[Value]) -> Res {
    let l = List::this(a[0]);
    let (start, end) = index::bounds(t, a[2], a[3], l.len())?;
    match l.find(t, a[1], start, end)? {
        Some(i) => Ok(Value::int(i as i64)),
        None => Err(t.value_error("list.index(x): x not in list")),
    }
}

fn count(t: &mut Thread, a: &[Value]) -> Res {
    let l = List::this(a[0]);
    let (mut n, mut i) = (0, 0);
    while let Some(at) = l.find(t, a[1], i, usize::MAX)? {
        n += 1;
        i = at + 1;
    }
    Ok(Value::int(n))
}

fn sort(t: &mut Thread, a: &[Value]) -> Res {
    let key = if a[1].is_null() || a[1].is_none() {
        None
    } else {
        Some(a[1])
    };
    let reverse = !a[2].is_null() && proto::truth(t, a[2])?;
    crate::sort::sort_list(t, List::this(a[0]), key, reverse)?;
    Ok(Value::NONE)
}
