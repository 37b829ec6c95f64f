//! `sqlite3.Connection`: opening and closing, transactions, settings. What it registers with SQLite is in [`super::create`], copies of
//! databases in [`super::copy`].

use super::column::{c_argument, c_int};
use super::cursor::{CURSOR, Cursor};
use super::db::{Db, Kept, Turn};
use super::error::{self, Class};
use super::statement::Statement;
use super::{callback, copy, create, cursor};
use crate::holder::Holder;
use crate::support::{self, Guarded};
use libsqlite3_sys as ffi;
use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use weft_objects::audit;
use weft_objects::prelude::*;
use weft_objects::{cell, float, int, runtime};

/// `LEGACY_TRANSACTION_CONTROL`
pub const LEGACY: i64 = -1;

/// Who opens and ends transactions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Autocommit {
    /// As `isolation_level` says: before statements that change rows.
    Legacy,
    On,
    /// There always is one.
    Off,
}

/// What a connection is set to. Touched under the object's lock.
#[derive(Clone)]
pub struct State {
    /// `None`: not made yet.
    pub db: Option<Arc<Db>>,
    /// The thread that may use it, if that is to be looked at.
    thread: Option<u64>,
    pub detect_types: i32,
    /// `None`: no transaction is begun unasked.
    pub isolation: Option<&'static str>,
    pub autocommit: Autocommit,
}

impl Default for State {
    fn default() -> State {
        State {
            db: None,
            thread: None,
            detect_types: 0,
            isolation: Some(""),
            autocommit: Autocommit::Legacy,
        }
    }
}

#[repr(C)]
pub struct Connection {
    header: Header,
    row_factory: Slot,
    text_factory: Slot,
    /// What SQLite may call, by number: a dict.
    kept: Slot,
    state: Guarded<State>,
    /// There is something to close.
    unclosed: AtomicBool,
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: called with objects of this type alone.
    let c = unsafe { &*(h as *const Connection) };
    for s in [&c.row_factory, &c.text_factory, &c.kept] {
        f(s.get());
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type.
    unsafe {
        let c = &*(h as *const Connection);
        let state = c.state.take();
        if let Some(db) = state.as_ref().and_then(|s| s.db.as_ref()) {
            db.owner.store(0, Release);
        }
        drop(state);
        for s in [&c.row_factory, &c.text_factory, &c.kept] {
            t.drop_value(s.take_local());
        }
    }
}

impl Connection {
    pub fn this<'a>(v: Value) -> &'a Connection {
        // SAFETY: called with objects of CONNECTION and its subclasses alone.
        unsafe { &*(v.ptr() as *const Connection) }
    }

    pub fn of<'a>(v: Value) -> Option<&'a Connection> {
        weft_objects::cast(v, &CONNECTION)
    }

    fn with<R>(&self, t: &Thread, f: impl FnOnce(&mut State) -> R) -> R {
        let guard = lock(t, &self.header);
        f(self.state.get(&guard))
    }

    /// What it is set to at this moment.
    pub fn state(&self, t: &Thread) -> State {
        self.with(t, |s| s.clone())
    }

    /// The callables of the connection that a database belongs to.
    pub fn kept_by<'a>(db: &Db) -> Option<&'a Dict> {
        let owner = Value(db.owner.load(Acquire));
        if owner.is_null() {
            return None;
        }
        Dict::exact(Connection::this(owner).kept.get())
    }

    /// The open database.
    ///
    /// # Errors
    /// ProgrammingError if it is closed, or has never been opened.
    pub fn db(&self, t: &mut Thread) -> Res<Arc<Db>> {
        match self.with(t, |s| s.db.clone()) {
            None => Err(error::programming(
                t,
                "Base Connection.__init__ not called.",
            )),
            Some(db) if !db.is_open() => Err(closed(t)),
            Some(db) => Ok(db),
        }
    }

    /// # Errors
    /// ProgrammingError if this thread is not the one that may use it.
    pub fn check_thread(&self, t: &mut Thread) -> Res<()> {
        let Some(own) = self.with(t, |s| s.thread) else {
            return Ok(());
        };
        let me = crate::_thread::ident();
        if own == me {
            return Ok(());
        }
        let msg = format!(
            "SQLite objects created in a thread can only be used in that same thread. The object was created in thread id {own} and this is thread id {me}."
        );
        Err(error::raise(t, Class::Programming, msg))
    }

    /// The open database, for a thread that may use it.
    ///
    /// # Errors
    /// As [`Connection::db`] and [`Connection::check_thread`].
    pub fn usable(&self, t: &mut Thread) -> Res<Arc<Db>> {
        self.check_thread(t)?;
        self.db(t)
    }

    pub fn row_factory(&self, t: &Thread) -> Obj {
        Obj::new(t, self.row_factory.get())
    }

    pub fn text_factory(&self, t: &Thread) -> Obj {
        Obj::new(t, self.text_factory.get())
    }
}

/// ProgrammingError: closed.
#[cold]
pub fn closed(t: &mut Thread) -> Raised {
    error::programming(t, "Cannot operate on a closed database.")
}

/// Waits for the turn.
///
/// # Errors
/// ProgrammingError if the database is closed by then.
pub fn turn<'a>(t: &mut Thread, db: &'a Arc<Db>) -> Res<Turn<'a>> {
    let Some(turn) = db.turn(t) else {
        return Err(closed(t));
    };
    callback::clear_up(t, db);
    Ok(turn)
}

/// Runs SQL that gives no rows.
///
/// # Errors
/// What SQLite says.
pub fn run(t: &mut Thread, turn: &Turn<'_>, sql: &str) -> Res<()> {
    let sql = CString::new(sql).unwrap_or_default();
    turn.execute(t, &sql).map_err(|f| error::fault(t, f))
}

// --- opening ---

const DEPRECATED: &str = "is deprecated. Parameters 'timeout', 'detect_types', 'isolation_level', 'check_same_thread', 'factory', 'cached_statements' and 'uri' will become keyword-only parameters in Python 3.15.";

/// Warns of more than one positional argument.
pub fn warn_positional(t: &mut Thread, given: usize, whose: &str) -> Res<()> {
    if given <= 1 {
        return Ok(());
    }
    let text = format!("Passing more than 1 positional argument to {whose}() {DEPRECATED}");
    crate::_warnings::warn_text(t, &errors::DEPRECATION_WARNING, &text, 1)
}

fn new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    // SAFETY: the layout of connections.
    let (o, c) = unsafe { cell::fresh::<Connection>(t, Type::of_unchecked(cls)) };
    c.row_factory.init(t, &c.header, Value::NONE);
    let text = Obj::new(t, weft_objects::str::STR.value());
    c.text_factory.init(t, &c.header, text.into_value());
    let kept = Dict::new(t);
    c.kept.init(t, &c.header, kept.into_value());
    Ok(o.into())
}

fn level(t: &mut Thread, v: Value) -> Res<Option<&'static str>> {
    if v.is_none() {
        return Ok(None);
    }
    let Some(s) = Str::of(v) else {
        return Err(t.type_error("isolation_level must be str or None".into()));
    };
    let s = s.as_bytes();
    if s.contains(&0) {
        return Err(t.value_error("embedded null character"));
    }
    let known = ["", "DEFERRED", "IMMEDIATE", "EXCLUSIVE"];
    match known.iter().find(|k| k.as_bytes().eq_ignore_ascii_case(s)) {
        Some(level) => Ok(Some(level)),
        None => Err(t.value_error(
            "isolation_level string must be '', 'DEFERRED', 'IMMEDIATE', or 'EXCLUSIVE'",
        )),
    }
}

fn autocommit(t: &mut Thread, v: Value) -> Res<Autocommit> {
    match v {
        Value::TRUE => Ok(Autocommit::On),
        Value::FALSE => Ok(Autocommit::Off),
        v if int::as_i64(v) == Some(LEGACY) => Ok(Autocommit::Legacy),
        _ => Err(
            t.value_error("autocommit must be True, False, or sqlite3.LEGACY_TRANSACTION_CONTROL")
        ),
    }
}

/// The name of a database, as the system takes it.
fn file_name(t: &mut Thread, v: Value) -> Res<CString> {
    let path = support::fspath(t, v)?;
    let bytes = match Str::of(path.value()) {
        Some(s) => match support::fs_encode(s.as_bytes()) {
            Some(bytes) => bytes,
            None => return Err(support::surrogates_error(t, path.value(), true)),
        },
        None => weft_objects::bytes::Bytes::this(path.value())
            .as_slice()
            .to_vec(),
    };
    CString::new(bytes).map_err(|_| t.value_error("embedded null byte"))
}

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new(
        "Connection",
        "(database, timeout=5.0, detect_types=0, isolation_level='', check_same_thread=True, factory=ConnectionType, cached_statements=128, uri=False, *, autocommit=sqlite3.LEGACY_TRANSACTION_CONTROL)",
    );
    warn_positional(t, args.pos().len(), "_sqlite3.Connection")?;
    let a = SIG.bind(t, args)?;
    let path = file_name(t, a[0])?;
    let given = |i: usize| (!a[i].is_null()).then_some(a[i]);
    let timeout = given(1).map_or(Ok(5.0), |v| real(t, v))?;
    let detect_types = given(2).map_or(Ok(0), |v| c_int(t, v))?;
    let isolation = given(3).map_or(Ok(Some("")), |v| level(t, v))?;
    let check = given(4).map_or(Ok(true), |v| proto::truth(t, v))?;
    let cached = given(6).map_or(Ok(128), |v| c_int(t, v))?;
    let uri = given(7).map_or(Ok(false), |v| proto::truth(t, v))?;
    let autocommit = given(8).map_or(Ok(Autocommit::Legacy), |v| autocommit(t, v))?;
    audit::tell(t, "sqlite3.connect", &[a[0]])?;
    forget(t, v);
    let flags = ffi::SQLITE_OPEN_READWRITE
        | ffi::SQLITE_OPEN_CREATE
        | if uri { ffi::SQLITE_OPEN_URI } else { 0 };
    let milliseconds = (timeout * 1000.0) as i32;
    let db = Db::open(t, &path, flags, milliseconds, cached.max(0) as usize);
    let db = db.map_err(|f| error::fault(t, f))?;
    let c = Connection::this(v);
    db.owner.store(v.bare().0, Release);
    if autocommit == Autocommit::Off {
        let turn = turn(t, &db)?;
        run(t, &turn, "BEGIN")?;
    }
    let made = State {
        db: Some(db),
        thread: check.then(crate::_thread::ident),
        detect_types,
        isolation,
        autocommit,
    };
    let old = c.with(t, |s| std::mem::replace(s, made));
    t.blocking(|| drop(old));
    c.unclosed.store(true, Release);
    audit::tell(t, "sqlite3.connect/handle", &[v])
}

/// Lets go of what the connection was before: what others still have of it stays open for them.
fn forget(t: &mut Thread, v: Value) {
    let c = Connection::this(v);
    let old = c.with(t, std::mem::take);
    c.unclosed.store(false, Release);
    if old.db.is_some() {
        c.row_factory.set(t, &c.header, Value::NONE);
        let text = Obj::new(t, weft_objects::str::STR.value());
        c.text_factory.set(t, &c.header, text.into_value());
        // Closing, if nobody has it, looks at files.
        t.blocking(|| drop(old));
    }
}

pub fn real(t: &mut Thread, v: Value) -> Res<f64> {
    match float::as_f64(v) {
        Some(f) => Ok(f),
        None => proto::as_f64(t, v),
    }
}

// --- closing ---

fn close(t: &mut Thread, a: &[Value]) -> Res {
    let c = Connection::this(a[0]);
    c.check_thread(t)?;
    let state = c.state(t);
    let Some(db) = state.db else {
        return Err(error::programming(
            t,
            "Base Connection.__init__ not called.",
        ));
    };
    shut(t, c, &db, state.autocommit)?;
    Ok(Value::NONE)
}

fn shut(t: &mut Thread, c: &Connection, db: &Arc<Db>, autocommit: Autocommit) -> Res<()> {
    let Some(turn) = db.turn(t) else {
        return Ok(());
    };
    if autocommit == Autocommit::Off && !turn.is_called_back() && !turn.autocommits() {
        run(t, &turn, "ROLLBACK")?;
    }
    if let Err(why) = turn.close(t) {
        return Err(error::programming(
            t,
            match why {
                Kept::Called => "Cannot close the database within a callback of its own.",
                Kept::Copied => "Cannot close the database during a backup.",
            },
        ));
    }
    c.unclosed.store(false, Release);
    callback::clear_up(t, db);
    Ok(())
}

unsafe fn has_finalizer(h: *const Header) -> bool {
    // SAFETY: a connection.
    unsafe { (*(h as *const Connection)).unclosed.load(Acquire) }
}

fn finalize(t: &mut Thread, v: Value) -> Res<()> {
    let c = Connection::this(v);
    let state = c.state(t);
    let Some(db) = state.db.filter(|db| db.is_open()) else {
        return Ok(());
    };
    if let Err(_e) = warn_unclosed(t, v) {
        let what = "Exception ignored while finalizing database connection";
        runtime::unraisable(t, what, Some(v));
    }
    if runtime::is_finalizing() {
        // There is not much left that could be called.
        db.mute.store(true, Release);
    }
    if shut(t, c, &db, state.autocommit).is_err() {
        let what = "Exception ignored while closing database";
        runtime::unraisable(t, what, Some(v));
    }
    Ok(())
}

fn warn_unclosed(t: &mut Thread, v: Value) -> Res<()> {
    if runtime::is_finalizing() {
        return Ok(());
    }
    let warnings = runtime::import(t, "warnings")?;
    let r = proto::repr(t, v)?;
    let r = Str::this(r.value()).to_string_lossy();
    let msg = Str::from_string(t, format!("unclosed database in {r}"));
    let category = errors::RESOURCE_WARNING.value();
    let args = [msg.value(), category, Value::int(1), v];
    proto::call_method(t, warnings.value(), "warn", &args).map(drop)
}

// --- transactions ---

fn end_transaction(t: &mut Thread, v: Value, how: &str) -> Res {
    let c = Connection::this(v);
    let db = c.usable(t)?;
    let mode = c.state(t).autocommit;
    let turn = turn(t, &db)?;
    match mode {
        Autocommit::On => {}
        Autocommit::Legacy => {
            if !turn.autocommits() {
                run(t, &turn, how)?;
            }
        }
        Autocommit::Off => {
            run(t, &turn, how)?;
            run(t, &turn, "BEGIN")?;
        }
    }
    Ok(Value::NONE)
}

fn exit(t: &mut Thread, a: &[Value]) -> Res {
    let c = Connection::this(a[0]);
    if c.state(t).autocommit == Autocommit::On {
        return Ok(Value::FALSE);
    }
    let failed = !a[1].is_none() || !a[2].is_none() || !a[3].is_none();
    if failed {
        end_transaction(t, a[0], "ROLLBACK")?;
        return Ok(Value::FALSE);
    }
    if end_transaction(t, a[0], "COMMIT").is_err() {
        // What cannot be committed is rolled back, and then the error is told.
        let Some(exc) = t.take_exc() else {
            return Ok(Value::FALSE);
        };
        if end_transaction(t, a[0], "ROLLBACK").is_err() {
            t.clear_exc();
        }
        return Err(t.set_exc(exc));
    }
    Ok(Value::FALSE)
}

fn set_level(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let c = Connection::this(v);
    if new.is_null() {
        let name = weft_objects::id!(t, "isolation_level");
        return Err(t.attribute_error_msg(v, name, "cannot delete attribute"));
    }
    let level = level(t, new)?;
    if level.is_none() {
        // Nothing is left open that nobody would end.
        let db = c.db(t)?;
        let turn = turn(t, &db)?;
        if !turn.autocommits() {
            run(t, &turn, "COMMIT")?;
        }
    }
    c.with(t, |s| s.isolation = level);
    Ok(())
}

fn set_autocommit(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let c = Connection::this(v);
    let db = c.usable(t)?;
    if new.is_null() {
        let name = weft_objects::id!(t, "autocommit");
        return Err(t.attribute_error_msg(v, name, "cannot delete autocommit attribute"));
    }
    let new = autocommit(t, new)?;
    let turn = turn(t, &db)?;
    match new {
        Autocommit::On if !turn.autocommits() => run(t, &turn, "COMMIT")?,
        Autocommit::Off if turn.autocommits() => run(t, &turn, "BEGIN")?,
        _ => {}
    }
    c.with(t, |s| s.autocommit = new);
    Ok(())
}

// --- cursors and statements ---

fn make_cursor(t: &mut Thread, a: &[Value]) -> Res {
    let c = Connection::this(a[0]);
    c.usable(t)?;
    let factory = match a[1].is_null() {
        true => CURSOR.value(),
        false => a[1],
    };
    let cursor = proto::call(t, factory, &[a[0]])?;
    let Some(made) = Cursor::of(cursor.value()) else {
        let got = type_of(cursor.value()).name();
        return Err(t.type_error(format!("factory must return a cursor, not {got}")));
    };
    let rows = c.row_factory(t);
    if !rows.value().is_none() {
        made.set_row_factory(t, rows);
    }
    Ok(cursor.into())
}

/// `execute` and the like: of a new cursor.
fn through_cursor(t: &mut Thread, v: Value, method: &str, args: &[Value]) -> Res {
    let cursor = proto::call_method(t, v, "cursor", &[])?;
    proto::call_method(t, cursor.value(), method, args).map(Obj::into_value)
}

/// `sqlite3.Statement`
pub static STATEMENT: Type = Type::builtin(
    "Statement",
    size_of::<Holder<Arc<Statement>>>(),
    &Spec::EMPTY,
)
.clear_only(Holder::<Arc<Statement>>::clear)
.module("sqlite3")
.final_()
.no_new();

/// Prepares a statement.
fn call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    if args.has_keywords() {
        return Err(t.type_error("sqlite3.Connection() takes no keyword arguments".into()));
    }
    let db = Connection::this(v).usable(t)?;
    let [sql] = *args.pos() else {
        let n = args.pos().len();
        return Err(t.type_error(format!("function takes exactly 1 argument ({n} given)")));
    };
    let Some(sql) = Str::of(sql) else {
        return Err(super::column::not_str(t, sql, "argument 1"));
    };
    let turn = turn(t, &db)?;
    let statement = cursor::prepare(t, &turn, sql)?;
    drop(turn);
    Ok(Holder::new(t, &STATEMENT, statement).into())
}

// --- settings ---

fn limit(t: &mut Thread, v: Value, category: Value, new: Option<Value>) -> Res {
    let category = c_int(t, category)?;
    let new = new.map_or(Ok(-1), |v| c_int(t, v))?;
    let db = Connection::this(v).usable(t)?;
    let turn = turn(t, &db)?;
    // SAFETY: open, and the turn is held.
    let old = unsafe { ffi::sqlite3_limit(turn.raw(), category, new) };
    if old < 0 {
        return Err(error::programming(t, "'category' is out of bounds"));
    }
    Ok(Value::int(old.into()))
}

/// An option that is on or off.
fn option(t: &mut Thread, v: Value, option: Value, new: Option<bool>) -> Res {
    let option = c_int(t, option)?;
    let db = Connection::this(v).usable(t)?;
    let mut known = super::constants::OTHERS.iter();
    if !known.any(|(n, i)| n.starts_with("SQLITE_DBCONFIG") && *i == i64::from(option)) {
        return Err(t.value_error(format!("unknown config 'op': {option}")));
    }
    let turn = turn(t, &db)?;
    let mut now: std::ffi::c_int = 0;
    let wanted = new.map_or(-1, std::ffi::c_int::from);
    // SAFETY: open, and the turn is held; these options take an int and where to write one.
    let code = unsafe { ffi::sqlite3_db_config(turn.raw(), option, wanted, &raw mut now) };
    if code != ffi::SQLITE_OK {
        let fault = turn.fault();
        return Err(error::fault(t, fault));
    }
    if new.is_some_and(|new| new != (now != 0)) {
        return Err(error::raise(
            t,
            Class::Operational,
            "Unable to set config".into(),
        ));
    }
    Ok(if new.is_some() {
        Value::NONE
    } else {
        Value::bool(now != 0)
    })
}

fn enable_extensions(t: &mut Thread, a: &[Value]) -> Res {
    let c = Connection::this(a[0]);
    let on = proto::truth(t, a[1])?;
    audit::tell(t, "sqlite3.enable_load_extension", &[a[0], Value::bool(on)])?;
    let db = c.usable(t)?;
    let turn = turn(t, &db)?;
    // SAFETY: open, and the turn is held.
    let code = unsafe { ffi::sqlite3_enable_load_extension(turn.raw(), on.into()) };
    if code != ffi::SQLITE_OK {
        return Err(error::raise(
            t,
            Class::Operational,
            "Error enabling load extension".into(),
        ));
    }
    Ok(Value::NONE)
}

fn load_extension(t: &mut Thread, a: &[Value]) -> Res {
    let c = Connection::this(a[0]);
    let name = c_argument(t, a[1], "load_extension() argument 1")?;
    let entry = match support::given_some(t, a[2]) {
        Some(entry) => Some(c_argument(
            t,
            entry.value(),
            "load_extension() argument 'entrypoint'",
        )?),
        None => None,
    };
    audit::tell(t, "sqlite3.load_extension", &[a[0], a[1]])?;
    let db = c.usable(t)?;
    let turn = turn(t, &db)?;
    let mut said = std::ptr::null_mut();
    let code = turn.call(t, |raw| {
        let entry = entry
            .as_deref()
            .map_or(std::ptr::null(), std::ffi::CStr::as_ptr);
        // SAFETY: open, and the turn is held; C strings, and room for a message.
        unsafe { ffi::sqlite3_load_extension(raw, name.as_ptr(), entry, &mut said) }
    });
    if code != ffi::SQLITE_OK {
        // SAFETY: a message of SQLite's, or NULL.
        let msg = unsafe {
            let msg = super::db::text_of(said);
            ffi::sqlite3_free(said.cast());
            msg
        };
        return Err(error::raise(t, Class::Operational, msg));
    }
    Ok(Value::NONE)
}

fn iterdump(t: &mut Thread, a: &[Value]) -> Res {
    Connection::this(a[0]).db(t)?;
    let dump = runtime::import(t, "sqlite3.dump")?;
    let f = proto::get_attr(t, dump.value(), weft_objects::names::get(t, "_iterdump"))?;
    let filter = if a[1].is_null() { Value::NONE } else { a[1] };
    let names = Str::intern(t, "filter");
    let names = Tuple::from_slice(t, &[names.value()]);
    let args = [a[0], filter];
    proto::call_kw(t, f.value(), Args::new(&args, names.value())).map(Obj::into_value)
}

fn interrupt(t: &mut Thread, a: &[Value]) -> Res {
    let db = Connection::this(a[0]).db(t)?;
    if db.interrupt() {
        Ok(Value::NONE)
    } else {
        Err(closed(t))
    }
}

/// What a look at the open database gives.
fn looked(t: &mut Thread, v: Value, f: impl FnOnce(&Turn<'_>) -> Value) -> Res {
    let db = Connection::this(v).db(t)?;
    let turn = turn(t, &db)?;
    Ok(f(&turn))
}

macro_rules! exception {
    ($name:literal, $class:ident) => {
        GetSetDef::ro($name, |t, _| Ok(error::class(t, Class::$class).into()))
    };
}

fn set_factory(t: &mut Thread, v: Value, new: Value, name: &str) -> Res<()> {
    let c = Connection::this(v);
    if new.is_null() {
        let name = weft_objects::names::get(t, name);
        let msg = format!("cannot delete {} attribute", name.to_string_lossy());
        return Err(t.attribute_error_msg(v, name, msg));
    }
    let slot = match name {
        "row_factory" => &c.row_factory,
        _ => &c.text_factory,
    };
    let new = Obj::new(t, new);
    slot.set(t, &c.header, new.into_value());
    Ok(())
}

static GETSET: &[GetSetDef] = &[
    exception!("Warning", Warning),
    exception!("Error", Error),
    exception!("InterfaceError", Interface),
    exception!("DatabaseError", Database),
    exception!("DataError", Data),
    exception!("OperationalError", Operational),
    exception!("IntegrityError", Integrity),
    exception!("InternalError", Internal),
    exception!("ProgrammingError", Programming),
    exception!("NotSupportedError", NotSupported),
    GetSetDef::rw(
        "isolation_level",
        |t, v| {
            let c = Connection::this(v);
            c.db(t)?;
            Ok(match c.state(t).isolation {
                Some(level) => Str::intern(t, level).into(),
                None => Value::NONE,
            })
        },
        set_level,
    ),
    GetSetDef::ro("total_changes", |t, v| {
        looked(t, v, |turn| {
            // SAFETY: open, and the turn is held.
            Value::int(unsafe { ffi::sqlite3_total_changes(turn.raw()) }.into())
        })
    }),
    GetSetDef::ro("in_transaction", |t, v| {
        looked(t, v, |turn| Value::bool(!turn.autocommits()))
    }),
    GetSetDef::rw(
        "autocommit",
        |t, v| {
            let c = Connection::this(v);
            c.usable(t)?;
            Ok(match c.state(t).autocommit {
                Autocommit::On => Value::TRUE,
                Autocommit::Off => Value::FALSE,
                Autocommit::Legacy => Value::int(LEGACY),
            })
        },
        set_autocommit,
    ),
    GetSetDef::ro("__text_signature__", |t, _| {
        Ok(Str::new(t, "(sql, /)").into())
    }),
    GetSetDef::rw(
        "row_factory",
        |t, v| Ok(Connection::this(v).row_factory(t).into()),
        |t, v, new| set_factory(t, v, new, "row_factory"),
    ),
    GetSetDef::rw(
        "text_factory",
        |t, v| Ok(Connection::this(v).text_factory(t).into()),
        |t, v, new| set_factory(t, v, new, "text_factory"),
    ),
];

static METHODS: &[NativeDef] = &[
    NativeDef::new(
        "backup",
        "($self, /, target, *, pages=-1, progress=None, name='main', sleep=0.25)",
        copy::backup,
    )
    .doc("Makes a backup of the database."),
    NativeDef::new("close", "($self, /)", close)
        .doc("Close the database connection.\n\nAny pending transaction is not committed implicitly."),
    NativeDef::new("commit", "($self, /)", |t, a| end_transaction(t, a[0], "COMMIT"))
        .doc("Commit any pending transaction to the database.\n\nIf there is no open transaction, this method is a no-op."),
    NativeDef::raw(
        "create_aggregate",
        "($self, /, name, n_arg, aggregate_class)",
        create::aggregate,
    )
    .doc("Creates a new aggregate."),
    NativeDef::new("create_collation", "($self, name, callback, /)", create::collation)
        .doc("Creates a collation function."),
    NativeDef::raw(
        "create_function",
        "($self, /, name, narg, func, *, deterministic=False)",
        create::function,
    )
    .doc("Creates a new function."),
    NativeDef::new("cursor", "($self, /, factory=<unrepresentable>)", make_cursor)
        .doc("Return a cursor for the connection."),
    NativeDef::new("enable_load_extension", "($self, enable, /)", enable_extensions)
        .doc("Enable dynamic loading of SQLite extension modules."),
    NativeDef::new("__enter__", "($self, /)", |t, a| {
        Connection::this(a[0]).db(t)?;
        Ok(Obj::new(t, a[0]).into())
    })
    .doc("Called when the connection is used as a context manager.\n\nReturns itself as a convenience to the caller."),
    NativeDef::new("executemany", "($self, sql, parameters, /)", |t, a| {
        through_cursor(t, a[0], "executemany", &a[1..3])
    })
    .doc("Repeatedly executes an SQL statement."),
    NativeDef::new("executescript", "($self, sql_script, /)", |t, a| {
        through_cursor(t, a[0], "executescript", &a[1..2])
    })
    .doc("Executes multiple SQL statements at once."),
    NativeDef::new("execute", "($self, sql, parameters=(), /)", |t, a| {
        let n = if a[2].is_null() { 2 } else { 3 };
        through_cursor(t, a[0], "execute", &a[1..n])
    })
    .doc("Executes an SQL statement."),
    NativeDef::new("__exit__", "($self, type, value, traceback, /)", exit)
        .doc("Called when the connection is used as a context manager.\n\nIf there was any exception, a rollback takes place; otherwise we\ncommit."),
    NativeDef::new("interrupt", "($self, /)", interrupt)
        .doc("Abort any pending database operation."),
    NativeDef::new("iterdump", "($self, /, *, filter=None)", iterdump)
        .doc("Returns iterator to the dump of the database in an SQL text format.\n\n  filter\n    An optional LIKE pattern for database objects to dump"),
    NativeDef::new("load_extension", "($self, name, /, *, entrypoint=None)", load_extension)
        .doc("Load SQLite extension module."),
    NativeDef::new("rollback", "($self, /)", |t, a| end_transaction(t, a[0], "ROLLBACK"))
        .doc("Roll back to the start of any pending transaction.\n\nIf there is no open transaction, this method is a no-op."),
    NativeDef::raw("set_authorizer", "($self, /, authorizer_callback)", create::authorizer)
        .doc("Set authorizer callback."),
    NativeDef::raw("set_progress_handler", "($self, /, progress_handler, n)", create::progress)
        .doc("Set progress handler callback.\n\nIf 'progress_handler' is None or 'n' is 0, the progress handler is\ndisabled."),
    NativeDef::raw("set_trace_callback", "($self, /, trace_callback)", create::trace)
        .doc("Set a trace callback called for each SQL statement (passed as unicode)."),
    NativeDef::new("setlimit", "($self, category, limit, /)", |t, a| {
        limit(t, a[0], a[1], Some(a[2]))
    })
    .doc("Set connection run-time limits."),
    NativeDef::new("getlimit", "($self, category, /)", |t, a| limit(t, a[0], a[1], None))
        .doc("Get connection run-time limits.\n\n  category\n    The limit category to be queried."),
    NativeDef::new("serialize", "($self, /, *, name='main')", copy::serialize)
        .doc("Serialize a database into a byte string."),
    NativeDef::new("deserialize", "($self, data, /, *, name='main')", copy::deserialize)
        .doc("Load a serialized database."),
    NativeDef::new(
        "create_window_function",
        "($self, name, num_params, aggregate_class, /)",
        create::window_function,
    )
    .doc("Creates or redefines an aggregate window function. Non-standard."),
    NativeDef::new(
        "blobopen",
        "($self, table, column, rowid, /, *, readonly=False, name='main')",
        super::blob::open,
    )
    .doc("Open and return a BLOB object."),
    NativeDef::new("setconfig", "($self, op, enable=True, /)", |t, a| {
        let on = support::truth_or(t, a[2], true)?;
        option(t, a[0], a[1], Some(on))
    })
    .doc("Set a boolean connection configuration option.\n\n  op\n    The configuration verb; one of the sqlite3.SQLITE_DBCONFIG codes."),
    NativeDef::new("getconfig", "($self, op, /)", |t, a| option(t, a[0], a[1], None))
        .doc("Query a boolean connection configuration option.\n\n  op\n    The configuration verb; one of the sqlite3.SQLITE_DBCONFIG codes."),
];

/// `sqlite3.Connection`
pub static CONNECTION: Type = Type::builtin(
    "Connection",
    size_of::<Connection>(),
    &Spec {
        new: Some(new),
        init: Some(init),
        call: Some(call),
        finalize: Some(finalize),
        methods: METHODS,
        getset: GETSET,
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.finalizer(has_finalizer)
.module("sqlite3")
.doc("SQLite database connection object.");
