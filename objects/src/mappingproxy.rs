//! `types.MappingProxyType`: a read-only view of a mapping.

use crate::cell::fresh;
use crate::gc_slots;
use crate::prelude::*;
use crate::types::type_flags;

/// A read-only proxy of a mapping.
#[repr(C)]
pub struct MappingProxy {
    pub header: Header,
    pub mapping: Slot,
}

impl MappingProxy {
    /// A proxy of `mapping`, which is not checked to be one.
    pub fn new(t: &Thread, mapping: Obj) -> Obj {
        // SAFETY: the layout of proxies.
        let (o, p) = unsafe { fresh::<MappingProxy>(t, &MAPPINGPROXY) };
        p.mapping.init(t, &p.header, mapping.into());
        o
    }

    pub fn of<'a>(v: Value) -> Option<&'a MappingProxy> {
        crate::cast(v, &MAPPINGPROXY)
    }
}

/// The mapping behind the proxy.
fn behind(t: &Thread, v: Value) -> Obj {
    // SAFETY: slot functions of MAPPINGPROXY get its instances alone.
    Obj::new(
        t,
        unsafe { &*(v.ptr() as *const MappingProxy) }.mapping.get(),
    )
}

fn unwrapped(t: &Thread, v: Value) -> Obj {
    if MappingProxy::of(v).is_some() {
        behind(t, v)
    } else {
        Obj::new(t, v)
    }
}

fn proxy_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("mappingproxy", "(mapping)");
    let a = SIG.bind(t, args)?;
    let v = a[0];
    let ty = type_of(v);
    if !ty.slots.get_item.is_set() || List::of(v).is_some() || Tuple::of(v).is_some() {
        let got = ty.name();
        return Err(t.type_error(format!(
            "mappingproxy() argument must be a mapping, not {got}"
        )));
    }
    Ok(MappingProxy::new(t, Obj::new(t, v)).into())
}

fn proxy_repr(t: &mut Thread, v: Value) -> Res {
    let m = behind(t, v);
    let r = proto::repr(t, m.value())?;
    let mut out = b"mappingproxy(".to_vec();
    errors::append(&mut out, &r);
    out.push(b')');
    Ok(Str::from_wtf8(t, &out).into())
}

fn proxy_str(t: &mut Thread, v: Value) -> Res {
    let m = behind(t, v);
    proto::str(t, m.value()).map(Obj::into_value)
}

fn proxy_compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let m = behind(t, a);
    proto::compare(t, m.value(), b, op)
}

fn proxy_hash(t: &mut Thread, v: Value) -> Res<i64> {
    let m = behind(t, v);
    proto::hash(t, m.value())
}

fn proxy_len(t: &mut Thread, v: Value) -> Res<usize> {
    let m = behind(t, v);
    proto::len(t, m.value())
}

fn proxy_get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    let m = behind(t, v);
    proto::get_item(t, m.value(), key).map(Obj::into_value)
}

fn proxy_contains(t: &mut Thread, v: Value, key: Value) -> Res<bool> {
    let m = behind(t, v);
    proto::contains(t, m.value(), key)
}

fn proxy_iter(t: &mut Thread, v: Value) -> Res {
    let m = behind(t, v);
    proto::iter(t, m.value()).map(Obj::into_value)
}

fn proxy_or(t: &mut Thread, a: Value, b: Value) -> Res {
    let (a, b) = (unwrapped(t, a), unwrapped(t, b));
    proto::binary(t, BinOp::Or, a.value(), b.value())
}

fn proxy_in_place_or(t: &mut Thread, a: Value, _b: Value) -> Res {
    let got = type_of(a).name();
    Err(t.type_error(format!("'|=' is not supported by {got}; use '|' instead")))
}

fn forward(t: &mut Thread, a: &[Value], name: &str) -> Res {
    let m = behind(t, a[0]);
    proto::call_method(t, m.value(), name, &a[1..]).map(Obj::into_value)
}

fn get(t: &mut Thread, a: &[Value]) -> Res {
    let default = if a[2].is_null() { Value::NONE } else { a[2] };
    forward(t, &[a[0], a[1], default], "get")
}

gc_slots!(MappingProxy, traverse, clear, mapping);

/// `types.MappingProxyType`
pub static MAPPINGPROXY: Type = Type::builtin(
    "mappingproxy",
    size_of::<MappingProxy>(),
    &Spec {
        new: Some(proxy_new),
        repr: Some(proxy_repr),
        str: Some(proxy_str),
        compare: Some(proxy_compare),
        hash: Some(proxy_hash),
        len: Some(proxy_len),
        get_item: Some(proxy_get_item),
        contains: Some(proxy_contains),
        iter: Some(proxy_iter),
        binary: &[(BinOp::Or, proxy_or)],
        in_place: &[(BinOp::Or, proxy_in_place_or)],
        methods: &[
            NativeDef::new("get", "($self, key, default=None, /)", get)
                .doc("Return the value for key if key is in the mapping, else default."),
            NativeDef::new("keys", "($self, /)", |t, a| forward(t, a, "keys"))
                .doc("a set-like object providing a view on the underlying mapping's keys"),
            NativeDef::new("values", "($self, /)", |t, a| forward(t, a, "values"))
                .doc("an object providing a view on the underlying mapping's values"),
            NativeDef::new("items", "($self, /)", |t, a| forward(t, a, "items"))
                .doc("a set-like object providing a view on the underlying mapping's items"),
            NativeDef::new("copy", "($self, /)", |t, a| forward(t, a, "copy"))
                .doc("a shallow copy of the underlying mapping"),
            NativeDef::new("__reversed__", "($self, /)", |t, a| {
                forward(t, a, "__reversed__")
            })
            .doc("reverse iterator"),
            NativeDef::class(
                "__class_getitem__",
                "($type, item, /)",
                crate::generic_alias::class_getitem,
            )
            .doc("See PEP 585"),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.flags(type_flags::MAPPING)
.final_()
.doc("Read-only proxy of a mapping.");
