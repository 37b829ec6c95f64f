//! `_warnings`: the native half of `warnings`: filters, and the way from a warning to `showwarning` or an exception.

use crate::_contextvars;
use crate::support;
use parking_lot::lock_api::RawReentrantMutex;
use parking_lot::{RawMutex, RawThreadId};
use std::sync::atomic::{AtomicI64, Ordering::*};
use weft_objects::frame::Frame;
use weft_objects::interpreter::PerInterpreter;
use weft_objects::prelude::*;
use weft_objects::runtime::{self, Global};
use weft_objects::{id, int};

/// Counts the changes of the filters: what registries have seen under an older number is forgotten.
static VERSION: AtomicI64 = AtomicI64::new(1);
static FILTERS: PerInterpreter<Global> = PerInterpreter::new(Global::new(), Global::new);
static ONCE_REGISTRY: PerInterpreter<Global> = PerInterpreter::new(Global::new(), Global::new);
static DEFAULT_ACTION: PerInterpreter<Global> = PerInterpreter::new(Global::new(), Global::new);
static CONTEXT_VAR: PerInterpreter<Global> = PerInterpreter::new(Global::new(), Global::new);
/// What Python code holds while it changes the filters.
static LOCK: RawReentrantMutex<RawMutex, RawThreadId> = RawReentrantMutex::INIT;

// --- filters ---

/// The attribute of module `warnings`, if that has been imported (or is now, if `import`).
fn warnings_attr(t: &mut Thread, name: &str, import: bool) -> Res<Option<Obj>> {
    let module = if import && !runtime::is_finalizing() {
        match runtime::import(t, "warnings") {
            Ok(m) => Some(m),
            Err(_) if t.exc_matches(&errors::IMPORT_ERROR) => {
                t.clear_exc();
                None
            }
            Err(r) => return Err(r),
        }
    } else {
        match runtime::MODULES.of(t).get() {
            Some(all) => {
                let key = id!(t, "warnings");
                Dict::of(all)
                    .and_then(|d| d.get_str(t, key))
                    .map(|v| v.to_obj(t))
            }
            None => None,
        }
    };
    let Some(m) = module else { return Ok(None) };
    let name = weft_objects::names::get(t, name);
    proto::get_attr_opt(t, m.value(), name)
}

fn matches(t: &mut Thread, pattern: Value, text: Value) -> Res<bool> {
    if pattern.is_none() {
        return Ok(true);
    }
    if Str::exact(pattern).is_some() {
        return proto::eq(t, pattern, text);
    }
    let m = proto::call_method(t, pattern, "match", &[text])?;
    proto::truth(t, m.value())
}

/// What a warning is about.
struct Subject {
    text: Obj,
    category: Obj,
    lineno: i64,
    module: Obj,
}

/// The action of the first filter in the list that takes the warning, with the filter.
fn search(t: &mut Thread, filters: &Obj, what: &str, s: &Subject) -> Res<Option<(Obj, Obj)>> {
    let Some(list) = List::of(filters.value()) else {
        return Err(t.value_error(format!("{what} must be a list")));
    };
    let mut i = 0;
    loop {
        let Some(item) = list.get(t, i).map(|v| v.to_obj(t)) else {
            return Ok(None);
        };
        let Some(f) = Tuple::of(item.value()).filter(|f| f.len() == 5) else {
            return Err(t.value_error(format!("{what} item {i} isn't a 5-tuple")));
        };
        if Str::of(f.get(0)).is_none() {
            let got = type_of(f.get(0)).name();
            return Err(t.type_error(format!("action must be a string, not '{got}'")));
        }
        if matches(t, f.get(1), s.text.value())?
            && matches(t, f.get(3), s.module.value())?
            && proto::is_subclass(t, s.category.value(), f.get(2))?
        {
            let line = proto::index_i64(t, f.get(4))?;
            if line == 0 || line == s.lineno {
                return Ok(Some((Obj::new(t, f.get(0)), item)));
            }
        }
        i += 1;
    }
}

/// The filters of `catch_warnings` in the current context.
fn context_filters(t: &mut Thread) -> Res<Option<Obj>> {
    let Some(var) = CONTEXT_VAR.of(t).get() else {
        return Ok(None);
    };
    let Some(context) = _contextvars::get_var(t, var)? else {
        return Ok(None);
    };
    if context.value().is_none() {
        return Ok(None);
    }
    let filters = proto::get_attr(t, context.value(), id!(t, "_filters"))?;
    Ok((!filters.value().is_none()).then_some(filters))
}

fn global(t: &Thread, g: &'static PerInterpreter<Global>) -> Obj {
    g.of(t).get().map_or_else(support::none, |v| Obj::new(t, v))
}

/// The action for a warning, and the filter that says so (None for the default action).
fn action_for(t: &mut Thread, s: &Subject) -> Res<(Obj, Obj)> {
    if let Some(filters) = context_filters(t)?
        && let Some(found) = search(t, &filters, "warnings._filters", s)?
    {
        return Ok(found);
    }
    let filters = match warnings_attr(t, "filters", false)? {
        Some(f) => f,
        None => global(t, &FILTERS),
    };
    if let Some(found) = search(t, &filters, "_warnings.filters", s)? {
        return Ok(found);
    }
    let action = match warnings_attr(t, "defaultaction", false)? {
        Some(a) => a,
        None => global(t, &DEFAULT_ACTION),
    };
    if Str::of(action.value()).is_none() {
        let got = type_of(action.value()).name();
        return Err(t.type_error(format!(
            "_warnings.defaultaction must be a string, not '{got}'"
        )));
    }
    Ok((action, support::none()))
}

// --- registries ---

/// Whether the registry has the key; notes it if `note`.
fn already_warned(t: &mut Thread, registry: &Obj, key: &Obj, note: bool) -> Res<bool> {
    let Some(d) = Dict::of(registry.value()) else {
        return Ok(false);
    };
    let now = VERSION.load(Acquire);
    let name = id!(t, "version");
    let seen = d.get_str(t, name).and_then(|v| int::as_i64(v.value()));
    if seen != Some(now) {
        d.clear(t);
        let now = support::int_obj(t, now);
        d.set_str(t, name, now.value());
    } else if let Some(v) = d.get(t, key.value())?.map(Obj::own)
        && proto::truth(t, v.value())?
    {
        return Ok(true);
    }
    if note {
        d.set(t, key.value(), Value::TRUE)?;
    }
    Ok(false)
}

fn key_of(t: &Thread, s: &Subject, lineno: Option<i64>) -> Obj {
    let mut parts = vec![s.text.clone(), s.category.clone()];
    parts.extend(lineno.map(|n| support::int_obj(t, n)));
    Tuple::from_vec(t, parts)
}

/// Where a warning is said to come from.
struct Place {
    filename: Obj,
    lineno: i64,
    module: Option<Obj>,
    /// A dict or None.
    registry: Obj,
}

/// Decides about a warning: raises it, shows it, or keeps quiet.
fn warn_at(
    t: &mut Thread,
    category: Obj,
    message: Obj,
    place: Place,
    line: Option<Obj>,
    source: Option<Obj>,
) -> Res<()> {
    if !place.registry.value().is_none() && Dict::of(place.registry.value()).is_none() {
        return Err(t.type_error("'registry' must be a dict or None".into()));
    }
    let module = match &place.module {
        Some(m) => m.clone(),
        None => module_name(t, &place.filename),
    };
    // The category may be that of an instance.
    let (text, category, instance) =
        if proto::is_instance(t, message.value(), errors::WARNING.value())? {
            let text = proto::str(t, message.value())?;
            (text, Obj::new(t, type_of(message.value()).value()), message)
        } else {
            let made = proto::call(t, category.value(), &[message.value()])?;
            (message, category, made)
        };
    let s = Subject {
        text,
        category,
        lineno: place.lineno,
        module,
    };
    let key = key_of(t, &s, Some(s.lineno));
    let has_registry = !place.registry.value().is_none();
    if has_registry && already_warned(t, &place.registry, &key, false)? {
        return Ok(());
    }
    let (action, filter) = action_for(t, &s)?;
    let action_text = Str::of(action.value()).map_or_else(String::new, |a| a.to_string_lossy());
    match action_text.as_str() {
        "error" => return Err(t.raise_value(instance)),
        "ignore" => return Ok(()),
        _ => {}
    }
    let mut again = false;
    if !matches!(action_text.as_str(), "always" | "all") {
        if let Some(d) = Dict::of(place.registry.value()) {
            d.set(t, key.value(), Value::TRUE)?;
        }
        match action_text.as_str() {
            "once" => {
                let registry = if has_registry {
                    place.registry.clone()
                } else {
                    match warnings_attr(t, "onceregistry", false)? {
                        Some(r) => r,
                        None => global(t, &ONCE_REGISTRY),
                    }
                };
                let key = key_of(t, &s, None);
                again = already_warned(t, &registry, &key, true)?;
            }
            "module" if has_registry => {
                let key = key_of(t, &s, None);
                again = already_warned(t, &place.registry, &key, true)?;
            }
            "module" | "default" => {}
            _ => {
                let (a, f) = (
                    proto::repr(t, action.value())?,
                    proto::repr(t, filter.value())?,
                );
                let (a, f) = (lossy(&a), lossy(&f));
                return Err(t.runtime_error(format!(
                    "Unrecognized action ({a}) in warnings.filters:\n {f}"
                )));
            }
        }
    }
    if again {
        Ok(())
    } else {
        show(t, &s, &place, instance, line, source)
    }
}

fn lossy(s: &Obj) -> String {
    Str::of(s.value()).map_or_else(String::new, |s| s.to_string_lossy())
}

/// A module's name made of its file's.
fn module_name(t: &Thread, filename: &Obj) -> Obj {
    let name = lossy(filename);
    if name.is_empty() {
        return Str::new(t, "<unknown>");
    }
    Str::new(t, name.strip_suffix(".py").unwrap_or(&name))
}

/// Gives the warning to `warnings._showwarnmsg`, or prints it if that cannot be had.
fn show(
    t: &mut Thread,
    s: &Subject,
    place: &Place,
    instance: Obj,
    line: Option<Obj>,
    source: Option<Obj>,
) -> Res<()> {
    let Some(f) = warnings_attr(t, "_showwarnmsg", source.is_some())? else {
        return print(t, s, place, line);
    };
    if !proto::is_callable(f.value()) {
        return Err(t.type_error("warnings._showwarnmsg() must be set to a callable".into()));
    }
    let Some(class) = warnings_attr(t, "WarningMessage", false)? else {
        return Err(t.runtime_error("unable to get warnings.WarningMessage"));
    };
    let lineno = support::int_obj(t, place.lineno);
    let source = source.unwrap_or_else(support::none);
    let args = [
        instance.value(),
        s.category.value(),
        place.filename.value(),
        lineno.value(),
        Value::NONE,
        line.as_ref().map_or(Value::NONE, Obj::value),
        source.value(),
    ];
    let msg = proto::call(t, class.value(), &args)?;
    proto::call(t, f.value(), &[msg.value()]).map(drop)
}

fn print(t: &mut Thread, s: &Subject, place: &Place, line: Option<Obj>) -> Res<()> {
    let Some(stderr) = runtime::sys_attr(t, "stderr").filter(|f| !f.value().is_none()) else {
        return Ok(());
    };
    let name = proto::get_attr(t, s.category.value(), id!(t, "__name__"))?;
    let mut text = format!(
        "{}:{}: {}: {}\n",
        lossy(&place.filename),
        place.lineno,
        lossy(&name),
        lossy(&s.text)
    );
    let line = match line {
        Some(line) => Some(lossy(&line)),
        None => line_of_file(place),
    };
    if let Some(line) = line.as_deref().map(str::trim).filter(|l| !l.is_empty()) {
        text.push_str(&format!("  {line}\n"));
    }
    let text = Str::from_string(t, text);
    if proto::call_method(t, stderr.value(), "write", &[text.value()]).is_err() {
        t.clear_exc();
    }
    Ok(())
}

/// The line that a warning is about, if it is that of a file.
fn line_of_file(place: &Place) -> Option<String> {
    use std::os::unix::ffi::OsStrExt;
    let name = Str::of(place.filename.value())?;
    let path = support::fs_encode(name.as_bytes())?;
    let path = std::path::Path::new(std::ffi::OsStr::from_bytes(&path));
    if !std::fs::metadata(path).is_ok_and(|m| m.is_file()) {
        return None;
    }
    let bytes = std::fs::read(path).ok()?;
    let n = usize::try_from(place.lineno).ok()?.checked_sub(1)?;
    let line = bytes.split(|b| *b == b'\n').nth(n)?;
    Some(String::from_utf8_lossy(line).into_owned())
}

// --- the caller ---

/// Frames of the import system are passed over.
fn is_internal(filename: &Obj) -> bool {
    let name = lossy(filename);
    name.contains("importlib") && name.contains("_bootstrap")
}

fn filename_of(f: *mut Frame) -> Obj {
    // SAFETY: a running frame of this thread.
    unsafe { (*f).code().body().filename.clone() }
}

/// The frame that a warning is about: `level` frames up, 1 being the innermost.
fn frame_at(t: &Thread, level: i64, skip: &[String]) -> Option<*mut Frame> {
    let vm = t.vm();
    let first = vm.floor();
    let below = |f: *mut Frame| {
        if f > first {
            Some(f.wrapping_sub(1))
        } else {
            None
        }
    };
    let mut at = vm.top_frame();
    let top = at?;
    if level <= 1 || is_internal(&filename_of(top)) {
        for _ in 1..level.max(1) {
            at = below(at?);
        }
        return at;
    }
    let skipped = |f: *mut Frame| {
        let name = filename_of(f);
        is_internal(&name) || skip.iter().any(|p| lossy(&name).starts_with(p.as_str()))
    };
    for _ in 1..level {
        at = below(at?);
        while at.is_some_and(skipped) {
            at = below(at?);
        }
    }
    at
}

/// Where the warning is raised from, its registry made if need be; and the globals of that place.
fn caller(t: &mut Thread, level: i64, skip: &[String]) -> Res<(Place, Obj)> {
    let found = frame_at(t, level, skip).map(|f| {
        // SAFETY: a running frame of this thread.
        let (line, globals) = unsafe { ((*f).line(), Obj::new(t, (*(*f).globals).header.value())) };
        (filename_of(f), i64::from(line), globals)
    });
    let (filename, lineno, globals) = match found {
        Some(f) => f,
        None => (Str::new(t, "<sys>"), 0, global(t, &runtime::SYS)),
    };
    let Some(d) = Dict::of(globals.value()) else {
        let place = Place {
            filename,
            lineno,
            module: None,
            registry: support::none(),
        };
        return Ok((place, globals));
    };
    let name = id!(t, "__warningregistry__");
    let registry = d
        .get_str(t, name)
        .map(|v| v.to_obj(t))
        .filter(|r| !r.value().is_none());
    let registry = match registry {
        Some(r) => r,
        None => {
            let made = Dict::new(t);
            d.set_str(t, name, made.value());
            made
        }
    };
    let module = d.get_str(t, id!(t, "__name__")).map(|v| v.to_obj(t));
    let module = module.filter(|m| m.value().is_none() || Str::of(m.value()).is_some());
    let module = module.unwrap_or_else(|| Str::new(t, "<string>"));
    Ok((
        Place {
            filename,
            lineno,
            module: Some(module),
            registry,
        },
        globals,
    ))
}

/// Warns from native code: `level` 1 is the Python function that called it.
///
/// # Errors
/// The warning itself, if a filter makes it an error; what the hooks raise.
pub fn warn_text(t: &mut Thread, category: &Type, text: &str, level: i64) -> Res<()> {
    let (place, _) = caller(t, level, &[])?;
    let text = Str::new(t, text);
    let category = Obj::new(t, category.value());
    warn_at(t, category, text, place, None, None)
}

/// Warns about a place in a file that is not running: the compiler's warnings.
///
/// # Errors
/// As [`warn_text`].
pub fn warn_about(
    t: &mut Thread,
    category: &Type,
    text: &str,
    filename: &Obj,
    lineno: i64,
) -> Res<()> {
    let place = Place {
        filename: filename.clone(),
        lineno,
        module: None,
        registry: support::none(),
    };
    let text = Str::new(t, text);
    let category = Obj::new(t, category.value());
    warn_at(t, category, text, place, None, None)
}

fn category_of(t: &mut Thread, message: Value, category: Value) -> Res<Obj> {
    if proto::is_instance(t, message, errors::WARNING.value())? {
        return Ok(Obj::new(t, type_of(message).value()));
    }
    if category.is_null() || category.is_none() {
        return Ok(Obj::new(t, errors::USER_WARNING.value()));
    }
    let fits = Type::of(category).is_some_and(|c| c.is_subtype(&errors::WARNING));
    if !fits {
        let got = match Type::of(category) {
            Some(c) => format!("class '{}'", c.name()),
            None => format!("'{}'", type_of(category).name()),
        };
        return Err(t.type_error(format!("category must be a Warning subclass, not {got}")));
    }
    Ok(Obj::new(t, category))
}

fn warn(t: &mut Thread, a: &[Value]) -> Res {
    let category = category_of(t, a[0], a[1])?;
    let mut level = if a[2].is_null() {
        1
    } else {
        proto::index_i64(t, a[2])?
    };
    let mut skip = Vec::new();
    if !a[4].is_null() {
        let Some(prefixes) = Tuple::of(a[4]) else {
            let got = type_of(a[4]).name();
            return Err(t.type_error(format!(
                "warn() argument 'skip_file_prefixes' must be tuple, not {got}"
            )));
        };
        for i in 0..prefixes.len() {
            let Some(p) = Str::of(prefixes.get(i)) else {
                let got = type_of(prefixes.get(i)).name();
                let msg = format!("Found non-str '{got}' in skip_file_prefixes.");
                return Err(t.type_error(msg));
            };
            skip.push(p.to_string_lossy());
        }
        if !skip.is_empty() {
            level = level.max(2);
        }
    }
    let (place, _) = caller(t, level, &skip)?;
    let message = Obj::new(t, a[0]);
    let source = support::given_some(t, a[3]);
    warn_at(t, category, message, place, None, source)?;
    Ok(Value::NONE)
}

fn warn_explicit(t: &mut Thread, a: &[Value]) -> Res {
    let [
        message,
        category,
        filename,
        lineno,
        module,
        registry,
        globals,
        source,
    ] = *a
    else {
        return Err(t.system_error("warn_explicit: bad arguments"));
    };
    if Str::of(filename).is_none() {
        let got = type_of(filename).name();
        return Err(t.type_error(format!(
            "warn_explicit() argument 'filename' must be str, not {got}"
        )));
    }
    let lineno = proto::index_i64(t, lineno)?;
    let place = Place {
        filename: Obj::new(t, filename),
        lineno,
        module: support::given(t, module),
        registry: support::given(t, registry).unwrap_or_else(support::none),
    };
    let line = match support::given_some(t, globals) {
        Some(g) => source_line(t, &g, lineno)?,
        None => None,
    };
    let (category, message) = (Obj::new(t, category), Obj::new(t, message));
    let source = support::given_some(t, source);
    warn_at(t, category, message, place, line, source)?;
    Ok(Value::NONE)
}

/// The line of source that the module's loader gives.
fn source_line(t: &mut Thread, globals: &Obj, lineno: i64) -> Res<Option<Obj>> {
    let Some(d) = Dict::of(globals.value()) else {
        let got = type_of(globals.value()).name();
        return Err(t.type_error(format!("module_globals must be a dict, not '{got}'")));
    };
    let name = d
        .get_str(t, id!(t, "__name__"))
        .map(|v| v.to_obj(t))
        .filter(|n| !n.value().is_none());
    let external = weft_objects::runtime::import(t, "_frozen_importlib_external")?;
    let loader = proto::call_method(t, external.value(), "_bless_my_loader", &[globals.value()])?;
    let (Some(name), false) = (name, loader.value().is_none()) else {
        return Ok(None);
    };
    let Some(get) = proto::get_attr_opt(t, loader.value(), id!(t, "get_source"))? else {
        return Ok(None);
    };
    let source = match proto::call(t, get.value(), &[name.value()]) {
        Ok(source) => source,
        // The loader has no source of such a module: `__main__`, for one.
        Err(_) if t.exc_matches(&errors::IMPORT_ERROR) => {
            t.clear_exc();
            return Ok(None);
        }
        Err(r) => return Err(r),
    };
    let Some(s) = Str::of(source.value()) else {
        return Ok(None);
    };
    let line = usize::try_from(lineno - 1).ok().and_then(|i| {
        s.as_bytes()
            .split(|b| *b == b'\n')
            .nth(i)
            .map(<[u8]>::to_vec)
    });
    Ok(line.map(|l| Str::from_wtf8(t, &l)))
}

// --- the lock ---

fn acquire(t: &mut Thread, _a: &[Value]) -> Res {
    if !LOCK.try_lock() {
        t.blocking(|| LOCK.lock());
    }
    Ok(Value::NONE)
}

fn release(t: &mut Thread, _a: &[Value]) -> Res {
    if !LOCK.is_owned_by_current_thread() {
        return Err(t.runtime_error("cannot release un-acquired lock"));
    }
    // SAFETY: this thread holds it.
    unsafe { LOCK.unlock() };
    Ok(Value::NONE)
}

fn filters_mutated(t: &mut Thread, _a: &[Value]) -> Res {
    if !LOCK.is_owned_by_current_thread() {
        return Err(t.runtime_error("warnings._lock must be held"));
    }
    VERSION.fetch_add(1, AcqRel);
    Ok(Value::NONE)
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("warn", "(message, category=None, stacklevel=1, source=None, *, skip_file_prefixes=())", warn)
        .doc("Issue a warning, or maybe ignore it or raise an exception."),
    NativeDef::new(
        "warn_explicit",
        "(message, category, filename, lineno, module=None, registry=None, module_globals=None, source=None)",
        warn_explicit,
    )
    .doc("Issue a warning, or maybe ignore it or raise an exception."),
    NativeDef::new("_filters_mutated_lock_held", "()", filters_mutated),
    NativeDef::new("_acquire_lock", "()", acquire),
    NativeDef::new("_release_lock", "()", release),
];

/// The filters of a program that asks for none.
fn default_filters(t: &Thread) -> Obj {
    let main = Str::intern(t, "__main__");
    let filters: [(&str, Obj, &Type); 5] = [
        ("default", main, &errors::DEPRECATION_WARNING),
        ("ignore", support::none(), &errors::DEPRECATION_WARNING),
        (
            "ignore",
            support::none(),
            &errors::PENDING_DEPRECATION_WARNING,
        ),
        ("ignore", support::none(), &errors::IMPORT_WARNING),
        ("ignore", support::none(), &errors::RESOURCE_WARNING),
    ];
    let list = filters.into_iter().map(|(action, module, category)| {
        let category = Obj::new(t, category.value());
        let zero = Obj::from_raw(Value::int(0));
        Tuple::from_vec(
            t,
            vec![
                Str::intern(t, action),
                support::none(),
                category,
                module,
                zero,
            ],
        )
    });
    let list = list.collect();
    List::from_vec(t, list)
}

pub fn init(t: &mut Thread) -> Res<Obj> {
    let doc = "_warnings provides basic warning filtering support.\nIt is a helper module to speed up interpreter start-up.";
    let m = support::module(t, "_warnings", doc, FUNCTIONS);
    if FILTERS.of(t).get().is_none() {
        // The variable's type must be ready.
        _contextvars::init(t)?;
        FILTERS.of(t).set(t, default_filters(t));
        ONCE_REGISTRY.of(t).set(t, Dict::new(t));
        DEFAULT_ACTION.of(t).set(t, Str::intern(t, "default"));
        let var = _contextvars::new_var(t, Str::new(t, "_warnings_context"), Value::NULL);
        CONTEXT_VAR.of(t).set(t, var);
    }
    for (name, g) in [
        ("filters", &FILTERS),
        ("_onceregistry", &ONCE_REGISTRY),
        ("_defaultaction", &DEFAULT_ACTION),
        ("_warnings_context", &CONTEXT_VAR),
    ] {
        support::add(t, &m, name, global(t, g));
    }
    Ok(m)
}
