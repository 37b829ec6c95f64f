//! Weak references and proxies (`weakref.ref`, `weakref.proxy`).

use crate::cell::{counted, fresh, own};
use crate::prelude::*;
use crate::types::type_flags;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::*};
use weft_gc::weak::{self, WEAK_TYPE, WeakHead};

/// A weak reference, or a proxy.
#[repr(C)]
pub struct WeakRef {
    pub head: WeakHead,
    /// NULL if there is none, or it has been called.
    pub callback: Slot,
    hash: AtomicI64,
    hashed: AtomicBool,
}

impl WeakRef {
    /// The weak reference, if `v` is one; proxies are not.
    pub fn of<'a>(v: Value) -> Option<&'a WeakRef> {
        crate::cast(v, &REF)
    }

    /// The proxy, if `v` is one.
    pub fn of_proxy<'a>(v: Value) -> Option<&'a WeakRef> {
        if is_proxy(v) { Some(this(v)) } else { None }
    }

    /// The referent, if it is alive.
    pub fn get(&self, t: &Thread) -> Option<Obj> {
        weak::upgrade(t, &self.head)
    }
}

fn this<'a>(v: Value) -> &'a WeakRef {
    // SAFETY: slot functions of these types get their instances alone.
    unsafe { &*(v.ptr() as *const WeakRef) }
}

fn is_proxy(v: Value) -> bool {
    v.is_ptr() && (type_of(v).is(&PROXY) || type_of(v).is(&CALLABLE_PROXY))
}

/// A weak reference to `target`, one that is there already if it has no callback.
///
/// # Errors
/// TypeError if the target's type has no weak references.
pub fn new_ref(t: &Thread, target: Value, callback: Value) -> Res<Obj> {
    make(t, &REF, target, callback)
}

/// A proxy of `target`.
pub fn new_proxy(t: &Thread, target: Value, callback: Value) -> Res<Obj> {
    let ty = if proto::is_callable(target) {
        &CALLABLE_PROXY
    } else {
        &PROXY
    };
    make(t, ty, target, callback)
}

fn make(t: &Thread, ty: &Type, target: Value, callback: Value) -> Res<Obj> {
    let callback = if callback.is_none() {
        Value::NULL
    } else {
        callback
    };
    if callback.is_null()
        && !ty.is_heap()
        && let Some(known) = plain_ref(t, ty, target)
    {
        return Ok(known);
    }
    if !supported(target) {
        let got = type_of(target).name();
        return Err(t.type_error(format!("cannot create weak reference to '{got}' object")));
    }
    // SAFETY: the type can be referred to, so it is an object's.
    let h = unsafe { target.header() };
    // SAFETY: `ty` is one of the three types or a subclass of REF.
    let (o, w) = unsafe { fresh::<WeakRef>(t, ty) };
    w.callback.init(t, &w.head.header, counted(t, callback));
    w.head
        .has_callback
        .store(u32::from(!callback.is_null()), Release);
    weak::register(t, h, &w.head);
    Ok(o)
}

/// The reference of that type to `target`, without a callback, that there is already.
#[inline]
fn plain_ref(t: &Thread, ty: &Type, target: Value) -> Option<Obj> {
    if !target.is_ptr() {
        return None;
    }
    // SAFETY: an object.
    let h = unsafe { target.header() };
    if !h.has_flag(weft_gc::Flags::WEAKREFS) {
        return None;
    }
    weak::find_ref(t, h, |w| {
        type_of(w.value()).is(ty) && this(w.value()).head.has_callback.load(Acquire) == 0
    })
}

/// Built-in types in `builtins` whose instances may be referred to, as in CPython.
const REFERABLE: &[&str] = &[
    "set",
    "frozenset",
    "function",
    "builtin_function_or_method",
    "method",
    "type",
    "module",
    "generator",
    "coroutine",
    "async_generator",
    "code",
    "memoryview",
];

/// Whether `ty` is one of those types.
pub fn is_referable(ty: &Type) -> bool {
    ty.is(&crate::types::TYPE)
        || ty.static_module() == "builtins" && REFERABLE.contains(&ty.name().as_str())
}

/// Whether weak references to `v` can be made.
fn supported(v: Value) -> bool {
    if !v.is_ptr() {
        return false;
    }
    let ty = type_of(v);
    if ty.is_heap() && !ty.has(type_flags::NO_WEAKREF) {
        return true;
    }
    // What the built-in type below allows.
    let mut below = Some(ty);
    while let Some(c) = below.filter(|c| c.is_heap()) {
        below = c.base_type();
    }
    below.is_some_and(|c| match c.static_module() {
        "builtins" => is_referable(c),
        _ => c.head.gc_flags.load(Relaxed) & WEAK_TYPE == 0,
    })
}

/// Calls the callback of a weak reference whose referent has died. What it raises goes to `sys.unraisablehook`.
pub fn run_callback(t: &mut Thread, r: &Obj) {
    let w = this(r.value());
    let callback = w.callback.take();
    w.head.has_callback.store(0, Release);
    if callback.is_null() {
        return;
    }
    let callback = Obj::own(callback);
    if proto::call(t, callback.value(), &[r.value()]).is_err() {
        crate::runtime::unraisable(
            t,
            "Exception ignored while calling weakref callback",
            Some(callback.value()),
        );
    }
}

// --- weakref.ref ---

fn ref_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let given = args.pos();
    if given.is_empty() || given.len() > 2 {
        let (least, n) = (
            if given.is_empty() {
                "least 1 argument"
            } else {
                "most 2 arguments"
            },
            given.len(),
        );
        return Err(t.type_error(format!("__new__ expected at {least}, got {n}")));
    }
    if args.has_keywords() && Type::of_unchecked(cls).is(&REF) {
        return Err(t.type_error("ref() takes no keyword arguments".into()));
    }
    let callback = given.get(1).copied().unwrap_or(Value::NULL);
    make(t, Type::of_unchecked(cls), given[0], callback).map(Obj::into_value)
}

fn ref_init(t: &mut Thread, _v: Value, args: Args<'_>) -> Res<()> {
    if args.has_keywords() {
        return Err(t.type_error("ref() takes no keyword arguments".into()));
    }
    let n = args.pos().len();
    if n == 0 || n > 2 {
        let least = if n == 0 {
            "least 1 argument"
        } else {
            "most 2 arguments"
        };
        return Err(t.type_error(format!("__init__ expected at {least}, got {n}")));
    }
    Ok(())
}

fn ref_call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    if args.has_keywords() {
        return Err(t.type_error("weakref takes no keyword arguments".into()));
    }
    if !args.is_empty() {
        let n = args.pos().len();
        return Err(t.type_error(format!("weakref expected 0 arguments, got {n}")));
    }
    let head = &this(v).head;
    // Its finalizer, if it has one, is run once it has been found dead, and then it has to be found dead again.
    for _ in 0..2 {
        match weak::upgrade_settled(t, head) {
            Ok(got) => return Ok(got.map_or(Value::NONE, Obj::into_value)),
            Err(weak::Unsettled) => weak::settle_soon(t),
        }
        crate::runtime::run_pending(t);
    }
    let got = weak::upgrade(t, head);
    Ok(got.map_or(Value::NONE, Obj::into_value))
}

fn ref_hash(t: &mut Thread, v: Value) -> Res<i64> {
    let w = this(v);
    if w.hashed.load(Acquire) {
        return Ok(w.hash.load(Relaxed));
    }
    let Some(target) = w.get(t) else {
        return Err(t.type_error("weak object has gone away".into()));
    };
    let h = proto::hash(t, target.value())?;
    w.hash.store(h, Relaxed);
    w.hashed.store(true, Release);
    Ok(h)
}

fn ref_compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let (Some(x), Some(y)) = (WeakRef::of(a), WeakRef::of(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    if !matches!(op, CmpOp::Eq | CmpOp::Ne) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    match (x.get(t), y.get(t)) {
        (Some(p), Some(q)) => proto::compare(t, p.value(), q.value(), op),
        _ => Ok(Value::bool(a.same(b) == (op == CmpOp::Eq))),
    }
}

fn ref_repr(t: &mut Thread, v: Value) -> Res {
    let at = v.ptr() as usize;
    let Some(target) = this(v).get(t) else {
        return Ok(Str::from_string(t, format!("<weakref at {at:#x}; dead>")).into());
    };
    let ty = type_of(target.value()).name();
    let to = target.value().ptr() as usize;
    // As the class has it: not what a `__getattr__` makes of it.
    let name = proto::lookup_special(t, target.value(), crate::id!(t, "__name__"))?;
    let s = match name.as_ref().and_then(|n| Str::of(n.value())) {
        Some(n) => format!(
            "<weakref at {at:#x}; to '{ty}' at {to:#x} ({})>",
            n.to_string_lossy()
        ),
        None => format!("<weakref at {at:#x}; to '{ty}' at {to:#x}>"),
    };
    Ok(Str::from_string(t, s).into())
}

fn get_callback(t: &mut Thread, v: Value) -> Res {
    let w = this(v);
    if weak::is_dead(&w.head) {
        return Ok(Value::NONE);
    }
    Ok(own(t, &w.callback).map_or(Value::NONE, Obj::into_value))
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of one of these types.
    f(unsafe { &*(h as *const WeakRef) }.callback.get());
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of one of these types.
    let w = unsafe { &*(h as *const WeakRef) };
    weak::unregister(&w.head);
    t.drop_value(w.callback.take_local());
}

/// `weakref.ref`
pub static REF: Type = Type::builtin(
    "ReferenceType",
    size_of::<WeakRef>(),
    &Spec {
        new: Some(ref_new),
        init: Some(ref_init),
        call: Some(ref_call),
        hash: Some(ref_hash),
        compare: Some(ref_compare),
        repr: Some(ref_repr),
        methods: &[NativeDef::class(
            "__class_getitem__",
            "($type, item, /)",
            crate::generic_alias::class_getitem,
        )
        .doc("See PEP 585")],
        getset: &[GetSetDef::ro("__callback__", get_callback)],
        ..Spec::EMPTY
    },
)
.module("weakref")
.flags(type_flags::NEW_CHECKS)
.gc(traverse, clear)
.gc_flags(WEAK_TYPE);

// --- proxies ---

/// The referent of a proxy.
fn referent(t: &Thread, v: Value) -> Res<Obj> {
    match this(v).get(t) {
        Some(o) => Ok(o),
        None => Err(t.raise(
            &errors::REFERENCE_ERROR,
            "weakly-referenced object no longer exists",
        )),
    }
}

/// The referent if `v` is a proxy, else `v` itself.
fn unwrap(t: &Thread, v: Value) -> Res<Obj> {
    if is_proxy(v) {
        referent(t, v)
    } else {
        Ok(Obj::new(t, v))
    }
}

fn proxy_repr(t: &mut Thread, v: Value) -> Res {
    let at = v.ptr() as usize;
    let s = match this(v).get(t) {
        Some(o) => {
            let (ty, to) = (type_of(o.value()).name(), o.value().ptr() as usize);
            format!("<weakproxy at {at:#x}; to '{ty}' at {to:#x}>")
        }
        None => format!("<weakproxy at {at:#x}; dead>"),
    };
    Ok(Str::from_string(t, s).into())
}

macro_rules! unary {
    ($($name:ident => $f:expr;)*) => {
        $(fn $name(t: &mut Thread, v: Value) -> Res {
            let o = referent(t, v)?;
            let f: fn(&mut Thread, Value) -> Res = $f;
            f(t, o.value())
        })*
    };
}

unary! {
    proxy_str => |t, v| proto::str(t, v).map(Obj::into_value);
    proxy_iter => |t, v| proto::iter(t, v).map(Obj::into_value);
    proxy_neg => proto::neg;
    proxy_pos => proto::pos;
    proxy_abs => proto::abs;
    proxy_invert => proto::invert;
    proxy_int => |t, v| proto::call(t, crate::int::INT.value(), &[v]).map(Obj::into_value);
    proxy_float => |t, v| proto::as_f64(t, v).map(|f| crate::float::from_f64(t, f));
    proxy_index => |t, v| proto::index(t, v).map(Obj::into_value);
}

fn proxy_next(t: &mut Thread, v: Value) -> Res {
    let o = referent(t, v)?;
    if !type_of(o.value()).slots.iter_next.is_set() {
        let got = type_of(o.value()).name();
        return Err(t.type_error(format!(
            "Weakref proxy referenced a non-iterator '{got}' object"
        )));
    }
    proto::next_value(t, o.value())
}

fn proxy_truth(t: &mut Thread, v: Value) -> Res<bool> {
    let o = referent(t, v)?;
    proto::truth(t, o.value())
}

fn proxy_len(t: &mut Thread, v: Value) -> Res<usize> {
    let o = referent(t, v)?;
    proto::len(t, o.value())
}

fn proxy_get_attr(t: &mut Thread, v: Value, name: Value) -> Res {
    let o = referent(t, v)?;
    proto::get_attr_value(t, o.value(), name)
}

fn proxy_set_attr(t: &mut Thread, v: Value, name: Value, new: Value) -> Res<()> {
    let o = referent(t, v)?;
    proto::set_attr_value(t, o.value(), name, new)
}

fn proxy_get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    let o = referent(t, v)?;
    proto::get_item_value(t, o.value(), key)
}

fn proxy_set_item(t: &mut Thread, v: Value, key: Value, new: Value) -> Res<()> {
    let o = referent(t, v)?;
    if new.is_null() {
        proto::del_item(t, o.value(), key)
    } else {
        proto::set_item(t, o.value(), key, new)
    }
}

fn proxy_contains(t: &mut Thread, v: Value, item: Value) -> Res<bool> {
    let o = referent(t, v)?;
    proto::contains(t, o.value(), item)
}

fn proxy_compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let (a, b) = (unwrap(t, a)?, unwrap(t, b)?);
    proto::compare(t, a.value(), b.value(), op)
}

fn proxy_call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    let o = referent(t, v)?;
    proto::call_value(t, o.value(), args)
}

fn proxy_pow3(t: &mut Thread, a: Value, b: Value, c: Value) -> Res {
    let (a, b, c) = (unwrap(t, a)?, unwrap(t, b)?, unwrap(t, c)?);
    proto::pow3(t, a.value(), b.value(), c.value())
}

fn forward(t: &mut Thread, a: &[Value], name: &str) -> Res {
    let o = referent(t, a[0])?;
    proto::call_method(t, o.value(), name, &[]).map(Obj::into_value)
}

macro_rules! operators {
    ($($op:ident)*) => {
        const BINARY: &[(BinOp, crate::slots::BinaryFn)] = &[$((BinOp::$op, |t, a, b| {
            let (a, b) = (unwrap(t, a)?, unwrap(t, b)?);
            proto::binary(t, BinOp::$op, a.value(), b.value())
        })),*];
        const IN_PLACE: &[(BinOp, crate::slots::BinaryFn)] = &[$((BinOp::$op, |t, a, b| {
            let (a, b) = (unwrap(t, a)?, unwrap(t, b)?);
            proto::in_place(t, BinOp::$op, a.value(), b.value())
        })),*];
    };
}

operators!(Add Sub Mul TrueDiv FloorDiv Mod Pow LShift RShift And Or Xor MatMul DivMod);

const PROXY_SPEC: Spec = Spec {
    repr: Some(proxy_repr),
    str: Some(proxy_str),
    hash: Some(proto::hash_not_implemented),
    compare: Some(proxy_compare),
    get_attr: Some(proxy_get_attr),
    set_attr: Some(proxy_set_attr),
    iter: Some(proxy_iter),
    iter_next: Some(proxy_next),
    len: Some(proxy_len),
    get_item: Some(proxy_get_item),
    set_item: Some(proxy_set_item),
    contains: Some(proxy_contains),
    truth: Some(proxy_truth),
    neg: Some(proxy_neg),
    pos: Some(proxy_pos),
    abs: Some(proxy_abs),
    invert: Some(proxy_invert),
    int: Some(proxy_int),
    float: Some(proxy_float),
    index: Some(proxy_index),
    pow3: Some(proxy_pow3),
    binary: BINARY,
    in_place: IN_PLACE,
    methods: &[
        NativeDef::new("__bytes__", "($self, /)", |t, a| forward(t, a, "__bytes__")),
        NativeDef::new("__reversed__", "($self, /)", |t, a| {
            forward(t, a, "__reversed__")
        }),
    ],
    ..Spec::EMPTY
};

/// `weakref.ProxyType`
pub static PROXY: Type = Type::builtin("ProxyType", size_of::<WeakRef>(), &PROXY_SPEC)
    .module("weakref")
    .gc(traverse, clear)
    .gc_flags(WEAK_TYPE)
    .final_()
    .no_new();

/// `weakref.CallableProxyType`
pub static CALLABLE_PROXY: Type = Type::builtin(
    "CallableProxyType",
    size_of::<WeakRef>(),
    &Spec {
        call: Some(proxy_call),
        ..PROXY_SPEC
    },
)
.module("weakref")
.gc(traverse, clear)
.gc_flags(WEAK_TYPE)
.final_()
.no_new();
