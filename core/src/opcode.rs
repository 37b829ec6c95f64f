//! The module `_opcode`: the instruction set of this runtime, as `opcode` and `dis` describe it.

use crate::compile::bytecode::{Instr, OP_NAMES, OPS, Op};
use crate::compile::listing::{self, Main, Shown, Tables, Uses};
use weft_objects::buffer;
use weft_objects::code::Code;
use weft_objects::monitor::plain_word;
use weft_objects::prelude::*;
use weft_stdlib::support::{self, int_obj};

/// The tables of a code object, or those of bare instructions, which have none.
struct Printed<'c, 't> {
    code: Option<&'c Code>,
    t: &'t mut Thread,
    /// The first error that the text of a constant raised.
    error: Option<Raised>,
}

fn text(v: Value) -> String {
    Str::of(v).map_or(String::new(), |s| s.to_string_lossy())
}

impl Tables for Printed<'_, '_> {
    fn local(&self, r: usize) -> Option<String> {
        let (name, _) = self.code?.parts().locals.get(r)?;
        Some(text(name.value()))
    }

    fn constant(&mut self, k: usize) -> String {
        let Some(v) = self.code.and_then(|c| c.parts().consts.get(k)) else {
            return format!("const {k}");
        };
        match proto::repr(self.t, *v) {
            Ok(s) => text(s.value()),
            Err(e) => {
                self.error.get_or_insert(e);
                String::new()
            }
        }
    }

    fn name(&self, n: usize) -> String {
        match self.code {
            Some(c) => c.parts().names.get(n).map_or(String::new(), |v| text(*v)),
            None => format!("name {n}"),
        }
    }

    fn cached(&self, c: usize) -> String {
        match self.code {
            Some(code) => code
                .parts()
                .cache_names
                .get(c)
                .map_or(String::new(), |v| text(*v)),
            None => format!("cache {c}"),
        }
    }
}

/// The number that an instruction is chiefly about, and what that stands for.
fn argument(t: &mut Thread, code: Option<&Code>, at: usize, shown: &Shown) -> (Obj, Obj) {
    let none = || Obj::from_raw(Value::NONE);
    if let Some(to) = shown.target {
        let distance = int_obj(t, to as i64 - at as i64 - 1);
        return (distance, int_obj(t, Code::offset(to)));
    }
    let number = |i: usize| Obj::from_raw(Value::int(i as i64));
    let Some(parts) = code.map(Code::parts) else {
        return match shown.main {
            Main::Nothing => (none(), none()),
            Main::Const(i) | Main::Name(i) | Main::Cached(i) => (number(i), number(i)),
            Main::Local(i) | Main::Free(i) | Main::Count(i) => (number(i), number(i)),
        };
    };
    let own = |v: Option<&Value>| v.map_or_else(none, |v| Obj::new(t, *v));
    match shown.main {
        Main::Nothing => (none(), none()),
        Main::Const(i) => (number(i), own(parts.consts.get(i))),
        Main::Name(i) => (number(i), own(parts.names.get(i))),
        Main::Cached(i) => {
            let name = parts.cache_names.get(i);
            let at = parts.names.iter().position(|n| Some(n) == name);
            (at.map_or_else(none, number), own(name))
        }
        Main::Local(i) | Main::Free(i) => {
            let name = parts.locals.get(i).map(|(name, _)| name.value());
            (number(i), own(name.as_ref()))
        }
        Main::Count(n) => (number(n), number(n)),
    }
}

/// `decode(code, variants=False)`: of each instruction the opcode (where that is a variant, the one that it is a variant of, if those
/// are not asked for), its chief argument, what that stands for, its operands as text, and the offset
/// that it may jump to, or None. Of bytes that are no code object's it cannot tell the names.
fn decode(t: &mut Thread, a: &[Value]) -> Res {
    let code = Code::of(a[0]);
    let variants = support::truth_or(t, a[1], false)?;
    let words: Vec<Instr> = match code {
        Some(c) => (0..c.parts().instrs.len())
            .map(|i| Instr(plain_word(c, i)))
            .collect(),
        None => {
            let bytes = buffer::get(t, a[0])?.to_vec();
            if bytes.len() % 8 != 0 {
                return Err(t.value_error("instructions are of 8 bytes each"));
            }
            let word = |c: &[u8]| c.try_into().map_or(0, u64::from_le_bytes);
            bytes.chunks_exact(8).map(|c| Instr(word(c))).collect()
        }
    };
    let mut out = Vec::with_capacity(words.len());
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).copied().unwrap_or(Instr(0));
        let mut tables = Printed {
            code,
            t,
            error: None,
        };
        let shown = listing::show(&mut tables, at, *word, next);
        if let Some(e) = tables.error {
            return Err(e);
        }
        let (arg, stands_for) = argument(t, code, at, &shown);
        let target = match shown.target {
            Some(to) => int_obj(t, Code::offset(to)),
            None => Obj::from_raw(Value::NONE),
        };
        let text = Str::from_string(t, shown.text);
        let op = match OPS.get(usize::from(word.op())) {
            Some(op) if !variants => listing::base(*op) as u8,
            _ => word.op(),
        };
        let op = int_obj(t, i64::from(op));
        out.push(Tuple::from_vec(t, vec![op, arg, stands_for, text, target]));
    }
    Ok(List::from_vec(t, out).into())
}

/// `handlers(code)`: the stretches whose exceptions are handled, inner ones first: offsets of the first instruction, of what
/// follows the last one and of the handler, and the register that gets the exception.
fn handlers(t: &mut Thread, a: &[Value]) -> Res {
    let Some(code) = Code::of(a[0]) else {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!("expected a code object, not '{got}'")));
    };
    let all = code.parts().handlers.iter().map(|h| {
        let offsets = [h.start, h.end, h.target].map(|i| Value::int(Code::offset(i as usize)));
        let [start, end, target] = offsets;
        Tuple::from_slice(t, &[start, end, target, Value::int(i64::from(h.depth))])
    });
    let all = all.collect();
    Ok(List::from_vec(t, all).into())
}

fn op_of(t: &mut Thread, v: Value) -> Res<Option<Op>> {
    let n = support::c_int(t, v)?;
    Ok(usize::try_from(n).ok().and_then(|n| OPS.get(n).copied()))
}

fn has(t: &mut Thread, v: Value, what: Uses) -> Res {
    let op = op_of(t, v)?;
    Ok(Value::bool(op.is_some_and(|op| listing::uses(op, what))))
}

fn stack_effect(t: &mut Thread, a: &[Value]) -> Res {
    if op_of(t, a[0])?.is_none() {
        return Err(t.value_error("invalid opcode or oparg"));
    }
    Err(t.raise(
        &errors::NOT_IMPLEMENTED_ERROR,
        "instructions work on registers: they have no effect on a stack",
    ))
}

fn opcode_names(t: &mut Thread, _: &[Value]) -> Res {
    let names = OP_NAMES.iter().map(|n| listing::python_name(n));
    let names = names.map(|n| Str::intern(t, &n)).collect();
    Ok(List::from_vec(t, names).into())
}

fn get_executor(t: &mut Thread, a: &[Value]) -> Res {
    if Code::of(a[0]).is_none() {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!("expected a code object, not '{got}'")));
    }
    support::c_int(t, a[1])?;
    Err(t.runtime_error("Executors are not available in this build"))
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("decode", "(code, variants=False, /)", decode),
    NativeDef::new("base", "(opcode, /)", |t, a| match op_of(t, a[0])? {
        Some(op) => Ok(Value::int(listing::base(op) as i64)),
        None => Err(t.value_error("invalid opcode or oparg")),
    }),
    NativeDef::new("handlers", "(code, /)", handlers),
    NativeDef::new("opcode_names", "()", opcode_names),
    NativeDef::new(
        "stack_effect",
        "(opcode, oparg=None, /, *, jump=None)",
        stack_effect,
    ),
    NativeDef::new("is_valid", "(opcode)", |t, a| {
        Ok(Value::bool(op_of(t, a[0])?.is_some()))
    }),
    NativeDef::new("has_arg", "(opcode)", |t, a| has(t, a[0], Uses::Any)),
    NativeDef::new("has_const", "(opcode)", |t, a| has(t, a[0], Uses::Const)),
    NativeDef::new("has_name", "(opcode)", |t, a| has(t, a[0], Uses::Name)),
    NativeDef::new("has_jump", "(opcode)", |t, a| has(t, a[0], Uses::Jump)),
    NativeDef::new("has_free", "(opcode)", |t, a| has(t, a[0], Uses::Free)),
    NativeDef::new("has_local", "(opcode)", |t, a| has(t, a[0], Uses::Local)),
    // Handlers are found in a table; no instruction sets one up.
    NativeDef::new("has_exc", "(opcode)", |t, a| {
        op_of(t, a[0])?;
        Ok(Value::FALSE)
    }),
    NativeDef::new("get_special_method_names", "()", |t, _| {
        let names = ["__enter__", "__exit__", "__aenter__", "__aexit__"];
        let names = names.map(|n| Str::new(t, n));
        Ok(List::from_vec(t, names.into()).into())
    }),
    NativeDef::new("get_specialization_stats", "()", |_, _| Ok(Value::NONE)),
    NativeDef::new("get_executor", "(*, code, offset)", get_executor),
];

/// Makes the module.
pub fn module(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_opcode", "Opcode support module.", FUNCTIONS);
    for name in ["ENABLE_SPECIALIZATION", "ENABLE_SPECIALIZATION_FT"] {
        support::add(t, &m, name, Obj::from_raw(Value::FALSE));
    }
    Ok(m)
}
