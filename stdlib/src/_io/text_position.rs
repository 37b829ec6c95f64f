//! `tell` and `seek` of a TextIOWrapper. With a native codec a cookie is simply a position in bytes; with another one it also holds the
//! state of the decoder and what to feed it, packed as CPython does: position, flags, bytes to feed, need of an end, characters to skip.

use super::newline::translate;
use super::textio::{Newline, TextIo, reset_encoder, this};
use super::unsupported;
use crate::support;
use num_bigint::BigInt;
use weft_objects::bytes::Bytes;
use weft_objects::cell::own;
use weft_objects::int;
use weft_objects::prelude::*;
use weft_objects::text::{codec, wtf8};

#[derive(Default)]
struct Cookie {
    position: u64,
    flags: u32,
    feed: u32,
    need_eof: bool,
    skip: u32,
}

impl Cookie {
    fn pack(&self, t: &Thread) -> Value {
        if self.flags == 0 && self.feed == 0 && self.skip == 0 && !self.need_eof {
            return int::from_u64(t, self.position);
        }
        let n = BigInt::from(self.position)
            | BigInt::from(self.flags) << 64
            | BigInt::from(self.feed) << 96
            | BigInt::from(self.skip) << 128
            | BigInt::from(self.need_eof as u8) << 160;
        int::from_bigint(t, n)
    }

    fn unpack(n: &BigInt) -> Cookie {
        let word = |shift: u32| -> u64 {
            (n.clone() >> shift & BigInt::from(u64::MAX))
                .try_into()
                .unwrap_or(0)
        };
        Cookie {
            position: word(0),
            flags: word(64) as u32,
            feed: word(96) as u32,
            skip: word(128) as u32,
            need_eof: word(160) & 1 != 0,
        }
    }
}

impl TextIo {
    fn check_seekable(&self, t: &mut Thread) -> Res<()> {
        self.check_open(t)?;
        if !self.state().seekable {
            return Err(unsupported(t, "underlying stream is not seekable"));
        }
        Ok(())
    }

    /// How many of the source bytes stand for the first `used` bytes of the text (native codecs).
    fn source_bytes(&self) -> usize {
        let s = self.state();
        if s.used == s.text.len() {
            return s.source.len();
        }
        if s.text.len() == s.source.len()
            && matches!(
                s.native,
                Some(codec::Encoding::Utf8 | codec::Encoding::Ascii)
            )
        {
            // Nothing was translated (replacements that happen to be as long aside).
            if s.text == s.source {
                return s.used;
            }
        }
        let (Some(encoding), Some(handler)) = (s.native, s.handler) else {
            return s.source.len();
        };
        // The shortest start that decodes to at least that much.
        let enough = |n: usize| {
            let mut text = codec::decode(encoding, &s.source[..n], handler, false).text;
            if s.newline == Newline::Universal {
                // A `\r` alone at the end: the other half, if any, belongs to it.
                let half = text.last() == Some(&b'\r') && s.source.get(n) == Some(&b'\n');
                if half {
                    text.pop();
                }
                text = translate(text);
            }
            text.len() >= s.used
        };
        let (mut low, mut high) = (0, s.source.len());
        while low < high {
            let middle = (low + high) / 2;
            if enough(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    fn tell(&self, t: &mut Thread) -> Res {
        self.check_seekable(t)?;
        if !self.state().telling {
            return Err(t.raise(
                &errors::OS_ERROR,
                "telling position disabled by next() call",
            ));
        }
        self.flush_all(t)?;
        let buffer = self.buffer(t)?;
        let at = proto::call_method(t, buffer.value(), "tell", &[])?;
        if self.state().native.is_some() {
            let at = proto::index_i64(t, at.value())?;
            let s = self.state();
            let ahead = s.rest.len() + s.source.len() - self.source_bytes();
            return Ok(int::from_i64(t, at - ahead as i64));
        }
        self.tell_decoder(t, &at)
    }

    /// With another codec: runs its decoder over what was read last, to find out how far the program has come.
    fn tell_decoder(&self, t: &mut Thread, at: &Obj) -> Res {
        let s = self.state();
        let (Some(d), Some((flags, input))) = (own(t, &self.decoder), s.snapshot.clone()) else {
            return Ok(Obj::new(t, at.value()).into());
        };
        let mut skip = wtf8::count(&s.text[..s.used.min(s.text.len())]);
        let at = proto::index_i64(t, at.value())? - input.len() as i64;
        let mut cookie = Cookie {
            position: at as u64,
            flags: flags as u32,
            ..Cookie::default()
        };
        if skip == 0 {
            return Ok(cookie.pack(t));
        }
        let saved = proto::call_method(t, d.value(), "getstate", &[])?;
        let r = self.walk_decoder(t, &d, flags, &input, &mut skip, &mut cookie);
        let back = proto::call_method(t, d.value(), "setstate", &[saved.value()]);
        r?;
        back?;
        Ok(cookie.pack(t))
    }

    fn walk_decoder(
        &self,
        t: &mut Thread,
        d: &Obj,
        flags: i64,
        input: &[u8],
        skip: &mut usize,
        cookie: &mut Cookie,
    ) -> Res<()> {
        set_decoder(t, d, b"", flags)?;
        let start = cookie.position;
        let (mut safe, mut decoded, mut fed) = (0, 0, 0);
        for i in 0..input.len() {
            fed = i + 1;
            decoded += decode_piece(t, d, &input[i..i + 1], false)?;
            let state = proto::call_method(t, d.value(), "getstate", &[])?;
            let Some(pair) = Tuple::of(state.value()).filter(|p| p.len() == 2) else {
                return Err(t.type_error("illegal decoder state".into()));
            };
            let (pending, flags) = (Obj::new(t, pair.get(0)), Obj::new(t, pair.get(1)));
            let empty = Bytes::of(pending.value()).is_some_and(|b| b.is_empty());
            if empty && decoded <= *skip {
                // A place to start from.
                *skip -= decoded;
                decoded = 0;
                safe = i + 1;
                cookie.flags = proto::index_i64(t, flags.value())? as u32;
            }
            if decoded >= *skip {
                break;
            }
        }
        if decoded < *skip {
            decoded += decode_piece(t, d, b"", true)?;
            cookie.need_eof = true;
            if decoded < *skip {
                return Err(t.raise(&errors::OS_ERROR, "can't reconstruct logical file position"));
            }
        }
        cookie.position = start + safe as u64;
        cookie.feed = (fed - safe) as u32;
        cookie.skip = *skip as u32;
        if *skip == 0 {
            cookie.feed = 0;
        }
        Ok(())
    }

    fn seek(&self, t: &mut Thread, cookie: Value, whence: i32) -> Res {
        self.check_seekable(t)?;
        let zero = cookie == Value::int(0);
        let mut cookie = Obj::new(t, cookie);
        match whence {
            0 => {}
            1 => {
                if !zero {
                    return Err(unsupported(t, "can't do nonzero cur-relative seeks"));
                }
                self.state().telling = true;
                cookie = Obj::own(self.tell(t)?);
            }
            2 => {
                if !zero {
                    return Err(unsupported(t, "can't do nonzero end-relative seeks"));
                }
                self.flush_all(t)?;
                self.state().forget();
                self.reset_decoder(t)?;
                let buffer = self.buffer(t)?;
                let at =
                    proto::call_method(t, buffer.value(), "seek", &[Value::int(0), Value::int(2)])?;
                let start = !proto::truth(t, at.value())?;
                reset_encoder(t, self, start)?;
                return Ok(at.into());
            }
            _ => {
                return Err(
                    t.value_error(format!("invalid whence ({whence}, should be 0, 1 or 2)"))
                );
            }
        }
        let Some(n) = int::to_bigint(cookie.value()) else {
            let got = type_of(cookie.value()).name();
            return Err(t.type_error(format!(
                "'{got}' object cannot be interpreted as an integer"
            )));
        };
        if n.sign() == num_bigint::Sign::Minus {
            let r = proto::repr(t, cookie.value())?;
            let r = Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy());
            return Err(t.value_error(format!("negative seek position {r}")));
        }
        self.flush_all(t)?;
        let c = Cookie::unpack(&n);
        let buffer = self.buffer(t)?;
        let at = Obj::own(int::from_u64(t, c.position));
        proto::call_method(t, buffer.value(), "seek", &[at.value()])?;
        self.state().forget();
        if self.state().native.is_none() {
            self.restore(t, &c, &buffer)?;
        }
        reset_encoder(t, self, c.position == 0 && c.flags == 0)?;
        Ok(cookie.into())
    }

    fn reset_decoder(&self, t: &mut Thread) -> Res<()> {
        match own(t, &self.decoder) {
            Some(d) => proto::call_method(t, d.value(), "reset", &[]).map(drop),
            None => Ok(()),
        }
    }

    /// Brings the decoder into the state of the cookie.
    fn restore(&self, t: &mut Thread, c: &Cookie, buffer: &Obj) -> Res<()> {
        let Some(d) = own(t, &self.decoder) else {
            return Ok(());
        };
        if c.position == 0 && c.flags == 0 {
            self.reset_decoder(t)?;
        } else {
            set_decoder(t, &d, b"", i64::from(c.flags))?;
        }
        if c.skip == 0 {
            return Ok(());
        }
        let input =
            proto::call_method(t, buffer.value(), "read", &[Value::int(i64::from(c.feed))])?;
        let bytes = super::expect_bytes(t, &input, "underlying read()")?.to_vec();
        let r = proto::call_method(
            t,
            d.value(),
            "decode",
            &[input.value(), Value::bool(c.need_eof)],
        )?;
        let Some(text) = Str::of(r.value()) else {
            return Err(t.type_error("decoder should return a string result".into()));
        };
        if text.len() < c.skip as usize {
            return Err(t.raise(&errors::OS_ERROR, "can't restore logical file position"));
        }
        let s = self.state();
        s.text = text.as_bytes().to_vec();
        s.used = text.offset(c.skip as usize);
        s.snapshot = Some((i64::from(c.flags), bytes));
        Ok(())
    }
}

fn set_decoder(t: &mut Thread, d: &Obj, pending: &[u8], flags: i64) -> Res<()> {
    let pending = Bytes::new(t, pending);
    let flags = support::int_obj(t, flags);
    let state = Tuple::pair(t, pending, flags);
    proto::call_method(t, d.value(), "setstate", &[state.value()]).map(drop)
}

/// How many characters come out.
fn decode_piece(t: &mut Thread, d: &Obj, bytes: &[u8], last: bool) -> Res<usize> {
    let b = Bytes::new(t, bytes);
    let r = proto::call_method(t, d.value(), "decode", &[b.value(), Value::bool(last)])?;
    proto::len(t, r.value())
}

/// `tell`
pub fn tell(t: &mut Thread, a: &[Value]) -> Res {
    let w = this(a[0]);
    w.locked(t, |t| w.tell(t))
}

/// `seek`
pub fn seek(t: &mut Thread, a: &[Value]) -> Res {
    let w = this(a[0]);
    let whence = support::c_int_or(t, a[2], 0)?;
    w.locked(t, |t| w.seek(t, a[1], whence))
}

/// `truncate`
pub fn truncate(t: &mut Thread, a: &[Value]) -> Res {
    let w = this(a[0]);
    proto::call_method(t, a[0], "flush", &[])?;
    let pos = if a[1].is_null() { Value::NONE } else { a[1] };
    let buffer = w.locked(t, |t| w.buffer(t))?;
    proto::call_method(t, buffer.value(), "truncate", &[pos]).map(Obj::into_value)
}
