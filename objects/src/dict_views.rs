//! `dict_keys`, `dict_values`, `dict_items`, and the iterators of dicts.

use crate::iter::{iter_self, reduced};
use crate::list::repr;
use crate::prelude::*;
use crate::set::Set;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::*};

/// What of a dict is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    Keys,
    Values,
    Items,
}

impl Part {
    fn of(self, t: &Thread, k: Borrowed<'_>, v: Borrowed<'_>) -> Value {
        match self {
            Part::Keys => k.to_reg(t),
            Part::Values => v.to_reg(t),
            Part::Items => Tuple::pair(t, k.to_obj(t), v.to_obj(t)).into(),
        }
    }

    fn view_type(self) -> &'static Type {
        match self {
            Part::Keys => &DICT_KEYS,
            Part::Values => &DICT_VALUES,
            Part::Items => &DICT_ITEMS,
        }
    }

    fn of_view(v: Value) -> Part {
        let ty = type_of(v);
        if ty.is(&DICT_KEYS) {
            Part::Keys
        } else if ty.is(&DICT_VALUES) {
            Part::Values
        } else {
            Part::Items
        }
    }

    fn iter_type(self, reverse: bool) -> &'static Type {
        match (self, reverse) {
            (Part::Keys, false) => &DICT_KEYITERATOR,
            (Part::Values, false) => &DICT_VALUEITERATOR,
            (Part::Items, false) => &DICT_ITEMITERATOR,
            (Part::Keys, true) => &DICT_REVERSEKEYITERATOR,
            (Part::Values, true) => &DICT_REVERSEVALUEITERATOR,
            (Part::Items, true) => &DICT_REVERSEITEMITERATOR,
        }
    }
}

/// A view of a dict.
#[repr(C)]
pub struct View {
    pub header: Header,
    dict: Slot,
}

/// What iterating over a dict or one of its views gives, all of it at one moment, so that other threads cannot change the dict
/// in between. `None`: `v` is nothing of that kind.
pub fn snapshot(t: &Thread, v: Value) -> Option<Vec<Obj>> {
    if let Some(d) = Dict::exact(v) {
        return Some(d.parts(t, true));
    }
    if !v.is_ptr() {
        return None;
    }
    let ty = type_of(v);
    let view = if ty.is(&DICT_KEYS) || ty.is(&DICT_VALUES) || ty.is(&DICT_ITEMS) {
        // SAFETY: of one of the three types, which share the layout.
        unsafe { &*(v.ptr() as *const View) }
    } else {
        return None;
    };
    let d = Dict::exact(view.dict.get())?;
    if !ty.is(&DICT_ITEMS) {
        return Some(d.parts(t, ty.is(&DICT_KEYS)));
    }
    let items = d.items(t).into_iter();
    Some(items.map(|(k, v)| Tuple::pair(t, k, v)).collect())
}

/// `d.keys()` and so on.
pub fn new_view(t: &Thread, dict: Value, part: Part) -> Obj {
    // SAFETY: the layout is that of all three types; the slot is filled at once.
    unsafe {
        let p = t.alloc(&part.view_type().head, size_of::<View>()) as *mut View;
        (*p).dict
            .init(t, &(*p).header, Obj::new(t, dict).into_value());
        Obj::from_raw((*p).header.value())
    }
}

/// The dict of a view, which never changes.
fn dict_of<'a>(v: Value) -> (Value, &'a Dict) {
    // SAFETY: called with views only; a view holds a dict for as long as it lives.
    unsafe {
        let dict = (*(v.ptr() as *const View)).dict.get();
        (dict, &*(dict.ptr() as *const Dict))
    }
}

/// A view of keys or items: those act as sets.
fn is_set_view(v: Value) -> bool {
    let ty = type_of(v);
    ty.is(&DICT_KEYS) || ty.is(&DICT_ITEMS)
}

unsafe fn traverse_view(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a view.
    f(unsafe { (*(h as *const View)).dict.get() });
}

unsafe fn clear_view(h: *mut Header, t: &Thread) {
    // SAFETY: a dying view.
    t.drop_value(unsafe { (*(h as *const View)).dict.take() });
}

fn view_repr(t: &mut Thread, v: Value) -> Res {
    let Some(_guard) = repr::enter(t, v) else {
        return Ok(Str::intern(t, "...").into());
    };
    let (_, d) = dict_of(v);
    let (part, mut pos) = (Part::of_view(v), 0);
    let mut out = format!("{}([", type_of(v).name()).into_bytes();
    repr::push_all(t, &mut out, |t| {
        d.next(t, &mut pos).map(|(k, v)| Obj::own(part.of(t, k, v)))
    })?;
    out.extend_from_slice(b"])");
    Ok(Str::from_vec(t, out).into())
}

fn view_iter(t: &mut Thread, v: Value) -> Res {
    Ok(new_iter(t, dict_of(v).0, Part::of_view(v), false).into())
}

fn view_reversed(t: &mut Thread, a: &[Value]) -> Res {
    Ok(new_iter(t, dict_of(a[0]).0, Part::of_view(a[0]), true).into())
}

fn view_contains(t: &mut Thread, v: Value, x: Value) -> Res<bool> {
    let (_, d) = dict_of(v);
    if Part::of_view(v) == Part::Keys {
        return d.contains(t, x);
    }
    let Some([key, value]) = Tuple::of(x).map(Tuple::values) else {
        return Ok(false);
    };
    match d.get(t, *key)? {
        Some(found) => {
            let found = Obj::own(found);
            proto::eq(t, found.value(), *value)
        }
        None => Ok(false),
    }
}

/// Whether all items of the iterable `a` are in `b`.
fn all_in(t: &mut Thread, a: Value, b: Value) -> Res<bool> {
    let it = proto::iter(t, a)?;
    while let Some(x) = proto::next(t, it.value())? {
        if !proto::contains(t, b, x.value())? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn view_compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    if Set::of(b).is_none() && !is_set_view(b) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let (n, m) = (dict_of(a).1.len(), proto::len(t, b)?);
    Ok(Value::bool(match op {
        CmpOp::Eq | CmpOp::Ne => (n == m && all_in(t, a, b)?) == (op == CmpOp::Eq),
        CmpOp::Lt => n < m && all_in(t, a, b)?,
        CmpOp::Le => n <= m && all_in(t, a, b)?,
        CmpOp::Gt => n > m && all_in(t, b, a)?,
        CmpOp::Ge => n >= m && all_in(t, b, a)?,
    }))
}

fn to_set(t: &mut Thread, v: Value) -> Res<Obj> {
    let made = Set::new(t);
    Set::of_obj(&made).update(t, v)?;
    Ok(made)
}

fn view_sub(t: &mut Thread, a: Value, b: Value) -> Res {
    let made = to_set(t, a)?;
    let it = proto::iter(t, b)?;
    while let Some(x) = proto::next(t, it.value())? {
        Set::of_obj(&made).remove(t, x.value())?;
    }
    Ok(made.into())
}

fn view_or(t: &mut Thread, a: Value, b: Value) -> Res {
    let made = to_set(t, a)?;
    Set::of_obj(&made).update(t, b)?;
    Ok(made.into())
}

fn view_and(t: &mut Thread, a: Value, b: Value) -> Res {
    let (mut view, mut other) = if is_set_view(a) { (a, b) } else { (b, a) };
    if is_set_view(other) && dict_of(other).1.len() > dict_of(view).1.len() {
        std::mem::swap(&mut view, &mut other);
    }
    if let Some(s) = Set::exact(other)
        && dict_of(view).1.len() <= s.len()
    {
        std::mem::swap(&mut view, &mut other);
    }
    let made = Set::new(t);
    let it = proto::iter(t, other)?;
    while let Some(x) = proto::next(t, it.value())? {
        if proto::contains(t, view, x.value())? {
            Set::of_obj(&made).add(t, x.value())?;
        }
    }
    Ok(made.into())
}

fn view_xor(t: &mut Thread, a: Value, b: Value) -> Res {
    if type_of(a).is(&DICT_ITEMS) && type_of(b).is(&DICT_ITEMS) {
        // Items of both need not be hashable.
        let made = Set::new(t);
        for (x, y) in [(a, b), (b, a)] {
            let it = proto::iter(t, x)?;
            while let Some(item) = proto::next(t, it.value())? {
                if !view_contains(t, y, item.value())? {
                    Set::of_obj(&made).add(t, item.value())?;
                }
            }
        }
        return Ok(made.into());
    }
    let (left, right) = (to_set(t, a)?, to_set(t, b)?);
    proto::binary(t, BinOp::Xor, left.value(), right.value())
}

fn is_disjoint(t: &mut Thread, a: &[Value]) -> Res {
    let (mut view, mut other) = (a[0], a[1]);
    if view.same(other) {
        return Ok(Value::bool(dict_of(view).1.is_empty()));
    }
    if Set::of(other).is_some() || is_set_view(other) {
        let n = proto::len(t, other)?;
        if n > dict_of(view).1.len() {
            std::mem::swap(&mut view, &mut other);
        }
    }
    let it = proto::iter(t, other)?;
    while let Some(x) = proto::next(t, it.value())? {
        if proto::contains(t, view, x.value())? {
            return Ok(Value::FALSE);
        }
    }
    Ok(Value::TRUE)
}

const MAPPING: &[GetSetDef] = &[GetSetDef {
    name: "mapping",
    get: |t, v| Ok(crate::mappingproxy::MappingProxy::new(t, Obj::new(t, dict_of(v).0)).into()),
    set: None,
    doc: "dictionary that this view refers to",
}];

const SET_VIEW: Spec = Spec {
    repr: Some(view_repr),
    compare: Some(view_compare),
    iter: Some(view_iter),
    len: Some(|_, v| Ok(dict_of(v).1.len())),
    contains: Some(view_contains),
    binary: &[
        (BinOp::Sub, view_sub),
        (BinOp::And, view_and),
        (BinOp::Xor, view_xor),
        (BinOp::Or, view_or),
    ],
    methods: &[
        NativeDef::new("isdisjoint", "($self, other, /)", is_disjoint)
            .doc("Return True if the view and the given iterable have a null intersection."),
        NativeDef::new("__reversed__", "($self, /)", view_reversed)
            .doc("Return a reverse iterator over the dict's items."),
    ],
    getset: MAPPING,
    ..Spec::EMPTY
};

/// `dict_keys`
pub static DICT_KEYS: Type = Type::builtin("dict_keys", size_of::<View>(), &SET_VIEW)
    .gc(traverse_view, clear_view)
    .final_()
    .no_new();

/// `dict_items`
pub static DICT_ITEMS: Type = Type::builtin("dict_items", size_of::<View>(), &SET_VIEW)
    .gc(traverse_view, clear_view)
    .final_()
    .no_new();

/// `dict_values`
pub static DICT_VALUES: Type = Type::builtin(
    "dict_values",
    size_of::<View>(),
    &Spec {
        repr: Some(view_repr),
        iter: Some(view_iter),
        len: Some(|_, v| Ok(dict_of(v).1.len())),
        methods: &[NativeDef::new("__reversed__", "($self, /)", view_reversed)
            .doc("Return a reverse iterator over the dict's values.")],
        getset: MAPPING,
        ..Spec::EMPTY
    },
)
.gc(traverse_view, clear_view)
.final_()
.no_new();

// --- iterators ---

/// Iterator over a dict, in either direction. Threads that share one may both get the same item.
#[repr(C)]
pub struct DictIter {
    pub header: Header,
    /// NULL when exhausted.
    dict: Slot,
    pos: AtomicUsize,
    /// Keys that the dict had at first; -1 once it has been found changed.
    expected: AtomicI64,
    left: AtomicI64,
    /// The pair that was given last, to be used again.
    pair: Slot,
}

/// An iterator over (a part of) a dict.
pub fn new_iter(t: &Thread, dict: Value, part: Part, reverse: bool) -> Obj {
    // SAFETY: the layout is that of all six types; `dict` is one, or of a subclass.
    unsafe {
        let p = t.alloc(&part.iter_type(reverse).head, size_of::<DictIter>()) as *mut DictIter;
        let (it, d) = (&*p, &*(dict.ptr() as *const Dict));
        it.dict.init(t, &it.header, Obj::new(t, dict).into_value());
        it.pos.store(if reverse { d.end() } else { 0 }, Relaxed);
        it.expected.store(d.len() as i64, Relaxed);
        it.left.store(d.len() as i64, Relaxed);
        Obj::from_raw(it.header.value())
    }
}

#[inline(always)]
fn this<'a>(v: Value) -> &'a DictIter {
    // SAFETY: methods and slots of the six types, which have no subclasses, are called with their objects only.
    unsafe { &*(v.ptr() as *const DictIter) }
}

impl DictIter {
    #[inline(always)]
    fn dict<'a>(&self) -> Option<&'a Dict> {
        let v = self.dict.get();
        if v.is_null() {
            None
        } else {
            // SAFETY: a dict; it is used until the next safepoint only.
            Some(unsafe { &*(v.ptr() as *const Dict) })
        }
    }

    #[inline(always)]
    fn next(&self, t: &mut Thread, part: Part, reverse: bool) -> Res {
        let Some(d) = self.dict() else {
            return Ok(Value::NULL);
        };
        if d.len() as i64 != self.expected.load(Relaxed) {
            self.expected.store(-1, Relaxed);
            return Err(t.runtime_error("dictionary changed size during iteration"));
        }
        let mut pos = self.pos.load(Relaxed);
        let item = if reverse {
            d.prev(t, &mut pos)
        } else {
            d.next(t, &mut pos)
        };
        let Some((k, v)) = item else {
            self.dict.set(t, &self.header, Value::NULL);
            return Ok(Value::NULL);
        };
        let left = self.left.load(Relaxed);
        if left <= 0 {
            self.dict.set(t, &self.header, Value::NULL);
            return Err(t.runtime_error("dictionary keys changed during iteration"));
        }
        self.pos.store(pos, Relaxed);
        self.left.store(left - 1, Relaxed);
        if part == Part::Items {
            let (k, v) = (k.to_obj(t), v.to_obj(t));
            return Ok(Tuple::pair_again(t, &self.header, &self.pair, k, v).into());
        }
        Ok(part.of(t, k, v))
    }
}

/// A step of a dict's iterator over keys or values, without calling anything. `None`: not that simple.
#[inline(always)]
pub fn next_quick(t: &Thread, v: Value, keys: bool) -> Option<Value> {
    let it = this(v);
    let d = it.dict()?;
    let (pos, left) = (it.pos.load(Relaxed), it.left.load(Relaxed));
    if d.len() as i64 != it.expected.load(Relaxed) || left <= 0 {
        return None;
    }
    let (k, v) = d.item_at(t, pos)?;
    let found = weft_gc::to_reg_fast(t, if keys { k } else { v }.value())?;
    it.pos.store(pos + 1, Relaxed);
    it.left.store(left - 1, Relaxed);
    Some(found)
}

/// The same over items. `None`: not that simple, or it is over.
#[inline(always)]
pub(crate) fn next_pair(t: &Thread, v: Value) -> Option<(Value, Value)> {
    let it = this(v);
    let d = it.dict()?;
    let (pos, left) = (it.pos.load(Relaxed), it.left.load(Relaxed));
    if d.len() as i64 != it.expected.load(Relaxed) || left <= 0 {
        return None;
    }
    let (k, v) = d.item_at(t, pos)?;
    it.pos.store(pos + 1, Relaxed);
    it.left.store(left - 1, Relaxed);
    Some((k.to_reg(t), v.to_reg(t)))
}

fn length_hint(_t: &mut Thread, a: &[Value]) -> Res {
    let it = this(a[0]);
    let same = it
        .dict()
        .is_some_and(|d| d.len() as i64 == it.expected.load(Relaxed));
    Ok(Value::int(if same {
        it.left.load(Relaxed).max(0)
    } else {
        0
    }))
}

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    let it = this(a[0]);
    let ty = type_of(a[0]);
    let all = [Part::Keys, Part::Values, Part::Items];
    let reverse = !all.iter().any(|p| ty.is(p.iter_type(false)));
    let part = all
        .into_iter()
        .find(|p| ty.is(p.iter_type(reverse)))
        .unwrap_or(Part::Keys);
    let mut items = Vec::new();
    if let Some(d) = it.dict() {
        let mut pos = it.pos.load(Relaxed);
        while let Some((k, v)) = if reverse {
            d.prev(t, &mut pos)
        } else {
            d.next(t, &mut pos)
        } {
            items.push(Obj::own(part.of(t, k, v)));
        }
    }
    let list = List::from_vec(t, items);
    reduced(t, "iter", vec![list], None)
}

unsafe fn traverse_iter(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a dict iterator.
    let it = unsafe { &*(h as *const DictIter) };
    f(it.dict.get());
    f(it.pair.get());
}

unsafe fn clear_iter(h: *mut Header, t: &Thread) {
    // SAFETY: a dying dict iterator.
    let it = unsafe { &*(h as *const DictIter) };
    t.drop_value(it.dict.take_local());
    t.drop_value(it.pair.take_local());
}

const ITER: Spec = Spec {
    iter: Some(iter_self),
    methods: &[
        NativeDef::new("__length_hint__", "($self, /)", length_hint),
        NativeDef::new("__reduce__", "($self, /)", reduce),
    ],
    ..Spec::EMPTY
};

macro_rules! iterators {
    ($($static:ident $name:literal $part:ident $reverse:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub static $static: Type = Type::builtin(
                $name,
                size_of::<DictIter>(),
                &Spec { iter_next: Some(|t, v| this(v).next(t, Part::$part, $reverse)), ..ITER },
            )
            .gc(traverse_iter, clear_iter)
            .final_()
            .no_new();
        )*
    };
}

iterators! {
    DICT_KEYITERATOR "dict_keyiterator" Keys false;
    DICT_VALUEITERATOR "dict_valueiterator" Values false;
    DICT_ITEMITERATOR "dict_itemiterator" Items false;
    DICT_REVERSEKEYITERATOR "dict_reversekeyiterator" Keys true;
    DICT_REVERSEVALUEITERATOR "dict_reversevalueiterator" Values true;
    DICT_REVERSEITEMITERATOR "dict_reverseitemiterator" Items true;
}
