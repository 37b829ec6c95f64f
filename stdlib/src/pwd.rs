//! `pwd` and `grp`: the system's users and groups.

use crate::posix;
use crate::support::{self, fs_decode, int_obj};
use parking_lot::Mutex;
use std::ffi::{CStr, CString, c_char};
use weft_objects::prelude::*;

crate::struct_sequence!(STRUCT_PASSWD, STRUCT_PASSWD_DEF, "struct_passwd" in "pwd", items 7, {
    0 "pw_name", 1 "pw_passwd", 2 "pw_uid", 3 "pw_gid", 4 "pw_gecos", 5 "pw_dir", 6 "pw_shell",
});

crate::struct_sequence!(STRUCT_GROUP, STRUCT_GROUP_DEF, "struct_group" in "grp", items 4, {
    0 "gr_name", 1 "gr_passwd", 2 "gr_gid", 3 "gr_mem",
});

/// A user as the system's record tells, copied out of it.
struct User {
    name: Vec<u8>,
    password: Vec<u8>,
    uid: u32,
    gid: u32,
    gecos: Vec<u8>,
    dir: Vec<u8>,
    shell: Vec<u8>,
}

struct Group {
    name: Vec<u8>,
    password: Vec<u8>,
    gid: u32,
    members: Vec<Vec<u8>>,
}

/// # Safety
/// NULL or zero-terminated.
unsafe fn bytes(p: *const c_char) -> Vec<u8> {
    if p.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(p) }.to_bytes().to_vec()
}

impl User {
    /// # Safety
    /// A record of the system.
    unsafe fn copy(p: &libc::passwd) -> User {
        // SAFETY: the texts of such a record are zero-terminated.
        unsafe {
            User {
                name: bytes(p.pw_name),
                password: bytes(p.pw_passwd),
                uid: p.pw_uid,
                gid: p.pw_gid,
                gecos: bytes(p.pw_gecos),
                dir: bytes(p.pw_dir),
                shell: bytes(p.pw_shell),
            }
        }
    }

    fn object(&self, t: &Thread) -> Obj {
        STRUCT_PASSWD_DEF.make(
            t,
            vec![
                fs_decode(t, &self.name),
                fs_decode(t, &self.password),
                id_object(t, self.uid),
                id_object(t, self.gid),
                fs_decode(t, &self.gecos),
                fs_decode(t, &self.dir),
                fs_decode(t, &self.shell),
            ],
        )
    }
}

impl Group {
    /// # Safety
    /// A record of the system.
    unsafe fn copy(p: &libc::group) -> Group {
        let mut members = Vec::new();
        // SAFETY: the texts of such a record are zero-terminated, its list of members ends with NULL.
        unsafe {
            let mut m = p.gr_mem;
            while !m.is_null() && !(*m).is_null() {
                members.push(bytes(*m));
                m = m.add(1);
            }
            Group {
                name: bytes(p.gr_name),
                password: bytes(p.gr_passwd),
                gid: p.gr_gid,
                members,
            }
        }
    }

    fn object(&self, t: &Thread) -> Obj {
        let members = self.members.iter().map(|m| fs_decode(t, m)).collect();
        let members = List::from_vec(t, members);
        STRUCT_GROUP_DEF.make(
            t,
            vec![
                fs_decode(t, &self.name),
                fs_decode(t, &self.password),
                id_object(t, self.gid),
                members,
            ],
        )
    }
}

fn id_object(t: &Thread, n: u32) -> Obj {
    int_obj(t, if n == u32::MAX { -1 } else { i64::from(n) })
}

/// Asks with a buffer that grows until the answer fits. `f` gives the error number and what was found.
fn ask<R>(
    t: &mut Thread,
    mut f: impl FnMut(*mut c_char, usize) -> (i32, Option<R>),
) -> Res<Option<R>> {
    let (e, found) = t.blocking(|| {
        let mut buffer: Vec<c_char> = vec![0; 1024];
        loop {
            match f(buffer.as_mut_ptr(), buffer.len()) {
                (libc::ERANGE, _) if buffer.len() < 1 << 24 => buffer.resize(buffer.len() * 2, 0),
                r => return r,
            }
        }
    });
    match e {
        // Some systems report what is not there as an error.
        0 | libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM => Ok(found),
        e => Err(t.os_error(e, None)),
    }
}

fn user(t: &mut Thread, name: Option<&CString>, uid: u32) -> Res<Option<User>> {
    ask(t, |p, n| {
        // SAFETY: record, buffer and name are ours; a result that is not NULL is the record, filled.
        unsafe {
            let mut record: libc::passwd = std::mem::zeroed();
            let mut r = std::ptr::null_mut();
            let e = match name {
                Some(name) => libc::getpwnam_r(name.as_ptr(), &mut record, p, n, &mut r),
                None => libc::getpwuid_r(uid, &mut record, p, n, &mut r),
            };
            (e, (!r.is_null()).then(|| User::copy(&record)))
        }
    })
}

fn group(t: &mut Thread, name: Option<&CString>, gid: u32) -> Res<Option<Group>> {
    ask(t, |p, n| {
        // SAFETY: as in `user`.
        unsafe {
            let mut record: libc::group = std::mem::zeroed();
            let mut r = std::ptr::null_mut();
            let e = match name {
                Some(name) => libc::getgrnam_r(name.as_ptr(), &mut record, p, n, &mut r),
                None => libc::getgrgid_r(gid, &mut record, p, n, &mut r),
            };
            (e, (!r.is_null()).then(|| Group::copy(&record)))
        }
    })
}

#[cold]
fn not_found(t: &mut Thread, msg: String) -> Raised {
    let msg = Str::from_string(t, msg);
    t.key_error(msg.value())
}

/// The text of a name, for the system and for messages.
fn name_arg(t: &mut Thread, v: Value, func: &str) -> Res<CString> {
    let Some(s) = Str::of(v) else {
        let got = type_of(v).name();
        return Err(t.type_error(format!("{func}() argument must be str, not {got}")));
    };
    match support::fs_encode(s.as_bytes()).map(CString::new) {
        Some(Ok(c)) => Ok(c),
        Some(Err(_)) => Err(t.value_error("embedded null byte")),
        None => Err(support::surrogates_error(t, v, true)),
    }
}

fn repr(t: &mut Thread, v: Value) -> Res<String> {
    let r = proto::repr(t, v)?;
    Ok(Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy()))
}

fn getpwuid(t: &mut Thread, a: &[Value]) -> Res {
    let uid = match posix::id(t, a[0], "uid") {
        Ok(uid) => uid,
        Err(e) if !t.exc_matches(&errors::OVERFLOW_ERROR) => return Err(e),
        Err(_) => {
            t.clear_exc();
            return Err(not_found(t, "getpwuid(): uid not found".into()));
        }
    };
    match user(t, None, uid)? {
        Some(u) => Ok(u.object(t).into()),
        None => {
            let r = repr(t, a[0])?;
            Err(not_found(t, format!("getpwuid(): uid not found: {r}")))
        }
    }
}

fn getpwnam(t: &mut Thread, a: &[Value]) -> Res {
    let name = name_arg(t, a[0], "getpwnam")?;
    match user(t, Some(&name), 0)? {
        Some(u) => Ok(u.object(t).into()),
        None => {
            let r = repr(t, a[0])?;
            Err(not_found(t, format!("getpwnam(): name not found: {r}")))
        }
    }
}

fn getgrgid(t: &mut Thread, a: &[Value]) -> Res {
    let gid = posix::id(t, a[0], "gid")?;
    match group(t, None, gid)? {
        Some(g) => Ok(g.object(t).into()),
        None => {
            let r = repr(t, a[0])?;
            Err(not_found(t, format!("getgrgid(): gid not found: {r}")))
        }
    }
}

fn getgrnam(t: &mut Thread, a: &[Value]) -> Res {
    let name = name_arg(t, a[0], "getgrnam")?;
    match group(t, Some(&name), 0)? {
        Some(g) => Ok(g.object(t).into()),
        None => {
            let r = repr(t, a[0])?;
            Err(not_found(t, format!("getgrnam(): name not found: {r}")))
        }
    }
}

/// The system goes through its list with one position for all threads.
static ENUMERATION: Mutex<()> = Mutex::new(());

fn getpwall(t: &mut Thread, _a: &[Value]) -> Res {
    let all = t.blocking(|| {
        let _one = ENUMERATION.lock();
        let mut all = Vec::new();
        // SAFETY: only here, and under the lock; each record is copied before the next call.
        unsafe {
            libc::setpwent();
            while let Some(p) = libc::getpwent().as_ref() {
                all.push(User::copy(p));
            }
            libc::endpwent();
        }
        all
    });
    let all = all.iter().map(|u| u.object(t)).collect();
    Ok(List::from_vec(t, all).into())
}

fn getgrall(t: &mut Thread, _a: &[Value]) -> Res {
    let all = t.blocking(|| {
        let _one = ENUMERATION.lock();
        let mut all = Vec::new();
        // SAFETY: as in `getpwall`.
        unsafe {
            libc::setgrent();
            while let Some(g) = libc::getgrent().as_ref() {
                all.push(Group::copy(g));
            }
            libc::endgrent();
        }
        all
    });
    let all = all.iter().map(|g| g.object(t)).collect();
    Ok(List::from_vec(t, all).into())
}

static PWD_FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("getpwuid", "(uidobj, /)", getpwuid)
        .doc("Return the password database entry for the given numeric user ID."),
    NativeDef::new("getpwnam", "(name, /)", getpwnam)
        .doc("Return the password database entry for the given user name."),
    NativeDef::new("getpwall", "()", getpwall)
        .doc("Return a list of all available password database entries, in arbitrary order."),
];

static GRP_FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("getgrgid", "(id)", getgrgid)
        .doc("Return the group database entry for the given numeric group ID."),
    NativeDef::new("getgrnam", "(name)", getgrnam)
        .doc("Return the group database entry for the given group name."),
    NativeDef::new("getgrall", "()", getgrall)
        .doc("Return a list of all available group entries, in arbitrary order."),
];

/// Makes `pwd`.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(
        t,
        "pwd",
        "This module provides access to the Unix password database.",
        PWD_FUNCTIONS,
    );
    STRUCT_PASSWD_DEF.ready(t);
    support::add_type(t, &m, &STRUCT_PASSWD);
    Ok(m)
}

/// Makes `grp`.
pub fn init_grp(t: &mut Thread) -> Res<Obj> {
    let m = support::module(
        t,
        "grp",
        "Access to the Unix group database.",
        GRP_FUNCTIONS,
    );
    STRUCT_GROUP_DEF.ready(t);
    support::add_type(t, &m, &STRUCT_GROUP);
    Ok(m)
}
