//! What a connection has SQLite call: functions, aggregates, collations, hooks.

use super::callback::{self, Hook};
use super::column::{c_argument, c_int};
use super::connection::{Connection, turn};
use super::db::{Kind, Turn};
use super::error::{self, Class};
use libsqlite3_sys as ffi;
use std::ffi::{CString, c_void};
use weft_objects::native::BoundArgs;
use weft_objects::prelude::*;

/// Warns of arguments that are given by name and will not be any more. `args` counts the connection.
fn warn_keywords(t: &mut Thread, args: Args<'_>, method: &str, names: &[&str]) -> Res<()> {
    if args.pos().len() > names.len() || !args.has_keywords() {
        return Ok(());
    }
    let text = match names {
        [name] => format!(
            "Passing keyword argument '{name}' to _sqlite3.Connection.{method}() is deprecated. Parameter '{name}' will become positional-only in Python 3.15."
        ),
        _ => {
            let quoted: Vec<String> = names.iter().map(|n| format!("'{n}'")).collect();
            let (last, first) = quoted.split_last().unwrap_or((&quoted[0], &[]));
            let list = format!("{} and {last}", first.join(", "));
            format!(
                "Passing keyword arguments {list} to _sqlite3.Connection.{method}() is deprecated. Parameters {list} will become positional-only in Python 3.15."
            )
        }
    };
    crate::_warnings::warn_text(t, &errors::DEPRECATION_WARNING, &text, 1)
}

/// The connection, and the arguments behind it by a signature.
fn bound(t: &mut Thread, sig: &SigCell, args: Args<'_>) -> Res<(Value, BoundArgs)> {
    let rest = Args::new(&args.all()[1..], args.names());
    Ok((args.all()[0], sig.bind(t, rest)?))
}

/// How many arguments a function takes, which SQLite limits.
fn check_count(t: &mut Thread, turn: &Turn<'_>, n: i32, what: &str) -> Res<()> {
    let limit = turn.limit(ffi::SQLITE_LIMIT_FUNCTION_ARG);
    if (-1..=limit).contains(&n) {
        return Ok(());
    }
    let msg = format!("'{what}' must be between -1 and {limit}, not {n}");
    Err(error::raise(t, Class::Programming, msg))
}

/// The hook for a callable, None for none, as SQLite takes it over.
fn given_away(t: &mut Thread, turn: &Turn<'_>, callable: Value) -> Res<*mut c_void> {
    if callable.is_none() {
        return Ok(std::ptr::null_mut());
    }
    let hook = Hook::new(t, turn.db, callable)?;
    Ok(Box::into_raw(hook).cast())
}

/// `create_function(name, narg, func, *, deterministic=False)`
pub fn function(t: &mut Thread, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new(
        "create_function",
        "(name, narg, func, *, deterministic=False)",
    );
    warn_keywords(t, args, "create_function", &["name", "narg", "func"])?;
    let (v, a) = bound(t, &SIG, args)?;
    let name = c_argument(t, a[0], "create_function() argument 'name'")?;
    let n = c_int(t, a[1])?;
    let deterministic = crate::support::truth_or(t, a[3], false)?;
    let db = Connection::this(v).usable(t)?;
    let turn = turn(t, &db)?;
    check_count(t, &turn, n, "narg")?;
    let hook = given_away(t, &turn, a[2])?;
    let flags = ffi::SQLITE_UTF8
        | if deterministic {
            ffi::SQLITE_DETERMINISTIC
        } else {
            0
        };
    let call = (!hook.is_null()).then_some(callback::function as _);
    // SAFETY: open, and the turn is held; SQLite frees the hook, also if it does not take it.
    let code = unsafe {
        ffi::sqlite3_create_function_v2(
            turn.raw(),
            name.as_ptr(),
            n,
            flags,
            hook,
            call,
            None,
            None,
            (!hook.is_null()).then_some(callback::free_hook as _),
        )
    };
    if code != ffi::SQLITE_OK {
        return Err(error::raise(
            t,
            Class::Operational,
            "Error creating function".into(),
        ));
    }
    Ok(Value::NONE)
}

/// `create_aggregate(name, n_arg, aggregate_class)`
pub fn aggregate(t: &mut Thread, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("create_aggregate", "(name, n_arg, aggregate_class)");
    warn_keywords(
        t,
        args,
        "create_aggregate",
        &["name", "n_arg", "aggregate_class"],
    )?;
    let (v, a) = bound(t, &SIG, args)?;
    let name = c_argument(t, a[0], "create_aggregate() argument 'name'")?;
    let n = c_int(t, a[1])?;
    let db = Connection::this(v).usable(t)?;
    let turn = turn(t, &db)?;
    check_count(t, &turn, n, "n_arg")?;
    let hook = given_away(t, &turn, a[2])?;
    let is = !hook.is_null();
    // SAFETY: as in `function`.
    let code = unsafe {
        ffi::sqlite3_create_function_v2(
            turn.raw(),
            name.as_ptr(),
            n,
            ffi::SQLITE_UTF8,
            hook,
            None,
            is.then_some(callback::step as _),
            is.then_some(callback::finalize as _),
            is.then_some(callback::free_hook as _),
        )
    };
    if code != ffi::SQLITE_OK {
        return Err(error::raise(
            t,
            Class::Operational,
            "Error creating aggregate".into(),
        ));
    }
    Ok(Value::NONE)
}

/// `create_window_function(name, num_params, aggregate_class, /)`
pub fn window_function(t: &mut Thread, a: &[Value]) -> Res {
    let c = Connection::this(a[0]);
    let name = c_argument(t, a[1], "create_window_function() argument 1")?;
    let n = c_int(t, a[2])?;
    let db = c.usable(t)?;
    let turn = turn(t, &db)?;
    check_count(t, &turn, n, "num_params")?;
    let hook = given_away(t, &turn, a[3])?;
    let is = !hook.is_null();
    // SAFETY: as in `function`.
    let code = unsafe {
        ffi::sqlite3_create_window_function(
            turn.raw(),
            name.as_ptr(),
            n,
            ffi::SQLITE_UTF8,
            hook,
            is.then_some(callback::step as _),
            is.then_some(callback::finalize as _),
            is.then_some(callback::value as _),
            is.then_some(callback::inverse as _),
            is.then_some(callback::free_hook as _),
        )
    };
    if code != ffi::SQLITE_OK {
        let fault = turn.fault();
        return Err(error::fault(t, fault));
    }
    Ok(Value::NONE)
}

/// `create_collation(name, callback, /)`
pub fn collation(t: &mut Thread, a: &[Value]) -> Res {
    let c = Connection::this(a[0]);
    c.usable(t)?;
    let name: CString = c_argument(t, a[1], "create_collation() argument 1")?;
    if !a[2].is_none() && !proto::is_callable(a[2]) {
        return Err(t.type_error("parameter must be callable".into()));
    }
    let db = c.usable(t)?;
    let turn = turn(t, &db)?;
    let hook = given_away(t, &turn, a[2])?;
    let is = !hook.is_null();
    // SAFETY: open, and the turn is held; SQLite frees the hook when it has taken it.
    let code = unsafe {
        ffi::sqlite3_create_collation_v2(
            turn.raw(),
            name.as_ptr(),
            ffi::SQLITE_UTF8,
            hook,
            is.then_some(callback::collate as _),
            is.then_some(callback::free_hook as _),
        )
    };
    if code != ffi::SQLITE_OK {
        let fault = turn.fault();
        if is {
            // SAFETY: SQLite has not taken it.
            unsafe { callback::free_hook(hook) };
        }
        return Err(error::fault(t, fault));
    }
    Ok(Value::NONE)
}

/// Sets one of the hooks that there is one of.
fn set_hook(
    t: &mut Thread,
    v: Value,
    callable: Option<Value>,
    kind: Kind,
    set: impl FnOnce(*mut ffi::sqlite3, *mut c_void) -> i32,
) -> Res {
    let db = Connection::this(v).usable(t)?;
    let turn = turn(t, &db)?;
    let hook = match callable {
        Some(f) => Some(Hook::new(t, &db, f)?),
        None => None,
    };
    let raw = turn.raw();
    let code = db.set_hook(kind, hook, |hook| set(raw, hook));
    if code != ffi::SQLITE_OK {
        let msg = "Error setting authorizer callback".to_owned();
        return Err(error::raise(t, Class::Operational, msg));
    }
    // What was called before may be running just now, and is held there.
    callback::clear_up(t, &db);
    Ok(Value::NONE)
}

fn some(v: Value) -> Option<Value> {
    (!v.is_none()).then_some(v)
}

/// `set_authorizer(authorizer_callback)`
pub fn authorizer(t: &mut Thread, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("set_authorizer", "(authorizer_callback)");
    warn_keywords(t, args, "set_authorizer", &["authorizer_callback"])?;
    let (v, a) = bound(t, &SIG, args)?;
    set_hook(t, v, some(a[0]), Kind::Authorizer, |raw, hook| {
        let call = (!hook.is_null()).then_some(callback::authorize as _);
        // SAFETY: open, and the turn is held; the hook stays until there is another one.
        unsafe { ffi::sqlite3_set_authorizer(raw, call, hook) }
    })
}

/// `set_progress_handler(progress_handler, n)`
pub fn progress(t: &mut Thread, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("set_progress_handler", "(progress_handler, n)");
    warn_keywords(t, args, "set_progress_handler", &["progress_handler"])?;
    let (v, a) = bound(t, &SIG, args)?;
    let n = c_int(t, a[1])?;
    set_hook(t, v, some(a[0]), Kind::Progress, |raw, hook| {
        let call = (!hook.is_null()).then_some(callback::progress as _);
        // SAFETY: as for the authorizer.
        unsafe { ffi::sqlite3_progress_handler(raw, n, call, hook) };
        ffi::SQLITE_OK
    })
}

/// `set_trace_callback(trace_callback)`
pub fn trace(t: &mut Thread, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("set_trace_callback", "(trace_callback)");
    warn_keywords(t, args, "set_trace_callback", &["trace_callback"])?;
    let (v, a) = bound(t, &SIG, args)?;
    set_hook(t, v, some(a[0]), Kind::Trace, |raw, hook| {
        let (what, call) = match hook.is_null() {
            true => (0, None),
            false => (ffi::SQLITE_TRACE_STMT, Some(callback::trace as _)),
        };
        // SAFETY: as for the authorizer.
        unsafe { ffi::sqlite3_trace_v2(raw, what, call, hook) }
    })
}
