//! `_symtable`: the compiler's symbol tables as objects.

use crate::compile::Mode;
use crate::compile::table_view::{Kind, Table, flags};
use weft_objects::int;
use weft_objects::prelude::*;
use weft_objects::types::alloc_instance;
use weft_stdlib::support;

/// `symtable entry`
#[repr(C)]
struct Entry {
    header: Header,
    name: Slot,
    symbols: Slot,
    varnames: Slot,
    children: Slot,
    kind: i64,
    nested: bool,
    line: u32,
}

weft_objects::gc_slots!(Entry, traverse, clear, name, symbols, varnames, children);

fn entry<'a>(v: Value) -> &'a Entry {
    // SAFETY: attributes of ENTRY are asked of its instances alone, which have this layout.
    unsafe { &*(v.ptr() as *const Entry) }
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let e = entry(v);
    let name = Str::of(e.name.get()).map_or_else(String::new, |s| s.to_string_lossy());
    let id = proto::identity(v);
    let text = format!("<symtable entry {name}({id}), line {}>", e.line);
    Ok(Str::from_string(t, text).into())
}

static ENTRY: Type = Type::builtin(
    "symtable entry",
    size_of::<Entry>(),
    &Spec {
        repr: Some(repr),
        members: &[
            member("name", std::mem::offset_of!(Entry, name)),
            member("symbols", std::mem::offset_of!(Entry, symbols)),
            member("varnames", std::mem::offset_of!(Entry, varnames)),
            member("children", std::mem::offset_of!(Entry, children)),
        ],
        getset: &[
            GetSetDef::ro("id", |t, v| Ok(int::from_u64(t, proto::identity(v)))),
            GetSetDef::ro("type", |_, v| Ok(Value::int(entry(v).kind))),
            GetSetDef::ro("nested", |_, v| Ok(Value::int(i64::from(entry(v).nested)))),
            GetSetDef::ro("lineno", |_, v| Ok(Value::int(i64::from(entry(v).line)))),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.no_new();

const fn member(name: &'static str, offset: usize) -> MemberDef {
    MemberDef {
        name,
        offset,
        readonly: true,
        none_if_empty: false,
    }
}

/// The objects for a table and all inside it.
fn make(t: &mut Thread, table: &Table) -> Obj {
    let children = table.children.iter().map(|c| make(t, c)).collect();
    let children = List::from_vec(t, children);
    let varnames = table.varnames.iter().map(|n| Str::intern(t, n));
    let varnames = varnames.map(|n| Obj::new(t, n.value())).collect();
    let varnames = List::from_vec(t, varnames);
    let symbols = Dict::new(t);
    if let Some(d) = Dict::of(symbols.value()) {
        for (name, bits) in &table.symbols {
            let name = Str::intern(t, name);
            if let Some(name) = Str::of(name.value()) {
                d.set_str(t, name, Value::int(i64::from(*bits)));
            }
        }
    }
    let name = Str::new(t, &table.name);
    let e = alloc_instance(t, &ENTRY) as *mut Entry;
    // SAFETY: just allocated with this layout; nobody else has it.
    unsafe {
        let header = &(*e).header;
        (*e).name.init(t, header, name.into_value());
        (*e).symbols.init(t, header, symbols.into_value());
        (*e).varnames.init(t, header, varnames.into_value());
        (*e).children.init(t, header, children.into_value());
        (*e).kind = table.kind as i64;
        (*e).nested = table.nested;
        (*e).line = table.line;
        Obj::from_raw(Value::from_ptr(e as *const Header))
    }
}

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
    let table = crate::compile_api::symbol_tables(t, a[0], a[1], mode)?;
    Ok(make(t, &table).into())
}

static FUNCTIONS: &[NativeDef] =
    &[
        NativeDef::new("symtable", "(source, filename, startstr, /)", symtable)
            .doc("Return symbol and scope dictionaries used internally by compiler."),
    ];

static CONSTANTS: &[(&str, u32)] = &[
    ("USE", flags::USE),
    ("DEF_GLOBAL", flags::DEF_GLOBAL),
    ("DEF_NONLOCAL", flags::DEF_NONLOCAL),
    ("DEF_LOCAL", flags::DEF_LOCAL),
    ("DEF_PARAM", flags::DEF_PARAM),
    ("DEF_TYPE_PARAM", flags::DEF_TYPE_PARAM),
    ("DEF_FREE_CLASS", flags::DEF_FREE_CLASS),
    ("DEF_IMPORT", flags::DEF_IMPORT),
    ("DEF_BOUND", flags::DEF_BOUND),
    ("DEF_ANNOT", flags::DEF_ANNOT),
    ("DEF_COMP_ITER", flags::DEF_COMP_ITER),
    ("DEF_COMP_CELL", flags::DEF_COMP_CELL),
    ("TYPE_FUNCTION", Kind::Function as u32),
    ("TYPE_CLASS", Kind::Class as u32),
    ("TYPE_MODULE", Kind::Module as u32),
    ("TYPE_ANNOTATION", Kind::Annotation as u32),
    ("TYPE_TYPE_ALIAS", Kind::TypeAlias as u32),
    ("TYPE_TYPE_PARAMETERS", Kind::TypeParams as u32),
    ("TYPE_TYPE_VARIABLE", Kind::TypeVariable as u32),
    ("LOCAL", flags::LOCAL),
    ("GLOBAL_EXPLICIT", flags::GLOBAL_EXPLICIT),
    ("GLOBAL_IMPLICIT", flags::GLOBAL_IMPLICIT),
    ("FREE", flags::FREE),
    ("CELL", flags::CELL),
    ("SCOPE_OFF", flags::SCOPE_OFF),
    ("SCOPE_MASK", flags::SCOPE_MASK),
];

/// Makes the module.
///
/// # Errors
/// None in practice.
pub fn module(t: &mut Thread) -> Res<Obj> {
    ENTRY.ready(t);
    let m = support::module(t, "_symtable", "", FUNCTIONS);
    for (name, n) in CONSTANTS {
        support::add_ints(t, &m, &[(name, i64::from(*n))]);
    }
    Ok(m)
}
