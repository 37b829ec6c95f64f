//! What calls ask first about a signature, worked out from its text when the runtime is compiled.

/// A text signature and its shape.
#[derive(Clone, Copy, Debug)]
pub struct Sig {
    pub text: &'static str,
    pub shape: Shape,
}

impl Sig {
    pub const fn of(text: &'static str) -> Sig {
        Sig {
            text,
            shape: Shape::of(text),
        }
    }
}

/// How many parameters of which kind a signature has: see [`super::Signature`], whose fields of these names it agrees with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub params: u16,
    pub posonly: u16,
    pub positional: u16,
    pub required: u16,
    /// The number of the parameter `*args`; -1: there is none.
    pub star: i16,
    /// Has `*args` or `**kwargs`.
    pub open: bool,
    /// Has a parameter without a default that can only be given by name.
    pub needs_keyword: bool,
}

impl Shape {
    /// Only positional-only parameters: the arguments can be handed over as they are.
    pub const fn is_simple(&self) -> bool {
        self.posonly == self.params
    }

    pub const fn of(text: &str) -> Shape {
        let b = text.as_bytes();
        let (mut start, mut end) = trim(b, 0, b.len());
        while start < end && b[start] == b'(' {
            start += 1;
        }
        while start < end && b[end - 1] == b')' {
            end -= 1;
        }
        let mut s = Shape {
            params: 0,
            posonly: 0,
            positional: 0,
            required: 0,
            star: -1,
            open: false,
            needs_keyword: false,
        };
        let (mut keyword_only, mut depth, mut quote, mut i) = (false, 0i32, 0u8, start);
        while i <= end {
            let c = if i < end { b[i] } else { b',' };
            if quote != 0 && i < end {
                if c == quote {
                    quote = 0;
                }
            } else if c == b'\'' || c == b'"' {
                quote = c;
            } else if c == b'(' || c == b'[' || c == b'{' {
                depth += 1;
            } else if c == b')' || c == b']' || c == b'}' {
                depth -= 1;
            } else if c == b',' && (depth == 0 || i == end) {
                keyword_only = s.part(b, start, i, keyword_only);
                start = i + 1;
            }
            i += 1;
        }
        s
    }

    /// Takes in what stands between two commas; gives whether what follows can only be given by name.
    const fn part(&mut self, b: &[u8], start: usize, end: usize, keyword_only: bool) -> bool {
        let (start, end) = trim(b, start, end);
        if start == end {
            return keyword_only;
        }
        if b[start] == b'/' && end == start + 1 {
            self.posonly = self.params;
            return keyword_only;
        }
        if b[start] == b'*' {
            if end == start + 1 {
                return true;
            }
            self.open = true;
            if b[start + 1] != b'*' {
                self.star = self.params as i16;
            }
            self.params += 1;
            return keyword_only || b[start + 1] != b'*';
        }
        let (mut default, mut i) = (false, start);
        while i < end {
            default |= b[i] == b'=';
            i += 1;
        }
        self.params += 1;
        if b[start] == b'$' {
            self.posonly = self.params;
        }
        if keyword_only {
            self.needs_keyword |= !default;
        } else {
            self.positional = self.params;
            if !default {
                self.required = self.params;
            }
        }
        keyword_only
    }
}

/// The stretch without the blanks at its ends.
const fn trim(b: &[u8], mut start: usize, mut end: usize) -> (usize, usize) {
    while start < end && b[start].is_ascii_whitespace() {
        start += 1;
    }
    while start < end && b[end - 1].is_ascii_whitespace() {
        end -= 1;
    }
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::super::Signature;
    use super::*;

    #[test]
    fn it_agrees_with_what_parsing_says() {
        for text in [
            "",
            "()",
            "(x)",
            "(x, /)",
            "($self, x, /, y=None, *, key=None)",
            "($self, /, *args, **kwargs)",
            "(a, *, b)",
            "(a, b=',)', /, c=(1, 2), *rest, d, e=[','])",
            "($module, sep=\"'\", *, end='\\n')",
            "(**kw)",
        ] {
            let (s, p) = (Shape::of(text), Signature::parse(text));
            let open = p.star.is_some() || p.star_star.is_some();
            assert_eq!(usize::from(s.params), p.params.len(), "{text}");
            assert_eq!(usize::from(s.posonly), p.posonly, "{text}");
            assert_eq!(usize::from(s.positional), p.positional, "{text}");
            assert_eq!(usize::from(s.required), p.required, "{text}");
            assert_eq!((s.open, s.is_simple()), (open, p.simple), "{text}");
            if !open {
                let rest = &p.params[p.positional..];
                let needs = rest.iter().any(|p| p.default.is_none());
                assert_eq!(s.needs_keyword, needs, "{text}");
            }
        }
    }
}
