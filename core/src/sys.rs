//! The module `sys`.

pub mod hooks;
pub mod info;
pub mod monitoring;

use crate::cli::{Config, FREE_THREADED};
use crate::interp::monitor::legacy::{self, Which};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::*};
use weft_objects::bytes::Bytes;
use weft_objects::errors::Exception;
use weft_objects::frame::{self, Frame, FrameObject};
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::runtime;
use weft_objects::traceback::Traceback;
use weft_objects::{float, int};

/// Makes the module, apart from `modules`, the streams, and what the import system adds.
pub fn module(t: &mut Thread, c: &Config) -> Res<Obj> {
    let m = Module::new(t, "sys");
    let Some(module) = Module::of(m.value()) else {
        return Ok(m);
    };
    module.add(t, "__doc__", Str::new(t, DOC));
    module.add_functions(t, FUNCTIONS);
    info::add(t, module, c)?;
    for name in [
        "displayhook",
        "excepthook",
        "breakpointhook",
        "unraisablehook",
    ] {
        if let Some(f) = module.get(t, name) {
            module.add(t, &format!("__{name}__"), f);
        }
    }
    for name in ["meta_path", "path_hooks"] {
        module.add(t, name, List::new(t));
    }
    module.add(t, "path_importer_cache", Dict::new(t));
    for name in ["ps1", "ps2"] {
        if c.interactive {
            module.add(
                t,
                name,
                Str::new(t, if name == "ps1" { ">>> " } else { "... " }),
            );
        }
    }
    let jit = Module::new(t, "sys._jit");
    if let Some(j) = Module::of(jit.value()) {
        j.add_functions(t, JIT);
    }
    module.add(t, "_jit", jit);
    let monitoring = monitoring::module(t)?;
    module.add(t, "monitoring", monitoring);
    if weft_objects::interpreter::current(t).is_main() {
        int::set_max_str_digits(c.int_max_str_digits.max(0) as usize);
    }
    EARLY_STDERR.ready(t);
    // SAFETY: a header is all that there is of it.
    let early = unsafe {
        Obj::from_raw(Value::from_ptr(
            t.alloc(&EARLY_STDERR.head, size_of::<Header>()),
        ))
    };
    module.add(t, "__stderr__", early.clone());
    module.add(t, "stderr", early);
    Ok(m)
}

fn early_write(t: &mut Thread, a: &[Value]) -> Res {
    match Str::of(a[1]) {
        Some(s) => {
            eprint!("{}", s.to_string_lossy());
            Ok(Value::int(s.len() as i64))
        }
        None => Err(t.type_error(format!(
            "write() argument must be str, not {}",
            type_of(a[1]).name()
        ))),
    }
}

/// What `sys.stderr` is until there are streams.
static EARLY_STDERR: Type = Type::builtin(
    "stderrprinter",
    size_of::<Header>(),
    &Spec {
        methods: &[
            NativeDef::new("write", "($self, text, /)", early_write),
            NativeDef::new("flush", "($self, /)", |_, _| Ok(Value::NONE)),
            NativeDef::new("close", "($self, /)", |_, _| Ok(Value::NONE)),
            NativeDef::new("fileno", "($self, /)", |_, _| Ok(Value::int(2))),
            NativeDef::new("isatty", "($self, /)", |_, _| {
                // SAFETY: asks only about the descriptor.
                Ok(Value::bool(unsafe { libc::isatty(2) } == 1))
            }),
        ],
        getset: &[
            GetSetDef::ro("closed", |_, _| Ok(Value::FALSE)),
            GetSetDef::ro("encoding", |_, _| Ok(Value::NONE)),
            GetSetDef::ro("mode", |t, _| Ok(Str::intern(t, "w").into())),
        ],
        ..Spec::EMPTY
    },
)
.module("sys")
.final_()
.no_new();

const DOC: &str = "This module provides access to some objects used or maintained by the\n\
interpreter and to functions that interact strongly with the interpreter.";

const JIT: &[NativeDef] = &[
    NativeDef::new("is_available", "()", |_, _| Ok(Value::FALSE)),
    NativeDef::new("is_enabled", "()", |_, _| Ok(Value::FALSE)),
    NativeDef::new("is_active", "()", |_, _| Ok(Value::FALSE)),
];

const FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("displayhook", "(object, /)", hooks::displayhook),
    NativeDef::new(
        "excepthook",
        "(exctype, value, traceback, /)",
        hooks::excepthook,
    ),
    NativeDef::new("breakpointhook", "(*args, **kws)", hooks::breakpointhook),
    NativeDef::new("unraisablehook", "(unraisable, /)", hooks::unraisablehook),
    NativeDef::new("audit", "(event, /, *args)", hooks::sys_audit),
    NativeDef::new("addaudithook", "(hook)", hooks::addaudithook),
    NativeDef::new("call_tracing", "(func, args, /)", call_tracing),
    NativeDef::new("exc_info", "()", exc_info),
    NativeDef::new("exception", "()", exception),
    NativeDef::new("exit", "(status=None, /)", exit),
    NativeDef::new("intern", "(string, /)", intern),
    NativeDef::new("_is_interned", "(string, /)", is_interned),
    NativeDef::new("_is_immortal", "(op, /)", is_immortal),
    NativeDef::new("getrefcount", "(object, /)", getrefcount),
    NativeDef::new("getsizeof", "(object, default=None)", getsizeof),
    NativeDef::new("getallocatedblocks", "()", getallocatedblocks),
    NativeDef::new(
        "getunicodeinternedsize",
        "(*, _only_immortal=False)",
        |_, _| Ok(Value::int(0)),
    ),
    NativeDef::new("getrecursionlimit", "()", |_, _| {
        Ok(Value::int(runtime::recursion_limit() as i64))
    }),
    NativeDef::new("setrecursionlimit", "(limit, /)", setrecursionlimit),
    NativeDef::new("_getframe", "(depth=0, /)", getframe),
    NativeDef::new("_getframemodulename", "(depth=0)", getframemodulename),
    NativeDef::new("_current_frames", "()", current_frames),
    NativeDef::new("_current_exceptions", "()", current_exceptions),
    NativeDef::new("settrace", "(function, /)", settrace),
    NativeDef::new("gettrace", "()", gettrace),
    NativeDef::new("setprofile", "(function, /)", setprofile),
    NativeDef::new("getprofile", "()", getprofile),
    NativeDef::new("_settraceallthreads", "(function, /)", settrace_all),
    NativeDef::new("_setprofileallthreads", "(function, /)", setprofile_all),
    NativeDef::new("getswitchinterval", "()", getswitchinterval),
    NativeDef::new("setswitchinterval", "(interval, /)", setswitchinterval),
    NativeDef::new("get_int_max_str_digits", "()", |_, _| {
        Ok(Value::int(int::max_str_digits() as i64))
    }),
    NativeDef::new(
        "set_int_max_str_digits",
        "(maxdigits)",
        set_int_max_str_digits,
    ),
    NativeDef::new("getdefaultencoding", "()", |t, _| {
        Ok(Str::intern(t, "utf-8").into())
    }),
    NativeDef::new("getfilesystemencoding", "()", |t, _| {
        Ok(Str::intern(t, "utf-8").into())
    }),
    NativeDef::new("getfilesystemencodeerrors", "()", |t, _| {
        Ok(Str::intern(t, "surrogateescape").into())
    }),
    NativeDef::new("is_finalizing", "()", |_, _| {
        Ok(Value::bool(runtime::is_finalizing()))
    }),
    NativeDef::new("_is_gil_enabled", "()", |_, _| {
        Ok(Value::bool(!FREE_THREADED))
    }),
    NativeDef::new(
        "set_asyncgen_hooks",
        "(firstiter=None, finalizer=None)",
        set_asyncgen_hooks,
    ),
    NativeDef::new("get_asyncgen_hooks", "()", get_asyncgen_hooks),
    NativeDef::new(
        "set_coroutine_origin_tracking_depth",
        "(depth)",
        set_origin_depth,
    ),
    NativeDef::new("get_coroutine_origin_tracking_depth", "()", |t, _| {
        Ok(Value::int(t.vm().coroutine_origin_depth.get()))
    }),
    NativeDef::new("getdlopenflags", "()", |_, _| {
        Ok(Value::int(DLOPEN_FLAGS.load(Relaxed)))
    }),
    NativeDef::new("setdlopenflags", "(flags, /)", setdlopenflags),
    NativeDef::new("_clear_type_cache", "()", |_, _| Ok(Value::NONE)),
    NativeDef::new("_clear_internal_caches", "()", |_, _| Ok(Value::NONE)),
    NativeDef::new("_clear_type_descriptors", "(type, /)", |t, a| {
        let Some(ty) = weft_objects::types::Type::of(a[0]) else {
            let got = type_of(a[0]).name();
            let msg = format!("_clear_type_descriptors() argument must be type, not {got}");
            return Err(t.type_error(msg));
        };
        if !ty.is_heap() {
            return Err(t.type_error("argument is immutable".into()));
        }
        ty.set_name(t, weft_objects::id!(t, "__dict__"), Value::NULL);
        ty.set_name(t, weft_objects::id!(t, "__weakref__"), Value::NULL);
        Ok(Value::NONE)
    }),
    NativeDef::new("_get_cpu_count_config", "()", |_, _| Ok(Value::int(-1))),
    NativeDef::new("is_remote_debug_enabled", "()", |_, _| Ok(Value::FALSE)),
    NativeDef::new("is_stack_trampoline_active", "()", |_, _| Ok(Value::FALSE)),
    NativeDef::new("deactivate_stack_trampoline", "()", |_, _| Ok(Value::NONE)),
    NativeDef::new("activate_stack_trampoline", "(backend, /)", |t, _| {
        Err(t.value_error("perf trampoline not available"))
    }),
];

// --- exceptions ---

fn exception(t: &mut Thread, _a: &[Value]) -> Res {
    Ok(runtime::handled_exception(t).map_or(Value::NONE, |e| e.to_reg(t)))
}

fn exc_info(t: &mut Thread, _a: &[Value]) -> Res {
    let Some(e) = runtime::handled_exception(t).map(|e| e.to_obj(t)) else {
        return Ok(Tuple::from_slice(t, &[Value::NONE; 3]).into());
    };
    let tb = Exception::of(e.value()).map_or(Value::NULL, |x| x.traceback.get());
    let tb = if Traceback::of(tb).is_some() {
        tb
    } else {
        Value::NONE
    };
    Ok(Tuple::from_slice(t, &[type_of(e.value()).value(), e.value(), tb]).into())
}

fn exit(t: &mut Thread, a: &[Value]) -> Res {
    let status = if a[0].is_null() { Value::NONE } else { a[0] };
    // As `raise SystemExit, status` would do it: a tuple is the arguments.
    let args = match (status.is_none(), Tuple::of(status)) {
        (true, _) => &[][..],
        (_, Some(all)) => all.values(),
        _ => std::slice::from_ref(&status),
    };
    let exc = proto::call(t, errors::SYSTEM_EXIT.value(), args)?;
    Err(t.raise_value(exc))
}

// --- objects ---

fn intern(t: &mut Thread, a: &[Value]) -> Res {
    if Str::exact(a[0]).is_some() {
        let o = Obj::new(t, a[0]);
        return Ok(Str::intern_obj(t, o).into());
    }
    let got = type_of(a[0]).name();
    Err(t.type_error(match Str::of(a[0]) {
        Some(_) => format!("can't intern {got}"),
        None => format!("intern() argument must be str, not {got}"),
    }))
}

fn is_interned(t: &mut Thread, a: &[Value]) -> Res {
    match Str::of(a[0]) {
        Some(s) => Ok(Value::bool(s.is_exact() && s.is_interned())),
        None => {
            let got = type_of(a[0]).name();
            Err(t.type_error(format!("_is_interned() argument must be str, not {got}")))
        }
    }
}

fn is_immortal(_t: &mut Thread, a: &[Value]) -> Res {
    // SAFETY: a live argument.
    Ok(Value::bool(
        !a[0].is_ptr() || unsafe { a[0].header() }.is_immortal(),
    ))
}

/// What CPython shows for immortal objects.
const IMMORTAL_COUNT: i64 = 3 << 30;

fn getrefcount(t: &mut Thread, a: &[Value]) -> Res {
    if !a[0].is_ptr() {
        return Ok(Value::int(IMMORTAL_COUNT));
    }
    // SAFETY: a live argument.
    let h = unsafe { a[0].header() };
    if h.is_immortal() {
        return Ok(Value::int(IMMORTAL_COUNT));
    }
    Ok(Value::int(if h.is_local(t) {
        i64::from(h.count.load(Relaxed))
    } else {
        weft_gc::references(t, h)
    }))
}

fn getsizeof(t: &mut Thread, a: &[Value]) -> Res {
    let name = weft_objects::id!(t, "__sizeof__");
    let size = match proto::lookup_special(t, a[0], name)? {
        Some(f) => proto::call(t, f.value(), &[]),
        None => {
            let got = type_of(a[0]).name();
            Err(t.type_error(format!("Type {got} doesn't define __sizeof__")))
        }
    };
    let size = size.and_then(|s| proto::index_i64(t, s.value()));
    match size {
        Ok(n) if n >= 0 => Ok(Value::int(n)),
        Ok(_) => Err(t.value_error("__sizeof__() should return >= 0")),
        Err(_) if !a[1].is_null() && t.exc_matches(&errors::TYPE_ERROR) => {
            t.clear_exc();
            Ok(Obj::new(t, a[1]).into())
        }
        Err(e) => Err(e),
    }
}

fn getallocatedblocks(t: &mut Thread, _a: &[Value]) -> Res {
    let n = weft_gc::live_objects(t);
    Ok(int::from_usize(t, n))
}

// --- frames ---

fn setrecursionlimit(t: &mut Thread, a: &[Value]) -> Res {
    let n = weft_stdlib::support::c_int(t, a[0])?;
    if n < 1 {
        return Err(t.value_error("recursion limit must be greater or equal than 1"));
    }
    let depth = t.vm().frame_depth();
    if depth >= n as usize {
        let msg = format!(
            "cannot set the recursion limit to {n} at the recursion depth {depth}: the limit is too low"
        );
        return Err(t.raise(&errors::RECURSION_ERROR, msg));
    }
    runtime::set_recursion_limit(t, n as usize);
    Ok(Value::NONE)
}

/// The running frame `depth` steps out from the innermost.
fn frame_at(t: &mut Thread, depth: Value) -> Res<Option<*mut Frame>> {
    let depth = if depth.is_null() {
        0
    } else {
        weft_stdlib::support::c_int(t, depth)?
    };
    let mut f = t.vm().top_frame();
    for _ in 0..depth.max(0) {
        f = f.and_then(|f| frame::caller(t, f));
    }
    Ok(f)
}

fn getframe(t: &mut Thread, a: &[Value]) -> Res {
    match frame_at(t, a[0])? {
        Some(f) => {
            let o = frame::object_of(t, f);
            hooks::audit(t, "sys._getframe", &[o.value()])?;
            Ok(o.into())
        }
        None => Err(t.value_error("call stack is not deep enough")),
    }
}

fn getframemodulename(t: &mut Thread, a: &[Value]) -> Res {
    let depth = if a[0].is_null() { Value::int(0) } else { a[0] };
    hooks::audit(t, "sys._getframemodulename", &[depth])?;
    let Some(f) = frame_at(t, a[0])? else {
        return Ok(Value::NONE);
    };
    let name = weft_objects::id!(t, "__name__");
    // SAFETY: a running frame of this thread.
    let globals = unsafe { &*(*f).globals };
    Ok(globals
        .get_str(t, name)
        .map_or(Value::NONE, |v| v.to_reg(t)))
}

/// Frame objects for all running frames of another thread, which stands still: published, linked, and with the line at which each
/// is now. Gives the innermost one.
fn frames_of(t: &Thread, other: &Thread) -> Option<Obj> {
    let vm = other.vm();
    let mut outer: Option<Obj> = None;
    let mut f = vm.frames_base();
    while f < vm.frame_top() {
        // SAFETY: a frame of a thread that stands still.
        unsafe {
            for v in [
                (*(*f).globals).header.value(),
                (*(*f).builtins).header.value(),
                (*f).generator,
                (*f).object,
            ] {
                weft_gc::share(other, v);
            }
            let o = frame::object_of(t, f);
            weft_gc::share(t, o.value());
            if let Some(fo) = FrameObject::of(o.value()) {
                fo.thread_tag.store(other as *const Thread as u64, Relaxed);
                fo.lasti.store((*f).instr() as u64, Relaxed);
                if let Some(back) = outer.take() {
                    fo.back.set(t, &fo.header, back.into_value());
                }
            }
            outer = Some(o);
            f = f.add(1);
        }
    }
    outer
}

/// Calls `f` with every thread while all others stand still.
fn for_each_thread(t: &mut Thread, mut f: impl FnMut(&Thread, &Thread)) {
    let me: &Thread = t;
    weft_gc::world().stop(me.peer(), |stopped| {
        for peer in stopped.peers() {
            let other = peer.payload().thread();
            if !other.ext().is_null() {
                f(me, other);
            }
        }
    });
}

fn current_frames(t: &mut Thread, _a: &[Value]) -> Res {
    hooks::audit(t, "sys._current_frames", &[])?;
    let mut found: Vec<(u64, Obj)> = Vec::new();
    if let Some(f) = t.vm().top_frame() {
        found.push((t.vm().ident, frame::object_of(t, f)));
    }
    for_each_thread(t, |me, other| {
        if !std::ptr::eq(me, other)
            && let Some(o) = frames_of(me, other)
        {
            found.push((other.vm().ident, o));
        }
    });
    by_ident(t, found)
}

fn current_exceptions(t: &mut Thread, _a: &[Value]) -> Res {
    hooks::audit(t, "sys._current_exceptions", &[])?;
    let mut found: Vec<(u64, Obj)> = Vec::new();
    for_each_thread(t, |me, other| {
        let e = match runtime::handled_exception(other) {
            Some(e) => {
                if !std::ptr::eq(me, other) {
                    // So that the frames of its traceback lead to their callers.
                    drop(frames_of(me, other));
                }
                weft_gc::share(other, e.value());
                Obj::new(me, e.value())
            }
            None => Obj::from_raw(Value::NONE),
        };
        found.push((other.vm().ident, e));
    });
    by_ident(t, found)
}

fn by_ident(t: &mut Thread, found: Vec<(u64, Obj)>) -> Res {
    let d = Dict::new(t);
    for (ident, o) in found {
        let key = Obj::own(int::from_u64(t, ident));
        Dict::of_obj(&d).set(t, key.value(), o.value())?;
    }
    Ok(d.into())
}

// --- tracing ---

fn put(t: &Thread, cell: &std::cell::Cell<Value>, v: Value) {
    let v = if v.is_none() {
        Value::NULL
    } else {
        Obj::new(t, v).into_value()
    };
    dec(t, cell.replace(v));
}

fn or_none(t: &Thread, v: Value) -> Res {
    Ok(if v.is_null() {
        Value::NONE
    } else {
        to_reg(t, v)
    })
}

fn settrace(t: &mut Thread, a: &[Value]) -> Res {
    hooks::audit(t, "sys.settrace", &[])?;
    legacy::set(t, Which::Trace, a[0]);
    Ok(Value::NONE)
}

fn gettrace(t: &mut Thread, _a: &[Value]) -> Res {
    or_none(t, t.vm().trace.get())
}

fn setprofile(t: &mut Thread, a: &[Value]) -> Res {
    hooks::audit(t, "sys.setprofile", &[])?;
    legacy::set(t, Which::Profile, a[0]);
    Ok(Value::NONE)
}

fn settrace_all(t: &mut Thread, a: &[Value]) -> Res {
    hooks::audit(t, "sys.settrace", &[])?;
    legacy::set_all(t, Which::Trace, a[0]);
    Ok(Value::NONE)
}

fn setprofile_all(t: &mut Thread, a: &[Value]) -> Res {
    hooks::audit(t, "sys.setprofile", &[])?;
    legacy::set_all(t, Which::Profile, a[0]);
    Ok(Value::NONE)
}

fn call_tracing(t: &mut Thread, a: &[Value]) -> Res {
    let Some(args) = Tuple::of(a[1]) else {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!(
            "call_tracing() argument 2 must be tuple, not {got}"
        )));
    };
    let args = Obj::new(t, args.header.value());
    let before = t.vm().tracing.replace(0);
    let values = Tuple::of(args.value()).map_or(&[] as &[Value], |x| x.values());
    let r = proto::call(t, a[0], values);
    t.vm().tracing.set(before);
    r.map(Obj::into_value)
}

fn getprofile(t: &mut Thread, _a: &[Value]) -> Res {
    or_none(t, t.vm().profile.get())
}

// --- settings ---

/// Nanoseconds after which the GIL is handed over, in the build that has one.
static SWITCH_INTERVAL: AtomicU64 = AtomicU64::new(5_000_000);
static DLOPEN_FLAGS: AtomicI64 = AtomicI64::new(libc::RTLD_NOW as i64);

fn getswitchinterval(t: &mut Thread, _a: &[Value]) -> Res {
    Ok(float::from_f64(
        t,
        SWITCH_INTERVAL.load(Relaxed) as f64 / 1e9,
    ))
}

fn setswitchinterval(t: &mut Thread, a: &[Value]) -> Res {
    let secs = proto::as_f64(t, a[0])?;
    if secs.is_nan() || secs <= 0.0 {
        return Err(t.value_error("switch interval must be strictly positive"));
    }
    let nanos = ((secs * 1e9) as u64).max(1000);
    SWITCH_INTERVAL.store(nanos, Relaxed);
    #[cfg(feature = "gil")]
    weft_gc::gil().set_interval(nanos / 1000);
    Ok(Value::NONE)
}

fn setdlopenflags(t: &mut Thread, a: &[Value]) -> Res {
    let flags = weft_stdlib::support::c_int(t, a[0])?;
    DLOPEN_FLAGS.store(i64::from(flags), Relaxed);
    Ok(Value::NONE)
}

fn set_int_max_str_digits(t: &mut Thread, a: &[Value]) -> Res {
    let n = weft_stdlib::support::c_int(t, a[0])?;
    if n != 0 && n < 640 {
        return Err(t.value_error("maxdigits must be 0 or larger than 640"));
    }
    int::set_max_str_digits(n as usize);
    Ok(Value::NONE)
}

// --- coroutines and asynchronous generators ---

fn set_asyncgen_hooks(t: &mut Thread, a: &[Value]) -> Res {
    for (v, what) in [(a[1], "finalizer"), (a[0], "firstiter")] {
        if !v.is_null() && !v.is_none() && !proto::is_callable(v) {
            let got = type_of(v).name();
            return Err(t.type_error(format!("callable {what} expected, got {got}")));
        }
    }
    if !a[1].is_null() {
        hooks::audit(t, "sys.set_asyncgen_hooks_finalizer", &[])?;
        put(t, &t.vm().asyncgen_finalizer, a[1]);
    }
    if !a[0].is_null() {
        hooks::audit(t, "sys.set_asyncgen_hooks_firstiter", &[])?;
        put(t, &t.vm().asyncgen_firstiter, a[0]);
    }
    Ok(Value::NONE)
}

fn get_asyncgen_hooks(t: &mut Thread, _a: &[Value]) -> Res {
    let own = |v: Value| {
        if v.is_null() {
            Obj::from_raw(Value::NONE)
        } else {
            Obj::new(t, v)
        }
    };
    let hooks = vec![
        own(t.vm().asyncgen_firstiter.get()),
        own(t.vm().asyncgen_finalizer.get()),
    ];
    Ok(info::ASYNCGEN_HOOKS_DEF.make(t, hooks).into())
}

fn set_origin_depth(t: &mut Thread, a: &[Value]) -> Res {
    let depth = weft_stdlib::support::c_int(t, a[0])?;
    if depth < 0 {
        return Err(t.value_error("depth must be >= 0"));
    }
    t.vm().coroutine_origin_depth.set(i64::from(depth));
    Ok(Value::NONE)
}

// --- the standard streams ---

/// Makes `stdin`, `stdout` and `stderr` out of the module `_io`.
///
/// # Errors
/// What `_io` raises; a descriptor that is closed gives None.
pub fn open_streams(t: &mut Thread, c: &Config) -> Res<()> {
    for (fd, name) in [(0, "stdin"), (1, "stdout"), (2, "stderr")] {
        let stream = open_stream(t, c, fd, name)?;
        set(t, &format!("__{name}__"), &stream);
        set(t, name, &stream);
    }
    Ok(())
}

/// Sets a name of `sys`.
pub fn set(t: &Thread, name: &str, v: &Obj) {
    if let Some(d) = runtime::SYS.of(t).get().and_then(Dict::of) {
        d.set_str(t, weft_objects::names::get(t, name), v.value());
    }
}

fn open_stream(t: &mut Thread, c: &Config, fd: i32, name: &str) -> Res<Obj> {
    // SAFETY: asks only whether the descriptor is open.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Ok(Obj::from_raw(Value::NONE));
    }
    let io = runtime::import(t, "_io")?;
    let writing = fd != 0;
    let raw_mode = Str::intern(t, if writing { "wb" } else { "rb" });
    let buffering = if c.unbuffered && writing { 0 } else { -1 };
    let closefd = Tuple::from_vec(t, vec![Str::intern(t, "closefd")]);
    let args = [
        Value::int(i64::from(fd)),
        raw_mode.value(),
        Value::int(buffering),
        Value::FALSE,
    ];
    let open = proto::get_attr(t, io.value(), weft_objects::id!(t, "open"))?;
    let binary = proto::call_kw(t, open.value(), Args::new(&args, closefd.value()))?;
    let raw = match buffering {
        0 => binary.clone(),
        _ => proto::get_attr(t, binary.value(), weft_objects::id!(t, "raw"))?,
    };
    let shown = Str::new(t, &format!("<{name}>"));
    proto::set_attr(t, raw.value(), weft_objects::id!(t, "name"), shown.value())?;
    // SAFETY: asks only about the descriptor.
    let tty = unsafe { libc::isatty(fd) } == 1;
    let (encoding, how) = stream_encoding(c, fd);
    let (encoding, how) = (Str::intern(t, &encoding), Str::intern(t, &how));
    let newline = if writing {
        Str::intern(t, "\n")
    } else {
        Obj::from_raw(Value::NONE)
    };
    let line_buffering = Value::bool(fd == 2 || tty && buffering != 0);
    let write_through = Value::bool(buffering == 0);
    let wrapper = proto::get_attr(t, io.value(), weft_objects::id!(t, "TextIOWrapper"))?;
    let args = [
        binary.value(),
        encoding.value(),
        how.value(),
        newline.value(),
        line_buffering,
        write_through,
    ];
    let stream = proto::call(t, wrapper.value(), &args)?;
    let mode = Str::intern(t, if writing { "w" } else { "r" });
    proto::set_attr(
        t,
        stream.value(),
        weft_objects::id!(t, "mode"),
        mode.value(),
    )?;
    Ok(stream)
}

/// Encoding and error handler of a standard stream.
fn stream_encoding(c: &Config, fd: i32) -> (String, String) {
    let mut encoding = "utf-8".to_string();
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|v| std::env::var(v).ok().filter(|v| !v.is_empty()));
    let plain = matches!(locale.as_deref(), None | Some("C" | "POSIX"));
    let mut how = if plain || c.utf8_mode {
        "surrogateescape"
    } else {
        "strict"
    }
    .to_string();
    if let Some(given) = &c.io_encoding {
        let (e, h) = given.split_once(':').unwrap_or((given, ""));
        if !e.is_empty() {
            encoding = e.to_string();
            how = "strict".into();
        }
        if !h.is_empty() {
            how = h.to_string();
        }
    }
    if fd == 2 {
        how = "backslashreplace".into();
    }
    (encoding, how)
}

/// Flushes `stdout` and `stderr`; false if that failed for `stdout`.
pub fn flush_streams(t: &mut Thread) -> bool {
    let mut ok = true;
    for name in ["stdout", "stderr"] {
        let Some(s) = runtime::sys_attr(t, name).filter(|s| !s.value().is_none()) else {
            continue;
        };
        let closed = match proto::get_attr_opt(t, s.value(), weft_objects::id!(t, "closed")) {
            Ok(Some(c)) => proto::truth(t, c.value()).unwrap_or(false),
            _ => false,
        };
        t.clear_exc();
        if closed {
            continue;
        }
        if proto::call_method(t, s.value(), "flush", &[]).is_err() {
            if name == "stdout" {
                ok = false;
                runtime::unraisable(
                    t,
                    "Exception ignored while flushing sys.stdout",
                    Some(s.value()),
                );
            }
            t.clear_exc();
        }
    }
    ok
}

/// Text of a str object or bytes of the file system.
pub fn os_text(v: Value) -> Vec<u8> {
    match (Str::of(v), Bytes::of(v)) {
        (Some(s), _) => weft_stdlib::support::fs_encode(s.as_bytes()).unwrap_or_default(),
        (_, Some(b)) => b.as_slice().to_vec(),
        _ => Vec::new(),
    }
}
