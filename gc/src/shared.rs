//! Zero-count candidates: shared objects whose count has fallen to zero, waiting for a handshake (I5), and memory that readers may
//! still look at (I7).
//!
//! Model: `loom-tests/tests/handshake.rs`, which drives [`weft_threads::count`] and [`weft_threads::World`].

use crate::destroy::Pending;
use crate::header::{Flags, Header};
use crate::thread::{Thread, world};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering::*;
use weft_threads::count::{Settled, settle};

/// Candidates that are worth a handshake of their own.
const ENOUGH: usize = 1000;
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
}
// SAFETY: raw pointers to shared objects and retired memory; whoever holds the batch may settle it.
unsafe impl Send for Batch {}

/// Batches of threads that have ended.
static ORPHANS: Mutex<Vec<Batch>> = Mutex::new(Vec::new());

/// Puts a candidate, whose LISTED flag this thread has just set, on the thread's list.
pub(crate) fn list(t: &Thread, h: &Header) {
    // SAFETY: only this thread touches its list.
    let waiting = unsafe { &mut *t.waiting.get() };
    waiting.objects.push(h as *const Header as *mut Header);
    // SAFETY: `h` is an object of its type.
    let prompt =
        h.has_flag(Flags::WEAKREFS) || h.ty().has_finalizer.is_some_and(|f| unsafe { f(h) });
    if prompt || waiting.objects.len() >= ENOUGH {
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
    pub fn settle(&mut self, all: bool) {
        let t = &*self;
        if let Some(orphans) = ORPHANS.try_lock().map(|mut o| std::mem::take(&mut *o)) {
            // SAFETY: only this thread touches its batches.
            unsafe { (*t.batches.get()).extend(orphans) };
        }
        let mut level = 0;
        loop {
            // SAFETY: as above; the borrow ends before anything else can run.
            let idle = unsafe { (*t.batches.get()).is_empty() };
            // SAFETY: as above.
            let waiting = unsafe { &mut *t.waiting.get() };
            if (idle || all) && !waiting.is_empty() {
                let waiting = std::mem::take(waiting);
                let epoch = world().handshake(t.peer());
                // SAFETY: as above.
                unsafe { (*t.batches.get()).push_back(Batch { epoch, waiting }) };
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
        if unsafe {
            !(*t.batches.get()).is_empty() || (level > 1 && !(*t.waiting.get()).is_empty())
        } {
            t.peer().raise(crate::breaker_bits::SETTLE);
        }
    }

    /// Before the thread goes away for who knows how long: leaves what waits to those that go on.
    #[cold]
    #[inline(never)]
    pub(crate) fn hand_over(&self) {
        self.peer().take(crate::breaker_bits::SETTLE);
        // SAFETY: only this thread touches its lists; nothing of them is borrowed over the handshake.
        unsafe {
            let waiting = std::mem::take(&mut *self.waiting.get());
            if !waiting.is_empty() {
                let epoch = world().handshake(self.peer());
                (*self.batches.get()).push_back(Batch { epoch, waiting });
            }
            let mut orphans = ORPHANS.lock();
            orphans.extend((*self.batches.get()).drain(..));
            if orphans.is_empty() {
                return;
            }
        }
        // One that runs comes to a safepoint soon. If all are away, the first that is back sees to it.
        let peers = world().peers();
        let mut others = peers.iter().filter(|p| !Arc::ptr_eq(p, self.peer()));
        match others.find(|p| p.is_attached()) {
            Some(other) => other.raise(crate::breaker_bits::SETTLE),
            None => {
                for peer in &peers {
                    peer.raise(crate::breaker_bits::SETTLE);
                }
            }
        }
    }

    /// Takes over what other threads have listed: they may be away, and what is dead is to be found dead now.
    pub(crate) fn gather(&mut self) {
        let peer = self.peer().clone();
        let t = &*self;
        world().stop(&peer, |stopped| {
            // SAFETY: the world is stopped, so nobody else touches these lists.
            let (mine, batches) = unsafe { (&mut *t.waiting.get(), &mut *t.batches.get()) };
            for other in stopped.peers().map(|p| p.payload().thread()) {
                if std::ptr::eq(other, t) {
                    continue;
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
        });
    }

    /// Leaves what still waits, and finalizers that have not run, to whoever settles next: at the thread's end.
    pub(crate) fn abandon_waiting(&self) {
        // SAFETY: only this thread touches its lists.
        unsafe {
            let mut waiting = std::mem::take(&mut *self.waiting.get());
            while let Some(p) = self.pop_pending() {
                let (Pending::Finalize(o) | Pending::Callback(o)) = &p;
                crate::publish::share(self, o.value());
                waiting.pending.push(p);
            }
            let mut orphans = ORPHANS.lock();
            orphans.extend((*self.batches.get()).drain(..));
            if !waiting.is_empty() {
                let epoch = world().handshake(self.peer());
                orphans.push(Batch { epoch, waiting });
            }
            if orphans.is_empty() {
                return;
            }
        }
        // The eldest thread, most likely the main one, is to settle them soon.
        if let Some(other) = world()
            .peers()
            .iter()
            .find(|p| !Arc::ptr_eq(p, self.peer()))
        {
            other.raise(crate::breaker_bits::SETTLE);
        }
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.memory.is_empty() && self.pending.is_empty()
    }
}

fn settle_batch(t: &Thread, batch: Batch) {
    for (p, n, free) in batch.waiting.memory {
        // SAFETY: every thread has passed a safepoint since the memory was taken out of sight (I7).
        unsafe { free(p, n) };
    }
    for p in batch.waiting.pending {
        t.push_pending(p);
    }
    for p in batch.waiting.objects {
        // SAFETY: LISTED by this list alone, so nobody else destroys it.
        match settle(unsafe { &(*p).count }) {
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
                    && h.count.load(Acquire) & weft_threads::count::LISTED != 0
                    && !h.is_collected()
                {
                    weft_threads::count::increment(&h.count);
                    *p = v.bare();
                }
            }
            p = p.add(1);
        }
    }
}
