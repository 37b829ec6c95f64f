//! `_contextvars` (PEP 567): contexts, context variables and tokens.
//!
//! The variables of a context are in a dict that never changes once it is there: setting one replaces the dict by a copy. So a copy of
//! a context shares it, and reading takes no lock.

use crate::support;
use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, Ordering::*};
use weft_objects::cell::{counted, fresh, or_none, own};
use weft_objects::prelude::*;
use weft_objects::types::type_flags;
use weft_objects::{gc_slots, generic_alias, runtime};

/// `contextvars.Context`
#[repr(C)]
pub struct Context {
    pub header: Header,
    /// A dict of values by variable, or NULL for none.
    vars: Slot,
    /// The context to go back to, while this one is entered.
    previous: Slot,
    entered: AtomicBool,
}

/// `contextvars.ContextVar`
#[repr(C)]
pub struct ContextVar {
    pub header: Header,
    name: Slot,
    /// NULL: none.
    default: Slot,
}

#[repr(C)]
struct Token {
    header: Header,
    context: Slot,
    var: Slot,
    /// NULL: the variable had no value.
    old: Slot,
    used: AtomicBool,
}

fn context<'a>(v: Value) -> &'a Context {
    // SAFETY: called with contexts alone.
    unsafe { &*(v.ptr() as *const Context) }
}

fn var<'a>(v: Value) -> &'a ContextVar {
    // SAFETY: called with context variables alone.
    unsafe { &*(v.ptr() as *const ContextVar) }
}

fn token<'a>(v: Value) -> &'a Token {
    // SAFETY: called with tokens alone.
    unsafe { &*(v.ptr() as *const Token) }
}

impl Context {
    /// A context with these variables (a dict, or NULL), which are taken over.
    fn new(t: &Thread, vars: Value) -> Obj {
        // SAFETY: the layout of contexts.
        let (o, c) = unsafe { fresh::<Context>(t, &CONTEXT) };
        c.vars.init(t, &c.header, vars);
        o
    }

    /// The variables, borrowed.
    fn vars(&self) -> Option<&Dict> {
        Dict::exact(self.vars.get())
    }

    fn get(&self, t: &mut Thread, key: Value) -> Res<Option<Value>> {
        // The dict is held, as setting a variable meanwhile replaces it.
        let Some(d) = own(t, &self.vars) else {
            return Ok(None);
        };
        Dict::of_obj(&d).get(t, key)
    }

    /// Changes a copy of the variables, then makes it the variables.
    fn change(&self, t: &mut Thread, f: impl FnOnce(&mut Thread, &Dict) -> Res<()>) -> Res<()> {
        let copy = match self.vars() {
            Some(d) => d.copy(t),
            None => Dict::new(t),
        };
        f(t, Dict::of_obj(&copy))?;
        self.vars.set(t, &self.header, copy.into());
        Ok(())
    }

    /// Makes it the thread's current context.
    ///
    /// # Errors
    /// RuntimeError if it is entered already.
    pub fn enter(t: &mut Thread, v: Value) -> Res<()> {
        let c = context(v);
        if c.entered.swap(true, AcqRel) {
            let r = proto::repr(t, v)?;
            let r = Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy());
            return Err(t.runtime_error(format!("cannot enter context: {r} is already entered")));
        }
        let previous = t.vm().context.replace(Obj::new(t, v).into_value());
        c.previous.set(t, &c.header, previous);
        Ok(())
    }

    /// Goes back to the context that was current before.
    pub fn exit(t: &Thread, v: Value) {
        let c = context(v);
        let current = t.vm().context.replace(c.previous.take());
        c.entered.store(false, Release);
        dec(t, current);
    }
}

/// The thread's current context, made if it has none.
pub fn current(t: &Thread) -> Obj {
    let v = t.vm().context.get();
    if !v.is_null() {
        return Obj::new(t, v);
    }
    let made = Context::new(t, Value::NULL);
    context(made.value()).entered.store(true, Release);
    t.vm().context.set(made.clone().into_value());
    made
}

/// A copy of the thread's current context.
pub fn copy_current(t: &Thread) -> Obj {
    let now = current(t);
    Context::new(t, counted(t, context(now.value()).vars.get()))
}

fn copy_context(t: &mut Thread, _a: &[Value]) -> Res {
    Ok(copy_current(t).into())
}

// --- Context ---

fn context_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    if !args.is_empty() {
        return Err(t.type_error("Context() does not accept any arguments".into()));
    }
    Ok(Context::new(t, Value::NULL).into())
}

fn check_key(t: &mut Thread, key: Value) -> Res<()> {
    if weft_objects::cast_exact::<ContextVar>(key, &CONTEXT_VAR).is_some() {
        return Ok(());
    }
    let r = proto::repr(t, key)?;
    let r = Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy());
    Err(t.type_error(format!("a ContextVar key was expected, got {r}")))
}

fn context_get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    check_key(t, key)?;
    match context(v).get(t, key)? {
        Some(x) => Ok(x),
        None => Err(t.key_error(key)),
    }
}

fn context_contains(t: &mut Thread, v: Value, key: Value) -> Res<bool> {
    check_key(t, key)?;
    Ok(context(v).get(t, key)?.map(Obj::own).is_some())
}

fn context_compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let is_context = |v| weft_objects::cast_exact::<Context>(v, &CONTEXT).is_some();
    if !is_context(a) || !is_context(b) || !matches!(op, CmpOp::Eq | CmpOp::Ne) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let (x, y) = (dict_of(t, a), dict_of(t, b));
    proto::compare(t, x.value(), y.value(), op)
}

/// The variables; they must not be changed.
fn dict_of(t: &Thread, v: Value) -> Obj {
    own(t, &context(v).vars).unwrap_or_else(|| Dict::new(t))
}

fn get(t: &mut Thread, a: &[Value]) -> Res {
    check_key(t, a[1])?;
    Ok(match context(a[0]).get(t, a[1])? {
        Some(v) => v,
        None if a[2].is_null() => Value::NONE,
        None => Obj::new(t, a[2]).into(),
    })
}

fn run(t: &mut Thread, args: Args<'_>) -> Res {
    let [context, f, ..] = *args.pos() else {
        return Err(t.type_error("run() missing 1 required positional argument".into()));
    };
    Context::enter(t, context)?;
    let r = proto::call_value(t, f, Args::new(&args.all()[2..], args.names()));
    Context::exit(t, context);
    r
}

gc_slots!(Context, traverse_context, clear_context, vars, previous);

/// `contextvars.Context`
pub static CONTEXT: Type = Type::builtin(
    "Context",
    size_of::<Context>(),
    &Spec {
        new: Some(context_new),
        hash: Some(proto::hash_not_implemented),
        compare: Some(context_compare),
        len: Some(|_, v| Ok(context(v).vars().map_or(0, |d| d.len()))),
        get_item: Some(context_get_item),
        contains: Some(context_contains),
        iter: Some(|t, v| {
            let d = dict_of(t, v);
            proto::iter(t, d.value()).map(Obj::into_value)
        }),
        methods: &[
            NativeDef::new("get", "($self, key, default=None, /)", get)
                .doc("Return the value for `key` if `key` has the value in the context object."),
            NativeDef::new("keys", "($self, /)", |t, a| part(t, a[0], "keys"))
                .doc("Return a list of all variables in the context object."),
            NativeDef::new("values", "($self, /)", |t, a| part(t, a[0], "values"))
                .doc("Return a list of all variables' values in the context object."),
            NativeDef::new("items", "($self, /)", |t, a| part(t, a[0], "items"))
                .doc("Return all variables and their values in the context object."),
            NativeDef::new("copy", "($self, /)", |t, a| {
                let vars = counted(t, context(a[0]).vars.get());
                Ok(Context::new(t, vars).into())
            })
            .doc("Return a shallow copy of the context object."),
            NativeDef::raw("run", "($self, /, *args, **kwargs)", run),
        ],
        ..Spec::EMPTY
    },
)
.module("_contextvars")
.gc(traverse_context, clear_context)
.flags(type_flags::MAPPING)
.final_();

fn part(t: &mut Thread, v: Value, name: &str) -> Res {
    let d = dict_of(t, v);
    proto::call_method(t, d.value(), name, &[]).map(Obj::into_value)
}

// --- ContextVar ---

/// A new variable; `default` may be NULL.
pub fn new_var(t: &Thread, name: Obj, default: Value) -> Obj {
    // SAFETY: the layout of variables.
    let (o, v) = unsafe { fresh::<ContextVar>(t, &CONTEXT_VAR) };
    v.name.init(t, &v.header, name.into());
    v.default.init(t, &v.header, counted(t, default));
    o
}

/// The variable's value in the current context, else its default.
pub fn get_var(t: &mut Thread, v: Value) -> Res<Option<Obj>> {
    let now = t.vm().context.get();
    if !now.is_null() {
        let now = Obj::new(t, now);
        if let Some(x) = context(now.value()).get(t, v)? {
            return Ok(Some(Obj::own(x)));
        }
    }
    Ok(own(t, &var(v).default))
}

/// Sets the variable in the current context. The token that undoes it.
pub fn set_var(t: &mut Thread, v: Value, new: Value) -> Res<Obj> {
    let now = current(t);
    let c = context(now.value());
    let old = c.get(t, v)?.map(Obj::own);
    c.change(t, |t, d| d.set(t, v, new))?;
    // SAFETY: the layout of tokens.
    let (o, k) = unsafe { fresh::<Token>(t, &TOKEN) };
    k.context.init(t, &k.header, now.into());
    k.var.init(t, &k.header, counted(t, v));
    k.old
        .init(t, &k.header, old.map_or(Value::NULL, Obj::into_value));
    Ok(o)
}

fn var_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("ContextVar", "(name, /, *, default=None)");
    let a = SIG.bind(t, args)?;
    if Str::of(a[0]).is_none() {
        return Err(t.type_error("context variable name must be a str".into()));
    }
    proto::hash(t, a[0])?;
    Ok(new_var(t, Obj::new(t, a[0]), a[1]).into())
}

fn var_repr(t: &mut Thread, v: Value) -> Res {
    let (name, default) = (own(t, &var(v).name), own(t, &var(v).default));
    let mut out = b"<ContextVar name=".to_vec();
    let r = proto::repr(t, name.as_ref().map_or(Value::NONE, Obj::value))?;
    errors::append(&mut out, &r);
    if let Some(d) = default {
        out.extend_from_slice(b" default=");
        let r = proto::repr(t, d.value())?;
        errors::append(&mut out, &r);
    }
    out.extend_from_slice(format!(" at {:#x}>", v.ptr() as usize).as_bytes());
    Ok(Str::from_wtf8(t, &out).into())
}

fn var_get(t: &mut Thread, a: &[Value]) -> Res {
    let now = t.vm().context.get();
    if !now.is_null() {
        let now = Obj::new(t, now);
        if let Some(x) = context(now.value()).get(t, a[0])? {
            return Ok(x);
        }
    }
    if !a[1].is_null() {
        return Ok(Obj::new(t, a[1]).into());
    }
    match own(t, &var(a[0]).default) {
        Some(d) => Ok(d.into()),
        None => {
            let v = Obj::new(t, a[0]);
            Err(t.raise_args(&errors::LOOKUP_ERROR, vec![v]))
        }
    }
}

fn text_of(t: &mut Thread, v: Value) -> Res<String> {
    let r = proto::repr(t, v)?;
    Ok(Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy()))
}

fn reset(t: &mut Thread, v: Value, k: Value) -> Res<()> {
    if weft_objects::cast_exact::<Token>(k, &TOKEN).is_none() {
        let r = text_of(t, k)?;
        return Err(t.type_error(format!("expected an instance of Token, got {r}")));
    }
    let tok = token(k);
    if tok.used.load(Acquire) {
        let r = text_of(t, k)?;
        return Err(t.runtime_error(format!("{r} has already been used once")));
    }
    if !tok.var.get().same(v) {
        let r = text_of(t, k)?;
        return Err(t.value_error(format!("{r} was created by a different ContextVar")));
    }
    let now = current(t);
    if !tok.context.get().same(now.value()) {
        let r = text_of(t, k)?;
        return Err(t.value_error(format!("{r} was created in a different Context")));
    }
    tok.used.store(true, Release);
    let old = own(t, &tok.old);
    context(now.value()).change(t, |t, d| match old {
        Some(old) => d.set(t, v, old.value()),
        None => match d.remove(t, v)? {
            Some(_) => Ok(()),
            None => {
                let v = Obj::new(t, v);
                Err(t.raise_args(&errors::LOOKUP_ERROR, vec![v]))
            }
        },
    })
}

fn var_reset(t: &mut Thread, a: &[Value]) -> Res {
    reset(t, a[0], a[1])?;
    Ok(Value::NONE)
}

gc_slots!(ContextVar, traverse_var, clear_var, name, default);

const GENERIC: NativeDef = NativeDef::class(
    "__class_getitem__",
    "($type, object, /)",
    generic_alias::class_getitem,
)
.doc("See PEP 585");

/// `contextvars.ContextVar`
pub static CONTEXT_VAR: Type = Type::builtin(
    "ContextVar",
    size_of::<ContextVar>(),
    &Spec {
        new: Some(var_new),
        repr: Some(var_repr),
        methods: &[
            NativeDef::new("get", "($self, default=None, /)", var_get)
                .doc("Return a value for the context variable for the current context."),
            NativeDef::new("set", "($self, value, /)", |t, a| {
                set_var(t, a[0], a[1]).map(Obj::into_value)
            })
            .doc("Call to set a new value for the context variable in the current context."),
            NativeDef::new("reset", "($self, token, /)", var_reset)
                .doc("Reset the context variable."),
            GENERIC,
        ],
        members: &[MemberDef {
            name: "name",
            offset: offset_of!(ContextVar, name),
            readonly: true,
            none_if_empty: true,
        }],
        ..Spec::EMPTY
    },
)
.module("_contextvars")
.gc(traverse_var, clear_var)
.final_();

// --- Token ---

fn token_new(t: &mut Thread, _cls: Value, _args: Args<'_>) -> Res {
    Err(t.runtime_error("Tokens can only be created by ContextVars"))
}

fn token_repr(t: &mut Thread, v: Value) -> Res {
    let tok = token(v);
    let used = if tok.used.load(Acquire) { " used" } else { "" };
    let var = own(t, &tok.var).unwrap_or_else(support::none);
    let r = proto::repr(t, var.value())?;
    let mut out = format!("<Token{used} var=").into_bytes();
    errors::append(&mut out, &r);
    out.extend_from_slice(format!(" at {:#x}>", v.ptr() as usize).as_bytes());
    Ok(Str::from_wtf8(t, &out).into())
}

fn token_old(t: &mut Thread, v: Value) -> Res {
    let old = token(v).old.get();
    if !old.is_null() {
        return Ok(to_reg(t, old));
    }
    match MISSING.get() {
        Some(m) => Ok(to_reg(t, m)),
        None => Ok(Value::NONE),
    }
}

fn token_exit(t: &mut Thread, a: &[Value]) -> Res {
    if let Some(v) = own(t, &token(a[0]).var) {
        reset(t, v.value(), a[0])?;
    }
    Ok(Value::NONE)
}

gc_slots!(Token, traverse_token, clear_token, context, var, old);

/// `contextvars.Token`
pub static TOKEN: Type = Type::builtin(
    "Token",
    size_of::<Token>(),
    &Spec {
        new: Some(token_new),
        repr: Some(token_repr),
        hash: Some(proto::hash_not_implemented),
        methods: &[
            GENERIC,
            NativeDef::new("__enter__", "($self, /)", |t, a| {
                Ok(Obj::new(t, a[0]).into())
            })
            .doc("Enter into Token context manager."),
            NativeDef::new("__exit__", "($self, type, val, tb, /)", token_exit)
                .doc("Exit from Token context manager, restore the linked ContextVar."),
        ],
        getset: &[
            GetSetDef::ro("var", |t, v| Ok(or_none(t, token(v).var.get()))),
            GetSetDef::ro("old_value", token_old),
        ],
        ..Spec::EMPTY
    },
)
.module("_contextvars")
.gc(traverse_token, clear_token)
.final_();

/// `Token.MISSING`
static MISSING: runtime::Global = runtime::Global::new();

#[repr(C)]
struct Missing {
    header: Header,
}

static MISSING_TYPE: Type = Type::builtin(
    "Token.MISSING",
    size_of::<Missing>(),
    &Spec {
        repr: Some(|t, _| Ok(Str::new(t, "<Token.MISSING>").into())),
        ..Spec::EMPTY
    },
)
.final_()
.no_new();

static FUNCTIONS: &[NativeDef] = &[NativeDef::new("copy_context", "()", copy_context)];

pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_contextvars", "Context Variables", FUNCTIONS);
    for ty in [&CONTEXT, &CONTEXT_VAR, &TOKEN] {
        support::add_type(t, &m, ty);
    }
    MISSING_TYPE.ready(t);
    if MISSING.get().is_none() {
        // SAFETY: the layout of the marker: a header alone.
        let (o, _) = unsafe { fresh::<Missing>(t, &MISSING_TYPE) };
        o.header().make_immortal();
        MISSING.set(t, o.clone());
        TOKEN.set_name(t, weft_objects::id!(t, "MISSING"), o.value());
    }
    Ok(m)
}
