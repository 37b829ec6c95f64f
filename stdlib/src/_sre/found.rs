//! `re.Match`: what a pattern has found.

use super::pattern::Pattern;
use super::subject::{Run, Subject};
use super::template;
use weft_objects::generic_alias::class_getitem;
use weft_objects::prelude::*;
use weft_objects::{cell, int};

#[repr(C)]
pub struct Match {
    header: Header,
    pattern: Slot,
    string: Slot,
    /// The tuple of all spans, once it has been asked for.
    regs: Slot,
    pos: usize,
    endpos: usize,
    /// Groups, that of the whole match included.
    groups: usize,
    /// The group closed last; 0 for none.
    last: usize,
    // What follows: a `Span` for each group.
}

/// Start and end of a group; both -1 if it took no part.
#[repr(C)]
#[derive(Clone, Copy)]
struct Span {
    start: isize,
    end: isize,
}

impl Match {
    /// For the last match of `run`, by `pattern`, within `window`.
    pub fn new(t: &Thread, pattern: Value, run: &Run<'_>, window: (usize, usize)) -> Obj {
        let groups = Pattern::this(pattern).groups() + 1;
        let (pos, endpos) = window;
        // SAFETY: room for the spans follows the struct; all fields are written here.
        unsafe {
            let p =
                t.alloc(&MATCH.head, size_of::<Match>() + groups * size_of::<Span>()) as *mut Match;
            (&raw mut (*p).pos).write(pos);
            (&raw mut (*p).endpos).write(endpos);
            (&raw mut (*p).groups).write(groups);
            (&raw mut (*p).last).write(run.last_group());
            let spans = p.add(1) as *mut Span;
            let span = |(a, b): (usize, usize)| Span {
                start: run.subject.index(a) as isize,
                end: run.subject.index(b) as isize,
            };
            spans.write(span(run.span()));
            for i in 1..groups {
                let none = Span { start: -1, end: -1 };
                spans.add(i).write(run.group(i).map_or(none, span));
            }
            let m = &*p;
            m.pattern.init(t, &m.header, Obj::new(t, pattern).into());
            m.string.init(t, &m.header, run.subject.obj.clone().into());
            Obj::from_raw(Value::from_ptr(p as *const Header))
        }
    }

    fn this<'a>(v: Value) -> &'a Match {
        // SAFETY: called with instances of MATCH alone.
        unsafe { &*(v.ptr() as *const Match) }
    }

    fn spans(&self) -> &[Span] {
        // SAFETY: they follow the struct.
        unsafe {
            std::slice::from_raw_parts((self as *const Match).add(1) as *const Span, self.groups)
        }
    }

    fn pattern(&self) -> &Pattern {
        Pattern::this(self.pattern.get())
    }

    fn subject(&self, t: &mut Thread) -> Res<Subject> {
        let string = Obj::new(t, self.string.get());
        Subject::new(t, string.value())
    }

    /// Where a group lies, if it took part in the match.
    fn group(&self, i: usize) -> Option<(usize, usize)> {
        let s = self.spans()[i];
        (s.start >= 0).then_some((s.start as usize, s.end as usize))
    }

    /// The text of a group, or `default`.
    fn text(&self, t: &mut Thread, i: usize, default: Value) -> Res<Obj> {
        let Some((a, b)) = self.group(i) else {
            return Ok(Obj::new(t, default));
        };
        let string = self.string.get();
        if let Some(s) = Str::of(string) {
            return Ok(s.substring(t, a, b));
        }
        let subject = self.subject(t)?;
        // A bytearray may have shrunk since.
        let b = b.min(subject.len);
        Ok(subject.part(t, a.min(b), b))
    }

    /// The number of the group that an argument names.
    fn index(&self, t: &mut Thread, v: Value) -> Res<usize> {
        let i = if v.is_null() {
            Some(0)
        } else if let Some(i) = v.to_int() {
            Some(i)
        } else if weft_objects::str::index::has_index(v) {
            Some(proto::index_for(t, v)?)
        } else {
            self.pattern()
                .groupindex()
                .get(t, v)?
                .map(Obj::own)
                .and_then(|i| int::as_i64(i.value()))
        };
        match i.map(usize::try_from) {
            Some(Ok(i)) if i < self.groups => Ok(i),
            _ => Err(t.index_error("no such group")),
        }
    }

    fn span_obj(&self, t: &Thread, i: usize) -> Obj {
        let s = self.spans()[i];
        Tuple::pair(
            t,
            crate::support::int_obj(t, s.start as i64),
            crate::support::int_obj(t, s.end as i64),
        )
    }
}

weft_objects::gc_slots!(Match, traverse, clear, pattern, string, regs);

fn group(t: &mut Thread, args: Args<'_>) -> Res {
    if args.has_keywords() {
        return Err(t.type_error("Match.group() takes no keyword arguments".into()));
    }
    let (m, wanted) = (Match::this(args.all()[0]), &args.all()[1..]);
    match wanted {
        [] => m.text(t, 0, Value::NONE).map(Obj::into_value),
        [i] => get_item(t, args.all()[0], *i),
        many => {
            let mut out = Vec::with_capacity(many.len());
            for i in many {
                let i = m.index(t, *i)?;
                out.push(m.text(t, i, Value::NONE)?);
            }
            Ok(Tuple::from_vec(t, out).into())
        }
    }
}

fn get_item(t: &mut Thread, v: Value, i: Value) -> Res {
    let m = Match::this(v);
    let i = m.index(t, i)?;
    m.text(t, i, Value::NONE).map(Obj::into_value)
}

fn default_of(v: Value) -> Value {
    if v.is_null() { Value::NONE } else { v }
}

fn groups(t: &mut Thread, a: &[Value]) -> Res {
    let m = Match::this(a[0]);
    let mut out = Vec::with_capacity(m.groups - 1);
    for i in 1..m.groups {
        out.push(m.text(t, i, default_of(a[1]))?);
    }
    Ok(Tuple::from_vec(t, out).into())
}

fn groupdict(t: &mut Thread, a: &[Value]) -> Res {
    let m = Match::this(a[0]);
    let out = Dict::new(t);
    for (name, i) in m.pattern().groupindex().items(t) {
        let i = m.index(t, i.value())?;
        let text = m.text(t, i, default_of(a[1]))?;
        Dict::of_obj(&out).set(t, name.value(), text.value())?;
    }
    Ok(out.into())
}

fn regs(t: &mut Thread, v: Value) -> Res {
    let m = Match::this(v);
    if m.regs.get().is_null() {
        let spans = (0..m.groups).map(|i| m.span_obj(t, i)).collect();
        let made = Tuple::from_vec(t, spans);
        if let Err(unused) = m.regs.set_if(t, &m.header, Value::NULL, made.into()) {
            dec(t, unused);
        }
    }
    Ok(to_reg(t, m.regs.get()))
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let m = Match::this(v);
    let text = m.text(t, 0, Value::NONE)?;
    let text = proto::repr(t, text.value())?;
    let s = m.spans()[0];
    let mut out = format!("<re.Match object; span=({}, {}), match=", s.start, s.end).into_bytes();
    out.extend_from_slice(Str::this(text.value()).as_bytes());
    out.push(b'>');
    Ok(Str::from_vec(t, out).into())
}

fn expand(t: &mut Thread, a: &[Value]) -> Res {
    let m = Match::this(a[0]);
    let pattern = Obj::new(t, m.pattern.get());
    let made = template::compiled(t, pattern.value(), a[1])?;
    let subject = m.subject(t)?;
    let mut out = template::Output::new(&subject);
    // A bytearray may have shrunk since.
    let offset = |i: usize| subject.offset(i.min(subject.len));
    let group = |i: usize| m.group(i).map(|(a, b)| (offset(a), offset(b)));
    template::expand_into(t, made.value(), &subject, &group, &mut out);
    out.finish(t).map(Obj::into_value)
}

/// `re.Match`
pub static MATCH: Type = Type::builtin(
    "Match",
    size_of::<Match>(),
    &Spec {
        repr: Some(repr),
        get_item: Some(get_item),
        methods: &[
            NativeDef::raw("group", "($self, /, *args)", group).doc(
                "group([group1, ...]) -> str or tuple.\nReturn subgroup(s) of the match by indices or names.\n\
                 For 0 returns the entire match.",
            ),
            NativeDef::new("start", "($self, group=0, /)", |t, a| {
                let m = Match::this(a[0]);
                let i = m.index(t, a[1])?;
                Ok(Value::int(m.spans()[i].start as i64))
            })
            .doc("Return index of the start of the substring matched by group."),
            NativeDef::new("end", "($self, group=0, /)", |t, a| {
                let m = Match::this(a[0]);
                let i = m.index(t, a[1])?;
                Ok(Value::int(m.spans()[i].end as i64))
            })
            .doc("Return index of the end of the substring matched by group."),
            NativeDef::new("span", "($self, group=0, /)", |t, a| {
                let m = Match::this(a[0]);
                let i = m.index(t, a[1])?;
                Ok(m.span_obj(t, i).into())
            })
            .doc("For match object m, return the 2-tuple (m.start(group), m.end(group))."),
            NativeDef::new("groups", "($self, default=None)", groups)
                .doc("Return a tuple containing all the subgroups of the match, from 1."),
            NativeDef::new("groupdict", "($self, default=None)", groupdict).doc(
                "Return a dictionary containing all the named subgroups of the match, keyed by the subgroup name.",
            ),
            NativeDef::new("expand", "($self, template)", expand).doc(
                "Return the string obtained by doing backslash substitution on the string template, as done by the \
                 sub() method.",
            ),
            NativeDef::new("__copy__", "($self, /)", |t, a| Ok(Obj::new(t, a[0]).into())),
            NativeDef::new("__deepcopy__", "($self, memo, /)", |t, a| Ok(Obj::new(t, a[0]).into())),
            NativeDef::class("__class_getitem__", "($type, object, /)", class_getitem),
        ],
        getset: &[
            GetSetDef::ro("string", |t, v| Ok(cell::or_none(t, Match::this(v).string.get()))),
            GetSetDef::ro("re", |t, v| Ok(cell::or_none(t, Match::this(v).pattern.get()))),
            GetSetDef::ro("pos", |t, v| Ok(int::from_usize(t, Match::this(v).pos))),
            GetSetDef::ro("endpos", |t, v| Ok(int::from_usize(t, Match::this(v).endpos))),
            GetSetDef::ro("lastindex", |t, v| {
                Ok(match Match::this(v).last {
                    0 => Value::NONE,
                    i => int::from_usize(t, i),
                })
            }),
            GetSetDef::ro("lastgroup", |t, v| {
                let m = Match::this(v);
                Ok(if m.last == 0 { Value::NONE } else { m.pattern().name_of(t, m.last) })
            }),
            GetSetDef::ro("regs", regs),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.module("re")
.doc("The result of re.match() and re.search().\nMatch objects always have a boolean value of True.")
.final_()
.no_new();
