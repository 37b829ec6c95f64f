//! range: with ints of any size, and without big ones where all fit a word.

use crate::int::{as_i64, from_bigint, from_i64, from_i128, is_int, to_bigint};
use crate::prelude::*;
use crate::slice::{Slice, big_indices};
use crate::str::index::has_index;
use crate::types::type_flags;
use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{Signed, Zero};
use std::sync::atomic::{AtomicI64, Ordering::*};

/// A range. All four are ints that do not change.
#[repr(C)]
pub struct Range {
    pub header: Header,
    pub start: Slot,
    pub stop: Slot,
    pub step: Slot,
    len: Slot,
}

impl Range {
    /// The range from `start` up or down to `stop`, which are ints; `step` is not zero.
    pub fn new(t: &Thread, start: Obj, stop: Obj, step: Obj) -> Obj {
        let len = Obj::own(count(t, start.value(), stop.value(), step.value()));
        // SAFETY: the layout is this type's; the slots are filled at once.
        unsafe {
            let p = t.alloc(&RANGE.head, size_of::<Range>()) as *mut Range;
            let h = &(*p).header;
            (*p).start.init(t, h, start.into_value());
            (*p).stop.init(t, h, stop.into_value());
            (*p).step.init(t, h, step.into_value());
            (*p).len.init(t, h, len.into_value());
            Obj::from_raw(h.value())
        }
    }

    /// `range(start, stop, step)` of small ints; `step` is not zero.
    pub fn from_small(t: &Thread, start: i64, stop: i64, step: i64) -> Obj {
        let own = |i| Obj::own(from_i64(t, i));
        Range::new(t, own(start), own(stop), own(step))
    }

    /// The range, if `v` is one.
    #[inline(always)]
    pub fn of<'a>(v: Value) -> Option<&'a Range> {
        crate::cast_exact(v, &RANGE)
    }

    fn this<'a>(v: Value) -> &'a Range {
        debug_assert!(Range::of(v).is_some());
        // SAFETY: methods and slots of `range`, which has no subclasses, are called with ranges only.
        unsafe { &*(v.ptr() as *const Range) }
    }

    /// Start, step and number of items, if all of them (and so all items) are small ints.
    #[inline]
    pub fn small(&self) -> Option<(i64, i64, usize)> {
        let (start, stop, step, len) = (
            self.start.get(),
            self.stop.get(),
            self.step.get(),
            self.len.get(),
        );
        if start.is_int() && stop.is_int() && step.is_int() && len.is_int() {
            Some((start.as_int(), step.as_int(), len.as_int() as usize))
        } else {
            None
        }
    }

    fn big(&self) -> (BigInt, BigInt, BigInt) {
        (
            big(self.start.get()),
            big(self.step.get()),
            big(self.len.get()),
        )
    }

    /// Item `i`, which is below the length: a register word.
    fn item(&self, t: &Thread, i: &BigInt) -> Value {
        let (start, step, _) = self.big();
        from_bigint(t, start + i * step)
    }

    /// The position of an int, if it is in the range: a register word.
    fn position(&self, t: &Thread, x: Value) -> Option<Value> {
        if let (Some((start, step, n)), Some(x)) = (self.small(), x.to_int()) {
            let (d, step) = (i128::from(x) - i128::from(start), i128::from(step));
            let at = d / step;
            return (d % step == 0 && at >= 0 && at < n as i128).then(|| Value::int(at as i64));
        }
        let (start, step, n) = self.big();
        let (at, rest) = (big(x) - start).div_mod_floor(&step);
        (rest.is_zero() && !at.is_negative() && at < n).then(|| from_bigint(t, at))
    }
}

fn big(v: Value) -> BigInt {
    to_bigint(v).unwrap_or_default()
}

/// Number of items: a register word.
fn count(t: &Thread, start: Value, stop: Value, step: Value) -> Value {
    if start.is_int() && stop.is_int() && step.is_int() {
        let (start, stop, step) = (
            start.as_int() as i128,
            stop.as_int() as i128,
            step.as_int() as i128,
        );
        let n = if step > 0 {
            (stop - start + step - 1).div_euclid(step)
        } else {
            (start - stop - step - 1).div_euclid(-step)
        };
        return from_i128(t, n.max(0));
    }
    let (start, stop, step) = (big(start), big(stop), big(step));
    let (d, step) = if step.is_negative() {
        (start - stop, -step)
    } else {
        (stop - start, step)
    };
    if d.is_positive() {
        from_bigint(t, (d - 1) / step + 1)
    } else {
        Value::int(0)
    }
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a range.
    let r = unsafe { &*(h as *const Range) };
    for slot in [&r.start, &r.stop, &r.step, &r.len] {
        f(slot.get());
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying range.
    let r = unsafe { &*(h as *const Range) };
    for slot in [&r.start, &r.stop, &r.step, &r.len] {
        t.drop_value(slot.take_local());
    }
}

/// `range`
pub static RANGE: Type = Type::builtin(
    "range",
    size_of::<Range>(),
    &Spec {
        new: Some(new),
        repr: Some(repr),
        hash: Some(hash),
        compare: Some(compare),
        iter: Some(iter),
        len: Some(len),
        truth: Some(|t, v| proto::truth(t, Range::this(v).len.get())),
        get_item: Some(get_item),
        contains: Some(contains),
        methods: &[
            NativeDef::new("__reversed__", "($self, /)", reversed).doc("Return a reverse iterator."),
            NativeDef::new("__reduce__", "($self, /)", reduce),
            NativeDef::new("count", "($self, value, /)", range_count)
                .doc("rangeobject.count(value) -> integer -- return number of occurrences of value"),
            NativeDef::new("index", "($self, value, /)", range_index).doc(
                "rangeobject.index(value) -> integer -- return index of value.\nRaise ValueError if the value is not present.",
            ),
        ],
        getset: &[
            GetSetDef::ro("start", |t, v| Ok(to_reg(t, Range::this(v).start.get()))),
            GetSetDef::ro("stop", |t, v| Ok(to_reg(t, Range::this(v).stop.get()))),
            GetSetDef::ro("step", |t, v| Ok(to_reg(t, Range::this(v).step.get()))),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.flags(type_flags::SEQUENCE)
.final_()
.doc(
    "range(stop) -> range object\nrange(start, stop[, step]) -> range object\n\nReturn an object that produces a sequence of \
     integers from start (inclusive)\nto stop (exclusive) by step.  range(i, j) produces i, i+1, i+2, ..., j-1.\nstart defaults to \
     0, and stop is omitted!  range(4) produces 0, 1, 2, 3.\nThese are exactly the valid indices for a list of 4 \
     elements.\nWhen step is given, it specifies the increment (or decrement).",
);

fn new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    if args.has_keywords() {
        return Err(t.type_error("range() takes no keyword arguments".into()));
    }
    let given = args.pos();
    match *given {
        [stop] => {
            let stop = plain_int(t, stop)?;
            Ok(Range::new(
                t,
                Obj::from_raw(Value::int(0)),
                stop,
                Obj::from_raw(Value::int(1)),
            )
            .into())
        }
        [start, stop] | [start, stop, _] => {
            let start = plain_int(t, start)?;
            let stop = plain_int(t, stop)?;
            let step = match given.get(2) {
                Some(step) => plain_int(t, *step)?,
                None => Obj::from_raw(Value::int(1)),
            };
            if step.value() == Value::int(0) {
                return Err(t.value_error("range() arg 3 must not be zero"));
            }
            Ok(Range::new(t, start, stop, step).into())
        }
        [] => Err(t.type_error("range expected at least 1 argument, got 0".into())),
        _ => Err(t.type_error(format!(
            "range expected at most 3 arguments, got {}",
            given.len()
        ))),
    }
}

/// An exact int, of no subclass.
fn plain_int(t: &mut Thread, v: Value) -> Res<Obj> {
    if v.is_int() {
        return Ok(Obj::from_raw(v));
    }
    let i = proto::index(t, v)?;
    Ok(Obj::own(match as_i64(i.value()) {
        Some(n) => from_i64(t, n),
        None => from_bigint(t, big(i.value())),
    }))
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let r = Range::this(v);
    let mut out = b"range(".to_vec();
    crate::list::repr::push(t, &mut out, r.start.get())?;
    out.extend_from_slice(b", ");
    crate::list::repr::push(t, &mut out, r.stop.get())?;
    if r.step.get() != Value::int(1) {
        out.extend_from_slice(b", ");
        crate::list::repr::push(t, &mut out, r.step.get())?;
    }
    out.push(b')');
    Ok(Str::from_vec(t, out).into())
}

/// Ranges are equal if they have the same items: the length, and as much of start and step as matters.
fn essence(t: &Thread, r: &Range) -> Obj {
    let (len, none) = (r.len.get(), Value::NONE);
    let start = if len == Value::int(0) {
        none
    } else {
        r.start.get()
    };
    let step = if len == Value::int(0) || len == Value::int(1) {
        none
    } else {
        r.step.get()
    };
    Tuple::from_slice(t, &[len, start, step])
}

fn hash(t: &mut Thread, v: Value) -> Res<i64> {
    let tuple = essence(t, Range::this(v));
    proto::hash(t, tuple.value())
}

fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    match (Range::of(a), Range::of(b), op) {
        (Some(x), Some(y), CmpOp::Eq | CmpOp::Ne) => {
            let (x, y) = (essence(t, x), essence(t, y));
            let equal = proto::eq(t, x.value(), y.value())?;
            Ok(Value::bool(equal == (op == CmpOp::Eq)))
        }
        _ => Ok(Value::NOT_IMPLEMENTED),
    }
}

fn len(t: &mut Thread, v: Value) -> Res<usize> {
    match as_i64(Range::this(v).len.get()) {
        Some(n) => Ok(n as usize),
        None => Err(t.overflow_error("Python int too large to convert to C ssize_t")),
    }
}

fn get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    let r = Range::this(v);
    if let (Some((start, step, n)), Some(i)) = (r.small(), key.to_int()) {
        let at = if i < 0 { i.saturating_add(n as i64) } else { i };
        if at < 0 || at >= n as i64 {
            return Err(t.index_error("range object index out of range"));
        }
        return Ok(Value::int(start + at * step));
    }
    if let Some(s) = Slice::of(key) {
        return sliced(t, r, s);
    }
    if !has_index(key) {
        let got = type_of(key).name();
        return Err(t.type_error(format!(
            "range indices must be integers or slices, not {got}"
        )));
    }
    let i = proto::index(t, key)?;
    let (mut i, n) = (big(i.value()), big(r.len.get()));
    if i.is_negative() {
        i += &n;
    }
    if i.is_negative() || i >= n {
        return Err(t.index_error("range object index out of range"));
    }
    Ok(r.item(t, &i))
}

fn sliced(t: &mut Thread, r: &Range, s: &Slice) -> Res {
    if let Some(part) = sliced_small(t, r, s) {
        return Ok(part.into());
    }
    let (start, step, n) = r.big();
    let (from, to, by) = big_indices(t, s, &n)?;
    let own = |i: BigInt| Obj::own(from_bigint(t, i));
    let (first, last) = (own(&start + from * &step), own(start + to * &step));
    Ok(Range::new(t, first, last, own(step * by)).into())
}

/// [`sliced`] where all numbers fit a word.
fn sliced_small(t: &Thread, r: &Range, s: &Slice) -> Option<Obj> {
    let (start, step, n) = r.small()?;
    let n = n as i64;
    let small = |v: Value, absent: i64| match v {
        v if v.is_none() => Some(absent),
        v if v.is_int() => Some(v.as_int()),
        _ => None,
    };
    let [from, to, by] = s.parts();
    let by = small(by, 1).filter(|by| *by != 0)?;
    let (low, high) = if by < 0 { (-1, n - 1) } else { (0, n) };
    let (first, last) = if by < 0 { (high, low) } else { (low, high) };
    let clip = |v: Value, absent: i64| {
        let i = small(v, absent)?;
        let i = if i < 0 && !v.is_none() { i + n } else { i };
        Some(i.clamp(low, high))
    };
    let item = |i: i64| start.checked_add(i.checked_mul(step)?);
    let (from, to) = (item(clip(from, first)?)?, item(clip(to, last)?)?);
    Some(Range::from_small(t, from, to, step.checked_mul(by)?))
}

/// An int or bool, of no subclass: found by calculation.
fn is_plain(v: Value) -> bool {
    v.is_int() || v.is_bool() || type_of(v).is(&crate::int::INT)
}

fn contains(t: &mut Thread, v: Value, x: Value) -> Res<bool> {
    if is_plain(x) && is_int(x) {
        return Ok(Range::this(v).position(t, exact(x)).is_some());
    }
    proto::contains_by_iteration(t, v, x)
}

fn exact(x: Value) -> Value {
    if x.is_bool() {
        Value::int(i64::from(x == Value::TRUE))
    } else {
        x
    }
}

fn range_count(t: &mut Thread, a: &[Value]) -> Res {
    if is_plain(a[1]) {
        return Ok(Value::int(i64::from(
            Range::this(a[0]).position(t, exact(a[1])).is_some(),
        )));
    }
    let mut n = 0;
    proto::for_each(t, a[0], |t, x| {
        n += i64::from(proto::eq(t, x.value(), a[1])?);
        Ok(std::ops::ControlFlow::Continue(()))
    })?;
    Ok(Value::int(n))
}

fn range_index(t: &mut Thread, a: &[Value]) -> Res {
    if is_plain(a[1]) {
        if let Some(at) = Range::this(a[0]).position(t, exact(a[1])) {
            return Ok(at);
        }
    } else {
        let (mut at, mut found) = (0, false);
        proto::for_each(t, a[0], |t, x| {
            found = proto::eq(t, x.value(), a[1])?;
            at += i64::from(!found);
            Ok(if found {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            })
        })?;
        if found {
            return Ok(Value::int(at));
        }
    }
    Err(t.value_error("range.index(x): x not in range"))
}

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    let r = Range::this(a[0]);
    let parts = Tuple::from_slice(t, &[r.start.get(), r.stop.get(), r.step.get()]);
    Ok(Tuple::pair(t, Obj::new(t, RANGE.value()), parts).into())
}

fn iter(t: &mut Thread, v: Value) -> Res {
    let r = Range::this(v);
    Ok(match r.small() {
        Some((start, step, n)) => new_small_iter(t, start, step, n as i64).into(),
        None => {
            let (start, step, n) = r.big();
            new_big_iter(t, start, step, n).into()
        }
    })
}

fn reversed(t: &mut Thread, a: &[Value]) -> Res {
    let r = Range::this(a[0]);
    Ok(match r.small() {
        Some((start, step, n))
            if n > 0 && step.checked_neg().and_then(Value::try_int).is_some() =>
        {
            new_small_iter(t, start + (n as i64 - 1) * step, -step, n as i64).into()
        }
        Some((start, _, 0)) => new_small_iter(t, start, 1, 0).into(),
        _ => {
            let (start, step, n) = r.big();
            new_big_iter(t, start + (&n - 1) * &step, -step, n).into()
        }
    })
}

/// Iterator over small ints. Threads that share one may both get the same item.
#[repr(C)]
pub struct RangeIter {
    pub header: Header,
    next: AtomicI64,
    step: i64,
    left: AtomicI64,
}

fn new_small_iter(t: &Thread, start: i64, step: i64, n: i64) -> Obj {
    // SAFETY: the layout is this type's; the words are written at once.
    unsafe {
        let p = t.alloc(&RANGE_ITERATOR.head, size_of::<RangeIter>()) as *mut RangeIter;
        (&raw mut (*p).next).write(AtomicI64::new(start));
        (&raw mut (*p).step).write(step);
        (&raw mut (*p).left).write(AtomicI64::new(n));
        Obj::from_raw((*p).header.value())
    }
}

fn small_iter<'a>(v: Value) -> &'a RangeIter {
    // SAFETY: methods and slots of `range_iterator`, which has no subclasses, are called with its objects only.
    unsafe { &*(v.ptr() as *const RangeIter) }
}

fn next_small(_t: &mut Thread, v: Value) -> Res {
    let it = small_iter(v);
    let left = it.left.load(Relaxed);
    if left <= 0 {
        return Ok(Value::NULL);
    }
    it.left.store(left - 1, Relaxed);
    let n = it.next.load(Relaxed);
    it.next.store(n.wrapping_add(it.step), Relaxed);
    // Torn by another thread it may be outside of the range, but it is an int.
    Ok(Value((n as u64) << 1 | 1))
}

/// `range_iterator`
pub static RANGE_ITERATOR: Type = Type::builtin(
    "range_iterator",
    size_of::<RangeIter>(),
    &Spec {
        iter: Some(|t, v| Ok(to_reg(t, v.bare()))),
        iter_next: Some(next_small),
        methods: &[
            NativeDef::new("__length_hint__", "($self, /)", |_, a| {
                Ok(Value::int(small_iter(a[0]).left.load(Relaxed).max(0)))
            }),
            NativeDef::new("__reduce__", "($self, /)", |t, a| {
                let it = small_iter(a[0]);
                let (next, left) = (it.next.load(Relaxed), it.left.load(Relaxed).max(0));
                let own = |i: i128| Obj::own(from_i128(t, i));
                let stop = own(i128::from(next) + i128::from(left) * i128::from(it.step));
                let range = Range::new(t, own(next.into()), stop, own(it.step.into()));
                reduced(t, range)
            }),
            NativeDef::new("__setstate__", "($self, state, /)", |t, a| {
                let it = small_iter(a[0]);
                let left = it.left.load(Relaxed).max(0);
                let skip = proto::index_clamped(t, a[1])?.clamp(0, left as isize) as i64;
                it.next.store(
                    it.next
                        .load(Relaxed)
                        .wrapping_add(skip.wrapping_mul(it.step)),
                    Relaxed,
                );
                it.left.store(left - skip, Relaxed);
                Ok(Value::NONE)
            }),
        ],
        ..Spec::EMPTY
    },
)
.final_()
.no_new();

/// `(iter, (range,), None)`
fn reduced(t: &mut Thread, range: Obj) -> Res {
    let f = crate::runtime::builtin(t, "iter")?;
    let args = Tuple::from_vec(t, vec![range]);
    Ok(Tuple::from_vec(t, vec![f, args, Obj::from_raw(Value::NONE)]).into())
}

/// Iterator over ints of any size.
#[repr(C)]
struct BigRangeIter {
    header: Header,
    next: Slot,
    step: Slot,
    left: Slot,
}

fn new_big_iter(t: &Thread, start: BigInt, step: BigInt, n: BigInt) -> Obj {
    // SAFETY: the layout is this type's; the slots are filled at once.
    unsafe {
        let p = t.alloc(&LONGRANGE_ITERATOR.head, size_of::<BigRangeIter>()) as *mut BigRangeIter;
        let it = &*p;
        it.next.init(t, &it.header, from_bigint(t, start));
        it.step.init(t, &it.header, from_bigint(t, step));
        it.left.init(t, &it.header, from_bigint(t, n));
        Obj::from_raw(it.header.value())
    }
}

fn big_iter<'a>(v: Value) -> &'a BigRangeIter {
    // SAFETY: methods and slots of `longrange_iterator`, which has no subclasses, are called with its objects only.
    unsafe { &*(v.ptr() as *const BigRangeIter) }
}

fn next_big(t: &mut Thread, v: Value) -> Res {
    let it = big_iter(v);
    let left = big(it.left.get());
    if !left.is_positive() {
        return Ok(Value::NULL);
    }
    let n = Obj::new(t, it.next.get());
    let next = from_bigint(t, big(n.value()) + big(it.step.get()));
    it.next.set(t, &it.header, next);
    it.left.set(t, &it.header, from_bigint(t, left - 1));
    Ok(n.into())
}

unsafe fn traverse_big(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this type.
    let it = unsafe { &*(h as *const BigRangeIter) };
    for slot in [&it.next, &it.step, &it.left] {
        f(slot.get());
    }
}

unsafe fn clear_big(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type.
    let it = unsafe { &*(h as *const BigRangeIter) };
    for slot in [&it.next, &it.step, &it.left] {
        t.drop_value(slot.take_local());
    }
}

/// `longrange_iterator`
pub static LONGRANGE_ITERATOR: Type = Type::builtin(
    "longrange_iterator",
    size_of::<BigRangeIter>(),
    &Spec {
        iter: Some(|t, v| Ok(to_reg(t, v.bare()))),
        iter_next: Some(next_big),
        methods: &[
            NativeDef::new("__length_hint__", "($self, /)", |t, a| {
                Ok(to_reg(t, big_iter(a[0]).left.get()))
            }),
            NativeDef::new("__reduce__", "($self, /)", |t, a| {
                let it = big_iter(a[0]);
                let (next, step) = (big(it.next.get()), big(it.step.get()));
                let stop = &next + big(it.left.get()) * &step;
                let own = |i| Obj::own(from_bigint(t, i));
                let range = Range::new(t, own(next), own(stop), own(step));
                reduced(t, range)
            }),
            NativeDef::new("__setstate__", "($self, state, /)", |t, a| {
                let it = big_iter(a[0]);
                let i = proto::index(t, a[1])?;
                let left = big(it.left.get());
                let skip = big(i.value()).max(BigInt::zero()).min(left.clone());
                let next = from_bigint(t, big(it.next.get()) + &skip * big(it.step.get()));
                it.next.set(t, &it.header, next);
                it.left.set(t, &it.header, from_bigint(t, left - skip));
                Ok(Value::NONE)
            }),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse_big, clear_big)
.final_()
.no_new();
