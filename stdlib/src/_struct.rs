//! `_struct`: C structs as bytes.

use crate::structlayout::{Code, Layout};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::*};
use std::sync::Arc;
use weft_objects::buffer::item::Bad;
use weft_objects::buffer;
use weft_objects::bytes::Bytes;
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;
use weft_objects::str::index;
use weft_objects::types::alloc_instance;
