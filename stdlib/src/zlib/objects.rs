//! Compressor and decompressor objects.

use super::stream::{Failure, Progress, Stream};
use super::{DEF_MEM_LEVEL, Holder, LARGE, MAX_WBITS, error, int_or};
use libz_rs_sys as z;
use weft_objects::buffer;
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::str::index;

/// A compressor; `None` once it has been finished.
type Compress = Option<Stream>;

/// A decompressor and what it has not used.
struct Decompress {
    /// `None` once it has been finished.
    stream: Option<Stream>,
    /// What followed the end of the stream.
    unused: Vec<u8>,
    /// What was left when enough had come out.
    tail: Vec<u8>,
    eof: bool,
}

/// A decompressor that keeps what it has not used yet.
struct Decompressor {
    stream: Stream,
    unused: Vec<u8>,
    /// Input still to be used.
    input: Vec<u8>,
    needs_input: bool,
    eof: bool,
}

fn dictionary(t: &mut Thread, v: Value) -> Res<Vec<u8>> {
    if v.is_null() || v.is_none() {
        return Ok(Vec::new());
    }
    if !buffer::is_exporter(v) {
        return Err(t.type_error("zdict argument must support the buffer protocol".into()));
    }
    buffer::with_bytes(t, v, <[u8]>::to_vec)
}

/// `zlib.compressobj(level, method, wbits, memLevel, strategy, zdict)`
pub fn compressobj(t: &mut Thread, a: &[Value]) -> Res {
    let level = int_or(t, a[0], z::Z_DEFAULT_COMPRESSION)?;
    let method = int_or(t, a[1], z::Z_DEFLATED)?;
    let wbits = int_or(t, a[2], MAX_WBITS)?;
    let mem_level = int_or(t, a[3], DEF_MEM_LEVEL)?;
    let strategy = int_or(t, a[4], z::Z_DEFAULT_STRATEGY)?;
    let dictionary = if a[5].is_null() || a[5].is_none() {
        None
    } else {
        Some(buffer::get(t, a[5])?.to_vec())
    };
    let mut stream = match Stream::deflate(level, method, wbits, mem_level, strategy) {
        Ok(s) => s,
        Err(e) => {
            return Err(refused(
                t,
                &e,
                "compression",
                "while creating compression object",
            ));
        }
    };
    if let Some(d) = dictionary
        && let Err(e) = stream.set_dictionary(&d)
    {
        return Err(match e.code {
            z::Z_STREAM_ERROR => t.value_error("Invalid dictionary"),
            _ => t.value_error("deflateSetDictionary()"),
        });
    }
    Ok(Holder::<Compress>::new(t, &COMPRESS, Some(stream)).into())
}

fn refused(t: &mut Thread, e: &Failure, what: &str, doing: &str) -> Raised {
    match e.code {
        z::Z_STREAM_ERROR => t.value_error("Invalid initialization option"),
        z::Z_MEM_ERROR => t.raise(
            &errors::MEMORY_ERROR,
            format!("Can't allocate memory for {what} object"),
        ),
        _ => error(t, e, doing),
    }
}

fn inflating(t: &mut Thread, wbits: Value, dict: Value) -> Res<Stream> {
    let wbits = int_or(t, wbits, MAX_WBITS)?;
    let dictionary = dictionary(t, dict)?;
    let given = !dictionary.is_empty();
    match Stream::inflate(wbits, dictionary) {
        Ok(s) => Ok(s),
        Err(e) if given && e.code == z::Z_DATA_ERROR => Err(error(t, &e, "while setting zdict")),
        Err(e) => Err(refused(
            t,
            &e,
            "decompression",
            "while creating decompression object",
        )),
    }
}

/// `zlib.decompressobj(wbits, zdict)`
pub fn decompressobj(t: &mut Thread, a: &[Value]) -> Res {
    let stream = inflating(t, a[0], a[1])?;
    let inner = Decompress {
        stream: Some(stream),
        unused: Vec::new(),
        tail: Vec::new(),
        eof: false,
    };
    Ok(Holder::new(t, &DECOMPRESS, inner).into())
}

fn done(t: &mut Thread, r: Result<Progress, Failure>, doing: &str) -> Res {
    match r {
        Ok(p) => Ok(Bytes::from_vec(t, p.out).into()),
        Err(e) => Err(error(t, &e, doing)),
    }
}

fn ended() -> Failure {
    Failure {
        code: z::Z_STREAM_ERROR,
        msg: Some("inconsistent stream state".into()),
    }
}

fn compress(t: &mut Thread, a: &[Value]) -> Res {
    let b = buffer::get(t, a[1])?;
    let made = Holder::<Compress>::with(t, a[0], b.len >= LARGE, |c| match c {
        Some(s) => s.run(b.as_bytes(), z::Z_NO_FLUSH, usize::MAX),
        None => Err(ended()),
    });
    done(t, made, "while compressing data")
}

fn compress_flush(t: &mut Thread, a: &[Value]) -> Res {
    let mode = int_or(t, a[1], z::Z_FINISH)?;
    if mode == z::Z_NO_FLUSH {
        return Ok(Bytes::new(t, b"").into());
    }
    let made = Holder::<Compress>::with(t, a[0], true, |c| {
        let Some(s) = c else { return Err(ended()) };
        let p = s.run(b"", mode, usize::MAX)?;
        if mode == z::Z_FINISH && p.code == z::Z_STREAM_END {
            *c = None;
        }
        Ok(p)
    });
    done(t, made, "while flushing")
}

fn compress_copy(t: &mut Thread, a: &[Value]) -> Res {
    let made = Holder::<Compress>::with(t, a[0], false, |c| match c {
        Some(s) => s.duplicate(),
        None => Err(ended()),
    });
    match made {
        Ok(s) => Ok(Holder::<Compress>::new(t, &COMPRESS, Some(s)).into()),
        Err(e) => Err(copy_error(t, &e, "compression")),
    }
}

fn copy_error(t: &mut Thread, e: &Failure, what: &str) -> Raised {
    match e.code {
        z::Z_STREAM_ERROR => t.value_error("Inconsistent stream state"),
        z::Z_MEM_ERROR => t.raise(
            &errors::MEMORY_ERROR,
            format!("Can't allocate memory for {what} object"),
        ),
        _ => error(t, e, &format!("while copying {what} object")),
    }
}

impl Decompress {
    fn run(&mut self, input: &[u8], mode: i32, limit: usize) -> Result<Progress, Failure> {
        let Some(stream) = &mut self.stream else {
            return Err(ended());
        };
        let p = stream.run(input, mode, limit)?;
        let rest = &input[p.used..];
        if p.code == z::Z_STREAM_END {
            self.unused.extend_from_slice(rest);
            self.tail.clear();
            self.eof = true;
        } else {
            self.tail = rest.to_vec();
        }
        Ok(p)
    }
}

fn decompress(t: &mut Thread, a: &[Value]) -> Res {
    let max = index::size_or(t, a[2], 0)?;
    if max < 0 {
        return Err(t.value_error("max_length must be non-negative"));
    }
    let limit = if max == 0 { usize::MAX } else { max as usize };
    let b = buffer::get(t, a[1])?;
    let made = Holder::<Decompress>::with(t, a[0], b.len >= LARGE, |d| {
        d.run(b.as_bytes(), z::Z_SYNC_FLUSH, limit)
    });
    done(t, made, "while decompressing data")
}

fn decompress_flush(t: &mut Thread, a: &[Value]) -> Res {
    let length = index::size_or(t, a[1], 1)?;
    if length <= 0 {
        return Err(t.value_error("length must be greater than zero"));
    }
    let made = Holder::<Decompress>::with(t, a[0], true, |d| {
        if d.stream.is_none() {
            return Ok(Progress {
                out: Vec::new(),
                used: 0,
                code: z::Z_STREAM_END,
            });
        }
        let input = std::mem::take(&mut d.tail);
        // What is cut off is no error here: what could be decompressed comes out.
        let p = d.run(&input, z::Z_FINISH, usize::MAX)?;
        if d.eof {
            d.stream = None;
        }
        Ok(p)
    });
    done(t, made, "while finishing decompression")
}

fn decompress_copy(t: &mut Thread, a: &[Value]) -> Res {
    let made = Holder::<Decompress>::with(t, a[0], false, |d| {
        let Some(stream) = &mut d.stream else {
            return Err(ended());
        };
        let stream = Some(stream.duplicate()?);
        Ok(Decompress {
            stream,
            unused: d.unused.clone(),
            tail: d.tail.clone(),
            eof: d.eof,
        })
    });
    match made {
        Ok(d) => Ok(Holder::new(t, &DECOMPRESS, d).into()),
        Err(e) => Err(copy_error(t, &e, "decompression")),
    }
}

/// `zlib.Compress`
pub static COMPRESS: Type = Type::builtin(
    "Compress",
    size_of::<Holder<Compress>>(),
    &Spec {
        methods: &[
            NativeDef::new("compress", "($self, data, /)", compress)
                .doc("Returns a bytes object containing compressed data."),
            NativeDef::new("flush", "($self, mode=4, /)", compress_flush)
                .doc("Return a bytes object containing any remaining compressed data."),
            NativeDef::new("copy", "($self, /)", compress_copy)
                .doc("Return a copy of the compression object."),
            NativeDef::new("__copy__", "($self, /)", compress_copy),
            NativeDef::new("__deepcopy__", "($self, memo, /)", compress_copy),
        ],
        ..Spec::EMPTY
    },
)
.clear_only(Holder::<Compress>::clear)
.module("zlib")
.final_()
.no_new();

/// `zlib.Decompress`
pub static DECOMPRESS: Type = Type::builtin(
    "Decompress",
    size_of::<Holder<Decompress>>(),
    &Spec {
        methods: &[
            NativeDef::new("decompress", "($self, data, /, max_length=0)", decompress)
                .doc("Return a bytes object containing the decompressed version of the data."),
            NativeDef::new("flush", "($self, length=16384, /)", decompress_flush)
                .doc("Return a bytes object containing any remaining decompressed data."),
            NativeDef::new("copy", "($self, /)", decompress_copy)
                .doc("Return a copy of the decompression object."),
            NativeDef::new("__copy__", "($self, /)", decompress_copy),
            NativeDef::new("__deepcopy__", "($self, memo, /)", decompress_copy),
        ],
        getset: &[
            GetSetDef::ro("unused_data", |t, v| {
                let data = Holder::<Decompress>::with(t, v, false, |d| d.unused.clone());
                Ok(Bytes::from_vec(t, data).into())
            }),
            GetSetDef::ro("unconsumed_tail", |t, v| {
                let data = Holder::<Decompress>::with(t, v, false, |d| d.tail.clone());
                Ok(Bytes::from_vec(t, data).into())
            }),
            GetSetDef::ro("eof", |t, v| {
                Ok(Value::bool(Holder::<Decompress>::with(t, v, false, |d| {
                    d.eof
                })))
            }),
        ],
        ..Spec::EMPTY
    },
)
.clear_only(Holder::<Decompress>::clear)
.module("zlib")
.final_()
.no_new();

impl Decompressor {
    /// `None`: the end has been reached before.
    fn run(&mut self, data: &[u8], limit: usize) -> Option<Result<Vec<u8>, Failure>> {
        if self.eof {
            return None;
        }
        self.input.extend_from_slice(data);
        let p = match self.stream.run(&self.input, z::Z_SYNC_FLUSH, limit) {
            Ok(p) => p,
            Err(e) => {
                self.input.clear();
                return Some(Err(e));
            }
        };
        if p.code == z::Z_STREAM_END {
            self.eof = true;
            self.needs_input = false;
            self.unused = self.input.split_off(p.used);
            self.input = Vec::new();
        } else {
            self.input.drain(..p.used);
            // With all of the input used and output at its limit, there may still be more to come.
            self.needs_input = self.input.is_empty() && p.out.len() < limit;
        }
        Some(Ok(p.out))
    }
}

fn decompressor_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("_ZlibDecompressor", "(wbits=15, zdict=b'')");
    let a = SIG.bind(t, args)?;
    let stream = inflating(t, a[0], a[1])?;
    let inner = Decompressor {
        stream,
        unused: Vec::new(),
        input: Vec::new(),
        needs_input: true,
        eof: false,
    };
    Ok(Holder::new(t, &DECOMPRESSOR, inner).into())
}

fn decompressor_decompress(t: &mut Thread, a: &[Value]) -> Res {
    let max = index::size_or(t, a[2], -1)?;
    let limit = usize::try_from(max).unwrap_or(usize::MAX);
    let b = buffer::get(t, a[1])?;
    match Holder::<Decompressor>::with(t, a[0], b.len >= LARGE, |d| d.run(b.as_bytes(), limit)) {
        None => Err(t.raise(&errors::EOF_ERROR, "End of stream already reached")),
        Some(Ok(out)) => Ok(Bytes::from_vec(t, out).into()),
        Some(Err(e)) => Err(error(t, &e, "while decompressing data")),
    }
}

/// `zlib._ZlibDecompressor`
pub static DECOMPRESSOR: Type = Type::builtin(
    "_ZlibDecompressor",
    size_of::<Holder<Decompressor>>(),
    &Spec {
        new: Some(decompressor_new),
        methods: &[NativeDef::new(
            "decompress",
            "($self, data, max_length=-1)",
            decompressor_decompress,
        )
        .doc("Decompress *data*, returning uncompressed data as bytes.")],
        getset: &[
            GetSetDef::ro("unused_data", |t, v| {
                let data = Holder::<Decompressor>::with(t, v, false, |d| d.unused.clone());
                Ok(Bytes::from_vec(t, data).into())
            }),
            GetSetDef::ro("needs_input", |t, v| {
                Ok(Value::bool(Holder::<Decompressor>::with(
                    t,
                    v,
                    false,
                    |d| d.needs_input,
                )))
            }),
            GetSetDef::ro("eof", |t, v| {
                Ok(Value::bool(Holder::<Decompressor>::with(
                    t,
                    v,
                    false,
                    |d| d.eof,
                )))
            }),
        ],
        ..Spec::EMPTY
    },
)
.clear_only(Holder::<Decompressor>::clear)
.module("zlib")
.final_();
