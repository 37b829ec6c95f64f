//! `try`, `with`, asynchronous loops, and the way out of them.

use super::assemble::{Block, Dest, Label, Opnd};
use super::bytecode::*;
use super::{Compiler, Res};
use ruff_python_ast::{self as ast, ExceptHandler, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange};

/// LoadSpecial's argument bits.
const ENTER: u8 = 0;
const EXIT: u8 = 1;
const AENTER: u8 = 2;
const AEXIT: u8 = 3;
/// GetAwaitable's.
const AFTER_AENTER: u8 = 1;
const AFTER_AEXIT: u8 = 2;

/// An `async for` loop being written.
pub(super) struct AsyncLoop {
    pub again: Label,
    pub iter: u16,
    handler: u32,
}

impl<'a> Compiler<'a> {
    // Ways out

    /// Emits what leaving the blocks from `keep` on needs, innermost first. `value` is a temporary on its way out; it
    /// may move. The blocks and the handler stay left: call `rewind` when the way out is complete.
    pub(super) fn unwind(&mut self, keep: usize, mut value: Option<u16>) -> Res<Option<u16>> {
        let mut left = Vec::new();
        let (handler, mut pos) = (self.u.handler, self.u.pos());
        while self.u.blocks.len() > keep
            && let Some(block) = self.u.blocks.pop()
        {
            self.u.set_pos(pos);
            self.unwind_one(&block, &mut value)?;
            // What follows a `finally` or the end of a `with` is not in the line of the jump any more.
            if matches!(block, Block::Finally { .. } | Block::With { .. }) {
                pos = super::bytecode::Position::default();
            }
            left.push(block);
        }
        self.u.blocks.extend(left.into_iter().rev());
        self.u.set_pos(pos);
        self.u.resume = Some(handler);
        Ok(value)
    }

    /// After the jump or return that follows an `unwind`: back inside the blocks.
    pub(super) fn rewind(&mut self, sp: u16) {
        if let Some(h) = self.u.resume.take() {
            self.u.handler = h;
        }
        self.u.sp = sp;
    }

    fn unwind_one(&mut self, block: &Block<'a>, value: &mut Option<u16>) -> Res {
        match *block {
            Block::Loop { iter, niter, .. } => {
                for r in 0..niter {
                    self.clear(iter + r);
                }
            }
            Block::Try { outside } => self.u.handler = outside,
            Block::Temp { reg } => self.clear(reg),
            Block::Finally { body, outside } => {
                self.u.handler = outside;
                if let Some(reg) = *value {
                    self.u.sp = self.u.sp.max(reg + 1);
                    self.u.blocks.push(Block::Temp { reg });
                }
                let resume = self.u.resume.take();
                self.body(body)?;
                self.u.resume = resume;
                if value.is_some() {
                    self.u.blocks.pop();
                }
            }
            Block::Handler {
                exc,
                saved,
                name,
                outside,
            } => {
                self.u.handler = outside;
                self.emit(Op::PopExc, XA, saved, 0, 0);
                self.clear(exc);
                if let Some(name) = name {
                    self.unbind(name);
                }
            }
            Block::With {
                slot,
                base,
                is_async,
                range,
                outside,
            } => {
                self.u.handler = outside;
                if let Some(reg) = value
                    && *reg != slot
                {
                    self.mov(Opnd::temp(*reg), slot);
                    *reg = slot;
                }
                let sp = self.u.sp;
                self.at(range);
                self.normal_exit(base, is_async);
                self.u.sp = sp;
            }
            Block::Star { .. } => {}
        }
        Ok(())
    }

    /// `name = None; del name`, after a handler.
    fn unbind(&mut self, name: &ast::Identifier) {
        if let super::expr::Access::Fast(r) = self.access(name) {
            self.clear(r);
            return;
        }
        let t = self.load_k(Const::None, Dest::Push);
        self.store_name(name, Opnd::temp(t));
        self.u.sp = t;
        self.delete_name(name);
    }

    // try

    pub(super) fn try_stmt(&mut self, s: &'a ast::StmtTry) -> Res {
        self.u.line();
        if s.finalbody.is_empty() {
            return self.try_except(s);
        }
        let depth = self.u.sp;
        let outside = self.u.handler;
        let h = self.u.new_handler();
        let end = self.u.label();
        self.u.handler = h;
        self.u.blocks.push(Block::Finally {
            body: &s.finalbody,
            outside,
        });
        if s.handlers.is_empty() {
            self.body(&s.body)?;
        } else {
            self.try_except(s)?;
        }
        self.u.blocks.pop();
        self.u.handler = outside;
        self.body(&s.finalbody)?;
        self.at_nowhere();
        self.u.jump(end);

        let cold = std::mem::replace(&mut self.u.cold, true);
        let exc = self.u.bind_handler(h);
        self.at_nowhere();
        let (saved, cleanup) = self.push_exc(exc);
        self.u.blocks.push(Block::Handler {
            exc,
            saved,
            name: None,
            outside,
        });
        self.body(&s.finalbody)?;
        self.u.blocks.pop();
        self.at_nowhere();
        self.emit(Op::Reraise, XA, exc, 0, 0);
        self.cleanup(cleanup, saved, outside);
        self.u.cold = cold;
        self.u.sp = depth;
        self.u.bind(end);
        Ok(())
    }

    /// At a handler's entry: the exception becomes the one being handled; what follows is under a handler of its own.
    fn push_exc(&mut self, exc: u16) -> (u16, u32) {
        let saved = self.u.alloc();
        self.emit(Op::PushExc, 0, saved, exc, 0);
        let cleanup = self.u.new_handler();
        self.u.handler = cleanup;
        (saved, cleanup)
    }

    /// The handler of a handler: restores the exception that was handled before.
    fn cleanup(&mut self, cleanup: u32, saved: u16, outside: u32) {
        self.u.handler = outside;
        let exc = self.u.bind_handler(cleanup);
        self.at_nowhere();
        self.emit(Op::PopExc, XA, saved, 0, 0);
        self.emit(Op::Reraise, XA | RESTORE, exc, 0, 0);
    }

    fn try_except(&mut self, s: &'a ast::StmtTry) -> Res {
        let depth = self.u.sp;
        let outside = self.u.handler;
        let h = self.u.new_handler();
        let end = self.u.label();
        self.u.handler = h;
        self.u.blocks.push(Block::Try { outside });
        self.body(&s.body)?;
        self.u.blocks.pop();
        self.u.handler = outside;
        self.body(&s.orelse)?;
        self.at_nowhere();
        self.u.jump(end);

        let cold = std::mem::replace(&mut self.u.cold, true);
        let exc = self.u.bind_handler(h);
        self.at_nowhere();
        let (saved, cleanup) = self.push_exc(exc);
        if s.is_star {
            self.star_handlers(&s.handlers, exc, saved, outside, end)?;
        } else {
            self.handlers(&s.handlers, exc, saved, outside, end)?;
        }
        self.cleanup(cleanup, saved, outside);
        self.u.cold = cold;
        self.u.sp = depth;
        self.u.bind(end);
        Ok(())
    }

    fn handlers(
        &mut self,
        all: &'a [ExceptHandler],
        exc: u16,
        saved: u16,
        outside: u32,
        end: Label,
    ) -> Res {
        let cleanup = self.u.handler;
        let sp = self.u.sp;
        for (i, ExceptHandler::ExceptHandler(h)) in all.iter().enumerate() {
            let next = self.u.label();
            self.at_node(h);
            match &h.type_ {
                Some(e) => {
                    let o = self.operand(e)?;
                    self.u.sp = sp;
                    self.at_node(&**e);
                    let t = self.u.alloc();
                    self.emit(Op::ExcMatch, o.xc(), t, exc, o.reg);
                    self.u.jump_op(Op::JumpFalse, XA, t, 0, next);
                    self.u.sp = sp;
                }
                None if i + 1 < all.len() => {
                    return self.err(h.range, "default 'except:' must be last");
                }
                None => self.u.line(),
            }
            self.handler_body(h, exc, saved, outside)?;
            self.u.jump(end);
            self.u.bind(next);
            self.u.handler = cleanup;
            self.u.sp = sp;
        }
        self.at_nowhere();
        self.emit(Op::Reraise, XA, exc, 0, 0);
        Ok(())
    }

    /// The body of one handler, up to where it is left.
    fn handler_body(
        &mut self,
        h: &'a ast::ExceptHandlerExceptHandler,
        exc: u16,
        saved: u16,
        outside: u32,
    ) -> Res {
        let cleanup = self.u.handler;
        let name = h.name.as_ref();
        let mut named = None;
        if let Some(name) = name {
            self.store_name(name, Opnd::local(exc));
            let n = self.u.new_handler();
            self.u.handler = n;
            named = Some((n, name));
        }
        let block = Block::Handler {
            exc,
            saved,
            name,
            outside,
        };
        self.u.blocks.push(block.clone());
        self.body(&h.body)?;
        self.u.blocks.pop();
        self.at_nowhere();
        self.unwind_one(&block, &mut None)?;
        if let Some((n, name)) = named {
            let over = self.u.label();
            self.u.jump(over);
            let sp = self.u.sp;
            self.u.handler = cleanup;
            let exc = self.u.bind_handler(n);
            self.at_nowhere();
            self.unbind(name);
            self.emit(Op::Reraise, XA | RESTORE, exc, 0, 0);
            self.u.sp = sp;
            self.u.bind(over);
            self.u.handler = outside;
        }
        Ok(())
    }

    /// `except*`: temporaries are exc, saved, then the list of what is raised, then what is left of the group.
    fn star_handlers(
        &mut self,
        all: &'a [ExceptHandler],
        exc: u16,
        saved: u16,
        outside: u32,
        end: Label,
    ) -> Res {
        let cleanup = self.u.handler;
        let list = self.u.alloc();
        self.emit(Op::BuildList, 0, list, list, 0);
        let rest = self.copy(Opnd::local(exc)).reg;
        for ExceptHandler::ExceptHandler(h) in all {
            let Some(e) = &h.type_ else {
                return self.err(h.range, "expected one or more exception types");
            };
            let next = self.u.label();
            let no_match = self.u.label();
            let group = self.u.alloc_n(2);
            let o = self.operand(e)?;
            self.at_node(&**e);
            self.emit(Op::ExcGroupMatch, o.xc(), group, rest, o.reg);
            self.clear(rest);
            self.mov(Opnd::temp(group + 1), rest);
            self.u.sp = group + 1;
            self.u.jump_op(Op::JumpNone, 0, group, 0, no_match);
            self.star_body(h, group, list)?;
            self.at_nowhere();
            self.u.jump(next);
            self.u.bind(no_match);
            self.at_node(&**e);
            self.clear(group);
            self.u.bind(next);
            self.u.sp = rest + 1;
            self.u.handler = cleanup;
        }
        self.at_nowhere();
        self.emit(Op::ListAppend, XB, list, rest, 0);
        self.u.sp = rest;
        let t = self.u.alloc();
        self.emit(Op::PrepReraiseStar, XC, t, exc, list);
        let ok = self.u.label();
        self.u.jump_op(Op::JumpNone, 0, t, 0, ok);
        self.emit(Op::Reraise, XA, t, 0, 0);
        self.u.bind(ok);
        self.u.handler = outside;
        self.clear(t);
        self.emit(Op::PopExc, XA, saved, 0, 0);
        self.clear(exc);
        self.u.jump(end);
        Ok(())
    }

    /// The body of an `except*` clause: what it raises is put on the list.
    fn star_body(&mut self, h: &'a ast::ExceptHandlerExceptHandler, group: u16, list: u16) -> Res {
        let outside = self.u.handler;
        let name = h.name.as_ref();
        if let Some(name) = name {
            self.at_node(h);
            self.store_name(name, Opnd::local(group));
        }
        let inner = self.u.alloc();
        self.emit(Op::PushExc, 0, inner, group, 0);
        let n = self.u.new_handler();
        self.u.handler = n;
        self.u.blocks.push(Block::Star {});
        self.body(&h.body)?;
        self.u.blocks.pop();
        self.u.handler = outside;
        self.at_nowhere();
        let over = self.u.label();
        self.star_leave(name, group, inner);
        self.u.jump(over);
        let raised = self.u.bind_handler(n);
        self.at_nowhere();
        self.star_leave(name, group, inner);
        self.emit(Op::ListAppend, XB, list, raised, 0);
        self.u.bind(over);
        Ok(())
    }

    fn star_leave(&mut self, name: Option<&ast::Identifier>, group: u16, inner: u16) {
        self.emit(Op::PopExc, XA, inner, 0, 0);
        self.clear(group);
        if let Some(name) = name {
            self.unbind(name);
        }
    }

    // with

    pub(super) fn with_stmt(&mut self, s: &'a ast::StmtWith) -> Res {
        if s.is_async && !self.can_await() {
            return self.err(s.range, self.async_outside("async with"));
        }
        self.with_items(&s.items, &s.body, s.is_async)
    }

    fn with_items(&mut self, items: &'a [ast::WithItem], body: &'a [Stmt], is_async: bool) -> Res {
        let Some((item, rest)) = items.split_first() else {
            return self.body(body);
        };
        let range = item.context_expr.range();
        self.check_blocks(range)?;
        let sp = self.u.sp;
        let outside = self.u.handler;
        let slot = self.u.alloc();
        let base = self.u.alloc_n(2);
        let manager = self.operand(&item.context_expr)?;
        self.at(range);
        let (enter, exit) = if is_async {
            (AENTER, AEXIT)
        } else {
            (ENTER, EXIT)
        };
        let cache = self.u.cache(u32::MAX);
        self.emit(Op::LoadSpecial, exit << XARG, base, manager.reg, cache);
        let cache = self.u.cache(u32::MAX);
        let method = base + 2;
        self.u.sp = method;
        self.u.alloc_n(2);
        self.emit(
            Op::LoadSpecial,
            manager.xb() | enter << XARG,
            method,
            manager.reg,
            cache,
        );
        self.u.sp = method;
        let entered = self.enter_value(item, method, is_async);
        // From here on the exit is called.
        let h = {
            self.u.sp = method;
            self.u.new_handler()
        };
        self.u.handler = h;
        self.u.blocks.push(Block::With {
            slot,
            base,
            is_async,
            range,
            outside,
        });
        if let Some(t) = entered {
            self.u.sp = t + 1;
            match &item.optional_vars {
                Some(target) => self.store(target, Opnd::temp(t))?,
                None => self.clear(t),
            }
        }
        self.u.sp = method;
        self.with_items(rest, body, is_async)?;
        self.u.blocks.pop();
        self.u.handler = outside;
        self.at(range);
        self.normal_exit(base, is_async);
        let end = self.u.label();
        self.u.jump(end);
        self.exceptional_exit(h, base, is_async, range, outside, end);
        self.u.sp = sp;
        self.u.bind(end);
        Ok(())
    }

    /// Calls the enter method; gives the temporary of its result, unless that went to a local.
    fn enter_value(&mut self, item: &'a ast::WithItem, method: u16, is_async: bool) -> Option<u16> {
        if !is_async
            && let Some(Expr::Name(n)) = item.optional_vars.as_deref()
            && let super::expr::Access::Fast(r) = self.access(&n.id)
        {
            self.emit(Op::Call, 0, r, method, 0);
            return None;
        }
        let t = self.u.alloc();
        self.emit(Op::Call, 0, t, method, 0);
        if is_async {
            self.delegate(t, Opnd::temp(t), Op::GetAwaitable, AFTER_AENTER);
        }
        Some(t)
    }

    /// Calls r[base] with three None and drops the result.
    fn normal_exit(&mut self, base: u16, is_async: bool) {
        let k = self.u.const_index(Const::None);
        self.u.sp = base + 2;
        let args = self.u.alloc_n(3);
        for i in 0..3 {
            self.emit(Op::LoadK, 0, args + i, k, 0);
        }
        self.u.sp = base;
        let t = self.u.alloc();
        self.emit(Op::Call, 0, t, base, 3);
        if is_async {
            self.delegate(t, Opnd::temp(t), Op::GetAwaitable, AFTER_AEXIT);
        }
        self.clear(t);
        self.u.sp = base;
    }

    fn exceptional_exit(
        &mut self,
        h: u32,
        base: u16,
        is_async: bool,
        range: TextRange,
        outside: u32,
        end: Label,
    ) {
        let cold = std::mem::replace(&mut self.u.cold, true);
        let exc = self.u.bind_handler(h);
        self.at(range);
        let (saved, cleanup) = self.push_exc(exc);
        let t = self.u.alloc();
        self.emit(Op::WithExcept, 0, t, base, exc);
        if is_async {
            self.delegate(t, Opnd::temp(t), Op::GetAwaitable, AFTER_AEXIT);
        }
        let swallow = self.u.label();
        self.u.jump_op(Op::JumpTrue, XA, t, 0, swallow);
        self.emit(Op::Reraise, XA | RESTORE, exc, 0, 0);
        self.u.bind(swallow);
        self.u.handler = outside;
        self.emit(Op::PopExc, XA, saved, 0, 0);
        self.clear(exc);
        self.clear(base);
        self.clear(base + 1);
        self.u.jump(end);
        self.cleanup(cleanup, saved, outside);
        self.u.cold = cold;
    }

    // async for

    /// The head of a loop over `aiter(o)`.
    pub(super) fn async_for_start(
        &mut self,
        o: Opnd,
        iter: &Expr,
        target: &'a Expr,
    ) -> Res<AsyncLoop> {
        if o.temp {
            self.u.sp = o.reg;
        }
        let t = self.u.alloc();
        self.at_node(iter);
        self.emit(Op::GetAIter, o.xb(), t, o.reg, 0);
        self.async_for_loop(Opnd::temp(t), iter, target)
    }

    /// The head of a loop over the asynchronous iterator in a temporary.
    pub(super) fn async_for_loop(
        &mut self,
        o: Opnd,
        iter: &Expr,
        target: &'a Expr,
    ) -> Res<AsyncLoop> {
        let outside = self.u.handler;
        let again = self.u.label();
        self.u.bind(again);
        self.at_node(iter);
        let handler = self.u.new_handler();
        self.u.handler = handler;
        let value = self.u.alloc();
        let receiver = self.u.alloc();
        self.emit(Op::GetANext, 0, receiver, o.reg, 0);
        self.send_loop(value, receiver);
        self.u.handler = outside;
        self.store(target, Opnd::temp(value))?;
        self.u.sp = value;
        Ok(AsyncLoop {
            again,
            iter: o.reg,
            handler,
        })
    }

    /// The end of the loop, behind its jump back.
    pub(super) fn async_for_end(&mut self, lp: &AsyncLoop, iter: &Expr) {
        let exc = self.u.bind_handler(lp.handler);
        self.at_node(iter);
        self.emit(Op::EndAsyncFor, 0, exc, lp.iter, 0);
        self.u.sp = lp.iter;
    }
}
