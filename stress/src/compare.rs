//! The GIL as yardstick: every program on the default and on the `gil` build, with one thread and with several, as a table and as a
//! plot (`plot.rs`).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, fs, thread};

use crate::Args;
use crate::bench::Times;
use crate::plot;
use crate::run::{all_programs, beside_me, name};

/// The names of the two builds, in the order in which all pairs here are.
pub const BUILDS: [&str; 2] = ["default", "gil"];

/// What a program's threads do, by its last words.
#[derive(Clone, Copy, PartialEq)]
enum Work {
    /// Each does as much as one alone does.
    Each,
    /// They share one amount of work.
    Divided,
    /// The main thread does it, and they are in its way: there is no speed-up to speak of.
    Main,
}

/// One program, or one kind of work of the demo.
pub struct Row {
    pub name: String,
    /// One thread's seconds on the default build for one second on the other.
    pub overhead: f64,
    /// How many times the work of one thread several do in its time, by build.
    pub speedup: Option<[f64; 2]>,
    alone: [f64; 2],
}

struct Session {
    commands: [String; 2],
    threads: usize,
    runs: usize,
    scale: String,
}

/// Returns whether every program ran on both.
pub fn main(mut args: Args) -> Result<bool, String> {
    let cores = thread::available_parallelism().map_or(1, |n| n.get());
    let weft = match args.value("--weft")? {
        Some(path) => path,
        None => beside_me()
            .map_err(|e| format!("where am I: {e}"))?
            .to_string_lossy()
            .into_owned(),
    };
    let session = Session {
        commands: [weft, args.value("--gil")?.ok_or("--gil is missing")?],
        threads: args.number("--threads", cores)?,
        runs: args.number("--runs", 3)?,
        scale: args.number("--scale", 1.0)?.to_string(),
    };
    let svg = args.value("--svg")?;
    let mut programs: Vec<PathBuf> = args.files()?.into_iter().map(PathBuf::from).collect();
    if programs.is_empty() {
        programs = all_programs()?;
        programs.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("demo.py"));
    }
    if session.runs == 0 || session.threads == 0 {
        return Err("nothing to run".to_owned());
    }
    let (rows, failed) = session.all(&programs);
    if let Some(path) = svg
        && !rows.is_empty()
    {
        fs::write(&path, plot::svg(&rows, session.threads)).map_err(|e| format!("{path}: {e}"))?;
        println!("\nthe plot is in {path}");
    }
    if failed > 0 {
        println!("{failed} failed");
    }
    Ok(failed == 0)
}

/// The geometric mean, or `None` of nothing.
pub fn mean(of: impl Iterator<Item = f64>) -> Option<f64> {
    let logs: Vec<f64> = of.map(f64::ln).collect();
    (!logs.is_empty()).then(|| (logs.iter().sum::<f64>() / logs.len() as f64).exp())
}

/// One run: the seconds, and what the program said.
struct Run {
    seconds: f64,
    out: String,
}

impl Session {
    fn all(&self, programs: &[PathBuf]) -> (Vec<Row>, usize) {
        let n = self.threads;
        println!(
            "default: {}\ngil:     {}\nmedians of {} runs each, in turn; seconds of one thread, and how much more of the work {n} threads do in the same time\n",
            self.commands[0], self.commands[1], self.runs
        );
        println!(
            "{:<24} {:>9} {:>9} {:>9}   {:>9} {:>9}",
            "program", BUILDS[0], BUILDS[1], "overhead", BUILDS[0], BUILDS[1]
        );
        let (mut rows, mut failed) = (Vec::new(), 0);
        for program in programs {
            let of_it = match program.file_name().is_some_and(|n| n == "demo.py") {
                true => self.demo(program),
                false => self.program(program).map(|row| vec![row]),
            };
            match of_it {
                Ok(of_it) => {
                    of_it.iter().for_each(Row::show);
                    rows.extend(of_it);
                }
                Err(why) => {
                    failed += 1;
                    println!("{:<24} FAILED: {why}", name(program));
                }
            }
        }
        total(&rows);
        (rows, failed)
    }

    /// The four medians of a program: alone and together, on each build.
    fn program(&self, program: &Path) -> Result<Row, String> {
        let mut alone = [Vec::new(), Vec::new()];
        let mut together = [Vec::new(), Vec::new()];
        let mut work = Work::Each;
        for _ in 0..self.runs {
            for (threads, times) in [(1, &mut alone), (self.threads, &mut together)] {
                for (command, times) in self.commands.iter().zip(times) {
                    let args = [threads.to_string(), self.scale.clone()];
                    let run = one(command, program, &args)?;
                    times.push(run.seconds);
                    work = said(&run.out)?;
                }
            }
        }
        let alone = alone.map(median);
        let together = together.map(median);
        let times = match work {
            Work::Each => self.threads as f64,
            Work::Divided | Work::Main => 1.0,
        };
        let speedup = [0, 1].map(|i| times * alone[i] / together[i]);
        Ok(Row {
            name: name(program).trim_end_matches(".py").to_owned(),
            overhead: alone[0] / alone[1],
            speedup: (work != Work::Main).then_some(speedup),
            alone,
        })
    }

    /// A row for each kind of work of the demo, which compares one thread and several by itself.
    fn demo(&self, program: &Path) -> Result<Vec<Row>, String> {
        let mut kinds: Vec<String> = Vec::new();
        // By kind: times alone on each build, then together.
        let mut times: Vec<[Vec<f64>; 4]> = Vec::new();
        for _ in 0..self.runs {
            for (build, command) in self.commands.iter().enumerate() {
                let args = ["--quick".to_owned(), "--threads".to_owned()];
                let args = args.into_iter().chain([self.threads.to_string()]);
                let run = one(command, program, &args.collect::<Vec<_>>())?;
                for (kind, alone, together) in run.out.lines().filter_map(kind_of_work) {
                    let at = kinds.iter().position(|k| *k == kind).unwrap_or_else(|| {
                        kinds.push(kind);
                        times.push(Default::default());
                        kinds.len() - 1
                    });
                    times[at][build].push(alone);
                    times[at][2 + build].push(together);
                }
            }
        }
        let row = |(kind, times): (String, [Vec<f64>; 4])| {
            let [a, b, c, d] = times.map(median);
            Row {
                name: format!("demo, {kind}"),
                overhead: a / b,
                speedup: Some([a / c, b / d]),
                alone: [a, b],
            }
        };
        Ok(kinds.into_iter().zip(times).map(row).collect())
    }
}

impl Row {
    fn show(&self) {
        print!(
            "{:<24} {:>7.2} s {:>7.2} s {:>+8.1}%   ",
            self.name,
            self.alone[0],
            self.alone[1],
            (self.overhead - 1.0) * 100.0
        );
        match self.speedup {
            Some([default, gil]) => println!("{default:>9.2} {gil:>9.2}"),
            None => println!("{:>9} {:>9}", "-", "-"),
        }
    }
}

fn total(rows: &[Row]) {
    let Some(overhead) = mean(rows.iter().map(|row| row.overhead)) else {
        return;
    };
    let speedups = [0, 1].map(|i| mean(rows.iter().filter_map(|row| Some(row.speedup?[i]))));
    let shown = speedups.map(|s| s.map_or_else(|| "-".to_owned(), |s| format!("{s:.2}")));
    println!(
        "{:<44} {:>+8.1}%   {:>9} {:>9}",
        "geometric means",
        (overhead - 1.0) * 100.0,
        shown[0],
        shown[1]
    );
}

fn median(seconds: Vec<f64>) -> f64 {
    Times::of(seconds).median
}

/// `name   what it is   1.23 s   0.64 s   1.92x  equal`: the name, and the two times.
fn kind_of_work(line: &str) -> Option<(String, f64, f64)> {
    let mut words = line.strip_suffix("equal")?.split_whitespace().rev();
    words.next()?.strip_suffix('x')?;
    let mut seconds = || {
        (words.next()? == "s").then_some(())?;
        words.next()?.parse().ok()
    };
    let (together, alone) = (seconds()?, seconds()?);
    let name = line.split("  ").next()?.trim();
    Some((name.to_owned(), alone, together))
}

/// What a program's last words say about its work.
fn said(out: &str) -> Result<Work, String> {
    match out.lines().last() {
        Some("ok") => Ok(Work::Each),
        Some("ok, divided work") => Ok(Work::Divided),
        Some("ok, the main thread's work") => Ok(Work::Main),
        last => Err(format!("its last line is {:?}", last.unwrap_or_default())),
    }
}

fn one(command: &str, program: &Path, args: &[String]) -> Result<Run, String> {
    let mut words = command.split_whitespace();
    let first = words.next().ok_or("an empty command")?;
    let start = Instant::now();
    let output = Command::new(first)
        .args(words)
        .arg(program)
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|e| format!("{first}: {e}"))?;
    let seconds = start.elapsed().as_secs_f64();
    if output.status.success() {
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        return Ok(Run { seconds, out });
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.lines().rev().find(|line| !line.trim().is_empty());
    let last = last.unwrap_or_default();
    Err(format!("{command}: {}: {last}", output.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_demo() {
        let line = "road map     one shared table             0.50 s      0.25 s     2.00x  equal";
        assert_eq!(kind_of_work(line), Some(("road map".to_owned(), 0.5, 0.25)));
        assert_eq!(
            kind_of_work("all                          0.50 s      0.25 s     2.00x"),
            None
        );
        assert_eq!(
            kind_of_work("  words  strings and dicts 1 thread ....  0.50 s"),
            None
        );
    }

    #[test]
    fn means() {
        assert_eq!(mean([2.0, 8.0].into_iter()).map(f64::round), Some(4.0));
        assert_eq!(mean([].into_iter()), None);
    }
}
