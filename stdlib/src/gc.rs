//! `gc`: the collectors' controls, and looking at objects from outside.
//!
//! What hands out objects found in the heap leaves out those that are local to other threads: no other thread may hold them.

use crate::support::{self, add, add_ints, int_obj};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::*};
use weft_gc::{Flags, GcState, for_each_object, world};
use weft_objects::audit;
use weft_objects::frame::Frame;
use weft_objects::instance;
use weft_objects::int;
use weft_objects::interpreter::PerInterpreter;
use weft_objects::prelude::*;
use weft_objects::runtime::{self, Global};

static ENABLED: AtomicBool = AtomicBool::new(true);
const FIRST_THRESHOLD: i64 = 2000;
static THRESHOLDS: [AtomicI64; 3] = [
    AtomicI64::new(FIRST_THRESHOLD),
    AtomicI64::new(10),
    AtomicI64::new(0),
];
/// `DEBUG_SAVEALL`
const SAVE_ALL: i32 = 32;
static DEBUG: AtomicI64 = AtomicI64::new(0);
/// Collections that programs have asked for, by generation, and what they freed. All of them collect everything.
static COLLECTIONS: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];
static COLLECTED: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];
static CALLBACKS: PerInterpreter<Global> = PerInterpreter::new(Global::new(), Global::new);
static GARBAGE: PerInterpreter<Global> = PerInterpreter::new(Global::new(), Global::new);

fn update() {
    let n = THRESHOLDS[0].load(Relaxed);
    GcState::set_enabled(ENABLED.load(Relaxed) && n != 0);
    let exact = THRESHOLDS[1].load(Relaxed) == 0;
    GcState::set_pace((n != FIRST_THRESHOLD).then_some(n.max(1) as usize), exact);
}

/// Collects until finalizers leave no new garbage. Gives how many objects were freed.
pub fn collect_all(t: &mut Thread) -> usize {
    collect_as(t, 2)
}

fn collect_as(t: &mut Thread, generation: usize) -> usize {
    let mut found = 0;
    runtime::run_pending(t);
    // A finalizer may make new garbage with finalizers, for ever.
    for _ in 0..16 {
        let stats = weft_gc::collect(t);
        // What is finalized stays for now, or for good.
        found += stats.found.saturating_sub(stats.finalizers);
        runtime::run_pending(t);
        if stats.finalizers == 0 {
            break;
        }
    }
    weft_gc::wait_for_finalizers(t);
    COLLECTIONS[generation].fetch_add(1, Relaxed);
    COLLECTED[generation].fetch_add(found as u64, Relaxed);
    found
}

fn tell(t: &mut Thread, phase: &str, generation: i64, found: usize) {
    let Some(callbacks) = CALLBACKS.of(t).get().and_then(List::of) else {
        return;
    };
    if callbacks.is_empty() {
        return;
    }
    let info = Dict::new(t);
    let numbers = [
        ("generation", generation),
        ("collected", found as i64),
        ("uncollectable", 0),
    ];
    for (name, n) in numbers {
        Dict::of_obj(&info).set_str(t, weft_objects::names::get(t, name), Value::int(n));
    }
    let phase = Str::intern(t, phase);
    for f in callbacks.to_vec(t) {
        if proto::call(t, f.value(), &[phase.value(), info.value()]).is_err() {
            runtime::unraisable(
                t,
                "Exception ignored while calling GC callback",
                Some(f.value()),
            );
        }
    }
}

/// With `DEBUG_SAVEALL`: puts into `gc.garbage` what has been found since the last time.
fn show_saved(t: &mut Thread) {
    let saved = weft_gc::take_saved(t);
    if saved.is_empty() {
        return;
    }
    if let Some(garbage) = GARBAGE.of(t).get().and_then(List::of) {
        saved.iter().for_each(|o| garbage.push(t, o.value()));
    }
}

fn collect(t: &mut Thread, a: &[Value]) -> Res {
    let generation = support::c_int_or(t, a[0], 2)? as i64;
    if !(0..=2).contains(&generation) {
        return Err(t.value_error("invalid generation"));
    }
    tell(t, "start", generation, 0);
    let found = collect_as(t, generation as usize);
    show_saved(t);
    tell(t, "stop", generation, found);
    Ok(int::from_usize(t, found))
}

fn set_threshold(t: &mut Thread, a: &[Value]) -> Res {
    for (place, v) in THRESHOLDS.iter().zip(a) {
        if !v.is_null() {
            let n = support::c_int(t, *v)?;
            place.store(n.into(), Relaxed);
        }
    }
    update();
    weft_gc::apply_pace(t);
    Ok(Value::NONE)
}

fn three(t: &Thread, n: [i64; 3]) -> Value {
    let items = n.iter().map(|n| int_obj(t, *n)).collect();
    Tuple::from_vec(t, items).into()
}

/// The tags of the other threads.
fn other_tags(t: &Thread) -> Vec<u16> {
    let mine = t.tag();
    world()
        .peers()
        .iter()
        .map(|p| p.tag())
        .filter(|tag| *tag != mine)
        .collect()
}

/// Whether this thread may be given the object.
fn may_show(h: &Header, others: &[u16]) -> bool {
    !h.has_flag(Flags::DYING) && (cfg!(feature = "gil") || !others.contains(&h.owner.load(Relaxed)))
}

/// Frees shared objects that nothing refers to any more, and that only wait for that to be certain: they are not to be found.
fn bury(t: &mut Thread) {
    if weft_gc::multithreaded() {
        t.settle(true);
        runtime::run_pending(t);
    }
}

fn get_objects(t: &mut Thread, a: &[Value]) -> Res {
    let asked = if a[0].is_null() { Value::NONE } else { a[0] };
    audit::tell(t, "gc.get_objects", &[asked])?;
    if let Some(generation) = support::given_some(t, a[0]) {
        let n = proto::index_i64(t, generation.value())?;
        if n < 0 {
            return Err(t.value_error("generation parameter cannot be negative"));
        }
        if n > 2 {
            return Err(t.value_error(
                "generation parameter must be less than the number of available generations (3)",
            ));
        }
    }
    bury(t);
    let others = other_tags(t);
    let mut found = Vec::new();
    for_each_object(t, &mut |h| {
        if may_show(h, &others) {
            found.push(Obj::from(h.value()));
        }
    });
    Ok(List::from_vec(t, found).into())
}

/// Calls `f` with each word that the object holds. Nobody may change it meanwhile.
fn traverse(h: &Header, f: &mut dyn FnMut(Value)) {
    if let Some(traverse) = h.ty().traverse {
        // SAFETY: an object of that type, with the world stopped.
        unsafe { traverse(h, f) };
    }
    instance::each_small(h, f);
}

fn get_referrers(t: &mut Thread, a: &[Value]) -> Res {
    audit::tell(t, "gc.get_referrers", &[a[0]])?;
    let targets: Vec<u64> = Tuple::of(a[0]).map_or_else(Vec::new, |x| {
        x.values().iter().map(|v| v.bare().0).collect()
    });
    bury(t);
    let others = other_tags(t);
    let (mut found, own_args) = (Vec::new(), a[0].bare());
    for_each_object(t, &mut |h| {
        if !may_show(h, &others) || h.value() == own_args {
            return;
        }
        let mut refers = targets.contains(&weft_objects::types::type_of(h.value()).value().0)
            && weft_objects::types::type_of(h.value()).is_heap();
        traverse(h, &mut |v| refers |= targets.contains(&v.0));
        if refers {
            found.push(Obj::from(h.value()));
        }
    });
    let refers = |v: Value| v.is_ptr() && targets.contains(&v.bare().0);
    for g in running_generators(t, refers) {
        if !found.iter().any(|o| o.value().same(g.value())) {
            found.push(g);
        }
    }
    Ok(List::from_vec(t, found).into())
}

/// The generators that this thread is running and one of whose variables, which lie on its stack meanwhile, is as wanted.
fn running_generators(t: &Thread, wanted: impl Fn(Value) -> bool) -> Vec<Obj> {
    let vm = t.vm();
    let (mut f, mut found) = (vm.frame_top(), Vec::new());
    while f > vm.frames_base() {
        f = f.wrapping_sub(1);
        // SAFETY: a running frame of this thread; its variables are the first of its registers.
        unsafe {
            let g = (*f).generator;
            if g.is_null() || (*f).flags & Frame::DELEGATING != 0 {
                continue;
            }
            let variables = std::slice::from_raw_parts((*f).base, (*(*f).code).nlocals as usize);
            if variables.iter().any(|v| wanted(*v)) {
                found.push(Obj::new(t, g));
            }
        }
    }
    found
}

/// Words that stand for Python objects.
fn is_object(v: Value) -> bool {
    v.is_ptr()
        || v.is_int()
        || v.is_float()
        || v.is_bool()
        || v.is_none()
        || v == Value::NOT_IMPLEMENTED
        || v == Value::ELLIPSIS
}

fn get_referents(t: &mut Thread, a: &[Value]) -> Res {
    audit::tell(t, "gc.get_referents", &[a[0]])?;
    let mut found = Vec::new();
    let objects = Tuple::of(a[0]).map_or_else(Vec::new, |x| x.to_vec(t));
    let me = t.peer().clone();
    world().stop(&me, |_| {
        for o in objects.iter().filter(|o| o.value().is_ptr()) {
            traverse(o.header(), &mut |v| {
                if is_object(v) {
                    found.push(Obj::from(v));
                }
            });
            let ty = type_of(o.value());
            if ty.is_heap() {
                found.push(Obj::from(ty.value()));
            }
        }
    });
    Ok(List::from_vec(t, found).into())
}

fn header_of<'a>(v: Value) -> Option<&'a Header> {
    // SAFETY: an argument, which the caller holds.
    v.is_ptr().then(|| unsafe { v.header() })
}

fn freeze(t: &mut Thread, on: bool) {
    for_each_object(t, &mut |h| {
        if on {
            h.set_flag(Flags::FROZEN)
        } else {
            h.clear_flag(Flags::FROZEN)
        }
    });
}

fn get_freeze_count(t: &mut Thread, _a: &[Value]) -> Res {
    let mut n = 0;
    for_each_object(t, &mut |h| n += usize::from(h.has_flag(Flags::FROZEN)));
    Ok(int::from_usize(t, n))
}

fn get_stats(t: &mut Thread, _a: &[Value]) -> Res {
    let mut all = Vec::new();
    for generation in 0..3 {
        let d = Dict::new(t);
        let n = COLLECTIONS[generation].load(Relaxed);
        let found = COLLECTED[generation].load(Relaxed);
        for (name, n) in [
            ("collections", n),
            ("collected", found),
            ("uncollectable", 0),
        ] {
            let n = Obj::own(int::from_u64(t, n));
            Dict::of_obj(&d).set_str(t, weft_objects::names::get(t, name), n.value());
        }
        all.push(d);
    }
    Ok(List::from_vec(t, all).into())
}

fn set_debug(t: &mut Thread, a: &[Value]) -> Res {
    let flags = support::c_int(t, a[0])?;
    DEBUG.store(flags.into(), Relaxed);
    GcState::set_save_all(flags & SAVE_ALL != 0);
    Ok(Value::NONE)
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("collect", "(generation=2)", collect).doc("Run the garbage collector."),
    NativeDef::new("enable", "()", |_, _| {
        ENABLED.store(true, Relaxed);
        update();
        Ok(Value::NONE)
    }),
    NativeDef::new("disable", "()", |_, _| {
        ENABLED.store(false, Relaxed);
        update();
        Ok(Value::NONE)
    }),
    NativeDef::new("isenabled", "()", |_, _| {
        Ok(Value::bool(ENABLED.load(Relaxed)))
    }),
    NativeDef::new("get_threshold", "()", |t, _| {
        Ok(three(t, [0, 1, 2].map(|i| THRESHOLDS[i].load(Relaxed))))
    }),
    NativeDef::new(
        "set_threshold",
        "(threshold0, threshold1=10, threshold2=0, /)",
        set_threshold,
    ),
    NativeDef::new("get_count", "()", |t, _| Ok(three(t, [0, 0, 0])))
        .doc("Collections are timed by bytes, not by counts of objects: always zero."),
    NativeDef::new("get_debug", "()", |t, _| {
        Ok(int::from_i64(t, DEBUG.load(Relaxed)))
    }),
    NativeDef::new("set_debug", "(flags, /)", set_debug),
    NativeDef::new("get_objects", "(generation=None)", get_objects),
    NativeDef::new("get_referrers", "(*objs)", get_referrers),
    NativeDef::new("get_referents", "(*objs)", get_referents),
    NativeDef::new("is_tracked", "(obj, /)", |_, a| {
        Ok(Value::bool(header_of(a[0]).is_some_and(|h| {
            // Built-in types lie in the program: no collector looks at them. It does look at the classes of instances without fields.
            match Type::of(a[0]) {
                Some(ty) => ty.is_heap(),
                None => h.is_container() || type_of(a[0]).is_heap(),
            }
        })))
    }),
    NativeDef::new("is_finalized", "(obj, /)", |_, a| {
        Ok(Value::bool(
            header_of(a[0]).is_some_and(|h| h.has_flag(Flags::FINALIZED)),
        ))
    }),
    NativeDef::new("freeze", "()", |t, _| {
        freeze(t, true);
        Ok(Value::NONE)
    }),
    NativeDef::new("unfreeze", "()", |t, _| {
        freeze(t, false);
        Ok(Value::NONE)
    }),
    NativeDef::new("get_freeze_count", "()", get_freeze_count),
    NativeDef::new("get_stats", "()", get_stats),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(
        t,
        "gc",
        "This module provides access to the garbage collector.",
        FUNCTIONS,
    );
    add_ints(
        t,
        &m,
        &[
            ("DEBUG_STATS", 1),
            ("DEBUG_COLLECTABLE", 2),
            ("DEBUG_UNCOLLECTABLE", 4),
            ("DEBUG_SAVEALL", SAVE_ALL.into()),
            ("DEBUG_LEAK", 38),
        ],
    );
    let callbacks = List::new(t);
    CALLBACKS.of(t).set(t, callbacks.clone());
    add(t, &m, "callbacks", callbacks);
    let garbage = List::new(t);
    GARBAGE.of(t).set(t, garbage.clone());
    add(t, &m, "garbage", garbage);
    Ok(m)
}
