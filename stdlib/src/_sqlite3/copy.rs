//! Copies of whole databases: backups, and databases as bytes.

use super::column::{c_argument, c_int};
use super::connection::{Connection, closed, real, turn};
use super::db::{Db, Fault, Turn};
use super::error::{self, Class};
use crate::support;
use libsqlite3_sys as ffi;
use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::Ordering::*;
use std::time::Duration;
use weft_objects::buffer;
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;

fn name_or_main(t: &mut Thread, v: Value, what: &str) -> Res<CString> {
    match support::given(t, v) {
        Some(v) => c_argument(t, v.value(), what),
        None => Ok(c"main".to_owned()),
    }
}

/// The turns of two databases, waited for in an order that is the same for all threads.
fn both<'a>(t: &mut Thread, a: &'a Arc<Db>, b: &'a Arc<Db>) -> Option<(Turn<'a>, Turn<'a>)> {
    if Arc::as_ptr(a) < Arc::as_ptr(b) {
        let a = a.turn(t)?;
        Some((a, b.turn(t)?))
    } else {
        let b = b.turn(t)?;
        Some((a.turn(t)?, b))
    }
}

/// A backup that is under way. Neither database is closed meanwhile.
struct Backup {
    from: Arc<Db>,
    to: Arc<Db>,
    raw: *mut ffi::sqlite3_backup,
}

impl Backup {
    fn begin(t: &mut Thread, from: Arc<Db>, to: Arc<Db>, name: &CString) -> Res<Backup> {
        let Some((source, target)) = both(t, &from, &to) else {
            return Err(closed(t));
        };
        let (source, target_raw) = (source.raw(), target.raw());
        let raw = target.call(t, |_| {
            // SAFETY: both are open, and both turns are held; C strings.
            unsafe {
                ffi::sqlite3_backup_init(target_raw, c"main".as_ptr(), source, name.as_ptr())
                    as usize
            }
        });
        if raw == 0 {
            let fault = target.fault();
            return Err(error::fault(t, fault));
        }
        for db in [&from, &to] {
            db.backups.fetch_add(1, AcqRel);
        }
        drop(target);
        Ok(Backup {
            raw: raw as *mut ffi::sqlite3_backup,
            from: from.clone(),
            to: to.clone(),
        })
    }

    /// Copies so many pages. Gives the result code, how many are left, and how many there are.
    fn step(&self, t: &mut Thread, pages: i32) -> Option<(i32, i32, i32)> {
        let (source, target) = both(t, &self.from, &self.to)?;
        let found = target.call(t, |_| {
            // SAFETY: a backup under way, and both turns are held.
            unsafe {
                let code = ffi::sqlite3_backup_step(self.raw, pages);
                let left = ffi::sqlite3_backup_remaining(self.raw);
                (code, left, ffi::sqlite3_backup_pagecount(self.raw))
            }
        });
        drop(source);
        Some(found)
    }

    /// Ends it.
    fn finish(self, t: &mut Thread) -> Result<(), Fault> {
        let turns = both(t, &self.from, &self.to);
        // SAFETY: a backup under way, and both turns are held: who counts as copied is not closed.
        let code = t.blocking(|| unsafe { ffi::sqlite3_backup_finish(self.raw) });
        for db in [&self.from, &self.to] {
            db.backups.fetch_sub(1, AcqRel);
        }
        match (code, turns) {
            (ffi::SQLITE_OK, _) => Ok(()),
            (_, Some((_, target))) => Err(target.fault()),
            (code, None) => Err(Fault::of_code(code)),
        }
    }
}

/// `backup(target, *, pages=-1, progress=None, name='main', sleep=0.25)`
pub fn backup(t: &mut Thread, a: &[Value]) -> Res {
    let from = Connection::this(a[0]);
    let Some(to) = Connection::of(a[1]) else {
        let got = match a[1].is_none() {
            true => "None".to_owned(),
            false => type_of(a[1]).name(),
        };
        let msg = format!("backup() argument 'target' must be sqlite3.Connection, not {got}");
        return Err(t.type_error(msg));
    };
    let pages = if a[2].is_null() { -1 } else { c_int(t, a[2])? };
    let pages = if pages == 0 { -1 } else { pages };
    let progress = support::given_some(t, a[3]);
    let name = name_or_main(t, a[4], "backup() argument 'name'")?;
    let sleep = if a[5].is_null() { 0.25 } else { real(t, a[5])? };
    if sleep < 0.0 {
        return Err(t.value_error("sleep must be greater-than or equal to zero"));
    }
    let from_db = from.usable(t)?;
    let to_db = to.db(t)?;
    if a[0].same(a[1]) || Arc::ptr_eq(&from_db, &to_db) {
        return Err(t.value_error("target cannot be the same connection instance"));
    }
    if progress
        .as_ref()
        .is_some_and(|p| !proto::is_callable(p.value()))
    {
        return Err(t.type_error("progress argument must be a callable".into()));
    }
    let backup = Backup::begin(t, from_db, to_db, &name)?;
    let copied = copy(t, &backup, pages, progress.as_ref(), sleep);
    let finished = backup.finish(t);
    copied?;
    finished.map_err(|f| error::fault(t, f))?;
    Ok(Value::NONE)
}

/// Copies until all is done, or nothing more can be.
fn copy(t: &mut Thread, b: &Backup, pages: i32, progress: Option<&Obj>, sleep: f64) -> Res<()> {
    loop {
        let Some((code, left, all)) = b.step(t, pages) else {
            return Err(closed(t));
        };
        if let Some(progress) = progress {
            let args = [code, left, all].map(|n| Value::int(n.into()));
            proto::call(t, progress.value(), &args)?;
        }
        match code {
            ffi::SQLITE_OK => {}
            ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => {
                let time = Duration::try_from_secs_f64(sleep).unwrap_or(Duration::MAX);
                t.blocking(|| std::thread::sleep(time));
            }
            _ => return Ok(()),
        }
        if t.interrupted() {
            weft_objects::runtime::safepoint(t)?;
        }
    }
}

/// `serialize(*, name='main')`
pub fn serialize(t: &mut Thread, a: &[Value]) -> Res {
    let name = name_or_main(t, a[1], "serialize() argument 'name'")?;
    let db = Connection::this(a[0]).usable(t)?;
    let turn = turn(t, &db)?;
    let copy = turn.call(t, |raw| {
        let mut n = 0;
        // SAFETY: open, and the turn is held; so many bytes are there, and freed once.
        unsafe {
            let p = ffi::sqlite3_serialize(raw, name.as_ptr(), &mut n, 0);
            if p.is_null() {
                return None;
            }
            let copy = std::slice::from_raw_parts(p, n as usize).to_vec();
            ffi::sqlite3_free(p.cast());
            Some(copy)
        }
    });
    match copy {
        Some(copy) => Ok(Bytes::from_vec(t, copy).into()),
        None => {
            let msg = format!("unable to serialize '{}'", name.to_string_lossy());
            Err(error::raise(t, Class::Operational, msg))
        }
    }
}

/// `deserialize(data, /, *, name='main')`
pub fn deserialize(t: &mut Thread, a: &[Value]) -> Res {
    let name = name_or_main(t, a[2], "deserialize() argument 'name'")?;
    let data = match Str::of(a[1]) {
        Some(s) => super::column::encoded(t, s)?.to_vec(),
        None => buffer::with_bytes(t, a[1], <[u8]>::to_vec)?,
    };
    let db = Connection::this(a[0]).usable(t)?;
    let turn = turn(t, &db)?;
    // SAFETY: always callable; SQLite frees it.
    let copy = unsafe { ffi::sqlite3_malloc64(data.len() as u64) }.cast::<u8>();
    if copy.is_null() {
        return Err(t.memory_error());
    }
    // SAFETY: room for so many bytes.
    unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), copy, data.len()) };
    let flags = ffi::SQLITE_DESERIALIZE_FREEONCLOSE | ffi::SQLITE_DESERIALIZE_RESIZEABLE;
    let (copy, n) = (copy as usize, data.len() as i64);
    let code = turn.call(t, |raw| {
        // SAFETY: open, and the turn is held; SQLite takes the memory over, also if it fails.
        unsafe { ffi::sqlite3_deserialize(raw, name.as_ptr(), copy as *mut u8, n, n, flags) }
    });
    if code != ffi::SQLITE_OK {
        let fault = turn.fault();
        return Err(error::fault(t, fault));
    }
    Ok(Value::NONE)
}
