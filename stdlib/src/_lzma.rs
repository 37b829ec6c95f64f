//! `_lzma`: compression by LZMA, in `.xz`, `.lzma` or no container.

use crate::decompress::{self, Decode, Step};
use crate::holder::{Holder, no_pickle};
use crate::support::{self, add, add_ints};
use liblzma_sys as lz;
use std::sync::OnceLock;
use weft_objects::buffer;
use weft_objects::bytes::Bytes;
use weft_objects::int;
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;
use weft_objects::str::index;

mod filters;

use filters::Chain;

const FORMAT_AUTO: i32 = 0;
const FORMAT_XZ: i32 = 1;
const FORMAT_ALONE: i32 = 2;
const FORMAT_RAW: i32 = 3;

/// What a decompressor says before it knows how the data is checked.
const CHECK_UNKNOWN: u32 = 16;

/// `_lzma.LZMAError`
fn class(t: &mut Thread) -> Res<Obj> {
    static ERROR: OnceLock<SharedObj> = OnceLock::new();
    if let Some(class) = ERROR.get() {
        return Ok(class.get(t));
    }
    let bases = [&errors::EXCEPTION];
    let class = crate::_signal::new_exception_class(t, "LZMAError", "_lzma", &bases)?;
    Ok(ERROR.get_or_init(|| SharedObj::new(t, class)).get(t))
}

fn lzma_error(t: &mut Thread, msg: String) -> Raised {
    match class(t) {
        Ok(class) => t.raise(Type::of_unchecked(class.value()), msg),
        Err(e) => e,
    }
}

/// The library's number for what went wrong.
struct Failure(lz::lzma_ret);

fn raise(t: &mut Thread, Failure(code): Failure) -> Raised {
    let msg = match code {
        lz::LZMA_MEM_ERROR => return t.memory_error(),
        lz::LZMA_UNSUPPORTED_CHECK => "Unsupported integrity check",
        lz::LZMA_MEMLIMIT_ERROR => "Memory usage limit exceeded",
        lz::LZMA_FORMAT_ERROR => "Input format not supported by decoder",
        lz::LZMA_OPTIONS_ERROR => "Invalid or unsupported options",
        lz::LZMA_DATA_ERROR => "Corrupt input data",
        lz::LZMA_BUF_ERROR => "Insufficient buffer space",
        lz::LZMA_PROG_ERROR => "Internal error",
        _ => return lzma_error(t, format!("Unrecognized error from liblzma: {code}")),
    };
    lzma_error(t, msg.into())
}

/// A stream, ended when dropped.
struct Stream {
    lz: Box<lz::lzma_stream>,
    /// How the data is checked, as far as known.
    check: u32,
}

// SAFETY: the library keeps nothing of a stream in the thread.
unsafe impl Send for Stream {}

impl Stream {
    /// A stream that `f` makes ready.
    fn new(
        check: u32,
        f: impl FnOnce(*mut lz::lzma_stream) -> lz::lzma_ret,
    ) -> Result<Stream, Failure> {
        // SAFETY: null pointers and zeros are what a stream begins with.
        let lz: Box<lz::lzma_stream> = Box::new(unsafe { std::mem::zeroed() });
        let mut s = Stream { lz, check };
        match f(&mut *s.lz) {
            lz::LZMA_OK => Ok(s),
            code => Err(Failure(code)),
        }
    }

    fn compress(&mut self, input: &[u8], action: lz::lzma_action) -> Result<Vec<u8>, Failure> {
        let mut out: Vec<u8> = Vec::new();
        self.lz.next_in = input.as_ptr();
        self.lz.avail_in = input.len();
        loop {
            let room = out.len().max(8 * 1024);
            if out.try_reserve(room).is_err() {
                return Err(Failure(lz::LZMA_MEM_ERROR));
            }
            self.lz.next_out = out.spare_capacity_mut().as_mut_ptr().cast();
            self.lz.avail_out = room;
            // SAFETY: input and output are valid for the call.
            let mut code = unsafe { lz::lzma_code(&mut *self.lz, action) };
            // SAFETY: the library has written so many bytes.
            unsafe { out.set_len(out.len() + room - self.lz.avail_out) };
            // Nothing to do is no error.
            if code == lz::LZMA_BUF_ERROR && self.lz.avail_in == 0 && self.lz.avail_out > 0 {
                code = lz::LZMA_OK;
            }
            match code {
                lz::LZMA_STREAM_END => return Ok(out),
                lz::LZMA_OK | lz::LZMA_GET_CHECK | lz::LZMA_NO_CHECK => {}
                code => return Err(Failure(code)),
            }
            if action == lz::LZMA_RUN && self.lz.avail_in == 0 && self.lz.avail_out > 0 {
                return Ok(out);
            }
        }
    }
}

impl Decode for Stream {
    type Failure = Failure;
    const KEEPS_OUTPUT: bool = true;
    const BREAKS: bool = false;

    fn step(&mut self, input: &[u8], (at, room): (*mut u8, usize)) -> Result<Step, Failure> {
        self.lz.next_in = input.as_ptr();
        self.lz.avail_in = input.len();
        self.lz.next_out = at;
        self.lz.avail_out = room;
        let code = loop {
            // SAFETY: input and output are valid for the call.
            match unsafe { lz::lzma_code(&mut *self.lz, lz::LZMA_RUN) } {
                lz::LZMA_GET_CHECK | lz::LZMA_NO_CHECK => {
                    // SAFETY: after these results the check is known.
                    self.check = unsafe { lz::lzma_get_check(&*self.lz) };
                }
                code => break code,
            }
        };
        let idle = self.lz.avail_in == 0 || self.lz.avail_out == 0;
        match code {
            lz::LZMA_OK | lz::LZMA_STREAM_END => {}
            lz::LZMA_BUF_ERROR if idle => {}
            code => return Err(Failure(code)),
        }
        Ok(Step {
            used: input.len() - self.lz.avail_in,
            made: room - self.lz.avail_out,
            end: code == lz::LZMA_STREAM_END,
        })
    }

    fn no_memory() -> Failure {
        Failure(lz::LZMA_MEM_ERROR)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: ended once; also fine for a stream that was never made ready.
        unsafe { lz::lzma_end(&mut *self.lz) };
    }
}

/// A compressor, and whether it has been flushed.
type Compressor = (Stream, bool);
type Decompressor = decompress::Decompressor<Stream>;

/// An unsigned number of 32 bits.
fn u32_arg(t: &mut Thread, v: Value) -> Res<u32> {
    let i = proto::index(t, v)?;
    match int::as_i64(i.value()).map(u32::try_from) {
        Some(Ok(n)) => Ok(n),
        Some(Err(_)) if int::as_i64(i.value()).is_some_and(|n| n < 0) => {
            Err(t.value_error("Cannot convert negative int"))
        }
        _ => Err(t.overflow_error("Value too large for uint32_t type")),
    }
}

fn preset_arg(t: &mut Thread, v: Value) -> Res<u32> {
    if v.is_null() || v.is_none() {
        Ok(lz::LZMA_PRESET_DEFAULT)
    } else {
        u32_arg(t, v)
    }
}

fn is_given(v: Value) -> bool {
    !v.is_null() && !v.is_none()
}

fn compressor_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new(
        "LZMACompressor",
        "(format=FORMAT_XZ, check=-1, preset=None, filters=None)",
    );
    let a = SIG.bind(t, args)?;
    let format = index::c_int(t, a[0], FORMAT_XZ)?;
    let check = index::c_int(t, a[1], -1)?;
    if is_given(a[2]) && is_given(a[3]) {
        return Err(t.value_error("Cannot specify both preset and filter chain"));
    }
    let preset = preset_arg(t, a[2])?;
    if format != FORMAT_XZ && check != -1 && check != lz::LZMA_CHECK_NONE as i32 {
        return Err(t.value_error("Integrity checks are only supported by FORMAT_XZ"));
    }
    let check = match (check, format) {
        (-1, FORMAT_XZ) => lz::LZMA_CHECK_CRC64,
        (-1, _) => lz::LZMA_CHECK_NONE,
        (n, _) => n as lz::lzma_check,
    };
    let chain = if is_given(a[3]) {
        Some(Chain::parse(t, a[3])?)
    } else {
        None
    };
    // SAFETY, for all of them: the stream is a fresh one; the chain is complete, and copied by the library.
    let made = match (format, &chain) {
        // SAFETY: as above.
        (FORMAT_XZ, None) => Stream::new(0, |s| unsafe { lz::lzma_easy_encoder(s, preset, check) }),
        // SAFETY: as above.
        (FORMAT_XZ, Some(c)) => Stream::new(0, |s| unsafe {
            lz::lzma_stream_encoder(s, c.as_ptr(), check)
        }),
        (FORMAT_ALONE, None) => {
            let Some(options) = filters::preset(preset) else {
                return Err(lzma_error(
                    t,
                    format!("Invalid compression preset: {preset}"),
                ));
            };
            // SAFETY: as above.
            Stream::new(0, |s| unsafe { lz::lzma_alone_encoder(s, &options) })
        }
        (FORMAT_ALONE, Some(c)) => match c.only_lzma1() {
            // SAFETY: as above.
            Some(options) => Stream::new(0, |s| unsafe { lz::lzma_alone_encoder(s, options) }),
            None => {
                return Err(t.value_error(
                    "Invalid filter chain for FORMAT_ALONE - must be a single LZMA1 filter",
                ));
            }
        },
        (FORMAT_RAW, None) => {
            return Err(t.value_error("Must specify filters for FORMAT_RAW"));
        }
        // SAFETY: as above.
        (FORMAT_RAW, Some(c)) => Stream::new(0, |s| unsafe { lz::lzma_raw_encoder(s, c.as_ptr()) }),
        _ => return Err(t.value_error(format!("Invalid container format: {format}"))),
    };
    match made {
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
        (!*flushed).then(|| s.compress(b.as_bytes(), lz::LZMA_RUN))
    });
    done(t, made, "Compressor has been flushed")
}

fn flush(t: &mut Thread, a: &[Value]) -> Res {
    let made = Holder::<Compressor>::with(t, a[0], true, |(s, flushed)| {
        let first = !std::mem::replace(flushed, true);
        first.then(|| s.compress(b"", lz::LZMA_FINISH))
    });
    done(t, made, "Repeated call to flush()")
}

fn decompressor_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new(
        "LZMADecompressor",
        "(format=FORMAT_AUTO, memlimit=None, filters=None)",
    );
    let a = SIG.bind(t, args)?;
    let format = index::c_int(t, a[0], FORMAT_AUTO)?;
    let limit = if is_given(a[1]) {
        if format == FORMAT_RAW {
            return Err(t.value_error("Cannot specify memory limit with FORMAT_RAW"));
        }
        let i = proto::index(t, a[1])?;
        match int::to_bigint(i.value()).map(|b| num_traits::ToPrimitive::to_u64(&b)) {
            Some(Some(n)) => n,
            _ => return Err(t.overflow_error("int too big to convert")),
        }
    } else {
        u64::MAX
    };
    if format == FORMAT_RAW && !is_given(a[2]) {
        return Err(t.value_error("Must specify filters for FORMAT_RAW"));
    }
    if format != FORMAT_RAW && is_given(a[2]) {
        return Err(t.value_error("Cannot specify filters except with FORMAT_RAW"));
    }
    let tell = lz::LZMA_TELL_ANY_CHECK | lz::LZMA_TELL_NO_CHECK;
    let none = lz::LZMA_CHECK_NONE;
    // SAFETY, for all of them: the stream is a fresh one; the chain is complete, and copied by the library.
    let made = match format {
        // SAFETY: as above.
        FORMAT_AUTO => Stream::new(CHECK_UNKNOWN, |s| unsafe {
            lz::lzma_auto_decoder(s, limit, tell)
        }),
        // SAFETY: as above.
        FORMAT_XZ => Stream::new(CHECK_UNKNOWN, |s| unsafe {
            lz::lzma_stream_decoder(s, limit, tell)
        }),
        // SAFETY: as above.
        FORMAT_ALONE => Stream::new(none, |s| unsafe { lz::lzma_alone_decoder(s, limit) }),
        FORMAT_RAW => {
            let chain = Chain::parse(t, a[2])?;
            // SAFETY: as above.
            Stream::new(none, |s| unsafe { lz::lzma_raw_decoder(s, chain.as_ptr()) })
        }
        _ => return Err(t.value_error(format!("Invalid container format: {format}"))),
    };
    match made {
        Ok(s) => Ok(Holder::new(t, &DECOMPRESSOR, Decompressor::new(s)).into()),
        Err(e) => Err(raise(t, e)),
    }
}

fn decompress(t: &mut Thread, a: &[Value]) -> Res {
    let made = decompress::call::<Stream>(t, a, |_, _| ())?;
    decompress::finish(t, made, raise)
}

/// `_lzma.LZMACompressor`
static COMPRESSOR: Type = Type::builtin(
    "LZMACompressor",
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
.module("_lzma")
.final_()
.doc("LZMACompressor(format=FORMAT_XZ, check=-1, preset=None, filters=None)\n\nCreate a compressor object for compressing data incrementally.");

/// `_lzma.LZMADecompressor`
static DECOMPRESSOR: Type = Type::builtin(
    "LZMADecompressor",
    size_of::<Holder<Decompressor>>(),
    &Spec {
        new: Some(decompressor_new),
        methods: &[
            NativeDef::new("decompress", "($self, data, max_length=-1)", decompress)
                .doc("Decompress *data*, returning uncompressed data as bytes."),
            NativeDef::new("__reduce__", "($self, /)", no_pickle),
        ],
        getset: &[
            GetSetDef::ro("check", |t, v| {
                let n = Holder::<Decompressor>::with(t, v, false, |d| d.decoder.check);
                Ok(Value::int(n.into()))
            }),
            GetSetDef::ro("unused_data", decompress::unused_data::<Stream>),
            GetSetDef::ro("needs_input", decompress::needs_input::<Stream>),
            GetSetDef::ro("eof", decompress::eof::<Stream>),
        ],
        ..Spec::EMPTY
    },
)
.clear_only(Holder::<Decompressor>::clear)
.module("_lzma")
.final_()
.doc("Create a decompressor object for decompressing data incrementally.");

fn is_check_supported(t: &mut Thread, a: &[Value]) -> Res {
    let n = support::c_int(t, a[0])?;
    // SAFETY: always callable.
    Ok(Value::bool(
        unsafe { lz::lzma_check_is_supported(n as lz::lzma_check) } != 0,
    ))
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("is_check_supported", "(check_id, /)", is_check_supported)
        .doc("Test whether the given integrity check is supported."),
    NativeDef::new(
        "_encode_filter_properties",
        "(filter, /)",
        filters::encode_properties,
    )
    .doc("Return a bytes object encoding the options (properties) of the filter specified by *filter* (a dict)."),
    NativeDef::new(
        "_decode_filter_properties",
        "(filter_id, encoded_props, /)",
        filters::decode_properties,
    )
    .doc("Return a bytes object encoding the options (properties) of the filter specified by *filter* (a dict)."),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_lzma", "", FUNCTIONS);
    support::add_type(t, &m, &COMPRESSOR);
    support::add_type(t, &m, &DECOMPRESSOR);
    let class = class(t)?;
    add(t, &m, "LZMAError", class);
    add_ints(
        t,
        &m,
        &[
            ("FORMAT_AUTO", FORMAT_AUTO.into()),
            ("FORMAT_XZ", FORMAT_XZ.into()),
            ("FORMAT_ALONE", FORMAT_ALONE.into()),
            ("FORMAT_RAW", FORMAT_RAW.into()),
            ("CHECK_NONE", lz::LZMA_CHECK_NONE.into()),
            ("CHECK_CRC32", lz::LZMA_CHECK_CRC32.into()),
            ("CHECK_CRC64", lz::LZMA_CHECK_CRC64.into()),
            ("CHECK_SHA256", lz::LZMA_CHECK_SHA256.into()),
            ("CHECK_ID_MAX", 15),
            ("CHECK_UNKNOWN", CHECK_UNKNOWN.into()),
            ("FILTER_LZMA1", lz::LZMA_FILTER_LZMA1 as i64),
            ("FILTER_LZMA2", lz::LZMA_FILTER_LZMA2 as i64),
            ("FILTER_DELTA", lz::LZMA_FILTER_DELTA as i64),
            ("FILTER_X86", lz::LZMA_FILTER_X86 as i64),
            ("FILTER_POWERPC", lz::LZMA_FILTER_POWERPC as i64),
            ("FILTER_IA64", lz::LZMA_FILTER_IA64 as i64),
            ("FILTER_ARM", lz::LZMA_FILTER_ARM as i64),
            ("FILTER_ARMTHUMB", lz::LZMA_FILTER_ARMTHUMB as i64),
            ("FILTER_SPARC", lz::LZMA_FILTER_SPARC as i64),
            ("MF_HC3", lz::LZMA_MF_HC3.into()),
            ("MF_HC4", lz::LZMA_MF_HC4.into()),
            ("MF_BT2", lz::LZMA_MF_BT2.into()),
            ("MF_BT3", lz::LZMA_MF_BT3.into()),
            ("MF_BT4", lz::LZMA_MF_BT4.into()),
            ("MODE_FAST", lz::LZMA_MODE_FAST.into()),
            ("MODE_NORMAL", lz::LZMA_MODE_NORMAL.into()),
            ("PRESET_DEFAULT", lz::LZMA_PRESET_DEFAULT.into()),
            ("PRESET_EXTREME", lz::LZMA_PRESET_EXTREME.into()),
        ],
    );
    Ok(m)
}
