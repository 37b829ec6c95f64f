//! Natural numbers as limbs of 19 decimal digits, the lowest first: shifts and digit counts are cheap, and rounding is division of a
//! single limb.

use super::ntt;
use std::cmp::Ordering;

/// What a limb counts up to.
pub const BASE: u64 = 10_000_000_000_000_000_000;
/// Digits of a limb.
pub const WIDTH: usize = 19;

/// Powers of ten.
pub static POW: [u64; 20] = {
    let mut p = [1; 20];
    let mut i = 1;
    while i < 20 {
        p[i] = p[i - 1] * 10;
        i += 1;
    }
    p
};

/// Products with a shorter factor than this are made column by column.
const TRANSFORM: usize = 300;
/// Divisors longer than this are divided by in halves.
const RECURSIVE: usize = 160;

/// The low word of 2^128 / BASE, whose high word is 1.
const INVERSE: u64 = (u128::MAX / BASE as u128) as u64;

/// Quotient and rest by [`BASE`] of a number below `BASE << 64` (Möller and Granlund, "Improved division by invariant integers").
#[inline(always)]
pub fn split(x: u128) -> (u64, u64) {
    let (high, low) = ((x >> 64) as u64, x as u64);
    let q = u128::from(INVERSE) * u128::from(high) + x;
    let (mut q1, q0) = (((q >> 64) as u64).wrapping_add(1), q as u64);
    let mut r = low.wrapping_sub(q1.wrapping_mul(BASE));
    if r > q0 {
        q1 = q1.wrapping_sub(1);
        r = r.wrapping_add(BASE);
    }
    if r >= BASE {
        q1 = q1.wrapping_add(1);
        r -= BASE;
    }
    (q1, r)
}

/// Without leading zeros.
pub fn trim(a: &[u64]) -> &[u64] {
    let n = a.iter().rposition(|x| *x != 0).map_or(0, |i| i + 1);
    &a[..n]
}

/// Drops leading zeros.
pub fn normalize(a: &mut Vec<u64>) {
    let n = trim(a).len();
    a.truncate(n);
}

/// How many digits a limb has; none for zero.
#[inline]
pub fn limb_digits(x: u64) -> usize {
    let guess = ((64 - x.leading_zeros()) as usize * 1233) >> 12;
    guess + usize::from(x >= POW[guess])
}

/// How many digits a trimmed number has; none for zero.
pub fn digits(a: &[u64]) -> usize {
    match a.last() {
        Some(top) => (a.len() - 1) * WIDTH + limb_digits(*top),
        None => 0,
    }
}

/// Compares trimmed numbers.
pub fn compare(a: &[u64], b: &[u64]) -> Ordering {
    let longer = a.len().cmp(&b.len());
    longer.then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

/// `a += b`; `a` is no shorter. The carry.
pub fn add_to(a: &mut [u64], b: &[u64]) -> bool {
    let (low, high) = a.split_at_mut(b.len());
    let mut carry = false;
    for (x, y) in low.iter_mut().zip(b) {
        let room = BASE - 1 - *y;
        let sum = x.wrapping_add(*y).wrapping_add(u64::from(carry));
        carry = *x + u64::from(carry) > room;
        *x = if carry { sum.wrapping_sub(BASE) } else { sum };
    }
    carry && add_one(high)
}

/// `a += 1`. The carry.
pub fn add_one(a: &mut [u64]) -> bool {
    for x in a {
        if *x < BASE - 1 {
            *x += 1;
            return false;
        }
        *x = 0;
    }
    true
}

/// `a -= b`; `a` is no shorter. The borrow.
pub fn sub_from(a: &mut [u64], b: &[u64]) -> bool {
    let (low, high) = a.split_at_mut(b.len());
    let mut borrow = false;
    for (x, y) in low.iter_mut().zip(b) {
        let take = *y + u64::from(borrow);
        borrow = *x < take;
        *x = if borrow {
            *x + (BASE - take)
        } else {
            *x - take
        };
    }
    if !borrow {
        return false;
    }
    for x in high {
        if *x > 0 {
            *x -= 1;
            return false;
        }
        *x = BASE - 1;
    }
    true
}

/// `a + b`
pub fn add(a: &[u64], b: &[u64]) -> Vec<u64> {
    let (a, b) = if a.len() < b.len() { (b, a) } else { (a, b) };
    let mut out = Vec::with_capacity(a.len() + 1);
    out.extend_from_slice(a);
    if add_to(&mut out, b) {
        out.push(1);
    }
    out
}

/// `a * m + plus`, in place. The carry.
pub fn mul_small(a: &mut [u64], m: u64, plus: u64) -> u64 {
    let mut carry = plus;
    for x in a {
        let (high, low) = split(u128::from(*x) * u128::from(m) + u128::from(carry));
        (carry, *x) = (high, low);
    }
    carry
}

/// A divisor that many numbers are divided by, as in [`split`].
pub struct Divisor {
    shift: u32,
    shifted: u64,
    inverse: u64,
}

impl Divisor {
    pub const fn new(m: u64) -> Divisor {
        let shift = m.leading_zeros();
        let shifted = m << shift;
        Divisor {
            shift,
            shifted,
            inverse: (u128::MAX / shifted as u128) as u64,
        }
    }

    /// Quotient and rest of a number below the divisor times 2^64.
    #[inline(always)]
    pub fn div(&self, n: u128) -> (u64, u64) {
        let n = n << self.shift;
        let (high, low) = ((n >> 64) as u64, n as u64);
        let q = u128::from(self.inverse) * u128::from(high) + n;
        let (mut q1, q0) = (((q >> 64) as u64).wrapping_add(1), q as u64);
        let mut r = low.wrapping_sub(q1.wrapping_mul(self.shifted));
        if r > q0 {
            q1 = q1.wrapping_sub(1);
            r = r.wrapping_add(self.shifted);
        }
        if r >= self.shifted {
            q1 = q1.wrapping_add(1);
            r -= self.shifted;
        }
        (q1, r >> self.shift)
    }
}

/// `a / m`, in place. The rest.
pub fn div_small(a: &mut [u64], m: u64) -> u64 {
    let m = Divisor::new(m);
    let mut rest = 0;
    for x in a.iter_mut().rev() {
        (*x, rest) = m.div(u128::from(rest) * u128::from(BASE) + u128::from(*x));
    }
    rest
}

/// `a * b`, trimmed.
pub fn mul(a: &[u64], b: &[u64]) -> Vec<u64> {
    let (a, b) = if a.len() < b.len() { (b, a) } else { (a, b) };
    let mut out = if b.len() < TRANSFORM {
        mul_columns(a, b)
    } else if a.len() <= 2 * b.len() {
        ntt::mul(a, b)
    } else {
        mul_pieces(a, b)
    };
    normalize(&mut out);
    out
}

/// Multiplies piece by piece of a much longer factor.
fn mul_pieces(a: &[u64], b: &[u64]) -> Vec<u64> {
    let mut out = vec![0; a.len() + b.len()];
    for (i, piece) in a.chunks(b.len()).enumerate() {
        let part = mul(trim(piece), b);
        add_to(&mut out[i * b.len()..], &part);
    }
    out
}

/// Adds up each column of a product before it is split into limbs.
fn mul_columns(a: &[u64], b: &[u64]) -> Vec<u64> {
    if b.is_empty() {
        return Vec::new();
    }
    let n = a.len() + b.len();
    let mut out = Vec::with_capacity(n);
    let mut carry = 0u128;
    for k in 0..n - 1 {
        let first = k.saturating_sub(a.len() - 1);
        let last = k.min(b.len() - 1);
        let (mut low, mut high) = (carry, 0u64);
        let left = a[k - last..=k - first].iter().rev();
        for (x, y) in left.zip(&b[first..=last]) {
            let (sum, over) = low.overflowing_add(u128::from(*x) * u128::from(*y));
            low = sum;
            high += u64::from(over);
        }
        let top = u128::from(high) << 64 | low >> 64;
        let (q1, r) = split(top);
        let (q0, limb) = split(u128::from(r) << 64 | low & u128::from(u64::MAX));
        out.push(limb);
        carry = u128::from(q1) << 64 | u128::from(q0);
    }
    out.push(carry as u64);
    out
}

/// `a * 10^n`, trimmed.
pub fn shl(a: &[u64], n: usize) -> Vec<u64> {
    if a.is_empty() {
        return Vec::new();
    }
    let (words, rest) = (n / WIDTH, n % WIDTH);
    let mut out = Vec::with_capacity(a.len() + words + 1);
    out.resize(words, 0);
    out.extend_from_slice(a);
    if rest > 0 {
        let carry = mul_small(&mut out[words..], POW[rest], 0);
        if carry > 0 {
            out.push(carry);
        }
    }
    out
}

/// `a / 10^n`, trimmed; and what is cut off, as a digit: 0, 5 for a half, or anything of the same side.
pub fn shr(a: &[u64], n: usize) -> (Vec<u64>, u8) {
    let (words, rest) = (n / WIDTH, n % WIDTH);
    if words >= a.len() {
        let all = n > digits(a);
        let zero = a.is_empty();
        return match (zero, all) {
            (true, _) => (Vec::new(), 0),
            (_, true) => (Vec::new(), 1),
            // Exactly all limbs: their first digit decides.
            _ => {
                let top = a[a.len() - 1] / POW[WIDTH - 1];
                let others = !a[a.len() - 1].is_multiple_of(POW[WIDTH - 1])
                    || a[..a.len() - 1].iter().any(|x| *x != 0);
                (Vec::new(), side(top as u8, others))
            }
        };
    }
    let low = |words: usize| a[..words].iter().any(|x| *x != 0);
    if rest == 0 {
        let digit = if words == 0 {
            0
        } else {
            let last = a[words - 1];
            let others = !last.is_multiple_of(POW[WIDTH - 1]) || low(words - 1);
            side((last / POW[WIDTH - 1]) as u8, others)
        };
        return (a[words..].to_vec(), digit);
    }
    let (unit, scale) = (POW[rest], POW[WIDTH - rest]);
    let cut = a[words] % unit;
    let others = !cut.is_multiple_of(POW[rest - 1]) || low(words);
    let digit = side((cut / POW[rest - 1]) as u8, others);
    let mut out = Vec::with_capacity(a.len() - words);
    for i in words..a.len() {
        let next = a.get(i + 1).map_or(0, |x| x % unit);
        out.push(a[i] / unit + next * scale);
    }
    normalize(&mut out);
    (out, digit)
}

/// A digit that is cut off, told apart from exactly zero and exactly a half if others follow.
fn side(digit: u8, others: bool) -> u8 {
    digit + u8::from(others && (digit == 0 || digit == 5))
}

/// Quotient and rest of trimmed numbers, trimmed; `b` is not zero.
pub fn div_rem(a: &[u64], b: &[u64]) -> (Vec<u64>, Vec<u64>) {
    if compare(a, b).is_lt() {
        return (Vec::new(), a.to_vec());
    }
    if let [m] = b {
        let mut q = a.to_vec();
        let r = div_small(&mut q, *m);
        normalize(&mut q);
        return (q, if r == 0 { Vec::new() } else { vec![r] });
    }
    // So that the highest limb of the divisor is at least half of the base.
    let scale = BASE / (b[b.len() - 1] + 1);
    let mut u = a.to_vec();
    let top = mul_small(&mut u, scale, 0);
    u.push(top);
    let mut v = b.to_vec();
    mul_small(&mut v, scale, 0);
    let (mut q, mut r) = if v.len() > RECURSIVE && u.len() - v.len() > RECURSIVE {
        div_blocks(&u, &v)
    } else {
        let q = div_school(&mut u, &v);
        u.truncate(v.len());
        (q, u)
    };
    normalize(&mut q);
    div_small(&mut r, scale);
    normalize(&mut r);
    (q, r)
}

/// Knuth's algorithm D: divides `u`, which keeps the rest, by `v`, whose highest limb is at least half of the base. `u` begins with a
/// limb below that one.
fn div_school(u: &mut [u64], v: &[u64]) -> Vec<u64> {
    let n = v.len();
    let (v1, v0) = (u128::from(v[n - 1]), u128::from(v[n - 2]));
    let base = u128::from(BASE);
    let mut q = vec![0; u.len() - n];
    for j in (0..q.len()).rev() {
        let top = u128::from(u[j + n]) * base + u128::from(u[j + n - 1]);
        let (mut guess, mut rest) = (top / v1, top % v1);
        while guess >= base || guess * v0 > rest * base + u128::from(u[j + n - 2]) {
            guess -= 1;
            rest += v1;
            if rest >= base {
                break;
            }
        }
        let guess_limb = guess as u64;
        let (mut carry, mut borrow) = (0u64, 0u64);
        for (x, y) in u[j..j + n].iter_mut().zip(v) {
            let (high, low) = split(u128::from(*y) * guess + u128::from(carry));
            carry = high;
            let take = low + borrow;
            borrow = u64::from(*x < take);
            *x = if borrow == 1 {
                *x + (BASE - take)
            } else {
                *x - take
            };
        }
        let take = carry + borrow;
        q[j] = guess_limb;
        if u[j + n] < take {
            q[j] -= 1;
            add_to(&mut u[j..j + n], v);
        }
        u[j + n] = 0;
    }
    q
}

/// Divides block by block, each of the length of `v`, whose highest limb is at least half of the base (Burnikel and Ziegler, "Fast
/// recursive division").
fn div_blocks(u: &[u64], v: &[u64]) -> (Vec<u64>, Vec<u64>) {
    // To a length that can be halved down to the schoolbook's.
    let mut halvings = 0;
    while v.len().div_ceil(1 << halvings) > RECURSIVE {
        halvings += 1;
    }
    let n = v.len().div_ceil(1 << halvings) << halvings;
    let pad = n - v.len();
    let mut divisor = vec![0; pad];
    divisor.extend_from_slice(v);
    let mut dividend = vec![0; pad];
    dividend.extend_from_slice(u);
    // The highest block is below the divisor, as its highest limb is zero if need be.
    dividend.resize(dividend.len().div_ceil(n) * n, 0);
    if dividend[dividend.len() - 1] >= divisor[n - 1] {
        dividend.resize(dividend.len() + n, 0);
    }
    let blocks = dividend.len() / n;
    let mut q = vec![0; (blocks - 1) * n];
    let mut rest = dividend[(blocks - 1) * n..].to_vec();
    for i in (0..blocks - 1).rev() {
        let mut part = dividend[i * n..(i + 1) * n].to_vec();
        part.extend_from_slice(&rest);
        let (digit, r) = div_two_by_one(&part, &divisor);
        q[i * n..i * n + n].copy_from_slice(&digit);
        rest = r;
    }
    (q, rest[pad..].to_vec())
}

/// `2n` limbs by `n`, with a quotient of `n`.
fn div_two_by_one(a: &[u64], b: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let n = b.len();
    if !n.is_multiple_of(2) || n <= RECURSIVE {
        let mut u = a.to_vec();
        u.push(0);
        let mut q = div_school(&mut u, b);
        q.truncate(n);
        u.truncate(n);
        return (q, u);
    }
    let half = n / 2;
    let (high, r) = div_three_by_two(&a[half..], b);
    let mut low = a[..half].to_vec();
    low.extend_from_slice(&r);
    let (mut q, r) = div_three_by_two(&low, b);
    q.extend_from_slice(&high);
    (q, r)
}

/// Three halves by two, with a quotient of one.
fn div_three_by_two(a: &[u64], b: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let half = b.len() / 2;
    let (b0, b1) = b.split_at(half);
    let (mut q, mut r);
    if compare_fixed(&a[2 * half..], b1).is_lt() {
        (q, r) = div_two_by_one(&a[half..], b1);
        r.push(0);
    } else {
        q = vec![BASE - 1; half];
        // a1 - b1 * BASE^half + b1
        r = a[half..].to_vec();
        sub_from(&mut r[half..], b1);
        r.truncate(half + 1);
        // What is above lies in the limb that was kept.
        r.resize(half + 1, 0);
        add_to(&mut r, b1);
    }
    let mut rest = a[..half].to_vec();
    rest.extend_from_slice(&r);
    let mut product = mul(trim(&q), trim(b0));
    product.resize(product.len().max(2 * half), 0);
    let mut under = sub_from(&mut rest, &product);
    while under {
        sub_one(&mut q);
        under = !add_to(&mut rest, b);
    }
    rest.truncate(2 * half);
    (q, rest)
}

fn sub_one(a: &mut [u64]) {
    sub_from(a, &[1]);
}

fn compare_fixed(a: &[u64], b: &[u64]) -> Ordering {
    a.iter().rev().cmp(b.iter().rev())
}
