//! `__build_class__`: what a class statement calls.

use super::mro::metaclass_of;
use crate::cell::Cell;
use crate::prelude::*;
use crate::types::TYPE;

/// `__build_class__(func, name, /, *bases, metaclass=..., **kwargs)`.
///
/// # Errors
/// TypeError for wrong arguments and conflicting metaclasses; what the class body and the metaclass raise.
pub fn build_class(t: &mut Thread, args: Args<'_>) -> Res {
    let given = args.pos();
    let &[func, name, ..] = given else {
        return Err(t.type_error("__build_class__: not enough arguments".into()));
    };
    if crate::function::Function::of(func).is_none() {
        return Err(t.type_error("__build_class__: func must be a function".into()));
    }
    if Str::of(name).is_none() {
        return Err(t.type_error("__build_class__: name is not a string".into()));
    }
    let original = Tuple::from_slice(t, &given[2..]);
    let resolved = resolve_bases(t, &original)?;
    let bases = resolved.as_ref().unwrap_or(&original);
    let (meta, kwargs) = split_metaclass(t, args);
    let (meta, is_class) = choose_metaclass(t, meta, bases)?;
    let ns = prepare(t, &meta, is_class, name, bases, &kwargs)?;
    let cell = Obj::own(crate::function::run_class_body(t, func, ns.value())?);
    if resolved.is_some() {
        let key = crate::id!(t, "__orig_bases__");
        proto::set_item(t, ns.value(), key.value(), original.value())?;
    }
    let mut all = vec![name, bases.value(), ns.value()];
    let cls = call_with(t, meta.value(), &mut all, &kwargs)?;
    check_cell(t, &cls, &cell, name, &meta)?;
    Ok(cls.into())
}

/// Keyword arguments: their values, and the tuple of their names.
struct Keywords {
    values: Vec<Value>,
    names: Option<Obj>,
}

fn split_metaclass(t: &Thread, args: Args<'_>) -> (Option<Obj>, Keywords) {
    let (mut meta, mut values, mut names) = (None, Vec::new(), Vec::new());
    for (k, v) in args.keywords() {
        if Str::of(k).is_some_and(|s| s.is("metaclass")) {
            meta = Some(Obj::new(t, v));
        } else {
            names.push(k);
            values.push(v);
        }
    }
    let names = (!names.is_empty()).then(|| Tuple::from_slice(t, &names));
    (meta, Keywords { values, names })
}

fn call_with(t: &mut Thread, f: Value, all: &mut Vec<Value>, kw: &Keywords) -> Res<Obj> {
    all.extend_from_slice(&kw.values);
    proto::call_kw(
        t,
        f,
        Args::new(all, kw.names.as_ref().map_or(Value::NULL, |n| n.value())),
    )
}

/// PEP 560: objects that stand for bases. `None`: there are none.
fn resolve_bases(t: &mut Thread, bases: &Obj) -> Res<Option<Obj>> {
    let given = Tuple::this(bases.value()).values();
    let mut out: Option<Vec<Obj>> = None;
    for (i, b) in given.iter().enumerate() {
        let entries = match Type::of(*b) {
            Some(_) => None,
            None => proto::get_attr_opt(t, *b, crate::id!(t, "__mro_entries__"))?,
        };
        let Some(f) = entries else {
            if let Some(out) = &mut out {
                out.push(Obj::new(t, *b));
            }
            continue;
        };
        let new = proto::call(t, f.value(), &[bases.value()])?;
        let Some(new) = Tuple::of(new.value()) else {
            return Err(t.type_error("__mro_entries__ must return a tuple".into()));
        };
        let out = out.get_or_insert_with(|| given[..i].iter().map(|b| Obj::new(t, *b)).collect());
        out.extend(new.to_vec(t));
    }
    Ok(out.map(|v| Tuple::from_vec(t, v)))
}

/// The metaclass, and whether it is a class.
fn choose_metaclass(t: &mut Thread, meta: Option<Obj>, bases: &Obj) -> Res<(Obj, bool)> {
    let bases = Tuple::this(bases.value()).values();
    let meta = match meta {
        Some(m) if Type::of(m.value()).is_none() => return Ok((m, false)),
        Some(m) => m,
        None => Obj::new(
            t,
            bases.first().map_or(TYPE.value(), |b| type_of(*b).value()),
        ),
    };
    let winner = metaclass_of(t, Type::of_unchecked(meta.value()), bases)?;
    Ok((Obj::new(t, winner.value()), true))
}

fn prepare(
    t: &mut Thread,
    meta: &Obj,
    is_class: bool,
    name: Value,
    bases: &Obj,
    kw: &Keywords,
) -> Res<Obj> {
    if meta.value().same(TYPE.value()) {
        return Ok(Dict::new(t));
    }
    let Some(f) = proto::get_attr_opt(t, meta.value(), crate::id!(t, "__prepare__"))? else {
        return Ok(Dict::new(t));
    };
    let mut all = vec![name, bases.value()];
    let ns = call_with(t, f.value(), &mut all, kw)?;
    if !type_of(ns.value()).slots.get_item.is_set() {
        let who = if is_class {
            Type::of_unchecked(meta.value()).name()
        } else {
            "<metaclass>".into()
        };
        let got = type_of(ns.value()).name();
        return Err(t.type_error(format!(
            "{who}.__prepare__() must return a mapping, not {got}"
        )));
    }
    Ok(ns)
}

/// The `__class__` cell of the methods must have got to `type.__new__`.
fn check_cell(t: &mut Thread, cls: &Obj, cell: &Obj, name: Value, meta: &Obj) -> Res<()> {
    let (Some(_), Some(c)) = (Type::of(cls.value()), Cell::of(cell.value())) else {
        return Ok(());
    };
    let held = c.get();
    if held.same(cls.value()) {
        return Ok(());
    }
    let held = (!held.is_null()).then(|| Obj::new(t, held));
    let name = shown(t, name)?;
    let as_ = shown(t, meta.value())?;
    match held {
        None => {
            let msg = format!(
                "__class__ not set defining {name} as {}. Was __classcell__ propagated to type.__new__?",
                shown(t, cls.value())?
            );
            let _ = as_;
            Err(t.runtime_error(msg))
        }
        Some(h) => {
            let msg = format!(
                "__class__ set to {} defining {name} as {}",
                shown(t, h.value())?,
                shown(t, cls.value())?
            );
            Err(t.type_error(msg))
        }
    }
}

fn shown(t: &mut Thread, v: Value) -> Res<String> {
    let r = proto::repr(t, v)?;
    Ok(Str::of(r.value()).map_or_else(String::new, Str::to_string_lossy))
}
