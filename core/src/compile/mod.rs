//! The compiler: source text -> syntax tree -> symbol tables -> register bytecode. Pure data in and out.
//!
//! Nothing here knows of the runtime: a [`CodeProto`] is plain data that the runtime turns into a code object.

mod assemble;
pub mod bytecode;
mod call;
mod comprehension;
mod consts;
mod error;
mod exception;
mod expr;
mod fstring;
mod function;
mod pattern;
mod scan;
mod source;
mod stmt;
mod symtable;
mod unparse;
pub mod verify;

#[cfg(test)]
mod tests;

pub use assemble::disassemble;
pub use bytecode::CodeProto;
pub use source::decode_source;

use assemble::Unit;
use ruff_python_ast as ast;
use source::Source;
use symtable::SymTable;

/// What the source is compiled as: `compile()`'s "exec", "eval" and "single".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Exec,
    Eval,
    Single,
}

/// Settings of a compilation.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub filename: String,
    /// 0: as written; 1: no asserts, `__debug__` is false (`-O`); 2: no docstrings either (`-OO`).
    pub optimize: u8,
    /// `from __future__ import annotations` is in force from outside.
    pub future_annotations: bool,
    /// `await` is allowed at the top level (`ast.PyCF_ALLOW_TOP_LEVEL_AWAIT`).
    pub top_level_await: bool,
    /// Input that merely ends too early is reported as [`ErrorKind::Incomplete`].
    pub allow_incomplete: bool,
}

/// Which Python exception a [`SyntaxError`] becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    Syntax,
    Indentation,
    Tab,
    /// `_IncompleteInputError`, if the options allow it.
    Incomplete,
    /// RecursionError: nested too deeply for the compiler.
    Recursion,
}

/// Why a source could not be compiled. Lines and columns are counted from 1, columns in code points; line 0 is unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct SyntaxError {
    pub kind: ErrorKind,
    pub msg: String,
    pub filename: String,
    pub line: u32,
    pub col: u32,
    pub end_line: u32,
    pub end_col: u32,
    pub text: Option<String>,
}

impl std::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?}: {} ({}, line {}, col {})",
            self.kind, self.msg, self.filename, self.line, self.col
        )
    }
}

type Res<T = ()> = Result<T, SyntaxError>;

/// Compiles `source` (see [`decode_source`] for bytes).
///
/// # Errors
/// A [`SyntaxError`] with CPython's wording for the common mistakes.
pub fn compile(source: &str, mode: Mode, opts: &Options) -> Result<CodeProto, SyntaxError> {
    let text = source::normalize(source);
    let src = Source::new(&text, &opts.filename);
    let weight = src.check_nesting()?;
    if weight <= INLINE_WEIGHT {
        return compile_source(&src, mode, opts);
    }
    // The parser and the walks over its tree recurse: give them a stack to match.
    let stack = (weight as usize * STACK_PER_LEVEL).clamp(8 << 20, 1 << 30);
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new()
            .stack_size(stack)
            .spawn_scoped(scope, || {
                let src = Source::new(&text, &opts.filename);
                compile_source(&src, mode, opts)
            });
        match worker.map(|w| w.join()) {
            Ok(Ok(result)) => result,
            _ => Err(src.too_deep()),
        }
    })
}

/// Up to this many nested constructs (estimated from above) are compiled on the caller's stack.
const INLINE_WEIGHT: u32 = 120;
/// Stack for each level of nesting, with room for unoptimised builds.
const STACK_PER_LEVEL: usize = 10 << 10;
/// Deepest nesting of expressions that is compiled.
const MAX_DEPTH: u32 = 20_000;

fn compile_source(src: &Source<'_>, mode: Mode, opts: &Options) -> Res<CodeProto> {
    match mode {
        Mode::Eval => {
            let parsed = ruff_python_parser::parse_unchecked(
                src.text,
                ruff_python_parser::ParseOptions::from(ruff_python_parser::Mode::Expression)
                    .with_target_version(ast::PythonVersion::PY314),
            );
            error::check(src, &parsed, mode, opts)?;
            let ast::Mod::Expression(tree) = parsed.into_syntax() else {
                return Err(src.plain_error("invalid syntax"));
            };
            let sym = symtable::build_expression(src, &tree.body, opts)?;
            let mut compiler = Compiler::new(src, opts, mode, &sym);
            compiler.eval_unit(&tree.body)
        }
        Mode::Exec | Mode::Single => {
            let parsed = ruff_python_parser::parse_unchecked(
                src.text,
                ruff_python_parser::ParseOptions::from(ruff_python_parser::Mode::Module)
                    .with_target_version(ast::PythonVersion::PY314),
            );
            error::check(src, &parsed, mode, opts)?;
            let ast::Mod::Module(tree) = parsed.into_syntax() else {
                return Err(src.plain_error("invalid syntax"));
            };
            if mode == Mode::Single {
                error::check_single(src, &tree.body, opts)?;
            }
            let sym = symtable::build_module(src, &tree.body, opts)?;
            let mut compiler = Compiler::new(src, opts, mode, &sym);
            compiler.module_unit(&tree.body)
        }
    }
}

/// The state of code generation: the unit being written and what surrounds it.
struct Compiler<'a> {
    src: &'a Source<'a>,
    opts: &'a Options,
    mode: Mode,
    sym: &'a SymTable<'a>,
    /// The code object being written.
    u: Unit<'a>,
    /// The ones around it, outermost first.
    outer: Vec<Unit<'a>>,
    depth: u32,
}

impl<'a> Compiler<'a> {
    fn new(src: &'a Source<'a>, opts: &'a Options, mode: Mode, sym: &'a SymTable<'a>) -> Self {
        Compiler {
            src,
            opts,
            mode,
            sym,
            u: Unit::new(0),
            outer: Vec::new(),
            depth: 0,
        }
    }

    #[cold]
    fn err<T>(&self, range: ruff_text_size::TextRange, msg: impl Into<String>) -> Res<T> {
        Err(self.src.error(range, msg))
    }
}
