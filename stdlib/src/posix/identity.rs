//! Who the process is: its numbers, its user and groups.

use super::stat::id;
use super::*;

unsafe extern "C" {
    fn getlogin_r(name: *mut libc::c_char, n: usize) -> libc::c_int;
}

fn number(f: impl FnOnce() -> i64) -> Res {
    Ok(Value::int(f()))
}

fn getpgid(t: &mut Thread, a: &[Value]) -> Res {
    let pid = support::c_int(t, a[0])?;
    // SAFETY: always callable.
    int_or_error(t, i64::from(unsafe { libc::getpgid(pid) }))
}

fn getsid(t: &mut Thread, a: &[Value]) -> Res {
    let pid = support::c_int(t, a[0])?;
    // SAFETY: always callable.
    int_or_error(t, i64::from(unsafe { libc::getsid(pid) }))
}

fn setpgid(t: &mut Thread, a: &[Value]) -> Res {
    let (pid, group) = (support::c_int(t, a[0])?, support::c_int(t, a[1])?);
    // SAFETY: always callable.
    done(t, unsafe { libc::setpgid(pid, group) })
}

/// A list of group numbers from a call that fills a buffer of `n` of them.
fn group_list(t: &mut Thread, groups: &[libc::gid_t]) -> Value {
    let list = groups
        .iter()
        .map(|g| support::int_obj(t, i64::from(*g)))
        .collect();
    List::from_vec(t, list).into()
}

fn getgroups(t: &mut Thread, _a: &[Value]) -> Res {
    loop {
        // SAFETY: asks for the number only.
        let n = unsafe { libc::getgroups(0, std::ptr::null_mut()) };
        if n < 0 {
            return Err(last_error(t));
        }
        let mut groups = vec![0 as libc::gid_t; n as usize + 1];
        // SAFETY: room for as many as stated.
        let n = unsafe { libc::getgroups(groups.len() as i32, groups.as_mut_ptr()) };
        match n {
            0.. => return Ok(group_list(t, &groups[..n as usize])),
            // More groups than a moment ago.
            _ if errno() == libc::EINVAL => {}
            _ => return Err(last_error(t)),
        }
    }
}

fn setgroups(t: &mut Thread, a: &[Value]) -> Res {
    let mut groups = Vec::new();
    for g in proto::to_vec(t, a[0])? {
        groups.push(id(t, g.value(), "gid")?);
    }
    // SAFETY: as many as stated.
    done(t, unsafe {
        libc::setgroups(groups.len() as _, groups.as_ptr())
    })
}

fn getgrouplist(t: &mut Thread, a: &[Value]) -> Res {
    let user = fs_string(t, a[0])?;
    let base = id(t, a[1], "gid")?;
    let mut n: i32 = 64;
    loop {
        let mut groups = vec![0; n as usize];
        let room = n;
        // SAFETY: name and buffer are ours.
        let r = t.blocking(|| unsafe {
            libc::getgrouplist(user.as_ptr(), base as _, groups.as_mut_ptr(), &mut n)
        });
        if r != -1 {
            let groups: Vec<libc::gid_t> = groups[..n as usize]
                .iter()
                .map(|g| *g as libc::gid_t)
                .collect();
            return Ok(group_list(t, &groups));
        }
        n = n.max(room.saturating_mul(2)).min(1 << 24);
        if room == n {
            return Err(t.os_error(libc::ERANGE, None));
        }
    }
}

fn initgroups(t: &mut Thread, a: &[Value]) -> Res {
    let user = fs_string(t, a[0])?;
    let base = id(t, a[1], "gid")?;
    // SAFETY: the name is ours.
    call_os(t, || unsafe { libc::initgroups(user.as_ptr(), base as _) }
        as isize)?;
    Ok(Value::NONE)
}

fn getlogin(t: &mut Thread, _a: &[Value]) -> Res {
    let mut buffer = [0u8; 257];
    // SAFETY: the buffer is ours and stays zero-terminated.
    let e = t.blocking(|| unsafe { getlogin_r(buffer.as_mut_ptr().cast(), buffer.len() - 1) });
    if e != 0 {
        return Err(t.os_error(e, None));
    }
    Ok(support::fs_decode(t, descriptors::until_zero(&buffer)).into())
}

/// `setuid` and its like.
fn set_one(t: &mut Thread, v: Value, what: &str, f: unsafe extern "C" fn(u32) -> i32) -> Res {
    let n = id(t, v, what)?;
    // SAFETY: always callable.
    done(t, unsafe { f(n) })
}

fn set_two(
    t: &mut Thread,
    a: &[Value],
    what: [&str; 2],
    f: unsafe extern "C" fn(u32, u32) -> i32,
) -> Res {
    let (x, y) = (id(t, a[0], what[0])?, id(t, a[1], what[1])?);
    // SAFETY: always callable.
    done(t, unsafe { f(x, y) })
}

#[cfg(target_os = "linux")]
fn set_three(
    t: &mut Thread,
    a: &[Value],
    what: [&str; 3],
    f: unsafe extern "C" fn(u32, u32, u32) -> i32,
) -> Res {
    let (x, y, z) = (
        id(t, a[0], what[0])?,
        id(t, a[1], what[1])?,
        id(t, a[2], what[2])?,
    );
    // SAFETY: always callable.
    done(t, unsafe { f(x, y, z) })
}

#[cfg(target_os = "linux")]
fn get_three(t: &mut Thread, f: unsafe extern "C" fn(*mut u32, *mut u32, *mut u32) -> i32) -> Res {
    let [mut x, mut y, mut z] = [0u32; 3];
    // SAFETY: three numbers of ours.
    done(t, unsafe { f(&mut x, &mut y, &mut z) })?;
    let ids = [x, y, z].map(|n| support::int_obj(t, i64::from(n)));
    Ok(Tuple::from_vec(t, ids.into()).into())
}

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("getpid", "()", |_, _| {
        // SAFETY: always callable.
        number(|| i64::from(unsafe { libc::getpid() }))
    })
    .doc("Return the current process id."),
    NativeDef::new("getppid", "()", |_, _| {
        // SAFETY: always callable.
        number(|| i64::from(unsafe { libc::getppid() }))
    })
    .doc("Return the parent's process id."),
    NativeDef::new("getpgrp", "()", |_, _| {
        // SAFETY: always callable.
        number(|| i64::from(unsafe { libc::getpgrp() }))
    })
    .doc("Return the current process group id."),
    NativeDef::new("getuid", "()", |_, _| {
        // SAFETY: always callable.
        number(|| i64::from(unsafe { libc::getuid() }))
    })
    .doc("Return the current process's user id."),
    NativeDef::new("geteuid", "()", |_, _| {
        // SAFETY: always callable.
        number(|| i64::from(unsafe { libc::geteuid() }))
    })
    .doc("Return the current process's effective user id."),
    NativeDef::new("getgid", "()", |_, _| {
        // SAFETY: always callable.
        number(|| i64::from(unsafe { libc::getgid() }))
    })
    .doc("Return the current process's group id."),
    NativeDef::new("getegid", "()", |_, _| {
        // SAFETY: always callable.
        number(|| i64::from(unsafe { libc::getegid() }))
    })
    .doc("Return the current process's effective group id."),
    NativeDef::new("getpgid", "(pid)", getpgid)
        .doc("Call the system call getpgid(), and return the result."),
    NativeDef::new("getsid", "(pid, /)", getsid)
        .doc("Call the system call getsid(pid) and return the result."),
    NativeDef::new("setpgid", "(pid, pgrp, /)", setpgid)
        .doc("Call the system call setpgid(pid, pgrp)."),
    NativeDef::new("setpgrp", "()", |t, _| {
        // SAFETY: always callable.
        done(t, unsafe { libc::setpgid(0, 0) })
    })
    .doc("Make the current process the leader of its process group."),
    // SAFETY: always callable.
    NativeDef::new("setsid", "()", |t, _| done(t, unsafe { libc::setsid() }))
        .doc("Call the system call setsid()."),
    NativeDef::new("getgroups", "()", getgroups)
        .doc("Return list of supplemental group IDs for the process."),
    NativeDef::new("setgroups", "(groups, /)", setgroups)
        .doc("Set the groups of the current process to list."),
    NativeDef::new("getgrouplist", "(user, group, /)", getgrouplist)
        .doc("Returns a list of groups to which a user belongs."),
    NativeDef::new("initgroups", "(username, gid, /)", initgroups)
        .doc("Initialize the group access list."),
    NativeDef::new("getlogin", "()", getlogin).doc("Return the actual login name."),
    NativeDef::new("setuid", "(uid, /)", |t, a| {
        set_one(t, a[0], "uid", libc::setuid)
    })
    .doc("Set the current process's user id."),
    NativeDef::new("seteuid", "(euid, /)", |t, a| {
        set_one(t, a[0], "euid", libc::seteuid)
    })
    .doc("Set the current process's effective user id."),
    NativeDef::new("setgid", "(gid, /)", |t, a| {
        set_one(t, a[0], "gid", libc::setgid)
    })
    .doc("Set the current process's group id."),
    NativeDef::new("setegid", "(egid, /)", |t, a| {
        set_one(t, a[0], "egid", libc::setegid)
    })
    .doc("Set the current process's effective group id."),
    NativeDef::new("setreuid", "(ruid, euid, /)", |t, a| {
        set_two(t, a, ["ruid", "euid"], libc::setreuid)
    })
    .doc("Set the current process's real and effective user ids."),
    NativeDef::new("setregid", "(rgid, egid, /)", |t, a| {
        set_two(t, a, ["rgid", "egid"], libc::setregid)
    })
    .doc("Set the current process's real and effective group ids."),
    #[cfg(target_os = "linux")]
    NativeDef::new("setresuid", "(ruid, euid, suid, /)", |t, a| {
        set_three(t, a, ["ruid", "euid", "suid"], libc::setresuid)
    })
    .doc("Set the current process's real, effective, and saved user ids."),
    #[cfg(target_os = "linux")]
    NativeDef::new("setresgid", "(rgid, egid, sgid, /)", |t, a| {
        set_three(t, a, ["rgid", "egid", "sgid"], libc::setresgid)
    })
    .doc("Set the current process's real, effective, and saved group ids."),
    #[cfg(target_os = "linux")]
    NativeDef::new("getresuid", "()", |t, _| get_three(t, libc::getresuid))
        .doc("Return a tuple of the current process's real, effective, and saved user ids."),
    #[cfg(target_os = "linux")]
    NativeDef::new("getresgid", "()", |t, _| get_three(t, libc::getresgid))
        .doc("Return a tuple of the current process's real, effective, and saved group ids."),
];
