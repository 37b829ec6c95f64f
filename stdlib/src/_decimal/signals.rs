//! The exceptions, and the mappings that show a context's flags and traps.

use super::num::status::*;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;
use weft_objects::types::{TYPE, alloc_instance, type_flags};

/// A signal or condition: its exception class and bits.
pub struct Signal {
    pub name: &'static str,
    pub bits: u32,
    class: OnceLock<SharedObj>,
}

const fn signal(name: &'static str, bits: u32) -> Signal {
    Signal {
        name,
        bits,
        class: OnceLock::new(),
    }
}

/// In the order of their weight: the first that is trapped is raised.
pub static SIGNALS: [Signal; 9] = [
    signal("InvalidOperation", INVALID),
    signal("FloatOperation", FLOAT_OPERATION),
    signal("DivisionByZero", DIVISION_BY_ZERO),
    signal("Overflow", OVERFLOW),
    signal("Underflow", UNDERFLOW),
    signal("Subnormal", SUBNORMAL),
    signal("Inexact", INEXACT),
    signal("Rounded", ROUNDED),
    signal("Clamped", CLAMPED),
];

/// What InvalidOperation stands for, besides itself.
static CONDITIONS: [Signal; 4] = [
    signal("DivisionImpossible", DIVISION_IMPOSSIBLE),
    signal("DivisionUndefined", DIVISION_UNDEFINED),
    signal("ConversionSyntax", CONVERSION_SYNTAX),
    signal("InvalidContext", INVALID_CONTEXT),
];

/// The signals in the order in which reprs name them.
const SHOWN: [usize; 9] = [8, 0, 2, 6, 1, 3, 7, 5, 4];

impl Signal {
    pub fn class(&self, t: &Thread) -> Obj {
        match self.class.get() {
            Some(class) => class.get(t),
            None => Obj::new(t, errors::ARITHMETIC_ERROR.value()),
        }
    }
}

/// The names of the signals whose bits are set.
pub fn names(bits: u32) -> String {
    let set = SHOWN
        .iter()
        .map(|i| &SIGNALS[*i])
        .filter(|s| s.bits & bits != 0);
    let names: Vec<&str> = set.map(|s| s.name).collect();
    format!("[{}]", names.join(", "))
}

/// A list of the classes of the signals whose bits are set.
pub fn list(t: &Thread, bits: u32) -> Obj {
    let set = SIGNALS.iter().filter(|s| s.bits & bits != 0);
    let classes = set.map(|s| s.class(t)).collect();
    List::from_vec(t, classes)
}

/// Raises the weightiest of these.
#[cold]
pub fn raise(t: &Thread, bits: u32) -> Raised {
    if bits & NO_MEMORY != 0 {
        return t.memory_error();
    }
    let mut classes: Vec<Obj> = Vec::new();
    for s in CONDITIONS.iter() {
        if s.bits & bits != 0 {
            classes.push(s.class(t));
        }
    }
    if bits & INVALID_OPERATION != 0 {
        classes.insert(0, SIGNALS[0].class(t));
    }
    let rest = SIGNALS[1..].iter().filter(|s| s.bits & bits != 0);
    classes.extend(rest.map(|s| s.class(t)));
    let found = SIGNALS
        .iter()
        .find(|s| s.bits & bits != 0)
        .unwrap_or(&SIGNALS[0]);
    let class = found.class(t);
    let what = List::from_vec(t, classes);
    t.raise_args(Type::of_unchecked(class.value()), vec![what])
}

/// The bits of a signal's class.
pub fn bits_of(t: &Thread, class: Value) -> Res<u32> {
    let found = SIGNALS.iter().find(|s| s.class(t).value().same(class));
    match found {
        Some(s) => Ok(s.bits),
        None => {
            let text = "valid values for signals are:\n  [InvalidOperation, FloatOperation, DivisionByZero,\n   Overflow, Underflow, Subnormal, Inexact, Rounded,\n   Clamped]";
            Err(t.raise(&errors::KEY_ERROR, text))
        }
    }
}

/// The bits that a list of classes, a dict of truth values by class, or such a mapping sets.
pub fn bits_from(t: &mut Thread, v: Value, lists_too: bool) -> Res<u32> {
    if let Some(d) = SignalDict::of(v) {
        return Ok(d.word(t)?.load(Relaxed));
    }
    let mut bits = 0;
    if let Some(d) = Dict::of(v) {
        if d.len() != SIGNALS.len() {
            return Err(t.raise(&errors::KEY_ERROR, "invalid signal dict"));
        }
        for (k, x) in d.items(t) {
            let b = bits_of(t, k.value())?;
            if proto::truth(t, x.value())? {
                bits |= b;
            }
        }
        return Ok(bits);
    }
    if !lists_too || List::of(v).is_none() {
        return Err(t.type_error("argument must be a signal dict".into()));
    }
    for class in proto::to_vec(t, v)? {
        bits |= bits_of(t, class.value())?;
    }
    Ok(bits)
}

// --- the mapping ---

/// Bits of a context.
#[derive(Default)]
pub struct Words {
    /// The context is no more.
    pub gone: AtomicBool,
    pub flags: AtomicU32,
    pub traps: AtomicU32,
}

/// A view of a context's flags or traps.
#[repr(C)]
pub struct SignalDict {
    header: Header,
    /// Null if it belongs to no context. Never changes.
    words: *const Words,
    traps: bool,
}

// SAFETY: the pointer owns a reference and never changes.
unsafe impl Sync for SignalDict {}

impl SignalDict {
    pub fn of<'a>(v: Value) -> Option<&'a SignalDict> {
        cast(v, &MIXIN)
    }

    fn this<'a>(v: Value) -> &'a SignalDict {
        // SAFETY: slots and methods of MIXIN get its instances alone.
        unsafe { &*(v.ptr() as *const SignalDict) }
    }

    fn word(&self, t: &Thread) -> Res<&AtomicU32> {
        if self.words.is_null() {
            return Err(t.value_error("invalid signal dict"));
        }
        // SAFETY: owned by this object.
        let words = unsafe { &*self.words };
        if words.gone.load(Relaxed) {
            return Err(t.value_error("invalid signal dict"));
        }
        Ok(if self.traps {
            &words.traps
        } else {
            &words.flags
        })
    }

    pub fn make(t: &Thread, words: &Arc<Words>, traps: bool) -> Obj {
        let class = CLASS.get().map(|c| c.get(t));
        let class = class
            .as_ref()
            .map_or(&MIXIN, |c| Type::of_unchecked(c.value()));
        let p = alloc_instance(t, class) as *mut SignalDict;
        // SAFETY: a new instance of a subclass of MIXIN.
        unsafe {
            (&raw mut (*p).words).write(Arc::into_raw(words.clone()));
            (&raw mut (*p).traps).write(traps);
            Obj::from_raw(Value::from_ptr(p as *const Header))
        }
    }
}

unsafe fn clear(h: *mut Header, _t: &Thread) {
    // SAFETY: a dying object of this layout, whose reference is given up once.
    unsafe {
        let words = std::mem::replace(&mut (*(h as *mut SignalDict)).words, std::ptr::null());
        if !words.is_null() {
            drop(Arc::from_raw(words));
        }
    }
}

/// `SignalDict`, once the first module has been made.
static CLASS: OnceLock<SharedObj> = OnceLock::new();

fn word<'a>(t: &Thread, v: Value) -> Res<&'a AtomicU32> {
    SignalDict::this(v).word(t)
}

fn get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    let w = word(t, v)?;
    let bits = bits_of(t, key)?;
    Ok(Value::bool(w.load(Relaxed) & bits != 0))
}

fn set_item(t: &mut Thread, v: Value, key: Value, x: Value) -> Res<()> {
    let w = word(t, v)?;
    if x.is_null() {
        return Err(t.value_error("signal keys cannot be deleted"));
    }
    let bits = bits_of(t, key)?;
    if proto::truth(t, x)? {
        w.fetch_or(bits, Relaxed);
    } else {
        w.fetch_and(!bits, Relaxed);
    }
    Ok(())
}

fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let w = word(t, a)?;
    if !matches!(op, CmpOp::Eq | CmpOp::Ne) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let other = if SignalDict::of(b).is_some() {
        word(t, b)?.load(Relaxed)
    } else if Dict::of(b).is_some() {
        match bits_from(t, b, false) {
            Ok(bits) => bits,
            Err(e) if !t.exc_matches(&errors::KEY_ERROR) => return Err(e),
            Err(_) => {
                t.clear_exc();
                return Ok(Value::bool(op == CmpOp::Ne));
            }
        }
    } else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    let same = SIGNALS
        .iter()
        .all(|s| (w.load(Relaxed) & s.bits != 0) == (other & s.bits != 0));
    Ok(Value::bool(same == (op == CmpOp::Eq)))
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let bits = word(t, v)?.load(Relaxed);
    let parts = SIGNALS.iter().map(|s| {
        let set = if s.bits & bits != 0 { "True" } else { "False" };
        format!("<class 'decimal.{}'>:{set}", s.name)
    });
    let text = parts.collect::<Vec<_>>().join(", ");
    Ok(Str::from_string(t, format!("{{{text}}}")).into())
}

fn copy(t: &mut Thread, a: &[Value]) -> Res {
    let bits = word(t, a[0])?.load(Relaxed);
    let d = Dict::new(t);
    for s in &SIGNALS {
        let class = s.class(t);
        Dict::of_obj(&d).set(t, class.value(), Value::bool(bits & s.bits != 0))?;
    }
    Ok(d.into())
}

static MIXIN: Type = Type::builtin(
    "SignalDictMixin",
    size_of::<SignalDict>(),
    &Spec {
        new: Some(|t, cls, _| {
            let p = alloc_instance(t, Type::of_unchecked(cls));
            Ok(Value::from_ptr(p))
        }),
        init: Some(|_, _, _| Ok(())),
        repr: Some(repr),
        hash: Some(proto::hash_not_implemented),
        compare: Some(compare),
        len: Some(|t, v| word(t, v).map(|_| SIGNALS.len())),
        iter: Some(|t, v| {
            word(t, v)?;
            let classes = SIGNALS.iter().map(|s| s.class(t)).collect();
            let classes = Tuple::from_vec(t, classes);
            proto::iter(t, classes.value()).map(Obj::into_value)
        }),
        get_item: Some(get_item),
        set_item: Some(set_item),
        methods: &[NativeDef::new("copy", "($self, /)", copy)],
        ..Spec::EMPTY
    },
)
.module("decimal")
.flags(type_flags::MAPPING)
.clear_only(clear);

// --- making the classes ---

fn new_class(t: &mut Thread, name: &str, bases: &[Value]) -> Res<Obj> {
    let (name, module) = (Str::intern(t, name), Str::intern(t, "decimal"));
    let bases = Tuple::from_slice(t, bases);
    let ns = Dict::new(t);
    Dict::of_obj(&ns).set_str(t, weft_objects::id!(t, "__module__"), module.value());
    proto::call(t, TYPE.value(), &[name.value(), bases.value(), ns.value()])
}

/// All classes that the module shows by their names, made on first use.
pub fn classes(t: &mut Thread) -> Res<Vec<(&'static str, Obj)>> {
    static BASE: OnceLock<SharedObj> = OnceLock::new();
    if BASE.get().is_none() {
        let base = new_class(t, "DecimalException", &[errors::ARITHMETIC_ERROR.value()])?;
        make(t, base.value())?;
        BASE.get_or_init(|| SharedObj::new(t, base));
    }
    let mut out: Vec<(&str, Obj)> = Vec::new();
    if let Some(base) = BASE.get() {
        out.push(("DecimalException", base.get(t)));
    }
    for s in SIGNALS.iter().chain(&CONDITIONS) {
        out.push((s.name, s.class(t)));
    }
    Ok(out)
}

fn make(t: &mut Thread, base: Value) -> Res<()> {
    let get = |t: &Thread, name: &str| {
        let all = SIGNALS.iter().chain(&CONDITIONS);
        let found = all.into_iter().find(|s| s.name == name);
        found.map_or_else(|| Obj::new(t, base), |s| s.class(t))
    };
    let zero = errors::ZERO_DIVISION_ERROR.value();
    let kinds: [(&str, &[&str], Option<Value>); 13] = [
        ("InvalidOperation", &[], None),
        ("FloatOperation", &[], Some(errors::TYPE_ERROR.value())),
        ("DivisionByZero", &[], Some(zero)),
        ("Subnormal", &[], None),
        ("Inexact", &[], None),
        ("Rounded", &[], None),
        ("Clamped", &[], None),
        ("Overflow", &["Inexact", "Rounded"], None),
        ("Underflow", &["Inexact", "Rounded", "Subnormal"], None),
        ("DivisionImpossible", &["InvalidOperation"], None),
        ("DivisionUndefined", &["InvalidOperation"], Some(zero)),
        ("ConversionSyntax", &["InvalidOperation"], None),
        ("InvalidContext", &["InvalidOperation"], None),
    ];
    for (name, names, also) in kinds {
        let found: Vec<Obj> = names.iter().map(|n| get(t, n)).collect();
        let mut bases: Vec<Value> = found.iter().map(|o| o.value()).collect();
        if bases.is_empty() {
            bases.push(base);
        }
        bases.extend(also);
        let class = new_class(t, name, &bases)?;
        let mut all = SIGNALS.iter().chain(&CONDITIONS);
        if let Some(s) = all.find(|s| s.name == name) {
            s.class.get_or_init(|| SharedObj::new(t, class));
        }
    }
    MIXIN.ready(t);
    let abc = weft_objects::runtime::import(t, "collections.abc")?;
    let mapping = weft_objects::id!(t, "MutableMapping");
    let mapping = proto::get_attr(t, abc.value(), mapping)?;
    let meta = Obj::new(t, type_of(mapping.value()).value());
    let bases = Tuple::from_slice(t, &[MIXIN.value(), mapping.value()]);
    let (name, ns) = (Str::intern(t, "SignalDict"), Dict::new(t));
    let module = Str::intern(t, "decimal");
    Dict::of_obj(&ns).set_str(t, weft_objects::id!(t, "__module__"), module.value());
    let class = proto::call(t, meta.value(), &[name.value(), bases.value(), ns.value()])?;
    CLASS.get_or_init(|| SharedObj::new(t, class));
    Ok(())
}
