//! Frames: one record per running Python function, and the frame objects that Python sees of them.

use crate::code::{Code, LOCAL_FAST, LOCAL_HIDDEN};
use crate::prelude::*;
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use weft_gc::{TypeFlags, keep, keep_globals};

/// The record of a running function. Frames lie in an array of the thread, registers on the register stack.
#[repr(C)]
pub struct Frame {
    /// First register.
    pub base: *mut Value,
    /// The next instruction, saved when another frame runs or a safepoint is near.
    pub pc: *const AtomicU64,
    /// Constants and inline caches of the code.
    pub consts: *const Value,
    pub caches: *const AtomicU64,
    pub code: *const Code,
    /// The function (borrowed from the register below the arguments, or from the generator), or NULL for a module or class body.
    pub func: Value,
    /// Its globals and builtins (dicts, borrowed from the function or from `namespace`'s owner).
    pub globals: *const Dict,
    pub builtins: *const Dict,
    /// The namespace of a module or class body: an owned word, or NULL.
    pub namespace: Value,
    /// The generator that this frame belongs to (borrowed), or NULL.
    pub generator: Value,
    /// The frame object, if one has been asked for: an owned word.
    pub object: Value,
    /// The instance that a constructor's frame makes, or what [`Frame::NEW`] says: an owned word, or NULL.
    pub instance: Value,
    /// What was being handled when this generator's frame was entered: an owned word, or NULL. Unset in other frames.
    pub handled: Value,
    /// See the constants.
    pub flags: u32,
    /// The caller's register that takes the result.
    pub dst: u32,
}

impl Frame {
    /// The frame was entered from native code: returning from it leaves the interpreter loop.
    pub const ENTRY: u32 = 1;
    /// It runs `__init__` for a call of the class: the result is `instance`.
    pub const CONSTRUCTOR: u32 = 2;
    /// It runs `__new__` for a call of a class whose `__init__` does nothing. `instance` is a tuple of the class, the names of keyword
    /// arguments (or None) and the arguments, for the `__init__` of another class whose instance may come out.
    pub const NEW: u32 = 4;
    /// The register below the frame holds the function and is the frame's to clear.
    pub const BELOW: u32 = 8;
    /// A generator's frame.
    pub const GENERATOR: u32 = 16;
    /// It has a frame object.
    pub const OBJECT: u32 = 32;
    /// A generator's that waits in `yield from` or `await` for the one in the next frame: its registers are still in the generator
    /// (`base` leads there), and what the other yields passes it by.
    pub const DELEGATING: u32 = 64;
    /// A generator's that was resumed for the outermost one of a chain of delegations ([`crate::generator::Chain`]): the records of those
    /// between the two, as many as `instance` says (an int), lie below this one but have not been written. [`Vm::reveal`] writes them.
    pub const CHAINED: u32 = 256;
    /// A generator's that native code runs item by item ([`crate::generator::Steps`]): a yield leaves it where it is.
    pub const STAYING: u32 = 128;
    /// An asynchronous generator's that a `Send` has entered through the awaitable of `asend` or `__anext__`, which is the receiver: what
    /// the generator yields itself ends the awaiting.
    pub const STEP: u32 = 512;

    pub fn code(&self) -> &Code {
        // SAFETY: the function (or the caller of a module body) keeps the code alive while the frame runs.
        unsafe { &*self.code }
    }
    /// Number of the instruction that runs: the one before the saved pc.
    pub fn instr(&self) -> usize {
        let first = self.code().body().instrs.as_ptr();
        let i = (self.pc as usize - first as usize) / 8;
        i.saturating_sub(1)
    }
    pub fn line(&self) -> u32 {
        self.code().line(self.instr())
    }
}

/// `frame`: a frame as Python sees it. While the frame runs it is found through the thread; afterwards the object has its locals.
#[repr(C)]
pub struct FrameObject {
    pub header: Header,
    pub code: Slot,
    pub globals: Slot,
    pub builtins: Slot,
    pub back: Slot,
    /// The namespace of a module or class body that has ended, or a dict made of `saved` on demand.
    pub locals: Slot,
    /// Extra names set through `f_locals`.
    pub extra: Slot,
    pub trace: Slot,
    /// Not `f_trace_lines`.
    pub no_lines: AtomicBool,
    /// `f_trace_opcodes`.
    pub trace_opcodes: AtomicBool,
    /// The running frame's record and thread, or 0 when it has ended. The thread is written first, and read last.
    pub record: AtomicU64,
    pub thread_tag: AtomicU64,
    /// The address of the generator whose frame this is, as long as it may run: not counted, and looked at under the object's lock.
    /// A generator that dies takes it out.
    generator: AtomicU64,
    pub lasti: AtomicU64,
    /// The local registers as they were when the frame ended: counted words.
    saved: UnsafeCell<Vec<Value>>,
    /// What variables held that were set from outside while the frame ran: it may still be in use. Counted words.
    replaced: UnsafeCell<Vec<Value>>,
}

impl FrameObject {
    pub fn of<'a>(v: Value) -> Option<&'a FrameObject> {
        crate::cast_exact(v, &FRAME)
    }

    /// The running frame, if it is one of this thread's.
    pub fn running(&self, t: &Thread) -> Option<*mut Frame> {
        let p = self.record.load(Acquire);
        if p == 0 || self.thread_tag.load(Relaxed) != t as *const Thread as u64 {
            None
        } else {
            Some(p as *mut Frame)
        }
    }

    pub fn code(&self) -> Option<&Code> {
        Code::of(self.code.get())
    }

    /// Runs `f`, which runs no Python, with the frame's local registers. `None`: they are out of reach, because the frame runs in
    /// another thread.
    pub fn with_registers<R>(&self, t: &Thread, f: impl FnOnce(&mut [Value]) -> R) -> Option<R> {
        let n = self.code().map_or(0, |c| c.nlocals as usize);
        if let Some(frame) = self.running(t) {
            // SAFETY: a running frame of this thread, which nothing else uses meanwhile.
            return Some(f(unsafe {
                std::slice::from_raw_parts_mut((*frame).base, n)
            }));
        }
        let _guard = weft_gc::lock(t, &self.header);
        // Under the lock, as the end of the frame is.
        if self.record.load(Acquire) != 0 {
            return None;
        }
        // SAFETY: under the lock.
        if let Some(g) = unsafe { self.generator() } {
            match g.look(t) {
                Ok(state) => {
                    // SAFETY: between `look` and `end`.
                    let registers = unsafe { g.registers() };
                    let n = n.min(registers.len());
                    // SAFETY: so many words have been written.
                    let r = f(unsafe { std::slice::from_raw_parts_mut(registers.as_mut_ptr(), n) });
                    g.end(state);
                    return Some(r);
                }
                Err(crate::generator::RUNNING) => return None,
                Err(_) => {}
            }
        }
        // SAFETY: under the lock.
        Some(f(unsafe { &mut *self.saved.get() }))
    }

    /// The generator whose frame this is.
    ///
    /// # Safety
    /// Only under the object's lock.
    unsafe fn generator<'a>(&self) -> Option<&'a crate::generator::Generator> {
        let p = self.generator.load(Relaxed);
        // SAFETY: a generator takes its address out, under the lock, before it dies.
        unsafe { (p as *const crate::generator::Generator).as_ref() }
    }

    /// The generator whose frame this is, if that is alive and may still run.
    fn owner(&self, t: &Thread) -> Option<Obj> {
        let _guard = weft_gc::lock(t, &self.header);
        // SAFETY: under the lock.
        let g = unsafe { self.generator() }?;
        weft_gc::weak::own_if_alive(t, &g.header)
    }

    /// Says whose frame this is, or that it is nobody's any more (NULL).
    pub fn set_generator(&self, t: &Thread, g: Value) {
        let _guard = weft_gc::lock(t, &self.header);
        let p = if g.is_null() { 0 } else { g.ptr() as u64 };
        self.generator.store(p, Relaxed);
    }

    /// Gives a local register another value. What it held is kept as long as the frame object: native code that the frame has called
    /// may have borrowed it.
    pub fn set_register(&self, t: &Thread, i: usize, v: Obj) {
        let shared = {
            let _guard = weft_gc::lock(t, &self.header);
            // SAFETY: under the lock.
            let g = unsafe { self.generator() };
            !self.header.is_local(t) || g.is_some_and(|g| !g.header.is_local(t))
        };
        if shared {
            weft_gc::share(t, v.value());
        }
        let v = v.into_value();
        let old = self.with_registers(t, |registers| match registers.get_mut(i) {
            Some(place) => std::mem::replace(place, v),
            None => v,
        });
        let old = to_heap(old.unwrap_or(v));
        if !self.header.is_local(t) {
            weft_gc::share(t, old);
        }
        let _guard = weft_gc::lock(t, &self.header);
        // SAFETY: under the lock.
        unsafe { (*self.replaced.get()).push(old) };
    }

    /// Number of the instruction that runs or ran last.
    pub fn instr(&self, t: &Thread) -> usize {
        match self.running(t) {
            // SAFETY: a running frame of this thread.
            Some(f) => unsafe { (*f).instr() },
            None => self.lasti.load(Relaxed) as usize,
        }
    }

    /// The number of that instruction as Python sees it.
    fn offset(&self, t: &Thread) -> i64 {
        match (self.running(t), t.vm().said.get()) {
            (Some(f), (at, _, offset)) if at == f => offset,
            _ => Code::offset(self.instr(t)),
        }
    }

    pub fn line(&self, t: &Thread) -> u32 {
        match self.running(t) {
            Some(f) => match t.vm().said.get() {
                (at, line, _) if at == f => line,
                // SAFETY: a running frame of this thread.
                _ => unsafe { (*f).line() },
            },
            None => self.code().map_or(0, |c| c.line(self.instr(t))),
        }
    }
}

/// The frame object of a running frame: made once.
pub fn object_of(t: &Thread, f: *mut Frame) -> Obj {
    // SAFETY: a running frame of this thread; so below.
    unsafe {
        if !(*f).object.is_null() {
            return Obj::new(t, (*f).object);
        }
        let p = t.alloc(&FRAME.head, size_of::<FrameObject>()) as *mut FrameObject;
        let o = &*p;
        let h = &o.header;
        o.code.keep(t, h, keep(t, (*(*f).code).header.value()));
        o.globals
            .keep(t, h, keep_globals(t, (*(*f).globals).header.value()));
        o.builtins
            .keep(t, h, keep_globals(t, (*(*f).builtins).header.value()));
        if !(*f).generator.is_null() {
            o.set_generator(t, (*f).generator);
        }
        o.thread_tag.store(t as *const Thread as u64, Relaxed);
        o.record.store(f as u64, Release);
        let obj = Obj::from_raw(Value::from_ptr(h));
        (*f).object = obj.clone().into_value();
        (*f).flags |= Frame::OBJECT;
        obj
    }
}

/// The frame ends: its object, if anybody else has it, takes the local registers over (they are left unbound).
#[cold]
pub fn detach_object(t: &Thread, f: *mut Frame) {
    // SAFETY: the frame is about to be popped by this thread.
    unsafe {
        let v = std::mem::replace(&mut (*f).object, Value::NULL);
        let o = Obj::from_raw(v);
        let Some(fo) = FrameObject::of(o.value()) else {
            return;
        };
        fo.set_generator(t, Value::NULL);
        let mut saved = Vec::new();
        if !o.header().is_local(t) || o.header().count.load(Relaxed) > 1 {
            if (*f).namespace.is_null() {
                let n = (*f).code().nlocals as usize;
                saved.reserve_exact(n);
                for i in 0..n {
                    let v = to_heap(std::mem::replace(&mut *(*f).base.add(i), Value::NULL));
                    if !fo.header.is_local(t) {
                        weft_gc::share(t, v);
                    }
                    saved.push(v);
                }
                // A generator's, from when it was suspended.
                fo.locals.set(t, &fo.header, Value::NULL);
            } else {
                fo.locals
                    .set(t, &fo.header, Obj::new(t, (*f).namespace).into_value());
            }
            if let Some(back) = caller(t, f) {
                let back = object_of(t, back);
                fo.back.set(t, &fo.header, back.into_value());
            }
        }
        fo.lasti.store((*f).instr() as u64, Relaxed);
        let _guard = weft_gc::lock(t, &fo.header);
        // Under the lock, with which others look at it. There was nothing in it.
        *fo.saved.get() = saved;
        fo.record.store(0, Release);
    }
}

/// Writes the record below `f`, which is [`Frame::CHAINED`]: that of the generator whose delegation `f` runs for.
///
/// # Safety
/// `f` must be a frame of this thread, or of one that stands still.
pub unsafe fn reveal_one(f: *mut Frame) {
    // SAFETY: the chain runs, so each of its generators holds the next one, and is local and suspended in a delegation; there was room
    // for all records when the innermost one was entered.
    unsafe {
        let g = &*((*f).generator.ptr() as *const crate::generator::Generator);
        let left = (*f).instance.as_int() - 1;
        (*f).instance = Value::NULL;
        (*f).flags &= !Frame::CHAINED;
        let d = &*g.delegator();
        crate::turn::reveal(&d.state);
        let func = &*(d.func.get().ptr() as *const crate::function::Function);
        let code = d.code();
        let more = left > 0;
        f.wrapping_sub(1).write(Frame {
            base: d.registers().as_mut_ptr(),
            pc: d.pc.get(),
            consts: code.consts(),
            caches: code.caches(),
            code,
            func: d.func.get(),
            globals: func.globals(),
            builtins: func.builtins(),
            namespace: Value::NULL,
            generator: d.header.value(),
            object: Value::NULL,
            instance: if more { Value::int(left) } else { Value::NULL },
            handled: Value::NULL,
            flags: Frame::GENERATOR | Frame::DELEGATING | if more { Frame::CHAINED } else { 0 },
            dst: 0,
        });
    }
}

/// The frame that called this one.
pub fn caller(t: &Thread, f: *mut Frame) -> Option<*mut Frame> {
    let first = t.vm().floor();
    if f > first {
        Some(f.wrapping_sub(1))
    } else {
        None
    }
}

/// The innermost running frame.
pub fn current(t: &Thread) -> Option<*mut Frame> {
    t.vm().top_frame()
}

/// `locals()`: a dict of the running frame's named locals and free variables that are bound. In the body of a module or class: its namespace, but
/// within a comprehension what that has bound alone.
pub fn locals(t: &Thread, f: *mut Frame) -> Obj {
    // SAFETY: a running frame of this thread.
    unsafe {
        let code = (*f).code();
        let registers = std::slice::from_raw_parts((*f).base, code.nlocals as usize);
        if (*f).namespace.is_null() {
            let d = locals_dict(t, code, registers, |_| true);
            if let Some(o) = FrameObject::of((*f).object)
                && let (Some(extra), Some(d)) = (Dict::of(o.extra.get()), Dict::exact(d.value()))
            {
                for (k, v) in extra.items(t) {
                    if let Some(k) = Str::of(k.value()) {
                        d.set_str(t, k, v.value());
                    }
                }
            }
            return d;
        }
        let hidden = |k: u8| k == LOCAL_HIDDEN;
        let kinds = code.body().locals.iter().map(|l| l.1);
        if !kinds.zip(registers).any(|(k, v)| hidden(k) && !v.is_null()) {
            return Obj::new(t, (*f).namespace);
        }
        locals_dict(t, code, registers, hidden)
    }
}

/// A dict of the locals of some kinds in these registers.
fn locals_dict(t: &Thread, code: &Code, registers: &[Value], wanted: impl Fn(u8) -> bool) -> Obj {
    let d = Dict::new(t);
    for ((name, kind), v) in code.body().locals.iter().zip(registers) {
        let mut v = *v;
        if !wanted(*kind) {
            continue;
        }
        if *kind != LOCAL_FAST
            && let Some(c) = crate::cell::Cell::of(v)
        {
            v = c.get();
        }
        if let (Some(d), Some(name), false) =
            (Dict::exact(d.value()), Str::of(name.value()), v.is_null())
        {
            d.set_str(t, name, v);
        }
    }
    d
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a frame object.
    let o = unsafe { &*(h as *const FrameObject) };
    for s in [
        &o.code,
        &o.globals,
        &o.builtins,
        &o.back,
        &o.locals,
        &o.extra,
        &o.trace,
    ] {
        f(s.get());
    }
    // SAFETY: changed under the lock, and not while the collector runs.
    unsafe {
        (*o.saved.get()).iter().for_each(|v| f(*v));
        (*o.replaced.get()).iter().for_each(|v| f(*v));
    }
}

/// The generator that a frame object leads to (`f_generator`, its registers): whoever can reach the one finds the other shared.
pub fn leads_to(h: &Header) -> Option<&Header> {
    // SAFETY: the one type that says so; a local object, whose thread asks, and so does what happens to the generator.
    unsafe { (*(h as *const Header as *const FrameObject)).generator() }.map(|g| &g.header)
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying frame object.
    let o = unsafe { &*(h as *const FrameObject) };
    for s in [
        &o.code,
        &o.globals,
        &o.builtins,
        &o.back,
        &o.locals,
        &o.extra,
        &o.trace,
    ] {
        t.drop_value(s.take_local());
    }
    // SAFETY: as above.
    for v in std::mem::take(unsafe { &mut *o.saved.get() }) {
        t.drop_value(v);
    }
    // SAFETY: as above.
    for v in std::mem::take(unsafe { &mut *o.replaced.get() }) {
        t.drop_value(v);
    }
}

fn of<'a>(v: Value) -> &'a FrameObject {
    // SAFETY: called for frame objects only.
    unsafe { &*(v.ptr() as *const FrameObject) }
}

fn get_locals(t: &mut Thread, v: Value) -> Res {
    const CO_OPTIMIZED: u32 = 1;
    let o = of(v);
    if o.code().is_some_and(|c| c.flags & CO_OPTIMIZED != 0) {
        return Ok(crate::frame_locals::new(t, v).into());
    }
    if let Some(f) = o.running(t) {
        // SAFETY: a running frame of this thread.
        let namespace = unsafe { (*f).namespace };
        let l = locals(t, f);
        // Within a comprehension its variables come and go.
        let hidden = !namespace.is_null() && !l.value().same(namespace);
        return Ok(if hidden {
            crate::frame_locals::new(t, v).into()
        } else {
            l.into()
        });
    }
    let l = o.locals.get();
    Ok(if l.is_null() {
        Dict::new(t).into()
    } else {
        to_reg(t, l)
    })
}

fn get_back(t: &mut Thread, v: Value) -> Res {
    let o = of(v);
    if let Some(f) = o.running(t) {
        return Ok(match caller(t, f) {
            Some(b) => object_of(t, b).into(),
            None => Value::NONE,
        });
    }
    let b = o.back.get();
    Ok(if b.is_null() {
        Value::NONE
    } else {
        to_reg(t, b)
    })
}

fn get_trace(t: &mut Thread, v: Value) -> Res {
    let x = of(v).trace.get();
    Ok(if x.is_null() {
        Value::NONE
    } else {
        to_reg(t, x)
    })
}

fn set_trace(t: &mut Thread, v: Value, x: Value) -> Res<()> {
    let o = of(v);
    let x = if x.is_null() || x.is_none() {
        Value::NULL
    } else {
        Obj::new(t, x).into_value()
    };
    o.trace.set(t, &o.header, x);
    if !x.is_null() && o.trace_opcodes.load(Relaxed) {
        report_opcodes(t, o);
    }
    Ok(())
}

fn set_trace_opcodes(t: &mut Thread, v: Value, x: Value) -> Res<()> {
    if x.is_null() {
        let msg = "attribute 'f_trace_opcodes' of 'frame' objects cannot be deleted";
        return Err(t.raise(&errors::ATTRIBUTE_ERROR, msg));
    }
    let o = of(v);
    o.trace_opcodes.store(flag(t, x)?, Relaxed);
    if !o.trace.get().is_null() || !o.trace_opcodes.load(Relaxed) {
        report_opcodes(t, o);
    }
    Ok(())
}

fn report_opcodes(t: &Thread, o: &FrameObject) {
    if let (Some(code), Some(f)) = (o.code(), OPCODES.get()) {
        f(t, code, o.trace_opcodes.load(Relaxed));
    }
}

/// Has each instruction of the code reported to trace functions, or not (the interpreter's business).
type OpcodesHook = fn(&Thread, &Code, bool);
static OPCODES: std::sync::OnceLock<OpcodesHook> = std::sync::OnceLock::new();

/// What setting `f_trace_opcodes` does.
pub fn set_opcodes_hook(f: OpcodesHook) {
    let _ = OPCODES.set(f);
}

/// The new value of an attribute that is a bool.
fn flag(t: &mut Thread, x: Value) -> Res<bool> {
    match x {
        Value::TRUE => Ok(true),
        Value::FALSE => Ok(false),
        _ => Err(t.type_error("attribute value type must be bool".into())),
    }
}

/// Goes on with another line (the interpreter's business).
type JumpHook = fn(&mut Thread, Value, Value) -> Res<()>;
static JUMP: std::sync::OnceLock<JumpHook> = std::sync::OnceLock::new();

/// What assignments to `f_lineno` do, which get the frame object and the new value.
pub fn set_jump_hook(f: JumpHook) {
    let _ = JUMP.set(f);
}

fn set_lineno(t: &mut Thread, v: Value, x: Value) -> Res<()> {
    if x.is_null() {
        return Err(t.raise(&errors::ATTRIBUTE_ERROR, "cannot delete attribute"));
    }
    match JUMP.get() {
        Some(f) => f(t, v, x),
        None => Ok(()),
    }
}

fn frame_clear(t: &mut Thread, a: &[Value]) -> Res {
    let o = of(a[0]);
    if o.record.load(Acquire) != 0 {
        return Err(t.runtime_error("cannot clear an executing frame"));
    }
    if let Some(v) = o.owner(t)
        && let Some(g) = crate::generator::Generator::of(v.value())
    {
        match crate::generator::state_of(t, g) {
            crate::generator::SUSPENDED => {
                return Err(t.runtime_error("cannot clear a suspended frame"));
            }
            crate::generator::CREATED => crate::generator::abandon(t, v.value())?,
            _ => {}
        }
    }
    t.drop_value(o.locals.take());
    let saved = {
        let _guard = weft_gc::lock(t, &o.header);
        // SAFETY: under the lock.
        std::mem::take(unsafe { &mut *o.saved.get() })
    };
    for v in saved {
        t.drop_value(v);
    }
    Ok(Value::NONE)
}

/// `frame`
pub static FRAME: Type = Type::builtin(
    "frame",
    size_of::<FrameObject>(),
    &Spec {
        repr: Some(|t, v| {
            let o = of(v);
            let line = o.line(t);
            let (file, name) = o.code().map_or((String::new(), String::new()), |c| {
                let text =
                    |o: &Obj| Str::of(o.value()).map_or(String::new(), |s| s.to_string_lossy());
                (text(&c.body().filename), text(&c.body().name))
            });
            let s = format!(
                "<frame at {:#x}, file '{file}', line {line}, code {name}>",
                proto::address(v)
            );
            Ok(Str::new(t, &s).into())
        }),
        methods: &[NativeDef::new("clear", "($self, /)", frame_clear)],
        getset: &[
            GetSetDef::ro("f_code", |t, v| Ok(to_reg(t, of(v).code.get()))),
            GetSetDef::ro("f_globals", |t, v| Ok(to_reg(t, of(v).globals.get()))),
            GetSetDef::ro("f_builtins", |t, v| {
                Ok(crate::foreign_builtins::shown(t, of(v).builtins.get()))
            }),
            GetSetDef::ro("f_locals", get_locals),
            GetSetDef::ro("f_back", get_back),
            GetSetDef::ro("f_lasti", |t, v| Ok(Value::int(of(v).offset(t)))),
            GetSetDef::rw(
                "f_lineno",
                |t, v| Ok(Value::int(of(v).line(t) as i64)),
                set_lineno,
            ),
            GetSetDef::ro("f_generator", |t, v| {
                Ok(of(v).owner(t).map_or(Value::NONE, Obj::into_value))
            }),
            GetSetDef::rw("f_trace", get_trace, set_trace),
            GetSetDef::rw(
                "f_trace_lines",
                |_, v| Ok(Value::bool(!of(v).no_lines.load(Relaxed))),
                |t, v, x| {
                    if x.is_null() {
                        return Err(t.type_error("can't delete numeric/char attribute".into()));
                    }
                    of(v).no_lines.store(!flag(t, x)?, Relaxed);
                    Ok(())
                },
            ),
            GetSetDef::rw(
                "f_trace_opcodes",
                |_, v| Ok(Value::bool(of(v).trace_opcodes.load(Relaxed))),
                set_trace_opcodes,
            ),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.gc_flags(TypeFlags::UNCOUNTED | TypeFlags::LEADS_ON)
.final_()
.no_new();

/// The frame object of a suspended generator (or one that has not begun), as it is now. `None`: it runs, or has ended.
pub fn object_of_suspended(t: &Thread, g: &crate::generator::Generator) -> Option<Obj> {
    // Whose turn it is to run it is whose turn it is to give it a frame object: there is only one.
    let state = g.look(t).ok()?;
    let old = g.frame.get();
    let o = if old.is_null() {
        let o = fresh_object(t, g);
        g.frame.set(t, &g.header, o.clone().into_value());
        o
    } else {
        Obj::new(t, old)
    };
    if let Some(fo) = FrameObject::of(o.value()) {
        let first = g.code().body().instrs.as_ptr() as usize;
        let at = ((g.pc.get() as usize - first) / 8).saturating_sub(1);
        fo.lasti.store(at as u64, Relaxed);
    }
    g.end(state);
    Some(o)
}

/// A frame object for a generator that has none, which nobody else can reach yet.
fn fresh_object(t: &Thread, g: &crate::generator::Generator) -> Obj {
    // SAFETY: zeroed slots are empty.
    let p = unsafe { t.alloc(&FRAME.head, size_of::<FrameObject>()) } as *mut FrameObject;
    // SAFETY: just made.
    let o = unsafe { &*p };
    let (globals, builtins) = match crate::function::Function::of(g.func.get()) {
        Some(f) => (f.globals.get(), f.builtins.get()),
        None => (Value::NULL, Value::NULL),
    };
    o.code.keep(t, &o.header, keep(t, g.code.get()));
    o.globals.keep(t, &o.header, keep(t, globals));
    o.builtins.keep(t, &o.header, keep(t, builtins));
    o.set_generator(t, g.header.value());
    Obj::from_raw(Value::from_ptr(&o.header))
}
