//! Attributes: filling the inline caches, and everything that they do not cover.

use self::cache as kind;
use super::calls::enter_above;
use super::frames::{
    Enter, cache, cache_name, name, own_operand, reg, set_reg, take_operand, take_reg,
};
use super::globals::unbound_local;
use super::run::{copy_reg, drop_reg};
use crate::compile::bytecode::{Instr, XA, XB};
use std::sync::atomic::Ordering::*;
use weft_objects::descr::GetSetDescr;
use weft_objects::frame::Frame;
use weft_objects::function::Function;
use weft_objects::instance::{INLINE, Instance};
use weft_objects::method::Method;
use weft_objects::method_cache::MethodCache;
use weft_objects::module::Module;
use weft_objects::native::{BuiltinFunction, MethodDescr};
use weft_objects::prelude::*;
use weft_objects::shape::Shape;
use weft_objects::site_cache::SuperKey;
use weft_objects::staticmethod::{CLASS_METHOD, STATIC_METHOD, Wrapped};
use weft_objects::types::{TYPE, type_flags as tf};

/// Kinds of inline cache words, in their lowest byte.
pub mod cache {
    pub use weft_objects::site_cache::{ADD_SLOT, SLOT};
    /// Class attribute found through the instance's class: `kind:8 | index:24 | version:32`.
    pub const METHOD: u64 = 3;
    /// The same for a class itself.
    pub const TYPE: u64 = 4;
    /// Name in a module: `kind:8 | index:24 | keys id:32`.
    pub const MODULE: u64 = 5;
    /// Class attribute that is not a descriptor, found through the instance's class.
    pub const CLASS_VALUE: u64 = 6;
    /// Attribute in the slot of a `member_descriptor` of the class: `kind:8 | offset:24 | version:32`.
    pub const MEMBER: u64 = 7;
    /// Attribute that is an item of a tuple, by a `_tuplegetter` of the class: `kind:8 | index:24 | version:32`.
    pub const ITEM: u64 = 8;
    /// Attribute that a `getset_descriptor` of the object's class computes: `kind:8 | index:24 | version:32`.
    pub const GETSET: u64 = 9;
    /// Class method or static method, found through an instance's class: `kind:8 | index:24 | version:32`.
    pub const CLASS_METHOD: u64 = 10;
    pub const STATIC_METHOD: u64 = 11;
    /// In the kind of these two: found through the class itself. What hides it from the one does not from the other.
    pub const OF_CLASS: u64 = 0x80;
    /// As METHOD, for instances that may have a dict, where they have none yet.
    pub const METHOD_NO_DICT: u64 = 12;
    /// Property whose getter is a Python function: `kind:8 | index:24 | version:32`.
    pub const PROPERTY: u64 = 13;
    /// Attribute in the dict of an instance, of whose class no data descriptor comes before that: `kind:8 | 0:24 | version:32`.
    pub const DICT: u64 = 14;
    /// Method that is bound to the instance: a function's or a built-in's of the class. As METHOD.
    pub const BOUND: u64 = 15;
}

/// The class attribute that a METHOD, CLASS_VALUE or TYPE cache word stands for, or NULL if the class has changed.
#[inline(always)]
pub fn cached_method(ty: &Type, w: u64) -> Value {
    // SAFETY: words are made of a cache's version and an index that a lookup in it has given.
    Value(unsafe { MethodCache::by_word(&ty.mcache, w) })
}

/// What a GetAttr cache word other than SLOT stands for, or NULL.
#[inline]
pub fn cached(t: &Thread, v: Value, w: u64) -> Value {
    // SAFETY: a register's object is alive.
    let h = unsafe { v.header() };
    match w & 0xff {
        kind::MEMBER if type_of(v).version() as u64 == w >> 32 => member(v, w).get(),
        kind::ITEM if type_of(v).version() as u64 == w >> 32 => item(v, w),
        kind::CLASS_VALUE if !h.has_flag(weft_gc::Flags::DICT) => cached_method(type_of(v), w),
        kind::TYPE => Type::of(v).map_or(Value::NULL, |cls| cached_method(cls, w)),
        kind::MODULE => cached_module(t, v, w),
        _ => Value::NULL,
    }
}

/// Whether a DICT cache word holds good for instances of the class.
#[inline(always)]
pub fn looks_in_dict(ty: &Type, w: u64) -> bool {
    w & 0xff == kind::DICT && w >> 32 == ty.version() as u64
}

/// What the dict of `v` has under the name, or NULL.
#[inline]
pub fn in_dict(t: &Thread, v: Value, name: &Str) -> Value {
    weft_objects::instance::dict_slot(v)
        .and_then(|slot| Dict::of(slot.get()))
        .and_then(|d| d.get_str(t, name))
        .map_or(Value::NULL, |v| v.value())
}

/// The slot that a MEMBER cache word stands for, in an instance of the class that it holds good for.
#[inline(always)]
pub fn member<'a>(v: Value, w: u64) -> &'a weft_gc::Slot {
    let offset = ((w >> 8) & 0xff_ffff) as usize;
    // SAFETY: instances of the class have a slot there.
    unsafe { &*((v.ptr() as *const u8).add(offset) as *const weft_gc::Slot) }
}

/// The item that an ITEM cache word stands for, in an instance of the class that it holds good for, or NULL.
#[inline(always)]
pub fn item(v: Value, w: u64) -> Value {
    let items = Tuple::this(v).values();
    let index = ((w >> 8) & 0xff_ffff) as usize;
    items.get(index).copied().unwrap_or(Value::NULL)
}

/// The descriptor that a GETSET cache word stands for, if the class is still the one.
#[inline(always)]
pub fn getset(ty: &Type, w: u64) -> Option<&'static GetSetDef> {
    let d = cached_method(ty, w);
    if d.is_null() {
        return None;
    }
    GetSetDescr::of(d).map(|d| d.def())
}

/// The getter of the property that a PROPERTY cache word stands for, if the class is still the one; or NULL.
#[inline(always)]
pub fn getter(ty: &Type, w: u64) -> Value {
    let d = cached_method(ty, w);
    if d.is_null() {
        return d;
    }
    weft_objects::property::getter_of(d).unwrap_or(Value::NULL)
}

// What a word is to say is worked out from a name's entry in a method cache, taken *first*: a change of the class that makes any of it
// untrue comes after that, and takes away the cache whose version the word has.

/// The word for an attribute that a descriptor of a built-in kind, which `mc` of `ty` has at `index`, finds in instances without Python.
fn native_word(ty: &Type, mc: &MethodCache, index: usize) -> Option<u64> {
    let d = mc.value(index);
    if d.is_null() {
        return None;
    }
    if let Some(at) = weft_objects::tuple_getter::index_of(d) {
        let fits = at < 1 << 24 && ty.is_subtype(&weft_objects::tuple::TUPLE);
        return fits.then(|| version_word(kind::ITEM, mc.version, at));
    }
    let g = GetSetDescr::of(d)?;
    let fits = ty.is_subtype(Type::of_unchecked(g.owner.get()));
    fits.then(|| version_word(kind::GETSET, mc.version, index))
}

/// The MEMBER word for an attribute that the descriptor which `mc` has at `index` gives instances.
fn member_word(mc: &MethodCache, index: usize, store: bool) -> Option<u64> {
    let d = mc.value(index);
    if d.is_null() {
        return None;
    }
    let (offset, writable) = weft_objects::descr::member_slot(d)?;
    if store && !writable || offset >= 1 << 24 {
        return None;
    }
    Some(version_word(kind::MEMBER, mc.version, offset as usize))
}

/// The name in a module that a MODULE cache word stands for, or NULL.
#[inline(always)]
pub fn cached_module(t: &Thread, v: Value, w: u64) -> Value {
    match Module::exact(v) {
        Some(m) => m
            .dict()
            .value_at(t, (w >> 32) as u32, ((w >> 8) & 0xff_ffff) as u32)
            .map_or(Value::NULL, |v| v.value()),
        None => Value::NULL,
    }
}

fn version_word(k: u64, version: u32, index: usize) -> u64 {
    k | (index as u64) << 8 | (version as u64) << 32
}

/// Whether a word is about a store: the bit that tells the names of stores from those of loads in a thread's [`weft_objects::site_cache::SiteCache`].
pub const STORE: u64 = 1;

/// Notes what an instruction has learnt: in its own cache if that is empty, and in the thread's. `id` is what the word holds good for.
fn remember(t: &Thread, f: *mut Frame, at: usize, store: u64, id: u32, word: u64) {
    let own = cache(f, at);
    if own.load(Relaxed) == 0 {
        own.store(word, Relaxed);
    }
    let key = cache_name(f, at) as *const Str as u64;
    t.vm().sites.set(key | store, id, word);
}

/// Fills a GetAttr cache if the attribute can be found by it next time.
fn learn_get(t: &Thread, f: *mut Frame, at: usize, v: Value, key: &Str) {
    if !v.is_ptr() {
        return;
    }
    // SAFETY: a register's object is alive.
    let h = unsafe { v.header() };
    let ty = type_of(v);
    let is_type = ty.has(tf::TYPE_SUBCLASS);
    let plain_type = is_type
        && ty.slots.get_attr.get().map(|x| x as usize)
            == TYPE.slots.get_attr.get().map(|x| x as usize);
    // Of a class's own attribute the class's cache is what the word goes by; of a metaclass's change all classes hear.
    let own = match Type::of(v) {
        Some(cls) if plain_type => cls.lookup_index(t, key),
        _ => None,
    };
    let entry = ty.lookup_index(t, key);
    if (plain_type || !is_type && ty.has(tf::GENERIC_GETATTR))
        && let Some((mc, index)) = entry
        && let Some(w) = native_word(ty, mc, index)
    {
        remember(t, f, at, 0, (w >> 32) as u32, w);
        return;
    }
    if is_type {
        // What the metaclass has comes first only if it is a data descriptor.
        if let Some((mc, index)) = entry
            && (mc.value(index).is_null()
                || plain_type && !type_of(mc.value(index)).has(tf::HAS_DESCR_SET))
            && let Some((mc, index)) = own
        {
            let found = mc.value(index);
            // A function is given as it is.
            if !found.is_null()
                && (!type_of(found).slots.descr_get.is_set()
                    || type_of(found).has(tf::METHOD_DESCRIPTOR))
            {
                let w = version_word(kind::TYPE, mc.version, index);
                remember(t, f, at, 0, mc.version, w);
            }
        }
        return;
    }
    if let Some(m) = Module::exact(v) {
        if let Some((id, Some(index))) = m.dict().place_of_str(t, key) {
            cache(f, at).store(version_word(kind::MODULE, id, index as usize), Relaxed);
        }
        return;
    }
    if !ty.has(tf::GENERIC_GETATTR) {
        return;
    }
    let Some((mc, index)) = entry else { return };
    let descr = mc.value(index);
    if let Some(w) = member_word(mc, index, false) {
        remember(t, f, at, 0, mc.version, w);
        return;
    }
    if ty.has(tf::INLINE) && h.has_flag(INLINE) {
        let shape = Shape::by_id(Instance::of_unchecked(v).shape.load(Acquire));
        if let Some(slot) = shape.find(key) {
            if (descr.is_null() || !type_of(descr).has(tf::HAS_DESCR_SET))
                && slot < 256
                && shape.id < 1 << 24
            {
                let w = kind::SLOT | (slot as u64) << 8 | (shape.id as u64) << 32;
                remember(t, f, at, 0, shape.id, w);
            }
            return;
        }
    }
    if (descr.is_null() || !type_of(descr).has(tf::HAS_DESCR_SET)) && !in_dict(t, v, key).is_null()
    {
        remember(
            t,
            f,
            at,
            0,
            mc.version,
            version_word(kind::DICT, mc.version, 0),
        );
        return;
    }
    let no_dict = ty.dict_offset.load(Relaxed) == 0 || ty.has(tf::INLINE) && !ty.is_shadowed(key);
    if !no_dict || descr.is_null() {
        return;
    }
    let k = if !type_of(descr).slots.descr_get.is_set() {
        kind::CLASS_VALUE
    } else if Function::of(descr).is_some() || MethodDescr::of(descr).is_some() {
        kind::BOUND
    } else {
        return;
    };
    remember(t, f, at, 0, mc.version, version_word(k, mc.version, index));
}

/// The method that a BOUND cache word stands for, bound to `v`.
pub fn bound(t: &Thread, v: Value, w: u64) -> Option<Obj> {
    let m = cached_method(type_of(v), w);
    if m.is_null() {
        return None;
    }
    if let Some(native) = MethodDescr::of(m) {
        let fits = weft_objects::native::accepts(native, v);
        return fits.then(|| BuiltinFunction::bind(t, native.native, v, Value::NULL));
    }
    Some(Method::new(t, m, v))
}

#[inline(never)]
pub fn get(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<Enter> {
    let v = reg(f, i.b());
    if v.is_null() {
        return unbound_local(t, f, i.b());
    }
    let key = cache_name(f, i.c());
    // A property written in Python runs in a frame of this loop.
    if let Some(getter) = learn_property(t, f, i.c(), v, key) {
        return enter_getter(t, f, i, v, getter);
    }
    let found = proto::get_attr_value(t, v, key.header.value())?;
    learn_get(t, f, i.c(), v, key);
    let v = take_operand(f, i, XB, i.b());
    set_reg(t, f, i.a(), found);
    drop_reg(t, v);
    Ok(Enter::Done)
}

/// The getter, a Python function, if the attribute is a property with one. Fills the cache.
fn learn_property(t: &Thread, f: *mut Frame, at: usize, v: Value, key: &Str) -> Option<Obj> {
    let ty = type_of(v);
    if !ty.has(tf::GENERIC_GETATTR) {
        return None;
    }
    let (mc, index) = ty.lookup_index(t, key)?;
    if mc.value(index).is_null() {
        return None;
    }
    let getter = weft_objects::property::getter_of(mc.value(index))?;
    weft_objects::function::Function::of(getter)?;
    let w = version_word(kind::PROPERTY, mc.version, index);
    remember(t, f, at, 0, mc.version, w);
    Some(Obj::new(t, getter))
}

fn enter_getter(t: &mut Thread, f: *mut Frame, i: Instr, v: Value, getter: Obj) -> Res<Enter> {
    if enter_above(t, getter.value(), &[v], i.a())? {
        let v = take_operand(f, i, XB, i.b());
        drop_reg(t, v);
        return Ok(Enter::Frame);
    }
    let v = Obj::new(t, v);
    let found = proto::call_value(t, getter.value(), Args::positional(&[v.value()]))?;
    let old = take_operand(f, i, XB, i.b());
    set_reg(t, f, i.a(), found);
    drop_reg(t, old);
    Ok(Enter::Done)
}

#[inline(never)]
pub fn set(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let (x, v) = (reg(f, i.a()), reg(f, i.b()));
    if v.is_null() {
        return unbound_local(t, f, i.b());
    }
    if x.is_null() {
        return unbound_local(t, f, i.a());
    }
    let key = cache_name(f, i.c());
    if let Some(d) = dict_to_store_in(t, f, i.c(), x, key) {
        let v = own_operand(t, f, i, XB, i.b());
        d.set_str_own(t, key, v);
    } else if !store_inline(t, f, i, x, key)? {
        learn_member(t, f, i.c(), x, key);
        proto::set_attr_value(t, x, key.header.value(), v)?;
        let v = take_operand(f, i, XB, i.b());
        drop_reg(t, v);
    }
    let x = take_operand(f, i, XA, i.a());
    drop_reg(t, x);
    Ok(())
}

/// The dict of the instance that the attribute goes into. Fills the cache.
fn dict_to_store_in<'a>(
    t: &Thread,
    f: *mut Frame,
    at: usize,
    x: Value,
    key: &Str,
) -> Option<&'a Dict> {
    let ty = type_of(x);
    let d = Dict::of(weft_objects::instance::dict_slot(x)?.get())?;
    if looks_in_dict(ty, cache(f, at).load(Relaxed)) {
        return Some(d);
    }
    let (mc, index) = ty.lookup_index(t, key)?;
    let descr = mc.value(index);
    if !ty.has(tf::GENERIC_SETATTR) || !descr.is_null() && type_of(descr).has(tf::HAS_DESCR_SET) {
        return None;
    }
    remember(
        t,
        f,
        at,
        STORE,
        mc.version,
        version_word(kind::DICT, mc.version, 0),
    );
    Some(d)
}

/// Fills a SetAttr cache if the attribute is a slot of the class.
fn learn_member(t: &Thread, f: *mut Frame, at: usize, v: Value, key: &Str) {
    let ty = type_of(v);
    if v.is_ptr()
        && ty.has(tf::GENERIC_SETATTR)
        && let Some((mc, index)) = ty.lookup_index(t, key)
        && let Some(w) = member_word(mc, index, true)
    {
        remember(t, f, at, STORE, mc.version, w);
    }
}

/// Stores into an inline slot and teaches the cache. False: not that simple.
fn store_inline(t: &mut Thread, f: *mut Frame, i: Instr, x: Value, key: &Str) -> Res<bool> {
    let ty = type_of(x);
    if !x.is_ptr() || !ty.has(tf::INLINE) || !ty.has(tf::GENERIC_SETATTR) {
        return Ok(false);
    }
    if ty
        .lookup(t, key)
        .is_some_and(|d| type_of(d.value()).has(tf::HAS_DESCR_SET))
    {
        return Ok(false);
    }
    let o = Instance::of_unchecked(x);
    if !o.is_inline() {
        return Ok(false);
    }
    let before = Shape::by_id(o.shape.load(Acquire));
    let v = own_operand(t, f, i, XB, i.b());
    o.set(t, key, v)?;
    let after = Shape::by_id(o.shape.load(Acquire));
    let Some(slot) = before.find(key).or_else(|| after.find(key)) else {
        return Ok(true);
    };
    if o.is_inline() && slot < 256 && after.id < 1 << 24 {
        let w = if before.id == after.id {
            kind::SLOT | (slot as u64) << 8 | (before.id as u64) << 32
        } else if after.len == before.len + 1 {
            kind::ADD_SLOT | (slot as u64) << 8 | (before.id as u64) << 16 | (after.id as u64) << 40
        } else {
            return Ok(true);
        };
        remember(t, f, i.c(), STORE, before.id, w);
    }
    Ok(true)
}

pub fn delete(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let x = reg(f, i.a());
    if x.is_null() {
        return unbound_local(t, f, i.a());
    }
    proto::del_attr(t, x, name(f, i.b()))?;
    let x = take_operand(f, i, XA, i.a());
    drop_reg(t, x);
    Ok(())
}

/// Puts a method and its self (or a plain callable and NULL) into the two registers from `a` on.
fn set_pair(t: &mut Thread, f: *mut Frame, a: usize, m: Value, self_: Value) {
    set_reg(t, f, a, m);
    set_reg(t, f, a + 1, self_);
}

#[inline(never)]
pub fn load_method(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let v = reg(f, i.b());
    if v.is_null() {
        return unbound_local(t, f, i.b());
    }
    let key = cache_name(f, i.c());
    let ty = type_of(v);
    // Before all that the word is to say.
    let entry = ty.lookup_index(t, key);
    if ty.has(tf::GENERIC_GETATTR)
        && let Some(d) = ty.lookup(t, key)
        && type_of(d.value()).has(tf::METHOD_DESCRIPTOR)
        && weft_objects::instance::own_attr(t, v, key).is_none()
    {
        let m = d.to_reg(t);
        let no_dict =
            ty.dict_offset.load(Relaxed) == 0 || ty.has(tf::INLINE) && !ty.is_shadowed(key);
        let k = if no_dict {
            kind::METHOD
        } else if ty.has(tf::INLINE) {
            0
        } else {
            kind::METHOD_NO_DICT
        };
        if k != 0
            && let Some((mc, index)) = entry
            && mc.value(index).bare() == d.value().bare()
        {
            let w = version_word(k, mc.version, index);
            remember(t, f, i.c(), 0, mc.version, w);
        }
        let self_ = own_operand(t, f, i, XB, i.b());
        set_pair(t, f, i.a(), m, self_);
        return Ok(());
    }
    if learn_class_method(t, f, i.c(), v, key)
        && let Some((m, self_)) = class_method(v, cache(f, i.c()).load(Relaxed), || true)
    {
        let (m, self_) = (to_reg(t, m), to_reg(t, self_));
        let v = take_operand(f, i, XB, i.b());
        set_pair(t, f, i.a(), m, self_);
        drop_reg(t, v);
        return Ok(());
    }
    let found = proto::get_attr_value(t, v, key.header.value())?;
    if v.is_ptr() && ty.has(tf::TYPE_SUBCLASS) {
        learn_get(t, f, i.c(), v, key);
    }
    if let Some(m) = Module::exact(v)
        && let Some((id, Some(index))) = m.dict().place_of_str(t, key)
    {
        cache(f, i.c()).store(version_word(kind::MODULE, id, index as usize), Relaxed);
    }
    let v = take_operand(f, i, XB, i.b());
    set_pair(t, f, i.a(), found, Value::NULL);
    drop_reg(t, v);
    Ok(())
}

/// Fills a LoadMethod cache if what is loaded is a class method or static method.
fn learn_class_method(t: &Thread, f: *mut Frame, at: usize, v: Value, key: &Str) -> bool {
    let ty = type_of(v);
    let is_type = v.is_ptr() && ty.has(tf::TYPE_SUBCLASS);
    let class = if is_type { Type::of_unchecked(v) } else { ty };
    let Some((mc, index)) = class.lookup_index(t, key) else {
        return false;
    };
    let of = if is_type {
        let plain = ty.slots.get_attr.get().map(|x| x as usize)
            == TYPE.slots.get_attr.get().map(|x| x as usize);
        if !plain || ty.lookup(t, key).is_some() {
            return false;
        }
        kind::OF_CLASS
    } else {
        // An attribute of the instance hides it.
        let no_dict =
            ty.dict_offset.load(Relaxed) == 0 || ty.has(tf::INLINE) && !ty.is_shadowed(key);
        if !ty.has(tf::GENERIC_GETATTR)
            || !no_dict
            || weft_objects::instance::own_attr(t, v, key).is_some()
        {
            return false;
        }
        0
    };
    let d = mc.value(index);
    let kind = if d.is_null() {
        return false;
    } else if type_of(d).is(&CLASS_METHOD) {
        kind::CLASS_METHOD
    } else if type_of(d).is(&STATIC_METHOD) {
        kind::STATIC_METHOD
    } else {
        return false;
    };
    let w = version_word(kind | of, mc.version, index);
    remember(t, f, at, 0, mc.version, w);
    // Also where another word is: the caller goes by it.
    cache(f, at).store(w, Relaxed);
    true
}

/// The function, and what goes before its arguments (or NULL), that a CLASS_METHOD or STATIC_METHOD word stands for. `not_hidden` says
/// that the dict of an instance which has one does not have the name.
#[inline(always)]
pub fn class_method(v: Value, w: u64, not_hidden: impl FnOnce() -> bool) -> Option<(Value, Value)> {
    let kind = w & 0xff & !kind::OF_CLASS;
    if kind != kind::CLASS_METHOD && kind != kind::STATIC_METHOD {
        return None;
    }
    let ty = type_of(v);
    let class = if w & kind::OF_CLASS != 0 {
        if !v.is_ptr() || !ty.has(tf::TYPE_SUBCLASS) {
            return None;
        }
        Type::of_unchecked(v)
    } else if v.is_ptr() {
        // SAFETY: a register's object is alive.
        if unsafe { v.header() }.has_flag(weft_gc::Flags::DICT) && !not_hidden() {
            return None;
        }
        ty
    } else {
        ty
    };
    let d = cached_method(class, w);
    if d.is_null() {
        return None;
    }
    // SAFETY: what the word has been made for.
    let m = unsafe { &*(d.ptr() as *const Wrapped) }.callable.get();
    if m.is_null() {
        return None;
    }
    let self_ = if kind == kind::CLASS_METHOD {
        class.value()
    } else {
        Value::NULL
    };
    Some((m, self_))
}

const SPECIALS: [(&str, &str); 4] = [
    ("__enter__", "context manager"),
    ("__exit__", "context manager"),
    ("__aenter__", "asynchronous context manager"),
    ("__aexit__", "asynchronous context manager"),
];

#[inline(never)]
pub fn load_special(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let v = reg(f, i.b());
    if v.is_null() {
        return unbound_local(t, f, i.b());
    }
    let ty = type_of(v);
    let w = cache(f, i.c()).load(Relaxed);
    if w & 0xff == kind::METHOD {
        let m = cached_method(ty, w);
        if !m.is_null() {
            let m = to_reg(t, m);
            let self_ = own_operand(t, f, i, XB, i.b());
            set_pair(t, f, i.a(), m, self_);
            return Ok(());
        }
    }
    let (text, what) = SPECIALS[(i.arg() & 3) as usize];
    let key = weft_objects::names::get(t, text);
    if let Some((mc, index)) = ty.lookup_index(t, key)
        && !mc.value(index).is_null()
        && type_of(mc.value(index)).has(tf::METHOD_DESCRIPTOR)
    {
        cache(f, i.c()).store(version_word(kind::METHOD, mc.version, index), Relaxed);
    }
    if let Some(d) = ty.lookup(t, key) {
        let d = d.to_obj(t);
        let dt = type_of(d.value());
        if dt.has(tf::METHOD_DESCRIPTOR) {
            let self_ = own_operand(t, f, i, XB, i.b());
            set_pair(t, f, i.a(), d.into_value(), self_);
            return Ok(());
        }
        let m = match dt.slots.descr_get.get() {
            Some(get) => get(t, d.value(), v, ty.value())?,
            None => d.into_value(),
        };
        let old = take_operand(f, i, XB, i.b());
        set_pair(t, f, i.a(), m, Value::NULL);
        drop_reg(t, old);
        return Ok(());
    }
    let msg = format!(
        "'{}' object does not support the {what} protocol (missed {text} method){}",
        ty.full_name(t),
        other_protocol(t, ty, i.arg())
    );
    Err(t.type_error(msg))
}

/// CPython's hint when the other kind of `with` would do.
fn other_protocol(t: &Thread, ty: &Type, which: u8) -> &'static str {
    let has = |n| ty.lookup(t, weft_objects::names::get(t, n)).is_some();
    match which {
        0 | 1 if has("__aenter__") && has("__aexit__") => {
            " but it supports the asynchronous context manager protocol. Did you mean to use 'async with'?"
        }
        2 | 3 if has("__enter__") && has("__exit__") => {
            " but it supports the context manager protocol. Did you mean to use 'with'?"
        }
        _ => "",
    }
}

/// The word that [`super_method`] finds next time.
fn learn_super(t: &Thread, cls: Value, obj: Value, key: &Str) {
    let ty = type_of(obj);
    // Its version first: with it goes all that is found from here on.
    let place = super_key(cls, key, ty);
    if let Some(class) = Type::of(cls)
        && Type::of(obj).is_none()
        && ty.is_subtype(class)
        && place.version != 0
        && let Some((at, _)) = weft_objects::super_::find_at(t, ty, class, key)
        && let Some(mro) = ty.mro_tuple()
        && let Some((mc, index)) = Type::of_unchecked(mro.get(at)).lookup_index(t, key)
        && !mc.value(index).is_null()
        && type_of(mc.value(index)).has(tf::METHOD_DESCRIPTOR)
    {
        let w = version_word(kind::METHOD, mc.version, index);
        t.vm().sites.set_super(place, at, w);
    }
}

#[inline(always)]
fn super_key(cls: Value, name: &Str, ty: &Type) -> SuperKey {
    SuperKey {
        class: cls.ptr() as u64,
        name: name as *const Str as u64,
        version: ty.version(),
    }
}

/// The method that `super(cls, obj).name` has given before, not bound; NULL if that is not known.
#[inline(always)]
pub fn super_method(t: &Thread, cls: Value, obj: Value, name: &Str) -> Value {
    let ty = type_of(obj);
    match (
        t.vm().sites.get_super(super_key(cls, name, ty)),
        ty.mro_tuple(),
    ) {
        (Some((at, w)), Some(mro)) if at < mro.len() => {
            cached_method(Type::of_unchecked(mro.get(at)), w)
        }
        _ => Value::NULL,
    }
}

/// `super().name` and `super(C, o).name` without making the super object.
pub fn super_attr(t: &mut Thread, f: *mut Frame, i: Instr, method: bool) -> Res<()> {
    let key = name(f, i.c());
    let (sup, cls, obj) = (reg(f, i.b()), reg(f, i.b() + 1), reg(f, i.b() + 2));
    if cls.is_null() || obj.is_null() {
        return Err(t.runtime_error(if obj.is_null() {
            "super(): no arguments"
        } else {
            "super(): empty __class__ cell"
        }));
    }
    let plain = sup.ptr() as *const Type == &raw const weft_objects::super_::SUPER;
    if plain && method {
        learn_super(t, cls, obj, key);
    }
    let (m, self_) = if plain {
        match weft_objects::super_::lookup_method(t, cls, obj, key)? {
            Some(m) if method => (m, copy_reg(t, obj)),
            Some(m) => {
                let m = Obj::own(m);
                let get = type_of(m.value()).slots.descr_get.get();
                let v = match get {
                    Some(get) => get(t, m.value(), obj, type_of(obj).value())?,
                    None => m.into_value(),
                };
                (v, Value::NULL)
            }
            None => (weft_objects::super_::lookup(t, cls, obj, key)?, Value::NULL),
        }
    } else {
        let args: &[Value] = if i.arg() == 1 { &[] } else { &[cls, obj] };
        let s = proto::call(t, sup, args)?;
        (
            proto::get_attr_value(t, s.value(), key.header.value())?,
            Value::NULL,
        )
    };
    for n in 0..3 {
        let v = take_reg(f, i.b() + n);
        drop_reg(t, v);
    }
    if method {
        set_pair(t, f, i.a(), m, self_);
    } else {
        set_reg(t, f, i.a(), m);
    }
    Ok(())
}
