//! Formats of the module `struct`: parsing, packing and unpacking.

use weft_objects::buffer::item::{self, Bad, Item};
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;

/// One code of a format with its count.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    pub item: Item,
    /// Of `s` and `p`, the length of the one item.
    pub count: usize,
    pub offset: usize,
}

impl Code {
    /// How many values it stands for.
    pub fn values(&self) -> usize {
        match self.item.code {
            b'x' => 0,
            b's' | b'p' => 1,
            _ => self.count,
        }
    }
}

/// A parsed format.
#[derive(Debug)]
pub struct Layout {
    pub codes: Vec<Code>,
    pub size: usize,
    pub values: usize,
}

/// Where an item of the code must begin, in C.
fn alignment(code: u8, size: usize) -> usize {
    match code {
        b'x' | b's' | b'p' => 1,
        b'F' | b'D' => size / 2,
        _ => size,
    }
}

impl Layout {
    /// Parses a format.
    ///
    /// # Errors
    /// The message for `struct.error`.
    pub fn parse(format: &[u8]) -> Result<Layout, &'static str> {
        let (order, rest) = match format.split_first() {
            Some((&order @ (b'<' | b'>' | b'!' | b'=' | b'@'), rest)) => (order, rest),
            _ => (b'@', format),
        };
        let standard = order != b'@';
        let big =
            matches!(order, b'>' | b'!') || (!matches!(order, b'<') && cfg!(target_endian = "big"));
        let mut layout = Layout {
            codes: Vec::new(),
            size: 0,
            values: 0,
        };
        let mut at = 0;
        while at < rest.len() {
            if rest[at].is_ascii_whitespace() || rest[at] == 0x0B {
                at += 1;
                continue;
            }
            let mut count = None;
            while let Some(digit @ b'0'..=b'9') = rest.get(at) {
                let next = count
                    .unwrap_or(0usize)
                    .checked_mul(10)
                    .and_then(|n| n.checked_add((digit - b'0').into()));
                count = Some(
                    next.filter(|n| *n <= isize::MAX as usize)
                        .ok_or("total struct size too long")?,
                );
                at += 1;
            }
            let Some(&code) = rest.get(at) else {
                return Err("repeat count given without format specifier");
            };
            at += 1;
            let size = if standard {
                item::standard_size(code)
            } else {
                item::native_size(code)
            };
            let size = size.ok_or("bad char in struct format")?;
            layout.push(Item { code, size, big }, count.unwrap_or(1), standard)?;
        }
        Ok(layout)
    }

    fn push(&mut self, item: Item, count: usize, standard: bool) -> Result<(), &'static str> {
        const TOO_LONG: &str = "total struct size too long";
        let align = if standard {
            1
        } else {
            alignment(item.code, item.size)
        };
        let offset = self.size.checked_next_multiple_of(align).ok_or(TOO_LONG)?;
        let end = item
            .size
            .checked_mul(count)
            .and_then(|n| n.checked_add(offset));
        self.size = end.filter(|n| *n <= isize::MAX as usize).ok_or(TOO_LONG)?;
        let code = Code {
            item,
            count,
            offset,
        };
        self.values += code.values();
        self.codes.push(code);
        Ok(())
    }

    /// The values in `s`, which has at least [`Layout::size`] bytes.
    ///
    /// # Errors
    /// MemoryError.
    pub fn unpack(&self, t: &Thread, s: &[u8]) -> Res<Obj> {
        weft_objects::memory::room_for(t, self.values, 2 * size_of::<Obj>())?;
        let mut values = Vec::with_capacity(self.values);
        for code in &self.codes {
            let s = &s[code.offset..];
            match code.item.code {
                b'x' => {}
                b's' => values.push(Bytes::new(t, &s[..code.count])),
                b'p' => {
                    let n = s[..code.count]
                        .first()
                        .map_or(0, |n| usize::from(*n))
                        .min(code.count.saturating_sub(1));
                    values.push(Bytes::new(t, if n == 0 { b"" } else { &s[1..=n] }));
                }
                _ => {
                    for i in 0..code.count {
                        values.push(code.item.unpack(t, &s[i * code.item.size..]));
                    }
                }
            }
        }
        Ok(Tuple::from_vec(t, values))
    }

    /// Packs as many values as the format has into `out`, which has [`Layout::size`] bytes.
    ///
    /// # Errors
    /// In the inner result, the message for `struct.error`.
    pub fn pack(
        &self,
        t: &mut Thread,
        values: &[Value],
        out: &mut [u8],
    ) -> Res<Result<(), String>> {
        out.fill(0);
        let mut values = values.iter();
        for code in &self.codes {
            for i in 0..code.values() {
                let Some(&v) = values.next() else {
                    return Ok(Ok(()));
                };
                let at = code.offset + i * code.item.size;
                let done = match code.item.code {
                    b's' | b'p' => code.pack_bytes(t, v, &mut out[code.offset..][..code.count]),
                    _ => {
                        let packed = code.item.pack(t, v, &mut out[at..])?;
                        match packed {
                            Err(Bad::Overflow) => return Err(code.too_large(t)),
                            packed => packed.map_err(|bad| code.message(bad)),
                        }
                    }
                };
                if done.is_err() {
                    return Ok(done);
                }
            }
        }
        Ok(Ok(()))
    }
}

impl Code {
    /// Whether C's own type would do: by size and order.
    fn is_native(&self) -> bool {
        self.item.big == cfg!(target_endian = "big")
    }

    fn pack_bytes(&self, t: &Thread, v: Value, out: &mut [u8]) -> Result<(), String> {
        let copy;
        let s = if let Some(b) = Bytes::of(v) {
            b.as_slice()
        } else if let Some(b) = weft_objects::bytearray::ByteArray::of(v) {
            copy = b.to_vec(t);
            &copy
        } else {
            return Err(format!(
                "argument for '{}' must be a bytes object",
                self.item.code as char
            ));
        };
        if self.item.code == b's' {
            let n = s.len().min(out.len());
            out[..n].copy_from_slice(&s[..n]);
        } else if let Some((length, rest)) = out.split_first_mut() {
            let n = s.len().min(rest.len());
            rest[..n].copy_from_slice(&s[..n]);
            *length = n.min(255) as u8;
        }
        Ok(())
    }

    #[cold]
    fn too_large(&self, t: &Thread) -> Raised {
        let kind = match self.item.code {
            b'F' => 'f',
            b'D' => 'd',
            c => c as char,
        };
        t.overflow_error(format!("float too large to pack with {kind} format"))
    }

    #[cold]
    fn message(&self, bad: Bad) -> String {
        let code = self.item.code;
        match (bad, code) {
            (_, b'c') => "char format requires a bytes object of length 1".into(),
            (Bad::Type, b'e' | b'f' | b'd') => "required argument is not a float".into(),
            (Bad::Type, b'F' | b'D') => "required argument is not a complex".into(),
            (Bad::Type, _) => "required argument is not an integer".into(),
            (_, b'b') => "byte format requires -128 <= number <= 127".into(),
            (_, b'B') => "ubyte format requires 0 <= number <= 255".into(),
            (_, b'h') if self.is_native() => {
                "short format requires -32768 <= number <= 32767".into()
            }
            (_, b'H') if self.is_native() => "ushort format requires 0 <= number <= 65535".into(),
            (_, b'P') => "int too large to convert".into(),
            _ => {
                let bits = 8 * self.item.size as u32;
                let c = code as char;
                if item::signedness(code) == Some(true) {
                    let high = i64::MAX >> (64 - bits);
                    format!("'{c}' format requires {} <= number <= {high}", -high - 1)
                } else {
                    format!(
                        "'{c}' format requires 0 <= number <= {}",
                        u64::MAX >> (64 - bits)
                    )
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (format, size, values) in [
            ("", 0, 0),
            ("bi", 8, 2),
            ("<bi", 5, 2),
            ("b0i", 4, 1),
            ("3s2x p", 6, 2),
            ("10s", 10, 1),
            ("@bl", 16, 2),
            ("=bl", 5, 2),
            ("!hD", 18, 2),
            ("bD", 24, 2),
        ] {
            let layout = Layout::parse(format.as_bytes()).unwrap();
            assert_eq!((layout.size, layout.values), (size, values), "{format}");
        }
        assert!(Layout::parse(b"12").is_err());
        assert!(Layout::parse(b"<n").is_err());
        assert!(Layout::parse(b"99999999999999999999b").is_err());
    }
}
