//! `zlib`: compression by deflate, in zlib's, gzip's or no container.

use crate::holder::Holder;
use crate::support::{self, add, add_ints};
use libz_rs_sys as z;
use std::sync::OnceLock;
use weft_objects::buffer;
use weft_objects::bytes::Bytes;
use weft_objects::int;
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;
use weft_objects::str::index;

mod objects;
mod stream;

use stream::{Failure, Stream};

/// `zlib.error`
static ERROR: OnceLock<SharedObj> = OnceLock::new();

/// Data that takes longer than letting other threads run.
const LARGE: usize = 1024;

const MAX_WBITS: i32 = 15;
const DEF_MEM_LEVEL: i32 = 8;

fn class(t: &mut Thread) -> Res<Obj> {
    if let Some(class) = ERROR.get() {
        return Ok(class.get(t));
    }
    let class = crate::_signal::new_exception_class(t, "error", "zlib", &[&errors::EXCEPTION])?;
    Ok(ERROR.get_or_init(|| SharedObj::new(t, class)).get(t))
}

/// Raises `zlib.error`, or MemoryError.
fn error(t: &mut Thread, failure: &Failure, doing: &str) -> Raised {
    if failure.code == z::Z_MEM_ERROR {
        return t.raise(&errors::MEMORY_ERROR, format!("Out of memory {doing}"));
    }
    let msg = match &failure.msg {
        Some(msg) => format!("Error {} {doing}: {msg}", failure.code),
        None => format!("Error {} {doing}", failure.code),
    };
    raise(t, msg)
}

fn raise(t: &mut Thread, msg: String) -> Raised {
    match class(t) {
        Ok(class) => t.raise(Type::of_unchecked(class.value()), msg),
        Err(e) => e,
    }
}

fn int_or(t: &mut Thread, v: Value, default: i32) -> Res<i32> {
    index::c_int(t, v, default)
}

fn compress(t: &mut Thread, a: &[Value]) -> Res {
    let level = int_or(t, a[1], z::Z_DEFAULT_COMPRESSION)?;
    let wbits = int_or(t, a[2], MAX_WBITS)?;
    let b = buffer::get(t, a[0])?;
    let made = t.blocking(|| {
        let mut s = Stream::deflate(
            level,
            z::Z_DEFLATED,
            wbits,
            DEF_MEM_LEVEL,
            z::Z_DEFAULT_STRATEGY,
        )
        .map_err(|e| (e, true))?;
        s.run(b.as_bytes(), z::Z_FINISH, usize::MAX)
            .map_err(|e| (e, false))
    });
    match made {
        Ok(p) => Ok(Bytes::from_vec(t, p.out).into()),
        Err((e, true)) if e.code == z::Z_STREAM_ERROR => {
            Err(raise(t, "Bad compression level".into()))
        }
        Err((e, _)) => Err(error(t, &e, "while compressing data")),
    }
}

fn decompress(t: &mut Thread, a: &[Value]) -> Res {
    let wbits = int_or(t, a[1], MAX_WBITS)?;
    // The size only says how large the result may be.
    if index::size_or(t, a[2], 1)? < 0 {
        return Err(t.value_error("bufsize must be non-negative"));
    }
    let b = buffer::get(t, a[0])?;
    let made = t.blocking(|| {
        let mut s = Stream::inflate(wbits, Vec::new())
            .map_err(|e| (e, "while preparing to decompress data"))?;
        let p = s
            .run(b.as_bytes(), z::Z_SYNC_FLUSH, usize::MAX)
            .map_err(|e| (e, "while decompressing data"))?;
        match p.code {
            z::Z_STREAM_END => Ok(p.out),
            _ => Err((s.failure(z::Z_BUF_ERROR), "while decompressing data")),
        }
    });
    match made {
        Ok(out) => Ok(Bytes::from_vec(t, out).into()),
        Err((e, doing)) => Err(error(t, &e, doing)),
    }
}

/// The low 32 bits of an int.
fn low_bits(t: &mut Thread, v: Value, default: u32) -> Res<u32> {
    if v.is_null() {
        return Ok(default);
    }
    let i = proto::index(t, v)?;
    if let Some(n) = int::as_i64(i.value()) {
        return Ok(n as u32);
    }
    let n = int::to_bigint(i.value()).unwrap_or_default();
    let low: num_bigint::BigInt = n & num_bigint::BigInt::from(u32::MAX);
    Ok(num_traits::ToPrimitive::to_u32(&low).unwrap_or(0))
}

fn checksum(
    t: &mut Thread,
    a: &[Value],
    default: u32,
    f: unsafe extern "C" fn(std::ffi::c_ulong, *const u8, usize) -> std::ffi::c_ulong,
) -> Res {
    let start = low_bits(t, a[1], default)?;
    let b = buffer::get_bulk(t, a[0])?;
    let bytes = b.as_bytes();
    // SAFETY: the bytes are valid for the call. (A null pointer would mean something else.)
    let sum = || unsafe { f(start.into(), bytes.as_ptr(), bytes.len()) };
    let sum = if bytes.len() > 5 * LARGE {
        t.blocking(sum)
    } else {
        sum()
    };
    Ok(Value::int(sum as i64 & 0xffff_ffff))
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("adler32", "(data, value=1, /)", |t, a| {
        checksum(t, a, 1, z::adler32_z)
    })
    .doc("Compute an Adler-32 checksum of data."),
    NativeDef::new("crc32", "(data, value=0, /)", |t, a| {
        checksum(t, a, 0, z::crc32_z)
    })
    .doc("Compute a CRC-32 checksum of data."),
    NativeDef::new("compress", "(data, /, level=-1, wbits=15)", compress)
        .doc("Returns a bytes object containing compressed data."),
    NativeDef::new(
        "decompress",
        "(data, /, wbits=15, bufsize=16384)",
        decompress,
    )
    .doc("Returns a bytes object containing the uncompressed data."),
    NativeDef::new(
        "compressobj",
        "(level=-1, method=8, wbits=15, memLevel=8, strategy=0, zdict=None)",
        objects::compressobj,
    )
    .doc("Return a compressor object."),
    NativeDef::new(
        "decompressobj",
        "(wbits=15, zdict=b'')",
        objects::decompressobj,
    )
    .doc("Return a decompressor object."),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let doc =
        "The functions in this module allow compression and decompression using the zlib format.";
    let m = support::module(t, "zlib", doc, FUNCTIONS);
    let class = class(t)?;
    add(t, &m, "error", class);
    objects::COMPRESS.ready(t);
    objects::DECOMPRESS.ready(t);
    support::add_type(t, &m, &objects::DECOMPRESSOR);
    add_ints(
        t,
        &m,
        &[
            ("MAX_WBITS", MAX_WBITS.into()),
            ("DEFLATED", z::Z_DEFLATED.into()),
            ("DEF_MEM_LEVEL", DEF_MEM_LEVEL.into()),
            ("DEF_BUF_SIZE", 16 * 1024),
            ("Z_NO_COMPRESSION", z::Z_NO_COMPRESSION.into()),
            ("Z_BEST_SPEED", z::Z_BEST_SPEED.into()),
            ("Z_BEST_COMPRESSION", z::Z_BEST_COMPRESSION.into()),
            ("Z_DEFAULT_COMPRESSION", z::Z_DEFAULT_COMPRESSION.into()),
            ("Z_FILTERED", z::Z_FILTERED.into()),
            ("Z_HUFFMAN_ONLY", z::Z_HUFFMAN_ONLY.into()),
            ("Z_RLE", z::Z_RLE.into()),
            ("Z_FIXED", z::Z_FIXED.into()),
            ("Z_DEFAULT_STRATEGY", z::Z_DEFAULT_STRATEGY.into()),
            ("Z_NO_FLUSH", z::Z_NO_FLUSH.into()),
            ("Z_PARTIAL_FLUSH", z::Z_PARTIAL_FLUSH.into()),
            ("Z_SYNC_FLUSH", z::Z_SYNC_FLUSH.into()),
            ("Z_FULL_FLUSH", z::Z_FULL_FLUSH.into()),
            ("Z_FINISH", z::Z_FINISH.into()),
            ("Z_BLOCK", z::Z_BLOCK.into()),
            ("Z_TREES", z::Z_TREES.into()),
        ],
    );
    // SAFETY: a static string.
    let version = unsafe { std::ffi::CStr::from_ptr(z::zlibVersion()) }.to_string_lossy();
    add(t, &m, "ZLIB_VERSION", Str::new(t, &version));
    add(t, &m, "ZLIB_RUNTIME_VERSION", Str::new(t, &version));
    add(t, &m, "__version__", Str::new(t, "1.0"));
    Ok(m)
}
