//! `sys.monitoring` (PEP 669): what tools ask for. What comes of it is in [`crate::interp::monitor`].

use crate::interp::monitor::{change, local_events, set_local_events as set_local};
use parking_lot::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use weft_objects::code::Code;
use weft_objects::module::Module;
use weft_objects::monitor::{self, DISABLE, EVENTS, LOCAL, MISSING, NAMES, event};
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;
use weft_stdlib::support::{c_int, int_obj};

/// How many tools programs may use.
const TOOLS: usize = 6;
const ALL_EVENTS: i64 = (1 << EVENTS) - 1;
const C_EVENTS: i64 = 1 << event::C_RETURN | 1 << event::C_RAISE;
const CALL: i64 = 1 << event::CALL;
const BRANCH: i64 = 1 << event::BRANCH;
const BRANCHES: i64 = 1 << event::BRANCH_LEFT | 1 << event::BRANCH_RIGHT;
/// Events that can be asked for in one code object alone.
const LOCAL_EVENTS: i64 = ((1 << LOCAL) - 1) | BRANCH | C_EVENTS;

/// The names of the tools that are in use.
static IN_USE: Mutex<[Option<SharedObj>; TOOLS]> = Mutex::new([const { None }; TOOLS]);

/// Makes the namespace.
pub fn module(t: &mut Thread) -> Res<Obj> {
    let m = Module::new(t, "sys.monitoring");
    let Some(module) = Module::of(m.value()) else {
        return Ok(m);
    };
    module.add_functions(t, FUNCTIONS);
    for (name, id) in [
        ("DEBUGGER_ID", 0),
        ("COVERAGE_ID", 1),
        ("PROFILER_ID", 2),
        ("OPTIMIZER_ID", 5),
    ] {
        module.add(t, name, int_obj(t, id));
    }
    let object = weft_objects::types::OBJECT.value();
    for (name, known) in [("DISABLE", &DISABLE), ("MISSING", &MISSING)] {
        if known.get().is_none() {
            let o = proto::call(t, object, &[])?;
            known.set(t, o);
        }
        if let Some(o) = known.get() {
            module.add(t, name, Obj::new(t, o));
        }
    }
    let events = weft_objects::namespace::new(t);
    let bits = NAMES.iter().enumerate().map(|(n, name)| (*name, 1 << n));
    for (name, bit) in [("NO_EVENTS", 0)].into_iter().chain(bits) {
        let v = int_obj(t, bit);
        let name = weft_objects::names::get(t, name);
        proto::set_attr(t, events.value(), name, v.value())?;
    }
    module.add(t, "events", events);
    Ok(m)
}

const FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("use_tool_id", "(tool_id, name, /)", use_tool_id),
    NativeDef::new("clear_tool_id", "(tool_id, /)", clear_tool_id),
    NativeDef::new("free_tool_id", "(tool_id, /)", free_tool_id),
    NativeDef::new("get_tool", "(tool_id, /)", get_tool),
    NativeDef::new(
        "register_callback",
        "(tool_id, event, func, /)",
        register_callback,
    ),
    NativeDef::new("get_events", "(tool_id, /)", get_events),
    NativeDef::new("set_events", "(tool_id, event_set, /)", set_events),
    NativeDef::new("get_local_events", "(tool_id, code, /)", get_local_events),
    NativeDef::new(
        "set_local_events",
        "(tool_id, code, event_set, /)",
        set_local_events,
    ),
    NativeDef::new("restart_events", "()", restart_events),
    NativeDef::new("_all_events", "()", all_events),
];

fn tool_id(t: &mut Thread, v: Value) -> Res<usize> {
    match usize::try_from(c_int(t, v)?) {
        Ok(id) if id < TOOLS => Ok(id),
        _ => Err(t.value_error(format!(
            "invalid tool {} (must be between 0 and 5)",
            v.to_int().unwrap_or(-1)
        ))),
    }
}

/// A tool that is in use.
fn used_tool(t: &mut Thread, v: Value) -> Res<usize> {
    let id = tool_id(t, v)?;
    let used = IN_USE.lock()[id].is_some();
    if used {
        return Ok(id);
    }
    Err(t.value_error(format!("tool {id} is not in use")))
}

fn use_tool_id(t: &mut Thread, a: &[Value]) -> Res {
    let id = tool_id(t, a[0])?;
    if Str::of(a[1]).is_none() {
        return Err(t.value_error("tool name must be a str"));
    }
    let name = Obj::new(t, a[1]);
    let name = SharedObj::new(t, name);
    let taken = {
        let mut in_use = IN_USE.lock();
        let taken = in_use[id].is_some();
        if !taken {
            in_use[id] = Some(name);
        }
        taken
    };
    if taken {
        Err(t.value_error(format!("tool {id} is already in use")))
    } else {
        Ok(Value::NONE)
    }
}

/// Takes back all that a tool has asked for.
fn clear(t: &Thread, id: usize) {
    for event in 0..EVENTS {
        drop(monitor::set_callback(t, id, event, None));
    }
    change(t, |state| {
        state.events[id] = 0;
        state.restarts += 1;
        state.each_code(|code| {
            if let Some(x) = code.sites() {
                x.local[id].store(0, Relaxed);
            }
        });
    });
}

fn clear_tool_id(t: &mut Thread, a: &[Value]) -> Res {
    let id = tool_id(t, a[0])?;
    let used = IN_USE.lock()[id].is_some();
    if used {
        clear(t, id);
    }
    Ok(Value::NONE)
}

fn free_tool_id(t: &mut Thread, a: &[Value]) -> Res {
    let id = tool_id(t, a[0])?;
    let name = IN_USE.lock()[id].take();
    if name.is_some() {
        clear(t, id);
    }
    Ok(Value::NONE)
}

fn get_tool(t: &mut Thread, a: &[Value]) -> Res {
    let id = tool_id(t, a[0])?;
    let in_use = IN_USE.lock();
    Ok(in_use[id].as_ref().map_or(Value::NONE, |n| n.get(t).into()))
}

fn register_callback(t: &mut Thread, a: &[Value]) -> Res {
    let id = tool_id(t, a[0])?;
    let bits = i64::from(c_int(t, a[1])?);
    if bits <= 0 || bits & (bits - 1) != 0 {
        return Err(t.value_error("The callback can only be set for one event at a time"));
    }
    if bits > ALL_EVENTS {
        return Err(t.value_error(format!("invalid event {bits}")));
    }
    super::hooks::audit(t, "sys.monitoring.register_callback", &[a[2]])?;
    let func = (!a[2].is_none()).then(|| Obj::new(t, a[2]));
    let event = bits.trailing_zeros() as usize;
    let events: &[usize] = if event == event::BRANCH {
        &[event::BRANCH_RIGHT, event::BRANCH_LEFT, event::BRANCH]
    } else {
        &[event]
    };
    let mut old = None;
    for event in events {
        old = monitor::set_callback(t, id, *event, func.clone());
    }
    Ok(old.map_or(Value::NONE, |f| f.into()))
}

fn get_events(t: &mut Thread, a: &[Value]) -> Res {
    let id = tool_id(t, a[0])?;
    let events = monitor::state().events[id];
    Ok(Value::int(i64::from(events)))
}

fn event_set(t: &mut Thread, v: Value, allowed: i64, what: &str) -> Res<u32> {
    let mut set = i64::from(c_int(t, v)?);
    if set < 0 || set & !allowed != 0 {
        return Err(t.value_error(format!("invalid {what} 0x{:x}", set as u32)));
    }
    if set & C_EVENTS != 0 && set & CALL == 0 {
        return Err(t.value_error("cannot set C_RETURN or C_RAISE events independently"));
    }
    set &= !C_EVENTS;
    if set & BRANCH != 0 {
        set = set & !BRANCH | BRANCHES;
    }
    Ok(set as u32)
}

fn set_events(t: &mut Thread, a: &[Value]) -> Res {
    let id = tool_id(t, a[0])?;
    let set = event_set(t, a[1], ALL_EVENTS, "event set")?;
    used_tool(t, a[0])?;
    let old = monitor::state().events[id];
    if old != set {
        change(t, |state| state.events[id] = set);
    }
    Ok(Value::NONE)
}

fn code_of<'a>(t: &mut Thread, v: Value) -> Res<&'a Code> {
    match Code::of(v) {
        Some(code) => Ok(code),
        None => Err(t.type_error("code must be a code object".into())),
    }
}

fn get_local_events(t: &mut Thread, a: &[Value]) -> Res {
    let code = code_of(t, a[1])?;
    let id = tool_id(t, a[0])?;
    Ok(Value::int(i64::from(local_events(code, id))))
}

fn set_local_events(t: &mut Thread, a: &[Value]) -> Res {
    let id = tool_id(t, a[0])?;
    let code = code_of(t, a[1])?;
    let set = event_set(t, a[2], LOCAL_EVENTS, "local event set")?;
    used_tool(t, a[0])?;
    set_local(t, code, id, set);
    Ok(Value::NONE)
}

fn restart_events(t: &mut Thread, _a: &[Value]) -> Res {
    change(t, |state| state.restarts += 1);
    Ok(Value::NONE)
}

/// Which tools have asked for each event everywhere.
fn all_events(t: &mut Thread, _a: &[Value]) -> Res {
    let d = Dict::new(t);
    for (event, name) in NAMES.iter().enumerate() {
        let tools = monitor::tools(event);
        if tools != 0 {
            let name = weft_objects::names::get(t, name).header.value();
            Dict::of_obj(&d).set(t, name, Value::int(i64::from(tools)))?;
        }
    }
    Ok(d.into())
}
