//! Parameters of compression and decompression.

use super::ffi::{self, Bounds};
use super::{c_int, zstd_error};
use parking_lot::Mutex;
use weft_objects::int;
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;

/// The constants of the module.
pub const CONSTANTS: &[(&str, i64)] = &[
    ("ZSTD_CLEVEL_DEFAULT", 3),
    ("ZSTD_c_compressionLevel", 100),
    ("ZSTD_c_windowLog", 101),
    ("ZSTD_c_hashLog", 102),
    ("ZSTD_c_chainLog", 103),
    ("ZSTD_c_searchLog", 104),
    ("ZSTD_c_minMatch", 105),
    ("ZSTD_c_targetLength", 106),
    ("ZSTD_c_strategy", 107),
    ("ZSTD_c_enableLongDistanceMatching", 160),
    ("ZSTD_c_ldmHashLog", 161),
    ("ZSTD_c_ldmMinMatch", 162),
    ("ZSTD_c_ldmBucketSizeLog", 163),
    ("ZSTD_c_ldmHashRateLog", 164),
    ("ZSTD_c_contentSizeFlag", 200),
    ("ZSTD_c_checksumFlag", 201),
    ("ZSTD_c_dictIDFlag", 202),
    ("ZSTD_c_nbWorkers", 400),
    ("ZSTD_c_jobSize", 401),
    ("ZSTD_c_overlapLog", 402),
    ("ZSTD_d_windowLogMax", 100),
    ("ZSTD_fast", 1),
    ("ZSTD_dfast", 2),
    ("ZSTD_greedy", 3),
    ("ZSTD_lazy", 4),
    ("ZSTD_lazy2", 5),
    ("ZSTD_btlazy2", 6),
    ("ZSTD_btopt", 7),
    ("ZSTD_btultra", 8),
    ("ZSTD_btultra2", 9),
];

pub const LEVEL: i32 = 100;
pub const WORKERS: i32 = 400;

/// Names as Python has them.
const NAMES: &[(i32, &str)] = &[
    (LEVEL, "compression_level"),
    (101, "window_log"),
    (102, "hash_log"),
    (103, "chain_log"),
    (104, "search_log"),
    (105, "min_match"),
    (106, "target_length"),
    (107, "strategy"),
    (160, "enable_long_distance_matching"),
    (161, "ldm_hash_log"),
    (162, "ldm_min_match"),
    (163, "ldm_bucket_size_log"),
    (164, "ldm_hash_rate_log"),
    (200, "content_size_flag"),
    (201, "checksum_flag"),
    (202, "dict_id_flag"),
    (WORKERS, "nb_workers"),
    (401, "job_size"),
    (402, "overlap_log"),
];

/// What kind of parameters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Compress,
    Decompress,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Compress => "compression",
            Kind::Decompress => "decompression",
        }
    }

    fn bounds(self, param: i32) -> Bounds {
        // SAFETY: plain functions.
        unsafe {
            match self {
                Kind::Compress => ffi::ZSTD_cParam_getBounds(param),
                Kind::Decompress => ffi::ZSTD_dParam_getBounds(param),
            }
        }
    }

    fn name(self, param: i32) -> Option<&'static str> {
        match self {
            Kind::Compress => NAMES.iter().find(|(p, _)| *p == param).map(|(_, n)| *n),
            Kind::Decompress => (param == 100).then_some("window_log_max"),
        }
    }
}

/// The enumerations of Python, to tell their members from each other.
static TYPES: Mutex<Option<(SharedObj, SharedObj)>> = Mutex::new(None);

/// `_zstd.set_parameter_types`
pub fn set_types(t: &mut Thread, a: &[Value]) -> Res {
    for (v, name) in [(a[0], "c_parameter_type"), (a[1], "d_parameter_type")] {
        if Type::of(v).is_none() {
            let got = type_of(v).name();
            let msg = format!("set_parameter_types() argument '{name}' must be type, not {got}");
            return Err(t.type_error(msg));
        }
    }
    let share = |v| SharedObj::new(t, Obj::new(t, v));
    let pair = (share(a[0]), share(a[1]));
    let old = TYPES.lock().replace(pair);
    drop(old);
    Ok(Value::NONE)
}

/// `_zstd.get_param_bounds`
pub fn get_bounds(t: &mut Thread, a: &[Value]) -> Res {
    let param = c_int(t, a[0])?;
    let kind = match proto::truth(t, a[1])? {
        true => Kind::Compress,
        false => Kind::Decompress,
    };
    let b = kind.bounds(param);
    if let Err(e) = ffi::check(b.error) {
        let msg = format!("Unable to get zstd {} parameter bounds: {e}", kind.word());
        return Err(zstd_error(t, msg));
    }
    let pair = [b.low, b.high].map(|n| Value::int(n.into()));
    Ok(Tuple::from_slice(t, &pair).into())
}

/// Calls `set` with the parameters in a dict, and makes an error of what it refuses.
pub fn each(
    t: &mut Thread,
    options: Value,
    kind: Kind,
    mut set: impl FnMut(&mut Thread, i32, i32) -> Res<Result<(), String>>,
) -> Res<()> {
    let Some(d) = Dict::of(options) else {
        let (class, got) = match kind {
            Kind::Compress => ("ZstdCompressor", type_of(options).name()),
            Kind::Decompress => ("ZstdDecompressor", type_of(options).name()),
        };
        let msg = format!("{class}() argument 'options' must be dict, not {got}");
        return Err(t.type_error(msg));
    };
    for (k, v) in d.items(t) {
        if is_other(t, k.value(), kind) {
            let other = match kind {
                Kind::Compress => "DecompressionParameter",
                Kind::Decompress => "CompressionParameter",
            };
            let msg = format!(
                "{} options dictionary key must not be a {other} attribute",
                kind.word()
            );
            return Err(t.type_error(msg));
        }
        let param = c_int(t, k.value())?;
        let value = c_int(t, v.value())?;
        if kind.name(param).is_none() {
            let msg = format!(
                "invalid {} parameter 'unknown parameter (key {param})'",
                kind.word()
            );
            return Err(t.value_error(msg));
        }
        if set(t, param, value)?.is_err() {
            return Err(refused(t, kind, param, value));
        }
    }
    Ok(())
}

/// Whether a key is a member of the enumeration for the other kind.
fn is_other(t: &Thread, k: Value, kind: Kind) -> bool {
    let types = TYPES.lock();
    let Some((c, d)) = types.as_ref() else {
        return false;
    };
    let other = match kind {
        Kind::Compress => d.get(t),
        Kind::Decompress => c.get(t),
    };
    type_of(k).value().same(other.value())
}

#[cold]
fn refused(t: &Thread, kind: Kind, param: i32, value: i32) -> Raised {
    let b = kind.bounds(param);
    let (word, name) = (kind.word(), kind.name(param).unwrap_or("?"));
    t.value_error(format!(
        "{word} parameter '{name}' received an illegal value {value}; the valid range is [{}, {}]",
        b.low, b.high
    ))
}

/// A compression level: ValueError if there is none such.
pub fn level(t: &mut Thread, v: Value) -> Res<i32> {
    let b = Kind::Compress.bounds(LEVEL);
    if !int::is_int(v) {
        return Err(t.type_error("invalid type for level, expected int".into()));
    }
    let range = format!("the valid range is [{}, {}]", b.low, b.high);
    match int::as_i64(v).and_then(|n| i32::try_from(n).ok()) {
        Some(n) if (b.low..=b.high).contains(&n) => Ok(n),
        Some(n) => Err(t.value_error(format!("illegal compression level {n}; {range}"))),
        None => Err(t.value_error(format!("illegal compression level; {range}"))),
    }
}
