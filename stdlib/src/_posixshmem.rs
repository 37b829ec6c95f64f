//! `_posixshmem`: names for memory that processes share.

use crate::support::{self, c_int, c_int_or};
use std::ffi::CString;
use weft_objects::prelude::*;

fn name(t: &mut Thread, v: Value, func: &str) -> Res<CString> {
    let text = support::text(t, v, func, "'path'")?;
    CString::new(text).map_err(|_| t.value_error("embedded null character"))
}

fn shm_open(t: &mut Thread, a: &[Value]) -> Res {
    let path = name(t, a[0], "shm_open")?;
    let flags = c_int(t, a[1])?;
    let mode = c_int_or(t, a[2], 0o777)? as libc::mode_t;
    let r = support::retry(t, || {
        // SAFETY: a C string.
        unsafe { libc::shm_open(path.as_ptr(), flags, mode) as isize }
    })?;
    match r {
        Ok(fd) => Ok(Value::int(fd as i64)),
        Err(e) => Err(t.os_error(e, Some(Obj::new(t, a[0])))),
    }
}

fn shm_unlink(t: &mut Thread, a: &[Value]) -> Res {
    let path = name(t, a[0], "shm_unlink")?;
    // SAFETY: a C string.
    let r = support::retry(t, || unsafe { libc::shm_unlink(path.as_ptr()) as isize })?;
    match r {
        Ok(_) => Ok(Value::NONE),
        Err(e) => Err(t.os_error(e, Some(Obj::new(t, a[0])))),
    }
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("shm_open", "(path, flags, mode=0o777)", shm_open)
        .doc("Open a shared memory object.  Returns a file descriptor (integer)."),
    NativeDef::new("shm_unlink", "(path, /)", shm_unlink).doc(
        "Remove a shared memory object (similar to unlink()).\n\nRemove a shared memory object name, and, once all processes  have  unmapped\nthe object, de-allocates and destroys the contents of the associated memory\nregion.",
    ),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let doc = "POSIX shared memory module";
    Ok(support::module(t, "_posixshmem", doc, FUNCTIONS))
}
