//! The value word: small ints, floats, constants and object pointers in 64 bits.

use crate::header::Header;

/// A 64-bit value word. Copying one copies the bits and counts nothing: who owns the reference is a matter
/// of where the word lies (see [`crate::Obj`] for an owned handle).
///
/// | low bits | meaning |
/// |---|---|
/// | `…1` | small int, 63 bits |
/// | `…10` | float, rotated as CRuby's flonum |
/// | `…100` | constant |
/// | `…0000` | pointer to a heap object, counted (zero: no value) |
/// | `…1000` | the same pointer, not counted: in registers only (I4) |
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Value(pub u64);

const FLOAT_ZERO: u64 = 0x8000_0000_0000_0002;
const UNCOUNTED: u64 = 8;

impl Value {
    /// No value: an unbound register, an empty slot.
    pub const NULL: Value = Value(0);
    pub const NONE: Value = Value(0x04);
    pub const FALSE: Value = Value(0x0c);
    pub const TRUE: Value = Value(0x1c);
    pub const NOT_IMPLEMENTED: Value = Value(0x24);
    pub const ELLIPSIS: Value = Value(0x2c);
    /// Marks the first register of an iteration over a range by ones (never seen by programs).
    pub const RANGE_MARK: Value = Value(0x34);
    /// A generic internal marker (dummy entries and the like; never seen by programs).
    pub const MARK: Value = Value(0x3c);

    /// Smallest and largest small int.
    pub const INT_MIN: i64 = -(1 << 62);
    pub const INT_MAX: i64 = (1 << 62) - 1;

    #[inline(always)]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }
    #[inline(always)]
    pub const fn is_int(self) -> bool {
        self.0 & 1 != 0
    }
    #[inline(always)]
    pub const fn is_float(self) -> bool {
        self.0 & 3 == 2
    }
    #[inline(always)]
    pub const fn is_const(self) -> bool {
        self.0 & 7 == 4
    }
    /// A pointer, counted or not; not NULL.
    #[inline(always)]
    pub const fn is_ptr(self) -> bool {
        self.0 & 7 == 0 && self.0 != 0
    }
    /// A counted pointer: dropping this word must count down.
    #[inline(always)]
    pub const fn is_counted(self) -> bool {
        self.0 & 15 == 0 && self.0 != 0
    }
    #[inline(always)]
    pub const fn is_uncounted(self) -> bool {
        self.0 & 15 == UNCOUNTED
    }
    #[inline(always)]
    pub const fn is_none(self) -> bool {
        self.0 == Value::NONE.0
    }
    #[inline(always)]
    pub const fn is_bool(self) -> bool {
        self.0 & !0x10 == Value::FALSE.0
    }

    /// Both are small ints.
    #[inline(always)]
    pub const fn both_ints(self, other: Value) -> bool {
        self.0 & other.0 & 1 != 0
    }
    /// Both are floats in the word.
    #[inline(always)]
    pub const fn both_floats(self, other: Value) -> bool {
        self.0 & 3 == 2 && other.0 & 3 == 2
    }

    #[inline(always)]
    pub const fn bool(b: bool) -> Value {
        Value(Value::FALSE.0 | (b as u64) << 4)
    }
    /// The int, if it fits in 63 bits.
    #[inline(always)]
    pub const fn try_int(i: i64) -> Option<Value> {
        if i >= Value::INT_MIN && i <= Value::INT_MAX {
            Some(Value::int(i))
        } else {
            None
        }
    }
    /// An int known to fit in 63 bits.
    #[inline(always)]
    pub const fn int(i: i64) -> Value {
        debug_assert!(i >= Value::INT_MIN && i <= Value::INT_MAX);
        Value((i as u64) << 1 | 1)
    }
    /// The small int in this word; only if [`Value::is_int`].
    #[inline(always)]
    pub const fn as_int(self) -> i64 {
        self.0 as i64 >> 1
    }
    #[inline(always)]
    pub const fn to_int(self) -> Option<i64> {
        if self.is_int() {
            Some(self.as_int())
        } else {
            None
        }
    }

    /// The float in this word; only if [`Value::is_float`].
    #[inline(always)]
    pub const fn as_float(self) -> f64 {
        if self.0 & !4 == FLOAT_ZERO {
            return f64::from_bits((self.0 & 4) << 61);
        }
        f64::from_bits(((2 - (self.0 >> 63)) | (self.0 & !3)).rotate_right(3))
    }
    /// The float as a word, if its exponent is one of the usual ones (or it is a zero).
    #[inline(always)]
    pub const fn try_float(f: f64) -> Option<Value> {
        let bits = f.to_bits();
        let top = (bits >> 60) & 7;
        if top == 3 || top == 4 {
            let v = (bits.rotate_left(3) & !3) | 2;
            if v & !4 != FLOAT_ZERO {
                return Some(Value(v));
            }
            return None;
        }
        if bits << 1 == 0 {
            Some(Value(FLOAT_ZERO | (bits >> 61)))
        } else {
            None
        }
    }

    /// A counted pointer word.
    #[inline(always)]
    pub fn from_ptr(p: *const Header) -> Value {
        debug_assert!(p as usize & 15 == 0);
        Value(p as u64)
    }
    /// An uncounted pointer word, for a register.
    #[inline(always)]
    pub fn uncounted(p: *const Header) -> Value {
        Value(p as u64 | UNCOUNTED)
    }
    /// The same reference with the uncounted bit cleared: the identity of the object.
    #[inline(always)]
    pub const fn bare(self) -> Value {
        if self.0 & 7 == 0 {
            Value(self.0 & !UNCOUNTED)
        } else {
            self
        }
    }
    /// The same object (or equal word): `is`.
    #[inline(always)]
    pub const fn same(self, other: Value) -> bool {
        self.0 == other.0 || (self.0 & 7 == 0 && (self.0 ^ other.0) & !UNCOUNTED == 0)
    }
    #[inline(always)]
    pub const fn ptr(self) -> *mut Header {
        (self.0 & !UNCOUNTED) as *mut Header
    }
    /// The header of the object; only if [`Value::is_ptr`].
    ///
    /// # Safety
    /// The word must be a pointer to an object that lives for `'a`: held by a register or counted handle, or
    /// read since this thread's last safepoint (I5).
    #[inline(always)]
    pub unsafe fn header<'a>(self) -> &'a Header {
        // SAFETY: the caller's promise.
        unsafe { &*self.ptr() }
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_int() {
            write!(f, "int {}", self.as_int())
        } else if self.is_float() {
            write!(f, "float {}", self.as_float())
        } else {
            write!(f, "word {:#x}", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ints_round_trip() {
        for i in [0, 1, -1, 42, Value::INT_MIN, Value::INT_MAX] {
            let v = Value::try_int(i).unwrap();
            assert!(v.is_int() && !v.is_float() && !v.is_ptr());
            assert_eq!(v.as_int(), i);
        }
        assert!(Value::try_int(1 << 62).is_none());
    }

    #[test]
    fn floats_round_trip_or_go_to_the_heap() {
        for f in [
            0.0,
            -0.0,
            1.0,
            -1.5,
            0.1,
            1e70,
            1e-70,
            std::f64::consts::PI,
            -123456.789,
        ] {
            let v = Value::try_float(f).unwrap();
            assert!(v.is_float() && !v.is_int() && !v.is_ptr() && !v.is_const());
            assert_eq!(v.as_float().to_bits(), f.to_bits());
        }
        for f in [
            f64::INFINITY,
            f64::NAN,
            1e300,
            1e-300,
            f64::from_bits(0x3000_0000_0000_0000),
        ] {
            assert!(Value::try_float(f).is_none());
        }
    }

    #[test]
    fn constants_are_distinct() {
        let all = [
            Value::NONE,
            Value::FALSE,
            Value::TRUE,
            Value::NOT_IMPLEMENTED,
            Value::ELLIPSIS,
        ];
        for v in all {
            assert!(v.is_const() && !v.is_ptr() && !v.is_int() && !v.is_float());
        }
        assert!(Value::TRUE.is_bool() && Value::FALSE.is_bool() && !Value::NONE.is_bool());
        assert_eq!(Value::bool(true), Value::TRUE);
    }
}
