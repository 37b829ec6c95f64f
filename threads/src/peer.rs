//! One thread as the others see it: the breaker word, which is its state as well.
//!
//! One word holds both what is asked of a thread and whether it runs, so "ask it to stop" and "go
//! away" are read-modify-writes of the same word, and of two such one comes first. No fence is
//! needed to rule out that both sides miss each other.
//!
//! The state bits are zero while the thread runs, so the interpreter polls the word against zero.

use crate::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// The bits of the breaker word that ask something of a thread.
pub mod breaker_bits {
    /// The world is to stop. Set and cleared by the [`World`](crate::World) alone.
    pub const STOP: u32 = 1;
    /// A handshake is to be answered. Set and cleared by the [`World`](crate::World) alone.
    pub const HANDSHAKE: u32 = 2;
    /// The local heap has grown enough to be collected.
    pub const GC: u32 = 4;
    /// A signal has arrived.
    pub const SIGNAL: u32 = 8;
    /// Another thread has sent an exception.
    pub const ASYNC_EXC: u32 = 16;
    /// Finalizers are to be run.
    pub const FINALIZERS: u32 = 32;
    /// Somebody waits for the GIL.
    pub const GIL: u32 = 64;
    /// The zero-count list is to be settled.
    pub const SETTLE: u32 = 128;
    /// Memory was refused to the thread.
    pub const MEMORY: u32 = 256;
}

use breaker_bits::{HANDSHAKE, STOP};

/// The thread is away: it holds no attachment and its registers stand still.
pub const DETACHED: u32 = 1 << 31;
/// Somebody holds the thread where it is (away, or at a safepoint): it must not go on.
///
/// Set and cleared under the world's registry lock only.
pub const HELD: u32 = 1 << 30;
/// Everything that is a request and not a state.
pub const REQUESTS: u32 = 0xFFFF;

/// What a thread exposes to whoever holds it still.
pub trait Payload: Send + Sync + 'static {
    /// Turns every uncounted register that points to a listed object into a counted one.
    ///
    /// Called by the thread itself at a safepoint, or by a requester that holds it detached: never
    /// by both at once. Must not panic, wait, or call into the world.
    fn flush(&self);
}

/// A thread that may touch the heap. Made by [`World::join`](crate::World::join).
///
/// On cache lines of its own (two, as they are fetched in pairs): the interpreter looks at the breaker all the time, so nothing that
/// others write to may lie beside it.
#[repr(C, align(128))]
#[derive(Debug)]
pub struct Peer<P> {
    /// First, so that the interpreter polls it with one load at a known place.
    breaker: AtomicU32,
    tag: AtomicU32,
    /// The newest epoch whose handshake this thread has answered.
    acked: AtomicU64,
    /// It wants to be told when all have answered. Used under the registry lock only.
    waiting: AtomicBool,
    payload: P,
}

impl<P> Peer<P> {
    /// A detached thread, held if `held`, which has answered all up to `epoch`.
    pub(crate) fn new(tag: u16, epoch: u64, held: bool, payload: P) -> Self {
        let held = if held { HELD | STOP } else { 0 };
        Self {
            breaker: AtomicU32::new(DETACHED | held),
            tag: AtomicU32::new(tag.into()),
            acked: AtomicU64::new(epoch),
            waiting: AtomicBool::new(false),
            payload,
        }
    }

    /// The word to poll: zero while the thread is attached and nothing is asked of it.
    ///
    /// To be changed by [`Peer::raise`] and [`Peer::take`] only.
    #[inline]
    pub fn breaker(&self) -> &AtomicU32 {
        &self.breaker
    }

    /// What the runtime keeps of this thread.
    #[inline]
    pub fn payload(&self) -> &P {
        &self.payload
    }

    /// The number by which objects know this thread as their owner.
    #[inline]
    pub fn tag(&self) -> u16 {
        self.tag.load(Relaxed) as u16
    }

    pub(crate) fn set_tag(&self, tag: u16) {
        self.tag.store(tag.into(), Relaxed);
    }

    /// Asks something of the thread: it will see it at its next safepoint.
    ///
    /// `STOP` and `HANDSHAKE` are the world's and ignored here. Returns the breaker as it was.
    // Release: what was written before the request is seen by whoever takes it.
    pub fn raise(&self, bits: u32) -> u32 {
        self.breaker
            .fetch_or(bits & REQUESTS & !(STOP | HANDSHAKE), Release)
    }

    /// Clears requests and returns those that were set.
    pub fn take(&self, bits: u32) -> u32 {
        let bits = bits & REQUESTS & !(STOP | HANDSHAKE);
        self.breaker.fetch_and(!bits, AcqRel) & bits
    }

    /// Whether the thread runs (or is parked at a safepoint), and is not away.
    pub fn is_attached(&self) -> bool {
        self.breaker.load(Relaxed) & DETACHED == 0
    }

    /// Whether somebody holds the thread still.
    pub fn is_held(&self) -> bool {
        self.breaker.load(Relaxed) & HELD != 0
    }

    /// The newest epoch this thread has answered.
    // Acquire: whoever sees the answer sees the counts that the flush before it has written.
    pub fn acked(&self) -> u64 {
        self.acked.load(Acquire)
    }

    pub(crate) fn set_acked(&self, epoch: u64) {
        self.acked.store(epoch, Release);
    }

    /// Under the registry lock.
    pub(crate) fn set_waiting(&self, on: bool) -> bool {
        let was = self.waiting.load(Relaxed);
        self.waiting.store(on, Relaxed);
        was
    }

    /// The word behind [`Peer::acked`], for models that break the protocol on purpose.
    #[cfg(loom)]
    pub fn acked_word(&self) -> &AtomicU64 {
        &self.acked
    }
}
