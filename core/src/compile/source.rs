//! Source text: decoding, newlines, lines and columns, and a look at its nesting before the parser recurses.

use super::bytecode::{Const, Position};
use super::{ErrorKind, Res, SyntaxError};
use ruff_text_size::{Ranged, TextRange, TextSize};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};

/// A source text with its line starts.
pub(super) struct Source<'a> {
    pub text: &'a str,
    pub filename: &'a str,
    /// Decimal literals may have this many digits; 0 for any number.
    pub max_digits: usize,
    starts: Vec<u32>,
    last: Cell<usize>,
    /// What stands for the text of a tree that was not parsed.
    synthetic: Option<&'a Synthetic>,
    warnings: RefCell<Vec<SyntaxError>>,
    /// How many of them are about tokens: those come first.
    token_warnings: Cell<usize>,
}

/// A range from the start of one node to the end of another, which need not be in order in a tree that was not parsed.
pub(super) fn span(from: TextRange, to: TextRange) -> TextRange {
    TextRange::new(from.start(), to.end().max(from.start()))
}

/// Places and constants of a tree that was not parsed from a text. An offset in it is a line and a column: 19 and 12 bits
/// of them, or the number of a pair that does not fit.
#[derive(Debug, Default)]
pub struct Synthetic {
    far: Vec<(u32, u32)>,
    /// Values of constants that no literal stands for. A node for a command line has the number of one for a text, an
    /// interpolation that of its text for its index.
    pub consts: Vec<Const>,
}

impl Synthetic {
    const FAR: u32 = 1 << 31;

    /// Offsets for two places (lines from 1, columns from 0), the second of which is not before the first.
    pub fn range(&mut self, start: (u32, u32), end: (u32, u32)) -> (u32, u32) {
        let near =
            |(line, col): (u32, u32)| (line < 1 << 19 && col < 1 << 12).then_some(line << 12 | col);
        match (near(start), near(end)) {
            (Some(a), Some(b)) => (a, b.max(a)),
            _ => {
                let n = Synthetic::FAR + self.far.len() as u32;
                self.far.extend([start, end]);
                (n, n + 1)
            }
        }
    }

    /// The place of an offset.
    pub fn point(&self, at: u32) -> (u32, u32) {
        match at.checked_sub(Synthetic::FAR) {
            None => (at >> 12, at & 0xfff),
            Some(n) => self.far.get(n as usize).copied().unwrap_or((1, 0)),
        }
    }
}

/// Brackets may be nested this deeply, as in CPython.
const MAX_BRACKETS: usize = 200;
/// Blocks may be indented this deeply, as in CPython.
const MAX_INDENT: usize = 100;
/// Operators without an operand between them may follow each other this often.
const MAX_PREFIX: u32 = 6_000;
/// In a source that is in disorder, so many symbols are looked at.
const MAX_SYMBOLS: u32 = 1_000_000;
/// So many lambdas may be begun within each other's parameters: CPython's parser manages 746. (Where it also has an error to get over,
/// this one takes time in the square of it.)
const MAX_LAMBDAS: u32 = 746;

impl<'a> Source<'a> {
    pub fn new(text: &'a str, filename: &'a str) -> Self {
        let mut starts = vec![0];
        starts.extend(
            text.bytes()
                .enumerate()
                .filter(|&(_, b)| b == b'\n')
                .map(|(i, _)| i as u32 + 1),
        );
        Source {
            text,
            filename,
            max_digits: super::consts::MAX_DIGITS,
            starts,
            last: Cell::new(0),
            synthetic: None,
            warnings: RefCell::default(),
            token_warnings: Cell::new(0),
        }
    }

    /// The places of a tree that was not parsed.
    pub fn synthetic(tree: &'a Synthetic, filename: &'a str) -> Self {
        Source {
            synthetic: Some(tree),
            ..Source::new("", filename)
        }
    }

    pub fn is_synthetic(&self) -> bool {
        self.synthetic.is_some()
    }

    /// The constant that a node of a synthetic tree stands for.
    pub fn constant(&self, number: &str) -> Option<&'a Const> {
        self.synthetic?.consts.get(number.parse::<usize>().ok()?)
    }

    /// The text of an interpolation in a synthetic tree.
    pub fn field(&self, i: &ruff_python_ast::InterpolatedElement) -> Option<&'a Const> {
        let tree = self.synthetic?;
        tree.consts.get(i.node_index.load().as_u32()? as usize)
    }

    /// Where a definition begins, after its decorators.
    pub fn after_decorators(
        &self,
        decorators: &[ruff_python_ast::Decorator],
        range: TextRange,
    ) -> TextRange {
        let Some(last) = decorators.last().filter(|_| !self.is_synthetic()) else {
            return range;
        };
        let mut at = last.range.end().to_usize();
        let bytes = self.text.as_bytes();
        while at < bytes.len() {
            match bytes[at] {
                b'#' => at += self.text[at..].find('\n').unwrap_or(0).max(1),
                b' ' | b'\t' | b'\n' | 0x0c | b'\\' => at += 1,
                _ => break,
            }
        }
        TextRange::new(TextSize::new(at as u32).min(range.end()), range.end())
    }

    /// Line (from 1) and byte column (from 0) of an offset.
    pub fn line_col(&self, at: TextSize) -> (u32, u32) {
        let at = at.to_u32();
        if let Some(tree) = self.synthetic {
            return tree.point(at);
        }
        let mut i = self.last.get();
        let inside =
            |i: usize| self.starts[i] <= at && self.starts.get(i + 1).is_none_or(|&next| at < next);
        if !inside(i) {
            i = self.starts.partition_point(|&s| s <= at) - 1;
            self.last.set(i);
        }
        (i as u32 + 1, at - self.starts[i])
    }

    pub fn line(&self, at: TextSize) -> u32 {
        self.line_col(at).0
    }

    pub fn position(&self, range: TextRange) -> Position {
        let (line, col) = self.line_col(range.start());
        let (end_line, end_col) = self.line_col(range.end());
        let clamp = |c: u32| u16::try_from(c).unwrap_or(u16::MAX);
        Position {
            line,
            end_line,
            col: clamp(col),
            end_col: clamp(end_col),
        }
    }

    /// The text of a line with its newline.
    pub fn line_text(&self, line: u32) -> Option<&'a str> {
        if self.is_synthetic() {
            return None;
        }
        let start = *self.starts.get((line as usize).checked_sub(1)?)? as usize;
        let end = self
            .starts
            .get(line as usize)
            .map_or(self.text.len(), |&e| e as usize);
        self.text.get(start..end)
    }

    /// The text of a node.
    pub fn slice(&self, range: TextRange) -> &'a str {
        self.text
            .get(range.start().to_usize()..range.end().to_usize())
            .unwrap_or("")
    }

    /// A SyntaxError at `range`.
    #[cold]
    pub fn error(&self, range: TextRange, msg: impl Into<String>) -> SyntaxError {
        self.error_of(ErrorKind::Syntax, range, msg)
    }

    #[cold]
    pub fn error_at(&self, node: &impl Ranged, msg: impl Into<String>) -> SyntaxError {
        self.error(node.range(), msg)
    }

    #[cold]
    pub fn error_of(
        &self,
        kind: ErrorKind,
        range: TextRange,
        msg: impl Into<String>,
    ) -> SyntaxError {
        let chars = |line: u32, col: u32| {
            if self.is_synthetic() {
                return col + 1;
            }
            let text = self.line_text(line).unwrap_or("");
            let col = (col as usize).min(text.len());
            text.bytes().take(col).filter(|b| b & 0xc0 != 0x80).count() as u32 + 1
        };
        let (line, col) = self.line_col(range.start());
        let (end_line, end_col) = self.line_col(range.end());
        SyntaxError {
            kind,
            msg: msg.into(),
            filename: self.filename.to_string(),
            line,
            col: chars(line, col),
            end_line,
            end_col: chars(end_line, end_col),
            text: self.line_text(line).map(|t| {
                if t.ends_with('\n') {
                    t.to_string()
                } else {
                    format!("{t}\n")
                }
            }),
            warnings: Vec::new(),
            late: false,
            block: 0,
        }
    }

    /// Notes a warning at `range`.
    #[cold]
    pub fn warn(&self, range: TextRange, msg: impl Into<String>) {
        let warning = self.error(range, msg);
        self.warnings.borrow_mut().push(warning);
    }

    /// What has been warned about, in order.
    pub fn take_warnings(&self) -> Vec<SyntaxError> {
        let mut all = self.warnings.take();
        let tokens = self.token_warnings.get().min(all.len());
        all[tokens..].sort_by_key(|w| (w.line, w.col));
        all
    }

    /// What is warned about from now on comes after what the tokens are warned for.
    pub fn end_of_tokens(&self) {
        let mut all = self.warnings.borrow_mut();
        all.sort_by_key(|w| (w.line, w.col));
        self.token_warnings.set(all.len());
    }

    /// A SyntaxError at no place in particular.
    #[cold]
    pub fn plain_error(&self, msg: impl Into<String>) -> SyntaxError {
        SyntaxError {
            kind: ErrorKind::Syntax,
            msg: msg.into(),
            filename: self.filename.to_string(),
            line: 0,
            col: 0,
            end_line: 0,
            end_col: 0,
            text: None,
            warnings: Vec::new(),
            late: false,
            block: 0,
        }
    }

    #[cold]
    pub fn too_deep(&self) -> SyntaxError {
        SyntaxError {
            kind: ErrorKind::Recursion,
            ..self.plain_error("maximum recursion depth exceeded during compilation")
        }
    }

    /// Refuses source that would nest too deeply; gives an upper bound of how deeply it nests.
    pub fn check_nesting(&self) -> Res<u32> {
        if let Some(at) = self.text.find('\0') {
            let at = TextSize::new(at as u32);
            return Err(self.error(
                TextRange::empty(at),
                "source code cannot contain null bytes",
            ));
        }
        Nesting::new(self).run()
    }
}

/// What is open: a bracket, or a field of an f-string (or t-string) with these quotes, in its text or in a format spec of it.
#[derive(Clone, Copy)]
enum Open {
    Bracket,
    Field {
        quote: u8,
        triple: bool,
        in_spec: bool,
    },
}

/// A rough scan over the tokens, which knows strings, comments and brackets.
struct Nesting<'s, 'a> {
    src: &'s Source<'a>,
    bytes: &'a [u8],
    at: usize,
    brackets: Vec<Open>,
    /// A string without its end, or a bracket: what comes after it the parser may take for something else than this scan does.
    odd: bool,
    indents: Vec<usize>,
    /// Tokens of the statement that may nest, the largest number so far, and operators in a row.
    weight: u32,
    most: u32,
    prefix: u32,
    /// Lambdas whose colon has not come.
    lambdas: u32,
}

impl<'s, 'a> Nesting<'s, 'a> {
    fn new(src: &'s Source<'a>) -> Self {
        Nesting {
            src,
            bytes: src.text.as_bytes(),
            at: 0,
            brackets: Vec::new(),
            odd: false,
            indents: vec![0],
            weight: 0,
            most: 0,
            prefix: 0,
            lambdas: 0,
        }
    }

    fn run(mut self) -> Res<u32> {
        let mut line_start = true;
        let mut deepest = 0;
        while self.at < self.bytes.len() {
            if line_start && self.brackets.is_empty() {
                self.indentation()?;
                deepest = deepest.max(self.indents.len() as u32);
            }
            line_start = false;
            let Some(&b) = self.bytes.get(self.at) else {
                break;
            };
            match b {
                b'\n' => {
                    self.at += 1;
                    line_start = true;
                    if self.brackets.is_empty() {
                        self.statement_end();
                    }
                }
                b'#' => self.skip_line(),
                b'\\' => self.at += 2,
                b'\'' | b'"' => self.string(),
                b'(' | b'[' | b'{' => self.open()?,
                b')' | b']' | b'}' => self.close(b)?,
                b':' if self.field().is_some() => {
                    self.at += 1;
                    self.format_text(true)?;
                }
                b' ' | b'\t' | 0x0c => self.at += 1,
                b';' if self.brackets.is_empty() => {
                    self.statement_end();
                    self.at += 1;
                }
                b',' | b';' => {
                    self.prefix = 0;
                    self.at += 1;
                }
                _ if b == b'_' || b.is_ascii_alphanumeric() || b >= 0x80 => self.word()?,
                _ => self.operator()?,
            }
        }
        self.statement_end();
        let most = if self.odd { self.symbols() } else { 0 };
        if most > MAX_SYMBOLS {
            return Err(self.src.too_deep());
        }
        Ok(most.max(self.most + 4 * deepest))
    }

    /// Bytes that may be operators or lie between words: nothing nests more deeply than there are of these.
    fn symbols(&self) -> u32 {
        let between = |b: &u8| !(b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80);
        self.bytes.iter().filter(|b| between(b)).count() as u32
    }

    fn statement_end(&mut self) {
        self.most = self.most.max(self.weight);
        self.weight = 0;
        self.prefix = 0;
        self.lambdas = 0;
    }

    fn skip_line(&mut self) {
        while self.at < self.bytes.len() && self.bytes[self.at] != b'\n' {
            self.at += 1;
        }
    }

    fn indentation(&mut self) -> Res {
        let mut width = 0;
        while let Some(&b) = self.bytes.get(self.at) {
            match b {
                b' ' => width += 1,
                b'\t' => width = (width / 8 + 1) * 8,
                0x0c => width = 0,
                _ => break,
            }
            self.at += 1;
        }
        if matches!(self.bytes.get(self.at), None | Some(b'\n' | b'#')) {
            return Ok(());
        }
        while self.indents.last().is_some_and(|&i| i > width) {
            self.indents.pop();
        }
        if self.indents.last().is_none_or(|&i| i < width) {
            self.indents.push(width);
        }
        if self.indents.len() > MAX_INDENT {
            let at = TextRange::empty(TextSize::new(self.at as u32));
            return Err(self.src.error_of(
                ErrorKind::Indentation,
                at,
                "too many levels of indentation",
            ));
        }
        Ok(())
    }

    fn open(&mut self) -> Res {
        self.brackets.push(Open::Bracket);
        if self.depth() > MAX_BRACKETS {
            let at = TextRange::at(TextSize::new(self.at as u32), TextSize::new(1));
            return Err(self.src.error(at, "too many nested parentheses"));
        }
        self.at += 1;
        self.heavier()
    }

    /// Brackets that are open. Few are where this is asked: the list is as long as f-strings and brackets nest.
    fn depth(&self) -> usize {
        let bracket = |o: &&Open| matches!(o, Open::Bracket);
        self.brackets.iter().filter(bracket).count()
    }

    fn close(&mut self, b: u8) -> Res {
        self.at += 1;
        self.prefix = 0;
        match self.brackets.last() {
            Some(Open::Bracket) => {
                self.brackets.pop();
            }
            Some(Open::Field { .. }) if b == b'}' => self.format_text(false)?,
            _ => self.odd = true,
        }
        Ok(())
    }

    fn operator(&mut self) -> Res {
        if self.bytes[self.at] == b':' {
            self.lambdas = self.lambdas.saturating_sub(1);
        }
        self.at += 1;
        self.heavier()
    }

    fn heavier(&mut self) -> Res {
        self.weight += 1;
        self.prefix += 1;
        if self.prefix > MAX_PREFIX {
            return Err(self.src.too_deep());
        }
        Ok(())
    }

    fn word(&mut self) -> Res {
        let start = self.at;
        while let Some(&b) = self.bytes.get(self.at)
            && (b == b'_' || b.is_ascii_alphanumeric() || b >= 0x80)
        {
            self.at += 1;
        }
        let word = &self.bytes[start..self.at];
        if let Some(&quote @ (b'\'' | b'"')) = self.bytes.get(self.at)
            && word.len() <= 2
        {
            if !word.iter().any(|b| matches!(b, b'f' | b'F' | b't' | b'T')) {
                self.string();
                return Ok(());
            }
            let triple = self.bytes[self.at..].starts_with(&[quote; 3]);
            self.at += if triple { 3 } else { 1 };
            return self.format_string(quote, triple, false);
        }
        if word == b"lambda" {
            self.lambdas += 1;
            if self.lambdas > MAX_LAMBDAS {
                return Err(self.src.too_deep());
            }
        }
        match word {
            b"not" | b"lambda" | b"await" | b"yield" | b"if" | b"else" | b"for" | b"in" | b"is"
            | b"and" | b"or" | b"elif" | b"async" => self.heavier(),
            _ => {
                self.prefix = 0;
                Ok(())
            }
        }
    }

    /// Skips a string literal.
    fn string(&mut self) {
        let quote = self.bytes[self.at];
        let triple = self.bytes[self.at..].starts_with(&[quote; 3]);
        self.at += if triple { 3 } else { 1 };
        self.prefix = 0;
        self.weight += 1;
        while let Some(&b) = self.bytes.get(self.at) {
            match b {
                b'\\' => self.at += 1,
                b'\n' if !triple => break,
                _ if b == quote && self.string_ends(quote, triple) => return,
                _ => {}
            }
            self.at += 1;
        }
        self.odd = true;
    }

    /// At a quote: steps over the end of the string, if it is that.
    fn string_ends(&mut self, quote: u8, triple: bool) -> bool {
        let ends = !triple || self.bytes[self.at..].starts_with(&[quote; 3]);
        if ends {
            self.at += if triple { 3 } else { 1 };
        }
        ends
    }

    /// The field of an f-string whose expression this is in, no bracket between.
    fn field(&self) -> Option<(u8, bool, bool)> {
        match self.brackets.last() {
            Some(&Open::Field {
                quote,
                triple,
                in_spec,
            }) => Some((quote, triple, in_spec)),
            _ => None,
        }
    }

    /// After the expression of a field: what is left of the f-string. `spec`: the field's format spec comes first.
    fn format_text(&mut self, spec: bool) -> Res {
        let Some((quote, triple, in_spec)) = self.field() else {
            return Ok(());
        };
        if !spec {
            self.brackets.pop();
        }
        self.format_string(quote, triple, spec || in_spec)
    }

    /// The text of an f-string up to its next field, or its end. In a format spec, the field that it belongs to is still open.
    fn format_string(&mut self, quote: u8, triple: bool, mut in_spec: bool) -> Res {
        self.prefix = 0;
        self.weight += 1;
        while let Some(&b) = self.bytes.get(self.at) {
            let doubled = self.bytes.get(self.at + 1) == Some(&b);
            match b {
                b'\\' if !matches!(self.bytes.get(self.at + 1), Some(b'{' | b'}')) => self.at += 1,
                b'\n' if !triple => break,
                b'{' if doubled && !in_spec => self.at += 1,
                b'{' => {
                    self.at += 1;
                    return self.open_field(quote, triple, in_spec);
                }
                b'}' if in_spec => match self.field() {
                    Some(outer) => {
                        self.brackets.pop();
                        in_spec = outer.2;
                    }
                    None => in_spec = false,
                },
                _ if b == quote && self.string_ends(quote, triple) => {
                    self.odd |= in_spec;
                    self.leave_fields(in_spec);
                    return Ok(());
                }
                _ => {}
            }
            self.at += 1;
        }
        self.odd = true;
        self.leave_fields(in_spec);
        Ok(())
    }

    /// The f-string has ended within format specs.
    fn leave_fields(&mut self, mut in_spec: bool) {
        while in_spec && let Some(outer) = self.field() {
            self.brackets.pop();
            in_spec = outer.2;
        }
    }

    fn open_field(&mut self, quote: u8, triple: bool, in_spec: bool) -> Res {
        self.brackets.push(Open::Field {
            quote,
            triple,
            in_spec,
        });
        if self.brackets.len() > 2 * MAX_BRACKETS {
            return Err(self.src.too_deep());
        }
        // An f-string in an f-string takes more of the stack than a bracket in a bracket.
        self.weight += 3;
        self.heavier()
    }
}

/// Turns `\r\n` and `\r` into `\n`, as CPython's tokenizer does, and drops a byte order mark.
pub(super) fn normalize(source: &str) -> Cow<'_, str> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    if source.contains('\r') {
        Cow::Owned(source.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(source)
    }
}
