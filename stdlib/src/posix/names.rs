//! Making, renaming and removing names in the file system.

use super::*;

fn mode_or(t: &mut Thread, v: Value, default: i32) -> Res<libc::mode_t> {
    Ok(support::c_int_or(t, v, default)? as libc::mode_t)
}

fn mkdir(t: &mut Thread, a: &[Value]) -> Res {
    let (p, dir) = path_and_dir(t, a[0], a[2], "mkdir")?;
    let mode = mode_or(t, a[1], 0o777)?;
    audit::tell(
        t,
        "os.mkdir",
        &[a[0], Value::int(mode.into()), at_dir(a[2])],
    )?;
    // SAFETY: the path is ours.
    call_on(
        t,
        p.name(),
        || unsafe { libc::mkdirat(dir, p.c.as_ptr(), mode) } as isize,
    )
}

fn rmdir(t: &mut Thread, a: &[Value]) -> Res {
    let (p, dir) = path_and_dir(t, a[0], a[1], "rmdir")?;
    audit::tell(t, "os.rmdir", &[a[0], at_dir(a[1])])?;
    // SAFETY: the path is ours.
    call_on(
        t,
        p.name(),
        || unsafe { libc::unlinkat(dir, p.c.as_ptr(), libc::AT_REMOVEDIR) } as isize,
    )
}

fn remove_file(t: &mut Thread, a: &[Value], func: &str) -> Res {
    let (p, dir) = path_and_dir(t, a[0], a[1], func)?;
    audit::tell(t, "os.remove", &[a[0], at_dir(a[1])])?;
    // SAFETY: the path is ours.
    call_on(
        t,
        p.name(),
        || unsafe { libc::unlinkat(dir, p.c.as_ptr(), 0) } as isize,
    )
}

/// Two paths, each with the directory that it starts at.
fn two_paths(t: &mut Thread, a: &[Value], func: &str) -> Res<(Path, Path, i32, i32)> {
    let src = support::path(t, a[0], func, "src")?;
    let dst = support::path(t, a[1], func, "dst")?;
    Ok((src, dst, dir_fd(t, a[2])?, dir_fd(t, a[3])?))
}

fn about_both(t: &mut Thread, src: &Path, dst: &Path, r: Result<isize, i32>) -> Res {
    match r {
        Ok(_) => Ok(Value::NONE),
        Err(e) => Err(t.os_error2(e, src.name(), dst.name())),
    }
}

fn do_rename(t: &mut Thread, a: &[Value], func: &str) -> Res {
    let (src, dst, from, to) = two_paths(t, a, func)?;
    audit::tell(t, "os.rename", &[a[0], a[1], at_dir(a[2]), at_dir(a[3])])?;
    // SAFETY: the paths are ours.
    let r = call(
        t,
        || unsafe { libc::renameat(from, src.c.as_ptr(), to, dst.c.as_ptr()) } as isize,
    );
    about_both(t, &src, &dst, r)
}

fn link(t: &mut Thread, a: &[Value]) -> Res {
    let (src, dst, from, to) = two_paths(t, a, "link")?;
    audit::tell(t, "os.link", &[a[0], a[1], at_dir(a[2]), at_dir(a[3])])?;
    let follow = support::truth_or(t, a[4], true)?;
    let flags = if follow { libc::AT_SYMLINK_FOLLOW } else { 0 };
    // SAFETY: the paths are ours.
    let r = call(
        t,
        || unsafe { libc::linkat(from, src.c.as_ptr(), to, dst.c.as_ptr(), flags) } as isize,
    );
    about_both(t, &src, &dst, r)
}

fn symlink(t: &mut Thread, a: &[Value]) -> Res {
    let src = support::path(t, a[0], "symlink", "src")?;
    let dst = support::path(t, a[1], "symlink", "dst")?;
    let dir = dir_fd(t, a[3])?;
    audit::tell(t, "os.symlink", &[a[0], a[1], at_dir(a[3])])?;
    // SAFETY: the paths are ours.
    let r = call(
        t,
        || unsafe { libc::symlinkat(src.c.as_ptr(), dir, dst.c.as_ptr()) } as isize,
    );
    about_both(t, &src, &dst, r)
}

fn readlink(t: &mut Thread, a: &[Value]) -> Res {
    let (p, dir) = path_and_dir(t, a[0], a[1], "readlink")?;
    let mut buffer = vec![0u8; 4097];
    // SAFETY: path and buffer are ours.
    let r = call(t, || unsafe {
        libc::readlinkat(dir, p.c.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len())
    });
    match r {
        Ok(n) => Ok(p.wrap(t, &buffer[..n as usize]).into()),
        Err(e) => Err(t.os_error(e, p.name())),
    }
}

fn mkfifo(t: &mut Thread, a: &[Value]) -> Res {
    let (p, dir) = path_and_dir(t, a[0], a[2], "mkfifo")?;
    let mode = mode_or(t, a[1], 0o666)?;
    loop {
        // SAFETY: the path is ours.
        let r = call(t, || unsafe { libc::mkfifoat(dir, p.c.as_ptr(), mode) }
            as isize);
        match r {
            Ok(_) => return Ok(Value::NONE),
            Err(libc::EINTR) => weft_objects::runtime::check_signals(t)?,
            Err(e) => return Err(t.os_error(e, p.name())),
        }
    }
}

fn mknod(t: &mut Thread, a: &[Value]) -> Res {
    let (p, dir) = path_and_dir(t, a[0], a[3], "mknod")?;
    let mode = mode_or(t, a[1], 0o600)?;
    let device = if a[2].is_null() {
        0
    } else {
        long(t, a[2])? as libc::dev_t
    };
    // SAFETY: the path is ours.
    call_on(
        t,
        p.name(),
        || unsafe { libc::mknodat(dir, p.c.as_ptr(), mode, device) } as isize,
    )
}

fn device(t: &mut Thread, v: Value) -> Res<libc::dev_t> {
    let i = proto::index(t, v)?;
    let n = weft_objects::int::to_bigint(i.value());
    match n.and_then(|n| {
        u64::try_from(&n)
            .ok()
            .or_else(|| i64::try_from(&n).ok().map(|n| n as u64))
    }) {
        Some(n) => Ok(n as libc::dev_t),
        None => Err(t.overflow_error("Python int too large to convert to C unsigned long")),
    }
}

fn major(t: &mut Thread, a: &[Value]) -> Res {
    Ok(Value::int(i64::from(libc::major(device(t, a[0])?))))
}

fn minor(t: &mut Thread, a: &[Value]) -> Res {
    Ok(Value::int(i64::from(libc::minor(device(t, a[0])?))))
}

fn makedev(t: &mut Thread, a: &[Value]) -> Res {
    let (major, minor) = (long(t, a[0])?, long(t, a[1])?);
    Ok(weft_objects::int::from_u64(
        t,
        libc::makedev(major as _, minor as _),
    ))
}

fn truncate(t: &mut Thread, a: &[Value]) -> Res {
    let p = support::path_or_fd(t, a[0], "truncate", "path", true)?;
    let length = long(t, a[1])?;
    audit::tell(t, "os.truncate", &[a[0], a[1]])?;
    let name = target_name(t, &p);
    // SAFETY: the path is ours.
    call_on(t, name, || unsafe {
        match &p {
            PathOrFd::Fd(fd) => libc::ftruncate(*fd, length) as isize,
            PathOrFd::Path(p) => libc::truncate(p.c.as_ptr(), length) as isize,
        }
    })
}

fn chdir(t: &mut Thread, a: &[Value]) -> Res {
    let p = support::path_or_fd(t, a[0], "chdir", "path", true)?;
    audit::tell(t, "os.chdir", &[a[0]])?;
    let name = target_name(t, &p);
    // SAFETY: the path is ours.
    call_on(t, name, || unsafe {
        match &p {
            PathOrFd::Fd(fd) => libc::fchdir(*fd) as isize,
            PathOrFd::Path(p) => libc::chdir(p.c.as_ptr()) as isize,
        }
    })
}

fn fchdir(t: &mut Thread, a: &[Value]) -> Res {
    let fd = support::fileno(t, a[0])?;
    audit::tell(t, "os.chdir", &[a[0]])?;
    // SAFETY: always callable.
    support::retry_os(t, || unsafe { libc::fchdir(fd) } as isize)?;
    Ok(Value::NONE)
}

fn chroot(t: &mut Thread, a: &[Value]) -> Res {
    let p = support::path(t, a[0], "chroot", "path")?;
    // SAFETY: the path is ours.
    call_on(t, p.name(), || unsafe { libc::chroot(p.c.as_ptr()) }
        as isize)
}

/// The current directory, as the system names it.
fn current(t: &mut Thread) -> Res<Vec<u8>> {
    use std::os::unix::ffi::OsStringExt;
    match t.blocking(std::env::current_dir) {
        Ok(p) => Ok(p.into_os_string().into_vec()),
        Err(e) => Err(t.io_error(&e, None)),
    }
}

fn getcwd(t: &mut Thread, _a: &[Value]) -> Res {
    let p = current(t)?;
    Ok(support::fs_decode(t, &p).into())
}

fn getcwdb(t: &mut Thread, _a: &[Value]) -> Res {
    let p = current(t)?;
    Ok(Bytes::from_vec(t, p).into())
}

/// What a limit is: -1 without an error means that there is none.
fn limit(t: &mut Thread, name: Option<Obj>, f: impl FnOnce() -> i64) -> Res {
    let (r, e) = t.blocking(|| {
        set_errno(0);
        (f(), errno())
    });
    if r == -1 && e != 0 {
        Err(t.os_error(e, name))
    } else {
        Ok(Value::int(r))
    }
}

/// Sets the calling thread's error number.
pub(super) fn set_errno(e: i32) {
    // SAFETY: the calling thread's own word.
    unsafe {
        #[cfg(target_os = "linux")]
        {
            *libc::__errno_location() = e;
        }
        #[cfg(target_os = "macos")]
        {
            *libc::__error() = e;
        }
    }
}

fn pathconf(t: &mut Thread, a: &[Value]) -> Res {
    let p = support::path_or_fd(t, a[0], "pathconf", "path", true)?;
    let which = constants::Names::Pathconf.number(t, a[1])?;
    let name = target_name(t, &p);
    // SAFETY: the path is ours.
    limit(t, name, || unsafe {
        match &p {
            PathOrFd::Fd(fd) => libc::fpathconf(*fd, which),
            PathOrFd::Path(p) => libc::pathconf(p.c.as_ptr(), which),
        }
    })
}

fn fpathconf(t: &mut Thread, a: &[Value]) -> Res {
    let fd = support::fileno(t, a[0])?;
    let which = constants::Names::Pathconf.number(t, a[1])?;
    // SAFETY: always callable.
    limit(t, None, || unsafe { libc::fpathconf(fd, which) })
}

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("mkdir", "(path, mode=511, *, dir_fd=None)", mkdir).doc("Create a directory."),
    NativeDef::new("rmdir", "(path, *, dir_fd=None)", rmdir).doc("Remove a directory."),
    NativeDef::new("unlink", "(path, *, dir_fd=None)", |t, a| {
        remove_file(t, a, "unlink")
    })
    .doc("Remove a file (same as remove())."),
    NativeDef::new("remove", "(path, *, dir_fd=None)", |t, a| {
        remove_file(t, a, "remove")
    })
    .doc("Remove a file (same as unlink())."),
    NativeDef::new(
        "rename",
        "(src, dst, *, src_dir_fd=None, dst_dir_fd=None)",
        |t, a| do_rename(t, a, "rename"),
    )
    .doc("Rename a file or directory."),
    NativeDef::new(
        "replace",
        "(src, dst, *, src_dir_fd=None, dst_dir_fd=None)",
        |t, a| do_rename(t, a, "replace"),
    )
    .doc("Rename a file or directory, overwriting the destination."),
    NativeDef::new(
        "link",
        "(src, dst, *, src_dir_fd=None, dst_dir_fd=None, follow_symlinks=<unrepresentable>)",
        link,
    )
    .doc("Create a hard link to a file."),
    NativeDef::new(
        "symlink",
        "(src, dst, target_is_directory=False, *, dir_fd=None)",
        symlink,
    )
    .doc("Create a symbolic link pointing to src named dst."),
    NativeDef::new("readlink", "(path, *, dir_fd=None)", readlink)
        .doc("Return a string representing the path to which the symbolic link points."),
    NativeDef::new("mkfifo", "(path, mode=438, *, dir_fd=None)", mkfifo)
        .doc("Create a \"fifo\" (a POSIX named pipe)."),
    NativeDef::new("mknod", "(path, mode=384, device=0, *, dir_fd=None)", mknod)
        .doc("Create a node in the file system."),
    NativeDef::new("major", "(device, /)", major)
        .doc("Extracts a device major number from a raw device number."),
    NativeDef::new("minor", "(device, /)", minor)
        .doc("Extracts a device minor number from a raw device number."),
    NativeDef::new("makedev", "(major, minor, /)", makedev)
        .doc("Composes a raw device number from the major and minor device numbers."),
    NativeDef::new("truncate", "(path, length)", truncate)
        .doc("Truncate a file, specified by path, to a specific length."),
    NativeDef::new("chdir", "(path)", chdir)
        .doc("Change the current working directory to the specified path."),
    NativeDef::new("fchdir", "(fd)", fchdir)
        .doc("Change to the directory of the given file descriptor."),
    NativeDef::new("chroot", "(path)", chroot).doc("Change root directory to path."),
    NativeDef::new("getcwd", "()", getcwd)
        .doc("Return a unicode string representing the current working directory."),
    NativeDef::new("getcwdb", "()", getcwdb)
        .doc("Return a bytes string representing the current working directory."),
    NativeDef::new("pathconf", "(path, name)", pathconf)
        .doc("Return the configuration limit name for the file or directory path."),
    NativeDef::new("fpathconf", "(fd, name, /)", fpathconf)
        .doc("Return the configuration limit name for the file descriptor fd."),
];
