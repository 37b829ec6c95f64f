//! `repr` and `ascii` of strings and bytes.

use super::Text;
use super::unidata::is_printable;
use super::wtf8;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// `repr(str)`. The result is printable, hence without surrogates.
pub fn str_repr(text: Text<'_>) -> String {
    string_repr(text.bytes, true)
}

/// `ascii(str)`.
pub fn str_ascii(text: Text<'_>) -> String {
    string_repr(text.bytes, false)
}

/// `repr` of at most the first `limit` characters of the repr (`%.200R`).
pub fn str_repr_limited(text: Text<'_>, limit: usize) -> String {
    // Every character shows as at least one, so more than `limit` of them cannot be seen; but the
    // choice of quotes looks at them all.
    let mut out = str_repr(text);
    if let Some((at, _)) = out.char_indices().nth(limit) {
        out.truncate(at);
    }
    out
}

/// `ascii()` of something whose repr is known: escapes what is not ASCII.
pub fn escape_non_ascii(repr: Text<'_>) -> String {
    let mut out = Vec::with_capacity(repr.bytes.len() + 8);
    for cp in repr.code_points() {
        if cp < 0x80 {
            out.push(cp as u8);
        } else {
            push_escape(&mut out, cp);
        }
    }
    into_string(out)
}

/// `repr(bytes)`: `b'...'`.
pub fn bytes_repr(bytes: &[u8]) -> String {
    quoted_bytes(bytes, choose_quote(bytes))
}

/// The same in the `repr` of a bytearray, which escapes a single quote between double ones too.
pub fn bytearray_repr(bytes: &[u8]) -> String {
    match choose_quote(bytes) {
        b'"' => {
            let parts: Vec<_> = bytes.split(|b| *b == b'\'').collect();
            let parts: Vec<_> = parts.into_iter().map(|p| quoted_bytes(p, b'"')).collect();
            let inner: Vec<_> = parts.iter().map(|p| &p[2..p.len() - 1]).collect();
            format!("b\"{}\"", inner.join("\\'"))
        }
        quote => quoted_bytes(bytes, quote),
    }
}

fn quoted_bytes(bytes: &[u8], quote: u8) -> String {
    let mut out = Vec::with_capacity(bytes.len() + 3);
    out.extend_from_slice(&[b'b', quote]);
    push_quoted(&mut out, bytes, quote, |out, rest| {
        push_escape(out, u32::from(rest[0]));
        1
    });
    out.push(quote);
    into_string(out)
}

fn string_repr(bytes: &[u8], show_printable: bool) -> String {
    let quote = choose_quote(bytes);
    let mut out = Vec::with_capacity(bytes.len() + 2);
    out.push(quote);
    push_quoted(&mut out, bytes, quote, |out, rest| {
        let (cp, width) = wtf8::decode_at(rest, 0);
        if show_printable && is_printable(cp) {
            out.extend_from_slice(&rest[..width]);
        } else {
            push_escape(out, cp);
        }
        width
    });
    out.push(quote);
    into_string(out)
}

/// Everything pushed was ASCII or a printable character, so this cannot fail.
fn into_string(out: Vec<u8>) -> String {
    String::from_utf8(out).unwrap_or_else(|e| wtf8::to_lossy(e.as_bytes()))
}

/// Single quotes, unless that would need escapes and double quotes would not.
fn choose_quote(bytes: &[u8]) -> u8 {
    if memchr::memchr(b'\'', bytes).is_some() && memchr::memchr(b'"', bytes).is_none() {
        b'"'
    } else {
        b'\''
    }
}

/// Copies runs of plain ASCII whole, escapes the rest of ASCII, and hands other bytes to `other`,
/// which returns how many it took.
fn push_quoted(
    out: &mut Vec<u8>,
    bytes: &[u8],
    quote: u8,
    mut other: impl FnMut(&mut Vec<u8>, &[u8]) -> usize,
) {
    let mut rest = bytes;
    loop {
        let plain = rest
            .iter()
            .position(|&b| !(0x20..0x7F).contains(&b) || b == quote || b == b'\\')
            .unwrap_or(rest.len());
        out.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        let Some(&b) = rest.first() else { return };
        let taken = match b {
            b'\t' => push_pair(out, b't'),
            b'\n' => push_pair(out, b'n'),
            b'\r' => push_pair(out, b'r'),
            b'\\' => push_pair(out, b'\\'),
            0x80.. => other(out, rest),
            _ if b == quote => push_pair(out, quote),
            _ => {
                push_escape(out, u32::from(b));
                1
            }
        };
        rest = &rest[taken..];
    }
}

fn push_pair(out: &mut Vec<u8>, b: u8) -> usize {
    out.extend_from_slice(&[b'\\', b]);
    1
}

/// Appends `\xNN`, `\uNNNN` or `\UNNNNNNNN`.
pub fn push_escape(out: &mut Vec<u8>, cp: u32) {
    let (letter, digits) = match cp {
        0..0x100 => (b'x', 2),
        0x100..0x1_0000 => (b'u', 4),
        _ => (b'U', 8),
    };
    out.extend_from_slice(&[b'\\', letter]);
    for i in (0..digits).rev() {
        out.push(HEX[(cp >> (4 * i) & 15) as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repr(s: &str) -> String {
        str_repr(Text::from(s))
    }

    #[test]
    fn strings() {
        assert_eq!(repr(""), "''");
        assert_eq!(repr("it's"), "\"it's\"");
        assert_eq!(repr("it's \"x\""), "'it\\'s \"x\"'");
        assert_eq!(repr("a\\\t\n\r\0\x7f"), "'a\\\\\\t\\n\\r\\x00\\x7f'");
        assert_eq!(
            repr("é\u{a0}\u{ad}€\u{2028}😀\u{e000}"),
            "'é\\xa0\\xad€\\u2028😀\\ue000'"
        );
        assert_eq!(str_ascii(Text::from("é€😀")), "'\\xe9\\u20ac\\U0001f600'");
        let s = wtf8::collect([0xD800, 0x61, 0x10_FFFF]);
        assert_eq!(str_repr(Text::new(&s)), "'\\ud800a\\U0010ffff'");
        assert_eq!(str_repr_limited(Text::from("éabc"), 3), "'éa");
    }

    #[test]
    fn bytes() {
        assert_eq!(bytes_repr(b"a'\xff\n\\"), "b\"a'\\xff\\n\\\\\"");
        assert_eq!(bytes_repr(b"'\""), "b'\\'\"'");
    }
}
