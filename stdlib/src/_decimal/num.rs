//! Decimal numbers, the rules that a result is rounded by, and what is signalled.

use super::coef::{Coef, TooLong, ZERO};

pub const MAX_PREC: i64 = 999_999_999_999_999_999;
pub const MAX_EMAX: i64 = 999_999_999_999_999_999;
pub const MIN_EMIN: i64 = -MAX_EMAX;
pub const MIN_ETINY: i64 = MIN_EMIN - (MAX_PREC - 1);

/// What an operation signals, one bit each.
pub mod status {
    pub const CLAMPED: u32 = 1;
    pub const CONVERSION_SYNTAX: u32 = 2;
    pub const DIVISION_BY_ZERO: u32 = 4;
    pub const DIVISION_IMPOSSIBLE: u32 = 8;
    pub const DIVISION_UNDEFINED: u32 = 0x10;
    pub const INEXACT: u32 = 0x40;
    pub const INVALID_CONTEXT: u32 = 0x80;
    pub const INVALID_OPERATION: u32 = 0x100;
    /// Not a signal: MemoryError.
    pub const NO_MEMORY: u32 = 0x200;
    pub const FLOAT_OPERATION: u32 = 0x400;
    pub const OVERFLOW: u32 = 0x800;
    pub const ROUNDED: u32 = 0x1000;
    pub const SUBNORMAL: u32 = 0x2000;
    pub const UNDERFLOW: u32 = 0x4000;
    /// All that is the signal InvalidOperation.
    pub const INVALID: u32 = CONVERSION_SYNTAX
        | DIVISION_IMPOSSIBLE
        | DIVISION_UNDEFINED
        | INVALID_CONTEXT
        | INVALID_OPERATION
        | NO_MEMORY;
}
use status::*;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Round {
    Up,
    Down,
    Ceiling,
    Floor,
    HalfUp,
    HalfDown,
    HalfEven,
    ZeroFiveUp,
}

impl Round {
    pub const ALL: [(Round, &'static str); 8] = [
        (Round::Up, "ROUND_UP"),
        (Round::Down, "ROUND_DOWN"),
        (Round::Ceiling, "ROUND_CEILING"),
        (Round::Floor, "ROUND_FLOOR"),
        (Round::HalfUp, "ROUND_HALF_UP"),
        (Round::HalfDown, "ROUND_HALF_DOWN"),
        (Round::HalfEven, "ROUND_HALF_EVEN"),
        (Round::ZeroFiveUp, "ROUND_05UP"),
    ];

    pub fn name(self) -> &'static str {
        Round::ALL[self as usize].1
    }

    /// Whether what remains is to be counted up by one, as `digit` (see [`Coef::shr`]) has been cut off.
    #[inline]
    pub fn goes_up(self, digit: u8, neg: bool, rest: &Coef) -> bool {
        match self {
            Round::HalfEven => digit > 5 || digit == 5 && rest.is_odd(),
            Round::Down => false,
            Round::HalfUp => digit >= 5,
            Round::HalfDown => digit > 5,
            Round::Up => digit > 0,
            Round::Ceiling => digit > 0 && !neg,
            Round::Floor => digit > 0 && neg,
            Round::ZeroFiveUp => digit > 0 && rest.last_digit().is_multiple_of(5),
        }
    }
}

/// The rules, and what has been signalled so far.
#[derive(Clone, Debug)]
pub struct Ctx {
    pub prec: i64,
    pub emax: i64,
    pub emin: i64,
    pub round: Round,
    pub clamp: bool,
    pub status: u32,
}

impl Ctx {
    /// The widest rules there are: for exact conversions.
    pub const fn max() -> Ctx {
        Ctx {
            prec: MAX_PREC,
            emax: MAX_EMAX,
            emin: MIN_EMIN,
            round: Round::HalfEven,
            clamp: false,
            status: 0,
        }
    }

    /// The same without signals.
    pub fn quiet(&self) -> Ctx {
        Ctx {
            status: 0,
            ..self.clone()
        }
    }

    pub fn etiny(&self) -> i64 {
        self.emin - (self.prec - 1)
    }

    pub fn etop(&self) -> i64 {
        self.emax - (self.prec - 1)
    }

    /// NaN, for that reason.
    #[cold]
    pub fn invalid(&mut self, why: u32) -> Num {
        self.status |= why;
        Num::nan()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Finite,
    Infinite,
    Quiet,
    Signaling,
}

/// A decimal number; a NaN's coefficient is its payload.
#[derive(Clone, Debug)]
pub struct Num {
    pub coef: Coef,
    pub exp: i64,
    pub neg: bool,
    pub kind: Kind,
}

impl Num {
    #[inline]
    pub fn new(neg: bool, coef: Coef, exp: i64) -> Num {
        Num {
            coef,
            exp,
            neg,
            kind: Kind::Finite,
        }
    }

    pub fn zero(neg: bool, exp: i64) -> Num {
        Num::new(neg, ZERO, exp)
    }

    pub fn from_i64(n: i64) -> Num {
        Num::new(n < 0, Coef::from(n.unsigned_abs()), 0)
    }

    pub fn nan() -> Num {
        Num {
            kind: Kind::Quiet,
            ..Num::zero(false, 0)
        }
    }

    pub fn infinity(neg: bool) -> Num {
        Num {
            kind: Kind::Infinite,
            ..Num::zero(neg, 0)
        }
    }

    #[inline]
    pub fn is_special(&self) -> bool {
        self.kind != Kind::Finite
    }

    pub fn is_finite(&self) -> bool {
        self.kind == Kind::Finite
    }

    pub fn is_infinite(&self) -> bool {
        self.kind == Kind::Infinite
    }

    pub fn is_nan(&self) -> bool {
        matches!(self.kind, Kind::Quiet | Kind::Signaling)
    }

    pub fn is_snan(&self) -> bool {
        self.kind == Kind::Signaling
    }

    #[inline]
    pub fn is_zero(&self) -> bool {
        self.is_finite() && self.coef.is_zero()
    }

    /// The exponent of the first digit.
    #[inline]
    pub fn adjusted(&self) -> i64 {
        self.exp + (self.coef.digits() as i64 - 1)
    }

    pub fn with_sign(&self, neg: bool) -> Num {
        Num {
            neg,
            ..self.clone()
        }
    }

    pub fn abs(&self) -> Num {
        self.with_sign(false)
    }

    /// A finite number without a part behind the point.
    pub fn is_integer(&self) -> bool {
        self.is_finite()
            && (self.exp >= 0
                || self.coef.is_zero()
                || self.coef.trailing_zeros() >= self.exp.unsigned_abs())
    }

    /// Of an integer.
    pub fn is_odd_integer(&self) -> bool {
        match self.exp {
            0 => self.coef.is_odd(),
            e if e > 0 => false,
            e => self.coef.shr(e.unsigned_abs()).0.is_odd(),
        }
    }

    /// Of an integer that fits.
    pub fn to_i64(&self) -> Option<i64> {
        if self.is_zero() {
            return Some(0);
        }
        if !self.is_integer() || self.adjusted() > 19 {
            return None;
        }
        let n = match self.exp {
            e if e >= 0 => self.coef.shl(e.unsigned_abs()).ok()?,
            e => self.coef.shr(e.unsigned_abs()).0,
        };
        match n {
            Coef::Small(n) if self.neg => i64::try_from(-(n as i128)).ok(),
            Coef::Small(n) => i64::try_from(n).ok(),
            Coef::Big(_) => None,
        }
    }

    /// Rounds a result to the context.
    #[inline]
    pub fn finish(self, c: &mut Ctx) -> Num {
        if self.kind == Kind::Finite {
            let digits = self.coef.digits() as i64;
            let adjusted = self.exp + digits - 1;
            if digits <= c.prec && adjusted >= c.emin && adjusted <= c.emax && !c.clamp {
                return self;
            }
        }
        self.finish_rare(c)
    }

    fn finish_rare(mut self, c: &mut Ctx) -> Num {
        match self.kind {
            Kind::Finite => {}
            Kind::Infinite => return self,
            _ => {
                let room = c.prec - i64::from(c.clamp);
                if self.coef.digits() as i64 > room {
                    self.coef = self.coef.low_digits(room as u64);
                }
                return self;
            }
        }
        if self.coef.is_zero() {
            let top = if c.clamp { c.etop() } else { c.emax };
            let exp = self.exp.clamp(c.etiny(), top);
            if exp != self.exp {
                c.status |= CLAMPED;
                self.exp = exp;
            }
            return self;
        }
        let digits = self.coef.digits() as i64;
        let mut adjusted = self.exp + digits - 1;
        if adjusted > c.emax {
            return self.overflow(c);
        }
        let subnormal = adjusted < c.emin;
        let lowest = c.etiny().max(adjusted - (c.prec - 1));
        if subnormal {
            c.status |= SUBNORMAL;
        }
        if self.exp < lowest {
            let (coef, digit) = self.coef.shr((lowest - self.exp).unsigned_abs());
            c.status |= ROUNDED;
            self.exp = lowest;
            self.coef = coef;
            if digit > 0 {
                c.status |= if subnormal {
                    INEXACT | UNDERFLOW
                } else {
                    INEXACT
                };
                if c.round.goes_up(digit, self.neg, &self.coef) {
                    self.coef = self.coef.add_one();
                    if self.coef.digits() as i64 > c.prec {
                        self.coef = self.coef.shr(1).0;
                        self.exp += 1;
                    }
                }
                if self.coef.is_zero() {
                    c.status |= CLAMPED;
                    return self;
                }
            }
            adjusted = self.adjusted();
            if adjusted > c.emax {
                return self.overflow(c);
            }
        }
        if c.clamp && self.exp > c.etop() {
            c.status |= CLAMPED;
            let n = (self.exp - c.etop()).unsigned_abs();
            return match self.coef.shl(n) {
                Ok(coef) => Num::new(self.neg, coef, c.etop()),
                Err(TooLong) => c.invalid(NO_MEMORY),
            };
        }
        self
    }

    fn overflow(self, c: &mut Ctx) -> Num {
        c.status |= OVERFLOW | INEXACT | ROUNDED;
        let largest = match c.round {
            Round::Down | Round::ZeroFiveUp => true,
            Round::Ceiling => self.neg,
            Round::Floor => !self.neg,
            _ => false,
        };
        if largest {
            Num::largest(self.neg, c)
        } else {
            Num::infinity(self.neg)
        }
    }

    /// The largest finite number.
    pub fn largest(neg: bool, c: &mut Ctx) -> Num {
        match Coef::nines(c.prec.unsigned_abs()) {
            Ok(coef) => Num::new(neg, coef, c.etop()),
            Err(TooLong) => c.invalid(NO_MEMORY),
        }
    }

    /// The same number with another exponent, rounded if need be, whatever the context says. The digit that is cut off.
    pub fn rescale(&self, exp: i64, round: Round) -> Result<(Num, u8), TooLong> {
        if self.coef.is_zero() {
            return Ok((Num::zero(self.neg, exp), 0));
        }
        if self.exp >= exp {
            let coef = self.coef.shl((self.exp - exp).unsigned_abs())?;
            return Ok((Num::new(self.neg, coef, exp), 0));
        }
        let (mut coef, digit) = self.coef.shr((exp - self.exp).unsigned_abs());
        if round.goes_up(digit, self.neg, &coef) {
            coef = coef.add_one();
        }
        Ok((Num::new(self.neg, coef, exp), digit))
    }
}

/// What an operation on NaNs gives: the first signaling one, or the first.
#[inline]
pub fn nans(ops: &[&Num], c: &mut Ctx) -> Option<Num> {
    if ops.iter().all(|x| !x.is_nan()) {
        return None;
    }
    Some(first_nan(ops, c))
}

#[cold]
fn first_nan(ops: &[&Num], c: &mut Ctx) -> Num {
    let signaling = ops.iter().find(|x| x.is_snan());
    if signaling.is_some() {
        c.status |= INVALID_OPERATION;
    }
    let found = signaling.or_else(|| ops.iter().find(|x| x.is_nan()));
    let mut out = found.map_or_else(Num::nan, |x| (*x).clone());
    out.kind = Kind::Quiet;
    out.exp = 0;
    out.finish(c)
}
