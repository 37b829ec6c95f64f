//! Modules: a dict with a type.

use crate::cell::{fresh, own};
use crate::gc_slots;
use crate::instance::{generic_get_attr_opt, generic_set_attr};
use crate::native::BuiltinFunction;
use crate::prelude::*;
use std::mem::offset_of;
use weft_gc::TypeFlags;

/// A module.
#[repr(C)]
pub struct Module {
    pub header: Header,
    /// Its namespace: a dict, never NULL once the module is made.
    pub dict: Slot,
}

impl Module {
    /// A new module with the attributes that every module has.
    pub fn new(t: &Thread, name: &str) -> Obj {
        // SAFETY: the layout of modules.
        let (o, m) = unsafe { fresh::<Module>(t, &MODULE) };
        let name = Str::intern(t, name);
        m.init(t, name.value(), Value::NONE);
        o
    }

    /// Gives the module its dict, if need be, and the attributes that every module has.
    fn init(&self, t: &Thread, name: Value, doc: Value) {
        let d = self.dict_obj(t);
        let d = Dict::of_obj(&d);
        d.set_str(t, crate::id!(t, "__name__"), name);
        d.set_str(t, crate::id!(t, "__doc__"), doc);
        for attr in [
            crate::id!(t, "__package__"),
            crate::id!(t, "__loader__"),
            crate::id!(t, "__spec__"),
        ] {
            d.set_str(t, attr, Value::NONE);
        }
    }

    /// The module, if `v` is one.
    #[inline]
    pub fn of<'a>(v: Value) -> Option<&'a Module> {
        crate::cast(v, &MODULE)
    }

    /// The module, if `v` is one whose attributes are looked up as for any module.
    #[inline(always)]
    pub fn exact<'a>(v: Value) -> Option<&'a Module> {
        crate::cast_exact(v, &MODULE)
    }

    pub fn value(&self) -> Value {
        self.header.value()
    }

    /// The namespace.
    pub fn dict_obj(&self, t: &Thread) -> Obj {
        match own(t, &self.dict) {
            Some(d) => d,
            None => {
                let d = Dict::new(t);
                if let Err(unused) =
                    self.dict
                        .set_if(t, &self.header, Value::NULL, d.clone().into_value())
                {
                    dec(t, unused);
                }
                Obj::new(t, self.dict.get())
            }
        }
    }

    /// The namespace, borrowed. It is never replaced, so it lives as long as the module.
    #[inline]
    pub fn dict(&self) -> &Dict {
        debug_assert!(Dict::exact(self.dict.get()).is_some());
        // SAFETY: every module is given its dict when it is made.
        unsafe { &*(self.dict.get().ptr() as *const Dict) }
    }

    /// Of no subclass.
    pub fn is_plain(&self) -> bool {
        std::ptr::eq(self.header.ty(), &MODULE.head)
    }

    /// Sets a name.
    pub fn add(&self, t: &Thread, name: &str, v: Obj) {
        let d = self.dict_obj(t);
        Dict::of_obj(&d).set_str(t, crate::names::get(t, name), v.value());
    }

    /// Adds a native function under its name.
    pub fn add_function(&self, t: &Thread, def: &'static crate::native::NativeDef) {
        let name = self.get(t, "__name__");
        let f =
            BuiltinFunction::new_function(t, def, name.as_ref().map_or(Value::NULL, Obj::value));
        self.dict()
            .set_str(t, crate::names::get(t, def.name), f.value());
    }

    pub fn add_functions(&self, t: &Thread, defs: &'static [crate::native::NativeDef]) {
        self.dict().reserve(t, defs.len());
        for def in defs {
            self.add_function(t, def);
        }
    }

    /// Adds a built-in type under its name, and makes it ready.
    pub fn add_type(&self, t: &Thread, ty: &'static Type) {
        ty.ready(t);
        self.add(t, &ty.name(), Obj::new(t, ty.value()));
    }

    /// The value of a name, if the namespace has it.
    pub fn get(&self, t: &Thread, name: &str) -> Option<Obj> {
        self.get_str(t, crate::names::get(t, name))
    }

    fn get_str(&self, t: &Thread, name: &Str) -> Option<Obj> {
        self.dict().get_str(t, name).map(|v| v.to_obj(t))
    }
}

fn this<'a>(v: Value) -> &'a Module {
    // SAFETY: slot functions of MODULE get its instances alone.
    unsafe { &*(v.ptr() as *const Module) }
}

fn module_new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    // SAFETY: `cls` is `module` or a subclass.
    let (o, m) = unsafe { fresh::<Module>(t, Type::of_unchecked(cls)) };
    m.dict_obj(t);
    Ok(o.into())
}

fn module_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new("module", "(name, doc=None)");
    let a = SIG.bind(t, args)?;
    if Str::of(a[0]).is_none() {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!("module() argument 'name' must be str, not {got}")));
    }
    this(v).init(t, a[0], if a[1].is_null() { Value::NONE } else { a[1] });
    Ok(())
}

fn module_get_attr(t: &mut Thread, v: Value, name: Value) -> Res {
    if let Some(found) = generic_get_attr_opt(t, v, name)? {
        return Ok(found);
    }
    missing(t, v, name)
}

/// The module has no such attribute: `__getattr__`, or AttributeError.
#[cold]
fn missing(t: &mut Thread, v: Value, name: Value) -> Res {
    let m = this(v);
    if let Some(getattr) = m.get_str(t, crate::id!(t, "__getattr__")) {
        return proto::call(t, getattr.value(), &[name]).map(Obj::into_value);
    }
    let Some(key) = Str::of(name) else {
        return Err(t.type_error("attribute name must be string".into()));
    };
    let attr = key.to_string_lossy();
    let own_name = m
        .get_str(t, crate::id!(t, "__name__"))
        .filter(|n| Str::of(n.value()).is_some());
    let Some(own_name) = own_name else {
        return Err(t.attribute_error_msg(v, key, format!("module has no attribute '{attr}'")));
    };
    let name_obj = own_name;
    let own_name = Str::of(name_obj.value()).map_or_else(String::new, |s| s.to_string_lossy());
    let spec = m.get_str(t, crate::id!(t, "__spec__"));
    if let Some(spec) = &spec
        && let Some(hint) = shadow_hint(t, spec.value(), &name_obj)?
    {
        let msg = format!("module '{own_name}' has no attribute '{attr}' ({hint})");
        return Err(t.attribute_error_msg(v, key, msg));
    }
    let msg = match spec {
        Some(spec) if is_initializing(t, spec.value())? => {
            partial_message(t, spec.value(), &own_name, &attr)?
        }
        Some(spec) if is_uninitialized_submodule(t, spec.value(), name)? => {
            let why = "most likely due to a circular import";
            format!("cannot access submodule '{attr}' of module '{own_name}' ({why})")
        }
        _ => format!("module '{own_name}' has no attribute '{attr}'"),
    };
    Err(t.attribute_error_msg(v, key, msg))
}

/// Tells whether a file may hide a library's module, as it lies where the program looks first.
type ShadowHook = fn(&Thread, &str) -> bool;
static SHADOWS: std::sync::OnceLock<ShadowHook> = std::sync::OnceLock::new();

/// What knows where the program looks for modules.
pub fn set_shadow_hook(f: ShadowHook) {
    let _ = SHADOWS.set(f);
}

/// If the module of this spec and name may be what the program did not mean: what to do about that.
///
/// # Errors
/// What the spec's attributes or the name's hash raise.
pub fn shadow_hint(t: &mut Thread, spec: Value, name: &Obj) -> Res<Option<String>> {
    let Some(origin) = spec_origin(t, spec)? else {
        return Ok(None);
    };
    let file = Str::of(origin.value()).map_or_else(String::new, |s| s.to_string_lossy());
    if !SHADOWS.get().is_some_and(|f| f(t, &file)) {
        return Ok(None);
    }
    let names = crate::runtime::sys_attr(t, "stdlib_module_names");
    let of_library = match names.as_ref().and_then(|n| crate::set::Set::of(n.value())) {
        Some(set) => set.contains(t, name.value())?,
        None => false,
    };
    if !of_library && !is_initializing(t, spec)? {
        return Ok(None);
    }
    let repr = proto::repr(t, origin.value())?;
    let repr = Str::of(repr.value()).map_or_else(String::new, |s| s.to_string_lossy());
    if !of_library {
        return Ok(Some(format!(
            "consider renaming {repr} if it has the same name as a library you intended to import"
        )));
    }
    let name = proto::repr(t, name.value())?;
    let name = Str::of(name.value()).map_or_else(String::new, |s| s.to_string_lossy());
    Ok(Some(format!(
        "consider renaming {repr} since it has the same name as the standard library module named {name} and prevents \
         importing that standard library module"
    )))
}

fn spec_origin(t: &mut Thread, spec: Value) -> Res<Option<Obj>> {
    if spec.is_none() {
        return Ok(None);
    }
    let has = proto::get_attr_opt(t, spec, crate::id!(t, "has_location"))?;
    match has {
        Some(has) if proto::truth(t, has.value())? => {}
        _ => return Ok(None),
    }
    let origin = proto::get_attr_opt(t, spec, crate::id!(t, "origin"))?;
    Ok(origin.filter(|o| Str::of(o.value()).is_some()))
}

/// Where a module was loaded from: its spec's origin, or `__file__`.
///
/// # Errors
/// What getting these attributes raises.
pub fn origin(t: &mut Thread, module: Value, spec: Option<Value>) -> Res<Option<Obj>> {
    if let Some(spec) = spec
        && let Some(o) = spec_origin(t, spec)?
    {
        return Ok(Some(o));
    }
    let file = match Module::of(module) {
        Some(m) => m.get_str(t, crate::id!(t, "__file__")),
        None => proto::get_attr_opt(t, module, crate::id!(t, "__file__"))?,
    };
    Ok(file.filter(|f| Str::of(f.value()).is_some()))
}

/// Whether the import system says that the module of this spec is being imported.
pub fn is_initializing(t: &mut Thread, spec: Value) -> Res<bool> {
    if spec.is_none() {
        return Ok(false);
    }
    match proto::get_attr_opt(t, spec, crate::id!(t, "_initializing"))? {
        Some(v) => proto::truth(t, v.value()),
        None => Ok(false),
    }
}

fn is_uninitialized_submodule(t: &mut Thread, spec: Value, name: Value) -> Res<bool> {
    if spec.is_none() {
        return Ok(false);
    }
    match proto::get_attr_opt(t, spec, crate::id!(t, "_uninitialized_submodules"))? {
        Some(v) => proto::contains(t, v.value(), name),
        None => Ok(false),
    }
}

fn partial_message(t: &mut Thread, spec: Value, module: &str, attr: &str) -> Res<String> {
    let why = "most likely due to a circular import";
    let origin = match proto::get_attr_opt(t, spec, crate::id!(t, "has_location"))? {
        Some(has) if proto::truth(t, has.value())? => {
            proto::get_attr_opt(t, spec, crate::id!(t, "origin"))?
        }
        _ => None,
    };
    Ok(match origin.as_ref().and_then(|o| Str::of(o.value())) {
        Some(o) => {
            let from = o.to_string_lossy();
            format!(
                "partially initialized module '{module}' from '{from}' has no attribute '{attr}' ({why})"
            )
        }
        None => {
            format!("partially initialized module '{module}' has no attribute '{attr}' ({why})")
        }
    })
}

/// As `importlib._bootstrap._module_repr`.
fn module_repr(t: &mut Thread, v: Value) -> Res {
    let m = this(v);
    let spec = m
        .get_str(t, crate::id!(t, "__spec__"))
        .filter(|s| !s.value().is_none());
    let mut out = b"<module ".to_vec();
    if let Some(spec) = spec {
        let name = proto::get_attr(t, spec.value(), crate::id!(t, "name"))?;
        push_repr(t, &mut out, name.value())?;
        let origin = proto::get_attr_opt(t, spec.value(), crate::id!(t, "origin"))?
            .filter(|o| !o.value().is_none());
        match origin {
            Some(origin) => {
                let located =
                    match proto::get_attr_opt(t, spec.value(), crate::id!(t, "has_location"))? {
                        Some(has) => proto::truth(t, has.value())?,
                        None => false,
                    };
                if located {
                    out.extend_from_slice(b" from ");
                    push_repr(t, &mut out, origin.value())?;
                } else {
                    out.extend_from_slice(b" (");
                    let origin = proto::str(t, origin.value())?;
                    errors::append(&mut out, &origin);
                    out.push(b')');
                }
            }
            None => {
                let loader = proto::get_attr_opt(t, spec.value(), crate::id!(t, "loader"))?;
                push_loader(t, &mut out, loader)?;
            }
        }
    } else {
        match m.get_str(t, crate::id!(t, "__name__")) {
            Some(n) => push_repr(t, &mut out, n.value())?,
            None => out.extend_from_slice(b"'?'"),
        }
        match m.get_str(t, crate::id!(t, "__file__")) {
            Some(file) => {
                out.extend_from_slice(b" from ");
                push_repr(t, &mut out, file.value())?;
            }
            None => {
                let loader = m.get_str(t, crate::id!(t, "__loader__"));
                push_loader(t, &mut out, loader)?;
            }
        }
    }
    out.push(b'>');
    Ok(Str::from_wtf8(t, &out).into())
}

fn push_loader(t: &mut Thread, out: &mut Vec<u8>, loader: Option<Obj>) -> Res<()> {
    if let Some(loader) = loader.filter(|l| !l.value().is_none()) {
        if type_of(loader.value()).name() == "NamespaceLoader"
            && let Some(path) = proto::get_attr_opt(t, loader.value(), crate::id!(t, "_path"))?
        {
            // Importlib's, for a package without a file of its own.
            let dirs = proto::to_vec(t, path.value())?;
            let dirs = crate::list::List::from_vec(t, dirs);
            out.extend_from_slice(b" (namespace) from ");
            return push_repr(t, out, dirs.value());
        }
        out.extend_from_slice(b" (");
        push_repr(t, out, loader.value())?;
        out.push(b')');
    }
    Ok(())
}

fn push_repr(t: &mut Thread, out: &mut Vec<u8>, v: Value) -> Res<()> {
    let r = proto::repr(t, v)?;
    errors::append(out, &r);
    Ok(())
}

fn module_dir(t: &mut Thread, a: &[Value]) -> Res {
    let d = proto::get_attr(t, a[0], crate::id!(t, "__dict__"))?;
    let Some(d) = Dict::of(d.value()) else {
        return Err(t.type_error("<module>.__dict__ is not a dictionary".into()));
    };
    let dir = d.get_str(t, crate::id!(t, "__dir__")).map(|v| v.to_obj(t));
    if let Some(dir) = dir {
        return proto::call(t, dir.value(), &[]).map(Obj::into_value);
    }
    let keys = d.items(t).into_iter().map(|(k, _)| k).collect();
    Ok(List::from_vec(t, keys).into())
}

fn get_annotate(t: &mut Thread, v: Value) -> Res {
    Ok(this(v)
        .get_str(t, crate::id!(t, "__annotate__"))
        .map_or(Value::NONE, Obj::into_value))
}

fn put_annotate(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    if new.is_null() {
        return Err(t.type_error("cannot delete __annotate__ attribute".into()));
    }
    if !new.is_none() && !proto::is_callable(new) {
        return Err(t.type_error("__annotate__ must be callable or None".into()));
    }
    let d = this(v).dict_obj(t);
    let d = Dict::of_obj(&d);
    d.set_str(t, crate::id!(t, "__annotate__"), new);
    if !new.is_none() {
        d.remove_str(t, crate::id!(t, "__annotations__"));
    }
    Ok(())
}

fn get_annotations(t: &mut Thread, v: Value) -> Res {
    let m = this(v);
    if let Some(a) = m.get_str(t, crate::id!(t, "__annotations__")) {
        return Ok(a.into());
    }
    let made = match m
        .get_str(t, crate::id!(t, "__annotate__"))
        .filter(|f| !f.value().is_none())
    {
        Some(f) => {
            let made = proto::call(t, f.value(), &[Value::int(1)])?;
            if Dict::of(made.value()).is_none() {
                let got = type_of(made.value()).name();
                return Err(t.type_error(format!("__annotate__ returned non-dict of type '{got}'")));
            }
            made
        }
        None => Dict::new(t),
    };
    let spec = m.get_str(t, crate::id!(t, "__spec__"));
    let unfinished = match spec {
        Some(spec) => is_initializing(t, spec.value())?,
        None => false,
    };
    if !unfinished {
        let d = m.dict_obj(t);
        Dict::of_obj(&d).set_str(t, crate::id!(t, "__annotations__"), made.value());
    }
    Ok(made.into())
}

fn put_annotations(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let d = this(v).dict_obj(t);
    let d = Dict::of_obj(&d);
    let name = crate::id!(t, "__annotations__");
    if new.is_null() {
        if d.remove_str(t, name).is_none() {
            return Err(t.attribute_error(v, name));
        }
    } else {
        d.set_str(t, name, new);
    }
    d.remove_str(t, crate::id!(t, "__annotate__"));
    Ok(())
}

gc_slots!(Module, traverse, clear, dict);

/// `types.ModuleType`
pub static MODULE: Type = Type::builtin(
    "module",
    size_of::<Module>(),
    &Spec {
        new: Some(module_new),
        init: Some(module_init),
        get_attr: Some(module_get_attr),
        set_attr: Some(generic_set_attr),
        repr: Some(module_repr),
        methods: &[NativeDef::new("__dir__", "($self, /)", module_dir)],
        getset: &[
            GetSetDef::ro("__dict__", |t, v| Ok(this(v).dict_obj(t).into())),
            GetSetDef::rw("__annotations__", get_annotations, put_annotations),
            GetSetDef::rw("__annotate__", get_annotate, put_annotate),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.gc_flags(TypeFlags::COLLECTED)
.dict_at(offset_of!(Module, dict))
.doc("Create a module object.\n\nThe name must be a string; the optional docstring can have any type.");
