//! The command line: options, environment variables, and what is to be run.

use crate::venv::Venv;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What the command line asks to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `-c command`
    Command(Vec<u8>),
    /// `-m module`
    Module(Vec<u8>),
    /// A script, a directory or an archive.
    File(Vec<u8>),
    /// `-`, or nothing: the program is read from standard input.
    Stdin,
}

/// The settings of the process: the command line and the environment together.
#[derive(Clone, Debug)]
pub struct Config {
    pub target: Target,
    /// `sys.argv` (its first item may change when the target is run) and `sys.orig_argv`.
    pub argv: Vec<Vec<u8>>,
    pub orig_argv: Vec<Vec<u8>>,
    pub executable: Vec<u8>,
    /// `sys.base_prefix`.
    pub prefix: Vec<u8>,
    pub venv: Option<Venv>,
    pub debug: i64,
    pub inspect: bool,
    pub interactive: bool,
    pub optimize: u8,
    pub dont_write_bytecode: bool,
    pub no_user_site: bool,
    pub no_site: bool,
    pub ignore_environment: bool,
    pub verbose: i64,
    pub bytes_warning: i64,
    pub quiet: bool,
    pub isolated: bool,
    pub dev_mode: bool,
    /// Watch for faults from the start.
    pub faulthandler: bool,
    pub utf8_mode: bool,
    pub warn_default_encoding: bool,
    pub safe_path: bool,
    pub unbuffered: bool,
    pub skip_first_line: bool,
    pub hash_randomization: bool,
    pub int_max_str_digits: i64,
    pub thread_inherit_context: bool,
    pub context_aware_warnings: bool,
    pub warn_options: Vec<String>,
    pub xoptions: Vec<(String, Option<String>)>,
    pub python_path: Vec<Vec<u8>>,
    pub pycache_prefix: Option<Vec<u8>>,
    pub io_encoding: Option<String>,
    pub check_hash_based_pycs: String,
}

/// What to do once the command line has been read.
#[derive(Debug)]
pub enum Parsed {
    Run(Box<Config>),
    /// Print this and exit with this code (to stderr unless it is 0).
    Exit(String, i32),
}

pub const VERSION: &str = "3.14.7";
/// Major, minor, micro.
pub const VERSION_INFO: [i64; 3] = [3, 14, 7];
pub const FREE_THREADED: bool = cfg!(not(feature = "gil"));

/// `sys.version`.
pub fn version_text() -> String {
    let build = if FREE_THREADED {
        " free-threading build"
    } else {
        ""
    };
    format!(
        "{VERSION}{build} (weft {}) [Rust]",
        env!("CARGO_PKG_VERSION")
    )
}

const USAGE: &str = "\
usage: weft [option] ... [-c cmd | -m mod | file | -] [arg] ...
Options (and corresponding environment variables):
-b     : issue warnings about converting bytes/bytearray to str and comparing
         bytes/bytearray with str or bytes with int; also PYTHONBYTESWARNING=x
         (-bb: issue errors)
-B     : don't write .pyc files on import; also PYTHONDONTWRITEBYTECODE=x
-c cmd : program passed in as string (terminates option list)
-d     : accepted and ignored; also PYTHONDEBUG=x
-E     : ignore PYTHON* environment variables (such as PYTHONPATH)
-h     : print this help message and exit (also -? or --help)
-i     : inspect interactively after running script; also PYTHONINSPECT=x
-I     : isolate Weft from the user's environment (implies -E, -P and -s)
-m mod : run library module as a script (terminates option list)
-O     : remove assert and __debug__-dependent statements; also PYTHONOPTIMIZE=x
-OO    : do -O changes and also discard docstrings
-P     : don't prepend a potentially unsafe path to sys.path; also
         PYTHONSAFEPATH=x
-q     : don't print version and copyright messages on interactive startup
-s     : don't add user site directory to sys.path; also PYTHONNOUSERSITE=x
-S     : don't imply 'import site' on initialization
-u     : force the stdout and stderr streams to be unbuffered; also
         PYTHONUNBUFFERED=x
-v     : verbose (trace import statements); also PYTHONVERBOSE=x
-V     : print the version number and exit (also --version); -VV prints more
-W arg : warning control; arg is action:message:category:module:lineno; also
         PYTHONWARNINGS=arg
-x     : skip first line of source, allowing use of non-Unix forms of #!cmd
-X opt : set implementation-specific option (gil=0|1, dev, utf8, int_max_str_digits=n,
         pycache_prefix=path, warn_default_encoding)
Arguments:
file   : program read from script file
-      : program read from stdin (default; interactive mode if a tty)
arg ...: arguments passed to program in sys.argv[1:]
";

fn env_bytes(name: &str) -> Option<Vec<u8>> {
    std::env::var_os(name)
        .map(OsString::into_vec)
        .filter(|v| !v.is_empty())
}

fn lossy(b: &[u8]) -> String {
    String::from_utf8_lossy(b).into_owned()
}

struct Options {
    config: Config,
    help: bool,
    versions: u32,
}

/// Reads the command line and the environment.
pub fn parse(args: Vec<OsString>) -> Parsed {
    let args: Vec<Vec<u8>> = args.into_iter().map(OsString::into_vec).collect();
    let mut o = Options {
        config: defaults(&args),
        help: false,
        versions: 0,
    };
    let rest = match read_options(&args, &mut o) {
        Ok(rest) => rest,
        Err(msg) => {
            return Parsed::Exit(
                format!(
                    "{msg}\nusage: weft [option] ... [-c cmd | -m mod | file | -] [arg] ...\nTry `weft -h' for more information.\n"
                ),
                2,
            );
        }
    };
    if o.help {
        return Parsed::Exit(USAGE.into(), 0);
    }
    match o.versions {
        0 => {}
        1 => {
            return Parsed::Exit(
                format!("Python {VERSION} (Weft {})\n", env!("CARGO_PKG_VERSION")),
                0,
            );
        }
        _ => return Parsed::Exit(format!("Python {}\n", version_text()), 0),
    }
    let mut c = o.config;
    c.argv = match &c.target {
        Target::Command(_) => vec![b"-c".to_vec()],
        Target::Module(_) => vec![b"-m".to_vec()],
        Target::File(f) => vec![f.clone()],
        Target::Stdin if rest.first().is_some_and(|a| a == b"-") => vec![b"-".to_vec()],
        Target::Stdin => vec![Vec::new()],
    };
    let skip = usize::from(matches!(c.target, Target::File(_) | Target::Stdin) && !rest.is_empty());
    c.argv.extend(rest[skip..].iter().cloned());
    if let Err(msg) = environment(&mut c) {
        return Parsed::Exit(msg, 1);
    }
    Parsed::Run(Box::new(c))
}

fn defaults(args: &[Vec<u8>]) -> Config {
    let executable = executable(args.first().map(Vec::as_slice).unwrap_or_default());
    let venv = Venv::of(&executable);
    Config {
        target: Target::Stdin,
        argv: Vec::new(),
        orig_argv: args.to_vec(),
        prefix: prefix(&executable, venv.as_ref()),
        venv,
        executable,
        debug: 0,
        inspect: false,
        interactive: false,
        optimize: 0,
        dont_write_bytecode: false,
        no_user_site: false,
        no_site: false,
        ignore_environment: false,
        verbose: 0,
        bytes_warning: 0,
        quiet: false,
        isolated: false,
        dev_mode: false,
        faulthandler: false,
        utf8_mode: false,
        warn_default_encoding: false,
        safe_path: false,
        unbuffered: false,
        skip_first_line: false,
        hash_randomization: true,
        int_max_str_digits: 4300,
        thread_inherit_context: FREE_THREADED,
        context_aware_warnings: FREE_THREADED,
        warn_options: Vec::new(),
        xoptions: Vec::new(),
        python_path: Vec::new(),
        pycache_prefix: None,
        io_encoding: None,
        check_hash_based_pycs: "default".into(),
    }
}

/// The absolute path of the program, as `sys.executable` names it: where the shell has found it.
fn executable(argv0: &[u8]) -> Vec<u8> {
    let given = Path::new(OsStr::from_bytes(argv0));
    let absolute = |p: &Path| {
        std::path::absolute(p)
            .ok()
            .map(|p| p.into_os_string().into_vec())
    };
    let found = if argv0.contains(&b'/') {
        absolute(given)
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .map(|d| d.join(given))
            .find(|p| p.is_file())
            .and_then(|p| absolute(&p))
    };
    found
        .filter(|p| Path::new(OsStr::from_bytes(p)).is_file())
        .or_else(|| {
            std::env::current_exe()
                .ok()
                .map(|p| p.into_os_string().into_vec())
        })
        .unwrap_or_default()
}

/// The directory above the one with the program in it; for one of a virtual environment, with the program that that was made with.
fn prefix(executable: &[u8], venv: Option<&Venv>) -> Vec<u8> {
    let real = |p: &[u8]| {
        let p = PathBuf::from(OsStr::from_bytes(p));
        p.canonicalize().unwrap_or(p)
    };
    let bin = match venv {
        Some(v) => real(&v.home),
        None => {
            let mut exe = real(executable);
            exe.pop();
            exe
        }
    };
    let up = bin.parent().unwrap_or(Path::new("/"));
    up.as_os_str().as_bytes().to_vec()
}

/// Reads the options; gives what follows them (a script and its arguments, or `-` and the arguments).
fn read_options<'a>(args: &'a [Vec<u8>], o: &mut Options) -> Result<&'a [Vec<u8>], String> {
    let mut at = 1;
    while let Some(arg) = args.get(at) {
        if arg == b"-" {
            return Ok(&args[at..]);
        }
        let Some(letters) = arg.strip_prefix(b"-") else {
            o.config.target = Target::File(arg.clone());
            return Ok(&args[at..]);
        };
        at += 1;
        if let Some(long) = letters.strip_prefix(b"-") {
            match long {
                b"" => {
                    if let Some(file) = args.get(at).filter(|f| *f != b"-") {
                        o.config.target = Target::File(file.clone());
                    }
                    return Ok(&args[at..]);
                }
                b"help" | b"help-all" => o.help = true,
                b"version" => o.versions += 1,
                b"check-hash-based-pycs" => {
                    let Some(v) = args.get(at) else {
                        return Err(
                            "Argument expected for the --check-hash-based-pycs option".into()
                        );
                    };
                    let v = lossy(v);
                    if !["always", "never", "default"].contains(&v.as_str()) {
                        return Err("--check-hash-based-pycs must be one of 'default', 'always', or 'never'".into());
                    }
                    o.config.check_hash_based_pycs = v;
                    at += 1;
                }
                _ => return Err(format!("unknown option {}", lossy(arg))),
            }
            continue;
        }
        let mut i = 0;
        while let Some(&letter) = letters.get(i) {
            i += 1;
            if matches!(letter, b'c' | b'm' | b'W' | b'X') {
                let value = if i < letters.len() {
                    letters[i..].to_vec()
                } else if let Some(v) = args.get(at) {
                    at += 1;
                    v.clone()
                } else {
                    return Err(format!(
                        "Argument expected for the -{} option",
                        letter as char
                    ));
                };
                match letter {
                    b'c' => {
                        o.config.target = Target::Command(value);
                        return Ok(&args[at..]);
                    }
                    b'm' => {
                        o.config.target = Target::Module(value);
                        return Ok(&args[at..]);
                    }
                    b'W' => o.config.warn_options.push(lossy(&value)),
                    _ => {
                        let text = lossy(&value);
                        let (name, v) = match text.split_once('=') {
                            Some((n, v)) => (n.to_string(), Some(v.to_string())),
                            None => (text, None),
                        };
                        o.config.xoptions.push((name, v));
                    }
                }
                break;
            }
            read_letter(letter, o)?;
        }
    }
    Ok(&[])
}

fn read_letter(letter: u8, o: &mut Options) -> Result<(), String> {
    let c = &mut o.config;
    match letter {
        b'b' => c.bytes_warning += 1,
        b'B' => c.dont_write_bytecode = true,
        b'd' => c.debug += 1,
        b'E' => c.ignore_environment = true,
        b'i' => {
            c.inspect = true;
            c.interactive = true;
        }
        b'I' => {
            c.isolated = true;
            c.ignore_environment = true;
            c.no_user_site = true;
            c.safe_path = true;
        }
        b'O' => c.optimize = (c.optimize + 1).min(2),
        b'P' => c.safe_path = true,
        b'q' => c.quiet = true,
        b'R' => {}
        b's' => c.no_user_site = true,
        b'S' => c.no_site = true,
        b't' => {}
        b'u' => c.unbuffered = true,
        b'v' => c.verbose += 1,
        b'x' => c.skip_first_line = true,
        b'h' | b'?' => o.help = true,
        b'V' => o.versions += 1,
        _ => return Err(format!("Unknown option: -{}", letter as char)),
    }
    Ok(())
}

/// The value of a numeric switch in the environment: "1" if it is no number.
fn level(v: &[u8]) -> i64 {
    lossy(v)
        .trim()
        .parse()
        .ok()
        .filter(|n| *n >= 0)
        .unwrap_or(1)
}

fn fatal(msg: &str) -> String {
    format!(
        "Fatal Python error: preinitialization: {msg}\nPython runtime state: preinitializing\n\n"
    )
}

/// Brings in environment variables and `-X` options.
fn environment(c: &mut Config) -> Result<(), String> {
    if c.xoptions.iter().any(|(n, _)| n == "dev") {
        c.dev_mode = true;
    }
    c.faulthandler = c.xoptions.iter().any(|(n, _)| n == "faulthandler");
    let mut gil = None;
    if !c.ignore_environment {
        let on = |name: &str| env_bytes(name).is_some();
        c.dont_write_bytecode |= on("PYTHONDONTWRITEBYTECODE");
        c.no_user_site |= on("PYTHONNOUSERSITE");
        c.unbuffered |= on("PYTHONUNBUFFERED");
        c.safe_path |= on("PYTHONSAFEPATH");
        c.inspect |= on("PYTHONINSPECT");
        c.dev_mode |= env_bytes("PYTHONDEVMODE").is_some_and(|v| v != b"0");
        c.faulthandler |= on("PYTHONFAULTHANDLER");
        c.utf8_mode |= env_bytes("PYTHONUTF8").is_some_and(|v| v == b"1");
        c.warn_default_encoding |= on("PYTHONWARNDEFAULTENCODING");
        for (name, n) in [
            ("PYTHONVERBOSE", &mut c.verbose),
            ("PYTHONDEBUG", &mut c.debug),
        ] {
            if let Some(v) = env_bytes(name) {
                *n = (*n).max(level(&v));
            }
        }
        if let Some(v) = env_bytes("PYTHONOPTIMIZE") {
            c.optimize = c.optimize.max(level(&v).min(2) as u8);
        }
        if let Some(v) = env_bytes("PYTHONWARNINGS") {
            let from_env: Vec<String> = lossy(&v).split(',').map(str::to_string).collect();
            c.warn_options.splice(0..0, from_env);
        }
        if let Some(v) = env_bytes("PYTHONPATH") {
            c.python_path = v.split(|b| *b == b':').map(<[u8]>::to_vec).collect();
        }
        c.pycache_prefix = env_bytes("PYTHONPYCACHEPREFIX");
        c.io_encoding = env_bytes("PYTHONIOENCODING").map(|v| lossy(&v));
        gil = env_bytes("PYTHON_GIL").map(|v| ("PYTHON_GIL", lossy(&v)));
        if let Some(v) = env_bytes("PYTHONHASHSEED") {
            let v = lossy(&v);
            if v != "random" && v.parse::<u32>().is_err() {
                let what =
                    "PYTHONHASHSEED must be \"random\" or an integer in range [0; 4294967295]";
                return Err(format!(
                    "Fatal Python error: config_init_hash_seed: {what}\nPython runtime state: preinitialized\n\n"
                ));
            }
            c.hash_randomization = v != "0";
        }
        if let Some(v) = env_bytes("PYTHONINTMAXSTRDIGITS") {
            c.int_max_str_digits = max_digits(&lossy(&v)).ok_or_else(|| {
                fatal_config(
                    "PYTHONINTMAXSTRDIGITS: invalid limit; must be >= 640 or 0 for unlimited.",
                )
            })?;
        }
        let flag = |name: &str, d: bool| match env_bytes(name).as_deref() {
            Some(b"0") => false,
            Some(b"1") => true,
            _ => d,
        };
        c.thread_inherit_context = flag("PYTHON_THREAD_INHERIT_CONTEXT", c.thread_inherit_context);
        c.context_aware_warnings = flag("PYTHON_CONTEXT_AWARE_WARNINGS", c.context_aware_warnings);
    } else {
        // Nothing set from outside may change hashes either; the object layer asks the environment itself.
        c.hash_randomization = true;
    }
    for (name, v) in c.xoptions.clone() {
        match (name.as_str(), v) {
            ("utf8", v) => match v.as_deref() {
                None | Some("1") => c.utf8_mode = true,
                Some("0") => c.utf8_mode = false,
                Some(_) => return Err(fatal("invalid -X utf8 option value")),
            },
            ("gil", Some(v)) => gil = Some(("-X gil", v)),
            ("gil", None) => {
                return Err(fatal_config(
                    "-X gil: missing argument, must be \"0\" or \"1\"",
                ));
            }
            ("int_max_str_digits", v) => {
                c.int_max_str_digits = v.as_deref().and_then(max_digits).ok_or_else(|| {
                    fatal_config(
                        "-X int_max_str_digits: invalid limit; must be >= 640 or 0 for unlimited.",
                    )
                })?;
            }
            ("pycache_prefix", v) => {
                c.pycache_prefix = v.filter(|v| !v.is_empty()).map(String::into_bytes)
            }
            ("warn_default_encoding", _) => c.warn_default_encoding = true,
            ("thread_inherit_context", Some(v)) => c.thread_inherit_context = v == "1",
            ("context_aware_warnings", Some(v)) => c.context_aware_warnings = v == "1",
            _ => {}
        }
    }
    if c.dev_mode {
        c.warn_options.insert(0, "default".into());
    }
    match c.bytes_warning {
        0 => {}
        1 => c.warn_options.push("default::BytesWarning".into()),
        _ => c.warn_options.push("error::BytesWarning".into()),
    }
    match gil {
        Some((_, v)) if v == if FREE_THREADED { "0" } else { "1" } => Ok(()),
        Some((_, v)) if v == "1" => Err(fatal_config(
            "Enabling the GIL is not supported by this build",
        )),
        Some((_, v)) if v == "0" => Err(fatal_config(
            "Disabling the GIL is not supported by this build",
        )),
        Some((name, _)) => Err(fatal_config(&format!("{name} must be \"0\" or \"1\""))),
        None => Ok(()),
    }
}

fn fatal_config(msg: &str) -> String {
    format!("Fatal Python error: config_read_gil: {msg}\nPython runtime state: preinitialized\n\n")
        .replace(
            "config_read_gil",
            if msg.contains("digits") {
                "config_init_int_max_str_digits"
            } else {
                "config_read_gil"
            },
        )
}

fn max_digits(v: &str) -> Option<i64> {
    v.trim().parse().ok().filter(|n: &i64| *n == 0 || *n >= 640)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(args: &[&str]) -> Config {
        match parse(args.iter().map(OsString::from).collect()) {
            Parsed::Run(c) => *c,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_end_where_the_program_begins() {
        let c = config(&["weft", "-OBq", "-W", "error", "-Xdev", "-c", "pass", "-O"]);
        assert_eq!(c.target, Target::Command(b"pass".to_vec()));
        assert_eq!(c.argv, [b"-c".to_vec(), b"-O".to_vec()]);
        assert!(c.optimize == 1 && c.dont_write_bytecode && c.quiet && c.dev_mode);
        let c = config(&["weft", "-", "x"]);
        assert_eq!(
            (c.target, c.argv),
            (Target::Stdin, vec![b"-".to_vec(), b"x".to_vec()])
        );
        let c = config(&["weft", "a.py", "-c"]);
        assert_eq!(
            (c.target, c.argv),
            (
                Target::File(b"a.py".to_vec()),
                vec![b"a.py".to_vec(), b"-c".to_vec()]
            )
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(
            matches!(parse(vec!["weft".into(), "-Z".into()]), Parsed::Exit(m, 2) if m.starts_with("Unknown option: -Z"))
        );
        assert!(matches!(
            parse(vec!["weft".into(), "-c".into()]),
            Parsed::Exit(_, 2)
        ));
        assert!(
            matches!(parse(vec!["weft".into(), "-V".into()]), Parsed::Exit(m, 0) if m.starts_with("Python 3.14"))
        );
    }
}
