//! `TextIOWrapper`: text over a buffered binary stream. UTF-8, Latin-1 and ASCII are coded here, others by their incremental codecs.
//! Reading is in `text_read.rs`, `tell` and `seek` in `text_position.rs`.

use super::base::{IoBase, TEXT_IO_BASE, closed_error, finalize};
use super::buffered::{self, Buffered};
use super::fileio::no_pickle;
use super::{ask, both, flag, newline, unsupported};
use crate::support::{self, Guarded, given_some};
use crate::wait::OwnedLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering::Relaxed};
use weft_objects::bytes::Bytes;
use weft_objects::cell::{or_none, own};
use weft_objects::prelude::*;
use weft_objects::runtime;
use weft_objects::text::codec::{self, Encoding, Errors, Fault};
use weft_objects::text::wtf8;
use weft_objects::types::alloc_instance;

pub(super) const CHUNK: usize = 8192;

/// A text stream.
#[repr(C)]
pub struct TextIo {
    pub(super) base: IoBase,
    pub(super) buffer: Slot,
    pub(super) encoding: Slot,
    pub(super) errors: Slot,
    /// Of codecs that are not native; NULL if they are, or if the stream cannot be read or written.
    pub(super) decoder: Slot,
    pub(super) encoder: Slot,
    pub(super) shown: Shown,
    lock: OwnedLock,
    state: Guarded<State>,
}

/// What can be asked without the lock, which others hold for as long as they read. Changed with it. (Zeroes: not set up.)
pub(super) struct Shown {
    phase: AtomicU8,
    line_buffering: AtomicBool,
    write_through: AtomicBool,
    pub chunk_size: AtomicUsize,
    /// Line ends that have been read.
    pub seen: AtomicU32,
}

/// Values of [`Shown::phase`].
const READY: u8 = 1;
const DETACHED: u8 = 2;

/// Touched by the holder of the lock alone, and never across a call.
#[derive(Default)]
pub(super) struct State {
    pub native: Option<Encoding>,
    pub handler: Option<Errors>,
    pub newline: Newline,
    pub readable: bool,
    pub writable: bool,
    pub seekable: bool,
    /// False while the stream is being iterated over.
    pub telling: bool,
    pub has_read1: bool,
    /// Encoded, still to be given to the buffer.
    pub pending: Vec<u8>,
    /// Decoded; the program has had what is before `used`.
    pub text: Vec<u8>,
    pub used: usize,
    /// The bytes that `text` came from, and those after them that are not decoded yet (native codecs).
    pub source: Vec<u8>,
    pub rest: Vec<u8>,
    /// Decoder state (its flags and pending input) before `text`, and the bytes that `text` came from (other codecs).
    pub snapshot: Option<(i64, Vec<u8>)>,
}

/// What `newline=` said.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Newline {
    /// None: `\n` is written as the system's line end (the same here), all kinds are read as `\n`.
    #[default]
    Universal,
    /// Empty: nothing is translated, all kinds end lines.
    Any,
    Lf,
    Cr,
    CrLf,
}

impl Newline {
    pub fn is_universal(self) -> bool {
        matches!(self, Newline::Universal | Newline::Any)
    }
}

impl State {
    pub fn left(&self) -> &[u8] {
        &self.text[self.used.min(self.text.len())..]
    }
    /// Drops what has been read ahead.
    pub fn forget(&mut self) {
        self.text.clear();
        self.used = 0;
        self.source.clear();
        self.rest.clear();
        self.snapshot = None;
    }
}

pub(super) fn this<'a>(v: Value) -> &'a TextIo {
    // SAFETY: slots and methods of TEXT_IO_WRAPPER get its instances alone.
    unsafe { &*(v.ptr() as *const TextIo) }
}

impl TextIo {
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub(super) fn state(&self) -> &mut State {
        // SAFETY: made with the object; the caller has the lock, and lets go of the state before it calls anything that can
        // come back here.
        unsafe { self.state.peek().unwrap_unchecked() }
    }

    /// Runs `f` with the lock.
    #[inline]
    pub(super) fn locked<R>(
        &self,
        t: &mut Thread,
        f: impl FnOnce(&mut Thread) -> Res<R>,
    ) -> Res<R> {
        self.holding(t, |t| {
            self.check_ready(t)?;
            f(t)
        })
    }

    /// The same for an object that may not be set up, or not any more.
    #[inline]
    fn holding<R>(&self, t: &mut Thread, f: impl FnOnce(&mut Thread) -> Res<R>) -> Res<R> {
        self.lock.lock(t, self.base.header.is_local(t))?;
        let r = f(t);
        self.lock.unlock(self.base.header.is_local(t));
        r
    }

    fn check_ready(&self, t: &mut Thread) -> Res<()> {
        match self.shown.phase.load(Relaxed) {
            READY => Ok(()),
            DETACHED => Err(t.value_error("underlying buffer has been detached")),
            _ => Err(t.value_error("I/O operation on uninitialized object")),
        }
    }

    pub(super) fn buffer(&self, t: &mut Thread) -> Res<Obj> {
        match own(t, &self.buffer) {
            Some(b) => Ok(b),
            None => Err(t.value_error("underlying buffer has been detached")),
        }
    }

    pub(super) fn check_open(&self, t: &mut Thread) -> Res<()> {
        let buffer = self.buffer(t)?;
        let closed = if type_of(self.base.header.value()).is(&TEXT_IO_WRAPPER) {
            match buffered::exact(buffer.value()) {
                Some(b) => b.is_closed(t)?,
                None => flag(t, buffer.value(), "closed")?,
            }
        } else {
            flag(t, self.base.header.value(), "closed")?
        };
        if closed { Err(closed_error(t)) } else { Ok(()) }
    }

    // --- writing; called with the lock ---

    /// Gives what is pending to the buffer.
    pub(super) fn write_pending(&self, t: &mut Thread) -> Res<()> {
        if self.state().pending.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.state().pending);
        let buffer = self.buffer(t)?;
        match buffered::exact(buffer.value()) {
            Some(b) => {
                b.write_bytes(t, &bytes)?;
                // The memory serves again.
                let s = self.state();
                if s.pending.capacity() == 0 && bytes.capacity() <= 4 * CHUNK {
                    s.pending = bytes;
                    s.pending.clear();
                }
            }
            None => {
                let b = Bytes::from_vec(t, bytes);
                proto::call_method(t, buffer.value(), "write", &[b.value()])?;
            }
        }
        Ok(())
    }

    fn write(&self, t: &mut Thread, text: &Str) -> Res<()> {
        self.check_open(t)?;
        let s = self.state();
        if !s.writable {
            return Err(unsupported(t, "not writable"));
        }
        let bytes = text.as_bytes();
        let line_buffering = self.shown.line_buffering.load(Relaxed);
        let lf = (line_buffering || matches!(s.newline, Newline::Cr | Newline::CrLf))
            && bytes.contains(&b'\n');
        let flush = line_buffering && (lf || bytes.contains(&b'\r'));
        let through = self.shown.write_through.load(Relaxed);
        self.encode(t, text, lf)?;
        if self.state().pending.len() >= self.shown.chunk_size.load(Relaxed) || flush || through {
            self.write_pending(t)?;
        }
        if flush {
            self.flush_buffer(t)?;
        }
        let s = self.state();
        let ahead = !s.text.is_empty() || !s.rest.is_empty() || s.snapshot.is_some();
        // Of a stream that cannot seek, what has been read does not depend on what is written.
        if ahead && s.seekable {
            s.forget();
            if let Some(d) = own(t, &self.decoder) {
                proto::call_method(t, d.value(), "reset", &[])?;
            }
        }
        Ok(())
    }

    fn flush_buffer(&self, t: &mut Thread) -> Res<()> {
        let buffer = self.buffer(t)?;
        match buffered::exact(buffer.value()) {
            Some(b) => Buffered::flush(b, t),
            None => proto::call_method(t, buffer.value(), "flush", &[]).map(drop),
        }
    }

    /// Adds the encoded text to what is pending.
    #[inline]
    fn encode(&self, t: &mut Thread, text: &Str, lf: bool) -> Res<()> {
        let s = self.state();
        let bytes = text.as_bytes();
        let plain = match s.native {
            Some(Encoding::Utf8) => text.is_ascii() || !wtf8::has_surrogates(bytes),
            Some(_) => text.is_ascii(),
            None => false,
        };
        if plain && !(lf && matches!(s.newline, Newline::Cr | Newline::CrLf)) {
            return self.add_pending(t, bytes);
        }
        self.encode_slow(t, text)
    }

    /// Adds bytes to what is pending, of which there is never more than a chunk (unless one piece is larger).
    #[inline]
    fn add_pending(&self, t: &mut Thread, bytes: &[u8]) -> Res<()> {
        let s = self.state();
        if !s.pending.is_empty()
            && s.pending.len() + bytes.len() > self.shown.chunk_size.load(Relaxed)
        {
            self.write_pending(t)?;
        }
        self.state().pending.extend_from_slice(bytes);
        Ok(())
    }

    #[inline(never)]
    fn encode_slow(&self, t: &mut Thread, text: &Str) -> Res<()> {
        let s = self.state();
        let line_end: &[u8] = match s.newline {
            Newline::Cr => b"\r",
            Newline::CrLf => b"\r\n",
            _ => b"\n",
        };
        let mut bytes = text.as_bytes().to_vec();
        if line_end != b"\n" && bytes.contains(&b'\n') {
            bytes = newline::with_ends(&bytes, line_end);
        }
        if let (Some(encoding), Some(handler)) = (s.native, s.handler) {
            let encoded = codec::encode(encoding, wtf8::Text::new(&bytes), handler, None);
            return match encoded {
                Ok(out) => self.add_pending(t, &out),
                Err(fault) => {
                    let object = Str::from_vec(t, bytes);
                    Err(encode_error(t, object, &fault))
                }
            };
        }
        let Some(encoder) = own(t, &self.encoder) else {
            return Err(unsupported(t, "not writable"));
        };
        let object = Str::from_vec(t, bytes);
        let r = proto::call_method(t, encoder.value(), "encode", &[object.value()])?;
        let Some(b) = Bytes::of(r.value()) else {
            let got = type_of(r.value()).name();
            return Err(t.type_error(format!("encoder should return a bytes object, not '{got}'")));
        };
        self.add_pending(t, b.as_slice())
    }

    /// Writes out everything.
    pub(super) fn flush_all(&self, t: &mut Thread) -> Res<()> {
        let s = self.state();
        s.telling = s.seekable;
        self.write_pending(t)?;
        self.flush_buffer(t)
    }
}

fn encode_error(t: &Thread, object: Obj, f: &Fault) -> Raised {
    let e = errors::unicode_encode_error(t, f.encoding.name(), object, f.start, f.end, f.reason);
    t.raise_value(e)
}

/// Writes text to a stream as `print` does: directly if it is a TextIOWrapper itself. False: call its `write`.
pub fn write_text(t: &mut Thread, stream: Value, text: &Str) -> Res<bool> {
    if !stream.is_ptr() || !type_of(stream).is(&TEXT_IO_WRAPPER) {
        return Ok(false);
    }
    let w = this(stream);
    w.locked(t, |t| w.write(t, text))?;
    Ok(true)
}

// --- making ---

fn new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    let p = alloc_instance(t, Type::of_unchecked(cls));
    // SAFETY: a new object of this layout.
    unsafe { (*(p as *const TextIo)).state.init(State::default()) };
    Ok(Value::from_ptr(p))
}

fn parse_newline(t: &mut Thread, v: Value) -> Res<Newline> {
    if v.is_null() || v.is_none() {
        return Ok(Newline::Universal);
    }
    let Some(s) = Str::of(v) else {
        let got = type_of(v).name();
        return Err(t.type_error(format!(
            "TextIOWrapper() argument 'newline' must be str or None, not {got}"
        )));
    };
    Ok(match s.as_bytes() {
        b"" => Newline::Any,
        b"\n" => Newline::Lf,
        b"\r" => Newline::Cr,
        b"\r\n" => Newline::CrLf,
        _ => {
            let s = s.to_string_lossy();
            return Err(t.value_error(format!("illegal newline value: {s}")));
        }
    })
}

/// The locale's encoding, as it is wherever programs run today.
const LOCALE: &str = "UTF-8";

/// The encoding to use for an argument, as a str.
fn choose_encoding(t: &mut Thread, v: Value) -> Res<Obj> {
    match given_some(t, v) {
        Some(e) => match Str::of(e.value()) {
            Some(s) if s.is("locale") => Ok(Str::intern(t, LOCALE)),
            Some(s) if s.as_bytes().contains(&0) => Err(t.value_error("embedded null character")),
            Some(s) if wtf8::has_surrogates(s.as_bytes()) => {
                Err(support::surrogates_error(t, e.value(), false))
            }
            Some(_) => Ok(e),
            None => {
                let got = type_of(e.value()).name();
                Err(t.type_error(format!(
                    "TextIOWrapper() argument 'encoding' must be str or None, not {got}"
                )))
            }
        },
        None => {
            super::warn_default_encoding(t, 1)?;
            let name = if super::utf8_mode(t)? {
                "utf-8"
            } else {
                LOCALE
            };
            Ok(Str::intern(t, name))
        }
    }
}

fn choose_errors(t: &mut Thread, v: Value) -> Res<Obj> {
    match given_some(t, v) {
        Some(e) if Str::of(e.value()).is_some_and(|s| s.as_bytes().contains(&0)) => {
            Err(t.value_error("embedded null character"))
        }
        Some(e) if Str::of(e.value()).is_some() => Ok(e),
        Some(e) => {
            let got = type_of(e.value()).name();
            Err(t.type_error(format!(
                "TextIOWrapper() argument 'errors' must be str or None, not {got}"
            )))
        }
        None => Ok(Str::intern(t, "strict")),
    }
}

/// Sets up encoding and decoding.
fn set_codec(t: &mut Thread, w: &TextIo, encoding: Obj, errors_name: Obj) -> Res<()> {
    let text = |o: &Obj| Str::of(o.value()).map_or_else(String::new, |s| s.to_string_lossy());
    let (name, handling) = (text(&encoding), text(&errors_name));
    let native = Encoding::parse(&name)
        .filter(|e| matches!(e, Encoding::Utf8 | Encoding::Latin1 | Encoding::Ascii));
    // `namereplace` needs a table of names, which the codecs module has.
    let handler = Errors::parse(&handling).filter(|h| *h != Errors::NameReplace);
    let (mut decoder, mut encoder) = (Value::NULL, Value::NULL);
    if native.is_none() || handler.is_none() {
        let codecs = runtime::import(t, "codecs")?;
        let info = proto::call_method(t, codecs.value(), "lookup", &[encoding.value()])?;
        let is_text =
            proto::get_attr_opt(t, info.value(), weft_objects::id!(t, "_is_text_encoding"))?;
        if let Some(is_text) = is_text
            && !proto::truth(t, is_text.value())?
        {
            let msg = format!(
                "'{name}' is not a text encoding; use codecs.open() to handle arbitrary codecs"
            );
            return Err(t.raise(&errors::LOOKUP_ERROR, msg));
        }
        let (readable, writable, mode) =
            (w.state().readable, w.state().writable, w.state().newline);
        if readable {
            let d = proto::call_method(
                t,
                info.value(),
                "incrementaldecoder",
                &[errors_name.value()],
            )?;
            decoder = if mode.is_universal() {
                let translate = Value::bool(mode == Newline::Universal);
                let ty = newline::INCREMENTAL_NEWLINE_DECODER.value();
                proto::call(t, ty, &[d.value(), translate])?.into()
            } else {
                d.into()
            };
        }
        if writable {
            encoder = match proto::call_method(
                t,
                info.value(),
                "incrementalencoder",
                &[errors_name.value()],
            ) {
                Ok(e) => e.into(),
                Err(e) => {
                    t.drop_value(to_heap(decoder));
                    return Err(e);
                }
            };
        }
    }
    let whole = native.is_some() && handler.is_some();
    w.decoder.set(t, &w.base.header, decoder);
    w.encoder.set(t, &w.base.header, encoder);
    w.encoding.set(t, &w.base.header, encoding.into());
    w.errors.set(t, &w.base.header, errors_name.into());
    let s = w.state();
    s.native = native.filter(|_| whole);
    s.handler = handler.filter(|_| whole);
    Ok(())
}

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new(
        "TextIOWrapper",
        "(buffer, encoding=None, errors=None, newline=None, line_buffering=False, write_through=False)",
    );
    let a = SIG.bind(t, args)?;
    let w = this(v);
    // Others may be using it: nothing keeps a program from setting it up twice.
    w.holding(t, |t| set_up(t, w, &a))
}

/// With the lock.
fn set_up(t: &mut Thread, w: &TextIo, a: &[Value]) -> Res<()> {
    w.shown.phase.store(0, Relaxed);
    let newline = parse_newline(t, a[3])?;
    let line_buffering = support::truth_or(t, a[4], false)?;
    let write_through = support::truth_or(t, a[5], false)?;
    let encoding = choose_encoding(t, a[1])?;
    let errors_name = choose_errors(t, a[2])?;
    let (readable, writable) = (ask(t, a[0], "readable")?, ask(t, a[0], "writable")?);
    let seekable = ask(t, a[0], "seekable")?;
    let native_buffer = buffered::exact(a[0]).is_some();
    let read1 =
        native_buffer || proto::get_attr_opt(t, a[0], weft_objects::id!(t, "read1"))?.is_some();
    *w.state() = State {
        newline,
        readable,
        writable,
        seekable,
        telling: seekable,
        has_read1: read1,
        ..State::default()
    };
    let shown = &w.shown;
    shown.line_buffering.store(line_buffering, Relaxed);
    shown.write_through.store(write_through, Relaxed);
    shown.chunk_size.store(CHUNK, Relaxed);
    shown.seen.store(0, Relaxed);
    set_codec(t, w, encoding, errors_name)?;
    w.buffer.set(t, &w.base.header, Obj::new(t, a[0]).into());
    fix_encoder(t, w)?;
    shown.phase.store(READY, Relaxed);
    Ok(())
}

/// Tells the encoder of a stream that has a beginning already that it has.
fn fix_encoder(t: &mut Thread, w: &TextIo) -> Res<()> {
    if !w.state().seekable || w.encoder.get().is_null() {
        return Ok(());
    }
    let buffer = w.buffer(t)?;
    let at = proto::call_method(t, buffer.value(), "tell", &[])?;
    if proto::truth(t, at.value())? {
        reset_encoder(t, w, false)?;
    }
    Ok(())
}

/// Tells the encoder whether the start of the stream (where a byte order mark may be) comes next.
pub(super) fn reset_encoder(t: &mut Thread, w: &TextIo, at_start: bool) -> Res<()> {
    let Some(e) = own(t, &w.encoder) else {
        return Ok(());
    };
    if at_start {
        proto::call_method(t, e.value(), "reset", &[]).map(drop)
    } else {
        proto::call_method(t, e.value(), "setstate", &[Value::int(0)]).map(drop)
    }
}

// --- methods ---

fn write_method(t: &mut Thread, a: &[Value]) -> Res {
    let Some(text) = Str::of(a[1]) else {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!("write() argument must be str, not {got}")));
    };
    let w = this(a[0]);
    w.locked(t, |t| w.write(t, text))?;
    Ok(Value::int(text.len() as i64))
}

fn flush_method(t: &mut Thread, a: &[Value]) -> Res {
    let w = this(a[0]);
    w.locked(t, |t| {
        w.check_open(t)?;
        w.flush_all(t)
    })?;
    Ok(Value::NONE)
}

fn close(t: &mut Thread, a: &[Value]) -> Res {
    let w = this(a[0]);
    w.check_ready(t)?;
    if flag(t, a[0], "closed")? {
        return Ok(Value::NONE);
    }
    // Asking may have detached it.
    let Some(buffer) = own(t, &w.buffer) else {
        return Ok(Value::NONE);
    };
    if w.base.finalizing.load(Relaxed)
        && proto::call_method(t, buffer.value(), "_dealloc_warn", &[a[0]]).is_err()
    {
        t.clear_exc();
    }
    let flushed = proto::call_method(t, a[0], "flush", &[]).map(drop);
    both(t, flushed, |t| {
        proto::call_method(t, buffer.value(), "close", &[]).map(drop)
    })?;
    Ok(Value::NONE)
}

fn detach(t: &mut Thread, a: &[Value]) -> Res {
    let w = this(a[0]);
    w.locked(t, |t| {
        proto::call_method(t, a[0], "flush", &[])?;
        let buffer = w.buffer(t)?;
        w.shown.phase.store(DETACHED, Relaxed);
        w.buffer.set(t, &w.base.header, Value::NULL);
        Ok(buffer.into())
    })
}

fn reconfigure(t: &mut Thread, a: &[Value]) -> Res {
    let w = this(a[0]);
    w.locked(t, |t| set_up_anew(t, w, a))
}

/// With the lock.
fn set_up_anew(t: &mut Thread, w: &TextIo, a: &[Value]) -> Res {
    let recode = given_some(t, a[1]).is_some() || given_some(t, a[2]).is_some() || !a[3].is_null();
    if recode && (!w.state().text.is_empty() || w.state().snapshot.is_some()) {
        let msg =
            "It is not possible to set the encoding or newline of stream after the first read";
        return Err(unsupported(t, msg));
    }
    let newline = if a[3].is_null() {
        w.state().newline
    } else {
        parse_newline(t, a[3])?
    };
    let line_buffering = if given_some(t, a[4]).is_none() {
        w.shown.line_buffering.load(Relaxed)
    } else {
        proto::truth(t, a[4])?
    };
    let write_through = if given_some(t, a[5]).is_none() {
        w.shown.write_through.load(Relaxed)
    } else {
        proto::truth(t, a[5])?
    };
    proto::call_method(t, a[0], "flush", &[])?;
    if recode {
        w.state().newline = newline;
        let encoding = match given_some(t, a[1]) {
            Some(_) => choose_encoding(t, a[1])?,
            None => own(t, &w.encoding).unwrap_or_else(|| Str::intern(t, "utf-8")),
        };
        let errors_name = match (given_some(t, a[2]), given_some(t, a[1])) {
            (Some(_), _) => choose_errors(t, a[2])?,
            (None, Some(_)) => Str::intern(t, "strict"),
            (None, None) => own(t, &w.errors).unwrap_or_else(|| Str::intern(t, "strict")),
        };
        set_codec(t, w, encoding, errors_name)?;
        fix_encoder(t, w)?;
    }
    w.state().newline = newline;
    w.shown.line_buffering.store(line_buffering, Relaxed);
    w.shown.write_through.store(write_through, Relaxed);
    Ok(Value::NONE)
}

fn of_buffer(t: &mut Thread, v: Value, name: &str) -> Res {
    let w = this(v);
    w.check_ready(t)?;
    let buffer = w.buffer(t)?;
    proto::call_method(t, buffer.value(), name, &[]).map(Obj::into_value)
}

fn buffer_attr(t: &mut Thread, v: Value, name: &str) -> Res {
    let w = this(v);
    w.check_ready(t)?;
    let buffer = w.buffer(t)?;
    let name = weft_objects::names::get(t, name);
    proto::get_attr(t, buffer.value(), name).map(Obj::into_value)
}

fn get_newlines(t: &mut Thread, v: Value) -> Res {
    let w = this(v);
    w.check_ready(t)?;
    if let Some(d) = own(t, &w.decoder) {
        return Ok(
            match proto::get_attr_opt(t, d.value(), weft_objects::id!(t, "newlines"))? {
                Some(n) => n.into(),
                None => Value::NONE,
            },
        );
    }
    Ok(newline::newlines(t, w.shown.seen.load(Relaxed)))
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let w = this(v);
    if w.shown.phase.load(Relaxed) == 0 {
        return Err(t.value_error("I/O operation on uninitialized object"));
    }
    let mut more = String::new();
    if let Some(mode) = proto::get_attr_opt(t, v, weft_objects::id!(t, "mode"))? {
        let r = proto::repr(t, mode.value())?;
        more += &format!(
            " mode={}",
            Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy())
        );
    }
    let encoding = own(t, &w.encoding).unwrap_or_else(support::none);
    let r = proto::repr(t, encoding.value())?;
    more += &format!(
        " encoding={}",
        Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy())
    );
    buffered::named_repr(t, v, &more)
}

fn set_chunk_size(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    if new.is_null() {
        return Err(t.raise(
            &errors::ATTRIBUTE_ERROR,
            "_CHUNK_SIZE attribute cannot be deleted",
        ));
    }
    let n = match proto::index_i64(t, new) {
        Err(_) if t.exc_matches(&errors::OVERFLOW_ERROR) => {
            t.clear_exc();
            0
        }
        n => n?,
    };
    if n <= 0 {
        return Err(t.value_error("a strictly positive integer is required"));
    }
    let w = this(v);
    w.locked(t, |_| {
        w.shown.chunk_size.store(n as usize, Relaxed);
        Ok(())
    })
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this layout.
    unsafe {
        super::base::traverse_base(h, f);
        let w = &*(h as *const TextIo);
        for s in [&w.buffer, &w.encoding, &w.errors, &w.decoder, &w.encoder] {
            f(s.get());
        }
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this layout.
    unsafe {
        let w = &*(h as *const TextIo);
        drop(w.state.take());
        for s in [&w.buffer, &w.encoding, &w.errors, &w.decoder, &w.encoder] {
            t.drop_value(s.take());
        }
        super::base::clear_base(h, t);
    }
}

unsafe fn has_finalizer(h: *const Header) -> bool {
    // SAFETY: an object of this layout.
    unsafe { (*(h as *const TextIo)).shown.phase.load(Relaxed) == READY }
}

/// `_io.TextIOWrapper`
pub static TEXT_IO_WRAPPER: Type = Type::builtin(
    "TextIOWrapper",
    size_of::<TextIo>(),
    &Spec {
        new: Some(new),
        init: Some(init),
        repr: Some(repr),
        finalize: Some(finalize),
        iter_next: Some(super::text_read::next_line),
        methods: &[
            NativeDef::new("write", "($self, text, /)", write_method),
            NativeDef::new("read", "($self, size=-1, /)", super::text_read::read),
            NativeDef::new("readline", "($self, size=-1, /)", super::text_read::readline),
            NativeDef::new("tell", "($self, /)", super::text_position::tell),
            NativeDef::new("seek", "($self, cookie, whence=0, /)", super::text_position::seek),
            NativeDef::new("truncate", "($self, pos=None, /)", super::text_position::truncate),
            NativeDef::new("flush", "($self, /)", flush_method),
            NativeDef::new("close", "($self, /)", close),
            NativeDef::new("detach", "($self, /)", detach),
            NativeDef::new(
                "reconfigure",
                "($self, /, *, encoding=None, errors=None, newline=None, line_buffering=None, write_through=None)",
                reconfigure,
            ),
            NativeDef::new("fileno", "($self, /)", |t, a| of_buffer(t, a[0], "fileno")),
            NativeDef::new("isatty", "($self, /)", |t, a| of_buffer(t, a[0], "isatty")),
            NativeDef::new("readable", "($self, /)", |t, a| of_buffer(t, a[0], "readable")),
            NativeDef::new("writable", "($self, /)", |t, a| of_buffer(t, a[0], "writable")),
            NativeDef::new("seekable", "($self, /)", |t, a| of_buffer(t, a[0], "seekable")),
            NativeDef::new("__getstate__", "($self, /)", no_pickle),
        ],
        getset: &[
            GetSetDef::ro("buffer", |t, v| Ok(or_none(t, this(v).buffer.get()))),
            GetSetDef::ro("encoding", |t, v| Ok(or_none(t, this(v).encoding.get()))),
            GetSetDef::ro("errors", |t, v| Ok(or_none(t, this(v).errors.get()))),
            GetSetDef::ro("newlines", get_newlines),
            GetSetDef::ro("line_buffering", |_, v| Ok(Value::bool(this(v).shown.line_buffering.load(Relaxed)))),
            GetSetDef::ro("write_through", |_, v| Ok(Value::bool(this(v).shown.write_through.load(Relaxed)))),
            GetSetDef::ro("name", |t, v| buffer_attr(t, v, "name")),
            GetSetDef::ro("closed", |t, v| buffer_attr(t, v, "closed")),
            super::base::FINALIZING,
            GetSetDef::rw("_CHUNK_SIZE", |_, v| Ok(Value::int(this(v).shown.chunk_size.load(Relaxed) as i64)), set_chunk_size),
        ],
        ..Spec::EMPTY
    },
)
.base(&TEXT_IO_BASE)
.module("_io")
.gc(traverse, clear)
.finalizer(has_finalizer)
.doc("Character and line based layer over a BufferedIOBase object, buffer.");
