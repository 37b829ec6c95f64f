//! Publication against readers (I1–I3), and the exchange of a shared slot.
//!
//! Drives the marking and the slot's word of `gc` itself. An object is a place in an arena; a slot's word is that place plus one.
#![cfg(loom)]

#[path = "../../gc/src/barrier.rs"]
#[allow(dead_code)]
mod barrier;

use barrier::{Node, SHARED, Word, publish};
use weft_loom_tests::{Watched, fails, holds};
use weft_threads::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering::*};
use weft_threads::sync::{Arc, thread};

/// The tag of the thread that makes the objects.
const MINE: u16 = 7;
/// Nothing is stored here.
const EMPTY: u64 = 0;
const ROOT: usize = 0;
const CHILD: usize = 1;
const DEEPEST: usize = 2;

struct Object {
    owner: AtomicU16,
    /// References to it that are counted.
    count: AtomicU32,
    /// A field that is written while the object is local, and read by who reaches it.
    field: Watched<u64>,
    /// What it refers to.
    slots: Vec<Word>,
    arena: *const Arena,
}

struct Arena {
    objects: Vec<Object>,
    /// What all threads can reach.
    shared: Word,
}

// SAFETY: the protocol under test; the arena lives as long as its threads.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

fn word(value: u64) -> Word {
    Word(AtomicU64::new(value))
}

/// The word for a reference to an object.
fn to(object: usize) -> u64 {
    object as u64 + 1
}

impl Arena {
    /// So many objects, each of which refers to the next two; their fields are not written yet.
    fn chain(length: usize) -> Arc<Arena> {
        Self::with((0..length).map(|i| (i + 1..length).map(to).take(2).collect()))
    }

    fn with(edges: impl Iterator<Item = Vec<u64>>) -> Arc<Arena> {
        let objects = edges.map(|slots| Object {
            owner: AtomicU16::new(MINE),
            count: AtomicU32::new(1),
            field: Watched::new(0),
            slots: slots.into_iter().map(word).collect(),
            arena: std::ptr::null(),
        });
        let mut arena = Arc::new(Arena {
            objects: objects.collect(),
            shared: word(EMPTY),
        });
        let at = Arc::as_ptr(&arena);
        for object in &mut Arc::get_mut(&mut arena).expect("the only one").objects {
            object.arena = at;
        }
        arena
    }

    /// The object that a word refers to.
    fn get(&self, word: u64) -> Option<&Object> {
        (word != EMPTY).then(|| &self.objects[word as usize - 1])
    }

    fn write_fields(&self) {
        for object in &self.objects {
            object.field.set(42);
        }
    }

    /// What a reader checks of all that it reaches.
    fn read(&self, word: u64) {
        let Some(object) = self.get(word) else { return };
        assert_eq!(
            object.owner.load(Relaxed),
            SHARED,
            "a local object within reach of another thread"
        );
        assert_eq!(object.field.get(), 42, "an object that is not whole");
        for slot in &object.slots {
            self.read(slot.read());
        }
    }
}

impl Node for Object {
    fn owner(&self) -> &AtomicU16 {
        &self.owner
    }

    fn has_edges(&self) -> bool {
        !self.slots.is_empty()
    }

    fn edges(&self, f: &mut dyn FnMut(&Object)) {
        for slot in &self.slots {
            // SAFETY: the arena that holds this object.
            let arena = unsafe { &*self.arena };
            if let Some(object) = arena.get(slot.read()) {
                f(object);
            }
        }
    }
}

/// One thread makes a chain of objects and stores a reference to the first; another reads it.
fn make_and_read(length: usize, store: fn(&Arena)) {
    let arena = Arena::chain(length);
    let reader = {
        let arena = arena.clone();
        thread::spawn(move || arena.read(arena.shared.read()))
    };
    arena.write_fields();
    store(&arena);
    reader.join().unwrap();
    arena.read(arena.shared.read());
}

/// What the barrier does.
fn share(arena: &Arena, object: usize) {
    publish(&arena.objects[object], MINE);
}

#[test]
fn a_reader_finds_all_shared_and_whole() {
    holds(8, || {
        make_and_read(3, |arena| {
            let old = arena.shared.exchange(to(ROOT), || share(arena, ROOT));
            assert_eq!(old, EMPTY);
        })
    });
}

#[test]
fn a_reader_of_a_slot_stored_to_once_does_too() {
    holds(8, || {
        make_and_read(2, |arena| {
            arena.shared.init(to(ROOT), || share(arena, ROOT))
        })
    });
    holds(8, || {
        make_and_read(2, |arena| {
            assert!(
                arena
                    .shared
                    .exchange_if(EMPTY, to(ROOT), || share(arena, ROOT))
            )
        })
    });
}

/// A reference cycle is marked once.
#[test]
fn cycles_end() {
    holds(8, || {
        let arena = Arena::with([vec![to(CHILD)], vec![to(ROOT), to(CHILD)]].into_iter());
        let reader = {
            let arena = arena.clone();
            thread::spawn(move || {
                if let Some(root) = arena.get(arena.shared.read()) {
                    let child = arena.get(root.slots[0].read()).expect("a child");
                    assert_eq!(child.owner.load(Relaxed), SHARED);
                    assert_eq!(child.slots[0].read(), to(ROOT));
                }
            })
        };
        assert_eq!(publish(&arena.objects[ROOT], MINE), 2);
        assert_eq!(publish(&arena.objects[ROOT], MINE), 0);
        arena.shared.init(to(ROOT), || ());
        reader.join().unwrap();
    });
}

#[test]
fn broken_stored_before_it_is_marked() {
    fails(3, || {
        make_and_read(1, |arena| {
            arena.shared.exchange(to(ROOT), || ());
            share(arena, ROOT);
        })
    });
}

#[test]
fn broken_relaxed_store() {
    fails(3, || {
        make_and_read(1, |arena| {
            share(arena, ROOT);
            arena.shared.0.store(to(ROOT), Relaxed);
        })
    });
}

#[test]
fn broken_child_forgotten() {
    fails(3, || {
        make_and_read(2, |arena| {
            arena.objects[ROOT].owner.store(SHARED, Relaxed);
            arena.shared.exchange(to(ROOT), || ());
        })
    });
}

#[test]
fn broken_only_children_marked() {
    fails(3, || {
        make_and_read(DEEPEST + 2, |arena| {
            arena.objects[ROOT].owner.store(SHARED, Relaxed);
            arena.objects[ROOT].edges(&mut |child| child.owner.store(SHARED, Relaxed));
            arena.shared.exchange(to(ROOT), || ());
        })
    });
}

/// An object that is shared already gets another child: a reader that has the parent finds the child shared and whole.
fn store_into_shared(store: fn(&Arena)) {
    let arena = Arena::with([vec![to(DEEPEST)], vec![to(DEEPEST)], vec![]].into_iter());
    arena.write_fields();
    arena.objects[CHILD].field.set(0);
    share(&arena, ROOT);
    arena.shared.exchange(to(ROOT), || ());
    let reader = {
        let arena = arena.clone();
        thread::spawn(move || arena.read(arena.shared.read()))
    };
    arena.objects[CHILD].field.set(42);
    store(&arena);
    reader.join().unwrap();
}

#[test]
fn what_is_stored_into_a_shared_object_is_shared() {
    holds(8, || {
        store_into_shared(|arena| {
            let old = arena.objects[ROOT].slots[0].exchange(to(CHILD), || share(arena, CHILD));
            assert_eq!(old, to(DEEPEST));
        })
    });
}

#[test]
fn broken_no_barrier_in_a_shared_object() {
    fails(3, || {
        store_into_shared(|arena| {
            arena.objects[ROOT].slots[0].exchange(to(CHILD), || ());
        })
    });
}

/// Several threads store into one shared slot, and drop what was there. `exchange` gives the old word.
fn exchanges(threads: usize, exchange: fn(&Word, u64) -> u64) {
    let arena = Arena::with((0..=threads).map(|_| Vec::new()));
    arena.write_fields();
    for i in 0..=threads {
        share(&arena, i);
    }
    arena.shared.init(to(threads), || ());
    let replace = move |arena: &Arena, object: usize| {
        let old = exchange(&arena.shared, to(object));
        let old = arena.get(old).expect("never empty");
        assert_eq!(old.count.fetch_sub(1, AcqRel), 1, "dropped twice");
        // Destroyed: nobody else may be using it.
        old.field.set(0);
    };
    let others: Vec<_> = (1..threads)
        .map(|object| {
            let arena = arena.clone();
            thread::spawn(move || replace(&arena, object))
        })
        .collect();
    replace(&arena, 0);
    for other in others {
        other.join().unwrap();
    }
    let left = arena.shared.read();
    for (i, object) in arena.objects.iter().enumerate() {
        let expected = u32::from(to(i) == left);
        assert_eq!(object.count.load(Relaxed), expected, "a reference is lost");
    }
}

#[test]
fn each_old_value_is_dropped_once() {
    holds(8, || exchanges(2, |slot, new| slot.exchange(new, || ())));
    holds(3, || exchanges(3, |slot, new| slot.exchange(new, || ())));
}

#[test]
fn broken_read_and_store() {
    fails(3, || {
        exchanges(2, |slot, new| {
            let old = slot.read();
            slot.init(new, || ());
            old
        })
    });
}

/// Two threads make a value for a field that is set once; both end up with the same one, and one of theirs is dropped.
#[test]
fn set_once() {
    holds(8, || {
        let arena = Arena::with([vec![], vec![]].into_iter());
        let set = |arena: &Arena, object: usize| {
            arena.objects[object].field.set(42);
            if !arena
                .shared
                .exchange_if(EMPTY, to(object), || share(arena, object))
            {
                arena.objects[object].count.store(0, Relaxed);
            }
            arena.read(arena.shared.read());
        };
        let other = {
            let arena = arena.clone();
            thread::spawn(move || set(&arena, 1))
        };
        set(&arena, 0);
        other.join().unwrap();
        let alive = arena
            .objects
            .iter()
            .map(|o| o.count.load(Relaxed))
            .sum::<u32>();
        assert_eq!(alive, 1);
    });
}
