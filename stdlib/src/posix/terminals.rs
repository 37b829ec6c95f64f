//! Both ends of pseudo-terminals.

use super::*;
use std::ffi::CStr;

fn posix_openpt(t: &mut Thread, a: &[Value]) -> Res {
    let flags = support::c_int(t, a[0])? | libc::O_CLOEXEC;
    // SAFETY: always callable.
    int_or_error(t, i64::from(unsafe { libc::posix_openpt(flags) }))
}

fn grantpt(t: &mut Thread, a: &[Value]) -> Res {
    let fd = support::fileno(t, a[0])?;
    // SAFETY: always callable.
    done(t, unsafe { libc::grantpt(fd) })
}

fn unlockpt(t: &mut Thread, a: &[Value]) -> Res {
    let fd = support::fileno(t, a[0])?;
    // SAFETY: always callable.
    done(t, unsafe { libc::unlockpt(fd) })
}

fn ptsname(t: &mut Thread, a: &[Value]) -> Res {
    let fd = support::fileno(t, a[0])?;
    let mut name = [0 as libc::c_char; 128];
    // SAFETY: so much room.
    let e = unsafe { libc::ptsname_r(fd, name.as_mut_ptr(), name.len()) };
    if e != 0 {
        return Err(t.os_error(e, None));
    }
    // SAFETY: the name ends with a zero.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) };
    Ok(support::fs_decode(t, name.to_bytes()).into())
}

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("posix_openpt", "(oflag, /)", posix_openpt)
        .doc("Open and return a file descriptor for a master pseudo-terminal device."),
    NativeDef::new("grantpt", "(fd, /)", grantpt)
        .doc("Grant access to the slave pseudo-terminal device."),
    NativeDef::new("unlockpt", "(fd, /)", unlockpt)
        .doc("Unlock a pseudo-terminal master/slave pair."),
    NativeDef::new("ptsname", "(fd, /)", ptsname)
        .doc("Return the name of the slave pseudo-terminal device."),
];
