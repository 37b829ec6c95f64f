//! Counts that are fought over: raised, kept in ledgers, settled with the world stopped.
#![cfg(loom)]

use loom::cell::UnsafeCell;
use loom::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};
use loom::thread;
use weft_loom_tests::{fails, holds};
use weft_threads::count::{self, LISTED};
use weft_threads::ledger::Ledger;
use weft_threads::{Payload, Peer, World};

/// A thread's ledger: loom sees to it that it alone touches it, but for who has stopped the world.
struct Books(UnsafeCell<Ledger>);

// SAFETY: loom checks every access.
unsafe impl Sync for Books {}
// SAFETY: as above.
unsafe impl Send for Books {}

impl Payload for Books {
    fn flush(&self) {}
}

/// Where the one object's word is said to be.
const WORD: usize = 16;

type Fight = fn(&AtomicU32) -> bool;

struct Shared {
    world: World<Books>,
    count: AtomicU32,
}

impl Shared {
    fn join(&self) -> Arc<Peer<Books>> {
        let books = |_| Books(UnsafeCell::new(Ledger::default()));
        let peer = self.world.join(books).unwrap();
        self.world.attach(&peer);
        peer
    }

    /// One reference more or less. Whether that has listed the object.
    fn change(&self, me: &Peer<Books>, by: i32) -> bool {
        if count::is_fought(&self.count) {
            let apply = |_, by| count::settle_ledger(&self.count, by);
            // SAFETY: the calling thread's own.
            me.payload()
                .0
                .with_mut(|l| unsafe { (*l).note(WORD, by, apply) });
            false
        } else if by > 0 {
            count::increment(&self.count);
            false
        } else {
            count::decrement(&self.count)
        }
    }

    /// Makes peace; of the others' ledgers only if `all`. Whether that has listed the object.
    fn peace(&self, me: &Peer<Books>, all: bool) -> bool {
        self.world.stop(me, |stopped| {
            for peer in stopped.peers() {
                if all || std::ptr::eq(&**peer, me) {
                    // SAFETY: the world is stopped.
                    peer.payload().0.with_mut(|l| unsafe {
                        (*l).settle(|_, by| count::settle_ledger(&self.count, by));
                    });
                }
            }
            count::make_peace(&self.count)
        })
    }

    fn poll(&self, me: &Peer<Books>) {
        if me.breaker().load(Relaxed) != 0 {
            self.world.safepoint(me);
        }
    }
}

/// Two threads with a reference each take and drop others; one of them finds that they fight. The other one `keeps` its own, or drops it.
fn two(keeps: bool, early: bool, fight: Fight, all: bool) {
    let s = Arc::new(Shared {
        world: World::new(),
        count: AtomicU32::new(2),
    });
    let (me, other) = (s.join(), s.join());
    let theirs = Arc::clone(&s);
    let thread = thread::spawn(move || {
        let mut listed = theirs.change(&other, 1);
        theirs.poll(&other);
        listed |= theirs.change(&other, -1);
        if !keeps {
            listed |= theirs.change(&other, -1);
        }
        theirs.world.detach(&other);
        listed
    });
    let mut listed = 0;
    let fought = fight(&s.count);
    assert!(!s.change(&me, 1));
    if early && fought {
        listed += u32::from(s.peace(&me, all));
        // It may be fought over anew.
        fight(&s.count);
    }
    listed += u32::from(s.change(&me, -1));
    listed += u32::from(s.change(&me, -1));
    s.world.detach(&me);
    listed += u32::from(thread.join().unwrap());
    s.world.attach(&me);
    listed += u32::from(s.peace(&me, all));
    s.world.detach(&me);
    assert_eq!(count::references(&s.count), u32::from(keeps));
    assert_eq!(listed, u32::from(!keeps), "listed once, when nobody has it");
    assert_eq!(s.count.load(Relaxed) & LISTED != 0, !keeps);
}

#[test]
fn what_is_kept_stays() {
    holds(3, || two(true, false, count::fight, true));
    holds(2, || two(true, true, count::fight, true));
}

#[test]
fn what_is_dropped_is_listed_once() {
    holds(3, || two(false, false, count::fight, true));
    holds(2, || two(false, true, count::fight, true));
}

#[test]
fn broken_peace_without_the_others() {
    fails(2, || two(true, false, count::fight, false));
}

#[test]
fn broken_raising_in_two_steps() {
    fails(2, || {
        let fight: Fight = |c| {
            let before = AtomicU32::new(c.load(Relaxed));
            let fought = count::fight(&before);
            c.store(before.load(Relaxed), Relaxed);
            fought
        };
        two(true, false, fight, true)
    });
}
