//! Writing objects: the built-in types.

use super::buffer::{self, PickleBuffer};
use super::ops::{
    DICT as DICT_OP, FROZENSET as FROZENSET_OP, LIST as LIST_OP, TUPLE as TUPLE_OP, *,
};
use super::output::Output;
use super::pickler::Pickler;
use super::{noted, pickling_error, repr_text, type_name};
use weft_objects::bytearray::{BYTEARRAY, ByteArray};
use weft_objects::bytes::{BYTES, Bytes};
use weft_objects::dict::DICT;
use weft_objects::function::FUNCTION;
use weft_objects::list::LIST;
use weft_objects::prelude::*;
use weft_objects::set::{FROZENSET, SET, Set};
use weft_objects::str::STR;
use weft_objects::tuple::TUPLE;
use weft_objects::types::TYPE;
use weft_objects::{float, int};

/// In fast mode objects are looked at for cycles from this depth on.
const FAST_DEPTH: usize = 50;

/// One run of a pickler.
pub struct Dump<'a> {
    pub p: &'a Pickler,
    pub out: Output,
    pub proto: u8,
    pub bin: bool,
    pub fix_imports: bool,
    pub persistent_id: Option<Obj>,
    /// The pickler's own `dispatch_table`.
    pub table: Option<Obj>,
    /// `reducer_override`
    pub reducer: Option<Obj>,
    /// `copyreg.dispatch_table`, once it was needed.
    pub default_table: Option<Obj>,
    pub callback: Option<Obj>,
    /// How deep in containers, in fast mode.
    pub nesting: usize,
    /// In fast mode, the containers around that were entered behind [`FAST_DEPTH`].
    pub open: Vec<u64>,
}

impl Dump<'_> {
    /// The whole pickle of an object.
    pub fn dump(&mut self, t: &mut Thread, v: &Obj) -> Res<()> {
        if self.proto >= 2 {
            self.out.op(PROTO, &[self.proto]);
        }
        self.out.framing = self.proto >= 4;
        self.save(t, v)?;
        self.out.byte(STOP);
        self.out.commit();
        self.out.framing = false;
        self.out.flush(t)
    }

    /// Writes an object, or how to get one that was written before.
    #[inline]
    pub fn save(&mut self, t: &mut Thread, v: &Obj) -> Res<()> {
        self.save_as(t, v, true)
    }

    /// As [`Dump::save`]; `persistent`: it may have a persistent id.
    pub fn save_as(&mut self, t: &mut Thread, v: &Obj, persistent: bool) -> Res<()> {
        self.out.boundary(t)?;
        if persistent && let Some(f) = self.persistent_id.clone() {
            let id = proto::call(t, f.value(), &[v.value()])?;
            if !id.value().is_none() {
                return self.save_persistent(t, &id);
            }
        }
        let x = v.value();
        let ty = type_of(x);
        let atom = !x.is_ptr() || float::is_exact_float(x) || int::is_exact_int(x);
        if atom && self.save_atom(t, x)? {
            return Ok(());
        }
        if let Some(number) = self.p.memo_get(t, x) {
            self.put_get(number);
            return Ok(());
        }
        if ty.is(&STR) {
            return self.save_str(t, x);
        }
        if ty.is(&BYTES) {
            return self.save_bytes(t, v);
        }
        let _guard = t.enter_recursive(" while pickling an object")?;
        if ty.is(&DICT) {
            self.save_dict(t, v)
        } else if ty.is(&TUPLE) {
            self.save_tuple(t, v)
        } else if ty.is(&LIST) {
            self.save_list(t, v)
        } else if ty.is(&SET) {
            self.save_set(t, v)
        } else if ty.is(&FROZENSET) {
            self.save_frozenset(t, v)
        } else if ty.is(&BYTEARRAY) {
            self.save_bytearray(t, v)
        } else if ty.is(&buffer::PICKLE_BUFFER) {
            self.save_buffer(t, v)
        } else {
            self.save_other(t, v)
        }
    }

    /// What has no opcodes of its own.
    fn save_other(&mut self, t: &mut Thread, v: &Obj) -> Res<()> {
        let ty = type_of(v.value());
        if let Some(f) = self.reducer.clone() {
            let r = proto::call(t, f.value(), &[v.value()])?;
            if r.value() != Value::NOT_IMPLEMENTED {
                return self.save_reduced(t, v, &r);
            }
        }
        if ty.is(&TYPE) {
            return self.save_type(t, v);
        }
        if ty.is(&FUNCTION) {
            return self.save_global(t, v, None);
        }
        self.save_by_reduce(t, v)
    }

    // --- numbers and constants ---

    /// False: no atom.
    fn save_atom(&mut self, t: &mut Thread, v: Value) -> Res<bool> {
        if let Some(i) = v.to_int() {
            self.save_int(i);
        } else if v.is_none() {
            self.out.byte(NONE);
        } else if v.is_bool() {
            let yes = v == Value::TRUE;
            match self.proto {
                2.. => self.out.byte(if yes { NEWTRUE } else { NEWFALSE }),
                _ => self.out.op(INT, if yes { b"01\n" } else { b"00\n" }),
            }
        } else if let Some(x) = float::as_f64(v) {
            self.save_float(x);
        } else if v.is_ptr() {
            self.save_big(t, v)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn save_int(&mut self, i: i64) {
        if let Ok(i) = i32::try_from(i) {
            match i {
                _ if !self.bin => {
                    let text = format!("{i}\n");
                    self.out.op(INT, text.as_bytes());
                }
                0..=0xff => self.out.op(BININT1, &[i as u8]),
                0x100..=0xffff => self.out.op(BININT2, &(i as u16).to_le_bytes()),
                _ => self.out.op(BININT, &i.to_le_bytes()),
            }
            return;
        }
        if self.proto < 2 {
            let text = format!("{i}L\n");
            return self.out.op(LONG, text.as_bytes());
        }
        let unused = if i < 0 { !i } else { i }.leading_zeros() - 1;
        let n = 8 - unused as usize / 8;
        self.out.op(LONG1, &[n as u8]);
        self.out.bytes(&i.to_le_bytes()[..n]);
    }

    fn save_big(&mut self, t: &mut Thread, v: Value) -> Res<()> {
        if self.proto < 2 {
            let text = proto::repr(t, v)?;
            self.out.op(LONG, Str::this(text.value()).as_bytes());
            self.out.bytes(b"L\n");
            return Ok(());
        }
        let bytes = int::with_bigint(v, |n| n.to_signed_bytes_le()).unwrap_or_default();
        match u8::try_from(bytes.len()) {
            Ok(n) => self.out.op(LONG1, &[n]),
            Err(_) => match i32::try_from(bytes.len()) {
                Ok(n) => self.out.op(LONG4, &n.to_le_bytes()),
                Err(_) => return Err(t.overflow_error("int too large to pickle")),
            },
        }
        self.out.bytes(&bytes);
        Ok(())
    }

    fn save_float(&mut self, x: f64) {
        if self.bin {
            return self.out.op(BINFLOAT, &x.to_be_bytes());
        }
        let text = weft_objects::text::float::float_repr(x);
        self.out.op(FLOAT, text.as_bytes());
        self.out.bytes(b"\n");
    }

    // --- text and bytes ---

    fn save_str(&mut self, t: &mut Thread, v: Value) -> Res<()> {
        let s = Str::this(v);
        if !self.bin {
            self.out.byte(UNICODE);
            self.out.bytes(&escaped(s));
            self.out.bytes(b"\n");
            self.memoize(t, v);
            return Ok(());
        }
        // Text lies in memory as UTF-8, with lone surrogates as `surrogatepass` encodes them.
        let bytes = s.as_bytes();
        let n = bytes.len();
        if n <= 0xff && self.proto >= 4 {
            self.out.op(SHORT_BINUNICODE, &[n as u8]);
            self.out.bytes(bytes);
        } else {
            let header = match u32::try_from(n) {
                Ok(n) => header(BINUNICODE, &n.to_le_bytes()),
                Err(_) if self.proto >= 4 => header(BINUNICODE8, &(n as u64).to_le_bytes()),
                Err(_) => {
                    let msg = "cannot serialize a string larger than 4 GiB";
                    return Err(t.overflow_error(msg));
                }
            };
            self.out
                .large(t, &header, bytes, |t| Bytes::new(t, bytes))?;
        }
        self.memoize(t, v);
        Ok(())
    }

    fn save_bytes(&mut self, t: &mut Thread, v: &Obj) -> Res<()> {
        let b = Bytes::this(v.value());
        if self.proto < 3 {
            return self.save_old_bytes(t, v, b.as_slice());
        }
        self.write_bytes(t, b.as_slice(), Some(v))?;
        self.memoize(t, v.value());
        Ok(())
    }

    /// Before protocol 3: as a call of `codecs.encode`, which Python 2 knows too.
    fn save_old_bytes(&mut self, t: &mut Thread, v: &Obj, bytes: &[u8]) -> Res<()> {
        if bytes.is_empty() {
            let class = Obj::new(t, BYTES.value());
            return self.save_call(t, class, Tuple::empty(t), v);
        }
        let text = weft_objects::text::wtf8::collect(bytes.iter().map(|b| u32::from(*b)));
        let args = Tuple::pair(t, Str::from_vec(t, text), Str::new(t, "latin1"));
        let encode = super::from_module(t, "codecs", "encode")?;
        self.save_call(t, encode, args, v)
    }

    fn write_bytes(&mut self, t: &mut Thread, bytes: &[u8], whole: Option<&Obj>) -> Res<()> {
        let n = bytes.len();
        let header = match n {
            0..=0xff => header(SHORT_BINBYTES, &[n as u8]),
            0x100..=0xffff_ffff => header(BINBYTES, &(n as u32).to_le_bytes()),
            _ if self.proto >= 4 => header(BINBYTES8, &(n as u64).to_le_bytes()),
            _ => {
                let msg = "serializing a bytes object larger than 4 GiB requires pickle protocol 4 or higher";
                return Err(t.overflow_error(msg));
            }
        };
        self.out.large(t, &header, bytes, |t| match whole {
            Some(o) => o.clone(),
            None => Bytes::new(t, bytes),
        })
    }

    fn write_bytearray(&mut self, t: &mut Thread, bytes: &[u8]) -> Res<()> {
        let header = header(BYTEARRAY8, &(bytes.len() as u64).to_le_bytes());
        self.out.large(t, &header, bytes, |t| Bytes::new(t, bytes))
    }

    fn save_bytearray(&mut self, t: &mut Thread, v: &Obj) -> Res<()> {
        let bytes = ByteArray::this(v.value()).to_vec(t);
        if self.proto >= 5 {
            self.write_bytearray(t, &bytes)?;
            self.memoize(t, v.value());
            return Ok(());
        }
        let class = Obj::new(t, BYTEARRAY.value());
        let args = match bytes.is_empty() {
            true => Tuple::empty(t),
            false => Tuple::from_vec(t, vec![Bytes::from_vec(t, bytes)]),
        };
        self.save_call(t, class, args, v)
    }

    fn save_buffer(&mut self, t: &mut Thread, v: &Obj) -> Res<()> {
        if self.proto < 5 {
            let msg = "PickleBuffer can only be pickled with protocol >= 5";
            return Err(pickling_error(t, msg));
        }
        let Some(p) = PickleBuffer::of(v.value()) else {
            return Ok(());
        };
        let b = p.get(t, false)?;
        if !buffer::in_one_piece(&b) {
            let msg = "PickleBuffer can not be pickled when pointing to a non-contiguous buffer";
            return Err(pickling_error(t, msg));
        }
        let in_band = match self.callback.clone() {
            Some(f) => {
                let r = proto::call(t, f.value(), &[v.value()])?;
                proto::truth(t, r.value())?
            }
            None => true,
        };
        if !in_band {
            self.out.byte(NEXT_BUFFER);
            if b.readonly {
                self.out.byte(READONLY_BUFFER);
            }
            return Ok(());
        }
        let b = buffer::as_row(b);
        match b.readonly {
            true => self.write_bytes(t, b.as_bytes(), None)?,
            false => {
                let bytes = b.as_bytes().to_vec();
                self.write_bytearray(t, &bytes)?;
            }
        }
        self.memoize(t, v.value());
        Ok(())
    }

    // --- containers ---

    fn save_tuple(&mut self, t: &mut Thread, v: &Obj) -> Res<()> {
        let n = Tuple::this(v.value()).len();
        if n == 0 {
            match self.bin {
                true => self.out.byte(EMPTY_TUPLE),
                false => self.out.op(MARK, &[TUPLE_OP]),
            }
            return Ok(());
        }
        let short = n <= 3 && self.proto >= 2;
        if !short {
            self.out.byte(MARK);
        }
        self.enter(t, v)?;
        for i in 0..n {
            let item = Obj::new(t, Tuple::this(v.value()).get(i));
            if let Err(e) = self.save(t, &item) {
                return Err(item_note(t, e, v, i));
            }
        }
        self.leave();
        // A tuple that its own items lead back to has been written meanwhile: that one is taken.
        if let Some(number) = self.p.memo_get(t, v.value()) {
            match (short, self.bin) {
                (true, _) => self.out.bytes(&[POP; 3][..n]),
                (false, true) => self.out.byte(POP_MARK),
                (false, false) => (0..=n).for_each(|_| self.out.byte(POP)),
            }
            self.put_get(number);
            return Ok(());
        }
        self.out.byte(match (short, n) {
            (true, 1) => TUPLE1,
            (true, 2) => TUPLE2,
            (true, _) => TUPLE3,
            _ => TUPLE_OP,
        });
        self.memoize(t, v.value());
        Ok(())
    }

    fn save_list(&mut self, t: &mut Thread, v: &Obj) -> Res<()> {
        match self.bin {
            true => self.out.byte(EMPTY_LIST),
            false => self.out.op(MARK, &[LIST_OP]),
        }
        self.memoize(t, v.value());
        self.enter(t, v)?;
        self.save_list_items(t, v)?;
        self.leave();
        Ok(())
    }

    fn save_list_items(&mut self, t: &mut Thread, v: &Obj) -> Res<()> {
        let list = List::this(v.value());
        let single = !self.bin || list.len() == 1;
        let (mut i, mut pending) = (0, 0);
        while let Some(item) = list.get(t, i).map(|x| x.to_obj(t)) {
            if !single && pending == 0 {
                self.out.byte(MARK);
            }
            if let Err(e) = self.save(t, &item) {
                return Err(item_note(t, e, v, i));
            }
            i += 1;
            pending += 1;
            if single {
                self.out.byte(APPEND);
            } else if pending == BATCH {
                self.out.byte(APPENDS);
                pending = 0;
            }
            // A list that has shrunk to one item still has the mark that was written.
        }
        if !single && pending > 0 {
            self.out.byte(APPENDS);
        }
        Ok(())
    }

    fn save_dict(&mut self, t: &mut Thread, v: &Obj) -> Res<()> {
        match self.bin {
            true => self.out.byte(EMPTY_DICT),
            false => self.out.op(MARK, &[DICT_OP]),
        }
        self.memoize(t, v.value());
        self.enter(t, v)?;
        self.save_dict_items(t, v)?;
        self.leave();
        Ok(())
    }

    fn save_dict_items(&mut self, t: &mut Thread, v: &Obj) -> Res<()> {
        let d = Dict::of_obj(v);
        let n = d.len();
        let single = !self.bin || n == 1;
        let (mut pos, mut pending) = (0, 0);
        while let Some((k, x)) = d.next(t, &mut pos) {
            let (k, x) = (k.to_obj(t), x.to_obj(t));
            if !single && pending == 0 {
                self.out.byte(MARK);
            }
            self.save_item(t, v, &k, &x)?;
            pending += 1;
            if single {
                self.out.byte(SETITEM);
            } else if pending == BATCH {
                self.out.byte(SETITEMS);
                pending = 0;
            }
            if d.len() != n {
                return Err(t.runtime_error("dictionary changed size during iteration"));
            }
        }
        if !single && pending > 0 {
            self.out.byte(SETITEMS);
        }
        Ok(())
    }

    /// A key and its value.
    pub fn save_item(&mut self, t: &mut Thread, of: &Obj, k: &Obj, x: &Obj) -> Res<()> {
        self.save(t, k)?;
        if let Err(e) = self.save(t, x) {
            return Err(noted(t, e, |t| {
                let key = repr_text(t, k.value()).unwrap_or_else(|_| {
                    t.clear_exc();
                    "?".to_owned()
                });
                format!("when serializing {} item {key}", type_name(t, of.value()))
            }));
        }
        Ok(())
    }

    fn save_set(&mut self, t: &mut Thread, v: &Obj) -> Res<()> {
        if self.proto < 4 {
            return self.save_set_as_call(t, v, &SET);
        }
        self.out.byte(EMPTY_SET);
        self.memoize(t, v.value());
        self.enter(t, v)?;
        let set = Set::this(v.value());
        let n = set.len();
        let (mut pos, mut more) = (0, n > 0);
        while more {
            let mut count = 0;
            self.out.byte(MARK);
            while count < BATCH {
                let Some(item) = set.next(t, &mut pos).map(|(_, k)| k.to_obj(t)) else {
                    break;
                };
                self.save_element(t, v, &item)?;
                count += 1;
                if set.len() != n {
                    return Err(t.runtime_error("set changed size during iteration"));
                }
            }
            self.out.byte(ADDITEMS);
            more = count == BATCH;
        }
        self.leave();
        Ok(())
    }

    fn save_element(&mut self, t: &mut Thread, of: &Obj, item: &Obj) -> Res<()> {
        match self.save(t, item) {
            Ok(()) => Ok(()),
            Err(e) => Err(noted(t, e, |t| {
                format!("when serializing {} element", type_name(t, of.value()))
            })),
        }
    }

    fn save_set_as_call(&mut self, t: &mut Thread, v: &Obj, class: &'static Type) -> Res<()> {
        let items = Set::this(v.value()).to_vec(t);
        let args = Tuple::from_vec(t, vec![List::from_vec(t, items)]);
        let class = Obj::new(t, class.value());
        self.save_call(t, class, args, v)
    }

    fn save_frozenset(&mut self, t: &mut Thread, v: &Obj) -> Res<()> {
        if self.proto < 4 {
            return self.save_set_as_call(t, v, &FROZENSET);
        }
        self.out.byte(MARK);
        self.enter(t, v)?;
        let (set, mut pos) = (Set::this(v.value()), 0);
        while let Some(item) = set.next(t, &mut pos).map(|(_, k)| k.to_obj(t)) {
            self.save_element(t, v, &item)?;
        }
        self.leave();
        if let Some(number) = self.p.memo_get(t, v.value()) {
            self.out.byte(POP_MARK);
            self.put_get(number);
            return Ok(());
        }
        self.out.byte(FROZENSET_OP);
        self.memoize(t, v.value());
        Ok(())
    }

    // --- the memo ---

    /// Notes what was written last.
    pub fn memoize(&mut self, t: &Thread, v: Value) {
        if self.p.fast.get() != 0 {
            return;
        }
        let number = self.p.memo_put(t, v);
        if self.proto >= 4 {
            self.out.byte(MEMOIZE);
        } else {
            self.numbered(number, PUT, BINPUT, LONG_BINPUT);
        }
    }

    /// Takes a number's object from the memo.
    pub fn put_get(&mut self, number: usize) {
        self.numbered(number, GET, BINGET, LONG_BINGET);
    }

    fn numbered(&mut self, number: usize, text: u8, short: u8, long: u8) {
        if !self.bin {
            let digits = format!("{number}\n");
            self.out.op(text, digits.as_bytes());
        } else if let Ok(n) = u8::try_from(number) {
            self.out.op(short, &[n]);
        } else {
            self.out.op(long, &(number as u32).to_le_bytes());
        }
    }

    /// Goes into a container. Without a memo, which the fast mode does not keep, cycles are found once they have gone deep.
    pub fn enter(&mut self, t: &Thread, v: &Obj) -> Res<()> {
        if self.p.fast.get() == 0 {
            return Ok(());
        }
        self.nesting += 1;
        if self.nesting < FAST_DEPTH {
            return Ok(());
        }
        let word = v.value().0;
        if self.open.contains(&word) {
            let (name, at) = (type_of(v.value()).name(), proto::address(v.value()));
            return Err(t.value_error(format!(
                "fast mode: can't pickle cyclic objects including object type {name} at {at:#x}"
            )));
        }
        self.open.push(word);
        Ok(())
    }

    /// Leaves the container that was entered last.
    pub fn leave(&mut self) {
        if self.nesting == 0 {
            return;
        }
        if self.nesting >= FAST_DEPTH {
            self.open.pop();
        }
        self.nesting -= 1;
    }
}

fn header(op: u8, number: &[u8]) -> Vec<u8> {
    let mut h = Vec::with_capacity(FRAME_HEADER);
    h.push(op);
    h.extend_from_slice(number);
    h
}

/// The note of an item that could not be written.
#[cold]
pub fn item_note(t: &mut Thread, e: Raised, of: &Obj, i: usize) -> Raised {
    noted(t, e, |t| {
        format!("when serializing {} item {i}", type_name(t, of.value()))
    })
}

/// Text in one line: Latin-1, all else and what would end the line as `\u` escapes.
fn escaped(s: &Str) -> Vec<u8> {
    let mut out = Vec::with_capacity(s.as_bytes().len() + 2);
    for c in weft_objects::text::wtf8::code_points(s.as_bytes()) {
        match c {
            0x10000.. => out.extend_from_slice(format!("\\U{c:08x}").as_bytes()),
            0x100.. | 0 | 0x0a | 0x0d | 0x1a | 0x5c => {
                out.extend_from_slice(format!("\\u{c:04x}").as_bytes());
            }
            _ => out.push(c as u8),
        }
    }
    out
}
