//! Waiting for child processes, and what their status says.

use super::*;
use crate::support::{float_obj, int_obj};

crate::struct_sequence!(STRUCT_RUSAGE, STRUCT_RUSAGE_DEF, "struct_rusage" in "resource", items 16, {
    0 "ru_utime", 1 "ru_stime", 2 "ru_maxrss", 3 "ru_ixrss", 4 "ru_idrss", 5 "ru_isrss", 6 "ru_minflt", 7 "ru_majflt",
    8 "ru_nswap", 9 "ru_inblock", 10 "ru_oublock", 11 "ru_msgsnd", 12 "ru_msgrcv", 13 "ru_nsignals", 14 "ru_nvcsw",
    15 "ru_nivcsw",
});

crate::struct_sequence!(WAITID_RESULT, WAITID_RESULT_DEF, "waitid_result" in "posix", items 5, {
    0 "si_pid", 1 "si_uid", 2 "si_signo", 3 "si_status", 4 "si_code",
});

pub(super) fn add_types(t: &Thread, m: &Obj) {
    WAITID_RESULT_DEF.ready(t);
    support::add_type(t, m, &WAITID_RESULT);
}

/// A `resource.struct_rusage`.
pub fn rusage(t: &Thread, r: &libc::rusage) -> Obj {
    let secs = |tv: &libc::timeval| float_obj(t, tv.tv_sec as f64 + tv.tv_usec as f64 * 1e-6);
    let mut fields = vec![secs(&r.ru_utime), secs(&r.ru_stime)];
    let counts = [
        r.ru_maxrss,
        r.ru_ixrss,
        r.ru_idrss,
        r.ru_isrss,
        r.ru_minflt,
        r.ru_majflt,
        r.ru_nswap,
        r.ru_inblock,
        r.ru_oublock,
        r.ru_msgsnd,
        r.ru_msgrcv,
        r.ru_nsignals,
        r.ru_nvcsw,
        r.ru_nivcsw,
    ];
    fields.extend(counts.iter().map(|n| int_obj(t, *n)));
    STRUCT_RUSAGE_DEF.make(t, fields)
}

fn wait_for(t: &mut Thread, pid: i32, options: i32) -> Res {
    let mut status = 0;
    // SAFETY: the number is ours.
    let pid = support::retry_os(t, || unsafe { libc::waitpid(pid, &mut status, options) }
        as isize)?;
    Ok(Tuple::from_slice(t, &[Value::int(pid as i64), Value::int(i64::from(status))]).into())
}

fn waitpid(t: &mut Thread, a: &[Value]) -> Res {
    let (pid, options) = (support::c_int(t, a[0])?, support::c_int(t, a[1])?);
    wait_for(t, pid, options)
}

fn wait(t: &mut Thread, _a: &[Value]) -> Res {
    wait_for(t, -1, 0)
}

fn wait_with_usage(t: &mut Thread, pid: i32, options: i32) -> Res {
    let mut status = 0;
    // SAFETY: plain numbers, for which zero is valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: number and structure are ours.
    let pid = support::retry_os(
        t,
        || unsafe { libc::wait4(pid, &mut status, options, &mut usage) } as isize,
    )?;
    let usage = rusage(t, &usage);
    Ok(Tuple::from_vec(
        t,
        vec![int_obj(t, pid as i64), int_obj(t, i64::from(status)), usage],
    )
    .into())
}

fn wait3(t: &mut Thread, a: &[Value]) -> Res {
    let options = support::c_int(t, a[0])?;
    wait_with_usage(t, -1, options)
}

fn wait4(t: &mut Thread, a: &[Value]) -> Res {
    let (pid, options) = (support::c_int(t, a[0])?, support::c_int(t, a[1])?);
    wait_with_usage(t, pid, options)
}

fn waitid(t: &mut Thread, a: &[Value]) -> Res {
    let (kind, options) = (support::c_int(t, a[0])?, support::c_int(t, a[2])?);
    let id = long(t, a[1])?;
    // SAFETY: plain numbers, for which zero is valid.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is ours.
    support::retry_os(t, || unsafe {
        libc::waitid(kind as libc::idtype_t, id as libc::id_t, &mut info, options)
    } as isize)?;
    // SAFETY: the call has filled in what it tells about a child.
    let (pid, uid, status) = unsafe { (info.si_pid(), info.si_uid(), info.si_status()) };
    if pid == 0 {
        return Ok(Value::NONE);
    }
    let fields = [
        i64::from(pid),
        i64::from(uid),
        i64::from(info.si_signo),
        i64::from(status),
        i64::from(info.si_code),
    ];
    Ok(WAITID_RESULT_DEF
        .make(t, fields.iter().map(|n| int_obj(t, *n)).collect())
        .into())
}

fn exit_code(t: &mut Thread, a: &[Value]) -> Res {
    let status = support::c_int(t, a[0])?;
    if libc::WIFEXITED(status) {
        return Ok(Value::int(i64::from(libc::WEXITSTATUS(status))));
    }
    if libc::WIFSIGNALED(status) {
        return Ok(Value::int(-i64::from(libc::WTERMSIG(status))));
    }
    if libc::WIFSTOPPED(status) {
        let signal = libc::WSTOPSIG(status);
        return Err(t.value_error(format!("process stopped by delivery of signal {signal}")));
    }
    Err(t.value_error(format!("invalid wait status: {status}")))
}

fn flag(t: &mut Thread, v: Value, f: fn(i32) -> bool) -> Res {
    let status = support::c_int(t, v)?;
    Ok(Value::bool(f(status)))
}

fn part(t: &mut Thread, v: Value, f: fn(i32) -> i32) -> Res {
    let status = support::c_int(t, v)?;
    Ok(Value::int(i64::from(f(status))))
}

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("wait", "()", wait).doc("Wait for completion of a child process."),
    NativeDef::new("waitpid", "(pid, options, /)", waitpid)
        .doc("Wait for completion of a given child process."),
    NativeDef::new("wait3", "(options)", wait3).doc("Wait for completion of a child process."),
    NativeDef::new("wait4", "(pid, options)", wait4)
        .doc("Wait for completion of a specific child process."),
    NativeDef::new("waitid", "(idtype, id, options, /)", waitid)
        .doc("Returns the result of waiting for a process or processes."),
    NativeDef::new("waitstatus_to_exitcode", "(status)", exit_code)
        .doc("Convert a wait status to an exit code."),
    NativeDef::new("WCOREDUMP", "(status, /)", |t, a| {
        flag(t, a[0], |s| libc::WCOREDUMP(s))
    })
    .doc("Return True if the process returning status was dumped to a core file."),
    NativeDef::new("WIFCONTINUED", "(status)", |t, a| {
        flag(t, a[0], |s| libc::WIFCONTINUED(s))
    })
    .doc("Return True if a particular process was continued from a job control stop."),
    NativeDef::new("WIFSTOPPED", "(status)", |t, a| {
        flag(t, a[0], |s| libc::WIFSTOPPED(s))
    })
    .doc("Return True if the process returning status was stopped."),
    NativeDef::new("WIFSIGNALED", "(status)", |t, a| {
        flag(t, a[0], |s| libc::WIFSIGNALED(s))
    })
    .doc("Return True if the process returning status was terminated by a signal."),
    NativeDef::new("WIFEXITED", "(status)", |t, a| {
        flag(t, a[0], |s| libc::WIFEXITED(s))
    })
    .doc("Return True if the process returning status exited via the exit() system call."),
    NativeDef::new("WEXITSTATUS", "(status)", |t, a| {
        part(t, a[0], |s| libc::WEXITSTATUS(s))
    })
    .doc("Return the process return code from status."),
    NativeDef::new("WTERMSIG", "(status)", |t, a| {
        part(t, a[0], |s| libc::WTERMSIG(s))
    })
    .doc("Return the signal that terminated the process that provided the status value."),
    NativeDef::new("WSTOPSIG", "(status)", |t, a| {
        part(t, a[0], |s| libc::WSTOPSIG(s))
    })
    .doc("Return the signal that stopped the process that provided the status value."),
];
