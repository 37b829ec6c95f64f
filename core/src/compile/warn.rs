//! What CPython's tokenizer and compiler warn about: code that is right and most likely not what was meant.

use super::source::Source;
use ruff_python_ast::token::{TokenKind, Tokens};
use ruff_python_ast::visitor::{Visitor, walk_body, walk_except_handler, walk_expr, walk_stmt};
use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};

/// f-strings may be nested this deeply, as in CPython.
const MAX_FSTRINGS: usize = 149;

/// Looks at the literals of a source; gives the f-string that is nested too deeply, if there is one.
pub(super) fn literals(src: &Source<'_>, tokens: &Tokens) -> Option<TextRange> {
    let mut number: Option<TextRange> = None;
    let (mut depth, mut too_deep) = (0_usize, None);
    for token in tokens.iter() {
        let range = token.range();
        match token.kind() {
            TokenKind::FStringStart | TokenKind::TStringStart => {
                depth += 1;
                if depth > MAX_FSTRINGS {
                    too_deep.get_or_insert(range);
                }
                number = None;
            }
            TokenKind::FStringEnd | TokenKind::TStringEnd => depth = depth.saturating_sub(1),
            TokenKind::Int | TokenKind::Float | TokenKind::Complex => number = Some(range),
            kind => {
                if let Some(n) = number.take()
                    && n.end() == range.start()
                    && kind.is_keyword()
                {
                    let msg = format!("invalid {} literal", number_kind(src.slice(n)));
                    src.warn(
                        TextRange::at(n.end() - TextSize::new(1), TextSize::new(1)),
                        msg,
                    );
                }
                if matches!(
                    kind,
                    TokenKind::String | TokenKind::FStringMiddle | TokenKind::TStringMiddle
                ) && src.slice(range).contains('\\')
                {
                    let flags = token.string_flags();
                    let raw = flags.is_some_and(ast::AnyStringFlags::is_raw_string);
                    let bytes = flags.is_some_and(ast::AnyStringFlags::is_byte_string);
                    if !raw {
                        escapes(src, range, bytes);
                    }
                }
            }
        }
    }
    too_deep
}

fn number_kind(text: &str) -> &'static str {
    let lower = text.to_ascii_lowercase();
    match lower.get(..2) {
        Some("0x") => "hexadecimal",
        Some("0o") => "octal",
        Some("0b") => "binary",
        _ if lower.ends_with('j') => "imaginary",
        _ => "decimal",
    }
}

/// The first escape sequence of a literal that means nothing.
fn escapes(src: &Source<'_>, range: TextRange, bytes: bool) {
    let text = src.slice(range).as_bytes();
    let mut i = 0;
    while i + 1 < text.len() {
        if text[i] != b'\\' {
            i += 1;
            continue;
        }
        let at = range.start() + TextSize::new(i as u32);
        match text[i + 1] {
            b'\n' | b'\\' | b'\'' | b'"' | b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v'
            | b'x' => {}
            b'N' | b'u' | b'U' if !bytes => {}
            b'4'..=b'7' if octal(&text[i + 2..]) => {
                let digits = String::from_utf8_lossy(&text[i + 1..i + 4]).into_owned();
                let msg = format!(
                    "\"\\{digits}\" is an invalid octal escape sequence.{FUTURE} Did you mean \"\\\\{digits}\"? \
                     A raw string is also an option."
                );
                return src.warn(TextRange::at(at, TextSize::new(2)), msg);
            }
            b'0'..=b'7' => {}
            _ => {
                let Some(c) = src.text[at.to_usize() + 1..].chars().next() else {
                    return;
                };
                let msg = format!(
                    "\"\\{c}\" is an invalid escape sequence.{FUTURE} Did you mean \"\\\\{c}\"? \
                     A raw string is also an option."
                );
                return src.warn(TextRange::at(at, TextSize::new(2)), msg);
            }
        }
        i += 2;
    }
    // The brace that begins a field, or is doubled, is no part of this piece of text.
    if i + 1 == text.len()
        && text[i] == b'\\'
        && let Some(c @ (b'{' | b'}')) = src.text.as_bytes().get(range.end().to_usize())
    {
        let c = char::from(*c);
        let msg = format!(
            "\"\\{c}\" is an invalid escape sequence.{FUTURE} Did you mean \"\\\\{c}\"? \
             A raw string is also an option."
        );
        let at = range.end() - TextSize::new(1);
        src.warn(TextRange::at(at, TextSize::new(2)), msg);
    }
}

fn octal(rest: &[u8]) -> bool {
    matches!(rest, [b'0'..=b'7', b'0'..=b'7', ..])
}

/// What only the warning says, and not the error that it may become.
pub const FUTURE: &str = " Such sequences will not work in the future.";

/// Looks at the statements and expressions of a module.
pub(super) fn module(src: &Source<'_>, body: &[Stmt]) {
    Checker::new(src).visit_body(body);
}

/// Looks at an expression.
pub(super) fn expression(src: &Source<'_>, body: &Expr) {
    Checker::new(src).visit_expr(body);
}

struct Checker<'s, 'a> {
    src: &'s Source<'a>,
    /// In a `finally` block of this function.
    finally: bool,
    /// In a loop of this `finally` block.
    in_loop: bool,
}

impl<'s, 'a> Checker<'s, 'a> {
    fn new(src: &'s Source<'a>) -> Self {
        Checker {
            src,
            finally: false,
            in_loop: false,
        }
    }

    /// Runs `f` with other surroundings.
    fn within(&mut self, finally: bool, in_loop: bool, f: impl FnOnce(&mut Self)) {
        let saved = (self.finally, self.in_loop);
        (self.finally, self.in_loop) = (finally, in_loop);
        f(self);
        (self.finally, self.in_loop) = saved;
    }

    fn leaves_finally(&self, word: &str, range: TextRange) {
        self.src
            .warn(range, format!("'{word}' in a 'finally' block"));
    }

    fn compare(&self, c: &ast::ExprCompare) {
        let mut left = &*c.left;
        for (op, right) in c.ops.iter().zip(&c.comparators) {
            let words = match op {
                ast::CmpOp::Is => Some(("is", "==")),
                ast::CmpOp::IsNot => Some(("is not", "!=")),
                _ => None,
            };
            if let Some((word, meant)) = words
                && let Some(name) = identity_literal(right).or_else(|| identity_literal(left))
            {
                let name = identity_literal(left).unwrap_or(name);
                let msg = format!("\"{word}\" with '{name}' literal. Did you mean \"{meant}\"?");
                self.src.warn(c.range, msg);
                return;
            }
            left = right;
        }
    }

    fn call(&self, c: &ast::ExprCall) {
        if matches!(*c.func, Expr::Lambda(_)) {
            return;
        }
        if let Some(name) = type_of(&c.func) {
            let msg = format!("'{name}' object is not callable; perhaps you missed a comma?");
            self.src.warn(c.range, msg);
        }
    }

    fn subscript(&self, s: &ast::ExprSubscript) {
        let Some(name) = type_of(&s.value) else {
            return;
        };
        match name {
            "dict" => {}
            "str" | "bytes" | "tuple" | "list" => self.index(s, name),
            _ => {
                let msg =
                    format!("'{name}' object is not subscriptable; perhaps you missed a comma?");
                self.src.warn(s.range, msg);
            }
        }
    }

    fn index(&self, s: &ast::ExprSubscript, name: &str) {
        let Some(index) = type_of(&s.slice) else {
            return;
        };
        if !matches!(index, "int" | "bool") {
            let msg = format!(
                "{name} indices must be integers or slices, not {index}; perhaps you missed a comma?"
            );
            self.src.warn(s.range, msg);
        }
    }
}

impl<'x> Visitor<'x> for Checker<'_, '_> {
    fn visit_stmt(&mut self, stmt: &'x Stmt) {
        match stmt {
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {
                self.within(false, false, |c| walk_stmt(c, stmt));
            }
            Stmt::For(s) => {
                self.visit_expr(&s.target);
                self.visit_expr(&s.iter);
                self.within(self.finally, true, |c| walk_body(c, &s.body));
                self.visit_body(&s.orelse);
            }
            Stmt::While(s) => {
                self.visit_expr(&s.test);
                self.within(self.finally, true, |c| walk_body(c, &s.body));
                self.visit_body(&s.orelse);
            }
            Stmt::Try(s) => {
                self.visit_body(&s.body);
                for h in &s.handlers {
                    walk_except_handler(self, h);
                }
                self.visit_body(&s.orelse);
                self.within(true, false, |c| walk_body(c, &s.finalbody));
            }
            Stmt::Return(s) => {
                if self.finally {
                    self.leaves_finally("return", s.range);
                }
                walk_stmt(self, stmt);
            }
            Stmt::Break(s) if self.finally && !self.in_loop => {
                self.leaves_finally("break", s.range)
            }
            Stmt::Continue(s) if self.finally && !self.in_loop => {
                self.leaves_finally("continue", s.range);
            }
            Stmt::Assert(s) => {
                if matches!(&*s.test, Expr::Tuple(t) if !t.elts.is_empty()) {
                    let msg = "assertion is always true, perhaps remove parentheses?";
                    self.src.warn(s.range, msg.to_string());
                }
                walk_stmt(self, stmt);
            }
            _ => walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, e: &'x Expr) {
        match e {
            Expr::Compare(c) => self.compare(c),
            Expr::Call(c) => self.call(c),
            Expr::Subscript(s) if s.ctx == ast::ExprContext::Load => self.subscript(s),
            _ => {}
        }
        walk_expr(self, e);
    }
}

/// The type of a display, a comprehension or a literal that is neither None nor an ellipsis.
fn type_of(e: &Expr) -> Option<&'static str> {
    Some(match e {
        Expr::Tuple(_) => "tuple",
        Expr::List(_) | Expr::ListComp(_) => "list",
        Expr::Dict(_) | Expr::DictComp(_) => "dict",
        Expr::Set(_) | Expr::SetComp(_) => "set",
        Expr::Generator(_) => "generator",
        Expr::Lambda(_) => "function",
        Expr::FString(_) | Expr::StringLiteral(_) => "str",
        Expr::TString(_) => "string.templatelib.Template",
        Expr::BytesLiteral(_) => "bytes",
        Expr::BooleanLiteral(_) => "bool",
        Expr::NoneLiteral(_) => "NoneType",
        Expr::EllipsisLiteral(_) => "ellipsis",
        Expr::NumberLiteral(n) => match n.value {
            ast::Number::Int(_) => "int",
            ast::Number::Float(_) => "float",
            ast::Number::Complex { .. } => "complex",
        },
        _ => return None,
    })
}

/// The type of a literal that `is` should not be used with.
fn identity_literal(e: &Expr) -> Option<&'static str> {
    match e {
        Expr::Tuple(t) if t.elts.iter().all(is_constant) => Some("tuple"),
        Expr::StringLiteral(_) | Expr::BytesLiteral(_) | Expr::NumberLiteral(_) => type_of(e),
        Expr::UnaryOp(u) if u.op == ast::UnaryOp::USub => identity_literal(&u.operand),
        _ => None,
    }
}

fn is_constant(e: &Expr) -> bool {
    match e {
        Expr::NoneLiteral(_) | Expr::BooleanLiteral(_) | Expr::EllipsisLiteral(_) => true,
        e => identity_literal(e).is_some(),
    }
}
