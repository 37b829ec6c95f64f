//! Paths as text: `fspath`, and what `posixpath` takes from here because it is asked often.

use super::*;

fn fspath(t: &mut Thread, a: &[Value]) -> Res {
    support::fspath(t, a[0]).map(Obj::into_value)
}

/// A path as text, and a way to make parts of it objects of the same kind.
struct Text {
    given: Obj,
}

impl Text {
    fn of(t: &mut Thread, v: Value) -> Res<Text> {
        Ok(Text {
            given: support::fspath(t, v)?,
        })
    }
    fn bytes(&self) -> &[u8] {
        match Str::of(self.given.value()) {
            Some(s) => s.as_bytes(),
            None => Bytes::of(self.given.value()).map_or(&[], |b| b.as_slice()),
        }
    }
    fn make(&self, t: &Thread, part: &[u8]) -> Obj {
        if Str::of(self.given.value()).is_some() {
            Str::from_wtf8(t, part)
        } else {
            Bytes::new(t, part)
        }
    }
}

/// Length of the slashes that make a path absolute. Exactly two mean something of their own.
fn root_len(p: &[u8]) -> usize {
    match p {
        [b'/', b'/', b'/', ..] => 1,
        [b'/', b'/', ..] => 2,
        [b'/', ..] => 1,
        _ => 0,
    }
}

fn splitroot(t: &mut Thread, a: &[Value]) -> Res {
    let p = Text::of(t, a[0])?;
    let (root, tail) = p.bytes().split_at(root_len(p.bytes()));
    let parts = vec![p.make(t, b""), p.make(t, root), p.make(t, tail)];
    Ok(Tuple::from_vec(t, parts).into())
}

/// The path without empty parts, `.`, and `..` after a name.
fn normalized(p: &[u8]) -> Vec<u8> {
    let root = root_len(p);
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in p[root..].split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match parts.last() {
                Some(last) if *last != b".." => drop(parts.pop()),
                // Above the root is the root.
                None if root > 0 => {}
                _ => parts.push(part),
            },
            _ => parts.push(part),
        }
    }
    let mut out = p[..root].to_vec();
    out.extend_from_slice(&parts.join(&b'/'));
    if out.is_empty() {
        out.push(b'.');
    }
    out
}

fn normpath(t: &mut Thread, a: &[Value]) -> Res {
    let p = Text::of(t, a[0])?;
    Ok(p.make(t, &normalized(p.bytes())).into())
}

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("fspath", "(path)", fspath)
        .doc("Return the file system path representation of the object."),
    NativeDef::new("_path_splitroot_ex", "(p, /)", splitroot).doc(
        "Split a pathname into drive, root and tail.\n\nThe tail contains anything after the root.",
    ),
    NativeDef::new("_path_normpath", "(path, /)", normpath)
        .doc("Normalize path, eliminating double slashes, etc."),
];
