//! The constants of `sys`: version, flags, properties of numbers, hashes and threads, names of modules.

use crate::cli::{Config, FREE_THREADED, VERSION_INFO, version_text};
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::set::Set;
use weft_objects::text::hash;
use weft_stdlib::struct_sequence;
use weft_stdlib::structseq::Def;
use weft_stdlib::support::{fs_decode, int_obj};

struct_sequence!(VERSION, VERSION_DEF, "version_info" in "sys", items 5, {
    0 "major", 1 "minor", 2 "micro", 3 "releaselevel", 4 "serial",
});
struct_sequence!(FLAGS, FLAGS_DEF, "flags" in "sys", items 18, {
    0 "debug", 1 "inspect", 2 "interactive", 3 "optimize", 4 "dont_write_bytecode", 5 "no_user_site", 6 "no_site",
    7 "ignore_environment", 8 "verbose", 9 "bytes_warning", 10 "quiet", 11 "hash_randomization", 12 "isolated",
    13 "dev_mode", 14 "utf8_mode", 15 "warn_default_encoding", 16 "safe_path", 17 "int_max_str_digits", 18 "gil",
    19 "thread_inherit_context", 20 "context_aware_warnings",
});
struct_sequence!(FLOAT_INFO, FLOAT_INFO_DEF, "float_info" in "sys", items 11, {
    0 "max", 1 "max_exp", 2 "max_10_exp", 3 "min", 4 "min_exp", 5 "min_10_exp", 6 "dig", 7 "mant_dig", 8 "epsilon",
    9 "radix", 10 "rounds",
});
struct_sequence!(INT_INFO, INT_INFO_DEF, "int_info" in "sys", items 4, {
    0 "bits_per_digit", 1 "sizeof_digit", 2 "default_max_str_digits", 3 "str_digits_check_threshold",
});
struct_sequence!(HASH_INFO, HASH_INFO_DEF, "hash_info" in "sys", items 9, {
    0 "width", 1 "modulus", 2 "inf", 3 "nan", 4 "imag", 5 "algorithm", 6 "hash_bits", 7 "seed_bits", 8 "cutoff",
});
struct_sequence!(THREAD_INFO, THREAD_INFO_DEF, "thread_info" in "sys", items 3, {
    0 "name", 1 "lock", 2 "version",
});
struct_sequence!(ASYNCGEN_HOOKS, ASYNCGEN_HOOKS_DEF, "asyncgen_hooks" in "sys", items 2, {
    0 "firstiter", 1 "finalizer",
});
struct_sequence!(UNRAISABLE, UNRAISABLE_DEF, "UnraisableHookArgs" in "sys", items 5, {
    0 "exc_type", 1 "exc_value", 2 "exc_traceback", 3 "err_msg", 4 "object",
});

/// The module's name, as the first part of what is written here.
pub const CACHE_TAG: &str = "weft-314";
/// What the library's directory is called below `lib` of the prefix.
pub const LIB_NAME: &str = if FREE_THREADED {
    "weft3.14t"
} else {
    "weft3.14"
};

fn boolean(b: bool) -> Obj {
    Obj::from_raw(Value::bool(b))
}

fn none() -> Obj {
    Obj::from_raw(Value::NONE)
}

fn float_obj(t: &Thread, f: f64) -> Obj {
    Obj::own(weft_objects::float::from_f64(t, f))
}

fn version(t: &Thread, v: [i64; 3], level: &str) -> Obj {
    let mut fields: Vec<Obj> = v.iter().map(|n| int_obj(t, *n)).collect();
    fields.push(Str::intern(t, level));
    fields.push(int_obj(t, 0));
    VERSION_DEF.make(t, fields)
}

/// Major, minor and micro as one number, with the release level "final".
fn hex_version(v: [i64; 3]) -> i64 {
    v[0] << 24 | v[1] << 16 | v[2] << 8 | 0xf0
}

fn own_version() -> [i64; 3] {
    let mut parts = env!("CARGO_PKG_VERSION")
        .split('.')
        .map(|p| p.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

fn flags(t: &Thread, c: &Config) -> Obj {
    let n = |i: i64| int_obj(t, i);
    let b = |b: bool| int_obj(t, i64::from(b));
    FLAGS_DEF.make(
        t,
        vec![
            n(c.debug),
            b(c.inspect),
            b(c.interactive),
            n(i64::from(c.optimize)),
            b(c.dont_write_bytecode),
            b(c.no_user_site),
            b(c.no_site),
            b(c.ignore_environment),
            n(c.verbose),
            n(c.bytes_warning),
            b(c.quiet),
            b(c.hash_randomization),
            b(c.isolated),
            boolean(c.dev_mode),
            b(c.utf8_mode),
            b(c.warn_default_encoding),
            boolean(c.safe_path),
            n(c.int_max_str_digits),
            b(!FREE_THREADED),
            b(c.thread_inherit_context),
            b(c.context_aware_warnings),
        ],
    )
}

fn float_info(t: &Thread) -> Obj {
    let n = |i: i32| int_obj(t, i64::from(i));
    FLOAT_INFO_DEF.make(
        t,
        vec![
            float_obj(t, f64::MAX),
            n(f64::MAX_EXP),
            n(f64::MAX_10_EXP),
            float_obj(t, f64::MIN_POSITIVE),
            n(f64::MIN_EXP),
            n(f64::MIN_10_EXP),
            n(f64::DIGITS as i32),
            n(f64::MANTISSA_DIGITS as i32),
            float_obj(t, f64::EPSILON),
            n(f64::RADIX as i32),
            n(1),
        ],
    )
}

fn hash_info(t: &Thread) -> Obj {
    let n = |i: i64| int_obj(t, i);
    HASH_INFO_DEF.make(
        t,
        vec![
            n(64),
            n(hash::MODULUS as i64),
            n(hash::INFINITY),
            n(0),
            n(hash::IMAGINARY as i64),
            Str::intern(t, "siphash13"),
            n(64),
            n(128),
            n(0),
        ],
    )
}

fn thread_info(t: &Thread) -> Obj {
    let version = thread_library().map_or_else(none, |v| Str::new(t, &v));
    THREAD_INFO_DEF.make(
        t,
        vec![
            Str::intern(t, "pthread"),
            Str::intern(t, "mutex+cond"),
            version,
        ],
    )
}

/// Name and version of the system's thread library.
#[cfg(target_env = "gnu")]
fn thread_library() -> Option<String> {
    let mut buffer = [0u8; 128];
    // SAFETY: the buffer is ours and its length is given.
    let n = unsafe {
        libc::confstr(
            libc::_CS_GNU_LIBPTHREAD_VERSION,
            buffer.as_mut_ptr() as *mut _,
            buffer.len(),
        )
    };
    let end = n.checked_sub(1).filter(|n| *n < buffer.len())?;
    String::from_utf8(buffer[..end].to_vec()).ok()
}

#[cfg(not(target_env = "gnu"))]
fn thread_library() -> Option<String> {
    None
}

fn implementation(t: &mut Thread) -> Res<Obj> {
    let own = own_version();
    let items = [
        ("name", Str::intern(t, "weft")),
        ("cache_tag", Str::intern(t, CACHE_TAG)),
        ("version", version(t, own, "final")),
        ("hexversion", int_obj(t, hex_version(own))),
        (
            "_multiarch",
            Str::new(
                t,
                &format!("{}-{}-gnu", std::env::consts::ARCH, std::env::consts::OS),
            ),
        ),
        ("supports_isolated_interpreters", boolean(false)),
    ];
    let ns = weft_objects::namespace::new(t);
    for (name, v) in items {
        proto::set_attr(t, ns.value(), weft_objects::names::get(t, name), v.value())?;
    }
    Ok(ns)
}

/// The parts of `sys` that do not change with the program.
pub fn add(t: &mut Thread, m: &Module, c: &Config) -> Res<()> {
    FLAGS.put_flag(weft_objects::types::type_flags::NO_NEW, true);
    VERSION.put_flag(weft_objects::types::type_flags::NO_NEW, true);
    for def in defs() {
        def.ready(t);
    }
    let ints = [
        ("maxsize", i64::MAX),
        ("maxunicode", 0x10ffff),
        ("hexversion", hex_version(VERSION_INFO)),
        ("api_version", 1013),
    ];
    for (name, i) in ints {
        m.add(t, name, int_obj(t, i));
    }
    let platform = if cfg!(target_os = "macos") {
        "darwin"
    } else {
        std::env::consts::OS
    };
    let abiflags = if FREE_THREADED { "t" } else { "" };
    let endian = if cfg!(target_endian = "big") {
        "big"
    } else {
        "little"
    };
    let version_line = version_text();
    let texts = [
        ("version", version_line.as_str()),
        (
            "copyright",
            "Copyright (c) the Weft developers.\nThe standard library is copyright (c) the Python Software Foundation.",
        ),
        ("platform", platform),
        ("byteorder", endian),
        ("abiflags", abiflags),
        ("platlibdir", "lib"),
        ("float_repr_style", "short"),
        ("_framework", ""),
    ];
    for (name, s) in texts {
        m.add(t, name, Str::intern(t, s));
    }
    let git = Tuple::from_vec(
        t,
        ["weft", "", ""].iter().map(|s| Str::intern(t, s)).collect(),
    );
    m.add(t, "_git", git);
    m.add(t, "version_info", version(t, VERSION_INFO, "final"));
    m.add(t, "flags", flags(t, c));
    m.add(t, "float_info", float_info(t));
    m.add(
        t,
        "int_info",
        INT_INFO_DEF.make(
            t,
            [30, 4, 4300, 640].iter().map(|n| int_obj(t, *n)).collect(),
        ),
    );
    m.add(t, "hash_info", hash_info(t));
    m.add(t, "thread_info", thread_info(t));
    let own = implementation(t)?;
    m.add(t, "implementation", own);
    m.add(t, "UnraisableHookArgs", Obj::new(t, UNRAISABLE.value()));
    paths(t, m, c);
    module_names(t, m)
}

fn defs() -> [&'static Def; 8] {
    [
        &VERSION_DEF,
        &FLAGS_DEF,
        &FLOAT_INFO_DEF,
        &INT_INFO_DEF,
        &HASH_INFO_DEF,
        &THREAD_INFO_DEF,
        &ASYNCGEN_HOOKS_DEF,
        &UNRAISABLE_DEF,
    ]
}

fn paths(t: &Thread, m: &Module, c: &Config) {
    let venv = c.venv.as_ref();
    let base = fs_decode(t, &c.prefix);
    let prefix = venv.map_or_else(|| base.clone(), |v| fs_decode(t, &v.prefix));
    for (name, v) in [("prefix", &prefix), ("base_prefix", &base)] {
        m.add(t, name, v.clone());
        m.add(t, &name.replace("prefix", "exec_prefix"), v.clone());
    }
    let executable = fs_decode(t, &c.executable);
    let made_with = venv.map_or_else(
        || executable.clone(),
        |v| fs_decode(t, &v.base_executable(&c.executable)),
    );
    m.add(t, "_base_executable", made_with);
    m.add(t, "executable", executable);
    m.add(t, "_stdlib_dir", fs_decode(t, &stdlib_dir(c)));
    m.add(
        t,
        "_home",
        venv.map_or_else(none, |v| fs_decode(t, &v.home)),
    );
    let cache = c
        .pycache_prefix
        .as_ref()
        .map_or_else(none, |p| fs_decode(t, p));
    m.add(t, "pycache_prefix", cache);
    m.add(t, "dont_write_bytecode", boolean(c.dont_write_bytecode));
    let all = |items: &[Vec<u8>]| items.iter().map(|a| fs_decode(t, a)).collect::<Vec<Obj>>();
    m.add(t, "argv", List::from_vec(t, all(&c.argv)));
    m.add(t, "orig_argv", List::from_vec(t, all(&c.orig_argv)));
    let options = c.warn_options.iter().map(|o| Str::new(t, o)).collect();
    m.add(t, "warnoptions", List::from_vec(t, options));
    let x = Dict::new(t);
    for (name, v) in &c.xoptions {
        let v = v.as_ref().map_or_else(|| boolean(true), |v| Str::new(t, v));
        Dict::of_obj(&x).set_str(t, weft_objects::names::get(t, name), v.value());
    }
    m.add(t, "_xoptions", x);
}

/// The directory that the embedded library pretends to be in.
pub fn stdlib_dir(c: &Config) -> Vec<u8> {
    let mut dir = c.prefix.clone();
    if dir != b"/" {
        dir.push(b'/');
    }
    dir.extend_from_slice(b"lib/");
    dir.extend_from_slice(LIB_NAME.as_bytes());
    dir
}

fn module_names(t: &mut Thread, m: &Module) -> Res<()> {
    let mut native: Vec<&str> = crate::imp::builtin_names().collect();
    native.sort_unstable();
    let builtin = native.iter().map(|n| Str::intern(t, n)).collect();
    m.add(t, "builtin_module_names", Tuple::from_vec(t, builtin));
    let all = Set::new_frozen(t);
    let embedded = include_str!(concat!(env!("OUT_DIR"), "/names.txt"));
    for name in native.iter().copied().chain(embedded.lines()) {
        let name = Str::intern(t, name);
        Set::of_obj(&all).add(t, name.value())?;
    }
    m.add(t, "stdlib_module_names", all);
    Ok(())
}
