//! The top of the runtime: the compiler, the interpreter, import, `sys`, builtins, and the command line.

pub mod any_keywords;
pub mod builtins;
pub mod cli;
pub mod code_load;
pub mod compile;
pub mod compile_api;
pub mod embedded;
pub mod imp;
pub mod import;
pub mod interp;
pub mod interpreters;
pub mod library;
pub mod marshal;
pub mod opcode;
pub mod precompiled;
pub mod prompt;
pub mod proto_file;
pub mod start;
pub mod symtable;
pub mod sys;
pub mod tokenize;
mod tree_make;
mod tree_read;
pub mod venv;
