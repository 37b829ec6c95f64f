//! The interpreter: frames on the register stack, a handler per opcode, slow paths by theme.

mod attr;
mod calls;
mod flow;
mod frames;
mod globals;
mod handlers;
mod intrinsics;
mod iteration;
mod misc;
pub mod monitor;
mod ops;
mod run;
mod unwind;

use weft_objects::code::Code;
use weft_objects::frame::Frame;
use weft_objects::function::{Function, Hooks, set_hooks};
use weft_objects::prelude::*;

/// Gives the object layer its way to run Python code. Once, before anything runs.
pub fn install() {
    set_hooks(Hooks {
        call: calls::call_from_native,
        class_body,
        resume: flow::resume,
        step: flow::step,
        pause: flow::pause,
    });
    weft_objects::frame::set_jump_hook(monitor::set_lineno);
    weft_objects::monitor::set_refresh_hook(monitor::refresh);
    weft_objects::frame::set_opcodes_hook(monitor::legacy::opcodes);
    weft_objects::code::set_branches_hook(monitor::branches);
    weft_objects::module::set_shadow_hook(crate::import::is_possibly_shadowing);
    weft_objects::runtime::set_delegate_hook(|word| {
        let i = crate::compile::bytecode::Instr(word);
        let yields = [
            crate::compile::bytecode::Op::Yield as u8,
            weft_objects::monitor::INSTRUMENTED,
        ];
        if yields.contains(&i.op()) && i.arg() & 1 == 1 {
            Some(i.c())
        } else {
            None
        }
    });
}

/// Runs a module's or an expression's code object: `exec` and `eval`.
///
/// # Errors
/// What the code raises.
pub fn exec_code(t: &mut Thread, code: Value, globals: &Obj, locals: &Obj) -> Res {
    let (Some(code), Some(g)) = (Code::of(code), Dict::of(globals.value())) else {
        return Err(t.type_error("exec_code() needs a code object and a dict".into()));
    };
    let builtins = weft_objects::runtime::builtins_for(t, g);
    let builtins = Dict::of_obj(&builtins);
    calls::run_in_namespace(t, code, Value::NULL, g, builtins, locals.value())
}

/// As [`exec_code`], for code with free variables, whose cells `closure` (a tuple) gives.
///
/// # Errors
/// What the code raises.
pub fn exec_closure(
    t: &mut Thread,
    code: Value,
    globals: &Obj,
    locals: &Obj,
    closure: Value,
) -> Res {
    let Some(g) = Dict::of(globals.value()) else {
        return Err(t.type_error("globals must be a dict".into()));
    };
    let builtins = weft_objects::runtime::builtins_for(t, g);
    let builtins = Dict::of_obj(&builtins);
    let func = Function::new(t, code, g, builtins);
    if let Some(x) = Function::of(func.value()) {
        x.closure
            .set(t, &x.header, Obj::new(t, closure).into_value());
    }
    class_body_in(t, func.value(), locals.value())
}

fn class_body(t: &mut Thread, func: Value, ns: Value) -> Res {
    class_body_in(t, func, ns)
}

fn class_body_in(t: &mut Thread, func: Value, ns: Value) -> Res {
    let Some(x) = Function::of(func) else {
        return Err(t.type_error("a class body must be a function".into()));
    };
    let code = Obj::new(t, x.code.get());
    let Some(c) = Code::of(code.value()) else {
        return Ok(Value::NONE);
    };
    calls::run_in_namespace(t, c, func, x.globals(), x.builtins(), ns)
}

/// The end of the registers in use below frame `f`.
fn saved_top(t: &Thread, f: *mut Frame) -> *mut Value {
    match t.vm().below(f) {
        // SAFETY: running frames of this thread; so below.
        Some(c) if unsafe { (*c).flags } & Frame::DELEGATING != 0 => unsafe { (*f).base },
        // SAFETY: as above.
        Some(c) => unsafe { (*c).base.add((*(*c).code).nregs as usize) },
        None => t.regs.base(),
    }
}
