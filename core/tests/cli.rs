//! The `weft` program from outside: what it prints and the code that it exits with.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn weft(args: &[&str]) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_weft"));
    for name in [
        "PYTHONPATH",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONHASHSEED",
        "PYTHON_GIL",
    ] {
        c.env_remove(name);
    }
    c.args(args);
    c
}

fn run(args: &[&str]) -> (String, String, Option<i32>) {
    told(weft(args).output().expect("weft runs"))
}

fn told(o: Output) -> (String, String, Option<i32>) {
    let text = |b: Vec<u8>| String::from_utf8(b).expect("UTF-8");
    (text(o.stdout), text(o.stderr), o.status.code())
}

/// A directory of this test's own, empty.
fn scratch(name: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory");
    dir
}

#[test]
fn commands_and_their_exit_codes() {
    assert_eq!(
        run(&["-c", "print(1)"]),
        ("1\n".into(), String::new(), Some(0))
    );
    assert_eq!(run(&["-c", "import sys; sys.exit(3)"]).2, Some(3));
    assert_eq!(run(&["-c", "raise SystemExit"]).2, Some(0));
    assert_eq!(
        run(&["-c", "import sys; sys.exit('bye')"]),
        (String::new(), "bye\n".into(), Some(1))
    );
    assert_eq!(
        run(&["-O", "-c", "assert 0; print(__debug__)"]).0,
        "False\n"
    );
    assert_eq!(
        run(&["-c", "import sys; print(sys.argv)", "a", "-b"]).0,
        "['-c', 'a', '-b']\n"
    );
}

#[test]
fn usage() {
    let (_, err, code) = run(&["-Z"]);
    assert!(
        err.starts_with("Unknown option: -Z\n") && code == Some(2),
        "{err}"
    );
    let (out, _, code) = run(&["-V"]);
    assert!(out.starts_with("Python 3.14") && code == Some(0), "{out}");
    let (_, err, code) = run(&["no_such_file.py"]);
    assert!(
        err.starts_with("weft: can't open file '/") && err.ends_with("No such file or directory\n"),
        "{err}"
    );
    assert_eq!(code, Some(2));
    assert!(
        run(&["-m", "no_such_module"])
            .1
            .ends_with("No module named no_such_module\n")
    );
}

#[test]
fn tracebacks_show_their_source() {
    let (_, err, code) = run(&["-c", "def f(x):\n    return 1 / x\nf(0)"]);
    let wanted = [
        "  File \"<string>\", line 2, in f\n",
        "    return 1 / x\n",
        "ZeroDivisionError: division by zero\n",
    ];
    assert!(
        wanted.iter().all(|w| err.contains(w)) && code == Some(1),
        "{err}"
    );
    let (_, err, _) = run(&["-c", "import json; json.loads('{')"]);
    assert!(
        err.contains("json/__init__.py\"") && err.contains("return _default_decoder.decode(s)"),
        "{err}"
    );
}

#[test]
fn scripts_packages_and_directories() {
    let dir = scratch("packages");
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().expect("in the directory")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    };
    write("pkg/__init__.py", "from . import b");
    write("pkg/b.py", "from pkg.c import cc\nx = cc + 1");
    write("pkg/c.py", "import pkg.b\ncc = 2");
    write("pkg/__main__.py", "print('main of', __package__)");
    write("app/__main__.py", "print('app', __name__)");
    write(
        "script.py",
        "import pkg.b, sys, os\nprint(pkg.b.x, sys.path[0] == os.path.dirname(os.path.abspath(__file__)))",
    );
    let at = |args: &[&str]| told(weft(args).current_dir(&dir).output().expect("weft runs"));
    // Twice: compiled, then from the cache.
    for _ in 0..2 {
        assert_eq!(at(&["script.py"]).0, "3 True\n");
    }
    assert!(dir.join("pkg/__pycache__").is_dir());
    assert_eq!(at(&["-m", "pkg"]).0, "main of pkg\n");
    assert_eq!(at(&["app"]).0, "app __main__\n");
    let err = at(&["-c", "from pkg import nothing"]).1;
    assert!(
        err.contains("ImportError: cannot import name 'nothing' from 'pkg' (")
            && err.contains("pkg/__init__.py)"),
        "{err}"
    );
    let err = at(&["-c", "import pkg.nothing"]).1;
    assert!(
        err.ends_with("ModuleNotFoundError: No module named 'pkg.nothing'\n")
            && !err.contains("importlib"),
        "{err}"
    );
}

#[test]
fn programs_from_standard_input() {
    let pipe = |args: &[&str], text: &str| {
        let mut child = weft(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("weft starts");
        child
            .stdin
            .take()
            .expect("piped")
            .write_all(text.as_bytes())
            .expect("written");
        told(child.wait_with_output().expect("weft ends"))
    };
    assert_eq!(pipe(&[], "print('in', __name__)").0, "in __main__\n");
    assert_eq!(
        pipe(&["-", "x"], "import sys; print(sys.argv)").0,
        "['-', 'x']\n"
    );
    let (out, err, code) = pipe(
        &["-i", "-q"],
        "x = 5\nx\nif x:\n    'yes'\n\n1/0\n(1,\n2)\nimport sys; sys.exit(7)\n",
    );
    assert_eq!(
        (out.as_str(), code),
        ("5\n'yes'\n(1, 2)\n", Some(7)),
        "{err}"
    );
    assert!(err.contains("ZeroDivisionError"), "{err}");
}

#[test]
fn the_end_of_a_program() {
    let program = "
import atexit, threading, time
atexit.register(print, 'atexit')
class D:
    def __del__(self): print('deleted')
d = D()
threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()
print('main')
";
    assert_eq!(run(&["-c", program]).0, "main\nthread\natexit\ndeleted\n");
}

#[test]
fn the_library_has_sources_and_resources() {
    let program = "
import inspect, json, pkgutil, importlib.resources, linecache
assert 'def dumps' in inspect.getsource(json)
assert linecache.getline(json.__file__, 1, vars(json))
assert 'decoder' in [m.name for m in pkgutil.iter_modules(json.__path__)]
assert 'scanner.py' in [p.name for p in importlib.resources.files('json').iterdir()]
print('ok')
";
    assert_eq!(run(&["-c", program]).0, "ok\n");
}

#[test]
fn virtual_environments() {
    let dir = scratch("venv");
    let at = dir.to_str().expect("UTF-8");
    let (_, err, code) = run(&["-m", "venv", "--without-pip", at]);
    assert_eq!((err.as_str(), code), ("", Some(0)));
    assert!(dir.join("bin/activate").is_file());
    let program = "
import sys, sysconfig
print(sys.prefix != sys.base_prefix, sys.prefix == sys.exec_prefix == sys.argv[1], sys.base_prefix == sys.argv[2])
print(sys.executable == sys.argv[1] + '/bin/python', sysconfig.get_path('purelib') == sys.path[-1])
import json, only_here
print(json.__file__.startswith(sys.base_prefix), only_here.x)
";
    let out = Command::new(dir.join("bin/python"))
        .args([
            "-c",
            "import sysconfig; print(sysconfig.get_path('purelib'))",
        ])
        .output()
        .expect("it runs");
    let packages = PathBuf::from(told(out).0.trim_end());
    std::fs::write(packages.join("only_here.py"), "x = 5").expect("a file");
    let base = run(&["-c", "import sys; print(sys.prefix)"]).0;
    let out = Command::new(dir.join("bin/python"))
        .args(["-c", program, at, base.trim_end()])
        .output()
        .expect("it runs");
    assert_eq!(
        told(out),
        (
            "True True True\nTrue True\nTrue 5\n".into(),
            String::new(),
            Some(0)
        )
    );
}

/// `weft --stats`, by what comes to the figures of a program when it does something more often.
#[test]
fn stats_count() {
    let program = "import sys\nn = int(sys.argv[1])\nclass C:\n    pass\n\
        def made():\n    for i in range(n):\n        C()\n\
        def cycles():\n    for i in range(n):\n        c = C()\n        c.me = c\n\
        made()\ncycles()\n";
    let figures = |n: &str| {
        let (_, err, code) = run(&["--stats", "-c", program, n]);
        assert_eq!(code, Some(0), "{err}");
        let line = |what: &str| -> i64 {
            let of = |l: &str| l.strip_prefix(what).map(|n| n.trim().parse());
            let found = err.lines().find_map(of);
            found
                .and_then(Result::ok)
                .unwrap_or_else(|| panic!("{what} in {err}"))
        };
        [
            line("objects made"),
            line("  destroyed at once"),
            line("  freed by collections") + line("  still there"),
        ]
    };
    let (few, many) = (figures("1000"), figures("41000"));
    let more: Vec<i64> = few.iter().zip(many).map(|(a, b)| b - a).collect();
    // Instances alone; some of those in cycles are there at the end, and a few more objects differ from run to run.
    for (n, wanted) in more.iter().zip([80_000, 40_000, 40_000]) {
        assert!((n - wanted).abs() < 200, "{more:?}");
    }
}

#[cfg(all(target_os = "linux", not(feature = "gil")))]
/// The stacks that a text has, by the name of the thread, or "current".
fn stacks(text: &str) -> std::collections::HashMap<&str, Vec<&str>> {
    let mut all = std::collections::HashMap::new();
    for part in text.split("\n\n") {
        let mut lines = part.lines().skip_while(|l| !l.contains("hread 0x"));
        let head = lines.next().unwrap_or_default();
        let name = head
            .split_once('[')
            .and_then(|(_, rest)| rest.split_once(']'));
        let name = if head.starts_with("Current") {
            Some("current")
        } else {
            name.map(|(name, _)| name)
        };
        if let Some(name) = name {
            let in_function = lines.filter_map(|l| l.rsplit_once(" in ").map(|(_, f)| f));
            all.insert(name, in_function.collect());
        }
    }
    all
}

#[cfg(all(target_os = "linux", not(feature = "gil")))]
/// Threads that sleep, wait for a lock, compute, and work in native code (where in the `gil` build they would have the lock for good).
const THREADS: &str = "import faulthandler, threading, time, sys, os, signal\n\
    def sleeps(): time.sleep(60)\n\
    lock = threading.Lock(); lock.acquire()\n\
    def waits(): lock.acquire()\n\
    def computes():\n    n = 0\n    while True:\n        n += 1\n\
    def natively():\n    while True: 3 ** 500000\n\
    for f in sleeps, waits, computes, natively:\n    threading.Thread(target=f, name=f.__name__, daemon=True).start()\n\
    time.sleep(0.2)\n";

#[cfg(all(target_os = "linux", not(feature = "gil")))]
fn all_are_there(text: &str) {
    let stacks = stacks(text);
    for name in ["sleeps", "waits", "computes", "natively"] {
        let stack = stacks
            .get(name)
            .unwrap_or_else(|| panic!("{name} in {text}"));
        assert_eq!(stack[..2], [name, "run"], "{text}");
        assert!(stack.contains(&"_bootstrap"), "{text}");
    }
}

#[cfg(all(target_os = "linux", not(feature = "gil")))]
#[test]
fn stacks_of_all_threads_on_demand() {
    let (_, err, code) = run(&["-c", &format!("{THREADS}faulthandler.dump_traceback()")]);
    assert_eq!(code, Some(0), "{err}");
    all_are_there(&err);
    assert!(err.trim_end().ends_with(", line 14 in <module>"), "{err}");
    assert_eq!(stacks(&err)["current"], ["<module>"]);
    let program = format!(
        "{THREADS}faulthandler.register(signal.SIGUSR1)\nos.kill(os.getpid(), signal.SIGUSR1)"
    );
    let (_, err, code) = run(&["-c", &program]);
    assert_eq!(code, Some(0), "{err}");
    all_are_there(&err);
}

#[cfg(all(target_os = "linux", not(feature = "gil")))]
#[test]
fn stacks_of_all_threads_at_a_fault() {
    use std::os::unix::process::ExitStatusExt;
    for (fault, signal, says) in [
        ("_sigsegv", 11, "Segmentation fault"),
        ("_stack_overflow", 11, "Segmentation fault"),
        ("_sigabrt", 6, "Aborted"),
    ] {
        let program = format!("{THREADS}faulthandler.{fault}()");
        let o = weft(&["-X", "faulthandler", "-c", &program])
            .output()
            .expect("weft runs");
        assert_eq!(o.status.signal(), Some(signal));
        let err = String::from_utf8_lossy(&o.stderr);
        assert!(
            err.starts_with(&format!("Fatal Python error: {says}\n\nCurrent thread 0x")),
            "{err}"
        );
        all_are_there(&err);
        assert!(
            err.contains("\n\nCurrent thread's C stack trace (most recent call first):\n"),
            "{err}"
        );
    }
}

/// Nobody reaches a safepoint, and yet the time comes.
#[cfg(all(target_os = "linux", not(feature = "gil")))]
#[test]
fn stacks_of_all_threads_after_some_time() {
    let program =
        format!("{THREADS}faulthandler.dump_traceback_later(0.2, exit=True)\n3 ** 10 ** 8");
    let (_, err, code) = run(&["-c", &program]);
    assert_eq!(code, Some(1), "{err}");
    assert!(
        err.starts_with("Timeout (0:00:00.200000)!\nThread 0x"),
        "{err}"
    );
    all_are_there(&err);
}

/// In the child of a fork there are its own threads alone, and calling off what the parent has asked for waits for nobody.
#[cfg(all(target_os = "linux", not(feature = "gil")))]
#[test]
fn stacks_in_a_child() {
    let program = format!(
        "{THREADS}faulthandler.dump_traceback_later(60)\n\
        if os.fork() == 0:\n\
        \x20   faulthandler.cancel_dump_traceback_later()\n\
        \x20   threading.Thread(target=waits, name='child', daemon=True).start()\n\
        \x20   time.sleep(0.2)\n    faulthandler.dump_traceback()\n    os._exit(7)\n\
        print(os.wait()[1] >> 8)\n"
    );
    let (out, err, code) = run(&["-W", "ignore", "-c", &program]);
    assert_eq!((&*out, code), ("7\n", Some(0)), "{err}");
    let stacks = stacks(&err);
    assert_eq!(stacks["child"][0], "waits");
    assert_eq!(stacks.len(), 2, "{err}");
}

/// Threads that are asked where they are go on with what they were about, and calls of the system that come back early are made again.
#[cfg(all(target_os = "linux", not(feature = "gil")))]
#[test]
fn waits_go_on_while_stacks_are_written() {
    let program = r#"
import faulthandler, threading, time, os, select, socket, queue, sys
out = open(os.devnull, "w")
stop, bad, rounds = False, [], []
lock = threading.Lock(); lock.acquire()
event = threading.Event(); items = queue.SimpleQueue(); r, w = os.pipe()
a, b = socket.socketpair(); a.settimeout(.05)
poll = select.poll(); poll.register(r, select.POLLIN)
def fails(error, f):
    try: f()
    except error: return
    raise AssertionError("came back")
def gen(n):
    if n: yield from gen(n - 1)
    else: yield from range(20)
waits = [lambda: time.sleep(.05), lambda: select.select([r], [], [], .05), lambda: poll.poll(50), lambda: lock.acquire(timeout=.05),
    lambda: event.wait(.05), lambda: fails(queue.Empty, lambda: items.get(timeout=.05)), lambda: fails(TimeoutError, lambda: a.recv(1))]
works = [lambda: sum(range(100000)), lambda: list(gen(15)), lambda: threading.Thread(target=int).start()]
def repeat(f, least):
    try:
        while not stop:
            begin = time.monotonic(); f(); took = time.monotonic() - begin
            assert took >= least, (f, took)
            rounds.append(f)
    except BaseException as e: bad.append(e)
threads = [threading.Thread(target=repeat, args=(f, .049)) for f in waits] + [threading.Thread(target=repeat, args=(f, 0)) for f in works]
for t in threads: t.start()
end = time.monotonic() + 2
while time.monotonic() < end:
    faulthandler.dump_traceback(out)
    time.sleep(.005)
stop = True
for t in threads: t.join()
print(bad, len(set(rounds)))
"#;
    let (out, err, code) = run(&["-c", program]);
    assert_eq!((&*out, code), ("[] 10\n", Some(0)), "{err}");
}
