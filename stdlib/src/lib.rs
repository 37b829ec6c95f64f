//! Native modules of the standard library, one file or folder each, named as in CPython.

pub mod _signal;
pub mod _thread;
pub mod structseq;
pub mod support;
pub mod thread_local;
pub mod time;
pub mod wait;

use weft_objects::prelude::*;

/// Every native module by name, with what makes it.
pub static MODULES: &[(&str, fn(&mut Thread) -> Res<Obj>)] =
    &[("_signal", _signal::module), ("_thread", _thread::module), ("time", time::module)];
