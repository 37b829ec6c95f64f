//! How long to spin for a lock that somebody holds for a short while, before going to sleep.

/// Rounds of pauses that double, then a few times another thread's turn. The rounds are long beside what is done under an object's lock,
/// so that whoever has it gets through many such pieces with the lock's cache line at hand, rather than one before the line
/// moves on: threads that meet at a lock take turns of many operations.
#[derive(Debug, Default)]
pub struct Backoff(u32);

const ROUNDS: u32 = 5;
const TURNS: u32 = 4;

impl Backoff {
    /// A spin that has not begun.
    pub const fn new() -> Self {
        Self(0)
    }

    /// Waits a little. False: this has been going on for long enough.
    pub fn spin(&mut self) -> bool {
        self.0 += 1;
        if self.0 <= ROUNDS {
            for _ in 0..16 << self.0 {
                std::hint::spin_loop();
            }
            return true;
        }
        std::thread::yield_now();
        self.0 <= ROUNDS + TURNS
    }
}
