//! UTF-16 and UTF-32.

use super::Text;
use super::codec::{Encoding, Endian, Fault, NATIVE, Position};
use super::wtf8;

/// Settles the byte order of the `Native` encodings by the mark, if there is one: the encoding
/// with its order and how many bytes the mark takes. Stays `Native` only while too little of the
/// input is there and more may come.
pub fn settle(encoding: Encoding, input: &[u8], last: bool) -> (Encoding, usize) {
    let with = |endian| match encoding {
        Encoding::Utf16(_) => Encoding::Utf16(endian),
        _ => Encoding::Utf32(endian),
    };
    match (encoding, input) {
        (Encoding::Utf16(Endian::Native), [0xFF, 0xFE, ..]) => (with(Endian::Little), 2),
        (Encoding::Utf16(Endian::Native), [0xFE, 0xFF, ..]) => (with(Endian::Big), 2),
        (Encoding::Utf32(Endian::Native), [0xFF, 0xFE, 0, 0, ..]) => (with(Endian::Little), 4),
        (Encoding::Utf32(Endian::Native), [0, 0, 0xFE, 0xFF, ..]) => (with(Endian::Big), 4),
        (Encoding::Utf16(Endian::Native), _) if last || input.len() >= 2 => (with(NATIVE), 0),
        (Encoding::Utf32(Endian::Native), _) if last || input.len() >= 4 => (with(NATIVE), 0),
        _ => (encoding, 0),
    }
}

const fn is_big(endian: Endian) -> bool {
    match endian {
        Endian::Big => true,
        Endian::Little => false,
        Endian::Native => cfg!(target_endian = "big"),
    }
}

/// The 16-bit unit at the start of `bytes`.
pub fn unit16(endian: Endian, bytes: &[u8]) -> Option<u16> {
    let unit = *bytes.first_chunk::<2>()?;
    Some(if is_big(endian) {
        u16::from_be_bytes(unit)
    } else {
        u16::from_le_bytes(unit)
    })
}

/// The 32-bit unit at the start of `bytes`.
pub fn unit32(endian: Endian, bytes: &[u8]) -> Option<u32> {
    let unit = *bytes.first_chunk::<4>()?;
    Some(if is_big(endian) {
        u32::from_be_bytes(unit)
    } else {
        u32::from_le_bytes(unit)
    })
}

/// As `codec::decode_step`.
///
/// # Errors
/// The fault.
pub fn decode_utf16(
    endian: Endian,
    input: &[u8],
    at: &mut usize,
    out: &mut Vec<u8>,
    last: bool,
) -> Result<(), Fault> {
    let fault = |start, end, reason| {
        Err(Fault {
            encoding: Encoding::Utf16(endian),
            start,
            end,
            reason,
        })
    };
    while let Some(unit) = unit16(endian, &input[*at..]) {
        if !wtf8::is_surrogate(unit.into()) {
            wtf8::push(out, unit.into());
            *at += 2;
            continue;
        }
        if unit >= 0xDC00 {
            return fault(*at, *at + 2, "illegal encoding");
        }
        match unit16(endian, &input[*at + 2..]) {
            Some(low @ 0xDC00..0xE000) => {
                let cp = 0x1_0000 + ((u32::from(unit) & 0x3FF) << 10 | u32::from(low) & 0x3FF);
                wtf8::push(out, cp);
                *at += 4;
            }
            Some(_) => return fault(*at, *at + 2, "illegal UTF-16 surrogate"),
            None if last => return fault(*at, input.len(), "unexpected end of data"),
            None => return Ok(()),
        }
    }
    if last && *at < input.len() {
        return fault(*at, input.len(), "truncated data");
    }
    Ok(())
}

/// As `codec::decode_step`.
///
/// # Errors
/// The fault.
pub fn decode_utf32(
    endian: Endian,
    input: &[u8],
    at: &mut usize,
    out: &mut Vec<u8>,
    last: bool,
) -> Result<(), Fault> {
    let fault = |start, end, reason| {
        Err(Fault {
            encoding: Encoding::Utf32(endian),
            start,
            end,
            reason,
        })
    };
    while let Some(cp) = unit32(endian, &input[*at..]) {
        if wtf8::is_surrogate(cp) {
            let reason = "code point in surrogate code point range(0xd800, 0xe000)";
            return fault(*at, *at + 4, reason);
        }
        if cp > 0x10_FFFF {
            return fault(*at, *at + 4, "code point not in range(0x110000)");
        }
        wtf8::push(out, cp);
        *at += 4;
    }
    if last && *at < input.len() {
        return fault(*at, input.len(), "truncated data");
    }
    Ok(())
}

/// Appends the mark that the `Native` encodings begin with.
pub fn push_mark(encoding: Encoding, out: &mut Vec<u8>) {
    if let Encoding::Utf16(Endian::Native) | Encoding::Utf32(Endian::Native) = encoding {
        push_unit(encoding, 0xFEFF, out);
    }
}

/// Appends one code point; a surrogate as it is.
pub fn push_unit(encoding: Encoding, cp: u32, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Utf32(endian) if is_big(endian) => out.extend_from_slice(&cp.to_be_bytes()),
        Encoding::Utf32(_) => out.extend_from_slice(&cp.to_le_bytes()),
        Encoding::Utf16(endian) => {
            let mut push = |unit: u16| {
                let bytes = if is_big(endian) {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                };
                out.extend_from_slice(&bytes);
            };
            if cp < 0x1_0000 {
                push(cp as u16);
            } else {
                push(0xD800 | ((cp - 0x1_0000) >> 10) as u16);
                push(0xDC00 | (cp & 0x3FF) as u16);
            }
        }
        _ => wtf8::push(out, cp),
    }
}

/// As `codec::encode_step`: stops at each surrogate.
///
/// # Errors
/// The fault.
pub fn encode_wide(
    encoding: Encoding,
    text: Text<'_>,
    at: &mut Position,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    for cp in wtf8::code_points(&text.bytes[at.byte..]) {
        if wtf8::is_surrogate(cp) {
            return Err(Fault {
                encoding,
                start: at.char,
                end: at.char + 1,
                reason: "surrogates not allowed",
            });
        }
        push_unit(encoding, cp, out);
        at.byte += wtf8::encoded_len(cp);
        at.char += 1;
    }
    Ok(())
}
