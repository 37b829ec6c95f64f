//! `unicodedata`: the Unicode character database, version 16.0 as in CPython 3.14, and version 3.2 for IDNA.
//!
//! The data are those of `rustpython-unicode`, which may be of a later version; characters that 16.0 does not assign (by
//! `unicode-general-category`) count as unassigned.

use rustpython_unicode::{LookupResult, NormalizeForm, Ucd};
use rustpython_wtf8::Wtf8;
use unicode_general_category::{GeneralCategory, get_general_category};
use weft_objects::float;
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::text::wtf8;

/// A version of the database.
#[derive(Clone, Copy, PartialEq)]
enum Version {
    Now,
    Old,
}

impl Version {
    fn data(self) -> Ucd {
        Ucd::new(self == Version::Now)
    }

    /// Whether this version assigns the character.
    fn assigns(self, c: char) -> bool {
        match self {
            Version::Now => get_general_category(c) != GeneralCategory::Unassigned,
            Version::Old => self.data().membership(c),
        }
    }
}

macro_rules! tables {
    ($($name:literal, $sig:literal, $f:ident, $doc:literal;)*) => {
        static FUNCTIONS: &[NativeDef] = &[
            $(NativeDef::new($name, concat!("(", $sig, ", /)"), |t, a| $f(t, a, Version::Now)).doc($doc)),*
        ];
        const METHODS: &[NativeDef] = &[
            $(NativeDef::new($name, concat!("($self, ", $sig, ", /)"), |t, a| $f(t, &a[1..], Version::Old)).doc($doc)),*
        ];
    };
}

tables! {
    "decimal", "chr, default=<unrepresentable>", decimal,
        "Converts a Unicode character into its equivalent decimal value.";
    "digit", "chr, default=<unrepresentable>", digit,
        "Converts a Unicode character into its equivalent digit value.";
    "numeric", "chr, default=<unrepresentable>", numeric,
        "Converts a Unicode character into its equivalent numeric value.";
    "category", "chr", category, "Returns the general category assigned to the character chr as string.";
    "bidirectional", "chr", bidirectional,
        "Returns the bidirectional class assigned to the character chr as string.";
    "combining", "chr", combining,
        "Returns the canonical combining class assigned to the character chr as integer.";
    "mirrored", "chr", mirrored, "Returns the mirrored property assigned to the character chr as integer.";
    "east_asian_width", "chr", east_asian_width,
        "Returns the east asian width assigned to the character chr as string.";
    "decomposition", "chr", decomposition,
        "Returns the character decomposition mapping assigned to the character chr as string.";
    "is_normalized", "form, unistr", is_normalized,
        "Return whether the Unicode string unistr is in the normal form 'form'.";
    "normalize", "form, unistr", normalize, "Return the normal form 'form' for the Unicode string unistr.";
    "name", "chr, default=<unrepresentable>", name, "Returns the name assigned to the character chr as a string.";
    "lookup", "name", lookup, "Look up character by name.";
}

/// `unicodedata.UCD`
static UCD: Type = Type::builtin(
    "UCD",
    size_of::<Header>(),
    &Spec {
        methods: METHODS,
        getset: &[GetSetDef::ro("unidata_version", |t, _| {
            Ok(Str::new(t, "3.2.0").into())
        })],
        ..Spec::EMPTY
    },
)
.module("unicodedata")
.no_new();

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = Module::new(t, "unicodedata");
    if let Some(module) = Module::of(m.value()) {
        module.add_functions(t, FUNCTIONS);
        module.add_type(t, &UCD);
        module.add(t, "unidata_version", Str::new(t, "16.0.0"));
        // SAFETY: an object of nothing but its header.
        let old =
            unsafe { Obj::from_raw(Value::from_ptr(t.alloc(&UCD.head, size_of::<Header>()))) };
        module.add(t, "ucd_3_2_0", old);
    }
    Ok(m)
}

/// The argument `chr`; `None` for a surrogate.
fn character(t: &mut Thread, v: Value, f: &str, only: bool) -> Res<Option<char>> {
    let at = if only { "argument" } else { "argument 1" };
    match Str::of(v) {
        Some(s) if s.len() == 1 => Ok(char::from_u32(s.char_at(0))),
        Some(s) => {
            let n = s.len();
            Err(t.type_error(format!(
                "{f}(): {at} must be a unicode character, not a string of length {n}"
            )))
        }
        None => {
            let got = type_of(v).name();
            Err(t.type_error(format!("{f}() {at} must be a unicode character, not {got}")))
        }
    }
}

/// The character, if the version assigns it.
fn assigned(t: &mut Thread, v: Value, f: &str, version: Version) -> Res<Option<char>> {
    Ok(character(t, v, f, true)?.filter(|c| version.assigns(*c)))
}

/// The value found, or the default, or ValueError.
fn or_default(t: &mut Thread, found: Option<Obj>, default: Value, message: &str) -> Res {
    match found {
        Some(o) => Ok(o.into()),
        None if default.is_null() => Err(t.value_error(message)),
        None => Ok(Obj::new(t, default).into()),
    }
}

fn decimal(t: &mut Thread, a: &[Value], version: Version) -> Res {
    let c = character(t, a[0], "decimal", false)?.filter(|c| version.assigns(*c));
    let n = c.and_then(|c| version.data().decimal(c.into()));
    let n = n.map(|n| Obj::own(weft_objects::int::from_u64(t, n)));
    or_default(t, n, a[1], "not a decimal")
}

fn digit(t: &mut Thread, a: &[Value], version: Version) -> Res {
    let c = character(t, a[0], "digit", false)?.filter(|c| version.assigns(*c));
    let n = c.and_then(|c| version.data().digit(c.into()));
    let n = n.map(|n| Obj::own(weft_objects::int::from_u64(t, n)));
    or_default(t, n, a[1], "not a digit")
}

fn numeric(t: &mut Thread, a: &[Value], version: Version) -> Res {
    let c = character(t, a[0], "numeric", false)?.filter(|c| version.assigns(*c));
    let n = c.and_then(|c| version.data().numeric(c.into()));
    let n = n.map(|x| Obj::own(float::from_f64(t, x)));
    or_default(t, n, a[1], "not a numeric character")
}

fn category(t: &mut Thread, a: &[Value], version: Version) -> Res {
    let name = match character(t, a[0], "category", true)? {
        None => "Cs",
        Some(c) if !version.assigns(c) => "Cn",
        Some(c) => version.data().category(c.into()),
    };
    Ok(Str::new(t, name).into())
}

fn bidirectional(t: &mut Thread, a: &[Value], version: Version) -> Res {
    let name = match character(t, a[0], "bidirectional", true)? {
        None => "L",
        Some(c) if !version.assigns(c) => "",
        Some(c) => version.data().bidirectional(c.into()),
    };
    Ok(Str::new(t, name).into())
}

fn combining(t: &mut Thread, a: &[Value], version: Version) -> Res {
    let c = assigned(t, a[0], "combining", version)?;
    Ok(Value::int(
        c.map_or(0, |c| version.data().combining(c.into()).into()),
    ))
}

fn mirrored(t: &mut Thread, a: &[Value], version: Version) -> Res {
    let c = assigned(t, a[0], "mirrored", version)?;
    Ok(Value::int(
        c.map_or(0, |c| version.data().mirrored(c.into()).into()),
    ))
}

fn east_asian_width(t: &mut Thread, a: &[Value], version: Version) -> Res {
    let c = character(t, a[0], "east_asian_width", true)?;
    // Unassigned characters have a width as well: that of their block.
    let width = c.map_or("N", |c| version.data().east_asian_width(c.into()));
    Ok(Str::new(t, width).into())
}

fn decomposition(t: &mut Thread, a: &[Value], version: Version) -> Res {
    let c = assigned(t, a[0], "decomposition", version)?;
    // Hangul syllables are decomposed by rule, not by the database.
    let text = match c {
        Some('\u{AC00}'..='\u{D7A3}') | None => String::new(),
        Some(c) => version.data().decomposition(c.into()),
    };
    Ok(Str::from_string(t, text).into())
}

fn form_arguments<'a>(t: &mut Thread, a: &[Value], f: &str) -> Res<(NormalizeForm, &'a Str)> {
    for (i, v) in a.iter().take(2).enumerate() {
        if Str::of(*v).is_none() {
            let got = type_of(*v).name();
            return Err(t.type_error(format!("{f}() argument {} must be str, not {got}", i + 1)));
        }
    }
    let form = match Str::this(a[0]).as_bytes() {
        b"NFC" => NormalizeForm::Nfc,
        b"NFKC" => NormalizeForm::Nfkc,
        b"NFD" => NormalizeForm::Nfd,
        b"NFKD" => NormalizeForm::Nfkd,
        _ => return Err(t.value_error("invalid normalization form")),
    };
    Ok((form, Str::this(a[1])))
}

/// The text in a normal form. What the version does not assign, and surrogates, stand for themselves.
fn normalized(form: NormalizeForm, s: &Str, version: Version) -> Vec<u8> {
    let mut out = Vec::with_capacity(s.as_bytes().len());
    let mut run = String::new();
    let flush = |run: &mut String, out: &mut Vec<u8>| {
        if !run.is_empty() {
            out.extend_from_slice(
                rustpython_unicode::normalize(form, Wtf8::new(run.as_str())).as_bytes(),
            );
            run.clear();
        }
    };
    for cp in wtf8::code_points(s.as_bytes()) {
        match char::from_u32(cp).filter(|c| c.is_ascii() || version.assigns(*c)) {
            Some(c) => run.push(c),
            None => {
                flush(&mut run, &mut out);
                wtf8::push(&mut out, cp);
            }
        }
    }
    flush(&mut run, &mut out);
    out
}

fn is_normalized(t: &mut Thread, a: &[Value], version: Version) -> Res {
    let (form, s) = form_arguments(t, a, "is_normalized")?;
    Ok(Value::bool(
        s.is_ascii() || normalized(form, s, version) == s.as_bytes(),
    ))
}

fn normalize(t: &mut Thread, a: &[Value], version: Version) -> Res {
    let (form, s) = form_arguments(t, a, "normalize")?;
    if s.is_ascii() {
        return Ok(s.to_exact(t).into());
    }
    // A character becomes 18 of them at most, in the compatibility forms; mostly it is one or two.
    weft_objects::memory::room_for(t, s.as_bytes().len(), 6)?;
    let out = normalized(form, s, version);
    Ok(Str::from_vec(t, out).into())
}

fn name(t: &mut Thread, a: &[Value], version: Version) -> Res {
    let c = character(t, a[0], "name", false)?.filter(|c| version.assigns(*c));
    let found = c
        .and_then(rustpython_unicode::character_name)
        .map(|n| Str::from_string(t, n));
    or_default(t, found, a[1], "no such name")
}

fn lookup(t: &mut Thread, a: &[Value], version: Version) -> Res {
    let Some(s) = Str::of(a[0]) else {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!("lookup() argument must be str, not {got}")));
    };
    let found = s.as_str().and_then(|s| version.data().lookup(s));
    match found {
        Some(LookupResult::Character(c)) if version.assigns(c) => Ok(Str::char(t, c.into()).into()),
        Some(LookupResult::Sequence(text)) => Ok(Str::new(t, text).into()),
        _ => {
            let message = Str::from_string(t, format!("undefined character name '{s}'"));
            Err(t.key_error(message.value()))
        }
    }
}
