//! The loop that a thread runs, and the task that this loop is running.

use super::registry::Others;
use weft_objects::prelude::*;

fn owned(t: &Thread, v: Value) -> Option<Obj> {
    (!v.is_null()).then(|| Obj::new(t, v))
}

/// The loop that the calling thread runs.
#[inline]
pub fn running_loop(t: &Thread) -> Option<Obj> {
    owned(t, t.vm().running_loop.get())
}

/// As [`running_loop`], raising RuntimeError if there is none.
pub fn need_running_loop(t: &mut Thread) -> Res<Obj> {
    running_loop(t).ok_or_else(|| t.runtime_error("no running event loop"))
}

/// Takes over the word: a loop, or NULL for none.
pub fn set_running_loop(t: &Thread, v: Value) {
    let old = t.vm().running_loop.replace(v);
    t.drop_value(old);
}

/// As [`set_running_loop`], of the task that the loop is running.
pub fn set_running_task(t: &Thread, v: Value) {
    let old = t.vm().running_task.replace(v);
    t.drop_value(old);
}

#[cold]
fn repr(t: &mut Thread, v: Value) -> Res<String> {
    let r = proto::repr(t, v)?;
    Ok(Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy()))
}

#[cold]
fn not_running(t: &mut Thread, event_loop: Value) -> Raised {
    match repr(t, event_loop) {
        Ok(r) => t.runtime_error(format!("loop {r} is not the running loop")),
        Err(e) => e,
    }
}

#[inline]
fn check_loop(t: &mut Thread, event_loop: Value) -> Res<()> {
    if t.vm().running_loop.get().same(event_loop) {
        return Ok(());
    }
    Err(not_running(t, event_loop))
}

/// The task is what the loop runs from now on.
///
/// # Errors
/// RuntimeError if the loop is not the running one, or runs a task already.
pub fn enter(t: &mut Thread, event_loop: Value, task: Value) -> Res<()> {
    check_loop(t, event_loop)?;
    if let Some(running) = owned(t, t.vm().running_task.get()) {
        let (task, running) = (repr(t, task)?, repr(t, running.value())?);
        return Err(t.runtime_error(format!(
            "Cannot enter into task {task} while another task {running} is being executed."
        )));
    }
    t.vm().running_task.set(Obj::new(t, task).into_value());
    Ok(())
}

/// The loop runs the task no more.
///
/// # Errors
/// RuntimeError if that is not what it has been running.
pub fn leave(t: &mut Thread, event_loop: Value, task: Value) -> Res<()> {
    check_loop(t, event_loop)?;
    let running = t.vm().running_task.get();
    if running.is_null() || !running.same(task) {
        let running = owned(t, running);
        let task = repr(t, task)?;
        let running = repr(t, running.as_ref().map_or(Value::NONE, Obj::value))?;
        return Err(t.runtime_error(format!(
            "Invalid attempt to leave task {task} while task {running} is entered."
        )));
    }
    set_running_task(t, Value::NULL);
    Ok(())
}

/// The task (or None) is what the loop runs from now on; gives what it has been running.
///
/// # Errors
/// RuntimeError if the loop is not the running one.
pub fn swap(t: &mut Thread, event_loop: Value, task: Value) -> Res<Option<Obj>> {
    check_loop(t, event_loop)?;
    let new = if task.is_none() {
        Value::NULL
    } else {
        Obj::new(t, task).into_value()
    };
    let old = t.vm().running_task.replace(new);
    Ok((!old.is_null()).then(|| Obj::from_raw(old)))
}

/// `current_task(loop=None)`
pub fn current_task(t: &mut Thread, a: &[Value]) -> Res {
    let mine = running_loop(t);
    let event_loop = if a[0].is_null() || a[0].is_none() {
        need_running_loop(t)?
    } else {
        Obj::new(t, a[0])
    };
    let task = if mine.is_some_and(|m| m.value().same(event_loop.value())) {
        owned(t, t.vm().running_task.get())
    } else {
        of_other_thread(t, event_loop.value())
    };
    Ok(task.map_or(Value::NONE, Obj::into_value))
}

/// The task that a loop of another thread is running.
#[cold]
fn of_other_thread(t: &Thread, event_loop: Value) -> Option<Obj> {
    let mut found = None;
    Others::visit(t, event_loop, |others| {
        for other in others.threads() {
            if other.vm().running_loop.get().same(event_loop) {
                let task = other.vm().running_task.get();
                if !task.is_null() {
                    weft_gc::share(other, task);
                    found = Some(Obj::new(t, task));
                }
            }
        }
    });
    found
}
