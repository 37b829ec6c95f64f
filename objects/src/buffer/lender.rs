//! What is lent by a class whose `__release_buffer__` is written in Python, which is to be told when it is given back.
//!
//! A buffer is given back at moments when no Python code may run. So a buffer of such an object is held through a [`Lender`], whose
//! finalizer calls the method: soon, as all finalizers are.

use super::{Buffer, ReleaseFn};
use crate::cell;
use crate::memoryview::MemoryView;
use crate::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering::*};

/// Stands between a buffer and the view that `__buffer__` gave.
#[repr(C)]
pub struct Lender {
    header: Header,
    /// Whose `__buffer__` it was.
    owner: Slot,
    view: Slot,
    /// How the view is told that nobody has its buffer any more.
    inner: Option<ReleaseFn>,
    /// The owner has still to be told.
    due: AtomicBool,
    /// The view is the runtime's own, made for this: the owner's method may look at it, but not keep it.
    native: AtomicBool,
}

crate::gc_slots!(Lender, traverse, clear, owner, view);

impl Lender {
    pub fn of<'a>(v: Value) -> Option<&'a Lender> {
        crate::cast_exact(v, &LENDER)
    }

    /// The view whose memory is lent.
    pub fn view(&self) -> Value {
        self.view.get()
    }

    /// The buffer `b` of `view`, which is `owner`'s, such that the owner is told when it is given back.
    pub fn lend(t: &Thread, b: Buffer, owner: Value, view: &Obj, native: bool) -> Buffer {
        let (ptr, len, readonly, layout) = (b.ptr, b.len, b.readonly, b.layout.clone());
        let (_, inner) = b.into_parts();
        // SAFETY: the layout of lenders, of which zero is a valid start.
        let (o, l) = unsafe { cell::fresh::<Lender>(t, &LENDER) };
        // SAFETY: just made, and nobody else has it.
        unsafe { (&raw const l.inner).cast_mut().write(inner) };
        l.owner.init(t, &l.header, Obj::new(t, owner).into_value());
        l.view.init(t, &l.header, view.clone().into_value());
        l.native.store(native, Relaxed);
        l.due.store(true, Release);
        let lent = Buffer::new(o, ptr, len, readonly, Some(given_back));
        match layout {
            Some(layout) => lent.with_layout(layout),
            None => lent,
        }
    }
}

/// The buffer is not held any more; the lender is, until its owner has been told.
fn given_back(h: &Header) {
    // SAFETY: the header of a lender, whose buffer is given back once.
    let l = unsafe { &*(h as *const Header as *const Lender) };
    if let Some(f) = l.inner {
        // SAFETY: the slot holds the view.
        f(unsafe { l.view.get().header() });
    }
}

unsafe fn has_finalizer(h: *const Header) -> bool {
    // SAFETY: a lender.
    unsafe { (*(h as *const Lender)).due.load(Acquire) }
}

fn finalize(t: &mut Thread, v: Value) -> Res<()> {
    let Some(l) = Lender::of(v) else {
        return Ok(());
    };
    if !l.due.swap(false, AcqRel) {
        return Ok(());
    }
    let (owner, view) = (Obj::new(t, l.owner.get()), Obj::new(t, l.view.get()));
    let native = l.native.load(Relaxed);
    let of_view = MemoryView::of(view.value());
    if native && let Some(m) = of_view {
        m.restrict();
    }
    let name = crate::id!(t, "__release_buffer__");
    let told = match proto::lookup_special(t, owner.value(), name) {
        Ok(Some(f)) => proto::call(t, f.value(), &[view.value()]).map(drop),
        Ok(None) => Ok(()),
        Err(e) => Err(e),
    };
    if told.is_err() {
        let of = type_of(owner.value()).name();
        let what = format!("Exception ignored in __release_buffer__ of {of}");
        crate::runtime::unraisable(t, &what, Some(owner.value()));
    }
    // What the owner itself exports is not kept from it.
    if let Some(m) = of_view.filter(|m| native || m.is_of(owner.value()))
        && m.release(t).is_err()
    {
        t.clear_exc();
    }
    Ok(())
}

/// `_buffer_wrapper`
pub static LENDER: Type = Type::builtin(
    "_buffer_wrapper",
    size_of::<Lender>(),
    &Spec {
        finalize: Some(finalize),
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.finalizer(has_finalizer)
.final_()
.no_new();

/// `__release_buffer__` of built-in types.
///
/// # Errors
/// TypeError and ValueError for what is no view of the object; BufferError while others have buffers of the view.
pub fn release_builtin(t: &mut Thread, owner: Value, view: Value) -> Res {
    let Some(m) = MemoryView::of(view) else {
        return Err(t.type_error("expected a memoryview object".into()));
    };
    if m.is_released() {
        return Err(t.value_error("memoryview's buffer has already been released"));
    }
    if !m.is_of(owner) {
        return Err(t.value_error("memoryview's buffer is not this object"));
    }
    m.release(t)?;
    Ok(Value::NONE)
}
