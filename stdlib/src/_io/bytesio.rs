//! `BytesIO`: a binary stream in memory.

use super::base::{BUFFERED_IO_BASE, IoBase, finalize};
use super::{offset_arg, size_arg};
use crate::support::{self, Guarded, given};
use weft_gc::{Locked, lock};
use weft_objects::buffer::Buffer;
use weft_objects::bytes::Bytes;
use weft_objects::cell::{fresh, own};
use weft_objects::gc_slots;
use weft_objects::int;
use weft_objects::prelude::*;
use weft_objects::types::alloc_instance;

#[repr(C)]
struct BytesIo {
    base: IoBase,
    state: Guarded<State>,
}

#[derive(Default)]
struct State {
    data: Vec<u8>,
    pos: usize,
    closed: bool,
    /// Views that are held.
    exports: usize,
}

fn this<'a>(v: Value) -> &'a BytesIo {
    // SAFETY: slots and methods of BYTES_IO get its instances alone.
    unsafe { &*(v.ptr() as *const BytesIo) }
}

impl BytesIo {
    fn lock<'t>(&'t self, t: &'t Thread) -> Locked<'t> {
        lock(t, &self.base.header)
    }

    /// Runs `f` under the lock; ValueError if the stream is closed.
    #[inline]
    fn with<R>(&self, t: &Thread, f: impl FnOnce(&mut State) -> R) -> Res<R> {
        let guard = self.lock(t);
        let s = self.state.get(&guard);
        if s.closed {
            drop(guard);
            return Err(t.value_error("I/O operation on closed file."));
        }
        Ok(f(s))
    }

    /// As [`BytesIo::with`], for what may change the size: BufferError while there are views.
    fn resizing<R>(&self, t: &Thread, f: impl FnOnce(&mut State) -> R) -> Res<R> {
        let r = self.with(t, |s| if s.exports > 0 { None } else { Some(f(s)) })?;
        match r {
            Some(r) => Ok(r),
            None => Err(t.raise(
                &errors::BUFFER_ERROR,
                "Existing exports of data: object cannot be re-sized",
            )),
        }
    }
}

impl State {
    fn left(&self) -> &[u8] {
        self.data.get(self.pos..).unwrap_or(&[])
    }
    fn take(&mut self, n: usize) -> &[u8] {
        let start = self.pos.min(self.data.len());
        let end = start.saturating_add(n).min(self.data.len());
        if end > start {
            self.pos = end;
        }
        &self.data[start..end]
    }
    fn line(&self, limit: isize) -> usize {
        let left = self.left();
        let most = if limit < 0 {
            left.len()
        } else {
            left.len().min(limit as usize)
        };
        weft_objects::text::search::find(&left[..most], b"\n").map_or(most, |i| i + 1)
    }
    fn write(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.pos > self.data.len() {
            self.data.resize(self.pos, 0);
        }
        let over = (self.data.len() - self.pos).min(bytes.len());
        self.data[self.pos..self.pos + over].copy_from_slice(&bytes[..over]);
        self.data.extend_from_slice(&bytes[over..]);
        self.pos += bytes.len();
    }
}

fn new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    Ok(Value::from_ptr(alloc_instance(t, Type::of_unchecked(cls))))
}

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new("BytesIO", "(initial_bytes=b'')");
    let a = SIG.bind(t, args)?;
    let data = match given(t, a[0]) {
        Some(b) if !b.value().is_none() => super::bytes_arg(t, b.value())?.to_vec(),
        _ => Vec::new(),
    };
    let b = this(v);
    let free = {
        let guard = b.lock(t);
        b.state.get(&guard).exports == 0
    };
    if !free {
        return Err(t.raise(
            &errors::BUFFER_ERROR,
            "Existing exports of data: object cannot be re-sized",
        ));
    }
    let guard = b.lock(t);
    *b.state.get(&guard) = State {
        data,
        ..State::default()
    };
    Ok(())
}

fn read(t: &mut Thread, a: &[Value]) -> Res {
    let n = size_arg(t, a[1])?;
    let n = if n < 0 { usize::MAX } else { n as usize };
    let t = &*t;
    Ok(this(a[0]).with(t, |s| Bytes::new(t, s.take(n)))?.into())
}

fn readline(t: &mut Thread, a: &[Value]) -> Res {
    let limit = size_arg(t, a[1])?;
    let t = &*t;
    let line = this(a[0]).with(t, |s| {
        let n = s.line(limit);
        Bytes::new(t, s.take(n))
    })?;
    Ok(line.into())
}

fn next_line(t: &mut Thread, v: Value) -> Res {
    let line = Obj::own(readline(t, &[v, Value::NULL])?);
    Ok(if Bytes::of(line.value()).is_some_and(|l| l.is_empty()) {
        Value::NULL
    } else {
        line.into()
    })
}

fn readlines(t: &mut Thread, a: &[Value]) -> Res {
    let hint = size_arg(t, a[1])?;
    let t = &*t;
    let lines = this(a[0]).with(t, |s| {
        let (mut lines, mut total) = (Vec::new(), 0);
        loop {
            let n = s.line(-1);
            if n == 0 {
                return lines;
            }
            lines.push(Bytes::new(t, s.take(n)));
            total += n as isize;
            if hint > 0 && total >= hint {
                return lines;
            }
        }
    })?;
    Ok(List::from_vec(t, lines).into())
}

fn readinto(t: &mut Thread, a: &[Value]) -> Res {
    this(a[0]).with(t, |_| ())?;
    let mut view = weft_objects::buffer::get_writable(t, a[1], "readinto", 0)?;
    let n = view.len;
    // A copy first: the view's lock is another one.
    let got = this(a[0]).with(t, |s| s.take(n).to_vec())?;
    view.write(t, 0, &got);
    Ok(Value::int(got.len() as i64))
}

fn write(t: &mut Thread, a: &[Value]) -> Res {
    if let Some(b) = Bytes::exact(a[1]) {
        // Runs no Python, and the caller holds it.
        let (b, n) = (b.as_slice(), b.len());
        let fits = this(a[0]).resizing(t, |s| {
            let end = s.pos.checked_add(n);
            let fits = end.is_some_and(|end| room(&mut s.data, end));
            if fits {
                s.write(b);
            }
            fits
        })?;
        return if fits {
            Ok(Value::int(n as i64))
        } else {
            Err(t.memory_error())
        };
    }
    this(a[0]).with(t, |_| ())?;
    let view = super::bytes_arg(t, a[1])?;
    let n = view.len;
    let fits = this(a[0]).resizing(t, |s| {
        let fits = s
            .pos
            .checked_add(n)
            .is_some_and(|end| room(&mut s.data, end));
        if fits {
            s.write(view.as_bytes());
        }
        fits
    })?;
    if !fits {
        return Err(t.memory_error());
    }
    Ok(Value::int(n as i64))
}

/// Whether there is memory for that many bytes.
fn room(data: &mut Vec<u8>, end: usize) -> bool {
    let more = end.saturating_sub(data.len());
    end < isize::MAX as usize && data.try_reserve(more).is_ok()
}

fn writelines(t: &mut Thread, a: &[Value]) -> Res {
    this(a[0]).with(t, |_| ())?;
    let it = proto::iter(t, a[1])?;
    while let Some(line) = proto::next(t, it.value())? {
        write(t, &[a[0], line.value()])?;
    }
    Ok(Value::NONE)
}

fn seek(t: &mut Thread, a: &[Value]) -> Res {
    let offset = offset_arg(t, a[1])?;
    let whence = support::c_int_or(t, a[2], 0)?;
    if whence == 0 && offset < 0 {
        return Err(t.value_error(format!("negative seek value {offset}")));
    }
    if !(0..=2).contains(&whence) {
        return Err(t.value_error(format!("invalid whence ({whence}, should be 0, 1 or 2)")));
    }
    let at = this(a[0]).with(t, |s| {
        let from = [0, s.pos as i64, s.data.len() as i64][whence as usize];
        s.pos = from.saturating_add(offset).max(0) as usize;
        s.pos
    })?;
    Ok(int::from_i64(t, at as i64))
}

fn tell(t: &mut Thread, a: &[Value]) -> Res {
    let at = this(a[0]).with(t, |s| s.pos)?;
    Ok(int::from_i64(t, at as i64))
}

fn truncate(t: &mut Thread, a: &[Value]) -> Res {
    let size = if a[1].is_null() || a[1].is_none() {
        None
    } else {
        Some(size_arg(t, a[1])?)
    };
    if let Some(n) = size
        && n < 0
    {
        return Err(t.value_error(format!("negative size value {n}")));
    }
    let n = this(a[0]).resizing(t, |s| {
        let n = size.map_or(s.pos, |n| n as usize);
        s.data.truncate(n);
        n
    })?;
    Ok(int::from_i64(t, n as i64))
}

fn getvalue(t: &mut Thread, a: &[Value]) -> Res {
    let t = &*t;
    Ok(this(a[0]).with(t, |s| Bytes::new(t, &s.data))?.into())
}

fn close(t: &mut Thread, a: &[Value]) -> Res {
    let b = this(a[0]);
    let guard = b.lock(t);
    let s = b.state.get(&guard);
    if s.exports > 0 {
        drop(guard);
        return Err(t.raise(
            &errors::BUFFER_ERROR,
            "Existing exports of data: object cannot be re-sized",
        ));
    }
    s.data = Vec::new();
    s.closed = true;
    Ok(Value::NONE)
}

fn get_closed(t: &mut Thread, v: Value) -> Res {
    let b = this(v);
    let guard = b.lock(t);
    Ok(Value::bool(b.state.get(&guard).closed))
}

fn getstate(t: &mut Thread, a: &[Value]) -> Res {
    let value = Obj::own(getvalue(t, a)?);
    let pos = Obj::own(tell(t, a)?);
    let dict = match own(t, &this(a[0]).base.dict) {
        Some(d) => Dict::of(d.value()).map_or_else(support::none, |d| d.copy(t)),
        None => support::none(),
    };
    Ok(Tuple::from_vec(t, vec![value, pos, dict]).into())
}

fn setstate(t: &mut Thread, a: &[Value]) -> Res {
    let Some(state) = Tuple::of(a[1]).filter(|s| s.len() >= 3) else {
        let (ty, got) = (type_of(a[0]).full_name(t), type_of(a[1]).name());
        return Err(t.type_error(format!(
            "{ty}.__setstate__ argument should be 3-tuple, got {got}"
        )));
    };
    let [data, pos, dict] = [0, 1, 2].map(|i| Obj::new(t, state.get(i)));
    let data = super::bytes_arg(t, data.value())?.to_vec();
    if !weft_objects::int::is_int(pos.value()) {
        let got = type_of(pos.value()).name();
        return Err(t.type_error(format!(
            "second item of state must be an integer, not {got}"
        )));
    }
    let pos = proto::index_i64(t, pos.value())?;
    if pos < 0 {
        return Err(t.value_error("position value cannot be negative"));
    }
    super::base::check_state_dict(t, &dict, "third")?;
    this(a[0]).resizing(t, |s| {
        s.data = data;
        s.pos = pos as usize;
    })?;
    if let Some(more) = Dict::of(dict.value())
        && let Some(own) = weft_objects::instance::get_dict(t, a[0])
        && let Some(own) = Dict::of(own.value())
    {
        own.merge_from(t, more)?;
    }
    Ok(Value::NONE)
}

// --- views ---

/// What a view of a BytesIO refers to.
#[repr(C)]
struct Exporter {
    header: Header,
    source: Slot,
}

gc_slots!(Exporter, traverse_exporter, clear_exporter, source);

fn getbuffer(t: &mut Thread, a: &[Value]) -> Res {
    this(a[0]).with(t, |_| ())?;
    // SAFETY: the layout of BYTES_IO_BUFFER.
    let (o, e) = unsafe { fresh::<Exporter>(t, &BYTES_IO_BUFFER) };
    e.source.init(t, &e.header, Obj::new(t, a[0]).into());
    Ok(weft_objects::memoryview::from_object(t, o.value())?.into())
}

fn export(t: &mut Thread, v: Value, _writable: bool) -> Res<Buffer> {
    // SAFETY: the slot of BYTES_IO_BUFFER gets its instances alone.
    let e = unsafe { &*(v.ptr() as *const Exporter) };
    let Some(source) = own(t, &e.source) else {
        return Err(t.value_error("I/O operation on closed file."));
    };
    let (p, n) = this(source.value()).with(t, |s| {
        s.exports += 1;
        (s.data.as_mut_ptr(), s.data.len())
    })?;
    Ok(Buffer::new(Obj::new(t, v), p, n, false, Some(release)))
}

fn release(h: &Header) {
    // SAFETY: called with the exporter of a view.
    let e = unsafe { &*(h as *const Header as *const Exporter) };
    let source = e.source.get();
    if let Some(t) = Thread::try_current()
        && !source.is_null()
    {
        let b = this(source);
        let guard = b.lock(t);
        let s = b.state.get(&guard);
        s.exports = s.exports.saturating_sub(1);
    }
}

/// `_io._BytesIOBuffer`
pub static BYTES_IO_BUFFER: Type = Type::builtin(
    "_BytesIOBuffer",
    size_of::<Exporter>(),
    &Spec {
        buffer: Some(export),
        ..Spec::EMPTY
    },
)
.module("_io")
.gc(traverse_exporter, clear_exporter)
.final_()
.no_new();

/// What it says of itself while it is open.
fn yes(t: &mut Thread, a: &[Value]) -> Res {
    this(a[0]).with(t, |_| Value::TRUE)
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this layout.
    unsafe {
        drop((*(h as *const BytesIo)).state.take());
        super::base::clear_base(h, t);
    }
}

unsafe fn has_finalizer(h: *const Header) -> bool {
    // SAFETY: an object. Closing a plain BytesIO would do nothing that its death does not do.
    unsafe { !std::ptr::eq((*h).ty(), &BYTES_IO.head) }
}

/// `_io.BytesIO`
pub static BYTES_IO: Type = Type::builtin(
    "BytesIO",
    size_of::<BytesIo>(),
    &Spec {
        new: Some(new),
        init: Some(init),
        iter_next: Some(next_line),
        finalize: Some(finalize),
        methods: &[
            NativeDef::new("read", "($self, size=-1, /)", read),
            NativeDef::new("read1", "($self, size=-1, /)", read),
            NativeDef::new("readline", "($self, size=-1, /)", readline),
            NativeDef::new("readlines", "($self, size=None, /)", readlines),
            NativeDef::new("readinto", "($self, buffer, /)", readinto),
            NativeDef::new("write", "($self, b, /)", write),
            NativeDef::new("writelines", "($self, lines, /)", writelines),
            NativeDef::new("seek", "($self, pos, whence=0, /)", seek),
            NativeDef::new("tell", "($self, /)", tell),
            NativeDef::new("truncate", "($self, size=None, /)", truncate),
            NativeDef::new("getvalue", "($self, /)", getvalue),
            NativeDef::new("getbuffer", "($self, /)", getbuffer),
            NativeDef::new("close", "($self, /)", close),
            NativeDef::new("flush", "($self, /)", |t, a| {
                this(a[0]).with(t, |_| Value::NONE)
            }),
            NativeDef::new("isatty", "($self, /)", |t, a| {
                this(a[0]).with(t, |_| Value::FALSE)
            }),
            NativeDef::new("readable", "($self, /)", yes),
            NativeDef::new("writable", "($self, /)", yes),
            NativeDef::new("seekable", "($self, /)", yes),
            NativeDef::new("__getstate__", "($self, /)", getstate),
            NativeDef::new("__setstate__", "($self, state, /)", setstate),
        ],
        getset: &[GetSetDef::ro("closed", get_closed)],
        ..Spec::EMPTY
    },
)
.base(&BUFFERED_IO_BASE)
.module("_io")
.gc(super::base::traverse_base, clear)
.finalizer(has_finalizer)
.doc("Buffered I/O implementation using an in-memory bytes buffer.");
