//! Compiled code of the embedded library's modules, made by `build.rs`. It holds for code that is compiled without `-O`.

use crate::compile::CodeProto;
use crate::proto_file;

static BLOB: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/code.blob"));

/// Bytes of an index entry; see `build.rs` for the layout.
const ENTRY: usize = 20;

fn number(at: usize) -> usize {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&BLOB[at..at + 4]);
    u32::from_le_bytes(bytes) as usize
}

fn field(i: usize, field: usize) -> usize {
    number(4 + i * ENTRY + field * 4)
}

fn path(i: usize) -> &'static [u8] {
    let at = field(i, 0);
    &BLOB[at..at + field(i, 1)]
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

/// The compiled code of the library's file at this path, if there is one in the program.
pub fn code(file: &str) -> Option<CodeProto> {
    let i = find(file.as_bytes())?;
    let (at, stored, raw) = (field(i, 2), field(i, 3), field(i, 4));
    let bytes = &BLOB[at..at + stored];
    if stored == raw {
        return proto_file::read(bytes);
    }
    proto_file::read(&lz4_flex::block::decompress(bytes, raw).ok()?)
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
            let code = code(file).expect(file);
            assert!(code.name == "<module>" && !code.instrs.is_empty());
        }
        assert!(code("no/such/file.py").is_none());
    }
}
