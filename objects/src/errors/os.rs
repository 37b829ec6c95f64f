//! OSError and its subclasses, which are chosen by error number.

use super::*;
use std::ffi::CStr;

// OSError's fields.
const ERRNO: usize = 0;
const STRERROR: usize = 1;
const FILENAME: usize = 2;
const FILENAME2: usize = 3;
const WRITTEN: usize = 4;

/// The subclass for an error number.
pub fn class_for_errno(errno: i64) -> &'static Type {
    let Ok(n) = i32::try_from(errno) else {
        return &OS_ERROR;
    };
    #[allow(unreachable_patterns)] // EAGAIN and EWOULDBLOCK are the same on most systems.
    match n {
        libc::EAGAIN | libc::EALREADY | libc::EINPROGRESS | libc::EWOULDBLOCK => &BLOCKING_IO_ERROR,
        libc::EPIPE | libc::ESHUTDOWN => &BROKEN_PIPE_ERROR,
        libc::ECHILD => &CHILD_PROCESS_ERROR,
        libc::ECONNABORTED => &CONNECTION_ABORTED_ERROR,
        libc::ECONNREFUSED => &CONNECTION_REFUSED_ERROR,
        libc::ECONNRESET => &CONNECTION_RESET_ERROR,
        libc::EEXIST => &FILE_EXISTS_ERROR,
        libc::ENOENT => &FILE_NOT_FOUND_ERROR,
        libc::EISDIR => &IS_A_DIRECTORY_ERROR,
        libc::ENOTDIR => &NOT_A_DIRECTORY_ERROR,
        libc::EINTR => &INTERRUPTED_ERROR,
        libc::EACCES | libc::EPERM => &PERMISSION_ERROR,
        libc::ESRCH => &PROCESS_LOOKUP_ERROR,
        libc::ETIMEDOUT => &TIMEOUT_ERROR,
        _ => &OS_ERROR,
    }
}

/// The system's text for an error number.
pub fn strerror(errno: i32) -> String {
    let mut buffer = [0 as libc::c_char; 256];
    // SAFETY: the buffer is as long as stated, and stays zero-terminated.
    unsafe {
        libc::strerror_r(errno, buffer.as_mut_ptr(), buffer.len() - 1);
        CStr::from_ptr(buffer.as_ptr())
            .to_string_lossy()
            .into_owned()
    }
}

/// An OSError for an error of the system, about up to two files.
pub fn new_os_error(t: &Thread, errno: i32, filename: Option<Obj>, filename2: Option<Obj>) -> Obj {
    let (n, msg) = (
        Obj::from_raw(Value::int(i64::from(errno))),
        Str::from_string(t, strerror(errno)),
    );
    let e = new_exception(
        t,
        class_for_errno(i64::from(errno)),
        vec![n.clone(), msg.clone()],
    );
    let f = fields::<5>(e.value());
    f.set(t, ERRNO, n.value());
    f.set(t, STRERROR, msg.value());
    for (i, v) in [(FILENAME, filename), (FILENAME2, filename2)] {
        if let Some(v) = v {
            f.set(t, i, v.value());
        }
    }
    e
}

/// Whether `__init__` takes the arguments rather than `__new__`: in a Python subclass that overrides the former alone.
fn init_takes_args(ty: &Type) -> bool {
    let own_init = !ty
        .slots
        .init
        .get()
        .is_some_and(|f| std::ptr::fn_addr_eq(f, os_init as crate::slots::InitFn));
    let our_new = ty
        .slots
        .new
        .get()
        .is_some_and(|f| std::ptr::fn_addr_eq(f, os_new as crate::slots::NewFn));
    own_init && our_new
}

fn os_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let mut ty = Type::of_unchecked(cls);
    let given = args.pos();
    if init_takes_args(ty) {
        return Ok(instance(t, ty, Tuple::from_vec(t, Vec::new())).into());
    }
    if args.has_keywords() {
        return Err(t.type_error(format!("{}() takes no keyword arguments", ty.name())));
    }
    if std::ptr::eq(ty, &OS_ERROR)
        && (2..=5).contains(&given.len())
        && let Some(n) = crate::int::as_i64(given[0])
    {
        ty = class_for_errno(n);
    }
    let e = instance(t, ty, Tuple::from_slice(t, given));
    fill(t, e.value(), given)?;
    Ok(e.into())
}

fn os_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    if !init_takes_args(type_of(v)) {
        return Ok(());
    }
    no_keywords(t, v, args)?;
    set_args(t, v, args.pos());
    fill(t, v, args.pos())
}

/// Sets the fields from two to five arguments: errno, strerror, filename, an error code of Windows, filename2.
fn fill(t: &mut Thread, v: Value, given: &[Value]) -> Res<()> {
    if !(2..=5).contains(&given.len()) {
        return Ok(());
    }
    let f = fields::<5>(v);
    f.set(t, ERRNO, given[0]);
    f.set(t, STRERROR, given[1]);
    let Some(&filename) = given.get(2).filter(|n| !n.is_none()) else {
        return Ok(());
    };
    if std::ptr::eq(type_of(v), &BLOCKING_IO_ERROR) && is_index(filename) {
        let written = proto::index(t, filename)?;
        f.set(t, WRITTEN, written.value());
        return Ok(());
    }
    f.set(t, FILENAME, filename);
    if let Some(&second) = given.get(4).filter(|n| !n.is_none()) {
        f.set(t, FILENAME2, second);
    }
    set_args(t, v, &given[..2]);
    Ok(())
}

fn is_index(v: Value) -> bool {
    v.is_int() || type_of(v).slots.index.is_set()
}

fn os_str(t: &mut Thread, v: Value) -> Res {
    let f = fields::<5>(v);
    let (errno, msg) = (f.own(t, ERRNO), f.own(t, STRERROR));
    let (file, file2) = (f.own(t, FILENAME), f.own(t, FILENAME2));
    if file.is_none() && (errno.is_none() || msg.is_none()) {
        return base_str(t, v);
    }
    let none = || Obj::from_raw(Value::NONE);
    let mut out = b"[Errno ".to_vec();
    append(
        &mut out,
        &proto::str(t, errno.unwrap_or_else(none).value())?,
    );
    out.extend_from_slice(b"] ");
    append(&mut out, &proto::str(t, msg.unwrap_or_else(none).value())?);
    if let Some(file) = file {
        out.extend_from_slice(b": ");
        append(&mut out, &proto::repr(t, file.value())?);
        if let Some(file2) = file2 {
            out.extend_from_slice(b" -> ");
            append(&mut out, &proto::repr(t, file2.value())?);
        }
    }
    Ok(Str::from_wtf8(t, &out).into())
}

fn os_reduce(t: &mut Thread, a: &[Value]) -> Res {
    let f = fields::<5>(a[0]);
    let mut args = args_of(t, a[0]);
    if let (Some(two), Some(file)) = (
        Tuple::of(args.value()).filter(|a| a.len() == 2),
        f.own(t, FILENAME),
    ) {
        let mut all = vec![Obj::new(t, two.get(0)), Obj::new(t, two.get(1)), file];
        if let Some(file2) = f.own(t, FILENAME2) {
            all.push(Obj::from_raw(Value::NONE));
            all.push(file2);
        }
        args = Tuple::from_vec(t, all);
    }
    let mut parts = vec![Obj::new(t, type_of(a[0]).value()), args];
    let d = f.base.dict.get();
    if !d.is_null() {
        parts.push(Obj::new(t, d));
    }
    Ok(Tuple::from_vec(t, parts).into())
}

fn get_written(t: &mut Thread, v: Value) -> Res {
    let w = fields::<5>(v).get(WRITTEN);
    if w.is_null() {
        Err(t.raise(&ATTRIBUTE_ERROR, "characters_written"))
    } else {
        Ok(to_reg(t, w))
    }
}

fn put_written(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let f = fields::<5>(v);
    if new.is_null() {
        if f.get(WRITTEN).is_null() {
            return Err(t.raise(&ATTRIBUTE_ERROR, "characters_written"));
        }
        f.set(t, WRITTEN, Value::NULL);
        return Ok(());
    }
    let n = proto::index(t, new)?;
    f.set(t, WRITTEN, n.value());
    Ok(())
}

/// `OSError`
pub static OS_ERROR: Type = Type::builtin(
    "OSError",
    size_of::<Fields<5>>(),
    &Spec {
        new: Some(os_new),
        init: Some(os_init),
        str: Some(os_str),
        methods: &[NativeDef::new("__reduce__", "($self, /)", os_reduce)],
        members: &[
            member("errno", ERRNO),
            member("strerror", STRERROR),
            member("filename", FILENAME),
            member("filename2", FILENAME2),
        ],
        getset: &[GetSetDef::rw(
            "characters_written",
            get_written,
            put_written,
        )],
        ..Spec::EMPTY
    },
)
.base(&EXCEPTION)
.gc(traverse::<5>, clear::<5>)
.flags(type_flags::EXCEPTION)
.doc("Base class for I/O related errors.");

exceptions! {
    BLOCKING_IO_ERROR = "BlockingIOError", OS_ERROR, 5, "I/O operation would block.";
    CHILD_PROCESS_ERROR = "ChildProcessError", OS_ERROR, 5, "Child process error.";
    CONNECTION_ERROR = "ConnectionError", OS_ERROR, 5, "Connection error.";
    BROKEN_PIPE_ERROR = "BrokenPipeError", CONNECTION_ERROR, 5, "Broken pipe.";
    CONNECTION_ABORTED_ERROR = "ConnectionAbortedError", CONNECTION_ERROR, 5, "Connection aborted.";
    CONNECTION_REFUSED_ERROR = "ConnectionRefusedError", CONNECTION_ERROR, 5, "Connection refused.";
    CONNECTION_RESET_ERROR = "ConnectionResetError", CONNECTION_ERROR, 5, "Connection reset.";
    FILE_EXISTS_ERROR = "FileExistsError", OS_ERROR, 5, "File already exists.";
    FILE_NOT_FOUND_ERROR = "FileNotFoundError", OS_ERROR, 5, "File not found.";
    INTERRUPTED_ERROR = "InterruptedError", OS_ERROR, 5, "Interrupted by signal.";
    IS_A_DIRECTORY_ERROR = "IsADirectoryError", OS_ERROR, 5, "Operation doesn't work on directories.";
    NOT_A_DIRECTORY_ERROR = "NotADirectoryError", OS_ERROR, 5, "Operation only works on directories.";
    PERMISSION_ERROR = "PermissionError", OS_ERROR, 5, "Not enough permissions.";
    PROCESS_LOOKUP_ERROR = "ProcessLookupError", OS_ERROR, 5, "Process not found.";
    TIMEOUT_ERROR = "TimeoutError", OS_ERROR, 5, "Timeout expired.";
}
