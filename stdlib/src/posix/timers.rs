//! Timers that are file descriptors, and namespaces.

use super::*;
use crate::support::{c_int, c_int_or, float_obj, int_obj};

const SECOND: i64 = 1_000_000_000;

fn timerfd_create(t: &mut Thread, a: &[Value]) -> Res {
    let clock = c_int(t, a[0])?;
    let flags = c_int_or(t, a[1], libc::TFD_CLOEXEC)?;
    let flags = if a[1].is_null() {
        flags
    } else {
        flags | libc::TFD_CLOEXEC
    };
    // SAFETY: always callable.
    int_or_error(t, i64::from(unsafe { libc::timerfd_create(clock, flags) }))
}

fn spec(nanos: i64) -> libc::timespec {
    libc::timespec {
        tv_sec: nanos.div_euclid(SECOND),
        tv_nsec: nanos.rem_euclid(SECOND),
    }
}

fn nanos(ts: libc::timespec) -> i64 {
    ts.tv_sec.saturating_mul(SECOND).saturating_add(ts.tv_nsec)
}

/// `(when it fires next, then every)`, in nanoseconds or in seconds.
fn to_python(t: &Thread, s: &libc::itimerspec, in_nanos: bool) -> Value {
    let one = |ts| {
        let n = nanos(ts);
        if in_nanos {
            int_obj(t, n)
        } else {
            float_obj(t, n as f64 / 1e9)
        }
    };
    Tuple::pair(t, one(s.it_value), one(s.it_interval)).into()
}

fn timer_value(t: &mut Thread, v: Value, in_nanos: bool) -> Res<i64> {
    if v.is_null() {
        return Ok(0);
    }
    if in_nanos {
        return proto::index_i64(t, v);
    }
    let seconds = proto::as_f64(t, v)?;
    if seconds.is_nan() {
        return Err(t.value_error("Invalid value NaN (not a number)"));
    }
    let n = (seconds * SECOND as f64).floor();
    if n.abs() >= 9.2e18 {
        return Err(t.overflow_error("timestamp out of range for platform time_t"));
    }
    Ok(n as i64)
}

fn settime(t: &mut Thread, a: &[Value], in_nanos: bool) -> Res {
    let fd = support::fileno(t, a[0])?;
    let flags = c_int_or(t, a[1], 0)?;
    let new = libc::itimerspec {
        it_value: spec(timer_value(t, a[2], in_nanos)?),
        it_interval: spec(timer_value(t, a[3], in_nanos)?),
    };
    let mut old = new;
    // SAFETY: a setting to read, and room for the old one.
    done(t, unsafe {
        libc::timerfd_settime(fd, flags, &new, &mut old)
    })?;
    Ok(to_python(t, &old, in_nanos))
}

fn gettime(t: &mut Thread, a: &[Value], in_nanos: bool) -> Res {
    let fd = support::fileno(t, a[0])?;
    let mut now = libc::itimerspec {
        it_value: spec(0),
        it_interval: spec(0),
    };
    // SAFETY: room for the answer.
    done(t, unsafe { libc::timerfd_gettime(fd, &mut now) })?;
    Ok(to_python(t, &now, in_nanos))
}

fn unshare(t: &mut Thread, a: &[Value]) -> Res {
    let flags = c_int(t, a[0])?;
    call_os(t, || {
        // SAFETY: always callable.
        unsafe { libc::unshare(flags) as isize }
    })?;
    Ok(Value::NONE)
}

fn setns(t: &mut Thread, a: &[Value]) -> Res {
    let fd = support::fileno(t, a[0])?;
    let kind = c_int_or(t, a[1], 0)?;
    call_os(t, || {
        // SAFETY: always callable.
        unsafe { libc::setns(fd, kind) as isize }
    })?;
    Ok(Value::NONE)
}

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("timerfd_create", "(clockid, /, *, flags=0)", timerfd_create)
        .doc("Create and return a timer file descriptor."),
    NativeDef::new(
        "timerfd_settime",
        "(fd, /, *, flags=0, initial=0.0, interval=0.0)",
        |t, a| settime(t, a, false),
    )
    .doc("Alter a timer file descriptor's internal timer in seconds."),
    NativeDef::new(
        "timerfd_settime_ns",
        "(fd, /, *, flags=0, initial=0, interval=0)",
        |t, a| settime(t, a, true),
    )
    .doc("Alter a timer file descriptor's internal timer in nanoseconds."),
    NativeDef::new("timerfd_gettime", "(fd, /)", |t, a| gettime(t, a, false)).doc(
        "Return a tuple of a timer file descriptor's (interval, next expiration) in float seconds.",
    ),
    NativeDef::new("timerfd_gettime_ns", "(fd, /)", |t, a| gettime(t, a, true)).doc(
        "Return a tuple of a timer file descriptor's (interval, next expiration) in nanoseconds.",
    ),
    NativeDef::new("unshare", "(flags)", unshare)
        .doc("Disassociate parts of a process (or thread) execution context."),
    NativeDef::new("setns", "(fd, nstype=0)", setns)
        .doc("Move the calling thread into different namespaces."),
];
