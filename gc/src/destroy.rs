//! Death: what happens when the last reference to an object is gone.
//!
//! Nothing here runs Python. An object with a finalizer, and a weak reference with a callback, are put on the thread's list of
//! pending finalizers, which the interpreter runs at once when it is the one that dropped the reference, and else at the
//! next safepoint.

use crate::header::{Flags, Header, IMMORTAL, TypeFlags};
use crate::obj::Obj;
use crate::thread::Thread;
use crate::value::Value;
use std::sync::atomic::Ordering::*;

/// Something to run when no native code is in the way.
pub enum Pending {
    /// An object whose last reference is this one: call its finalizer, then drop it.
    Finalize(Obj),
    /// A weak reference whose referent has died: call its callback.
    Callback(Obj),
}

/// The count of a local object has fallen to zero: to be called by who has just brought it there, and only then.
#[cold]
#[inline(never)]
#[allow(clippy::not_unsafe_ptr_arg_deref)] // The interpreter's half of `dec`.
pub fn local_zero(t: &Thread, p: *mut Header) {
    // SAFETY: local, so nobody else can reach it (I2); its memory is still there.
    let h = unsafe { &*p };
    let ty = h.ty();
    if ty.gc_flags.load(Relaxed) & TypeFlags::COLLECTED != 0 {
        return;
    }
    let flags = h.flags.load(Relaxed);
    if flags & (Flags::DYING | Flags::WEAKREFS) != 0 || ty.has_finalizer.is_some() {
        if flags & Flags::DYING == 0 && !finalize_first(t, h) {
            destroy(t, p);
        }
        return;
    }
    destroy(t, p);
}

/// A shared object that settled as dead: no reference of any kind is left (I5).
pub(crate) fn shared_dead(t: &Thread, p: *mut Header) {
    // SAFETY: settled dead, so it is this thread's alone.
    let h = unsafe { &*p };
    if !finalize_first(t, h) {
        destroy(t, p);
    }
}

/// Clears weak references, and queues the finalizer if there is one. True: the object lives on until that has run.
#[inline(never)]
fn finalize_first(t: &Thread, h: &Header) -> bool {
    if h.flags.load(Relaxed) & Flags::WEAKREFS == 0 && h.ty().has_finalizer.is_none() {
        return false;
    }
    // SAFETY: `h` is an object of that type.
    let has = h.ty().has_finalizer.is_some_and(|f| unsafe { f(h) });
    if has && !h.has_flag(Flags::FINALIZED) {
        h.set_flag(Flags::FINALIZED);
        h.count.store(1, Release);
        t.push_pending(Pending::Finalize(Obj::from_raw(h.value())));
        return true;
    }
    if h.has_flag(Flags::WEAKREFS) {
        for callback in crate::weak::clear(t, h) {
            t.push_pending(Pending::Callback(callback));
        }
    }
    false
}

/// Frees the object and all that dies with it, without recursion on the stack.
#[inline(always)]
pub(crate) fn destroy(t: &Thread, p: *mut Header) {
    // SAFETY: dead: this thread is the only one that knows the object.
    unsafe {
        if let Some(clear) = (*p).ty().clear {
            let depth = t.destroying.get();
            if depth > 40 {
                (*t.dead.get()).push(p);
                return;
            }
            t.destroying.set(depth + 1);
            clear(p, t);
            t.destroying.set(depth);
            if depth == 0 && !(*t.dead.get()).is_empty() {
                destroy_listed(t);
            }
        }
        t.heap.free(p);
    }
}

/// Destroys what lay too deep to be destroyed at once.
#[cold]
#[inline(never)]
fn destroy_listed(t: &Thread) {
    // SAFETY: as in `destroy`; the list is this thread's, and not held on to while `clear` runs, which may push to it.
    unsafe {
        while let Some(p) = (*t.dead.get()).pop() {
            t.destroying.set(1);
            if let Some(clear) = (*p).ty().clear {
                clear(p, t);
            }
            t.heap.free(p);
        }
        t.destroying.set(0);
    }
}

impl Thread {
    /// Gives up one reference that a dying object held.
    #[inline(always)]
    pub fn drop_value(&self, v: Value) {
        crate::count::dec(self, v);
    }

    pub(crate) fn push_pending(&self, p: Pending) {
        // SAFETY: only this thread touches its list, and never while an element is being used.
        unsafe { (*self.pending.get()).push_back(p) };
        self.peer().raise(crate::breaker_bits::FINALIZERS);
    }

    /// The next finalizer or callback to run.
    pub fn pop_pending(&self) -> Option<Pending> {
        // SAFETY: as in `push_pending`.
        unsafe { (*self.pending.get()).pop_front() }
    }

    /// Sets about running what waits to be run: until [`Thread::next_pending`] gives none. What comes to wait meanwhile is not of it.
    pub fn serve_pending(&self) {
        // SAFETY: as in `push_pending`, and so below.
        unsafe { (*self.serving.get()).push(std::mem::take(&mut *self.pending.get())) };
    }

    /// The next one, which runs until [`Thread::end_pending`].
    pub fn next_pending(&self) -> Option<Pending> {
        // SAFETY: as above.
        let serving = unsafe { &mut *self.serving.get() };
        let next = serving.last_mut()?.pop_front();
        match next {
            Some(_) => self.peer().payload().finishing.begin(),
            None => drop(serving.pop()),
        }
        next
    }

    /// What [`Thread::next_pending`] has given has been run.
    pub fn end_pending(&self) {
        self.peer().payload().finishing.end();
    }

    #[inline(always)]
    pub fn has_pending(&self) -> bool {
        // SAFETY: as in `push_pending`.
        unsafe { !(*self.pending.get()).is_empty() }
    }

    /// Drops an object whose finalizer has run: it dies unless the finalizer has stored it somewhere.
    pub fn drop_finalized(&self, o: Obj) {
        if o.header().owner.load(Relaxed) == IMMORTAL {
            return;
        }
        drop(o);
    }
}
