//! `make_encoder`: JSON text for values.

use super::{native_encoder, push_string};
use std::mem::offset_of;
use weft_objects::cell::fresh;
use weft_objects::prelude::*;
use weft_objects::str::text_error;
use weft_objects::text::{float as float_text, int as int_text};
use weft_objects::{float, gc_slots, int};

/// An encoder with the settings of a `JSONEncoder`.
#[repr(C)]
struct Encoder {
    header: Header,
    markers: Slot,
    default: Slot,
    encoder: Slot,
    indent: Slot,
    key_separator: Slot,
    item_separator: Slot,
    sort_keys: Slot,
    skipkeys: Slot,
    allow_nan: Slot,
}

gc_slots!(
    Encoder,
    traverse,
    clear,
    markers,
    default,
    encoder,
    indent,
    key_separator,
    item_separator,
    sort_keys,
    skipkeys,
    allow_nan
);

fn this<'a>(v: Value) -> &'a Encoder {
    // SAFETY: slots of ENCODER get its instances alone.
    unsafe { &*(v.ptr() as *const Encoder) }
}

fn new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new(
        "make_encoder",
        "(markers, default, encoder, indent, key_separator, item_separator, sort_keys, skipkeys, allow_nan)",
    );
    let a = SIG.bind(t, args)?;
    if !a[0].is_none() && Dict::of(a[0]).is_none() {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!(
            "make_encoder() argument 1 must be dict or None, not {got}"
        )));
    }
    for (i, v) in [(5, a[4]), (6, a[5])] {
        if Str::of(v).is_none() {
            let got = type_of(v).name();
            return Err(t.type_error(format!(
                "make_encoder() argument {i} must be str, not {got}"
            )));
        }
    }
    let mut flags = [false; 3];
    for (f, v) in flags.iter_mut().zip(&a[6..9]) {
        *f = proto::truth(t, *v)?;
    }
    // SAFETY: `cls` is ENCODER or a subclass.
    let (o, e) = unsafe { fresh::<Encoder>(t, Type::of_unchecked(cls)) };
    let slots = [
        &e.markers,
        &e.default,
        &e.encoder,
        &e.indent,
        &e.key_separator,
        &e.item_separator,
    ];
    for (slot, v) in slots.into_iter().zip(&a[..6]) {
        slot.init(t, &e.header, Obj::new(t, *v).into());
    }
    for (slot, f) in [&e.sort_keys, &e.skipkeys, &e.allow_nan]
        .into_iter()
        .zip(flags)
    {
        slot.init(t, &e.header, Value::bool(f));
    }
    Ok(o.into())
}

/// One run of the encoder.
struct Run<'a> {
    e: &'a Encoder,
    out: Vec<u8>,
    /// Whether strings are written here, and in ASCII only.
    native: Option<bool>,
    /// Addresses of the containers around, if cycles are to be found.
    around: Option<Vec<u64>>,
    indent: Option<Vec<u8>>,
}

fn call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("_iterencode", "(obj, _current_indent_level)");
    let a = SIG.bind(t, args)?;
    let level = proto::index_i64(t, a[1])?.max(0) as usize;
    let e = this(v);
    let indent = Str::of(e.indent.get()).map(|s| s.as_bytes().to_vec());
    let mut run = Run {
        e,
        out: Vec::new(),
        native: native_encoder(e.encoder.get()),
        around: (!e.markers.get().is_none()).then(Vec::new),
        indent,
    };
    run.value(t, a[0], level)?;
    let s = Str::from_vec(t, run.out);
    Ok(Tuple::from_vec(t, vec![s]).into())
}

/// Adds a note to the exception being raised.
#[cold]
fn note(t: &mut Thread, e: Raised, text: String) -> Raised {
    let Some(exc) = t.take_exc() else { return e };
    let text = Str::from_string(t, text);
    if proto::call_method(t, exc.value(), "add_note", &[text.value()]).is_err() {
        t.clear_exc();
    }
    t.set_exc(exc)
}

impl Run<'_> {
    fn value(&mut self, t: &mut Thread, v: Value, level: usize) -> Res<()> {
        // What is not a string is short.
        weft_objects::memory::spare(t, &mut self.out, 64)?;
        if let Some(s) = Str::of(v) {
            return self.string(t, s);
        }
        if v.is_none() {
            self.out.extend_from_slice(b"null");
        } else if v == Value::TRUE {
            self.out.extend_from_slice(b"true");
        } else if v == Value::FALSE {
            self.out.extend_from_slice(b"false");
        } else if int::is_int(v) {
            self.int(t, v)?;
        } else if let Some(f) = float::as_f64(v) {
            self.float(t, v, f)?;
        } else {
            let _guard = t.enter_recursive(" while encoding a JSON object")?;
            if List::of(v).is_some() || Tuple::of(v).is_some() {
                return self.within(t, v, |r, t| r.list(t, v, level));
            }
            if Dict::of(v).is_some() {
                return self.within(t, v, |r, t| r.dict(t, v, level));
            }
            return self.within(t, v, |r, t| {
                let made = proto::call(t, r.e.default.get(), &[v])?;
                match r.value(t, made.value(), level) {
                    Ok(()) => Ok(()),
                    Err(e) => Err(note(
                        t,
                        e,
                        format!("when serializing {} object", type_of(v).name()),
                    )),
                }
            });
        }
        Ok(())
    }

    /// Runs `f` with `v` among the containers around.
    fn within(
        &mut self,
        t: &mut Thread,
        v: Value,
        f: impl FnOnce(&mut Self, &mut Thread) -> Res<()>,
    ) -> Res<()> {
        let id = proto::identity(v);
        if let Some(around) = &mut self.around {
            if around.contains(&id) {
                return Err(t.value_error("Circular reference detected"));
            }
            around.push(id);
        }
        let r = f(self, t);
        if let Some(around) = &mut self.around {
            around.pop();
        }
        r
    }

    fn string(&mut self, t: &mut Thread, s: &Str) -> Res<()> {
        if let Some(ascii) = self.native {
            push_string(t, &mut self.out, s.as_bytes(), ascii)?;
            return Ok(());
        }
        let r = proto::call(t, self.e.encoder.get(), &[s.value()])?;
        match Str::of(r.value()) {
            Some(s) => self.out.extend_from_slice(s.as_bytes()),
            None => {
                let got = type_of(r.value()).name();
                return Err(t.type_error(format!("encoder() must return a string, not {got}")));
            }
        }
        Ok(())
    }

    fn int(&mut self, t: &mut Thread, v: Value) -> Res<()> {
        if let Some(i) = int::as_i64(v) {
            int_text::push_i64(&mut self.out, i);
            return Ok(());
        }
        let text = int::with_bigint(v, |n| int_text::big_str(n, int::max_str_digits()));
        match text {
            Some(Ok(s)) => self.out.extend_from_slice(s.as_bytes()),
            Some(Err(e)) => return Err(text_error(t, e)),
            None => {}
        }
        Ok(())
    }

    fn float(&mut self, t: &mut Thread, v: Value, f: f64) -> Res<()> {
        if f.is_finite() {
            self.out
                .extend_from_slice(float_text::float_repr(f).as_bytes());
            return Ok(());
        }
        if self.e.allow_nan.get() != Value::TRUE {
            let r = proto::repr(t, v)?;
            let r = Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy());
            return Err(t.value_error(format!(
                "Out of range float values are not JSON compliant: {r}"
            )));
        }
        let text: &[u8] = if f.is_nan() {
            b"NaN"
        } else if f > 0.0 {
            b"Infinity"
        } else {
            b"-Infinity"
        };
        self.out.extend_from_slice(text);
        Ok(())
    }

    fn separator(&mut self, slot: impl Fn(&Encoder) -> &Slot) {
        if let Some(s) = Str::of(slot(self.e).get()) {
            self.out.extend_from_slice(s.as_bytes());
        }
    }

    fn new_line(&mut self, level: usize) {
        if let Some(indent) = &self.indent {
            self.out.push(b'\n');
            for _ in 0..level {
                self.out.extend_from_slice(indent);
            }
        }
    }

    fn list(&mut self, t: &mut Thread, v: Value, level: usize) -> Res<()> {
        // `default` may change a list: each item is looked up when its turn comes.
        let item = |t: &Thread, i: usize| match (List::of(v), Tuple::of(v)) {
            (Some(l), _) => l.get(t, i).map(|x| x.to_obj(t)),
            (_, Some(x)) => (i < x.len()).then(|| Obj::new(t, x.get(i))),
            _ => None,
        };
        let Some(mut x) = item(t, 0) else {
            self.out.extend_from_slice(b"[]");
            return Ok(());
        };
        self.out.push(b'[');
        let mut i = 0;
        loop {
            self.new_line(level + 1);
            if let Err(e) = self.value(t, x.value(), level + 1) {
                return Err(note(
                    t,
                    e,
                    format!("when serializing {} item {i}", type_of(v).name()),
                ));
            }
            i += 1;
            let Some(next) = item(t, i) else { break };
            self.separator(|e| &e.item_separator);
            x = next;
        }
        self.new_line(level);
        self.out.push(b']');
        Ok(())
    }

    fn items(&self, t: &mut Thread, v: Value) -> Res<Vec<(Obj, Obj)>> {
        let sort = self.e.sort_keys.get() == Value::TRUE;
        if let Some(d) = Dict::exact(v)
            && !sort
        {
            return Ok(d.items(t));
        }
        let view = proto::call_method(t, v, "items", &[])?;
        let pairs = proto::to_vec(t, view.value())?;
        let list = List::from_vec(t, pairs);
        if sort {
            proto::call_method(t, list.value(), "sort", &[])?;
        }
        let mut items = Vec::new();
        for pair in List::of_obj(&list).to_vec(t) {
            let Some(p) = Tuple::of(pair.value()).filter(|p| p.len() == 2) else {
                return Err(t.value_error("items must return 2-tuples"));
            };
            items.push((Obj::new(t, p.get(0)), Obj::new(t, p.get(1))));
        }
        Ok(items)
    }

    fn dict(&mut self, t: &mut Thread, v: Value, level: usize) -> Res<()> {
        let items = self.items(t, v)?;
        if items.is_empty() {
            self.out.extend_from_slice(b"{}");
            return Ok(());
        }
        self.out.push(b'{');
        let mut first = true;
        for (k, x) in &items {
            let mark = self.out.len();
            if !first {
                self.separator(|e| &e.item_separator);
            }
            self.new_line(level + 1);
            if !self.key(t, k.value())? {
                self.out.truncate(mark);
                continue;
            }
            first = false;
            self.separator(|e| &e.key_separator);
            if let Err(e) = self.value(t, x.value(), level + 1) {
                let kept = t.take_exc();
                let r = proto::repr(t, k.value());
                t.clear_exc();
                if let Some(exc) = kept {
                    t.set_exc(exc);
                }
                let r = r
                    .ok()
                    .and_then(|r| Str::of(r.value()).map(|s| s.to_string_lossy()))
                    .unwrap_or_default();
                return Err(note(
                    t,
                    e,
                    format!("when serializing {} item {r}", type_of(v).name()),
                ));
            }
        }
        if !first {
            self.new_line(level);
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Writes a key. False: it is to be skipped.
    fn key(&mut self, t: &mut Thread, k: Value) -> Res<bool> {
        if let Some(s) = Str::of(k) {
            self.string(t, s)?;
            return Ok(true);
        }
        let start = self.out.len();
        if let Some(f) = float::as_f64(k) {
            self.float(t, k, f)?;
        } else if k == Value::TRUE {
            self.out.extend_from_slice(b"true");
        } else if k == Value::FALSE {
            self.out.extend_from_slice(b"false");
        } else if k.is_none() {
            self.out.extend_from_slice(b"null");
        } else if int::is_int(k) {
            self.int(t, k)?;
        } else if self.e.skipkeys.get() == Value::TRUE {
            return Ok(false);
        } else {
            let got = type_of(k).name();
            return Err(t.type_error(format!(
                "keys must be str, int, float, bool or None, not {got}"
            )));
        }
        let text = self.out.split_off(start);
        let s = Str::from_vec(t, text);
        if let Some(s) = Str::of(s.value()) {
            self.string(t, s)?;
        }
        Ok(true)
    }
}

macro_rules! setting {
    ($name:ident) => {
        MemberDef {
            name: stringify!($name),
            offset: offset_of!(Encoder, $name),
            readonly: true,
            none_if_empty: true,
        }
    };
}

/// `_json.Encoder`
pub static ENCODER: Type = Type::builtin(
    "Encoder",
    size_of::<Encoder>(),
    &Spec {
        new: Some(new),
        call: Some(call),
        members: &[
            setting!(markers),
            setting!(default),
            setting!(encoder),
            setting!(indent),
            setting!(key_separator),
            setting!(item_separator),
            setting!(sort_keys),
            setting!(skipkeys),
        ],
        ..Spec::EMPTY
    },
)
.module("_json")
.gc(traverse, clear)
.doc("Encoder(markers, default, encoder, indent, key_separator, item_separator, sort_keys, skipkeys, allow_nan)");
