//! The code words that `re` compiles patterns to: their numbers, and what single characters they stand for.

use std::sync::OnceLock;
use weft_objects::text::unidata;

/// Changes with the code words; `re` compares it.
pub const MAGIC: i64 = 20230612;
pub const MAXREPEAT: u32 = u32::MAX;
pub const MAXGROUPS: usize = i32::MAX as usize;

/// Operations.
#[allow(non_snake_case)]
pub mod Op {
    pub const FAILURE: u32 = 0;
    pub const SUCCESS: u32 = 1;
    pub const ANY: u32 = 2;
    pub const ANY_ALL: u32 = 3;
    pub const ASSERT: u32 = 4;
    pub const ASSERT_NOT: u32 = 5;
    pub const AT: u32 = 6;
    pub const BRANCH: u32 = 7;
    pub const CATEGORY: u32 = 8;
    pub const CHARSET: u32 = 9;
    pub const BIGCHARSET: u32 = 10;
    pub const GROUPREF: u32 = 11;
    pub const GROUPREF_EXISTS: u32 = 12;
    pub const IN: u32 = 13;
    pub const INFO: u32 = 14;
    pub const JUMP: u32 = 15;
    pub const LITERAL: u32 = 16;
    pub const MARK: u32 = 17;
    pub const MAX_UNTIL: u32 = 18;
    pub const MIN_UNTIL: u32 = 19;
    pub const NOT_LITERAL: u32 = 20;
    pub const NEGATE: u32 = 21;
    pub const RANGE: u32 = 22;
    pub const REPEAT: u32 = 23;
    pub const REPEAT_ONE: u32 = 24;
    pub const MIN_REPEAT_ONE: u32 = 26;
    pub const ATOMIC_GROUP: u32 = 27;
    pub const POSSESSIVE_REPEAT: u32 = 28;
    pub const POSSESSIVE_REPEAT_ONE: u32 = 29;
    pub const GROUPREF_IGNORE: u32 = 30;
    pub const IN_IGNORE: u32 = 31;
    pub const LITERAL_IGNORE: u32 = 32;
    pub const NOT_LITERAL_IGNORE: u32 = 33;
    pub const GROUPREF_LOC_IGNORE: u32 = 34;
    pub const IN_LOC_IGNORE: u32 = 35;
    pub const LITERAL_LOC_IGNORE: u32 = 36;
    pub const NOT_LITERAL_LOC_IGNORE: u32 = 37;
    pub const GROUPREF_UNI_IGNORE: u32 = 38;
    pub const IN_UNI_IGNORE: u32 = 39;
    pub const LITERAL_UNI_IGNORE: u32 = 40;
    pub const NOT_LITERAL_UNI_IGNORE: u32 = 41;
    pub const RANGE_UNI_IGNORE: u32 = 42;
}

/// Places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    Beginning,
    BeginningLine,
    End,
    EndLine,
    EndString,
    Boundary(Words),
    NotBoundary(Words),
}

impl At {
    pub fn new(code: u32) -> Option<At> {
        Some(match code {
            0 | 2 => At::Beginning,
            1 => At::BeginningLine,
            3 => At::Boundary(Words::Ascii),
            4 => At::NotBoundary(Words::Ascii),
            5 => At::End,
            6 => At::EndLine,
            7 => At::EndString,
            8 => At::Boundary(Words::Locale),
            9 => At::NotBoundary(Words::Locale),
            10 => At::Boundary(Words::Unicode),
            11 => At::NotBoundary(Words::Unicode),
            _ => return None,
        })
    }
}

/// Which characters are words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Words {
    Ascii,
    Locale,
    Unicode,
}

impl Words {
    #[inline]
    pub fn has(self, c: u32) -> bool {
        if c < 128 {
            return c == u32::from('_') || (c as u8).is_ascii_alphanumeric();
        }
        match self {
            Words::Ascii => false,
            // SAFETY: defined for every byte.
            Words::Locale => c < 256 && unsafe { libc::isalnum(c as i32) } != 0,
            Words::Unicode => unidata::is_alnum(c),
        }
    }
}

/// How case is taken away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fold {
    None,
    Ascii,
    Locale,
    Unicode,
}

impl Fold {
    /// The lower-case character.
    #[inline]
    pub fn lower(self, c: u32) -> u32 {
        match self {
            Fold::None => c,
            Fold::Ascii => ascii_lower(c),
            // SAFETY: defined for every byte.
            Fold::Locale if c < 256 => unsafe { libc::tolower(c as i32) as u32 },
            Fold::Locale => c,
            Fold::Unicode => unicode_lower(c),
        }
    }

    fn upper(self, c: u32) -> u32 {
        match self {
            // SAFETY: as above.
            Fold::Locale if c < 256 => unsafe { libc::toupper(c as i32) as u32 },
            _ => c,
        }
    }
}

#[inline]
pub fn ascii_lower(c: u32) -> u32 {
    if c < 128 {
        u32::from((c as u8).to_ascii_lowercase())
    } else {
        c
    }
}

/// The first character of the lower-case mapping.
#[inline]
pub fn unicode_lower(c: u32) -> u32 {
    if c < 128 {
        ascii_lower(c)
    } else {
        mapped(c, char::to_lowercase)
    }
}

/// The first character of the upper-case mapping.
pub fn unicode_upper(c: u32) -> u32 {
    mapped(c, char::to_uppercase)
}

fn mapped<I: Iterator<Item = char>>(c: u32, map: fn(char) -> I) -> u32 {
    let to = char::from_u32(c)
        .and_then(|c| map(c).next())
        .map_or(c, u32::from);
    // Rust may know a later Unicode.
    let unknown = |c| unidata::category(c) == unidata::category(0x10_ffff);
    if to != c && c >= 0x250 && (unknown(c) || unknown(to)) {
        c
    } else {
        to
    }
}

/// Whether a character is of a category.
fn category(code: u32, c: u32) -> bool {
    let byte = (c < 128).then_some(c as u8);
    match code {
        0 => byte.is_some_and(|b| b.is_ascii_digit()),
        2 => byte.is_some_and(|b| matches!(b, 9..=13 | 32)),
        4 => Words::Ascii.has(c),
        6 => c == u32::from('\n'),
        8 => Words::Locale.has(c),
        10 => unidata::decimal_value(c).is_some(),
        12 => unidata::is_space(c),
        14 => Words::Unicode.has(c),
        16 => unidata::is_line_break(c),
        // Of each the opposite: the last pairs are not where the first ones are.
        1 | 3 | 5 | 7 | 9 | 11 | 13 | 15 | 17 => !category(code - 1, c),
        _ => false,
    }
}

pub fn is_category(code: u32) -> bool {
    code <= 17
}

/// Whether a set of well-formed code words has a character.
pub fn set_has(set: &[u32], c: u32) -> bool {
    search_set(set, |item| item_has(item, c))
}

/// As [`set_has`] for the cases of `c`.
pub fn set_has_folded(set: &[u32], fold: Fold, c: u32) -> bool {
    let (low, up) = (fold.lower(c), fold.upper(c));
    if fold != Fold::Locale || low == up {
        return set_has(set, low);
    }
    // Case by case for each item: what is in the set in one case is no member of its opposite in the other.
    search_set(set, |item| item_has(item, low) || item_has(item, up))
}

fn search_set(set: &[u32], hit: impl Fn(&[u32]) -> bool) -> bool {
    let mut answer = false;
    let rest = walk_set(set, |item, found| {
        let hit = hit(item);
        answer = found;
        hit
    });
    rest.unwrap_or(answer)
}

/// Calls `f` with each item and whether what the item has is in the set, until it gives true. What is in no item is in the set if the
/// result says so; `None` if `f` has given true.
#[inline(always)]
fn walk_set(set: &[u32], mut f: impl FnMut(&[u32], bool) -> bool) -> Option<bool> {
    let mut i = 0;
    let mut found = true;
    while let Some(&op) = set.get(i) {
        let size = match op {
            Op::NEGATE => {
                found = !found;
                i += 1;
                continue;
            }
            Op::LITERAL | Op::CATEGORY => 2,
            Op::RANGE | Op::RANGE_UNI_IGNORE => 3,
            Op::CHARSET => 9,
            Op::BIGCHARSET => 66 + 8 * set[i + 1] as usize,
            _ => break,
        };
        if f(&set[i..i + size], found) {
            return None;
        }
        i += size;
    }
    Some(!found)
}

/// Characters below 256, a bit for each.
pub type Low = [u64; 4];

fn low_where(f: impl Fn(u32) -> bool) -> Low {
    let mut low = [0; 4];
    for c in (0..256).filter(|&c| f(c)) {
        low[c as usize / 64] |= 1 << (c % 64);
    }
    low
}

fn low_has(low: &Low, c: u32) -> bool {
    low[c as usize / 64] >> (c % 64) & 1 != 0
}

/// Those that are the literal `code` apart from case.
pub fn literal_low(code: u32, fold: Fold) -> Low {
    match lower_table(fold) {
        Some(lower) => low_where(|c| lower[c as usize] == code),
        None => low_where(|c| is_folded(code, fold, c)),
    }
}

/// Those of a set, apart from case.
pub fn set_low(set: &[u32], fold: Fold) -> Low {
    let Some(lower) = lower_table(fold) else {
        return low_where(|c| set_has_folded(set, fold, c));
    };
    let (mut low, mut open) = ([0; 4], [u64::MAX; 4]);
    let rest = walk_set(set, |item, found| {
        let hits = item_low(item);
        for k in 0..4 {
            if found {
                low[k] |= hits[k] & open[k];
            }
            open[k] &= !hits[k];
        }
        false
    });
    if rest == Some(true) {
        (0..4).for_each(|k| low[k] |= open[k]);
    }
    if fold == Fold::None {
        return low;
    }
    low_where(|c| match lower[c as usize] {
        l if l < 256 => low_has(&low, l),
        l => set_has(set, l),
    })
}

/// Those of one item of a set.
fn item_low(item: &[u32]) -> Low {
    match item[0] {
        Op::CATEGORY => category_low(item[1]),
        Op::CHARSET => {
            std::array::from_fn(|k| u64::from(item[1 + 2 * k]) | u64::from(item[2 + 2 * k]) << 32)
        }
        _ => low_where(|c| item_has(item, c)),
    }
}

fn category_low(code: u32) -> Low {
    static KNOWN: [OnceLock<Low>; 18] = [const { OnceLock::new() }; 18];
    let work_out = || low_where(|c| category(code, c));
    // What is a word may depend on the locale.
    let known = KNOWN.get(code as usize).filter(|_| !matches!(code, 8 | 9));
    known.map_or_else(work_out, |known| *known.get_or_init(work_out))
}

/// The lower-case characters of those below 256, unless that depends on the locale.
fn lower_table(fold: Fold) -> Option<&'static [u32; 256]> {
    static TABLES: [OnceLock<[u32; 256]>; 3] = [const { OnceLock::new() }; 3];
    let at = match fold {
        Fold::None => 0,
        Fold::Ascii => 1,
        Fold::Unicode => 2,
        Fold::Locale => return None,
    };
    Some(TABLES[at].get_or_init(|| std::array::from_fn(|c| fold.lower(c as u32))))
}

/// Whether one item of a set has a character.
fn item_has(item: &[u32], c: u32) -> bool {
    match item[0] {
        Op::LITERAL => item[1] == c,
        Op::CATEGORY => category(item[1], c),
        Op::RANGE => (item[1]..=item[2]).contains(&c),
        Op::RANGE_UNI_IGNORE => {
            let range = item[1]..=item[2];
            range.contains(&c) || range.contains(&unicode_upper(c))
        }
        Op::CHARSET => c < 256 && item[1 + (c >> 5) as usize] >> (c & 31) & 1 != 0,
        Op::BIGCHARSET => c < 0x10000 && in_blocks(&item[2..], c),
        _ => false,
    }
}

/// 256 bytes that number the block of each 256 characters, then the blocks' bits.
fn in_blocks(words: &[u32], c: u32) -> bool {
    let high = (c >> 8) as usize;
    let block = words[high / 4].to_ne_bytes()[high % 4];
    let bit = u32::from(block) * 256 + (c & 255);
    words[64 + (bit >> 5) as usize] >> (bit & 31) & 1 != 0
}

/// Whether `c` is the literal `code` apart from case.
pub fn is_folded(code: u32, fold: Fold, c: u32) -> bool {
    code == fold.lower(c) || fold == Fold::Locale && (code == c || code == fold.upper(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_characters_of_sets() {
        let charset: Vec<u32> = [Op::CHARSET]
            .into_iter()
            .chain((0..8).map(|i| i * 0x1234_5677))
            .collect();
        let range = vec![Op::RANGE, 0x42, 0x5a];
        let wide = vec![Op::RANGE, 0xd0, 0x1_0000];
        let cased = vec![Op::RANGE_UNI_IGNORE, 0x61, 0xe9];
        let space = vec![Op::CATEGORY, 12];
        let no_word = vec![Op::CATEGORY, 15];
        let literal = vec![Op::LITERAL, 0x178];
        let not = vec![Op::NEGATE];
        for set in [
            vec![],
            range.clone(),
            [not.clone(), charset.clone(), space.clone()].concat(),
            [wide.clone(), not.clone(), range.clone(), literal.clone()].concat(),
            [literal, no_word, cased.clone(), vec![Op::FAILURE]].concat(),
            [not, cased, wide, charset, space].concat(),
        ] {
            for fold in [Fold::None, Fold::Ascii, Fold::Locale, Fold::Unicode] {
                let low = set_low(&set, fold);
                for c in 0..256 {
                    assert_eq!(
                        low_has(&low, c),
                        set_has_folded(&set, fold, c),
                        "{set:?} {fold:?} {c}"
                    );
                }
            }
        }
        for fold in [Fold::None, Fold::Ascii, Fold::Locale, Fold::Unicode] {
            for code in [0x41, 0x61, 0xe9, 0xff, 0x178, 0x3bc] {
                let low = literal_low(code, fold);
                for c in 0..256 {
                    assert_eq!(low_has(&low, c), is_folded(code, fold, c));
                }
            }
        }
    }
}
