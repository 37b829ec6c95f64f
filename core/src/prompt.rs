//! The prompt: reads statements from standard input and runs them one by one.

use crate::compile::{self, ErrorKind, Mode, Options};
use crate::compile_api;
use crate::start::{End, config, end_of};
use crate::sys;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use weft_objects::code::Code;
use weft_objects::prelude::*;
use weft_objects::runtime;

/// The flags of what has been run: features of `__future__` stay.
static FUTURES: AtomicI64 = AtomicI64::new(0);

/// Reads and runs statements until the input ends.
pub fn run(t: &mut Thread) -> End {
    for (name, text) in [("ps1", ">>> "), ("ps2", "... ")] {
        if runtime::sys_attr(t, name).is_none() {
            let s = Str::new(t, text);
            sys::set(t, name, &s);
        }
    }
    if !config().quiet {
        eprintln!(
            "Python {} on {}",
            crate::cli::version_text(),
            std::env::consts::OS
        );
        eprintln!("Type \"help\", \"copyright\", \"credits\" or \"license\" for more information.");
    }
    loop {
        match statement(t) {
            Ok(Some(source)) => {
                let r = execute(t, &source);
                if r.is_err() && t.exc_matches(&errors::SYSTEM_EXIT) {
                    let code = t.take_exc().map_or(1, |e| sys::hooks::exit_code(t, &e));
                    return End {
                        code,
                        interrupted: false,
                    };
                }
                if r.is_err() {
                    end_of(t, r);
                }
                sys::flush_streams(t);
            }
            Ok(None) => {
                eprintln!();
                return End::default();
            }
            Err(e) => {
                if t.exc_matches(&errors::KEYBOARD_INTERRUPT) {
                    t.clear_exc();
                    eprintln!("\nKeyboardInterrupt");
                } else {
                    end_of(t, Err(e));
                }
            }
        }
    }
}

fn options() -> Options {
    Options {
        filename: "<stdin>".into(),
        optimize: config().optimize,
        future_annotations: FUTURES.load(Relaxed) & compile_api::cf::FUTURE_ANNOTATIONS != 0,
        barry: FUTURES.load(Relaxed) & compile_api::cf::FUTURE_BARRY != 0,
        allow_incomplete: true,
        ..Options::default()
    }
}

fn execute(t: &mut Thread, source: &str) -> Res<()> {
    let filename = Str::intern(t, "<stdin>");
    let opts = Options {
        allow_incomplete: false,
        ..options()
    };
    let code = compile_api::compile_named(t, source, &filename, Mode::Single, &opts)?;
    if let Some(c) = Code::of(code.value()) {
        FUTURES.fetch_or(i64::from(c.body().flags), Relaxed);
    }
    let main = crate::import::import_module(t, "__main__")?;
    let globals = proto::get_attr(t, main.value(), weft_objects::id!(t, "__dict__"))?;
    crate::interp::exec_code(t, code.value(), &globals, &globals).map(|r| drop(Obj::own(r)))
}

/// One whole statement; `None` at the end of the input.
fn statement(t: &mut Thread) -> Res<Option<String>> {
    let mut source = String::new();
    loop {
        prompt(t, if source.is_empty() { "ps1" } else { "ps2" });
        let Some(line) = read_line(t)? else {
            // What is there is run, or is an error.
            return Ok((!source.trim().is_empty()).then_some(source));
        };
        let blank = line.trim().is_empty();
        if source.is_empty() && blank {
            continue;
        }
        source.push_str(&line);
        let done = match compile::compile(&source, Mode::Single, &options()) {
            Ok(_) => !is_compound(&source) || blank,
            Err(e) => e.kind != ErrorKind::Incomplete,
        };
        if done {
            return Ok(Some(source));
        }
    }
}

/// Whether a blank line has to end the statement.
fn is_compound(source: &str) -> bool {
    const WORDS: [&str; 8] = ["if", "for", "while", "try", "with", "def", "class", "async"];
    let first = source.trim_start();
    let word = first
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()
        .unwrap_or("");
    let line = first.lines().next().unwrap_or("").trim_end();
    WORDS.contains(&word) || first.starts_with('@') || (word == "match" && line.ends_with(':'))
}

fn prompt(t: &mut Thread, name: &str) {
    sys::flush_streams(t);
    let text = match runtime::sys_attr(t, name) {
        Some(p) => proto::str(t, p.value()).ok(),
        None => None,
    };
    t.clear_exc();
    let text = text
        .and_then(|s| Str::of(s.value()).map(|s| s.to_string_lossy()))
        .unwrap_or_default();
    eprint!("{text}");
}

/// A line from descriptor 0, read byte by byte: what follows is left for the program.
fn read_line(t: &mut Thread) -> Res<Option<String>> {
    let mut line = Vec::new();
    loop {
        let mut byte = 0u8;
        // SAFETY: reads one byte into our variable.
        let n = weft_stdlib::support::retry_os(t, || unsafe {
            libc::read(0, (&raw mut byte).cast(), 1)
        })?;
        if n > 0 {
            line.push(byte);
        }
        if n == 0 && line.is_empty() {
            return Ok(None);
        }
        if n == 0 || byte == b'\n' {
            return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
        }
    }
}
