//! `_opcode`: CPython's instruction set, as `opcode` and `dis` describe it. Code here is compiled to another one.

use crate::support;
use weft_objects::prelude::*;

/// A property of instructions: inclusive ranges of their numbers.
type Ranges = &'static [(i64, i64)];

const VALID: Ranges = &[(0, 120), (128, 211), (234, 266)];
const ARG: Ranges = &[
    (44, 120),
    (128, 128),
    (143, 153),
    (155, 195),
    (197, 197),
    (200, 200),
    (209, 211),
    (237, 237),
    (239, 239),
    (241, 245),
    (247, 251),
    (253, 253),
    (255, 255),
    (257, 261),
    (263, 266),
];
const CONST: Ranges = &[(82, 82), (190, 191)];
const NAME: Ranges = &[
    (61, 61),
    (64, 65),
    (72, 73),
    (80, 80),
    (91, 93),
    (96, 96),
    (110, 110),
    (115, 116),
    (179, 179),
    (189, 189),
    (194, 195),
    (200, 200),
    (249, 249),
];
const JUMP: Ranges = &[
    (68, 68),
    (70, 70),
    (75, 77),
    (100, 103),
    (106, 106),
    (172, 176),
    (237, 237),
    (248, 248),
    (257, 260),
];
const FREE: Ranges = &[(62, 62), (90, 90), (97, 97), (111, 111)];
const LOCAL: Ranges = &[
    (3, 3),
    (63, 63),
    (83, 89),
    (112, 114),
    (261, 261),
    (266, 266),
];
const EXC: Ranges = &[(263, 265)];

fn has(t: &mut Thread, v: Value, ranges: Ranges) -> Res {
    let op = i64::from(support::c_int(t, v)?);
    Ok(Value::bool(
        ranges.iter().any(|(a, b)| (*a..=*b).contains(&op)),
    ))
}

const OPERATORS: &[(&str, &str)] = &[
    ("ADD", "+"),
    ("AND", "&"),
    ("FLOOR_DIVIDE", "//"),
    ("LSHIFT", "<<"),
    ("MATRIX_MULTIPLY", "@"),
    ("MULTIPLY", "*"),
    ("REMAINDER", "%"),
    ("OR", "|"),
    ("POWER", "**"),
    ("RSHIFT", ">>"),
    ("SUBTRACT", "-"),
    ("TRUE_DIVIDE", "/"),
    ("XOR", "^"),
];

fn operators(t: &mut Thread, _: &[Value]) -> Res {
    let pair = |name: String, symbol: String| {
        Tuple::pair(t, Str::from_string(t, name), Str::from_string(t, symbol))
    };
    let plain = OPERATORS
        .iter()
        .map(|(name, symbol)| pair(format!("NB_{name}"), (*symbol).into()));
    let in_place = OPERATORS
        .iter()
        .map(|(name, symbol)| pair(format!("NB_INPLACE_{name}"), format!("{symbol}=")));
    let subscript = std::iter::once_with(|| pair("NB_SUBSCR".into(), "[]".into()));
    Ok(List::from_vec(t, plain.chain(in_place).chain(subscript).collect()).into())
}

fn names(t: &Thread, names: &[&str]) -> Res {
    Ok(List::from_vec(t, names.iter().map(|n| Str::new(t, n)).collect()).into())
}

const INTRINSICS_1: &[&str] = &[
    "INTRINSIC_1_INVALID",
    "INTRINSIC_PRINT",
    "INTRINSIC_IMPORT_STAR",
    "INTRINSIC_STOPITERATION_ERROR",
    "INTRINSIC_ASYNC_GEN_WRAP",
    "INTRINSIC_UNARY_POSITIVE",
    "INTRINSIC_LIST_TO_TUPLE",
    "INTRINSIC_TYPEVAR",
    "INTRINSIC_PARAMSPEC",
    "INTRINSIC_TYPEVARTUPLE",
    "INTRINSIC_SUBSCRIPT_GENERIC",
    "INTRINSIC_TYPEALIAS",
];
const INTRINSICS_2: &[&str] = &[
    "INTRINSIC_2_INVALID",
    "INTRINSIC_PREP_RERAISE_STAR",
    "INTRINSIC_TYPEVAR_WITH_BOUND",
    "INTRINSIC_TYPEVAR_WITH_CONSTRAINTS",
    "INTRINSIC_SET_FUNCTION_TYPE_PARAMS",
    "INTRINSIC_SET_TYPEPARAM_DEFAULT",
];

fn get_executor(t: &mut Thread, a: &[Value]) -> Res {
    if !type_of(a[0]).is(&weft_objects::code::CODE) {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!("expected a code object, not '{got}'")));
    }
    support::c_int(t, a[1])?;
    Err(t.runtime_error("Executors are not available in this build"))
}

fn stack_effect(t: &mut Thread, a: &[Value]) -> Res {
    let op = support::c_int(t, a[0])?;
    if !VALID
        .iter()
        .any(|(a, b)| (*a..=*b).contains(&i64::from(op)))
    {
        return Err(t.value_error("invalid opcode or oparg"));
    }
    Err(t.raise(
        &errors::NOT_IMPLEMENTED_ERROR,
        "stack_effect() of instructions that this interpreter does not have",
    ))
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new(
        "stack_effect",
        "(opcode, oparg=None, /, *, jump=None)",
        stack_effect,
    ),
    NativeDef::new("is_valid", "(opcode)", |t, a| has(t, a[0], VALID)),
    NativeDef::new("has_arg", "(opcode)", |t, a| has(t, a[0], ARG)),
    NativeDef::new("has_const", "(opcode)", |t, a| has(t, a[0], CONST)),
    NativeDef::new("has_name", "(opcode)", |t, a| has(t, a[0], NAME)),
    NativeDef::new("has_jump", "(opcode)", |t, a| has(t, a[0], JUMP)),
    NativeDef::new("has_free", "(opcode)", |t, a| has(t, a[0], FREE)),
    NativeDef::new("has_local", "(opcode)", |t, a| has(t, a[0], LOCAL)),
    NativeDef::new("has_exc", "(opcode)", |t, a| has(t, a[0], EXC)),
    NativeDef::new("get_nb_ops", "()", operators),
    NativeDef::new("get_intrinsic1_descs", "()", |t, _| names(t, INTRINSICS_1)),
    NativeDef::new("get_intrinsic2_descs", "()", |t, _| names(t, INTRINSICS_2)),
    NativeDef::new("get_special_method_names", "()", |t, _| {
        names(t, &["__enter__", "__exit__", "__aenter__", "__aexit__"])
    }),
    NativeDef::new("get_specialization_stats", "()", |_, _| Ok(Value::NONE)),
    NativeDef::new("get_executor", "(*, code, offset)", get_executor),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_opcode", "Opcode support module.", FUNCTIONS);
    for name in ["ENABLE_SPECIALIZATION", "ENABLE_SPECIALIZATION_FT"] {
        support::add(t, &m, name, Obj::from_raw(Value::FALSE));
    }
    Ok(m)
}
