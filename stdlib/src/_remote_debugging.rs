//! `_remote_debugging`: the records in which what other processes run is told, which `asyncio.tools` works on. Looking into other
//! processes is not supported.

use crate::structseq::Def;
use crate::{struct_sequence, support};
use weft_objects::prelude::*;

struct_sequence!(TASK_INFO, TASK_INFO_DEF, "TaskInfo" in "_remote_debugging", items 4, {
    0 "task_id", 1 "task_name", 2 "coroutine_stack", 3 "awaited_by",
});
struct_sequence!(CORO_INFO, CORO_INFO_DEF, "CoroInfo" in "_remote_debugging", items 2, {
    0 "call_stack", 1 "task_name",
});
struct_sequence!(FRAME_INFO, FRAME_INFO_DEF, "FrameInfo" in "_remote_debugging", items 3, {
    0 "filename", 1 "lineno", 2 "funcname",
});
struct_sequence!(THREAD_INFO, THREAD_INFO_DEF, "ThreadInfo" in "_remote_debugging", items 2, {
    0 "thread_id", 1 "frame_info",
});
struct_sequence!(AWAITED_INFO, AWAITED_INFO_DEF, "AwaitedInfo" in "_remote_debugging", items 2, {
    0 "thread_id", 1 "awaited_by",
});

static RECORDS: [&Def; 5] = [
    &TASK_INFO_DEF,
    &CORO_INFO_DEF,
    &FRAME_INFO_DEF,
    &THREAD_INFO_DEF,
    &AWAITED_INFO_DEF,
];

static REMOTE_UNWINDER: Type = Type::builtin(
    "RemoteUnwinder",
    size_of::<Header>(),
    &Spec {
        new: Some(|t, _, _| Err(t.runtime_error("Remote debugging is not supported"))),
        ..Spec::EMPTY
    },
)
.module("_remote_debugging");

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_remote_debugging", "", &[]);
    for def in RECORDS {
        def.ready(t);
        support::add_type(t, &m, def.ty);
    }
    support::add_type(t, &m, &REMOTE_UNWINDER);
    support::add_ints(t, &m, &[("PROCESS_VM_READV_SUPPORTED", 0)]);
    Ok(m)
}
