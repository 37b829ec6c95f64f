//! Statements: assignments, loops, imports and the like.

use super::assemble::{Block, Dest, Label, Opnd};
use super::bytecode::*;
use super::consts::check_number;
use super::consts::str_const;
use super::expr::{Access, binary_op};
use super::symtable::ScopeKind;
use super::{Compiler, Mode, Res};
use ruff_python_ast::helpers::any_over_expr;
use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

impl<'a> Compiler<'a> {
    pub(super) fn body(&mut self, body: &'a [Stmt]) -> Res {
        body.iter().try_for_each(|s| self.stmt(s))
    }

    fn stmt(&mut self, stmt: &'a Stmt) -> Res {
        self.at_node(stmt);
        self.check_blocks(stmt.range())?;
        match stmt {
            Stmt::FunctionDef(s) => self.function_def(s),
            Stmt::ClassDef(s) => self.class_def(s),
            Stmt::TypeAlias(s) => self.type_alias(s),
            Stmt::Return(s) => self.return_stmt(s),
            Stmt::Delete(s) => s.targets.iter().try_for_each(|t| self.delete(t)),
            Stmt::Assign(s) => self.assign(s),
            Stmt::AugAssign(s) => self.aug_assign(s),
            Stmt::AnnAssign(s) => self.ann_assign(s),
            Stmt::For(s) => self.for_stmt(s),
            Stmt::While(s) => self.while_stmt(s),
            Stmt::If(s) => self.if_stmt(s),
            Stmt::With(s) => self.with_stmt(s),
            Stmt::Match(s) => self.match_stmt(s),
            Stmt::Raise(s) => self.raise(s),
            Stmt::Try(s) => self.try_stmt(s),
            Stmt::Assert(s) => self.assert(s),
            Stmt::Import(s) => self.import(s),
            Stmt::ImportFrom(s) => self.import_from(s),
            Stmt::Expr(s) => self.expr_stmt(s),
            Stmt::Break(s) => self.leave_loop(s.range, true),
            Stmt::Continue(s) => self.leave_loop(s.range, false),
            Stmt::Global(_) | Stmt::Nonlocal(_) => Ok(()),
            Stmt::Pass(_) => {
                self.u.line();
                Ok(())
            }
            Stmt::IpyEscapeCommand(s) => self.err(s.range, "invalid syntax"),
        }
    }

    /// Blocks may be nested as deeply as in CPython.
    pub(super) fn check_blocks(&self, range: TextRange) -> Res {
        const MAX_BLOCKS: usize = 40;
        if self.u.blocks.len() > MAX_BLOCKS {
            return self.err(range, "too many statically nested blocks");
        }
        Ok(())
    }

    fn expr_stmt(&mut self, s: &'a ast::StmtExpr) -> Res {
        if self.mode == Mode::Single && self.outer.len() == 1 {
            let sp = self.u.sp;
            let t = self.push(&s.value)?;
            self.at_node(s);
            self.intrinsic(Intrinsic::Print, t, t);
            self.clear(t);
            self.u.sp = sp;
            return Ok(());
        }
        if let Expr::NumberLiteral(n) = &*s.value {
            check_number(self.src, n)?;
        }
        if self.fold(&s.value).is_some() {
            self.u.line();
            return Ok(());
        }
        if let Expr::Starred(x) = &*s.value {
            return self.err(x.range, "can't use starred expression here");
        }
        self.discard(&s.value)
    }

    // Assignment

    fn assign(&mut self, s: &'a ast::StmtAssign) -> Res {
        let sp = self.u.sp;
        if let [target] = s.targets.as_slice() {
            if let Some(r) = self.fast_target(target) {
                self.expr(&s.value, Dest::Local(r))?;
                self.u.sp = sp;
                return Ok(());
            }
            if self.parallel(target, &s.value)? {
                self.u.sp = sp;
                return Ok(());
            }
            if target.is_starred_expr() {
                return self.err(
                    target.range(),
                    "starred assignment target must be in a list or tuple",
                );
            }
        }
        let targets: Vec<&Expr> = s.targets.iter().collect();
        // `a = b = value`: into `a`, and from there.
        let first = self.fast_target(targets[0]).filter(|_| !self.has_walrus());
        let (o, rest) = match first {
            Some(r) => {
                self.expr(&s.value, Dest::Local(r))?;
                (Opnd::local(r), &s.targets[1..])
            }
            None => (self.operand_before(&s.value, &targets)?, &s.targets[..]),
        };
        for (i, target) in rest.iter().enumerate() {
            let last = i + 1 == rest.len();
            let from = if last { o } else { Opnd::local(o.reg) };
            self.store(target, from)?;
        }
        self.u.sp = sp;
        Ok(())
    }

    /// The register of a target that is an uncaptured local.
    fn fast_target(&self, target: &Expr) -> Option<u16> {
        match self.access(&target.as_name_expr()?.id) {
            Access::Fast(r) => Some(r),
            _ => None,
        }
    }

    /// `a, b = x, y` without a tuple. False if it is not that.
    fn parallel(&mut self, target: &'a Expr, value: &'a Expr) -> Res<bool> {
        let (Some(targets), Some(values)) = (elements(target), elements(value)) else {
            return Ok(false);
        };
        if value.is_list_expr()
            || targets.len() != values.len()
            || targets.is_empty()
            || targets.len() > 8
            || targets.iter().chain(values).any(Expr::is_starred_expr)
        {
            return Ok(false);
        }
        let careful = self.u.handler != self.u.base_handler || self.has_walrus();
        let mut from = Vec::with_capacity(values.len());
        for (i, v) in values.iter().enumerate() {
            if let Some(c) = self.fold(v) {
                from.push(Err(c));
                continue;
            }
            // Straight into its target, if nobody can see that it happens before the rest is evaluated.
            if !careful
                && let Some(r) = self.fast_target(&targets[i])
                && self.unread(targets, values, i)
            {
                self.expr(v, Dest::Local(r))?;
                from.push(Ok(None));
                continue;
            }
            let o = self.operand_before(v, &values[i + 1..].iter().collect::<Vec<_>>())?;
            // A local that an earlier target overwrites is read now.
            let overwritten = !o.temp && targets[..i].iter().any(|t| self.may_bind(t, o.reg));
            from.push(Ok(Some(if overwritten { self.copy(o) } else { o })));
        }
        for (t, f) in targets.iter().zip(from) {
            match f {
                Ok(None) => {}
                Ok(Some(o)) => self.store(t, o)?,
                Err(c) => {
                    let sp = self.u.sp;
                    self.at_node(t);
                    match self.fast_target(t) {
                        Some(r) => {
                            self.load_k(c, Dest::Local(r));
                        }
                        None => {
                            let k = self.load_k(c, Dest::Push);
                            self.store(t, Opnd::temp(k))?;
                        }
                    }
                    self.u.sp = sp;
                }
            }
        }
        Ok(true)
    }

    /// Whether target `i` of a parallel assignment, a local, can be written before the other values are evaluated and
    /// the targets before it are assigned.
    fn unread(&self, targets: &[Expr], values: &[Expr], i: usize) -> bool {
        let Some(n) = targets[i].as_name_expr() else {
            return false;
        };
        let mentions =
            |e: &Expr| any_over_expr(e, &|e| e.as_name_expr().is_some_and(|x| x.id == n.id));
        let others = values
            .iter()
            .enumerate()
            .any(|(j, v)| j != i && mentions(v));
        let before = targets
            .iter()
            .enumerate()
            .any(|(j, t)| j != i && mentions(t));
        // Values that could raise in between are of no matter: nobody can look at the local then.
        !others && !before && targets.iter().all(Expr::is_name_expr)
    }

    /// Whether storing to `target` may write local `reg`.
    fn may_bind(&self, target: &Expr, reg: u16) -> bool {
        any_over_expr(target, &|e| self.fast_target(e) == Some(reg))
    }

    /// Stores an operand in a target: a temporary is consumed, a local stays.
    pub(super) fn store(&mut self, target: &'a Expr, from: Opnd) -> Res {
        let sp = self.u.sp;
        match target {
            Expr::Name(n) => {
                self.at_node(n);
                self.store_name(&n.id, from);
            }
            Expr::Attribute(a) => {
                self.note_static_attribute(a);
                let from = self.keep(from, &[&a.value]);
                let o = self.operand(&a.value)?;
                self.at_attribute(a, a.range);
                let cache = self.attr_cache(&a.attr);
                self.emit(Op::SetAttr, o.xa() | from.xb(), o.reg, from.reg, cache);
            }
            Expr::Subscript(s) => {
                let from = self.keep(from, &[&s.value, &s.slice]);
                let o = self.operand_before(&s.value, &[&s.slice])?;
                let i = self.operand(&s.slice)?;
                self.at_node(s);
                self.emit(
                    Op::SetItem,
                    o.xa() | i.xb() | from.xc(),
                    o.reg,
                    i.reg,
                    from.reg,
                );
            }
            Expr::Tuple(t) => self.unpack(&t.elts, from, t.range)?,
            Expr::List(t) => self.unpack(&t.elts, from, t.range)?,
            Expr::Starred(s) => {
                return self.err(
                    s.range,
                    "starred assignment target must be in a list or tuple",
                );
            }
            other => return self.err(other.range(), "cannot assign to this expression"),
        }
        self.u.sp = sp;
        Ok(())
    }

    /// A local operand that evaluating `parts` may rebind is copied.
    fn keep(&mut self, o: Opnd, parts: &[&'a Expr]) -> Opnd {
        if o.temp
            || !self.has_walrus()
            || !parts
                .iter()
                .any(|e| any_over_expr(e, &|e| e.is_named_expr()))
        {
            return o;
        }
        self.copy(o)
    }

    /// `a, *b, c = value`
    fn unpack(&mut self, elts: &'a [Expr], from: Opnd, range: TextRange) -> Res {
        let star = elts.iter().position(Expr::is_starred_expr);
        if let Some(second) = star.and_then(|s| elts[s + 1..].iter().find(|e| e.is_starred_expr()))
        {
            return self.err(second.range(), "multiple starred expressions in assignment");
        }
        if star.is_some_and(|s| s > 255 || elts.len() - s > 256) {
            return self.err(range, "too many expressions in star-unpacking assignment");
        }
        let n = self.small(elts.len(), range)?;
        self.at(range);
        if star.is_none()
            && let Some(first) = self.consecutive(elts)
        {
            // A target must not end the life of what is being unpacked: `a, b = a`.
            if !from.temp && (first..first + n as u16).contains(&from.reg) {
                let copy = self.copy(from);
                self.emit(Op::UnpackSeq, copy.xb(), first, copy.reg, n as u16);
                self.u.sp = copy.reg;
                return Ok(());
            }
            self.emit(Op::UnpackSeq, from.xb(), first, from.reg, n as u16);
            return Ok(());
        }
        // The items may take the place of what they come from.
        if from.temp && from.reg + 1 == self.u.sp {
            self.u.sp = from.reg;
        }
        let first = self.u.alloc_n(n);
        match star {
            None => self.emit(Op::UnpackSeq, from.xb(), first, from.reg, n as u16),
            Some(s) => {
                let counts = (s | (n - s - 1) << 8) as u16;
                self.emit(Op::UnpackEx, from.xb(), first, from.reg, counts);
            }
        }
        for (i, e) in elts.iter().enumerate() {
            let target = if let Expr::Starred(s) = e {
                &*s.value
            } else {
                e
            };
            self.store(target, Opnd::temp(first + i as u16))?;
        }
        Ok(())
    }

    /// The first register, if the targets are locals in consecutive registers.
    fn consecutive(&self, elts: &[Expr]) -> Option<u16> {
        let first = self.fast_target(elts.first()?)?;
        let fits = elts
            .iter()
            .enumerate()
            .all(|(i, e)| self.fast_target(e) == Some(first + i as u16));
        fits.then_some(first)
    }

    fn aug_assign(&mut self, s: &'a ast::StmtAugAssign) -> Res {
        let sp = self.u.sp;
        match &*s.target {
            Expr::Name(n) => {
                if let Access::Fast(r) = self.access(&n.id) {
                    let walrus =
                        self.has_walrus() && any_over_expr(&s.value, &|e| e.is_named_expr());
                    let left = if walrus {
                        self.copy(Opnd::local(r))
                    } else {
                        Opnd::local(r)
                    };
                    self.aug_op(s, left, Dest::Local(r))?;
                } else {
                    self.at_node(n);
                    let left = Opnd::temp(self.load_name(&n.id, Dest::Push));
                    let t = self.aug_op(s, left, Dest::Push)?;
                    self.at_node(n);
                    self.store_name(&n.id, Opnd::temp(t));
                }
            }
            Expr::Attribute(a) => {
                self.note_static_attribute(a);
                let o = self.operand_before(&a.value, &[&s.value])?;
                self.at_attribute(a, a.range);
                let cache = self.attr_cache(&a.attr);
                let t = self.u.alloc();
                self.emit(Op::GetAttr, 0, t, o.reg, cache);
                let v = self.aug_op(s, Opnd::temp(t), Dest::Push)?;
                self.at_attribute(a, a.range);
                let cache = self.attr_cache(&a.attr);
                self.emit(Op::SetAttr, o.xa() | XB, o.reg, v, cache);
            }
            Expr::Subscript(x) => {
                let o = self.operand_before(&x.value, &[&x.slice, &s.value])?;
                let i = self.operand_before(&x.slice, &[&s.value])?;
                self.at_node(x);
                let t = self.u.alloc();
                self.emit(Op::GetItem, 0, t, o.reg, i.reg);
                let v = self.aug_op(s, Opnd::temp(t), Dest::Push)?;
                self.at_node(x);
                self.emit(Op::SetItem, o.xa() | i.xb() | XC, o.reg, i.reg, v);
            }
            other => return self.err(other.range(), "illegal expression for augmented assignment"),
        }
        self.u.sp = sp;
        Ok(())
    }

    /// left op= value; a temporary `left` is the last one allocated.
    fn aug_op(&mut self, s: &'a ast::StmtAugAssign, left: Opnd, dest: Dest) -> Res<u16> {
        let (op, op_k) = binary_op(s.op);
        let inplace = 1 << XARG;
        if op_k != Op::Nop
            && let Some(k) = self.fold(&s.value)
        {
            let k = self.u.const_index(k);
            if left.temp {
                self.u.sp = left.reg;
            }
            self.at_node(s);
            let d = self.u.dest(dest);
            self.emit(op_k, left.xb() | inplace, d, left.reg, k);
            return Ok(d);
        }
        let sp = if left.temp { left.reg } else { self.u.sp };
        let right = self.operand(&s.value)?;
        self.u.sp = sp;
        self.at_node(s);
        let d = self.u.dest(dest);
        self.emit(op, left.xb() | right.xc() | inplace, d, left.reg, right.reg);
        Ok(d)
    }

    fn ann_assign(&mut self, s: &'a ast::StmtAnnAssign) -> Res {
        let sp = self.u.sp;
        if let Some(value) = &s.value {
            if let Some(r) = self.fast_target(&s.target) {
                self.expr(value, Dest::Local(r))?;
            } else {
                let o = self.operand_before(value, &[&s.target])?;
                self.store(&s.target, o)?;
            }
        } else {
            match &*s.target {
                Expr::Attribute(a) if !s.simple => self.discard(&a.value)?,
                Expr::Subscript(x) => {
                    self.discard(&x.value)?;
                    self.discard(&x.slice)?;
                }
                _ => {}
            }
        }
        self.u.sp = sp;
        self.annotation_statement(s)
    }

    fn delete(&mut self, target: &'a Expr) -> Res {
        let sp = self.u.sp;
        match target {
            Expr::Name(n) => {
                self.at_node(n);
                self.delete_name(&n.id);
            }
            Expr::Attribute(a) => {
                let o = self.operand(&a.value)?;
                self.at_attribute(a, a.range);
                let name = self.mangled(&a.attr).into_owned();
                let n = self.u.name_of(&name);
                self.emit(Op::DelAttr, o.xa(), o.reg, n, 0);
            }
            Expr::Subscript(s) => {
                let o = self.operand_before(&s.value, &[&s.slice])?;
                let i = self.operand(&s.slice)?;
                self.at_node(s);
                self.emit(Op::DelItem, o.xa() | i.xb(), o.reg, i.reg, 0);
            }
            Expr::Tuple(t) => t.elts.iter().try_for_each(|e| self.delete(e))?,
            Expr::List(t) => t.elts.iter().try_for_each(|e| self.delete(e))?,
            other => return self.err(other.range(), "cannot delete this expression"),
        }
        self.u.sp = sp;
        Ok(())
    }

    // Control flow

    fn if_stmt(&mut self, s: &'a ast::StmtIf) -> Res {
        let end = self.u.label();
        let mut next = self.u.label();
        self.jump_if(&s.test, false, next)?;
        self.body(&s.body)?;
        for clause in &s.elif_else_clauses {
            self.at_nowhere();
            self.u.jump(end);
            self.u.bind(next);
            next = self.u.label();
            if let Some(test) = &clause.test {
                self.jump_if(test, false, next)?;
            }
            self.body(&clause.body)?;
        }
        self.u.bind(next);
        self.u.bind(end);
        Ok(())
    }

    fn while_stmt(&mut self, s: &'a ast::StmtWhile) -> Res {
        let (again, exit, end) = (self.u.label(), self.u.label(), self.u.label());
        let endless = self.fold(&s.test).is_some();
        if endless {
            self.at_node(&*s.test);
            self.u.line();
        }
        self.u.bind(again);
        self.jump_if(&s.test, false, exit)?;
        self.u.blocks.push(Block::Loop {
            brk: end,
            cont: again,
            iter: 0,
            niter: 0,
            endless: endless.then(|| s.test.range()),
        });
        self.body(&s.body)?;
        self.u.blocks.pop();
        self.at_nowhere();
        if endless {
            self.at_node(&*s.test);
        }
        self.u.jump_back(again);
        self.u.bind(exit);
        self.body(&s.orelse)?;
        self.u.bind(end);
        Ok(())
    }

    fn for_stmt(&mut self, s: &'a ast::StmtFor) -> Res {
        if s.is_async {
            return self.async_for(s);
        }
        let sp = self.u.sp;
        let o = self.iterable(&s.iter)?;
        self.u.sp = sp;
        let state = self.u.alloc_n(3);
        self.at_node(&*s.iter);
        self.emit(Op::GetIter, o.xb(), state, o.reg, 0);
        let (again, exit, end) = (self.u.label(), self.u.label(), self.u.label());
        self.u.bind(again);
        self.for_iter(state, &s.target, &s.iter, exit)?;
        self.u.blocks.push(Block::Loop {
            brk: end,
            cont: again,
            iter: state,
            niter: 3,
            endless: None,
        });
        self.body(&s.body)?;
        self.u.blocks.pop();
        self.at_nowhere();
        self.u.jump_back(again);
        self.u.bind(exit);
        self.u.sp = sp;
        self.body(&s.orelse)?;
        self.u.bind(end);
        Ok(())
    }

    /// What a `for` goes through: a list display is as good as a tuple.
    fn iterable(&mut self, e: &'a Expr) -> Res<Opnd> {
        if let Expr::List(l) = e
            && let Some(items) = l
                .elts
                .iter()
                .map(|e| self.fold(e))
                .collect::<Option<Vec<_>>>()
        {
            self.at_node(e);
            return Ok(Opnd::temp(self.load_k(Const::Tuple(items), Dest::Push)));
        }
        self.operand(e)
    }

    /// The head of a loop over the iteration in `state`: the next item goes to the target.
    pub(super) fn for_iter(
        &mut self,
        state: u16,
        target: &'a Expr,
        iter: &Expr,
        exit: Label,
    ) -> Res {
        self.at_node(iter);
        if let Some(r) = self.fast_target(target) {
            self.u.jump_op(Op::ForIter, 0, state, r, exit);
            return Ok(());
        }
        let sp = self.u.sp;
        let t = self.u.alloc();
        self.u.jump_op(Op::ForIter, 0, state, t, exit);
        self.store(target, Opnd::temp(t))?;
        self.u.sp = sp;
        Ok(())
    }

    fn async_for(&mut self, s: &'a ast::StmtFor) -> Res {
        if !self.can_await() {
            return self.err(s.range, self.async_outside("async for"));
        }
        let sp = self.u.sp;
        let o = self.operand(&s.iter)?;
        let end = self.u.label();
        let lp = self.async_for_start(o, &s.iter, &s.target)?;
        self.u.blocks.push(Block::Loop {
            brk: end,
            cont: lp.again,
            iter: lp.iter,
            niter: 1,
            endless: None,
        });
        self.body(&s.body)?;
        self.u.blocks.pop();
        self.at_nowhere();
        self.u.jump_back(lp.again);
        self.async_for_end(&lp, &s.iter);
        self.u.sp = sp;
        self.body(&s.orelse)?;
        self.u.bind(end);
        Ok(())
    }

    pub(super) fn async_outside(&self, what: &str) -> String {
        format!("'{what}' outside async function")
    }

    /// `break` and `continue`
    fn leave_loop(&mut self, range: TextRange, is_break: bool) -> Res {
        let found = self
            .u
            .blocks
            .iter()
            .rposition(|b| matches!(b, Block::Loop { .. }));
        let Some(at) = found else {
            let star = |b: &Block| matches!(b, Block::Star { .. });
            let msg = if self.u.blocks.iter().any(star) {
                "'break', 'continue' and 'return' cannot appear in an except* block"
            } else if is_break {
                "'break' outside loop"
            } else {
                "'continue' not properly in loop"
            };
            return self.err(range, msg);
        };
        if self.u.blocks[at..]
            .iter()
            .any(|b| matches!(b, Block::Star { .. }))
        {
            return self.err(
                range,
                "'break', 'continue' and 'return' cannot appear in an except* block",
            );
        }
        let Block::Loop {
            brk,
            cont,
            iter,
            niter,
            endless,
        } = self.u.blocks[at]
        else {
            return Ok(());
        };
        let sp = self.u.sp;
        self.at(range);
        self.u.line();
        self.unwind(at + 1, None)?;
        if is_break {
            for r in 0..niter {
                self.clear(iter + r);
            }
            self.u.jump(brk);
        } else {
            if let Some(test) = endless {
                self.at(test);
            }
            self.u.jump_back(cont);
        }
        self.rewind(sp);
        Ok(())
    }

    fn return_stmt(&mut self, s: &'a ast::StmtReturn) -> Res {
        let scope = &self.sym.scopes[self.u.scope];
        if !matches!(scope.kind, ScopeKind::Function | ScopeKind::Lambda) {
            return self.err(s.range, "'return' outside function");
        }
        if self
            .u
            .blocks
            .iter()
            .any(|b| matches!(b, Block::Star { .. }))
        {
            return self.err(
                s.range,
                "'break', 'continue' and 'return' cannot appear in an except* block",
            );
        }
        if scope.coroutine && scope.generator && s.value.is_some() {
            return self.err(s.range, "'return' with value in async generator");
        }
        if self.u.blocks.is_empty() {
            return match &s.value {
                Some(e) => self.return_expr_at(e, s.range),
                None => {
                    let k = self.u.const_index(Const::None);
                    self.emit(Op::ReturnK, 0, 0, k, 0);
                    Ok(())
                }
            };
        }
        self.return_through(s)
    }

    /// A return out of loops, handlers and the like.
    fn return_through(&mut self, s: &'a ast::StmtReturn) -> Res {
        let sp = self.u.sp;
        let constant = match &s.value {
            None => Some(Const::None),
            Some(e) => self.fold(e),
        };
        if let Some(c) = constant {
            self.at_node(s);
            self.u.line();
            self.unwind(0, None)?;
            let k = self.u.const_index(c);
            self.emit(Op::ReturnK, 0, 0, k, 0);
            self.rewind(sp);
            return Ok(());
        }
        let Some(e) = &s.value else { return Ok(()) };
        let mut o = self.operand(e)?;
        // What runs on the way out may rebind a local, or unbind it.
        let plain = |b: &Block<'_>| matches!(b, Block::Loop { .. } | Block::Try { .. });
        if !o.temp && !self.u.blocks.iter().all(plain) {
            self.at_node(s);
            o = self.copy(o);
        }
        let value = if o.temp { Some(o.reg) } else { None };
        self.at_node(s);
        self.u.line();
        let value = self.unwind(0, value)?;
        let o = value.map_or(o, Opnd::temp);
        self.emit(Op::Return, o.xa(), o.reg, 0, 0);
        self.rewind(sp);
        Ok(())
    }

    /// Returns the value of an expression; where it branches, each branch returns.
    pub(super) fn return_expr(&mut self, e: &'a Expr) -> Res {
        self.return_expr_at(e, e.range())
    }

    fn return_expr_at(&mut self, e: &'a Expr, range: TextRange) -> Res {
        if let Expr::NumberLiteral(n) = e {
            check_number(self.src, n)?;
        }
        if let Some(c) = self.fold(e) {
            self.at(range);
            let k = self.u.const_index(c);
            self.emit(Op::ReturnK, 0, 0, k, 0);
            return Ok(());
        }
        let sp = self.u.sp;
        match e {
            Expr::If(x) => {
                let other = self.u.label();
                self.jump_if(&x.test, false, other)?;
                self.depth += 1;
                if self.depth > super::MAX_DEPTH {
                    return Err(self.src.too_deep());
                }
                self.return_expr_at(&x.body, range)?;
                self.u.bind(other);
                self.u.sp = sp;
                self.return_expr_at(&x.orelse, range)?;
                self.depth -= 1;
            }
            Expr::Starred(s) => return self.err(s.range, "can't use starred expression here"),
            _ => {
                let o = self.operand(e)?;
                self.at(range);
                self.emit(Op::Return, o.xa(), o.reg, 0, 0);
            }
        }
        self.u.sp = sp;
        Ok(())
    }

    // Others

    fn raise(&mut self, s: &'a ast::StmtRaise) -> Res {
        let sp = self.u.sp;
        let (mut arg, mut exc, mut cause) = (0, Opnd::local(0), Opnd::local(0));
        if let Some(e) = &s.exc {
            let later: Vec<&Expr> = s.cause.as_deref().into_iter().collect();
            exc = self.operand_before(e, &later)?;
            arg = 1;
            if let Some(e) = &s.cause {
                cause = self.operand(e)?;
                arg = 2;
            }
        }
        self.at_node(s);
        self.emit(
            Op::Raise,
            exc.xb() | cause.xc() | arg << XARG,
            0,
            exc.reg,
            cause.reg,
        );
        self.u.sp = sp;
        Ok(())
    }

    fn assert(&mut self, s: &'a ast::StmtAssert) -> Res {
        if self.opts.optimize >= 1 {
            return self.check_awaits(&s.test);
        }
        let sp = self.u.sp;
        let ok = self.u.label();
        self.jump_if(&s.test, true, ok)?;
        self.at_node(s);
        let t = self.u.alloc();
        self.emit(Op::CallIntrinsic, 0, t, 0, Intrinsic::AssertionError as u16);
        let mut exc = t;
        if let Some(msg) = &s.msg {
            self.u.alloc();
            self.push(msg)?;
            self.at_node(&*s.test);
            exc = self.call_plain(t, 1, Dest::Push);
        }
        self.at_node(&*s.test);
        self.emit(Op::Raise, XB | 1 << XARG, 0, exc, 0);
        self.u.bind(ok);
        self.u.sp = sp;
        Ok(())
    }

    /// What is left out must not wait where nothing may.
    fn check_awaits(&self, e: &Expr) -> Res {
        struct Waits(Option<(TextRange, &'static str)>);
        impl<'t> Visitor<'t> for Waits {
            fn visit_expr(&mut self, e: &'t Expr) {
                let found = match e {
                    Expr::Lambda(_) | Expr::Generator(_) => return,
                    Expr::Await(_) => Some("'await' outside function"),
                    Expr::ListComp(ast::ExprListComp { generators, .. })
                    | Expr::SetComp(ast::ExprSetComp { generators, .. })
                    | Expr::DictComp(ast::ExprDictComp { generators, .. })
                        if generators.iter().any(|g| g.is_async) =>
                    {
                        Some("asynchronous comprehension outside of an asynchronous function")
                    }
                    _ => None,
                };
                if let (Some(msg), None) = (found, self.0) {
                    self.0 = Some((e.range(), msg));
                }
                walk_expr(self, e);
            }
        }
        let mut waits = Waits(None);
        waits.visit_expr(e);
        match waits.0 {
            Some((range, msg)) if !self.can_await() => self.err(range, msg),
            _ => Ok(()),
        }
    }

    /// Pushes level and names of an import and imports.
    fn import_name(&mut self, name: &str, level: u32, from: Const) -> u16 {
        let t = self.load_k(Const::Int(i64::from(level)), Dest::Push);
        self.load_k(from, Dest::Push);
        let n = self.u.name_of(name);
        self.emit(Op::ImportName, 0, t, t, n);
        self.u.sp = t + 1;
        t
    }

    fn import(&mut self, s: &'a ast::StmtImport) -> Res {
        let sp = self.u.sp;
        for alias in &s.names {
            self.at_node(s);
            let full = alias.name.as_str();
            let mut t = self.import_name(full, 0, Const::None);
            let mut parts = full.split('.');
            let first = parts.next().unwrap_or("");
            match &alias.asname {
                None => self.store_name(first, Opnd::temp(t)),
                Some(name) => {
                    // The submodule, attribute by attribute.
                    for part in parts {
                        let n = self.u.name_of(part);
                        self.emit(Op::ImportFrom, XB, t, t, n);
                        t = self.u.sp - 1;
                    }
                    self.store_name(name, Opnd::temp(t));
                }
            }
            self.u.sp = sp;
        }
        Ok(())
    }

    fn import_from(&mut self, s: &'a ast::StmtImportFrom) -> Res {
        let sp = self.u.sp;
        let names = s.names.iter().map(|a| str_const(a.name.as_str())).collect();
        let module = s.module.as_ref().map_or("", |m| m.as_str());
        let t = self.import_name(module, s.level, Const::Tuple(names));
        for (i, alias) in s.names.iter().enumerate() {
            let x = if i + 1 == s.names.len() { XB } else { 0 };
            self.at_node(s);
            if alias.name.as_str() == "*" {
                self.emit(Op::ImportStar, XB, 0, t, 0);
                break;
            }
            let n = self.u.name_of(alias.name.as_str());
            let bound = alias.asname.as_ref().unwrap_or(&alias.name);
            if let Access::Fast(r) = self.access(bound) {
                self.emit(Op::ImportFrom, x, r, t, n);
                continue;
            }
            if x != 0 {
                self.u.sp = t;
            }
            let d = self.u.alloc();
            self.emit(Op::ImportFrom, x, d, t, n);
            self.store_name(bound, Opnd::temp(d));
            self.u.sp = t + 1;
        }
        self.u.sp = sp;
        Ok(())
    }
}

/// The elements of a tuple or list.
fn elements(e: &Expr) -> Option<&[Expr]> {
    match e {
        Expr::Tuple(t) => Some(&t.elts),
        Expr::List(l) => Some(&l.elts),
        _ => None,
    }
}
