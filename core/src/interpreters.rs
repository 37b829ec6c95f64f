//! `_weft_interpreters`: making, entering and ending interpreters. What crosses from one to another, and how, is the work of
//! `_weft_crossing`, `_interpreters` and the others in Python.

use crate::compile::bytecode::{Instr, OPS, Op};
use crate::start;
use parking_lot::Mutex;
use weft_objects::code::Code;
use weft_objects::interpreter::{self, Interpreter};
use weft_objects::monitor::plain_word;
use weft_objects::prelude::*;
use weft_objects::runtime::Global;
use weft_stdlib::support;

/// A dict that all interpreters have in common. Plain data and locks are kept in it, and nothing that belongs to one of them.
static SHARED: Global = Global::new();
static MAKING: Mutex<()> = Mutex::new(());

fn id_of(t: &mut Thread, v: Value) -> Res<&'static Interpreter> {
    let id = proto::index_i64(t, v)?;
    match Interpreter::find(id) {
        Some(i) => Ok(i),
        None => Err(t.raise(
            &errors::LOOKUP_ERROR,
            format!("unrecognized interpreter ID {id}"),
        )),
    }
}

/// `new(allowed)`: its number.
fn new(t: &mut Thread, a: &[Value]) -> Res {
    let allowed = proto::index_i64(t, a[0])? as u32;
    Ok(Value::int(start::new_interpreter(t, allowed)?.id()))
}

/// `end(id)`: nothing may run in it.
fn end(t: &mut Thread, a: &[Value]) -> Res {
    let i = id_of(t, a[0])?;
    if i.is_main() || std::ptr::eq(i, interpreter::current(t)) {
        return Err(t.runtime_error("an interpreter cannot end itself"));
    }
    start::end_interpreter(t, i);
    Ok(Value::NONE)
}

/// `call(id, module, function, args)`: what the function of the other interpreter's own module gives.
fn call(t: &mut Thread, a: &[Value]) -> Res {
    let i = id_of(t, a[0])?;
    let (Some(module), Some(name)) = (Str::of(a[1]), Str::of(a[2])) else {
        return Err(t.type_error("names must be str".into()));
    };
    let (module, name) = (module.to_string_lossy(), name.to_string_lossy());
    let args = Obj::new(t, a[3]);
    let Some(args) = Tuple::of(args.value()) else {
        return Err(t.type_error("args must be a tuple".into()));
    };
    let r = interpreter::within(t, i, |t| {
        let m = crate::import::import_module(t, &module)?;
        proto::call_method(t, m.value(), &name, args.values())
    });
    r.map(Obj::into_value)
}

/// The instructions of a code object.
fn words(t: &Thread, v: Value) -> Res<(&'static Code, impl Iterator<Item = Instr>)> {
    match Code::of(v) {
        Some(c) => {
            let n = c.parts().instrs.len();
            Ok((c, (0..n).map(|i| Instr(plain_word(c, i)))))
        }
        None => Err(t.type_error("a code object is expected".into())),
    }
}

/// `global_names(code)`: the names that it looks up or changes outside of itself.
fn global_names(t: &mut Thread, a: &[Value]) -> Res {
    let (code, words) = words(t, a[0])?;
    let mut names = Vec::new();
    for w in words {
        if matches!(
            OPS.get(usize::from(w.op())),
            Some(Op::LoadGlobal | Op::StoreGlobal | Op::DeleteGlobal)
        ) && let Some(name) = code.parts().names.get(w.b())
        {
            names.push(Obj::new(t, *name));
        }
    }
    Ok(List::from_vec(t, names).into())
}

/// `returns_only_none(code)`
fn returns_only_none(t: &mut Thread, a: &[Value]) -> Res {
    let (code, mut words) = words(t, a[0])?;
    let none = |w: Instr| code.parts().consts.get(w.b()).is_some_and(|v| v.is_none());
    Ok(Value::bool(words.all(
        |w| match OPS.get(usize::from(w.op())) {
            Some(Op::Return) => false,
            Some(Op::ReturnK) => none(w),
            _ => true,
        },
    )))
}

const FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("new", "(allowed, /)", new),
    NativeDef::new("end", "(id, /)", end),
    NativeDef::new("call", "(id, module, function, args, /)", call),
    NativeDef::new("global_names", "(code, /)", global_names),
    NativeDef::new("returns_only_none", "(code, /)", returns_only_none),
    NativeDef::new("current", "()", |t, _| {
        Ok(Value::int(interpreter::current(t).id()))
    }),
    NativeDef::new("all", "()", |t, _| {
        let ids = Interpreter::all();
        let ids = ids.into_iter().map(|id| support::int_obj(t, id)).collect();
        Ok(List::from_vec(t, ids).into())
    }),
];

/// The module.
pub fn module(t: &mut Thread) -> Res<Obj> {
    {
        let _one = MAKING.lock();
        if SHARED.get().is_none() {
            let shared = Dict::new(t);
            SHARED.set(t, shared);
        }
    }
    let m = support::module(t, "_weft_interpreters", "Interpreters.", FUNCTIONS);
    if let Some(shared) = SHARED.get() {
        support::add(t, &m, "shared", Obj::new(t, shared));
    }
    for (name, bit) in [
        ("FORK", interpreter::FORK),
        ("EXEC", interpreter::EXEC),
        ("THREADS", interpreter::THREADS),
        ("DAEMON_THREADS", interpreter::DAEMON_THREADS),
    ] {
        support::add(t, &m, name, support::int_obj(t, i64::from(bit)));
    }
    Ok(m)
}
