//! Case mappings and character tests of whole strings.

use super::Text;
use super::unidata as u;
use super::wtf8;

const CAPITAL_SIGMA: u32 = 0x3A3;

/// `str.lower`.
pub fn lower(text: Text<'_>) -> Vec<u8> {
    if text.is_ascii() {
        return text.bytes.to_ascii_lowercase();
    }
    let mut out = Vec::with_capacity(text.bytes.len());
    each_at(text.bytes, |at, cp| {
        push_lower(&mut out, text.bytes, at, cp)
    });
    out
}

/// `str.upper`.
pub fn upper(text: Text<'_>) -> Vec<u8> {
    if text.is_ascii() {
        return text.bytes.to_ascii_uppercase();
    }
    let mut out = Vec::with_capacity(text.bytes.len());
    each_at(text.bytes, |_, cp| u::push_upper(&mut out, cp));
    out
}

/// `str.casefold`.
pub fn casefold(text: Text<'_>) -> Vec<u8> {
    if text.is_ascii() {
        return text.bytes.to_ascii_lowercase();
    }
    let mut out = Vec::with_capacity(text.bytes.len());
    each_at(text.bytes, |_, cp| {
        if cp < 0x80 {
            out.push((cp as u8).to_ascii_lowercase());
        } else {
            u::push_fold(&mut out, cp);
        }
    });
    out
}

/// `str.swapcase`.
pub fn swapcase(text: Text<'_>) -> Vec<u8> {
    if text.is_ascii() {
        return swapcase_bytes(text.bytes);
    }
    let mut out = Vec::with_capacity(text.bytes.len());
    each_at(text.bytes, |at, cp| {
        if u::is_upper(cp) {
            push_lower(&mut out, text.bytes, at, cp);
        } else if u::is_lower(cp) {
            u::push_upper(&mut out, cp);
        } else {
            wtf8::push(&mut out, cp);
        }
    });
    out
}

/// `str.title`.
pub fn title(text: Text<'_>) -> Vec<u8> {
    if text.is_ascii() {
        return title_bytes(text.bytes);
    }
    let mut out = Vec::with_capacity(text.bytes.len());
    let mut after_cased = false;
    each_at(text.bytes, |at, cp| {
        if after_cased {
            push_lower(&mut out, text.bytes, at, cp);
        } else {
            u::push_title(&mut out, cp);
        }
        after_cased = u::is_cased(cp);
    });
    out
}

/// `str.capitalize`.
pub fn capitalize(text: Text<'_>) -> Vec<u8> {
    if text.is_ascii() {
        return capitalize_bytes(text.bytes);
    }
    let mut out = Vec::with_capacity(text.bytes.len());
    each_at(text.bytes, |at, cp| {
        if at == 0 {
            u::push_title(&mut out, cp);
        } else {
            push_lower(&mut out, text.bytes, at, cp);
        }
    });
    out
}

/// `bytes.swapcase`.
pub fn swapcase_bytes(bytes: &[u8]) -> Vec<u8> {
    let swap = |&b: &u8| if b.is_ascii_alphabetic() { b ^ 0x20 } else { b };
    bytes.iter().map(swap).collect()
}

/// `bytes.title`.
pub fn title_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut after_letter = false;
    let map = |&b: &u8| {
        let mapped = if after_letter {
            b.to_ascii_lowercase()
        } else {
            b.to_ascii_uppercase()
        };
        after_letter = b.is_ascii_alphabetic();
        mapped
    };
    bytes.iter().map(map).collect()
}

/// `bytes.capitalize`.
pub fn capitalize_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_ascii_lowercase();
    if let Some(first) = out.first_mut() {
        first.make_ascii_uppercase();
    }
    out
}

fn each_at(bytes: &[u8], mut f: impl FnMut(usize, u32)) {
    let mut at = 0;
    while at < bytes.len() {
        let (cp, width) = wtf8::decode_at(bytes, at);
        f(at, cp);
        at += width;
    }
}

fn push_lower(out: &mut Vec<u8>, bytes: &[u8], at: usize, cp: u32) {
    if cp < 0x80 {
        out.push((cp as u8).to_ascii_lowercase());
    } else if cp == CAPITAL_SIGMA {
        wtf8::push(out, if is_final(bytes, at) { 0x3C2 } else { 0x3C3 });
    } else {
        u::push_lower(out, cp);
    }
}

/// Unicode's `Final_Sigma`: a cased letter before, none after, ignorables skipped both ways.
fn is_final(bytes: &[u8], at: usize) -> bool {
    next_is_cased(wtf8::code_points(&bytes[..at]).rev())
        && !next_is_cased(wtf8::code_points(&bytes[at + 2..]))
}

fn next_is_cased(mut cps: impl Iterator<Item = u32>) -> bool {
    cps.find(|&cp| !u::is_case_ignorable(cp))
        .is_some_and(u::is_cased)
}

/// Whether there are characters and all pass.
fn all(text: Text<'_>, test: impl Fn(u32) -> bool) -> bool {
    !text.bytes.is_empty() && text.code_points().all(test)
}

/// `str.isalpha`.
pub fn is_alpha(text: Text<'_>) -> bool {
    all(text, u::is_alpha)
}

/// `str.isalnum`.
pub fn is_alnum(text: Text<'_>) -> bool {
    all(text, u::is_alnum)
}

/// `str.isdecimal`.
pub fn is_decimal(text: Text<'_>) -> bool {
    all(text, |cp| u::decimal_value(cp).is_some())
}

/// `str.isdigit`.
pub fn is_digit(text: Text<'_>) -> bool {
    all(text, |cp| u::digit_value(cp).is_some())
}

/// `str.isnumeric`.
pub fn is_numeric(text: Text<'_>) -> bool {
    all(text, u::is_numeric)
}

/// `str.isspace`.
pub fn is_space(text: Text<'_>) -> bool {
    all(text, u::is_space)
}

/// `str.isprintable`; true for the empty string.
pub fn is_printable(text: Text<'_>) -> bool {
    text.code_points().all(u::is_printable)
}

/// `str.isidentifier`.
pub fn is_identifier(text: Text<'_>) -> bool {
    let mut cps = text.code_points();
    cps.next().is_some_and(u::is_identifier_start) && cps.all(u::is_identifier_continue)
}

/// `str.islower`.
pub fn is_lower(text: Text<'_>) -> bool {
    let mut cased = false;
    for cp in text.code_points() {
        if u::is_upper(cp) || u::is_title(cp) {
            return false;
        }
        cased |= u::is_lower(cp);
    }
    cased
}

/// `str.isupper`.
pub fn is_upper(text: Text<'_>) -> bool {
    let mut cased = false;
    for cp in text.code_points() {
        if u::is_lower(cp) || u::is_title(cp) {
            return false;
        }
        cased |= u::is_upper(cp);
    }
    cased
}

/// `str.istitle`.
pub fn is_title(text: Text<'_>) -> bool {
    let (mut cased, mut after_cased) = (false, false);
    for cp in text.code_points() {
        let start = u::is_upper(cp) || u::is_title(cp);
        let inside = !start && u::is_lower(cp);
        if (start && after_cased) || (inside && !after_cased) {
            return false;
        }
        after_cased = start || inside;
        cased |= after_cased;
    }
    cased
}

/// `bytes.islower`.
pub fn is_lower_bytes(bytes: &[u8]) -> bool {
    !bytes.iter().any(u8::is_ascii_uppercase) && bytes.iter().any(u8::is_ascii_lowercase)
}

/// `bytes.isupper`.
pub fn is_upper_bytes(bytes: &[u8]) -> bool {
    !bytes.iter().any(u8::is_ascii_lowercase) && bytes.iter().any(u8::is_ascii_uppercase)
}

/// `bytes.istitle`.
pub fn is_title_bytes(bytes: &[u8]) -> bool {
    bytes.iter().any(u8::is_ascii_alphabetic) && title_bytes(bytes) == bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(f: fn(Text<'_>) -> Vec<u8>, s: &str) -> String {
        String::from_utf8(f(Text::from(s))).unwrap()
    }

    #[test]
    fn mappings() {
        assert_eq!(map(lower, "ΑΣ ΑΣΑ Σ"), "ας ασα σ");
        assert_eq!(map(lower, "İ"), "i\u{307}");
        assert_eq!(map(upper, "straße ŉ"), "STRASSE ʼN");
        assert_eq!(map(title, "ﬁne dOG's ǆ"), "Fine Dog'S ǅ");
        assert_eq!(map(capitalize, "éCOLE ÀÉ"), "École àé");
        assert_eq!(map(swapcase, "aBÉß"), "AbéSS");
        assert_eq!(map(casefold, "Straße ΣÇ"), "strasse σç");
        assert_eq!(map(title, "it's a-b 3d"), "It'S A-B 3D");
        assert_eq!(map(capitalize, ""), "");
        let s = wtf8::collect([0x41, 0xD800, 0x42]);
        assert_eq!(lower(Text::new(&s)), wtf8::collect([0x61, 0xD800, 0x62]));
    }

    #[test]
    fn tests_of_strings() {
        let t = |s: &'static str| Text::from(s);
        assert!(is_lower(t("aé1")) && !is_lower(t("1")) && !is_lower(t("aǅ")));
        assert!(is_upper(t("AÉ1")) && !is_upper(t("")));
        assert!(is_title(t("A Bc 1D")) && !is_title(t("AB")) && is_title(t("ǅa")));
        assert!(is_identifier(t("_é1")) && !is_identifier(t("1a")) && !is_identifier(t("")));
        assert!(is_printable(t("")) && !is_printable(t("\n")) && !is_printable(t("\u{a0}")));
        assert!(is_digit(t("²3")) && !is_decimal(t("²3")) && is_numeric(t("½四")));
        assert!(is_title_bytes(b"Ab C") && !is_title_bytes(b"aB"));
    }
}
