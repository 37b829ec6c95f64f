//! What `weft --stats` counts: as many as there are.

mod common;

use common::*;
use std::collections::HashMap;
use weft_gc::{Obj, Thread, collect, inc, share, stats};

const GIL: bool = cfg!(feature = "gil");

fn name(ty: &weft_gc::TypeHead) -> String {
    let names = [(&LEAF, "leaf"), (&NODE, "node"), (&META, "class")];
    let name = names.iter().find(|(known, _)| std::ptr::eq(*known, ty));
    name.map_or("other", |(_, name)| name).into()
}

/// The lines of a report with a number, those by type with what they are about before a colon.
fn figures(t: &Thread) -> HashMap<String, i64> {
    let mut about = String::new();
    let mut all = HashMap::new();
    for line in stats::report(t).lines() {
        if let Some(text) = line.strip_suffix(", by type:") {
            about = format!("{text}: ");
        }
        let words: Vec<&str> = line.split("  ").filter(|w| !w.is_empty()).collect();
        if let [text, number, ..] = words[..]
            && let Ok(n) = number.trim().parse()
        {
            all.insert(format!("{about}{}", text.trim()), n);
        }
    }
    all
}

/// By how much a figure grows while `f` runs.
fn grows<const N: usize>(t: &mut Thread, what: [&str; N], f: impl FnOnce(&mut Thread)) -> [i64; N] {
    let before = figures(t);
    f(t);
    let after = figures(t);
    let of = |all: &HashMap<String, i64>, what| all.get(what).copied().unwrap_or(0);
    what.map(|what| of(&after, what) - of(&before, what))
}

#[test]
fn everything_is_counted() {
    stats::enable(true, false, name);
    run(|t| {
        objects(t);
        // With a second thread there are shared objects.
        let idle = start(t, |_| ());
        join(t, idle);
        if !GIL {
            shared(t);
            elsewhere(t);
        }
    });
}

fn objects(t: &mut Thread) {
    let what = [
        "objects made",
        "destroyed at once",
        "freed by collections",
        "still there",
        "destroyed at once: node",
        "destroyed at once: leaf",
    ];
    let grown = grows(t, what, |t| {
        for i in 0..1000 {
            let leaf = leaf_of(t, &LEAF, if i % 10 == 0 { 5000 } else { 32 });
            drop((node(t), leaf));
        }
    });
    assert_eq!(grown, [2000, 2000, 0, 0, 1000, 1000]);
    let mut kept = Vec::new();
    let grown = grows(t, what, |t| kept.extend((0..500).map(|_| node(t))));
    assert_eq!(grown, [500, 0, 0, 500, 0, 0]);
    kept.clear();
    let grown = grows(t, what, |t| {
        for _ in 0..50 {
            let a = cycle(t);
            set(t, &a, 1, leaf_of(t, &LEAF, 32));
        }
        collect(t);
    });
    assert_eq!(grown, [150, 0, 150, 0, 0, 0]);
}

fn shared(t: &mut Thread) {
    let o = node(t);
    share(t, o.value());
    let what = [
        "atomic changes of counts",
        "atomic changes of counts: node",
        "locks of objects taken",
        "locks taken: node",
    ];
    let grown = grows(t, what, |t| {
        for _ in 0..1000 {
            inc(t, o.value());
            drop(Obj::from_raw(o.value()));
        }
        for _ in 0..300 {
            weft_gc::lock(t, o.header());
        }
    });
    assert_eq!(grown, [2000, 2000, 300, 300]);
    let what = [
        "objects published",
        "objects made",
        "destroyed at once",
        "destroyed after a handshake",
        "destroyed after a handshake: node",
        "handshakes",
    ];
    let grown = grows(t, what, |t| {
        for _ in 0..100 {
            let p = pair(t, Some(&node(t)), None);
            share(t, p.value());
        }
        t.settle(true);
    });
    // Those that the first ones led to are listed when these have died.
    assert_eq!(grown, [200, 200, 0, 200, 200, 2]);
}

/// What other threads do counts as well, also when they have ended.
fn elsewhere(t: &mut Thread) {
    let what = [
        "objects made",
        "destroyed at once",
        "threads ended",
        "locks of objects taken",
    ];
    let o = node(t);
    share(t, o.value());
    let shared = Sent::new(t, o);
    let grown = grows(t, what, move |t| {
        let other = start(t, move |t| {
            let o = shared.take();
            for _ in 0..100 {
                drop(node(t));
                weft_gc::lock(t, o.header());
            }
        });
        join(t, other);
    });
    assert_eq!(grown, [100, 100, 1, 100]);
}
