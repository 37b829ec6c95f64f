//! File descriptors: opening, reading, writing, and what else they can be asked for.

use super::*;
use crate::support::{retry, retry_os};
use weft_objects::{buffer, int};

/// As many bytes as one call reads or writes.
const MOST: usize = 0x7fff_f000;

fn fd_arg(t: &mut Thread, v: Value) -> Res<i32> {
    support::c_int(t, v)
}

fn open(t: &mut Thread, a: &[Value]) -> Res {
    let p = support::path(t, a[0], "open", "path")?;
    let flags = support::c_int(t, a[1])? | libc::O_CLOEXEC;
    let mode = support::c_int_or(t, a[2], 0o777)? as libc::c_uint;
    let dir = dir_fd(t, a[3])?;
    audit::tell(t, "open", &[a[0], Value::NONE, Value::int(flags.into())])?;
    match retry(
        t,
        // SAFETY: the path is ours.
        || unsafe { libc::openat(dir, p.c.as_ptr(), flags, mode) } as isize,
    )? {
        Ok(fd) => Ok(Value::int(fd as i64)),
        Err(e) => Err(t.os_error(e, p.name())),
    }
}

fn close(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    // SAFETY: as in C, the program answers for its descriptors. After EINTR the descriptor is closed all the same.
    match call(t, || unsafe { libc::close(fd) } as isize) {
        Ok(_) | Err(libc::EINTR) => Ok(Value::NONE),
        Err(e) => Err(t.os_error(e, None)),
    }
}

fn closerange(t: &mut Thread, a: &[Value]) -> Res {
    let (low, high) = (fd_arg(t, a[0])?, fd_arg(t, a[1])?);
    t.blocking(|| {
        let low = low.max(0);
        if low >= high {
            return;
        }
        // SAFETY: as in `close`.
        #[cfg(target_os = "linux")]
        if unsafe { libc::syscall(libc::SYS_close_range, low as u32, (high - 1) as u32, 0) } == 0 {
            return;
        }
        for fd in low..high {
            // SAFETY: as above.
            unsafe { libc::close(fd) };
        }
    });
    Ok(Value::NONE)
}

fn dup(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    // SAFETY: always callable.
    int_or_error(
        t,
        i64::from(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) }),
    )
}

fn dup2(t: &mut Thread, a: &[Value]) -> Res {
    let (fd, fd2) = (fd_arg(t, a[0])?, fd_arg(t, a[1])?);
    let inheritable = support::truth_or(t, a[2], true)?;
    #[cfg(target_os = "linux")]
    if !inheritable {
        // SAFETY: always callable.
        let r = call_os(t, || unsafe { libc::dup3(fd, fd2, libc::O_CLOEXEC) }
            as isize)?;
        return Ok(Value::int(r as i64));
    }
    // SAFETY: always callable.
    let r = call_os(t, || unsafe { libc::dup2(fd, fd2) } as isize)? as i32;
    if !inheritable {
        put_inheritable(t, r, false)?;
    }
    Ok(Value::int(i64::from(r)))
}

// --- reading ---

fn bad_length(t: &mut Thread) -> Raised {
    t.os_error(libc::EINVAL, None)
}

/// Room for `n` bytes.
fn room(t: &mut Thread, n: i64) -> Res<Vec<u8>> {
    let Ok(n) = usize::try_from(n) else {
        return Err(bad_length(t));
    };
    let mut v = Vec::new();
    match v.try_reserve_exact(n.min(MOST)) {
        Ok(()) => Ok(v),
        Err(_) => Err(t.memory_error()),
    }
}

/// Reads into the vector's room with a call that takes where and how much.
fn read_with(t: &mut Thread, n: i64, f: impl Fn(*mut libc::c_void, usize) -> isize) -> Res {
    let mut v = room(t, n)?;
    let (p, n) = (v.as_mut_ptr().cast(), (n as usize).min(MOST));
    let got = retry_os(t, || f(p, n))?;
    // SAFETY: the system has written that many.
    unsafe { v.set_len(got as usize) };
    Ok(Bytes::from_vec(t, v).into())
}

fn read(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    let n = long(t, a[1])?;
    // SAFETY: there is room for `n` bytes.
    read_with(t, n, |p, n| unsafe { libc::read(fd, p, n) })
}

fn pread(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    let (n, at) = (long(t, a[1])?, long(t, a[2])?);
    // SAFETY: there is room for `n` bytes.
    read_with(t, n, |p, n| unsafe { libc::pread(fd, p, n, at) })
}

fn readinto(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    let mut b = buffer::get_writable(t, a[1], "readinto", 2)?;
    let n = b.len.min(MOST);
    let got = b.fill(t, n, |t, p| {
        // SAFETY: the view keeps its memory in place.
        retry_os(t, || unsafe { libc::read(fd, p.cast(), n) }).map(|n| n as usize)
    })?;
    Ok(Value::int(got as i64))
}

/// The items of a sequence of buffers, and what the system takes them as.
fn views(
    t: &mut Thread,
    v: Value,
    writable: bool,
    func: &str,
) -> Res<(Vec<buffer::Buffer>, Vec<libc::iovec>)> {
    if !proto::is_sequence(t, v) {
        return Err(t.type_error(format!("{func}() arg 2 must be a sequence")));
    }
    let mut held = Vec::new();
    for item in proto::to_vec(t, v)? {
        held.push(if writable {
            buffer::get_writable(t, item.value(), "", 0)?
        } else {
            buffer::get_bulk(t, item.value())?
        });
    }
    let parts = held.iter().map(|b| {
        let bytes = b.as_bytes();
        libc::iovec {
            iov_base: bytes.as_ptr() as *mut _,
            iov_len: bytes.len(),
        }
    });
    let parts = parts.collect();
    Ok((held, parts))
}

fn readv(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    let (_held, parts) = views(t, a[1], true, "readv")?;
    // SAFETY: the views keep their memory in place.
    let n = retry_os(t, || unsafe {
        libc::readv(fd, parts.as_ptr(), parts.len() as i32)
    })?;
    Ok(Value::int(n as i64))
}

fn writev(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    let (_held, parts) = views(t, a[1], false, "writev")?;
    // SAFETY: the views keep their memory in place.
    let n = retry_os(t, || unsafe {
        libc::writev(fd, parts.as_ptr(), parts.len() as i32)
    })?;
    Ok(Value::int(n as i64))
}

// --- writing ---

fn write(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    let b = buffer::get_bulk(t, a[1])?;
    let (p, n) = (b.as_bytes().as_ptr(), b.as_bytes().len().min(MOST));
    // SAFETY: the view keeps its memory in place.
    let n = retry_os(t, || unsafe { libc::write(fd, p.cast(), n) })?;
    Ok(Value::int(n as i64))
}

fn pwrite(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    let b = buffer::get_bulk(t, a[1])?;
    let at = long(t, a[2])?;
    let (p, n) = (b.as_bytes().as_ptr(), b.as_bytes().len().min(MOST));
    // SAFETY: the view keeps its memory in place.
    let n = retry_os(t, || unsafe { libc::pwrite(fd, p.cast(), n, at) })?;
    Ok(Value::int(n as i64))
}

fn lseek(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    let at = long(t, a[1])?;
    let how = support::c_int(t, a[2])?;
    // SAFETY: always callable.
    let at = call_os(t, || unsafe { libc::lseek(fd, at, how) } as isize)?;
    Ok(Value::int(at as i64))
}

fn fsync(t: &mut Thread, a: &[Value]) -> Res {
    let fd = support::fileno(t, a[0])?;
    // SAFETY: always callable.
    retry_os(t, || unsafe { libc::fsync(fd) } as isize)?;
    Ok(Value::NONE)
}

fn sync(t: &mut Thread, _a: &[Value]) -> Res {
    // SAFETY: always callable.
    t.blocking(|| unsafe { libc::sync() });
    Ok(Value::NONE)
}

fn ftruncate(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    let n = long(t, a[1])?;
    audit::tell(t, "os.truncate", &[a[0], a[1]])?;
    // SAFETY: always callable.
    retry_os(t, || unsafe { libc::ftruncate(fd, n) } as isize)?;
    Ok(Value::NONE)
}

fn lockf(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    let how = support::c_int(t, a[1])?;
    let n = long(t, a[2])?;
    audit::tell(t, "os.lockf", &[a[0], a[1], a[2]])?;
    // SAFETY: always callable.
    call_os(t, || unsafe { libc::lockf(fd, how, n) } as isize)?;
    Ok(Value::NONE)
}

// --- pipes, inheritance, blocking ---

fn pair(t: &Thread, fds: [i32; 2]) -> Value {
    Tuple::from_slice(
        t,
        &[Value::int(i64::from(fds[0])), Value::int(i64::from(fds[1]))],
    )
    .into()
}

fn pipe(t: &mut Thread, _a: &[Value]) -> Res {
    let mut fds = [0i32; 2];
    #[cfg(target_os = "linux")]
    // SAFETY: room for two.
    done(t, unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) })?;
    #[cfg(not(target_os = "linux"))]
    {
        // SAFETY: room for two.
        done(t, unsafe { libc::pipe(fds.as_mut_ptr()) })?;
        put_inheritable(t, fds[0], false)?;
        put_inheritable(t, fds[1], false)?;
    }
    Ok(pair(t, fds))
}

fn put_inheritable(t: &mut Thread, fd: i32, on: bool) -> Res<()> {
    // SAFETY: always callable.
    let r = unsafe {
        let old = libc::fcntl(fd, libc::F_GETFD);
        let new = if on {
            old & !libc::FD_CLOEXEC
        } else {
            old | libc::FD_CLOEXEC
        };
        if old < 0 || old == new {
            old
        } else {
            libc::fcntl(fd, libc::F_SETFD, new)
        }
    };
    if r < 0 { Err(last_error(t)) } else { Ok(()) }
}

fn set_inheritable(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    let on = support::c_int(t, a[1])? != 0;
    put_inheritable(t, fd, on)?;
    Ok(Value::NONE)
}

fn get_inheritable(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    // SAFETY: always callable.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    if flags < 0 {
        Err(last_error(t))
    } else {
        Ok(Value::bool(flags & libc::FD_CLOEXEC == 0))
    }
}

fn get_blocking(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    // SAFETY: always callable.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    if flags < 0 {
        Err(last_error(t))
    } else {
        Ok(Value::bool(flags & libc::O_NONBLOCK == 0))
    }
}

fn set_blocking(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    let on = proto::truth(t, a[1])?;
    // SAFETY: always callable.
    let r = unsafe {
        let old = libc::fcntl(fd, libc::F_GETFL);
        let new = if on {
            old & !libc::O_NONBLOCK
        } else {
            old | libc::O_NONBLOCK
        };
        if old < 0 || old == new {
            old
        } else {
            libc::fcntl(fd, libc::F_SETFL, new)
        }
    };
    if r < 0 {
        Err(last_error(t))
    } else {
        Ok(Value::NONE)
    }
}

// --- terminals ---

crate::struct_sequence!(TERMINAL_SIZE, TERMINAL_SIZE_DEF, "terminal_size" in "os", items 2, { 0 "columns", 1 "lines" });

pub(super) fn add_types(t: &Thread, m: &Obj) {
    TERMINAL_SIZE_DEF.ready(t);
    support::add_type(t, m, &TERMINAL_SIZE);
}

fn isatty(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    // SAFETY: always callable.
    Ok(Value::bool(t.blocking(|| unsafe { libc::isatty(fd) }) == 1))
}

fn get_terminal_size(t: &mut Thread, a: &[Value]) -> Res {
    let fd = support::c_int_or(t, a[0], 1)?;
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the structure is ours.
    done(t, unsafe {
        libc::ioctl(fd, libc::TIOCGWINSZ, &raw mut size)
    })?;
    let fields = [size.ws_col, size.ws_row].map(|n| support::int_obj(t, i64::from(n)));
    Ok(TERMINAL_SIZE_DEF.make(t, fields.into()).into())
}

/// Text up to the first zero byte.
pub(super) fn until_zero(buffer: &[u8]) -> &[u8] {
    &buffer[..buffer.iter().position(|b| *b == 0).unwrap_or(buffer.len())]
}

fn ttyname(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    let mut buffer = [0u8; 4096];
    // SAFETY: the buffer is ours; it stays zero-terminated.
    let e = unsafe { libc::ttyname_r(fd, buffer.as_mut_ptr().cast(), buffer.len() - 1) };
    if e != 0 {
        return Err(t.os_error(e, None));
    }
    Ok(support::fs_decode(t, until_zero(&buffer)).into())
}

fn ctermid(t: &mut Thread, _a: &[Value]) -> Res {
    Ok(Str::new(t, "/dev/tty").into())
}

fn device_encoding(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    // SAFETY: always callable.
    if unsafe { libc::isatty(fd) } != 1 {
        return Ok(Value::NONE);
    }
    Ok(Str::new(t, "utf-8").into())
}

fn tcgetpgrp(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fd_arg(t, a[0])?;
    // SAFETY: always callable.
    int_or_error(t, i64::from(unsafe { libc::tcgetpgrp(fd) }))
}

fn tcsetpgrp(t: &mut Thread, a: &[Value]) -> Res {
    let (fd, group) = (fd_arg(t, a[0])?, support::c_int(t, a[1])?);
    // SAFETY: always callable.
    done(t, unsafe { libc::tcsetpgrp(fd, group) })
}

fn openpty(t: &mut Thread, _a: &[Value]) -> Res {
    let (mut master, mut slave) = (-1, -1);
    let null = std::ptr::null_mut();
    // SAFETY: two numbers of ours; the rest is not asked for.
    done(t, unsafe {
        libc::openpty(
            &mut master,
            &mut slave,
            null,
            null as *mut _,
            null as *mut _,
        )
    })?;
    put_inheritable(t, master, false)?;
    put_inheritable(t, slave, false)?;
    Ok(pair(t, [master, slave]))
}

fn login_tty(t: &mut Thread, a: &[Value]) -> Res {
    let fd = support::fileno(t, a[0])?;
    // SAFETY: always callable.
    done(t, unsafe { libc::login_tty(fd) })
}

// --- random bytes ---

/// Fills the buffer from the system's source, piece by piece.
#[cfg(target_os = "linux")]
fn random(t: &mut Thread, n: i64, flags: u32) -> Res<Vec<u8>> {
    let mut v = room(t, n)?;
    let n = (n as usize).min(MOST);
    // SAFETY: there is room for `n` bytes.
    let got = retry_os(t, || unsafe {
        libc::getrandom(v.as_mut_ptr().cast(), n, flags)
    })?;
    // SAFETY: the system has written that many.
    unsafe { v.set_len(got as usize) };
    Ok(v)
}

fn urandom(t: &mut Thread, a: &[Value]) -> Res {
    let n = long(t, a[0])?;
    if n < 0 {
        return Err(t.value_error("negative argument not allowed"));
    }
    let mut out = Vec::new();
    if out.try_reserve_exact(n as usize).is_err() {
        return Err(t.memory_error());
    }
    while (out.len() as i64) < n {
        let left = n - out.len() as i64;
        #[cfg(target_os = "linux")]
        out.extend(random(t, left.min(1 << 24), 0)?);
        #[cfg(not(target_os = "linux"))]
        {
            let mut part = [0u8; 256];
            let part = &mut part[..left.min(256) as usize];
            // SAFETY: the buffer is ours, and short enough for the call.
            done(t, unsafe {
                libc::getentropy(part.as_mut_ptr().cast(), part.len())
            })?;
            out.extend_from_slice(part);
        }
    }
    Ok(Bytes::from_vec(t, out).into())
}

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("open", "(path, flags, mode=511, *, dir_fd=None)", open)
        .doc("Open a file for low level IO.  Returns a file descriptor (integer)."),
    NativeDef::new("close", "(fd)", close).doc("Close a file descriptor."),
    NativeDef::new("closerange", "(fd_low, fd_high, /)", closerange)
        .doc("Closes all file descriptors in [fd_low, fd_high), ignoring errors."),
    NativeDef::new("dup", "(fd, /)", dup).doc("Return a duplicate of a file descriptor."),
    NativeDef::new("dup2", "(fd, fd2, inheritable=True)", dup2).doc("Duplicate file descriptor."),
    NativeDef::new("read", "(fd, length, /)", read)
        .doc("Read from a file descriptor.  Returns a bytes object."),
    NativeDef::new("pread", "(fd, length, offset, /)", pread)
        .doc("Read a number of bytes from a file descriptor starting at a particular offset."),
    NativeDef::new("readinto", "(fd, buffer, /)", readinto)
        .doc("Read into a buffer object from a file descriptor."),
    NativeDef::new("readv", "(fd, buffers, /)", readv)
        .doc("Read from a file descriptor fd into an iterable of buffers."),
    NativeDef::new("write", "(fd, data, /)", write)
        .doc("Write a bytes object to a file descriptor."),
    NativeDef::new("pwrite", "(fd, buffer, offset, /)", pwrite)
        .doc("Write bytes to a file descriptor starting at a particular offset."),
    NativeDef::new("writev", "(fd, buffers, /)", writev)
        .doc("Iterate over buffers, and write the contents of each to a file descriptor."),
    NativeDef::new("lseek", "(fd, position, whence, /)", lseek)
        .doc("Set the position of a file descriptor.  Return the new position."),
    NativeDef::new("fsync", "(fd)", fsync).doc("Force write of fd to disk."),
    NativeDef::new("sync", "()", sync).doc("Force write of everything to disk."),
    NativeDef::new("ftruncate", "(fd, length, /)", ftruncate)
        .doc("Truncate a file, specified by file descriptor, to a specific length."),
    NativeDef::new("lockf", "(fd, command, length, /)", lockf)
        .doc("Apply, test or remove a POSIX lock on an open file descriptor."),
    NativeDef::new("pipe", "()", pipe).doc("Create a pipe."),
    NativeDef::new("set_inheritable", "(fd, inheritable, /)", set_inheritable)
        .doc("Set the inheritable flag of the specified file descriptor."),
    NativeDef::new("get_inheritable", "(fd, /)", get_inheritable)
        .doc("Get the close-on-exe flag of the specified file descriptor."),
    NativeDef::new("get_blocking", "(fd, /)", get_blocking)
        .doc("Get the blocking mode of the file descriptor."),
    NativeDef::new("set_blocking", "(fd, blocking, /)", set_blocking)
        .doc("Set the blocking mode of the specified file descriptor."),
    NativeDef::new("isatty", "(fd, /)", isatty)
        .doc("Return True if the fd is connected to a terminal."),
    NativeDef::new(
        "get_terminal_size",
        "(fd=<unrepresentable>, /)",
        get_terminal_size,
    )
    .doc("Return the size of the terminal window as (columns, lines)."),
    NativeDef::new("ttyname", "(fd, /)", ttyname)
        .doc("Return the name of the terminal device connected to 'fd'."),
    NativeDef::new("ctermid", "()", ctermid)
        .doc("Return the name of the controlling terminal for this process."),
    NativeDef::new("device_encoding", "(fd)", device_encoding)
        .doc("Return a string describing the encoding of a terminal's file descriptor."),
    NativeDef::new("tcgetpgrp", "(fd, /)", tcgetpgrp)
        .doc("Return the process group associated with the terminal specified by fd."),
    NativeDef::new("tcsetpgrp", "(fd, pgid, /)", tcsetpgrp)
        .doc("Set the process group associated with the terminal specified by fd."),
    NativeDef::new("openpty", "()", openpty).doc("Open a pseudo-terminal."),
    NativeDef::new("login_tty", "(fd, /)", login_tty)
        .doc("Prepare the tty of which fd is a file descriptor for a new login session."),
    NativeDef::new("urandom", "(size, /)", urandom)
        .doc("Return a bytes object containing random bytes suitable for cryptographic use."),
];

// --- what only Linux has ---

#[cfg(target_os = "linux")]
mod linux {
    use super::*;

    pub fn pipe2(t: &mut Thread, a: &[Value]) -> Res {
        let flags = support::c_int(t, a[0])?;
        let mut fds = [0i32; 2];
        // SAFETY: room for two.
        done(t, unsafe { libc::pipe2(fds.as_mut_ptr(), flags) })?;
        Ok(pair(t, fds))
    }

    pub fn fdatasync(t: &mut Thread, a: &[Value]) -> Res {
        let fd = support::fileno(t, a[0])?;
        // SAFETY: always callable.
        retry_os(t, || unsafe { libc::fdatasync(fd) } as isize)?;
        Ok(Value::NONE)
    }

    pub fn getrandom(t: &mut Thread, a: &[Value]) -> Res {
        let n = long(t, a[0])?;
        let flags = support::c_int_or(t, a[1], 0)?;
        let v = random(t, n, flags as u32)?;
        Ok(Bytes::from_vec(t, v).into())
    }

    /// An offset that may be left to the file's own.
    fn offset(t: &mut Thread, v: Value) -> Res<Option<i64>> {
        if v.is_null() || v.is_none() {
            Ok(None)
        } else {
            Ok(Some(long(t, v)?))
        }
    }

    fn offset_ptr(o: &mut Option<i64>) -> *mut i64 {
        o.as_mut().map_or(std::ptr::null_mut(), |o| o)
    }

    pub fn sendfile(t: &mut Thread, a: &[Value]) -> Res {
        let (to, from) = (fd_arg(t, a[0])?, fd_arg(t, a[1])?);
        let mut at = offset(t, a[2])?;
        let n = long(t, a[3])?;
        let at = offset_ptr(&mut at);
        // SAFETY: the offset is ours, or none.
        let n = retry_os(t, || unsafe { libc::sendfile(to, from, at, n as usize) })?;
        Ok(Value::int(n as i64))
    }

    /// Arguments `(src, dst, count, offset_src, offset_dst)`.
    fn copy_args(t: &mut Thread, a: &[Value]) -> Res<(i32, i32, usize, [Option<i64>; 2])> {
        let (from, to) = (fd_arg(t, a[0])?, fd_arg(t, a[1])?);
        let Ok(n) = usize::try_from(long(t, a[2])?) else {
            return Err(t.value_error("negative value for 'count' not allowed"));
        };
        Ok((from, to, n, [offset(t, a[3])?, offset(t, a[4])?]))
    }

    pub fn copy_file_range(t: &mut Thread, a: &[Value]) -> Res {
        let (from, to, n, [mut at, mut into]) = copy_args(t, a)?;
        let (at, into) = (offset_ptr(&mut at), offset_ptr(&mut into));
        // SAFETY: the offsets are ours, or none.
        let n = retry_os(t, || unsafe {
            libc::copy_file_range(from, at, to, into, n, 0)
        })?;
        Ok(Value::int(n as i64))
    }

    pub fn splice(t: &mut Thread, a: &[Value]) -> Res {
        let (from, to, n, [mut at, mut into]) = copy_args(t, a)?;
        let flags = support::c_int_or(t, a[5], 0)? as u32;
        let (at, into) = (offset_ptr(&mut at), offset_ptr(&mut into));
        // SAFETY: the offsets are ours, or none.
        let n = retry_os(t, || unsafe { libc::splice(from, at, to, into, n, flags) })?;
        Ok(Value::int(n as i64))
    }

    pub fn preadv(t: &mut Thread, a: &[Value]) -> Res {
        let fd = fd_arg(t, a[0])?;
        let (_held, parts) = views(t, a[1], true, "preadv")?;
        let (at, flags) = (long(t, a[2])?, support::c_int_or(t, a[3], 0)?);
        // SAFETY: the views keep their memory in place.
        let n = retry_os(t, || unsafe {
            libc::preadv2(fd, parts.as_ptr(), parts.len() as i32, at, flags)
        })?;
        Ok(Value::int(n as i64))
    }

    pub fn pwritev(t: &mut Thread, a: &[Value]) -> Res {
        let fd = fd_arg(t, a[0])?;
        let (_held, parts) = views(t, a[1], false, "pwritev")?;
        let (at, flags) = (long(t, a[2])?, support::c_int_or(t, a[3], 0)?);
        // SAFETY: the views keep their memory in place.
        let n = retry_os(t, || unsafe {
            libc::pwritev2(fd, parts.as_ptr(), parts.len() as i32, at, flags)
        })?;
        Ok(Value::int(n as i64))
    }

    pub fn posix_fadvise(t: &mut Thread, a: &[Value]) -> Res {
        let fd = fd_arg(t, a[0])?;
        let (at, n) = (long(t, a[1])?, long(t, a[2])?);
        let advice = support::c_int(t, a[3])?;
        // SAFETY: always callable.
        match t.blocking(|| unsafe { libc::posix_fadvise(fd, at, n, advice) }) {
            0 => Ok(Value::NONE),
            e => Err(t.os_error(e, None)),
        }
    }

    pub fn posix_fallocate(t: &mut Thread, a: &[Value]) -> Res {
        let fd = fd_arg(t, a[0])?;
        let (at, n) = (long(t, a[1])?, long(t, a[2])?);
        // SAFETY: always callable.
        match t.blocking(|| unsafe { libc::posix_fallocate(fd, at, n) }) {
            0 => Ok(Value::NONE),
            e => Err(t.os_error(e, None)),
        }
    }

    pub fn memfd_create(t: &mut Thread, a: &[Value]) -> Res {
        let name = fs_string(t, a[0])?;
        let flags = support::c_int_or(t, a[1], libc::MFD_CLOEXEC as i32)?;
        // SAFETY: the name is ours.
        int_or_error(
            t,
            i64::from(unsafe { libc::memfd_create(name.as_ptr(), flags as u32) }),
        )
    }

    pub fn eventfd(t: &mut Thread, a: &[Value]) -> Res {
        let first = long(t, a[0])? as u32;
        let flags = support::c_int_or(t, a[1], libc::EFD_CLOEXEC)?;
        // SAFETY: always callable.
        int_or_error(t, i64::from(unsafe { libc::eventfd(first, flags) }))
    }

    pub fn eventfd_read(t: &mut Thread, a: &[Value]) -> Res {
        let fd = fd_arg(t, a[0])?;
        let mut n = 0u64;
        // SAFETY: eight bytes of ours.
        call_os(t, || unsafe { libc::read(fd, (&raw mut n).cast(), 8) })?;
        Ok(int::from_u64(t, n))
    }

    pub fn eventfd_write(t: &mut Thread, a: &[Value]) -> Res {
        let fd = fd_arg(t, a[0])?;
        let i = proto::index(t, a[1])?;
        let n = match int::to_bigint(i.value()).map(|b| num_traits::ToPrimitive::to_u64(&b)) {
            Some(Some(n)) => n,
            _ => return Err(t.overflow_error("int too big to convert")),
        };
        // SAFETY: eight bytes of ours.
        call_os(t, || unsafe { libc::write(fd, (&raw const n).cast(), 8) })?;
        Ok(Value::NONE)
    }

    pub fn pidfd_open(t: &mut Thread, a: &[Value]) -> Res {
        let pid = support::c_int(t, a[0])?;
        let flags = support::c_int_or(t, a[1], 0)?;
        // SAFETY: always callable.
        int_or_error(t, unsafe {
            libc::syscall(libc::SYS_pidfd_open, pid, flags)
        })
    }
}

#[cfg(target_os = "linux")]
pub(super) static SYSTEM_FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("pipe2", "(flags, /)", linux::pipe2)
        .doc("Create a pipe with flags set atomically."),
    NativeDef::new("fdatasync", "(fd)", linux::fdatasync)
        .doc("Force write of fd to disk without forcing update of metadata."),
    NativeDef::new("getrandom", "(size, flags=0)", linux::getrandom)
        .doc("Obtain a series of random bytes."),
    NativeDef::new(
        "sendfile",
        "(out_fd, in_fd, offset, count)",
        linux::sendfile,
    )
    .doc("Copy count bytes from file descriptor in_fd to file descriptor out_fd."),
    NativeDef::new(
        "copy_file_range",
        "(src, dst, count, offset_src=None, offset_dst=None)",
        linux::copy_file_range,
    )
    .doc("Copy count bytes from one file descriptor to another."),
    NativeDef::new(
        "splice",
        "(src, dst, count, offset_src=None, offset_dst=None, flags=0)",
        linux::splice,
    )
    .doc("Transfer count bytes from one pipe to a descriptor or vice versa."),
    NativeDef::new("preadv", "(fd, buffers, offset, flags=0, /)", linux::preadv)
        .doc("Reads from a file descriptor into a number of mutable bytes-like objects."),
    NativeDef::new(
        "pwritev",
        "(fd, buffers, offset, flags=0, /)",
        linux::pwritev,
    )
    .doc("Writes the contents of bytes-like objects to a file descriptor at a given offset."),
    NativeDef::new(
        "posix_fadvise",
        "(fd, offset, length, advice, /)",
        linux::posix_fadvise,
    )
    .doc("Announce an intention to access data in a specific pattern."),
    NativeDef::new(
        "posix_fallocate",
        "(fd, offset, length, /)",
        linux::posix_fallocate,
    )
    .doc("Ensure a file has allocated at least a particular number of bytes on disk."),
    NativeDef::new(
        "memfd_create",
        "(name, flags=<unrepresentable>)",
        linux::memfd_create,
    )
    .doc("Create an anonymous file."),
    NativeDef::new(
        "eventfd",
        "(initval, flags=<unrepresentable>)",
        linux::eventfd,
    )
    .doc("Creates and returns an event notification file descriptor."),
    NativeDef::new("eventfd_read", "(fd)", linux::eventfd_read).doc("Read eventfd value"),
    NativeDef::new("eventfd_write", "(fd, value)", linux::eventfd_write)
        .doc("Write eventfd value."),
    NativeDef::new("pidfd_open", "(pid, flags=0)", linux::pidfd_open)
        .doc("Return a file descriptor referring to the process *pid*."),
];
