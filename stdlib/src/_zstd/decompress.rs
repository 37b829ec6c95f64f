//! `ZstdDecompressor`

use super::dict::{self, Dict, Use};
use super::ffi::{self, DCtx, InBuffer, OutBuffer};
use super::params::{self, Kind};
use super::zstd_error;
use crate::decompress::{self, Decode, Outcome, Step};
use crate::holder::{Holder, no_pickle};
use std::sync::Arc;
use weft_objects::prelude::*;

struct Stream {
    ctx: *mut DCtx,
    /// What the context refers to.
    dict: Option<Arc<Dict>>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: the library's context, freed once, before the dictionary.
        unsafe { ffi::ZSTD_freeDCtx(self.ctx) };
    }
}

enum Failure {
    Library(String),
    Memory,
}

impl Decode for Stream {
    type Failure = Failure;
    const KEEPS_OUTPUT: bool = true;
    const BREAKS: bool = false;

    fn step(&mut self, input: &[u8], room: (*mut u8, usize)) -> Result<Step, Failure> {
        let mut from = InBuffer {
            src: input.as_ptr().cast(),
            size: input.len(),
            pos: 0,
        };
        let mut to = OutBuffer {
            dst: room.0.cast(),
            size: room.1,
            pos: 0,
        };
        // SAFETY: both buffers are as stated.
        let code = unsafe { ffi::ZSTD_decompressStream(self.ctx, &mut to, &mut from) };
        match ffi::check(code) {
            Ok(left) => Ok(Step {
                used: from.pos,
                made: to.pos,
                end: left == 0,
            }),
            Err(e) => {
                // SAFETY: the library's context.
                unsafe { ffi::ZSTD_DCtx_reset(self.ctx, ffi::RESET_SESSION) };
                Err(Failure::Library(e))
            }
        }
    }

    fn no_memory() -> Failure {
        Failure::Memory
    }
}

type Decompressor = decompress::Decompressor<Stream>;

fn new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("ZstdDecompressor", "(zstd_dict=None, options=None)");
    let a = SIG.bind(t, args)?;
    // SAFETY: a plain function.
    let ctx = unsafe { ffi::ZSTD_createDCtx() };
    if ctx.is_null() {
        return Err(t.memory_error());
    }
    let mut s = Stream { ctx, dict: None };
    if let Some((dict, how)) = dict::argument(t, a[0], Use::Digested)? {
        load(t, &mut s, dict, how)?;
    }
    if !a[1].is_null() && !a[1].is_none() {
        params::each(t, a[1], Kind::Decompress, |_, param, value| {
            // SAFETY: the library's context.
            let code = unsafe { ffi::ZSTD_DCtx_setParameter(s.ctx, param, value) };
            Ok(ffi::check(code).map(drop))
        })?;
    }
    let d = Decompressor::new(s);
    Ok(Holder::<Decompressor>::new(t, &DECOMPRESSOR, d).into())
}

fn load(t: &Thread, s: &mut Stream, dict: Arc<Dict>, how: Use) -> Res<()> {
    let bytes = &dict.content;
    let (p, n) = (bytes.as_ptr().cast(), bytes.len());
    // SAFETY: the context keeps the dictionary that it refers to.
    let code = unsafe {
        match how {
            Use::Digested => {
                let d = dict.for_reading();
                if d.is_null() {
                    let msg =
                        "Failed to create a ZSTD_DDict instance from Zstandard dictionary content.";
                    return Err(zstd_error(t, msg.into()));
                }
                ffi::ZSTD_DCtx_refDDict(s.ctx, d)
            }
            Use::Undigested => ffi::ZSTD_DCtx_loadDictionary(s.ctx, p, n),
            Use::Prefix => ffi::ZSTD_DCtx_refPrefix(s.ctx, p, n),
        }
    };
    s.dict = Some(dict);
    match ffi::check(code) {
        Ok(_) => Ok(()),
        Err(e) => {
            let msg =
                format!("Unable to load Zstandard dictionary or prefix for decompression: {e}");
            Err(zstd_error(t, msg))
        }
    }
}

fn decompress(t: &mut Thread, a: &[Value]) -> Res {
    let made = decompress::call::<Stream>(t, a, |d, made| {
        if matches!(made, Outcome::Failed(_)) {
            // It begins anew.
            d.needs_input = true;
        }
    })?;
    match made {
        Outcome::Ended => {
            let msg = "Already at the end of a Zstandard frame.";
            Err(t.raise(&errors::EOF_ERROR, msg))
        }
        made => decompress::finish(t, made, |t, e| match e {
            Failure::Memory => t.memory_error(),
            Failure::Library(e) => {
                let msg = format!("Unable to decompress Zstandard data: {e}");
                zstd_error(t, msg)
            }
        }),
    }
}

/// `compression.zstd.ZstdDecompressor`
pub static DECOMPRESSOR: Type = Type::builtin(
    "ZstdDecompressor",
    size_of::<Holder<Decompressor>>(),
    &Spec {
        new: Some(new),
        methods: &[
            NativeDef::new("decompress", "($self, /, data, max_length=-1)", decompress).doc(
                "Decompress *data*, returning uncompressed bytes if possible, or b'' otherwise.",
            ),
            NativeDef::new("__reduce__", "($self, /)", no_pickle),
        ],
        getset: &[
            GetSetDef::ro("unused_data", decompress::unused_data::<Stream>),
            GetSetDef::ro("needs_input", decompress::needs_input::<Stream>),
            GetSetDef::ro("eof", decompress::eof::<Stream>),
        ],
        ..Spec::EMPTY
    },
)
.clear_only(Holder::<Decompressor>::clear)
.module("compression.zstd")
.final_()
.doc("Create a decompressor object for decompressing data incrementally.");
