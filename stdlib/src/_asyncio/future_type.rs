//! `_asyncio.Future` as Python sees it.

use super::future::{self, CANCELLED, FINISHED, Future, Outcome, PENDING};
use super::{FUTURE_REPR, awaited_by, future_iter, invalid_state};
use crate::_contextvars;
use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, Ordering::*};
use weft_objects::cell::{counted, fresh, or_none};
use weft_objects::prelude::*;
use weft_objects::{generic_alias, int};

/// The future; `v` is one, or a task.
#[inline(always)]
pub fn this<'a>(v: Value) -> &'a Future {
    // SAFETY: slots and methods of FUTURE and TASK get their instances alone.
    unsafe { &*(v.ptr() as *const Future) }
}

fn new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    // SAFETY: `cls` is FUTURE or a subclass.
    let (o, _) = unsafe { fresh::<Future>(t, Type::of_unchecked(cls)) };
    Ok(o.into())
}

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new("Future", "(*, loop=None)");
    // The usual case: `Future(loop=event_loop)`.
    let usual = match (args.all(), Tuple::exact(args.names())) {
        ([event_loop], Some(names)) => {
            let name = weft_objects::id!(t, "loop").header.value();
            names.get(0).same(name).then_some(*event_loop)
        }
        _ => None,
    };
    let event_loop = match usual {
        Some(v) => v,
        None => SIG.bind(t, args)?[0],
    };
    this(v).start(t, event_loop)
}

fn repr(t: &mut Thread, v: Value) -> Res {
    this(v).need_loop(t)?;
    FUTURE_REPR.call(t, &[v]).map(Obj::into_value)
}

// --- methods ---

pub fn result(t: &mut Thread, a: &[Value]) -> Res {
    if this(a[0]).event_loop.get().is_null() {
        return Err(invalid_state(t, "Future object is not initialized."));
    }
    match this(a[0]).outcome(t)? {
        Outcome::Result(r) => Ok(r),
        Outcome::Exception(exc) => Err(t.raise_value(exc)),
    }
}

fn exception(t: &mut Thread, a: &[Value]) -> Res {
    let f = this(a[0]);
    if f.event_loop.get().is_null() {
        return Err(invalid_state(t, "Future object is not initialized."));
    }
    match f.state.load(Acquire) {
        FINISHED => {
            f.log_traceback.store(false, Relaxed);
            Ok(or_none(t, f.exception.get()))
        }
        CANCELLED => {
            let exc = f.make_cancelled_error(t)?;
            Err(t.raise_value(exc))
        }
        _ => Err(invalid_state(t, "Exception is not set.")),
    }
}

fn set_result(t: &mut Thread, a: &[Value]) -> Res {
    this(a[0]).need_loop(t)?;
    let result = Obj::new(t, a[1]);
    this(a[0]).set_result(t, result)?;
    Ok(Value::NONE)
}

fn set_exception(t: &mut Thread, a: &[Value]) -> Res {
    this(a[0]).need_loop(t)?;
    this(a[0]).set_exception(t, a[1])?;
    Ok(Value::NONE)
}

fn add_done_callback(t: &mut Thread, a: &[Value]) -> Res {
    let f = this(a[0]);
    if f.event_loop.get().is_null() {
        return Err(t.runtime_error("uninitialized Future object"));
    }
    if a[2].is_null() || a[2].is_none() {
        let context = _contextvars::copy_current(t);
        f.add_callback(t, a[1], context.value())?;
    } else {
        f.add_callback(t, a[1], a[2])?;
    }
    Ok(Value::NONE)
}

fn remove_done_callback(t: &mut Thread, a: &[Value]) -> Res {
    this(a[0]).need_loop(t)?;
    let n = this(a[0]).remove_callback(t, a[1])?;
    Ok(int::from_usize(t, n))
}

fn cancel(t: &mut Thread, a: &[Value]) -> Res {
    this(a[0]).need_loop(t)?;
    this(a[0]).cancel(t, a[1]).map(Value::bool)
}

fn make_cancelled_error(t: &mut Thread, a: &[Value]) -> Res {
    this(a[0]).make_cancelled_error(t).map(Obj::into_value)
}

// --- attributes ---

fn get_state(t: &mut Thread, v: Value) -> Res {
    this(v).need_loop(t)?;
    let name = match this(v).state.load(Acquire) {
        PENDING => weft_objects::id!(t, "PENDING"),
        CANCELLED => weft_objects::id!(t, "CANCELLED"),
        _ => weft_objects::id!(t, "FINISHED"),
    };
    Ok(name.header.value())
}

/// A list of callbacks with their contexts, or None.
fn get_callbacks(t: &mut Thread, v: Value) -> Res {
    this(v).need_loop(t)?;
    let all = this(v).callbacks(t);
    if all.is_empty() {
        return Ok(Value::NONE);
    }
    let pairs = all.into_iter().map(|(f, c)| Tuple::pair(t, f, c)).collect();
    Ok(List::from_vec(t, pairs).into())
}

/// A new truth value; `name` must not be deleted.
pub fn given_truth(t: &mut Thread, v: Value, new: Value, name: &str) -> Res<bool> {
    if !new.is_null() {
        return proto::truth(t, new);
    }
    let ty = type_of(v).full_name(t);
    let msg = format!("attribute '{name}' of '{ty}' objects cannot be deleted");
    Err(t.raise(&errors::ATTRIBUTE_ERROR, msg))
}

fn set_blocking(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let name = "_asyncio_future_blocking";
    let on = given_truth(t, v, new, name)?;
    this(v).need_loop(t)?;
    this(v).blocking.store(on, Relaxed);
    Ok(())
}

fn set_log_traceback(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    if given_truth(t, v, new, "_log_traceback")? {
        return Err(t.value_error("_log_traceback can only be set to False"));
    }
    this(v).log_traceback.store(false, Relaxed);
    Ok(())
}

fn set_cancel_message(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    if new.is_null() {
        return given_truth(t, v, new, "_cancel_message").map(drop);
    }
    let new = counted(t, new);
    this(v).cancel_message.set(t, &this(v).header, new);
    Ok(())
}

fn get_flag(t: &mut Thread, v: Value, flag: &AtomicBool) -> Res {
    this(v).need_loop(t)?;
    Ok(Value::bool(flag.load(Relaxed)))
}

const fn slot(name: &'static str, offset: usize) -> MemberDef {
    MemberDef {
        name,
        offset,
        readonly: true,
        none_if_empty: true,
    }
}

/// `_asyncio.Future`
pub static FUTURE: Type = Type::builtin(
    "Future",
    size_of::<Future>(),
    &Spec {
        new: Some(new),
        init: Some(init),
        repr: Some(repr),
        iter: Some(future_iter::new),
        await_: Some(future_iter::new),
        finalize: Some(future::finalize),
        methods: &[
            NativeDef::new("result", "($self, /)", result)
                .doc("Return the result this future represents.\n\nIf the future has been cancelled, raises CancelledError.  If the\nfuture's result isn't yet available, raises InvalidStateError.  If\nthe future is done and has an exception set, this exception is raised."),
            NativeDef::new("exception", "($self, /)", exception)
                .doc("Return the exception that was set on this future.\n\nThe exception (or None if no exception was set) is returned only if\nthe future is done.  If the future has been cancelled, raises\nCancelledError.  If the future isn't done yet, raises\nInvalidStateError."),
            NativeDef::new("set_result", "($self, result, /)", set_result)
                .doc("Mark the future done and set its result.\n\nIf the future is already done when this method is called, raises\nInvalidStateError."),
            NativeDef::new("set_exception", "($self, exception, /)", set_exception)
                .doc("Mark the future done and set an exception.\n\nIf the future is already done when this method is called, raises\nInvalidStateError."),
            NativeDef::new("add_done_callback", "($self, fn, /, *, context=<unrepresentable>)", add_done_callback)
                .doc("Add a callback to be run when the future becomes done.\n\nThe callback is called with a single argument - the future object. If\nthe future is already done when this is called, the callback is\nscheduled with call_soon."),
            NativeDef::new("remove_done_callback", "($self, fn, /)", remove_done_callback)
                .doc("Remove all instances of a callback from the \"call when done\" list.\n\nReturns the number of callbacks removed."),
            NativeDef::new("cancel", "($self, /, msg=None)", cancel)
                .doc("Cancel the future and schedule callbacks.\n\nIf the future is already done or cancelled, return False.  Otherwise,\nchange the future's state to cancelled, schedule the callbacks and\nreturn True."),
            NativeDef::new("cancelled", "($self, /)", |_, a| {
                Ok(Value::bool(this(a[0]).state.load(Acquire) == CANCELLED))
            })
            .doc("Return True if the future was cancelled."),
            NativeDef::new("done", "($self, /)", |_, a| {
                let f = this(a[0]);
                Ok(Value::bool(!f.event_loop.get().is_null() && !f.is_pending()))
            })
            .doc("Return True if the future is done.\n\nDone means either that a result / exception are available, or that the\nfuture was cancelled."),
            NativeDef::new("get_loop", "($self, /)", |t, a| {
                this(a[0]).need_loop(t).map(Obj::into_value)
            })
            .doc("Return the event loop the Future is bound to."),
            NativeDef::new("_make_cancelled_error", "($self, /)", make_cancelled_error)
                .doc("Create the CancelledError to raise if the Future is cancelled.\n\nThis should only be called once when handling a cancellation since\nit erases the context exception value."),
            NativeDef::class("__class_getitem__", "($type, object, /)", generic_alias::class_getitem)
                .doc("Futures are generic over the type of their results"),
        ],
        members: &[
            slot("_source_traceback", offset_of!(Future, source_traceback)),
            slot("_result", offset_of!(Future, result)),
            slot("_exception", offset_of!(Future, exception)),
            slot("_loop", offset_of!(Future, event_loop)),
        ],
        getset: &[
            GetSetDef::ro("_state", get_state),
            GetSetDef::rw(
                "_asyncio_future_blocking",
                |t, v| get_flag(t, v, &this(v).blocking),
                set_blocking,
            ),
            GetSetDef::ro("_callbacks", get_callbacks),
            GetSetDef::rw(
                "_log_traceback",
                |t, v| get_flag(t, v, &this(v).log_traceback),
                set_log_traceback,
            ),
            GetSetDef::rw(
                "_cancel_message",
                |t, v| Ok(or_none(t, this(v).cancel_message.get())),
                set_cancel_message,
            ),
            GetSetDef::ro("_asyncio_awaited_by", awaited_by::get),
        ],
        ..Spec::EMPTY
    },
)
.module("_asyncio")
.gc(future::traverse, future::clear)
.finalizer(future::has_finalizer)
.dict_at(offset_of!(Future, dict))
.signature("(*, loop=None)")
.doc("This class is *almost* compatible with concurrent.futures.Future.\n\n    Differences:\n\n    - result() and exception() do not take a timeout argument and\n      raise an exception when the future isn't done yet.\n\n    - Callbacks registered with add_done_callback() are always called\n      via the event loop's call_soon_threadsafe().\n\n    - This class is not compatible with the wait() and as_completed()\n      methods in the concurrent.futures package.");
