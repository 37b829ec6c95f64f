//! The module `_symtable`: the compiler's symbol tables as objects.

use crate::compile::{Mode, Table};
use crate::compile_api;
use std::mem::offset_of;
use weft_objects::cell::fresh;
use weft_objects::gc_slots;
use weft_objects::native::MemberDef;
use weft_objects::prelude::*;
use weft_stdlib::support::{self, int_obj};

/// One table. Nothing in it changes.
#[repr(C)]
struct Entry {
    header: Header,
    id: Slot,
    name: Slot,
    symbols: Slot,
    varnames: Slot,
    children: Slot,
    kind: Slot,
    nested: Slot,
    line: Slot,
}

gc_slots!(
    Entry, traverse, clear, id, name, symbols, varnames, children, kind, nested, line
);

const fn member(name: &'static str, offset: usize) -> MemberDef {
    MemberDef {
        name,
        offset,
        readonly: true,
        none_if_empty: true,
    }
}

static ENTRY: Type = Type::builtin(
    "symtable entry",
    size_of::<Entry>(),
    &Spec {
        repr: Some(|t, v| {
            // SAFETY: the slots of ENTRY get its instances alone.
            let e = unsafe { &*(v.ptr() as *const Entry) };
            let text = |t: &mut Thread, s: &Slot| -> Res<String> {
                let o = Obj::new(t, s.get());
                let s = proto::str(t, o.value())?;
                Ok(Str::this(s.value()).to_string_lossy())
            };
            let (name, id, line) = (text(t, &e.name)?, text(t, &e.id)?, text(t, &e.line)?);
            let s = format!("<symtable entry {name}({id}), line {line}>");
            Ok(Str::from_string(t, s).into())
        }),
        members: &[
            member("id", offset_of!(Entry, id)),
            member("name", offset_of!(Entry, name)),
            member("symbols", offset_of!(Entry, symbols)),
            member("varnames", offset_of!(Entry, varnames)),
            member("children", offset_of!(Entry, children)),
            member("type", offset_of!(Entry, kind)),
            member("nested", offset_of!(Entry, nested)),
            member("lineno", offset_of!(Entry, line)),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.final_()
.no_new();

/// The object for a table whose children have theirs already.
fn entry(t: &Thread, table: &Table, children: Vec<Obj>) -> Obj {
    let symbols = Dict::with_capacity(t, table.symbols.len());
    for (name, word) in &table.symbols {
        let name = Str::intern(t, name);
        Dict::of_obj(&symbols).set_str(t, Str::this(name.value()), Value::int((*word).into()));
    }
    let params = table.params.iter().map(|p| Str::intern(t, p)).collect();
    // SAFETY: the layout of ENTRY.
    let (o, e) = unsafe { fresh::<Entry>(t, &ENTRY) };
    let id = int_obj(t, proto::identity(o.value()) as i64);
    for (slot, made) in [
        (&e.id, id),
        (&e.name, Str::intern(t, &table.name)),
        (&e.symbols, symbols),
        (&e.varnames, List::from_vec(t, params)),
        (&e.children, List::from_vec(t, children)),
        (&e.kind, int_obj(t, table.kind.into())),
        (&e.nested, int_obj(t, table.nested.into())),
        (&e.line, int_obj(t, table.line.into())),
    ] {
        slot.init(t, &e.header, made.into_value());
    }
    o
}

/// `_symtable.symtable(source, filename, mode)`
fn symtable(t: &mut Thread, a: &[Value]) -> Res {
    let Some(mode) = Str::of(a[2]) else {
        let got = type_of(a[2]).name();
        return Err(t.type_error(format!("symtable() argument 3 must be str, not {got}")));
    };
    let mode = match mode.as_str() {
        Some("exec") => Mode::Exec,
        Some("eval") => Mode::Eval,
        Some("single") => Mode::Single,
        _ => {
            let msg = "symtable() arg 3 must be 'exec' or 'eval' or 'single'";
            return Err(t.value_error(msg));
        }
    };
    let tables = compile_api::symbol_tables(t, a[0], a[1], mode, "symtable")?;
    // Each is behind the one that it is in.
    let mut made: Vec<Option<Obj>> = tables.iter().map(|_| None).collect();
    for (i, table) in tables.iter().enumerate().rev() {
        let children = table
            .children
            .iter()
            .filter_map(|c| made[*c].take())
            .collect();
        made[i] = Some(entry(t, table, children));
    }
    match made.into_iter().next().flatten() {
        Some(top) => Ok(top.into()),
        None => Err(t.system_error("no symbol table")),
    }
}

/// Makes the module.
pub fn module(t: &mut Thread) -> Res<Obj> {
    static FUNCTIONS: &[NativeDef] =
        &[
            NativeDef::new("symtable", "(source, filename, startstr, /)", symtable)
                .doc("Return symbol and scope dictionaries used internally by compiler."),
        ];
    ENTRY.ready(t);
    let m = support::module(t, "_symtable", "", FUNCTIONS);
    let ints = [
        ("USE", 16),
        ("DEF_GLOBAL", 1),
        ("DEF_NONLOCAL", 8),
        ("DEF_LOCAL", 2),
        ("DEF_PARAM", 4),
        ("DEF_TYPE_PARAM", 1024),
        ("DEF_FREE_CLASS", 64),
        ("DEF_IMPORT", 128),
        ("DEF_BOUND", 134),
        ("DEF_ANNOT", 256),
        ("DEF_COMP_ITER", 512),
        ("DEF_COMP_CELL", 2048),
        ("TYPE_FUNCTION", 0),
        ("TYPE_CLASS", 1),
        ("TYPE_MODULE", 2),
        ("TYPE_ANNOTATION", 3),
        ("TYPE_TYPE_ALIAS", 4),
        ("TYPE_TYPE_PARAMETERS", 5),
        ("TYPE_TYPE_VARIABLE", 6),
        ("LOCAL", 1),
        ("GLOBAL_EXPLICIT", 2),
        ("GLOBAL_IMPLICIT", 3),
        ("FREE", 4),
        ("CELL", 5),
        ("SCOPE_OFF", 12),
        ("SCOPE_MASK", 15),
    ];
    support::add_ints(t, &m, &ints);
    Ok(m)
}
