//! Coefficients: natural numbers of any length, of which those of up to 38 digits lie in a word of 128 bits.

use super::limbs::{self, BASE, WIDTH};
use num_bigint::BigUint;
use std::cmp::Ordering;

/// Digits that lie in a word.
pub const INLINE: usize = 38;
/// What is longer is refused with MemoryError.
pub const MOST_DIGITS: u64 = 1 << 33;

/// Powers of ten.
pub static POW: [u128; INLINE + 1] = {
    let mut p = [1; INLINE + 1];
    let mut i = 1;
    while i <= INLINE {
        p[i] = p[i - 1] * 10;
        i += 1;
    }
    p
};

/// A natural number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Coef {
    /// Below 10^38.
    Small(u128),
    /// At least that: three limbs or more, the highest not zero.
    Big(Vec<u64>),
}
use Coef::{Big, Small};

/// There is no memory for so many digits.
#[derive(Debug, Clone, Copy)]
pub struct TooLong;

pub const ZERO: Coef = Small(0);
pub const ONE: Coef = Small(1);

/// How many digits a number has; 1 for zero.
#[inline]
pub fn digits_u128(x: u128) -> usize {
    if x == 0 {
        return 1;
    }
    let guess = ((128 - x.leading_zeros()) as usize * 1233) >> 12;
    guess + usize::from(x >= POW[guess.min(INLINE)])
}

#[inline]
pub fn div_rem_u128(a: u128, b: u128) -> (u128, u128) {
    if (a | b) >> 64 == 0 {
        let (a, b) = (a as u64, b as u64);
        return ((a / b).into(), (a % b).into());
    }
    let q = a / b;
    (q, a - q * b)
}

impl From<u64> for Coef {
    fn from(n: u64) -> Coef {
        Small(n.into())
    }
}

impl Coef {
    #[inline]
    pub fn from_u128(n: u128) -> Coef {
        if n < POW[INLINE] {
            return Small(n);
        }
        let base = u128::from(BASE);
        let (high, low) = (n / base, n % base);
        Big(vec![low as u64, (high % base) as u64, (high / base) as u64])
    }

    pub fn from_limbs(mut v: Vec<u64>) -> Coef {
        limbs::normalize(&mut v);
        match v[..] {
            [] => ZERO,
            [a] => Small(a.into()),
            [a, b] => Small(u128::from(b) * u128::from(BASE) + u128::from(a)),
            _ => Big(v),
        }
    }

    /// Digits, the highest first.
    pub fn from_digits(digits: &[u8]) -> Coef {
        if digits.len() <= WIDTH {
            return Coef::from(digits.iter().fold(0u64, |n, d| n * 10 + u64::from(*d)));
        }
        let join = |part: &[u8]| part.iter().fold(0, |n: u64, d| n * 10 + u64::from(*d));
        Coef::from_limbs(digits.rchunks(WIDTH).map(join).collect())
    }

    /// The limbs, trimmed.
    pub fn limbs<'a>(&'a self, room: &'a mut [u64; 2]) -> &'a [u64] {
        match self {
            Small(n) => {
                let (high, low) = limbs::split(*n);
                *room = [low, high];
                limbs::trim(room)
            }
            Big(v) => v,
        }
    }

    #[inline]
    pub fn is_zero(&self) -> bool {
        matches!(self, Small(0))
    }

    pub fn is_one(&self) -> bool {
        matches!(self, Small(1))
    }

    /// How many digits; 1 for zero.
    #[inline]
    pub fn digits(&self) -> usize {
        match self {
            Small(n) => digits_u128(*n),
            Big(v) => limbs::digits(v),
        }
    }

    /// The last digit.
    pub fn last_digit(&self) -> u8 {
        match self {
            Small(n) => (n % 10) as u8,
            Big(v) => (v[0] % 10) as u8,
        }
    }

    pub fn is_odd(&self) -> bool {
        match self {
            Small(n) => n & 1 == 1,
            Big(v) => v[0] & 1 == 1,
        }
    }

    pub fn compare(&self, other: &Coef) -> Ordering {
        match (self, other) {
            (Small(a), Small(b)) => a.cmp(b),
            (Small(_), Big(_)) => Ordering::Less,
            (Big(_), Small(_)) => Ordering::Greater,
            (Big(a), Big(b)) => limbs::compare(a, b),
        }
    }

    /// `self * 10^n`
    #[inline]
    pub fn shl(&self, n: u64) -> Result<Coef, TooLong> {
        if let Small(x) = self {
            if *x == 0 || n == 0 {
                return Ok(Small(*x));
            }
            if n < INLINE as u64
                && let Some(x) = x.checked_mul(POW[n as usize])
                && x < POW[INLINE]
            {
                return Ok(Small(x));
            }
        }
        self.shl_long(n)
    }

    #[cold]
    fn shl_long(&self, n: u64) -> Result<Coef, TooLong> {
        if n.saturating_add(self.digits() as u64) > MOST_DIGITS {
            return Err(TooLong);
        }
        let mut room = [0; 2];
        Ok(Coef::from_limbs(limbs::shl(
            self.limbs(&mut room),
            n as usize,
        )))
    }

    /// `self / 10^n`; and what is cut off, as a digit: 0, 5 for a half, or anything of the same side.
    #[inline]
    pub fn shr(&self, n: u64) -> (Coef, u8) {
        match self {
            Small(x) => {
                if n == 0 || *x == 0 {
                    return (Small(*x), 0);
                }
                if n > INLINE as u64 {
                    return (ZERO, 1);
                }
                let unit = POW[n as usize];
                let (q, r) = div_rem_u128(*x, unit);
                let digit = match r {
                    0 => 0,
                    r => match r.cmp(&(unit / 2)) {
                        Ordering::Less => 1,
                        Ordering::Equal => 5,
                        Ordering::Greater => 6,
                    },
                };
                (Small(q), digit)
            }
            Big(v) => {
                let n = usize::try_from(n).unwrap_or(usize::MAX);
                let (v, digit) = limbs::shr(v, n);
                (Coef::from_limbs(v), digit)
            }
        }
    }

    /// The lowest `n` digits.
    pub fn low_digits(&self, n: u64) -> Coef {
        if n >= self.digits() as u64 {
            return self.clone();
        }
        match self {
            Small(x) => Small(x % POW[n as usize]),
            Big(v) => {
                let (words, rest) = (n as usize / WIDTH, n as usize % WIDTH);
                let mut low = v[..=words].to_vec();
                low[words] %= limbs::POW[rest];
                Coef::from_limbs(low)
            }
        }
    }

    #[inline]
    pub fn add(&self, other: &Coef) -> Coef {
        if let (Small(a), Small(b)) = (self, other) {
            return Coef::from_u128(a + b);
        }
        let (mut x, mut y) = ([0; 2], [0; 2]);
        Coef::from_limbs(limbs::add(self.limbs(&mut x), other.limbs(&mut y)))
    }

    /// `self - other`, which is no more.
    #[inline]
    pub fn sub(&self, other: &Coef) -> Coef {
        if let (Small(a), Small(b)) = (self, other) {
            return Small(a - b);
        }
        let (mut x, mut y) = ([0; 2], [0; 2]);
        let mut out = self.limbs(&mut x).to_vec();
        limbs::sub_from(&mut out, other.limbs(&mut y));
        Coef::from_limbs(out)
    }

    #[inline]
    pub fn mul(&self, other: &Coef) -> Coef {
        if let (Small(a), Small(b)) = (self, other) {
            if (a | b) >> 64 == 0 {
                return Coef::from_u128(a * b);
            }
            if let Some(n) = a.checked_mul(*b) {
                return Coef::from_u128(n);
            }
        }
        self.mul_long(other)
    }

    #[cold]
    fn mul_long(&self, other: &Coef) -> Coef {
        let (mut x, mut y) = ([0; 2], [0; 2]);
        Coef::from_limbs(limbs::mul(self.limbs(&mut x), other.limbs(&mut y)))
    }

    /// Quotient and rest; `other` is not zero.
    #[inline]
    pub fn div_rem(&self, other: &Coef) -> (Coef, Coef) {
        if let (Small(a), Small(b)) = (self, other) {
            let (q, r) = div_rem_u128(*a, *b);
            return (Small(q), Small(r));
        }
        let (mut x, mut y) = ([0; 2], [0; 2]);
        let (q, r) = limbs::div_rem(self.limbs(&mut x), other.limbs(&mut y));
        (Coef::from_limbs(q), Coef::from_limbs(r))
    }

    pub fn add_one(&self) -> Coef {
        self.add(&ONE)
    }

    /// `10^n - 1`
    pub fn nines(n: u64) -> Result<Coef, TooLong> {
        Ok(ONE.shl(n)?.sub(&ONE))
    }

    /// How many zeros it ends in; 0 for zero.
    pub fn trailing_zeros(&self) -> u64 {
        fn of(mut x: u64) -> u64 {
            let mut n = 0;
            while x.is_multiple_of(10) {
                x /= 10;
                n += 1;
            }
            n
        }
        let mut room = [0; 2];
        let v = self.limbs(&mut room);
        match v.iter().position(|x| *x != 0) {
            Some(i) => (i * WIDTH) as u64 + of(v[i]),
            None => 0,
        }
    }

    /// Appends the digits; for zero one.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Small(n) => write_u128(*n, out),
            Big(v) => {
                write_u128(v[v.len() - 1].into(), out);
                for x in v[..v.len() - 1].iter().rev() {
                    let mut part = [b'0'; WIDTH];
                    fill(*x, &mut part);
                    out.extend_from_slice(&part);
                }
            }
        }
    }

    /// The digits as text.
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.digits());
        self.write(&mut out);
        out
    }

    // --- binary ---

    pub fn to_biguint(&self) -> BigUint {
        match self {
            Small(n) => BigUint::from(*n),
            Big(v) => to_binary(v),
        }
    }

    pub fn from_biguint(n: &BigUint) -> Coef {
        if n.bits() <= 126 {
            let mut words = n.iter_u64_digits();
            let low = u128::from(words.next().unwrap_or(0));
            return Coef::from_u128(u128::from(words.next().unwrap_or(0)) << 64 | low);
        }
        Coef::from_limbs(from_binary(&n.to_u64_digits()))
    }

    /// The rest by a number below 2^62.
    pub fn modulo(&self, m: u64) -> u64 {
        let m = u128::from(m);
        let mut room = [0; 2];
        let join = |r: u128, x: &u64| (r * u128::from(BASE) + u128::from(*x)) % m;
        self.limbs(&mut room).iter().rev().fold(0, join) as u64
    }
}

#[inline]
fn write_u128(n: u128, out: &mut Vec<u8>) {
    let mut part = [b'0'; INLINE + 1];
    let digits = digits_u128(n);
    if n >> 64 == 0 {
        fill(n as u64, &mut part[INLINE + 1 - digits..]);
    } else {
        let (high, low) = limbs::split(n);
        fill(low, &mut part[INLINE + 1 - WIDTH..]);
        fill(high, &mut part[..INLINE + 1 - WIDTH]);
    }
    out.extend_from_slice(&part[INLINE + 1 - digits..]);
}

/// Writes digits from the right.
#[inline]
fn fill(mut n: u64, out: &mut [u8]) {
    for place in out.iter_mut().rev() {
        if n == 0 {
            break;
        }
        *place = b'0' + (n % 10) as u8;
        n /= 10;
    }
}

/// Numbers shorter than this are converted limb by limb.
const CONVERT: usize = 48;

/// Limbs as a binary number: by halves, with powers of the base between them.
fn to_binary(v: &[u64]) -> BigUint {
    let mut parts: Vec<BigUint> = v.chunks(CONVERT).map(few_to_binary).collect();
    let mut unit = BigUint::from(BASE).pow(CONVERT as u32);
    while parts.len() > 1 {
        parts = parts
            .chunks(2)
            .map(|p| match p {
                [low, high] => low + high * &unit,
                _ => p[0].clone(),
            })
            .collect();
        if parts.len() > 1 {
            unit = &unit * &unit;
        }
    }
    parts.pop().unwrap_or_default()
}

fn few_to_binary(v: &[u64]) -> BigUint {
    let mut out: Vec<u64> = Vec::with_capacity(v.len());
    for x in v.iter().rev() {
        let mut carry = u128::from(*x);
        for w in &mut out {
            carry += u128::from(*w) * u128::from(BASE);
            *w = carry as u64;
            carry >>= 64;
        }
        if carry > 0 {
            out.push(carry as u64);
        }
    }
    let words = out.iter().flat_map(|w| [*w as u32, (*w >> 32) as u32]);
    BigUint::new(words.collect())
}

/// A binary number as limbs: all arithmetic is that of limbs, which has the faster products.
fn from_binary(words: &[u64]) -> Vec<u64> {
    // 2^64 of a chunk's words, as limbs.
    let mut parts: Vec<Vec<u64>> = words.chunks(CONVERT).map(few_from_binary).collect();
    let mut unit = few_from_binary(&{
        let mut one = vec![0; CONVERT];
        one.push(1);
        one
    });
    while parts.len() > 1 {
        parts = parts
            .chunks(2)
            .map(|p| match p {
                [low, high] => limbs::add(&limbs::mul(high, &unit), low),
                _ => p[0].clone(),
            })
            .collect();
        if parts.len() > 1 {
            unit = limbs::mul(&unit, &unit);
        }
    }
    parts.pop().unwrap_or_default()
}

fn few_from_binary(words: &[u64]) -> Vec<u64> {
    let mut out: Vec<u64> = Vec::with_capacity(words.len() + 2);
    for w in words.iter().rev() {
        let mut carry = *w;
        for x in &mut out {
            let (q, r) = limbs::split(u128::from(*x) << 64 | u128::from(carry));
            *x = r;
            carry = q;
        }
        while carry > 0 {
            out.push(carry % BASE);
            carry /= BASE;
        }
    }
    out
}
