//! All tasks that are not done: who they are, without keeping them alive.
//!
//! A task's address is entered in a table when it is scheduled, and taken out when it is done or dies. What a thread may see of other
//! threads' tasks it takes while they stand still: a task that is local to another thread is published before it is handed out.

use super::future::{Future, PENDING};
use super::task::{self, Task};
use super::{WEAK_SET, current};
use parking_lot::Mutex;
use std::sync::atomic::Ordering::*;
use weft_gc::Flags;
use weft_objects::prelude::*;
use weft_objects::runtime::Global;
use weft_objects::set::Set;

/// A task that is in the table, hence not yet freed.
struct Entry(*const Task);
// SAFETY: an entry is taken out, under its part's lock, before the task is freed.
unsafe impl Send for Entry {}

impl Entry {
    fn task(&self) -> &Task {
        // SAFETY: the entry is looked at under the lock of its part.
        unsafe { &*self.0 }
    }
}

const PARTS: usize = 64;

/// Part of the table: alone on its cache lines, as each thread's tasks are mostly in parts of their own.
#[repr(align(128))]
struct Part(Mutex<Vec<Entry>>);

static PARTS_BY_PAGE: [Part; PARTS] = [const { Part(Mutex::new(Vec::new())) }; PARTS];

/// The part where a task is: tasks on one page of the heap, which one thread has made, are together.
fn part_of(task: &Task) -> &'static Part {
    let page = std::ptr::from_ref(task).addr() >> 16;
    &PARTS_BY_PAGE[page % PARTS]
}

/// Enters a task that is going to run.
pub fn enter(task: &Task) {
    let mut part = part_of(task).0.lock();
    if task.place.load(Relaxed) == 0 {
        part.push(Entry(task));
        task.place.store(part.len() as u32, Relaxed);
    }
}

/// Takes a task out that is done, or dies.
#[inline]
pub fn remove(task: &Task) {
    if task.place.load(Relaxed) != 0 {
        take_out(task);
    }
}

fn take_out(task: &Task) {
    let mut part = part_of(task).0.lock();
    let place = task.place.swap(0, Relaxed) as usize;
    if place == 0 {
        return;
    }
    part.swap_remove(place - 1);
    if let Some(moved) = part.get(place - 1) {
        moved.task().place.store(place as u32, Relaxed);
    }
}

/// The other threads while they stand still, if they may know anything of a loop.
pub struct Others<'a>(Vec<&'a Thread>);

impl<'a> Others<'a> {
    /// Calls `f` with the other threads. Of a loop that is local to the calling thread they know nothing, and go on.
    pub fn visit(t: &Thread, event_loop: Value, f: impl FnOnce(&Others<'_>)) {
        // SAFETY: an argument, which the caller holds.
        let local = event_loop.is_ptr() && unsafe { event_loop.header() }.is_local(t);
        if !weft_gc::multithreaded() || (local && cfg!(not(feature = "gil"))) {
            return f(&Others(Vec::new()));
        }
        weft_gc::world().stop(t.peer(), |stopped| {
            let all = stopped.peers().map(|p| p.payload().thread());
            let others = all.filter(|o| !std::ptr::eq(*o, t) && !o.ext().is_null());
            f(&Others(others.collect()));
        });
    }

    pub fn threads(&self) -> impl Iterator<Item = &'a Thread> + '_ {
        self.0.iter().copied()
    }

    /// A reference to an object in the table, if it is alive and the calling thread may have it.
    fn own(&self, t: &Thread, h: &Header) -> Option<Obj> {
        if h.has_flag(Flags::DYING) {
            return None;
        }
        if !h.is_local(t)
            && let Some(owner) = self.threads().find(|o| h.is_local(o))
        {
            weft_gc::share(owner, h.value());
        }
        weft_gc::weak::own_if_alive(t, h)
    }
}

/// The tasks of the loop in the table that are not done.
fn scheduled(t: &Thread, event_loop: Value) -> Vec<Obj> {
    let mut found = Vec::new();
    Others::visit(t, event_loop, |others| {
        for part in &PARTS_BY_PAGE {
            for entry in part.0.lock().iter() {
                let future = &entry.task().future;
                if future.event_loop.get().same(event_loop) && future.state.load(Acquire) == PENDING
                {
                    found.extend(others.own(t, &future.header));
                }
            }
        }
    });
    found
}

// --- tasks that are not of our class ---

/// A `WeakSet` of tasks of other classes that are scheduled.
static FOREIGN: Global = Global::new();
/// A set of those that are being started eagerly.
static EAGER: Global = Global::new();

fn foreign(t: &mut Thread) -> Res<Obj> {
    if let Some(v) = FOREIGN.get() {
        return Ok(Obj::new(t, v));
    }
    let made = WEAK_SET.call(t, &[])?;
    FOREIGN.set(t, made.clone());
    Ok(made)
}

fn eager(t: &Thread) -> Obj {
    match EAGER.get() {
        Some(v) => Obj::new(t, v),
        None => {
            let made = Set::new(t);
            EAGER.set(t, made.clone());
            made
        }
    }
}

/// `_register_task(task)`
pub fn register_task(t: &mut Thread, a: &[Value]) -> Res {
    match task::of(a[0]) {
        Some(task) => enter(task),
        None => {
            let set = foreign(t)?;
            proto::call_method(t, set.value(), "add", &[a[0]])?;
        }
    }
    Ok(Value::NONE)
}

/// `_unregister_task(task)`
pub fn unregister_task(t: &mut Thread, a: &[Value]) -> Res {
    match task::of(a[0]) {
        Some(task) => remove(task),
        None => {
            let set = foreign(t)?;
            proto::call_method(t, set.value(), "discard", &[a[0]])?;
        }
    }
    Ok(Value::NONE)
}

/// `_register_eager_task(task)`
pub fn register_eager_task(t: &mut Thread, a: &[Value]) -> Res {
    let set = eager(t);
    Set::of_obj(&set).add(t, a[0])?;
    Ok(Value::NONE)
}

/// `_unregister_eager_task(task)`
pub fn unregister_eager_task(t: &mut Thread, a: &[Value]) -> Res {
    let set = eager(t);
    Set::of_obj(&set).remove(t, a[0])?;
    Ok(Value::NONE)
}

/// The loop of a future of any class.
pub fn loop_of(t: &mut Thread, v: Value) -> Res<Obj> {
    if let Some(f) = Future::exact(v) {
        return Ok(f.loop_or_none(t));
    }
    let name = weft_objects::id!(t, "get_loop");
    if let Some(f) = proto::get_attr_opt(t, v, name)? {
        return proto::call(t, f.value(), &[]);
    }
    proto::get_attr(t, v, weft_objects::id!(t, "_loop"))
}

/// Adds a task to the set if it is one of the loop's and not done.
fn add_if_pending(t: &mut Thread, set: &Obj, v: &Obj, event_loop: Value) -> Res<()> {
    let done = proto::call_method(t, v.value(), "done", &[])?;
    if proto::truth(t, done.value())? || !loop_of(t, v.value())?.value().same(event_loop) {
        return Ok(());
    }
    Set::of_obj(set).add(t, v.value()).map(drop)
}

/// `all_tasks(loop=None)`
pub fn all_tasks(t: &mut Thread, a: &[Value]) -> Res {
    let event_loop = if a[0].is_null() || a[0].is_none() {
        current::need_running_loop(t)?
    } else {
        Obj::new(t, a[0])
    };
    let found = Set::new(t);
    // The eager ones first: one that comes to be scheduled meanwhile is not missed.
    let mut others = match EAGER.get().and_then(Set::of) {
        Some(set) => set.to_vec(t),
        None => Vec::new(),
    };
    for task in scheduled(t, event_loop.value()) {
        Set::of_obj(&found).add(t, task.value())?;
    }
    if let Some(set) = FOREIGN.get() {
        others.extend(proto::to_vec(t, set)?);
    }
    for v in others {
        add_if_pending(t, &found, &v, event_loop.value())?;
    }
    Ok(found.into())
}
