//! The zero-count handshake against store, drop, second drop, and readers (I4, I5).
#![cfg(loom)]

use loom::sync::{
    Arc,
    atomic::{
        AtomicU32,
        Ordering::{AcqRel, Acquire, Release},
    },
};
use loom::thread;
use std::time::Duration;
use weft_loom_tests::heap::{Heap, REAL, Steps, Thread, drain};
use weft_loom_tests::{fails, holds};
use weft_threads::breaker_bits::SETTLE;
use weft_threads::count::{COUNT_MASK, DEAD, DIRTY, LISTED, Settled};
use weft_threads::gate::Gate;
use weft_threads::sync::Mutex;
use weft_threads::{Payload, World};

/// A reader has the object in a register while its only reference is dropped.
fn reader_and_drop(steps: Steps, answer: fn(&Thread)) {
    let world = Arc::new(World::new());
    let heap = Heap::new(steps, 1, [true, false]);
    let (me, reader) = (Thread::new(&world, &heap), Thread::new(&world, &heap));
    let thread = thread::spawn(move || {
        reader.read(0);
        reader.touch();
        answer(&reader);
        reader.touch();
        let listed = reader.drop_register();
        reader.detach();
        listed
    });
    let mut listed = heap.clear(0);
    assert!(listed);
    let epoch = me.handshake();
    if world.passed(epoch) {
        listed = !heap.settle();
    }
    listed |= thread.join().unwrap();
    if listed {
        drain(&me);
    }
    assert!(heap.is_dead(), "leaked");
}

#[test]
fn a_reader_keeps_what_it_reads() {
    holds(8, || reader_and_drop(REAL, Thread::poll));
}

#[test]
fn a_reader_away_keeps_what_it_reads() {
    holds(8, || {
        reader_and_drop(REAL, |reader| {
            reader.detach();
            reader.world.attach(&reader.peer);
        })
    });
}

#[test]
fn broken_answer_without_counting() {
    let steps = Steps {
        flush: false,
        ..REAL
    };
    fails(3, move || reader_and_drop(steps, Thread::poll));
}

#[test]
fn broken_answer_before_counting() {
    fails(3, || {
        reader_and_drop(REAL, |reader| {
            if reader.peer.breaker().load(Acquire) != 0 {
                reader
                    .peer
                    .acked_word()
                    .store(reader.world.epoch(), Release);
                thread::yield_now();
                reader.touch();
                reader.world.safepoint(&reader.peer);
            }
        })
    });
}

/// One thread has the only reference in a register, stores it and drops it again; another reads
/// it from the slot, maybe after it has answered. `first` is the count before: listed already, or
/// about to be.
fn store_and_second_drop(steps: Steps, listed: bool) {
    let world = Arc::new(World::new());
    let heap = Heap::new(steps, if listed { LISTED } else { 1 }, [!listed, false]);
    let me = Thread::new(&world, &heap);
    let (storer, reader) = (
        Thread::new(&world, &heap).holding(),
        Thread::new(&world, &heap),
    );
    let stores = thread::spawn(move || {
        storer.heap.store(1);
        let mut listed = storer.drop_register();
        storer.poll();
        listed |= storer.heap.clear(1);
        storer.detach();
        listed
    });
    let reads = thread::spawn(move || {
        reader.poll();
        reader.read(1);
        reader.touch();
        let listed = reader.drop_register();
        reader.detach();
        listed
    });
    let mut listed = listed || heap.clear(0);
    if listed {
        let epoch = me.handshake();
        while !world.passed(epoch) {
            thread::yield_now();
        }
        listed = !heap.settle();
    }
    listed |= stores.join().unwrap();
    listed |= reads.join().unwrap();
    if listed {
        drain(&me);
    }
    assert!(heap.is_dead(), "leaked");
}

#[test]
fn a_store_and_a_second_drop() {
    holds(2, || store_and_second_drop(REAL, true));
}

#[test]
fn a_store_races_with_the_listing() {
    holds(2, || store_and_second_drop(REAL, false));
}

fn increment_clean(count: &AtomicU32) {
    count.fetch_add(1, AcqRel);
}

#[test]
fn broken_increment_without_dirty() {
    let steps = Steps {
        increment: increment_clean,
        ..REAL
    };
    fails(3, move || store_and_second_drop(steps, true));
}

fn settle_unless_counted(count: &AtomicU32) -> Settled {
    match weft_threads::count::settle(count) {
        Settled::Again => {
            count.store(DEAD, Release);
            Settled::Dead
        }
        other => other,
    }
}

#[test]
fn broken_settling_of_what_is_dirty() {
    let steps = Steps {
        settle: settle_unless_counted,
        ..REAL
    };
    fails(3, move || store_and_second_drop(steps, true));
}

fn decrement_by_or(count: &AtomicU32) -> bool {
    let old = count.fetch_sub(1, AcqRel);
    old & COUNT_MASK == 1 && old & LISTED == 0 && count.fetch_or(LISTED, AcqRel) & LISTED == 0
}

#[test]
fn broken_listing_by_or() {
    let steps = Steps {
        decrement: decrement_by_or,
        ..REAL
    };
    fails(3, move || store_and_second_drop(steps, false));
}

fn decrement_dirty_late(count: &AtomicU32) -> bool {
    let listed = weft_threads::count::decrement(count);
    if count.load(Acquire) & LISTED != 0 && !listed {
        count.fetch_or(DIRTY, AcqRel);
    }
    listed
}

#[test]
fn broken_dirty_after_the_decrement() {
    let steps = Steps {
        increment: increment_clean,
        decrement: decrement_dirty_late,
        ..REAL
    };
    fails(3, move || store_and_second_drop(steps, true));
}

/// A detached thread has the object in its register; the requester looks through it.
fn away(look: bool) {
    let world = Arc::new(World::new());
    let heap = Heap::new(REAL, LISTED, [false, false]);
    let (me, other) = (
        Thread::new(&world, &heap),
        Thread::new(&world, &heap).holding(),
    );
    other.detach();
    let thread = thread::spawn(move || {
        other.world.attach(&other.peer);
        other.touch();
        other.poll();
        other.touch();
        let listed = other.drop_register();
        other.detach();
        listed
    });
    let epoch = if look {
        me.handshake()
    } else {
        // Broken: takes it that who is away has nothing.
        me.peer.payload().flush();
        world.epoch()
    };
    let mut listed = true;
    if world.passed(epoch) {
        listed = !heap.settle();
    }
    listed |= thread.join().unwrap();
    if listed {
        drain(&me);
    }
    assert!(heap.is_dead(), "leaked");
}

#[test]
fn the_registers_of_who_is_away_count() {
    holds(8, || away(true));
}

#[test]
fn broken_not_looking_through_who_is_away() {
    fails(3, || away(false));
}

/// Who waits for the others' answers is told of the last one, and need not ask. `ask` is how it begins to wait.
fn told(others: usize, ask: fn(&Thread, u64) -> bool) {
    let world = Arc::new(World::new());
    let heap = Heap::new(REAL, LISTED, [false, false]);
    let me = Thread::new(&world, &heap);
    let threads: Vec<_> = (0..others)
        .map(|_| {
            let other = Thread::new(&world, &heap);
            thread::spawn(move || {
                other.poll();
                other.detach();
            })
        })
        .collect();
    let epoch = me.handshake();
    let passed = ask(&me, epoch);
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert!(world.passed(epoch));
    assert!(
        passed || me.peer.breaker().load(Acquire) & SETTLE != 0,
        "nobody has said so"
    );
}

#[test]
fn the_last_to_answer_says_so() {
    holds(5, || {
        told(1, |me, epoch| me.world.passed_or_tell(&me.peer, epoch))
    });
    holds(2, || {
        told(2, |me, epoch| me.world.passed_or_tell(&me.peer, epoch))
    });
}

#[test]
fn broken_asking_without_waiting() {
    fails(3, || told(1, |me, epoch| me.world.passed(epoch)));
}

/// Who sleeps until all have answered wakes; there is no time here that would wake it.
#[test]
fn who_sleeps_is_woken_by_the_last_answer() {
    for others in [1, 2] {
        holds(if others == 1 { 5 } else { 2 }, move || {
            told(others, |me, epoch| {
                me.world.wait_passed(epoch, Duration::from_secs(1))
            })
        });
    }
}

/// A gate, and what is waited for: `look` says whether it has happened and which number the gate had.
fn gate(look: fn(&Mutex<bool>, &Gate) -> (bool, u32), opened_within: bool) {
    let shared = Arc::new((Mutex::new(false), Gate::new()));
    let other = Arc::clone(&shared);
    let opener = thread::spawn(move || {
        let mut happened = other.0.lock();
        if opened_within {
            other.1.open();
        }
        *happened = true;
        drop(happened);
        if !opened_within {
            other.1.open();
        }
    });
    loop {
        match look(&shared.0, &shared.1) {
            (true, _) => break,
            (false, number) => shared.1.wait(number, None),
        }
    }
    opener.join().unwrap();
}

fn look(happened: &Mutex<bool>, gate: &Gate) -> (bool, u32) {
    let happened = happened.lock();
    (*happened, gate.number())
}

#[test]
fn the_gate_opens_after_what_is_waited_for() {
    holds(8, || gate(look, false));
    holds(8, || gate(look, true));
}

#[test]
fn broken_the_number_taken_after_looking() {
    fails(3, || {
        gate(
            |happened, gate| {
                let happened = *happened.lock();
                (happened, gate.number())
            },
            false,
        )
    });
}
