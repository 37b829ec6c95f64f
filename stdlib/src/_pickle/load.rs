//! Reading a pickle: the machine that its opcodes drive.

use super::input::Input;
use super::ops::*;
use super::unpickler::{Unpickler, find_class, no_persistent_load};
use super::{from_module, unpickling_error};
use weft_objects::bytearray::ByteArray;
use weft_objects::bytes::Bytes;
use weft_objects::cell::own;
use weft_objects::instance::Instance;
use weft_objects::prelude::*;
use weft_objects::set::Set;
use weft_objects::str::{codecs, text_error};
use weft_objects::text::{self, codec::Encoding};
use weft_objects::types::type_flags as tf;
use weft_objects::{descr, float, int, memoryview};

/// One run of an unpickler.
pub struct Load<'a> {
    pub u: &'a Unpickler,
    pub input: Input,
    pub stack: Vec<Obj>,
    /// Places in the stack.
    pub marks: Vec<usize>,
    /// Methods of a subclass.
    pub find_class: Option<Obj>,
    pub persistent_load: Option<Obj>,
}

impl Load<'_> {
    /// Reads up to the end of the pickle.
    pub fn run(&mut self, t: &mut Thread) -> Res<Obj> {
        loop {
            let op = match self.input.byte(t) {
                Ok(op) => op,
                Err(e) => return Err(no_opcode(t, e)),
            };
            if op == STOP {
                return self.pop(t);
            }
            self.step(t, op)?;
        }
    }

    #[inline]
    fn step(&mut self, t: &mut Thread, op: u8) -> Res<()> {
        let made = match op {
            NONE => none(),
            BININT => {
                let i = i32::from_le_bytes(self.input.array(t)?);
                small(i.into())
            }
            BININT1 => small(self.input.byte(t)?.into()),
            BININT2 => small(u16::from_le_bytes(self.input.array(t)?).into()),
            NEWTRUE => Obj::from_raw(Value::TRUE),
            NEWFALSE => Obj::from_raw(Value::FALSE),
            BINFLOAT => {
                let x = f64::from_be_bytes(self.input.array(t)?);
                Obj::own(float::from_f64(t, x))
            }
            SHORT_BINUNICODE => {
                let n = self.input.byte(t)?.into();
                self.utf8(t, n)?
            }
            BINUNICODE => {
                let n = self.size4(t)?;
                self.utf8(t, n)?
            }
            EMPTY_TUPLE => Tuple::empty(t),
            EMPTY_LIST => List::new(t),
            EMPTY_DICT => Dict::new(t),
            TUPLE1 => self.short_tuple(t, 1)?,
            TUPLE2 => self.short_tuple(t, 2)?,
            TUPLE3 => self.short_tuple(t, 3)?,
            TUPLE => {
                let items = self.pop_mark(t)?;
                Tuple::from_vec(t, items)
            }
            BINGET => {
                let i = self.input.byte(t)?.into();
                self.get(t, i)?
            }
            LONG_BINGET => {
                let i = self.size4(t)?;
                self.get(t, i)?
            }
            _ => return self.effect(t, op),
        };
        self.stack.push(made);
        Ok(())
    }

    /// Opcodes that do more than push what they read.
    fn effect(&mut self, t: &mut Thread, op: u8) -> Res<()> {
        match op {
            MEMOIZE => self.put(t, None),
            BINPUT => {
                let i = self.input.byte(t)?.into();
                self.put(t, Some(i))
            }
            LONG_BINPUT => {
                let i = self.size4(t)?;
                self.put(t, Some(i))
            }
            PUT => {
                let i = self.index_line(t)?;
                match usize::try_from(i) {
                    Ok(i) => self.put(t, Some(i)),
                    Err(_) => {
                        self.top(t)?;
                        Err(t.value_error("negative PUT argument"))
                    }
                }
            }
            MARK => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            APPEND => {
                let at = self.stack.len().wrapping_sub(1);
                self.append(t, at)
            }
            APPENDS => {
                let at = self.mark(t)?;
                self.append(t, at)
            }
            SETITEM => {
                let at = self.stack.len().wrapping_sub(2);
                self.set_items(t, at)
            }
            SETITEMS => {
                let at = self.mark(t)?;
                self.set_items(t, at)
            }
            ADDITEMS => self.add_items(t),
            REDUCE => self.reduce(t),
            BUILD => self.build(t),
            FRAME => self.frame(t),
            PROTO => self.protocol(t),
            POP => self.drop_top(t),
            POP_MARK => {
                let at = self.mark(t)?;
                self.stack.truncate(at);
                Ok(())
            }
            DUP => {
                let top = self.top(t)?.clone();
                self.stack.push(top);
                Ok(())
            }
            READONLY_BUFFER => self.make_readonly(t),
            _ => {
                let made = self.make(t, op)?;
                self.stack.push(made);
                Ok(())
            }
        }
    }

    /// Opcodes that push an object, the rarer ones.
    fn make(&mut self, t: &mut Thread, op: u8) -> Res<Obj> {
        match op {
            NEWOBJ => self.new_object(t, false),
            NEWOBJ_EX => self.new_object(t, true),
            STACK_GLOBAL => self.stack_global(t),
            GLOBAL => {
                let (module, name) = self.two_lines(t, Encoding::Utf8)?;
                self.find(t, &module, &name)
            }
            SHORT_BINBYTES => {
                let n = self.input.byte(t)?.into();
                self.input.object(t, n)
            }
            BINBYTES => {
                let n = self.size4(t)?;
                self.input.object(t, n)
            }
            BINBYTES8 => {
                let n = self.size8(t, "BINBYTES exceeds system's maximum size")?;
                self.input.object(t, n)
            }
            BINUNICODE8 => {
                let n = self.size8(t, "BINUNICODE exceeds system's maximum size")?;
                self.utf8(t, n)
            }
            BYTEARRAY8 => {
                let n = self.size8(t, "BYTEARRAY8 exceeds system's maximum size")?;
                let bytes = self.input.take(t, n)?.to_vec();
                Ok(ByteArray::new(t, bytes))
            }
            LONG1 => {
                let n = self.input.byte(t)?.into();
                self.long(t, n)
            }
            LONG4 => {
                let n = i32::from_le_bytes(self.input.array(t)?);
                match usize::try_from(n) {
                    Ok(n) => self.long(t, n),
                    Err(_) => Err(unpickling_error(t, "LONG pickle has negative byte count")),
                }
            }
            EMPTY_SET => Ok(Set::new(t)),
            FROZENSET => {
                let items = self.pop_mark(t)?;
                let items = Tuple::from_vec(t, items);
                let class = weft_objects::set::FROZENSET.value();
                proto::call(t, class, &[items.value()])
            }
            LIST => {
                let items = self.pop_mark(t)?;
                Ok(List::from_vec(t, items))
            }
            DICT => self.dict(t),
            GET => {
                let i = self.index_line(t)?;
                match usize::try_from(i) {
                    Ok(i) => self.get(t, i),
                    Err(_) => Err(no_memo(t, i)),
                }
            }
            EXT1 => {
                let code = self.input.byte(t)?.into();
                self.extension(t, code)
            }
            EXT2 => {
                let code = u16::from_le_bytes(self.input.array(t)?);
                self.extension(t, code.into())
            }
            EXT4 => {
                let code = i32::from_le_bytes(self.input.array(t)?);
                self.extension(t, code.into())
            }
            PERSID => self.persistent_line(t),
            BINPERSID => {
                let id = self.pop(t)?;
                self.persistent(t, &id)
            }
            NEXT_BUFFER => self.next_buffer(t),
            INST => self.inst(t),
            OBJ => self.obj(t),
            _ => self.make_old(t, op),
        }
    }

    /// Opcodes of protocol 0, and of Python 2.
    fn make_old(&mut self, t: &mut Thread, op: u8) -> Res<Obj> {
        match op {
            INT => self.int_line(t),
            LONG => {
                let line = self.full_line(t)?;
                let digits = line.strip_suffix(b"L\n").unwrap_or(&line);
                let shown = line.strip_suffix(b"L\n").map_or(&line[..], |d| d);
                parse_int(t, digits, shown)
            }
            FLOAT => {
                let line = self.full_line(t)?;
                match text::float::parse_float_bytes(&line[..line.len() - 1]) {
                    Ok(x) => Ok(Obj::own(float::from_f64(t, x))),
                    Err(_) => Err(t.value_error("could not convert string to float")),
                }
            }
            STRING => self.quoted(t),
            BINSTRING => {
                let n = i32::from_le_bytes(self.input.array(t)?);
                let Ok(n) = usize::try_from(n) else {
                    let msg = "BINSTRING pickle has negative byte count";
                    return Err(unpickling_error(t, msg));
                };
                let bytes = self.input.object(t, n)?;
                self.old_text(t, bytes)
            }
            SHORT_BINSTRING => {
                let n = self.input.byte(t)?.into();
                let bytes = self.input.object(t, n)?;
                self.old_text(t, bytes)
            }
            UNICODE => {
                let line = self.input.line(t)?.to_vec();
                let line = Bytes::from_vec(t, line);
                let decode = from_module(t, "_codecs", "raw_unicode_escape_decode")?;
                let pair = proto::call(t, decode.value(), &[line.value()])?;
                proto::get_item(t, pair.value(), Value::int(0))
            }
            _ => {
                let shown = match op {
                    b'\'' | b'\\' => format!("\\{}", op as char),
                    0x20..=0x7e => (op as char).to_string(),
                    _ => format!("\\x{op:02x}"),
                };
                let msg = format!("invalid load key, '{shown}'.");
                Err(unpickling_error(t, msg))
            }
        }
    }

    // --- the stack ---

    /// Nothing below the last mark can be reached.
    #[inline]
    fn fence(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    #[inline]
    fn need(&self, t: &Thread, n: usize) -> Res<()> {
        if self.stack.len() < self.fence() + n {
            return Err(self.underflow(t));
        }
        Ok(())
    }

    #[cold]
    fn underflow(&self, t: &Thread) -> Raised {
        let msg = match self.marks.is_empty() {
            true => "unpickling stack underflow",
            false => "unexpected MARK found",
        };
        unpickling_error(t, msg)
    }

    #[inline]
    fn pop(&mut self, t: &Thread) -> Res<Obj> {
        self.need(t, 1)?;
        match self.stack.pop() {
            Some(o) => Ok(o),
            None => Err(self.underflow(t)),
        }
    }

    #[inline]
    fn top(&mut self, t: &Thread) -> Res<&mut Obj> {
        self.need(t, 1)?;
        let e = match self.stack.is_empty() {
            true => Some(self.underflow(t)),
            false => None,
        };
        match (self.stack.last_mut(), e) {
            (Some(o), None) => Ok(o),
            _ => Err(Raised::new_unchecked()),
        }
    }

    /// Takes the last mark: the place behind it.
    #[inline]
    fn mark(&mut self, t: &Thread) -> Res<usize> {
        match self.marks.pop() {
            Some(at) => Ok(at),
            None => Err(unpickling_error(t, "could not find MARK")),
        }
    }

    /// Takes all behind the last mark.
    fn pop_mark(&mut self, t: &Thread) -> Res<Vec<Obj>> {
        let at = self.mark(t)?;
        Ok(self.stack.split_off(at))
    }

    fn drop_top(&mut self, t: &Thread) -> Res<()> {
        // A mark is on top: it goes.
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop(t).map(drop)
    }

    fn short_tuple(&mut self, t: &Thread, n: usize) -> Res<Obj> {
        self.need(t, n)?;
        let at = self.stack.len() - n;
        let items: Vec<Obj> = self.stack.drain(at..).collect();
        Ok(Tuple::from_vec(t, items))
    }

    // --- sizes, lines ---

    fn size4(&mut self, t: &mut Thread) -> Res<usize> {
        Ok(u32::from_le_bytes(self.input.array(t)?) as usize)
    }

    fn size8(&mut self, t: &mut Thread, refused: &str) -> Res<usize> {
        let n = u64::from_le_bytes(self.input.array(t)?);
        match isize::try_from(n) {
            Ok(n) => Ok(n as usize),
            Err(_) => {
                let msg = format!("{refused} of {} bytes", isize::MAX);
                Err(t.overflow_error(msg))
            }
        }
    }

    /// A line with its end, which has something before it.
    fn full_line(&mut self, t: &mut Thread) -> Res<Vec<u8>> {
        let mut line = self.input.line(t)?.to_vec();
        if line.is_empty() {
            return Err(unpickling_error(t, "pickle data was truncated"));
        }
        line.push(b'\n');
        Ok(line)
    }

    fn two_lines(&mut self, t: &mut Thread, encoding: Encoding) -> Res<(Obj, Obj)> {
        let mut names = [none(), none()];
        for name in &mut names {
            let line = self.full_line(t)?;
            let bytes = Bytes::new(t, &line[..line.len() - 1]);
            let decoded = codecs::decode(t, encoding, bytes.value(), None, true)?;
            *name = Str::from_vec(t, decoded.text);
        }
        let [module, name] = names;
        Ok((module, name))
    }

    fn index_line(&mut self, t: &mut Thread) -> Res<i64> {
        let line = self.full_line(t)?;
        let i = parse_int(t, &line, &line)?;
        proto::index_i64(t, i.value())
    }

    // --- numbers ---

    fn long(&mut self, t: &mut Thread, n: usize) -> Res<Obj> {
        let i = text::bigint::from_bytes(self.input.take(t, n)?, true, true);
        Ok(Obj::own(int::from_text_int(t, i)))
    }

    fn int_line(&mut self, t: &mut Thread) -> Res<Obj> {
        let line = self.full_line(t)?;
        match &line[..] {
            b"00\n" => return Ok(Obj::from_raw(Value::FALSE)),
            b"01\n" => return Ok(Obj::from_raw(Value::TRUE)),
            _ => {}
        }
        match text::int::parse_int_bytes(&line, 10, int::max_str_digits()) {
            Ok(i) => Ok(Obj::own(int::from_text_int(t, i))),
            Err(_) => Err(t.value_error("could not convert string to int")),
        }
    }

    // --- text ---

    #[inline]
    fn utf8(&mut self, t: &mut Thread, n: usize) -> Res<Obj> {
        let bytes = self.input.take(t, n)?;
        if let Ok(s) = std::str::from_utf8(bytes) {
            return Ok(Str::new(t, s));
        }
        surrogates(t, bytes)
    }

    fn quoted(&mut self, t: &mut Thread) -> Res<Obj> {
        let line = self.input.line(t)?.to_vec();
        let inner = match &line[..] {
            [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
            _ => {
                let msg = "the STRING opcode argument must be quoted";
                return Err(unpickling_error(t, msg));
            }
        };
        let inner = Bytes::new(t, inner);
        let decode = from_module(t, "_codecs", "escape_decode")?;
        let pair = proto::call(t, decode.value(), &[inner.value()])?;
        let bytes = proto::get_item(t, pair.value(), Value::int(0))?;
        self.old_text(t, bytes)
    }

    /// A str of Python 2.
    fn old_text(&mut self, t: &mut Thread, bytes: Obj) -> Res<Obj> {
        let (Some(encoding), Some(how)) = (own(t, &self.u.encoding), own(t, &self.u.errors)) else {
            return Ok(bytes);
        };
        let encoding = Str::this(encoding.value());
        if encoding.is("bytes") {
            return Ok(bytes);
        }
        let how = Str::this(how.value());
        codecs::decode_text(t, bytes.value(), Some(encoding), Some(how))
    }

    // --- the memo ---

    #[inline]
    fn get(&mut self, t: &mut Thread, i: usize) -> Res<Obj> {
        match self.u.memo_get(t, i) {
            Some(o) => Ok(o),
            None => Err(no_memo(t, i as i64)),
        }
    }

    #[inline]
    fn put(&mut self, t: &mut Thread, i: Option<usize>) -> Res<()> {
        let o = self.top(t)?.clone();
        self.u.memo_put(t, i, o);
        Ok(())
    }

    // --- containers ---

    /// Appends what is from `at` on to what is below.
    fn append(&mut self, t: &mut Thread, at: usize) -> Res<()> {
        let fence = self.fence();
        if at == usize::MAX || at <= fence || at > self.stack.len() {
            return Err(self.underflow(t));
        }
        let items = self.stack.split_off(at);
        let Some(target) = self.stack.last().cloned() else {
            return Err(self.underflow(t));
        };
        if items.is_empty() {
            return Ok(());
        }
        if let Some(list) = List::exact(target.value()) {
            list.append(t, items);
            return Ok(());
        }
        if items.len() > 1 || self.marks.len() == usize::MAX {
            let extend = weft_objects::id!(t, "extend");
            if let Some(f) = proto::get_attr_opt(t, target.value(), extend)? {
                let items = List::from_vec(t, items);
                proto::call(t, f.value(), &[items.value()])?;
                return Ok(());
            }
        }
        let f = proto::get_attr(t, target.value(), weft_objects::id!(t, "append"))?;
        for item in items {
            proto::call(t, f.value(), &[item.value()])?;
        }
        Ok(())
    }

    fn dict(&mut self, t: &mut Thread) -> Res<Obj> {
        let items = self.pop_mark(t)?;
        if !items.len().is_multiple_of(2) {
            return Err(unpickling_error(t, "odd number of items for DICT"));
        }
        let made = Dict::with_capacity(t, items.len() / 2);
        for pair in items.chunks_exact(2) {
            Dict::of_obj(&made).set(t, pair[0].value(), pair[1].value())?;
        }
        Ok(made)
    }

    /// Sets pairs from `at` on as items of what is below.
    fn set_items(&mut self, t: &mut Thread, at: usize) -> Res<()> {
        if at > self.stack.len() || at <= self.fence() {
            return Err(self.underflow(t));
        }
        let items = self.stack.split_off(at);
        if !items.len().is_multiple_of(2) {
            return Err(unpickling_error(t, "odd number of items for SETITEMS"));
        }
        let Some(target) = self.stack.last().cloned() else {
            return Err(self.underflow(t));
        };
        let exact = Dict::exact(target.value());
        for pair in items.chunks_exact(2) {
            let (k, v) = (pair[0].value(), pair[1].value());
            match exact {
                Some(d) => d.set(t, k, v)?,
                None => proto::set_item(t, target.value(), k, v)?,
            }
        }
        Ok(())
    }

    fn add_items(&mut self, t: &mut Thread) -> Res<()> {
        let at = self.mark(t)?;
        if at <= self.fence() {
            return Err(self.underflow(t));
        }
        let items = self.stack.split_off(at);
        let Some(target) = self.stack.last().cloned() else {
            return Err(self.underflow(t));
        };
        if let Some(set) = Set::exact(target.value())
            && type_of(target.value()).is(&weft_objects::set::SET)
        {
            for item in items {
                set.add(t, item.value())?;
            }
            return Ok(());
        }
        if items.is_empty() {
            return Ok(());
        }
        let f = proto::get_attr(t, target.value(), weft_objects::id!(t, "add"))?;
        for item in items {
            proto::call(t, f.value(), &[item.value()])?;
        }
        Ok(())
    }

    // --- objects ---

    fn find(&mut self, t: &mut Thread, module: &Obj, name: &Obj) -> Res<Obj> {
        match self.find_class.clone() {
            Some(f) => proto::call(t, f.value(), &[module.value(), name.value()]),
            None => find_class(t, self.u, module, name),
        }
    }

    fn stack_global(&mut self, t: &mut Thread) -> Res<Obj> {
        self.need(t, 2)?;
        let (name, module) = (self.pop(t)?, self.pop(t)?);
        if Str::exact(name.value()).is_none() || Str::exact(module.value()).is_none() {
            return Err(unpickling_error(t, "STACK_GLOBAL requires str"));
        }
        self.find(t, &module, &name)
    }

    fn reduce(&mut self, t: &mut Thread) -> Res<()> {
        self.need(t, 2)?;
        let (args, func) = (self.pop(t)?, self.pop(t)?);
        let Some(items) = Tuple::of(args.value()) else {
            return Err(t.type_error("argument list must be a tuple".into()));
        };
        let made = proto::call(t, func.value(), items.values())?;
        self.stack.push(made);
        Ok(())
    }

    fn new_object(&mut self, t: &mut Thread, keywords: bool) -> Res<Obj> {
        self.need(t, if keywords { 3 } else { 2 })?;
        let kwargs = match keywords {
            true => Some(self.pop(t)?),
            false => None,
        };
        let (args, cls) = (self.pop(t)?, self.pop(t)?);
        let op = if keywords { "NEWOBJ_EX" } else { "NEWOBJ" };
        let got = |o: &Obj| type_of(o.value()).name();
        let Some(class) = Type::of(cls.value()) else {
            let msg = format!("{op} class argument must be a type, not {}", got(&cls));
            return Err(unpickling_error(t, msg));
        };
        let Some(items) = Tuple::of(args.value()) else {
            let msg = format!("{op} args argument must be a tuple, not {}", got(&args));
            return Err(unpickling_error(t, msg));
        };
        if let Some(k) = kwargs.as_ref().filter(|k| Dict::of(k.value()).is_none()) {
            let msg = format!("{op} kwargs argument must be a dict, not {}", got(k));
            return Err(unpickling_error(t, msg));
        }
        let Some(new) = class.slots.new.get().filter(|_| !class.has(tf::NO_NEW)) else {
            let name = class.name();
            let msg = format!("{op} class argument '{name}' doesn't have __new__");
            return Err(unpickling_error(t, msg));
        };
        let Some(kwargs) = kwargs else {
            let args = Args::positional(items.values());
            return new(t, cls.value(), args).map(Obj::own);
        };
        let pairs = Dict::of_obj(&kwargs).items(t);
        let names: Vec<Value> = pairs.iter().map(|(k, _)| k.value()).collect();
        let names = Tuple::from_slice(t, &names);
        let mut all = items.values().to_vec();
        all.extend(pairs.iter().map(|(_, v)| v.value()));
        new(t, cls.value(), Args::new(&all, names.value())).map(Obj::own)
    }

    fn inst(&mut self, t: &mut Thread) -> Res<Obj> {
        if self.marks.is_empty() {
            return Err(unpickling_error(t, "could not find MARK"));
        }
        let (module, name) = self.two_lines(t, Encoding::Ascii)?;
        let cls = self.find(t, &module, &name)?;
        let args = self.pop_mark(t)?;
        instantiate(t, &cls, args)
    }

    fn obj(&mut self, t: &mut Thread) -> Res<Obj> {
        let mut args = self.pop_mark(t)?;
        if args.is_empty() {
            return Err(self.underflow(t));
        }
        let cls = args.remove(0);
        instantiate(t, &cls, args)
    }

    fn build(&mut self, t: &mut Thread) -> Res<()> {
        self.need(t, 2)?;
        let state = self.pop(t)?;
        let target = self.top(t)?.clone();
        let name = weft_objects::id!(t, "__setstate__");
        if let Some(f) = proto::get_attr_opt(t, target.value(), name)? {
            proto::call(t, f.value(), &[state.value()])?;
            return Ok(());
        }
        let (attributes, slots) = match Tuple::of(state.value()).map(|p| p.values()) {
            Some([a, s]) => (Obj::new(t, *a), Obj::new(t, *s)),
            _ => (state.clone(), none()),
        };
        if !attributes.value().is_none() {
            let Some(d) = Dict::of(attributes.value()) else {
                return Err(unpickling_error(t, "state is not a dictionary"));
            };
            set_attributes(t, &target, d)?;
        }
        if !slots.value().is_none() {
            let Some(d) = Dict::of(slots.value()) else {
                return Err(unpickling_error(t, "slot state is not a dictionary"));
            };
            for (k, v) in d.items(t) {
                let Some(name) = Str::of(k.value()) else {
                    let got = type_of(k.value()).name();
                    let msg = format!("attribute name must be string, not '{got}'");
                    return Err(t.type_error(msg));
                };
                proto::set_attr(t, target.value(), name, v.value())?;
            }
        }
        Ok(())
    }

    // --- persistent ids, extensions, buffers ---

    fn persistent(&mut self, t: &mut Thread, id: &Obj) -> Res<Obj> {
        match self.persistent_load.clone() {
            Some(f) => proto::call(t, f.value(), &[id.value()]),
            None => Err(no_persistent_load(t)),
        }
    }

    fn persistent_line(&mut self, t: &mut Thread) -> Res<Obj> {
        let line = self.input.line(t)?;
        let id = match std::str::from_utf8(line) {
            Ok(s) if s.is_ascii() => Str::new(t, s),
            _ => {
                let msg = "persistent IDs in protocol 0 must be ASCII strings";
                return Err(unpickling_error(t, msg));
            }
        };
        self.persistent(t, &id)
    }

    fn extension(&mut self, t: &mut Thread, code: i64) -> Res<Obj> {
        if code <= 0 {
            return Err(unpickling_error(t, "EXT specifies code <= 0"));
        }
        let code_obj = Value::int(code);
        let cache = from_module(t, "copyreg", "_extension_cache")?;
        if let Some(d) = Dict::of(cache.value())
            && let Some(found) = d.get(t, code_obj)?
        {
            return Ok(Obj::own(found));
        }
        let registry = from_module(t, "copyreg", "_inverted_registry")?;
        let known = match Dict::of(registry.value()) {
            Some(d) => d.get(t, code_obj)?.map(Obj::own),
            None => None,
        };
        let Some(pair) = known else {
            return Err(t.value_error(format!("unregistered extension code {code}")));
        };
        let (module, name) = match Tuple::of(pair.value()).map(|p| p.values()) {
            Some([m, n]) if Str::of(*m).is_some() && Str::of(*n).is_some() => {
                (Obj::new(t, *m), Obj::new(t, *n))
            }
            _ => {
                let msg = format!("_inverted_registry[{code}] isn't a 2-tuple of strings");
                return Err(t.value_error(msg));
            }
        };
        let found = self.find(t, &module, &name)?;
        if let Some(d) = Dict::of(cache.value()) {
            d.set(t, code_obj, found.value())?;
        }
        Ok(found)
    }

    fn next_buffer(&mut self, t: &mut Thread) -> Res<Obj> {
        let Some(buffers) = own(t, &self.u.buffers) else {
            let msg =
                "pickle stream refers to out-of-band data but no *buffers* argument was given";
            return Err(unpickling_error(t, msg));
        };
        match proto::next(t, buffers.value())? {
            Some(b) => Ok(b),
            None => Err(unpickling_error(t, "not enough out-of-band buffers")),
        }
    }

    fn make_readonly(&mut self, t: &mut Thread) -> Res<()> {
        let top = self.top(t)?.clone();
        let view = memoryview::from_object(t, top.value())?;
        let readonly = proto::get_attr(t, view.value(), weft_objects::id!(t, "readonly"))?;
        if !proto::truth(t, readonly.value())? {
            let view = proto::call_method(t, view.value(), "toreadonly", &[])?;
            *self.top(t)? = view;
        }
        Ok(())
    }

    // --- the stream ---

    fn frame(&mut self, t: &mut Thread) -> Res<()> {
        let n = self.size8(t, "FRAME length exceeds system's maximum")?;
        self.input.enter_frame(t, n)
    }

    fn protocol(&mut self, t: &mut Thread) -> Res<()> {
        let n = self.input.byte(t)?;
        if i32::from(n) > HIGHEST {
            return Err(t.value_error(format!("unsupported pickle protocol: {n}")));
        }
        self.u.proto.set(n.into());
        Ok(())
    }
}

#[inline]
fn none() -> Obj {
    Obj::from_raw(Value::NONE)
}

#[inline]
fn small(i: i64) -> Obj {
    Obj::from_raw(Value::int(i))
}

/// The data have ended where an opcode should be.
#[cold]
fn no_opcode(t: &mut Thread, e: Raised) -> Raised {
    if !t.exc_matches(super::held(t, &super::UNPICKLING_ERROR)) {
        return e;
    }
    t.clear_exc();
    t.raise(&errors::EOF_ERROR, "Ran out of input")
}

#[cold]
fn no_memo(t: &Thread, i: i64) -> Raised {
    unpickling_error(t, format!("Memo value not found at index {i}"))
}

/// UTF-8 with encoded surrogates in it.
#[cold]
fn surrogates(t: &mut Thread, bytes: &[u8]) -> Res<Obj> {
    let bytes = Bytes::new(t, bytes);
    let how = Str::intern(t, "surrogatepass");
    let how = Str::this(how.value());
    let d = codecs::decode(t, Encoding::Utf8, bytes.value(), Some(how), true)?;
    Ok(Str::from_vec(t, d.text))
}

fn parse_int(t: &mut Thread, digits: &[u8], shown: &[u8]) -> Res<Obj> {
    match text::int::parse_int_bytes(digits, 10, int::max_str_digits()) {
        Ok(i) => Ok(Obj::own(int::from_text_int(t, i))),
        Err(e) if !e.msg.starts_with("invalid literal") => Err(text_error(t, e)),
        Err(_) => {
            let shown = Str::from_string(t, String::from_utf8_lossy(shown).into_owned());
            let shown = super::repr_text(t, shown.value())?;
            Err(t.value_error(format!("invalid literal for int() with base 10: {shown}")))
        }
    }
}

/// What INST and OBJ make.
fn instantiate(t: &mut Thread, cls: &Obj, args: Vec<Obj>) -> Res<Obj> {
    let values: Vec<Value> = args.iter().map(Obj::value).collect();
    if args.is_empty() && Type::of(cls.value()).is_some() {
        let name = weft_objects::id!(t, "__getinitargs__");
        if proto::get_attr_opt(t, cls.value(), name)?.is_none() {
            return proto::call_method(t, cls.value(), "__new__", &[cls.value()]);
        }
    }
    proto::call(t, cls.value(), &values)
}

/// Whether attributes of the object can be stored one by one as in its `__dict__`.
fn stores_plainly(t: &Thread, v: Value) -> bool {
    let ty = type_of(v);
    ty.has(tf::INLINE)
        && ty.has(tf::GENERIC_GETATTR)
        && ty
            .lookup(t, weft_objects::id!(t, "__dict__"))
            .is_some_and(|d| type_of(d.value()).is(&descr::GETSET_DESCRIPTOR))
}

/// `target.__dict__.update(d)`, with names interned.
fn set_attributes(t: &mut Thread, target: &Obj, d: &Dict) -> Res<()> {
    if stores_plainly(t, target.value()) {
        let instance = Instance::of_unchecked(target.value());
        let mut pos = 0;
        while let Some((k, v)) = d.next(t, &mut pos) {
            let (k, v) = (k.to_obj(t), v.to_obj(t));
            match Str::exact(k.value()) {
                Some(_) => {
                    let name = Str::intern_obj(t, k);
                    instance.set(t, Str::this(name.value()), v.into_value())?;
                }
                None => {
                    let own = instance.dict_obj(t);
                    proto::set_item(t, own.value(), k.value(), v.value())?;
                }
            }
        }
        return Ok(());
    }
    let own = proto::get_attr(t, target.value(), weft_objects::id!(t, "__dict__"))?;
    for (k, v) in d.items(t) {
        let k = match Str::exact(k.value()) {
            Some(_) => Str::intern_obj(t, k),
            None => k,
        };
        proto::set_item(t, own.value(), k.value(), v.value())?;
    }
    Ok(())
}
