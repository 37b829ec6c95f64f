//! `posix`: the system's calls, for `os`. One file per kind of call; what they share is here.

mod constants;
mod descriptors;
mod directory;
mod environment;
mod fork;
mod identity;
mod names;
mod paths;
mod process;
mod schedule;
mod spawn;
mod stat;
#[cfg(target_os = "linux")]
mod terminals;
#[cfg(target_os = "linux")]
mod timers;
mod wait;
#[cfg(target_os = "linux")]
mod xattr;

use crate::support::{self, Path, PathOrFd, errno};
use std::ffi::CString;
use weft_objects::audit;
use weft_objects::bytes::Bytes;
use weft_objects::module::Module;
use weft_objects::prelude::*;

pub use fork::{fork_with, refuse_at_end};
pub use stat::{STAT_RESULT, id};
pub use wait::{STRUCT_RUSAGE, rusage};

/// Makes a system call that may block, detached. The result is the call's, or its error number if that is -1.
fn call(t: &mut Thread, f: impl FnOnce() -> isize) -> Result<isize, i32> {
    t.blocking(|| {
        let r = f();
        if r == -1 { Err(errno()) } else { Ok(r) }
    })
}

/// A `dir_fd` as audit hooks see it.
fn at_dir(v: Value) -> Value {
    if v.is_null() || v.is_none() {
        Value::int(-1)
    } else {
        v
    }
}

/// As [`call`], raising OSError.
fn call_os(t: &mut Thread, f: impl FnOnce() -> isize) -> Res<isize> {
    call(t, f).map_err(|e| t.os_error(e, None))
}

/// As [`call`], raising OSError about a file, and giving None.
fn call_on(t: &mut Thread, name: Option<Obj>, f: impl FnOnce() -> isize) -> Res {
    match call(t, f) {
        Ok(_) => Ok(Value::NONE),
        Err(e) => Err(t.os_error(e, name)),
    }
}

/// OSError for the system's last error.
#[cold]
fn last_error(t: &Thread) -> Raised {
    t.os_error(errno(), None)
}

/// None, or OSError if a call that does not block gave -1.
fn done(t: &Thread, r: i32) -> Res {
    if r == -1 {
        Err(last_error(t))
    } else {
        Ok(Value::NONE)
    }
}

/// An int, or OSError if it is -1.
fn int_or_error(t: &Thread, r: i64) -> Res {
    if r == -1 {
        Err(last_error(t))
    } else {
        Ok(Value::int(r))
    }
}

/// The path, or the descriptor, that an error is about.
fn target_name(t: &Thread, p: &PathOrFd) -> Option<Obj> {
    match p {
        PathOrFd::Path(p) => p.name(),
        PathOrFd::Fd(fd) => Some(support::int_obj(t, i64::from(*fd))),
    }
}

/// A descriptor of a directory that paths start at, or what stands for the current one.
fn dir_fd(t: &mut Thread, v: Value) -> Res<i32> {
    if v.is_null() || v.is_none() {
        return Ok(libc::AT_FDCWD);
    }
    support::warn_bool(t, v)?;
    if !type_of(v).slots.index.is_set() {
        let got = type_of(v).name();
        return Err(t.type_error(format!("argument should be integer or None, not {got}")));
    }
    support::c_int(t, v)
}

/// Refuses a `dir_fd` or `follow_symlinks=False` together with a descriptor.
fn only_with_path(t: &mut Thread, func: &str, dir: i32, follow: bool) -> Res<()> {
    if dir != libc::AT_FDCWD {
        return Err(t.value_error(format!(
            "{func}: can't specify dir_fd without matching path"
        )));
    }
    if !follow {
        return Err(t.value_error(format!(
            "{func}: cannot use fd and follow_symlinks together"
        )));
    }
    Ok(())
}

/// `AT_SYMLINK_NOFOLLOW`, if links are not to be followed.
fn nofollow(follow: bool) -> i32 {
    if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW }
}

/// Arguments `(path, ..., *, dir_fd)`, as most calls have them.
fn path_and_dir(t: &mut Thread, path: Value, dir: Value, func: &str) -> Res<(Path, i32)> {
    let p = support::path(t, path, func, "path")?;
    Ok((p, dir_fd(t, dir)?))
}

/// What `os.fsencode` gives, for the system.
fn fs_string(t: &mut Thread, v: Value) -> Res<CString> {
    let p = support::fspath(t, v)?;
    let bytes = match Str::of(p.value()) {
        Some(s) => support::fs_encode(s.as_bytes()),
        None => Bytes::of(p.value()).map(|b| b.as_slice().to_vec()),
    };
    let Some(bytes) = bytes else {
        return Err(support::surrogates_error(t, p.value(), true));
    };
    match CString::new(bytes) {
        Ok(c) => Ok(c),
        Err(_) => Err(t.value_error("embedded null byte")),
    }
}

/// An int argument as a C long.
fn long(t: &mut Thread, v: Value) -> Res<i64> {
    proto::index_i64(t, v)
}

/// Which arguments of which functions the system has: what `os.supports_dir_fd` and its like are made from.
const HAVE: &[&str] = &[
    "HAVE_FACCESSAT",
    "HAVE_FCHDIR",
    "HAVE_FCHMOD",
    "HAVE_FCHMODAT",
    "HAVE_FCHOWN",
    "HAVE_FCHOWNAT",
    "HAVE_FDOPENDIR",
    #[cfg(target_os = "linux")]
    "HAVE_FEXECVE",
    "HAVE_FPATHCONF",
    "HAVE_FSTATAT",
    "HAVE_FSTATVFS",
    "HAVE_FTRUNCATE",
    "HAVE_FUTIMENS",
    "HAVE_FUTIMES",
    "HAVE_FUTIMESAT",
    "HAVE_LCHOWN",
    "HAVE_LINKAT",
    "HAVE_LSTAT",
    "HAVE_LUTIMES",
    #[cfg(target_os = "linux")]
    "HAVE_MEMFD_CREATE",
    "HAVE_MKDIRAT",
    "HAVE_MKFIFOAT",
    "HAVE_MKNODAT",
    "HAVE_OPENAT",
    "HAVE_READLINKAT",
    "HAVE_RENAMEAT",
    "HAVE_SYMLINKAT",
    "HAVE_UNLINKAT",
    "HAVE_UTIMENSAT",
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let doc = "This module provides access to operating system functionality that is\nstandardized by the C Standard and \
               the POSIX standard (a thinly\ndisguised Unix interface).  Refer to the library manual and\ncorresponding \
               Unix manual entries for more information on calls.";
    let m = support::module(t, "posix", doc, &[]);
    if let Some(module) = Module::of(m.value()) {
        for functions in [
            descriptors::FUNCTIONS,
            #[cfg(target_os = "linux")]
            descriptors::SYSTEM_FUNCTIONS,
            directory::FUNCTIONS,
            environment::FUNCTIONS,
            fork::FUNCTIONS,
            identity::FUNCTIONS,
            names::FUNCTIONS,
            paths::FUNCTIONS,
            process::FUNCTIONS,
            schedule::FUNCTIONS,
            spawn::FUNCTIONS,
            stat::FUNCTIONS,
            #[cfg(target_os = "linux")]
            terminals::FUNCTIONS,
            #[cfg(target_os = "linux")]
            timers::FUNCTIONS,
            wait::FUNCTIONS,
            #[cfg(target_os = "linux")]
            xattr::FUNCTIONS,
        ] {
            module.add_functions(t, functions);
        }
    }
    constants::add(t, &m);
    descriptors::add_types(t, &m);
    directory::add_types(t, &m);
    environment::add_types(t, &m);
    schedule::add_types(t, &m);
    stat::add_types(t, &m);
    wait::add_types(t, &m);
    let environ = environment::environ(t)?;
    support::add(t, &m, "environ", environ);
    support::add(t, &m, "error", Obj::new(t, errors::OS_ERROR.value()));
    let have = HAVE.iter().map(|s| Str::intern(t, s)).collect();
    support::add(t, &m, "_have_functions", List::from_vec(t, have));
    Ok(m)
}
