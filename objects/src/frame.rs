//! Frames: one record per running Python function, and the frame objects that Python sees of them.

use crate::code::{Code, LOCAL_FAST, LOCAL_HIDDEN};
use crate::prelude::*;
use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::AtomicU64;
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
    /// The instance that a constructor's frame makes: an owned word, or NULL.
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
    /// The function's generator, or NULL.
    pub generator: Slot,
    /// Extra names set through `f_locals`.
    pub extra: Slot,
    pub trace: Slot,
    /// The running frame's record and thread, or 0 when it has ended.
    pub record: AtomicU64,
    pub thread_tag: Cell<u64>,
    pub lasti: AtomicU64,
    /// The local registers as they were when the frame ended: counted words.
    saved: UnsafeCell<Vec<Value>>,
}

impl FrameObject {
    pub fn of<'a>(v: Value) -> Option<&'a FrameObject> {
        crate::cast_exact(v, &FRAME)
    }

    /// The running frame, if it is one of this thread's.
    pub fn running(&self, t: &Thread) -> Option<*mut Frame> {
        let p = self.record.load(std::sync::atomic::Ordering::Acquire);
        if p == 0 || self.thread_tag.get() != t as *const Thread as u64 {
            None
        } else {
            Some(p as *mut Frame)
        }
    }

    pub fn code(&self) -> Option<&Code> {
        Code::of(self.code.get())
    }

    /// Number of the instruction that runs or ran last.
    pub fn instr(&self, t: &Thread) -> usize {
        match self.running(t) {
            // SAFETY: a running frame of this thread.
            Some(f) => unsafe { (*f).instr() },
            None => self.lasti.load(std::sync::atomic::Ordering::Relaxed) as usize,
        }
    }

    pub fn line(&self, t: &Thread) -> u32 {
        self.code().map_or(0, |c| c.line(self.instr(t)))
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
        let own = |v: Value| {
            if v.is_null() {
                v
            } else {
                Obj::new(t, v).into_value()
            }
        };
        o.code.keep(t, h, keep(t, (*(*f).code).header.value()));
        o.globals
            .keep(t, h, keep_globals(t, (*(*f).globals).header.value()));
        o.builtins
            .keep(t, h, keep_globals(t, (*(*f).builtins).header.value()));
        o.generator.init(t, h, own((*f).generator));
        o.record
            .store(f as u64, std::sync::atomic::Ordering::Release);
        o.thread_tag.set(t as *const Thread as u64);
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
        if !o.header().is_local(t)
            || o.header().count.load(std::sync::atomic::Ordering::Relaxed) > 1
        {
            if (*f).namespace.is_null() {
                let n = (*f).code().nlocals as usize;
                let mut saved = Vec::with_capacity(n);
                for i in 0..n {
                    let v = to_heap(std::mem::replace(&mut *(*f).base.add(i), Value::NULL));
                    if !fo.header.is_local(t) {
                        weft_gc::share(t, v);
                    }
                    saved.push(v);
                }
                *fo.saved.get() = saved;
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
        fo.lasti
            .store((*f).instr() as u64, std::sync::atomic::Ordering::Relaxed);
        fo.record.store(0, std::sync::atomic::Ordering::Release);
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
        d.state.store(
            crate::generator::RUNNING,
            std::sync::atomic::Ordering::Relaxed,
        );
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
    let first = t.vm().frames_base();
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
            return locals_dict(t, code, registers, |_| true);
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
        &o.generator,
        &o.extra,
        &o.trace,
    ] {
        f(s.get());
    }
    // SAFETY: set once, when the frame ends.
    unsafe { (*o.saved.get()).iter().for_each(|v| f(*v)) };
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
        &o.generator,
        &o.extra,
        &o.trace,
    ] {
        t.drop_value(s.take_local());
    }
    // SAFETY: as above.
    for v in std::mem::take(unsafe { &mut *o.saved.get() }) {
        t.drop_value(v);
    }
}

fn of<'a>(v: Value) -> &'a FrameObject {
    // SAFETY: called for frame objects only.
    unsafe { &*(v.ptr() as *const FrameObject) }
}

fn get_locals(t: &mut Thread, v: Value) -> Res {
    let o = of(v);
    match o.running(t) {
        Some(f) => Ok(locals(t, f).into()),
        None => {
            if let Some(g) = crate::generator::Generator::of(o.generator.get()) {
                look_again(t, o, g);
            }
            if o.locals.get().is_null()
                && let Some(code) = o.code()
            {
                // SAFETY: set once, when the frame ended.
                let d = locals_dict(t, code, unsafe { &*o.saved.get() }, |_| true);
                o.locals.set(t, &o.header, d.into_value());
            }
            let l = o.locals.get();
            Ok(if l.is_null() {
                Dict::new(t).into()
            } else {
                to_reg(t, l)
            })
        }
    }
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

fn frame_clear(t: &mut Thread, a: &[Value]) -> Res {
    let o = of(a[0]);
    if o.running(t).is_some() {
        return Err(t.runtime_error("cannot clear an executing frame"));
    }
    t.drop_value(o.locals.take_local());
    // SAFETY: the frame has ended; `clear` is only called by one thread at a time on an object of its own.
    for v in std::mem::take(unsafe { &mut *o.saved.get() }) {
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
            GetSetDef::ro("f_lasti", |t, v| Ok(Value::int(of(v).instr(t) as i64 * 2))),
            GetSetDef::ro("f_lineno", |t, v| Ok(Value::int(of(v).line(t) as i64))),
            GetSetDef::ro("f_generator", |t, v| {
                let g = of(v).generator.get();
                Ok(if g.is_null() {
                    Value::NONE
                } else {
                    to_reg(t, g)
                })
            }),
            GetSetDef::rw(
                "f_trace",
                |t, v| {
                    let x = of(v).trace.get();
                    Ok(if x.is_null() {
                        Value::NONE
                    } else {
                        to_reg(t, x)
                    })
                },
                |t, v, x| {
                    let o = of(v);
                    let x = if x.is_null() {
                        Value::NONE
                    } else {
                        Obj::new(t, x).into_value()
                    };
                    o.trace.set(t, &o.header, x);
                    Ok(())
                },
            ),
            GetSetDef::ro("f_trace_lines", |_, _| Ok(Value::TRUE)),
            GetSetDef::ro("f_trace_opcodes", |_, _| Ok(Value::FALSE)),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.gc_flags(TypeFlags::UNCOUNTED)
.final_()
.no_new();

/// The frame object of a suspended generator (or one that has not begun).
pub fn object_of_suspended(t: &mut Thread, g: &crate::generator::Generator) -> Res {
    let old = g.frame.get();
    let o = if old.is_null() {
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
        let obj = Obj::from_raw(Value::from_ptr(&o.header));
        g.frame.set(t, &g.header, obj.clone().into_value());
        obj
    } else {
        Obj::new(t, old)
    };
    let Some(fo) = FrameObject::of(o.value()) else {
        return Ok(o.into());
    };
    look_again(t, fo, g);
    Ok(o.into())
}

/// Brings the frame object of a generator up to date, if that is suspended.
fn look_again(t: &Thread, fo: &FrameObject, g: &crate::generator::Generator) {
    let Ok(state) = g.begin(t) else {
        return;
    };
    let first = g.code().body().instrs.as_ptr() as usize;
    let at = ((g.pc.get() as usize - first) / 8).saturating_sub(1);
    fo.lasti
        .store(at as u64, std::sync::atomic::Ordering::Relaxed);
    // SAFETY: between `begin` and `end`.
    let d = locals_dict(t, g.code(), unsafe { g.registers() }.as_slice(), |_| true);
    g.end(state);
    fo.locals.set(t, &fo.header, d.into_value());
}
