//! Formatting: `str.format`, `%`, `__format__`, and what f-strings compile to.

use crate::prelude::*;
use crate::str::text_error;
use crate::text::float::push_fixed_quick;
use crate::text::format::{self as spec_format, Locale};
use crate::text::int::IntRef;
use crate::text::percent::{self, Amount, Conversion, Parser, Piece, Resolved};
use crate::text::strformat::{self, Access, AutoNumber, Field, First, Template};
use crate::text::{Text, TextResult};
use num_bigint::BigInt;

/// `!s`, `!r`, `!a`, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Convert {
    None,
    Str,
    Repr,
    Ascii,
}

impl Convert {
    /// The value after the conversion.
    pub fn apply(self, t: &mut Thread, v: Value) -> Res<Obj> {
        match self {
            Convert::None => Ok(Obj::new(t, v)),
            Convert::Str => proto::str(t, v),
            Convert::Repr => proto::repr(t, v),
            Convert::Ascii => proto::ascii(t, v),
        }
    }
}

/// An int's value for the text routines.
pub enum Number {
    Small(i64),
    Big(BigInt),
}

impl Number {
    /// The value of an int, a bool or an instance of a subclass.
    pub fn of(v: Value) -> Option<Number> {
        if let Some(i) = v.to_int() {
            return Some(Number::Small(i));
        }
        match crate::int::as_i64(v) {
            Some(i) => Some(Number::Small(i)),
            None => crate::int::to_bigint(v).map(Number::Big),
        }
    }
    pub fn as_ref(&self) -> IntRef<'_> {
        match self {
            Number::Small(n) => IntRef::Small(*n),
            Number::Big(n) => IntRef::Big(n),
        }
    }
}

fn raised<T>(t: &mut Thread, r: TextResult<T>) -> Res<T> {
    r.map_err(|e| text_error(t, e))
}

/// `f"{v!conversion:spec}"`: a str, as a register word.
pub fn format_value(t: &mut Thread, v: Value, spec: Option<&Str>, conversion: Convert) -> Res {
    let spec = spec.filter(|s| !s.is_empty());
    match (conversion, spec) {
        (Convert::None | Convert::Str, None) => {
            if Str::exact(v).is_some() {
                return Ok(Obj::new(t, v).into());
            }
            if let Some(i) = v.to_int() {
                return Ok(Str::from_i64(t, i).into());
            }
            if v.is_float() {
                return Ok(
                    Str::from_string(t, crate::text::float::float_repr(v.as_float())).into(),
                );
            }
        }
        (Convert::None, Some(spec)) => {
            let mut out = t.vm().take_text();
            if simple(t, &mut out, v, spec.as_bytes())? {
                return Ok(Str::from_text_buffer(t, out).into());
            }
        }
        _ => {}
    }
    let converted;
    let v = if conversion == Convert::None {
        v
    } else {
        converted = conversion.apply(t, v)?;
        converted.value()
    };
    match spec {
        Some(spec) => proto::format(t, v, spec).map(Obj::into_value),
        None => {
            if Str::exact(v).is_some() {
                return Ok(Obj::new(t, v).into());
            }
            let empty = Str::empty(t);
            proto::format(t, v, Str::this(empty.value())).map(Obj::into_value)
        }
    }
}

/// The parts of an f-string, all str, in one.
pub fn join_strings(t: &mut Thread, parts: &[Value]) -> Res {
    let (mut n, mut chars) = (0, 0);
    for p in parts {
        let text = Str::this(*p).text();
        n += text.bytes.len();
        chars += text.chars;
    }
    let texts = parts.iter().map(|p| Str::this(*p).as_bytes());
    Str::join_bytes(t, b"", texts, n, chars)
}

/// Formats a value of exactly str, int or float; false: it is something else, or needs the locale.
fn simple(t: &mut Thread, out: &mut Vec<u8>, v: Value, spec: &[u8]) -> Res<bool> {
    if let Some(s) = Str::exact(v) {
        return raised(t, spec_format::format_str(out, s.text(), spec, "str")).map(|()| true);
    }
    if spec.last() == Some(&b'n') {
        return Ok(false);
    }
    if let Some(i) = v.to_int() {
        let max = crate::int::max_str_digits();
        let done = spec_format::format_int(out, IntRef::Small(i), spec, "int", &Locale::C, max);
        return raised(t, done).map(|()| true);
    }
    if v.is_float() {
        // `.2f` and the like.
        if let [b'.', digit @ b'0'..=b'9', b'f'] = *spec {
            let (x, from) = (v.as_float(), out.len());
            if x.is_sign_negative() {
                out.push(b'-');
            }
            if push_fixed_quick(out, x.abs(), usize::from(digit - b'0')) {
                return Ok(true);
            }
            out.truncate(from);
        }
        let done = spec_format::format_float(out, v.as_float(), spec, "float", &Locale::C);
        return raised(t, done).map(|()| true);
    }
    Ok(false)
}

/// Appends `format(v, spec)`.
fn push_formatted(t: &mut Thread, out: &mut Vec<u8>, v: Value, spec: &[u8]) -> Res<()> {
    if spec.is_empty() {
        if let Some(s) = Str::exact(v) {
            out.extend_from_slice(s.as_bytes());
            return Ok(());
        }
        if let Some(i) = v.to_int() {
            crate::text::int::push_i64(out, i);
            return Ok(());
        }
    }
    if simple(t, out, v, spec)? {
        return Ok(());
    }
    let spec = Str::from_wtf8(t, spec);
    let text = proto::format(t, v, Str::this(spec.value()))?;
    out.extend_from_slice(Str::this(text.value()).as_bytes());
    Ok(())
}

/// `str.__format__`
pub(crate) fn dunder_format(t: &mut Thread, a: &[Value]) -> Res {
    let s = Str::this(a[0]);
    let Some(spec) = Str::of(a[1]) else {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!("__format__() argument must be str, not {got}")));
    };
    if spec.is_empty() {
        return if s.is_exact() {
            Ok(Obj::new(t, a[0]).into())
        } else {
            proto::str(t, a[0]).map(Obj::into_value)
        };
    }
    let mut out = Vec::new();
    let name = type_of(a[0]).name().to_string();
    let done = spec_format::format_str(&mut out, s.text(), spec.as_bytes(), &name);
    raised(t, done)?;
    Ok(Str::from_vec(t, out).into())
}

/// What the fields of a template refer to.
struct Fields<'a> {
    positional: &'a [Value],
    /// The keyword arguments, or the mapping of `format_map`.
    named: Value,
    mapping: bool,
    auto: AutoNumber,
}

/// `str.format`
pub(crate) fn format(t: &mut Thread, args: Args<'_>) -> Res {
    let [template, positional @ ..] = args.pos() else {
        return Err(t.type_error("unbound method str.format() needs an argument".into()));
    };
    let named = if args.has_keywords() {
        let d = Dict::new(t);
        for (name, v) in args.keywords() {
            Dict::of_obj(&d).set(t, name, v)?;
        }
        d
    } else {
        Obj::from_raw(Value::NONE)
    };
    let fields = Fields {
        positional,
        named: named.value(),
        mapping: false,
        auto: AutoNumber::default(),
    };
    render(t, Str::this(*template), fields)
}

/// `str.format_map`
pub(crate) fn format_map(t: &mut Thread, a: &[Value]) -> Res {
    let fields = Fields {
        positional: &[],
        named: a[1],
        mapping: true,
        auto: AutoNumber::default(),
    };
    render(t, Str::this(a[0]), fields)
}

fn render(t: &mut Thread, template: &Str, mut fields: Fields<'_>) -> Res {
    let mut out = t.vm().take_text();
    fields.render(t, template.as_bytes(), strformat::MAX_DEPTH, &mut out)?;
    Ok(Str::from_text_buffer(t, out).into())
}

impl Fields<'_> {
    fn render(
        &mut self,
        t: &mut Thread,
        template: &[u8],
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Res<()> {
        if depth == 0 {
            return Err(text_error(t, strformat::too_deep()));
        }
        let mut parts = Template::new(template);
        loop {
            let part = parts.next_part();
            let Some(part) = raised(t, part)? else {
                return Ok(());
            };
            out.extend_from_slice(part.literal);
            if let Some(field) = part.field {
                self.field(t, &field, depth, out)?;
            }
        }
    }

    fn field(
        &mut self,
        t: &mut Thread,
        field: &Field<'_>,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Res<()> {
        let mut v = self.lookup(t, field.name)?;
        if let Some(c) = field.conversion {
            let conversion = match u8::try_from(c).unwrap_or(0) {
                b'r' => Convert::Repr,
                b's' => Convert::Str,
                b'a' => Convert::Ascii,
                _ => return Err(text_error(t, strformat::unknown_conversion(c))),
            };
            v = conversion.apply(t, v.value())?;
        }
        if field.nested {
            let mut spec = Vec::new();
            self.render(t, field.spec, depth - 1, &mut spec)?;
            return push_formatted(t, out, v.value(), &spec);
        }
        push_formatted(t, out, v.value(), field.spec)
    }

    /// The object that a field name means.
    fn lookup(&mut self, t: &mut Thread, name: &[u8]) -> Res<Obj> {
        let split = strformat::split_name(name);
        let (first, mut steps) = raised(t, split)?;
        let first = self.auto.resolve(first);
        let mut v = match raised(t, first)? {
            First::Index(i) => self.positional(t, i)?,
            First::Name(name) => self.named(t, name)?,
            First::Auto => return Err(t.value_error("Format string contains positional fields")),
        };
        loop {
            let step = steps.next_access();
            v = match raised(t, step)? {
                None => return Ok(v),
                Some(Access::Attribute(name)) => {
                    let name = Str::from_wtf8(t, name);
                    proto::get_attr(t, v.value(), Str::this(name.value()))?
                }
                Some(Access::Index(i)) => {
                    proto::get_item(t, v.value(), Value::int(i as i64 & Value::INT_MAX))?
                }
                Some(Access::Key(key)) => {
                    let key = Str::from_wtf8(t, key);
                    proto::get_item(t, v.value(), key.value())?
                }
            };
        }
    }

    fn positional(&self, t: &mut Thread, i: usize) -> Res<Obj> {
        if self.mapping {
            return Err(t.value_error("Format string contains positional fields"));
        }
        match self.positional.get(i) {
            Some(v) => Ok(Obj::new(t, *v)),
            None => Err(t.index_error(format!(
                "Replacement index {i} out of range for positional args tuple"
            ))),
        }
    }

    fn named(&self, t: &mut Thread, name: &[u8]) -> Res<Obj> {
        let key = Str::from_wtf8(t, name);
        if self.mapping {
            return proto::get_item(t, self.named, key.value());
        }
        let found = match Dict::of(self.named) {
            Some(d) => d.get(t, key.value())?,
            None => None,
        };
        match found {
            Some(v) => Ok(Obj::own(v)),
            None => Err(t.key_error(key.value())),
        }
    }
}

/// `str % args`
pub(crate) fn modulo(t: &mut Thread, a: Value, b: Value) -> Res {
    let Some(s) = Str::of(a) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    let mapping = Tuple::exact(b).is_none()
        && type_of(b).slots.get_item.is_set()
        && Tuple::of(b).is_none()
        && Str::of(b).is_none();
    let mut out = t.vm().take_text();
    interpolate(t, &mut out, s.text(), false, b, mapping)?;
    Ok(Str::from_text_buffer(t, out).into())
}

/// The arguments of `%`, taken one after the other.
struct Operands {
    args: Value,
    /// How many there are, if they are a tuple's items.
    tuple: Option<usize>,
    next: usize,
    mapping: bool,
}

impl Operands {
    /// The next one, borrowed, if there is one.
    #[inline]
    fn peek(&self) -> Option<Value> {
        match self.tuple {
            Some(n) if self.next < n => Tuple::of(self.args).map(|a| a.get(self.next)),
            None if self.next == 0 => Some(self.args),
            _ => None,
        }
    }

    fn take(&mut self, t: &mut Thread) -> Res<Obj> {
        let i = self.next;
        self.next += 1;
        match (self.tuple, Tuple::of(self.args)) {
            (Some(n), Some(args)) if i < n => Ok(Obj::new(t, args.get(i))),
            (None, _) if i == 0 => Ok(Obj::new(t, self.args)),
            _ => Err(text_error(t, percent::not_enough_arguments())),
        }
    }

    /// The value of a `*`.
    fn star(&mut self, t: &mut Thread, is_precision: bool) -> Res<i64> {
        let v = self.take(t)?;
        if Int::of(v.value()).is_none() {
            return Err(text_error(t, percent::star_wants_int()));
        }
        let limit = if is_precision {
            i64::from(i32::MAX)
        } else {
            i64::MAX
        };
        match crate::int::as_i64(v.value()) {
            Some(i) if is_precision && i <= limit => Ok(i),
            Some(i) if !is_precision && i > i64::MIN => Ok(i),
            Some(_) if !is_precision => Err(t.overflow_error("width too big")),
            _ => {
                let range = if is_precision { "int" } else { "ssize_t" };
                Err(t.overflow_error(format!("Python int too large to convert to C {range}")))
            }
        }
    }

    /// Whether values are left over.
    fn left(&self) -> bool {
        match self.tuple {
            Some(n) => self.next < n,
            None => self.next == 0,
        }
    }
}

/// `%`-formats `text` (of a str, or of bytes) into `out`.
pub(crate) fn interpolate(
    t: &mut Thread,
    out: &mut Vec<u8>,
    text: Text<'_>,
    is_bytes: bool,
    args: Value,
    mapping: bool,
) -> Res<()> {
    let tuple = Tuple::of(args).map(|a| a.len());
    let mut operands = Operands {
        args,
        tuple,
        next: 0,
        mapping,
    };
    let mut parser = Parser::new(text, is_bytes, mapping);
    loop {
        if !is_bytes && let Some((literal, code, digit)) = parser.next_plain() {
            out.extend_from_slice(literal);
            convert_plain(t, out, code, digit, &mut operands)?;
            continue;
        }
        let piece = parser.next_piece();
        match raised(t, piece)? {
            None => break,
            Some(Piece::Literal(s)) => out.extend_from_slice(s),
            Some(Piece::Conversion(c)) => convert(t, out, &c, &mut operands, is_bytes)?,
        }
    }
    if operands.left() && !operands.mapping {
        return Err(text_error(t, percent::not_all_converted(is_bytes)));
    }
    Ok(())
}

/// `%s`, `%d`, `%r`, or `%.2f` with that digit.
fn convert_plain(
    t: &mut Thread,
    out: &mut Vec<u8>,
    code: u8,
    digit: usize,
    operands: &mut Operands,
) -> Res<()> {
    // The usual ones need no reference of their own: they run nothing, and the caller holds the arguments.
    if code != b'f'
        && let Some(v) = operands.peek()
    {
        if v.is_int() {
            operands.next += 1;
            crate::text::int::push_i64(out, v.as_int());
            return Ok(());
        }
        if code == b's'
            && let Some(s) = Str::exact(v)
        {
            operands.next += 1;
            out.extend_from_slice(s.as_bytes());
            return Ok(());
        }
    }
    let v = operands.take(t)?;
    let plain = Resolved {
        flags: percent::Flags::default(),
        width: 0,
        precision: (code == b'f').then_some(digit),
        code,
    };
    if code == b'f' {
        let x = float_of(t, v.value(), false)?;
        if x.is_sign_positive() && x.is_finite() && push_fixed_quick(out, x, digit) {
            return Ok(());
        }
        return raised(t, plain.write_float(out, x));
    }
    if code == b'd' {
        return convert_int(t, out, &plain, v.value());
    }
    let text = match code {
        b's' => proto::str(t, v.value())?,
        _ => proto::repr(t, v.value())?,
    };
    out.extend_from_slice(Str::this(text.value()).as_bytes());
    Ok(())
}

fn convert(
    t: &mut Thread,
    out: &mut Vec<u8>,
    c: &Conversion<'_>,
    operands: &mut Operands,
    is_bytes: bool,
) -> Res<()> {
    let mut value = None;
    if let Some(key) = c.key {
        let key = if is_bytes {
            crate::bytes::Bytes::new(t, key)
        } else {
            Str::from_wtf8(t, key)
        };
        value = Some(proto::get_item(t, operands.args, key.value())?);
    }
    let width = if c.width == Amount::Star {
        operands.star(t, false)?
    } else {
        0
    };
    let precision = if c.precision == Amount::Star {
        operands.star(t, true)?
    } else {
        0
    };
    let v = match value {
        Some(v) => v,
        None => operands.take(t)?,
    };
    raised(t, c.check(is_bytes))?;
    let r = c.resolve(width, precision);
    match r.code {
        b'd' | b'i' | b'u' | b'o' | b'x' | b'X' => convert_int(t, out, &r, v.value()),
        b'e' | b'E' | b'f' | b'F' | b'g' | b'G' => {
            let x = if v.value().is_float() {
                v.value().as_float()
            } else {
                float_of(t, v.value(), is_bytes)?
            };
            raised(t, r.write_float(out, x))
        }
        b'c' if is_bytes => crate::bytes::format::convert_char(t, out, &r, v.value()),
        b'c' => convert_char(t, out, &r, v.value()),
        b's' | b'b' if is_bytes => crate::bytes::format::convert_bytes(t, out, &r, v.value()),
        code => {
            let text = match code {
                b's' => proto::str(t, v.value())?,
                b'r' if !is_bytes => proto::repr(t, v.value())?,
                _ => proto::ascii(t, v.value())?,
            };
            raised(t, r.write_text(out, Str::this(text.value()).text()))
        }
    }
}

fn float_of(t: &mut Thread, v: Value, is_bytes: bool) -> Res<f64> {
    match proto::as_f64(t, v) {
        Err(e) if is_bytes && t.exc_matches(&errors::TYPE_ERROR) => {
            let _ = e;
            t.clear_exc();
            let got = type_of(v).name();
            Err(t.type_error(format!("float argument required, not {got}")))
        }
        r => r,
    }
}

fn convert_int(t: &mut Thread, out: &mut Vec<u8>, r: &Resolved, v: Value) -> Res<()> {
    let number = match Number::of(v) {
        Some(n) => n,
        None => {
            let i = int_of(t, v, r.code)?;
            match Number::of(i.value()) {
                Some(n) => n,
                None => return Err(number_required(t, v, r.code)),
            }
        }
    };
    let done = r.write_int(out, number.as_ref(), crate::int::max_str_digits());
    raised(t, done)
}

/// The int of a number that is none: by `__index__` for `o`, `x` and `X`, else by `__int__` first.
fn int_of(t: &mut Thread, v: Value, code: u8) -> Res<Obj> {
    let slots = &type_of(v).slots;
    let integer_only = matches!(code, b'o' | b'x' | b'X');
    let result = match slots.int.get() {
        Some(f) if !integer_only => f(t, v).map(Obj::own),
        _ if slots.index.is_set() => proto::index(t, v),
        _ => return Err(number_required(t, v, code)),
    };
    match result {
        Err(_) if t.exc_matches(&errors::TYPE_ERROR) => {
            t.clear_exc();
            Err(number_required(t, v, code))
        }
        r => r,
    }
}

#[cold]
fn number_required(t: &mut Thread, v: Value, code: u8) -> Raised {
    let got = type_of(v).name().to_string();
    text_error(t, percent::number_required(u32::from(code), &got))
}

fn convert_char(t: &mut Thread, out: &mut Vec<u8>, r: &Resolved, v: Value) -> Res<()> {
    let cp = if let Some(s) = Str::of(v) {
        if s.len() != 1 {
            let n = s.len();
            return Err(t.type_error(format!(
                "%c requires an int or a unicode character, not a string of length {n}"
            )));
        }
        s.char_at(0)
    } else if crate::str::index::has_index(v) {
        let i = proto::index(t, v)?;
        match Number::of(i.value()) {
            Some(n) => raised(t, percent::char_of_int(n.as_ref()))?,
            None => return Err(t.overflow_error("%c arg not in range(0x110000)")),
        }
    } else {
        let got = type_of(v).full_name(t);
        return Err(t.type_error(format!(
            "%c requires an int or a unicode character, not {got}"
        )));
    };
    raised(t, r.write_char(out, cp))
}
