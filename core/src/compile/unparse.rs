//! Source text of an expression, as `from __future__ import annotations` keeps annotations.

use super::source::Source;
use ruff_python_ast::{
    self as ast, BoolOp, Expr, InterpolatedStringElement as Element, Number, Operator, UnaryOp,
};
use ruff_text_size::Ranged;

/// How tightly an expression binds, loosest first.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Prec {
    Tuple,
    Named,
    Test,
    Or,
    And,
    Not,
    Compare,
    BitOr,
    BitXor,
    BitAnd,
    Shift,
    Arith,
    Term,
    Factor,
    Power,
    Await,
    Atom,
}

/// Writes an expression out in CPython's normal form.
pub(super) fn unparse(src: &Source<'_>, e: &Expr) -> String {
    let mut w = Writer {
        src,
        out: String::new(),
    };
    w.expr(e, Prec::Test);
    w.out
}

struct Writer<'s, 'a> {
    src: &'s Source<'a>,
    out: String,
}

fn operator(op: Operator) -> (Prec, Prec, Prec) {
    let (own, right) = match op {
        Operator::Add | Operator::Sub => (Prec::Arith, Prec::Term),
        Operator::Mult | Operator::MatMult | Operator::Div | Operator::Mod | Operator::FloorDiv => {
            (Prec::Term, Prec::Factor)
        }
        Operator::LShift | Operator::RShift => (Prec::Shift, Prec::Arith),
        Operator::BitOr => (Prec::BitOr, Prec::BitXor),
        Operator::BitXor => (Prec::BitXor, Prec::BitAnd),
        Operator::BitAnd => (Prec::BitAnd, Prec::Shift),
        Operator::Pow => return (Prec::Power, Prec::Await, Prec::Factor),
    };
    (own, own, right)
}

impl Writer<'_, '_> {
    fn put(&mut self, s: &str) {
        self.out.push_str(s);
    }

    fn list<'e>(&mut self, items: impl IntoIterator<Item = &'e Expr>) {
        for (i, e) in items.into_iter().enumerate() {
            if i > 0 {
                self.put(", ");
            }
            self.expr(e, Prec::Test);
        }
    }

    /// Writes with parentheses if `own` binds less tightly than is wanted.
    fn group(&mut self, own: Prec, want: Prec, write: impl FnOnce(&mut Self)) {
        let parens = own < want;
        if parens {
            self.put("(");
        }
        write(self);
        if parens {
            self.put(")");
        }
    }

    fn expr(&mut self, e: &Expr, want: Prec) {
        match e {
            Expr::BoolOp(b) => {
                let (own, inner, word) = match b.op {
                    BoolOp::And => (Prec::And, Prec::Not, " and "),
                    BoolOp::Or => (Prec::Or, Prec::And, " or "),
                };
                self.group(own, want, |w| {
                    for (i, v) in b.values.iter().enumerate() {
                        if i > 0 {
                            w.put(word);
                        }
                        w.expr(v, inner);
                    }
                });
            }
            Expr::Named(n) => self.group(Prec::Named, want, |w| {
                w.expr(&n.target, Prec::Atom);
                w.put(" := ");
                w.expr(&n.value, Prec::Atom);
            }),
            Expr::BinOp(b) => {
                let (own, left, right) = operator(b.op);
                self.group(own, want, |w| {
                    w.expr(&b.left, left);
                    w.put(&format!(" {} ", b.op.as_str()));
                    w.expr(&b.right, right);
                });
            }
            Expr::UnaryOp(u) => {
                let (own, sign) = match u.op {
                    UnaryOp::Not => (Prec::Not, "not "),
                    UnaryOp::Invert => (Prec::Factor, "~"),
                    UnaryOp::UAdd => (Prec::Factor, "+"),
                    UnaryOp::USub => (Prec::Factor, "-"),
                };
                self.group(own, want, |w| {
                    w.put(sign);
                    w.expr(&u.operand, own);
                });
            }
            Expr::Lambda(l) => self.group(Prec::Test, want, |w| {
                w.put("lambda");
                if let Some(p) = &l.parameters
                    && !p.is_empty()
                {
                    w.put(" ");
                    w.parameters(p);
                }
                w.put(": ");
                w.expr(&l.body, Prec::Test);
            }),
            Expr::If(x) => self.group(Prec::Test, want, |w| {
                w.expr(&x.body, Prec::Or);
                w.put(" if ");
                w.expr(&x.test, Prec::Or);
                w.put(" else ");
                w.expr(&x.orelse, Prec::Test);
            }),
            Expr::Compare(c) => self.group(Prec::Compare, want, |w| {
                w.expr(&c.left, Prec::BitOr);
                for (op, e) in c.ops.iter().zip(&c.comparators) {
                    w.put(&format!(" {} ", op.as_str()));
                    w.expr(e, Prec::BitOr);
                }
            }),
            Expr::Await(a) => self.group(Prec::Await, want, |w| {
                w.put("await ");
                w.expr(&a.value, Prec::Atom);
            }),
            Expr::Yield(y) => {
                self.put("(yield");
                if let Some(v) = &y.value {
                    self.put(" ");
                    self.expr(v, Prec::Test);
                }
                self.put(")");
            }
            Expr::YieldFrom(y) => {
                self.put("(yield from ");
                self.expr(&y.value, Prec::Test);
                self.put(")");
            }
            Expr::Tuple(t) => self.tuple(&t.elts, want),
            _ => self.atom(e),
        }
    }

    fn tuple(&mut self, elts: &[Expr], want: Prec) {
        if elts.is_empty() {
            return self.put("()");
        }
        self.group(Prec::Tuple, want, |w| {
            w.list(elts);
            if elts.len() == 1 {
                w.put(",");
            }
        });
    }

    fn atom(&mut self, e: &Expr) {
        match e {
            Expr::List(l) => {
                self.put("[");
                self.list(&l.elts);
                self.put("]");
            }
            Expr::Set(s) => {
                self.put("{");
                self.list(&s.elts);
                self.put("}");
            }
            Expr::Dict(d) => {
                self.put("{");
                for (i, item) in d.items.iter().enumerate() {
                    if i > 0 {
                        self.put(", ");
                    }
                    match &item.key {
                        Some(k) => {
                            self.expr(k, Prec::Test);
                            self.put(": ");
                            self.expr(&item.value, Prec::Test);
                        }
                        None => {
                            self.put("**");
                            self.expr(&item.value, Prec::BitOr);
                        }
                    }
                }
                self.put("}");
            }
            Expr::ListComp(x) => self.comprehension("[", &[&x.elt], &x.generators, "]"),
            Expr::SetComp(x) => self.comprehension("{", &[&x.elt], &x.generators, "}"),
            Expr::DictComp(x) => self.comprehension("{", &[&x.key, &x.value], &x.generators, "}"),
            Expr::Generator(x) => self.comprehension("(", &[&x.elt], &x.generators, ")"),
            Expr::Call(c) => self.call(c),
            Expr::FString(f) => self.fstring(f),
            Expr::Attribute(a) => {
                self.expr(&a.value, Prec::Atom);
                if matches!(&*a.value, Expr::NumberLiteral(n) if n.value.is_int()) {
                    self.put(" ");
                }
                self.put(".");
                self.put(&a.attr);
            }
            Expr::Subscript(s) => {
                self.expr(&s.value, Prec::Atom);
                self.put("[");
                match &*s.slice {
                    Expr::Tuple(t) if t.elts.iter().any(Expr::is_starred_expr) => {
                        self.tuple(&t.elts, Prec::Tuple)
                    }
                    e => self.expr(e, Prec::Tuple),
                }
                self.put("]");
            }
            Expr::Starred(s) => {
                self.put("*");
                self.expr(&s.value, Prec::BitOr);
            }
            Expr::Slice(s) => {
                for (i, part) in [&s.lower, &s.upper, &s.step].into_iter().enumerate() {
                    if i == 1 || (i == 2 && part.is_some()) {
                        self.put(":");
                    }
                    if let Some(e) = part {
                        self.expr(e, Prec::Test);
                    }
                }
            }
            Expr::Name(n) => self.put(&n.id),
            Expr::StringLiteral(s) => {
                let text = s.value.to_str().to_string();
                if s.value.is_unicode() {
                    self.put("u");
                }
                let text = repr(&text);
                self.put(&text);
            }
            Expr::BytesLiteral(b) => {
                let text = bytes_repr(&b.value.bytes().collect::<Vec<_>>());
                self.put(&text);
            }
            Expr::NumberLiteral(n) => self.number(n),
            Expr::BooleanLiteral(b) => self.put(if b.value { "True" } else { "False" }),
            Expr::NoneLiteral(_) => self.put("None"),
            Expr::EllipsisLiteral(_) => self.put("..."),
            other => {
                let text = self.src.slice(other.range()).to_string();
                self.put(&text);
            }
        }
    }

    fn number(&mut self, n: &ast::ExprNumberLiteral) {
        let text = match &n.value {
            Number::Int(i) => match i.as_u64() {
                Some(i) => i.to_string(),
                None => self.src.slice(n.range).replace('_', ""),
            },
            Number::Float(f) if f.is_infinite() => "1e309".to_string(),
            Number::Complex { imag, .. } if imag.is_infinite() => "1e309j".to_string(),
            Number::Float(f) => float_repr(*f),
            Number::Complex { imag, .. } => {
                let text = float_repr(*imag);
                format!("{}j", text.strip_suffix(".0").unwrap_or(&text))
            }
        };
        self.put(&text);
    }

    fn call(&mut self, c: &ast::ExprCall) {
        self.expr(&c.func, Prec::Atom);
        if let ([Expr::Generator(g)], []) = (&*c.arguments.args, &*c.arguments.keywords) {
            return self.comprehension("(", &[&g.elt], &g.generators, ")");
        }
        self.put("(");
        self.list(&c.arguments.args);
        for (i, k) in c.arguments.keywords.iter().enumerate() {
            if i > 0 || !c.arguments.args.is_empty() {
                self.put(", ");
            }
            match &k.arg {
                Some(name) => self.put(&format!("{name}=")),
                None => self.put("**"),
            }
            self.expr(&k.value, Prec::Test);
        }
        self.put(")");
    }

    fn comprehension(
        &mut self,
        open: &str,
        elts: &[&Expr],
        generators: &[ast::Comprehension],
        close: &str,
    ) {
        self.put(open);
        for (i, e) in elts.iter().enumerate() {
            if i > 0 {
                self.put(": ");
            }
            self.expr(e, Prec::Test);
        }
        for g in generators {
            self.put(if g.is_async { " async for " } else { " for " });
            self.expr(&g.target, Prec::Tuple);
            self.put(" in ");
            self.expr(&g.iter, Prec::Or);
            for test in &g.ifs {
                self.put(" if ");
                self.expr(test, Prec::Or);
            }
        }
        self.put(close);
    }

    fn parameters(&mut self, p: &ast::Parameters) {
        let mut first = true;
        let mut comma = |w: &mut Self| {
            if !std::mem::take(&mut first) {
                w.put(", ");
            }
        };
        let with_default = |w: &mut Self, q: &ast::ParameterWithDefault| {
            w.put(&q.parameter.name);
            if let Some(d) = &q.default {
                w.put("=");
                w.expr(d, Prec::Test);
            }
        };
        for q in &p.posonlyargs {
            comma(self);
            with_default(self, q);
        }
        if !p.posonlyargs.is_empty() {
            comma(self);
            self.put("/");
        }
        for q in &p.args {
            comma(self);
            with_default(self, q);
        }
        if p.vararg.is_some() || !p.kwonlyargs.is_empty() {
            comma(self);
            self.put("*");
            if let Some(v) = &p.vararg {
                self.put(&v.name);
            }
        }
        for q in &p.kwonlyargs {
            comma(self);
            with_default(self, q);
        }
        if let Some(k) = &p.kwarg {
            comma(self);
            self.put("**");
            self.put(&k.name);
        }
    }

    fn fstring(&mut self, f: &ast::ExprFString) {
        let mut body = String::new();
        for part in &f.value {
            match part {
                ast::FStringPart::Literal(s) => {
                    body.push_str(&s.value.replace('{', "{{").replace('}', "}}"))
                }
                ast::FStringPart::FString(s) => self.elements(&s.elements, &mut body),
            }
        }
        self.put("f");
        let text = repr(&body);
        self.put(&text);
    }

    fn elements(&self, elements: &[Element], out: &mut String) {
        for el in elements {
            match el {
                Element::Literal(l) => out.push_str(&l.value.replace('{', "{{").replace('}', "}}")),
                Element::Interpolation(i) => {
                    if let Some(d) = &i.debug_text {
                        out.push_str(&d.leading);
                        out.push_str(self.src.slice(i.expression.range()));
                        out.push_str(&d.trailing);
                    }
                    let mut inner = Writer {
                        src: self.src,
                        out: String::new(),
                    };
                    inner.expr(&i.expression, Prec::Or);
                    let text = inner.out;
                    out.push('{');
                    if text.starts_with('{') {
                        out.push(' ');
                    }
                    out.push_str(&text);
                    let debug = i.debug_text.is_some() && i.format_spec.is_none();
                    match i.conversion.to_char() {
                        Some(c) => {
                            out.push('!');
                            out.push(c);
                        }
                        None if debug => out.push_str("!r"),
                        None => {}
                    }
                    if let Some(spec) = &i.format_spec {
                        out.push(':');
                        self.elements(&spec.elements, out);
                    }
                    out.push('}');
                }
            }
        }
    }
}

/// repr() of a float.
fn float_repr(f: f64) -> String {
    let plain = format!("{f:?}");
    let exponent = if f == 0.0 {
        0
    } else {
        f.abs().log10().floor() as i32
    };
    if (-4..16).contains(&exponent) {
        let plain = format!("{f}");
        return if plain.contains('.') {
            plain
        } else {
            format!("{plain}.0")
        };
    }
    // Rust writes 1e20 and 1e-7; Python 1e+20 and 1e-07.
    let text = if plain.contains('e') {
        plain
    } else {
        format!("{f:e}")
    };
    match text.split_once('e') {
        Some((m, e)) => {
            let m = m.strip_suffix(".0").unwrap_or(m);
            let (sign, digits) = e.strip_prefix('-').map_or(('+', e), |d| ('-', d));
            format!("{m}e{sign}{digits:0>2}")
        }
        None => text,
    }
}

/// repr() of a str.
fn repr(s: &str) -> String {
    let quote = if s.contains('\'') && !s.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for c in s.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                out.push_str(&format!("\\x{:02x}", c as u32))
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// repr() of a bytes object.
fn bytes_repr(s: &[u8]) -> String {
    let quote = if s.contains(&b'\'') && !s.contains(&b'"') {
        '"'
    } else {
        '\''
    };
    let mut out = format!("b{quote}");
    for &b in s {
        match b {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b if b as char == quote => {
                out.push('\\');
                out.push(quote);
            }
            0x20..0x7f => out.push(b as char),
            b => out.push_str(&format!("\\x{b:02x}")),
        }
    }
    out.push(quote);
    out
}
