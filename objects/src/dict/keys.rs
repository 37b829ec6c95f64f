//! What dicts and sets ask of their keys: hashes, and comparisons that need no Python.

use crate::bytes::Bytes;
use crate::int::{int_cmp, is_exact_int};
use crate::prelude::*;

/// Hash of an int in a word: CPython's, modulo the prime 2**61 - 1, and -2 for -1.
#[inline(always)]
pub fn hash_int(i: i64) -> i64 {
    const P: i64 = (1 << 61) - 1;
    let h = if i.unsigned_abs() < P as u64 {
        i
    } else {
        i % P
    };
    if h == -1 { -2 } else { h }
}

/// Hash of a key of a dict.
///
/// # Errors
/// TypeError, which says so, if the key is not hashable; what the key's `__hash__` raises.
#[inline(always)]
pub fn hash_key(t: &mut Thread, key: Value) -> Res<i64> {
    if key.is_int() {
        return Ok(hash_int(key.as_int()));
    }
    if let Some(s) = Str::exact(key) {
        return Ok(s.hash());
    }
    proto::hash(t, key).map_err(|e| unhashable(t, e, key, "a dict key"))
}

/// Hash of an element of a set. Errors as for [`hash_key`].
#[inline(always)]
pub fn hash_element(t: &mut Thread, key: Value) -> Res<i64> {
    if key.is_int() {
        return Ok(hash_int(key.as_int()));
    }
    if let Some(s) = Str::exact(key) {
        return Ok(s.hash());
    }
    proto::hash(t, key).map_err(|e| unhashable(t, e, key, "a set element"))
}

/// The hash of a key whose type needs no Python for it, nor much time.
#[inline(always)]
pub fn quick_hash(key: Value) -> Option<i64> {
    if key.is_int() {
        return Some(hash_int(key.as_int()));
    }
    if !key.is_ptr() {
        return None;
    }
    if let Some(s) = Str::exact(key) {
        return Some(s.hash());
    }
    crate::instance::hashes_identity(type_of(key)).then(|| proto::identity_hash(key))
}

/// `key in container` for a dict or set, if that needs no Python.
#[inline(always)]
pub fn quick_contains(container: Value, key: Value) -> Option<bool> {
    if let Some(d) = Dict::exact(container) {
        return d.quick_contains(key, quick_hash(key)?);
    }
    let ty = type_of(container);
    if ty.is(&crate::set::SET) || ty.is(&crate::set::FROZENSET) {
        return crate::set::Set::this(container).quick_contains(key, quick_hash(key)?);
    }
    None
}

/// Says what the unhashable object was to be used as.
#[cold]
fn unhashable(t: &mut Thread, e: Raised, key: Value, role: &str) -> Raised {
    let is_type_error = type_of(t.exc.get()).is(&errors::TYPE_ERROR);
    let Some(cause) = t.take_exc() else { return e };
    if !is_type_error {
        return t.set_exc(cause);
    }
    let name = type_of(key).full_name(t);
    match proto::str(t, cause.value()) {
        Ok(text) => {
            let text = Str::of(text.value()).map_or_else(String::new, Str::to_string_lossy);
            t.type_error(format!("cannot use '{name}' as {role} ({text})"))
        }
        Err(e) => e,
    }
}

/// Whether two keys with the same hash that are not the same object are equal; None if only Python can tell.
#[inline(never)]
pub fn quick_eq(a: Value, b: Value) -> Option<bool> {
    compare(a, b, 8)
}

#[inline(always)]
fn compare(a: Value, b: Value, depth: u32) -> Option<bool> {
    if a.same(b) {
        return Some(true);
    }
    if a.both_ints(b) {
        return Some(false);
    }
    compare_others(a, b, depth)
}

fn compare_others(a: Value, b: Value, depth: u32) -> Option<bool> {
    match (a.is_ptr(), b.is_ptr()) {
        (true, true) => compare_objects(a, b, depth),
        (false, false) => Some(compare_words(a, b)),
        (true, false) => is_plain(a).then_some(false),
        (false, true) => is_plain(b).then_some(false),
    }
}

fn compare_objects(a: Value, b: Value, depth: u32) -> Option<bool> {
    if let Some(x) = Str::exact(a) {
        return match Str::exact(b) {
            Some(y) => Some(x.as_bytes() == y.as_bytes()),
            None => Tuple::exact(b).map(|_| false),
        };
    }
    if let (Some(x), Some(y)) = (Tuple::plain(a), Tuple::plain(b)) {
        return if depth > 0 {
            compare_tuples(x, y, depth - 1)
        } else {
            None
        };
    }
    if let (Some(x), Some(y)) = (Bytes::exact(a), Bytes::exact(b)) {
        return Some(x.as_slice() == y.as_slice());
    }
    match (is_exact_int(a) && is_exact_int(b), Int::of(a), Int::of(b)) {
        (true, Some(x), Some(y)) => Some(int_cmp(x, y).is_eq()),
        _ => None,
    }
}

/// An object that never equals a number or a constant.
fn is_plain(v: Value) -> bool {
    Str::exact(v).is_some() || Tuple::exact(v).is_some() || Bytes::exact(v).is_some()
}

fn compare_tuples(a: &Tuple, b: &Tuple, depth: u32) -> Option<bool> {
    if a.len() != b.len() {
        return Some(false);
    }
    for (x, y) in a.as_slice().iter().zip(b.as_slice()) {
        if !compare(x.get(), y.get(), depth)? {
            return Some(false);
        }
    }
    Some(true)
}

/// Numbers and constants that lie in the word.
fn compare_words(a: Value, b: Value) -> bool {
    let number = |v: Value| {
        if v.is_bool() {
            Value::int(i64::from(v == Value::TRUE))
        } else {
            v
        }
    };
    let (a, b) = (number(a), number(b));
    if a.is_float() && b.is_float() {
        a.as_float() == b.as_float()
    } else if a.is_float() && b.is_int() {
        int_is_float(b.as_int(), a.as_float())
    } else if a.is_int() && b.is_float() {
        int_is_float(a.as_int(), b.as_float())
    } else {
        a == b
    }
}

fn int_is_float(i: i64, f: f64) -> bool {
    // Exact: small ints have 63 bits, so the conversion to f64 may round, but that back does not.
    f.abs() <= 9.0e18 && f as i64 == i && (f as i64) as f64 == f
}
