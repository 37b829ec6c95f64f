//! Comprehensions, which are inlined (PEP 709), and generator expressions, which are functions.

use super::assemble::{Dest, Label, Opnd};
use super::bytecode::*;
use super::exception::AsyncLoop;
use super::expr::Access;
use super::source::span;
use super::symtable::{Place, Role, ScopeId};
use super::{Compiler, Res};
use ruff_python_ast::{self as ast, Expr};
use ruff_text_size::{Ranged, TextRange};

/// What a comprehension does with its elements.
#[derive(Clone, Copy)]
pub(super) enum Sink<'a> {
    Add {
        op: Op,
        into: u16,
        elt: &'a Expr,
    },
    Pair {
        into: u16,
        key: &'a Expr,
        value: &'a Expr,
    },
    Yield {
        elt: &'a Expr,
    },
}

impl<'a> Compiler<'a> {
    /// A list, set or dict comprehension in a temporary.
    pub(super) fn comprehension(&mut self, e: &'a Expr) -> Res<u16> {
        // The exception goes where the result would.
        let h = self.u.new_handler();
        let into = self.u.alloc();
        let (scope, generators, build, sink) = match e {
            Expr::ListComp(x) => (
                self.sym.scope_of(x, Role::Body),
                &x.generators,
                Op::BuildList,
                Sink::Add {
                    op: Op::ListAppend,
                    into,
                    elt: &x.elt,
                },
            ),
            Expr::SetComp(x) => (
                self.sym.scope_of(x, Role::Body),
                &x.generators,
                Op::BuildSet,
                Sink::Add {
                    op: Op::SetAdd,
                    into,
                    elt: &x.elt,
                },
            ),
            Expr::DictComp(x) => (
                self.sym.scope_of(x, Role::Body),
                &x.generators,
                Op::BuildMap,
                Sink::Pair {
                    into,
                    key: &x.key,
                    value: &x.value,
                },
            ),
            _ => return self.err(e.range(), "invalid syntax"),
        };
        let Some(scope) = scope else {
            return self.err(e.range(), "invalid syntax");
        };
        if self.sym.scopes[scope].is_async_comp && !self.can_await() {
            return self.err(
                e.range(),
                "asynchronous comprehension outside of an asynchronous function",
            );
        }
        if let Sink::Add {
            elt: Expr::Starred(s),
            ..
        } = sink
        {
            return self.err(
                s.range,
                "iterable unpacking cannot be used in comprehension",
            );
        }
        // The outermost iterable belongs to the scope around.
        let first = &generators[0];
        let iter = self.operand(&first.iter)?;
        self.at_node(e);
        self.emit(build, 0, into, into, 0);
        self.u.comps.push(scope);
        let hidden = self.hidden_of(scope);
        for &(reg, cell) in &hidden {
            if cell {
                self.clear(reg);
                self.emit(Op::MakeCell, 0, reg, 0, 0);
            }
        }
        let outside = self.u.handler;
        if !hidden.is_empty() {
            self.u.handler = h;
        }
        self.loops(generators, Some(iter), sink, e.range())?;
        self.u.handler = outside;
        self.at_node(e);
        for &(reg, _) in &hidden {
            self.clear(reg);
        }
        self.u.comps.pop();
        if !hidden.is_empty() {
            self.forget_hidden(h, &hidden);
        }
        self.u.sp = into + 1;
        Ok(into)
    }

    /// An exception leaves the comprehension: its names are unbound.
    fn forget_hidden(&mut self, h: u32, hidden: &[(u16, bool)]) {
        let end = self.u.label();
        self.u.jump(end);
        let cold = std::mem::replace(&mut self.u.cold, true);
        let exc = self.u.bind_handler(h);
        self.at_nowhere();
        for &(reg, _) in hidden {
            self.clear(reg);
        }
        self.emit(Op::Reraise, XA | RESTORE, exc, 0, 0);
        self.u.cold = cold;
        self.u.bind(end);
    }

    /// Registers of a comprehension's own names, and whether they are cells.
    fn hidden_of(&self, scope: ScopeId) -> Vec<(u16, bool)> {
        let s = &self.sym.scopes[scope];
        s.order
            .iter()
            .filter_map(|name| {
                let reg = self.u.hidden.get(&(scope, name.clone()))?;
                Some((*reg, s.place(name) == Some(Place::Cell)))
            })
            .collect()
    }

    /// The nested loops; `iter` is the outermost iterable if that is evaluated already.
    pub(super) fn loops(
        &mut self,
        generators: &'a [ast::Comprehension],
        iter: Option<Opnd>,
        sink: Sink<'a>,
        range: TextRange,
    ) -> Res {
        let Some((g, rest)) = generators.split_first() else {
            return self.sink(sink);
        };
        // A deep nest of loops recurses.
        self.depth += 1;
        if self.depth > super::MAX_DEPTH {
            return Err(self.src.too_deep());
        }
        let sp = self.u.sp;
        if iter.is_none()
            && !g.is_async
            && let Some(only) = single_element(&g.iter)
        {
            // `for x in [y]` is an assignment.
            let skip = self.u.label();
            let o = self.operand(only)?;
            self.store(&g.target, o)?;
            self.u.sp = sp;
            self.conditions(g, skip)?;
            self.loops(rest, None, sink, range)?;
            self.u.bind(skip);
        } else if g.is_async {
            self.async_loop(g, rest, iter, sink, range)?;
        } else {
            let first = iter.is_some();
            let iter = match iter {
                Some(o) => o,
                None => self.operand(&g.iter)?,
            };
            self.u.sp = if iter.temp { iter.reg } else { sp };
            let state = self.u.alloc_n(3);
            self.at_node(&g.iter);
            // In a generator expression the outermost iterable is an iterator already.
            let ready = first && matches!(sink, Sink::Yield { .. });
            self.emit(
                Op::GetIter,
                iter.xb() | u8::from(ready) << XARG,
                state,
                iter.reg,
                0,
            );
            let (again, next, end) = (self.u.label(), self.u.label(), self.u.label());
            self.u.bind(again);
            self.for_iter(state, &g.target, &g.iter, end)?;
            self.conditions(g, next)?;
            self.loops(rest, None, sink, range)?;
            self.u.bind(next);
            self.at(range);
            self.u.jump_back(again);
            self.u.bind(end);
        }
        self.u.sp = sp;
        self.depth -= 1;
        Ok(())
    }

    /// Jumps to `next` if a condition is false.
    fn conditions(&mut self, g: &'a ast::Comprehension, next: Label) -> Res {
        g.ifs
            .iter()
            .try_for_each(|test| self.jump_if(test, false, next))
    }

    fn async_loop(
        &mut self,
        g: &'a ast::Comprehension,
        rest: &'a [ast::Comprehension],
        iter: Option<Opnd>,
        sink: Sink<'a>,
        range: TextRange,
    ) -> Res {
        let iter = match iter {
            Some(o) => o,
            None => self.operand(&g.iter)?,
        };
        let lp = self.async_for_start(iter, &g.iter, &g.target)?;
        self.async_body(g, rest, sink, range, &lp)
    }

    fn async_body(
        &mut self,
        g: &'a ast::Comprehension,
        rest: &'a [ast::Comprehension],
        sink: Sink<'a>,
        range: TextRange,
        lp: &AsyncLoop,
    ) -> Res {
        let next = self.u.label();
        self.conditions(g, next)?;
        self.loops(rest, None, sink, range)?;
        self.u.bind(next);
        self.at(range);
        self.u.jump_back(lp.again);
        self.async_for_end(lp, &g.iter);
        Ok(())
    }

    fn sink(&mut self, sink: Sink<'a>) -> Res {
        let sp = self.u.sp;
        match sink {
            Sink::Add { op, into, elt } => {
                let o = self.operand(elt)?;
                self.at_node(elt);
                self.emit(op, o.xb(), into, o.reg, 0);
            }
            Sink::Pair { into, key, value } => {
                let k = self.operand_before(key, &[value])?;
                let v = self.operand(value)?;
                self.at(span(key.range(), value.range()));
                self.emit(Op::MapAdd, k.xb() | v.xc(), into, k.reg, v.reg);
            }
            Sink::Yield { elt } => {
                let o = self.operand(elt)?;
                self.u.sp = sp;
                self.at_node(elt);
                let t = self.emit_yield(o, Dest::Push);
                self.clear(t);
            }
        }
        self.u.sp = sp;
        Ok(())
    }

    /// A generator expression: makes its function and calls it with the outermost iterator.
    pub(super) fn generator(&mut self, g: &'a ast::ExprGenerator, dest: Dest) -> Res<u16> {
        let Some(scope) = self.sym.scope_of(g, Role::Body) else {
            return self.err(g.range, "invalid syntax");
        };
        if let Expr::Starred(s) = &*g.elt {
            return self.err(
                s.range,
                "iterable unpacking cannot be used in comprehension",
            );
        }
        let first = &g.generators[0];
        self.at_node(g);
        let code = self.generator_unit(g, scope)?;
        // A generator that makes cells of its own first is made by a call of its function.
        let called = code.locals.iter().any(|(_, k)| *k == LocalKind::Cell);
        let base = self.u.sp;
        let mut code = Some(code);
        if called && let Some(code) = code.take() {
            self.make_function(code, scope, 0, base, Dest::Push);
            self.u.alloc();
        }
        let sp = self.u.sp;
        let o = self.operand(&first.iter)?;
        self.u.sp = sp;
        let t = self.u.alloc();
        self.at_node(&first.iter);
        if first.is_async {
            self.emit(Op::GetAIter, o.xb(), t, o.reg, 0);
        } else {
            self.emit(Op::GetYieldFromIter, o.xb() | 1 << XARG, t, o.reg, 0);
        }
        self.at_node(g);
        let Some(code) = code else {
            return Ok(self.call_plain(base, 1, dest));
        };
        self.load_cells(scope);
        let k = self.u.const_index(Const::Code(Box::new(code)));
        self.u.sp = base;
        let d = self.u.dest(dest);
        self.emit(Op::MakeGenExpr, 0, d, k, t);
        Ok(d)
    }

    fn generator_unit(&mut self, g: &'a ast::ExprGenerator, scope: ScopeId) -> Res<CodeProto> {
        self.enter_function(scope, "<genexpr>", g.range, None);
        self.start_generator();
        let iter = match self.access_mangled(".0") {
            Access::Fast(r) => Opnd::local(r),
            _ => return self.err(g.range, "invalid syntax"),
        };
        let first = &g.generators[0];
        if first.is_async {
            let t = self.copy(iter);
            let lp = self.async_for_loop(t, &first.iter, &first.target)?;
            self.async_body(
                first,
                &g.generators[1..],
                Sink::Yield { elt: &g.elt },
                g.range,
                &lp,
            )?;
        } else {
            self.loops(
                &g.generators,
                Some(iter),
                Sink::Yield { elt: &g.elt },
                g.range,
            )?;
        }
        self.at_node(g);
        self.end_function(true)
    }
}

/// The element of a display of one.
fn single_element(e: &Expr) -> Option<&Expr> {
    let elts = match e {
        Expr::List(l) => &l.elts,
        Expr::Tuple(t) => &t.elts,
        _ => return None,
    };
    match elts.as_slice() {
        [only] if !only.is_starred_expr() => Some(only),
        _ => None,
    }
}
