//! Attributes in inline slots on raw words: how they are read without a lock while another thread, which has it, adds one, changes one, or
//! moves all of them to a dict.
//!
//! - An attribute is added slot first, then the shape that says so: who sees the shape sees the slot. A slot belongs to the same name as
//!   long as there are slots.
//! - All go to the dict before the header says so, and leave the slots after that: who finds a slot empty takes the lock and looks again.
//!
//! Written against [`weft_threads::sync`], because `loom-tests/tests/slots.rs` drives this very file.

use weft_threads::sync::atomic::{AtomicU8, AtomicU32, Ordering::*};

/// Where a reader finds an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// In a slot: this is the word.
    Word(u64),
    /// Nowhere.
    Absent,
    /// In the dict, if anywhere.
    InDict,
}

/// The words of an instance, and the flag that says that the slots are in use.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    pub flags: &'a AtomicU8,
    pub inline: u8,
    pub shape: &'a AtomicU32,
}

impl Words<'_> {
    #[inline(always)]
    fn is_inline(self) -> bool {
        self.flags.load(Acquire) & self.inline != 0
    }

    /// Looks for an attribute. `place` gives the number of its slot in a shape, `word` reads a slot, and `settle` waits until nobody has
    /// the lock.
    #[inline]
    pub fn read(
        self,
        place: impl Fn(u32) -> Option<usize>,
        word: impl Fn(usize) -> u64,
        settle: impl FnOnce(),
    ) -> Found {
        if !self.is_inline() {
            return Found::InDict;
        }
        let Some(i) = place(self.shape.load(Acquire)) else {
            return Found::Absent;
        };
        match word(i) {
            0 => {}
            w => return Found::Word(w),
        }
        // Being moved to a dict: settled once the lock is free.
        settle();
        if !self.is_inline() {
            return Found::InDict;
        }
        match word(i) {
            0 => Found::Absent,
            w => Found::Word(w),
        }
    }

    /// Writer: `fill` stores into the slot that the shape `next` gives to a name.
    // Release: who sees the shape sees the slot.
    #[inline]
    pub fn add(self, next: u32, fill: impl FnOnce()) {
        fill();
        self.shape.store(next, Release);
    }

    /// Writer: `publish` stores the dict, which has all the attributes; then the header says `dict` instead of what it said; then the
    /// slots give up what they hold, by `empty`.
    #[inline]
    pub fn move_out(self, dict: u8, publish: impl FnOnce(), empty: impl FnOnce()) {
        publish();
        self.flags.fetch_or(dict, AcqRel);
        self.flags.fetch_and(!self.inline, AcqRel);
        empty();
    }
}
