//! Collections of young objects: what they find, and what they leave alone.

mod common;

use common::*;
use std::sync::atomic::Ordering::*;
use weft_gc::{Obj, Thread, collect};

/// Makes garbage until the thread has collected so many times. (Little stays alive, so these are collections of young ones.)
fn collections(t: &mut Thread, n: u64) {
    let end = t.stats.collections.get() + n;
    while t.stats.collections.get() < end {
        drop(cycle(t));
        poll(t);
    }
}

fn is_alive(o: &Obj) -> bool {
    as_node(o.value()).field.load(Relaxed) == 42
}

/// A node that is old.
fn old(t: &mut Thread) -> Obj {
    let o = node(t);
    collections(t, 3);
    o
}

#[test]
fn the_old_keep_the_young() {
    run(|t| {
        let keeper = old(t);
        let a = cycle(t);
        let other = get(t, &a, 0);
        let (wa, wb) = (weakref(t, &a, None), weakref(t, &other, None));
        drop(other);
        set(t, &keeper, 0, a);
        collections(t, 3);
        for w in [&wa, &wb] {
            assert!(is_alive(&upgrade(t, w).unwrap()));
        }
        // By now it is old itself.
        empty(t, &keeper, 0);
        collections(t, 2);
        assert!(upgrade(t, &wa).is_some());
        collect(t);
        assert!(upgrade(t, &wa).is_none() && upgrade(t, &wb).is_none());
    });
}

#[test]
fn what_outlives_one_collection_is_looked_at_again() {
    run(|t| {
        let a = cycle(t);
        let w = weakref(t, &a, None);
        collections(t, 1);
        drop(a);
        collections(t, 1);
        assert!(upgrade(t, &w).is_none());
    });
}

#[test]
fn a_class_that_an_old_block_refers_to() {
    run(|t| {
        let before = old(t);
        let at = before.value();
        let class = class(t, &NODE);
        let w = weakref(t, &class, None);
        drop(before);
        let object = node_of(t, &as_class(&class).head, 0);
        assert_eq!(object.value(), at, "in the block of the old one");
        drop(class);
        collections(t, 3);
        assert!(upgrade(t, &w).is_some(), "objects do not count their class");
        drop(object);
        collect(t);
        assert!(upgrade(t, &w).is_none());
    });
}

#[test]
fn finalized_garbage_is_found_again() {
    run(|t| {
        let a = cycle(t);
        as_node(a.value()).finalizer.store(true, Relaxed);
        let witness = node(t);
        set(t, &a, 1, witness.clone());
        // It outlives one collection, and would be old after the one that finds it.
        collections(t, 1);
        drop(a);
        let count = || witness.header().count.load(Relaxed);
        collections(t, 1);
        assert_eq!(count(), 2, "it has been finalized");
        collections(t, 1);
        assert_eq!(count(), 1, "and destroyed");
    });
}
