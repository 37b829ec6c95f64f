//! Programs in turn until the time is over; a wrong exit code or a hang is a failure.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, process, thread};

use crate::Args;

const TAIL_LINES: usize = 40;

/// What every program of this session is run with.
struct Session {
    weft: PathBuf,
    env: Vec<(String, String)>,
    threads: usize,
    scale: f64,
    timeout: Duration,
    output: PathBuf,
}

/// Returns whether all passed.
pub fn main(mut args: Args) -> Result<bool, String> {
    let cores = thread::available_parallelism().map_or(1, |n| n.get());
    let seconds = Duration::from_secs(args.number("--seconds", 60)?);
    let session = Session {
        weft: match args.value("--weft")? {
            Some(path) => path.into(),
            None => beside_me().map_err(|e| format!("where am I: {e}"))?,
        },
        env: args
            .values("--env")?
            .iter()
            .map(|pair| key_value(pair))
            .collect::<Result<_, _>>()?,
        threads: args.number("--threads", 2 * cores)?,
        scale: args.number("--scale", 1.0)?,
        timeout: Duration::from_secs(args.number("--timeout", 120)?),
        output: env::temp_dir().join(format!("weft-stress-{}.out", process::id())),
    };
    let mut programs: Vec<PathBuf> = args.files()?.into_iter().map(PathBuf::from).collect();
    if programs.is_empty() {
        programs = all_programs()?;
    }
    println!(
        "{} with {} threads, for {} s",
        session.weft.display(),
        session.threads,
        seconds.as_secs()
    );
    let result = session.run_all(&programs, seconds);
    // The file is a leftover of no use; that it cannot be removed is no failure of weft's.
    let _ = fs::remove_file(&session.output);
    result
}

pub fn beside_me() -> io::Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name(format!("weft{}", env::consts::EXE_SUFFIX)))
}

pub fn key_value(pair: &str) -> Result<(String, String), String> {
    let (key, value) = pair
        .split_once('=')
        .ok_or_else(|| format!("--env {pair}: K=V expected"))?;
    Ok((key.to_owned(), value.to_owned()))
}

/// The `.py` files of `stress/programs`, sorted, but for those that others import (`_*.py`).
pub fn all_programs() -> Result<Vec<PathBuf>, String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let mut programs = Vec::new();
    for entry in fs::read_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))? {
        let path = entry.map_err(|e| format!("{}: {e}", dir.display()))?.path();
        if path.extension().is_some_and(|e| e == "py") && !name(&path).starts_with('_') {
            programs.push(path);
        }
    }
    programs.sort();
    Ok(programs)
}

pub fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

impl Session {
    fn run_all(&self, programs: &[PathBuf], seconds: Duration) -> Result<bool, String> {
        let start = Instant::now();
        let (mut passed, mut failed) = (0, 0);
        for program in programs.iter().cycle() {
            if start.elapsed() >= seconds {
                break;
            }
            print!("{:<24}", name(program));
            io::stdout().flush().map_err(|e| e.to_string())?;
            let begun = Instant::now();
            let failure = self
                .run_one(program)
                .map_err(|e| format!("{}: {e}", self.weft.display()))?;
            let took = begun.elapsed().as_secs_f64();
            match failure {
                None => {
                    passed += 1;
                    println!("{took:7.2} s");
                }
                Some(why) => {
                    failed += 1;
                    println!("{took:7.2} s  FAILED: {why}");
                    println!("{}", tail(&self.output));
                }
            }
        }
        if passed + failed < programs.len() {
            println!(
                "{} of the {} programs had no turn",
                programs.len() - passed - failed,
                programs.len()
            );
        }
        println!("{passed} passed, {failed} failed");
        Ok(failed == 0 && passed > 0)
    }

    fn run_one(&self, program: &Path) -> io::Result<Option<String>> {
        let mut command = Command::new(&self.weft);
        command
            .arg(program)
            .arg(self.threads.to_string())
            .arg(self.scale.to_string())
            .envs(self.env.iter().map(|(key, value)| (key, value)));
        watched(command, &self.output, self.timeout)
    }
}

/// Why the command failed, or `None`; an error is one of starting it at all. What it says goes to a file.
pub fn watched(
    mut command: Command,
    output: &Path,
    timeout: Duration,
) -> io::Result<Option<String>> {
    let output = File::create(output)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((!status.success()).then(|| status.to_string()));
        }
        if start.elapsed() >= timeout {
            child.kill()?;
            child.wait()?;
            return Ok(Some(format!("still running after {} s", timeout.as_secs())));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The last lines of what a program wrote.
pub fn tail(output: &Path) -> String {
    let bytes = fs::read(output).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines[from..]
        .iter()
        .map(|line| format!("    | {line}\n"))
        .collect()
}
