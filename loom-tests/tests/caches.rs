//! Inline cache words and method caches against a change of the class.
//!
//! Drives the method cache of `objects` itself and the object lock. The class has one name, whose value is a place; what lies there is
//! watched, and goes when the class has given it up and the reader has passed a safepoint.
#![cfg(loom)]

#[path = "../../gc/src/barrier.rs"]
#[allow(dead_code)]
mod barrier;
#[path = "../../objects/src/method_cache.rs"]
#[allow(dead_code)]
mod method_cache;

use barrier::Word;
use method_cache::{Changes, Entered, MethodCache};
use std::ptr::null_mut;
use weft_loom_tests::{fails, holds};
use weft_threads::RawLock;
use weft_threads::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*};
use weft_threads::sync::{Arc, Mutex, thread};

const NAME: u64 = 16;
/// The smallest cache that always has a free entry, and how many names it takes.
const ROOM: usize = 8;
const NAMES: u64 = 7;
const OLD: u64 = 100;
const NEW: u64 = 200;

struct Class {
    lock: RawLock,
    /// What the class's dict says of the name.
    dict: Word,
    cache: AtomicPtr<MethodCache>,
    versions: AtomicU32,
    changes: Changes,
    /// No change is ever under way: what mutations enter by.
    unchanging: Changes,
    /// The change has been made: 1.
    changed: Word,
    /// Caches that were taken away.
    retired: Mutex<Vec<usize>>,
}

// SAFETY: the protocol under test.
unsafe impl Send for Class {}
// SAFETY: as above.
unsafe impl Sync for Class {}

type Make = for<'a> fn(&'a Class) -> &'a MethodCache;
type Enter = fn(&Class, &MethodCache, u64, u64) -> Option<usize>;

impl Class {
    fn new() -> Arc<Class> {
        Arc::new(Class {
            lock: RawLock::new(),
            dict: Word(AtomicU64::new(OLD)),
            cache: AtomicPtr::new(null_mut()),
            versions: AtomicU32::new(1),
            changes: Changes::none(),
            unchanging: Changes::none(),
            changed: Word(AtomicU64::new(0)),
            retired: Mutex::new(Vec::new()),
        })
    }

    fn version(&self) -> u32 {
        self.versions.fetch_add(1, Relaxed)
    }

    fn locked<R>(&self, f: impl FnOnce() -> R) -> R {
        self.lock.lock();
        let r = f();
        // SAFETY: locked above.
        unsafe { self.lock.unlock() };
        r
    }

    fn retire(&self, p: *mut MethodCache) {
        let p = p as usize;
        let mut retired = self.retired.lock();
        assert!(p != 0 && !retired.contains(&p), "retired twice");
        retired.push(p);
    }

    /// As `Type::lookup_index`: the value, and the cache word for it.
    fn lookup(&self, make: Make, enter: Enter) -> (u64, u64) {
        // SAFETY: caches are freed at the model's end.
        let mc = unsafe { MethodCache::of(&self.cache) };
        let mc = mc.unwrap_or_else(|| make(self));
        if let Ok(i) = mc.find(NAME) {
            return (mc.word(i), word(mc, i));
        }
        let found = self.dict.read();
        match enter(self, mc, NAME, found) {
            Some(i) => (mc.word(i), word(mc, i)),
            None => (found, 0),
        }
    }

    /// As `Type::change` with a store into the class's dict.
    fn change(&self) {
        self.changes.make(|| self.forget(), || self.write());
    }

    fn write(&self) {
        self.dict.exchange(NEW, || ());
    }

    fn forget(&self) {
        let p = MethodCache::take(&self.cache);
        if !p.is_null() {
            self.retire(p);
        }
    }

    /// What the class says to a reader who may have seen the change.
    fn check(&self, value: u64, changed: bool) {
        assert!(
            value == NEW || value == OLD && !changed,
            "{value} is out of date"
        );
    }

    /// Nobody is left: frees all caches, each once.
    fn end(&self) {
        let p = self.cache.load(Acquire);
        if !p.is_null() {
            self.retire(p);
        }
        for p in self.retired.lock().drain(..) {
            // SAFETY: made by `new`, and found here once.
            unsafe { MethodCache::free(p as *mut u8, 0) };
        }
    }
}

fn word(mc: &MethodCache, index: usize) -> u64 {
    u64::from(mc.version) << 32 | (index as u64) << 8
}

fn make(class: &Class) -> &MethodCache {
    // SAFETY: caches are freed at the model's end.
    unsafe { MethodCache::make(&class.cache, ROOM, class.version()) }
}

fn enter(class: &Class, mc: &MethodCache, key: u64, value: u64) -> Option<usize> {
    enter_by(class, &class.changes, mc, key, value)
}

fn enter_by(
    class: &Class,
    changes: &Changes,
    mc: &MethodCache,
    key: u64,
    value: u64,
) -> Option<usize> {
    class.locked(|| match mc.enter(&class.cache, changes, key, value) {
        Entered::At(i) => Some(i),
        Entered::Gone => None,
        Entered::Full => {
            if mc.replace(&class.cache, ROOM, class.version()) {
                class.retire((&raw const *mc).cast_mut());
            }
            None
        }
    })
}

/// A reader looks the name up, and again by its word, while the class changes. What it sees after it has seen the change is new.
fn reader_and_change(make: Make, enter: Enter, change: fn(&Class)) {
    let class = Class::new();
    let other = {
        let class = class.clone();
        thread::spawn(move || {
            change(&class);
            class.changed.exchange(1, || ());
        })
    };
    let seen = class.changed.read() == 1;
    let (value, word) = class.lookup(make, enter);
    class.check(value, seen);
    let seen = class.changed.read() == 1;
    // SAFETY: zero, or from a lookup.
    let cached = unsafe { MethodCache::by_word(&class.cache, word) };
    if cached != 0 {
        class.check(cached, seen);
    }
    other.join().unwrap();
    class.check(class.lookup(make, enter).0, true);
    class.end();
}

#[test]
fn a_change_is_seen() {
    holds(3, || reader_and_change(make, enter, Class::change));
}

/// Two threads fill the cache while a third changes the class.
#[test]
fn two_readers_and_a_change() {
    holds(2, || {
        let class = Class::new();
        let reader = {
            let class = class.clone();
            thread::spawn(move || class.lookup(make, enter).0)
        };
        let changer = {
            let class = class.clone();
            thread::spawn(move || class.change())
        };
        class.check(class.lookup(make, enter).0, false);
        class.check(reader.join().unwrap(), false);
        changer.join().unwrap();
        class.check(class.lookup(make, enter).0, true);
        class.end();
    });
}

/// A cache that is full makes way for another just when it is taken away: it is retired once.
fn full(enter: Enter) {
    let class = Class::new();
    let first = MethodCache::new(ROOM, class.version());
    class.cache.store(first, Release);
    // SAFETY: just made.
    let mc = unsafe { &*first };
    for other in 1..=NAMES {
        let key = NAME + 16 * other;
        assert!(matches!(
            mc.enter(&class.cache, &class.changes, key, 1),
            Entered::At(_)
        ));
    }
    let other = {
        let class = class.clone();
        thread::spawn(move || class.forget())
    };
    class.lookup(make, enter);
    other.join().unwrap();
    class.end();
}

#[test]
fn a_full_cache_is_retired_once() {
    holds(5, || full(enter));
}

#[test]
fn broken_full_cache_replaced_by_a_store() {
    fails(3, || {
        full(|class, mc, _, _| {
            class.locked(|| {
                if std::ptr::eq(class.cache.load(Acquire), mc) {
                    class
                        .cache
                        .store(MethodCache::new(ROOM, class.version()), Release);
                    class.retire((&raw const *mc).cast_mut());
                }
                None
            })
        })
    });
}

#[test]
fn broken_made_by_a_store() {
    fails(3, || {
        reader_and_change(
            |class| {
                class.locked(|| {
                    if class.cache.load(Acquire).is_null() {
                        let p = MethodCache::new(ROOM, class.version());
                        class.cache.store(p, Release);
                    }
                });
                // SAFETY: as above.
                unsafe { MethodCache::of(&class.cache) }.unwrap_or_else(|| make(class))
            },
            enter,
            Class::change,
        )
    });
}

#[test]
fn broken_taken_away_before_the_change() {
    fails(3, || {
        reader_and_change(make, enter, |class| {
            class.forget();
            class.write();
        })
    });
}

/// Who has seen the new value is not given the old one again, whoever else enters what he has found.
fn no_way_back(enter: Enter, change: fn(&Class)) {
    let class = Class::new();
    let changer = {
        let class = class.clone();
        thread::spawn(move || change(&class))
    };
    let reader = {
        let class = class.clone();
        thread::spawn(move || {
            class.lookup(make, enter);
        })
    };
    let first = class.dict.read();
    let (then, _) = class.lookup(make, enter);
    class.check(then, first == NEW);
    let (last, _) = class.lookup(make, enter);
    class.check(last, then == NEW);
    changer.join().unwrap();
    reader.join().unwrap();
    class.check(class.lookup(make, enter).0, true);
    class.end();
}

#[test]
fn no_old_value_after_a_new_one() {
    holds(2, || no_way_back(enter, Class::change));
}

#[test]
fn broken_forgotten_after_the_change_only() {
    fails(2, || {
        no_way_back(enter, |class| {
            class.write();
            class.forget();
        })
    });
}

#[test]
fn broken_entered_while_a_change_is_made() {
    fails(3, || {
        no_way_back(
            |class, mc, key, value| enter_by(class, &class.unchanging, mc, key, value),
            Class::change,
        )
    });
}

/// What was looked up before the change goes into the cache that was made after it.
#[test]
fn broken_entered_into_whatever_is_there() {
    fails(4, || {
        reader_and_change(
            make,
            |class, _, key, value| {
                // SAFETY: caches are freed at the model's end.
                let mc = unsafe { MethodCache::of(&class.cache) }?;
                enter(class, mc, key, value)
            },
            |class| {
                class.change();
                // Somebody asks for another name.
                class.locked(|| {
                    let p = MethodCache::new(ROOM, class.version());
                    class.cache.store(p, Release);
                });
            },
        )
    });
}

/// An entry is filled while others look for its name.
fn filling(fill: fn(&MethodCache, usize)) {
    let class = Class::new();
    let p = MethodCache::new(ROOM, class.version());
    class.cache.store(p, Release);
    let other = {
        let class = class.clone();
        thread::spawn(move || {
            // SAFETY: freed at the model's end.
            let mc = unsafe { MethodCache::of(&class.cache) }.expect("a cache");
            if let Ok(i) = mc.find(NAME) {
                assert_eq!(mc.word(i), OLD, "a name without its value");
            }
        })
    };
    // SAFETY: as above.
    let mc = unsafe { &*p };
    fill(mc, mc.find(NAME).expect_err("an empty cache"));
    other.join().unwrap();
    class.end();
}

#[test]
fn a_name_comes_with_its_value() {
    holds(5, || {
        filling(|mc, _| {
            let place = AtomicPtr::new((&raw const *mc).cast_mut());
            let entered = mc.enter(&place, &Changes::none(), NAME, OLD);
            assert!(matches!(entered, Entered::At(_)));
        })
    });
}

#[test]
fn broken_name_before_value() {
    fails(3, || {
        filling(|mc, i| {
            let (name, value) = mc.words(i);
            name.store(NAME, Release);
            value.store(OLD, Relaxed);
        })
    });
}
