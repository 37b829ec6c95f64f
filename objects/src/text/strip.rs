//! Stripping, padding, tabs and translation.

use super::unidata::{is_ascii_space, is_space};
use super::wtf8;
use super::{Text, TextError, TextResult};

/// `str.strip` and its one-sided forms; `chars` is `None` for whitespace.
pub fn strip_str<'a>(bytes: &'a [u8], chars: Option<&[u8]>, left: bool, right: bool) -> &'a [u8] {
    match chars {
        None => strip_code_points(bytes, left, right, is_space),
        Some(set) if set.len() == 1 => strip_by_byte(bytes, left, right, |b| b == set[0]),
        Some(set) if set.is_ascii() => strip_by_byte(bytes, left, right, |b| set.contains(&b)),
        Some(set) => {
            let set: Vec<u32> = wtf8::code_points(set).collect();
            strip_code_points(bytes, left, right, |cp| set.contains(&cp))
        }
    }
}

/// `bytes.strip` and its one-sided forms; `chars` is `None` for ASCII whitespace.
pub fn strip_bytes<'a>(bytes: &'a [u8], chars: Option<&[u8]>, left: bool, right: bool) -> &'a [u8] {
    match chars {
        None => strip_by_byte(bytes, left, right, is_ascii_space),
        Some(set) => strip_by_byte(bytes, left, right, |b| set.contains(&b)),
    }
}

#[inline]
fn strip_by_byte(bytes: &[u8], left: bool, right: bool, strip: impl Fn(u8) -> bool) -> &[u8] {
    let mut rest = bytes;
    if left {
        let kept = rest.iter().position(|&b| !strip(b));
        rest = &rest[kept.unwrap_or(rest.len())..];
    }
    if right {
        let kept = rest.iter().rposition(|&b| !strip(b));
        rest = &rest[..kept.map_or(0, |last| last + 1)];
    }
    rest
}

#[inline]
fn strip_code_points(bytes: &[u8], left: bool, right: bool, strip: impl Fn(u32) -> bool) -> &[u8] {
    let mut rest = bytes;
    while left && let Some((cp, width)) = wtf8::first(rest) {
        if !strip(cp) {
            break;
        }
        rest = &rest[width..];
    }
    while right && !rest.is_empty() {
        let (cp, width) = wtf8::decode_before(rest, rest.len());
        if !strip(cp) {
            break;
        }
        rest = &rest[..rest.len() - width];
    }
    rest
}

/// Reserves room for `more` bytes.
///
/// # Errors
/// `MemoryError` when there is not that much.
pub fn reserve(out: &mut Vec<u8>, more: usize) -> TextResult<()> {
    out.try_reserve(more).map_err(|_| TextError::memory())
}

/// `text` with `left` and `right` fill characters around it.
///
/// # Errors
/// `MemoryError`.
pub fn pad(text: &[u8], left: usize, right: usize, fill: u32) -> TextResult<Vec<u8>> {
    let mut out = Vec::new();
    let fills = left
        .saturating_add(right)
        .saturating_mul(wtf8::encoded_len(fill));
    reserve(&mut out, fills.saturating_add(text.len()))?;
    wtf8::push_n(&mut out, fill, left);
    out.extend_from_slice(text);
    wtf8::push_n(&mut out, fill, right);
    Ok(out)
}

/// `center`, given how many characters `text` has; `None` when it is wide enough already.
///
/// # Errors
/// `MemoryError`.
pub fn center(text: Text<'_>, width: usize, fill: u32) -> TextResult<Option<Vec<u8>>> {
    let Some(marg @ 1..) = width.checked_sub(text.chars) else {
        return Ok(None);
    };
    let left = marg / 2 + (marg & width & 1);
    pad(text.bytes, left, marg - left, fill).map(Some)
}

/// `ljust`; `None` when wide enough.
///
/// # Errors
/// `MemoryError`.
pub fn ljust(text: Text<'_>, width: usize, fill: u32) -> TextResult<Option<Vec<u8>>> {
    let Some(marg @ 1..) = width.checked_sub(text.chars) else {
        return Ok(None);
    };
    pad(text.bytes, 0, marg, fill).map(Some)
}

/// `rjust`; `None` when wide enough.
///
/// # Errors
/// `MemoryError`.
pub fn rjust(text: Text<'_>, width: usize, fill: u32) -> TextResult<Option<Vec<u8>>> {
    let Some(marg @ 1..) = width.checked_sub(text.chars) else {
        return Ok(None);
    };
    pad(text.bytes, marg, 0, fill).map(Some)
}

/// `zfill`: zeros after a leading sign; `None` when wide enough.
///
/// # Errors
/// `MemoryError`.
pub fn zfill(text: Text<'_>, width: usize) -> TextResult<Option<Vec<u8>>> {
    let Some(mut out) = rjust(text, width, u32::from(b'0'))? else {
        return Ok(None);
    };
    if let Some(&sign @ (b'+' | b'-')) = text.bytes.first() {
        out[width - text.chars] = b'0';
        out[0] = sign;
    }
    Ok(Some(out))
}

/// `expandtabs`, for strings and, by way of [`Text::of_bytes`], for bytes.
///
/// # Errors
/// `OverflowError: result too long` or `MemoryError`.
pub fn expandtabs(text: Text<'_>, tab_size: usize) -> TextResult<Vec<u8>> {
    let multibyte = !text.is_ascii();
    let mut out = Vec::with_capacity(text.bytes.len());
    let mut column = 0usize;
    for &b in text.bytes {
        match b {
            b'\t' => {
                if tab_size > 0 {
                    let spaces = tab_size - column % tab_size;
                    column = column
                        .checked_add(spaces)
                        .ok_or_else(|| TextError::overflow("result too long"))?;
                    reserve(&mut out, spaces)?;
                    out.resize(out.len() + spaces, b' ');
                }
                continue;
            }
            b'\n' | b'\r' => column = 0,
            _ if multibyte && wtf8::is_continuation(b) => {}
            _ => column += 1,
        }
        out.push(b);
    }
    Ok(out)
}

/// What a character of `str.translate` becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Translated {
    Same,
    Delete,
    Char(u32),
    Str(Vec<u8>),
}

/// `str.translate`: asks `lookup` for each character, but only once for each ASCII one.
///
/// # Errors
/// Those of `lookup`, and of `grow`, which makes room for more bytes.
pub fn translate<E>(
    text: Text<'_>,
    mut lookup: impl FnMut(u32) -> Result<Translated, E>,
    mut grow: impl FnMut(&mut Vec<u8>, usize) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    let mut cache: [Option<Translated>; 128] = [const { None }; 128];
    let mut out = Vec::new();
    grow(&mut out, text.bytes.len())?;
    for cp in text.code_points() {
        let fresh;
        let translated = match cache.get_mut(cp as usize) {
            Some(Some(known)) => &*known,
            Some(slot) => &*slot.insert(lookup(cp)?),
            None => {
                fresh = lookup(cp)?;
                &fresh
            }
        };
        let more = match translated {
            Translated::Str(new) => new.len(),
            _ => 4,
        };
        if out.capacity() - out.len() < more {
            grow(&mut out, more)?;
        }
        match translated {
            Translated::Same => wtf8::push(&mut out, cp),
            Translated::Delete => {}
            Translated::Char(new) => wtf8::push(&mut out, *new),
            Translated::Str(new) => out.extend_from_slice(new),
        }
    }
    Ok(out)
}

/// `bytes.translate`: drops the bytes of `delete`, maps the rest by `table`.
pub fn translate_bytes(bytes: &[u8], table: Option<&[u8; 256]>, delete: &[u8]) -> Vec<u8> {
    if delete.is_empty() {
        return match table {
            Some(table) => bytes.iter().map(|&b| table[usize::from(b)]).collect(),
            None => bytes.to_vec(),
        };
    }
    let mut dropped = [false; 256];
    for &b in delete {
        dropped[usize::from(b)] = true;
    }
    match table {
        Some(table) => keep(bytes, &dropped, |b| table[usize::from(b)]),
        None => keep(bytes, &dropped, |b| b),
    }
}

/// What `f` makes of the bytes that are not dropped.
#[inline(always)]
fn keep(bytes: &[u8], dropped: &[bool; 256], f: impl Fn(u8) -> u8) -> Vec<u8> {
    let mut out = vec![0; bytes.len()];
    let mut n = 0;
    // Each byte is written where the next one to keep belongs.
    for &b in bytes {
        out[n] = f(b);
        n += usize::from(!dropped[usize::from(b)]);
    }
    out.truncate(n);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripping() {
        let s = "\u{2003} \té x\u{85}".as_bytes();
        assert_eq!(strip_str(s, None, true, true), "é x".as_bytes());
        assert_eq!(strip_str(s, None, false, true), "\u{2003} \té x".as_bytes());
        assert_eq!(strip_str(b"xxaxx", Some(b"x"), true, false), b"axx");
        assert_eq!(
            strip_str("éaé".as_bytes(), Some("éb".as_bytes()), true, true),
            b"a"
        );
        assert_eq!(
            strip_str("éab".as_bytes(), Some(b"ab"), true, true),
            "é".as_bytes()
        );
        assert_eq!(strip_str(b"aaa", Some(b"a"), true, true), b"");
        assert_eq!(strip_bytes(b" \x85 ", None, true, true), b"\x85");
    }

    #[test]
    fn padding() {
        let t = |s: &'static str| Text::from(s);
        assert_eq!(center(t("abc"), 6, 0x2A).unwrap().unwrap(), b"*abc**");
        assert_eq!(center(t("ab"), 5, 0x2A).unwrap().unwrap(), b"**ab*");
        assert_eq!(center(t("é"), 2, 0xE9).unwrap().unwrap(), "éé".as_bytes());
        assert_eq!(ljust(t("ab"), 2, 32).unwrap(), None);
        assert_eq!(rjust(t("ab"), 3, 32).unwrap().unwrap(), b" ab");
        assert_eq!(zfill(t("-5"), 4).unwrap().unwrap(), b"-005");
        assert_eq!(zfill(t("+"), 3).unwrap().unwrap(), b"+00");
        assert_eq!(zfill(t("é"), 3).unwrap().unwrap(), "00é".as_bytes());
        assert!(rjust(t("a"), usize::MAX / 2, 32).is_err());
    }

    #[test]
    fn tabs_and_tables() {
        assert_eq!(
            expandtabs(Text::from("é\tb\n\tc"), 4).unwrap(),
            "é   b\n    c".as_bytes()
        );
        assert_eq!(expandtabs(Text::from("a\tb"), 0).unwrap(), b"ab");
        let got = translate(
            Text::from("abcé"),
            |cp| {
                Ok::<_, ()>(match cp {
                    0x61 => Translated::Delete,
                    0x62 => Translated::Str(b"xy".to_vec()),
                    0xE9 => Translated::Char(0x65),
                    _ => Translated::Same,
                })
            },
            |out: &mut Vec<u8>, more| {
                out.reserve(more);
                Ok(())
            },
        );
        assert_eq!(got.unwrap(), b"xyce");
        assert_eq!(translate_bytes(b"abc", None, b"b"), b"ac");
    }
}
