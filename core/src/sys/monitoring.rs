//! `sys.monitoring` (PEP 669): tools, their callbacks and the events they ask for are kept, but no event is reported yet.

use parking_lot::Mutex;
use std::collections::HashMap;
use weft_objects::code::Code;
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;
use weft_stdlib::support::{c_int, int_obj};

const TOOLS: usize = 6;
const EVENTS: [(&str, i64); 20] = [
    ("NO_EVENTS", 0),
    ("PY_START", 1),
    ("PY_RESUME", 1 << 1),
    ("PY_RETURN", 1 << 2),
    ("PY_YIELD", 1 << 3),
    ("CALL", 1 << 4),
    ("LINE", 1 << 5),
    ("INSTRUCTION", 1 << 6),
    ("JUMP", 1 << 7),
    ("BRANCH_LEFT", 1 << 8),
    ("BRANCH_RIGHT", 1 << 9),
    ("STOP_ITERATION", 1 << 10),
    ("RAISE", 1 << 11),
    ("EXCEPTION_HANDLED", 1 << 12),
    ("PY_UNWIND", 1 << 13),
    ("PY_THROW", 1 << 14),
    ("RERAISE", 1 << 15),
    ("C_RETURN", 1 << 16),
    ("C_RAISE", 1 << 17),
    ("BRANCH", 1 << 18),
];
const ALL_EVENTS: i64 = (1 << 19) - 1;
/// Events that can be asked for in one code object alone.
const LOCAL_EVENTS: i64 = ((1 << 11) - 1) | (1 << 18);
const C_EVENTS: i64 = 3 << 16;
const CALL: i64 = 1 << 4;

#[derive(Default)]
struct Tool {
    name: Option<SharedObj>,
    events: i64,
    /// By code object's address.
    local: HashMap<u64, i64>,
    callbacks: HashMap<i64, SharedObj>,
}

static STATE: Mutex<[Option<Tool>; TOOLS]> = Mutex::new([const { None }; TOOLS]);

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
    for name in ["DISABLE", "MISSING"] {
        let o = proto::call(t, object, &[])?;
        module.add(t, name, o);
    }
    let events = weft_objects::namespace::new(t);
    for (name, bit) in EVENTS {
        let v = int_obj(t, bit);
        proto::set_attr(
            t,
            events.value(),
            weft_objects::names::get(t, name),
            v.value(),
        )?;
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
    NativeDef::new("restart_events", "()", |_, _| Ok(Value::NONE)),
    NativeDef::new("_all_events", "()", |t, _| Ok(Dict::new(t).into())),
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

/// Does something with a tool that is in use.
fn with_tool<R>(t: &mut Thread, v: Value, f: impl FnOnce(&Thread, &mut Tool) -> R) -> Res<R> {
    let id = tool_id(t, v)?;
    let done = {
        let mut state = STATE.lock();
        state[id]
            .as_mut()
            .filter(|tool| tool.name.is_some())
            .map(|tool| f(t, tool))
    };
    match done {
        Some(r) => Ok(r),
        None => Err(t.value_error(format!("tool {id} is not in use"))),
    }
}

fn use_tool_id(t: &mut Thread, a: &[Value]) -> Res {
    let id = tool_id(t, a[0])?;
    if Str::of(a[1]).is_none() {
        return Err(t.value_error("tool name must be a str"));
    }
    let name = Obj::new(t, a[1]);
    let name = SharedObj::new(t, name);
    let taken = {
        let mut state = STATE.lock();
        let tool = state[id].get_or_insert_default();
        let taken = tool.name.is_some();
        if !taken {
            tool.name = Some(name);
        }
        taken
    };
    if taken {
        Err(t.value_error(format!("tool {id} is already in use")))
    } else {
        Ok(Value::NONE)
    }
}

fn clear_tool_id(t: &mut Thread, a: &[Value]) -> Res {
    let id = tool_id(t, a[0])?;
    let old = {
        let mut state = STATE.lock();
        let name = state[id].as_mut().and_then(|tool| tool.name.take());
        let cleared = name.map(|name| Tool {
            name: Some(name),
            ..Tool::default()
        });
        std::mem::replace(&mut state[id], cleared)
    };
    drop(old);
    Ok(Value::NONE)
}

fn free_tool_id(t: &mut Thread, a: &[Value]) -> Res {
    let id = tool_id(t, a[0])?;
    let old = STATE.lock()[id].take();
    drop(old);
    Ok(Value::NONE)
}

fn get_tool(t: &mut Thread, a: &[Value]) -> Res {
    let id = tool_id(t, a[0])?;
    let state = STATE.lock();
    let name = state[id].as_ref().and_then(|tool| tool.name.as_ref());
    Ok(name.map_or(Value::NONE, |n| n.get(t).into()))
}

fn register_callback(t: &mut Thread, a: &[Value]) -> Res {
    let id = tool_id(t, a[0])?;
    let event = i64::from(c_int(t, a[1])?);
    if event <= 0 || event & (event - 1) != 0 {
        return Err(t.value_error("The callback can only be set for one event at a time"));
    }
    if event > ALL_EVENTS {
        return Err(t.value_error(format!("invalid event {event}")));
    }
    let func = (!a[2].is_none()).then(|| Obj::new(t, a[2]));
    let func = func.map(|f| SharedObj::new(t, f));
    let old = {
        let mut state = STATE.lock();
        let tool = state[id].get_or_insert_default();
        match func {
            Some(f) => tool.callbacks.insert(event, f),
            None => tool.callbacks.remove(&event),
        }
    };
    Ok(old.map_or(Value::NONE, |f| f.into_obj().into()))
}

fn get_events(t: &mut Thread, a: &[Value]) -> Res {
    with_tool(t, a[0], |_, tool| Value::int(tool.events))
}

fn event_set(t: &mut Thread, v: Value, allowed: i64, what: &str) -> Res<i64> {
    let set = i64::from(c_int(t, v)?);
    if set < 0 || set & !allowed != 0 {
        return Err(t.value_error(format!("invalid {what} 0x{set:x}")));
    }
    if set & C_EVENTS != 0 && set & CALL == 0 {
        return Err(t.value_error("cannot set C_RETURN or C_RAISE events independently"));
    }
    Ok(set & !C_EVENTS)
}

fn set_events(t: &mut Thread, a: &[Value]) -> Res {
    let set = event_set(t, a[1], ALL_EVENTS, "event set")?;
    with_tool(t, a[0], |_, tool| tool.events = set)?;
    Ok(Value::NONE)
}

fn code_key(t: &Thread, v: Value) -> Res<u64> {
    match Code::of(v) {
        Some(_) => Ok(proto::identity(v)),
        None => Err(t.type_error("code must be a code object".into())),
    }
}

fn get_local_events(t: &mut Thread, a: &[Value]) -> Res {
    let key = code_key(t, a[1])?;
    with_tool(t, a[0], |_, tool| {
        Value::int(tool.local.get(&key).copied().unwrap_or(0))
    })
}

fn set_local_events(t: &mut Thread, a: &[Value]) -> Res {
    let key = code_key(t, a[1])?;
    let set = event_set(t, a[2], LOCAL_EVENTS | C_EVENTS, "local event set")?;
    with_tool(t, a[0], |_, tool| tool.local.insert(key, set))?;
    Ok(Value::NONE)
}
