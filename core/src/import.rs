//! The import statement: what is imported already is found here without running any Python; all else is CPython's own importlib.

use weft_objects::errors::Exception;
use weft_objects::frame::FrameObject;
use weft_objects::interpreter::PerInterpreter;
use weft_objects::module::{self, Module, is_initializing};
use weft_objects::prelude::*;
use weft_objects::runtime::{self, Global};
use weft_objects::traceback::Traceback;

/// The module `_frozen_importlib`.
static IMPORTLIB: PerInterpreter<Global> = PerInterpreter::new(Global::new(), Global::new);
/// The builtin `__import__`, as it was made.
static IMPORT: PerInterpreter<Global> = PerInterpreter::new(Global::new(), Global::new);

/// Notes the module that does the work.
pub fn set_importlib(t: &Thread, m: Obj) {
    IMPORTLIB.of(t).set(t, m);
}

/// Notes the builtin `__import__`: another one in a module's builtins is called instead of it.
pub fn set_builtin_import(t: &Thread, f: Obj) {
    IMPORT.of(t).set(t, f);
}

/// The module that does the work, whatever `sys.modules` says.
///
/// # Errors
/// ImportError before there is one.
pub fn bootstrap(t: &mut Thread) -> Res<Obj> {
    match IMPORTLIB.of(t).get() {
        Some(m) => Ok(Obj::new(t, m)),
        None => Err(t.raise(&errors::IMPORT_ERROR, "the import system is not ready")),
    }
}

/// A function of importlib.
fn importlib(t: &mut Thread, name: &'static str) -> Res<Obj> {
    let key = weft_objects::names::get(t, name);
    let found = IMPORTLIB
        .of(t)
        .get()
        .and_then(Module::of)
        .map(Module::dict)
        .and_then(|d| d.get_str(t, key));
    match found.map(|f| f.to_obj(t)) {
        Some(f) => Ok(f),
        None => Err(t.raise(&errors::IMPORT_ERROR, "the import system is not ready")),
    }
}

/// `sys.modules`.
pub fn modules(t: &mut Thread) -> Res<&'static Dict> {
    match runtime::MODULES.of(t).get().and_then(Dict::of) {
        // The global keeps the dict for ever.
        Some(d) => Ok(d),
        None => Err(t.runtime_error("unable to get sys.modules")),
    }
}

/// The module of this full name, if it is in `sys.modules` (and not None).
fn loaded(t: &mut Thread, name: &Str) -> Res<Option<Obj>> {
    let found = modules(t)?.get_str(t, name).map(|m| m.to_obj(t));
    Ok(found.filter(|m| !m.value().is_none()))
}

/// The module of this full name: from `sys.modules`, else found and loaded.
fn load(t: &mut Thread, name: &Str) -> Res<Obj> {
    while let Some(m) = loaded(t, name)? {
        ensure_initialized(t, &m, name)?;
        // The other thread's import may have failed meanwhile: then the module is no longer there, or another one is.
        if !weft_gc::multithreaded()
            || loaded(t, name)?.is_some_and(|now| now.value().same(m.value()))
        {
            return Ok(m);
        }
    }
    if name.is_empty() {
        return Err(t.value_error("Empty module name"));
    }
    let find = importlib(t, "_find_and_load")?;
    let import = builtin_import(t)?;
    crate::sys::hooks::audit(
        t,
        "import",
        &[
            name.value(),
            Value::NONE,
            Value::NONE,
            Value::NONE,
            Value::NONE,
        ],
    )?;
    match proto::call(t, find.value(), &[name.value(), import.value()]) {
        Ok(m) => Ok(m),
        Err(e) => {
            trim_traceback(t);
            Err(e)
        }
    }
}

fn builtin_import(t: &mut Thread) -> Res<Obj> {
    match IMPORT.of(t).get() {
        Some(f) => Ok(Obj::new(t, f)),
        None => runtime::builtin(t, "__import__"),
    }
}

/// Another thread may still be importing the module: waits for it.
fn ensure_initialized(t: &mut Thread, m: &Obj, name: &Str) -> Res<()> {
    let spec_name = weft_objects::id!(t, "__spec__");
    let spec = match Module::of(m.value()).map(Module::dict) {
        Some(d) => d.get_str(t, spec_name).map(|s| s.to_obj(t)),
        None => proto::get_attr_opt(t, m.value(), spec_name)?,
    };
    let Some(spec) = spec.filter(|s| !s.value().is_none()) else {
        return Ok(());
    };
    if !is_initializing(t, spec.value())? {
        return Ok(());
    }
    let wait = importlib(t, "_lock_unlock_module")?;
    proto::call(t, wait.value(), &[name.value()]).map(drop)
}

/// Takes the steps inside importlib out of the pending exception's traceback: all of them for an ImportError, else those that end in a
/// call of a module's body.
#[cold]
fn trim_traceback(t: &mut Thread) {
    let Some(exc) = t.take_exc() else { return };
    let always = type_of(exc.value()).is_subtype(&errors::IMPORT_ERROR);
    if crate::start::config().verbose == 0
        && let Some(e) = Exception::of(exc.value())
    {
        let mut steps: Vec<Obj> = Vec::new();
        let mut next = e.traceback.get();
        while Traceback::of(next).is_some() {
            let o = Obj::new(t, next);
            next = Traceback::of(o.value()).map_or(Value::NULL, |tb| tb.next.get());
            steps.push(o);
        }
        let kept = kept_steps(&steps, always);
        if kept.len() < steps.len() {
            relink(t, e, &steps, &kept);
        }
    }
    t.set_exc(exc);
}

/// The indexes of the steps that stay.
fn kept_steps(steps: &[Obj], always: bool) -> Vec<usize> {
    let mut kept = Vec::new();
    let mut chunk = Vec::new();
    for (i, o) in steps.iter().enumerate() {
        let code = Traceback::of(o.value())
            .and_then(|tb| FrameObject::of(tb.frame.get()))
            .and_then(FrameObject::code);
        let inside = code.is_some_and(crate::sys::hooks::is_import_code);
        if !inside {
            kept.append(&mut chunk);
            kept.push(i);
            continue;
        }
        chunk.push(i);
        let name = code.and_then(|c| Str::of(c.body().name.value()));
        if always || name.is_some_and(|n| n.is("_call_with_frames_removed")) {
            chunk.clear();
        }
    }
    kept.append(&mut chunk);
    kept
}

fn relink(t: &Thread, e: &Exception, steps: &[Obj], kept: &[usize]) {
    for (n, i) in kept.iter().enumerate() {
        let next = kept
            .get(n + 1)
            .map_or(Value::NULL, |j| steps[*j].clone().into_value());
        if let Some(tb) = Traceback::of(steps[*i].value()) {
            tb.next.set(t, &tb.header, next);
        }
    }
    e.set_traceback(t, kept.first().map(|i| steps[*i].clone()));
}

/// `import name` (or what `from` starts with): the value of the import statement's expression.
///
/// # Errors
/// ImportError; whatever a module's code raises.
pub fn import_name(
    t: &mut Thread,
    name: &Str,
    globals: &Dict,
    fromlist: Value,
    level: i64,
) -> Res<Obj> {
    let builtins = runtime::builtins_for(t, globals);
    let key = weft_objects::id!(t, "__import__");
    let Some(f) = proto::get_name(t, builtins.value(), key)?.map(Obj::own) else {
        return Err(t.raise(&errors::IMPORT_ERROR, "__import__ not found"));
    };
    if IMPORT.of(t).get().is_some_and(|own| own.same(f.value())) {
        return import_module_level(t, name, globals.header.value(), fromlist, level);
    }
    let level = Value::int(level);
    // SAFETY: a running frame of this thread.
    let namespace = t.vm().top_frame().map(|f| unsafe { (*f).namespace });
    let namespace = namespace.filter(|n| !n.is_null()).unwrap_or(Value::NONE);
    let args = [
        name.value(),
        globals.header.value(),
        namespace,
        fromlist,
        level,
    ];
    proto::call(t, f.value(), &args)
}

/// What `__import__` does. `globals` is needed for relative imports only.
fn import_module_level(
    t: &mut Thread,
    name: &Str,
    globals: Value,
    fromlist: Value,
    level: i64,
) -> Res<Obj> {
    if level < 0 {
        return Err(t.value_error("level must be >= 0"));
    }
    let absolute = if level > 0 {
        resolve_name(t, name, globals, level)?
    } else {
        Obj::new(t, name.value())
    };
    let Some(full) = Str::of(absolute.value()) else {
        return Err(t.type_error("module name must be a string".into()));
    };
    if full.is_empty() {
        return Err(t.value_error("Empty module name"));
    }
    let m = load(t, full)?;
    if !fromlist.is_null() && !fromlist.is_none() && proto::truth(t, fromlist)? {
        return handle_fromlist(t, m, fromlist);
    }
    if level > 0 && name.is_empty() {
        return Ok(m);
    }
    let bytes = name.as_bytes();
    let Some(dot) = bytes.iter().position(|b| *b == b'.') else {
        return Ok(m);
    };
    if level == 0 {
        let front = Str::intern_bytes(t, &bytes[..dot]);
        return load(t, front);
    }
    // `__import__('a.b', level=1)` gives the absolute `pkg.a`.
    let keep = full.as_bytes().len() - (bytes.len() - dot);
    let front = Str::intern_bytes(t, &full.as_bytes()[..keep]);
    match loaded(t, front)? {
        Some(m) => Ok(m),
        None => {
            let name = front.to_string_lossy();
            let msg = Str::new(t, &format!("'{name}' not in sys.modules as expected"));
            Err(t.key_error(msg.value()))
        }
    }
}

/// `from m import a, b`: submodules that are not attributes of the package yet are imported.
fn handle_fromlist(t: &mut Thread, m: Obj, fromlist: Value) -> Res<Obj> {
    let path = weft_objects::id!(t, "__path__");
    if let Some(d) = Module::of(m.value()).map(Module::dict) {
        if d.get_str(t, path).is_none()
            && d.get_str(t, weft_objects::id!(t, "__getattr__")).is_none()
        {
            return Ok(m);
        }
        // Nothing to do if all names are there.
        if let Some(names) = Tuple::exact(fromlist)
            && names
                .values()
                .iter()
                .all(|n| Str::of(*n).is_some_and(|n| !n.is("*") && d.get_str(t, n).is_some()))
        {
            return Ok(m);
        }
    }
    if proto::get_attr_opt(t, m.value(), path)?.is_none() {
        return Ok(m);
    }
    let handle = importlib(t, "_handle_fromlist")?;
    let import = builtin_import(t)?;
    match proto::call(t, handle.value(), &[m.value(), fromlist, import.value()]) {
        Ok(m) => Ok(m),
        Err(e) => {
            trim_traceback(t);
            Err(e)
        }
    }
}

/// The absolute name of a relative import.
fn resolve_name(t: &mut Thread, name: &Str, globals: Value, level: i64) -> Res<Obj> {
    let Some(g) = Dict::of(globals) else {
        return Err(if globals.is_null() || globals.is_none() {
            t.key_error(Str::intern(t, "'__name__' not in globals").value())
        } else {
            t.type_error("globals must be a dict".into())
        });
    };
    let get = |t: &Thread, key: &Str| {
        g.get_str(t, key)
            .map(|v| v.to_obj(t))
            .filter(|v| !v.value().is_none())
    };
    let spec = get(t, weft_objects::id!(t, "__spec__"));
    let package = if let Some(p) = get(t, weft_objects::id!(t, "__package__")) {
        if Str::of(p.value()).is_none() {
            return Err(t.type_error("package must be a string".into()));
        }
        p
    } else if let Some(spec) = spec {
        let p = proto::get_attr(t, spec.value(), weft_objects::id!(t, "parent"))?;
        if Str::of(p.value()).is_none() {
            return Err(t.type_error("__spec__.parent must be a string".into()));
        }
        p
    } else {
        package_by_name(t, g)?
    };
    let package = Str::of(package.value()).map_or_else(Vec::new, |p| p.as_bytes().to_vec());
    if package.is_empty() {
        return Err(t.raise(
            &errors::IMPORT_ERROR,
            "attempted relative import with no known parent package",
        ));
    }
    let mut end = package.len();
    for _ in 1..level {
        match package[..end].iter().rposition(|b| *b == b'.') {
            Some(dot) => end = dot,
            None => {
                return Err(t.raise(
                    &errors::IMPORT_ERROR,
                    "attempted relative import beyond top-level package",
                ));
            }
        }
    }
    let mut full = package[..end].to_vec();
    if !name.is_empty() {
        full.push(b'.');
        full.extend_from_slice(name.as_bytes());
    }
    Ok(Obj::new(t, Str::intern_bytes(t, &full).value()))
}

/// The package from `__name__` and `__path__` alone.
fn package_by_name(t: &mut Thread, g: &Dict) -> Res<Obj> {
    let warnings = runtime::import(t, "warnings")?;
    let msg =
        "can't resolve package from __spec__ or __package__, falling back on __name__ and __path__";
    let msg = Str::new(t, msg);
    proto::call_method(
        t,
        warnings.value(),
        "warn",
        &[msg.value(), errors::IMPORT_WARNING.value(), Value::int(1)],
    )?;
    let name = g
        .get_str(t, weft_objects::id!(t, "__name__"))
        .map(|n| n.to_obj(t));
    let Some(name) = name else {
        let msg = Str::new(t, "'__name__' not in globals");
        return Err(t.key_error(msg.value()));
    };
    let Some(s) = Str::of(name.value()) else {
        return Err(t.type_error("__name__ must be a string".into()));
    };
    if g.get_str(t, weft_objects::id!(t, "__path__")).is_some() {
        return Ok(name);
    }
    let end = s.as_bytes().iter().rposition(|b| *b == b'.').unwrap_or(0);
    Ok(Str::from_wtf8(t, &s.as_bytes()[..end]))
}

/// Imports a module by its full name and gives that module.
///
/// # Errors
/// As an import statement.
pub fn import_module(t: &mut Thread, name: &str) -> Res<Obj> {
    let name = weft_objects::names::get(t, name);
    load(t, name)
}

/// `name` of `from module import name`.
///
/// # Errors
/// ImportError with CPython's explanations.
pub fn import_from(t: &mut Thread, module: Value, name: &Str) -> Res<Obj> {
    if let Some(v) = proto::get_attr_opt(t, module, name)? {
        return Ok(v);
    }
    // A submodule that is being imported (in a circle) is in sys.modules before its package has it.
    let package = proto::get_attr_opt(t, module, weft_objects::id!(t, "__name__"))?;
    let package = package.filter(|p| Str::of(p.value()).is_some());
    if let Some(p) = package.as_ref().and_then(|p| Str::of(p.value())) {
        let full = [p.as_bytes(), b".", name.as_bytes()].concat();
        let full = Str::from_wtf8(t, &full);
        if let Some(full) = Str::of(full.value())
            && let Some(m) = loaded(t, full)?
        {
            return Ok(m);
        }
    }
    Err(cannot_import(t, module, name, package).unwrap_or_else(|e| e))
}

#[cold]
fn cannot_import(t: &mut Thread, module: Value, name: &Str, package: Option<Obj>) -> Res<Raised> {
    let shown = match &package {
        Some(p) => Obj::new(t, p.value()),
        None => Str::new(t, "<unknown module name>"),
    };
    let quoted = repr_text(t, shown.value())?;
    let wanted = repr_text(t, name.value())?;
    let spec = proto::get_attr_opt(t, module, weft_objects::id!(t, "__spec__"))?
        .filter(|s| !s.value().is_none());
    let origin = module::origin(t, module, spec.as_ref().map(Obj::value))?;
    let initializing = match &spec {
        Some(s) => is_initializing(t, s.value())?,
        None => false,
    };
    let file = origin
        .as_ref()
        .and_then(|o| Str::of(o.value()))
        .map(|s| s.to_string_lossy());
    let hint = match (&spec, &package) {
        (Some(spec), Some(name)) => module::shadow_hint(t, spec.value(), name)?,
        _ => None,
    };
    let msg = if let Some(hint) = hint {
        format!("cannot import name {wanted} from {quoted} ({hint})")
    } else if initializing {
        let why = "most likely due to a circular import";
        match &file {
            Some(f) => format!(
                "cannot import name {wanted} from partially initialized module {quoted} ({why}) ({f})"
            ),
            None => format!(
                "cannot import name {wanted} from partially initialized module {quoted} ({why})"
            ),
        }
    } else {
        let place = file.unwrap_or_else(|| "unknown location".into());
        format!("cannot import name {wanted} from {quoted} ({place})")
    };
    let msg = Str::new(t, &msg);
    let names = ["name", "path", "name_from"]
        .iter()
        .map(|n| Str::intern(t, n))
        .collect();
    let names = Tuple::from_vec(t, names);
    let path = origin.map_or(Value::NONE, |o| o.into_value());
    let path = Obj::from_raw(path);
    let package = package.map_or(Value::NONE, Obj::into_value);
    let package = Obj::from_raw(package);
    let args = [msg.value(), package.value(), path.value(), name.value()];
    let exc = proto::call_kw(
        t,
        errors::IMPORT_ERROR.value(),
        Args::new(&args, names.value()),
    )?;
    Ok(t.raise_value(exc))
}

fn repr_text(t: &mut Thread, v: Value) -> Res<String> {
    let r = proto::repr(t, v)?;
    Ok(Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy()))
}

/// Whether the file lies in the directory that the program put first on the path, and so may hide a library's module.
pub fn is_possibly_shadowing(t: &Thread, file: &str) -> bool {
    if crate::start::config().safe_path {
        return false;
    }
    let Some(first) = crate::start::script_dir(t) else {
        return false;
    };
    let Some((mut dir, base)) = file.rsplit_once('/') else {
        return false;
    };
    if base == "__init__.py" {
        dir = dir.rsplit_once('/').map_or("", |(d, _)| d);
    }
    let first = if first.is_empty() {
        match std::env::current_dir() {
            Ok(d) => d.to_string_lossy().into_owned(),
            Err(_) => return false,
        }
    } else {
        first
    };
    dir == first
}

/// `from module import *` into a namespace.
///
/// # Errors
/// ImportError, TypeError, AttributeError.
pub fn import_star(t: &mut Thread, module: Value, namespace: Value) -> Res<()> {
    let all = proto::get_attr_opt(t, module, weft_objects::id!(t, "__all__"))?;
    let (names, has_all) = match all {
        Some(all) => (proto::to_vec(t, all.value())?, true),
        None => match proto::get_attr_opt(t, module, weft_objects::id!(t, "__dict__"))? {
            Some(d) => {
                let keys = proto::call_method(t, d.value(), "keys", &[])?;
                (proto::to_vec(t, keys.value())?, false)
            }
            None => {
                return Err(t.raise(
                    &errors::IMPORT_ERROR,
                    "from-import-* object has no __dict__ and no __all__",
                ));
            }
        },
    };
    for n in names {
        let Some(name) = Str::of(n.value()) else {
            return Err(bad_star_name(t, module, &n, has_all));
        };
        if !has_all && name.as_bytes().first() == Some(&b'_') {
            continue;
        }
        // Only names with underscores at both ends may be attributes of all modules.
        let own = Module::of(module)
            .filter(|m| m.is_plain() && !name.as_bytes().starts_with(b"__"))
            .and_then(|m| m.dict().get_str(t, name).map(|v| v.to_obj(t)));
        let v = match own {
            Some(v) => v,
            None => proto::get_attr(t, module, name)?,
        };
        match Dict::exact(namespace) {
            Some(d) => d.set(t, n.value(), v.value())?,
            None => proto::set_item(t, namespace, n.value(), v.value())?,
        }
    }
    Ok(())
}

#[cold]
fn bad_star_name(t: &mut Thread, module: Value, n: &Obj, has_all: bool) -> Raised {
    let name = match proto::get_attr(t, module, weft_objects::id!(t, "__name__")) {
        Ok(m) => m,
        Err(e) => return e,
    };
    let Some(name) = Str::of(name.value()) else {
        let got = type_of(name.value()).name();
        return t.type_error(format!("module __name__ must be a string, not {got}"));
    };
    let (what, place) = if has_all {
        ("Item", "__all__")
    } else {
        ("Key", "__dict__")
    };
    let (name, got) = (name.to_string_lossy(), type_of(n.value()).name());
    t.type_error(format!("{what} in {name}.{place} must be str, not {got}"))
}

/// `__import__(name, globals=None, locals=None, fromlist=(), level=0)`
///
/// # Errors
/// As an import statement.
pub fn import_builtin(t: &mut Thread, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new(
        "__import__",
        "(name, globals=None, locals=None, fromlist=(), level=0)",
    );
    let a = SIG.bind(t, args)?;
    let Some(name) = Str::of(a[0]) else {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!("__import__() argument 1 must be str, not {got}")));
    };
    let level = if a[4].is_null() {
        0
    } else {
        i64::from(weft_stdlib::support::c_int(t, a[4])?)
    };
    let held = name.to_exact(t);
    let Some(name) = Str::of(held.value()) else {
        return Ok(Value::NONE);
    };
    import_module_level(t, name, a[1], a[3], level).map(Obj::into_value)
}
