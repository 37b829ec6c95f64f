//! Extended attributes of files.

use super::*;
use weft_objects::buffer;

/// As much as the system keeps in one attribute, or in all their names together.
const MOST: usize = 64 * 1024;

/// What is asked: a descriptor, or a path whose last link is followed or not.
struct Target {
    p: PathOrFd,
    follow: bool,
}

impl Target {
    fn parse(t: &mut Thread, path: Value, follow: Value, func: &str) -> Res<Target> {
        let p = support::path_or_fd(t, path, func, "path", true)?;
        let follow = support::truth_or(t, follow, true)?;
        if matches!(p, PathOrFd::Fd(_)) {
            only_with_path(t, func, libc::AT_FDCWD, follow)?;
        }
        Ok(Target { p, follow })
    }

    fn name(&self, t: &Thread) -> Option<Obj> {
        target_name(t, &self.p)
    }
}

/// Asks with room for the most that there can be.
fn ask(t: &mut Thread, target: &Target, f: impl FnOnce(*mut u8, usize) -> isize) -> Res<Vec<u8>> {
    let mut v: Vec<u8> = Vec::with_capacity(MOST);
    let p = v.as_mut_ptr();
    match call(t, || f(p, MOST)) {
        Ok(n) => {
            // SAFETY: the system has written that many.
            unsafe { v.set_len(n as usize) };
            Ok(v)
        }
        Err(e) => {
            let name = target.name(t);
            Err(t.os_error(e, name))
        }
    }
}

fn getxattr(t: &mut Thread, a: &[Value]) -> Res {
    let target = Target::parse(t, a[0], a[2], "getxattr")?;
    let name = fs_string(t, a[1])?;
    audit::tell(t, "os.getxattr", &[a[0], a[1]])?;
    // SAFETY: path, name and buffer are ours.
    let v = ask(t, &target, |p, n| unsafe {
        match &target.p {
            PathOrFd::Fd(fd) => libc::fgetxattr(*fd, name.as_ptr(), p.cast(), n),
            PathOrFd::Path(f) if target.follow => {
                libc::getxattr(f.c.as_ptr(), name.as_ptr(), p.cast(), n)
            }
            PathOrFd::Path(f) => libc::lgetxattr(f.c.as_ptr(), name.as_ptr(), p.cast(), n),
        }
    })?;
    Ok(Bytes::from_vec(t, v).into())
}

fn setxattr(t: &mut Thread, a: &[Value]) -> Res {
    let target = Target::parse(t, a[0], a[4], "setxattr")?;
    let name = fs_string(t, a[1])?;
    let v = buffer::get(t, a[2])?;
    let flags = support::c_int_or(t, a[3], 0)?;
    audit::tell(
        t,
        "os.setxattr",
        &[a[0], a[1], a[2], Value::int(flags.into())],
    )?;
    let (p, n) = (v.as_bytes().as_ptr(), v.as_bytes().len());
    let about = target.name(t);
    // SAFETY: path and name are ours, the view keeps its memory in place.
    call_on(t, about, || unsafe {
        let r = match &target.p {
            PathOrFd::Fd(fd) => libc::fsetxattr(*fd, name.as_ptr(), p.cast(), n, flags),
            PathOrFd::Path(f) if target.follow => {
                libc::setxattr(f.c.as_ptr(), name.as_ptr(), p.cast(), n, flags)
            }
            PathOrFd::Path(f) => libc::lsetxattr(f.c.as_ptr(), name.as_ptr(), p.cast(), n, flags),
        };
        r as isize
    })
}

fn removexattr(t: &mut Thread, a: &[Value]) -> Res {
    let target = Target::parse(t, a[0], a[2], "removexattr")?;
    let name = fs_string(t, a[1])?;
    audit::tell(t, "os.removexattr", &[a[0], a[1]])?;
    let about = target.name(t);
    // SAFETY: path and name are ours.
    call_on(t, about, || unsafe {
        let r = match &target.p {
            PathOrFd::Fd(fd) => libc::fremovexattr(*fd, name.as_ptr()),
            PathOrFd::Path(f) if target.follow => libc::removexattr(f.c.as_ptr(), name.as_ptr()),
            PathOrFd::Path(f) => libc::lremovexattr(f.c.as_ptr(), name.as_ptr()),
        };
        r as isize
    })
}

fn listxattr(t: &mut Thread, a: &[Value]) -> Res {
    let path = if a[0].is_null() || a[0].is_none() {
        Str::new(t, ".")
    } else {
        Obj::new(t, a[0])
    };
    let target = Target::parse(t, path.value(), a[1], "listxattr")?;
    // SAFETY: path and buffer are ours.
    let names = ask(t, &target, |p, n| unsafe {
        match &target.p {
            PathOrFd::Fd(fd) => libc::flistxattr(*fd, p.cast(), n),
            PathOrFd::Path(f) if target.follow => libc::listxattr(f.c.as_ptr(), p.cast(), n),
            PathOrFd::Path(f) => libc::llistxattr(f.c.as_ptr(), p.cast(), n),
        }
    })?;
    let names = names.split(|b| *b == 0).filter(|n| !n.is_empty());
    let names = names.map(|n| support::fs_decode(t, n)).collect();
    Ok(List::from_vec(t, names).into())
}

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new(
        "getxattr",
        "(path, attribute, *, follow_symlinks=True)",
        getxattr,
    )
    .doc("Return the value of extended attribute attribute on path."),
    NativeDef::new(
        "setxattr",
        "(path, attribute, value, flags=0, *, follow_symlinks=True)",
        setxattr,
    )
    .doc("Set extended attribute attribute on path to value."),
    NativeDef::new(
        "removexattr",
        "(path, attribute, *, follow_symlinks=True)",
        removexattr,
    )
    .doc("Remove extended attribute attribute on path."),
    NativeDef::new(
        "listxattr",
        "(path=None, *, follow_symlinks=True)",
        listxattr,
    )
    .doc("Return a list of extended attributes on path."),
];
