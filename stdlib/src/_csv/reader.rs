//! Reading: lines of text to lists of fields.

use super::dialect::{self, DIALECT, Dialect};
use super::{LIMIT, check_count, error, quoting};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::*};
use weft_objects::prelude::*;
use weft_objects::text::wtf8;
use weft_objects::{cell, float, int};

#[repr(C)]
pub struct Reader {
    header: Header,
    /// Gives the lines.
    input: Slot,
    dialect: Slot,
    lines: AtomicU64,
    /// The tag of the thread that is reading a record; 0 for none.
    active: AtomicU16,
    /// The input has asked the reader for a record while it was asked for a line.
    reentered: AtomicBool,
}

weft_objects::gc_slots!(Reader, traverse, clear, input, dialect);

impl Reader {
    fn this<'a>(v: Value) -> &'a Reader {
        // SAFETY: called with objects of READER alone.
        unsafe { &*(v.ptr() as *const Reader) }
    }
}

/// `reader(iterable, dialect='excel', **fmtparams)`
pub fn new(t: &mut Thread, args: Args<'_>) -> Res {
    check_count(t, "reader", args.pos().len())?;
    let input = proto::iter(t, args.pos()[0])?;
    let dialect = dialect::from_call(t, args)?;
    debug_assert!(type_of(dialect.value()).is_subtype(&DIALECT));
    // SAFETY: the layout of readers.
    let (o, r) = unsafe { cell::fresh::<Reader>(t, &READER) };
    r.input.init(t, &r.header, input.into());
    r.dialect.init(t, &r.header, dialect.into());
    Ok(o.into())
}

/// What the character before has led to.
#[derive(Clone, Copy, PartialEq)]
enum State {
    StartRecord,
    StartField,
    Escaped,
    /// As `InField`, but the record goes on in the next line.
    AfterEscapedEnd,
    InField,
    InQuoted,
    EscapedInQuoted,
    QuoteInQuoted,
    /// Nothing but the end of the line may follow.
    AtEnd,
}

/// One record being read.
struct Record<'a> {
    d: &'a Dialect,
    state: State,
    fields: Vec<Obj>,
    text: Vec<u8>,
    /// Characters of `text`.
    chars: usize,
    quoted: bool,
    limit: usize,
    /// Whether an ASCII character means nothing within a field.
    plain: [bool; 128],
}

const NEWLINE: u32 = b'\n' as u32;
const RETURN: u32 = b'\r' as u32;

impl<'a> Record<'a> {
    fn new(d: &'a Dialect) -> Record<'a> {
        let mut plain = [true; 128];
        for c in [
            Some(d.delimiter),
            d.quotechar,
            d.escapechar,
            Some(NEWLINE),
            Some(RETURN),
        ]
        .into_iter()
        .flatten()
        {
            if let Some(p) = plain.get_mut(c as usize) {
                *p = false;
            }
        }
        Record {
            d,
            state: State::StartRecord,
            fields: Vec::new(),
            text: Vec::new(),
            chars: 0,
            quoted: false,
            limit: LIMIT.load(Relaxed).max(0) as usize,
            plain,
        }
    }

    /// A line, and the end of it.
    fn line(&mut self, t: &mut Thread, line: &[u8]) -> Res<()> {
        let mut at = 0;
        while at < line.len() {
            if matches!(self.state, State::InField | State::InQuoted) {
                let rest = &line[at..];
                let n = rest
                    .iter()
                    .position(|b| *b >= 128 || !self.plain[*b as usize])
                    .unwrap_or(rest.len());
                if n > 0 {
                    self.add(t, &rest[..n], n)?;
                    at += n;
                    continue;
                }
            }
            let (c, n) = wtf8::decode_at(line, at);
            at += n;
            self.step(t, Some(c))?;
        }
        self.step(t, None)
    }

    fn add(&mut self, t: &mut Thread, text: &[u8], chars: usize) -> Res<()> {
        if self.chars + chars > self.limit {
            let limit = LIMIT.load(Relaxed);
            return Err(error(t, format!("field larger than field limit ({limit})")));
        }
        self.text.extend_from_slice(text);
        self.chars += chars;
        Ok(())
    }

    fn add_char(&mut self, t: &mut Thread, c: u32) -> Res<()> {
        let mut buf = [0; 4];
        let n = wtf8::encode(c, &mut buf);
        self.add(t, &buf[..n], 1)
    }

    /// The field is complete.
    fn save(&mut self, t: &mut Thread) -> Res<()> {
        let text = std::mem::take(&mut self.text);
        self.chars = 0;
        let q = self.d.quoting;
        let field = if self.quoted {
            Str::from_vec(t, text)
        } else if text.is_empty() && (q == quoting::NOTNULL || q == quoting::STRINGS) {
            crate::support::none()
        } else if !text.is_empty() && (q == quoting::NONNUMERIC || q == quoting::STRINGS) {
            let text = Str::from_vec(t, text);
            Obj::own(float::float_from_object(t, text.value())?)
        } else {
            Str::from_vec(t, text)
        };
        self.fields.push(field);
        Ok(())
    }

    /// The field is complete, and so is the record if that is the end of the line.
    fn end(&mut self, t: &mut Thread, c: Option<u32>) -> Res<()> {
        self.save(t)?;
        self.state = if c.is_none() {
            State::StartRecord
        } else {
            State::AtEnd
        };
        Ok(())
    }

    fn delimited(&mut self, t: &mut Thread) -> Res<()> {
        self.save(t)?;
        self.state = State::StartField;
        Ok(())
    }

    /// A character; `None` at the end of the line.
    fn step(&mut self, t: &mut Thread, c: Option<u32>) -> Res<()> {
        let d = self.d;
        let ends = matches!(c, None | Some(NEWLINE | RETURN));
        match self.state {
            State::StartRecord => match c {
                None => {}
                Some(NEWLINE | RETURN) => self.state = State::AtEnd,
                Some(_) => {
                    self.state = State::StartField;
                    return self.step(t, c);
                }
            },
            State::StartField => {
                self.quoted = false;
                if ends {
                    return self.end(t, c);
                }
                let Some(c) = c else { return Ok(()) };
                if Some(c) == d.quotechar && d.quoting != quoting::NONE {
                    self.quoted = true;
                    self.state = State::InQuoted;
                } else if Some(c) == d.escapechar {
                    self.state = State::Escaped;
                } else if c == u32::from(' ') && d.skipinitialspace {
                } else if c == d.delimiter {
                    return self.save(t);
                } else {
                    self.state = State::InField;
                    return self.add_char(t, c);
                }
            }
            State::Escaped => {
                self.state = match c {
                    Some(NEWLINE | RETURN) => State::AfterEscapedEnd,
                    _ => State::InField,
                };
                return self.add_char(t, c.unwrap_or(NEWLINE));
            }
            State::AfterEscapedEnd if c.is_none() => {}
            State::AfterEscapedEnd | State::InField => {
                if ends {
                    return self.end(t, c);
                }
                let Some(c) = c else { return Ok(()) };
                if Some(c) == d.escapechar {
                    self.state = State::Escaped;
                } else if c == d.delimiter {
                    return self.delimited(t);
                } else {
                    return self.add_char(t, c);
                }
            }
            State::InQuoted => {
                let Some(c) = c else { return Ok(()) };
                if Some(c) == d.escapechar {
                    self.state = State::EscapedInQuoted;
                } else if Some(c) == d.quotechar && d.quoting != quoting::NONE {
                    self.state = if d.doublequote {
                        State::QuoteInQuoted
                    } else {
                        State::InField
                    };
                } else {
                    return self.add_char(t, c);
                }
            }
            State::EscapedInQuoted => {
                self.state = State::InQuoted;
                return self.add_char(t, c.unwrap_or(NEWLINE));
            }
            State::QuoteInQuoted => {
                if ends {
                    return self.end(t, c);
                }
                let Some(c) = c else { return Ok(()) };
                if d.quoting != quoting::NONE && Some(c) == d.quotechar {
                    self.state = State::InQuoted;
                    return self.add_char(t, c);
                }
                if c == d.delimiter {
                    return self.delimited(t);
                }
                if d.strict {
                    let show = |c: u32| char::from_u32(c).unwrap_or('\u{fffd}');
                    let (delimiter, quote) = (show(d.delimiter), d.quotechar.map_or('"', show));
                    return Err(error(t, format!("'{delimiter}' expected after '{quote}'")));
                }
                self.state = State::InField;
                return self.add_char(t, c);
            }
            State::AtEnd => match c {
                Some(NEWLINE | RETURN) => {}
                None => self.state = State::StartRecord,
                Some(_) => {
                    let msg = "new-line character seen in unquoted field - do you need to open the file with newline=''?";
                    return Err(error(t, msg));
                }
            },
        }
        Ok(())
    }
}

fn next(t: &mut Thread, v: Value) -> Res {
    let r = Reader::this(v);
    let me = t.tag();
    let nested = r.active.swap(me, AcqRel) == me;
    let record = read(t, r);
    r.active.store(if nested { me } else { 0 }, Release);
    if nested {
        r.reentered.store(true, Release);
    }
    record
}

fn read(t: &mut Thread, r: &Reader) -> Res {
    let (input, dialect) = (Obj::new(t, r.input.get()), Obj::new(t, r.dialect.get()));
    let d = Dialect::this(dialect.value());
    let mut record = Record::new(d);
    loop {
        let line = proto::next(t, input.value())?;
        if r.reentered.swap(false, AcqRel) {
            return Err(error(t, "iterator has already advanced the reader"));
        }
        let Some(line) = line else {
            if record.chars > 0 || record.state == State::InQuoted {
                if d.strict {
                    return Err(error(t, "unexpected end of data"));
                }
                record.save(t)?;
                break;
            }
            return Ok(Value::NULL);
        };
        let Some(text) = Str::of(line.value()) else {
            let got = type_of(line.value()).name();
            let msg = format!(
                "iterator should return strings, not {got} (the file should be opened in text mode)"
            );
            return Err(error(t, msg));
        };
        r.lines.fetch_add(1, Relaxed);
        record.line(t, text.as_bytes())?;
        if record.state == State::StartRecord {
            break;
        }
    }
    Ok(List::from_vec(t, record.fields).into())
}

/// `_csv.reader`
pub static READER: Type = Type::builtin(
    "reader",
    size_of::<Reader>(),
    &Spec {
        iter: Some(|t, v| Ok(Obj::new(t, v).into())),
        iter_next: Some(next),
        getset: &[GetSetDef::ro("line_num", |t, v| {
            Ok(int::from_u64(t, Reader::this(v).lines.load(Relaxed)))
        })],
        members: &[MemberDef {
            name: "dialect",
            offset: std::mem::offset_of!(Reader, dialect),
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
