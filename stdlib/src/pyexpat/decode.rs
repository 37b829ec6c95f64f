//! Bytes of a document as text.

/// How bytes are to be read.
#[derive(Clone)]
pub enum Encoding {
    Utf8,
    Latin1,
    Ascii,
    /// Big-endian?
    Utf16(bool),
    /// The character of each byte, or none.
    Table(Box<[Option<char>; 256]>),
}

impl Encoding {
    /// One that needs no help, by its name.
    pub fn by_name(name: &str) -> Option<Encoding> {
        Some(match name.to_ascii_uppercase().as_str() {
            "UTF-8" | "UTF8" => Encoding::Utf8,
            "ISO-8859-1" => Encoding::Latin1,
            "US-ASCII" => Encoding::Ascii,
            "UTF-16" | "UTF-16BE" => Encoding::Utf16(true),
            "UTF-16LE" => Encoding::Utf16(false),
            _ => return None,
        })
    }

    /// Whether the characters that XML's own marks are made of are where ASCII has them.
    pub fn has_ascii(&self) -> bool {
        let Encoding::Table(table) = self else {
            return true;
        };
        let kept = |b: u8| !b"$@\\^`{}~".contains(&b);
        let mut marks = (b' '..=b'~').chain(*b"\t\n\r");
        marks.all(|b| !kept(b) || table[usize::from(b)] == Some(char::from(b)))
    }

    fn is_wide(&self) -> bool {
        matches!(self, Encoding::Utf16(_))
    }

    /// Moves what is whole from `bytes` to the end of `out`. False: there are bytes that stand for nothing.
    pub fn decode(&self, bytes: &mut Vec<u8>, out: &mut String) -> bool {
        let (used, good) = match self {
            Encoding::Utf8 => utf8(bytes, out),
            Encoding::Latin1 => single(bytes, out, |b| Some(char::from(b))),
            Encoding::Ascii => single(bytes, out, |b| b.is_ascii().then(|| char::from(b))),
            Encoding::Table(table) => single(bytes, out, |b| table[usize::from(b)]),
            Encoding::Utf16(big) => utf16(bytes, out, *big),
        };
        bytes.drain(..used);
        good
    }
}

fn utf8(bytes: &[u8], out: &mut String) -> (usize, bool) {
    match std::str::from_utf8(bytes) {
        Ok(s) => {
            out.push_str(s);
            (bytes.len(), true)
        }
        Err(e) => {
            let n = e.valid_up_to();
            out.push_str(std::str::from_utf8(&bytes[..n]).unwrap_or(""));
            // Without a length the last character is only not whole yet.
            (n, e.error_len().is_none())
        }
    }
}

fn single(bytes: &[u8], out: &mut String, f: impl Fn(u8) -> Option<char>) -> (usize, bool) {
    for (i, b) in bytes.iter().enumerate() {
        match f(*b) {
            Some(c) => out.push(c),
            None => return (i, false),
        }
    }
    (bytes.len(), true)
}

fn utf16(bytes: &[u8], out: &mut String, big: bool) -> (usize, bool) {
    let unit = |i: usize| {
        let pair = [*bytes.get(i)?, *bytes.get(i + 1)?];
        Some(if big {
            u16::from_be_bytes(pair)
        } else {
            u16::from_le_bytes(pair)
        })
    };
    let mut i = 0;
    while let Some(u) = unit(i) {
        let (n, c) = match u {
            0xd800..=0xdbff => match unit(i + 2) {
                None => return (i, true),
                Some(low) => (4, char::decode_utf16([u, low]).next().and_then(Result::ok)),
            },
            u => (2, char::from_u32(u.into())),
        };
        match c {
            Some(c) => out.push(c),
            None => return (i, false),
        }
        i += n;
    }
    (i, true)
}

/// What the first bytes of a document say.
pub enum Begin {
    /// There are too few of them.
    Wait,
    /// How to go on, after so many bytes of a mark.
    Known(Encoding, usize),
    /// What the declaration names, and what the bytes look like.
    Named(String),
    /// The declaration names what the bytes are not.
    Wrong,
}

/// Finds out about the encoding of a document.
pub fn begin(bytes: &[u8], last: bool) -> Begin {
    if bytes.len() < 4 && !last {
        return Begin::Wait;
    }
    let wide = match bytes {
        [0xfe, 0xff, ..] => Some((true, 2)),
        [0xff, 0xfe, ..] => Some((false, 2)),
        [0, b'<', ..] => Some((true, 0)),
        [b'<', 0, ..] => Some((false, 0)),
        _ => None,
    };
    if let Some((big, mark)) = wide {
        return Begin::Known(Encoding::Utf16(big), mark);
    }
    let mark = if bytes.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    let text = &bytes[mark..];
    let may_grow = !last && b"<?xml".starts_with(text);
    if !text.starts_with(b"<?xml") && !may_grow {
        return Begin::Known(Encoding::Utf8, mark);
    }
    let Some(end) = memchr::memmem::find(text, b"?>") else {
        return if last || text.len() > 4096 {
            Begin::Known(Encoding::Utf8, mark)
        } else {
            Begin::Wait
        };
    };
    match named(&text[..end]) {
        None => Begin::Known(Encoding::Utf8, mark),
        Some(name) => match Encoding::by_name(&name) {
            // Such text would have looked otherwise.
            Some(e) if e.is_wide() => Begin::Wrong,
            Some(Encoding::Utf8) => Begin::Known(Encoding::Utf8, mark),
            Some(_) if mark > 0 => Begin::Wrong,
            Some(e) => Begin::Known(e, mark),
            None => Begin::Named(name),
        },
    }
}

/// The name of the encoding in a declaration.
fn named(decl: &[u8]) -> Option<String> {
    let decl = std::str::from_utf8(decl).ok()?;
    let rest = decl[decl.find("encoding")? + 8..].trim_start();
    let rest = rest.strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|c| *c == '"' || *c == '\'')?;
    let rest = &rest[1..];
    Some(rest[..rest.find(quote)?].to_owned())
}
