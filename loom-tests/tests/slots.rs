//! Inline slots: reading an attribute while another thread adds one, changes one, or moves all of them to a dict.
//!
//! Drives the steps of `objects`, the slot's word of `gc` and the object lock themselves. An instance has two attributes; its shape is
//! how many it has so far; its dict is two words that appear as a whole.
#![cfg(loom)]

#[path = "../../gc/src/barrier.rs"]
#[allow(dead_code)]
mod barrier;
#[path = "../../objects/src/inline_slots.rs"]
#[allow(dead_code)]
mod inline_slots;

use barrier::Word;
use inline_slots::{Found, Words};
use weft_loom_tests::{fails, holds};
use weft_threads::RawLock;
use weft_threads::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::*};
use weft_threads::sync::{Arc, thread};

const INLINE: u8 = 1;
const DICT: u8 = 2;

struct Instance {
    lock: RawLock,
    flags: AtomicU8,
    shape: AtomicU32,
    slots: [Word; 2],
    /// The values in the dict, once there is one.
    values: [Word; 2],
    dict: Word,
}

impl Instance {
    /// An instance with the first attribute.
    fn new() -> Arc<Instance> {
        let word = |w| Word(AtomicU64::new(w));
        Arc::new(Instance {
            lock: RawLock::new(),
            flags: AtomicU8::new(INLINE),
            shape: AtomicU32::new(1),
            slots: [word(10), word(0)],
            values: [word(0), word(0)],
            dict: word(0),
        })
    }

    fn words(&self) -> Words<'_> {
        Words {
            flags: &self.flags,
            inline: INLINE,
            shape: &self.shape,
        }
    }

    fn locked<R>(&self, f: impl FnOnce() -> R) -> R {
        self.lock.lock();
        let r = f();
        // SAFETY: locked above.
        unsafe { self.lock.unlock() };
        r
    }

    /// The attribute's value; 0: there is none.
    fn read(&self, name: usize) -> u64 {
        let found = self.words().read(
            |shape| ((shape as usize) > name).then_some(name),
            |i| self.slots[i].read(),
            || self.locked(|| ()),
        );
        match found {
            Found::Word(w) => w,
            Found::Absent => 0,
            Found::InDict => self.in_dict(name),
        }
    }

    fn in_dict(&self, name: usize) -> u64 {
        assert_eq!(self.dict.read(), 1, "no dict");
        self.values[name].read()
    }

    /// As the interpreter does by a cache word: the shape, then the slot; zero sends it to `read`.
    fn read_by_word(&self, name: usize) -> u64 {
        let hit =
            self.flags.load(Relaxed) & INLINE != 0 && self.shape.load(Acquire) as usize > name;
        match if hit { self.slots[name].read() } else { 0 } {
            0 => self.read(name),
            w => w,
        }
    }

    fn write(&self, name: usize, value: u64, steps: Steps) {
        let done = self.locked(|| {
            if self.flags.load(Relaxed) & INLINE == 0 {
                return false;
            }
            if self.shape.load(Relaxed) as usize > name {
                self.slots[name].exchange(value, || ());
            } else {
                (steps.add)(self, name, value);
            }
            true
        });
        if !done {
            self.values[name].exchange(value, || ());
        }
    }

    fn to_dict(&self, steps: Steps) {
        self.locked(|| {
            if self.flags.load(Relaxed) & INLINE != 0 {
                (steps.move_out)(self);
            }
        });
    }

    fn copy(&self) {
        for (slot, value) in self.slots.iter().zip(&self.values) {
            value.init(slot.read(), || ());
        }
    }

    fn empty(&self) {
        for slot in &self.slots {
            slot.exchange(0, || ());
        }
    }
}

#[derive(Clone, Copy)]
struct Steps {
    add: fn(&Instance, usize, u64),
    move_out: fn(&Instance),
}

const REAL: Steps = Steps {
    add: |o, name, value| {
        o.words()
            .add(name as u32 + 1, || o.slots[name].init(value, || ()));
    },
    move_out: |o| {
        o.copy();
        o.words()
            .move_out(DICT, || o.dict.init(1, || ()), || o.empty());
    },
};

/// One thread moves the attributes to a dict and changes the first then; another reads it twice.
fn move_and_read(steps: Steps, read: fn(&Instance, usize) -> u64) {
    let o = Instance::new();
    let reader = {
        let o = o.clone();
        thread::spawn(move || (read(&o, 0), read(&o, 0)))
    };
    o.to_dict(steps);
    o.write(0, 11, steps);
    let seen = reader.join().unwrap();
    assert!(
        [(10, 10), (10, 11), (11, 11)].contains(&seen),
        "{seen:?}: the attribute is not there, or goes back"
    );
}

#[test]
fn attributes_are_moved_to_a_dict() {
    holds(5, || move_and_read(REAL, Instance::read));
    holds(5, || move_and_read(REAL, Instance::read_by_word));
}

#[test]
fn broken_slots_emptied_before_the_header_says_so() {
    fails(3, || {
        let steps = Steps {
            move_out: |o| {
                o.copy();
                o.empty();
                // Without the lock a reader that finds a slot empty would believe it.
                o.words().move_out(DICT, || o.dict.init(1, || ()), || ());
            },
            ..REAL
        };
        move_and_read(steps, |o, name| {
            let place = |shape| ((shape as usize) > name).then_some(name);
            match o.words().read(place, |i| o.slots[i].read(), || ()) {
                Found::Word(w) => w,
                Found::Absent => 0,
                Found::InDict => o.in_dict(name),
            }
        })
    });
}

#[test]
fn broken_header_before_the_dict() {
    fails(3, || {
        let steps = Steps {
            move_out: |o| {
                o.words().move_out(DICT, || (), || ());
                o.copy();
                o.dict.init(1, || ());
                o.empty();
            },
            ..REAL
        };
        move_and_read(steps, Instance::read)
    });
}

/// A store that does not take the lock is lost when the attributes are moved.
#[test]
fn broken_store_without_the_lock() {
    fails(3, || {
        let o = Instance::new();
        let mover = {
            let o = o.clone();
            thread::spawn(move || o.to_dict(REAL))
        };
        if o.flags.load(Acquire) & INLINE != 0 {
            o.slots[0].exchange(11, || ());
        } else {
            o.values[0].exchange(11, || ());
        }
        mover.join().unwrap();
        assert_eq!(o.read(0), 11, "a store is lost");
    });
}

/// One thread adds the second attribute, another reads it.
fn add_and_read(steps: Steps, read: fn(&Instance, usize) -> u64) {
    let o = Instance::new();
    let reader = {
        let o = o.clone();
        thread::spawn(move || {
            let seen = (read(&o, 1), o.shape.load(Acquire) == 2, read(&o, 1));
            assert!(seen.0 == 0 || seen.0 == 20 && seen.2 == 20, "{seen:?}");
            assert!(
                !seen.1 || seen.2 == 20,
                "{seen:?}: a name without its value"
            );
        })
    };
    o.write(1, 20, steps);
    reader.join().unwrap();
    assert_eq!((o.read(0), o.read(1)), (10, 20));
}

#[test]
fn an_attribute_is_added() {
    holds(5, || add_and_read(REAL, Instance::read));
    holds(5, || add_and_read(REAL, Instance::read_by_word));
}

#[test]
fn broken_shape_before_the_slot() {
    fails(3, || {
        let steps = Steps {
            add: |o, name, value| {
                o.shape.store(name as u32 + 1, Release);
                o.slots[name].init(value, || ());
            },
            ..REAL
        };
        // As a fast path that takes an empty slot for an attribute that is not there.
        add_and_read(steps, |o, name| {
            if o.shape.load(Acquire) as usize > name {
                o.slots[name].read()
            } else {
                0
            }
        })
    });
}

#[test]
fn a_store_against_adding_and_moving() {
    holds(2, || {
        let o = Instance::new();
        let adder = {
            let o = o.clone();
            thread::spawn(move || o.write(1, 20, REAL))
        };
        let mover = {
            let o = o.clone();
            thread::spawn(move || o.to_dict(REAL))
        };
        o.write(0, 11, REAL);
        adder.join().unwrap();
        mover.join().unwrap();
        assert_eq!((o.read(0), o.read(1)), (11, 20), "a store is lost");
    });
}
