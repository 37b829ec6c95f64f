//! The pure-Python standard library inside the binary: CPython's, with this repository's `Lib/` laid
//! over it, packed by `build.rs` (which describes the layout).
//!
//! Paths are `/`-separated and relative to the library's root: `json/__init__.py`; the root itself is
//! the empty path. Nothing is built at start-up: the index is searched where it lies.

use std::borrow::Cow;

const BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stdlib.blob"));
/// Not among the program's other constants, which lie closer together without it: the system maps a file by many pages at a time.
#[cfg_attr(target_os = "linux", unsafe(link_section = "weft_library"))]
static BLOB: [u8; BYTES.len()] = *include_bytes!(concat!(env!("OUT_DIR"), "/stdlib.blob"));

const ENTRY: usize = 20;

fn number(at: usize) -> usize {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&BLOB[at..at + 4]);
    u32::from_le_bytes(bytes) as usize
}

fn count() -> usize {
    number(0)
}

/// The `field`th number of the `i`th index entry.
fn field(i: usize, field: usize) -> usize {
    number(4 + i * ENTRY + field * 4)
}

fn path(i: usize) -> &'static str {
    let at = field(i, 0);
    // The build script wrote UTF-8; the check costs a few nanoseconds.
    std::str::from_utf8(&BLOB[at..at + field(i, 1)]).unwrap_or("")
}

/// The first entry whose path, compared as bytes, is not below `head` followed by `tail`.
fn lower_bound(head: &str, tail: &str) -> usize {
    let (mut low, mut high) = (0, count());
    while low < high {
        let middle = low.midpoint(high);
        if path(middle).bytes().lt(head.bytes().chain(tail.bytes())) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

fn find(wanted: &str) -> Option<usize> {
    let i = lower_bound(wanted, "");
    (i < count() && path(i) == wanted).then_some(i)
}

/// The bytes of the file at `path`, or `None` where there is no such file.
pub fn read(path: &str) -> Option<Cow<'static, [u8]>> {
    let i = find(path)?;
    let (at, stored, raw) = (field(i, 2), field(i, 3), field(i, 4));
    let bytes = &BLOB[at..at + stored];
    if stored == raw {
        return Some(Cow::Borrowed(bytes));
    }
    lz4_flex::block::decompress(bytes, raw).ok().map(Cow::Owned)
}

/// The size in bytes of the file at `path`, without unpacking it.
pub fn size(path: &str) -> Option<usize> {
    find(path).map(|i| field(i, 4))
}

/// Whether there is a file at `path`.
pub fn is_file(path: &str) -> bool {
    find(path).is_some()
}

/// Whether there is a directory at `path` (the root is the empty path).
pub fn is_dir(dir: &str) -> bool {
    if dir.is_empty() {
        return true;
    }
    let i = lower_bound(dir, "/");
    i < count()
        && path(i)
            .strip_prefix(dir)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// Whether the directory at `path` is a regular package, that is, holds an `__init__.py`.
pub fn is_package(dir: &str) -> bool {
    let i = lower_bound(dir, "/__init__.py");
    i < count() && path(i).strip_prefix(dir) == Some("/__init__.py")
}

/// The names of the files and directories right in `dir`, sorted; empty where there is no such
/// directory.
pub fn list(dir: &str) -> Names<'_> {
    let next = if dir.is_empty() {
        0
    } else {
        lower_bound(dir, "/")
    };
    Names { dir, next }
}

/// The iterator that [`list`] returns.
pub struct Names<'a> {
    dir: &'a str,
    next: usize,
}

impl Iterator for Names<'_> {
    type Item = &'static str;

    fn next(&mut self) -> Option<&'static str> {
        if self.next >= count() {
            return None;
        }
        let whole = path(self.next);
        let rest = match self.dir {
            "" => whole,
            dir => whole.strip_prefix(dir)?.strip_prefix('/')?,
        };
        match rest.split_once('/') {
            None => {
                self.next += 1;
                Some(rest)
            }
            Some((name, below)) => {
                // Past all that lies in this directory: '0' is the byte after '/'.
                self.next = lower_bound(&whole[..whole.len() - below.len() - 1], "0");
                Some(name)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(dir: &str, files: &mut Vec<String>) {
        for name in list(dir) {
            let path = if dir.is_empty() {
                name.to_owned()
            } else {
                format!("{dir}/{name}")
            };
            assert_ne!(is_dir(&path), is_file(&path), "{path}");
            if is_dir(&path) {
                walk(&path, files);
            } else {
                files.push(path);
            }
        }
    }

    #[test]
    fn every_file_is_listed_and_unpacks_to_its_size() {
        let mut files = Vec::new();
        walk("", &mut files);
        assert_eq!(files.len(), count());
        for file in &files {
            assert_eq!(read(file).map(|bytes| bytes.len()), size(file), "{file}");
            assert!(size(file).is_some(), "{file}");
        }
    }

    #[test]
    fn what_is_there_and_what_is_not() {
        let os = read("os.py").expect("os.py");
        assert!(os.windows(12).any(|w| w == b"def makedirs"));
        assert!(is_package("json") && is_dir("json") && !is_file("json"));
        assert!(list("json").eq([
            "__init__.py",
            "__main__.py",
            "decoder.py",
            "encoder.py",
            "scanner.py",
            "tool.py"
        ]));
        assert!(is_dir("") && !is_package("") && is_dir("wsgiref"));
        for absent in [
            "jso",
            "json/",
            "json0",
            "/os.py",
            "zzz",
            "test",
            "tkinter",
            "nothing/os.py",
        ] {
            assert!(read(absent).is_none() && !is_dir(absent), "{absent}");
            assert!(
                !is_package(absent) && list(absent).next().is_none(),
                "{absent}"
            );
        }
        assert!(list("").is_sorted());
    }

    #[test]
    fn own_lib_wins() {
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../Lib");
        for entry in std::fs::read_dir(own).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".py") {
                let file = std::fs::read(entry.path()).expect("readable");
                assert_eq!(read(&name).as_deref(), Some(&file[..]), "{name}");
            }
        }
    }
}
