//! UTF-7 (RFC 2152).

use super::*;
use weft_objects::text::wtf8;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn from_base64(b: u8) -> Option<u32> {
    Some(u32::from(match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// Whether the encoder writes the character as it is.
fn is_direct(cp: u32) -> bool {
    matches!(cp, 9 | 10 | 13 | 0x20..=0x7D) && cp != u32::from(b'+') && cp != u32::from(b'\\')
}

/// Writes 16-bit units in base 64.
#[derive(Default)]
struct Shifted {
    bits: u32,
    buffer: u32,
}

impl Shifted {
    fn push(&mut self, unit: u32, out: &mut Vec<u8>) {
        self.buffer = self.buffer << 16 | unit;
        self.bits += 16;
        while self.bits >= 6 {
            self.bits -= 6;
            out.push(ALPHABET[(self.buffer >> self.bits & 63) as usize]);
        }
        self.buffer &= (1 << self.bits) - 1;
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.bits > 0 {
            out.push(ALPHABET[(self.buffer << (6 - self.bits) & 63) as usize]);
        }
        *self = Shifted::default();
    }
}

pub(super) fn encode(t: &mut Thread, a: &[Value]) -> Res {
    let s = str_argument(t, a[0], "utf_7_encode")?;
    errors_argument(t, a[1], "utf_7_encode")?;
    let mut out = Vec::with_capacity(s.as_bytes().len());
    let mut shifted: Option<Shifted> = None;
    for cp in wtf8::code_points(s.as_bytes()) {
        match &mut shifted {
            Some(open) if is_direct(cp) => {
                open.finish(&mut out);
                shifted = None;
                if cp == u32::from(b'-') || from_base64(cp as u8).is_some() {
                    out.push(b'-');
                }
                out.push(cp as u8);
            }
            None if cp == u32::from(b'+') => out.extend_from_slice(b"+-"),
            None if is_direct(cp) => out.push(cp as u8),
            state => {
                if state.is_none() {
                    out.push(b'+');
                }
                let open = state.get_or_insert_default();
                if cp >= 0x1_0000 {
                    open.push(0xD800 | (cp - 0x1_0000) >> 10, &mut out);
                    open.push(0xDC00 | cp & 0x3FF, &mut out);
                } else {
                    open.push(cp, &mut out);
                }
            }
        }
    }
    if let Some(mut open) = shifted {
        open.finish(&mut out);
        out.push(b'-');
    }
    let out = Bytes::from_vec(t, out);
    Ok(result(t, out, s.len()))
}

/// The decoder's place within a run of base 64.
#[derive(Default)]
struct Run {
    active: bool,
    /// Where it began in the input and in the output.
    start: usize,
    out_start: usize,
    bits: u32,
    buffer: u32,
    /// A high surrogate that waits for its low one.
    surrogate: Option<u32>,
}

impl Run {
    /// Takes one digit; a code point may be complete.
    fn digit(&mut self, digit: u32, out: &mut Vec<u8>) {
        self.buffer = self.buffer << 6 | digit;
        self.bits += 6;
        if self.bits < 16 {
            return;
        }
        self.bits -= 16;
        let unit = self.buffer >> self.bits & 0xFFFF;
        self.buffer &= (1 << self.bits) - 1;
        if let Some(high) = self.surrogate.take() {
            if (0xDC00..0xE000).contains(&unit) {
                wtf8::push(out, 0x1_0000 + ((high & 0x3FF) << 10 | unit & 0x3FF));
                return;
            }
            wtf8::push(out, high);
        }
        if (0xD800..0xDC00).contains(&unit) {
            self.surrogate = Some(unit);
        } else {
            wtf8::push(out, unit);
        }
    }

    /// What is wrong with ending the run here.
    fn leftover(&self) -> Option<&'static str> {
        match self.bits {
            0 => None,
            6.. => Some("partial character in shift sequence"),
            _ if self.buffer != 0 => Some("non-zero padding bits in shift sequence"),
            _ => None,
        }
    }
}

pub(super) fn decode(t: &mut Thread, a: &[Value]) -> Res {
    let bytes = bytes_argument(t, a[0])?;
    let errors = errors_argument(t, a[1], "utf_7_decode")?;
    let last = !a[2].is_null() && proto::truth(t, a[2])?;
    let mut faults = Faults::new("utf7", errors, bytes);
    let mut out = Vec::new();
    let mut run = Run::default();
    let mut at = 0;
    loop {
        if let Some((start, end, reason)) = step(faults.bytes(), &mut at, &mut run, &mut out) {
            at = faults.fault(t, &mut out, start, end, reason)?;
            continue;
        }
        if !run.active {
            break;
        }
        if !last {
            out.truncate(run.out_start);
            at = run.start;
            break;
        }
        run.active = false;
        if run.surrogate.is_none() && run.leftover().is_none() {
            break;
        }
        run.surrogate = None;
        let end = faults.bytes().len();
        at = faults.fault(t, &mut out, run.start, end, "unterminated shift sequence")?;
    }
    let s = Str::from_vec(t, out);
    Ok(result(t, s, at))
}

/// Decodes up to the end or to a fault: its start, end and reason.
fn step(
    input: &[u8],
    at: &mut usize,
    run: &mut Run,
    out: &mut Vec<u8>,
) -> Option<(usize, usize, &'static str)> {
    while let Some(&b) = input.get(*at) {
        if run.active {
            if let Some(digit) = from_base64(b) {
                *at += 1;
                run.digit(digit, out);
                continue;
            }
            run.active = false;
            if let Some(reason) = run.leftover() {
                run.surrogate = None;
                return Some((run.start, *at + 1, reason));
            }
            if let Some(high) = run.surrogate.take()
                && b < 0x80
                && b != b'+'
            {
                wtf8::push(out, high);
            }
            *at += usize::from(b == b'-');
            continue;
        }
        match (b, input.get(*at + 1)) {
            (b'+', Some(b'-')) => {
                *at += 2;
                out.push(b'+');
            }
            (b'+', Some(&next)) if from_base64(next).is_none() => {
                return Some((*at, *at + 2, "ill-formed sequence"));
            }
            (b'+', _) => {
                *run = Run {
                    active: true,
                    start: *at,
                    out_start: out.len(),
                    ..Run::default()
                };
                *at += 1;
            }
            (0x80.., _) => return Some((*at, *at + 1, "unexpected special character")),
            _ => {
                *at += 1;
                out.push(b);
            }
        }
    }
    None
}
