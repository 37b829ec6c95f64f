//! `_asyncio`: futures, tasks, and which loop and task a thread is running. The event loops themselves are Python.
//!
//! `future.rs` is what a future knows, `future_type.rs` what Python sees of it, `future_iter.rs` what `await` goes through; `task.rs`
//! and `step.rs` the same for tasks and their steps; `current.rs` the running loop and task, `registry.rs` all tasks.

mod awaited_by;
mod current;
mod future;
mod future_iter;
mod future_type;
mod registry;
mod step;
mod task;

use crate::support;
use weft_objects::cell::counted;
use weft_objects::prelude::*;
use weft_objects::runtime::{self, Global};

/// A name in one of the library's modules written in Python, looked up once.
struct Known {
    module: &'static str,
    name: &'static str,
    found: Global,
}

impl Known {
    const fn new(module: &'static str, name: &'static str) -> Known {
        Known {
            module,
            name,
            found: Global::new(),
        }
    }

    #[inline]
    fn get(&self, t: &mut Thread) -> Res<Obj> {
        match self.found.get() {
            Some(v) => Ok(Obj::new(t, v)),
            None => self.find(t),
        }
    }

    #[cold]
    fn find(&self, t: &mut Thread) -> Res<Obj> {
        let module = runtime::import(t, self.module)?;
        let name = weft_objects::names::get(t, self.name);
        let found = proto::get_attr(t, module.value(), name)?;
        self.found.set(t, found.clone());
        Ok(found)
    }

    /// Calls it.
    fn call(&self, t: &mut Thread, args: &[Value]) -> Res<Obj> {
        let f = self.get(t)?;
        proto::call(t, f.value(), args)
    }
}

static CANCELLED_ERROR: Known = Known::new("asyncio.exceptions", "CancelledError");
static INVALID_STATE_ERROR: Known = Known::new("asyncio.exceptions", "InvalidStateError");
static FUTURE_REPR: Known = Known::new("asyncio.base_futures", "_future_repr");
static TASK_REPR: Known = Known::new("asyncio.base_tasks", "_task_repr");
static TASK_GET_STACK: Known = Known::new("asyncio.base_tasks", "_task_get_stack");
static TASK_PRINT_STACK: Known = Known::new("asyncio.base_tasks", "_task_print_stack");
static IS_COROUTINE: Known = Known::new("asyncio.coroutines", "iscoroutine");
static GET_POLICY: Known = Known::new("asyncio.events", "_get_event_loop_policy");
static EXTRACT_STACK: Known = Known::new("traceback", "extract_stack");
static WEAK_SET: Known = Known::new("weakref", "WeakSet");

/// InvalidStateError with a message.
#[cold]
fn invalid_state(t: &mut Thread, msg: &str) -> Raised {
    match INVALID_STATE_ERROR.get(t) {
        Ok(class) => t.raise(Type::of_unchecked(class.value()), msg),
        Err(e) => e,
    }
}

/// Whether the exception is a CancelledError.
fn is_cancelled_error(t: &mut Thread, exc: Value) -> Res<bool> {
    let class = CANCELLED_ERROR.get(t)?;
    Ok(type_of(exc).is_subtype(Type::of_unchecked(class.value())))
}

/// `(name,)` for the calls with one keyword.
struct Keyword(&'static str, Global);

impl Keyword {
    fn get(&self, t: &Thread) -> Value {
        self.1.get().unwrap_or_else(|| self.make(t))
    }

    #[cold]
    fn make(&self, t: &Thread) -> Value {
        let names = Tuple::from_slice(t, &[weft_objects::names::get(t, self.0).header.value()]);
        self.1.set(t, names.clone());
        names.header().make_immortal();
        names.into_value()
    }
}

static CONTEXT_KEYWORD: Keyword = Keyword("context", Global::new());
static MSG_KEYWORD: Keyword = Keyword("msg", Global::new());

/// `event_loop.call_soon(callback, *argument, context=context)`; `argument` and `context` may be NULL for none.
fn call_soon(
    t: &mut Thread,
    event_loop: Value,
    callback: Value,
    argument: Value,
    context: Value,
) -> Res<()> {
    let name = weft_objects::id!(t, "call_soon");
    let f = proto::get_attr(t, event_loop, name)?;
    let mut all = [callback, Value::NULL, Value::NULL];
    let mut n = 1;
    for v in [argument, context] {
        if !v.is_null() {
            all[n] = v;
            n += 1;
        }
    }
    let names = if context.is_null() {
        Value::NULL
    } else {
        CONTEXT_KEYWORD.get(t)
    };
    proto::call_kw(t, f.value(), Args::new(&all[..n], names)).map(drop)
}

/// The running loop, or the one that the policy gives.
fn get_event_loop(t: &mut Thread) -> Res<Obj> {
    if let Some(running) = current::running_loop(t) {
        return Ok(running);
    }
    let policy = GET_POLICY.call(t, &[])?;
    proto::call_method(t, policy.value(), "get_event_loop", &[])
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("_get_running_loop", "()", |t, _| {
        Ok(current::running_loop(t).map_or(Value::NONE, Obj::into_value))
    })
    .doc("Return the running event loop or None.\n\nThis is a low-level function intended to be used by event loops.\nThis function is thread-specific."),
    NativeDef::new("get_running_loop", "()", |t, _| {
        current::need_running_loop(t).map(Obj::into_value)
    })
    .doc("Return the running event loop.  Raise a RuntimeError if there is none.\n\nThis function is thread-specific."),
    NativeDef::new("_set_running_loop", "(loop, /)", |t, a| {
        let v = if a[0].is_none() { Value::NULL } else { counted(t, a[0]) };
        current::set_running_loop(t, v);
        Ok(Value::NONE)
    })
    .doc("Set the running event loop.\n\nThis is a low-level function intended to be used by event loops.\nThis function is thread-specific."),
    NativeDef::new("get_event_loop", "()", |t, _| get_event_loop(t).map(Obj::into_value))
        .doc("Return an asyncio event loop.\n\nWhen called from a coroutine or a callback, this gives the running event loop; without one, what the\nevent loop policy gives."),
    NativeDef::new("_register_task", "(task)", registry::register_task)
        .doc("Register a new task in asyncio as executed by loop.\n\nReturns None."),
    NativeDef::new("_unregister_task", "(task)", registry::unregister_task)
        .doc("Unregister a task.\n\nReturns None."),
    NativeDef::new("_register_eager_task", "(task)", registry::register_eager_task)
        .doc("Register a new task in asyncio as executed by loop.\n\nReturns None."),
    NativeDef::new("_unregister_eager_task", "(task)", registry::unregister_eager_task)
        .doc("Unregister a task.\n\nReturns None."),
    NativeDef::new("_enter_task", "(loop, task)", |t, a| {
        current::enter(t, a[0], a[1]).map(|()| Value::NONE)
    })
    .doc("Enter into task execution or resume suspended task.\n\nTask belongs to loop.\n\nReturns None."),
    NativeDef::new("_leave_task", "(loop, task)", |t, a| {
        current::leave(t, a[0], a[1]).map(|()| Value::NONE)
    })
    .doc("Leave task execution or suspend a task.\n\nTask belongs to loop.\n\nReturns None."),
    NativeDef::new("_swap_current_task", "(loop, task)", |t, a| {
        Ok(current::swap(t, a[0], a[1])?.map_or(Value::NONE, Obj::into_value))
    })
    .doc("Temporarily swap in the supplied task and return the original one (or None).\n\nThis is intended for use during eager coroutine execution."),
    NativeDef::new("current_task", "(loop=None)", current::current_task)
        .doc("Return a currently executed task."),
    NativeDef::new("all_tasks", "(loop=None)", registry::all_tasks)
        .doc("Return a set of all tasks for the loop."),
    NativeDef::new("future_add_to_awaited_by", "(fut, waiter, /)", |t, a| {
        awaited_by::add(t, a[0], a[1]).map(|()| Value::NONE)
    })
    .doc("Record that `fut` is awaited on by `waiter`."),
    NativeDef::new("future_discard_from_awaited_by", "(fut, waiter, /)", |t, a| {
        awaited_by::discard(t, a[0], a[1]).map(|()| Value::NONE)
    }),
];

/// In the child of a fork nothing runs a loop yet.
pub fn after_fork_child(t: &Thread) {
    current::set_running_loop(t, Value::NULL);
    current::set_running_task(t, Value::NULL);
}

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_asyncio", "Accelerator module for asyncio", FUNCTIONS);
    support::add_type(t, &m, &future_type::FUTURE);
    support::add_type(t, &m, &task::TASK);
    future_iter::FUTURE_ITER.ready(t);
    step::STEP.ready(t);
    Ok(m)
}
