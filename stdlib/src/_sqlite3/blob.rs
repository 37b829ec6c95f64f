//! `sqlite3.Blob`: bytes in a row, read and written where they are.

use super::column::{c_argument, c_int, integer};
use super::connection::{Connection, turn};
use super::db::{Db, Turn};
use super::error;
use crate::support::{self, Guarded};
use libsqlite3_sys as ffi;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use weft_objects::buffer;
use weft_objects::bytes::Bytes;
use weft_objects::cell;
use weft_objects::prelude::*;
use weft_objects::slice::Slice;
use weft_objects::str::index::{has_index, index_size};
use weft_objects::types::type_flags;

#[repr(C)]
struct Blob {
    header: Header,
    connection: Slot,
    db: Guarded<Option<Arc<Db>>>,
    /// SQLite's blob, 0 when it is closed. Changed with the turn held, as is the place.
    raw: AtomicUsize,
    at: AtomicUsize,
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: called with objects of this type alone.
    f(unsafe { (*(h as *const Blob)).connection.get() });
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type.
    unsafe {
        let b = &*(h as *const Blob);
        drop(b.db.take());
        t.drop_value(b.connection.take_local());
    }
}

/// `Connection.blobopen(table, column, rowid, /, *, readonly=False, name='main')`
pub fn open(t: &mut Thread, a: &[Value]) -> Res {
    let table = c_argument(t, a[1], "blobopen() argument 1")?;
    let column = c_argument(t, a[2], "blobopen() argument 2")?;
    let row = integer(t, a[3])?;
    let readonly = support::truth_or(t, a[4], false)?;
    let name = match support::given(t, a[5]) {
        Some(name) => c_argument(t, name.value(), "blobopen() argument 'name'")?,
        None => c"main".to_owned(),
    };
    let db = Connection::this(a[0]).usable(t)?;
    let turn = turn(t, &db)?;
    let raw = turn
        .open_blob(t, [&name, &table, &column], row, !readonly)
        .map_err(|f| error::fault(t, f))?;
    drop(turn);
    // SAFETY: the layout of blobs.
    let (o, b) = unsafe { cell::fresh::<Blob>(t, &BLOB) };
    let connection = Obj::new(t, a[0]);
    b.connection.init(t, &b.header, connection.into_value());
    b.db.init(Some(db));
    b.raw.store(raw, Release);
    Ok(o.into())
}

/// What goes wrong with bytes of an open blob.
enum Failed {
    Sqlite,
}

impl Blob {
    fn this<'a>(v: Value) -> &'a Blob {
        // SAFETY: called with objects of BLOB alone.
        unsafe { &*(v.ptr() as *const Blob) }
    }

    fn db(&self, t: &Thread) -> Option<Arc<Db>> {
        let guard = lock(t, &self.header);
        self.db.get(&guard).clone()
    }

    /// Runs `f` with the blob's address and length, with the turn held.
    fn with<R>(
        &self,
        t: &mut Thread,
        f: impl FnOnce(&mut Thread, &Turn<'_>, usize, usize) -> Res<R>,
    ) -> Res<R> {
        let connection = Obj::new(t, self.connection.get());
        Connection::this(connection.value()).usable(t)?;
        let Some(db) = self.db(t) else {
            return Err(closed(t));
        };
        let turn = turn(t, &db)?;
        let raw = self.raw.load(Acquire);
        if raw == 0 {
            return Err(closed(t));
        }
        // SAFETY: an open blob of an open database, whose turn is held.
        let n = unsafe { ffi::sqlite3_blob_bytes(raw as *mut ffi::sqlite3_blob) };
        f(t, &turn, raw, n as usize)
    }
}

#[cold]
fn closed(t: &mut Thread) -> Raised {
    error::programming(t, "Cannot operate on a closed blob.")
}

fn read_at(t: &mut Thread, turn: &Turn<'_>, raw: usize, at: usize, n: usize) -> Res<Vec<u8>> {
    let bytes = turn.call(t, |_| {
        let mut bytes = vec![0u8; n];
        // SAFETY: an open blob, the turn is held; room for so many bytes.
        let code = unsafe {
            let raw = raw as *mut ffi::sqlite3_blob;
            ffi::sqlite3_blob_read(raw, bytes.as_mut_ptr().cast(), n as i32, at as i32)
        };
        if code == ffi::SQLITE_OK {
            Ok(bytes)
        } else {
            Err(Failed::Sqlite)
        }
    });
    bytes.map_err(|Failed::Sqlite| {
        let fault = turn.fault();
        error::fault(t, fault)
    })
}

fn write_at(t: &mut Thread, turn: &Turn<'_>, raw: usize, at: usize, bytes: &[u8]) -> Res<()> {
    let n = bytes.len() as i32;
    let code = turn.call(t, |_| {
        // SAFETY: an open blob, the turn is held; so many bytes.
        unsafe {
            let raw = raw as *mut ffi::sqlite3_blob;
            ffi::sqlite3_blob_write(raw, bytes.as_ptr().cast(), n, at as i32)
        }
    });
    if code != ffi::SQLITE_OK {
        let fault = turn.fault();
        return Err(error::fault(t, fault));
    }
    Ok(())
}

fn read(t: &mut Thread, a: &[Value]) -> Res {
    let wanted = if a[1].is_null() { -1 } else { c_int(t, a[1])? };
    let b = Blob::this(a[0]);
    b.with(t, |t, turn, raw, len| {
        let at = b.at.load(Relaxed);
        let left = len.saturating_sub(at);
        let n = usize::try_from(wanted).map_or(left, |n| n.min(left));
        if n == 0 {
            return Ok(Bytes::new(t, &[]).into());
        }
        let bytes = read_at(t, turn, raw, at, n)?;
        b.at.store(at + n, Relaxed);
        Ok(Bytes::from_vec(t, bytes).into())
    })
}

/// The bytes of an argument, as they are at one moment.
fn bytes_of(t: &mut Thread, v: Value) -> Res<Vec<u8>> {
    let b = buffer::get(t, v)?;
    Ok(b.as_bytes().to_vec())
}

fn write(t: &mut Thread, a: &[Value]) -> Res {
    let bytes = bytes_of(t, a[1])?;
    let b = Blob::this(a[0]);
    b.with(t, |t, turn, raw, len| {
        let at = b.at.load(Relaxed);
        if bytes.len() > len.saturating_sub(at) {
            return Err(t.value_error("data longer than blob length"));
        }
        write_at(t, turn, raw, at, &bytes)?;
        b.at.store(at + bytes.len(), Relaxed);
        Ok(Value::NONE)
    })
}

fn seek(t: &mut Thread, a: &[Value]) -> Res {
    let offset = c_int(t, a[1])?;
    let origin = if a[2].is_null() { 0 } else { c_int(t, a[2])? };
    let b = Blob::this(a[0]);
    b.with(t, |t, _, _, len| {
        let from = match origin {
            libc::SEEK_SET => 0,
            libc::SEEK_CUR => b.at.load(Relaxed),
            libc::SEEK_END => len,
            _ => {
                return Err(
                    t.value_error("'origin' should be os.SEEK_SET, os.SEEK_CUR, or os.SEEK_END")
                );
            }
        };
        let to = from as i64 + i64::from(offset);
        if to > i64::from(i32::MAX) {
            return Err(t.overflow_error("seek offset results in overflow"));
        }
        match usize::try_from(to) {
            Ok(to) if to <= len => b.at.store(to, Relaxed),
            _ => return Err(t.value_error("offset out of blob range")),
        }
        Ok(Value::NONE)
    })
}

fn close(t: &mut Thread, a: &[Value]) -> Res {
    let b = Blob::this(a[0]);
    let connection = Obj::new(t, b.connection.get());
    Connection::this(connection.value()).usable(t)?;
    shut(t, b);
    Ok(Value::NONE)
}

/// Closes it, if it is still open.
fn shut(t: &mut Thread, b: &Blob) {
    let Some(db) = b.db(t) else { return };
    let Some(turn) = db.turn(t) else {
        // All that was open has been closed with the database.
        b.raw.store(0, Release);
        return;
    };
    let raw = b.raw.swap(0, AcqRel);
    if raw != 0 {
        turn.close_blob(t, raw);
    }
}

unsafe fn has_finalizer(h: *const Header) -> bool {
    // SAFETY: a blob.
    unsafe { (*(h as *const Blob)).raw.load(Acquire) != 0 }
}

/// Where an index of an item leads.
fn place(t: &mut Thread, key: Value, len: usize) -> Res<usize> {
    let i = index_size(t, key)?;
    let at = if i < 0 { i + len as isize } else { i };
    if at < 0 || at >= len as isize {
        return Err(t.index_error("Blob index out of range"));
    }
    Ok(at as usize)
}

/// What a slice selects: the first index, the step, and how many.
fn selected(t: &mut Thread, s: &Slice, len: usize) -> Res<(usize, usize, usize)> {
    let (start, step, n) = s.indices(t, len)?;
    if n == 0 {
        return Ok((0, 1, 0));
    }
    if step < 0 {
        return Err(t.value_error("Blob doesn't support slices with a negative step"));
    }
    Ok((start as usize, step as usize, n))
}

/// How many bytes a slice reaches over.
fn span(step: usize, n: usize) -> usize {
    if n == 0 { 0 } else { (n - 1) * step + 1 }
}

/// The blob's length, before arguments are looked at.
fn len(t: &mut Thread, v: Value) -> Res<usize> {
    Blob::this(v).with(t, |_, _, _, len| Ok(len))
}

fn get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    let b = Blob::this(v);
    let size = len(t, v)?;
    if has_index(key) {
        let at = place(t, key, size)?;
        return b.with(t, |t, turn, raw, _| {
            let byte = read_at(t, turn, raw, at, 1)?[0];
            Ok(Value::int(byte.into()))
        });
    }
    let Some(s) = Slice::of(key) else {
        return Err(t.type_error("Blob indices must be integers".into()));
    };
    let (start, step, n) = selected(t, s, size)?;
    if n == 0 {
        return Ok(Bytes::new(t, &[]).into());
    }
    let bytes = b.with(t, |t, turn, raw, _| {
        read_at(t, turn, raw, start, span(step, n))
    })?;
    if step == 1 {
        return Ok(Bytes::from_vec(t, bytes).into());
    }
    let picked: Vec<u8> = bytes.into_iter().step_by(step).collect();
    Ok(Bytes::from_vec(t, picked).into())
}

fn set_item(t: &mut Thread, v: Value, key: Value, new: Value) -> Res<()> {
    let b = Blob::this(v);
    let size = len(t, v)?;
    if has_index(key) {
        if new.is_null() {
            return Err(t.type_error("Blob doesn't support item deletion".into()));
        }
        let at = place(t, key, size)?;
        if !weft_objects::int::is_int(new) {
            let got = type_of(new).name();
            let msg = format!("'{got}' object cannot be interpreted as an integer");
            return Err(t.type_error(msg));
        }
        let byte = weft_objects::bytes::byte(t, new)?;
        return b.with(t, |t, turn, raw, _| write_at(t, turn, raw, at, &[byte]));
    }
    let Some(s) = Slice::of(key) else {
        return Err(t.type_error("Blob indices must be integers".into()));
    };
    if new.is_null() {
        return Err(t.type_error("Blob doesn't support slice deletion".into()));
    }
    let (start, step, n) = selected(t, s, size)?;
    let bytes = bytes_of(t, new)?;
    if bytes.len() != n {
        return Err(t.index_error("Blob slice assignment is wrong size"));
    }
    if n == 0 {
        return Ok(());
    }
    b.with(t, |t, turn, raw, _| {
        if step == 1 {
            return write_at(t, turn, raw, start, &bytes);
        }
        // What lies between stays; the turn is held from reading to writing.
        let mut all = read_at(t, turn, raw, start, span(step, n))?;
        for (to, byte) in all.iter_mut().step_by(step).zip(&bytes) {
            *to = *byte;
        }
        write_at(t, turn, raw, start, &all)
    })
}

/// `sqlite3.Blob`
pub static BLOB: Type = Type::builtin(
    "Blob",
    size_of::<Blob>(),
    &Spec {
        len: Some(len),
        get_item: Some(get_item),
        set_item: Some(set_item),
        finalize: Some(|t, v| {
            shut(t, Blob::this(v));
            Ok(())
        }),
        methods: &[
            NativeDef::new("close", "($self, /)", close).doc("Close the blob."),
            NativeDef::new("__enter__", "($self, /)", |t, a| {
                len(t, a[0])?;
                Ok(Obj::new(t, a[0]).into())
            })
            .doc("Blob context manager enter."),
            NativeDef::new("__exit__", "($self, type, val, tb, /)", |t, a| {
                len(t, a[0])?;
                shut(t, Blob::this(a[0]));
                Ok(Value::FALSE)
            })
            .doc("Blob context manager exit."),
            NativeDef::new("read", "($self, length=-1, /)", read)
                .doc("Read data at the current offset position.\n\n  length\n    Read length in bytes.\n\nIf the end of the blob is reached, the data up to end of file will\nbe returned.  When length is not specified, or is negative,\nBlob.read() will read until the end of the blob."),
            NativeDef::new("seek", "($self, offset, origin=0, /)", seek)
                .doc("Set the current access position to offset."),
            NativeDef::new("tell", "($self, /)", |t, a| {
                let b = Blob::this(a[0]);
                b.with(t, |_, _, _, _| Ok(Value::int(b.at.load(Relaxed) as i64)))
            })
            .doc("Return the current access position for the blob."),
            NativeDef::new("write", "($self, data, /)", write)
                .doc("Write data at the current offset."),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.finalizer(has_finalizer)
.module("sqlite3")
.flags(type_flags::NO_SEQUENCE)
.final_()
.no_new();
