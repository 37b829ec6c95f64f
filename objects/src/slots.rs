//! The slot functions of a type, and their signatures.
//!
//! All [`Value`] parameters are borrowed; a [`Res`] is an owned register word. Slots are atomics, because a class attribute
//! may be assigned while other threads use the class.

use crate::Res;
use crate::args::Args;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicPtr, Ordering::*};
use weft_gc::{Thread, Value};

/// One slot function, changed atomically.
pub struct SlotFn<F: Copy>(AtomicPtr<()>, PhantomData<F>);

impl<F: Copy> SlotFn<F> {
    pub const fn empty() -> Self {
        SlotFn(AtomicPtr::new(std::ptr::null_mut()), PhantomData)
    }
    /// The function, if the type has one.
    #[inline(always)]
    pub fn get(&self) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*mut ()>()) };
        let p = self.0.load(Relaxed);
        if p.is_null() {
            None
        } else {
            // SAFETY: `F` is a function pointer type of pointer size and only `set` stores here.
            Some(unsafe { std::mem::transmute_copy::<*mut (), F>(&p) })
        }
    }
    pub fn set(&self, f: Option<F>) {
        let p = match f {
            // SAFETY: as in `get`.
            Some(f) => unsafe { std::mem::transmute_copy::<F, *mut ()>(&f) },
            None => std::ptr::null_mut(),
        };
        self.0.store(p, Release);
    }
    pub fn is_set(&self) -> bool {
        !self.0.load(Relaxed).is_null()
    }
    pub fn copy_from(&self, other: &Self) {
        self.0.store(other.0.load(Relaxed), Release);
    }
}

/// The six comparisons.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum CmpOp {
    Lt,
    Le,
    Eq,
    Ne,
    Gt,
    Ge,
}

impl CmpOp {
    /// The comparison with its operands exchanged.
    pub fn swapped(self) -> CmpOp {
        match self {
            CmpOp::Lt => CmpOp::Gt,
            CmpOp::Le => CmpOp::Ge,
            CmpOp::Gt => CmpOp::Lt,
            CmpOp::Ge => CmpOp::Le,
            op => op,
        }
    }
    pub fn symbol(self) -> &'static str {
        ["<", "<=", "==", "!=", ">", ">="][self as usize]
    }
    pub fn dunder(self) -> &'static str {
        ["__lt__", "__le__", "__eq__", "__ne__", "__gt__", "__ge__"][self as usize]
    }
    /// The result for two operands that compare as `o`.
    #[inline]
    pub fn of(self, o: std::cmp::Ordering) -> bool {
        match self {
            CmpOp::Lt => o.is_lt(),
            CmpOp::Le => o.is_le(),
            CmpOp::Eq => o.is_eq(),
            CmpOp::Ne => o.is_ne(),
            CmpOp::Gt => o.is_gt(),
            CmpOp::Ge => o.is_ge(),
        }
    }
}

/// The binary operators, in the order of the compiler's opcodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum BinOp {
    Add,
    Sub,
    Mul,
    TrueDiv,
    FloorDiv,
    Mod,
    Pow,
    LShift,
    RShift,
    And,
    Or,
    Xor,
    MatMul,
    /// `divmod`; has no opcode.
    DivMod,
}

pub const BIN_OPS: usize = 14;

impl BinOp {
    pub const ALL: [BinOp; BIN_OPS] = [
        BinOp::Add,
        BinOp::Sub,
        BinOp::Mul,
        BinOp::TrueDiv,
        BinOp::FloorDiv,
        BinOp::Mod,
        BinOp::Pow,
        BinOp::LShift,
        BinOp::RShift,
        BinOp::And,
        BinOp::Or,
        BinOp::Xor,
        BinOp::MatMul,
        BinOp::DivMod,
    ];
    pub fn symbol(self) -> &'static str {
        [
            "+",
            "-",
            "*",
            "/",
            "//",
            "%",
            "** or pow()",
            "<<",
            ">>",
            "&",
            "|",
            "^",
            "@",
            "divmod()",
        ][self as usize]
    }
    pub fn in_place_symbol(self) -> &'static str {
        [
            "+=", "-=", "*=", "/=", "//=", "%=", "**=", "<<=", ">>=", "&=", "|=", "^=", "@=",
            "divmod()",
        ][self as usize]
    }
    /// The name without underscores: `add`.
    pub fn stem(self) -> &'static str {
        [
            "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift", "and",
            "or", "xor", "matmul", "divmod",
        ][self as usize]
    }
}

pub type UnaryFn = fn(&mut Thread, Value) -> Res;
pub type BinaryFn = fn(&mut Thread, Value, Value) -> Res;
pub type TernaryFn = fn(&mut Thread, Value, Value, Value) -> Res;
pub type LenFn = fn(&mut Thread, Value) -> Res<usize>;
pub type InquiryFn = fn(&mut Thread, Value) -> Res<bool>;
pub type HashFn = fn(&mut Thread, Value) -> Res<i64>;
/// object, key, value (NULL: delete)
pub type SetItemFn = fn(&mut Thread, Value, Value, Value) -> Res<()>;
/// object, item
pub type ContainsFn = fn(&mut Thread, Value, Value) -> Res<bool>;
/// object, name (a str)
pub type GetAttrFn = fn(&mut Thread, Value, Value) -> Res;
/// object, name, value (NULL: delete)
pub type SetAttrFn = fn(&mut Thread, Value, Value, Value) -> Res<()>;
pub type CompareFn = fn(&mut Thread, Value, Value, CmpOp) -> Res;
/// The next item; NULL when exhausted.
pub type IterNextFn = fn(&mut Thread, Value) -> Res;
/// A step of a generator or of what behaves like one: object, the value that is sent to it.
pub type SendFn = fn(&mut Thread, Value, Value) -> Res<crate::generator::Outcome>;
pub type CallFn = fn(&mut Thread, Value, Args<'_>) -> Res;
/// The class, its arguments.
pub type NewFn = fn(&mut Thread, Value, Args<'_>) -> Res;
pub type InitFn = fn(&mut Thread, Value, Args<'_>) -> Res<()>;
/// descriptor, object or NULL, type or NULL
pub type DescrGetFn = fn(&mut Thread, Value, Value, Value) -> Res;
/// descriptor, object, value (NULL: delete)
pub type DescrSetFn = fn(&mut Thread, Value, Value, Value) -> Res<()>;
pub type FinalizeFn = fn(&mut Thread, Value) -> Res<()>;
/// Gives a view of the object's memory: see [`crate::buffer`].
pub type BufferFn = fn(&mut Thread, Value, /* writable */ bool) -> Res<crate::buffer::Buffer>;

macro_rules! slots {
    ($($(#[$doc:meta])* $name:ident: $ty:ty,)*) => {
        /// The slot table of a type.
        pub struct Slots {
            $($(#[$doc])* pub $name: SlotFn<$ty>,)*
            /// Binary operators by [`BinOp`]; called with the operands in their written order.
            pub binary: [SlotFn<BinaryFn>; BIN_OPS],
            /// In-place operators; absent ones fall back to `binary`.
            pub in_place: [SlotFn<BinaryFn>; BIN_OPS],
        }
        /// The slots of a built-in type as it is written down: `Spec { repr: Some(..), ..Spec::EMPTY }`.
        pub struct Spec {
            $(pub $name: Option<$ty>,)*
            pub binary: &'static [(BinOp, BinaryFn)],
            pub in_place: &'static [(BinOp, BinaryFn)],
            pub methods: &'static [crate::native::NativeDef],
            pub getset: &'static [crate::native::GetSetDef],
            pub members: &'static [crate::native::MemberDef],
        }
        impl Spec {
            pub const EMPTY: Spec = Spec {
                $($name: None,)* binary: &[], in_place: &[], methods: &[], getset: &[], members: &[],
            };
        }
        impl Slots {
            pub const fn empty() -> Slots {
                Slots {
                    $($name: SlotFn::empty(),)*
                    binary: [const { SlotFn::empty() }; BIN_OPS],
                    in_place: [const { SlotFn::empty() }; BIN_OPS],
                }
            }
            /// Fills in what the specification says.
            pub fn fill(&self, spec: &Spec) {
                $(if spec.$name.is_some() { self.$name.set(spec.$name); })*
                for (op, f) in spec.binary { self.binary[*op as usize].set(Some(*f)); }
                for (op, f) in spec.in_place { self.in_place[*op as usize].set(Some(*f)); }
            }
            /// Takes from the base class each slot that is not set here.
            pub fn inherit(&self, base: &Slots) {
                // Comparison and hash go together: a type that defines one of them inherits neither.
                let own_compare = self.compare.is_set() || self.hash.is_set();
                $(if !self.$name.is_set() && !(own_compare && matches!(stringify!($name), "compare" | "hash")) {
                    self.$name.copy_from(&base.$name);
                })*
                for i in 0..BIN_OPS {
                    if !self.binary[i].is_set() { self.binary[i].copy_from(&base.binary[i]); }
                    if !self.in_place[i].is_set() { self.in_place[i].copy_from(&base.in_place[i]); }
                }
            }
        }
    };
}

slots! {
    repr: UnaryFn,
    str: UnaryFn,
    /// Hash, or raising TypeError for unhashable types (`__hash__ = None`).
    hash: HashFn,
    call: CallFn,
    get_attr: GetAttrFn,
    set_attr: SetAttrFn,
    compare: CompareFn,
    iter: UnaryFn,
    iter_next: IterNextFn,
    /// `send`, without StopIteration for the end: of types that no class is derived from.
    send: SendFn,
    descr_get: DescrGetFn,
    descr_set: DescrSetFn,
    new: NewFn,
    init: InitFn,
    /// `__del__`.
    finalize: FinalizeFn,
    len: LenFn,
    get_item: BinaryFn,
    /// An item by its index as iteration gets it, where that is not what a subscript gives.
    item: BinaryFn,
    set_item: SetItemFn,
    contains: ContainsFn,
    /// Sequence concatenation and repetition, tried after the number protocol.
    concat: BinaryFn,
    repeat: BinaryFn,
    in_place_concat: BinaryFn,
    in_place_repeat: BinaryFn,
    truth: InquiryFn,
    neg: UnaryFn,
    pos: UnaryFn,
    abs: UnaryFn,
    invert: UnaryFn,
    int: UnaryFn,
    float: UnaryFn,
    index: UnaryFn,
    /// Three-argument pow.
    pow3: TernaryFn,
    await_: UnaryFn,
    aiter: UnaryFn,
    anext: UnaryFn,
    buffer: BufferFn,
}
