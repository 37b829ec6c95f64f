//! Where an unpickler reads from: memory, or a file, of which no more is read than belongs to the pickle.

use super::unpickling_error;
use weft_objects::buffer::{self, Buffer};
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;

/// How much is asked of a file's `peek`.
const PEEK: i64 = 128 << 10;
/// The most that is asked of a file at first, whatever a pickle says will come.
const STEP: usize = 1 << 20;

/// The methods of a file.
pub struct File {
    pub read: Obj,
    pub readline: Obj,
    pub peek: Option<Obj>,
}

pub struct Input {
    /// What has been read; NULL at first.
    data: Option<Buffer>,
    pos: usize,
    /// Where the current frame ends.
    frame: Option<usize>,
    file: Option<File>,
    /// The data has been looked at only: the file still has to be told how much of it is used.
    ahead: bool,
}

impl Input {
    pub fn memory(data: Buffer) -> Input {
        Input {
            data: Some(data),
            pos: 0,
            frame: None,
            file: None,
            ahead: false,
        }
    }

    pub fn file(file: File) -> Input {
        Input {
            data: None,
            pos: 0,
            frame: None,
            file: Some(file),
            ahead: false,
        }
    }

    #[inline]
    fn all(&self) -> &[u8] {
        self.data.as_ref().map_or(&[], |b| b.as_bytes())
    }

    /// The next `n` bytes.
    #[inline]
    pub fn take(&mut self, t: &mut Thread, n: usize) -> Res<&[u8]> {
        let end = self.frame.unwrap_or(self.all().len());
        if n > end - self.pos {
            self.more(t, n)?;
        }
        let at = self.pos;
        self.pos += n;
        Ok(&self.all()[at..at + n])
    }

    /// The next byte.
    #[inline]
    pub fn byte(&mut self, t: &mut Thread) -> Res<u8> {
        Ok(self.take(t, 1)?[0])
    }

    /// The next bytes, as many as there are in the result.
    #[inline]
    pub fn array<const N: usize>(&mut self, t: &mut Thread) -> Res<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(t, N)?);
        Ok(out)
    }

    /// The next `n` bytes as an object.
    pub fn object(&mut self, t: &mut Thread, n: usize) -> Res<Obj> {
        self.take(t, n)?;
        if let Some(b) = &self.data
            && self.file.is_some()
            && b.len == n
            && self.frame.is_none()
            && !self.ahead
            && Bytes::exact(b.obj.value()).is_some()
        {
            return Ok(b.obj.clone());
        }
        Ok(Bytes::new(t, &self.all()[self.pos - n..self.pos]))
    }

    /// Makes `n` bytes available.
    #[cold]
    #[inline(never)]
    fn more(&mut self, t: &mut Thread, n: usize) -> Res<()> {
        if let Some(end) = self.frame {
            if self.pos < end {
                return Err(unpickling_error(t, "pickle exhausted before end of frame"));
            }
            self.frame = None;
            if n <= self.all().len() - self.pos {
                return Ok(());
            }
        }
        if self.file.is_none() {
            return Err(truncated(t));
        }
        self.sync(t)?;
        if self.peek(t, n)? {
            return Ok(());
        }
        let data = self.read(t, n)?;
        if data.len < n {
            return Err(truncated(t));
        }
        self.data = Some(data);
        Ok(())
    }

    /// Tells the file what has been used of what was looked at, and forgets the rest.
    pub fn sync(&mut self, t: &mut Thread) -> Res<()> {
        let used = std::mem::take(&mut self.pos);
        if self.file.is_some() {
            self.data = None;
        }
        if std::mem::take(&mut self.ahead)
            && used > 0
            && let Some(f) = &self.file
        {
            let read = f.read.clone();
            proto::call(t, read.value(), &[Value::int(used as i64)])?;
        }
        Ok(())
    }

    /// Looks ahead, if the file lets that be done. True: there are `n` bytes.
    fn peek(&mut self, t: &mut Thread, n: usize) -> Res<bool> {
        let Some(peek) = self.file.as_ref().and_then(|f| f.peek.clone()) else {
            return Ok(false);
        };
        let data = match proto::call(t, peek.value(), &[Value::int(PEEK)]) {
            Ok(data) => buffer::get(t, data.value())?,
            Err(e) if !t.exc_matches(&errors::NOT_IMPLEMENTED_ERROR) => return Err(e),
            Err(_) => {
                t.clear_exc();
                if let Some(f) = &mut self.file {
                    f.peek = None;
                }
                return Ok(false);
            }
        };
        if data.len < n {
            return Ok(false);
        }
        self.data = Some(data);
        self.ahead = true;
        Ok(true)
    }

    /// At most `n` bytes of the file.
    fn read(&mut self, t: &mut Thread, n: usize) -> Res<Buffer> {
        let Some(read) = self.file.as_ref().map(|f| f.read.clone()) else {
            return Err(truncated(t));
        };
        let call = |t: &mut Thread, n: usize| {
            let data = proto::call(t, read.value(), &[Value::int(n as i64)])?;
            buffer::get(t, data.value())
        };
        if n <= STEP {
            return call(t, n);
        }
        let mut all: Vec<u8> = Vec::new();
        while all.len() < n {
            let step = (n - all.len()).min(all.len().max(STEP));
            let part = call(t, step)?;
            if part.len == 0 {
                break;
            }
            if all.try_reserve(part.len).is_err() {
                return Err(t.memory_error());
            }
            all.extend_from_slice(part.as_bytes());
        }
        let all = Bytes::from_vec(t, all);
        buffer::get(t, all.value())
    }

    /// A line, without its end.
    pub fn line(&mut self, t: &mut Thread) -> Res<&[u8]> {
        let find = |s: &[u8]| weft_objects::text::search::find(s, b"\n");
        if let Some(end) = self.frame {
            if let Some(n) = find(&self.all()[self.pos..end]) {
                return Ok(self.line_of(n));
            }
            if self.pos < end {
                return Err(unpickling_error(t, "pickle exhausted before end of frame"));
            }
            self.frame = None;
        }
        if let Some(n) = find(&self.all()[self.pos..]) {
            return Ok(self.line_of(n));
        }
        let Some(readline) = self.file.as_ref().map(|f| f.readline.clone()) else {
            return Err(truncated(t));
        };
        self.sync(t)?;
        let line = proto::call(t, readline.value(), &[])?;
        let line = buffer::get(t, line.value())?;
        let n = line.len;
        if !line.as_bytes().ends_with(b"\n") {
            return Err(truncated(t));
        }
        self.data = Some(line);
        Ok(self.line_of(n - 1))
    }

    fn line_of(&mut self, n: usize) -> &[u8] {
        let at = self.pos;
        self.pos += n + 1;
        &self.all()[at..at + n]
    }

    /// A frame of `n` bytes begins.
    pub fn enter_frame(&mut self, t: &mut Thread, n: usize) -> Res<()> {
        if self.frame.take().is_some_and(|end| self.pos < end) {
            let msg = "beginning of a new frame before end of current frame";
            return Err(unpickling_error(t, msg));
        }
        self.take(t, n)?;
        self.frame = Some(self.pos);
        self.pos -= n;
        Ok(())
    }
}

#[cold]
fn truncated(t: &Thread) -> Raised {
    unpickling_error(t, "pickle data was truncated")
}
