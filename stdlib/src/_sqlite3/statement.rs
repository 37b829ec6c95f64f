//! Statements: prepared SQL, and those that a connection keeps for the next time.

use super::db::Db;
use libsqlite3_sys as ffi;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};

/// A prepared statement. Used by whoever has taken it, with the database's turn held.
pub struct Statement {
    /// NULL: there was nothing in the SQL.
    raw: *mut ffi::sqlite3_stmt,
    pub db: Arc<Db>,
    taken: AtomicBool,
    /// It changes rows: INSERT, UPDATE, DELETE or REPLACE.
    pub changes: bool,
}

// SAFETY: the statement is used with the turn of its database held.
unsafe impl Send for Statement {}
// SAFETY: as above.
unsafe impl Sync for Statement {}

impl Statement {
    pub fn new(db: Arc<Db>, raw: *mut ffi::sqlite3_stmt, sql: &[u8]) -> Statement {
        Statement {
            raw,
            db,
            taken: AtomicBool::new(false),
            changes: changes_rows(sql),
        }
    }

    /// The statement, for who holds the turn of its database, which is open.
    pub fn raw(&self) -> *mut ffi::sqlite3_stmt {
        self.raw
    }

    /// Takes it for oneself. False: somebody has it.
    pub fn take(&self) -> bool {
        !self.taken.swap(true, AcqRel)
    }

    /// Gives it back.
    pub fn give_back(&self) {
        self.taken.store(false, Release);
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            self.db.leave(self.raw);
        }
    }
}

/// What follows blanks and comments.
pub fn after_comments(mut sql: &[u8]) -> &[u8] {
    loop {
        sql = sql.trim_ascii_start();
        if let Some(rest) = sql.strip_prefix(b"--") {
            match memchr::memchr(b'\n', rest) {
                Some(end) => sql = &rest[end + 1..],
                None => return &[],
            }
        } else if let Some(rest) = sql.strip_prefix(b"/*") {
            match memchr::memmem::find(rest, b"*/") {
                Some(end) => sql = &rest[end + 2..],
                None => return &[],
            }
        } else {
            return sql;
        }
    }
}

fn changes_rows(sql: &[u8]) -> bool {
    let sql = after_comments(sql);
    [&b"insert"[..], b"update", b"delete", b"replace"]
        .iter()
        .any(|word| sql.len() >= word.len() && sql[..word.len()].eq_ignore_ascii_case(word))
}

/// The statements that were used last, by their SQL.
pub struct Cache {
    room: usize,
    clock: u64,
    kept: HashMap<Box<[u8]>, (Arc<Statement>, u64)>,
}

impl Cache {
    pub fn new(room: usize) -> Cache {
        Cache {
            room,
            clock: 0,
            kept: HashMap::new(),
        }
    }

    pub fn get(&mut self, sql: &[u8]) -> Option<Arc<Statement>> {
        self.clock += 1;
        let (statement, used) = self.kept.get_mut(sql)?;
        *used = self.clock;
        Some(statement.clone())
    }

    /// Keeps a statement. What has not been used for longest makes room for it, and is given back.
    #[must_use]
    pub fn put(&mut self, sql: &[u8], statement: &Arc<Statement>) -> Option<Arc<Statement>> {
        if self.room == 0 {
            return None;
        }
        let mut gone = None;
        if self.kept.len() >= self.room && !self.kept.contains_key(sql) {
            let oldest = self.kept.iter().min_by_key(|(_, (_, used))| *used);
            let oldest = oldest.map(|(sql, _)| sql.clone());
            gone = oldest
                .and_then(|sql| self.kept.remove(&sql))
                .map(|(s, _)| s);
        }
        self.clock += 1;
        self.kept
            .insert(sql.into(), (statement.clone(), self.clock));
        gone
    }

    /// Takes all out.
    pub fn take(&mut self) -> Vec<Arc<Statement>> {
        self.kept.drain().map(|(_, (s, _))| s).collect()
    }
}
