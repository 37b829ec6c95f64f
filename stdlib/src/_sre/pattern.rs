//! `re.Pattern`: a compiled regular expression.

use super::found::Match;
use super::program::Program;
use super::subject::{How, Run, Subject};
use super::{flags_of, scanner, size_or, template};
use std::hash::Hasher;
use weft_objects::cell::fresh;
use weft_objects::generic_alias::class_getitem;
use weft_objects::int;
use weft_objects::mappingproxy::MappingProxy;
use weft_objects::prelude::*;

#[repr(C)]
pub struct Pattern {
    pub header: Header,
    /// The source: a str, a bytes-like object, or None.
    pattern: Slot,
    /// dict of group names
    groupindex: Slot,
    /// tuple of the groups' names, None for those without
    indexgroup: Slot,
    /// Never changed.
    program: *mut Program,
    flags: i32,
    kind: Kind,
}

// SAFETY: the program is written once, before anybody else can reach the object.
unsafe impl Sync for Pattern {}

/// What a pattern can be matched against.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Kind {
    Any,
    Text,
    Bytes,
}

impl Pattern {
    /// The pattern in a word that is known to be one.
    pub fn this<'a>(v: Value) -> &'a Pattern {
        // SAFETY: called with instances of PATTERN alone.
        unsafe { &*(v.ptr() as *const Pattern) }
    }

    pub fn program(&self) -> &Program {
        // SAFETY: made by `compile`, freed with the object.
        unsafe { &*self.program }
    }

    pub fn groups(&self) -> usize {
        self.program().groups
    }

    /// The dict from names to groups.
    pub fn groupindex(&self) -> &Dict {
        Dict::of(self.groupindex.get()).expect("compile checks that it is a dict")
    }

    /// The name of a group, or None.
    pub fn name_of(&self, t: &Thread, group: usize) -> Value {
        match Tuple::of(self.indexgroup.get()) {
            Some(names) if group < names.len() => to_reg(t, names.get(group)),
            _ => Value::NONE,
        }
    }

    /// The subject in an argument.
    pub fn subject(&self, t: &mut Thread, v: Value) -> Res<Subject> {
        let subject = Subject::new(t, v)?;
        match (self.kind, subject.is_bytes()) {
            (Kind::Text, true) => {
                Err(t.type_error("cannot use a string pattern on a bytes-like object".into()))
            }
            (Kind::Bytes, false) => {
                Err(t.type_error("cannot use a bytes pattern on a string-like object".into()))
            }
            _ => Ok(subject),
        }
    }
}

/// `_sre.compile(pattern, flags, code, groups, groupindex, indexgroup)`
pub fn compile(t: &mut Thread, a: &[Value]) -> Res {
    let flags = flags_of(t, a[1])?;
    let wanted = |v: Value, name: &str, ty: &str| {
        let got = type_of(v).name();
        format!("compile() argument '{name}' must be {ty}, not {got}")
    };
    let Some(list) = List::of(a[2]) else {
        return Err(t.type_error(wanted(a[2], "code", "list")));
    };
    let groups = size_or(t, a[3], 0)?;
    if Dict::of(a[4]).is_none() {
        return Err(t.type_error(wanted(a[4], "groupindex", "dict")));
    }
    if Tuple::of(a[5]).is_none() {
        return Err(t.type_error(wanted(a[5], "indexgroup", "tuple")));
    }
    let mut code = Vec::with_capacity(list.len());
    for word in list.to_vec(t) {
        code.push(code_word(t, word.value())?);
    }
    let kind = if a[0].is_none() {
        Kind::Any
    } else if Str::of(a[0]).is_some() {
        Kind::Text
    } else {
        Subject::new(t, a[0])?;
        Kind::Bytes
    };
    let program = usize::try_from(groups)
        .ok()
        .and_then(|g| Program::new(code, g));
    let Some(program) = program else {
        return Err(t.runtime_error("invalid SRE code"));
    };
    // SAFETY: the layout of patterns, of which all fields are written here.
    unsafe {
        let (o, _) = fresh::<Pattern>(t, &PATTERN);
        let p = o.value().ptr() as *mut Pattern;
        (&raw mut (*p).program).write(Box::into_raw(Box::new(program)));
        (&raw mut (*p).flags).write(flags);
        (&raw mut (*p).kind).write(kind);
        let p = &*p;
        p.pattern.init(t, &p.header, Obj::new(t, a[0]).into());
        p.groupindex.init(t, &p.header, Obj::new(t, a[4]).into());
        p.indexgroup.init(t, &p.header, Obj::new(t, a[5]).into());
        Ok(o.into())
    }
}

fn code_word(t: &mut Thread, v: Value) -> Res<u32> {
    if !int::is_int(v) {
        return Err(t.type_error("an integer is required".into()));
    }
    match int::as_i64(v).map(u32::try_from) {
        Some(Ok(word)) => Ok(word),
        Some(Err(_)) if int::as_i64(v).is_some_and(|i| i < 0) => {
            Err(t.overflow_error("can't convert negative value to unsigned int"))
        }
        _ => Err(t.overflow_error("regular expression code size limit exceeded")),
    }
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this type.
    let p = unsafe { &*(h as *const Pattern) };
    f(p.pattern.get());
    f(p.groupindex.get());
    f(p.indexgroup.get());
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type, whose program is freed once.
    unsafe {
        let p = &mut *(h as *mut Pattern);
        for slot in [&p.pattern, &p.groupindex, &p.indexgroup] {
            t.drop_value(slot.take());
        }
        let program = std::mem::replace(&mut p.program, std::ptr::null_mut());
        if !program.is_null() {
            drop(Box::from_raw(program));
        }
    }
}

/// Binds the arguments of a method: `self`, then as the signature says, at most four in all.
fn arguments(t: &mut Thread, args: Args<'_>, least: usize, sig: &SigCell) -> Res<[Value; 4]> {
    let mut out = [Value::NULL; 4];
    let given = args.all();
    if args.names().is_null() && given.len() > least && given.len() <= out.len() {
        out[..given.len()].copy_from_slice(given);
        // Unless the signature has no room for so many.
        if given.len() <= 3 || least == 1 {
            return Ok(out);
        }
    }
    let bound = sig.bind(t, args)?;
    out[..bound.len()].copy_from_slice(&bound);
    Ok(out)
}

fn one(t: &mut Thread, args: Args<'_>, how: How, sig: &SigCell) -> Res {
    let a = arguments(t, args, 1, sig)?;
    let (p, subject, pos, endpos) = started(t, &a)?;
    let span = subject.clamp(pos, endpos);
    let mut run = Run::new(p.program(), &subject, span);
    if run.next(t, how)? {
        Ok(Match::new(t, a[0], &run, span).into())
    } else {
        Ok(Value::NONE)
    }
}

/// What `self, string, pos, endpos` say.
pub fn started<'a>(t: &mut Thread, a: &[Value; 4]) -> Res<(&'a Pattern, Subject, isize, isize)> {
    let pos = size_or(t, a[2], 0)?;
    let endpos = size_or(t, a[3], isize::MAX)?;
    let p = Pattern::this(a[0]);
    let subject = p.subject(t, a[1])?;
    Ok((p, subject, pos, endpos))
}

fn find_all(t: &mut Thread, args: Args<'_>, sig: &SigCell) -> Res {
    let a = arguments(t, args, 1, sig)?;
    let (p, subject, pos, endpos) = started(t, &a)?;
    let mut run = Run::new(p.program(), &subject, subject.clamp(pos, endpos));
    let mut found = Vec::new();
    while run.next(t, How::Search)? {
        let part = |i: usize| {
            let (a, b) = run.group(i).unwrap_or((0, 0));
            subject.part(t, a, b)
        };
        found.push(match p.groups() {
            0 => {
                let (a, b) = run.span();
                subject.part(t, a, b)
            }
            1 => part(1),
            n => Tuple::from_vec(t, (1..=n).map(part).collect()),
        });
    }
    Ok(List::from_vec(t, found).into())
}

fn split(t: &mut Thread, args: Args<'_>, sig: &SigCell) -> Res {
    let a = arguments(t, args, 2, sig)?;
    let max = size_or(t, a[2], 0)?;
    let p = Pattern::this(a[0]);
    let subject = p.subject(t, a[1])?;
    let mut run = Run::over(p.program(), &subject);
    let mut parts = Vec::new();
    let (mut last, mut n) = (0, 0);
    while (max == 0 || n < max) && run.next(t, How::Search)? {
        let (start, end) = run.span();
        parts.push(subject.part(t, last, start));
        for i in 1..=p.groups() {
            parts.push(match run.group(i) {
                Some((a, b)) => subject.part(t, a, b),
                None => crate::support::none(),
            });
        }
        n += 1;
        last = end;
    }
    parts.push(subject.part(t, last, run.end));
    Ok(List::from_vec(t, parts).into())
}

fn substitute(t: &mut Thread, args: Args<'_>, sig: &SigCell) -> Res<(Obj, usize)> {
    let a = arguments(t, args, 2, sig)?;
    let count = size_or(t, a[3], 0)?;
    let p = Pattern::this(a[0]);
    let filter = template::Filter::new(t, a[0], a[1])?;
    let subject = p.subject(t, a[2])?;
    let mut run = Run::over(p.program(), &subject);
    let mut out = template::Output::new(&subject);
    let (mut last, mut n) = (0, 0);
    while (count == 0 || n < count) && run.next(t, How::Search)? {
        let (start, end) = run.span();
        out.push_part(t, last, start);
        match &filter {
            template::Filter::Literal(o) => out.push(t, o.clone()),
            template::Filter::Template(o) => template::expand_into(
                t,
                o.value(),
                &subject,
                &|i| match i {
                    0 => Some(run.span()),
                    i => run.group(i),
                },
                &mut out,
            ),
            template::Filter::Call(f) => {
                let m = Match::new(t, a[0], &run, (0, subject.len));
                let r = proto::call(t, f.value(), &[m.value()])?;
                if !r.value().is_none() {
                    out.push(t, r);
                }
            }
        }
        last = end;
        n += 1;
        weft_objects::memory::check(t)?;
    }
    if n == 0 {
        return Ok((subject.part(t, 0, run.end), 0));
    }
    out.push_part(t, last, run.end);
    weft_objects::memory::check(t)?;
    Ok((out.finish(t)?, n as usize))
}

const FLAGS: [(i32, &str); 8] = [
    (2, "re.IGNORECASE"),
    (4, "re.LOCALE"),
    (8, "re.MULTILINE"),
    (16, "re.DOTALL"),
    (32, "re.UNICODE"),
    (64, "re.VERBOSE"),
    (128, "re.DEBUG"),
    (256, "re.ASCII"),
];
const UNICODE: i32 = 32;

fn repr(t: &mut Thread, v: Value) -> Res {
    let p = Pattern::this(v);
    let source = Obj::new(t, p.pattern.get());
    let source = proto::repr(t, source.value())?;
    let mut out = b"re.compile(".to_vec();
    let text = Str::this(source.value());
    out.extend_from_slice(text.slice(0, text.len().min(200)).bytes);
    let mut flags = p.flags;
    if p.kind == Kind::Text && flags & (4 | UNICODE | 256) == UNICODE {
        flags &= !UNICODE;
    }
    let mut names: Vec<String> = Vec::new();
    for (bit, name) in FLAGS {
        if flags & bit != 0 {
            names.push(name.into());
            flags &= !bit;
        }
    }
    if flags != 0 {
        names.push(format!("{flags:#x}"));
    }
    if !names.is_empty() {
        out.extend_from_slice(b", ");
        out.extend_from_slice(names.join("|").as_bytes());
    }
    out.push(b')');
    Ok(Str::from_vec(t, out).into())
}

fn hash(t: &mut Thread, v: Value) -> Res<i64> {
    let p = Pattern::this(v);
    let source = Obj::new(t, p.pattern.get());
    let mut h = std::hash::DefaultHasher::new();
    h.write_i64(proto::hash(t, source.value())?);
    for word in p.program().words.iter() {
        h.write_u32(*word);
    }
    h.write_i32(p.flags);
    h.write_u32(p.kind as u32);
    Ok(match h.finish() as i64 {
        -1 => -2,
        h => h,
    })
}

fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    if !matches!(op, CmpOp::Eq | CmpOp::Ne) || !type_of(b).is(&PATTERN) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let (p, q) = (Pattern::this(a), Pattern::this(b));
    let equal = a.same(b)
        || p.flags == q.flags && p.kind == q.kind && p.program().words == q.program().words && {
            let (x, y) = (Obj::new(t, p.pattern.get()), Obj::new(t, q.pattern.get()));
            proto::eq(t, x.value(), y.value())?
        };
    Ok(Value::bool(equal == (op == CmpOp::Eq)))
}

/// A method that is called with `string, pos, endpos`.
macro_rules! at_method {
    ($name:literal, $f:expr) => {
        NativeDef::raw(
            $name,
            "($self, string, pos=0, endpos=sys.maxsize)",
            |t, args| {
                static SIG: SigCell =
                    SigCell::new($name, "($self, string, pos=0, endpos=sys.maxsize)");
                $f(t, args, &SIG)
            },
        )
    };
}

/// `re.Pattern`
pub static PATTERN: Type = Type::builtin(
    "Pattern",
    size_of::<Pattern>(),
    &Spec {
        repr: Some(repr),
        hash: Some(hash),
        compare: Some(compare),
        methods: &[
            at_method!("match", |t, args, sig| one(t, args, How::Match, sig))
                .doc("Matches zero or more characters at the beginning of the string."),
            at_method!("fullmatch", |t, args, sig| one(t, args, How::Full, sig))
                .doc("Matches against all of the string."),
            at_method!("search", |t, args, sig| one(t, args, How::Search, sig)).doc(
                "Scan through string looking for a match, and return a corresponding match object instance.\n\n\
                 Return None if no position in the string matches.",
            ),
            at_method!("findall", find_all)
                .doc("Return a list of all non-overlapping matches of pattern in string."),
            at_method!("finditer", |t: &mut Thread, args, sig| {
                let a = arguments(t, args, 1, sig)?;
                scanner::new(t, &scanner::FINDITER, &a)
            })
            .doc(
                "Return an iterator over all non-overlapping matches for the RE pattern in string.\n\n\
                 For each match, the iterator returns a match object.",
            ),
            at_method!("scanner", |t: &mut Thread, args, sig| {
                let a = arguments(t, args, 1, sig)?;
                scanner::new(t, &scanner::SCANNER, &a)
            }),
            NativeDef::raw("split", "($self, string, maxsplit=0)", |t, args| {
                static SIG: SigCell = SigCell::new("split", "($self, string, maxsplit=0)");
                split(t, args, &SIG)
            })
            .doc("Split string by the occurrences of pattern."),
            NativeDef::raw("sub", "($self, repl, string, count=0)", |t, args| {
                static SIG: SigCell = SigCell::new("sub", "($self, repl, string, count=0)");
                substitute(t, args, &SIG).map(|(o, _)| o.into())
            })
            .doc(
                "Return the string obtained by replacing the leftmost non-overlapping occurrences of pattern in string \
                 by the replacement repl.",
            ),
            NativeDef::raw("subn", "($self, repl, string, count=0)", |t, args| {
                static SIG: SigCell = SigCell::new("subn", "($self, repl, string, count=0)");
                let (o, n) = substitute(t, args, &SIG)?;
                let n = super::int_obj(t, n);
                Ok(Tuple::pair(t, o, n).into())
            })
            .doc(
                "Return the tuple (new_string, number_of_subs_made) found by replacing the leftmost non-overlapping \
                 occurrences of pattern with the replacement repl.",
            ),
            NativeDef::new("__copy__", "($self, /)", |t, a| Ok(Obj::new(t, a[0]).into())),
            NativeDef::new("__deepcopy__", "($self, memo, /)", |t, a| Ok(Obj::new(t, a[0]).into())),
            NativeDef::class("__class_getitem__", "($type, object, /)", class_getitem),
        ],
        getset: &[
            GetSetDef::ro("flags", |_, v| Ok(Value::int(i64::from(Pattern::this(v).flags)))),
            GetSetDef::ro("groups", |t, v| Ok(int::from_usize(t, Pattern::this(v).groups()))),
            GetSetDef::ro("groupindex", |t, v| {
                let names = Obj::new(t, Pattern::this(v).groupindex.get());
                Ok(MappingProxy::new(t, names).into())
            }),
        ],
        members: &[MemberDef {
            name: "pattern",
            offset: std::mem::offset_of!(Pattern, pattern),
            readonly: true,
            none_if_empty: true,
        }],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.module("re")
.doc("Compiled regular expression object.")
.final_()
.no_new();

/// How many groups there are, if `v` is a pattern.
pub fn group_count(v: Value) -> Option<usize> {
    type_of(v).is(&PATTERN).then(|| Pattern::this(v).groups())
}
