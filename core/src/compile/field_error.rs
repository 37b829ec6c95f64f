//! What is wrong with a replacement field of an f-string or a t-string, in CPython's words.

use super::source::Source;
use ruff_python_ast::token::{Token, TokenKind as Kind, Tokens};
use ruff_text_size::{Ranged, TextRange, TextSize};

/// The first field that is not right, if it lies before `limit`.
pub(super) fn find(
    src: &Source<'_>,
    tokens: &Tokens,
    limit: TextSize,
) -> Option<(TextRange, String)> {
    let mut fields = Fields { src, tokens };
    let mut i = 0;
    while i < tokens.len() && tokens[i].start() <= limit {
        i = match fields.kind(i) {
            Kind::FStringStart | Kind::TStringStart => match fields.string(i) {
                Ok(next) => next,
                Err(found) => return (found.0.start() <= limit).then_some(found),
            },
            _ => i + 1,
        };
    }
    None
}

type Wrong = (TextRange, String);

struct Fields<'s, 'a> {
    src: &'s Source<'a>,
    tokens: &'s [Token],
}

impl Fields<'_, '_> {
    fn kind(&self, i: usize) -> Kind {
        self.tokens.get(i).map_or(Kind::EndOfFile, |t| t.kind())
    }

    fn range(&self, i: usize) -> TextRange {
        let end = TextRange::empty(TextSize::of(self.src.text));
        self.tokens.get(i).map_or(end, Ranged::range)
    }

    fn wrong(&self, i: usize, prefix: char, msg: &str) -> Wrong {
        (self.range(i), format!("{prefix}-string: {msg}"))
    }

    /// Looks at the string that begins at token `i`; gives the token after it.
    fn string(&mut self, i: usize) -> Result<usize, Wrong> {
        let prefix = match self.kind(i) {
            Kind::TStringStart => 't',
            _ => 'f',
        };
        let mut i = i + 1;
        loop {
            i = match self.kind(i) {
                Kind::FStringMiddle | Kind::TStringMiddle => i + 1,
                Kind::Lbrace => self.field(i, prefix)?,
                Kind::FStringEnd | Kind::TStringEnd => return Ok(i + 1),
                _ => return Ok(i),
            };
        }
    }

    /// Looks at the field whose brace is token `i`; gives the token after it.
    fn field(&mut self, i: usize, prefix: char) -> Result<usize, Wrong> {
        let mut start = i + 1;
        while matches!(self.kind(start), Kind::NonLogicalNewline | Kind::Comment) {
            start += 1;
        }
        let missing = match self.kind(start) {
            Kind::Equal => "=",
            Kind::Exclamation => "!",
            Kind::Colon => ":",
            Kind::Rbrace => "}",
            _ => "",
        };
        if !missing.is_empty() {
            let msg = format!("valid expression required before '{missing}'");
            return Err(self.wrong(start, prefix, &msg));
        }
        let mut at = self.expression_end(start)?;
        self.expression(start, at, prefix)?;
        if self.at_end(at) && self.kind(at) != Kind::Unknown {
            return Err(self.wrong(at, prefix, "expecting '}'"));
        }
        if self.kind(at) == Kind::Equal {
            at += 1;
            if !matches!(
                self.kind(at),
                Kind::Exclamation | Kind::Colon | Kind::Rbrace
            ) {
                return Err(self.wrong(at, prefix, "expecting '!', or ':', or '}'"));
            }
        }
        if self.kind(at) == Kind::Exclamation {
            match self.kind(at + 1) {
                Kind::Colon | Kind::Rbrace => {
                    return Err(self.wrong(at + 1, prefix, "missing conversion character"));
                }
                Kind::Name => {}
                _ => return Err(self.wrong(at + 1, prefix, "invalid conversion character")),
            }
            at += 2;
            if !matches!(self.kind(at), Kind::Colon | Kind::Rbrace) {
                return Err(self.wrong(at, prefix, "expecting ':' or '}'"));
            }
        }
        if self.kind(at) == Kind::Colon {
            at += 1;
            loop {
                at = match self.kind(at) {
                    Kind::FStringMiddle | Kind::TStringMiddle => at + 1,
                    Kind::Lbrace => self.field(at, prefix)?,
                    Kind::Rbrace => break,
                    _ => return Err(self.wrong(at, prefix, "expecting '}', or format specs")),
                };
            }
        }
        if self.kind(at) == Kind::Rbrace {
            return Ok(at + 1);
        }
        Err(self.wrong(at, prefix, "expecting '=', or '!', or ':', or '}'"))
    }

    fn at_end(&self, i: usize) -> bool {
        matches!(
            self.kind(i),
            Kind::FStringEnd
                | Kind::TStringEnd
                | Kind::FStringMiddle
                | Kind::TStringMiddle
                | Kind::EndOfFile
                | Kind::Newline
                | Kind::Unknown
        )
    }

    /// The token after the expression that begins at `i`.
    fn expression_end(&mut self, mut i: usize) -> Result<usize, Wrong> {
        let mut depth = 0;
        loop {
            match self.kind(i) {
                Kind::FStringStart | Kind::TStringStart => {
                    i = self.string(i)?;
                    continue;
                }
                Kind::Lpar | Kind::Lsqb | Kind::Lbrace => depth += 1,
                Kind::Equal | Kind::Exclamation | Kind::Colon | Kind::Rbrace if depth == 0 => {
                    return Ok(i);
                }
                Kind::Rpar | Kind::Rsqb | Kind::Rbrace => depth -= 1,
                _ if self.at_end(i) => return Ok(i),
                _ => {}
            }
            i += 1;
        }
    }

    /// Checks that the tokens from `start` to `end` are one expression.
    fn expression(&self, start: usize, end: usize, prefix: char) -> Result<(), Wrong> {
        /// No more tokens than this are left out to find out where an expression ends.
        const TRIES: usize = 40;
        if self.parses(start, end) {
            return Ok(());
        }
        if let Some(lambda) = self.bare_lambda(start, end) {
            let range = TextRange::new(self.range(lambda).start(), self.range(end).end());
            let msg = "lambda expressions are not allowed without parentheses";
            return Err((range, format!("{prefix}-string: {msg}")));
        }
        let shorter = (start + 1..end).rev().take(TRIES);
        match shorter.into_iter().find(|&e| self.parses(start, e)) {
            // The error is in the brackets.
            Some(e) if matches!(self.kind(e), Kind::Lpar | Kind::Lsqb) => Ok(()),
            Some(e) => Err(self
                .two(start, e, end)
                .unwrap_or_else(|| self.wrong(e, prefix, "expecting '=', or '!', or ':', or '}'"))),
            None => Err(self.wrong(start, prefix, "expecting a valid expression after '{'")),
        }
    }

    /// The `lambda` outside brackets whose colon, at `end`, was taken for the field's.
    fn bare_lambda(&self, start: usize, end: usize) -> Option<usize> {
        if self.kind(end) != Kind::Colon {
            return None;
        }
        let mut depth = 0;
        (start..end).rev().find(|&i| {
            match self.kind(i) {
                Kind::Rpar | Kind::Rsqb | Kind::Rbrace => depth += 1,
                Kind::Lpar | Kind::Lsqb | Kind::Lbrace => depth -= 1,
                _ => {}
            }
            let first = i == start || self.kind(i - 1) == Kind::Comma;
            depth == 0 && first && self.kind(i) == Kind::Lambda
        })
    }

    /// Two expressions side by side: the one that ends at `middle`, and the longest one that begins there.
    fn two(&self, start: usize, middle: usize, end: usize) -> Option<Wrong> {
        const TRIES: usize = 40;
        let last = middle - 1;
        let named = middle - start == 1 && self.kind(last) == Kind::Name;
        let texts = [Kind::String, Kind::FStringStart, Kind::TStringStart];
        if named && texts.contains(&self.kind(middle)) {
            return None;
        }
        let mut firsts = (start..middle).filter(|i| matches!(self.kind(*i), Kind::Comma));
        let parses = |i: &usize| self.parses(i + 1, middle);
        let first = firsts
            .by_ref()
            .take(TRIES)
            .find(parses)
            .map_or(start, |i| i + 1);
        let mut ends = (middle + 1..=end).rev().take(TRIES);
        let last = ends.find(|&e| self.parses(middle, e))?;
        let range = TextRange::new(self.range(first).start(), self.range(last - 1).end());
        let msg = "invalid syntax. Perhaps you forgot a comma?";
        Some((range, msg.to_string()))
    }

    fn parses(&self, start: usize, end: usize) -> bool {
        if end <= start {
            return false;
        }
        let range = TextRange::new(self.range(start).start(), self.range(end - 1).end());
        let text = format!("({}\n)", self.src.slice(range));
        ruff_python_parser::parse_expression(&text).is_ok()
    }
}
