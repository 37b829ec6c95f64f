//! Symbol tables: which scope each name of the program belongs to.
//!
//! One pass collects the definitions and uses of each scope, a second resolves them from the outside in. A comprehension
//! that is inlined (PEP 709) has a scope for its iteration variables only: other names are used by the scope around it,
//! except in a class, whose names it must not see. Scopes are found again by the address of their syntax node.

use super::source::Source;
use super::{Options, Res};
use ruff_python_ast::{self as ast, Expr, Pattern, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

mod resolve;
mod tables;
pub use tables::Table;

pub(super) type ScopeId = usize;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ScopeKind {
    Module,
    Function,
    Lambda,
    Genexpr,
    /// An inlined list, set or dict comprehension.
    Comp,
    Class,
    /// `__annotate__` of a function, class or module.
    Annotation,
    TypeParams,
    TypeAlias,
    /// Bound, constraints or default of a type parameter.
    TypeVariable,
}

/// Which of the scopes of a syntax node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Role {
    Body,
    TypeParams,
    Annotation,
    Bound,
    Default,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Local,
    /// Local, and captured by an inner function.
    Cell,
    Free,
    GlobalExplicit,
    GlobalImplicit,
}

pub(super) const LOCAL: u16 = 1;
pub(super) const PARAM: u16 = 2;
pub(super) const USE: u16 = 4;
const GLOBAL: u16 = 8;
const NONLOCAL: u16 = 16;
const ANNOT: u16 = 32;
const COMP_ITER: u16 = 64;
const TYPE_PARAM: u16 = 128;
/// Bound by an import.
const IMPORT: u16 = 256;
/// Bound by something else than an import.
const STORED: u16 = 512;
/// Class: methods mean a variable around the class by this name.
const FREE_CLASS: u16 = 1024;
const BOUND: u16 = LOCAL | PARAM | TYPE_PARAM | COMP_ITER;

#[derive(Debug)]
pub(super) struct Symbol {
    pub flags: u16,
    pub place: Place,
    declared: TextRange,
}

/// An annotated name of a class or module, and where it stands among those that are executed conditionally.
#[derive(Clone, Copy, Debug)]
pub(super) struct Annotated<'a> {
    pub stmt: &'a ast::StmtAnnAssign,
    pub conditional: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub kind: ScopeKind,
    pub name: String,
    pub parent: Option<ScopeId>,
    pub children: Vec<ScopeId>,
    pub symbols: HashMap<Rc<str>, Symbol>,
    /// Names in order of first appearance.
    pub order: Vec<Rc<str>>,
    /// Free variables, own and of inner scopes, sorted.
    pub free: Vec<Rc<str>>,
    /// The class that mangles private names here.
    pub private: Option<Rc<Private>>,
    pub generator: bool,
    pub coroutine: bool,
    /// Nested in a function.
    pub nested: bool,
    /// Contains an assignment expression (comprehensions inlined here included).
    pub walrus: bool,
    /// An annotation or type parameter scope whose names may be those of the class around it.
    pub sees_class: bool,
    /// Class: `__class__` is captured.
    pub class_cell: bool,
    /// Class: the namespace is captured (`__classdict__`).
    pub classdict: bool,
    /// Class: `__conditional_annotations__` is captured.
    pub conditional_cell: bool,
    pub conditional_annotations: bool,
    pub annotations: Vec<Annotated<'a>>,
    pub annotation_scope: Option<ScopeId>,
    in_conditional: bool,
    /// While this is set, a comprehension's iterable is looked at.
    in_comp_iter: u32,
    /// Comprehension: names (mangled) that assignment expressions in it have bound outside.
    walrus_targets: Vec<Rc<str>>,
    /// An asynchronous comprehension.
    pub is_async_comp: bool,
    /// What a lazily evaluated scope is, for messages.
    what: &'static str,
    /// The syntax node.
    range: TextRange,
}

#[derive(Debug)]
pub(super) struct SymTable<'a> {
    pub scopes: Vec<Scope<'a>>,
    map: HashMap<(usize, Role), ScopeId>,
    pub future_annotations: bool,
    pub barry: bool,
}

fn address<T>(node: &T) -> usize {
    std::ptr::from_ref(node) as usize
}

impl<'a> SymTable<'a> {
    /// The scope of a syntax node.
    pub fn scope_of<T>(&self, node: &T, role: Role) -> Option<ScopeId> {
        self.map.get(&(address(node), role)).copied()
    }
}

impl Scope<'_> {
    pub fn place(&self, name: &str) -> Option<Place> {
        self.symbols.get(name).map(|s| s.place)
    }

    /// Whether names may be those of a class, which comprehensions in this scope do not see.
    pub fn class_names(&self) -> bool {
        self.kind == ScopeKind::Class || self.sees_class
    }

    /// Whether names of this scope live in registers.
    pub fn function_like(&self) -> bool {
        !matches!(self.kind, ScopeKind::Module | ScopeKind::Class)
    }
}

/// What private names are mangled with.
#[derive(Debug)]
pub(super) struct Private {
    /// The name of the class.
    class: Box<str>,
    /// Only these names: the type parameters of the class, outside of its body.
    only: Option<Vec<String>>,
}

impl Private {
    fn new(class: &str, only: Option<Vec<String>>) -> Option<Rc<Private>> {
        Some(Rc::new(Private {
            class: class.into(),
            only,
        }))
    }
}

/// The mangled form of a private name (`__x` in class `C` is `_C__x`).
pub(super) fn mangle<'n>(private: Option<&Private>, name: &'n str) -> Cow<'n, str> {
    let Some(Private { class, only }) = private else {
        return Cow::Borrowed(name);
    };
    if only
        .as_ref()
        .is_some_and(|only| !only.iter().any(|n| n == name))
    {
        return Cow::Borrowed(name);
    }
    if !name.starts_with("__") || name.ends_with("__") || name.contains('.') {
        return Cow::Borrowed(name);
    }
    match class.trim_start_matches('_') {
        "" => Cow::Borrowed(name),
        class => Cow::Owned(format!("_{class}{name}")),
    }
}

/// Symbol tables of a module.
pub(super) fn build_module<'a>(
    src: &Source<'_>,
    body: &'a [Stmt],
    opts: &Options,
) -> Res<SymTable<'a>> {
    let mut b = Builder::new(src, opts);
    b.future(body)?;
    b.body(body)?;
    b.finish()
}

/// Symbol tables of an expression.
pub(super) fn build_expression<'a>(
    src: &Source<'_>,
    body: &'a Expr,
    opts: &Options,
) -> Res<SymTable<'a>> {
    let mut b = Builder::new(src, opts);
    b.expr(body)?;
    b.finish()
}

struct Builder<'s, 'a> {
    src: &'s Source<'s>,
    t: SymTable<'a>,
    cur: ScopeId,
    private: Option<Rc<Private>>,
    depth: u32,
}

impl<'s, 'a> Builder<'s, 'a> {
    fn new(src: &'s Source<'s>, opts: &Options) -> Self {
        let mut b = Builder {
            src,
            t: SymTable {
                scopes: Vec::new(),
                map: HashMap::new(),
                future_annotations: opts.future_annotations,
                barry: opts.barry,
            },
            cur: 0,
            private: None,
            depth: 0,
        };
        b.t.scopes
            .push(b.scope(ScopeKind::Module, "<module>", None));
        b
    }

    fn finish(mut self) -> Res<SymTable<'a>> {
        resolve::Resolver {
            src: self.src,
            t: &mut self.t,
        }
        .resolve(0, &HashSet::new(), None)?;
        Ok(self.t)
    }

    fn scope(&self, kind: ScopeKind, name: &str, parent: Option<ScopeId>) -> Scope<'a> {
        let nested = parent.is_some_and(|p| {
            let p = &self.t.scopes[p];
            p.nested
                || matches!(
                    p.kind,
                    ScopeKind::Function | ScopeKind::Lambda | ScopeKind::Genexpr
                )
        });
        Scope {
            kind,
            name: name.to_string(),
            parent,
            children: Vec::new(),
            symbols: HashMap::new(),
            order: Vec::new(),
            free: Vec::new(),
            private: self.private.clone(),
            generator: false,
            coroutine: false,
            nested,
            walrus: false,
            sees_class: false,
            class_cell: false,
            classdict: false,
            conditional_cell: false,
            conditional_annotations: false,
            annotations: Vec::new(),
            annotation_scope: None,
            in_conditional: false,
            in_comp_iter: parent.map_or(0, |p| self.t.scopes[p].in_comp_iter),
            walrus_targets: Vec::new(),
            is_async_comp: false,
            what: "",
            range: TextRange::default(),
        }
    }

    fn me(&mut self) -> &mut Scope<'a> {
        &mut self.t.scopes[self.cur]
    }

    /// Opens a scope; give what it returns to `leave`.
    fn enter<T: Ranged>(&mut self, kind: ScopeKind, name: &str, node: &T, role: Role) -> ScopeId {
        let outer = self.cur;
        let id = self.t.scopes.len();
        let mut scope = self.scope(kind, name, Some(outer));
        scope.range = node.range();
        self.t.scopes.push(scope);
        self.t.scopes[outer].children.push(id);
        self.t.map.insert((address(node), role), id);
        self.cur = id;
        outer
    }

    fn leave(&mut self, outer: ScopeId) {
        self.cur = outer;
    }

    /// The scope that owns the code being looked at (comprehensions are part of it).
    fn owner(&self) -> ScopeId {
        let mut id = self.cur;
        while self.t.scopes[id].kind == ScopeKind::Comp
            && let Some(p) = self.t.scopes[id].parent
        {
            id = p;
        }
        id
    }

    fn def_in(&mut self, id: ScopeId, name: &str, flags: u16, range: TextRange) -> Res {
        let name = mangle(self.private.as_deref(), name);
        let flags = match flags & (LOCAL | IMPORT) {
            LOCAL => flags | STORED,
            _ => flags,
        };
        let scope = &mut self.t.scopes[id];
        if let Some(s) = scope.symbols.get_mut(&*name) {
            if flags & PARAM != 0 && s.flags & PARAM != 0 {
                return Err(self.src.error(
                    range,
                    format!("duplicate argument '{name}' in function definition"),
                ));
            }
            if flags & TYPE_PARAM != 0 && s.flags & TYPE_PARAM != 0 {
                return Err(self
                    .src
                    .error(range, format!("duplicate type parameter '{name}'")));
            }
            // The first of several declarations counts.
            if flags & (GLOBAL | NONLOCAL) != 0 && s.flags & (GLOBAL | NONLOCAL) == 0 {
                s.declared = range;
            }
            s.flags |= flags;
            return Ok(());
        }
        let name: Rc<str> = Rc::from(&*name);
        scope.order.push(name.clone());
        scope.symbols.insert(
            name,
            Symbol {
                flags,
                place: Place::GlobalImplicit,
                declared: range,
            },
        );
        Ok(())
    }

    fn def(&mut self, name: &str, flags: u16, range: TextRange) -> Res {
        if flags & (LOCAL | PARAM | TYPE_PARAM) != 0 {
            self.check_name(name, range)?;
        }
        let flags = if self.t.scopes[self.cur].kind == ScopeKind::Comp && flags & LOCAL != 0 {
            flags | COMP_ITER
        } else {
            flags
        };
        self.def_in(self.cur, name, flags, range)
    }

    fn check_name(&self, name: &str, range: TextRange) -> Res {
        if name == "__debug__" {
            return Err(self.src.error(range, "cannot assign to __debug__"));
        }
        Ok(())
    }

    fn flags_of(&self, name: &str) -> u16 {
        let name = mangle(self.private.as_deref(), name);
        self.t.scopes[self.cur]
            .symbols
            .get(&*name)
            .map_or(0, |s| s.flags)
    }

    // Statements

    fn future(&mut self, body: &'a [Stmt]) -> Res {
        let mut open = true;
        for (i, stmt) in body.iter().enumerate() {
            match stmt {
                Stmt::ImportFrom(s)
                    if s.level == 0 && s.module.as_deref() == Some("__future__") =>
                {
                    for name in &s.names {
                        match name.name.as_str() {
                            "annotations" if open => self.t.future_annotations = true,
                            "barry_as_FLUFL" => self.t.barry = true,
                            "nested_scopes" | "generators" | "division" | "absolute_import"
                            | "with_statement" | "print_function" | "unicode_literals"
                            | "generator_stop" | "annotations" => {}
                            "braces" => return Err(self.src.error_at(name, "not a chance")),
                            other => {
                                let msg = format!("future feature {other} is not defined");
                                return Err(self.src.error_at(name, msg));
                            }
                        }
                    }
                    if !open {
                        let msg = "from __future__ imports must occur at the beginning of the file";
                        return Err(self.src.error_at(s, msg));
                    }
                }
                Stmt::Expr(s) if i == 0 && s.value.is_string_literal_expr() => {}
                _ => open = false,
            }
        }
        Ok(())
    }

    fn body(&mut self, body: &'a [Stmt]) -> Res {
        body.iter().try_for_each(|s| self.stmt(s))
    }

    /// A body that may not be executed.
    fn branch(&mut self, body: &'a [Stmt]) -> Res {
        let was = std::mem::replace(&mut self.me().in_conditional, true);
        self.body(body)?;
        self.me().in_conditional = was;
        Ok(())
    }

    fn stmt(&mut self, stmt: &'a Stmt) -> Res {
        match stmt {
            Stmt::FunctionDef(s) => self.function(s),
            Stmt::ClassDef(s) => self.class(s),
            Stmt::TypeAlias(s) => self.type_alias(s),
            Stmt::Return(s) => self.exprs(s.value.as_deref()),
            Stmt::Delete(s) => self.exprs(&s.targets),
            Stmt::Assign(s) => {
                self.expr(&s.value)?;
                self.exprs(&s.targets)
            }
            Stmt::AugAssign(s) => {
                if let Expr::Name(n) = &*s.target {
                    self.def(&n.id, USE | LOCAL, n.range)?;
                } else {
                    self.expr(&s.target)?;
                }
                self.expr(&s.value)
            }
            Stmt::AnnAssign(s) => self.ann_assign(s),
            Stmt::For(s) => {
                if s.is_async {
                    self.mark_await();
                }
                self.expr(&s.iter)?;
                self.expr(&s.target)?;
                self.branch(&s.body)?;
                self.branch(&s.orelse)
            }
            Stmt::While(s) => {
                self.expr(&s.test)?;
                self.branch(&s.body)?;
                self.branch(&s.orelse)
            }
            Stmt::If(s) => {
                self.expr(&s.test)?;
                self.branch(&s.body)?;
                for clause in &s.elif_else_clauses {
                    self.exprs(clause.test.as_ref())?;
                    self.branch(&clause.body)?;
                }
                Ok(())
            }
            Stmt::With(s) => {
                if s.is_async {
                    self.mark_await();
                }
                for item in &s.items {
                    self.expr(&item.context_expr)?;
                    self.exprs(item.optional_vars.as_deref())?;
                }
                self.branch(&s.body)
            }
            Stmt::Match(s) => {
                self.expr(&s.subject)?;
                for case in &s.cases {
                    self.pattern(&case.pattern)?;
                    self.exprs(case.guard.as_deref())?;
                    self.branch(&case.body)?;
                }
                Ok(())
            }
            Stmt::Raise(s) => {
                self.exprs(s.exc.as_deref())?;
                self.exprs(s.cause.as_deref())
            }
            Stmt::Try(s) => {
                self.branch(&s.body)?;
                for ast::ExceptHandler::ExceptHandler(h) in &s.handlers {
                    self.exprs(h.type_.as_deref())?;
                    if let Some(name) = &h.name {
                        self.def(name, LOCAL, name.range)?;
                    }
                    self.branch(&h.body)?;
                }
                self.branch(&s.orelse)?;
                self.branch(&s.finalbody)
            }
            Stmt::Assert(s) => {
                self.expr(&s.test)?;
                self.exprs(s.msg.as_deref())
            }
            Stmt::Import(s) => self.import(&s.names),
            Stmt::ImportFrom(s) => self.import(&s.names),
            Stmt::Global(s) => self.declare(&s.names, GLOBAL, s.range),
            Stmt::Nonlocal(s) => self.declare(&s.names, NONLOCAL, s.range),
            Stmt::Expr(s) => self.expr(&s.value),
            Stmt::Pass(_) | Stmt::Break(_) | Stmt::Continue(_) | Stmt::IpyEscapeCommand(_) => {
                Ok(())
            }
        }
    }

    fn import(&mut self, names: &'a [ast::Alias]) -> Res {
        for alias in names {
            if alias.name.as_str() == "*" {
                let before = self.src.text.get(..alias.range.start().to_usize());
                if before.is_some_and(|t| t.trim_end().ends_with('(')) {
                    return Err(self.src.error(alias.range, "invalid syntax"));
                }
                if self.t.scopes[self.cur].kind != ScopeKind::Module {
                    return Err(self
                        .src
                        .error(alias.range, "import * only allowed at module level"));
                }
                continue;
            }
            let bound = match &alias.asname {
                Some(name) => name.as_str(),
                None => alias.name.as_str().split('.').next().unwrap_or(""),
            };
            self.def(bound, LOCAL | IMPORT, alias.range)?;
        }
        Ok(())
    }

    fn declare(&mut self, names: &'a [ast::Identifier], flag: u16, range: TextRange) -> Res {
        let word = if flag == GLOBAL { "global" } else { "nonlocal" };
        for name in names {
            let flags = self.flags_of(name);
            let msg = if flags & PARAM != 0 {
                format!("name '{name}' is parameter and {word}")
            } else if flags & USE != 0 {
                format!("name '{name}' is used prior to {word} declaration")
            } else if flags & ANNOT != 0 {
                format!("annotated name '{name}' can't be {word}")
            } else if flags & LOCAL != 0 {
                format!("name '{name}' is assigned to before {word} declaration")
            } else {
                self.def_in(self.cur, name, flag, range)?;
                if flag == GLOBAL && self.cur != 0 {
                    // The module's own code means the global one too, whatever namespace it runs in.
                    self.def_in(0, name, flag, range)?;
                }
                continue;
            };
            return Err(self.src.error(range, msg));
        }
        Ok(())
    }

    fn ann_assign(&mut self, s: &'a ast::StmtAnnAssign) -> Res {
        if let Expr::Name(n) = &*s.target {
            let flags = self.flags_of(&n.id);
            if s.simple
                && flags & (GLOBAL | NONLOCAL) != 0
                && self.t.scopes[self.cur].kind != ScopeKind::Module
            {
                let word = if flags & GLOBAL != 0 {
                    "global"
                } else {
                    "nonlocal"
                };
                return Err(self
                    .src
                    .error_at(s, format!("annotated name '{}' can't be {word}", n.id)));
            }
            if s.simple {
                self.def(&n.id, ANNOT | LOCAL, n.range)?;
            } else if s.value.is_some() {
                self.def(&n.id, LOCAL, n.range)?;
            }
        } else {
            self.expr(&s.target)?;
        }
        self.own_annotation(s)?;
        self.exprs(s.value.as_deref())
    }

    /// The annotation of a variable: part of the `__annotate__` of the class or module.
    fn own_annotation(&mut self, s: &'a ast::StmtAnnAssign) -> Res {
        let kind = self.t.scopes[self.cur].kind;
        let deferred = matches!(kind, ScopeKind::Class | ScopeKind::Module);
        if self.t.future_annotations {
            if deferred && s.simple {
                self.def_in(self.cur, "__annotations__", USE, s.range)?;
            }
            return self.unused_annotation(s, &s.annotation);
        }
        let own = deferred && s.simple && s.target.is_name_expr();
        if own {
            let scope = self.me();
            let conditional = scope.in_conditional || kind == ScopeKind::Module;
            let mut number = None;
            if conditional {
                number = Some(
                    scope
                        .annotations
                        .iter()
                        .filter(|a| a.conditional.is_some())
                        .count() as u32,
                );
                scope.conditional_annotations = true;
            }
            scope.annotations.push(Annotated {
                stmt: s,
                conditional: number,
            });
        }
        let outer = if deferred && !own {
            // Never evaluated, but it has to be right.
            let outer = self.enter(ScopeKind::Annotation, "__annotate__", s, Role::Annotation);
            self.format_param();
            outer
        } else {
            self.annotation_scope(s, kind)
        };
        if own && kind == ScopeKind::Class && self.t.scopes[outer].conditional_annotations {
            self.def("__conditional_annotations__", USE, s.range)?;
        }
        self.expr(&s.annotation)?;
        self.leave(outer);
        Ok(())
    }

    /// An annotation that is kept as text: it has to be right, but uses nothing.
    fn unused_annotation<T: Ranged>(&mut self, node: &T, e: &'a Expr) -> Res {
        let outer = self.enter(
            ScopeKind::Annotation,
            "__annotate__",
            node,
            Role::Annotation,
        );
        self.expr(e)?;
        self.leave(outer);
        let id = self.t.scopes[outer].children.pop();
        self.t
            .map
            .retain(|key, s| *key != (address(node), Role::Annotation) || Some(*s) != id);
        Ok(())
    }

    /// Enters the scope of the annotations of the class, module or function being looked at.
    fn annotation_scope(&mut self, s: &'a ast::StmtAnnAssign, kind: ScopeKind) -> ScopeId {
        let outer = self.cur;
        if let Some(id) = self.t.scopes[outer].annotation_scope {
            self.cur = id;
            return outer;
        }
        self.enter(ScopeKind::Annotation, "__annotate__", s, Role::Annotation);
        self.t.scopes[outer].annotation_scope = Some(self.cur);
        self.format_param();
        if kind == ScopeKind::Class {
            self.sees_class();
        }
        outer
    }

    fn format_param(&mut self) {
        // Cannot fail: the scope is new.
        let _ = self.def(".format", PARAM, TextRange::default());
    }

    fn sees_class(&mut self) {
        self.me().sees_class = true;
        let _ = self.def("__classdict__", USE, TextRange::default());
    }

    /// Whether the scope around `cur` is a class or sees one.
    fn class_visible(&self, outer: ScopeId) -> bool {
        let o = &self.t.scopes[outer];
        o.kind == ScopeKind::Class || o.sees_class
    }

    fn function(&mut self, s: &'a ast::StmtFunctionDef) -> Res {
        for d in &s.decorator_list {
            self.expr(&d.expression)?;
        }
        self.def(&s.name, LOCAL, s.name.range)?;
        self.defaults(&s.parameters)?;
        let mut outer = None;
        if let Some(tp) = &s.type_params {
            let name = format!("<generic parameters of {}>", s.name);
            let o = self.enter_type_params(&name, s);
            self.me().range = s.name.range;
            outer = Some(o);
            let p = &s.parameters;
            if p.posonlyargs
                .iter()
                .chain(&p.args)
                .any(|p| p.default.is_some())
            {
                self.def(".defaults", PARAM, s.range)?;
            }
            if p.kwonlyargs.iter().any(|p| p.default.is_some()) {
                self.def(".kwdefaults", PARAM, s.range)?;
            }
            self.type_params(tp)?;
        }
        self.function_annotations(s)?;
        let o = self.enter(ScopeKind::Function, &s.name, s, Role::Body);
        self.me().range = s.name.range;
        self.me().coroutine = s.is_async;
        self.params(&s.parameters)?;
        self.body(&s.body)?;
        self.leave(o);
        if let Some(o) = outer {
            self.leave(o);
        }
        Ok(())
    }

    fn defaults(&mut self, p: &'a ast::Parameters) -> Res {
        p.iter_non_variadic_params()
            .try_for_each(|p| self.exprs(p.default.as_deref()))
    }

    fn params(&mut self, p: &'a ast::Parameters) -> Res {
        for q in p.iter_non_variadic_params() {
            self.def(&q.parameter.name, PARAM, q.parameter.range)?;
        }
        for q in [&p.vararg, &p.kwarg].into_iter().flatten() {
            self.def(&q.name, PARAM, q.range)?;
        }
        Ok(())
    }

    fn function_annotations(&mut self, s: &'a ast::StmtFunctionDef) -> Res {
        let p = &s.parameters;
        let mut all: Vec<&'a Expr> = p
            .iter_non_variadic_params()
            .filter_map(|q| q.parameter.annotation())
            .collect();
        all.extend(
            [&p.vararg, &p.kwarg]
                .into_iter()
                .flatten()
                .filter_map(|q| q.annotation()),
        );
        all.extend(s.returns.as_deref());
        if all.is_empty() {
            return Ok(());
        }
        let outer = self.cur;
        let sees = self.class_visible(outer);
        self.enter(ScopeKind::Annotation, "__annotate__", s, Role::Annotation);
        self.me().range = s.name.range;
        self.format_param();
        if sees {
            self.sees_class();
        }
        for e in all {
            if self.t.future_annotations {
                self.unused_annotation(e, e)?;
            } else {
                self.expr(e)?;
            }
        }
        self.leave(outer);
        Ok(())
    }

    fn enter_type_params<T: Ranged>(&mut self, name: &str, node: &T) -> ScopeId {
        let outer = self.cur;
        let sees = self.class_visible(outer);
        self.enter(ScopeKind::TypeParams, name, node, Role::TypeParams);
        if sees {
            self.sees_class();
        }
        outer
    }

    fn type_params(&mut self, params: &'a ast::TypeParams) -> Res {
        let mut defaulted = false;
        for p in &params.type_params {
            let (name, bound, default) = match p {
                ast::TypeParam::TypeVar(t) => (&t.name, t.bound.as_deref(), t.default.as_deref()),
                ast::TypeParam::TypeVarTuple(t) => (&t.name, None, t.default.as_deref()),
                ast::TypeParam::ParamSpec(t) => (&t.name, None, t.default.as_deref()),
            };
            if default.is_none() && defaulted {
                let msg =
                    format!("non-default type parameter '{name}' follows default type parameter");
                return Err(self.src.error_at(p, msg));
            }
            defaulted |= default.is_some();
            self.def(name, TYPE_PARAM | LOCAL, name.range)?;
            let what = match p {
                ast::TypeParam::TypeVar(_) => "a TypeVar default",
                ast::TypeParam::TypeVarTuple(_) => "a TypeVarTuple default",
                ast::TypeParam::ParamSpec(_) => "a ParamSpec default",
            };
            for (e, role) in [(bound, Role::Bound), (default, Role::Default)] {
                if let Some(e) = e {
                    let what = match role {
                        Role::Default => what,
                        _ if e.is_tuple_expr() => "a TypeVar constraint",
                        _ => "a TypeVar bound",
                    };
                    self.evaluator(ScopeKind::TypeVariable, name, e, p, role, what)?;
                }
            }
        }
        Ok(())
    }

    /// A scope that evaluates one expression lazily.
    fn evaluator<T: Ranged>(
        &mut self,
        kind: ScopeKind,
        name: &str,
        e: &'a Expr,
        node: &T,
        role: Role,
        what: &'static str,
    ) -> Res {
        let outer = self.cur;
        let sees = self.class_visible(outer);
        self.enter(kind, name, node, role);
        self.me().what = what;
        self.format_param();
        if sees {
            self.sees_class();
        }
        self.expr(e)?;
        self.leave(outer);
        Ok(())
    }

    fn class(&mut self, s: &'a ast::StmtClassDef) -> Res {
        for d in &s.decorator_list {
            self.expr(&d.expression)?;
        }
        self.def(&s.name, LOCAL, s.name.range)?;
        let mut outer = None;
        let private = self.private.clone();
        if let Some(tp) = &s.type_params {
            let name = format!("<generic parameters of {}>", s.name);
            outer = Some(self.enter_type_params(&name, s));
            self.me().range = s.name.range;
            let names = tp.iter().map(|p| p.name().to_string()).collect();
            self.private = Private::new(&s.name, Some(names));
            self.me().private = self.private.clone();
            self.def(".type_params", LOCAL, s.range)?;
            self.def(".type_params", USE, s.range)?;
            self.def(".generic_base", LOCAL, s.range)?;
            self.type_params(tp)?;
        }
        if let Some(args) = &s.arguments {
            self.exprs(&args.args)?;
            if let [Expr::Generator(g)] = &*args.args
                && !g.parenthesized
            {
                return Err(self.src.error_at(g, "invalid syntax"));
            }
            self.keywords(&args.keywords)?;
        }
        let o = self.enter(ScopeKind::Class, &s.name, s, Role::Body);
        self.me().range = s.name.range;
        self.private = Private::new(&s.name, None);
        self.me().private = self.private.clone();
        if s.type_params.is_some() {
            self.def(".type_params", USE, s.range)?;
        }
        self.body(&s.body)?;
        self.leave(o);
        self.private = private;
        if let Some(o) = outer {
            self.leave(o);
        }
        Ok(())
    }

    fn type_alias(&mut self, s: &'a ast::StmtTypeAlias) -> Res {
        let name = s.name.as_name_expr().map_or("", |n| n.id.as_str());
        self.def(name, LOCAL, s.name.range())?;
        let mut outer = None;
        if let Some(tp) = &s.type_params {
            outer = Some(self.enter_type_params(&format!("<generic parameters of {name}>"), s));
            self.type_params(tp)?;
        }
        self.evaluator(
            ScopeKind::TypeAlias,
            name,
            &s.value,
            s,
            Role::Body,
            "a type alias",
        )?;
        if let Some(o) = outer {
            self.leave(o);
        }
        Ok(())
    }

    fn pattern(&mut self, p: &'a Pattern) -> Res {
        match p {
            Pattern::MatchValue(p) => self.expr(&p.value),
            Pattern::MatchSingleton(_) => Ok(()),
            Pattern::MatchSequence(p) => p.patterns.iter().try_for_each(|p| self.pattern(p)),
            Pattern::MatchMapping(p) => {
                self.exprs(&p.keys)?;
                p.patterns.iter().try_for_each(|p| self.pattern(p))?;
                if let Some(n) = p.rest.as_ref().filter(|n| n.as_str() == "_") {
                    return Err(self.src.error_at(n, "invalid syntax"));
                }
                p.rest.iter().try_for_each(|n| self.def(n, LOCAL, n.range))
            }
            Pattern::MatchClass(p) => {
                self.expr(&p.cls)?;
                p.arguments
                    .patterns
                    .iter()
                    .try_for_each(|p| self.pattern(p))?;
                p.arguments.keywords.iter().try_for_each(|k| {
                    self.check_name(&k.attr, k.attr.range)?;
                    self.pattern(&k.pattern)
                })
            }
            Pattern::MatchStar(p) => p.name.iter().try_for_each(|n| self.def(n, LOCAL, n.range)),
            Pattern::MatchAs(p) => {
                if p.pattern.is_some() && p.name.is_none() {
                    return Err(self.src.error_at(p, "cannot use '_' as a target"));
                }
                p.pattern.iter().try_for_each(|p| self.pattern(p))?;
                p.name.iter().try_for_each(|n| self.def(n, LOCAL, n.range))
            }
            Pattern::MatchOr(p) => p.patterns.iter().try_for_each(|p| self.pattern(p)),
        }
    }

    // Expressions

    fn exprs(&mut self, all: impl IntoIterator<Item = &'a Expr>) -> Res {
        all.into_iter().try_for_each(|e| self.expr(e))
    }

    fn expr(&mut self, e: &'a Expr) -> Res {
        self.depth += 1;
        if self.depth > super::MAX_DEPTH {
            return Err(self.src.too_deep());
        }
        let result = self.expr_inner(e);
        self.depth -= 1;
        result
    }

    fn expr_inner(&mut self, e: &'a Expr) -> Res {
        match e {
            Expr::BoolOp(x) => self.exprs(&x.values),
            Expr::Named(x) => self.named(x),
            Expr::BinOp(x) => {
                self.expr(&x.left)?;
                self.expr(&x.right)
            }
            Expr::UnaryOp(x) => self.expr(&x.operand),
            Expr::Lambda(x) => self.lambda(x),
            Expr::If(x) => {
                self.expr(&x.test)?;
                self.expr(&x.body)?;
                self.expr(&x.orelse)
            }
            Expr::Dict(x) => x.items.iter().try_for_each(|i| {
                self.exprs(i.key.as_ref())?;
                self.expr(&i.value)
            }),
            Expr::Set(x) => self.exprs(&x.elts),
            Expr::ListComp(x) => {
                self.comprehension(x, ScopeKind::Comp, "<listcomp>", &x.generators, &[&x.elt])
            }
            Expr::SetComp(x) => {
                self.comprehension(x, ScopeKind::Comp, "<setcomp>", &x.generators, &[&x.elt])
            }
            Expr::DictComp(x) => self.comprehension(
                x,
                ScopeKind::Comp,
                "<dictcomp>",
                &x.generators,
                &[&x.key, &x.value],
            ),
            Expr::Generator(x) => {
                self.comprehension(x, ScopeKind::Genexpr, "<genexpr>", &x.generators, &[&x.elt])
            }
            Expr::Await(x) => {
                if !matches!(self.t.scopes[self.cur].kind, ScopeKind::Comp) {
                    self.not_in_annotation("await expression", e)?;
                }
                self.mark_await();
                self.expr(&x.value)
            }
            Expr::Yield(x) => {
                self.yields(e)?;
                self.exprs(x.value.as_deref())
            }
            Expr::YieldFrom(x) => {
                self.yields(e)?;
                self.expr(&x.value)
            }
            Expr::Compare(x) => {
                self.expr(&x.left)?;
                self.exprs(&x.comparators)
            }
            Expr::Call(x) => {
                self.expr(&x.func)?;
                self.exprs(&x.arguments.args)?;
                self.keywords(&x.arguments.keywords)
            }
            Expr::FString(x) => x.value.elements().try_for_each(|el| self.element(el)),
            Expr::TString(x) => x.value.elements().try_for_each(|el| self.element(el)),
            Expr::Attribute(x) => {
                if x.attr.as_str() == "__debug__" && x.ctx != ast::ExprContext::Load {
                    let del = x.ctx == ast::ExprContext::Del;
                    let what = if del { "delete" } else { "assign to" };
                    return Err(self.src.error_at(x, format!("cannot {what} __debug__")));
                }
                self.expr(&x.value)
            }
            Expr::Subscript(x) => {
                self.expr(&x.value)?;
                self.expr(&x.slice)
            }
            Expr::Starred(x) => self.expr(&x.value),
            Expr::Name(n) => self.name(n),
            Expr::List(x) => self.exprs(&x.elts),
            Expr::Tuple(x) => {
                self.bare_yields(&x.elts)?;
                self.exprs(&x.elts)
            }
            Expr::Slice(x) => {
                self.exprs(x.lower.as_deref())?;
                self.exprs(x.upper.as_deref())?;
                self.exprs(x.step.as_deref())
            }
            Expr::StringLiteral(_)
            | Expr::BytesLiteral(_)
            | Expr::NumberLiteral(_)
            | Expr::BooleanLiteral(_)
            | Expr::NoneLiteral(_)
            | Expr::EllipsisLiteral(_)
            | Expr::IpyEscapeCommand(_) => Ok(()),
        }
    }

    /// The parser takes a yield without parentheses for an item.
    fn bare_yields(&self, elts: &'a [Expr]) -> Res {
        let bare = elts.iter().find(|e| {
            matches!(e, Expr::Yield(_) | Expr::YieldFrom(_))
                && !self.src.is_synthetic()
                && !self.src.text[..e.range().start().to_usize()]
                    .trim_end()
                    .ends_with('(')
        });
        bare.map_or(Ok(()), |e| {
            let at = TextRange::at(e.range().start(), TextSize::new(5));
            Err(self.src.error(at, "invalid syntax"))
        })
    }

    fn keywords(&mut self, keywords: &'a [ast::Keyword]) -> Res {
        keywords.iter().try_for_each(|k| {
            if let Some(name) = &k.arg {
                self.check_name(name, name.range)?;
            }
            self.expr(&k.value)
        })
    }

    fn name(&mut self, n: &'a ast::ExprName) -> Res {
        let store = matches!(n.ctx, ast::ExprContext::Store | ast::ExprContext::Del);
        if n.id.as_str() == "__debug__" && n.ctx == ast::ExprContext::Del {
            return Err(self.src.error_at(n, "cannot delete __debug__"));
        }
        self.def(&n.id, if store { LOCAL } else { USE }, n.range)?;
        if !store && n.id.as_str() == "super" {
            let owner = self.owner();
            if self.t.scopes[owner].function_like() {
                self.def("__class__", USE, n.range)?;
            }
        }
        Ok(())
    }

    fn element(&mut self, el: &'a ast::InterpolatedStringElement) -> Res {
        if let ast::InterpolatedStringElement::Interpolation(i) = el {
            self.expr(&i.expression)?;
            if let Some(spec) = &i.format_spec {
                spec.elements.iter().try_for_each(|el| self.element(el))?;
            }
        }
        Ok(())
    }

    /// Yields, awaits and walruses may not stand in lazily evaluated scopes.
    fn not_in_annotation(&self, what: &str, e: &impl Ranged) -> Res {
        let owner = self.owner();
        let scope = &self.t.scopes[owner];
        let place = match scope.kind {
            ScopeKind::Annotation => "an annotation",
            ScopeKind::TypeVariable | ScopeKind::TypeAlias => scope.what,
            ScopeKind::TypeParams => "the definition of a generic",
            _ => return Ok(()),
        };
        Err(self
            .src
            .error_at(e, format!("{what} cannot be used within {place}")))
    }

    fn yields(&mut self, e: &'a Expr) -> Res {
        self.not_in_annotation("yield expression", e)?;
        let scope = &self.t.scopes[self.cur];
        if matches!(scope.kind, ScopeKind::Comp | ScopeKind::Genexpr) {
            let what = match scope.name.as_str() {
                "<listcomp>" => "list comprehension",
                "<setcomp>" => "set comprehension",
                "<dictcomp>" => "dict comprehension",
                _ => "generator expression",
            };
            return Err(self.src.error_at(e, format!("'yield' inside {what}")));
        }
        self.me().generator = true;
        Ok(())
    }

    /// An `await` makes the comprehensions around it asynchronous.
    fn mark_await(&mut self) {
        let mut id = self.cur;
        while matches!(self.t.scopes[id].kind, ScopeKind::Comp) {
            self.t.scopes[id].is_async_comp = true;
            let Some(p) = self.t.scopes[id].parent else {
                return;
            };
            id = p;
        }
        if matches!(
            self.t.scopes[id].kind,
            ScopeKind::Genexpr | ScopeKind::Module
        ) {
            self.t.scopes[id].coroutine = true;
        }
    }

    fn lambda(&mut self, x: &'a ast::ExprLambda) -> Res {
        if let Some(p) = &x.parameters {
            self.defaults(p)?;
        }
        let o = self.enter(ScopeKind::Lambda, "<lambda>", x, Role::Body);
        if let Some(p) = &x.parameters {
            self.params(p)?;
        }
        self.expr(&x.body)?;
        self.leave(o);
        Ok(())
    }

    fn named(&mut self, x: &'a ast::ExprNamed) -> Res {
        self.not_in_annotation("named expression", x)?;
        let owner = self.owner();
        self.t.scopes[owner].walrus = true;
        let Expr::Name(n) = &*x.target else {
            return self.expr(&x.value);
        };
        if self.t.scopes[self.cur].in_comp_iter > 0 {
            let msg = "assignment expression cannot be used in a comprehension iterable expression";
            return Err(self.src.error_at(x, msg));
        }
        if matches!(
            self.t.scopes[self.cur].kind,
            ScopeKind::Comp | ScopeKind::Genexpr
        ) {
            self.named_in_comprehension(n)?;
        } else {
            self.def(&n.id, LOCAL, n.range)?;
        }
        self.expr(&x.value)
    }

    /// The target of a walrus in a comprehension belongs to the function around it.
    fn named_in_comprehension(&mut self, n: &'a ast::ExprName) -> Res {
        self.check_name(&n.id, n.range)?;
        let mut id = self.cur;
        let mut genexprs = Vec::new();
        loop {
            let scope = &self.t.scopes[id];
            let mangled = mangle(self.private.as_deref(), &n.id);
            match scope.kind {
                ScopeKind::Comp | ScopeKind::Genexpr => {
                    if scope.in_comp_iter > 0 {
                        let msg = "assignment expression cannot be used in a comprehension iterable expression";
                        return Err(self.src.error_at(n, msg));
                    }
                    if scope
                        .symbols
                        .get(&*mangled)
                        .is_some_and(|s| s.flags & COMP_ITER != 0)
                    {
                        let msg = format!(
                            "assignment expression cannot rebind comprehension iteration variable '{}'",
                            n.id
                        );
                        return Err(self.src.error_at(n, msg));
                    }
                    if scope.kind == ScopeKind::Genexpr {
                        genexprs.push(id);
                    }
                    let target = Rc::from(&*mangled);
                    let parent = scope.parent;
                    self.t.scopes[id].walrus_targets.push(target);
                    let Some(parent) = parent else { return Ok(()) };
                    id = parent;
                }
                ScopeKind::Class => {
                    let msg = "assignment expression within a comprehension cannot be used in a class body";
                    return Err(self.src.error_at(n, msg));
                }
                kind => {
                    let global = kind == ScopeKind::Module
                        || scope
                            .symbols
                            .get(&*mangled)
                            .is_some_and(|s| s.flags & GLOBAL != 0);
                    let flag = if global { GLOBAL } else { NONLOCAL };
                    for g in genexprs {
                        self.def_in(g, &n.id, flag, n.range)?;
                    }
                    return self.def_in(id, &n.id, LOCAL, n.range);
                }
            }
        }
    }

    fn comprehension<T: Ranged>(
        &mut self,
        node: &'a T,
        kind: ScopeKind,
        name: &str,
        generators: &'a [ast::Comprehension],
        elts: &[&'a Expr],
    ) -> Res {
        let Some(first) = generators.first() else {
            return Ok(());
        };
        // The outermost iterable is evaluated outside.
        self.t.scopes[self.cur].in_comp_iter += 1;
        self.expr(&first.iter)?;
        self.t.scopes[self.cur].in_comp_iter -= 1;
        let outer = self.enter(kind, name, node, Role::Body);
        if kind == ScopeKind::Genexpr {
            self.def(".0", PARAM, first.range)?;
            self.me().generator = true;
        }
        for (i, g) in generators.iter().enumerate() {
            if i > 0 {
                self.me().in_comp_iter += 1;
                self.expr(&g.iter)?;
                self.me().in_comp_iter -= 1;
            }
            self.comp_target(&g.target)?;
            self.exprs(&g.ifs)?;
            if g.is_async {
                self.mark_await();
            }
        }
        self.exprs(elts.iter().copied())?;
        let id = self.cur;
        self.leave_comprehension(outer, kind)?;
        let lazy = matches!(
            self.t.scopes[outer].kind,
            ScopeKind::Annotation
                | ScopeKind::TypeParams
                | ScopeKind::TypeAlias
                | ScopeKind::TypeVariable
        );
        if kind == ScopeKind::Comp && lazy && self.t.scopes[id].is_async_comp {
            let msg = "asynchronous comprehension outside of an asynchronous function";
            return Err(self.src.error_at(node, msg));
        }
        Ok(())
    }

    fn comp_target(&mut self, target: &'a Expr) -> Res {
        match target {
            Expr::Name(n) => {
                self.check_name(&n.id, n.range)?;
                let mangled = mangle(self.private.as_deref(), &n.id);
                if self.me().walrus_targets.iter().any(|w| **w == *mangled) {
                    let msg = format!(
                        "comprehension inner loop cannot rebind assignment expression target '{}'",
                        n.id
                    );
                    return Err(self.src.error_at(n, msg));
                }
                self.def_in(self.cur, &n.id, LOCAL | COMP_ITER, n.range)
            }
            Expr::Tuple(t) => t.elts.iter().try_for_each(|e| self.comp_target(e)),
            Expr::List(t) => t.elts.iter().try_for_each(|e| self.comp_target(e)),
            Expr::Starred(s) => self.comp_target(&s.value),
            other => self.expr(other),
        }
    }

    /// What an inlined comprehension uses but does not bind, the scope around it uses (unless that is a class).
    fn leave_comprehension(&mut self, outer: ScopeId, kind: ScopeKind) -> Res {
        let id = self.cur;
        self.leave(outer);
        if kind != ScopeKind::Comp {
            return Ok(());
        }
        if self.t.scopes[id].is_async_comp
            && matches!(
                self.t.scopes[outer].kind,
                ScopeKind::Comp | ScopeKind::Genexpr
            )
        {
            self.mark_await();
        }
        if self.t.scopes[outer].class_names() {
            return Ok(());
        }
        let used: Vec<Rc<str>> = self.t.scopes[id]
            .order
            .iter()
            .filter(|n| self.t.scopes[id].symbols[*n].flags & BOUND == 0)
            .cloned()
            .collect();
        for name in used {
            // Already mangled.
            let private = self.private.take();
            let result = self.def_in(outer, &name, USE, TextRange::default());
            self.private = private;
            result?;
        }
        Ok(())
    }
}
