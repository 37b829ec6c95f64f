//! The `match` statement.
//!
//! Captured values wait in temporaries until the whole pattern has matched, as only then names are bound. A test that
//! fails jumps to a stub that drops the temporaries that are live at that point.

use super::assemble::{Dest, Label, Opnd};
use super::bytecode::*;
use super::consts::str_const;
use super::{Compiler, Res};
use ruff_python_ast::helpers::any_over_expr;
use ruff_python_ast::{self as ast, Expr, Pattern};
use ruff_text_size::{Ranged, TextRange};

/// A place that failing tests go to.
struct Fail {
    target: Label,
    /// How many of the live temporaries the target still wants.
    keep: usize,
    stubs: Vec<(Vec<u16>, Label)>,
}

/// The state of matching one case.
struct Matching<'a> {
    live: Vec<u16>,
    fails: Vec<Fail>,
    captures: Vec<(&'a ast::Identifier, Opnd)>,
}

impl<'a> Matching<'a> {
    fn dead(&mut self, reg: u16) {
        self.live.retain(|r| *r != reg);
    }

    /// `value` is consumed if it is a temporary of its own.
    fn consumed(&mut self, value: Opnd) {
        if value.temp {
            self.dead(value.reg);
        }
    }
}

impl<'a> Compiler<'a> {
    pub(super) fn match_stmt(&mut self, s: &'a ast::StmtMatch) -> Res {
        let sp = self.u.sp;
        let mut subject = self.operand(&s.subject)?;
        if !subject.temp {
            // No code of its own.
            self.at_node(&*s.subject);
            self.u.line();
        }
        // A local that a case binds, although its guard fails, must not change for the next case.
        if !subject.temp
            && (self.has_walrus() || s.cases.iter().any(|c| binds(&c.pattern)))
            && s.cases.len() > 1
        {
            subject = self.copy(subject);
        }
        let end = self.u.label();
        let last = s.cases.len() - 1;
        for (i, case) in s.cases.iter().enumerate() {
            if i < last
                && case.guard.is_none()
                && let Some(p) = case.pattern.irrefutable_pattern()
            {
                let msg = match p.kind {
                    ast::IrrefutablePatternKind::Name(n) => {
                        format!("name capture '{n}' makes remaining patterns unreachable")
                    }
                    ast::IrrefutablePatternKind::Wildcard => {
                        "wildcard makes remaining patterns unreachable".to_string()
                    }
                };
                return self.err(p.range, msg);
            }
            self.case(case, subject, i == last, end)?;
        }
        self.u.sp = sp;
        self.u.bind(end);
        Ok(())
    }

    fn case(&mut self, case: &'a ast::MatchCase, subject: Opnd, last: bool, end: Label) -> Res {
        let next = self.u.label();
        let sp = self.u.sp;
        let mut m = Matching {
            live: Vec::new(),
            fails: vec![Fail {
                target: next,
                keep: 0,
                stubs: Vec::new(),
            }],
            captures: Vec::new(),
        };
        self.check_pattern(&case.pattern)?;
        if case.pattern.is_wildcard() {
            self.at_node(&case.pattern);
            self.u.line();
        }
        // The subject stays for the cases that follow.
        self.pattern(&case.pattern, Opnd::local(subject.reg), &mut m)?;
        for (name, o) in std::mem::take(&mut m.captures) {
            self.at_node(name);
            self.store_name(name, o);
        }
        self.u.sp = sp;
        if let Some(guard) = &case.guard {
            self.jump_if(guard, false, next)?;
        }
        if subject.temp {
            self.clear(subject.reg);
        }
        self.body(&case.body)?;
        self.at_nowhere();
        self.u.jump(end);
        for fail in m.fails {
            self.fail_stubs(fail);
        }
        self.u.bind(next);
        if last && subject.temp {
            self.clear(subject.reg);
        }
        self.u.sp = sp;
        Ok(())
    }

    /// The label that a failing test jumps to now.
    fn fail(&mut self, m: &mut Matching<'a>) -> Label {
        let Some(f) = m.fails.last_mut() else {
            return self.u.label();
        };
        let live = &m.live[f.keep..];
        if live.is_empty() {
            return f.target;
        }
        if let Some((_, label)) = f.stubs.iter().find(|(l, _)| l == live) {
            return *label;
        }
        let label = self.u.label();
        f.stubs.push((live.to_vec(), label));
        label
    }

    fn fail_stubs(&mut self, fail: Fail) {
        for (live, label) in fail.stubs {
            self.u.bind(label);
            for reg in live.iter().rev() {
                self.clear(*reg);
            }
            self.u.jump(fail.target);
        }
    }

    fn temp(&mut self, m: &mut Matching<'a>) -> u16 {
        let t = self.u.alloc();
        m.live.push(t);
        t
    }

    /// Jumps to the failure if temporary `t`, which is consumed, is false.
    fn need(&mut self, t: u16, m: &mut Matching<'a>) {
        let label = self.fail(m);
        self.u.jump_op(Op::JumpFalse, XA, t, 0, label);
    }

    /// Matches `value`. If that is a temporary (in `m.live`), it is consumed or captured here.
    fn pattern(&mut self, p: &'a Pattern, value: Opnd, m: &mut Matching<'a>) -> Res {
        self.depth += 1;
        if self.depth > super::MAX_DEPTH {
            return Err(self.src.too_deep());
        }
        match p {
            Pattern::MatchValue(v) => self.match_value(v, value, m)?,
            Pattern::MatchSingleton(s) => self.match_singleton(s, value, m),
            Pattern::MatchAs(a) => {
                match (&a.pattern, &a.name) {
                    (Some(_), Some(name)) if name.as_str() == "_" => {
                        return self.err(name.range, "cannot use '_' as a target");
                    }
                    (Some(inner), Some(name)) => {
                        // Matched where it lies, then captured.
                        self.pattern(inner, Opnd::local(value.reg), m)?;
                        self.capture(name, value, m)?;
                    }
                    (None, Some(name)) => self.capture(name, value, m)?,
                    _ => self.drop_value(value, m),
                }
            }
            Pattern::MatchStar(s) => match &s.name {
                Some(name) => self.capture(name, value, m)?,
                None => self.drop_value(value, m),
            },
            Pattern::MatchOr(o) => self.match_or(o, value, m)?,
            Pattern::MatchSequence(s) => self.match_sequence(s, value, m)?,
            Pattern::MatchMapping(s) => self.match_mapping(s, value, m)?,
            Pattern::MatchClass(s) => self.match_class(s, value, m)?,
        }
        self.depth -= 1;
        Ok(())
    }

    fn drop_value(&mut self, value: Opnd, m: &mut Matching<'a>) {
        if value.temp {
            self.clear(value.reg);
            m.dead(value.reg);
        }
    }

    fn capture(&mut self, name: &'a ast::Identifier, value: Opnd, m: &mut Matching<'a>) -> Res {
        if m.captures.iter().any(|(n, _)| n.id == name.id) {
            return self.err(
                name.range,
                format!("multiple assignments to name '{name}' in pattern"),
            );
        }
        m.captures.push((name, value));
        Ok(())
    }

    fn match_value(
        &mut self,
        v: &'a ast::PatternMatchValue,
        value: Opnd,
        m: &mut Matching<'a>,
    ) -> Res {
        let sp = self.u.sp;
        self.check_pattern_value(&v.value)?;
        if let Some(k) = self.fold(&v.value) {
            let k = self.u.const_index(k);
            self.at_node(v);
            m.consumed(value);
            let label = self.fail(m);
            self.u.jump_op(Op::JumpEqK, value.xa(), value.reg, k, label);
            return Ok(());
        }
        let o = self.operand(&v.value)?;
        self.u.sp = sp;
        self.at_node(v);
        m.consumed(value);
        let label = self.fail(m);
        self.u
            .jump_op(Op::JumpEq, value.xa() | o.xb(), value.reg, o.reg, label);
        Ok(())
    }

    /// A value is a literal, which may be signed or a complex sum, or a dotted name.
    fn check_pattern_value(&self, e: &Expr) -> Res {
        match e {
            Expr::FString(_) | Expr::TString(_) => self.err(
                e.range(),
                "patterns may only match literals and attribute lookups",
            ),
            Expr::BinOp(b) if !matches!(b.op, ast::Operator::Add | ast::Operator::Sub) => {
                self.err(e.range(), "invalid syntax")
            }
            Expr::UnaryOp(u) if !u.operand.is_number_literal_expr() => {
                self.err(e.range(), "invalid syntax")
            }
            _ => Ok(()),
        }
    }

    fn match_singleton(
        &mut self,
        s: &ast::PatternMatchSingleton,
        value: Opnd,
        m: &mut Matching<'a>,
    ) {
        self.at_node(s);
        let c = match s.value {
            ast::Singleton::None => {
                m.consumed(value);
                let label = self.fail(m);
                self.u
                    .jump_op(Op::JumpNotNone, value.xa(), value.reg, 0, label);
                return;
            }
            ast::Singleton::True => Const::True,
            ast::Singleton::False => Const::False,
        };
        let t = self.load_k(c, Dest::Push);
        self.emit(Op::Is, value.xb() | XC, t, value.reg, t);
        m.consumed(value);
        self.need(t, m);
        self.u.sp = t;
    }

    /// Alternatives: each leaves its captures in the same temporaries.
    fn match_or(&mut self, o: &'a ast::PatternMatchOr, value: Opnd, m: &mut Matching<'a>) -> Res {
        let done = self.u.label();
        let before = m.live.clone();
        let outer = std::mem::take(&mut m.captures);
        let mut names: Vec<&'a ast::Identifier> = Vec::new();
        let first = self.u.sp;
        let count = o.patterns.len();
        for (i, p) in o.patterns.iter().enumerate() {
            let next = self.u.label();
            m.fails.push(Fail {
                target: next,
                keep: m.live.len(),
                stubs: Vec::new(),
            });
            if i == 0 {
                // Room for as many names as there can be.
                let n = self.small(capture_count(p), o.range)?;
                self.u.alloc_n(n);
            }
            let sp = self.u.sp;
            self.pattern(p, Opnd::local(value.reg), m)?;
            let captures = std::mem::take(&mut m.captures);
            if i == 0 {
                names = captures.iter().map(|(n, _)| *n).collect();
            }
            let same = captures.len() == names.len()
                && names
                    .iter()
                    .all(|n| captures.iter().any(|(c, _)| c.id == n.id));
            if !same {
                return self.err(o.range, "alternative patterns bind different names");
            }
            self.at_node(p);
            for (j, name) in names.iter().enumerate() {
                if let Some((_, c)) = captures.iter().find(|(c, _)| c.id == name.id) {
                    self.emit(Op::Move, c.xb(), first + j as u16, c.reg, 0);
                }
            }
            self.u.jump(done);
            if let Some(fail) = m.fails.pop() {
                self.fail_stubs(fail);
            }
            self.u.bind(next);
            m.live.clone_from(&before);
            self.u.sp = sp;
            if i + 1 == count {
                self.at_node(o);
                let label = self.fail(m);
                self.u.jump(label);
            }
        }
        self.u.bind(done);
        m.captures = outer;
        for (j, name) in names.into_iter().enumerate() {
            let t = first + j as u16;
            m.live.push(t);
            self.capture(name, Opnd::temp(t), m)?;
        }
        self.drop_value(value, m);
        Ok(())
    }

    fn match_sequence(
        &mut self,
        s: &'a ast::PatternMatchSequence,
        value: Opnd,
        m: &mut Matching<'a>,
    ) -> Res {
        let n = self.small(s.patterns.len(), s.range)?;
        let star = s.patterns.iter().position(Pattern::is_match_star);
        if let Some(at) = star
            && s.patterns[at + 1..].iter().any(Pattern::is_match_star)
        {
            return self.err(s.range, "multiple starred expressions in sequence pattern");
        }
        self.at_node(s);
        let t = self.u.alloc();
        self.emit(Op::MatchSequence, 0, t, value.reg, 0);
        self.need(t, m);
        let least = n - usize::from(star.is_some());
        if star.is_none() || least > 0 {
            self.emit(Op::GetLen, 0, t, value.reg, 0);
            let k = self.u.const_index(Const::Int(least as i64));
            let label = self.fail(m);
            let op = if star.is_some() {
                Op::JumpGeK
            } else {
                Op::JumpEqK
            };
            self.u.jump_op(op, XA, t, k, label);
        }
        self.u.sp = t;
        let wildcard =
            |p: &Pattern| is_wildcard(p) || matches!(p, Pattern::MatchStar(s) if s.name.is_none());
        if s.patterns.iter().all(wildcard) {
            self.drop_value(value, m);
            return Ok(());
        }
        if star.is_some_and(|at| wildcard(&s.patterns[at])) {
            return self.match_items(s, value, m);
        }
        let first = self.u.alloc_n(n);
        match star {
            None => self.emit(Op::UnpackSeq, value.xb(), first, value.reg, n as u16),
            Some(at) => {
                if at > 255 || n - at > 256 {
                    return self.err(
                        s.range,
                        "too many expressions in star-unpacking sequence pattern",
                    );
                }
                self.emit(
                    Op::UnpackEx,
                    value.xb(),
                    first,
                    value.reg,
                    (at | (n - at - 1) << 8) as u16,
                );
            }
        }
        m.consumed(value);
        m.live.extend(first..first + n as u16);
        for (i, p) in s.patterns.iter().enumerate() {
            self.pattern(p, Opnd::temp(first + i as u16), m)?;
        }
        Ok(())
    }

    /// A sequence with `*_`: items are taken one by one.
    fn match_items(
        &mut self,
        s: &'a ast::PatternMatchSequence,
        value: Opnd,
        m: &mut Matching<'a>,
    ) -> Res {
        let n = s.patterns.len();
        let mut seen_star = false;
        for (i, p) in s.patterns.iter().enumerate() {
            if p.is_match_star() {
                seen_star = true;
                continue;
            }
            if is_wildcard(p) {
                continue;
            }
            self.at_node(p);
            let t = self.u.alloc();
            if seen_star {
                // Counted from the length, as the sequence may not know negative indices.
                let k = self.u.const_index(Const::Int((n - i) as i64));
                self.emit(Op::GetLen, 0, t, value.reg, 0);
                self.emit(Op::SubK, XB, t, t, k);
                self.emit(Op::GetItem, XC, t, value.reg, t);
            } else {
                let k = self.u.const_index(Const::Int(i as i64));
                self.emit(Op::GetItemK, 0, t, value.reg, k);
            }
            m.live.push(t);
            self.pattern(p, Opnd::temp(t), m)?;
        }
        self.drop_value(value, m);
        Ok(())
    }

    fn match_mapping(
        &mut self,
        s: &'a ast::PatternMatchMapping,
        value: Opnd,
        m: &mut Matching<'a>,
    ) -> Res {
        self.at_node(s);
        let t = self.u.alloc();
        self.emit(Op::MatchMapping, 0, t, value.reg, 0);
        self.need(t, m);
        self.u.sp = t;
        let n = self.small(s.keys.len(), s.range)?;
        if n > 0 {
            let t = self.u.alloc();
            self.emit(Op::GetLen, 0, t, value.reg, 0);
            let k = self.u.const_index(Const::Int(n as i64));
            let label = self.fail(m);
            self.u.jump_op(Op::JumpGeK, XA, t, k, label);
            self.u.sp = t;
        } else if s.rest.is_none() {
            self.drop_value(value, m);
            return Ok(());
        }
        let keys = self.mapping_keys(&s.keys, s.range)?;
        m.live.push(keys);
        let values = self.temp(m);
        self.at_node(s);
        self.emit(Op::MatchKeys, 0, values, value.reg, keys);
        let label = self.fail(m);
        self.u.jump_op(Op::JumpNone, 0, values, 0, label);
        if let Some(rest) = &s.rest {
            self.mapping_rest(rest, value, keys, n, m)?;
        } else {
            self.clear(keys);
        }
        m.dead(keys);
        if value.temp {
            self.clear(value.reg);
            m.dead(value.reg);
        }
        m.dead(values);
        let first = self.u.alloc_n(n.max(1));
        self.emit(Op::UnpackSeq, XB, first, values, n as u16);
        m.live.extend(first..first + n as u16);
        for (i, p) in s.patterns.iter().enumerate() {
            self.pattern(p, Opnd::temp(first + i as u16), m)?;
        }
        Ok(())
    }

    /// The tuple of the keys in the next temporary.
    fn mapping_keys(&mut self, keys: &'a [Expr], range: TextRange) -> Res<u16> {
        let mut seen: Vec<Const> = Vec::new();
        for e in keys {
            self.check_pattern_value(e)?;
            if let Some(c) = self.fold(e) {
                if seen.iter().any(|s| same_key(s, &c)) {
                    let text = self.src.slice(e.range()).to_string();
                    return self.err(
                        range,
                        format!("mapping pattern checks duplicate key ({text})"),
                    );
                }
                seen.push(c);
            }
        }
        if seen.len() == keys.len() {
            return Ok(self.load_k(Const::Tuple(seen), Dest::Push));
        }
        let t = self.u.sp;
        for e in keys {
            self.push(e)?;
        }
        self.at(range);
        self.emit(Op::BuildTuple, 0, t, t, keys.len() as u16);
        self.u.sp = t;
        Ok(self.u.alloc())
    }

    /// `**rest`: a copy without the keys, which are consumed.
    fn mapping_rest(
        &mut self,
        rest: &'a ast::Identifier,
        value: Opnd,
        keys: u16,
        n: usize,
        m: &mut Matching<'a>,
    ) -> Res {
        self.at_node(rest);
        let map = self.temp(m);
        self.emit(Op::BuildMap, 0, map, map, 0);
        self.emit(Op::DictUpdate, 0, map, value.reg, 0);
        let first = self.u.alloc_n(n.max(1));
        self.emit(Op::UnpackSeq, XB, first, keys, n as u16);
        for i in 0..n as u16 {
            self.emit(Op::DelItem, XB, map, first + i, 0);
        }
        self.u.sp = map + 1;
        self.capture(rest, Opnd::temp(map), m)
    }

    fn match_class(
        &mut self,
        s: &'a ast::PatternMatchClass,
        value: Opnd,
        m: &mut Matching<'a>,
    ) -> Res {
        let args = &s.arguments;
        let mut names: Vec<&str> = Vec::new();
        for k in &args.keywords {
            if names.contains(&k.attr.as_str()) {
                return self.err(
                    k.range,
                    format!("attribute name repeated in class pattern: {}", k.attr),
                );
            }
            names.push(k.attr.as_str());
        }
        let t = self.u.sp;
        self.push(&s.cls)?;
        self.at_node(s);
        self.load_k(
            Const::Tuple(names.iter().map(|n| str_const(n)).collect()),
            Dest::Push,
        );
        self.u.sp = t;
        let t = self.temp(m);
        self.emit(Op::MatchClass, 0, t, value.reg, t);
        self.u.ext(args.patterns.len() as u16);
        let label = self.fail(m);
        self.u.jump_op(Op::JumpNone, 0, t, 0, label);
        self.drop_value(value, m);
        let n = self.small(args.patterns.len() + args.keywords.len(), s.range)?;
        m.dead(t);
        self.u.sp = t;
        let first = self.u.alloc_n(n.max(1));
        self.emit(Op::UnpackSeq, XB, first, t, n as u16);
        m.live.extend(first..first + n as u16);
        let patterns = args
            .patterns
            .iter()
            .chain(args.keywords.iter().map(|k| &k.pattern));
        for (i, p) in patterns.enumerate() {
            self.pattern(p, Opnd::temp(first + i as u16), m)?;
        }
        Ok(())
    }

    /// Irrefutable alternatives must come last.
    fn check_pattern(&self, p: &Pattern) -> Res {
        if let Pattern::MatchOr(o) = p {
            let Some((_, init)) = o.patterns.split_last() else {
                return Ok(());
            };
            for q in init {
                if let Some(found) = q.irrefutable_pattern() {
                    let msg = match found.kind {
                        ast::IrrefutablePatternKind::Name(n) => {
                            format!("name capture '{n}' makes remaining patterns unreachable")
                        }
                        ast::IrrefutablePatternKind::Wildcard => {
                            "wildcard makes remaining patterns unreachable".to_string()
                        }
                    };
                    return self.err(found.range, msg);
                }
            }
        }
        Ok(())
    }
}

/// `_`
fn is_wildcard(p: &Pattern) -> bool {
    matches!(p, Pattern::MatchAs(a) if a.pattern.is_none() && a.name.is_none())
}

/// Whether a pattern binds names.
fn binds(p: &Pattern) -> bool {
    capture_count(p) > 0
}

/// How many names a pattern binds.
fn capture_count(p: &Pattern) -> usize {
    match p {
        Pattern::MatchValue(v) => usize::from(any_over_expr(&v.value, &|e| e.is_named_expr())),
        Pattern::MatchSingleton(_) => 0,
        Pattern::MatchSequence(s) => s.patterns.iter().map(capture_count).sum(),
        Pattern::MatchMapping(s) => {
            s.patterns.iter().map(capture_count).sum::<usize>() + usize::from(s.rest.is_some())
        }
        Pattern::MatchClass(s) => {
            let args = &s.arguments;
            let keywords = args.keywords.iter().map(|k| capture_count(&k.pattern));
            args.patterns
                .iter()
                .map(capture_count)
                .chain(keywords)
                .sum()
        }
        Pattern::MatchStar(s) => usize::from(s.name.is_some()),
        Pattern::MatchAs(a) => {
            usize::from(a.name.is_some()) + a.pattern.as_deref().map_or(0, capture_count)
        }
        Pattern::MatchOr(o) => o.patterns.first().map_or(0, capture_count),
    }
}

/// Whether two constants are the same key of a dict.
fn same_key(a: &Const, b: &Const) -> bool {
    let number = |c: &Const| {
        Some(match c {
            Const::True => (1.0, 0.0),
            Const::False => (0.0, 0.0),
            Const::Int(i) if i.unsigned_abs() <= 1 << 53 => (*i as f64, 0.0),
            Const::Float(f) => (*f, 0.0),
            Const::Complex(re, im) => (*re, *im),
            _ => return None,
        })
    };
    match (number(a), number(b)) {
        (Some(x), Some(y)) => x == y,
        _ => a == b,
    }
}
