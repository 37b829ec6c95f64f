//! `BufferedRWPair`: a reader and a writer that look like one stream.

use super::base::{BUFFERED_IO_BASE, IoBase, finalize};
use super::{ask, both, buffered, flag, unsupported};
use weft_objects::cell::own;
use weft_objects::prelude::*;
use weft_objects::types::alloc_instance;

#[repr(C)]
struct Pair {
    base: IoBase,
    reader: Slot,
    writer: Slot,
}

fn this<'a>(v: Value) -> &'a Pair {
    // SAFETY: slots and methods of BUFFERED_RW_PAIR get its instances alone.
    unsafe { &*(v.ptr() as *const Pair) }
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this layout.
    unsafe {
        super::base::traverse_base(h, f);
        let p = &*(h as *const Pair);
        f(p.reader.get());
        f(p.writer.get());
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this layout.
    unsafe {
        let p = &*(h as *const Pair);
        t.drop_value(p.reader.take_local());
        t.drop_value(p.writer.take_local());
        super::base::clear_base(h, t);
    }
}

unsafe fn has_finalizer(h: *const Header) -> bool {
    // SAFETY: an object of this layout.
    unsafe { !(*(h as *const Pair)).writer.get().is_null() }
}

fn new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    Ok(Value::from_ptr(alloc_instance(t, Type::of_unchecked(cls))))
}

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new(
        "BufferedRWPair",
        "(reader, writer, buffer_size=DEFAULT_BUFFER_SIZE, /)",
    );
    let a = SIG.bind(t, args)?;
    if !ask(t, a[0], "readable")? {
        return Err(unsupported(t, "File or stream is not readable."));
    }
    if !ask(t, a[1], "writable")? {
        return Err(unsupported(t, "File or stream is not writable."));
    }
    let size = if a[2].is_null() {
        Value::int(super::DEFAULT_BUFFER_SIZE as i64)
    } else {
        a[2]
    };
    let reader = proto::call(t, buffered::BUFFERED_READER.value(), &[a[0], size])?;
    let writer = proto::call(t, buffered::BUFFERED_WRITER.value(), &[a[1], size])?;
    let p = this(v);
    p.reader.set(t, &p.base.header, reader.into());
    p.writer.set(t, &p.base.header, writer.into());
    Ok(())
}

fn half(t: &mut Thread, v: Value, writer: bool) -> Res<Obj> {
    let p = this(v);
    match own(t, if writer { &p.writer } else { &p.reader }) {
        Some(o) => Ok(o),
        None => Err(t.value_error("I/O operation on uninitialized object")),
    }
}

fn forward(t: &mut Thread, a: &[Value], writer: bool, name: &str) -> Res {
    let to = half(t, a[0], writer)?;
    let args: Vec<Value> = a[1..].iter().copied().filter(|v| !v.is_null()).collect();
    proto::call_method(t, to.value(), name, &args).map(Obj::into_value)
}

fn close(t: &mut Thread, a: &[Value]) -> Res {
    let first = forward(t, &a[..1], true, "close").map(|v| drop(Obj::own(v)));
    both(t, first, |t| {
        forward(t, &a[..1], false, "close").map(|v| drop(Obj::own(v)))
    })?;
    Ok(Value::NONE)
}

fn isatty(t: &mut Thread, a: &[Value]) -> Res {
    for writer in [true, false] {
        let h = half(t, a[0], writer)?;
        if ask(t, h.value(), "isatty")? {
            return Ok(Value::TRUE);
        }
    }
    Ok(Value::FALSE)
}

fn closed(t: &mut Thread, v: Value) -> Res {
    let w = half(t, v, true)?;
    flag(t, w.value(), "closed").map(Value::bool)
}

/// `_io.BufferedRWPair`
pub static BUFFERED_RW_PAIR: Type = Type::builtin(
    "BufferedRWPair",
    size_of::<Pair>(),
    &Spec {
        new: Some(new),
        init: Some(init),
        finalize: Some(finalize),
        methods: &[
            NativeDef::new("read", "($self, size=-1, /)", |t, a| {
                forward(t, a, false, "read")
            }),
            NativeDef::new("read1", "($self, size=-1, /)", |t, a| {
                forward(t, a, false, "read1")
            }),
            NativeDef::new("peek", "($self, size=0, /)", |t, a| {
                forward(t, a, false, "peek")
            }),
            NativeDef::new("readinto", "($self, buffer, /)", |t, a| {
                forward(t, a, false, "readinto")
            }),
            NativeDef::new("readinto1", "($self, buffer, /)", |t, a| {
                forward(t, a, false, "readinto1")
            }),
            NativeDef::new("readline", "($self, size=-1, /)", |t, a| {
                forward(t, a, false, "readline")
            }),
            NativeDef::new("readable", "($self, /)", |t, a| {
                forward(t, a, false, "readable")
            }),
            NativeDef::new("write", "($self, b, /)", |t, a| {
                forward(t, a, true, "write")
            }),
            NativeDef::new("flush", "($self, /)", |t, a| forward(t, a, true, "flush")),
            NativeDef::new("writable", "($self, /)", |t, a| {
                forward(t, a, true, "writable")
            }),
            NativeDef::new("close", "($self, /)", close),
            NativeDef::new("isatty", "($self, /)", isatty),
        ],
        getset: &[GetSetDef::ro("closed", closed)],
        ..Spec::EMPTY
    },
)
.base(&BUFFERED_IO_BASE)
.module("_io")
.gc(traverse, clear)
.finalizer(has_finalizer)
.doc("A buffered reader and writer object together.");
