//! Functions made by `def` and `lambda`.

use crate::code::Code;
use crate::prelude::*;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::*};
use weft_gc::{TypeFlags, keep, keep_globals};

/// `function`
#[repr(C)]
pub struct Function {
    pub header: Header,
    pub code: Slot,
    pub globals: Slot,
    pub builtins: Slot,
    /// Tuple of cells, or NULL.
    pub closure: Slot,
    /// Tuple, or NULL.
    pub defaults: Slot,
    /// Dict, or NULL.
    pub kwdefaults: Slot,
    pub name: Slot,
    pub qualname: Slot,
    pub doc: Slot,
    pub module: Slot,
    pub annotate: Slot,
    pub annotations: Slot,
    pub type_params: Slot,
    pub dict: Slot,
    /// Changes with the code and the defaults.
    pub version: AtomicU32,
}

/// What the interpreter gives to this layer.
pub struct Hooks {
    /// Calls a Python function.
    pub call: fn(&mut Thread, Value, Args<'_>) -> Res,
    /// Runs a class body in the namespace; gives the `__class__` cell or None.
    pub class_body: fn(&mut Thread, Value, Value) -> Res,
    /// Resumes a generator: see [`crate::generator::Resume`].
    pub resume: fn(&mut Thread, Value, crate::generator::Resume) -> Res<crate::generator::Outcome>,
    /// Runs a generator to its next yield; the flag says, and is given back as, whether its frame has stayed on the stack. NULL: it
    /// is finished.
    pub step: fn(&mut Thread, Value, bool) -> Res<(Value, bool)>,
    /// Suspends a generator whose frame has stayed, which must be the innermost one.
    pub pause: fn(&mut Thread),
}

static HOOKS: OnceLock<Hooks> = OnceLock::new();

/// Called once by the interpreter's crate before anything runs.
pub fn set_hooks(hooks: Hooks) {
    let _ = HOOKS.set(hooks);
}

pub(crate) fn hooks() -> &'static Hooks {
    HOOKS
        .get()
        .expect("the interpreter is set up before objects are used")
}

impl Function {
    #[inline(always)]
    pub fn of<'a>(v: Value) -> Option<&'a Function> {
        crate::cast_exact(v, &FUNCTION)
    }

    /// A function of this code in these globals.
    pub fn new(t: &Thread, code: Value, globals: &Dict, builtins: &Dict) -> Obj {
        let Some(c) = Code::of(code) else {
            unreachable!("made from a code object")
        };
        // SAFETY: zeroed slots are empty.
        let o = unsafe {
            Obj::from_raw(Value::from_ptr(
                t.alloc(&FUNCTION.head, size_of::<Function>()),
            ))
        };
        // SAFETY: just made.
        let f = unsafe { &*(o.value().ptr() as *const Function) };
        let h = &f.header;
        f.code.keep(t, h, keep(t, code));
        f.globals
            .keep(t, h, keep_globals(t, globals.header.value()));
        f.builtins
            .keep(t, h, keep_globals(t, builtins.header.value()));
        f.name.keep(t, h, keep(t, c.body().name.value()));
        f.qualname.keep(t, h, keep(t, c.body().qualname.value()));
        let module = globals
            .get_str(t, crate::id!(t, "__name__"))
            .map_or(Value::NONE, |v| v.value());
        f.module.keep(t, h, keep(t, module));
        o
    }

    #[inline(always)]
    pub fn code(&self) -> &Code {
        // SAFETY: the slot always holds a code object: the setter checks.
        unsafe { &*(self.code.get().ptr() as *const Code) }
    }
    #[inline(always)]
    pub fn globals(&self) -> &Dict {
        // SAFETY: the slot always holds a dict and is never changed.
        unsafe { &*(self.globals.get().ptr() as *const Dict) }
    }
    #[inline(always)]
    pub fn builtins(&self) -> &Dict {
        // SAFETY: as above.
        unsafe { &*(self.builtins.get().ptr() as *const Dict) }
    }

    pub fn display_name(&self) -> String {
        Str::of(self.qualname.get()).map_or(String::new(), |s| s.to_string_lossy())
    }
}

/// Runs the body of a class statement.
pub fn run_class_body(t: &mut Thread, func: Value, ns: Value) -> Res {
    (hooks().class_body)(t, func, ns)
}

fn function_call(t: &mut Thread, f: Value, args: Args<'_>) -> Res {
    (hooks().call)(t, f, args)
}

fn function_get(t: &mut Thread, f: Value, obj: Value, _ty: Value) -> Res {
    if obj.is_null() {
        return Ok(to_reg(t, f.bare()));
    }
    Ok(crate::method::Method::new(t, f, obj).into())
}

fn of<'a>(v: Value) -> &'a Function {
    // SAFETY: called for functions only.
    unsafe { &*(v.ptr() as *const Function) }
}

/// All references of a function: the fields from `code` to `dict`, which lie in a row.
#[inline(always)]
fn slots(f: &Function) -> &[Slot] {
    const FIRST: usize = std::mem::offset_of!(Function, code);
    const END: usize = std::mem::offset_of!(Function, version);
    const COUNT: usize = (END - FIRST) / size_of::<Slot>();
    const { assert!(END == std::mem::offset_of!(Function, dict) + size_of::<Slot>()) };
    // SAFETY: `repr(C)`, and all fields between those two are slots.
    unsafe {
        let first = (f as *const Function as *const u8).add(FIRST) as *const Slot;
        std::slice::from_raw_parts(first, COUNT)
    }
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a function.
    for s in slots(unsafe { &*(h as *const Function) }) {
        f(s.get());
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying function.
    for s in slots(unsafe { &*(h as *const Function) }) {
        if !s.get().is_null() {
            t.drop_value(s.take_local());
        }
    }
}

fn none_if_empty(t: &Thread, s: &Slot) -> Res {
    let v = s.get();
    Ok(if v.is_null() {
        Value::NONE
    } else {
        to_reg(t, v)
    })
}

/// Stores an attribute that must be of a certain kind; None and deletion empty it where `none` says so.
fn put(t: &mut Thread, f: Value, slot: &Slot, v: Value) -> Res<()> {
    let v = if v.is_null() {
        v
    } else {
        Obj::new(t, v).into_value()
    };
    let h = &of(f).header;
    let old = {
        let _guard = lock(t, h);
        of(f).version.fetch_add(1, Relaxed);
        slot.replace(t, h, v)
    };
    dec(t, old);
    Ok(())
}

fn set_code(t: &mut Thread, f: Value, v: Value) -> Res<()> {
    let name = crate::id!(t, "__code__").value();
    crate::audit::tell(t, "object.__setattr__", &[f, name, v])?;
    let Some(c) = Code::of(v) else {
        return Err(t.type_error("__code__ must be set to a code object".into()));
    };
    let have = Tuple::exact(of(f).closure.get()).map_or(0, |c| c.len());
    if c.free_count() != have {
        let name = Str::of(of(f).name.get()).map_or(String::new(), |s| s.to_string_lossy());
        let msg = format!(
            "{name}() requires a code object with {have} free vars, not {}",
            c.free_count()
        );
        return Err(t.value_error(msg));
    }
    const KINDS: u32 = 32 | 128 | 512;
    let kind = |c: Option<&Code>| c.map_or(0, |c| c.flags & KINDS);
    if kind(Some(c)) != kind(Code::of(of(f).code.get())) {
        errors::warn::deprecated(
            t,
            "Assigning a code object of non-matching type is deprecated (e.g., from a generator to a plain function)",
        )?;
    }
    // The docstring stays that of the first code.
    let doc = Obj::own(get_doc(t, f)?);
    put(t, f, &of(f).doc, doc.value())?;
    put(t, f, &of(f).code, v)
}

fn set_str(t: &mut Thread, f: Value, slot: &Slot, v: Value, name: &str) -> Res<()> {
    if v.is_null() || Str::of(v).is_none() {
        return Err(t.type_error(format!("{name} must be set to a string object")));
    }
    put(t, f, slot, v)
}

fn set_defaults(t: &mut Thread, f: Value, v: Value) -> Res<()> {
    let name = crate::id!(t, "__defaults__").value();
    crate::audit::tell(t, "object.__setattr__", &[f, name, v])?;
    let v = if v.is_none() { Value::NULL } else { v };
    if !v.is_null() && Tuple::of(v).is_none() {
        return Err(t.type_error("__defaults__ must be set to a tuple object".into()));
    }
    put(t, f, &of(f).defaults, v)
}

fn set_kwdefaults(t: &mut Thread, f: Value, v: Value) -> Res<()> {
    let v = if v.is_none() { Value::NULL } else { v };
    if !v.is_null() && Dict::of(v).is_none() {
        return Err(t.type_error("__kwdefaults__ must be set to a dict object".into()));
    }
    put(t, f, &of(f).kwdefaults, v)
}

/// What nobody has set is the code's.
fn get_doc(t: &mut Thread, f: Value) -> Res {
    let own = of(f).doc.get();
    let doc = if own.is_null() {
        of(f).code().docstring()
    } else {
        own
    };
    Ok(to_reg(t, doc))
}

fn get_annotations(t: &mut Thread, v: Value) -> Res {
    let f = of(v);
    if f.annotations.get().is_null() {
        let annotate = f.annotate.get();
        let made = if annotate.is_null() || annotate.is_none() {
            Dict::new(t)
        } else {
            let a = Obj::new(t, annotate);
            let d = proto::call(t, a.value(), &[Value::int(1)])?;
            if Dict::of(d.value()).is_none() {
                let msg = format!(
                    "__annotate__ returned non-dict of type '{}'",
                    type_of(d.value()).name()
                );
                return Err(t.type_error(msg));
            }
            d
        };
        if let Err(unused) = f
            .annotations
            .set_if(t, &f.header, Value::NULL, made.into_value())
        {
            dec(t, unused);
        }
    }
    Ok(to_reg(t, f.annotations.get()))
}

fn set_annotations(t: &mut Thread, f: Value, v: Value) -> Res<()> {
    let v = if v.is_none() { Value::NULL } else { v };
    if !v.is_null() && Dict::of(v).is_none() {
        return Err(t.type_error("__annotations__ must be set to a dict object".into()));
    }
    put(t, f, &of(f).annotate, Value::NULL)?;
    put(t, f, &of(f).annotations, v)
}

fn set_annotate(t: &mut Thread, f: Value, v: Value) -> Res<()> {
    if v.is_null() {
        return Err(t.type_error("__annotate__ cannot be deleted".into()));
    }
    if !v.is_none() && !proto::is_callable(v) {
        return Err(t.type_error("__annotate__ must be callable or None".into()));
    }
    if !v.is_none() {
        put(t, f, &of(f).annotations, Value::NULL)?;
    }
    put(t, f, &of(f).annotate, v)
}

fn set_type_params(t: &mut Thread, f: Value, v: Value) -> Res<()> {
    if v.is_null() || Tuple::of(v).is_none() {
        return Err(t.type_error("__type_params__ must be set to a tuple".into()));
    }
    put(t, f, &of(f).type_params, v)
}

fn new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new(
        "function",
        "(code, globals, name=None, argdefs=None, closure=None, kwdefaults=None)",
    );
    let a = SIG.bind(t, args)?;
    let Some(code) = Code::of(a[0]) else {
        let msg = format!(
            "function() argument 'code' must be code, not {}",
            type_of(a[0]).name()
        );
        return Err(t.type_error(msg));
    };
    let Some(globals) = Dict::of(a[1]) else {
        let msg = format!(
            "function() argument 'globals' must be dict, not {}",
            type_of(a[1]).name()
        );
        return Err(t.type_error(msg));
    };
    let given = |v: Value| !v.is_null() && !v.is_none();
    let builtins = crate::runtime::builtins_for(t, globals);
    let f = Function::new(t, a[0], globals, Dict::of_obj(&builtins));
    if given(a[2]) {
        set_str(t, f.value(), &of(f.value()).name, a[2], "__name__")?;
    }
    if given(a[3]) {
        if Tuple::of(a[3]).is_none() {
            return Err(t.type_error("arg 4 (defaults) must be None or tuple".into()));
        }
        set_defaults(t, f.value(), a[3])?;
    }
    let cells = if given(a[4]) {
        Tuple::of(a[4]).map(|c| c.len())
    } else {
        Some(0)
    };
    let Some(cells) = cells else {
        return Err(t.type_error("arg 5 (closure) must be tuple".into()));
    };
    if cells != code.free_count() {
        let name = Str::of(code.body().name.value()).map_or(String::new(), |s| s.to_string_lossy());
        let msg = format!(
            "{name} requires closure of length {}, not {cells}",
            code.free_count()
        );
        return Err(t.value_error(msg));
    }
    if cells > 0 {
        put(t, f.value(), &of(f.value()).closure, a[4])?;
    }
    if given(a[5]) {
        if Dict::of(a[5]).is_none() {
            return Err(t.type_error("arg 6 (kwdefaults) must be None or dict".into()));
        }
        set_kwdefaults(t, f.value(), a[5])?;
    }
    Ok(f.into())
}

/// `function`
pub static FUNCTION: Type = Type::builtin(
    "function",
    size_of::<Function>(),
    &Spec {
        new: Some(new),
        call: Some(function_call),
        members: &[MemberDef {
            name: "__globals__",
            offset: std::mem::offset_of!(Function, globals),
            readonly: true,
            none_if_empty: true,
        }],
        descr_get: Some(function_get),
        repr: Some(|t, v| {
            let s = format!(
                "<function {} at {:#x}>",
                of(v).display_name(),
                proto::address(v)
            );
            Ok(Str::new(t, &s).into())
        }),
        getset: &[
            GetSetDef::rw("__code__", |t, v| Ok(to_reg(t, of(v).code.get())), set_code),
            GetSetDef::ro("__builtins__", |t, v| {
                Ok(crate::foreign_builtins::shown(t, of(v).builtins.get()))
            }),
            GetSetDef::ro("__closure__", |t, v| none_if_empty(t, &of(v).closure)),
            GetSetDef::rw(
                "__defaults__",
                |t, v| none_if_empty(t, &of(v).defaults),
                set_defaults,
            ),
            GetSetDef::rw(
                "__kwdefaults__",
                |t, v| none_if_empty(t, &of(v).kwdefaults),
                set_kwdefaults,
            ),
            GetSetDef::rw(
                "__name__",
                |t, v| Ok(to_reg(t, of(v).name.get())),
                |t, v, x| set_str(t, v, &of(v).name, x, "__name__"),
            ),
            GetSetDef::rw(
                "__qualname__",
                |t, v| Ok(to_reg(t, of(v).qualname.get())),
                |t, v, x| set_str(t, v, &of(v).qualname, x, "__qualname__"),
            ),
            GetSetDef::rw("__doc__", get_doc, |t, v, x| {
                // A deleted one is None.
                put(t, v, &of(v).doc, if x.is_null() { Value::NONE } else { x })
            }),
            GetSetDef::rw(
                "__module__",
                |t, v| none_if_empty(t, &of(v).module),
                |t, v, x| put(t, v, &of(v).module, x),
            ),
            GetSetDef::rw("__annotations__", get_annotations, set_annotations),
            GetSetDef::rw(
                "__annotate__",
                |t, v| none_if_empty(t, &of(v).annotate),
                set_annotate,
            ),
            GetSetDef::rw(
                "__type_params__",
                |t, v| {
                    let p = of(v).type_params.get();
                    Ok(if p.is_null() {
                        Tuple::empty(t).into()
                    } else {
                        to_reg(t, p)
                    })
                },
                set_type_params,
            ),
            GetSetDef::rw(
                "__dict__",
                |t, v| Ok(crate::instance::get_dict(t, v).map_or(Value::NONE, Obj::into_value)),
                crate::descr::replace_dict,
            ),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.gc_flags(TypeFlags::UNCOUNTED)
.flags(crate::types::type_flags::METHOD_DESCRIPTOR)
.dict_at(std::mem::offset_of!(Function, dict))
.final_();
