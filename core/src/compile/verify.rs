//! Checks the discipline of compiled code that the interpreter relies on: operands are in range; a temporary is dead when
//! it is written, live when it is read, consumed exactly once; all ways to an instruction agree on what is live there.

use super::assemble::{long_jump, short_jump};
use super::bytecode::*;
use std::collections::BTreeMap;

/// What an instruction does to registers.
#[derive(Default)]
struct Effect {
    /// Registers read, and whether they are consumed.
    reads: Vec<(usize, bool)>,
    /// Registers that are emptied, live or not.
    clears: Vec<usize>,
    writes: Vec<usize>,
    /// Registers that must be dead.
    dead: Vec<usize>,
    /// Live on the way of the jump only, or dead on it only.
    jump_kills: Vec<usize>,
    const_index: Option<usize>,
    name_index: Option<usize>,
    /// First cache and number.
    caches: Option<(usize, usize)>,
    can_raise: bool,
}

impl Effect {
    fn read(&mut self, reg: usize, consumed: bool) -> &mut Self {
        self.reads.push((reg, consumed));
        self
    }
    fn take(&mut self, first: usize, n: usize) -> &mut Self {
        self.reads.extend((first..first + n).map(|r| (r, true)));
        self
    }
    fn write(&mut self, first: usize, n: usize) -> &mut Self {
        self.writes.extend(first..first + n);
        self
    }
}

fn arithmetic(op: Op) -> bool {
    (Op::Add as u8..=Op::MatMul as u8).contains(&(op as u8))
        || (Op::Lt as u8..=Op::Contains as u8).contains(&(op as u8))
}

fn arithmetic_k(op: Op) -> bool {
    (Op::AddK as u8..=Op::XorK as u8).contains(&(op as u8))
}

fn compare_jump(op: Op) -> bool {
    (Op::JumpLt as u8..=Op::JumpGe as u8).contains(&(op as u8))
}

fn compare_jump_k(op: Op) -> bool {
    (Op::JumpLtK as u8..=Op::JumpGeK as u8).contains(&(op as u8))
}

/// How many cells the generator expression `k[b]` takes.
fn gen_expr_cells(code: &CodeProto, b: usize) -> usize {
    match code.consts.get(b) {
        Some(Const::Code(c)) => c
            .locals
            .iter()
            .filter(|(_, k)| *k == LocalKind::Free)
            .count(),
        _ => 0,
    }
}

fn effect(code: &CodeProto, i: usize, op: Op) -> Effect {
    let word = code.instrs[i];
    let (a, b, c, x, arg) = (word.a(), word.b(), word.c(), word.x(), word.arg());
    let (xa, xb, xc) = (x & XA != 0, x & XB != 0, x & XC != 0);
    let ext = code.instrs.get(i + 1).map_or(0, |w| w.a());
    let mut e = Effect {
        can_raise: true,
        ..Effect::default()
    };
    match op {
        _ if arithmetic(op) => {
            e.read(b, xb).read(c, xc).write(a, 1);
        }
        _ if arithmetic_k(op) => {
            e.const_index = Some(c);
            e.read(b, xb).write(a, 1);
        }
        _ if compare_jump(op) => {
            e.read(a, xa).read(b, xb);
        }
        _ if compare_jump_k(op) => {
            e.const_index = Some(b);
            e.read(a, xa);
        }
        Op::Nop | Op::Ext | Op::Jump | Op::JumpBack => e.can_raise = op == Op::JumpBack,
        Op::ImportStar => {
            e.read(b, xb);
        }
        Op::SetupAnnotations | Op::ReturnGenerator => {}
        Op::Move | Op::MoveTemp => {
            e.can_raise = !xb;
            e.read(b, xb).write(a, 1);
        }
        Op::LoadK => {
            e.can_raise = false;
            e.const_index = Some(b);
            e.write(a, 1);
        }
        Op::LoadGlobal | Op::LoadName => {
            e.name_index = Some(b);
            e.caches = Some((c, 2));
            e.write(a, 1);
        }
        Op::StoreGlobal => {
            e.name_index = Some(b);
            e.caches = Some((c, 1));
            e.read(a, xa);
        }
        Op::StoreName => {
            e.name_index = Some(b);
            e.read(a, xa);
        }
        Op::DeleteGlobal | Op::DeleteName => e.name_index = Some(b),
        Op::LoadLocals | Op::LoadBuildClass => {
            e.write(a, 1);
        }
        Op::LoadFromDictOrGlobals => {
            e.name_index = Some(c);
            e.read(b, xb).write(a, 1);
        }
        Op::LoadFromDictOrDeref => {
            e.read(b, xb).read(c, false).write(a, 1);
        }
        Op::DeleteFast | Op::DeleteDeref => {}
        Op::Clear => {
            e.can_raise = false;
            e.clears.push(a);
        }
        Op::MakeCell => e.can_raise = false,
        Op::CopyFree => {
            e.can_raise = false;
            e.write(a, b);
        }
        Op::LoadDeref | Op::LoadCell => {
            e.can_raise = op == Op::LoadDeref;
            e.read(b, false).write(a, 1);
        }
        Op::StoreDeref => {
            e.read(a, xa).read(b, false);
        }
        Op::Neg | Op::Pos | Op::Invert | Op::Not => {
            e.read(b, xb).write(a, 1);
        }
        Op::JumpTrue | Op::JumpFalse | Op::JumpNone | Op::JumpNotNone => {
            e.read(a, xa);
        }
        Op::GetAttr | Op::GetAttrLocal | Op::GetAttrTemp | Op::GetAttrGlobal => {
            e.caches = Some((c, 1));
            e.read(b, xb).write(a, 1);
        }
        Op::SetAttr => {
            e.caches = Some((c, 1));
            e.read(a, xa).read(b, xb);
        }
        Op::DelAttr => {
            e.name_index = Some(b);
            e.read(a, xa);
        }
        Op::LoadMethod | Op::LoadMethodLocal | Op::LoadMethodGlobal | Op::LoadSpecial => {
            e.caches = Some((c, 1));
            e.read(b, xb).write(a, 2);
        }
        Op::SuperAttr | Op::SuperMethod => {
            e.name_index = Some(c);
            e.take(b, 3)
                .write(a, if op == Op::SuperAttr { 1 } else { 2 });
        }
        Op::GetItem => {
            e.read(b, xb).read(c, xc).write(a, 1);
        }
        Op::GetItemK => {
            e.const_index = Some(c);
            e.read(b, xb).write(a, 1);
        }
        Op::SetItem => {
            e.read(a, xa).read(b, xb).read(c, xc);
        }
        Op::DelItem => {
            e.read(a, xa).read(b, xb);
        }
        Op::BuildSlice => {
            e.take(b, c).write(a, 1);
        }
        Op::Call | Op::CallMethod | Op::CallKw => {
            e.take(b, 1).take(b + 2, c);
            if a != super::bytecode::DISCARD as usize {
                e.write(a, 1);
            }
            if arg & 1 == 0 {
                e.take(b + 1, 1);
            } else {
                e.dead.push(b + 1);
            }
            if op == Op::CallKw {
                e.const_index = Some(ext);
            }
        }
        Op::CallEx => {
            e.take(b, 1).take(b + 2, 1).write(a, 1);
            e.clears.push(b + 3);
            if arg & 1 == 0 {
                e.take(b + 1, 1);
            } else {
                e.dead.push(b + 1);
            }
        }
        Op::Return => {
            e.can_raise = false;
            e.read(a, xa);
        }
        Op::ReturnK => {
            e.can_raise = false;
            e.const_index = Some(b);
        }
        Op::Yield => {
            e.read(b, xb).write(a, 1);
            if arg & 1 != 0 {
                e.read(c, false);
            }
        }
        Op::Send => {
            e.read(a, true).read(b, false).write(a, 1);
            e.jump_kills.push(b);
        }
        Op::GetYieldFromIter
        | Op::GetAwaitable
        | Op::GetAIter
        | Op::GetANext
        | Op::AsyncGenWrap => {
            e.read(b, xb).write(a, 1);
        }
        Op::EndAsyncFor => {
            e.take(a, 1).take(b, 1);
        }
        Op::GetIter => {
            e.read(b, xb).write(a, 3);
        }
        Op::ForIter => {
            for r in a..a + 3 {
                e.read(r, false);
            }
            e.jump_kills.extend([a, a + 1, a + 2, b]);
            e.write(b, 1);
        }
        Op::UnpackSeq => {
            e.read(b, xb).write(a, c);
        }
        Op::UnpackEx => {
            e.read(b, xb).write(a, (c & 255) + (c >> 8) + 1);
        }
        Op::BuildTuple | Op::BuildList | Op::BuildSet | Op::BuildString => {
            e.take(b, c).write(a, 1);
        }
        Op::BuildMap => {
            e.take(b, 2 * c).write(a, 1);
        }
        Op::ListAppend | Op::ListExtend | Op::SetAdd | Op::SetUpdate | Op::DictUpdate => {
            e.read(a, false).read(b, xb);
        }
        Op::DictMerge => {
            e.read(a, false).read(b, xb).read(c, false);
        }
        Op::MapAdd => {
            e.read(a, false).read(b, xb).read(c, xc);
        }
        Op::ListToTuple => {
            e.read(b, xb).write(a, 1);
        }
        Op::Format => {
            e.read(b, xb).write(a, 1);
            if arg & 4 != 0 {
                e.read(c, xc);
            }
        }
        Op::BuildInterpolation => {
            e.take(b, 4).write(a, 1);
        }
        Op::BuildTemplate => {
            e.take(b, 2).write(a, 1);
        }
        Op::ImportName => {
            e.name_index = Some(c);
            e.take(b, 2).write(a, 1);
        }
        Op::ImportFrom => {
            e.name_index = Some(c);
            e.read(b, xb).write(a, 1);
        }
        Op::MakeFunction => {
            e.const_index = Some(b);
            e.take(c, arg.count_ones() as usize).write(a, 1);
        }
        Op::MakeGenExpr => {
            e.const_index = Some(b);
            e.take(c, 1 + gen_expr_cells(code, b)).write(a, 1);
        }
        Op::CallIntrinsic => {
            e.take(b, intrinsic_operands(c)).write(a, 1);
        }
        Op::Raise => {
            if arg >= 1 {
                e.read(b, xb);
            }
            if arg >= 2 {
                e.read(c, xc);
            }
        }
        Op::Reraise => {
            e.read(a, xa);
        }
        Op::PushExc => {
            e.can_raise = false;
            e.read(b, false).write(a, 1);
        }
        Op::PopExc => {
            e.can_raise = false;
            e.read(a, xa);
        }
        Op::ExcMatch => {
            e.read(b, false).read(c, xc).write(a, 1);
        }
        Op::ExcGroupMatch => {
            e.read(b, false).read(c, xc).write(a, 2);
        }
        Op::PrepReraiseStar => {
            e.read(b, false).read(c, xc).write(a, 1);
        }
        Op::WithExcept => {
            e.read(b, false)
                .read(b + 1, false)
                .read(c, false)
                .write(a, 1);
        }
        Op::MatchMapping | Op::MatchSequence | Op::GetLen => {
            e.read(b, false).write(a, 1);
        }
        Op::MatchKeys => {
            e.read(b, false).read(c, false).write(a, 1);
        }
        Op::MatchClass => {
            e.read(b, false).take(c, 2).write(a, 1);
        }
        _ => {}
    }
    e
}

/// How many registers an intrinsic takes.
pub fn intrinsic_operands(i: usize) -> usize {
    const NONE: usize = Intrinsic::AssertionError as usize;
    const TWO: [usize; 4] = [
        Intrinsic::TypeVarWithBound as usize,
        Intrinsic::TypeVarWithConstraints as usize,
        Intrinsic::SetTypeparamDefault as usize,
        Intrinsic::SetFunctionTypeParams as usize,
    ];
    match i {
        NONE => 0,
        i if TWO.contains(&i) => 2,
        _ => 1,
    }
}

/// What a live temporary is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A part of an expression, with the instruction that made it.
    Plain(u32),
    /// One of those that hold an iteration.
    Iterator,
    /// What a `with` statement calls at its end.
    With,
    /// An exception that is handled, with the instruction at which that begins.
    Exception(u32),
    /// What was handled before that.
    Saved(u32),
}

/// The live temporaries.
pub type Live = BTreeMap<usize, Kind>;

/// What is live before each instruction; nothing is known of those that cannot be reached.
///
/// # Errors
/// As [`verify`].
pub fn live(code: &CodeProto) -> Result<Vec<Option<Live>>, String> {
    let mut v = Verifier {
        code,
        state: vec![None; code.instrs.len()],
        work: Vec::new(),
    };
    v.run()?;
    Ok(v.state)
}

struct Verifier<'c> {
    code: &'c CodeProto,
    state: Vec<Option<Live>>,
    work: Vec<usize>,
}

/// Checks a code object (not those among its constants).
///
/// # Errors
/// What is wrong, and where.
pub fn verify(code: &CodeProto) -> Result<(), String> {
    let n = code.instrs.len();
    if code.positions.len() < n
        || code.locals.len() != usize::from(code.nlocals)
        || code.nregs < code.nlocals
    {
        return Err("lengths do not agree".to_string());
    }
    for h in &code.handlers {
        if h.start >= h.end
            || h.end as usize > n
            || h.target as usize >= n
            || h.depth < code.nlocals
            || h.depth >= code.nregs
        {
            return Err(format!("handler {h:?} is out of range"));
        }
    }
    let mut v = Verifier {
        code,
        state: vec![None; n],
        work: Vec::new(),
    };
    v.run()
}

impl Verifier<'_> {
    fn run(&mut self) -> Result<(), String> {
        self.flow(0, 0, &Live::new())?;
        while let Some(i) = self.work.pop() {
            let live = self.state[i].clone().unwrap_or_default();
            self.step(i, live)?;
        }
        Ok(())
    }

    fn flow(&mut self, from: usize, to: usize, live: &Live) -> Result<(), String> {
        match self.state.get_mut(to) {
            None => Err(format!("{from}: control leaves the code")),
            Some(slot @ None) => {
                *slot = Some(live.clone());
                self.work.push(to);
                Ok(())
            }
            Some(Some(known)) if known.keys().eq(live.keys()) => Ok(()),
            Some(Some(known)) => Err(format!(
                "{from} -> {to}: live {live:?}, but {known:?} from elsewhere"
            )),
        }
    }

    fn step(&mut self, i: usize, mut live: Live) -> Result<(), String> {
        let code = self.code;
        let word = code.instrs[i];
        let Some(&op) = OPS.get(word.op() as usize) else {
            return Err(format!("{i}: no such opcode"));
        };
        let e = effect(code, i, op);
        self.check_indices(i, &e)?;
        let temp = |r: usize| r >= usize::from(code.nlocals);
        let before = live.clone();
        for &(r, consumed) in &e.reads {
            if !temp(r) {
                if consumed {
                    return Err(format!("{i}: {op:?} consumes local {r}"));
                }
            } else if !live.contains_key(&r) {
                return Err(format!("{i}: {op:?} reads dead temporary {r}"));
            }
        }
        for &(r, consumed) in &e.reads {
            if consumed && live.remove(&r).is_none() {
                return Err(format!("{i}: {op:?} consumes temporary {r} twice"));
            }
        }
        for r in &e.clears {
            live.remove(r);
        }
        if let Some(r) = e.dead.iter().find(|r| live.contains_key(r)) {
            return Err(format!("{i}: {op:?} wants register {r} dead"));
        }
        if op == Op::Yield
            && let Some(r) = live.keys().find(|r| **r >= word.kept())
        {
            return Err(format!("{i}: Yield loses temporary {r}"));
        }
        let kind = match op {
            Op::GetIter | Op::GetAIter => Kind::Iterator,
            Op::LoadSpecial => Kind::With,
            Op::PushExc => Kind::Saved(i as u32),
            _ => Kind::Plain(i as u32),
        };
        for &r in &e.writes {
            if temp(r) && live.insert(r, kind).is_some() {
                return Err(format!("{i}: {op:?} overwrites live temporary {r}"));
            }
        }
        self.handler_edge(i, op, &e, &before, &live)?;
        self.successors(i, op, &e, live)
    }

    fn check_indices(&self, i: usize, e: &Effect) -> Result<(), String> {
        let code = self.code;
        let regs = e
            .reads
            .iter()
            .map(|(r, _)| r)
            .chain(&e.writes)
            .chain(&e.clears)
            .chain(&e.dead);
        for &r in regs {
            if r >= usize::from(code.nregs) {
                return Err(format!("{i}: register {r} of {}", code.nregs));
            }
        }
        if e.const_index.is_some_and(|k| k >= code.consts.len()) {
            return Err(format!("{i}: no such constant"));
        }
        if e.name_index.is_some_and(|k| k >= code.names.len()) {
            return Err(format!("{i}: no such name"));
        }
        if e.caches
            .is_some_and(|(c, n)| c + n > code.cache_names.len())
        {
            return Err(format!("{i}: no such cache"));
        }
        Ok(())
    }

    /// What lies below a handler's depth is the same wherever the handler is entered from.
    fn handler_edge(
        &mut self,
        i: usize,
        op: Op,
        e: &Effect,
        before: &Live,
        after: &Live,
    ) -> Result<(), String> {
        if !e.can_raise {
            return Ok(());
        }
        let Some(h) = self
            .code
            .handlers
            .iter()
            .find(|h| (h.start..h.end).contains(&(i as u32)))
            .copied()
        else {
            return Ok(());
        };
        let depth = usize::from(h.depth);
        let below = |live: &Live| {
            live.iter()
                .filter(|(r, _)| **r < depth)
                .map(|(r, kind)| (*r, *kind))
                .collect::<Live>()
        };
        let mut live = below(before);
        if !live.keys().eq(below(after).keys()) && !matches!(op, Op::Reraise | Op::Raise) {
            return Err(format!(
                "{i}: {op:?} changes temporaries below its handler's depth {depth}"
            ));
        }
        live.insert(depth, Kind::Exception(h.target));
        self.flow(i, h.target as usize, &live)
    }

    fn successors(&mut self, i: usize, op: Op, e: &Effect, live: Live) -> Result<(), String> {
        let word = self.code.instrs[i];
        match op {
            Op::Return | Op::ReturnK => {
                if live.is_empty() {
                    return Ok(());
                }
                return Err(format!("{i}: returns with temporaries {live:?} live"));
            }
            Op::Raise | Op::Reraise => return Ok(()),
            _ => {}
        }
        let offset = if short_jump(op) {
            Some(word.off16())
        } else if long_jump(op) {
            Some(word.off32())
        } else {
            None
        };
        if let Some(offset) = offset {
            let to = usize::try_from(i as isize + 1 + offset)
                .map_err(|_| format!("{i}: jumps before the code"))?;
            if offset < 0 && matches!(op, Op::ForIter | Op::Send) {
                return Err(format!("{i}: {op:?} jumps backwards"));
            }
            let mut at_target = live.clone();
            for r in &e.jump_kills {
                at_target.remove(r);
            }
            self.flow(i, to, &at_target)?;
        }
        match op {
            Op::Jump | Op::JumpBack => Ok(()),
            Op::CallKw | Op::MatchClass => {
                if self.code.instrs.get(i + 1).map(|w| w.op()) != Some(Op::Ext as u8) {
                    return Err(format!("{i}: {op:?} without its second word"));
                }
                self.flow(i, i + 2, &live)
            }
            _ => self.flow(i, i + 1, &live),
        }
    }
}
