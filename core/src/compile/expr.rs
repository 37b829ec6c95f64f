//! Expressions: values, conditions and names.

use super::assemble::{Dest, Label, Opnd};
use super::bytecode::*;
use super::consts::{check_number, str_const, truth};
use super::symtable::{Place, ScopeKind, mangle};
use super::{Compiler, Res};
use ruff_python_ast::helpers::any_over_expr;
use ruff_python_ast::{self as ast, BoolOp, CmpOp, Expr, Operator, UnaryOp};
use ruff_text_size::{Ranged, TextRange};
use std::borrow::Cow;

/// How a name is reached.
#[derive(Clone, Copy, Debug)]
pub(super) enum Access {
    /// A local that is not captured.
    Fast(u16),
    /// A cell in a register.
    Deref(u16),
    /// A cell in a register, after the namespace of the class whose body this is.
    ClassDeref(u16),
    /// A cell in a register, after the class namespace in the cell that is the second.
    DictDeref(u16, u16),
    Global,
    /// A global, after the class namespace in the cell.
    DictGlobal(u16),
    /// A name of the frame's namespace.
    Name,
}

/// The right operand of a comparison that jumps.
#[derive(Clone, Copy)]
enum Right {
    Reg(Opnd),
    K(u16),
}

pub(super) fn binary_op(op: Operator) -> (Op, Op) {
    match op {
        Operator::Add => (Op::Add, Op::AddK),
        Operator::Sub => (Op::Sub, Op::SubK),
        Operator::Mult => (Op::Mul, Op::MulK),
        Operator::MatMult => (Op::MatMul, Op::Nop),
        Operator::Div => (Op::TrueDiv, Op::TrueDivK),
        Operator::Mod => (Op::Mod, Op::ModK),
        Operator::Pow => (Op::Pow, Op::PowK),
        Operator::LShift => (Op::LShift, Op::LShiftK),
        Operator::RShift => (Op::RShift, Op::RShiftK),
        Operator::BitOr => (Op::Or, Op::OrK),
        Operator::BitXor => (Op::Xor, Op::XorK),
        Operator::BitAnd => (Op::And, Op::AndK),
        Operator::FloorDiv => (Op::FloorDiv, Op::FloorDivK),
    }
}

/// The value, register-jump and constant-jump forms of an ordering.
fn compare_ops(op: CmpOp) -> Option<(Op, Op, Op)> {
    Some(match op {
        CmpOp::Lt => (Op::Lt, Op::JumpLt, Op::JumpLtK),
        CmpOp::LtE => (Op::Le, Op::JumpLe, Op::JumpLeK),
        CmpOp::Eq => (Op::Eq, Op::JumpEq, Op::JumpEqK),
        CmpOp::NotEq => (Op::Ne, Op::JumpNe, Op::JumpNeK),
        CmpOp::Gt => (Op::Gt, Op::JumpGt, Op::JumpGtK),
        CmpOp::GtE => (Op::Ge, Op::JumpGe, Op::JumpGeK),
        CmpOp::Is | CmpOp::IsNot | CmpOp::In | CmpOp::NotIn => return None,
    })
}

impl<'a> Compiler<'a> {
    // Names

    pub(super) fn mangled<'n>(&self, name: &'n str) -> Cow<'n, str> {
        mangle(self.u.private.as_deref(), name)
    }

    /// How the name (not yet mangled) is reached from here.
    pub(super) fn access(&self, name: &str) -> Access {
        self.access_mangled(&self.mangled(name))
    }

    pub(super) fn access_mangled(&self, name: &str) -> Access {
        let unit = &self.sym.scopes[self.u.scope];
        for &comp in self.u.comps.iter().rev() {
            let scope = &self.sym.scopes[comp];
            let found = scope.place(name);
            match found {
                Some(Place::Local | Place::Cell) => {
                    if let Some((key, _)) = scope.symbols.get_key_value(name)
                        && let Some(&reg) = self.u.hidden.get(&(comp, key.clone()))
                    {
                        return if found == Some(Place::Cell) {
                            Access::Deref(reg)
                        } else {
                            Access::Fast(reg)
                        };
                    }
                }
                Some(place) if scope.parent == Some(self.u.scope) && unit.class_names() => {
                    return match (place, self.u.regs.get(name)) {
                        (Place::Free, Some(&reg)) => Access::Deref(reg),
                        _ => Access::Global,
                    };
                }
                _ => {}
            }
        }
        let Some(place) = unit.place(name) else {
            return if unit.function_like() {
                Access::Global
            } else {
                Access::Name
            };
        };
        let dict = if unit.sees_class {
            self.u.regs.get("__classdict__").copied()
        } else {
            None
        };
        match (place, self.u.regs.get(name)) {
            (Place::Local, Some(&reg)) if unit.function_like() => Access::Fast(reg),
            (Place::Cell, Some(&reg)) => Access::Deref(reg),
            (Place::Free, Some(&reg)) => match (unit.kind, dict) {
                (ScopeKind::Class, _) => Access::ClassDeref(reg),
                (_, Some(d)) if name != "__classdict__" => Access::DictDeref(reg, d),
                _ => Access::Deref(reg),
            },
            (Place::GlobalImplicit, _) if unit.function_like() => {
                dict.map_or(Access::Global, Access::DictGlobal)
            }
            (Place::GlobalExplicit, _) => Access::Global,
            _ => Access::Name,
        }
    }

    pub(super) fn load_name(&mut self, name: &str, dest: Dest) -> u16 {
        let name = self.mangled(name).into_owned();
        let access = self.access_mangled(&name);
        match access {
            Access::Fast(r) => {
                let d = self.u.dest(dest);
                // `x = x` still checks that x is bound.
                self.emit(Op::Move, 0, d, r, 0);
                d
            }
            Access::Deref(r) => {
                let d = self.u.dest(dest);
                self.emit(Op::LoadDeref, 0, d, r, 0);
                d
            }
            Access::ClassDeref(r) => {
                let t = self.u.alloc();
                self.emit(Op::LoadLocals, 0, t, 0, 0);
                self.u.sp = t;
                let d = self.u.dest(dest);
                self.emit(Op::LoadFromDictOrDeref, XB, d, t, r);
                d
            }
            Access::DictDeref(r, dict) => {
                let t = self.u.alloc();
                self.emit(Op::LoadDeref, 0, t, dict, 0);
                self.u.sp = t;
                let d = self.u.dest(dest);
                self.emit(Op::LoadFromDictOrDeref, XB, d, t, r);
                d
            }
            Access::DictGlobal(dict) => {
                let t = self.u.alloc();
                self.emit(Op::LoadDeref, 0, t, dict, 0);
                self.u.sp = t;
                let d = self.u.dest(dest);
                let n = self.u.name_of(&name);
                self.emit(Op::LoadFromDictOrGlobals, XB, d, t, n);
                d
            }
            Access::Global => self.load_global(&name, dest),
            Access::Name => {
                let n = self.u.name_of(&name);
                let cache = self.u.global_cache(Op::LoadName, n, 2);
                let d = self.u.dest(dest);
                self.emit(Op::LoadName, 0, d, n, cache);
                d
            }
        }
    }

    pub(super) fn load_global(&mut self, name: &str, dest: Dest) -> u16 {
        let n = self.u.name_of(name);
        let cache = self.u.global_cache(Op::LoadGlobal, n, 2);
        let d = self.u.dest(dest);
        self.emit(Op::LoadGlobal, 0, d, n, cache);
        d
    }

    /// Stores an operand under a name; a temporary is consumed, a local copied.
    pub(super) fn store_name(&mut self, name: &str, from: Opnd) {
        let name = self.mangled(name).into_owned();
        self.store_mangled(&name, from);
    }

    pub(super) fn store_mangled(&mut self, name: &str, from: Opnd) {
        let access = self.access_mangled(name);
        if let Access::Fast(r) = access {
            return self.mov(from, r);
        }
        let sp = self.u.sp;
        let from = if from.temp { from } else { self.copy(from) };
        match access {
            Access::Fast(_) => {}
            Access::Deref(r) | Access::ClassDeref(r) | Access::DictDeref(r, _) => {
                self.emit(Op::StoreDeref, XA, from.reg, r, 0);
            }
            Access::Global | Access::DictGlobal(_) => {
                let n = self.u.name_of(name);
                let cache = self.u.global_cache(Op::StoreGlobal, n, 1);
                self.emit(Op::StoreGlobal, XA, from.reg, n, cache);
            }
            Access::Name => {
                let n = self.u.name_of(name);
                self.emit(Op::StoreName, XA, from.reg, n, 0);
            }
        }
        self.u.sp = sp;
    }

    /// A copy of an operand in a new temporary.
    pub(super) fn copy(&mut self, from: Opnd) -> Opnd {
        let t = self.u.alloc();
        self.emit(Op::Move, 0, t, from.reg, 0);
        Opnd::temp(t)
    }

    pub(super) fn delete_name(&mut self, name: &str) {
        let name = self.mangled(name).into_owned();
        match self.access_mangled(&name) {
            Access::Fast(r) => self.emit(Op::DeleteFast, 0, r, 0, 0),
            Access::Deref(r) | Access::ClassDeref(r) | Access::DictDeref(r, _) => {
                self.emit(Op::DeleteDeref, 0, 0, r, 0);
            }
            Access::Global | Access::DictGlobal(_) => {
                let n = self.u.name_of(&name);
                self.emit(Op::DeleteGlobal, 0, 0, n, 0);
            }
            Access::Name => {
                let n = self.u.name_of(&name);
                self.emit(Op::DeleteName, 0, 0, n, 0);
            }
        }
    }

    // Values

    /// Evaluates into the next temporary.
    pub(super) fn push(&mut self, e: &'a Expr) -> Res<u16> {
        self.expr(e, Dest::Push)
    }

    /// Evaluates, leaving a local where it lies.
    pub(super) fn operand(&mut self, e: &'a Expr) -> Res<Opnd> {
        match e {
            Expr::Name(n) => {
                if n.id.as_str() != "__debug__"
                    && let Access::Fast(r) = self.access(&n.id)
                {
                    return Ok(Opnd::local(r));
                }
            }
            Expr::Named(n) => {
                if let Expr::Name(target) = &*n.target
                    && let Access::Fast(r) = self.access(&target.id)
                {
                    self.expr(&n.value, Dest::Local(r))?;
                    return Ok(Opnd::local(r));
                }
            }
            _ => {}
        }
        Ok(Opnd::temp(self.push(e)?))
    }

    /// As `operand`, for a value that is read after `later` has been evaluated: a local that an assignment
    /// expression may rebind is copied.
    pub(super) fn operand_before(&mut self, e: &'a Expr, later: &[&'a Expr]) -> Res<Opnd> {
        let o = self.operand(e)?;
        if o.temp
            || !self.has_walrus()
            || !later
                .iter()
                .any(|e| any_over_expr(e, &|e| e.is_named_expr()))
        {
            return Ok(o);
        }
        Ok(self.copy(o))
    }

    pub(super) fn has_walrus(&self) -> bool {
        self.sym.scopes[self.u.scope].walrus
    }

    /// Evaluates and drops the value.
    pub(super) fn discard(&mut self, e: &'a Expr) -> Res {
        let sp = self.u.sp;
        let o = self.operand(e)?;
        if o.temp {
            let last = self.u.last_instr();
            if matches!(e, Expr::Call(_))
                && [Op::Call as u8, Op::CallMethod as u8].contains(&last.op())
                && last.a() == o.reg as usize
            {
                self.u.discard_last_result();
            } else {
                self.clear(o.reg);
            }
        } else if !e.is_named_expr() {
            // Only to see that it is bound.
            let t = self.copy(o);
            self.clear(t.reg);
        }
        self.u.sp = sp;
        Ok(())
    }

    /// Evaluates into `dest`; gives its register. Only the last instruction writes a local.
    pub(super) fn expr(&mut self, e: &'a Expr, dest: Dest) -> Res<u16> {
        self.depth += 1;
        if self.depth > super::MAX_DEPTH {
            return Err(self.src.too_deep());
        }
        let result = self.expr_inner(e, dest);
        self.depth -= 1;
        result
    }

    fn expr_inner(&mut self, e: &'a Expr, dest: Dest) -> Res<u16> {
        if let Expr::NumberLiteral(n) = e {
            check_number(self.src, n)?;
        }
        if let Some(c) = self.fold(e) {
            self.at_node(e);
            return Ok(self.load_k(c, dest));
        }
        match e {
            Expr::Name(n) => {
                self.at_node(e);
                Ok(self.load_name(&n.id, dest))
            }
            Expr::BinOp(b) => self.binary(b, dest),
            Expr::UnaryOp(u) => self.unary(u, dest),
            Expr::BoolOp(b) => self.via_temp(dest, |c| c.bool_op(b)),
            Expr::Compare(c) => self.compare(c, dest),
            Expr::Call(c) => self.call(c, dest),
            Expr::Attribute(a) => self.attribute(a, dest),
            Expr::Subscript(s) => self.subscript(s, dest),
            Expr::If(x) => self.conditional(x, dest),
            Expr::Named(n) => {
                let o = self.named(n)?;
                if o.temp && matches!(dest, Dest::Push) {
                    return Ok(o.reg);
                }
                self.u.sp = if o.temp { o.reg } else { self.u.sp };
                let d = self.u.dest(dest);
                self.mov(o, d);
                Ok(d)
            }
            Expr::Tuple(t) => self.sequence(&t.elts, Op::BuildTuple, t.range, dest),
            Expr::List(t) => self.sequence(&t.elts, Op::BuildList, t.range, dest),
            Expr::Set(t) => self.sequence(&t.elts, Op::BuildSet, t.range, dest),
            Expr::Dict(d) => self.dict(d, dest),
            Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) => {
                self.via_temp(dest, |c| c.comprehension(e))
            }
            Expr::Generator(g) => self.generator(g, dest),
            Expr::Lambda(l) => self.lambda(l, dest),
            Expr::FString(f) => self.fstring(f, dest),
            Expr::TString(t) => self.tstring(t, dest),
            Expr::Yield(y) => self.yield_value(y, dest),
            Expr::YieldFrom(y) => self.yield_from(y, dest),
            Expr::Await(a) => self.await_value(a, dest),
            Expr::Slice(s) => self.slice(s, dest),
            Expr::Starred(s) => self.err(s.range, "can't use starred expression here"),
            Expr::IpyEscapeCommand(x) => self.err(x.range, "invalid syntax"),
            Expr::StringLiteral(_)
            | Expr::BytesLiteral(_)
            | Expr::NumberLiteral(_)
            | Expr::BooleanLiteral(_)
            | Expr::NoneLiteral(_)
            | Expr::EllipsisLiteral(_) => self.err(e.range(), "invalid literal"),
        }
    }

    /// For values that need several writes: they are made in a temporary and moved to a local.
    pub(super) fn via_temp(
        &mut self,
        dest: Dest,
        make: impl FnOnce(&mut Self) -> Res<u16>,
    ) -> Res<u16> {
        let t = make(self)?;
        let Dest::Local(r) = dest else { return Ok(t) };
        self.mov(Opnd::temp(t), r);
        self.u.sp = t;
        Ok(r)
    }

    fn binary(&mut self, b: &'a ast::ExprBinOp, dest: Dest) -> Res<u16> {
        let sp = self.u.sp;
        let (op, op_k) = binary_op(b.op);
        let left = self.operand_before(&b.left, &[&b.right])?;
        if op_k != Op::Nop
            && let Some(k) = self.fold(&b.right)
        {
            let k = self.u.const_index(k);
            self.u.sp = sp;
            self.at_node(b);
            let d = self.u.dest(dest);
            self.emit(op_k, left.xb(), d, left.reg, k);
            return Ok(d);
        }
        let right = self.operand(&b.right)?;
        self.u.sp = sp;
        self.at_node(b);
        let d = self.u.dest(dest);
        self.emit(op, left.xb() | right.xc(), d, left.reg, right.reg);
        Ok(d)
    }

    fn unary(&mut self, u: &'a ast::ExprUnaryOp, dest: Dest) -> Res<u16> {
        let op = match u.op {
            UnaryOp::USub => Op::Neg,
            UnaryOp::UAdd => Op::Pos,
            UnaryOp::Invert => Op::Invert,
            UnaryOp::Not => return self.not(u, dest),
        };
        let sp = self.u.sp;
        let o = self.operand(&u.operand)?;
        self.u.sp = sp;
        self.at_node(u);
        let d = self.u.dest(dest);
        self.emit(op, o.xb(), d, o.reg, 0);
        Ok(d)
    }

    /// `not x`; `not a in b` and `not a is b` are one operation.
    fn not(&mut self, u: &'a ast::ExprUnaryOp, dest: Dest) -> Res<u16> {
        if let Expr::Compare(c) = &*u.operand
            && let ([op], [right]) = (&*c.ops, &*c.comparators)
            && compare_ops(*op).is_none()
        {
            return self.identity(c, &c.left, op.negate(), right, dest);
        }
        let sp = self.u.sp;
        let o = self.operand(&u.operand)?;
        self.u.sp = sp;
        self.at_node(u);
        let d = self.u.dest(dest);
        self.emit(Op::Not, o.xb(), d, o.reg, 0);
        Ok(d)
    }

    /// `a and b`, `a or b` as values.
    fn bool_op(&mut self, b: &'a ast::ExprBoolOp) -> Res<u16> {
        let sp = self.u.sp;
        let end = self.u.label();
        let op = if b.op == BoolOp::And {
            Op::JumpFalse
        } else {
            Op::JumpTrue
        };
        let last = b.values.len() - 1;
        for (i, v) in b.values.iter().enumerate() {
            // A constant is decided now.
            if i < last
                && let Some(c) = self.fold(v)
            {
                if truth(&c) == (b.op == BoolOp::And) {
                    continue;
                }
                self.at_node(v);
                self.load_k(c, Dest::Push);
                break;
            }
            let t = self.push(v)?;
            if i < last {
                self.at_node(b);
                self.u.jump_op(op, 0, t, 0, end);
                self.clear(t);
                self.u.sp = sp;
            }
        }
        self.u.bind(end);
        self.u.sp = sp;
        Ok(self.u.alloc())
    }

    fn conditional(&mut self, x: &'a ast::ExprIf, dest: Dest) -> Res<u16> {
        let (other, end) = (self.u.label(), self.u.label());
        let sp = self.u.sp;
        self.jump_if(&x.test, false, other)?;
        self.expr(&x.body, dest)?;
        self.u.jump(end);
        self.u.bind(other);
        self.u.sp = sp;
        let d = self.expr(&x.orelse, dest)?;
        self.u.bind(end);
        Ok(d)
    }

    /// Evaluates a walrus and stores it; the value is left where it was stored, or in a temporary.
    fn named(&mut self, n: &'a ast::ExprNamed) -> Res<Opnd> {
        let Expr::Name(target) = &*n.target else {
            return self.err(
                n.target.range(),
                "cannot use assignment expressions with this target",
            );
        };
        if let Access::Fast(r) = self.access(&target.id) {
            self.expr(&n.value, Dest::Local(r))?;
            return Ok(Opnd::local(r));
        }
        let t = self.push(&n.value)?;
        self.at_node(n);
        self.store_name(&target.id, Opnd::local(t));
        Ok(Opnd::temp(t))
    }

    // Comparisons

    fn compare(&mut self, c: &'a ast::ExprCompare, dest: Dest) -> Res<u16> {
        let ([op], [right]) = (&*c.ops, &*c.comparators) else {
            return self.via_temp(dest, |s| s.chain(c));
        };
        let Some((op, ..)) = compare_ops(*op) else {
            return self.identity(c, &c.left, *op, right, dest);
        };
        let sp = self.u.sp;
        let l = self.operand_before(&c.left, &[right])?;
        let r = self.operand(right)?;
        self.u.sp = sp;
        self.at_node(c);
        let d = self.u.dest(dest);
        self.emit(op, l.xb() | r.xc(), d, l.reg, r.reg);
        Ok(d)
    }

    /// `is` and `in`.
    fn identity(
        &mut self,
        c: &ast::ExprCompare,
        left: &'a Expr,
        op: CmpOp,
        right: &'a Expr,
        dest: Dest,
    ) -> Res<u16> {
        let sp = self.u.sp;
        let l = self.operand_before(left, &[right])?;
        let r = self.container(op, right)?;
        self.u.sp = sp;
        self.at_node(c);
        let d = self.u.dest(dest);
        self.emit_compare(op, d, l, r, false);
        Ok(d)
    }

    /// The right operand of a comparison: for `in`, displays of constants are constants.
    fn container(&mut self, op: CmpOp, e: &'a Expr) -> Res<Opnd> {
        if matches!(op, CmpOp::In | CmpOp::NotIn) {
            let elts = match e {
                Expr::List(l) => Some((&l.elts, false)),
                Expr::Set(s) => Some((&s.elts, true)),
                _ => None,
            };
            if let Some((elts, set)) = elts
                && let Some(items) = elts
                    .iter()
                    .map(|e| self.fold(e))
                    .collect::<Option<Vec<_>>>()
            {
                self.at_node(e);
                let c = if set {
                    Const::FrozenSet(items)
                } else {
                    Const::Tuple(items)
                };
                return Ok(Opnd::temp(self.load_k(c, Dest::Push)));
            }
        }
        self.operand(e)
    }

    /// One comparison as a value; with `keep` the right operand is not consumed.
    fn emit_compare(&mut self, op: CmpOp, dest: u16, l: Opnd, r: Opnd, keep: bool) {
        let x = l.xb() | if keep { 0 } else { r.xc() };
        let (op, arg) = match (op, compare_ops(op)) {
            (_, Some((op, ..))) => (op, 0),
            (CmpOp::Is, _) => (Op::Is, 0),
            (CmpOp::IsNot, _) => (Op::Is, 1),
            (CmpOp::In, _) => (Op::Contains, 0),
            _ => (Op::Contains, 1),
        };
        self.emit(op, x | arg << XARG, dest, l.reg, r.reg);
    }

    /// `a < b < c` as a value.
    fn chain(&mut self, c: &'a ast::ExprCompare) -> Res<u16> {
        let result = self.u.alloc();
        let (end, n) = (self.u.label(), c.ops.len());
        let mut cleanups = Vec::new();
        let rest: Vec<&Expr> = c.comparators.iter().collect();
        let mut left = self.operand_before(&c.left, &rest)?;
        for (i, (op, e)) in c.ops.iter().zip(&c.comparators).enumerate() {
            let last = i + 1 == n;
            let right = if last {
                self.container(*op, e)?
            } else {
                self.operand_before(e, &rest[i + 1..])?
            };
            self.at_node(c);
            self.emit_compare(*op, result, left, right, !last);
            if !last {
                let out = if right.temp { self.u.label() } else { end };
                self.u.jump_op(Op::JumpFalse, 0, result, 0, out);
                self.clear(result);
                if right.temp {
                    cleanups.push((out, right.reg));
                }
            }
            left = right;
        }
        if !cleanups.is_empty() {
            self.u.jump(end);
        }
        for (out, reg) in cleanups {
            self.u.bind(out);
            self.clear(reg);
            self.u.jump(end);
        }
        self.u.bind(end);
        self.u.sp = result + 1;
        Ok(result)
    }

    // Conditions

    /// Jumps to `target` if `e` is (not) true; else goes on.
    pub(super) fn jump_if(&mut self, e: &'a Expr, cond: bool, target: Label) -> Res {
        self.depth += 1;
        if self.depth > super::MAX_DEPTH {
            return Err(self.src.too_deep());
        }
        let result = self.jump_if_inner(e, cond, target);
        self.depth -= 1;
        result
    }

    fn jump_if_inner(&mut self, e: &'a Expr, cond: bool, target: Label) -> Res {
        if let Some(c) = self.fold(e) {
            self.at_node(e);
            if truth(&c) == cond {
                self.u.jump(target);
            } else {
                self.u.line();
            }
            return Ok(());
        }
        match e {
            Expr::UnaryOp(u) if u.op == UnaryOp::Not => self.jump_if(&u.operand, !cond, target),
            Expr::BoolOp(b) => {
                let (last, init) = b
                    .values
                    .split_last()
                    .ok_or_else(|| self.src.plain_error("invalid syntax"))?;
                // `and` decides false at once, `or` true.
                let decides = b.op == BoolOp::Or;
                if decides == cond {
                    for v in init {
                        self.jump_if(v, cond, target)?;
                    }
                    return self.jump_if(last, cond, target);
                }
                let end = self.u.label();
                for v in init {
                    self.jump_if(v, decides, end)?;
                }
                self.jump_if(last, cond, target)?;
                self.u.bind(end);
                Ok(())
            }
            Expr::If(x) => {
                let (other, end) = (self.u.label(), self.u.label());
                self.jump_if(&x.test, false, other)?;
                self.jump_if(&x.body, cond, target)?;
                self.u.jump(end);
                self.u.bind(other);
                self.jump_if(&x.orelse, cond, target)?;
                self.u.bind(end);
                Ok(())
            }
            Expr::Compare(c) => self.jump_compare(c, cond, target),
            _ => {
                let sp = self.u.sp;
                let o = self.operand(e)?;
                self.u.sp = sp;
                self.at_node(e);
                self.jump_on(o, cond, target);
                Ok(())
            }
        }
    }

    pub(super) fn jump_on(&mut self, o: Opnd, cond: bool, target: Label) {
        let op = if cond { Op::JumpTrue } else { Op::JumpFalse };
        self.u.jump_op(op, o.xa(), o.reg, 0, target);
    }

    fn jump_compare(&mut self, c: &'a ast::ExprCompare, cond: bool, target: Label) -> Res {
        let sp = self.u.sp;
        let n = c.ops.len();
        let end = self.u.label();
        let fail = if cond { end } else { target };
        let mut cleanups = Vec::new();
        let rest: Vec<&Expr> = c.comparators.iter().collect();
        let mut left = self.operand_before(&c.left, &rest)?;
        for (i, (op, e)) in c.ops.iter().zip(&c.comparators).enumerate() {
            if i + 1 == n {
                self.jump_last(c, *op, left, e, cond, target)?;
                break;
            }
            let right = self.operand_before(e, &rest[i + 1..])?;
            let out = if right.temp { self.u.label() } else { fail };
            self.at_node(c);
            if let Some((_, jump, _)) = compare_ops(*op) {
                self.u.jump_op(jump, left.xa(), left.reg, right.reg, out);
            } else {
                let t = self.u.alloc();
                self.emit_compare(*op, t, left, right, true);
                self.u.jump_op(Op::JumpFalse, XA, t, 0, out);
                self.u.sp = t;
            }
            if right.temp {
                cleanups.push((out, right.reg));
            }
            left = right;
        }
        if !cleanups.is_empty() {
            self.u.jump(end);
            for (out, reg) in cleanups {
                self.u.bind(out);
                self.clear(reg);
                self.u.jump(fail);
            }
        }
        self.u.bind(end);
        self.u.sp = sp;
        Ok(())
    }

    /// The last (mostly the only) comparison of a condition.
    fn jump_last(
        &mut self,
        c: &'a ast::ExprCompare,
        op: CmpOp,
        left: Opnd,
        e: &'a Expr,
        cond: bool,
        target: Label,
    ) -> Res {
        if let Some((_, jump, jump_k)) = compare_ops(op) {
            let right = match self.fold(e) {
                Some(k) => Right::K(self.u.const_index(k)),
                None => Right::Reg(self.operand(e)?),
            };
            self.at_node(c);
            let truth = u8::from(cond) << XARG;
            match right {
                Right::K(k) => self
                    .u
                    .jump_op(jump_k, left.xa() | truth, left.reg, k, target),
                Right::Reg(r) => {
                    self.u
                        .jump_op(jump, left.xa() | r.xb() | truth, left.reg, r.reg, target)
                }
            }
            return Ok(());
        }
        if matches!(op, CmpOp::Is | CmpOp::IsNot) && e.is_none_literal_expr() {
            self.at_node(c);
            let none = (op == CmpOp::Is) == cond;
            let jump = if none { Op::JumpNone } else { Op::JumpNotNone };
            self.u.jump_op(jump, left.xa(), left.reg, 0, target);
            return Ok(());
        }
        let right = self.container(op, e)?;
        self.at_node(c);
        let t = self.u.alloc();
        self.emit_compare(op, t, left, right, false);
        self.u.sp = t;
        self.jump_on(Opnd::temp(t), cond, target);
        Ok(())
    }

    // Attributes, items, displays

    /// Where an attribute's instruction is: at the name, if that is on another line than the object.
    pub(super) fn at_attribute(&mut self, a: &ast::ExprAttribute, whole: TextRange) {
        let start = a.attr.range.start();
        if self.src.line(whole.start()) == self.src.line(start) {
            self.at(whole);
        } else {
            self.at(TextRange::new(start.min(whole.end()), whole.end()));
        }
    }

    /// A cache for attribute `name`.
    pub(super) fn attr_cache(&mut self, name: &str) -> u16 {
        let name = self.mangled(name).into_owned();
        let n = self.u.name_of(&name);
        self.u.cache(u32::from(n))
    }

    fn attribute(&mut self, a: &'a ast::ExprAttribute, dest: Dest) -> Res<u16> {
        if let Some(d) = self.super_attr(a, Op::SuperAttr, dest)? {
            return Ok(d);
        }
        let sp = self.u.sp;
        let o = self.operand(&a.value)?;
        self.u.sp = sp;
        self.at_attribute(a, a.range);
        let cache = self.attr_cache(&a.attr);
        let d = self.u.dest(dest);
        self.emit(Op::GetAttr, o.xb(), d, o.reg, cache);
        Ok(d)
    }

    fn subscript(&mut self, s: &'a ast::ExprSubscript, dest: Dest) -> Res<u16> {
        let sp = self.u.sp;
        let o = self.operand_before(&s.value, &[&s.slice])?;
        if let Some(k) = self.index_const(&s.slice) {
            let k = self.u.const_index(k);
            self.u.sp = sp;
            self.at_node(s);
            let d = self.u.dest(dest);
            self.emit(Op::GetItemK, o.xb(), d, o.reg, k);
            return Ok(d);
        }
        let i = self.operand(&s.slice)?;
        self.u.sp = sp;
        self.at_node(s);
        let d = self.u.dest(dest);
        self.emit(Op::GetItem, o.xb() | i.xc(), d, o.reg, i.reg);
        Ok(d)
    }

    /// A constant index or slice.
    pub(super) fn index_const(&self, e: &Expr) -> Option<Const> {
        match e {
            Expr::Slice(s) => self.fold_slice(s),
            e => self.fold(e),
        }
    }

    fn slice(&mut self, s: &'a ast::ExprSlice, dest: Dest) -> Res<u16> {
        if let Some(k) = self.fold_slice(s) {
            self.at_node(s);
            return Ok(self.load_k(k, dest));
        }
        let sp = self.u.sp;
        let mut n = 2;
        for part in [&s.lower, &s.upper] {
            match part {
                Some(e) => self.push(e)?,
                None => {
                    self.at_node(s);
                    self.load_k(Const::None, Dest::Push)
                }
            };
        }
        if let Some(e) = &s.step {
            self.push(e)?;
            n = 3;
        }
        self.u.sp = sp;
        self.at_node(s);
        let d = self.u.dest(dest);
        self.emit(Op::BuildSlice, 0, d, sp, n);
        Ok(d)
    }

    /// Longer displays are built piece by piece, so that they do not need as many registers.
    pub(super) const MAX_DISPLAY: usize = 64;

    /// A tuple, list or set display.
    pub(super) fn sequence(
        &mut self,
        elts: &'a [Expr],
        op: Op,
        range: TextRange,
        dest: Dest,
    ) -> Res<u16> {
        let starred = elts.iter().any(Expr::is_starred_expr);
        if starred || elts.len() > Self::MAX_DISPLAY {
            return self.via_temp(dest, |c| c.long_sequence(elts, op, range));
        }
        // A long list or set of constants is made from a tuple.
        if elts.len() > 2
            && op != Op::BuildTuple
            && let Some(items) = elts
                .iter()
                .map(|e| self.fold(e))
                .collect::<Option<Vec<_>>>()
        {
            return self.via_temp(dest, |c| {
                c.at(range);
                let t = c.u.alloc();
                c.emit(op, 0, t, t, 0);
                let set = op == Op::BuildSet;
                let items = if set {
                    Const::FrozenSet(items)
                } else {
                    Const::Tuple(items)
                };
                let k = c.load_k(items, Dest::Push);
                c.emit(
                    if set { Op::SetUpdate } else { Op::ListExtend },
                    XB,
                    t,
                    k,
                    0,
                );
                c.u.sp = t + 1;
                Ok(t)
            });
        }
        let sp = self.u.sp;
        for e in elts {
            self.push(e)?;
        }
        self.u.sp = sp;
        self.at(range);
        let d = self.u.dest(dest);
        self.emit(op, 0, d, sp, elts.len() as u16);
        Ok(d)
    }

    /// A display with starred or many items, in a temporary.
    pub(super) fn long_sequence(&mut self, elts: &'a [Expr], op: Op, range: TextRange) -> Res<u16> {
        let set = op == Op::BuildSet;
        let (build, add, extend) = if set {
            (Op::BuildSet, Op::SetAdd, Op::SetUpdate)
        } else {
            (Op::BuildList, Op::ListAppend, Op::ListExtend)
        };
        let t = self.u.alloc();
        self.at(range);
        if let Some(items) = elts
            .iter()
            .map(|e| self.fold(e))
            .collect::<Option<Vec<_>>>()
        {
            if op == Op::BuildTuple {
                self.u.sp = t;
                return Ok(self.load_k(Const::Tuple(items), Dest::Push));
            }
            self.emit(build, 0, t, t, 0);
            let items = if set {
                Const::FrozenSet(items)
            } else {
                Const::Tuple(items)
            };
            let k = self.load_k(items, Dest::Push);
            self.emit(extend, XB, t, k, 0);
            self.u.sp = t + 1;
            return Ok(t);
        }
        self.emit(build, 0, t, t, 0);
        for e in elts {
            let (e, op) = match e {
                Expr::Starred(s) => (&*s.value, extend),
                e => (e, add),
            };
            let o = self.operand(e)?;
            self.at(range);
            self.emit(op, o.xb(), t, o.reg, 0);
            self.u.sp = t + 1;
        }
        if op == Op::BuildTuple {
            self.emit(Op::ListToTuple, XB, t, t, 0);
        }
        Ok(t)
    }

    fn dict(&mut self, d: &'a ast::ExprDict, dest: Dest) -> Res<u16> {
        if d.items.len() > Self::MAX_DISPLAY / 2 || d.items.iter().any(|i| i.key.is_none()) {
            return self.via_temp(dest, |c| c.long_dict(d));
        }
        let sp = self.u.sp;
        for item in &d.items {
            if let Some(key) = &item.key {
                self.push(key)?;
            }
            self.push(&item.value)?;
        }
        self.u.sp = sp;
        self.at_node(d);
        let r = self.u.dest(dest);
        self.emit(Op::BuildMap, 0, r, sp, d.items.len() as u16);
        Ok(r)
    }

    fn long_dict(&mut self, d: &'a ast::ExprDict) -> Res<u16> {
        let t = self.u.alloc();
        self.at_node(d);
        self.emit(Op::BuildMap, 0, t, t, 0);
        for item in &d.items {
            match &item.key {
                Some(key) => {
                    let k = self.operand_before(key, &[&item.value])?;
                    let v = self.operand(&item.value)?;
                    self.at_node(d);
                    self.emit(Op::MapAdd, k.xb() | v.xc(), t, k.reg, v.reg);
                }
                None => {
                    let v = self.operand(&item.value)?;
                    self.at_node(d);
                    self.emit(Op::DictUpdate, v.xb(), t, v.reg, 0);
                }
            }
            self.u.sp = t + 1;
        }
        Ok(t)
    }

    // Generators

    fn yield_value(&mut self, y: &'a ast::ExprYield, dest: Dest) -> Res<u16> {
        if !matches!(
            self.sym.scopes[self.u.scope].kind,
            ScopeKind::Function | ScopeKind::Lambda
        ) {
            return self.err(y.range, "'yield' outside function");
        }
        let sp = self.u.sp;
        let o = match &y.value {
            Some(e) => self.operand(e)?,
            None => {
                self.at_node(y);
                Opnd::temp(self.load_k(Const::None, Dest::Push))
            }
        };
        self.u.sp = sp;
        self.at_node(y);
        Ok(self.emit_yield(o, dest))
    }

    /// Yields an operand from the generator of this unit.
    pub(super) fn emit_yield(&mut self, mut o: Opnd, dest: Dest) -> u16 {
        if self.sym.scopes[self.u.scope].coroutine {
            let sp = self.u.sp;
            let t = self.u.alloc();
            self.emit(Op::AsyncGenWrap, o.xb(), t, o.reg, 0);
            self.u.sp = sp;
            o = Opnd::temp(t);
        }
        let live = self.u.sp;
        let d = self.u.dest(dest);
        self.emit(Op::Yield, o.xb(), d, o.reg, live);
        d
    }

    fn yield_from(&mut self, y: &'a ast::ExprYieldFrom, dest: Dest) -> Res<u16> {
        if !matches!(
            self.sym.scopes[self.u.scope].kind,
            ScopeKind::Function | ScopeKind::Lambda
        ) {
            return self.err(y.range, "'yield from' outside function");
        }
        if self.sym.scopes[self.u.scope].coroutine {
            return self.err(y.range, "'yield from' inside async function");
        }
        self.via_temp(dest, |c| {
            let sp = c.u.sp;
            let o = c.operand(&y.value)?;
            c.at_node(y);
            Ok(c.delegate(sp, o, Op::GetYieldFromIter, 0))
        })
    }

    fn await_value(&mut self, a: &'a ast::ExprAwait, dest: Dest) -> Res<u16> {
        let scope = &self.sym.scopes[self.u.scope];
        if !self.can_await() {
            let outside = !matches!(
                scope.kind,
                ScopeKind::Function | ScopeKind::Lambda | ScopeKind::Genexpr
            );
            let msg = if outside {
                "'await' outside function"
            } else {
                "'await' outside async function"
            };
            return self.err(a.range, msg);
        }
        self.via_temp(dest, |c| {
            let sp = c.u.sp;
            let o = c.operand(&a.value)?;
            c.at_node(a);
            Ok(c.delegate(sp, o, Op::GetAwaitable, 0))
        })
    }

    /// Whether `await` is allowed in this unit.
    pub(super) fn can_await(&self) -> bool {
        let scope = &self.sym.scopes[self.u.scope];
        match scope.kind {
            ScopeKind::Function => scope.coroutine,
            ScopeKind::Genexpr => true,
            ScopeKind::Module => self.opts.top_level_await,
            _ => false,
        }
    }

    /// Delegates to what `get` makes of `o` until it is finished; the result is in temporary `value`, which is the first
    /// free one (or holds `o`). The loop is always Send, Yield, JumpBack.
    pub(super) fn delegate(&mut self, value: u16, o: Opnd, get: Op, arg: u8) -> u16 {
        self.u.sp = value;
        let value = self.u.alloc();
        let receiver = self.u.alloc();
        self.emit(get, o.xb() | arg << XARG, receiver, o.reg, 0);
        self.send_loop(value, receiver);
        value
    }

    /// The loop of a delegation to the iterator in `receiver`.
    pub(super) fn send_loop(&mut self, value: u16, receiver: u16) {
        let (again, end) = (self.u.label(), self.u.label());
        let k = self.u.const_index(Const::None);
        self.emit(Op::LoadK, 0, value, k, 0);
        self.u.bind(again);
        self.u.jump_op(Op::Send, 0, value, receiver, end);
        self.emit(Op::Yield, XB | 1 << XARG, value, value, receiver);
        self.u.jump_back(again);
        self.u.bind(end);
        self.u.sp = value + 1;
    }

    // super()

    /// `super().name` without making the super object. None if it is not that.
    pub(super) fn super_attr(
        &mut self,
        a: &'a ast::ExprAttribute,
        op: Op,
        dest: Dest,
    ) -> Res<Option<u16>> {
        let Expr::Call(call) = &*a.value else {
            return Ok(None);
        };
        let Expr::Name(name) = &*call.func else {
            return Ok(None);
        };
        let args = &call.arguments;
        let scope = &self.sym.scopes[self.u.scope];
        if name.id.as_str() != "super"
            || a.attr.as_str() == "__class__"
            || !args.keywords.is_empty()
            || args.args.iter().any(Expr::is_starred_expr)
            || !matches!(self.access("super"), Access::Global)
            || self.sym.scopes[0]
                .place("super")
                .is_some_and(|p| p == Place::Local)
        {
            return Ok(None);
        }
        let sp = self.u.sp;
        let zero = match args.args.len() {
            2 => false,
            0 if scope.kind == ScopeKind::Function
                && self.u.argcount > 0
                && self.u.regs.contains_key("__class__") =>
            {
                true
            }
            _ => return Ok(None),
        };
        self.at_node(&*call.func);
        self.load_global("super", Dest::Push);
        if zero {
            self.at_node(&*a.value);
            self.load_name("__class__", Dest::Push);
            let first = self.u.alloc();
            let op = if self.first_param_is_cell() {
                Op::LoadDeref
            } else {
                Op::Move
            };
            self.emit(op, 0, first, 0, 0);
        } else {
            for e in &args.args {
                self.push(e)?;
            }
        }
        self.u.sp = sp;
        self.at_attribute(a, a.range);
        let attr = self.mangled(&a.attr).into_owned();
        let n = self.u.name_of(&attr);
        let d = if op == Op::SuperMethod {
            self.u.alloc_n(2)
        } else {
            self.u.dest(dest)
        };
        self.emit(op, u8::from(zero) << XARG, d, sp, n);
        Ok(Some(d))
    }

    fn first_param_is_cell(&self) -> bool {
        self.u
            .locals
            .first()
            .is_some_and(|(_, k)| *k == LocalKind::Cell)
    }

    /// A string constant in a temporary.
    pub(super) fn push_str(&mut self, s: &str) -> u16 {
        self.load_k(str_const(s), Dest::Push)
    }
}
