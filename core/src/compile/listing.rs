//! What instructions look like in print: for the module `dis`, and for the compiler's own listings.
//!
//! Operands read as an assignment: `%7 = x + %8!`. Named locals have their names, temporaries are numbered (`%7`), and what an
//! instruction consumes has a `!`. Each opcode has a template, in which `$` stands before an operand:
//!
//! | | |
//! |---|---|
//! | `$a` `$b` `$c` | the register |
//! | `$ka` `$kb` `$kc` | the constant of that number |
//! | `$nb` `$nc` | the name of that number |
//! | `$m` | the name of cache c |
//! | `$ia` `$ic` | the number itself |
//! | `$rbc` `$ra2` | registers from the first operand on: so many as the second, or the digit, says |

use super::assemble::{long_jump, short_jump};
use super::bytecode::*;
use super::verify::intrinsic_operands;
use std::fmt::Write;

/// The tables of a code object.
pub trait Tables {
    /// The name of local register `r`, if it is one.
    fn local(&self, r: usize) -> Option<String>;
    fn constant(&mut self, k: usize) -> String;
    /// The name of number `n`.
    fn name(&self, n: usize) -> String;
    /// The name that cache `c` is for.
    fn cached(&self, c: usize) -> String;
}

/// The operand that says most about an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Main {
    Nothing,
    Const(usize),
    Name(usize),
    Cached(usize),
    Local(usize),
    Free(usize),
    Count(usize),
}

/// An instruction in print.
pub struct Shown {
    pub text: String,
    pub main: Main,
    /// Number of the instruction that it may jump to.
    pub target: Option<usize>,
}

/// Kinds of operands that opcodes have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Uses {
    Const,
    Name,
    Jump,
    Free,
    Local,
    Any,
}

/// The opcode of which this one is a variant for operands of a certain kind, or itself.
pub fn base(op: Op) -> Op {
    match op {
        Op::MoveTemp => Op::Move,
        Op::GetAttrLocal | Op::GetAttrTemp | Op::GetAttrGlobal => Op::GetAttr,
        Op::LoadMethodLocal | Op::LoadMethodGlobal => Op::LoadMethod,
        Op::CallMethod => Op::Call,
        op => op,
    }
}

/// Whether instructions of this opcode have such an operand.
pub fn uses(op: Op, what: Uses) -> bool {
    let op = base(op);
    let t = template(op);
    match what {
        Uses::Const => t.contains("$k"),
        Uses::Name => t.contains("$n") || t.contains("$m"),
        Uses::Jump => jumps(op),
        Uses::Free => free(op),
        Uses::Local => matches!(op, Op::Move | Op::DeleteFast | Op::Clear | Op::MakeCell),
        Uses::Any => {
            let all = [Uses::Const, Uses::Name, Uses::Jump, Uses::Free, Uses::Local];
            counts(op) || all.iter().any(|w| uses(op, *w))
        }
    }
}

fn free(op: Op) -> bool {
    matches!(
        op,
        Op::LoadDeref | Op::StoreDeref | Op::DeleteDeref | Op::LoadCell | Op::LoadFromDictOrDeref
    )
}

fn jumps(op: Op) -> bool {
    long_jump(op) || short_jump(op)
}

/// Where `c` says how many registers there are.
fn counts(op: Op) -> bool {
    matches!(
        op,
        Op::Call
            | Op::BuildTuple
            | Op::BuildList
            | Op::BuildSet
            | Op::BuildMap
            | Op::BuildString
            | Op::BuildSlice
            | Op::UnpackSeq
    )
}

/// The name of an opcode as Python programs see it: `LoadGlobal` is `LOAD_GLOBAL`.
pub fn python_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && lower {
            out.push('_');
        }
        lower = c.is_ascii_lowercase();
        out.push(c.to_ascii_uppercase());
    }
    out
}

/// The symbols of the operators, beginning with that of `first`.
fn symbol(op: Op, first: Op, symbols: &[&'static str]) -> Option<&'static str> {
    let i = (op as usize).checked_sub(first as usize)?;
    symbols.get(i).copied()
}

const ARITHMETIC: [&str; 13] = [
    "+", "-", "*", "/", "//", "%", "**", "<<", ">>", "&", "|", "^", "@",
];
const COMPARISONS: [&str; 6] = ["<", "<=", "==", "!=", ">", ">="];

fn template(op: Op) -> &'static str {
    if symbol(op, Op::Add, &ARITHMETIC).is_some() || symbol(op, Op::Lt, &COMPARISONS).is_some() {
        return "$a = $b @ $c";
    }
    if symbol(op, Op::AddK, &ARITHMETIC[..12]).is_some() {
        return "$a = $b @ $kc";
    }
    if symbol(op, Op::JumpLt, &COMPARISONS).is_some() {
        return "$a @ $b";
    }
    if symbol(op, Op::JumpLtK, &COMPARISONS).is_some() {
        return "$a @ $kb";
    }
    match op {
        Op::Is | Op::Contains => "$a = $b @ $c",
        Op::Move
        | Op::LoadDeref
        | Op::LoadCell
        | Op::GetYieldFromIter
        | Op::GetAwaitable
        | Op::GetAIter
        | Op::GetANext
        | Op::AsyncGenWrap
        | Op::ListToTuple
        | Op::PushExc
        | Op::MatchMapping
        | Op::MatchSequence
        | Op::GetLen
        | Op::Format
        | Op::Yield => "$a = $b",
        Op::LoadK => "$a = $kb",
        Op::LoadGlobal | Op::LoadName => "$a = $nb",
        Op::StoreGlobal | Op::StoreName => "$nb = $a",
        Op::DeleteGlobal | Op::DeleteName => "$nb",
        Op::LoadFromDictOrGlobals => "$a = $b[$nc]",
        Op::LoadFromDictOrDeref => "$a = $b[$c]",
        Op::LoadLocals
        | Op::DeleteFast
        | Op::Clear
        | Op::MakeCell
        | Op::JumpTrue
        | Op::JumpFalse
        | Op::JumpNone
        | Op::JumpNotNone
        | Op::Return
        | Op::LoadBuildClass
        | Op::Reraise
        | Op::PopExc => "$a",
        Op::CopyFree => "$rab",
        Op::StoreDeref => "$b = $a",
        Op::DeleteDeref | Op::ImportStar => "$b",
        Op::Neg => "$a = -$b",
        Op::Pos => "$a = +$b",
        Op::Invert => "$a = ~$b",
        Op::Not => "$a = not $b",
        Op::GetAttr => "$a = $b.$m",
        Op::SetAttr => "$a.$m = $b",
        Op::DelAttr => "$a.$nb",
        Op::LoadMethod => "$ra2 = $b.$m",
        Op::LoadSpecial => "$ra2 = $b.",
        Op::SuperAttr => "$a = ($rb3).$nc",
        Op::SuperMethod => "$ra2 = ($rb3).$nc",
        Op::GetItem => "$a = $b[$c]",
        Op::GetItemK => "$a = $b[$kc]",
        Op::SetItem | Op::MapAdd => "$a[$b] = $c",
        Op::DelItem => "$a[$b]",
        Op::BuildSlice | Op::BuildTuple | Op::BuildList | Op::BuildSet | Op::BuildString => {
            "$a = $rbc"
        }
        Op::ReturnK => "$kb",
        Op::Send => "$a to $b",
        Op::EndAsyncFor | Op::ListAppend | Op::ListExtend | Op::SetAdd => "$a, $b",
        Op::SetUpdate | Op::DictUpdate => "$a, $b",
        Op::DictMerge => "$a, $b for $c",
        Op::GetIter => "$ra3 = $b",
        Op::ForIter => "$b = $ra3",
        Op::UnpackSeq => "$rac = $b",
        Op::BuildInterpolation => "$a = $rb4",
        Op::BuildTemplate => "$a = $rb2",
        Op::ImportName => "$a = $nc, $rb2",
        Op::ImportFrom => "$a = $b.$nc",
        Op::MakeFunction | Op::MakeGenExpr => "$a = $kb",
        Op::ExcMatch | Op::PrepReraiseStar | Op::MatchKeys => "$a = $b, $c",
        Op::ExcGroupMatch => "$ra2 = $b, $c",
        Op::WithExcept => "$a = $b($c)",
        Op::MatchClass => "$a = $b, $rc2",
        Op::Ext => "$ia",
        _ => "",
    }
}

/// The number of the constant that an instruction names.
pub fn constant(word: Instr) -> Option<usize> {
    // The names of keyword arguments are in a word of their own.
    let op = OPS.get(word.op() as usize).copied()?;
    if op == Op::Ext {
        return Some(word.a());
    }
    let (_, after) = template(op).split_once("$k")?;
    match after.as_bytes().first() {
        Some(b'b') => Some(word.b()),
        Some(b'c') => Some(word.c()),
        _ => Some(word.a()),
    }
}

/// What an opcode's own argument, or the word after it, adds to the template.
fn rest(p: &mut Printer, op: Op, next: Instr) {
    let (word, arg) = (p.word, p.word.arg());
    let (a, b, c) = (word.a(), word.b(), word.c());
    match op {
        Op::Call | Op::CallKw => {
            if a != DISCARD as usize {
                p.reg(a, 0);
                p.out.push_str(" = ");
            }
            p.reg(b, 0);
            p.out.push('(');
            let first = if arg & 1 == 0 { b + 1 } else { b + 2 };
            p.range(first, b + 2 + c - first);
            p.out.push(')');
            if op == Op::CallKw {
                let names = p.tables.constant(next.a());
                let _ = write!(p.out, " {names}");
            }
        }
        Op::CallEx => {
            p.reg(a, 0);
            p.out.push_str(" = ");
            p.reg(b, 0);
            p.out.push_str("(*");
            p.reg(b + 2, 0);
            p.out.push_str(", **");
            p.reg(b + 3, 0);
            p.out.push(')');
        }
        Op::LoadSpecial => {
            let names = ["__enter__", "__exit__", "__aenter__", "__aexit__"];
            p.out.push_str(names[usize::from(arg & 3)]);
        }
        Op::Yield if arg & 1 != 0 => {
            p.out.push_str(", from ");
            p.reg(c, 0);
        }
        Op::Format => {
            p.out.push_str(["", "!s", "!r", "!a"][usize::from(arg & 3)]);
            if arg & 4 != 0 {
                p.out.push(':');
                p.reg(c, XC);
            }
        }
        Op::UnpackEx => {
            let (before, after) = (c & 255, c >> 8);
            p.range(a, before + after + 1);
            let _ = write!(p.out, " = {before} *1 {after} of ");
            p.reg(b, XB);
        }
        Op::BuildMap => {
            p.reg(a, 0);
            p.out.push_str(" = ");
            p.range(b, 2 * c);
        }
        Op::MakeFunction => {
            let parts = ["defaults", "kwdefaults", "annotate", "closure"];
            let present = parts.iter().enumerate().filter(|(i, _)| arg >> i & 1 != 0);
            for (i, (_, name)) in present.enumerate() {
                let _ = write!(p.out, ", {name} ");
                p.reg(c + i, 0);
            }
        }
        Op::MakeGenExpr => {
            p.out.push_str(" of ");
            p.reg(c, 0);
        }
        Op::CallIntrinsic => {
            p.reg(a, 0);
            match INTRINSICS.get(c) {
                Some(i) => {
                    let _ = write!(p.out, " = {i:?}(");
                }
                None => p.out.push_str(" = ?("),
            }
            p.range(b, intrinsic_operands(c));
            p.out.push(')');
        }
        Op::Raise => {
            if arg >= 1 {
                p.reg(b, XB);
            }
            if arg >= 2 {
                p.out.push_str(" from ");
                p.reg(c, XC);
            }
        }
        Op::MatchClass => {
            let _ = write!(p.out, ", {}", next.a());
        }
        _ => {}
    }
}

/// The intrinsics by number.
const INTRINSICS: [Intrinsic; 13] = [
    Intrinsic::Print,
    Intrinsic::AssertionError,
    Intrinsic::TypeVar,
    Intrinsic::TypeVarWithBound,
    Intrinsic::TypeVarWithConstraints,
    Intrinsic::ParamSpec,
    Intrinsic::TypeVarTuple,
    Intrinsic::SetTypeparamDefault,
    Intrinsic::SubscriptGeneric,
    Intrinsic::TypeAlias,
    Intrinsic::SetFunctionTypeParams,
    Intrinsic::StopIterationError,
    Intrinsic::Tuple,
];

struct Printer<'t> {
    tables: &'t mut dyn Tables,
    word: Instr,
    out: String,
    main: Main,
}

impl Printer<'_> {
    fn reg(&mut self, r: usize, flag: u8) {
        match self.tables.local(r) {
            Some(name) => self.out.push_str(&name),
            None => {
                let _ = write!(self.out, "%{r}");
            }
        }
        if self.word.x() & flag != 0 {
            self.out.push('!');
        }
    }

    /// So many registers in a row.
    fn range(&mut self, first: usize, n: usize) {
        if n > 0 {
            self.reg(first, 0);
        }
        if n > 1 {
            self.out.push_str(if n == 2 { ", " } else { ".." });
            self.reg(first + n - 1, 0);
        }
    }

    fn operand(&self, which: char) -> (usize, u8) {
        match which {
            'a' => (self.word.a(), XA),
            'b' => (self.word.b(), XB),
            'c' => (self.word.c(), XC),
            digit => (digit.to_digit(10).unwrap_or(0) as usize, 0),
        }
    }

    fn fill(&mut self, template: &str, symbol: &str) {
        let mut chars = template.chars();
        while let Some(ch) = chars.next() {
            if ch == '@' {
                self.out.push_str(symbol);
                continue;
            }
            if ch != '$' {
                self.out.push(ch);
                continue;
            }
            let mut operand = || chars.next().unwrap_or('a');
            match operand() {
                'k' => {
                    let k = self.operand(operand()).0;
                    self.main = Main::Const(k);
                    let text = self.tables.constant(k);
                    self.out.push_str(&text);
                }
                'n' => {
                    let n = self.operand(operand()).0;
                    self.main = Main::Name(n);
                    self.out.push_str(&self.tables.name(n));
                }
                'm' => {
                    let c = self.word.c();
                    self.main = Main::Cached(c);
                    self.out.push_str(&self.tables.cached(c));
                }
                'i' => {
                    let n = self.operand(operand()).0;
                    let _ = write!(self.out, "{n}");
                }
                'r' => {
                    let first = self.operand(operand()).0;
                    let n = self.operand(operand()).0;
                    self.range(first, n);
                }
                which => {
                    let (r, flag) = self.operand(which);
                    // What is written has no such flag.
                    let written = template.starts_with("$a = ") && which == 'a';
                    self.reg(r, if written { 0 } else { flag });
                }
            }
        }
    }
}

/// Shows instruction `word`, number `at`, which is followed by `next`.
pub fn show(tables: &mut dyn Tables, at: usize, word: Instr, next: Instr) -> Shown {
    let op = base(OPS.get(word.op() as usize).copied().unwrap_or(Op::Nop));
    let mut p = Printer {
        tables,
        word,
        out: String::new(),
        main: Main::Nothing,
    };
    let arg = word.arg() & 1 != 0;
    let mut sign = symbol(op, Op::Add, &ARITHMETIC)
        .or_else(|| symbol(op, Op::AddK, &ARITHMETIC[..12]))
        .map_or(String::new(), |s| {
            format!("{s}{}", if arg { "=" } else { "" })
        });
    let compare_jump =
        symbol(op, Op::JumpLt, &COMPARISONS).or_else(|| symbol(op, Op::JumpLtK, &COMPARISONS));
    if let Some(s) = symbol(op, Op::Lt, &COMPARISONS).or(compare_jump) {
        sign = s.to_string();
    }
    match op {
        Op::Is => sign = if arg { "is not" } else { "is" }.to_string(),
        Op::Contains => sign = if arg { "not in" } else { "in" }.to_string(),
        _ if compare_jump.is_some() && !arg => p.out.push_str("not "),
        _ => {}
    }
    p.fill(template(op), &sign);
    rest(&mut p, op, next);
    if free(op) {
        let cell = match op {
            Op::LoadFromDictOrDeref => word.c(),
            _ => word.b(),
        };
        p.main = Main::Free(cell);
    } else if uses(op, Uses::Local) {
        let source = (op == Op::Move && p.tables.local(word.b()).is_some()).then(|| word.b());
        p.main = Main::Local(source.unwrap_or(word.a()));
    } else if counts(op) {
        p.main = Main::Count(word.c());
    }
    let distance = if long_jump(op) {
        Some(word.off32())
    } else if short_jump(op) {
        Some(word.off16())
    } else {
        None
    };
    Shown {
        text: p.out,
        main: p.main,
        target: distance.and_then(|d| (at + 1).checked_add_signed(d)),
    }
}

impl Tables for &CodeProto {
    fn local(&self, r: usize) -> Option<String> {
        self.locals.get(r).map(|(name, _)| name.clone())
    }
    fn constant(&mut self, k: usize) -> String {
        match self.consts.get(k) {
            Some(Const::Code(c)) => format!("<code {}>", c.name),
            Some(Const::Str(s)) => format!("{:?}", String::from_utf8_lossy(s)),
            Some(c) => format!("{c:?}"),
            None => "?".to_string(),
        }
    }
    fn name(&self, n: usize) -> String {
        self.names.get(n).cloned().unwrap_or_default()
    }
    fn cached(&self, c: usize) -> String {
        match self.cache_names.get(c) {
            Some(n) => self.name(*n as usize),
            None => String::new(),
        }
    }
}

/// A readable listing of a code object and those inside it.
pub fn disassemble(code: &CodeProto) -> String {
    let mut out = String::new();
    listing(code, &mut out);
    out
}

fn listing(code: &CodeProto, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "code {} (line {}) args {} posonly {} kwonly {} flags {:#x} regs {}/{}",
        code.qualname,
        code.first_line,
        code.argcount,
        code.posonly,
        code.kwonly,
        code.flags,
        code.nlocals,
        code.nregs
    );
    for (i, (name, kind)) in code.locals.iter().enumerate() {
        let _ = writeln!(out, "  local {i}: {name} {kind:?}");
    }
    let mut line = 0;
    for (i, word) in code.instrs.iter().enumerate() {
        let pos = code.positions.get(i).copied().unwrap_or_default();
        let number = if pos.line != line {
            pos.line.to_string()
        } else {
            String::new()
        };
        line = pos.line;
        let next = code.instrs.get(i + 1).copied().unwrap_or(Instr(0));
        let shown = show(&mut &*code, i, *word, next);
        let name = OP_NAMES.get(word.op() as usize).copied().unwrap_or("?");
        let _ = write!(out, "{number:>5} {i:5} {name:14} {}", shown.text);
        let _ = match shown.target {
            Some(to) => writeln!(out, " -> {to}"),
            None => writeln!(out),
        };
    }
    for h in &code.handlers {
        let _ = writeln!(
            out,
            "  handler {}..{} -> {} depth {}",
            h.start, h.end, h.target, h.depth
        );
    }
    for c in &code.consts {
        if let Const::Code(inner) = c {
            out.push('\n');
            listing(inner, out);
        }
    }
}
