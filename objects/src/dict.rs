//! dict: storage and lookup. Its methods are in `dict/methods.rs`, its views and iterators in `dict_views.rs`.
//!
//! Writers hold the dict's lock, which costs nothing while the dict is local. Readers hold nothing, write nothing, and get uncounted
//! register words: the protocol that makes this safe is the table's ([`crate::dict_table`]). A comparison of keys that needs
//! Python is made with no lock held and a counted reference to the key, and the search starts again if the table has changed.

pub mod keys;
mod methods;

use crate::dict_table::{Entry, Found, Match, NO_ID, Table};
use crate::prelude::*;
use keys::{hash_key, quick_eq};
pub use methods::{DICT, missing};
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::*};
use weft_gc::share;

/// A dict. Zero words are an empty one.
#[repr(C)]
pub struct Dict {
    pub header: Header,
    /// Null: empty.
    table: AtomicPtr<Table>,
    len: AtomicU32,
    /// Counts the tables: tells a table from a later one at the same address.
    version: AtomicU32,
}

/// Names of sets of keys. Never used twice: when they run out, there are no more.
/// Above the ids of all shapes, which share a place in inline caches with them.
static NEXT_ID: AtomicU32 = AtomicU32::new(crate::shape::MAX_ID + 1);

/// Where a search that may have called Python ended, and what it has seen.
struct Seen {
    table: *mut Table,
    version: u32,
    used: u32,
    found: Found,
}

const ABSENT: Found = Found::Absent(usize::MAX);

impl Dict {
    /// A new empty dict.
    #[inline]
    pub fn new(t: &Thread) -> Obj {
        // SAFETY: the layout is this type's, and zero words are an empty dict.
        unsafe { Obj::from_raw(Value::from_ptr(t.alloc(&DICT.head, size_of::<Dict>()))) }
    }

    /// A new empty dict with room for `n` keys.
    pub fn with_capacity(t: &Thread, n: usize) -> Obj {
        let d = Dict::new(t);
        if n > 0 {
            Dict::of_obj(&d)
                .table
                .store(Table::new(n).as_ptr(), Relaxed);
        }
        d
    }

    /// The dict in a handle that is known to be one.
    #[inline(always)]
    pub fn of_obj(o: &Obj) -> &Dict {
        debug_assert!(Dict::of(o.value()).is_some());
        // SAFETY: the caller has made the dict.
        unsafe { &*(o.value().ptr() as *const Dict) }
    }

    /// The dict, if `v` is one or an instance of a subclass.
    #[inline(always)]
    pub fn of<'a>(v: Value) -> Option<&'a Dict> {
        match Dict::exact(v) {
            None => Dict::of_subclass(v),
            d => d,
        }
    }

    #[cold]
    fn of_subclass<'a>(v: Value) -> Option<&'a Dict> {
        // SAFETY: instances of subclasses start with the layout of their base.
        (v.is_ptr() && type_of(v).is_subtype(&DICT)).then(|| unsafe { &*(v.ptr() as *const Dict) })
    }

    /// The dict, if `v` is one and not an instance of a subclass.
    #[inline(always)]
    pub fn exact<'a>(v: Value) -> Option<&'a Dict> {
        crate::cast_exact(v, &DICT)
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
        // SAFETY: retired tables are freed only after a handshake, and the borrow of the dict comes from the current stretch
        // between safepoints, or the caller checks `version` after each.
        unsafe { self.table.load(Acquire).as_ref() }
    }

    /// Looks for a key without calling Python.
    #[inline(always)]
    fn quick(&self, key: Value, hash: i64) -> Found {
        match self.table() {
            None => ABSENT,
            Some(table) => table.find(&mut table.probe(hash), |e| test(e, key.bare(), hash)),
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

    /// Looks for a str without ever calling Python: keys that are not str are passed over.
    #[inline(always)]
    fn quick_str(&self, key: &Str) -> Found {
        let (word, hash) = (key.header.value(), key.hash());
        match self.table() {
            None => ABSENT,
            Some(table) => table.find(&mut table.probe(hash), |e| {
                let k = e.key();
                if k == word.0 {
                    Match::Yes
                } else if e.hash() != hash || k == 0 {
                    Match::No
                } else {
                    match Str::of(Value(k)) {
                        Some(s) if s.as_bytes() == key.as_bytes() => Match::Yes,
                        _ => Match::No,
                    }
                }
            }),
        }
    }

    /// Looks for a key, calling Python as needed.
    #[cold]
    #[inline(never)]
    fn look(&self, t: &mut Thread, key: Value, hash: i64) -> Res<Seen> {
        'again: loop {
            let version = self.version.load(Acquire);
            let table = self.table.load(Acquire);
            // SAFETY: as in `table`; after each call into Python it is used only if it is the dict's table still.
            let Some(tb) = (unsafe { table.as_ref() }) else {
                return Ok(Seen {
                    table,
                    version,
                    used: 0,
                    found: ABSENT,
                });
            };
            let used = tb.used();
            let mut probe = tb.probe(hash);
            loop {
                let found = tb.find(&mut probe, |e| test(e, key.bare(), hash));
                let Found::Ask(i) = found else {
                    return Ok(Seen {
                        table,
                        version,
                        used,
                        found,
                    });
                };
                let k = Value(tb.entry(i).key());
                if k.is_null() {
                    continue;
                }
                let held = Obj::new(t, k);
                let equal = proto::eq(t, held.value(), key)?;
                if self.table.load(Acquire) != table
                    || self.version.load(Acquire) != version
                    || tb.entry(i).key() != k.0
                {
                    continue 'again;
                }
                if equal {
                    return Ok(Seen {
                        table,
                        version,
                        used,
                        found: Found::At(i),
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
            (Found::At(i), Some(table)) => table.entry(i).key() != 0,
            (_, Some(table)) => table.used() == seen.used,
            (_, None) => true,
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

    /// Under the lock: stores a counted value word for the key. Gives the old value, or NULL.
    #[inline(always)]
    fn put(&self, t: &Thread, found: Found, hash: i64, key: Value, value: Value) -> Value {
        if let Found::At(i) = found
            && let Some(table) = self.table()
        {
            if !self.header.is_local(t) {
                share(t, value); // keeps I3
            }
            return Value(table.entry(i).set_value(value.0));
        }
        let Found::Absent(place) = found else {
            unreachable!("only a settled search is acted upon")
        };
        self.insert(t, place, hash, key, value);
        Value::NULL
    }

    /// Under the lock: a new key.
    #[inline(always)]
    fn insert(&self, t: &Thread, place: usize, hash: i64, key: Value, value: Value) {
        if !self.header.is_local(t) {
            share(t, key); // both keep I3
            share(t, value);
        }
        inc(t, key);
        match self.table() {
            Some(table) if !table.is_full() => table.insert(place, hash, key.bare().0, value.0),
            _ => {
                let Some(table) = self.grow(t) else {
                    // The entry is left out: MemoryError comes at the next poll, if not before.
                    weft_gc::reserve::starve(t);
                    dec(t, key.bare());
                    return dec(t, value);
                };
                table.insert(table.empty_place(hash), hash, key.bare().0, value.0);
            }
        }
        self.len.store(self.len.load(Relaxed) + 1, Release);
    }

    /// Under the lock: a table without dead entries and with room for as many keys again. `None`: there is no such memory.
    #[cold]
    #[inline(never)]
    fn grow(&self, t: &Thread) -> Option<&Table> {
        let new = Table::try_new(self.len() * 2)?;
        // SAFETY: just made.
        let table = unsafe { new.as_ref() };
        if let Some(old) = self.table() {
            old.copy_to(table);
        }
        self.publish(t, new.as_ptr());
        Some(table)
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
    fn take(&self, found: Found) -> Option<(Obj, Obj)> {
        let (Found::At(i), Some(table)) = (found, self.table()) else {
            return None;
        };
        let (key, value) = table.kill(i);
        if value == 0 {
            return None;
        }
        self.len.store(self.len.load(Relaxed) - 1, Release);
        Some((Obj::from_raw(Value(key)), Obj::from_raw(Value(value))))
    }

    #[inline(always)]
    fn value_of<'t>(&self, t: &'t Thread, found: Found) -> Option<Borrowed<'t>> {
        let (Found::At(i), Some(table)) = (found, self.table()) else {
            return None;
        };
        borrowed(t, table.entry(i).value())
    }

    /// The value of a small int key; `None` as well where only Python could tell.
    #[inline]
    pub fn get_int<'t>(&self, t: &'t Thread, key: Value) -> Option<Borrowed<'t>> {
        let hash = crate::text::hash::hash_i64(key.as_int());
        let table = self.table()?;
        match table.find(&mut table.probe(hash), |e| test(e, key, hash)) {
            Found::At(i) => borrowed(t, table.entry(i).value()),
            _ => None,
        }
    }

    /// The value of a str key. Never runs Python; keys that are not str are passed over.
    #[inline]
    pub fn get_str<'t>(&self, t: &'t Thread, key: &Str) -> Option<Borrowed<'t>> {
        // One table for both steps: another may have come between.
        let table = self.table()?;
        let (word, hash) = (key.header.value(), key.hash());
        let found = table.find(&mut table.probe(hash), |e| test_str(e, word, hash, key));
        let Found::At(i) = found else { return None };
        borrowed(t, table.entry(i).value())
    }

    /// Sets a str key. Never runs Python. Borrows the value.
    pub fn set_str(&self, t: &Thread, key: &Str, v: Value) {
        let v = Obj::new(t, v).into_value();
        let old = {
            let _guard = lock(t, &self.header);
            let found = self.quick_str(key);
            self.put(t, found, key.hash(), key.header.value(), v)
        };
        dec(t, old);
    }

    /// As [`Dict::set_str`]. Takes over the value, a register word.
    #[inline]
    pub fn set_str_own(&self, t: &Thread, key: &Str, v: Value) {
        let v = Obj::own(v).into_value();
        let old = {
            let _guard = lock(t, &self.header);
            let found = self.quick_str(key);
            self.put(t, found, key.hash(), key.header.value(), v)
        };
        if !old.is_null() {
            dec(t, old);
        }
    }

    /// Enters a key that is not there into a dict that nobody else knows yet. Takes over the value, a counted word.
    #[inline]
    pub(crate) fn enter_new(&self, t: &Thread, key: &Str, v: Value) {
        let (word, hash) = (key.header.value(), key.hash());
        match self.table() {
            Some(table) if !table.is_full() => {
                inc(t, word);
                table.insert(table.empty_place(hash), hash, word.bare().0, v.0);
                self.len.store(self.len.load(Relaxed) + 1, Release);
            }
            _ => self.set_str_own(t, key, v),
        }
    }

    /// Removes a str key and gives its value. Never runs Python.
    pub fn remove_str(&self, t: &Thread, key: &Str) -> Option<Obj> {
        let taken = {
            let _guard = lock(t, &self.header);
            self.take(self.quick_str(key))
        };
        taken.map(|(_, value)| value)
    }

    /// The value of a key, as a register word.
    ///
    /// # Errors
    /// TypeError if the key is unhashable; what `__hash__` and `__eq__` raise. So for all that take a key.
    #[inline]
    pub fn get(&self, t: &mut Thread, key: Value) -> Res<Option<Value>> {
        let hash = hash_key(t, key)?;
        self.get_hashed(t, key, hash)
    }

    /// As [`Dict::get`], with the key's hash.
    #[inline(always)]
    pub fn get_hashed(&self, t: &mut Thread, key: Value, hash: i64) -> Res<Option<Value>> {
        let Some(table) = self.table() else {
            return Ok(None);
        };
        match table.find(&mut table.probe(hash), |e| test(e, key.bare(), hash)) {
            Found::At(i) => {
                let v = Value(table.entry(i).value());
                Ok(if v.is_null() {
                    None
                } else {
                    Some(to_reg(t, v))
                })
            }
            Found::Absent(_) => Ok(None),
            Found::Ask(_) => self.get_slow(t, key, hash),
        }
    }

    #[cold]
    #[inline(never)]
    fn get_slow(&self, t: &mut Thread, key: Value, hash: i64) -> Res<Option<Value>> {
        let seen = self.look(t, key, hash)?;
        // SAFETY: `look` has checked after its last call into Python that this is the dict's table.
        let (Found::At(i), Some(table)) = (seen.found, unsafe { seen.table.as_ref() }) else {
            return Ok(None);
        };
        let v = Value(table.entry(i).value());
        Ok(if v.is_null() {
            None
        } else {
            Some(to_reg(t, v))
        })
    }

    /// Whether the key is there.
    pub fn contains(&self, t: &mut Thread, key: Value) -> Res<bool> {
        let hash = hash_key(t, key)?;
        self.contains_hashed(t, key, hash)
    }

    /// As [`Dict::contains`], with the key's hash.
    pub fn contains_hashed(&self, t: &mut Thread, key: Value, hash: i64) -> Res<bool> {
        match self.quick(key, hash) {
            Found::At(_) => Ok(true),
            Found::Absent(_) => Ok(false),
            Found::Ask(_) => Ok(matches!(self.look(t, key, hash)?.found, Found::At(_))),
        }
    }

    /// Sets a key. Borrows both.
    #[inline]
    pub fn set(&self, t: &mut Thread, key: Value, v: Value) -> Res<()> {
        let hash = hash_key(t, key)?;
        self.set_hashed(t, key, hash, Obj::new(t, v))
    }

    /// Sets a key. Takes over the value, a register word.
    #[inline]
    pub fn set_own(&self, t: &mut Thread, key: Value, v: Value) -> Res<()> {
        let v = Obj::own(v);
        let hash = hash_key(t, key)?;
        self.set_hashed(t, key, hash, v)
    }

    /// Sets a key whose hash is known.
    #[inline(always)]
    pub fn set_hashed(&self, t: &mut Thread, key: Value, hash: i64, v: Obj) -> Res<()> {
        let old = self.change(t, key, hash, |t, found| {
            self.put(t, found, hash, key, v.into_value())
        })?;
        dec(t, old);
        Ok(())
    }

    /// Adds one to the number that a key has, none being zero. False, and nothing is done: it is no small int.
    pub fn count_key(&self, t: &mut Thread, key: Value) -> Res<bool> {
        let hash = hash_key(t, key)?;
        self.change(t, key, hash, |t, found| {
            let n = self.value_of(t, found).map_or(Value::int(0), |v| v.value());
            if !n.is_int() || n.as_int() == Value::INT_MAX {
                return false;
            }
            self.put(t, found, hash, key, Value::int(n.as_int() + 1));
            true
        })
    }

    /// Removes a key and gives its value.
    pub fn remove(&self, t: &mut Thread, key: Value) -> Res<Option<Obj>> {
        let hash = hash_key(t, key)?;
        self.remove_hashed(t, key, hash)
    }

    /// As [`Dict::remove`], with the key's hash.
    pub fn remove_hashed(&self, t: &mut Thread, key: Value, hash: i64) -> Res<Option<Obj>> {
        let taken = self.change(t, key, hash, |_, found| self.take(found))?;
        Ok(taken.map(|(_, value)| value))
    }

    /// Removes the key that was put in last.
    pub fn remove_last(&self, t: &Thread) -> Option<(Obj, Obj)> {
        let _guard = lock(t, &self.header);
        let last = self.table()?.last()?;
        self.take(Found::At(last))
    }

    /// The value of the key, which is `default` (borrowed) from now on if it was not there. A register word.
    pub fn set_default(&self, t: &mut Thread, key: Value, default: Value) -> Res<Value> {
        let hash = hash_key(t, key)?;
        self.change(t, key, hash, |t, found| match self.value_of(t, found) {
            Some(v) => v.to_reg(t),
            None => {
                let v = Obj::new(t, default).into_value();
                self.put(t, found, hash, key, v);
                to_reg(t, v)
            }
        })
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
        unsafe { self.dispose(t, old) };
    }

    /// Drops what a table refers to, and the table.
    ///
    /// # Safety
    /// The table has been taken out of sight, and its references with it.
    unsafe fn dispose(&self, t: &Thread, table: *mut Table) {
        // SAFETY: the caller's promise.
        unsafe {
            if let Some(tb) = table.as_ref() {
                for i in 0..tb.used() {
                    let e = tb.entry(i);
                    t.drop_value(Value(e.key()));
                    t.drop_value(Value(e.value()));
                }
                t.retire(&self.header, table as *mut u8, tb.bytes(), Table::free);
            }
        }
    }

    /// A new dict with the same items.
    pub fn copy(&self, t: &Thread) -> Obj {
        let copy = Dict::new(t);
        let new = Dict::of_obj(&copy);
        new.fill_from(t, self);
        copy
    }

    /// Copies all items of `other` to this empty dict, which nobody else knows yet.
    pub fn fill_from(&self, t: &Thread, other: &Dict) {
        let guard = lock(t, &other.header);
        let Some(old) = other.table() else { return };
        let n = other.len();
        if n == 0 {
            return;
        }
        let copy = old.duplicate(n);
        let Some(new) = copy.or_else(|| Table::try_new(n)) else {
            return weft_gc::reserve::starve(t);
        };
        self.table.store(new.as_ptr(), Release);
        // SAFETY: just made.
        let table = unsafe { new.as_ref() };
        if copy.is_none() {
            old.copy_to(table);
        }
        // Keys and values are counted when others have the lock already: what the dict had then is there until this thread's next
        // safepoint (I5).
        drop(guard);
        for i in 0..table.used() {
            inc(t, Value(table.entry(i).key()));
            inc(t, Value(table.entry(i).value()));
        }
        self.len.store(n as u32, Release);
    }

    /// As `update` in Python with one argument: from a mapping (what has `keys`), or from an iterable of pairs.
    pub fn update(&self, t: &mut Thread, other: Value) -> Res<()> {
        methods::update(t, self, other)
    }

    /// Sets all items of `other`, known to iterate as a dict does.
    ///
    /// # Errors
    /// RuntimeError if `other` changes size meanwhile, unless other threads may do that: they do not matter.
    pub fn merge_from(&self, t: &mut Thread, other: &Dict) -> Res<()> {
        if std::ptr::eq(self, other) || other.is_empty() {
            return Ok(());
        }
        if self.is_empty() && self.table().is_none() && self.header.is_local(t) {
            self.fill_from(t, other);
            return Ok(());
        }
        let snapshot = (!other.header.is_local(t)).then(|| other.copy(t));
        let other = snapshot.as_ref().map_or(other, Dict::of_obj);
        self.reserve(t, other.len());
        let (mut pos, n) = (0, other.len());
        if !self.header.is_local(t) {
            self.put_all(t, other, &mut pos);
        }
        while let Some((hash, key, value)) = other.next_hashed(t, &mut pos) {
            let (key, value) = (key.to_obj(t), value.to_obj(t));
            self.set_hashed(t, key.value(), hash, value)?;
            if other.len() != n {
                return Err(t.runtime_error("dict mutated during update"));
            }
        }
        Ok(())
    }

    /// Sets items of `other`, which nobody else changes, in one step: all, or those before the first that only Python can tell
    /// from a key that is there.
    #[cold]
    fn put_all(&self, t: &Thread, other: &Dict, pos: &mut usize) {
        let mut old = Vec::new();
        {
            let _guard = lock(t, &self.header);
            while let Some((hash, key, value)) = other.next_hashed(t, pos) {
                let found = self.quick(key.value(), hash);
                if matches!(found, Found::Ask(_)) {
                    *pos -= 1;
                    break;
                }
                let value = value.to_obj(t).into_value();
                let before = self.put(t, found, hash, key.value(), value);
                if !before.is_null() {
                    old.push(before);
                }
            }
        }
        old.into_iter().for_each(|v| dec(t, v));
    }

    /// Calls `f` for each key (with its hash) and value until it says false; whether it never did. Those that stay in the dict
    /// are among them whatever other threads do to it; some may come twice.
    pub fn each(
        &self,
        t: &mut Thread,
        mut f: impl FnMut(&mut Thread, i64, Value, Value) -> Res<bool>,
    ) -> Res<bool> {
        let version = self.version.load(Acquire);
        if !self.each_once(t, &mut f)? {
            return Ok(false);
        }
        if self.version.load(Acquire) == version || self.header.is_local(t) {
            return Ok(true);
        }
        // Another table: places in it are not those in the first one.
        let copy = self.copy(t);
        Dict::of_obj(&copy).each_once(t, &mut f)
    }

    fn each_once(
        &self,
        t: &mut Thread,
        f: &mut dyn FnMut(&mut Thread, i64, Value, Value) -> Res<bool>,
    ) -> Res<bool> {
        let mut pos = 0;
        while let Some((hash, key, value)) = self.next_hashed(t, &mut pos) {
            let (key, value) = (key.to_obj(t), value.to_obj(t));
            if !f(t, hash, key.value(), value.value())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes room for `n` more keys, if that is worth a new table at once.
    pub(crate) fn reserve(&self, t: &Thread, n: usize) {
        let _guard = lock(t, &self.header);
        let room = self.table().map_or(0, |tb| tb.room() as usize);
        if (self.len() + n) > room && n > self.len() / 2 {
            let Some(new) = Table::try_new(self.len() + n) else {
                return;
            };
            if let Some(old) = self.table() {
                // SAFETY: just made.
                old.copy_to(unsafe { new.as_ref() });
            }
            self.publish(t, new.as_ptr());
        }
    }

    /// Iteration by position: the item at or after `pos`, which moves on behind it. The dict may change meanwhile in any way.
    #[inline]
    pub fn next<'t>(&self, t: &'t Thread, pos: &mut usize) -> Option<(Borrowed<'t>, Borrowed<'t>)> {
        self.next_hashed(t, pos).map(|(_, k, v)| (k, v))
    }

    /// As [`Dict::next`], with the key's hash.
    #[inline]
    pub fn next_hashed<'t>(
        &self,
        t: &'t Thread,
        pos: &mut usize,
    ) -> Option<(i64, Borrowed<'t>, Borrowed<'t>)> {
        let table = self.table()?;
        let used = table.used() as usize;
        while *pos < used {
            let e = table.entry(*pos as u32);
            *pos += 1;
            // The key first: it goes last.
            if let Some(k) = borrowed(t, e.key())
                && let Some(v) = borrowed(t, e.value())
            {
                return Some((e.hash(), k, v));
            }
        }
        None
    }

    /// The item of the entry `pos`. `None`: there is none, or it is dead.
    #[inline(always)]
    pub fn item_at<'t>(&self, t: &'t Thread, pos: usize) -> Option<(Borrowed<'t>, Borrowed<'t>)> {
        let table = self.table()?;
        if pos >= table.used() as usize {
            return None;
        }
        let e = table.entry(pos as u32);
        // The key first: it goes last.
        let k = borrowed(t, e.key())?;
        Some((k, borrowed(t, e.value())?))
    }

    /// Iteration backwards: the item before `pos`, which moves to it. Starts from [`Dict::end`].
    pub fn prev<'t>(&self, t: &'t Thread, pos: &mut usize) -> Option<(Borrowed<'t>, Borrowed<'t>)> {
        let table = self.table()?;
        // A table that has become shorter is not the one that was being walked.
        if *pos > table.used() as usize {
            *pos = 0;
        }
        while *pos > 0 {
            *pos -= 1;
            let e = table.entry(*pos as u32);
            if let Some(k) = borrowed(t, e.key())
                && let Some(v) = borrowed(t, e.value())
            {
                return Some((k, v));
            }
        }
        None
    }

    /// The position behind the last item.
    pub fn end(&self) -> usize {
        self.table().map_or(0, |table| table.used() as usize)
    }

    /// All items, as they are at one moment.
    pub fn items(&self, t: &Thread) -> Vec<(Obj, Obj)> {
        let _guard = lock(t, &self.header);
        let mut items = Vec::with_capacity(self.len());
        let mut pos = 0;
        while let Some((k, v)) = self.next(t, &mut pos) {
            items.push((k.to_obj(t), v.to_obj(t)));
        }
        items
    }

    /// All keys, or all values, as they are at one moment.
    pub fn parts(&self, t: &Thread, keys: bool) -> Vec<Obj> {
        let _guard = lock(t, &self.header);
        let mut parts = Vec::with_capacity(self.len());
        let mut pos = 0;
        while let Some((k, v)) = self.next(t, &mut pos) {
            parts.push(if keys { k } else { v }.to_obj(t));
        }
        parts
    }

    /// A name for the current set of keys: until it changes, [`Dict::index_of_str`] gives the same, and no key is
    /// added. 0: there is none.
    #[inline]
    fn keys_id(&self, t: &Thread) -> u32 {
        match self.table().map(Table::keys_id) {
            Some(id) if id != NO_ID => id,
            _ => self.name_keys(t),
        }
    }

    #[cold]
    fn name_keys(&self, t: &Thread) -> u32 {
        let _guard = lock(t, &self.header);
        let Some(table) = self.table() else { return 0 };
        if table.keys_id() == NO_ID {
            let next = NEXT_ID.fetch_update(Relaxed, Relaxed, |n| (n < NO_ID - 1).then_some(n + 1));
            let Ok(id) = next else { return 0 };
            table.set_keys_id(id);
        }
        table.keys_id()
    }

    /// Where a str key is in the order of entries.
    fn index_of_str(&self, key: &Str) -> Option<u32> {
        match self.quick_str(key) {
            Found::At(i) => Some(i),
            _ => None,
        }
    }

    /// The name of the set of keys, and where in it the key is, if it is. `None`: the keys are changing, or have no name. (What is asked for
    /// in two steps may be about two sets.)
    pub fn place_of_str(&self, t: &Thread, key: &Str) -> Option<(u32, Option<u32>)> {
        let id = self.keys_id(t);
        let index = self.index_of_str(key);
        (id != 0 && self.has_keys_id(id)).then_some((id, index))
    }

    /// The value at an index that belongs to a name of the set of keys, if that is still its name and the key is there.
    #[inline(always)]
    pub fn value_at<'t>(&self, t: &'t Thread, keys_id: u32, index: u32) -> Option<Borrowed<'t>> {
        let table = self.table()?;
        if table.keys_id() != keys_id {
            return None;
        }
        borrowed(t, table.entry(index).value())
    }

    /// The value of a str key, if this very str is the key that was entered as number `i`.
    #[inline]
    pub fn str_at<'t>(&self, t: &'t Thread, i: u32, key: &Str) -> Option<Borrowed<'t>> {
        let table = self.table()?;
        if i >= table.used() || table.entry(i).key() != key.header.value().bare().0 {
            return None;
        }
        borrowed(t, table.entry(i).value())
    }

    /// Whether the set of keys still has this name.
    #[inline(always)]
    pub fn has_keys_id(&self, keys_id: u32) -> bool {
        self.table().is_some_and(|table| table.keys_id() == keys_id)
    }

    /// Sets the value at an index, as [`Dict::value_at`] reads it. Takes over the register word, or gives it back.
    #[inline(always)]
    pub fn set_at(&self, t: &Thread, keys_id: u32, index: u32, v: Value) -> Result<(), Value> {
        let old = {
            let _guard = lock(t, &self.header);
            let Some(table) = self.table() else {
                return Err(v);
            };
            if table.keys_id() != keys_id || table.entry(index).value() == 0 {
                return Err(v);
            }
            let v = to_heap(v);
            if !self.header.is_local(t) {
                share(t, v);
            }
            Value(table.entry(index).set_value(v.0))
        };
        dec(t, old);
        Ok(())
    }

    /// Bytes of the object and its table.
    pub fn size(&self, t: &Thread) -> usize {
        let _guard = lock(t, &self.header);
        size_of::<Dict>() + self.table().map_or(0, Table::bytes)
    }
}

/// Compares an entry with a key, as far as that goes without Python.
#[inline(always)]
fn test(e: &Entry, key: Value, hash: i64) -> Match {
    let k = e.key();
    if k == key.0 {
        Match::Yes
    } else if e.hash() != hash || k == 0 {
        Match::No
    } else {
        ask(Value(k), key)
    }
}

#[inline(never)]
fn ask(a: Value, b: Value) -> Match {
    match quick_eq(a, b) {
        Some(true) => Match::Yes,
        Some(false) => Match::No,
        None => Match::Ask,
    }
}

#[inline(always)]
fn test_str(e: &Entry, word: Value, hash: i64, key: &Str) -> Match {
    let k = e.key();
    if k == word.0 {
        return Match::Yes;
    }
    if e.hash() != hash || k == 0 {
        return Match::No;
    }
    match Str::of(Value(k)) {
        Some(s) if s.as_bytes() == key.as_bytes() => Match::Yes,
        _ => Match::No,
    }
}

#[inline(always)]
fn borrowed(t: &Thread, word: u64) -> Option<Borrowed<'_>> {
    if word == 0 {
        None
    } else {
        Some(Borrowed::new(t, Value(word)))
    }
}

/// Visits what a dict refers to.
///
/// # Safety
/// A dict that nobody changes meanwhile.
pub(crate) unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: the caller's promise.
    let d = unsafe { &*(h as *const Dict) };
    if let Some(table) = d.table() {
        for i in 0..table.used() {
            f(Value(table.entry(i).key()));
            f(Value(table.entry(i).value()));
        }
    }
}

/// Drops what a dying dict refers to.
///
/// # Safety
/// A dict that nobody refers to.
pub(crate) unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: the caller's promise: the table is this call's alone, and no reader is left (I5).
    unsafe {
        let d = &*(h as *const Dict);
        let table = d.table.swap(std::ptr::null_mut(), Relaxed);
        if let Some(tb) = table.as_ref() {
            d.len.store(0, Relaxed);
            for i in 0..tb.used() {
                t.drop_value(Value(tb.entry(i).key()));
                t.drop_value(Value(tb.entry(i).value()));
            }
            Table::free(table as *mut u8, tb.bytes());
        }
    }
}
