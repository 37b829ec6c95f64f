//! The methods of arrays.

use super::{ARRAY, Array, count_obj, pickle};
use weft_objects::buffer;
use weft_objects::bytes::Bytes;
use weft_objects::generic_alias::class_getitem;
use weft_objects::prelude::*;
use weft_objects::str::index;
use weft_objects::text::wtf8;

/// The text of an array of characters.
pub fn to_text(t: &mut Thread, a: &Array) -> Res<Obj> {
    let data = a.to_vec(t);
    let mut out = Vec::with_capacity(data.len() / 4);
    for item in data.chunks_exact(4) {
        let c = u32::from_ne_bytes([item[0], item[1], item[2], item[3]]);
        if c > 0x10_ffff {
            return Err(t.value_error(format!(
                "character U+{c:x} is not in range [U+0000; U+10ffff]"
            )));
        }
        wtf8::push(&mut out, c);
    }
    Ok(Str::from_vec(t, out))
}

/// Appends characters.
pub fn push_text(t: &mut Thread, a: &Array, s: &Str) -> Res<()> {
    let mut out = Vec::with_capacity(s.len() * 4);
    for c in s.text().code_points() {
        out.extend_from_slice(&c.to_ne_bytes());
    }
    a.push_bytes(t, &out)
}

fn buffer_info(t: &mut Thread, a: &[Value]) -> Res {
    let this = Array::this(a[0]);
    let (at, n) = this.with(t, |b| (b.as_ptr() as usize, b.len()));
    let (at, n) = (count_obj(t, at), count_obj(t, n / this.code.size()));
    Ok(Tuple::pair(t, Obj::own(at), Obj::own(n)).into())
}

fn byteswap(t: &mut Thread, a: &[Value]) -> Res {
    let this = Array::this(a[0]);
    this.with(t, |b| {
        b.chunks_exact_mut(this.code.size())
            .for_each(<[u8]>::reverse)
    });
    Ok(Value::NONE)
}

fn count(t: &mut Thread, a: &[Value]) -> Res {
    let this = Array::this(a[0]);
    let (mut n, mut i) = (0, 0);
    while let Some(item) = this.get(t, i)? {
        n += usize::from(proto::eq(t, item.value(), a[1])?);
        i += 1;
    }
    Ok(count_obj(t, n))
}

fn index_of(t: &mut Thread, a: &[Value]) -> Res {
    let this = Array::this(a[0]);
    let start = index::size_or(t, a[2], 0)?;
    let stop = index::size_or(t, a[3], isize::MAX)?;
    let len = this.len(t) as isize;
    let adjust = |i: isize| if i < 0 { (i + len).max(0) } else { i } as usize;
    match this.find(t, a[1], adjust(start), adjust(stop))? {
        Some(i) => Ok(count_obj(t, i)),
        None => Err(t.value_error("array.index(x): x not in array")),
    }
}

fn insert(t: &mut Thread, a: &[Value]) -> Res {
    let this = Array::this(a[0]);
    let at = index::size(t, a[1])?;
    let size = this.code.size();
    let bits = this.code.pack(t, a[2])?;
    this.resize(t, |b| {
        let n = (b.len() / size) as isize;
        let at = if at < 0 { (at + n).max(0) } else { at.min(n) } as usize * size;
        b.splice(at..at, bits[..size].iter().copied());
    })?;
    Ok(Value::NONE)
}

fn pop(t: &mut Thread, a: &[Value]) -> Res {
    let this = Array::this(a[0]);
    let at = index::size_or(t, a[1], -1)?;
    let n = this.len(t);
    if n == 0 {
        return Err(t.index_error("pop from empty array"));
    }
    let i = if at < 0 { at + n as isize } else { at };
    let found = match usize::try_from(i) {
        Ok(i) => this.get(t, i)?.map(|item| (i, item)),
        Err(_) => None,
    };
    let Some((i, item)) = found else {
        return Err(t.index_error("pop index out of range"));
    };
    remove_at(t, this, i)?;
    Ok(item.into())
}

fn remove_at(t: &mut Thread, a: &Array, i: usize) -> Res<()> {
    let size = a.code.size();
    a.resize(t, |b| {
        if b.len() >= (i + 1) * size {
            b.drain(i * size..(i + 1) * size);
        }
    })
}

fn remove(t: &mut Thread, a: &[Value]) -> Res {
    let this = Array::this(a[0]);
    match this.find(t, a[1], 0, usize::MAX)? {
        Some(i) => remove_at(t, this, i).map(|()| Value::NONE),
        None => Err(t.value_error("array.remove(x): x not in array")),
    }
}

fn reverse(t: &mut Thread, a: &[Value]) -> Res {
    let this = Array::this(a[0]);
    this.with(t, |b| {
        b.reverse();
        b.chunks_exact_mut(this.code.size())
            .for_each(<[u8]>::reverse);
    });
    Ok(Value::NONE)
}

fn from_file(t: &mut Thread, a: &[Value]) -> Res {
    let this = Array::this(a[0]);
    let n = index::size(t, a[2])?;
    if n < 0 {
        return Err(t.value_error("negative count"));
    }
    let Some(want) = (n as usize)
        .checked_mul(this.code.size())
        .filter(|n| *n <= isize::MAX as usize)
    else {
        return Err(t.memory_error());
    };
    let size = Obj::own(count_obj(t, want));
    let data = proto::call_method(t, a[1], "read", &[size.value()])?;
    let Some(b) = Bytes::of(data.value()) else {
        return Err(t.type_error("read() didn't return bytes".into()));
    };
    let got = b.len();
    this.push_bytes(t, b.as_slice())?;
    if got != want {
        return Err(t.raise(&errors::EOF_ERROR, "read() didn't return enough bytes"));
    }
    Ok(Value::NONE)
}

/// Bytes written at a time.
const BLOCK: usize = 64 * 1024;

fn to_file(t: &mut Thread, a: &[Value]) -> Res {
    let data = Array::this(a[0]).to_vec(t);
    for block in data.chunks(BLOCK) {
        let block = Bytes::new(t, block);
        proto::call_method(t, a[1], "write", &[block.value()])?;
    }
    Ok(Value::NONE)
}

fn from_list(t: &mut Thread, a: &[Value]) -> Res {
    let this = Array::this(a[0]);
    let Some(list) = List::of(a[1]) else {
        return Err(t.type_error("arg must be list".into()));
    };
    // All or none of it.
    let mut out = Vec::new();
    let mut i = 0;
    while let Some(item) = list.get(t, i).map(|v| v.to_obj(t)) {
        out.extend_from_slice(&this.code.pack(t, item.value())?[..this.code.size()]);
        i += 1;
    }
    this.push_bytes(t, &out)?;
    Ok(Value::NONE)
}

fn from_bytes(t: &mut Thread, a: &[Value]) -> Res {
    let b = buffer::get(t, a[1])?;
    if b.itemsize() != 1 {
        return Err(t.type_error("a bytes-like object is required".into()));
    }
    // A view of this very array is none of it any more when it grows.
    let bytes = b.to_vec();
    drop(b);
    Array::this(a[0]).push_bytes(t, &bytes)?;
    Ok(Value::NONE)
}

fn text_only(t: &mut Thread, a: &Array, what: &str) -> Res<()> {
    if a.code.is_text() {
        return Ok(());
    }
    Err(t.value_error(format!(
        "{what}() may only be called on unicode type arrays ('u' or 'w')"
    )))
}

fn from_unicode(t: &mut Thread, a: &[Value]) -> Res {
    let this = Array::this(a[0]);
    let Some(s) = Str::of(a[1]) else {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!("fromunicode() argument must be str, not {got}")));
    };
    text_only(t, this, "fromunicode")?;
    push_text(t, this, s)?;
    Ok(Value::NONE)
}

fn copy(t: &mut Thread, a: &[Value]) -> Res {
    let this = Array::this(a[0]);
    let data = this.to_vec(t);
    Ok(Array::new(t, &ARRAY, this.code, data).into())
}

pub const METHODS: &[NativeDef] = &[
    NativeDef::new("append", "($self, v, /)", |t, a| {
        Array::this(a[0]).push(t, a[1])?;
        Ok(Value::NONE)
    })
    .doc("Append new value v to the end of the array."),
    NativeDef::new("buffer_info", "($self, /)", buffer_info).doc(
        "Return a tuple (address, length) giving the current memory address and the length in items of the buffer used \
         to hold array's contents.",
    ),
    NativeDef::new("byteswap", "($self, /)", byteswap).doc("Byteswap all items of the array."),
    NativeDef::new("clear", "($self, /)", |t, a| {
        Array::this(a[0]).resize(t, |b| *b = Vec::new())?;
        Ok(Value::NONE)
    })
    .doc("Remove all items from the array."),
    NativeDef::new("count", "($self, v, /)", count).doc("Return number of occurrences of v in the array."),
    NativeDef::new("extend", "($self, bb, /)", |t, a| {
        Array::this(a[0]).extend(t, a[1])?;
        Ok(Value::NONE)
    })
    .doc("Append items to the end of the array."),
    NativeDef::new("frombytes", "($self, buffer, /)", from_bytes).doc(
        "Appends items from the string, interpreting it as an array of machine values, as if it had been read from a \
         file using the fromfile() method.",
    ),
    NativeDef::new("fromfile", "($self, f, n, /)", from_file)
        .doc("Read n objects from the file object f and append them to the end of the array."),
    NativeDef::new("fromlist", "($self, list, /)", from_list).doc("Append items to array from list."),
    NativeDef::new("fromunicode", "($self, ustr, /)", from_unicode)
        .doc("Extends this array with data from the unicode string ustr."),
    NativeDef::new("index", "($self, v, start=0, stop=sys.maxsize, /)", index_of)
        .doc("Return index of first occurrence of v in the array.\n\nRaise ValueError if the value is not present."),
    NativeDef::new("insert", "($self, i, v, /)", insert).doc("Insert a new item v into the array before position i."),
    NativeDef::new("pop", "($self, i=-1, /)", pop).doc("Return the i-th element and delete it from the array."),
    NativeDef::new("remove", "($self, v, /)", remove).doc("Remove the first occurrence of v in the array."),
    NativeDef::new("reverse", "($self, /)", reverse).doc("Reverse the order of the items in the array."),
    NativeDef::new("tobytes", "($self, /)", |t, a| {
        let data = Array::this(a[0]).to_vec(t);
        Ok(Bytes::from_vec(t, data).into())
    })
    .doc("Convert the array to an array of machine values and return the bytes representation."),
    NativeDef::new("tofile", "($self, f, /)", to_file).doc("Write all items (as machine values) to the file object f."),
    NativeDef::new("tolist", "($self, /)", |t, a| {
        let items = Array::this(a[0]).to_objects(t)?;
        Ok(List::from_vec(t, items).into())
    })
    .doc("Convert array to an ordinary list with the same items."),
    NativeDef::new("tounicode", "($self, /)", |t, a| {
        let this = Array::this(a[0]);
        text_only(t, this, "tounicode")?;
        to_text(t, this).map(Obj::into_value)
    })
    .doc("Convert the array to a unicode string."),
    NativeDef::new("__copy__", "($self, /)", copy),
    NativeDef::new("__deepcopy__", "($self, unused, /)", copy),
    NativeDef::new("__reduce_ex__", "($self, value, /)", pickle::reduce),
    NativeDef::new("__sizeof__", "($self, /)", |t, a| {
        let n = Array::this(a[0]).with(t, |b| b.len());
        Ok(count_obj(t, 64 + n))
    }),
    NativeDef::class("__class_getitem__", "($type, object, /)", class_getitem),
];
