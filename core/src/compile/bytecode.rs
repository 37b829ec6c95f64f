//! The register bytecode: what the compiler writes and the interpreter runs.
//!
//! An instruction is one 64-bit word: `op:8 | x:8 | a:16 | b:16 | c:16` (op in the lowest byte).
//! Operands `a`, `b`, `c` name registers of the frame unless an opcode says otherwise.
//! One word of this width needs a single load and no wide prefix, which is why it is not 32 bits.
//!
//! **Registers.** `0 .. nlocals` are the named locals: parameters first (positional, keyword-only,
//! `*args`, `**kwargs`), other locals, cell variables that are not parameters, then free variables.
//! `nlocals .. nregs` are temporaries, allocated like a stack. A register that holds the zero word is
//! unbound. A local that is captured by an inner function holds a *cell*.
//!
//! **Consuming.** An operand that is a temporary is consumed by the instruction that reads it: the flag
//! bits in `x` say which ([`XA`], [`XB`], [`XC`]). A consumed register is dead (the interpreter drops what
//! it held). Locals are never consumed. A destination that is a temporary is dead before the
//! instruction; an operand and the destination may be the same register.
//!
//! **Unbound locals** need no check of their own: the zero word misses every fast path, and each slow path
//! looks for it first and raises UnboundLocalError.

use num_bigint::BigInt;

/// `x` bit: operand `b` is a temporary that this instruction consumes.
pub const XB: u8 = 1;
/// `x` bit: operand `c` is consumed.
pub const XC: u8 = 2;
/// `x` bit: operand `a`, where it is read and not written, is consumed.
pub const XA: u8 = 4;
/// Destination of a [`Op::Call`] whose result is not wanted.
pub const DISCARD: u16 = u16::MAX;
/// The upper four bits of `x` are an argument of the opcode (see each opcode): `x >> 4`.
pub const XARG: u8 = 4;

/// One instruction word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instr(pub u64);

impl Instr {
    /// Packs an instruction.
    pub const fn new(op: Op, x: u8, a: u16, b: u16, c: u16) -> Instr {
        Instr(op as u64 | (x as u64) << 8 | (a as u64) << 16 | (b as u64) << 32 | (c as u64) << 48)
    }
    /// Packs an instruction whose `b` and `c` form a signed 32-bit jump offset.
    pub const fn jump(op: Op, x: u8, a: u16, offset: i32) -> Instr {
        Instr(op as u64 | (x as u64) << 8 | (a as u64) << 16 | (offset as u32 as u64) << 32)
    }
    #[inline(always)]
    pub const fn op(self) -> u8 {
        self.0 as u8
    }
    #[inline(always)]
    pub const fn x(self) -> u8 {
        (self.0 >> 8) as u8
    }
    #[inline(always)]
    pub const fn arg(self) -> u8 {
        ((self.0 >> 12) & 15) as u8
    }
    #[inline(always)]
    pub const fn a(self) -> usize {
        ((self.0 >> 16) & 0xffff) as usize
    }
    #[inline(always)]
    pub const fn b(self) -> usize {
        ((self.0 >> 32) & 0xffff) as usize
    }
    #[inline(always)]
    pub const fn c(self) -> usize {
        (self.0 >> 48) as usize
    }
    /// Operand `c` as a signed jump offset, counted in instructions from the one that follows.
    #[inline(always)]
    pub const fn off16(self) -> isize {
        ((self.0 as i64) >> 48) as isize
    }
    /// Of a Yield: how many registers are kept while the generator is suspended. (`c` is that number, or the last one that is.)
    #[inline(always)]
    pub const fn kept(self) -> usize {
        self.c() + (self.arg() & 1) as usize
    }
    /// Operands `b` and `c` as a signed jump offset, counted from the instruction that follows.
    #[inline(always)]
    pub const fn off32(self) -> isize {
        ((self.0 as i64) >> 32) as isize
    }
}

macro_rules! ops {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// An opcode. `r[i]` is a register, `k[i]` a constant, `n[i]` a name of the code object.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Op { $($(#[$doc])* $name,)* }
        /// Names of the opcodes, by number.
        pub const OP_NAMES: &[&str] = &[$(stringify!($name),)*];
        /// All opcodes, by number.
        pub const OPS: &[Op] = &[$(Op::$name,)*];
    };
}

ops! {
    /// Does nothing.
    Nop,
    /// A second word of the instruction before it; never run by itself.
    Ext,
    /// r[a] = r[b]; moves if `b` is consumed, else copies. UnboundLocalError if r[b] is unbound.
    Move,
    /// r[a] = k[b].
    LoadK,
    /// r[a] = global or builtin n[b]; caches c and c+1.
    LoadGlobal,
    /// global n[b] = r[a]; cache c. Consumes a.
    StoreGlobal,
    /// del global n[b].
    DeleteGlobal,
    /// r[a] = n[b] from the frame's namespace, else global, else builtin; caches c, c+1 (for the global part).
    LoadName,
    /// namespace[n[b]] = r[a]. Consumes a.
    StoreName,
    /// del namespace[n[b]].
    DeleteName,
    /// r[a] = the frame's namespace itself (LOAD_LOCALS).
    LoadLocals,
    /// r[a] = r[b][n[c]] if that mapping (dict) has it, else the global or builtin n[c]. (Class scopes nested
    /// in annotation scopes; b is consumed if flagged.)
    LoadFromDictOrGlobals,
    /// r[a] = r[b][name] if the mapping r[b] has it, else the contents of the cell in r[c]; the name is that of register c.
    LoadFromDictOrDeref,
    /// Unbinds local r[a]; UnboundLocalError if it is unbound already.
    DeleteFast,
    /// Empties r[a] without any error.
    Clear,
    /// r[a] = new cell holding what r[a] held (which may be unbound).
    MakeCell,
    /// r[a .. a+b] = the b cells of the function's closure. First instruction of a function that has free variables.
    CopyFree,
    /// r[a] = contents of the cell in r[b]; NameError or UnboundLocalError if empty. The cell is never consumed.
    LoadDeref,
    /// contents of cell r[b] = r[a]. Consumes a.
    StoreDeref,
    /// empties cell r[b]; NameError if it is empty.
    DeleteDeref,
    /// r[a] = the cell itself that is in local r[b] (for closure tuples).
    LoadCell,

    /// r[a] = r[b] + r[c]. For all binary operators `x >> 4` is 1 for the in-place form.
    Add, Sub, Mul, TrueDiv, FloorDiv, Mod, Pow, LShift, RShift, And, Or, Xor, MatMul,
    /// r[a] = r[b] + k[c]; same flags.
    AddK, SubK, MulK, TrueDivK, FloorDivK, ModK, PowK, LShiftK, RShiftK, AndK, OrK, XorK,
    /// r[a] = -r[b].
    Neg, Pos, Invert,
    /// r[a] = not r[b].
    Not,
    /// r[a] = r[b] < r[c].
    Lt, Le, Eq, Ne, Gt, Ge,
    /// r[a] = r[b] is r[c]; `x >> 4` = 1: is not.
    Is,
    /// r[a] = r[b] in r[c]; `x >> 4` = 1: not in.
    Contains,

    /// Jumps by off32.
    Jump,
    /// Jumps back by off32 and polls the breaker. Every backward jump is one of these.
    JumpBack,
    /// Jumps by off32 if r[a] is true. Consumes a if flagged (a value that is kept, as for `or`, is not flagged).
    JumpTrue,
    /// Jumps by off32 if r[a] is false.
    JumpFalse,
    /// Jumps by off32 if r[a] is None.
    JumpNone,
    /// Jumps by off32 if r[a] is not None.
    JumpNotNone,
    /// Jumps by off16 if (r[a] < r[b]) is the truth value `x >> 4`. Flags XA, XB.
    JumpLt, JumpLe, JumpEq, JumpNe, JumpGt, JumpGe,
    /// Jumps by off16 if (r[a] < k[b]) is the truth value `x >> 4`. Flag XA.
    JumpLtK, JumpLeK, JumpEqK, JumpNeK, JumpGtK, JumpGeK,

    /// r[a] = r[b].name; c is a cache whose name is `cache_names[c]`.
    GetAttr,
    /// r[a].name = r[b]; cache c. Flags XA, XB.
    SetAttr,
    /// del r[a].n[b]. Flag XA.
    DelAttr,
    /// r[a], r[a+1] = method, self (or function-like, NULL) for a call of r[b].name; cache c. Both are dead temporaries, or b is one of them.
    LoadMethod,
    /// r[a] = super(r[b+1], r[b+2]).n[c] where r[b] is what the name `super` gives; r[b..b+3] are consumed. `x >> 4` = 1: was written with no arguments.
    SuperAttr,
    /// r[a], r[a+1] = method, self; otherwise as SuperAttr.
    SuperMethod,
    /// r[a], r[a+1] = special method of type(r[b]), self. `x >> 4`: 0 __enter__, 1 __exit__, 2 __aenter__, 3 __aexit__. c = cache.
    /// TypeError with CPython's words if there is none. b is not consumed unless flagged.
    LoadSpecial,
    /// r[a] = r[b][r[c]].
    GetItem,
    /// r[a] = r[b][k[c]].
    GetItemK,
    /// r[a][r[b]] = r[c]. Flags XA, XB, XC.
    SetItem,
    /// del r[a][r[b]]. Flags XA, XB.
    DelItem,
    /// r[a] = slice(r[b], r[b+1]) or, if c is 3, slice(r[b], r[b+1], r[b+2]); all consumed.
    BuildSlice,

    /// r[a] = call of r[b] with c positional arguments r[b+2 ..]; r[b+1] is NULL, or self, which goes before them. All are consumed.
    /// `a` may be any register, or [`DISCARD`].
    Call,
    /// As Call; the last arguments are keyword arguments, named by the tuple k[a] of the following Ext word. c counts all.
    CallKw,
    /// r[a] = r[b](*r[b+2], **r[b+3]); r[b+1] is NULL or self; r[b+2] is a tuple or any iterable, r[b+3] a dict, or unbound for none. All consumed.
    CallEx,
    /// Returns r[a] (a local is left to the frame's clearing; a temp is moved).
    Return,
    /// Returns k[b].
    ReturnK,

    /// First instruction of a generator, coroutine or async generator body (after CopyFree and MakeCell): makes the generator object of this frame and returns it.
    ReturnGenerator,
    /// Suspends with the value r[b] (consumed if flagged); when resumed, r[a] = the value sent. `x >> 4` = 1: the yield is part of a delegation
    /// (`yield from`, `await`), whose receiver is in r[c]. Registers from [`Instr::kept`] on are dead.
    Yield,
    /// Sends r[a] to the iterator r[b]. Yielded value: r[a] = it, falls through. Finished: r[a] = its result, r[b] is dropped, jumps by off16.
    Send,
    /// r[a] = iterator for `yield from r[b]`. `x >> 4` = 1: for a generator expression's outermost iterable: iter(r[b]),
    /// or r[b] itself if it is an exact list, tuple or range (the generator's GetIter then sees it as it is).
    GetYieldFromIter,
    /// r[a] = awaitable iterator of r[b]. `x >> 4`: 0 plain, 1 after __aenter__, 2 after __aexit__.
    GetAwaitable,
    /// r[a] = aiter(r[b]).
    GetAIter,
    /// r[a] = awaitable of anext(r[b]); b is not consumed.
    GetANext,
    /// r[a] is an exception raised by the anext of r[b]: if it is StopAsyncIteration, clears both and goes on, else raises it again.
    EndAsyncFor,
    /// r[a] = r[b] wrapped as a value yielded by an asynchronous generator.
    AsyncGenWrap,

    /// Prepares iteration over r[b] in the three temporaries r[a], r[a+1], r[a+2]. `x >> 4` = 1: r[b] comes from
    /// GetYieldFromIter with that flag, so it is an iterator (on which iter() is not called again) or an exact list, tuple
    /// or range.
    GetIter,
    /// r[b] = next of the iteration in r[a..a+3]; when it is exhausted clears those three and jumps by off16. r[a] is not consumed.
    /// A `break` out of the loop clears the three with Clear r[a], r[a+1], r[a+2].
    ForIter,
    /// r[a .. a+c] = the c items of r[b].
    UnpackSeq,
    /// As UnpackSeq with a starred target: c = before | after << 8; r[a .. a+before], list in r[a+before], then the rest.
    UnpackEx,

    /// r[a] = tuple of r[b .. b+c], all consumed.
    BuildTuple, BuildList, BuildSet,
    /// r[a] = dict of the c pairs r[b], r[b+1], ... all consumed.
    BuildMap,
    /// r[a] = "".join of the c strings r[b ..], all consumed.
    BuildString,
    /// r[a].append(r[b]); a is not consumed, for the following ones too.
    ListAppend,
    ListExtend,
    SetAdd,
    SetUpdate,
    /// r[a][r[b]] = r[c].
    MapAdd,
    /// r[a].update(r[b]) for a dict display.
    DictUpdate,
    /// r[a].update(r[b]) for keyword arguments of a call of r[c]: TypeError for a duplicate or a non-mapping. Neither a nor c is consumed.
    DictMerge,
    /// r[a] = tuple(list r[b]).
    ListToTuple,
    /// r[a] = format(r[b], spec). `x >> 4`: bits 0-1 conversion (0 none, 1 str, 2 repr, 3 ascii), bit 2: a spec is in r[c].
    Format,
    /// r[a] = interpolation of value r[b], its text k in r[b+1], conversion (str or None) r[b+2], format spec r[b+3]; all consumed (t-strings).
    BuildInterpolation,
    /// r[a] = template of strings tuple r[b] and interpolations tuple r[b+1]; consumed.
    BuildTemplate,

    /// r[a] = import of n[c]; r[b] = level, r[b+1] = from-list; consumed.
    ImportName,
    /// r[a] = name n[c] from module r[b]; b is not consumed unless flagged.
    ImportFrom,
    /// from r[b] import * into the frame's namespace.
    ImportStar,

    /// r[a] = function of code k[b]. `x >> 4` bits: 1 defaults tuple, 2 keyword defaults dict, 4 annotate function, 8 closure tuple of cells; those present
    /// lie in that order from r[c] on and are consumed.
    MakeFunction,
    /// r[a] = generator of the generator expression k[b], as a call of its function with r[c] would give it; the cells of its free
    /// variables follow r[c]; all are consumed. Its code begins with CopyFree, if it has free variables, and ReturnGenerator.
    MakeGenExpr,
    /// r[a] = __build_class__.
    LoadBuildClass,
    /// Makes sure that the namespace has __annotations__ (only under `from __future__ import annotations`).
    SetupAnnotations,
    /// r[a] = intrinsic number c (see [`Intrinsic`]) of r[b] (and r[b+1] .. for those that take more); operands consumed.
    CallIntrinsic,

    /// Raises. `x >> 4`: 0 the exception being handled, 1 r[b], 2 r[b] from r[c].
    Raise,
    /// Raises the exception in r[a] again, leaving its traceback as it is. a consumed.
    Reraise,
    /// Entry of a handler: r[a] = the exception handled so far (or None), and r[b] (not consumed) becomes the one being handled.
    PushExc,
    /// Exit of a handler: the exception being handled is r[a] again; a consumed.
    PopExc,
    /// r[a] = whether exception r[b] (not consumed) matches the class or tuple r[c].
    ExcMatch,
    /// Splits the group r[b] (not consumed) by the types r[c]: r[a] = matching part or None, r[a+1] = the rest or None.
    ExcGroupMatch,
    /// r[a] = what to raise (or None) after `except*`: r[b] = the original exception (not consumed), r[c] = list of exceptions raised and unhandled.
    PrepReraiseStar,
    /// r[a] = call of the __exit__ in r[b], r[b+1] with the exception r[c] (neither consumed): its type, itself, its traceback.
    WithExcept,

    /// r[a] = whether r[b] (not consumed) can match a mapping pattern.
    MatchMapping,
    /// r[a] = whether r[b] (not consumed) can match a sequence pattern.
    MatchSequence,
    /// r[a] = tuple of the values of r[b] (not consumed) under the keys tuple r[c] (not consumed), or None.
    MatchKeys,
    /// r[a] = tuple of the attributes for a class pattern, or None: subject r[b] (not consumed), class r[c], names tuple r[c+1] (both consumed), `x >> 4` unused;
    /// count of positional patterns in the following Ext word's a.
    MatchClass,
    /// r[a] = len(r[b]); b not consumed.
    GetLen,

    /// As Move, where b is not consumed and a is a dead temporary.
    MoveTemp,
    /// As GetAttr, where b is not consumed and a is a dead temporary.
    GetAttrLocal,
    /// As GetAttr, where b is consumed and a is the same register.
    GetAttrTemp,
    /// As GetAttrTemp, of what a LoadGlobal has just given: a class or a module, most likely.
    GetAttrGlobal,
    /// As LoadMethod, where b is not consumed.
    LoadMethodLocal,
    /// As LoadMethod, of what a LoadGlobal has just given: b is consumed.
    LoadMethodGlobal,
    /// As Call, of what a LoadMethod has given.
    CallMethod,
}

/// Rarer operations of the compiler, run by [`Op::CallIntrinsic`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Intrinsic {
    /// Prints an expression statement's value at the prompt (sys.displayhook).
    Print,
    /// The class AssertionError (takes no operand).
    AssertionError,
    /// TypeVar(name).
    TypeVar,
    /// TypeVar(name, bound-evaluator): r[b], r[b+1].
    TypeVarWithBound,
    /// TypeVar(name, constraints-evaluator): r[b], r[b+1].
    TypeVarWithConstraints,
    ParamSpec,
    TypeVarTuple,
    /// Sets the default evaluator of type parameter r[b] to function r[b+1]; gives the type parameter.
    SetTypeparamDefault,
    /// Generic[*params]: r[b] is a tuple.
    SubscriptGeneric,
    /// TypeAliasType from the tuple (name, type params or None, evaluator).
    TypeAlias,
    /// Sets r[b].__type_params__ = r[b+1]; gives the function.
    SetFunctionTypeParams,
    /// Turns StopIteration r[b] that leaves a generator into RuntimeError; other exceptions are given back (then raised again).
    StopIterationError,
    /// r[a] = tuple(r[b]) if it is an iterable of arguments.
    Tuple,
}

/// Flags of a code object, numbered as CPython's `co_flags`.
pub mod flags {
    pub const OPTIMIZED: u32 = 1;
    pub const NEWLOCALS: u32 = 2;
    pub const VARARGS: u32 = 4;
    pub const VARKEYWORDS: u32 = 8;
    pub const NESTED: u32 = 16;
    pub const GENERATOR: u32 = 32;
    pub const COROUTINE: u32 = 128;
    pub const ITERABLE_COROUTINE: u32 = 256;
    pub const ASYNC_GENERATOR: u32 = 512;
    pub const FUTURE_BARRY: u32 = 0x40_0000;
    pub const FUTURE_ANNOTATIONS: u32 = 0x100_0000;
    pub const HAS_DOCSTRING: u32 = 0x400_0000;
    pub const METHOD: u32 = 0x800_0000;
}

/// A constant as the compiler writes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Const {
    None,
    True,
    False,
    Ellipsis,
    Int(i64),
    BigInt(BigInt),
    Float(f64),
    Complex(f64, f64),
    /// WTF-8.
    Str(Box<[u8]>),
    Bytes(Box<[u8]>),
    Tuple(Vec<Const>),
    FrozenSet(Vec<Const>),
    /// slice(start, stop, step) of constants (CPython 3.14 folds these too).
    Slice(Box<[Const; 3]>),
    Code(Box<CodeProto>),
}

/// What a local register is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LocalKind {
    Fast,
    /// A parameter or local that inner functions capture.
    Cell,
    Free,
    /// The iteration variable of an inlined comprehension: not seen by `locals()`.
    Hidden,
}

/// A stretch of code whose exceptions are handled: instructions `start..end` go to `target`, the exception is put
/// into register `depth`, and all temporaries from `depth` on are dropped first. Inner stretches come first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Handler {
    pub start: u32,
    pub end: u32,
    pub target: u32,
    pub depth: u16,
}

/// Where an instruction comes from: lines from 1, columns in UTF-8 bytes from 0; line 0 = nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Position {
    pub line: u32,
    pub end_line: u32,
    pub col: u16,
    pub end_col: u16,
}

/// What the compiler makes of a module, function, class body or expression: plain data, no objects in it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct CodeProto {
    pub name: String,
    pub qualname: String,
    pub filename: String,
    pub first_line: u32,
    /// Positional parameters, positional-only ones included.
    pub argcount: u16,
    pub posonly: u16,
    pub kwonly: u16,
    pub flags: u32,
    pub nlocals: u16,
    pub nregs: u16,
    /// Names and kinds of the local registers.
    pub locals: Vec<(String, LocalKind)>,
    pub instrs: Vec<Instr>,
    pub consts: Vec<Const>,
    pub names: Vec<String>,
    /// Per inline cache: the index in `names` that it is for (u32::MAX where the opcode names it itself).
    pub cache_names: Vec<u32>,
    pub handlers: Vec<Handler>,
    /// One per instruction; behind them one for each line without code that is passed before an instruction: `line`, and the
    /// instruction's number as `end_line`.
    pub positions: Vec<Position>,
}
