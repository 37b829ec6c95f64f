//! The parser's tree as the steps that make the nodes of module `ast`.
//!
//! The steps are in postfix order: values and lists of values first, then the node that is made of them. So whoever makes
//! the nodes needs no recursion, and nothing here knows of objects.

use super::bytecode::Const;
use super::consts::{element_part, literal_part, number, string_value};
use super::fstring::debug_source;
use super::source::Source;
use super::type_comments::TypeComments;
use super::{Mode, Res, TreeOptions, consts};
use ruff_python_ast::{self as ast, Expr, InterpolatedStringElement as Element, Pattern, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};

/// Where a node stands: lines from 1, columns from 0 in bytes of UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: u32,
    pub col: u32,
    pub end_line: u32,
    pub end_col: u32,
}

/// One step in making a tree: it takes its parts from a stack and leaves there what it has made.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Const(Const),
    /// A name, which is interned.
    Name(Box<str>),
    /// A list of so many parts.
    List(usize),
    /// The instance of a class without fields.
    Shared(&'static str),
    /// A node of this class with so many fields.
    Node(&'static str, usize, Option<Place>),
}

/// The steps for a whole tree.
pub(super) fn outline(
    src: &Source<'_>,
    tree: &ast::Mod,
    mode: Mode,
    comments: Option<TypeComments>,
    how: TreeOptions,
) -> Res<Vec<Step>> {
    let mut x = Outline::new(src, comments, how);
    match (tree, mode) {
        (ast::Mod::Expression(e), _) => {
            x.expr(&e.body)?;
            x.bare("Expression", 1);
        }
        (ast::Mod::Module(m), Mode::Single) => {
            x.body(&m.body)?;
            x.bare("Interactive", 1);
        }
        (ast::Mod::Module(m), _) => {
            x.documented(&m.body)?;
            let ignores = x
                .comments
                .as_ref()
                .map_or(Vec::new(), TypeComments::ignores);
            let n = ignores.len();
            for (line, tag) in ignores {
                x.int(i64::from(line));
                x.text(&tag);
                x.bare("TypeIgnore", 2);
            }
            x.put(Step::List(n));
            x.bare("Module", 2);
        }
    }
    if let Some(comments) = &x.comments {
        comments.check(src)?;
    }
    Ok(x.out)
}

/// The steps for the tree of a signature's type comment, `(int, *str) -> bool`: a call and an expression.
pub(super) fn signature(src: &Source<'_>, opts: &super::Options) -> Res<Vec<Step>> {
    let invalid = || src.error(TextRange::empty(TextSize::new(0)), "invalid syntax");
    let arrow = arrow(src.text).ok_or_else(invalid)?;
    let call = format!("_{}", src.text[..arrow].trim());
    let returns = src.text[arrow + 2..].trim();
    let call_src = Source::new(&call, src.filename);
    let parsed = super::parse(&call_src, super::Mode::Eval, opts)?;
    let ast::Mod::Expression(e) = parsed.syntax() else {
        return Err(invalid());
    };
    let Expr::Call(c) = &*e.body else {
        return Err(invalid());
    };
    let mut x = Outline::new(&call_src, None, TreeOptions::default());
    // One with a star, then one with two, at the end.
    let mut stars = 0;
    for part in c.arguments.arguments_source_order() {
        let now = match part {
            ast::ArgOrKeyword::Arg(Expr::Starred(_)) => 1,
            ast::ArgOrKeyword::Arg(_) => 0,
            ast::ArgOrKeyword::Keyword(_) => 2,
        };
        if stars > now || (stars == now && stars > 0) {
            return Err(invalid());
        }
        stars = now;
        match part {
            ast::ArgOrKeyword::Arg(Expr::Starred(s)) => x.expr(&s.value)?,
            ast::ArgOrKeyword::Arg(e) => x.expr(e)?,
            ast::ArgOrKeyword::Keyword(k) if k.arg.is_none() => x.expr(&k.value)?,
            ast::ArgOrKeyword::Keyword(_) => return Err(invalid()),
        }
    }
    x.put(Step::List(c.arguments.len()));
    let mut out = x.out;
    let returns_src = Source::new(returns, src.filename);
    let parsed = super::parse(&returns_src, super::Mode::Eval, opts)?;
    let ast::Mod::Expression(e) = parsed.syntax() else {
        return Err(invalid());
    };
    let mut x = Outline::new(&returns_src, None, TreeOptions::default());
    x.expr(&e.body)?;
    x.put(Step::Node("FunctionType", 2, None));
    out.append(&mut x.out);
    Ok(out)
}

/// Where the arrow of a signature is: after its closing parenthesis.
fn arrow(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (i, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '-' if depth == 0 => return text[i..].starts_with("->").then_some(i),
            c if depth == 0 && !c.is_whitespace() => return None,
            _ => {}
        }
    }
    None
}

struct Outline<'s, 'a> {
    src: &'s Source<'a>,
    comments: Option<TypeComments>,
    how: TreeOptions,
    out: Vec<Step>,
    depth: u32,
}

/// A part of an f-string or a t-string.
enum Piece<'a> {
    Text(Vec<u8>, TextRange),
    Value(&'a ast::InterpolatedElement),
}

impl<'s, 'a> Outline<'s, 'a> {
    fn new(src: &'s Source<'a>, comments: Option<TypeComments>, how: TreeOptions) -> Self {
        Outline {
            src,
            comments,
            how,
            out: Vec::new(),
            depth: 0,
        }
    }

    // Steps

    fn put(&mut self, step: Step) {
        self.out.push(step);
    }

    fn none(&mut self) {
        self.put(Step::Const(Const::None));
    }

    fn int(&mut self, i: i64) {
        self.put(Step::Const(Const::Int(i)));
    }

    fn text(&mut self, s: &str) {
        self.put(Step::Const(consts::str_const(s)));
    }

    fn name(&mut self, s: &str) {
        self.put(Step::Name(s.into()));
    }

    fn name_or_none(&mut self, s: Option<&ast::Identifier>) {
        match s {
            Some(s) => self.name(s),
            None => self.none(),
        }
    }

    fn place(&self, range: TextRange) -> Place {
        let (line, col) = self.src.line_col(range.start());
        let (end_line, end_col) = self.src.line_col(range.end());
        Place {
            line,
            col,
            end_line,
            end_col,
        }
    }

    /// A node with a place.
    fn node(&mut self, class: &'static str, fields: usize, range: TextRange) {
        let place = self.place(range);
        self.put(Step::Node(class, fields, Some(place)));
    }

    /// A node without one.
    fn bare(&mut self, class: &'static str, fields: usize) {
        self.put(Step::Node(class, fields, None));
    }

    /// Refuses a feature of Python 3.`since`, if an older version is asked for.
    fn since(&self, since: u8, what: &str, range: TextRange) -> Res {
        match self.how.feature_version {
            Some(v) if v < since => {
                let msg = format!("{what} only supported in Python 3.{since} and greater");
                Err(self.src.error(range, msg))
            }
            _ => Ok(()),
        }
    }

    fn deeper(&mut self) -> Res {
        self.depth += 1;
        if self.depth > super::MAX_DEPTH {
            return Err(self.src.too_deep());
        }
        Ok(())
    }

    // Statements

    fn body(&mut self, body: &[Stmt]) -> Res {
        for s in body {
            self.stmt(s)?;
        }
        self.put(Step::List(body.len()));
        Ok(())
    }

    /// The body of a definition, from which a docstring is left out at level 2.
    fn documented(&mut self, body: &[Stmt]) -> Res {
        let dropped = self.how.optimize == Some(2)
            && matches!(body.first(), Some(Stmt::Expr(e)) if e.value.is_string_literal_expr());
        match body {
            [only] if dropped => {
                // As long as the word, where the docstring was.
                let mut place = self.place(only.range());
                (place.end_line, place.end_col) = (place.line, place.col + 4);
                self.put(Step::Node("Pass", 0, Some(place)));
                self.put(Step::List(1));
                Ok(())
            }
            [_, rest @ ..] if dropped => self.body(rest),
            _ => self.body(body),
        }
    }

    fn stmt(&mut self, s: &Stmt) -> Res {
        self.deeper()?;
        self.stmt_inner(s)?;
        self.depth -= 1;
        Ok(())
    }

    fn stmt_inner(&mut self, s: &Stmt) -> Res {
        let range = s.range();
        match s {
            Stmt::FunctionDef(s) => return self.function(s),
            Stmt::ClassDef(s) => return self.class(s),
            Stmt::Return(s) => {
                self.optional(s.value.as_deref())?;
                self.node("Return", 1, range);
            }
            Stmt::Delete(s) => {
                self.exprs(&s.targets)?;
                self.node("Delete", 1, range);
            }
            Stmt::Assign(s) => {
                self.exprs(&s.targets)?;
                self.expr(&s.value)?;
                self.comment_after(range.end());
                self.node("Assign", 3, range);
            }
            Stmt::TypeAlias(s) => {
                self.since(12, "Type statement is", range)?;
                self.expr(&s.name)?;
                self.type_params(s.type_params.as_deref())?;
                self.expr(&s.value)?;
                self.node("TypeAlias", 3, range);
            }
            Stmt::AugAssign(s) => {
                self.expr(&s.target)?;
                self.put(Step::Shared(operator(s.op)));
                self.expr(&s.value)?;
                self.node("AugAssign", 3, range);
            }
            Stmt::AnnAssign(s) => {
                self.since(6, "Variable annotation syntax is", range)?;
                self.expr(&s.target)?;
                self.expr(&s.annotation)?;
                self.optional(s.value.as_deref())?;
                self.int(i64::from(s.simple));
                self.node("AnnAssign", 4, range);
            }
            Stmt::For(s) => {
                if s.is_async {
                    self.since(5, "Async for loops are", range)?;
                }
                self.expr(&s.target)?;
                self.expr(&s.iter)?;
                self.body(&s.body)?;
                self.body(&s.orelse)?;
                self.comment_before(s.iter.range().end(), &s.body);
                self.node(if s.is_async { "AsyncFor" } else { "For" }, 5, range);
            }
            Stmt::While(s) => {
                self.expr(&s.test)?;
                self.body(&s.body)?;
                self.body(&s.orelse)?;
                self.node("While", 3, range);
            }
            Stmt::If(s) => {
                self.expr(&s.test)?;
                self.body(&s.body)?;
                self.elif(&s.elif_else_clauses, range.end())?;
                self.node("If", 3, range);
            }
            Stmt::With(s) => {
                if s.is_async {
                    self.since(5, "Async with statements are", range)?;
                }
                for item in &s.items {
                    self.expr(&item.context_expr)?;
                    self.optional(item.optional_vars.as_deref())?;
                    self.bare("withitem", 2);
                }
                self.put(Step::List(s.items.len()));
                self.body(&s.body)?;
                let head = s.items.last().map_or(range.start(), |i| i.range.end());
                self.comment_before(head, &s.body);
                self.node(if s.is_async { "AsyncWith" } else { "With" }, 3, range);
            }
            Stmt::Match(s) => {
                self.since(10, "Pattern matching is", range)?;
                self.expr(&s.subject)?;
                for case in &s.cases {
                    self.pattern(&case.pattern)?;
                    self.optional(case.guard.as_deref())?;
                    self.body(&case.body)?;
                    self.bare("match_case", 3);
                }
                self.put(Step::List(s.cases.len()));
                self.node("Match", 2, range);
            }
            Stmt::Raise(s) => {
                self.optional(s.exc.as_deref())?;
                self.optional(s.cause.as_deref())?;
                self.node("Raise", 2, range);
            }
            Stmt::Try(s) => return self.try_stmt(s),
            Stmt::Assert(s) => {
                self.expr(&s.test)?;
                self.optional(s.msg.as_deref())?;
                self.node("Assert", 2, range);
            }
            Stmt::Import(s) => {
                self.aliases(&s.names);
                self.node("Import", 1, range);
            }
            Stmt::ImportFrom(s) => {
                self.name_or_none(s.module.as_ref());
                self.aliases(&s.names);
                self.int(i64::from(s.level));
                self.node("ImportFrom", 3, range);
            }
            Stmt::Global(s) => {
                self.names(&s.names);
                self.node("Global", 1, range);
            }
            Stmt::Nonlocal(s) => {
                self.names(&s.names);
                self.node("Nonlocal", 1, range);
            }
            Stmt::Expr(s) => {
                self.expr(&s.value)?;
                self.node("Expr", 1, range);
            }
            Stmt::Pass(_) => self.node("Pass", 0, range),
            Stmt::Break(_) => self.node("Break", 0, range),
            Stmt::Continue(_) => self.node("Continue", 0, range),
            Stmt::IpyEscapeCommand(_) => return Err(self.src.error(range, "invalid syntax")),
        }
        Ok(())
    }

    /// The type comment on the line that ends at `at`.
    fn comment_after(&mut self, at: TextSize) {
        let found = self.comments.as_mut().and_then(|c| c.after(self.src, at));
        self.comment(found);
    }

    /// The type comment between the head of a block and its first statement.
    fn comment_before(&mut self, head: TextSize, body: &[Stmt]) {
        let first = body.first().map_or(head, |s| s.range().start());
        let found = self.comments.as_mut().and_then(|c| c.between(head, first));
        self.comment(found);
    }

    fn comment(&mut self, found: Option<String>) {
        match found {
            Some(s) => self.text(&s),
            None => self.none(),
        }
    }

    fn function(&mut self, s: &ast::StmtFunctionDef) -> Res {
        let range = self.src.after_decorators(&s.decorator_list, s.range);
        if s.is_async {
            self.since(5, "Async functions are", range)?;
        }
        self.name(&s.name);
        self.arguments(&s.parameters)?;
        self.documented(&s.body)?;
        self.decorators(&s.decorator_list)?;
        self.optional(s.returns.as_deref())?;
        let head = s
            .returns
            .as_ref()
            .map_or(s.parameters.range.end(), |r| r.range().end());
        self.comment_before(head, &s.body);
        self.type_params(s.type_params.as_deref())?;
        let class = if s.is_async {
            "AsyncFunctionDef"
        } else {
            "FunctionDef"
        };
        self.node(class, 7, range);
        Ok(())
    }

    fn class(&mut self, s: &ast::StmtClassDef) -> Res {
        let range = self.src.after_decorators(&s.decorator_list, s.range);
        self.name(&s.name);
        match &s.arguments {
            Some(a) => self.call_arguments(a)?,
            None => {
                self.put(Step::List(0));
                self.put(Step::List(0));
            }
        }
        self.documented(&s.body)?;
        self.decorators(&s.decorator_list)?;
        self.type_params(s.type_params.as_deref())?;
        self.node("ClassDef", 6, range);
        Ok(())
    }

    fn decorators(&mut self, list: &[ast::Decorator]) -> Res {
        for d in list {
            self.expr(&d.expression)?;
        }
        self.put(Step::List(list.len()));
        Ok(())
    }

    /// What follows an `if`: each `elif` is an `if` of its own, which ends where the whole does.
    fn elif(&mut self, clauses: &[ast::ElifElseClause], end: TextSize) -> Res {
        let Some((first, rest)) = clauses.split_first() else {
            self.put(Step::List(0));
            return Ok(());
        };
        let Some(test) = &first.test else {
            return self.body(&first.body);
        };
        self.deeper()?;
        self.expr(test)?;
        self.body(&first.body)?;
        self.elif(rest, end)?;
        self.node("If", 3, TextRange::new(first.range.start(), end));
        self.put(Step::List(1));
        self.depth -= 1;
        Ok(())
    }

    fn try_stmt(&mut self, s: &ast::StmtTry) -> Res {
        if s.is_star {
            self.since(11, "Exception groups are", s.range)?;
        }
        self.body(&s.body)?;
        for handler in &s.handlers {
            let ast::ExceptHandler::ExceptHandler(h) = handler;
            if let Some(Expr::Tuple(x)) = h.type_.as_deref()
                && !x.parenthesized
            {
                self.since(14, "except expressions without parentheses are", x.range)?;
            }
            self.optional(h.type_.as_deref())?;
            self.name_or_none(h.name.as_ref());
            self.body(&h.body)?;
            self.node("ExceptHandler", 3, h.range);
        }
        self.put(Step::List(s.handlers.len()));
        self.body(&s.orelse)?;
        self.body(&s.finalbody)?;
        self.node(if s.is_star { "TryStar" } else { "Try" }, 4, s.range);
        Ok(())
    }

    fn aliases(&mut self, names: &[ast::Alias]) {
        for a in names {
            self.name(&a.name);
            self.name_or_none(a.asname.as_ref());
            self.node("alias", 2, a.range);
        }
        self.put(Step::List(names.len()));
    }

    fn names(&mut self, names: &[ast::Identifier]) {
        for n in names {
            self.name(n);
        }
        self.put(Step::List(names.len()));
    }

    // Parameters

    fn arguments(&mut self, p: &ast::Parameters) -> Res {
        if !p.posonlyargs.is_empty() {
            self.since(8, "Positional-only parameters are", p.range)?;
        }
        self.params(&p.posonlyargs)?;
        self.params(&p.args)?;
        self.star_param(p.vararg.as_deref())?;
        self.params(&p.kwonlyargs)?;
        for k in &p.kwonlyargs {
            self.optional(k.default())?;
        }
        self.put(Step::List(p.kwonlyargs.len()));
        self.star_param(p.kwarg.as_deref())?;
        let mut n = 0;
        for a in p.posonlyargs.iter().chain(&p.args) {
            if let Some(d) = a.default() {
                self.expr(d)?;
                n += 1;
            }
        }
        self.put(Step::List(n));
        self.bare("arguments", 7);
        Ok(())
    }

    fn params(&mut self, list: &[ast::ParameterWithDefault]) -> Res {
        for p in list {
            self.param(&p.parameter, p.range.end())?;
        }
        self.put(Step::List(list.len()));
        Ok(())
    }

    fn star_param(&mut self, p: Option<&ast::Parameter>) -> Res {
        match p {
            Some(p) => self.param(p, p.range.end()),
            None => {
                self.none();
                Ok(())
            }
        }
    }

    /// A parameter; its default value ends at `end`.
    fn param(&mut self, p: &ast::Parameter, end: TextSize) -> Res {
        self.name(&p.name);
        self.optional(p.annotation())?;
        let found = self
            .comments
            .as_mut()
            .and_then(|c| c.of_param(self.src, end));
        self.comment(found);
        self.node(
            "arg",
            3,
            TextRange::new(p.name.range.start(), p.range.end()),
        );
        Ok(())
    }

    fn type_params(&mut self, params: Option<&ast::TypeParams>) -> Res {
        let params = params.map_or(&[][..], |p| &p.type_params);
        for p in params {
            self.name(p.name());
            self.since(12, "Type parameter lists are", p.range())?;
            if p.default().is_some() {
                self.since(13, "Type parameter defaults are", p.range())?;
            }
            let class = match p {
                ast::TypeParam::TypeVar(v) => {
                    self.optional(v.bound.as_deref())?;
                    "TypeVar"
                }
                ast::TypeParam::ParamSpec(_) => "ParamSpec",
                ast::TypeParam::TypeVarTuple(_) => "TypeVarTuple",
            };
            self.optional(p.default())?;
            self.node(class, if class == "TypeVar" { 3 } else { 2 }, p.range());
        }
        self.put(Step::List(params.len()));
        Ok(())
    }

    // Expressions

    fn exprs(&mut self, list: &[Expr]) -> Res {
        for e in list {
            self.expr(e)?;
        }
        self.put(Step::List(list.len()));
        Ok(())
    }

    fn optional(&mut self, e: Option<&Expr>) -> Res {
        match e {
            Some(e) => self.expr(e),
            None => {
                self.none();
                Ok(())
            }
        }
    }

    fn expr(&mut self, e: &Expr) -> Res {
        self.deeper()?;
        self.expr_inner(e)?;
        self.depth -= 1;
        Ok(())
    }

    fn constant(&mut self, c: Const, unicode: bool, range: TextRange) {
        self.put(Step::Const(c));
        if unicode {
            self.text("u");
        } else {
            self.none();
        }
        self.node("Constant", 2, range);
    }

    fn expr_inner(&mut self, e: &Expr) -> Res {
        let range = e.range();
        match e {
            Expr::BoolOp(x) => {
                self.put(Step::Shared(match x.op {
                    ast::BoolOp::And => "And",
                    ast::BoolOp::Or => "Or",
                }));
                self.exprs(&x.values)?;
                self.node("BoolOp", 2, range);
            }
            Expr::Named(x) => {
                self.since(8, "Assignment expressions are", range)?;
                self.expr(&x.target)?;
                self.expr(&x.value)?;
                self.node("NamedExpr", 2, range);
            }
            Expr::BinOp(x) => {
                if x.op == ast::Operator::MatMult {
                    self.since(5, "The '@' operator is", range)?;
                }
                if self.how.optimize.is_some() && self.percent_format(x)? {
                    return Ok(());
                }
                self.expr(&x.left)?;
                self.put(Step::Shared(operator(x.op)));
                self.expr(&x.right)?;
                self.node("BinOp", 3, range);
            }
            Expr::UnaryOp(x) => {
                self.put(Step::Shared(match x.op {
                    ast::UnaryOp::Invert => "Invert",
                    ast::UnaryOp::Not => "Not",
                    ast::UnaryOp::UAdd => "UAdd",
                    ast::UnaryOp::USub => "USub",
                }));
                self.expr(&x.operand)?;
                self.node("UnaryOp", 2, range);
            }
            Expr::Lambda(x) => {
                match &x.parameters {
                    Some(p) => self.arguments(p)?,
                    None => self.arguments(&ast::Parameters::default())?,
                }
                self.expr(&x.body)?;
                self.node("Lambda", 2, range);
            }
            Expr::If(x) => {
                self.expr(&x.test)?;
                self.expr(&x.body)?;
                self.expr(&x.orelse)?;
                self.node("IfExp", 3, range);
            }
            Expr::Dict(x) => {
                for item in &x.items {
                    self.optional(item.key.as_ref())?;
                }
                self.put(Step::List(x.items.len()));
                for item in &x.items {
                    self.expr(&item.value)?;
                }
                self.put(Step::List(x.items.len()));
                self.node("Dict", 2, range);
            }
            Expr::Set(x) => {
                self.exprs(&x.elts)?;
                self.node("Set", 1, range);
            }
            Expr::ListComp(x) => self.comprehension("ListComp", &[&x.elt], &x.generators, range)?,
            Expr::SetComp(x) => self.comprehension("SetComp", &[&x.elt], &x.generators, range)?,
            Expr::Generator(x) => {
                self.comprehension("GeneratorExp", &[&x.elt], &x.generators, range)?;
            }
            Expr::DictComp(x) => {
                self.comprehension("DictComp", &[&x.key, &x.value], &x.generators, range)?;
            }
            Expr::Await(x) => {
                self.since(5, "Await expressions are", range)?;
                self.expr(&x.value)?;
                self.node("Await", 1, range);
            }
            Expr::Yield(x) => {
                self.optional(x.value.as_deref())?;
                self.node("Yield", 1, range);
            }
            Expr::YieldFrom(x) => {
                self.expr(&x.value)?;
                self.node("YieldFrom", 1, range);
            }
            Expr::Compare(x) => {
                self.expr(&x.left)?;
                for op in &x.ops {
                    self.put(Step::Shared(comparison(*op)));
                }
                self.put(Step::List(x.ops.len()));
                self.exprs(&x.comparators)?;
                self.node("Compare", 3, range);
            }
            Expr::Call(x) => {
                self.expr(&x.func)?;
                self.call_arguments(&x.arguments)?;
                self.node("Call", 3, range);
            }
            Expr::FString(x) => return self.fstring(x),
            Expr::TString(x) => return self.tstring(x),
            Expr::StringLiteral(x) => {
                let text = string_value(self.src, x);
                self.constant(Const::Str(text.into()), x.value.is_unicode(), range);
            }
            Expr::BytesLiteral(x) => {
                self.constant(Const::Bytes(x.value.bytes().collect()), false, range);
            }
            Expr::NumberLiteral(x) => {
                if self.src.slice(range).contains('_') {
                    self.since(6, "Underscores in numeric literals are", range)?;
                }
                consts::check_number(self.src, x)?;
                let c = number(&x.value).unwrap_or(Const::None);
                self.constant(c, false, range);
            }
            Expr::BooleanLiteral(x) => {
                let c = if x.value { Const::True } else { Const::False };
                self.constant(c, false, range);
            }
            Expr::NoneLiteral(_) => self.constant(Const::None, false, range),
            Expr::EllipsisLiteral(_) => self.constant(Const::Ellipsis, false, range),
            Expr::Attribute(x) => {
                self.expr(&x.value)?;
                self.name(&x.attr);
                self.context(x.ctx);
                self.node("Attribute", 3, range);
            }
            Expr::Subscript(x) => {
                self.expr(&x.value)?;
                self.expr(&x.slice)?;
                self.context(x.ctx);
                self.node("Subscript", 3, range);
            }
            Expr::Starred(x) => {
                self.expr(&x.value)?;
                self.context(x.ctx);
                self.node("Starred", 2, range);
            }
            Expr::Name(x) => {
                if let Some(level) = self.how.optimize
                    && x.id.as_str() == "__debug__"
                    && x.ctx == ast::ExprContext::Load
                {
                    let c = if level == 0 {
                        Const::True
                    } else {
                        Const::False
                    };
                    self.constant(c, false, range);
                    return Ok(());
                }
                self.name(&x.id);
                self.context(x.ctx);
                self.node("Name", 2, range);
            }
            Expr::List(x) => {
                self.exprs(&x.elts)?;
                self.context(x.ctx);
                self.node("List", 2, range);
            }
            Expr::Tuple(x) => {
                self.exprs(&x.elts)?;
                self.context(x.ctx);
                self.node("Tuple", 2, range);
            }
            Expr::Slice(x) => {
                self.optional(x.lower.as_deref())?;
                self.optional(x.upper.as_deref())?;
                self.optional(x.step.as_deref())?;
                self.node("Slice", 3, range);
            }
            Expr::IpyEscapeCommand(x) => match self.src.constant(&x.value) {
                Some(c) => self.constant(c.clone(), false, range),
                None => return Err(self.src.error(range, "invalid syntax")),
            },
        }
        Ok(())
    }

    fn context(&mut self, ctx: ast::ExprContext) {
        self.put(Step::Shared(match ctx {
            ast::ExprContext::Load | ast::ExprContext::Invalid => "Load",
            ast::ExprContext::Store => "Store",
            ast::ExprContext::Del => "Del",
        }));
    }

    fn comprehension(
        &mut self,
        class: &'static str,
        results: &[&Expr],
        generators: &[ast::Comprehension],
        range: TextRange,
    ) -> Res {
        for e in results {
            self.expr(e)?;
        }
        for g in generators {
            if g.is_async {
                self.since(6, "Async comprehensions are", range)?;
            }
            self.expr(&g.target)?;
            self.expr(&g.iter)?;
            self.exprs(&g.ifs)?;
            self.int(i64::from(g.is_async));
            self.bare("comprehension", 4);
        }
        self.put(Step::List(generators.len()));
        self.node(class, results.len() + 1, range);
        Ok(())
    }

    /// Two lists: positional arguments and keyword arguments.
    fn call_arguments(&mut self, a: &ast::Arguments) -> Res {
        if let ([Expr::Generator(g)], true) = (&*a.args, a.keywords.is_empty())
            && !g.parenthesized
        {
            // A generator expression that is all there is owns the parentheses.
            self.comprehension("GeneratorExp", &[&g.elt], &g.generators, a.range)?;
            self.put(Step::List(1));
        } else {
            self.exprs(&a.args)?;
        }
        for k in &a.keywords {
            self.name_or_none(k.arg.as_ref());
            self.expr(&k.value)?;
            self.node("keyword", 2, k.range);
        }
        self.put(Step::List(a.keywords.len()));
        Ok(())
    }

    // Strings with replacement fields

    fn fstring(&mut self, f: &ast::ExprFString) -> Res {
        let mut pieces = Vec::new();
        for part in &f.value {
            match part {
                ast::FStringPart::Literal(s) => {
                    let mut text = Vec::new();
                    literal_part(self.src, s, &mut text);
                    push_text(&mut pieces, text, s.range);
                }
                ast::FStringPart::FString(s) => {
                    self.pieces(&s.elements, s.flags.prefix().is_raw(), &mut pieces);
                }
            }
        }
        self.joined("JoinedStr", "FormattedValue", pieces, f.range)
    }

    /// `"..." % (a, b)` with nothing but `%s`, `%r`, `%a` and `%%` as the f-string it is. False if it is something else.
    fn percent_format(&mut self, b: &ast::ExprBinOp) -> Res<bool> {
        let (ast::Operator::Mod, Expr::StringLiteral(format), Expr::Tuple(values)) =
            (b.op, &*b.left, &*b.right)
        else {
            return Ok(false);
        };
        let text = string_value(self.src, format);
        let starred = values.elts.iter().any(Expr::is_starred_expr);
        let Some(fields) = percent_fields(&text).filter(|_| !starred) else {
            return Ok(false);
        };
        let wanted = fields.iter().filter(|f| f.1.is_some()).count();
        if wanted != values.elts.len() || fields.is_empty() {
            return Ok(false);
        }
        let mut values = values.elts.iter();
        let mut n = 0;
        for (text, conversion) in fields {
            if !text.is_empty() {
                self.constant(Const::Str(text.into()), false, b.left.range());
                n += 1;
            }
            if let Some(c) = conversion
                && let Some(v) = values.next()
            {
                self.expr(v)?;
                self.int(i64::from(c));
                self.none();
                self.node("FormattedValue", 3, v.range());
                n += 1;
            }
        }
        self.put(Step::List(n));
        self.node("JoinedStr", 1, b.range);
        Ok(true)
    }

    fn tstring(&mut self, f: &ast::ExprTString) -> Res {
        self.since(14, "t-strings are", f.range)?;
        let mut pieces = Vec::new();
        for part in f.value.iter() {
            self.pieces(&part.elements, part.flags.prefix().is_raw(), &mut pieces);
        }
        self.joined("TemplateStr", "Interpolation", pieces, f.range)
    }

    fn pieces<'e>(&self, elements: &'e [Element], raw: bool, out: &mut Vec<Piece<'e>>) {
        for el in elements {
            match el {
                Element::Literal(l) => {
                    let mut text = Vec::new();
                    element_part(self.src, l, raw, &mut text);
                    push_text(out, text, l.range);
                }
                Element::Interpolation(i) => {
                    if let Some(debug) = &i.debug_text {
                        let text = debug_source(self.src, i, debug).into_bytes();
                        let end =
                            i.expression.range().end() + TextSize::new(debug.trailing.len() as u32);
                        let start = i.range.start() + TextSize::new(1);
                        push_text(out, text, TextRange::new(start, end.max(start)));
                    }
                    out.push(Piece::Value(i));
                }
            }
        }
    }

    fn joined(
        &mut self,
        class: &'static str,
        field: &'static str,
        pieces: Vec<Piece<'_>>,
        range: TextRange,
    ) -> Res {
        let n = pieces.len();
        for piece in pieces {
            match piece {
                Piece::Text(text, range) => self.constant(Const::Str(text.into()), false, range),
                Piece::Value(i) => self.replacement(field, i)?,
            }
        }
        self.put(Step::List(n));
        self.node(class, 1, range);
        Ok(())
    }

    fn replacement(&mut self, class: &'static str, i: &ast::InterpolatedElement) -> Res {
        self.deeper()?;
        self.expr(&i.expression)?;
        let mut fields = 3;
        if class == "Interpolation" {
            let text = super::fstring::field_text(self.src, i);
            self.text(&text);
            fields = 4;
        }
        let implied = i.conversion == ast::ConversionFlag::None
            && i.debug_text.is_some()
            && i.format_spec.is_none();
        self.int(match i.conversion.to_byte() {
            Some(b) => i64::from(b),
            None if implied => i64::from(b'r'),
            None => -1,
        });
        match &i.format_spec {
            Some(spec) => {
                let mut pieces = Vec::new();
                self.pieces(&spec.elements, false, &mut pieces);
                // The colon is part of it.
                let range = TextRange::new(spec.range.start() - TextSize::new(1), spec.range.end());
                self.joined("JoinedStr", "FormattedValue", pieces, range)?;
            }
            None => self.none(),
        }
        self.node(class, fields, i.range);
        self.depth -= 1;
        Ok(())
    }

    // Patterns

    fn patterns(&mut self, list: &[Pattern]) -> Res {
        for p in list {
            self.pattern(p)?;
        }
        self.put(Step::List(list.len()));
        Ok(())
    }

    /// A value in a pattern: a signed or complex number becomes one constant.
    fn pattern_value(&mut self, e: &Expr) -> Res {
        if self.how.optimize.is_some()
            && matches!(e, Expr::UnaryOp(_) | Expr::BinOp(_))
            && let Some(c) = consts::fold_number(e)
        {
            self.constant(c, false, e.range());
            return Ok(());
        }
        self.expr(e)
    }

    fn pattern(&mut self, p: &Pattern) -> Res {
        self.deeper()?;
        let range = p.range();
        match p {
            Pattern::MatchValue(x) => {
                self.pattern_value(&x.value)?;
                self.node("MatchValue", 1, range);
            }
            Pattern::MatchSingleton(x) => {
                self.put(Step::Const(match x.value {
                    ast::Singleton::None => Const::None,
                    ast::Singleton::True => Const::True,
                    ast::Singleton::False => Const::False,
                }));
                self.node("MatchSingleton", 1, range);
            }
            Pattern::MatchSequence(x) => {
                self.patterns(&x.patterns)?;
                self.node("MatchSequence", 1, range);
            }
            Pattern::MatchMapping(x) => {
                for k in &x.keys {
                    self.pattern_value(k)?;
                }
                self.put(Step::List(x.keys.len()));
                self.patterns(&x.patterns)?;
                self.name_or_none(x.rest.as_ref());
                self.node("MatchMapping", 3, range);
            }
            Pattern::MatchClass(x) => {
                self.expr(&x.cls)?;
                self.patterns(&x.arguments.patterns)?;
                let keywords = &x.arguments.keywords;
                for k in keywords {
                    self.name(&k.attr);
                }
                self.put(Step::List(keywords.len()));
                for k in keywords {
                    self.pattern(&k.pattern)?;
                }
                self.put(Step::List(keywords.len()));
                self.node("MatchClass", 4, range);
            }
            Pattern::MatchStar(x) => {
                self.name_or_none(x.name.as_ref());
                self.node("MatchStar", 1, range);
            }
            Pattern::MatchAs(x) => {
                match &x.pattern {
                    Some(p) => self.pattern(p)?,
                    None => self.none(),
                }
                self.name_or_none(x.name.as_ref());
                self.node("MatchAs", 2, range);
            }
            Pattern::MatchOr(x) => {
                self.patterns(&x.patterns)?;
                self.node("MatchOr", 1, range);
            }
        }
        self.depth -= 1;
        Ok(())
    }
}

/// The pieces of a format with `%`: text and the conversion after it. `None` for what f-strings cannot say.
fn percent_fields(text: &[u8]) -> Option<Vec<(Vec<u8>, Option<u8>)>> {
    let mut out = Vec::new();
    let mut piece = Vec::new();
    let mut bytes = text.iter();
    while let Some(&b) = bytes.next() {
        if b != b'%' {
            piece.push(b);
            continue;
        }
        match bytes.next()? {
            b'%' => piece.push(b'%'),
            c @ (b's' | b'r' | b'a') => out.push((std::mem::take(&mut piece), Some(*c))),
            _ => return None,
        }
    }
    if !piece.is_empty() {
        out.push((piece, None));
    }
    Some(out)
}

/// Adds text to the pieces; neighbours become one.
fn push_text(out: &mut Vec<Piece<'_>>, text: Vec<u8>, range: TextRange) {
    if text.is_empty() {
        return;
    }
    if let Some(Piece::Text(last, place)) = out.last_mut() {
        last.extend(text);
        *place = place.cover(range);
    } else {
        out.push(Piece::Text(text, range));
    }
}

fn operator(op: ast::Operator) -> &'static str {
    use ast::Operator as O;
    match op {
        O::Add => "Add",
        O::Sub => "Sub",
        O::Mult => "Mult",
        O::MatMult => "MatMult",
        O::Div => "Div",
        O::Mod => "Mod",
        O::Pow => "Pow",
        O::LShift => "LShift",
        O::RShift => "RShift",
        O::BitOr => "BitOr",
        O::BitXor => "BitXor",
        O::BitAnd => "BitAnd",
        O::FloorDiv => "FloorDiv",
    }
}

fn comparison(op: ast::CmpOp) -> &'static str {
    use ast::CmpOp as C;
    match op {
        C::Eq => "Eq",
        C::NotEq => "NotEq",
        C::Lt => "Lt",
        C::LtE => "LtE",
        C::Gt => "Gt",
        C::GtE => "GtE",
        C::Is => "Is",
        C::IsNot => "IsNot",
        C::In => "In",
        C::NotIn => "NotIn",
    }
}
