//! One stream being compressed or decompressed.

use libz_rs_sys as z;
use std::ffi::{CStr, c_int};

/// How a step of a stream ended when it failed: zlib's number and what it says about it.
#[derive(Clone, Debug)]
pub struct Failure {
    pub code: c_int,
    pub msg: Option<String>,
}

/// A stream. The struct that zlib works on stays in place, as its state points back to it.
pub struct Stream {
    z: Box<z::z_stream>,
    deflating: bool,
    /// For decompression: the dictionary to give when it is asked for.
    dictionary: Vec<u8>,
}

// SAFETY: zlib keeps nothing of a stream in the thread.
unsafe impl Send for Stream {}

/// Most bytes that one call takes or gives.
const WINDOW: usize = 1 << 30;
/// What output begins with.
const FIRST: usize = 16 * 1024;

/// What came of going through some input.
pub struct Progress {
    pub out: Vec<u8>,
    /// Bytes of input used.
    pub used: usize,
    /// The result of the last call: `Z_OK`, `Z_BUF_ERROR` or `Z_STREAM_END`.
    pub code: c_int,
}

impl Stream {
    /// A stream that compresses.
    pub fn deflate(
        level: c_int,
        method: c_int,
        wbits: c_int,
        mem_level: c_int,
        strategy: c_int,
    ) -> Result<Stream, Failure> {
        let mut z = Box::<z::z_stream>::default();
        let size = size_of::<z::z_stream>() as c_int;
        // SAFETY: the struct is valid and stays in place.
        let code = unsafe {
            z::deflateInit2_(
                &mut *z,
                level,
                method,
                wbits,
                mem_level,
                strategy,
                z::zlibVersion(),
                size,
            )
        };
        let s = Stream {
            z,
            deflating: true,
            dictionary: Vec::new(),
        };
        s.made(code)
    }

    /// A stream that decompresses.
    pub fn inflate(wbits: c_int, dictionary: Vec<u8>) -> Result<Stream, Failure> {
        let mut z = Box::<z::z_stream>::default();
        let size = size_of::<z::z_stream>() as c_int;
        // SAFETY: the struct is valid and stays in place.
        let code = unsafe { z::inflateInit2_(&mut *z, wbits, z::zlibVersion(), size) };
        let mut s = Stream {
            z,
            deflating: false,
            dictionary,
        }
        .made(code)?;
        // Raw streams do not ask.
        if wbits < 0 && !s.dictionary.is_empty() {
            s.give_dictionary()?;
        }
        Ok(s)
    }

    fn made(mut self, code: c_int) -> Result<Stream, Failure> {
        if code == z::Z_OK {
            return Ok(self);
        }
        let failure = self.failure(code);
        // Nothing to end.
        self.z.state = std::ptr::null_mut();
        Err(failure)
    }

    pub fn failure(&self, code: c_int) -> Failure {
        let msg = if self.z.msg.is_null() {
            match code {
                z::Z_BUF_ERROR => Some("incomplete or truncated stream"),
                z::Z_STREAM_ERROR => Some("inconsistent stream state"),
                z::Z_DATA_ERROR => Some("invalid input data"),
                _ => None,
            }
            .map(String::from)
        } else {
            // SAFETY: zlib's messages are static strings.
            Some(
                unsafe { CStr::from_ptr(self.z.msg) }
                    .to_string_lossy()
                    .into_owned(),
            )
        };
        Failure { code, msg }
    }

    /// Gives a compressor its dictionary.
    pub fn set_dictionary(&mut self, dictionary: &[u8]) -> Result<(), Failure> {
        // SAFETY: the stream is initialised, the bytes are valid for the call.
        let code = unsafe {
            z::deflateSetDictionary(&mut *self.z, dictionary.as_ptr(), dictionary.len() as u32)
        };
        if code == z::Z_OK {
            Ok(())
        } else {
            Err(self.failure(code))
        }
    }

    fn give_dictionary(&mut self) -> Result<(), Failure> {
        let d = &self.dictionary;
        // SAFETY: as in `set_dictionary`.
        let code = unsafe { z::inflateSetDictionary(&mut *self.z, d.as_ptr(), d.len() as u32) };
        if code == z::Z_OK {
            Ok(())
        } else {
            Err(self.failure(code))
        }
    }

    /// A stream of its own in the same state.
    pub fn duplicate(&mut self) -> Result<Stream, Failure> {
        // No pointers to memory that is gone; a stream that has not been used has none, which zlib takes for an error.
        self.z.next_in = std::ptr::NonNull::dangling().as_ptr();
        self.z.next_out = std::ptr::NonNull::dangling().as_ptr();
        self.z.avail_in = 0;
        self.z.avail_out = 0;
        let mut copy = Box::<z::z_stream>::default();
        // SAFETY: both structs are valid; the copy's state is made for the place where it stays.
        let code = unsafe {
            match self.deflating {
                true => z::deflateCopy(&mut *copy, &mut *self.z),
                false => z::inflateCopy(&mut *copy, &*self.z),
            }
        };
        let s = Stream {
            z: copy,
            deflating: self.deflating,
            dictionary: self.dictionary.clone(),
        };
        s.made(code)
    }

    /// Goes through `input`. `flush` holds for the end of it. Stops when `limit` bytes have come out.
    pub fn run(&mut self, input: &[u8], flush: c_int, limit: usize) -> Result<Progress, Failure> {
        let mut p = Progress {
            out: Vec::new(),
            used: 0,
            code: z::Z_OK,
        };
        loop {
            let part = &input[p.used..];
            let part = &part[..part.len().min(WINDOW)];
            let last = p.used + part.len() == input.len();
            let mode = if last || !self.deflating {
                flush
            } else {
                z::Z_NO_FLUSH
            };
            self.z.next_in = part.as_ptr();
            self.z.avail_in = part.len() as u32;
            let filled = self.fill(&mut p, mode, limit);
            p.used += part.len() - self.z.avail_in as usize;
            let full = filled?;
            if full || last || p.code == z::Z_STREAM_END {
                return Ok(p);
            }
        }
    }

    /// Calls zlib until it leaves room in the output. True: the limit has been reached.
    fn fill(&mut self, p: &mut Progress, mode: c_int, limit: usize) -> Result<bool, Failure> {
        loop {
            let room = match p.out.len() {
                0 => FIRST,
                n => n.min(WINDOW),
            };
            let room = room.min(limit - p.out.len());
            if room == 0 {
                return Ok(true);
            }
            if p.out.try_reserve(room).is_err() {
                return Err(Failure {
                    code: z::Z_MEM_ERROR,
                    msg: None,
                });
            }
            let spare = p.out.spare_capacity_mut();
            let room = room.min(spare.len());
            self.z.next_out = spare.as_mut_ptr().cast();
            self.z.avail_out = room as u32;
            // SAFETY: input and output are valid for the call.
            p.code = unsafe {
                match self.deflating {
                    true => z::deflate(&mut *self.z, mode),
                    false => z::inflate(&mut *self.z, mode),
                }
            };
            let made = room - self.z.avail_out as usize;
            // SAFETY: zlib has written so many bytes.
            unsafe { p.out.set_len(p.out.len() + made) };
            match p.code {
                z::Z_OK | z::Z_BUF_ERROR if self.z.avail_out == 0 => {}
                z::Z_OK | z::Z_BUF_ERROR | z::Z_STREAM_END => return Ok(false),
                z::Z_NEED_DICT if !self.deflating && !self.dictionary.is_empty() => {
                    self.give_dictionary()?
                }
                code => return Err(self.failure(code)),
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.z.state.is_null() {
            return;
        }
        // SAFETY: an initialised stream, ended once.
        unsafe {
            match self.deflating {
                true => z::deflateEnd(&mut *self.z),
                false => z::inflateEnd(&mut *self.z),
            }
        };
    }
}
