//! `_bz2`: compression by block sorting.

use crate::decompress::{self, Decode, Step};
use crate::holder::{Holder, no_pickle};
use crate::support;
use libbz2_rs_sys as bz;
use weft_objects::buffer;
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::str::index;

/// Most bytes that one call takes or gives.
const WINDOW: usize = 1 << 30;

/// The library's number for what went wrong.
struct Failure(i32);

fn raise(t: &mut Thread, Failure(code): Failure) -> Raised {
    match code {
        bz::BZ_PARAM_ERROR => {
            t.value_error("Internal error - invalid parameters passed to libbzip2")
        }
        bz::BZ_MEM_ERROR => t.memory_error(),
        bz::BZ_DATA_ERROR | bz::BZ_DATA_ERROR_MAGIC => {
            t.raise(&errors::OS_ERROR, "Invalid data stream")
        }
        bz::BZ_IO_ERROR => t.raise(&errors::OS_ERROR, "Unknown I/O error"),
        bz::BZ_UNEXPECTED_EOF => t.raise(
            &errors::EOF_ERROR,
            "Compressed file ended before the logical end-of-stream was detected",
        ),
        bz::BZ_SEQUENCE_ERROR => {
            t.runtime_error("Internal error - Invalid sequence of commands sent to libbzip2")
        }
        _ => t.raise(
            &errors::OS_ERROR,
            format!("Unrecognized error from libbzip2: {code}"),
        ),
    }
}

/// A stream. The struct that the library works on stays in place.
struct Stream {
    bz: Box<bz::bz_stream>,
    compressing: bool,
}

// SAFETY: the library keeps nothing of a stream in the thread.
unsafe impl Send for Stream {}

impl Stream {
    fn new(level: Option<i32>) -> Result<Stream, Failure> {
        // SAFETY: null pointers and zeros are what a stream begins with.
        let mut bz: Box<bz::bz_stream> = Box::new(unsafe { std::mem::zeroed() });
        // SAFETY: the struct is valid and stays in place.
        let code = unsafe {
            match level {
                Some(level) => bz::BZ2_bzCompressInit(&mut *bz, level, 0, 0),
                None => bz::BZ2_bzDecompressInit(&mut *bz, 0, 0),
            }
        };
        if code != bz::BZ_OK {
            return Err(Failure(code));
        }
        Ok(Stream {
            bz,
            compressing: level.is_some(),
        })
    }

    fn point(&mut self, input: &[u8], (at, room): (*mut u8, usize)) -> (usize, usize) {
        let (n, room) = (input.len().min(WINDOW), room.min(WINDOW));
        self.bz.next_in = input.as_ptr().cast();
        self.bz.avail_in = n as u32;
        self.bz.next_out = at.cast();
        self.bz.avail_out = room as u32;
        (n, room)
    }

    /// Compresses the input; the last of it if `finish`.
    fn compress(&mut self, input: &[u8], finish: bool) -> Result<Vec<u8>, Failure> {
        let (mut out, mut pos): (Vec<u8>, usize) = (Vec::new(), 0);
        if input.is_empty() && !finish {
            return Ok(out);
        }
        loop {
            let room = out.len().clamp(8 * 1024, WINDOW);
            if out.try_reserve(room).is_err() {
                return Err(Failure(bz::BZ_MEM_ERROR));
            }
            let at = out.spare_capacity_mut().as_mut_ptr().cast();
            let (n, room) = self.point(&input[pos..], (at, room));
            let action = if finish { bz::BZ_FINISH } else { bz::BZ_RUN };
            // SAFETY: input and output are valid for the call.
            let code = unsafe { bz::BZ2_bzCompress(&mut *self.bz, action) };
            pos += n - self.bz.avail_in as usize;
            let made = room - self.bz.avail_out as usize;
            // SAFETY: the library has written so many bytes.
            unsafe { out.set_len(out.len() + made) };
            match code {
                bz::BZ_STREAM_END => return Ok(out),
                bz::BZ_RUN_OK if pos == input.len() => return Ok(out),
                bz::BZ_RUN_OK | bz::BZ_FINISH_OK | bz::BZ_FLUSH_OK => {}
                code => return Err(Failure(code)),
            }
        }
    }
}

impl Decode for Stream {
    type Failure = Failure;
    const KEEPS_OUTPUT: bool = false;
    const BREAKS: bool = true;

    fn step(&mut self, input: &[u8], room: (*mut u8, usize)) -> Result<Step, Failure> {
        let (n, room) = self.point(input, room);
        // SAFETY: input and output are valid for the call.
        let code = unsafe { bz::BZ2_bzDecompress(&mut *self.bz) };
        if code != bz::BZ_OK && code != bz::BZ_STREAM_END {
            return Err(Failure(code));
        }
        Ok(Step {
            used: n - self.bz.avail_in as usize,
            made: room - self.bz.avail_out as usize,
            end: code == bz::BZ_STREAM_END,
        })
    }

    fn no_memory() -> Failure {
        Failure(bz::BZ_MEM_ERROR)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: an initialised stream, ended once.
        unsafe {
            match self.compressing {
                true => bz::BZ2_bzCompressEnd(&mut *self.bz),
                false => bz::BZ2_bzDecompressEnd(&mut *self.bz),
            }
        };
    }
}

/// A compressor, and whether it has been flushed.
type Compressor = (Stream, bool);
type Decompressor = decompress::Decompressor<Stream>;

fn compressor_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("BZ2Compressor", "(compresslevel=9, /)");
    let a = SIG.bind(t, args)?;
    let level = index::c_int(t, a[0], 9)?;
    if !(1..=9).contains(&level) {
        return Err(t.value_error("compresslevel must be between 1 and 9"));
    }
    match Stream::new(Some(level)) {
        Ok(s) => Ok(Holder::<Compressor>::new(t, &COMPRESSOR, (s, false)).into()),
        Err(e) => Err(raise(t, e)),
    }
}

fn done(t: &mut Thread, made: Option<Result<Vec<u8>, Failure>>, again: &str) -> Res {
    match made {
        None => Err(t.value_error(again)),
        Some(Ok(out)) => Ok(Bytes::from_vec(t, out).into()),
        Some(Err(e)) => Err(raise(t, e)),
    }
}

fn compress(t: &mut Thread, a: &[Value]) -> Res {
    let b = buffer::get(t, a[1])?;
    let made = Holder::<Compressor>::with(t, a[0], true, |(s, flushed)| {
        (!*flushed).then(|| s.compress(b.as_bytes(), false))
    });
    done(t, made, "Compressor has been flushed")
}

fn flush(t: &mut Thread, a: &[Value]) -> Res {
    let made = Holder::<Compressor>::with(t, a[0], true, |(s, flushed)| {
        let first = !std::mem::replace(flushed, true);
        first.then(|| s.compress(b"", true))
    });
    done(t, made, "Repeated call to flush()")
}

fn decompressor_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("BZ2Decompressor", "()");
    SIG.bind(t, args)?;
    match Stream::new(None) {
        Ok(s) => Ok(Holder::new(t, &DECOMPRESSOR, Decompressor::new(s)).into()),
        Err(e) => Err(raise(t, e)),
    }
}

fn decompress(t: &mut Thread, a: &[Value]) -> Res {
    let made = decompress::call::<Stream>(t, a, |_, _| ())?;
    decompress::finish(t, made, raise)
}

/// `_bz2.BZ2Compressor`
static COMPRESSOR: Type = Type::builtin(
    "BZ2Compressor",
    size_of::<Holder<Compressor>>(),
    &Spec {
        new: Some(compressor_new),
        methods: &[
            NativeDef::new("compress", "($self, data, /)", compress)
                .doc("Provide data to the compressor object."),
            NativeDef::new("flush", "($self, /)", flush).doc("Finish the compression process."),
            NativeDef::new("__reduce__", "($self, /)", no_pickle),
        ],
        ..Spec::EMPTY
    },
)
.clear_only(Holder::<Compressor>::clear)
.module("_bz2")
.final_()
.doc("Create a compressor object for compressing data incrementally.");

/// `_bz2.BZ2Decompressor`
static DECOMPRESSOR: Type = Type::builtin(
    "BZ2Decompressor",
    size_of::<Holder<Decompressor>>(),
    &Spec {
        new: Some(decompressor_new),
        methods: &[
            NativeDef::new("decompress", "($self, data, max_length=-1)", decompress)
                .doc("Decompress *data*, returning uncompressed data as bytes."),
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
.module("_bz2")
.final_()
.doc("Create a decompressor object for decompressing data incrementally.");

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_bz2", "", &[]);
    support::add_type(t, &m, &COMPRESSOR);
    support::add_type(t, &m, &DECOMPRESSOR);
    Ok(m)
}
