//! `deque`: a ring of words behind the object's lock, which is free of charge while the deque is local.

use crate::support::{self, Count, Guarded};
use std::collections::VecDeque;
use weft_gc::{lock, share};
use weft_objects::cell::{fresh, own};
use weft_objects::gc_slots;
use weft_objects::int;
use weft_objects::iter::iter_self;
use weft_objects::memory;
use weft_objects::prelude::*;

/// `collections.deque`
#[repr(C)]
pub struct Deque {
    header: Header,
    /// Counted words.
    items: Guarded<VecDeque<Value>>,
    len: Count,
    /// Longest allowed length plus one; 0: no limit.
    limit: Count,
    /// Counts the changes of length or order, for iterators.
    state: Count,
}

fn this<'a>(v: Value) -> &'a Deque {
    // SAFETY: slots and methods of DEQUE get its instances alone.
    unsafe { &*(v.ptr() as *const Deque) }
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a deque that nobody changes meanwhile.
    if let Some(items) = unsafe { (*(h as *const Deque)).items.peek() } {
        items.iter().for_each(|v| f(*v));
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying deque.
    if let Some(items) = unsafe { (*(h as *const Deque)).items.take() } {
        items.iter().for_each(|v| t.drop_value(*v));
    }
}

impl Deque {
    /// The longest allowed length.
    fn max(&self) -> usize {
        (self.limit.get() as usize).wrapping_sub(1)
    }

    /// Calls `f` with the items, under the lock, and notes the new length. What is to be dropped, `f` gives back.
    #[inline(always)]
    fn change<R>(&self, t: &Thread, f: impl FnOnce(&mut VecDeque<Value>) -> R) -> R {
        let guard = lock(t, &self.header);
        let items = self.items.get(&guard);
        let r = f(items);
        self.len.set(items.len() as u64);
        self.state.set(self.state.get() + 1);
        r
    }

    /// Appends a counted word at one end; gives what falls out at the other.
    #[inline(always)]
    fn push(&self, t: &Thread, v: Value, left: bool) {
        let v = to_heap(v);
        if !self.header.is_local(t) {
            share(t, v); // keeps I3
        }
        let max = self.max();
        let out = self.change(t, |items| {
            let out = if items.len() >= max {
                if max == 0 {
                    return v;
                }
                if left {
                    items.pop_back()
                } else {
                    items.pop_front()
                }
            } else {
                None
            };
            if items.len() == items.capacity() && items.try_reserve(1).is_err() {
                // It is left out: MemoryError comes at the next poll, if not before.
                weft_gc::reserve::starve(t);
                return v;
            }
            if left {
                items.push_front(v);
            } else {
                items.push_back(v);
            }
            out.unwrap_or(Value::NULL)
        });
        dec(t, out);
    }

    fn pop(&self, t: &Thread, left: bool) -> Option<Value> {
        self.change(t, |items| {
            if left {
                items.pop_front()
            } else {
                items.pop_back()
            }
        })
    }

    /// Item `i`.
    fn get(&self, t: &Thread, i: usize) -> Option<Obj> {
        let guard = lock(t, &self.header);
        self.items.get(&guard).get(i).map(|v| Obj::new(t, *v))
    }

    fn to_vec(&self, t: &Thread) -> Vec<Obj> {
        let guard = lock(t, &self.header);
        self.items
            .get(&guard)
            .iter()
            .map(|v| Obj::new(t, *v))
            .collect()
    }

    fn len(&self) -> usize {
        self.len.get() as usize
    }

    fn remove_all(&self, t: &Thread) {
        let old = self.change(t, std::mem::take);
        old.iter().for_each(|v| t.drop_value(*v));
    }
}

fn new_of(t: &Thread, cls: &Type, limit: u64) -> Obj {
    // SAFETY: `cls` is DEQUE or a subclass.
    let (o, d) = unsafe { fresh::<Deque>(t, cls) };
    d.limit.set(limit);
    o
}

fn deque_new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    Ok(new_of(t, Type::of_unchecked(cls), 0).into())
}

fn deque_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new("deque", "(iterable=(), maxlen=None)");
    let a = SIG.bind(t, args)?;
    let limit = if a[1].is_null() || a[1].is_none() {
        0
    } else {
        if !int::is_int(a[1]) {
            return Err(t.type_error("an integer is required".into()));
        }
        let n = proto::index_i64(t, a[1])?;
        if n < 0 {
            return Err(t.value_error("maxlen must be non-negative"));
        }
        n as u64 + 1
    };
    let d = this(v);
    d.limit.set(limit);
    if d.len() > 0 {
        d.remove_all(t);
    }
    if !a[0].is_null() {
        extend(t, v, a[0], false)?;
    }
    Ok(())
}

fn extend(t: &mut Thread, v: Value, other: Value, left: bool) -> Res<()> {
    let d = this(v);
    if other.same(v) {
        for x in d.to_vec(t) {
            d.push(t, x.into(), left);
        }
        return Ok(());
    }
    let it = proto::iter(t, other)?;
    loop {
        let x = proto::next_value(t, it.value())?;
        if x.is_null() {
            return Ok(());
        }
        d.push(t, x, left);
        weft_objects::runtime::poll_in_loop(t)?;
    }
}

fn append(t: &mut Thread, a: &[Value]) -> Res {
    let x = Obj::new(t, a[1]);
    this(a[0]).push(t, x.into(), false);
    Ok(Value::NONE)
}

fn appendleft(t: &mut Thread, a: &[Value]) -> Res {
    let x = Obj::new(t, a[1]);
    this(a[0]).push(t, x.into(), true);
    Ok(Value::NONE)
}

fn pop(t: &mut Thread, a: &[Value]) -> Res {
    match this(a[0]).pop(t, false) {
        Some(v) => Ok(v),
        None => Err(t.index_error("pop from an empty deque")),
    }
}

fn popleft(t: &mut Thread, a: &[Value]) -> Res {
    match this(a[0]).pop(t, true) {
        Some(v) => Ok(v),
        None => Err(t.index_error("pop from an empty deque")),
    }
}

fn rotate(t: &mut Thread, a: &[Value]) -> Res {
    let n = if a[1].is_null() {
        1
    } else {
        proto::index_i64(t, a[1])?
    };
    this(a[0]).change(t, |items| {
        if items.len() > 1 {
            let k = n.rem_euclid(items.len() as i64) as usize;
            items.rotate_right(k);
        }
    });
    Ok(Value::NONE)
}

fn reverse(t: &mut Thread, a: &[Value]) -> Res {
    this(a[0]).change(t, |items| items.make_contiguous().reverse());
    Ok(Value::NONE)
}

/// Calls `f` with each item of the range until it says stop; RuntimeError if what it calls changes the deque. If others may do that,
/// the items are those of one moment.
fn walk(
    t: &mut Thread,
    d: &Deque,
    range: std::ops::Range<usize>,
    mut f: impl FnMut(&mut Thread, usize, Obj) -> Res<bool>,
) -> Res<()> {
    let state = d.state.get();
    let local = d.header.is_local(t);
    let moment = if local { Vec::new() } else { d.to_vec(t) };
    for i in range {
        let x = if local {
            d.get(t, i)
        } else {
            moment.get(i).cloned()
        };
        let Some(x) = x else { return Ok(()) };
        // Only a class of the program's could run what changes the deque.
        let may_change = local || type_of(x.value()).is_heap();
        let go_on = f(t, i, x)?;
        if may_change && d.state.get() != state {
            return Err(t.runtime_error("deque mutated during iteration"));
        }
        if !go_on {
            break;
        }
    }
    Ok(())
}

/// The first item of the range that is equal to `x`, and its place.
fn find(
    t: &mut Thread,
    d: &Deque,
    range: std::ops::Range<usize>,
    x: Value,
) -> Res<Option<(usize, Obj)>> {
    let mut found = None;
    walk(t, d, range, |t, i, item| {
        if proto::eq(t, item.value(), x)? {
            found = Some((i, item));
        }
        Ok(found.is_none())
    })?;
    Ok(found)
}

fn count(t: &mut Thread, a: &[Value]) -> Res {
    let d = this(a[0]);
    let mut n = 0;
    walk(t, d, 0..d.len(), |t, _, item| {
        if proto::eq(t, item.value(), a[1])? {
            n += 1;
        }
        Ok(true)
    })?;
    Ok(Value::int(n))
}

fn contains(t: &mut Thread, v: Value, x: Value) -> Res<bool> {
    let d = this(v);
    Ok(find(t, d, 0..d.len(), x)?.is_some())
}

fn bound(t: &mut Thread, v: Value, default: usize, len: usize) -> Res<usize> {
    if v.is_null() {
        return Ok(default);
    }
    let i = proto::index_clamped(t, v)?;
    let i = if i < 0 {
        i.saturating_add(len as isize).max(0)
    } else {
        i
    };
    Ok((i as usize).min(len))
}

fn index(t: &mut Thread, a: &[Value]) -> Res {
    let d = this(a[0]);
    let len = d.len();
    let start = bound(t, a[2], 0, len)?;
    let stop = bound(t, a[3], len, len)?;
    match find(t, d, start..stop, a[1])? {
        Some((i, _)) => Ok(Value::int(i as i64)),
        None => {
            let r = proto::repr(t, a[1])?;
            let r = Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy());
            Err(t.value_error(format!("{r} is not in deque")))
        }
    }
}

fn insert(t: &mut Thread, a: &[Value]) -> Res {
    let d = this(a[0]);
    let i = proto::index_clamped(t, a[1])?;
    let x = Obj::new(t, a[2]);
    if !d.header.is_local(t) {
        share(t, x.value()); // keeps I3
    }
    let max = d.max();
    let kept = d.change(t, |items| {
        if items.len() >= max {
            return Some(x);
        }
        let n = items.len() as isize;
        let i = if i < 0 { (i + n).max(0) } else { i.min(n) };
        items.insert(i as usize, x.into_value());
        None
    });
    match kept {
        None => Ok(Value::NONE),
        Some(_) => Err(t.index_error("deque already at its maximum size")),
    }
}

fn remove(t: &mut Thread, a: &[Value]) -> Res {
    let d = this(a[0]);
    let state = d.state.get();
    loop {
        let (i, item) = match find(t, d, 0..d.len(), a[1]) {
            Ok(Some(found)) => found,
            other => return Err(not_removed(t, d, state, other.err())),
        };
        let word = item.value().bare();
        // Wherever it is by now; if it is gone, another equal one is looked for.
        let out = d.change(t, |items| {
            let i = match items.get(i).is_some_and(|v| v.bare().0 == word.0) {
                true => i,
                false => items.iter().position(|v| v.bare().0 == word.0)?,
            };
            items.remove(i)
        });
        if let Some(out) = out {
            dec(t, out);
            return Ok(Value::NONE);
        }
    }
}

#[cold]
fn not_removed(t: &mut Thread, d: &Deque, state: u64, why: Option<Raised>) -> Raised {
    match why {
        None => t.value_error("deque.remove(x): x not in deque"),
        Some(_) if d.state.get() != state && t.exc_matches(&errors::RUNTIME_ERROR) => {
            t.clear_exc();
            t.index_error("deque mutated during remove().")
        }
        Some(e) => e,
    }
}

fn clear_method(t: &mut Thread, a: &[Value]) -> Res {
    this(a[0]).remove_all(t);
    Ok(Value::NONE)
}

/// A deque of the same class with these items.
fn like(t: &mut Thread, v: Value, items: Vec<Obj>) -> Res<Obj> {
    let d = this(v);
    let ty = type_of(v);
    if ty.is(&DEQUE) {
        let o = new_of(t, ty, d.limit.get());
        for x in items {
            this(o.value()).push(t, x.into(), false);
        }
        return Ok(o);
    }
    let list = List::from_vec(t, items);
    let cls = Obj::new(t, ty.value());
    if d.limit.get() == 0 {
        return proto::call(t, cls.value(), &[list.value()]);
    }
    let max = Obj::own(int::from_usize(t, d.max()));
    proto::call(t, cls.value(), &[list.value(), max.value()])
}

fn copy(t: &mut Thread, a: &[Value]) -> Res {
    let items = this(a[0]).to_vec(t);
    Ok(like(t, a[0], items)?.into())
}

fn concat(t: &mut Thread, a: Value, b: Value) -> Res {
    if !type_of(b).is_subtype(&DEQUE) {
        let got = type_of(b).name();
        return Err(t.type_error(format!(
            "can only concatenate deque (not \"{got}\") to deque"
        )));
    }
    let mut items = this(a).to_vec(t);
    items.extend(this(b).to_vec(t));
    Ok(like(t, a, items)?.into())
}

fn in_place_concat(t: &mut Thread, a: Value, b: Value) -> Res {
    extend(t, a, b, false)?;
    Ok(to_reg(t, a.bare()))
}

fn repeated(t: &mut Thread, v: Value, n: Value) -> Res<Vec<Obj>> {
    let n = proto::index_i64(t, n)?.max(0) as usize;
    let d = this(v);
    let items = d.to_vec(t);
    if items.is_empty() || n == 0 {
        return Ok(Vec::new());
    }
    // With a limit, only the last rounds stay.
    let rounds = if d.limit.get() == 0 {
        n
    } else {
        n.min(d.max() / items.len() + 2)
    };
    if items
        .len()
        .checked_mul(rounds)
        .is_none_or(|total| total > isize::MAX as usize / 16)
    {
        return Err(t.memory_error());
    }
    let mut all = memory::vec(t, items.len() * rounds)?;
    for _ in 0..rounds {
        all.extend(items.iter().cloned());
    }
    Ok(all)
}

fn repeat(t: &mut Thread, v: Value, n: Value) -> Res {
    let items = repeated(t, v, n)?;
    Ok(like(t, v, items)?.into())
}

fn in_place_repeat(t: &mut Thread, v: Value, n: Value) -> Res {
    let items = repeated(t, v, n)?;
    let d = this(v);
    d.remove_all(t);
    for x in items {
        d.push(t, x.into(), false);
    }
    Ok(to_reg(t, v.bare()))
}

fn position(t: &mut Thread, v: Value, i: Value) -> Res<usize> {
    if !type_of(i).slots.index.is_set() {
        let got = type_of(i).name();
        return Err(t.type_error(format!("sequence index must be integer, not '{got}'")));
    }
    let i = proto::index_for(t, i)?;
    let n = this(v).len() as i64;
    let at = if i < 0 { i + n } else { i };
    if at < 0 || at >= n {
        return Err(t.index_error("deque index out of range"));
    }
    Ok(at as usize)
}

fn get_item(t: &mut Thread, v: Value, i: Value) -> Res {
    let i = position(t, v, i)?;
    match this(v).get(t, i) {
        Some(x) => Ok(x.into()),
        None => Err(t.index_error("deque index out of range")),
    }
}

fn set_item(t: &mut Thread, v: Value, i: Value, x: Value) -> Res<()> {
    let i = position(t, v, i)?;
    let d = this(v);
    if x.is_null() {
        let out = d.change(t, |items| items.remove(i));
        dec(t, out.unwrap_or(Value::NULL));
        return Ok(());
    }
    let x = Obj::new(t, x);
    if !d.header.is_local(t) {
        share(t, x.value()); // keeps I3
    }
    let word = x.into_value();
    let old = {
        let t = &*t;
        let guard = lock(t, &d.header);
        match d.items.get(&guard).get_mut(i) {
            Some(slot) => std::mem::replace(slot, word),
            None => word,
        }
    };
    dec(t, old);
    Ok(())
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let Some(_guard) = t.repr_enter(v) else {
        return Ok(Str::new(t, "[...]").into());
    };
    let d = this(v);
    let items = d.to_vec(t);
    let list = List::from_vec(t, items);
    let r = proto::repr(t, list.value())?;
    let name = type_of(v).name();
    let r = Str::of(r.value()).map_or_else(Vec::new, |s| s.as_bytes().to_vec());
    let end = if d.limit.get() == 0 {
        ")".to_string()
    } else {
        format!(", maxlen={})", d.max())
    };
    Ok(Str::from_parts(t, &[name.as_bytes(), b"(", &r, end.as_bytes()]).into())
}

fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    if !type_of(a).is_subtype(&DEQUE) || !type_of(b).is_subtype(&DEQUE) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let (x, y) = (this(a).to_vec(t), this(b).to_vec(t));
    if x.len() != y.len() && matches!(op, CmpOp::Eq | CmpOp::Ne) {
        return Ok(Value::bool(op == CmpOp::Ne));
    }
    for (p, q) in x.iter().zip(&y) {
        if !proto::eq(t, p.value(), q.value())? {
            return match op {
                CmpOp::Eq => Ok(Value::FALSE),
                CmpOp::Ne => Ok(Value::TRUE),
                _ => proto::compare(t, p.value(), q.value(), op),
            };
        }
    }
    Ok(Value::bool(op.of(x.len().cmp(&y.len()))))
}

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    let d = this(a[0]);
    let args = if d.limit.get() == 0 {
        Tuple::empty(t)
    } else {
        let max = Obj::own(int::from_usize(t, d.max()));
        let nothing = Tuple::empty(t);
        Tuple::pair(t, nothing, max)
    };
    let state = proto::call_method(t, a[0], "__getstate__", &[])?;
    let it = proto::iter(t, a[0])?;
    let cls = Obj::new(t, type_of(a[0]).value());
    Ok(Tuple::from_vec(t, vec![cls, args, state, it]).into())
}

fn size_of_deque(t: &mut Thread, a: &[Value]) -> Res {
    let t = &*t;
    let d = this(a[0]);
    let guard = lock(t, &d.header);
    Ok(int::from_usize(
        t,
        size_of::<Deque>() + d.items.get(&guard).capacity() * 8,
    ))
}

/// `collections.deque`
pub static DEQUE: Type = Type::builtin(
    "deque",
    size_of::<Deque>(),
    &Spec {
        new: Some(deque_new),
        init: Some(deque_init),
        repr: Some(repr),
        compare: Some(compare),
        hash: Some(proto::hash_not_implemented),
        iter: Some(|t, v| Ok(new_iter(t, v, &DEQUE_ITERATOR).into())),
        len: Some(|_, v| Ok(this(v).len())),
        get_item: Some(get_item),
        set_item: Some(set_item),
        contains: Some(contains),
        concat: Some(concat),
        repeat: Some(repeat),
        in_place_concat: Some(in_place_concat),
        in_place_repeat: Some(in_place_repeat),
        methods: &[
            NativeDef::new("append", "($self, item, /)", append)
                .doc("Add an element to the right side of the deque."),
            NativeDef::new("appendleft", "($self, item, /)", appendleft)
                .doc("Add an element to the left side of the deque."),
            NativeDef::new("pop", "($self, /)", pop)
                .doc("Remove and return the rightmost element."),
            NativeDef::new("popleft", "($self, /)", popleft)
                .doc("Remove and return the leftmost element."),
            NativeDef::new("extend", "($self, iterable, /)", |t, a| {
                extend(t, a[0], a[1], false).map(|()| Value::NONE)
            })
            .doc("Extend the right side of the deque with elements from the iterable."),
            NativeDef::new("extendleft", "($self, iterable, /)", |t, a| {
                extend(t, a[0], a[1], true).map(|()| Value::NONE)
            })
            .doc("Extend the left side of the deque with elements from the iterable."),
            NativeDef::new("rotate", "($self, n=1, /)", rotate)
                .doc("Rotate the deque n steps to the right.  If n is negative, rotates left."),
            NativeDef::new("reverse", "($self, /)", reverse).doc("Reverse *IN PLACE*."),
            NativeDef::new("count", "($self, value, /)", count)
                .doc("Return number of occurrences of value."),
            NativeDef::new(
                "index",
                "($self, value, start=0, stop=sys.maxsize, /)",
                index,
            )
            .doc("Return first index of value.\n\nRaises ValueError if the value is not present."),
            NativeDef::new("insert", "($self, index, value, /)", insert)
                .doc("Insert value before index."),
            NativeDef::new("remove", "($self, value, /)", remove)
                .doc("Remove first occurrence of value."),
            NativeDef::new("clear", "($self, /)", clear_method)
                .doc("Remove all elements from the deque."),
            NativeDef::new("copy", "($self, /)", copy).doc("Return a shallow copy of a deque."),
            NativeDef::new("__copy__", "($self, /)", copy).doc("Return a shallow copy of a deque."),
            NativeDef::new("__reduce__", "($self, /)", reduce)
                .doc("Return state information for pickling."),
            NativeDef::new("__reversed__", "($self, /)", |t, a| {
                Ok(new_iter(t, a[0], &DEQUE_REVERSE_ITERATOR).into())
            })
            .doc("Return a reverse iterator over the deque."),
            NativeDef::new("__sizeof__", "($self, /)", size_of_deque)
                .doc("Return the size of the deque in memory, in bytes."),
            NativeDef::class(
                "__class_getitem__",
                "($type, object, /)",
                weft_objects::generic_alias::class_getitem,
            )
            .doc("See PEP 585"),
        ],
        getset: &[GetSetDef::ro("maxlen", |t, v| {
            let d = this(v);
            Ok(if d.limit.get() == 0 {
                Value::NONE
            } else {
                int::from_usize(t, d.max())
            })
        })],
        ..Spec::EMPTY
    },
)
.module("collections")
.gc(traverse, clear)
.flags(weft_objects::types::type_flags::SEQUENCE)
.doc("A list-like sequence optimized for data accesses near its endpoints.");

// --- iterators ---

#[repr(C)]
struct DequeIter {
    header: Header,
    /// NULL when exhausted.
    deque: Slot,
    index: Count,
    state: Count,
}

gc_slots!(DequeIter, traverse_iter, clear_iter, deque);

fn new_iter(t: &Thread, deque: Value, ty: &Type) -> Obj {
    // SAFETY: the layout of both iterator types.
    let (o, it) = unsafe { fresh::<DequeIter>(t, ty) };
    it.deque.init(t, &it.header, Obj::new(t, deque).into());
    it.state.set(this(deque).state.get());
    o
}

fn iter_of<'a>(v: Value) -> &'a DequeIter {
    // SAFETY: slots of the iterator types get their instances alone.
    unsafe { &*(v.ptr() as *const DequeIter) }
}

fn iter_next(t: &mut Thread, v: Value, reverse: bool) -> Res {
    let it = iter_of(v);
    // Nothing below runs Python before the deque has been looked at for the last time.
    let deque = it.deque.get();
    if deque.is_null() {
        return Ok(Value::NULL);
    }
    let d = this(deque);
    let i = it.index.get() as usize;
    let (n, changed) = (d.len(), d.state.get() != it.state.get());
    if changed {
        it.deque.set(t, &it.header, Value::NULL);
        return Err(t.runtime_error("deque mutated during iteration"));
    }
    if i >= n {
        it.deque.set(t, &it.header, Value::NULL);
        return Ok(Value::NULL);
    }
    it.index.set(i as u64 + 1);
    Ok(d.get(t, if reverse { n - 1 - i } else { i })
        .map_or(Value::NULL, Obj::into_value))
}

fn iter_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("_deque_iterator", "(deque, index=0, /)");
    let a = SIG.bind(t, args)?;
    if !type_of(a[0]).is_subtype(&DEQUE) {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!(
            "_deque_iterator() argument 1 must be collections.deque, not {got}"
        )));
    }
    let i = if a[1].is_null() {
        0
    } else {
        proto::index_i64(t, a[1])?
    };
    let o = new_iter(t, a[0], Type::of_unchecked(cls));
    iter_of(o.value()).index.set(i.max(0) as u64);
    Ok(o.into())
}

fn length_hint(_t: &mut Thread, a: &[Value]) -> Res {
    let it = iter_of(a[0]);
    let d = it.deque.get();
    let left = if d.is_null() {
        0
    } else {
        this(d).len().saturating_sub(it.index.get() as usize)
    };
    Ok(Value::int(left as i64))
}

fn iter_reduce(t: &mut Thread, a: &[Value]) -> Res {
    let it = iter_of(a[0]);
    let d = own(t, &it.deque).unwrap_or_else(|| new_of(t, &DEQUE, 0));
    let i = support::int_obj(t, it.index.get() as i64);
    let args = Tuple::pair(t, d, i);
    let cls = Obj::new(t, type_of(a[0]).value());
    Ok(Tuple::pair(t, cls, args).into())
}

const ITER_METHODS: &[NativeDef] = &[
    NativeDef::new("__length_hint__", "($self, /)", length_hint),
    NativeDef::new("__reduce__", "($self, /)", iter_reduce),
];

/// `_collections._deque_iterator`
pub static DEQUE_ITERATOR: Type = Type::builtin(
    "_deque_iterator",
    size_of::<DequeIter>(),
    &Spec {
        new: Some(iter_new),
        iter: Some(iter_self),
        iter_next: Some(|t, v| iter_next(t, v, false)),
        methods: ITER_METHODS,
        ..Spec::EMPTY
    },
)
.module("_collections")
.gc(traverse_iter, clear_iter)
.final_();

/// `_collections._deque_reverse_iterator`
pub static DEQUE_REVERSE_ITERATOR: Type = Type::builtin(
    "_deque_reverse_iterator",
    size_of::<DequeIter>(),
    &Spec {
        new: Some(iter_new),
        iter: Some(iter_self),
        iter_next: Some(|t, v| iter_next(t, v, true)),
        methods: ITER_METHODS,
        ..Spec::EMPTY
    },
)
.module("_collections")
.gc(traverse_iter, clear_iter)
.final_();
