//! `__builtins__` that are neither a dict nor a module. Code wants a dict for its builtins: it gets one that asks them for each name.

use crate::cell::{counted, fresh};
use crate::dict::DICT;
use crate::prelude::*;

#[repr(C)]
struct ForeignBuiltins {
    dict: Dict,
    asked: Slot,
}

/// A dict that asks `v`.
pub fn new(t: &Thread, v: Value) -> Obj {
    // SAFETY: the layout of that type.
    let (o, x) = unsafe { fresh::<ForeignBuiltins>(t, &FOREIGN_BUILTINS) };
    x.asked.init(t, o.header(), counted(t, v));
    o
}

fn asked<'a>(v: Value) -> Option<&'a Slot> {
    crate::cast_exact::<ForeignBuiltins>(v, &FOREIGN_BUILTINS).map(|x| &x.asked)
}

/// What a frame or function shows as its builtins.
pub fn shown(t: &Thread, builtins: Value) -> Value {
    to_reg(t, asked(builtins).map_or(builtins.bare(), Slot::get))
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of that type, whose layout begins with a dict's.
    unsafe {
        if let Some(base) = DICT.head.traverse {
            base(h, f);
        }
        f((*(h as *const ForeignBuiltins)).asked.get());
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of that type.
    unsafe {
        t.drop_value((*(h as *const ForeignBuiltins)).asked.take());
        if let Some(base) = DICT.head.clear {
            base(h, t);
        }
    }
}

fn get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    let Some(asked) = asked(v) else {
        return Err(t.key_error(key));
    };
    let asked = Obj::new(t, asked.get());
    proto::get_item_value(t, asked.value(), key)
}

static FOREIGN_BUILTINS: Type = Type::builtin(
    "foreign_builtins",
    size_of::<ForeignBuiltins>(),
    &Spec {
        get_item: Some(get_item),
        ..Spec::EMPTY
    },
)
.base(&DICT)
.gc(traverse, clear);

pub(crate) fn ready(t: &Thread) {
    FOREIGN_BUILTINS.ready(t);
}
