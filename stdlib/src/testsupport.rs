//! What CPython's test suite wants to know of the runtime's insides, as far as there is an answer here. Programs do not import these.
//!
//! CPython's modules of these names call its C API; these do the same things with the runtime's own operations. What would
//! only be about C (`_testcapi`) does not exist.

pub mod internal;
pub mod limited;
pub mod multiphase;
