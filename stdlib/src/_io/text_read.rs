//! Reading from a TextIOWrapper.

use super::buffered;
use super::newline::{kinds_of, translate};
use super::textio::{Newline, TEXT_IO_WRAPPER, TextIo, this};
use super::{size_arg, unsupported};
use std::sync::atomic::Ordering::Relaxed;
use weft_objects::buffer;
use weft_objects::bytes::Bytes;
use weft_objects::cell::own;
use weft_objects::memory;
use weft_objects::prelude::*;
use weft_objects::text::codec::{self, Decoded};
use weft_objects::text::{search, wtf8};

impl TextIo {
    fn check_readable(&self, t: &mut Thread) -> Res<()> {
        self.check_open(t)?;
        if !self.state().readable {
            return Err(unsupported(t, "not readable"));
        }
        self.write_pending(t)
    }

    /// Decodes bytes with a native codec; what is incomplete is kept, with a `\r` at the end that may be half of a `\r\n`.
    fn decode_native(&self, t: &mut Thread, more: &[u8], last: bool) -> Res<Vec<u8>> {
        let s = self.state();
        let mut input = std::mem::take(&mut s.rest);
        input.extend_from_slice(more);
        let (Some(encoding), Some(handler)) = (s.native, s.handler) else {
            return Ok(Vec::new());
        };
        let Decoded {
            mut text,
            mut consumed,
            fault,
            ..
        } = codec::decode(encoding, &input, handler, last);
        if let Some(f) = fault {
            let object = Bytes::from_vec(t, input);
            let e = errors::unicode_decode_error(
                t,
                f.encoding.name(),
                object,
                f.start,
                f.end,
                f.reason,
            );
            return Err(t.raise_value(e));
        }
        if s.newline.is_universal() {
            if !last && text.last() == Some(&b'\r') && consumed == input.len() {
                text.pop();
                consumed -= 1;
            }
            self.shown.seen.fetch_or(kinds_of(&text), Relaxed);
            if s.newline == Newline::Universal {
                text = translate(text);
            }
        }
        s.rest = input.split_off(consumed);
        s.source = input;
        Ok(text)
    }

    fn decode_other(&self, t: &mut Thread, more: &[u8], last: bool) -> Res<Vec<u8>> {
        let Some(d) = own(t, &self.decoder) else {
            return Err(unsupported(t, "not readable"));
        };
        memory::room_for(t, more.len(), 2)?;
        let bytes = Bytes::new(t, more);
        let snapshot = if self.state().telling {
            let state = proto::call_method(t, d.value(), "getstate", &[])?;
            let Some(pair) = Tuple::of(state.value()).filter(|p| p.len() == 2) else {
                return Err(t.type_error("illegal decoder state".into()));
            };
            let (pending, flags) = (Obj::new(t, pair.get(0)), Obj::new(t, pair.get(1)));
            let mut input = super::expect_bytes(t, &pending, "decoder getstate()")?.to_vec();
            input.extend_from_slice(more);
            Some((proto::index_i64(t, flags.value())?, input))
        } else {
            None
        };
        let r = proto::call_method(t, d.value(), "decode", &[bytes.value(), Value::bool(last)])?;
        let Some(text) = Str::of(r.value()) else {
            let got = type_of(r.value()).name();
            return Err(t.type_error(format!(
                "decoder should return a string result, not '{got}'"
            )));
        };
        self.state().snapshot = snapshot;
        memory::room(t, text.as_bytes().len())?;
        Ok(text.as_bytes().to_vec())
    }

    fn decode(&self, t: &mut Thread, more: &[u8], last: bool) -> Res<Vec<u8>> {
        if self.state().native.is_some() {
            self.decode_native(t, more, last)
        } else {
            self.decode_other(t, more, last)
        }
    }

    /// Reads and decodes the next piece, all before it having been used. False at the end.
    fn read_chunk(&self, t: &mut Thread) -> Res<bool> {
        let source = self.buffer(t)?;
        let n = self.shown.chunk_size.load(Relaxed);
        let bytes = match buffered::exact(source.value()) {
            Some(b) => b.read_once(t, n.min(1 << 30))?,
            None => {
                let name = if self.state().has_read1 {
                    "read1"
                } else {
                    "read"
                };
                let r = {
                    let n = Obj::own(weft_objects::int::from_usize(t, n));
                    proto::call_method(t, source.value(), name, &[n.value()])?
                };
                if !buffer::is_exporter(r.value()) {
                    let got = type_of(r.value()).name();
                    let msg = format!(
                        "underlying {name}() should have returned a bytes-like object, not '{got}'"
                    );
                    return Err(t.type_error(msg));
                }
                buffer::get(t, r.value())?.to_vec()
            }
        };
        let last = bytes.is_empty();
        let text = self.decode(t, &bytes, last)?;
        let more = !last || !text.is_empty();
        let s = self.state();
        s.text = text;
        s.used = 0;
        Ok(more)
    }

    fn read_to_end(&self, t: &mut Thread) -> Res<Obj> {
        let source = self.buffer(t)?;
        let r = proto::call_method(t, source.value(), "read", &[])?;
        if r.value().is_none() {
            let msg = "Read returned None.";
            return Err(t.raise(&errors::BLOCKING_IO_ERROR, msg));
        }
        let text = {
            let bytes = buffer::get(t, r.value())?;
            self.decode(t, bytes.as_bytes(), true)?
        };
        let s = self.state();
        let out = if s.left().is_empty() {
            text
        } else {
            let mut out = memory::vec(t, s.left().len().saturating_add(text.len()))?;
            out.extend_from_slice(s.left());
            out.extend_from_slice(&text);
            out
        };
        s.forget();
        Ok(Str::from_vec(t, out))
    }

    fn read_chars(&self, t: &mut Thread, n: usize) -> Res<Obj> {
        let mut out = Vec::new();
        let mut want = n;
        loop {
            let s = self.state();
            let left = s.left();
            let have = wtf8::count(left);
            let (bytes, got) = if have <= want {
                (left.len(), have)
            } else {
                (wtf8::advance(left, 0, want), want)
            };
            memory::append(t, &mut out, &left[..bytes])?;
            s.used += bytes;
            want -= got;
            if want == 0 || !self.read_chunk(t)? {
                return Ok(Str::from_vec(t, out));
            }
        }
    }

    fn read_line(&self, t: &mut Thread, limit: isize) -> Res<Obj> {
        let mut line: Vec<u8> = Vec::new();
        let mut want = if limit < 0 {
            usize::MAX
        } else {
            limit as usize
        };
        loop {
            let s = self.state();
            let left = s.left();
            if s.newline == Newline::CrLf
                && line.ends_with(b"\r")
                && left.starts_with(b"\n")
                && want > 0
            {
                line.push(b'\n');
                s.used += 1;
                return Ok(Str::from_vec(t, line));
            }
            let (mut n, mut end) = match line_end(left, s.newline) {
                Some(n) => (n, true),
                None => (left.len(), false),
            };
            if limit >= 0 {
                let chars = wtf8::count(&left[..n]);
                if chars >= want {
                    if chars > want {
                        n = wtf8::advance(left, 0, want);
                    }
                    end = true;
                }
                want = want.saturating_sub(chars);
            }
            if end && line.is_empty() {
                let t = &*t;
                let o = Str::from_wtf8(t, &left[..n]);
                s.used += n;
                return Ok(o);
            }
            memory::append(t, &mut line, &left[..n])?;
            s.used += n;
            if end || !self.read_chunk(t)? {
                return Ok(Str::from_vec(t, line));
            }
        }
    }
}

/// Bytes up to and with the first line end.
fn line_end(text: &[u8], newline: Newline) -> Option<usize> {
    match newline {
        Newline::Lf | Newline::Universal => search::find(text, b"\n").map(|i| i + 1),
        Newline::Cr => search::find(text, b"\r").map(|i| i + 1),
        Newline::CrLf => search::find(text, b"\r\n").map(|i| i + 2),
        Newline::Any => {
            let i = text.iter().position(|b| matches!(b, b'\n' | b'\r'))?;
            Some(if text[i] == b'\r' && text.get(i + 1) == Some(&b'\n') {
                i + 2
            } else {
                i + 1
            })
        }
    }
}

/// `read`
pub fn read(t: &mut Thread, a: &[Value]) -> Res {
    let n = size_arg(t, a[1])?;
    let w = this(a[0]);
    w.locked(t, |t| {
        w.check_readable(t)?;
        if n < 0 {
            w.read_to_end(t)
        } else {
            w.read_chars(t, n as usize)
        }
    })
    .map(Obj::into_value)
}

/// `readline`
pub fn readline(t: &mut Thread, a: &[Value]) -> Res {
    let n = size_arg(t, a[1])?;
    let w = this(a[0]);
    w.locked(t, |t| {
        w.check_readable(t)?;
        w.read_line(t, n)
    })
    .map(Obj::into_value)
}

/// The next line, for iteration: `tell` does not work meanwhile.
pub fn next_line(t: &mut Thread, v: Value) -> Res {
    let w = this(v);
    let line = if type_of(v).is(&TEXT_IO_WRAPPER) {
        w.locked(t, |t| {
            w.check_readable(t)?;
            w.state().telling = false;
            w.read_line(t, -1)
        })?
    } else {
        w.locked(t, |_| {
            w.state().telling = false;
            Ok(())
        })?;
        proto::call_method(t, v, "readline", &[])?
    };
    match Str::of(line.value()) {
        Some(s) if s.is_empty() => {
            w.locked(t, |_| {
                let s = w.state();
                s.snapshot = None;
                s.telling = s.seekable;
                Ok(())
            })?;
            Ok(Value::NULL)
        }
        Some(_) => Ok(line.into()),
        None => {
            let got = type_of(line.value()).name();
            Err(t.raise(
                &errors::OS_ERROR,
                format!("readline() should have returned a str object, not '{got}'"),
            ))
        }
    }
}
