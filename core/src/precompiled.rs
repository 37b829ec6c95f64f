//! Compiled code of the embedded library's modules, made by `build.rs`. It holds for code that is compiled without `-O`.

use crate::code_load;
use parking_lot::Mutex;
use std::cell::UnsafeCell;
use weft_objects::prelude::*;

const BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/code.blob"));

/// Begins where instructions may begin. In memory that can be written: instructions are replaced while tracing tools ask for events.
#[repr(C, align(8))]
struct Aligned(UnsafeCell<[u8; BYTES.len()]>);
// SAFETY: only instruction words are ever written, as atomics; and as bytes those are not read.
unsafe impl Sync for Aligned {}

static ALIGNED: Aligned = Aligned(UnsafeCell::new(*include_bytes!(concat!(
    env!("OUT_DIR"),
    "/code.blob"
))));

fn blob() -> &'static [u8] {
    // SAFETY: as above; the program's memory stays.
    unsafe { &*ALIGNED.0.get() }
}

/// Files whose code has been given out: it is some code objects' own now, so what is loaded once more is copied.
static TAKEN: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// Whether the file's code has not been given out yet, which it is by this.
fn take(file: &[u8]) -> bool {
    let at = file.as_ptr().addr();
    let mut taken = TAKEN.lock();
    let new = !taken.contains(&at);
    if new {
        taken.push(at);
    }
    new
}

/// Bytes of an index entry; see `build.rs` for the layout.
const ENTRY: usize = 20;

fn number(at: usize) -> usize {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&blob()[at..at + 4]);
    u32::from_le_bytes(bytes) as usize
}

fn field(i: usize, field: usize) -> usize {
    number(4 + i * ENTRY + field * 4)
}

fn path(i: usize) -> &'static [u8] {
    let at = field(i, 0);
    &blob()[at..at + field(i, 1)]
}

fn find(wanted: &[u8]) -> Option<usize> {
    let (mut low, mut high) = (0, number(0));
    while low < high {
        let middle = low.midpoint(high);
        match path(middle).cmp(wanted) {
            std::cmp::Ordering::Equal => return Some(middle),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    None
}

/// The compiled code of the library's file at this path, if there is one in the program, with this file name.
pub fn code(t: &mut Thread, file: &str, filename: &Obj) -> Option<Obj> {
    let bytes = bytes(file)?;
    if take(bytes) {
        code_load::load_kept(t, bytes, filename)
    } else {
        code_load::load_copied(t, bytes, filename)
    }
}

/// Nothing is packed: code is used where it lies in the program.
fn bytes(file: &str) -> Option<&'static [u8]> {
    let i = find(file.as_bytes())?;
    let (at, stored) = (field(i, 2), field(i, 3));
    blob().get(at..at + stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_start_needs_is_there() {
        for file in [
            "importlib/_bootstrap.py",
            "importlib/_bootstrap_external.py",
        ] {
            assert!(!bytes(file).expect(file).is_empty());
        }
        assert!(bytes("no/such/file.py").is_none());
    }
}
