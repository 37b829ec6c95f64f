//! The programs of `programs/`, which check themselves: each in a plain run and in one that checks the heap (`WEFT_VERIFY`).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// For one run. They take seconds; what goes on for longer hangs.
const LIMIT: Duration = Duration::from_secs(300);

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs")
}

/// Runs a program; the error tells how it failed. It has to end by itself, with code 0, and to say how many cases it had.
fn run(program: &Path, verify: bool) -> Result<(), String> {
    let name = program.file_stem().unwrap_or_default().to_string_lossy();
    let kept = |what: &str| {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.{}{what}", u8::from(verify)))
    };
    let to_file = |path: &PathBuf| File::create(path).map_err(|e| e.to_string());
    let (out, err) = (kept("out"), kept("err"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
    for name in ["PYTHONPATH", "PYTHONHOME", "PYTHON_GIL", "WEFT_VERIFY"] {
        command.env_remove(name);
    }
    if verify {
        command.env("WEFT_VERIFY", "1");
    }
    let mut child = command
        .args(["-B".as_ref(), program.as_os_str()])
        .stdin(Stdio::null())
        .stdout(to_file(&out)?)
        .stderr(to_file(&err)?)
        .spawn()
        .map_err(|e| e.to_string())?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            break status.to_string();
        }
        if begun.elapsed() > LIMIT {
            // It may have ended just now.
            let _ = child.kill();
            let _ = child.wait();
            break format!("still running after {LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let told = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let (out, err) = (told(&out), told(&err));
    if status == "exit status: 0" && out.starts_with("ok ") {
        return Ok(());
    }
    let how = if verify { " with WEFT_VERIFY=1" } else { "" };
    Err(format!("{name}{how}: {status}\n{out}{err}"))
}

fn both(name: &str) {
    let program = programs().join(name).with_extension("py");
    for verify in [false, true] {
        if let Err(why) = run(&program, verify) {
            panic!("{why}");
        }
    }
}

macro_rules! programs {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            both(stringify!($name));
        })*

        #[test]
        fn all_programs_are_listed() {
            let mut there: Vec<String> = std::fs::read_dir(programs())
                .expect("the folder")
                .map(|entry| entry.expect("a file").file_name().into_string().expect("UTF-8"))
                .filter(|name| name.ends_with(".py") && !name.starts_with('_'))
                .collect();
            there.sort();
            assert_eq!(there, [$(concat!(stringify!($name), ".py")),*]);
        }
    };
}

programs! {
    asynchronous attribute_caches calls chains consumers delegation finalization in_between in_dict names other_threads quick recursion reraise sharing
    shortcuts slots subscripts tasks thread_safety
}

/// Each line of the tables of `docs/thread-safety.md` names its case, and each case has its line.
#[test]
fn every_promise_has_its_case() {
    let read = |path: PathBuf| std::fs::read_to_string(path).expect("a file");
    let page = read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/thread-safety.md"));
    let program = read(programs().join("thread_safety.py"));
    let mut named = Vec::new();
    for line in page.lines().filter(|line| line.starts_with('|')) {
        let last = line.trim_end_matches('|').rsplit('|').next();
        let last = last.unwrap_or_default().trim().trim_matches('`');
        match last {
            "case" | "---" => {}
            last if last.starts_with("case_") => named.push(last.to_owned()),
            _ => panic!("no case: {line}"),
        }
    }
    let cases = program.lines().filter_map(|line| {
        let name = line.strip_prefix("def case_")?.split('(').next()?;
        Some(format!("case_{name}"))
    });
    let mut cases: Vec<String> = cases.collect();
    named.sort();
    cases.sort();
    assert!(!named.is_empty());
    assert_eq!(named, cases);
}

/// The harness notices a case that fails, one that fails in a thread only, a program without cases, and one that does not end well.
#[test]
fn failures_are_noticed() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("failing");
    std::fs::create_dir_all(&dir).expect("a directory");
    let at = programs();
    let programs = [
        (
            "case",
            "def case_x(): same(1, 2)\nrun(globals())",
            "case_x, cold",
        ),
        (
            "thread",
            "import threading\ndef case_x(): check(threading.current_thread() is threading.main_thread())\nrun(globals())",
            "case_x, in thread",
        ),
        ("none", "run(globals())", "no cases"),
        ("unrun", "def case_x(): pass", "exit status: 0"),
        (
            "exit",
            "def case_x(): pass\nrun(globals())\nimport sys; sys.exit(3)",
            "exit status: 3",
        ),
        (
            "raises",
            "def case_x(): raises(KeyError, int, 'x')\nrun(globals())",
            "ValueError",
        ),
        (
            "quiet",
            "def case_x(): raises(KeyError, int, '1')\nrun(globals())",
            "KeyError was not raised",
        ),
    ];
    for (name, text, wanted) in programs {
        let path = dir.join(name).with_extension("py");
        let head = format!(
            "import sys\nsys.path.insert(0, {at:?})\nfrom _checks import check, raises, run, same\n"
        );
        std::fs::write(&path, head + text).expect("a file");
        let why = run(&path, false).expect_err(name);
        assert!(why.contains(wanted), "{name}: {why}");
    }
}
