//! Writing where a thread is from within a handler of signals: without allocating, and without waiting for anything but the file.
//!
//! The records of the frames and the texts of their code lie still while the thread that owns them is in the handler.

use weft_objects::code::Code;
use weft_objects::frame::Frame;
use weft_objects::generator::Generator;
use weft_objects::prelude::*;

/// Frames beyond this are left out.
const DEEPEST: usize = 100;
/// Characters of a text beyond this are left out.
const LONGEST: usize = 500;

/// A file that is written to.
#[derive(Clone, Copy)]
pub struct Out(pub i32);

impl Out {
    pub fn put(self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // SAFETY: the bytes are there for the length of the call.
            let n = unsafe { libc::write(self.0, bytes.as_ptr().cast(), bytes.len()) };
            match usize::try_from(n) {
                Ok(n) if n > 0 => bytes = &bytes[n.min(bytes.len())..],
                _ if crate::support::errno() == libc::EINTR => {}
                _ => return,
            }
        }
    }

    pub fn put_number(self, mut n: u64, base: u64, width: usize) {
        let mut digits = [b'0'; 20];
        let mut at = digits.len();
        while n > 0 || digits.len() - at < width.max(1) {
            at -= 1;
            digits[at] = b"0123456789abcdef"[(n % base) as usize];
            n /= base;
        }
        self.put(&digits[at..]);
    }

    /// Writes a str in ASCII, with escapes.
    fn put_text(self, v: Value) {
        let Some(s) = Str::of(v) else {
            return self.put(b"???");
        };
        let (mut rest, mut left) = (s.as_bytes(), LONGEST);
        while !rest.is_empty() {
            if left == 0 {
                return self.put(b"...");
            }
            let plain = rest
                .iter()
                .take(left)
                .take_while(|b| (32..127).contains(*b));
            let n = plain.count();
            self.put(&rest[..n]);
            (rest, left) = (&rest[n..], left - n);
            if left > 0 && !rest.is_empty() {
                let (c, more) = first(rest);
                let (letter, width) = match c {
                    0..=0xff => (b"\\x", 2),
                    0x100..=0xffff => (b"\\u", 4),
                    _ => (b"\\U", 8),
                };
                self.put(letter);
                self.put_number(c.into(), 16, width);
                (rest, left) = (more, left - 1);
            }
        }
    }
}

/// The first character of a text in WTF-8, and what follows.
fn first(bytes: &[u8]) -> (u32, &[u8]) {
    let head = bytes[0];
    let n = match head {
        0..0xc0 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    };
    let (c, rest) = bytes.split_at(n.min(bytes.len()));
    let start = match n {
        1 => u32::from(head),
        n => u32::from(head) & (0x7f >> n),
    };
    let c = c[1..].iter().fold(start, |c, b| c << 6 | u32::from(b & 63));
    (c, rest)
}

/// How a thread is called above its stack.
#[derive(Clone, Copy, PartialEq)]
pub enum Header {
    /// It is the only one that is shown.
    Only,
    Current,
    Other,
}

/// Writes what stands above the stack of a thread.
pub fn put_header(out: Out, header: Header, ident: u64, name: &[u8]) {
    match header {
        Header::Only => return out.put(b"Stack (most recent call first):\n"),
        Header::Current => out.put(b"Current thread 0x"),
        Header::Other => out.put(b"Thread 0x"),
    }
    out.put_number(ident, 16, 16);
    if !name.is_empty() {
        out.put(b" [");
        out.put(name);
        out.put(b"]");
    }
    out.put(b" (most recent call first):\n");
}

/// What the system calls the calling thread, in `buffer`.
fn name(buffer: &mut [u8; 16]) -> &[u8] {
    #[cfg(target_os = "linux")]
    // SAFETY: the system writes at most as many bytes.
    unsafe {
        libc::prctl(libc::PR_GET_NAME, buffer.as_mut_ptr())
    };
    let n = buffer.iter().position(|b| *b == 0);
    &buffer[..n.unwrap_or(buffer.len())]
}

/// Writes where the calling thread is, innermost frame first. `pc` is what it had in hand if it was interrupted: maybe where in its code
/// it is, of which the frame's record knows only now and then.
pub fn put_stack(out: Out, header: Header, pc: usize) {
    // SAFETY: asks for the calling thread's handle.
    let ident = unsafe { libc::pthread_self() } as u64;
    put_header(out, header, ident, name(&mut [0; 16]));
    match Thread::try_current() {
        Some(t) if !t.ext().is_null() && t.vm().frame_depth() > 0 => put_frames(out, t, pc),
        _ => out.put(b"  <no Python frame>\n"),
    }
}

fn put_frames(out: Out, t: &Thread, pc: usize) {
    let base = t.vm().records();
    let mut at = t.vm().frame_top();
    let mut hand = pc as *const _;
    let mut depth = 0;
    while at > base {
        if depth == DEEPEST {
            return out.put(b"  ...\n");
        }
        at = at.wrapping_sub(1);
        depth += 1;
        // SAFETY: a record of a frame that runs on this thread; so below.
        let f = unsafe { &*at };
        let line = f.code().line_at(hand).or_else(|| f.code().line_at(f.pc));
        hand = std::ptr::null();
        put_frame(out, f.code(), line);
        if f.flags & Frame::CHAINED != 0 {
            // Those between are no records yet: see `Vm::reveal`.
            let mut g = f.generator;
            let hidden = match f.instance {
                n if n.is_int() => n.as_int().max(0) as usize,
                _ => 0,
            };
            for _ in 0..hidden.min(DEEPEST - depth) {
                // SAFETY: the chain runs, so each of its generators holds the next one.
                let d = unsafe { (*g.ptr().cast::<Generator>()).delegator().as_ref() };
                let Some(d) = d else {
                    break;
                };
                put_frame(out, d.code(), d.code().line_at(d.pc.get()));
                depth += 1;
                g = d.header.value();
            }
            at = at.wrapping_sub(hidden).max(base);
        }
    }
}

fn put_frame(out: Out, code: &Code, line: Option<u32>) {
    let body = code.body();
    out.put(b"  File \"");
    out.put_text(body.filename.value());
    out.put(b"\", line ");
    out.put_number(line.unwrap_or(body.first_line).into(), 10, 1);
    out.put(b" in ");
    out.put_text(body.name.value());
    out.put(b"\n");
}

#[cfg(test)]
mod tests {
    use super::first;

    #[test]
    fn characters() {
        for c in ['a', '\u{e9}', '\u{20ac}', '\u{1f40d}'] {
            let text = format!("{c}x");
            assert_eq!(first(text.as_bytes()), (c.into(), &b"x"[..]));
        }
        assert_eq!(first(b"\xed\xb2\x80"), (0xdc80, &b""[..]));
    }
}
