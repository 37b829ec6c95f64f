//! Warnings that built-in types give: through the `warnings` module, so that filters and overrides hold.

use crate::prelude::*;

/// Gives a warning about the caller's line.
///
/// # Errors
/// The warning itself, if filters make it an error.
#[cold]
pub fn warn(t: &mut Thread, category: &'static Type, msg: &str) -> Res<()> {
    let warnings = crate::runtime::import(t, "warnings")?;
    let msg = Str::new(t, msg);
    let args = [msg.value(), category.value(), Value::int(1)];
    proto::call_method(t, warnings.value(), "warn", &args).map(drop)
}

/// A DeprecationWarning.
///
/// # Errors
/// As [`warn`].
#[cold]
pub fn deprecated(t: &mut Thread, msg: &str) -> Res<()> {
    warn(t, &super::DEPRECATION_WARNING, msg)
}

/// The warning for a conversion method (`__index__`, `D.__float__`, …) that returned an instance of a strict subclass
/// of what it should return.
///
/// # Errors
/// As [`warn`].
#[cold]
pub fn strict_subclass(t: &mut Thread, method: &str, kind: &str, got: Value) -> Res<()> {
    let got = type_of(got).name();
    let msg = format!(
        "{method} returned non-{kind} (type {got}).  The ability to return an instance of a strict subclass of {kind} \
         is deprecated, and may be removed in a future version of Python."
    );
    deprecated(t, &msg)
}
