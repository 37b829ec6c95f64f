//! What SQLite calls: functions, aggregates, collations and hooks of Python code.
//!
//! SQLite is told the address of a [`Hook`], which says by its number what to call. The callable itself is in a dict of the connection's
//! (`Connection::kept`): so collectors see it. SQLite calls back only within calls that are made detached, so each callback attaches
//! its thread again (`Thread::back`), which holds the database's turn.

use super::connection::Connection;
use super::db::{Db, text_of};
use super::{column, error};
use crate::support;
use libsqlite3_sys as ffi;
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::runtime::{self, SharedObj};
use weft_objects::{buffer, float, int};

/// Whether `sys.unraisablehook` is told what callbacks raise.
pub static TRACEBACKS: AtomicBool = AtomicBool::new(false);

/// What to call.
pub struct Hook {
    /// The callable's key in the connection's dict.
    pub id: u64,
    /// The database, which outlives what it calls.
    db: *const Db,
}

/// A number that no other callable has.
fn new_id() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Relaxed) + 1
}

/// Keeps an object for as long as SQLite may use it. Gives its number.
fn keep(t: &mut Thread, db: &Db, v: Value) -> Res<u64> {
    let id = new_id();
    if let Some(kept) = Connection::kept_by(db) {
        kept.set(t, Value::int(id as i64), v)?;
    }
    Ok(id)
}

/// What is kept by that number.
fn kept(t: &Thread, db: &Db, id: u64) -> Option<Obj> {
    let found = Connection::kept_by(db)?.get_int(t, Value::int(id as i64))?;
    Some(found.to_obj(t))
}

fn let_go(t: &mut Thread, db: &Db, id: u64) -> Option<Obj> {
    let kept = Connection::kept_by(db)?;
    match kept.remove(t, Value::int(id as i64)) {
        Ok(o) => o,
        Err(_) => {
            t.clear_exc();
            None
        }
    }
}

/// Drops what SQLite has let go of.
pub fn clear_up(t: &mut Thread, db: &Db) {
    let freed = std::mem::take(&mut *db.freed.lock());
    for id in freed {
        drop(let_go(t, db, id));
    }
}

impl Hook {
    /// A hook that calls this, which the connection keeps.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn new(t: &mut Thread, db: &Arc<Db>, callable: Value) -> Res<Box<Hook>> {
        let id = keep(t, db, callable)?;
        Ok(Box::new(Hook {
            id,
            db: Arc::as_ptr(db),
        }))
    }

    /// Runs `f` attached, with the database and what to call; `idle` is the result where nothing is called back any more.
    ///
    /// # Safety
    /// `this` is a hook that SQLite has been given, and SQLite calls, within a call that was made detached.
    unsafe fn enter<R>(
        this: *mut c_void,
        idle: R,
        f: impl FnOnce(&mut Thread, &Db, &Obj) -> R,
    ) -> R {
        // SAFETY: hooks stay until SQLite is told otherwise. The callable may have this one replaced, so it is not looked at later.
        let (id, db) = unsafe {
            let hook = &*this.cast::<Hook>();
            (hook.id, hook.db)
        };
        // SAFETY: who has made the call holds the database.
        let db = unsafe { &*db };
        if db.mute.load(Acquire) {
            return idle;
        }
        // SAFETY: the caller's promise.
        unsafe {
            Thread::back(|t| match kept(t, db, id) {
                Some(callable) => f(t, db, &callable),
                None => idle,
            })
        }
    }
}

/// SQLite does not need a hook any more.
pub unsafe extern "C" fn free_hook(this: *mut c_void) {
    // SAFETY: the box that SQLite was given, once.
    let hook = unsafe { Box::from_raw(this.cast::<Hook>()) };
    // SAFETY: databases outlive their hooks.
    unsafe { (*hook.db).freed.lock().push(hook.id) };
}

/// Tells `sys.unraisablehook` of what a callback has raised, if that is wanted, and forgets it.
fn ignore(t: &mut Thread, callable: &Obj) {
    let Some(exc) = t.take_exc() else { return };
    if !TRACEBACKS.load(Relaxed) {
        return;
    }
    let name = proto::repr(t, callable.value());
    t.clear_exc();
    let mut what = "Exception ignored on sqlite3 callback".to_owned();
    if let Some(name) = name.as_ref().ok().and_then(|n| Str::of(n.value())) {
        what.push(' ');
        what.push_str(&name.to_string_lossy());
    }
    let _: Raised = t.set_exc(exc);
    runtime::unraisable(t, &what, None);
}

// --- functions ---

/// Has SQL know that a function of Python's failed.
///
/// # Safety
/// The context of a function that SQLite calls.
unsafe fn fail(t: &mut Thread, ctx: *mut ffi::sqlite3_context, callable: &Obj, what: &str) {
    // SAFETY: the caller's promise; SQLite copies the text.
    unsafe {
        if t.exc_matches(&errors::MEMORY_ERROR) {
            ffi::sqlite3_result_error_nomem(ctx);
        } else if t.exc_matches(&errors::OVERFLOW_ERROR) {
            ffi::sqlite3_result_error_toobig(ctx);
        } else {
            ffi::sqlite3_result_error(ctx, what.as_ptr().cast(), what.len() as c_int);
        }
    }
    ignore(t, callable);
}

/// The arguments of a function.
///
/// # Safety
/// As SQLite gives them.
unsafe fn arguments(t: &mut Thread, n: c_int, args: *mut *mut ffi::sqlite3_value) -> Res<Vec<Obj>> {
    let mut out = Vec::with_capacity(n as usize);
    for i in 0..n as usize {
        // SAFETY: so many values, each of the type that it says.
        unsafe {
            let v = *args.add(i);
            let bytes = |p: *const u8| {
                let n = ffi::sqlite3_value_bytes(v) as usize;
                if p.is_null() || n == 0 {
                    &[]
                } else {
                    std::slice::from_raw_parts(p, n)
                }
            };
            out.push(match ffi::sqlite3_value_type(v) {
                ffi::SQLITE_INTEGER => support::int_obj(t, ffi::sqlite3_value_int64(v)),
                ffi::SQLITE_FLOAT => support::float_obj(t, ffi::sqlite3_value_double(v)),
                ffi::SQLITE_TEXT => column::decoded(t, bytes(ffi::sqlite3_value_text(v)))?,
                ffi::SQLITE_BLOB => Bytes::new(t, bytes(ffi::sqlite3_value_blob(v).cast())),
                _ => support::none(),
            });
        }
    }
    Ok(out)
}

/// Gives SQLite a function's result.
///
/// # Safety
/// The context of a function that SQLite calls.
unsafe fn set_result(t: &mut Thread, ctx: *mut ffi::sqlite3_context, v: Value) -> Res<()> {
    // SAFETY: the caller's promise; SQLite copies text and bytes.
    unsafe {
        if v.is_none() {
            ffi::sqlite3_result_null(ctx);
        } else if int::is_int(v) {
            let i = column::integer(t, v)?;
            ffi::sqlite3_result_int64(ctx, i);
        } else if let Some(f) = float::as_f64(v) {
            ffi::sqlite3_result_double(ctx, f);
        } else if let Some(s) = Str::of(v) {
            let text = column::encoded(t, s)?;
            let (p, n) = (text.as_ptr().cast(), text.len() as u64);
            let kind = ffi::SQLITE_UTF8 as u8;
            ffi::sqlite3_result_text64(ctx, p, n, ffi::SQLITE_TRANSIENT(), kind);
        } else if buffer::is_exporter(v) {
            let b = buffer::get(t, v)?;
            let p = b.as_bytes().as_ptr().cast();
            ffi::sqlite3_result_blob64(ctx, p, b.len as u64, ffi::SQLITE_TRANSIENT());
        } else {
            let got = type_of(v).name();
            let msg = format!("User-defined functions cannot return '{got}' values to SQLite");
            return Err(error::raise(t, error::Class::Programming, msg));
        }
    }
    Ok(())
}

pub unsafe extern "C" fn function(
    ctx: *mut ffi::sqlite3_context,
    n: c_int,
    args: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite calls a function that was made with a hook, with its arguments.
    unsafe {
        Hook::enter(ffi::sqlite3_user_data(ctx), (), |t, _, f| {
            let done = arguments(t, n, args)
                .and_then(|a| call(t, f.value(), &a))
                .and_then(|r| set_result(t, ctx, r.value()));
            if done.is_err() {
                fail(t, ctx, f, "user-defined function raised exception");
            }
        });
    }
}

fn call(t: &mut Thread, f: Value, args: &[Obj]) -> Res<Obj> {
    let args: Vec<Value> = args.iter().map(Obj::value).collect();
    proto::call(t, f, &args)
}

// --- aggregates ---

/// What SQLite keeps for one run of an aggregate; all zero at first.
#[repr(C)]
struct Run {
    /// The instance's key in the connection's dict.
    id: u64,
}

/// Why a method of an aggregate was not called.
enum Why {
    Missing,
    Failed,
}

/// Calls a method of an aggregate's instance.
fn call_method(t: &mut Thread, o: &Obj, name: &str, args: &[Obj]) -> Result<Obj, Why> {
    let name = weft_objects::names::get(t, name);
    match proto::get_attr(t, o.value(), name) {
        Ok(f) => call(t, f.value(), args).map_err(|_| Why::Failed),
        Err(_) if t.exc_matches(&errors::ATTRIBUTE_ERROR) => Err(Why::Missing),
        Err(_) => Err(Why::Failed),
    }
}

/// # Safety
/// As for [`fail`].
unsafe fn fail_method(
    t: &mut Thread,
    ctx: *mut ffi::sqlite3_context,
    class: &Obj,
    (name, why): (&str, Why),
) {
    let what = match why {
        Why::Missing => "not defined",
        Why::Failed => "raised error",
    };
    let text = format!("user-defined aggregate's '{name}' method {what}");
    // SAFETY: the caller's promise.
    unsafe { fail(t, ctx, class, &text) };
}

/// # Safety
/// SQLite calls an aggregate that was made with a hook, with its arguments.
unsafe fn step_with(
    ctx: *mut ffi::sqlite3_context,
    n: c_int,
    args: *mut *mut ffi::sqlite3_value,
    method: &str,
) {
    // SAFETY: the caller's promise; SQLite gives zeroed memory for a run, which is this run's alone.
    unsafe {
        Hook::enter(ffi::sqlite3_user_data(ctx), (), |t, db, class| {
            let run = ffi::sqlite3_aggregate_context(ctx, size_of::<Run>() as c_int).cast::<Run>();
            if run.is_null() {
                return ffi::sqlite3_result_error_nomem(ctx);
            }
            if (*run).id == 0 {
                let made = proto::call(t, class.value(), &[]);
                match made.and_then(|o| keep(t, db, o.value())) {
                    Ok(id) => (*run).id = id,
                    Err(_) => return fail_method(t, ctx, class, ("__init__", Why::Failed)),
                }
            }
            let Some(instance) = kept(t, db, (*run).id) else {
                return;
            };
            let done = match arguments(t, n, args) {
                Ok(a) => call_method(t, &instance, method, &a),
                Err(_) => Err(Why::Failed),
            };
            if let Err(why) = done {
                fail_method(t, ctx, class, (method, why));
            }
        });
    }
}

pub unsafe extern "C" fn step(
    ctx: *mut ffi::sqlite3_context,
    n: c_int,
    args: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite calls it.
    unsafe { step_with(ctx, n, args, "step") };
}

pub unsafe extern "C" fn inverse(
    ctx: *mut ffi::sqlite3_context,
    n: c_int,
    args: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite calls it.
    unsafe { step_with(ctx, n, args, "inverse") };
}

/// # Safety
/// SQLite calls an aggregate that was made with a hook.
unsafe fn result_of(ctx: *mut ffi::sqlite3_context, method: &str, last: bool) {
    // SAFETY: the caller's promise; the memory is this run's, if there is any.
    unsafe {
        Hook::enter(ffi::sqlite3_user_data(ctx), (), |t, db, class| {
            let run = ffi::sqlite3_aggregate_context(ctx, 0).cast::<Run>();
            if run.is_null() || (*run).id == 0 {
                // There were no rows.
                return;
            }
            let instance = match last {
                true => let_go(t, db, std::mem::take(&mut (*run).id)),
                false => kept(t, db, (*run).id),
            };
            let Some(instance) = instance else {
                return;
            };
            let done = call_method(t, &instance, method, &[])
                .and_then(|r| set_result(t, ctx, r.value()).map_err(|_| Why::Failed));
            if let Err(why) = done {
                fail_method(t, ctx, class, (method, why));
            }
        });
    }
}

pub unsafe extern "C" fn finalize(ctx: *mut ffi::sqlite3_context) {
    // SAFETY: SQLite calls it.
    unsafe { result_of(ctx, "finalize", true) };
}

pub unsafe extern "C" fn value(ctx: *mut ffi::sqlite3_context) {
    // SAFETY: SQLite calls it.
    unsafe { result_of(ctx, "value", false) };
}

// --- collations ---

pub unsafe extern "C" fn collate(
    hook: *mut c_void,
    an: c_int,
    a: *const c_void,
    bn: c_int,
    b: *const c_void,
) -> c_int {
    let bytes = |p: *const c_void, n: c_int| {
        if p.is_null() || n <= 0 {
            &[][..]
        } else {
            // SAFETY: SQLite gives so many bytes.
            unsafe { std::slice::from_raw_parts(p.cast::<u8>(), n as usize) }
        }
    };
    // SAFETY: SQLite calls a collation that was made with this hook.
    unsafe {
        Hook::enter(hook, 0, |t, db, f| {
            if db.raised.lock().is_some() {
                return 0;
            }
            let order = column::decoded(t, bytes(a, an))
                .and_then(|a| Ok([a, column::decoded(t, bytes(b, bn))?]))
                .and_then(|args| call(t, f.value(), &args))
                .and_then(|r| proto::index(t, r.value()));
            match order {
                Ok(order) => sign(order.value()),
                Err(_) => {
                    // Whoever runs the statement is told.
                    let exc = t.take_exc().map(|exc| SharedObj::new(t, exc));
                    *db.raised.lock() = exc;
                    0
                }
            }
        })
    }
}

fn sign(v: Value) -> c_int {
    match int::as_i64(v) {
        Some(i) => i.signum() as c_int,
        None => match int::to_bigint(v).map(|b| b.sign()) {
            Some(num_bigint::Sign::Minus) => -1,
            _ => 1,
        },
    }
}

// --- hooks ---

pub unsafe extern "C" fn authorize(
    hook: *mut c_void,
    action: c_int,
    a: *const c_char,
    b: *const c_char,
    database: *const c_char,
    source: *const c_char,
) -> c_int {
    // SAFETY: SQLite calls the hook that it was given, with C strings or NULL.
    unsafe {
        Hook::enter(hook, ffi::SQLITE_OK, |t, _, f| {
            let mut args = vec![support::int_obj(t, action.into())];
            for p in [a, b, database, source] {
                args.push(if p.is_null() {
                    support::none()
                } else {
                    Str::new(t, &text_of(p))
                });
            }
            let answer = call(t, f.value(), &args).and_then(|r| match int::is_int(r.value()) {
                true => column::c_int(t, r.value()),
                false => Ok(ffi::SQLITE_DENY),
            });
            answer.unwrap_or_else(|_| {
                ignore(t, f);
                ffi::SQLITE_DENY
            })
        })
    }
}

pub unsafe extern "C" fn progress(hook: *mut c_void) -> c_int {
    // SAFETY: SQLite calls the hook that it was given.
    unsafe {
        Hook::enter(hook, 0, |t, _, f| {
            let answer = call(t, f.value(), &[]).and_then(|r| proto::truth(t, r.value()));
            c_int::from(answer.unwrap_or_else(|_| {
                ignore(t, f);
                true
            }))
        })
    }
}

pub unsafe extern "C" fn trace(
    _what: c_uint,
    hook: *mut c_void,
    statement: *mut c_void,
    _sql: *mut c_void,
) -> c_int {
    // SAFETY: SQLite calls the hook that it was given, with a statement; what it makes of that is freed here.
    unsafe {
        let statement = statement.cast::<ffi::sqlite3_stmt>();
        let expanded = ffi::sqlite3_expanded_sql(statement);
        let whole = !expanded.is_null();
        let text = if whole {
            text_of(expanded)
        } else {
            text_of(ffi::sqlite3_sql(statement))
        };
        ffi::sqlite3_free(expanded.cast());
        Hook::enter(hook, (), |t, _, f| {
            if !whole {
                let msg = "Expanded SQL string exceeds the maximum string length";
                let _: Raised = error::raise(t, error::Class::Data, msg.into());
                ignore(t, f);
            }
            let text = Str::from_string(t, text);
            if call(t, f.value(), &[text]).is_err() {
                ignore(t, f);
            }
        });
        0
    }
}
