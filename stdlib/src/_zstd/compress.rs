//! `ZstdCompressor`

use super::dict::{self, Dict, Use};
use super::ffi::{self, CCtx, InBuffer, OutBuffer};
use super::params::{self, Kind};
use super::{c_int, zstd_error};
use crate::holder::{Holder, no_pickle};
use std::sync::Arc;
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::{buffer, int};

const CONTINUE: i32 = 0;
const FLUSH_BLOCK: i32 = 1;
const FLUSH_FRAME: i32 = 2;

struct Compressor {
    ctx: *mut CCtx,
    last_mode: i32,
    /// How many threads of the library's own may be at work.
    workers: i32,
    /// What the context refers to.
    dict: Option<Arc<Dict>>,
}

impl Drop for Compressor {
    fn drop(&mut self) {
        if self.workers > 0 {
            self.join();
        }
        // SAFETY: the library's context, freed once, before the dictionary.
        unsafe { ffi::ZSTD_freeCCtx(self.ctx) };
    }
}

impl Compressor {
    /// Waits for the library's threads: freeing a context does not, before it frees the dictionary that they use. Beginning a new
    /// frame does.
    fn join(&mut self) {
        let mut room = [0u8; 64];
        let mut output = OutBuffer {
            dst: room.as_mut_ptr().cast(),
            size: room.len(),
            pos: 0,
        };
        let mut input = InBuffer {
            src: room.as_ptr().cast(),
            size: 0,
            pos: 0,
        };
        // SAFETY: the library's context, buffers of ours.
        unsafe {
            ffi::ZSTD_CCtx_reset(self.ctx, ffi::RESET_SESSION);
            ffi::ZSTD_compressStream2(self.ctx, &mut output, &mut input, CONTINUE);
        }
    }

    /// Compresses some input, and with FLUSH_… all that is still inside.
    fn run(&mut self, data: &[u8], mode: i32) -> Result<Vec<u8>, Failure> {
        let mut input = InBuffer {
            src: data.as_ptr().cast(),
            size: data.len(),
            pos: 0,
        };
        let mut out: Vec<u8> = Vec::new();
        loop {
            let room = match out.capacity() {
                0 => 32 << 10,
                n => n.min(32 << 20),
            };
            if out.try_reserve(room).is_err() {
                return Err(Failure::Memory);
            }
            let mut output = OutBuffer {
                dst: out.as_mut_ptr().cast(),
                size: out.capacity(),
                pos: out.len(),
            };
            // SAFETY: both buffers are as stated.
            let code =
                unsafe { ffi::ZSTD_compressStream2(self.ctx, &mut output, &mut input, mode) };
            let left = ffi::check(code).map_err(|e| {
                // SAFETY: the library's context.
                unsafe { ffi::ZSTD_CCtx_reset(self.ctx, ffi::RESET_SESSION) };
                self.last_mode = FLUSH_FRAME;
                Failure::Library(e)
            })?;
            // SAFETY: the library has written up to there.
            unsafe { out.set_len(output.pos) };
            let all_in = input.pos == input.size;
            let room_left = output.pos < output.size;
            let done = match mode {
                CONTINUE if self.workers > 1 => all_in && room_left,
                CONTINUE => all_in,
                _ => left == 0,
            };
            if done {
                self.last_mode = mode;
                return Ok(out);
            }
        }
    }
}

enum Failure {
    Library(String),
    Memory,
}

fn set(c: &mut Compressor, param: i32, value: i32) -> Result<(), String> {
    // SAFETY: the library's context.
    ffi::check(unsafe { ffi::ZSTD_CCtx_setParameter(c.ctx, param, value) }).map(drop)
}

fn new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new(
        "ZstdCompressor",
        "(level=None, options=None, zstd_dict=None)",
    );
    let a = SIG.bind(t, args)?;
    let given = |v: Value| !v.is_null() && !v.is_none();
    // SAFETY: a plain function.
    let ctx = unsafe { ffi::ZSTD_createCCtx() };
    if ctx.is_null() {
        return Err(t.memory_error());
    }
    let mut c = Compressor {
        ctx,
        last_mode: FLUSH_FRAME,
        workers: 0,
        dict: None,
    };
    if given(a[0]) && given(a[1]) {
        let msg = "Only one of level or options should be used.";
        return Err(t.type_error(msg.into()));
    }
    let mut level = 0;
    if given(a[0]) {
        level = params::level(t, a[0])?;
        if let Err(e) = set(&mut c, params::LEVEL, level) {
            return Err(zstd_error(
                t,
                format!("Unable to set compression level: {e}"),
            ));
        }
    }
    if given(a[1]) {
        params::each(t, a[1], Kind::Compress, |t, param, value| {
            if param == params::LEVEL {
                level = params::level(t, Value::int(value.into()))?;
            }
            if param == params::WORKERS {
                c.workers = value;
            }
            Ok(set(&mut c, param, value))
        })?;
    }
    if let Some((dict, how)) = dict::argument(t, a[2], Use::Undigested)? {
        load(t, &mut c, dict, how, level)?;
    }
    Ok(Holder::<Compressor>::new(t, &COMPRESSOR, c).into())
}

fn load(t: &Thread, c: &mut Compressor, dict: Arc<Dict>, how: Use, level: i32) -> Res<()> {
    let bytes = &dict.content;
    let (p, n) = (bytes.as_ptr().cast(), bytes.len());
    // SAFETY: the context keeps the dictionary that it refers to.
    let code = unsafe {
        match how {
            Use::Digested => {
                let d = dict.for_level(level);
                if d.is_null() {
                    let msg =
                        "Failed to create a ZSTD_CDict instance from Zstandard dictionary content.";
                    return Err(zstd_error(t, msg.into()));
                }
                ffi::ZSTD_CCtx_refCDict(c.ctx, d)
            }
            Use::Undigested => ffi::ZSTD_CCtx_loadDictionary(c.ctx, p, n),
            Use::Prefix => ffi::ZSTD_CCtx_refPrefix(c.ctx, p, n),
        }
    };
    c.dict = Some(dict);
    match ffi::check(code) {
        Ok(_) => Ok(()),
        Err(e) => {
            let msg = format!("Unable to load Zstandard dictionary or prefix for compression: {e}");
            Err(zstd_error(t, msg))
        }
    }
}

fn run(t: &mut Thread, v: Value, data: &[u8], mode: i32) -> Res {
    match Holder::<Compressor>::with(t, v, true, |c| c.run(data, mode)) {
        Ok(out) => Ok(Bytes::from_vec(t, out).into()),
        Err(Failure::Memory) => Err(t.memory_error()),
        Err(Failure::Library(e)) => {
            let msg = format!("Unable to compress Zstandard data: {e}");
            Err(zstd_error(t, msg))
        }
    }
}

fn compress(t: &mut Thread, a: &[Value]) -> Res {
    let b = buffer::get(t, a[1])?;
    let mode = match a[2] {
        v if v.is_null() => CONTINUE,
        v => c_int(t, v)?,
    };
    if !(CONTINUE..=FLUSH_FRAME).contains(&mode) {
        let msg = "mode argument wrong value, it should be one of ZstdCompressor.CONTINUE, ZstdCompressor.FLUSH_BLOCK, ZstdCompressor.FLUSH_FRAME.";
        return Err(t.value_error(msg));
    }
    run(t, a[0], b.as_bytes(), mode)
}

fn flush(t: &mut Thread, a: &[Value]) -> Res {
    let mode = match a[1] {
        v if v.is_null() => FLUSH_FRAME,
        v => c_int(t, v)?,
    };
    if mode != FLUSH_BLOCK && mode != FLUSH_FRAME {
        let msg = "mode argument wrong value, it should be ZstdCompressor.FLUSH_FRAME or ZstdCompressor.FLUSH_BLOCK.";
        return Err(t.value_error(msg));
    }
    run(t, a[0], b"", mode)
}

fn set_pledged_input_size(t: &mut Thread, a: &[Value]) -> Res {
    const UNKNOWN: u64 = u64::MAX;
    const MOST: u64 = u64::MAX - 2;
    let size = if a[1].is_none() {
        UNKNOWN
    } else if !int::is_int(a[1]) {
        return Err(t.type_error("an integer is required".into()));
    } else {
        let n = int::to_bigint(a[1]).and_then(|n| u64::try_from(n).ok());
        match n.filter(|n| *n <= MOST) {
            Some(n) => n,
            None => {
                let msg = format!(
                    "size argument should be a positive int less than {}",
                    MOST + 1
                );
                return Err(t.value_error(msg));
            }
        }
    };
    let set = Holder::<Compressor>::with(t, a[0], true, |c| {
        // SAFETY: the library's context.
        (c.last_mode == FLUSH_FRAME)
            .then(|| ffi::check(unsafe { ffi::ZSTD_CCtx_setPledgedSrcSize(c.ctx, size) }))
    });
    match set {
        None => {
            let msg =
                "set_pledged_input_size() method must be called when last_mode == FLUSH_FRAME";
            Err(t.value_error(msg))
        }
        Some(Ok(_)) => Ok(Value::NONE),
        Some(Err(e)) => Err(zstd_error(
            t,
            format!("Unable to set pledged uncompressed content size: {e}"),
        )),
    }
}

/// `compression.zstd.ZstdCompressor`
pub static COMPRESSOR: Type = Type::builtin(
    "ZstdCompressor",
    size_of::<Holder<Compressor>>(),
    &Spec {
        new: Some(new),
        methods: &[
            NativeDef::new(
                "compress",
                "($self, /, data, mode=ZstdCompressor.CONTINUE)",
                compress,
            )
            .doc("Provide data to the compressor object."),
            NativeDef::new(
                "flush",
                "($self, /, mode=ZstdCompressor.FLUSH_FRAME)",
                flush,
            )
            .doc("Finish the compression process."),
            NativeDef::new(
                "set_pledged_input_size",
                "($self, size, /)",
                set_pledged_input_size,
            )
            .doc("Set the uncompressed content size to be written into the frame header."),
            NativeDef::new("__reduce__", "($self, /)", no_pickle),
        ],
        getset: &[GetSetDef::ro("last_mode", |t, v| {
            let mode = Holder::<Compressor>::with(t, v, false, |c| c.last_mode);
            Ok(Value::int(mode.into()))
        })],
        ..Spec::EMPTY
    },
)
.clear_only(Holder::<Compressor>::clear)
.module("compression.zstd")
.final_()
.doc("Create a compressor object for compressing data incrementally.");

/// Sets the modes.
pub fn ready(t: &Thread) {
    for (name, mode) in [
        ("CONTINUE", CONTINUE),
        ("FLUSH_BLOCK", FLUSH_BLOCK),
        ("FLUSH_FRAME", FLUSH_FRAME),
    ] {
        let name = weft_objects::names::get(t, name);
        COMPRESSOR.set_name(t, name, Value::int(mode.into()));
    }
}
