//! One lock handed over: for the build in which one thread runs at a time.
//!
//! A thread that has waited for one interval asks whoever holds the lock to drop it, through the
//! breaker. The holder hands over at its next safepoint and does not take the lock back before
//! somebody else has had it. A lock that is released for another reason (a blocking call) goes to
//! whoever comes first, its last holder included, so short calls do not queue up behind long
//! computations (no convoy).

use std::time::Duration;

use crate::peer::{Payload, Peer, breaker_bits};
use crate::sync::{
    Arc, Condvar, Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering::Relaxed},
    const_fn,
};

/// The interval at the start, in microseconds, as `sys.setswitchinterval` has it.
pub const DEFAULT_INTERVAL: u64 = 5000;

/// The lock. Whoever waits for it is detached.
#[derive(Debug)]
pub struct Gil<P> {
    state: Mutex<State<P>>,
    /// The lock has become free.
    freed: Condvar,
    /// Somebody has taken the lock.
    switched: Condvar,
    /// Microseconds a thread waits before it asks.
    interval: AtomicU64,
}

#[derive(Debug)]
struct State<P> {
    holder: Option<Arc<Peer<P>>>,
    /// How many threads wait for the lock to become free.
    waiting: usize,
    /// How often the lock has been taken.
    switches: u64,
}

impl<P: Payload> Default for Gil<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Payload> Gil<P> {
    const_fn! {
        /// A free lock.
        pub fn new() -> Self {
            Self {
                state: Mutex::new(State {
                    holder: None,
                    waiting: 0,
                    switches: 0,
                }),
                freed: Condvar::new(),
                switched: Condvar::new(),
                interval: AtomicU64::new(DEFAULT_INTERVAL),
            }
        }
    }

    /// Microseconds a thread waits before it asks the holder to hand over.
    pub fn interval(&self) -> u64 {
        self.interval.load(Relaxed)
    }

    /// Sets the interval; zero is to ask at once.
    pub fn set_interval(&self, microseconds: u64) {
        self.interval.store(microseconds, Relaxed);
    }

    /// Waits for the lock. Call it detached, and attach afterwards.
    pub fn acquire(&self, me: &Arc<Peer<P>>) {
        drop(self.take(self.state.lock(), me));
    }

    /// Gives the lock up, after detaching.
    pub fn release(&self) {
        let mut state = self.state.lock();
        state.holder = None;
        if state.waiting > 0 {
            self.freed.notify_one();
        }
    }

    /// Lets another thread run, if one is waiting, and takes the lock again after that. What the
    /// holder does at a safepoint when its `GIL` bit is set: detached, as in `acquire`.
    pub fn hand_over(&self, me: &Arc<Peer<P>>) {
        let mut state = self.state.lock();
        state.holder = None;
        let switches = state.switches;
        if state.waiting > 0 {
            self.freed.notify_one();
            // Every waiter takes the lock as soon as it finds it free, so this ends.
            while state.switches == switches {
                state = self.switched.wait(state);
            }
        }
        drop(self.take(state, me));
    }

    /// Whether `me` has the lock.
    pub fn is_held_by(&self, me: &Arc<Peer<P>>) -> bool {
        let state = self.state.lock();
        matches!(&state.holder, Some(holder) if Arc::ptr_eq(holder, me))
    }

    /// Forks with the state of the lock in this thread's hands; in the child nobody waits any more.
    /// To be called by the holder, inside [`World::fork`](crate::World::fork).
    pub fn fork<R>(&self, fork: impl FnOnce() -> R, in_child: impl FnOnce(&R) -> bool) -> R {
        let mut state = self.state.lock();
        let result = fork();
        if in_child(&result) {
            state.waiting = 0;
        }
        result
    }

    fn take<'a>(
        &'a self,
        mut state: MutexGuard<'a, State<P>>,
        me: &Arc<Peer<P>>,
    ) -> MutexGuard<'a, State<P>> {
        state.waiting += 1;
        // Whom this thread has asked: nobody is asked twice in the same turn.
        let mut asked = None;
        while let Some(holder) = &state.holder {
            let (turn, interval) = (state.switches, self.interval());
            if interval == 0 && asked != Some(turn) {
                holder.raise(breaker_bits::GIL);
                asked = Some(turn);
            }
            let time = Duration::from_micros(interval.max(1));
            let timed_out;
            (state, timed_out) = self.freed.wait_timeout(state, time);
            if timed_out
                && state.switches == turn
                && asked != Some(turn)
                && let Some(holder) = &state.holder
            {
                holder.raise(breaker_bits::GIL);
                asked = Some(turn);
            }
        }
        state.waiting -= 1;
        state.holder = Some(Arc::clone(me));
        state.switches += 1;
        // A request that was meant for an earlier turn does not end this one.
        me.take(breaker_bits::GIL);
        self.switched.notify_all();
        state
    }
}
