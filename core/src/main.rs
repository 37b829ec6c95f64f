//! The `weft` program.

use std::io::Write;
use weft_core::cli::{Parsed, parse};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let code = match parse(std::env::args_os().collect()) {
        Parsed::Run(config) => weft_core::start::run(*config),
        Parsed::Exit(text, 0) => {
            let written = std::io::stdout().write_all(text.as_bytes());
            i32::from(written.is_err())
        }
        Parsed::Exit(text, code) => {
            eprint!("{text}");
            code
        }
    };
    std::process::exit(code);
}
