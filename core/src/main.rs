//! The `weft` program.
//!
//! The C library calls `main` itself: what Rust's own start-up does besides (a message on stack overflow, opening descriptors that are
//! closed) Python does not want, and it takes time.
#![no_main]

#[cfg(not(weft_sanitizer))]
mod allocator;

use std::ffi::{CStr, OsString, c_char, c_int};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use weft_core::cli::{Parsed, parse};
#[cfg(not(weft_sanitizer))]
use weft_gc::reserve::WithReserve;

// Sanitizers watch the memory of the system's allocator only.
#[cfg(not(weft_sanitizer))]
#[global_allocator]
static ALLOCATOR: WithReserve<allocator::Allocator> = WithReserve(allocator::Allocator);

#[cfg(not(weft_sanitizer))]
unsafe extern "C" {
    /// mimalloc's, of the version that is linked in.
    fn mi_option_set(option: c_int, value: std::ffi::c_long);
}

/// How much address space the allocator asks for at first, in KiB: tables of a size in proportion are filled when it starts.
#[cfg(not(weft_sanitizer))]
const ARENA_RESERVE: (c_int, std::ffi::c_long) = (23, 256 << 10);

/// # Safety
/// To be called by the C library, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    // SAFETY: nothing has been allocated yet, and no other thread runs; writing to a closed pipe is to be an error.
    unsafe {
        #[cfg(not(weft_sanitizer))]
        mi_option_set(ARENA_RESERVE.0, ARENA_RESERVE.1);
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
    }
    let args = (0..usize::try_from(argc).unwrap_or(0)).map(|i| {
        // SAFETY: `argv` holds `argc` texts.
        let arg = unsafe { CStr::from_ptr(*argv.add(i)) };
        OsString::from_vec(arg.to_bytes().to_vec())
    });
    let args = args.collect();
    // A panic must not leave Rust.
    let code = std::panic::catch_unwind(|| run(args)).unwrap_or(101);
    std::process::exit(code)
}

fn run(args: Vec<OsString>) -> i32 {
    match parse(args) {
        Parsed::Run(config) => weft_core::start::run(*config),
        Parsed::Exit(text, 0) => {
            let written = std::io::stdout().write_all(text.as_bytes());
            i32::from(written.is_err())
        }
        Parsed::Exit(text, code) => {
            eprint!("{text}");
            code
        }
    }
}
