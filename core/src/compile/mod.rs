//! The compiler: source text -> syntax tree -> symbol tables -> register bytecode. Pure data in and out.
//!
//! Nothing here knows of the runtime: a [`CodeProto`] is plain data that the runtime turns into a code object.

mod assemble;
pub mod bytecode;
mod call;
mod comprehension;
mod consts;
mod decode;
mod error;
mod exception;
mod expr;
mod field_error;
mod flufl;
mod fstring;
mod function;
pub mod listing;
mod pattern;
mod scan;
mod source;
mod stmt;
mod symtable;
mod tree;
mod type_comments;
mod unparse;
pub mod verify;
mod warn;

#[cfg(test)]
mod tests;

pub use bytecode::CodeProto;
pub use decode::{Undecoded, decode_source};
pub use listing::disassemble;
pub use source::Synthetic;
pub use symtable::Table;
pub use tree::{Place, Step};
pub use warn::FUTURE;

use assemble::Unit;
use ruff_python_ast as ast;
use source::Source;
use symtable::SymTable;
use type_comments::TypeComments;

/// Whether a constant text is interned: what consists of letters, digits and underscores, as in CPython.
pub fn is_name_like(s: &[u8]) -> bool {
    s.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

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
    /// `from __future__ import barry_as_FLUFL` is in force from outside.
    pub barry: bool,
    /// `await` is allowed at the top level (`ast.PyCF_ALLOW_TOP_LEVEL_AWAIT`).
    pub top_level_await: bool,
    /// Decimal literals may have this many digits; 0 for any number.
    pub max_digits: Option<u32>,
    /// Input that merely ends too early is reported as [`ErrorKind::Incomplete`].
    pub allow_incomplete: bool,
    /// The program itself is compiled, from a file: its text need not be kept for its errors.
    pub from_file: bool,
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
    /// ValueError.
    Value,
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
    /// Warnings about what comes before it.
    pub warnings: Vec<SyntaxError>,
    /// The source is grammatical: the error was found later, by the compiler.
    pub late: bool,
    /// Line of the last compound statement that ends before the error, or 0.
    pub block: u32,
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
    compile_warning(source, mode, opts).map(|(code, _)| code)
}

/// As [`compile`], with the warnings that there are: errors that are none.
///
/// # Errors
/// As [`compile`].
pub fn compile_warning(
    source: &str,
    mode: Mode,
    opts: &Options,
) -> Result<(CodeProto, Vec<SyntaxError>), SyntaxError> {
    let text = flufl::apply(source::normalize(source), opts)?;
    with_stack(&text, opts, |src| {
        let code = compile_source(src, mode, opts)?;
        Ok((code, src.take_warnings()))
    })
}

/// What [`outline`] is to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct TreeOptions {
    /// Type comments are part of the tree.
    pub type_comments: bool,
    /// Simplified as by the compiler at this level.
    pub optimize: Option<u8>,
    /// Refuse what came after this minor version of Python 3.
    pub feature_version: Option<u8>,
}

/// The steps that make the syntax tree of `source`, and warnings.
///
/// # Errors
/// As [`compile`]; only what the parser finds.
pub fn outline(
    source: &str,
    mode: Mode,
    opts: &Options,
    how: TreeOptions,
) -> Result<(Vec<Step>, Vec<SyntaxError>), SyntaxError> {
    let text = flufl::apply(source::normalize(source), opts)?;
    with_stack(&text, opts, |src| {
        let parsed = parse(src, mode, opts)?;
        let comments = how
            .type_comments
            .then(|| TypeComments::collect(src, parsed.tokens()));
        let steps = tree::outline(src, parsed.syntax(), mode, comments, how)?;
        Ok((steps, src.take_warnings()))
    })
}

/// As [`outline`] for a tree that was made from objects.
///
/// # Errors
/// As [`compile`].
pub fn outline_tree(
    tree: &Tree,
    mode: Mode,
    opts: &Options,
    how: TreeOptions,
) -> Result<Vec<Step>, SyntaxError> {
    let source = || Source::synthetic(&tree.places, &opts.filename);
    let run = || tree::outline(&source(), &tree.tree, mode, None, how);
    run_deep(tree.depth, run, || source().too_deep())
}

/// A tree that was made from objects; its offsets are those of `places`.
#[derive(Debug)]
pub struct Tree {
    pub tree: ast::Mod,
    pub places: Synthetic,
    /// How deeply it nests.
    pub depth: u32,
}

/// The steps that make the tree of a signature's type comment: `(int, *str) -> bool`.
///
/// # Errors
/// As [`compile`].
pub fn outline_signature(source: &str, opts: &Options) -> Result<Vec<Step>, SyntaxError> {
    let text = source::normalize(source);
    with_stack(&text, opts, |src| tree::signature(src, opts))
}

/// Compiles a tree that was made from objects; gives warnings as well.
///
/// # Errors
/// A [`SyntaxError`].
pub fn compile_tree(
    tree: &Tree,
    mode: Mode,
    opts: &Options,
) -> Result<(CodeProto, Vec<SyntaxError>), SyntaxError> {
    let source = || Source::synthetic(&tree.places, &opts.filename);
    let run = || {
        let src = source();
        let code = compile_parsed(&src, &tree.tree, mode, opts)?;
        Ok((code, src.take_warnings()))
    };
    run_deep(tree.depth, run, || source().too_deep())
}

/// The symbol tables of `source`, the module's first.
///
/// # Errors
/// As [`compile`].
pub fn symbol_tables(source: &str, mode: Mode, opts: &Options) -> Result<Vec<Table>, SyntaxError> {
    let text = source::normalize(source);
    with_stack(&text, opts, |src| {
        let tree = parse(src, mode, opts)?.into_syntax();
        let sym = match &tree {
            ast::Mod::Expression(tree) => symtable::build_expression(src, &tree.body, opts),
            ast::Mod::Module(tree) => symtable::build_module(src, &tree.body, opts),
        };
        match sym {
            Ok(sym) => Ok(sym.tables(src)),
            Err(e) => Err(late(src, e)),
        }
    })
}

/// Runs `f` on a source, on a stack that is large enough for how it nests.
fn with_stack<R: Send>(
    text: &str,
    opts: &Options,
    f: impl Fn(&Source<'_>) -> Res<R> + Sync,
) -> Res<R> {
    let source = || {
        let mut src = Source::new(text, &opts.filename);
        if let Some(n) = opts.max_digits {
            src.max_digits = n as usize;
        }
        src
    };
    let src = source();
    let weight = src.check_nesting()?;
    if weight <= INLINE_WEIGHT {
        return f(&src);
    }
    let failed = || src.too_deep();
    run_deep(weight, || f(&source()), failed)
}

/// Runs `f`, which recurses this deeply, with a stack to match.
fn run_deep<R: Send>(
    weight: u32,
    f: impl FnOnce() -> Res<R> + Send,
    failed: impl FnOnce() -> SyntaxError,
) -> Res<R> {
    if weight <= INLINE_WEIGHT {
        return f();
    }
    let stack = (weight as usize * STACK_PER_LEVEL).clamp(8 << 20, 1 << 30);
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new()
            .stack_size(stack)
            .spawn_scoped(scope, f);
        match worker.map(|w| w.join()) {
            Ok(Ok(result)) => result,
            _ => Err(failed()),
        }
    })
}

/// Up to this many nested constructs (estimated from above) are compiled on the caller's stack.
const INLINE_WEIGHT: u32 = 120;
/// Stack for each level of nesting, with room for unoptimised builds.
const STACK_PER_LEVEL: usize = 10 << 10;
/// Deepest nesting of expressions that is compiled.
const MAX_DEPTH: u32 = 20_000;

/// The tree of a source without syntax errors.
fn parse(
    src: &Source<'_>,
    mode: Mode,
    opts: &Options,
) -> Res<ruff_python_parser::Parsed<ast::Mod>> {
    let grammar = match mode {
        Mode::Eval => ruff_python_parser::Mode::Expression,
        Mode::Exec | Mode::Single => ruff_python_parser::Mode::Module,
    };
    let options = ruff_python_parser::ParseOptions::from(grammar)
        .with_target_version(ast::PythonVersion::PY314);
    let parsed = ruff_python_parser::parse_unchecked(src.text, options);
    if let Err(mut e) = error::check(src, &parsed, mode, opts) {
        warn::literals(src, parsed.tokens());
        e.block = error::last_block(src, &parsed);
        e.warnings = src.take_warnings();
        e.warnings.retain(|w| (w.line, w.col) <= (e.line, e.col));
        return Err(e);
    }
    if let Some(range) = warn::literals(src, parsed.tokens()) {
        return Err(src.error(range, "too many nested f-strings or t-strings"));
    }
    src.end_of_tokens();
    if let (Mode::Single, ast::Mod::Module(m)) = (mode, parsed.syntax()) {
        error::check_single(src, &m.body, opts)?;
    }
    Ok(parsed)
}

fn compile_source(src: &Source<'_>, mode: Mode, opts: &Options) -> Res<CodeProto> {
    let tree = parse(src, mode, opts)?.into_syntax();
    compile_parsed(src, &tree, mode, opts)
}

fn compile_parsed(src: &Source<'_>, tree: &ast::Mod, mode: Mode, opts: &Options) -> Res<CodeProto> {
    compile_tree_of(src, tree, mode, opts).map_err(|e| late(src, e))
}

/// An error that the compiler has found. Its columns count bytes, as in CPython.
fn late(src: &Source<'_>, e: SyntaxError) -> SyntaxError {
    let bytes = |line: u32, col: u32| {
        let text = src.line_text(line).unwrap_or("");
        let wide = text.chars().take((col as usize).saturating_sub(1));
        col + wide.map(|c| c.len_utf8() as u32 - 1).sum::<u32>()
    };
    SyntaxError {
        late: true,
        col: bytes(e.line, e.col),
        end_col: bytes(e.end_line, e.end_col),
        ..e
    }
}

fn compile_tree_of(
    src: &Source<'_>,
    tree: &ast::Mod,
    mode: Mode,
    opts: &Options,
) -> Res<CodeProto> {
    match tree {
        ast::Mod::Expression(tree) => {
            warn::expression(src, &tree.body);
            let sym = symtable::build_expression(src, &tree.body, opts)?;
            Compiler::new(src, opts, mode, &sym).eval_unit(&tree.body)
        }
        ast::Mod::Module(tree) => {
            warn::module(src, &tree.body);
            let sym = symtable::build_module(src, &tree.body, opts)?;
            Compiler::new(src, opts, mode, &sym).module_unit(&tree.body)
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
    /// The addresses of nested expressions that are known not to be constant: each level of a long chain asks for those below.
    varying: std::cell::RefCell<std::collections::HashSet<usize>>,
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
            varying: Default::default(),
        }
    }

    #[cold]
    fn err<T>(&self, range: ruff_text_size::TextRange, msg: impl Into<String>) -> Res<T> {
        Err(self.src.error(range, msg))
    }
}
