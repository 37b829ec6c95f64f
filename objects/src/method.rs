//! Bound methods.

use crate::cell::{counted, fresh};
use crate::gc_slots;
use crate::instance::generic_get_attr;
use crate::prelude::*;
use weft_gc::{TypeFlags, keep};

/// A callable bound to its first argument.
#[repr(C)]
pub struct Method {
    pub header: Header,
    pub func: Slot,
    pub self_: Slot,
}

impl Method {
    /// `func` bound to `self_`, both borrowed.
    pub fn new(t: &Thread, func: Value, self_: Value) -> Obj {
        // SAFETY: the layout of methods.
        let (o, m) = unsafe { fresh::<Method>(t, &METHOD) };
        m.func.keep(t, &m.header, keep(t, func));
        m.self_.init(t, &m.header, counted(t, self_));
        o
    }

    #[inline(always)]
    pub fn of<'a>(v: Value) -> Option<&'a Method> {
        crate::cast_exact(v, &METHOD)
    }

    /// Calls the function with the object before the arguments.
    pub fn call(&self, t: &mut Thread, args: Args<'_>) -> Res {
        let func = Obj::new(t, self.func.get());
        let self_ = Obj::new(t, self.self_.get());
        with_first(t, func.value(), self_.value(), args)
    }
}

/// Calls `func` with `first` before the arguments.
pub fn with_first(t: &mut Thread, func: Value, first: Value, args: Args<'_>) -> Res {
    args.after(first, |args| proto::call_kw(t, func, args))
        .map(Obj::into_value)
}

fn this<'a>(v: Value) -> &'a Method {
    // SAFETY: slot functions of METHOD get its instances alone.
    unsafe { &*(v.ptr() as *const Method) }
}

fn method_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("method", "(function, instance, /)");
    let a = SIG.bind(t, args)?;
    if !proto::is_callable(a[0]) {
        return Err(t.type_error("first argument must be callable".into()));
    }
    if a[1].is_none() {
        return Err(t.type_error("instance must not be None".into()));
    }
    Ok(Method::new(t, a[0], a[1]).into())
}

/// Attributes that are not the method's own are the function's.
fn method_get_attr(t: &mut Thread, v: Value, name: Value) -> Res {
    let Some(key) = Str::of(name) else {
        return generic_get_attr(t, v, name);
    };
    if METHOD.lookup(t, key).is_some() {
        return generic_get_attr(t, v, name);
    }
    let func = Obj::new(t, this(v).func.get());
    proto::get_attr(t, func.value(), key).map(Obj::into_value)
}

fn method_repr(t: &mut Thread, v: Value) -> Res {
    let func = Obj::new(t, this(v).func.get());
    let self_ = Obj::new(t, this(v).self_.get());
    let mut name = proto::get_attr_opt(t, func.value(), crate::id!(t, "__qualname__"))?;
    if name.as_ref().is_none_or(|n| Str::of(n.value()).is_none()) {
        name = proto::get_attr_opt(t, func.value(), crate::id!(t, "__name__"))?;
    }
    let repr = proto::repr(t, self_.value())?;
    let mut out = b"<bound method ".to_vec();
    match name.filter(|n| Str::of(n.value()).is_some()) {
        Some(n) => errors::append(&mut out, &n),
        None => out.push(b'?'),
    }
    out.extend_from_slice(b" of ");
    errors::append(&mut out, &repr);
    out.push(b'>');
    Ok(Str::from_wtf8(t, &out).into())
}

fn method_hash(t: &mut Thread, v: Value) -> Res<i64> {
    let func = Obj::new(t, this(v).func.get());
    let x = (this(v).self_.get().bare().0 >> 4) as i64;
    let h = x ^ proto::hash(t, func.value())?;
    Ok(if h == -1 { -2 } else { h })
}

fn method_compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let (Some(x), Some(y)) = (Method::of(a), Method::of(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    if !matches!(op, CmpOp::Eq | CmpOp::Ne) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let mut equal = x.self_.get().same(y.self_.get());
    if equal {
        let (f, g) = (Obj::new(t, x.func.get()), Obj::new(t, y.func.get()));
        equal = proto::eq(t, f.value(), g.value())?;
    }
    Ok(Value::bool(equal == (op == CmpOp::Eq)))
}

fn method_call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    this(v).call(t, args)
}

fn method_get(t: &mut Thread, v: Value, _obj: Value, _ty: Value) -> Res {
    Ok(to_reg(t, v.bare()))
}

fn method_reduce(t: &mut Thread, a: &[Value]) -> Res {
    let func = Obj::new(t, this(a[0]).func.get());
    let self_ = Obj::new(t, this(a[0]).self_.get());
    let name = proto::get_attr(t, func.value(), crate::id!(t, "__name__"))?;
    let getattr = crate::runtime::builtin(t, "getattr")?;
    let pair = Tuple::from_vec(t, vec![self_, name]);
    Ok(Tuple::from_vec(t, vec![getattr, pair]).into())
}

fn get_doc(t: &mut Thread, v: Value) -> Res {
    let func = Obj::new(t, this(v).func.get());
    Ok(
        proto::get_attr_opt(t, func.value(), crate::id!(t, "__doc__"))?
            .map_or(Value::NONE, Obj::into_value),
    )
}

gc_slots!(Method, traverse, clear, func, self_);

/// `types.MethodType`
pub static METHOD: Type = Type::builtin(
    "method",
    size_of::<Method>(),
    &Spec {
        new: Some(method_new),
        call: Some(method_call),
        get_attr: Some(method_get_attr),
        repr: Some(method_repr),
        hash: Some(method_hash),
        compare: Some(method_compare),
        descr_get: Some(method_get),
        methods: &[NativeDef::new("__reduce__", "($self, /)", method_reduce)],
        getset: &[
            GetSetDef::ro("__func__", |t, v| Ok(to_reg(t, this(v).func.get()))),
            GetSetDef::ro("__self__", |t, v| Ok(to_reg(t, this(v).self_.get()))),
            GetSetDef::ro("__doc__", get_doc),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.gc_flags(TypeFlags::UNCOUNTED)
.final_()
.doc("Create a bound instance method object.");
