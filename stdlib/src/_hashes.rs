//! `_md5`, `_sha1`, `_sha2`, `_sha3`, `_blake2`: hash objects, as `hashlib` expects them.

use crate::support;
use digest::{ExtendableOutput, Update, XofReader};
use parking_lot::Mutex;
use sha2::digest::{self, Digest};
use std::sync::OnceLock;
use weft_objects::buffer::{self, Buffer};
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::{cell, int, names};

mod blake2;

/// Data that takes longer than letting other threads run.
const LARGE: usize = 2048;

macro_rules! algorithms {
    ($($variant:ident($ty:ty): $name:literal, $block:literal;)*) => {
        /// A hash under way.
        #[derive(Clone)]
        enum State {
            $($variant($ty),)*
            Shake128(shake::Shake128),
            Shake256(shake::Shake256),
            Blake2b(Box<blake2b_simd::State>, usize),
            Blake2s(Box<blake2s_simd::State>, usize),
        }

        impl State {
            fn update(&mut self, data: &[u8]) {
                match self {
                    $(State::$variant(s) => Digest::update(s, data),)*
                    State::Shake128(s) => s.update(data),
                    State::Shake256(s) => s.update(data),
                    State::Blake2b(s, _) => drop(s.update(data)),
                    State::Blake2s(s, _) => drop(s.update(data)),
                }
            }

            /// The hash; of `length` bytes for those that give as many as one wants.
            fn digest(&self, length: usize) -> Vec<u8> {
                let mut out = vec![0; length];
                match self {
                    $(State::$variant(s) => return s.clone().finalize().to_vec(),)*
                    State::Shake128(s) => s.clone().finalize_xof().read(&mut out),
                    State::Shake256(s) => s.clone().finalize_xof().read(&mut out),
                    State::Blake2b(s, _) => return s.finalize().as_bytes().to_vec(),
                    State::Blake2s(s, _) => return s.finalize().as_bytes().to_vec(),
                }
                out
            }

            /// Name, bytes of the hash, bytes of a block.
            fn info(&self) -> (&'static str, usize, usize) {
                match self {
                    $(State::$variant(_) => ($name, <$ty as Digest>::output_size(), $block),)*
                    State::Shake128(_) => ("shake_128", 0, 168),
                    State::Shake256(_) => ("shake_256", 0, 136),
                    State::Blake2b(_, n) => ("blake2b", *n, 128),
                    State::Blake2s(_, n) => ("blake2s", *n, 64),
                }
            }
        }
    };
}

algorithms! {
    Md5(md5::Md5): "md5", 64;
    Sha1(sha1::Sha1): "sha1", 64;
    Sha224(sha2::Sha224): "sha224", 64;
    Sha256(sha2::Sha256): "sha256", 64;
    Sha384(sha2::Sha384): "sha384", 128;
    Sha512(sha2::Sha512): "sha512", 128;
    Sha3_224(sha3::Sha3_224): "sha3_224", 144;
    Sha3_256(sha3::Sha3_256): "sha3_256", 136;
    Sha3_384(sha3::Sha3_384): "sha3_384", 104;
    Sha3_512(sha3::Sha3_512): "sha3_512", 72;
}

/// A hash object. All types here have this layout.
#[repr(C)]
struct Hash {
    header: Header,
    state: *mut Mutex<State>,
}

// SAFETY: the pointer is written once, before anybody else can reach the object.
unsafe impl Sync for Hash {}

impl Hash {
    fn new(t: &Thread, ty: &Type, state: State) -> Obj {
        // SAFETY: the layout of all types here.
        unsafe {
            let (o, _) = cell::fresh::<Hash>(t, ty);
            let p = o.value().ptr() as *mut Hash;
            (&raw mut (*p).state).write(Box::into_raw(Box::new(Mutex::new(state))));
            o
        }
    }

    fn state<'a>(v: Value) -> &'a Mutex<State> {
        // SAFETY: called with instances of these types alone, which own their state.
        unsafe { &*(*(v.ptr() as *const Hash)).state }
    }
}

unsafe fn clear(h: *mut Header, _t: &Thread) {
    // SAFETY: a dying object of this layout, whose state is freed once.
    unsafe {
        let state = std::mem::replace(&mut (*(h as *mut Hash)).state, std::ptr::null_mut());
        if !state.is_null() {
            drop(Box::from_raw(state));
        }
    }
}

/// Runs `f` with the state, detached if that may take long or somebody else has it.
fn with_state<R>(
    t: &mut Thread,
    state: &Mutex<State>,
    long: bool,
    f: impl FnOnce(&mut State) -> R,
) -> R {
    if !long && let Some(mut state) = state.try_lock() {
        return f(&mut state);
    }
    t.blocking(|| f(&mut state.lock()))
}

/// The bytes of a data argument.
fn data(t: &mut Thread, v: Value) -> Res<Buffer> {
    if Str::of(v).is_some() {
        return Err(t.type_error("Strings must be encoded before hashing".into()));
    }
    if !buffer::is_exporter(v) {
        return Err(t.type_error("object supporting the buffer API required".into()));
    }
    let b = buffer::get_bulk(t, v)?;
    if b.ndim() > 1 {
        return Err(t.raise(&errors::BUFFER_ERROR, "Buffer must be single dimension"));
    }
    Ok(b)
}

fn feed(t: &mut Thread, state: &Mutex<State>, v: Value) -> Res<()> {
    let b = data(t, v)?;
    with_state(t, state, b.len >= LARGE, |s| s.update(b.as_bytes()));
    Ok(())
}

/// `data` and `string` name the same argument.
fn either(t: &mut Thread, data: Value, string: Value) -> Res<Value> {
    match (data.is_null(), string.is_null()) {
        (false, false) => Err(t.type_error(
            "'data' and 'string' are mutually exclusive and support for 'string' keyword parameter is slated for removal \
             in a future version."
                .into(),
        )),
        (true, _) => Ok(string),
        _ => Ok(data),
    }
}

/// A new hash object that has been fed the `data` argument, if there is one.
fn started(t: &mut Thread, ty: &Type, state: State, v: Value) -> Res {
    let o = Hash::new(t, ty, state);
    if !v.is_null() {
        feed(t, Hash::state(o.value()), v)?;
    }
    Ok(o.into())
}

fn copy(t: &mut Thread, a: &[Value]) -> Res {
    let state = with_state(t, Hash::state(a[0]), false, |s| s.clone());
    Ok(Hash::new(t, type_of(a[0]), state).into())
}

fn update(t: &mut Thread, a: &[Value]) -> Res {
    feed(t, Hash::state(a[0]), a[1])?;
    Ok(Value::NONE)
}

fn digest_of(t: &mut Thread, v: Value, length: usize) -> Vec<u8> {
    with_state(t, Hash::state(v), length >= LARGE, |s| s.digest(length))
}

fn hex(t: &Thread, bytes: &[u8]) -> Res {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let out = bytes
        .iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
        .collect();
    Ok(Str::from_vec(t, out).into())
}

/// The length argument of a SHAKE digest.
fn length(t: &mut Thread, v: Value) -> Res<usize> {
    let i = proto::index(t, v)?;
    match int::as_i64(i.value()) {
        Some(n) if n < 0 => Err(t.value_error("Cannot convert negative int")),
        Some(n) if n < 1 << 29 => Ok(n as usize),
        Some(_) => Err(t.value_error("length is too large")),
        None if int::to_bigint(i.value()).is_some_and(|b| b.sign() == num_bigint::Sign::Minus) => {
            Err(t.value_error("Cannot convert negative int"))
        }
        None => Err(t.overflow_error("Python int too large for C unsigned long")),
    }
}

const COPY: NativeDef =
    NativeDef::new("copy", "($self, /)", copy).doc("Return a copy of the hash object.");
const UPDATE: NativeDef = NativeDef::new("update", "($self, data, /)", update)
    .doc("Update this hash object's state with the provided bytes.");

const METHODS: &[NativeDef] = &[
    COPY,
    UPDATE,
    NativeDef::new("digest", "($self, /)", |t, a| {
        let d = digest_of(t, a[0], 0);
        Ok(Bytes::from_vec(t, d).into())
    })
    .doc("Return the digest value as a bytes object."),
    NativeDef::new("hexdigest", "($self, /)", |t, a| {
        let d = digest_of(t, a[0], 0);
        hex(t, &d)
    })
    .doc("Return the digest value as a string of hexadecimal digits."),
];

const SHAKE_METHODS: &[NativeDef] = &[
    COPY,
    UPDATE,
    NativeDef::new("digest", "($self, length)", |t, a| {
        let n = length(t, a[1])?;
        let d = digest_of(t, a[0], n);
        Ok(Bytes::from_vec(t, d).into())
    })
    .doc("Return the digest value as a bytes object."),
    NativeDef::new("hexdigest", "($self, length)", |t, a| {
        let n = length(t, a[1])?;
        let d = digest_of(t, a[0], n);
        hex(t, &d)
    })
    .doc("Return the digest value as a string of hexadecimal digits."),
];

fn info(t: &mut Thread, v: Value) -> (&'static str, usize, usize) {
    with_state(t, Hash::state(v), false, |s| s.info())
}

const INFO: [GetSetDef; 3] = [
    GetSetDef::ro("name", |t, v| {
        let name = info(t, v).0;
        Ok(Str::new(t, name).into())
    }),
    GetSetDef::ro("digest_size", |t, v| Ok(Value::int(info(t, v).1 as i64))),
    GetSetDef::ro("block_size", |t, v| Ok(Value::int(info(t, v).2 as i64))),
];

const GETSET: &[GetSetDef] = &INFO;

/// What the sponges tell about themselves.
const SPONGE_GETSET: &[GetSetDef] = &[
    GetSetDef::ro("name", INFO[0].get),
    GetSetDef::ro("digest_size", INFO[1].get),
    GetSetDef::ro("block_size", INFO[2].get),
    GetSetDef::ro("_rate_bits", |t, v| Ok(Value::int(info(t, v).2 as i64 * 8))),
    GetSetDef::ro("_capacity_bits", |t, v| {
        Ok(Value::int(1600 - info(t, v).2 as i64 * 8))
    }),
    GetSetDef::ro("_suffix", |t, v| {
        // The bits that follow the message: 01 for SHA-3, 1111 for SHAKE, with the first bit of the padding.
        let suffix: u8 = if info(t, v).1 == 0 { 0x1f } else { 0x06 };
        Ok(Bytes::new(t, &[suffix]).into())
    }),
];

const SIGNATURE: &str = "(data=b'', *, usedforsecurity=True, string=None)";

/// A type that is made by a function of its module.
macro_rules! made_by_function {
    ($($ty:ident, $type_name:literal in $module:literal, $function:literal, $def:ident, $variant:ident;)*) => {$(
        static $ty: Type = Type::builtin(
            $type_name,
            size_of::<Hash>(),
            &Spec { methods: METHODS, getset: GETSET, ..Spec::EMPTY },
        )
        .clear_only(clear)
        .module($module)
        .final_()
        .no_new();

        const $def: NativeDef = NativeDef::new($function, SIGNATURE, |t, a| {
            let v = either(t, a[0], a[2])?;
            started(t, &$ty, State::$variant(Default::default()), v)
        });
    )*};
}

made_by_function! {
    MD5, "md5" in "_md5", "md5", NEW_MD5, Md5;
    SHA1, "sha1" in "_sha1", "sha1", NEW_SHA1, Sha1;
    SHA224, "SHA224Type" in "_sha2", "sha224", NEW_SHA224, Sha224;
    SHA256, "SHA256Type" in "_sha2", "sha256", NEW_SHA256, Sha256;
    SHA384, "SHA384Type" in "_sha2", "sha384", NEW_SHA384, Sha384;
    SHA512, "SHA512Type" in "_sha2", "sha512", NEW_SHA512, Sha512;
}

/// A type that is called itself.
macro_rules! sponge {
    ($($ty:ident, $name:literal, $variant:ident, $methods:ident;)*) => {$(
        static $ty: Type = Type::builtin(
            $name,
            size_of::<Hash>(),
            &Spec {
                new: Some(|t, _, args| {
                    static SIG: SigCell = SigCell::new($name, SIGNATURE);
                    let a = SIG.bind(t, args)?;
                    let v = either(t, a[0], a[2])?;
                    started(t, &$ty, State::$variant(Default::default()), v)
                }),
                methods: $methods,
                getset: SPONGE_GETSET,
                ..Spec::EMPTY
            },
        )
        .clear_only(clear)
        .module("_sha3")
        .final_();
    )*};
}

sponge! {
    SHA3_224, "sha3_224", Sha3_224, METHODS;
    SHA3_256, "sha3_256", Sha3_256, METHODS;
    SHA3_384, "sha3_384", Sha3_384, METHODS;
    SHA3_512, "sha3_512", Sha3_512, METHODS;
    SHAKE_128, "shake_128", Shake128, SHAKE_METHODS;
    SHAKE_256, "shake_256", Shake256, SHAKE_METHODS;
}

fn module(
    t: &Thread,
    name: &str,
    functions: &'static [NativeDef],
    types: &[(&str, &'static Type)],
) -> Obj {
    let m = support::module(t, name, "", functions);
    for (name, ty) in types {
        ty.ready(t);
        support::add(t, &m, name, Obj::new(t, ty.value()));
    }
    // The size of data from which on other threads may run.
    support::add_ints(t, &m, &[("_GIL_MINSIZE", LARGE as i64)]);
    m
}

/// Makes `_md5`.
pub fn init_md5(t: &mut Thread) -> Res<Obj> {
    Ok(module(t, "_md5", &[NEW_MD5], &[("MD5Type", &MD5)]))
}

/// Makes `_sha1`.
pub fn init_sha1(t: &mut Thread) -> Res<Obj> {
    Ok(module(t, "_sha1", &[NEW_SHA1], &[("SHA1Type", &SHA1)]))
}

/// Makes `_sha2`.
pub fn init_sha2(t: &mut Thread) -> Res<Obj> {
    static FUNCTIONS: &[NativeDef] = &[NEW_SHA224, NEW_SHA256, NEW_SHA384, NEW_SHA512];
    let types: [(&str, &'static Type); 4] = [
        ("SHA224Type", &SHA224),
        ("SHA256Type", &SHA256),
        ("SHA384Type", &SHA384),
        ("SHA512Type", &SHA512),
    ];
    Ok(module(t, "_sha2", FUNCTIONS, &types))
}

/// Makes `_sha3`.
pub fn init_sha3(t: &mut Thread) -> Res<Obj> {
    let types: [(&str, &'static Type); 6] = [
        ("sha3_224", &SHA3_224),
        ("sha3_256", &SHA3_256),
        ("sha3_384", &SHA3_384),
        ("sha3_512", &SHA3_512),
        ("shake_128", &SHAKE_128),
        ("shake_256", &SHAKE_256),
    ];
    let m = module(t, "_sha3", &[], &types);
    support::add(t, &m, "implementation", Str::new(t, "generic"));
    Ok(m)
}

/// Makes `_blake2`.
pub fn init_blake2(t: &mut Thread) -> Res<Obj> {
    static READY: OnceLock<()> = OnceLock::new();
    let types = [("blake2b", &blake2::BLAKE2B), ("blake2s", &blake2::BLAKE2S)];
    let m = module(t, "_blake2", &[], &types);
    for (name, ty) in types {
        for (limit, n) in blake2::limits(name) {
            support::add_ints(
                t,
                &m,
                &[(&format!("{}_{limit}", name.to_uppercase()), n as i64)],
            );
            if READY.get().is_none() {
                ty.set_name(t, names::get(t, limit), Value::int(n as i64));
            }
        }
    }
    READY.get_or_init(|| ());
    Ok(m)
}
