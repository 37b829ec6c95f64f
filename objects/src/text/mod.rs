//! Text and number routines with CPython's semantics, over plain Rust types.
//!
//! Nothing in here knows of objects: a Python string is a slice of WTF-8 bytes, an int an `i64` or
//! a `BigInt`, and a failure is a [`TextError`] that the caller turns into a Python exception.

pub mod bigint;
pub mod case;
pub mod codec;
pub mod codec_wide;
pub mod float;
pub mod floathex;
pub mod format;
pub mod hash;
pub mod int;
pub mod percent;
pub mod repr;
pub mod search;
pub mod strformat;
pub mod strip;
pub mod unidata;
pub mod wtf8;

pub use wtf8::Text;

use num_bigint::BigInt;

/// The exception class that a [`TextError`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// `ValueError`
    Value,
    /// `OverflowError`
    Overflow,
    /// `TypeError`
    Type,
    /// `MemoryError`
    Memory,
    /// `ZeroDivisionError`
    ZeroDivision,
}

/// A failure: which exception, and its message. Messages never contain lone surrogates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    pub kind: ErrorKind,
    pub msg: String,
}

/// Result of the routines in this tree.
pub type TextResult<T> = Result<T, TextError>;

impl TextError {
    #[cold]
    pub fn new(kind: ErrorKind, msg: impl Into<String>) -> Self {
        TextError {
            kind,
            msg: msg.into(),
        }
    }

    #[cold]
    pub fn value(msg: impl Into<String>) -> Self {
        Self::new(ErrorKind::Value, msg)
    }

    #[cold]
    pub fn overflow(msg: impl Into<String>) -> Self {
        Self::new(ErrorKind::Overflow, msg)
    }

    #[cold]
    pub fn type_error(msg: impl Into<String>) -> Self {
        Self::new(ErrorKind::Type, msg)
    }

    #[cold]
    pub fn memory() -> Self {
        Self::new(ErrorKind::Memory, "")
    }

    #[cold]
    pub fn zero_division(msg: impl Into<String>) -> Self {
        Self::new(ErrorKind::ZeroDivision, msg)
    }
}

impl std::fmt::Display for TextError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.msg)
    }
}

impl std::error::Error for TextError {}

/// An int on its way in or out: small whenever it fits an `i64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Int {
    Small(i64),
    Big(BigInt),
}

impl Int {
    /// Normalises: `Small` whenever the value fits.
    pub fn from_big(n: BigInt) -> Self {
        match i64::try_from(&n) {
            Ok(small) => Int::Small(small),
            Err(_) => Int::Big(n),
        }
    }

    pub fn into_big(self) -> BigInt {
        match self {
            Int::Small(n) => n.into(),
            Int::Big(n) => n,
        }
    }
}
