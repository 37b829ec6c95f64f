//! Weak references: upgrading one against the death of its referent, and against its own.
//!
//! Drives the table of `gc` itself and the count word of `threads`. The referent and the weak reference are places whose memory is
//! watched.
#![cfg(loom)]

#[path = "../../gc/src/weak_table.rs"]
#[allow(dead_code)]
mod weak_table;

use weak_table::{Weak, WeakTable};
use weft_loom_tests::{Watched, fails, holds};
use weft_threads::count::{self, Settled};
use weft_threads::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use weft_threads::sync::{Arc, thread};

/// The address of the referent.
const TARGET: u64 = 16;

struct WeakRef {
    target: AtomicU64,
    /// False once its memory has been given back.
    there: Watched<bool>,
}

struct Heap {
    table: WeakTable<Entry>,
    count: AtomicU32,
    /// False once the referent's memory has been given back.
    there: Watched<bool>,
    weak: Arc<WeakRef>,
}

struct Entry(Arc<WeakRef>);

impl Weak for Entry {
    fn target(&self) -> &AtomicU64 {
        &self.0.target
    }
}

impl Heap {
    /// A referent with so many counted references, and a weak one.
    fn new(count: u32) -> Arc<Heap> {
        let heap = Heap {
            table: WeakTable::new(1),
            count: AtomicU32::new(count),
            there: Watched::new(true),
            weak: Arc::new(WeakRef {
                target: AtomicU64::new(0),
                there: Watched::new(true),
            }),
        };
        heap.table.enter(TARGET, Entry(heap.weak.clone()));
        Arc::new(heap)
    }

    fn count_up(&self) -> bool {
        assert!(self.there.get(), "counted after its death");
        count::try_increment(&self.count)
    }

    fn upgrade(&self) -> bool {
        let found = self.table.upgrade(&self.weak.target, |key| {
            assert_eq!(key, TARGET);
            self.count_up()
        });
        found.is_some()
    }

    /// Gives up a counted reference; who lists the referent settles it as well. (Nobody has it in a register: `handshake.rs`.)
    fn drop_one(&self, clear: fn(&Heap)) {
        assert!(self.there.get(), "dropped after its death");
        if !count::decrement(&self.count) {
            return;
        }
        loop {
            match count::settle(&self.count) {
                Settled::Again => {}
                Settled::Alive => return,
                Settled::Dead => {
                    clear(self);
                    assert!(self.there.get(), "destroyed twice");
                    return self.there.set(false);
                }
            }
        }
    }
}

fn clear(heap: &Heap) {
    heap.table.clear(TARGET, |r| {
        assert!(r.0.there.get(), "a weak reference that is gone")
    });
}

/// The last reference is dropped while others upgrade the weak one, use what they get, and drop it.
fn upgrades(threads: usize, upgrade: fn(&Heap) -> bool, clear: fn(&Heap)) {
    let heap = Heap::new(1);
    let others: Vec<_> = (0..threads)
        .map(|_| {
            let heap = heap.clone();
            thread::spawn(move || {
                if upgrade(&heap) {
                    heap.drop_one(clear);
                }
            })
        })
        .collect();
    heap.drop_one(clear);
    others.into_iter().for_each(|t| t.join().unwrap());
    assert!(!heap.there.get(), "leaked");
    assert!(!heap.upgrade());
}

#[test]
fn upgrading_against_destruction() {
    holds(5, || upgrades(1, Heap::upgrade, clear));
    holds(2, || upgrades(2, Heap::upgrade, clear));
}

#[test]
fn broken_upgrade_without_the_lock() {
    fails(3, || {
        let look = |heap: &Heap| heap.weak.target.load(Acquire) == TARGET && heap.count_up();
        upgrades(1, look, clear)
    });
}

#[test]
fn broken_freed_before_the_table_knows() {
    fails(3, || {
        upgrades(1, Heap::upgrade, |heap| {
            heap.there.set(false);
            heap.table.clear(TARGET, |_| ());
            heap.there.set(true);
        })
    });
}

/// A count that is looked at and raised in two steps.
#[test]
fn broken_counting_in_two_steps() {
    fails(3, || {
        let upgrade = |heap: &Heap| {
            let up = |_| {
                let alive = heap.count.load(Acquire) != count::DEAD;
                if alive {
                    count::increment(&heap.count);
                }
                alive
            };
            heap.table.upgrade(&heap.weak.target, up).is_some()
        };
        upgrades(1, upgrade, clear)
    });
}

/// The weak reference is freed while its referent dies.
fn both_die(clear: fn(&Heap)) {
    let heap = Heap::new(1);
    let other = {
        let heap = heap.clone();
        thread::spawn(move || {
            let weak = &heap.weak;
            heap.table.leave(&weak.target, |r| Arc::ptr_eq(&r.0, weak));
            weak.there.set(false);
        })
    };
    heap.drop_one(clear);
    other.join().unwrap();
}

#[test]
fn a_weak_reference_dies_with_its_referent() {
    holds(5, || both_die(clear));
}

/// The reference is emptied before its destroyer has done with it.
#[test]
fn broken_emptied_too_early() {
    fails(3, || {
        both_die(|heap| {
            heap.weak.target.store(0, Release);
            clear(heap);
        })
    });
}
