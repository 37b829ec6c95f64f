//! Tests of the compiler alone: what it writes for small programs, and what it says about wrong ones.

use super::bytecode::*;
use super::*;

fn options() -> Options {
    Options {
        filename: "test.py".to_string(),
        ..Options::default()
    }
}

fn code(source: &str) -> CodeProto {
    let code = compile(source, Mode::Exec, &options()).unwrap_or_else(|e| panic!("{e}\n{source}"));
    check(&code);
    code
}

/// Verifies a code object and all inside it.
fn check(code: &CodeProto) {
    if let Err(e) = verify::verify(code) {
        panic!("{e}\n{}", disassemble(code));
    }
    for c in &code.consts {
        if let Const::Code(inner) = c {
            check(inner);
        }
    }
}

/// The first function defined in a module.
fn function(source: &str) -> CodeProto {
    let module = code(source);
    let inner = module.consts.into_iter().find_map(|c| {
        if let Const::Code(c) = c {
            Some(*c)
        } else {
            None
        }
    });
    inner.unwrap_or_else(|| panic!("no function in {source}"))
}

fn ops(code: &CodeProto) -> Vec<Op> {
    code.instrs.iter().map(|w| OPS[w.op() as usize]).collect()
}

fn error(source: &str) -> SyntaxError {
    match compile(source, Mode::Exec, &options()) {
        Err(e) => e,
        Ok(code) => panic!("compiled: {source}\n{}", disassemble(&code)),
    }
}

#[test]
fn operands_are_read_where_they_lie() {
    let f = function("def f(a, b):\n  x = a + b\n  return x\n");
    assert_eq!(ops(&f), [Op::Add, Op::Return, Op::ReturnK][..2]);
    assert_eq!(
        (
            f.instrs[0].a(),
            f.instrs[0].b(),
            f.instrs[0].c(),
            f.instrs[0].x()
        ),
        (2, 0, 1, 0)
    );
}

#[test]
fn comparisons_jump() {
    let f = function("def f(n):\n  if n < 2: return n\n  return f(n - 1)\n");
    assert_eq!(f.instrs[0].op(), Op::JumpLtK as u8);
    assert_eq!(f.instrs[0].arg(), 0);
    let f = function("def f(x):\n  while x is not None and x.a >= 3:\n    x = x.b\n");
    assert_eq!(
        ops(&f),
        [
            // The line of `while` by itself, for tracing tools.
            Op::Nop,
            Op::JumpNone,
            Op::GetAttrLocal,
            Op::JumpGeK,
            Op::GetAttr,
            Op::JumpBack,
            Op::ReturnK
        ]
    );
}

#[test]
fn swap_makes_no_tuple() {
    let f = function("def f(a, b):\n  a, b = b, a\n  return a\n");
    assert_eq!(ops(&f), [Op::MoveTemp, Op::Move, Op::Move, Op::Return]);
    let f = function("def f(a, b):\n  a, b = b, a + b\n  return a\n");
    assert_eq!(ops(&f), [Op::Add, Op::Move, Op::Move, Op::Return]);
}

#[test]
fn loops_unpack_into_consecutive_locals() {
    let f = function("def f(d):\n  for k, v in d:\n    pass\n");
    assert_eq!(
        ops(&f),
        [
            Op::GetIter,
            Op::ForIter,
            Op::UnpackSeq,
            Op::JumpBack,
            Op::ReturnK
        ]
    );
    assert_eq!((f.instrs[2].a(), f.instrs[2].c()), (1, 2));
}

#[test]
fn constants_are_folded_and_kept_apart() {
    let m = code("x = (1, 1.0, True, 0.0, -0.0, 'a' 'b', 2 ** 10, 7 // -2, -7 % 3)");
    let Const::Tuple(items) = &m.consts[0] else {
        panic!("{:?}", m.consts)
    };
    assert_eq!(
        items[6..],
        [Const::Int(1024), Const::Int(-4), Const::Int(2)]
    );
    let f = function("def f(): return [1, 1.0, True, 0.0, -0.0][x]");
    // No None: the end of the function is not reached.
    assert!(matches!(f.consts.as_slice(), [Const::Tuple(items)] if items.len() == 5));
    let f = function("def f(x): return x in {1, 2} or x[1:]");
    assert!(f.consts.iter().any(|c| matches!(c, Const::FrozenSet(_))));
    assert!(f.consts.iter().any(|c| matches!(c, Const::Slice(_))));
    let f = function("def f():\n  if 0: g()\n  while True: h()\n");
    assert_eq!(ops(&f), [Op::Nop, Op::LoadGlobal, Op::Call, Op::JumpBack]);
}

#[test]
fn walrus_does_not_change_an_operand_that_was_read() {
    let f = function("def f(x): return x + (x := 5) + x");
    assert_eq!(f.instrs[0].op(), Op::MoveTemp as u8);
}

#[test]
fn surrogates_survive() {
    let m = code("x = 'a\\ud800\\N{BULLET}\\x41\u{fffd}'");
    let Const::Str(s) = &m.consts[0] else {
        panic!()
    };
    assert_eq!(&**s, b"a\xed\xa0\x80\xe2\x80\xa2A\xef\xbf\xbd");
}

#[test]
fn locals_are_laid_out_by_kind() {
    let f = function(
        "def f(a, *args, k, **kw):\n  x = 1\n  c = 2\n  [y for y in a]\n  return lambda: c + k\n",
    );
    let names: Vec<&str> = f.locals.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["a", "k", "args", "kw", "x", "c", "y"]);
    assert_eq!(f.locals[1].1, LocalKind::Cell);
    assert_eq!(f.locals[6].1, LocalKind::Hidden);
    assert_eq!((f.argcount, f.kwonly), (1, 1));
}

#[test]
fn far_jumps_are_widened() {
    let body = "    x = g(x, 1) + g(x, 2)\n".repeat(8_000);
    let f = function(&format!(
        "def f(x):\n  for i in x:\n    if i < 3:\n      break\n{body}"
    ));
    let far = f.instrs.iter().position(|w| w.op() == Op::ForIter as u8);
    assert!(far.is_some_and(|i| f.instrs[i].off16() == 1));
}

#[test]
fn every_construct_is_sound() {
    for source in [
        "try:\n  a\nexcept A as e:\n  b\nexcept (B, C):\n  raise\nelse:\n  c\nfinally:\n  d\n",
        "for x in y:\n  try:\n    if a: continue\n    if b: break\n  finally:\n    c\nelse:\n  d\n",
        "def f():\n  while a:\n    with b as c, d:\n      try:\n        return e\n      finally:\n        for q in r:\n          break\n",
        "try:\n  a\nexcept* A as e:\n  b\nexcept* B:\n  c\n",
        "async def f():\n  async with a as b, c:\n    async for x in y:\n      return await x\n  return [i async for i in z if await i]\n",
        "async def g():\n  yield 1\n  x = [y async for y in h()]\n  yield x\n",
        "def g():\n  x = yield\n  y = yield from x\n  return (yield y)\n",
        "match x:\n  case [1, *_, {'a': b, **c}] | (b, c): d\n  case C(1, y=(2 | 3) as z) if z: e\n  case None | True | 'q': f\n  case _: g\n",
        "class C[T: int, *Ts, **P](B, metaclass=M):\n  x: T = 1\n  def m(self) -> T: return super().m() + __class__.x\n",
        "type X[T = int] = list[T]\ndef f[T](a: T, *b: *Ts, c=1) -> T: ...\n",
        "f(*a, *b, c, k=1, **d, **e)\nx = [*a, 1]; y = {**a, 'b': 1}; z = a < b < c() < d\n",
        "a = b[c] = d.e = f()\n(a, *b), [c, d[0]] = x\ndel a, b[0], c.d\n",
        "x = f'{a!r:>{w}} {b=} {{}}' t'' if False else t'{a} {b!s:x}'\n"
            .replace(" t''", "")
            .as_str(),
        "import a.b.c as d, e.f\nfrom . import g as h\nfrom i import *\n",
        "x = lambda a, /, b=1, *c, d, **e: [(a, f) for f in b for g in [f] if g]\n",
        "def f():\n  x = 1\n  def g():\n    nonlocal x\n    x += 1\n    del x\n  return [lambda: y + x for y in g()]\n",
        "@a\n@b(1)\ndef f(): 'doc'\nglobal q\nq: int = 3\nassert f, 'msg'\n",
    ] {
        code(source);
    }
}

#[test]
fn errors_have_cpythons_words() {
    for (source, msg, line, col) in [
        ("x = (1,\ny = 2\n", "'(' was never closed", 1, 5),
        (
            "x = 'abc\n",
            "unterminated string literal (detected at line 1)",
            1,
            5,
        ),
        ("if x\n  pass\n", "expected ':'", 1, 5),
        (
            "if x:\npass\n",
            "expected an indented block after 'if' statement on line 1",
            2,
            1,
        ),
        ("  x\n", "unexpected indent", 1, 1),
        (
            "if x:\n    a\n  b\n",
            "unindent does not match any outer indentation level",
            3,
            4,
        ),
        (
            "1 = x\n",
            "cannot assign to literal here. Maybe you meant '==' instead of '='?",
            1,
            1,
        ),
        (
            "f() = 1\n",
            "cannot assign to function call here. Maybe you meant '==' instead of '='?",
            1,
            1,
        ),
        (
            "if x = 1: pass\n",
            "invalid syntax. Maybe you meant '==' or ':=' instead of '='?",
            1,
            4,
        ),
        ("return 1\n", "'return' outside function", 1, 1),
        ("break\n", "'break' outside loop", 1, 1),
        ("await x\n", "'await' outside function", 1, 1),
        (
            "def f(x, x): pass\n",
            "duplicate argument 'x' in function definition",
            1,
            10,
        ),
        (
            "def f(x):\n  global x\n",
            "name 'x' is parameter and global",
            2,
            3,
        ),
        (
            "def f():\n  nonlocal x\n",
            "no binding for nonlocal 'x' found",
            2,
            3,
        ),
        (
            "print 'x'\n",
            "Missing parentheses in call to 'print'. Did you mean print(...)?",
            1,
            1,
        ),
        (
            "x = [a b]\n",
            "invalid syntax. Perhaps you forgot a comma?",
            1,
            6,
        ),
        (
            "f(a=1, 2)\n",
            "positional argument follows keyword argument",
            1,
            9,
        ),
        (
            "x = 0777\n",
            "leading zeros in decimal integer literals are not permitted; use an 0o prefix for octal integers",
            1,
            5,
        ),
    ] {
        let e = error(source);
        assert_eq!(e.msg, msg, "{source}");
        assert_eq!(e.line, line, "{source}");
        if !msg.starts_with("unexpected indent")
            && !msg.starts_with("unindent")
            && !msg.starts_with("positional")
        {
            assert_eq!(e.col, col, "{source}");
        }
    }
    assert_eq!(error("if x:\npass\n").kind, ErrorKind::Indentation);
    assert_eq!(error("if x:\n        a\n\tb\n").kind, ErrorKind::Tab);
}

#[test]
fn deep_nesting_is_an_error_not_a_crash() {
    assert_eq!(error(&"(".repeat(300)).msg, "too many nested parentheses");
    assert_eq!(
        error(&("-".repeat(100_000) + "1")).kind,
        ErrorKind::Recursion
    );
    assert_eq!(
        error(&("x+".repeat(200_000) + "1")).kind,
        ErrorKind::Recursion
    );
    code(&("x+".repeat(3_000) + "1"));
    code(&("lambda: ".repeat(300) + "1"));
    code(&("lambda x=".repeat(746) + "1" + &":1".repeat(746)));
    assert_eq!(
        error(&("lambda x=".repeat(747) + "1" + &":1".repeat(747))).kind,
        ErrorKind::Recursion
    );
}

#[test]
fn sources_are_decoded() {
    let text = |bytes: &[u8]| decode_source(bytes, None).ok();
    assert_eq!(text(b"\xef\xbb\xbfx").as_deref(), Some("x"));
    assert_eq!(
        text(b"# -*- coding: latin-1 -*-\n'\xe9'").as_deref(),
        Some("# -*- coding: latin-1 -*-\n'\u{e9}'")
    );
    assert!(matches!(
        decode_source(b"\r# coding: foo\n", None),
        Err(Undecoded::Codec(name)) if name == "foo"
    ));
    let wrong = |bytes: &[u8], file| match decode_source(bytes, file) {
        Err(Undecoded::Wrong(e)) => *e,
        other => panic!("{other:?}"),
    };
    let e = wrong(b"\xc3\xa9 = '\xff'", None);
    assert!(
        e.msg
            .starts_with("Non-UTF-8 code starting with '\\xff' on line 1")
    );
    assert_eq!(
        (e.line, e.col, e.text.as_deref()),
        (1, 6, Some("é = '\u{fffd}'"))
    );
    let e = wrong(b"# coding: utf-8\n\n'\xff'", Some("f"));
    assert!(
        e.msg
            .ends_with("byte 0xff in position 1: invalid start byte")
    );
    let e = wrong(b"\xef\xbb\xbf\n# coding: utf8\n", None);
    assert_eq!(
        (e.msg.as_str(), e.line),
        ("encoding problem: utf8 with BOM", 2)
    );
    assert!(matches!(
        decode_source(b"x\0", None),
        Err(Undecoded::Null(1))
    ));
}

#[test]
fn errors_know_the_block_before() {
    let e = error("for a in b:\n  pass\nelso:\n  pass");
    assert_eq!((e.late, e.block), (false, 1));
    assert_eq!(error("x = 1\nfur a in b: pass").block, 0);
    assert!(error("return 1").late);
}

#[test]
fn modes() {
    let c = compile("1 + x\n", Mode::Eval, &options()).expect("an expression");
    assert_eq!(ops(&c).last(), Some(&Op::Return));
    let c = compile("x\n", Mode::Single, &options()).expect("a statement");
    assert!(ops(&c).contains(&Op::CallIntrinsic));
    assert!(compile("x\ny\n", Mode::Single, &options()).is_err());
    let again = Options {
        allow_incomplete: true,
        ..options()
    };
    for part in ["x = (1,", "def f():", "if x:\n  y", "'''abc"] {
        let e = compile(part, Mode::Single, &again).expect_err("incomplete");
        assert_eq!(e.kind, ErrorKind::Incomplete, "{part}");
    }
}

#[test]
fn future_annotations_are_text() {
    let options = Options {
        future_annotations: true,
        ..options()
    };
    let c = compile(
        "def f(a: dict[str, int|None]=1, *b: (x+1)*2): ...",
        Mode::Exec,
        &options,
    )
    .expect("compiles");
    let text = disassemble(&c);
    assert!(
        text.contains("\"dict[str, int | None]\"") && text.contains("\"(x + 1) * 2\""),
        "{text}"
    );
}

#[test]
fn outlines_are_postfix() {
    let how = TreeOptions::default();
    let (steps, warnings) =
        outline("x = '\\d'", Mode::Exec, &options(), how).expect("a valid module");
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].msg.contains("invalid escape sequence"));
    let kinds: Vec<&str> = steps
        .iter()
        .filter_map(|s| match s {
            Step::Node(kind, ..) => Some(*kind),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["Name", "Constant", "Assign", "Module"]);
    let old = TreeOptions {
        feature_version: Some(7),
        ..how
    };
    let e = outline("(x := 1)", Mode::Eval, &options(), old).expect_err("too new");
    assert!(e.msg.contains("only supported in Python 3.8"));
    let steps = outline_signature("(int, *str) -> bool", &options()).expect("a signature");
    assert!(matches!(
        steps.last(),
        Some(Step::Node("FunctionType", 2, None))
    ));
}

#[test]
fn fields_are_explained() {
    let msg = |s: &str| error(s).msg;
    assert_eq!(
        msg("f'{=}'"),
        "f-string: valid expression required before '='"
    );
    assert_eq!(
        msg("f'{a b}'"),
        "invalid syntax. Perhaps you forgot a comma?"
    );
    assert_eq!(msg("f'{a!}'"), "f-string: missing conversion character");
}

#[test]
fn nesting_is_looked_at_before_anything_parses() {
    let opts = Options {
        barry: true,
        ..options()
    };
    let error = compile(&"{".repeat(100_000), Mode::Exec, &opts).err();
    assert!(error.is_some_and(|e| e.msg == "too many nested parentheses"));
    for word in ["async ", "not ", "await ", "lambda: "] {
        let error = compile(&word.repeat(30_000), Mode::Exec, &options());
        assert!(
            error.is_err_and(|e| e.kind == ErrorKind::Recursion),
            "{word}"
        );
    }
    let nest = |open: &str, close: &str| format!("{}1{}", open.repeat(5_000), close.repeat(5_000));
    for source in [
        format!("f\"{{{}}}\"", nest("f'{x:", "}'")),
        format!("f'{{'a' + {}}}'", nest("(", ")")),
        format!("f'{{{}}}'", nest("lambda x=", ":0")),
    ] {
        // An error or not: it comes back.
        let _ = compile(&source, Mode::Exec, &options());
    }
}
