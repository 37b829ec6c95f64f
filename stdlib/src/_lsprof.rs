//! `_lsprof`: the profiler behind `cProfile`. It is a tool of `sys.monitoring`: what is called and left is timed.

use crate::support;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicPtr, Ordering::*};
use std::time::Instant;
use weft_objects::module::Module;
use weft_objects::native::{BUILTIN_FUNCTION, BuiltinFunction, METHOD_DESCRIPTOR, MethodDescr};
use weft_objects::prelude::*;
use weft_objects::runtime::{self, SharedObj};
use weft_objects::types::alloc_instance;
use weft_objects::{float, monitor};

crate::struct_sequence!(ENTRY, ENTRY_DEF, "profiler_entry" in "_lsprof", items 6, {
    0 "code", 1 "callcount", 2 "reccallcount", 3 "totaltime", 4 "inlinetime", 5 "calls",
});

crate::struct_sequence!(SUBENTRY, SUBENTRY_DEF, "profiler_subentry" in "_lsprof", items 5, {
    0 "code", 1 "callcount", 2 "reccallcount", 3 "totaltime", 4 "inlinetime",
});

/// The tool's number in `sys.monitoring`.
const TOOL: i64 = 2;
const CALLBACKS: [(usize, &str); 9] = [
    (monitor::event::PY_START, "_pystart_callback"),
    (monitor::event::PY_RESUME, "_pystart_callback"),
    (monitor::event::PY_THROW, "_pythrow_callback"),
    (monitor::event::PY_RETURN, "_pyreturn_callback"),
    (monitor::event::PY_YIELD, "_pyreturn_callback"),
    (monitor::event::PY_UNWIND, "_pyreturn_callback"),
    (monitor::event::CALL, "_ccall_callback"),
    (monitor::event::C_RETURN, "_creturn_callback"),
    (monitor::event::C_RAISE, "_creturn_callback"),
];

/// How often something was called, and how long it took.
#[derive(Default, Clone, Copy)]
struct Count {
    calls: u64,
    /// Calls that came from itself.
    recursive: u64,
    /// With and without what it called.
    total: f64,
    inline: f64,
    /// How many of its calls are under way.
    depth: u64,
}

impl Count {
    fn enter(&mut self) {
        self.depth += 1;
    }
    fn leave(&mut self, total: f64, inline: f64) {
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0 {
            self.total += total;
        } else {
            self.recursive += 1;
        }
        self.inline += inline;
        self.calls += 1;
    }
}

/// What something calls, and how often.
type Callees = Vec<(u64, Count)>;

/// What is called: a code object, or the text for a native function.
struct Entry {
    what: SharedObj,
    count: Count,
    /// By what it calls.
    callees: HashMap<u64, Count>,
}

/// A call under way.
struct Call {
    key: u64,
    since: f64,
    /// How long what it called has taken.
    below: f64,
}

struct State {
    timer: Option<SharedObj>,
    /// What one of the timer's integers is in seconds; 0: it gives seconds.
    unit: f64,
    subcalls: bool,
    builtins: bool,
    enabled: bool,
    /// The timer is running.
    timing: bool,
    entries: HashMap<u64, Entry>,
    /// Calls under way, by thread.
    stacks: HashMap<u64, Vec<Call>>,
    began: Instant,
}

impl State {
    fn new() -> State {
        State {
            timer: None,
            unit: 0.0,
            subcalls: true,
            builtins: true,
            enabled: false,
            timing: false,
            entries: HashMap::new(),
            stacks: HashMap::new(),
            began: Instant::now(),
        }
    }

    fn leave(&mut self, thread: u64, now: f64) {
        let Some(stack) = self.stacks.get_mut(&thread) else {
            return;
        };
        let Some(call) = stack.pop() else { return };
        let total = now - call.since;
        let inline = total - call.below;
        let caller = stack.last_mut().map(|c| {
            c.below += total;
            c.key
        });
        if let Some(e) = self.entries.get_mut(&call.key) {
            e.count.leave(total, inline);
        }
        if self.subcalls
            && let Some(caller) = caller.and_then(|key| self.entries.get_mut(&key))
            && let Some(c) = caller.callees.get_mut(&call.key)
        {
            c.leave(total, inline);
        }
    }
}

/// `Profiler`. Its state lies outside, behind a lock that nobody holds while Python runs.
#[repr(C)]
struct Profiler {
    header: Header,
    state: AtomicPtr<Mutex<State>>,
}

fn state<'a>(v: Value) -> &'a Mutex<State> {
    // SAFETY: called for instances alone, which own their state from birth to death.
    unsafe { &*(*(v.ptr() as *const Profiler)).state.load(Acquire) }
}

fn profiler_new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    let state = Box::into_raw(Box::new(Mutex::new(State::new())));
    let p = alloc_instance(t, Type::of_unchecked(cls)) as *mut Profiler;
    // SAFETY: instances of the class start with this layout.
    unsafe { (*p).state.store(state, Release) };
    Ok(Value::from_ptr(p as *const Header))
}

unsafe fn clear(h: *mut Header, _t: &Thread) {
    // SAFETY: a dying object; the box was made in `profiler_new`.
    unsafe {
        let p = (*(h as *const Profiler))
            .state
            .swap(std::ptr::null_mut(), AcqRel);
        if !p.is_null() {
            drop(Box::from_raw(p));
        }
    }
}

fn profiler_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new(
        "Profiler",
        "(timer=None, timeunit=0.0, subcalls=True, builtins=True)",
    );
    let a = SIG.bind(t, args)?;
    let unit = if a[1].is_null() {
        0.0
    } else {
        proto::as_f64(t, a[1])?
    };
    let subcalls = support::truth_or(t, a[2], true)?;
    let builtins = support::truth_or(t, a[3], true)?;
    let timer = (!a[0].is_null() && !a[0].is_none()).then(|| Obj::new(t, a[0]));
    let timer = timer.map(|o| SharedObj::new(t, o));
    let old = {
        let mut s = state(v).lock();
        (s.unit, s.subcalls, s.builtins) = (unit, subcalls, builtins);
        std::mem::replace(&mut s.timer, timer)
    };
    drop(old);
    Ok(())
}

/// The time in seconds. An error of the timer is reported, and gives 0.
fn now(t: &mut Thread, v: Value) -> f64 {
    let (timer, unit) = {
        let mut s = state(v).lock();
        let Some(timer) = s.timer.as_ref().map(|o| o.get(t)) else {
            return s.began.elapsed().as_secs_f64();
        };
        s.timing = true;
        (timer, s.unit)
    };
    let exc = t.exc.replace(Value::NULL);
    let time = proto::call(t, timer.value(), &[]).and_then(|x| {
        let n = if unit > 0.0 {
            proto::index_i64(t, x.value())? as f64 * unit
        } else {
            proto::as_f64(t, x.value())?
        };
        Ok(n)
    });
    let time = time.unwrap_or_else(|_| {
        runtime::unraisable(
            t,
            "Exception ignored while calling _lsprof timer",
            Some(timer.value()),
        );
        0.0
    });
    let none = t.exc.replace(exc);
    dec(t, none);
    state(v).lock().timing = false;
    time
}

fn enter(
    t: &mut Thread,
    v: Value,
    key: u64,
    what: impl FnOnce(&mut Thread) -> Res<Obj>,
) -> Res<()> {
    let known = state(v).lock().entries.contains_key(&key);
    let what = if known {
        None
    } else {
        let o = what(t)?;
        Some(SharedObj::new(t, o))
    };
    let since = now(t, v);
    let thread = t.vm().ident;
    let mut s = state(v).lock();
    if let Some(what) = what {
        s.entries.entry(key).or_insert(Entry {
            what,
            count: Count::default(),
            callees: HashMap::new(),
        });
    }
    let subcalls = s.subcalls;
    let stack = s.stacks.entry(thread).or_default();
    let caller = stack.last().map(|c| c.key);
    stack.push(Call {
        key,
        since,
        below: 0.0,
    });
    if let Some(e) = s.entries.get_mut(&key) {
        e.count.enter();
    }
    if subcalls && let Some(caller) = caller.and_then(|k| s.entries.get_mut(&k)) {
        caller.callees.entry(key).or_default().enter();
    }
    Ok(())
}

fn leave(t: &mut Thread, v: Value) {
    let time = now(t, v);
    let thread = t.vm().ident;
    state(v).lock().leave(thread, time);
}

fn started(t: &mut Thread, a: &[Value]) -> Res {
    let code = a[1];
    enter(t, a[0], proto::identity(code), |t| Ok(Obj::new(t, code)))?;
    Ok(Value::NONE)
}

fn returned(t: &mut Thread, a: &[Value]) -> Res {
    leave(t, a[0]);
    Ok(Value::NONE)
}

/// The native function that is called, if it is one.
fn native_of(t: &Thread, callee: Value, first: Value) -> Option<Obj> {
    if type_of(callee).is(&BUILTIN_FUNCTION) {
        return Some(Obj::new(t, callee));
    }
    if !type_of(callee).is(&METHOD_DESCRIPTOR)
        || monitor::MISSING.get().is_some_and(|v| v.same(first))
    {
        return None;
    }
    // SAFETY: of that type.
    let m = unsafe { &*(callee.ptr() as *const MethodDescr) };
    Some(BuiltinFunction::bind(t, m.native, first, Value::NULL))
}

fn called(t: &mut Thread, a: &[Value]) -> Res {
    if !state(a[0]).lock().builtins {
        return Ok(Value::NONE);
    }
    if let Some(f) = native_of(t, a[3], a[4]) {
        // SAFETY: of that type.
        let b = unsafe { &*(f.value().ptr() as *const BuiltinFunction) };
        enter(t, a[0], std::ptr::from_ref(b.native) as u64, |t| {
            describe(t, b)
        })?;
    }
    Ok(Value::NONE)
}

fn call_returned(t: &mut Thread, a: &[Value]) -> Res {
    if state(a[0]).lock().builtins && native_of(t, a[3], a[4]).is_some() {
        leave(t, a[0]);
    }
    Ok(Value::NONE)
}

/// What a native function is called in the statistics.
fn describe(t: &mut Thread, b: &BuiltinFunction) -> Res<Obj> {
    let name = proto::get_attr(t, b.header.value(), weft_objects::id!(t, "__name__"))?;
    let self_ = b.self_.get();
    if !self_.is_null()
        && Module::of(self_).is_none()
        && let Some(key) = Str::of(name.value())
        && let Some(found) = type_of(self_).lookup(t, key)
    {
        let found = found.to_obj(t);
        return proto::repr(t, found.value());
    }
    let text = |v: Value| Str::of(v).map(|s| s.to_string_lossy());
    let name = text(name.value()).unwrap_or_default();
    Ok(Str::new(
        t,
        &match text(b.module.get()) {
            Some(module) => format!("<built-in method {module}.{name}>"),
            None => format!("<built-in method {name}>"),
        },
    ))
}

fn monitoring(t: &mut Thread) -> Res<Obj> {
    match runtime::sys_attr(t, "monitoring") {
        Some(m) => Ok(m),
        None => Err(t.runtime_error("lost sys.monitoring")),
    }
}

fn register(t: &mut Thread, m: Value, event: usize, f: Value) -> Res<()> {
    let args = [Value::int(TOOL), Value::int(1 << event), f];
    proto::call_method(t, m, "register_callback", &args).map(drop)
}

fn enable(t: &mut Thread, a: &[Value]) -> Res {
    let subcalls = support::truth_or(t, a[1], true)?;
    let builtins = support::truth_or(t, a[2], true)?;
    let m = monitoring(t)?;
    let name = Str::new(t, "cProfile");
    let args = [Value::int(TOOL), name.value()];
    proto::call_method(t, m.value(), "use_tool_id", &args)?;
    {
        let mut s = state(a[0]).lock();
        (s.subcalls, s.builtins, s.enabled) = (subcalls, builtins, true);
    }
    let mut events = 0;
    for (event, method) in CALLBACKS {
        let key = weft_objects::names::get(t, method);
        let f = proto::get_attr(t, a[0], key)?;
        register(t, m.value(), event, f.value())?;
        events |= 1 << event;
    }
    let args = [Value::int(TOOL), Value::int(events)];
    proto::call_method(t, m.value(), "set_events", &args)?;
    Ok(Value::NONE)
}

fn disable(t: &mut Thread, a: &[Value]) -> Res {
    let enabled = {
        let mut s = state(a[0]).lock();
        if s.timing {
            drop(s);
            return Err(t.runtime_error("cannot disable profiler in external timer"));
        }
        std::mem::replace(&mut s.enabled, false)
    };
    if !enabled {
        return Ok(Value::NONE);
    }
    let m = monitoring(t)?;
    for (event, _) in CALLBACKS {
        register(t, m.value(), event, Value::NONE)?;
    }
    proto::call_method(t, m.value(), "free_tool_id", &[Value::int(TOOL)])?;
    // What is still under way ends here.
    let time = now(t, a[0]);
    let mut s = state(a[0]).lock();
    let open: Vec<u64> = s.stacks.keys().copied().collect();
    for thread in open {
        while s.stacks.get(&thread).is_some_and(|x| !x.is_empty()) {
            s.leave(thread, time);
        }
    }
    Ok(Value::NONE)
}

fn forget(t: &mut Thread, a: &[Value]) -> Res {
    let old = {
        let mut s = state(a[0]).lock();
        if s.timing {
            drop(s);
            return Err(t.runtime_error("cannot clear profiler in external timer"));
        }
        s.stacks.clear();
        std::mem::take(&mut s.entries)
    };
    drop(old);
    Ok(Value::NONE)
}

fn fields(t: &Thread, what: &Obj, c: &Count) -> Vec<Obj> {
    vec![
        what.clone(),
        support::int_obj(t, c.calls as i64),
        support::int_obj(t, c.recursive as i64),
        Obj::own(float::from_f64(t, c.total)),
        Obj::own(float::from_f64(t, c.inline)),
    ]
}

/// What was counted for a function, and for its calls of others.
type Counts = (u64, Count, Callees);

fn getstats(t: &mut Thread, a: &[Value]) -> Res {
    // Texts and numbers first: making objects may run anything.
    let s = state(a[0]).lock();
    let whats: HashMap<u64, Obj> = s.entries.iter().map(|(k, e)| (*k, e.what.get(t))).collect();
    let counts: Vec<Counts> = s
        .entries
        .iter()
        .filter(|(_, e)| e.count.calls > 0)
        .map(|(k, e)| {
            let callees = e.callees.iter().filter(|(_, c)| c.calls > 0);
            (*k, e.count, callees.map(|(k, c)| (*k, *c)).collect())
        })
        .collect();
    drop(s);
    let mut all = Vec::new();
    for (key, count, callees) in counts {
        let Some(what) = whats.get(&key) else {
            continue;
        };
        let mut row = fields(t, what, &count);
        let mut calls = Vec::new();
        for (key, count) in callees {
            if let Some(what) = whats.get(&key) {
                let row = fields(t, what, &count);
                calls.push(SUBENTRY_DEF.make(t, row));
            }
        }
        row.push(if calls.is_empty() {
            Obj::own(Value::NONE)
        } else {
            List::from_vec(t, calls)
        });
        all.push(ENTRY_DEF.make(t, row));
    }
    Ok(List::from_vec(t, all).into())
}

/// `_lsprof.Profiler`
static PROFILER: Type = Type::builtin(
    "Profiler",
    size_of::<Profiler>(),
    &Spec {
        new: Some(profiler_new),
        init: Some(profiler_init),
        methods: &[
            NativeDef::new("getstats", "($self, /)", getstats),
            NativeDef::new("enable", "($self, /, subcalls=True, builtins=True)", enable),
            NativeDef::new("disable", "($self, /)", disable),
            NativeDef::new("clear", "($self, /)", forget),
            NativeDef::new(
                "_pystart_callback",
                "($self, code, instruction_offset, /)",
                started,
            ),
            NativeDef::new(
                "_pythrow_callback",
                "($self, code, instruction_offset, exception, /)",
                started,
            ),
            NativeDef::new(
                "_pyreturn_callback",
                "($self, code, instruction_offset, retval, /)",
                returned,
            ),
            NativeDef::new(
                "_ccall_callback",
                "($self, code, instruction_offset, callable, self_arg, /)",
                called,
            ),
            NativeDef::new(
                "_creturn_callback",
                "($self, code, instruction_offset, callable, self_arg, /)",
                call_returned,
            ),
        ],
        ..Spec::EMPTY
    },
)
.module("_lsprof")
.clear_only(clear);

/// The module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_lsprof", "Fast profiler", &[]);
    ENTRY_DEF.ready(t);
    SUBENTRY_DEF.ready(t);
    for ty in [&PROFILER, &ENTRY, &SUBENTRY] {
        support::add_type(t, &m, ty);
    }
    Ok(m)
}
