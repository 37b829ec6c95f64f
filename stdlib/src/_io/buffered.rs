//! `BufferedReader`, `BufferedWriter` and `BufferedRandom`: bytes between the program and a raw stream.
//!
//! One layout serves all three. What has been read ahead and what is still to be written are never there both: reading writes out
//! first, writing moves the raw position back first (as `_pyio` does it).

use super::base::{BUFFERED_IO_BASE, IoBase, finalize};
use super::fileio::{self, no_pickle};
use super::{DEFAULT_BUFFER_SIZE, ask, both, flag, offset_arg, size_arg, unsupported};
use crate::support::{self, Count, Guarded};
use crate::wait::OwnedLock;
use weft_objects::bytearray::ByteArray;
use weft_objects::bytes::Bytes;
use weft_objects::cell::own;
use weft_objects::int;
use weft_objects::memory;
use weft_objects::prelude::*;
use weft_objects::runtime;
use weft_objects::types::alloc_instance;

const READER: u64 = 1;
const WRITER: u64 = 2;
const DETACHED: u64 = 4;

/// A buffered stream.
#[repr(C)]
pub struct Buffered {
    base: IoBase,
    raw: Slot,
    lock: OwnedLock,
    /// READER, WRITER or both, once it is initialised; DETACHED.
    flags: Count,
    size: Count,
    state: Guarded<State>,
}

/// Touched by the holder of the lock alone, and never across a call.
#[derive(Default)]
struct State {
    /// What has been read from the raw stream; the program has had what is before `pos`.
    ahead: Vec<u8>,
    pos: usize,
    /// What has still to be written.
    behind: Vec<u8>,
}

impl State {
    fn left(&self) -> &[u8] {
        &self.ahead[self.pos.min(self.ahead.len())..]
    }
    fn take(&mut self, n: usize) -> &[u8] {
        let start = self.pos.min(self.ahead.len());
        let end = (start + n).min(self.ahead.len());
        self.pos = end;
        &self.ahead[start..end]
    }
    fn forget(&mut self) {
        self.ahead.clear();
        self.pos = 0;
    }
}

/// The buffered stream, if `v` is one of these types itself.
#[inline]
pub fn exact<'a>(v: Value) -> Option<&'a Buffered> {
    if !v.is_ptr() {
        return None;
    }
    let ty = type_of(v);
    (ty.is(&BUFFERED_WRITER) || ty.is(&BUFFERED_READER) || ty.is(&BUFFERED_RANDOM)).then(|| this(v))
}

fn this<'a>(v: Value) -> &'a Buffered {
    // SAFETY: slots and methods of the three types get their instances alone.
    unsafe { &*(v.ptr() as *const Buffered) }
}

impl Buffered {
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    fn state(&self) -> &mut State {
        // SAFETY: made at initialisation; the caller has the lock, and lets go of the state before it calls anything that can
        // come back here.
        unsafe { self.state.peek().unwrap_unchecked() }
    }

    fn value(&self) -> Value {
        self.base.header.value()
    }

    /// Runs `f` with the lock. A second call from within, as a signal handler may make it, is an error.
    #[inline]
    fn locked<R>(&self, t: &mut Thread, f: impl FnOnce(&mut Thread) -> Res<R>) -> Res<R> {
        self.check_ready(t)?;
        if self.lock.is_mine() {
            let r = proto::repr(t, self.value())?;
            let r = Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy());
            return Err(t.runtime_error(format!("reentrant call inside {r}")));
        }
        self.lock.lock(t, self.base.header.is_local(t))?;
        let r = f(t);
        self.lock.unlock(self.base.header.is_local(t));
        r
    }

    #[inline]
    fn check_ready(&self, t: &mut Thread) -> Res<()> {
        let flags = self.flags.get();
        if flags & (READER | WRITER) == 0 || flags & DETACHED != 0 {
            let msg = if flags & DETACHED != 0 {
                "raw stream has been detached"
            } else {
                "I/O operation on uninitialized object"
            };
            return Err(t.value_error(msg));
        }
        Ok(())
    }

    fn raw(&self, t: &mut Thread) -> Res<Obj> {
        self.check_ready(t)?;
        match own(t, &self.raw) {
            Some(raw) => Ok(raw),
            None => Err(t.value_error("raw stream has been detached")),
        }
    }

    /// The `closed` attribute.
    pub fn is_closed(&self, t: &mut Thread) -> Res<bool> {
        let raw = self.raw(t)?;
        if let Some(f) = fileio::exact(raw.value()) {
            return Ok(f.fd() < 0);
        }
        flag(t, raw.value(), "closed")
    }

    #[inline]
    fn check_open(&self, t: &mut Thread, what: &str) -> Res<()> {
        if self.is_closed(t)? {
            return Err(t.value_error(format!("{what} of closed file")));
        }
        Ok(())
    }

    // --- the raw stream; called with the lock ---

    /// Reads once from the raw stream, to the end of `out`. `None`: would block.
    fn raw_read(&self, t: &mut Thread, out: &mut Vec<u8>, n: usize) -> Res<Option<usize>> {
        let raw = self.raw(t)?;
        if let Some(f) = fileio::exact(raw.value()) {
            return f.read_some(t, out, n);
        }
        let room = memory::zeroed(t, n)?;
        let buffer = ByteArray::new(t, room);
        let r = proto::call_method(t, raw.value(), "readinto", &[buffer.value()])?;
        if r.value().is_none() {
            return Ok(None);
        }
        let got = match proto::index_i64(t, r.value()) {
            Ok(got) => got,
            Err(_) => {
                let cause = t.take_exc();
                let e = t.raise(&errors::OS_ERROR, "raw readinto() failed");
                if let (Some(cause), Some(exc)) = (cause, errors::Exception::of(t.exc.get())) {
                    exc.set_cause(t, Some(cause));
                }
                return Err(e);
            }
        };
        if got < 0 || got as usize > n {
            let msg = format!(
                "raw readinto() returned invalid length {got} (should have been between 0 and {n})"
            );
            return Err(t.raise(&errors::OS_ERROR, msg));
        }
        ByteArray::this(buffer.value()).with(t, |b| {
            memory::append(t, out, &b[..(got as usize).min(b.len())])
        })?;
        Ok(Some(got as usize))
    }

    fn raw_write(&self, t: &mut Thread, bytes: &[u8]) -> Res<Option<usize>> {
        let raw = self.raw(t)?;
        if let Some(f) = fileio::exact(raw.value()) {
            return f.write_some(t, bytes);
        }
        let b = Bytes::new(t, bytes);
        let r = proto::call_method(t, raw.value(), "write", &[b.value()])?;
        if r.value().is_none() {
            return Ok(None);
        }
        let n = proto::index_i64(t, r.value())?;
        if n < 0 || n as usize > bytes.len() {
            let most = bytes.len();
            let msg = format!(
                "raw write() returned invalid length {n} (should have been between 0 and {most})"
            );
            return Err(t.raise(&errors::OS_ERROR, msg));
        }
        Ok(Some(n as usize))
    }

    fn raw_seek(&self, t: &mut Thread, offset: i64, whence: i32) -> Res<i64> {
        let raw = self.raw(t)?;
        if let Some(f) = fileio::exact(raw.value()) {
            return f.seek_to(t, offset, whence);
        }
        let offset = Obj::own(int::from_i64(t, offset));
        let r = proto::call_method(
            t,
            raw.value(),
            "seek",
            &[offset.value(), Value::int(whence as i64)],
        )?;
        self.position(t, &r, "seek")
    }

    fn raw_tell(&self, t: &mut Thread) -> Res<i64> {
        let raw = self.raw(t)?;
        if let Some(f) = fileio::exact(raw.value()) {
            return f.seek_to(t, 0, libc::SEEK_CUR);
        }
        let r = proto::call_method(t, raw.value(), "tell", &[])?;
        self.position(t, &r, "tell")
    }

    fn position(&self, t: &mut Thread, r: &Obj, what: &str) -> Res<i64> {
        let n = proto::index_i64(t, r.value())?;
        if n < 0 {
            return Err(t.raise(
                &errors::OS_ERROR,
                format!("Raw stream returned invalid position {n} from {what}()"),
            ));
        }
        Ok(n)
    }

    // --- writing out and going back; called with the lock ---

    /// Writes out what is behind.
    fn write_out(&self, t: &mut Thread) -> Res<()> {
        if self.state().behind.is_empty() {
            return Ok(());
        }
        // Out of the state while the raw stream runs; what is left goes back.
        let mut bytes = std::mem::take(&mut self.state().behind);
        let mut done = 0;
        let r = self.write_all(t, &bytes, &mut done, 0);
        bytes.drain(..done);
        if !self.state().behind.is_empty() {
            bytes.append(&mut self.state().behind);
        }
        self.state().behind = bytes;
        r
    }

    /// Writes until no more than `rest` bytes are left. `done` counts those that are written.
    fn write_all(&self, t: &mut Thread, bytes: &[u8], done: &mut usize, rest: usize) -> Res<()> {
        while bytes.len() - *done > rest {
            let Some(n) = self.raw_write(t, &bytes[*done..])? else {
                let msg = "write could not complete without blocking";
                return Err(blocking_error(t, msg, 0));
            };
            *done += n;
            if *done < bytes.len() {
                // A signal may be why it was not all.
                runtime::check_signals(t)?;
            }
        }
        Ok(())
    }

    /// Before reading: nothing is behind. Before writing: nothing is ahead.
    fn turn_to_reading(&self, t: &mut Thread) -> Res<()> {
        if self.flags.get() & WRITER != 0 {
            self.write_out(t)
        } else {
            Ok(())
        }
    }

    fn turn_to_writing(&self, t: &mut Thread) -> Res<()> {
        let left = self.state().left().len() as i64;
        if left > 0 {
            self.raw_seek(t, -left, libc::SEEK_CUR)?;
        }
        self.state().forget();
        Ok(())
    }

    /// Reads once if nothing is ahead. `None`: would block; else how much is ahead.
    fn fill(&self, t: &mut Thread) -> Res<Option<usize>> {
        let n = self.state().left().len();
        if n > 0 {
            return Ok(Some(n));
        }
        let mut buffer = std::mem::take(&mut self.state().ahead);
        buffer.clear();
        let r = self.raw_read(t, &mut buffer, self.size.get() as usize);
        let s = self.state();
        s.ahead = buffer;
        s.pos = 0;
        r
    }

    // --- reading; called with the lock ---

    fn read_exactly(&self, t: &mut Thread, n: usize) -> Res<Option<Vec<u8>>> {
        let size = self.size.get() as usize;
        let mut out = self.state().take(n).to_vec();
        while out.len() < n {
            let want = n - out.len();
            let got = if want >= size {
                let whole = want / size * size;
                self.raw_read(t, &mut out, whole)?
            } else {
                let got = self.fill(t)?;
                out.extend_from_slice(self.state().take(want));
                got
            };
            match got {
                Some(0) => break,
                Some(_) => {}
                None if out.is_empty() => return Ok(None),
                None => break,
            }
            if out.len() < n {
                runtime::check_signals(t)?;
            }
        }
        Ok(Some(out))
    }

    fn read_to_end(&self, t: &mut Thread) -> Res<Option<Vec<u8>>> {
        let mut out = self.state().take(usize::MAX >> 1).to_vec();
        self.state().forget();
        let raw = self.raw(t)?;
        if let Some(readall) = proto::get_attr_opt(t, raw.value(), weft_objects::id!(t, "readall"))?
        {
            let r = proto::call(t, readall.value(), &[])?;
            if r.value().is_none() {
                return Ok((!out.is_empty()).then_some(out));
            }
            let Some(more) = Bytes::of(r.value()) else {
                return Err(t.type_error("readall() should return bytes".into()));
            };
            memory::append(t, &mut out, more.as_slice())?;
            return Ok(Some(out));
        }
        loop {
            let r = proto::call_method(t, raw.value(), "read", &[])?;
            if r.value().is_none() {
                return Ok((!out.is_empty()).then_some(out));
            }
            let Some(more) = Bytes::of(r.value()) else {
                return Err(t.type_error("read() should return bytes".into()));
            };
            if more.is_empty() {
                return Ok(Some(out));
            }
            memory::append(t, &mut out, more.as_slice())?;
        }
    }

    /// As `read1`: at most one read of the raw stream.
    pub fn read_once(&self, t: &mut Thread, n: usize) -> Res<Vec<u8>> {
        self.check_open(t, "read")?;
        self.locked(t, |t| {
            self.turn_to_reading(t)?;
            if self.state().left().is_empty() {
                let mut out = Vec::new();
                self.state().forget();
                self.raw_read(t, &mut out, n)?;
                return Ok(out);
            }
            Ok(self.state().take(n).to_vec())
        })
    }

    /// As `readinto1`: what is ahead, and one read of the raw stream if there is nothing or much room is left.
    fn read_ahead_or_once(&self, t: &mut Thread, n: usize) -> Res<Vec<u8>> {
        self.turn_to_reading(t)?;
        let mut out = self.state().take(n).to_vec();
        let left = n - out.len();
        if left > self.size.get() as usize {
            self.state().forget();
            self.raw_read(t, &mut out, left)?;
        } else if out.is_empty() && left > 0 {
            self.fill(t)?;
            out.extend_from_slice(self.state().take(left));
        }
        Ok(out)
    }

    fn read_line(&self, t: &mut Thread, limit: isize) -> Res<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let left = self.state().left();
            let most = if limit < 0 {
                left.len()
            } else {
                left.len().min(limit as usize - line.len())
            };
            let (n, end) = match weft_objects::text::search::find(&left[..most], b"\n") {
                Some(i) => (i + 1, true),
                None => (most, false),
            };
            memory::append(t, &mut line, self.state().take(n))?;
            if end || (limit >= 0 && line.len() >= limit as usize) {
                return Ok(line);
            }
            match self.fill(t)? {
                Some(0) | None => return Ok(line),
                Some(_) => {}
            }
        }
    }

    // --- writing; called without the lock ---

    /// As `write`.
    pub fn write_bytes(&self, t: &mut Thread, bytes: &[u8]) -> Res<usize> {
        self.check_ready(t)?;
        self.check_open(t, "write")?;
        self.locked(t, |t| {
            // It may have been closed while we waited.
            self.check_open(t, "write")?;
            self.turn_to_writing(t)?;
            let size = self.size.get() as usize;
            let s = self.state();
            if s.behind.len() + bytes.len() <= size {
                s.behind.extend_from_slice(bytes);
                return Ok(bytes.len());
            }
            self.write_large(t, bytes, size)
        })
    }

    fn write_large(&self, t: &mut Thread, bytes: &[u8], size: usize) -> Res<usize> {
        let mut done = 0;
        let r = self
            .write_out(t)
            .and_then(|()| self.write_all(t, bytes, &mut done, size));
        let rest = &bytes[done..];
        match r {
            Ok(()) => {
                self.state().behind.extend_from_slice(rest);
                Ok(bytes.len())
            }
            Err(e) if !t.exc_matches(&errors::BLOCKING_IO_ERROR) => Err(e),
            Err(_) => {
                // Keeps as much as there is room for, and says how much is lost.
                let s = self.state();
                let room = size.saturating_sub(s.behind.len()).min(rest.len());
                s.behind.extend_from_slice(&rest[..room]);
                t.clear_exc();
                if room == rest.len() {
                    return Ok(bytes.len());
                }
                let msg = "write could not complete without blocking";
                Err(blocking_error(t, msg, done + room))
            }
        }
    }

    /// As `flush`.
    pub fn flush(&self, t: &mut Thread) -> Res<()> {
        self.check_open(t, "flush")?;
        if self.flags.get() & WRITER == 0 {
            return Ok(());
        }
        self.locked(t, |t| self.flush_locked(t))
    }

    fn flush_locked(&self, t: &mut Thread) -> Res<()> {
        self.write_out(t)?;
        if self.flags.get() & (READER | WRITER) == READER | WRITER {
            self.turn_to_writing(t)?;
        }
        Ok(())
    }
}

#[cold]
fn blocking_error(t: &mut Thread, msg: &str, written: usize) -> Raised {
    let msg = Str::new(t, msg);
    let args = [
        Value::int(libc::EAGAIN as i64),
        msg.value(),
        Value::int(written as i64),
    ];
    match proto::call(t, errors::BLOCKING_IO_ERROR.value(), &args) {
        Ok(exc) => t.raise_value(exc),
        Err(e) => e,
    }
}

// --- methods ---

fn new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    let p = alloc_instance(t, Type::of_unchecked(cls));
    // SAFETY: a new object of this layout.
    unsafe { (*(p as *const Buffered)).state.init(State::default()) };
    Ok(Value::from_ptr(p))
}

const ARGUMENTS: &str = "(raw, buffer_size=DEFAULT_BUFFER_SIZE)";

fn init(t: &mut Thread, v: Value, args: Args<'_>, flags: u64) -> Res<()> {
    static READER_SIG: SigCell = SigCell::new("BufferedReader", ARGUMENTS);
    static WRITER_SIG: SigCell = SigCell::new("BufferedWriter", ARGUMENTS);
    static RANDOM_SIG: SigCell = SigCell::new("BufferedRandom", ARGUMENTS);
    let sig = match flags {
        READER => &READER_SIG,
        WRITER => &WRITER_SIG,
        _ => &RANDOM_SIG,
    };
    let a = sig.bind(t, args)?;
    let b = this(v);
    b.flags.set(0);
    if flags == READER | WRITER && !ask(t, a[0], "seekable")? {
        return Err(unsupported(t, "File or stream is not seekable."));
    }
    if flags & READER != 0 && !ask(t, a[0], "readable")? {
        return Err(unsupported(t, "File or stream is not readable."));
    }
    if flags & WRITER != 0 && !ask(t, a[0], "writable")? {
        return Err(unsupported(t, "File or stream is not writable."));
    }
    let size = if a[1].is_null() {
        DEFAULT_BUFFER_SIZE as i64
    } else {
        proto::index_i64(t, a[1])?
    };
    if size <= 0 {
        return Err(t.value_error("buffer size must be strictly positive"));
    }
    // Others may be using it: nothing keeps a program from setting it up twice.
    b.lock.lock(t, b.base.header.is_local(t))?;
    b.size.set(size as u64);
    let s = b.state();
    s.forget();
    s.behind.clear();
    b.raw.set(t, &b.base.header, Obj::new(t, a[0]).into());
    b.flags.set(flags);
    b.lock.unlock(b.base.header.is_local(t));
    Ok(())
}

fn bytes_or_none(t: &Thread, v: Option<Vec<u8>>) -> Value {
    v.map_or(Value::NONE, |v| Bytes::from_vec(t, v).into())
}

fn read(t: &mut Thread, a: &[Value]) -> Res {
    let b = this(a[0]);
    b.check_ready(t)?;
    let n = size_arg(t, a[1])?;
    if n < -1 {
        return Err(t.value_error("read length must be non-negative or -1"));
    }
    b.check_open(t, "read")?;
    let out = b.locked(t, |t| {
        b.turn_to_reading(t)?;
        if n < 0 {
            b.read_to_end(t)
        } else {
            b.read_exactly(t, n as usize)
        }
    })?;
    Ok(bytes_or_none(t, out))
}

fn read1(t: &mut Thread, a: &[Value]) -> Res {
    let b = this(a[0]);
    b.check_ready(t)?;
    let n = size_arg(t, a[1])?;
    let n = if n < 0 {
        b.size.get() as usize
    } else {
        n as usize
    };
    b.check_open(t, "read")?;
    if n == 0 {
        return Ok(Bytes::new(t, b"").into());
    }
    let out = b.read_once(t, n)?;
    Ok(Bytes::from_vec(t, out).into())
}

fn peek(t: &mut Thread, a: &[Value]) -> Res {
    let b = this(a[0]);
    b.check_open(t, "peek")?;
    let out = b.locked(t, |t| {
        b.turn_to_reading(t)?;
        b.fill(t)?;
        Ok(b.state().left().to_vec())
    })?;
    Ok(Bytes::from_vec(t, out).into())
}

fn read_into(t: &mut Thread, a: &[Value], once: bool) -> Res {
    let b = this(a[0]);
    b.check_ready(t)?;
    let mut view = weft_objects::buffer::get_writable(
        t,
        a[1],
        if once { "readinto1" } else { "readinto" },
        0,
    )?;
    b.check_open(t, "readinto")?;
    let n = view.len;
    let out = if once {
        Some(b.locked(t, |t| b.read_ahead_or_once(t, n))?)
    } else {
        b.locked(t, |t| {
            b.turn_to_reading(t)?;
            b.read_exactly(t, n)
        })?
    };
    Ok(match out {
        None => Value::NONE,
        Some(out) => {
            view.write(t, 0, &out);
            Value::int(out.len() as i64)
        }
    })
}

fn readline(t: &mut Thread, a: &[Value]) -> Res {
    let b = this(a[0]);
    b.check_ready(t)?;
    let limit = size_arg(t, a[1])?;
    b.check_open(t, "readline")?;
    let line = b.locked(t, |t| {
        b.turn_to_reading(t)?;
        b.read_line(t, limit)
    })?;
    Ok(Bytes::from_vec(t, line).into())
}

fn next_line(t: &mut Thread, v: Value) -> Res {
    if exact(v).is_none() {
        let line = proto::call_method(t, v, "readline", &[])?;
        if super::expect_bytes(t, &line, "readline()").is_ok_and(|l| l.is_empty()) {
            return Ok(Value::NULL);
        }
        return if t.has_exc() {
            Err(Raised::new_unchecked())
        } else {
            Ok(line.into())
        };
    }
    let line = Obj::own(readline(t, &[v, Value::NULL])?);
    Ok(if Bytes::of(line.value()).is_some_and(|l| l.is_empty()) {
        Value::NULL
    } else {
        line.into()
    })
}

fn write(t: &mut Thread, a: &[Value]) -> Res {
    let b = this(a[0]);
    b.check_ready(t)?;
    let view = super::bytes_arg(t, a[1])?;
    let n = b.write_bytes(t, view.as_bytes())?;
    Ok(Value::int(n as i64))
}

fn flush_method(t: &mut Thread, a: &[Value]) -> Res {
    let b = this(a[0]);
    b.check_ready(t)?;
    b.flush(t)?;
    // Writers leave the raw stream to itself: it has to be flushed by its own `close`, which they call with their lock held.
    if b.flags.get() & WRITER != 0 || fileio::exact(b.raw.get()).is_some() {
        return Ok(Value::NONE);
    }
    let raw = b.raw(t)?;
    proto::call_method(t, raw.value(), "flush", &[])?;
    Ok(Value::NONE)
}

fn seek(t: &mut Thread, a: &[Value]) -> Res {
    let b = this(a[0]);
    b.check_ready(t)?;
    let whence = support::c_int_or(t, a[2], 0)?;
    if !(0..=4).contains(&whence) || (whence > 2 && whence != SEEK_DATA && whence != SEEK_HOLE) {
        return Err(t.value_error(format!("whence value {whence} unsupported")));
    }
    b.check_open(t, "seek")?;
    let raw = b.raw(t)?;
    if fileio::exact(raw.value()).is_none() && !ask(t, raw.value(), "seekable")? {
        return Err(unsupported(t, "File or stream is not seekable."));
    }
    let offset = offset_arg(t, a[1])?;
    let at = b.locked(t, |t| {
        b.write_out(t)?;
        let left = b.state().left().len() as i64;
        if b.flags.get() & READER != 0 && whence < 2 && left > 0 {
            // Often it is not far.
            let now = (b.raw_tell(t)? - left).max(0);
            let target = if whence == 0 { offset } else { now + offset };
            let s = b.state();
            let pos = s.pos as i64 + (target - now);
            if (0..=s.ahead.len() as i64).contains(&pos) {
                s.pos = pos as usize;
                return Ok(target);
            }
        }
        let offset = if whence == 1 { offset - left } else { offset };
        let at = b.raw_seek(t, offset, whence)?;
        b.state().forget();
        Ok(at)
    })?;
    Ok(int::from_i64(t, at))
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
const SEEK_DATA: i32 = libc::SEEK_DATA;
#[cfg(any(target_os = "linux", target_os = "macos"))]
const SEEK_HOLE: i32 = libc::SEEK_HOLE;
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
const SEEK_DATA: i32 = -1;
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
const SEEK_HOLE: i32 = -1;

/// The position that the program sees.
fn tell(t: &mut Thread, a: &[Value]) -> Res {
    let b = this(a[0]);
    b.check_open(t, "tell")?;
    let at = b.locked(t, |t| {
        let at = b.raw_tell(t)?;
        let s = b.state();
        Ok((at + s.behind.len() as i64 - s.left().len() as i64).max(0))
    })?;
    Ok(int::from_i64(t, at))
}

fn truncate(t: &mut Thread, a: &[Value]) -> Res {
    let b = this(a[0]);
    b.check_ready(t)?;
    if b.flags.get() & WRITER == 0 {
        return Err(unsupported(t, "truncate"));
    }
    b.check_open(t, "truncate")?;
    let (given, absent) = (a[1], a[1].is_null() || a[1].is_none());
    b.locked(t, |t| {
        b.flush_locked(t)?;
        let raw = b.raw(t)?;
        let at = if absent {
            b.raw_tell(t).map(|at| int::from_i64(t, at))?
        } else {
            given
        };
        let at = Obj::new(t, at);
        proto::call_method(t, raw.value(), "truncate", &[at.value()])
    })
    .map(Obj::into_value)
}

fn close(t: &mut Thread, a: &[Value]) -> Res {
    let b = this(a[0]);
    b.check_ready(t)?;
    let raw = b.raw(t)?;
    if flag(t, a[0], "closed")? {
        return Ok(Value::NONE);
    }
    if b.base.finalizing.load(std::sync::atomic::Ordering::Relaxed)
        && proto::call_method(t, raw.value(), "_dealloc_warn", &[a[0]]).is_err()
    {
        t.clear_exc();
    }
    let flushed = proto::call_method(t, a[0], "flush", &[]).map(drop);
    both(t, flushed, |t| {
        b.locked(t, |t| {
            proto::call_method(t, raw.value(), "close", &[]).map(drop)
        })
    })?;
    // What could not be written is lost.
    b.locked(t, |_| {
        b.state().behind = Vec::new();
        b.state().ahead = Vec::new();
        b.state().pos = 0;
        Ok(())
    })?;
    Ok(Value::NONE)
}

fn detach(t: &mut Thread, a: &[Value]) -> Res {
    let b = this(a[0]);
    let raw = b.raw(t)?;
    proto::call_method(t, a[0], "flush", &[])?;
    b.flags.set(b.flags.get() | DETACHED);
    b.raw.set(t, &b.base.header, Value::NULL);
    Ok(raw.into())
}

/// A method that the raw stream answers.
fn of_raw(t: &mut Thread, v: Value, name: &str) -> Res {
    let b = this(v);
    let raw = b.raw(t)?;
    proto::call_method(t, raw.value(), name, &[]).map(Obj::into_value)
}

fn raw_attr(t: &mut Thread, v: Value, name: &str) -> Res {
    let b = this(v);
    let raw = b.raw(t)?;
    let name = weft_objects::names::get(t, name);
    proto::get_attr(t, raw.value(), name).map(Obj::into_value)
}

fn dealloc_warn(t: &mut Thread, a: &[Value]) -> Res {
    let b = this(a[0]);
    if let Some(raw) = own(t, &b.raw)
        && proto::call_method(t, raw.value(), "_dealloc_warn", &[a[1]]).is_err()
    {
        t.clear_exc();
    }
    Ok(Value::NONE)
}

/// `<class name='x'>` of a stream that has a name, or not.
pub fn named_repr(t: &mut Thread, v: Value, more: &str) -> Res {
    let ty = type_of(v).full_name(t);
    let name = match proto::get_attr_opt(t, v, weft_objects::id!(t, "name")) {
        Ok(n) => n,
        Err(e) if !t.exc_matches(&errors::VALUE_ERROR) => return Err(e),
        Err(_) => {
            t.clear_exc();
            None
        }
    };
    let Some(name) = name else {
        return Ok(Str::from_string(t, format!("<{ty}{more}>")).into());
    };
    let Some(_guard) = t.repr_enter(v) else {
        return Err(t.runtime_error(format!("reentrant call inside {ty}.__repr__")));
    };
    let r = proto::repr(t, name.value())?;
    let r = Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy());
    Ok(Str::from_string(t, format!("<{ty} name={r}{more}>")).into())
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this layout.
    unsafe {
        super::base::traverse_base(h, f);
        f((*(h as *const Buffered)).raw.get());
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this layout.
    unsafe {
        let b = &*(h as *const Buffered);
        drop(b.state.take());
        t.drop_value(b.raw.take_local());
        super::base::clear_base(h, t);
    }
}

unsafe fn has_finalizer(h: *const Header) -> bool {
    // SAFETY: an object of this layout.
    let b = unsafe { &*(h as *const Buffered) };
    b.flags.get() & (READER | WRITER) != 0 && b.flags.get() & DETACHED == 0
}

const GETSET: &[GetSetDef] = &[
    super::base::FINALIZING,
    GetSetDef::ro("raw", |t, v| {
        Ok(weft_objects::cell::or_none(t, this(v).raw.get()))
    }),
    GetSetDef::ro("closed", |t, v| this(v).is_closed(t).map(Value::bool)),
    GetSetDef::ro("name", |t, v| raw_attr(t, v, "name")),
    GetSetDef::ro("mode", |t, v| raw_attr(t, v, "mode")),
];

macro_rules! method {
    ($name:literal) => {
        NativeDef::new($name, "($self, /)", |t, a| of_raw(t, a[0], $name))
    };
}

macro_rules! buffered {
    ($ty:ident, $name:literal, $flags:expr, $iter_next:expr, [$($method:expr),* $(,)?], $doc:literal) => {
        #[doc = concat!("`_io.", $name, "`")]
        pub static $ty: Type = Type::builtin(
            $name,
            size_of::<Buffered>(),
            &Spec {
                new: Some(new),
                init: Some(|t, v, args| init(t, v, args, $flags)),
                repr: Some(|t, v| named_repr(t, v, "")),
                finalize: Some(finalize),
                iter_next: $iter_next,
                methods: &[
                    $($method,)*
                    method!("seekable"),
                    method!("fileno"),
                    method!("isatty"),
                    NativeDef::new("flush", "($self, /)", flush_method),
                    NativeDef::new("close", "($self, /)", close),
                    NativeDef::new("detach", "($self, /)", detach),
                    NativeDef::new("seek", "($self, target, whence=0, /)", seek),
                    NativeDef::new("tell", "($self, /)", tell),
                    NativeDef::new("truncate", "($self, pos=None, /)", truncate),
                    NativeDef::new("_dealloc_warn", "($self, source, /)", dealloc_warn),
                    NativeDef::new("__getstate__", "($self, /)", no_pickle),
                ],
                getset: GETSET,
                ..Spec::EMPTY
            },
        )
        .base(&BUFFERED_IO_BASE)
        .module("_io")
        .gc(traverse, clear)
        .finalizer(has_finalizer)
        .doc($doc)
        .signature("(raw, buffer_size=DEFAULT_BUFFER_SIZE)");
    };
}

buffered!(
    BUFFERED_READER,
    "BufferedReader",
    READER,
    Some(next_line),
    [
        NativeDef::new("read", "($self, size=-1, /)", read),
        NativeDef::new("read1", "($self, size=-1, /)", read1),
        NativeDef::new("readinto", "($self, buffer, /)", |t, a| read_into(
            t, a, false
        )),
        NativeDef::new("readinto1", "($self, buffer, /)", |t, a| read_into(
            t, a, true
        )),
        NativeDef::new("peek", "($self, size=0, /)", peek),
        NativeDef::new("readline", "($self, size=-1, /)", readline),
        method!("readable"),
    ],
    "Create a new buffered reader using the given readable raw IO object."
);

buffered!(
    BUFFERED_WRITER,
    "BufferedWriter",
    WRITER,
    None,
    [
        NativeDef::new("write", "($self, buffer, /)", write),
        method!("writable")
    ],
    "A buffer for a writeable sequential RawIO object."
);

buffered!(
    BUFFERED_RANDOM,
    "BufferedRandom",
    READER | WRITER,
    Some(next_line),
    [
        NativeDef::new("read", "($self, size=-1, /)", read),
        NativeDef::new("read1", "($self, size=-1, /)", read1),
        NativeDef::new("readinto", "($self, buffer, /)", |t, a| read_into(
            t, a, false
        )),
        NativeDef::new("readinto1", "($self, buffer, /)", |t, a| read_into(
            t, a, true
        )),
        NativeDef::new("peek", "($self, size=0, /)", peek),
        NativeDef::new("readline", "($self, size=-1, /)", readline),
        NativeDef::new("write", "($self, buffer, /)", write),
        method!("readable"),
        method!("writable"),
    ],
    "A buffered interface to random access streams."
);
