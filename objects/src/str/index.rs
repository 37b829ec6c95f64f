//! Indexes, bounds and repeat counts of strings and bytes.

use crate::prelude::*;
use crate::slice::Slice;
use crate::types::Type;

/// What `seq[key]` asks for.
pub enum Key {
    At(usize),
    /// start, step, number of items
    Span(isize, isize, usize),
}

impl Key {
    /// The items' indexes of a span.
    pub fn indexes(start: isize, step: isize, n: usize) -> impl Iterator<Item = usize> {
        (0..n as isize).map(move |i| (start + i * step) as usize)
    }
}

/// Whether `v` is an int or has `__index__`.
pub fn has_index(v: Value) -> bool {
    v.is_int() || type_of(v).slots.index.is_set()
}

/// Reads the key of `seq[key]` for a sequence of `len` items, which is called `what` in messages: IndexError out of range,
/// TypeError for what is no index at all.
pub fn key(t: &mut Thread, key: Value, len: usize, what: &str) -> Res<Key> {
    if let Some(s) = Slice::of(key) {
        let (start, step, n) = s.indices(t, len)?;
        return Ok(Key::Span(start, step, n));
    }
    let i = match key.to_int() {
        Some(i) => i,
        None if has_index(key) => index_size(t, key)? as i64,
        None => return Err(no_index(t, key, what)),
    };
    let at = if i < 0 { i + len as i64 } else { i };
    if at < 0 || at >= len as i64 {
        return Err(match what {
            "bytes" => t.index_error("index out of range"),
            _ => t.index_error(format!("{what} index out of range")),
        });
    }
    Ok(Key::At(at as usize))
}

#[cold]
fn no_index(t: &mut Thread, key: Value, what: &str) -> Raised {
    let got = type_of(key).name();
    t.type_error(match what {
        "string" => format!("string indices must be integers, not '{got}'"),
        "bytes" => format!("byte indices must be integers or slices, not {got}"),
        _ => format!("{what} indices must be integers or slices, not {got}"),
    })
}

/// An index that must fit: IndexError if it does not.
pub fn index_size(t: &mut Thread, v: Value) -> Res<isize> {
    let i = proto::index(t, v)?;
    match crate::int::as_i64(i.value()) {
        Some(i) => Ok(i as isize),
        None => {
            let got = type_of(v).name();
            Err(t.index_error(format!("cannot fit '{got}' into an index-sized integer")))
        }
    }
}

/// A size argument (`Py_ssize_t`): OverflowError if it does not fit, TypeError if it is no int.
pub fn size(t: &mut Thread, v: Value) -> Res<isize> {
    if let Some(i) = v.to_int() {
        return Ok(i as isize);
    }
    let i = proto::index(t, v)?;
    match crate::int::as_i64(i.value()) {
        Some(i) => Ok(i as isize),
        None => Err(t.overflow_error("Python int too large to convert to C ssize_t")),
    }
}

/// A size argument with a default for when it is absent.
pub fn size_or(t: &mut Thread, v: Value, default: isize) -> Res<isize> {
    if v.is_null() { Ok(default) } else { size(t, v) }
}

/// An int argument of C's `int` range.
pub fn c_int(t: &mut Thread, v: Value, default: i32) -> Res<i32> {
    if v.is_null() {
        return Ok(default);
    }
    let i = proto::index(t, v)?;
    let big = match crate::int::as_i64(i.value()) {
        Some(i) => match i32::try_from(i) {
            Ok(i) => return Ok(i),
            Err(_) => i > 0,
        },
        None => false,
    };
    Err(
        t.overflow_error(if big || crate::int::as_i64(i.value()).is_none() {
            "Python int too large to convert to C int"
        } else {
            "Python int too small to convert to C int"
        }),
    )
}

/// The optional bounds `start` and `end` of a search in `len` items, as slices take them: `start` may be beyond `end`, or
/// beyond `len`.
pub fn bounds(t: &mut Thread, start: Value, end: Value, len: usize) -> Res<(usize, usize)> {
    let start = bound(t, start, 0)?;
    let end = bound(t, end, isize::MAX)?;
    let adjust = |i: isize| {
        if i < 0 {
            (i + len as isize).max(0) as usize
        } else {
            i as usize
        }
    };
    Ok((adjust(start), adjust(end).min(len)))
}

fn bound(t: &mut Thread, v: Value, default: isize) -> Res<isize> {
    if v.is_null() || v.is_none() {
        return Ok(default);
    }
    if let Some(i) = v.to_int() {
        return Ok(i as isize);
    }
    if !has_index(v) {
        return Err(t.type_error(
            "slice indices must be integers or None or have an __index__ method".into(),
        ));
    }
    proto::index_clamped(t, v)
}

/// The factor of `seq * n`; negative ones count as zero.
pub fn repeat_count(t: &mut Thread, n: Value) -> Res<usize> {
    if !has_index(n) {
        let got = type_of(n).name();
        return Err(t.type_error(format!(
            "can't multiply sequence by non-int of type '{got}'"
        )));
    }
    let i = proto::index(t, n)?;
    match crate::int::as_i64(i.value()) {
        Some(i) => Ok(i.max(0) as usize),
        None => {
            let got = type_of(n).name();
            Err(t.overflow_error(format!("cannot fit '{got}' into an index-sized integer")))
        }
    }
}

/// `bytes` repeated.
pub fn repeated(t: &mut Thread, bytes: &[u8], n: usize, what: &str) -> Res<Vec<u8>> {
    let Some(total) = bytes
        .len()
        .checked_mul(n)
        .filter(|&n| n <= isize::MAX as usize)
    else {
        return Err(if what.is_empty() {
            t.memory_error()
        } else {
            t.overflow_error(what)
        });
    };
    let mut out = Vec::new();
    if out.try_reserve_exact(total).is_err() {
        return Err(t.memory_error());
    }
    match *bytes {
        [b] => out.resize(n, b),
        _ => {
            while out.len() < total {
                // Doubling: as few copies as there are bits in `n`.
                if out.is_empty() {
                    out.extend_from_slice(bytes);
                } else {
                    let more = out.len().min(total - out.len());
                    out.extend_from_within(..more);
                }
            }
        }
    }
    Ok(out)
}

/// Whether `v`'s type is exactly `ty`.
pub fn is_exactly(v: Value, ty: &'static Type) -> bool {
    std::ptr::eq(type_of(v), ty)
}
