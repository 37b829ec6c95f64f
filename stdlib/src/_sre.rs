//! `_sre`: compiled regular expressions, what the `re` package is made of.

use crate::support;
use weft_objects::int;
use weft_objects::prelude::*;

mod code;
mod found;
mod machine;
mod pattern;
mod program;
mod scanner;
mod subject;
mod template;

/// Bytes of a code word.
const CODESIZE: i64 = 4;

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("ascii_iscased", "(character, /)", |t, a| {
        let c = support::c_int(t, a[0])? as u32;
        Ok(Value::bool(c < 128 && (c as u8).is_ascii_alphabetic()))
    }),
    NativeDef::new("ascii_tolower", "(character, /)", |t, a| {
        let c = support::c_int(t, a[0])? as u32;
        Ok(Value::int(i64::from(code::ascii_lower(c))))
    }),
    NativeDef::new("unicode_iscased", "(character, /)", |t, a| {
        let c = support::c_int(t, a[0])? as u32;
        Ok(Value::bool(
            c != code::unicode_lower(c) || c != code::unicode_upper(c),
        ))
    }),
    NativeDef::new("unicode_tolower", "(character, /)", |t, a| {
        let c = support::c_int(t, a[0])? as u32;
        Ok(Value::int(i64::from(code::unicode_lower(c))))
    }),
    NativeDef::new("getcodesize", "()", |_, _| Ok(Value::int(CODESIZE))),
    NativeDef::new(
        "compile",
        "(pattern, flags, code, groups, groupindex, indexgroup)",
        pattern::compile,
    ),
    NativeDef::new("template", "(pattern, template, /)", template::new),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    for ty in [
        &pattern::PATTERN,
        &found::MATCH,
        &scanner::SCANNER,
        &scanner::FINDITER,
        &template::TEMPLATE,
    ] {
        ty.ready(t);
    }
    let m = support::module(t, "_sre", "", FUNCTIONS);
    support::add_ints(
        t,
        &m,
        &[
            ("MAGIC", code::MAGIC),
            ("CODESIZE", CODESIZE),
            ("MAXREPEAT", code::MAXREPEAT.into()),
            ("MAXGROUPS", code::MAXGROUPS as i64),
        ],
    );
    Ok(m)
}

/// The int at an optional argument of `Py_ssize_t`.
fn size_or(t: &mut Thread, v: Value, default: isize) -> Res<isize> {
    weft_objects::str::index::size_or(t, v, default)
}

/// A C int.
fn flags_of(t: &mut Thread, v: Value) -> Res<i32> {
    weft_objects::str::index::c_int(t, v, 0)
}

fn int_obj(t: &Thread, n: usize) -> Obj {
    Obj::own(int::from_usize(t, n))
}
