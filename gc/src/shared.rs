//! Zero-count candidates: shared objects whose count has fallen to zero, waiting for a handshake (I5), and memory that readers may
//! still look at (I7).
//!
//! Model: `loom-tests/tests/handshake.rs`, which drives [`weft_threads::count`] and [`weft_threads::World`].

use crate::destroy::Pending;
use crate::header::{Flags, Header};
use crate::stats::{self, Span};
use crate::tally::{self, What};
use crate::thread::{Thread, world};
use std::collections::VecDeque;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::*};
use std::time::{Duration, Instant};
use weft_threads::Left;
use weft_threads::count::{Settled, settle};
use weft_threads::futex::monotonic;

/// Candidates that are worth a handshake of their own.
const ENOUGH: usize = 1024;
/// How long a collection waits for other threads' finalizers at most: they may be waiting for something without saying so.
const PATIENCE: Duration = Duration::from_secs(1);
/// Retired memory that is worth one, in bytes.
const ENOUGH_BYTES: usize = 1 << 20;
/// Handshakes in one safepoint for what dies with what has died, level by level, as long as nobody has to be waited for.
const LEVELS: usize = 100;

type FreeFn = unsafe fn(*mut u8, usize);

#[derive(Default)]
pub(crate) struct Waiting {
    objects: Vec<*mut Header>,
    /// What an ended thread has not run.
    pending: Vec<Pending>,
    memory: Vec<(*mut u8, usize, FreeFn)>,
    bytes: usize,
}

/// What waits for the handshake `epoch` to pass.
pub(crate) struct Batch {
    epoch: u64,
    waiting: Waiting,
    /// When the handshake was asked for, if anybody asks.
    asked: Option<Span>,
}

// SAFETY: raw pointers to shared objects and retired memory; whoever holds the batch may settle it.
unsafe impl Send for Batch {}

/// Batches of threads that have ended, or have gone away, or have to wait for a core.
static LEFT: Left<Batch> = Left::new();

// When more threads run than there are cores, most of them wait for one, and can answer no handshake before they have it. So whoever
// asks, and whoever answers, sleeps until all have: they get round to it within some hundred microseconds, rather than after as many
// time slices as threads share a core. (Yielding instead may cost a thread its turn for long: Linux takes it for having used its whole
// slice.) Who has asked may be the last to have a core again, so whoever answers last settles.
//
// As each handshake then costs a change of threads for each, they come no closer than this, in nanoseconds.
const APART: i64 = 1_000_000;
/// A thread that has not answered by then has no core yet, or is busy with something else: see [`wait_for`].
const SHORT: Duration = Duration::from_micros(500);
/// Nobody sleeps longer than this.
const LONG: Duration = Duration::from_millis(4);
/// After so many handshakes in a row for which sleeping has not helped nobody sleeps, until all have answered one.
const PATIENT: u32 = 4;
static LATE: AtomicU32 = AtomicU32::new(0);
/// The last of them.
static LATE_EPOCH: AtomicU64 = AtomicU64::new(0);

/// When the last handshake in a crowd was asked for, by the monotonic clock in nanoseconds.
static ASKED: AtomicI64 = AtomicI64::new(0);

/// Whether more threads run than there are cores, as far as is known.
fn crowded() -> bool {
    static CORES: LazyLock<u32> =
        LazyLock::new(|| std::thread::available_parallelism().map_or(1, |n| n.get() as u32));
    let crowd = world().crowd();
    crowd > 1 && crowd > *CORES
}

/// Lets those go first who have still to answer a handshake. Whether all have.
#[cold]
fn make_way(epoch: u64) -> bool {
    let late = LATE.load(Relaxed);
    if world().passed(epoch) || late < PATIENT && wait_for(epoch) {
        if late > 0 {
            LATE.store(0, Relaxed);
        }
        return true;
    }
    if late < PATIENT && LATE_EPOCH.swap(epoch, Relaxed) != epoch {
        LATE.fetch_add(1, Relaxed);
    }
    false
}

/// Sleeps until all have answered, as long as those that have not are waiting for a core. Whether all have.
fn wait_for(epoch: u64) -> bool {
    let begin = Instant::now();
    let mut had = None;
    while begin.elapsed() < LONG {
        if world().wait_passed(epoch, SHORT) {
            return true;
        }
        let mut has = 0;
        world().each_late(epoch, |late| has += late.processor_time());
        if had.is_some_and(|had| has > had + SHORT.as_nanos() as u64 / 4) {
            // One of them runs, and looks at no breaker: in a long native operation, or in the system.
            return false;
        }
        had = Some(has);
    }
    false
}

/// After answering a handshake: whether this thread should settle what others have asked for.
#[cold]
pub(crate) fn answered(t: &Thread) -> bool {
    // Not for the newest handshake, which this thread may have to answer yet.
    crowded() && make_way(t.peer().acked()) && !LEFT.is_empty()
}

/// Puts a candidate, whose LISTED flag this thread has just set, on the thread's list.
pub(crate) fn list(t: &Thread, h: &Header) {
    // SAFETY: only this thread touches its list.
    let waiting = unsafe { &mut *t.waiting.get() };
    waiting.objects.push(h as *const Header as *mut Header);
    // SAFETY: `h` is an object of its type.
    let prompt =
        h.has_flag(Flags::WEAKREFS) || h.ty().has_finalizer.is_some_and(|f| unsafe { f(h) });
    if prompt || waiting.objects.len().is_multiple_of(ENOUGH) {
        t.peer().raise(crate::breaker_bits::SETTLE);
    }
}

impl Thread {
    /// Frees memory that lock-free readers may be looking at, after a handshake (I7); at once if `owner` is local.
    ///
    /// # Safety
    /// Nobody can find the memory any more, and `free(p, n)` gives it back.
    pub unsafe fn retire(&self, owner: &Header, p: *mut u8, n: usize, free: FreeFn) {
        if owner.is_local(self) {
            // SAFETY: nobody but this thread could ever look at it (I2).
            unsafe { free(p, n) };
            return;
        }
        // SAFETY: only this thread touches its list.
        let waiting = unsafe { &mut *self.waiting.get() };
        waiting.memory.push((p, n, free));
        waiting.bytes += n;
        if waiting.bytes >= ENOUGH_BYTES || waiting.memory.len() >= ENOUGH {
            self.peer().raise(crate::breaker_bits::SETTLE);
        }
    }

    /// At a safepoint: asks for a handshake for what waits, and settles what has waited long enough. Objects that die may leave
    /// finalizers pending.
    pub fn settle(&self, all: bool) {
        let t = self;
        if !all && t.too_soon() {
            t.peer().raise(crate::breaker_bits::SETTLE);
            return;
        }
        // SAFETY: only this thread touches its batches.
        unsafe { (*t.batches.get()).extend(LEFT.take()) };
        let mut level = 0;
        let mut soon = false;
        loop {
            // SAFETY: as above; the borrow ends before anything else can run.
            let idle = unsafe { (*t.batches.get()).is_empty() };
            // SAFETY: as above.
            let waiting = unsafe { &mut *t.waiting.get() };
            if (idle || all) && !waiting.is_empty() {
                soon = !all && crowded() && monotonic() < ASKED.load(Relaxed) + APART;
                if soon {
                    break;
                }
                let batch = t.ask(std::mem::take(waiting));
                let epoch = batch.epoch;
                // What somebody waits for, here and now, is settled here.
                if all || !crowded() {
                    // SAFETY: as above.
                    unsafe { (*t.batches.get()).push_back(batch) };
                } else {
                    LEFT.put([batch]);
                }
                if crowded() {
                    ASKED.store(monotonic(), Relaxed);
                    make_way(epoch);
                    // SAFETY: as above.
                    unsafe { (*t.batches.get()).extend(LEFT.take()) };
                }
            }
            let mut progress = false;
            loop {
                // SAFETY: as above.
                let batches = unsafe { &mut *t.batches.get() };
                match batches.front() {
                    Some(b) if world().passed(b.epoch) => {}
                    _ => break,
                }
                let Some(batch) = batches.pop_front() else {
                    break;
                };
                settle_batch(t, batch);
                progress = true;
            }
            level += 1;
            if !progress || !(all || level < LEVELS) {
                break;
            }
        }
        // What has been listed by settling goes on: else a chain of shared objects would die by one link for each full list.
        // SAFETY: as above.
        let (next, more) = unsafe {
            let next = (*t.batches.get()).front().map(|b| b.epoch);
            (next, level > 1 && !(*t.waiting.get()).is_empty())
        };
        let again = match next {
            // Whoever is the last to answer says so.
            Some(epoch) => world().passed_or_tell(t.peer(), epoch),
            None => more,
        };
        t.asked.set(next.is_some());
        if next.is_some() && crowded() && !all {
            // SAFETY: as above.
            LEFT.put(unsafe { (*t.batches.get()).drain(..) });
        }
        if again || soon {
            t.peer().raise(crate::breaker_bits::SETTLE);
        }
    }

    /// Before the thread waits for something from outside: settles what it has listed, if no other thread runs, which would have to
    /// answer. What is listed may lead to something with a finalizer, though it has none itself, and the next occasion may be long
    /// in coming. Finalizers may be left pending.
    #[inline]
    pub fn settle_alone(&mut self) {
        // SAFETY: only this thread touches its list.
        let none = unsafe { (*self.waiting.get()).objects.is_empty() };
        if !none && world().is_alone(self.peer()) {
            crate::weak::settle_soon(self);
        }
    }

    /// Whether all there is to do is to ask for a handshake, and too early for that.
    fn too_soon(&self) -> bool {
        // SAFETY: only this thread touches its batches.
        let idle = unsafe { (*self.batches.get()).is_empty() };
        idle && crowded() && monotonic() < ASKED.load(Relaxed) + APART && LEFT.is_empty()
    }

    fn ask(&self, waiting: Waiting) -> Batch {
        let asked = stats::begin();
        Batch {
            epoch: world().handshake(self.peer()),
            waiting,
            asked,
        }
    }

    /// Before the thread goes away for who knows how long: leaves what waits to those that go on.
    #[cold]
    #[inline(never)]
    pub(crate) fn hand_over(&self) {
        self.peer().take(crate::breaker_bits::SETTLE);
        self.asked.set(false);
        // SAFETY: only this thread touches its lists; nothing of them is borrowed over the handshake.
        let waiting = unsafe { std::mem::take(&mut *self.waiting.get()) };
        self.leave_batches(waiting);
    }

    fn leave_batches(&self, waiting: Waiting) {
        let last = (!waiting.is_empty()).then(|| self.ask(waiting));
        // SAFETY: only this thread touches its batches.
        let batches = unsafe { std::mem::take(&mut *self.batches.get()) };
        LEFT.leave(world(), self.peer(), batches.into_iter().chain(last));
    }

    /// Takes over what other threads have listed: they may be away, and what is dead is to be found dead now. Settles it while they
    /// stand still: all answer at once then, and nobody takes the core meanwhile.
    pub(crate) fn gather(&mut self) {
        let peer = self.peer().clone();
        let t = &*self;
        let (mut running, mut pending) = (Vec::new(), Vec::new());
        world().stop(&peer, |stopped| {
            crate::fought::make_peace(t, stopped.peers().map(|p| p.payload().thread()));
            // SAFETY: the world is stopped, so nobody else touches these lists.
            let (mine, batches) = unsafe { (&mut *t.waiting.get(), &mut *t.batches.get()) };
            for peer in stopped.peers() {
                let other = peer.payload().thread();
                if std::ptr::eq(other, t) {
                    continue;
                }
                let goal = peer.payload().finishing.goal();
                running.extend(goal.map(|goal| (peer.clone(), goal)));
                // SAFETY: as above, and another thread's than ours.
                let (waiting, serving) =
                    unsafe { (&mut *other.pending.get(), &mut *other.serving.get()) };
                for list in serving.iter_mut().chain([waiting]) {
                    let (shared, local) = std::mem::take(list).into_iter().partition(is_shared);
                    *list = local;
                    let shared: VecDeque<Pending> = shared;
                    pending.extend(shared);
                }
                // SAFETY: as above, and another thread's than ours.
                let theirs = unsafe { std::mem::take(&mut *other.waiting.get()) };
                mine.objects.extend(theirs.objects);
                mine.pending.extend(theirs.pending);
                mine.memory.extend(theirs.memory);
                mine.bytes += theirs.bytes;
                // SAFETY: as above.
                batches.extend(unsafe { (*other.batches.get()).drain(..) });
            }
            t.settle(true);
        });
        pending.into_iter().for_each(|p| self.push_pending(p));
        self.gc.running_elsewhere.replace(running);
    }

    /// Leaves what still waits, and finalizers that have not run, to whoever settles next: at the thread's end.
    pub(crate) fn abandon_waiting(&self) {
        // SAFETY: only this thread touches its lists.
        let mut waiting = unsafe { std::mem::take(&mut *self.waiting.get()) };
        // SAFETY: as above. (In the child of a fork, that of a thread that is gone.)
        let serving = unsafe { std::mem::take(&mut *self.serving.get()) };
        let served = serving.into_iter().flatten();
        for p in served.chain(std::iter::from_fn(|| self.pop_pending())) {
            let (Pending::Finalize(o) | Pending::Callback(o)) = &p;
            crate::publish::share(self, o.value());
            waiting.pending.push(p);
        }
        self.leave_batches(waiting);
    }
}

fn is_shared(p: &Pending) -> bool {
    let (Pending::Finalize(o) | Pending::Callback(o)) = p;
    o.header().owner.load(Relaxed) == crate::header::SHARED
}

/// After [`collect`](crate::collect): waits for the finalizers that other threads were running when it began, as long as those threads
/// run. One that waits for something itself may be waiting for this thread.
pub fn wait_for_finalizers(t: &mut Thread) {
    let begin = Instant::now();
    for (peer, goal) in t.gc.running_elsewhere.take() {
        while !peer.payload().finishing.reached(goal)
            && peer.is_attached()
            && begin.elapsed() < PATIENCE
        {
            t.blocking(|| std::thread::sleep(Duration::from_micros(50)));
        }
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.memory.is_empty() && self.pending.is_empty()
    }
}

fn settle_batch(t: &Thread, batch: Batch) {
    if let Some(asked) = &batch.asked {
        asked.answered();
    }
    for (p, n, free) in batch.waiting.memory {
        // SAFETY: every thread has passed a safepoint since the memory was taken out of sight (I7).
        unsafe { free(p, n) };
    }
    for p in batch.waiting.pending {
        t.push_pending(p);
    }
    for p in batch.waiting.objects {
        // SAFETY: LISTED by this list alone, so nobody else destroys it.
        let verdict = settle(unsafe { &(*p).count });
        if stats::on() {
            stats::settled(verdict);
        }
        match verdict {
            Settled::Dead => crate::destroy::shared_dead(t, p),
            Settled::Alive => {}
            // SAFETY: still LISTED: it goes on to the next round.
            Settled::Again => unsafe { (*t.waiting.get()).objects.push(p) },
        }
    }
}

/// Turns every uncounted register of the thread that points to a LISTED object into a counted one. Called by the thread at a
/// safepoint, or by a requester that holds it detached.
pub(crate) fn flush(t: &Thread) {
    let mut p = t.regs.base();
    let top = t.regs.top();
    while p < top {
        // SAFETY: registers below the top are initialised, and the thread stands still.
        unsafe {
            let v = *p;
            if v.is_uncounted() {
                let h = v.header();
                if h.owner.load(Relaxed) != crate::header::IMMORTAL
                    && weft_threads::count::is_listed(&h.count)
                    && !h.is_collected()
                {
                    weft_threads::count::increment(&h.count);
                    tally::note(t, h, What::Change);
                    *p = v.bare();
                }
            }
            p = p.add(1);
        }
    }
}
