//! Assignment to `f_lineno`: going on in another line.

use weft_objects::prelude::*;

/// Lets the frame of the frame object `frame` go on at line `line`.
///
/// # Errors
/// ValueError where that cannot be.
pub fn set_lineno(t: &mut Thread, frame: Value, line: Value) -> Res<()> {
    let _ = (frame, line);
    Err(t.value_error("f_lineno cannot be set"))
}
