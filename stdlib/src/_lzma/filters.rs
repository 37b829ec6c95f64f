//! Chains of filters: what programs write as dicts.

use super::{Failure, lzma_error, raise, u32_arg};
use crate::support::int_obj;
use liblzma_sys as lz;
use weft_objects::buffer;
use weft_objects::bytes::Bytes;
use weft_objects::int;
use weft_objects::prelude::*;

/// Most filters in a chain.
const MOST: usize = 4;

/// Options of the delta filter, which has one kind only.
#[repr(C)]
struct Delta {
    kind: u32,
    dist: u32,
    /// Room that the library keeps for later.
    reserved: [u64; 8],
}

enum Options {
    Lzma(Box<lz::lzma_options_lzma>),
    Delta(Box<Delta>),
    Bcj(Box<lz::lzma_options_bcj>),
}

impl Options {
    fn as_ptr(&self) -> *mut std::ffi::c_void {
        match self {
            Options::Lzma(o) => (&raw const **o).cast_mut().cast(),
            Options::Delta(o) => (&raw const **o).cast_mut().cast(),
            Options::Bcj(o) => (&raw const **o).cast_mut().cast(),
        }
    }
}

/// A chain, with an end mark as the library wants it.
pub struct Chain {
    list: Vec<lz::lzma_filter>,
    options: Vec<Options>,
}

/// The options of a preset; `None`: there is none with this number.
pub fn preset(n: u32) -> Option<lz::lzma_options_lzma> {
    // SAFETY: numbers and null pointers; the call fills them in.
    unsafe {
        let mut o: lz::lzma_options_lzma = std::mem::zeroed();
        (lz::lzma_lzma_preset(&mut o, n) == 0).then_some(o)
    }
}

impl Chain {
    fn of(filters: Vec<(u64, Options)>) -> Chain {
        let mut chain = Chain {
            list: Vec::new(),
            options: Vec::new(),
        };
        for (id, options) in filters {
            chain.list.push(lz::lzma_filter {
                id,
                options: options.as_ptr(),
            });
            chain.options.push(options);
        }
        chain.list.push(lz::lzma_filter {
            id: lz::LZMA_VLI_UNKNOWN,
            options: std::ptr::null_mut(),
        });
        chain
    }

    /// The chain that a sequence of dicts describes.
    pub fn parse(t: &mut Thread, v: Value) -> Res<Chain> {
        if !proto::is_sequence(t, v) {
            let got = type_of(v).name();
            return Err(t.type_error(format!("'{got}' object is not a sequence")));
        }
        let specs = proto::to_vec(t, v)?;
        if specs.len() > MOST {
            return Err(t.value_error(format!(
                "Too many filters - liblzma supports a maximum of {MOST}"
            )));
        }
        let mut filters = Vec::new();
        for spec in specs {
            filters.push(filter(t, spec.value())?);
        }
        Ok(Chain::of(filters))
    }

    pub fn as_ptr(&self) -> *const lz::lzma_filter {
        self.list.as_ptr()
    }

    /// The options, if this is one filter of the first kind and nothing else.
    pub fn only_lzma1(&self) -> Option<*const lz::lzma_options_lzma> {
        match self.options.as_slice() {
            [Options::Lzma(o)] if self.list[0].id == lz::LZMA_FILTER_LZMA1 => Some(&raw const **o),
            _ => None,
        }
    }
}

/// The value of a key of a specification, if it has it.
fn entry(t: &mut Thread, spec: Value, key: &str) -> Res<Option<Obj>> {
    let key = Str::new(t, key);
    match proto::get_item(t, spec, key.value()) {
        Ok(v) => Ok(Some(v)),
        Err(_) if t.exc_matches(&errors::KEY_ERROR) => {
            t.clear_exc();
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

fn number(t: &mut Thread, spec: Value, key: &str) -> Res<Option<u32>> {
    match entry(t, spec, key)? {
        Some(v) => u32_arg(t, v.value()).map(Some),
        None => Ok(None),
    }
}

/// Refuses a specification with other keys than these.
fn only(t: &mut Thread, spec: Value, keys: &[&str], what: &str) -> Res<()> {
    let names = proto::to_vec(t, spec)?;
    let known =
        |k: &Obj| Str::of(k.value()).is_some_and(|s| s.is("id") || keys.iter().any(|k| s.is(k)));
    if names.iter().all(known) {
        return Ok(());
    }
    Err(t.value_error(format!("Invalid filter specifier for {what} filter")))
}

fn filter_id(t: &mut Thread, spec: Value) -> Res<u64> {
    if !type_of(spec).slots.get_item.is_set()
        || Tuple::of(spec).is_some()
        || Str::of(spec).is_some()
        || List::of(spec).is_some()
        || Bytes::of(spec).is_some()
    {
        let msg = "Filter specifier must be a dict or dict-like object";
        return Err(t.type_error(msg.into()));
    }
    let Some(id) = entry(t, spec, "id")? else {
        return Err(t.value_error("Filter specifier must have an \"id\" entry"));
    };
    let i = proto::index(t, id.value())?;
    match int::to_bigint(i.value()).map(|b| num_traits::ToPrimitive::to_u64(&b)) {
        Some(Some(n)) => Ok(n),
        _ => Err(t.overflow_error("int too big to convert")),
    }
}

fn filter(t: &mut Thread, spec: Value) -> Res<(u64, Options)> {
    let id = filter_id(t, spec)?;
    let options = match id {
        lz::LZMA_FILTER_LZMA1 | lz::LZMA_FILTER_LZMA2 => Options::Lzma(lzma_options(t, spec)?),
        lz::LZMA_FILTER_DELTA => {
            only(t, spec, &["dist"], "delta")?;
            let dist = number(t, spec, "dist")?.unwrap_or(1);
            Options::Delta(Box::new(Delta {
                kind: 0,
                dist,
                reserved: [0; 8],
            }))
        }
        lz::LZMA_FILTER_X86
        | lz::LZMA_FILTER_POWERPC
        | lz::LZMA_FILTER_IA64
        | lz::LZMA_FILTER_ARM
        | lz::LZMA_FILTER_ARMTHUMB
        | lz::LZMA_FILTER_SPARC => {
            only(t, spec, &["start_offset"], "BCJ")?;
            let start_offset = number(t, spec, "start_offset")?.unwrap_or(0);
            Options::Bcj(Box::new(lz::lzma_options_bcj { start_offset }))
        }
        _ => return Err(t.value_error(format!("Invalid filter ID: {id}"))),
    };
    Ok((id, options))
}

fn lzma_options(t: &mut Thread, spec: Value) -> Res<Box<lz::lzma_options_lzma>> {
    const KEYS: [&str; 9] = [
        "preset",
        "dict_size",
        "lc",
        "lp",
        "pb",
        "mode",
        "nice_len",
        "mf",
        "depth",
    ];
    let n = number(t, spec, "preset")?.unwrap_or(lz::LZMA_PRESET_DEFAULT);
    let Some(mut o) = preset(n) else {
        return Err(lzma_error(t, format!("Invalid compression preset: {n}")));
    };
    only(t, spec, &KEYS, "LZMA")?;
    for (i, key) in KEYS.iter().enumerate().skip(1) {
        let Some(n) = number(t, spec, key)? else {
            continue;
        };
        match i {
            1 => o.dict_size = n,
            2 => o.lc = n,
            3 => o.lp = n,
            4 => o.pb = n,
            5 => o.mode = n as lz::lzma_mode,
            6 => o.nice_len = n,
            7 => o.mf = n as lz::lzma_match_finder,
            _ => o.depth = n,
        }
    }
    Ok(Box::new(o))
}

pub fn encode_properties(t: &mut Thread, a: &[Value]) -> Res {
    let chain = Chain::of(vec![filter(t, a[0])?]);
    let mut size = 0;
    // SAFETY: a filter with its options.
    let code = unsafe { lz::lzma_properties_size(&mut size, chain.as_ptr()) };
    if code != lz::LZMA_OK {
        return Err(raise(t, Failure(code)));
    }
    let mut out = vec![0u8; size as usize];
    // SAFETY: a filter with its options, and as much room as was asked for.
    let code = unsafe { lz::lzma_properties_encode(chain.as_ptr(), out.as_mut_ptr()) };
    if code != lz::LZMA_OK {
        return Err(raise(t, Failure(code)));
    }
    Ok(Bytes::from_vec(t, out).into())
}

pub fn decode_properties(t: &mut Thread, a: &[Value]) -> Res {
    let i = proto::index(t, a[0])?;
    let id = match int::to_bigint(i.value()).map(|b| num_traits::ToPrimitive::to_u64(&b)) {
        Some(Some(n)) => n,
        _ => return Err(t.overflow_error("int too big to convert")),
    };
    let props = buffer::with_bytes(t, a[1], <[u8]>::to_vec)?;
    let mut f = lz::lzma_filter {
        id,
        options: std::ptr::null_mut(),
    };
    // SAFETY: so many bytes; the options are made by the C allocator, as none is given.
    let code = unsafe {
        lz::lzma_properties_decode(&mut f, std::ptr::null(), props.as_ptr(), props.len())
    };
    if code != lz::LZMA_OK {
        return Err(raise(t, Failure(code)));
    }
    // SAFETY: the options are of the filter's kind, or null.
    let (id_obj, fields) = (Obj::own(int::from_u64(t, id)), unsafe { described(&f) });
    // SAFETY: made by the C allocator, freed once.
    unsafe { libc::free(f.options) };
    let Some(fields) = fields else {
        return Err(t.value_error(format!("Invalid filter ID: {id}")));
    };
    let d = Dict::new(t);
    if let Some(d) = Dict::exact(d.value()) {
        d.set_str(t, weft_objects::id!(t, "id"), id_obj.value());
        for (name, n) in fields {
            let n = int_obj(t, n.into());
            d.set_str(t, weft_objects::names::get(t, name), n.value());
        }
    }
    Ok(d.into())
}

/// What the properties of a filter say.
///
/// # Safety
/// The options are of the filter's kind, or null.
unsafe fn described(f: &lz::lzma_filter) -> Option<Vec<(&'static str, u32)>> {
    // SAFETY: the caller's promise.
    unsafe {
        match f.id {
            lz::LZMA_FILTER_LZMA1 => {
                let o = &*(f.options as *const lz::lzma_options_lzma);
                Some(vec![
                    ("dict_size", o.dict_size),
                    ("lc", o.lc),
                    ("lp", o.lp),
                    ("pb", o.pb),
                ])
            }
            lz::LZMA_FILTER_LZMA2 => {
                let o = &*(f.options as *const lz::lzma_options_lzma);
                Some(vec![("dict_size", o.dict_size)])
            }
            lz::LZMA_FILTER_DELTA => {
                let o = &*(f.options as *const Delta);
                Some(vec![("dist", o.dist)])
            }
            lz::LZMA_FILTER_X86
            | lz::LZMA_FILTER_POWERPC
            | lz::LZMA_FILTER_IA64
            | lz::LZMA_FILTER_ARM
            | lz::LZMA_FILTER_ARMTHUMB
            | lz::LZMA_FILTER_SPARC => {
                let p = f.options as *const lz::lzma_options_bcj;
                Some(
                    p.as_ref()
                        .map_or(Vec::new(), |o| vec![("start_offset", o.start_offset)]),
                )
            }
            _ => None,
        }
    }
}
