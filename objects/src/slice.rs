//! slice: start, stop and step as they were given, and what they mean for a sequence of a given length.

use crate::prelude::*;
use crate::str::index::has_index;
use num_bigint::BigInt;
use num_traits::{One, Signed, Zero};

/// `slice(start, stop, step)`; each may be None or any object.
#[repr(C)]
pub struct Slice {
    pub header: Header,
    pub start: Slot,
    pub stop: Slot,
    pub step: Slot,
}

impl Slice {
    /// A new slice of three references.
    pub fn new(t: &Thread, start: Obj, stop: Obj, step: Obj) -> Obj {
        // SAFETY: the layout is this type's; the slots are filled at once.
        unsafe {
            let p = t.alloc(&SLICE.head, size_of::<Slice>()) as *mut Slice;
            let h = &(*p).header;
            (*p).start.init(t, h, start.into_value());
            (*p).stop.init(t, h, stop.into_value());
            (*p).step.init(t, h, step.into_value());
            Obj::from_raw(h.value())
        }
    }

    /// A new slice of new references.
    pub fn of_parts(t: &Thread, [start, stop, step]: [Value; 3]) -> Obj {
        Slice::new(t, Obj::new(t, start), Obj::new(t, stop), Obj::new(t, step))
    }

    /// The slice, if `v` is one.
    #[inline(always)]
    pub fn of<'a>(v: Value) -> Option<&'a Slice> {
        crate::cast_exact(v, &SLICE)
    }

    /// What the slice selects from `len` items: the first index, the step, and how many.
    ///
    /// # Errors
    /// TypeError if a part is neither None nor an index, ValueError if the step is zero; what `__index__` raises.
    #[inline]
    pub fn indices(&self, t: &mut Thread, len: usize) -> Res<(isize, isize, usize)> {
        indices(t, self.parts(), len)
    }

    /// The three parts as numbers, clamped; absent ones as far as can be.
    ///
    /// # Errors
    /// As for [`Slice::indices`].
    pub fn unpack(&self, t: &mut Thread) -> Res<(isize, isize, isize)> {
        unpack(t, self.parts())
    }

    /// Start, stop and step.
    #[inline(always)]
    pub fn parts(&self) -> [Value; 3] {
        [self.start.get(), self.stop.get(), self.step.get()]
    }
}

/// What `start:stop:step` selects from `len` items: the first index, the step, and how many.
///
/// # Errors
/// As for [`Slice::indices`].
#[inline]
pub fn indices(t: &mut Thread, parts: [Value; 3], len: usize) -> Res<(isize, isize, usize)> {
    let (start, stop, step) = unpack(t, parts)?;
    Ok(select(start, stop, step, len))
}

/// What the numbers of a slice select from `len` items: the first index, the step, and how many.
#[inline]
pub fn select(start: isize, stop: isize, step: isize, len: usize) -> (isize, isize, usize) {
    if step == 1 {
        let (start, stop) = (clip(start, len), clip(stop, len));
        return (start as isize, 1, stop.saturating_sub(start));
    }
    adjust(start, stop, step, len)
}

#[inline(always)]
fn clip(i: isize, len: usize) -> usize {
    if i < 0 {
        i.saturating_add(len as isize).max(0) as usize
    } else {
        (i as usize).min(len)
    }
}

/// The parts of a slice as numbers, clamped; absent ones as far as can be.
///
/// # Errors
/// As for [`Slice::indices`].
#[inline]
pub fn unpack(t: &mut Thread, [start, stop, step]: [Value; 3]) -> Res<(isize, isize, isize)> {
    let step = match step {
        v if v.is_none() => 1,
        v => part(t, v)?.max(-isize::MAX),
    };
    if step == 0 {
        return Err(t.value_error("slice step cannot be zero"));
    }
    let start = match start {
        v if v.is_none() => {
            if step < 0 {
                isize::MAX
            } else {
                0
            }
        }
        v => part(t, v)?,
    };
    let stop = match stop {
        v if v.is_none() => {
            if step < 0 {
                isize::MIN
            } else {
                isize::MAX
            }
        }
        v => part(t, v)?,
    };
    Ok((start, stop, step))
}

/// `v[start:stop:step]`, with no slice object where `v` is a list, tuple, str or bytes: borrowed words, a register word.
///
/// # Errors
/// As for [`Slice::indices`]; what `v.__getitem__` raises.
pub fn get(t: &mut Thread, v: Value, parts: [Value; 3]) -> Res {
    if let Some(l) = List::exact(v) {
        let (start, stop, step) = unpack(t, parts)?;
        return Ok(l.slice(t, start, stop, step).into());
    }
    if let Some(s) = Str::exact(v) {
        let (start, step, n) = indices(t, parts, s.len())?;
        return Ok(s.span(t, start, step, n).into());
    }
    if let Some(x) = Tuple::exact(v) {
        let (start, step, n) = indices(t, parts, x.len())?;
        return Ok(x.span(t, start, step, n).into());
    }
    if let Some(b) = crate::bytes::Bytes::exact(v) {
        let (start, step, n) = indices(t, parts, b.as_slice().len())?;
        return Ok(b.span(t, start, step, n).into());
    }
    let key = Slice::of_parts(t, parts);
    proto::get_item_value(t, v, key.value())
}

/// `v[start:stop:step] = x`, or `del v[start:stop:step]` if `x` is NULL; with no slice object where `v` is a list.
///
/// # Errors
/// As for [`Slice::indices`]; what `v.__setitem__` raises.
pub fn set(t: &mut Thread, v: Value, parts: [Value; 3], x: Value) -> Res<()> {
    match List::exact(v) {
        Some(l) if x.is_null() => crate::list::delete_slice(t, l, parts),
        Some(l) => crate::list::assign_slice(t, l, parts, x),
        None => {
            let key = Slice::of_parts(t, parts);
            proto::set_item(t, v, key.value(), x)
        }
    }
}

#[inline(always)]
fn part(t: &mut Thread, v: Value) -> Res<isize> {
    if let Some(i) = v.to_int() {
        return Ok(i as isize);
    }
    odd_part(t, v)
}

#[cold]
#[inline(never)]
fn odd_part(t: &mut Thread, v: Value) -> Res<isize> {
    if !has_index(v) {
        return Err(t.type_error(
            "slice indices must be integers or None or have an __index__ method".into(),
        ));
    }
    proto::index_clamped(t, v)
}

/// First index, step and number of items of a slice with these numbers of a sequence of `len` items.
pub fn adjust(start: isize, stop: isize, step: isize, len: usize) -> (isize, isize, usize) {
    let len = len as isize;
    let (low, high) = if step < 0 { (-1, len - 1) } else { (0, len) };
    let clip = |i: isize| (if i < 0 { i.saturating_add(len) } else { i }).clamp(low, high.max(low));
    let (start, stop) = (clip(start), clip(stop));
    let n = if step < 0 {
        if stop < start {
            (start - stop - 1) / -step + 1
        } else {
            0
        }
    } else if start < stop {
        (stop - start - 1) / step + 1
    } else {
        0
    };
    (start, step, n as usize)
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a slice.
    let s = unsafe { &*(h as *const Slice) };
    f(s.start.get());
    f(s.stop.get());
    f(s.step.get());
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying slice.
    let s = unsafe { &*(h as *const Slice) };
    for slot in [&s.start, &s.stop, &s.step] {
        t.drop_value(slot.take_local());
    }
}

fn this<'a>(v: Value) -> &'a Slice {
    debug_assert!(Slice::of(v).is_some());
    // SAFETY: methods and slots of `slice`, which has no subclasses, are called with slices only.
    unsafe { &*(v.ptr() as *const Slice) }
}

/// `slice`
pub static SLICE: Type = Type::builtin(
    "slice",
    size_of::<Slice>(),
    &Spec {
        new: Some(new),
        repr: Some(repr),
        hash: Some(hash),
        compare: Some(compare),
        methods: &[
            NativeDef::new("indices", "($self, length, /)", slice_indices),
            NativeDef::new("__reduce__", "($self, /)", |t, a| {
                let parts = as_tuple(t, this(a[0]));
                Ok(Tuple::pair(t, Obj::new(t, SLICE.value()), parts).into())
            }),
        ],
        getset: &[
            GetSetDef::ro("start", |t, v| Ok(to_reg(t, this(v).start.get()))),
            GetSetDef::ro("stop", |t, v| Ok(to_reg(t, this(v).stop.get()))),
            GetSetDef::ro("step", |t, v| Ok(to_reg(t, this(v).step.get()))),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.final_()
.doc(
    "slice(stop)\nslice(start, stop[, step])\n\nCreate a slice object.  This is used for extended slicing (e.g. a[0:10:2]).",
);

fn as_tuple(t: &Thread, s: &Slice) -> Obj {
    Tuple::from_slice(t, &[s.start.get(), s.stop.get(), s.step.get()])
}

fn new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    if args.has_keywords() {
        return Err(t.type_error("slice() takes no keyword arguments".into()));
    }
    let none = Value::NONE;
    let (start, stop, step) = match *args.pos() {
        [stop] => (none, stop, none),
        [start, stop] => (start, stop, none),
        [start, stop, step] => (start, stop, step),
        [] => return Err(t.type_error("slice expected at least 1 argument, got 0".into())),
        ref more => {
            return Err(t.type_error(format!(
                "slice expected at most 3 arguments, got {}",
                more.len()
            )));
        }
    };
    Ok(Slice::new(t, Obj::new(t, start), Obj::new(t, stop), Obj::new(t, step)).into())
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let s = this(v);
    let mut out = b"slice(".to_vec();
    for (i, slot) in [&s.start, &s.stop, &s.step].into_iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        crate::list::repr::push(t, &mut out, slot.get())?;
    }
    out.push(b')');
    Ok(Str::from_vec(t, out).into())
}

/// As that of the tuple of its parts, without the length.
fn hash(t: &mut Thread, v: Value) -> Res<i64> {
    const P1: u64 = 11400714785074694791;
    const P2: u64 = 14029467366897019727;
    const P5: u64 = 2870177450012600261;
    let s = this(v);
    let mut acc = P5;
    for slot in [&s.start, &s.stop, &s.step] {
        let lane = proto::hash(t, slot.get())? as u64;
        acc = acc
            .wrapping_add(lane.wrapping_mul(P2))
            .rotate_left(31)
            .wrapping_mul(P1);
    }
    Ok(if acc == u64::MAX {
        1546275796
    } else {
        acc as i64
    })
}

fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let (Some(x), Some(y)) = (Slice::of(a), Slice::of(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    if a.same(b) {
        return Ok(Value::bool(op.of(std::cmp::Ordering::Equal)));
    }
    let (x, y) = (as_tuple(t, x), as_tuple(t, y));
    proto::compare(t, x.value(), y.value(), op)
}

/// `slice.indices`
fn slice_indices(t: &mut Thread, a: &[Value]) -> Res {
    let len = big(t, a[1])?;
    if len.is_negative() {
        return Err(t.value_error("length should not be negative"));
    }
    let (start, stop, step) = big_indices(t, this(a[0]), &len)?;
    let parts = [start, stop, step]
        .into_iter()
        .map(|i| Obj::own(crate::int::from_bigint(t, i)))
        .collect();
    Ok(Tuple::from_vec(t, parts).into())
}

/// Start, stop and step of a slice of a sequence that may have more items than an index can count.
///
/// # Errors
/// As for [`Slice::indices`].
pub fn big_indices(t: &mut Thread, s: &Slice, len: &BigInt) -> Res<(BigInt, BigInt, BigInt)> {
    let step = match s.step.get() {
        v if v.is_none() => BigInt::one(),
        v => big_part(t, v)?,
    };
    if step.is_zero() {
        return Err(t.value_error("slice step cannot be zero"));
    }
    let down = step.is_negative();
    let (low, high) = if down {
        (-BigInt::one(), len - 1)
    } else {
        (BigInt::zero(), len.clone())
    };
    let clip = |i: BigInt| {
        let i = if i.is_negative() { i + len } else { i };
        i.max(low.clone()).min(high.clone())
    };
    let start = match s.start.get() {
        v if v.is_none() => {
            if down {
                high.clone()
            } else {
                low.clone()
            }
        }
        v => clip(big_part(t, v)?),
    };
    let stop = match s.stop.get() {
        v if v.is_none() => {
            if down {
                low.clone()
            } else {
                high.clone()
            }
        }
        v => clip(big_part(t, v)?),
    };
    Ok((start, stop, step))
}

fn big(t: &mut Thread, v: Value) -> Res<BigInt> {
    let i = proto::index(t, v)?;
    Ok(crate::int::to_bigint(i.value()).unwrap_or_default())
}

fn big_part(t: &mut Thread, v: Value) -> Res<BigInt> {
    if !has_index(v) {
        return Err(t.type_error(
            "slice indices must be integers or None or have an __index__ method".into(),
        ));
    }
    big(t, v)
}

#[cfg(test)]
mod tests {
    use super::adjust;

    #[test]
    fn slices_select_what_python_says() {
        assert_eq!(adjust(0, isize::MAX, 1, 5), (0, 1, 5));
        assert_eq!(adjust(isize::MAX, isize::MIN, -1, 5), (4, -1, 5));
        assert_eq!(adjust(-3, isize::MAX, 1, 5), (2, 1, 3));
        assert_eq!(adjust(1, 4, 2, 5), (1, 2, 2));
        assert_eq!(adjust(3, 1, 1, 5), (3, 1, 0));
        assert_eq!(adjust(10, 0, -3, 5), (4, -3, 2));
        assert_eq!(adjust(0, isize::MAX, 1, 0), (0, 1, 0));
        assert_eq!(adjust(isize::MAX, isize::MIN, -1, 0), (-1, -1, 0));
    }
}
