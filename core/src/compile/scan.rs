//! A second look at the tokens of a source that does not parse: what CPython's tokenizer would refuse, and which
//! brackets are open.

use super::ErrorKind;
use super::source::Source;

/// Something that the tokenizer refuses.
pub(super) struct Problem {
    pub kind: ErrorKind,
    pub start: usize,
    pub end: usize,
    pub msg: String,
}

/// How far a scan came.
pub(super) struct Scan<'s, 'a> {
    src: &'s Source<'a>,
    bytes: &'a [u8],
    at: usize,
    stop: usize,
    pub problem: Option<Problem>,
    /// Open brackets: where, and which.
    pub open: Vec<(usize, u8)>,
    indents: Vec<(usize, usize)>,
    /// The literal that contains a position that is looked for: its start, the start of its text, whether it is bytes.
    wanted: Option<usize>,
    literal: Option<(usize, usize, bool)>,
    /// The replacement fields that it is in: how many brackets are open outside, and 'f' or 't'.
    fields: Vec<(usize, char)>,
}

impl<'s, 'a> Scan<'s, 'a> {
    pub fn new(src: &'s Source<'a>) -> Self {
        let bytes = src.text.as_bytes();
        Scan {
            src,
            bytes,
            at: 0,
            stop: bytes.len(),
            problem: None,
            open: Vec::new(),
            indents: vec![(0, 0)],
            wanted: None,
            literal: None,
            fields: Vec::new(),
        }
    }

    /// Scans everything.
    pub fn run(mut self) -> Self {
        self.tokens(None);
        self
    }

    /// Scans up to an offset.
    pub fn until(mut self, stop: usize) -> Self {
        self.stop = stop.min(self.bytes.len());
        self.tokens(None);
        self
    }

    /// The string literal that contains an offset: its start, the start of its text, whether it is bytes.
    pub fn literal_around(mut self, at: usize) -> Option<(usize, usize, bool)> {
        self.wanted = Some(at);
        self.tokens(None);
        self.literal
    }

    fn fail(&mut self, start: usize, end: usize, msg: impl Into<String>) {
        self.fail_as(ErrorKind::Syntax, start, end, msg.into());
    }

    fn fail_as(&mut self, kind: ErrorKind, start: usize, end: usize, msg: String) {
        if self.problem.is_none() {
            self.problem = Some(Problem {
                kind,
                start,
                end: end.min(self.bytes.len()),
                msg,
            });
        }
    }

    fn line(&self, at: usize) -> u32 {
        self.src.line(ruff_text_size::TextSize::new(
            at.min(self.bytes.len()) as u32
        ))
    }

    fn peek(&self, n: usize) -> u8 {
        self.bytes.get(self.at + n).copied().unwrap_or(0)
    }

    /// Scans tokens; in an f-string's replacement field until its end (`depth` brackets are open outside it).
    fn tokens(&mut self, field: Option<usize>) {
        let mut line_start = field.is_none();
        while self.at < self.stop && self.problem.is_none() {
            if line_start && self.open.is_empty() {
                self.indentation();
                if self.problem.is_some() {
                    return;
                }
            }
            line_start = false;
            let Some(&b) = self.bytes.get(self.at) else {
                return;
            };
            if let Some(depth) = field
                && self.open.len() == depth
                && (b == b'}' || b == b':' || (b == b'!' && self.peek(1) != b'='))
            {
                return;
            }
            match b {
                b'\n' => {
                    self.at += 1;
                    line_start = field.is_none();
                }
                b'#' => {
                    while self.at < self.bytes.len() && self.bytes[self.at] != b'\n' {
                        self.at += 1;
                    }
                }
                b'\\' => self.continuation(),
                b'\'' | b'"' => self.string(self.at),
                b'(' | b'[' | b'{' => {
                    self.open.push((self.at, b));
                    self.at += 1;
                }
                b')' | b']' | b'}' => self.close(b),
                b'0'..=b'9' => self.number(),
                b'.' if self.peek(1).is_ascii_digit() => self.number(),
                b'_' | b'a'..=b'z' | b'A'..=b'Z' => self.word(),
                0x80.. => self.word(),
                b'$' | b'?' | b'`' => {
                    self.fail(self.at, self.at + 1, "invalid syntax");
                }
                0x0c | b'\t' | b' ' => self.at += 1,
                0..=0x1f | 0x7f => {
                    let msg = format!("invalid non-printable character U+{b:04X}");
                    self.fail(self.at, self.at + 1, msg);
                }
                _ => self.at += 1,
            }
        }
    }

    fn continuation(&mut self) {
        match self.peek(1) {
            b'\n' if self.at + 2 >= self.bytes.len() => {
                self.fail(self.at + 1, self.at + 1, "unexpected EOF while parsing");
            }
            b'\n' => self.at += 2,
            0 if self.at + 1 >= self.bytes.len() => {
                self.fail(self.at + 1, self.at + 1, "unexpected EOF while parsing");
            }
            _ => self.fail(
                self.at + 1,
                self.at + 2,
                "unexpected character after line continuation character",
            ),
        }
    }

    fn close(&mut self, b: u8) {
        let at = self.at;
        self.at += 1;
        if let Some(&(depth, kind)) = self.fields.last()
            && self.open.len() <= depth
        {
            let msg = format!("{kind}-string: unmatched '{}'", b as char);
            return self.fail(at, at + 1, msg);
        }
        let Some((open, bracket)) = self.open.pop() else {
            return self.fail(at, at + 1, format!("unmatched '{}'", b as char));
        };
        let fits = matches!((bracket, b), (b'(', b')') | (b'[', b']') | (b'{', b'}'));
        if fits {
            return;
        }
        let (line, here) = (self.line(open), self.line(at));
        let tail = if line == here {
            String::new()
        } else {
            format!(" on line {line}")
        };
        let msg = format!(
            "closing parenthesis '{}' does not match opening parenthesis '{}'{tail}",
            b as char, bracket as char
        );
        self.fail(at, at + 1, msg);
    }

    /// The indentation of a logical line, counted with tabs of eight and of one.
    fn indentation(&mut self) {
        let (mut col, mut alt) = (0, 0);
        while let Some(&b) = self.bytes.get(self.at) {
            match b {
                b' ' => {
                    col += 1;
                    alt += 1;
                }
                b'\t' => {
                    col = (col / 8 + 1) * 8;
                    alt += 1;
                }
                0x0c => (col, alt) = (0, 0),
                _ => break,
            }
            self.at += 1;
        }
        if matches!(self.peek(0), b'\n' | b'#' | b'\\') || self.at >= self.bytes.len() {
            return;
        }
        let Some(&(top, top_alt)) = self.indents.last() else {
            return;
        };
        let tabs = |s: &mut Self| {
            let msg = "inconsistent use of tabs and spaces in indentation".to_string();
            s.fail_as(ErrorKind::Tab, s.at, s.at, msg);
        };
        if col == top {
            if alt != top_alt {
                tabs(self);
            }
        } else if col > top {
            if alt <= top_alt {
                return tabs(self);
            }
            self.indents.push((col, alt));
        } else {
            while self.indents.len() > 1 && self.indents.last().is_some_and(|i| i.0 > col) {
                self.indents.pop();
            }
            let Some(&(top, top_alt)) = self.indents.last() else {
                return;
            };
            if top != col {
                let end = self.line_end(self.at);
                let msg = "unindent does not match any outer indentation level".to_string();
                self.fail_as(ErrorKind::Indentation, end, end, msg);
            } else if alt != top_alt {
                tabs(self);
            }
        }
    }

    fn line_end(&self, at: usize) -> usize {
        self.bytes[at..]
            .iter()
            .position(|b| *b == b'\n')
            .map_or(self.bytes.len(), |n| at + n)
    }

    fn word(&mut self) {
        let start = self.at;
        let rest = &self.src.text[start..];
        let mut len = 0;
        for c in rest.chars() {
            if c == '_' || c.is_ascii_alphanumeric() {
                len += c.len_utf8();
            } else if c.is_ascii() {
                break;
            } else if c.is_alphanumeric() || is_mark(c) {
                len += c.len_utf8();
            } else {
                let at = start + len;
                let code = c as u32;
                let msg = if c.is_control()
                    || c.is_whitespace()
                    || matches!(code, 0x200b..=0x200f | 0xfeff)
                {
                    format!("invalid non-printable character U+{code:04X}")
                } else {
                    format!("invalid character '{c}' (U+{code:04X})")
                };
                return self.fail(at, at + c.len_utf8(), msg);
            }
        }
        self.at += len;
        let quote = self.peek(0);
        if (quote == b'\'' || quote == b'"') && len <= 2 {
            let prefix = rest[..len].to_ascii_lowercase();
            if matches!(
                prefix.as_str(),
                "r" | "u" | "b" | "br" | "rb" | "f" | "fr" | "rf" | "t" | "tr" | "rt"
            ) {
                self.string(start);
            }
        }
        if (quote == b'\'' || quote == b'"') && len > 0 && self.at == start + len {
            self.bad_prefix(start, &rest[..len].to_ascii_lowercase());
        }
    }

    /// Letters that cannot stand together before a string.
    fn bad_prefix(&mut self, start: usize, prefix: &str) {
        let once = |c: char| prefix.matches(c).count() <= 1;
        if !prefix.chars().all(|c| "urbft".contains(c) && once(c)) {
            return;
        }
        for (a, b) in [
            ('u', 'b'),
            ('u', 'r'),
            ('u', 'f'),
            ('u', 't'),
            ('b', 'f'),
            ('b', 't'),
            ('f', 't'),
        ] {
            if prefix.contains(a) && prefix.contains(b) {
                return self.fail(
                    start,
                    self.at,
                    format!("'{a}' and '{b}' prefixes are incompatible"),
                );
            }
        }
    }

    /// A string literal whose prefix begins at `start`; `at` is its quote.
    fn string(&mut self, start: usize) {
        let prefix = self.src.text[start..self.at].to_ascii_lowercase();
        let quote = self.peek(0);
        let triple = self.peek(1) == quote && self.peek(2) == quote;
        let n = if triple { 3 } else { 1 };
        self.at += n;
        let text = self.at;
        let kind = prefix
            .bytes()
            .find(|b| matches!(b, b'f' | b't'))
            .map(|b| b as char);
        let mut escaped_quote = false;
        while self.at < self.bytes.len() {
            let b = self.bytes[self.at];
            if self.at >= self.stop && self.stop < self.bytes.len() {
                return;
            }
            match b {
                // The brace of a character's name begins no field.
                b'\\' if self.peek(1) == b'N' && self.peek(2) == b'{' && !prefix.contains('r') => {
                    self.at += 3;
                }
                b'\\' => {
                    escaped_quote |= self.peek(1) == quote;
                    self.at += 2;
                }
                b'\n' if !triple => break,
                _ if b == quote
                    && (!triple || (self.peek(1) == quote && self.peek(2) == quote)) =>
                {
                    self.at += n;
                    if self.wanted.is_some_and(|w| (start..=self.at).contains(&w))
                        && self.literal.is_none()
                    {
                        self.literal = Some((start, text, prefix.contains('b')));
                    }
                    return;
                }
                b'{' if kind.is_some() => {
                    if self.peek(1) == b'{' {
                        self.at += 2;
                    } else if !self.field(quote, triple, kind.unwrap_or('f')) {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
        let line = if triple {
            self.line(self.bytes.len())
        } else {
            self.line(start)
        };
        // The last line, if it has no newline.
        let line = if triple && self.bytes.ends_with(b"\n") {
            line - 1
        } else {
            line
        };
        let what = kind.map_or("string".to_string(), |k| format!("{k}-string"));
        let hint = if escaped_quote && !triple && kind.is_none() {
            "; perhaps you escaped the end quote?"
        } else {
            ""
        };
        let triple = if triple { "triple-quoted " } else { "" };
        let msg = format!("unterminated {triple}{what} literal (detected at line {line}){hint}");
        self.fail(start, start + 1, msg);
    }

    /// A replacement field. False if the parser's error should be used instead.
    fn field(&mut self, quote: u8, triple: bool, kind: char) -> bool {
        let open = self.at;
        self.at += 1;
        let depth = self.open.len();
        loop {
            self.fields.push((depth, kind));
            self.tokens(Some(depth));
            self.fields.pop();
            let ended = self.at >= self.bytes.len() && self.stop >= self.bytes.len();
            if ended && self.problem.is_none() && self.open.len() == depth {
                self.fail(open, open + 1, "'{' was never closed");
                return false;
            }
            if let Some(p) = &mut self.problem {
                // The literal's own quote ends the field too early.
                if p.msg.starts_with("unterminated") && self.bytes.get(p.start) == Some(&quote) {
                    p.msg = format!("{kind}-string: expecting '}}'");
                }
                return false;
            }
            match self.peek(0) {
                b'!' => self.at += 1,
                b':' => {
                    self.at += 1;
                    while self.at < self.bytes.len() {
                        match self.bytes[self.at] {
                            b'{' => {
                                if !self.field(quote, triple, kind) {
                                    return false;
                                }
                            }
                            b'}' => {
                                self.at += 1;
                                return true;
                            }
                            b if b == quote && !triple => return true,
                            b'\n' if !triple => {
                                let msg = format!(
                                    "{kind}-string: newlines are not allowed in format specifiers for single quoted {kind}-strings"
                                );
                                self.fail(self.at, self.at + 1, msg);
                                return false;
                            }
                            _ => self.at += 1,
                        }
                    }
                    return true;
                }
                b'}' => {
                    self.at += 1;
                    return true;
                }
                _ => return true,
            }
        }
    }

    fn number(&mut self) {
        let start = self.at;
        let b = self.bytes;
        let digits = |from: usize, ok: fn(u8) -> bool| {
            let mut i = from;
            while i < b.len()
                && (ok(b[i]) || (b[i] == b'_' && b.get(i + 1).is_some_and(|c| ok(*c))))
            {
                i += 1;
            }
            i
        };
        let radix: Option<Radix> = match self.peek(1) | 0x20 {
            b'x' if b[start] == b'0' => Some(("hexadecimal", |c| c.is_ascii_hexdigit())),
            b'o' if b[start] == b'0' => Some(("octal", |c| matches!(c, b'0'..=b'7'))),
            b'b' if b[start] == b'0' => Some(("binary", |c| matches!(c, b'0' | b'1'))),
            _ => None,
        };
        if let Some((name, ok)) = radix {
            self.at = digits(start + 2, ok);
            let next = self.peek(0);
            if next.is_ascii_digit() && name != "hexadecimal" {
                return self.fail(
                    self.at,
                    self.at + 1,
                    format!("invalid digit '{}' in {name} literal", next as char),
                );
            }
            let after = self.peek(1);
            if next == b'_' && after.is_ascii_digit() && name != "hexadecimal" {
                let msg = format!("invalid digit '{}' in {name} literal", after as char);
                return self.fail(self.at + 1, self.at + 2, msg);
            }
            let empty = self.at == start + 2;
            if empty || next == b'_' {
                self.at += usize::from(next == b'_');
                return self.bad_number(name);
            }
            return self.number_end(name);
        }
        let decimal = |c: u8| c.is_ascii_digit();
        self.at = digits(start, decimal);
        let integer_end = self.at;
        let mut integer = true;
        if self.peek(0) == b'_' {
            self.at += 1;
            return self.bad_number("decimal");
        }
        if self.peek(0) == b'.' {
            integer = false;
            self.at += 1;
            if decimal(self.peek(0)) {
                self.at = digits(self.at, decimal);
            }
        }
        if self.peek(0) | 0x20 == b'e' {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if decimal(self.peek(1 + sign)) {
                integer = false;
                self.at = digits(self.at + 1 + sign, decimal);
            } else if sign == 1 {
                self.at += 2;
                return self.bad_number("decimal");
            }
        }
        if self.peek(0) | 0x20 == b'j' {
            self.at += 1;
            return self.number_end("imaginary");
        }
        let text = &b[start..integer_end];
        if integer
            && text.len() > 1
            && text[0] == b'0'
            && text.iter().any(|c| !matches!(c, b'0' | b'_'))
        {
            let msg = "leading zeros in decimal integer literals are not permitted; use an 0o prefix for octal integers";
            let zeros = text.iter().take_while(|c| matches!(c, b'0' | b'_')).count();
            return self.fail(start, start + zeros, msg);
        }
        self.number_end("decimal");
    }

    /// What has been read so far is no number.
    fn bad_number(&mut self, kind: &str) {
        self.fail(self.at - 1, self.at, format!("invalid {kind} literal"));
    }

    /// No name may follow a number, but some keywords may.
    fn number_end(&mut self, kind: &str) {
        if !self.src.text.is_char_boundary(self.at) {
            return;
        }
        let rest = &self.bytes[self.at..];
        let starts = |w: &[u8]| rest.starts_with(w);
        let keyword = [
            &b"and"[..],
            b"else",
            b"for",
            b"if",
            b"in",
            b"is",
            b"or",
            b"not",
        ]
        .into_iter()
        .any(starts);
        let letter = self.src.text[self.at..]
            .chars()
            .next()
            .is_some_and(|c| c == '_' || c.is_alphabetic());
        if !keyword && letter {
            self.bad_number(kind);
        }
    }
}

/// The name of a radix and its digits.
type Radix = (&'static str, fn(u8) -> bool);

/// Combining marks and the like, which may continue a name.
fn is_mark(c: char) -> bool {
    matches!(c as u32, 0x300..=0x36f | 0x483..=0x487 | 0x591..=0x5bd | 0x610..=0x61a | 0x64b..=0x65f | 0x900..=0x94f
        | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x203f | 0x2040 | 0x20d0..=0x20f0 | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f
        | 0xb7 | 0x387 | 0x1369..=0x1371 | 0x19da | 0x2118 | 0x212e | 0x309b | 0x309c | 0xe0100..=0xe01ef)
}
