//! `_pickle`: writing objects as bytes and reading them back.
//!
//! A pickler or unpickler is used by one thread at a time: `running` says so, and who comes second gets RuntimeError. What a call
//! needs for itself lies on its own stack; the memo is the object's, and touched under its lock for a moment at a time.

mod buffer;
mod global;
mod input;
mod load;
mod memo;
mod ops;
mod output;
mod pickler;
mod reduce;
mod save;
mod unpickler;

use crate::support;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::*};
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::runtime::{self, SharedObj};

static PICKLE_ERROR: OnceLock<SharedObj> = OnceLock::new();
static PICKLING_ERROR: OnceLock<SharedObj> = OnceLock::new();
static UNPICKLING_ERROR: OnceLock<SharedObj> = OnceLock::new();

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new(
        "dump",
        "(obj, file, protocol=None, *, fix_imports=True, buffer_callback=None)",
        |t, a| {
            let p = pickler::make(t, Some(a[1]), [a[2], a[3], a[4]])?;
            pickler::dump(t, &p, a[0])?;
            Ok(Value::NONE)
        },
    )
    .doc("Write a pickled representation of obj to the open file object file."),
    NativeDef::new(
        "dumps",
        "(obj, protocol=None, *, fix_imports=True, buffer_callback=None)",
        |t, a| {
            let p = pickler::make(t, None, [a[1], a[2], a[3]])?;
            let bytes = pickler::dump(t, &p, a[0])?;
            Ok(Bytes::from_vec(t, bytes).into())
        },
    )
    .doc("Return the pickled representation of the object as a bytes object."),
    NativeDef::new(
        "load",
        "(file, *, fix_imports=True, encoding='ASCII', errors='strict', buffers=())",
        |t, a| {
            let u = unpickler::make(t, Some(a[0]), [a[1], a[2], a[3], a[4]])?;
            unpickler::load(t, &u, None)
        },
    )
    .doc("Read and return an object from the pickle data stored in a file."),
    NativeDef::new(
        "loads",
        "(data, /, *, fix_imports=True, encoding='ASCII', errors='strict', buffers=())",
        |t, a| {
            let u = unpickler::make(t, None, [a[1], a[2], a[3], a[4]])?;
            unpickler::load(t, &u, Some(a[0]))
        },
    )
    .doc("Read and return an object from the given pickle data."),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let doc = "Optimized C implementation for the Python pickle module.";
    let m = support::module(t, "_pickle", doc, FUNCTIONS);
    let base = exception(t, &PICKLE_ERROR, "PickleError", &errors::EXCEPTION)?;
    let base_type: &'static Type = held(t, &PICKLE_ERROR);
    for (name, class) in [
        ("PicklingError", &PICKLING_ERROR),
        ("UnpicklingError", &UNPICKLING_ERROR),
    ] {
        let class = exception(t, class, name, base_type)?;
        support::add(t, &m, name, class);
    }
    support::add(t, &m, "PickleError", base);
    pickler::MEMO_PROXY.ready(t);
    unpickler::MEMO_PROXY.ready(t);
    support::add_type(t, &m, &pickler::PICKLER);
    support::add_type(t, &m, &unpickler::UNPICKLER);
    support::add_type(t, &m, &buffer::PICKLE_BUFFER);
    Ok(m)
}

/// The class in a cell, made on first use.
fn exception(
    t: &mut Thread,
    cell: &'static OnceLock<SharedObj>,
    name: &str,
    base: &'static Type,
) -> Res<Obj> {
    if cell.get().is_none() {
        let class = crate::_signal::new_exception_class(t, name, "_pickle", &[base])?;
        cell.get_or_init(|| SharedObj::new(t, class));
    }
    Ok(Obj::new(t, held(t, cell).value()))
}

/// The class that a cell holds for ever.
fn held(t: &Thread, cell: &'static OnceLock<SharedObj>) -> &'static Type {
    match cell.get() {
        Some(class) => Type::of_unchecked(class.get(t).value()),
        None => &errors::EXCEPTION,
    }
}

#[cold]
fn pickling_error(t: &Thread, msg: impl Into<String>) -> Raised {
    t.raise(held(t, &PICKLING_ERROR), msg)
}

#[cold]
fn unpickling_error(t: &Thread, msg: impl Into<String>) -> Raised {
    t.raise(held(t, &UNPICKLING_ERROR), msg)
}

/// Raises an error in place of the pending one, which becomes its context.
#[cold]
fn instead(t: &Thread, class: &Type, msg: String) -> Raised {
    let old = t.take_exc();
    let raised = t.raise(class, msg);
    let Some(old) = old else {
        return raised;
    };
    let Some(new) = t.take_exc() else {
        return raised;
    };
    if let Some(e) = errors::Exception::of(new.value()) {
        e.set_context(t, Some(old));
    }
    t.set_exc(new)
}

/// Adds a note to the pending exception.
#[cold]
fn noted(t: &mut Thread, raised: Raised, note: impl FnOnce(&mut Thread) -> String) -> Raised {
    let Some(e) = t.take_exc() else {
        return raised;
    };
    let text = note(t);
    let text = Str::from_string(t, text);
    if proto::call_method(t, e.value(), "add_note", &[text.value()]).is_err() {
        t.clear_exc();
    }
    t.set_exc(e)
}

/// The name of the type of `v`, with its module unless that goes without saying.
fn type_name(t: &Thread, v: Value) -> String {
    let name = type_of(v).full_name(t);
    match name.strip_prefix("__main__.") {
        Some(short) => short.to_owned(),
        None => name,
    }
}

/// What a native may show of `repr(v)` in a message.
fn repr_text(t: &mut Thread, v: Value) -> Res<String> {
    let r = proto::repr(t, v)?;
    Ok(Str::this(r.value()).to_string_lossy())
}

/// An attribute of a module, which is imported.
fn from_module(t: &mut Thread, module: &str, name: &'static str) -> Res<Obj> {
    let m = runtime::import(t, module)?;
    let name = weft_objects::names::get(t, name);
    proto::get_attr(t, m.value(), name)
}

/// Imports the module of that name.
fn import_module(t: &mut Thread, name: Value) -> Res<Obj> {
    let Some(text) = Str::of(name) else {
        return Err(t.type_error("module name must be a string".into()));
    };
    if text.is_empty() {
        return Err(t.value_error("Empty module name"));
    }
    if let Some(s) = text.as_str() {
        runtime::import(t, s)?;
    }
    let modules = runtime::MODULES.of(t).get().unwrap_or(Value::NONE);
    proto::get_item(t, modules, name)
}

/// The object at the end of a dotted path from `root`.
fn walk(t: &mut Thread, root: Obj, path: &[Obj]) -> Res<Obj> {
    let mut at = root;
    for name in path {
        at = proto::get_attr(t, at.value(), Str::this(name.value()))?;
    }
    Ok(at)
}

/// The names in a dotted name.
fn dotted(t: &Thread, name: &Str) -> Vec<Obj> {
    name.as_bytes()
        .split(|b| *b == b'.')
        .map(|part| Str::from_wtf8(t, part))
        .collect()
}

/// Held while a pickler or unpickler is in use.
struct Running<'a>(&'a AtomicBool);

impl<'a> Running<'a> {
    fn enter(t: &Thread, flag: &'a AtomicBool, what: &str) -> Res<Running<'a>> {
        if flag.swap(true, AcqRel) {
            return Err(t.runtime_error(format!("{what} object is already used")));
        }
        Ok(Running(flag))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}
