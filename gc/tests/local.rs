//! One thread: making and freeing, counts, cycles, finalizers, weak references.

mod common;

use common::*;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use weft_gc::{Flags, Value, collect, dec, inc, share, to_heap, to_reg, weak};

fn live() -> i64 {
    LIVE.load(Relaxed)
}

#[test]
fn made_counted_and_freed() {
    run(|t| {
        let a = node(t);
        assert_eq!(a.header().count.load(Relaxed), 1);
        assert!(a.header().is_local(t));
        let b = a.clone();
        assert_eq!(a.header().count.load(Relaxed), 2);
        drop(a);
        assert_eq!(live(), 1);
        let at = b.value().ptr();
        drop(b);
        assert_eq!(live(), 0, "destruction is prompt");
        let c = node(t);
        assert_eq!(c.value().ptr(), at, "the block is used again");
        let v = to_reg(t, c.value());
        assert!(v.is_counted(), "registers count local objects");
        assert_eq!(to_heap(v), v);
        inc(t, v);
        assert_eq!(c.header().count.load(Relaxed), 3);
        dec(t, v);
        dec(t, v);
    });
}

#[test]
fn slots_own_what_they_hold() {
    run(|t| {
        let (a, b) = (node(t), node(t));
        set(t, &a, 0, b.clone());
        let old = as_node(a.value()).slots[0].replace(t, a.header(), Value::int(3));
        assert_eq!(old, b.value());
        dec(t, old);
        assert_eq!(b.header().count.load(Relaxed), 1);
        let slot = &as_node(a.value()).slots[1];
        assert_eq!(
            slot.set_if(t, a.header(), Value::NULL, b.clone().into_value()),
            Ok(())
        );
        let again = slot.set_if(t, a.header(), Value::NULL, b.clone().into_value());
        assert_eq!(again, Err(b.value()));
        dec(t, b.value());
        drop(a);
        assert_eq!(b.header().count.load(Relaxed), 1);
    });
}

fn containers(t: &mut weft_gc::Thread) -> usize {
    let mut n = 0;
    weft_gc::for_each_object(t, &mut |h| n += usize::from(h.is_container()));
    n
}

#[test]
fn all_sizes() {
    run(|t| {
        let mut seen = std::collections::HashSet::new();
        let mut all = Vec::new();
        // Another test may have left immortal ones.
        let before = containers(t);
        for round in 0..3 {
            for size in (16..2200).step_by(24).chain([4096, 70_000, 1_000_000]) {
                for _ in 0..5 {
                    let (n, l) = (node_of(t, &NODE, size), leaf_of(t, &LEAF, size));
                    assert!(
                        seen.insert(n.value().0) && seen.insert(l.value().0),
                        "handed out twice"
                    );
                    all.push(n);
                    all.push(l);
                }
            }
            assert_eq!((containers(t) - before) * 2, all.len());
            // Every second one goes.
            let mut i = 0;
            all.retain(|o| {
                let stays = i % 4 < 2 && round < 2;
                i += 1;
                if !stays {
                    seen.remove(&o.value().0);
                }
                stays
            });
        }
        assert_eq!(live(), 0);
    });
}

#[test]
fn long_chains_die_without_recursion() {
    run(|t| {
        drop(chain(t, 1_000_000));
        assert_eq!(live(), 0);
        // As garbage, too.
        let first = chain(t, 1_000_000);
        set(t, &first, 1, first.clone());
        drop(first);
        assert_eq!(live(), 1_000_000);
        assert_eq!(collect(t).found, 1_000_000);
        assert_eq!(live(), 0);
    });
}

#[test]
fn cycles_are_collected_unless_reached() {
    run(|t| {
        let held = cycle(t);
        drop(cycle(t));
        let other = cycle(t);
        put_register(t, 3, other.into_value());
        let far = pair(t, Some(&cycle(t)), None);
        assert_eq!(live(), 9);
        assert_eq!(collect(t).found, 2);
        assert_eq!(live(), 7);
        drop_register(t, 3);
        assert_eq!(collect(t).found, 2);
        drop((held, far));
        assert_eq!(collect(t).found, 4);
    });
}

/// More at once than marking has on its stack: what it finds later is alive as well.
#[test]
fn very_many_are_reached_at_once() {
    const MANY: usize = 40_000;
    run(|t| {
        let last = chain(t, 3);
        for i in 0..MANY {
            let inner = pair(t, Some(&last), None);
            put_register(t, i, pair(t, Some(&inner), Some(&last)).into_value());
        }
        drop(cycle(t));
        let before = live();
        assert_eq!(collect(t).found, 2);
        assert_eq!(live(), before - 2);
        (0..MANY).for_each(|i| drop_register(t, i));
    });
}

#[test]
fn what_is_frozen_is_left_alone() {
    run(|t| {
        let a = cycle(t);
        let p = a.value();
        a.header().set_flag(Flags::FROZEN);
        drop(a);
        assert_eq!(collect(t).found, 0);
        as_node(p).header.clear_flag(Flags::FROZEN);
        assert_eq!(collect(t).found, 2);
    });
}

#[test]
fn large_garbage() {
    run(|t| {
        for size in [3000, 100_000] {
            let a = node_of(t, &NODE, size);
            let text = leaf_of(t, &LEAF, size);
            set(t, &a, 0, a.clone());
            set(t, &a, 1, text);
            drop(a);
            assert_eq!(collect(t).found, 1);
            assert_eq!(live(), 0);
        }
    });
}

#[test]
fn a_finalizer_runs_once() {
    run(|t| {
        let a = node(t);
        as_node(a.value()).finalizer.store(true, Relaxed);
        drop(a);
        assert!(t.has_pending());
        assert_eq!(live(), 1);
        // Resurrection.
        let Some(weft_gc::Pending::Finalize(o)) = t.pop_pending() else {
            panic!("no finalizer")
        };
        let kept = o.clone();
        t.drop_finalized(o);
        assert_eq!(live(), 1);
        drop(kept);
        assert_eq!((live(), t.has_pending()), (0, false));
    });
}

#[test]
fn cycles_with_finalizers() {
    run(|t| {
        let a = cycle(t);
        as_node(a.value()).finalizer.store(true, Relaxed);
        let reached = node(t);
        set(t, &a, 1, reached);
        drop(a);
        let stats = collect(t);
        assert_eq!((stats.found, stats.finalizers), (3, 1));
        assert_eq!(live(), 3, "what a finalizer may reach is kept");
        assert_eq!(run_pending(t), 1);
        assert_eq!(collect(t).found, 3);
        assert_eq!(live(), 0);
    });
}

#[test]
fn weak_references() {
    run(|t| {
        let a = node(t);
        let w = weakref(t, &a, None);
        assert_eq!(upgrade(t, &w).unwrap().value(), a.value());
        assert_eq!(weak::refs_of(t, a.header()).len(), 1);
        drop(a);
        assert!(upgrade(t, &w).is_none());
        assert!(weak::is_dead(&as_weak(&w).head));
        // One that dies first.
        let b = node(t);
        drop(weakref(t, &b, None));
        assert!(weak::refs_of(t, b.header()).is_empty());
        // Callbacks: newest first.
        let (first, second) = (weakref(t, &b, Some(node(t))), weakref(t, &b, Some(node(t))));
        drop(b);
        for expected in [&second, &first] {
            let Some(weft_gc::Pending::Callback(w)) = t.pop_pending() else {
                panic!("no callback")
            };
            assert_eq!(w.value(), expected.value());
        }
    });
}

#[test]
fn weak_references_to_garbage() {
    run(|t| {
        let a = cycle(t);
        let outside = weakref(t, &a, Some(node(t)));
        let inside = weakref(t, &a, Some(node(t)));
        set(t, &a, 1, inside);
        drop(a);
        collect(t);
        assert!(upgrade(t, &outside).is_none());
        assert_eq!(
            run_pending(t),
            1,
            "only the callback of the one that is not garbage"
        );
    });
}

#[test]
fn a_weak_reference_to_a_class_that_only_its_objects_keep() {
    run(|t| {
        let class = class(t, &NODE);
        let object = node_of(t, &as_class(&class).head, 0);
        let w = weakref(t, &class, None);
        drop(class);
        collect(t);
        assert!(upgrade(t, &w).is_some(), "alive: it has an object");
        drop(object);
        assert!(upgrade(t, &w).is_some(), "until the collector comes");
        collect(t);
        assert!(upgrade(t, &w).is_none());
    });
}

#[test]
fn objects_keep_their_classes() {
    run(|t| {
        // A leaf, which the collector does not walk, and a container.
        let (of_leaves, of_nodes) = (class(t, &LEAF), class(t, &NODE));
        let leaf = leaf_of(t, &as_class(&of_leaves).head, 16);
        let object = node_of(t, &as_class(&of_nodes).head, 0);
        drop((of_leaves, of_nodes));
        collect(t);
        assert_eq!(live(), 4);
        drop((leaf, object));
        assert_eq!(live(), 2, "a class is freed by the collector alone");
        collect(t);
        assert_eq!(live(), 0);
        // A class and an object of it that refer to each other.
        let class = class(t, &NODE);
        let object = node_of(t, &as_class(&class).head, 0);
        set(t, &object, 0, class.clone());
        as_class(&class)
            .slot
            .set(t, class.header(), object.into_value());
        drop(class);
        assert_eq!(collect(t).found, 2);
    });
}

#[test]
fn a_count_that_is_full_makes_immortal() {
    run(|t| {
        let (parent, child) = (node(t), node(t));
        set(t, &parent, 0, child);
        parent
            .header()
            .count
            .store(weft_threads::count::FULL - 1, Relaxed);
        std::mem::forget(parent.clone());
        assert!(parent.header().is_immortal());
        if cfg!(not(feature = "gil")) {
            assert!(
                is_shared(&get(t, &parent, 0)),
                "an immortal object refers to a local one"
            );
        }
        drop(parent.clone());
        // It stays for ever.
        LIVE.fetch_sub(2, Relaxed);
    });
}

static FREED: AtomicUsize = AtomicUsize::new(0);

unsafe fn freed(_: *mut u8, n: usize) {
    FREED.fetch_add(n, Relaxed);
}

#[test]
fn retired_memory() {
    run(|t| {
        FREED.store(0, Relaxed);
        let a = node(t);
        // SAFETY: `freed` frees nothing.
        unsafe { t.retire(a.header(), std::ptr::null_mut(), 7, freed) };
        assert_eq!(FREED.load(Relaxed), 7, "nobody can be looking");
        share(t, a.value());
        // SAFETY: as above.
        unsafe { t.retire(a.header(), std::ptr::null_mut(), 5, freed) };
        t.settle(true);
        assert_eq!(FREED.load(Relaxed), 12);
    });
}

#[test]
#[cfg_attr(miri, ignore = "takes megabytes of garbage")]
fn garbage_asks_to_be_collected() {
    run(|t| {
        let mut most = 0;
        for _ in 0..400_000 {
            drop(cycle(t));
            poll(t);
            most = most.max(live());
        }
        assert!(most < 400_000, "{most} objects alive at once");
        assert!(t.stats.collections.get() > 1);
    });
}

#[test]
fn counts_beyond_a_scratch_word() {
    run(|t| {
        // One that refers to itself and to which very many others refer, each in a cycle of its own.
        let hub = node(t);
        set(t, &hub, 0, hub.clone());
        for _ in 0..70_000 {
            let n = node(t);
            set(t, &n, 0, n.clone());
            set(t, &n, 1, hub.clone());
        }
        assert!(hub.header().count.load(Relaxed) > u32::from(u16::MAX));
        let kept = hub.clone();
        drop(hub);
        collect(t);
        assert_eq!(live(), 1, "what is referred to from outside stays");
        assert_eq!(kept.header().count.load(Relaxed), 2);
        for _ in 0..70_000 {
            let n = node(t);
            set(t, &n, 0, n.clone());
            set(t, &n, 1, kept.clone());
        }
        drop(kept);
        collect(t);
        assert_eq!(live(), 0);
    });
}
