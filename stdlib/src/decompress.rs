//! What the decompressor objects of `bz2`, `lzma` and `zstd` have in common.

use crate::holder::Holder;
use weft_objects::buffer;
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::str::index;

/// What came of one step.
pub struct Step {
    /// Bytes of input used, and of output made.
    pub used: usize,
    pub made: usize,
    /// The data ended here.
    pub end: bool,
}

/// A native decoder.
pub trait Decode {
    type Failure;
    /// Goes through some input. Gets room for `room.1` bytes at `room.0`.
    fn step(&mut self, input: &[u8], room: (*mut u8, usize)) -> Result<Step, Self::Failure>;
    /// There was too little memory.
    fn no_memory() -> Self::Failure;
    /// Whether more may come out without more going in, after output was full and input used up.
    const KEEPS_OUTPUT: bool;
    /// Whether it must not be used after a failure.
    const BREAKS: bool;
}

/// What came of a call.
pub enum Outcome<E> {
    Made(Vec<u8>),
    Failed(E),
    /// The data had ended before.
    Ended,
    /// It had failed before.
    Broken,
}

/// A decoder and what it has not used.
pub struct Decompressor<D> {
    pub decoder: D,
    /// What followed the end of the data.
    pub unused: Vec<u8>,
    input: Vec<u8>,
    pub needs_input: bool,
    pub eof: bool,
    /// A failure that leaves nothing to go on with.
    broken: bool,
}

/// What output begins with.
const FIRST: usize = 32 * 1024;

impl<D: Decode> Decompressor<D> {
    pub fn new(decoder: D) -> Self {
        Decompressor {
            decoder,
            unused: Vec::new(),
            input: Vec::new(),
            needs_input: true,
            eof: false,
            broken: false,
        }
    }

    /// Decompresses up to `limit` bytes.
    pub fn run(&mut self, data: &[u8], limit: usize) -> Outcome<D::Failure> {
        if self.eof {
            return Outcome::Ended;
        }
        if self.broken {
            return Outcome::Broken;
        }
        let held = std::mem::take(&mut self.input);
        let joined;
        let input = if held.is_empty() {
            data
        } else {
            joined = [&held[..], data].concat();
            &joined[..]
        };
        let out = self.decode(input, limit);
        self.broken = out.is_err() && D::BREAKS;
        match out {
            Ok(out) => Outcome::Made(out),
            Err(e) => Outcome::Failed(e),
        }
    }

    fn decode(&mut self, input: &[u8], limit: usize) -> Result<Vec<u8>, D::Failure> {
        let (mut out, mut pos): (Vec<u8>, usize) = (Vec::new(), 0);
        loop {
            let room = out.len().max(FIRST).min(limit - out.len());
            if out.try_reserve(room).is_err() {
                return Err(D::no_memory());
            }
            let at = out.spare_capacity_mut().as_mut_ptr().cast();
            let step = match self.decoder.step(&input[pos..], (at, room)) {
                Ok(step) => step,
                Err(e) => {
                    self.needs_input = false;
                    return Err(e);
                }
            };
            pos += step.used;
            // SAFETY: the decoder has written so many bytes into the room that it had.
            unsafe { out.set_len(out.len() + step.made.min(room)) };
            let full = step.made == room;
            if step.end {
                self.eof = true;
                self.needs_input = false;
                self.unused = input[pos..].to_vec();
            } else if full && out.len() < limit {
                continue;
            } else if pos < input.len() && !full && step.used + step.made > 0 {
                // It has stopped for a reason of its own.
                continue;
            } else {
                self.needs_input = pos == input.len() && !(full && D::KEEPS_OUTPUT);
                self.input = input[pos..].to_vec();
            }
            return Ok(out);
        }
    }
}

/// `decompress(data, max_length)` up to its outcome; `after` gets the object's state as well.
pub fn call<D: Decode>(
    t: &mut Thread,
    a: &[Value],
    after: impl FnOnce(&mut Decompressor<D>, &Outcome<D::Failure>),
) -> Res<Outcome<D::Failure>> {
    let b = buffer::get(t, a[1])?;
    let max = index::size_or(t, a[2], -1)?;
    let limit = usize::try_from(max).unwrap_or(usize::MAX);
    let made = Holder::<Decompressor<D>>::with(t, a[0], true, |d| {
        let made = d.run(b.as_bytes(), limit);
        after(d, &made);
        made
    });
    Ok(made)
}

// The attributes that all have.

pub fn unused_data<D: 'static>(t: &mut Thread, v: Value) -> Res {
    let data = Holder::<Decompressor<D>>::with(t, v, false, |d| d.unused.clone());
    Ok(Bytes::from_vec(t, data).into())
}

pub fn needs_input<D: 'static>(t: &mut Thread, v: Value) -> Res {
    let yes = Holder::<Decompressor<D>>::with(t, v, false, |d| d.needs_input);
    Ok(Value::bool(yes))
}

pub fn eof<D: 'static>(t: &mut Thread, v: Value) -> Res {
    let yes = Holder::<Decompressor<D>>::with(t, v, false, |d| d.eof);
    Ok(Value::bool(yes))
}

/// Finishes a call of `decompress`: bytes, EOFError, or what `f` makes of a failure.
pub fn finish<E>(
    t: &mut Thread,
    made: Outcome<E>,
    f: impl FnOnce(&mut Thread, E) -> Raised,
) -> Res {
    match made {
        Outcome::Made(out) => Ok(Bytes::from_vec(t, out).into()),
        Outcome::Failed(e) => Err(f(t, e)),
        Outcome::Ended => Err(t.raise(&errors::EOF_ERROR, "End of stream already reached")),
        Outcome::Broken => {
            Err(t.value_error("Decompressor is unusable because of a previous error"))
        }
    }
}
