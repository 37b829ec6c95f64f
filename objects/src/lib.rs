//! The object model: types and shapes, protocols, and the built-in types, one file each.

pub mod args;
pub mod async_generator;
pub mod audit;
pub mod buffer;
pub mod bytearray;
pub mod bytes;
mod bytes_methods;
pub mod cell;
pub mod code;
pub mod complex;
pub mod descr;
pub mod dict;
pub mod dict_table;
pub mod dict_views;
pub mod errors;
pub mod exception_groups;
pub mod float;
pub mod foreign_builtins;
pub mod frame;
pub mod frame_locals;
pub mod function;
pub mod generator;
pub mod generic_alias;
mod inline_slots;
pub mod instance;
pub mod int;
pub mod interpreter;
pub mod iter;
pub mod list;
pub mod mappingproxy;
pub mod memory;
pub mod memoryview;
pub mod method;
pub mod method_cache;
pub mod module;
pub mod monitor;
pub mod names;
pub mod namespace;
pub mod native;
pub mod property;
pub mod proto;
pub mod range;
pub mod runtime;
pub mod set;
pub mod shape;
pub mod singletons;
pub mod site_cache;
pub mod slice;
pub mod slotdefs;
pub mod slots;
pub mod sort;
pub mod staticmethod;
pub mod str;
mod str_format;
mod str_methods;
pub mod super_;
pub mod template;
pub mod text;
pub mod traceback;
pub mod tuple;
pub mod tuple_getter;
mod turn;
pub mod type_new;
pub mod types;
pub mod union;
pub mod weakref;

pub use errors::ThreadExt;
pub use native::{SigCell, bind};
pub use weft_gc::Raised;

/// Result of whatever can raise: an owned register word by default.
pub type Res<T = weft_gc::Value> = Result<T, Raised>;

/// What nearly every file here uses.
pub mod prelude {
    pub use crate::args::Args;
    pub use crate::dict::Dict;
    pub use crate::errors::{self, ThreadExt};
    pub use crate::int::Int;
    pub use crate::list::List;
    pub use crate::native::{GetSetDef, MemberDef, NativeDef, SigCell};
    pub use crate::runtime::VmExt;
    pub use crate::slots::{BinOp, CmpOp, Spec};
    pub use crate::str::Str;
    pub use crate::tuple::Tuple;
    pub use crate::types::{Type, type_of};
    pub use crate::{Res, cast, cast_exact, proto};
    pub use weft_gc::{
        Borrowed, Header, Obj, Raised, Slot, Thread, Value, dec, inc, lock, to_heap, to_reg,
    };
}

use types::{Type, type_of};
use weft_gc::Value;

/// The object, if `v` is an instance of the type or of a subclass; `T` is the type's layout.
#[inline(always)]
pub fn cast<'a, T>(v: Value, ty: &'static Type) -> Option<&'a T> {
    if v.is_ptr() && (std::ptr::eq(type_of(v), ty) || type_of(v).is_subtype(ty)) {
        // SAFETY: the type says that the object has this layout; the borrow is as good as the word (see `Value`).
        Some(unsafe { &*(v.ptr() as *const T) })
    } else {
        None
    }
}

/// The object, if `v` is an instance of exactly this type.
#[inline(always)]
pub fn cast_exact<'a, T>(v: Value, ty: &'static Type) -> Option<&'a T> {
    // SAFETY: as in `cast`.
    if v.is_ptr() && std::ptr::eq(unsafe { v.header() }.ty(), &ty.head) {
        // SAFETY: as above.
        Some(unsafe { &*(v.ptr() as *const T) })
    } else {
        None
    }
}
