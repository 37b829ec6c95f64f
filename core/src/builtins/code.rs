//! Builtins that run code or look at the caller's frame: `eval`, `exec`, `compile`, `globals`, `locals`, `__import__`, `breakpoint`.

use super::frame_of;
use crate::compile_api::{compile_object, source_text};
use weft_objects::audit;
use weft_objects::cell::Cell;
use weft_objects::code::Code;
use weft_objects::function::{Function, run_class_body};
use weft_objects::prelude::*;
use weft_objects::{foreign_builtins, frame, id, runtime};

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::raw("__import__", "(name, globals=None, locals=None, fromlist=(), level=0)", crate::import::import_builtin)
        .doc("Import a module.\n\nBecause this function is meant for use by the Python\ninterpreter and not for general use, it is better to use\nimportlib.import_module() to programmatically import a module."),
    NativeDef::raw("breakpoint", "(*args, **kws)", breakpoint).doc(
        "Call sys.breakpointhook(*args, **kws).\n\nsys.breakpointhook() must accept whatever arguments are passed.\n\nBy default, this drops you into the pdb debugger.",
    ),
    NativeDef::new(
        "compile",
        "(source, filename, mode, flags=0, dont_inherit=False, optimize=-1, *, _feature_version=-1)",
        compile,
    )
    .doc("Compile source into a code object that can be executed by exec() or eval()."),
    NativeDef::new("eval", "(source, /, globals=None, locals=None)", eval)
        .doc("Evaluate the given source in the context of globals and locals."),
    NativeDef::new("exec", "(source, /, globals=None, locals=None, *, closure=None)", exec)
        .doc("Execute the given source in the context of globals and locals."),
    NativeDef::new("globals", "()", globals).doc(
        "Return the dictionary containing the current scope's global variables.\n\nNOTE: Updates to this dictionary *will* affect name lookups in the current\nglobal scope and vice-versa.",
    ),
    NativeDef::new("locals", "()", |t, _| current_locals(t).map(Obj::into_value)).doc(
        "Return a dictionary containing the current scope's local variables.\n\nNOTE: Whether or not updates to this dictionary will affect name lookups in\nthe local scope and vice-versa is *implementation dependent* and not\ncovered by any backwards compatibility guarantees.",
    ),
];

fn globals(t: &mut Thread, _a: &[Value]) -> Res {
    match runtime::current_globals(t) {
        Some(d) => Ok(d.into()),
        None => Ok(Value::NONE),
    }
}

/// `locals()` of the caller.
pub(super) fn current_locals(t: &mut Thread) -> Res<Obj> {
    match frame_of(t) {
        Some(f) => Ok(frame::locals(t, f)),
        None => Err(t.system_error("frame does not exist")),
    }
}

fn breakpoint(t: &mut Thread, args: Args<'_>) -> Res {
    match runtime::sys_attr(t, "breakpointhook") {
        Some(hook) => proto::call_kw(t, hook.value(), args).map(Obj::into_value),
        None => Err(t.runtime_error("lost sys.breakpointhook")),
    }
}

fn compile(t: &mut Thread, a: &[Value]) -> Res {
    let Some(mode) = Str::of(a[2]) else {
        let msg = format!(
            "compile() argument 'mode' must be str, not {}",
            type_of(a[2]).name()
        );
        return Err(t.type_error(msg));
    };
    let number = |t: &mut Thread, v: Value, default: i64| {
        if v.is_null() {
            Ok(default)
        } else {
            proto::index_i64(t, v)
        }
    };
    let flags = number(t, a[3], 0)?;
    let dont_inherit = !a[4].is_null() && proto::truth(t, a[4])?;
    let optimize = number(t, a[5], -1)?;
    let version = number(t, a[6], -1)?;
    let mode = mode.to_string_lossy();
    compile_object(t, a[0], a[1], &mode, flags, dont_inherit, optimize, version)
        .map(Obj::into_value)
}

fn is_mapping(v: Value) -> bool {
    type_of(v).slots.get_item.is_set()
}

fn given(v: Value) -> bool {
    !v.is_null() && !v.is_none()
}

/// Globals and locals to run code in: the caller's, where none are given.
fn namespaces(t: &mut Thread, globals: Value, locals: Value, what: &str) -> Res<(Obj, Obj)> {
    let pair = if given(globals) {
        let g = Obj::new(t, globals);
        let l = if given(locals) {
            Obj::new(t, locals)
        } else {
            g.clone()
        };
        (g, l)
    } else {
        let Some(g) = runtime::current_globals(t) else {
            let msg =
                format!("{what} must be given globals and locals when called without a frame");
            return Err(t.type_error(msg));
        };
        let l = if given(locals) {
            Obj::new(t, locals)
        } else {
            current_locals(t)?
        };
        (g, l)
    };
    add_builtins(t, pair.0.value());
    Ok(pair)
}

/// Globals without `__builtins__` get the caller's.
fn add_builtins(t: &Thread, globals: Value) {
    let Some(d) = Dict::of(globals) else { return };
    let name = id!(t, "__builtins__");
    if d.get_str(t, name).is_some() {
        return;
    }
    let own = match frame_of(t) {
        // SAFETY: a running frame of this thread, whose builtins are alive.
        Some(f) => Some(Obj::own(foreign_builtins::shown(t, unsafe {
            (*(*f).builtins).header.value()
        }))),
        None => runtime::BUILTINS.of(t).get().map(|b| Obj::new(t, b)),
    };
    if let Some(own) = own {
        d.set_str(t, name, own.value());
    }
}

/// The code object of a source text, its file name being `<string>`.
fn compiled(t: &mut Thread, source: Value, mode: &str) -> Res<Obj> {
    let filename = Str::intern(t, "<string>");
    let func = if mode == "eval" { "eval" } else { "exec" };
    let text = source_text(t, source, func, "string, bytes or code", filename.value())?;
    let text = if mode == "eval" {
        text.trim_start_matches([' ', '\t'])
    } else {
        &text
    };
    let text = Str::new(t, text);
    compile_object(t, text.value(), filename.value(), mode, 0, false, -1, -1)
}

fn eval(t: &mut Thread, a: &[Value]) -> Res {
    let (source, globals, locals) = (a[0], a[1], a[2]);
    if given(locals) && !is_mapping(locals) {
        return Err(t.type_error("locals must be a mapping".into()));
    }
    if given(globals) && Dict::of(globals).is_none() {
        return Err(t.type_error(if is_mapping(globals) {
            "globals must be a real dict; try eval(expr, {}, mapping)".into()
        } else {
            "globals must be a dict".into()
        }));
    }
    let (globals, locals) = namespaces(t, globals, locals, "eval")?;
    let code = match Code::of(source) {
        Some(c) if c.free_count() > 0 => {
            return Err(
                t.type_error("code object passed to eval() may not contain free variables".into())
            );
        }
        Some(_) => Obj::new(t, source),
        None => compiled(t, source, "eval")?,
    };
    audit::tell(t, "exec", &[code.value()])?;
    run(t, code.value(), &globals, &locals)
}

fn exec(t: &mut Thread, a: &[Value]) -> Res {
    let (source, globals, locals, closure) = (a[0], a[1], a[2], a[3]);
    if given(globals) && Dict::of(globals).is_none() {
        let msg = format!(
            "exec() globals must be a dict, not {}",
            type_of(globals).name()
        );
        return Err(t.type_error(msg));
    }
    if given(locals) && !is_mapping(locals) {
        let msg = format!(
            "locals must be a mapping or None, not {}",
            type_of(locals).name()
        );
        return Err(t.type_error(msg));
    }
    let (globals, locals) = namespaces(t, globals, locals, "exec")?;
    let done = match Code::of(source) {
        Some(c) => {
            check_closure(t, c, closure)?;
            audit::tell(t, "exec", &[source])?;
            if given(closure) {
                exec_with_closure(t, source, &globals, &locals, closure)?
            } else {
                run(t, source, &globals, &locals)?
            }
        }
        None if given(closure) => {
            return Err(
                t.type_error("closure can only be used when source is a code object".into())
            );
        }
        None => {
            let code = compiled(t, source, "exec")?;
            audit::tell(t, "exec", &[code.value()])?;
            run(t, code.value(), &globals, &locals)?
        }
    };
    drop(Obj::own(done));
    Ok(Value::NONE)
}

/// Runs a code object without free variables. What makes a coroutine (top-level `await`) gets a function to keep its
/// namespace: it runs after this call.
fn run(t: &mut Thread, code: Value, globals: &Obj, locals: &Obj) -> Res {
    if Code::of(code).is_some_and(|c| c.call_flags & Code::GENERATOR != 0) {
        let none = Tuple::from_slice(t, &[]);
        return crate::interp::exec_closure(t, code, globals, locals, none.value());
    }
    crate::interp::exec_code(t, code, globals, locals)
}

fn check_closure(t: &Thread, code: &Code, closure: Value) -> Res<()> {
    let n = code.free_count();
    if n == 0 {
        return match given(closure) {
            true => Err(t.type_error("cannot use a closure with this code object".into())),
            false => Ok(()),
        };
    }
    let fits = given(closure)
        && Tuple::exact(closure)
            .is_some_and(|c| c.len() == n && c.values().iter().all(|v| Cell::of(*v).is_some()));
    if fits {
        Ok(())
    } else {
        Err(t.type_error(format!(
            "code object requires a closure of exactly length {n}"
        )))
    }
}

/// Runs a function's (or class body's) code with these cells for its free variables.
fn exec_with_closure(
    t: &mut Thread,
    code: Value,
    globals: &Obj,
    locals: &Obj,
    closure: Value,
) -> Res {
    /// The code's locals are in registers, not in a namespace.
    const OPTIMIZED: u32 = 1;
    let (Some(g), Some(c)) = (Dict::of(globals.value()), Code::of(code)) else {
        return Ok(Value::NONE);
    };
    let builtins = runtime::builtins_for(t, g);
    let f = Function::new(t, code, g, Dict::of_obj(&builtins));
    if let Some(f) = Function::of(f.value()) {
        f.closure
            .set(t, &f.header, Obj::new(t, closure).into_value());
    }
    if c.flags & OPTIMIZED != 0 {
        return proto::call(t, f.value(), &[]).map(Obj::into_value);
    }
    run_class_body(t, f.value(), locals.value())
}
