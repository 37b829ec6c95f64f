//! The module's exceptions, and SQLite's result codes as such.

use super::constants::ERROR_CODES;
use super::db::Fault;
use crate::support;
use libsqlite3_sys as ffi;
use std::sync::OnceLock;
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;

/// The exceptions that PEP 249 names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Warning,
    Error,
    Interface,
    Database,
    Internal,
    Operational,
    Programming,
    Integrity,
    Data,
    NotSupported,
}

/// Each with its name and base.
const CLASSES: [(Class, &str, Option<Class>); 10] = [
    (Class::Warning, "Warning", None),
    (Class::Error, "Error", None),
    (Class::Interface, "InterfaceError", Some(Class::Error)),
    (Class::Database, "DatabaseError", Some(Class::Error)),
    (Class::Internal, "InternalError", Some(Class::Database)),
    (
        Class::Operational,
        "OperationalError",
        Some(Class::Database),
    ),
    (
        Class::Programming,
        "ProgrammingError",
        Some(Class::Database),
    ),
    (Class::Integrity, "IntegrityError", Some(Class::Database)),
    (Class::Data, "DataError", Some(Class::Database)),
    (
        Class::NotSupported,
        "NotSupportedError",
        Some(Class::Database),
    ),
];

static MADE: [OnceLock<SharedObj>; 10] = [const { OnceLock::new() }; 10];

/// Makes the classes.
///
/// # Errors
/// If there is no memory.
pub fn ready(t: &mut Thread) -> Res<()> {
    for (class, name, base) in CLASSES {
        let cell = &MADE[class as usize];
        if cell.get().is_some() {
            continue;
        }
        let made = match base {
            None => {
                let bases = [&errors::EXCEPTION];
                crate::_signal::new_exception_class(t, name, "sqlite3", &bases)?
            }
            Some(base) => {
                let base = self::class(t, base);
                derived(t, name, &base)?
            }
        };
        cell.get_or_init(|| SharedObj::new(t, made));
    }
    Ok(())
}

fn derived(t: &mut Thread, name: &str, base: &Obj) -> Res<Obj> {
    let (name, module) = (Str::intern(t, name), Str::intern(t, "sqlite3"));
    let bases = Tuple::from_slice(t, &[base.value()]);
    let ns = Dict::new(t);
    Dict::of_obj(&ns).set_str(t, weft_objects::id!(t, "__module__"), module.value());
    let metaclass = weft_objects::types::TYPE.value();
    proto::call(t, metaclass, &[name.value(), bases.value(), ns.value()])
}

/// The class.
pub fn class(t: &Thread, class: Class) -> Obj {
    match MADE[class as usize].get() {
        Some(made) => made.get(t),
        // Only before the module has been made.
        None => Obj::new(t, errors::EXCEPTION.value()),
    }
}

/// All of them with their names.
pub fn all(t: &Thread) -> impl Iterator<Item = (&'static str, Obj)> {
    CLASSES
        .iter()
        .map(move |(c, name, _)| (*name, class(t, *c)))
}

/// Raises one of them.
#[cold]
pub fn raise(t: &mut Thread, which: Class, msg: String) -> Raised {
    let class = class(t, which);
    t.raise(Type::of_unchecked(class.value()), msg)
}

/// ProgrammingError.
#[cold]
pub fn programming(t: &mut Thread, msg: &str) -> Raised {
    raise(t, Class::Programming, msg.into())
}

fn class_of(code: i32) -> Class {
    match code {
        ffi::SQLITE_INTERNAL | ffi::SQLITE_NOTFOUND => Class::Internal,
        ffi::SQLITE_ERROR
        | ffi::SQLITE_PERM
        | ffi::SQLITE_ABORT
        | ffi::SQLITE_BUSY
        | ffi::SQLITE_LOCKED
        | ffi::SQLITE_READONLY
        | ffi::SQLITE_INTERRUPT
        | ffi::SQLITE_IOERR
        | ffi::SQLITE_FULL
        | ffi::SQLITE_CANTOPEN
        | ffi::SQLITE_PROTOCOL
        | ffi::SQLITE_EMPTY
        | ffi::SQLITE_SCHEMA => Class::Operational,
        ffi::SQLITE_TOOBIG => Class::Data,
        ffi::SQLITE_CONSTRAINT | ffi::SQLITE_MISMATCH => Class::Integrity,
        ffi::SQLITE_MISUSE | ffi::SQLITE_RANGE => Class::Interface,
        _ => Class::Database,
    }
}

/// A result code's name.
fn name_of(code: i32) -> &'static str {
    let found = ERROR_CODES.iter().find(|(_, c)| *c == i64::from(code));
    found.map_or("unknown", |(name, _)| *name)
}

/// Raises what SQLite has said.
#[cold]
pub fn fault(t: &mut Thread, fault: Fault) -> Raised {
    if fault.code == ffi::SQLITE_NOMEM {
        return t.memory_error();
    }
    let class = class(t, class_of(fault.code));
    let made = (|| {
        let msg = Str::from_string(t, fault.text);
        let exc = proto::call(t, class.value(), &[msg.value()])?;
        let name = Str::new(t, name_of(fault.extended));
        let fields = [
            (
                "sqlite_errorcode",
                support::int_obj(t, fault.extended.into()),
            ),
            ("sqlite_errorname", name),
        ];
        for (name, v) in fields {
            let name = weft_objects::names::get(t, name);
            proto::set_attr(t, exc.value(), name, v.value())?;
        }
        Ok(exc)
    })();
    match made {
        Ok(exc) => t.raise_value(exc),
        Err(e) => e,
    }
}
