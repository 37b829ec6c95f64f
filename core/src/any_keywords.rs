//! The module `_weft_ast`: methods that take keywords of any kind, as the constructors of syntax trees do.

use weft_objects::cell::{counted, fresh};
use weft_objects::gc_slots;
use weft_objects::method::Method;
use weft_objects::prelude::*;
use weft_stdlib::support;

/// Makes the module.
///
/// # Errors
/// None in practice.
pub fn module(t: &mut Thread) -> Res<Obj> {
    ANY_KEYWORDS.ready(t);
    Ok(support::module(
        t,
        "_weft_ast",
        "What the node classes of syntax trees need.",
        FUNCTIONS,
    ))
}

const FUNCTIONS: &[NativeDef] = &[NativeDef::new("any_keywords", "(function, other, /)", make)
    .doc(
        "A method that calls function, or, if not all keywords are strings, other(args, keywords).",
    )];

#[repr(C)]
struct AnyKeywords {
    header: Header,
    function: Slot,
    other: Slot,
}

gc_slots!(AnyKeywords, traverse, clear, function, other);

fn this<'a>(v: Value) -> &'a AnyKeywords {
    // SAFETY: slots of ANY_KEYWORDS get its instances alone.
    unsafe { &*(v.ptr() as *const AnyKeywords) }
}

/// Whether a call leaves it to the callee what its keywords are.
pub fn accepts(t: &mut Thread, callee: Value) -> bool {
    let is_one = |v: Value| type_of(v).is(&ANY_KEYWORDS);
    if is_one(callee) || Method::of(callee).is_some_and(|m| is_one(m.func.get())) {
        return true;
    }
    let Some(class) = Type::of(callee) else {
        return false;
    };
    let init = weft_objects::id!(t, "__init__");
    let init = class.lookup(t, init).map(|f| f.to_obj(t));
    init.is_some_and(|f| is_one(f.value()))
}

fn make(t: &mut Thread, a: &[Value]) -> Res {
    // SAFETY: the layout of that type.
    let (o, x) = unsafe { fresh::<AnyKeywords>(t, &ANY_KEYWORDS) };
    x.function.init(t, &x.header, counted(t, a[0]));
    x.other.init(t, &x.header, counted(t, a[1]));
    Ok(o.into())
}

fn call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    let x = this(v);
    if args.keywords().all(|(name, _)| Str::of(name).is_some()) {
        return proto::call_kw(t, x.function.get(), args).map(Obj::into_value);
    }
    let pos = Tuple::from_slice(t, args.pos());
    let keywords = Dict::new(t);
    for (name, v) in args.keywords() {
        Dict::of_obj(&keywords).set(t, name, v)?;
    }
    let other = x.other.get();
    proto::call(t, other, &[pos.value(), keywords.value()]).map(Obj::into_value)
}

fn bind(t: &mut Thread, v: Value, obj: Value, _ty: Value) -> Res {
    if obj.is_null() || obj.is_none() {
        return Ok(Obj::new(t, v).into());
    }
    Ok(Method::new(t, v, obj).into())
}

static ANY_KEYWORDS: Type = Type::builtin(
    "any_keywords",
    size_of::<AnyKeywords>(),
    &Spec {
        call: Some(call),
        descr_get: Some(bind),
        getset: &[GetSetDef::ro("__wrapped__", |t, v| {
            Ok(to_reg(t, this(v).function.get()))
        })],
        ..Spec::EMPTY
    },
)
.module("_weft_ast")
.gc(traverse, clear)
.final_()
.no_new();
