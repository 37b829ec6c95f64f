//! Random mixtures of operations on shared things (`mixture/`), seed after seed, each on one or several interpreters that must
//! agree about all that does not depend on how the threads meet. Then many in one process, whose memory has to stay flat.

use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use crate::Args;
use crate::run::{beside_me, key_value, tail, watched};

/// An interpreter, and how it is run.
struct Runner {
    name: &'static str,
    command: String,
    env: Vec<(String, String)>,
    /// It does so many times fewer steps. Its results are its own then.
    slower: u32,
}

struct Session {
    runners: Vec<Runner>,
    threads: usize,
    rounds: u32,
    steps: u32,
    parts: Vec<String>,
    timeout: Duration,
    output: PathBuf,
}

/// Returns whether all held.
pub fn main(mut args: Args) -> Result<bool, String> {
    let cores = thread::available_parallelism().map_or(1, |n| n.get());
    let seconds = Duration::from_secs(args.number("--seconds", 60)?);
    let first: u64 = args.number("--seed", 1)?;
    let weft = match args.value("--weft")? {
        Some(path) => path,
        None => beside_me()
            .map_err(|e| format!("where am I: {e}"))?
            .to_string_lossy()
            .into_owned(),
    };
    let env = args
        .values("--env")?
        .iter()
        .map(|pair| key_value(pair))
        .collect::<Result<Vec<_>, _>>()?;
    let mut verified = env.clone();
    verified.push(("WEFT_VERIFY".to_owned(), "1".to_owned()));
    let runner = |name, command, env, slower| Runner {
        name,
        command,
        env,
        slower,
    };
    let mut runners = vec![
        runner("weft", weft.clone(), env, 1),
        runner("verified", weft, verified, 5),
    ];
    if let Some(oracle) = args.value("--oracle")? {
        runners.push(runner("oracle", oracle, Vec::new(), 1));
    }
    let session = Session {
        runners,
        threads: args.number("--threads", 2 * cores)?,
        rounds: args.number("--rounds", 8)?,
        steps: args.number("--steps", 150)?,
        timeout: Duration::from_secs(args.number("--timeout", 300)?),
        output: env::temp_dir().join(format!("weft-mixture-{}.out", process::id())),
        parts: args.files()?,
    };
    let begun = Instant::now();
    let (mut passed, mut failed) = (0, 0);
    let mut seed = first;
    // A third of the time belongs to the search for leaks.
    while seed == first || begun.elapsed() < seconds * 2 / 3 {
        match session.seed(seed)? {
            true => passed += 1,
            false => failed += 1,
        }
        seed += 1;
    }
    let flat = session.leaks(first, seconds / 3)?;
    // The file is a leftover of no use.
    let _ = fs::remove_file(&session.output);
    println!("{passed} seeds passed, {failed} failed");
    Ok(failed == 0 && flat)
}

impl Session {
    /// Runs a seed on every interpreter. False: something did not hold.
    fn seed(&self, seed: u64) -> Result<bool, String> {
        let mut digest: Option<String> = None;
        let mut held = true;
        for runner in &self.runners {
            let (failure, took) = self.watch(&self.of_seed(seed, runner), runner, self.timeout)?;
            let text = fs::read(&self.output).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let found = text.lines().find_map(|line| line.strip_prefix("digest "));
            let failure = failure.or_else(|| match (&digest, found) {
                (_, None) => Some("no digest".to_owned()),
                (Some(digest), Some(found)) if runner.slower == 1 && digest != found => {
                    Some("another digest than weft's".to_owned())
                }
                _ => None,
            });
            if digest.is_none() {
                digest = found.map(str::to_owned);
            }
            match failure {
                None => println!("seed {seed:<8} {:<10} {took:7.2} s", runner.name),
                Some(why) => {
                    held = false;
                    println!(
                        "seed {seed:<8} {:<10} {took:7.2} s  FAILED: {why}",
                        runner.name
                    );
                    println!("{}", tail(&self.output));
                    println!("    again: {}", self.of_seed(seed, runner).join(" "));
                }
            }
        }
        Ok(held)
    }

    /// Whether the memory of one process that does mixture after mixture stays flat, on the first interpreter.
    fn leaks(&self, first: u64, seconds: Duration) -> Result<bool, String> {
        let runner = &self.runners[0];
        // Laps are short, so that there are many to compare.
        let steps = (1000 / self.threads).clamp(10, 100) as u32;
        let numbers = [
            first,
            self.threads as u64,
            steps.into(),
            seconds.as_secs().max(1),
        ];
        let words = self.words(runner, "leaks.py", &numbers.map(|n| n.to_string()));
        let (failure, took) = self.watch(&words, runner, seconds + self.timeout)?;
        let text = fs::read(&self.output).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        print!("memory        {:<10} {took:7.2} s", runner.name);
        match &failure {
            None => println!("  {}", text.trim_end().replace('\n', "; ")),
            Some(why) => {
                println!("  FAILED: {why}\n{}", tail(&self.output));
                println!("    again: {}", words.join(" "));
            }
        }
        Ok(failure.is_none())
    }

    /// The command line of a program of `mixture/`.
    fn words(&self, runner: &Runner, program: &str, numbers: &[String]) -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mixture");
        let program = folder.join(program).to_string_lossy().into_owned();
        let command = runner.command.split_whitespace().map(str::to_owned);
        command
            .chain(["-B".to_owned(), program])
            .chain(numbers.iter().cloned())
            .chain(self.parts.iter().cloned())
            .collect()
    }

    /// The command line of a seed.
    fn of_seed(&self, seed: u64, runner: &Runner) -> Vec<String> {
        let steps = (self.steps / runner.slower).max(1);
        let numbers = [seed, self.threads as u64, self.rounds.into(), steps.into()];
        self.words(runner, "mixture.py", &numbers.map(|n| n.to_string()))
    }

    /// Why the command failed, and the seconds that it took.
    fn watch(
        &self,
        words: &[String],
        runner: &Runner,
        timeout: Duration,
    ) -> Result<(Option<String>, f64), String> {
        let Some((program, args)) = words.split_first() else {
            return Err("an empty command".to_owned());
        };
        let mut command = Command::new(program);
        command
            .args(args)
            .envs(runner.env.iter().map(|(key, value)| (key, value)));
        let begun = Instant::now();
        let failure = watched(command, &self.output, timeout)
            .map_err(|e| format!("{}: {e}", runner.command))?;
        Ok((failure, begun.elapsed().as_secs_f64()))
    }
}
