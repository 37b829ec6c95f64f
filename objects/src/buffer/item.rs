//! Single items of buffers: the type codes of `struct`, `array` and memoryview.

use crate::prelude::*;
use num_traits::ToPrimitive;

/// Bytes of a C type of this machine, and whether it is an integer one.
pub const fn native_size(code: u8) -> Option<usize> {
    Some(match code {
        b'c' | b'b' | b'B' | b'?' | b'x' | b's' | b'p' => 1,
        b'h' | b'H' | b'e' => 2,
        b'i' | b'I' | b'f' => 4,
        b'l' | b'L' | b'q' | b'Q' | b'n' | b'N' | b'P' | b'd' | b'F' => 8,
        b'D' => 16,
        _ => return None,
    })
}

/// Bytes of the same code in the standard sizes of `<`, `>`, `=` and `!`.
pub const fn standard_size(code: u8) -> Option<usize> {
    Some(match code {
        b'n' | b'N' | b'P' => return None,
        b'l' | b'L' => 4,
        _ => return native_size(code),
    })
}

/// Whether the code stands for a signed, or an unsigned, integer.
pub const fn signedness(code: u8) -> Option<bool> {
    match code {
        b'b' | b'h' | b'i' | b'l' | b'q' | b'n' => Some(true),
        b'B' | b'H' | b'I' | b'L' | b'Q' | b'N' | b'P' => Some(false),
        _ => None,
    }
}

/// A format of one item: code, size, and whether the bytes run from the most significant one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    pub code: u8,
    pub size: usize,
    pub big: bool,
}

impl Item {
    /// Reads a format of a single item, with a byte order mark or without. `s` and `p` are none.
    pub fn parse(format: &str) -> Option<Item> {
        let (order, code) = match *format.as_bytes() {
            [code] => (b'@', code),
            [order, code] => (order, code),
            _ => return None,
        };
        let size = match order {
            b'@' => native_size(code),
            b'<' | b'>' | b'=' | b'!' => standard_size(code),
            _ => None,
        }?;
        if matches!(code, b'x' | b's' | b'p') {
            return None;
        }
        Some(Item {
            code,
            size,
            big: matches!(order, b'>' | b'!'),
        })
    }

    /// As [`Item::parse`] for what memoryview supports: C types of this machine.
    pub fn parse_native(format: &str) -> Option<Item> {
        let item = Item::parse(format)?;
        let native = format.len() == 1 || format.starts_with('@');
        (native && !matches!(item.code, b'F' | b'D')).then_some(item)
    }

    /// The object for the `size` bytes at the start of `s`.
    pub fn unpack(&self, t: &Thread, s: &[u8]) -> Obj {
        let s = &s[..self.size];
        match self.code {
            b'c' => crate::bytes::Bytes::new(t, s),
            b'?' => Obj::from_raw(Value::bool(s.iter().any(|&b| b != 0))),
            b'e' | b'f' | b'd' => Obj::own(crate::float::from_f64(t, read_float(s, self.big))),
            b'F' | b'D' => {
                let (re, im) = s.split_at(self.size / 2);
                Obj::own(crate::complex::from_parts(
                    t,
                    read_float(re, self.big),
                    read_float(im, self.big),
                ))
            }
            code => {
                let bits = read_uint(s, self.big);
                match signedness(code) {
                    Some(true) => {
                        let shift = 64 - 8 * self.size as u32;
                        Obj::own(crate::int::from_i64(t, (bits << shift) as i64 >> shift))
                    }
                    _ => Obj::own(crate::int::from_u64(t, bits)),
                }
            }
        }
    }

    /// Writes `v` into the `size` bytes at the start of `out`. Errors of conversion are raised, a value that does not
    /// fit is the caller's to report.
    pub fn pack(&self, t: &mut Thread, v: Value, out: &mut [u8]) -> Res<Result<(), Bad>> {
        let out = &mut out[..self.size];
        match self.code {
            b'c' => match crate::bytes::Bytes::of(v) {
                Some(b) if b.len() == 1 => out[0] = b.as_slice()[0],
                Some(_) => return Ok(Err(Bad::Range)),
                None => return Ok(Err(Bad::Type)),
            },
            b'?' => out[0] = u8::from(proto::truth(t, v)?),
            b'e' | b'f' | b'd' => {
                if !v.is_float() && !is_real(v) {
                    return Ok(Err(Bad::Type));
                }
                let x = proto::as_f64(t, v)?;
                if !write_float(x, out, self.big) {
                    return Ok(Err(Bad::Overflow));
                }
            }
            b'F' | b'D' => {
                let (re, im) = match crate::complex::to_complex(t, v) {
                    Ok(z) => z,
                    Err(_) if t.exc_matches(&errors::TYPE_ERROR) => {
                        t.clear_exc();
                        return Ok(Err(Bad::Type));
                    }
                    Err(e) => return Err(e),
                };
                let half = self.size / 2;
                if !write_float(re, &mut out[..half], self.big)
                    || !write_float(im, &mut out[half..], self.big)
                {
                    return Ok(Err(Bad::Overflow));
                }
            }
            code => {
                if !crate::str::index::has_index(v) {
                    return Ok(Err(Bad::Type));
                }
                let n = proto::index(t, v)?;
                match fit(n.value(), self.size, signedness(code) == Some(true)) {
                    Some(bits) => write_uint(bits, out, self.big),
                    None => return Ok(Err(Bad::Range)),
                }
            }
        }
        Ok(Ok(()))
    }
}

/// Why a value cannot be packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    Type,
    /// Out of range (or, of bytes, not one).
    Range,
    /// A float too large for the format.
    Overflow,
}

/// Whether `float()` would take it as a number.
pub fn is_real(v: Value) -> bool {
    v.is_int() || type_of(v).slots.float.is_set() || type_of(v).slots.index.is_set()
}

/// The bits of an int that fits in `size` bytes.
pub fn fit(v: Value, size: usize, signed: bool) -> Option<u64> {
    let n: i128 = match crate::int::as_i64(v) {
        Some(i) => i128::from(i),
        None => crate::int::to_bigint(v)?.to_i128()?,
    };
    let bits = 8 * size as u32;
    let (low, high) = if signed {
        (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
    } else {
        (0, (1i128 << bits) - 1)
    };
    (low..=high).contains(&n).then_some(n as u64)
}

/// An unsigned integer of at most 8 bytes.
pub fn read_uint(s: &[u8], big: bool) -> u64 {
    let add = |n: u64, b: &u8| n << 8 | u64::from(*b);
    if big {
        s.iter().fold(0, add)
    } else {
        s.iter().rev().fold(0, add)
    }
}

/// Writes the low bytes of `n`.
pub fn write_uint(n: u64, out: &mut [u8], big: bool) {
    let size = out.len();
    for (i, b) in out.iter_mut().enumerate() {
        let place = if big { size - 1 - i } else { i };
        *b = (n >> (8 * place)) as u8;
    }
}

/// A float of 2, 4 or 8 bytes.
pub fn read_float(s: &[u8], big: bool) -> f64 {
    let bits = read_uint(s, big);
    match s.len() {
        2 => half_to_f64(bits as u16),
        4 => f64::from(f32::from_bits(bits as u32)),
        _ => f64::from_bits(bits),
    }
}

/// Writes a float of 2, 4 or 8 bytes; false if it is too large.
pub fn write_float(x: f64, out: &mut [u8], big: bool) -> bool {
    let bits = match out.len() {
        2 => match f64_to_half(x) {
            Some(h) => u64::from(h),
            None => return false,
        },
        4 => {
            let f = x as f32;
            if f.is_infinite() && !x.is_infinite() {
                return false;
            }
            u64::from(f.to_bits())
        }
        _ => x.to_bits(),
    };
    write_uint(bits, out, big);
    true
}

fn half_to_f64(h: u16) -> f64 {
    let sign = if h & 0x8000 != 0 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(h >> 10 & 0x1F), u64::from(h & 0x3FF));
    match exponent {
        0 => sign * fraction as f64 * 2f64.powi(-24),
        0x1F if fraction == 0 => sign * f64::INFINITY,
        0x1F => f64::from_bits(u64::from(h & 0x8000) << 48 | 0x7FF << 52 | fraction << 42),
        e => sign * (1024 + fraction) as f64 * 2f64.powi(e - 25),
    }
}

/// Rounds to even; `None` if it is too large.
fn f64_to_half(x: f64) -> Option<u16> {
    let sign = (x.to_bits() >> 48 & 0x8000) as u16;
    if x.is_nan() {
        let fraction = (x.to_bits() >> 42 & 0x3FF) as u16;
        return Some(sign | 0x7C00 | if fraction == 0 { 0x200 } else { fraction });
    }
    if x.is_infinite() {
        return Some(sign | 0x7C00);
    }
    let x = x.abs();
    if x == 0.0 {
        return Some(sign);
    }
    let exponent = ((x.to_bits() >> 52) as i32 - 1023).max(-14);
    // Ten bits of fraction: scaled so that the unit is the last of them.
    let scaled = x * 2f64.powi(10 - exponent);
    let n = scaled.round_ties_even() as u32;
    // A normal number's leading one adds one to the exponent field; so does a carry.
    let bits = ((exponent + 14) as u32) * 1024 + n;
    (bits < 0x7C00).then_some(sign | bits as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_floats() {
        for (x, bits) in [
            (0.0, 0),
            (-0.0, 0x8000),
            (1.0, 0x3C00),
            (-2.0, 0xC000),
            (65504.0, 0x7BFF),
            (2f64.powi(-24), 1),
            (2f64.powi(-14), 0x400),
            (f64::INFINITY, 0x7C00),
        ] {
            assert_eq!(f64_to_half(x), Some(bits));
            assert_eq!(half_to_f64(bits).to_bits(), x.to_bits());
        }
        assert_eq!(f64_to_half(65519.999), Some(0x7BFF));
        assert_eq!(f64_to_half(65520.0), None);
        assert_eq!(f64_to_half(1.0 + 2f64.powi(-11)), Some(0x3C00));
        assert_eq!(f64_to_half(1.0 + 3.0 * 2f64.powi(-11)), Some(0x3C02));
        assert_eq!(f64_to_half(2f64.powi(-25)), Some(0));
        assert_eq!(f64_to_half(2f64.powi(-25) * 1.001), Some(1));
        for h in 0..0x7C00u16 {
            assert_eq!(f64_to_half(half_to_f64(h)), Some(h));
        }
    }

    #[test]
    fn integers() {
        let mut b = [0; 4];
        write_uint(0x0102_0304, &mut b, true);
        assert_eq!(b, [1, 2, 3, 4]);
        assert_eq!(read_uint(&b, false), 0x0403_0201);
        assert_eq!(fit(Value::int(-128), 1, true), Some(-128i64 as u64));
        assert_eq!(fit(Value::int(128), 1, true), None);
        assert_eq!(fit(Value::int(255), 1, false), Some(255));
        assert_eq!(fit(Value::int(-1), 8, false), None);
    }

    #[test]
    fn formats() {
        assert_eq!(
            Item::parse("<l"),
            Some(Item {
                code: b'l',
                size: 4,
                big: false
            })
        );
        assert_eq!(Item::parse_native("@l").map(|i| i.size), Some(8));
        assert_eq!(Item::parse_native("<i"), None);
        assert_eq!(Item::parse("2i"), None);
    }
}
