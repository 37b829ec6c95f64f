//! Sources that are wrong: pieces of the embedded library with tokens, lines and bytes deleted, doubled, swapped,
//! brought from elsewhere, or wrapped in nests.

use crate::random::Random;
use weft_core::embedded;

/// The files of the embedded library, not yet unpacked.
pub struct Corpus(Vec<String>);

impl Corpus {
    pub fn new() -> Corpus {
        let mut files = Vec::new();
        let mut dirs = vec![String::new()];
        while let Some(dir) = dirs.pop() {
            for name in embedded::list(&dir) {
                let path = match dir.as_str() {
                    "" => name.to_owned(),
                    dir => format!("{dir}/{name}"),
                };
                if embedded::is_dir(&path) {
                    dirs.push(path);
                } else if path.ends_with(".py") {
                    files.push(path);
                }
            }
        }
        files.sort();
        Corpus(files)
    }

    fn file(&self, r: &mut Random) -> Vec<u8> {
        let path = &self.0[r.below(self.0.len())];
        embedded::read(path)
            .map(|bytes| bytes.into_owned())
            .unwrap_or_default()
    }

    /// Some lines of a file; now and then all of it.
    fn piece(&self, r: &mut Random) -> Vec<u8> {
        let file = self.file(r);
        if r.one_in(40) {
            return file;
        }
        let lines: Vec<&[u8]> = file.split_inclusive(|b| *b == b'\n').collect();
        let mut start = r.below(lines.len());
        // What begins at the margin is a whole more often.
        while start > 0 && matches!(lines[start].first(), Some(b' ' | b'\n' | b'\t')) {
            start -= 1;
        }
        let size = 1 + r.below(60);
        lines[start..lines.len().min(start + size)].concat()
    }
}

/// The source of one case.
pub fn source(corpus: &Corpus, r: &mut Random) -> Vec<u8> {
    let mut text = match r.below(8) {
        0 => generated(r),
        _ => corpus.piece(r),
    };
    let mut changes = 1;
    while changes < 12 && !r.one_in(3) {
        changes += 1;
    }
    for _ in 0..changes {
        text = match r.below(10) {
            0 => bytes(text, r),
            1 | 2 => lines(text, corpus, r),
            _ => tokens(&text, corpus, r),
        };
        text.truncate(1 << 18);
    }
    text
}

/// Words that follow each other in no order.
fn generated(r: &mut Random) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..1 + r.below(60) {
        text.push_str(word(r));
        match r.below(12) {
            0 => text.push('\n'),
            1 => {
                text.push('\n');
                text.push_str(&" ".repeat(r.below(9)));
            }
            2..=9 => text.push(' '),
            _ => {}
        }
    }
    text.into_bytes()
}

#[rustfmt::skip]
const WORDS: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield", "match", "case", "type", "_",
    "(", ")", "[", "]", "{", "}", ",", ":", ";", ".", "...", "->", ":=", "=", "==", "!=", "<>", "<", ">", "<=", ">=",
    "+", "-", "*", "**", "/", "//", "%", "@", "<<", ">>", "&", "|", "^", "~", "!", "?", "$", "`", "\\", "\\\n",
    "+=", "-=", "*=", "**=", "/=", "//=", "%=", "@=", "<<=", ">>=", "&=", "|=", "^=",
    "0", "1", "1_0", "1__0", "0x", "0xfF", "0o7", "0o8", "0b1", "0b2", "007", "1e5", "1e", "1.5", ".5", "5.", "1j",
    "1e400", "0xfor", "1if", "99999999999999999999999999", "1_", "1.e+3j", "\u{660}", "1\u{2460}",
    "''", "\"\"", "'a'", "b'a'", "u'a'", "r'\\'", "rb'x'", "f''", "f'{a}'", "f'{a!r:>{w}}'", "f'{a=}'", "t'{a}'",
    "rt'{a}'", "f'{'", "f'}'", "f'{a!x}'", "f'{a!}'", "f'{}'", "f'{a:{b:{c:{d}}}}'", "f'''{\na}'''", "f'{a:\n}'",
    "'''", "\"\"\"", "'", "\"", "f'", "f\"{", "t'''", "b'\u{e9}'", "'\\x'", "'\\N{DIGIT ONE}'", "'\\N{x}'", "'\\ud800'",
    "'\\777'", "b'\\777'", "'\\q'", "f'{a:\\x}'", "f'{\"'", "f'{lambda x:1}'", "f'{a!r=}'", "f'{*a}'", "f'{yield}'",
    "a", "b", "c", "x", "self", "print", "exec", "__debug__", "__class__", "super", "__annotations__", "\u{e9}", "\u{2118}",
    "\u{ff21}", "\u{1d538}", "\u{20ac}", "\u{200b}", "\u{feff}", "\u{a0}", "\u{3000}", "\u{2028}", "\u{10ffff}", "\0",
    "\r", "\r\n", "\u{c}", "\u{1a}", "\t", "\n", "# c", "# type: ignore", "# type: int", "#coding: latin-1\n",
    "# -*- coding: utf-7 -*-\n", "from __future__ import annotations\n", "from __future__ import barry_as_FLUFL\n",
    "def f(a, /, b, *, c=1, **d): ", "class C[T: int = 1, *Ts, **P](a, m=b): ", "type X[T] = ", "lambda *a, **k: ",
    "async for x in y: ", "async with a as b, c as d: ", "with (a as b, c as d,): ", "except* E as e: ", "except A, B: ",
    "match x:\n case [a, *_, {'k': b, **r}] | C(d, e=1) as g if h: ", "case -1+2j: ", "for a, *b in c: ",
    "[x async for x in y if z]", "{**a, 'b': c}", "(yield)", "(yield from a)", "await x", "a[b:c, ::d, *e]", "a[*b]",
    "global x", "nonlocal x", "import a.b as c", "from . import (a as b,)", "from a import *", "del a, b[c], (d.e)",
    "@a.b(c)\n", "a: int = 1", "(a): int", "return", "if a: b\nelif c: d\nelse: e\n", "try: a\nfinally: b\n",
    "a if b else c", "a < b < c", "not a in b", "print a", "exec 'a'", "x = y = ", "x, y = ", "*a, b = ", "a := 1",
];

fn word(r: &mut Random) -> &'static str {
    r.pick(WORDS)
}

/// Where the tokens of a text begin, roughly; and its end.
fn token_starts(text: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at < text.len() {
        starts.push(at);
        let class = |b: u8| match b {
            b'_' | 0x80.. => 0,
            b if b.is_ascii_alphanumeric() => 0,
            b' ' | b'\t' => 1,
            b'\n' => 2,
            _ => 3,
        };
        let first = class(text[at]);
        at += 1;
        while at < text.len() && first < 2 && class(text[at]) == first {
            at += 1;
        }
    }
    starts.push(text.len());
    starts
}

/// `text` with `new` in the place of a part of it.
fn replaced(text: &[u8], part: std::ops::Range<usize>, new: &[u8]) -> Vec<u8> {
    [&text[..part.start], new, &text[part.end..]].concat()
}

fn tokens(text: &[u8], corpus: &Corpus, r: &mut Random) -> Vec<u8> {
    let starts = token_starts(text);
    let span = |r: &mut Random, most| {
        let tokens = r.span(starts.len() - 1, most);
        starts[tokens.start]..starts[tokens.end]
    };
    let part = span(r, 8);
    match r.below(8) {
        0 => replaced(text, part, b""),
        1 => {
            let twice = [&text[part.clone()], &text[part.clone()]].concat();
            replaced(text, part, &twice)
        }
        2 => {
            let other = span(r, 8);
            let (a, b) = match part.start <= other.start {
                true => (part, other),
                false => (other, part),
            };
            let b = b.start.max(a.end)..b.end.max(a.end);
            let between = &text[a.end..b.start];
            let swapped = [&text[b.clone()], between, &text[a.clone()]].concat();
            replaced(text, a.start..b.end, &swapped)
        }
        3 => replaced(text, part.start..part.start, spaced(r).as_bytes()),
        4 => {
            let one = span(r, 1);
            replaced(text, one, spaced(r).as_bytes())
        }
        5 => {
            let other = corpus.piece(r);
            let starts = token_starts(&other);
            let tokens = r.span(starts.len() - 1, 30);
            replaced(text, part, &other[starts[tokens.start]..starts[tokens.end]])
        }
        _ => {
            let part = span(r, 30);
            let new = nested(&text[part.clone()], r);
            replaced(text, part, &new)
        }
    }
}

fn spaced(r: &mut Random) -> String {
    match r.below(3) {
        0 => word(r).to_owned(),
        _ => format!(" {} ", word(r)),
    }
}

/// What can be put around an expression any number of times; at times only one half of it.
#[rustfmt::skip]
const NESTS: &[(&str, &str)] = &[
    ("(", ")"), ("[", "]"), ("{", "}"), ("{1:", "}"), ("f(", ")"), ("a[", "]"), ("-", ""), ("not ", ""), ("~", ""), ("await ", ""),
    ("lambda:", ""), ("lambda x:", ""), ("lambda x=", ":1"), ("1+", ""), ("", "+1"), ("", "**1"), ("1 if ", " else 2"), ("", ".a"), ("", "()"),
    ("", "[0]"), ("*", ""), ("**", ""), ("(yield ", ")"), ("(x:=", ")"), ("[x for x in ", "]"), ("{x for y in z for x in ", "}"),
    ("f'{", "}'"), ("f\"{", ":{w}}\""), ("t'''{", "}'''"), ("x = ", ""), ("a, ", ""), ("(a, ", ")"), ("x and ", ""), ("x or y and ", ""),
    ("x < ", ""), ("'a' ", ""), ("f'{x}' ", ""), ("@", "\n"), ("if x: ", ""), ("def f(): ", ""), ("class C: ", ""), ("", "; a"), ("return ", ""),
    ("[*", "]"), ("print(*", ")"), ("a.b[", ":c]"), ("f'{x:", "}'"), ("\\\n", ""), ("\n", ""), (" ", ""), ("async ", ""), ("|", ""), ("case ", ": a"),
];

fn nested(inner: &[u8], r: &mut Random) -> Vec<u8> {
    let deep = match r.below(30) {
        0 => 1 + r.below(30_000),
        1..=3 => 1 + r.below(300),
        _ => 1 + r.below(6),
    };
    let mut head = Vec::new();
    let mut tail = Vec::new();
    let mut kind = r.below(NESTS.len());
    let mixed = r.one_in(2);
    let half = r.below(8);
    for _ in 0..deep {
        let (open, close) = NESTS[kind];
        if half != 0 {
            head.extend_from_slice(open.as_bytes());
        }
        if half != 1 {
            tail.push(close.as_bytes());
        }
        if mixed {
            kind = r.below(NESTS.len());
        }
    }
    head.extend_from_slice(inner);
    for close in tail.into_iter().rev() {
        head.extend_from_slice(close);
    }
    head
}

fn lines(text: Vec<u8>, corpus: &Corpus, r: &mut Random) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = text
        .split_inclusive(|b| *b == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let part = r.span(lines.len(), 10);
    match r.below(6) {
        0 => drop(lines.drain(part)),
        1 => {
            let twice = lines[part.clone()].to_vec();
            lines.splice(part.end..part.end, twice);
        }
        2 => {
            let pad = b" ".repeat(1 + r.below(5));
            lines[part]
                .iter_mut()
                .for_each(|line| drop(line.splice(0..0, pad.iter().copied())));
        }
        3 => lines[part].iter_mut().for_each(|line| {
            let spaces = line.iter().take_while(|b| **b == b' ').count();
            line.drain(..spaces.min(4));
        }),
        4 => {
            let other = corpus.piece(r);
            lines.splice(part, [other]);
        }
        _ => {
            let head: &[u8] = match r.below(4) {
                0 => b"if 1:\n ",
                1 => b"\t",
                2 => b"try: pass\nexcept: ",
                _ => b"while 1:\n  for x in y:\n    ",
            };
            lines.insert(part.start, head.to_vec());
        }
    }
    lines.concat()
}

fn bytes(mut text: Vec<u8>, r: &mut Random) -> Vec<u8> {
    for _ in 0..1 + r.below(4) {
        let at = r.below(text.len() + 1);
        let byte = match r.below(4) {
            0 => r.next() as u8,
            _ => r.pick(WORDS).as_bytes()[0],
        };
        match r.below(4) {
            0 => text.insert(at, byte),
            1 if at < text.len() => text[at] = byte,
            2 => text.truncate(at.max(text.len() / 2)),
            _ => drop(text.drain(at..(at + 1 + r.below(6)).min(text.len()).max(at))),
        }
    }
    text
}
