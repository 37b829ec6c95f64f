//! BLAKE2, with keys, salts and the parameters of tree hashing.

use super::{GETSET, Hash, METHODS, State, clear, data, either, started};
use num_traits::ToPrimitive;
use weft_objects::int;
use weft_objects::prelude::*;

const SIGNATURE: &str = "(data=b'', *, digest_size=0, key=b'', salt=b'', person=b'', fanout=1, depth=1, leaf_size=0, \
                         node_offset=0, node_depth=0, inner_size=0, last_node=False, usedforsecurity=True, string=None)";

/// What one of the two variants allows.
struct Limits {
    name: &'static str,
    /// Bytes of a hash or key.
    max: usize,
    /// Bytes of salt and personalization.
    salt: usize,
    offset_bits: u32,
}

const B: Limits = Limits {
    name: "Blake2b",
    max: 64,
    salt: 16,
    offset_bits: 64,
};
const S: Limits = Limits {
    name: "Blake2s",
    max: 32,
    salt: 8,
    offset_bits: 48,
};

/// The class attributes of a variant.
pub fn limits(name: &str) -> [(&'static str, usize); 4] {
    let l = if name == "blake2b" { B } else { S };
    [
        ("SALT_SIZE", l.salt),
        ("PERSON_SIZE", l.salt),
        ("MAX_KEY_SIZE", l.max),
        ("MAX_DIGEST_SIZE", l.max),
    ]
}

/// The arguments, checked.
struct Params {
    digest_size: usize,
    key: Vec<u8>,
    salt: Vec<u8>,
    person: Vec<u8>,
    fanout: u8,
    depth: u8,
    leaf_size: u32,
    node_offset: u64,
    node_depth: u8,
    inner_size: usize,
    last_node: bool,
}

/// An int argument from `min` to `max`, or the error `msg`.
fn ranged(t: &mut Thread, v: Value, default: i64, min: i64, max: i64, msg: &str) -> Res<i64> {
    if v.is_null() {
        return Ok(default);
    }
    let i = i64::from(weft_objects::str::index::c_int(t, v, 0)?);
    if i < min || i > max {
        return Err(t.value_error(msg.replace("{}", &i.to_string())));
    }
    Ok(i)
}

/// An unsigned argument of at most `bits` bits.
fn unsigned(t: &mut Thread, v: Value, bits: u32, name: &str) -> Res<u64> {
    if v.is_null() {
        return Ok(0);
    }
    let i = proto::index(t, v)?;
    let n = int::to_bigint(i.value()).unwrap_or_default();
    if n.sign() == num_bigint::Sign::Minus {
        return Err(t.value_error("Cannot convert negative int"));
    }
    match n.to_u64() {
        Some(n) if bits == 64 || n < 1 << bits => Ok(n),
        Some(_) => Err(t.overflow_error(format!("{name} is too large"))),
        None if bits == 32 => Err(t.overflow_error("Python int too large for C unsigned long")),
        None => Err(t.overflow_error("Python int too large for C unsigned long long")),
    }
}

fn bytes(t: &mut Thread, v: Value, max: usize, what: &str) -> Res<Vec<u8>> {
    if v.is_null() {
        return Ok(Vec::new());
    }
    let b = data(t, v)?;
    if b.len > max {
        return Err(t.value_error(format!("maximum {what} length is {max} bytes")));
    }
    Ok(b.as_bytes().to_vec())
}

impl Params {
    fn new(t: &mut Thread, a: &[Value], l: &Limits) -> Res<Params> {
        let (name, max) = (l.name, l.max);
        let size =
            format!("digest_size for {name} must be between 1 and {max} bytes, here it is {{}}");
        let inner = format!("inner_size must be between 0 and is {max}");
        Ok(Params {
            digest_size: ranged(t, a[1], max as i64, 1, max as i64, &size)? as usize,
            salt: bytes(t, a[3], l.salt, "salt")?,
            person: bytes(t, a[4], l.salt, "person")?,
            fanout: ranged(t, a[5], 1, 0, 255, "fanout must be between 0 and 255")? as u8,
            depth: ranged(t, a[6], 1, 1, 255, "depth must be between 1 and 255")? as u8,
            leaf_size: unsigned(t, a[7], 32, "leaf_size")? as u32,
            node_offset: unsigned(t, a[8], l.offset_bits, "node_offset")?,
            node_depth: ranged(t, a[9], 0, 0, 255, "node_depth must be between 0 and 255")? as u8,
            inner_size: ranged(t, a[10], 0, 0, max as i64, &inner)? as usize,
            last_node: !a[11].is_null() && proto::truth(t, a[11])?,
            key: bytes(t, a[2], max, "key")?,
        })
    }
}

macro_rules! blake2 {
    ($ty:ident, $name:literal, $krate:ident, $variant:ident, $limits:ident) => {
        pub static $ty: Type = Type::builtin(
            $name,
            size_of::<Hash>(),
            &Spec {
                new: Some(|t, _, args| {
                    static SIG: SigCell = SigCell::new($name, SIGNATURE);
                    let a = SIG.bind(t, args)?;
                    let v = either(t, a[0], a[13])?;
                    let p = Params::new(t, &a, &$limits)?;
                    let state = $krate::Params::new()
                        .hash_length(p.digest_size)
                        .key(&p.key)
                        .salt(&p.salt)
                        .personal(&p.person)
                        .fanout(p.fanout)
                        .max_depth(p.depth)
                        .max_leaf_length(p.leaf_size)
                        .node_offset(p.node_offset)
                        .node_depth(p.node_depth)
                        .inner_hash_length(p.inner_size)
                        .last_node(p.last_node)
                        .to_state();
                    started(t, &$ty, State::$variant(Box::new(state), p.digest_size), v)
                }),
                methods: METHODS,
                getset: GETSET,
                ..Spec::EMPTY
            },
        )
        .clear_only(clear)
        .module("_blake2")
        .final_();
    };
}

blake2!(BLAKE2B, "blake2b", blake2b_simd, Blake2b, B);
blake2!(BLAKE2S, "blake2s", blake2s_simd, Blake2s, S);
