//! `ZstdDict`, and training of dictionaries.

use super::ffi::{self, CDict, DDict};
use super::{c_int, zstd_error};
use crate::holder::{Holder, no_pickle};
use parking_lot::Mutex;
use std::sync::Arc;
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::{buffer, int};

/// A dictionary's bytes, and what the library has made of them.
pub struct Dict {
    pub content: Vec<u8>,
    id: u32,
    /// By level.
    compressing: Mutex<Vec<(i32, *mut CDict)>>,
    decompressing: Mutex<*mut DDict>,
}

// SAFETY: the library's dictionaries do not change, and the pointers to them are behind locks.
unsafe impl Send for Dict {}
// SAFETY: as above.
unsafe impl Sync for Dict {}

impl Drop for Dict {
    fn drop(&mut self) {
        // SAFETY: made by the library, freed once; contexts that refer to them keep this object.
        unsafe {
            for (_, d) in self.compressing.get_mut() {
                ffi::ZSTD_freeCDict(*d);
            }
            ffi::ZSTD_freeDDict(*self.decompressing.get_mut());
        }
    }
}

impl Dict {
    /// The dictionary for a level; null if its content is bad.
    pub fn for_level(&self, level: i32) -> *const CDict {
        let mut known = self.compressing.lock();
        if let Some((_, d)) = known.iter().find(|(l, _)| *l == level) {
            return *d;
        }
        let c = &self.content;
        // SAFETY: the bytes are copied.
        let d = unsafe { ffi::ZSTD_createCDict(c.as_ptr().cast(), c.len(), level) };
        if !d.is_null() {
            known.push((level, d));
        }
        d
    }

    /// The dictionary to decompress with; null if its content is bad.
    pub fn for_reading(&self) -> *const DDict {
        let mut known = self.decompressing.lock();
        if known.is_null() {
            let c = &self.content;
            // SAFETY: the bytes are copied.
            *known = unsafe { ffi::ZSTD_createDDict(c.as_ptr().cast(), c.len()) };
        }
        *known
    }
}

/// How a dictionary is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Digested,
    Undigested,
    Prefix,
}

type Shared = Arc<Dict>;

pub fn of(v: Value) -> Option<Shared> {
    cast_exact::<Holder<Shared>>(v, &ZSTD_DICT)?;
    Some(Holder::<Shared>::peek(v, Arc::clone))
}

/// The `zstd_dict` argument: a dictionary, or a pair of one and how to use it.
pub fn argument(t: &mut Thread, v: Value, default: Use) -> Res<Option<(Shared, Use)>> {
    if v.is_null() || v.is_none() {
        return Ok(None);
    }
    if let Some(d) = of(v) {
        return Ok(Some((d, default)));
    }
    if let Some([d, how]) = Tuple::exact(v).map(|p| p.values())
        && let Some(d) = of(*d)
        && int::is_exact_int(*how)
    {
        match c_int(t, *how)? {
            0 => return Ok(Some((d, Use::Digested))),
            1 => return Ok(Some((d, Use::Undigested))),
            2 => return Ok(Some((d, Use::Prefix))),
            _ => {}
        }
    }
    Err(t.type_error("zstd_dict argument should be a ZstdDict object.".into()))
}

fn new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("ZstdDict", "(dict_content, /, *, is_raw=False)");
    let a = SIG.bind(t, args)?;
    let raw = crate::support::truth_or(t, a[1], false)?;
    let content = buffer::get(t, a[0])?.as_bytes().to_vec();
    if content.len() < 8 {
        let msg = "Zstandard dictionary content too short (must have at least eight bytes)";
        return Err(t.value_error(msg));
    }
    // SAFETY: the bytes are there.
    let id = unsafe { ffi::ZSTD_getDictID_fromDict(content.as_ptr().cast(), content.len()) };
    if id == 0 && !raw {
        return Err(t.value_error("invalid Zstandard dictionary"));
    }
    let dict = Arc::new(Dict {
        content,
        id,
        compressing: Mutex::new(Vec::new()),
        decompressing: Mutex::new(std::ptr::null_mut()),
    });
    Ok(Holder::<Shared>::new(t, &ZSTD_DICT, dict).into())
}

fn look<R>(v: Value, f: impl FnOnce(&Dict) -> R) -> R {
    Holder::<Shared>::peek(v, |d| f(d))
}

fn used_as(t: &Thread, v: Value, how: i64) -> Res {
    let me = Obj::new(t, v);
    Ok(Tuple::pair(t, me, Obj::from_raw(Value::int(how))).into())
}

/// `compression.zstd.ZstdDict`
pub static ZSTD_DICT: Type = Type::builtin(
    "ZstdDict",
    size_of::<Holder<Shared>>(),
    &Spec {
        new: Some(new),
        len: Some(|_, v| Ok(look(v, |d| d.content.len()))),
        repr: Some(|t, v| {
            let s = look(v, |d| {
                format!("<ZstdDict dict_id={} dict_size={}>", d.id, d.content.len())
            });
            Ok(Str::from_string(t, s).into())
        }),
        methods: &[NativeDef::new("__reduce__", "($self, /)", no_pickle)],
        getset: &[
            GetSetDef::ro("dict_id", |_, v| Ok(Value::int(look(v, |d| d.id).into()))),
            GetSetDef::ro("dict_content", |t, v| {
                let content = look(v, |d| d.content.clone());
                Ok(Bytes::from_vec(t, content).into())
            }),
            GetSetDef::ro("as_digested_dict", |t, v| used_as(t, v, 0)),
            GetSetDef::ro("as_undigested_dict", |t, v| used_as(t, v, 1)),
            GetSetDef::ro("as_prefix", |t, v| used_as(t, v, 2)),
        ],
        ..Spec::EMPTY
    },
)
.clear_only(Holder::<Shared>::clear)
.module("compression.zstd")
.final_()
.doc("Represents a Zstandard dictionary.\n\n  dict_content\n    The content of a Zstandard dictionary as a bytes-like object.\n  is_raw\n    If true, perform no checks on *dict_content*, useful for some\n    advanced cases. Otherwise, check that the content represents\n    a Zstandard dictionary created by the zstd library or CLI.");

// --- training ---

fn bytes_argument<'a>(t: &Thread, v: Value, func: &str, i: usize) -> Res<&'a Bytes> {
    match Bytes::of(v) {
        Some(b) => Ok(b),
        None => {
            let got = type_of(v).name();
            let msg = format!("{func}() argument {i} must be bytes, not {got}");
            Err(t.type_error(msg))
        }
    }
}

/// The sizes of the samples, which together are `total`.
fn sizes(t: &mut Thread, v: Value, total: usize, func: &str, i: usize) -> Res<Vec<usize>> {
    let Some(items) = Tuple::of(v) else {
        let got = type_of(v).name();
        return Err(t.type_error(format!("{func}() argument {i} must be tuple, not {got}")));
    };
    let mut out = Vec::with_capacity(items.len());
    let mut sum = 0usize;
    let mut fits = true;
    for v in items.values() {
        if !int::is_int(*v) {
            return Err(t.type_error("an integer is required".into()));
        }
        let n = int::as_i64(*v).and_then(|n| usize::try_from(n).ok());
        let next = n.and_then(|n| sum.checked_add(n));
        fits &= next.is_some();
        sum = next.unwrap_or(sum);
        out.push(n.unwrap_or(0));
    }
    if !fits || sum != total || u32::try_from(out.len()).is_err() {
        let msg = "The samples size tuple doesn't match the concatenation's size.";
        return Err(t.value_error(msg));
    }
    Ok(out)
}

/// Room for a dictionary of so many bytes.
fn room(t: &mut Thread, v: Value) -> Res<Vec<u8>> {
    let n = proto::index_i64(t, v)?;
    let Ok(n) = usize::try_from(n) else {
        return Err(t.value_error("dict_size argument should be positive number."));
    };
    if n == 0 {
        return Err(t.value_error("dict_size argument should be positive number."));
    }
    let mut room = Vec::new();
    if room.try_reserve_exact(n).is_err() {
        return Err(t.memory_error());
    }
    Ok(room)
}

fn finish(t: &mut Thread, mut room: Vec<u8>, code: usize, what: &str) -> Res {
    match ffi::check(code) {
        Ok(n) => {
            // SAFETY: the library has written so many bytes.
            unsafe { room.set_len(n) };
            Ok(Bytes::from_vec(t, room).into())
        }
        Err(e) => {
            let msg = format!("Unable to {what} the Zstandard dictionary: {e}");
            Err(zstd_error(t, msg))
        }
    }
}

/// `_zstd.train_dict`
pub fn train(t: &mut Thread, a: &[Value]) -> Res {
    let samples = bytes_argument(t, a[0], "train_dict", 1)?;
    if Tuple::of(a[1]).is_none() {
        sizes(t, a[1], 0, "train_dict", 2)?;
    }
    let mut room = room(t, a[2])?;
    let sizes = sizes(t, a[1], samples.len(), "train_dict", 2)?;
    let samples = Obj::new(t, samples.value());
    let code = t.blocking(|| {
        let s = Bytes::this(samples.value()).as_slice();
        // SAFETY: room, samples and sizes are as stated.
        unsafe {
            ffi::ZDICT_trainFromBuffer(
                room.as_mut_ptr().cast(),
                room.capacity(),
                s.as_ptr().cast(),
                sizes.as_ptr(),
                sizes.len() as u32,
            )
        }
    });
    finish(t, room, code, "train")
}

/// `_zstd.finalize_dict`
pub fn finalize(t: &mut Thread, a: &[Value]) -> Res {
    let content = bytes_argument(t, a[0], "finalize_dict", 1)?;
    let samples = bytes_argument(t, a[1], "finalize_dict", 2)?;
    if Tuple::of(a[2]).is_none() {
        sizes(t, a[2], 0, "finalize_dict", 3)?;
    }
    let mut room = room(t, a[3])?;
    let level = c_int(t, a[4])?;
    let sizes = sizes(t, a[2], samples.len(), "finalize_dict", 3)?;
    let (content, samples) = (Obj::new(t, content.value()), Obj::new(t, samples.value()));
    let code = t.blocking(|| {
        let c = Bytes::this(content.value()).as_slice();
        let s = Bytes::this(samples.value()).as_slice();
        let params = ffi::DictParams {
            level,
            notification: 0,
            id: 0,
        };
        // SAFETY: room, content, samples and sizes are as stated.
        unsafe {
            ffi::ZDICT_finalizeDictionary(
                room.as_mut_ptr().cast(),
                room.capacity(),
                c.as_ptr().cast(),
                c.len(),
                s.as_ptr().cast(),
                sizes.as_ptr(),
                sizes.len() as u32,
                params,
            )
        }
    });
    finish(t, room, code, "finalize")
}
