//! Blocks that other threads free, on their way back to the page's owner.
//!
//! Drives the lists of `gc` itself. A block is a place in an arena; what an object holds is watched, so that loom sees it if a block is
//! given out while somebody still uses it, or without what its last user wrote.
#![cfg(loom)]

#[path = "../../gc/src/block.rs"]
#[allow(dead_code)]
mod block;

use block::{Free, OWN, REMOTE, RemoteList};
use std::ptr::null_mut;
use weft_loom_tests::{Watched, fails, holds};
use weft_threads::sync::atomic::Ordering::*;
use weft_threads::sync::{Arc, Mutex, thread};

struct Page {
    blocks: Vec<Free>,
    contents: Vec<Watched<u64>>,
    remote: RemoteList,
}

// SAFETY: the protocol under test.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    fn new(blocks: usize) -> Arc<Page> {
        Arc::new(Page {
            blocks: (0..blocks).map(|_| Free::in_use()).collect(),
            contents: (0..blocks).map(|_| Watched::new(0)).collect(),
            remote: RemoteList::new(),
        })
    }

    fn at(&self, block: usize) -> *mut Free {
        (&raw const self.blocks[block]).cast_mut()
    }

    fn number(&self, block: *mut Free) -> usize {
        (block as usize - self.at(0) as usize) / size_of::<Free>()
    }

    /// The last use of an object, and its end, on a thread that does not own the page.
    fn free(&self, block: usize, push: Push) {
        self.contents[block].set(7);
        push(self, self.at(block));
    }

    /// Gives every block on the list out again; how often each was there is added up.
    fn use_again(&self, mut list: *mut Free, times: &mut [usize]) {
        while !list.is_null() {
            let number = self.number(list);
            // SAFETY: a block of the arena.
            let block = unsafe { &*list };
            list = block.next(OWN);
            block.fill();
            assert_eq!(self.contents[number].get(), 7, "freed before its last use");
            self.contents[number].set(0);
            times[number] += 1;
        }
    }
}

type Push = fn(&Page, *mut Free);
type Take = fn(&Page) -> *mut Free;

fn push(page: &Page, block: *mut Free) {
    // SAFETY: each block is freed once.
    unsafe { page.remote.push(block) };
}

fn take(page: &Page) -> *mut Free {
    page.remote.take(null_mut())
}

/// Others free one block each while the owner takes back what it finds.
fn frees(others: usize, push: Push, take: Take) {
    let page = Page::new(others);
    let threads: Vec<_> = (0..others)
        .map(|i| {
            let page = page.clone();
            thread::spawn(move || page.free(i, push))
        })
        .collect();
    let mut times = vec![0; others];
    page.use_again(take(&page), &mut times);
    threads.into_iter().for_each(|t| t.join().unwrap());
    page.use_again(take(&page), &mut times);
    assert_eq!(times, vec![1; others], "a block is lost or given out twice");
}

#[test]
fn each_block_comes_back_once() {
    holds(8, || frees(2, push, take));
    holds(3, || frees(3, push, take));
}

#[test]
fn broken_pushed_relaxed() {
    fails(3, || {
        frees(
            1,
            |page, block| {
                // SAFETY: a block of the arena.
                unsafe { (*block).link().store(REMOTE, Relaxed) };
                page.remote.head().store(block, Relaxed);
            },
            take,
        )
    });
}

#[test]
fn broken_pushed_in_two_steps() {
    fails(3, || {
        frees(
            2,
            |page, block| {
                let head = page.remote.head().load(Relaxed);
                // SAFETY: a block of the arena.
                unsafe { (*block).set_next(head, REMOTE) };
                page.remote.head().store(block, Release);
            },
            take,
        )
    });
}

#[test]
fn broken_taken_in_two_steps() {
    fails(3, || {
        frees(2, push, |page| {
            let mut p = page.remote.head().load(Acquire);
            page.remote.head().store(null_mut(), Release);
            let mut list = null_mut();
            while !p.is_null() {
                // SAFETY: blocks of the arena.
                unsafe {
                    let next = (*p).next(REMOTE);
                    (*p).set_next(list, OWN);
                    list = p;
                    p = next;
                }
            }
            list
        })
    });
}

/// A page whose thread has ended, with one block on that thread's list, is adopted while another thread frees a block of it. `collects`
/// says which blocks the new owner takes for its own.
fn adoption(collects: fn(&Free) -> bool) {
    let page = Page::new(2);
    let orphans = Arc::new(Mutex::new(None));
    let other = {
        let page = page.clone();
        thread::spawn(move || page.free(1, push))
    };
    let ended = {
        let (page, orphans) = (page.clone(), orphans.clone());
        thread::spawn(move || {
            page.contents[0].set(7);
            page.blocks[0].set_next(null_mut(), OWN);
            *orphans.lock() = Some(page);
        })
    };
    let mut times = [0, 0];
    let adopt = |page: &Page, times: &mut [usize]| {
        let mut list = null_mut();
        for block in &page.blocks {
            if collects(block) {
                block.set_next(list, OWN);
                list = (&raw const *block).cast_mut();
            }
        }
        list = page.remote.take(list);
        page.use_again(list, times);
    };
    let found = orphans.lock().take();
    let adopted = found.is_some();
    if let Some(page) = found {
        adopt(&page, &mut times);
    }
    ended.join().unwrap();
    other.join().unwrap();
    if !adopted {
        adopt(&page, &mut times);
    }
    page.use_again(take(&page), &mut times);
    assert_eq!(times, [1, 1], "a block is lost or given out twice");
}

#[test]
fn a_page_is_adopted_while_others_free_its_blocks() {
    holds(3, || adoption(Free::is_own));
}

/// What is free, but still on its way to the remote list, is taken as well.
#[test]
fn broken_adopting_what_is_on_its_way() {
    fails(3, || adoption(Free::is_free));
}
