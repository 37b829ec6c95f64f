//! Strings as generalized UTF-8: UTF-8 in which a surrogate is encoded like any other code point
//! of its size. Unlike strict WTF-8 a surrogate pair stays two code points, so concatenation is
//! concatenation of bytes, and byte order is code point order.

use std::cmp::Ordering;

/// A borrowed Python string: its bytes and how many code points they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    pub bytes: &'a [u8],
    pub chars: usize,
}

impl<'a> Text<'a> {
    /// Counts the code points of `bytes`, which must be valid.
    pub fn new(bytes: &'a [u8]) -> Self {
        Text {
            bytes,
            chars: count(bytes),
        }
    }

    /// For bytes whose number of code points is known.
    #[inline]
    pub fn with_chars(bytes: &'a [u8], chars: usize) -> Self {
        debug_assert_eq!(count(bytes), chars);
        Text { bytes, chars }
    }

    /// Any bytes, each taken for a character: for the methods that `bytes` shares with `str`.
    #[inline]
    pub fn of_bytes(bytes: &'a [u8]) -> Self {
        Text {
            bytes,
            chars: bytes.len(),
        }
    }

    /// ASCII is when every code point is one byte.
    #[inline]
    pub fn is_ascii(&self) -> bool {
        self.bytes.len() == self.chars
    }

    /// The code points.
    #[inline]
    pub fn code_points(&self) -> CodePoints<'a> {
        code_points(self.bytes)
    }

    /// Byte offset of code point `index` (clamped to the end), walking from the nearer end.
    pub fn offset(&self, index: usize) -> usize {
        if self.is_ascii() {
            return index.min(self.bytes.len());
        }
        if index >= self.chars {
            return self.bytes.len();
        }
        if index <= self.chars / 2 {
            advance(self.bytes, 0, index)
        } else {
            retreat(self.bytes, self.bytes.len(), self.chars - index)
        }
    }

    /// The part between two code point indexes, `start <= end`.
    pub fn slice(&self, start: usize, end: usize) -> Text<'a> {
        let end = end.min(self.chars);
        let start = start.min(end);
        let from = self.offset(start);
        let to = if self.is_ascii() {
            end
        } else {
            advance(self.bytes, from, end - start)
        };
        Text {
            bytes: &self.bytes[from..to],
            chars: end - start,
        }
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(s: &'a str) -> Self {
        Text::new(s.as_bytes())
    }
}

/// Whether `byte` continues a code point.
#[inline]
pub const fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// Whether `cp` is a surrogate.
#[inline]
pub const fn is_surrogate(cp: u32) -> bool {
    cp & 0xFFFF_F800 == 0xD800
}

/// Bytes of the code point that starts with `lead`.
#[inline]
pub const fn width(lead: u8) -> usize {
    match lead {
        0..0x80 => 1,
        0x80..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    }
}

/// Bytes that `cp` takes.
#[inline]
pub const fn encoded_len(cp: u32) -> usize {
    match cp {
        0..0x80 => 1,
        0x80..0x800 => 2,
        0x800..0x1_0000 => 3,
        _ => 4,
    }
}

/// The code point that starts at byte `at`, and its width. `at` must be a boundary before the end.
#[inline]
pub fn decode_at(bytes: &[u8], at: usize) -> (u32, usize) {
    let lead = bytes[at];
    if lead < 0x80 {
        return (u32::from(lead), 1);
    }
    decode_multi(&bytes[at..])
}

fn decode_multi(s: &[u8]) -> (u32, usize) {
    let low = |i: usize| u32::from(s.get(i).copied().unwrap_or(0) & 0x3F);
    let lead = u32::from(s[0]);
    match width(s[0]) {
        2 => ((lead & 0x1F) << 6 | low(1), 2),
        3 => ((lead & 0x0F) << 12 | low(1) << 6 | low(2), 3),
        _ => ((lead & 0x07) << 18 | low(1) << 12 | low(2) << 6 | low(3), 4),
    }
}

/// The code point that ends at byte `end > 0`, and its width.
#[inline]
pub fn decode_before(bytes: &[u8], end: usize) -> (u32, usize) {
    let last = bytes[end - 1];
    if last < 0x80 {
        return (u32::from(last), 1);
    }
    let start = previous(bytes, end);
    (decode_multi(&bytes[start..end]).0, end - start)
}

/// Start of the code point that ends at byte `end > 0`.
#[inline]
pub fn previous(bytes: &[u8], end: usize) -> usize {
    let mut at = end - 1;
    while at > 0 && is_continuation(bytes[at]) {
        at -= 1;
    }
    at
}

/// The first code point and its width, if there is one.
#[inline]
pub fn first(bytes: &[u8]) -> Option<(u32, usize)> {
    if bytes.is_empty() {
        None
    } else {
        Some(decode_at(bytes, 0))
    }
}

/// Byte offset after `n` more code points from boundary `at` (stops at the end).
pub fn advance(bytes: &[u8], mut at: usize, mut n: usize) -> usize {
    while n > 0 && at < bytes.len() {
        at += width(bytes[at]);
        n -= 1;
    }
    at.min(bytes.len())
}

/// Byte offset `n` code points before boundary `at` (stops at the start).
pub fn retreat(bytes: &[u8], mut at: usize, mut n: usize) -> usize {
    while n > 0 && at > 0 {
        at = previous(bytes, at);
        n -= 1;
    }
    at
}

/// Writes `cp` into `out` and returns its width. `cp` must be at most `0x10FFFF`.
#[inline]
pub fn encode(cp: u32, out: &mut [u8; 4]) -> usize {
    let tail = |shift: u32| 0x80 | (cp >> shift & 0x3F) as u8;
    match encoded_len(cp) {
        1 => {
            out[0] = cp as u8;
            1
        }
        2 => {
            out[0] = 0xC0 | (cp >> 6) as u8;
            out[1] = tail(0);
            2
        }
        3 => {
            out[0] = 0xE0 | (cp >> 12) as u8;
            out[1] = tail(6);
            out[2] = tail(0);
            3
        }
        _ => {
            out[0] = 0xF0 | (cp >> 18 & 7) as u8;
            out[1] = tail(12);
            out[2] = tail(6);
            out[3] = tail(0);
            4
        }
    }
}

/// Appends `cp`.
#[inline]
pub fn push(out: &mut Vec<u8>, cp: u32) {
    if cp < 0x80 {
        out.push(cp as u8);
    } else {
        let mut buf = [0; 4];
        let n = encode(cp, &mut buf);
        out.extend_from_slice(&buf[..n]);
    }
}

/// Appends `cp` `n` times.
pub fn push_n(out: &mut Vec<u8>, cp: u32, n: usize) {
    if cp < 0x80 {
        out.resize(out.len() + n, cp as u8);
    } else {
        let mut buf = [0; 4];
        let w = encode(cp, &mut buf);
        out.reserve(w * n);
        for _ in 0..n {
            out.extend_from_slice(&buf[..w]);
        }
    }
}

/// How many code points valid `bytes` hold.
#[inline]
pub fn count(bytes: &[u8]) -> usize {
    if bytes.len() < 16 {
        return bytes.iter().filter(|&&b| !is_continuation(b)).count();
    }
    count_long(bytes)
}

fn count_long(bytes: &[u8]) -> usize {
    // Blocks of at most 255 so that the per-lane sums fit in a byte and vectorise.
    bytes
        .chunks(240)
        .map(|block| {
            let starts: u8 = block.iter().map(|&b| u8::from((b as i8) >= -64)).sum();
            usize::from(starts)
        })
        .sum()
}

/// Whether there is a surrogate in valid `bytes` (if not, they are UTF-8).
pub fn has_surrogates(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(0xED, rest) {
        if rest.get(at + 1).is_some_and(|&b| b >= 0xA0) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// The bytes as `str` when they hold no surrogates.
pub fn as_str(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Replaces every surrogate by `?`, for messages that must be UTF-8.
pub fn to_lossy(bytes: &[u8]) -> String {
    if let Some(s) = as_str(bytes) {
        return s.to_owned();
    }
    code_points(bytes)
        .map(|cp| char::from_u32(cp).unwrap_or('?'))
        .collect()
}

/// Checks foreign bytes: `Err` with the offset of the first that cannot be part of a string.
pub fn validate(bytes: &[u8]) -> Result<(), usize> {
    let mut at = 0;
    loop {
        match std::str::from_utf8(&bytes[at..]) {
            Ok(_) => return Ok(()),
            Err(e) => {
                at += e.valid_up_to();
                match bytes[at..] {
                    [0xED, 0xA0..=0xBF, 0x80..=0xBF, ..] => at += 3,
                    _ => return Err(at),
                }
            }
        }
    }
}

/// Orders two strings by code points.
#[inline]
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    a.cmp(b)
}

/// Iterates the code points of valid bytes.
#[inline]
pub fn code_points(bytes: &[u8]) -> CodePoints<'_> {
    CodePoints { bytes }
}

/// Iterator over code points from either end; `rest` is what is left.
#[derive(Clone, Debug)]
pub struct CodePoints<'a> {
    bytes: &'a [u8],
}

impl<'a> CodePoints<'a> {
    /// The bytes not yet yielded.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }
}

impl Iterator for CodePoints<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        let (cp, w) = first(self.bytes)?;
        self.bytes = self.bytes.get(w..).unwrap_or(&[]);
        Some(cp)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.bytes.len().div_ceil(4), Some(self.bytes.len()))
    }
}

impl DoubleEndedIterator for CodePoints<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<u32> {
        if self.bytes.is_empty() {
            return None;
        }
        let (cp, w) = decode_before(self.bytes, self.bytes.len());
        self.bytes = &self.bytes[..self.bytes.len() - w];
        Some(cp)
    }
}

/// Encodes a sequence of code points.
pub fn collect(cps: impl IntoIterator<Item = u32>) -> Vec<u8> {
    let mut out = Vec::new();
    for cp in cps {
        push(&mut out, cp);
    }
    out
}

/// Code points between two entries of a [`SkipTable`].
pub const SKIP: usize = 64;

/// Byte offsets of every 64th code point, for indexing long non-ASCII strings in constant time.
#[derive(Clone, Debug)]
pub struct SkipTable {
    offsets: Box<[usize]>,
}

impl SkipTable {
    pub fn build(bytes: &[u8]) -> Self {
        let mut offsets = Vec::with_capacity(bytes.len() / SKIP + 1);
        let mut at = 0;
        while at < bytes.len() {
            offsets.push(at);
            at = advance(bytes, at, SKIP);
        }
        SkipTable {
            offsets: offsets.into(),
        }
    }

    /// Byte offset of code point `index`; the end when there is no such code point.
    pub fn offset(&self, bytes: &[u8], index: usize) -> usize {
        match self.offsets.get(index / SKIP) {
            Some(&start) => advance(bytes, start, index % SKIP),
            None => bytes.len(),
        }
    }

    /// Index of the code point that starts at byte `offset`.
    pub fn index(&self, bytes: &[u8], offset: usize) -> usize {
        let block = self.offsets.partition_point(|&start| start <= offset);
        if block == 0 {
            return 0;
        }
        (block - 1) * SKIP + count(&bytes[self.offsets[block - 1]..offset.min(bytes.len())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        collect((0..500).map(|i| match i % 5 {
            0 => 0x41,
            1 => 0xE9,
            2 => 0x20AC,
            3 => 0xD800 + i,
            _ => 0x1_F600,
        }))
    }

    #[test]
    fn round_trip_and_steps() {
        let s = sample();
        assert_eq!(count(&s), 500);
        assert_eq!(collect(code_points(&s)), s);
        let back: Vec<u32> = code_points(&s).rev().collect();
        let mut forth: Vec<u32> = code_points(&s).collect();
        forth.reverse();
        assert_eq!(back, forth);
        assert!(validate(&s).is_ok());
        assert!(has_surrogates(&s));
        assert_eq!(validate(b"ab\xff"), Err(2));
        assert_eq!(validate(b"ab\xed\xa0"), Err(2));
        assert!(!has_surrogates("\u{d7ff}é".as_bytes()));
    }

    #[test]
    fn offsets() {
        let s = sample();
        let table = SkipTable::build(&s);
        let text = Text::new(&s);
        for i in 0..=500 {
            let at = advance(&s, 0, i);
            assert_eq!(text.offset(i), at);
            assert_eq!(table.offset(&s, i), at);
            assert_eq!(table.index(&s, at), i);
            assert_eq!(retreat(&s, s.len(), 500 - i), at);
        }
        assert_eq!(text.slice(3, 7).chars, 4);
        assert_eq!(count(text.slice(3, 7).bytes), 4);
        assert_eq!(text.slice(490, 900).chars, 10);
        assert_eq!(SkipTable::build(b"").offset(b"", 3), 0);
    }

    #[test]
    fn order_is_by_code_point() {
        let a = collect([0xD800]);
        let b = collect([0xE000]);
        let c = collect([0x1_0000]);
        assert_eq!(compare(&a, &b), Ordering::Less);
        assert_eq!(compare(&b, &c), Ordering::Less);
    }
}
