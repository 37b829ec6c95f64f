//! Calls.

use super::assemble::Dest;
use super::bytecode::*;
use super::consts::str_const;
use super::source::span;
use super::{Compiler, Res};
use ruff_python_ast::{self as ast, Expr};
use ruff_text_size::{Ranged, TextRange};

/// In the argument bits of a call: no self in r[base + 1].
pub(super) const NO_SELF: u8 = 1 << XARG;
/// Positional arguments that are not in the source: `before` of them lie in their places, `last` is the name of one
/// that follows the others. (For classes.)
#[derive(Clone, Copy)]
pub(super) struct Extra {
    pub before: u16,
    pub last: Option<&'static str>,
}

/// With more positional arguments than this, they go through a tuple.
const MAX_ARGS: usize = 250;

impl<'a> Compiler<'a> {
    pub(super) fn call(&mut self, c: &'a ast::ExprCall, dest: Dest) -> Res<u16> {
        let base = self.u.sp;
        let mut x = 0;
        let mut range = c.range;
        if let Expr::Attribute(a) = &*c.func {
            if self.super_attr(a, Op::SuperMethod, Dest::Push)?.is_none() {
                let o = self.operand(&a.value)?;
                self.u.sp = base;
                self.at_attribute(a, a.range);
                let cache = self.attr_cache(&a.attr);
                self.u.alloc_n(2);
                self.emit(Op::LoadMethod, o.xb(), base, o.reg, cache);
            }
            if self.src.line(a.range.start()) != self.src.line(a.attr.range.start()) {
                range = span(a.attr.range, c.range);
            }
        } else {
            self.push(&c.func)?;
            self.u.alloc();
            x = NO_SELF;
        }
        self.call_args(base, x, Some(&c.arguments), None, range, dest)
    }

    /// Evaluates arguments and calls r[base].
    pub(super) fn call_args(
        &mut self,
        base: u16,
        x: u8,
        args: Option<&'a ast::Arguments>,
        extra: Option<Extra>,
        range: TextRange,
        dest: Dest,
    ) -> Res<u16> {
        let positional = args.map_or(&[][..], |a| &a.args);
        let keywords = args.map_or(&[][..], |a| &a.keywords);
        let n = extra.map_or(0, |e| e.before + u16::from(e.last.is_some())) as usize;
        let count = n + positional.len() + keywords.len();
        let starred = positional.iter().any(Expr::is_starred_expr)
            || keywords.iter().any(|k| k.arg.is_none());
        if starred || count > MAX_ARGS {
            return self.call_ex(base, x, positional, keywords, extra, range, dest);
        }
        for e in positional {
            self.push(e)?;
        }
        if let Some(name) = extra.and_then(|e| e.last) {
            self.at(range);
            self.load_name(name, Dest::Push);
        }
        for k in keywords {
            self.push(&k.value)?;
        }
        let count = count as u16;
        let names = self.keyword_names(keywords);
        self.u.sp = base;
        self.at(range);
        let d = self.u.dest(dest);
        match names {
            None => self.emit(Op::Call, x, d, base, count),
            Some(k) => {
                self.emit(Op::CallKw, x, d, base, count);
                self.u.ext(k);
            }
        }
        Ok(d)
    }

    fn keyword_names(&mut self, keywords: &[ast::Keyword]) -> Option<u16> {
        if keywords.is_empty() {
            return None;
        }
        let names = keywords
            .iter()
            .filter_map(|k| k.arg.as_ref())
            .map(|n| str_const(n.as_str()))
            .collect();
        Some(self.u.const_index(Const::Tuple(names)))
    }

    /// A call with `*` or `**` arguments, or very many.
    fn call_ex(
        &mut self,
        base: u16,
        x: u8,
        positional: &'a [Expr],
        keywords: &'a [ast::Keyword],
        extra: Option<Extra>,
        range: TextRange,
        dest: Dest,
    ) -> Res<u16> {
        let first = base + 2;
        self.positional(first, positional, extra, range)?;
        self.u.sp = first + 1;
        if keywords.is_empty() {
            let t = self.u.alloc();
            self.at(range);
            self.clear(t);
        } else {
            self.keywords(base, keywords, range)?;
        }
        self.u.sp = base;
        self.at(range);
        let d = self.u.dest(dest);
        self.emit(Op::CallEx, x, d, base, 0);
        Ok(d)
    }

    /// The positional arguments as one tuple or iterable in r[first].
    fn positional(
        &mut self,
        first: u16,
        args: &'a [Expr],
        extra: Option<Extra>,
        range: TextRange,
    ) -> Res {
        if extra.is_none() {
            match args {
                [] => {
                    self.at(range);
                    self.load_k(Const::Tuple(Vec::new()), Dest::Push);
                    return Ok(());
                }
                [Expr::Starred(s)] => {
                    self.push(&s.value)?;
                    return Ok(());
                }
                _ => {}
            }
        }
        self.at(range);
        // What lies there already becomes the head of the list.
        self.emit(
            Op::BuildList,
            0,
            first,
            first,
            extra.map_or(0, |e| e.before),
        );
        self.u.sp = first;
        self.u.alloc();
        for e in args {
            let (e, op) = match e {
                Expr::Starred(s) => (&*s.value, Op::ListExtend),
                e => (e, Op::ListAppend),
            };
            let o = self.operand(e)?;
            self.at_node(e);
            self.emit(op, o.xb(), first, o.reg, 0);
            self.u.sp = first + 1;
        }
        self.at(range);
        if let Some(name) = extra.and_then(|e| e.last) {
            let t = self.load_name(name, Dest::Push);
            self.emit(Op::ListAppend, XB, first, t, 0);
            self.u.sp = first + 1;
        }
        self.emit(Op::ListToTuple, XB, first, first, 0);
        Ok(())
    }

    /// The keyword arguments as a dict in the next temporary.
    fn keywords(&mut self, base: u16, keywords: &'a [ast::Keyword], range: TextRange) -> Res {
        let dict = self.u.alloc();
        // The leading named ones in one go.
        let named = keywords
            .iter()
            .take_while(|k| k.arg.is_some())
            .take(Self::MAX_DISPLAY / 2)
            .count();
        let (head, tail) = keywords.split_at(named);
        self.u.sp = dict;
        for k in head {
            if let Some(name) = &k.arg {
                self.at_node(k);
                self.push_str(name.as_str());
            }
            self.push(&k.value)?;
        }
        self.u.sp = dict;
        self.u.alloc();
        self.at(range);
        self.emit(Op::BuildMap, 0, dict, dict, named as u16);
        for k in tail {
            if let Some(name) = &k.arg {
                // On its own, so that a name that is there already is an error.
                self.at_node(k);
                let one = self.push_str(name.as_str());
                self.push(&k.value)?;
                self.at_node(k);
                self.emit(Op::BuildMap, 0, one, one, 1);
                self.emit(Op::DictMerge, XB, dict, one, base);
            } else {
                let o = self.operand(&k.value)?;
                self.at_node(k);
                self.emit(Op::DictMerge, o.xb(), dict, o.reg, base);
            }
            self.u.sp = dict + 1;
        }
        Ok(())
    }

    /// Calls the function in r[base] with the `n` arguments from r[base + 2] on.
    pub(super) fn call_plain(&mut self, base: u16, n: u16, dest: Dest) -> u16 {
        self.u.sp = base;
        let d = self.u.dest(dest);
        self.emit(Op::Call, NO_SELF, d, base, n);
        d
    }

    /// The decorators' calls around what `make` puts into a temporary.
    pub(super) fn decorated(
        &mut self,
        decorators: &'a [ast::Decorator],
        make: impl FnOnce(&mut Self, Dest) -> Res<u16>,
        dest: Dest,
    ) -> Res<u16> {
        let mut bases = Vec::new();
        for d in decorators {
            bases.push(self.push(&d.expression)?);
            self.u.alloc();
        }
        let inner = if bases.is_empty() { dest } else { Dest::Push };
        let mut r = make(self, inner)?;
        for (i, (base, d)) in bases.iter().zip(decorators).enumerate().rev() {
            self.at(d.expression.range());
            r = self.call_plain(*base, 1, if i == 0 { dest } else { Dest::Push });
        }
        Ok(r)
    }
}
