//! `_random`: the Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), seeded by arrays of words.

use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use weft_objects::float::from_f64;
use weft_objects::int::{from_bigint, from_u64, is_int, to_bigint};
use weft_objects::prelude::*;
use weft_objects::types::alloc_instance;

use num_bigint::{BigInt, BigUint};
use num_traits::{Signed, ToPrimitive};

const N: usize = 624;
const M: usize = 397;

/// The generator.
struct Twister {
    state: [u32; N],
    /// The next word to give; `N` when all have been given.
    index: usize,
}

impl Twister {
    fn by_word(seed: u32) -> Twister {
        let mut state = [seed; N];
        for i in 1..N {
            let last = state[i - 1];
            state[i] = 1_812_433_253u32
                .wrapping_mul(last ^ (last >> 30))
                .wrapping_add(i as u32);
        }
        Twister { state, index: N }
    }

    /// Mixes all words of a key, which is not empty, into the state.
    fn by_words(key: &[u32]) -> Twister {
        let mut twister = Twister::by_word(19_650_218);
        let s = &mut twister.state;
        let mut i = 1;
        let step = |s: &mut [u32; N], i: &mut usize, factor: u32| {
            let last = s[*i - 1];
            s[*i] ^= (last ^ (last >> 30)).wrapping_mul(factor);
        };
        let advance = |s: &mut [u32; N], i: &mut usize| {
            *i += 1;
            if *i == N {
                s[0] = s[N - 1];
                *i = 1;
            }
        };
        for k in 0..N.max(key.len()) {
            let j = k % key.len();
            step(s, &mut i, 1_664_525);
            s[i] = s[i].wrapping_add(key[j]).wrapping_add(j as u32);
            advance(s, &mut i);
        }
        for _ in 1..N {
            step(s, &mut i, 1_566_083_941);
            s[i] = s[i].wrapping_sub(i as u32);
            advance(s, &mut i);
        }
        s[0] = 0x8000_0000;
        twister
    }

    fn refill(&mut self) {
        let s = &mut self.state;
        let mix = |a: u32, b: u32| {
            let y = (a & 0x8000_0000) | (b & 0x7fff_ffff);
            (y >> 1) ^ ((y & 1).wrapping_neg() & 0x9908_b0df)
        };
        for i in 0..N - M {
            s[i] = s[i + M] ^ mix(s[i], s[i + 1]);
        }
        for i in N - M..N - 1 {
            s[i] = s[i + M - N] ^ mix(s[i], s[i + 1]);
        }
        s[N - 1] = s[M - 1] ^ mix(s[N - 1], s[0]);
        self.index = 0;
    }

    fn word(&mut self) -> u32 {
        if self.index >= N {
            self.refill();
        }
        let mut y = self.state[self.index];
        self.index += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// A float in `[0, 1)` of 53 random bits.
    fn float(&mut self) -> f64 {
        let (a, b) = (self.word() >> 5, self.word() >> 6);
        (f64::from(a) * 67_108_864.0 + f64::from(b)) * (1.0 / 9_007_199_254_740_992.0)
    }
}

/// A random number generator. Its state lies outside, and is used under the object's lock.
#[repr(C)]
struct Random {
    header: Header,
    twister: AtomicPtr<Twister>,
}

/// Runs `f` on the generator's state under the lock. `v` is a `Random`.
#[inline]
fn with<R>(t: &Thread, v: Value, f: impl FnOnce(&mut Twister) -> R) -> Option<R> {
    let random = cast::<Random>(v, &RANDOM)?;
    let _guard = lock(t, &random.header);
    // SAFETY: made in `random_new` before the object could be reached, freed when it dies; the lock makes this the only use of it.
    Some(f(unsafe { &mut *random.twister.load(Relaxed) }))
}

unsafe fn clear(h: *mut Header, _t: &Thread) {
    // SAFETY: a dying object, which nobody else can reach; the box was made in `random_new`.
    unsafe {
        let p = (*(h as *const Random))
            .twister
            .swap(std::ptr::null_mut(), Relaxed);
        if !p.is_null() {
            drop(Box::from_raw(p));
        }
    }
}

fn random_new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    // What the reference implementation starts with; `__init__` and `seed` replace it.
    let twister = Box::new(Twister::by_word(5489));
    let p = alloc_instance(t, Type::of_unchecked(cls)) as *mut Random;
    // SAFETY: instances of the class start with this layout.
    unsafe { (*p).twister.store(Box::into_raw(twister), Relaxed) };
    Ok(Value::from_ptr(p as *const Header))
}

fn random_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new("Random", "(x=None, /)");
    let a = SIG.bind(t, args)?;
    let x = if a[0].is_null() { Value::NONE } else { a[0] };
    seed(t, &[v, x]).map(|_| ())
}

/// Seeded by the operating system.
fn entropy(t: &mut Thread) -> Res<Twister> {
    let mut bytes = [0u8; 4 * N];
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = &mut bytes[filled..];
        // SAFETY: the rest of the buffer is writable.
        let n = unsafe { libc::getrandom(rest.as_mut_ptr() as *mut libc::c_void, rest.len(), 0) };
        match n {
            1.. => filled += n as usize,
            _ => {
                let e = std::io::Error::last_os_error();
                if e.raw_os_error() != Some(libc::EINTR) {
                    return Err(t.io_error(&e, None));
                }
            }
        }
    }
    let words: Vec<u32> = bytes
        .chunks_exact(4)
        .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    Ok(Twister::by_words(&words))
}

fn seed(t: &mut Thread, a: &[Value]) -> Res {
    let twister = if a[1].is_null() || a[1].is_none() {
        entropy(t)?
    } else {
        let n = if is_int(a[1]) {
            to_bigint(a[1]).unwrap_or_default().magnitude().clone()
        } else {
            BigUint::from(proto::hash(t, a[1])? as u64)
        };
        let mut words = n.to_u32_digits();
        if words.is_empty() {
            words.push(0);
        }
        Twister::by_words(&words)
    };
    with(t, a[0], |state| *state = twister);
    Ok(Value::NONE)
}

fn random(t: &mut Thread, a: &[Value]) -> Res {
    let x = with(t, a[0], Twister::float).unwrap_or(0.0);
    Ok(from_f64(t, x))
}

fn getrandbits(t: &mut Thread, a: &[Value]) -> Res {
    let k = proto::index(t, a[1])?;
    let Some(k) = weft_objects::int::as_i64(k.value()) else {
        let negative = to_bigint(k.value()).is_some_and(|k| k.is_negative());
        return Err(if negative {
            too_few(t)
        } else {
            t.overflow_error("Python int too large for C uint64_t")
        });
    };
    let Ok(k) = u64::try_from(k) else {
        return Err(too_few(t));
    };
    if k <= 64 {
        let n = with(t, a[0], |s| match k {
            0 => 0,
            1..=32 => u64::from(s.word() >> (32 - k)),
            _ => {
                let low = u64::from(s.word());
                low | u64::from(s.word() >> (64 - k)) << 32
            }
        });
        return Ok(from_u64(t, n.unwrap_or(0)));
    }
    let count = k.div_ceil(32) as usize;
    let mut words: Vec<u32> = Vec::new();
    if k > weft_objects::text::bigint::MAX_BITS || words.try_reserve_exact(count).is_err() {
        return Err(t.memory_error());
    }
    // Made into digits of another size, and then copied.
    weft_objects::memory::room_for(t, count, 12)?;
    with(t, a[0], |s| words.extend((0..count).map(|_| s.word())));
    if let Some(last) = words.last_mut() {
        *last >>= (32 - k % 32) % 32;
    }
    Ok(from_bigint(t, BigInt::from(BigUint::new(words))))
}

#[cold]
fn too_few(t: &Thread) -> Raised {
    t.value_error("Cannot convert negative int")
}

fn getstate(t: &mut Thread, a: &[Value]) -> Res {
    let mut words = with(t, a[0], |s| {
        let mut words: Vec<u64> = s.state.iter().map(|w| u64::from(*w)).collect();
        words.push(s.index as u64);
        words
    })
    .unwrap_or_default();
    let items = words.drain(..).map(|w| Obj::own(from_u64(t, w))).collect();
    Ok(Tuple::from_vec(t, items).into())
}

fn setstate(t: &mut Thread, a: &[Value]) -> Res {
    let Some(words) = Tuple::of(a[1]) else {
        return Err(t.type_error("state vector must be a tuple".into()));
    };
    if words.len() != N + 1 {
        return Err(t.value_error("state vector is the wrong size"));
    }
    let mut state = [0u32; N];
    for (i, word) in state.iter_mut().enumerate() {
        *word = match to_bigint(words.get(i)) {
            Some(n) if n.is_negative() => {
                return Err(t.overflow_error("can't convert negative value to unsigned int"));
            }
            Some(n) => match n.to_u64() {
                Some(n) => n as u32,
                None => {
                    return Err(
                        t.overflow_error("Python int too large to convert to C unsigned long")
                    );
                }
            },
            None => return Err(t.type_error("an integer is required".into())),
        };
    }
    let index = match weft_objects::int::as_i64(words.get(N)) {
        Some(i) if (0..=N as i64).contains(&i) => i as usize,
        Some(_) => return Err(t.value_error("invalid state")),
        None if is_int(words.get(N)) => {
            return Err(t.overflow_error("Python int too large to convert to C long"));
        }
        None => return Err(t.type_error("an integer is required".into())),
    };
    with(t, a[0], |s| *s = Twister { state, index });
    Ok(Value::NONE)
}

/// `_random.Random`
static RANDOM: Type = Type::builtin(
    "Random",
    size_of::<Random>(),
    &Spec {
        new: Some(random_new),
        init: Some(random_init),
        methods: &[
            NativeDef::new("random", "($self, /)", random).doc("random() -> x in the interval [0, 1)."),
            NativeDef::new("seed", "($self, n=None, /)", seed).doc(
                "seed([n]) -> None.\n\nDefaults to use urandom and falls back to a combination\nof the current time and the \
                 process identifier.",
            ),
            NativeDef::new("getstate", "($self, /)", getstate)
                .doc("getstate() -> tuple containing the current state."),
            NativeDef::new("setstate", "($self, state, /)", setstate)
                .doc("setstate(state) -> None.  Restores generator state."),
            NativeDef::new("getrandbits", "($self, k, /)", getrandbits)
                .doc("getrandbits(k) -> x.  Generates an int with k random bits."),
        ],
        ..Spec::EMPTY
    },
)
.clear_only(clear)
.module("_random")
.doc("Random() -> create a random number generator with its own internal state.");

/// The module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = crate::support::module(
        t,
        "_random",
        "Module implements the Mersenne Twister random number generator.",
        &[],
    );
    crate::support::add_type(t, &m, &RANDOM);
    Ok(m)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_cpython() {
        let mut r = Twister::by_words(&[42]);
        assert_eq!(r.float(), 0.6394267984578837);
        assert_eq!(r.float(), 0.025010755222666936);
        let mut r = Twister::by_words(&[0]);
        assert_eq!(r.float(), 0.8444218515250481);
        let mut r = Twister::by_words(&[1, 2, 3]);
        assert_eq!(r.float(), 0.6098612722867289);
    }
}
