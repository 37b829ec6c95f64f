//! Type codes: how items lie in memory, and what they take.

use weft_objects::prelude::*;
use weft_objects::{float, int};

/// The kind of an array's items.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Code {
    I8 = b'b',
    U8 = b'B',
    Wide = b'u',
    Ucs4 = b'w',
    I16 = b'h',
    U16 = b'H',
    I32 = b'i',
    U32 = b'I',
    Long = b'l',
    ULong = b'L',
    I64 = b'q',
    U64 = b'Q',
    F32 = b'f',
    F64 = b'd',
}

impl Code {
    pub const ALL: &'static str = "bBuwhHiIlLqQfd";

    pub fn new(c: u32) -> Option<Code> {
        use Code::*;
        let all = [
            I8, U8, Wide, Ucs4, I16, U16, I32, U32, Long, ULong, I64, U64, F32, F64,
        ];
        all.into_iter().find(|code| *code as u32 == c)
    }

    pub fn char(self) -> char {
        char::from(self as u8)
    }

    /// The format of a view's items.
    pub fn format(self) -> &'static str {
        // What a C `wchar_t` is here.
        let c = if self == Code::Wide { 'w' } else { self.char() };
        Code::ALL.find(c).map_or("", |i| &Code::ALL[i..=i])
    }

    /// Bytes of an item.
    #[inline]
    pub fn size(self) -> usize {
        match self {
            Code::I8 | Code::U8 => 1,
            Code::I16 | Code::U16 => 2,
            Code::I32 | Code::U32 | Code::F32 | Code::Wide | Code::Ucs4 => 4,
            Code::Long | Code::ULong | Code::I64 | Code::U64 | Code::F64 => 8,
        }
    }

    pub fn is_text(self) -> bool {
        matches!(self, Code::Wide | Code::Ucs4)
    }

    pub fn is_float(self) -> bool {
        matches!(self, Code::F32 | Code::F64)
    }

    pub fn is_signed(self) -> bool {
        matches!(
            self,
            Code::I8 | Code::I16 | Code::I32 | Code::Long | Code::I64
        )
    }

    /// The object for an item, as an owned register word. What is behind the item's size is not looked at.
    #[inline(always)]
    pub fn unpack(self, t: &mut Thread, b: [u8; 8]) -> Res {
        let [b0, b1, b2, b3, ..] = b;
        let four = [b0, b1, b2, b3];
        Ok(match self {
            Code::F64 => float::from_f64(t, f64::from_ne_bytes(b)),
            Code::I32 => Value::int(i64::from(i32::from_ne_bytes(four))),
            Code::U8 => Value::int(i64::from(b0)),
            Code::Long | Code::I64 => int::from_i64(t, i64::from_ne_bytes(b)),
            Code::I8 => Value::int(i64::from(b0 as i8)),
            Code::I16 => Value::int(i64::from(i16::from_ne_bytes([b0, b1]))),
            Code::U16 => Value::int(i64::from(u16::from_ne_bytes([b0, b1]))),
            Code::U32 => Value::int(i64::from(u32::from_ne_bytes(four))),
            Code::ULong | Code::U64 => int::from_u64(t, u64::from_ne_bytes(b)),
            Code::F32 => float::from_f64(t, f64::from(f32::from_ne_bytes(four))),
            Code::Wide | Code::Ucs4 => return text(t, u32::from_ne_bytes(four)),
        })
    }

    /// The bytes of the item for `v`; those behind its size are of no meaning.
    pub fn pack(self, t: &mut Thread, v: Value) -> Res<[u8; 8]> {
        let n = match self {
            Code::F32 => {
                let mut out = [0; 8];
                out[..4].copy_from_slice(&(proto::as_f64(t, v)? as f32).to_ne_bytes());
                return Ok(out);
            }
            Code::F64 => return Ok(proto::as_f64(t, v)?.to_ne_bytes()),
            Code::Wide | Code::Ucs4 => i64::from(code_point(t, v, "array item")?),
            Code::I8 | Code::I16 => {
                let n = ranged(
                    t,
                    v,
                    i64::from(i16::MIN),
                    i64::from(i16::MAX),
                    "signed short integer",
                )?;
                if self == Code::I8 {
                    within(t, n, -128, 127, "signed char")?
                } else {
                    n
                }
            }
            Code::U8 => ranged(t, v, 0, 255, "unsigned byte integer")?,
            Code::U16 => {
                let n = ranged(
                    t,
                    v,
                    i64::from(i32::MIN),
                    i64::from(i32::MAX),
                    "signed integer",
                )?;
                within(t, n, 0, 65535, "unsigned short")?
            }
            Code::I32 => ranged(
                t,
                v,
                i64::from(i32::MIN),
                i64::from(i32::MAX),
                "signed integer",
            )?,
            Code::U32 => {
                let n = unsigned(t, v, "Python int too large to convert to C unsigned long")?;
                if n > u64::from(u32::MAX) {
                    return Err(t.overflow_error("unsigned int is greater than maximum"));
                }
                n as i64
            }
            Code::ULong => {
                unsigned(t, v, "Python int too large to convert to C unsigned long")? as i64
            }
            Code::U64 => unsigned(t, v, "int too big to convert")? as i64,
            Code::Long => long(t, v, "Python int too large to convert to C long")?,
            Code::I64 => long(t, v, "int too big to convert")?,
        };
        // The low bytes come first.
        Ok(n.to_le_bytes())
    }
}

const _: () = assert!(
    cfg!(target_endian = "little"),
    "items are packed from the low byte on"
);

fn long(t: &mut Thread, v: Value, msg: &str) -> Res<i64> {
    if let Some(i) = v.to_int() {
        return Ok(i);
    }
    let i = proto::index(t, v)?;
    int::as_i64(i.value()).ok_or_else(|| t.overflow_error(msg))
}

fn unsigned(t: &mut Thread, v: Value, too_big: &str) -> Res<u64> {
    use num_traits::ToPrimitive;
    let i = proto::index(t, v)?;
    let n = int::to_bigint(i.value()).unwrap_or_default();
    if n.sign() == num_bigint::Sign::Minus {
        let msg = if too_big.starts_with("int") {
            "can't convert negative int to unsigned"
        } else {
            "can't convert negative value to unsigned int"
        };
        return Err(t.overflow_error(msg));
    }
    n.to_u64().ok_or_else(|| t.overflow_error(too_big))
}

fn ranged(t: &mut Thread, v: Value, min: i64, max: i64, what: &str) -> Res<i64> {
    let n = long(t, v, "Python int too large to convert to C long")?;
    within(t, n, min, max, what)
}

fn within(t: &mut Thread, n: i64, min: i64, max: i64, what: &str) -> Res<i64> {
    if n < min {
        return Err(t.overflow_error(format!("{what} is less than minimum")));
    }
    if n > max {
        return Err(t.overflow_error(format!("{what} is greater than maximum")));
    }
    Ok(n)
}

/// The code point of a str of one character; messages call it `what`.
pub fn code_point(t: &mut Thread, v: Value, what: &str) -> Res<u32> {
    match Str::of(v) {
        Some(s) if s.len() == 1 => Ok(s.char_at(0)),
        Some(s) => {
            let n = s.len();
            Err(t.type_error(format!(
                "{what} must be a unicode character, not a string of length {n}"
            )))
        }
        None => {
            let got = type_of(v).name();
            Err(t.type_error(format!("{what} must be a unicode character, not {got}")))
        }
    }
}

#[cold]
fn text(t: &mut Thread, c: u32) -> Res {
    if c > 0x10_ffff {
        return Err(t.value_error(format!(
            "character U+{c:x} is not in range [U+0000; U+10ffff]"
        )));
    }
    Ok(Str::char(t, c).into_value())
}
