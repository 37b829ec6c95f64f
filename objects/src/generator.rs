//! Generators, coroutines and asynchronous generators: suspended frames on the heap.
//!
//! While it runs, a generator's registers lie on the register stack like any other frame's; at a yield the live ones are moved here,
//! counted (I4). Only the thread that has set the running flag touches them (model: `loom-tests/tests/generator.rs`).

use crate::code::Code;
use crate::function::hooks;
use crate::prelude::*;
use crate::turn;
use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Ordering::*};
use weft_gc::{TypeFlags, keep};

pub use crate::turn::{CREATED, FINISHED, RUNNING, SUSPENDED};

/// `generator`, `coroutine` and `async_generator` share this layout.
#[repr(C)]
pub struct Generator {
    pub header: Header,
    pub func: Slot,
    pub code: Slot,
    pub name: Slot,
    pub qualname: Slot,
    /// The exception that was being handled inside when it was suspended.
    pub handled: Slot,
    /// A frame object that has been asked for.
    pub frame: Slot,
    /// Where a coroutine was created, if that is tracked (a tuple).
    pub origin: Slot,
    /// Hooks of an asynchronous generator.
    pub finalizer: Slot,
    pub state: AtomicU8,
    pub hooks_inited: AtomicBool,
    pub closed: AtomicBool,
    /// One of the awaitables of an asynchronous generator is at work.
    pub async_running: AtomicBool,
    /// The next instruction.
    pub pc: Cell<*const AtomicU64>,
    /// Whose `yield from` or `await` has entered it last as part of a chain (see [`Chain`]); NULL: none.
    delegator: AtomicPtr<Generator>,
    chain: Cell<Chain>,
    registers: UnsafeCell<Registers>,
}

/// What a suspended generator that waits in `yield from` or `await` knows of the generators below it: which is the innermost one, so that
/// this can be resumed without going through all those between. It holds good as long as the thread's epoch of chains is the same: that
/// changes when one of them is entered in any other way than through the outermost one, and when anything of the thread's is published:
/// another thread may run what is between then.
#[derive(Clone, Copy)]
pub struct Chain {
    pub leaf: *const Generator,
    /// How many there are between the two.
    pub hidden: u32,
    pub epoch: u32,
}

impl Chain {
    const NONE: Chain = Chain {
        leaf: std::ptr::null(),
        hidden: 0,
        epoch: 0,
    };
}

/// The registers of a suspended generator. They follow in the same block, or lie outside if there are many.
#[repr(C)]
pub struct Registers {
    /// How many hold something to be kept: all, or none while it runs.
    len: u32,
    capacity: u32,
    // What follows: the words, or the address of a boxed slice of them.
}

/// From a generator's [`Registers`] to the words after it.
const REST: usize = size_of::<Generator>() - std::mem::offset_of!(Generator, registers);
/// Most registers that lie within the object.
const INLINE: usize = (weft_gc::MAX_BLOCK - size_of::<Generator>()) / size_of::<Value>();

impl Registers {
    /// Where the words lie: room for `capacity`.
    #[inline(always)]
    pub fn as_mut_ptr(&mut self) -> *mut Value {
        // SAFETY: what follows this struct is as described there.
        unsafe {
            let first = (&raw mut *self as *mut u8).add(REST) as *mut Value;
            if self.capacity as usize <= INLINE {
                first
            } else {
                *(first as *mut *mut Value)
            }
        }
    }

    #[inline(always)]
    pub fn as_ptr(&mut self) -> *const Value {
        self.as_mut_ptr()
    }

    #[inline(always)]
    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }

    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Says how many words there are.
    ///
    /// # Safety
    /// So many have been written; those that are left out have been moved elsewhere.
    #[inline(always)]
    pub unsafe fn set_len(&mut self, n: usize) {
        debug_assert!(n <= self.capacity());
        self.len = n as u32;
    }

    #[inline(always)]
    pub fn as_slice(&mut self) -> &[Value] {
        let n = self.len as usize;
        // SAFETY: so many words have been written.
        unsafe { std::slice::from_raw_parts(self.as_mut_ptr(), n) }
    }

    pub fn get(&mut self, i: usize) -> Option<&Value> {
        self.as_slice().get(i)
    }

    /// Drops all references.
    fn clear(&mut self, t: &Thread) {
        let n = std::mem::take(&mut self.len) as usize;
        for i in 0..n {
            // SAFETY: so many words were there; each is taken out once.
            t.drop_value(unsafe { *self.as_mut_ptr().add(i) });
        }
    }
}

/// How a generator goes on.
pub enum Resume {
    /// `next()` and `send(value)`: an owned register word.
    Send(Value),
    /// `throw(exception)`.
    Throw(Obj),
}

/// What a resumed generator did: yielded, or returned.
pub enum Outcome {
    Yielded(Value),
    Returned(Value),
}

impl Generator {
    /// Any of the three kinds.
    #[inline(always)]
    pub fn of<'a>(v: Value) -> Option<&'a Generator> {
        if !v.is_ptr() {
            return None;
        }
        let ty = type_of(v);
        if ty.is(&GENERATOR) || ty.is(&COROUTINE) || ty.is(&ASYNC_GENERATOR) {
            // SAFETY: the three types share the layout.
            Some(unsafe { &*(v.ptr() as *const Generator) })
        } else {
            None
        }
    }

    /// A plain generator (or a coroutine of `types.coroutine`).
    #[inline(always)]
    pub fn exact<'a>(v: Value) -> Option<&'a Generator> {
        crate::cast_exact(v, &GENERATOR)
    }

    /// A generator of the kind that the code's flags say, not begun. `registers` are moved in.
    pub fn new(
        t: &Thread,
        func: Value,
        code: &Code,
        pc: *const AtomicU64,
        registers: Vec<Value>,
    ) -> Obj {
        // SAFETY: counted words, moved out of the vector.
        unsafe { Self::create(t, func, code, pc, registers.len(), |k| registers[k]) }
    }

    /// As [`Generator::new`] with `n` registers, each a word that `word` gives and that is moved in.
    ///
    /// # Safety
    /// The words are counted references that nobody else gives up (I4).
    #[inline]
    pub unsafe fn create(
        t: &Thread,
        func: Value,
        code: &Code,
        pc: *const AtomicU64,
        n: usize,
        mut word: impl FnMut(usize) -> Value,
    ) -> Obj {
        code.ready();
        let ty: &'static Type = match code.flags & (128 | 512) {
            0 => &GENERATOR,
            128 => &COROUTINE,
            _ => &ASYNC_GENERATOR,
        };
        let inline = n <= INLINE;
        let words = if inline { n } else { 1 };
        let size = size_of::<Generator>() + words * size_of::<Value>();
        let (name, qualname) = match crate::function::Function::of(func) {
            Some(f) if std::ptr::eq(f.code(), code) => (f.name.get(), f.qualname.get()),
            // A generator expression, or no function at all.
            _ => (code.body().name.value(), code.body().qualname.value()),
        };
        // SAFETY: a new object of that size, all of which is written here, the words after the struct last.
        unsafe {
            let p = t.alloc_uninit(&ty.head, size, false) as *mut Generator;
            (&raw mut (*p).func).write(Slot::kept(keep(t, func)));
            (&raw mut (*p).code).write(Slot::kept(keep(t, code.header.value())));
            (&raw mut (*p).name).write(Slot::kept(keep(t, name)));
            (&raw mut (*p).qualname).write(Slot::kept(keep(t, qualname)));
            (&raw mut (*p).handled).write(Slot::empty());
            (&raw mut (*p).frame).write(Slot::empty());
            (&raw mut (*p).origin).write(Slot::empty());
            (&raw mut (*p).finalizer).write(Slot::empty());
            (&raw mut (*p).state).write(AtomicU8::new(CREATED));
            (&raw mut (*p).hooks_inited).write(AtomicBool::new(false));
            (&raw mut (*p).closed).write(AtomicBool::new(false));
            (&raw mut (*p).async_running).write(AtomicBool::new(false));
            (&raw mut (*p).pc).write(Cell::new(pc));
            (&raw mut (*p).delegator).write(AtomicPtr::new(std::ptr::null_mut()));
            (&raw mut (*p).chain).write(Cell::new(Chain::NONE));
            (&raw mut (*p).registers).write(UnsafeCell::new(Registers {
                len: n as u32,
                capacity: n as u32,
            }));
            let first = p.add(1) as *mut Value;
            if inline {
                for k in 0..n {
                    first.add(k).write(word(k));
                }
            } else {
                let outside: Box<[Value]> = (0..n).map(word).collect();
                (first as *mut *mut Value).write(Box::into_raw(outside) as *mut Value);
            }
            Obj::from_raw(Value::from_ptr(p as *const Header))
        }
    }

    #[inline(always)]
    pub fn code(&self) -> &Code {
        // SAFETY: the slot holds the code object for the generator's life.
        unsafe { &*(self.code.get().ptr() as *const Code) }
    }

    /// Whether nothing was being handled inside when it was suspended, and nobody has asked for its frame object.
    #[inline(always)]
    pub fn is_plain(&self) -> bool {
        self.handled.get().is_null() && self.frame.get().is_null()
    }

    /// Takes the right to run it: the only way to its registers. Gives the state before. Acquire: sees what whoever
    /// ran it last has written.
    #[inline(always)]
    pub fn begin(&self, t: &Thread) -> Result<u8, u8> {
        self.enter_alone(t);
        turn::begin(&self.state, self.header.is_local(t))
    }

    /// Takes the right to look at its registers and at what else its frame will have, which others wait for: no safepoint and no lock
    /// until [`Generator::end`] with the state that this gives. `Err`: it runs, or has ended.
    pub fn look(&self, t: &Thread) -> Result<u8, u8> {
        self.enter_alone(t);
        turn::look(&self.state, self.header.is_local(t))
    }

    /// The delegator, which is alive while the chain that it belongs to runs.
    #[inline(always)]
    pub fn delegator(&self) -> *const Generator {
        self.delegator.load(Relaxed)
    }

    /// It is about to be entered by itself: chains that it is part of are known no more. If one is running, what is hidden in it says so
    /// from now on.
    #[inline(always)]
    pub fn enter_alone(&self, t: &Thread) {
        if !self.delegator().is_null() {
            self.leave_chain(t);
        }
    }

    #[cold]
    #[inline(never)]
    fn leave_chain(&self, t: &Thread) {
        t.vm().reveal();
        if self.state.load(Relaxed) != RUNNING {
            self.delegator.store(std::ptr::null_mut(), Relaxed);
            t.vm().chains.set(t.vm().chains.get().wrapping_add(1));
        }
    }

    /// It is entered through the delegation of `g`.
    #[inline(always)]
    pub fn enter_chain(&self, t: &Thread, g: &Generator) {
        let (before, now) = (self.delegator(), g as *const Generator);
        if before != now {
            if !before.is_null() {
                t.vm().chains.set(t.vm().chains.get().wrapping_add(1));
            }
            self.delegator.store(now.cast_mut(), Relaxed);
        }
    }

    /// The innermost generator of the chain that begins here, if that is known and may be resumed right away, and how many are between.
    #[inline(always)]
    pub fn leaf<'a>(&self, t: &Thread) -> Option<(&'a Generator, usize)> {
        let c = self.chain.get();
        // In the `gil` build every thread may enter every generator, so one thread's epoch says nothing.
        if cfg!(feature = "gil") || c.leaf.is_null() || c.epoch != t.vm().chains.get() {
            return None;
        }
        // SAFETY: while the epoch is the same each of the chain holds the next one.
        let g = unsafe { &*c.leaf };
        let ready = g.header.is_local(t)
            && g.state.load(Relaxed) == SUSPENDED
            && g.is_plain()
            && !g.func.get().is_null();
        ready.then_some((g, c.hidden as usize))
    }

    /// Suspended as the outermost of a chain.
    #[inline(always)]
    pub fn note_chain(&self, t: &Thread, leaf: &Generator, hidden: usize) {
        self.chain.set(Chain {
            leaf,
            hidden: hidden as u32,
            epoch: t.vm().chains.get(),
        });
        t.relying.set(true);
    }

    /// Something of this thread's is about to be published: none of what is remembered holds good any more, and what runs says so.
    #[cold]
    pub(crate) fn forget_chains(t: &Thread) {
        t.vm().reveal();
        t.vm().chains.set(t.vm().chains.get().wrapping_add(1));
    }

    /// Suspended alone.
    #[inline(always)]
    pub fn forget_chain(&self) {
        if !self.chain.get().leaf.is_null() {
            self.chain.set(Chain::NONE);
        }
    }

    /// Gives the right up. Release: hands the registers to the next one.
    #[inline(always)]
    pub fn end(&self, state: u8) {
        turn::end(&self.state, state);
    }

    /// The saved registers.
    ///
    /// # Safety
    /// Only between `begin` or `look` and `end`, or for a dying generator, or with nobody able to run it.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn registers(&self) -> &mut Registers {
        // SAFETY: the caller has the running flag.
        unsafe { &mut *self.registers.get() }
    }
}

/// The items of a generator that nobody but the caller has, such as a generator expression that is an argument: its frame stays on the
/// stack from one item to the next. Before Python code may run that could see the stack, [`Steps::pause`] takes it off.
pub struct Steps {
    generator: Obj,
    staying: bool,
}

impl Steps {
    /// `None` if `v` is anything else.
    pub fn new(t: &Thread, v: Value) -> Option<Steps> {
        let g = Generator::exact(v)?;
        if !g.header.is_local(t) || g.header.count.load(Relaxed) != 1 {
            return None;
        }
        Some(Steps {
            generator: Obj::new(t, v),
            staying: false,
        })
    }

    /// The next item: an owned word, NULL at the end.
    ///
    /// # Errors
    /// What the generator raises.
    #[inline]
    pub fn next(&mut self, t: &mut Thread) -> Res {
        let was = std::mem::replace(&mut self.staying, false);
        let (v, staying) = (hooks().step)(t, self.generator.value(), was)?;
        self.staying = staying;
        Ok(v)
    }

    /// Suspends the generator, as it would be between any two items.
    #[inline]
    pub fn pause(&mut self, t: &mut Thread) {
        if std::mem::replace(&mut self.staying, false) {
            (hooks().pause)(t);
        }
    }
}

/// Runs it on.
pub fn resume(t: &mut Thread, g: Value, how: Resume) -> Res<Outcome> {
    (hooks().resume)(t, g, how)
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a generator; while it runs its registers are on a thread's stack and there are none here.
    let g = unsafe { &*(h as *const Generator) };
    for s in [
        &g.func,
        &g.code,
        &g.name,
        &g.qualname,
        &g.handled,
        &g.frame,
        &g.origin,
        &g.finalizer,
    ] {
        f(s.get());
    }
    // SAFETY: a generator that runs has none here; else nobody changes them during a traversal.
    unsafe { g.registers() }
        .as_slice()
        .iter()
        .for_each(|v| f(*v));
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying generator.
    let g = unsafe { &*(h as *const Generator) };
    if let Some(f) = crate::frame::FrameObject::of(g.frame.get()) {
        f.set_generator(t, Value::NULL);
    }
    for s in [
        &g.func,
        &g.code,
        &g.name,
        &g.qualname,
        &g.handled,
        &g.frame,
        &g.origin,
        &g.finalizer,
    ] {
        t.drop_value(s.take_local());
    }
    // SAFETY: as above; nobody uses the words after this.
    unsafe {
        let registers = g.registers();
        registers.clear(t);
        let n = registers.capacity();
        if n > INLINE {
            let words = std::ptr::slice_from_raw_parts_mut(registers.as_mut_ptr(), n);
            drop(Box::from_raw(words));
            registers.capacity = 0;
        }
    }
}

/// Whether it is a coroutine that nobody has begun to run.
pub fn is_unawaited(v: Value) -> bool {
    type_of(v).is(&COROUTINE) && turn::seen(&of(v).state) == CREATED
}

/// A suspended generator is closed before it dies, so that its `finally` blocks run. One without handlers has nothing to run.
unsafe fn has_finalizer(h: *const Header) -> bool {
    // SAFETY: a generator.
    let g = unsafe { &*(h as *const Generator) };
    match turn::seen(&g.state) {
        SUSPENDED => {
            // SAFETY: the code object outlives its generators.
            let b = g.code().body();
            let at = (g.pc.get() as usize - b.instrs.as_ptr() as usize) / 8;
            let at = at.saturating_sub(1) as u32;
            // A handler other than the one at the end, which turns StopIteration into RuntimeError; or something to close.
            let last = b.handlers.iter().map(|x| x.target).max();
            let handled = b.handlers.iter().find(|x| x.start <= at && at < x.end);
            // Tools want to see it closed.
            crate::monitor::watches_exceptions()
                || handled.is_some_and(|x| Some(x.target) != last)
                || crate::runtime::is_delegating(g)
                || g.code().flags & 512 != 0
        }
        CREATED => g.code().flags & 128 != 0,
        _ => false,
    }
}

fn of<'a>(v: Value) -> &'a Generator {
    // SAFETY: called for objects of the three types only.
    unsafe { &*(v.ptr() as *const Generator) }
}

/// Sends a value (an owned register word); NULL when the generator has returned None or was finished.
pub fn send(t: &mut Thread, g: Value, v: Value) -> Res<Outcome> {
    resume(t, g, Resume::Send(v))
}

fn iter_next(t: &mut Thread, v: Value) -> Res {
    match resume(t, v, Resume::Send(Value::NONE))? {
        Outcome::Yielded(v) => Ok(v),
        Outcome::Returned(r) => {
            if r.is_none() {
                return Ok(Value::NULL);
            }
            let r = Obj::own(r);
            Err(t.stop_iteration(Some(r)))
        }
    }
}

fn outcome(t: &mut Thread, o: Outcome) -> Res {
    match o {
        Outcome::Yielded(v) => Ok(v),
        Outcome::Returned(r) => {
            let r = Obj::own(r);
            Err(t.stop_iteration(if r.value().is_none() { None } else { Some(r) }))
        }
    }
}

fn gen_send(t: &mut Thread, a: &[Value]) -> Res {
    let v = Obj::new(t, a[1]);
    let o = resume(t, a[0], Resume::Send(v.into_value()))?;
    outcome(t, o)
}

/// The exception of a `throw(type[, value[, traceback]])`.
pub fn thrown(t: &mut Thread, a: &[Value]) -> Res<Obj> {
    let (ty, value, tb) = (
        a[0],
        a.get(1).copied().unwrap_or(Value::NULL),
        a.get(2).copied().unwrap_or(Value::NULL),
    );
    let null = |v: Value| v.is_null() || v.is_none();
    let exc = if errors::is_exception_class(ty) {
        if null(value) {
            proto::call(t, ty, &[])?
        } else if errors::is_exception(value) && proto::is_instance(t, value, ty)? {
            Obj::new(t, value)
        } else if let Some(x) = Tuple::of(value) {
            let args = x.values().to_vec();
            proto::call(t, ty, &args)?
        } else {
            proto::call(t, ty, &[value])?
        }
    } else if errors::is_exception(ty) {
        if !null(value) {
            return Err(t.type_error("instance exception may not have a separate value".into()));
        }
        Obj::new(t, ty)
    } else {
        let msg = format!(
            "exceptions must be classes or instances deriving from BaseException, not {}",
            type_of(ty).name()
        );
        return Err(t.type_error(msg));
    };
    if !null(tb) {
        if !crate::traceback::is_traceback(tb) {
            return Err(t.type_error("throw() third argument must be a traceback object".into()));
        }
        proto::set_attr(t, exc.value(), crate::id!(t, "__traceback__"), tb)?;
    }
    Ok(exc)
}

fn gen_throw(t: &mut Thread, a: &[Value]) -> Res {
    if a[2..].iter().any(|v| !v.is_null()) {
        let msg = "the (type, exc, tb) signature of throw() is deprecated, use the single-arg signature instead.";
        errors::warn::deprecated(t, msg)?;
    }
    let exc = thrown(t, &a[1..])?;
    let o = resume(t, a[0], Resume::Throw(exc))?;
    outcome(t, o)
}

/// `close()`.
pub fn close(t: &mut Thread, v: Value) -> Res {
    let g = of(v);
    match turn::seen(&g.state) {
        FINISHED => return Ok(Value::NONE),
        CREATED => match g.begin(t) {
            Ok(CREATED) => {
                finish(t, v);
                return Ok(Value::NONE);
            }
            // Somebody has begun to run it since.
            Ok(state) => g.end(state),
            Err(_) => {}
        },
        _ => {}
    }
    let exit = errors::instance_of(t, &errors::GENERATOR_EXIT, None);
    match resume(t, v, Resume::Throw(exit)) {
        Ok(Outcome::Yielded(y)) => {
            drop(Obj::own(y));
            let what = if type_of(v).is(&COROUTINE) {
                "coroutine"
            } else {
                "generator"
            };
            Err(t.runtime_error(format!("{what} ignored GeneratorExit")))
        }
        Ok(Outcome::Returned(r)) => Ok(r),
        Err(e) => {
            if t.exc_matches(&errors::GENERATOR_EXIT) || t.exc_matches(&errors::STOP_ITERATION) {
                t.clear_exc();
                return Ok(Value::NONE);
            }
            Err(e)
        }
    }
}

/// Drops what a generator that will not run any more holds. The caller has the running flag.
pub fn finish(t: &Thread, v: Value) {
    let g = of(v);
    // SAFETY: the caller has the running flag, and dropping references runs no Python that could look at the state.
    unsafe { g.registers() }.clear(t);
    g.end(FINISHED);
    t.drop_value(g.handled.take());
}

fn finalize(t: &mut Thread, v: Value) -> Res<()> {
    let g = of(v);
    if turn::seen(&g.state) == CREATED {
        if type_of(v).is(&COROUTINE) {
            crate::runtime::warn_unawaited(t, v);
        }
        return Ok(());
    }
    if type_of(v).is(&ASYNC_GENERATOR) {
        let f = g.finalizer.get();
        if !f.is_null() && !f.is_none() && !g.closed.load(Relaxed) {
            let f = Obj::new(t, f);
            return proto::call(t, f.value(), &[v]).map(drop);
        }
    }
    close(t, v).map(|r| drop(Obj::own(r)))
}

/// Ends a generator that nobody has begun to run, as if it died.
pub fn abandon(t: &mut Thread, v: Value) -> Res<()> {
    finalize(t, v)?;
    let g = of(v);
    match g.begin(t) {
        Ok(CREATED) => finish(t, v),
        Ok(state) => g.end(state),
        Err(_) => {}
    }
    Ok(())
}

/// The qualified name.
pub fn qualname(v: Value) -> String {
    Str::of(of(v).qualname.get()).map_or(String::new(), |s| s.to_string_lossy())
}

fn gen_close(t: &mut Thread, a: &[Value]) -> Res {
    close(t, a[0])
}

fn get_frame(t: &mut Thread, v: Value) -> Res {
    let g = of(v);
    if g.state.load(Acquire) == FINISHED {
        return Ok(Value::NONE);
    }
    crate::runtime::generator_frame(t, v)
}

fn get_yield_from(t: &mut Thread, v: Value) -> Res {
    crate::runtime::yield_from(t, v)
}

/// Its state, also if it is hidden in a chain that runs.
pub fn state_of(t: &Thread, g: &Generator) -> u8 {
    t.vm().reveal();
    turn::seen(&g.state)
}

fn get_running(t: &mut Thread, v: Value) -> Res {
    Ok(Value::bool(state_of(t, of(v)) == RUNNING))
}

fn get_suspended(t: &mut Thread, v: Value) -> Res {
    Ok(Value::bool(state_of(t, of(v)) == SUSPENDED))
}

fn set_text(t: &mut Thread, v: Value, slot: &Slot, x: Value, name: &str) -> Res<()> {
    if x.is_null() || Str::of(x).is_none() {
        return Err(t.type_error(format!("{name} must be set to a string object")));
    }
    let x = Obj::new(t, x).into_value();
    slot.set(t, &of(v).header, x);
    Ok(())
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let name = qualname(v);
    let s = format!(
        "<{} object {name} at {:#x}>",
        type_of(v).name(),
        proto::address(v)
    );
    Ok(Str::new(t, &s).into())
}

const NAME: GetSetDef = GetSetDef::rw(
    "__name__",
    |t, v| Ok(to_reg(t, of(v).name.get())),
    |t, v, x| set_text(t, v, &of(v).name, x, "__name__"),
);
const QUALNAME: GetSetDef = GetSetDef::rw(
    "__qualname__",
    |t, v| Ok(to_reg(t, of(v).qualname.get())),
    |t, v, x| set_text(t, v, &of(v).qualname, x, "__qualname__"),
);

fn get_code(t: &mut Thread, v: Value) -> Res {
    Ok(to_reg(t, of(v).code.get()))
}

/// `generator`
pub static GENERATOR: Type = Type::builtin(
    "generator",
    size_of::<Generator>(),
    &Spec {
        repr: Some(repr),
        iter: Some(|t, v| Ok(to_reg(t, v.bare()))),
        iter_next: Some(iter_next),
        finalize: Some(finalize),
        methods: &[
            NativeDef::new("send", "($self, object, /)", gen_send),
            NativeDef::new("throw", "($self, typ, val=None, tb=None, /)", gen_throw),
            NativeDef::new("close", "($self, /)", gen_close),
            NativeDef::class(
                "__class_getitem__",
                "($type, item, /)",
                crate::generic_alias::class_getitem,
            ),
        ],
        getset: &[
            NAME,
            QUALNAME,
            GetSetDef::ro("gi_code", get_code),
            GetSetDef::ro("gi_frame", get_frame),
            GetSetDef::ro("gi_running", get_running),
            GetSetDef::ro("gi_suspended", get_suspended),
            GetSetDef::ro("gi_yieldfrom", get_yield_from),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.gc_flags(TypeFlags::UNCOUNTED)
.finalizer(has_finalizer)
.final_()
.no_new();

fn coroutine_await(t: &mut Thread, v: Value) -> Res {
    // SAFETY: the slot is written before anything else happens.
    unsafe {
        let p = t.alloc(&COROUTINE_WRAPPER.head, size_of::<CoroutineWrapper>())
            as *mut CoroutineWrapper;
        (*p).coroutine
            .init(t, &(*p).header, Obj::new(t, v).into_value());
        Ok(Value::from_ptr(p as *const Header))
    }
}

/// `coroutine`
pub static COROUTINE: Type = Type::builtin(
    "coroutine",
    size_of::<Generator>(),
    &Spec {
        repr: Some(repr),
        await_: Some(coroutine_await),
        finalize: Some(finalize),
        methods: &[
            NativeDef::new("send", "($self, object, /)", gen_send).doc(
                "Sends 'object' into coroutine: returns what it yields next, or raises StopIteration.",
            ),
            NativeDef::new("throw", "($self, typ, val=None, tb=None, /)", gen_throw)
                .doc("Raises the exception in coroutine: returns what it yields next, or raises StopIteration."),
            NativeDef::new("close", "($self, /)", gen_close)
                .doc("Raises GeneratorExit inside coroutine."),
            NativeDef::class(
                "__class_getitem__",
                "($type, item, /)",
                crate::generic_alias::class_getitem,
            ),
        ],
        getset: &[
            GetSetDef {
                doc: "name of the coroutine",
                ..NAME
            },
            GetSetDef {
                doc: "qualified name of the coroutine",
                ..QUALNAME
            },
            GetSetDef::ro("cr_code", get_code),
            GetSetDef::ro("cr_frame", get_frame),
            GetSetDef::ro("cr_running", get_running),
            GetSetDef::ro("cr_suspended", get_suspended),
            GetSetDef::ro("cr_await", get_yield_from),
            GetSetDef::ro("cr_origin", |t, v| {
                let o = of(v).origin.get();
                Ok(if o.is_null() {
                    Value::NONE
                } else {
                    to_reg(t, o)
                })
            }),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.gc_flags(TypeFlags::UNCOUNTED)
.finalizer(has_finalizer)
.final_()
.no_new();

/// `coroutine_wrapper`: what `coroutine.__await__()` gives.
#[repr(C)]
struct CoroutineWrapper {
    header: Header,
    coroutine: Slot,
}

fn wrapped(v: Value) -> Value {
    // SAFETY: called for wrappers only.
    unsafe { (*(v.ptr() as *const CoroutineWrapper)).coroutine.get() }
}

unsafe fn traverse_wrapper(h: *const Header, f: &mut dyn FnMut(Value)) {
    f(wrapped(Value::from_ptr(h)));
}

unsafe fn clear_wrapper(h: *mut Header, t: &Thread) {
    // SAFETY: a dying wrapper.
    t.drop_value(unsafe { (*(h as *const CoroutineWrapper)).coroutine.take() });
}

/// `coroutine_wrapper`
pub static COROUTINE_WRAPPER: Type = Type::builtin(
    "coroutine_wrapper",
    size_of::<CoroutineWrapper>(),
    &Spec {
        iter: Some(|t, v| Ok(to_reg(t, v.bare()))),
        iter_next: Some(|t, v| iter_next(t, wrapped(v))),
        methods: &[
            NativeDef::new("send", "($self, object, /)", |t, a| {
                gen_send(t, &[wrapped(a[0]), a[1]])
            }),
            NativeDef::new("throw", "($self, typ, val=None, tb=None, /)", |t, a| {
                gen_throw(t, &[wrapped(a[0]), a[1], a[2], a[3]])
            }),
            NativeDef::new("close", "($self, /)", |t, a| close(t, wrapped(a[0]))),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse_wrapper, clear_wrapper)
.final_()
.no_new();

// --- asynchronous generators ---

/// `async_generator`
pub static ASYNC_GENERATOR: Type = Type::builtin(
    "async_generator",
    size_of::<Generator>(),
    &Spec {
        repr: Some(repr),
        aiter: Some(|t, v| Ok(to_reg(t, v.bare()))),
        anext: Some(crate::async_generator::anext),
        finalize: Some(finalize),
        methods: &[
            NativeDef::new("asend", "($self, value, /)", |t, a| {
                crate::async_generator::asend(t, a[0], a[1])
            }),
            NativeDef::new(
                "athrow",
                "($self, typ, val=None, tb=None, /)",
                crate::async_generator::athrow,
            ),
            NativeDef::new("aclose", "($self, /)", |t, a| {
                crate::async_generator::aclose(t, a[0])
            }),
            NativeDef::class(
                "__class_getitem__",
                "($type, item, /)",
                crate::generic_alias::class_getitem,
            ),
        ],
        getset: &[
            NAME,
            QUALNAME,
            GetSetDef::ro("ag_code", get_code),
            GetSetDef::ro("ag_frame", get_frame),
            GetSetDef::ro("ag_running", |_, v| {
                Ok(Value::bool(of(v).async_running.load(Relaxed)))
            }),
            GetSetDef::ro("ag_suspended", get_suspended),
            GetSetDef::ro("ag_await", get_yield_from),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.gc_flags(TypeFlags::UNCOUNTED)
.finalizer(has_finalizer)
.final_()
.no_new();
