//! Compiled code of the embedded library's modules, made by `build.rs`. It holds for code that is compiled without `-O`.

use crate::code_load::{self, Parts};
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

const LATE_BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/code_late.blob"));
/// The second parts of the files (see `proto_file.rs`), which nobody writes. Where the library is, too.
#[cfg_attr(target_os = "linux", unsafe(link_section = "weft_library"))]
static LATE: [u8; LATE_BYTES.len()] = *include_bytes!(concat!(env!("OUT_DIR"), "/code_late.blob"));

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

fn number(blob: &[u8], at: usize) -> usize {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&blob[at..at + 4]);
    u32::from_le_bytes(bytes) as usize
}

/// The path of the `i`th file.
fn path(i: usize) -> &'static [u8] {
    field(blob(), i, 0)
}

/// Its data.
fn data(blob: &'static [u8], i: usize) -> &'static [u8] {
    field(blob, i, 2)
}

/// What lies where the `n`th number of the index entry says, as long as the next one says.
fn field(blob: &'static [u8], i: usize, n: usize) -> &'static [u8] {
    let entry = 4 + i * ENTRY + n * 4;
    let at = number(blob, entry);
    &blob[at..at + number(blob, entry + 4)]
}

fn find(wanted: &[u8]) -> Option<usize> {
    let (mut low, mut high) = (0, number(blob(), 0));
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
    let parts = parts(file)?;
    if take(parts.0) {
        code_load::load_kept(t, parts, filename)
    } else {
        code_load::load_copied(t, parts, filename)
    }
}

/// Nothing is packed: code is used where it lies in the program. Both files have the same paths.
fn parts(file: &str) -> Option<Parts<'static>> {
    let i = find(file.as_bytes())?;
    Some((data(blob(), i), data(&LATE, i)))
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
            assert!(!parts(file).expect(file).0.is_empty());
        }
        assert!(parts("no/such/file.py").is_none());
    }
}
