//! A thread collects its own heap, stopping nobody, while what it has published lives and dies on its pages (I2, I3).
//!
//! Drives the marking of publication and the blocks' words of `gc` itself. What an object holds is watched: the collector may look into
//! what is local alone.
#![cfg(loom)]

#[path = "../../gc/src/barrier.rs"]
#[allow(dead_code)]
mod barrier;
#[path = "../../gc/src/block.rs"]
#[allow(dead_code)]
mod block;

use barrier::{Node, SHARED, Word, publish};
use block::{Free, OWN, RemoteList};
use std::ptr::null_mut;
use weft_loom_tests::{Watched, fails, holds};
use weft_threads::sync::atomic::{AtomicU16, AtomicU64, Ordering::*};
use weft_threads::sync::{Arc, thread};

/// The tag of the thread that owns the page.
const MINE: u16 = 7;
const EMPTY: u64 = 0;

struct Object {
    owner: AtomicU16,
    block: Free,
    contents: Watched<u64>,
}

impl Node for Object {
    fn owner(&self) -> &AtomicU16 {
        &self.owner
    }
    fn has_edges(&self) -> bool {
        false
    }
    fn edges(&self, _f: &mut dyn FnMut(&Object)) {}
}

/// One object that is published, and one that stays local.
struct Page {
    objects: [Object; 2],
    remote: RemoteList,
    /// What all threads can reach: the number of an object, plus one.
    shared: Word,
}

// SAFETY: the protocol under test.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    fn new() -> Arc<Page> {
        let object = || Object {
            owner: AtomicU16::new(MINE),
            block: Free::in_use(),
            contents: Watched::new(1),
        };
        Arc::new(Page {
            objects: [object(), object()],
            remote: RemoteList::new(),
            shared: Word(AtomicU64::new(EMPTY)),
        })
    }

    /// Another thread takes the object out of where it was stored, changes it and frees it, if it finds one.
    fn destroy(&self) -> bool {
        let word = self.shared.exchange(EMPTY, || ());
        if word == EMPTY {
            return false;
        }
        let object = &self.objects[word as usize - 1];
        object.contents.set(2);
        let block = (&raw const object.block).cast_mut();
        // SAFETY: taken out by this thread alone.
        unsafe { self.remote.push(block) };
        true
    }

    fn publish(&self) {
        self.shared.exchange(1, || {
            publish(&self.objects[0], MINE);
        });
    }
}

/// What the local collector asks before it looks into a block.
fn is_in_view(object: &Object) -> bool {
    !object.block.is_free() && object.owner.load(Relaxed) == MINE
}

/// The owner publishes, collects, takes blocks back and makes an object in one, all while another thread destroys what is published.
fn collection(in_view: fn(&Object) -> bool) {
    let page = Page::new();
    let other = {
        let page = page.clone();
        thread::spawn(move || page.destroy())
    };
    page.publish();
    let walk = |page: &Page| {
        let mut seen = 0;
        for object in &page.objects {
            if in_view(object) {
                assert_eq!(object.contents.get(), 1, "looked into what is not local");
                seen += 1;
            }
        }
        seen
    };
    assert_eq!(walk(&page), 1);
    let list = page.remote.take(null_mut());
    if !list.is_null() {
        // The block is used again: a local object once more.
        // SAFETY: a block of the page.
        assert!(unsafe { (*list).next(OWN) }.is_null());
        page.objects[0].contents.set(1);
        page.objects[0].owner.store(MINE, Relaxed);
        page.objects[0].block.fill();
        assert_eq!(walk(&page), 2);
    }
    other.join().unwrap();
    assert!(page.objects[1].owner.load(Relaxed) != SHARED);
}

#[test]
fn only_what_is_local_is_looked_into() {
    holds(8, || collection(is_in_view));
}

#[test]
fn broken_looking_into_what_is_shared() {
    fails(3, || collection(|object| !object.block.is_free()));
}

/// What was freed by others keeps its owner's tag, which may be anything: the mark is what counts.
#[test]
fn broken_not_asking_whether_it_is_free() {
    fails(3, || {
        let page = Page::new();
        // A block that this thread has freed itself: its header is as it was.
        page.objects[1].contents.set(9);
        page.objects[1].block.set_next(null_mut(), OWN);
        for object in &page.objects {
            if object.owner.load(Relaxed) == MINE {
                assert_eq!(object.contents.get(), 1);
            }
        }
    });
}
