//! set and frozenset: storage and lookup. Their methods are in `set/methods.rs`.
//!
//! As with dicts, writers hold the set's lock, and readers nothing: the protocol is the table's (`set/table.rs`).

mod methods;
pub mod table;

use crate::dict::keys::{hash_element, quick_eq};
use crate::prelude::*;
pub use methods::{FROZENSET, SET, SET_ITERATOR};
use std::sync::atomic::{AtomicI64, AtomicPtr, AtomicU32, Ordering::*};
use table::{DEAD, Found, Match, Place, Table};
use weft_gc::share;

/// A set or frozenset. Zero words are an empty one.
#[repr(C)]
pub struct Set {
    pub header: Header,
    /// Null: empty.
    table: AtomicPtr<Table>,
    len: AtomicU32,
    /// Counts the tables: tells a table from a later one at the same address.
    version: AtomicU32,
    /// Of a frozenset, once it has been asked for; 0 before.
    hash: AtomicI64,
}

/// Where a search that may have called Python ended, and what it has seen.
struct Seen {
    table: *mut Table,
    version: u32,
    found: Found,
}

const ABSENT: Found = Found::Absent(usize::MAX);

impl Set {
    /// A new empty `set`.
    pub fn new(t: &Thread) -> Obj {
        Self::new_of(t, &SET)
    }

    /// A new empty `frozenset`, to be filled before anybody else sees it.
    pub fn new_frozen(t: &Thread) -> Obj {
        Self::new_of(t, &FROZENSET)
    }

    /// A new empty instance of a class.
    pub fn new_of(t: &Thread, cls: &Type) -> Obj {
        Obj::from_raw(Value::from_ptr(crate::types::alloc_instance(t, cls)))
    }

    /// The set in a handle that is known to be one.
    #[inline(always)]
    pub fn of_obj(o: &Obj) -> &Set {
        Self::this(o.value())
    }

    /// As [`Set::of`] where `v` is known to be one: `self` of a method.
    #[inline(always)]
    pub fn this<'a>(v: Value) -> &'a Set {
        debug_assert!(Set::of(v).is_some());
        // SAFETY: methods and slots of the two types are called with instances only.
        unsafe { &*(v.ptr() as *const Set) }
    }

    /// The set, if `v` is a set or frozenset, or an instance of a subclass.
    #[inline]
    pub fn of<'a>(v: Value) -> Option<&'a Set> {
        if !v.is_ptr() {
            return None;
        }
        let ty = type_of(v);
        let is =
            ty.is(&SET) || ty.is(&FROZENSET) || ty.is_subtype(&SET) || ty.is_subtype(&FROZENSET);
        // SAFETY: instances of both types and their subclasses start with this layout.
        is.then(|| unsafe { &*(v.ptr() as *const Set) })
    }

    /// The set, if `v` is exactly a `set` or a `frozenset`.
    #[inline]
    pub fn exact<'a>(v: Value) -> Option<&'a Set> {
        match crate::cast_exact(v, &SET) {
            None => crate::cast_exact(v, &FROZENSET),
            s => s,
        }
    }

    pub fn value(&self) -> Value {
        self.header.value()
    }

    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len.load(Acquire) as usize
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The table, which stays readable until this thread's next safepoint (I7).
    #[inline(always)]
    fn table(&self) -> Option<&Table> {
        // SAFETY: retired tables are freed only after a handshake; `look` checks `version` after each call into Python.
        unsafe { self.table.load(Acquire).as_ref() }
    }

    /// Looks for a key without calling Python.
    #[inline(always)]
    fn quick(&self, key: Value, hash: i64) -> Found {
        match self.table() {
            None => ABSENT,
            Some(table) => table.find(&mut table.probe(hash), |place, k| {
                test(place, k, key.bare(), hash)
            }),
        }
    }

    /// Whether the key is there, if that needs no Python.
    #[inline(always)]
    pub(crate) fn quick_contains(&self, key: Value, hash: i64) -> Option<bool> {
        match self.quick(key, hash) {
            Found::At(_) => Some(true),
            Found::Absent(_) => Some(false),
            Found::Ask(_) => None,
        }
    }

    /// Looks for a key, calling Python as needed.
    #[cold]
    #[inline(never)]
    fn look(&self, t: &mut Thread, key: Value, hash: i64) -> Res<Seen> {
        'again: loop {
            let version = self.version.load(Acquire);
            let table = self.table.load(Acquire);
            // SAFETY: as in `table`; after each call into Python it is used only if it is the set's table still.
            let Some(tb) = (unsafe { table.as_ref() }) else {
                return Ok(Seen {
                    table,
                    version,
                    found: ABSENT,
                });
            };
            let mut probe = tb.probe(hash);
            loop {
                let found = tb.find(&mut probe, |place, k| test(place, k, key.bare(), hash));
                let Found::Ask(at) = found else {
                    return Ok(Seen {
                        table,
                        version,
                        found,
                    });
                };
                let k = Value(tb.place(at).key());
                if k.0 == DEAD {
                    continue;
                }
                let held = Obj::new(t, k);
                let equal = proto::eq(t, held.value(), key)?;
                if self.table.load(Acquire) != table
                    || self.version.load(Acquire) != version
                    || tb.place(at).key() != k.0
                {
                    continue 'again;
                }
                if equal {
                    return Ok(Seen {
                        table,
                        version,
                        found: Found::At(at),
                    });
                }
            }
        }
    }

    /// Under the lock: whether what a search has found is so still.
    fn is_still(&self, seen: &Seen) -> bool {
        if self.table.load(Relaxed) != seen.table || self.version.load(Relaxed) != seen.version {
            return false;
        }
        match (seen.found, self.table()) {
            (Found::At(at), Some(table)) => table.place(at).is_live(),
            (Found::Absent(at), Some(table)) => table.place(at).key() == 0,
            _ => true,
        }
    }

    /// Looks for a key and does something about it under the lock.
    #[inline(always)]
    fn change<R>(
        &self,
        t: &mut Thread,
        key: Value,
        hash: i64,
        act: impl FnOnce(&Thread, Found) -> R,
    ) -> Res<R> {
        {
            let t = &*t;
            let _guard = lock(t, &self.header);
            let found = self.quick(key, hash);
            if !matches!(found, Found::Ask(_)) {
                return Ok(act(t, found));
            }
        }
        self.change_slow(t, key, hash, act)
    }

    #[cold]
    fn change_slow<R>(
        &self,
        t: &mut Thread,
        key: Value,
        hash: i64,
        act: impl FnOnce(&Thread, Found) -> R,
    ) -> Res<R> {
        loop {
            let seen = self.look(t, key, hash)?;
            let t = &*t;
            let _guard = lock(t, &self.header);
            if self.is_still(&seen) {
                return Ok(act(t, seen.found));
            }
        }
    }

    /// Under the lock: a new key, of which a reference is taken.
    #[inline(always)]
    fn insert(&self, t: &Thread, at: usize, hash: i64, key: Value) {
        if !self.header.is_local(t) {
            share(t, key); // keeps I3
        }
        inc(t, key);
        let len = self.len.load(Relaxed) + 1;
        let full = match self.table() {
            Some(table) if !table.is_single() => table.insert(at, hash, key.bare().0),
            Some(table) => {
                let new = Table::new(0);
                // SAFETY: just made.
                unsafe {
                    table.copy_to(new.as_ref());
                    new.as_ref().insert_clean(hash, key.bare().0);
                }
                self.publish(t, new.as_ptr());
                false
            }
            None => {
                self.publish(t, Table::single(hash, key.bare().0).as_ptr());
                false
            }
        };
        self.len.store(len, Release);
        if full {
            let times = if len > 50_000 { 2 } else { 4 };
            if !self.grow(t, len as usize * times) {
                // There are empty places yet: two of five. MemoryError comes at the next poll, if not before.
                weft_gc::reserve::starve(t);
            }
        }
    }

    /// Under the lock: a table of more than `least` places, without dead ones. False: there is no such memory.
    #[cold]
    #[inline(never)]
    fn grow(&self, t: &Thread, least: usize) -> bool {
        let Some(new) = Table::try_new(least) else {
            return false;
        };
        if let Some(old) = self.table() {
            // SAFETY: just made.
            old.copy_to(unsafe { new.as_ref() });
        }
        self.publish(t, new.as_ptr());
        true
    }

    /// Under the lock: another table, or none. The old one is retired; what its words refer to is the caller's business.
    fn publish(&self, t: &Thread, new: *mut Table) {
        // The version first: who sees the new table sees it, and who has seen the old one compares both.
        self.version
            .store(self.version.load(Relaxed).wrapping_add(1), Release);
        let old = self.table.load(Relaxed);
        self.table.store(new, Release);
        // SAFETY: the table has just been taken out of sight.
        unsafe {
            if !old.is_null() {
                t.retire(&self.header, old as *mut u8, (*old).bytes(), Table::free);
            }
        }
    }

    /// Under the lock: takes out a key that has been found.
    #[inline]
    fn take(&self, found: Found) -> Option<Obj> {
        let (Found::At(at), Some(table)) = (found, self.table()) else {
            return None;
        };
        let key = table.kill(at);
        self.len.store(self.len.load(Relaxed) - 1, Release);
        Some(Obj::from_raw(Value(key)))
    }

    /// Whether the key is there.
    ///
    /// # Errors
    /// TypeError if the key is unhashable; what `__hash__` and `__eq__` raise. So for all that take a key.
    pub fn contains(&self, t: &mut Thread, key: Value) -> Res<bool> {
        let hash = hash_element(t, key)?;
        self.contains_hashed(t, key, hash)
    }

    /// As [`Set::contains`], with the key's hash.
    #[inline]
    pub fn contains_hashed(&self, t: &mut Thread, key: Value, hash: i64) -> Res<bool> {
        match self.quick(key, hash) {
            Found::At(_) => Ok(true),
            Found::Absent(_) => Ok(false),
            Found::Ask(_) => Ok(matches!(self.look(t, key, hash)?.found, Found::At(_))),
        }
    }

    /// Puts a key (borrowed) in. True: it is new.
    #[inline]
    pub fn add(&self, t: &mut Thread, key: Value) -> Res<bool> {
        let hash = hash_element(t, key)?;
        self.add_hashed(t, key, hash)
    }

    /// Puts a key into a set that nobody else knows yet. `None`: only Python can tell whether it is there.
    #[inline(always)]
    fn enter(&self, t: &Thread, hash: i64, key: Value) -> Option<()> {
        match self.quick(key, hash) {
            Found::Absent(at) => self.insert(t, at, hash, key),
            Found::At(_) => {}
            Found::Ask(_) => return None,
        }
        Some(())
    }

    /// Takes a key out of a set that nobody else knows yet, likewise.
    #[inline(always)]
    fn leave(&self, t: &Thread, hash: i64, key: Value) -> Option<()> {
        match self.quick(key, hash) {
            Found::Ask(_) => return None,
            found => {
                if let Some(key) = self.take(found) {
                    dec(t, key.into_value());
                }
            }
        }
        Some(())
    }

    /// As [`Set::add`], with the key's hash.
    #[inline]
    pub fn add_hashed(&self, t: &mut Thread, key: Value, hash: i64) -> Res<bool> {
        self.change(t, key, hash, |t, found| match found {
            Found::Absent(at) => {
                self.insert(t, at, hash, key);
                true
            }
            _ => false,
        })
    }

    /// Takes a key out. True: it was there.
    pub fn remove(&self, t: &mut Thread, key: Value) -> Res<bool> {
        let hash = hash_element(t, key)?;
        self.remove_hashed(t, key, hash)
    }

    /// As [`Set::remove`], with the key's hash.
    pub fn remove_hashed(&self, t: &mut Thread, key: Value, hash: i64) -> Res<bool> {
        Ok(self
            .change(t, key, hash, |_, found| self.take(found))?
            .is_some())
    }

    /// Takes any key out.
    pub fn pop(&self, t: &Thread) -> Option<Obj> {
        let _guard = lock(t, &self.header);
        if self.is_empty() {
            return None;
        }
        let at = self.table()?.any();
        self.take(Found::At(at))
    }

    /// Removes all keys.
    pub fn clear(&self, t: &Thread) {
        let old = {
            let _guard = lock(t, &self.header);
            let old = self.table.load(Relaxed);
            self.len.store(0, Release);
            self.version
                .store(self.version.load(Relaxed).wrapping_add(1), Release);
            self.table.store(std::ptr::null_mut(), Release);
            old
        };
        // SAFETY: taken out of sight; the words' references are now this call's. Readers that still look at them are
        // covered by the handshake of I5.
        unsafe {
            if let Some(tb) = old.as_ref() {
                drop_keys(t, tb);
                t.retire(&self.header, old as *mut u8, tb.bytes(), Table::free);
            }
        }
    }

    /// Replaces the keys of this set by those of `other`, which is left empty. Both are local.
    fn take_over(&self, t: &Thread, other: &Set) {
        let (table, len) = (other.table.load(Relaxed), other.len.load(Relaxed));
        other.table.store(std::ptr::null_mut(), Release);
        other.len.store(0, Release);
        let old = self.table.load(Relaxed);
        self.version
            .store(self.version.load(Relaxed).wrapping_add(1), Release);
        self.table.store(table, Release);
        self.len.store(len, Release);
        // SAFETY: as in `clear`.
        unsafe {
            if let Some(tb) = old.as_ref() {
                drop_keys(t, tb);
                t.retire(&self.header, old as *mut u8, tb.bytes(), Table::free);
            }
        }
    }

    /// Copies all keys of `other` to this empty set, which nobody else knows yet.
    pub fn fill_from(&self, t: &Thread, other: &Set) {
        let guard = lock(t, &other.header);
        let (Some(old), n) = (other.table(), other.len()) else {
            return;
        };
        if n == 0 {
            return;
        }
        let Some(new) = old.duplicate(n) else {
            return weft_gc::reserve::starve(t);
        };
        // The keys are counted when others have the lock already: what the set had then is there until this thread's next safepoint (I5).
        drop(guard);
        // SAFETY: just made.
        let table = unsafe { new.as_ref() };
        for i in 0..table.places() {
            if table.place(i).is_live() {
                inc(t, Value(table.place(i).key()));
            }
        }
        self.table.store(new.as_ptr(), Release);
        self.len.store(n as u32, Release);
    }

    /// Puts all items of an iterable in.
    pub fn update(&self, t: &mut Thread, other: Value) -> Res<()> {
        if let Some(other) = Set::of(other) {
            if self.table().is_none() && self.header.is_local(t) {
                self.fill_from(t, other);
                return Ok(());
            }
            let moment = other.moment(t);
            let other = moment.as_ref().map_or(other, Set::of_obj);
            let n = other.len();
            if (self.len() + n) * 5 >= self.table().map_or(8, Table::places) * 3 {
                let t = &*t;
                let _guard = lock(t, &self.header);
                if !self.grow(t, (self.len() + n) * 2) {
                    return Err(t.memory_error());
                }
            }
            return self.change_all(t, other, |s, t, found, hash, key| {
                if let Found::Absent(at) = found {
                    s.insert(t, at, hash, key);
                }
                None
            });
        }
        if let Some(d) = Dict::exact(other) {
            let into = (!self.header.is_local(t)).then(|| Set::new(t));
            let first = into.as_ref().map_or(self, Set::of_obj);
            d.each(t, |t, hash, key, _| {
                first.add_hashed(t, key, hash).map(|_| true)
            })?;
            return match into {
                Some(keys) => self.update(t, keys.value()),
                None => Ok(()),
            };
        }
        if let Some(l) = List::exact(other) {
            let mut i = 0;
            while let Some(key) = l.get(t, i) {
                i += 1;
                let key = key.to_obj(t);
                self.add(t, key.value())?;
            }
            return Ok(());
        }
        if let Some(x) = Tuple::exact(other) {
            for key in x.values() {
                self.add(t, *key)?;
            }
            return Ok(());
        }
        if let Some(mut steps) = crate::generator::Steps::new(t, other) {
            loop {
                let key = match steps.next(t)? {
                    v if v.is_null() => return Ok(()),
                    v => Obj::own(v),
                };
                if !proto::is_simple(key.value()) {
                    steps.pause(t);
                }
                if let Err(e) = self.add(t, key.value()) {
                    steps.pause(t);
                    return Err(e);
                }
            }
        }
        let it = proto::iter(t, other)?;
        while let Some(key) = proto::next(t, it.value())? {
            self.add(t, key.value())?;
        }
        Ok(())
    }

    /// A copy of the set as it is now, if others may change it meanwhile.
    pub fn moment(&self, t: &Thread) -> Option<Obj> {
        let may_change =
            !self.header.is_local(t) && !std::ptr::eq(self.header.ty(), &FROZENSET.head);
        may_change.then(|| {
            let copy = Set::new(t);
            Set::of_obj(&copy).fill_from(t, self);
            copy
        })
    }

    /// Looks for each of `keys`, which nobody else changes, and does something about it under the lock: in one step for other
    /// threads, save that after a key that only Python can tell from one that is there the rest goes key by key.
    fn change_all(
        &self,
        t: &mut Thread,
        keys: &Set,
        act: impl Fn(&Set, &Thread, Found, i64, Value) -> Option<Obj>,
    ) -> Res<()> {
        let mut pos = 0;
        if !self.header.is_local(t) {
            let mut gone = Vec::new();
            let _guard = lock(t, &self.header);
            while let Some((hash, key)) = keys.next(t, &mut pos) {
                let found = self.quick(key.value(), hash);
                if matches!(found, Found::Ask(_)) {
                    pos -= 1;
                    break;
                }
                gone.extend(act(self, t, found, hash, key.value()));
            }
            // What has been taken out goes when the lock has been given back.
            drop(_guard);
        }
        while let Some((hash, key)) = keys.next(t, &mut pos) {
            let key = key.to_obj(t);
            self.change(t, key.value(), hash, |t, found| {
                act(self, t, found, hash, key.value())
            })?;
        }
        Ok(())
    }

    /// Takes all of `keys` out.
    pub fn remove_all(&self, t: &mut Thread, keys: &Set) -> Res<()> {
        let moment = keys.moment(t);
        let keys = moment.as_ref().map_or(keys, Set::of_obj);
        self.change_all(t, keys, |s, _, found, _, _| s.take(found))
    }

    /// Takes out those of `keys` that are there, and puts in those that are not.
    pub fn toggle_all(&self, t: &mut Thread, keys: &Set) -> Res<()> {
        let moment = keys.moment(t);
        let keys = moment.as_ref().map_or(keys, Set::of_obj);
        self.change_all(t, keys, |s, t, found, hash, key| match found {
            Found::Absent(at) => {
                s.insert(t, at, hash, key);
                None
            }
            found => s.take(found),
        })
    }

    /// Calls `f` for each key (with its hash) until it says false; whether it never did. See [`Set::walk`].
    pub fn each(
        &self,
        t: &mut Thread,
        f: impl FnMut(&mut Thread, i64, Value) -> Res<bool>,
    ) -> Res<bool> {
        self.walk(t, |_, _, _| None, f)
    }

    /// Calls `quick`, or `f` where that cannot tell without Python, for each key (with its hash) until one says false; whether none ever
    /// did. The keys that stay in the set are among them whatever other threads do to it; some may come twice.
    #[inline]
    pub fn walk(
        &self,
        t: &mut Thread,
        mut quick: impl FnMut(&Thread, i64, Value) -> Option<bool>,
        mut f: impl FnMut(&mut Thread, i64, Value) -> Res<bool>,
    ) -> Res<bool> {
        let version = self.version.load(Acquire);
        if !self.each_once(t, &mut quick, &mut f)? {
            return Ok(false);
        }
        if self.version.load(Acquire) == version || self.header.is_local(t) {
            return Ok(true);
        }
        // Another table: places in it are not those in the first one.
        match self.moment(t) {
            Some(moment) => Set::of_obj(&moment).each_once(t, &mut quick, &mut f),
            None => Ok(true),
        }
    }

    #[inline]
    fn each_once(
        &self,
        t: &mut Thread,
        quick: &mut impl FnMut(&Thread, i64, Value) -> Option<bool>,
        f: &mut impl FnMut(&mut Thread, i64, Value) -> Res<bool>,
    ) -> Res<bool> {
        let mut pos = 0;
        while let Some((hash, key)) = self.next(t, &mut pos) {
            let go_on = match quick(t, hash, key.value()) {
                Some(go_on) => go_on,
                None => {
                    let key = key.to_obj(t);
                    f(t, hash, key.value())?
                }
            };
            if !go_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Iteration by position: the key at or after `pos`, with its hash; `pos` moves on behind it. The set may change meanwhile.
    #[inline]
    pub fn next<'t>(&self, t: &'t Thread, pos: &mut usize) -> Option<(i64, Borrowed<'t>)> {
        let table = self.table()?;
        while *pos < table.places() {
            let place = table.place(*pos);
            *pos += 1;
            let k = place.key();
            if k != 0 && k != DEAD {
                return Some((place.hash(), Borrowed::new(t, Value(k))));
            }
        }
        None
    }

    /// New references to all keys, as they are at one moment.
    pub fn to_vec(&self, t: &Thread) -> Vec<Obj> {
        let _guard = lock(t, &self.header);
        let mut keys = Vec::with_capacity(self.len());
        let mut pos = 0;
        while let Some((_, k)) = self.next(t, &mut pos) {
            keys.push(k.to_obj(t));
        }
        keys
    }

    /// Bytes of the object and its table.
    pub fn size(&self, t: &Thread) -> usize {
        let _guard = lock(t, &self.header);
        size_of::<Set>() + self.table().map_or(0, Table::bytes)
    }
}

/// Compares a place with a key, as far as that goes without Python.
#[inline(always)]
fn test(place: &Place, k: u64, key: Value, hash: i64) -> Match {
    if k == key.0 {
        Match::Yes
    } else if place.hash() != hash {
        Match::No
    } else {
        match quick_eq(Value(k), key) {
            Some(true) => Match::Yes,
            Some(false) => Match::No,
            None => Match::Ask,
        }
    }
}

fn drop_keys(t: &Thread, table: &Table) {
    for i in 0..table.places() {
        let place = table.place(i);
        if place.is_live() {
            t.drop_value(Value(place.key()));
        }
    }
}

/// Visits what a set refers to.
///
/// # Safety
/// A set that nobody changes meanwhile.
unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: the caller's promise.
    if let Some(table) = unsafe { (*(h as *const Set)).table() } {
        for i in 0..table.places() {
            if table.place(i).is_live() {
                f(Value(table.place(i).key()));
            }
        }
    }
}

/// Drops what a dying set refers to.
///
/// # Safety
/// A set that nobody refers to.
unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: the caller's promise: the table is this call's alone, and no reader is left (I5).
    unsafe {
        let s = &*(h as *const Set);
        let table = s.table.swap(std::ptr::null_mut(), Relaxed);
        if let Some(tb) = table.as_ref() {
            let mut left = s.len.swap(0, Relaxed);
            let mut i = 0;
            while left > 0 && i < tb.places() {
                let place = tb.place(i);
                i += 1;
                if place.is_live() {
                    left -= 1;
                    t.drop_value(Value(place.key()));
                }
            }
            Table::free(table as *mut u8, tb.bytes());
        }
    }
}
