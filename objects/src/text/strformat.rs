//! Templates of `str.format`: `{name.attr[index]!r:spec}`.

use super::unidata::decimal_value;
use super::wtf8;
use super::{TextError, TextResult};

/// A replacement field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Everything up to the conversion or specification; see [`split_name`].
    pub name: &'a [u8],
    /// The character after `!`.
    pub conversion: Option<u32>,
    pub spec: &'a [u8],
    /// Whether the specification itself has fields.
    pub nested: bool,
}

/// Literal text and the field that follows it, if one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    pub literal: &'a [u8],
    pub field: Option<Field<'a>>,
}

/// How deep specifications may nest, the template included.
pub const MAX_DEPTH: usize = 2;

/// Parses a template piece by piece; also what `string.Formatter.parse` iterates.
#[derive(Clone, Debug)]
pub struct Template<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Template<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Template { bytes, at: 0 }
    }

    /// The next part; `None` at the end. An escaped brace ends a part.
    ///
    /// # Errors
    /// `ValueError`.
    pub fn next_part(&mut self) -> TextResult<Option<Part<'a>>> {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() {
            return Ok(None);
        }
        let Some(brace) = memchr::memchr2(b'{', b'}', rest) else {
            self.at = self.bytes.len();
            return Ok(Some(Part {
                literal: rest,
                field: None,
            }));
        };
        if rest.get(brace + 1) == Some(&rest[brace]) {
            self.at += brace + 2;
            return Ok(Some(Part {
                literal: &rest[..=brace],
                field: None,
            }));
        }
        if rest[brace] == b'}' {
            return Err(TextError::value("Single '}' encountered in format string"));
        }
        if brace + 1 == rest.len() {
            return Err(TextError::value("Single '{' encountered in format string"));
        }
        self.at += brace + 1;
        let field = self.field()?;
        Ok(Some(Part {
            literal: &rest[..brace],
            field: Some(field),
        }))
    }

    fn field(&mut self) -> TextResult<Field<'a>> {
        let name = self.name()?;
        let mut field = Field {
            name,
            conversion: None,
            spec: b"",
            nested: false,
        };
        let mut stop = self.bytes[self.at];
        self.at += 1;
        if stop == b'!' {
            let Some((conversion, width)) = wtf8::first(&self.bytes[self.at..]) else {
                return Err(TextError::value(
                    "end of string while looking for conversion specifier",
                ));
            };
            field.conversion = Some(conversion);
            self.at += width;
            match self.bytes.get(self.at) {
                None => return Err(TextError::value("unmatched '{' in format spec")),
                Some(&b @ (b'}' | b':')) => stop = b,
                Some(_) => {
                    return Err(TextError::value("expected ':' after conversion specifier"));
                }
            }
            self.at += 1;
        }
        if stop == b':' {
            (field.spec, field.nested) = self.spec()?;
        }
        Ok(field)
    }

    /// Up to `}`, `:` or `!`, which is left; brackets hide them.
    fn name(&mut self) -> TextResult<&'a [u8]> {
        let start = self.at;
        while let Some(&b) = self.bytes.get(self.at) {
            match b {
                b'{' => return Err(TextError::value("unexpected '{' in field name")),
                b'}' | b':' | b'!' => return Ok(&self.bytes[start..self.at]),
                b'[' => {
                    let rest = &self.bytes[self.at..];
                    self.at += memchr::memchr(b']', rest).unwrap_or(rest.len());
                }
                _ => self.at += 1,
            }
        }
        Err(TextError::value("expected '}' before end of string"))
    }

    /// Up to the brace that closes the field, which is taken.
    fn spec(&mut self) -> TextResult<(&'a [u8], bool)> {
        let rest = &self.bytes[self.at..];
        let (mut depth, mut nested) = (1usize, false);
        for at in memchr::memchr2_iter(b'{', b'}', rest) {
            if rest[at] == b'{' {
                nested = true;
                depth += 1;
                continue;
            }
            depth -= 1;
            if depth == 0 {
                self.at += at + 1;
                return Ok((&rest[..at], nested));
            }
        }
        Err(TextError::value("unmatched '{' in format spec"))
    }
}

/// What a field name begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First<'a> {
    /// Nothing: the next positional argument.
    Auto,
    Index(usize),
    Name(&'a [u8]),
}

/// A step from the first object on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access<'a> {
    /// `.name`
    Attribute(&'a [u8]),
    /// `[123]`
    Index(usize),
    /// `[name]`
    Key(&'a [u8]),
}

/// Splits a field name into what it begins with and the steps after that.
///
/// # Errors
/// `ValueError: Too many decimal digits in format string`.
pub fn split_name(name: &[u8]) -> TextResult<(First<'_>, Accesses<'_>)> {
    let end = memchr::memchr2(b'.', b'[', name).unwrap_or(name.len());
    let (head, rest) = name.split_at(end);
    let first = match index(head)? {
        Some(n) => First::Index(n),
        None if head.is_empty() => First::Auto,
        None => First::Name(head),
    };
    Ok((first, Accesses { rest }))
}

/// The steps of a field name, parsed as they are taken.
#[derive(Clone, Debug)]
pub struct Accesses<'a> {
    rest: &'a [u8],
}

impl<'a> Accesses<'a> {
    /// The next step; `None` at the end.
    ///
    /// # Errors
    /// `ValueError`.
    pub fn next_access(&mut self) -> TextResult<Option<Access<'a>>> {
        let rest = self.rest;
        let (name, is_attribute) = match rest.first() {
            None => return Ok(None),
            Some(b'.') => {
                let body = &rest[1..];
                let end = memchr::memchr2(b'.', b'[', body).unwrap_or(body.len());
                self.rest = &body[end..];
                (&body[..end], true)
            }
            Some(b'[') => {
                let body = &rest[1..];
                let Some(end) = memchr::memchr(b']', body) else {
                    return Err(TextError::value("Missing ']' in format string"));
                };
                self.rest = &body[end + 1..];
                (&body[..end], false)
            }
            Some(_) => {
                return Err(TextError::value(
                    "Only '.' or '[' may follow ']' in format field specifier",
                ));
            }
        };
        if name.is_empty() {
            return Err(TextError::value("Empty attribute in format string"));
        }
        if is_attribute {
            return Ok(Some(Access::Attribute(name)));
        }
        Ok(Some(match index(name)? {
            Some(n) => Access::Index(n),
            None => Access::Key(name),
        }))
    }
}

/// The number that `s` is, if it is all digits of whatever script.
fn index(s: &[u8]) -> TextResult<Option<usize>> {
    let mut n = None;
    for cp in wtf8::code_points(s) {
        let Some(d) = decimal_value(cp) else {
            return Ok(None);
        };
        let next = n.unwrap_or(0isize).checked_mul(10);
        n = Some(
            next.and_then(|n| n.checked_add(isize::from(i16::from(d))))
                .ok_or_else(|| TextError::value("Too many decimal digits in format string"))?,
        );
    }
    Ok(n.map(isize::unsigned_abs))
}

/// Numbers the fields that have no name, and refuses to mix them with numbered ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct AutoNumber {
    manual: bool,
    next: usize,
}

impl AutoNumber {
    /// What the field begins with, an empty name replaced by its number.
    ///
    /// # Errors
    /// `ValueError: cannot switch from ... to ...`.
    pub fn resolve<'a>(&mut self, first: First<'a>) -> TextResult<First<'a>> {
        match first {
            First::Name(_) => Ok(first),
            First::Auto if self.manual => Err(TextError::value(
                "cannot switch from manual field specification to automatic field numbering",
            )),
            First::Auto => {
                self.next += 1;
                Ok(First::Index(self.next - 1))
            }
            First::Index(_) if self.next > 0 => Err(TextError::value(
                "cannot switch from automatic field numbering to manual field specification",
            )),
            First::Index(_) => {
                self.manual = true;
                Ok(first)
            }
        }
    }
}

/// `ValueError: Unknown conversion specifier x`.
#[cold]
pub fn unknown_conversion(conversion: u32) -> TextError {
    TextError::value(match char::from_u32(conversion) {
        Some(c) if conversion > 32 && conversion < 127 => {
            format!("Unknown conversion specifier {c}")
        }
        _ => format!("Unknown conversion specifier \\x{conversion:x}"),
    })
}

/// `ValueError: Max string recursion exceeded`.
#[cold]
pub fn too_deep() -> TextError {
    TextError::value("Max string recursion exceeded")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(s: &str) -> TextResult<Vec<Part<'_>>> {
        let mut template = Template::new(s.as_bytes());
        let mut parts = Vec::new();
        while let Some(part) = template.next_part()? {
            if let Some(field) = part.field {
                let (_, mut steps) = split_name(field.name)?;
                while steps.next_access()?.is_some() {}
            }
            parts.push(part);
        }
        Ok(parts)
    }

    #[test]
    fn errors() {
        for (s, want) in [
            ("{", "Single '{' encountered in format string"),
            ("}", "Single '}' encountered in format string"),
            ("{0", "expected '}' before end of string"),
            (
                "{0!",
                "end of string while looking for conversion specifier",
            ),
            ("{0!r", "unmatched '{' in format spec"),
            ("{0!rx}", "expected ':' after conversion specifier"),
            ("{0:{}", "unmatched '{' in format spec"),
            ("{a{b}}", "unexpected '{' in field name"),
            ("{0[", "expected '}' before end of string"),
            ("{0[]}", "Empty attribute in format string"),
            ("{0.}", "Empty attribute in format string"),
            (
                "{0[a]b}",
                "Only '.' or '[' may follow ']' in format field specifier",
            ),
            ("{!}", "unmatched '{' in format spec"),
            (
                "{99999999999999999999}",
                "Too many decimal digits in format string",
            ),
            (
                "{0[99999999999999999999]}",
                "Too many decimal digits in format string",
            ),
            ("{:}}", "Single '}' encountered in format string"),
            ("{{}", "Single '}' encountered in format string"),
            ("{0[a}", "expected '}' before end of string"),
        ] {
            assert_eq!(parse(s).map_err(|e| e.msg), Err(want.to_owned()), "{s}");
        }
    }

    #[test]
    fn parts() {
        let parts = parse("a{{b{0.x[1][k]!r:>{w}}c").unwrap();
        assert_eq!(parts.len(), 3);
        assert_eq!(parts[0].literal, b"a{");
        let field = parts[1].field.unwrap();
        assert_eq!((field.spec, field.nested), (&b">{w}"[..], true));
        assert_eq!(field.conversion, Some(0x72));
        let (first, mut steps) = split_name(field.name).unwrap();
        assert_eq!(first, First::Index(0));
        assert_eq!(steps.next_access().unwrap(), Some(Access::Attribute(b"x")));
        assert_eq!(steps.next_access().unwrap(), Some(Access::Index(1)));
        assert_eq!(steps.next_access().unwrap(), Some(Access::Key(b"k")));
        assert_eq!(steps.next_access().unwrap(), None);
        assert_eq!(split_name(b"[0]").unwrap().0, First::Auto);
        assert_eq!(split_name("٣".as_bytes()).unwrap().0, First::Index(3));
    }

    #[test]
    fn numbering() {
        let mut auto = AutoNumber::default();
        assert_eq!(auto.resolve(First::Auto).unwrap(), First::Index(0));
        assert_eq!(auto.resolve(First::Name(b"a")).unwrap(), First::Name(b"a"));
        assert_eq!(auto.resolve(First::Auto).unwrap(), First::Index(1));
        assert!(auto.resolve(First::Index(0)).is_err());
        let mut manual = AutoNumber::default();
        assert!(manual.resolve(First::Index(1)).is_ok());
        assert!(manual.resolve(First::Auto).is_err());
    }
}
