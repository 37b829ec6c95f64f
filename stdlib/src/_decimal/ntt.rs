//! Products of long numbers by number theoretic transforms modulo three primes (Harvey, "Faster arithmetic for number-theoretic
//! transforms").

use super::limbs::{Divisor, split};

/// A prime below 2^62 and a root of unity of order 2^36.
struct Field {
    p: u64,
    root: u64,
}

const ORDER: u32 = 36;
const FIELDS: [Field; 3] = [
    Field {
        p: 0x3fff_ffa0_0000_0001,
        root: 4_400_745_204_249_244_341,
    },
    Field {
        p: 0x3fff_ff30_0000_0001,
        root: 4_028_557_980_647_827_127,
    },
    Field {
        p: 0x3fff_fd20_0000_0001,
        root: 1_717_662_185_716_964_956,
    },
];

impl Field {
    const fn mul(&self, a: u64, b: u64) -> u64 {
        (a as u128 * b as u128 % self.p as u128) as u64
    }

    const fn pow(&self, mut a: u64, mut n: u64) -> u64 {
        let mut r = 1;
        while n > 0 {
            if n & 1 == 1 {
                r = self.mul(r, a);
            }
            a = self.mul(a, a);
            n >>= 1;
        }
        r
    }

    const fn inverse(&self, a: u64) -> u64 {
        self.pow(a, self.p - 2)
    }

    /// A factor that many numbers are multiplied by, as [`times`] wants it.
    const fn factor(&self, w: u64) -> (u64, u64) {
        (w, (((w as u128) << 64) / self.p as u128) as u64)
    }

    /// The powers of a root, one after the other for each pass: for lengths 1, 2, 4, ...
    fn powers(&self, root: u64, log: u32) -> Vec<(u64, u64)> {
        let n = 1usize << log;
        let mut out = vec![(0, 0); n.max(2)];
        let mut half = n / 2;
        if half > 0 {
            let w = self.factor(root);
            let mut x = 1;
            for place in &mut out[half..2 * half] {
                *place = self.factor(x);
                x = self.reduce(times(x, w, self.p));
            }
        }
        while half > 1 {
            for i in 0..half / 2 {
                out[half / 2 + i] = out[half + 2 * i];
            }
            half /= 2;
        }
        out
    }

    #[inline(always)]
    fn reduce(&self, x: u64) -> u64 {
        if x >= self.p { x - self.p } else { x }
    }

    /// From natural to reversed order; numbers stay below 4p, and end below that.
    fn forward(&self, a: &mut [u64], powers: &[(u64, u64)]) {
        let (p, twice) = (self.p, 2 * self.p);
        let mut half = a.len() / 2;
        while half > 0 {
            let w = &powers[half..2 * half];
            for block in a.chunks_exact_mut(2 * half) {
                let (left, right) = block.split_at_mut(half);
                for ((x, y), w) in left.iter_mut().zip(right).zip(w) {
                    let mut u = *x;
                    if u >= twice {
                        u -= twice;
                    }
                    let mut v = *y;
                    if v >= twice {
                        v -= twice;
                    }
                    *x = u + v;
                    *y = times(u + twice - v, *w, p);
                }
            }
            half /= 2;
        }
    }

    /// Back, but for the division by the length; numbers below 2p.
    fn backward(&self, a: &mut [u64], powers: &[(u64, u64)]) {
        let (p, twice) = (self.p, 2 * self.p);
        let mut half = 1;
        while half < a.len() {
            let w = &powers[half..2 * half];
            for block in a.chunks_exact_mut(2 * half) {
                let (left, right) = block.split_at_mut(half);
                for ((x, y), w) in left.iter_mut().zip(right).zip(w) {
                    let mut u = *x;
                    if u >= twice {
                        u -= twice;
                    }
                    let v = times(*y, *w, p);
                    *x = u + v;
                    *y = u + twice - v;
                }
            }
            half *= 2;
        }
    }

    fn load(&self, from: &[u64], n: usize) -> Vec<u64> {
        let mut out = Vec::with_capacity(n);
        // Limbs are below 4p.
        out.extend_from_slice(from);
        out.resize(n, 0);
        out
    }

    /// The cyclic product of length `1 << log`, below p.
    fn convolve(&self, a: &[u64], b: &[u64], log: u32) -> Vec<u64> {
        let n = 1 << log;
        let root = self.pow(self.root, 1 << (ORDER - log));
        let powers = self.powers(root, log);
        let mut x = self.load(a, n);
        self.forward(&mut x, &powers);
        let square = std::ptr::eq(a, b);
        let y = (!square).then(|| {
            let mut y = self.load(b, n);
            self.forward(&mut y, &powers);
            y
        });
        let p = Divisor::new(self.p);
        for i in 0..n {
            let other = y.as_ref().map_or(x[i], |y| y[i]);
            let below = self.reduce(if x[i] >= 2 * self.p {
                x[i] - 2 * self.p
            } else {
                x[i]
            });
            x[i] = p.div(u128::from(below) * u128::from(other)).1;
        }
        let powers = self.powers(self.inverse(root), log);
        self.backward(&mut x, &powers);
        let w = self.factor(self.inverse(n as u64));
        for v in &mut x {
            *v = self.reduce(times(*v, w, self.p));
        }
        x
    }
}

/// `x * w` modulo p, below 2p.
#[inline(always)]
fn times(x: u64, w: (u64, u64), p: u64) -> u64 {
    let q = ((u128::from(x) * u128::from(w.1)) >> 64) as u64;
    x.wrapping_mul(w.0).wrapping_sub(q.wrapping_mul(p))
}

const P: [u64; 3] = [FIELDS[0].p, FIELDS[1].p, FIELDS[2].p];
/// For putting a number together from its rests: the inverse of the first prime modulo the second, and of both modulo the third.
const SECOND: (u64, u64) = FIELDS[1].factor(FIELDS[1].inverse(P[0] % P[1]));
const BOTH: u128 = P[0] as u128 * P[1] as u128;
const THIRD: (u64, u64) = FIELDS[2].factor(FIELDS[2].inverse((BOTH % P[2] as u128) as u64));
const FIRST_IN_THIRD: (u64, u64) = FIELDS[2].factor(P[0] % P[2]);

/// The number below the product of the primes that has these rests: its words.
#[inline]
fn join(r: [u64; 3]) -> (u128, u64) {
    // The rests are below 2^62, the primes close to it.
    let below = |x: u64, i: usize| FIELDS[i].reduce(FIELDS[i].reduce(x));
    let a = r[0];
    let d = below(r[1] + P[1] - below(a, 1), 1);
    let b = FIELDS[1].reduce(times(d, SECOND, P[1]));
    let so_far = FIELDS[2].reduce(times(b, FIRST_IN_THIRD, P[2])) + below(a, 2);
    let d = below(r[2] + P[2] - below(so_far, 2), 2);
    let c = FIELDS[2].reduce(times(d, THIRD, P[2]));
    let ab = u128::from(a) + u128::from(b) * u128::from(P[0]);
    // ab + c * BOTH, as 192 bits.
    let low = u128::from(c) * (BOTH & u128::from(u64::MAX));
    let high = u128::from(c) * (BOTH >> 64);
    let (sum, over1) = low.overflowing_add(high << 64);
    let (sum, over2) = sum.overflowing_add(ab);
    let top = (high >> 64) as u64 + u64::from(over1) + u64::from(over2);
    (sum, top)
}

/// `a * b`, with leading zeros maybe.
pub fn mul(a: &[u64], b: &[u64]) -> Vec<u64> {
    let n = a.len() + b.len();
    let log = n.next_power_of_two().trailing_zeros();
    let parts = FIELDS.map(|f| f.convolve(a, b, log));
    let mut out = Vec::with_capacity(n);
    let mut carry = 0u128;
    let [first, second, third] = &parts;
    for ((a, b), c) in first.iter().zip(second).zip(third).take(n) {
        let (low, top) = join([*a, *b, *c]);
        let (low, over) = low.overflowing_add(carry);
        let top = top + u64::from(over);
        let (q1, r) = split(u128::from(top) << 64 | low >> 64);
        let (q0, limb) = split(u128::from(r) << 64 | low & u128::from(u64::MAX));
        out.push(limb);
        carry = u128::from(q1) << 64 | u128::from(q0);
    }
    out
}
