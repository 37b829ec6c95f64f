//! Functions, lambdas, classes, type parameters and annotations: everything that is a code object of its own.

use super::assemble::{Dest, Opnd, Unit};
use super::bytecode::*;
use super::call::{Extra, NO_SELF};
use super::consts::str_const;
use super::consts::string_value;
use super::source::span;
use super::symtable::{Annotated, PARAM, Place, Role, ScopeId, ScopeKind};
use super::{Compiler, Mode, Res, unparse};
use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};
use std::rc::Rc;

/// MakeFunction's argument bits.
const DEFAULTS: u8 = 1;
const KW_DEFAULTS: u8 = 2;
const ANNOTATE: u8 = 4;
const CLOSURE: u8 = 8;

impl<'a> Compiler<'a> {
    // Units

    /// The module's code.
    pub(super) fn module_unit(&mut self, body: &'a [Stmt]) -> Res<CodeProto> {
        let unit = self.new_unit(0, "<module>");
        self.open_unit(unit);
        if self.sym.future_annotations {
            self.u.flags |= flags::FUTURE_ANNOTATIONS;
        }
        if self.sym.barry {
            self.u.flags |= flags::FUTURE_BARRY;
        }
        let top_level = self.opts.top_level_await && self.sym.scopes[0].coroutine;
        if top_level {
            self.u.flags |= flags::COROUTINE;
            self.start_generator();
        }
        self.module_annotations(body);
        let mut body = body;
        if self.mode == Mode::Exec
            && let Some((doc, rest)) = docstring(body)
        {
            if self.opts.optimize < 2 {
                self.at_node(doc);
                let text = clean_doc(&string_value(self.src, doc));
                let t = self.load_k(Const::Str(text.into()), Dest::Push);
                self.store_name("__doc__", Opnd::temp(t));
                self.u.sp = t;
            }
            body = rest;
        }
        self.module_annotate()?;
        self.body(body)?;
        self.end_function(top_level)
    }

    /// The code of an expression, which it returns.
    pub(super) fn eval_unit(&mut self, e: &'a Expr) -> Res<CodeProto> {
        let unit = self.new_unit(0, "<module>");
        self.open_unit(unit);
        let top_level = self.opts.top_level_await && self.sym.scopes[0].coroutine;
        if top_level {
            self.u.flags |= flags::COROUTINE;
            self.start_generator();
        }
        self.return_expr(e)?;
        self.end_function(top_level)
    }

    fn module_annotations(&mut self, body: &[Stmt]) {
        let scope = &self.sym.scopes[0];
        if self.sym.future_annotations && has_annotation(body) {
            self.emit(Op::SetupAnnotations, 0, 0, 0, 0);
        }
        if scope.conditional_annotations {
            let t = self.u.alloc();
            self.emit(Op::BuildSet, 0, t, t, 0);
            self.store_name("__conditional_annotations__", Opnd::temp(t));
            self.u.sp = t;
        }
    }

    fn module_annotate(&mut self) -> Res {
        let scope = &self.sym.scopes[0];
        if let Some(id) = scope.annotation_scope {
            let annotations = &scope.annotations;
            let range = annotations[0].stmt.range;
            let t = self.annotate_of_body(id, annotations, range)?;
            self.store_name("__annotate__", Opnd::temp(t));
            self.u.sp = t;
        }
        Ok(())
    }

    /// A unit for `scope` with its registers.
    fn new_unit(&self, id: ScopeId, name: &str) -> Unit<'a> {
        let scope = &self.sym.scopes[id];
        let mut u = Unit::new(id);
        u.name = name.to_string();
        u.qualname = if id == 0 {
            name.to_string()
        } else {
            self.qualname(name)
        };
        u.private = scope.private.clone();
        if scope.function_like() {
            self.function_locals(id, &mut u);
        } else if scope.kind == ScopeKind::Class {
            let cells = [
                (scope.class_cell, "__class__"),
                (scope.classdict, "__classdict__"),
                (scope.conditional_cell, "__conditional_annotations__"),
            ];
            for (present, name) in cells {
                if present {
                    let reg = u.add_local(name, LocalKind::Cell);
                    u.regs.insert(own_cell(name), reg);
                }
            }
        }
        for name in &scope.free {
            let reg = u.add_local(name, LocalKind::Free);
            u.regs.insert(name.clone(), reg);
        }
        let mut pool = Vec::new();
        self.hidden_locals(id, &mut u, &mut pool, &mut Vec::new());
        u.start_temps();
        u
    }

    fn function_locals(&self, id: ScopeId, u: &mut Unit<'a>) {
        let scope = &self.sym.scopes[id];
        let rename = scope.kind == ScopeKind::Annotation;
        let mut groups: [Vec<(&Rc<str>, LocalKind)>; 3] = Default::default();
        for name in &scope.order {
            let s = &scope.symbols[name];
            let kind = match s.place {
                Place::Local => LocalKind::Fast,
                Place::Cell => LocalKind::Cell,
                _ => continue,
            };
            let group = match (s.flags & PARAM != 0, kind) {
                (true, _) => 0,
                (false, LocalKind::Fast) => 1,
                _ => 2,
            };
            groups[group].push((name, kind));
        }
        for (name, kind) in groups.into_iter().flatten() {
            let shown = if rename && &**name == ".format" {
                "format"
            } else {
                name
            };
            let reg = u.add_local(shown, kind);
            u.regs.insert(name.clone(), reg);
        }
    }

    /// Gives the names of inlined comprehensions registers; comprehensions that are not nested share those of a name.
    fn hidden_locals(
        &self,
        id: ScopeId,
        u: &mut Unit<'a>,
        pool: &mut Vec<(Rc<str>, bool, u16)>,
        active: &mut Vec<u16>,
    ) {
        for &child in &self.sym.scopes[id].children {
            let scope = &self.sym.scopes[child];
            if scope.kind != ScopeKind::Comp {
                continue;
            }
            let before = active.len();
            for name in &scope.order {
                let cell = match scope.symbols[name].place {
                    Place::Local => false,
                    Place::Cell => true,
                    _ => continue,
                };
                let free = pool
                    .iter()
                    .find(|(n, c, r)| n == name && *c == cell && !active.contains(r));
                let reg = match free {
                    Some(&(_, _, r)) => r,
                    None => {
                        let r = u.add_local(name, LocalKind::Hidden);
                        pool.push((name.clone(), cell, r));
                        r
                    }
                };
                u.hidden.insert((child, name.clone()), reg);
                active.push(reg);
            }
            self.hidden_locals(child, u, pool, active);
            active.truncate(before);
        }
    }

    fn qualname(&self, name: &str) -> String {
        let mut parent = &self.u;
        let mut scope = &self.sym.scopes[parent.scope];
        if scope.kind == ScopeKind::TypeParams
            && let Some(p) = self.outer.last()
        {
            parent = p;
            scope = &self.sym.scopes[p.scope];
        }
        if scope.kind == ScopeKind::Module {
            return name.to_string();
        }
        let mangled = self.mangled(name);
        if matches!(scope.kind, ScopeKind::Function | ScopeKind::Class)
            && scope.place(&mangled) == Some(Place::GlobalExplicit)
        {
            return name.to_string();
        }
        if matches!(scope.kind, ScopeKind::Function | ScopeKind::Lambda) {
            format!("{}.<locals>.{name}", parent.qualname)
        } else {
            format!("{}.{name}", parent.qualname)
        }
    }

    /// Opens the unit of a function: registers and prologue.
    pub(super) fn enter_function(
        &mut self,
        id: ScopeId,
        name: &str,
        range: TextRange,
        p: Option<&ast::Parameters>,
    ) {
        let mut u = self.new_unit(id, name);
        let scope = &self.sym.scopes[id];
        u.first_line = self.src.line(range.start());
        u.flags = flags::OPTIMIZED | flags::NEWLOCALS;
        if scope.nested {
            u.flags |= flags::NESTED;
        }
        if self.sym.future_annotations {
            u.flags |= flags::FUTURE_ANNOTATIONS;
        }
        if self.sym.barry {
            u.flags |= flags::FUTURE_BARRY;
        }
        u.flags |= match (scope.generator, scope.coroutine) {
            (true, true) => flags::ASYNC_GENERATOR,
            (true, false) => flags::GENERATOR,
            (false, true) => flags::COROUTINE,
            _ => 0,
        };
        if self.sym.scopes[self.u.scope].kind == ScopeKind::Class
            && scope.kind == ScopeKind::Function
        {
            u.flags |= flags::METHOD;
        }
        match p {
            Some(p) => {
                u.posonly = p.posonlyargs.len() as u16;
                u.argcount = u.posonly + p.args.len() as u16;
                u.kwonly = p.kwonlyargs.len() as u16;
                if p.vararg.is_some() {
                    u.flags |= flags::VARARGS;
                }
                if p.kwarg.is_some() {
                    u.flags |= flags::VARKEYWORDS;
                }
            }
            None => {
                let n = scope
                    .symbols
                    .values()
                    .filter(|s| s.flags & PARAM != 0)
                    .count() as u16;
                u.argcount = n;
                if scope.kind != ScopeKind::Genexpr {
                    u.posonly = n;
                }
            }
        }
        self.open_unit(u);
        self.prologue();
        self.at(TextRange::empty(range.start()));
    }

    /// CopyFree and MakeCell.
    fn prologue(&mut self) {
        self.at_nowhere();
        let kinds: Vec<LocalKind> = self.u.locals.iter().map(|(_, k)| *k).collect();
        if let Some(first) = kinds.iter().position(|k| *k == LocalKind::Free) {
            let n = kinds.iter().filter(|k| **k == LocalKind::Free).count();
            self.emit(Op::CopyFree, 0, first as u16, n as u16, 0);
        }
        for (i, kind) in kinds.iter().enumerate() {
            if *kind == LocalKind::Cell {
                self.emit(Op::MakeCell, 0, i as u16, 0, 0);
            }
        }
    }

    /// Makes the generator object; from here on a StopIteration that escapes is an error.
    pub(super) fn start_generator(&mut self) {
        self.emit(Op::ReturnGenerator, 0, 0, 0, 0);
        let h = self.u.new_handler();
        self.u.handler = h;
        self.u.base_handler = h;
    }

    /// Closes a function whose end is reached without a value.
    pub(super) fn end_function(&mut self, generator: bool) -> Res<CodeProto> {
        let k = self.u.const_index(Const::None);
        self.at_nowhere();
        self.emit(Op::ReturnK, 0, 0, k, 0);
        if generator {
            let h = self.u.base_handler;
            self.u.handler = super::assemble::NO_HANDLER;
            let exc = self.u.bind_handler(h);
            self.at_nowhere();
            self.intrinsic(Intrinsic::StopIterationError, exc, exc);
            self.emit(Op::Reraise, XA, exc, 0, 0);
        }
        self.close_unit()
    }

    // Functions

    /// r = function of `code`, whose pieces lie from `first` on.
    pub(super) fn make_function(
        &mut self,
        code: CodeProto,
        scope: ScopeId,
        mut arg: u8,
        first: u16,
        dest: Dest,
    ) -> u16 {
        let (cells, n) = self.load_cells(scope);
        if n > 0 {
            self.u.sp = cells + 1;
            self.emit(Op::BuildTuple, 0, cells, cells, n);
            arg |= CLOSURE;
        }
        let k = self.u.const_index(Const::Code(Box::new(code)));
        self.u.sp = first;
        let d = self.u.dest(dest);
        self.emit(Op::MakeFunction, arg << XARG, d, k, first);
        d
    }

    /// Pushes the cells of the free variables of an inner function: the first one's register, and their number.
    pub(super) fn load_cells(&mut self, scope: ScopeId) -> (u16, u16) {
        let sym = self.sym;
        let free = &sym.scopes[scope].free;
        let cells = self.u.alloc_n(free.len());
        for (i, name) in free.iter().enumerate() {
            let reg = self.cell_reg(name);
            self.emit(Op::LoadCell, 0, cells.wrapping_add(i as u16), reg, 0);
        }
        (cells, free.len() as u16)
    }

    /// The register of the cell of a name that an inner function captures.
    fn cell_reg(&self, name: &str) -> u16 {
        for &comp in self.u.comps.iter().rev() {
            let scope = &self.sym.scopes[comp];
            if scope.place(name) == Some(Place::Cell)
                && let Some((key, _)) = scope.symbols.get_key_value(name)
                && let Some(&reg) = self.u.hidden.get(&(comp, key.clone()))
            {
                return reg;
            }
        }
        let own = self.u.regs.get(&own_cell(name));
        own.or_else(|| self.u.regs.get(name)).copied().unwrap_or(0)
    }

    pub(super) fn lambda(&mut self, l: &'a ast::ExprLambda, dest: Dest) -> Res<u16> {
        let Some(scope) = self.sym.scope_of(l, Role::Body) else {
            return self.err(l.range, "invalid syntax");
        };
        let first = self.u.sp;
        let mut arg = 0;
        if let Some(p) = &l.parameters {
            arg = self.defaults(p)?;
        }
        self.enter_function(scope, "<lambda>", l.range, l.parameters.as_deref());
        let generator = self.sym.scopes[scope].generator;
        if generator {
            self.start_generator();
        }
        self.return_expr(&l.body)?;
        let code = self.end_function(generator)?;
        self.at_node(l);
        Ok(self.make_function(code, scope, arg, first, dest))
    }

    /// Pushes the defaults tuple and keyword defaults dict that there are.
    fn defaults(&mut self, p: &'a ast::Parameters) -> Res<u8> {
        let mut arg = 0;
        let positional: Vec<&'a Expr> = p
            .posonlyargs
            .iter()
            .chain(&p.args)
            .filter_map(|p| p.default.as_deref())
            .collect();
        if let (Some(first), Some(last)) = (positional.first(), positional.last()) {
            arg |= DEFAULTS;
            let range = span(first.range(), last.range());
            if let Some(items) = positional
                .iter()
                .map(|e| self.fold(e))
                .collect::<Option<Vec<_>>>()
            {
                self.at(range);
                self.load_k(Const::Tuple(items), Dest::Push);
            } else {
                let t = self.u.sp;
                for e in &positional {
                    self.push(e)?;
                }
                self.at(range);
                self.emit(Op::BuildTuple, 0, t, t, positional.len() as u16);
                self.u.sp = t;
                self.u.alloc();
            }
        }
        let t = self.u.sp;
        let mut n = 0;
        for q in &p.kwonlyargs {
            if let Some(e) = &q.default {
                let name = self.mangled(&q.parameter.name).into_owned();
                self.at_node(&**e);
                self.push_str(&name);
                self.push(e)?;
                n += 1;
            }
        }
        if n > 0 {
            arg |= KW_DEFAULTS;
            self.emit(Op::BuildMap, 0, t, t, n);
            self.u.sp = t;
            self.u.alloc();
        }
        Ok(arg)
    }

    pub(super) fn function_def(&mut self, s: &'a ast::StmtFunctionDef) -> Res {
        let dest = self.name_dest(&s.name);
        let range = self.src.after_decorators(&s.decorator_list, s.range);
        let first_line = s
            .decorator_list
            .first()
            .map_or(range, |d| d.expression.range());
        let r = self.decorated(
            &s.decorator_list,
            |c, dest| c.function_object(s, range, first_line, dest),
            dest,
        )?;
        self.at(range);
        self.u.line();
        self.store_result(&s.name, r, dest);
        Ok(())
    }

    /// A local that a definition may be made in directly.
    fn name_dest(&self, name: &str) -> Dest {
        match self.access(name) {
            super::expr::Access::Fast(r) => Dest::Local(r),
            _ => Dest::Push,
        }
    }

    fn store_result(&mut self, name: &str, r: u16, dest: Dest) {
        if let Dest::Push = dest {
            self.store_name(name, Opnd::temp(r));
            self.u.sp = r;
        }
    }

    fn function_object(
        &mut self,
        s: &'a ast::StmtFunctionDef,
        range: TextRange,
        first_line: TextRange,
        dest: Dest,
    ) -> Res<u16> {
        let Some(tp) = &s.type_params else {
            let first = self.u.sp;
            let arg = self.defaults(&s.parameters)?;
            return self.function_pieces(s, range, first_line, first, arg, dest);
        };
        let base = self.u.alloc_n(2);
        let arg = self.defaults(&s.parameters)?;
        let Some(scope) = self.sym.scope_of(s, Role::TypeParams) else {
            return self.err(range, "invalid syntax");
        };
        let n = self.u.sp - base - 2;
        self.enter_function(
            scope,
            &format!("<generic parameters of {}>", s.name),
            first_line,
            None,
        );
        // The function goes below its type parameters.
        let function = self.u.alloc();
        self.type_params(tp, range)?;
        let first = self.u.sp;
        for name in [".defaults", ".kwdefaults"] {
            if self.u.regs.contains_key(name) {
                self.at(range);
                self.load_name(name, Dest::Push);
            }
        }
        let made = self.function_pieces(s, range, first_line, first, arg, Dest::Push)?;
        self.mov(Opnd::temp(made), function);
        self.intrinsic(Intrinsic::SetFunctionTypeParams, function, function);
        self.emit(Op::Return, XA, function, 0, 0);
        let code = self.close_unit()?;
        self.at(range);
        let t = self.make_function(code, scope, 0, self.u.sp, Dest::Push);
        self.mov(Opnd::temp(t), base);
        Ok(self.call_plain(base, n, dest))
    }

    /// The function itself, given that its defaults lie from `first` on.
    fn function_pieces(
        &mut self,
        s: &'a ast::StmtFunctionDef,
        range: TextRange,
        first_line: TextRange,
        first: u16,
        mut arg: u8,
        dest: Dest,
    ) -> Res<u16> {
        if let Some(id) = self.sym.scope_of(s, Role::Annotation) {
            self.function_annotate(s, id, range)?;
            arg |= ANNOTATE;
        }
        let Some(scope) = self.sym.scope_of(s, Role::Body) else {
            return self.err(range, "invalid syntax");
        };
        self.enter_function(scope, &s.name, first_line, Some(&s.parameters));
        let code = self.function_body(&s.body, scope)?;
        self.at(range);
        Ok(self.make_function(code, scope, arg, first, dest))
    }

    fn function_body(&mut self, body: &'a [Stmt], scope: ScopeId) -> Res<CodeProto> {
        let mut body = body;
        if let Some((doc, rest)) = docstring(body) {
            if self.opts.optimize < 2 {
                let text = clean_doc(&string_value(self.src, doc));
                self.u.const_index(Const::Str(text.into()));
                self.u.flags |= flags::HAS_DOCSTRING;
            }
            body = rest;
        }
        let generator = self.sym.scopes[scope].generator || self.sym.scopes[scope].coroutine;
        if generator {
            self.start_generator();
        }
        self.body(body)?;
        self.end_function(generator)
    }

    // Annotations

    /// The part of an annotation function that refuses formats it does not know.
    fn check_format(&mut self) {
        let ok = self.u.label();
        let k = self.u.const_index(Const::Int(2));
        self.u.jump_op(Op::JumpGtK, 0, 0, k, ok);
        let t = self.load_global("NotImplementedError", Dest::Push);
        self.emit(Op::Raise, XB | 1 << XARG, 0, t, 0);
        self.u.sp = t;
        self.u.bind(ok);
    }

    /// The value of an annotation.
    fn annotation_value(&mut self, e: &'a Expr) -> Res<u16> {
        if self.sym.future_annotations {
            self.at_node(e);
            return Ok(self.push_str(&unparse::unparse(self.src, e)));
        }
        if let Expr::Starred(s) = e {
            // `*args: *Ts`
            let t = self.push(&s.value)?;
            self.at_node(e);
            self.emit(Op::UnpackSeq, XB, t, t, 1);
            return Ok(t);
        }
        self.push(e)
    }

    /// Pushes the `__annotate__` of a function.
    fn function_annotate(
        &mut self,
        s: &'a ast::StmtFunctionDef,
        id: ScopeId,
        range: TextRange,
    ) -> Res<u16> {
        let p = &s.parameters;
        self.enter_function(id, "__annotate__", range, None);
        // It is called after the function.
        let outer = self.u.qualname.len() - "__annotate__".len();
        self.u.qualname.insert_str(outer, &format!("{}.", s.name));
        self.check_format();
        let map = self.u.alloc();
        self.emit(Op::BuildMap, 0, map, map, 0);
        let variadic = |q: &'a Option<Box<ast::Parameter>>| q.as_deref();
        let positional = p.posonlyargs.iter().chain(&p.args).map(|q| &q.parameter);
        let all = positional
            .chain(variadic(&p.vararg))
            .chain(p.kwonlyargs.iter().map(|q| &q.parameter))
            .chain(variadic(&p.kwarg))
            .filter_map(|q| Some((q.name.as_str(), q.annotation()?)))
            .chain(s.returns.as_deref().map(|e| ("return", e)));
        for (name, e) in all {
            self.annotation_entry(map, name, e)?;
        }
        self.emit(Op::Return, XA, map, 0, 0);
        let code = self.close_unit()?;
        self.at(range);
        Ok(self.make_function(code, id, 0, self.u.sp, Dest::Push))
    }

    fn annotation_entry(&mut self, map: u16, name: &str, e: &'a Expr) -> Res {
        let name = self.mangled(name).into_owned();
        self.at_node(e);
        let key = self.push_str(&name);
        let value = self.annotation_value(e)?;
        self.at_node(e);
        self.emit(Op::MapAdd, XB | XC, map, key, value);
        self.u.sp = map + 1;
        Ok(())
    }

    /// Pushes the `__annotate__` of a class or module.
    fn annotate_of_body(
        &mut self,
        id: ScopeId,
        all: &[Annotated<'a>],
        range: TextRange,
    ) -> Res<u16> {
        self.enter_function(id, "__annotate__", range, None);
        self.check_format();
        let map = self.u.alloc();
        self.emit(Op::BuildMap, 0, map, map, 0);
        for a in all {
            let Expr::Name(name) = &*a.stmt.target else {
                continue;
            };
            let skip = self.u.label();
            if let Some(number) = a.conditional {
                self.at_node(a.stmt);
                let k = self.load_k(Const::Int(i64::from(number)), Dest::Push);
                let set = self.load_conditional_set();
                self.emit(Op::Contains, XB | XC, k, k, set);
                self.u.jump_op(Op::JumpFalse, XA, k, 0, skip);
                self.u.sp = map + 1;
            }
            self.annotation_entry(map, &name.id, &a.stmt.annotation)?;
            self.u.bind(skip);
        }
        self.emit(Op::Return, XA, map, 0, 0);
        let code = self.close_unit()?;
        self.at(range);
        Ok(self.make_function(code, id, 0, self.u.sp, Dest::Push))
    }

    /// Pushes the set of the conditional annotations that were executed.
    fn load_conditional_set(&mut self) -> u16 {
        const NAME: &str = "__conditional_annotations__";
        match self
            .u
            .regs
            .get(&own_cell(NAME))
            .or_else(|| self.u.regs.get(NAME))
            .copied()
        {
            Some(reg) => {
                let t = self.u.alloc();
                self.emit(Op::LoadDeref, 0, t, reg, 0);
                t
            }
            None if self.sym.scopes[self.u.scope].function_like() => {
                self.load_global(NAME, Dest::Push)
            }
            None => self.load_name(NAME, Dest::Push),
        }
    }

    /// The effect of an annotation of a variable where it stands.
    pub(super) fn annotation_statement(&mut self, s: &'a ast::StmtAnnAssign) -> Res {
        let scope = &self.sym.scopes[self.u.scope];
        if !matches!(scope.kind, ScopeKind::Module | ScopeKind::Class) {
            return Ok(());
        }
        let sp = self.u.sp;
        let name = s.target.as_name_expr().filter(|_| s.simple);
        match name {
            Some(n) if self.sym.future_annotations => {
                let name = self.mangled(&n.id).into_owned();
                let value = self.annotation_value(&s.annotation)?;
                self.at_node(s);
                let map = self.load_name("__annotations__", Dest::Push);
                let key = self.push_str(&name);
                self.emit(Op::SetItem, XA | XB | XC, map, key, value);
            }
            Some(_) => {
                let found = scope.annotations.iter().find(|a| std::ptr::eq(a.stmt, s));
                if let Some(number) = found.and_then(|a| a.conditional) {
                    self.at_node(s);
                    let set = self.load_conditional_set();
                    let k = self.load_k(Const::Int(i64::from(number)), Dest::Push);
                    self.emit(Op::SetAdd, XB, set, k, 0);
                    self.clear(set);
                }
            }
            None => {}
        }
        self.u.sp = sp;
        Ok(())
    }

    // Type parameters

    /// Stores the type parameters and pushes the tuple of them.
    fn type_params(&mut self, params: &'a ast::TypeParams, range: TextRange) -> Res<u16> {
        let first = self.u.sp;
        for p in &params.type_params {
            let t = self.u.sp;
            self.at_node(p);
            let (name, bound, default, plain) = match p {
                ast::TypeParam::TypeVar(p) => (
                    &p.name,
                    p.bound.as_deref(),
                    p.default.as_deref(),
                    Intrinsic::TypeVar,
                ),
                ast::TypeParam::TypeVarTuple(p) => {
                    (&p.name, None, p.default.as_deref(), Intrinsic::TypeVarTuple)
                }
                ast::TypeParam::ParamSpec(p) => {
                    (&p.name, None, p.default.as_deref(), Intrinsic::ParamSpec)
                }
            };
            self.push_str(name);
            let mut kind = plain;
            if let Some(e) = bound {
                kind = if e.is_tuple_expr() {
                    Intrinsic::TypeVarWithConstraints
                } else {
                    Intrinsic::TypeVarWithBound
                };
                self.evaluator(p, Role::Bound, name, e)?;
            }
            self.at_node(p);
            self.intrinsic(kind, t, t);
            self.u.sp = t + 1;
            if let Some(e) = default {
                self.evaluator(p, Role::Default, name, e)?;
                self.at_node(p);
                self.intrinsic(Intrinsic::SetTypeparamDefault, t, t);
                self.u.sp = t + 1;
            }
            self.store_name(name, Opnd::local(t));
        }
        self.at(range);
        let n = params.type_params.len() as u16;
        self.u.sp = first;
        self.u.alloc();
        self.emit(Op::BuildTuple, 0, first, first, n);
        Ok(first)
    }

    /// Pushes the function that evaluates `e` when it is asked for.
    fn evaluator<T>(&mut self, node: &T, role: Role, name: &str, e: &'a Expr) -> Res<u16> {
        let Some(scope) = self.sym.scope_of(node, role) else {
            return self.err(e.range(), "invalid syntax");
        };
        let first = self.u.sp;
        self.at_node(e);
        self.load_k(Const::Tuple(vec![Const::Int(1)]), Dest::Push);
        self.enter_function(scope, name, e.range(), None);
        self.check_format();
        if let Expr::Starred(s) = e {
            // The default of a TypeVarTuple: what is in `*tuple[...]`.
            let t = self.push(&s.value)?;
            self.at_node(e);
            self.emit(Op::UnpackSeq, XB, t, t, 1);
            self.emit(Op::Return, XA, t, 0, 0);
        } else {
            self.return_expr(e)?;
        }
        let code = self.close_unit()?;
        self.at_node(e);
        Ok(self.make_function(code, scope, DEFAULTS, first, Dest::Push))
    }

    pub(super) fn type_alias(&mut self, s: &'a ast::StmtTypeAlias) -> Res {
        let name = s.name.as_name_expr().map_or("", |n| n.id.as_str());
        let base = self.u.sp;
        let t = match &s.type_params {
            None => self.alias_object(s, name)?,
            Some(_) => {
                let Some(scope) = self.sym.scope_of(s, Role::TypeParams) else {
                    return self.err(s.range, "invalid syntax");
                };
                self.enter_function(
                    scope,
                    &format!("<generic parameters of {name}>"),
                    s.range,
                    None,
                );
                let t = self.alias_object(s, name)?;
                self.emit(Op::Return, XA, t, 0, 0);
                let code = self.close_unit()?;
                self.at_node(s);
                let f = self.make_function(code, scope, 0, base, Dest::Push);
                self.u.alloc();
                self.call_plain(f, 0, Dest::Push)
            }
        };
        self.at_node(s);
        self.store_name(name, Opnd::temp(t));
        self.u.sp = base;
        Ok(())
    }

    fn alias_object(&mut self, s: &'a ast::StmtTypeAlias, name: &str) -> Res<u16> {
        self.at_node(s);
        let t = self.push_str(name);
        match &s.type_params {
            Some(tp) => self.type_params(tp, s.range)?,
            None => self.load_k(Const::None, Dest::Push),
        };
        self.evaluator(s, Role::Body, name, &s.value)?;
        self.at_node(s);
        self.emit(Op::BuildTuple, 0, t, t, 3);
        self.intrinsic(Intrinsic::TypeAlias, t, t);
        self.u.sp = t + 1;
        Ok(t)
    }

    // Classes

    pub(super) fn class_def(&mut self, s: &'a ast::StmtClassDef) -> Res {
        let dest = self.name_dest(&s.name);
        let range = self.src.after_decorators(&s.decorator_list, s.range);
        let first_line = s
            .decorator_list
            .first()
            .map_or(range, |d| d.expression.range());
        let r = self.decorated(
            &s.decorator_list,
            |c, dest| c.class_object(s, range, first_line, dest),
            dest,
        )?;
        self.at(range);
        self.u.line();
        self.store_result(&s.name, r, dest);
        Ok(())
    }

    fn class_object(
        &mut self,
        s: &'a ast::StmtClassDef,
        range: TextRange,
        first_line: TextRange,
        dest: Dest,
    ) -> Res<u16> {
        let Some(tp) = &s.type_params else {
            return self.class_call(s, range, first_line, None, dest);
        };
        let Some(scope) = self.sym.scope_of(s, Role::TypeParams) else {
            return self.err(range, "invalid syntax");
        };
        let name = format!("<generic parameters of {}>", s.name);
        self.enter_function(scope, &name, first_line, None);
        let t = self.type_params(tp, range)?;
        self.store_name(".type_params", Opnd::temp(t));
        self.u.sp = t;
        let t = self.load_name(".type_params", Dest::Push);
        self.intrinsic(Intrinsic::SubscriptGeneric, t, t);
        self.store_name(".generic_base", Opnd::temp(t));
        self.u.sp = t;
        let r = self.class_call(s, range, first_line, Some(".generic_base"), Dest::Push)?;
        self.emit(Op::Return, XA, r, 0, 0);
        let code = self.close_unit()?;
        self.at(range);
        let f = self.make_function(code, scope, 0, self.u.sp, Dest::Push);
        self.u.alloc();
        Ok(self.call_plain(f, 0, dest))
    }

    /// `__build_class__(body, name, *bases, **keywords)`
    fn class_call(
        &mut self,
        s: &'a ast::StmtClassDef,
        range: TextRange,
        first_line: TextRange,
        last: Option<&'static str>,
        dest: Dest,
    ) -> Res<u16> {
        let Some(scope) = self.sym.scope_of(s, Role::Body) else {
            return self.err(range, "invalid syntax");
        };
        self.at(range);
        let base = self.u.alloc_n(2);
        self.emit(Op::LoadBuildClass, 0, base, 0, 0);
        let code = self.class_body(s, scope, first_line)?;
        self.at(range);
        self.make_function(code, scope, 0, self.u.sp, Dest::Push);
        self.push_str(&s.name);
        let extra = Extra { before: 2, last };
        self.call_args(
            base,
            NO_SELF,
            s.arguments.as_deref(),
            Some(extra),
            range,
            dest,
        )
    }

    fn class_body(
        &mut self,
        s: &'a ast::StmtClassDef,
        id: ScopeId,
        first_line: TextRange,
    ) -> Res<CodeProto> {
        let mut u = self.new_unit(id, &s.name);
        u.first_line = self.src.line(first_line.start());
        if self.sym.future_annotations {
            u.flags |= flags::FUTURE_ANNOTATIONS;
        }
        if self.sym.barry {
            u.flags |= flags::FUTURE_BARRY;
        }
        let qualname = u.qualname.clone();
        let line = i64::from(u.first_line);
        self.open_unit(u);
        self.prologue();
        self.at(TextRange::empty(first_line.start()));
        let t = self.load_name("__name__", Dest::Push);
        self.set_class_name("__module__", t);
        let t = self.push_str(&qualname);
        self.set_class_name("__qualname__", t);
        let t = self.load_k(Const::Int(line), Dest::Push);
        self.set_class_name("__firstlineno__", t);
        let scope = &self.sym.scopes[id];
        if s.type_params.is_some() {
            let t = self.load_name(".type_params", Dest::Push);
            self.set_class_name("__type_params__", t);
        }
        if let Some(&reg) = self.u.regs.get(&own_cell("__classdict__")) {
            let t = self.u.alloc();
            self.emit(Op::LoadLocals, 0, t, 0, 0);
            self.emit(Op::StoreDeref, XA, t, reg, 0);
            self.u.sp = t;
        }
        if self.sym.future_annotations && has_annotation(&s.body) {
            self.emit(Op::SetupAnnotations, 0, 0, 0, 0);
        }
        if scope.conditional_annotations {
            let t = self.u.alloc();
            self.emit(Op::BuildSet, 0, t, t, 0);
            match self.u.regs.get(&own_cell("__conditional_annotations__")) {
                Some(&reg) => {
                    self.emit(Op::StoreDeref, XA, t, reg, 0);
                    self.u.sp = t;
                }
                None => self.set_class_name("__conditional_annotations__", t),
            }
        }
        let mut body = s.body.as_slice();
        if let Some((doc, rest)) = docstring(body) {
            if self.opts.optimize < 2 {
                self.at_node(doc);
                let text = clean_doc(&string_value(self.src, doc));
                let t = self.load_k(Const::Str(text.into()), Dest::Push);
                self.set_class_name("__doc__", t);
            }
            body = rest;
        }
        self.body(body)?;
        self.class_end(id, first_line)
    }

    fn set_class_name(&mut self, name: &str, t: u16) {
        let n = self.u.name_of(name);
        self.emit(Op::StoreName, XA, t, n, 0);
        self.u.sp = t;
    }

    fn class_end(&mut self, id: ScopeId, first_line: TextRange) -> Res<CodeProto> {
        let scope = &self.sym.scopes[id];
        self.at(TextRange::empty(first_line.start()));
        if let Some(a) = scope.annotation_scope {
            let t =
                self.annotate_of_body(a, &scope.annotations, TextRange::empty(first_line.start()))?;
            self.set_class_name("__annotate_func__", t);
        }
        self.at_nowhere();
        let mut names = std::mem::take(&mut self.u.static_attributes);
        names.sort();
        let t = self.load_k(
            Const::Tuple(names.iter().map(|n| str_const(n)).collect()),
            Dest::Push,
        );
        self.set_class_name("__static_attributes__", t);
        if let Some(&reg) = self.u.regs.get(&own_cell("__classdict__")) {
            let t = self.u.alloc();
            self.emit(Op::LoadCell, 0, t, reg, 0);
            self.set_class_name("__classdictcell__", t);
        }
        if let Some(&reg) = self.u.regs.get(&own_cell("__class__")) {
            let t = self.u.alloc();
            self.emit(Op::LoadCell, 0, t, reg, 0);
            self.set_class_name("__classcell__", t);
            let t = self.u.alloc();
            self.emit(Op::LoadCell, 0, t, reg, 0);
            self.emit(Op::Return, XA, t, 0, 0);
        } else {
            let k = self.u.const_index(Const::None);
            self.emit(Op::ReturnK, 0, 0, k, 0);
        }
        self.close_unit()
    }

    /// Notes `self.x = ...` for the class's `__static_attributes__`.
    pub(super) fn note_static_attribute(&mut self, a: &ast::ExprAttribute) {
        if a.value
            .as_name_expr()
            .is_none_or(|n| n.id.as_str() != "self")
        {
            return;
        }
        let sym = self.sym;
        let class = self
            .outer
            .iter_mut()
            .rev()
            .find(|u| sym.scopes[u.scope].kind == ScopeKind::Class);
        if let Some(u) = class
            && !u.static_attributes.iter().any(|n| n == a.attr.as_str())
        {
            u.static_attributes.push(a.attr.to_string());
        }
    }
}

/// The key of a cell that a class makes for its inner functions.
fn own_cell(name: &str) -> Rc<str> {
    Rc::from(format!("cell {name}"))
}

/// The docstring of a body, and what follows it.
fn docstring(body: &[Stmt]) -> Option<(&ast::ExprStringLiteral, &[Stmt])> {
    let (Stmt::Expr(s), rest) = body.split_first()? else {
        return None;
    };
    Some((s.value.as_string_literal_expr()?, rest))
}

/// Whether a body has annotated names (not counting inner functions and classes).
fn has_annotation(body: &[Stmt]) -> bool {
    body.iter().any(|s| match s {
        Stmt::AnnAssign(_) => true,
        Stmt::If(s) => {
            has_annotation(&s.body) || s.elif_else_clauses.iter().any(|c| has_annotation(&c.body))
        }
        Stmt::For(s) => has_annotation(&s.body) || has_annotation(&s.orelse),
        Stmt::While(s) => has_annotation(&s.body) || has_annotation(&s.orelse),
        Stmt::With(s) => has_annotation(&s.body),
        Stmt::Match(s) => s.cases.iter().any(|c| has_annotation(&c.body)),
        Stmt::Try(s) => {
            let handlers = s
                .handlers
                .iter()
                .any(|ast::ExceptHandler::ExceptHandler(h)| has_annotation(&h.body));
            handlers
                || has_annotation(&s.body)
                || has_annotation(&s.orelse)
                || has_annotation(&s.finalbody)
        }
        _ => false,
    })
}

/// Takes the indentation out of a docstring: tabs expanded, the margin common to all lines but the first removed.
fn clean_doc(text: &[u8]) -> Vec<u8> {
    let mut expanded = Vec::with_capacity(text.len());
    let mut column = 0;
    for &b in text {
        match b {
            b'\t' => {
                let n = 8 - column % 8;
                expanded.extend(std::iter::repeat_n(b' ', n));
                column += n;
            }
            b'\n' => {
                expanded.push(b);
                column = 0;
            }
            _ => {
                expanded.push(b);
                // Columns are counted in characters.
                column += usize::from(b & 0xc0 != 0x80);
            }
        }
    }
    let indent = |line: &[u8]| line.iter().take_while(|b| **b == b' ').count();
    let lines: Vec<&[u8]> = expanded.split(|b| *b == b'\n').collect();
    let margin = lines[1..]
        .iter()
        .filter(|l| indent(l) < l.len())
        .map(|l| indent(l))
        .min()
        .unwrap_or(0);
    let mut out = lines[0][indent(lines[0])..].to_vec();
    for line in &lines[1..] {
        out.push(b'\n');
        out.extend(&line[margin.min(indent(line))..]);
    }
    out
}
