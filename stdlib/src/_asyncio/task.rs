//! `_asyncio.Task`: a future that runs a coroutine. Its steps are in `step.rs`.

use super::future::{self, Future};
use super::future_type::{FUTURE, given_truth};
use super::{
    IS_COROUTINE, MSG_KEYWORD, TASK_GET_STACK, TASK_PRINT_STACK, TASK_REPR, current, registry, step,
};
use crate::_contextvars::{self, Context};
use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::*};
use weft_objects::cell::{counted, fresh, or_none, own};
use weft_objects::prelude::*;
use weft_objects::{generator, generic_alias, int};

/// `_asyncio.Task`
#[repr(C)]
pub struct Task {
    pub future: Future,
    pub coroutine: Slot,
    pub context: Slot,
    /// A str; or an int, of which the name is made when it is wanted.
    name: Slot,
    /// The future that it waits for, or NULL.
    pub waiter: Slot,
    /// CancelledError is to be raised in the coroutine at the next step.
    pub must_cancel: AtomicBool,
    /// If it dies before it is done, the loop is told.
    log_destroy_pending: AtomicBool,
    /// How often it has been asked to be cancelled, less what has been taken back.
    cancels: AtomicI64,
    /// Where it is in the table of tasks, counted from 1: see `registry.rs`.
    pub place: AtomicU32,
}

/// The task, if `v` is one.
#[inline]
pub fn of<'a>(v: Value) -> Option<&'a Task> {
    weft_objects::cast(v, &TASK)
}

/// The task; `v` is one.
#[inline(always)]
pub fn this<'a>(v: Value) -> &'a Task {
    // SAFETY: called with tasks alone.
    unsafe { &*(v.ptr() as *const Task) }
}

static NEXT_NAME: AtomicU64 = AtomicU64::new(1);

fn new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    // SAFETY: `cls` is TASK or a subclass.
    let (o, _) = unsafe { fresh::<Task>(t, Type::of_unchecked(cls)) };
    Ok(o.into())
}

fn is_coroutine(t: &mut Thread, v: Value) -> Res<bool> {
    if type_of(v).is(&generator::COROUTINE) {
        return Ok(true);
    }
    let r = IS_COROUTINE.call(t, &[v])?;
    proto::truth(t, r.value())
}

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new(
        "Task",
        "(coro, *, loop=None, name=None, context=None, eager_start=False)",
    );
    let a = SIG.bind(t, args)?;
    let task = this(v);
    let h = &task.future.header;
    registry::remove(task);
    task.future.start(t, a[1])?;
    if !is_coroutine(t, a[0])? {
        task.log_destroy_pending.store(false, Relaxed);
        let r = proto::repr(t, a[0])?;
        let r = Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy());
        return Err(t.type_error(format!("a coroutine was expected, got {r}")));
    }
    let context = match a[3] {
        c if c.is_null() || c.is_none() => _contextvars::copy_current(t),
        c => Obj::new(t, c),
    };
    task.context.set(t, h, context.into());
    task.waiter.set(t, h, Value::NULL);
    task.must_cancel.store(false, Relaxed);
    task.log_destroy_pending.store(true, Relaxed);
    task.cancels.store(0, Relaxed);
    task.coroutine.set(t, h, counted(t, a[0]));
    let name = match a[2] {
        n if n.is_null() || n.is_none() => {
            Obj::own(int::from_u64(t, NEXT_NAME.fetch_add(1, Relaxed)))
        }
        n => name_of(t, n)?,
    };
    task.name.set(t, h, name.into());
    let eager = !a[4].is_null() && proto::truth(t, a[4])?;
    if eager && loop_is_running(t, task)? {
        return start_eagerly(t, v);
    }
    step::soon(t, v, None)?;
    registry::enter(task);
    Ok(())
}

fn name_of(t: &mut Thread, v: Value) -> Res<Obj> {
    if Str::exact(v).is_some() {
        Ok(Obj::new(t, v))
    } else {
        proto::str(t, v)
    }
}

fn loop_is_running(t: &mut Thread, task: &Task) -> Res<bool> {
    let event_loop = task.future.need_loop(t)?;
    let r = proto::call_method(t, event_loop.value(), "is_running", &[])?;
    proto::truth(t, r.value())
}

/// Runs the first step at once, inside whatever task is running.
fn start_eagerly(t: &mut Thread, v: Value) -> Res<()> {
    let task = this(v);
    let v = Obj::new(t, v);
    let event_loop = task.future.need_loop(t)?;
    let before = current::swap(t, event_loop.value(), v.value())?;
    registry::enter(task);
    let stepped = step_in_context(t, &v);
    let error = stepped.err().and_then(|_| t.take_exc());
    let before = before.map_or(Value::NONE, Obj::into_value);
    let swapped = current::swap(t, event_loop.value(), before);
    t.drop_value(before);
    if !task.future.is_pending() {
        task.coroutine.set(t, &task.future.header, Value::NULL);
    }
    match error {
        Some(exc) => Err(t.set_exc(exc)),
        None => swapped.map(drop),
    }
}

fn step_in_context(t: &mut Thread, v: &Obj) -> Res<()> {
    let context = own(t, &this(v.value()).context).unwrap_or_else(crate::support::none);
    if weft_objects::cast_exact::<Context>(context.value(), &_contextvars::CONTEXT).is_none() {
        return Err(t.type_error("an instance of Context was expected".into()));
    }
    Context::enter(t, context.value())?;
    let r = step::run(t, v, None);
    Context::exit(t, context.value());
    r
}

fn repr(t: &mut Thread, v: Value) -> Res {
    this(v).future.need_loop(t)?;
    TASK_REPR.call(t, &[v]).map(Obj::into_value)
}

// --- cancelling ---

/// `waiter.cancel(msg=message)`
pub fn cancel_waiter(t: &mut Thread, waiter: Value, message: Value) -> Res<bool> {
    let f = proto::get_attr(t, waiter, weft_objects::id!(t, "cancel"))?;
    let message = if message.is_null() {
        Value::NONE
    } else {
        message
    };
    let args = [message];
    let args = Args::new(&args, MSG_KEYWORD.get(t));
    let r = proto::call_kw(t, f.value(), args)?;
    proto::truth(t, r.value())
}

fn cancel(t: &mut Thread, a: &[Value]) -> Res {
    let task = this(a[0]);
    task.future.log_traceback.store(false, Relaxed);
    if !task.future.is_pending() {
        return Ok(Value::bool(false));
    }
    task.cancels.fetch_add(1, Relaxed);
    if let Some(waiter) = own(t, &task.waiter)
        && cancel_waiter(t, waiter.value(), a[1])?
    {
        // It stays: it may be a task that takes no notice, and has to be cancelled again.
        return Ok(Value::bool(true));
    }
    let message = counted(t, a[1]);
    let f = &task.future;
    f.cancel_message.set(t, &f.header, message);
    task.must_cancel.store(true, Release);
    Ok(Value::bool(true))
}

fn uncancel(t: &mut Thread, a: &[Value]) -> Res {
    let task = this(a[0]);
    let before = task
        .cancels
        .fetch_update(Relaxed, Relaxed, |n| (n > 0).then_some(n - 1));
    let left = before.map_or(0, |n| n - 1);
    if before == Ok(1) {
        task.must_cancel.store(false, Release);
    }
    Ok(int::from_i64(t, left))
}

// --- other methods ---

fn get_name(t: &mut Thread, a: &[Value]) -> Res {
    let task = this(a[0]);
    let Some(name) = own(t, &task.name) else {
        return Ok(Value::NONE);
    };
    if let Some(i) = int::as_i64(name.value()) {
        let made = Str::from_string(t, format!("Task-{i}"));
        task.name.set(t, &task.future.header, made.clone().into());
        return Ok(made.into());
    }
    Ok(name.into())
}

fn set_name(t: &mut Thread, a: &[Value]) -> Res {
    let name = name_of(t, a[1])?;
    this(a[0])
        .name
        .set(t, &this(a[0]).future.header, name.into());
    Ok(Value::NONE)
}

fn not_supported(t: &mut Thread, name: &str) -> Res {
    Err(t.runtime_error(format!("Task does not support {name} operation")))
}

fn set_log_destroy_pending(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let on = given_truth(t, v, new, "_log_destroy_pending")?;
    this(v).log_destroy_pending.store(on, Relaxed);
    Ok(())
}

// --- memory ---

impl Task {
    fn slots(&self) -> [&Slot; 4] {
        [&self.coroutine, &self.context, &self.name, &self.waiter]
    }
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a task.
    let task = unsafe { &*(h as *const Task) };
    task.future.visit(f);
    task.slots().iter().for_each(|s| f(s.get()));
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying task.
    let task = unsafe { &*(h as *const Task) };
    registry::remove(task);
    task.future.drop_all(t);
    for s in task.slots() {
        t.drop_value(s.take_local());
    }
}

/// Whether the loop is to be told that it has died before it was done.
fn is_lost(task: &Task) -> bool {
    task.future.state.load(Relaxed) == future::PENDING && task.log_destroy_pending.load(Relaxed)
}

unsafe fn has_finalizer(h: *const Header) -> bool {
    // SAFETY: a task, which starts with a future.
    unsafe { is_lost(&*(h as *const Task)) || future::has_finalizer(h) }
}

fn finalize(t: &mut Thread, v: Value) -> Res<()> {
    let task = this(v);
    if is_lost(task) {
        let message = Str::new(t, "Task was destroyed but it is pending!");
        let items = [("task", v), ("message", message.value())];
        task.future.tell(t, &items)?;
    }
    future::finalize(t, v)
}

/// `_asyncio.Task`
pub static TASK: Type = Type::builtin(
    "Task",
    size_of::<Task>(),
    &Spec {
        new: Some(new),
        init: Some(init),
        repr: Some(repr),
        iter: Some(super::future_iter::new),
        await_: Some(super::future_iter::new),
        finalize: Some(finalize),
        methods: &[
            NativeDef::new("cancel", "($self, /, msg=None)", cancel)
                .doc("Request that this task cancel itself.\n\nThis arranges for a CancelledError to be thrown into the\nwrapped coroutine on the next cycle through the event loop.\nThe coroutine then has a chance to clean up or even deny\nthe request using try/except/finally.\n\nUnlike Future.cancel, this does not guarantee that the\ntask will be cancelled: the exception might be caught and\nacted upon, delaying cancellation of the task or preventing\ncancellation completely.  The task may also return a value or\nraise a different exception.\n\nThis also increases the task's count of cancellation requests."),
            NativeDef::new("cancelling", "($self, /)", |t, a| {
                Ok(int::from_i64(t, this(a[0]).cancels.load(Relaxed)))
            })
            .doc("Return the count of the task's cancellation requests.\n\nThis count is incremented when .cancel() is called\nand may be decremented using .uncancel()."),
            NativeDef::new("uncancel", "($self, /)", uncancel)
                .doc("Decrement the task's count of cancellation requests.\n\nThis should be used by tasks that catch CancelledError\nand wish to continue indefinitely until they are cancelled again.\n\nReturns the remaining number of cancellation requests."),
            NativeDef::new("get_stack", "($self, /, *, limit=None)", |t, a| {
                let limit = if a[1].is_null() { Value::NONE } else { a[1] };
                TASK_GET_STACK.call(t, &[a[0], limit]).map(Obj::into_value)
            })
            .doc("Return the list of stack frames for this task's coroutine.\n\nIf the coroutine is not done, this returns the stack where it is\nsuspended.  If the coroutine has completed successfully or was\ncancelled, this returns an empty list.  If the coroutine was\nterminated by an exception, this returns the list of traceback\nframes.\n\nThe frames are always ordered from oldest to newest."),
            NativeDef::new("print_stack", "($self, /, *, limit=None, file=None)", |t, a| {
                let [limit, file] = [a[1], a[2]].map(|v| if v.is_null() { Value::NONE } else { v });
                TASK_PRINT_STACK
                    .call(t, &[a[0], limit, file])
                    .map(Obj::into_value)
            })
            .doc("Print the stack or traceback for this task's coroutine.\n\nThis produces output similar to that of the traceback module,\nfor the frames retrieved by get_stack()."),
            NativeDef::new("set_result", "($self, result, /)", |t, _| {
                not_supported(t, "set_result")
            }),
            NativeDef::new("set_exception", "($self, exception, /)", |t, _| {
                not_supported(t, "set_exception")
            }),
            NativeDef::new("get_name", "($self, /)", get_name),
            NativeDef::new("set_name", "($self, value, /)", set_name),
            NativeDef::new("get_coro", "($self, /)", |t, a| {
                Ok(or_none(t, this(a[0]).coroutine.get()))
            }),
            NativeDef::new("get_context", "($self, /)", |t, a| {
                Ok(or_none(t, this(a[0]).context.get()))
            }),
            NativeDef::class("__class_getitem__", "($type, object, /)", generic_alias::class_getitem)
                .doc("Tasks are generic over the return type of their wrapped coroutines"),
        ],
        members: &[
            MemberDef {
                name: "_coro",
                offset: offset_of!(Task, coroutine),
                readonly: true,
                none_if_empty: true,
            },
            MemberDef {
                name: "_fut_waiter",
                offset: offset_of!(Task, waiter),
                readonly: true,
                none_if_empty: true,
            },
        ],
        getset: &[
            GetSetDef::rw(
                "_log_destroy_pending",
                |_, v| Ok(Value::bool(this(v).log_destroy_pending.load(Relaxed))),
                set_log_destroy_pending,
            ),
            GetSetDef::ro("_must_cancel", |_, v| {
                Ok(Value::bool(this(v).must_cancel.load(Relaxed)))
            }),
        ],
        ..Spec::EMPTY
    },
)
.base(&FUTURE)
.module("_asyncio")
.gc(traverse, clear)
.finalizer(has_finalizer)
.dict_at(offset_of!(Future, dict))
.signature("(coro, *, loop=None, name=None, context=None, eager_start=False)")
.doc("A coroutine wrapped in a Future.");
