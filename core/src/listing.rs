//! The module `_weft_code`: the instructions of code objects, for `dis`.

use crate::compile::bytecode::{DISCARD, Instr, OP_NAMES, OPS, Op, XA, XB, XC};
use crate::compile::{long_jump, short_jump};
use weft_objects::code::Code;
use weft_objects::monitor::plain_word;
use weft_objects::prelude::*;
use weft_stdlib::support;

/// Makes the module.
///
/// # Errors
/// None in practice.
pub fn module(t: &mut Thread) -> Res<Obj> {
    Ok(support::module(
        t,
        "_weft_code",
        "The instructions of code objects.",
        FUNCTIONS,
    ))
}

const FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("instructions", "(code, /)", instructions).doc(
        "A list of (opcode, opname, arg, argval, argrepr, target): the instruction's operand that is no register, what it \
         stands for, all operands as text, and for jumps the number of the instruction that they go to.",
    ),
    NativeDef::new("opnames", "()", |t, _| {
        let names = (0..OP_NAMES.len()).map(|op| Str::from_string(t, opname(op)));
        let names = names.collect();
        Ok(List::from_vec(t, names).into())
    })
    .doc("The names of all opcodes, by number."),
    NativeDef::new("jumps", "()", |t, _| {
        let is_jump = |op: &&Op| long_jump(**op) || short_jump(**op);
        let jumps = OPS.iter().filter(is_jump);
        let jumps = jumps.map(|op| Obj::from_raw(Value::int(*op as i64))).collect();
        Ok(List::from_vec(t, jumps).into())
    })
    .doc("The opcodes that may jump."),
];

/// CPython's name for what does the same there, else our own in the same style.
fn opname(op: usize) -> String {
    let same = match OPS.get(op) {
        Some(Op::LoadK) => "LOAD_CONST",
        Some(Op::GetAttr | Op::LoadMethod) => "LOAD_ATTR",
        Some(Op::SetAttr) => "STORE_ATTR",
        Some(Op::DelAttr) => "DELETE_ATTR",
        Some(Op::SuperAttr | Op::SuperMethod) => "LOAD_SUPER_ATTR",
        Some(Op::Is) => "IS_OP",
        Some(Op::Contains) => "CONTAINS_OP",
        Some(Op::Not) => "UNARY_NOT",
        Some(Op::Neg) => "UNARY_NEGATIVE",
        Some(Op::Invert) => "UNARY_INVERT",
        Some(Op::JumpBack) => "JUMP_BACKWARD",
        Some(Op::Return) => "RETURN_VALUE",
        Some(Op::ReturnK) => "RETURN_CONST",
        Some(Op::Yield) => "YIELD_VALUE",
        Some(Op::Raise) => "RAISE_VARARGS",
        Some(Op::UnpackSeq) => "UNPACK_SEQUENCE",
        Some(Op::Ext) => "EXTENDED_ARG",
        _ => {
            let camel = OP_NAMES.get(op).copied().unwrap_or("UNKNOWN");
            let mut snake = String::new();
            for c in camel.chars() {
                if c.is_ascii_uppercase() && !snake.is_empty() {
                    snake.push('_');
                }
                snake.push(c.to_ascii_uppercase());
            }
            return snake;
        }
    };
    same.to_string()
}

fn instructions(t: &mut Thread, a: &[Value]) -> Res {
    let Some(code) = Code::of(a[0]) else {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!("expected a code object, not '{got}'")));
    };
    let count = code.body().instrs.len();
    let words: Vec<Instr> = (0..count).map(|i| Instr(plain_word(code, i))).collect();
    let mut all = Vec::with_capacity(words.len());
    for (i, word) in words.into_iter().enumerate() {
        let shown = Shown::new(t, code, i, word)?;
        let name = Str::from_string(t, opname(word.op() as usize));
        let text = Str::from_string(t, shown.text);
        let number = |n: Option<usize>| n.map_or(Value::NONE, |n| Value::int(n as i64));
        all.push(Tuple::from_slice(
            t,
            &[
                Value::int(i64::from(word.op())),
                name.value(),
                number(shown.arg),
                shown.value.as_ref().map_or(Value::NONE, Obj::value),
                text.value(),
                number(shown.target),
            ],
        ));
    }
    Ok(List::from_vec(t, all).into())
}

/// What there is to say about an instruction.
struct Shown {
    arg: Option<usize>,
    value: Option<Obj>,
    text: String,
    target: Option<usize>,
}

/// An operand that is no register.
enum Other {
    Const(usize),
    Name(usize),
    Cached(usize),
    Local(usize),
    Number(usize),
}

impl Shown {
    fn new(t: &mut Thread, code: &Code, i: usize, word: Instr) -> Res<Shown> {
        let op = OPS.get(word.op() as usize).copied().unwrap_or(Op::Nop);
        let mut s = Shown {
            arg: None,
            value: None,
            text: String::new(),
            target: None,
        };
        for (reg, flag) in registers(op, word) {
            s.add(&register(code, reg, word.x() & flag != 0));
        }
        if let Some(other) = other(op, word) {
            s.operand(t, code, other)?;
        }
        let offset = match op {
            _ if short_jump(op) => word.off16(),
            _ if long_jump(op) => word.off32(),
            _ => return Ok(s),
        };
        let target = (i as isize + 1 + offset) as usize;
        s.target = Some(target);
        s.add(&format!("to {}", Code::offset(target)));
        Ok(s)
    }

    fn add(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push_str(", ");
        }
        self.text.push_str(text);
    }

    fn operand(&mut self, t: &mut Thread, code: &Code, other: Other) -> Res<()> {
        let body = code.body();
        let (arg, value, quoted) = match other {
            Other::Const(k) => (k, body.consts.get(k).copied(), true),
            Other::Name(n) => (n, body.names.get(n).copied(), false),
            Other::Cached(c) => (c, body.cache_names.get(c).copied(), false),
            Other::Local(n) => (n, body.locals.get(n).map(|l| l.0.value()), false),
            Other::Number(n) => (n, Some(Value::int(n as i64)), false),
        };
        self.arg = Some(arg);
        let Some(value) = value.filter(|v| !v.is_null()) else {
            return Ok(());
        };
        let value = Obj::new(t, value);
        let text = if quoted {
            proto::repr(t, value.value())?
        } else {
            proto::str(t, value.value())?
        };
        if let Some(text) = Str::of(text.value()) {
            self.add(&text.to_string_lossy());
        }
        self.value = Some(value);
        Ok(())
    }
}

/// A local by its name, a temporary by its number; `!` if the instruction uses it up.
fn register(code: &Code, reg: usize, consumed: bool) -> String {
    let name = match code
        .body()
        .locals
        .get(reg)
        .and_then(|l| Str::of(l.0.value()))
    {
        Some(name) => name.to_string_lossy(),
        None => format!("t{reg}"),
    };
    if consumed { format!("{name}!") } else { name }
}

/// The operands that name registers, with the flags that say whether they are used up.
fn registers(op: Op, word: Instr) -> Vec<(usize, u8)> {
    let (a, b, c) = (word.a(), word.b(), word.c());
    match op {
        Op::Call | Op::CallKw | Op::CallEx if word.a() == DISCARD as usize => vec![(b, XB)],
        Op::Nop | Op::Ext | Op::Jump | Op::JumpBack | Op::ReturnK | Op::ReturnGenerator => vec![],
        Op::DeleteGlobal | Op::DeleteName | Op::SetupAnnotations => vec![],
        Op::LoadK | Op::LoadGlobal | Op::LoadName | Op::LoadLocals | Op::DeleteFast => vec![(a, 0)],
        Op::Clear | Op::MakeCell | Op::CopyFree | Op::LoadBuildClass => vec![(a, 0)],
        Op::StoreGlobal | Op::StoreName | Op::DelAttr | Op::Return | Op::Reraise | Op::PopExc => {
            vec![(a, XA)]
        }
        Op::JumpTrue | Op::JumpFalse | Op::JumpNone | Op::JumpNotNone => vec![(a, XA)],
        Op::StoreDeref => vec![(a, XA), (b, 0)],
        Op::DeleteDeref => vec![(b, 0)],
        Op::LoadFromDictOrGlobals | Op::GetItemK | Op::GetAttr | Op::LoadMethod => {
            vec![(a, 0), (b, XB)]
        }
        Op::SetAttr | Op::DelItem => vec![(a, XA), (b, XB)],
        Op::SuperAttr | Op::SuperMethod | Op::ImportName | Op::ImportFrom | Op::CallIntrinsic => {
            vec![(a, 0), (b, XB)]
        }
        Op::LoadDeref | Op::LoadCell | Op::ForIter | Op::PushExc | Op::GetLen => {
            vec![(a, 0), (b, 0)]
        }
        Op::Move | Op::Neg | Op::Pos | Op::Invert | Op::Not | Op::LoadSpecial => {
            vec![(a, 0), (b, XB)]
        }
        Op::MakeFunction | Op::MakeGenExpr => vec![(a, 0), (c, 0)],
        Op::SetItem => vec![(a, XA), (b, XB), (c, XC)],
        Op::BuildTuple | Op::BuildList | Op::BuildSet | Op::BuildMap | Op::BuildString => {
            vec![(a, 0), (b, 0)]
        }
        Op::Call | Op::CallKw | Op::BuildSlice | Op::UnpackSeq | Op::UnpackEx => {
            vec![(a, 0), (b, XB)]
        }
        Op::Raise => match word.arg() {
            0 => vec![],
            1 => vec![(b, XB)],
            _ => vec![(b, XB), (c, XC)],
        },
        Op::GetIter | Op::GetYieldFromIter | Op::GetAwaitable | Op::GetAIter | Op::GetANext => {
            vec![(a, 0), (b, XB)]
        }
        Op::ListAppend | Op::ListExtend | Op::SetAdd | Op::SetUpdate | Op::DictUpdate => {
            vec![(a, 0), (b, XB)]
        }
        Op::ListToTuple | Op::EndAsyncFor | Op::AsyncGenWrap | Op::Yield | Op::Format => {
            vec![(a, 0), (b, XB)]
        }
        Op::BuildInterpolation | Op::BuildTemplate | Op::MatchMapping | Op::MatchSequence => {
            vec![(a, 0), (b, XB)]
        }
        Op::ImportStar => vec![(b, XB)],
        _ if constant_arithmetic(op) => vec![(a, 0), (b, XB)],
        _ if constant_jump(op) => vec![(a, XA)],
        _ if short_jump(op) => vec![(a, XA), (b, XB)],
        _ => vec![(a, XA), (b, XB), (c, XC)],
    }
}

fn other(op: Op, word: Instr) -> Option<Other> {
    let (a, b, c) = (word.a(), word.b(), word.c());
    Some(match op {
        Op::LoadK | Op::ReturnK | Op::MakeFunction | Op::MakeGenExpr => Other::Const(b),
        Op::GetItemK => Other::Const(c),
        Op::LoadGlobal | Op::StoreGlobal | Op::DeleteGlobal => Other::Name(b),
        Op::LoadName | Op::StoreName | Op::DeleteName | Op::DelAttr => Other::Name(b),
        Op::LoadFromDictOrGlobals | Op::SuperAttr | Op::SuperMethod => Other::Name(c),
        Op::ImportName | Op::ImportFrom => Other::Name(c),
        Op::GetAttr | Op::LoadMethod | Op::SetAttr => Other::Cached(c),
        Op::LoadDeref | Op::LoadCell | Op::StoreDeref | Op::DeleteDeref => Other::Local(b),
        Op::LoadFromDictOrDeref => Other::Local(c),
        Op::MakeCell | Op::DeleteFast => Other::Local(a),
        Op::CopyFree => Other::Number(b),
        Op::Is | Op::Contains | Op::LoadSpecial | Op::Raise => Other::Number(word.arg() as usize),
        Op::Call | Op::CallKw | Op::UnpackSeq | Op::UnpackEx | Op::CallIntrinsic => {
            Other::Number(c)
        }
        Op::BuildTuple | Op::BuildList | Op::BuildSet | Op::BuildMap | Op::BuildString => {
            Other::Number(c)
        }
        _ if constant_arithmetic(op) => Other::Const(c),
        _ if constant_jump(op) => Other::Const(b),
        _ => return None,
    })
}

fn constant_arithmetic(op: Op) -> bool {
    (Op::AddK as u8..=Op::XorK as u8).contains(&(op as u8))
}

fn constant_jump(op: Op) -> bool {
    (Op::JumpLtK as u8..=Op::JumpGeK as u8).contains(&(op as u8))
}
