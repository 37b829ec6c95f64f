//! Functions written in Rust: how they are described, how arguments are bound to their parameters, and the objects that stand
//! for them: built-in functions, method descriptors, class and static methods of built-in types.

use crate::args::Args;
use crate::dict::Dict;
use crate::str::Str;
use crate::tuple::Tuple;
use crate::types::{Type, type_of};
use crate::{Res, ThreadExt};
use std::sync::OnceLock;
use weft_gc::{Header, Obj, Slot, Thread, Value, to_reg};

mod shape;

pub use shape::{Shape, Sig};

/// A native function. It gets one borrowed value per parameter of its signature (a method's `self` first): NULL for an optional
/// one that was not given, a tuple for `*args`, a dict for `**kwargs`. It gives an owned register word.
pub type NativeFn = fn(&mut Thread, &[Value]) -> Res;

/// A native function that gets its arguments as they were given (a method's `self` first) and binds them itself: for the few that
/// are called often with `*args`.
pub type RawFn = fn(&mut Thread, Args<'_>) -> Res;

/// What kind of attribute a native function of a type is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NativeKind {
    /// A function of a module, or a method of a type (decided by where it stands).
    Plain,
    Class,
    Static,
}

/// The natives that the interpreter does by itself where their arguments are of the usual types: then they run no Python, raise
/// nothing and wait for nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Quick {
    None,
    Len,
    IsInstance,
    IsSubclass,
    Ord,
    Id,
    Append,
}

impl Quick {
    pub const COUNT: usize = Quick::Append as usize + 1;
}

/// Description of a native function.
pub struct NativeDef {
    pub name: &'static str,
    /// Text signature as in CPython's docs: `($self, x, /, y=None, *, key=None)`. A parameter with a default is optional.
    pub sig: &'static str,
    pub doc: &'static str,
    pub f: NativeFn,
    /// Called instead of `f`.
    pub raw: Option<RawFn>,
    pub kind: NativeKind,
    pub quick: Quick,
    shape: Shape,
}

impl NativeDef {
    /// A plain function or method.
    pub const fn new(name: &'static str, sig: &'static str, f: NativeFn) -> NativeDef {
        NativeDef {
            name,
            sig,
            doc: "",
            f,
            raw: None,
            kind: NativeKind::Plain,
            quick: Quick::None,
            shape: Shape::of(sig),
        }
    }
    /// A plain function or method that binds its arguments itself.
    pub const fn raw(name: &'static str, sig: &'static str, f: RawFn) -> NativeDef {
        NativeDef {
            name,
            sig,
            doc: "",
            f: |_, _| Ok(Value::NONE),
            raw: Some(f),
            kind: NativeKind::Plain,
            quick: Quick::None,
            shape: Shape::of(sig),
        }
    }
    /// A class method: its first argument is the class (`$type`).
    pub const fn class(name: &'static str, sig: &'static str, f: NativeFn) -> NativeDef {
        NativeDef {
            name,
            sig,
            doc: "",
            f,
            raw: None,
            kind: NativeKind::Class,
            quick: Quick::None,
            shape: Shape::of(sig),
        }
    }
    /// A static method.
    pub const fn static_(name: &'static str, sig: &'static str, f: NativeFn) -> NativeDef {
        NativeDef {
            name,
            sig,
            doc: "",
            f,
            raw: None,
            kind: NativeKind::Static,
            quick: Quick::None,
            shape: Shape::of(sig),
        }
    }
    pub const fn doc(mut self, doc: &'static str) -> NativeDef {
        self.doc = doc;
        self
    }
    /// One that the interpreter knows.
    pub const fn quick(mut self, quick: Quick) -> NativeDef {
        self.quick = quick;
        self
    }
}

/// Sets a computed attribute: object, value (NULL: delete).
pub type SetFn = fn(&mut Thread, Value, Value) -> Res<()>;

/// A computed attribute of a built-in type.
pub struct GetSetDef {
    pub name: &'static str,
    pub get: fn(&mut Thread, Value) -> Res,
    pub set: Option<SetFn>,
    pub doc: &'static str,
}

impl GetSetDef {
    pub const fn ro(name: &'static str, get: fn(&mut Thread, Value) -> Res) -> GetSetDef {
        GetSetDef {
            name,
            get,
            set: None,
            doc: "",
        }
    }
    pub const fn rw(
        name: &'static str,
        get: fn(&mut Thread, Value) -> Res,
        set: fn(&mut Thread, Value, Value) -> Res<()>,
    ) -> GetSetDef {
        GetSetDef {
            name,
            get,
            set: Some(set),
            doc: "",
        }
    }
}

/// An attribute that is a [`Slot`] of the object at a fixed offset.
pub struct MemberDef {
    pub name: &'static str,
    pub offset: usize,
    pub readonly: bool,
    /// An empty slot reads as None rather than raising AttributeError.
    pub none_if_empty: bool,
}

/// Most parameters that a call without keywords lays out on the stack.
const PADDED: usize = 8;

/// A signature that has been parsed.
#[derive(Debug, Default)]
pub struct Signature {
    pub params: Vec<Param>,
    /// How many of them are positional-only; how many can be given by position.
    pub posonly: usize,
    pub positional: usize,
    /// Positional ones without a default.
    pub required: usize,
    pub star: Option<usize>,
    pub star_star: Option<usize>,
    /// Only positional-only parameters: the arguments can be handed over as they are.
    pub simple: bool,
}

#[derive(Debug)]
pub struct Param {
    pub name: String,
    pub default: Option<String>,
}

impl Signature {
    /// Parses a text signature.
    pub fn parse(text: &str) -> Signature {
        let inner = text.trim().trim_start_matches('(').trim_end_matches(')');
        let mut s = Signature::default();
        let mut keyword_only = false;
        for part in split_top(inner) {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            if part == "/" {
                s.posonly = s.params.len();
            } else if part == "*" {
                keyword_only = true;
            } else if let Some(name) = part.strip_prefix("**") {
                s.star_star = Some(s.params.len());
                s.params.push(Param {
                    name: name.into(),
                    default: None,
                });
            } else if let Some(name) = part.strip_prefix('*') {
                s.star = Some(s.params.len());
                s.params.push(Param {
                    name: name.into(),
                    default: None,
                });
                keyword_only = true;
            } else {
                let (name, default) = match part.split_once('=') {
                    Some((n, d)) => (n.trim(), Some(d.trim().to_string())),
                    None => (part, None),
                };
                if name.starts_with('$') {
                    s.posonly = s.params.len() + 1;
                }
                if !keyword_only {
                    s.positional = s.params.len() + 1;
                    if default.is_none() {
                        s.required = s.params.len() + 1;
                    }
                }
                s.params.push(Param {
                    name: name.trim_start_matches('$').into(),
                    default,
                });
            }
        }
        s.simple = s.posonly == s.params.len();
        s
    }
}

fn split_top(s: &str) -> Vec<&str> {
    let (mut depth, mut start, mut quote) = (0, 0, None);
    let mut parts = Vec::new();
    for (i, c) in s.char_indices() {
        match (quote, c) {
            (Some(q), _) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(&s[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&s[start..]);
    parts
}

/// What is made of a [`NativeDef`] once: the bound form that calls use.
pub struct Native {
    pub def: &'static NativeDef,
    pub f: NativeFn,
    /// Least and greatest number of positional arguments, `self` included.
    pub min: u16,
    pub max: u16,
    /// See [`Signature::simple`].
    pub simple: bool,
    /// How many positional arguments can be handed over as they are, in front of NULLs for `params` others, all of them
    /// optional; with `min`. -1: none.
    positional: i16,
    /// The number of the parameter `*args`, if binding without keywords is laying arguments in front of it; -1: none.
    star: i16,
    params: u16,
    /// A method: the first parameter is the object it is called on.
    pub method: bool,
    pub quick: Quick,
    sig: OnceLock<Box<Signature>>,
}

impl Native {
    /// Made once for each definition, kept for ever.
    pub fn new(def: &'static NativeDef, method: bool) -> &'static Native {
        let shape = &def.shape;
        let simple = shape.is_simple();
        // Whether all that positional arguments leave open is NULL.
        let can_pad = usize::from(shape.params) <= PADDED && !shape.open && !shape.needs_keyword;
        let native = Native {
            def,
            f: def.f,
            min: shape.required,
            max: if simple { shape.positional } else { u16::MAX },
            simple: simple && def.raw.is_none(),
            positional: if can_pad && def.raw.is_none() {
                shape.positional as i16
            } else {
                -1
            },
            star: if shape.star >= 0
                && shape.star as u16 == shape.positional
                && usize::from(shape.params) <= PADDED
                && !shape.needs_keyword
                && def.raw.is_none()
            {
                shape.star
            } else {
                -1
            },
            params: shape.params,
            method,
            quick: def.quick,
            sig: OnceLock::new(),
        };
        Box::leak(Box::new(native))
    }

    pub fn signature(&self) -> &Signature {
        self.sig
            .get_or_init(|| Box::new(Signature::parse(self.def.sig)))
    }

    /// Calls with positional arguments only (`self` included): the common case.
    #[inline(always)]
    pub fn call_positional(&self, t: &mut Thread, args: &[Value]) -> Res {
        if self.simple && args.len() == self.max as usize {
            (self.f)(t, args)
        } else {
            self.call_padded(t, args)
        }
    }

    /// Calls with positional arguments, in front of NULLs if that is all there is to binding them.
    #[inline(never)]
    fn call_padded(&self, t: &mut Thread, given: &[Value]) -> Res {
        let n = given.len();
        if n as isize <= self.positional as isize && n >= self.min as usize && n <= PADDED {
            let mut padded = [Value::NULL; PADDED];
            padded[..n].copy_from_slice(&given[..n]);
            return (self.f)(t, &padded[..self.params as usize]);
        }
        self.call(t, Args::positional(given))
    }

    /// Binds the arguments and calls.
    #[inline(never)]
    pub fn call(&self, t: &mut Thread, args: Args<'_>) -> Res {
        if let Some(f) = self.def.raw {
            return f(t, args);
        }
        if args.names().is_null() && args.all().len() as isize <= self.positional as isize {
            let given = args.all();
            if given.len() >= self.min as usize {
                return self.call_padded(t, given);
            }
        }
        if args.names().is_null() && self.star >= 0 && args.all().len() >= self.min as usize {
            return self.call_star(t, args.all());
        }
        let bound = self.bind(t, args)?;
        (self.f)(t, bound.values())
    }

    /// Calls with positional arguments of which those from `star` on become a tuple.
    fn call_star(&self, t: &mut Thread, given: &[Value]) -> Res {
        let star = self.star as usize;
        let n = given.len().min(star);
        let mut padded = [Value::NULL; PADDED];
        padded[..n].copy_from_slice(&given[..n]);
        let rest = Tuple::from_slice(t, &given[n..]);
        padded[star] = rest.value();
        let named = self.signature().star_star.map(|i| (i, Dict::new(t)));
        if let Some((i, d)) = &named {
            padded[*i] = d.value();
        }
        (self.f)(t, &padded[..self.params as usize])
    }

    #[cold]
    fn bind<'a>(&self, t: &mut Thread, args: Args<'a>) -> Res<Bound> {
        let sig = self.signature();
        let given = args.pos();
        let mut bound = Bound::new(sig.params.len());
        let n = given.len().min(sig.positional);
        bound.values_mut()[..n].copy_from_slice(&given[..n]);
        if given.len() > sig.positional && sig.star.is_none() {
            return Err(self.count_error(t, given.len(), args.has_keywords()));
        }
        if let Some(i) = sig.star {
            let rest = Tuple::from_slice(t, &given[n..]);
            bound.values_mut()[i] = rest.value();
            bound._own.push(rest);
        }
        if let Some(i) = sig.star_star {
            let kw = Dict::new(t);
            bound.values_mut()[i] = kw.value();
            bound._own.push(kw);
        }
        for (name, value) in args.keywords() {
            self.bind_keyword(t, sig, &mut bound, name, value)?;
        }
        let m = usize::from(self.method);
        for (i, p) in sig.params.iter().enumerate() {
            if bound.values()[i].is_null()
                && p.default.is_none()
                && Some(i) != sig.star
                && Some(i) != sig.star_star
            {
                if i < sig.posonly {
                    return Err(self.count_error(t, given.len(), args.has_keywords()));
                }
                let (name, param, at) = (self.def.name, &p.name, i + 1 - m);
                return Err(if i < sig.positional {
                    t.type_error(format!(
                        "{name}() missing required argument '{param}' (pos {at})"
                    ))
                } else {
                    t.type_error(format!(
                        "{name}() missing required keyword-only argument '{param}'"
                    ))
                });
            }
        }
        Ok(bound)
    }

    fn bind_keyword(
        &self,
        t: &mut Thread,
        sig: &Signature,
        bound: &mut Bound,
        name: Value,
        value: Value,
    ) -> Res<()> {
        let fname = self.def.name;
        let Some(key) = Str::of(name) else {
            return Err(t.type_error("keywords must be strings".into()));
        };
        let text = || key.to_string_lossy();
        let found = sig
            .params
            .iter()
            .position(|p| key.is(&p.name))
            .filter(|&i| i >= sig.posonly && Some(i) != sig.star && Some(i) != sig.star_star);
        if let Some(i) = found {
            if !bound.values()[i].is_null() {
                let (at, text) = (i + 1 - usize::from(self.method), text());
                return Err(t.type_error(format!(
                    "argument for {fname}() given by name ('{text}') and position ({at})"
                )));
            }
            bound.values_mut()[i] = value;
            return Ok(());
        }
        if let Some(i) = sig.star_star {
            if let Some(d) = Dict::exact(bound.values()[i]) {
                d.set(t, name, value)?;
            }
            return Ok(());
        }
        if sig.simple {
            return Err(t.type_error(format!(
                "{}() takes no keyword arguments",
                self.qualified(t)
            )));
        }
        let text = text();
        Err(t.type_error(format!(
            "{fname}() got an unexpected keyword argument '{text}'"
        )))
    }

    fn qualified(&self, _t: &Thread) -> String {
        self.def.name.to_string()
    }

    #[cold]
    fn count_error(&self, t: &mut Thread, given: usize, _keywords: bool) -> weft_gc::Raised {
        let sig = self.signature();
        let m = usize::from(self.method);
        let (given, min, max) = (
            given.saturating_sub(m),
            sig.required.saturating_sub(m),
            sig.positional.saturating_sub(m),
        );
        let name = self.def.name;
        let s = |n: usize| if n == 1 { "" } else { "s" };
        let msg = if sig.simple {
            if min == max {
                match max {
                    0 => format!("{name}() takes no arguments ({given} given)"),
                    1 => format!("{name}() takes exactly one argument ({given} given)"),
                    _ => format!("{name} expected {max} arguments, got {given}"),
                }
            } else if given < min {
                format!(
                    "{name} expected at least {min} argument{}, got {given}",
                    s(min)
                )
            } else {
                format!(
                    "{name} expected at most {max} argument{}, got {given}",
                    s(max)
                )
            }
        } else if given > max {
            if max == 0 {
                format!("{name}() takes no positional arguments")
            } else {
                let how = if min == max { "exactly" } else { "at most" };
                // More than there are parameters of any kind.
                let all = sig.params.len().saturating_sub(m);
                let kind = if given > all { "" } else { "positional " };
                format!(
                    "{name}() takes {how} {max} {kind}argument{} ({given} given)",
                    s(max)
                )
            }
        } else {
            let how = if min == max && sig.star.is_none() {
                "exactly"
            } else {
                "at least"
            };
            format!(
                "{name}() takes {how} {min} positional argument{} ({given} given)",
                s(min)
            )
        };
        t.type_error(msg)
    }
}

struct Bound {
    few: [Value; PADDED],
    /// All of them, if there are more than fit above.
    many: Vec<Value>,
    n: usize,
    /// Keeps what was made for `*args` and `**kwargs`.
    _own: Vec<Obj>,
}

impl Bound {
    fn new(n: usize) -> Bound {
        Bound {
            few: [Value::NULL; PADDED],
            many: if n > PADDED {
                vec![Value::NULL; n]
            } else {
                Vec::new()
            },
            n,
            _own: Vec::new(),
        }
    }

    #[inline]
    fn values(&self) -> &[Value] {
        if self.n > PADDED {
            &self.many
        } else {
            &self.few[..self.n]
        }
    }

    #[inline]
    fn values_mut(&mut self) -> &mut [Value] {
        if self.n > PADDED {
            &mut self.many
        } else {
            &mut self.few[..self.n]
        }
    }
}

/// A built-in function, or a built-in method bound to its object: `len`, `[].append`.
#[repr(C)]
pub struct BuiltinFunction {
    pub header: Header,
    pub native: &'static Native,
    /// What it is bound to: the object, or the module it belongs to.
    pub self_: Slot,
    /// Name of its module (a str), or NULL.
    pub module: Slot,
}

/// A method, class method or static method of a built-in type, as it lies in the type's dict.
#[repr(C)]
pub struct MethodDescr {
    pub header: Header,
    pub native: &'static Native,
    /// The type it belongs to.
    pub owner: Slot,
}

impl BuiltinFunction {
    /// A function of module `module` (its name, or NULL). Its [`Native`] is never freed, and so neither is it: calls do not count it.
    pub fn new_function(t: &Thread, def: &'static NativeDef, module: Value) -> Obj {
        let f = Self::bind(t, Native::new(def, false), Value::NULL, module);
        weft_gc::share(t, f.value());
        f.header().make_immortal();
        f
    }

    /// `native` bound to `self_`.
    pub fn bind(t: &Thread, native: &'static Native, self_: Value, module: Value) -> Obj {
        // SAFETY: the layout is this type's; all words are written before anything else happens.
        unsafe {
            let p = t.alloc(&BUILTIN_FUNCTION.head, size_of::<BuiltinFunction>())
                as *mut BuiltinFunction;
            (&raw mut (*p).native).write(native);
            (*p).self_.init(
                t,
                &(*p).header,
                if self_.is_null() {
                    self_
                } else {
                    Obj::new(t, self_).into_value()
                },
            );
            (*p).module.init(
                t,
                &(*p).header,
                if module.is_null() {
                    module
                } else {
                    Obj::new(t, module).into_value()
                },
            );
            Obj::from_raw(Value::from_ptr(p as *const Header))
        }
    }

    pub fn of<'a>(v: Value) -> Option<&'a BuiltinFunction> {
        crate::cast(v, &BUILTIN_FUNCTION)
    }

    /// Calls with the arguments that follow the bound object.
    pub fn call(&self, t: &mut Thread, args: Args<'_>) -> Res {
        let all = args.all();
        if !self.native.method {
            if args.names().is_null() {
                return self.native.call_positional(t, all);
            }
            return self.native.call(t, args);
        }
        let self_ = self.self_.get();
        if args.names().is_null() && all.len() < 3 {
            let buffer = match *all {
                [] => [self_, Value::NULL, Value::NULL],
                [a] => [self_, a, Value::NULL],
                [a, b, ..] => [self_, a, b],
            };
            return self.native.call_positional(t, &buffer[..=all.len()]);
        }
        args.after(self_, |args| self.native.call(t, args))
    }
}

impl MethodDescr {
    /// Immortal, as a built-in function of a module is.
    pub fn new(t: &Thread, native: &'static Native, owner: &Type, ty: &'static Type) -> Obj {
        // SAFETY: as in `BuiltinFunction::bind`.
        unsafe {
            let p = t.alloc(&ty.head, size_of::<MethodDescr>()) as *mut MethodDescr;
            (&raw mut (*p).native).write(native);
            (*p).owner
                .init(t, &(*p).header, Obj::new(t, owner.value()).into_value());
            let d = Obj::from_raw(Value::from_ptr(p as *const Header));
            weft_gc::share(t, d.value());
            d.header().make_immortal();
            d
        }
    }

    pub fn of<'a>(v: Value) -> Option<&'a MethodDescr> {
        crate::cast(v, &METHOD_DESCRIPTOR)
    }

    /// Checks that `self_` is an instance of the owner.
    #[inline(always)]
    pub fn check_self(&self, t: &mut Thread, self_: Value) -> Res<()> {
        if accepts(self, self_) {
            return Ok(());
        }
        self.refuse(t, self_)
    }

    #[cold]
    #[inline(never)]
    fn refuse(&self, t: &mut Thread, self_: Value) -> Res<()> {
        let owner = Type::of_unchecked(self.owner.get());
        let (n, o, got) = (self.native.def.name, owner.name(), type_of(self_).name());
        Err(t.type_error(format!(
            "descriptor '{n}' for '{o}' objects doesn't apply to a '{got}' object"
        )))
    }
}

fn builtin_call(t: &mut Thread, f: Value, args: Args<'_>) -> Res {
    // SAFETY: only objects of BUILTIN_FUNCTION, which has no subclasses, have this slot.
    unsafe { &*(f.ptr() as *const BuiltinFunction) }.call(t, args)
}

fn method_descr_call(t: &mut Thread, f: Value, args: Args<'_>) -> Res {
    let m = native_of(f);
    if args.names().is_null()
        && let [self_, ..] = *args.all()
        && accepts(m, self_)
    {
        return m.native.call_positional(t, args.all());
    }
    method_descr_call_slow(t, m, args)
}

#[cold]
#[inline(never)]
fn method_descr_call_slow(t: &mut Thread, m: &MethodDescr, args: Args<'_>) -> Res {
    let Some(&self_) = args.pos().first() else {
        let owner = Type::of_unchecked(m.owner.get());
        let msg = format!(
            "unbound method {}.{}() needs an argument",
            owner.name(),
            m.native.def.name
        );
        return Err(t.type_error(msg));
    };
    m.check_self(t, self_)?;
    m.native.call(t, args)
}

fn method_descr_get(t: &mut Thread, d: Value, obj: Value, _ty: Value) -> Res {
    let Some(m) = MethodDescr::of(d) else {
        return Ok(Obj::new(t, d).into());
    };
    if obj.is_null() {
        return Ok(to_reg(t, d.bare()));
    }
    m.check_self(t, obj)?;
    Ok(BuiltinFunction::bind(t, m.native, obj, Value::NULL).into())
}

fn class_method_descr_get(t: &mut Thread, d: Value, obj: Value, ty: Value) -> Res {
    // SAFETY: only objects of CLASS_METHOD_DESCRIPTOR have this slot, and they have MethodDescr's layout.
    let m = unsafe { &*(d.ptr() as *const MethodDescr) };
    let cls = if ty.is_null() {
        type_of(obj).value()
    } else {
        ty
    };
    Ok(BuiltinFunction::bind(t, m.native, cls, Value::NULL).into())
}

fn class_method_descr_call(t: &mut Thread, d: Value, args: Args<'_>) -> Res {
    // SAFETY: as in `class_method_descr_get`.
    let m = unsafe { &*(d.ptr() as *const MethodDescr) };
    if args.pos().is_empty() {
        let owner = Type::of_unchecked(m.owner.get());
        let msg = format!(
            "unbound method {}.{}() needs an argument",
            owner.name(),
            m.native.def.name
        );
        return Err(t.type_error(msg));
    }
    m.native.call(t, args)
}

fn native_of<'a>(v: Value) -> &'a MethodDescr {
    // SAFETY: called with objects of the two descriptor types only, which share this layout.
    unsafe { &*(v.ptr() as *const MethodDescr) }
}

fn repr_builtin(t: &mut Thread, v: Value) -> Res {
    let Some(b) = BuiltinFunction::of(v) else {
        return Ok(Value::NONE);
    };
    let name = b.native.def.name;
    let self_ = b.self_.get();
    let s = if self_.is_null() || crate::module::Module::of(self_).is_some() {
        format!("<built-in function {name}>")
    } else {
        format!(
            "<built-in method {name} of {} object at {:#x}>",
            type_of(self_).name(),
            self_.ptr() as usize
        )
    };
    Ok(Str::new(t, &s).into())
}

fn repr_descr(t: &mut Thread, v: Value) -> Res {
    let m = native_of(v);
    let s = format!(
        "<method '{}' of '{}' objects>",
        m.native.def.name,
        Type::of_unchecked(m.owner.get()).full_name(t)
    );
    Ok(Str::new(t, &s).into())
}

/// The `__doc__` and `__text_signature__` of a native.
fn doc_of(t: &Thread, n: &Native) -> Res {
    Ok(if n.def.doc.is_empty() {
        Value::NONE
    } else {
        Str::new(t, n.def.doc).into()
    })
}

fn text_signature_of(t: &Thread, n: &Native) -> Res {
    Ok(if n.def.sig.is_empty() {
        Value::NONE
    } else {
        Str::new(t, n.def.sig).into()
    })
}

fn qualname_descr(t: &mut Thread, v: Value) -> Res {
    let m = native_of(v);
    let owner = Type::of_unchecked(m.owner.get()).qualname(t);
    let s = format!("{}.{}", owner.to_string_lossy(), m.native.def.name);
    Ok(Str::new(t, &s).into())
}

fn builtin_self(t: &mut Thread, v: Value) -> Res {
    let s = BuiltinFunction::of(v).map_or(Value::NULL, |b| b.self_.get());
    Ok(if s.is_null() {
        Value::NONE
    } else {
        to_reg(t, s)
    })
}

fn builtin_qualname(t: &mut Thread, v: Value) -> Res {
    let Some(b) = BuiltinFunction::of(v) else {
        return Ok(Value::NONE);
    };
    let s = b.self_.get();
    if s.is_null() || crate::module::Module::of(s).is_some() {
        return Ok(Str::new(t, b.native.def.name).into());
    }
    let ty = Type::of(s).unwrap_or_else(|| type_of(s));
    let q = format!("{}.{}", ty.qualname(t).to_string_lossy(), b.native.def.name);
    Ok(Str::new(t, &q).into())
}

fn builtin_reduce(t: &mut Thread, args: &[Value]) -> Res {
    let Some(b) = BuiltinFunction::of(args[0]) else {
        return Ok(Value::NONE);
    };
    let s = b.self_.get();
    if s.is_null() || crate::module::Module::of(s).is_some() {
        return Ok(Str::new(t, b.native.def.name).into());
    }
    let getattr = crate::runtime::builtin(t, "getattr")?;
    let pair = Tuple::from_vec(t, vec![Obj::new(t, s), Str::new(t, b.native.def.name)]);
    Ok(Tuple::from_vec(t, vec![getattr, pair]).into())
}

fn descr_reduce(t: &mut Thread, args: &[Value]) -> Res {
    let m = native_of(args[0]);
    let getattr = crate::runtime::builtin(t, "getattr")?;
    let pair = Tuple::from_vec(
        t,
        vec![Obj::new(t, m.owner.get()), Str::new(t, m.native.def.name)],
    );
    Ok(Tuple::from_vec(t, vec![getattr, pair]).into())
}

fn compare_builtin(t: &mut Thread, a: Value, b: Value, op: crate::slots::CmpOp) -> Res {
    use crate::slots::CmpOp;
    let (Some(x), Some(y)) = (BuiltinFunction::of(a), BuiltinFunction::of(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    let _ = t;
    let same = std::ptr::eq(x.native, y.native) && x.self_.get().same(y.self_.get());
    Ok(match op {
        CmpOp::Eq => Value::bool(same),
        CmpOp::Ne => Value::bool(!same),
        _ => Value::NOT_IMPLEMENTED,
    })
}

fn hash_builtin(_t: &mut Thread, v: Value) -> Res<i64> {
    let Some(b) = BuiltinFunction::of(v) else {
        return Ok(0);
    };
    Ok((b.native as *const Native as i64 >> 4) ^ (b.self_.get().bare().0 as i64 >> 3))
}

unsafe fn traverse_builtin(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this type.
    let b = unsafe { &*(h as *const BuiltinFunction) };
    f(b.self_.get());
    f(b.module.get());
}

unsafe fn clear_builtin(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type.
    let b = unsafe { &*(h as *const BuiltinFunction) };
    t.drop_value(b.self_.take_local());
    t.drop_value(b.module.take_local());
}

unsafe fn traverse_descr(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of one of the descriptor types.
    f(unsafe { (*(h as *const MethodDescr)).owner.get() });
}

unsafe fn clear_descr(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of one of the descriptor types.
    t.drop_value(unsafe { (*(h as *const MethodDescr)).owner.take() });
}

use crate::slots::Spec;

/// `builtin_function_or_method`
pub static BUILTIN_FUNCTION: Type = Type::builtin(
    "builtin_function_or_method",
    size_of::<BuiltinFunction>(),
    &Spec {
        call: Some(builtin_call),
        repr: Some(repr_builtin),
        compare: Some(compare_builtin),
        hash: Some(hash_builtin),
        methods: &[NativeDef::new("__reduce__", "($self, /)", builtin_reduce)],
        getset: &[
            GetSetDef::ro("__name__", |t, v| {
                Ok(BuiltinFunction::of(v)
                    .map_or(Value::NONE, |b| Str::intern(t, b.native.def.name).into()))
            }),
            GetSetDef::ro("__qualname__", builtin_qualname),
            GetSetDef::ro("__self__", builtin_self),
            GetSetDef::ro("__module__", |t, v| {
                let m = BuiltinFunction::of(v).map_or(Value::NULL, |b| b.module.get());
                Ok(if m.is_null() {
                    Value::NONE
                } else {
                    to_reg(t, m)
                })
            }),
            GetSetDef::ro("__doc__", |t, v| {
                BuiltinFunction::of(v).map_or(Ok(Value::NONE), |b| doc_of(t, b.native))
            }),
            GetSetDef::ro("__text_signature__", |t, v| {
                BuiltinFunction::of(v).map_or(Ok(Value::NONE), |b| text_signature_of(t, b.native))
            }),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse_builtin, clear_builtin)
.final_();

const DESCR_GETSET: &[GetSetDef] = &[
    GetSetDef::ro("__name__", |t, v| {
        Ok(Str::intern(t, native_of(v).native.def.name).into())
    }),
    GetSetDef::ro("__qualname__", qualname_descr),
    GetSetDef::ro("__objclass__", |t, v| {
        Ok(to_reg(t, native_of(v).owner.get()))
    }),
    GetSetDef::ro("__doc__", |t, v| doc_of(t, native_of(v).native)),
    GetSetDef::ro("__text_signature__", |t, v| {
        text_signature_of(t, native_of(v).native)
    }),
];

/// `method_descriptor`
pub static METHOD_DESCRIPTOR: Type = Type::builtin(
    "method_descriptor",
    size_of::<MethodDescr>(),
    &Spec {
        call: Some(method_descr_call),
        descr_get: Some(method_descr_get),
        repr: Some(repr_descr),
        getset: DESCR_GETSET,
        methods: &[NativeDef::new("__reduce__", "($self, /)", descr_reduce)],
        ..Spec::EMPTY
    },
)
.gc(traverse_descr, clear_descr)
.final_()
.no_new()
.flags(crate::types::type_flags::METHOD_DESCRIPTOR);

/// `classmethod_descriptor`
pub static CLASS_METHOD_DESCRIPTOR: Type = Type::builtin(
    "classmethod_descriptor",
    size_of::<MethodDescr>(),
    &Spec {
        call: Some(class_method_descr_call),
        descr_get: Some(class_method_descr_get),
        repr: Some(repr_descr),
        getset: DESCR_GETSET,
        ..Spec::EMPTY
    },
)
.gc(traverse_descr, clear_descr);

/// Calls what lies in a row of registers with positional arguments, if it is a method of a built-in type (whose first argument is
/// its object) or a built-in function: `None` if it is neither, and for an object of another type. For the interpreter.
#[inline(always)]
pub fn call_direct(t: &mut Thread, callee: Value, args: &[Value]) -> Option<Res> {
    if let Some(m) = crate::cast_exact::<MethodDescr>(callee, &METHOD_DESCRIPTOR) {
        return match args {
            [self_, ..] if accepts(m, *self_) => Some(m.native.call_positional(t, args)),
            _ => None,
        };
    }
    let b = crate::cast_exact::<BuiltinFunction>(callee, &BUILTIN_FUNCTION)?;
    Some(if b.native.method {
        b.call(t, Args::positional(args))
    } else {
        b.native.call_positional(t, args)
    })
}

/// Whether a native's owner type would accept this call without further checks (for the interpreter's fast path).
#[inline(always)]
pub fn accepts(m: &MethodDescr, self_: Value) -> bool {
    if self_.is_ptr() && std::ptr::eq(type_of(self_).value().ptr(), m.owner.get().ptr()) {
        return true;
    }
    accepts_derived(m, self_)
}

#[cold]
#[inline(never)]
fn accepts_derived(m: &MethodDescr, self_: Value) -> bool {
    type_of(self_).is_subtype(Type::of_unchecked(m.owner.get()))
}

/// A signature that is parsed once: for the `new`, `init` and `call` slots, which get their arguments unbound.
pub struct SigCell {
    name: &'static str,
    text: &'static str,
    made: OnceLock<&'static Native>,
}

impl SigCell {
    pub const fn new(name: &'static str, text: &'static str) -> SigCell {
        SigCell {
            name,
            text,
            made: OnceLock::new(),
        }
    }

    /// One value per parameter, NULL for those not given.
    pub fn bind(&self, t: &mut Thread, args: Args<'_>) -> Res<BoundArgs> {
        let native = self.made.get_or_init(|| {
            let def = Box::leak(Box::new(NativeDef::new(self.name, self.text, |_, _| {
                Ok(Value::NONE)
            })));
            Native::new(def, false)
        });
        native.bind(t, args).map(BoundArgs)
    }
}

/// Bound arguments; what was made for `*args` and `**kwargs` lives as long as this.
pub struct BoundArgs(Bound);

impl std::ops::Deref for BoundArgs {
    type Target = [Value];
    fn deref(&self) -> &[Value] {
        self.0.values()
    }
}

/// Binds by a signature that is not kept.
pub fn bind(t: &mut Thread, cell: &SigCell, args: Args<'_>) -> Res<BoundArgs> {
    cell.bind(t, args)
}
