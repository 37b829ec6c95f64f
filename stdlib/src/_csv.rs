//! `_csv`: reading and writing comma-separated values.

use crate::support::{self, add, add_ints};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicIsize, Ordering::*};
use weft_objects::int;
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;

mod dialect;
mod reader;
mod writer;

/// `csv.Error`
static ERROR: OnceLock<SharedObj> = OnceLock::new();
/// The dict of registered dialects.
static DIALECTS: OnceLock<SharedObj> = OnceLock::new();
/// Most characters of a field that is read.
static LIMIT: AtomicIsize = AtomicIsize::new(128 * 1024);

fn error_class(t: &mut Thread) -> Res<Obj> {
    if let Some(class) = ERROR.get() {
        return Ok(class.get(t));
    }
    let class = crate::_signal::new_exception_class(t, "Error", "_csv", &[&errors::EXCEPTION])?;
    Ok(ERROR.get_or_init(|| SharedObj::new(t, class)).get(t))
}

/// Raises `csv.Error`.
fn error(t: &mut Thread, msg: impl Into<String>) -> Raised {
    match error_class(t) {
        Ok(class) => t.raise(Type::of_unchecked(class.value()), msg),
        Err(e) => e,
    }
}

fn dialects(t: &Thread) -> Obj {
    DIALECTS
        .get_or_init(|| SharedObj::new(t, Dict::new(t)))
        .get(t)
}

/// The dialect registered under a name.
fn registered(t: &mut Thread, name: Value) -> Res<Obj> {
    let all = dialects(t);
    match Dict::of_obj(&all).get(t, name)? {
        Some(d) => Ok(Obj::own(d)),
        None => Err(error(t, "unknown dialect")),
    }
}

fn register(t: &mut Thread, args: Args<'_>) -> Res {
    let given = args.pos();
    check_count(t, "register_dialect", given.len())?;
    if Str::of(given[0]).is_none() {
        return Err(t.type_error("dialect name must be a string".into()));
    }
    let d = dialect::from_call(t, args)?;
    let all = dialects(t);
    Dict::of_obj(&all).set(t, given[0], d.value())?;
    Ok(Value::NONE)
}

fn unregister(t: &mut Thread, a: &[Value]) -> Res {
    let all = dialects(t);
    match Dict::of_obj(&all).remove(t, a[0])? {
        Some(_) => Ok(Value::NONE),
        None => Err(error(t, "unknown dialect")),
    }
}

/// One or two positional arguments.
fn check_count(t: &mut Thread, f: &str, n: usize) -> Res<()> {
    match n {
        0 => Err(t.type_error(format!("{f} expected at least 1 argument, got 0"))),
        1 | 2 => Ok(()),
        n => Err(t.type_error(format!("{f} expected at most 2 arguments, got {n}"))),
    }
}

fn field_size_limit(t: &mut Thread, a: &[Value]) -> Res {
    let old = LIMIT.load(Relaxed);
    if !a[0].is_null() {
        if !int::is_int(a[0]) {
            return Err(t.type_error("limit must be an integer".into()));
        }
        LIMIT.store(weft_objects::str::index::size(t, a[0])?, Relaxed);
    }
    Ok(int::from_i64(t, old as i64))
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::raw(
        "reader",
        "(iterable, /, dialect='excel', **fmtparams)",
        reader::new,
    )
    .doc("Return a reader object that will process lines from the given iterable."),
    NativeDef::raw(
        "writer",
        "(fileobj, /, dialect='excel', **fmtparams)",
        writer::new,
    )
    .doc("Return a writer object that will write user data on the given file object."),
    NativeDef::new("list_dialects", "()", |t, _| {
        let all = dialects(t);
        let names = Dict::of_obj(&all)
            .items(t)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        Ok(List::from_vec(t, names).into())
    })
    .doc("Return a list of all known dialect names."),
    NativeDef::raw(
        "register_dialect",
        "(name, /, dialect='excel', **fmtparams)",
        register,
    )
    .doc("Create a mapping from a string name to a CVS dialect."),
    NativeDef::new("unregister_dialect", "(name)", unregister)
        .doc("Delete the name/dialect mapping associated with a string name."),
    NativeDef::new("get_dialect", "(name)", |t, a| {
        registered(t, a[0]).map(Obj::into_value)
    })
    .doc("Return the dialect instance associated with name."),
    NativeDef::new("field_size_limit", "(new_limit=-1)", field_size_limit)
        .doc("Sets an upper limit on parsed fields."),
];

/// When fields are in quotes.
mod quoting {
    pub const MINIMAL: i32 = 0;
    pub const ALL: i32 = 1;
    pub const NONNUMERIC: i32 = 2;
    pub const NONE: i32 = 3;
    pub const STRINGS: i32 = 4;
    pub const NOTNULL: i32 = 5;
}

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_csv", "CSV parsing and writing.", FUNCTIONS);
    let class = error_class(t)?;
    add(t, &m, "Error", class);
    support::add_type(t, &m, &dialect::DIALECT);
    for (name, ty) in [("Reader", &reader::READER), ("Writer", &writer::WRITER)] {
        ty.ready(t);
        add(t, &m, name, Obj::new(t, ty.value()));
    }
    add_ints(
        t,
        &m,
        &[
            ("QUOTE_MINIMAL", quoting::MINIMAL.into()),
            ("QUOTE_ALL", quoting::ALL.into()),
            ("QUOTE_NONNUMERIC", quoting::NONNUMERIC.into()),
            ("QUOTE_NONE", quoting::NONE.into()),
            ("QUOTE_STRINGS", quoting::STRINGS.into()),
            ("QUOTE_NOTNULL", quoting::NOTNULL.into()),
        ],
    );
    let all = dialects(t);
    add(t, &m, "_dialects", all);
    Ok(m)
}
