//! What a pickler has written: framed, and given to the file now and then.

use super::ops::*;
use weft_objects::bytes::Bytes;
use weft_objects::memory;
use weft_objects::prelude::*;

/// The bytes of a pickle that is being made.
pub struct Output {
    buf: Vec<u8>,
    /// Where the header of the open frame is.
    frame: Option<usize>,
    pub framing: bool,
    /// The file's `write`; `None`: all is kept here.
    write: Option<Obj>,
}

impl Output {
    pub fn new(write: Option<Obj>) -> Output {
        Output {
            buf: Vec::new(),
            frame: None,
            framing: false,
            write,
        }
    }

    /// All that was written, if it did not go to a file.
    pub fn into_bytes(self) -> Vec<u8> {
        self.buf
    }

    #[inline]
    fn open_frame(&mut self) {
        if self.framing && self.frame.is_none() {
            self.frame = Some(self.buf.len());
            self.buf.extend_from_slice(&[0; FRAME_HEADER]);
        }
    }

    #[inline]
    pub fn byte(&mut self, b: u8) {
        self.open_frame();
        self.buf.push(b);
    }

    #[inline]
    pub fn bytes(&mut self, b: &[u8]) {
        self.open_frame();
        self.buf.extend_from_slice(b);
    }

    /// An opcode and what follows it.
    #[inline]
    pub fn op(&mut self, op: u8, b: &[u8]) {
        self.byte(op);
        self.buf.extend_from_slice(b);
    }

    /// Ends the open frame.
    pub fn commit(&mut self) {
        let Some(start) = self.frame.take() else {
            return;
        };
        let n = self.buf.len() - start - FRAME_HEADER;
        if n < FRAME_LEAST {
            self.buf.drain(start..start + FRAME_HEADER);
            return;
        }
        self.buf[start] = FRAME;
        self.buf[start + 1..start + FRAME_HEADER].copy_from_slice(&(n as u64).to_le_bytes());
    }

    /// Between two opcodes: ends the frame if it is long enough.
    #[inline]
    pub fn boundary(&mut self, t: &mut Thread) -> Res<()> {
        match self.frame {
            Some(start) if self.buf.len() - start - FRAME_HEADER >= FRAME_TARGET => {
                self.commit();
                self.flush(t)
            }
            _ => Ok(()),
        }
    }

    /// Gives what there is to the file, if there is one.
    pub fn flush(&mut self, t: &mut Thread) -> Res<()> {
        let Some(write) = self.write.clone() else {
            return Ok(());
        };
        if self.buf.is_empty() {
            return Ok(());
        }
        let data = Bytes::from_vec(t, std::mem::take(&mut self.buf));
        proto::call(t, write.value(), &[data.value()])?;
        Ok(())
    }

    /// A large object outside frames, which a file gets as it is. `payload` makes the object for the file.
    pub fn large(
        &mut self,
        t: &mut Thread,
        header: &[u8],
        data: &[u8],
        payload: impl FnOnce(&Thread) -> Obj,
    ) -> Res<()> {
        if data.len() < FRAME_TARGET {
            self.bytes(header);
            self.buf.extend_from_slice(data);
            return Ok(());
        }
        self.commit();
        self.buf.extend_from_slice(header);
        match self.write.clone() {
            Some(write) => {
                let o = payload(t);
                self.flush(t)?;
                proto::call(t, write.value(), &[o.value()])?;
            }
            None => memory::append(t, &mut self.buf, data)?,
        }
        Ok(())
    }
}
