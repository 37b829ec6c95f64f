//! `_IOBase` and the three classes that derive from it: what all streams have in common.

use super::{ask, flag, size_arg, unsupported};
use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, Ordering::*};
use weft_objects::bytearray::ByteArray;
use weft_objects::bytes::Bytes;
use weft_objects::gc_slots;
use weft_objects::iter::iter_self;
use weft_objects::memory;
use weft_objects::prelude::*;
use weft_objects::runtime;
use weft_objects::types::alloc_instance;

/// What every stream begins with.
#[repr(C)]
pub struct IoBase {
    pub header: Header,
    /// The instance's attributes.
    pub dict: Slot,
    /// `close` of this class has been called.
    closed: AtomicBool,
    /// The finalizer is closing it.
    pub finalizing: AtomicBool,
}

gc_slots!(IoBase, traverse, clear, dict);

/// # Safety
/// A stream that nobody changes meanwhile.
pub unsafe fn traverse_base(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: the caller's promise.
    unsafe { traverse(h, f) }
}

/// # Safety
/// A dying stream.
pub unsafe fn clear_base(h: *mut Header, t: &Thread) {
    // SAFETY: the caller's promise.
    unsafe { clear(h, t) }
}

pub fn base<'a>(v: Value) -> &'a IoBase {
    // SAFETY: all classes here begin with this layout.
    unsafe { &*(v.ptr() as *const IoBase) }
}

/// `__new__` of the classes without one of their own.
pub fn base_new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    Ok(Value::from_ptr(alloc_instance(t, Type::of_unchecked(cls))))
}

unsafe fn has_finalizer(_h: *const Header) -> bool {
    true
}

/// Closes a stream that is being destroyed.
pub fn finalize(t: &mut Thread, v: Value) -> Res<()> {
    let closed = match proto::get_attr(t, v, weft_objects::id!(t, "closed")) {
        Ok(c) => proto::truth(t, c.value()).unwrap_or(false),
        Err(_) => {
            // Not even initialised, or worse.
            t.clear_exc();
            return Ok(());
        }
    };
    t.clear_exc();
    if closed {
        return Ok(());
    }
    base(v).finalizing.store(true, Relaxed);
    if proto::call_method(t, v, "close", &[]).is_err() {
        if runtime::is_finalizing() {
            t.clear_exc();
        } else {
            runtime::unraisable(t, "Exception ignored while finalizing file", Some(v));
        }
    }
    Ok(())
}

/// Refuses attributes in a pickled state that are no dict.
pub fn check_state_dict(t: &Thread, dict: &Obj, which: &str) -> Res<()> {
    if dict.value().is_none() || Dict::of(dict.value()).is_some() {
        return Ok(());
    }
    let got = type_of(dict.value()).name();
    Err(t.type_error(format!(
        "{which} item of state should be a dict, got a {got}"
    )))
}

fn set_finalizing(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    if new.is_null() {
        return Err(t.type_error("can't delete numeric/char attribute".into()));
    }
    if !new.is_bool() {
        return Err(t.type_error("attribute value type must be bool".into()));
    }
    base(v).finalizing.store(new == Value::TRUE, Relaxed);
    Ok(())
}

/// The attribute that says that the finalizer is closing the stream.
pub const FINALIZING: GetSetDef = GetSetDef::rw(
    "_finalizing",
    |_, v| Ok(Value::bool(base(v).finalizing.load(Relaxed))),
    set_finalizing,
);

// --- _IOBase ---

#[cold]
pub fn closed_error(t: &mut Thread) -> Raised {
    t.value_error("I/O operation on closed file.")
}

pub fn check_closed(t: &mut Thread, v: Value) -> Res<()> {
    if flag(t, v, "closed")? {
        Err(closed_error(t))
    } else {
        Ok(())
    }
}

fn check(t: &mut Thread, v: Value, method: &str, what: &str) -> Res {
    if ask(t, v, method)? {
        return Ok(Value::TRUE);
    }
    Err(unsupported(t, &format!("File or stream is not {what}.")))
}

fn io_close(t: &mut Thread, a: &[Value]) -> Res {
    let b = base(a[0]);
    if b.closed.load(Acquire) {
        return Ok(Value::NONE);
    }
    let flushed = proto::call_method(t, a[0], "flush", &[]);
    b.closed.store(true, Release);
    flushed?;
    Ok(Value::NONE)
}

fn io_flush(t: &mut Thread, a: &[Value]) -> Res {
    if base(a[0]).closed.load(Acquire) {
        return Err(closed_error(t));
    }
    Ok(Value::NONE)
}

fn io_enter(t: &mut Thread, a: &[Value]) -> Res {
    check_closed(t, a[0])?;
    Ok(Obj::new(t, a[0]).into())
}

fn io_exit(t: &mut Thread, a: &[Value]) -> Res {
    proto::call_method(t, a[0], "close", &[]).map(Obj::into_value)
}

fn io_tell(t: &mut Thread, a: &[Value]) -> Res {
    proto::call_method(t, a[0], "seek", &[Value::int(0), Value::int(1)]).map(Obj::into_value)
}

fn io_isatty(t: &mut Thread, a: &[Value]) -> Res {
    check_closed(t, a[0])?;
    Ok(Value::FALSE)
}

/// `readline` by way of `read`, and of `peek` if there is one.
fn io_readline(t: &mut Thread, a: &[Value]) -> Res {
    let limit = size_arg(t, a[1])?;
    let peek = proto::get_attr_opt(t, a[0], weft_objects::id!(t, "peek"))?;
    let mut line: Vec<u8> = Vec::new();
    while limit < 0 || (line.len() as isize) < limit {
        let mut ahead = 1;
        if let Some(peek) = &peek {
            let seen = proto::call(t, peek.value(), &[Value::int(1)])?;
            let Some(seen) = Bytes::of(seen.value()) else {
                let got = type_of(seen.value()).name();
                return Err(t.raise(
                    &errors::OS_ERROR,
                    format!("peek() should have returned a bytes object, not '{got}'"),
                ));
            };
            let seen = seen.as_slice();
            if !seen.is_empty() {
                let most = if limit < 0 {
                    seen.len()
                } else {
                    seen.len().min(limit as usize - line.len())
                };
                ahead = seen[..most]
                    .iter()
                    .position(|b| *b == b'\n')
                    .map_or(most, |i| i + 1);
            }
        }
        let got = proto::call_method(t, a[0], "read", &[Value::int(ahead as i64)])?;
        let Some(bytes) = Bytes::of(got.value()) else {
            let got = type_of(got.value()).name();
            return Err(t.raise(
                &errors::OS_ERROR,
                format!("read() should have returned a bytes object, not '{got}'"),
            ));
        };
        if bytes.is_empty() {
            break;
        }
        line.extend_from_slice(bytes.as_slice());
        if line.ends_with(b"\n") {
            break;
        }
    }
    Ok(Bytes::from_vec(t, line).into())
}

fn io_next(t: &mut Thread, v: Value) -> Res {
    let line = proto::call_method(t, v, "readline", &[])?;
    if proto::len(t, line.value())? == 0 {
        return Ok(Value::NULL);
    }
    Ok(line.into())
}

fn io_iter(t: &mut Thread, v: Value) -> Res {
    check_closed(t, v)?;
    iter_self(t, v)
}

fn io_readlines(t: &mut Thread, a: &[Value]) -> Res {
    let hint = size_arg(t, a[1])?;
    let lines = List::new(t);
    let list = List::of_obj(&lines);
    let mut n = 0;
    let it = proto::iter(t, a[0])?;
    while let Some(line) = proto::next(t, it.value())? {
        let len = proto::len(t, line.value())?;
        list.push(t, line.into());
        n += len as isize;
        if hint > 0 && n >= hint {
            break;
        }
    }
    Ok(lines.into())
}

fn io_writelines(t: &mut Thread, a: &[Value]) -> Res {
    check_closed(t, a[0])?;
    let it = proto::iter(t, a[1])?;
    while let Some(line) = proto::next(t, it.value())? {
        proto::call_method(t, a[0], "write", &[line.value()])?;
    }
    Ok(Value::NONE)
}

/// `_io._IOBase`
pub static IO_BASE: Type = Type::builtin(
    "_IOBase",
    size_of::<IoBase>(),
    &Spec {
        new: Some(base_new),
        finalize: Some(finalize),
        iter: Some(io_iter),
        iter_next: Some(io_next),
        methods: &[
            NativeDef::new("seek", "($self, offset, whence=0, /)", |t, _| {
                Err(unsupported(t, "seek"))
            }),
            NativeDef::new("tell", "($self, /)", io_tell),
            NativeDef::new("truncate", "($self, size=None, /)", |t, _| {
                Err(unsupported(t, "truncate"))
            }),
            NativeDef::new("flush", "($self, /)", io_flush),
            NativeDef::new("close", "($self, /)", io_close),
            NativeDef::new("seekable", "($self, /)", |_, _| Ok(Value::FALSE)),
            NativeDef::new("readable", "($self, /)", |_, _| Ok(Value::FALSE)),
            NativeDef::new("writable", "($self, /)", |_, _| Ok(Value::FALSE)),
            NativeDef::new("_checkClosed", "($self, /, *args)", |t, a| {
                check_closed(t, a[0]).map(|()| Value::NONE)
            }),
            NativeDef::new("_checkSeekable", "($self, /, *args)", |t, a| {
                check(t, a[0], "seekable", "seekable")
            }),
            NativeDef::new("_checkReadable", "($self, /, *args)", |t, a| {
                check(t, a[0], "readable", "readable")
            }),
            NativeDef::new("_checkWritable", "($self, /, *args)", |t, a| {
                check(t, a[0], "writable", "writable")
            }),
            NativeDef::new("fileno", "($self, /)", |t, _| Err(unsupported(t, "fileno"))),
            NativeDef::new("isatty", "($self, /)", io_isatty),
            NativeDef::new("__enter__", "($self, /)", io_enter),
            NativeDef::new("__exit__", "($self, /, *args)", io_exit),
            NativeDef::new("readline", "($self, size=-1, /)", io_readline),
            NativeDef::new("readlines", "($self, hint=-1, /)", io_readlines),
            NativeDef::new("writelines", "($self, lines, /)", io_writelines),
        ],
        getset: &[
            GetSetDef::ro("closed", |_, v| {
                Ok(Value::bool(base(v).closed.load(Acquire)))
            }),
            GetSetDef::rw(
                "__dict__",
                weft_objects::descr::get_dict,
                weft_objects::descr::set_dict,
            ),
        ],
        ..Spec::EMPTY
    },
)
.module("_io")
.gc(traverse, clear)
.dict_at(offset_of!(IoBase, dict))
.finalizer(has_finalizer)
.doc("The abstract base class for all I/O classes.");

// --- _RawIOBase ---

fn raw_read(t: &mut Thread, a: &[Value]) -> Res {
    let n = size_arg(t, a[1])?;
    if n < 0 {
        return proto::call_method(t, a[0], "readall", &[]).map(Obj::into_value);
    }
    let room = memory::zeroed(t, n as usize)?;
    let buffer = ByteArray::new(t, room);
    let r = proto::call_method(t, a[0], "readinto", &[buffer.value()])?;
    if r.value().is_none() {
        return Ok(Value::NONE);
    }
    let got = proto::index_i64(t, r.value())?;
    if got < 0 || got as isize > n {
        return Err(t.value_error(format!("readinto returned {got} outside buffer size {n}")));
    }
    let mut bytes = ByteArray::this(buffer.value()).to_vec(t);
    bytes.truncate(got as usize);
    Ok(Bytes::from_vec(t, bytes).into())
}

fn raw_readall(t: &mut Thread, a: &[Value]) -> Res {
    let mut all: Vec<u8> = Vec::new();
    let mut any = false;
    loop {
        let r = proto::call_method(
            t,
            a[0],
            "read",
            &[Value::int(super::DEFAULT_BUFFER_SIZE as i64)],
        )?;
        if r.value().is_none() {
            if !any {
                return Ok(Value::NONE);
            }
            break;
        }
        let Some(bytes) = Bytes::of(r.value()) else {
            return Err(t.type_error("read() should return bytes".into()));
        };
        if bytes.is_empty() {
            break;
        }
        any = true;
        all.extend_from_slice(bytes.as_slice());
    }
    Ok(Bytes::from_vec(t, all).into())
}

/// `_io._RawIOBase`
pub static RAW_IO_BASE: Type = Type::builtin(
    "_RawIOBase",
    size_of::<IoBase>(),
    &Spec {
        methods: &[
            NativeDef::new("read", "($self, size=-1, /)", raw_read),
            NativeDef::new("readall", "($self, /)", raw_readall)
                .doc("Read until EOF, using multiple read() call."),
        ],
        ..Spec::EMPTY
    },
)
.base(&IO_BASE)
.module("_io")
.gc(traverse, clear)
.finalizer(has_finalizer)
.doc("Base class for raw binary I/O.");

// --- _BufferedIOBase ---

fn into_buffer(t: &mut Thread, a: &[Value], method: &str) -> Res {
    let mut b = weft_objects::buffer::get_writable(t, a[1], method, 0)?;
    let name = if method == "readinto1" {
        "read1"
    } else {
        "read"
    };
    let got = proto::call_method(t, a[0], name, &[Value::int(b.len as i64)])?;
    let bytes = super::expect_bytes(t, &got, &format!("{name}()"))?;
    if bytes.len() > b.len {
        let (want, n) = (b.len, bytes.len());
        return Err(t.value_error(format!(
            "{name}() returned too much data: {want} bytes requested, {n} returned"
        )));
    }
    b.write(t, 0, bytes);
    Ok(Value::int(bytes.len() as i64))
}

/// `_io._BufferedIOBase`
pub static BUFFERED_IO_BASE: Type = Type::builtin(
    "_BufferedIOBase",
    size_of::<IoBase>(),
    &Spec {
        methods: &[
            NativeDef::new("detach", "($self, /)", |t, _| Err(unsupported(t, "detach"))),
            NativeDef::new("read", "($self, size=-1, /)", |t, _| {
                Err(unsupported(t, "read"))
            }),
            NativeDef::new("read1", "($self, size=-1, /)", |t, _| {
                Err(unsupported(t, "read1"))
            }),
            NativeDef::new("readinto", "($self, buffer, /)", |t, a| {
                into_buffer(t, a, "readinto")
            }),
            NativeDef::new("readinto1", "($self, buffer, /)", |t, a| {
                into_buffer(t, a, "readinto1")
            }),
            NativeDef::new("write", "($self, b, /)", |t, _| {
                Err(unsupported(t, "write"))
            }),
        ],
        ..Spec::EMPTY
    },
)
.base(&IO_BASE)
.module("_io")
.gc(traverse, clear)
.finalizer(has_finalizer)
.doc("Base class for buffered IO objects.");

/// `_io._TextIOBase`
pub static TEXT_IO_BASE: Type = Type::builtin(
    "_TextIOBase",
    size_of::<IoBase>(),
    &Spec {
        methods: &[
            NativeDef::new("detach", "($self, /)", |t, _| Err(unsupported(t, "detach"))),
            NativeDef::new("read", "($self, size=-1, /)", |t, _| {
                Err(unsupported(t, "read"))
            }),
            NativeDef::new("readline", "($self, size=-1, /)", |t, _| {
                Err(unsupported(t, "readline"))
            }),
            NativeDef::new("write", "($self, s, /)", |t, _| {
                Err(unsupported(t, "write"))
            }),
        ],
        getset: &[
            GetSetDef::ro("encoding", |_, _| Ok(Value::NONE)),
            GetSetDef::ro("newlines", |_, _| Ok(Value::NONE)),
            GetSetDef::ro("errors", |_, _| Ok(Value::NONE)),
        ],
        ..Spec::EMPTY
    },
)
.base(&IO_BASE)
.module("_io")
.gc(traverse, clear)
.finalizer(has_finalizer)
.doc("Base class for text I/O.");
