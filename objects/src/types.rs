//! Type objects: slots, inheritance, attribute lookup with its caches.

use crate::dict::Dict;
use crate::method_cache::{Changes, Entered, MethodCache};
use crate::prelude::*;
use crate::slots::{Slots, Spec};
use parking_lot::Mutex;
use std::cell::Cell;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::*};
use weft_gc::{TypeFlags, TypeHead};

/// Flags of a type.
pub mod type_flags {
    /// Made by a class statement.
    pub const HEAP: u32 = 1;
    /// May be subclassed.
    pub const BASE: u32 = 2;
    /// Instances keep attributes in inline slots by shape (see [`crate::shape`]).
    pub const INLINE: u32 = 4;
    /// Attributes cannot be set.
    pub const IMMUTABLE: u32 = 8;
    /// Cannot be instantiated by a call.
    pub const NO_NEW: u32 = 16;
    /// Has abstract methods (`__abstractmethods__`).
    pub const ABSTRACT: u32 = 32;
    /// Defines a layout of its own: what `base` is chosen by.
    pub const SOLID: u32 = 64;
    /// A subclass of `type`.
    pub const TYPE_SUBCLASS: u32 = 128;
    /// Matches sequence or mapping patterns.
    pub const SEQUENCE: u32 = 256;
    pub const MAPPING: u32 = 512;
    /// A single positional pattern matches the subject itself.
    pub const MATCH_SELF: u32 = 1024;
    /// A subclass of BaseException.
    pub const EXCEPTION: u32 = 2048;
    /// Attribute lookup on instances is `object`'s: inline caches may be used.
    pub const GENERIC_GETATTR: u32 = 4096;
    /// Attribute assignment on instances is `object`'s.
    pub const GENERIC_SETATTR: u32 = 8192;
    /// Functions and the like: `LoadMethod` may leave the object itself unbound.
    pub const METHOD_DESCRIPTOR: u32 = 16384;
    /// Its variable size part makes `__slots__` impossible (int, tuple, bytes).
    pub const VAR_SIZED: u32 = 32768;
    /// Binding it gives an object that must not be skipped: a data descriptor.
    pub const HAS_DESCR_SET: u32 = 65536;
    /// Weak references to instances are not possible.
    pub const NO_WEAKREF: u32 = 131072;
    /// A built-in type that has a length and is subscripted, but is no sequence: it cannot be iterated.
    pub const NO_SEQUENCE: u32 = 262144;
    /// Its `__init__` does but look at the arguments, as its `__new__` has done.
    pub const NEW_CHECKS: u32 = 524288;
}
use type_flags as tf;

/// A type object. Built-in ones are statics.
#[repr(C)]
pub struct Type {
    pub head: TypeHead,
    pub flags: AtomicU32,
    /// Offset of the instance's dict slot, or 0.
    pub dict_offset: AtomicU32,
    /// Inline slots that a new instance gets.
    pub inline_slots: AtomicU16,
    /// Finished (2), being made ready (1), or not begun (0).
    state: AtomicU8,
    /// Id of the shape without attributes; 0 = not made yet.
    pub root_shape: AtomicU32,
    /// A bit for each name that [`Type::is_shadowed`] is true of, by its address.
    pub(crate) shadow_bits: AtomicU64,
    /// These names.
    pub(crate) shadows: AtomicPtr<crate::shape::Noted>,
    /// The method cache, NULL after each change of the class or a base.
    pub mcache: AtomicPtr<MethodCache>,
    pub slots: Slots,
    static_flags: u32,
    static_name: &'static str,
    static_module: &'static str,
    static_doc: &'static str,
    static_signature: &'static str,
    spec: Option<&'static Spec>,
    /// Of a built-in type: its base, if not `object`. Of a class: the built-in type whose layout it starts with.
    pub(crate) static_base: Option<&'static Type>,
    pub name: Slot,
    pub qualname: Slot,
    pub dict: Slot,
    pub base: Slot,
    pub bases: Slot,
    pub mro: Slot,
    /// Address of each direct subclass, not counted: a dying class takes itself out.
    subclasses: Mutex<Vec<usize>>,
    /// Classes that have this one in their order of bases without deriving from it, as a metaclass's `mro` may decide.
    followers: Mutex<Vec<usize>>,
    /// The classes whose `subclasses` this one is in: when it dies, its tuple of bases may already have been cleared.
    listed_by: Mutex<Vec<usize>>,
}

// SAFETY: all fields that change are atomics, slots or behind a lock.
unsafe impl Sync for Type {}
// SAFETY: as above.
unsafe impl Send for Type {}

impl Type {
    /// A built-in type: its name, the size of its instances, its slots and methods.
    pub const fn builtin(name: &'static str, size: usize, spec: &'static Spec) -> Type {
        Type {
            head: TypeHead {
                header: Header::immortal(&raw const TYPE as *const TypeHead),
                gc_flags: AtomicU32::new(0),
                basic_size: AtomicU32::new(size as u32),
                traverse: None,
                clear: None,
                has_finalizer: None,
            },
            flags: AtomicU32::new(0),
            dict_offset: AtomicU32::new(0),
            inline_slots: AtomicU16::new(0),
            state: AtomicU8::new(0),
            root_shape: AtomicU32::new(0),
            shadow_bits: AtomicU64::new(0),
            shadows: AtomicPtr::new(std::ptr::null_mut()),
            mcache: AtomicPtr::new(std::ptr::null_mut()),
            slots: Slots::empty(),
            static_flags: tf::BASE | tf::IMMUTABLE | tf::SOLID,
            static_name: name,
            static_module: "builtins",
            static_doc: "",
            static_signature: "",
            spec: Some(spec),
            static_base: None,
            name: Slot::empty(),
            qualname: Slot::empty(),
            dict: Slot::empty(),
            base: Slot::empty(),
            bases: Slot::empty(),
            mro: Slot::empty(),
            subclasses: Mutex::new(Vec::new()),
            followers: Mutex::new(Vec::new()),
            listed_by: Mutex::new(Vec::new()),
        }
    }
    /// Instances hold references.
    pub const fn gc(
        mut self,
        traverse: unsafe fn(*const Header, &mut dyn FnMut(Value)),
        clear: unsafe fn(*mut Header, &Thread),
    ) -> Type {
        self.head.gc_flags = AtomicU32::new(TypeFlags::CONTAINER);
        self.head.traverse = Some(traverse);
        self.head.clear = Some(clear);
        self
    }
    /// Instances hold no references, but memory outside.
    pub const fn clear_only(mut self, clear: unsafe fn(*mut Header, &Thread)) -> Type {
        self.head.clear = Some(clear);
        self
    }
    /// Further [`TypeFlags`] bits.
    pub const fn gc_flags(mut self, flags: u32) -> Type {
        let old = if self.head.traverse.is_some() {
            TypeFlags::CONTAINER
        } else {
            0
        };
        self.head.gc_flags = AtomicU32::new(old | flags);
        self
    }
    pub const fn finalizer(mut self, f: unsafe fn(*const Header) -> bool) -> Type {
        self.head.has_finalizer = Some(f);
        self
    }
    pub const fn base(mut self, base: &'static Type) -> Type {
        self.static_base = Some(base);
        self
    }
    pub const fn module(mut self, module: &'static str) -> Type {
        self.static_module = module;
        self
    }
    /// How the class is called: its `__text_signature__`.
    pub const fn signature(mut self, text: &'static str) -> Type {
        self.static_signature = text;
        self
    }
    pub const fn doc(mut self, doc: &'static str) -> Type {
        self.static_doc = doc;
        self
    }
    /// Sets further `type_flags`.
    pub const fn flags(mut self, flags: u32) -> Type {
        self.static_flags |= flags;
        self
    }
    /// Attributes may be set.
    pub const fn mutable_unless(mut self, not: bool) -> Type {
        if !not {
            self.static_flags &= !tf::IMMUTABLE;
        }
        self
    }
    /// No subclasses.
    pub const fn final_(mut self) -> Type {
        self.static_flags &= !tf::BASE;
        self
    }
    pub const fn no_new(self) -> Type {
        self.flags(tf::NO_NEW)
    }
    /// Instances have a `__dict__` in the slot at this offset.
    pub const fn dict_at(mut self, offset: usize) -> Type {
        self.dict_offset = AtomicU32::new(offset as u32);
        self
    }
}

/// The type of any value.
#[inline(always)]
pub fn type_of<'a>(v: Value) -> &'a Type {
    if v.is_ptr() {
        // SAFETY: a live object's type is a `Type`, of which a `TypeHead` is the first field.
        unsafe { &*(v.header().ty() as *const TypeHead as *const Type) }
    } else {
        immediate_type(v)
    }
}

#[inline(always)]
fn immediate_type(v: Value) -> &'static Type {
    if v.is_int() {
        &crate::int::INT
    } else if v.is_float() {
        &crate::float::FLOAT
    } else if v.is_bool() {
        &crate::int::BOOL
    } else if v.is_none() {
        &crate::singletons::NONE_TYPE
    } else if v == Value::NOT_IMPLEMENTED {
        &crate::singletons::NOT_IMPLEMENTED_TYPE
    } else {
        &crate::singletons::ELLIPSIS_TYPE
    }
}

/// A new instance of `cls`, zeroed after the header: for the `new` slot of a built-in type that may be subclassed.
#[inline]
pub fn alloc_instance(t: &Thread, cls: &Type) -> *mut Header {
    // SAFETY: the class's size covers its layout, for which zero is a valid start.
    unsafe { t.alloc(&cls.head, cls.head.basic_size.load(Relaxed) as usize) }
}

/// Of most classes a few names are asked for; a cache that is full makes way for one with more room.
const SMALL_CACHE: usize = 16;
const LARGE_CACHE: usize = 128;
/// Above the ids of all shapes, which share a place in inline caches with them.
static VERSIONS: AtomicU32 = AtomicU32::new(crate::shape::MAX_ID + 1);

impl MethodCache {
    /// The value at an index that a lookup has given.
    #[inline(always)]
    pub fn value(&self, index: usize) -> Value {
        Value(self.word(index))
    }
}

static CHANGES: Changes = Changes::none();

fn new_version() -> u32 {
    VERSIONS.fetch_add(1, Relaxed)
}

/// One thread's memory of where names are in method caches: direct-mapped by version and name.
pub struct LookupCache([Cell<(u32, u32, u64)>; LOOKUPS]);
const LOOKUPS: usize = 2048;

impl LookupCache {
    pub fn new() -> Box<LookupCache> {
        // SAFETY: cells of numbers, for which zero is a value. Its memory is not touched before it is needed.
        unsafe { Box::new_zeroed().assume_init() }
    }

    /// The place for a name (by its address) in the method cache of a version.
    #[inline(always)]
    fn place(&self, version: u32, key: u64) -> &Cell<(u32, u32, u64)> {
        let h = (key >> 4).wrapping_add((version as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        &self.0[(h ^ (h >> 17)) as usize % LOOKUPS]
    }
}

impl Type {
    /// Whether its objects are true for want of `__bool__` and `__len__`.
    #[inline(always)]
    pub fn is_always_true(&self) -> bool {
        !self.slots.truth.is_set() && !self.slots.len.is_set()
    }
    /// The version of the method cache, 0 if there is none.
    #[inline(always)]
    pub fn version(&self) -> u32 {
        let mc = self.mcache.load(Acquire);
        if mc.is_null() {
            0
        } else {
            // SAFETY: a cache read from a type stays until this thread's next safepoint (I7).
            unsafe { (*mc).version }
        }
    }
    #[inline(always)]
    pub fn value(&self) -> Value {
        Value::from_ptr(&self.head.header)
    }
    #[inline(always)]
    pub fn header(&self) -> &Header {
        &self.head.header
    }
    /// The type object, if `v` is one.
    #[inline(always)]
    pub fn of<'a>(v: Value) -> Option<&'a Type> {
        if v.is_ptr() && type_of(v).has(tf::TYPE_SUBCLASS) {
            Some(Type::of_unchecked(v))
        } else {
            None
        }
    }
    /// The type object in a word that is known to be one.
    #[inline(always)]
    pub fn of_unchecked<'a>(v: Value) -> &'a Type {
        // SAFETY: the caller knows the word for a type's.
        unsafe { &*(v.ptr() as *const Type) }
    }
    #[inline(always)]
    pub fn has(&self, flag: u32) -> bool {
        self.flags.load(Relaxed) & flag != 0
    }
    #[inline(always)]
    pub fn is_heap(&self) -> bool {
        self.has(tf::HEAP)
    }
    #[inline(always)]
    pub fn is(&self, other: &Type) -> bool {
        std::ptr::eq(self, other)
    }

    /// `__name__`.
    pub fn name(&self) -> String {
        match Str::of(self.name.get()) {
            Some(s) => s.to_string_lossy(),
            None => self
                .static_name
                .rsplit('.')
                .next()
                .unwrap_or(self.static_name)
                .to_string(),
        }
    }
    /// `__qualname__`.
    pub fn qualname<'t>(&self, t: &'t Thread) -> &'t Str {
        match Str::of(self.qualname.get()) {
            Some(s) => s,
            None => crate::names::get(t, self.static_name),
        }
    }
    /// `__module__`, if it is a str.
    pub fn module_name(&self, t: &Thread) -> Option<Obj> {
        if !self.is_heap() {
            return Some(Str::intern(t, self.static_module));
        }
        let d = self.dict(t)?;
        d.get_str(t, crate::id!(t, "__module__"))
            .map(|v| v.to_obj(t))
    }
    /// The name of a built-in type, whatever its `__name__` has become.
    pub fn static_name(&self) -> &'static str {
        self.static_name
    }
    pub fn static_module(&self) -> &'static str {
        self.static_module
    }
    /// Name with module, as in messages and reprs: `collections.OrderedDict`, `int`.
    pub fn full_name(&self, t: &Thread) -> String {
        let q = self.qualname(t).to_string_lossy();
        match self.module_name(t) {
            Some(m) => match Str::of(m.value()) {
                Some(m) if m.as_bytes() != b"builtins" => format!("{}.{q}", m.to_string_lossy()),
                _ => q,
            },
            None => q,
        }
    }
    pub fn static_signature(&self) -> &'static str {
        self.static_signature
    }
    pub fn static_doc(&self) -> &'static str {
        self.static_doc
    }

    pub fn dict<'t>(&self, _t: &'t Thread) -> Option<&'t Dict> {
        Dict::exact(self.dict.get())
    }
    pub fn base_type(&self) -> Option<&Type> {
        let b = self.base.get();
        if b.is_null() {
            None
        } else {
            Some(Type::of_unchecked(b))
        }
    }
    pub fn mro_tuple(&self) -> Option<&Tuple> {
        Tuple::exact(self.mro.get())
    }

    /// Whether this type is `other` or derives from it.
    #[inline]
    pub fn is_subtype(&self, other: &Type) -> bool {
        if std::ptr::eq(self, other) {
            return true;
        }
        if self.spec.is_some() {
            // Built-in types derive from one base each.
            return match self.static_base {
                Some(base) => base.is_subtype(other),
                None => std::ptr::eq(other, &OBJECT),
            };
        }
        match self.mro_tuple() {
            Some(mro) => mro
                .values()
                .iter()
                .any(|v| std::ptr::eq(v.ptr() as *const Type, other)),
            // Not ready yet: built-in types derive from one base each.
            None => self.static_base.is_some_and(|b| b.is_subtype(other)),
        }
    }

    /// The value of `name` in the first class of the MRO that has it. Never runs Python.
    #[inline]
    pub fn lookup<'t>(&self, t: &'t Thread, name: &Str) -> Option<Borrowed<'t>> {
        if !name.is_interned() {
            return self.lookup_uncached(t, name);
        }
        let mc = self.mcache.load(Acquire);
        if !mc.is_null() {
            // SAFETY: a cache read from a type stays until this thread's next safepoint (I7).
            let mc = unsafe { &*mc };
            let key = name as *const Str as u64;
            let (version, index, cached) = t.vm().lookups.place(mc.version, key).get();
            if version == mc.version && cached == key {
                let v = mc.value(index as usize);
                return if v.is_null() {
                    None
                } else {
                    Some(Borrowed::new(t, v))
                };
            }
        }
        match self.lookup_index(t, name) {
            Some((mc, index)) => {
                let v = mc.value(index);
                if v.is_null() {
                    None
                } else {
                    Some(Borrowed::new(t, v))
                }
            }
            None => self.lookup_uncached(t, name),
        }
    }

    /// As [`Type::lookup`], for what is asked once.
    pub(crate) fn lookup_uncached<'t>(&self, t: &'t Thread, name: &Str) -> Option<Borrowed<'t>> {
        let mro = self.mro_tuple()?;
        for i in 0..mro.len() {
            let d = Type::of_unchecked(mro.get(i)).dict(t)?;
            if let Some(v) = d.get_str(t, name) {
                return Some(v);
            }
        }
        None
    }

    /// The method cache and the index in it of an interned name, which is entered if it is not there yet: what inline caches
    /// keep. `None` when the cache is full.
    #[cold]
    #[inline(never)]
    pub fn lookup_index<'t>(&self, t: &'t Thread, name: &Str) -> Option<(&'t MethodCache, usize)> {
        let key = name as *const Str as u64;
        // SAFETY: a cache read from a type stays until this thread's next safepoint (I7).
        let mc = unsafe {
            match MethodCache::of(&self.mcache) {
                Some(mc) => mc,
                None => MethodCache::make(&self.mcache, SMALL_CACHE, new_version()),
            }
        };
        let place = t.vm().lookups.place(mc.version, key);
        let (version, index, cached) = place.get();
        if version == mc.version && cached == key {
            return Some((mc, index as usize));
        }
        if let Ok(i) = mc.find(key) {
            place.set((mc.version, i as u32, key));
            return Some((mc, i));
        }
        let found = self
            .lookup_uncached(t, name)
            .map_or(Value::NULL, |v| v.value());
        let _guard = lock(t, self.header());
        let i = match mc.enter(&self.mcache, &CHANGES, key, found.bare().0) {
            Entered::At(i) => i,
            Entered::Gone => return None,
            Entered::Full => {
                // Start over: the old one goes as after a change.
                if mc.replace(&self.mcache, LARGE_CACHE, new_version()) {
                    // SAFETY: out of sight for new readers.
                    unsafe {
                        let p = (&raw const *mc).cast_mut() as *mut u8;
                        t.retire(self.header(), p, mc.size(), MethodCache::free)
                    };
                }
                return None;
            }
        };
        place.set((mc.version, i as u32, key));
        Some((mc, i))
    }

    /// Changes what the class or its instances have (its dict, its MRO, its slots): nothing that is cached of it outlives that.
    /// `write` runs no Python.
    pub fn change<R>(&self, t: &Thread, write: impl FnOnce() -> R) -> R {
        CHANGES.make(|| self.modified(t), write)
    }

    /// Drops all that is cached of the class and those below it.
    pub fn modified(&self, t: &Thread) {
        if self.has(tf::TYPE_SUBCLASS) {
            // What the instances of a metaclass have may be hidden by it now: all classes are looked through again.
            OBJECT.forget(t);
        } else {
            self.forget(t);
        }
    }

    fn forget(&self, t: &Thread) {
        let p = MethodCache::take(&self.mcache);
        if !p.is_null() {
            // SAFETY: out of sight; readers that have it may go on until their next safepoint (I7).
            unsafe { t.retire(self.header(), p as *mut u8, (*p).size(), MethodCache::free) };
        }
        for sub in self.subclasses_snapshot() {
            Type::of_unchecked(sub).forget(t);
        }
        let followers = self.followers.lock().clone();
        for sub in followers {
            // SAFETY: a class takes itself out of the lists that it is in before it dies.
            unsafe { &*(sub as *const Type) }.forget(t);
        }
    }

    /// Direct subclasses, not counted.
    pub fn subclasses_snapshot(&self) -> Vec<Value> {
        self.subclasses
            .lock()
            .iter()
            .map(|&p| Value::from_ptr(p as *const Header))
            .collect()
    }

    pub fn add_subclass(&self, sub: &Type) {
        self.subclasses.lock().push(sub as *const Type as usize);
        sub.listed_by.lock().push(self as *const Type as usize);
    }

    /// Makes this class's changes known to one that has it in its order of bases without deriving from it.
    pub fn add_follower(&self, other: &Type) {
        self.followers.lock().push(other as *const Type as usize);
        other.listed_by.lock().push(self as *const Type as usize);
    }

    /// Takes this class out of the lists of all classes that it was added to.
    pub fn unlist(&self) {
        let listed_by = std::mem::take(&mut *self.listed_by.lock());
        for p in listed_by {
            // SAFETY: a class outlives those below it; of garbage, the collector frees blocks only after all are cleared.
            let base = unsafe { &*(p as *const Type) };
            let me = self as *const Type as usize;
            base.subclasses.lock().retain(|&p| p != me);
            base.followers.lock().retain(|&p| p != me);
        }
    }

    /// Stores (or with NULL removes) `name` in the class's dict and brings caches and slots up to date.
    pub fn set_name(&self, t: &Thread, name: &Str, v: Value) -> bool {
        let Some(d) = self.dict(t) else { return false };
        // Keeps the old value until the caches that hold it uncounted are gone.
        let old = d.get_str(t, name).map(|v| v.to_obj(t));
        let done = self.change(t, || {
            if v.is_null() {
                if d.remove_str(t, name).is_none() {
                    return false;
                }
            } else {
                d.set_str(t, name, v);
            }
            if name.as_bytes().starts_with(b"__") {
                crate::slotdefs::update(t, self, name);
            }
            true
        });
        drop(old);
        done
    }

    /// Makes a built-in type ready for use. Does nothing the second time.
    pub fn ready(&'static self, t: &Thread) {
        if self.state.swap(1, AcqRel) != 0 {
            return;
        }
        let base: Option<&'static Type> = if self.is(&OBJECT) {
            None
        } else {
            Some(self.static_base.unwrap_or(&OBJECT))
        };
        let mut flags = self.static_flags | self.flags.load(Relaxed);
        if let Some(b) = base {
            b.ready(t);
            let inherited = tf::TYPE_SUBCLASS
                | tf::EXCEPTION
                | tf::SEQUENCE
                | tf::MAPPING
                | tf::MATCH_SELF
                | tf::VAR_SIZED;
            flags |= b.flags.load(Relaxed) & inherited;
            if self.dict_offset.load(Relaxed) == 0 {
                self.dict_offset.store(b.dict_offset.load(Relaxed), Relaxed);
            }
            if self.head.gc_flags.load(Relaxed) == 0 {
                self.head
                    .gc_flags
                    .store(b.head.gc_flags.load(Relaxed), Relaxed);
            }
            if self.head.basic_size.load(Relaxed) == b.head.basic_size.load(Relaxed) {
                flags &= !tf::SOLID;
            }
        }
        self.flags.store(flags, Release);
        let d = Dict::with_capacity(t, self.names_at_first());
        let names = Dict::of_obj(&d);
        self.dict
            .init(t, self.header(), Obj::new(t, d.value()).into_value());
        if let Some(b) = base {
            self.base.init(t, self.header(), b.value());
            b.add_subclass(self);
        }
        let mut chain = vec![self.value()];
        let mut up = base;
        while let Some(b) = up {
            chain.push(b.value());
            up = b
                .static_base
                .or(if b.is(&OBJECT) { None } else { Some(&OBJECT) });
        }
        self.mro
            .init(t, self.header(), Tuple::from_slice(t, &chain).into_value());
        let bases: Vec<Value> = base.iter().map(|b| b.value()).collect();
        self.bases
            .init(t, self.header(), Tuple::from_slice(t, &bases).into_value());
        if let Some(spec) = self.spec {
            self.slots.fill(spec);
            self.add_natives(t, spec, names);
        }
        crate::slotdefs::add_wrappers(t, self);
        if let Some(b) = base {
            self.slots.inherit(&b.slots);
        }
        if self.slots.compare.is_set() && !self.slots.hash.is_set() {
            self.slots
                .hash
                .set(Some(crate::proto::hash_not_implemented));
            names.set_str(t, crate::id!(t, "__hash__"), Value::NONE);
        }
        self.note_generic();
        let doc_key = crate::id!(t, "__doc__");
        if names.get_str(t, doc_key).is_none() && !self.is(&TYPE) {
            let doc = match self.static_doc {
                "" => Obj::own(Value::NONE),
                text => Str::from_static(t, crate::text::Text::new(text.as_bytes())),
            };
            names.set_str(t, doc_key, doc.value());
        }
        self.set_static_module(t, names);
        self.state.store(2, Release);
    }

    /// Types of modules other than `builtins` have `__module__` in their dict, so that their instances have it too.
    fn set_static_module(&self, t: &Thread, names: &Dict) {
        if matches!(self.static_module, "builtins" | "types") {
            return;
        }
        let key = crate::id!(t, "__module__");
        if names.get_str(t, key).is_none() {
            let module = Str::intern(t, self.static_module);
            names.set_str(t, key, module.value());
        }
    }

    /// About how many names will be in the dict.
    fn names_at_first(&self) -> usize {
        let of = |s: &Spec| s.methods.len() + s.getset.len() + s.members.len();
        self.spec.map_or(0, of) + 6
    }

    fn add_natives(&'static self, t: &Thread, spec: &'static Spec, names: &Dict) {
        use crate::native::{
            CLASS_METHOD_DESCRIPTOR, METHOD_DESCRIPTOR, MethodDescr, Native, NativeKind,
        };
        for def in spec.methods {
            let o = match def.kind {
                NativeKind::Plain => {
                    MethodDescr::new(t, Native::new(def, true), self, &METHOD_DESCRIPTOR)
                }
                NativeKind::Class => {
                    MethodDescr::new(t, Native::new(def, true), self, &CLASS_METHOD_DESCRIPTOR)
                }
                NativeKind::Static => {
                    let f = crate::native::BuiltinFunction::bind(
                        t,
                        Native::new(def, false),
                        self.value(),
                        Value::NULL,
                    );
                    crate::staticmethod::new_static(t, f)
                }
            };
            names.set_str(t, crate::names::get(t, def.name), o.value());
        }
        for def in spec.getset {
            let o = crate::descr::new_getset(t, def, self);
            names.set_str(t, crate::names::get(t, def.name), o.value());
        }
        for def in spec.members {
            let o = crate::descr::new_member(
                t,
                def.name,
                def.offset,
                def.readonly,
                def.none_if_empty,
                self,
            );
            names.set_str(t, crate::names::get(t, def.name), o.value());
        }
    }

    /// Notes in the flags whether attribute access is `object`'s own.
    pub fn note_generic(&self) {
        let get = self.slots.get_attr.get().map(|f| f as usize)
            == Some(crate::instance::generic_get_attr as *const () as usize);
        let set = self.slots.set_attr.get().map(|f| f as usize)
            == Some(crate::instance::generic_set_attr as *const () as usize);
        self.put_flag(tf::GENERIC_GETATTR, get);
        self.put_flag(tf::GENERIC_SETATTR, set);
        self.put_flag(tf::HAS_DESCR_SET, self.slots.descr_set.is_set());
    }

    pub fn put_flag(&self, flag: u32, on: bool) {
        if on {
            self.flags.fetch_or(flag, AcqRel);
        } else {
            self.flags.fetch_and(!flag, AcqRel);
        }
    }

    /// A new heap type's memory, with everything still to be filled in: for `type_new`.
    pub fn alloc_heap(t: &Thread, meta: &Type) -> Obj {
        let size = meta.head.basic_size.load(Relaxed) as usize;
        // SAFETY: the words that zero does not suit are written here, the others are valid as zero.
        unsafe {
            let p = t.alloc(&meta.head, size.max(size_of::<Type>()));
            let ty = p as *mut Type;
            (&raw mut (*ty).static_name).write("");
            (&raw mut (*ty).static_module).write("");
            (&raw mut (*ty).static_doc).write("");
            (&raw mut (*ty).static_signature).write("");
            (&raw mut (*ty).subclasses).write(Mutex::new(Vec::new()));
            (&raw mut (*ty).followers).write(Mutex::new(Vec::new()));
            (&raw mut (*ty).listed_by).write(Mutex::new(Vec::new()));
            (*ty).state.store(2, Relaxed);
            Obj::from_raw(Value::from_ptr(p))
        }
    }
}

unsafe fn traverse_type(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a type object.
    let ty = unsafe { &*(h as *const Type) };
    for s in [
        &ty.name,
        &ty.qualname,
        &ty.dict,
        &ty.base,
        &ty.bases,
        &ty.mro,
    ] {
        f(s.get());
    }
}

unsafe fn clear_type(h: *mut Header, t: &Thread) {
    // SAFETY: a dying heap type.
    let ty = unsafe { &mut *(h as *mut Type) };
    ty.unlist();
    ty.forget_shadows();
    for s in [
        &ty.name,
        &ty.qualname,
        &ty.dict,
        &ty.base,
        &ty.bases,
        &ty.mro,
    ] {
        t.drop_value(s.take_local());
    }
    let p = MethodCache::take(&ty.mcache);
    if !p.is_null() {
        // SAFETY: nobody can reach a dying type.
        unsafe { MethodCache::free(p as *mut u8, 0) };
    }
    *ty.subclasses.lock() = Vec::new();
    *ty.followers.lock() = Vec::new();
}

/// `type`
pub static TYPE: Type = Type::builtin("type", size_of::<Type>(), &crate::type_new::TYPE_SPEC)
    .gc(traverse_type, clear_type)
    .gc_flags_container(TypeFlags::CONTAINER | TypeFlags::COLLECTED)
    .flags(tf::TYPE_SUBCLASS);

/// `object`
pub static OBJECT: Type =
    Type::builtin("object", 16, &crate::instance::OBJECT_SPEC).signature("()");

impl Type {
    const fn gc_flags_container(mut self, flags: u32) -> Type {
        self.head.gc_flags = AtomicU32::new(flags);
        self
    }
}
