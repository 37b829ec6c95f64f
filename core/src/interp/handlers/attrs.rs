//! Attributes and methods by inline cache.

use super::calls::{enter_method, entered};
use super::{State, handlers};
use crate::compile::bytecode::{XA, XB};
use crate::interp::attr::{self, cache};
use crate::interp::frames::name;
use std::sync::atomic::Ordering::*;
use weft_objects::frame::Frame;
use weft_objects::instance::{self, Instance};
use weft_objects::prelude::*;
use weft_objects::super_::SUPER;
use weft_objects::types::type_flags as tf;

/// The instance that `x`, a pointer, is, if its attributes are in inline slots. (Objects of no other kind have the header's flag.)
#[inline(always)]
fn inline<'a>(x: Value) -> Option<&'a Instance> {
    let o = Instance::of_unchecked(x);
    if o.is_inline() { Some(o) } else { None }
}

/// The value of a GetAttr has been found: `found` is a word in a slot, or NULL. What it gives comes from the instructions that follow:
/// nothing may be done after it but to return that.
#[inline(always)]
fn found(s: State, x: Value, found: Value) -> Option<*mut Frame> {
    if found.is_null() {
        return None;
    }
    let v = s.copy(found)?;
    let x = s.take(XB, s.i.b(), x);
    let old = s.reg(s.i.a());
    s.put(s.i.a(), v);
    Some(s.finish2(x, old))
}

/// The word in the slot of instance `x` that a SLOT word stands for, which may be NULL. `None`: it has another shape, or is no instance.
#[inline(always)]
fn in_slot(x: Value, w: u64) -> Option<Value> {
    if !x.is_ptr() {
        return None;
    }
    let o = inline(x)?;
    // The upper half of no other kind of word is a shape's id.
    if o.shape.load(Acquire) != (w >> 32) as u32 {
        return None;
    }
    Some(o.slot(((w >> 8) & 0xff) as usize).get())
}

/// Lays a method and its self down, which are both owned; the registers are dead.
#[inline(always)]
fn pair(s: State, m: Value, x: Value) -> *mut Frame {
    s.put(s.i.a(), m);
    s.put(s.i.a() + 1, x);
    s.next()
}

/// The word that the thread knows for the instruction's name and `id`, or 0. The caller checks what it holds good for.
#[inline(always)]
fn known(s: State, store: u64, id: u32) -> u64 {
    // SAFETY: a running frame's code is alive, and has a name for each of these caches.
    let name = unsafe { *(*(*s.f).code).cache_names().add(s.i.c()) };
    s.t().vm().sites.get(name.ptr() as u64 | store, id)
}

/// What the dict of `x` has under the instruction's name, or NULL.
#[inline(always)]
fn in_dict(s: State, x: Value) -> Value {
    attr::in_dict(s.t(), x, crate::interp::frames::cache_name(s.f, s.i.c()))
}

/// Now and then a word that the thread knows goes to the instruction.
#[inline(always)]
fn refresh(s: State, w: u64) {
    if s.t().vm().sites.refresh() {
        // SAFETY: as in `known`.
        unsafe { (*(*s.f).caches.add(s.i.c())).store(w, Relaxed) };
    }
}

/// Stores into the slot of a local instance that a SLOT word stands for.
#[inline(always)]
fn store(s: State, x: Value, w: u64, v: Value) -> *mut Frame {
    let slot = Instance::of_unchecked(x).slot(((w >> 8) & 0xff) as usize);
    let old = Value(slot.raw().load(Relaxed));
    slot.raw().store(v.0, Relaxed);
    if s.consumes(XA) {
        s.put(s.i.a(), Value::NULL);
        return s.finish2(x, old);
    }
    s.finish(old)
}

/// Adds the attribute that an ADD_SLOT word stands for to a local instance.
#[inline(always)]
fn add(s: State, x: Value, w: u64, v: Value) -> *mut Frame {
    let o = Instance::of_unchecked(x);
    o.slot(((w >> 8) & 0xff) as usize).raw().store(v.0, Relaxed);
    o.shape.store((w >> 40) as u32, Relaxed);
    s.finish(s.take(XA, s.i.a(), x))
}

/// Gives the method that a BOUND word stands for, bound to `x`.
#[cold]
fn bind(s: State, x: Value, w: u64) -> *mut Frame {
    let Some(m) = attr::bound(s.t(), x, w) else {
        return s.tail(get_attr_slow);
    };
    refresh(s, w);
    let x = s.take(XB, s.i.b(), x);
    let old = s.reg(s.i.a());
    s.put(s.i.a(), m.into());
    s.finish2(x, old)
}

/// Lays down the method that a METHOD word stands for, and self. `None`: not without more ado.
#[inline(always)]
fn method(s: State, x: Value, w: u64) -> Option<*mut Frame> {
    let m = s.copy_slot(attr::cached_method(type_of(x), w))?;
    if s.consumes(XB) {
        s.put(s.i.b(), Value::NULL);
        return Some(pair(s, m, x));
    }
    if x.is_uncounted() {
        return Some(pair(s, m, x));
    }
    if let Some(x) = s.copy(x) {
        return Some(pair(s, m, x));
    }
    s.uncopy(m);
    None
}

handlers! {
    get_attr(s) {
        let x = s.reg(s.i.b());
        if let Some(v) = in_slot(x, s.cache(s.i.c()))
            && let Some(f) = found(s, x, v)
        {
            return f;
        }
        s.tail(get_attr_other)
    }
    get_attr_local(s) {
        if let Some(v) = in_slot(s.reg(s.i.b()), s.cache(s.i.c()))
            && let Some(v) = s.copy_slot(v)
        {
            return s.fresh(v);
        }
        s.tail(get_attr_other)
    }
    get_attr_temp(s) {
        let x = s.reg(s.i.b());
        if let Some(v) = in_slot(x, s.cache(s.i.c()))
            && let Some(v) = s.copy_slot(v)
        {
            s.put(s.i.b(), v);
            return s.drop_ptr(x);
        }
        s.tail(get_attr_other)
    }
    get_attr_global(s) {
        let x = s.reg(s.i.b());
        let w = s.cache(s.i.c());
        if x.is_ptr() {
            let v = match w & 0xff {
                cache::TYPE if type_of(x).has(tf::TYPE_SUBCLASS) => {
                    attr::cached_method(Type::of_unchecked(x), w)
                }
                cache::MODULE => attr::cached_module(s.t(), x, w),
                _ => return s.tail(get_attr_temp),
            };
            if let Some(v) = s.copy_some(v) {
                s.put(s.i.b(), v);
                return s.drop_ptr(x);
            }
        }
        s.tail(get_attr_other)
    }
    #[cold]
    get_attr_other(s) {
        match s.cache(s.i.c()) & 0xff {
            cache::SLOT => s.tail(get_attr_many),
            cache::MEMBER => s.tail(get_attr_member),
            cache::PROPERTY => s.tail(get_attr_property),
            cache::GETSET => s.tail(get_attr_getset),
            _ => s.tail(get_attr_varied),
        }
    }
    #[cold]
    get_attr_varied(s) {
        let x = s.reg(s.i.b());
        let w = s.cache(s.i.c());
        if x.is_ptr()
            && attr::looks_in_dict(type_of(x), w)
            && let Some(f) = found(s, x, in_dict(s, x))
        {
            return f;
        }
        if x.is_ptr()
            && let Some(f) = found(s, x, attr::cached(s.t(), x, w))
        {
            return f;
        }
        s.tail(get_attr_many)
    }
    get_attr_member(s) {
        let x = s.reg(s.i.b());
        let w = s.cache(s.i.c());
        if x.is_ptr()
            && w >> 32 == type_of(x).version() as u64
            && let Some(v) = s.copy_some(attr::member(x, w).get())
        {
            let x = s.take(XB, s.i.b(), x);
            let old = s.reg(s.i.a());
            s.put(s.i.a(), v);
            return s.finish2(x, old);
        }
        s.tail(get_attr_many)
    }
    get_attr_property(s) {
        let x = s.reg(s.i.b());
        if x.is_ptr() {
            let ty = type_of(x);
            let mut m = attr::getter(ty, s.cache(s.i.c()));
            if m.is_null() {
                let w = known(s, 0, ty.version());
                if w & 0xff == cache::PROPERTY {
                    refresh(s, w);
                    m = attr::getter(ty, w);
                }
            }
            let taken = s.consumes(XB).then_some(s.i.b());
            if !m.is_null()
                && let Some(f) = enter_method(s, m, [(x, taken)])
            {
                return f;
            }
        }
        s.tail(get_attr_many)
    }
    #[cold]
    get_attr_getset(s) {
        let x = s.reg(s.i.b());
        if x.is_null() {
            return s.tail(get_attr_slow);
        }
        let ty = type_of(x);
        let def = attr::getset(ty, s.cache(s.i.c())).or_else(|| {
            let w = known(s, 0, ty.version());
            if w & 0xff != cache::GETSET {
                return None;
            }
            refresh(s, w);
            attr::getset(ty, w)
        });
        let Some(def) = def else {
            return s.tail(get_attr_many);
        };
        s.save();
        let t = s.t();
        match (def.get)(t, x) {
            Ok(v) => {
                let x = match s.consumes(XB) {
                    true => s.take_again(s.i.b()),
                    false => Value::NONE,
                };
                let old = s.reg(s.i.a());
                s.put(s.i.a(), v);
                s.finish2(x, old)
            }
            Err(_) => super::raise(t, s.f),
        }
    }
    #[cold]
    get_attr_many(s) {
        let x = s.reg(s.i.b());
        if x.is_ptr()
            && let Some(o) = inline(x)
        {
            let shape = o.shape.load(Acquire);
            let w = known(s, 0, shape);
            if w & 0xff == cache::SLOT && shape == (w >> 32) as u32 {
                refresh(s, w);
                if let Some(f) = found(s, x, o.slot(((w >> 8) & 0xff) as usize).get()) {
                    return f;
                }
            }
        }
        s.tail(get_attr_rare)
    }
    #[cold]
    get_attr_rare(s) {
        let x = s.reg(s.i.b());
        if x.is_ptr() {
            // SAFETY: a register's object is alive.
            let flags = unsafe { x.header() }.flags.load(Relaxed);
            if let Some(cls) = Type::of(x) {
                let w = known(s, 0, cls.version());
                if w & 0xff == cache::TYPE {
                    refresh(s, w);
                    if let Some(f) = found(s, x, attr::cached_method(cls, w)) {
                        return f;
                    }
                }
            } else {
                let has_dict = flags & weft_gc::Flags::DICT != 0;
                let ty = type_of(x);
                let mut w = s.cache(s.i.c());
                if w & 0xff != cache::BOUND || w >> 32 != ty.version() as u64 {
                    w = known(s, 0, ty.version());
                }
                if w & 0xff == cache::BOUND && (!has_dict || in_dict(s, x).is_null()) {
                    return bind(s, x, w);
                }
                if w & 0xff == cache::PROPERTY && s.cache(s.i.c()) & 0xff != cache::PROPERTY {
                    return s.tail(get_attr_property);
                }
                let v = match w & 0xff {
                    cache::DICT if attr::looks_in_dict(ty, w) => in_dict(s, x),
                    cache::CLASS_VALUE if !has_dict || in_dict(s, x).is_null() => attr::cached_method(ty, w),
                    cache::MEMBER if w >> 32 == ty.version() as u64 => attr::member(x, w).get(),
                    cache::ITEM if w >> 32 == ty.version() as u64 => attr::item(x, w),
                    _ => Value::NULL,
                };
                if !v.is_null() {
                    refresh(s, w);
                }
                if let Some(f) = found(s, x, v) {
                    return f;
                }
            }
        }
        s.tail(get_attr_slow)
    }
    #[cold]
    get_attr_slow(s) {
        s.save();
        entered(s, attr::get(s.t(), s.f, s.i))
    }
    set_attr(s) {
        let x = s.reg(s.i.a());
        if x.is_ptr() {
            let w = s.cache(s.i.c());
            if w & 0xff == cache::SLOT
                && let Some(o) = inline(x)
                && o.header.is_local(s.t())
                && o.shape.load(Relaxed) == (w >> 32) as u32
                && let Some(v) = s.own_heap(XB, s.i.b(), s.reg(s.i.b()))
            {
                return store(s, x, w, v);
            }
            if w & 0xff == cache::MEMBER {
                return s.tail(set_attr_member);
            }
        }
        s.tail(set_attr_add)
    }
    #[cold]
    set_attr_add(s) {
        let x = s.reg(s.i.a());
        if x.is_ptr() {
            let w = s.cache(s.i.c());
            if w & 0xff == cache::ADD_SLOT
                && let Some(o) = inline(x)
                && o.header.is_local(s.t())
                && o.shape.load(Relaxed) as u64 == (w >> 16) & 0xff_ffff
                && (w >> 8) & 0xff < o.cap.load(Relaxed) as u64
                && let Some(v) = s.own_heap(XB, s.i.b(), s.reg(s.i.b()))
            {
                return add(s, x, w, v);
            }
        }
        s.tail(set_attr_member)
    }
    #[cold]
    set_attr_member(s) {
        let x = s.reg(s.i.a());
        if x.is_ptr() {
            let mut w = s.cache(s.i.c());
            let version = type_of(x).version();
            if w & 0xff != cache::MEMBER || w >> 32 != version as u64 {
                w = known(s, attr::STORE, version);
                if w & 0xff == cache::MEMBER {
                    refresh(s, w);
                }
            }
            if w & 0xff == cache::MEMBER
                && w >> 32 == version as u64
                // SAFETY: a register's object is alive.
                && unsafe { x.header() }.is_local(s.t())
                && let Some(v) = s.own_heap(XB, s.i.b(), s.reg(s.i.b()))
            {
                let slot = attr::member(x, w);
                let old = slot.take_local();
                slot.raw().store(v.0, Relaxed);
                return s.finish2(s.take(XA, s.i.a(), x), old);
            }
        }
        s.tail(set_attr_many)
    }
    #[cold]
    set_attr_many(s) {
        let x = s.reg(s.i.a());
        if x.is_ptr()
            && let Some(o) = inline(x)
            && o.header.is_local(s.t())
        {
                let shape = o.shape.load(Relaxed);
                let w = known(s, attr::STORE, shape);
                let slot = w & 0xff == cache::SLOT && shape == (w >> 32) as u32;
                let adds = w & 0xff == cache::ADD_SLOT
                    && shape as u64 == (w >> 16) & 0xff_ffff
                    && (w >> 8) & 0xff < o.cap.load(Relaxed) as u64;
                if (slot || adds)
                    && let Some(v) = s.own_heap(XB, s.i.b(), s.reg(s.i.b()))
                {
                    refresh(s, w);
                    if slot {
                        return store(s, x, w, v);
                    }
                    return add(s, x, w, v);
                }
            }
        s.slow(attr::set)
    }
    del_attr(s) { s.slow(attr::delete) }
    load_method(s) {
        let x = s.reg(s.i.b());
        let w = s.cache(s.i.c());
        if w & 0xff == cache::METHOD && x.is_ptr() {
            // SAFETY: a register's object is alive.
            let h = unsafe { x.header() };
            if h.flags.load(Relaxed) & weft_gc::Flags::DICT == 0
                && let Some(m) = s.copy_slot(attr::cached_method(type_of(x), w))
            {
                s.put(s.i.b(), Value::NULL);
                return pair(s, m, x);
            }
        }
        s.tail(load_method_many)
    }
    load_method_local(s) {
        let x = s.reg(s.i.b());
        let w = s.cache(s.i.c());
        if w & 0xff == cache::METHOD && x.is_ptr() {
            // SAFETY: a register's object is alive.
            let h = unsafe { x.header() };
            if h.flags.load(Relaxed) & weft_gc::Flags::DICT == 0
                && let Some(f) = method(s, x, w)
            {
                return f;
            }
        }
        s.tail(load_method_many)
    }
    load_method_global(s) {
        let x = s.reg(s.i.b());
        let w = s.cache(s.i.c());
        let m = match w & 0xff {
            cache::MODULE if x.is_ptr() => attr::cached_module(s.t(), x, w),
            cache::TYPE if x.is_ptr() && type_of(x).has(tf::TYPE_SUBCLASS) => {
                attr::cached_method(Type::of_unchecked(x), w)
            }
            _ => return s.tail(load_method),
        };
        if let Some(m) = s.copy_some(m) {
            s.put(s.i.b(), Value::NULL);
            s.put(s.i.a(), m);
            s.put(s.i.a() + 1, Value::NULL);
            return s.drop_ptr(x);
        }
        s.tail(load_method_other)
    }
    #[cold]
    load_method_many(s) {
        let x = s.reg(s.i.b());
        if x.is_ptr() {
            // SAFETY: a register's object is alive.
            let h = unsafe { x.header() };
            let mut w = s.cache(s.i.c());
            if w & 0xff != cache::METHOD_NO_DICT || w >> 32 != type_of(x).version() as u64 {
                w = known(s, 0, type_of(x).version());
            }
            let holds = match w & 0xff {
                cache::METHOD => {
                    h.flags.load(Relaxed) & weft_gc::Flags::DICT == 0 || in_dict(s, x).is_null()
                }
                cache::METHOD_NO_DICT => {
                    instance::dict_slot(x).is_some_and(|d| d.get().is_null())
                        || in_dict(s, x).is_null()
                }
                _ => false,
            };
            if holds {
                refresh(s, w);
                if let Some(f) = method(s, x, w) {
                    return f;
                }
            }
        }
        s.tail(load_method_other)
    }
    #[cold]
    load_method_other(s) {
        let x = s.reg(s.i.b());
        let w = s.cache(s.i.c());
        if w & 0xff == cache::METHOD && !x.is_ptr() && !x.is_null() {
            let m = attr::cached_method(type_of(x), w);
            if !m.is_null()
                && let Some(m) = s.copy(m)
            {
                return pair(s, m, x);
            }
        }
        if !x.is_null()
            && let Some((m, self_)) = attr::class_method(x, w, || in_dict(s, x).is_null())
            && let Some(self_) = s.copy(self_)
        {
            if let Some(m) = s.copy(m) {
                let x = s.take(XB, s.i.b(), x);
                s.put(s.i.a(), m);
                s.put(s.i.a() + 1, self_);
                return s.finish(x);
            }
            s.uncopy(self_);
        }
        if w & 0xff == cache::TYPE && x.is_ptr() && type_of(x).has(tf::TYPE_SUBCLASS) {
            let m = attr::cached_method(Type::of_unchecked(x), w);
            if !m.is_null()
                && let Some(m) = s.copy(m)
            {
                let x = s.take(XB, s.i.b(), x);
                s.put(s.i.a(), m);
                s.put(s.i.a() + 1, Value::NULL);
                return s.finish(x);
            }
        }
        if w & 0xff == cache::MODULE && x.is_ptr() {
            let m = attr::cached_module(s.t(), x, w);
            if !m.is_null()
                && let Some(m) = s.copy(m)
            {
                let x = s.take(XB, s.i.b(), x);
                s.put(s.i.a(), m);
                s.put(s.i.a() + 1, Value::NULL);
                return s.finish(x);
            }
        }
        s.slow(attr::load_method)
    }
    super_attr(s) { s.slow(|t, f, i| attr::super_attr(t, f, i, false)) }
    super_method(s) {
        let b = s.i.b();
        let (sup, cls, obj) = (s.reg(b), s.reg(b + 1), s.reg(b + 2));
        if sup.ptr() as *const Type == &raw const SUPER
            && cls.is_ptr()
            && obj.is_ptr()
            && let Some(m) = s.copy_some(attr::super_method(s.t(), cls, obj, name(s.f, s.i.c())))
        {
            for n in 0..3 {
                s.put(b + n, Value::NULL);
            }
            s.put(s.i.a(), m);
            s.put(s.i.a() + 1, obj);
            return s.finish(cls);
        }
        s.slow(|t, f, i| attr::super_attr(t, f, i, true))
    }
    load_special(s) { s.slow(attr::load_special) }
}
