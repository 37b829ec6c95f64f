//! Character properties, from Unicode 16.0 as in CPython 3.14.
//!
//! Categories come from `unicode-general-category` (16.0); properties of the standard library and
//! of `unicode-ident`, which are of later versions, count only for characters that 16.0 assigns.

use unicode_general_category::{GeneralCategory as Gc, get_general_category};

/// General category; `Surrogate` for surrogates.
#[inline]
pub fn category(cp: u32) -> Gc {
    match char::from_u32(cp) {
        Some(c) => get_general_category(c),
        None => Gc::Surrogate,
    }
}

/// The character, if Unicode 16.0 assigns it.
#[inline]
fn assigned(cp: u32) -> Option<char> {
    let c = char::from_u32(cp)?;
    (cp < 0x250 || get_general_category(c) != Gc::Unassigned).then_some(c)
}

/// `str.isalpha` of one character: any letter.
#[inline]
pub fn is_alpha(cp: u32) -> bool {
    if cp < 0x80 {
        return (cp as u8).is_ascii_alphabetic();
    }
    matches!(
        category(cp),
        Gc::UppercaseLetter
            | Gc::LowercaseLetter
            | Gc::TitlecaseLetter
            | Gc::ModifierLetter
            | Gc::OtherLetter
    )
}

/// `str.isspace` of one character; also what `strip` and `split` take for whitespace.
#[inline]
pub const fn is_space(cp: u32) -> bool {
    matches!(
        cp,
        0x09..=0x0D
            | 0x1C..=0x20
            | 0x85
            | 0xA0
            | 0x1680
            | 0x2000..=0x200A
            | 0x2028
            | 0x2029
            | 0x202F
            | 0x205F
            | 0x3000
    )
}

/// Whitespace of `bytes` methods.
#[inline]
pub const fn is_ascii_space(b: u8) -> bool {
    matches!(b, 0x09..=0x0D | 0x20)
}

/// Where `str.splitlines` breaks.
#[inline]
pub const fn is_line_break(cp: u32) -> bool {
    matches!(cp, 0x0A..=0x0D | 0x1C..=0x1E | 0x85 | 0x2028 | 0x2029)
}

/// Whether `repr` shows the character itself.
#[inline]
pub fn is_printable(cp: u32) -> bool {
    if cp < 0x7F {
        return cp >= 0x20;
    }
    !matches!(
        category(cp),
        Gc::Control
            | Gc::Format
            | Gc::Surrogate
            | Gc::PrivateUse
            | Gc::Unassigned
            | Gc::LineSeparator
            | Gc::ParagraphSeparator
            | Gc::SpaceSeparator
    )
}

/// Lower case in 16.0, no more in 17.0.
const PHARYNGEAL: u32 = 0x295;

/// Derived property `Lowercase`.
#[inline]
pub fn is_lower(cp: u32) -> bool {
    if cp < 0x80 {
        return (cp as u8).is_ascii_lowercase();
    }
    cp == PHARYNGEAL || assigned(cp).is_some_and(char::is_lowercase)
}

/// Derived property `Uppercase`.
#[inline]
pub fn is_upper(cp: u32) -> bool {
    if cp < 0x80 {
        return (cp as u8).is_ascii_uppercase();
    }
    assigned(cp).is_some_and(char::is_uppercase)
}

/// Titlecase letters: the digraphs such as `ǅ`.
#[inline]
pub const fn is_title(cp: u32) -> bool {
    matches!(
        cp,
        0x1C5 | 0x1C8
            | 0x1CB
            | 0x1F2
            | 0x1F88..=0x1F8F
            | 0x1F98..=0x1F9F
            | 0x1FA8..=0x1FAF
            | 0x1FBC
            | 0x1FCC
            | 0x1FFC
    )
}

/// Derived property `Cased`.
#[inline]
pub fn is_cased(cp: u32) -> bool {
    if cp < 0x80 {
        return (cp as u8).is_ascii_alphabetic();
    }
    is_title(cp) || is_lower(cp) || is_upper(cp)
}

/// Derived property `Case_Ignorable`: marks, formats, modifiers and the mid-word punctuation.
pub fn is_case_ignorable(cp: u32) -> bool {
    match cp {
        0x27 | 0x2E | 0x3A | 0x5E | 0x60 => true,
        0..0x80 => false,
        0xB7 | 0x387 | 0x55F | 0x5F4 | 0x2018 | 0x2019 | 0x2024 | 0x2027 => true,
        0xFE13 | 0xFE52 | 0xFE55 | 0xFF07 | 0xFF0E | 0xFF1A => true,
        _ => matches!(
            category(cp),
            Gc::NonspacingMark
                | Gc::EnclosingMark
                | Gc::Format
                | Gc::ModifierLetter
                | Gc::ModifierSymbol
        ),
    }
}

/// First characters of the runs `0..=9` of category Nd.
const ZEROS: [u32; 76] = [
    0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66,
    0xDE6, 0xE50, 0xED0, 0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
    0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
    0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0,
    0x11650, 0x116C0, 0x116D0, 0x116DA, 0x11730, 0x118E0, 0x11950, 0x11BF0, 0x11C50, 0x11D50,
    0x11DA0, 0x11F50, 0x16130, 0x16A60, 0x16AC0, 0x16B50, 0x16D70, 0x1CCF0, 0x1D7CE, 0x1D7D8,
    0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E5F1, 0x1E950, 0x1FBF0,
];

/// Digits that are not decimal: first, last, value of the first.
const DIGITS: [(u32, u32, u8); 21] = [
    (0xB2, 0xB3, 2),
    (0xB9, 0xB9, 1),
    (0x1369, 0x1371, 1),
    (0x19DA, 0x19DA, 1),
    (0x2070, 0x2070, 0),
    (0x2074, 0x2079, 4),
    (0x2080, 0x2089, 0),
    (0x2460, 0x2468, 1),
    (0x2474, 0x247C, 1),
    (0x2488, 0x2490, 1),
    (0x24EA, 0x24EA, 0),
    (0x24F5, 0x24FD, 1),
    (0x24FF, 0x24FF, 0),
    (0x2776, 0x277E, 1),
    (0x2780, 0x2788, 1),
    (0x278A, 0x2792, 1),
    (0x10A40, 0x10A43, 1),
    (0x10E60, 0x10E68, 1),
    (0x11052, 0x1105A, 1),
    (0x1F100, 0x1F100, 0),
    (0x1F101, 0x1F10A, 0),
];

/// Ideographs with a numeric value.
const IDEOGRAPH_NUMBERS: [u32; 91] = [
    0x3405, 0x3483, 0x382A, 0x3B4D, 0x4E00, 0x4E03, 0x4E07, 0x4E09, 0x4E24, 0x4E5D, 0x4E8C, 0x4E94,
    0x4E96, 0x4EAC, 0x4EBF, 0x4EC0, 0x4EDF, 0x4EE8, 0x4F0D, 0x4F70, 0x4FE9, 0x5006, 0x5104, 0x5146,
    0x5169, 0x516B, 0x516D, 0x5341, 0x5343, 0x5344, 0x5345, 0x534C, 0x53C1, 0x53C2, 0x53C3, 0x53C4,
    0x56DB, 0x58F1, 0x58F9, 0x5E7A, 0x5EFE, 0x5EFF, 0x5F0C, 0x5F0D, 0x5F0E, 0x5F10, 0x62D0, 0x62FE,
    0x634C, 0x67D2, 0x6D1E, 0x6F06, 0x7396, 0x767E, 0x7695, 0x79ED, 0x8086, 0x842C, 0x8CAE, 0x8CB3,
    0x8D30, 0x920E, 0x94A9, 0x9621, 0x9646, 0x964C, 0x9678, 0x96F6, 0xF96B, 0xF973, 0xF978, 0xF9B2,
    0xF9D1, 0xF9D3, 0xF9FD, 0x20001, 0x20064, 0x200E2, 0x20121, 0x2092A, 0x20983, 0x2098C, 0x2099C,
    0x20AEA, 0x20AFD, 0x20B19, 0x22390, 0x22998, 0x23B1B, 0x2626D, 0x2F890,
];

/// Value of a decimal digit of any script.
#[inline]
pub fn decimal_value(cp: u32) -> Option<u8> {
    if cp < 0x660 {
        return (cp.wrapping_sub(0x30) < 10).then(|| (cp - 0x30) as u8);
    }
    let run = ZEROS.partition_point(|&zero| zero <= cp);
    let value = cp - ZEROS[run - 1];
    (value < 10).then_some(value as u8)
}

/// Value of a digit, decimal or not (superscripts, circled digits).
pub fn digit_value(cp: u32) -> Option<u8> {
    if let Some(value) = decimal_value(cp) {
        return Some(value);
    }
    let (first, last, value) = DIGITS[DIGITS.partition_point(|d| d.1 < cp).min(DIGITS.len() - 1)];
    (first <= cp && cp <= last).then(|| value + (cp - first) as u8)
}

/// Whether the character has a numeric value.
pub fn is_numeric(cp: u32) -> bool {
    if cp < 0x80 {
        return (cp as u8).is_ascii_digit();
    }
    match category(cp) {
        Gc::DecimalNumber | Gc::LetterNumber | Gc::OtherNumber => true,
        Gc::OtherLetter => IDEOGRAPH_NUMBERS.binary_search(&cp).is_ok(),
        _ => false,
    }
}

/// `str.isalnum` of one character.
#[inline]
pub fn is_alnum(cp: u32) -> bool {
    if cp < 0x80 {
        return (cp as u8).is_ascii_alphanumeric();
    }
    is_alpha(cp) || is_numeric(cp)
}

/// Whether an identifier may start with it.
#[inline]
pub fn is_identifier_start(cp: u32) -> bool {
    if cp < 0x80 {
        return (cp as u8).is_ascii_alphabetic() || cp == 0x5F;
    }
    assigned(cp).is_some_and(unicode_ident::is_xid_start)
}

/// Whether an identifier may go on with it.
#[inline]
pub fn is_identifier_continue(cp: u32) -> bool {
    if cp < 0x80 {
        return (cp as u8).is_ascii_alphanumeric() || cp == 0x5F;
    }
    assigned(cp).is_some_and(unicode_ident::is_xid_continue)
}

/// Full uppercase mapping, appended.
pub fn push_upper(out: &mut Vec<u8>, cp: u32) {
    // The letters of Latin-1 and Cyrillic that lie 32 apart.
    match cp {
        0..0x80 => return out.push((cp as u8).to_ascii_uppercase()),
        0xE0..=0xF6 | 0xF8..=0xFE | 0x430..=0x44F => return super::wtf8::push(out, cp - 32),
        _ => {}
    }
    push_mapped(out, cp, char::to_uppercase);
}

/// Full lowercase mapping without context (a final sigma is the caller's), appended.
pub fn push_lower(out: &mut Vec<u8>, cp: u32) {
    match cp {
        0..0x80 => return out.push((cp as u8).to_ascii_lowercase()),
        0xC0..=0xD6 | 0xD8..=0xDE | 0x410..=0x42F => return super::wtf8::push(out, cp + 32),
        _ => {}
    }
    push_mapped(out, cp, char::to_lowercase);
}

/// A mapping to a character that 16.0 does not assign yet is none.
fn push_mapped<I: Iterator<Item = char>>(out: &mut Vec<u8>, cp: u32, map: fn(char) -> I) {
    if let Some(c) = assigned(cp) {
        let start = out.len();
        for mapped in map(c) {
            if assigned(mapped as u32).is_none() {
                out.truncate(start);
                break;
            }
            super::wtf8::push(out, mapped as u32);
        }
        if out.len() > start {
            return;
        }
    }
    super::wtf8::push(out, cp);
}

/// Full titlecase mapping, appended: the uppercase one but for digraphs, ligatures, Georgian and
/// Greek with iota below.
pub fn push_title(out: &mut Vec<u8>, cp: u32) {
    let (head, tail): (u32, &[u32]) = match cp {
        0xDF => (0x53, &[0x73]),
        0x1C4..=0x1C6 => (0x1C5, &[]),
        0x1C7..=0x1C9 => (0x1C8, &[]),
        0x1CA..=0x1CC => (0x1CB, &[]),
        0x1F1..=0x1F3 => (0x1F2, &[]),
        0x587 => (0x535, &[0x582]),
        0x10D0..=0x10FA | 0x10FD..=0x10FF => (cp, &[]),
        0x1F80..=0x1FAF => (cp | 8, &[]),
        0x1FB3 | 0x1FC3 | 0x1FF3 => (cp + 9, &[]),
        0x1FBC | 0x1FCC | 0x1FFC => (cp, &[]),
        0x1FB2 => (0x1FBA, &[0x345]),
        0x1FB4 => (0x386, &[0x345]),
        0x1FB7 => (0x391, &[0x342, 0x345]),
        0x1FC2 => (0x1FCA, &[0x345]),
        0x1FC4 => (0x389, &[0x345]),
        0x1FC7 => (0x397, &[0x342, 0x345]),
        0x1FF2 => (0x1FFA, &[0x345]),
        0x1FF4 => (0x38F, &[0x345]),
        0x1FF7 => (0x3A9, &[0x342, 0x345]),
        0xFB00 => (0x46, &[0x66]),
        0xFB01 => (0x46, &[0x69]),
        0xFB02 => (0x46, &[0x6C]),
        0xFB03 => (0x46, &[0x66, 0x69]),
        0xFB04 => (0x46, &[0x66, 0x6C]),
        0xFB05 | 0xFB06 => (0x53, &[0x74]),
        0xFB13 => (0x544, &[0x576]),
        0xFB14 => (0x544, &[0x565]),
        0xFB15 => (0x544, &[0x56B]),
        0xFB16 => (0x54E, &[0x576]),
        0xFB17 => (0x544, &[0x56D]),
        _ => return push_upper(out, cp),
    };
    super::wtf8::push(out, head);
    for &cp in tail {
        super::wtf8::push(out, cp);
    }
}

/// Full case folding, appended.
pub fn push_fold(out: &mut Vec<u8>, cp: u32) {
    match char::from_u32(cp) {
        Some(c) => {
            for folded in caseless::Caseless::default_case_fold(std::iter::once(c)) {
                super::wtf8::push(out, folded as u32);
            }
        }
        None => super::wtf8::push(out, cp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_runs_are_exactly_category_nd() {
        for cp in 0..0x11_0000 {
            let nd = category(cp) == Gc::DecimalNumber;
            assert_eq!(decimal_value(cp).is_some(), nd, "{cp:x}");
            assert_eq!(is_title(cp), category(cp) == Gc::TitlecaseLetter, "{cp:x}");
        }
        assert_eq!(decimal_value(0x669), Some(9));
        assert_eq!(digit_value(0xB2), Some(2));
        assert_eq!(digit_value(0x1F10A), Some(9));
        assert_eq!(digit_value(0x10_FFFF), None);
        assert!(is_numeric(0xBD) && is_numeric(0x4E00) && !is_numeric(0x41));
    }

    #[test]
    fn mappings() {
        let mapped = |f: fn(&mut Vec<u8>, u32), cp| {
            let mut out = Vec::new();
            f(&mut out, cp);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(mapped(push_upper, 0xDF), "SS");
        assert_eq!(mapped(push_title, 0xDF), "Ss");
        assert_eq!(mapped(push_title, 0x1F80), "\u{1f88}");
        assert_eq!(mapped(push_lower, 0x130), "i\u{307}");
        assert_eq!(mapped(push_fold, 0xDF), "ss");
        assert_eq!(mapped(push_fold, 0x13A0), "\u{13a0}");
    }
}
