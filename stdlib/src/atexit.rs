//! `atexit`: functions to be called when the program ends.

use crate::support;
use parking_lot::Mutex;
use weft_objects::interpreter::PerInterpreter;
use weft_objects::prelude::*;
use weft_objects::runtime::{self, SharedObj};

struct Callback {
    func: SharedObj,
    args: SharedObj,
    kwargs: SharedObj,
}

static CALLBACKS: PerInterpreter<Mutex<Vec<Callback>>> =
    PerInterpreter::new(Mutex::new(Vec::new()), Default::default);

fn register(t: &mut Thread, a: &[Value]) -> Res {
    if !proto::is_callable(a[0]) {
        return Err(t.type_error("the first argument must be callable".into()));
    }
    let share = |v: Value| SharedObj::new(t, Obj::new(t, v));
    let c = Callback {
        func: share(a[0]),
        args: share(a[1]),
        kwargs: share(a[2]),
    };
    CALLBACKS.of(t).lock().push(c);
    Ok(Obj::new(t, a[0]).into())
}

/// Calls what has been registered, the last one first. What the functions raise goes to `sys.unraisablehook`.
pub fn run(t: &mut Thread) {
    loop {
        // The lock is not held while Python runs.
        let next = CALLBACKS.of(t).lock().pop();
        let Some(c) = next else { break };
        let func = c.func.into_obj();
        if call(t, &func, c.args.into_obj(), c.kwargs.into_obj()).is_err() {
            let what = describe(t, &func);
            runtime::unraisable(t, &what, None);
        }
    }
}

/// The message tells which function it was; the hook's argument has no object, as what it keeps would outlive the end.
fn describe(t: &mut Thread, func: &Obj) -> String {
    let raised = t.take_exc();
    let shown = proto::repr(t, func.value()).ok();
    let shown = shown.and_then(|s| Str::of(s.value()).map(Str::to_string_lossy));
    t.clear_exc();
    if let Some(exc) = raised {
        let _ = t.set_exc(exc);
    }
    format!(
        "Exception ignored in atexit callback {}",
        shown.unwrap_or_default()
    )
}

fn call(t: &mut Thread, func: &Obj, args: Obj, kwargs: Obj) -> Res<()> {
    let mut all: Vec<Obj> = Tuple::of(args.value()).map_or_else(Vec::new, |a| a.to_vec(t));
    let named = Dict::of(kwargs.value()).map_or_else(Vec::new, |d| d.items(t));
    let mut names = Vec::with_capacity(named.len());
    for (name, v) in named {
        names.push(name);
        all.push(v);
    }
    let names = Tuple::from_vec(t, names);
    let values: Vec<Value> = all.iter().map(|o| o.value()).collect();
    proto::call_kw(t, func.value(), Args::new(&values, names.value())).map(drop)
}

fn run_exitfuncs(t: &mut Thread, _a: &[Value]) -> Res {
    run(t);
    Ok(Value::NONE)
}

fn clear(t: &mut Thread, _a: &[Value]) -> Res {
    let old = std::mem::take(&mut *CALLBACKS.of(t).lock());
    drop(old);
    Ok(Value::NONE)
}

fn count(t: &mut Thread, _a: &[Value]) -> Res {
    Ok(Value::int(CALLBACKS.of(t).lock().len() as i64))
}

fn unregister(t: &mut Thread, a: &[Value]) -> Res {
    let funcs: Vec<Obj> = CALLBACKS
        .of(t)
        .lock()
        .iter()
        .map(|c| c.func.get(t))
        .collect();
    for f in funcs {
        // The comparison may run Python: the list is looked through again afterwards, for this very function.
        if proto::eq(t, f.value(), a[0])? {
            let mut gone = Vec::new();
            {
                let mut all = CALLBACKS.of(t).lock();
                let mut i = 0;
                while i < all.len() {
                    if all[i].func.get(t).value().same(f.value()) {
                        gone.push(all.remove(i));
                    } else {
                        i += 1;
                    }
                }
            }
            drop(gone);
        }
    }
    Ok(Value::NONE)
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("register", "(func, /, *args, **kwargs)", register)
        .doc("Register a function to be executed upon normal program termination"),
    NativeDef::new("unregister", "(func, /)", unregister)
        .doc("Unregister an exit function which was previously registered using\natexit.register"),
    NativeDef::new("_clear", "()", clear)
        .doc("Clear the list of previously registered exit functions."),
    NativeDef::new("_run_exitfuncs", "()", run_exitfuncs).doc("Run all registered exit functions."),
    NativeDef::new("_ncallbacks", "()", count)
        .doc("Return the number of registered exit functions."),
];

pub fn init(t: &mut Thread) -> Res<Obj> {
    let doc = "allow programmer to define multiple exit functions to be executed\nupon normal program termination.";
    Ok(support::module(t, "atexit", doc, FUNCTIONS))
}
