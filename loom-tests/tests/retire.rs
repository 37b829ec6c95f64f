//! Retired memory against lock-free readers (I7), and what a thread leaves behind.
#![cfg(loom)]

use loom::sync::{
    Arc,
    atomic::{
        AtomicPtr,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
};
use loom::thread;
use weft_loom_tests::{Watched, fails, holds};
use weft_threads::{Payload, Peer, Retired, World};

struct Nothing;

impl Payload for Nothing {
    fn flush(&self) {}
}

/// A table; freeing it is a write that loom sees.
struct Table(Watched<bool>);

impl Table {
    fn new() -> Self {
        Self(Watched::new(true))
    }

    fn read(&self) {
        assert!(self.0.get(), "read after it was freed");
    }
}

unsafe fn free(table: *mut ()) {
    // SAFETY: the tables live as long as the model; loom checks the access.
    unsafe { (*table.cast::<Table>()).0.set(false) };
}

struct Shared {
    world: World<Nothing>,
    tables: [Table; 2],
    current: AtomicPtr<Table>,
}

impl Shared {
    fn new() -> Arc<Self> {
        let shared = Arc::new(Self {
            world: World::new(),
            tables: [Table::new(), Table::new()],
            current: AtomicPtr::new(std::ptr::null_mut()),
        });
        shared.current.store(shared.table(0), Relaxed);
        shared
    }

    fn table(&self, index: usize) -> *mut Table {
        std::ptr::from_ref(&self.tables[index]).cast_mut()
    }

    fn join(&self) -> Arc<Peer<Nothing>> {
        let peer = self.world.join(|_| Nothing).expect("a free tag");
        self.world.attach(&peer);
        peer
    }

    /// Puts the second table in the place of the first.
    fn grow(&self, retired: &mut Retired) {
        let old = self.current.swap(self.table(1), AcqRel);
        // SAFETY: unlinked just now.
        unsafe { retired.push(old.cast(), free) };
    }

    fn read(&self, peer: &Peer<Nothing>) {
        for _ in 0..2 {
            // SAFETY: the tables live as long as the model; loom checks what is read.
            let table = unsafe { &*self.current.load(Acquire) };
            table.read();
            table.read();
            if peer.breaker().load(Relaxed) != 0 {
                self.world.safepoint(peer);
            }
        }
        self.world.detach(peer);
    }
}

fn replace_and_read(request: fn(&mut Retired, &World<Nothing>, &Peer<Nothing>)) {
    let shared = Shared::new();
    let (me, reader) = (shared.join(), shared.join());
    let theirs = Arc::clone(&shared);
    let thread = thread::spawn(move || theirs.read(&reader));
    let mut retired = Retired::new();
    shared.grow(&mut retired);
    request(&mut retired, &shared.world, &me);
    retired.reclaim(&shared.world);
    thread.join().unwrap();
    retired.request(&shared.world, &me);
    retired.reclaim(&shared.world);
    assert!(retired.is_empty(), "leaked");
    shared.world.detach(&me);
}

#[test]
fn a_reader_is_waited_for() {
    holds(9, || replace_and_read(Retired::request));
}

#[test]
fn broken_riding_an_earlier_handshake() {
    // SAFETY: none, that is the point.
    fails(3, || {
        replace_and_read(|retired, world, _| unsafe { retired.seal(world.epoch()) })
    });
}

/// The epoch that another has raised, maybe before we unlinked.
fn ride_anothers(own: bool) {
    let shared = Shared::new();
    let (me, other) = (shared.join(), shared.join());
    let theirs = Arc::clone(&shared);
    let thread = thread::spawn(move || {
        theirs.world.handshake(&other);
        theirs.read(&other);
    });
    let mut retired = Retired::new();
    shared.grow(&mut retired);
    if own {
        retired.request(&shared.world, &me);
    } else {
        // SAFETY: none, that is the point.
        unsafe { retired.seal(shared.world.epoch()) };
        shared.world.safepoint(&me);
    }
    retired.reclaim(&shared.world);
    thread.join().unwrap();
    retired.reclaim(&shared.world);
    assert!(retired.is_empty(), "leaked");
    shared.world.detach(&me);
}

#[test]
fn two_handshakes_at_once() {
    holds(9, || ride_anothers(true));
}

#[test]
fn broken_riding_anothers_handshake() {
    fails(3, || ride_anothers(false));
}

#[test]
fn what_a_thread_leaves_behind() {
    holds(9, || {
        let shared = Shared::new();
        let (me, leaver) = (shared.join(), shared.join());
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let mut retired = Retired::new();
            theirs.grow(&mut retired);
            retired.orphan(&theirs.world);
            theirs.world.detach(&leaver);
            theirs.world.leave(&leaver);
        });
        let mut retired = Retired::new();
        retired.reclaim(&shared.world);
        // SAFETY: as in `read`.
        unsafe { &*shared.current.load(Acquire) }.read();
        retired.request(&shared.world, &me);
        retired.reclaim(&shared.world);
        thread.join().unwrap();
        retired.reclaim(&shared.world);
        retired.request(&shared.world, &me);
        retired.reclaim(&shared.world);
        assert!(retired.is_empty());
        assert!(!shared.tables[0].0.get(), "leaked");
        shared.world.detach(&me);
    });
}
