//! f-strings and t-strings.

use super::assemble::{Dest, Opnd};
use super::bytecode::*;
use super::consts::{element_part, literal_part};
use super::source::Source;
use super::{Compiler, Res};
use ruff_python_ast::{self as ast, ConversionFlag, InterpolatedStringElement as Element};
use ruff_text_size::{Ranged, TextRange};

/// A piece of an f-string.
enum Piece<'a> {
    Text(Vec<u8>),
    Value(&'a ast::InterpolatedElement),
}

/// Number of a conversion in Format's argument.
fn conversion(flag: ConversionFlag) -> u8 {
    match flag {
        ConversionFlag::None => 0,
        ConversionFlag::Str => 1,
        ConversionFlag::Repr => 2,
        ConversionFlag::Ascii => 3,
    }
}

impl<'a> Compiler<'a> {
    pub(super) fn fstring(&mut self, f: &'a ast::ExprFString, dest: Dest) -> Res<u16> {
        let mut pieces = Vec::new();
        for part in &f.value {
            match part {
                ast::FStringPart::Literal(s) => {
                    let mut text = Vec::new();
                    literal_part(self.src, s, &mut text);
                    push_text(&mut pieces, text);
                }
                ast::FStringPart::FString(s) => {
                    self.check_depth(&s.elements)?;
                    self.pieces(&s.elements, s.flags.prefix().is_raw(), &mut pieces)
                }
            }
        }
        self.join(pieces, f.range, dest)
    }

    /// Fields in the format of fields may be nested this deeply, as in CPython.
    const MAX_FIELDS: usize = 3;

    fn check_depth(&self, elements: &'a [Element]) -> Res {
        let mut inner: Vec<(&Element, usize)> = elements.iter().map(|e| (e, 1)).collect();
        while let Some((element, depth)) = inner.pop() {
            let Element::Interpolation(i) = element else {
                continue;
            };
            if depth > Self::MAX_FIELDS {
                return self.err(i.range, "f-string: expressions nested too deeply");
            }
            let spec = i.format_spec.iter().flat_map(|s| s.elements.iter());
            inner.extend(spec.map(|e| (e, depth + 1)));
        }
        Ok(())
    }

    fn pieces(&self, elements: &'a [Element], raw: bool, out: &mut Vec<Piece<'a>>) {
        for el in elements {
            match el {
                Element::Literal(l) => {
                    let mut text = Vec::new();
                    element_part(self.src, l, raw, &mut text);
                    push_text(out, text);
                }
                Element::Interpolation(i) => {
                    if let Some(debug) = &i.debug_text {
                        push_text(out, debug_source(self.src, i, debug).into_bytes());
                    }
                    out.push(Piece::Value(i));
                }
            }
        }
    }

    fn join(&mut self, pieces: Vec<Piece<'a>>, range: TextRange, dest: Dest) -> Res<u16> {
        match pieces.as_slice() {
            [] => {
                self.at(range);
                return Ok(self.load_k(Const::Str(Box::default()), dest));
            }
            [Piece::Text(_)] => {
                self.at(range);
                let Some(Piece::Text(text)) = pieces.into_iter().next() else {
                    return Ok(0);
                };
                return Ok(self.load_k(Const::Str(text.into()), dest));
            }
            [Piece::Value(i)] => return self.format(i, dest),
            _ => {}
        }
        if pieces.len() > Self::MAX_DISPLAY {
            return self.via_temp(dest, |c| c.long_join(pieces, range));
        }
        let sp = self.u.sp;
        let n = pieces.len() as u16;
        for piece in pieces {
            self.push_piece(piece, range)?;
        }
        self.u.sp = sp;
        self.at(range);
        let d = self.u.dest(dest);
        self.emit(Op::BuildString, 0, d, sp, n);
        Ok(d)
    }

    /// Many pieces are joined in portions.
    fn long_join(&mut self, pieces: Vec<Piece<'a>>, range: TextRange) -> Res<u16> {
        let sp = self.u.sp;
        let mut n = 0;
        for piece in pieces {
            self.push_piece(piece, range)?;
            n += 1;
            if n == Self::MAX_DISPLAY as u16 {
                self.at(range);
                self.emit(Op::BuildString, 0, sp, sp, n);
                self.u.sp = sp + 1;
                n = 1;
            }
        }
        if n > 1 {
            self.at(range);
            self.emit(Op::BuildString, 0, sp, sp, n);
        }
        self.u.sp = sp + 1;
        Ok(sp)
    }

    fn push_piece(&mut self, piece: Piece<'a>, range: TextRange) -> Res {
        match piece {
            Piece::Text(text) => {
                self.at(range);
                self.load_k(Const::Str(text.into()), Dest::Push);
            }
            Piece::Value(i) => {
                self.format(i, Dest::Push)?;
            }
        }
        Ok(())
    }

    fn format(&mut self, i: &'a ast::InterpolatedElement, dest: Dest) -> Res<u16> {
        let sp = self.u.sp;
        let o = self.operand(&i.expression)?;
        let mut kind = conversion(i.conversion);
        if kind == 0 && i.debug_text.is_some() && i.format_spec.is_none() {
            kind = 2;
        }
        let mut spec = None;
        if let Some(s) = &i.format_spec {
            // The value is read after the spec has been evaluated.
            spec = Some(Opnd::temp(self.spec(s)?));
        }
        self.u.sp = sp;
        self.at_node(i);
        let d = self.u.dest(dest);
        let (x, c) = spec.map_or((0, 0), |s| (s.xc() | 4 << XARG, s.reg));
        self.emit(Op::Format, o.xb() | kind << XARG | x, d, o.reg, c);
        Ok(d)
    }

    /// A format spec in a temporary.
    fn spec(&mut self, s: &'a ast::InterpolatedStringFormatSpec) -> Res<u16> {
        let mut pieces = Vec::new();
        self.pieces(&s.elements, false, &mut pieces);
        self.join(pieces, s.range, Dest::Push)
    }

    pub(super) fn tstring(&mut self, t: &'a ast::ExprTString, dest: Dest) -> Res<u16> {
        let mut strings = vec![Vec::new()];
        let mut values = Vec::new();
        for part in t.value.iter() {
            let mut pieces = Vec::new();
            self.pieces(&part.elements, part.flags.prefix().is_raw(), &mut pieces);
            for piece in pieces {
                match piece {
                    Piece::Text(text) => {
                        if let Some(last) = strings.last_mut() {
                            last.extend(text);
                        }
                    }
                    Piece::Value(i) => {
                        values.push(i);
                        strings.push(Vec::new());
                    }
                }
            }
        }
        self.via_temp(dest, |c| c.template(strings, &values, t.range))
    }

    fn template(
        &mut self,
        strings: Vec<Vec<u8>>,
        values: &[&'a ast::InterpolatedElement],
        range: TextRange,
    ) -> Res<u16> {
        self.at(range);
        let strings = strings.into_iter().map(|s| Const::Str(s.into())).collect();
        let first = self.load_k(Const::Tuple(strings), Dest::Push);
        let list = self.u.alloc();
        self.emit(Op::BuildList, 0, list, list, 0);
        for i in values {
            let v = self.interpolation(i)?;
            self.emit(Op::ListAppend, XB, list, v, 0);
            self.u.sp = list + 1;
        }
        self.at(range);
        self.emit(Op::ListToTuple, XB, list, list, 0);
        self.emit(Op::BuildTemplate, 0, first, first, 0);
        self.u.sp = first + 1;
        Ok(first)
    }

    fn interpolation(&mut self, i: &'a ast::InterpolatedElement) -> Res<u16> {
        let v = self.push(&i.expression)?;
        self.at_node(i);
        match self.src.field(i) {
            Some(c) => self.load_k(c.clone(), Dest::Push),
            None => self.push_str(&field_text(self.src, i)),
        };
        let mut kind = i.conversion;
        if kind == ConversionFlag::None && i.debug_text.is_some() && i.format_spec.is_none() {
            kind = ConversionFlag::Repr;
        }
        match kind.to_char() {
            Some(c) => self.push_str(c.encode_utf8(&mut [0; 4])),
            None => self.load_k(Const::None, Dest::Push),
        };
        match &i.format_spec {
            Some(s) => self.spec(s)?,
            None => self.push_str(""),
        };
        self.at_node(i);
        self.emit(Op::BuildInterpolation, 0, v, v, 0);
        self.u.sp = v + 1;
        Ok(v)
    }
}

/// The text before the value of `{expr = }`.
pub(super) fn debug_source(
    src: &Source<'_>,
    i: &ast::InterpolatedElement,
    debug: &ast::DebugText,
) -> String {
    let text = format!(
        "{}{}{}",
        debug.leading,
        src.slice(i.expression.range()),
        debug.trailing
    );
    if text.contains('#') {
        without_comments(&text)
    } else {
        text
    }
}

/// The text of a replacement field's expression, with the space around it.
pub(super) fn field_text(src: &Source<'_>, i: &ast::InterpolatedElement) -> String {
    let start = i.range.start().to_usize() + 1;
    let mut end = i.expression.range().end().to_usize();
    let bytes = src.text.as_bytes();
    let mut comment = false;
    while let Some(&b) = bytes.get(end) {
        match b {
            b'\n' => comment = false,
            b'#' => comment = true,
            b'!' | b':' | b'}' | b'=' if !comment => break,
            _ => {}
        }
        end += 1;
    }
    let text = src.text.get(start..end).unwrap_or("");
    if text.contains('#') {
        without_comments(text)
    } else {
        text.to_string()
    }
}

fn push_text(out: &mut Vec<Piece<'_>>, text: Vec<u8>) {
    if text.is_empty() {
        return;
    }
    if let Some(Piece::Text(last)) = out.last_mut() {
        last.extend(text);
    } else {
        out.push(Piece::Text(text));
    }
}

/// Text without its comments, of which no string in it is one.
fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut quote = None;
    let mut comment = false;
    let mut escaped = false;
    for c in text.chars() {
        if std::mem::take(&mut escaped) {
            out.push(c);
            continue;
        }
        match (c, quote) {
            ('\\', Some(_)) => escaped = true,
            ('\n', _) => comment = false,
            _ if comment => {}
            ('#', None) => comment = true,
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            _ => {}
        }
        if !comment {
            out.push(c);
        }
    }
    out
}
