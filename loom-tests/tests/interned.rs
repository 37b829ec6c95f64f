//! The table of interned strings: looked through without a lock, while others enter equal and different ones, and while it grows.
//!
//! Drives the table code of `objects` itself. A word stands for an object whose contents are written before the word goes in; words
//! that are equal but for their last digit are the same text.
#![cfg(loom)]

#[path = "../../objects/src/str/interned.rs"]
#[allow(dead_code)]
mod interned;

use interned::Interned;
use weft_loom_tests::{fails, holds};
use weft_threads::sync::atomic::{AtomicU64, Ordering::*};
use weft_threads::sync::{Arc, thread};

struct Shared {
    table: Interned,
    /// The contents of the objects, by word.
    objects: [AtomicU64; 40],
}

fn text(word: u64) -> u64 {
    word / 10
}

/// All texts collide.
fn hash(_word: u64) -> u64 {
    5
}

impl Shared {
    fn new() -> Arc<Shared> {
        Arc::new(Shared {
            table: Interned::new(),
            objects: std::array::from_fn(|_| AtomicU64::new(0)),
        })
    }

    /// The word for a text; a new object's is `mine`. What is found can be seen whole.
    fn intern(&self, mine: u64) -> u64 {
        let is = |w| text(w) == text(mine);
        let word = match self.table.find(hash(mine), is) {
            Some(word) => word,
            None => {
                self.objects[mine as usize].store(1, Relaxed);
                self.table.enter(hash(mine), is, || mine, hash, 2)
            }
        };
        assert_eq!(self.objects[word as usize].load(Relaxed), 1);
        word
    }
}

#[test]
fn equal_texts_get_one_word() {
    holds(3, || {
        let shared = Shared::new();
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || theirs.intern(11));
        let mine = shared.intern(12);
        assert_eq!(mine, other.join().unwrap());
        assert_eq!(shared.intern(13), mine);
    });
}

#[test]
fn what_is_there_is_found_while_the_table_grows() {
    holds(3, || {
        let shared = Shared::new();
        let first = shared.intern(11);
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || {
            theirs.intern(21);
            theirs.intern(31)
        });
        assert_eq!(shared.intern(12), first);
        let third = shared.intern(32);
        assert_eq!(third, other.join().unwrap());
    });
}

/// The object is written after its word has gone in.
#[test]
fn broken_contents_after_the_word() {
    fails(3, || {
        let shared = Shared::new();
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || {
            let is = |w| text(w) == 1;
            theirs.table.enter(hash(11), is, || 11, hash, 2);
            theirs.objects[11].store(1, Relaxed);
        });
        shared.intern(12);
        other.join().unwrap();
    });
}
