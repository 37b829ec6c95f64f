//! `fcntl`: control of file descriptors, locks on files, device control.

use crate::support::{self, add_ints, c_int, c_int_or, fileno, retry_os};
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::{buffer, int};

/// What fits into the memory that the system gets to write to.
const ROOM: usize = 1024;

/// What follows the bytes of an argument: the system may write more than it was given.
const GUARD: [u8; 8] = [0xa5; 8];

enum Arg {
    Number(i64),
    Bytes(Vec<u8>),
}

fn is_number(v: Value) -> bool {
    v.is_null() || int::is_int(v) || type_of(v).slots.index.is_set()
}

/// The low bits of an int.
fn low_bits(t: &mut Thread, v: Value) -> Res<i64> {
    if v.is_null() {
        return Ok(0);
    }
    let i = proto::index(t, v)?;
    if let Some(n) = int::as_i64(i.value()) {
        return Ok(n);
    }
    let low = int::to_bigint(i.value()).unwrap_or_default() & num_bigint::BigInt::from(u64::MAX);
    Ok(num_traits::ToPrimitive::to_u64(&low).unwrap_or(0) as i64)
}

fn arg(t: &mut Thread, v: Value, func: &str) -> Res<Arg> {
    if is_number(v) {
        return low_bits(t, v).map(Arg::Number);
    }
    let bytes = match Str::of(v) {
        Some(s) => s.as_bytes().to_vec(),
        None if buffer::is_exporter(v) => buffer::get(t, v)?.to_vec(),
        None => {
            let got = type_of(v).name();
            return Err(t.type_error(format!(
                "{func}() argument 3 must be an integer, a bytes-like object, or a string, not {got}"
            )));
        }
    };
    if bytes.len() > ROOM {
        return Err(t.value_error(format!("{func} argument 3 is too long")));
    }
    Ok(Arg::Bytes(bytes))
}

/// A copy of the bytes with room to write to.
fn roomy(bytes: &[u8]) -> [u8; ROOM + GUARD.len()] {
    let mut room = [0; ROOM + GUARD.len()];
    room[..bytes.len()].copy_from_slice(bytes);
    room[ROOM..].copy_from_slice(&GUARD);
    room
}

fn written(t: &mut Thread, room: &[u8], n: usize) -> Res {
    if room[ROOM..] != GUARD {
        return Err(t.raise(&errors::SYSTEM_ERROR, "buffer overflow"));
    }
    Ok(Bytes::new(t, &room[..n]).into())
}

fn fcntl(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fileno(t, a[0])?;
    let cmd = c_int(t, a[1])?;
    match arg(t, a[2], "fcntl")? {
        Arg::Number(n) => {
            // SAFETY: a number, or an address that the program vouches for.
            let r = retry_os(t, || unsafe { libc::fcntl(fd, cmd, n) } as isize)?;
            Ok(int::from_i64(t, r as i64))
        }
        Arg::Bytes(bytes) => {
            let mut room = roomy(&bytes);
            let p = room.as_mut_ptr();
            // SAFETY: more room than these commands write.
            retry_os(t, || unsafe { libc::fcntl(fd, cmd, p) } as isize)?;
            written(t, &room, bytes.len())
        }
    }
}

fn ioctl(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fileno(t, a[0])?;
    let request = low_bits(t, a[1])? as libc::c_ulong;
    let mutate = support::truth_or(t, a[3], true)?;
    let writable = !is_number(a[2]) && Str::of(a[2]).is_none() && mutate;
    if writable && let Some(mut b) = try_writable(t, a[2])? {
        return into_buffer(t, fd, request, &mut b);
    }
    match arg(t, a[2], "ioctl")? {
        Arg::Number(n) => {
            // SAFETY: a number, or an address that the program vouches for.
            let r = retry_os(t, || unsafe { libc::ioctl(fd, request, n) } as isize)?;
            Ok(int::from_i64(t, r as i64))
        }
        Arg::Bytes(bytes) => {
            let mut room = roomy(&bytes);
            let p = room.as_mut_ptr();
            // SAFETY: more room than these requests write.
            retry_os(t, || unsafe { libc::ioctl(fd, request, p) } as isize)?;
            written(t, &room, bytes.len())
        }
    }
}

/// A view to write to, if the object gives one.
fn try_writable(t: &mut Thread, v: Value) -> Res<Option<buffer::Buffer>> {
    if !buffer::is_exporter(v) {
        return Ok(None);
    }
    match buffer::get_writable(t, v, "ioctl", 3) {
        Ok(b) => Ok(Some(b)),
        Err(_) if t.exc_matches(&errors::TYPE_ERROR) => {
            t.clear_exc();
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

fn into_buffer(t: &mut Thread, fd: i32, request: libc::c_ulong, to: &mut buffer::Buffer) -> Res {
    if to.len > ROOM {
        let p = to.ptr;
        // SAFETY: the program says that this is enough room.
        let r = retry_os(t, || unsafe { libc::ioctl(fd, request, p) } as isize)?;
        return Ok(int::from_i64(t, r as i64));
    }
    let n = to.len;
    let mut room = roomy(&to.part(t, 0, n));
    let p = room.as_mut_ptr();
    // SAFETY: more room than these requests write.
    let r = retry_os(t, || unsafe { libc::ioctl(fd, request, p) } as isize);
    to.write(t, 0, &room[..n]);
    let r = r?;
    if room[ROOM..] != GUARD {
        return Err(t.raise(&errors::SYSTEM_ERROR, "buffer overflow"));
    }
    Ok(int::from_i64(t, r as i64))
}

fn flock(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fileno(t, a[0])?;
    let how = c_int(t, a[1])?;
    // SAFETY: always callable.
    retry_os(t, || unsafe { libc::flock(fd, how) } as isize)?;
    Ok(Value::NONE)
}

fn lockf(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fileno(t, a[0])?;
    let how = c_int(t, a[1])?;
    let kind = if how & libc::LOCK_UN != 0 {
        libc::F_UNLCK
    } else if how & libc::LOCK_SH != 0 {
        libc::F_RDLCK
    } else if how & libc::LOCK_EX != 0 {
        libc::F_WRLCK
    } else {
        return Err(t.value_error("unrecognized lockf argument"));
    };
    let long = |t: &mut Thread, v: Value| match v.is_null() {
        true => Ok(0),
        false => proto::index_i64(t, v),
    };
    // SAFETY: numbers, for which zero is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as _;
    lock.l_len = long(t, a[2])?;
    lock.l_start = long(t, a[3])?;
    lock.l_whence = c_int_or(t, a[4], 0)? as _;
    let cmd = if how & libc::LOCK_NB != 0 {
        libc::F_SETLK
    } else {
        libc::F_SETLKW
    };
    // SAFETY: a description of the lock.
    retry_os(t, || unsafe { libc::fcntl(fd, cmd, &raw const lock) }
        as isize)?;
    Ok(Value::NONE)
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("fcntl", "(fd, cmd, arg=0, /)", fcntl)
        .doc("Perform the operation `cmd` on file descriptor fd."),
    NativeDef::new("ioctl", "(fd, request, arg=0, mutate_flag=True, /)", ioctl)
        .doc("Perform the operation request on file descriptor fd."),
    NativeDef::new("flock", "(fd, operation, /)", flock)
        .doc("Perform the lock operation on file descriptor fd."),
    NativeDef::new("lockf", "(fd, cmd, len=0, start=0, whence=0, /)", lockf)
        .doc("A wrapper around the fcntl() locking calls."),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let doc = "This module performs file control and I/O control on file descriptors.";
    let m = support::module(t, "fcntl", doc, FUNCTIONS);
    add_ints(t, &m, INTS);
    Ok(m)
}

static INTS: &[(&str, i64)] = &[
    ("DN_ACCESS", 0x1),
    ("DN_ATTRIB", 0x20),
    ("DN_CREATE", 0x4),
    ("DN_DELETE", 0x8),
    ("DN_MODIFY", 0x2),
    ("DN_MULTISHOT", 0x80000000),
    ("DN_RENAME", 0x10),
    ("FASYNC", 0x2000),
    ("FD_CLOEXEC", libc::FD_CLOEXEC as i64),
    ("FICLONE", libc::FICLONE as i64),
    ("FICLONERANGE", libc::FICLONERANGE as i64),
    ("F_ADD_SEALS", libc::F_ADD_SEALS as i64),
    ("F_DUPFD", libc::F_DUPFD as i64),
    ("F_DUPFD_CLOEXEC", libc::F_DUPFD_CLOEXEC as i64),
    ("F_DUPFD_QUERY", 0x403),
    ("F_EXLCK", 0x4),
    ("F_GETFD", libc::F_GETFD as i64),
    ("F_GETFL", libc::F_GETFL as i64),
    ("F_GETLEASE", libc::F_GETLEASE as i64),
    ("F_GETLK", libc::F_GETLK as i64),
    ("F_GETLK64", 0x5),
    ("F_GETOWN", libc::F_GETOWN as i64),
    ("F_GETOWN_EX", 0x10),
    ("F_GETPIPE_SZ", libc::F_GETPIPE_SZ as i64),
    ("F_GETSIG", 0xb),
    ("F_GET_FILE_RW_HINT", 0x40d),
    ("F_GET_RW_HINT", 0x40b),
    ("F_GET_SEALS", libc::F_GET_SEALS as i64),
    ("F_NOTIFY", libc::F_NOTIFY as i64),
    ("F_OFD_GETLK", libc::F_OFD_GETLK as i64),
    ("F_OFD_SETLK", libc::F_OFD_SETLK as i64),
    ("F_OFD_SETLKW", libc::F_OFD_SETLKW as i64),
    ("F_OWNER_PGRP", 0x2),
    ("F_OWNER_PID", 0x1),
    ("F_OWNER_TID", 0x0),
    ("F_RDLCK", libc::F_RDLCK as i64),
    ("F_SEAL_FUTURE_WRITE", libc::F_SEAL_FUTURE_WRITE as i64),
    ("F_SEAL_GROW", libc::F_SEAL_GROW as i64),
    ("F_SEAL_SEAL", libc::F_SEAL_SEAL as i64),
    ("F_SEAL_SHRINK", libc::F_SEAL_SHRINK as i64),
    ("F_SEAL_WRITE", libc::F_SEAL_WRITE as i64),
    ("F_SETFD", libc::F_SETFD as i64),
    ("F_SETFL", libc::F_SETFL as i64),
    ("F_SETLEASE", libc::F_SETLEASE as i64),
    ("F_SETLK", libc::F_SETLK as i64),
    ("F_SETLK64", 0x6),
    ("F_SETLKW", libc::F_SETLKW as i64),
    ("F_SETLKW64", 0x7),
    ("F_SETOWN", libc::F_SETOWN as i64),
    ("F_SETOWN_EX", 0xf),
    ("F_SETPIPE_SZ", libc::F_SETPIPE_SZ as i64),
    ("F_SETSIG", 0xa),
    ("F_SET_FILE_RW_HINT", 0x40e),
    ("F_SET_RW_HINT", 0x40c),
    ("F_SHLCK", 0x8),
    ("F_UNLCK", libc::F_UNLCK as i64),
    ("F_WRLCK", libc::F_WRLCK as i64),
    ("LOCK_EX", libc::LOCK_EX as i64),
    ("LOCK_MAND", 0x20),
    ("LOCK_NB", libc::LOCK_NB as i64),
    ("LOCK_READ", 0x40),
    ("LOCK_RW", 0xc0),
    ("LOCK_SH", libc::LOCK_SH as i64),
    ("LOCK_UN", libc::LOCK_UN as i64),
    ("LOCK_WRITE", 0x80),
    ("RWH_WRITE_LIFE_EXTREME", 0x5),
    ("RWH_WRITE_LIFE_LONG", 0x4),
    ("RWH_WRITE_LIFE_MEDIUM", 0x3),
    ("RWH_WRITE_LIFE_NONE", 0x1),
    ("RWH_WRITE_LIFE_NOT_SET", 0x0),
    ("RWH_WRITE_LIFE_SHORT", 0x2),
];
