//! Start-up and shut-down: from the settings to a running program and to its exit code.

use crate::cli::{Config, Target};
use crate::compile::{Mode, Options};
use crate::{compile_api, imp, import, library, sys};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use weft_objects::interpreter::{self, Interpreter};
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::runtime::{self, Global};
use weft_objects::weakref::WeakRef;
use weft_stdlib::support::fs_decode;

static CONFIG: OnceLock<Config> = OnceLock::new();
/// What was put first on `sys.path` for the program.
static FIRST_PATH: OnceLock<Vec<u8>> = OnceLock::new();
/// The code object of `-c`.
static COMMAND: Global = Global::new();

/// The settings of the process.
pub fn config() -> &'static Config {
    CONFIG.get_or_init(|| match crate::cli::parse(vec!["weft".into()]) {
        crate::cli::Parsed::Run(c) => *c,
        crate::cli::Parsed::Exit(..) => unreachable!("no arguments are always right"),
    })
}

/// The directory that the program put first on the path; `None` if there is none.
pub fn script_dir(_t: &Thread) -> Option<String> {
    FIRST_PATH
        .get()
        .map(|p| String::from_utf8_lossy(p).into_owned())
}

/// Runs the program that the settings ask for, from start-up to shut-down, on the calling thread. Gives the exit code.
pub fn run(c: Config) -> i32 {
    let (stats, timeline) = (c.stats, c.timeline.clone());
    if stats || timeline.is_some() {
        weft_gc::stats::enable(stats, timeline.is_some(), type_name);
    }
    let _ = CONFIG.set(c);
    // The process ends with it: taking it apart would be for nothing.
    let t = &mut *Box::leak(runtime::main_thread(stack_size()));
    if init(t).is_err() {
        eprintln!("Fatal Python error: init_import_site: Failed to initialize the runtime");
        sys::hooks::print_uncaught(t);
        return 1;
    }
    let mut end = run_target(t);
    if config().inspect && !matches!(config().target, Target::Stdin) {
        end = crate::prompt::run(t);
    }
    let code = finalize(t, end.code);
    if stats {
        eprint!("{}", weft_gc::stats::report(t));
    }
    if let Some(file) = timeline {
        let path = Path::new(OsStr::from_bytes(&file));
        if let Err(e) = std::fs::write(path, weft_gc::stats::timeline()) {
            eprintln!("weft: cannot write '{}': {e}", path.display());
        }
    }
    if end.interrupted {
        exit_by_signal();
    }
    code
}

/// What a type is called in reports.
fn type_name(ty: &weft_gc::TypeHead) -> String {
    // SAFETY: every type object of the runtime begins with its head.
    unsafe { &*(&raw const *ty).cast::<Type>() }.name()
}

/// How a program has ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct End {
    pub code: i32,
    /// By an uncaught KeyboardInterrupt.
    pub interrupted: bool,
}

/// Bytes of stack that the main thread has.
fn stack_size() -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the structure is ours.
    let r = unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut limit) };
    if r != 0 {
        return 8 << 20;
    }
    usize::try_from(limit.rlim_cur)
        .unwrap_or(usize::MAX)
        .clamp(1 << 20, 64 << 20)
}

/// Dies as a program does that leaves SIGINT alone, so that the shell can tell.
fn exit_by_signal() {
    // SAFETY: restores the default action and sends the signal to this process.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_DFL);
        libc::kill(libc::getpid(), libc::SIGINT);
    }
}

/// Makes types, builtins, `sys`, the import system and the standard streams.
fn init(t: &mut Thread) -> Res<()> {
    if config().dev_mode {
        runtime::set_dev_mode();
    }
    weft_objects::code::LINES_ONLY.store(config().no_debug_ranges, Relaxed);
    if config().faulthandler || config().dev_mode {
        // Where the system refuses it the program runs without.
        let _ = weft_stdlib::faulthandler::enable_on(libc::STDERR_FILENO, true, true);
    }
    init_core(t).and_then(|(sys, builtins)| init_interpreter(t, &sys, &builtins))
}

/// All that an interpreter has of its own, and that needs imports.
fn init_interpreter(t: &mut Thread, sys: &Obj, builtins: &Obj) -> Res<()> {
    init_import(t, sys)?;
    set_path(t);
    sys::open_streams(t, config())?;
    if let (Some(open), Some(b)) = (io_open(t)?, Module::of(builtins.value())) {
        b.add(t, "open", open);
    }
    import::import_module(t, "_signal")?;
    init_main(t)?;
    if !config().warn_options.is_empty() {
        import::import_module(t, "warnings")?;
    }
    init_site(t)
}

/// Makes types and the modules `sys` and `builtins`: all that is needed to run code which imports nothing.
///
/// # Errors
/// None in practice.
pub fn init_core(t: &mut Thread) -> Res<(Obj, Obj)> {
    crate::interp::install();
    runtime::ready_types(t);
    runtime::set_import_hook(import::import_module);
    core_modules(t)
}

/// Makes the modules `sys` and `builtins` of an interpreter.
fn core_modules(t: &mut Thread) -> Res<(Obj, Obj)> {
    let modules = Dict::new(t);
    runtime::MODULES.of(t).set(t, modules.clone());
    let builtins = crate::builtins::init(t)?;
    let sys = sys::module(t, config())?;
    if let Some(m) = Module::of(sys.value()) {
        m.add(t, "modules", modules.clone());
        runtime::SYS.of(t).set(t, m.dict_obj(t));
    }
    for (name, m) in [("sys", &sys), ("builtins", &builtins)] {
        Dict::of_obj(&modules).set_str(t, weft_objects::names::get(t, name), m.value());
    }
    if let Some(f) = Module::of(builtins.value()).and_then(|b| b.get(t, "__import__")) {
        import::set_builtin_import(t, f);
    }
    Ok((sys, builtins))
}

fn io_open(t: &mut Thread) -> Res<Option<Obj>> {
    let io = import::import_module(t, "_io")?;
    Ok(Module::of(io.value()).and_then(|m| m.get(t, "open")))
}

/// importlib, out of the embedded library.
fn init_import(t: &mut Thread, sys: &Obj) -> Res<()> {
    let bootstrap = imp::run_frozen(t, "_frozen_importlib")?;
    import::set_importlib(t, bootstrap.clone());
    let imp = match imp::make_builtin(t, "_imp")? {
        Some(m) => m,
        None => return Err(t.system_error("there is no module _imp")),
    };
    import::modules(t)?.set_str(t, weft_objects::id!(t, "_imp"), imp.value());
    proto::call_method(
        t,
        bootstrap.value(),
        "_install",
        &[sys.value(), imp.value()],
    )?;
    proto::call_method(t, bootstrap.value(), "_install_external_importers", &[])?;
    library::install(t)
}

/// `sys.path` without the program's own directory: PYTHONPATH and the library.
fn set_path(t: &Thread) {
    let mut entries: Vec<Obj> = Vec::new();
    for p in &config().python_path {
        // As the site module does: an empty entry is the working directory.
        let p = if p.is_empty() { cwd() } else { p.clone() };
        entries.push(fs_decode(t, &p));
    }
    entries.push(library::path_entry(t));
    let path = List::from_vec(t, entries);
    sys::set(t, "path", &path);
}

fn cwd() -> Vec<u8> {
    use std::os::unix::ffi::OsStringExt;
    std::env::current_dir()
        .map(|p| p.into_os_string().into_vec())
        .unwrap_or_default()
}

/// The module `__main__`, still empty.
fn init_main(t: &mut Thread) -> Res<()> {
    let m = Module::new(t, "__main__");
    if let Some(module) = Module::of(m.value()) {
        let builtins = import::import_module(t, "builtins")?;
        module.add(t, "__builtins__", builtins);
        let importlib = import::import_module(t, "_frozen_importlib")?;
        let loader = proto::get_attr(
            t,
            importlib.value(),
            weft_objects::id!(t, "BuiltinImporter"),
        )?;
        module.add(t, "__loader__", loader);
    }
    import::modules(t)?.set_str(t, weft_objects::id!(t, "__main__"), m.value());
    Ok(())
}

fn main_dict(t: &mut Thread) -> Res<Obj> {
    let m = import::import_module(t, "__main__")?;
    match Module::of(m.value()) {
        Some(m) => Ok(m.dict_obj(t)),
        None => proto::get_attr(t, m.value(), weft_objects::id!(t, "__dict__")),
    }
}

/// The work of the module site: by itself where there is something for it to find, else only the builtins that it adds.
fn init_site(t: &mut Thread) -> Res<()> {
    if config().no_site {
        return Ok(());
    }
    let done = if needs_site() {
        import::import_module(t, "site")
    } else {
        import::import_module(t, "_weft_site")
            .and_then(|m| proto::call_method(t, m.value(), "install", &[]))
    };
    if done.is_err() {
        eprintln!("Error processing line 1 of site:\n");
        sys::hooks::print_uncaught(t);
    }
    Ok(())
}

/// Whether there are directories of packages, a virtual environment, or hooks for start-up.
fn needs_site() -> bool {
    use std::os::unix::ffi::OsStrExt;
    let c = config();
    let path = |bytes: &[u8]| std::path::PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
    let exe = path(&c.executable);
    let beside =
        |dir: Option<&std::path::Path>| dir.is_some_and(|d| d.join("pyvenv.cfg").is_file());
    let user = || {
        let base = std::env::var_os("PYTHONUSERBASE").map(std::path::PathBuf::from);
        let base = base.or_else(|| {
            std::env::var_os("HOME").map(|h| std::path::PathBuf::from(h).join(".local"))
        });
        base.is_some_and(|b| b.join("lib").join(sys::info::LIB_NAME).is_dir())
    };
    beside(exe.parent())
        || beside(exe.parent().and_then(std::path::Path::parent))
        || path(&sys::info::stdlib_dir(c))
            .join("site-packages")
            .is_dir()
        || !c.python_path.is_empty()
        || !c.no_user_site && user()
}

// --- more interpreters ---

/// Makes an interpreter that allows this.
///
/// # Errors
/// What its start-up raises.
pub fn new_interpreter(t: &mut Thread, allowed: u32) -> Res<&'static Interpreter> {
    let new = Interpreter::make(allowed);
    let r = interpreter::within(t, new, |t| {
        let (sys, builtins) = core_modules(t)?;
        init_interpreter(t, &sys, &builtins)?;
        if let Some(first) = FIRST_PATH.get().filter(|_| !config().safe_path) {
            let entry = fs_decode(t, first);
            insert_path(t, &entry);
        }
        Ok(())
    });
    match r {
        Some(Err(e)) => {
            new.end(t);
            Err(e)
        }
        _ => Ok(new),
    }
}

/// Ends an interpreter in which nothing runs but threads that it has started, which are waited for.
pub fn end_interpreter(t: &mut Thread, i: &'static Interpreter) {
    interpreter::within(t, i, |t| {
        shut_threads_down(t);
        weft_stdlib::atexit::run(t);
        runtime::run_pending(t);
        sys::flush_streams(t);
        let gone = forget_modules(t);
        clear_gone(t, &gone);
        sys::flush_streams(t);
    });
    i.end(t);
    weft_gc::collect(t);
    runtime::run_pending(t);
}

/// Ends the interpreters that the program has left behind.
fn end_interpreters(t: &mut Thread) {
    let left: Vec<i64> = Interpreter::all()
        .into_iter()
        .filter(|id| *id > 0)
        .collect();
    if left.is_empty() {
        return;
    }
    let msg = "remaining subinterpreters; close them with Interpreter.close()";
    if errors::warn::warn(t, &errors::RUNTIME_WARNING, msg).is_err() {
        runtime::unraisable(t, "", None);
    }
    for i in left.into_iter().filter_map(Interpreter::find) {
        // Daemons go on in theirs.
        if !i.is_used() {
            end_interpreter(t, i);
        }
    }
}

// --- running ---

/// Runs what the command line names.
fn run_target(t: &mut Thread) -> End {
    let r = match &config().target {
        Target::Command(source) => run_command(t, source),
        Target::Module(name) => run_module(t, name),
        Target::File(path) => return run_file(t, path),
        Target::Stdin => return run_stdin(t),
    };
    end_of(t, r)
}

/// The exit code for how a program has ended; prints what was not caught.
pub fn end_of(t: &mut Thread, r: Res<()>) -> End {
    if r.is_ok() {
        return End::default();
    }
    if t.exc_matches(&errors::SYSTEM_EXIT) {
        if config().inspect {
            t.clear_exc();
            return End::default();
        }
        let code = t.take_exc().map_or(1, |e| sys::hooks::exit_code(t, &e));
        return End {
            code,
            interrupted: false,
        };
    }
    let interrupted = t.exc_matches(&errors::KEYBOARD_INTERRUPT);
    sys::hooks::print_uncaught(t);
    if t.exc_matches(&errors::SYSTEM_EXIT) {
        // The hook wants to exit.
        let code = t.take_exc().map_or(1, |e| sys::hooks::exit_code(t, &e));
        return End {
            code,
            interrupted: false,
        };
    }
    End {
        code: if interrupted { 130 } else { 1 },
        interrupted,
    }
}

/// Puts the program's directory first on `sys.path`.
fn add_first_path(t: &mut Thread, dir: Vec<u8>) {
    if config().safe_path {
        return;
    }
    let entry = fs_decode(t, &dir);
    let _ = FIRST_PATH.set(dir);
    insert_path(t, &entry);
}

fn insert_path(t: &mut Thread, entry: &Obj) {
    if let Some(path) = runtime::sys_attr(t, "path")
        && let Some(l) = List::of(path.value())
    {
        l.insert(t, 0, entry.clone().into_value());
    }
}

fn options() -> Options {
    Options {
        optimize: config().optimize,
        ..Options::default()
    }
}

/// Runs a source text in `__main__`.
fn run_source(t: &mut Thread, source: &str, filename: &Obj, globals: &Obj) -> Res<()> {
    let opts = Options {
        from_file: matches!(config().target, Target::File(_)),
        ..options()
    };
    let code = compile_api::compile_named(t, source, filename, Mode::Exec, &opts)?;
    if matches!(config().target, Target::Command(_)) {
        COMMAND.set(t, code.clone());
    }
    crate::interp::exec_code(t, code.value(), globals, globals).map(|r| drop(Obj::own(r)))
}

fn run_command(t: &mut Thread, source: &[u8]) -> Res<()> {
    add_first_path(t, Vec::new());
    sys::hooks::audit(t, "cpython.run_command", &[])?;
    let filename = Str::intern(t, "<string>");
    let text = command_text(source);
    let globals = main_dict(t)?;
    run_source(t, &text, &filename, &globals)
}

/// The argument of `-c`: common indentation is taken away.
fn command_text(source: &[u8]) -> String {
    let text = String::from_utf8_lossy(source);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let indent_of = |l: &str| l.len() - l.trim_start_matches([' ', '\t']).len();
    let full = || lines.iter().filter(|l| !l.trim().is_empty());
    let Some(first) = full().next() else {
        return text.into_owned();
    };
    let mut common = &first[..indent_of(first)];
    for l in full() {
        let own = &l[..indent_of(l)];
        let same = common
            .bytes()
            .zip(own.bytes())
            .take_while(|(a, b)| a == b)
            .count();
        common = &common[..same];
    }
    let n = common.len();
    lines
        .iter()
        .map(|l| {
            if l.trim().is_empty() {
                l.trim_start_matches([' ', '\t'])
            } else {
                &l[n..]
            }
        })
        .collect()
}

/// Lets tracebacks show the lines of a `-c` program.
pub fn register_command_source(t: &mut Thread) {
    let (Target::Command(source), Some(code)) = (&config().target, COMMAND.get()) else {
        return;
    };
    let saved = t.take_exc();
    let source = Str::from_string(t, command_text(source));
    let name = Str::intern(t, "<string>");
    let done = import::import_module(t, "linecache").and_then(|m| {
        proto::call_method(
            t,
            m.value(),
            "_register_code",
            &[code, source.value(), name.value()],
        )
    });
    if done.is_err() {
        t.clear_exc();
    }
    if let Some(e) = saved {
        t.set_exc(e);
    }
}

fn run_module(t: &mut Thread, name: &[u8]) -> Res<()> {
    add_first_path(t, cwd());
    let name = fs_decode(t, name);
    sys::hooks::audit(t, "cpython.run_module", &[name.value()])?;
    let runpy = import::import_module(t, "runpy")?;
    let args = [name.value(), Value::TRUE];
    proto::call_method(t, runpy.value(), "_run_module_as_main", &args).map(drop)
}

fn run_file(t: &mut Thread, path: &[u8]) -> End {
    use std::os::unix::ffi::OsStrExt;
    let p = std::path::Path::new(std::ffi::OsStr::from_bytes(path));
    if p.is_dir() || library::is_archive(p) {
        let r = run_main_of(t, path);
        return end_of(t, r);
    }
    let source = match std::fs::read(p) {
        Ok(s) => s,
        Err(e) => {
            let shown = std::path::absolute(p).unwrap_or_else(|_| p.to_path_buf());
            let (n, shown) = (
                e.raw_os_error().unwrap_or(0),
                String::from_utf8_lossy(shown.as_os_str().as_bytes()).into_owned(),
            );
            let shown = Str::new(t, &shown);
            let quoted = proto::repr(t, shown.value());
            let quoted = quoted
                .ok()
                .and_then(|q| Str::of(q.value()).map(|s| s.to_string_lossy()))
                .unwrap_or_default();
            eprintln!(
                "{}: can't open file {quoted}: [Errno {n}] {}",
                program_name(),
                errors::strerror(n)
            );
            return End {
                code: 2,
                interrupted: false,
            };
        }
    };
    let real = std::fs::canonicalize(p).unwrap_or_else(|_| p.to_path_buf());
    let dir = real
        .parent()
        .map(|d| d.as_os_str().as_bytes().to_vec())
        .unwrap_or_default();
    add_first_path(t, dir);
    // As it is named, but from the root on.
    let whole = std::env::current_dir().map_or_else(|_| p.to_path_buf(), |d| d.join(p));
    let r = run_script(t, whole.as_os_str().as_bytes(), &source);
    end_of(t, r)
}

/// The name that messages about the command line begin with.
fn program_name() -> String {
    let exe = &config().executable;
    let name = exe.rsplit(|b| *b == b'/').next().unwrap_or(exe);
    if name.is_empty() {
        "weft".into()
    } else {
        String::from_utf8_lossy(name).into_owned()
    }
}

fn run_script(t: &mut Thread, path: &[u8], source: &[u8]) -> Res<()> {
    let filename = fs_decode(t, path);
    sys::hooks::audit(t, "cpython.run_file", &[filename.value()])?;
    let globals = main_dict(t)?;
    let external = import::import_module(t, "_frozen_importlib_external")?;
    let main = Str::intern(t, "__main__");
    let args = [main.value(), filename.value()];
    let d = Dict::of_obj(&globals);
    if path.ends_with(b".pyc") {
        let loader = proto::call_method(t, external.value(), "SourcelessFileLoader", &args)?;
        let code = proto::call_method(t, loader.value(), "get_code", &[main.value()])?;
        set_file(t, d, &filename, &loader);
        return crate::interp::exec_code(t, code.value(), &globals, &globals)
            .map(|r| drop(Obj::own(r)));
    }
    let loader = proto::call_method(t, external.value(), "SourceFileLoader", &args)?;
    set_file(t, d, &filename, &loader);
    let source = if config().skip_first_line {
        skip_line(source)
    } else {
        source.to_vec()
    };
    let text = compile_api::decode_program(t, &source, filename.value())?;
    run_source(t, &text, &filename, &globals)
}

fn set_file(t: &Thread, d: &Dict, filename: &Obj, loader: &Obj) {
    d.set_str(t, weft_objects::id!(t, "__file__"), filename.value());
    d.set_str(t, weft_objects::id!(t, "__cached__"), Value::NONE);
    d.set_str(t, weft_objects::id!(t, "__loader__"), loader.value());
}

/// For `-x`: the first line stays as an empty one, so that the numbers of the others are right.
fn skip_line(source: &[u8]) -> Vec<u8> {
    match source.iter().position(|b| *b == b'\n') {
        Some(end) => source[end..].to_vec(),
        None => Vec::new(),
    }
}

/// A directory or archive: its `__main__`.
fn run_main_of(t: &mut Thread, path: &[u8]) -> Res<()> {
    let entry = fs_decode(t, path);
    let _ = FIRST_PATH.set(path.to_vec());
    insert_path(t, &entry);
    let runpy = import::import_module(t, "runpy")?;
    let main = Str::intern(t, "__main__");
    proto::call_method(
        t,
        runpy.value(),
        "_run_module_as_main",
        &[main.value(), Value::FALSE],
    )
    .map(drop)
}

fn run_stdin(t: &mut Thread) -> End {
    add_first_path(t, Vec::new());
    // SAFETY: asks only about the descriptor.
    if config().interactive || unsafe { libc::isatty(0) } == 1 {
        return crate::prompt::run(t);
    }
    let r = stdin_source(t).and_then(|(source, filename)| {
        let globals = main_dict(t)?;
        run_source(t, &source, &filename, &globals)
    });
    end_of(t, r)
}

fn stdin_source(t: &mut Thread) -> Res<(String, Obj)> {
    use std::io::Read;
    let filename = Str::intern(t, "<stdin>");
    let mut source = Vec::new();
    if let Err(e) = t.blocking(|| std::io::stdin().lock().read_to_end(&mut source)) {
        return Err(t.io_error(&e, None));
    }
    let text = compile_api::decode_program(t, &source, filename.value())?;
    Ok((text, filename))
}

// --- shut-down ---

/// Ends the program: waits for its threads, runs what was registered for the end, flushes. Gives the exit code.
fn finalize(t: &mut Thread, code: i32) -> i32 {
    shut_threads_down(t);
    weft_stdlib::atexit::run(t);
    runtime::run_pending(t);
    end_interpreters(t);
    let mut ok = sys::flush_streams(t);
    runtime::set_finalizing();
    // Threads that go on (daemons) would see modules disappear under them.
    if weft_gc::world().len() <= 1 {
        clear_modules(t);
    } else {
        weft_gc::collect(t);
        runtime::run_pending(t);
    }
    ok &= sys::flush_streams(t);
    if ok { code } else { 120 }
}

fn shut_threads_down(t: &mut Thread) {
    let name = weft_objects::id!(t, "threading");
    let threading = import::modules(t)
        .ok()
        .and_then(|d| d.get_str(t, name).map(|m| m.to_obj(t)));
    let r = match threading {
        Some(m) => proto::call_method(t, m.value(), "_shutdown", &[]).map(drop),
        None => weft_stdlib::_thread::shutdown(t),
    };
    if r.is_err() {
        runtime::unraisable(t, "Exception ignored on threading shutdown", None);
        t.clear_exc();
    }
}

/// The names in the modules that are not the library's go, so that what they held is finalized. The streams are the first ones again.
fn clear_modules(t: &mut Thread) {
    for name in ["stdin", "stdout", "stderr"] {
        if let Some(first) = runtime::sys_attr(t, &format!("__{name}__")) {
            sys::set(t, name, &first);
        }
    }
    for name in [
        "last_exc",
        "last_type",
        "last_value",
        "last_traceback",
        "ps1",
        "ps2",
    ] {
        let none = Obj::from_raw(Value::NONE);
        if runtime::sys_attr(t, name).is_some() {
            sys::set(t, name, &none);
        }
    }
    if !anything_left_to_run(t) {
        return;
    }
    clear_finalizable(t);
    let gone = forget_modules(t);
    weft_gc::collect(t);
    runtime::run_pending(t);
    clear_gone(t, &gone);
    weft_gc::collect(t);
    runtime::run_pending(t);
}

/// What still refers to a module keeps its names from going with it.
fn clear_gone(t: &mut Thread, gone: &[Obj]) {
    for r in gone.iter().rev() {
        if let Some(m) = WeakRef::of(r.value()).and_then(|r| r.get(t)) {
            clear_module(t, &m);
            runtime::run_pending(t);
        }
    }
}

/// Objects with a `__del__` that the program has put into the library's modules, which stay as they are.
fn clear_finalizable(t: &mut Thread) {
    let Ok(modules) = import::modules(t) else {
        return;
    };
    for (_, m) in modules.items(t) {
        let Some(module) = Module::of(m.value()).filter(|_| !is_the_programs(t, &m)) else {
            continue;
        };
        let dict = module.dict_obj(t);
        let d = Dict::of_obj(&dict);
        for (k, v) in d.items(t) {
            let ty = type_of(v.value());
            if ty.is_heap()
                && ty.slots.finalize.is_set()
                && let Some(key) = Str::of(k.value())
            {
                d.set_str(t, key, Value::NONE);
            }
        }
    }
    runtime::run_pending(t);
}

/// Whether there is an object with a finalizer, or a weak reference with a callback, besides those that do nothing which could be
/// seen at the end. If there is none, memory is all that taking modules apart could give back.
fn anything_left_to_run(t: &mut Thread) -> bool {
    let streams = standard_streams(t);
    let forgets = |w: &WeakRef| weft_stdlib::_abc::only_forgets(w.callback.get());
    weft_gc::any_object(t, &mut |h| {
        // SAFETY: a live object of that type.
        if h.ty().has_finalizer.is_some_and(|f| unsafe { f(h) }) {
            return !streams.iter().any(|s| std::ptr::eq(s.value().ptr(), h));
        }
        if h.ty().gc_flags.load(Relaxed) & weft_gc::weak::WEAK_TYPE == 0 {
            return false;
        }
        // SAFETY: objects of such types start so.
        let head = unsafe { &*(h as *const Header as *const weft_gc::weak::WeakHead) };
        let calls = head.has_callback.load(Relaxed) != 0 && !weft_gc::weak::is_dead(head);
        calls && !WeakRef::of(h.value()).is_some_and(forgets)
    })
}

/// The standard streams of the start with what they consist of: they have been flushed, and closing them does nothing.
fn standard_streams(t: &mut Thread) -> Vec<Obj> {
    let mut all = Vec::new();
    for name in ["__stdin__", "__stdout__", "__stderr__"] {
        let mut part = runtime::sys_attr(t, name);
        // Classes of programs may do anything.
        while let Some(p) = part.filter(|p| !type_of(p.value()).is_heap()) {
            let name = match type_of(p.value()).static_name() {
                "TextIOWrapper" => weft_objects::id!(t, "buffer"),
                _ => weft_objects::id!(t, "raw"),
            };
            part = proto::get_attr_opt(t, p.value(), name).unwrap_or_default();
            all.push(p);
        }
    }
    t.clear_exc();
    all
}

/// Takes the program's modules out of `sys.modules`, and gives weak references to them.
fn forget_modules(t: &mut Thread) -> Vec<Obj> {
    let Ok(modules) = import::modules(t) else {
        return Vec::new();
    };
    let mut gone = Vec::new();
    for (name, m) in modules.items(t) {
        if !is_the_programs(t, &m) {
            continue;
        }
        if let Ok(r) = weft_objects::weakref::new_ref(t, m.value(), Value::NULL) {
            gone.push(r);
        }
        if modules.remove(t, name.value()).is_err() {
            t.clear_exc();
        }
    }
    t.clear_exc();
    gone
}

/// Whether a module is `__main__`, or comes from a file that is not the library's.
fn is_the_programs(t: &Thread, m: &Obj) -> bool {
    let Some(module) = Module::of(m.value()) else {
        return false;
    };
    if is_main(t, m) {
        return true;
    }
    let file = module.get(t, "__file__");
    let file = file.as_ref().and_then(|f| Str::of(f.value()));
    file.is_some_and(|f| !f.as_bytes().starts_with(library::root().as_bytes()))
}

fn is_main(t: &Thread, m: &Obj) -> bool {
    let name = Module::of(m.value()).and_then(|m| m.get(t, "__name__"));
    name.as_ref()
        .and_then(|n| Str::of(n.value()))
        .is_some_and(|n| n.is("__main__"))
}

/// Private names first, then the others, as CPython does.
fn clear_module(t: &mut Thread, m: &Obj) {
    let Some(module) = Module::of(m.value()) else {
        return;
    };
    let dict = module.dict_obj(t);
    let d = Dict::of_obj(&dict);
    for private in [true, false] {
        for (k, _) in d.items(t) {
            let Some(key) = Str::of(k.value()) else {
                continue;
            };
            let b = key.as_bytes();
            let is_private = b.first() == Some(&b'_') && b.get(1) != Some(&b'_');
            if is_private == private && !key.is("__builtins__") {
                d.set_str(t, key, Value::NONE);
                if t.has_pending() {
                    runtime::run_pending(t);
                }
            }
        }
    }
}
