//! Finding, replacing and splitting, over bytes. A code point's encoding is never part of another's,
//! so what is right for bytes is right for strings; only empty patterns, whitespace and line ends
//! differ.

use memchr::memmem;

use super::strip::reserve;
use super::unidata::{is_ascii_space, is_line_break, is_space};
use super::wtf8;
use super::{TextError, TextResult};

/// What the units of a byte slice are: where an empty pattern matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Byte,
    CodePoint,
}

impl Unit {
    fn count(self, bytes: &[u8]) -> usize {
        match self {
            Unit::Byte => bytes.len(),
            Unit::CodePoint => wtf8::count(bytes),
        }
    }

    fn width(self, lead: u8) -> usize {
        match self {
            Unit::Byte => 1,
            Unit::CodePoint => wtf8::width(lead),
        }
    }
}

/// Byte offset of the first match.
#[inline]
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    match needle {
        [] => Some(0),
        [b] => memchr::memchr(*b, hay),
        _ if needle.len() > hay.len() => None,
        _ if hay.len() <= SHORT => find_short(hay, needle),
        _ => memmem::find(hay, needle),
    }
}

/// In texts of up to so many bytes a plain search is quicker than one that has to be prepared.
const SHORT: usize = 64;

/// The needle is not empty, and not longer than the text.
#[inline]
fn find_short(hay: &[u8], needle: &[u8]) -> Option<usize> {
    let (first, last) = (needle[0], hay.len() - needle.len());
    (0..=last).find(|&at| hay[at] == first && &hay[at..at + needle.len()] == needle)
}

/// Byte offset of the last match.
#[inline]
pub fn rfind(hay: &[u8], needle: &[u8]) -> Option<usize> {
    match needle {
        [] => Some(hay.len()),
        [b] => memchr::memrchr(*b, hay),
        _ if needle.len() > hay.len() => None,
        _ if hay.len() <= SHORT => {
            let last = hay.len() - needle.len();
            (0..=last).rev().find(|&at| hay[at..].starts_with(needle))
        }
        _ => memmem::rfind(hay, needle),
    }
}

/// How many matches there are that do not overlap.
pub fn count(hay: &[u8], needle: &[u8], unit: Unit) -> usize {
    match needle {
        [] => unit.count(hay) + 1,
        [b] if hay.len() <= SHORT => hay.iter().filter(|x| *x == b).count(),
        [b] => memchr::memchr_iter(*b, hay).count(),
        _ if needle.len() > hay.len() => 0,
        _ => memmem::find_iter(hay, needle).count(),
    }
}

/// `replace` of at most `max` matches (`usize::MAX` for all); `None` when nothing changes.
///
/// # Errors
/// `OverflowError` or `MemoryError` when the result cannot be held.
pub fn replace(
    hay: &[u8],
    old: &[u8],
    new: &[u8],
    max: usize,
    unit: Unit,
) -> TextResult<Option<Vec<u8>>> {
    if max == 0 || old == new || old.len() > hay.len() {
        return Ok(None);
    }
    if old.is_empty() {
        return interleave(hay, new, max, unit).map(Some);
    }
    if let ([from], [to]) = (old, new)
        && max == usize::MAX
    {
        return Ok(replace_byte(hay, *from, *to));
    }
    let Some(first) = find(hay, old) else {
        return Ok(None);
    };
    let growth = new.len().saturating_sub(old.len());
    let mut out = Vec::new();
    if growth > 0 {
        let matches = count(hay, old, unit).min(max);
        reserve(&mut out, result_length(hay.len(), matches, growth)?)?;
    } else {
        reserve(&mut out, hay.len())?;
    }
    let mut done = 0;
    let mut each = |at: usize| {
        out.extend_from_slice(&hay[done..at]);
        out.extend_from_slice(new);
        done = at + old.len();
    };
    match old {
        _ if hay.len() <= SHORT => {
            let (mut at, mut left) = (Some(first), max);
            while let Some(i) = at
                && left > 0
            {
                each(i);
                left -= 1;
                let next = i + old.len();
                at = find(&hay[next..], old).map(|n| next + n);
            }
        }
        [b] => memchr::memchr_iter(*b, hay).take(max).for_each(&mut each),
        _ => memmem::find_iter(hay, old).take(max).for_each(&mut each),
    }
    if done == 0 {
        return Ok(None);
    }
    out.extend_from_slice(&hay[done..]);
    Ok(Some(out))
}

fn replace_byte(hay: &[u8], from: u8, to: u8) -> Option<Vec<u8>> {
    let first = memchr::memchr(from, hay)?;
    let mut out = hay.to_vec();
    for b in &mut out[first..] {
        if *b == from {
            *b = to;
        }
    }
    Some(out)
}

fn result_length(base: usize, matches: usize, growth: usize) -> TextResult<usize> {
    matches
        .checked_mul(growth)
        .and_then(|more| more.checked_add(base))
        .filter(|&n| n <= isize::MAX as usize)
        .ok_or_else(|| TextError::overflow("replace string is too long"))
}

/// `new` before each unit and at the end.
fn interleave(hay: &[u8], new: &[u8], max: usize, unit: Unit) -> TextResult<Vec<u8>> {
    let matches = (unit.count(hay) + 1).min(max);
    let mut out = Vec::new();
    reserve(&mut out, result_length(hay.len(), matches, new.len())?)?;
    let mut at = 0;
    for _ in 0..matches {
        out.extend_from_slice(new);
        if at < hay.len() {
            let width = unit.width(hay[at]);
            out.extend_from_slice(&hay[at..at + width]);
            at += width;
        }
    }
    out.extend_from_slice(&hay[at..]);
    Ok(out)
}

/// `split(sep, max)` with a separator that is not empty; pieces from the left.
pub fn split<'a>(hay: &'a [u8], sep: &[u8], max: usize, mut emit: impl FnMut(&'a [u8])) {
    let mut done = 0;
    let mut each = |at: usize| {
        emit(&hay[done..at]);
        done = at + sep.len();
    };
    match sep {
        [b] if hay.len() <= SHORT => {
            let mut left = max;
            for (at, x) in hay.iter().enumerate() {
                if x == b {
                    if left == 0 {
                        break;
                    }
                    left -= 1;
                    each(at);
                }
            }
        }
        [b] => memchr::memchr_iter(*b, hay).take(max).for_each(&mut each),
        _ => memmem::find_iter(hay, sep).take(max).for_each(&mut each),
    }
    emit(&hay[done..]);
}

/// `rsplit(sep, max)` with a separator that is not empty; pieces from the *right*.
pub fn rsplit<'a>(hay: &'a [u8], sep: &[u8], max: usize, mut emit: impl FnMut(&'a [u8])) {
    let mut end = hay.len();
    let finder = memmem::FinderRev::new(sep);
    for _ in 0..max {
        let Some(at) = finder.rfind(&hay[..end]) else {
            break;
        };
        emit(&hay[at + sep.len()..end]);
        end = at;
    }
    emit(&hay[..end]);
}

/// `str.split(None, max)`; pieces from the left. The last keeps its trailing whitespace when `max`
/// cut it off.
pub fn split_whitespace<'a>(hay: &'a [u8], ascii: bool, max: usize, emit: impl FnMut(&'a [u8])) {
    if ascii {
        split_blank_bytes(hay, max, is_str_blank, emit);
    } else {
        split_blank_code_points(hay, max, emit);
    }
}

/// Whether an ASCII character is whitespace to `str`.
#[inline(always)]
fn is_str_blank(b: u8) -> bool {
    const BLANKS: u64 = 0x1f << 0x1c | 0x1f << 0x09;
    b <= 0x20 && BLANKS >> b & 1 != 0
}

/// Whether a byte is whitespace to `bytes`.
#[inline(always)]
fn is_bytes_blank(b: u8) -> bool {
    const BLANKS: u64 = 1 << 0x20 | 0x1f << 0x09;
    b <= 0x20 && BLANKS >> b & 1 != 0
}

/// `bytes.split(None, max)`.
pub fn split_whitespace_bytes<'a>(hay: &'a [u8], max: usize, emit: impl FnMut(&'a [u8])) {
    split_blank_bytes(hay, max, is_bytes_blank, emit);
}

#[inline]
fn split_blank_bytes<'a>(
    hay: &'a [u8],
    max: usize,
    blank: impl Fn(u8) -> bool,
    mut emit: impl FnMut(&'a [u8]),
) {
    let mut at = 0;
    let mut pieces = 0;
    loop {
        while at < hay.len() && blank(hay[at]) {
            at += 1;
        }
        if at == hay.len() {
            return;
        }
        if pieces == max {
            return emit(&hay[at..]);
        }
        let start = at;
        while at < hay.len() && !blank(hay[at]) {
            at += 1;
        }
        emit(&hay[start..at]);
        pieces += 1;
    }
}

fn split_blank_code_points<'a>(hay: &'a [u8], max: usize, mut emit: impl FnMut(&'a [u8])) {
    let mut rest = hay;
    let mut pieces = 0;
    loop {
        rest = super::strip::strip_str(rest, None, true, false);
        if rest.is_empty() {
            return;
        }
        if pieces == max {
            return emit(rest);
        }
        let mut cps = wtf8::code_points(rest);
        let mut end = rest.len();
        while let Some(cp) = cps.next() {
            if is_space(cp) {
                end = rest.len() - cps.rest().len() - wtf8::encoded_len(cp);
                break;
            }
        }
        emit(&rest[..end]);
        rest = &rest[end..];
        pieces += 1;
    }
}

/// `str.rsplit(None, max)`; pieces from the *right*.
pub fn rsplit_whitespace<'a>(hay: &'a [u8], max: usize, mut emit: impl FnMut(&'a [u8])) {
    let mut rest = hay;
    let mut pieces = 0;
    loop {
        rest = super::strip::strip_str(rest, None, false, true);
        if rest.is_empty() {
            return;
        }
        if pieces == max {
            return emit(rest);
        }
        let mut start = rest.len();
        while start > 0 {
            let (cp, width) = wtf8::decode_before(rest, start);
            if is_space(cp) {
                break;
            }
            start -= width;
        }
        emit(&rest[start..]);
        rest = &rest[..start];
        pieces += 1;
    }
}

/// `bytes.rsplit(None, max)`; pieces from the *right*.
pub fn rsplit_whitespace_bytes<'a>(hay: &'a [u8], max: usize, mut emit: impl FnMut(&'a [u8])) {
    let mut rest = hay;
    let mut pieces = 0;
    while let Some(last) = rest.iter().rposition(|&b| !is_ascii_space(b)) {
        rest = &rest[..=last];
        if pieces == max {
            return emit(rest);
        }
        let start = rest
            .iter()
            .rposition(|&b| is_ascii_space(b))
            .map_or(0, |at| at + 1);
        emit(&rest[start..]);
        rest = &rest[..start];
        pieces += 1;
    }
}

/// `str.splitlines`.
pub fn splitlines<'a>(hay: &'a [u8], keep_ends: bool, mut emit: impl FnMut(&'a [u8])) {
    let (mut start, mut at) = (0, 0);
    while at < hay.len() {
        // The breaks are controls, U+0085 (C2 85), U+2028 and U+2029 (E2 80 A8/A9).
        let skip = hay[at..]
            .iter()
            .position(|&b| b < 0x20 || b == 0xC2 || b == 0xE2);
        let Some(skip) = skip else { break };
        at += skip;
        let (cp, width) = wtf8::decode_at(hay, at);
        let mut next = at + width;
        if is_line_break(cp) {
            if cp == 0x0D && hay.get(next) == Some(&b'\n') {
                next += 1;
            }
            emit(&hay[start..if keep_ends { next } else { at }]);
            start = next;
        }
        at = next;
    }
    if start < hay.len() {
        emit(&hay[start..]);
    }
}

/// `bytes.splitlines`: `\n`, `\r` and `\r\n` only.
pub fn splitlines_bytes<'a>(hay: &'a [u8], keep_ends: bool, mut emit: impl FnMut(&'a [u8])) {
    let mut start = 0;
    while let Some(skip) = memchr::memchr2(b'\n', b'\r', &hay[start..]) {
        let at = start + skip;
        let crlf = hay[at] == b'\r' && hay.get(at + 1) == Some(&b'\n');
        let next = at + 1 + usize::from(crlf);
        emit(&hay[start..if keep_ends { next } else { at }]);
        start = next;
    }
    if start < hay.len() {
        emit(&hay[start..]);
    }
}

/// `partition`: before, separator, after; `None` when there is no separator.
pub fn partition<'a>(hay: &'a [u8], sep: &[u8]) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
    find(hay, sep).map(|at| cut(hay, at, sep.len()))
}

/// `rpartition`.
pub fn rpartition<'a>(hay: &'a [u8], sep: &[u8]) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
    rfind(hay, sep).map(|at| cut(hay, at, sep.len()))
}

fn cut(hay: &[u8], at: usize, len: usize) -> (&[u8], &[u8], &[u8]) {
    (&hay[..at], &hay[at..at + len], &hay[at + len..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces<'a>(run: impl FnOnce(&mut dyn FnMut(&'a [u8]))) -> Vec<String> {
        let mut out = Vec::new();
        run(&mut |piece| out.push(String::from_utf8_lossy(piece).into_owned()));
        out
    }

    #[test]
    fn finding() {
        assert_eq!(find(b"abcabc", b"bc"), Some(1));
        assert_eq!(rfind(b"abcabc", b"bc"), Some(4));
        assert_eq!(find(b"abc", b""), Some(0));
        assert_eq!(rfind(b"abc", b""), Some(3));
        assert_eq!(count(b"aaaa", b"aa", Unit::Byte), 2);
        assert_eq!(count("éé".as_bytes(), b"", Unit::CodePoint), 3);
    }

    #[test]
    fn replacing() {
        let r = |h: &str, o: &str, n: &str, m| {
            replace(h.as_bytes(), o.as_bytes(), n.as_bytes(), m, Unit::CodePoint)
                .unwrap()
                .map(|v| String::from_utf8(v).unwrap())
        };
        let all = usize::MAX;
        assert_eq!(r("abab", "a", "xy", all).unwrap(), "xybxyb");
        assert_eq!(r("abab", "a", "c", all).unwrap(), "cbcb");
        assert_eq!(r("abab", "a", "c", 1).unwrap(), "cbab");
        assert_eq!(r("abab", "ab", "", all).unwrap(), "");
        assert_eq!(r("éa", "", "-", all).unwrap(), "-é-a-");
        assert_eq!(r("éa", "", "-", 2).unwrap(), "-é-a");
        assert_eq!(r("", "", "-", all).unwrap(), "-");
        assert_eq!(r("abc", "x", "y", all), None);
        assert_eq!(r("abc", "xy", "yz", all), None);
        assert_eq!(r("aab", "a", "", 1).unwrap(), "ab");
    }

    #[test]
    fn splitting() {
        let all = usize::MAX;
        assert_eq!(
            pieces(|e| split(b"a,b,,c", b",", all, e)),
            ["a", "b", "", "c"]
        );
        assert_eq!(pieces(|e| split(b"a,b,c", b",", 1, e)), ["a", "b,c"]);
        assert_eq!(pieces(|e| split(b"", b",", all, e)), [""]);
        assert_eq!(pieces(|e| rsplit(b"a--b--c", b"--", 1, e)), ["c", "a--b"]);
        assert_eq!(pieces(|e| rsplit(b"a,b", b",", all, e)), ["b", "a"]);
        assert_eq!(
            pieces(|e| split_whitespace(b" a  b\x1cc ", true, all, e)),
            ["a", "b", "c"]
        );
        assert_eq!(
            pieces(|e| split_whitespace(b" a  b c ", true, 1, e)),
            ["a", "b c "]
        );
        let s = "\u{2003}é a\u{85}b \u{3000}".as_bytes();
        assert_eq!(
            pieces(|e| split_whitespace(s, false, all, e)),
            ["é", "a", "b"]
        );
        assert_eq!(
            pieces(|e| split_whitespace(s, false, 1, e)),
            ["é", "a\u{85}b \u{3000}"]
        );
        assert_eq!(pieces(|e| rsplit_whitespace(s, 1, e)), ["b", "\u{2003}é a"]);
        assert_eq!(
            pieces(|e| rsplit_whitespace_bytes(b" a b c ", 1, e)),
            ["c", " a b"]
        );
        assert_eq!(
            pieces(|e| rsplit_whitespace_bytes(b" a b ", all, e)),
            ["b", "a"]
        );
        assert_eq!(
            pieces(|e| split_whitespace_bytes(b"a\x1cb c", all, e)),
            ["a\x1cb", "c"]
        );
        assert!(pieces(|e| split_whitespace(b"  ", true, all, e)).is_empty());
    }

    #[test]
    fn lines() {
        let s = "a\r\nb\u{2028}é\x0b\n\rc".as_bytes();
        assert_eq!(
            pieces(|e| splitlines(s, false, e)),
            ["a", "b", "é", "", "", "c"]
        );
        assert_eq!(
            pieces(|e| splitlines(s, true, e)),
            ["a\r\n", "b\u{2028}", "é\x0b", "\n", "\r", "c"]
        );
        assert_eq!(
            pieces(|e| splitlines_bytes(b"a\r\nb\x0bc\r", false, e)),
            ["a", "b\x0bc"]
        );
        assert!(pieces(|e| splitlines(b"", false, e)).is_empty());
        assert_eq!(
            partition(b"a=b=c", b"=").unwrap(),
            (&b"a"[..], &b"="[..], &b"b=c"[..])
        );
        assert_eq!(rpartition(b"a=b=c", b"=").unwrap().0, b"a=b");
    }
}
