//! The module `_tokenize`.

pub mod lexer;

use lexer::{DEDENT, ENDMARKER, Error, INDENT, Kind, Lexer, NEWLINE, NL, Token};
use parking_lot::Mutex;
use std::sync::OnceLock;
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::types::alloc_instance;
use weft_stdlib::wait::OwnedLock;

/// `TokenizerIter(readline, /, *, encoding=None, extra_tokens=False)`
#[repr(C)]
struct TokenizerIter {
    header: Header,
    readline: Slot,
    encoding: Slot,
    extra_tokens: bool,
    /// Whose turn it is: a step may call `readline`.
    turn: OwnedLock,
    /// Made at the first step, from all lines.
    state: OnceLock<Mutex<State>>,
}

struct State {
    lexer: Lexer,
    /// Byte offsets of the lines.
    lines: Vec<usize>,
    /// The last line came without a newline.
    no_newline: bool,
    /// Where the last token ended.
    last_end: usize,
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this type.
    let it = unsafe { &*(h as *const TokenizerIter) };
    f(it.readline.get());
    f(it.encoding.get());
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type.
    unsafe {
        let it = h as *mut TokenizerIter;
        t.drop_value((*it).readline.take());
        t.drop_value((*it).encoding.take());
        drop((*it).state.take());
    }
}

fn new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new(
        "tokenizeriter",
        "(readline, /, *, encoding=None, extra_tokens)",
    );
    let a = SIG.bind(t, args)?;
    if !a[1].is_null() && !a[1].is_none() && Str::of(a[1]).is_none() {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!(
            "tokenizeriter() argument 'encoding' must be str, not {got}"
        )));
    }
    let extra = proto::truth(t, a[2])?;
    let p = alloc_instance(t, Type::of_unchecked(cls)) as *mut TokenizerIter;
    // SAFETY: just allocated with this layout.
    unsafe {
        (*p).readline
            .init(t, &(*p).header, Obj::new(t, a[0]).into_value());
        if !a[1].is_null() {
            (*p).encoding
                .init(t, &(*p).header, Obj::new(t, a[1]).into_value());
        }
        (*p).extra_tokens = extra;
        std::ptr::write(&raw mut (*p).turn, OwnedLock::new());
        std::ptr::write(&raw mut (*p).state, OnceLock::new());
        Ok(Value::from_ptr(p as *const Header))
    }
}

fn this<'a>(v: Value) -> &'a TokenizerIter {
    // SAFETY: slot functions of this type get its instances alone.
    unsafe { &*(v.ptr() as *const TokenizerIter) }
}

/// Everything that `readline` gives.
fn read_all(t: &mut Thread, it: &TokenizerIter) -> Res<String> {
    let readline = Obj::new(t, it.readline.get());
    let encoding = it.encoding.get();
    let encoding = (!encoding.is_null() && !encoding.is_none()).then(|| Obj::new(t, encoding));
    let mut text = String::new();
    loop {
        let line = match proto::call(t, readline.value(), &[]) {
            Ok(l) => l,
            Err(e) if !t.exc_matches(&errors::STOP_ITERATION) => return Err(e),
            Err(_) => {
                t.clear_exc();
                return Ok(text);
            }
        };
        let line = match &encoding {
            Some(encoding) if Bytes::of(line.value()).is_some() => {
                let strict = Str::intern(t, "replace");
                proto::call_method(
                    t,
                    line.value(),
                    "decode",
                    &[encoding.value(), strict.value()],
                )?
            }
            Some(_) => return Err(t.type_error("readline() returned a non-bytes object".into())),
            None if Str::of(line.value()).is_none() => {
                return Err(t.type_error("readline() returned a non-string object".into()));
            }
            None => line,
        };
        let Some(line) = Str::of(line.value()) else {
            return Ok(text);
        };
        if line.is_empty() {
            return Ok(text);
        }
        text.push_str(&line.to_string_lossy());
    }
}

fn make_state(t: &mut Thread, it: &TokenizerIter) -> Res<State> {
    let mut text = read_all(t, it)?;
    let no_newline = !text.is_empty() && !text.ends_with('\n');
    if no_newline {
        text.push('\n');
    }
    let newlines = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
    let lines = std::iter::once(0).chain(newlines.map(|(i, _)| i + 1));
    Ok(State {
        lines: lines.collect(),
        lexer: Lexer::new(text, it.extra_tokens),
        no_newline,
        last_end: 0,
    })
}

/// All lines are read by the thread that comes first; others wait for it.
fn state<'a>(t: &mut Thread, it: &'a TokenizerIter) -> Res<&'a Mutex<State>> {
    if let Some(state) = it.state.get() {
        return Ok(state);
    }
    let alone = it.header.is_local(t);
    if it.turn.is_mine() {
        return Err(t.value_error("tokenizer is already reading"));
    }
    it.turn.lock(t, alone)?;
    let made = match it.state.get() {
        Some(_) => Ok(()),
        None => make_state(t, it).map(|state| drop(it.state.set(Mutex::new(state)))),
    };
    it.turn.unlock(it.header.is_local(t));
    made?;
    it.state
        .get()
        .ok_or_else(|| t.runtime_error("no tokenizer state"))
}

impl State {
    /// Line (from 0) and column in code points.
    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|s| *s <= at) - 1;
        (line, self.lexer.text[self.lines[line]..at].chars().count())
    }

    /// The text of some lines with their newlines, but the one that was added.
    fn lines(&self, first: usize, last: usize) -> &str {
        let start = self
            .lines
            .get(first)
            .copied()
            .unwrap_or(self.lexer.text.len());
        let end = self
            .lines
            .get(last + 1)
            .copied()
            .unwrap_or(self.lexer.text.len());
        let text = &self.lexer.text[start..end];
        if self.no_newline && end == self.lexer.text.len() {
            text.strip_suffix('\n').unwrap_or(text)
        } else {
            text
        }
    }
}

/// A token as Python gets it.
struct Info {
    kind: u8,
    text: String,
    /// Line from 0, column.
    start: (usize, i64),
    end: (usize, i64),
    line: String,
}

/// A token as the compiler would see it: blocks have no text and no column, and newlines are where the line's last token ends, or its
/// comment.
fn plain_info(s: &mut State, tok: Token) -> Info {
    let text = &s.lexer.text;
    let at_end = tok.start >= text.len();
    let bare = matches!(tok.kind, INDENT | DEDENT | ENDMARKER);
    let (mut from, mut to) = (tok.start, tok.end);
    if tok.kind == NEWLINE {
        to = tok.start;
        let before = text.get(s.last_end..tok.start).unwrap_or_default();
        from = match before.find('#') {
            Some(i) => s.last_end + i,
            None => to,
        };
    }
    s.last_end = tok.end;
    let place = |at| {
        let (row, col) = s.place(at);
        (row, col as i64)
    };
    let (mut start, end) = (place(from), place(to));
    if at_end {
        start.0 = s.lines.len().saturating_sub(2);
    }
    if bare {
        let line = s.lines(start.0, start.0);
        let code = line.trim_start_matches([' ', '\t', '\x0c']);
        let nothing = at_end && code.starts_with(['#', '\n', '\r']);
        return Info {
            kind: tok.kind,
            text: String::new(),
            start: (start.0, -1),
            end: (start.0, -1),
            line: if nothing { String::new() } else { line.into() },
        };
    }
    Info {
        kind: tok.kind,
        text: text[from..to].into(),
        start,
        end,
        line: s.lines(start.0, end.0).into(),
    }
}

fn info(s: &State, tok: Token) -> Info {
    let (mut start, mut end) = (s.place(tok.start), s.place(tok.end));
    let mut text = s.lexer.text[tok.start..tok.end].to_string();
    let at_end = tok.start >= s.lexer.text.len();
    let mut line = s.lines(start.0, end.0).to_string();
    match tok.kind {
        NEWLINE | NL => {
            if s.no_newline && tok.end == s.lexer.text.len() {
                text.clear();
            }
            line = s.lines(start.0, start.0).to_string();
            end = (start.0, start.1 + text.len().max(1));
        }
        ENDMARKER => line.clear(),
        DEDENT if at_end => line.clear(),
        _ => {}
    }
    if at_end && matches!(tok.kind, ENDMARKER | DEDENT) {
        // Behind the last line.
        let row = s.lines.len() - 1;
        start = (row, 0);
        end = (row, 0);
    }
    let columns = |(row, col): (usize, usize)| (row, col as i64);
    Info {
        kind: tok.kind,
        text,
        start: columns(start),
        end: columns(end),
        line,
    }
}

fn raise(t: &mut Thread, s: &State, e: &Error) -> Raised {
    let (line, col) = s.place(e.at.min(s.lexer.text.len()));
    let ty: &'static Type = match e.kind {
        Kind::Syntax => &errors::SYNTAX_ERROR,
        Kind::Indentation => &errors::INDENTATION_ERROR,
        Kind::Tab => &errors::TAB_ERROR,
    };
    let text = Str::new(t, s.lines(line, line));
    let file = Str::intern(t, "<string>");
    let number = |n: usize| Value::int(n as i64);
    let place = [
        file.value(),
        number(line + 1),
        number(col + 1),
        text.value(),
        number(line + 1),
        number(col + 1),
    ];
    let place = Tuple::from_slice(t, &place);
    let msg = Str::new(t, &e.msg);
    match proto::call(t, ty.value(), &[msg.value(), place.value()]) {
        Ok(exc) => t.raise_value(exc),
        Err(r) => r,
    }
}

fn next(t: &mut Thread, v: Value) -> Res {
    let it = this(v);
    let state = state(t, it)?;
    let mut s = state.lock();
    if s.lexer.text.is_empty() && !it.extra_tokens {
        return Ok(Value::NULL);
    }
    let tok = match s.lexer.next_token() {
        Ok(Some(tok)) => tok,
        Ok(None) => return Ok(Value::NULL),
        Err(e) => {
            // Nothing comes after an error.
            let broken = State {
                lexer: Lexer::new(String::new(), false),
                lines: vec![0],
                no_newline: false,
                last_end: 0,
            };
            let old = std::mem::replace(&mut *s, broken);
            while let Ok(Some(_)) = s.lexer.next_token() {}
            drop(s);
            return Err(raise(t, &old, &e));
        }
    };
    let i = if it.extra_tokens {
        info(&s, tok)
    } else {
        plain_info(&mut s, tok)
    };
    drop(s);
    let pair = |t: &Thread, (row, col): (usize, i64)| {
        Tuple::from_slice(t, &[Value::int(row as i64 + 1), Value::int(col)])
    };
    let (start, end) = (pair(t, i.start), pair(t, i.end));
    let (text, line) = (Str::from_string(t, i.text), Str::from_string(t, i.line));
    let kind = Value::int(i.kind.into());
    Ok(Tuple::from_slice(
        t,
        &[kind, text.value(), start.value(), end.value(), line.value()],
    )
    .into())
}

static TOKENIZER_ITER: Type = Type::builtin(
    "TokenizerIter",
    size_of::<TokenizerIter>(),
    &Spec {
        new: Some(new),
        iter: Some(|t, v| Ok(to_reg(t, v.bare()))),
        iter_next: Some(next),
        ..Spec::EMPTY
    },
)
.module("_tokenize")
.gc(traverse, clear)
.final_();

/// Makes the module.
///
/// # Errors
/// None in practice.
pub fn module(t: &mut Thread) -> Res<Obj> {
    let m = weft_stdlib::support::module(t, "_tokenize", "", &[]);
    weft_stdlib::support::add_type(t, &m, &TOKENIZER_ITER);
    Ok(m)
}
