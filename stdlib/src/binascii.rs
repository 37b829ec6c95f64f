//! `binascii`: conversions between binary data and ASCII text.

mod base64;

use std::sync::OnceLock;
use weft_objects::buffer::{self, Buffer};
use weft_objects::bytes::{Bytes, hex_arguments, hex_digit, to_hex};
use weft_objects::memory;
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;

static ERROR: OnceLock<SharedObj> = OnceLock::new();
static INCOMPLETE: OnceLock<SharedObj> = OnceLock::new();

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("a2b_uu", "(data, /)", a2b_uu).doc("Decode a line of uuencoded data."),
    NativeDef::new("b2a_uu", "(data, /, *, backtick=False)", b2a_uu).doc("Uuencode line of data."),
    NativeDef::new("a2b_base64", "(data, /, *, strict_mode=False)", a2b_base64)
        .doc("Decode a line of base64 data."),
    NativeDef::new("b2a_base64", "(data, /, *, newline=True)", b2a_base64)
        .doc("Base64-code line of data."),
    NativeDef::new("a2b_hex", "(hexstr, /)", unhex)
        .doc("Binary data of hexadecimal representation."),
    NativeDef::new("unhexlify", "(hexstr, /)", unhex)
        .doc("Binary data of hexadecimal representation."),
    NativeDef::new(
        "b2a_hex",
        "(data, /, sep=<unrepresentable>, bytes_per_sep=1)",
        hex,
    )
    .doc("Hexadecimal representation of binary data."),
    NativeDef::new(
        "hexlify",
        "(data, /, sep=<unrepresentable>, bytes_per_sep=1)",
        hex,
    )
    .doc("Hexadecimal representation of binary data."),
    NativeDef::new("crc_hqx", "(data, crc, /)", crc_hqx).doc("Compute CRC-CCITT incrementally."),
    NativeDef::new("crc32", "(data, crc=0, /)", crc32).doc("Compute CRC-32 incrementally."),
    NativeDef::new("a2b_qp", "(data, header=False)", a2b_qp)
        .doc("Decode a string of qp-encoded data."),
    NativeDef::new(
        "b2a_qp",
        "(data, quotetabs=False, istext=True, header=False)",
        b2a_qp,
    )
    .doc("Encode a string using quoted-printable encoding."),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = Module::new(t, "binascii");
    let error = class(t, &ERROR, "Error", &errors::VALUE_ERROR)?;
    let incomplete = class(t, &INCOMPLETE, "Incomplete", &errors::EXCEPTION)?;
    if let Some(module) = Module::of(m.value()) {
        module.add_functions(t, FUNCTIONS);
        module.add(t, "Error", error);
        module.add(t, "Incomplete", incomplete);
    }
    Ok(m)
}

fn class(t: &mut Thread, cell: &OnceLock<SharedObj>, name: &str, base: &'static Type) -> Res<Obj> {
    if let Some(known) = cell.get() {
        return Ok(known.get(t));
    }
    let class = crate::_signal::new_exception_class(t, name, "binascii", &[base])?;
    Ok(cell.get_or_init(|| SharedObj::new(t, class)).get(t))
}

#[cold]
fn error(t: &mut Thread, msg: impl Into<String>) -> Raised {
    match ERROR.get() {
        Some(class) => {
            let class = class.get(t);
            t.raise(Type::of_unchecked(class.value()), msg)
        }
        None => t.value_error(msg),
    }
}

/// ASCII data: a buffer, or a str of ASCII characters only.
enum Ascii<'a> {
    Text(&'a [u8]),
    Buffer(Buffer),
}

impl<'a> Ascii<'a> {
    fn new(t: &mut Thread, v: Value) -> Res<Ascii<'a>> {
        if let Some(s) = Str::of(v) {
            if !s.is_ascii() {
                return Err(t.value_error("string argument should contain only ASCII characters"));
            }
            return Ok(Ascii::Text(s.as_bytes()));
        }
        if !buffer::is_exporter(v) {
            let got = type_of(v).name();
            return Err(t.type_error(format!(
                "argument should be bytes, buffer or ASCII string, not '{got}'"
            )));
        }
        Ok(Ascii::Buffer(buffer::get(t, v)?))
    }
    fn as_bytes(&self) -> &[u8] {
        match self {
            Ascii::Text(s) => s,
            Ascii::Buffer(b) => b.as_bytes(),
        }
    }
}

fn flag(t: &mut Thread, v: Value, default: bool) -> Res<bool> {
    if v.is_null() {
        Ok(default)
    } else {
        proto::truth(t, v)
    }
}

fn a2b_uu(t: &mut Thread, a: &[Value]) -> Res {
    let data = Ascii::new(t, a[0])?;
    match uu_decode(data.as_bytes()) {
        Ok(out) => Ok(Bytes::from_vec(t, out).into()),
        Err(msg) => Err(error(t, msg)),
    }
}

fn uu_decode(s: &[u8]) -> Result<Vec<u8>, &'static str> {
    let Some((&first, mut rest)) = s.split_first() else {
        return Err("Missing length byte");
    };
    let want = usize::from(first.wrapping_sub(b' ') & 63);
    let mut out = Vec::with_capacity(want);
    let (mut bits, mut buffer) = (0, 0u32);
    while out.len() < want {
        let value = match rest.first() {
            // Missing characters at the end of a line count as spaces.
            None | Some(b'\n' | b'\r') => 0,
            Some(&b @ b' '..=b'`') => u32::from(b - b' ') & 63,
            Some(_) => return Err("Illegal char"),
        };
        rest = rest.get(1..).unwrap_or(&[]);
        buffer = buffer << 6 | value;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((buffer >> bits) as u8);
            buffer &= (1 << bits) - 1;
        }
    }
    match rest
        .iter()
        .all(|b| matches!(b, b' ' | b'`' | b'\n' | b'\r'))
    {
        true => Ok(out),
        false => Err("Trailing garbage"),
    }
}

fn b2a_uu(t: &mut Thread, a: &[Value]) -> Res {
    let data = buffer::get(t, a[0])?;
    let backtick = flag(t, a[1], false)?;
    let s = data.as_bytes();
    if s.len() > 45 {
        return Err(error(t, "At most 45 bytes at once"));
    }
    let code = |n: u32| {
        if backtick && n == 0 {
            b'`'
        } else {
            n as u8 + b' '
        }
    };
    let mut out = vec![code(s.len() as u32)];
    for three in s.chunks(3) {
        let at = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let n = at(0) << 16 | at(1) << 8 | at(2);
        out.extend([18, 12, 6, 0].map(|shift| code(n >> shift & 63)));
    }
    out.push(b'\n');
    Ok(Bytes::from_vec(t, out).into())
}

fn a2b_base64(t: &mut Thread, a: &[Value]) -> Res {
    let data = Ascii::new(t, a[0])?;
    let strict = flag(t, a[1], false)?;
    match base64::decode(data.as_bytes(), strict) {
        Ok(out) => Ok(Bytes::from_vec(t, out).into()),
        Err(msg) => Err(error(t, msg)),
    }
}

fn b2a_base64(t: &mut Thread, a: &[Value]) -> Res {
    let data = buffer::get(t, a[0])?;
    let newline = flag(t, a[1], true)?;
    let s = data.as_bytes();
    let n = base64::encoded_len(s.len());
    memory::room_for(t, s.len(), 2)?;
    Ok(Bytes::filled(t, n + usize::from(newline), |out| {
        base64::encode(s, &mut out[..n]);
        if let Some(end) = out.get_mut(n) {
            *end = b'\n';
        }
    })
    .into())
}

fn unhex(t: &mut Thread, a: &[Value]) -> Res {
    let data = Ascii::new(t, a[0])?;
    let s = data.as_bytes();
    if !s.len().is_multiple_of(2) {
        return Err(error(t, "Odd-length string"));
    }
    memory::room(t, s.len() / 2)?;
    let mut wrong = false;
    let made = Bytes::filled(t, s.len() / 2, |out| {
        // In a register, not where `wrong` is.
        let mut all = 0;
        for (byte, &[high, low]) in out.iter_mut().zip(s.as_chunks::<2>().0) {
            let (high, low) = (hex_digit(high), hex_digit(low));
            all |= high | low;
            *byte = high << 4 | low;
        }
        wrong = all & 0x80 != 0;
    });
    if wrong {
        return Err(error(t, "Non-hexadecimal digit found"));
    }
    Ok(made.into())
}

fn hex(t: &mut Thread, a: &[Value]) -> Res {
    let data = buffer::get(t, a[0])?;
    let (sep, group) = hex_arguments(t, a[1], a[2])?;
    memory::room_for(t, data.len, 3)?;
    Ok(Bytes::from_vec(t, to_hex(data.as_bytes(), sep, group)).into())
}

/// The low bits of an int argument.
fn low_bits(t: &mut Thread, v: Value) -> Res<u32> {
    if v.is_null() {
        return Ok(0);
    }
    let n = proto::index(t, v)?;
    Ok(match weft_objects::int::as_i64(n.value()) {
        Some(n) => n as u32,
        None => {
            // In two's complement, so of negative numbers as well.
            let bytes = weft_objects::int::to_bigint(n.value())
                .map_or(Vec::new(), |n| n.to_signed_bytes_le());
            bytes
                .iter()
                .take(4)
                .rev()
                .fold(0, |n, b| n << 8 | u32::from(*b))
        }
    })
}

fn crc_hqx(t: &mut Thread, a: &[Value]) -> Res {
    let data = buffer::get(t, a[0])?;
    let mut crc = low_bits(t, a[1])? & 0xFFFF;
    for &b in data.as_bytes() {
        crc ^= u32::from(b) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 != 0 {
                crc << 1 ^ 0x1021
            } else {
                crc << 1
            };
        }
        crc &= 0xFFFF;
    }
    Ok(Value::int(i64::from(crc)))
}

/// Tables for eight bytes at a time ("slicing by 8", Kounavis and Berry) of the reflected polynomial 0xEDB88320.
static CRC_TABLES: [[u32; 256]; 8] = crc_tables();

const fn crc_tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 != 0 {
                crc >> 1 ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
            bit += 1;
        }
        tables[0][i] = crc;
        i += 1;
    }
    let mut k = 1;
    while k < 8 {
        let mut i = 0;
        while i < 256 {
            let before = tables[k - 1][i];
            tables[k][i] = before >> 8 ^ tables[0][(before & 0xFF) as usize];
            i += 1;
        }
        k += 1;
    }
    tables
}

/// CRC-32 of more data after `crc`.
pub fn crc32_update(crc: u32, data: &[u8]) -> u32 {
    let t = &CRC_TABLES;
    let mut crc = !crc;
    let mut chunks = data.chunks_exact(8);
    for c in &mut chunks {
        let low = crc ^ u32::from_le_bytes([c[0], c[1], c[2], c[3]]);
        let at = |n: u32, shift: u32| (n >> shift & 0xFF) as usize;
        crc = t[7][at(low, 0)]
            ^ t[6][at(low, 8)]
            ^ t[5][at(low, 16)]
            ^ t[4][at(low, 24)]
            ^ t[3][usize::from(c[4])]
            ^ t[2][usize::from(c[5])]
            ^ t[1][usize::from(c[6])]
            ^ t[0][usize::from(c[7])];
    }
    for &b in chunks.remainder() {
        crc = crc >> 8 ^ t[0][((crc ^ u32::from(b)) & 0xFF) as usize];
    }
    !crc
}

fn crc32(t: &mut Thread, a: &[Value]) -> Res {
    let data = buffer::get(t, a[0])?;
    let crc = low_bits(t, a[1])?;
    Ok(Value::int(i64::from(crc32_update(crc, data.as_bytes()))))
}

fn a2b_qp(t: &mut Thread, a: &[Value]) -> Res {
    let data = Ascii::new(t, a[0])?;
    let header = flag(t, a[1], false)?;
    Ok(Bytes::from_vec(t, qp_decode(data.as_bytes(), header)).into())
}

fn qp_decode(s: &[u8], header: bool) -> Vec<u8> {
    let digit = |i: usize| s.get(i).and_then(|b| (*b as char).to_digit(16));
    let mut out = Vec::with_capacity(s.len());
    let mut at = 0;
    while at < s.len() {
        match s[at] {
            b'=' => {
                at += 1;
                match s.get(at) {
                    None => break,
                    Some(b'\n' | b'\r') => {
                        // A soft line break: nothing, up to the end of the line.
                        let end = s[at..]
                            .iter()
                            .position(|b| *b == b'\n')
                            .map_or(s.len(), |n| at + n + 1);
                        at = end;
                    }
                    Some(b'=') => {
                        out.push(b'=');
                        at += 1;
                    }
                    Some(_) => match (digit(at), digit(at + 1)) {
                        (Some(high), Some(low)) => {
                            out.push((high << 4 | low) as u8);
                            at += 2;
                        }
                        _ => out.push(b'='),
                    },
                }
            }
            b'_' if header => {
                out.push(b' ');
                at += 1;
            }
            b => {
                out.push(b);
                at += 1;
            }
        }
    }
    out
}

fn b2a_qp(t: &mut Thread, a: &[Value]) -> Res {
    let data = buffer::get(t, a[0])?;
    let style = QpStyle {
        quote_tabs: flag(t, a[1], false)?,
        text: flag(t, a[2], true)?,
        header: flag(t, a[3], false)?,
    };
    Ok(Bytes::from_vec(t, style.encode(data.as_bytes())).into())
}

struct QpStyle {
    quote_tabs: bool,
    text: bool,
    header: bool,
}

impl QpStyle {
    const LINE: usize = 76;

    fn must_quote(&self, s: &[u8], at: usize, column: usize) -> bool {
        let b = s[at];
        let next = s.get(at + 1);
        match b {
            b'=' | 0x7F.. => true,
            b'_' => self.header,
            b'.' => column == 0 && (next.is_none() || matches!(next, Some(b'\n' | b'\r' | 0))),
            b'\r' | b'\n' => !self.text,
            b' ' | b'\t' => self.quote_tabs || next.is_none(),
            _ => b < 33,
        }
    }

    fn encode(&self, s: &[u8]) -> Vec<u8> {
        // Line ends are written as the first one in the data is.
        let first = s.iter().position(|b| *b == b'\n');
        let crlf = first.is_some_and(|at| at > 0 && s[at - 1] == b'\r');
        let line_end: &[u8] = if crlf { b"\r\n" } else { b"\n" };
        let mut out = Vec::with_capacity(s.len() + s.len() / 8);
        let (mut column, mut at) = (0, 0);
        while at < s.len() {
            let b = s[at];
            let is_break =
                self.text && (b == b'\n' || (b == b'\r' && s.get(at + 1) == Some(&b'\n')));
            if is_break {
                column = 0;
                // Blanks before a line end must not stay as they are.
                if let Some(&last @ (b' ' | b'\t')) = out.last() {
                    out.pop();
                    push_quoted(&mut out, last);
                }
                out.extend_from_slice(line_end);
                at += if b == b'\r' { 2 } else { 1 };
                continue;
            }
            let quoted = self.must_quote(s, at, column);
            let width = if quoted { 3 } else { 1 };
            let ends_line = s.get(at + 1) == Some(&b'\n');
            if (quoted && column + width >= Self::LINE)
                || (!quoted && !ends_line && at + 1 != s.len() && column + 1 >= Self::LINE)
            {
                out.push(b'=');
                out.extend_from_slice(line_end);
                column = 0;
            }
            if quoted {
                push_quoted(&mut out, b);
            } else if self.header && b == b' ' {
                out.push(b'_');
            } else {
                out.push(b);
            }
            column += width;
            at += 1;
        }
        out
    }
}

fn push_quoted(out: &mut Vec<u8>, b: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(&[
        b'=',
        DIGITS[usize::from(b >> 4)],
        DIGITS[usize::from(b & 15)],
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc() {
        assert_eq!(crc32_update(0, b"123456789"), 0xCBF4_3926);
        assert_eq!(
            crc32_update(crc32_update(0, b"1234"), b"56789"),
            0xCBF4_3926
        );
    }

    #[test]
    fn uu_and_qp() {
        assert_eq!(uu_decode(b"#86)C\n").unwrap(), b"abc");
        assert_eq!(uu_decode(b"#86)C!").unwrap_err(), "Trailing garbage");
        assert_eq!(qp_decode(b"a=3D=\nb=zz_", true), b"a=b=zz ");
        let style = QpStyle {
            quote_tabs: false,
            text: true,
            header: false,
        };
        assert_eq!(style.encode(b"a=b \n\xff"), b"a=3Db=20\n=FF");
    }
}
