//! ImportError, AttributeError and NameError: exceptions that take what they are about as keyword arguments.

use super::*;

/// Binds the keyword-only fields `names`, in their order; the positional arguments go into `args`.
fn init_with(
    t: &mut Thread,
    v: Value,
    args: Args<'_>,
    what: &str,
    names: &[&str],
) -> Res<Vec<Value>> {
    let mut found = vec![Value::NULL; names.len()];
    for (name, value) in args.keywords() {
        let name = Str::of(name).map_or_else(String::new, |s| s.to_string_lossy());
        match names.iter().position(|n| **n == name) {
            Some(i) => found[i] = value,
            None => {
                return Err(t.type_error(format!(
                    "{what}() got an unexpected keyword argument '{name}'"
                )));
            }
        }
    }
    set_args(t, v, args.pos());
    Ok(found)
}

// ImportError's fields.
const MSG: usize = 0;
const NAME: usize = 1;
const PATH: usize = 2;
const NAME_FROM: usize = 3;

fn import_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    let found = init_with(t, v, args, "ImportError", &["name", "path", "name_from"])?;
    let f = fields::<4>(v);
    f.set(t, NAME, found[0]);
    f.set(t, PATH, found[1]);
    f.set(t, NAME_FROM, found[2]);
    let msg = match args.pos() {
        [msg] => *msg,
        _ => Value::NULL,
    };
    f.set(t, MSG, msg);
    Ok(())
}

fn import_str(t: &mut Thread, v: Value) -> Res {
    let msg = fields::<4>(v).get(MSG);
    if Str::exact(msg).is_some() {
        Ok(to_reg(t, msg))
    } else {
        base_str(t, v)
    }
}

/// A copy of the instance's dict with the fields added that are set; `None` if there is nothing to say.
fn state(t: &mut Thread, v: Value, more: &[(&str, Value)]) -> Res<Option<Obj>> {
    let more: Vec<(&str, Obj)> = more
        .iter()
        .filter(|(_, v)| !v.is_null())
        .map(|(n, v)| (*n, Obj::new(t, *v)))
        .collect();
    let d = base(v).dict.get();
    let d = (!d.is_null()).then(|| Obj::new(t, d));
    if more.is_empty() {
        return Ok(d);
    }
    let state = match d {
        Some(d) => proto::call_method(t, d.value(), "copy", &[])?,
        None => Dict::new(t),
    };
    for (name, value) in more {
        let name = Str::intern(t, name);
        proto::set_item(t, state.value(), name.value(), value.value())?;
    }
    Ok(Some(state))
}

fn reduced(t: &Thread, v: Value, state: Option<Obj>) -> Res {
    let mut parts = vec![Obj::new(t, type_of(v).value()), args_of(t, v)];
    parts.extend(state);
    Ok(Tuple::from_vec(t, parts).into())
}

fn import_reduce(t: &mut Thread, a: &[Value]) -> Res {
    let f = fields::<4>(a[0]);
    let more = [
        ("name", f.get(NAME)),
        ("path", f.get(PATH)),
        ("name_from", f.get(NAME_FROM)),
    ];
    let state = state(t, a[0], &more)?;
    reduced(t, a[0], state)
}

/// `ImportError`
pub static IMPORT_ERROR: Type = Type::builtin(
    "ImportError",
    size_of::<Fields<4>>(),
    &Spec {
        init: Some(import_init),
        str: Some(import_str),
        methods: &[NativeDef::new("__reduce__", "($self, /)", import_reduce)],
        members: &[
            member("msg", MSG),
            member("name", NAME),
            member("path", PATH),
            member("name_from", NAME_FROM),
        ],
        ..Spec::EMPTY
    },
)
.base(&EXCEPTION)
.gc(traverse::<4>, clear::<4>)
.flags(type_flags::EXCEPTION)
.doc("Import can't find module, or can't find name in module.");

/// An ImportError about the module `name`.
pub fn new_import_error(
    t: &Thread,
    ty: &Type,
    msg: Obj,
    name: Option<Obj>,
    path: Option<Obj>,
) -> Obj {
    let e = new_exception(t, ty, vec![msg]);
    let f = fields::<4>(e.value());
    for (i, v) in [(NAME, name), (PATH, path)] {
        if let Some(v) = v {
            f.set(t, i, v.value());
        }
    }
    e
}

fn attribute_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    let found = init_with(t, v, args, "AttributeError", &["name", "obj"])?;
    let f = fields::<2>(v);
    f.set(t, 0, found[0]);
    f.set(t, 1, found[1]);
    Ok(())
}

/// Not the object: it may not be possible to pickle it.
fn attribute_state(t: &mut Thread, v: Value) -> Res<Option<Obj>> {
    let f = fields::<2>(v);
    let more = [("name", f.get(0)), ("args", f.base.args.get())];
    state(t, v, &more)
}

fn attribute_getstate(t: &mut Thread, a: &[Value]) -> Res {
    Ok(attribute_state(t, a[0])?.map_or(Value::NONE, Obj::into_value))
}

fn attribute_reduce(t: &mut Thread, a: &[Value]) -> Res {
    let state = attribute_state(t, a[0])?.unwrap_or_else(|| Obj::new(t, Value::NONE));
    reduced(t, a[0], Some(state))
}

/// `AttributeError`
pub static ATTRIBUTE_ERROR: Type = Type::builtin(
    "AttributeError",
    size_of::<Fields<2>>(),
    &Spec {
        init: Some(attribute_init),
        methods: &[
            NativeDef::new("__getstate__", "($self, /)", attribute_getstate),
            NativeDef::new("__reduce__", "($self, /)", attribute_reduce),
        ],
        members: &[member("name", 0), member("obj", 1)],
        ..Spec::EMPTY
    },
)
.base(&EXCEPTION)
.gc(traverse::<2>, clear::<2>)
.flags(type_flags::EXCEPTION)
.doc("Attribute not found.");

fn name_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    let found = init_with(t, v, args, "NameError", &["name"])?;
    fields::<1>(v).set(t, 0, found[0]);
    Ok(())
}

/// `NameError`
pub static NAME_ERROR: Type = Type::builtin(
    "NameError",
    size_of::<Fields<1>>(),
    &Spec {
        init: Some(name_init),
        members: &[member("name", 0)],
        ..Spec::EMPTY
    },
)
.base(&EXCEPTION)
.gc(traverse::<1>, clear::<1>)
.flags(type_flags::EXCEPTION)
.doc("Name not found globally.");

exceptions! {
    MODULE_NOT_FOUND_ERROR = "ModuleNotFoundError", IMPORT_ERROR, 4, "Module not found.";
    UNBOUND_LOCAL_ERROR = "UnboundLocalError", NAME_ERROR, 1, "Local name referenced but not bound to a value.";
}
