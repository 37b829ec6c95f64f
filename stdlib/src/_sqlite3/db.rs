//! A database that is open: SQLite's handle, and whose turn it is to use it.
//!
//! Several threads may have one connection. Whoever calls SQLite about it holds its *turn*, which one thread may take several times,
//! as SQLite calls back into Python, and that into SQLite. Calls that may take long, or call back, are made detached
//! ([`Turn::call`]). Who waits for the turn is detached as well. Nobody holds it while Python code runs, but for what SQLite itself
//! calls. Closing takes the turn like everything else: nobody is in the midst of a call then, and who comes later finds no handle.
//!
//! Objects die at moments when SQLite must not be called, and nobody may wait. So what they leave (statements) is put down in
//! [`Db::left`], for the next one who has the turn.

use super::callback::Hook;
use libsqlite3_sys as ffi;
use parking_lot::{Mutex, ReentrantMutex, ReentrantMutexGuard};
use std::ffi::{CStr, CString, c_int};
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering::*};
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;

use super::statement::{Cache, Statement};

/// What nobody has any more. The words are addresses of statements.
#[derive(Default)]
struct Left {
    statements: Vec<usize>,
    /// Nothing is left to anybody any more: closing has taken all.
    over: bool,
}

/// The hooks that SQLite has one of.
#[derive(Clone, Copy)]
pub enum Kind {
    Authorizer,
    Progress,
    Trace,
}

/// An open database.
pub struct Db {
    /// NULL when it is closed. Changed with the turn held.
    raw: AtomicPtr<ffi::sqlite3>,
    turn: ReentrantMutex<()>,
    /// Held for a moment by who interrupts, which needs no turn, and by who closes.
    ending: Mutex<()>,
    left: Mutex<Left>,
    pub cache: Mutex<Cache>,
    /// Open blobs, by address. They are opened and closed with the turn held.
    blobs: Mutex<Vec<usize>>,
    hooks: Mutex<[Option<Box<Hook>>; 3]>,
    /// Backups to or from this database.
    pub backups: AtomicUsize,
    /// How many calls this thread, which has the turn, is in the midst of.
    calls: AtomicU32,
    /// Numbers of callables that SQLite has let go of.
    pub freed: Mutex<Vec<u64>>,
    /// The connection's word, which is alive while anybody calls SQLite about it.
    pub owner: AtomicU64,
    /// It is going down: nothing is called back.
    pub mute: AtomicBool,
    /// What a callback has raised, for whoever made the call.
    pub raised: Mutex<Option<SharedObj>>,
}

// SAFETY: SQLite is built to be used by several threads; addresses are used with the turn held, and all else is behind locks.
unsafe impl Send for Db {}
// SAFETY: as above.
unsafe impl Sync for Db {}

/// What SQLite says about a failure.
pub struct Fault {
    pub code: c_int,
    pub extended: c_int,
    pub text: String,
}

/// The right to call SQLite about a database that is open.
pub struct Turn<'a> {
    pub db: &'a Arc<Db>,
    raw: *mut ffi::sqlite3,
    _guard: ReentrantMutexGuard<'a, ()>,
}

/// Text of SQLite's; empty for NULL.
///
/// # Safety
/// NULL or a C string.
pub unsafe fn text_of(p: *const std::ffi::c_char) -> String {
    if p.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(p) }.to_string_lossy().into_owned()
}

impl Fault {
    /// A failure without a database to ask about it.
    pub fn of_code(code: c_int) -> Fault {
        // SAFETY: static text.
        let text = unsafe { text_of(ffi::sqlite3_errstr(code)) };
        Fault {
            code: code & 0xff,
            extended: code,
            text,
        }
    }

    /// # Safety
    /// An open database, whose turn is held.
    unsafe fn of(raw: *mut ffi::sqlite3) -> Fault {
        // SAFETY: the caller's promise.
        unsafe {
            Fault {
                code: ffi::sqlite3_errcode(raw) & 0xff,
                extended: ffi::sqlite3_extended_errcode(raw),
                text: text_of(ffi::sqlite3_errmsg(raw)),
            }
        }
    }
}

impl Db {
    /// Opens a database. Detached: files are looked at, and locked.
    pub fn open(
        t: &mut Thread,
        path: &CStr,
        flags: c_int,
        timeout: c_int,
        cached: usize,
    ) -> Result<Arc<Db>, Fault> {
        let opened = t.blocking(|| {
            let mut raw = null_mut();
            // SAFETY: a C string, and room for the handle, which is nobody else's yet.
            unsafe {
                let code =
                    ffi::sqlite3_open_v2(path.as_ptr(), &mut raw, flags, null_mut::<i8>().cast());
                if code != ffi::SQLITE_OK {
                    let fault = if raw.is_null() {
                        Fault::of_code(code)
                    } else {
                        Fault::of(raw)
                    };
                    ffi::sqlite3_close(raw);
                    return Err(fault);
                }
                ffi::sqlite3_busy_timeout(raw, timeout);
                // The library is built to check foreign keys unless told otherwise, which CPython's is not.
                let (off, out) = (0 as c_int, null_mut::<c_int>());
                ffi::sqlite3_db_config(raw, ffi::SQLITE_DBCONFIG_ENABLE_FKEY, off, out);
            }
            Ok(raw as usize)
        });
        opened.map(|raw| {
            Arc::new(Db {
                raw: AtomicPtr::new(raw as *mut ffi::sqlite3),
                turn: ReentrantMutex::new(()),
                ending: Mutex::new(()),
                left: Mutex::default(),
                cache: Mutex::new(Cache::new(cached)),
                blobs: Mutex::default(),
                hooks: Mutex::default(),
                backups: AtomicUsize::new(0),
                calls: AtomicU32::new(0),
                freed: Mutex::default(),
                owner: AtomicU64::new(0),
                mute: AtomicBool::new(false),
                raised: Mutex::new(None),
            })
        })
    }

    /// Whether it is open, at this moment.
    pub fn is_open(&self) -> bool {
        !self.raw.load(Acquire).is_null()
    }

    /// Waits for the turn; `None` if the database is closed by then.
    pub fn turn<'a>(self: &'a Arc<Db>, t: &mut Thread) -> Option<Turn<'a>> {
        let guard = match self.turn.try_lock() {
            Some(guard) => guard,
            None => t.blocking(|| self.turn.lock()),
        };
        let raw = self.raw.load(Acquire);
        if raw.is_null() {
            return None;
        }
        let turn = Turn {
            db: self,
            raw,
            _guard: guard,
        };
        turn.clear_up(t);
        Some(turn)
    }

    /// Takes over a statement that nobody has any more. Called where objects die.
    pub fn leave(&self, statement: *mut ffi::sqlite3_stmt) {
        let mut left = self.left.lock();
        if !left.over {
            left.statements.push(statement as usize);
        }
    }

    /// Stops what the database is doing, in whichever thread.
    pub fn interrupt(&self) -> bool {
        let _ending = self.ending.lock();
        let raw = self.raw.load(Acquire);
        if !raw.is_null() {
            // SAFETY: it is open, as who closes it waits for this lock before.
            unsafe { ffi::sqlite3_interrupt(raw) };
        }
        !raw.is_null()
    }

    /// Has SQLite use another hook, or none, which `set` says to SQLite. The old one is let go.
    pub fn set_hook(
        &self,
        kind: Kind,
        hook: Option<Box<Hook>>,
        set: impl FnOnce(*mut std::ffi::c_void) -> c_int,
    ) -> c_int {
        let p = hook.as_deref().map_or(std::ptr::null(), std::ptr::from_ref);
        let code = set(p.cast_mut().cast());
        let old = std::mem::replace(&mut self.hooks.lock()[kind as usize], hook);
        if let Some(old) = old {
            self.freed.lock().push(old.id);
        }
        code
    }
}

impl Drop for Db {
    /// Of a connection that was made anew, or never closed.
    fn drop(&mut self) {
        let raw = self.raw.swap(null_mut(), AcqRel);
        if raw.is_null() {
            return;
        }
        self.mute.store(true, Release);
        // SAFETY: nobody else has the database: statements and blobs hold it. What SQLite calls back does nothing.
        unsafe {
            end_all(raw, &mut self.blobs.lock());
            ffi::sqlite3_close(raw);
        }
    }
}

/// Ends all statements and blobs.
///
/// # Safety
/// An open database, whose turn is held; nobody uses any of them any more.
unsafe fn end_all(raw: *mut ffi::sqlite3, blobs: &mut Vec<usize>) {
    // SAFETY: the caller's promise.
    unsafe {
        for blob in blobs.drain(..) {
            ffi::sqlite3_blob_close(blob as *mut ffi::sqlite3_blob);
        }
        loop {
            let statement = ffi::sqlite3_next_stmt(raw, null_mut());
            if statement.is_null() {
                break;
            }
            ffi::sqlite3_finalize(statement);
        }
    }
}

/// Why a database was not closed.
pub enum Kept {
    /// This thread is in the midst of a call of SQLite's about it.
    Called,
    /// It is being copied.
    Copied,
}

impl<'a> Turn<'a> {
    /// The handle, for calls that take a moment and call nothing back.
    pub fn raw(&self) -> *mut ffi::sqlite3 {
        self.raw
    }

    /// Makes a call that may take long, or call back, detached.
    pub fn call<R>(&self, t: &mut Thread, f: impl FnOnce(*mut ffi::sqlite3) -> R) -> R {
        self.db.calls.fetch_add(1, Relaxed);
        let r = t.blocking(|| f(self.raw));
        self.db.calls.fetch_sub(1, Relaxed);
        r
    }

    /// What SQLite says about the last call.
    pub fn fault(&self) -> Fault {
        // SAFETY: open, and the turn is held.
        unsafe { Fault::of(self.raw) }
    }

    /// The turn's thread is in the midst of another call.
    pub fn is_called_back(&self) -> bool {
        self.db.calls.load(Relaxed) > 0
    }

    /// Ends statements that nobody has any more.
    fn clear_up(&self, t: &mut Thread) {
        let statements = std::mem::take(&mut self.db.left.lock().statements);
        if !statements.is_empty() {
            self.call(t, |_| {
                for s in statements {
                    // SAFETY: a statement of this database that its last user has left here; the turn is held.
                    unsafe { ffi::sqlite3_finalize(s as *mut ffi::sqlite3_stmt) };
                }
            });
        }
    }

    /// Runs SQL that gives no rows.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn execute(&self, t: &mut Thread, sql: &CStr) -> Result<(), Fault> {
        let code = self.call(t, |raw| {
            // SAFETY: open, and the turn is held; a C string.
            unsafe { ffi::sqlite3_exec(raw, sql.as_ptr(), None, null_mut(), null_mut()) }
        });
        if code == ffi::SQLITE_OK {
            Ok(())
        } else {
            Err(self.fault())
        }
    }

    /// Whether no transaction is open.
    pub fn autocommits(&self) -> bool {
        // SAFETY: open, and the turn is held.
        unsafe { ffi::sqlite3_get_autocommit(self.raw) != 0 }
    }

    /// A limit's value.
    pub fn limit(&self, category: c_int) -> c_int {
        // SAFETY: as above; -1 changes nothing.
        unsafe { ffi::sqlite3_limit(self.raw, category, -1) }
    }

    /// Prepares the first statement of the SQL. Gives how much of it that was.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn prepare(&self, t: &mut Thread, sql: &[u8]) -> Result<(Statement, usize), Fault> {
        let (mut raw, mut tail) = (null_mut(), std::ptr::null());
        let code = self.call(t, |db| {
            // SAFETY: open, and the turn is held; so many bytes.
            unsafe {
                ffi::sqlite3_prepare_v2(
                    db,
                    sql.as_ptr().cast(),
                    sql.len() as c_int,
                    &mut raw,
                    &mut tail,
                )
            }
        });
        if code != ffi::SQLITE_OK {
            return Err(self.fault());
        }
        let used = if tail.is_null() {
            sql.len()
        } else {
            tail as usize - sql.as_ptr() as usize
        };
        Ok((Statement::new(self.db.clone(), raw, sql), used))
    }

    /// Opens a blob; gives its address.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn open_blob(
        &self,
        t: &mut Thread,
        [name, table, column]: [&CString; 3],
        row: i64,
        write: bool,
    ) -> Result<usize, Fault> {
        let mut blob = null_mut();
        let code = self.call(t, |db| {
            // SAFETY: open, and the turn is held; C strings, and room for the address.
            unsafe {
                ffi::sqlite3_blob_open(
                    db,
                    name.as_ptr(),
                    table.as_ptr(),
                    column.as_ptr(),
                    row,
                    write.into(),
                    &mut blob,
                )
            }
        });
        match code {
            ffi::SQLITE_OK => {
                self.db.blobs.lock().push(blob as usize);
                Ok(blob as usize)
            }
            _ => Err(self.fault()),
        }
    }

    /// Closes a blob that is open.
    pub fn close_blob(&self, t: &mut Thread, blob: usize) {
        self.db.blobs.lock().retain(|b| *b != blob);
        // SAFETY: open until now; the turn is held.
        self.call(t, |_| unsafe {
            ffi::sqlite3_blob_close(blob as *mut ffi::sqlite3_blob);
        });
    }

    /// Closes the database, with all statements and blobs.
    ///
    /// # Errors
    /// Why it cannot be closed now.
    pub fn close(self, t: &mut Thread) -> Result<(), Kept> {
        if self.is_called_back() {
            return Err(Kept::Called);
        }
        if self.db.backups.load(Acquire) > 0 {
            return Err(Kept::Copied);
        }
        {
            let mut left = self.db.left.lock();
            left.over = true;
            left.statements.clear();
        }
        let kept = self.db.cache.lock().take();
        // Their statements are ended below.
        drop(kept);
        self.call(t, |raw| {
            let mut blobs = std::mem::take(&mut *self.db.blobs.lock());
            // SAFETY: open, and the turn is held: who has a statement or a blob finds the database closed before it uses it.
            unsafe {
                end_all(raw, &mut blobs);
                {
                    let _ending = self.db.ending.lock();
                    self.db.raw.store(null_mut(), Release);
                }
                ffi::sqlite3_close(raw);
            }
        });
        Ok(())
    }
}
