//! Readers of a dict or set that hold nothing, against a writer: insert, delete, grow.
//!
//! Drives the table code of `objects` itself. A key is an even number, the values of a key are `key * 100 + n`, and `Objects` says
//! whether what a value word stands for can be seen whole. Retired tables are kept to the end, as by a handshake that has not passed.
#![cfg(loom)]

#[path = "../../objects/src/dict_table.rs"]
#[allow(dead_code)]
mod dict_table;
#[path = "../../objects/src/set/table.rs"]
#[allow(dead_code)]
mod set_table;

use dict_table::{Found, Match, Table};
use std::ptr::null_mut;
use weft_loom_tests::{fails, holds};
use weft_threads::sync::atomic::{AtomicPtr, AtomicU64, Ordering::*};
use weft_threads::sync::{Arc, thread};

const A: u64 = 2;
const B: u64 = 4;
/// All keys collide.
const HASH: i64 = 5;

/// The part of a dict that readers see.
struct Dict {
    table: AtomicPtr<Table>,
    /// The contents of the objects that value words stand for, by the last digit: written before the word is stored.
    objects: [AtomicU64; 3],
}

// SAFETY: the tables are the tests' to free, after all threads have ended.
unsafe impl Send for Dict {}
// SAFETY: the protocol under test.
unsafe impl Sync for Dict {}

impl Dict {
    fn new(room: usize) -> Dict {
        Dict {
            table: AtomicPtr::new(Table::new(room).as_ptr()),
            objects: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    fn table(&self) -> &Table {
        // SAFETY: never null, freed at the end.
        unsafe { &*self.table.load(Acquire) }
    }

    /// The n-th value of a key, whose object is made now.
    fn value(&self, key: u64, n: u64) -> u64 {
        self.objects[n as usize].store(1, Relaxed);
        key * 100 + n
    }

    fn find(&self, table: &Table, key: u64) -> Found {
        table.find(&mut table.probe(HASH), |e| match e.key() {
            k if k == key => Match::Yes,
            _ => Match::No,
        })
    }

    /// What a reader does.
    fn get(&self, key: u64) -> Option<u64> {
        let table = self.table();
        let Found::At(i) = self.find(table, key) else {
            return None;
        };
        match table.entry(i).value() {
            0 => None,
            v => {
                assert_eq!(v / 100, key, "a value of another key");
                assert_eq!(
                    self.objects[(v % 100) as usize].load(Relaxed),
                    1,
                    "an object that is not whole"
                );
                Some(v % 100)
            }
        }
    }

    fn insert(&self, key: u64, n: u64) {
        let table = self.table();
        let Found::Absent(place) = self.find(table, key) else {
            panic!("the key is there already")
        };
        table.insert(place, HASH, key, self.value(key, n));
    }

    fn kill(&self, key: u64) {
        if let Found::At(i) = self.find(self.table(), key) {
            self.table().kill(i);
        }
    }

    /// A copy of the table, published. Gives the old one.
    fn grow(&self) -> *mut Table {
        let new = Table::new(self.table().room() as usize + 1);
        // SAFETY: just made.
        self.table().copy_to(unsafe { new.as_ref() });
        self.table.swap(new.as_ptr(), AcqRel)
    }

    fn free(&self) {
        free(self.table.swap(null_mut(), AcqRel));
    }
}

fn free(table: *mut Table) {
    // SAFETY: no thread looks at it any more.
    unsafe { Table::free(table as *mut u8, (*table).bytes()) };
}

/// Runs a writer and a reader on a dict that has A already.
// The writer goes first: loom looks for other orders from the last access to a word only, so of a word that the writer reads and
// then writes it would not see that somebody has read it before.
fn race(writer: fn(&Dict) -> *mut Table, reader: fn(&Dict)) {
    let d = Arc::new(Dict::new(1));
    d.insert(A, 0);
    let d2 = d.clone();
    let r = thread::spawn(move || reader(&d2));
    let retired = writer(&d);
    r.join().unwrap();
    if !retired.is_null() {
        free(retired);
    }
    d.free();
}

fn read_both(d: &Dict) {
    assert!(
        matches!(d.get(A), Some(0 | 1)),
        "a key that was never taken out"
    );
    assert!(matches!(d.get(B), None | Some(2)));
}

#[test]
fn read_against_insert_and_replace() {
    holds(3, || {
        race(
            |d| {
                d.insert(B, 2);
                let v = d.value(A, 1);
                d.table().entry(0).set_value(v);
                null_mut()
            },
            read_both,
        );
    });
}

#[test]
fn broken_index_before_entry() {
    fails(3, || {
        race(
            |d| {
                let table = d.table();
                let Found::Absent(place) = d.find(table, B) else {
                    return null_mut();
                };
                table.set_place(place, 2);
                let v = d.value(B, 2);
                table.write(1, HASH, B, v);
                null_mut()
            },
            read_both,
        );
    });
}

#[test]
fn read_against_delete_and_insert_again() {
    holds(3, || {
        race(
            |d| {
                d.kill(A);
                d.insert(B, 1);
                d.insert(A, 2);
                null_mut()
            },
            |d| {
                assert!(matches!(d.get(A), None | Some(0 | 2)));
                assert!(matches!(d.get(B), None | Some(1)));
            },
        );
    });
}

#[test]
fn broken_entry_for_another_key() {
    fails(3, || {
        race(
            |d| {
                d.kill(A);
                let v = d.value(B, 1);
                d.table().write(0, HASH, B, v);
                null_mut()
            },
            |d| {
                d.get(A);
            },
        );
    });
}

#[test]
fn read_against_growth() {
    holds(3, || {
        race(
            |d| {
                let old = d.grow();
                d.insert(B, 2);
                let v = d.value(A, 1);
                d.table().entry(0).set_value(v);
                old
            },
            read_both,
        );
    });
}

#[test]
fn broken_published_before_it_is_filled() {
    fails(3, || {
        race(
            |d| {
                let new = Table::new(6);
                let old = d.table.swap(new.as_ptr(), AcqRel);
                // SAFETY: both are freed at the end.
                unsafe { (*old).copy_to(new.as_ref()) };
                old
            },
            |d| {
                assert!(d.get(A).is_some(), "a key that was never taken out");
            },
        );
    });
}

#[test]
fn broken_reused_without_a_handshake() {
    fails(3, || {
        race(
            |d| {
                let old = d.grow();
                // What the next owner of the memory would do.
                // SAFETY: freed at the end.
                unsafe { (*old).kill(0) };
                old
            },
            |d| {
                assert!(d.get(A).is_some(), "a key that was never taken out");
            },
        );
    });
}

/// Who has seen that a key is missing, and finds the name of the set of keys unchanged, may go on without looking; but not
/// after it has heard of the key.
fn names(insert: fn(&Dict)) {
    let d = Arc::new(Dict::new(1));
    d.insert(A, 0);
    d.table().set_keys_id(7);
    let heard = Arc::new(AtomicU64::new(0));
    let (d2, heard2) = (d.clone(), heard.clone());
    let r = thread::spawn(move || {
        let told = heard2.load(Acquire) == 1;
        if d2.table().keys_id() == 7 {
            assert!(!told, "a stale name");
            assert!(matches!(d2.get(A), Some(0)));
        }
    });
    insert(&d);
    heard.store(1, Release);
    r.join().unwrap();
    d.free();
}

#[test]
fn a_new_key_takes_the_name_away() {
    holds(3, || {
        names(|d| d.insert(B, 2));
    });
}

#[test]
fn broken_name_kept() {
    fails(3, || {
        names(|d| {
            d.insert(B, 2);
            d.table().set_keys_id(7);
        });
    });
}

// --- sets ---

/// The part of a set that readers see: keys only. The hash of a key is the key, so that keys eight apart collide.
fn has(table: &set_table::Table, key: u64) -> bool {
    let found = table.find(&mut table.probe(key as i64), |place, k| {
        // A key that is seen is seen with its hash.
        assert_eq!(place.hash() as u64, k, "a hash of another key");
        if k == key { Match::Yes } else { Match::No }
    });
    matches!(found, set_table::Found::At(_))
}

fn put(table: &set_table::Table, key: u64) {
    let mut probe = table.probe(key as i64);
    if let set_table::Found::Absent(at) =
        table.find(
            &mut probe,
            |_, k| if k == key { Match::Yes } else { Match::No },
        )
    {
        table.insert(at, key as i64, key);
    }
}

fn set_race(writer: fn(&set_table::Table), reader: fn(&set_table::Table)) {
    let table = set_table::Table::new(0);
    // SAFETY: freed at the end only.
    let shared: &'static set_table::Table = unsafe { &*table.as_ptr() };
    put(shared, 16);
    let r = thread::spawn(move || reader(shared));
    writer(shared);
    r.join().unwrap();
    // SAFETY: no thread looks at it any more.
    unsafe { set_table::Table::free(table.as_ptr() as *mut u8, shared.bytes()) };
}

#[test]
fn set_read_against_add_and_remove() {
    holds(3, || {
        set_race(
            |table| {
                put(table, 24);
                if let set_table::Found::At(at) = table.find(&mut table.probe(24), |_, k| {
                    if k == 24 { Match::Yes } else { Match::No }
                }) {
                    table.kill(at);
                }
                put(table, 32);
            },
            |table| {
                assert!(has(table, 16));
                has(table, 24);
                has(table, 32);
            },
        );
    });
}

#[test]
fn broken_set_place_for_another_key() {
    fails(3, || {
        set_race(
            |table| {
                // The place of 16, given to 24 without a word between.
                table.insert(0, 24, 24);
            },
            |table| {
                has(table, 16);
            },
        );
    });
}
