//! What a future knows: its result or exception, and who is to be called when it has one.
//!
//! It goes from pending to cancelled or finished once, under its lock; the callbacks are taken out in the same moment and scheduled
//! without it, as that calls the loop.

use super::task::TASK;
use super::{CANCELLED_ERROR, call_soon, future_type::FUTURE, invalid_state, registry, task};
use crate::support::Guarded;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::*};
use weft_gc::share;
use weft_objects::cell::{counted, own};
use weft_objects::prelude::*;

pub const PENDING: u8 = 0;
pub const CANCELLED: u8 = 1;
pub const FINISHED: u8 = 2;

/// `_asyncio.Future`; a task starts with it.
#[repr(C)]
pub struct Future {
    pub header: Header,
    pub dict: Slot,
    /// NULL until `__init__` has run.
    pub event_loop: Slot,
    /// The first callback and its context, or NULL. Both, and `rest`, are touched under the lock.
    callback: Slot,
    context: Slot,
    /// Further callbacks, each with its context: words that own their references.
    rest: Guarded<Vec<(u64, u64)>>,
    /// Each NULL if there is none.
    pub result: Slot,
    pub exception: Slot,
    /// The exception's traceback when it was set.
    traceback: Slot,
    pub source_traceback: Slot,
    pub cancel_message: Slot,
    /// What the coroutine of a cancelled task has raised, until somebody asks for it.
    pub cancelled_error: Slot,
    /// See `awaited_by.rs`.
    pub awaited_by: Slot,
    pub state: AtomicU8,
    /// The exception has not been seen by anybody yet.
    pub log_traceback: AtomicBool,
    /// It has been given to a task by `await`, and not by `yield`.
    pub blocking: AtomicBool,
}

/// What a future that is done has come to.
pub enum Outcome {
    /// An owned register word.
    Result(Value),
    Exception(Obj),
}

/// A callback and its context.
type Callback = (Obj, Obj);
/// Callbacks that have been taken out: the first, and the rest.
type Callbacks = std::iter::Chain<std::option::IntoIter<Callback>, std::vec::IntoIter<Callback>>;

impl Future {
    /// The future, if `v` is one or a task, of this class or one derived from it.
    #[inline]
    pub fn of<'a>(v: Value) -> Option<&'a Future> {
        weft_objects::cast(v, &FUTURE)
    }

    /// The future, if it is of exactly one of the two classes: what its methods do is known.
    #[inline]
    pub fn exact<'a>(v: Value) -> Option<&'a Future> {
        weft_objects::cast_exact(v, &FUTURE).or_else(|| weft_objects::cast_exact(v, &TASK))
    }

    pub fn value(&self) -> Value {
        self.header.value()
    }

    fn slots(&self) -> [&Slot; 11] {
        [
            &self.dict,
            &self.event_loop,
            &self.callback,
            &self.context,
            &self.result,
            &self.exception,
            &self.traceback,
            &self.source_traceback,
            &self.cancel_message,
            &self.cancelled_error,
            &self.awaited_by,
        ]
    }

    /// For `traverse`.
    pub fn visit(&self, f: &mut dyn FnMut(Value)) {
        for s in self.slots() {
            f(s.get());
        }
        // SAFETY: nobody changes the future during a traversal.
        for (callback, context) in unsafe { self.rest.peek() }.into_iter().flatten() {
            f(Value(*callback));
            f(Value(*context));
        }
    }

    /// For `clear`: of a dying future.
    pub fn drop_all(&self, t: &Thread) {
        for s in self.slots() {
            t.drop_value(s.take_local());
        }
        // SAFETY: a dying future.
        for (callback, context) in unsafe { self.rest.take() }.into_iter().flat_map(|r| *r) {
            t.drop_value(Value(callback));
            t.drop_value(Value(context));
        }
    }

    /// Begins anew, pending, in this loop; NULL for the loop of the thread.
    pub fn start(&self, t: &mut Thread, event_loop: Value) -> Res<()> {
        drop(self.take_callbacks(t));
        for s in &self.slots()[1..] {
            s.set(t, &self.header, Value::NULL);
        }
        self.log_traceback.store(false, Relaxed);
        self.blocking.store(false, Relaxed);
        self.state.store(PENDING, Release);
        let event_loop = if event_loop.is_null() || event_loop.is_none() {
            super::get_event_loop(t)?
        } else {
            Obj::new(t, event_loop)
        };
        self.event_loop
            .set(t, &self.header, event_loop.clone().into());
        let name = weft_objects::id!(t, "get_debug");
        let f = proto::get_attr(t, event_loop.value(), name)?;
        let debug = proto::call(t, f.value(), &[])?;
        if proto::truth(t, debug.value())? && !weft_objects::runtime::is_finalizing() {
            let stack = super::EXTRACT_STACK.call(t, &[])?;
            self.source_traceback.set(t, &self.header, stack.into());
        }
        Ok(())
    }

    pub fn loop_or_none(&self, t: &Thread) -> Obj {
        own(t, &self.event_loop).unwrap_or_else(crate::support::none)
    }

    /// The loop.
    ///
    /// # Errors
    /// RuntimeError if `__init__` has not run.
    #[inline]
    pub fn need_loop(&self, t: &mut Thread) -> Res<Obj> {
        own(t, &self.event_loop).ok_or_else(|| t.runtime_error("Future object is not initialized."))
    }

    #[inline]
    pub fn is_pending(&self) -> bool {
        self.state.load(Acquire) == PENDING
    }

    // --- callbacks ---

    fn take_callbacks(&self, t: &Thread) -> Callbacks {
        let guard = lock(t, &self.header);
        self.take_locked(t, &guard)
    }

    fn take_locked(&self, t: &Thread, guard: &weft_gc::Locked<'_>) -> Callbacks {
        let first = self.callback.replace(t, &self.header, Value::NULL);
        if first.is_null() {
            return None.into_iter().chain(Vec::new());
        }
        let context = self.context.replace(t, &self.header, Value::NULL);
        let rest = self.rest.get_if_made(guard).map(std::mem::take);
        let pair = |(f, c): (u64, u64)| (Obj::from_raw(Value(f)), Obj::from_raw(Value(c)));
        let rest: Vec<Callback> = rest.into_iter().flatten().map(pair).collect();
        Some((Obj::from_raw(first), Obj::from_raw(context)))
            .into_iter()
            .chain(rest)
    }

    /// The callbacks there are now.
    pub fn callbacks(&self, t: &Thread) -> Vec<Callback> {
        let guard = lock(t, &self.header);
        let (Some(f), Some(c)) = (own(t, &self.callback), own(t, &self.context)) else {
            return Vec::new();
        };
        let mut all = vec![(f, c)];
        let pair = |(f, c): &(u64, u64)| (Obj::new(t, Value(*f)), Obj::new(t, Value(*c)));
        let rest = self.rest.get_if_made(&guard);
        all.extend(rest.into_iter().flat_map(|r| r.iter().map(pair)));
        all
    }

    /// Notes the callback, if the future is still pending.
    fn note_callback(&self, t: &Thread, callback: Value, context: Value) -> bool {
        let guard = lock(t, &self.header);
        if self.state.load(Relaxed) != PENDING {
            return false;
        }
        let (callback, context) = (counted(t, callback), counted(t, context));
        if self.callback.get().is_null() {
            self.callback.set(t, &self.header, callback);
            self.context.set(t, &self.header, context);
            return true;
        }
        if !self.header.is_local(t) {
            share(t, callback);
            share(t, context);
        }
        self.rest.get(&guard).push((callback.0, context.0));
        true
    }

    /// Has `callback` called with the future when it is done: soon, if it is already.
    pub fn add_callback(&self, t: &mut Thread, callback: Value, context: Value) -> Res<()> {
        if self.note_callback(t, callback, context) {
            return Ok(());
        }
        let event_loop = self.need_loop(t)?;
        call_soon(t, event_loop.value(), callback, self.value(), context)
    }

    /// Forgets all callbacks that equal `f`. Gives how many there were.
    pub fn remove_callback(&self, t: &mut Thread, f: Value) -> Res<usize> {
        let mut equal = Vec::new();
        for (callback, context) in self.callbacks(t) {
            if callback.value().same(f) || proto::eq(t, callback.value(), f)? {
                equal.push((callback, context));
            }
        }
        // What comparing has changed meanwhile stays as it is now.
        let mut kept = Vec::new();
        let mut removed = Vec::new();
        let guard = lock(t, &self.header);
        if !equal.is_empty() && self.state.load(Relaxed) == PENDING {
            for (f, c) in self.take_locked(t, &guard) {
                let is =
                    |(x, y): &(Obj, Obj)| x.value().same(f.value()) && y.value().same(c.value());
                if equal.iter().any(is) {
                    removed.push((f, c));
                } else {
                    kept.push((f.into_value(), c.into_value()));
                }
            }
            let mut kept = kept.into_iter();
            if let Some((f, c)) = kept.next() {
                self.callback.set(t, &self.header, f);
                self.context.set(t, &self.header, c);
            }
            let kept: Vec<(u64, u64)> = kept.map(|(f, c)| (f.0, c.0)).collect();
            if !kept.is_empty() {
                *self.rest.get(&guard) = kept;
            }
        }
        Ok(removed.len())
    }

    // --- being done ---

    /// The future is done, unless it was done before, which is false: `fill` says how, under the lock.
    fn finish(&self, t: &mut Thread, state: u8, fill: impl FnOnce(&Thread)) -> Res<bool> {
        let callbacks = {
            let guard = lock(t, &self.header);
            if self.state.load(Relaxed) != PENDING {
                return Ok(false);
            }
            fill(t);
            self.state.store(state, Release);
            self.take_locked(t, &guard)
        };
        if let Some(task) = task::of(self.value()) {
            registry::remove(task);
        }
        for (f, context) in callbacks {
            let event_loop = self.need_loop(t)?;
            let (f, context) = (f.value(), context.value());
            call_soon(t, event_loop.value(), f, self.value(), context)?;
        }
        Ok(true)
    }

    /// It has a result.
    ///
    /// # Errors
    /// InvalidStateError if it is done already, and what the loop raises.
    pub fn set_result(&self, t: &mut Thread, result: Obj) -> Res<()> {
        let done = self.finish(t, FINISHED, |t| {
            self.result.set(t, &self.header, result.into());
        })?;
        if done {
            Ok(())
        } else {
            Err(invalid_state(t, "invalid state"))
        }
    }

    /// It has failed, with an exception or a class of such.
    ///
    /// # Errors
    /// As [`Future::set_result`], and TypeError for what is no exception.
    pub fn set_exception(&self, t: &mut Thread, exc: Value) -> Res<()> {
        if !self.is_pending() {
            return Err(invalid_state(t, "invalid state"));
        }
        let mut exc = if errors::is_exception_class(exc) {
            proto::call(t, exc, &[])?
        } else {
            Obj::new(t, exc)
        };
        if !errors::is_exception(exc.value()) {
            return Err(t.type_error("invalid exception object".into()));
        }
        if type_of(exc.value()).is_subtype(&errors::STOP_ITERATION) {
            exc = wrapped_stop(t, exc);
        }
        let traceback = errors::Exception::of(exc.value()).and_then(|e| own(t, &e.traceback));
        let done = self.finish(t, FINISHED, |t| {
            self.exception.set(t, &self.header, exc.into());
            let traceback = traceback.map_or(Value::NULL, Obj::into_value);
            self.traceback.set(t, &self.header, traceback);
            self.log_traceback.store(true, Relaxed);
        })?;
        if done {
            Ok(())
        } else {
            Err(invalid_state(t, "invalid state"))
        }
    }

    /// Cancels it, unless it is done.
    pub fn cancel(&self, t: &mut Thread, message: Value) -> Res<bool> {
        self.log_traceback.store(false, Relaxed);
        self.finish(t, CANCELLED, |t| {
            let message = counted(t, message);
            self.cancel_message.set(t, &self.header, message);
        })
    }

    /// The exception that says that it was cancelled.
    pub fn make_cancelled_error(&self, t: &mut Thread) -> Res<Obj> {
        if !self.cancelled_error.get().is_null() {
            let kept = self.cancelled_error.replace(t, &self.header, Value::NULL);
            if !kept.is_null() {
                return Ok(Obj::from_raw(kept));
            }
        }
        match own(t, &self.cancel_message).filter(|m| !m.value().is_none()) {
            Some(message) => CANCELLED_ERROR.call(t, &[message.value()]),
            None => CANCELLED_ERROR.call(t, &[]),
        }
    }

    /// What it has come to. The exception that was set gets back the traceback that it had then.
    ///
    /// # Errors
    /// InvalidStateError if it is not done.
    pub fn outcome(&self, t: &mut Thread) -> Res<Outcome> {
        match self.state.load(Acquire) {
            FINISHED => {}
            CANCELLED => return self.make_cancelled_error(t).map(Outcome::Exception),
            _ => return Err(invalid_state(t, "Result is not set.")),
        }
        self.log_traceback.store(false, Relaxed);
        let Some(exc) = own(t, &self.exception) else {
            return Ok(Outcome::Result(weft_objects::cell::or_none(
                t,
                self.result.get(),
            )));
        };
        let traceback = self.traceback.replace(t, &self.header, Value::NULL);
        if let Some(e) = errors::Exception::of(exc.value()) {
            let traceback = (!traceback.is_null()).then(|| Obj::from_raw(traceback));
            e.set_traceback(t, traceback);
        }
        Ok(Outcome::Exception(exc))
    }
}

/// StopIteration would end the coroutine that waits for the future, rather than be raised in it.
#[cold]
fn wrapped_stop(t: &Thread, stop: Obj) -> Obj {
    let msg = "StopIteration interacts badly with generators and cannot be raised into a Future";
    let wrapped = errors::instance_of(t, &errors::RUNTIME_ERROR, Some(msg));
    if let Some(e) = errors::Exception::of(wrapped.value()) {
        e.set_cause(t, Some(stop.clone()));
        e.set_context(t, Some(stop));
    }
    wrapped
}

pub unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a future.
    unsafe { &*(h as *const Future) }.visit(f);
}

pub unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying future.
    unsafe { &*(h as *const Future) }.drop_all(t);
}

/// Whether there is something to tell when it dies.
pub unsafe fn has_finalizer(h: *const Header) -> bool {
    // SAFETY: a future.
    unsafe { &*(h as *const Future) }
        .log_traceback
        .load(Relaxed)
}

/// Tells the loop of an exception that nobody has seen.
pub fn finalize(t: &mut Thread, v: Value) -> Res<()> {
    let f = super::future_type::this(v);
    if !f.log_traceback.swap(false, Relaxed) {
        return Ok(());
    }
    let message = format!("{} exception was never retrieved", type_of(v).name());
    let message = Str::from_string(t, message);
    let exc = own(t, &f.exception).unwrap_or_else(crate::support::none);
    let items = [
        ("message", message.value()),
        ("exception", exc.value()),
        ("future", v),
    ];
    f.tell(t, &items)
}

impl Future {
    /// Calls the loop's exception handler with these things and where the future was made, if that is known.
    #[cold]
    pub fn tell(&self, t: &mut Thread, items: &[(&str, Value)]) -> Res<()> {
        let about = Dict::new(t);
        for (name, v) in items {
            Dict::of_obj(&about).set_str(t, weft_objects::names::get(t, name), *v);
        }
        if let Some(stack) = own(t, &self.source_traceback) {
            let name = weft_objects::id!(t, "source_traceback");
            Dict::of_obj(&about).set_str(t, name, stack.value());
        }
        let event_loop = self.need_loop(t)?;
        let name = "call_exception_handler";
        proto::call_method(t, event_loop.value(), name, &[about.value()]).map(drop)
    }
}
