//! Packs the pure-Python standard library into one file for `src/embedded.rs` to include: the Lib of
//! the crate `rustpython-pylib` (CPython's), with this repository's own `Lib/` laid over it.
//!
//! Layout, all numbers little-endian `u32`: the count of files; per file, sorted by path, an index
//! entry (path offset, path length, data offset, stored length, raw length; offsets from the start of
//! the blob); then the paths; then the data, LZ4 blocks, or raw where that is not worth it (stored
//! length = raw length).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What is not taken from the standard library: tests, and what stands on Tk.
const LEFT_OUT: [&str; 6] = [
    "test",
    "idlelib",
    "lib2to3",
    "tkinter",
    "turtledemo",
    "turtle.py",
];
/// Files shorter than this are stored raw.
const WORTH_PACKING: usize = 256;

fn main() {
    let own_lib =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../Lib");
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", own_lib.display());

    let mut files = BTreeMap::new();
    let std_lib = Path::new(rustpython_pylib::LIB_PATH);
    collect(std_lib, "", &mut files).unwrap_or_else(|e| panic!("{}: {e}", std_lib.display()));
    files.retain(|path, _| path.split('/').all(|part| !LEFT_OUT.contains(&part)));
    if own_lib.is_dir() {
        collect(&own_lib, "", &mut files).unwrap_or_else(|e| panic!("{}: {e}", own_lib.display()));
    }
    let blob = pack(&files).unwrap_or_else(|e| panic!("packing the standard library: {e}"));
    fs::write(out_dir.join("stdlib.blob"), blob).expect("OUT_DIR can be written");
}

/// Adds every file below `dir` under its path from there, `/`-separated; later calls replace.
fn collect(dir: &Path, prefix: &str, files: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
            continue;
        };
        if name == "__pycache__" || name.starts_with('.') || name.ends_with(".pyc") {
            continue;
        }
        if path.is_dir() {
            collect(&path, &format!("{prefix}{name}/"), files)?;
        } else {
            files.insert(format!("{prefix}{name}"), path);
        }
    }
    Ok(())
}

fn pack(files: &BTreeMap<String, PathBuf>) -> io::Result<Vec<u8>> {
    let paths_at = 4 + 20 * files.len();
    let mut paths = Vec::new();
    let mut index = u32_le(files.len()).to_vec();
    let mut data = Vec::new();
    let data_at = paths_at + files.keys().map(String::len).sum::<usize>();
    for (path, file) in files {
        let raw = fs::read(file)?;
        let packed = if raw.len() < WORTH_PACKING {
            raw.clone()
        } else {
            lz4_flex::block::compress(&raw)
        };
        let stored = if packed.len() < raw.len() - raw.len() / 8 {
            &packed
        } else {
            &raw
        };
        for n in [
            paths_at + paths.len(),
            path.len(),
            data_at + data.len(),
            stored.len(),
            raw.len(),
        ] {
            index.extend(u32_le(n));
        }
        paths.extend(path.as_bytes());
        data.extend(stored);
    }
    Ok([index, paths, data].concat())
}

fn u32_le(n: usize) -> [u8; 4] {
    u32::try_from(n)
        .expect("the library is far below 4 GiB")
        .to_le_bytes()
}
