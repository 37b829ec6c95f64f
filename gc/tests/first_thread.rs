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
        }
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
