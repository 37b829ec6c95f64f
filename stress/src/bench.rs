//! Two interpreters over the same programs, run in pairs (a, b, a, b, ...) so that a machine that
//! slows down slows both.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Args;

/// Returns whether every program ran on both.
pub fn main(mut args: Args) -> Result<bool, String> {
    let a = args.value("--a")?.ok_or("--a is missing")?;
    let b = args.value("--b")?.ok_or("--b is missing")?;
    let runs: usize = args.number("--runs", 5)?;
    let files = args.files()?;
    if files.is_empty() || runs == 0 {
        return Err("nothing to run".to_owned());
    }
    println!("a: {a}\nb: {b}\nmedians of {runs} runs each, in pairs (± half the spread)\n");
    println!("{:<32} {:>18} {:>18} {:>8}", "program", "a", "b", "a/b");
    let mut logs = Vec::new();
    for file in &files {
        match pair(&a, &b, file, runs) {
            Ok((times_a, times_b)) => {
                let ratio = times_a.median / times_b.median;
                logs.push(ratio.ln());
                println!("{file:<32} {times_a} {times_b} {ratio:>8.3}");
            }
            Err(why) => println!("{file:<32} {why}"),
        }
    }
    if !logs.is_empty() {
        let mean = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
        println!(
            "\nb is {mean:.3} times as fast as a (geometric mean of {})",
            logs.len()
        );
    }
    let failed = files.len() - logs.len();
    if failed > 0 {
        println!("{failed} failed");
    }
    Ok(failed == 0)
}

pub struct Times {
    pub median: f64,
    spread: f64,
}

impl Times {
    pub fn of(mut seconds: Vec<f64>) -> Times {
        seconds.sort_by(f64::total_cmp);
        let n = seconds.len();
        let median = (seconds[(n - 1) / 2] + seconds[n / 2]) / 2.0;
        Times {
            median,
            spread: (seconds[n - 1] - seconds[0]) / 2.0,
        }
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:9.4} ±{:.4} s", self.median, self.spread)
    }
}

fn pair(a: &str, b: &str, file: &str, runs: usize) -> Result<(Times, Times), String> {
    let (mut times_a, mut times_b) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        times_a.push(time(a, file)?);
        times_b.push(time(b, file)?);
    }
    Ok((Times::of(times_a), Times::of(times_b)))
}

/// Seconds that one run of `command file` takes; its output is dropped, but for errors.
fn time(command: &str, file: &str) -> Result<f64, String> {
    let mut words = command.split_whitespace().chain(file.split_whitespace());
    let program = words.next().ok_or("an empty command")?;
    let start = Instant::now();
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|e| format!("{program}: {e}"))?;
    let seconds = start.elapsed().as_secs_f64();
    if output.status.success() {
        return Ok(seconds);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    Err(format!("{command}: {}: {last}", output.status))
}
