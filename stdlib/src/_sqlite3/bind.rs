//! Parameters of statements.

use super::adapt;
use super::column::{encoded, integer};
use super::db::Turn;
use super::error::{self, Class};
use super::statement::Statement;
use libsqlite3_sys as ffi;
use std::ffi::{CStr, c_int};
use weft_objects::prelude::*;
use weft_objects::{buffer, float, int};

/// The parameters that a statement has: their names, with the character before them.
pub struct Wanted(Vec<Option<Vec<u8>>>);

impl Wanted {
    pub fn by(_turn: &Turn<'_>, statement: &Statement) -> Wanted {
        let raw = statement.raw();
        // SAFETY: a statement of an open database, or NULL; the turn is held.
        let n = unsafe { ffi::sqlite3_bind_parameter_count(raw) };
        let name = |i| {
            // SAFETY: as above; a C string, or NULL.
            let p = unsafe { ffi::sqlite3_bind_parameter_name(raw, i) };
            // SAFETY: as above.
            (!p.is_null()).then(|| unsafe { CStr::from_ptr(p) }.to_bytes().to_vec())
        };
        Wanted((1..=n).map(name).collect())
    }
}

/// The values for all parameters, adapted. Runs Python code.
///
/// # Errors
/// ProgrammingError if they do not fit; what adapters raise.
pub fn gather(t: &mut Thread, wanted: &Wanted, given: Value) -> Res<Vec<Obj>> {
    let is_dict = Dict::of(given).is_some();
    let plain = Tuple::exact(given).is_some() || List::exact(given).is_some();
    if plain || !is_dict && is_sequence(t, given) {
        from_sequence(t, wanted, given)
    } else if is_dict {
        from_dict(t, wanted, given)
    } else {
        Err(error::programming(t, "parameters are of unsupported type"))
    }
}

fn is_sequence(t: &Thread, v: Value) -> bool {
    proto::is_sequence(t, v)
}

fn from_sequence(t: &mut Thread, wanted: &Wanted, given: Value) -> Res<Vec<Obj>> {
    let n = proto::len(t, given)?;
    let needed = wanted.0.len();
    if n != needed {
        let msg = format!(
            "Incorrect number of bindings supplied. The current statement uses {needed}, and there are {n} supplied."
        );
        return Err(error::raise(t, Class::Programming, msg));
    }
    let mut out = Vec::with_capacity(n);
    for (i, name) in wanted.0.iter().enumerate() {
        if let Some(name) = name.as_ref().filter(|name| name.first() != Some(&b'?')) {
            let name = String::from_utf8_lossy(name);
            let i = i + 1;
            let msg = format!(
                "Binding {i} ('{name}') is a named parameter, but you supplied a sequence which requires nameless (qmark) placeholders."
            );
            return Err(error::raise(t, Class::Programming, msg));
        }
        // Adapters may change a list meanwhile.
        let v = match Tuple::exact(given) {
            Some(tuple) => Obj::new(t, tuple.get(i)),
            None => proto::get_item(t, given, Value::int(i as i64))?,
        };
        out.push(adapt::prepared(t, v)?);
    }
    Ok(out)
}

fn from_dict(t: &mut Thread, wanted: &Wanted, given: Value) -> Res<Vec<Obj>> {
    let mut out = Vec::with_capacity(wanted.0.len());
    for (i, name) in wanted.0.iter().enumerate() {
        let Some(name) = name else {
            let i = i + 1;
            let msg = format!(
                "Binding {i} has no name, but you supplied a dictionary (which has only names)."
            );
            return Err(error::raise(t, Class::Programming, msg));
        };
        let key = super::column::shown(t, &name[1..]);
        let v = match proto::get_item(t, given, key.value()) {
            Ok(v) => v,
            Err(_) if t.exc_matches(&errors::LOOKUP_ERROR) => {
                t.clear_exc();
                let name = String::from_utf8_lossy(&name[1..]);
                let msg = format!("You did not supply a value for binding parameter :{name}.");
                return Err(error::raise(t, Class::Programming, msg));
            }
            Err(e) => return Err(e),
        };
        out.push(adapt::prepared(t, v)?);
    }
    Ok(out)
}

/// What SQLite is told of a value: views of buffers are taken before its turn, as that may run Python code.
pub enum Bound {
    Null,
    Int(i64),
    Float(f64),
    Text(Obj),
    Bytes(buffer::Buffer),
}

/// The values as SQLite takes them.
///
/// # Errors
/// ProgrammingError for what it cannot store; OverflowError, UnicodeEncodeError, BufferError.
pub fn bound(t: &mut Thread, values: Vec<Obj>) -> Res<Vec<Bound>> {
    let mut out = Vec::with_capacity(values.len());
    for (i, o) in values.into_iter().enumerate() {
        let v = o.value();
        out.push(if v.is_none() {
            Bound::Null
        } else if int::is_int(v) {
            Bound::Int(integer(t, v)?)
        } else if let Some(f) = float::as_f64(v) {
            Bound::Float(f)
        } else if let Some(s) = Str::of(v) {
            encoded(t, s)?;
            Bound::Text(o)
        } else if buffer::is_exporter(v) {
            Bound::Bytes(buffer::get(t, v)?)
        } else {
            let (i, got) = (i + 1, type_of(v).name());
            let msg = format!("Error binding parameter {i}: type '{got}' is not supported");
            return Err(error::raise(t, Class::Programming, msg));
        });
    }
    Ok(out)
}

/// Gives SQLite the values.
///
/// # Errors
/// What it says.
pub fn bind(t: &mut Thread, turn: &Turn<'_>, statement: &Statement, all: &[Bound]) -> Res<()> {
    let raw = statement.raw();
    for (i, b) in all.iter().enumerate() {
        let i = i as c_int + 1;
        // SAFETY: a statement of an open database, the turn is held; SQLite copies text and bytes.
        let code = unsafe {
            match b {
                Bound::Null => ffi::sqlite3_bind_null(raw, i),
                Bound::Int(n) => ffi::sqlite3_bind_int64(raw, i, *n),
                Bound::Float(f) => ffi::sqlite3_bind_double(raw, i, *f),
                Bound::Text(o) => {
                    let text = Str::this(o.value()).as_bytes();
                    let (p, n) = (text.as_ptr().cast(), text.len() as u64);
                    let kind = ffi::SQLITE_UTF8 as u8;
                    ffi::sqlite3_bind_text64(raw, i, p, n, ffi::SQLITE_TRANSIENT(), kind)
                }
                Bound::Bytes(b) => {
                    let p = match b.len {
                        // NULL would be SQL's NULL.
                        0 => c"".as_ptr().cast(),
                        _ => b.as_bytes().as_ptr().cast(),
                    };
                    ffi::sqlite3_bind_blob64(raw, i, p, b.len as u64, ffi::SQLITE_TRANSIENT())
                }
            }
        };
        if code != ffi::SQLITE_OK {
            let fault = turn.fault();
            return Err(error::fault(t, fault));
        }
    }
    Ok(())
}
