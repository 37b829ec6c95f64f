//! Constants: literals, folding of expressions made of them, and the table of a code object.

use super::assemble::ConstTable;
use super::bytecode::Const;
use super::source::Source;
use super::{Compiler, Res};
use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive, Zero};
use ruff_python_ast::{self as ast, Expr, Operator, UnaryOp};
use ruff_text_size::{Ranged, TextRange};

/// Ints are folded up to this many bits, as in CPython.
const MAX_INT_BITS: u64 = 128;
const MAX_STR: usize = 4096;
const MAX_ITEMS: usize = 256;
/// Decimal literals may have this many digits, if nobody says otherwise.
pub(super) const MAX_DIGITS: usize = 4300;

impl ConstTable {
    /// A key that tells apart what `==` does not: 1, 1.0 and True; 0.0 and -0.0.
    pub fn key(c: &Const, out: &mut Vec<u8>) -> bool {
        let mut bytes = |tag: u8, data: &[u8]| {
            out.push(tag);
            out.extend((data.len() as u32).to_le_bytes());
            out.extend(data);
        };
        match c {
            Const::None => bytes(b'N', b""),
            Const::True => bytes(b'T', b""),
            Const::False => bytes(b'F', b""),
            Const::Ellipsis => bytes(b'.', b""),
            Const::Int(i) => bytes(b'i', &i.to_le_bytes()),
            Const::BigInt(i) => bytes(b'I', &i.to_signed_bytes_le()),
            Const::Float(f) => bytes(b'f', &f.to_bits().to_le_bytes()),
            Const::Complex(re, im) => {
                bytes(
                    b'c',
                    &[re.to_bits().to_le_bytes(), im.to_bits().to_le_bytes()].concat(),
                );
            }
            Const::Str(s) => bytes(b's', s),
            Const::Bytes(s) => bytes(b'b', s),
            Const::Tuple(items) => {
                bytes(b'(', &(items.len() as u32).to_le_bytes());
                return items.iter().all(|i| ConstTable::key(i, out));
            }
            Const::FrozenSet(items) => {
                bytes(b'{', &(items.len() as u32).to_le_bytes());
                return items.iter().all(|i| ConstTable::key(i, out));
            }
            Const::Slice(parts) => {
                bytes(b':', b"");
                return parts.iter().all(|i| ConstTable::key(i, out));
            }
            Const::Code(_) => return false,
        }
        true
    }
}

/// A str constant.
pub(super) fn str_const(s: &str) -> Const {
    Const::Str(s.as_bytes().into())
}

pub(super) fn int_const(i: BigInt) -> Const {
    i.to_i64().map_or(Const::BigInt(i), Const::Int)
}

/// Whether a constant counts as true.
pub(super) fn truth(c: &Const) -> bool {
    match c {
        Const::None | Const::False => false,
        Const::Int(i) => *i != 0,
        Const::BigInt(i) => !i.is_zero(),
        Const::Float(f) => *f != 0.0,
        Const::Complex(re, im) => *re != 0.0 || *im != 0.0,
        Const::Str(s) | Const::Bytes(s) => !s.is_empty(),
        Const::Tuple(items) | Const::FrozenSet(items) => !items.is_empty(),
        Const::True | Const::Ellipsis | Const::Code(_) | Const::Slice(_) => true,
    }
}

impl<'a> Compiler<'a> {
    /// The value of an expression that is constant.
    pub(super) fn fold(&self, e: &Expr) -> Option<Const> {
        let inner = match e {
            Expr::UnaryOp(u) => &u.operand,
            Expr::BinOp(b) => &b.left,
            Expr::Subscript(s) => &s.value,
            _ => return self.fold_here(e),
        };
        let nested = matches!(
            &**inner,
            Expr::UnaryOp(_) | Expr::BinOp(_) | Expr::Subscript(_)
        );
        let address = e as *const Expr as usize;
        if nested && self.varying.borrow().contains(&address) {
            return None;
        }
        let value = self.fold_here(e);
        if nested && value.is_none() {
            self.varying.borrow_mut().insert(address);
        }
        value
    }

    fn fold_here(&self, e: &Expr) -> Option<Const> {
        Some(match e {
            Expr::NoneLiteral(_) => Const::None,
            Expr::BooleanLiteral(b) if b.value => Const::True,
            Expr::BooleanLiteral(_) => Const::False,
            Expr::EllipsisLiteral(_) => Const::Ellipsis,
            Expr::NumberLiteral(n) => number(&n.value)?,
            Expr::StringLiteral(s) => Const::Str(string_value(self.src, s).into()),
            Expr::BytesLiteral(b) => Const::Bytes(b.value.bytes().collect()),
            Expr::IpyEscapeCommand(x) => self.src.constant(&x.value)?.clone(),
            Expr::Name(n) if n.id.as_str() == "__debug__" => {
                if self.opts.optimize == 0 {
                    Const::True
                } else {
                    Const::False
                }
            }
            Expr::Tuple(t) if t.ctx == ast::ExprContext::Load => {
                Const::Tuple(t.elts.iter().map(|e| self.fold(e)).collect::<Option<_>>()?)
            }
            Expr::UnaryOp(u) => fold_unary(u.op, &self.fold(&u.operand)?)?,
            Expr::BinOp(b) => {
                let right = self.fold(&b.right)?;
                fold_binary(b.op, &self.fold(&b.left)?, &right)?
            }
            Expr::Subscript(s) if s.ctx == ast::ExprContext::Load => {
                let index = self.fold(&s.slice)?;
                fold_index(&self.fold(&s.value)?, &index)?
            }
            _ => return None,
        })
    }

    /// A slice of constants.
    pub(super) fn fold_slice(&self, s: &ast::ExprSlice) -> Option<Const> {
        let part = |e: &Option<Box<Expr>>| match e {
            Some(e) => self.fold(e).filter(|c| !matches!(c, Const::Tuple(_))),
            None => Some(Const::None),
        };
        Some(Const::Slice(Box::new([
            part(&s.lower)?,
            part(&s.upper)?,
            part(&s.step)?,
        ])))
    }
}

/// The value of a string literal as WTF-8: lone surrogates, which the parser cannot hold, come from the source.
pub(super) fn string_value(src: &Source<'_>, s: &ast::ExprStringLiteral) -> Vec<u8> {
    let mut out = Vec::new();
    for part in &s.value {
        literal_part(src, part, &mut out);
    }
    out
}

pub(super) fn literal_part(src: &Source<'_>, part: &ast::StringLiteral, out: &mut Vec<u8>) {
    if part.value.contains('\u{fffd}') && !src.is_synthetic() {
        let raw = part.flags.prefix().is_raw();
        restore_surrogates(src, part.content_range(), &part.value, raw, false, out);
    } else {
        out.extend(part.value.as_bytes());
    }
}

/// As `literal_part` for the text between the replacement fields of an f-string.
pub(super) fn element_part(
    src: &Source<'_>,
    part: &ast::InterpolatedStringLiteralElement,
    raw: bool,
    out: &mut Vec<u8>,
) {
    if part.value.contains('\u{fffd}') && !src.is_synthetic() {
        restore_surrogates(src, part.range(), &part.value, raw, true, out);
    } else {
        out.extend(part.value.as_bytes());
    }
}

/// Checks a number that the parser accepts and CPython does not.
pub(super) fn check_number(src: &Source<'_>, n: &ast::ExprNumberLiteral) -> Res {
    if let ast::Number::Int(_) = n.value {
        let text = src.slice(n.range);
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let decimal = text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
        let limit = src.max_digits;
        if decimal && limit != 0 && digits > limit {
            let msg = format!(
                "Exceeds the limit ({limit} digits) for integer string conversion: value has {digits} digits; \
                 use sys.set_int_max_str_digits() to increase the limit - Consider hexadecimal for huge integer \
                 literals to avoid decimal conversion limits."
            );
            return Err(src.error(n.range, msg));
        }
    }
    Ok(())
}

/// Walks a literal's source next to its value, character for character, to find the escapes of surrogates.
fn restore_surrogates(
    src: &Source<'_>,
    range: TextRange,
    value: &str,
    raw: bool,
    braces: bool,
    out: &mut Vec<u8>,
) {
    let text = src.slice(range);
    let mut source = text.char_indices().peekable();
    let mut value = value.chars();
    while let Some((at, c)) = source.next() {
        if c == '\\' && !raw {
            let Some((_, kind)) = source.next() else {
                break;
            };
            let skip = |n: usize, source: &mut std::iter::Peekable<std::str::CharIndices<'_>>| {
                for _ in 0..n {
                    source.next();
                }
            };
            match kind {
                '\n' => continue,
                'u' | 'U' => {
                    let n = if kind == 'u' { 4 } else { 8 };
                    let code = text
                        .get(at + 2..at + 2 + n)
                        .and_then(|h| u32::from_str_radix(h, 16).ok());
                    skip(n, &mut source);
                    if let Some(code @ 0xd800..=0xdfff) = code {
                        value.next();
                        push_surrogate(out, code);
                        continue;
                    }
                }
                'x' => skip(2, &mut source),
                'N' => while source.next().is_some_and(|(_, c)| c != '}') {},
                '0'..='7' => {
                    for _ in 0..2 {
                        if source.peek().is_some_and(|(_, c)| matches!(c, '0'..='7')) {
                            source.next();
                        }
                    }
                }
                '\\' | '\'' | '"' | 'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' => {}
                other => {
                    // Not an escape: the backslash stays.
                    value.next();
                    out.push(b'\\');
                    if braces
                        && matches!(other, '{' | '}')
                        && source.peek().is_some_and(|(_, c)| *c == other)
                    {
                        source.next();
                    }
                }
            }
        } else if braces && matches!(c, '{' | '}') && source.peek().is_some_and(|(_, d)| *d == c) {
            source.next();
        }
        let Some(c) = value.next() else { break };
        out.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// Appends a lone surrogate. (A pair of escapes stays a pair of surrogates in Python, so WTF-8 is generalised here.)
fn push_surrogate(out: &mut Vec<u8>, code: u32) {
    out.extend([
        0xe0 | (code >> 12) as u8,
        0x80 | (code >> 6 & 0x3f) as u8,
        0x80 | (code & 0x3f) as u8,
    ]);
}

pub(super) fn number(n: &ast::Number) -> Option<Const> {
    Some(match n {
        ast::Number::Int(i) => match i.as_i64() {
            Some(i) => Const::Int(i),
            None => int_const(big_literal(&i.to_string())?),
        },
        ast::Number::Float(f) => Const::Float(*f),
        ast::Number::Complex { real, imag } => Const::Complex(*real, *imag),
    })
}

fn big_literal(text: &str) -> Option<BigInt> {
    let text = text.replace('_', "").to_ascii_lowercase();
    let (digits, radix) = match text.get(..2) {
        Some("0x") => (&text[2..], 16),
        Some("0o") => (&text[2..], 8),
        Some("0b") => (&text[2..], 2),
        _ => (text.as_str(), 10),
    };
    BigInt::parse_bytes(digits.as_bytes(), radix)
}

/// The value of a signed number or of a sum of two numbers.
pub(super) fn fold_number(e: &Expr) -> Option<Const> {
    match e {
        Expr::NumberLiteral(n) => number(&n.value),
        Expr::UnaryOp(u) => fold_unary(u.op, &fold_number(&u.operand)?),
        Expr::BinOp(b) => fold_binary(b.op, &fold_number(&b.left)?, &fold_number(&b.right)?),
        _ => None,
    }
}

fn as_int(c: &Const) -> Option<BigInt> {
    Some(match c {
        Const::True => BigInt::from(1),
        Const::False => BigInt::from(0),
        Const::Int(i) => BigInt::from(*i),
        Const::BigInt(i) => i.clone(),
        _ => return None,
    })
}

fn as_float(c: &Const) -> Option<f64> {
    match c {
        Const::Float(f) => Some(*f),
        // Beyond 2**53 the conversion may round: left to the runtime.
        _ => as_int(c)
            .filter(|i| i.bits() <= 53)
            .and_then(|i| i.to_f64()),
    }
}

fn is_complex(c: &Const) -> bool {
    matches!(c, Const::Complex(..))
}

fn fold_unary(op: UnaryOp, c: &Const) -> Option<Const> {
    Some(match (op, c) {
        (UnaryOp::Not, c) => {
            if truth(c) {
                Const::False
            } else {
                Const::True
            }
        }
        (UnaryOp::USub, Const::Float(f)) => Const::Float(-f),
        (UnaryOp::USub, Const::Complex(re, im)) => Const::Complex(-re, -im),
        (UnaryOp::USub, c) => int_const(-as_int(c)?),
        (UnaryOp::UAdd, Const::Float(_) | Const::Complex(..)) => c.clone(),
        (UnaryOp::UAdd, c) => int_const(as_int(c)?),
        (UnaryOp::Invert, Const::Int(_) | Const::BigInt(_)) => int_const(-as_int(c)? - 1),
        (UnaryOp::Invert, _) => return None,
    })
}

fn fold_binary(op: Operator, a: &Const, b: &Const) -> Option<Const> {
    match (a, b) {
        (Const::Str(x), Const::Str(y)) if op == Operator::Add && x.len() + y.len() <= MAX_STR => {
            return Some(Const::Str([&**x, &**y].concat().into()));
        }
        (Const::Bytes(x), Const::Bytes(y))
            if op == Operator::Add && x.len() + y.len() <= MAX_STR =>
        {
            return Some(Const::Bytes([&**x, &**y].concat().into()));
        }
        (Const::Tuple(x), Const::Tuple(y))
            if op == Operator::Add && x.len() + y.len() <= MAX_ITEMS =>
        {
            return Some(Const::Tuple([x.as_slice(), y.as_slice()].concat()));
        }
        (Const::Str(_) | Const::Bytes(_) | Const::Tuple(_), n)
        | (n, Const::Str(_) | Const::Bytes(_) | Const::Tuple(_))
            if op == Operator::Mult =>
        {
            let seq = if std::ptr::eq(n, b) { a } else { b };
            return fold_repeat(seq, as_int(n)?.to_i64()?);
        }
        _ => {}
    }
    if is_complex(a) || is_complex(b) {
        return fold_complex(op, a, b);
    }
    if let (Some(x), Some(y)) = (as_int(a), as_int(b)) {
        let booleans = matches!(
            (a, b),
            (Const::True | Const::False, Const::True | Const::False)
        );
        return fold_ints(op, x, y, booleans);
    }
    fold_floats(op, as_float(a)?, as_float(b)?)
}

fn fold_repeat(seq: &Const, n: i64) -> Option<Const> {
    let n = usize::try_from(n).unwrap_or(0);
    Some(match seq {
        Const::Str(s) if s.len().checked_mul(n)? <= MAX_STR => Const::Str(s.repeat(n).into()),
        Const::Bytes(s) if s.len().checked_mul(n)? <= MAX_STR => Const::Bytes(s.repeat(n).into()),
        Const::Tuple(t) if t.len().checked_mul(n)? <= MAX_ITEMS => {
            Const::Tuple(std::iter::repeat_n(t, n).flatten().cloned().collect())
        }
        _ => return None,
    })
}

fn fold_ints(op: Operator, x: BigInt, y: BigInt, booleans: bool) -> Option<Const> {
    let boolean = |i: BigInt| {
        if !booleans {
            return int_const(i);
        }
        if i.is_zero() {
            Const::False
        } else {
            Const::True
        }
    };
    Some(match op {
        Operator::Add => int_const(x + y),
        Operator::Sub => int_const(x - y),
        Operator::Mult if x.bits() + y.bits() <= MAX_INT_BITS => int_const(x * y),
        Operator::Div => {
            if y.is_zero() {
                return None;
            }
            Const::Float(as_float(&int_const(x))? / as_float(&int_const(y))?)
        }
        Operator::FloorDiv if !y.is_zero() => int_const(floor_div(&x, &y)),
        Operator::Mod if !y.is_zero() => int_const(&x - floor_div(&x, &y) * &y),
        Operator::Pow if y.is_negative() => {
            if x.is_zero() {
                return None;
            }
            Const::Float(as_float(&int_const(x))?.powf(as_float(&int_const(y))?))
        }
        Operator::Pow => {
            let n = y.to_u32()?;
            if x.bits().checked_mul(u64::from(n))? > MAX_INT_BITS {
                return None;
            }
            int_const(x.pow(n))
        }
        Operator::LShift => {
            let n = y.to_u64()?;
            if x.bits().checked_add(n)? > MAX_INT_BITS {
                return None;
            }
            int_const(x << n)
        }
        Operator::RShift => int_const(x >> y.to_u64()?),
        Operator::BitAnd => boolean(x & y),
        Operator::BitOr => boolean(x | y),
        Operator::BitXor => boolean(x ^ y),
        _ => return None,
    })
}

fn floor_div(x: &BigInt, y: &BigInt) -> BigInt {
    let q = x / y;
    let exact = (&q * y) == *x;
    if !exact && (x.is_negative() != y.is_negative()) {
        q - 1
    } else {
        q
    }
}

fn fold_floats(op: Operator, x: f64, y: f64) -> Option<Const> {
    Some(Const::Float(match op {
        Operator::Add => x + y,
        Operator::Sub => x - y,
        Operator::Mult => x * y,
        Operator::Div if y != 0.0 => x / y,
        Operator::Pow if x > 0.0 && y.is_finite() && x.is_finite() => {
            let z = x.powf(y);
            if !z.is_finite() {
                return None;
            }
            z
        }
        _ => return None,
    }))
}

fn fold_complex(op: Operator, a: &Const, b: &Const) -> Option<Const> {
    Some(match (op, a, b) {
        (Operator::Add, Const::Complex(r, i), Const::Complex(s, j)) => Const::Complex(r + s, i + j),
        (Operator::Sub, Const::Complex(r, i), Const::Complex(s, j)) => Const::Complex(r - s, i - j),
        (Operator::Add, Const::Complex(r, i), x) | (Operator::Add, x, Const::Complex(r, i)) => {
            Const::Complex(as_float(x)? + r, *i)
        }
        (Operator::Sub, Const::Complex(r, i), x) => Const::Complex(r - as_float(x)?, *i),
        (Operator::Sub, x, Const::Complex(r, i)) => Const::Complex(as_float(x)? - r, -i),
        _ => return None,
    })
}

fn fold_index(seq: &Const, index: &Const) -> Option<Const> {
    let Const::Int(i) = index else { return None };
    let at = |len: usize| {
        let i = if *i < 0 { i + len as i64 } else { *i };
        usize::try_from(i).ok().filter(|i| *i < len)
    };
    match seq {
        Const::Tuple(t) => t.get(at(t.len())?).cloned(),
        Const::Bytes(s) => Some(Const::Int(i64::from(*s.get(at(s.len())?)?))),
        Const::Str(s) if s.is_ascii() => Some(Const::Str(Box::new([*s.get(at(s.len())?)?]))),
        _ => None,
    }
}
