//! Audit hooks (PEP 578): who wants to know what, and telling them.

use crate::interpreter::PerInterpreter;
use crate::prelude::*;
use crate::runtime::SharedObj;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

static HOOKS: PerInterpreter<Mutex<Vec<SharedObj>>> =
    PerInterpreter::new(Mutex::new(Vec::new()), Default::default);

/// Whether there has ever been a hook, in any interpreter: they stay.
static ANY: AtomicBool = AtomicBool::new(false);

/// Whether somebody may want to know: for arguments that are made for the hooks alone.
#[inline(always)]
pub fn wanted() -> bool {
    ANY.load(Relaxed)
}

/// Tells the hooks of an event. Unused parameters (NULL) are told as None.
///
/// # Errors
/// What a hook raises: the event must not happen then.
#[inline]
pub fn tell(t: &mut Thread, event: &str, args: &[Value]) -> Res<()> {
    if wanted() {
        tell_hooks(t, event, args)
    } else {
        Ok(())
    }
}

#[cold]
fn tell_hooks(t: &mut Thread, event: &str, args: &[Value]) -> Res<()> {
    let hooks: Vec<Obj> = HOOKS.of(t).lock().iter().map(|h| h.get(t)).collect();
    if hooks.is_empty() {
        return Ok(());
    }
    let event = Str::intern(t, event);
    let plain = |v: &Value| if v.is_null() { Value::NONE } else { *v };
    let args: Vec<Value> = args.iter().map(plain).collect();
    let args = Tuple::from_slice(t, &args);
    hooks
        .iter()
        .try_for_each(|hook| call(t, hook, &[event.value(), args.value()]))
}

/// Calls a hook: what it does is traced only if it says so by a true `__cantrace__`.
fn call(t: &mut Thread, hook: &Obj, args: &[Value]) -> Res<()> {
    let says = crate::names::get(t, "__cantrace__");
    let traced = match proto::get_attr_opt(t, hook.value(), says)? {
        Some(v) => proto::truth(t, v.value())?,
        None => false,
    };
    if traced {
        return proto::call(t, hook.value(), args).map(drop);
    }
    let tracing = t.vm().tracing.get();
    t.vm().tracing.set(tracing + 1);
    let r = proto::call(t, hook.value(), args);
    t.vm().tracing.set(tracing);
    r.map(drop)
}

/// One more hook, for the thread's interpreter.
pub fn add(t: &mut Thread, hook: Obj) {
    let hook = SharedObj::new(t, hook);
    HOOKS.of(t).lock().push(hook);
    ANY.store(true, Relaxed);
}
