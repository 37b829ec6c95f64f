//! Native modules of the standard library, one file or folder each, named as in CPython.

pub mod _abc;
pub mod _asyncio;
pub mod _bisect;
pub mod _bz2;
pub mod _codecs;
pub mod _collections;
pub mod _contextvars;
pub mod _csv;
pub mod _datetime;
pub mod _decimal;
pub mod _functools;
pub mod _hashes;
pub mod _heapq;
pub mod _io;
pub mod _json;
pub mod _locale;
pub mod _lsprof;
pub mod _lzma;
pub mod _multiprocessing;
pub mod _operator;
pub mod _pickle;
pub mod _posixshmem;
pub mod _posixsubprocess;
pub mod _queue;
pub mod _random;
pub mod _remote_debugging;
pub mod _signal;
pub mod _socket;
pub mod _sqlite3;
pub mod _sre;
pub mod _stat;
pub mod _statistics;
pub mod _string;
pub mod _struct;
pub mod _suggestions;
pub mod _sysconfig;
pub mod _thread;
pub mod _types;
pub mod _typing;
pub mod _warnings;
pub mod _weakref;
pub mod _zstd;
pub mod array;
pub mod atexit;
pub mod binascii;
pub mod cmath;
pub mod decompress;
pub mod errno;
pub mod faulthandler;
pub mod fcntl;
pub mod gc;
pub mod holder;
pub mod itertools;
pub mod math;
pub mod mmap;
pub mod posix;
pub mod pwd;
pub mod pyexpat;
pub mod resource;
pub mod select;
pub mod structseq;
pub mod support;
pub mod syslog;
pub mod termios;
pub mod testsupport;
pub mod thread_local;
pub mod time;
pub mod unicodedata;
pub mod wait;
pub mod zlib;

use weft_objects::prelude::*;

/// Makes a module.
pub type Init = fn(&mut Thread) -> Res<Obj>;

/// Every native module by name, with what makes it.
pub static MODULES: &[(&str, Init)] = &[
    ("_abc", _abc::init),
    ("_asyncio", _asyncio::init),
    ("_bisect", _bisect::init),
    ("_blake2", _hashes::init_blake2),
    ("_bz2", _bz2::init),
    ("_codecs", _codecs::init),
    ("_collections", _collections::init),
    ("_contextvars", _contextvars::init),
    ("_csv", _csv::init),
    ("_datetime", _datetime::init),
    ("_decimal", _decimal::init),
    ("_functools", _functools::init),
    ("_heapq", _heapq::init),
    ("_io", _io::init),
    ("_json", _json::init),
    ("_locale", _locale::init),
    ("_lsprof", _lsprof::init),
    ("_lzma", _lzma::init),
    ("_md5", _hashes::init_md5),
    ("_multiprocessing", _multiprocessing::init),
    ("_operator", _operator::init),
    ("_pickle", _pickle::init),
    ("_posixshmem", _posixshmem::init),
    ("_posixsubprocess", _posixsubprocess::init),
    ("_queue", _queue::init),
    ("_random", _random::init),
    ("_remote_debugging", _remote_debugging::init),
    ("_sha1", _hashes::init_sha1),
    ("_sha2", _hashes::init_sha2),
    ("_sha3", _hashes::init_sha3),
    ("_signal", _signal::init),
    ("_socket", _socket::init),
    ("_sqlite3", _sqlite3::init),
    ("_sre", _sre::init),
    ("_stat", _stat::init),
    ("_statistics", _statistics::init),
    ("_string", _string::init),
    ("_struct", _struct::init),
    ("_suggestions", _suggestions::init),
    ("_sysconfig", _sysconfig::init),
    ("_testinternalcapi", testsupport::internal::init),
    ("_testlimitedcapi", testsupport::limited::init),
    ("_testmultiphase", testsupport::multiphase::init),
    ("_thread", _thread::init),
    ("_types", _types::init),
    ("_typing", _typing::init),
    ("_warnings", _warnings::init),
    ("_weakref", _weakref::init),
    ("_zstd", _zstd::init),
    ("array", array::init),
    ("atexit", atexit::init),
    ("binascii", binascii::init),
    ("cmath", cmath::init),
    ("errno", errno::init),
    ("faulthandler", faulthandler::init),
    ("fcntl", fcntl::init),
    ("gc", gc::init),
    ("grp", pwd::init_grp),
    ("itertools", itertools::init),
    ("math", math::init),
    ("mmap", mmap::init),
    ("posix", posix::init),
    ("pwd", pwd::init),
    ("pyexpat", pyexpat::init),
    ("resource", resource::init),
    ("select", select::init),
    ("syslog", syslog::init),
    ("termios", termios::init),
    ("time", time::init),
    ("unicodedata", unicodedata::init),
    ("zlib", zlib::init),
];
