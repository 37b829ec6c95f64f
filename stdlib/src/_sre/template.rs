//! What matches are replaced by: replacement templates, and the text that is put together.

use super::subject::Subject;
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::{buffer, cell, int, runtime};

/// A parsed replacement: literal text and groups in turn.
#[repr(C)]
struct Template {
    header: Header,
    /// A tuple: literal, then any number of group number, literal. Empty literals may be None.
    parts: Slot,
}

weft_objects::gc_slots!(Template, traverse, clear, parts);

/// `_sre.SRE_Template`
pub static TEMPLATE: Type = Type::builtin("SRE_Template", size_of::<Template>(), &Spec::EMPTY)
    .gc(traverse, clear)
    .module("_sre")
    .final_()
    .no_new();

/// `_sre.template(pattern, parts)`
pub fn new(t: &mut Thread, a: &[Value]) -> Res {
    let Some(list) = List::of(a[1]) else {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!("template() argument 2 must be list, not {got}")));
    };
    let parts = list.to_vec(t);
    let groups = super::pattern::group_count(a[0]);
    let valid = parts.len() % 2 == 1
        && parts.iter().skip(1).step_by(2).all(|i| {
            int::as_i64(i.value())
                .and_then(|i| usize::try_from(i).ok())
                .is_some_and(|i| groups.is_none_or(|n| i <= n))
        });
    if !valid {
        return Err(t.type_error("invalid template".into()));
    }
    // SAFETY: the layout of templates.
    let (o, template) = unsafe { cell::fresh::<Template>(t, &TEMPLATE) };
    let parts = Tuple::from_vec(t, parts);
    template.parts.init(t, &template.header, parts.into());
    Ok(o.into())
}

fn parts_of<'a>(v: Value) -> &'a Tuple {
    // SAFETY: called with instances of TEMPLATE alone, whose parts are a tuple.
    unsafe { Tuple::this((*(v.ptr() as *const Template)).parts.get()) }
}

/// What `sub` does with a match.
pub enum Filter {
    Call(Obj),
    /// The same text for each.
    Literal(Obj),
    /// A template with groups.
    Template(Obj),
}

impl Filter {
    /// For the replacement argument of `pattern`'s methods.
    pub fn new(t: &mut Thread, pattern: Value, repl: Value) -> Res<Filter> {
        if proto::is_callable(repl) {
            return Ok(Filter::Call(Obj::new(t, repl)));
        }
        if is_literal(t, repl)? {
            return Ok(Filter::Literal(Obj::new(t, repl)));
        }
        let made = compiled(t, pattern, repl)?;
        let parts = parts_of(made.value());
        if parts.len() == 1 {
            return Ok(Filter::Literal(Obj::new(t, parts.get(0))));
        }
        Ok(Filter::Template(made))
    }
}

/// Whether there is no escape in a replacement.
fn is_literal(t: &mut Thread, repl: Value) -> Res<bool> {
    if let Some(s) = Str::of(repl) {
        return Ok(!s.as_bytes().contains(&b'\\'));
    }
    if !buffer::is_exporter(repl) {
        return Ok(false);
    }
    buffer::with_bytes(t, repl, |b| !b.contains(&b'\\'))
}

/// The template for a replacement, by `re._compile_template`.
pub fn compiled(t: &mut Thread, pattern: Value, repl: Value) -> Res<Obj> {
    let re = runtime::import(t, "re")?;
    let f = proto::get_attr(t, re.value(), weft_objects::id!(t, "_compile_template"))?;
    let mut made = proto::call(t, f.value(), &[pattern, repl]);
    if made.is_err() && t.exc_matches(&errors::TYPE_ERROR) {
        // What cannot be hashed is made a plain str or bytes.
        let plain = match Str::of(repl) {
            Some(s) if !s.is_exact() => Some(Str::from_text(t, s.text())),
            Some(_) => None,
            None if buffer::is_exporter(repl) && Bytes::exact(repl).is_none() => {
                let failed = t.take_exc();
                let bytes = buffer::with_bytes(t, repl, <[u8]>::to_vec)?;
                drop(failed);
                Some(Bytes::from_vec(t, bytes))
            }
            None => None,
        };
        if let Some(plain) = plain {
            t.clear_exc();
            made = proto::call(t, f.value(), &[pattern, plain.value()]);
        }
    }
    let made = made?;
    if !type_of(made.value()).is(&TEMPLATE) {
        let got = type_of(made.value()).name();
        return Err(t.runtime_error(format!(
            "the result of compiling a replacement string is {got}, not Template"
        )));
    }
    Ok(made)
}

/// Appends a template with the groups filled in; groups that took no part are left out.
pub fn expand_into(
    t: &mut Thread,
    template: Value,
    subject: &Subject,
    group: &dyn Fn(usize) -> Option<(usize, usize)>,
    out: &mut Output<'_>,
) {
    debug_assert!(std::ptr::eq(subject, out.subject));
    for (i, part) in parts_of(template).values().iter().enumerate() {
        if i % 2 == 0 {
            if !part.is_none() {
                let part = Obj::new(t, *part);
                out.push(t, part);
            }
        } else if let Some((a, b)) = part.to_int().and_then(|i| group(i as usize)) {
            out.push_part(t, a, b);
        }
    }
}

/// Text being put together: directly as long as all of it is of the subject's kind.
pub struct Output<'a> {
    subject: &'a Subject,
    text: Vec<u8>,
    /// How many pieces `text` is made of: errors name the place of what is no text.
    pieces: usize,
    /// What there is since something else came in, all together.
    objects: Option<Vec<Obj>>,
}

impl<'a> Output<'a> {
    pub fn new(subject: &'a Subject) -> Output<'a> {
        Output {
            subject,
            text: Vec::new(),
            pieces: 0,
            objects: None,
        }
    }

    /// A part of the subject.
    pub fn push_part(&mut self, t: &Thread, start: usize, end: usize) {
        if start >= end {
            return;
        }
        self.pieces += 1;
        match &mut self.objects {
            None => {
                let part = &self.subject.raw()[start..end];
                self.append(t, part);
            }
            Some(objects) => objects.push(self.subject.part(t, start, end)),
        }
    }

    /// What there is no memory for is left out: the substitution ends with MemoryError, then.
    fn append(&mut self, t: &Thread, bytes: &[u8]) {
        if self.text.capacity() - self.text.len() < bytes.len()
            && self.text.try_reserve(bytes.len()).is_err()
        {
            return weft_gc::reserve::starve(t);
        }
        self.text.extend_from_slice(bytes);
    }

    pub fn push(&mut self, t: &Thread, o: Obj) {
        self.pieces += 1;
        if self.objects.is_none() {
            match (Str::of(o.value()), Bytes::of(o.value())) {
                (Some(s), _) if !self.subject.is_bytes() => {
                    return self.append(t, s.as_bytes());
                }
                (_, Some(b)) if self.subject.is_bytes() => {
                    return self.append(t, b.as_slice());
                }
                _ => {}
            }
        }
        let objects = self.objects.get_or_insert_with(|| {
            let empty = || self.subject.wrap(t, Vec::new());
            let mut all: Vec<Obj> = (1..self.pieces).map(|_| empty()).collect();
            if let Some(first) = all.first_mut() {
                *first = self.subject.wrap(t, std::mem::take(&mut self.text));
            }
            all
        });
        objects.push(o);
    }

    /// All of it as one str or bytes; TypeError if something in it is no text.
    pub fn finish(self, t: &mut Thread) -> Res<Obj> {
        match self.objects {
            None => Ok(self.subject.wrap(t, self.text)),
            Some(objects) => {
                let empty = self.subject.wrap(t, Vec::new());
                let list = List::from_vec(t, objects);
                proto::call_method(t, empty.value(), "join", &[list.value()])
            }
        }
    }
}
