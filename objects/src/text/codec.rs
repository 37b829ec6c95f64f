//! The built-in codecs: UTF-8, Latin-1 and ASCII here, UTF-16 and UTF-32 in `codec_wide`.
//!
//! A codec is a step that goes on until it is done or meets a [`Fault`]. The drivers [`decode`] and
//! [`encode`] run the handlers that need no Python; for others the caller loops over
//! [`decode_step`] and [`encode_step`] itself.

use super::repr::push_escape;
use super::wtf8;
use super::{Text, codec_wide};

/// A codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Latin1,
    Ascii,
    Utf16(Endian),
    Utf32(Endian),
}

/// Byte order; `Native` writes a mark, and reads one if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endian {
    Little,
    Big,
    Native,
}

/// Byte order of this machine.
pub const NATIVE: Endian = if cfg!(target_endian = "little") {
    Endian::Little
} else {
    Endian::Big
};

impl Encoding {
    /// The name that errors show.
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Latin1 => "latin-1",
            Encoding::Ascii => "ascii",
            Encoding::Utf16(Endian::Little) => "utf-16-le",
            Encoding::Utf16(Endian::Big) => "utf-16-be",
            Encoding::Utf16(Endian::Native) => "utf-16",
            Encoding::Utf32(Endian::Little) => "utf-32-le",
            Encoding::Utf32(Endian::Big) => "utf-32-be",
            Encoding::Utf32(Endian::Native) => "utf-32",
        }
    }

    /// The codec of a name in any of its usual spellings (`UTF8`, `iso-8859-1`, ...).
    pub fn parse(name: &str) -> Option<Encoding> {
        let mut key = String::with_capacity(name.len());
        for c in name.chars() {
            match c {
                '_' | ' ' => key.push('-'),
                _ => key.push(c.to_ascii_lowercase()),
            }
        }
        Some(match key.as_str() {
            "utf-8" | "utf8" | "u8" | "cp65001" => Encoding::Utf8,
            "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" | "8859" | "l1" => Encoding::Latin1,
            "ascii" | "us-ascii" | "646" => Encoding::Ascii,
            "utf-16" | "utf16" | "u16" => Encoding::Utf16(Endian::Native),
            "utf-16-le" | "utf-16le" => Encoding::Utf16(Endian::Little),
            "utf-16-be" | "utf-16be" => Encoding::Utf16(Endian::Big),
            "utf-32" | "utf32" | "u32" => Encoding::Utf32(Endian::Native),
            "utf-32-le" | "utf-32le" => Encoding::Utf32(Endian::Little),
            "utf-32-be" | "utf-32be" => Encoding::Utf32(Endian::Big),
            _ => return None,
        })
    }
}

/// The error handlers that need no Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    Strict,
    Ignore,
    Replace,
    SurrogateEscape,
    SurrogatePass,
    BackslashReplace,
    XmlCharRefReplace,
    NameReplace,
}

impl Errors {
    /// The built-in handler of that name.
    pub fn parse(name: &str) -> Option<Errors> {
        Some(match name {
            "strict" => Errors::Strict,
            "ignore" => Errors::Ignore,
            "replace" => Errors::Replace,
            "surrogateescape" => Errors::SurrogateEscape,
            "surrogatepass" => Errors::SurrogatePass,
            "backslashreplace" => Errors::BackslashReplace,
            "xmlcharrefreplace" => Errors::XmlCharRefReplace,
            "namereplace" => Errors::NameReplace,
            _ => return None,
        })
    }
}

/// Where and why a codec stopped. Positions count bytes when decoding, characters when encoding;
/// `encoding` is the one to name, with its byte order once that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub encoding: Encoding,
    pub start: usize,
    pub end: usize,
    pub reason: &'static str,
}

/// A name lookup for `namereplace`.
pub type NameOf<'a> = &'a dyn Fn(u32) -> Option<String>;

/// What [`decode`] got done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    pub text: Vec<u8>,
    /// Bytes of the input used up: all, unless more input may complete the last character.
    pub consumed: usize,
    /// The byte order in force at the end.
    pub encoding: Encoding,
    /// Why decoding stopped, when no handler could go on; `text` is what came before.
    pub fault: Option<Fault>,
}

/// Decodes from `*at` on, appending to `out`, to the end or a fault; `*at` is then its start.
/// Without `last`, an incomplete character at the end is left for later.
///
/// `Utf16` and `Utf32` in `Native` order must be settled first: [`codec_wide::settle`].
///
/// # Errors
/// The fault.
pub fn decode_step(
    encoding: Encoding,
    input: &[u8],
    at: &mut usize,
    out: &mut Vec<u8>,
    last: bool,
) -> Result<(), Fault> {
    match encoding {
        Encoding::Utf8 => decode_utf8(input, at, out, last),
        Encoding::Latin1 => {
            decode_latin1(&input[*at..], out);
            *at = input.len();
            Ok(())
        }
        Encoding::Ascii => decode_ascii(input, at, out),
        Encoding::Utf16(endian) => codec_wide::decode_utf16(endian, input, at, out, last),
        Encoding::Utf32(endian) => codec_wide::decode_utf32(endian, input, at, out, last),
    }
}

/// Decodes all of `input` under a built-in handler.
pub fn decode(encoding: Encoding, input: &[u8], errors: Errors, last: bool) -> Decoded {
    let (encoding, mut at) = codec_wide::settle(encoding, input, last);
    let mut out = Vec::with_capacity(input.len() - at);
    let mut fault = None;
    while let Err(stop) = decode_step(encoding, input, &mut at, &mut out, last) {
        match handle_decode(errors, input, &stop, &mut out) {
            Some(next) => at = next,
            None => {
                fault = Some(stop);
                break;
            }
        }
    }
    Decoded {
        text: out,
        consumed: at,
        encoding,
        fault,
    }
}

/// Runs a built-in handler on a decoding fault: appends the replacement and returns where to go
/// on, or `None` when the fault is to be raised.
pub fn handle_decode(
    errors: Errors,
    input: &[u8],
    fault: &Fault,
    out: &mut Vec<u8>,
) -> Option<usize> {
    let bad = &input[fault.start..fault.end];
    match errors {
        Errors::Ignore => {}
        Errors::Replace => wtf8::push(out, 0xFFFD),
        Errors::BackslashReplace => bad.iter().for_each(|&b| push_escape(out, u32::from(b))),
        Errors::SurrogateEscape => {
            let escaped = bad.iter().take_while(|&&b| b >= 0x80).count();
            for &b in &bad[..escaped] {
                wtf8::push(out, 0xDC00 + u32::from(b));
            }
            return (escaped > 0).then_some(fault.start + escaped);
        }
        Errors::SurrogatePass => {
            let (cp, width) = surrogate_at(fault.encoding, &input[fault.start..])?;
            wtf8::push(out, cp);
            return Some(fault.start + width);
        }
        Errors::Strict | Errors::XmlCharRefReplace | Errors::NameReplace => return None,
    }
    Some(fault.end)
}

/// The surrogate that is encoded at the start of `rest`, in the encodings that could.
fn surrogate_at(encoding: Encoding, rest: &[u8]) -> Option<(u32, usize)> {
    let (cp, width) = match encoding {
        Encoding::Utf8 => match rest {
            [0xED, 0xA0..=0xBF, 0x80..=0xBF, ..] => wtf8::decode_at(rest, 0),
            _ => return None,
        },
        Encoding::Utf16(endian) => (codec_wide::unit16(endian, rest)?.into(), 2),
        Encoding::Utf32(endian) => (codec_wide::unit32(endian, rest)?, 4),
        Encoding::Latin1 | Encoding::Ascii => return None,
    };
    wtf8::is_surrogate(cp).then_some((cp, width))
}

fn decode_utf8(input: &[u8], at: &mut usize, out: &mut Vec<u8>, last: bool) -> Result<(), Fault> {
    let rest = &input[*at..];
    let error = match std::str::from_utf8(rest) {
        Ok(_) => {
            out.extend_from_slice(rest);
            *at = input.len();
            return Ok(());
        }
        Err(error) => error,
    };
    let valid = error.valid_up_to();
    out.extend_from_slice(&rest[..valid]);
    *at += valid;
    let (end, reason) = match error.error_len() {
        None if !last => return Ok(()),
        // What may become a surrogate is for the error handler, once it is whole.
        _ if !last && matches!(input[*at..], [0xED, 0xA0..=0xBF]) => return Ok(()),
        None => (input.len(), "unexpected end of data"),
        Some(_) if matches!(input[*at], 0x80..=0xC1 | 0xF5..) => (*at + 1, "invalid start byte"),
        Some(len) => (*at + len, "invalid continuation byte"),
    };
    Err(Fault {
        encoding: Encoding::Utf8,
        start: *at,
        end,
        reason,
    })
}

fn decode_latin1(input: &[u8], out: &mut Vec<u8>) {
    let mut rest = input;
    loop {
        let plain = rest.iter().position(|&b| b >= 0x80).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        let high = rest.iter().take_while(|&&b| b >= 0x80).count();
        if high == 0 {
            return;
        }
        for &b in &rest[..high] {
            out.extend_from_slice(&[0xC0 | b >> 6, 0x80 | b & 0x3F]);
        }
        rest = &rest[high..];
    }
}

fn decode_ascii(input: &[u8], at: &mut usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    let rest = &input[*at..];
    let plain = if rest.is_ascii() {
        rest.len()
    } else {
        rest.iter().position(|&b| b >= 0x80).unwrap_or(rest.len())
    };
    out.extend_from_slice(&rest[..plain]);
    *at += plain;
    if *at == input.len() {
        return Ok(());
    }
    Err(Fault {
        encoding: Encoding::Ascii,
        start: *at,
        end: *at + 1,
        reason: "ordinal not in range(128)",
    })
}

/// A place in a string: its byte and its character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    pub byte: usize,
    pub char: usize,
}

/// Encodes from `*at` on, appending to `out`, to the end or a fault; `*at` is then its start.
/// No mark is written: [`codec_wide::push_mark`].
///
/// # Errors
/// The fault.
pub fn encode_step(
    encoding: Encoding,
    text: Text<'_>,
    at: &mut Position,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    match encoding {
        Encoding::Utf8 => encode_utf8(text, at, out),
        Encoding::Latin1 => encode_narrow(encoding, text, at, out, 0x100),
        Encoding::Ascii => encode_narrow(encoding, text, at, out, 0x80),
        Encoding::Utf16(_) | Encoding::Utf32(_) => codec_wide::encode_wide(encoding, text, at, out),
    }
}

/// Encodes all of `text` under a built-in handler. `name_of` is for `namereplace`.
///
/// # Errors
/// The fault, when the handler cannot go on.
pub fn encode(
    encoding: Encoding,
    text: Text<'_>,
    errors: Errors,
    name_of: Option<NameOf<'_>>,
) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(text.bytes.len() + 4);
    codec_wide::push_mark(encoding, &mut out);
    let mut at = Position::default();
    while let Err(fault) = encode_step(encoding, text, &mut at, &mut out) {
        handle_encode(errors, text, &mut at, &fault, &mut out, name_of)?;
    }
    Ok(out)
}

/// Runs a built-in handler on an encoding fault at `*at`: appends the replacement and moves on.
///
/// # Errors
/// The fault to raise; without the part that could be handled.
pub fn handle_encode(
    errors: Errors,
    text: Text<'_>,
    at: &mut Position,
    fault: &Fault,
    out: &mut Vec<u8>,
    name_of: Option<NameOf<'_>>,
) -> Result<(), Fault> {
    let end = wtf8::advance(text.bytes, at.byte, fault.end - fault.start);
    let bad = &text.bytes[at.byte..end];
    match errors {
        Errors::Strict => return Err(*fault),
        Errors::Ignore => {}
        Errors::SurrogateEscape => push_escaped_bytes(fault, bad, out)?,
        Errors::SurrogatePass => {
            if !push_surrogates(fault.encoding, bad, out) {
                return Err(*fault);
            }
        }
        _ => {
            let mut ascii = Vec::new();
            for cp in wtf8::code_points(bad) {
                push_replacement(errors, cp, &mut ascii, name_of);
            }
            let mut from = Position::default();
            encode_step(fault.encoding, Text::new(&ascii), &mut from, out)?;
        }
    }
    *at = Position {
        byte: end,
        char: fault.end,
    };
    Ok(())
}

fn push_replacement(errors: Errors, cp: u32, out: &mut Vec<u8>, name_of: Option<NameOf<'_>>) {
    match errors {
        Errors::XmlCharRefReplace => out.extend_from_slice(format!("&#{cp};").as_bytes()),
        Errors::BackslashReplace => push_escape(out, cp),
        Errors::NameReplace => match name_of.and_then(|name_of| name_of(cp)) {
            Some(name) => out.extend_from_slice(format!("\\N{{{name}}}").as_bytes()),
            None => push_escape(out, cp),
        },
        _ => out.push(b'?'),
    }
}

/// Appends the bytes that `surrogateescape` hid in surrogates; fails from the first other
/// character on, and in encodings of wider units.
fn push_escaped_bytes(fault: &Fault, bad: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    if let Encoding::Utf16(_) | Encoding::Utf32(_) = fault.encoding {
        return Err(*fault);
    }
    for (i, cp) in wtf8::code_points(bad).enumerate() {
        if !(0xDC80..0xDD00).contains(&cp) {
            return Err(Fault {
                start: fault.start + i,
                ..*fault
            });
        }
        out.push((cp - 0xDC00) as u8);
    }
    Ok(())
}

fn push_surrogates(encoding: Encoding, bad: &[u8], out: &mut Vec<u8>) -> bool {
    if matches!(encoding, Encoding::Latin1 | Encoding::Ascii)
        || !wtf8::code_points(bad).all(wtf8::is_surrogate)
    {
        return false;
    }
    if encoding == Encoding::Utf8 {
        out.extend_from_slice(bad);
    } else {
        for cp in wtf8::code_points(bad) {
            codec_wide::push_unit(encoding, cp, out);
        }
    }
    true
}

fn encode_utf8(text: Text<'_>, at: &mut Position, out: &mut Vec<u8>) -> Result<(), Fault> {
    let rest = &text.bytes[at.byte..];
    let valid = match std::str::from_utf8(rest) {
        Ok(_) => rest.len(),
        Err(error) => error.valid_up_to(),
    };
    out.extend_from_slice(&rest[..valid]);
    at.byte += valid;
    if at.byte == text.bytes.len() {
        at.char = text.chars;
        return Ok(());
    }
    at.char += wtf8::count(&rest[..valid]);
    let run = wtf8::code_points(&rest[valid..]).take_while(|&cp| wtf8::is_surrogate(cp));
    Err(Fault {
        encoding: Encoding::Utf8,
        start: at.char,
        end: at.char + run.count(),
        reason: "surrogates not allowed",
    })
}

/// Latin-1 and ASCII: code points below `limit` are single bytes.
fn encode_narrow(
    encoding: Encoding,
    text: Text<'_>,
    at: &mut Position,
    out: &mut Vec<u8>,
    limit: u32,
) -> Result<(), Fault> {
    if text.is_ascii() {
        out.extend_from_slice(&text.bytes[at.byte..]);
        *at = Position {
            byte: text.bytes.len(),
            char: text.chars,
        };
        return Ok(());
    }
    let mut cps = wtf8::code_points(&text.bytes[at.byte..]);
    loop {
        let here = cps.clone();
        match cps.next() {
            Some(cp) if cp < limit => {
                out.push(cp as u8);
                at.byte += wtf8::encoded_len(cp);
                at.char += 1;
            }
            Some(_) => {
                return Err(Fault {
                    encoding,
                    start: at.char,
                    end: at.char + here.take_while(|&cp| cp >= limit).count(),
                    reason: if limit == 0x80 {
                        "ordinal not in range(128)"
                    } else {
                        "ordinal not in range(256)"
                    },
                });
            }
            None => return Ok(()),
        }
    }
}

/// `str(UnicodeDecodeError)`.
pub fn decode_message(fault: &Fault, input: &[u8]) -> String {
    let name = fault.encoding.name();
    let reason = fault.reason;
    match input.get(fault.start) {
        Some(byte) if fault.end == fault.start + 1 => format!(
            "'{name}' codec can't decode byte 0x{byte:02x} in position {}: {reason}",
            fault.start
        ),
        _ => format!(
            "'{name}' codec can't decode bytes in position {}-{}: {reason}",
            fault.start,
            fault.end.wrapping_sub(1) as isize
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(encoding: &str, input: &[u8], errors: &str) -> Result<Vec<u32>, String> {
        let encoding = Encoding::parse(encoding).unwrap();
        let d = decode(encoding, input, Errors::parse(errors).unwrap(), true);
        match d.fault {
            Some(fault) => Err(decode_message(&fault, input)),
            None => Ok(wtf8::code_points(&d.text).collect()),
        }
    }

    fn enc(
        encoding: &str,
        cps: &[u32],
        errors: &str,
    ) -> Result<Vec<u8>, (usize, usize, &'static str)> {
        let text = wtf8::collect(cps.iter().copied());
        let name = |cp: u32| (cp == 0xE9).then(|| "LATIN SMALL LETTER E WITH ACUTE".to_owned());
        encode(
            Encoding::parse(encoding).unwrap(),
            Text::new(&text),
            Errors::parse(errors).unwrap(),
            Some(&name),
        )
        .map_err(|f| (f.start, f.end, f.reason))
    }

    #[test]
    fn decoding_narrow() {
        assert_eq!(
            dec("utf-8", b"\xff\xff", "replace").unwrap(),
            [0xFFFD, 0xFFFD]
        );
        assert_eq!(dec("utf-8", b"\xe2\x82", "replace").unwrap(), [0xFFFD]);
        assert_eq!(
            dec("utf-8", b"\xe2\x82", "surrogateescape").unwrap(),
            [0xDCE2, 0xDC82]
        );
        assert_eq!(
            dec("utf-8", b"a\xed\xa0\x80b", "surrogatepass").unwrap(),
            [0x61, 0xD800, 0x62]
        );
        assert!(dec("utf-8", b"\xed\xa0", "surrogatepass").is_err());
        for (input, want) in [
            (
                &b"\xff"[..],
                "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
            ),
            (
                b"\xe2\x82",
                "'utf-8' codec can't decode bytes in position 0-1: unexpected end of data",
            ),
            (
                b"\xe2(",
                "'utf-8' codec can't decode byte 0xe2 in position 0: invalid continuation byte",
            ),
            (
                b"\xf0\x90(",
                "'utf-8' codec can't decode bytes in position 0-1: invalid continuation byte",
            ),
            (
                b"\xed\xa0",
                "'utf-8' codec can't decode byte 0xed in position 0: invalid continuation byte",
            ),
        ] {
            assert_eq!(dec("utf8", input, "strict").unwrap_err(), want);
        }
        assert_eq!(
            dec("ascii", b"a\x80", "backslashreplace").unwrap(),
            b"a\\x80".map(u32::from)
        );
        assert_eq!(
            dec("ascii", b"\x80", "strict").unwrap_err(),
            "'ascii' codec can't decode byte 0x80 in position 0: ordinal not in range(128)"
        );
        assert_eq!(
            dec("latin-1", b"a\xe9\xffb", "strict").unwrap(),
            [0x61, 0xE9, 0xFF, 0x62]
        );
        let d = decode(Encoding::Utf8, b"a\xe2\x82", Errors::Strict, false);
        assert_eq!((d.consumed, d.fault), (1, None));
    }

    #[test]
    fn encoding_narrow() {
        let s = [0x61, 0xE9, 0x1234, 0x1_2345, 0x62];
        assert_eq!(
            enc("ascii", &s, "strict"),
            Err((1, 4, "ordinal not in range(128)"))
        );
        assert_eq!(
            enc("latin-1", &s, "strict"),
            Err((2, 4, "ordinal not in range(256)"))
        );
        assert_eq!(enc("ascii", &s, "replace").unwrap(), b"a???b");
        assert_eq!(
            enc("latin-1", &s, "xmlcharrefreplace").unwrap(),
            b"a\xe9&#4660;&#74565;b"
        );
        assert_eq!(
            enc("ascii", &s, "backslashreplace").unwrap(),
            b"a\\xe9\\u1234\\U00012345b"
        );
        assert_eq!(
            enc("ascii", &s[..2], "namereplace").unwrap(),
            b"a\\N{LATIN SMALL LETTER E WITH ACUTE}"
        );
        let s = [0x61, 0xD800, 0xDC00, 0x62];
        assert_eq!(
            enc("utf-8", &s, "strict"),
            Err((1, 3, "surrogates not allowed"))
        );
        assert_eq!(
            enc("utf-8", &s, "surrogatepass").unwrap(),
            b"a\xed\xa0\x80\xed\xb0\x80b"
        );
        assert_eq!(enc("utf-8", &s, "ignore").unwrap(), b"ab");
        assert!(enc("utf-8", &s, "surrogateescape").is_err());
        assert_eq!(
            enc("ascii", &[0xDC80, 0xDCFF], "surrogateescape").unwrap(),
            b"\x80\xff"
        );
        assert!(enc("latin-1", &[0xDC7F], "surrogatepass").is_err());
    }

    #[test]
    fn decoding_wide() {
        let e = |enc, input: &[u8]| dec(enc, input, "strict").unwrap_err();
        assert_eq!(
            e("utf-16", b"\x00\xd8"),
            "'utf-16-le' codec can't decode bytes in position 0-1: unexpected end of data"
        );
        assert_eq!(
            e("utf-16-le", b"\x00\xd8A\x00"),
            "'utf-16-le' codec can't decode bytes in position 0-1: illegal UTF-16 surrogate"
        );
        assert_eq!(
            e("utf-16-le", b"\x00\xdc"),
            "'utf-16-le' codec can't decode bytes in position 0-1: illegal encoding"
        );
        assert_eq!(
            e("utf-16-le", b"\x00\xd8A"),
            "'utf-16-le' codec can't decode bytes in position 0-2: unexpected end of data"
        );
        assert_eq!(
            e("utf-16-le", b"\x00"),
            "'utf-16-le' codec can't decode byte 0x00 in position 0: truncated data"
        );
        assert_eq!(
            e("utf-32-le", b"\x00\xd8\x00\x00"),
            "'utf-32-le' codec can't decode bytes in position 0-3: code point in surrogate code point range(0xd800, 0xe000)"
        );
        assert_eq!(
            e("utf-32-le", b"\x00\x00\x11\x00"),
            "'utf-32-le' codec can't decode bytes in position 0-3: code point not in range(0x110000)"
        );
        assert_eq!(
            e("utf-32-le", b"a"),
            "'utf-32-le' codec can't decode byte 0x61 in position 0: truncated data"
        );
        assert_eq!(
            dec("utf-16-le", b"\x00\xd8A\x00", "replace").unwrap(),
            [0xFFFD, 0x41]
        );
        assert_eq!(
            dec("utf-16-le", b"\x00\xd8A\x00", "surrogatepass").unwrap(),
            [0xD800, 0x41]
        );
        assert_eq!(
            dec("utf-32-le", b"\x00\xd8\x00\x00", "surrogatepass").unwrap(),
            [0xD800]
        );
        assert_eq!(
            dec("utf-16-le", b"\x00\xd8A", "surrogatepass").unwrap_err(),
            "'utf-16-le' codec can't decode byte 0x41 in position 2: truncated data"
        );
        assert_eq!(dec("utf-16", b"\xfe\xff\x00a", "strict").unwrap(), [0x61]);
        assert_eq!(
            dec("utf-16-be", b"\xd8\x3d\xde\x00", "strict").unwrap(),
            [0x1_F600]
        );
        assert_eq!(
            dec("utf-32", b"\x00\x00\xfe\xff\x00\x00\x00a", "strict").unwrap(),
            [0x61]
        );
        assert!(dec("utf-16-le", b"\x00\xd8", "surrogateescape").is_err());
        assert_eq!(
            decode(
                Encoding::Utf16(Endian::Native),
                b"\xff",
                Errors::Strict,
                false
            )
            .consumed,
            0
        );
        let d = decode(
            Encoding::Utf16(Endian::Big),
            b"\x00a\xd8\x3d",
            Errors::Strict,
            false,
        );
        assert_eq!((d.consumed, d.fault), (2, None));
    }

    #[test]
    fn encoding_wide() {
        let s = [0x61, 0xD800, 0xDC00, 0x62];
        assert_eq!(
            enc("utf-16", &s, "strict"),
            Err((1, 2, "surrogates not allowed"))
        );
        assert_eq!(enc("utf-16", &s, "ignore").unwrap(), b"\xff\xfea\x00b\x00");
        assert_eq!(
            enc("utf-16", &s, "surrogatepass").unwrap(),
            b"\xff\xfea\x00\x00\xd8\x00\xdcb\x00"
        );
        assert_eq!(
            enc("utf-32-be", &s, "replace").unwrap(),
            b"\x00\x00\x00a\x00\x00\x00?\x00\x00\x00?\x00\x00\x00b"
        );
        assert_eq!(
            enc("utf-16-be", &[0x1_F600], "strict").unwrap(),
            b"\xd8\x3d\xde\x00"
        );
        assert!(enc("utf-16", &[0xDC80], "surrogateescape").is_err());
        assert_eq!(
            enc("utf-16-le", &[0xD800], "backslashreplace").unwrap(),
            b"\\\x00u\x00d\x008\x000\x000\x00"
        );
    }
}
