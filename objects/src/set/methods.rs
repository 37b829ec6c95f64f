//! The types `set` and `frozenset` and their iterator.

use super::{Set, clear, traverse};
use crate::dict::keys::{hash_element, hash_int};
use crate::int::from_usize;
use crate::list::repr;
use crate::prelude::*;
use crate::types::{alloc_instance, type_flags};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::*};

const SHARED_SPEC: Spec = Spec {
    repr: Some(set_repr),
    compare: Some(compare),
    iter: Some(iter),
    len: Some(|_, v| Ok(Set::this(v).len())),
    contains: Some(contains),
    binary: &[
        (BinOp::Sub, sub),
        (BinOp::And, and),
        (BinOp::Xor, xor),
        (BinOp::Or, or),
    ],
    ..Spec::EMPTY
};

/// Methods that both types have, followed by the given ones.
macro_rules! methods {
    ($($more:expr,)*) => {
        &[
            NativeDef::new("copy", "($self, /)", copy).doc("Return a shallow copy of a set."),
            NativeDef::new("difference", "($self, /, *others)", |t, a| many(t, a, difference_pair, base_copy))
                .doc("Return a new set with elements in the set that are not in the others."),
            NativeDef::new("intersection", "($self, /, *others)", |t, a| many(t, a, intersection, base_copy))
                .doc("Return a new set with elements common to the set and all others."),
            NativeDef::new("isdisjoint", "($self, other, /)", is_disjoint)
                .doc("Return True if two sets have a null intersection."),
            NativeDef::new("issubset", "($self, other, /)", is_subset)
                .doc("Report whether another set contains this set."),
            NativeDef::new("issuperset", "($self, other, /)", is_superset)
                .doc("Report whether this set contains another set."),
            NativeDef::new("symmetric_difference", "($self, other, /)", |t, a| {
                symmetric_difference(t, a[0], a[1]).map(Obj::into_value)
            })
            .doc("Return a new set with elements in either the set or other but not both."),
            NativeDef::new("union", "($self, /, *others)", union)
                .doc("Return a new set with elements from the set and all others."),
            NativeDef::new("__reduce__", "($self, /)", reduce),
            NativeDef::new("__sizeof__", "($self, /)", |t, a| Ok(from_usize(t, Set::this(a[0]).size(t))))
                .doc("S.__sizeof__() -> size of S in memory, in bytes."),
            NativeDef::class("__class_getitem__", "($type, item, /)", crate::generic_alias::class_getitem),
            $($more,)*
        ]
    };
}

/// `set`
pub static SET: Type = Type::builtin(
    "set",
    size_of::<Set>(),
    &Spec {
        new: Some(|t, cls, _| Ok(Value::from_ptr(alloc_instance(t, Type::of_unchecked(cls))))),
        init: Some(init),
        in_place: &[(BinOp::Sub, isub), (BinOp::And, iand), (BinOp::Xor, ixor), (BinOp::Or, ior)],
        methods: methods![
            NativeDef::new("add", "($self, object, /)", |t, a| {
                Set::this(a[0]).add(t, a[1])?;
                Ok(Value::NONE)
            })
            .doc("Add an element to a set.\n\nThis has no effect if the element is already present."),
            NativeDef::new("clear", "($self, /)", |t, a| {
                Set::this(a[0]).clear(t);
                Ok(Value::NONE)
            })
            .doc("Remove all elements from this set."),
            NativeDef::new("discard", "($self, object, /)", |t, a| {
                let (key, hash) = element(t, a[1])?;
                Set::this(a[0]).remove_hashed(t, key.value(), hash)?;
                Ok(Value::NONE)
            })
            .doc("Remove an element from a set if it is a member.\n\nUnlike set.remove(), the discard() method does not raise\nan \
                  exception when an element is missing from the set."),
            NativeDef::new("remove", "($self, object, /)", |t, a| {
                let (key, hash) = element(t, a[1])?;
                if Set::this(a[0]).remove_hashed(t, key.value(), hash)? { Ok(Value::NONE) } else { Err(t.key_error(a[1])) }
            })
            .doc("Remove an element from a set; it must be a member.\n\nIf the element is not a member, raise a KeyError."),
            NativeDef::new("pop", "($self, /)", pop)
                .doc("Remove and return an arbitrary set element.\n\nRaises KeyError if the set is empty."),
            NativeDef::raw("update", "($self, /, *others)", update).doc("Update the set, adding elements from all others."),
            NativeDef::new("difference_update", "($self, /, *others)", difference_update)
                .doc("Update the set, removing elements found in others."),
            NativeDef::new("intersection_update", "($self, /, *others)", |t, a| {
                let before = Set::this(a[0]).moment(t);
                let left = before.as_ref().map_or(a[0], Obj::value);
                let kept = Obj::own(many(t, &[left, a[1]], intersection, base_copy)?);
                keep(t, a[0], before, &kept)?;
                Ok(Value::NONE)
            })
            .doc("Update the set, keeping only elements found in it and all others."),
            NativeDef::new("symmetric_difference_update", "($self, other, /)", |t, a| {
                toggle(t, a[0], a[1])?;
                Ok(Value::NONE)
            })
            .doc("Update the set, keeping only elements found in either set, but not in both."),
        ],
        ..SHARED_SPEC
    },
)
.gc(traverse, clear)
.flags(type_flags::MATCH_SELF)
.doc("Build an unordered collection of unique elements.")
.signature("(iterable=(), /)");

/// `frozenset`
pub static FROZENSET: Type = Type::builtin(
    "frozenset",
    size_of::<Set>(),
    &Spec {
        new: Some(new_frozen),
        hash: Some(hash),
        methods: methods![],
        ..SHARED_SPEC
    },
)
.gc(traverse, clear)
.flags(type_flags::MATCH_SELF)
.doc("Build an immutable unordered collection of unique elements.")
.signature("(iterable=(), /)");

fn is_frozen(v: Value) -> bool {
    type_of(v).is_subtype(&FROZENSET)
}

/// `set` or `frozenset`, whichever `v` is an instance of.
fn base_type(v: Value) -> &'static Type {
    if is_frozen(v) { &FROZENSET } else { &SET }
}

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    if args.has_keywords() {
        return Err(t.type_error("set() takes no keyword arguments".into()));
    }
    let pos = args.pos();
    if pos.len() > 1 {
        return Err(t.type_error(format!(
            "set expected at most 1 argument, got {}",
            pos.len()
        )));
    }
    let s = Set::this(v);
    if !s.is_empty() {
        s.clear(t);
    }
    match pos {
        [items] => s.update(t, *items),
        _ => Ok(()),
    }
}

fn new_frozen(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let ty = Type::of_unchecked(cls);
    let init = |ty: &Type| ty.slots.init.get().map(|f| f as usize);
    if args.has_keywords() && (ty.is(&FROZENSET) || init(ty) == init(&FROZENSET)) {
        return Err(t.type_error("frozenset() takes no keyword arguments".into()));
    }
    let items = match args.pos() {
        [] => None,
        [v] if ty.is(&FROZENSET) && type_of(*v).is(&FROZENSET) => return Ok(to_reg(t, v.bare())),
        [v] => Some(*v),
        more => {
            return Err(t.type_error(format!(
                "frozenset expected at most 1 argument, got {}",
                more.len()
            )));
        }
    };
    let made = Set::new_of(t, ty);
    if let Some(items) = items {
        Set::of_obj(&made).update(t, items)?;
    }
    Ok(made.into())
}

fn set_repr(t: &mut Thread, v: Value) -> Res {
    let (s, name) = (Set::this(v), type_of(v).name());
    if s.is_empty() {
        return Ok(Str::new(t, &format!("{name}()")).into());
    }
    let Some(_guard) = repr::enter(t, v) else {
        return Ok(Str::new(t, &format!("{name}(...)")).into());
    };
    let plain = type_of(v).is(&SET);
    let mut out = if plain {
        b"{".to_vec()
    } else {
        format!("{name}({{").into_bytes()
    };
    let mut keys = s.to_vec(t).into_iter();
    repr::push_all(t, &mut out, |_| keys.next())?;
    out.extend_from_slice(if plain { b"}" } else { b"})" });
    Ok(Str::from_vec(t, out).into())
}

/// CPython's: the keys' hashes, shuffled, in any order.
fn hash(t: &mut Thread, v: Value) -> Res<i64> {
    let s = Set::this(v);
    let known = s.hash.load(Relaxed);
    if known != 0 {
        return Ok(known);
    }
    let (mut pos, mut h) = (0, 0u64);
    while let Some((key_hash, _)) = s.next(t, &mut pos) {
        let k = key_hash as u64;
        h ^= ((k ^ 89869747) ^ (k << 16)).wrapping_mul(3644798167);
    }
    h ^= (s.len() as u64 + 1).wrapping_mul(1927868237);
    h ^= (h >> 11) ^ (h >> 25);
    h = h.wrapping_mul(69069).wrapping_add(907133923);
    let h = if h == u64::MAX { 590923713 } else { h as i64 };
    s.hash.store(h, Relaxed);
    Ok(h)
}

/// Whether all keys of `a` are in `b`.
fn all_in(t: &mut Thread, a: &Set, b: &Set) -> Res<bool> {
    if a.len() > b.len() {
        return Ok(false);
    }
    a.walk(
        t,
        |_, hash, key| b.quick_contains(key, hash),
        |t, hash, key| b.contains_hashed(t, key, hash),
    )
}

fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let (Some(x), Some(y)) = (Set::of(a), Set::of(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    Ok(Value::bool(match op {
        CmpOp::Eq | CmpOp::Ne => (x.len() == y.len() && all_in(t, x, y)?) == (op == CmpOp::Eq),
        CmpOp::Le => all_in(t, x, y)?,
        CmpOp::Ge => all_in(t, y, x)?,
        CmpOp::Lt => x.len() < y.len() && all_in(t, x, y)?,
        CmpOp::Gt => y.len() < x.len() && all_in(t, y, x)?,
    }))
}

/// The key to look for, and its hash: a set stands for the frozenset of the same keys.
fn element(t: &mut Thread, key: Value) -> Res<(Obj, i64)> {
    match hash_element(t, key) {
        Ok(hash) => Ok((Obj::new(t, key), hash)),
        Err(e) => match Set::of(key) {
            Some(s) if t.exc_matches(&errors::TYPE_ERROR) => {
                t.clear_exc();
                let frozen = Set::new_frozen(t);
                Set::of_obj(&frozen).fill_from(t, s);
                let h = hash(t, frozen.value())?;
                Ok((frozen, h))
            }
            _ => Err(e),
        },
    }
}

fn contains(t: &mut Thread, v: Value, key: Value) -> Res<bool> {
    let s = Set::this(v);
    if key.is_int() {
        return s.contains_hashed(t, key, hash_int(key.as_int()));
    }
    if let Some(k) = Str::exact(key) {
        return s.contains_hashed(t, key, k.hash());
    }
    let (key, hash) = element(t, key)?;
    s.contains_hashed(t, key.value(), hash)
}

// --- making sets from sets ---

/// A set or frozenset with the keys of `v`, which is one of them or a subclass.
fn base_copy(t: &mut Thread, v: Value) -> Res<Obj> {
    let made = Set::new_of(t, base_type(v));
    Set::of_obj(&made).fill_from(t, Set::this(v));
    Ok(made)
}

fn copy(t: &mut Thread, a: &[Value]) -> Res {
    if type_of(a[0]).is(&FROZENSET) {
        return Ok(to_reg(t, a[0].bare()));
    }
    base_copy(t, a[0]).map(Obj::into_value)
}

/// `pair(pair(a, others[0]), others[1])` and so on; with no others, a copy.
fn many(
    t: &mut Thread,
    a: &[Value],
    pair: fn(&mut Thread, Value, Value) -> Res<Obj>,
    none: fn(&mut Thread, Value) -> Res<Obj>,
) -> Res {
    let mut made: Option<Obj> = None;
    for other in Tuple::this(a[1]).values() {
        let left = made.as_ref().map_or(a[0], Obj::value);
        made = Some(pair(t, left, *other)?);
    }
    match made {
        Some(made) => Ok(made.into()),
        None => none(t, a[0]).map(Obj::into_value),
    }
}

fn union(t: &mut Thread, a: &[Value]) -> Res {
    let made = base_copy(t, a[0])?;
    for other in Tuple::this(a[1]).values() {
        Set::of_obj(&made).update(t, *other)?;
    }
    Ok(made.into())
}

fn update(t: &mut Thread, args: Args<'_>) -> Res {
    if args.has_keywords() {
        return Err(t.type_error("update() takes no keyword arguments".into()));
    }
    let [set, others @ ..] = args.pos() else {
        return Err(t.type_error("unbound method set.update() needs an argument".into()));
    };
    for other in others {
        Set::this(*set).update(t, *other)?;
    }
    Ok(Value::NONE)
}

fn intersection(t: &mut Thread, a: Value, b: Value) -> Res<Obj> {
    let made = Set::new_of(t, base_type(a));
    let result = Set::of_obj(&made);
    let x = Set::this(a);
    if let Some(y) = Set::of(b) {
        if a.same(b) {
            return base_copy(t, a);
        }
        let (few, many) = if y.len() > x.len() { (x, y) } else { (y, x) };
        few.walk(
            t,
            |t, hash, key| {
                if many.quick_contains(key, hash)? {
                    result.enter(t, hash, key)?;
                }
                Some(true)
            },
            |t, hash, key| {
                if many.contains_hashed(t, key, hash)? {
                    result.add_hashed(t, key, hash)?;
                }
                Ok(true)
            },
        )?;
        return Ok(made);
    }
    let it = proto::iter(t, b)?;
    while let Some(key) = proto::next(t, it.value())? {
        let hash = hash_element(t, key.value())?;
        if x.contains_hashed(t, key.value(), hash)? {
            result.add_hashed(t, key.value(), hash)?;
        }
    }
    Ok(made)
}

fn difference_pair(t: &mut Thread, a: Value, b: Value) -> Res<Obj> {
    let x = Set::this(a);
    if Set::of(b).is_none() && Dict::exact(b).is_none() {
        let made = base_copy(t, a)?;
        remove_all(t, Set::of_obj(&made), b)?;
        return Ok(made);
    }
    if let Some(y) = Set::of(b) {
        return difference_of_sets(t, a, x, y);
    }
    let made = Set::new_of(t, base_type(a));
    let result = Set::of_obj(&made);
    x.each(t, |t, hash, key| {
        let there = match Dict::exact(b) {
            Some(d) => d.contains_hashed(t, key, hash)?,
            None => false,
        };
        if !there {
            result.add_hashed(t, key, hash)?;
        }
        Ok(true)
    })?;
    Ok(made)
}

/// What is in `x`, the set `a`, and not in `y`.
fn difference_of_sets(t: &mut Thread, a: Value, x: &Set, y: &Set) -> Res<Obj> {
    // If few are to be left out they are looked for, as in CPython: the order of the rest is one that programs see.
    if x.len() >> 2 > y.len() {
        let made = base_copy(t, a)?;
        let result = Set::of_obj(&made);
        y.walk(
            t,
            |t, hash, key| result.leave(t, hash, key).map(|()| true),
            |t, hash, key| result.remove_hashed(t, key, hash).map(|_| true),
        )?;
        return Ok(made);
    }
    let made = Set::new_of(t, base_type(a));
    let result = Set::of_obj(&made);
    x.walk(
        t,
        |t, hash, key| {
            if !y.quick_contains(key, hash)? {
                result.enter(t, hash, key)?;
            }
            Some(true)
        },
        |t, hash, key| {
            if !y.contains_hashed(t, key, hash)? {
                result.add_hashed(t, key, hash)?;
            }
            Ok(true)
        },
    )?;
    Ok(made)
}

/// Takes all items of an iterable out.
fn remove_all(t: &mut Thread, s: &Set, other: Value) -> Res<()> {
    if let Some(y) = Set::of(other) {
        if std::ptr::eq(s, y) {
            s.clear(t);
            return Ok(());
        }
        return s.remove_all(t, y);
    }
    let it = proto::iter(t, other)?;
    while let Some(key) = proto::next(t, it.value())? {
        s.remove(t, key.value())?;
    }
    Ok(())
}

fn difference_update(t: &mut Thread, a: &[Value]) -> Res {
    for other in Tuple::this(a[1]).values() {
        remove_all(t, Set::this(a[0]), *other)?;
    }
    Ok(Value::NONE)
}

/// Takes out of `v` what is in `other` too, and puts in what is not.
fn toggle(t: &mut Thread, v: Value, other: Value) -> Res<()> {
    let s = Set::this(v);
    if v.same(other) {
        s.clear(t);
        return Ok(());
    }
    // Each key of `other` once.
    let once = match Set::of(other) {
        Some(_) => Obj::new(t, other),
        None => {
            let made = Set::new(t);
            Set::of_obj(&made).update(t, other)?;
            made
        }
    };
    s.toggle_all(t, Set::of_obj(&once))
}

/// Keeps in `v` what is in `kept`, the keys that `v` and something else have had in common.
fn keep(t: &mut Thread, v: Value, before: Option<Obj>, kept: &Obj) -> Res<()> {
    match before {
        None => {
            Set::this(v).take_over(t, Set::of_obj(kept));
            Ok(())
        }
        // Only what was there goes: others may put something in meanwhile.
        Some(before) => {
            Set::of_obj(&before).remove_all(t, Set::of_obj(kept))?;
            Set::this(v).remove_all(t, Set::of_obj(&before))
        }
    }
}

fn symmetric_difference(t: &mut Thread, a: Value, b: Value) -> Res<Obj> {
    let made = Set::new_of(t, base_type(a));
    Set::of_obj(&made).update(t, b)?;
    toggle(t, made.value(), a)?;
    Ok(made)
}

fn is_disjoint(t: &mut Thread, a: &[Value]) -> Res {
    let x = Set::this(a[0]);
    if let Some(y) = Set::of(a[1]) {
        if a[0].same(a[1]) {
            return Ok(Value::bool(x.is_empty()));
        }
        let (few, many) = if y.len() > x.len() { (x, y) } else { (y, x) };
        let none = few.walk(
            t,
            |_, hash, key| many.quick_contains(key, hash).map(|there| !there),
            |t, hash, key| Ok(!many.contains_hashed(t, key, hash)?),
        )?;
        return Ok(Value::bool(none));
    }
    let it = proto::iter(t, a[1])?;
    while let Some(key) = proto::next(t, it.value())? {
        if x.contains(t, key.value())? {
            return Ok(Value::FALSE);
        }
    }
    Ok(Value::TRUE)
}

/// `v` itself if it is a set of some kind, else the set of its items.
fn as_set(t: &mut Thread, v: Value) -> Res<Obj> {
    if Set::of(v).is_some() {
        return Ok(Obj::new(t, v));
    }
    let made = Set::new(t);
    Set::of_obj(&made).update(t, v)?;
    Ok(made)
}

fn is_subset(t: &mut Thread, a: &[Value]) -> Res {
    let other = as_set(t, a[1])?;
    Ok(Value::bool(all_in(
        t,
        Set::this(a[0]),
        Set::of_obj(&other),
    )?))
}

fn is_superset(t: &mut Thread, a: &[Value]) -> Res {
    let x = Set::this(a[0]);
    if let Some(y) = Set::of(a[1]) {
        return Ok(Value::bool(all_in(t, y, x)?));
    }
    let it = proto::iter(t, a[1])?;
    while let Some(key) = proto::next(t, it.value())? {
        if !x.contains(t, key.value())? {
            return Ok(Value::FALSE);
        }
    }
    Ok(Value::TRUE)
}

fn pop(t: &mut Thread, a: &[Value]) -> Res {
    match Set::this(a[0]).pop(t) {
        Some(key) => Ok(key.into()),
        None => {
            let msg = Str::new(t, "pop from an empty set");
            Err(t.key_error(msg.value()))
        }
    }
}

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    let keys = Set::this(a[0]).to_vec(t);
    let state = proto::call_method(t, a[0], "__getstate__", &[])?;
    let list = List::from_vec(t, keys);
    let args = Tuple::from_vec(t, vec![list]);
    Ok(Tuple::from_vec(t, vec![Obj::new(t, type_of(a[0]).value()), args, state]).into())
}

// --- operators: sets only ---

fn both(a: Value, b: Value) -> bool {
    Set::of(a).is_some() && Set::of(b).is_some()
}

fn or(t: &mut Thread, a: Value, b: Value) -> Res {
    if !both(a, b) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let made = base_copy(t, a)?;
    Set::of_obj(&made).update(t, b)?;
    Ok(made.into())
}

fn and(t: &mut Thread, a: Value, b: Value) -> Res {
    if both(a, b) {
        intersection(t, a, b).map(Obj::into_value)
    } else {
        Ok(Value::NOT_IMPLEMENTED)
    }
}

fn sub(t: &mut Thread, a: Value, b: Value) -> Res {
    if both(a, b) {
        difference_pair(t, a, b).map(Obj::into_value)
    } else {
        Ok(Value::NOT_IMPLEMENTED)
    }
}

fn xor(t: &mut Thread, a: Value, b: Value) -> Res {
    if both(a, b) {
        symmetric_difference(t, a, b).map(Obj::into_value)
    } else {
        Ok(Value::NOT_IMPLEMENTED)
    }
}

fn ior(t: &mut Thread, a: Value, b: Value) -> Res {
    if !both(a, b) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    Set::this(a).update(t, b)?;
    Ok(to_reg(t, a.bare()))
}

fn iand(t: &mut Thread, a: Value, b: Value) -> Res {
    if !both(a, b) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let before = Set::this(a).moment(t);
    let kept = intersection(t, before.as_ref().map_or(a, Obj::value), b)?;
    keep(t, a, before, &kept)?;
    Ok(to_reg(t, a.bare()))
}

fn isub(t: &mut Thread, a: Value, b: Value) -> Res {
    if !both(a, b) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    remove_all(t, Set::this(a), b)?;
    Ok(to_reg(t, a.bare()))
}

fn ixor(t: &mut Thread, a: Value, b: Value) -> Res {
    if !both(a, b) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    toggle(t, a, b)?;
    Ok(to_reg(t, a.bare()))
}

// --- the iterator ---

/// Iterator over a set. Threads that share one may both get the same key.
#[repr(C)]
struct SetIter {
    header: Header,
    /// NULL when exhausted.
    set: Slot,
    pos: AtomicUsize,
    /// Keys that the set had at first; -1 once it has been found changed.
    expected: AtomicI64,
    left: AtomicI64,
}

fn iter(t: &mut Thread, v: Value) -> Res {
    // SAFETY: the layout is the type's; the words are written at once.
    unsafe {
        let p = t.alloc(&SET_ITERATOR.head, size_of::<SetIter>()) as *mut SetIter;
        let it = &*p;
        it.set.init(t, &it.header, Obj::new(t, v).into_value());
        let n = Set::this(v).len() as i64;
        it.expected.store(n, Relaxed);
        it.left.store(n, Relaxed);
        Ok(it.header.value())
    }
}

fn iter_this<'a>(v: Value) -> &'a SetIter {
    // SAFETY: methods and slots of `set_iterator`, which has no subclasses, are called with its objects only.
    unsafe { &*(v.ptr() as *const SetIter) }
}

fn iter_next(t: &mut Thread, v: Value) -> Res {
    let it = iter_this(v);
    let set = it.set.get();
    if set.is_null() {
        return Ok(Value::NULL);
    }
    let s = Set::this(set);
    if s.len() as i64 != it.expected.load(Relaxed) {
        it.expected.store(-1, Relaxed);
        return Err(t.runtime_error("Set changed size during iteration"));
    }
    let mut pos = it.pos.load(Relaxed);
    let found = s.next(t, &mut pos).map(|(_, k)| k.to_reg(t));
    it.pos.store(pos, Relaxed);
    match found {
        Some(k) => {
            if it.header.is_local(t) {
                it.left.store(it.left.load(Relaxed) - 1, Relaxed);
            } else {
                it.left.fetch_sub(1, Relaxed);
            }
            Ok(k)
        }
        None => {
            it.set.set(t, &it.header, Value::NULL);
            Ok(Value::NULL)
        }
    }
}

unsafe fn traverse_iter(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this type.
    f(unsafe { (*(h as *const SetIter)).set.get() });
}

unsafe fn clear_iter(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type.
    t.drop_value(unsafe { (*(h as *const SetIter)).set.take() });
}

/// `set_iterator`
pub static SET_ITERATOR: Type = Type::builtin(
    "set_iterator",
    size_of::<SetIter>(),
    &Spec {
        iter: Some(crate::iter::iter_self),
        iter_next: Some(iter_next),
        methods: &[
            NativeDef::new("__length_hint__", "($self, /)", |_, a| {
                let it = iter_this(a[0]);
                let set = it.set.get();
                let same =
                    !set.is_null() && Set::this(set).len() as i64 == it.expected.load(Relaxed);
                Ok(Value::int(if same {
                    it.left.load(Relaxed).max(0)
                } else {
                    0
                }))
            }),
            NativeDef::new("__reduce__", "($self, /)", |t, a| {
                let it = iter_this(a[0]);
                let mut keys = Vec::new();
                let set = it.set.get();
                if !set.is_null() {
                    let mut pos = it.pos.load(Relaxed);
                    while let Some((_, k)) = Set::this(set).next(t, &mut pos) {
                        keys.push(k.to_obj(t));
                    }
                }
                let list = List::from_vec(t, keys);
                crate::iter::reduced(t, "iter", vec![list], None)
            }),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse_iter, clear_iter)
.final_()
.no_new();
