//! The module `_imp`: what importlib needs of the runtime. Native modules, the two frozen ones, the import lock.

use crate::compile::{Mode, Options};
use crate::compile_api;
use weft_objects::bytes::Bytes;
use weft_objects::code::Code;
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::runtime;
use weft_objects::text::hash;
use weft_stdlib::support::int_obj;
use weft_stdlib::wait::IMPORT_LOCK as LOCK;

type Init = fn(&mut Thread) -> Res<Obj>;

/// Native modules of this crate that are made like any other.
static OWN: &[(&str, Init)] = &[
    ("_imp", module),
    ("_opcode", crate::opcode::module),
    ("_symtable", crate::symtable::module),
    ("_tokenize", crate::tokenize::module),
    ("_weft_ast", crate::any_keywords::module),
    ("_weft_interpreters", crate::interpreters::module),
    ("marshal", crate::marshal::module),
];

/// The names of all native modules.
pub fn builtin_names() -> impl Iterator<Item = &'static str> {
    let core = OWN.iter().map(|(n, _)| *n);
    core.chain(["sys", "builtins"])
        .chain(weft_stdlib::MODULES.iter().map(|(n, _)| *n))
}

fn init_of(name: &str) -> Option<Init> {
    OWN.iter()
        .chain(weft_stdlib::MODULES)
        .find(|(n, _)| *n == name)
        .map(|(_, f)| *f)
}

/// A module that the library has in Python source, run before there is an import system.
struct Frozen {
    name: &'static str,
    file: &'static str,
    origin: &'static str,
}

static FROZEN: &[Frozen] = &[
    Frozen {
        name: "_frozen_importlib",
        file: "importlib/_bootstrap.py",
        origin: "importlib._bootstrap",
    },
    Frozen {
        name: "_frozen_importlib_external",
        file: "importlib/_bootstrap_external.py",
        origin: "importlib._bootstrap_external",
    },
];

fn frozen(name: &str) -> Option<&'static Frozen> {
    FROZEN.iter().find(|f| f.name == name)
}

/// The code object of a frozen module.
///
/// # Errors
/// ImportError if there is no such module.
pub fn frozen_code(t: &mut Thread, name: &str) -> Res<Obj> {
    let Some(f) = frozen(name) else {
        let shown = Str::new(t, name);
        return Err(t.import_error(
            &errors::IMPORT_ERROR,
            format!("No such frozen object named {name}"),
            Some(shown),
            None,
        ));
    };
    crate::library::code_of_file(t, f.file, &format!("<frozen {}>", f.origin))
}

/// Makes and runs a frozen module, before importlib can. It is in `sys.modules` afterwards.
///
/// # Errors
/// What its code raises.
pub fn run_frozen(t: &mut Thread, name: &str) -> Res<Obj> {
    let m = Module::new(t, name);
    let Some(module) = Module::of(m.value()) else {
        return Ok(m);
    };
    if let Some(f) = frozen(name) {
        module.add(t, "__origname__", Str::intern(t, f.origin));
    }
    if let Some(b) = runtime::BUILTINS.of(t).get() {
        module.add(t, "__builtins__", Obj::new(t, b));
    }
    crate::import::modules(t)?.set_str(t, weft_objects::names::get(t, name), m.value());
    let code = frozen_code(t, name)?;
    let dict = module.dict_obj(t);
    drop(Obj::own(crate::interp::exec_code(
        t,
        code.value(),
        &dict,
        &dict,
    )?));
    Ok(m)
}

/// Makes the native module of this name.
///
/// # Errors
/// What its initialisation raises. `None`: there is no such module.
pub fn make_builtin(t: &mut Thread, name: &str) -> Res<Option<Obj>> {
    match init_of(name) {
        Some(f) => f(t).map(Some),
        None => Ok(None),
    }
}

/// The module.
pub fn module(t: &mut Thread) -> Res<Obj> {
    let m = weft_stdlib::support::module(
        t,
        "_imp",
        "(Extremely) low-level import machinery bits as used by importlib.",
        FUNCTIONS,
    );
    let pycs = Str::new(t, &crate::start::config().check_hash_based_pycs);
    weft_stdlib::support::add(t, &m, "check_hash_based_pycs", pycs);
    let token = int_obj(t, PYC_TOKEN);
    weft_stdlib::support::add(t, &m, "pyc_magic_number_token", token);
    Ok(m)
}

/// Begins every cached code file. Changes with the bytecode: the low half with its format, the high half is a line end.
const PYC_TOKEN: i64 = 0x0a0d_0000 | 0x5705;

const FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("extension_suffixes", "()", |t, _| Ok(List::new(t).into())),
    NativeDef::new("lock_held", "()", |_, _| Ok(Value::bool(LOCK.is_locked()))),
    NativeDef::new("acquire_lock", "()", acquire_lock),
    NativeDef::new("release_lock", "()", release_lock),
    NativeDef::new("is_builtin", "(name, /)", is_builtin),
    NativeDef::new("create_builtin", "(spec, /)", create_builtin),
    NativeDef::new("exec_builtin", "(mod, /)", |_, _| Ok(Value::int(0))),
    NativeDef::new("is_frozen", "(name, /)", |t, a| {
        Ok(Value::bool(frozen(&name_arg(t, a[0])?).is_some()))
    }),
    NativeDef::new("is_frozen_package", "(name, /)", is_frozen_package),
    NativeDef::new("find_frozen", "(name, /, *, withdata=False)", find_frozen),
    NativeDef::new(
        "get_frozen_object",
        "(name, data=None, /)",
        get_frozen_object,
    ),
    NativeDef::new("_frozen_module_names", "()", frozen_names),
    NativeDef::new(
        "_override_frozen_modules_for_tests",
        "(override, /)",
        |_, _| Ok(Value::NONE),
    ),
    NativeDef::new(
        "_override_multi_interp_extensions_check",
        "(override, /)",
        |_, _| Ok(Value::int(0)),
    ),
    NativeDef::new("_fix_co_filename", "(code, path, /)", fix_co_filename),
    NativeDef::new("source_hash", "(key, source)", source_hash),
];

fn name_arg(t: &Thread, v: Value) -> Res<String> {
    match Str::of(v) {
        Some(s) => Ok(s.to_string_lossy()),
        None => Err(t.type_error(format!("argument must be str, not {}", type_of(v).name()))),
    }
}

// --- the import lock: global, re-entrant ---

fn acquire_lock(t: &mut Thread, _a: &[Value]) -> Res {
    LOCK.lock(t, false)?;
    Ok(Value::NONE)
}

fn release_lock(t: &mut Thread, _a: &[Value]) -> Res {
    if !LOCK.is_mine() {
        return Err(t.runtime_error("not holding the import lock"));
    }
    LOCK.unlock(false);
    Ok(Value::NONE)
}

// --- native modules ---

fn is_builtin(t: &mut Thread, a: &[Value]) -> Res {
    let name = name_arg(t, a[0])?;
    // -1: it is there, but cannot be made a second time.
    Ok(Value::int(match name.as_str() {
        "sys" | "builtins" => -1,
        n => i64::from(init_of(n).is_some()),
    }))
}

fn create_builtin(t: &mut Thread, a: &[Value]) -> Res {
    let name = proto::get_attr(t, a[0], weft_objects::id!(t, "name"))?;
    let text = name_arg(t, name.value())?;
    if text == "sys" || text == "builtins" {
        let found = Str::of(name.value())
            .map(|n| crate::import::modules(t).map(|d| d.get_str(t, n).map(|m| m.to_obj(t))));
        if let Some(Ok(Some(m))) = found {
            return Ok(m.into());
        }
    }
    Ok(make_builtin(t, &text)?.map_or(Value::NONE, Obj::into_value))
}

// --- frozen modules ---

fn find_frozen(t: &mut Thread, a: &[Value]) -> Res {
    let name = name_arg(t, a[0])?;
    Ok(match frozen(&name) {
        Some(f) => {
            let origin = Str::intern(t, f.origin);
            Tuple::from_slice(t, &[Value::NONE, Value::FALSE, origin.value()]).into()
        }
        None => Value::NONE,
    })
}

fn get_frozen_object(t: &mut Thread, a: &[Value]) -> Res {
    let name = name_arg(t, a[0])?;
    frozen_code(t, &name).map(Obj::into_value)
}

fn is_frozen_package(t: &mut Thread, a: &[Value]) -> Res {
    let name = name_arg(t, a[0])?;
    if frozen(&name).is_some() {
        return Ok(Value::FALSE);
    }
    let shown = Str::new(t, &name);
    Err(t.import_error(
        &errors::IMPORT_ERROR,
        format!("No such frozen object named {name}"),
        Some(shown),
        None,
    ))
}

fn frozen_names(t: &mut Thread, _a: &[Value]) -> Res {
    let names = FROZEN.iter().map(|f| Str::intern(t, f.name)).collect();
    Ok(List::from_vec(t, names).into())
}

// --- code files ---

/// A cached code file may have been moved together with its source. Code objects are not changed once they are made: the loader
/// makes them with the name that their file has now, so there is nothing left to fix.
fn fix_co_filename(t: &mut Thread, a: &[Value]) -> Res {
    if Code::of(a[0]).is_none() {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!(
            "_fix_co_filename() argument 1 must be code, not {got}"
        )));
    }
    if Str::of(a[1]).is_none() {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!(
            "_fix_co_filename() argument 2 must be str, not {got}"
        )));
    }
    Ok(Value::NONE)
}

fn source_hash(t: &mut Thread, a: &[Value]) -> Res {
    let key = proto::index_i64(t, a[0])? as u64;
    let h = weft_objects::buffer::with_bytes(t, a[1], |b| {
        hash::siphash13(hash::HashKey { k0: key, k1: 0 }, b)
    })?;
    Ok(Bytes::new(t, &h.to_le_bytes()).into())
}

/// The compiler's settings for a module's source.
pub fn module_options() -> (Mode, Options) {
    (
        Mode::Exec,
        Options {
            optimize: crate::start::config().optimize,
            ..Options::default()
        },
    )
}

/// The code object of a module's source text.
///
/// # Errors
/// SyntaxError.
pub fn compile_module(t: &mut Thread, source: &str, filename: &Obj) -> Res<Obj> {
    let (mode, opts) = module_options();
    compile_api::compile_named(t, source, filename, mode, &opts)
}
