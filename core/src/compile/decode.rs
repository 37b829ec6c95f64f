//! Source files are bytes: byte order mark, coding cookie (PEP 263), UTF-8 by default.

use super::SyntaxError;
use super::source::Source;

/// Why bytes are no source text, or not yet.
#[derive(Debug)]
pub enum Undecoded {
    /// They have a null byte here.
    Null(usize),
    /// A codec of this name may know more.
    Codec(String),
    /// They are not what they say they are.
    Wrong(Box<SyntaxError>),
}

/// Decodes a source. `file` is the file that is read, if it is the program's own.
///
/// # Errors
/// What else may be done, or what is wrong.
pub fn decode_source(bytes: &[u8], file: Option<&str>) -> Result<String, Undecoded> {
    if let Some(at) = bytes.iter().position(|b| *b == 0) {
        return Err(Undecoded::Null(at));
    }
    let (bom, body) = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => (true, rest),
        None => (false, bytes),
    };
    let cookie = cookie(body);
    let encoding = cookie
        .as_ref()
        .map_or(Encoding::Utf8, |c| Encoding::named(&c.name));
    match (encoding, cookie) {
        (Encoding::Utf8, cookie) => match std::str::from_utf8(body) {
            Ok(text) => Ok(text.to_string()),
            Err(e) => {
                let declared = file.is_some() && (bom || cookie.is_some());
                let e = bad_utf8(body, e.valid_up_to(), declared, file);
                Err(Undecoded::Wrong(Box::new(e)))
            }
        },
        (_, Some(cookie)) if bom => {
            let (text, _) = line_at(body, cookie.start);
            let e = SyntaxError {
                line: cookie.line,
                end_line: cookie.line,
                end_col: text.chars().count() as u32 + 1,
                text: Some(text),
                ..plain(format!("encoding problem: {} with BOM", cookie.name))
            };
            Err(Undecoded::Wrong(Box::new(e)))
        }
        (Encoding::Latin1, _) => Ok(body.iter().map(|&b| b as char).collect()),
        (Encoding::Ascii, _) if body.is_ascii() => Ok(body.iter().map(|&b| b as char).collect()),
        (_, cookie) => Err(Undecoded::Codec(cookie.map_or(String::new(), |c| c.name))),
    }
}

fn plain(msg: String) -> SyntaxError {
    Source::new("", "").plain_error(msg)
}

/// The text of the line that contains `at`, and where that is in it, in bytes.
fn line_at(body: &[u8], at: usize) -> (String, usize) {
    let start = body[..at]
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |i| i + 1);
    let len = body[at..]
        .iter()
        .position(|b| matches!(b, b'\n' | b'\r'))
        .unwrap_or(body.len() - at);
    let text = String::from_utf8_lossy(&body[start..at + len]).into_owned();
    (text, at - start)
}

/// The byte at `at` is not part of UTF-8.
#[cold]
fn bad_utf8(body: &[u8], at: usize, declared: bool, file: Option<&str>) -> SyntaxError {
    let line = body[..at].iter().filter(|b| **b == b'\n').count() as u32 + 1;
    let byte = body[at];
    let (text, in_line) = line_at(body, at);
    let (msg, col) = if declared {
        let reason = if byte & 0xc0 == 0x80 || byte >= 0xf5 || matches!(byte, 0xc0 | 0xc1) {
            "invalid start byte"
        } else {
            "invalid continuation byte"
        };
        let msg = format!(
            "(unicode error) 'utf-8' codec can't decode byte 0x{byte:02x} in position {in_line}: {reason}"
        );
        (msg, 0)
    } else {
        let place = file.map_or(String::new(), |f| format!(" in file {f}"));
        let msg = format!(
            "Non-UTF-8 code starting with '\\x{byte:02x}'{place} on line {line}, but no encoding declared; \
             see https://peps.python.org/pep-0263/ for details"
        );
        // What is before it is UTF-8.
        let before = std::str::from_utf8(&body[at - in_line..at]).unwrap_or("");
        (msg, before.chars().count() as u32 + 1)
    };
    SyntaxError {
        line,
        col,
        end_line: line,
        end_col: col,
        text: Some(text),
        ..plain(msg)
    }
}

/// The encodings that need no codec.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Latin1,
    Ascii,
    Other,
}

impl Encoding {
    fn named(name: &str) -> Encoding {
        let name = name.to_ascii_lowercase().replace('_', "-");
        let is = |n: &str| {
            name.strip_prefix(n)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        if is("utf-8") {
            Encoding::Utf8
        } else if is("latin-1")
            || is("iso-8859-1")
            || is("iso-latin-1")
            || ["latin1", "iso8859-1", "l1", "8859", "cp819"].contains(&name.as_str())
        {
            Encoding::Latin1
        } else if matches!(name.as_str(), "ascii" | "us-ascii" | "646") {
            Encoding::Ascii
        } else {
            Encoding::Other
        }
    }
}

/// A coding cookie: its name, its line (from 1) and where that begins.
struct Cookie {
    name: String,
    line: u32,
    start: usize,
}

/// The coding cookie in the first two lines.
fn cookie(body: &[u8]) -> Option<Cookie> {
    let mut start = 0;
    for line in 1..=2 {
        let rest = body.get(start..)?;
        let len = rest
            .iter()
            .position(|b| matches!(b, b'\n' | b'\r'))
            .unwrap_or(rest.len());
        let text = rest[..len].trim_ascii_start();
        if !text.starts_with(b"#") {
            if !text.is_empty() {
                return None;
            }
        } else if let Some(name) = cookie_name(text) {
            return Some(Cookie { name, line, start });
        }
        start += len
            + if rest[len..].starts_with(b"\r\n") {
                2
            } else {
                1
            };
    }
    None
}

fn cookie_name(comment: &[u8]) -> Option<String> {
    let names = comment.windows(7).enumerate();
    let mut names = names.filter(|(_, w)| matches!(*w, b"coding:" | b"coding="));
    names.find_map(|(at, _)| {
        let name: String = comment[at + 7..]
            .trim_ascii_start()
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
            .map(|&b| b as char)
            .collect();
        Some(name).filter(|n| !n.is_empty())
    })
}
