//! Running other programs in the place of this one, signals to processes, ending.

use super::*;
use std::ffi::c_char;
use weft_objects::interpreter::EXEC;

unsafe extern "C" {
    /// The process's environment.
    pub(super) static environ: *const *const c_char;
}

/// Strings as a system call takes them: pointers that end with NULL.
pub(super) struct Strings {
    pointers: Vec<*const c_char>,
    _held: Vec<CString>,
}

impl Strings {
    fn new(held: Vec<CString>) -> Strings {
        let pointers = held
            .iter()
            .map(|s| s.as_ptr())
            .chain([std::ptr::null()])
            .collect();
        Strings {
            pointers,
            _held: held,
        }
    }
    pub fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

/// The arguments of a new program, from a tuple or list.
pub(super) fn arguments(t: &mut Thread, v: Value, not_sequence: &str, what: &str) -> Res<Strings> {
    if List::of(v).is_none() && Tuple::of(v).is_none() {
        return Err(t.type_error(not_sequence.into()));
    }
    let mut held = Vec::new();
    for item in proto::to_vec(t, v)? {
        held.push(fs_string(t, item.value())?);
    }
    match held.first() {
        None => Err(t.value_error(format!("{what} must not be empty"))),
        Some(first) if first.is_empty() => {
            Err(t.value_error(format!("{what} first element cannot be empty")))
        }
        Some(_) => Ok(Strings::new(held)),
    }
}

/// The environment of a new program, from a mapping.
pub(super) fn variables(t: &mut Thread, v: Value, func: &str) -> Res<Strings> {
    let is_mapping =
        Dict::of(v).is_some() || type_of(v).lookup(t, weft_objects::id!(t, "keys")).is_some();
    if !is_mapping {
        return Err(t.type_error(format!("{func}: environment must be a mapping object")));
    }
    let keys = proto::call_method(t, v, "keys", &[])?;
    let mut held = Vec::new();
    for key in proto::to_vec(t, keys.value())? {
        let value = proto::get_item(t, v, key.value())?;
        let (name, value) = (fs_string(t, key.value())?, fs_string(t, value.value())?);
        if name.is_empty() || name.as_bytes()[1..].contains(&b'=') {
            return Err(t.value_error("illegal environment variable name"));
        }
        let pair = [name.as_bytes(), b"=", value.as_bytes()].concat();
        held.push(CString::new(pair).unwrap_or_default());
    }
    Ok(Strings::new(held))
}

fn execv(t: &mut Thread, a: &[Value]) -> Res {
    fork::refuse_isolated(t, EXEC, "exec")?;
    let p = support::path(t, a[0], "execv", "path")?;
    audit::tell(t, "os.exec", &[a[0], a[1], Value::NONE])?;
    let args = arguments(
        t,
        a[1],
        "execv() arg 2 must be a tuple or list",
        "execv() arg 2",
    )?;
    // SAFETY: path and arguments are ours, the latter end with NULL.
    unsafe { libc::execv(p.c.as_ptr(), args.as_ptr()) };
    Err(t.os_error(errno(), p.name()))
}

fn execve(t: &mut Thread, a: &[Value]) -> Res {
    fork::refuse_isolated(t, EXEC, "exec")?;
    let p = support::path_or_fd(t, a[0], "execve", "path", cfg!(target_os = "linux"))?;
    audit::tell(t, "os.exec", &[a[0], a[1], a[2]])?;
    let args = arguments(
        t,
        a[1],
        "execve: argv must be a tuple or list",
        "execve: argv",
    )?;
    let env = variables(t, a[2], "execve")?;
    // SAFETY: path, arguments and variables are ours; the lists end with NULL.
    unsafe {
        match &p {
            PathOrFd::Path(p) => libc::execve(p.c.as_ptr(), args.as_ptr(), env.as_ptr()),
            #[cfg(target_os = "linux")]
            PathOrFd::Fd(fd) => libc::fexecve(*fd, args.as_ptr(), env.as_ptr()),
            #[cfg(not(target_os = "linux"))]
            PathOrFd::Fd(_) => -1,
        };
    }
    let (e, name) = (errno(), target_name(t, &p));
    Err(t.os_error(e, name))
}

fn system(t: &mut Thread, a: &[Value]) -> Res {
    let command = fs_string(t, a[0])?;
    audit::tell(t, "os.system", &[a[0]])?;
    // SAFETY: the text is ours.
    Ok(Value::int(i64::from(
        t.blocking(|| unsafe { libc::system(command.as_ptr()) }),
    )))
}

fn kill(t: &mut Thread, a: &[Value]) -> Res {
    let (pid, signal) = (support::c_int(t, a[0])?, support::c_int(t, a[1])?);
    audit::tell(t, "os.kill", &[a[0], a[1]])?;
    // SAFETY: always callable.
    done(t, unsafe { libc::kill(pid, signal) })?;
    // It may have been for this process.
    weft_objects::runtime::check_signals(t)?;
    Ok(Value::NONE)
}

fn killpg(t: &mut Thread, a: &[Value]) -> Res {
    let (group, signal) = (support::c_int(t, a[0])?, support::c_int(t, a[1])?);
    audit::tell(t, "os.killpg", &[a[0], a[1]])?;
    // SAFETY: always callable.
    done(t, unsafe { libc::killpg(group, signal) })?;
    weft_objects::runtime::check_signals(t)?;
    Ok(Value::NONE)
}

fn exit(t: &mut Thread, a: &[Value]) -> Res {
    let status = support::c_int(t, a[0])?;
    // SAFETY: ends the process at once, which is what it is for.
    unsafe { libc::_exit(status) }
}

fn abort(_t: &mut Thread, _a: &[Value]) -> Res {
    std::process::abort()
}

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("execv", "(path, argv, /)", execv)
        .doc("Execute an executable path with arguments, replacing current process."),
    NativeDef::new("execve", "(path, argv, env)", execve)
        .doc("Execute an executable path with arguments, replacing current process."),
    NativeDef::new("system", "(command)", system).doc("Execute the command in a subshell."),
    NativeDef::new("kill", "(pid, signal, /)", kill).doc("Kill a process with a signal."),
    NativeDef::new("killpg", "(pgid, signal, /)", killpg)
        .doc("Kill a process group with a signal."),
    NativeDef::new("_exit", "(status)", exit)
        .doc("Exit to the system with specified status, without normal exit processing."),
    NativeDef::new("abort", "()", abort).doc("Abort the interpreter immediately."),
];
