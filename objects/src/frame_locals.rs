//! `frame.f_locals` of a function: a mapping that reads and writes the frame's variables where they are (PEP 667).

use crate::cell::{Cell, fresh};
use crate::code::{Code, LOCAL_CELL, LOCAL_FAST, LOCAL_FREE, LOCAL_HIDDEN};
use crate::frame::{FRAME, FrameObject};
use crate::gc_slots;
use crate::prelude::*;
use crate::types::type_flags;

/// The variables of a frame object.
#[repr(C)]
struct Proxy {
    header: Header,
    frame: Slot,
}

/// A proxy for the frame object.
pub fn new(t: &Thread, frame: Value) -> Obj {
    // SAFETY: the layout of proxies.
    let (o, p) = unsafe { fresh::<Proxy>(t, &FRAME_LOCALS_PROXY) };
    p.frame.init(t, &p.header, Obj::new(t, frame).into_value());
    o
}

fn frame_of<'a>(v: Value) -> &'a FrameObject {
    // SAFETY: slot functions of the type get its instances alone, which hold frame objects for their life.
    unsafe { &*((*(v.ptr() as *const Proxy)).frame.get().ptr() as *const FrameObject) }
}

fn code_of<'a>(o: &FrameObject) -> Option<&'a Code> {
    Code::of(o.code.get())
}

/// What variable `i` holds, if it is bound.
fn value(t: &Thread, o: &FrameObject, kind: u8, i: usize) -> Option<Obj> {
    let own = |v: Value| (!v.is_null()).then(|| Obj::new(t, v));
    let held = o.with_registers(t, |registers| own(*registers.get(i)?))??;
    if matches!(kind, LOCAL_CELL | LOCAL_FREE)
        && let Some(c) = Cell::of(held.value())
    {
        return own(c.get());
    }
    Some(held)
}

/// Which variables the key may mean: their numbers and kinds.
fn find(t: &mut Thread, code: &Code, key: Value) -> Res<Vec<(usize, u8)>> {
    let exact = Str::of(key).is_some() && type_of(key).is(&crate::str::STR);
    let hash = proto::hash(t, key)?;
    let mut found = Vec::new();
    for (i, (name, kind)) in code.body().locals.iter().enumerate() {
        let name = name.value();
        let same = name.same(key)
            || if exact {
                Str::of(name)
                    .zip(Str::of(key))
                    .is_some_and(|(a, b)| a.eq(b))
            } else {
                proto::hash(t, name)? == hash && proto::eq(t, name, key)?
            };
        if same {
            found.push((i, *kind));
        }
    }
    Ok(found)
}

fn lookup(t: &mut Thread, o: &FrameObject, key: Value) -> Res<Option<Obj>> {
    if let Some(code) = code_of(o) {
        let mut found = find(t, code, key)?;
        // The variable of a comprehension hides one of the function.
        found.sort_by_key(|(_, kind)| *kind != LOCAL_HIDDEN);
        for (i, kind) in found {
            if let Some(v) = value(t, o, kind, i) {
                return Ok(Some(v));
            }
        }
    }
    match Dict::of(o.extra.get()) {
        Some(d) => Ok(d.get(t, key)?.map(Obj::own)),
        None => Ok(None),
    }
}

/// The names and values of all variables that are bound.
fn pairs(t: &mut Thread, o: &FrameObject) -> Vec<(Obj, Obj)> {
    let mut all: Vec<(Obj, Obj)> = Vec::new();
    if let Some(code) = code_of(o) {
        for (i, (name, kind)) in code.body().locals.iter().enumerate() {
            let Some(v) = value(t, o, *kind, i) else {
                continue;
            };
            match all.iter_mut().find(|(n, _)| n.value().same(name.value())) {
                Some(known) if *kind == LOCAL_HIDDEN => known.1 = v,
                Some(_) => {}
                None => all.push((name.clone(), v)),
            }
        }
    }
    if let Some(d) = Dict::of(o.extra.get()) {
        all.extend(d.items(t));
    }
    all
}

/// A dict of them.
fn dict(t: &mut Thread, o: &FrameObject) -> Res<Obj> {
    let d = Dict::new(t);
    for (k, v) in pairs(t, o) {
        Dict::of_obj(&d).set(t, k.value(), v.value())?;
    }
    Ok(d)
}

fn missing<T>(t: &mut Thread, key: Value) -> Res<T> {
    let exc = proto::call(t, errors::KEY_ERROR.value(), &[key])?;
    Err(t.raise_value(exc))
}

fn store(t: &mut Thread, v: Value, key: Value, new: Value) -> Res<()> {
    let o = frame_of(v);
    let found = match code_of(o) {
        Some(code) => find(t, code, key)?,
        None => Vec::new(),
    };
    let variable = found.into_iter().find(|(_, kind)| *kind != LOCAL_HIDDEN);
    if new.is_null() {
        return delete(t, o, key, variable.is_some());
    }
    if let Some((i, kind)) = variable {
        let new = Obj::new(t, new);
        let cell = o.with_registers(t, |registers| {
            let v = registers.get(i).copied().unwrap_or(Value::NULL);
            match Cell::of(v) {
                Some(_) if kind != LOCAL_FAST => Some(Obj::new(t, v)),
                _ => None,
            }
        });
        match cell {
            Some(Some(c)) => {
                if let Some(c) = Cell::of(c.value()) {
                    c.set(t, new.into_value());
                }
            }
            Some(None) => o.set_register(t, i, new),
            None => {}
        }
        return Ok(());
    }
    if o.extra.get().is_null() {
        let d = Dict::new(t);
        o.extra.set(t, &o.header, d.into_value());
    }
    match Dict::of(o.extra.get()) {
        Some(d) => d.set(t, key, new),
        None => Ok(()),
    }
}

fn delete(t: &mut Thread, o: &FrameObject, key: Value, is_variable: bool) -> Res<()> {
    if is_variable {
        return Err(t.value_error("cannot remove local variables from FrameLocalsProxy"));
    }
    let removed = match Dict::of(o.extra.get()) {
        Some(d) => d.remove(t, key)?,
        None => None,
    };
    match removed {
        Some(_) => Ok(()),
        None => missing(t, key),
    }
}

fn get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    match lookup(t, frame_of(v), key)? {
        Some(v) => Ok(v.into()),
        None => {
            let name = proto::repr(t, key)?;
            let name = Str::of(name.value()).map_or(String::new(), |s| s.to_string_lossy());
            let text = Str::new(t, &format!("local variable {name} is not defined"));
            missing(t, text.value())
        }
    }
}

fn get(t: &mut Thread, a: &[Value]) -> Res {
    let default = if a[2].is_null() { Value::NONE } else { a[2] };
    let found = lookup(t, frame_of(a[0]), a[1])?;
    Ok(found.unwrap_or_else(|| Obj::new(t, default)).into())
}

fn set_default(t: &mut Thread, a: &[Value]) -> Res {
    let default = if a[2].is_null() { Value::NONE } else { a[2] };
    if let Some(v) = lookup(t, frame_of(a[0]), a[1])? {
        return Ok(v.into());
    }
    store(t, a[0], a[1], default)?;
    Ok(Obj::new(t, default).into())
}

fn pop(t: &mut Thread, a: &[Value]) -> Res {
    let o = frame_of(a[0]);
    if let Some(code) = code_of(o)
        && !find(t, code, a[1])?.is_empty()
    {
        return Err(t.value_error("cannot remove local variables from FrameLocalsProxy"));
    }
    let removed = match Dict::of(o.extra.get()) {
        Some(d) => d.remove(t, a[1])?,
        None => None,
    };
    match removed {
        Some(v) => Ok(v.into()),
        None if a[2].is_null() => missing(t, a[1]),
        None => Ok(Obj::new(t, a[2]).into()),
    }
}

/// The items of a dict or another proxy.
fn items_of(t: &mut Thread, v: Value) -> Option<Vec<(Obj, Obj)>> {
    if type_of(v).is(&FRAME_LOCALS_PROXY) {
        return Some(pairs(t, frame_of(v)));
    }
    Dict::of(v).map(|d| d.items(t))
}

fn merge(t: &mut Thread, v: Value, other: Value) -> Res<bool> {
    let Some(items) = items_of(t, other) else {
        return Ok(false);
    };
    for (k, x) in items {
        store(t, v, k.value(), x.value())?;
    }
    Ok(true)
}

fn update(t: &mut Thread, a: &[Value]) -> Res {
    if merge(t, a[0], a[1])? {
        return Ok(Value::NONE);
    }
    Err(t.type_error("update() argument must be dict or another FrameLocalsProxy".into()))
}

fn or(t: &mut Thread, a: Value, b: Value) -> Res {
    let (Some(x), Some(y)) = (items_of(t, a), items_of(t, b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    let d = Dict::new(t);
    for (k, v) in x.into_iter().chain(y) {
        Dict::of_obj(&d).set(t, k.value(), v.value())?;
    }
    Ok(d.into())
}

fn in_place_or(t: &mut Thread, a: Value, b: Value) -> Res {
    if merge(t, a, b)? {
        Ok(Obj::new(t, a).into())
    } else {
        Ok(Value::NOT_IMPLEMENTED)
    }
}

fn names(t: &mut Thread, v: Value) -> Obj {
    let all = pairs(t, frame_of(v));
    List::from_vec(t, all.into_iter().map(|(k, _)| k).collect())
}

fn reversed(t: &mut Thread, a: &[Value]) -> Res {
    let mut all = pairs(t, frame_of(a[0]));
    all.reverse();
    Ok(List::from_vec(t, all.into_iter().map(|(k, _)| k).collect()).into())
}

fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    if !matches!(op, CmpOp::Eq | CmpOp::Ne) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let same = if type_of(b).is(&FRAME_LOCALS_PROXY) {
        std::ptr::eq(frame_of(a), frame_of(b))
    } else if Dict::of(b).is_some() {
        let d = dict(t, frame_of(a))?;
        proto::eq(t, d.value(), b)?
    } else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    Ok(Value::bool(same == (op == CmpOp::Eq)))
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let Some(_guard) = t.repr_enter(v) else {
        return Ok(Str::new(t, "{...}").into());
    };
    let d = dict(t, frame_of(v))?;
    proto::repr(t, d.value()).map(Obj::into_value)
}

fn make(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    if args.names().is_null()
        && let [frame] = args.pos()
    {
        if type_of(*frame).is(&FRAME) {
            return Ok(new(t, *frame).into());
        }
        let got = type_of(*frame).name();
        return Err(t.type_error(format!("expect frame, not {got}")));
    }
    if !args.names().is_null() {
        return Err(t.type_error("FrameLocalsProxy takes no keyword arguments".into()));
    }
    let n = args.pos().len();
    Err(t.type_error(format!("FrameLocalsProxy expected 1 argument, got {n}")))
}

fn reduce(t: &mut Thread, _a: &[Value]) -> Res {
    Err(t.type_error("cannot pickle 'FrameLocalsProxy' object".into()))
}

gc_slots!(Proxy, traverse, clear, frame);

/// `FrameLocalsProxy`
pub static FRAME_LOCALS_PROXY: Type = Type::builtin(
    "FrameLocalsProxy",
    size_of::<Proxy>(),
    &Spec {
        new: Some(make),
        repr: Some(repr),
        compare: Some(compare),
        hash: Some(|t, _| Err(t.type_error("unhashable type: 'FrameLocalsProxy'".into()))),
        len: Some(|t, v| Ok(pairs(t, frame_of(v)).len())),
        get_item: Some(get_item),
        set_item: Some(store),
        contains: Some(|t, v, key| Ok(lookup(t, frame_of(v), key)?.is_some())),
        iter: Some(|t, v| {
            let l = names(t, v);
            proto::iter(t, l.value()).map(Obj::into_value)
        }),
        binary: &[(BinOp::Or, or)],
        in_place: &[(BinOp::Or, in_place_or)],
        methods: &[
            NativeDef::new("keys", "($self, /)", |t, a| Ok(names(t, a[0]).into())),
            NativeDef::new("values", "($self, /)", |t, a| {
                let all = pairs(t, frame_of(a[0])).into_iter().map(|(_, v)| v);
                Ok(List::from_vec(t, all.collect()).into())
            }),
            NativeDef::new("items", "($self, /)", |t, a| {
                let all = pairs(t, frame_of(a[0])).into_iter();
                let all = all.map(|(k, v)| Tuple::from_slice(t, &[k.value(), v.value()]));
                let all: Vec<Obj> = all.collect();
                Ok(List::from_vec(t, all).into())
            }),
            NativeDef::new("get", "($self, key, default=None, /)", get),
            NativeDef::new("setdefault", "($self, key, default=None, /)", set_default),
            NativeDef::new("pop", "($self, key, default=<unrepresentable>, /)", pop),
            NativeDef::new("update", "($self, other, /)", update),
            NativeDef::new("copy", "($self, /)", |t, a| {
                dict(t, frame_of(a[0])).map(Obj::into_value)
            }),
            NativeDef::new("__reversed__", "($self, /)", reversed),
            NativeDef::new("__reduce_ex__", "($self, protocol, /)", reduce),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.flags(type_flags::MAPPING)
.final_();
