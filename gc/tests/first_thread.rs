//! The first thread that is started makes all that is there shared, without touching it. (A process has one such moment.)

mod common;

use common::*;
use std::sync::atomic::Ordering::*;
use weft_gc::{collect, multithreaded};

#[test]
fn what_is_there_becomes_shared() {
    run(|t| {
        assert!(!multithreaded());
        let tag = t.tag();
        let old = pair(t, Some(&cycle(t)), None);
        let garbage = cycle(t);
        let w = weakref(t, &old, Some(node(t)));
        put_register(t, 1, node(t).into_value());
        // While there is one thread, publishing marks the object alone, and so does a store into one that is published.
        let (child, below) = (node(t), node(t));
        let published = pair(t, Some(&child), None);
        weft_gc::publish(t, published.header());
        let stored = pair(t, Some(&below), None);
        set(t, &published, 1, stored.clone());
        for marked in [&published, &stored] {
            assert_eq!(is_shared(marked), cfg!(not(feature = "gil")));
        }
        for local in [&child, &below] {
            assert!(local.header().is_local(t));
            assert_eq!(local.header().owner.load(Relaxed), tag);
        }
        let sent = Sent::new(t, old.clone());
        let h = start(t, move |t| {
            let old = sent.take();
            assert_eq!(old.header().is_local(t), cfg!(feature = "gil"));
            let mine = node(t);
            set(t, &old, 1, mine.clone());
            assert_eq!(is_shared(&mine), cfg!(not(feature = "gil")));
        });
        join(t, h);
        if cfg!(not(feature = "gil")) {
            assert!(multithreaded());
            assert_ne!(t.tag(), tag);
            assert!(!old.header().is_local(t));
            // Not touched, and yet not the main thread's any more: it has another tag, which it does not give back.
            for shared in [&child, &below] {
                assert!(!shared.header().is_local(t));
                assert_eq!(shared.header().owner.load(Relaxed), tag);
            }
            // From now on publishing goes all the way.
            let (inner, outer) = (node(t), node(t));
            set(t, &outer, 0, inner.clone());
            assert!(!is_shared(&inner));
            weft_gc::publish(t, outer.header());
            assert!(is_shared(&inner) && is_shared(&outer));
            let late = node(t);
            set(t, &published, 1, late.clone());
            assert!(is_shared(&late));
        }
        drop((published, child, stored, below));
        let new = node(t);
        assert!(new.header().is_local(t));
        set(t, &old, 0, new.clone());
        drop(garbage);
        assert_eq!(collect(t).found, 4);
        assert_eq!(upgrade(t, &w).unwrap().value(), old.value());
        drop((old, new));
        collect(t);
        assert_eq!(run_pending(t), 1);
        drop_register(t, 1);
        drop(w);
        drain(t);
        assert_eq!(LIVE.load(Relaxed), 0);
    });
}
