//! `sqlite3.Cursor`: running statements and fetching what they find.
//!
//! One thread at a time uses a cursor ([`Use`]); others wait. The thread that uses it already, in the midst of an adapter, say, is told so
//! by ProgrammingError. The cursor has its statement for itself, until all rows have been fetched.

use super::bind::{self, Wanted};
use super::column::{self, encoded, not_str};
use super::connection::{Autocommit, Connection, State, run, turn};
use super::db::Turn;
use super::error::{self, Class};
use super::fetch;
use super::statement::{Statement, after_comments};
use crate::support::{self, Guarded};
use crate::wait::WaitLock;
use libsqlite3_sys as ffi;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::*};
use weft_objects::prelude::*;
use weft_objects::{cell, int, runtime};

#[repr(C)]
pub struct Cursor {
    header: Header,
    connection: Slot,
    description: Slot,
    lastrowid: Slot,
    row_factory: Slot,
    /// The columns' converters: a tuple, or None.
    converters: Slot,
    /// The statement whose rows are being fetched.
    statement: Guarded<Option<Arc<Statement>>>,
    /// There is one.
    running: AtomicBool,
    closed: AtomicBool,
    rows: AtomicI64,
    arraysize: AtomicU32,
    used: WaitLock,
    /// The thread that uses it.
    user: AtomicU64,
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: called with objects of this type alone.
    let c = unsafe { &*(h as *const Cursor) };
    for s in c.slots() {
        f(s.get());
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type.
    unsafe {
        let c = &*(h as *const Cursor);
        drop(c.statement.take());
        for s in c.slots() {
            t.drop_value(s.take_local());
        }
    }
}

/// The right to use a cursor.
struct Use<'a>(&'a Cursor);

impl Drop for Use<'_> {
    fn drop(&mut self) {
        self.0.user.store(0, Relaxed);
        self.0.used.unlock(false);
    }
}

impl Cursor {
    fn this<'a>(v: Value) -> &'a Cursor {
        // SAFETY: called with objects of CURSOR and its subclasses alone.
        unsafe { &*(v.ptr() as *const Cursor) }
    }

    pub fn of<'a>(v: Value) -> Option<&'a Cursor> {
        weft_objects::cast(v, &CURSOR)
    }

    fn slots(&self) -> [&Slot; 5] {
        [
            &self.connection,
            &self.description,
            &self.lastrowid,
            &self.row_factory,
            &self.converters,
        ]
    }

    /// Its description: a tuple, or None.
    pub fn description(&self, t: &Thread) -> Obj {
        Obj::own(cell::or_none(t, self.description.get()))
    }

    pub fn set_row_factory(&self, t: &Thread, f: Obj) {
        self.row_factory.set(t, &self.header, f.into_value());
    }

    fn set(&self, t: &Thread, slot: &Slot, o: Obj) {
        slot.set(t, &self.header, o.into_value());
    }

    /// Waits until nobody else uses it.
    fn enter(&self, t: &mut Thread) -> Res<Use<'_>> {
        let me = crate::_thread::ident();
        if self.user.load(Relaxed) == me {
            return Err(error::programming(
                t,
                "Recursive use of cursors not allowed.",
            ));
        }
        if !self.used.try_lock(t, false) {
            self.used.lock_slow(t, None)?;
        }
        self.user.store(me, Relaxed);
        Ok(Use(self))
    }

    /// Its connection.
    fn connection(&self, t: &mut Thread) -> Res<Obj> {
        match cell::own(t, &self.connection) {
            Some(c) => Ok(c),
            None => Err(error::programming(t, "Base Cursor.__init__ not called.")),
        }
    }

    /// Its connection, which is open, for a thread that may use it.
    fn usable(&self, t: &mut Thread) -> Res<Obj> {
        let connection = self.connection(t)?;
        if self.closed.load(Acquire) {
            return Err(error::programming(t, "Cannot operate on a closed cursor."));
        }
        Connection::this(connection.value()).usable(t)?;
        Ok(connection)
    }

    fn statement(&self, t: &Thread) -> Option<Arc<Statement>> {
        let guard = lock(t, &self.header);
        self.statement.get(&guard).clone()
    }

    fn set_statement(&self, t: &Thread, new: Option<Arc<Statement>>) -> Option<Arc<Statement>> {
        let guard = lock(t, &self.header);
        self.running.store(new.is_some(), Release);
        std::mem::replace(self.statement.get(&guard), new)
    }

    /// Is done with its statement, if it has one.
    fn let_go(&self, t: &mut Thread) {
        let Some(statement) = self.set_statement(t, None) else {
            return;
        };
        if let Some(turn) = statement.db.turn(t) {
            reset(t, &turn, &statement);
        }
    }
}

/// Ends a run of a statement, which others may have then.
fn reset(t: &mut Thread, turn: &Turn<'_>, statement: &Arc<Statement>) {
    // SAFETY: a statement of an open database, or NULL; the turn is held.
    turn.call(t, |_| unsafe { ffi::sqlite3_reset(statement.raw()) });
    forget_raised(turn);
    statement.give_back();
}

fn forget_raised(turn: &Turn<'_>) {
    let raised = turn.db.raised.lock().take();
    drop(raised);
}

// --- statements ---

/// The SQL of an argument.
fn checked_sql<'a>(t: &mut Thread, turn: &Turn<'_>, sql: &'a Str) -> Res<&'a [u8]> {
    let bytes = encoded(t, sql)?;
    check_length(t, turn, bytes)?;
    if bytes.contains(&0) {
        return Err(error::programming(t, "the query contains a null character"));
    }
    Ok(bytes)
}

fn check_length(t: &mut Thread, turn: &Turn<'_>, sql: &[u8]) -> Res<()> {
    if sql.len() > turn.limit(ffi::SQLITE_LIMIT_SQL_LENGTH) as usize {
        return Err(error::raise(
            t,
            Class::Data,
            "query string is too large".into(),
        ));
    }
    Ok(())
}

fn prepare_new(t: &mut Thread, turn: &Turn<'_>, sql: &[u8]) -> Res<Arc<Statement>> {
    let (statement, used) = turn.prepare(t, sql).map_err(|f| error::fault(t, f))?;
    if !after_comments(&sql[used..]).is_empty() {
        let msg = "You can only execute one statement at a time.";
        return Err(error::programming(t, msg));
    }
    Ok(Arc::new(statement))
}

/// The statement for the SQL, which the connection may have kept.
///
/// # Errors
/// What SQLite says; ProgrammingError for more than one statement.
pub fn prepare(t: &mut Thread, turn: &Turn<'_>, sql: &Str) -> Res<Arc<Statement>> {
    let bytes = checked_sql(t, turn, sql)?;
    let kept = turn.db.cache.lock().get(bytes);
    if let Some(kept) = kept {
        return Ok(kept);
    }
    let statement = prepare_new(t, turn, bytes)?;
    let gone = turn.db.cache.lock().put(bytes, &statement);
    drop(gone);
    Ok(statement)
}

/// The same for oneself.
fn prepare_own(t: &mut Thread, turn: &Turn<'_>, sql: &Str) -> Res<Arc<Statement>> {
    let mut statement = prepare(t, turn, sql)?;
    if !statement.take() {
        statement = prepare_new(t, turn, sql.as_bytes())?;
        statement.take();
    }
    Ok(statement)
}

/// Goes on to the next row. False: there is none.
fn step(t: &mut Thread, turn: &Turn<'_>, statement: &Statement) -> Res<bool> {
    if statement.raw().is_null() {
        return Ok(false);
    }
    // SAFETY: a statement of an open database, the turn is held.
    let code = turn.call(t, |_| unsafe { ffi::sqlite3_step(statement.raw()) });
    let raised = turn.db.raised.lock().take();
    if let Some(exc) = raised {
        return Err(t.raise_value(exc.into_obj()));
    }
    match code {
        ffi::SQLITE_ROW => Ok(true),
        ffi::SQLITE_DONE => Ok(false),
        _ => {
            let fault = turn.fault();
            Err(error::fault(t, fault))
        }
    }
}

// --- executing ---

/// Begins a transaction if that is to be done unasked.
fn begin(t: &mut Thread, turn: &Turn<'_>, state: &State, statement: &Statement) -> Res<()> {
    let level = state
        .isolation
        .filter(|_| state.autocommit == Autocommit::Legacy);
    if let Some(level) = level
        && statement.changes
        && turn.autocommits()
    {
        run(t, turn, &format!("BEGIN {level}"))?;
    }
    Ok(())
}

/// Where parameters come from: one set of them, or an iterator.
enum Given {
    Once(Option<Obj>),
    Many(Obj),
}

impl Given {
    fn next(&mut self, t: &mut Thread) -> Res<Option<Obj>> {
        match self {
            Given::Once(o) => Ok(o.take()),
            Given::Many(it) => proto::next(t, it.value()),
        }
    }
    fn many(&self) -> bool {
        matches!(self, Given::Many(_))
    }
}

fn query(t: &mut Thread, v: Value, sql: Value, mut given: Given) -> Res {
    let cursor = Cursor::this(v);
    let _use = cursor.enter(t)?;
    let connection = cursor.usable(t)?;
    cursor.let_go(t);
    cursor.set(t, &cursor.description, support::none());
    let done = start(t, cursor, &connection, Str::this(sql), &given)
        .and_then(|wanted| run_all(t, cursor, &connection, &mut given, &wanted));
    if let Err(e) = done {
        let exc = t.take_exc();
        cursor.let_go(t);
        cursor.rows.store(-1, Relaxed);
        if let Some(exc) = exc {
            let _: Raised = t.set_exc(exc);
        }
        return Err(e);
    }
    Ok(Obj::new(t, v).into())
}

/// Gets the statement ready.
fn start(
    t: &mut Thread,
    cursor: &Cursor,
    connection: &Obj,
    sql: &Str,
    given: &Given,
) -> Res<Wanted> {
    let c = Connection::this(connection.value());
    let (db, state) = (c.db(t)?, c.state(t));
    let turn = turn(t, &db)?;
    let statement = prepare_own(t, &turn, sql)?;
    let old = cursor.set_statement(t, Some(statement.clone()));
    debug_assert!(old.is_none());
    // SAFETY: a statement of an open database, or NULL; the turn is held.
    if given.many() && unsafe { ffi::sqlite3_stmt_readonly(statement.raw()) } != 0 {
        let msg = "executemany() can only execute DML statements.";
        return Err(error::programming(t, msg));
    }
    let rows = if statement.changes { 0 } else { -1 };
    cursor.rows.store(rows, Relaxed);
    begin(t, &turn, &state, &statement)?;
    Ok(Wanted::by(&turn, &statement))
}

fn run_all(
    t: &mut Thread,
    cursor: &Cursor,
    connection: &Obj,
    given: &mut Given,
    wanted: &Wanted,
) -> Res<()> {
    let Some(statement) = cursor.statement(t) else {
        return Ok(());
    };
    let db = statement.db.clone();
    let detect = {
        let state = Connection::this(connection.value()).state(t);
        fetch::detects(&state).then_some(state.detect_types)
    };
    let many = given.many();
    let mut described = false;
    let mut more = false;
    while let Some(parameters) = given.next(t)? {
        let values = bind::gather(t, wanted, parameters.value())?;
        let values = bind::bound(t, values)?;
        let turn = turn(t, &db)?;
        bind::bind(t, &turn, &statement, &values)?;
        more = step(t, &turn, &statement)?;
        let columns = match described {
            true => Vec::new(),
            false => fetch::columns(&turn, &statement),
        };
        while many && more {
            // Nobody could fetch these.
            more = step(t, &turn, &statement)?;
        }
        if !more {
            finish_run(t, cursor, &turn, &statement);
        }
        if !many {
            // SAFETY: open, and the turn is held.
            let id = unsafe { ffi::sqlite3_last_insert_rowid(turn.raw()) };
            cursor.set(t, &cursor.lastrowid, support::int_obj(t, id));
        }
        drop(turn);
        if !described && !columns.is_empty() {
            let converters = match detect {
                Some(detect) => fetch::converters(t, &columns, detect)?,
                None => support::none(),
            };
            cursor.set(t, &cursor.converters, converters);
            let all = fetch::description(t, &columns, detect.unwrap_or(0));
            cursor.set(t, &cursor.description, all);
        }
        described = true;
    }
    if !more {
        cursor.let_go(t);
    }
    Ok(())
}

/// A run has come to its end.
fn finish_run(t: &mut Thread, cursor: &Cursor, turn: &Turn<'_>, statement: &Arc<Statement>) {
    if statement.changes {
        // SAFETY: open, and the turn is held.
        let n = unsafe { ffi::sqlite3_changes(turn.raw()) };
        cursor.rows.fetch_add(n.into(), Relaxed);
    }
    // SAFETY: a statement of an open database, or NULL; the turn is held.
    turn.call(t, |_| unsafe { ffi::sqlite3_reset(statement.raw()) });
}

fn execute(t: &mut Thread, a: &[Value]) -> Res {
    if Str::of(a[1]).is_none() {
        Cursor::this(a[0]).usable(t)?;
        return Err(not_str(t, a[1], "execute() argument 1"));
    }
    let given = match a[2].is_null() {
        true => Tuple::empty(t),
        false => Obj::new(t, a[2]),
    };
    query(t, a[0], a[1], Given::Once(Some(given)))
}

fn executemany(t: &mut Thread, a: &[Value]) -> Res {
    if Str::of(a[1]).is_none() {
        return Err(not_str(t, a[1], "executemany() argument 1"));
    }
    Cursor::this(a[0]).usable(t)?;
    let all = proto::iter(t, a[2])?;
    query(t, a[0], a[1], Given::Many(all))
}

fn executescript(t: &mut Thread, a: &[Value]) -> Res {
    let Some(script) = Str::of(a[1]) else {
        return Err(not_str(t, a[1], "executescript() argument"));
    };
    let bytes = encoded(t, script)?;
    if bytes.contains(&0) {
        return Err(t.value_error("embedded null character"));
    }
    let cursor = Cursor::this(a[0]);
    let _use = cursor.enter(t)?;
    let connection = cursor.usable(t)?;
    let c = Connection::this(connection.value());
    let (db, state) = (c.db(t)?, c.state(t));
    {
        let turn = turn(t, &db)?;
        check_length(t, &turn, bytes)?;
        if state.autocommit == Autocommit::Legacy && !turn.autocommits() {
            run(t, &turn, "COMMIT")?;
        }
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        // Others get their turn between two statements.
        let turn = turn(t, &db)?;
        let (statement, used) = turn.prepare(t, rest).map_err(|f| error::fault(t, f))?;
        rest = &rest[used.max(1)..];
        while step(t, &turn, &statement)? {}
        drop(turn);
        if t.interrupted() {
            runtime::safepoint(t)?;
        }
    }
    // The last of the statements is not left for later.
    drop(turn(t, &db)?);
    Ok(Obj::new(t, a[0]).into())
}

// --- fetching ---

/// The next row, as the row factory makes it.
fn fetch_row(t: &mut Thread, v: Value) -> Res<Option<Obj>> {
    let cursor = Cursor::this(v);
    let in_use = cursor.enter(t)?;
    let connection = cursor.usable(t)?;
    let Some(statement) = cursor.statement(t) else {
        return Ok(None);
    };
    let c = Connection::this(connection.value());
    let text = c.text_factory(t);
    let db = statement.db.clone();
    let cells = {
        let turn = turn(t, &db)?;
        let converters = cell::own(t, &cursor.converters);
        fetch::read(t, &turn, &statement, &text, converters.as_ref())?
    };
    let row = fetch::row(t, cells, &text)?;
    {
        let turn = turn(t, &db)?;
        match step(t, &turn, &statement) {
            Ok(true) => {}
            Ok(false) => {
                if statement.changes {
                    // SAFETY: open, and the turn is held.
                    let n = unsafe { ffi::sqlite3_changes(turn.raw()) };
                    cursor.rows.store(n.into(), Relaxed);
                }
                cursor.let_go(t);
            }
            Err(e) => {
                let exc = t.take_exc();
                cursor.let_go(t);
                if let Some(exc) = exc {
                    let _: Raised = t.set_exc(exc);
                }
                return Err(e);
            }
        }
    }
    drop(in_use);
    let factory = Obj::own(cell::or_none(t, cursor.row_factory.get()));
    if factory.value().is_none() {
        return Ok(Some(row));
    }
    proto::call(t, factory.value(), &[v, row.value()]).map(Some)
}

fn fetch_up_to(t: &mut Thread, v: Value, most: usize) -> Res {
    let mut rows = Vec::new();
    if most == 0 {
        Cursor::this(v).usable(t)?;
    }
    while rows.len() < most
        && let Some(row) = fetch_row(t, v)?
    {
        rows.push(row);
        if t.interrupted() {
            runtime::safepoint(t)?;
        }
    }
    Ok(List::from_vec(t, rows).into())
}

fn fetchmany(t: &mut Thread, a: &[Value]) -> Res {
    let most = match a[1].is_null() {
        true => Cursor::this(a[0]).arraysize.load(Relaxed),
        false => column::count(t, a[1])?,
    };
    fetch_up_to(t, a[0], most as usize)
}

// --- the object ---

fn new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    // SAFETY: the layout of cursors.
    let (o, c) = unsafe { cell::fresh::<Cursor>(t, Type::of_unchecked(cls)) };
    for slot in &c.slots()[1..] {
        slot.init(t, &c.header, Value::NONE);
    }
    c.arraysize.store(1, Relaxed);
    c.rows.store(-1, Relaxed);
    Ok(o.into())
}

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    let args = support::positional(t, type_of(v).value(), &CURSOR, "Cursor", args)?;
    let [connection] = *args.pos() else {
        let n = args.pos().len();
        return Err(t.type_error(format!("Cursor expected 1 argument, got {n}")));
    };
    let Some(c) = Connection::of(connection) else {
        let got = type_of(connection).name();
        let msg = format!("Cursor() argument 1 must be sqlite3.Connection, not {got}");
        return Err(t.type_error(msg));
    };
    let cursor = Cursor::this(v);
    let _use = cursor.enter(t)?;
    c.check_thread(t)?;
    cursor.let_go(t);
    let connection = Obj::new(t, connection);
    cursor.set(t, &cursor.connection, connection);
    for slot in &cursor.slots()[1..] {
        cursor.set(t, slot, support::none());
    }
    cursor.closed.store(false, Release);
    cursor.arraysize.store(1, Relaxed);
    cursor.rows.store(-1, Relaxed);
    Ok(())
}

fn close(t: &mut Thread, a: &[Value]) -> Res {
    let cursor = Cursor::this(a[0]);
    let connection = cursor.connection(t)?;
    Connection::this(connection.value()).usable(t)?;
    let _use = cursor.enter(t)?;
    cursor.let_go(t);
    cursor.closed.store(true, Release);
    Ok(Value::NONE)
}

unsafe fn has_finalizer(h: *const Header) -> bool {
    // SAFETY: a cursor.
    unsafe { (*(h as *const Cursor)).running.load(Acquire) }
}

fn finalize(t: &mut Thread, v: Value) -> Res<()> {
    Cursor::this(v).let_go(t);
    Ok(())
}

fn set_arraysize(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    if new.is_null() {
        let name = weft_objects::id!(t, "arraysize");
        let msg = "attribute 'arraysize' of 'sqlite3.Cursor' objects cannot be deleted";
        return Err(t.attribute_error_msg(v, name, msg));
    }
    let n = column::count(t, new)?;
    Cursor::this(v).arraysize.store(n, Relaxed);
    Ok(())
}

fn set_row_factory(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    if new.is_null() {
        let name = weft_objects::id!(t, "row_factory");
        return Err(t.attribute_error_msg(v, name, "cannot delete row_factory attribute"));
    }
    let new = Obj::new(t, new);
    Cursor::this(v).set_row_factory(t, new);
    Ok(())
}

/// `sqlite3.Cursor`
pub static CURSOR: Type = Type::builtin(
    "Cursor",
    size_of::<Cursor>(),
    &Spec {
        new: Some(new),
        init: Some(init),
        iter: Some(|t, v| Ok(Obj::new(t, v).into())),
        iter_next: Some(|t, v| Ok(fetch_row(t, v)?.map_or(Value::NULL, Obj::into_value))),
        finalize: Some(finalize),
        methods: &[
            NativeDef::new("close", "($self, /)", close).doc("Closes the cursor."),
            NativeDef::new("executemany", "($self, sql, seq_of_parameters, /)", executemany)
                .doc("Repeatedly executes an SQL statement."),
            NativeDef::new("executescript", "($self, sql_script, /)", executescript)
                .doc("Executes multiple SQL statements at once."),
            NativeDef::new("execute", "($self, sql, parameters=(), /)", execute)
                .doc("Executes an SQL statement."),
            NativeDef::new("fetchall", "($self, /)", |t, a| fetch_up_to(t, a[0], usize::MAX))
                .doc("Fetches all rows from the resultset."),
            NativeDef::new("fetchmany", "($self, /, size=1)", fetchmany)
                .doc("Fetches several rows from the resultset.\n\n  size\n    The default value is set by the Cursor.arraysize attribute."),
            NativeDef::new("fetchone", "($self, /)", |t, a| {
                Ok(fetch_row(t, a[0])?.map_or(Value::NONE, Obj::into_value))
            })
            .doc("Fetches one row from the resultset."),
            NativeDef::new("setinputsizes", "($self, sizes, /)", |_, _| Ok(Value::NONE))
                .doc("Required by DB-API. Does nothing in sqlite3."),
            NativeDef::new("setoutputsize", "($self, size, column=None, /)", |_, _| {
                Ok(Value::NONE)
            })
            .doc("Required by DB-API. Does nothing in sqlite3."),
        ],
        members: &[
            MemberDef {
                name: "connection",
                offset: std::mem::offset_of!(Cursor, connection),
                readonly: true,
                none_if_empty: true,
            },
            MemberDef {
                name: "description",
                offset: std::mem::offset_of!(Cursor, description),
                readonly: true,
                none_if_empty: true,
            },
            MemberDef {
                name: "lastrowid",
                offset: std::mem::offset_of!(Cursor, lastrowid),
                readonly: true,
                none_if_empty: true,
            },
        ],
        getset: &[
            GetSetDef::ro("rowcount", |t, v| {
                Ok(int::from_i64(t, Cursor::this(v).rows.load(Relaxed)))
            }),
            GetSetDef::rw(
                "arraysize",
                |_, v| Ok(Value::int(Cursor::this(v).arraysize.load(Relaxed).into())),
                set_arraysize,
            ),
            GetSetDef::rw(
                "row_factory",
                |t, v| Ok(cell::or_none(t, Cursor::this(v).row_factory.get())),
                set_row_factory,
            ),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.finalizer(has_finalizer)
.module("sqlite3")
.doc("SQLite database cursor class.");
