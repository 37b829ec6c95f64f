//! `_testlimitedcapi`: the protocols of objects as functions: attributes, items, sequences, mappings.

use crate::support;
use weft_objects::bytes::Bytes;
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::runtime;
use weft_objects::slice::Slice;

/// A name given as bytes of UTF-8.
fn name_of_bytes(t: &mut Thread, v: Value) -> Res<Obj> {
    let Some(b) = Bytes::of(v) else {
        return Err(t.type_error("a bytes-like object is required".into()));
    };
    let text = Str::new(t, "utf-8");
    let b = Bytes::new(t, b.as_slice());
    proto::call_method(t, b.value(), "decode", &[text.value()])
}

fn attribute(t: &mut Thread, o: Value, name: Value) -> Res {
    proto::get_attr_value(t, o, name)
}

/// 1 or 0; errors but AttributeError are raised.
fn has_attribute(t: &mut Thread, o: Value, name: Value) -> Res {
    match proto::get_attr_value(t, o, name) {
        Ok(v) => {
            drop(Obj::own(v));
            Ok(Value::int(1))
        }
        Err(_) if t.exc_matches(&errors::ATTRIBUTE_ERROR) => {
            t.clear_exc();
            Ok(Value::int(0))
        }
        Err(r) => Err(r),
    }
}

/// A function that returns nothing says 0.
fn done(r: Res<()>) -> Res {
    r.map(|()| Value::int(0))
}

fn truth(r: Res<bool>) -> Res {
    r.map(|b| Value::int(i64::from(b)))
}

/// `v` as a sequence: TypeError for what is none.
fn sequence(t: &mut Thread, v: Value, what: &str) -> Res<()> {
    if proto::is_sequence(t, v) {
        return Ok(());
    }
    let got = type_of(v).name();
    Err(t.type_error(format!("'{got}' object {what}")))
}

/// An index as the sequence protocol has it: counted from the end if it is negative, once.
fn position(t: &mut Thread, v: Value, i: Value) -> Res<Obj> {
    let i = proto::index_i64(t, i)?;
    let len = if i < 0 && type_of(v).slots.len.is_set() {
        proto::len(t, v)? as i64
    } else {
        0
    };
    let i = i + len;
    if i < 0 && len > 0 {
        return Err(t.index_error(format!("{} index out of range", type_of(v).name())));
    }
    Ok(support::int_obj(t, i))
}

fn sequence_getitem(t: &mut Thread, a: &[Value]) -> Res {
    sequence(t, a[0], "does not support indexing")?;
    let i = position(t, a[0], a[1])?;
    proto::get_item_value(t, a[0], i.value())
}

fn sequence_setitem(t: &mut Thread, a: &[Value]) -> Res {
    sequence(t, a[0], "does not support item assignment")?;
    let i = position(t, a[0], a[1])?;
    done(proto::set_item(t, a[0], i.value(), a[2]))
}

fn sequence_delitem(t: &mut Thread, a: &[Value]) -> Res {
    sequence(t, a[0], "doesn't support item deletion")?;
    let i = position(t, a[0], a[1])?;
    done(proto::del_item(t, a[0], i.value()))
}

fn slice(t: &mut Thread, a: &[Value]) -> Res<Obj> {
    let (from, to) = (proto::index_i64(t, a[1])?, proto::index_i64(t, a[2])?);
    let (from, to) = (support::int_obj(t, from), support::int_obj(t, to));
    Ok(Slice::new(t, from, to, support::none()))
}

fn sequence_getslice(t: &mut Thread, a: &[Value]) -> Res {
    let s = slice(t, a)?;
    proto::get_item_value(t, a[0], s.value())
}

fn sequence_setslice(t: &mut Thread, a: &[Value]) -> Res {
    let s = slice(t, a)?;
    done(proto::set_item(t, a[0], s.value(), a[3]))
}

fn sequence_delslice(t: &mut Thread, a: &[Value]) -> Res {
    let s = slice(t, a)?;
    done(proto::del_item(t, a[0], s.value()))
}

fn list(t: &mut Thread, a: &[Value]) -> Res {
    let items = proto::to_vec(t, a[0])?;
    Ok(List::from_vec(t, items).into())
}

fn tuple(t: &mut Thread, a: &[Value]) -> Res {
    if type_of(a[0]).is(&weft_objects::tuple::TUPLE) {
        return Ok(a[0]);
    }
    let items = proto::to_vec(t, a[0])?;
    Ok(Tuple::from_vec(t, items).into())
}

/// What a method gives, as a list.
fn listed(t: &mut Thread, o: Value, method: &str) -> Res {
    let all = proto::call_method(t, o, method, &[])?;
    list(t, &[all.value()])
}

fn size(t: &mut Thread, a: &[Value]) -> Res {
    proto::len(t, a[0]).map(|n| Value::int(n as i64))
}

static ATTRIBUTES: &[NativeDef] = &[
    NativeDef::new("object_repr", "(obj, /)", |t, a| {
        proto::repr(t, a[0]).map(Obj::into)
    }),
    NativeDef::new("object_ascii", "(obj, /)", |t, a| {
        proto::ascii(t, a[0]).map(Obj::into)
    }),
    NativeDef::new("object_str", "(obj, /)", |t, a| {
        proto::str(t, a[0]).map(Obj::into)
    }),
    NativeDef::new("object_getattr", "(obj, name, /)", |t, a| {
        attribute(t, a[0], a[1])
    }),
    NativeDef::new("object_getattrstring", "(obj, name, /)", |t, a| {
        let name = name_of_bytes(t, a[1])?;
        attribute(t, a[0], name.value())
    }),
    NativeDef::new("object_hasattrwitherror", "(obj, name, /)", |t, a| {
        has_attribute(t, a[0], a[1])
    }),
    NativeDef::new("object_hasattrstring", "(obj, name, /)", |t, a| {
        let name = name_of_bytes(t, a[1])?;
        has_attribute(t, a[0], name.value())
    }),
    NativeDef::new("object_setattr", "(obj, name, value, /)", |t, a| {
        done(proto::set_attr_value(t, a[0], a[1], a[2]))
    }),
    NativeDef::new("object_delattr", "(obj, name, /)", |t, a| {
        done(proto::set_attr_value(t, a[0], a[1], Value::NULL))
    }),
    NativeDef::new("object_getitem", "(obj, key, /)", |t, a| {
        proto::get_item_value(t, a[0], a[1])
    }),
    NativeDef::new("object_setitem", "(obj, key, value, /)", |t, a| {
        done(proto::set_item(t, a[0], a[1], a[2]))
    }),
    NativeDef::new("object_delitem", "(obj, key, /)", |t, a| {
        done(proto::del_item(t, a[0], a[1]))
    }),
];

static SEQUENCES: &[NativeDef] = &[
    NativeDef::new("sequence_check", "(obj, /)", |t, a| {
        truth(Ok(proto::is_sequence(t, a[0])))
    }),
    NativeDef::new("sequence_size", "(obj, /)", size),
    NativeDef::new("sequence_length", "(obj, /)", size),
    NativeDef::new("sequence_getitem", "(obj, i, /)", sequence_getitem),
    NativeDef::new("sequence_setitem", "(obj, i, value, /)", sequence_setitem),
    NativeDef::new("sequence_delitem", "(obj, i, /)", sequence_delitem),
    NativeDef::new("sequence_getslice", "(obj, i, j, /)", sequence_getslice),
    NativeDef::new(
        "sequence_setslice",
        "(obj, i, j, value, /)",
        sequence_setslice,
    ),
    NativeDef::new("sequence_delslice", "(obj, i, j, /)", sequence_delslice),
    NativeDef::new("sequence_contains", "(obj, value, /)", |t, a| {
        truth(proto::contains(t, a[0], a[1]))
    }),
    NativeDef::new("sequence_list", "(obj, /)", list),
    NativeDef::new("sequence_tuple", "(obj, /)", tuple),
];

/// The module of a name given as bytes: made, empty, if there is none.
fn add_module(t: &mut Thread, a: &[Value]) -> Res {
    let name = name_of_bytes(t, a[0])?;
    let Some(modules) = runtime::sys_attr(t, "modules") else {
        return Err(t.runtime_error("lost sys.modules"));
    };
    let Some(modules) = Dict::of(modules.value()) else {
        return Err(t.type_error("sys.modules must be a dictionary".into()));
    };
    let text = Str::of(name.value()).map_or_else(String::new, Str::to_string_lossy);
    let fresh = Module::new(t, &text);
    modules.set_default(t, name.value(), fresh.value())
}

static RUNTIME: &[NativeDef] = &[
    NativeDef::new("PyImport_AddModuleRef", "(name, /)", add_module),
    NativeDef::new("_py_getbuiltwithassert", "()", |_, _| {
        Ok(Value::int(i64::from(cfg!(debug_assertions))))
    }),
];

static MAPPINGS: &[NativeDef] = &[
    NativeDef::new("mapping_size", "(obj, /)", size),
    NativeDef::new("mapping_length", "(obj, /)", size),
    NativeDef::new("mapping_keys", "(obj, /)", |t, a| listed(t, a[0], "keys")),
    NativeDef::new("mapping_values", "(obj, /)", |t, a| {
        listed(t, a[0], "values")
    }),
    NativeDef::new("mapping_items", "(obj, /)", |t, a| listed(t, a[0], "items")),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_testlimitedcapi", "", ATTRIBUTES);
    if let Some(module) = Module::of(m.value()) {
        module.add_functions(t, SEQUENCES);
        module.add_functions(t, MAPPINGS);
        module.add_functions(t, RUNTIME);
    }
    Ok(m)
}
