//! `_sqlite3`: databases in files, by SQLite, which is part of the program.

use crate::support;
use libsqlite3_sys as ffi;
use std::sync::Once;
use std::sync::atomic::Ordering::*;
use weft_objects::prelude::*;

mod adapt;
mod bind;
mod blob;
mod callback;
mod column;
mod connection;
mod constants;
mod copy;
mod create;
mod cursor;
mod db;
mod error;
mod fetch;
mod row;
mod statement;

/// `connect(database, ...)`: the factory is called with all that is given.
fn connect(t: &mut Thread, args: Args<'_>) -> Res {
    connection::warn_positional(t, args.pos().len(), "sqlite3.connect")?;
    let named = args
        .keywords()
        .find(|(name, _)| Str::of(*name).is_some_and(|n| n.is("factory")));
    let factory = match (named, args.pos().get(5)) {
        (Some((_, f)), _) => f,
        (None, Some(f)) => *f,
        (None, None) => connection::CONNECTION.value(),
    };
    proto::call_kw(t, factory, args).map(Obj::into_value)
}

fn complete_statement(t: &mut Thread, a: &[Value]) -> Res {
    let sql = column::c_argument(t, a[0], "complete_statement() argument 'statement'")?;
    // SAFETY: a C string.
    let complete = t.blocking(|| unsafe { ffi::sqlite3_complete(sql.as_ptr()) });
    Ok(Value::bool(complete != 0))
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::raw(
        "connect",
        "(database, timeout=5.0, detect_types=0, isolation_level='', check_same_thread=True, factory=ConnectionType, cached_statements=128, uri=False, *, autocommit=sqlite3.LEGACY_TRANSACTION_CONTROL)",
        connect,
    )
    .doc("Open a connection to the SQLite database file 'database'.\n\nYou can use \":memory:\" to open a database connection to a database that\nresides in RAM instead of on disk."),
    NativeDef::new(
        "adapt",
        "(obj, proto=PrepareProtocolType, alt=<unrepresentable>, /)",
        adapt::adapt_function,
    )
    .doc("Adapt given object to given protocol."),
    NativeDef::new("complete_statement", "(statement)", complete_statement)
        .doc("Checks if a string contains a complete SQL statement."),
    NativeDef::new("enable_callback_tracebacks", "(enable, /)", |t, a| {
        callback::TRACEBACKS.store(proto::truth(t, a[0])?, Relaxed);
        Ok(Value::NONE)
    })
    .doc("Enable or disable callback functions throwing errors to stderr."),
    NativeDef::new("register_adapter", "(type, adapter, /)", adapt::register_adapter)
        .doc("Register a function to adapt Python objects to SQLite values."),
    NativeDef::new("register_converter", "(typename, converter, /)", adapt::register_converter)
        .doc("Register a function to convert SQLite values to Python objects."),
];

/// Tells SQLite once how it is used here.
fn configure() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: before SQLite is used at all. It need not count what memory it uses, for which all threads would take one lock.
        unsafe {
            ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0 as std::ffi::c_int);
            ffi::sqlite3_initialize();
        }
    });
}

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    configure();
    let m = support::module(t, "_sqlite3", "", FUNCTIONS);
    error::ready(t)?;
    for (name, class) in error::all(t).collect::<Vec<_>>() {
        support::add(t, &m, name, class);
    }
    for ty in [
        &connection::CONNECTION,
        &cursor::CURSOR,
        &row::ROW,
        &blob::BLOB,
        &adapt::PREPARE_PROTOCOL,
    ] {
        support::add_type(t, &m, ty);
    }
    connection::STATEMENT.ready(t);
    support::add(t, &m, "adapters", adapt::adapters(t));
    support::add(t, &m, "converters", adapt::converters(t));
    support::add_ints(t, &m, constants::ERROR_CODES);
    support::add_ints(t, &m, constants::OTHERS);
    // SAFETY: static text, and a plain function.
    let (version, safe) = unsafe {
        (
            db::text_of(ffi::sqlite3_libversion()),
            ffi::sqlite3_threadsafe(),
        )
    };
    let version = Str::new(t, &version);
    support::add(t, &m, "sqlite_version", version);
    let more = [
        ("PARSE_DECLTYPES", fetch::DECLTYPES.into()),
        ("PARSE_COLNAMES", fetch::COLNAMES.into()),
        ("LEGACY_TRANSACTION_CONTROL", connection::LEGACY),
        // SQLite numbers its modes otherwise than PEP 249 its levels.
        (
            "threadsafety",
            [0, 3, 1].get(safe as usize).copied().unwrap_or(0),
        ),
    ];
    support::add_ints(t, &m, &more);
    Ok(m)
}
