//! `functools._lru_cache_wrapper`.
//!
//! Results lie in a dict, whose reads take no lock. In a cache of limited size each entry has a stamp of its last use. A hit only
//! writes the stamp (and that only if it is not the current one); when an entry must go, a heap ordered by the stamps as they
//! were noted last gives the least recently used one: an entry whose stamp has changed since is put back with the new one.
//! While one thread alone uses the cache, each hit has a stamp of its own and the order is exact; once several do, hits between two
//! misses have the same one, so that hits on different cores do not fight over a counter.

use crate::support::{Count, Guarded};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering::*};
use weft_gc::{lock, share};
use weft_objects::cell::fresh;
use weft_objects::dict::keys::hash_key;
use weft_objects::method::Method;
use weft_objects::prelude::*;
use weft_objects::types::OBJECT;
use weft_objects::{gc_slots, int};

/// What separates keywords from positional arguments in a key.
static MARK: Header = Header::immortal(&raw const OBJECT.head);

const UNLIMITED: u64 = u64::MAX;
const SEVERAL: u64 = u64::MAX;
const STRIPES: usize = 16;

#[repr(align(64))]
#[derive(Default)]
struct Stripe(AtomicU64);

/// Hits, counted by each thread in a place of its own.
#[derive(Default)]
struct Hits([Stripe; STRIPES]);

#[repr(C)]
struct Cache {
    header: Header,
    func: Slot,
    /// A dict: of results, or of entries if the size is limited.
    results: Slot,
    info_type: Slot,
    dict: Slot,
    max: Count,
    typed: Count,
    misses: Count,
    /// The current stamp.
    clock: Count,
    /// One more than the tag of the only thread that has had hits since the cache is shared, or [`SEVERAL`], or 0.
    user: Count,
    /// Hits while local.
    hits: Count,
    shared_hits: Guarded<Hits>,
    order: Guarded<Order>,
}

/// Entries by the stamp that they had when they were put here; each holds a reference.
#[derive(Default)]
struct Order(BinaryHeap<Reverse<(u64, u64)>>);

#[repr(C)]
struct Entry {
    header: Header,
    key: Slot,
    result: Slot,
    hash: Count,
    stamp: Count,
}

gc_slots!(Entry, traverse_entry, clear_entry, key, result);

static ENTRY: Type = Type::builtin("_lru_cache_entry", size_of::<Entry>(), &Spec::EMPTY)
    .module("functools")
    .gc(traverse_entry, clear_entry)
    .final_()
    .no_new();

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a cache that nobody changes meanwhile.
    unsafe {
        let c = &*(h as *const Cache);
        for s in [&c.func, &c.results, &c.info_type, &c.dict] {
            f(s.get());
        }
        if let Some(order) = c.order.peek() {
            order.0.iter().for_each(|Reverse((_, e))| f(Value(*e)));
        }
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying cache.
    unsafe {
        let c = &*(h as *const Cache);
        if let Some(order) = c.order.take() {
            order
                .0
                .iter()
                .for_each(|Reverse((_, e))| t.drop_value(Value(*e)));
        }
        drop(c.shared_hits.take());
        for s in [&c.func, &c.results, &c.info_type, &c.dict] {
            t.drop_value(s.take_local());
        }
    }
}

fn this<'a>(v: Value) -> &'a Cache {
    // SAFETY: slots and methods of LRU_CACHE get its instances alone.
    unsafe { &*(v.ptr() as *const Cache) }
}

fn entry_of<'a>(v: Value) -> &'a Entry {
    // SAFETY: the dict of a limited cache holds entries alone.
    unsafe { &*(v.ptr() as *const Entry) }
}

fn cache_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new(
        "lru_cache",
        "(user_function, maxsize, typed, cache_info_type)",
    );
    let a = SIG.bind(t, args)?;
    if !proto::is_callable(a[0]) {
        return Err(t.type_error("the first argument must be callable".into()));
    }
    let max = if a[1].is_none() {
        UNLIMITED
    } else if type_of(a[1]).slots.index.is_set() {
        proto::index_i64(t, a[1])?.max(0) as u64
    } else {
        return Err(t.type_error("maxsize should be integer or None".into()));
    };
    let typed = proto::truth(t, a[2])?;
    let results = Dict::new(t);
    // SAFETY: `cls` is LRU_CACHE or a subclass.
    let (o, c) = unsafe { fresh::<Cache>(t, Type::of_unchecked(cls)) };
    c.func.init(t, &c.header, Obj::new(t, a[0]).into());
    c.info_type.init(t, &c.header, Obj::new(t, a[3]).into());
    c.results.init(t, &c.header, results.into());
    c.max.set(max);
    c.typed.set(typed as u64);
    // Made now, as hits look at it without the lock.
    c.shared_hits.init(Hits::default());
    Ok(o.into())
}

/// The key of a call.
#[inline]
fn make_key(t: &Thread, args: Args<'_>, typed: bool) -> Obj {
    let pos = args.pos();
    if !args.has_keywords() && !typed {
        if let [one] = pos
            && (one.is_int() || int::is_exact_int(*one) || Str::exact(*one).is_some())
        {
            return Obj::new(t, *one);
        }
        return Tuple::from_slice(t, pos);
    }
    let mut key = pos.to_vec();
    if args.has_keywords() {
        key.push(MARK.value());
        for (name, v) in args.keywords() {
            key.extend([name, v]);
        }
    }
    if typed {
        key.extend(args.all().iter().map(|v| type_of(*v).value()));
    }
    Tuple::from_slice(t, &key)
}

impl Cache {
    fn dict<'a>(&self) -> &'a Dict {
        // SAFETY: set when the cache is made, never changed; the cache is held by the caller.
        unsafe { &*(self.results.get().ptr() as *const Dict) }
    }

    #[inline]
    fn count_hit(&self, t: &Thread) {
        if self.header.is_local(t) {
            self.hits.set(self.hits.get() + 1);
            return;
        }
        // SAFETY: made with the cache, and only its atomics change.
        if let Some(hits) = unsafe { self.shared_hits.peek() } {
            let own = &hits.0[t.tag() as usize % STRIPES].0;
            own.fetch_add(1, Relaxed);
        }
    }

    fn all_hits(&self) -> u64 {
        // SAFETY: as in `count_hit`.
        let shared = unsafe { self.shared_hits.peek() };
        self.hits.get() + shared.map_or(0, |h| h.0.iter().map(|s| s.0.load(Relaxed)).sum())
    }

    fn count_miss(&self, t: &Thread) {
        self.misses.take_next(self.header.is_local(t));
    }

    /// Whether no other thread has had hits. (Two that have their first ones at the same time may both think so for a moment: then
    /// their hits share stamps.)
    #[inline]
    fn has_one_user(&self, t: &Thread) -> bool {
        let me = u64::from(t.tag()) + 1;
        match self.user.get() {
            SEVERAL => false,
            user if user == me => true,
            0 => {
                self.user.set(me);
                true
            }
            _ => {
                self.user.set(SEVERAL);
                false
            }
        }
    }

    /// Notes that an entry has been used.
    #[inline]
    fn touch(&self, t: &Thread, e: &Entry) {
        if self.header.is_local(t) || self.has_one_user(t) {
            self.clock.set(self.clock.get() + 1);
        }
        let now = self.clock.get();
        if e.stamp.get() != now {
            e.stamp.set(now);
        }
    }

    /// Puts a new entry in order, and takes out the least recently used one if there are too many.
    fn enter(&self, t: &Thread, e: &Obj) -> Option<Obj> {
        share_if(t, &self.header, e);
        let guard = lock(t, &self.header);
        let order = &mut self.order.get(&guard).0;
        let now = self.clock.get() + 1;
        self.clock.set(now);
        entry_of(e.value()).stamp.set(now);
        order.push(Reverse((now, e.clone().into_value().0)));
        if order.len() as u64 <= self.max.get() {
            return None;
        }
        while let Some(Reverse((noted, word))) = order.pop() {
            let stamp = entry_of(Value(word)).stamp.get();
            if stamp == noted {
                return Some(Obj::from_raw(Value(word)));
            }
            order.push(Reverse((stamp, word)));
        }
        None
    }
}

fn share_if(t: &Thread, owner: &Header, o: &Obj) {
    if !owner.is_local(t) {
        share(t, o.value());
    }
}

fn cache_call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    let c = this(v);
    let max = c.max.get();
    if max == 0 {
        c.count_miss(t);
        return proto::call_value(t, c.func.get(), args);
    }
    let key = make_key(t, args, c.typed.get() != 0);
    let hash = hash_key(t, key.value())?;
    let d = c.dict();
    if let Some(found) = d.get_hashed(t, key.value(), hash)? {
        c.count_hit(t);
        if max == UNLIMITED {
            return Ok(found);
        }
        let e = Obj::own(found);
        c.touch(t, entry_of(e.value()));
        return Ok(to_reg(t, entry_of(e.value()).result.get()));
    }
    miss(t, c, args, key, hash)
}

#[inline(never)]
fn miss(t: &mut Thread, c: &Cache, args: Args<'_>, key: Obj, hash: i64) -> Res {
    c.count_miss(t);
    let result = proto::call_kw(t, c.func.get(), args)?;
    let d = c.dict();
    if c.max.get() == UNLIMITED {
        d.set_hashed(t, key.value(), hash, result.clone())?;
        return Ok(result.into());
    }
    if let Some(there) = d.get_hashed(t, key.value(), hash)? {
        // Somebody has entered it meanwhile.
        drop(Obj::own(there));
        return Ok(result.into());
    }
    // SAFETY: the layout of ENTRY.
    let (o, e) = unsafe { fresh::<Entry>(t, &ENTRY) };
    e.key.init(t, &e.header, key.clone().into());
    e.result.init(t, &e.header, result.clone().into());
    e.hash.set(hash as u64);
    if let Some(old) = c.enter(t, &o) {
        let old_entry = entry_of(old.value());
        let old_key = Obj::new(t, old_entry.key.get());
        drop(d.remove_hashed(t, old_key.value(), old_entry.hash.get() as i64)?);
    }
    d.set_hashed(t, key.value(), hash, o)?;
    Ok(result.into())
}

fn cache_info(t: &mut Thread, a: &[Value]) -> Res {
    let c = this(a[0]);
    let max = match c.max.get() {
        UNLIMITED => crate::support::none(),
        n => Obj::own(int::from_u64(t, n)),
    };
    let hits = Obj::own(int::from_u64(t, c.all_hits()));
    let misses = Obj::own(int::from_u64(t, c.misses.get()));
    let size = Value::int(c.dict().len() as i64);
    proto::call(
        t,
        c.info_type.get(),
        &[hits.value(), misses.value(), max.value(), size],
    )
    .map(Obj::into_value)
}

fn cache_clear(t: &mut Thread, a: &[Value]) -> Res {
    let c = this(a[0]);
    let old = {
        let t = &*t;
        let guard = lock(t, &c.header);
        // SAFETY: as in `count_hit`.
        if let Some(hits) = unsafe { c.shared_hits.peek() } {
            hits.0.iter().for_each(|s| s.0.store(0, Relaxed));
        }
        c.hits.set(0);
        c.misses.set(0);
        std::mem::take(c.order.get(&guard))
    };
    c.dict().clear(t);
    for Reverse((_, e)) in old.0 {
        t.drop_value(Value(e));
    }
    Ok(Value::NONE)
}

fn bind(t: &mut Thread, v: Value, obj: Value, _ty: Value) -> Res {
    if obj.is_null() || obj.is_none() {
        return Ok(Obj::new(t, v).into());
    }
    Ok(Method::new(t, v, obj).into())
}

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    proto::get_attr(t, a[0], weft_objects::id!(t, "__qualname__")).map(Obj::into_value)
}

fn same(t: &mut Thread, a: &[Value]) -> Res {
    Ok(Obj::new(t, a[0]).into())
}

/// `functools._lru_cache_wrapper`
pub static LRU_CACHE: Type = Type::builtin(
    "_lru_cache_wrapper",
    size_of::<Cache>(),
    &Spec {
        new: Some(cache_new),
        call: Some(cache_call),
        descr_get: Some(bind),
        methods: &[
            NativeDef::new("cache_info", "($self, /)", cache_info).doc("Report cache statistics"),
            NativeDef::new("cache_clear", "($self, /)", cache_clear)
                .doc("Clear the cache and cache statistics"),
            NativeDef::new("__reduce__", "($self, /)", reduce),
            NativeDef::new("__copy__", "($self, /)", same),
            NativeDef::new("__deepcopy__", "($self, memo, /)", same),
        ],
        getset: &[GetSetDef::rw(
            "__dict__",
            weft_objects::descr::get_dict,
            weft_objects::descr::set_dict,
        )],
        ..Spec::EMPTY
    },
)
.module("functools")
.gc(traverse, clear)
.dict_at(offset_of!(Cache, dict))
.flags(weft_objects::types::type_flags::METHOD_DESCRIPTOR)
.doc("Create a cached callable that wraps another function.");

/// Makes the types that the module does not show ready.
pub fn ready(t: &Thread) {
    ENTRY.ready(t);
}
