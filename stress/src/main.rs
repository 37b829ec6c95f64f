//! `weft-stress --seed S`: random mixtures of operations, replayable by their seed.
//! `weft-stress run`: threaded programs against a weft binary, in turn, for a while.
//! `weft-stress bench`: two interpreters in pairs over the same programs.
//! `weft-stress compare`: the default and the `gil` build over the threaded programs, as a table and a plot.
//! `weft-stress fuzz`: wrong sources against the compiler.

mod bench;
mod compare;
mod fuzz;
mod mixture;
mod plot;
mod random;
mod run;

use std::process::ExitCode;
use std::str::FromStr;

const USAGE: &str = "\
usage: weft-stress [--seconds N] [--threads M] [--seed S] [--oracle CMD] [--rounds R] [--steps T] [PART]...
       weft-stress run [--seconds N] [--threads M] [--weft PATH] [--scale X] [--timeout S] [--env K=V]... [PROGRAM.py]...
       weft-stress bench --a CMD --b CMD [--runs N] PROGRAM.py...
       weft-stress compare --gil CMD [--weft CMD] [--threads M] [--runs N] [--scale S] [--svg FILE] [PROGRAM.py]...
       weft-stress fuzz [--seconds N] [--seed S] [--jobs J] [--limit S] [--from N] [--out DIR]
       weft-stress fuzz --seed S --case N | FILE...

-      Runs random mixtures of operations on shared things (stress/mixture), seed after seed from S (default 1)
       for N seconds (default 60): M threads (default: two per core) do T steps (default 150) in each of R rounds
       (default 8), on weft, on weft that verifies its heap, and on CMD, whose digest must be weft's. The last
       third of the time goes to mixtures in one process, whose memory and number of objects must stay flat.
       Takes the options of run as well. PART: only these parts, such as Dict or Weakrefs.
run    Runs the programs (default: all of stress/programs) in turn for N seconds (default 60) with M
       threads each (default: two per core) and X times (default 1) the work, on the weft at PATH (default: beside
       weft-stress). A wrong exit code, or more than S seconds (default 120) for one program, is a failure.
bench  Runs each program with the commands a, b, a, b, ... N times each (default 5) and compares the
       medians. A PROGRAM may be followed by its arguments inside the same word: 'fib.py 30'.
compare  Runs the programs (default: all of stress/programs, and stress/demo.py) on weft and on its gil build, N times
       each (default 3), alone and with M threads (default: one per core), with S times (default 1) the work. Prints
       one thread's overhead over the gil build and how much more of the work the threads do in the same time, and
       writes both as a plot to FILE.
fuzz   Compiles mutated pieces of the embedded library, for N seconds (default 60) in J processes (default: one
       per core), and verifies the code. A panic, a crash, more than S seconds (default 10) for one source,
       or code that the verifier refuses is a failure, whose source is written to DIR (default: weft-fuzz in
       the folder of temporary files). With --case or files: that case, or those sources, in this process.";

/// The command line after the subcommand: options are taken by name, and the rest is files.
pub struct Args(Vec<String>);

impl Args {
    /// Takes the value of the last `name`, removing every use of it.
    fn value(&mut self, name: &str) -> Result<Option<String>, String> {
        Ok(self.values(name)?.pop())
    }

    fn values(&mut self, name: &str) -> Result<Vec<String>, String> {
        let mut found = Vec::new();
        while let Some(i) = self.0.iter().position(|arg| arg == name) {
            if i + 1 == self.0.len() {
                return Err(format!("{name} needs a value"));
            }
            found.push(self.0.remove(i + 1));
            self.0.remove(i);
        }
        Ok(found)
    }

    fn number<T: FromStr>(&mut self, name: &str, default: T) -> Result<T, String> {
        match self.value(name)? {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|_| format!("{name}: not a number: {text}")),
        }
    }

    fn files(self) -> Result<Vec<String>, String> {
        match self.0.iter().find(|arg| arg.starts_with("--")) {
            Some(option) => Err(format!("unknown option {option}")),
            None => Ok(self.0),
        }
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next();
    let mut args = Args(words.collect());
    let outcome = match command.as_deref() {
        Some("run") => run::main(args),
        Some("bench") => bench::main(args),
        Some("compare") => compare::main(args),
        Some("fuzz") => fuzz::main(args),
        Some("--help" | "-h" | "help") => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        None => mixture::main(args),
        Some(option) if option.starts_with("--") => {
            args.0.insert(0, option.to_owned());
            mixture::main(args)
        }
        _ => Err("expected options, run, bench, compare or fuzz".to_owned()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("weft-stress: {message}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}
