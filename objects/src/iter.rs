//! Iterators over sequences, and those that are made from other iterators: `iterator`, `callable_iterator`, the iterators of
//! lists and tuples, `reversed`, `enumerate`, `zip`, `map`, `filter`.
//!
//! Threads that share an iterator may get the same item, or miss one; no more harm is done.

use crate::int::from_usize;
use crate::prelude::*;
use crate::runtime::builtin;
use crate::types::alloc_instance;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::*};

/// Walks over a sequence by index.
#[repr(C)]
pub struct Walk {
    pub header: Header,
    /// NULL when exhausted.
    seq: Slot,
    at: AtomicI64,
}

impl Walk {
    fn new(t: &Thread, ty: &Type, seq: Value, at: i64) -> Obj {
        let p = alloc_instance(t, ty) as *mut Walk;
        // SAFETY: a new zeroed instance of a type with this layout.
        let it = unsafe { &*p };
        it.seq.init(t, &it.header, Obj::new(t, seq).into_value());
        it.at.store(at, Relaxed);
        Obj::from_raw(it.header.value())
    }

    #[inline(always)]
    fn this<'a>(v: Value) -> &'a Walk {
        // SAFETY: called with instances of the types below that have this layout.
        unsafe { &*(v.ptr() as *const Walk) }
    }

    /// The sequence, if the iterator is not exhausted.
    #[inline(always)]
    fn seq(&self) -> Option<Value> {
        let v = self.seq.get();
        if v.is_null() { None } else { Some(v) }
    }

    #[cold]
    fn finish(&self, t: &Thread) -> Value {
        self.seq.set(t, &self.header, Value::NULL);
        Value::NULL
    }
}

unsafe fn traverse_walk(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object with this layout.
    f(unsafe { (*(h as *const Walk)).seq.get() });
}

unsafe fn clear_walk(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object with this layout.
    t.drop_value(unsafe { (*(h as *const Walk)).seq.take() });
}

/// The `iter` slot of iterators: themselves.
pub fn iter_self(t: &mut Thread, v: Value) -> Res {
    Ok(to_reg(t, v.bare()))
}

/// What `__reduce__` of an iterator gives: a function, its arguments, and the state, if there is one.
pub(crate) fn reduced(t: &mut Thread, function: &str, args: Vec<Obj>, state: Option<i64>) -> Res {
    let mut parts = vec![builtin(t, function)?, Tuple::from_vec(t, args)];
    if let Some(state) = state {
        parts.push(Obj::own(crate::int::from_i64(t, state)));
    }
    Ok(Tuple::from_vec(t, parts).into())
}

// --- lists and tuples ---

/// `iter(list)`
pub fn new_list_iter(t: &Thread, list: Value) -> Obj {
    Walk::new(t, &LIST_ITERATOR, list, 0)
}

/// `reversed(list)`
pub fn new_list_reverse_iter(t: &Thread, list: Value) -> Obj {
    Walk::new(
        t,
        &LIST_REVERSE_ITERATOR,
        list,
        List::this(list).len() as i64 - 1,
    )
}

/// `iter(tuple)`
pub fn new_tuple_iter(t: &Thread, tuple: Value) -> Obj {
    Walk::new(t, &TUPLE_ITERATOR, tuple, 0)
}

#[inline(always)]
fn next_of_list(t: &mut Thread, v: Value) -> Res {
    let it = Walk::this(v);
    let Some(list) = it.seq() else {
        return Ok(Value::NULL);
    };
    let at = it.at.load(Relaxed);
    match List::this(list).get(t, at as usize) {
        Some(x) => {
            it.at.store(at + 1, Relaxed);
            Ok(x.to_reg(t))
        }
        None => Ok(it.finish(t)),
    }
}

fn previous_of_list(t: &mut Thread, v: Value) -> Res {
    let it = Walk::this(v);
    let Some(list) = it.seq() else {
        return Ok(Value::NULL);
    };
    let at = it.at.load(Relaxed);
    match List::this(list).get(t, at as usize) {
        Some(x) if at >= 0 => {
            it.at.store(at - 1, Relaxed);
            Ok(x.to_reg(t))
        }
        _ => {
            it.at.store(-1, Relaxed);
            Ok(it.finish(t))
        }
    }
}

fn next_of_tuple(t: &mut Thread, v: Value) -> Res {
    let it = Walk::this(v);
    let Some(tuple) = it.seq() else {
        return Ok(Value::NULL);
    };
    let at = it.at.load(Relaxed);
    match Tuple::this(tuple).as_slice().get(at as usize) {
        Some(x) => {
            it.at.store(at + 1, Relaxed);
            Ok(to_reg(t, x.get()))
        }
        None => Ok(it.finish(t)),
    }
}

/// Number of items of a list or tuple.
fn length(seq: Value) -> i64 {
    match List::of(seq) {
        Some(l) => l.len() as i64,
        None => Tuple::of(seq).map_or(0, |x| x.len() as i64),
    }
}

fn left_forwards(_t: &mut Thread, a: &[Value]) -> Res {
    let it = Walk::this(a[0]);
    let left = it.seq().map_or(0, |seq| length(seq) - it.at.load(Relaxed));
    Ok(Value::int(left.max(0)))
}

fn left_backwards(_t: &mut Thread, a: &[Value]) -> Res {
    let it = Walk::this(a[0]);
    let left = it.at.load(Relaxed) + 1;
    Ok(Value::int(it.seq().map_or(0, |seq| {
        if length(seq) < left { 0 } else { left }
    })))
}

fn reduce_sequence_iter(t: &mut Thread, a: &[Value], function: &str) -> Res {
    // Before looking at the iterator: looking a name up may run Python.
    drop(builtin(t, function)?);
    let it = Walk::this(a[0]);
    match it.seq() {
        Some(seq) => {
            let (seq, at) = (Obj::new(t, seq), it.at.load(Relaxed));
            reduced(t, function, vec![seq], Some(at))
        }
        None => {
            let empty = if type_of(a[0]).is(&TUPLE_ITERATOR) {
                Tuple::empty(t)
            } else {
                List::new(t)
            };
            reduced(t, function, vec![empty], None)
        }
    }
}

fn set_forwards(t: &mut Thread, a: &[Value]) -> Res {
    let at = proto::index_i64(t, a[1])?;
    let it = Walk::this(a[0]);
    if let Some(seq) = it.seq() {
        it.at.store(at.clamp(0, length(seq)), Relaxed);
    }
    Ok(Value::NONE)
}

fn set_backwards(t: &mut Thread, a: &[Value]) -> Res {
    let at = proto::index_i64(t, a[1])?;
    let it = Walk::this(a[0]);
    if let Some(seq) = it.seq() {
        it.at.store(at.clamp(-1, length(seq) - 1), Relaxed);
    }
    Ok(Value::NONE)
}

const FORWARDS: &[NativeDef] = &[
    NativeDef::new("__length_hint__", "($self, /)", left_forwards),
    NativeDef::new("__reduce__", "($self, /)", |t, a| {
        reduce_sequence_iter(t, a, "iter")
    }),
    NativeDef::new("__setstate__", "($self, state, /)", set_forwards),
];

/// `list_iterator`
pub static LIST_ITERATOR: Type = Type::builtin(
    "list_iterator",
    size_of::<Walk>(),
    &Spec {
        iter: Some(iter_self),
        iter_next: Some(next_of_list),
        methods: FORWARDS,
        ..Spec::EMPTY
    },
)
.gc(traverse_walk, clear_walk)
.final_()
.no_new();

/// `tuple_iterator`
pub static TUPLE_ITERATOR: Type = Type::builtin(
    "tuple_iterator",
    size_of::<Walk>(),
    &Spec {
        iter: Some(iter_self),
        iter_next: Some(next_of_tuple),
        methods: FORWARDS,
        ..Spec::EMPTY
    },
)
.gc(traverse_walk, clear_walk)
.final_()
.no_new();

/// `list_reverseiterator`
pub static LIST_REVERSE_ITERATOR: Type = Type::builtin(
    "list_reverseiterator",
    size_of::<Walk>(),
    &Spec {
        iter: Some(iter_self),
        iter_next: Some(previous_of_list),
        methods: &[
            NativeDef::new("__length_hint__", "($self, /)", left_backwards),
            NativeDef::new("__reduce__", "($self, /)", |t, a| {
                reduce_sequence_iter(t, a, "reversed")
            }),
            NativeDef::new("__setstate__", "($self, state, /)", set_backwards),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse_walk, clear_walk)
.final_()
.no_new();

// --- any sequence ---

/// Iterator over an object that has `__getitem__` only.
pub fn sequence_iter(t: &Thread, seq: Value) -> Obj {
    Walk::new(t, &SEQUENCE_ITERATOR, seq, 0)
}

/// The item at an index; NULL if IndexError or StopIteration says that there is none.
fn item_at(t: &mut Thread, seq: Value, at: i64) -> Res {
    let seq = Obj::new(t, seq);
    let ty = type_of(seq.value());
    let got = match ty.slots.item.get() {
        Some(f) if !crate::slotdefs::calls_get_item(ty) => f(t, seq.value(), Value::int(at)),
        _ => proto::get_item_value(t, seq.value(), Value::int(at)),
    };
    match got {
        Ok(x) => Ok(x),
        Err(e)
            if !t.exc_matches(&errors::INDEX_ERROR) && !t.exc_matches(&errors::STOP_ITERATION) =>
        {
            Err(e)
        }
        Err(_) => {
            t.clear_exc();
            Ok(Value::NULL)
        }
    }
}

fn next_of_sequence(t: &mut Thread, v: Value) -> Res {
    let it = Walk::this(v);
    let Some(seq) = it.seq() else {
        return Ok(Value::NULL);
    };
    let at = it.at.load(Relaxed);
    if at == Value::INT_MAX {
        return Err(t.overflow_error("iter index too large"));
    }
    let x = item_at(t, seq, at)?;
    if x.is_null() {
        return Ok(it.finish(t));
    }
    it.at.store(at + 1, Relaxed);
    Ok(x)
}

fn sequence_iter_hint(t: &mut Thread, a: &[Value]) -> Res {
    let it = Walk::this(a[0]);
    let Some(seq) = it.seq() else {
        return Ok(Value::int(0));
    };
    if !type_of(seq).slots.len.is_set() {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let seq = Obj::new(t, seq);
    let n = proto::len(t, seq.value())?;
    Ok(from_usize(
        t,
        n.saturating_sub(it.at.load(Relaxed) as usize),
    ))
}

/// `iterator`
pub static SEQUENCE_ITERATOR: Type = Type::builtin(
    "iterator",
    size_of::<Walk>(),
    &Spec {
        iter: Some(iter_self),
        iter_next: Some(next_of_sequence),
        methods: &[
            NativeDef::new("__length_hint__", "($self, /)", sequence_iter_hint),
            NativeDef::new("__reduce__", "($self, /)", |t, a| {
                drop(builtin(t, "iter")?);
                let it = Walk::this(a[0]);
                match it.seq() {
                    Some(seq) => {
                        let (seq, at) = (Obj::new(t, seq), it.at.load(Relaxed));
                        reduced(t, "iter", vec![seq], Some(at))
                    }
                    None => {
                        let empty = Tuple::empty(t);
                        reduced(t, "iter", vec![empty], None)
                    }
                }
            }),
            NativeDef::new("__setstate__", "($self, state, /)", |t, a| {
                let at = proto::index_i64(t, a[1])?;
                Walk::this(a[0]).at.store(at.max(0), Relaxed);
                Ok(Value::NONE)
            }),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse_walk, clear_walk)
.final_()
.no_new();

// --- reversed ---

fn new_reversed(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let ty = Type::of_unchecked(cls);
    if args.has_keywords() && ty.is(&REVERSED) {
        return Err(t.type_error("reversed() takes no keyword arguments".into()));
    }
    let [seq] = *args.pos() else {
        return Err(t.type_error(format!(
            "reversed expected 1 argument, got {}",
            args.pos().len()
        )));
    };
    let f = proto::lookup_special_raw(t, seq, crate::id!(t, "__reversed__"))?;
    match f {
        Some(proto::Special::Bound(f)) if f.value().is_none() => Err(not_reversible(t, seq)),
        Some(f) => f.call(t, &[]).map(Obj::into_value),
        None if !proto::is_sequence(t, seq) => Err(not_reversible(t, seq)),
        None => {
            let n = proto::len(t, seq)?;
            Ok(Walk::new(t, ty, seq, n as i64 - 1).into())
        }
    }
}

#[cold]
fn not_reversible(t: &mut Thread, v: Value) -> Raised {
    let name = type_of(v).name();
    t.type_error(format!("'{name}' object is not reversible"))
}

fn next_reversed(t: &mut Thread, v: Value) -> Res {
    let it = Walk::this(v);
    let at = it.at.load(Relaxed);
    let Some(seq) = it.seq() else {
        return Ok(Value::NULL);
    };
    if at >= 0 {
        let x = item_at(t, seq, at)?;
        if !x.is_null() {
            it.at.store(at - 1, Relaxed);
            return Ok(x);
        }
    }
    it.at.store(-1, Relaxed);
    Ok(it.finish(t))
}

fn reversed_hint(t: &mut Thread, a: &[Value]) -> Res {
    let it = Walk::this(a[0]);
    let Some(seq) = it.seq() else {
        return Ok(Value::int(0));
    };
    let (seq, left) = (Obj::new(t, seq), it.at.load(Relaxed) + 1);
    let n = proto::len(t, seq.value())? as i64;
    Ok(Value::int(if n < left { 0 } else { left }))
}

/// `reversed`
pub static REVERSED: Type = Type::builtin(
    "reversed",
    size_of::<Walk>(),
    &Spec {
        new: Some(new_reversed),
        iter: Some(iter_self),
        iter_next: Some(next_reversed),
        methods: &[
            NativeDef::new("__length_hint__", "($self, /)", reversed_hint),
            NativeDef::new("__reduce__", "($self, /)", |t, a| {
                let it = Walk::this(a[0]);
                let cls = Obj::new(t, type_of(a[0]).value());
                let parts = match it.seq() {
                    Some(seq) => {
                        let args = Tuple::from_slice(t, &[seq]);
                        vec![cls, args, Obj::from_raw(Value::int(it.at.load(Relaxed)))]
                    }
                    None => {
                        let empty = Tuple::empty(t);
                        vec![cls, Tuple::from_vec(t, vec![empty])]
                    }
                };
                Ok(Tuple::from_vec(t, parts).into())
            }),
            NativeDef::new("__setstate__", "($self, state, /)", |t, a| {
                let at = proto::index_i64(t, a[1])?;
                let it = Walk::this(a[0]);
                if let Some(seq) = it.seq() {
                    let seq = Obj::new(t, seq);
                    let n = proto::len(t, seq.value())? as i64;
                    it.at.store(at.clamp(-1, n - 1), Relaxed);
                }
                Ok(Value::NONE)
            }),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse_walk, clear_walk)
.doc("Return a reverse iterator over the values of the given sequence.")
.signature("(sequence, /)");

// --- iterators made from others ---

/// Two references and a flag.
#[repr(C)]
pub struct Made {
    pub header: Header,
    first: Slot,
    second: Slot,
    /// The pair that was given last, to be used again.
    pair: Slot,
    strict: AtomicBool,
}

impl Made {
    fn new(t: &Thread, ty: &Type, first: Obj, second: Obj, strict: bool) -> Obj {
        let p = alloc_instance(t, ty) as *mut Made;
        // SAFETY: a new zeroed instance of a type with this layout.
        let it = unsafe { &*p };
        it.first.init(t, &it.header, first.into_value());
        it.second.init(t, &it.header, second.into_value());
        it.strict.store(strict, Relaxed);
        Obj::from_raw(it.header.value())
    }

    #[inline(always)]
    fn this<'a>(v: Value) -> &'a Made {
        // SAFETY: called with instances of the types below that have this layout.
        unsafe { &*(v.ptr() as *const Made) }
    }

    /// The tuple of iterators.
    #[inline(always)]
    fn iterators<'a>(&self) -> &'a Tuple {
        Tuple::this(self.second.get())
    }
}

unsafe fn traverse_made(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object with this layout.
    let it = unsafe { &*(h as *const Made) };
    f(it.first.get());
    f(it.second.get());
    f(it.pair.get());
}

unsafe fn clear_made(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object with this layout.
    let it = unsafe { &*(h as *const Made) };
    t.drop_value(it.first.take_local());
    t.drop_value(it.second.take_local());
    t.drop_value(it.pair.take_local());
}

/// `iter(callable, sentinel)`
pub fn new_callable_iter(t: &Thread, callable: Value, sentinel: Value) -> Obj {
    Made::new(
        t,
        &CALLABLE_ITERATOR,
        Obj::new(t, callable),
        Obj::new(t, sentinel),
        false,
    )
}

fn next_called(t: &mut Thread, v: Value) -> Res {
    let it = Made::this(v);
    let (f, sentinel) = (it.first.get(), it.second.get());
    if f.is_null() || sentinel.is_null() {
        return Ok(Value::NULL);
    }
    let (f, sentinel) = (Obj::new(t, f), Obj::new(t, sentinel));
    match proto::call(t, f.value(), &[]) {
        Ok(x) => {
            if !proto::eq(t, sentinel.value(), x.value())? {
                // The function may have used the iterator up.
                let over = Made::this(v).first.get().is_null();
                return Ok(if over { Value::NULL } else { x.into() });
            }
        }
        Err(e) if !t.exc_matches(&errors::STOP_ITERATION) => return Err(e),
        Err(_) => t.clear_exc(),
    }
    it.first.set(t, &it.header, Value::NULL);
    it.second.set(t, &it.header, Value::NULL);
    Ok(Value::NULL)
}

/// `callable_iterator`
pub static CALLABLE_ITERATOR: Type = Type::builtin(
    "callable_iterator",
    size_of::<Made>(),
    &Spec {
        iter: Some(iter_self),
        iter_next: Some(next_called),
        methods: &[NativeDef::new("__reduce__", "($self, /)", |t, a| {
            drop(builtin(t, "iter")?);
            let it = Made::this(a[0]);
            let (f, sentinel) = (it.first.get(), it.second.get());
            let args = if f.is_null() || sentinel.is_null() {
                vec![Tuple::empty(t)]
            } else {
                vec![Obj::new(t, f), Obj::new(t, sentinel)]
            };
            reduced(t, "iter", args, None)
        })],
        ..Spec::EMPTY
    },
)
.gc(traverse_made, clear_made)
.final_()
.no_new();

// --- enumerate ---

fn new_enumerate(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let given = args.all().len();
    if given > 2 {
        return Err(t.type_error(format!(
            "enumerate() takes at most 2 arguments ({given} given)"
        )));
    }
    let mut values = [Value::NULL; 2];
    values[..args.pos().len()].copy_from_slice(args.pos());
    for (name, v) in args.keywords() {
        let at = match Str::of(name) {
            Some(s) if s.is("iterable") => 0,
            Some(s) if s.is("start") => 1,
            _ => {
                let name = Str::of(name).map_or_else(String::new, Str::to_string_lossy);
                return Err(t.type_error(format!(
                    "'{name}' is an invalid keyword argument for enumerate()"
                )));
            }
        };
        if !values[at].is_null() {
            let name = ["iterable", "start"][at];
            let msg = format!(
                "argument for enumerate() given by name ('{name}') and position ({})",
                at + 1
            );
            return Err(t.type_error(msg));
        }
        values[at] = v;
    }
    if values[0].is_null() {
        return Err(t.type_error("enumerate() missing required argument 'iterable'".into()));
    }
    let start = if values[1].is_null() {
        Obj::from_raw(Value::int(0))
    } else {
        proto::index(t, values[1])?
    };
    let it = proto::iter(t, values[0])?;
    Ok(Made::new(t, Type::of_unchecked(cls), it, start, false).into())
}

/// The next item of an iterator that an iterator here goes through.
#[inline(always)]
fn step(t: &mut Thread, it: Value) -> Res {
    if type_of(it).is(&LIST_ITERATOR) {
        return next_of_list(t, it);
    }
    proto::next_value(t, it)
}

/// What an iterator over pairs gives next, as two register words, NULL at its end. `None`: ask the iterator itself.
#[inline]
pub fn next_pair(t: &mut Thread, v: Value) -> Res<Option<(Value, Value)>> {
    let ty = type_of(v);
    if ty.is(&crate::dict_views::DICT_ITEMITERATOR) {
        return Ok(crate::dict_views::next_pair(t, v));
    }
    if ty.is(&ENUMERATE) {
        return enumerated(t, v).map(Some);
    }
    if ty.is(&ZIP) && !Made::this(v).strict.load(Relaxed) && Made::this(v).iterators().len() == 2 {
        return zipped(t, v).map(Some);
    }
    Ok(None)
}

#[inline(always)]
fn enumerated(t: &mut Thread, v: Value) -> Res<(Value, Value)> {
    let it = Made::this(v);
    let x = step(t, it.first.get())?;
    if x.is_null() {
        return Ok((x, x));
    }
    let n = it.second.get();
    if n.is_int() && n.as_int() < Value::INT_MAX {
        it.second.set(t, &it.header, Value::int(n.as_int() + 1));
        return Ok((n, x));
    }
    enumerated_far(t, it, Obj::own(x))
}

#[cold]
fn enumerated_far(t: &mut Thread, it: &Made, x: Obj) -> Res<(Value, Value)> {
    let n = Obj::new(t, it.second.get());
    let next = crate::int::ops::int_add(t, n.value(), Value::int(1))?;
    it.second.set(t, &it.header, next);
    Ok((n.into_value(), x.into_value()))
}

/// The next items of the two iterators of a zip.
#[inline(always)]
fn zipped(t: &mut Thread, v: Value) -> Res<(Value, Value)> {
    let its = Made::this(v).iterators();
    let x = step(t, its.get(0))?;
    if x.is_null() {
        return Ok((x, x));
    }
    let x = Obj::own(x);
    let y = step(t, its.get(1))?;
    if y.is_null() {
        return Ok((y, y));
    }
    Ok((x.into_value(), y))
}

/// The pair of two owned register words, or NULL.
#[inline(always)]
fn again(t: &Thread, it: &Made, x: Value, y: Value) -> Value {
    if x.is_null() {
        return x;
    }
    let (x, y) = (Obj::own(x), Obj::own(y));
    Tuple::pair_again(t, &it.header, &it.pair, x, y).into()
}

fn next_enumerated(t: &mut Thread, v: Value) -> Res {
    let it = Made::this(v);
    let (n, x) = enumerated(t, v)?;
    Ok(again(t, it, n, x))
}

/// `enumerate`
pub static ENUMERATE: Type = Type::builtin(
    "enumerate",
    size_of::<Made>(),
    &Spec {
        new: Some(new_enumerate),
        iter: Some(iter_self),
        iter_next: Some(next_enumerated),
        methods: &[
            NativeDef::new("__reduce__", "($self, /)", |t, a| {
                let it = Made::this(a[0]);
                let args = Tuple::from_slice(t, &[it.first.get(), it.second.get()]);
                Ok(Tuple::pair(t, Obj::new(t, type_of(a[0]).value()), args).into())
            }),
            NativeDef::class("__class_getitem__", "($type, item, /)", crate::generic_alias::class_getitem),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse_made, clear_made)
.doc(
    "Return an enumerate object.\n\n  iterable\n    an object supporting iteration\n\nThe enumerate object yields pairs containing \
     a count (from start, which\ndefaults to zero) and a value yielded by the iterable argument.\n\nenumerate is useful for \
     obtaining an indexed list:\n    (0, seq[0]), (1, seq[1]), (2, seq[2]), ...",
)
.signature("(iterable, start=0)");

// --- zip and map ---

/// Reads `strict`, the one keyword argument that these have.
fn strict_argument(t: &mut Thread, name: &str, args: Args<'_>) -> Res<bool> {
    let mut strict = false;
    for (key, v) in args.keywords() {
        match Str::of(key) {
            Some(s) if s.is("strict") => strict = proto::truth(t, v)?,
            _ => {
                let key = Str::of(key).map_or_else(String::new, Str::to_string_lossy);
                return Err(t.type_error(format!(
                    "{name}() got an unexpected keyword argument '{key}'"
                )));
            }
        }
    }
    Ok(strict)
}

fn iterators_of(t: &mut Thread, iterables: &[Value]) -> Res<Obj> {
    let mut its = Vec::with_capacity(iterables.len());
    for v in iterables {
        its.push(proto::iter(t, *v)?);
    }
    Ok(Tuple::from_vec(t, its))
}

fn new_zip(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let ty = Type::of_unchecked(cls);
    let strict = strict_argument(t, "zip", args)?;
    let its = iterators_of(t, args.pos())?;
    Ok(Made::new(t, ty, Obj::from_raw(Value::NONE), its, strict).into())
}

/// Items that are being put together on the stack: dropped with it, unless they are taken.
pub struct Few {
    items: [Value; Few::MOST],
    n: usize,
}

impl Few {
    pub const MOST: usize = 6;

    #[inline(always)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Few {
        Few {
            items: [Value::NULL; Few::MOST],
            n: 0,
        }
    }

    /// One more of at most [`Few::MOST`].
    #[inline(always)]
    pub fn push(&mut self, x: Obj) {
        self.items[self.n] = x.into_value();
        self.n += 1;
    }

    /// The owned words.
    #[inline(always)]
    pub fn take(&mut self) -> &[Value] {
        let n = std::mem::take(&mut self.n);
        &self.items[..n]
    }
}

impl Drop for Few {
    #[inline(always)]
    fn drop(&mut self) {
        for v in &self.items[..self.n] {
            drop(Obj::from_raw(*v));
        }
    }
}

/// The next item of each iterator, or None if one has come to its end.
#[inline]
fn next_of_all(t: &mut Thread, it: &Made, name: &str) -> Res<Option<Vec<Obj>>> {
    let its = it.iterators();
    let mut items = Vec::with_capacity(its.len());
    for i in 0..its.len() {
        match proto::next(t, its.get(i))? {
            Some(x) => items.push(x),
            None => {
                if it.strict.load(Relaxed) {
                    check_even(t, its, i, name)?;
                }
                return Ok(None);
            }
        }
    }
    Ok(Some(items))
}

/// The iterator `i` is the first one that has ended: ValueError unless it is the first of all and the others have ended too.
#[cold]
fn check_even(t: &mut Thread, its: &Tuple, i: usize, name: &str) -> Res<()> {
    let plural = |n: usize| {
        if n == 1 {
            "argument 1".to_string()
        } else {
            format!("arguments 1-{n}")
        }
    };
    if i > 0 {
        return Err(t.value_error(format!(
            "{name}() argument {} is shorter than {}",
            i + 1,
            plural(i)
        )));
    }
    for j in 1..its.len() {
        if proto::next(t, its.get(j))?.is_some() {
            return Err(t.value_error(format!(
                "{name}() argument {} is longer than {}",
                j + 1,
                plural(j)
            )));
        }
    }
    Ok(())
}

fn next_zipped(t: &mut Thread, v: Value) -> Res {
    let it = Made::this(v);
    let its = it.iterators();
    if its.len() == 2 && !it.strict.load(Relaxed) {
        let (x, y) = zipped(t, v)?;
        return Ok(again(t, it, x, y));
    }
    if its.is_empty() {
        return Ok(Value::NULL);
    }
    if its.len() <= Few::MOST && !it.strict.load(Relaxed) {
        let mut items = Few::new();
        for source in its.as_slice() {
            let x = step(t, source.get())?;
            if x.is_null() {
                return Ok(x);
            }
            items.push(Obj::own(x));
        }
        return Ok(Tuple::again(t, &it.header, &it.pair, items.take()).into());
    }
    Ok(match next_of_all(t, it, "zip")? {
        Some(items) => Tuple::from_vec(t, items).into(),
        None => Value::NULL,
    })
}

/// `(class, args)`, and True if strict.
fn reduce_strict(t: &mut Thread, v: Value, args: Obj) -> Res {
    let mut parts = vec![Obj::new(t, type_of(v).value()), args];
    if Made::this(v).strict.load(Relaxed) {
        parts.push(Obj::from_raw(Value::TRUE));
    }
    Ok(Tuple::from_vec(t, parts).into())
}

fn set_strict(t: &mut Thread, a: &[Value]) -> Res {
    let strict = proto::truth(t, a[1])?;
    Made::this(a[0]).strict.store(strict, Relaxed);
    Ok(Value::NONE)
}

/// `zip`
pub static ZIP: Type = Type::builtin(
    "zip",
    size_of::<Made>(),
    &Spec {
        new: Some(new_zip),
        iter: Some(iter_self),
        iter_next: Some(next_zipped),
        methods: &[
            NativeDef::new("__reduce__", "($self, /)", |t, a| {
                let its = Obj::new(t, Made::this(a[0]).second.get());
                reduce_strict(t, a[0], its)
            }),
            NativeDef::new("__setstate__", "($self, state, /)", set_strict),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse_made, clear_made)
.doc(
    "The zip object yields n-length tuples, where n is the number of iterables\npassed as positional arguments to zip().  The i-th \
     element in every tuple\ncomes from the i-th iterable argument to zip().  This continues until the\nshortest argument is \
     exhausted.\n\nIf strict is true and one of the arguments is exhausted before the others,\nraise a ValueError.\n\n   >>> \
     list(zip('abcdefg', range(3), range(4)))\n   [('a', 0, 0), ('b', 1, 1), ('c', 2, 2)]",
)
.signature("(*iterables, strict=False)");

fn new_map(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let ty = Type::of_unchecked(cls);
    let strict = strict_argument(t, "map", args)?;
    let [f, iterables @ ..] = args.pos() else {
        return Err(t.type_error("map() must have at least two arguments.".into()));
    };
    if iterables.is_empty() {
        return Err(t.type_error("map() must have at least two arguments.".into()));
    }
    let its = iterators_of(t, iterables)?;
    Ok(Made::new(t, ty, Obj::new(t, *f), its, strict).into())
}

fn next_mapped(t: &mut Thread, v: Value) -> Res {
    let it = Made::this(v);
    if let [one] = it.iterators().as_slice() {
        let Some(x) = proto::next(t, one.get())? else {
            return Ok(Value::NULL);
        };
        return proto::call_value(t, it.first.get(), Args::positional(&[x.value()]));
    }
    let Some(items) = next_of_all(t, it, "map")? else {
        return Ok(Value::NULL);
    };
    let args: Vec<Value> = items.iter().map(Obj::value).collect();
    proto::call_value(t, it.first.get(), Args::positional(&args))
}

/// `map`
pub static MAP: Type = Type::builtin(
    "map",
    size_of::<Made>(),
    &Spec {
        new: Some(new_map),
        iter: Some(iter_self),
        iter_next: Some(next_mapped),
        methods: &[
            NativeDef::new("__reduce__", "($self, /)", |t, a| {
                let it = Made::this(a[0]);
                let mut args = vec![Obj::new(t, it.first.get())];
                args.extend(it.iterators().to_vec(t));
                let args = Tuple::from_vec(t, args);
                reduce_strict(t, a[0], args)
            }),
            NativeDef::new("__setstate__", "($self, state, /)", set_strict),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse_made, clear_made)
.doc(
    "Make an iterator that computes the function using arguments from\neach of the iterables.  Stops when the shortest iterable is \
     exhausted.\n\nIf strict is true and one of the arguments is exhausted before the others,\nraise a ValueError.",
)
.signature("(function, iterable, /, *iterables, strict=False)");

// --- filter ---

fn new_filter(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let ty = Type::of_unchecked(cls);
    let init = |ty: &Type| ty.slots.init.get().map(|f| f as usize);
    if args.has_keywords() && init(ty) == init(&FILTER) {
        return Err(t.type_error("filter() takes no keyword arguments".into()));
    }
    let [f, iterable] = *args.pos() else {
        return Err(t.type_error(format!(
            "filter expected 2 arguments, got {}",
            args.pos().len()
        )));
    };
    let it = proto::iter(t, iterable)?;
    Ok(Made::new(t, ty, it, Obj::new(t, f), false).into())
}

fn next_filtered(t: &mut Thread, v: Value) -> Res {
    let it = Made::this(v);
    let f = it.second.get();
    let plain = f.is_none() || f.same(crate::int::BOOL.value());
    loop {
        let Some(x) = proto::next(t, it.first.get())? else {
            return Ok(Value::NULL);
        };
        let good = if plain {
            proto::truth(t, x.value())?
        } else {
            let r = proto::call(t, it.second.get(), &[x.value()])?;
            proto::truth(t, r.value())?
        };
        if good {
            return Ok(x.into());
        }
    }
}

/// `filter`
pub static FILTER: Type = Type::builtin(
    "filter",
    size_of::<Made>(),
    &Spec {
        new: Some(new_filter),
        iter: Some(iter_self),
        iter_next: Some(next_filtered),
        methods: &[NativeDef::new("__reduce__", "($self, /)", |t, a| {
            let it = Made::this(a[0]);
            let args = Tuple::from_slice(t, &[it.second.get(), it.first.get()]);
            Ok(Tuple::pair(t, Obj::new(t, type_of(a[0]).value()), args).into())
        })],
        ..Spec::EMPTY
    },
)
.gc(traverse_made, clear_made)
.doc(
    "Return an iterator yielding those items of iterable for which function(item)\nis true. If function is None, return the items \
     that are true.",
)
.signature("(function, iterable, /)");

/// The types of containers and their iterators, to be made ready at start-up.
pub static CONTAINER_TYPES: &[&Type] = &[
    &crate::dict::DICT,
    &crate::dict_views::DICT_KEYS,
    &crate::dict_views::DICT_VALUES,
    &crate::dict_views::DICT_ITEMS,
    &crate::dict_views::DICT_KEYITERATOR,
    &crate::dict_views::DICT_VALUEITERATOR,
    &crate::dict_views::DICT_ITEMITERATOR,
    &crate::dict_views::DICT_REVERSEKEYITERATOR,
    &crate::dict_views::DICT_REVERSEVALUEITERATOR,
    &crate::dict_views::DICT_REVERSEITEMITERATOR,
    &crate::list::LIST,
    &crate::tuple::TUPLE,
    &crate::set::SET,
    &crate::set::FROZENSET,
    &crate::set::SET_ITERATOR,
    &crate::range::RANGE,
    &crate::range::RANGE_ITERATOR,
    &crate::range::LONGRANGE_ITERATOR,
    &crate::slice::SLICE,
    &LIST_ITERATOR,
    &LIST_REVERSE_ITERATOR,
    &TUPLE_ITERATOR,
    &SEQUENCE_ITERATOR,
    &CALLABLE_ITERATOR,
    &REVERSED,
    &ENUMERATE,
    &ZIP,
    &MAP,
    &FILTER,
];
