//! `fork`, and what is to be done before and after it.

use super::*;
use crate::wait::IMPORT_LOCK;
use parking_lot::Mutex;
use weft_objects::interpreter::{self, PerInterpreter};
use weft_objects::runtime::{self, SharedObj};

/// Functions of `register_at_fork`.
#[derive(Default)]
struct Registered {
    before: Vec<SharedObj>,
    in_child: Vec<SharedObj>,
    in_parent: Vec<SharedObj>,
}

impl Registered {
    const fn new() -> Registered {
        Registered {
            before: Vec::new(),
            in_child: Vec::new(),
            in_parent: Vec::new(),
        }
    }
}

static REGISTERED: PerInterpreter<Mutex<Registered>> =
    PerInterpreter::new(Mutex::new(Registered::new()), Default::default);

fn register_at_fork(t: &mut Thread, a: &[Value]) -> Res {
    if a.iter().all(|v| v.is_null()) {
        return Err(t.type_error("At least one argument is required.".into()));
    }
    for (v, name) in a
        .iter()
        .zip(["before", "after_in_child", "after_in_parent"])
    {
        if !v.is_null() && !proto::is_callable(*v) {
            let got = type_of(*v).name();
            return Err(t.type_error(format!("'{name}' must be callable, not {got}")));
        }
    }
    let share = |v: Value| (!v.is_null()).then(|| SharedObj::new(t, Obj::new(t, v)));
    let (before, in_child, in_parent) = (share(a[0]), share(a[1]), share(a[2]));
    let mut r = REGISTERED.of(t).lock();
    r.before.extend(before);
    r.in_child.extend(in_child);
    r.in_parent.extend(in_parent);
    Ok(Value::NONE)
}

/// Calls functions, whose exceptions nobody can catch.
fn run(t: &mut Thread, functions: Vec<Obj>) {
    for f in functions {
        if proto::call(t, f.value(), &[]).is_err() {
            runtime::unraisable(t, "Exception ignored in fork hook", Some(f.value()));
        }
    }
}

fn registered(t: &Thread, which: fn(&Registered) -> &Vec<SharedObj>) -> Vec<Obj> {
    which(&REGISTERED.of(t).lock())
        .iter()
        .map(|f| f.get(t))
        .collect()
}

/// Forks by `f` (0 in the child, -1: error), with everything around it that keeps the child whole.
pub fn fork_with(t: &mut Thread, f: impl FnOnce() -> i32) -> Result<i32, i32> {
    let mut before = registered(t, |r| &r.before);
    before.reverse();
    run(t, before);
    while IMPORT_LOCK.lock(t, false).is_err() {
        runtime::unraisable(t, "Exception ignored before fork", None);
    }
    let (pid, e) = {
        let world_fork = || weft_gc::fork(t, || (f(), errno()), |r| r.0 == 0);
        #[cfg(feature = "gil")]
        {
            // The lock itself is forked too; it must be this thread's on both sides.
            weft_gc::gil().fork(world_fork, |r| r.0 == 0)
        }
        #[cfg(not(feature = "gil"))]
        {
            world_fork()
        }
    };
    if pid == 0 {
        crate::_thread::after_fork_child();
        crate::_asyncio::after_fork_child(t);
    }
    IMPORT_LOCK.unlock(false);
    if pid == 0 {
        let functions = registered(t, |r| &r.in_child);
        run(t, functions);
    } else {
        let functions = registered(t, |r| &r.in_parent);
        run(t, functions);
    }
    if pid < 0 { Err(e) } else { Ok(pid) }
}

/// Warns that the child of a program with several threads has but one.
fn warn_if_threaded(t: &mut Thread, func: &str) {
    if weft_gc::world().len() <= 1 {
        return;
    }
    // SAFETY: always callable.
    let pid = unsafe { libc::getpid() };
    let text = format!(
        "This process (pid={pid}) is multi-threaded, use of {func}() may lead to deadlocks in the child."
    );
    if crate::_warnings::warn_text(t, &errors::DEPRECATION_WARNING, &text, 1).is_err() {
        runtime::unraisable(t, "Exception ignored in fork", None);
    }
}

/// PythonFinalizationError once the program is being taken down.
pub fn refuse_at_end(t: &mut Thread, what: &str) -> Res<()> {
    if weft_objects::runtime::is_finalizing() {
        let msg = format!("{what} at interpreter shutdown");
        return Err(t.raise(&errors::PYTHON_FINALIZATION_ERROR, msg));
    }
    Ok(())
}

/// RuntimeError in an interpreter that does not allow it.
pub fn refuse_isolated(t: &Thread, what: u32, shown: &str) -> Res<()> {
    if interpreter::current(t).allows(what) {
        return Ok(());
    }
    Err(t.runtime_error(format!(
        "{shown} not supported for isolated subinterpreters"
    )))
}

fn fork(t: &mut Thread, _a: &[Value]) -> Res {
    refuse_isolated(t, interpreter::FORK, "fork")?;
    refuse_at_end(t, "can't fork")?;
    audit::tell(t, "os.fork", &[])?;
    // SAFETY: the world stands still, and the child cleans up after the threads that it has not.
    match fork_with(t, || unsafe { libc::fork() }) {
        Ok(pid) => {
            if pid > 0 {
                warn_if_threaded(t, "fork");
            }
            Ok(Value::int(i64::from(pid)))
        }
        Err(e) => Err(t.os_error(e, None)),
    }
}

fn forkpty(t: &mut Thread, _a: &[Value]) -> Res {
    refuse_isolated(t, interpreter::FORK, "fork")?;
    audit::tell(t, "os.forkpty", &[])?;
    let mut master = -1;
    let null = std::ptr::null_mut();
    // SAFETY: as in `fork`; the number is ours, the rest is not asked for.
    match fork_with(t, || unsafe {
        libc::forkpty(&mut master, null, null as *mut _, null as *mut _)
    }) {
        Ok(pid) => {
            if pid > 0 {
                warn_if_threaded(t, "forkpty");
            }
            let master = if pid == 0 { -1 } else { master };
            Ok(Tuple::from_slice(
                t,
                &[Value::int(i64::from(pid)), Value::int(i64::from(master))],
            )
            .into())
        }
        Err(e) => Err(t.os_error(e, None)),
    }
}

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("fork", "()", fork).doc("Fork a child process."),
    NativeDef::new("forkpty", "()", forkpty)
        .doc("Fork a new process with a new pseudo-terminal as controlling tty."),
    NativeDef::new(
        "register_at_fork",
        "(*, before=<unrepresentable>, after_in_child=<unrepresentable>, after_in_parent=<unrepresentable>)",
        register_at_fork,
    )
    .doc("Register callables to be called when forking a new process."),
];
