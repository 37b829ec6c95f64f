//! In which order the free blocks of a page are handed out.
//!
//! Objects made one after the other often go to one thread each: a list of results, a worker with its counters. Two of them in one
//! cache line would have these threads take the line from each other with every change (measured: two threads that append to such
//! lists get through 0.4 of what one does, instead of 2). So of two neighbours one has its turn in a first round and the other in a
//! second one, and what lies beside live objects, which may be another thread's, has its turn last.

use crate::block::{Free, OWN};
use crate::heap::{Page, for_each_block};
use std::ptr::null_mut;

/// What a processor moves at a time, in bytes.
const LINE: usize = 64;

/// A free list in the making.
pub(crate) struct Spread {
    parts: [Part; 3],
    /// Neighbours can share a line.
    apart: bool,
}

#[derive(Clone, Copy)]
struct Part {
    head: *mut Free,
    tail: *mut Free,
}

impl Spread {
    pub(crate) fn new(page: &Page) -> Spread {
        let none = Part {
            head: null_mut(),
            tail: null_mut(),
        };
        Spread {
            parts: [none; 3],
            apart: !page.block_size().is_multiple_of(LINE),
        }
    }

    /// Puts a block before the others of its part: it is the page's `index`th, and `beside` a live object.
    ///
    /// # Safety
    /// The block is the caller's, and on no list.
    pub(crate) unsafe fn push(&mut self, block: *mut Free, index: usize, beside: bool) {
        let part = match self.apart {
            false => 0,
            true if beside => 2,
            true => index % 2,
        };
        let part = &mut self.parts[part];
        // SAFETY: the caller's promise.
        unsafe { (*block).set_next(part.head, OWN) };
        part.head = block;
        if part.tail.is_null() {
            part.tail = block;
        }
    }

    /// The list, and after it the rest.
    pub(crate) fn before(self, mut rest: *mut Free) -> *mut Free {
        for part in self.parts.iter().rev() {
            if !part.tail.is_null() {
                // SAFETY: a block of this list.
                unsafe { (*part.tail).set_next(rest, OWN) };
                rest = part.head;
            }
        }
        rest
    }
}

/// Puts the free blocks of a page that say that they are its thread's before the rest of a list; also gives their number.
///
/// # Safety
/// The page is the caller's, and its blocks are on no list.
pub(crate) unsafe fn free_blocks(page: *mut Page, rest: *mut Free) -> (*mut Free, usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut spread = Spread::new(&*page);
        let (mut index, mut found) = (0, 0);
        // The block before this one, if it is free; whether the one before that is live.
        let (mut last, mut beside) = (null_mut::<Free>(), false);
        for_each_block(page, |block| {
            let block = block.cast::<Free>();
            let own = (*block).is_own();
            if !last.is_null() {
                spread.push(last, index - 1, beside || !own);
            }
            beside = last.is_null() && index > 0;
            last = if own { block } else { null_mut() };
            found += usize::from(own);
            index += 1;
        });
        if !last.is_null() {
            spread.push(last, index - 1, beside);
        }
        (spread.before(rest), found)
    }
}
