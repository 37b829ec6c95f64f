//! What is used of libzstd, which the crate `zstd-sys` builds. Its enumerations are plain ints here, as Python programs give any.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use zstd_sys as _;

#[repr(C)]
pub struct InBuffer {
    pub src: *const c_void,
    pub size: usize,
    pub pos: usize,
}

#[repr(C)]
pub struct OutBuffer {
    pub dst: *mut c_void,
    pub size: usize,
    pub pos: usize,
}

#[repr(C)]
pub struct Bounds {
    pub error: usize,
    pub low: c_int,
    pub high: c_int,
}

#[repr(C)]
pub struct DictParams {
    pub level: c_int,
    pub notification: c_uint,
    pub id: c_uint,
}

pub enum CCtx {}
pub enum DCtx {}
pub enum CDict {}
pub enum DDict {}

unsafe extern "C" {
    pub fn ZSTD_versionNumber() -> c_uint;
    pub fn ZSTD_versionString() -> *const c_char;
    fn ZSTD_isError(code: usize) -> c_uint;
    fn ZSTD_getErrorName(code: usize) -> *const c_char;
    pub fn ZSTD_cParam_getBounds(param: c_int) -> Bounds;
    pub fn ZSTD_dParam_getBounds(param: c_int) -> Bounds;
    pub fn ZSTD_findFrameCompressedSize(src: *const c_void, size: usize) -> usize;
    pub fn ZSTD_getFrameContentSize(src: *const c_void, size: usize) -> u64;
    pub fn ZSTD_getDictID_fromFrame(src: *const c_void, size: usize) -> c_uint;
    pub fn ZSTD_getDictID_fromDict(dict: *const c_void, size: usize) -> c_uint;
    pub fn ZSTD_DStreamOutSize() -> usize;

    pub fn ZSTD_createCCtx() -> *mut CCtx;
    pub fn ZSTD_freeCCtx(ctx: *mut CCtx) -> usize;
    pub fn ZSTD_CCtx_setParameter(ctx: *mut CCtx, param: c_int, value: c_int) -> usize;
    pub fn ZSTD_CCtx_setPledgedSrcSize(ctx: *mut CCtx, size: u64) -> usize;
    pub fn ZSTD_CCtx_reset(ctx: *mut CCtx, what: c_int) -> usize;
    pub fn ZSTD_CCtx_refCDict(ctx: *mut CCtx, dict: *const CDict) -> usize;
    pub fn ZSTD_CCtx_loadDictionary(ctx: *mut CCtx, dict: *const c_void, size: usize) -> usize;
    pub fn ZSTD_CCtx_refPrefix(ctx: *mut CCtx, dict: *const c_void, size: usize) -> usize;
    pub fn ZSTD_compressStream2(
        ctx: *mut CCtx,
        out: *mut OutBuffer,
        input: *mut InBuffer,
        how: c_int,
    ) -> usize;
    pub fn ZSTD_createCDict(dict: *const c_void, size: usize, level: c_int) -> *mut CDict;
    pub fn ZSTD_freeCDict(dict: *mut CDict) -> usize;

    pub fn ZSTD_createDCtx() -> *mut DCtx;
    pub fn ZSTD_freeDCtx(ctx: *mut DCtx) -> usize;
    pub fn ZSTD_DCtx_setParameter(ctx: *mut DCtx, param: c_int, value: c_int) -> usize;
    pub fn ZSTD_DCtx_reset(ctx: *mut DCtx, what: c_int) -> usize;
    pub fn ZSTD_DCtx_refDDict(ctx: *mut DCtx, dict: *const DDict) -> usize;
    pub fn ZSTD_DCtx_loadDictionary(ctx: *mut DCtx, dict: *const c_void, size: usize) -> usize;
    pub fn ZSTD_DCtx_refPrefix(ctx: *mut DCtx, dict: *const c_void, size: usize) -> usize;
    pub fn ZSTD_decompressStream(
        ctx: *mut DCtx,
        out: *mut OutBuffer,
        input: *mut InBuffer,
    ) -> usize;
    pub fn ZSTD_createDDict(dict: *const c_void, size: usize) -> *mut DDict;
    pub fn ZSTD_freeDDict(dict: *mut DDict) -> usize;

    pub fn ZDICT_trainFromBuffer(
        dict: *mut c_void,
        room: usize,
        samples: *const c_void,
        sizes: *const usize,
        n: c_uint,
    ) -> usize;
    pub fn ZDICT_finalizeDictionary(
        dict: *mut c_void,
        room: usize,
        content: *const c_void,
        content_size: usize,
        samples: *const c_void,
        sizes: *const usize,
        n: c_uint,
        params: DictParams,
    ) -> usize;
}

/// Only the session: what has been set stays.
pub const RESET_SESSION: c_int = 1;

/// A result, or what the library calls the error.
pub fn check(code: usize) -> Result<usize, String> {
    // SAFETY: plain functions; names of errors are static.
    unsafe {
        match ZSTD_isError(code) {
            0 => Ok(code),
            _ => Err(CStr::from_ptr(ZSTD_getErrorName(code))
                .to_string_lossy()
                .into_owned()),
        }
    }
}
