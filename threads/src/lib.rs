//! Threads of the Weft runtime: who runs, who is away, who must wait for whom.
//!
//! Nothing here knows of Python. A [`World`] is the set of threads that may touch the heap; each
//! has a [`Peer`], which is *attached* while it runs, *detached* while it is away (blocked, or in
//! foreign code), and *held* while somebody else looks at its registers. Everything is written
//! against [`sync`], so that loom can drive the very same code.
//!
//! | module | what it is |
//! |---|---|
//! | [`peer`] | one thread: the breaker word, which is also its state |
//! | [`world`] | all threads: joining, attaching, safepoints, handshakes |
//! | [`stop`] | stopping the world |
//! | [`count`] | the count word of a shared object and the zero-count protocol |
//! | [`ledger`] | counts that threads would fight over |
//! | [`retire`] | memory that is freed after a handshake |
//! | [`parker`] | the one-byte lock in every object |
//! | [`gil`] | one lock handed over, for the `gil` build |
//! | [`left`] | what threads leave to others |
//! | [`wait_lock`] | a lock that is held for long, on whose word threads sleep |
//! | [`event`] | something that happens once, such as a thread's end |
//! | [`gate`], `futex` | waiting for what concerns many, and the words to sleep on |
//! | [`once`] | cells initialised once |
//! | [`fork`] | surviving `fork` |

mod backoff;
pub mod count;
pub mod event;
pub mod fork;
#[cfg(not(loom))]
pub mod futex;
pub mod gate;
pub mod gil;
pub mod ledger;
pub mod left;
pub mod once;
pub mod parker;
pub mod peer;
pub mod retire;
#[cfg(not(loom))]
pub mod roster;
pub mod stop;
pub mod sync;
mod tags;
pub mod wait_lock;
pub mod world;

pub use backoff::{Backoff, Pace};
pub use gil::Gil;
pub use left::Left;
pub use once::Once;
pub use parker::RawLock;
pub use peer::{Payload, Peer, breaker_bits};
pub use retire::Retired;
pub use stop::Stopped;
pub use wait_lock::WaitLock;
pub use world::World;
