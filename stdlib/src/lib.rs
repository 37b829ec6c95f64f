//! Native modules of the standard library, one file or folder each, named as in CPython.

pub mod _abc;
pub mod _bisect;
pub mod _collections;
pub mod _contextvars;
pub mod _functools;
pub mod _heapq;
pub mod _operator;
pub mod _random;
pub mod _signal;
pub mod _statistics;
pub mod _string;
pub mod _struct;
pub mod _thread;
pub mod _typing;
pub mod _warnings;
pub mod _weakref;
pub mod atexit;
pub mod binascii;
pub mod cmath;
pub mod errno;
pub mod itertools;
pub mod math;
pub mod structseq;
pub mod support;
pub mod thread_local;
pub mod time;
pub mod wait;

use weft_objects::prelude::*;

/// Every native module by name, with what makes it.
pub static MODULES: &[(&str, fn(&mut Thread) -> Res<Obj>)] = &[
    ("_abc", _abc::init),
    ("_bisect", _bisect::init),
    ("_collections", _collections::init),
    ("_contextvars", _contextvars::init),
    ("_functools", _functools::init),
    ("_heapq", _heapq::init),
    ("_operator", _operator::init),
    ("_random", _random::init),
    ("_signal", _signal::init),
    ("_statistics", _statistics::init),
    ("_string", _string::init),
    ("_struct", _struct::init),
    ("_thread", _thread::init),
    ("_typing", _typing::init),
    ("_warnings", _warnings::init),
    ("_weakref", _weakref::init),
    ("atexit", atexit::init),
    ("binascii", binascii::init),
    ("cmath", cmath::init),
    ("errno", errno::init),
    ("itertools", itertools::init),
    ("math", math::init),
    ("time", time::init),
];
