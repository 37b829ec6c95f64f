//! What asynchronous iteration is made of: the awaitables of asynchronous generators (PEP 525), of `anext` with a default, and the
//! steps of `await` and `async for` that find an awaitable.

use crate::cell::{fresh, own};
use crate::gc_slots;
use crate::generator::{
    ASYNC_GENERATOR, COROUTINE, FINISHED, GENERATOR, Generator, Outcome, RUNNING, Resume,
    SUSPENDED, resume, state_of, thrown,
};
use crate::prelude::*;
use std::sync::atomic::{AtomicU8, Ordering::*};

// States of an awaitable.
const INIT: u8 = 0;
const ITER: u8 = 1;
const CLOSED: u8 = 2;

/// A value yielded by an asynchronous generator, as against one that it passes on from what it awaits.
#[repr(C)]
struct Wrapped {
    header: Header,
    value: Slot,
}

/// `asend()` and `__anext__()`; `athrow()` and `aclose()`.
#[repr(C)]
struct Step {
    header: Header,
    agen: Slot,
    /// What is sent; for `athrow` a tuple of its arguments, NULL for `aclose`.
    value: Slot,
    state: AtomicU8,
}

/// `anext(iterator, default)`.
#[repr(C)]
struct AnextDefault {
    header: Header,
    awaitable: Slot,
    default: Slot,
    /// The awaitable's iterator, once it has been asked for.
    iter: Slot,
}

gc_slots!(Wrapped, traverse_wrapped, clear_wrapped, value);
gc_slots!(Step, traverse_step, clear_step, agen, value);
gc_slots!(
    AnextDefault,
    traverse_default,
    clear_default,
    awaitable,
    default,
    iter
);

/// Wraps a value that an asynchronous generator yields.
pub fn wrap(t: &mut Thread, v: Value) -> Res {
    // SAFETY: the layout of wrapped values.
    let (o, w) = unsafe { fresh::<Wrapped>(t, &ASYNC_GEN_WRAPPED_VALUE) };
    w.value.init(t, &w.header, Obj::new(t, v).into_value());
    Ok(o.into())
}

/// `async_generator_wrapped_value`
pub static ASYNC_GEN_WRAPPED_VALUE: Type = Type::builtin(
    "async_generator_wrapped_value",
    size_of::<Wrapped>(),
    &Spec::EMPTY,
)
.gc(traverse_wrapped, clear_wrapped)
.final_()
.no_new();

fn step<'a>(v: Value) -> &'a Step {
    // SAFETY: called with objects of the two awaitable types, which share the layout.
    unsafe { &*(v.ptr() as *const Step) }
}

impl Step {
    fn state(&self) -> u8 {
        self.state.load(Relaxed)
    }
    fn set_state(&self, s: u8) {
        self.state.store(s, Relaxed);
    }
    /// The generator, held.
    fn generator(&self, t: &Thread) -> Obj {
        Obj::new(t, self.agen.get())
    }
}

fn generator_of(o: &Obj) -> &Generator {
    // SAFETY: `Step::agen` is an asynchronous generator, and the handle keeps it.
    unsafe { &*(o.value().ptr() as *const Generator) }
}

fn new_step(t: &mut Thread, ty: &'static Type, g: Value, value: Value) -> Res {
    init_hooks(t, g)?;
    // SAFETY: the layout of both awaitable types.
    let (o, s) = unsafe { fresh::<Step>(t, ty) };
    s.agen.init(t, &s.header, Obj::new(t, g).into_value());
    if !value.is_null() {
        s.value.init(t, &s.header, Obj::new(t, value).into_value());
    }
    Ok(o.into())
}

/// At first use of an asynchronous generator: the hooks of `sys.set_asyncgen_hooks`.
#[inline]
fn init_hooks(t: &mut Thread, v: Value) -> Res<()> {
    match Generator::of(v) {
        Some(g) if !g.hooks_inited.load(Relaxed) => first_hooks(t, v, g),
        _ => Ok(()),
    }
}

#[cold]
fn first_hooks(t: &mut Thread, v: Value, g: &Generator) -> Res<()> {
    if g.hooks_inited.swap(true, Relaxed) {
        return Ok(());
    }
    let finalizer = t.vm().asyncgen_finalizer.get();
    if !finalizer.is_null() && !finalizer.is_none() {
        g.finalizer
            .set(t, &g.header, Obj::new(t, finalizer).into_value());
    }
    let first = t.vm().asyncgen_firstiter.get();
    if !first.is_null() && !first.is_none() {
        let first = Obj::new(t, first);
        proto::call(t, first.value(), &[v])?;
    }
    Ok(())
}

/// `agen.__anext__()`
pub fn anext(t: &mut Thread, g: Value) -> Res {
    new_step(t, &ASYNC_GEN_ASEND, g, Value::NONE)
}

/// `agen.asend(value)`
pub fn asend(t: &mut Thread, g: Value, value: Value) -> Res {
    new_step(t, &ASYNC_GEN_ASEND, g, value)
}

/// `agen.athrow(typ, val, tb)`: the generator and up to three arguments.
pub fn athrow(t: &mut Thread, a: &[Value]) -> Res {
    if a[1..].iter().skip(1).any(|v| !v.is_null()) {
        let msg = "the (type, exc, tb) signature of athrow() is deprecated, use the single-arg signature instead.";
        errors::warn::deprecated(t, msg)?;
    }
    let given: Vec<Value> = a[1..]
        .iter()
        .map(|v| if v.is_null() { Value::NONE } else { *v })
        .collect();
    let args = Tuple::from_slice(t, &given);
    new_step(t, &ASYNC_GEN_ATHROW, a[0], args.value())
}

/// `agen.aclose()`
pub fn aclose(t: &mut Thread, g: Value) -> Res {
    new_step(t, &ASYNC_GEN_ATHROW, g, Value::NULL)
}

/// What the generator has done, as its awaitable passes it on: a value that it yields itself ends the awaiting.
fn unwrap(t: &mut Thread, g: &Generator, r: Res<Outcome>) -> Res<Outcome> {
    let r = match r {
        Ok(Outcome::Returned(r)) => {
            drop(Obj::own(r));
            Err(t.raise_args(&errors::STOP_ASYNC_ITERATION, Vec::new()))
        }
        r => r,
    };
    match r {
        Ok(Outcome::Yielded(v)) => {
            match crate::cast_exact::<Wrapped>(v, &ASYNC_GEN_WRAPPED_VALUE) {
                Some(w) => {
                    let held = Obj::own(v);
                    let value = to_reg(t, w.value.get());
                    drop(held);
                    g.async_running.store(false, Release);
                    Ok(Outcome::Returned(value))
                }
                None => Ok(Outcome::Yielded(v)),
            }
        }
        r => {
            if t.exc_matches(&errors::STOP_ASYNC_ITERATION)
                || t.exc_matches(&errors::GENERATOR_EXIT)
            {
                g.closed.store(true, Relaxed);
            }
            at_rest(g);
            r
        }
    }
}

/// An awaitable's work has ended. Unless it was refused because another thread runs the generator: whose that is says so.
fn at_rest(g: &Generator) {
    if g.state.load(Acquire) != RUNNING {
        g.async_running.store(false, Release);
    }
}

/// Before the first step: this awaitable is the one that runs the generator from here on, and there is no other one.
fn start(t: &Thread, s: &Step, g: &Generator, what: &str) -> Res<()> {
    if g.async_running.swap(true, Acquire) {
        s.set_state(CLOSED);
        return Err(t.runtime_error(format!(
            "{what}(): asynchronous generator is already running"
        )));
    }
    Ok(())
}

fn asend_send(t: &mut Thread, v: Value, arg: Value) -> Res<Outcome> {
    let s = step(v);
    let go = s.generator(t);
    let g = generator_of(&go);
    let mut arg = Obj::new(t, arg);
    match s.state() {
        CLOSED => return Err(t.runtime_error("cannot reuse already awaited __anext__()/asend()")),
        INIT => {
            start(t, s, g, "anext")?;
            if arg.value().is_none() {
                arg = Obj::new(t, s.value.get());
            }
            s.set_state(ITER);
        }
        _ => g.async_running.store(true, Relaxed),
    }
    let r = resume(t, go.value(), Resume::Send(arg.into_value()));
    let r = unwrap(t, g, r);
    if !matches!(r, Ok(Outcome::Yielded(_))) {
        s.set_state(CLOSED);
    }
    r
}

/// The generator that a send of None into the awaitable of `asend` or `__anext__` goes on with, and what that sends to it. `None`: it is
/// another awaitable, or its turn is not that simple.
#[inline(always)]
pub fn asend_target(t: &Thread, v: Value) -> Option<(Value, Value)> {
    if !v.is_ptr() || !type_of(v).is(&ASYNC_GEN_ASEND) {
        return None;
    }
    let s = step(v);
    let g = s.agen.get();
    if !s.header.is_local(t) || g.is_null() {
        return None;
    }
    // SAFETY: `Step::agen` is an asynchronous generator, and the awaitable keeps it.
    let busy = unsafe { &*(g.ptr() as *const Generator) }
        .async_running
        .load(Relaxed);
    match s.state() {
        INIT if !busy => Some((g, s.value.get())),
        ITER => Some((g, Value::NONE)),
        _ => None,
    }
}

/// The generator of [`asend_target`] has been entered for the awaitable.
#[inline(always)]
pub fn asend_entered(v: Value) {
    let s = step(v);
    s.set_state(ITER);
    // SAFETY: as in `asend_target`.
    let g = unsafe { &*(s.agen.get().ptr() as *const Generator) };
    g.async_running.store(true, Relaxed);
}

/// The generator has yielded a value itself: the awaiting is over.
#[inline(always)]
pub fn asend_yielded(v: Value, g: &Generator) {
    step(v).set_state(CLOSED);
    g.async_running.store(false, Release);
}

/// The generator, which has been entered for the awaitable, has returned, or ended by the pending exception, which then is raised where it
/// is awaited. Gives that exception's mark.
pub fn asend_ended(t: &mut Thread, v: Value, g: &Generator, returned: bool) -> Raised {
    step(v).set_state(CLOSED);
    let raised = match returned {
        true => t.raise_args(&errors::STOP_ASYNC_ITERATION, Vec::new()),
        false => Raised::new_unchecked(),
    };
    if t.exc_matches(&errors::STOP_ASYNC_ITERATION) || t.exc_matches(&errors::GENERATOR_EXIT) {
        g.closed.store(true, Relaxed);
    }
    at_rest(g);
    raised
}

fn asend_throw(t: &mut Thread, v: Value, exc: Obj) -> Res<Outcome> {
    let s = step(v);
    let go = s.generator(t);
    let g = generator_of(&go);
    match s.state() {
        CLOSED => return Err(t.runtime_error("cannot reuse already awaited __anext__()/asend()")),
        INIT => {
            start(t, s, g, "anext")?;
            s.set_state(ITER);
        }
        _ => {}
    }
    let r = resume(t, go.value(), Resume::Throw(exc));
    let r = unwrap(t, g, r);
    if !matches!(r, Ok(Outcome::Yielded(_))) {
        s.set_state(CLOSED);
    }
    r
}

/// The end of a step of `athrow` or `aclose`.
fn athrow_end(t: &mut Thread, s: &Step, g: &Generator, r: Res<Outcome>) -> Res<Outcome> {
    if !s.value.get().is_null() {
        let r = unwrap(t, g, r);
        if !matches!(r, Ok(Outcome::Yielded(_))) {
            s.set_state(CLOSED);
        }
        return r;
    }
    match r {
        Ok(Outcome::Yielded(v))
            if crate::cast_exact::<Wrapped>(v, &ASYNC_GEN_WRAPPED_VALUE).is_some() =>
        {
            drop(Obj::own(v));
            g.async_running.store(false, Release);
            s.set_state(CLOSED);
            Err(t.runtime_error("async generator ignored GeneratorExit"))
        }
        Ok(Outcome::Yielded(v)) => Ok(Outcome::Yielded(v)),
        Ok(Outcome::Returned(r)) => {
            drop(Obj::own(r));
            g.async_running.store(false, Release);
            s.set_state(CLOSED);
            Ok(Outcome::Returned(Value::NONE))
        }
        Err(e) => {
            at_rest(g);
            s.set_state(CLOSED);
            if t.exc_matches(&errors::STOP_ASYNC_ITERATION)
                || t.exc_matches(&errors::GENERATOR_EXIT)
            {
                t.clear_exc();
                return Ok(Outcome::Returned(Value::NONE));
            }
            Err(e)
        }
    }
}

fn athrow_send(t: &mut Thread, v: Value, arg: Value) -> Res<Outcome> {
    let s = step(v);
    let go = s.generator(t);
    let g = generator_of(&go);
    if s.state() == CLOSED {
        return Err(t.runtime_error("cannot reuse already awaited aclose()/athrow()"));
    }
    if g.state.load(Acquire) == FINISHED {
        s.set_state(CLOSED);
        return Ok(Outcome::Returned(Value::NONE));
    }
    if s.state() == ITER {
        let arg = Obj::new(t, arg).into_value();
        let r = resume(t, go.value(), Resume::Send(arg));
        return athrow_end(t, s, g, r);
    }
    let closing = s.value.get().is_null();
    start(t, s, g, if closing { "aclose" } else { "athrow" })?;
    if g.closed.load(Relaxed) {
        g.async_running.store(false, Release);
        s.set_state(CLOSED);
        return Err(t.raise_args(&errors::STOP_ASYNC_ITERATION, Vec::new()));
    }
    if !arg.is_none() {
        g.async_running.store(false, Release);
        return Err(t.runtime_error("can't send non-None value to a just-started coroutine"));
    }
    s.set_state(ITER);
    let exc = if closing {
        g.closed.store(true, Relaxed);
        Ok(errors::new_exception(
            t,
            &errors::GENERATOR_EXIT,
            Vec::new(),
        ))
    } else {
        let args = Obj::new(t, s.value.get());
        match Tuple::exact(args.value()) {
            Some(a) => thrown(t, a.values()),
            None => Ok(errors::new_exception(
                t,
                &errors::GENERATOR_EXIT,
                Vec::new(),
            )),
        }
    };
    let r = exc.and_then(|exc| resume(t, go.value(), Resume::Throw(exc)));
    athrow_end(t, s, g, r)
}

fn athrow_throw(t: &mut Thread, v: Value, exc: Obj) -> Res<Outcome> {
    let s = step(v);
    let go = s.generator(t);
    let g = generator_of(&go);
    match s.state() {
        CLOSED => return Err(t.runtime_error("cannot reuse already awaited aclose()/athrow()")),
        INIT => {
            start(
                t,
                s,
                g,
                if s.value.get().is_null() {
                    "aclose"
                } else {
                    "athrow"
                },
            )?;
            s.set_state(ITER);
        }
        _ => {}
    }
    let r = resume(t, go.value(), Resume::Throw(exc));
    athrow_end(t, s, g, r)
}

/// Sends into one of the awaitables of this file. Both words are borrowed.
fn step_any(t: &mut Thread, v: Value, arg: Value) -> Res<Outcome> {
    if type_of(v).is(&ASYNC_GEN_ASEND) {
        asend_send(t, v, arg)
    } else {
        athrow_send(t, v, arg)
    }
}

fn throw_awaitable(t: &mut Thread, v: Value, exc: Obj) -> Res<Outcome> {
    if type_of(v).is(&ASYNC_GEN_ASEND) {
        asend_throw(t, v, exc)
    } else {
        athrow_throw(t, v, exc)
    }
}

fn outcome(t: &mut Thread, o: Outcome) -> Res {
    match o {
        Outcome::Yielded(v) => Ok(v),
        Outcome::Returned(r) => {
            let r = Obj::own(r);
            Err(t.stop_iteration((!r.value().is_none()).then_some(r)))
        }
    }
}

fn step_next(t: &mut Thread, v: Value) -> Res {
    match step_any(t, v, Value::NONE)? {
        Outcome::Returned(r) if r.is_none() => Ok(Value::NULL),
        o => outcome(t, o),
    }
}

fn step_send(t: &mut Thread, a: &[Value]) -> Res {
    let o = step_any(t, a[0], a[1])?;
    outcome(t, o)
}

fn step_throw(t: &mut Thread, a: &[Value]) -> Res {
    let exc = thrown(t, &a[1..])?;
    let o = throw_awaitable(t, a[0], exc)?;
    outcome(t, o)
}

fn step_close(t: &mut Thread, a: &[Value]) -> Res {
    if step(a[0]).state() == CLOSED {
        return Ok(Value::NONE);
    }
    let exit = errors::new_exception(t, &errors::GENERATOR_EXIT, Vec::new());
    match throw_awaitable(t, a[0], exit) {
        Ok(Outcome::Yielded(v)) => {
            drop(Obj::own(v));
            Err(t.runtime_error("coroutine ignored GeneratorExit"))
        }
        Ok(Outcome::Returned(v)) => {
            drop(Obj::own(v));
            Ok(Value::NONE)
        }
        Err(e) => {
            if t.exc_matches(&errors::STOP_ASYNC_ITERATION)
                || t.exc_matches(&errors::GENERATOR_EXIT)
                || t.exc_matches(&errors::STOP_ITERATION)
            {
                t.clear_exc();
                return Ok(Value::NONE);
            }
            Err(e)
        }
    }
}

/// One that was never awaited says so when it dies.
unsafe fn never_awaited(h: *const Header) -> bool {
    // SAFETY: an awaitable of this file.
    unsafe { (*(h as *const Step)).state() == INIT }
}

fn step_finalize(t: &mut Thread, v: Value) -> Res<()> {
    let s = step(v);
    if s.state() != INIT || s.agen.get().is_null() {
        return Ok(());
    }
    let method = match (type_of(v).is(&ASYNC_GEN_ASEND), s.value.get().is_null()) {
        (true, _) => "asend",
        (false, false) => "athrow",
        (false, true) => "aclose",
    };
    let go = s.generator(t);
    let name = proto::repr(t, generator_of(&go).qualname.get())?;
    let name = Str::of(name.value()).map_or_else(String::new, |n| n.to_string_lossy());
    errors::warn::warn(
        t,
        &errors::RUNTIME_WARNING,
        &format!("coroutine method '{method}' of {name} was never awaited"),
    )
}

const STEP: Spec = Spec {
    iter: Some(|t, v| Ok(to_reg(t, v.bare()))),
    await_: Some(|t, v| Ok(to_reg(t, v.bare()))),
    iter_next: Some(step_next),
    send: Some(step_any),
    finalize: Some(step_finalize),
    methods: &[
        NativeDef::new("send", "($self, object, /)", step_send),
        NativeDef::new("throw", "($self, typ, val=None, tb=None, /)", step_throw),
        NativeDef::new("close", "($self, /)", step_close),
    ],
    ..Spec::EMPTY
};

/// `async_generator_asend`
pub static ASYNC_GEN_ASEND: Type = Type::builtin("async_generator_asend", size_of::<Step>(), &STEP)
    .gc(traverse_step, clear_step)
    .finalizer(never_awaited)
    .final_()
    .no_new();

/// `async_generator_athrow`
pub static ASYNC_GEN_ATHROW: Type =
    Type::builtin("async_generator_athrow", size_of::<Step>(), &STEP)
        .gc(traverse_step, clear_step)
        .finalizer(never_awaited)
        .final_()
        .no_new();

// --- what `await` and `async for` start with ---

const ITERABLE_COROUTINE: u32 = 0x100;

fn is_coroutine(v: Value) -> bool {
    v.is_ptr()
        && (type_of(v).is(&COROUTINE)
            || type_of(v).is(&GENERATOR)
                && Generator::of(v).is_some_and(|g| g.code().flags & ITERABLE_COROUTINE != 0))
}

/// The iterator that `await v` sends into. `kind`: 1 if `v` comes from `__aenter__`, 2 from `__aexit__`.
///
/// # Errors
/// TypeError if `v` cannot be awaited; RuntimeError for a coroutine that is awaited already.
pub fn get_awaitable(t: &mut Thread, v: Value, kind: u8) -> Res {
    if is_coroutine(v) {
        let suspended = Generator::of(v).is_some_and(|g| state_of(t, g) == SUSPENDED);
        if suspended && type_of(v).is(&COROUTINE) {
            let inner = Obj::own(crate::runtime::yield_from(t, v)?);
            if !inner.value().is_none() {
                return Err(t.runtime_error("coroutine is being awaited already"));
            }
        }
        return Ok(to_reg(t, v.bare()));
    }
    let Some(f) = type_of(v).slots.await_.get() else {
        return Err(not_awaitable(t, v, kind));
    };
    let it = Obj::own(f(t, v)?);
    if is_coroutine(it.value()) {
        return Err(t.type_error("__await__() returned a coroutine".into()));
    }
    if !type_of(it.value()).slots.iter_next.is_set() {
        let got = type_of(it.value()).name();
        return Err(t.type_error(format!("__await__() returned non-iterator of type '{got}'")));
    }
    Ok(it.into())
}

#[cold]
fn not_awaitable(t: &Thread, v: Value, kind: u8) -> Raised {
    let got = type_of(v).name();
    t.type_error(match kind {
        1 => format!("'async with' received an object from __aenter__ that does not implement __await__: {got}"),
        2 => format!("'async with' received an object from __aexit__ that does not implement __await__: {got}"),
        _ => format!("'{got}' object can't be awaited"),
    })
}

/// The asynchronous iterator of `async for x in v`.
///
/// # Errors
/// TypeError if `v` has no `__aiter__`, or that gives something without `__anext__`.
pub fn get_aiter(t: &mut Thread, v: Value) -> Res {
    let Some(f) = type_of(v).slots.aiter.get() else {
        let got = type_of(v).name();
        return Err(t.type_error(format!(
            "'async for' requires an object with __aiter__ method, got {got}"
        )));
    };
    let it = Obj::own(f(t, v)?);
    if !type_of(it.value()).slots.anext.is_set() {
        let got = type_of(it.value()).name();
        let msg = format!(
            "'async for' received an object from __aiter__ that does not implement __anext__: {got}"
        );
        return Err(t.type_error(msg));
    }
    Ok(it.into())
}

/// The iterator to send into for the next item of the asynchronous iterator `v`.
///
/// # Errors
/// TypeError if `v` has no `__anext__`, or that gives something that cannot be awaited.
pub fn get_anext(t: &mut Thread, v: Value) -> Res {
    let Some(f) = type_of(v).slots.anext.get() else {
        let got = type_of(v).name();
        return Err(t.type_error(format!(
            "'async for' requires an iterator with __anext__ method, got {got}"
        )));
    };
    let next = f(t, v)?;
    if type_of(v).is(&ASYNC_GENERATOR) {
        return Ok(next);
    }
    let next = Obj::own(next);
    match get_awaitable(t, next.value(), 0) {
        Ok(it) => Ok(it),
        Err(_) => {
            let got = type_of(next.value()).name();
            let msg = format!("'async for' received an invalid object from __anext__: {got}");
            Err(raise_from(t, &errors::TYPE_ERROR, msg))
        }
    }
}

/// Raises an exception whose cause is the pending one.
#[cold]
fn raise_from(t: &Thread, ty: &'static Type, msg: String) -> Raised {
    let cause = t.take_exc();
    let msg = Str::from_string(t, msg);
    let e = errors::new_exception(t, ty, vec![msg]);
    if let Some(x) = errors::Exception::of(e.value()) {
        x.set_cause(t, cause.clone());
        x.set_context(t, cause);
    }
    t.set_exc(e)
}

// --- anext() ---

/// The builtin `anext(iterator, default)`; `default` is NULL if not given.
///
/// # Errors
/// TypeError if it is no asynchronous iterator; what `__anext__` raises.
pub fn builtin_anext(t: &mut Thread, it: Value, default: Value) -> Res {
    let Some(f) = type_of(it).slots.anext.get() else {
        let got = type_of(it).name();
        return Err(t.type_error(format!("'{got}' object is not an async iterator")));
    };
    let awaitable = f(t, it)?;
    if default.is_null() {
        return Ok(awaitable);
    }
    let awaitable = Obj::own(awaitable);
    // SAFETY: the layout of these objects.
    let (o, a) = unsafe { fresh::<AnextDefault>(t, &ANEXT_AWAITABLE) };
    a.awaitable.init(t, &a.header, awaitable.into_value());
    a.default
        .init(t, &a.header, Obj::new(t, default).into_value());
    Ok(o.into())
}

fn default_of<'a>(v: Value) -> &'a AnextDefault {
    // SAFETY: called with objects of ANEXT_AWAITABLE alone.
    unsafe { &*(v.ptr() as *const AnextDefault) }
}

/// The iterator of what is wrapped; asked for once.
fn inner(t: &mut Thread, v: Value) -> Res<Obj> {
    let a = default_of(v);
    if let Some(it) = own(t, &a.iter) {
        return Ok(it);
    }
    let awaitable = Obj::new(t, a.awaitable.get());
    let mut it = Obj::own(get_awaitable(t, awaitable.value(), 0)?);
    if !type_of(it.value()).slots.iter_next.is_set()
        && let Some(f) = type_of(it.value()).slots.await_.get()
    {
        it = Obj::own(f(t, it.value())?);
    }
    if !type_of(it.value()).slots.iter_next.is_set() {
        return Err(t.type_error("__await__ must return an iterable".into()));
    }
    a.iter.set(t, &a.header, it.clone().into_value());
    Ok(it)
}

/// The end of the iteration becomes the default.
fn with_default(t: &mut Thread, v: Value, r: Res) -> Res {
    if r.is_err() && t.exc_matches(&errors::STOP_ASYNC_ITERATION) {
        t.clear_exc();
        let default = Obj::new(t, default_of(v).default.get());
        return Err(t.stop_iteration(Some(default)));
    }
    r
}

fn default_next(t: &mut Thread, v: Value) -> Res {
    let it = inner(t, v)?;
    let r = match type_of(it.value()).slots.iter_next.get() {
        Some(f) => f(t, it.value()),
        None => Ok(Value::NULL),
    };
    with_default(t, v, r)
}

fn default_call(t: &mut Thread, a: &[Value], name: &str) -> Res {
    let it = inner(t, a[0])?;
    let given: Vec<Value> = a[1..].iter().copied().filter(|v| !v.is_null()).collect();
    let r = proto::call_method(t, it.value(), name, &given).map(Obj::into_value);
    with_default(t, a[0], r)
}

/// `anext_awaitable`
pub static ANEXT_AWAITABLE: Type = Type::builtin(
    "anext_awaitable",
    size_of::<AnextDefault>(),
    &Spec {
        iter: Some(|t, v| Ok(to_reg(t, v.bare()))),
        await_: Some(|t, v| Ok(to_reg(t, v.bare()))),
        iter_next: Some(default_next),
        methods: &[
            NativeDef::new("send", "($self, object, /)", |t, a| {
                default_call(t, a, "send")
            }),
            NativeDef::new("throw", "($self, typ, val=None, tb=None, /)", |t, a| {
                default_call(t, a, "throw")
            }),
            NativeDef::new("close", "($self, /)", |t, a| default_call(t, a, "close")),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse_default, clear_default)
.final_()
.no_new();
