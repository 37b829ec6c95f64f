//! The program's allocator: mimalloc, asked without an alignment wherever each of its blocks has it anyway.

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_void;

unsafe extern "C" {
    // mimalloc's, of the version that is linked in.
    fn mi_malloc(size: usize) -> *mut c_void;
    fn mi_zalloc(size: usize) -> *mut c_void;
    fn mi_realloc(p: *mut c_void, size: usize) -> *mut c_void;
}

/// What every block is aligned to.
const WORD: usize = size_of::<usize>();

/// mimalloc. Being asked for aligned memory it asks itself for more than is needed unless the size is a power of two.
pub struct Allocator;

// SAFETY: mimalloc's functions keep the promises; blocks are aligned to words, and what has to be aligned to more goes to those that are
// told. All give memory that `mi_free` takes back.
unsafe impl GlobalAlloc for Allocator {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe {
            if layout.align() <= WORD {
                return mi_malloc(layout.size()) as *mut u8;
            }
            mimalloc::MiMalloc.alloc(layout)
        }
    }

    #[inline(always)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe {
            if layout.align() <= WORD {
                return mi_zalloc(layout.size()) as *mut u8;
            }
            mimalloc::MiMalloc.alloc_zeroed(layout)
        }
    }

    #[inline(always)]
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { mimalloc::MiMalloc.dealloc(p, layout) }
    }

    #[inline(always)]
    unsafe fn realloc(&self, p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe {
            if layout.align() <= WORD {
                return mi_realloc(p as *mut c_void, size) as *mut u8;
            }
            mimalloc::MiMalloc.realloc(p, layout, size)
        }
    }
}
