//! `Context`, and which one is current.
//!
//! A context's fields are words of their own, each read and written as a whole: threads that share one see each other's changes, and
//! flags are only ever added by operations.

use super::num::status;
use super::num::{Ctx, MAX_EMAX, MAX_PREC, MIN_EMIN, Round};
use super::signals::{self, SignalDict, Words};
use crate::_contextvars as vars;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering::Relaxed};
use weft_objects::cell::own;
use weft_objects::prelude::*;
use weft_objects::runtime::Global;
use weft_objects::types::alloc_instance;

/// `decimal.Context`
#[repr(C)]
pub struct Context {
    header: Header,
    prec: AtomicI64,
    emax: AtomicI64,
    emin: AtomicI64,
    round: AtomicU8,
    clamp: AtomicBool,
    capitals: AtomicBool,
    /// A reference, which never changes.
    words: *const Words,
    /// The mappings, once somebody has asked for them.
    flags: Slot,
    traps: Slot,
}

// SAFETY: the pointer owns a reference and never changes; the rest are atomics.
unsafe impl Sync for Context {}

const DEFAULT_TRAPS: u32 = status::INVALID | status::DIVISION_BY_ZERO | status::OVERFLOW;

impl Context {
    pub fn of<'a>(v: Value) -> Option<&'a Context> {
        cast(v, &CONTEXT)
    }

    pub fn this<'a>(v: Value) -> &'a Context {
        // SAFETY: slots and methods of CONTEXT get its instances alone.
        unsafe { &*(v.ptr() as *const Context) }
    }

    /// A new context with these rules.
    fn make(t: &Thread, cls: &Type, rules: &Ctx, capitals: bool, traps: u32) -> Obj {
        let p = alloc_instance(t, cls) as *mut Context;
        let words = Words::default();
        words.flags.store(rules.status, Relaxed);
        words.traps.store(traps, Relaxed);
        // SAFETY: a new instance of CONTEXT or a subclass.
        unsafe {
            (&raw mut (*p).prec).write(AtomicI64::new(rules.prec));
            (&raw mut (*p).emax).write(AtomicI64::new(rules.emax));
            (&raw mut (*p).emin).write(AtomicI64::new(rules.emin));
            (&raw mut (*p).round).write(AtomicU8::new(rules.round as u8));
            (&raw mut (*p).clamp).write(AtomicBool::new(rules.clamp));
            (&raw mut (*p).capitals).write(AtomicBool::new(capitals));
            (&raw mut (*p).words).write(Arc::into_raw(Arc::new(words)));
            Obj::from_raw(Value::from_ptr(p as *const Header))
        }
    }

    /// Forgets all flags, or all traps.
    pub fn clear(&self, traps: bool) {
        let words = self.words();
        let word = if traps { &words.traps } else { &words.flags };
        word.store(0, Relaxed);
    }

    pub fn copy(&self, t: &Thread) -> Obj {
        let mut rules = self.rules();
        rules.status = self.words().flags.load(Relaxed);
        let traps = self.words().traps.load(Relaxed);
        Context::make(t, &CONTEXT, &rules, self.capitals(), traps)
    }

    fn words(&self) -> &Words {
        // SAFETY: owned by this object.
        unsafe { &*self.words }
    }

    /// The rules, with nothing signalled.
    #[inline]
    pub fn rules(&self) -> Ctx {
        Ctx {
            prec: self.prec.load(Relaxed),
            emax: self.emax.load(Relaxed),
            emin: self.emin.load(Relaxed),
            round: Round::ALL[usize::from(self.round.load(Relaxed)) & 7].0,
            clamp: self.clamp.load(Relaxed),
            status: 0,
        }
    }

    pub fn capitals(&self) -> bool {
        self.capitals.load(Relaxed)
    }

    /// Takes note of what an operation has signalled.
    ///
    /// # Errors
    /// The exception, if it is trapped.
    #[inline]
    pub fn signal(&self, t: &Thread, bits: u32) -> Res<()> {
        if bits == 0 {
            return Ok(());
        }
        self.signal_some(t, bits)
    }

    /// Takes note of a signal that is not raised.
    pub fn note(&self, bits: u32) {
        self.words().flags.fetch_or(bits, Relaxed);
    }

    fn signal_some(&self, t: &Thread, bits: u32) -> Res<()> {
        let words = self.words();
        if words.flags.load(Relaxed) & bits != bits {
            words.flags.fetch_or(bits & !status::NO_MEMORY, Relaxed);
        }
        let trapped = bits & (words.traps.load(Relaxed) | status::NO_MEMORY);
        if trapped != 0 {
            return Err(signals::raise(t, trapped));
        }
        Ok(())
    }

    /// The mapping in a slot, made on first use.
    fn mapping(&self, t: &Thread, traps: bool) -> Obj {
        let slot = if traps { &self.traps } else { &self.flags };
        if let Some(o) = own(t, slot) {
            return o;
        }
        // SAFETY: the reference that this object owns; a further one is taken.
        let words = unsafe {
            Arc::increment_strong_count(self.words);
            Arc::from_raw(self.words)
        };
        let made = SignalDict::make(t, &words, traps);
        slot.set(t, &self.header, made.clone().into());
        made
    }
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: called with objects of this type alone.
    let c = unsafe { &*(h as *const Context) };
    f(c.flags.get());
    f(c.traps.get());
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying context, whose references are given up once.
    unsafe {
        let c = &mut *(h as *mut Context);
        t.drop_value(c.flags.take_local());
        t.drop_value(c.traps.take_local());
        let words = std::mem::replace(&mut c.words, std::ptr::null());
        if !words.is_null() {
            (*words).gone.store(true, Relaxed);
            drop(Arc::from_raw(words));
        }
    }
}

// --- the current one ---

static VAR: Global = Global::new();
static DEFAULT: Global = Global::new();
static BASIC: Global = Global::new();
static EXTENDED: Global = Global::new();

/// The context of the running code, made if it has none.
#[inline]
pub fn current(t: &mut Thread) -> Res<Obj> {
    if let Some(var) = VAR.get()
        && let Some(c) = vars::get_var(t, var)?
    {
        return Ok(c);
    }
    first(t)
}

#[cold]
fn first(t: &mut Thread) -> Res<Obj> {
    let c = template(t);
    c.words().flags.store(0, Relaxed);
    let c = Obj::own(Value::from_ptr(&raw const c.header));
    set_current(t, c.value())?;
    Ok(c)
}

/// A copy of the template for new contexts; the reference is the caller's.
fn template<'a>(t: &Thread) -> &'a Context {
    let made = match DEFAULT.get() {
        Some(v) => Context::this(v).copy(t),
        None => Context::make(
            t,
            &CONTEXT,
            &rules(28, Round::HalfEven),
            true,
            DEFAULT_TRAPS,
        ),
    };
    Context::this(made.into_value())
}

fn set_current(t: &mut Thread, v: Value) -> Res<()> {
    match VAR.get() {
        Some(var) => vars::set_var(t, var, v).map(drop),
        None => Ok(()),
    }
}

/// The context in an optional argument, or the current one.
#[inline]
pub fn given(t: &mut Thread, v: Value) -> Res<Obj> {
    if v.is_null() || v.is_none() {
        return current(t);
    }
    if Context::of(v).is_none() {
        return Err(t.type_error("optional argument must be a context".into()));
    }
    Ok(Obj::new(t, v))
}

pub fn getcontext(t: &mut Thread, _a: &[Value]) -> Res {
    current(t).map(Obj::into_value)
}

pub fn setcontext(t: &mut Thread, a: &[Value]) -> Res {
    let Some(c) = Context::of(a[0]) else {
        return Err(t.type_error("argument must be a context".into()));
    };
    let is_template = [&DEFAULT, &BASIC, &EXTENDED]
        .into_iter()
        .any(|g| g.get().is_some_and(|v| v.same(a[0])));
    if is_template {
        let copy = c.copy(t);
        Context::this(copy.value()).words().flags.store(0, Relaxed);
        set_current(t, copy.value())?;
    } else {
        set_current(t, a[0])?;
    }
    Ok(Value::NONE)
}

/// `localcontext(ctx=None, **kwargs)`
pub fn localcontext(t: &mut Thread, a: &[Value]) -> Res {
    let global = current(t)?;
    let local = given(t, a[0])?;
    let local = Context::this(local.value()).copy(t);
    if let Some(d) = Dict::of(a[1]) {
        for (name, v) in d.items(t) {
            let name = Str::this(name.value()).to_string_lossy();
            let Some(set) = FIELDS.iter().find(|f| f.0 == name) else {
                return Err(t.type_error(format!(
                    "localcontext() got an unexpected keyword argument '{name}'"
                )));
            };
            if !v.value().is_none() {
                (set.1)(t, local.value(), v.value())?;
            }
        }
    }
    // SAFETY: the layout of the manager.
    let (o, m) = unsafe { weft_objects::cell::fresh::<Manager>(t, &MANAGER) };
    m.local.init(t, &m.header, local.into());
    m.global.init(t, &m.header, global.into());
    Ok(o.into())
}

/// What `localcontext` gives.
#[repr(C)]
struct Manager {
    header: Header,
    local: Slot,
    global: Slot,
}

weft_objects::gc_slots!(Manager, traverse_manager, clear_manager, local, global);

fn enter(t: &mut Thread, a: &[Value]) -> Res {
    // SAFETY: a method of MANAGER.
    let m = unsafe { &*(a[0].ptr() as *const Manager) };
    let c = own(t, &m.local).unwrap_or_else(crate::support::none);
    set_current(t, c.value())?;
    Ok(c.into())
}

fn exit(t: &mut Thread, a: &[Value]) -> Res {
    // SAFETY: a method of MANAGER.
    let m = unsafe { &*(a[0].ptr() as *const Manager) };
    let c = own(t, &m.global).unwrap_or_else(crate::support::none);
    setcontext(t, &[c.value()])?;
    Ok(Value::FALSE)
}

pub static MANAGER: Type = Type::builtin(
    "ContextManager",
    size_of::<Manager>(),
    &Spec {
        methods: &[
            NativeDef::new("__enter__", "($self, /)", enter),
            NativeDef::new("__exit__", "($self, /, *args)", exit),
        ],
        ..Spec::EMPTY
    },
)
.module("decimal")
.gc(traverse_manager, clear_manager)
.final_()
.no_new();

// --- fields ---

type SetFn = fn(&mut Thread, Value, Value) -> Res<()>;

const FIELDS: [(&str, SetFn); 8] = [
    ("prec", set_prec),
    ("rounding", set_rounding),
    ("Emin", set_emin),
    ("Emax", set_emax),
    ("capitals", set_capitals),
    ("clamp", set_clamp),
    ("flags", |t, v, x| set_words(t, v, x, false, true)),
    ("traps", |t, v, x| set_words(t, v, x, true, true)),
];

fn size(t: &mut Thread, v: Value) -> Res<i64> {
    if v.is_null() {
        return Err(t.raise(
            &errors::ATTRIBUTE_ERROR,
            "context attributes cannot be deleted",
        ));
    }
    if !weft_objects::int::is_int(v) {
        return Err(t.type_error("argument must be an integer".into()));
    }
    match weft_objects::int::as_i64(v) {
        Some(n) => Ok(n),
        None => Err(t.overflow_error("Python int too large to convert to C ssize_t")),
    }
}

fn within(t: &mut Thread, v: Value, low: i64, high: i64, message: &str) -> Res<i64> {
    let n = size(t, v)?;
    match (low..=high).contains(&n) {
        true => Ok(n),
        false => Err(t.value_error(message)),
    }
}

fn set_prec(t: &mut Thread, v: Value, x: Value) -> Res<()> {
    let n = within(t, x, 1, MAX_PREC, "valid range for prec is [1, MAX_PREC]")?;
    Context::this(v).prec.store(n, Relaxed);
    Ok(())
}

fn set_emin(t: &mut Thread, v: Value, x: Value) -> Res<()> {
    let n = within(t, x, MIN_EMIN, 0, "valid range for Emin is [MIN_EMIN, 0]")?;
    Context::this(v).emin.store(n, Relaxed);
    Ok(())
}

fn set_emax(t: &mut Thread, v: Value, x: Value) -> Res<()> {
    let n = within(t, x, 0, MAX_EMAX, "valid range for Emax is [0, MAX_EMAX]")?;
    Context::this(v).emax.store(n, Relaxed);
    Ok(())
}

fn set_capitals(t: &mut Thread, v: Value, x: Value) -> Res<()> {
    let n = within(t, x, 0, 1, "valid values for capitals are 0 or 1")?;
    Context::this(v).capitals.store(n == 1, Relaxed);
    Ok(())
}

fn set_clamp(t: &mut Thread, v: Value, x: Value) -> Res<()> {
    let n = within(t, x, 0, 1, "valid values for clamp are 0 or 1")?;
    Context::this(v).clamp.store(n == 1, Relaxed);
    Ok(())
}

/// The mode that a str names.
pub fn rounding(t: &mut Thread, v: Value) -> Res<Round> {
    let found = Str::of(v).and_then(|s| Round::ALL.iter().find(|r| s.is(r.1)));
    match found {
        Some(r) => Ok(r.0),
        None => Err(t.type_error("valid values for rounding are:\n  [ROUND_CEILING, ROUND_FLOOR, ROUND_UP, ROUND_DOWN,\n   ROUND_HALF_UP, ROUND_HALF_DOWN, ROUND_HALF_EVEN,\n   ROUND_05UP]".into())),
    }
}

fn set_rounding(t: &mut Thread, v: Value, x: Value) -> Res<()> {
    if x.is_null() {
        size(t, x)?;
    }
    let r = rounding(t, x)?;
    Context::this(v).round.store(r as u8, Relaxed);
    Ok(())
}

fn set_words(t: &mut Thread, v: Value, x: Value, traps: bool, lists_too: bool) -> Res<()> {
    if x.is_null() {
        size(t, x)?;
    }
    let bits = signals::bits_from(t, x, lists_too)?;
    let words = Context::this(v).words();
    let word = if traps { &words.traps } else { &words.flags };
    word.store(bits, Relaxed);
    Ok(())
}

fn int_value(n: i64) -> Res {
    Ok(Value::int(n))
}

static GETSET: &[GetSetDef] = &[
    GetSetDef::rw(
        "prec",
        |_, v| int_value(Context::this(v).prec.load(Relaxed)),
        set_prec,
    ),
    GetSetDef::rw(
        "Emin",
        |_, v| int_value(Context::this(v).emin.load(Relaxed)),
        set_emin,
    ),
    GetSetDef::rw(
        "Emax",
        |_, v| int_value(Context::this(v).emax.load(Relaxed)),
        set_emax,
    ),
    GetSetDef::rw(
        "capitals",
        |_, v| int_value(Context::this(v).capitals().into()),
        set_capitals,
    ),
    GetSetDef::rw(
        "clamp",
        |_, v| int_value(Context::this(v).clamp.load(Relaxed).into()),
        set_clamp,
    ),
    GetSetDef::rw(
        "rounding",
        |t, v| Ok(Str::intern(t, Context::this(v).rules().round.name()).into()),
        set_rounding,
    ),
    GetSetDef::rw(
        "flags",
        |t, v| Ok(Context::this(v).mapping(t, false).into()),
        |t, v, x| set_words(t, v, x, false, false),
    ),
    GetSetDef::rw(
        "traps",
        |t, v| Ok(Context::this(v).mapping(t, true).into()),
        |t, v, x| set_words(t, v, x, true, false),
    ),
];

// --- the type ---

fn rules(prec: i64, round: Round) -> Ctx {
    Ctx {
        prec,
        emax: 999_999,
        emin: -999_999,
        round,
        clamp: false,
        status: 0,
    }
}

fn new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    let from = template(t);
    let from = Obj::own(Value::from_ptr(&raw const from.header));
    let c = Context::this(from.value());
    let traps = c.words().traps.load(Relaxed);
    let made = Context::make(t, Type::of_unchecked(cls), &c.rules(), true, traps);
    Ok(made.into())
}

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new(
        "Context",
        "(prec=None, rounding=None, Emin=None, Emax=None, capitals=None, clamp=None, flags=None, traps=None)",
    );
    let a = SIG.bind(t, args)?;
    for (x, (_, set)) in a.iter().zip(FIELDS) {
        if !x.is_null() && !x.is_none() {
            set(t, v, *x)?;
        }
    }
    Ok(())
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let c = Context::this(v);
    let r = c.rules();
    let text = format!(
        "Context(prec={}, rounding={}, Emin={}, Emax={}, capitals={}, clamp={}, flags={}, traps={})",
        r.prec,
        r.round.name(),
        r.emin,
        r.emax,
        u8::from(c.capitals()),
        u8::from(r.clamp),
        signals::names(c.words().flags.load(Relaxed)),
        signals::names(c.words().traps.load(Relaxed)),
    );
    Ok(Str::from_string(t, text).into())
}

pub fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    let c = Context::this(a[0]);
    let r = c.rules();
    let int = |n: i64| Obj::own(Value::int(n));
    let args = vec![
        int(r.prec),
        Str::intern(t, r.round.name()),
        int(r.emin),
        int(r.emax),
        int(c.capitals().into()),
        int(r.clamp.into()),
        signals::list(t, c.words().flags.load(Relaxed)),
        signals::list(t, c.words().traps.load(Relaxed)),
    ];
    let args = Tuple::from_vec(t, args);
    let class = Obj::new(t, type_of(a[0]).value());
    Ok(Tuple::pair(t, class, args).into())
}

/// `decimal.Context`
pub static CONTEXT: Type = Type::builtin(
    "Context",
    size_of::<Context>(),
    &Spec {
        new: Some(new),
        init: Some(init),
        repr: Some(repr),
        getset: GETSET,
        methods: super::context_methods::METHODS,
        ..Spec::EMPTY
    },
)
.module("decimal")
.gc(traverse, clear)
.signature("(prec=None, rounding=None, Emin=None, Emax=None, capitals=None, clamp=None, flags=None, traps=None)")
.doc("The context affects almost all operations and controls rounding,\nOver/Underflow, raising of exceptions and much more.");

/// `IEEEContext(bits)`
pub fn ieee_context(t: &mut Thread, a: &[Value]) -> Res {
    let bits = size(t, a[0])?;
    if bits <= 0 || bits > 512 || bits % 32 != 0 {
        return Err(t.value_error("argument must be a multiple of 32, with a maximum of 512"));
    }
    let emax = 3 * (1i64 << (bits / 16 + 3));
    let made = Ctx {
        prec: 9 * (bits / 32) - 2,
        emax,
        emin: 1 - emax,
        round: Round::HalfEven,
        clamp: true,
        status: 0,
    };
    Ok(Context::make(t, &CONTEXT, &made, true, 0).into())
}

/// The templates by their names; and the variable of the current context is made.
pub fn ready(t: &mut Thread) -> [(&'static str, Obj); 3] {
    CONTEXT.ready(t);
    MANAGER.ready(t);
    if VAR.get().is_none() {
        let name = Str::intern(t, "decimal_context");
        let var = vars::new_var(t, name, Value::NULL);
        VAR.set(t, var);
        let even = rules(28, Round::HalfEven);
        DEFAULT.set(t, Context::make(t, &CONTEXT, &even, true, DEFAULT_TRAPS));
        let all = DEFAULT_TRAPS | status::CLAMPED | status::UNDERFLOW;
        let basic = rules(9, Round::HalfUp);
        BASIC.set(t, Context::make(t, &CONTEXT, &basic, true, all));
        let extended = rules(9, Round::HalfEven);
        EXTENDED.set(t, Context::make(t, &CONTEXT, &extended, true, 0));
    }
    let get = |g: &Global| {
        g.get()
            .map_or_else(crate::support::none, |v| Obj::new(t, v))
    };
    [
        ("DefaultContext", get(&DEFAULT)),
        ("BasicContext", get(&BASIC)),
        ("ExtendedContext", get(&EXTENDED)),
    ]
}
