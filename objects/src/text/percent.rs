//! `%`-formatting: a parser that yields one piece at a time, so that arguments are converted and
//! errors raised in the order of the text, and writers for converted arguments.

use super::float::{Layout, format_double};
use super::int::{IntRef, magnitude_digits};
use super::strip::reserve;
use super::wtf8;
use super::{Text, TextError, TextResult};

/// A width or precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Amount {
    #[default]
    None,
    /// `*`: the next argument.
    Star,
    Given(usize),
}

/// The flags of a conversion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `-`
    pub left: bool,
    /// `+`
    pub plus: bool,
    /// space
    pub blank: bool,
    /// `#`
    pub alternate: bool,
    /// `0`
    pub zero: bool,
}

/// One conversion, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversion<'a> {
    /// Mapping key, without its parentheses.
    pub key: Option<&'a [u8]>,
    pub flags: Flags,
    pub width: Amount,
    pub precision: Amount,
    /// The type, unchecked: see [`Conversion::check`].
    pub code: u32,
    /// Index of the type in the format, in characters, for messages.
    pub index: usize,
}

/// A piece of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Literal(&'a [u8]),
    Conversion(Conversion<'a>),
}

/// Parses a format, of a string or (`Text::of_bytes`) of bytes.
#[derive(Clone, Debug)]
pub struct Parser<'a> {
    text: Text<'a>,
    at: usize,
    is_bytes: bool,
    mapping: bool,
}

impl<'a> Parser<'a> {
    /// `mapping`: whether the arguments are a mapping, which keys need.
    pub fn new(text: Text<'a>, is_bytes: bool, mapping: bool) -> Self {
        Parser {
            text,
            at: 0,
            is_bytes,
            mapping,
        }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// `ValueError` for malformed conversions, `TypeError: format requires a mapping`.
    pub fn next_piece(&mut self) -> TextResult<Option<Piece<'a>>> {
        let rest = &self.text.bytes[self.at..];
        if rest.is_empty() {
            return Ok(None);
        }
        let literal = memchr::memchr(b'%', rest).unwrap_or(rest.len());
        if literal > 0 {
            self.at += literal;
            return Ok(Some(Piece::Literal(&rest[..literal])));
        }
        self.at += 1;
        if self.peek() == Some(b'%') {
            self.at += 1;
            return Ok(Some(Piece::Literal(b"%")));
        }
        self.conversion().map(|c| Some(Piece::Conversion(c)))
    }

    /// The literal up to a plain conversion (`%s`, `%d`, `%r`, `%.2f` with any digit), its code, and the digit: `None`, and nothing
    /// is read, if what comes next is anything else.
    pub fn next_plain(&mut self) -> Option<(&'a [u8], u8, usize)> {
        let rest = &self.text.bytes[self.at..];
        let literal = memchr::memchr(b'%', rest)?;
        let (code, digit, used) = match rest[literal + 1..] {
            [code @ (b's' | b'd' | b'r'), ..] => (code, 0, 2),
            [b'.', digit @ b'0'..=b'9', b'f', ..] => (b'f', usize::from(digit - b'0'), 4),
            _ => return None,
        };
        self.at += literal + used;
        Some((&rest[..literal], code, digit))
    }

    fn peek(&self) -> Option<u8> {
        self.text.bytes.get(self.at).copied()
    }

    fn conversion(&mut self) -> TextResult<Conversion<'a>> {
        let key = if self.peek() == Some(b'(') {
            Some(self.key()?)
        } else {
            None
        };
        let flags = self.flags();
        let width = self.amount("width too big", isize::MAX as usize)?;
        let mut precision = Amount::None;
        if self.peek() == Some(b'.') {
            self.at += 1;
            let message = if self.is_bytes {
                "prec too big"
            } else {
                "precision too big"
            };
            precision = match self.amount(message, i32::MAX as usize)? {
                Amount::None => Amount::Given(0),
                amount => amount,
            };
        }
        if let Some(b'h' | b'l' | b'L') = self.peek() {
            self.at += 1;
        }
        let rest = &self.text.bytes[self.at..];
        let (code, used) = match rest.first() {
            None => return Err(TextError::value("incomplete format")),
            Some(&b) if self.is_bytes => (u32::from(b), 1),
            Some(_) => wtf8::decode_at(rest, 0),
        };
        let index = if self.text.is_ascii() {
            self.at
        } else {
            wtf8::count(&self.text.bytes[..self.at])
        };
        self.at += used;
        Ok(Conversion {
            key,
            flags,
            width,
            precision,
            code,
            index,
        })
    }

    /// A key ends where its parentheses balance.
    fn key(&mut self) -> TextResult<&'a [u8]> {
        if !self.mapping {
            return Err(TextError::type_error("format requires a mapping"));
        }
        let body = &self.text.bytes[self.at + 1..];
        let mut depth = 1usize;
        for at in memchr::memchr2_iter(b'(', b')', body) {
            depth = if body[at] == b'(' {
                depth + 1
            } else {
                depth - 1
            };
            if depth == 0 {
                self.at += at + 2;
                return Ok(&body[..at]);
            }
        }
        Err(TextError::value("incomplete format key"))
    }

    fn flags(&mut self) -> Flags {
        let mut flags = Flags::default();
        while let Some(b) = self.peek() {
            match b {
                b'-' => flags.left = true,
                b'+' => flags.plus = true,
                b' ' => flags.blank = true,
                b'#' => flags.alternate = true,
                b'0' => flags.zero = true,
                _ => break,
            }
            self.at += 1;
        }
        flags
    }

    fn amount(&mut self, too_big: &str, max: usize) -> TextResult<Amount> {
        if self.peek() == Some(b'*') {
            self.at += 1;
            return Ok(Amount::Star);
        }
        let mut amount = Amount::None;
        while let Some(b @ b'0'..=b'9') = self.peek() {
            let so_far = match amount {
                Amount::Given(n) => n,
                _ => 0,
            };
            let next = so_far
                .checked_mul(10)
                .and_then(|n| n.checked_add(usize::from(b - b'0')));
            match next {
                Some(n) if n <= max => amount = Amount::Given(n),
                _ => return Err(TextError::value(too_big)),
            }
            self.at += 1;
        }
        Ok(amount)
    }
}

/// `TypeError: not enough arguments for format string`.
#[cold]
pub fn not_enough_arguments() -> TextError {
    TextError::type_error("not enough arguments for format string")
}

/// `TypeError: not all arguments converted during string formatting` (or `bytes`).
#[cold]
pub fn not_all_converted(is_bytes: bool) -> TextError {
    TextError::type_error(format!(
        "not all arguments converted during {} formatting",
        if is_bytes { "bytes" } else { "string" }
    ))
}

/// `TypeError: * wants int`.
#[cold]
pub fn star_wants_int() -> TextError {
    TextError::type_error("* wants int")
}

/// `TypeError: %d format: a real number is required, not str`, or an integer for `o`, `x`, `X`.
#[cold]
pub fn number_required(code: u32, type_name: &str) -> TextError {
    let code = char::from_u32(code).unwrap_or('?');
    let what = if matches!(code, 'o' | 'x' | 'X') {
        "an integer"
    } else {
        "a real number"
    };
    TextError::type_error(format!(
        "%{code} format: {what} is required, not {type_name}"
    ))
}

impl<'a> Conversion<'a> {
    /// Checks the type, which CPython does after it has taken the argument.
    ///
    /// # Errors
    /// `ValueError: unsupported format character 'y' (0x79) at index 1`.
    pub fn check(&self, is_bytes: bool) -> TextResult<()> {
        match u8::try_from(self.code).unwrap_or(0) {
            b'd' | b'i' | b'u' | b'o' | b'x' | b'X' | b'e' | b'E' | b'f' | b'F' | b'g' | b'G'
            | b'c' | b'r' | b's' | b'a' => Ok(()),
            b'b' if is_bytes => Ok(()),
            _ => Err(self.unsupported(is_bytes)),
        }
    }

    #[cold]
    fn unsupported(&self, is_bytes: bool) -> TextError {
        let shown = match char::from_u32(self.code) {
            Some(c) if is_bytes && self.code < 0x80 => c,
            Some(c) if (31..126).contains(&self.code) => c,
            _ => '?',
        };
        TextError::value(format!(
            "unsupported format character '{shown}' (0x{:x}) at index {}",
            self.code, self.index
        ))
    }

    /// Puts in the values of the `*`s. A negative width means left, a negative precision none at
    /// all of the digits.
    pub fn resolve(&self, star_width: i64, star_precision: i64) -> Resolved {
        let mut flags = self.flags;
        let width = match self.width {
            Amount::None => 0,
            Amount::Given(n) => n,
            Amount::Star => {
                flags.left |= star_width < 0;
                usize::try_from(star_width.unsigned_abs()).unwrap_or(usize::MAX)
            }
        };
        let precision = match self.precision {
            Amount::None => None,
            Amount::Given(n) => Some(n),
            Amount::Star => Some(usize::try_from(star_precision).unwrap_or(0)),
        };
        Resolved {
            flags,
            width,
            precision,
            code: self.code as u8,
        }
    }
}

/// A conversion with its width and precision known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    pub flags: Flags,
    pub width: usize,
    pub precision: Option<usize>,
    pub code: u8,
}

impl Resolved {
    /// Appends an int for `d i u o x X`.
    ///
    /// # Errors
    /// `ValueError` for too many digits, `MemoryError`.
    pub fn write_int(&self, out: &mut Vec<u8>, n: IntRef<'_>, max_digits: usize) -> TextResult<()> {
        let (base, prefix): (u32, &[u8]) = match self.code {
            b'o' => (8, b"0o"),
            b'x' => (16, b"0x"),
            b'X' => (16, b"0X"),
            _ => (10, b""),
        };
        let mut digits = magnitude_digits(n, base, max_digits)?.into_bytes();
        if self.code == b'X' {
            digits.make_ascii_uppercase();
        }
        if let Some(missing) = self.precision.and_then(|p| p.checked_sub(digits.len())) {
            digits = super::strip::pad(&digits, missing, 0, u32::from(b'0'))?;
        }
        let prefix = if self.flags.alternate { prefix } else { b"" };
        self.write_number(out, n.is_negative(), prefix, &digits)
    }

    /// Appends a float for `e E f F g G`.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn write_float(&self, out: &mut Vec<u8>, x: f64) -> TextResult<()> {
        let layout = Layout {
            alternate: self.flags.alternate,
            add_dot_0: false,
        };
        let text = format_double(x, self.code, self.precision.unwrap_or(6), layout)?;
        match text.strip_prefix('-') {
            Some(magnitude) => self.write_number(out, true, b"", magnitude.as_bytes()),
            None => self.write_number(out, false, b"", text.as_bytes()),
        }
    }

    fn write_number(
        &self,
        out: &mut Vec<u8>,
        negative: bool,
        prefix: &[u8],
        digits: &[u8],
    ) -> TextResult<()> {
        let sign = match (negative, self.flags.plus, self.flags.blank) {
            (true, ..) => Some(b'-'),
            (_, true, _) => Some(b'+'),
            (_, _, true) => Some(b' '),
            _ => None,
        };
        let len = usize::from(sign.is_some()) + prefix.len() + digits.len();
        let padding = self.width.saturating_sub(len);
        reserve(out, len.saturating_add(padding))?;
        let (mut before, mut zeros, mut after) = (0, 0, 0);
        match (self.flags.left, self.flags.zero) {
            (true, _) => after = padding,
            (_, true) => zeros = padding,
            _ => before = padding,
        }
        wtf8::push_n(out, 0x20, before);
        out.extend(sign);
        out.extend_from_slice(prefix);
        wtf8::push_n(out, 0x30, zeros);
        out.extend_from_slice(digits);
        wtf8::push_n(out, 0x20, after);
        Ok(())
    }

    /// Appends text for `s r a` (and `b` of bytes): cut to the precision, padded to the width.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn write_text(&self, out: &mut Vec<u8>, text: Text<'_>) -> TextResult<()> {
        let shown = match self.precision {
            Some(precision) if precision < text.chars => text.slice(0, precision),
            _ => text,
        };
        self.write_padded(out, shown)
    }

    fn write_padded(&self, out: &mut Vec<u8>, text: Text<'_>) -> TextResult<()> {
        let padding = self.width.saturating_sub(text.chars);
        reserve(out, padding.saturating_add(text.bytes.len()))?;
        if !self.flags.left {
            wtf8::push_n(out, 0x20, padding);
        }
        out.extend_from_slice(text.bytes);
        if self.flags.left {
            wtf8::push_n(out, 0x20, padding);
        }
        Ok(())
    }

    /// Appends a character for `c` of a string; a precision does not cut it.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn write_char(&self, out: &mut Vec<u8>, cp: u32) -> TextResult<()> {
        let mut buf = [0; 4];
        let width = wtf8::encode(cp, &mut buf);
        self.write_padded(
            out,
            Text {
                bytes: &buf[..width],
                chars: 1,
            },
        )
    }

    /// Appends a byte for `c` of bytes.
    ///
    /// # Errors
    /// `MemoryError`.
    pub fn write_byte(&self, out: &mut Vec<u8>, byte: u8) -> TextResult<()> {
        self.write_padded(out, Text::of_bytes(&[byte]))
    }
}

/// The code point of an int argument of `%c`.
///
/// # Errors
/// `OverflowError: %c arg not in range(0x110000)`.
pub fn char_of_int(n: IntRef<'_>) -> TextResult<u32> {
    match n {
        IntRef::Small(n) if (0..=0x10_FFFF).contains(&n) => Ok(n as u32),
        _ => Err(TextError::overflow("%c arg not in range(0x110000)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversion(s: &str) -> TextResult<Conversion<'_>> {
        let mut p = Parser::new(Text::from(s), false, true);
        loop {
            match p.next_piece()? {
                Some(Piece::Conversion(c)) => return c.check(false).map(|()| c),
                Some(_) => {}
                None => panic!("no conversion"),
            }
        }
    }

    #[test]
    fn pieces() {
        let mut p = Parser::new(Text::from("é%%%(a(b))-+ #0*.*lx!"), false, true);
        assert_eq!(
            p.next_piece().unwrap(),
            Some(Piece::Literal("é".as_bytes()))
        );
        assert_eq!(p.next_piece().unwrap(), Some(Piece::Literal(b"%")));
        let Ok(Some(Piece::Conversion(c))) = p.next_piece() else {
            panic!()
        };
        assert_eq!(c.key, Some(&b"a(b)"[..]));
        assert_eq!((c.width, c.precision), (Amount::Star, Amount::Star));
        assert!(c.flags.left && c.flags.plus && c.flags.blank && c.flags.alternate && c.flags.zero);
        assert_eq!((c.code, c.index), (0x78, 19));
        assert_eq!(p.next_piece().unwrap(), Some(Piece::Literal(b"!")));
        assert_eq!(p.next_piece().unwrap(), None);
    }

    #[test]
    fn errors() {
        for (s, want) in [
            ("%y", "unsupported format character 'y' (0x79) at index 1"),
            ("%", "incomplete format"),
            ("%l", "incomplete format"),
            ("%(a", "incomplete format key"),
            ("%hhd", "unsupported format character 'h' (0x68) at index 2"),
            ("%5%", "unsupported format character '%' (0x25) at index 2"),
            ("%é", "unsupported format character '?' (0xe9) at index 1"),
            (
                "%\x7fx",
                "unsupported format character '?' (0x7f) at index 1",
            ),
            ("%99999999999999999999d", "width too big"),
            ("%.2147483648d", "precision too big"),
        ] {
            assert_eq!(conversion(s).unwrap_err().msg, want);
        }
        let mut p = Parser::new(Text::from("%(a)s"), false, false);
        assert_eq!(p.next_piece().unwrap_err().msg, "format requires a mapping");
        assert_eq!(
            number_required(0x78, "float").msg,
            "%x format: an integer is required, not float"
        );
    }

    fn int(s: &str, n: i64) -> String {
        let mut out = Vec::new();
        let c = conversion(s).unwrap().resolve(-6, -1);
        c.write_int(&mut out, IntRef::Small(n), 0).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn float(s: &str, x: f64) -> String {
        let mut out = Vec::new();
        conversion(s)
            .unwrap()
            .resolve(0, 0)
            .write_float(&mut out, x)
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    fn text(s: &str, t: &str) -> String {
        let mut out = Vec::new();
        conversion(s)
            .unwrap()
            .resolve(0, 0)
            .write_text(&mut out, Text::from(t))
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writing() {
        for (s, n, want) in [
            ("%05d", 3, "00003"),
            ("%-05d", 4, "4    "),
            ("%+d", 5, "+5"),
            ("% d", 6, " 6"),
            ("%+ d", 7, "+7"),
            ("%5.3d", 8, "  008"),
            ("%#x", 255, "0xff"),
            ("%#X", 255, "0XFF"),
            ("%#o", 8, "0o10"),
            ("%x", -255, "-ff"),
            ("%.3x", 10, "00a"),
            ("%08.3d", -5, "-0000005"),
            ("%-8.3dX", 7, "007     "),
            ("%#.5x", 255, "0x000ff"),
            ("%#8x", 255, "    0xff"),
            ("%#08x", 255, "0x0000ff"),
            ("%08x", -255, "-00000ff"),
            ("%+08x", 255, "+00000ff"),
            ("%*d", 1, "1     "),
            ("%.*d", 1, "1"),
            ("%i", -3, "-3"),
        ] {
            assert_eq!(int(s, n), want, "{s}");
        }
        for (s, x, want) in [
            ("%.0f", 2.5, "2"),
            ("%#.0f", 2.0, "2."),
            ("%+.3e", 1e10, "+1.000e+10"),
            ("%g", 1e-5, "1e-05"),
            ("%05f", f64::NAN, "00nan"),
            ("%05g", f64::INFINITY, "00inf"),
            ("%+05.1f", -1.25, "-01.2"),
            ("%08.2f", -3.14259, "-0003.14"),
            ("%F", f64::INFINITY, "INF"),
            ("%05F", f64::NEG_INFINITY, "-0INF"),
        ] {
            assert_eq!(float(s, x), want, "{s}");
        }
        for (s, t, want) in [
            ("%05s", "ab", "   ab"),
            ("%5.1s", "éb", "    é"),
            ("%-5s", "ab", "ab   "),
            ("%.0s", "ab", ""),
        ] {
            assert_eq!(text(s, t), want, "{s}");
        }
    }
}
