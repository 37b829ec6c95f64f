//! The steps of publication, without the objects: marking what a reference reaches, and the word that the reference is stored in.
//!
//! Written against [`weft_threads::sync`], so that `loom-tests/tests/publication.rs` drives this very file.

use weft_threads::sync::atomic::{AtomicU16, AtomicU64, Ordering::*};

/// Owner of a shared object. (Any tag that is not the reading thread's own means shared as well.)
pub const SHARED: u16 = 0;

/// What publication must know of an object.
pub trait Node {
    /// The tag of the thread that owns it, or [`SHARED`].
    fn owner(&self) -> &AtomicU16;
    /// Whether [`Node::edges`] may find anything.
    fn has_edges(&self) -> bool;
    /// Calls `f` for everything that another thread can reach from it.
    fn edges(&self, f: &mut dyn FnMut(&Self));
}

/// Marks `root`, and all that it reaches through objects of the thread whose tag is `tag`, as shared. Gives how many have been
/// marked. Walks a worklist, so that depth costs no stack.
// Relaxed: nobody else can reach any of these until the caller stores the reference, which is a release.
pub fn publish<N: Node>(root: &N, tag: u16) -> u64 {
    let mut work: Vec<*const N> = Vec::new();
    let mut published = 0;
    let mut mark = |work: &mut Vec<*const N>, n: &N| {
        if n.owner().load(Relaxed) == tag {
            n.owner().store(SHARED, Relaxed);
            published += 1;
            if n.has_edges() {
                work.push(n);
            }
        }
    };
    mark(&mut work, root);
    while let Some(n) = work.pop() {
        // SAFETY: reached from the root, hence kept by it, and until now this thread's alone (I2).
        unsafe { &*n }.edges(&mut |to| mark(&mut work, to));
    }
    published
}

/// The word of a slot. `share` is what publishes the object that the new word refers to: it runs before the word is stored.
#[repr(transparent)]
pub struct Word(pub AtomicU64);

impl Word {
    /// Acquire: what the publisher wrote is visible to who follows the reference.
    #[inline(always)]
    pub fn read(&self) -> u64 {
        self.0.load(Acquire)
    }

    /// Stores a word where others may be doing so as well, and gives the old one: to one caller alone, which may drop it.
    // Release: see `read`. Acquire: whoever drops the old one sees it whole.
    #[inline(always)]
    pub fn exchange(&self, word: u64, share: impl FnOnce()) -> u64 {
        share();
        self.0.swap(word, AcqRel)
    }

    /// Stores into an empty word that nobody else stores into.
    #[inline(always)]
    pub fn init(&self, word: u64, share: impl FnOnce()) {
        share();
        self.0.store(word, Release);
    }

    /// Stores `new` if `old` is there. False: it is not, and `new` is still the caller's (though it has been published).
    #[inline(always)]
    pub fn exchange_if(&self, old: u64, new: u64, share: impl FnOnce()) -> bool {
        share();
        self.0.compare_exchange(old, new, AcqRel, Acquire).is_ok()
    }

    /// Stores into a word that this thread alone can reach.
    #[inline(always)]
    pub fn replace_local(&self, word: u64) -> u64 {
        let old = self.0.load(Relaxed);
        self.0.store(word, Relaxed);
        old
    }
}
