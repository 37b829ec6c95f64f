//! Packs the pure-Python standard library into one file for `src/embedded.rs` to include: the Lib of
//! the crate `rustpython-pylib` (CPython's), with this repository's own `Lib/` laid over it.
//!
//! Layout, all numbers little-endian `u32`: the count of files; per file, sorted by path, an index
//! entry (path offset, path length, data offset, stored length, raw length; offsets from the start of
//! the blob); then the paths; then the data of each, beginning at a multiple of eight: an LZ4 block, or
//! raw where that is not worth it (stored length = raw length).
//!
//! A second blob of the same layout, for `src/precompiled.rs`, holds the compiled code of the modules:
//! of all of them in an optimised build, else of those that every start needs; what `layout.txt` names comes
//! first. It is all raw, as it is used where it lies. A third has what code hardly ever needs.

#[allow(dead_code, unused_imports, clippy::all)]
#[path = "src/compile/mod.rs"]
mod compile;
mod mends;
#[allow(dead_code, clippy::all)]
#[path = "src/proto_file.rs"]
mod proto_file;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::{env, fs, io};

/// What is not taken from the standard library: tests, what stands on Tk, another machine's instructions.
const LEFT_OUT: [&str; 7] = [
    "test",
    "idlelib",
    "lib2to3",
    "tkinter",
    "turtledemo",
    "turtle.py",
    "_opcode_metadata.py",
];
/// What is compiled beforehand in a build that is not optimised.
const STARTUP: [&str; 4] = [
    "importlib/_bootstrap.py",
    "importlib/_bootstrap_external.py",
    "_weft_site.py",
    "_sitebuiltins.py",
];
/// Files shorter than this are stored raw.
const WORTH_PACKING: usize = 256;

fn main() {
    let own_lib =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../Lib");
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=mends.rs");
    println!("cargo::rerun-if-changed={}", own_lib.display());

    let mut files = BTreeMap::new();
    let std_lib = Path::new(rustpython_pylib::LIB_PATH);
    collect(std_lib, "", &mut files).unwrap_or_else(|e| panic!("{}: {e}", std_lib.display()));
    files.retain(|path, _| path.split('/').all(|part| !LEFT_OUT.contains(&part)));
    if own_lib.is_dir() {
        collect(&own_lib, "", &mut files).unwrap_or_else(|e| panic!("{}: {e}", own_lib.display()));
    }
    let mut contents =
        read_all(&files).unwrap_or_else(|e| panic!("reading the standard library: {e}"));
    for (path, from, to) in mends::CHANGED {
        let file = contents
            .get_mut(*path)
            .unwrap_or_else(|| panic!("there is no {path}"));
        let text = String::from_utf8(std::mem::take(file)).expect("the library is UTF-8");
        assert!(text.contains(*from), "{path} does not contain {from}");
        *file = text.replace(from, to).into_bytes();
    }
    fs::write(
        out_dir.join("stdlib.blob"),
        pack(&contents, &[], |len| len >= WORTH_PACKING),
    )
    .expect("OUT_DIR can be written");
    lay_out(&out_dir, &contents);

    fs::write(out_dir.join("names.txt"), module_names(&contents)).expect("OUT_DIR can be written");
    fixed_address();
    let (sections, used) = layout();
    order_text(&out_dir, &sections);
    println!("cargo::rerun-if-changed=src/compile");
    println!("cargo::rerun-if-changed=src/proto_file.rs");
    let all = optimised();
    let wanted = contents
        .into_iter()
        .filter(|(path, _)| path.ends_with(".py") && (all || STARTUP.contains(&path.as_str())))
        .collect();
    let (mut early, mut late) = (BTreeMap::new(), BTreeMap::new());
    for (path, code) in compile_all(wanted, &out_dir.join("code")) {
        let parts = proto_file::parts(&code).expect("just written");
        early.insert(path.clone(), parts.0.to_vec());
        late.insert(path, parts.1.to_vec());
    }
    let first: Vec<String> = STARTUP
        .iter()
        .map(|f| (*f).to_owned())
        .chain(used)
        .collect();
    for (name, parts) in [("code.blob", &early), ("code_late.blob", &late)] {
        let blob = pack(parts, &first, |_| false);
        fs::write(out_dir.join(name), blob).expect("OUT_DIR can be written");
    }
}

/// Writes the library's files to where modules say that they are (`__file__`), for whoever wants to read them: debuggers,
/// editors, tests. The program itself does not, and runs as well where they are not.
fn lay_out(out_dir: &Path, contents: &BTreeMap<String, Vec<u8>>) {
    // OUT_DIR is `<target>/<profile>/build/<package>/out`, the program `<target>/<profile>/weft`.
    let Some(target) = out_dir.ancestors().nth(4) else {
        return;
    };
    // As in `sys/info.rs`.
    let gil = env::var_os("CARGO_FEATURE_GIL").is_some();
    let root = target
        .join("lib")
        .join(if gil { "weft3.14" } else { "weft3.14t" });
    for (path, data) in contents {
        let file = root.join(path);
        if fs::read(&file).is_ok_and(|old| old == *data) {
            continue;
        }
        // Builds of other profiles may do the same at the same time: each file is put in its place as a whole.
        let fresh = root.join(format!("{path}.{}.tmp", std::process::id()));
        let written = file
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&fresh, data))
            .and_then(|()| fs::rename(&fresh, &file));
        if let Err(e) = written {
            println!("cargo::warning={}: {e}", file.display());
            return;
        }
    }
}

/// The names of the modules right in the library, a line each.
fn module_names(files: &BTreeMap<String, Vec<u8>>) -> String {
    let name = |path: &String| match path.split_once('/') {
        Some((package, _)) => Some(package.to_owned()),
        None => path.strip_suffix(".py").map(str::to_owned),
    };
    let is_name = |n: &String| n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let mut names: Vec<String> = files.keys().filter_map(name).filter(is_name).collect();
    names.dedup();
    names.join("\n")
}

/// Links the program for a fixed address where that is usual: some twenty thousand words of tables then need no change when it starts.
fn fixed_address() {
    if linked_by_gnu_rules() {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}

fn linked_by_gnu_rules() -> bool {
    let is = |var: &str, value: &str| env::var(var).is_ok_and(|v| v == value);
    is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu")
}

fn optimised() -> bool {
    env::var("OPT_LEVEL").is_ok_and(|l| !matches!(l.as_str(), "0" | "1"))
}

/// What `layout.txt` names: groups of linker sections, and files of the library, in the order in which they are to lie.
fn layout() -> (Vec<Vec<String>>, Vec<String>) {
    println!("cargo::rerun-if-changed=layout.txt");
    let text = fs::read_to_string("layout.txt").expect("lies beside this file");
    let mut groups: Vec<Vec<String>> = text
        .split("\n\n")
        .map(|group| group.lines().map(str::to_owned).collect())
        .collect();
    let files = groups.pop().unwrap_or_default();
    (groups, files)
}

/// Has the linker put together what is used: the system maps a program by 16 pages at a time, so it is not to lie scattered among what
/// is not. Sections that are not there, as they have been renamed or were made part of others, do no harm.
fn order_text(out_dir: &Path, groups: &[Vec<String>]) {
    if !linked_by_gnu_rules() || !optimised() {
        return;
    }
    // First what has no names: where the program is entered.
    let mut script = String::from("SECTIONS {\n.text.used : {\n*crt*.o(.text)\n");
    for group in groups {
        let sections = group.iter();
        let sections = sections
            .map(|n| format!(".text.{n} .text.unlikely.{n} .text.startup.{n} .text.exit.{n}\n"));
        script.push_str(&format!("*({})\n", sections.collect::<String>()));
    }
    script.push_str("*(.text)\n}\n} INSERT BEFORE .text;\n");
    let file = out_dir.join("layout.ld");
    fs::write(&file, script).expect("OUT_DIR can be written");
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", file.display());
}

fn read_all(files: &BTreeMap<String, PathBuf>) -> io::Result<BTreeMap<String, Vec<u8>>> {
    files
        .iter()
        .map(|(path, file)| Ok((path.clone(), fs::read(file)?)))
        .collect()
}

/// The compiled code of each source file that compiles. What has been compiled before is taken from
/// `cache`, where it lies under the hash of the source and of the compiler.
fn compile_all(files: BTreeMap<String, Vec<u8>>, cache: &Path) -> BTreeMap<String, Vec<u8>> {
    let compiler = compiler_hash();
    let old: Vec<PathBuf> = fs::read_dir(cache)
        .map(|dir| dir.flatten().map(|e| e.path()).collect())
        .unwrap_or_default();
    fs::create_dir_all(cache).expect("OUT_DIR can be written");
    let files: Vec<(String, Vec<u8>)> = files.into_iter().collect();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let used = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((path, source)) = files.get(next.fetch_add(1, Relaxed)) {
                    let mut hasher = DefaultHasher::new();
                    (compiler, path, source).hash(&mut hasher);
                    let cached = cache.join(format!("{:016x}", hasher.finish()));
                    let code = fs::read(&cached).ok().or_else(|| {
                        let code = compile_one(source)?;
                        fs::write(&cached, &code).ok()?;
                        Some(code)
                    });
                    used.lock().expect("no thread panics").push(cached);
                    if let Some(code) = code {
                        done.lock()
                            .expect("no thread panics")
                            .insert(path.clone(), code);
                    }
                }
            });
        }
    });
    let used = used.into_inner().expect("no thread panics");
    for stale in old.iter().filter(|p| !used.contains(p)) {
        let _ = fs::remove_file(stale);
    }
    done.into_inner().expect("no thread panics")
}

/// `None`: it has errors, which importing it will show.
fn compile_one(source: &[u8]) -> Option<Vec<u8>> {
    let text = compile::decode_source(source, None).ok()?;
    let code = compile::compile(&text, compile::Mode::Exec, &compile::Options::default()).ok()?;
    Some(proto_file::write(&code))
}

fn compiler_hash() -> u64 {
    let mut files: Vec<PathBuf> = fs::read_dir("src/compile")
        .map(|dir| dir.flatten().map(|e| e.path()).collect())
        .unwrap_or_default();
    files.push("src/proto_file.rs".into());
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        fs::read(file).unwrap_or_default().hash(&mut hasher);
    }
    hasher.finish()
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

/// `first` are paths whose data come first, `worth_it` says of which lengths a file is packed.
fn pack(
    files: &BTreeMap<String, Vec<u8>>,
    first: &[String],
    worth_it: fn(usize) -> bool,
) -> Vec<u8> {
    let names = files.keys().map(String::len).sum::<usize>();
    let paths_at = 4 + 20 * files.len();
    let data_at = (paths_at + names).next_multiple_of(8);
    let mut data = Vec::new();
    let mut places = BTreeMap::new();
    let rest = files.keys().map(String::as_str);
    let rest = rest.filter(|path| !first.iter().any(|f| f == path));
    for path in first.iter().map(String::as_str).chain(rest) {
        let Some(raw) = files.get(path).filter(|_| !places.contains_key(path)) else {
            continue;
        };
        let packed = worth_it(raw.len()).then(|| lz4_flex::block::compress(raw));
        let packed = packed.filter(|packed| packed.len() < raw.len() - raw.len() / 8);
        let stored = packed.as_ref().unwrap_or(raw);
        places.insert(path, (data_at + data.len(), stored.len(), raw.len()));
        data.extend(stored);
        data.resize(data.len().next_multiple_of(8), 0);
    }
    let mut index = u32_le(files.len()).to_vec();
    let mut paths = Vec::new();
    for (path, (at, stored, raw)) in places {
        for n in [paths_at + paths.len(), path.len(), at, stored, raw] {
            index.extend(u32_le(n));
        }
        paths.extend(path.as_bytes());
    }
    paths.resize(data_at - paths_at, 0);
    [index, paths, data].concat()
}

fn u32_le(n: usize) -> [u8; 4] {
    u32::try_from(n)
        .expect("the library is far below 4 GiB")
        .to_le_bytes()
}
