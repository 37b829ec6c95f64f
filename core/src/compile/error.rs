//! From the parser's errors to CPython's words.
//!
//! CPython finds errors in the order of its own tokenizer and grammar; the parser here recovers and reports others. So the
//! first error is looked at again: what the tokenizer would have refused comes first (`scan`), then an unclosed bracket,
//! then the parser's own error in CPython's words.

use super::field_error;
use super::scan::{Problem, Scan};
use super::source::Source;
use super::{ErrorKind, Mode, Options, Res, SyntaxError};
use ruff_python_ast::token::Tokens;
use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_python_parser::{
    InterpolatedStringErrorType as Interpolated, LexicalErrorType as Lexical, ParseError,
    ParseErrorType as Parse, Parsed, UnsupportedSyntaxErrorKind as Unsupported,
};
use ruff_text_size::{Ranged, TextRange, TextSize};

/// The first error of a parse, if there is one.
pub(super) fn check(
    src: &Source<'_>,
    parsed: &Parsed<ast::Mod>,
    mode: Mode,
    opts: &Options,
) -> Res {
    if mode == Mode::Eval {
        check_indent(src)?;
    }
    if !src.text.is_ascii() {
        check_names(src, parsed.syntax())?;
    }
    match first_error(parsed.errors()) {
        None => match parsed.unsupported_syntax_errors().first() {
            None => Ok(()),
            Some(e) if e.kind == Unsupported::ParenthesizedKeywordArgumentName => Err(src.error(
                e.range,
                "expression cannot contain assignment, perhaps you meant \"==\"?",
            )),
            Some(e) => {
                let text = src.slice(e.range);
                let after = src.text[e.range.end().to_usize()..].trim_start();
                let msg = match after.starts_with("for ") || after.starts_with("async ") {
                    true if text.starts_with("**") => {
                        "dict unpacking cannot be used in dict comprehension"
                    }
                    true if text.starts_with('*') => {
                        "iterable unpacking cannot be used in comprehension"
                    }
                    _ => "invalid syntax",
                };
                Err(src.error(e.range, msg))
            }
        },
        Some(e) => Err(Reporter {
            src,
            tree: parsed.syntax(),
            tokens: parsed.tokens(),
            mode,
            opts,
        }
        .report(e)),
    }
}

/// An expression to evaluate begins at the margin.
fn check_indent(src: &Source<'_>) -> Res {
    let blank = |line: &str| line.trim_start().is_empty() || line.trim_start().starts_with('#');
    let mut start = 0;
    for line in src.text.split_inclusive('\n') {
        if blank(line) {
            start += line.len();
            continue;
        }
        let text = line.trim_start_matches([' ', '\t']);
        if text.len() == line.len() {
            break;
        }
        let at = TextSize::new((start + line.len() - text.len() - 1) as u32);
        let at = TextRange::empty(at);
        return Err(src.error_of(ErrorKind::Indentation, at, "unexpected indent"));
    }
    Ok(())
}

/// No name may come to mean a constant by the normalization of identifiers.
fn check_names(src: &Source<'_>, tree: &ast::Mod) -> Res {
    struct Names(Option<(TextRange, String)>);
    impl<'t> Visitor<'t> for Names {
        fn visit_expr(&mut self, e: &'t Expr) {
            if let Expr::Name(n) = e
                && matches!(n.id.as_str(), "None" | "True" | "False")
                && self.0.is_none()
            {
                self.0 = Some((n.range, n.id.to_string()));
            }
            walk_expr(self, e);
        }
    }
    let mut names = Names(None);
    match tree {
        ast::Mod::Module(m) => names.visit_body(&m.body),
        ast::Mod::Expression(e) => names.visit_expr(&e.body),
    }
    match names.0 {
        None => Ok(()),
        Some((range, name)) => {
            let msg = format!("identifier field can't represent '{name}' constant");
            Err(src.error_of(ErrorKind::Value, range, msg))
        }
    }
}

/// The error that comes first. What is wrong with an expression as a whole comes after what is wrong inside it.
fn first_error(all: &[ParseError]) -> Option<&ParseError> {
    let by_start = |e: &&ParseError| e.location.start();
    let first = all.iter().min_by_key(by_start)?;
    let whole = match &first.error {
        Parse::InvalidAnnotatedAssignmentTarget | Parse::InvalidStarredExpressionUsage => true,
        Parse::OtherError(msg) => {
            msg.starts_with("Only single target") || msg == "Invalid value for a class pattern"
        }
        _ => false,
    };
    let inside = all.iter().filter(|e| {
        let at = e.location.start();
        at > first.location.start() && at <= first.location.end()
    });
    match inside.min_by_key(by_start) {
        Some(inner) if whole => Some(inner),
        _ => Some(first),
    }
}

/// Line of the last compound statement that ends before the first error; 0 if there is none.
pub(super) fn last_block(src: &Source<'_>, parsed: &Parsed<ast::Mod>) -> u32 {
    struct Last {
        before: TextSize,
        found: Option<TextRange>,
    }
    impl<'x> Visitor<'x> for Last {
        fn visit_stmt(&mut self, s: &'x Stmt) {
            ast::visitor::walk_stmt(self, s);
            if is_compound(s) && s.range().end() <= self.before {
                self.found = Some(s.range());
            }
        }
        fn visit_expr(&mut self, _: &'x Expr) {}
    }
    let Some(error) = parsed.errors().iter().map(|e| e.location.start()).min() else {
        return 0;
    };
    let mut last = Last {
        before: error,
        found: None,
    };
    if let ast::Mod::Module(m) = parsed.syntax() {
        last.visit_body(&m.body);
    }
    last.found.map_or(0, |range| src.line(range.start()))
}

/// "single" input is one statement.
pub(super) fn check_single(
    src: &Source<'_>,
    body: &[Stmt],
    opts: &Options,
) -> Result<(), SyntaxError> {
    let end = src.text.trim_end_matches([' ', '\t', '\n']).len();
    match body {
        [] if opts.allow_incomplete => {
            let at = TextRange::empty(TextSize::new(src.text.len() as u32));
            Err(src.error_of(ErrorKind::Incomplete, at, "incomplete input"))
        }
        [] => {
            let at = TextRange::empty(TextSize::new(end as u32));
            Err(src.error(at, "invalid syntax"))
        }
        [first, rest @ ..] => {
            // Simple statements on one line are one statement.
            let line = src.line(first.range().start());
            let other = rest
                .iter()
                .find(|s| src.line(s.range().start()) != line || is_compound(first));
            match other {
                Some(s) if is_compound(first) => {
                    let at = TextRange::at(s.range().start(), TextSize::new(1));
                    return Err(src.error(at, "invalid syntax"));
                }
                Some(_) => {
                    let text = src.text[first.range().end().to_usize()..].find('\n');
                    let end = first.range().end() + TextSize::new(text.unwrap_or(0) as u32);
                    let mut e = src.error(
                        TextRange::empty(end),
                        "multiple statements found while compiling a single statement",
                    );
                    e.end_col += 1;
                    return Err(e);
                }
                None => {}
            }
            // A compound statement ends with a line of its own, or an indented one.
            let last = src.text.rsplit('\n').next().unwrap_or("");
            let ended = last.is_empty() || !opts.allow_incomplete && last.starts_with([' ', '\t']);
            if is_compound(first) && !ended {
                let at = TextRange::empty(TextSize::new(src.text.len() as u32));
                return Err(match opts.allow_incomplete {
                    true => src.error_of(ErrorKind::Incomplete, at, "incomplete input"),
                    false => src.error(at, "invalid syntax"),
                });
            }
            Ok(())
        }
    }
}

fn is_compound(s: &Stmt) -> bool {
    matches!(
        s,
        Stmt::FunctionDef(_)
            | Stmt::ClassDef(_)
            | Stmt::For(_)
            | Stmt::While(_)
            | Stmt::If(_)
            | Stmt::With(_)
            | Stmt::Match(_)
            | Stmt::Try(_)
    )
}

struct Reporter<'s, 'a> {
    src: &'s Source<'a>,
    tree: &'s ast::Mod,
    tokens: &'s Tokens,
    mode: Mode,
    opts: &'s Options,
}

/// A message and where it belongs.
struct Found {
    kind: ErrorKind,
    range: TextRange,
    msg: String,
}

impl Found {
    fn new(range: TextRange, msg: impl Into<String>) -> Found {
        Found {
            kind: ErrorKind::Syntax,
            range,
            msg: msg.into(),
        }
    }
    fn indentation(range: TextRange, msg: impl Into<String>) -> Found {
        Found {
            kind: ErrorKind::Indentation,
            range,
            msg: msg.into(),
        }
    }
}

impl Reporter<'_, '_> {
    fn report(&self, e: &ParseError) -> SyntaxError {
        let scan = Scan::new(self.src).run();
        let at_end = e.location.start().to_usize() >= self.src.text.trim_end().len();
        if let Some(problem) = &scan.problem {
            // What the parser sees first, it says first.
            let limit = TextSize::new(problem.start as u32);
            if let Some((range, msg)) = field_error::find(self.src, self.tokens, limit)
                && (range.start() < limit || problem.msg == "invalid syntax")
                && (problem.msg == "invalid syntax"
                    || problem.msg.ends_with("string: expecting '}'")
                    || msg.contains(" required before ")
                    || msg.ends_with("forgot a comma?"))
            {
                return self.src.error(range, msg);
            }
            if problem.msg.starts_with("unexpected EOF")
                && self.mode == Mode::Eval
                && self.src.text.ends_with('\\')
            {
                let at = TextRange::at(limit, TextSize::new(0));
                let msg = "unexpected character after line continuation character";
                return self.src.error(at, msg);
            }
            if problem.msg.starts_with("unexpected EOF")
                && !self.opts.allow_incomplete
                && let Some(&(open, bracket)) = scan.open.last()
            {
                return self.never_closed(open, bracket);
            }
            return self.problem(problem);
        }
        if let Some(&(open, bracket)) = scan.open.last() {
            let line = |at: usize| self.src.line(TextSize::new(at as u32));
            if at_end && self.opts.allow_incomplete {
                return self.incomplete();
            }
            // To tell that these patterns are in the wrong order, all are read.
            let to_the_end = matches!(&e.error, Parse::OtherError(m)
                if m == "Positional patterns cannot follow keyword patterns");
            if at_end || to_the_end || line(e.location.start().to_usize()) > line(open) {
                return self.never_closed(open, bracket);
            }
        }
        if let Some((range, msg)) = field_error::find(self.src, self.tokens, e.location.end()) {
            return self.src.error(range, msg);
        }
        let found = self.words(e);
        if let Some(&(open, bracket)) = scan.open.last()
            && found.msg == "positional patterns follow keyword patterns"
        {
            return self.never_closed(open, bracket);
        }
        // An operand that is missing at the end of a line does not come later.
        let cut = e.error == Parse::ExpectedExpression
            && !self.line_before(e.location.start()).trim().is_empty();
        if at_end
            && !cut
            && self.opts.allow_incomplete
            && (self.mode == Mode::Single || found.msg.contains("indented block"))
        {
            return self.incomplete();
        }
        self.src.error_of(found.kind, found.range, found.msg)
    }

    fn never_closed(&self, open: usize, bracket: u8) -> SyntaxError {
        let range = TextRange::at(TextSize::new(open as u32), TextSize::new(1));
        let msg = format!("'{}' was never closed", bracket as char);
        SyntaxError {
            end_col: 0,
            ..self.src.error(range, msg)
        }
    }

    fn incomplete(&self) -> SyntaxError {
        let at = TextRange::empty(TextSize::new(self.src.text.trim_end().len() as u32));
        self.src
            .error_of(ErrorKind::Incomplete, at, "incomplete input")
    }

    fn problem(&self, p: &Problem) -> SyntaxError {
        let range = TextRange::new(TextSize::new(p.start as u32), TextSize::new(p.end as u32));
        let continued = p.msg.starts_with("unterminated string")
            && self.src.text.trim_end_matches('\n').ends_with('\\');
        let unfinished = continued
            || p.msg.starts_with("unterminated triple-quoted")
            || p.msg.starts_with("unexpected EOF");
        if unfinished && self.opts.allow_incomplete {
            return self.incomplete();
        }
        let mut e = self.src.error_of(p.kind, range, p.msg.clone());
        if p.msg.starts_with("unexpected EOF") && self.line_before(range.start()) == "\\" {
            (e.col, e.end_col) = (0, 0);
        }
        if p.kind != ErrorKind::Syntax || p.msg.starts_with("unexpected") {
            return e;
        }
        if p.msg.ends_with("was never closed") {
            e.end_col = 0;
            return e;
        }
        // Such an error is about a place, not a range, in a line of which nothing says that it has ended.
        if !p.msg.starts_with("leading zeros") && !p.msg.ends_with("incompatible") {
            (e.end_line, e.end_col) = (e.line, e.col);
        }
        if let Some(text) = &mut e.text {
            text.truncate(text.trim_end_matches('\n').len());
        }
        e
    }

    /// The text from `at` on.
    fn text(&self, at: TextSize) -> &str {
        self.src.text.get(at.to_usize()..).unwrap_or("")
    }

    /// The token at `at`, roughly.
    fn token(&self, at: TextSize) -> &str {
        let text = self.text(at);
        let word = text
            .find(|c: char| !(c == '_' || c.is_alphanumeric()))
            .unwrap_or(text.len());
        if word > 0 {
            &text[..word]
        } else {
            text.get(..1).unwrap_or("")
        }
    }

    /// Where the next token after `at` begins.
    fn skip_space(&self, at: TextSize) -> TextSize {
        let text = self.text(at);
        let n = text.len() - text.trim_start_matches([' ', '\t', '\\', '\x0c']).len();
        at + TextSize::new(n as u32)
    }

    /// "invalid syntax" at the token at `range`, or a better idea of what was meant.
    fn invalid(&self, range: TextRange) -> Found {
        let start = self.skip_space(range.start());
        let token = self.token(start).to_string();
        let here = TextRange::at(start, TextSize::of(token.as_str()));
        let found = self
            .assignment(start)
            .or_else(|| self.keyword_line(here))
            .or_else(|| self.as_target(here))
            .or_else(|| self.by_token(here, &token))
            .or_else(|| self.juxtaposed(here));
        found.unwrap_or_else(|| Found::new(here, "invalid syntax"))
    }

    /// The line up to `at`, without its indentation.
    fn line_before(&self, at: TextSize) -> &str {
        self.src.text[..at.to_usize()]
            .rsplit('\n')
            .next()
            .unwrap_or("")
            .trim_start()
    }

    /// Mistakes that show in the unexpected token.
    fn by_token(&self, here: TextRange, token: &str) -> Option<Found> {
        let line = self.line_before(here.start());
        let before = line.trim_end();
        let after = self.text(here.end()).trim_start_matches([' ', '\t']);
        let bracket = Scan::new(self.src)
            .until(here.start().to_usize())
            .open
            .last()
            .copied();
        let msg = match token {
            _ if before.ends_with(" else") && STATEMENTS.contains(&token) => {
                "expected expression after 'else', but statement is given"
            }
            ")" | "]" | "}" | "," | ":"
                if bracket.is_some() && before.ends_with('*') && !before.ends_with("**") =>
            {
                "Invalid star expression"
            }
            "elif" => {
                let indent = |l: &str| l.len() - l.trim_start().len();
                let (number, col) = self.src.line_col(here.start());
                let above = (1..number).rev().filter_map(|n| self.src.line_text(n));
                let mut same = above.filter(|l| !l.trim().is_empty() && indent(l) <= col as usize);
                let previous = same.next()?;
                if !previous.trim_start().starts_with("else") {
                    return None;
                }
                "'elif' block follows an 'else' block"
            }
            "from" if line.starts_with("import") => {
                let at = TextRange::at(here.start() - TextSize::of(line), TextSize::of("import"));
                return Some(Found::new(
                    at,
                    "Did you mean to use 'from ... import ...' instead?",
                ));
            }
            "not" if before.ends_with(['+', '-', '*', '/', '~', '%', '&', '|', '^', '@']) => {
                "'not' after an operator must be parenthesized"
            }
            "(" if (line.starts_with("def ") || line.starts_with("async def "))
                && bracket.is_some_and(|b| b.1 == b'(') =>
            {
                "Function parameters cannot be parenthesized"
            }
            "for" if matches!(bracket, Some((_, b'('))) => {
                let open = bracket?.0 + 1;
                let inside = &self.src.text[open..here.start().to_usize()];
                let start = inside.rfind([',', '(']).map_or(open, |i| open + i + 1);
                let text = &self.src.text[start..here.start().to_usize()];
                let (name, value) = text.split_once('=')?;
                let word = name.trim();
                let plain = word.chars().all(|c| c == '_' || c.is_alphanumeric());
                if word.is_empty() || !plain || value.starts_with('=') {
                    return None;
                }
                let lead = name.len() - name.trim_start().len();
                let at = TextRange::new(
                    TextSize::new((start + lead) as u32),
                    TextSize::new((start + name.len() + 1) as u32),
                );
                let msg = "invalid syntax. Maybe you meant '==' or ':=' instead of '='?";
                return Some(Found::new(at, msg));
            }
            "for" if matches!(bracket, Some((_, b'[' | b'{'))) => {
                let inside = &self.src.text[bracket?.0 + 1..here.start().to_usize()];
                let item = inside.rsplit(',').next()?;
                if item.trim_start().starts_with("**") {
                    let skip = inside.len() - item.trim_start().len();
                    let at = TextSize::new((bracket?.0 + 1 + skip) as u32);
                    let msg = "dict unpacking cannot be used in dict comprehension";
                    return Some(Found::new(TextRange::at(at, TextSize::new(2)), msg));
                }
                if !inside.contains(',') || inside.replace(":=", "").contains(':') {
                    return None;
                }
                let at = TextSize::new(bracket?.0 as u32 + 1);
                let end = TextSize::new(inside.trim_end().len() as u32);
                let msg = "did you forget parentheses around the comprehension target?";
                return Some(Found::new(TextRange::at(at, end), msg));
            }
            ">" if before.len() == line.len() && before.ends_with('<') => {
                let at = TextRange::new(here.start() - TextSize::new(1), here.end());
                let msg = "invalid syntax. Maybe you meant '!=' instead of '<>'?";
                return Some(Found::new(at, msg));
            }
            ")" | "]" | ":" | ","
                if matches!(bracket, Some((_, b'(' | b'['))) && lone_star(before) =>
            {
                "Invalid star expression"
            }
            ":" if bracket.is_some_and(|b| b.1 == b'(' && lone_star(&self.src.text[..b.0])) => {
                "Invalid star expression"
            }
            ":" if matches!(bracket, Some((_, b'['))) => {
                let param = before.rsplit(['[', ',']).next()?.trim();
                let kind = match param.strip_prefix("**") {
                    Some(_) => "ParamSpec",
                    None => param.strip_prefix('*').map(|_| "TypeVarTuple")?,
                };
                let head = ["def ", "class ", "type ", "async def "];
                if !head.iter().any(|h| line.starts_with(h)) {
                    return None;
                }
                let what = if after.starts_with('(') && after.contains(',') {
                    "constraints"
                } else {
                    "bound"
                };
                return Some(Found::new(here, format!("cannot use {what} with {kind}")));
            }
            "*" if before.ends_with('/') && parameters(line) => "expected comma between / and *",
            "*" if bracket.is_some()
                && before.ends_with(['(', '[', ','])
                && after.starts_with([')', ']', ':', ',']) =>
            {
                "Invalid star expression"
            }
            "(" if line
                .rsplit_once("lambda")
                .is_some_and(|(_, params)| !params.contains(':')) =>
            {
                "Lambda expression parameters cannot be parenthesized"
            }
            "*" if matches!(bracket, Some((_, b'{'))) && before.ends_with(':') => {
                "cannot use a starred expression in a dictionary value"
            }
            "}" | "," if matches!(bracket, Some((_, b'{'))) && self.in_dict(bracket?.0, here) => {
                "':' expected after dictionary key"
            }
            "pass" | "break" | "continue" | "return" | "raise" | "import" | "del" | "global"
            | "assert"
                if before.ends_with('=') && after.starts_with("if ") =>
            {
                "expected expression before 'if', but statement is given"
            }
            "+" | "-" | "/" | "%" | "&" | "|" | "^" | "@"
                if self.text(here.end()).starts_with('=') =>
            {
                let left = ruff_python_parser::parse_expression(before).ok()?;
                if !left.expr().is_tuple_expr() {
                    return None;
                }
                let start = here.start() - TextSize::of(line);
                return Some(Found::new(
                    TextRange::at(start, TextSize::of(before)),
                    "'tuple' is an illegal expression for augmented assignment",
                ));
            }
            _ => return None,
        };
        Some(Found::new(here, msg))
    }

    /// Whether the braces that open at `open` hold keys with values.
    fn in_dict(&self, open: usize, here: TextRange) -> bool {
        let text = &self.src.text[open + 1..here.start().to_usize()];
        let last = text.rsplit(',').next().unwrap_or("");
        text.contains(':') && !last.contains(':') && !last.trim().is_empty()
    }

    /// `as` before something that is no name.
    fn as_target(&self, here: TextRange) -> Option<Found> {
        let (number, _) = self.src.line_col(here.start());
        let line_start = here.start() - TextSize::new(self.src.line_col(here.start()).1);
        let line = self.src.line_text(number)?;
        let col = (here.start() - line_start).to_usize();
        let upto = (col + 1).min(line.len());
        let at = line
            .get(..upto)?
            .rfind(" as ")
            .or_else(|| line.find(" as "))?;
        let target = line[at + 4..].trim_start();
        let start = line.len() - target.len();
        // What comes after the first error cannot help.
        let options = ruff_python_parser::ParseOptions::from(ruff_python_parser::Mode::Expression);
        let whole = ruff_python_parser::parse_unchecked(target, options);
        let first = whole.errors().iter().map(|e| e.location.end()).min();
        let most = first.map_or(target.len(), |end| end.to_usize().min(target.len()));
        let parsed = (1..=most)
            .rev()
            .filter(|n| target.is_char_boundary(*n))
            .take(100)
            .find_map(|n| {
                let text = target[..n].trim_end();
                let parsed = ruff_python_parser::parse_expression(text).ok()?;
                Some((parsed.into_syntax().body, text.len()))
            });
        let (e, len) = parsed?;
        let mut shown = &*e;
        // Of several, only the first belongs here.
        if let Expr::Tuple(t) = shown
            && !t.parenthesized
        {
            shown = t.elts.first()?;
        }
        let name = match shown {
            Expr::Name(_) => return None,
            e => target_name(e),
        };
        let head = line.trim_start();
        let all = &self.src.text[..here.start().to_usize()];
        let msg = if head.starts_with("except*") || head.starts_with("except *") {
            format!("cannot use except* statement with {name}")
        } else if head.starts_with("except") {
            format!("cannot use except statement with {name}")
        } else if head.starts_with("case") {
            format!("cannot use {name} as pattern target")
        } else if head.starts_with("import") || head.starts_with("from") || all.contains("import (")
        {
            format!("cannot use {name} as import target")
        } else {
            return None;
        };
        let begin = line_start + TextSize::new(start as u32);
        Some(Found::new(
            TextRange::at(begin, TextSize::new(len as u32)),
            msg,
        ))
    }

    /// An unexpected `=`: a target that cannot be assigned to, or a comparison that was meant.
    fn assignment(&self, at: TextSize) -> Option<Found> {
        let text = self.text(at);
        if !text.starts_with('=') || text.starts_with("==") {
            return None;
        }
        let open = Scan::new(self.src).until(at.to_usize()).open;
        // An expression alone has no use for one outside brackets.
        if self.mode == Mode::Eval && open.is_empty() {
            return None;
        }
        let left = self.expr_ending_before(at)?;
        let before = self.src.text[..left.range().start().to_usize()].trim_end();
        if before.ends_with("**") && !open.is_empty() {
            let start = TextSize::new(before.len() as u32 - 2);
            let range = TextRange::new(start, at + TextSize::new(1));
            return Some(Found::new(
                range,
                "cannot assign to keyword argument unpacking",
            ));
        }
        if let Expr::Name(n) = left {
            let after = self.skip_space(at + TextSize::new(1));
            let right = self.tree_expr(|e| e.range().start() == after);
            let end = right.map_or(n.range.end(), |e| e.range().end());
            let range = TextRange::new(n.range.start(), end);
            return Some(Found::new(
                range,
                "invalid syntax. Maybe you meant '==' or ':=' instead of '='?",
            ));
        }
        let name = target_name(left);
        if matches!(left, Expr::List(_) | Expr::Tuple(_) | Expr::Generator(_)) || is_singleton(left)
        {
            return None;
        }
        Some(Found::new(
            left.range(),
            format!("cannot assign to {name} here. Maybe you meant '==' instead of '='?"),
        ))
    }

    /// Python 2's statements.
    fn keyword_line(&self, here: TextRange) -> Option<Found> {
        let (line, col) = self.src.line_col(here.start());
        let text = self.src.line_text(line)?;
        let before = text.get(..col as usize)?.trim_end_matches([' ', '\t']);
        let word = before
            .rsplit(|c: char| !(c == '_' || c.is_alphanumeric()))
            .next()?;
        if matches!(word, "print" | "exec") {
            // What follows has to be an expression.
            let rest = self.text(here.start());
            let parsed = ruff_python_parser::parse_unchecked(
                rest,
                ruff_python_parser::ParseOptions::from(ruff_python_parser::Mode::Module),
            );
            let ast::Mod::Module(m) = parsed.syntax() else {
                return None;
            };
            let first = m.body.first().filter(|s| s.is_expr_stmt())?.range();
            if first.is_empty()
                || parsed
                    .errors()
                    .iter()
                    .any(|e| e.location.start() < first.end())
            {
                return None;
            }
            let start = here.start() - TextSize::new(col)
                + TextSize::new((before.len() - word.len()) as u32);
            let end = here.start() + first.end();
            let msg = format!("Missing parentheses in call to '{word}'. Did you mean {word}(...)?");
            return Some(Found::new(TextRange::new(start, end), msg));
        }
        None
    }

    /// Two expressions side by side inside brackets.
    fn juxtaposed(&self, here: TextRange) -> Option<Found> {
        let left = self.expr_ending_before(here.start())?;
        let open = Scan::new(self.src)
            .until(here.start().to_usize())
            .open
            .last()
            .copied();
        let token = self.token(here.start());
        if left.is_string_literal_expr()
            && let Some(end) = self.text(here.start()).split('\n').next()
            && end.contains(['"', '\''])
            && token.chars().next().is_some_and(char::is_alphabetic)
        {
            let range = TextRange::at(left.range().start(), left.range().len() + TextSize::of(end));
            return Some(Found::new(
                range,
                "invalid syntax. Is this intended to be part of the string?",
            ));
        }
        let starts = token
            .chars()
            .next()
            .is_some_and(|c| c == '_' || c.is_alphanumeric() || matches!(c, '"' | '\''));
        if !starts || is_keyword(token) || open.is_none() {
            return None;
        }
        let range = TextRange::new(left.range().start(), here.end());
        Some(Found::new(
            range,
            "invalid syntax. Perhaps you forgot a comma?",
        ))
    }

    /// The largest expression that ends where the token before `at` ends.
    fn expr_ending_before(&self, at: TextSize) -> Option<&Expr> {
        let text = &self.src.text[..at.to_usize()];
        let end = TextSize::new(text.trim_end_matches([' ', '\t']).len() as u32);
        self.tree_expr(|e| e.range().end() == end && !e.range().is_empty())
    }

    fn tree_expr(&self, wanted: impl Fn(&Expr) -> bool) -> Option<&Expr> {
        struct Finder<'t, F> {
            wanted: F,
            found: Option<&'t Expr>,
        }
        impl<'t, F: Fn(&Expr) -> bool> Visitor<'t> for Finder<'t, F> {
            fn visit_expr(&mut self, e: &'t Expr) {
                if self.found.is_none() && (self.wanted)(e) {
                    self.found = Some(e);
                }
                walk_expr(self, e);
            }
        }
        let mut f = Finder {
            wanted,
            found: None,
        };
        match self.tree {
            ast::Mod::Module(m) => f.visit_body(&m.body),
            ast::Mod::Expression(e) => f.visit_expr(&e.body),
        }
        f.found
    }

    /// The expression at exactly `range`.
    fn expr_at(&self, range: TextRange) -> Option<&Expr> {
        self.tree_expr(|e| e.range() == range)
    }

    fn words(&self, e: &ParseError) -> Found {
        let at = e.location;
        match &e.error {
            Parse::OtherError(msg) => self.other(msg, at),
            Parse::ExpectedToken { expected, found: _ } => self.expected(&expected.to_string(), at),
            Parse::UnexpectedIndentation => Found::indentation(at, "unexpected indent"),
            Parse::InvalidAssignmentTarget => self.bad_target(at),
            Parse::InvalidNamedAssignmentTarget => {
                let name = self.expr_at(at).map_or("expression", target_name);
                Found::new(at, format!("cannot use assignment expressions with {name}"))
            }
            Parse::InvalidAugmentedAssignmentTarget => {
                let name = self.expr_at(at).map_or("expression", target_name);
                Found::new(
                    at,
                    format!("'{name}' is an illegal expression for augmented assignment"),
                )
            }
            Parse::InvalidAnnotatedAssignmentTarget => {
                Found::new(at, "illegal target for annotation")
            }
            Parse::InvalidDeleteTarget => {
                let name = self.expr_at(at).map_or("expression", target_name);
                Found::new(at, format!("cannot delete {name}"))
            }
            Parse::NonDefaultParamAfterDefaultParam if self.src.slice(at).ends_with('=') => {
                let at = TextRange::empty(at.end());
                Found::new(at, "expected default value expression")
            }
            Parse::NonDefaultParamAfterDefaultParam => Found::new(
                at,
                "parameter without a default follows parameter with a default",
            ),
            Parse::ParamAfterVarKeywordParam => {
                Found::new(at, "arguments cannot follow var-keyword argument")
            }
            Parse::VarParameterWithDefault => {
                let before = self.line_before(at.end());
                if before.rsplit(',').next().is_some_and(|p| p.contains(": *")) {
                    return Found::new(at, "invalid syntax");
                }
                let double = before.rsplit(',').next().is_some_and(|p| p.contains("**"));
                let what = if double { "keyword" } else { "positional" };
                Found::new(at, format!("var-{what} argument cannot have default value"))
            }
            Parse::ExpectedKeywordParam => {
                let next = self.skip_space(at.end());
                if is_keyword(self.token(next))
                    || matches!(self.token(next), "None" | "True" | "False")
                {
                    return self.invalid(TextRange::empty(next));
                }
                let lambda = !self.line_before(at.start()).contains("def ");
                let what = if lambda { "arguments" } else { "parameters" };
                Found::new(at, format!("named {what} must follow bare *"))
            }
            Parse::DuplicateKeywordArgumentError(name) => {
                Found::new(at, format!("keyword argument repeated: {name}"))
            }
            Parse::PositionalAfterKeywordArgument => {
                Found::new(at, "positional argument follows keyword argument")
            }
            Parse::PositionalAfterKeywordUnpacking => {
                Found::new(at, "positional argument follows keyword argument unpacking")
            }
            Parse::InvalidArgumentUnpackingOrder
                if self
                    .text(at.start())
                    .strip_prefix('*')
                    .is_some_and(|rest| rest.trim_start().starts_with([')', ':', ','])) =>
            {
                Found::new(at, "Invalid star expression")
            }
            Parse::InvalidArgumentUnpackingOrder => Found::new(
                at,
                "iterable argument unpacking follows keyword argument unpacking",
            ),
            Parse::IterableUnpackingInComprehension => {
                let dict = self.text(at.start()).starts_with("**");
                let what = if dict {
                    "dict unpacking cannot be used in dict"
                } else {
                    "iterable unpacking cannot be used in"
                };
                Found::new(at, format!("{what} comprehension"))
            }
            Parse::UnparenthesizedGeneratorExpression => {
                Found::new(at, "Generator expression must be parenthesized")
            }
            Parse::InvalidYieldExpressionUsage => {
                if self.text(self.skip_space(at.end())).starts_with('=') {
                    return Found::new(at, "assignment to yield expression not possible");
                }
                self.invalid(at)
            }
            Parse::EmptyImportNames => {
                let after = self.text(self.skip_space(at.start()));
                if !after.is_empty() && !after.starts_with(['\n', '#', ';']) {
                    return self.invalid(at);
                }
                Found::new(at, "Expected one or more names after 'import'")
            }
            Parse::EmptyTypeParams => Found::new(at, "Type parameter list cannot be empty"),
            Parse::InvalidStarPatternUsage => self.invalid(at),
            Parse::ExpectedRealNumber => Found::new(at, "real number required in complex literal"),
            Parse::ExpectedImaginaryNumber => {
                Found::new(at, "imaginary number required in complex literal")
            }
            Parse::FStringError(f) => self.interpolated(f, "f", at),
            Parse::TStringError(f) => self.interpolated(f, "t", at),
            Parse::Lexical(l) => self.lexical(l, at),
            Parse::ExpectedExpression => self.expected_expression(at),
            Parse::InvalidStarredExpressionUsage => {
                let left = self.src.text[..at.start().to_usize()].trim_end();
                let next = self.skip_space(at.end());
                if self.src.slice(at).trim_end() == "*" {
                    return self.invalid(TextRange::empty(next));
                }
                if left.ends_with(['(', '[', '{'])
                    && (self.token(next) == "for" || self.text(next).starts_with("async for"))
                {
                    let msg = "iterable unpacking cannot be used in comprehension";
                    return Found::new(at, msg);
                }
                if left.ends_with('(') && !self.text(next).starts_with(':') {
                    return Found::new(at, "cannot use starred expression here");
                }
                if left.is_empty() || left.ends_with('\n') || left.ends_with('=') {
                    return Found::new(at, "can't use starred expression here");
                }
                self.invalid(at)
            }
            _ => self.invalid(at),
        }
    }

    fn expected_expression(&self, at: TextRange) -> Found {
        let text = self.src.text[..at.start().to_usize()].trim_end_matches([' ', '\t']);
        let line = text.rsplit('\n').next().unwrap_or("").trim();
        let end = TextRange::empty(at.start());
        let after = self.text(self.skip_space(at.start()));
        let after_stop =
            after.starts_with(['\n', '#', ';', ')', ']', '}', ',', ':']) || after.is_empty();
        if after_stop && line.ends_with(" else") {
            return Found::new(
                end,
                "expected expression after 'else', but statement is given",
            );
        }
        let field = text.ends_with('{') && after.starts_with(['}', '!', ':', '=']);
        if field
            && let Some((start, ..)) = Scan::new(self.src).literal_around(at.start().to_usize())
        {
            let prefix = if self
                .text(TextSize::new(start as u32))
                .starts_with(['t', 'T'])
            {
                "t"
            } else {
                "f"
            };
            let what = &after[..1];
            return Found::new(
                end,
                format!("{prefix}-string: valid expression required before '{what}'"),
            );
        }
        if text.ends_with('=') && !text.ends_with("==") && after.starts_with([',', ')', ':']) {
            let head = text.rsplit(['(', '\n']).next().unwrap_or("");
            if line.starts_with("def") || line.starts_with("async def") || head.contains("lambda") {
                return Found::new(end, "expected default value expression");
            }
            if !after.starts_with(':') && text.contains('(') {
                return Found::new(end, "expected argument value expression");
            }
        }
        if let Some(bad) = self.dict_value(text, after) {
            return Found::new(end, bad);
        }
        self.invalid(at)
    }

    fn dict_value(&self, before: &str, after: &str) -> Option<&'static str> {
        let open = Scan::new(self.src)
            .until(before.len())
            .open
            .last()
            .copied()?;
        let closes = after.starts_with(['}', ',']);
        (open.1 == b'{' && before.ends_with(':') && closes)
            .then_some("expression expected after dictionary key and ':'")
    }

    fn bad_target(&self, at: TextRange) -> Found {
        let Some(e) = self.expr_at(at) else {
            return self.invalid(at);
        };
        let name = target_name(e);
        if e.is_if_expr() && self.after_for(at.start()) {
            return Found::new(at, "'in' expected after for-loop variables");
        }
        let before = self.src.text[..at.start().to_usize()].trim_end();
        if before.ends_with("for")
            && let Expr::Compare(c) = e
        {
            return self.invalid(TextRange::empty(c.left.range().end()));
        }
        let text = self.text(self.skip_space(at.end()));
        if e.is_yield_expr() || e.is_yield_from_expr() {
            return Found::new(at, "assignment to yield expression not possible");
        }
        let simple = text.starts_with('=') && !text.starts_with("==");
        let chained = simple && {
            let right = self
                .tree_expr(|r| r.range().start() == self.skip_space(at.end() + self.gap(at.end())));
            right.is_some_and(|r| {
                let next = self.text(self.skip_space(r.range().end()));
                next.starts_with('=') && !next.starts_with("==")
            })
        };
        let plain = matches!(
            e,
            Expr::List(_)
                | Expr::Tuple(_)
                | Expr::Generator(_)
                | Expr::Compare(_)
                | Expr::BoolOp(_)
        ) || matches!(e, Expr::Lambda(_) | Expr::If(_) | Expr::Starred(_))
            || matches!(e, Expr::UnaryOp(u) if u.op == ast::UnaryOp::Not)
            || is_singleton(e);
        if simple && !plain && !chained {
            return Found::new(
                at,
                format!("cannot assign to {name} here. Maybe you meant '==' instead of '='?"),
            );
        }
        Found::new(at, format!("cannot assign to {name}"))
    }

    /// Whether `at` is among the targets of a `for`.
    fn after_for(&self, at: TextSize) -> bool {
        let line = self.line_before(at);
        let head = line.strip_prefix("for ").or_else(|| {
            let i = line.rfind(" for ")?;
            line.get(i + 5..)
        });
        head.is_some_and(|targets| !targets.contains(" in "))
    }

    /// From the end of a target to behind its `=`.
    fn gap(&self, end: TextSize) -> TextSize {
        let text = self.text(end);
        TextSize::new(text.find('=').map_or(0, |i| i as u32 + 1))
    }

    /// A token that is missing.
    fn expected(&self, token: &str, at: TextRange) -> Found {
        let token = token.trim_matches('`').trim_matches('\'');
        let next = self.skip_space(at.start());
        let text = self.text(next);
        if token == ":" {
            if let Some(found) = self.assignment(next) {
                return found;
            }
            if let Some(found) = self.keyword_line(TextRange::empty(next)) {
                return found;
            }
            let (line, _) = self.src.line_col(next);
            let head = self.src.line_text(line).unwrap_or("").trim_start();
            let colon_missing = text.is_empty() || text.starts_with(['\n', '#', '\r']);
            let block = [
                "if", "elif", "else", "while", "for", "try", "with", "class", "def", "match",
                "case", "except", "finally", "async",
            ];
            let word = head
                .split(|c: char| !c.is_alphanumeric())
                .next()
                .unwrap_or("");
            if colon_missing && head.contains("lambda") && !block.contains(&word) {
                return Found::new(TextRange::empty(next), "invalid syntax");
            }
            if colon_missing
                || (block.contains(&word) && matches!(word, "else" | "try" | "finally"))
            {
                let here = TextRange::at(next, TextSize::new(u32::from(!text.is_empty())));
                return Found::new(here, "expected ':'");
            }
        }
        if token == "else" && text.starts_with(':') {
            return Found::new(at, "invalid syntax");
        }
        if token == "else" || (token.contains("else") && self.in_ternary(at)) {
            return Found::new(at, "expected 'else' after 'if' expression");
        }
        if token == "in" || token == "import" {
            return self.invalid(at);
        }
        if token == "(" {
            let head = self.src.text[..next.to_usize()]
                .rsplit('\n')
                .next()
                .unwrap_or("")
                .trim_start();
            if head.starts_with("def") || head.starts_with("async def") {
                return Found::new(
                    TextRange::at(next, TextSize::new(1).min(TextSize::of(text))),
                    "expected '('",
                );
            }
        }
        self.invalid(at)
    }

    fn in_ternary(&self, at: TextRange) -> bool {
        self.src.text[..at.start().to_usize()]
            .rsplit('\n')
            .next()
            .is_some_and(|l| l.contains(" if "))
    }

    /// Errors that the parser words freely.
    fn other(&self, msg: &str, at: TextRange) -> Found {
        if let Some(clause) = msg.strip_prefix("Expected an indented block after ") {
            return self.no_block(clause, at);
        }
        if msg == "Cannot have both 'except' and 'except*' on the same 'try'" {
            let star = u32::from(self.text(at.start()).starts_with("except*"));
            let at = TextRange::at(at.start(), TextSize::new(6 + star));
            let msg = "cannot have both 'except' and 'except*' on the same 'try'";
            return Found::new(at, msg);
        }
        let words = match msg {
            "Expected `except` or `finally` after `try` block" => {
                "expected 'except' or 'finally' block"
            }
            "Expected one or more exception types" => "expected one or more exception types",
            "Only single target (not list) can be annotated" => {
                "only single target (not list) can be annotated"
            }
            "Only single target (not tuple) can be annotated" => {
                "only single target (not tuple) can be annotated"
            }
            "Bytes literal cannot be mixed with non-bytes literals" => {
                let template = |t: &ruff_python_ast::token::Token| {
                    t.kind() == ruff_python_ast::token::TokenKind::TStringStart
                        && at.contains_range(t.range())
                };
                if self.tokens.iter().any(template) {
                    return Found::new(
                        at,
                        "cannot mix t-string literals with string or bytes literals",
                    );
                }
                "cannot mix bytes and nonbytes literals"
            }
            "cannot mix t-string literals with string or bytes literals" => msg,
            "Only one '*' parameter allowed" | "Only one '*' separator allowed" => {
                "* argument may appear only once"
            }
            "Keyword-only parameter separator not allowed after '*' parameter" => {
                "* argument may appear only once"
            }
            "Only one '/' separator allowed" => "/ may appear only once",
            "'/' parameter must appear before '*' parameter" => "/ must be ahead of *",
            "Position-only parameter separator not allowed as first parameter" => {
                "at least one argument must precede /"
            }
            "Only one '**' parameter allowed" => "arguments cannot follow var-keyword argument",
            "Multiple exception types must be parenthesized when using `as`" => {
                "multiple exception types must be parenthesized when using 'as'"
            }
            "Trailing comma not allowed" => {
                let line = self.src.text[..at.start().to_usize()]
                    .rsplit('\n')
                    .next()
                    .unwrap_or("")
                    .trim_start();
                if line.starts_with("from") {
                    "trailing comma not allowed without surrounding parentheses"
                } else {
                    return self.invalid(at);
                }
            }
            "Positional patterns cannot follow keyword patterns" => {
                "positional patterns follow keyword patterns"
            }
            "Expected a parameter name" => return self.bad_keyword(at),
            _ => return self.invalid(at),
        };
        Found::new(at, words)
    }

    /// `f(expr=1)`
    fn bad_keyword(&self, at: TextRange) -> Found {
        let text = self.src.slice(at);
        if matches!(text, "True" | "False" | "None") {
            return Found::new(at, format!("cannot assign to {text}"));
        }
        if text.starts_with('*') {
            return Found::new(at, "cannot assign to iterable argument unpacking");
        }
        if let Some(e) = self.expr_at(at)
            && is_singleton(e)
        {
            return Found::new(at, format!("cannot assign to {}", target_name(e)));
        }
        Found::new(
            at,
            "expression cannot contain assignment, perhaps you meant \"==\"?",
        )
    }

    /// A compound statement without a body.
    fn no_block(&self, clause: &str, at: TextRange) -> Found {
        // "`if` statement", "function definition", "`else` clause", ...
        let word = clause.split('`').nth(1);
        let what = match (clause, word) {
            (c, _) if c.contains("class") => "class definition".to_string(),
            (c, _) if c.contains("function") => "function definition".to_string(),
            (_, Some("except")) if self.star_clause(at.start()) => {
                "'except*' statement".to_string()
            }
            (_, Some("with")) => "'with' statement".to_string(),
            (_, Some(w @ ("else" | "finally" | "elif"))) => format!("'{w}' statement"),
            (_, Some(w)) => format!("'{w}' statement"),
            (c, None) => c.to_string(),
        };
        let word = match word {
            _ if clause.contains("class") => "class",
            Some(w) => w,
            None => "def",
        };
        let line = self.line_of_clause(word, at.start());
        let start = self.text(at.start());
        let skip = start.len() - start.trim_start().len();
        let begin = at.start() + TextSize::new(skip as u32);
        let here = TextRange::at(begin, TextSize::of(self.token(begin)));
        Found::indentation(
            here,
            format!("expected an indented block after {what} on line {line}"),
        )
    }

    /// Whether the last `except` before `at` has a star.
    fn star_clause(&self, at: TextSize) -> bool {
        let text = &self.src.text[..at.to_usize()];
        let clause = text.rfind("except").map_or("", |i| &text[i + 6..]);
        clause.trim_start().starts_with('*')
    }

    /// The line of the last clause that begins with `word` before `at`.
    fn line_of_clause(&self, word: &str, at: TextSize) -> u32 {
        let last = self.src.line(at);
        for line in (1..=last).rev() {
            let text = self.src.line_text(line).unwrap_or("").trim_start();
            let text = text.strip_prefix("async ").map_or(text, str::trim_start);
            if let Some(rest) = text.strip_prefix(word)
                && !rest.starts_with(|c: char| c == '_' || c.is_alphanumeric())
                && (line < last || rest.contains(':'))
            {
                return line;
            }
        }
        last
    }

    fn lexical(&self, e: &Lexical, at: TextRange) -> Found {
        match e {
            Lexical::UnclosedStringError => Found::new(at, "unterminated string literal"),
            Lexical::IndentationError => {
                Found::indentation(at, "unindent does not match any outer indentation level")
            }
            Lexical::FStringError(f) => self.interpolated(f, "f", at),
            Lexical::TStringError(f) => self.interpolated(f, "t", at),
            Lexical::InvalidByteLiteral => {
                let at = self.literal_token(at.start()).unwrap_or(at);
                Found::new(at, "bytes can only contain ASCII literal characters")
            }
            Lexical::LineContinuationError => {
                Found::new(at, "unexpected character after line continuation character")
            }
            Lexical::Eof => Found::new(at, "unexpected EOF while parsing"),
            Lexical::UnicodeError
            | Lexical::MissingUnicodeLbrace
            | Lexical::MissingUnicodeRbrace
            | Lexical::StringError => self.unicode(at),
            Lexical::UnrecognizedToken { .. } | Lexical::OtherError(_) => self.invalid(at),
        }
    }

    fn interpolated(&self, e: &Interpolated, prefix: &str, at: TextRange) -> Found {
        if *e == Interpolated::InvalidConversionFlag {
            let text = self.text(at.start());
            let flag = self.token(at.start() + TextSize::new(u32::from(text.starts_with('!'))));
            if flag.chars().all(|c| c == '_' || c.is_alphanumeric()) {
                let msg = format!(
                    "{prefix}-string: invalid conversion character '{flag}': expected 's', 'r', or 'a'"
                );
                return Found::new(at, msg);
            }
        }
        interpolated(e, prefix, at)
    }

    /// The string literal, or the piece of text in an f-string, that contains `at`.
    fn literal_token(&self, at: TextSize) -> Option<TextRange> {
        use ruff_python_ast::token::TokenKind as Kind;
        let texts = [Kind::String, Kind::FStringMiddle, Kind::TStringMiddle];
        let mut tokens = self.tokens.iter();
        let found = tokens.find(|t| texts.contains(&t.kind()) && t.range().contains_inclusive(at));
        found.map(Ranged::range)
    }

    /// Whether it is such a piece of text.
    fn in_field_text(&self, range: TextRange) -> bool {
        use ruff_python_ast::token::TokenKind as Kind;
        let of = self.tokens.iter().find(|t| t.range() == range);
        of.is_some_and(|t| matches!(t.kind(), Kind::FStringMiddle | Kind::TStringMiddle))
    }

    /// A bad escape in a string literal.
    fn unicode(&self, at: TextRange) -> Found {
        let range = self.literal_token(at.start()).unwrap_or(at);
        let text = self.src.slice(range);
        let quote = text
            .find(['"', '\''])
            .filter(|_| !self.in_field_text(range));
        let bytes = quote.is_some_and(|q| text[..q].contains(['b', 'B']));
        // The text of the literal, without its prefix and quotes.
        let text = match quote {
            Some(q) => {
                let triple = text[q..].starts_with("\"\"\"") || text[q..].starts_with("'''");
                &text[q + if triple { 3 } else { 1 }..]
            }
            None => text,
        };
        let Some((at, end, what)) = bad_escape(text, bytes) else {
            return Found::new(
                range,
                "(unicode error) 'unicodeescape' codec can't decode bytes",
            );
        };
        if bytes {
            return Found::new(
                range,
                format!("(value error) invalid \\x escape at position {at}"),
            );
        }
        Found::new(
            range,
            format!(
                "(unicode error) 'unicodeescape' codec can't decode bytes in position {at}-{end}: {what}"
            ),
        )
    }
}

/// The first bad escape: positions in UTF-8 bytes, and what is wrong.
fn bad_escape(text: &str, bytes: bool) -> Option<(usize, usize, &'static str)> {
    let b = text.as_bytes();
    let mut i = 0;
    while i < b.len() {
        if b[i] != b'\\' {
            i += 1;
            continue;
        }
        let (n, what) = match b.get(i + 1)? {
            b'x' => (2, "truncated \\xXX escape"),
            b'u' if !bytes => (4, "truncated \\uXXXX escape"),
            b'U' if !bytes => (8, "truncated \\UXXXXXXXX escape"),
            b'N' if !bytes => {
                let close = text[i..].find('}').map(|c| i + c);
                let open = b.get(i + 2) == Some(&b'{');
                return match close {
                    Some(c) if open && c > i + 3 => Some((i, c, "unknown Unicode character name")),
                    _ => Some((i, i + 1, "malformed \\N character escape")),
                };
            }
            _ => {
                i += 2;
                continue;
            }
        };
        let digits = b[i + 2..]
            .iter()
            .take(n)
            .take_while(|d| d.is_ascii_hexdigit())
            .count();
        if digits < n {
            return Some((i, i + 1 + digits, what));
        }
        if n == 8 && u32::from_str_radix(&text[i + 2..i + 10], 16).is_ok_and(|c| c > 0x10_ffff) {
            return Some((i, i + 9, "illegal Unicode character"));
        }
        i += 2 + n;
    }
    None
}

fn interpolated(e: &Interpolated, prefix: &str, at: TextRange) -> Found {
    let msg = match e {
        Interpolated::UnclosedLbrace => "expecting '}'",
        Interpolated::InvalidConversionFlag => {
            "invalid conversion character: expected 's', 'r', or 'a'"
        }
        Interpolated::SingleRbrace => "single '}' is not allowed",
        Interpolated::UnterminatedString => {
            return Found::new(at, format!("unterminated {prefix}-string literal"));
        }
        Interpolated::UnterminatedTripleQuotedString => {
            return Found::new(
                at,
                format!("unterminated triple-quoted {prefix}-string literal"),
            );
        }
        Interpolated::LambdaWithoutParentheses => {
            "lambda expressions are not allowed without parentheses"
        }
        Interpolated::ConversionFlagNotImmediatelyAfterExclamation => {
            "conversion type must come right after the exclamation mark"
        }
        Interpolated::NewlineInFormatSpec => {
            "newlines are not allowed in format specifiers for single quoted f-strings"
        }
    };
    Found::new(at, format!("{prefix}-string: {msg}"))
}

/// Whether a line up to some place is within a list of parameters.
fn parameters(line: &str) -> bool {
    let lambda = line
        .rsplit_once("lambda")
        .is_some_and(|(_, p)| !p.contains(':'));
    lambda || line.starts_with("def ") || line.starts_with("async def ")
}

/// Whether the last thing is the star of an argument or item, without what it unpacks.
fn lone_star(text: &str) -> bool {
    text.trim_end()
        .strip_suffix('*')
        .is_some_and(|before| before.trim_end().ends_with(['(', '[', ',']))
}

fn is_singleton(e: &Expr) -> bool {
    matches!(e, Expr::NoneLiteral(_) | Expr::BooleanLiteral(_))
        || matches!(e, Expr::Name(n) if n.id.as_str() == "__debug__")
}

/// What CPython calls an expression that is no target.
fn target_name(e: &Expr) -> &'static str {
    match e {
        Expr::Attribute(_) => "attribute",
        Expr::Subscript(_) => "subscript",
        Expr::Starred(_) => "starred",
        Expr::Name(n) if n.id.as_str() == "__debug__" => "__debug__",
        Expr::Name(_) => "name",
        Expr::List(_) => "list",
        Expr::Tuple(_) => "tuple",
        Expr::Lambda(_) => "lambda",
        Expr::Call(_) => "function call",
        Expr::BoolOp(_) | Expr::BinOp(_) | Expr::UnaryOp(_) => "expression",
        Expr::Generator(_) => "generator expression",
        Expr::Yield(_) | Expr::YieldFrom(_) => "yield expression",
        Expr::Await(_) => "await expression",
        Expr::ListComp(_) => "list comprehension",
        Expr::SetComp(_) => "set comprehension",
        Expr::DictComp(_) => "dict comprehension",
        Expr::Dict(_) => "dict literal",
        Expr::Set(_) => "set display",
        Expr::FString(_) => "f-string expression",
        Expr::TString(_) => "t-string expression",
        Expr::StringLiteral(_) | Expr::BytesLiteral(_) | Expr::NumberLiteral(_) => "literal",
        Expr::BooleanLiteral(b) if b.value => "True",
        Expr::BooleanLiteral(_) => "False",
        Expr::NoneLiteral(_) => "None",
        Expr::EllipsisLiteral(_) => "ellipsis",
        Expr::Compare(_) => "comparison",
        Expr::If(_) => "conditional expression",
        Expr::Named(_) => "named expression",
        Expr::Slice(_) | Expr::IpyEscapeCommand(_) => "expression",
    }
}

/// Keywords that begin statements, where they cannot begin an expression.
const STATEMENTS: [&str; 19] = [
    "assert", "async", "break", "class", "continue", "def", "del", "for", "from", "global",
    "import", "nonlocal", "pass", "raise", "return", "try", "while", "with", "yield",
];

fn is_keyword(word: &str) -> bool {
    const KEYWORDS: [&str; 35] = [
        "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class",
        "continue", "def", "del", "elif", "else", "except", "finally", "for", "from", "global",
        "if", "import", "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return",
        "try", "while", "with", "yield",
    ];
    KEYWORDS.contains(&word) && !matches!(word, "False" | "None" | "True")
}
