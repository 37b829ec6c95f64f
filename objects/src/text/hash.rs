//! Hashes with CPython's values: numbers modulo `2**61 - 1`, tuples by xxHash's lanes, strings by
//! SipHash-1-3 (Aumasson and Bernstein, with one compression and three finalization rounds).

use num_bigint::{BigInt, Sign};

use super::{Text, float};

/// The prime modulus of numeric hashes.
pub const MODULUS: u64 = (1 << 61) - 1;
/// Hash of positive infinity.
pub const INFINITY: i64 = 314_159;
/// Factor of the imaginary part.
pub const IMAGINARY: u64 = 1_000_003;

/// -1 means failure to CPython, so no hash is -1.
#[inline]
const fn not_minus_one(hash: i64) -> i64 {
    if hash == -1 { -2 } else { hash }
}

/// `hash(int)`.
#[inline]
pub const fn hash_i64(n: i64) -> i64 {
    let rest = (n.unsigned_abs() % MODULUS) as i64;
    not_minus_one(if n < 0 { -rest } else { rest })
}

/// `hash(int)` of a big one: its words are folded with `2**64 = 8` modulo the prime.
pub fn hash_bigint(n: &BigInt) -> i64 {
    let mut rest = 0u64;
    for word in n.iter_u64_digits().rev() {
        let sum = u128::from(rest) * 8 + u128::from(word);
        rest = (sum % u128::from(MODULUS)) as u64;
    }
    let rest = rest as i64;
    not_minus_one(if n.sign() == Sign::Minus { -rest } else { rest })
}

/// `hash(float)`; `None` for NaN, whose hash is that of its object's address.
pub fn hash_f64(x: f64) -> Option<i64> {
    if let Some(n) = float::to_i64(x)
        && n as f64 == x
    {
        return Some(hash_i64(n));
    }
    if x.is_nan() {
        return None;
    }
    if x.is_infinite() {
        return Some(if x > 0.0 { INFINITY } else { -INFINITY });
    }
    let (mantissa, exponent) = float::decompose(x);
    // 2**61 is 1 modulo the prime, so a power of two is a rotation of 61 bits.
    let shift = exponent.rem_euclid(61) as u32;
    let rest = ((u128::from(mantissa % MODULUS) << shift) % u128::from(MODULUS)) as i64;
    Some(not_minus_one(if x < 0.0 { -rest } else { rest }))
}

/// `hash(complex)` from the hashes of its parts.
#[inline]
pub const fn combine_complex(re: i64, im: i64) -> i64 {
    not_minus_one((re as u64).wrapping_add((im as u64).wrapping_mul(IMAGINARY)) as i64)
}

/// Hash of an object by its address.
#[inline]
pub const fn hash_pointer(address: usize) -> i64 {
    not_minus_one((address as u64).rotate_right(4) as i64)
}

const PRIME_1: u64 = 11_400_714_785_074_694_791;
const PRIME_2: u64 = 14_029_467_366_897_019_727;
const PRIME_5: u64 = 2_870_177_450_012_600_261;

/// `hash(tuple)`: feed the items' hashes in order.
#[derive(Clone, Copy, Debug)]
pub struct TupleHasher {
    acc: u64,
    len: u64,
}

impl Default for TupleHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl TupleHasher {
    #[inline]
    pub const fn new() -> Self {
        TupleHasher {
            acc: PRIME_5,
            len: 0,
        }
    }

    #[inline]
    pub const fn add(&mut self, item: i64) {
        let lane = (item as u64).wrapping_mul(PRIME_2);
        self.acc = self
            .acc
            .wrapping_add(lane)
            .rotate_left(31)
            .wrapping_mul(PRIME_1);
        self.len += 1;
    }

    #[inline]
    pub const fn finish(self) -> i64 {
        let hash = self.acc.wrapping_add(self.len ^ (PRIME_5 ^ 3_527_539)) as i64;
        if hash == -1 { 1_546_275_796 } else { hash }
    }
}

/// `hash(frozenset)`: feed the items' hashes in any order.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrozenSetHasher {
    acc: u64,
    len: u64,
}

impl FrozenSetHasher {
    #[inline]
    pub const fn add(&mut self, item: i64) {
        let h = item as u64;
        self.acc ^= ((h ^ 89_869_747) ^ (h << 16)).wrapping_mul(3_644_798_167);
        self.len += 1;
    }

    pub const fn finish(self) -> i64 {
        let mut hash = self.acc ^ (self.len + 1).wrapping_mul(1_927_868_237);
        hash ^= (hash >> 11) ^ (hash >> 25);
        hash = hash.wrapping_mul(69_069).wrapping_add(907_133_923);
        if hash == u64::MAX {
            590_923_713
        } else {
            hash as i64
        }
    }
}

/// Key of the string hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashKey {
    pub k0: u64,
    pub k1: u64,
}

impl HashKey {
    /// The key that `PYTHONHASHSEED=seed` gives; 0 switches randomization off.
    pub fn from_seed(seed: u32) -> Self {
        if seed == 0 {
            return HashKey::default();
        }
        let mut state = seed;
        let mut word = || {
            (0..8).fold(0u64, |word, i| {
                state = state.wrapping_mul(214_013).wrapping_add(2_531_011);
                word | u64::from(state >> 16 & 0xFF) << (8 * i)
            })
        };
        HashKey {
            k0: word(),
            k1: word(),
        }
    }
}

/// `hash(bytes)`.
#[inline]
pub fn hash_bytes(key: HashKey, bytes: &[u8]) -> i64 {
    if bytes.is_empty() {
        return 0;
    }
    not_minus_one(siphash13(key, bytes) as i64)
}

/// `hash(str)`: over the narrowest fixed-width form, as CPython stores it.
#[inline]
pub fn hash_str(key: HashKey, text: Text<'_>) -> i64 {
    if text.is_ascii() {
        return hash_bytes(key, text.bytes);
    }
    hash_wide(key, text)
}

#[cold]
fn hash_wide(key: HashKey, text: Text<'_>) -> i64 {
    let lead = text.bytes.iter().copied().max().unwrap_or(0);
    let mut units = Vec::with_capacity(text.chars * 4);
    for cp in text.code_points() {
        match lead {
            0..0xC4 => units.push(cp as u8),
            0xC4..0xF0 => units.extend_from_slice(&(cp as u16).to_le_bytes()),
            _ => units.extend_from_slice(&cp.to_le_bytes()),
        }
    }
    hash_bytes(key, &units)
}

/// SipHash-1-3.
#[inline]
pub fn siphash13(key: HashKey, bytes: &[u8]) -> u64 {
    let mut v = [
        key.k0 ^ 0x736f_6d65_7073_6575,
        key.k1 ^ 0x646f_7261_6e64_6f6d,
        key.k0 ^ 0x6c79_6765_6e65_7261,
        key.k1 ^ 0x7465_6462_7974_6573,
    ];
    let (blocks, tail) = bytes.as_chunks::<8>();
    for block in blocks {
        let m = u64::from_le_bytes(*block);
        v[3] ^= m;
        sip_round(&mut v);
        v[0] ^= m;
    }
    let mut m = (bytes.len() as u64) << 56;
    for (i, byte) in tail.iter().enumerate() {
        m |= u64::from(*byte) << (8 * i);
    }
    v[3] ^= m;
    sip_round(&mut v);
    v[0] ^= m;
    v[2] ^= 0xFF;
    sip_round(&mut v);
    sip_round(&mut v);
    sip_round(&mut v);
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

#[inline(always)]
fn sip_round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[2] = v[2].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[1]);
    v[0] = v[0].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn as_cpython() {
        assert_eq!(hash_i64(0), 0);
        assert_eq!(hash_i64(1), 1);
        assert_eq!(hash_i64(-1), -2);
        assert_eq!(hash_i64(-2), -2);
        assert_eq!(hash_i64(2305843009213693951), 0);
        assert_eq!(hash_i64(2305843009213693952), 1);
        assert_eq!(hash_i64(i64::MIN), -4);
        assert_eq!(hash_i64(9223372036854775807), 3);
        assert_eq!(hash_bigint(&"2305843009213693951".parse().unwrap()), 0);
        assert_eq!(hash_bigint(&"18446744073709551616".parse().unwrap()), 8);
        assert_eq!(hash_bigint(&"18446744073709551621".parse().unwrap()), 13);
        assert_eq!(
            hash_bigint(&"-1267650600228229401496703205383".parse().unwrap()),
            -549755813895
        );
        assert_eq!(
            hash_bigint(
                &"100000000000000000000000000000000000000000000000000"
                    .parse()
                    .unwrap()
            ),
            619332571178673746
        );
        assert_eq!(
            hash_bigint(&"-2722258935367507706526405238736734388225".parse().unwrap()),
            -2
        );
        assert_eq!(hash_f64(0.0), Some(0));
        assert_eq!(hash_f64(0.5), Some(1152921504606846976));
        assert_eq!(hash_f64(-0.5), Some(-1152921504606846976));
        assert_eq!(hash_f64(1.5), Some(1152921504606846977));
        assert_eq!(hash_f64(0.1), Some(230584300921369408));
        assert_eq!(hash_f64(1e+300), Some(1224995262755759164));
        assert_eq!(hash_f64(-1e-300), Some(-482449582752280463));
        assert_eq!(hash_f64(5e-324), Some(16777216));
        assert_eq!(hash_f64(1e+16), Some(10000000000000000));
        assert_eq!(hash_f64(9.223372036854776e+18), Some(4));
        assert_eq!(hash_f64(f64::INFINITY), Some(314159));
        assert_eq!(hash_f64(-1.0), Some(-2));
        assert_eq!(combine_complex(hash_i64(3), hash_i64(4)), 4000015);
        let h = TupleHasher::new();
        assert_eq!(h.finish(), 5740354900026072187);
        let mut h = TupleHasher::new();
        h.add(hash_i64(1));
        assert_eq!(h.finish(), -6644214454873602895);
        let mut h = TupleHasher::new();
        h.add(hash_i64(1));
        h.add(hash_i64(2));
        h.add(hash_i64(3));
        assert_eq!(h.finish(), 529344067295497451);
        let mut h = TupleHasher::new();
        h.add(hash_i64(-1));
        h.add(hash_i64(-2));
        assert_eq!(h.finish(), 960947337673586213);
        let h = FrozenSetHasher::default();
        assert_eq!(h.finish(), 133146708735736);
        let mut h = FrozenSetHasher::default();
        h.add(hash_i64(1));
        assert_eq!(h.finish(), -558064481276695278);
        let mut h = FrozenSetHasher::default();
        h.add(hash_i64(1));
        h.add(hash_i64(2));
        h.add(hash_i64(99));
        assert_eq!(h.finish(), 8910212937501808527);
        let key = HashKey::from_seed(42);
        assert_eq!(hash_str(key, Text::from("")), 0);
        assert_eq!(hash_str(key, Text::from("a")), -123207753977932514);
        assert_eq!(hash_str(key, Text::from("abcdefgh")), -5457871895989710762);
        assert_eq!(hash_str(key, Text::from("abcdefghi")), -5970266004662334337);
        assert_eq!(hash_str(key, Text::from("é")), 5653850369683463245);
        assert_eq!(hash_str(key, Text::from("äú∑ℇ")), -2845126246016066802);
        assert_eq!(hash_str(key, Text::from("a😀")), 3739657454509745579);
        assert_eq!(
            hash_str(key, Text::from("ÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿ")),
            5913029223105154766
        );
        assert_eq!(hash_bytes(key, b"abc"), 3869580338025362921);
    }
}
