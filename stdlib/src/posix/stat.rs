//! What the system says about files, and what can be changed of it: `stat`, `statvfs`, `access`, `chmod`, `chown`, `utime`.

use super::*;
use crate::support::{float_obj, int_obj};
use weft_objects::{float, int};

crate::struct_sequence!(STAT_RESULT, STAT_RESULT_DEF, "stat_result" in "os", items 10, {
    0 "st_mode", 1 "st_ino", 2 "st_dev", 3 "st_nlink", 4 "st_uid", 5 "st_gid", 6 "st_size", 7 "", 8 "", 9 "",
    10 "st_atime", 11 "st_mtime", 12 "st_ctime", 13 "st_atime_ns", 14 "st_mtime_ns", 15 "st_ctime_ns",
    16 "st_blksize", 17 "st_blocks", 18 "st_rdev",
});

crate::struct_sequence!(STATVFS_RESULT, STATVFS_RESULT_DEF, "statvfs_result" in "os", items 10, {
    0 "f_bsize", 1 "f_frsize", 2 "f_blocks", 3 "f_bfree", 4 "f_bavail", 5 "f_files", 6 "f_ffree", 7 "f_favail",
    8 "f_flag", 9 "f_namemax", 10 "f_fsid",
});

pub(super) fn add_types(t: &Thread, m: &Obj) {
    STAT_RESULT_DEF.ready(t);
    STATVFS_RESULT_DEF.ready(t);
    support::add_type(t, m, &STAT_RESULT);
    support::add_type(t, m, &STATVFS_RESULT);
}

/// An `os.stat_result`.
#[allow(clippy::unnecessary_cast)] // The fields' types differ between systems.
pub(super) fn result(t: &Thread, st: &libc::stat) -> Obj {
    let unsigned = |n: u64| Obj::own(int::from_u64(t, n));
    let times = [
        (st.st_atime as i64, st.st_atime_nsec as i64),
        (st.st_mtime as i64, st.st_mtime_nsec as i64),
        (st.st_ctime as i64, st.st_ctime_nsec as i64),
    ];
    let mut fields = Vec::with_capacity(19);
    fields.push(int_obj(t, st.st_mode as i64));
    fields.push(unsigned(st.st_ino as u64));
    fields.push(unsigned(st.st_dev as u64));
    fields.push(int_obj(t, st.st_nlink as i64));
    fields.push(int_obj(t, st.st_uid as i64));
    fields.push(int_obj(t, st.st_gid as i64));
    fields.push(int_obj(t, st.st_size as i64));
    fields.extend(times.iter().map(|(s, _)| int_obj(t, *s)));
    fields.extend(
        times
            .iter()
            .map(|(s, ns)| float_obj(t, *s as f64 + 1e-9 * *ns as f64)),
    );
    let nanos = |(s, ns): &(i64, i64)| {
        Obj::own(int::from_i128(t, *s as i128 * 1_000_000_000 + *ns as i128))
    };
    fields.extend(times.iter().map(nanos));
    fields.push(int_obj(t, st.st_blksize as i64));
    fields.push(int_obj(t, st.st_blocks as i64));
    fields.push(unsigned(st.st_rdev as u64));
    STAT_RESULT_DEF.make(t, fields)
}

/// The mode that a stat_result tells.
pub(super) fn mode_of(t: &mut Thread, v: Value) -> Res<libc::mode_t> {
    let mode = Obj::own(crate::structseq::field::<0>(t, v)?);
    Ok(int::as_i64(mode.value()).unwrap_or(0) as libc::mode_t)
}

/// The system's answer about a path.
pub(super) fn of_path(
    t: &mut Thread,
    c: &CString,
    dir: i32,
    follow: bool,
) -> Result<libc::stat, i32> {
    let mut st = std::mem::MaybeUninit::<libc::stat>::uninit();
    call(
        t,
        // SAFETY: path and structure are ours.
        || unsafe { libc::fstatat(dir, c.as_ptr(), st.as_mut_ptr(), nofollow(follow)) } as isize,
    )?;
    // SAFETY: the call has filled it.
    Ok(unsafe { st.assume_init() })
}

fn of_fd(t: &mut Thread, fd: i32) -> Res<Result<libc::stat, i32>> {
    let mut st = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the structure is ours; it is read if the call has filled it.
    let r = support::retry(t, || unsafe { libc::fstat(fd, st.as_mut_ptr()) } as isize)?;
    // SAFETY: as above.
    Ok(r.map(|_| unsafe { st.assume_init() }))
}

fn do_stat(t: &mut Thread, func: &str, p: PathOrFd, dir: i32, follow: bool) -> Res {
    let r = match &p {
        PathOrFd::Fd(fd) => {
            only_with_path(t, func, dir, follow)?;
            of_fd(t, *fd)?
        }
        PathOrFd::Path(p) => of_path(t, &p.c, dir, follow),
    };
    match r {
        Ok(st) => Ok(result(t, &st).into()),
        Err(e) => {
            let name = target_name(t, &p);
            Err(t.os_error(e, name))
        }
    }
}

fn stat(t: &mut Thread, a: &[Value]) -> Res {
    let p = support::path_or_fd(t, a[0], "stat", "path", true)?;
    let dir = dir_fd(t, a[1])?;
    let follow = support::truth_or(t, a[2], true)?;
    do_stat(t, "stat", p, dir, follow)
}

fn lstat(t: &mut Thread, a: &[Value]) -> Res {
    let p = support::path_or_fd(t, a[0], "lstat", "path", false)?;
    let dir = dir_fd(t, a[1])?;
    do_stat(t, "lstat", p, dir, false)
}

fn fstat(t: &mut Thread, a: &[Value]) -> Res {
    let fd = support::c_int(t, a[0])?;
    match of_fd(t, fd)? {
        Ok(st) => Ok(result(t, &st).into()),
        Err(e) => Err(t.os_error(e, None)),
    }
}

#[allow(clippy::unnecessary_cast)] // As in `result`.
fn do_statvfs(t: &mut Thread, p: PathOrFd, named: bool) -> Res {
    let mut st = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: path and structure are ours; it is read once the call has filled it.
    let r = unsafe {
        match &p {
            PathOrFd::Fd(fd) => call(t, || libc::fstatvfs(*fd, st.as_mut_ptr()) as isize),
            PathOrFd::Path(p) => call(t, || libc::statvfs(p.c.as_ptr(), st.as_mut_ptr()) as isize),
        }
    };
    if let Err(e) = r {
        let name = target_name(t, &p).filter(|_| named);
        return Err(t.os_error(e, name));
    }
    // SAFETY: as above.
    let st = unsafe { st.assume_init() };
    let fields = [
        st.f_bsize as u64,
        st.f_frsize as u64,
        st.f_blocks as u64,
        st.f_bfree as u64,
        st.f_bavail as u64,
        st.f_files as u64,
        st.f_ffree as u64,
        st.f_favail as u64,
        st.f_flag as u64,
        st.f_namemax as u64,
        st.f_fsid as u64,
    ];
    Ok(STATVFS_RESULT_DEF
        .make(
            t,
            fields
                .iter()
                .map(|n| Obj::own(int::from_u64(t, *n)))
                .collect(),
        )
        .into())
}

fn statvfs(t: &mut Thread, a: &[Value]) -> Res {
    let p = support::path_or_fd(t, a[0], "statvfs", "path", true)?;
    do_statvfs(t, p, true)
}

fn fstatvfs(t: &mut Thread, a: &[Value]) -> Res {
    let fd = support::c_int(t, a[0])?;
    do_statvfs(t, PathOrFd::Fd(fd), false)
}

fn access(t: &mut Thread, a: &[Value]) -> Res {
    let (p, dir) = path_and_dir(t, a[0], a[2], "access")?;
    let mode = support::c_int(t, a[1])?;
    let effective = support::truth_or(t, a[3], false)?;
    let follow = support::truth_or(t, a[4], true)?;
    let flags = nofollow(follow) | if effective { libc::AT_EACCESS } else { 0 };
    // SAFETY: the path is ours.
    let r = call(
        t,
        || unsafe { libc::faccessat(dir, p.c.as_ptr(), mode, flags) } as isize,
    );
    Ok(Value::bool(r.is_ok()))
}

// --- modes and owners ---

fn chmod(t: &mut Thread, a: &[Value]) -> Res {
    let p = support::path_or_fd(t, a[0], "chmod", "path", true)?;
    let mode = support::c_int(t, a[1])? as libc::mode_t;
    let dir = dir_fd(t, a[2])?;
    audit::tell(t, "os.chmod", &[a[0], a[1], at_dir(a[2])])?;
    let follow = support::truth_or(t, a[3], true)?;
    let r = match &p {
        PathOrFd::Fd(fd) => {
            only_with_path(t, "chmod", dir, follow)?;
            // SAFETY: always callable.
            call(t, || unsafe { libc::fchmod(*fd, mode) } as isize)
        }
        PathOrFd::Path(p) => {
            call(
                t,
                // SAFETY: the path is ours.
                || unsafe { libc::fchmodat(dir, p.c.as_ptr(), mode, nofollow(follow)) } as isize,
            )
        }
    };
    match r {
        Ok(_) => Ok(Value::NONE),
        #[allow(unreachable_patterns)] // One number on Linux.
        Err(libc::EOPNOTSUPP | libc::ENOTSUP) if !follow => {
            let msg = if dir == libc::AT_FDCWD {
                "chmod: follow_symlinks unavailable on this platform"
            } else {
                "chmod: cannot use dir_fd and follow_symlinks together"
            };
            Err(t.raise(&errors::NOT_IMPLEMENTED_ERROR, msg))
        }
        Err(e) => {
            let name = target_name(t, &p);
            Err(t.os_error(e, name))
        }
    }
}

fn fchmod(t: &mut Thread, a: &[Value]) -> Res {
    let fd = support::c_int(t, a[0])?;
    let mode = support::c_int(t, a[1])? as libc::mode_t;
    audit::tell(t, "os.chmod", &[a[0], a[1], Value::int(-1)])?;
    // SAFETY: always callable.
    support::retry_os(t, || unsafe { libc::fchmod(fd, mode) } as isize)?;
    Ok(Value::NONE)
}

/// A user's or group's number: -1 leaves it as it is.
pub fn id(t: &mut Thread, v: Value, what: &str) -> Res<u32> {
    if !type_of(v).slots.index.is_set() {
        let got = type_of(v).name();
        return Err(t.type_error(format!("{what} should be integer, not {got}")));
    }
    let i = proto::index(t, v)?;
    let (low, n) = match int::as_i64(i.value()) {
        Some(n) => (
            n < -1,
            u32::try_from(n).ok().or((n == -1).then_some(u32::MAX)),
        ),
        None => (
            int::to_bigint(i.value()).is_some_and(|b| b.sign() == num_bigint::Sign::Minus),
            None,
        ),
    };
    match n {
        Some(n) => Ok(n),
        None => {
            let how = if low {
                "less than minimum"
            } else {
                "greater than maximum"
            };
            Err(t.overflow_error(format!("{what} is {how}")))
        }
    }
}

fn chown(t: &mut Thread, a: &[Value]) -> Res {
    let p = support::path_or_fd(t, a[0], "chown", "path", true)?;
    let (uid, gid) = (id(t, a[1], "uid")?, id(t, a[2], "gid")?);
    let dir = dir_fd(t, a[3])?;
    audit::tell(t, "os.chown", &[a[0], a[1], a[2], at_dir(a[3])])?;
    let follow = support::truth_or(t, a[4], true)?;
    let name = target_name(t, &p);
    match &p {
        PathOrFd::Fd(fd) => {
            only_with_path(t, "chown", dir, follow)?;
            // SAFETY: always callable.
            call_on(t, name, || unsafe { libc::fchown(*fd, uid, gid) } as isize)
        }
        PathOrFd::Path(p) => {
            // SAFETY: the path is ours.
            call_on(t, name, || unsafe {
                libc::fchownat(dir, p.c.as_ptr(), uid, gid, nofollow(follow))
            } as isize)
        }
    }
}

fn lchown(t: &mut Thread, a: &[Value]) -> Res {
    let p = support::path(t, a[0], "lchown", "path")?;
    let (uid, gid) = (id(t, a[1], "uid")?, id(t, a[2], "gid")?);
    audit::tell(t, "os.chown", &[a[0], a[1], a[2], Value::int(-1)])?;
    // SAFETY: the path is ours.
    call_on(
        t,
        p.name(),
        || unsafe { libc::lchown(p.c.as_ptr(), uid, gid) } as isize,
    )
}

fn fchown(t: &mut Thread, a: &[Value]) -> Res {
    let fd = support::c_int(t, a[0])?;
    let (uid, gid) = (id(t, a[1], "uid")?, id(t, a[2], "gid")?);
    audit::tell(t, "os.chown", &[a[0], a[1], a[2], Value::int(-1)])?;
    // SAFETY: always callable.
    support::retry_os(t, || unsafe { libc::fchown(fd, uid, gid) } as isize)?;
    Ok(Value::NONE)
}

// --- times ---

/// A number of seconds since the epoch.
fn seconds(t: &mut Thread, v: Value) -> Res<libc::timespec> {
    let range = "timestamp out of range for platform time_t";
    if let Some(f) = float::as_f64(v) {
        if f.is_nan() {
            return Err(t.value_error("Invalid value NaN (not a number)"));
        }
        let whole = f.floor();
        if !(-9.2e18..9.2e18).contains(&whole) {
            return Err(t.overflow_error(range));
        }
        let ns = ((f - whole) * 1e9).floor().min(999_999_999.0);
        return Ok(libc::timespec {
            tv_sec: whole as libc::time_t,
            tv_nsec: ns as _,
        });
    }
    let i = proto::index(t, v)?;
    match int::as_i64(i.value()) {
        Some(s) => Ok(libc::timespec {
            tv_sec: s as libc::time_t,
            tv_nsec: 0,
        }),
        None => Err(t.overflow_error(range)),
    }
}

/// A number of nanoseconds since the epoch.
fn nanoseconds(t: &mut Thread, v: Value) -> Res<libc::timespec> {
    let i = proto::index(t, v)?;
    let big = int::to_bigint(i.value()).and_then(|b| i128::try_from(b).ok());
    let parts = big.and_then(|n| {
        Some((
            i64::try_from(n.div_euclid(1_000_000_000)).ok()?,
            n.rem_euclid(1_000_000_000),
        ))
    });
    match parts {
        Some((s, ns)) => Ok(libc::timespec {
            tv_sec: s as libc::time_t,
            tv_nsec: ns as _,
        }),
        None => Err(t.overflow_error("Python int too large to convert to C long")),
    }
}

/// Access and modification time from `times` and `ns`; both now if there are none.
fn two_times(t: &mut Thread, times: Value, ns: Value) -> Res<[libc::timespec; 2]> {
    let given = !times.is_null() && !times.is_none();
    if given && !ns.is_null() {
        return Err(t.value_error("utime: you may specify either 'times' or 'ns' but not both"));
    }
    let (v, msg) = if given {
        (
            times,
            "utime: 'times' must be either a tuple of two ints or None",
        )
    } else if !ns.is_null() {
        (ns, "utime: 'ns' must be a tuple of two ints")
    } else {
        return Ok([libc::timespec {
            tv_sec: 0,
            tv_nsec: libc::UTIME_NOW,
        }; 2]);
    };
    let Some(pair) = Tuple::of(v).filter(|p| p.len() == 2) else {
        return Err(t.type_error(msg.into()));
    };
    let parse = if given { seconds } else { nanoseconds };
    Ok([parse(t, pair.get(0))?, parse(t, pair.get(1))?])
}

fn utime(t: &mut Thread, a: &[Value]) -> Res {
    let p = support::path_or_fd(t, a[0], "utime", "path", true)?;
    let times = two_times(t, a[1], a[2])?;
    let dir = dir_fd(t, a[3])?;
    audit::tell(t, "os.utime", &[a[0], a[1], a[2], at_dir(a[3])])?;
    let follow = support::truth_or(t, a[4], true)?;
    let name = target_name(t, &p);
    match &p {
        PathOrFd::Fd(fd) => {
            only_with_path(t, "utime", dir, follow)?;
            // SAFETY: two times of ours.
            call_on(t, name, || unsafe { libc::futimens(*fd, times.as_ptr()) }
                as isize)
        }
        PathOrFd::Path(p) => {
            // SAFETY: path and times are ours.
            call_on(t, name, || unsafe {
                libc::utimensat(dir, p.c.as_ptr(), times.as_ptr(), nofollow(follow))
            } as isize)
        }
    }
}

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("stat", "(path, *, dir_fd=None, follow_symlinks=True)", stat)
        .doc("Perform a stat system call on the given path."),
    NativeDef::new("lstat", "(path, *, dir_fd=None)", lstat)
        .doc("Perform a stat system call on the given path, without following symbolic links."),
    NativeDef::new("fstat", "(fd)", fstat)
        .doc("Perform a stat system call on the given file descriptor."),
    NativeDef::new("statvfs", "(path)", statvfs)
        .doc("Perform a statvfs system call on the given path."),
    NativeDef::new("fstatvfs", "(fd, /)", fstatvfs)
        .doc("Perform an fstatvfs system call on the given fd."),
    NativeDef::new(
        "access",
        "(path, mode, *, dir_fd=None, effective_ids=False, follow_symlinks=True)",
        access,
    )
    .doc("Use the real uid/gid to test for access to a path."),
    NativeDef::new(
        "chmod",
        "(path, mode, *, dir_fd=None, follow_symlinks=True)",
        chmod,
    )
    .doc("Change the access permissions of a file."),
    NativeDef::new("fchmod", "(fd, mode)", fchmod)
        .doc("Change the access permissions of the file given by file descriptor."),
    NativeDef::new(
        "chown",
        "(path, uid, gid, *, dir_fd=None, follow_symlinks=True)",
        chown,
    )
    .doc("Change the owner and group id of path to the numeric uid and gid."),
    NativeDef::new("lchown", "(path, uid, gid)", lchown)
        .doc("Change the owner and group id of path to the numeric uid and gid."),
    NativeDef::new("fchown", "(fd, uid, gid)", fchown)
        .doc("Change the owner and group id of the file specified by file descriptor."),
    NativeDef::new(
        "utime",
        "(path, times=None, *, ns=<unrepresentable>, dir_fd=None, follow_symlinks=True)",
        utime,
    )
    .doc("Set the access and modified time of path."),
];
