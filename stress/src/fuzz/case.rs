//! What is done with one source: decode, compile in several ways, verify, outline its tree, read its tokens.

use weft_core::compile::bytecode::Const;
use weft_core::compile::{self, CodeProto, Mode, Options, TreeOptions, verify};
use weft_core::tokenize::lexer::Lexer;

/// How many ways there are to compile a source.
pub const WAYS: usize = 9;

/// Larger code is not verified: the time grows faster than the code.
const VERIFIED: usize = 20_000;

/// Does all that there is to do with a source in one of the [`WAYS`].
///
/// # Errors
/// What the verifier found.
pub fn run(source: &[u8], way: usize) -> Result<(), String> {
    let text = match compile::decode_source(source, None) {
        Ok(text) => text,
        // `compile()` takes text as well, which need not be what a file holds.
        Err(_) => String::from_utf8_lossy(source).into_owned(),
    };
    let mode = match way {
        5 => Mode::Eval,
        6 => Mode::Single,
        _ => Mode::Exec,
    };
    let opts = Options {
        filename: "fuzz.py".to_owned(),
        optimize: [0, 2, 1][way % 3],
        future_annotations: way == 3,
        barry: way == 4,
        top_level_await: way == 2 || way == 6,
        max_digits: (way == 1).then_some(0),
        allow_incomplete: way == 6,
        from_file: way == 7,
    };
    if let Ok((code, _)) = compile::compile_warning(&text, mode, &opts) {
        check(&code)?;
        std::hint::black_box(compile::disassemble(&code));
    }
    let how = TreeOptions {
        type_comments: way % 2 == 1,
        optimize: (way % 4 == 2).then_some(0),
        feature_version: (way == 7).then_some(7),
    };
    let _ = std::hint::black_box(compile::outline(&text, mode, &opts, how));
    if way == 8 {
        let _ = std::hint::black_box(compile::symbol_tables(&text, mode, &opts));
        let _ = std::hint::black_box(compile::outline_signature(&text, &opts));
    }
    if way.is_multiple_of(4) {
        let mut lexer = Lexer::new(text + "\n", way == 0);
        while let Ok(Some(_)) = lexer.next_token() {}
    }
    Ok(())
}

/// Verifies a code object and all inside it.
fn check(code: &CodeProto) -> Result<(), String> {
    if code.instrs.len() < VERIFIED && code.nregs < 2_000 {
        verify::verify(code).map_err(|e| format!("unsound code for {}: {e}", code.qualname))?;
    }
    for constant in &code.consts {
        if let Const::Code(inner) = constant {
            check(inner)?;
        }
    }
    Ok(())
}
