//! Wrong sources against the compiler: no panic, no crash, no hang, and no code that the verifier refuses.
//!
//! Case `n` of a seed is always the same source. Children of this process do the work, case by case; each says which it
//! begins, so that one that dies or stays silent tells its source. What fails is written to a file, and made smaller.

mod case;
mod mutate;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, io, panic, process, thread};

use crate::Args;
use crate::random::Random;
use mutate::Corpus;

/// Exit code of a child that found something.
const FOUND: i32 = 101;
/// As much address space has a child.
const MEMORY: libc::rlim_t = 6 << 30;
/// A child's stack, as that of a thread of the runtime.
const STACK: usize = 8 << 20;
/// Tries to make a failing source smaller.
const SHRINKS: usize = 400;

/// Returns whether nothing was found.
pub fn main(mut args: Args) -> Result<bool, String> {
    let seed = args.number("--seed", 1)?;
    if let Some(from) = args.value("--child-from")? {
        let from = from.parse().map_err(|_| "--child-from: not a number")?;
        child(seed, from, args.number("--child-step", 1)?);
    }
    let cores = thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let session = Session {
        seed,
        time: Duration::from_secs(args.number("--seconds", 60)?),
        limit: Duration::from_secs(args.number("--limit", 10)?),
        jobs: args.number("--jobs", cores)?.max(1),
        from: args.number("--from", 0)?,
        out: args
            .value("--out")?
            .map_or_else(|| env::temp_dir().join("weft-fuzz"), PathBuf::from),
        begun: Instant::now(),
        found: Mutex::default(),
    };
    let case: Option<u64> = match args.value("--case")? {
        None => None,
        Some(n) => Some(n.parse().map_err(|_| "--case: not a number")?),
    };
    let files = args.files()?;
    if let Some(n) = case {
        let path = session.write(n, &source(&Corpus::new(), seed, n))?;
        println!("{}", path.display());
        return replay(&[path]);
    }
    if !files.is_empty() {
        return replay(&files.into_iter().map(PathBuf::from).collect::<Vec<_>>());
    }
    session.run()
}

fn source(corpus: &Corpus, seed: u64, n: u64) -> Vec<u8> {
    mutate::source(corpus, &mut Random::new(seed, n))
}

/// Makes a panic on whatever thread the end of this process, and an endless appetite its death.
fn guard() {
    panic::set_hook(Box::new(|info| {
        eprintln!("fuzz: {info}");
        if env::var_os("FUZZ_BACKTRACE").is_some() {
            eprintln!("{}", std::backtrace::Backtrace::force_capture());
        }
        process::exit(FOUND);
    }));
    let limit = libc::rlimit {
        rlim_cur: MEMORY,
        rlim_max: MEMORY,
    };
    // SAFETY: the struct is whole; the call changes this process's limit only.
    unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) };
}

fn on_a_stack(work: impl FnOnce() + Send) {
    thread::scope(|scope| {
        thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .map(drop)
            .unwrap_or_else(|e| panic!("no thread: {e}"));
    });
}

fn judge(source: &[u8], way: usize) {
    if let Err(what) = case::run(source, way) {
        eprintln!("fuzz: {what}");
        process::exit(FOUND);
    }
}

/// Cases `from`, `from + step`, ... until killed; each is announced.
fn child(seed: u64, from: u64, step: u64) -> ! {
    guard();
    on_a_stack(|| {
        let corpus = Corpus::new();
        let mut out = io::stdout().lock();
        for n in (from..).step_by(step as usize) {
            if writeln!(out, "{n}").and_then(|()| out.flush()).is_err() {
                break;
            }
            let text = source(&corpus, seed, n);
            judge(&text, 0);
            judge(&text, 1 + n as usize / step as usize % (case::WAYS - 1));
        }
    });
    process::exit(0)
}

/// All ways over each file.
fn replay(files: &[PathBuf]) -> Result<bool, String> {
    let texts = files
        .iter()
        .map(|file| fs::read(file).map_err(|e| format!("{}: {e}", file.display())))
        .collect::<Result<Vec<_>, _>>()?;
    guard();
    on_a_stack(|| {
        for text in &texts {
            for way in 0..case::WAYS {
                let begun = Instant::now();
                judge(text, way);
                let took = begun.elapsed();
                if took > Duration::from_secs(1) {
                    eprintln!("slow: way {way} took {:.1} s", took.as_secs_f64());
                }
            }
        }
    });
    Ok(true)
}

struct Session {
    seed: u64,
    time: Duration,
    limit: Duration,
    jobs: u64,
    from: u64,
    out: PathBuf,
    begun: Instant,
    /// What was found, each kind once.
    found: Mutex<Vec<String>>,
}

/// How a child ended.
enum End {
    Hang,
    Died(ExitStatus, String),
}

impl End {
    /// What failures of the same cause have in common.
    fn kind(&self) -> String {
        match self {
            End::Hang => "still running at the limit".to_owned(),
            End::Died(status, said) => {
                let mut lines = said.lines().filter_map(|l| l.strip_prefix("fuzz: "));
                match (status.code(), lines.next()) {
                    (Some(FOUND), Some(line)) => line.to_owned(),
                    _ => status.to_string(),
                }
            }
        }
    }
}

impl Session {
    fn run(&self) -> Result<bool, String> {
        let cases = thread::scope(|scope| {
            let worker = |job| scope.spawn(move || self.worker(job));
            let workers: Vec<_> = (0..self.jobs).map(worker).collect();
            let mut cases = 0;
            for worker in workers {
                let done = worker.join().map_err(|_| "a worker failed")??;
                cases += done;
            }
            Ok::<u64, String>(cases)
        })?;
        let found = self.found();
        println!(
            "seed {}: {cases} cases in {} s, {} kinds of failure",
            self.seed,
            self.begun.elapsed().as_secs(),
            found.len()
        );
        Ok(found.is_empty() && cases > 0)
    }

    fn found(&self) -> MutexGuard<'_, Vec<String>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Children, one after the other; how many cases they did.
    fn worker(&self, job: u64) -> Result<u64, String> {
        let corpus = Corpus::new();
        let mut cases = 0;
        let mut next = self.from + job;
        while self.begun.elapsed() < self.time {
            let (seed, from) = (self.seed.to_string(), next.to_string());
            let step = self.jobs.to_string();
            let args = [
                "--seed",
                &seed,
                "--child-from",
                &from,
                "--child-step",
                &step,
            ];
            let (last, end) = self
                .watch(&args.map(str::to_owned))
                .map_err(|e| e.to_string())?;
            let last = last.unwrap_or(next);
            cases += (last - next) / self.jobs + 1;
            next = last + self.jobs;
            if let Some(end) = end {
                self.report(last, &source(&corpus, self.seed, last), &end)?;
            }
        }
        Ok(cases)
    }

    /// Runs a child to its end, or the session's. The last case that it began, and how it failed.
    fn watch(&self, args: &[String]) -> io::Result<(Option<u64>, Option<End>)> {
        let mut child = start(args)?;
        let (send, cases) = mpsc::channel();
        let (out, mut errors) = (child.stdout.take(), child.stderr.take());
        thread::spawn(move || {
            for line in BufReader::new(out?).lines() {
                send.send(line.ok()?.parse::<u64>().ok()?).ok()?;
            }
            Some(())
        });
        let mut last = None;
        loop {
            match cases.recv_timeout(self.limit) {
                Ok(n) => last = Some(n),
                Err(RecvTimeoutError::Timeout) => {
                    stop(&mut child)?;
                    return Ok((last, Some(End::Hang)));
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.begun.elapsed() >= self.time {
                stop(&mut child)?;
                return Ok((last, None));
            }
        }
        let mut said = String::new();
        if let Some(errors) = &mut errors {
            errors.read_to_string(&mut said)?;
        }
        let status = child.wait()?;
        Ok((last, Some(End::Died(status, said))))
    }

    fn write(&self, n: u64, text: &[u8]) -> Result<PathBuf, String> {
        let path = self.out.join(format!("seed{}-case{n}.py", self.seed));
        fs::create_dir_all(&self.out)
            .and_then(|()| fs::write(&path, text))
            .map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }

    /// Writes down what failed, as a smaller source if there is one; the same kind once only.
    fn report(&self, n: u64, text: &[u8], end: &End) -> Result<(), String> {
        let kind = end.kind();
        // The number of a column, a name and the like may differ.
        let stem: String = kind.chars().take(60).collect();
        let mut found = self.found();
        if found.contains(&stem) {
            return Ok(());
        }
        found.push(stem.clone());
        drop(found);
        let path = self.write(n, text)?;
        println!("{}: {kind}", path.display());
        let small = self.shrink(text, &stem, &path.with_extension("try"));
        if small.len() < text.len() {
            let path = path.with_extension("small.py");
            fs::write(&path, small).map_err(|e| e.to_string())?;
            println!("  smaller: {}", path.display());
        }
        Ok(())
    }

    /// Leaves out lines, then bytes, while the failure stays.
    fn shrink(&self, text: &[u8], stem: &str, scratch: &Path) -> Vec<u8> {
        let mut tries = 0;
        let mut fails = |text: &[u8]| {
            tries += 1;
            let begun = Instant::now();
            let kept = tries < SHRINKS
                && fs::write(scratch, text).is_ok()
                && self
                    .fails(scratch)
                    .is_some_and(|kind| kind.starts_with(stem));
            // Large sources and hangs take their time.
            tries += begun.elapsed().as_millis() as usize / 50;
            kept
        };
        let lines = text.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec);
        let lines = reduced(lines.collect(), &mut fails).concat();
        let bytes = reduced(lines.iter().map(|b| vec![*b]).collect(), &mut fails).concat();
        // What remains of it is of no use.
        let _ = fs::remove_file(scratch);
        bytes
    }

    /// How a file fails, if it does.
    fn fails(&self, file: &Path) -> Option<String> {
        let mut child = start(&[file.to_string_lossy().into_owned()]).ok()?;
        let begun = Instant::now();
        while begun.elapsed() < self.limit * 2 {
            let Some(status) = child.try_wait().ok()? else {
                thread::sleep(Duration::from_millis(3));
                continue;
            };
            let mut said = String::new();
            child.stderr.take()?.read_to_string(&mut said).ok()?;
            return (!status.success()).then(|| End::Died(status, said).kind());
        }
        stop(&mut child).ok()?;
        Some(End::Hang.kind())
    }
}

/// The parts without those that the failure does not need, halves first.
fn reduced(mut parts: Vec<Vec<u8>>, fails: &mut dyn FnMut(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let mut size = parts.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < parts.len() {
            let end = parts.len().min(at + size);
            let rest = [&parts[..at], &parts[end..]].concat();
            match fails(&rest.concat()) {
                true => parts = rest,
                false => at = end,
            }
        }
        size /= 2;
    }
    parts
}

fn start(args: &[String]) -> io::Result<Child> {
    Command::new(env::current_exe()?)
        .arg("fuzz")
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

fn stop(child: &mut Child) -> io::Result<()> {
    child.kill()?;
    child.wait().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_always_the_same() {
        let corpus = Corpus::new();
        for n in 0..50 {
            assert_eq!(source(&corpus, 5, n), source(&corpus, 5, n));
        }
        assert_ne!(source(&corpus, 5, 0), source(&corpus, 6, 0));
    }

    #[test]
    fn some_cases() {
        on_a_stack(|| {
            let corpus = Corpus::new();
            for n in 0..100 {
                let text = source(&corpus, 1, n);
                for way in 0..case::WAYS {
                    assert_eq!(case::run(&text, way), Ok(()), "case {n}, way {way}");
                }
            }
        });
    }

    #[test]
    fn what_is_not_needed_is_left_out() {
        let parts = b"abcXdefYg".iter().map(|b| vec![*b]).collect();
        let mut fails = |text: &[u8]| text.contains(&b'X') && text.contains(&b'Y');
        assert_eq!(reduced(parts, &mut fails).concat(), b"XY");
    }
}
