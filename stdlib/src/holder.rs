//! Objects around native state.

use parking_lot::Mutex;
use weft_objects::cell;
use weft_objects::prelude::*;

/// A box of `T` behind a lock, in an object without references. For native state that only one thread may use at a time.
#[repr(C)]
pub struct Holder<T> {
    header: Header,
    inner: *mut Mutex<T>,
}

// SAFETY: the pointer is written once, before anybody else can reach the object.
unsafe impl<T> Sync for Holder<T> {}

impl<T> Holder<T> {
    /// A new object of the type around `inner`.
    pub fn new(t: &Thread, ty: &Type, inner: T) -> Obj {
        // SAFETY: the layout of the types here.
        unsafe {
            let (o, _) = cell::fresh::<Holder<T>>(t, ty);
            let p = o.value().ptr() as *mut Holder<T>;
            (&raw mut (*p).inner).write(Box::into_raw(Box::new(Mutex::new(inner))));
            o
        }
    }

    /// Runs `f` with the contents; detached if that may take long or somebody else has them.
    pub fn with<R>(t: &mut Thread, v: Value, long: bool, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: called with objects of types with this layout alone, which own their contents.
        let inner = unsafe { &*(*(v.ptr() as *const Holder<T>)).inner };
        if !long && let Some(mut inner) = inner.try_lock() {
            return f(&mut inner);
        }
        t.blocking(|| f(&mut inner.lock()))
    }

    /// Runs `f`, which takes a moment only, with the contents.
    pub fn peek<R>(v: Value, f: impl FnOnce(&T) -> R) -> R {
        // SAFETY: as in `with`.
        let inner = unsafe { &*(*(v.ptr() as *const Holder<T>)).inner };
        f(&inner.lock())
    }

    /// Frees the contents.
    pub unsafe fn clear(h: *mut Header, _t: &Thread) {
        // SAFETY: a dying object of this layout, whose contents are freed once.
        unsafe {
            let p = std::mem::replace(&mut (*(h as *mut Holder<T>)).inner, std::ptr::null_mut());
            if !p.is_null() {
                drop(Box::from_raw(p));
            }
        }
    }
}

/// `__reduce__` of objects that cannot be pickled.
pub fn no_pickle(t: &mut Thread, a: &[Value]) -> Res {
    let name = type_of(a[0]).full_name(t);
    Err(t.type_error(format!("cannot pickle '{name}' object")))
}
