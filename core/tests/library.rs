//! The embedded library as a whole: its files compile, its modules import, and those that are programs run as under CPython.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Native modules that are not there: `docs/gaps.md` says what does without them.
const MISSING: &str = "_codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw _ctypes _dbm _gdbm _interpreters \
    _remote_debugging _ssl _tracemalloc";

/// Every module below the root, with its source.
const WALK: &str = r#"
import sys, pkgutil
root = sys._stdlib_dir
def walk(path, prefix=''):
    finder = pkgutil.get_importer(path)
    for name, is_package in finder.iter_modules():
        yield prefix + name, finder.get_source(name)
        if is_package:
            yield from walk(f'{path}/{name}', f'{prefix}{name}.')
modules = dict(walk(root))
assert len(modules) > 500, len(modules)
"#;

const COMPILE: &str = r#"
for name, source in modules.items():
    compile(source, name, 'exec', dont_inherit=True)
"#;

const IMPORT: &str = r#"
import io, warnings, importlib
warnings.simplefilter('ignore')
failed = []
for name in modules:
    if name.endswith('__main__') or name == 'antigravity':
        continue
    out, sys.stdout = sys.stdout, io.StringIO()
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as e:
        if e.name not in missing:
            failed.append((name, e))
    except ImportError as e:
        # Those of other systems say so.
        if 'win32' not in str(e) and not name.endswith(('.mbcs', '.oem')):
            failed.append((name, e))
    except BaseException as e:
        failed.append((name, e))
    finally:
        sys.stdout = out
assert not failed, failed
"#;

fn weft(dir: &PathBuf, args: &[&str], input: &str) -> (String, String, Option<i32>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weft"))
        .args(args)
        .current_dir(dir)
        .env_remove("PYTHONPATH")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_COLOR", "1")
        .env("COLUMNS", "80")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("weft runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A program that does not read its input may have closed it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let o = child.wait_with_output().expect("weft ends");
    let text = |b: Vec<u8>| String::from_utf8(b).expect("UTF-8");
    (text(o.stdout), text(o.stderr), o.status.code())
}

/// A directory of this test's own, with these files.
fn scratch(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    for (file, text) in files {
        let path = dir.join(file);
        std::fs::create_dir_all(path.parent().expect("in the directory")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }
    dir
}

fn succeeds(name: &str, code: &str) {
    let dir = scratch(name, &[("x", "")]);
    let (out, err, status) = weft(&dir, &["-I", "-c", code], "");
    assert_eq!((out.as_str(), status), ("", Some(0)), "{err}");
}

#[test]
fn every_file_compiles() {
    succeeds("compiles", &format!("{WALK}{COMPILE}"));
}

#[test]
fn every_module_imports_whose_native_parts_are_there() {
    succeeds(
        "imports",
        &format!("{WALK}missing = '{MISSING} msvcrt'.split()\n{IMPORT}"),
    );
}

#[test]
fn instructions_are_shown() {
    succeeds("instructions", include_str!("instructions.py"));
    let dir = scratch("m_dis", &[("x.py", "import os\nprint(os.name)\n")]);
    let (out, err, status) = weft(&dir, &["-m", "dis", "-O", "x.py"], "");
    assert!(status == Some(0) && err.is_empty(), "{err}");
    for shown in [
        "IMPORT_NAME ",
        "GET_ATTR ",
        ".name\n",
        "RETURN_K             None",
    ] {
        assert!(out.contains(shown), "{shown}: {out}");
    }
}

#[test]
fn unittest_runs_a_module() {
    let test = "import unittest\nclass T(unittest.TestCase):\n  def test_a(self): pass\n  def test_b(self): self.assertEqual(1, 2)\n";
    let dir = scratch("m_unittest", &[("t_one.py", test)]);
    let (out, err, status) = weft(&dir, &["-m", "unittest", "-v", "t_one"], "");
    assert_eq!((out.as_str(), status), ("", Some(1)));
    assert!(err.starts_with("test_a (t_one.T.test_a) ... ok\ntest_b (t_one.T.test_b) ... FAIL\n"));
    assert!(err.contains("AssertionError: 1 != 2\n") && err.ends_with("FAILED (failures=1)\n"));
    let (_, err, status) = weft(&dir, &["-m", "unittest", "discover", "-p", "no_*.py"], "");
    assert!(
        status == Some(5) && err.ends_with("NO TESTS RAN\n"),
        "{err}"
    );
}

#[test]
fn tools_for_text_and_data() {
    let dir = scratch(
        "m_text",
        &[
            ("a.py", "x = 1\n"),
            ("b.py", "\"\"\"\n>>> 1 + 1\n3\n\"\"\"\n"),
        ],
    );
    let run = |args: &[&str], input: &str| weft(&dir, args, input);
    let (out, _, status) = run(
        &["-m", "json.tool", "--sort-keys"],
        r#"{"b": [1], "a": null}"#,
    );
    assert_eq!(
        out,
        "{\n    \"a\": null,\n    \"b\": [\n        1\n    ]\n}\n"
    );
    assert_eq!(status, Some(0));
    let (_, err, status) = run(&["-m", "json"], "{");
    assert_eq!(status, Some(1));
    assert_eq!(
        err,
        "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)\n"
    );
    let (out, _, status) = run(&["-m", "doctest", "b.py"], "");
    assert!(status == Some(1) && out.contains("Expected:\n    3\nGot:\n    2\n"));
    let (out, ..) = run(&["-m", "this"], "");
    assert!(
        out.starts_with("The Zen of Python, by Tim Peters\n\nBeautiful is better than ugly.\n")
    );
    let (out, ..) = run(&["-m", "tokenize", "-e", "a.py"], "");
    assert!(
        out.contains("1,2-1,3:            EQUAL          '='"),
        "{out}"
    );
    let (out, ..) = run(&["-m", "ast", "a.py"], "");
    assert!(
        out.starts_with("Module(\n   body=[\n      Assign(\n"),
        "{out}"
    );
    let (out, ..) = run(&["-m", "base64", "-e", "a.py"], "");
    assert_eq!(out, "eCA9IDEK\n");
    let (out, ..) = run(&["-m", "calendar", "2024", "2"], "");
    assert!(out.starts_with("   February 2024\nMo Tu We Th Fr Sa Su\n          1  2  3  4\n"));
}

#[test]
fn tools_for_programs() {
    let main = ("src/mod.py", "def main():\n    print('hi')\n");
    let dir = scratch(
        "m_programs",
        &[main, ("p.py", "print(__name__)\n"), ("bad.py", "x = (\n")],
    );
    let run = |args: &[&str], input: &str| weft(&dir, args, input);
    let done = (String::new(), String::new(), Some(0));
    assert_eq!(
        run(
            &["-m", "zipapp", "src", "-o", "out.pyz", "-m", "mod:main"],
            ""
        ),
        done
    );
    assert_eq!(run(&["out.pyz"], "").0, "hi\n");
    assert_eq!(run(&["-m", "py_compile", "p.py"], ""), done);
    let (_, err, status) = run(&["-m", "py_compile", "bad.py"], "");
    assert!(
        status == Some(1) && err.contains("SyntaxError: '(' was never closed"),
        "{err}"
    );
    assert_eq!(run(&["-m", "compileall", "-q", "src"], ""), done);
    assert!(dir.join("src/__pycache__").is_dir());
    assert_eq!(run(&["-m", "runpy", "p"], "").0, "__main__\n");
    assert_eq!(
        run(&["-m", "tabnanny", "-v", "p.py"], "").0,
        "'p.py': Clean bill of health.\n"
    );
    let (out, _, status) = run(&["-m", "timeit", "-n", "1", "-r", "1", "pass"], "");
    assert!(
        status == Some(0) && out.starts_with("1 loop, best of 1: "),
        "{out}"
    );
    let (out, err, status) = run(
        &["-m", "asyncio"],
        "import asyncio\nawait asyncio.sleep(0, 5)\n",
    );
    assert!(status == Some(0) && out.contains('5'), "{out}{err}");
    let (_, err, status) = run(&["-m", "no_such_module"], "");
    assert!(
        status == Some(1) && err.ends_with(": No module named no_such_module\n"),
        "{err}"
    );
}
