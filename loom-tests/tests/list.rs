//! Readers of a list that hold nothing, against a writer: append, grow, shorten, clear, move.
//!
//! Drives the buffer code of `objects` itself. Retired buffers are kept to the end, as by a handshake that has not passed.
#![cfg(loom)]

#[path = "../../objects/src/list/buffer.rs"]
#[allow(dead_code)]
mod buffer;

use buffer::{Buffer, RawList};
use std::ptr::null_mut;
use weft_loom_tests::{fails, holds};
use weft_threads::sync::atomic::{AtomicU64, Ordering::*};
use weft_threads::sync::{Arc, thread};

const A: u64 = 16;
const B: u64 = 32;
const C: u64 = 48;
const POISON: u64 = 0xdead0;

struct List {
    raw: RawList,
    /// What the word C stands for: written before C is stored.
    object: AtomicU64,
}

// SAFETY: the buffers are the tests' to free, after all threads have ended.
unsafe impl Send for List {}
// SAFETY: the protocol under test.
unsafe impl Sync for List {}

impl List {
    fn get(&self, i: usize) -> u64 {
        let word = self.raw.get(i);
        assert_ne!(word, POISON, "memory of another owner");
        if word == C {
            assert_eq!(self.object.load(Relaxed), 1, "an object that is not whole");
        }
        word
    }

    fn make_c(&self) -> u64 {
        self.object.store(1, Relaxed);
        C
    }

    /// A larger buffer with the same words.
    fn grow(&self) -> *mut Buffer {
        let new = Buffer::new(3);
        // SAFETY: just made.
        self.raw.copy_to(unsafe { &*new }, self.raw.len());
        self.raw.replace(new, self.raw.len())
    }
}

fn free(p: *mut Buffer) {
    if !p.is_null() {
        // SAFETY: no thread looks at it any more.
        unsafe { Buffer::free(p as *mut u8, 0) };
    }
}

/// Runs a writer and a reader on the list `[A, B]`, which has no room for more.
// The writer goes first: see `dict.rs`.
fn race(writer: fn(&List) -> *mut Buffer, reader: fn(&List)) {
    let l = Arc::new(List {
        raw: RawList::new(),
        object: AtomicU64::new(0),
    });
    l.raw.replace(Buffer::new(2), 0);
    l.raw.push(A);
    l.raw.push(B);
    let l2 = l.clone();
    let r = thread::spawn(move || reader(&l2));
    let retired = writer(&l);
    r.join().unwrap();
    free(retired);
    free(l.raw.replace(null_mut(), 0));
}

/// No item is ever taken out.
fn read_longer(l: &List) {
    let n = l.raw.len();
    assert!(n == 2 || n == 3);
    assert_eq!(l.get(0), A, "an item that was never taken out");
    let expected = if n == 3 { C } else { B };
    assert_eq!(l.get(n - 1), expected, "an item below the length");
}

#[test]
fn read_against_append() {
    holds(3, || {
        race(
            |l| {
                let old = l.grow();
                l.raw.push(l.make_c());
                old
            },
            read_longer,
        );
    });
}

#[test]
fn broken_length_before_item() {
    fails(3, || {
        race(
            |l| {
                let old = l.grow();
                l.raw.set_len(3);
                l.raw.write_words(2, [l.make_c()].into_iter());
                old
            },
            read_longer,
        );
    });
}

#[test]
fn broken_published_before_it_is_filled() {
    fails(3, || {
        race(
            |l| {
                let new = Buffer::new(3);
                let old = l.raw.replace(new, 2);
                for (i, word) in [A, B].into_iter().enumerate() {
                    // SAFETY: freed at the end.
                    unsafe { (*new).word(i) }.store(word, Release);
                }
                old
            },
            |l| assert_eq!(l.get(0), A, "an item that was never taken out"),
        );
    });
}

#[test]
fn read_against_shorten_and_append() {
    holds(3, || {
        race(
            |l| {
                l.raw.truncate(1, |word| assert_eq!(word, B));
                l.raw.push(l.make_c());
                null_mut()
            },
            |l| {
                assert_eq!(l.get(0), A);
                assert!(matches!(l.get(1), B | C | 0));
            },
        );
    });
}

#[test]
fn read_against_clear() {
    holds(3, || {
        race(
            |l| {
                let old = l.raw.replace(null_mut(), 0);
                let new = Buffer::new(1);
                l.raw.replace(new, 0);
                l.raw.push(l.make_c());
                old
            },
            |l| {
                assert!(matches!(l.get(0), A | C | 0));
                assert!(matches!(l.get(1), B | 0));
            },
        );
    });
}

#[test]
fn broken_reused_without_a_handshake() {
    fails(3, || {
        race(
            |l| {
                let old = l.raw.replace(null_mut(), 0);
                // What the next owner of the memory would do.
                // SAFETY: freed at the end.
                unsafe { (*old).word(1) }.store(POISON, Release);
                old
            },
            |l| {
                l.get(1);
            },
        );
    });
}

#[test]
fn read_against_move() {
    holds(3, || {
        race(
            |l| {
                l.raw.move_words(1, 0, 1, false);
                l.raw.truncate(1, |_| {});
                null_mut()
            },
            |l| {
                assert!(matches!(l.get(0), A | B), "an item lost on the way");
                assert!(matches!(l.get(1), B | 0));
            },
        );
    });
}

#[test]
fn broken_item_lifted_before_it_is_put_down() {
    fails(3, || {
        race(
            |l| {
                let word = l.raw.set(1, 0);
                l.raw.set(0, 0);
                l.raw.set(0, word);
                l.raw.truncate(1, |_| {});
                null_mut()
            },
            |l| assert!(matches!(l.get(0), A | B), "an item lost on the way"),
        );
    });
}
