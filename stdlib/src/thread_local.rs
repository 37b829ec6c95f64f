//! `_thread._local`: attributes that each thread has for itself.
//!
//! Each thread keeps a table from the number of a `_local` object to its own dict, which stays local to the thread. An object
//! that dies in one thread leaves its number on a list, by which the others tidy up when they next use any such object.

use parking_lot::Mutex;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};
use weft_objects::cell::{fresh, or_none, own};
use weft_objects::gc_slots;
use weft_objects::prelude::*;
use weft_objects::types::type_flags;

/// A thread-local object.
#[repr(C)]
pub struct Local {
    header: Header,
    /// Never used twice. 0: it has no number yet.
    id: u64,
    /// What `__init__` is called with in each thread: a tuple and a dict, or NULL.
    args: Slot,
    kwargs: Slot,
}

thread_local! {
    /// The last object that was used, and its dict, which is kept by the thread's table.
    static LAST: Cell<(u64, Value)> = const { Cell::new((0, Value::NULL)) };
    /// How many of the dead this thread has looked at.
    static SEEN: Cell<usize> = const { Cell::new(0) };
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);
/// Numbers of objects that have died after other threads had begun. Only grows; short, as programs make few such objects.
static DEAD: Mutex<Vec<u64>> = Mutex::new(Vec::new());
static DEATHS: AtomicUsize = AtomicUsize::new(0);

/// Drops the dicts of objects that have died in other threads.
#[cold]
fn tidy(t: &Thread) {
    let dead: Vec<u64> = {
        let dead = DEAD.lock();
        let from = SEEN.get().min(dead.len());
        SEEN.set(dead.len());
        dead[from..].to_vec()
    };
    for id in dead {
        forget(t, id);
    }
}

fn this<'a>(v: Value) -> &'a Local {
    // SAFETY: slots and methods of LOCAL get its instances alone.
    unsafe { &*(v.ptr() as *const Local) }
}

/// The calling thread's dict of the object, borrowed: valid until something is called.
#[inline(always)]
fn dict(t: &mut Thread, v: Value) -> Res<Value> {
    let (id, d) = LAST.get();
    if id == this(v).id {
        Ok(d)
    } else {
        find_dict(t, v)
    }
}

#[inline(never)]
fn find_dict(t: &mut Thread, v: Value) -> Res<Value> {
    let id = this(v).id;
    if SEEN.get() != DEATHS.load(Acquire) {
        tidy(t);
    }
    let found = t.vm().locals.borrow().get(&id).map(Obj::value);
    if let Some(d) = found {
        LAST.set((id, d));
        return Ok(d);
    }
    make_dict(t, v)
}

#[cold]
fn make_dict(t: &mut Thread, v: Value) -> Res<Value> {
    let l = this(v);
    let d = Dict::new(t);
    let word = d.value();
    t.vm().locals.borrow_mut().insert(l.id, d);
    LAST.set((l.id, word));
    let Some(args) = own(t, &l.args) else {
        return Ok(word);
    };
    let kwargs = own(t, &l.kwargs);
    let ty = Obj::new(t, type_of(v).value());
    let init = proto::get_attr(t, ty.value(), weft_objects::id!(t, "__init__"))?;
    let mut all = vec![Obj::new(t, v)];
    all.extend(Tuple::of(args.value()).map_or_else(Vec::new, |a| a.to_vec(t)));
    let all = Tuple::from_vec(t, all);
    match crate::_thread::call_with(
        t,
        init.value(),
        all.value(),
        kwargs.as_ref().map(Obj::value),
    ) {
        Ok(_) => {
            LAST.set((l.id, word));
            Ok(word)
        }
        Err(e) => {
            forget(t, l.id);
            Err(e)
        }
    }
}

/// Takes the calling thread's dict out of its table.
fn forget(t: &Thread, id: u64) {
    if LAST.get().0 == id {
        LAST.set((0, Value::NULL));
    }
    if !t.ext().is_null() {
        let dict = t.vm().locals.borrow_mut().remove(&id);
        drop(dict);
    }
}

fn local_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let ty = Type::of_unchecked(cls);
    let plain_init = ty.slots.init.get().map(|f| f as usize)
        == Some(weft_objects::instance::object_init as *const () as usize);
    if !args.is_empty() && plain_init {
        return Err(t.type_error("Initialization arguments are not supported".into()));
    }
    // SAFETY: `cls` is LOCAL or a subclass of it.
    let (o, l) = unsafe { fresh::<Local>(t, ty) };
    let id = NEXT_ID.fetch_add(1, Relaxed);
    // SAFETY: a new object that nobody else knows.
    unsafe { (&raw const l.id).cast_mut().write(id) };
    if !plain_init {
        l.args
            .init(t, &l.header, Tuple::from_slice(t, args.pos()).into());
        if args.has_keywords() {
            let kw = Dict::new(t);
            for (name, value) in args.keywords() {
                if let (Some(d), Some(name)) = (Dict::exact(kw.value()), Str::of(name)) {
                    d.set_str(t, name, value);
                }
            }
            l.kwargs.init(t, &l.header, kw.into());
        }
    }
    // `__init__` is called for this thread by `type.__call__`.
    let d = Dict::new(t);
    t.vm().locals.borrow_mut().insert(id, d);
    Ok(o.into())
}

fn local_get_attr(t: &mut Thread, v: Value, name: Value) -> Res {
    let Some(key) = Str::of(name) else {
        return Err(bad_name(t, name));
    };
    let d = dict(t, v)?;
    let ty = type_of(v);
    let descr = ty.lookup(t, key).map(|d| d.value());
    if descr.is_some() && key.is("__dict__") {
        // A subclass may have a descriptor of its own for it.
        return Ok(to_reg(t, d));
    }
    if let Some(f) = descr
        && type_of(f).has(type_flags::HAS_DESCR_SET)
        && let Some(get) = type_of(f).slots.descr_get.get()
    {
        let f = Obj::new(t, f);
        return get(t, f.value(), v, ty.value());
    }
    if let Some(found) = Dict::exact(d).and_then(|d| d.get_str(t, key)) {
        return Ok(found.to_reg(t));
    }
    let Some(f) = descr else {
        return Err(t.attribute_error(v, key));
    };
    match type_of(f).slots.descr_get.get() {
        Some(get) => {
            let f = Obj::new(t, f);
            get(t, f.value(), v, ty.value())
        }
        None => Ok(to_reg(t, f)),
    }
}

#[cold]
fn bad_name(t: &Thread, name: Value) -> Raised {
    t.type_error(format!(
        "attribute name must be string, not '{}'",
        type_of(name).name()
    ))
}

fn local_set_attr(t: &mut Thread, v: Value, name: Value, value: Value) -> Res<()> {
    let Some(key) = Str::of(name) else {
        return Err(bad_name(t, name));
    };
    let d = dict(t, v)?;
    let ty = type_of(v);
    if let Some(f) = ty.lookup(t, key).map(|d| d.value()) {
        if key.is("__dict__") {
            let msg = format!("'{}' object attribute '__dict__' is read-only", ty.name());
            return Err(t.raise(&errors::ATTRIBUTE_ERROR, msg));
        }
        if let Some(set) = type_of(f).slots.descr_set.get() {
            let f = Obj::new(t, f);
            return set(t, f.value(), v, value);
        }
    }
    let Some(d) = Dict::exact(d) else {
        return Err(t.attribute_error(v, key));
    };
    if value.is_null() {
        return match d.remove_str(t, key) {
            Some(_) => Ok(()),
            None => Err(t.attribute_error(v, key)),
        };
    }
    if key.is_exact() && !key.is_interned() {
        let key = Str::intern_obj(t, Obj::new(t, name));
        if let Some(key) = Str::of(key.value()) {
            d.set_str(t, key, value);
        }
        return Ok(());
    }
    d.set_str(t, key, value);
    Ok(())
}

fn local_dict(t: &mut Thread, v: Value) -> Res {
    let d = dict(t, v)?;
    Ok(or_none(t, d))
}

gc_slots!(Local, traverse_slots, clear_slots, args, kwargs);

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this type.
    unsafe { traverse_slots(h, f) };
    // The thread's own dict counts as the object's while both are local: so that a cycle through it can be collected. (An object
    // that is being published is no longer local, and its dict stays so.)
    let Some(t) = Thread::try_current() else {
        return;
    };
    // SAFETY: as above.
    let l = unsafe { &*(h as *const Local) };
    let mine = cfg!(not(feature = "gil"))
        && l.header.is_local(t)
        && !l.header.is_immortal()
        && !t.ext().is_null();
    if mine
        && let Ok(dicts) = t.vm().locals.try_borrow()
        && let Some(d) = dicts.get(&l.id)
    {
        f(d.value());
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type.
    let l = unsafe { &*(h as *const Local) };
    forget(t, l.id);
    // Threads that have ended took their dicts with them.
    if l.id != 0 && weft_gc::multithreaded() && weft_gc::world().len() > 1 {
        let mut dead = DEAD.lock();
        dead.push(l.id);
        DEATHS.store(dead.len(), Release);
    }
    // SAFETY: as above.
    unsafe { clear_slots(h, t) };
}

/// `_thread._local`
pub static LOCAL: Type = Type::builtin(
    "_local",
    size_of::<Local>(),
    &Spec {
        new: Some(local_new),
        get_attr: Some(local_get_attr),
        set_attr: Some(local_set_attr),
        getset: &[GetSetDef::ro("__dict__", local_dict)],
        ..Spec::EMPTY
    },
)
.module("_thread")
.gc(traverse, clear)
.doc("Thread-local data");
