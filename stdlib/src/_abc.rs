//! `_abc`: the native half of `abc`: registries and caches of abstract base classes, with weak references to the classes.

use crate::support;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::*};
use weft_objects::cell::{fresh, own};
use weft_objects::native::{BuiltinFunction, Native};
use weft_objects::prelude::*;
use weft_objects::property::is_abstract_method;
use weft_objects::set::Set;
use weft_objects::types::type_flags;
use weft_objects::weakref::{self, WeakRef};
use weft_objects::{gc_slots, id};

/// What an abstract base class remembers. The sets hold weak references to classes.
#[repr(C)]
struct AbcData {
    header: Header,
    registry: Slot,
    cache: Slot,
    negative: Slot,
    /// [`COUNTER`] when `negative` was last valid.
    version: AtomicU64,
    /// Answers that the sets have given: see [`AbcData::known`].
    answers: [AtomicU64; ANSWERS],
}

const ANSWERS: usize = 32;

impl AbcData {
    /// The word that says of a version of a class what the answer is. A version never belongs to another class, nor to this one once it
    /// has changed. "No" holds good until the next registration.
    fn answer(version: u32, yes: bool, now: u64) -> u64 {
        let when = if yes { 0 } else { now & 0x7fff_ffff };
        u64::from(version) << 32 | when << 1 | u64::from(yes)
    }

    fn place(&self, version: u32) -> &AtomicU64 {
        &self.answers[version as usize % ANSWERS]
    }

    /// What is known of the class without looking into the sets.
    #[inline]
    fn known(&self, class: Value) -> Option<bool> {
        let version = Type::of(class)?.version();
        let word = self.place(version).load(Relaxed);
        if version == 0 {
            None
        } else if word == Self::answer(version, true, 0) {
            Some(true)
        } else {
            let no = word == Self::answer(version, false, COUNTER.load(Acquire));
            no.then_some(false)
        }
    }

    /// Notes an answer that held good when [`COUNTER`] was `now` and the class had this version.
    fn note(&self, version: u32, yes: bool, now: u64) {
        if version != 0 {
            let word = Self::answer(version, yes, now);
            self.place(version).store(word, Relaxed);
        }
    }

    fn forget_answers(&self) {
        for word in &self.answers {
            word.store(0, Relaxed);
        }
    }
}

/// Grows with each registration, which makes all negative caches invalid.
static COUNTER: AtomicU64 = AtomicU64::new(0);

gc_slots!(AbcData, traverse, clear, registry, cache, negative);

static ABC_DATA: Type = Type::builtin("_abc_data", size_of::<AbcData>(), &Spec::EMPTY)
    .module("_abc")
    .gc(traverse, clear)
    .final_()
    .no_new()
    .doc("Internal state held by ABC machinery.");

/// The data of the class, kept alive by the handle.
fn data_of(t: &mut Thread, class: Value) -> Res<Obj> {
    let o = proto::get_attr(t, class, id!(t, "_abc_impl"))?;
    if weft_objects::cast_exact::<AbcData>(o.value(), &ABC_DATA).is_none() {
        return Err(t.type_error("_abc_impl is set to a wrong type".into()));
    }
    Ok(o)
}

fn data(o: &Obj) -> &AbcData {
    // SAFETY: `data_of` has checked the type.
    unsafe { &*(o.value().ptr() as *const AbcData) }
}

/// Whether the set in the slot has a live reference to the class.
fn remembers(t: &mut Thread, set: &Slot, class: Value) -> Res<bool> {
    let Some(set) = own(t, set) else {
        return Ok(false);
    };
    if Set::of_obj(&set).is_empty() {
        return Ok(false);
    }
    let Ok(r) = weakref::new_ref(t, class, Value::NULL) else {
        // What cannot be referred to is in no set.
        t.clear_exc();
        return Ok(false);
    };
    Set::of_obj(&set).contains(t, r.value())
}

/// Called when a class in a set dies: takes its reference out.
fn forget(t: &mut Thread, a: &[Value]) -> Res {
    if let Some(set) = WeakRef::of(a[0]).and_then(|r| r.get(t))
        && let Some(set) = Set::of(set.value())
    {
        set.remove(t, a[1])?;
    }
    Ok(Value::NONE)
}

static FORGET: NativeDef = NativeDef::new("_destroy", "(wr, objweakref, /)", forget);

/// Whether a weak reference's callback is the one that takes a dead class out of a set: it runs no Python.
pub fn only_forgets(callback: Value) -> bool {
    BuiltinFunction::of(callback).is_some_and(|f| std::ptr::eq(f.native.def, &FORGET))
}

fn remember(t: &mut Thread, d: &AbcData, slot: &Slot, class: Value) -> Res<()> {
    static NATIVE: OnceLock<&'static Native> = OnceLock::new();
    let set = match own(t, slot) {
        Some(s) => s,
        None => {
            let made = Set::new(t);
            if let Err(unused) = slot.set_if(t, &d.header, Value::NULL, made.into()) {
                dec(t, unused);
            }
            Obj::new(t, slot.get())
        }
    };
    let to_set = weakref::new_ref(t, set.value(), Value::NULL)?;
    let native = NATIVE.get_or_init(|| Native::new(&FORGET, true));
    let callback = BuiltinFunction::bind(t, native, to_set.value(), Value::NULL);
    let r = weakref::new_ref(t, class, callback.value())?;
    Set::of_obj(&set).add(t, r.value())?;
    Ok(())
}

fn empty(t: &Thread, slot: &Slot) {
    if let Some(s) = own(t, slot) {
        Set::of_obj(&s).clear(t);
    }
}

// --- _abc_init ---

/// Sets `__abstractmethods__` to the names of what is abstract in the class or in a base and not redefined.
fn find_abstract_methods(t: &mut Thread, class: Value) -> Res<()> {
    let names = Set::new(t);
    let ns = proto::get_attr(t, class, id!(t, "__dict__"))?;
    let items = proto::call_method(t, ns.value(), "items", &[])?;
    for pair in proto::to_vec(t, items.value())? {
        let Some(p) = Tuple::of(pair.value()).filter(|p| p.len() == 2) else {
            continue;
        };
        if is_abstract_method(t, p.get(1))? {
            Set::of_obj(&names).add(t, p.get(0))?;
        }
    }
    let bases = proto::get_attr(t, class, id!(t, "__bases__"))?;
    if Tuple::of(bases.value()).is_none() {
        return Err(t.type_error("__bases__ is not tuple".into()));
    }
    for base in proto::to_vec(t, bases.value())? {
        let inherited = proto::get_attr_opt(t, base.value(), id!(t, "__abstractmethods__"))?;
        let Some(inherited) = inherited else { continue };
        for name in proto::to_vec(t, inherited.value())? {
            let Some(key) = Str::of(name.value()) else {
                continue;
            };
            if let Some(v) = proto::get_attr_opt(t, class, key)?
                && is_abstract_method(t, v.value())?
            {
                Set::of_obj(&names).add(t, name.value())?;
            }
        }
    }
    let frozen = Set::new_frozen(t);
    Set::of_obj(&frozen).fill_from(t, Set::of_obj(&names));
    proto::set_attr(t, class, id!(t, "__abstractmethods__"), frozen.value())
}

/// CPython's numbers of the flags in `__abc_tpflags__`.
const TPFLAGS_SEQUENCE: i64 = 1 << 5;
const TPFLAGS_MAPPING: i64 = 1 << 6;

fn take_flags(t: &mut Thread, class: Value) -> Res<()> {
    let Some(ty) = Type::of(class) else {
        return Ok(());
    };
    let name = id!(t, "__abc_tpflags__");
    let Some(flags) = ty
        .dict(t)
        .and_then(|d| d.get_str(t, name))
        .map(|v| v.value())
    else {
        return Ok(());
    };
    let Some(flags) = weft_objects::int::as_i64(flags) else {
        return Ok(());
    };
    let both = TPFLAGS_SEQUENCE | TPFLAGS_MAPPING;
    if flags & both == both {
        let msg = "__abc_tpflags__ cannot be both Py_TPFLAGS_SEQUENCE and Py_TPFLAGS_MAPPING";
        return Err(t.type_error(msg.into()));
    }
    ty.put_flag(type_flags::SEQUENCE, flags & TPFLAGS_SEQUENCE != 0);
    ty.put_flag(type_flags::MAPPING, flags & TPFLAGS_MAPPING != 0);
    ty.set_name(t, name, Value::NULL);
    Ok(())
}

fn abc_init(t: &mut Thread, a: &[Value]) -> Res {
    find_abstract_methods(t, a[0])?;
    // SAFETY: the layout of the data.
    let (o, d) = unsafe { fresh::<AbcData>(t, &ABC_DATA) };
    d.version.store(COUNTER.load(Acquire), Relaxed);
    proto::set_attr(t, a[0], id!(t, "_abc_impl"), o.value())?;
    take_flags(t, a[0])?;
    Ok(Value::NONE)
}

// --- registration ---

/// Gives a class and all its subclasses the kind of patterns that they match.
fn spread_kind(t: &Thread, class: &Type, flag: u32) {
    let mut work = vec![class.value()];
    while let Some(v) = work.pop() {
        let ty = Type::of_unchecked(v);
        if ty.has(flag) {
            continue;
        }
        if ty.is_heap() {
            ty.put_flag(type_flags::SEQUENCE | type_flags::MAPPING, false);
            ty.put_flag(flag, true);
        }
        work.extend(ty.subclasses_snapshot());
    }
    let _ = t;
}

fn abc_register(t: &mut Thread, a: &[Value]) -> Res {
    let (class, sub) = (a[0], a[1]);
    if Type::of(sub).is_none() {
        return Err(t.type_error("Can only register classes".into()));
    }
    if proto::is_subclass(t, sub, class)? {
        return Ok(Obj::new(t, sub).into());
    }
    if proto::is_subclass(t, class, sub)? {
        return Err(t.runtime_error("Refusing to create an inheritance cycle"));
    }
    let o = data_of(t, class)?;
    let d = data(&o);
    remember(t, d, &d.registry, sub)?;
    COUNTER.fetch_add(1, AcqRel);
    if let (Some(c), Some(s)) = (Type::of(class), Type::of(sub)) {
        for flag in [type_flags::SEQUENCE, type_flags::MAPPING] {
            if c.has(flag) {
                spread_kind(t, s, flag);
            }
        }
    }
    Ok(Obj::new(t, sub).into())
}

// --- checks ---

fn subclass_check(t: &mut Thread, class: Value, sub: Value) -> Res<bool> {
    let name = id!(t, "__subclasscheck__");
    let f = proto::get_attr(t, class, name)?;
    let r = proto::call(t, f.value(), &[sub])?;
    proto::truth(t, r.value())
}

fn abc_instancecheck(t: &mut Thread, a: &[Value]) -> Res {
    let (class, instance) = (a[0], a[1]);
    let o = data_of(t, class)?;
    let d = data(&o);
    let sub = proto::class_of(t, instance)?;
    if type_of(instance).value().same(sub.value())
        && let Some(known) = d.known(sub.value())
    {
        return Ok(Value::bool(known));
    }
    let version = Type::of(sub.value()).map_or(0, Type::version);
    if remembers(t, &d.cache, sub.value())? {
        d.note(version, true, 0);
        return Ok(Value::TRUE);
    }
    let ty = Obj::new(t, type_of(instance).value());
    if ty.value().same(sub.value()) {
        let now = COUNTER.load(Acquire);
        if d.version.load(Acquire) == now && remembers(t, &d.negative, sub.value())? {
            d.note(version, false, now);
            return Ok(Value::FALSE);
        }
        return subclass_check(t, class, sub.value()).map(Value::bool);
    }
    if subclass_check(t, class, sub.value())? {
        return Ok(Value::TRUE);
    }
    subclass_check(t, class, ty.value()).map(Value::bool)
}

fn abc_subclasscheck(t: &mut Thread, a: &[Value]) -> Res {
    let (class, sub) = (a[0], a[1]);
    if Type::of(sub).is_none() {
        return Err(t.type_error("issubclass() arg 1 must be a class".into()));
    }
    let o = data_of(t, class)?;
    let d = data(&o);
    if let Some(known) = d.known(sub) {
        return Ok(Value::bool(known));
    }
    let version = Type::of(sub).map_or(0, Type::version);
    if remembers(t, &d.cache, sub)? {
        d.note(version, true, 0);
        return Ok(Value::TRUE);
    }
    let now = COUNTER.load(Acquire);
    if d.version.load(Acquire) < now {
        empty(t, &d.negative);
        d.version.store(now, Release);
    } else if remembers(t, &d.negative, sub)? {
        d.note(version, false, now);
        return Ok(Value::FALSE);
    }
    let known = decide(t, d, class, sub)?;
    let slot = if known { &d.cache } else { &d.negative };
    remember(t, d, slot, sub)?;
    Ok(Value::bool(known))
}

/// The answer that is in no cache: the class's hook, its MRO, its registry, its subclasses.
fn decide(t: &mut Thread, d: &AbcData, class: Value, sub: Value) -> Res<bool> {
    let hook = proto::get_attr(t, class, id!(t, "__subclasshook__"))?;
    let said = proto::call(t, hook.value(), &[sub])?;
    match said.value() {
        Value::TRUE => return Ok(true),
        Value::FALSE => return Ok(false),
        Value::NOT_IMPLEMENTED => {}
        _ => {
            let msg = "__subclasshook__ must return either False, True, or NotImplemented";
            return Err(t.raise(&errors::ASSERTION_ERROR, msg));
        }
    }
    if let (Some(c), Some(s)) = (Type::of(class), Type::of(sub))
        && s.is_subtype(c)
    {
        return Ok(true);
    }
    for r in classes_in(t, &d.registry) {
        if proto::is_subclass(t, sub, r.value())? {
            return Ok(true);
        }
    }
    let subclasses = proto::call_method(t, class, "__subclasses__", &[])?;
    for s in proto::to_vec(t, subclasses.value())? {
        if proto::is_subclass(t, sub, s.value())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The live classes that a set refers to.
fn classes_in(t: &Thread, slot: &Slot) -> Vec<Obj> {
    let Some(set) = own(t, slot) else {
        return Vec::new();
    };
    let refs = Set::of_obj(&set).to_vec(t);
    refs.iter()
        .filter_map(|r| WeakRef::of(r.value())?.get(t))
        .collect()
}

// --- looking inside ---

fn get_cache_token(t: &mut Thread, _a: &[Value]) -> Res {
    Ok(weft_objects::int::from_u64(t, COUNTER.load(Acquire)))
}

fn reset_registry(t: &mut Thread, a: &[Value]) -> Res {
    let o = data_of(t, a[0])?;
    empty(t, &data(&o).registry);
    Ok(Value::NONE)
}

fn reset_caches(t: &mut Thread, a: &[Value]) -> Res {
    let o = data_of(t, a[0])?;
    data(&o).forget_answers();
    empty(t, &data(&o).cache);
    empty(t, &data(&o).negative);
    Ok(Value::NONE)
}

fn get_dump(t: &mut Thread, a: &[Value]) -> Res {
    let o = data_of(t, a[0])?;
    let d = data(&o);
    let mut parts = Vec::with_capacity(4);
    for slot in [&d.registry, &d.cache, &d.negative] {
        let copy = Set::new(t);
        if let Some(set) = own(t, slot) {
            Set::of_obj(&copy).fill_from(t, Set::of_obj(&set));
        }
        parts.push(copy);
    }
    parts.push(Obj::own(weft_objects::int::from_u64(
        t,
        d.version.load(Acquire),
    )));
    Ok(Tuple::from_vec(t, parts).into())
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("get_cache_token", "()", get_cache_token)
        .doc("Returns the current ABC cache token."),
    NativeDef::new("_abc_init", "(self, /)", abc_init)
        .doc("Internal ABC helper for class set-up. Should be never used outside abc module."),
    NativeDef::new("_abc_register", "(self, subclass, /)", abc_register).doc(
        "Internal ABC helper for subclass registration. Should be never used outside abc module.",
    ),
    NativeDef::new(
        "_abc_instancecheck",
        "(self, instance, /)",
        abc_instancecheck,
    )
    .doc("Internal ABC helper for instance checks. Should be never used outside abc module."),
    NativeDef::new(
        "_abc_subclasscheck",
        "(self, subclass, /)",
        abc_subclasscheck,
    )
    .doc("Internal ABC helper for subclass checks. Should be never used outside abc module."),
    NativeDef::new("_get_dump", "(self, /)", get_dump)
        .doc("Internal ABC helper for cache and registry debugging."),
    NativeDef::new("_reset_registry", "(self, /)", reset_registry)
        .doc("Internal ABC helper to reset registry."),
    NativeDef::new("_reset_caches", "(self, /)", reset_caches)
        .doc("Internal ABC helper to reset both caches."),
];

pub fn init(t: &mut Thread) -> Res<Obj> {
    ABC_DATA.ready(t);
    Ok(support::module(
        t,
        "_abc",
        "Module contains faster C implementation of abc.ABCMeta",
        FUNCTIONS,
    ))
}
