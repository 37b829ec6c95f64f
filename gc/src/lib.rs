//! Memory: the value word, object headers, counting, publication, the heap and its collectors.
//!
//! Knows nothing of Python: a type is a [`TypeHead`], which says how to traverse, clear and finalize
//! its objects. The invariants I1–I8 are stated in ARCHITECTURE.md; comments here name them.

mod barrier;
mod block;
mod collect;
mod count;
mod destroy;
mod finishing;
mod fought;
mod header;
mod heap;
mod lock;
mod mark;
mod obj;
mod publish;
mod release;
pub mod reserve;
mod shared;
mod slot;
mod spread;
pub mod stats;
mod tally;
mod thread;
mod value;
mod verify;
pub mod weak;
mod weak_table;
mod young;

pub use collect::{
    CollectStats, GcState, apply_pace, collect, collect_if_due, collect_local, take_saved,
};
pub use count::{dec, inc, keep, keep_globals, slot_to_reg_fast, to_heap, to_reg, to_reg_fast};
pub use destroy::Pending;
pub use destroy::local_zero;
pub use fought::references;
pub use header::{Flags, Header, IMMORTAL, SHARED, TypeFlags, TypeHead};
pub use heap::{MAX_BLOCK, any_object, for_each_object, live_objects};
pub use lock::{Locked, lock};
pub use obj::{Borrowed, Obj};
pub use publish::{publish, published_with, share, share_for_good};
pub use shared::wait_for_finalizers;
pub use slot::Slot;
#[cfg(feature = "gil")]
pub use thread::gil;
pub use thread::{
    Registers, Thread, ThreadPayload, before_publishing, discard_state, fork, held_above,
    multithreaded, spawn_state, world,
};
pub use value::Value;
pub use verify::verify_enabled;
pub use weft_threads::breaker_bits;

/// Proof that an exception is set in the thread: the error of every fallible operation. The exception
/// itself is in [`Thread::exc`].
#[derive(Debug)]
pub struct Raised(());

impl Raised {
    /// Says that the thread's exception has been set. Only the code that sets it calls this.
    #[inline(always)]
    pub fn new_unchecked() -> Raised {
        Raised(())
    }
}
