//! `posix_spawn`

use super::process::{Strings, arguments, environ, variables};
use super::*;

/// What the new process does with its files before the program runs.
struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new() -> Actions {
        let mut a = std::mem::MaybeUninit::uninit();
        // SAFETY: made whole by the call.
        unsafe {
            libc::posix_spawn_file_actions_init(a.as_mut_ptr());
            Actions(a.assume_init())
        }
    }

    /// One tuple of the program's: what to do, and with what.
    fn add(&mut self, t: &mut Thread, v: Value) -> Res<()> {
        let Some(items) = Tuple::of(v).filter(|a| !a.is_empty()) else {
            return Err(t.type_error("Each file_actions element must be a non-empty tuple".into()));
        };
        let wrong = |t: &mut Thread, what: &str| {
            t.type_error(format!(
                "A {what} file_action tuple must have {} elements",
                match what {
                    "open" => 5,
                    "close" | "closefrom" => 2,
                    _ => 3,
                }
            ))
        };
        let r = match support::c_int(t, items.get(0))? {
            OPEN => {
                if items.len() != 5 {
                    return Err(wrong(t, "open"));
                }
                let fd = support::c_int(t, items.get(1))?;
                let path = fs_string(t, items.get(2))?;
                let (flags, mode) = (
                    support::c_int(t, items.get(3))?,
                    support::c_int(t, items.get(4))?,
                );
                // SAFETY: initialised; the system copies the path.
                unsafe {
                    libc::posix_spawn_file_actions_addopen(
                        &mut self.0,
                        fd,
                        path.as_ptr(),
                        flags,
                        mode as _,
                    )
                }
            }
            CLOSE => {
                if items.len() != 2 {
                    return Err(wrong(t, "close"));
                }
                let fd = support::c_int(t, items.get(1))?;
                // SAFETY: initialised.
                unsafe { libc::posix_spawn_file_actions_addclose(&mut self.0, fd) }
            }
            DUP2 => {
                if items.len() != 3 {
                    return Err(wrong(t, "dup2"));
                }
                let (fd, to) = (
                    support::c_int(t, items.get(1))?,
                    support::c_int(t, items.get(2))?,
                );
                // SAFETY: initialised.
                unsafe { libc::posix_spawn_file_actions_adddup2(&mut self.0, fd, to) }
            }
            #[cfg(all(target_os = "linux", target_env = "gnu"))]
            3 => {
                if items.len() != 2 {
                    return Err(wrong(t, "closefrom"));
                }
                let fd = support::c_int(t, items.get(1))?;
                unsafe extern "C" {
                    fn posix_spawn_file_actions_addclosefrom_np(
                        actions: *mut libc::posix_spawn_file_actions_t,
                        from: i32,
                    ) -> i32;
                }
                // SAFETY: the actions are ours.
                unsafe { posix_spawn_file_actions_addclosefrom_np(&mut self.0, fd) }
            }
            _ => return Err(t.type_error("Unknown file_actions identifier".into())),
        };
        if r == 0 {
            Ok(())
        } else {
            Err(t.os_error(r, None))
        }
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

const OPEN: i32 = 0;
const CLOSE: i32 = 1;
const DUP2: i32 = 2;

/// What the new process is to be.
struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> Attributes {
        let mut a = std::mem::MaybeUninit::uninit();
        // SAFETY: made whole by the call.
        unsafe {
            libc::posix_spawnattr_init(a.as_mut_ptr());
            Attributes(a.assume_init())
        }
    }

    /// Takes the keyword arguments.
    #[allow(clippy::useless_conversion)] // The flags are shorter on some systems.
    /// `(policy or None, param)`: the flags that ask for it.
    #[cfg(target_os = "linux")]
    fn schedule(&mut self, t: &mut Thread, v: Value) -> Res<i32> {
        let shape = "A scheduler tuple must have two elements";
        let Some(parts) = Tuple::of(v) else {
            return Err(t.type_error("scheduler must be a tuple or None".into()));
        };
        if parts.len() != 2 {
            return Err(t.type_error(shape.into()));
        }
        let mut flags = 0;
        if !parts.get(0).is_none() {
            let policy = support::c_int(t, parts.get(0))?;
            // SAFETY: initialised.
            unsafe { libc::posix_spawnattr_setschedpolicy(&mut self.0, policy) };
            flags |= libc::POSIX_SPAWN_SETSCHEDULER;
        }
        let param = super::schedule::param(t, parts.get(1))?;
        // SAFETY: initialised; the structure is ours.
        unsafe { libc::posix_spawnattr_setschedparam(&mut self.0, &param) };
        Ok(flags | libc::POSIX_SPAWN_SETSCHEDPARAM)
    }

    #[cfg(not(target_os = "linux"))]
    fn schedule(&mut self, t: &mut Thread, _v: Value) -> Res<i32> {
        let msg = "posix_spawn: scheduler unavailable on this platform";
        Err(t.raise(&errors::NOT_IMPLEMENTED_ERROR, msg))
    }

    fn fill(&mut self, t: &mut Thread, k: &Keywords) -> Res<()> {
        let mut flags = 0i32;
        if !k.setpgroup.is_null() && !k.setpgroup.is_none() {
            let group = support::c_int(t, k.setpgroup)?;
            // SAFETY: initialised.
            unsafe { libc::posix_spawnattr_setpgroup(&mut self.0, group) };
            flags |= libc::POSIX_SPAWN_SETPGROUP;
        }
        if support::truth_or(t, k.resetids, false)? {
            flags |= libc::POSIX_SPAWN_RESETIDS;
        }
        if support::truth_or(t, k.setsid, false)? {
            #[cfg(target_os = "linux")]
            {
                flags |= i32::from(libc::POSIX_SPAWN_SETSID);
            }
            #[cfg(not(target_os = "linux"))]
            return Err(t.raise(
                &errors::NOT_IMPLEMENTED_ERROR,
                "posix_spawn: setsid unavailable on this platform",
            ));
        }
        if !k.setsigmask.is_null() {
            let set = signals(t, k.setsigmask)?;
            // SAFETY: initialised.
            unsafe { libc::posix_spawnattr_setsigmask(&mut self.0, &set) };
            flags |= libc::POSIX_SPAWN_SETSIGMASK;
        }
        if !k.setsigdef.is_null() {
            let set = signals(t, k.setsigdef)?;
            // SAFETY: initialised.
            unsafe { libc::posix_spawnattr_setsigdefault(&mut self.0, &set) };
            flags |= libc::POSIX_SPAWN_SETSIGDEF;
        }
        if !k.scheduler.is_null() && !k.scheduler.is_none() {
            flags |= self.schedule(t, k.scheduler)?;
        }
        // SAFETY: initialised.
        unsafe { libc::posix_spawnattr_setflags(&mut self.0, flags as _) };
        Ok(())
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`.
        unsafe { libc::posix_spawnattr_destroy(&mut self.0) };
    }
}

struct Keywords {
    setpgroup: Value,
    resetids: Value,
    setsid: Value,
    setsigmask: Value,
    setsigdef: Value,
    scheduler: Value,
}

fn signals(t: &mut Thread, v: Value) -> Res<libc::sigset_t> {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: made whole by the call.
    let mut set: libc::sigset_t = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    };
    for item in proto::to_vec(t, v)? {
        let n = support::c_int(t, item.value())?;
        // SAFETY: the set is ours.
        if unsafe { libc::sigaddset(&mut set, n) } != 0 {
            return Err(t.value_error(format!("signal number {n} out of range [1; 64]")));
        }
    }
    Ok(set)
}

fn do_spawn(t: &mut Thread, a: &[Value], func: &str, search: bool) -> Res {
    let p = support::path(t, a[0], func, "path")?;
    audit::tell(t, "os.posix_spawn", &[a[0], a[1], a[2]])?;
    let args = arguments(
        t,
        a[1],
        &format!("{func}: argv must be a tuple or list"),
        &format!("{func}: argv"),
    )?;
    let env: Option<Strings> = if a[2].is_none() {
        None
    } else {
        Some(variables(t, a[2], func)?)
    };
    let mut actions = Actions::new();
    if !a[3].is_null() && !a[3].is_none() {
        for item in proto::to_vec(t, a[3])? {
            actions.add(t, item.value())?;
        }
    }
    let k = Keywords {
        setpgroup: a[4],
        resetids: a[5],
        setsid: a[6],
        setsigmask: a[7],
        setsigdef: a[8],
        scheduler: a[9],
    };
    let mut attributes = Attributes::new();
    attributes.fill(t, &k)?;
    let mut pid: libc::pid_t = 0;
    let f = if search {
        libc::posix_spawnp
    } else {
        libc::posix_spawn
    };
    // SAFETY: all of it is ours and outlives the call; the lists end with NULL. The process's own environment is read as C reads it.
    let e = t.blocking(|| unsafe {
        let env = env.as_ref().map_or(environ, Strings::as_ptr);
        f(
            &mut pid,
            p.c.as_ptr(),
            &actions.0,
            &attributes.0,
            args.as_ptr() as _,
            env as _,
        )
    });
    if e != 0 {
        Err(t.os_error(e, p.name()))
    } else {
        Ok(Value::int(i64::from(pid)))
    }
}

const SIG: &str = "(path, argv, env, /, *, file_actions=(), setpgroup=<unrepresentable>, resetids=False, setsid=False, \
                   setsigmask=(), setsigdef=(), scheduler=<unrepresentable>)";

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("posix_spawn", SIG, |t, a| {
        do_spawn(t, a, "posix_spawn", false)
    })
    .doc("Execute the program specified by path in a new process."),
    NativeDef::new("posix_spawnp", SIG, |t, a| {
        do_spawn(t, a, "posix_spawnp", true)
    })
    .doc("Execute the program specified by path in a new process."),
];
