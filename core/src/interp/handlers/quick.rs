//! Natives that handlers do by themselves ([`Quick`]), and what they and the tests of truth know of the built-in containers.

use super::calls::{call_builtin_plain, call_method_descriptor_plain};
use super::items::type_ptr;
use super::{Handler, State, handlers};
use crate::compile::bytecode::DISCARD;
use weft_objects::dict::DICT;
use weft_objects::frame::Frame;
use weft_objects::list::LIST;
use weft_objects::native::Quick;
use weft_objects::prelude::*;
use weft_objects::set::{FROZENSET, SET, Set};
use weft_objects::str::STR;
use weft_objects::tuple::TUPLE;
use weft_objects::types::{TYPE, type_flags as tf};

/// Who does a call of a built-in function, by its [`Quick`].
pub static FUNCTIONS: [Handler; Quick::COUNT] = {
    let mut all: [Handler; Quick::COUNT] = [call_builtin_plain; Quick::COUNT];
    all[Quick::Len as usize] = len;
    all[Quick::IsInstance as usize] = is_instance;
    all[Quick::IsSubclass as usize] = is_subclass;
    all[Quick::Ord as usize] = ord;
    all[Quick::Id as usize] = id;
    all
};

/// Who does a call of a method descriptor, by its [`Quick`].
pub static METHODS: [Handler; Quick::COUNT] = {
    let mut all: [Handler; Quick::COUNT] = [call_method_descriptor_plain; Quick::COUNT];
    all[Quick::Append as usize] = append;
    all
};

/// How many items `x` has, a pointer, if it is a container of a built-in type.
#[inline(always)]
pub fn size(x: Value) -> Option<usize> {
    let ty = type_ptr(x);
    // SAFETY: of the type that has been looked for.
    unsafe {
        if ty == &raw const LIST {
            Some((*(x.ptr() as *const List)).len())
        } else if ty == &raw const STR {
            Some((*(x.ptr() as *const Str)).len())
        } else if ty == &raw const TUPLE {
            Some((*(x.ptr() as *const Tuple)).len())
        } else if ty == &raw const DICT {
            Some((*(x.ptr() as *const Dict)).len())
        } else if ty == &raw const SET || ty == &raw const FROZENSET {
            Some((*(x.ptr() as *const Set)).len())
        } else {
            None
        }
    }
}

/// The arguments of a call of a function, if there are `N`, and neither the callee, nor what the result replaces, has to be dropped.
#[inline(always)]
fn arguments<const N: usize>(s: State) -> Option<[Value; N]> {
    let at = s.i.b();
    let alone = s.i.arg() != 0 || s.reg(at + 1).is_null();
    let fresh = s.i.a() == at || s.i.a() == DISCARD as usize || !s.reg(s.i.a()).is_counted();
    if s.i.c() != N || !alone || !fresh || s.reg(at).is_counted() {
        return None;
    }
    let mut k = 0;
    let mut args = [Value::NULL; N];
    while k < N {
        args[k] = s.reg(at + 2 + k);
        k += 1;
    }
    Some(args)
}

/// The call with these `arguments` gives `v`, which is no pointer. What comes after it runs in here.
#[inline(always)]
fn give<const N: usize>(s: State, v: Value, args: [Value; N]) -> *mut Frame {
    let at = s.i.b();
    s.put(at, Value::NULL);
    let mut k = 0;
    while k < N {
        s.put(at + 2 + k, Value::NULL);
        k += 1;
    }
    if s.i.a() != DISCARD as usize {
        s.put(s.i.a(), v);
    }
    if N == 1 {
        s.finish(args[0])
    } else {
        s.finish2(args[N - 1], args[0])
    }
}

/// Whether `ty` is `base` or derives from it.
#[inline(always)]
fn derives(ty: &Type, base: &Type) -> Option<bool> {
    if std::ptr::eq(ty, base) {
        return Some(true);
    }
    for class in ty.mro_tuple()?.values() {
        if std::ptr::eq(class.ptr() as *const Type, base) {
            return Some(true);
        }
    }
    Some(false)
}

/// Whether `x` is an instance of `class`, if that needs no Python.
#[inline(always)]
fn is_of(x: Value, class: Value) -> Option<bool> {
    if type_ptr(class) != &raw const TYPE {
        return None;
    }
    let ty = type_of(x);
    if derives(ty, Type::of_unchecked(class))? {
        return Some(true);
    }
    // An instance of a class of the program's may say that it is of another one.
    (!ty.is_heap() && ty.has(tf::GENERIC_GETATTR)).then_some(false)
}

handlers! {
    len(s) {
        if let Some([x]) = arguments(s)
            && x.is_ptr()
            && let Some(n) = size(x)
        {
            return give(s, Value::int(n as i64), [x]);
        }
        s.tail(len_of_derived)
    }
    len_of_derived(s) {
        if let Some([x]) = arguments(s)
            && x.is_ptr()
            && type_of(x).is_heap()
            && derives(type_of(x), &LIST) == Some(true)
            && let (Some(len), Some(of_list)) = (type_of(x).slots.len.get(), LIST.slots.len.get())
            && std::ptr::fn_addr_eq(len, of_list)
        {
            // SAFETY: its class derives from `list`, so that it begins with that layout.
            let n = unsafe { (*(x.ptr() as *const List)).len() };
            return give(s, Value::int(n as i64), [x]);
        }
        s.tail(call_builtin_plain)
    }
    ord(s) {
        if let Some([x]) = arguments(s)
            && let Some(text) = Str::exact(x)
            && let [c] = text.as_bytes()
            && c.is_ascii()
        {
            return give(s, Value::int((*c).into()), [x]);
        }
        s.tail(call_builtin_plain)
    }
    id(s) {
        if let Some([x]) = arguments(s)
            && x.is_ptr()
            && let Some(v) = Value::try_int(proto::identity(x) as i64)
        {
            return give(s, v, [x]);
        }
        s.tail(call_builtin_plain)
    }
    is_instance(s) {
        if let Some([x, class]) = arguments(s)
            && !x.is_null()
            && class.is_ptr()
        {
            if let Some(yes) = is_of(x, class) {
                return give(s, Value::bool(yes), [x, class]);
            }
            if type_ptr(class) == &raw const TUPLE {
                return s.tail(is_instance_of_any);
            }
        }
        s.tail(call_builtin_plain)
    }
    is_instance_of_any(s) {
        if let Some([x, classes]) = arguments(s)
            && let Some(all) = Tuple::exact(classes)
        {
            let mut answer = Some(false);
            for class in all.values() {
                let one = if class.is_ptr() { is_of(x, *class) } else { None };
                if one != Some(false) {
                    answer = one;
                    break;
                }
            }
            if let Some(yes) = answer {
                return give(s, Value::bool(yes), [x, classes]);
            }
        }
        s.tail(call_builtin_plain)
    }
    is_subclass(s) {
        if let Some([x, class]) = arguments(s)
            && class.is_ptr()
            && type_ptr(class) == &raw const TYPE
            && let Some(ty) = Type::of(x)
            && let Some(yes) = derives(ty, Type::of_unchecked(class))
        {
            return give(s, Value::bool(yes), [x, class]);
        }
        s.tail(call_builtin_plain)
    }
    append(s) {
        let list = s.reg(s.i.b() + 1);
        if list.is_ptr()
            && (type_ptr(list) == &raw const LIST || derives(type_of(list), &LIST) == Some(true))
        {
            return append_to(s, list);
        }
        s.tail(call_method_descriptor_plain)
    }
}

/// The call of `append` on a list, or an instance of a class derived from that.
#[inline(always)]
fn append_to(s: State, list: Value) -> *mut Frame {
    let at = s.i.b();
    let v = s.reg(at + 2);
    // SAFETY: a list by what the caller has looked at, and held by the register.
    let l = unsafe { &*(list.ptr() as *const List) };
    let wanted = s.i.a() != DISCARD as usize;
    // I4: what is not counted does not go to the heap.
    if s.i.c() != 1
        || s.reg(at).is_counted()
        || v.0 & 7 == 0 && !v.is_counted()
        || wanted && s.i.a() != at
        || !l.has_local_room(s.t())
    {
        return s.tail(call_method_descriptor_plain);
    }
    l.push_local(v);
    s.put(at, if wanted { Value::NONE } else { Value::NULL });
    s.put(at + 1, Value::NULL);
    s.put(at + 2, Value::NULL);
    s.finish(list)
}
