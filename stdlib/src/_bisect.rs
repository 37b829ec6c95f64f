//! `_bisect`: places in sorted sequences.

use weft_objects::int::from_usize;
use weft_objects::prelude::*;

/// On which side of equal items.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Left,
    Right,
}

/// The place of `x` among the items `lo..hi` of `a`; `key` is applied to the items, not to `x`.
fn place(
    t: &mut Thread,
    side: Side,
    a: Value,
    x: Value,
    (lo, hi): (Value, Value),
    key: Value,
) -> Res<usize> {
    let lo = if lo.is_null() {
        0
    } else {
        proto::index_i64(t, lo)?
    };
    let Ok(mut lo) = usize::try_from(lo) else {
        return Err(t.value_error("lo must be non-negative"));
    };
    let hi = if hi.is_null() || hi.is_none() {
        -1
    } else {
        proto::index_i64(t, hi)?
    };
    let mut hi = match hi {
        -1 => proto::len(t, a)?,
        hi => usize::try_from(hi).unwrap_or(0),
    };
    while lo < hi {
        let middle = lo + (hi - lo) / 2;
        let item = item(t, a, middle)?;
        let item = if key.is_null() || key.is_none() {
            item
        } else {
            proto::call(t, key, &[item.value()])?
        };
        let after = match side {
            Side::Left => proto::compare_bool(t, item.value(), x, CmpOp::Lt)?,
            Side::Right => !proto::compare_bool(t, x, item.value(), CmpOp::Lt)?,
        };
        if after {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    Ok(lo)
}

fn item(t: &mut Thread, a: Value, i: usize) -> Res<Obj> {
    if let Some(list) = List::exact(a)
        && let Some(item) = list.get(t, i).map(|item| item.to_obj(t))
    {
        return Ok(item);
    }
    let i = Obj::own(from_usize(t, i));
    proto::get_item(t, a, i.value())
}

fn bisect(t: &mut Thread, side: Side, a: &[Value]) -> Res {
    let at = place(t, side, a[0], a[1], (a[2], a[3]), a[4])?;
    Ok(from_usize(t, at))
}

fn insort(t: &mut Thread, side: Side, a: &[Value]) -> Res {
    let key = a[4];
    let at = if key.is_null() || key.is_none() {
        place(t, side, a[0], a[1], (a[2], a[3]), key)?
    } else {
        let x = proto::call(t, key, &[a[1]])?;
        place(t, side, a[0], x.value(), (a[2], a[3]), key)?
    };
    match List::exact(a[0]) {
        Some(list) => list.insert(t, at as i64, Obj::new(t, a[1]).into_value()),
        None => {
            let at = Obj::own(from_usize(t, at));
            proto::call_method(t, a[0], "insert", &[at.value(), a[1]])?;
        }
    }
    Ok(Value::NONE)
}

const SIG: &str = "(a, x, lo=0, hi=None, *, key=None)";

const FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("bisect_left", SIG, |t, a| bisect(t, Side::Left, a)).doc(
        "Return the index where to insert item x in list a, assuming a is sorted.\n\nAll items before that index are less \
         than x, none from there on is.",
    ),
    NativeDef::new("bisect_right", SIG, |t, a| bisect(t, Side::Right, a)).doc(
        "Return the index where to insert item x in list a, assuming a is sorted.\n\nNo item before that index is greater \
         than x, all from there on are.",
    ),
    NativeDef::new("insort_left", SIG, |t, a| insort(t, Side::Left, a)).doc(
        "Insert item x in list a, and keep it sorted assuming a is sorted.\n\nIf x is already in a, insert it to the left \
         of the leftmost x.",
    ),
    NativeDef::new("insort_right", SIG, |t, a| insort(t, Side::Right, a)).doc(
        "Insert item x in list a, and keep it sorted assuming a is sorted.\n\nIf x is already in a, insert it to the right \
         of the rightmost x.",
    ),
];

/// The module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    Ok(crate::support::module(
        t,
        "_bisect",
        "Bisection algorithms.",
        FUNCTIONS,
    ))
}
