//! The environment, and what the system says about itself.

use super::*;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use weft_objects::float;

crate::struct_sequence!(UNAME_RESULT, UNAME_RESULT_DEF, "uname_result" in "posix", items 5, {
    0 "sysname", 1 "nodename", 2 "release", 3 "version", 4 "machine",
});

crate::struct_sequence!(TIMES_RESULT, TIMES_RESULT_DEF, "times_result" in "posix", items 5, {
    0 "user", 1 "system", 2 "children_user", 3 "children_system", 4 "elapsed",
});

pub(super) fn add_types(t: &Thread, m: &Obj) {
    UNAME_RESULT_DEF.ready(t);
    TIMES_RESULT_DEF.ready(t);
    support::add_type(t, m, &UNAME_RESULT);
    support::add_type(t, m, &TIMES_RESULT);
}

/// A dict of the environment, bytes to bytes.
pub(super) fn environ(t: &mut Thread) -> Res<Obj> {
    let d = Dict::new(t);
    for (name, v) in std::env::vars_os() {
        let (name, v) = (
            Bytes::from_vec(t, name.into_vec()),
            Bytes::from_vec(t, v.into_vec()),
        );
        // Of two with one name the first counts.
        Dict::of_obj(&d)
            .set_default(t, name.value(), v.value())
            .map(Obj::own)?;
    }
    Ok(d)
}

fn create_environ(t: &mut Thread, _a: &[Value]) -> Res {
    environ(t).map(Obj::into_value)
}

fn checked_name(t: &mut Thread, v: Value) -> Res<CString> {
    let name = fs_string(t, v)?;
    if name.as_bytes().contains(&b'=') {
        return Err(t.value_error("illegal environment variable name"));
    }
    if name.is_empty() {
        return Err(t.os_error(libc::EINVAL, None));
    }
    Ok(name)
}

fn putenv(t: &mut Thread, a: &[Value]) -> Res {
    let name = checked_name(t, a[0])?;
    let v = fs_string(t, a[1])?;
    audit::tell(t, "os.putenv", &[a[0], a[1]])?;
    let os = std::ffi::OsStr::from_bytes;
    // SAFETY: Rust's readers of the environment hold the same lock; C's are as safe as in any program that has `setenv`.
    unsafe { std::env::set_var(os(name.as_bytes()), os(v.as_bytes())) };
    Ok(Value::NONE)
}

fn unsetenv(t: &mut Thread, a: &[Value]) -> Res {
    let name = checked_name(t, a[0])?;
    audit::tell(t, "os.unsetenv", &[a[0]])?;
    // SAFETY: as in `putenv`.
    unsafe { std::env::remove_var(std::ffi::OsStr::from_bytes(name.as_bytes())) };
    Ok(Value::NONE)
}

fn strerror(t: &mut Thread, a: &[Value]) -> Res {
    let n = support::c_int(t, a[0])?;
    Ok(Str::from_string(t, errors::strerror(n)).into())
}

fn sysconf(t: &mut Thread, a: &[Value]) -> Res {
    let which = constants::Names::Sysconf.number(t, a[0])?;
    names::set_errno(0);
    // SAFETY: always callable.
    let r = unsafe { libc::sysconf(which) };
    if r == -1 && errno() != 0 {
        Err(last_error(t))
    } else {
        Ok(Value::int(r))
    }
}

fn confstr(t: &mut Thread, a: &[Value]) -> Res {
    let which = constants::Names::Confstr.number(t, a[0])?;
    let mut buffer = vec![0u8; 256];
    loop {
        names::set_errno(0);
        // SAFETY: the buffer is as long as stated.
        let n = unsafe { libc::confstr(which, buffer.as_mut_ptr().cast(), buffer.len()) };
        if n == 0 {
            return if errno() != 0 {
                Err(last_error(t))
            } else {
                Ok(Value::NONE)
            };
        }
        if n <= buffer.len() {
            return Ok(support::fs_decode(t, &buffer[..n - 1]).into());
        }
        buffer.resize(n, 0);
    }
}

fn cpu_count(_t: &mut Thread, _a: &[Value]) -> Res {
    // SAFETY: always callable.
    let n = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    Ok(if n < 1 { Value::NONE } else { Value::int(n) })
}

fn getloadavg(t: &mut Thread, _a: &[Value]) -> Res {
    let mut load = [0f64; 3];
    // SAFETY: room for three.
    if unsafe { libc::getloadavg(load.as_mut_ptr(), 3) } != 3 {
        return Err(t.raise(&errors::OS_ERROR, "Load averages are unobtainable"));
    }
    Ok(Tuple::from_vec(t, load.iter().map(|f| support::float_obj(t, *f)).collect()).into())
}

fn uname(t: &mut Thread, _a: &[Value]) -> Res {
    // SAFETY: plain text fields, for which zero is valid.
    let mut u: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is ours.
    done(t, unsafe { libc::uname(&mut u) })?;
    let fields = [
        &u.sysname[..],
        &u.nodename[..],
        &u.release[..],
        &u.version[..],
        &u.machine[..],
    ];
    let fields = fields.map(|f| {
        let bytes: Vec<u8> = f.iter().map(|c| *c as u8).collect();
        support::fs_decode(t, descriptors::until_zero(&bytes))
    });
    Ok(UNAME_RESULT_DEF.make(t, fields.into()).into())
}

fn times(t: &mut Thread, _a: &[Value]) -> Res {
    // SAFETY: plain numbers; the structure is ours.
    let (all, elapsed, ticks) = unsafe {
        let mut all: libc::tms = std::mem::zeroed();
        let elapsed = libc::times(&mut all);
        (all, elapsed, libc::sysconf(libc::_SC_CLK_TCK).max(1) as f64)
    };
    let fields = [
        all.tms_utime,
        all.tms_stime,
        all.tms_cutime,
        all.tms_cstime,
        elapsed,
    ];
    let fields = fields.map(|n| Obj::own(float::from_f64(t, n as f64 / ticks)));
    Ok(TIMES_RESULT_DEF.make(t, fields.into()).into())
}

fn umask(t: &mut Thread, a: &[Value]) -> Res {
    let mask = support::c_int(t, a[0])? as libc::mode_t;
    // SAFETY: always callable.
    Ok(Value::int(i64::from(unsafe { libc::umask(mask) })))
}

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("_create_environ", "()", create_environ)
        .doc("Create the environment dictionary."),
    NativeDef::new("putenv", "(name, value, /)", putenv)
        .doc("Change or add an environment variable."),
    NativeDef::new("unsetenv", "(name, /)", unsetenv).doc("Delete an environment variable."),
    NativeDef::new("strerror", "(code, /)", strerror)
        .doc("Translate an error code to a message string."),
    NativeDef::new("sysconf", "(name, /)", sysconf)
        .doc("Return an integer-valued system configuration variable."),
    NativeDef::new("confstr", "(name, /)", confstr)
        .doc("Return a string-valued system configuration variable."),
    NativeDef::new("cpu_count", "()", cpu_count)
        .doc("Return the number of logical CPUs in the system."),
    NativeDef::new("getloadavg", "()", getloadavg)
        .doc("Return average recent system load information."),
    NativeDef::new("uname", "()", uname)
        .doc("Return an object identifying the current operating system."),
    NativeDef::new("times", "()", times)
        .doc("Return a collection containing process timing information."),
    NativeDef::new("umask", "(mask, /)", umask)
        .doc("Set the current numeric umask and return the previous umask."),
];
