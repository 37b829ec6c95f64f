//! `_zstd`: Zstandard, by libzstd.

mod compress;
mod decompress;
mod dict;
mod ffi;
mod params;

use crate::support;
use std::sync::OnceLock;
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;
use weft_objects::{buffer, int};

/// `compression.zstd.ZstdError`
static ZSTD_ERROR: OnceLock<SharedObj> = OnceLock::new();

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("train_dict", "(samples_bytes, samples_sizes, dict_size, /)", dict::train)
        .doc("Train a Zstandard dictionary on sample data.\n\n  samples_bytes\n    Concatenation of samples.\n  samples_sizes\n    Tuple of samples' sizes.\n  dict_size\n    The size of the dictionary."),
    NativeDef::new(
        "finalize_dict",
        "(custom_dict_bytes, samples_bytes, samples_sizes, dict_size, compression_level, /)",
        dict::finalize,
    )
    .doc("Finalize a Zstandard dictionary."),
    NativeDef::new("get_param_bounds", "(parameter, is_compress)", params::get_bounds)
        .doc("Get CompressionParameter/DecompressionParameter bounds."),
    NativeDef::new("get_frame_size", "(frame_buffer)", frame_size)
        .doc("Get the size of a Zstandard frame, including the header and optional checksum."),
    NativeDef::new("get_frame_info", "(frame_buffer)", frame_info)
        .doc("Get Zstandard frame infomation from a frame header."),
    NativeDef::new("set_parameter_types", "(c_parameter_type, d_parameter_type)", params::set_types)
        .doc("Set CompressionParameter and DecompressionParameter types for validity check."),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let doc = "Implementation module for Zstandard compression.";
    let m = support::module(t, "_zstd", doc, FUNCTIONS);
    let class = match ZSTD_ERROR.get() {
        Some(class) => class.get(t),
        None => {
            let (name, module) = ("ZstdError", "compression.zstd");
            let bases = [&errors::EXCEPTION];
            let class = crate::_signal::new_exception_class(t, name, module, &bases)?;
            ZSTD_ERROR.get_or_init(|| SharedObj::new(t, class)).get(t)
        }
    };
    support::add(t, &m, "ZstdError", class);
    support::add_type(t, &m, &dict::ZSTD_DICT);
    support::add_type(t, &m, &compress::COMPRESSOR);
    support::add_type(t, &m, &decompress::DECOMPRESSOR);
    compress::ready(t);
    // SAFETY: plain functions; the version's name is static.
    let (number, name, out_size) = unsafe {
        (
            ffi::ZSTD_versionNumber(),
            std::ffi::CStr::from_ptr(ffi::ZSTD_versionString()),
            ffi::ZSTD_DStreamOutSize(),
        )
    };
    let name = Str::new(t, &name.to_string_lossy());
    support::add(t, &m, "zstd_version", name);
    support::add_ints(t, &m, &[("zstd_version_number", number.into())]);
    support::add_ints(t, &m, &[("ZSTD_DStreamOutSize", out_size as i64)]);
    support::add_ints(t, &m, params::CONSTANTS);
    Ok(m)
}

#[cold]
fn zstd_error(t: &Thread, msg: String) -> Raised {
    match ZSTD_ERROR.get() {
        Some(class) => {
            let class = class.get(t);
            t.raise(Type::of_unchecked(class.value()), msg)
        }
        None => t.value_error(msg),
    }
}

/// An int of C.
fn c_int(t: &mut Thread, v: Value) -> Res<i32> {
    let i = proto::index(t, v)?;
    match int::as_i64(i.value()).and_then(|i| i32::try_from(i).ok()) {
        Some(i) => Ok(i),
        None => Err(t.overflow_error("Python int too large to convert to C int")),
    }
}

fn frame_size(t: &mut Thread, a: &[Value]) -> Res {
    let b = buffer::get(t, a[0])?;
    // SAFETY: the bytes are there.
    let code = unsafe { ffi::ZSTD_findFrameCompressedSize(b.ptr.cast(), b.len) };
    match ffi::check(code) {
        Ok(n) => Ok(int::from_usize(t, n)),
        Err(e) => {
            let msg = format!(
                "Error when finding the compressed size of a Zstandard frame. Ensure the frame_buffer argument starts from the beginning of a frame, and its length is not less than this complete frame. Zstd error message: {e}."
            );
            Err(zstd_error(t, msg))
        }
    }
}

fn frame_info(t: &mut Thread, a: &[Value]) -> Res {
    const UNKNOWN: u64 = u64::MAX;
    const FAILED: u64 = u64::MAX - 1;
    let b = buffer::get(t, a[0])?;
    // SAFETY: the bytes are there.
    let (size, id) = unsafe {
        (
            ffi::ZSTD_getFrameContentSize(b.ptr.cast(), b.len),
            ffi::ZSTD_getDictID_fromFrame(b.ptr.cast(), b.len),
        )
    };
    let size = match size {
        FAILED => {
            let msg = "Error when getting information from the header of a Zstandard frame. Ensure the frame_buffer argument starts from the beginning of a frame, and its length is not less than the frame header (6~18 bytes).";
            return Err(zstd_error(t, msg.into()));
        }
        UNKNOWN => support::none(),
        n => Obj::own(int::from_u64(t, n)),
    };
    Ok(Tuple::pair(t, size, Obj::from_raw(Value::int(id.into()))).into())
}
