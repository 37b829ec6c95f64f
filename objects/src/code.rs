//! Code objects: bytecode, constants and tables of one function, class body or module, ready to be run.

use crate::monitor::Sites;
use crate::prelude::*;
pub use parts::{Instrs, Packed, Positions};
use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering::*};
use weft_gc::{TypeFlags, publish};

mod parts;

/// What a local register is, numbered as the compiler's `LocalKind`.
pub const LOCAL_FAST: u8 = 0;
pub const LOCAL_CELL: u8 = 1;
pub const LOCAL_FREE: u8 = 2;
pub const LOCAL_HIDDEN: u8 = 3;

/// A stretch of instructions and its handler.
#[derive(Clone, Copy, Debug)]
pub struct Handler {
    pub start: u32,
    pub end: u32,
    pub target: u32,
    pub depth: u16,
}

/// Where an instruction comes from: lines from 1 (0: nowhere), columns in UTF-8 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Position {
    pub line: u32,
    pub end_line: u32,
    pub col: u16,
    pub end_col: u16,
}

/// What is asked of code that need not have run yet.
pub struct CodeHead {
    pub name: Obj,
    pub qualname: Obj,
    pub filename: Obj,
    pub first_line: u32,
    pub argcount: u16,
    pub posonly: u16,
    pub kwonly: u16,
    pub flags: u32,
    pub nlocals: u16,
    pub nregs: u16,
}

/// What running it takes.
pub struct CodeParts {
    /// Names (interned str) and kinds of the local registers.
    pub locals: Vec<(Obj, u8)>,
    pub instrs: Instrs,
    /// Constants in register form: they are shared or immortal, so copying one into a register counts nothing.
    pub consts: Box<[Value]>,
    /// Interned names.
    pub names: Box<[Value]>,
    /// Inline caches, and the name that each is for (NULL where the instruction says it).
    pub caches: Box<[AtomicU64]>,
    pub cache_names: Box<[Value]>,
    pub handlers: Box<[Handler]>,
    pub positions: Positions,
}

/// All of it stays as the compiler wrote it. What dereferencing gives is made when it is first asked for.
pub struct CodeBody {
    pub name: Obj,
    pub qualname: Obj,
    pub filename: Obj,
    pub first_line: u32,
    pub argcount: u16,
    pub posonly: u16,
    pub kwonly: u16,
    pub flags: u32,
    pub nlocals: u16,
    pub nregs: u16,
    parts: OnceLock<Box<CodeParts>>,
    source: Option<Box<Source>>,
}

/// Makes the parts of a code object that has not run yet.
pub type Source = dyn Fn(&Thread) -> CodeParts;

impl Deref for CodeBody {
    type Target = CodeParts;
    #[inline(always)]
    fn deref(&self) -> &CodeParts {
        match self.parts.get() {
            Some(p) => p,
            None => self.make_parts(),
        }
    }
}

impl CodeBody {
    /// The parts, if they have been made: for who may not allocate.
    pub fn made(&self) -> Option<&CodeParts> {
        self.parts.get().map(|p| &**p)
    }

    fn new(h: CodeHead, parts: OnceLock<Box<CodeParts>>, source: Option<Box<Source>>) -> CodeBody {
        CodeBody {
            name: h.name,
            qualname: h.qualname,
            filename: h.filename,
            first_line: h.first_line,
            argcount: h.argcount,
            posonly: h.posonly,
            kwonly: h.kwonly,
            flags: h.flags,
            nlocals: h.nlocals,
            nregs: h.nregs,
            parts,
            source,
        }
    }

    #[cold]
    #[inline(never)]
    fn make_parts(&self) -> &CodeParts {
        self.parts.get_or_init(|| match &self.source {
            Some(source) => Box::new(source(Thread::current())),
            None => unreachable!("made with its parts or with a source of them"),
        })
    }
}

/// `code`
#[repr(C)]
pub struct Code {
    pub header: Header,
    body: *mut CodeBody,
    /// The body's instructions, constants and inline caches; but for the first one, not before [`Code::ready`].
    pub first: *const AtomicU64,
    consts: AtomicPtr<Value>,
    caches: AtomicPtr<AtomicU64>,
    cache_names: AtomicPtr<Value>,
    /// See [`Code::simple_key`]; [`NOT_READY`] where the parts are still to be made.
    call_key: AtomicU64,
    /// What calls ask first: number of registers and of locals, and how arguments are bound.
    pub nregs: u32,
    pub nlocals: u32,
    pub argcount: u32,
    /// See [`Code::SIMPLE`].
    pub call_flags: u32,
    pub flags: u32,
    /// Where it stands in the list of all code objects that are ready, from 1.
    pub listed: AtomicU32,
    /// The table of what its instructions report, or NULL (see [`crate::monitor`]).
    sites: AtomicPtr<Sites>,
    /// The opcode of its first instruction.
    pub first_op: AtomicU8,
}

const NOT_READY: u64 = u64::MAX;

impl Code {
    /// Only positional parameters and no generator: a call with the right number of arguments needs no binding.
    pub const SIMPLE: u32 = 1;
    /// Positional parameters, no `*args`, `**kwargs` or keyword-only ones (defaults may fill in).
    pub const POSITIONAL: u32 = 2;
    pub const GENERATOR: u32 = 4;

    /// The `call_key` of code that a call with `n` positional arguments enters without any binding.
    #[inline(always)]
    pub const fn simple_key(n: usize) -> u64 {
        ((Code::SIMPLE | Code::POSITIONAL) as u64) << 32 | n as u64
    }

    /// A code object of these parts. It is published: code is shared from the start, and only collected.
    pub fn new(t: &Thread, head: CodeHead, parts: CodeParts) -> Obj {
        let first = parts.instrs.as_ptr();
        let body = CodeBody::new(head, OnceLock::from(Box::new(parts)), None);
        let o = Self::with_body(t, body, first);
        if let Some(c) = Code::of(o.value()) {
            c.make_ready();
        }
        o
    }

    /// A code object whose parts `source` makes when they are first needed.
    ///
    /// # Safety
    /// `first` points to its instructions, and stays; what `source` gives and keeps may be used by any thread.
    pub unsafe fn new_lazy(
        t: &Thread,
        head: CodeHead,
        first: *const AtomicU64,
        source: Box<Source>,
    ) -> Obj {
        let body = CodeBody::new(head, OnceLock::new(), Some(source));
        Self::with_body(t, body, first)
    }

    fn with_body(t: &Thread, body: CodeBody, first: *const AtomicU64) -> Obj {
        const CO_VARARGS: u32 = 4;
        const CO_VARKEYWORDS: u32 = 8;
        const CO_GENERATORS: u32 = 32 | 128 | 512;
        let mut call_flags = 0;
        if body.kwonly == 0 && body.flags & (CO_VARARGS | CO_VARKEYWORDS) == 0 {
            call_flags |= Code::SIMPLE | Code::POSITIONAL;
        }
        if body.flags & CO_GENERATORS != 0 {
            call_flags |= Code::GENERATOR;
        }
        // SAFETY: every field that zero does not suit is written before anything else happens.
        let o = unsafe {
            let p = t.alloc(&CODE.head, size_of::<Code>()) as *mut Code;
            (*p).nregs = body.nregs.max(body.nlocals) as u32;
            (*p).nlocals = body.nlocals as u32;
            (*p).argcount = body.argcount as u32;
            (*p).call_flags = call_flags;
            (*p).flags = body.flags;
            (*p).call_key = AtomicU64::new(NOT_READY);
            (*p).first = first;
            (*p).body = Box::into_raw(Box::new(body));
            Obj::from_raw(Value::from_ptr(p as *const Header))
        };
        weft_gc::share(t, o.value());
        o
    }

    /// Makes sure that the parts are there: to be called before a frame for this code is made.
    #[inline(always)]
    pub fn ready(&self) {
        if self.call_key() == NOT_READY {
            self.make_ready();
        }
    }

    /// Any number of threads may be here; all of them store the same.
    #[cold]
    #[inline(never)]
    fn make_ready(&self) {
        let parts = self.parts();
        self.consts.store(parts.consts.as_ptr().cast_mut(), Relaxed);
        self.caches.store(parts.caches.as_ptr().cast_mut(), Relaxed);
        let names = parts.cache_names.as_ptr().cast_mut();
        self.cache_names.store(names, Relaxed);
        let op = crate::monitor::plain_word(self, 0) as u8;
        self.first_op.store(op, Relaxed);
        crate::monitor::add(self);
        let key = (self.call_flags as u64) << 32 | self.argcount as u64;
        // Release: who sees it sees the others.
        self.call_key.store(key, Release);
    }

    /// Equal to a [`Code::simple_key`] only where the parts are there.
    #[inline(always)]
    pub fn call_key(&self) -> u64 {
        self.call_key.load(Acquire)
    }
    #[inline(always)]
    pub fn consts(&self) -> *const Value {
        self.consts.load(Relaxed)
    }
    #[inline(always)]
    pub fn caches(&self) -> *const AtomicU64 {
        self.caches.load(Relaxed)
    }
    #[inline(always)]
    pub fn cache_names(&self) -> *const Value {
        self.cache_names.load(Relaxed)
    }

    /// The parts, made now if they are not there yet.
    #[inline(always)]
    pub fn parts(&self) -> &CodeParts {
        self.body()
    }

    /// What a function of this code has as `__doc__`: the first constant, if it is a docstring.
    pub fn docstring(&self) -> Value {
        const CO_HAS_DOCSTRING: u32 = 0x400_0000;
        if self.flags & CO_HAS_DOCSTRING == 0 {
            return Value::NONE;
        }
        self.parts().consts.first().copied().unwrap_or(Value::NONE)
    }

    /// The code object, if `v` is one.
    pub fn of<'a>(v: Value) -> Option<&'a Code> {
        crate::cast_exact(v, &CODE)
    }

    #[inline(always)]
    pub fn body(&self) -> &CodeBody {
        // SAFETY: set when the object was made, freed with it.
        unsafe { &*self.body }
    }

    /// The table of what its instructions report, if there is one.
    #[inline(always)]
    pub fn sites(&self) -> Option<&Sites> {
        // SAFETY: set once, freed with the code object.
        unsafe { self.sites.load(Acquire).as_ref() }
    }

    /// Gives it its table. Under the lock of [`crate::monitor`], and once.
    pub fn set_sites(&self, sites: Box<Sites>) {
        debug_assert!(self.sites().is_none());
        self.sites.store(Box::into_raw(sites), Release);
    }

    /// A constant that may be copied into registers without counting: takes over the reference, which the code object then owns.
    pub fn constant(t: &Thread, o: Obj) -> Value {
        let v = o.into_value();
        if !v.is_ptr() {
            return v;
        }
        // SAFETY: just owned.
        let h = unsafe { v.header() };
        if h.is_local(t) {
            if cfg!(feature = "gil") {
                h.make_immortal();
            } else {
                publish(t, h);
            }
        }
        Value::uncounted(v.ptr())
    }

    /// Source position of instruction `i`.
    pub fn position(&self, i: usize) -> Position {
        self.parts()
            .positions
            .get()
            .get(i)
            .copied()
            .unwrap_or_default()
    }

    pub fn line(&self, i: usize) -> u32 {
        match self.position(i).line {
            0 => {
                let all = self.parts().positions.get();
                let n = i.min(self.parts().instrs.len());
                let before = all[..n.min(all.len())].iter().rev();
                before
                    .map(|p| p.line)
                    .find(|line| *line != 0)
                    .unwrap_or(self.body().first_line)
            }
            n => n,
        }
    }

    /// The line of the instruction before this one, if it is one of the code's: for handlers of signals, at any time.
    pub fn line_at(&self, pc: *const AtomicU64) -> Option<u32> {
        let parts = self.body().made()?;
        let i = (pc as usize).checked_sub(parts.instrs.as_ptr() as usize)? / 8;
        if i > parts.instrs.len() {
            return None;
        }
        parts.positions.line_near(i.saturating_sub(1))
    }

    /// The line in which it begins: that of the definition. A module begins nowhere.
    pub fn start_line(&self) -> u32 {
        let name = Str::of(self.body().name.value());
        if name.is_some_and(|s| s.as_bytes() == b"<module>") {
            0
        } else {
            self.body().first_line
        }
    }

    /// The number of instruction `i` as Python sees it: they are even, and 0 stands for the beginning of the function. A line without
    /// code (see [`Code::marks`]) has the odd number before its instruction's.
    pub fn offset(i: usize) -> i64 {
        i as i64 * 2 + 2
    }

    /// The instruction that has this number, or that the mark with it stands before.
    pub fn at_offset(offset: i32) -> Option<usize> {
        usize::try_from(offset - 1).ok().map(|n| n / 2)
    }

    /// Lines without code that are passed before an instruction: its number, and the line.
    pub fn marks(&self) -> impl Iterator<Item = (usize, u32)> {
        let body = self.body();
        let all = body.positions.get();
        let marks = all.get(body.instrs.len()..).unwrap_or(&[]);
        marks.iter().map(|p| (p.end_line as usize, p.line))
    }

    /// Number of parameters, `*args` and `**kwargs` included.
    pub fn param_count(&self) -> usize {
        let b = self.body();
        b.argcount as usize
            + b.kwonly as usize
            + usize::from(b.flags & 4 != 0)
            + usize::from(b.flags & 8 != 0)
    }

    pub fn free_count(&self) -> usize {
        self.parts()
            .locals
            .iter()
            .filter(|(_, k)| *k == LOCAL_FREE)
            .count()
    }
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a code object.
    let b = unsafe { (*(h as *const Code)).body() };
    f(b.name.value());
    f(b.qualname.value());
    f(b.filename.value());
    if let Some(parts) = b.parts.get() {
        parts.locals.iter().for_each(|(o, _)| f(o.value()));
        parts.consts.iter().for_each(|v| f(v.bare()));
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying code object; nobody uses its parts any more.
    unsafe {
        let c = h as *mut Code;
        crate::monitor::forget(&*c);
        let sites = (*c).sites.load(Acquire);
        if !sites.is_null() {
            drop(Box::from_raw(sites));
        }
        let body = Box::from_raw((*c).body);
        for v in body.parts.get().iter().flat_map(|p| p.consts.iter()) {
            t.drop_value(v.bare());
        }
    }
}

fn names_tuple(t: &Thread, v: Value, want: impl Fn(usize, u8) -> bool) -> Res {
    let Some(c) = Code::of(v) else {
        return Ok(Value::NONE);
    };
    let n: Vec<Value> = c
        .parts()
        .locals
        .iter()
        .enumerate()
        .filter(|(i, (_, k))| want(*i, *k))
        .map(|(_, (o, _))| o.value())
        .collect();
    Ok(Tuple::from_slice(t, &n).into())
}

macro_rules! field {
    ($name:literal, $f:expr) => {
        GetSetDef::ro($name, |t, v| match Code::of(v) {
            Some(c) => {
                let f: fn(&mut Thread, &Code) -> Res = $f;
                f(t, c)
            }
            None => Ok(Value::NONE),
        })
    };
}

fn code_repr(t: &mut Thread, v: Value) -> Res {
    let Some(c) = Code::of(v) else {
        return Ok(Value::NONE);
    };
    let b = c.body();
    let text = |o: &Obj| Str::of(o.value()).map_or(String::new(), |s| s.to_string_lossy());
    let s = format!(
        "<code object {} at {:#x}, file \"{}\", line {}>",
        text(&b.name),
        proto::address(v),
        text(&b.filename),
        b.first_line
    );
    Ok(Str::new(t, &s).into())
}

/// Whether two constants are the same for code: equal, of the same type all through, and with the same sign of zero.
fn same_const(t: &mut Thread, a: Value, b: Value) -> Res<bool> {
    if a.bare() == b.bare() {
        return Ok(true);
    }
    if !type_of(a).is(type_of(b)) {
        return Ok(false);
    }
    if let (Some(x), Some(y)) = (Tuple::exact(a), Tuple::exact(b)) {
        let (x, y) = (x.to_vec(t), y.to_vec(t));
        if x.len() != y.len() {
            return Ok(false);
        }
        for (x, y) in x.iter().zip(&y) {
            if !same_const(t, x.value(), y.value())? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    let bits = |v: Value| crate::float::as_f64(v).map(f64::to_bits);
    if let (Some(x), Some(y)) = (bits(a), bits(b)) {
        return Ok(x == y);
    }
    if let (Some(x), Some(y)) = (crate::complex::of(a), crate::complex::of(b)) {
        let bits = |c: (f64, f64)| (c.0.to_bits(), c.1.to_bits());
        return Ok(bits(x) == bits(y));
    }
    proto::eq(t, a, b)
}

/// Whether they were compiled from the same text at the same place; the file's name does not matter.
fn same_code(t: &mut Thread, a: &Code, b: &Code) -> Res<bool> {
    let (x, y) = (a.body(), b.body());
    let head = |c: &CodeBody| {
        let counts = (c.argcount, c.posonly, c.kwonly, c.nlocals, c.nregs);
        (counts, c.flags, c.first_line, c.instrs.len())
    };
    let (p, q) = (a.parts(), b.parts());
    let words = |c: &Code, i: usize| crate::monitor::plain_word(c, i);
    let handler = |h: &Handler| (h.start, h.end, h.target, h.depth);
    let same = head(x) == head(y)
        && p.names == q.names
        && p.cache_names == q.cache_names
        && p.positions.get() == q.positions.get()
        && p.handlers
            .iter()
            .map(handler)
            .eq(q.handlers.iter().map(handler))
        && (0..p.instrs.len()).all(|i| words(a, i) == words(b, i))
        && p.consts.len() == q.consts.len();
    if !same || !proto::eq(t, x.name.value(), y.name.value())? {
        return Ok(false);
    }
    let locals = p.locals.iter().zip(&q.locals);
    if locals
        .into_iter()
        .any(|(l, r)| l.0.value().bare() != r.0.value().bare() || l.1 != r.1)
    {
        return Ok(false);
    }
    for (x, y) in p.consts.iter().zip(&q.consts) {
        if !same_const(t, *x, *y)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn code_compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    match (Code::of(a), Code::of(b), op) {
        (Some(x), Some(y), CmpOp::Eq | CmpOp::Ne) => {
            let _guard = t.enter_recursive(" in comparison")?;
            let same = a.bare() == b.bare() || same_code(t, x, y)?;
            Ok(Value::bool(same == (op == CmpOp::Eq)))
        }
        _ => Ok(Value::NOT_IMPLEMENTED),
    }
}

fn code_hash(t: &mut Thread, v: Value) -> Res<i64> {
    let Some(c) = Code::of(v) else {
        return Ok(0);
    };
    let b = c.body();
    let words = (0..b.instrs.len()).map(|i| crate::monitor::plain_word(c, i));
    let mut hash = proto::hash(t, b.name.value())? as u64;
    for word in words.chain([u64::from(b.first_line), u64::from(b.flags)]) {
        hash = (hash ^ word)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(17);
    }
    Ok((hash >> 1) as i64)
}

/// `-X no_debug_ranges`: only the lines of instructions are known.
pub static LINES_ONLY: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

fn co_positions(t: &mut Thread, a: &[Value]) -> Res {
    let Some(c) = Code::of(a[0]) else {
        return Ok(Value::NONE);
    };
    let opt = |n: u32| {
        if n == 0 {
            Value::NONE
        } else {
            Value::int(n as i64)
        }
    };
    let start = Position {
        line: c.body().first_line,
        end_line: c.body().first_line,
        ..Position::default()
    };
    let all = c.parts().positions.get().iter().take(c.body().instrs.len());
    let items: Vec<Obj> = std::iter::once(&start)
        .chain(all)
        .map(|p| {
            let (x, y) = if p.line == 0 || LINES_ONLY.load(Relaxed) {
                (Value::NONE, Value::NONE)
            } else {
                (Value::int(p.col as i64), Value::int(p.end_col as i64))
            };
            Tuple::from_slice(t, &[opt(p.line), opt(p.end_line), x, y])
        })
        .collect();
    let l = List::from_vec(t, items);
    proto::iter(t, l.value()).map(Obj::into_value)
}

fn co_lines(t: &mut Thread, a: &[Value]) -> Res {
    let Some(c) = Code::of(a[0]) else {
        return Ok(Value::NONE);
    };
    let n = c.body().instrs.len();
    // Where a line begins, and which: the start, then the instructions and what is marked.
    let mut stretches = vec![(0, c.start_line())];
    let mut marks = c.marks().peekable();
    for i in 0..n {
        if let Some((_, line)) = marks.next_if(|m| m.0 == i) {
            stretches.push((Code::offset(i) - 1, line));
        }
        let line = c.position(i).line;
        if stretches.last().is_none_or(|s| s.1 != line) {
            stretches.push((Code::offset(i), line));
        }
    }
    let ends = stretches.iter().skip(1).map(|s| s.0);
    let ends = ends.chain(std::iter::once(Code::offset(n)));
    let items = stretches.iter().zip(ends).map(|((start, line), end)| {
        let line = if *line == 0 && *start != 0 {
            Value::NONE
        } else {
            Value::int(i64::from(*line))
        };
        Tuple::from_slice(t, &[Value::int(*start), Value::int(end), line])
    });
    let items: Vec<Obj> = items.collect();
    let l = List::from_vec(t, items);
    proto::iter(t, l.value()).map(Obj::into_value)
}

/// Where the branches of a code object lead (the interpreter's business): number of the instruction, of what follows and of the
/// target.
type BranchesHook = fn(&Code) -> Vec<[usize; 3]>;
static BRANCHES: std::sync::OnceLock<BranchesHook> = std::sync::OnceLock::new();

/// What tells `co_branches()`.
pub fn set_branches_hook(f: BranchesHook) {
    let _ = BRANCHES.set(f);
}

fn co_branches(t: &mut Thread, a: &[Value]) -> Res {
    let all = match (Code::of(a[0]), BRANCHES.get()) {
        (Some(c), Some(f)) => f(c),
        _ => Vec::new(),
    };
    let triple = |x: &[usize; 3]| {
        let offsets = x.map(|i| Value::int(Code::offset(i)));
        Tuple::from_slice(t, &offsets)
    };
    let l = List::from_vec(t, all.iter().map(triple).collect());
    proto::iter(t, l.value()).map(Obj::into_value)
}

fn co_code(t: &mut Thread, c: &Code) -> Res {
    let bytes: Vec<u8> = (0..c.body().instrs.len())
        .flat_map(|i| crate::monitor::plain_word(c, i).to_le_bytes())
        .collect();
    Ok(crate::bytes::Bytes::new(t, &bytes).into())
}

/// A tuple of so many items.
fn same_size<'a>(v: Value, n: usize) -> Option<&'a Tuple> {
    Tuple::exact(v).filter(|x| x.len() == n)
}

/// Lets a replacement pass that changes nothing.
fn unchanged(t: &mut Thread, code: Value, key: &str, new: Value) -> Res<()> {
    let old = match proto::get_attr_opt(t, code, Str::intern_bytes(t, key.as_bytes()))? {
        Some(old) if key.starts_with("co_") => old,
        _ => {
            let msg = format!("replace() got an unexpected keyword argument '{key}'");
            return Err(t.type_error(msg));
        }
    };
    if proto::eq(t, old.value(), new)? {
        return Ok(());
    }
    Err(t.value_error(format!("code.replace(): '{key}' cannot be replaced")))
}

/// Tells the hooks that code is made of other code, with what the new one has of these.
#[cold]
fn tell_new(t: &mut Thread, code: &Obj) -> Res<()> {
    let names = "co_code co_filename co_name co_argcount co_posonlyargcount co_kwonlyargcount co_nlocals co_stacksize co_flags";
    let mut told = Vec::new();
    for name in names.split(' ') {
        told.push(proto::get_attr(
            t,
            code.value(),
            crate::names::get(t, name),
        )?);
    }
    let told: Vec<Value> = told.iter().map(Obj::value).collect();
    crate::audit::tell(t, "code.__new__", &told)
}

fn replace(t: &mut Thread, a: &[Value]) -> Res {
    let Some(c) = Code::of(a[0]) else {
        return Ok(Value::NONE);
    };
    let b = c.body();
    let p = c.parts();
    let mut head = CodeHead {
        name: b.name.clone(),
        qualname: b.qualname.clone(),
        filename: b.filename.clone(),
        first_line: b.first_line,
        argcount: b.argcount,
        posonly: b.posonly,
        kwonly: b.kwonly,
        flags: b.flags,
        nlocals: b.nlocals,
        nregs: b.nregs,
    };
    let mut parts = CodeParts {
        locals: p.locals.clone(),
        instrs: (0..p.instrs.len())
            .map(|i| crate::monitor::plain_word(c, i))
            .collect(),
        consts: p
            .consts
            .iter()
            .map(|v| Code::constant(t, Obj::new(t, *v)))
            .collect(),
        names: p.names.clone(),
        caches: p.caches.iter().map(|_| AtomicU64::new(0)).collect(),
        cache_names: p.cache_names.clone(),
        handlers: p.handlers.clone(),
        positions: p.positions.clone(),
    };
    for (k, v) in Dict::exact(a[1]).map(|d| d.items(t)).unwrap_or_default() {
        let key = Str::of(k.value()).map_or(String::new(), |s| s.to_string_lossy());
        match key.as_str() {
            "co_name" => head.name = v,
            "co_qualname" => head.qualname = v,
            "co_filename" => head.filename = v,
            "co_firstlineno" => head.first_line = proto::index_i64(t, v.value())? as u32,
            "co_flags" => head.flags = proto::index_i64(t, v.value())? as u32,
            "co_consts" => {
                if let Some(items) = same_size(v.value(), p.consts.len()) {
                    let items = items.to_vec(t).into_iter();
                    parts.consts = items.map(|o| Code::constant(t, o)).collect();
                } else {
                    unchanged(t, a[0], &key, v.value())?;
                }
            }
            _ => unchanged(t, a[0], &key, v.value())?,
        }
    }
    let new = Code::new(t, head, parts);
    if crate::audit::wanted() {
        tell_new(t, &new)?;
    }
    Ok(new.into())
}

/// `code`
pub static CODE: Type = Type::builtin(
    "code",
    size_of::<Code>(),
    &Spec {
        repr: Some(code_repr),
        hash: Some(code_hash),
        compare: Some(code_compare),
        methods: &[
            NativeDef::new("co_positions", "($self, /)", co_positions),
            NativeDef::new("co_lines", "($self, /)", co_lines),
            NativeDef::new("co_branches", "($self, /)", co_branches),
            NativeDef::new("replace", "($self, /, **changes)", replace),
            NativeDef::new("__replace__", "($self, /, **changes)", replace),
        ],
        getset: &[
            field!("co_name", |t, c| Ok(to_reg(t, c.body().name.value()))),
            field!("co_qualname", |t, c| Ok(to_reg(
                t,
                c.body().qualname.value()
            ))),
            field!("co_filename", |t, c| Ok(to_reg(
                t,
                c.body().filename.value()
            ))),
            field!("co_firstlineno", |_, c| Ok(Value::int(
                c.body().first_line as i64
            ))),
            field!("co_argcount", |_, c| Ok(Value::int(
                c.body().argcount as i64
            ))),
            field!("co_posonlyargcount", |_, c| Ok(Value::int(
                c.body().posonly as i64
            ))),
            field!("co_kwonlyargcount", |_, c| Ok(Value::int(
                c.body().kwonly as i64
            ))),
            field!("co_flags", |_, c| Ok(Value::int(c.body().flags as i64))),
            field!("co_nlocals", |_, c| {
                Ok(Value::int(
                    c.parts()
                        .locals
                        .iter()
                        .filter(|(_, k)| *k != LOCAL_FREE)
                        .count() as i64,
                ))
            }),
            field!("co_stacksize", |_, c| Ok(Value::int(
                (c.nregs - c.nlocals) as i64
            ))),
            field!("co_code", co_code),
            field!("_co_code_adaptive", co_code),
            field!("co_consts", |t, c| Ok(Tuple::from_slice(
                t,
                &c.parts().consts
            )
            .into())),
            field!("co_names", |t, c| Ok(Tuple::from_slice(
                t,
                &c.parts().names
            )
            .into())),
            field!("co_linetable", |t, _| Ok(
                crate::bytes::Bytes::new(t, b"").into()
            )),
            field!("co_exceptiontable", |t, _| Ok(crate::bytes::Bytes::new(
                t, b""
            )
            .into())),
            field!("co_lnotab", |t, _| Ok(
                crate::bytes::Bytes::new(t, b"").into()
            )),
            GetSetDef::ro("co_varnames", |t, v| {
                let params = Code::of(v).map_or(0, |c| c.param_count());
                names_tuple(t, v, |i, k| {
                    k == LOCAL_FAST || k == LOCAL_CELL && i < params
                })
            }),
            GetSetDef::ro("co_cellvars", |t, v| {
                names_tuple(t, v, |_, k| k == LOCAL_CELL)
            }),
            GetSetDef::ro("co_freevars", |t, v| {
                names_tuple(t, v, |_, k| k == LOCAL_FREE)
            }),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.gc_flags(TypeFlags::COLLECTED)
.final_()
.no_new();
