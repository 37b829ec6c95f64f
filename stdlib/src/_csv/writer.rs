//! Writing: fields to lines of text.

use super::dialect::{self, Dialect};
use super::{check_count, error, quoting};
use std::ops::ControlFlow;
use weft_objects::cell;
use weft_objects::prelude::*;
use weft_objects::text::wtf8;

#[repr(C)]
pub struct Writer {
    header: Header,
    /// The file's method.
    write: Slot,
    dialect: Slot,
}

weft_objects::gc_slots!(Writer, traverse, clear, write, dialect);

/// `writer(fileobj, dialect='excel', **fmtparams)`
pub fn new(t: &mut Thread, args: Args<'_>) -> Res {
    check_count(t, "writer", args.pos().len())?;
    let dialect = dialect::from_call(t, args)?;
    let write = proto::get_attr_opt(t, args.pos()[0], weft_objects::id!(t, "write"))?;
    let Some(write) = write.filter(|w| proto::is_callable(w.value())) else {
        return Err(t.type_error("argument 1 must have a \"write\" method".into()));
    };
    // SAFETY: the layout of writers.
    let (o, w) = unsafe { cell::fresh::<Writer>(t, &WRITER) };
    w.write.init(t, &w.header, write.into());
    w.dialect.init(t, &w.header, dialect.into());
    Ok(o.into())
}

/// One line being put together.
struct Line<'a> {
    d: &'a Dialect,
    out: Vec<u8>,
    fields: usize,
    null: bool,
}

impl Line<'_> {
    fn field(&mut self, t: &mut Thread, v: Value) -> Res<()> {
        let quoted = match self.d.quoting {
            quoting::NONNUMERIC => !is_number(v),
            quoting::ALL => true,
            quoting::STRINGS => Str::of(v).is_some(),
            quoting::NOTNULL => !v.is_none(),
            _ => false,
        };
        self.null = v.is_none();
        if v.is_none() {
            return self.append(t, None, quoted);
        }
        if let Some(s) = Str::of(v) {
            return self.append(t, Some(s), quoted);
        }
        let s = proto::str(t, v)?;
        self.append(t, Some(Str::this(s.value())), quoted)
    }

    fn append(&mut self, t: &mut Thread, text: Option<&Str>, mut quoted: bool) -> Res<()> {
        let d = self.d;
        let is_null = text.is_none();
        let empty = text.is_none_or(Str::is_empty);
        if empty && d.delimiter == u32::from(' ') && d.skipinitialspace {
            if self.may_not_quote(is_null) {
                let msg = "empty field must be quoted if delimiter is a space and skipinitialspace is true";
                return Err(error(t, msg));
            }
            quoted = true;
        }
        if self.fields > 0 {
            wtf8::push(&mut self.out, d.delimiter);
        }
        let start = self.out.len();
        if let Some(s) = text {
            quoted |= self.escape(t, s)?;
        }
        if quoted && let Some(q) = d.quotechar {
            let mut buf = [0; 4];
            let n = wtf8::encode(q, &mut buf);
            self.out.splice(start..start, buf[..n].iter().copied());
            self.out.extend_from_slice(&buf[..n]);
        }
        self.fields += 1;
        Ok(())
    }

    /// Whether an empty field must not be quoted.
    fn may_not_quote(&self, null: bool) -> bool {
        match self.d.quoting {
            quoting::NONE => true,
            quoting::STRINGS | quoting::NOTNULL => null,
            _ => false,
        }
    }

    /// Appends text with what must be escaped. Gives whether it needs quotes.
    fn escape(&mut self, t: &mut Thread, s: &Str) -> Res<bool> {
        let d = self.d;
        let end = d.lineterminator().as_bytes();
        let special = |c: u32| {
            c == d.delimiter
                || Some(c) == d.escapechar
                || Some(c) == d.quotechar
                || c == u32::from('\n')
                || c == u32::from('\r')
                || wtf8::code_points(end).any(|e| e == c)
        };
        let mut quoted = false;
        for c in s.text().code_points() {
            let mut escaped = false;
            if special(c) {
                if d.quoting == quoting::NONE {
                    escaped = true;
                } else if Some(c) == d.quotechar {
                    if d.doublequote {
                        wtf8::push(&mut self.out, c);
                    } else {
                        escaped = true;
                    }
                } else if Some(c) == d.escapechar {
                    escaped = true;
                }
                quoted |= !escaped;
            }
            if escaped {
                let Some(e) = d.escapechar else {
                    return Err(error(t, "need to escape, but no escapechar set"));
                };
                wtf8::push(&mut self.out, e);
            }
            wtf8::push(&mut self.out, c);
        }
        Ok(quoted)
    }
}

fn is_number(v: Value) -> bool {
    let slots = &type_of(v).slots;
    v.is_int()
        || v.is_float()
        || slots.index.is_set()
        || slots.int.is_set()
        || slots.float.is_set()
        || type_of(v).is_subtype(&weft_objects::complex::COMPLEX)
}

fn write_row(t: &mut Thread, v: Value, row: Value) -> Res {
    // SAFETY: called with objects of WRITER alone.
    let w = unsafe { &*(v.ptr() as *const Writer) };
    let (write, dialect) = (Obj::new(t, w.write.get()), Obj::new(t, w.dialect.get()));
    let d = Dialect::this(dialect.value());
    let items = match proto::iter(t, row) {
        Ok(items) => items,
        Err(_) if t.exc_matches(&errors::TYPE_ERROR) => {
            t.clear_exc();
            let got = type_of(row).name();
            return Err(error(t, format!("iterable expected, not {got}")));
        }
        Err(e) => return Err(e),
    };
    let mut line = Line {
        d,
        out: Vec::new(),
        fields: 0,
        null: false,
    };
    while let Some(item) = proto::next(t, items.value())? {
        line.field(t, item.value())?;
    }
    if line.fields > 0 && line.out.is_empty() {
        if line.may_not_quote(line.null) {
            return Err(error(t, "single empty field record must be quoted"));
        }
        line.fields -= 1;
        line.append(t, None, true)?;
    }
    line.out.extend_from_slice(d.lineterminator().as_bytes());
    let text = Str::from_vec(t, line.out);
    proto::call(t, write.value(), &[text.value()]).map(Obj::into_value)
}

/// `_csv.writer`
pub static WRITER: Type = Type::builtin(
    "writer",
    size_of::<Writer>(),
    &Spec {
        methods: &[
            NativeDef::new("writerow", "($self, row, /)", |t, a| {
                write_row(t, a[0], a[1])
            })
            .doc("Construct and write a CSV record from an iterable of fields."),
            NativeDef::new("writerows", "($self, rows, /)", |t, a| {
                proto::for_each(t, a[1], |t, row| {
                    write_row(t, a[0], row.value()).map(Obj::own)?;
                    Ok(ControlFlow::Continue(()))
                })?;
                Ok(Value::NONE)
            })
            .doc("Construct and write a series of iterables to a csv file."),
        ],
        members: &[MemberDef {
            name: "dialect",
            offset: std::mem::offset_of!(Writer, dialect),
            readonly: true,
            none_if_empty: true,
        }],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.module("_csv")
.final_()
.no_new();
