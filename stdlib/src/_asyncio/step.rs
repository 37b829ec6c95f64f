//! The steps of a task: its coroutine runs until it gives a future to wait for, or ends.

use super::future::{Future, Outcome};
use super::is_cancelled_error;
use super::task::{Task, cancel_waiter, this};
use super::{CONTEXT_KEYWORD, awaited_by, call_soon, current, invalid_state, registry};
use std::sync::OnceLock;
use std::sync::atomic::Ordering::*;
use weft_objects::cell::{fresh, own};
use weft_objects::gc_slots;
use weft_objects::generator::{self, Generator, Outcome as Sent, Resume};
use weft_objects::native::{BuiltinFunction, Native};
use weft_objects::prelude::*;

/// `_asyncio.TaskStepMethWrapper`: what the loop calls to make a task take a step.
#[repr(C)]
struct Step {
    header: Header,
    task: Slot,
    /// To be raised in the coroutine; or NULL.
    exc: Slot,
}

gc_slots!(Step, traverse, clear, task, exc);

fn step_of<'a>(v: Value) -> &'a Step {
    // SAFETY: slots of STEP get its instances alone.
    unsafe { &*(v.ptr() as *const Step) }
}

fn call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    if args.has_keywords() {
        return Err(t.type_error("function takes no keyword arguments".into()));
    }
    if !args.is_empty() {
        return Err(t.type_error("function takes no positional arguments".into()));
    }
    let s = step_of(v);
    let exc = own(t, &s.exc);
    match own(t, &s.task) {
        Some(task) => step(t, &task, exc).map(|()| Value::NONE),
        None => Ok(Value::NONE),
    }
}

/// `_asyncio.TaskStepMethWrapper`
pub static STEP: Type = Type::builtin(
    "TaskStepMethWrapper",
    size_of::<Step>(),
    &Spec {
        call: Some(call),
        getset: &[GetSetDef::ro("__self__", |t, v| {
            Ok(weft_objects::cell::or_none(t, step_of(v).task.get()))
        })],
        ..Spec::EMPTY
    },
)
.module("_asyncio")
.gc(traverse, clear)
.final_()
.no_new();

/// Has the loop make the task `v` take a step soon, with `exc` raised in it.
pub fn soon(t: &mut Thread, v: Value, exc: Option<Obj>) -> Res<()> {
    // SAFETY: the layout of STEP.
    let (o, s) = unsafe { fresh::<Step>(t, &STEP) };
    s.task.init(t, &s.header, Obj::new(t, v).into());
    s.exc
        .init(t, &s.header, exc.map_or(Value::NULL, Obj::into_value));
    let task = this(v);
    let event_loop = task.future.need_loop(t)?;
    let context = own(t, &task.context);
    let context = context.as_ref().map_or(Value::NULL, Obj::value);
    call_soon(t, event_loop.value(), o.value(), Value::NULL, context)
}

/// What a future calls when it is done: the task that has waited for it takes a step.
fn new_wakeup(t: &Thread, v: Value) -> Obj {
    static DEF: NativeDef = NativeDef::new("task_wakeup", "($self, object, /)", wakeup);
    static NATIVE: OnceLock<&'static Native> = OnceLock::new();
    let native = NATIVE.get_or_init(|| Native::new(&DEF, true));
    BuiltinFunction::bind(t, native, v, Value::NULL)
}

fn wakeup(t: &mut Thread, a: &[Value]) -> Res {
    let v = Obj::new(t, a[0]);
    let done = Obj::new(t, a[1]);
    awaited_by::discard(t, done.value(), v.value())?;
    let exc = match Future::exact(done.value()) {
        Some(f) => match f.outcome(t) {
            Ok(Outcome::Result(r)) => {
                drop(Obj::own(r));
                None
            }
            Ok(Outcome::Exception(exc)) => Some(exc),
            Err(_) => t.take_exc(),
        },
        None => match proto::call_method(t, done.value(), "result", &[]) {
            Ok(_) => None,
            Err(_) => t.take_exc(),
        },
    };
    drop(done);
    step(t, &v, exc).map(|()| Value::NONE)
}

/// A step, as the task that the loop is running.
fn step(t: &mut Thread, v: &Obj, exc: Option<Obj>) -> Res<()> {
    let event_loop = this(v.value()).future.need_loop(t)?;
    current::enter(t, event_loop.value(), v.value())?;
    match run(t, v, exc) {
        Ok(()) => current::leave(t, event_loop.value(), v.value()),
        Err(e) => {
            let exc = t.take_exc();
            if current::leave(t, event_loop.value(), v.value()).is_err() {
                t.clear_exc();
            }
            Err(exc.map_or(e, |exc| t.set_exc(exc)))
        }
    }
}

/// Runs the coroutine as far as it goes.
///
/// # Errors
/// KeyboardInterrupt and SystemExit, which the task has as well, and what the loop raises.
pub fn run(t: &mut Thread, v: &Obj, mut exc: Option<Obj>) -> Res<()> {
    let task = this(v.value());
    if !task.future.is_pending() {
        return Err(already_done(t, v, exc));
    }
    if task.must_cancel.load(Acquire) {
        let is = match &exc {
            Some(e) => is_cancelled_error(t, e.value())?,
            None => false,
        };
        if !is {
            exc = Some(task.future.make_cancelled_error(t)?);
        }
        task.must_cancel.store(false, Release);
    }
    task.waiter.set(t, &task.future.header, Value::NULL);
    let Some(coroutine) = own(t, &task.coroutine) else {
        return Err(t.runtime_error("uninitialized Task object"));
    };
    let sent = match exc {
        None => send(t, &coroutine),
        Some(exc) => throw(t, &coroutine, exc),
    };
    drop(coroutine);
    match sent {
        Ok(Sent::Yielded(given)) => wait_for(t, v, Obj::own(given)),
        Ok(Sent::Returned(result)) => {
            let result = Obj::own(result);
            if task.must_cancel.swap(false, AcqRel) {
                // It was cancelled just before it ended.
                let message = own(t, &task.future.cancel_message);
                let message = message.as_ref().map_or(Value::NULL, Obj::value);
                return task.future.cancel(t, message).map(drop);
            }
            task.future.set_result(t, result)
        }
        Err(e) => failed(t, task, e),
    }
}

#[cold]
fn already_done(t: &mut Thread, v: &Obj, exc: Option<Obj>) -> Raised {
    let made = proto::repr(t, v.value()).and_then(|task| {
        let exc = match exc {
            Some(e) => Some(proto::repr(t, e.value())?),
            None => None,
        };
        let text = |o: &Obj| Str::of(o.value()).map_or_else(String::new, |s| s.to_string_lossy());
        let exc = exc.as_ref().map_or_else(|| "None".into(), text);
        Ok(format!("__step(): already done: {} {exc}", text(&task)))
    });
    match made {
        Ok(msg) => invalid_state(t, &msg),
        Err(e) => e,
    }
}

/// `coroutine.send(None)`
#[inline]
fn send(t: &mut Thread, coroutine: &Obj) -> Res<Sent> {
    let v = coroutine.value();
    if Generator::of(v).is_some() && !type_of(v).is(&generator::ASYNC_GENERATOR) {
        return generator::send(t, v, Value::NONE);
    }
    if let Some(f) = type_of(v).slots.send.get() {
        return f(t, v, Value::NONE);
    }
    if let Some(f) = type_of(v).slots.iter_next.get() {
        return match f(t, v) {
            Ok(v) if v.is_null() => Ok(Sent::Returned(Value::NONE)),
            r => or_stopped(t, r),
        };
    }
    let r = proto::call_method(t, v, "send", &[Value::NONE]);
    or_stopped(t, r.map(Obj::into_value))
}

/// `coroutine.throw(exc)`
fn throw(t: &mut Thread, coroutine: &Obj, exc: Obj) -> Res<Sent> {
    let v = coroutine.value();
    if Generator::of(v).is_some() && !type_of(v).is(&generator::ASYNC_GENERATOR) {
        return generator::resume(t, v, Resume::Throw(exc));
    }
    let r = proto::call_method(t, v, "throw", &[exc.value()]);
    or_stopped(t, r.map(Obj::into_value))
}

/// StopIteration is the end, with a value.
fn or_stopped(t: &mut Thread, r: Res) -> Res<Sent> {
    match r {
        Ok(v) => Ok(Sent::Yielded(v)),
        Err(e) if !t.exc_matches(&errors::STOP_ITERATION) => Err(e),
        Err(_) => Ok(Sent::Returned(match t.take_exc() {
            Some(stop) => errors::stop_iteration_value(t, stop.value()).into(),
            None => Value::NONE,
        })),
    }
}

/// The coroutine has raised an exception.
fn failed(t: &mut Thread, task: &Task, e: Raised) -> Res<()> {
    let Some(exc) = t.take_exc() else {
        return Err(e);
    };
    if is_cancelled_error(t, exc.value())? {
        let f = &task.future;
        f.cancelled_error.set(t, &f.header, exc.into());
        return f.cancel(t, Value::NULL).map(drop);
    }
    task.future.set_exception(t, exc.value())?;
    let ty = type_of(exc.value());
    if ty.is_subtype(&errors::KEYBOARD_INTERRUPT) || ty.is_subtype(&errors::SYSTEM_EXIT) {
        return Err(t.set_exc(exc));
    }
    Ok(())
}

/// The coroutine has given something: a future to wait for, or None, to go on soon.
fn wait_for(t: &mut Thread, v: &Obj, given: Obj) -> Res<()> {
    if given.value().is_none() {
        return soon(t, v.value(), None);
    }
    if given.value().same(v.value()) {
        return complain(t, v, "Task cannot await on itself: {task}", None);
    }
    if let Some(f) = Future::exact(given.value()) {
        let task = this(v.value());
        if !f.event_loop.get().same(task.future.event_loop.get()) {
            return complain(t, v, DIFFERENT_LOOP, Some(&given));
        }
        if !f.blocking.swap(false, Relaxed) {
            return complain(t, v, YIELD, Some(&given));
        }
        awaited_by::add(t, given.value(), v.value())?;
        let wakeup = new_wakeup(t, v.value());
        let context = own(t, &task.context).unwrap_or_else(crate::support::none);
        f.add_callback(t, wakeup.value(), context.value())?;
        return note_waiter(t, v, given);
    }
    wait_for_any(t, v, given)
}

const YIELD: &str = "yield was used instead of yield from in task {task} with {given}";
const DIFFERENT_LOOP: &str = "Task {task} got Future {given} attached to a different loop";

/// As [`wait_for`], for a future of any class.
#[inline(never)]
fn wait_for_any(t: &mut Thread, v: &Obj, given: Obj) -> Res<()> {
    let task = this(v.value());
    let name = weft_objects::id!(t, "_asyncio_future_blocking");
    let blocking = proto::get_attr_opt(t, given.value(), name)?;
    let Some(blocking) = blocking.filter(|b| !b.value().is_none()) else {
        let msg = if Generator::exact(given.value()).is_some() {
            "yield was used instead of yield from for generator in task {task} with {given}"
        } else {
            "Task got bad yield: {given}"
        };
        return complain(t, v, msg, Some(&given));
    };
    let blocking = proto::truth(t, blocking.value())?;
    let event_loop = registry::loop_of(t, given.value())?;
    if !event_loop.value().same(task.future.event_loop.get()) {
        return complain(t, v, DIFFERENT_LOOP, Some(&given));
    }
    if !blocking {
        return complain(t, v, YIELD, Some(&given));
    }
    awaited_by::add(t, given.value(), v.value())?;
    proto::set_attr(t, given.value(), name, Value::bool(false))?;
    let wakeup = new_wakeup(t, v.value());
    let context = own(t, &task.context).unwrap_or_else(crate::support::none);
    let add = weft_objects::id!(t, "add_done_callback");
    let add = proto::get_attr(t, given.value(), add)?;
    let args = [wakeup.value(), context.value()];
    let args = Args::new(&args, CONTEXT_KEYWORD.get(t));
    proto::call_kw(t, add.value(), args)?;
    note_waiter(t, v, given)
}

/// The task waits for `given`; which is cancelled at once if the task has been cancelled while it ran.
fn note_waiter(t: &mut Thread, v: &Obj, given: Obj) -> Res<()> {
    let task = this(v.value());
    task.waiter
        .set(t, &task.future.header, given.clone().into());
    if task.must_cancel.load(Acquire) {
        let message = own(t, &task.future.cancel_message);
        let message = message.as_ref().map_or(Value::NULL, Obj::value);
        if cancel_waiter(t, given.value(), message)? {
            task.must_cancel.store(false, Release);
        }
    }
    Ok(())
}

/// The next step raises RuntimeError in the coroutine.
#[cold]
fn complain(t: &mut Thread, v: &Obj, msg: &str, given: Option<&Obj>) -> Res<()> {
    let mut text = msg.to_string();
    for (mark, o) in [("{task}", Some(v)), ("{given}", given)] {
        if let Some(o) = o.filter(|_| text.contains(mark)) {
            let r = proto::repr(t, o.value())?;
            let r = Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy());
            text = text.replacen(mark, &r, 1);
        }
    }
    let exc = errors::instance_of(t, &errors::RUNTIME_ERROR, Some(&text));
    soon(t, v.value(), Some(exc))
}
