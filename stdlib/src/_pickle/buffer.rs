//! `PickleBuffer`: a wrapper for memory that may travel outside a pickle.

use weft_objects::buffer::{self, Buffer, Layout};
use weft_objects::cell::{fresh, own};
use weft_objects::gc_slots;
use weft_objects::memoryview;
use weft_objects::prelude::*;

#[repr(C)]
pub struct PickleBuffer {
    header: Header,
    /// The exporter; NULL once it has been released.
    base: Slot,
    /// A memoryview that keeps its memory in place.
    view: Slot,
}

gc_slots!(PickleBuffer, traverse, clear, base, view);

impl PickleBuffer {
    pub fn of<'a>(v: Value) -> Option<&'a PickleBuffer> {
        cast_exact(v, &PICKLE_BUFFER)
    }

    fn this<'a>(v: Value) -> &'a PickleBuffer {
        // SAFETY: slots and methods of PICKLE_BUFFER get its instances alone.
        unsafe { &*(v.ptr() as *const PickleBuffer) }
    }

    /// A view of the memory of the object that was wrapped.
    pub fn get(&self, t: &mut Thread, writable: bool) -> Res<Buffer> {
        match own(t, &self.base) {
            Some(base) => buffer::get_any(t, base.value(), writable),
            None => Err(t.value_error("operation forbidden on released PickleBuffer object")),
        }
    }
}

/// Whether the memory of a view is one piece.
pub fn in_one_piece(b: &Buffer) -> bool {
    b.is_c_contiguous() || b.layout().is_f_contiguous()
}

/// The memory itself of a view in one piece, as a row of bytes.
pub fn as_row(b: Buffer) -> Buffer {
    let row = std::sync::Arc::new(Layout::row("B", 1, b.len));
    b.with_layout(row)
}

fn new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("PickleBuffer", "(object, /)");
    let a = SIG.bind(t, args)?;
    let b = buffer::get_any(t, a[0], false)?;
    let base = b.obj.clone();
    let view = memoryview::from_buffer(t, b);
    // SAFETY: the layout of the type, which has no subclasses.
    let (o, p) = unsafe { fresh::<PickleBuffer>(t, Type::of_unchecked(cls)) };
    p.base.init(t, &p.header, base.into_value());
    p.view.init(t, &p.header, view.into_value());
    Ok(o.into())
}

fn raw(t: &mut Thread, a: &[Value]) -> Res {
    let b = PickleBuffer::this(a[0]).get(t, false)?;
    if !in_one_piece(&b) {
        let msg = "cannot extract raw buffer from non-contiguous buffer";
        return Err(t.raise(&errors::BUFFER_ERROR, msg));
    }
    Ok(memoryview::from_buffer(t, as_row(b)).into())
}

fn release(t: &mut Thread, a: &[Value]) -> Res {
    let p = PickleBuffer::this(a[0]);
    p.base.set(t, &p.header, Value::NULL);
    let view = p.view.replace(t, &p.header, Value::NULL);
    if !view.is_null() {
        let view = Obj::own(view);
        proto::call_method(t, view.value(), "release", &[])?;
    }
    Ok(Value::NONE)
}

/// `_pickle.PickleBuffer`
pub static PICKLE_BUFFER: Type = Type::builtin(
    "PickleBuffer",
    size_of::<PickleBuffer>(),
    &Spec {
        new: Some(new),
        buffer: Some(|t, v, writable| PickleBuffer::this(v).get(t, writable)),
        methods: &[
            NativeDef::new("raw", "($self, /)", raw)
                .doc("Return a memoryview of the raw memory underlying this buffer."),
            NativeDef::new("release", "($self, /)", release)
                .doc("Release the underlying buffer held by the PickleBuffer object."),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.module("pickle")
.final_()
.doc("Wrapper for potentially out-of-band buffers");
