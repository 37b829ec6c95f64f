//! Several threads: publication, death through handshakes, the shared collector, pages of ended threads.

mod common;

use common::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::sync::mpsc::{Receiver, Sender, channel};
use weft_gc::{
    Obj, Pending, SHARED, Thread, Value, collect, collect_local, dec, references, share,
    share_for_good, to_heap, to_reg,
};
use weft_threads::count::LISTED;

const GIL: bool = cfg!(feature = "gil");

fn live() -> i64 {
    LIVE.load(Relaxed)
}

/// A thread that does one thing after another, as it is told.
struct Helper {
    jobs: Option<Sender<Job>>,
    done: Receiver<()>,
    thread: Option<std::thread::JoinHandle<()>>,
}

type Job = Box<dyn FnOnce(&mut Thread) + Send>;

impl Helper {
    fn new(t: &mut Thread) -> Helper {
        let (jobs, next) = channel::<Job>();
        let (say, done) = channel();
        let thread = start(t, move |t| {
            while let Ok(job) = t.blocking(|| next.recv()) {
                job(t);
                say.send(()).unwrap();
            }
        });
        Helper {
            jobs: Some(jobs),
            done,
            thread: Some(thread),
        }
    }

    /// Has the thread do something, and waits for it, away.
    fn run(&self, t: &mut Thread, f: impl FnOnce(&mut Thread) + Send + 'static) {
        let job: Job = Box::new(f);
        t.blocking(|| {
            self.jobs.as_ref().unwrap().send(job).unwrap();
            self.done.recv()
        })
        .unwrap();
    }

    fn end(mut self, t: &mut Thread) {
        self.jobs = None;
        join(t, self.thread.take().unwrap());
    }
}

fn two(f: impl FnOnce(&mut Thread, &Helper)) {
    run(|t| {
        let helper = Helper::new(t);
        f(t, &helper);
        helper.end(t);
    });
}

#[test]
fn publication_marks_all_that_is_reached() {
    two(|t, _| {
        let class = class(t, &NODE);
        let far = node(t);
        as_class(&class)
            .slot
            .set(t, class.header(), far.clone().into_value());
        let deep = node_of(t, &as_class(&class).head, 0);
        let leaf = leaf_of(t, &LEAF, 16);
        let root = pair(t, Some(&deep), Some(&leaf));
        // Weak references, both ways.
        let to_root = weakref(t, &root, Some(node(t)));
        let callback = get_callback(t, &to_root);
        let target = node(t);
        let from_root = weakref(t, &target, None);
        set(t, &deep, 0, from_root.clone());
        let apart = pair(t, Some(&root), None);
        share(t, root.value());
        for o in [
            &root, &deep, &leaf, &class, &far, &to_root, &callback, &target, &from_root,
        ] {
            assert_eq!(is_shared(o), !GIL, "{o:?}");
        }
        assert!(apart.header().is_local(t) && !is_shared(&apart));
        // The barrier of a slot.
        let late = pair(t, Some(&node(t)), None);
        set(t, &root, 0, late.clone());
        assert_eq!(is_shared(&late), !GIL);
        assert_eq!(is_shared(&get(t, &late, 0)), !GIL);
        // A weak reference to what is shared is so from the start.
        let later = weakref(t, &late, None);
        assert_eq!(is_shared(&later), !GIL);
    });
}

fn get_callback(t: &Thread, w: &Obj) -> Obj {
    Obj::new(t, as_weak(w).callback.get())
}

#[test]
fn a_long_chain_is_published_and_dies() {
    two(|t, helper| {
        let n = 200_000;
        let sent = Sent::new(t, chain(t, n));
        helper.run(t, move |t| {
            let first = sent.take();
            let mut v = first.value();
            let mut length = 0;
            while !v.is_null() {
                assert_eq!(as_node(v).header.is_local(t), GIL);
                v = as_node(v).slots[0].get();
                length += 1;
            }
            assert_eq!(length, n);
        });
        helper.run(t, |t| {
            for _ in 0..200_000 {
                poll(t);
                if live() == 0 {
                    break;
                }
                t.settle(true);
            }
            assert_eq!(live(), 0, "a chain dies without a collection");
        });
    });
}

#[test]
fn a_register_keeps_what_it_holds() {
    static GLOBAL: Global = Global::new();
    two(|t, helper| {
        let (w, o) = {
            let o = node(t);
            (Sent::new(t, weakref(t, &o, None)), o)
        };
        let w = w.take();
        GLOBAL.put(t, o);
        helper.run(t, |t| {
            let v = to_reg(t, GLOBAL.get());
            assert_eq!(v.is_uncounted(), !GIL);
            put_register(t, 2, v);
        });
        GLOBAL.clear(t);
        if !GIL {
            assert_eq!(as_node(register_of(&w)).header.count.load(Relaxed), LISTED);
        }
        t.settle(true);
        t.settle(true);
        assert_eq!(live(), 2, "another thread has it in a register");
        collect(t);
        helper.run(t, |t| {
            let v = register(t, 2);
            assert!(v.is_counted(), "the handshake has counted it");
            assert_eq!(as_node(v).field.load(Relaxed), 42);
            drop_register(t, 2);
            t.settle(true);
        });
        t.settle(true);
        assert_eq!(live(), 1);
        assert!(upgrade(t, &w).is_none());
    });
}

fn register_of(w: &Obj) -> Value {
    Value(as_weak(w).head.target.load(Relaxed))
}

#[test]
fn a_running_thread_answers() {
    static GLOBAL: Global = Global::new();
    static STOP: AtomicBool = AtomicBool::new(false);
    run(|t| {
        GLOBAL.put(t, node(t));
        let reader = start(t, |t| {
            while !STOP.load(Relaxed) {
                let v = to_reg(t, GLOBAL.get());
                put_register(t, 0, v);
                for _ in 0..20 {
                    assert_eq!(as_node(v).field.load(Relaxed), 42, "used after its death");
                }
                poll(t);
                assert_eq!(
                    as_node(register(t, 0)).field.load(Relaxed),
                    42,
                    "used after its death"
                );
                drop_register(t, 0);
            }
        });
        for _ in 0..times(30_000) {
            GLOBAL.put(t, node(t));
            t.settle(false);
            poll(t);
        }
        STOP.store(true, Relaxed);
        join(t, reader);
        GLOBAL.clear(t);
        drain(t);
    });
}

#[test]
fn shared_cycles_are_collected_unless_a_register_has_them() {
    two(|t, helper| {
        let class = class(t, &NODE);
        let object = node_of(t, &as_class(&class).head, 0);
        let a = cycle(t);
        set(t, &a, 1, object);
        drop(class);
        share(t, a.value());
        let sent = Sent::new(t, a.clone());
        helper.run(t, move |t| {
            let a = sent.take();
            let v = to_reg(t, a.value());
            put_register(t, 5, v);
        });
        drop(a);
        assert_eq!(collect(t).found, 0);
        assert_eq!(live(), 4);
        helper.run(t, |t| {
            assert_eq!(as_node(register(t, 5)).field.load(Relaxed), 42);
            drop_register(t, 5);
        });
        assert_eq!(collect(t).found, 4);
        assert_eq!(live(), 0);
    });
}

#[test]
fn what_is_shared_for_good_is_collected() {
    two(|t, _| {
        let f = node(t);
        share(t, f.value());
        drop(f);
        t.settle(true);
        assert_eq!(live(), 0, "shared as others are: dies by its count");
        let f = node(t);
        share_for_good(t, &f);
        let g = f.clone();
        drop((f, g));
        t.settle(true);
        assert_eq!(live(), if GIL { 0 } else { 1 });
        assert_eq!(collect(t).found, if GIL { 0 } else { 1 });
        assert_eq!(live(), 0);
    });
}

#[test]
fn shared_finalizers() {
    two(|t, helper| {
        let a = node(t);
        as_node(a.value()).finalizer.store(true, Relaxed);
        let sent = Sent::new(t, a);
        helper.run(t, move |t| {
            drop(sent.take());
            t.settle(true);
            let Some(Pending::Finalize(o)) = t.pop_pending() else {
                panic!("no finalizer")
            };
            let kept = o.clone();
            t.drop_finalized(o);
            t.settle(true);
            assert_eq!(live(), 1, "resurrected");
            drop(kept);
            t.settle(true);
            assert_eq!(live(), 0);
        });
        // In a cycle.
        let a = cycle(t);
        as_node(a.value()).finalizer.store(true, Relaxed);
        share(t, a.value());
        drop(a);
        assert_eq!(collect(t).finalizers, 1);
        assert_eq!(run_pending(t), 1);
        assert_eq!(collect(t).found, 2);
    });
}

#[test]
fn a_thread_leaves_its_finalizers_to_others() {
    run(|t| {
        let h = start(t, |t| {
            let a = node(t);
            as_node(a.value()).finalizer.store(true, Relaxed);
            set(t, &a, 0, node(t));
            drop(a);
            assert!(t.has_pending());
        });
        join(t, h);
        assert!(t.interrupted(), "asked to settle what the thread has left");
        poll(t);
        t.settle(true);
        t.settle(true);
        assert_eq!(live(), 0);
    });
}

#[test]
fn pages_are_adopted() {
    run(|t| {
        let mut blocks = std::collections::HashSet::new();
        let mut kept = Vec::new();
        for _ in 0..20 {
            let (say, hear) = channel();
            let h = start(t, move |t| {
                let mut all: Vec<Obj> = (0..1000).map(|_| node(t)).collect();
                all.push(node_of(t, &NODE, 50_000));
                let addresses: Vec<u64> = all.iter().map(|o| o.value().0).collect();
                let sent = Sent::new(t, all.swap_remove(500));
                say.send((addresses, sent)).unwrap();
            });
            join(t, h);
            let (addresses, sent) = hear.recv().unwrap();
            blocks.extend(addresses);
            kept.push(sent.take());
        }
        assert!(
            blocks.len() < 5000,
            "{} blocks: pages of ended threads are not used again",
            blocks.len()
        );
        let mut seen = 0;
        weft_gc::for_each_object(t, &mut |_| seen += 1);
        assert!(seen >= kept.len());
        for o in &kept {
            assert_eq!(as_node(o.value()).field.load(Relaxed), 42);
        }
    });
}

fn lines(o: &Obj, size: u64) -> std::ops::RangeInclusive<u64> {
    let at = o.value().ptr() as u64;
    at / 64..=(at + size - 1) / 64
}

#[test]
fn what_is_made_in_a_row_shares_no_cache_line() {
    run(|t| {
        for size in [32, 48, 80, 112] {
            // The first ones take what others have left behind.
            let nodes: Vec<Obj> = (0..2000).map(|_| node_of(t, &NODE, size)).collect();
            let leaves: Vec<Obj> = (0..2000).map(|_| leaf_of(t, &LEAF, size)).collect();
            for row in [nodes, leaves]
                .iter()
                .flat_map(|all| all[all.len() - 32..].chunks(8))
            {
                for (i, a) in row.iter().enumerate() {
                    for b in &row[..i] {
                        let (a, b) = (lines(a, size as u64), lines(b, size as u64));
                        assert!(a.end() < b.start() || b.end() < a.start(), "{size} bytes");
                    }
                }
            }
        }
    });
}

#[test]
fn what_is_made_on_an_adopted_page_stays_clear_of_what_lives_there() {
    const SIZE: usize = 1040;
    run(|t| {
        let (say, hear) = channel();
        let h = start(t, move |t| {
            let mut all: Vec<Obj> = (0..48).map(|_| node_of(t, &NODE, SIZE)).collect();
            say.send(Sent::new(t, all.swap_remove(20))).unwrap();
        });
        join(t, h);
        let kept = hear.recv().unwrap().take();
        let made: Vec<Obj> = (0..50).map(|_| node_of(t, &NODE, SIZE)).collect();
        for made in &made {
            let (a, b) = (lines(&kept, SIZE as u64), lines(made, SIZE as u64));
            assert!(a.end() < b.start() || b.end() < a.start());
        }
    });
}

/// Threads come and go, adopting pages, while others free objects on these pages.
#[test]
fn adoption_against_remote_frees() {
    run(|t| {
        let (give, take) = channel::<Vec<Sent>>();
        let freer = start(t, move |t| {
            while let Ok(all) = t.blocking(|| take.recv()) {
                for o in all {
                    drop(o.take());
                }
                t.settle(true);
                poll(t);
            }
        });
        for round in 0..200 {
            let give = give.clone();
            let h = start(t, move |t| {
                let mut all: Vec<Obj> = (0..2000).map(|_| node(t)).collect();
                for o in &all {
                    assert_eq!(
                        as_node(o.value()).field.load(Relaxed),
                        42,
                        "handed out twice"
                    );
                }
                all.truncate(1500);
                let all = all.into_iter().map(|o| Sent::new(t, o)).collect();
                let _ = give.send(all);
                for _ in 0..round % 7 {
                    let more: Vec<Obj> = (0..500).map(|_| node(t)).collect();
                    let mut at: Vec<u64> = more.iter().map(|o| o.value().0).collect();
                    at.sort_unstable();
                    at.dedup();
                    assert_eq!(at.len(), 500, "handed out twice");
                    poll(t);
                }
            });
            join(t, h);
        }
        drop(give);
        join(t, freer);
        drain(t);
    });
}

/// One thread makes, another frees: blocks come back.
#[test]
fn remote_frees_come_back() {
    two(|t, helper| {
        let mut blocks = std::collections::HashSet::new();
        for _ in 0..100 {
            let all: Vec<Obj> = (0..1000)
                .map(|_| node(t))
                .chain((0..10).map(|_| node_of(t, &NODE, 30_000)))
                .collect();
            blocks.extend(all[..1000].iter().map(|o| o.value().0));
            let sent: Vec<Sent> = all.into_iter().map(|o| Sent::new(t, o)).collect();
            helper.run(t, |t| {
                for o in sent {
                    drop(o.take());
                }
                t.settle(true);
            });
            t.settle(true);
            assert_eq!(live(), 0);
        }
        assert!(
            blocks.len() < 20_000,
            "{} blocks for 1000 objects at a time",
            blocks.len()
        );
    });
}

/// Local collections of several threads whose objects refer to what is shared, while that is freed and made anew.
#[test]
fn local_collections_beside_each_other() {
    static GLOBALS: [Global; 8] = [const { Global::new() }; 8];
    run(|t| {
        for g in &GLOBALS {
            g.put(t, cycle(t));
        }
        let work = |seed: usize| {
            move |t: &mut Thread| {
                let mut held: Vec<Obj> = Vec::new();
                for i in 0..times(3000) {
                    let g = &GLOBALS[(i * 7 + seed) % 8];
                    let shared = Obj::own(to_heap(to_reg(t, g.get())));
                    let a = cycle(t);
                    set(t, &a, 1, shared);
                    if i % 3 == 0 {
                        g.put(t, pair(t, Some(&cycle(t)), None));
                    }
                    held.push(a);
                    if i % 50 == 0 {
                        held.clear();
                        collect_local(t);
                    }
                    if i % 700 == 0 {
                        collect(t);
                    }
                    poll(t);
                }
            }
        };
        let threads: Vec<_> = (0..3).map(|seed| start(t, work(seed))).collect();
        for h in threads {
            join(t, h);
        }
        for g in &GLOBALS {
            g.clear(t);
        }
        drain(t);
    });
}

/// Threads take and drop references to the same objects, until these are kept in ledgers; peace is made in between. No reference is
/// lost, and what nobody has any more dies.
#[test]
fn counts_that_are_fought_over() {
    static OBJECTS: [Global; 4] = [const { Global::new() }; 4];
    static FOUGHT: AtomicUsize = AtomicUsize::new(0);
    run(|t| {
        for g in &OBJECTS {
            g.put(t, pair(t, Some(&node(t)), None));
        }
        let work = |seed: usize| {
            move |t: &mut Thread| {
                let mut held: Vec<Obj> = Vec::new();
                for i in 0..times(20_000) {
                    let g = &OBJECTS[(i / 500 + seed) % 4];
                    let o = Obj::own(to_heap(to_reg(t, g.get())));
                    held.extend((0..5).map(|_| o.clone()));
                    if weft_threads::count::is_fought(&o.header().count) {
                        FOUGHT.fetch_add(1, Relaxed);
                        assert!(references(t, o.header()) > -2048 * 3);
                    }
                    if i % 20 == 0 {
                        held.truncate(i % 7);
                    }
                    if i % 5000 == seed {
                        g.put(t, pair(t, Some(&node(t)), None));
                    }
                    if i % 3000 == 7 {
                        collect(t);
                    }
                    assert_eq!(as_node(o.value()).field.load(Relaxed), 42);
                    poll(t);
                }
            }
        };
        // Whether they fight is for the system to say, which may have them run one after the other.
        let begin = std::time::Instant::now();
        loop {
            let threads: Vec<_> = (0..3).map(|seed| start(t, work(seed))).collect();
            for h in threads {
                join(t, h);
            }
            if cfg!(any(feature = "gil", miri)) || FOUGHT.load(Relaxed) > 0 {
                break;
            }
            assert!(begin.elapsed().as_secs() < 60, "nothing was fought over");
        }
        collect(t);
        for g in &OBJECTS {
            let o = Obj::new(t, g.get());
            assert_eq!(references(t, o.header()), 2, "one here, one there");
            drop(o);
            g.clear(t);
        }
        drain(t);
    });
}

/// A weak reference is followed, and itself freed, while what it refers to dies in another thread.
#[test]
fn upgrade_against_destruction() {
    static TARGET: Global = Global::new();
    static WEAK_REF: Global = Global::new();
    static STOP: AtomicBool = AtomicBool::new(false);
    static GOT: AtomicUsize = AtomicUsize::new(0);
    run(|t| {
        let followers: Vec<_> = (0..2)
            .map(|_| {
                start(t, |t| {
                    while !STOP.load(Relaxed) {
                        let v = WEAK_REF.get();
                        if !v.is_null() {
                            let w = Obj::new(t, v);
                            if let Some(o) = upgrade(t, &w) {
                                assert_eq!(
                                    as_node(o.value()).field.load(Relaxed),
                                    42,
                                    "used after its death"
                                );
                                GOT.fetch_add(1, Relaxed);
                            }
                        }
                        poll(t);
                    }
                })
            })
            .collect();
        for _ in 0..times(20_000) {
            let o = node(t);
            let w = weakref(t, &o, Some(node(t)));
            WEAK_REF.put(t, w);
            TARGET.put(t, o);
            TARGET.clear(t);
            poll(t);
        }
        STOP.store(true, Relaxed);
        for h in followers {
            join(t, h);
        }
        WEAK_REF.clear(t);
        drain(t);
    });
}

unsafe fn freed(p: *mut u8, n: usize) {
    // SAFETY: a counter, given by the test.
    unsafe { (*(p as *const AtomicUsize)).fetch_add(n, Relaxed) };
}

#[test]
fn retired_memory_waits_for_all() {
    two(|t, _| {
        let count = Arc::new(AtomicUsize::new(0));
        let p = Arc::as_ptr(&count) as *mut u8;
        let (go, wait) = channel::<()>();
        let (say, started) = channel();
        // A thread that runs, and reaches no safepoint.
        let busy = start(t, move |t| {
            say.send(()).unwrap();
            while wait.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                if GIL {
                    poll(t);
                }
                std::thread::yield_now();
            }
        });
        t.blocking(|| started.recv()).unwrap();
        let a = node(t);
        share(t, a.value());
        // SAFETY: `freed` frees nothing.
        unsafe { t.retire(a.header(), p, 3, freed) };
        t.settle(true);
        assert_eq!(count.load(Relaxed), if GIL { 3 } else { 0 });
        go.send(()).unwrap();
        join(t, busy);
        t.settle(true);
        assert_eq!(count.load(Relaxed), 3);
    });
}

#[test]
fn slots_are_exchanged_by_several() {
    two(|t, helper| {
        let a = node(t);
        share(t, a.value());
        let sent = Sent::new(t, a.clone());
        let h = start(t, move |t| {
            let a = sent.take();
            for _ in 0..times(20_000) {
                set(t, &a, 0, node(t));
                poll(t);
            }
        });
        for _ in 0..times(20_000) {
            set(t, &a, 0, node(t));
            let v = to_reg(t, as_node(a.value()).slots[0].get());
            assert_eq!(as_node(v).field.load(Relaxed), 42);
            dec(t, v);
            poll(t);
        }
        join(t, h);
        helper.run(t, |_| ());
        assert_eq!(a.header().owner.load(Relaxed) == SHARED, !GIL);
    });
}
