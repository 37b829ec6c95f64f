//! Pickling arrays: as bytes with a code for how this machine lays them out.

use super::item::Code;
use super::{ARRAY, Array};
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::text::codec;
use weft_objects::{float, int};

/// Layout of items in a pickle: as the `machine format codes` of CPython, which are part of the format.
#[derive(Clone, Copy, PartialEq)]
enum Format {
    Int { size: usize, signed: bool },
    Float { size: usize },
    Text { size: usize },
}

/// The layout and whether the most significant byte comes first.
fn format_of(code: i64) -> Option<(Format, bool)> {
    let big = code % 2 == 1;
    Some(match code {
        0 => (
            Format::Int {
                size: 1,
                signed: false,
            },
            false,
        ),
        1 => (
            Format::Int {
                size: 1,
                signed: true,
            },
            false,
        ),
        2..=13 => {
            let i = (code - 2) / 2;
            (
                Format::Int {
                    size: 2 << (i / 2),
                    signed: i % 2 == 1,
                },
                big,
            )
        }
        14 | 15 => (Format::Float { size: 4 }, big),
        16 | 17 => (Format::Float { size: 8 }, big),
        18 | 19 => (Format::Text { size: 2 }, big),
        20 | 21 => (Format::Text { size: 4 }, big),
        _ => return None,
    })
}

fn code_of(code: Code) -> i64 {
    match code {
        Code::U8 => 0,
        Code::I8 => 1,
        Code::F32 => 14,
        Code::F64 => 16,
        Code::Wide | Code::Ucs4 => 20,
        // By size, the unsigned one first.
        int => 2 + (int.size().ilog2() as i64 - 1) * 4 + if int.is_signed() { 2 } else { 0 },
    }
}

/// `array.__reduce_ex__(protocol)`
pub fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    let this = Array::this(a[0]);
    if !int::is_int(a[1]) {
        return Err(t.type_error("__reduce_ex__ argument should be an integer".into()));
    }
    let protocol = int::as_i64(a[1]).unwrap_or(i64::MAX);
    let state = proto::get_attr_opt(t, a[0], weft_objects::id!(t, "__dict__"))?;
    let state = state.unwrap_or_else(crate::support::none);
    let cls = Obj::new(t, type_of(a[0]).value());
    let code = Str::char(t, u32::from(this.code.char()));
    let (f, args) = if protocol < 3 {
        let items = this.to_objects(t)?;
        (cls, vec![code, List::from_vec(t, items)])
    } else {
        let module = weft_objects::runtime::import(t, "array")?;
        let f = proto::get_attr(
            t,
            module.value(),
            weft_objects::id!(t, "_array_reconstructor"),
        )?;
        let data = this.to_vec(t);
        let format = Obj::from_raw(Value::int(code_of(this.code)));
        (f, vec![cls, code, format, Bytes::from_vec(t, data)])
    };
    let args = Tuple::from_vec(t, args);
    Ok(Tuple::from_vec(t, vec![f, args, state]).into())
}

/// `_array_reconstructor(arraytype, typecode, mformat_code, items)`
pub fn reconstruct(t: &mut Thread, a: &[Value]) -> Res {
    let Some(cls) = Type::of(a[0]) else {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!("first argument must be a type object, not {got}")));
    };
    if !cls.is_subtype(&ARRAY) {
        let name = cls.name();
        return Err(t.type_error(format!("{name} is not a subtype of array.array")));
    }
    let code = super::item::code_point(t, a[1], "_array_reconstructor() argument 2")?;
    let Some(mut code) = Code::new(code) else {
        return Err(t.value_error("second argument must be a valid type code"));
    };
    let format = i64::from(crate::support::c_int(t, a[2])?);
    let Some((layout, big)) = format_of(format) else {
        return Err(t.value_error("third argument must be a valid machine format code."));
    };
    let Some(bytes) = Bytes::of(a[3]) else {
        let got = type_of(a[3]).name();
        return Err(t.type_error(format!("fourth argument should be bytes, not {got}")));
    };
    let bytes = bytes.as_slice();
    if format == code_of(code) {
        return made(t, a[0], code, Obj::new(t, a[3]));
    }
    let size = match layout {
        Format::Int { size, .. } | Format::Float { size } | Format::Text { size } => size,
    };
    if bytes.len() % size != 0 {
        return Err(t.value_error("bytes length not a multiple of item size"));
    }
    let items = match layout {
        Format::Text { size } => text(t, bytes, size, big)?,
        Format::Int { size, signed } => {
            // The first code that is the same on this machine.
            let same = "bBhHiIlLqQ".chars().filter_map(|c| Code::new(u32::from(c)));
            if let Some(c) = { same }.find(|c| c.size() == size && c.is_signed() == signed) {
                code = c;
            }
            let items = bytes.chunks_exact(size).map(|b| {
                let bits = weft_objects::buffer::item::read_uint(b, big);
                let shift = 64 - 8 * size as u32;
                Obj::own(match signed {
                    true => int::from_i64(t, (bits << shift) as i64 >> shift),
                    false => int::from_u64(t, bits),
                })
            });
            List::from_vec(t, items.collect())
        }
        Format::Float { size } => {
            let items = bytes.chunks_exact(size).map(|b| {
                let x = weft_objects::buffer::item::read_float(b, big);
                Obj::own(float::from_f64(t, x))
            });
            List::from_vec(t, items.collect())
        }
    };
    made(t, a[0], code, items)
}

fn text(t: &mut Thread, bytes: &[u8], size: usize, big: bool) -> Res<Obj> {
    let name = match (size, big) {
        (2, false) => "utf-16-le",
        (2, true) => "utf-16-be",
        (_, false) => "utf-32-le",
        (_, true) => "utf-32-be",
    };
    let Some(encoding) = codec::Encoding::parse(name) else {
        return Err(t.raise(&errors::LOOKUP_ERROR, format!("unknown encoding: {name}")));
    };
    let decoded = codec::decode(encoding, bytes, codec::Errors::SurrogatePass, true);
    if decoded.fault.is_some() {
        return Err(t.value_error(format!("the items are no {name}")));
    }
    Ok(Str::from_vec(t, decoded.text))
}

fn made(t: &mut Thread, cls: Value, code: Code, items: Obj) -> Res {
    let code = Str::char(t, u32::from(code.char()));
    proto::call(t, cls, &[code.value(), items.value()]).map(Obj::into_value)
}
