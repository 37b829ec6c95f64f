//! Rows: what a statement has found, as Python has it.

use super::adapt;
use super::column::{bad_text, shown};
use super::connection::State;
use super::db::Turn;
use super::statement::Statement;
use crate::support;
use libsqlite3_sys as ffi;
use std::ffi::{CStr, c_char, c_int};
use weft_objects::bytes::{BYTES, Bytes};
use weft_objects::prelude::*;
use weft_objects::str::STR;

/// `PARSE_DECLTYPES`
pub const DECLTYPES: i32 = 1;
/// `PARSE_COLNAMES`
pub const COLNAMES: i32 = 2;

/// A column's name, and the name of its type as the table declares it.
pub struct Column {
    name: Vec<u8>,
    declared: Vec<u8>,
}

/// Bytes of a C string; none for NULL.
///
/// # Safety
/// NULL or a C string.
unsafe fn bytes_of(p: *const c_char) -> Vec<u8> {
    if p.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(p) }.to_bytes().to_vec()
}

/// The columns of what a statement finds.
pub fn columns(_turn: &Turn<'_>, statement: &Statement) -> Vec<Column> {
    let raw = statement.raw();
    // SAFETY: a statement of an open database, or NULL; the turn is held.
    unsafe {
        (0..ffi::sqlite3_column_count(raw))
            .map(|i| Column {
                name: bytes_of(ffi::sqlite3_column_name(raw, i)),
                declared: bytes_of(ffi::sqlite3_column_decltype(raw, i)),
            })
            .collect()
    }
}

impl Column {
    /// What stands in brackets in the name.
    fn bracketed(&self) -> Option<&[u8]> {
        let start = self.name.iter().position(|b| *b == b'[')? + 1;
        let end = self.name[start..].iter().position(|b| *b == b']')?;
        Some(&self.name[start..start + end])
    }

    /// The declared type's first word.
    fn declared_word(&self) -> Option<&[u8]> {
        let end = self.declared.iter().position(|b| matches!(b, b' ' | b'('));
        let word = &self.declared[..end.unwrap_or(self.declared.len())];
        (!word.is_empty()).then_some(word)
    }

    /// The name without a type in brackets.
    fn plain_name(&self, detect: i32) -> &[u8] {
        let bracket = self.name.windows(2).position(|w| w == b" [");
        match bracket {
            Some(at) if detect & COLNAMES != 0 => &self.name[..at],
            _ => &self.name,
        }
    }
}

/// `Cursor.description`: a tuple of seven for each column, of which the name alone is known.
pub fn description(t: &Thread, columns: &[Column], detect: i32) -> Obj {
    let each = columns.iter().map(|c| {
        let mut seven = vec![shown(t, c.plain_name(detect))];
        seven.resize_with(7, support::none);
        Tuple::from_vec(t, seven)
    });
    let each = each.collect();
    Tuple::from_vec(t, each)
}

/// The converter of each column, or None.
///
/// # Errors
/// If there is no memory.
pub fn converters(t: &mut Thread, columns: &[Column], detect: i32) -> Res<Obj> {
    let mut out = Vec::with_capacity(columns.len());
    for c in columns {
        let mut found = None;
        if detect & COLNAMES != 0
            && let Some(name) = c.bracketed()
        {
            found = adapt::converter(t, name)?;
        }
        if found.is_none()
            && detect & DECLTYPES != 0
            && let Some(name) = c.declared_word()
        {
            found = adapt::converter(t, name)?;
        }
        out.push(found.unwrap_or_else(support::none));
    }
    Ok(Tuple::from_vec(t, out))
}

/// A value of a row, before Python code has had to do with it.
pub enum Cell {
    Done(Obj),
    /// Bytes of text for the text factory.
    Text(Obj),
    /// Bytes for the column's converter.
    Raw(Obj, Obj),
}

/// The values of the row that a statement has reached.
///
/// # Errors
/// OperationalError for text that is not UTF-8.
pub fn read(
    t: &mut Thread,
    _turn: &Turn<'_>,
    statement: &Statement,
    text_factory: &Obj,
    converters: Option<&Obj>,
) -> Res<Vec<Cell>> {
    let raw = statement.raw();
    // SAFETY: a statement of an open database, or NULL; the turn is held.
    let n = unsafe { ffi::sqlite3_data_count(raw) };
    let converters = converters.and_then(|c| Tuple::exact(c.value()));
    let mut out = Vec::with_capacity(n as usize);
    for i in 0..n {
        let converter = converters
            .and_then(|c| c.values().get(i as usize).copied())
            .filter(|c| !c.is_none());
        out.push(match converter {
            Some(converter) => {
                // SAFETY: as above, and it has this column.
                match unsafe { bytes(raw, i, ffi::sqlite3_column_blob(raw, i).cast()) } {
                    Some(b) => Cell::Raw(Obj::new(t, converter), Bytes::new(t, b)),
                    None => Cell::Done(support::none()),
                }
            }
            // SAFETY: as above.
            None => unsafe { value(t, raw, i, text_factory)? },
        });
    }
    Ok(out)
}

/// The bytes of a column at `p`; `None` for NULL.
///
/// # Safety
/// A column that a statement has, with what SQLite says its bytes are.
unsafe fn bytes<'a>(raw: *mut ffi::sqlite3_stmt, i: c_int, p: *const u8) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    unsafe {
        let n = ffi::sqlite3_column_bytes(raw, i) as usize;
        (!p.is_null()).then(|| std::slice::from_raw_parts(p, n))
    }
}

/// # Safety
/// A column that a statement of an open database has, whose turn is held.
unsafe fn value(
    t: &mut Thread,
    raw: *mut ffi::sqlite3_stmt,
    i: c_int,
    text_factory: &Obj,
) -> Res<Cell> {
    // SAFETY: the caller's promise.
    unsafe {
        Ok(Cell::Done(match ffi::sqlite3_column_type(raw, i) {
            ffi::SQLITE_NULL => support::none(),
            ffi::SQLITE_INTEGER => support::int_obj(t, ffi::sqlite3_column_int64(raw, i)),
            ffi::SQLITE_FLOAT => support::float_obj(t, ffi::sqlite3_column_double(raw, i)),
            ffi::SQLITE_TEXT => {
                let text = bytes(raw, i, ffi::sqlite3_column_text(raw, i));
                let text = text.unwrap_or_default();
                if text_factory.value().same(STR.value()) {
                    match std::str::from_utf8(text) {
                        Ok(s) => Str::new(t, s),
                        Err(_) => {
                            let name = bytes_of(ffi::sqlite3_column_name(raw, i));
                            let name = String::from_utf8_lossy(&name);
                            return Err(bad_text(t, &name, text));
                        }
                    }
                } else if text_factory.value().same(BYTES.value()) {
                    Bytes::new(t, text)
                } else {
                    return Ok(Cell::Text(Bytes::new(t, text)));
                }
            }
            _ => {
                let blob = bytes(raw, i, ffi::sqlite3_column_blob(raw, i).cast());
                Bytes::new(t, blob.unwrap_or_default())
            }
        }))
    }
}

/// The row as a tuple. Runs converters and the text factory.
///
/// # Errors
/// What they raise.
pub fn row(t: &mut Thread, cells: Vec<Cell>, text_factory: &Obj) -> Res<Obj> {
    let mut out = Vec::with_capacity(cells.len());
    for cell in cells {
        out.push(match cell {
            Cell::Done(o) => o,
            Cell::Text(b) => proto::call(t, text_factory.value(), &[b.value()])?,
            Cell::Raw(converter, b) => proto::call(t, converter.value(), &[b.value()])?,
        });
    }
    Ok(Tuple::from_vec(t, out))
}

/// Whether a connection's columns have converters at all.
pub fn detects(state: &State) -> bool {
    state.detect_types & (DECLTYPES | COLNAMES) != 0
}
