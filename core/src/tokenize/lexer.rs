//! A lexer with the tokens of CPython's own: for the module `tokenize` (the compiler's parser has another one).

use weft_objects::text::unidata::{is_identifier_continue, is_identifier_start, is_printable};

// Token types, numbered as in the module `token`.
pub const ENDMARKER: u8 = 0;
pub const NAME: u8 = 1;
pub const NUMBER: u8 = 2;
pub const STRING: u8 = 3;
pub const NEWLINE: u8 = 4;
pub const INDENT: u8 = 5;
pub const DEDENT: u8 = 6;
pub const OP: u8 = 55;
const FSTRING_START: u8 = 59;
const TSTRING_START: u8 = 62;
pub const COMMENT: u8 = 65;
pub const NL: u8 = 66;

/// Operators, longest first, with their exact types.
const OPERATORS: [(&str, u8); 48] = [
    ("...", 52),
    ("**=", 46),
    ("//=", 48),
    ("<<=", 44),
    (">>=", 45),
    ("==", 27),
    ("!=", 28),
    ("<=", 29),
    (">=", 30),
    ("<<", 33),
    (">>", 34),
    ("**", 35),
    ("+=", 36),
    ("-=", 37),
    ("*=", 38),
    ("/=", 39),
    ("%=", 40),
    ("&=", 41),
    ("|=", 42),
    ("^=", 43),
    ("//", 47),
    ("@=", 50),
    ("->", 51),
    (":=", 53),
    ("(", 7),
    (")", 8),
    ("[", 9),
    ("]", 10),
    (":", 11),
    (",", 12),
    (";", 13),
    ("+", 14),
    ("-", 15),
    ("*", 16),
    ("/", 17),
    ("|", 18),
    ("&", 19),
    ("<", 20),
    (">", 21),
    ("=", 22),
    (".", 23),
    ("%", 24),
    ("{", 25),
    ("}", 26),
    ("~", 31),
    ("^", 32),
    ("@", 49),
    ("!", 54),
];

/// A stretch of the text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token {
    pub kind: u8,
    pub start: usize,
    pub end: usize,
}

/// Which exception a [`Error`] becomes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Syntax,
    Indentation,
    Tab,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    pub kind: Kind,
    pub msg: String,
    pub at: usize,
}

type Res<T> = Result<T, Error>;

/// An f-string or t-string that is being read.
struct Mode {
    quote: u8,
    triple: bool,
    raw: bool,
    /// `FSTRING_START` or `TSTRING_START`.
    kind: u8,
    start: usize,
    /// Reading text, as against an expression.
    text: bool,
    in_spec: bool,
    /// Of each open expression: whether it is within a format spec, and how many brackets are open with its own.
    open: Vec<(bool, usize)>,
}

/// Reads one token after the other from a text whose last line ends in a newline.
pub struct Lexer {
    pub text: String,
    at: usize,
    indents: Vec<(usize, usize)>,
    /// Dedents (negative: an indent) that are due.
    pending: isize,
    line_start: bool,
    blank: bool,
    brackets: Vec<(u8, usize)>,
    modes: Vec<Mode>,
    comments: bool,
    done: bool,
}

impl Lexer {
    /// With `comments`, comments and newlines that end nothing are tokens too.
    pub fn new(text: String, comments: bool) -> Lexer {
        Lexer {
            text,
            at: 0,
            indents: vec![(0, 0)],
            pending: 0,
            line_start: true,
            blank: false,
            brackets: Vec::new(),
            modes: Vec::new(),
            comments,
            done: false,
        }
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.text
            .as_bytes()
            .get(self.at + ahead)
            .copied()
            .unwrap_or(0)
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn ended(&self) -> bool {
        self.at >= self.text.len()
    }

    fn error<T>(&self, at: usize, msg: impl Into<String>) -> Res<T> {
        Err(Error {
            kind: Kind::Syntax,
            msg: msg.into(),
            at,
        })
    }

    fn line_of(&self, at: usize) -> usize {
        self.text.as_bytes()[..at.min(self.text.len())]
            .iter()
            .filter(|b| **b == b'\n')
            .count()
            + 1
    }

    /// Length of a newline here, 0 if there is none.
    fn newline(&self) -> usize {
        match self.byte(0) {
            b'\n' => 1,
            b'\r' if self.byte(1) == b'\n' => 2,
            _ => 0,
        }
    }

    fn token(&mut self, kind: u8, start: usize) -> Res<Option<Token>> {
        Ok(Some(Token {
            kind,
            start,
            end: self.at,
        }))
    }

    /// The next token; `None` after the end marker.
    ///
    /// # Errors
    /// What CPython's tokenizer finds wrong.
    pub fn next_token(&mut self) -> Res<Option<Token>> {
        if self.done {
            return Ok(None);
        }
        if self.modes.last().is_some_and(|m| m.text) {
            return self.string_text();
        }
        loop {
            if self.line_start {
                self.line_start = false;
                self.indentation()?;
            }
            if self.pending < 0 {
                self.pending = 0;
                let start = self.text[..self.at].rfind('\n').map_or(0, |n| n + 1);
                return self.token(INDENT, start);
            }
            if self.pending > 0 {
                self.pending -= 1;
                let at = self.at;
                return self.token(DEDENT, at);
            }
            while matches!(self.byte(0), b' ' | b'\t' | 0x0c) {
                self.at += 1;
            }
            let start = self.at;
            if self.byte(0) == b'#' {
                let line = self.rest();
                let len = line.find('\n').unwrap_or(line.len());
                self.at += line[..len].trim_end_matches('\r').len();
                if self.comments {
                    return self.token(COMMENT, start);
                }
            }
            if self.ended() {
                return self.end();
            }
            let newline = self.newline();
            if newline > 0 {
                let start = self.at;
                self.at += newline;
                self.line_start = true;
                let ends_nothing = std::mem::take(&mut self.blank) || !self.brackets.is_empty();
                if !ends_nothing {
                    return self.token(NEWLINE, start);
                }
                if self.comments {
                    return self.token(NL, start);
                }
                continue;
            }
            if self.byte(0) == b'\\' {
                self.at += 1;
                let newline = self.newline();
                if newline == 0 {
                    return self.error(
                        self.at,
                        "unexpected character after line continuation character",
                    );
                }
                self.at += newline;
                if self.ended() {
                    return self.error(self.at, "unexpected EOF while parsing");
                }
                continue;
            }
            return self.plain();
        }
    }

    fn end(&mut self) -> Res<Option<Token>> {
        if !self.brackets.is_empty() {
            return self.error(self.at, "unexpected EOF in multi-line statement");
        }
        if self.indents.len() > 1 {
            self.indents.pop();
            return self.token(DEDENT, self.at);
        }
        self.done = true;
        self.token(ENDMARKER, self.at)
    }

    /// At the start of a line: what its indentation means, unless it is blank.
    fn indentation(&mut self) -> Res<()> {
        let (mut col, mut alt) = (0, 0);
        loop {
            match self.byte(0) {
                b' ' => (col, alt) = (col + 1, alt + 1),
                b'\t' => (col, alt) = ((col / 8 + 1) * 8, alt + 1),
                0x0c => (col, alt) = (0, 0),
                _ => break,
            }
            self.at += 1;
        }
        if self.ended() || self.byte(0) == b'#' || self.newline() > 0 {
            self.blank = true;
            return Ok(());
        }
        self.blank = false;
        if !self.brackets.is_empty() || self.byte(0) == b'\\' {
            return Ok(());
        }
        let inconsistent = |at| {
            Err(Error {
                kind: Kind::Tab,
                msg: "inconsistent use of tabs and spaces in indentation".into(),
                at,
            })
        };
        let (top, top_alt) = self.indents.last().copied().unwrap_or((0, 0));
        if col == top {
            return if alt == top_alt {
                Ok(())
            } else {
                inconsistent(self.at)
            };
        }
        if col > top {
            if alt <= top_alt {
                return inconsistent(self.at);
            }
            if self.indents.len() >= 100 {
                let msg = "too many levels of indentation".into();
                return Err(Error {
                    kind: Kind::Indentation,
                    msg,
                    at: self.at,
                });
            }
            self.indents.push((col, alt));
            self.pending = -1;
            return Ok(());
        }
        while self.indents.last().is_some_and(|(c, _)| col < *c) {
            self.indents.pop();
            self.pending += 1;
        }
        match self.indents.last() {
            Some((c, a)) if *c == col => {
                if *a == alt {
                    Ok(())
                } else {
                    inconsistent(self.at)
                }
            }
            _ => Err(Error {
                kind: Kind::Indentation,
                msg: "unindent does not match any outer indentation level".into(),
                at: self.at,
            }),
        }
    }

    /// A name, number, string or operator.
    fn plain(&mut self) -> Res<Option<Token>> {
        let start = self.at;
        let Some(c) = self.rest().chars().next() else {
            return self.end();
        };
        if let Some(prefix) = self.string_prefix() {
            return self.string(start, prefix);
        }
        if c == '_' || c.is_ascii_alphabetic() || !c.is_ascii() {
            return self.name(start);
        }
        if c.is_ascii_digit() || c == '.' && self.byte(1).is_ascii_digit() {
            self.number()?;
            return self.token(NUMBER, start);
        }
        self.operator(start, c)
    }

    /// Length of a string's prefix, if there is a quote behind it.
    fn string_prefix(&self) -> Option<usize> {
        let n = self
            .rest()
            .bytes()
            .take(3)
            .take_while(|b| b"bBuUrRfFtT".contains(b))
            .count();
        if !matches!(self.byte(n), b'"' | b'\'') {
            return None;
        }
        let mut letters: Vec<u8> = self
            .rest()
            .bytes()
            .take(n)
            .map(|b| b.to_ascii_lowercase())
            .collect();
        letters.sort_unstable();
        let known: [&[u8]; 9] = [b"", b"b", b"u", b"r", b"f", b"t", b"br", b"fr", b"rt"];
        known.contains(&letters.as_slice()).then_some(n)
    }

    fn name(&mut self, start: usize) -> Res<Option<Token>> {
        let mut first = true;
        while let Some(c) = self.rest().chars().next() {
            let cp = c as u32;
            let fits = if c.is_ascii() {
                c == '_' || c.is_ascii_alphanumeric()
            } else if if first {
                is_identifier_start(cp)
            } else {
                is_identifier_continue(cp)
            } {
                true
            } else if is_printable(cp) {
                return self.error(self.at, format!("invalid character '{c}' (U+{cp:04X})"));
            } else {
                return self.error(
                    self.at,
                    format!("invalid non-printable character U+{cp:04X}"),
                );
            };
            if !fits {
                break;
            }
            first = false;
            self.at += c.len_utf8();
        }
        self.token(NAME, start)
    }

    // --- numbers ---

    /// Digits with single underscores between them.
    fn digits(&mut self, what: &str, is_digit: impl Fn(u8) -> bool) -> Res<()> {
        loop {
            if !is_digit(self.byte(0)) {
                return self.error(self.at, format!("invalid {what} literal"));
            }
            while is_digit(self.byte(0)) {
                self.at += 1;
            }
            if self.byte(0) != b'_' {
                return Ok(());
            }
            self.at += 1;
        }
    }

    fn number(&mut self) -> Res<()> {
        let start = self.at;
        if self.byte(0) == b'0' {
            let (what, is_digit): (&str, fn(u8) -> bool) = match self.byte(1) {
                b'x' | b'X' => ("hexadecimal", |b| b.is_ascii_hexdigit()),
                b'o' | b'O' => ("octal", |b| matches!(b, b'0'..=b'7')),
                b'b' | b'B' => ("binary", |b| matches!(b, b'0' | b'1')),
                _ => ("", |_| false),
            };
            if !what.is_empty() {
                self.at += 2;
                if self.byte(0) == b'_' {
                    self.at += 1;
                }
                self.digits(what, is_digit)?;
                let b = self.byte(0);
                if b.is_ascii_digit() {
                    return self.error(
                        self.at,
                        format!("invalid digit '{}' in {what} literal", b as char),
                    );
                }
                return self.number_end(what);
            }
        }
        let digit = |b: u8| b.is_ascii_digit();
        let mut plain = true;
        if self.byte(0) != b'.' {
            self.digits("decimal", digit)?;
        }
        let whole_end = self.at;
        if self.byte(0) == b'.' {
            plain = false;
            self.at += 1;
            if digit(self.byte(0)) {
                self.digits("decimal", digit)?;
            }
        }
        let sign = usize::from(matches!(self.byte(1), b'+' | b'-'));
        if matches!(self.byte(0), b'e' | b'E') && digit(self.byte(1 + sign)) {
            plain = false;
            self.at += 1 + sign;
            self.digits("decimal", digit)?;
        }
        if matches!(self.byte(0), b'j' | b'J') {
            self.at += 1;
            return self.number_end("imaginary");
        }
        if plain {
            let whole = &self.text[start..whole_end];
            if whole.starts_with('0') && whole.bytes().any(|b| !matches!(b, b'0' | b'_')) {
                let msg = "leading zeros in decimal integer literals are not permitted; use an 0o prefix for octal integers";
                return self.error(start, msg);
            }
        }
        self.number_end("decimal")
    }

    /// A keyword may follow a number at once (for now), no other name.
    fn number_end(&self, what: &str) -> Res<()> {
        const WORDS: [&str; 8] = ["and", "else", "for", "if", "in", "is", "or", "not"];
        let rest = self.rest();
        let next = rest.chars().next().unwrap_or(' ');
        if WORDS.iter().any(|w| rest.starts_with(w)) || !(next == '_' || next.is_alphanumeric()) {
            return Ok(());
        }
        self.error(self.at, format!("invalid {what} literal"))
    }

    // --- strings ---

    fn string(&mut self, start: usize, prefix: usize) -> Res<Option<Token>> {
        let letters = self.rest().as_bytes()[..prefix].to_ascii_lowercase();
        let quote = self.byte(prefix);
        let triple = self.byte(prefix + 1) == quote && self.byte(prefix + 2) == quote;
        self.at += prefix + if triple { 3 } else { 1 };
        let kind = match letters.iter().find(|b| matches!(b, b'f' | b't')) {
            Some(b'f') => FSTRING_START,
            Some(_) => TSTRING_START,
            None => 0,
        };
        if kind != 0 {
            let raw = letters.contains(&b'r');
            let mode = Mode {
                quote,
                triple,
                raw,
                kind,
                start,
                text: true,
                in_spec: false,
                open: Vec::new(),
            };
            self.modes.push(mode);
            return self.token(kind, start);
        }
        loop {
            if self.ended() {
                let line = self.line_of(self.text.len().saturating_sub(1));
                let what = if triple {
                    "triple-quoted string"
                } else {
                    "string"
                };
                return self.error(
                    start,
                    format!("unterminated {what} literal (detected at line {line})"),
                );
            }
            if self.at_quote(quote, triple) {
                self.at += if triple { 3 } else { 1 };
                return self.token(STRING, start);
            }
            if !triple && self.newline() > 0 {
                let line = self.line_of(self.at);
                return self.error(
                    start,
                    format!("unterminated string literal (detected at line {line})"),
                );
            }
            self.skip_char(true);
        }
    }

    fn at_quote(&self, quote: u8, triple: bool) -> bool {
        self.byte(0) == quote && (!triple || self.byte(1) == quote && self.byte(2) == quote)
    }

    /// One character, or a backslash and what it escapes.
    fn skip_char(&mut self, escapes: bool) {
        if escapes && self.byte(0) == b'\\' {
            self.at += 1;
            let newline = self.newline();
            if newline > 0 {
                self.at += newline;
                return;
            }
        }
        self.at += self.rest().chars().next().map_or(0, char::len_utf8);
    }

    /// Text of an f-string up to a brace or its end, or one of these.
    fn string_text(&mut self) -> Res<Option<Token>> {
        let Some(m) = self.modes.last() else {
            return self.end();
        };
        let (quote, triple, raw, kind, in_spec) = (m.quote, m.triple, m.raw, m.kind, m.in_spec);
        let (begin, start) = (m.start, self.at);
        loop {
            if self.ended() || !triple && self.newline() > 0 {
                let letter = if kind == FSTRING_START { 'f' } else { 't' };
                let line = self.line_of(if self.ended() {
                    self.text.len().saturating_sub(1)
                } else {
                    self.at
                });
                let what = if triple {
                    format!("triple-quoted {letter}-string")
                } else {
                    format!("{letter}-string")
                };
                return self.error(
                    begin,
                    format!("unterminated {what} literal (detected at line {line})"),
                );
            }
            if self.at_quote(quote, triple) {
                if self.at > start {
                    return self.token(kind + 1, start);
                }
                self.at += if triple { 3 } else { 1 };
                self.modes.pop();
                return self.token(kind + 2, start);
            }
            match self.byte(0) {
                b @ (b'{' | b'}') if !in_spec && self.byte(1) == b => {
                    // A doubled brace: the text ends with the first, the second is passed over.
                    self.at += 1;
                    let t = self.token(kind + 1, start);
                    self.at += 1;
                    return t;
                }
                b'{' | b'}' if self.at > start => return self.token(kind + 1, start),
                b'{' => {
                    self.at += 1;
                    self.brackets.push((b'{', start));
                    let level = self.brackets.len();
                    if let Some(m) = self.modes.last_mut() {
                        m.open.push((in_spec, level));
                        m.text = false;
                        m.in_spec = false;
                    }
                    return self.token(self.op(25), start);
                }
                b'}' => {
                    if !in_spec {
                        let letter = if kind == FSTRING_START { 'f' } else { 't' };
                        return self.error(
                            self.at,
                            format!("{letter}-string: single '}}' is not allowed"),
                        );
                    }
                    return self.close_expression(start);
                }
                b'\\' if raw => {
                    self.at += 1;
                    if self.byte(0) == quote || self.byte(0) == b'\\' {
                        self.at += 1;
                    }
                }
                b'\\' if matches!(self.byte(1), b'{' | b'}') => self.at += 1,
                b'\\' if self.byte(1) == b'N' && self.byte(2) == b'{' && !in_spec => {
                    let name = self.rest();
                    let end = name
                        .find('}')
                        .filter(|e| !name[..*e].contains(['\n', quote as char]));
                    self.at += end.map_or(2, |e| e + 1);
                }
                _ => self.skip_char(!raw),
            }
        }
    }

    fn op(&self, exact: u8) -> u8 {
        if self.comments { OP } else { exact }
    }

    /// The `}` that ends an expression of an f-string.
    fn close_expression(&mut self, start: usize) -> Res<Option<Token>> {
        self.at += 1;
        self.brackets.pop();
        if let Some(m) = self.modes.last_mut() {
            let (in_spec, _) = m.open.pop().unwrap_or_default();
            m.in_spec = in_spec;
            m.text = true;
        }
        self.token(self.op(26), start)
    }

    // --- operators ---

    fn operator(&mut self, start: usize, c: char) -> Res<Option<Token>> {
        // At the outermost level of an f-string's expression.
        let level = self
            .modes
            .last()
            .and_then(|m| m.open.last())
            .map(|(_, level)| *level);
        if level == Some(self.brackets.len()) {
            if c == '}' {
                return self.close_expression(start);
            }
            if c == ':' {
                self.at += 1;
                if let Some(m) = self.modes.last_mut() {
                    m.in_spec = true;
                    m.text = true;
                }
                return self.token(self.op(11), start);
            }
        }
        if (c as u32) < 0x20 || c as u32 == 0x7f {
            return self.error(
                self.at,
                format!("invalid non-printable character U+{:04X}", c as u32),
            );
        }
        let found = OPERATORS
            .iter()
            .find(|(text, _)| self.rest().starts_with(text));
        let Some(&(text, exact)) = found else {
            self.at += c.len_utf8();
            return self.token(OP, start);
        };
        self.at += text.len();
        match text {
            "(" | "[" | "{" => {
                if self.brackets.len() >= 200 {
                    return self.error(start, "too many nested parentheses");
                }
                self.brackets.push((c as u8, start));
            }
            ")" | "]" | "}" => self.close(start, c)?,
            _ => {}
        }
        self.token(self.op(exact), start)
    }

    fn close(&mut self, start: usize, c: char) -> Res<()> {
        let open = self.brackets.pop();
        if self.comments && self.modes.is_empty() {
            // Whoever wants all tokens gets those of sources that are wrong, too.
            return Ok(());
        }
        let Some((open, at)) = open else {
            return self.error(start, format!("unmatched '{c}'"));
        };
        if matches!((open, c), (b'(', ')') | (b'[', ']') | (b'{', '}')) {
            return Ok(());
        }
        let (line, here) = (self.line_of(at), self.line_of(start));
        let place = if line == here {
            String::new()
        } else {
            format!(" on line {line}")
        };
        self.error(
            start,
            format!(
                "closing parenthesis '{c}' does not match opening parenthesis '{}'{place}",
                open as char
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<(u8, String)>, String> {
        let mut l = Lexer::new(text.into(), true);
        let mut found = Vec::new();
        while let Some(t) = l.next_token().map_err(|e| e.msg)? {
            found.push((t.kind, l.text[t.start..t.end].to_string()));
        }
        Ok(found)
    }

    fn texts(text: &str) -> Vec<String> {
        all(text).expect(text).into_iter().map(|(_, s)| s).collect()
    }

    #[test]
    fn lines_and_blocks() {
        let found = all("if x: # c\n\n    y = 1\nz\n").unwrap();
        let kinds: Vec<u8> = found.iter().map(|f| f.0).collect();
        assert_eq!(
            kinds,
            [
                NAME, NAME, OP, COMMENT, NEWLINE, NL, INDENT, NAME, OP, NUMBER, NEWLINE, DEDENT,
                NAME, NEWLINE, ENDMARKER
            ]
        );
        assert_eq!(
            all("if x:\n    y\n  z\n").unwrap_err(),
            "unindent does not match any outer indentation level"
        );
        assert_eq!(
            all("(1\n").unwrap_err(),
            "unexpected EOF in multi-line statement"
        );
        // Who wants all tokens gets brackets as they are.
        assert!(all("(1]\n").is_ok());
        let mut plain = Lexer::new("(1]\n".into(), false);
        let error = std::iter::from_fn(|| plain.next_token().transpose()).find_map(Result::err);
        assert_eq!(
            error.map(|e| e.msg).as_deref(),
            Some("closing parenthesis ']' does not match opening parenthesis '('")
        );
    }

    #[test]
    fn numbers_and_names() {
        assert_eq!(
            texts("0x_fF 1_0.5e-3j 1if é_1 ...\n")[..6],
            ["0x_fF", "1_0.5e-3j", "1", "if", "é_1", "..."]
        );
        assert_eq!(all("1_\n").unwrap_err(), "invalid decimal literal");
        assert_eq!(
            all("0b12\n").unwrap_err(),
            "invalid digit '2' in binary literal"
        );
        assert_eq!(all("1abc\n").unwrap_err(), "invalid decimal literal");
    }

    #[test]
    fn strings() {
        assert_eq!(
            texts("Rb'a\\'' '''x\ny'''\n")[..2],
            ["Rb'a\\''", "'''x\ny'''"]
        );
        assert_eq!(
            texts("f'a{{b{x!r:>{w}}}}c'\n")[..14],
            [
                "f'", "a{", "b", "{", "x", "!", "r", ":", ">", "{", "w", "}", "}", "}"
            ]
        );
        assert_eq!(
            all("'abc\n").unwrap_err(),
            "unterminated string literal (detected at line 1)"
        );
        assert_eq!(
            all("f'{x\n").unwrap_err(),
            "unexpected EOF in multi-line statement"
        );
    }
}
