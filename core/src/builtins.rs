//! The module `builtins`.

mod code;
mod fold;
mod output;

use num_traits::ToPrimitive;
use weft_objects::module::Module;
use weft_objects::native::Quick;
use weft_objects::prelude::*;
use weft_objects::text::int::{IntRef, prefixed};
use weft_objects::types::{OBJECT, TYPE};
use weft_objects::{
    async_generator, bytearray, bytes, complex, dict, exception_groups, float, frame, int, iter,
    list, memoryview, property, range, runtime, set, slice, staticmethod, str as strings, super_,
    tuple, type_new,
};

/// Types that are builtins under their names.
static TYPES: &[&Type] = &[
    &OBJECT,
    &TYPE,
    &int::BOOL,
    &bytearray::BYTEARRAY,
    &bytes::BYTES,
    &staticmethod::CLASS_METHOD,
    &complex::COMPLEX,
    &dict::DICT,
    &iter::ENUMERATE,
    &iter::FILTER,
    &float::FLOAT,
    &set::FROZENSET,
    &property::PROPERTY,
    &int::INT,
    &list::LIST,
    &iter::MAP,
    &memoryview::MEMORYVIEW,
    &range::RANGE,
    &iter::REVERSED,
    &set::SET,
    &slice::SLICE,
    &staticmethod::STATIC_METHOD,
    &strings::STR,
    &super_::SUPER,
    &tuple::TUPLE,
    &iter::ZIP,
];

const DOC: &str = "Built-in functions, types, exceptions, and other objects.\n\nThis module provides direct access to all \
                   'built-in'\nidentifiers of Python; for example, builtins.len is\nthe full name for the built-in \
                   function len().\n\nThis module is not normally accessed explicitly by most\napplications, but can be \
                   useful in modules that provide\nobjects with the same name as a builtin and need the builtin of \
                   that\nname.";

/// Makes the module, and makes its namespace the one that all code looks builtins up in. Once for each interpreter.
///
/// # Errors
/// If the exception group classes cannot be made.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = Module::new(t, "builtins");
    let Some(module) = Module::of(m.value()) else {
        return Ok(m);
    };
    runtime::BUILTINS.of(t).set(t, module.dict_obj(t));
    weft_objects::template::init(t);
    module.add(t, "__doc__", Str::new(t, DOC));
    for (name, v) in [
        ("None", Value::NONE),
        ("Ellipsis", Value::ELLIPSIS),
        ("NotImplemented", Value::NOT_IMPLEMENTED),
        ("False", Value::FALSE),
        ("True", Value::TRUE),
        (
            "__debug__",
            Value::bool(crate::start::config().optimize == 0),
        ),
    ] {
        module.add(t, name, Obj::from_raw(v));
    }
    TYPES.iter().for_each(|ty| module.add_type(t, ty));
    errors::ALL.iter().for_each(|ty| module.add_type(t, ty));
    module.add(t, "EnvironmentError", Obj::new(t, errors::OS_ERROR.value()));
    module.add(t, "IOError", Obj::new(t, errors::OS_ERROR.value()));
    module.add_functions(t, FUNCTIONS);
    module.add_functions(t, fold::FUNCTIONS);
    module.add_functions(t, code::FUNCTIONS);
    module.add_functions(t, output::FUNCTIONS);
    weft_objects::template::init(t);
    let group = exception_groups::init(t)?;
    module.add(t, "ExceptionGroup", group);
    Ok(m)
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::raw("__build_class__", "(func, name, /, *bases, metaclass=None, **kwds)", type_new::build_class)
        .doc("__build_class__(func, name, /, *bases, [metaclass], **kwds) -> class\n\nInternal helper function used by the class statement."),
    NativeDef::new("abs", "(number, /)", |t, a| proto::abs(t, a[0])).doc("Return the absolute value of the argument."),
    NativeDef::new("aiter", "(async_iterable, /)", aiter).doc("Return an AsyncIterator for an AsyncIterable object."),
    NativeDef::new("anext", "(aiterator, default=<unrepresentable>, /)", |t, a| {
        async_generator::builtin_anext(t, a[0], a[1])
    })
    .doc("Return the next item from the async iterator.\n\nIf default is given and the async iterator is exhausted,\nit is returned instead of raising StopAsyncIteration."),
    NativeDef::new("ascii", "(obj, /)", |t, a| proto::ascii(t, a[0]).map(Obj::into_value)).doc(
        "Return an ASCII-only representation of an object.\n\nAs repr(), return a string containing a printable representation of an\nobject, but escape the non-ASCII characters in the string returned by\nrepr() using \\\\x, \\\\u or \\\\U escapes. This generates a string similar\nto that returned by repr() in Python 2.",
    ),
    NativeDef::new("bin", "(number, /)", |t, a| based(t, a[0], 2))
        .doc("Return the binary representation of an integer.\n\n   >>> bin(2796202)\n   '0b1010101010101010101010'"),
    NativeDef::new("callable", "(obj, /)", |_, a| Ok(Value::bool(proto::is_callable(a[0])))).doc(
        "Return whether the object is callable (i.e., some kind of function).\n\nNote that classes are callable, as are instances of classes with a\n__call__() method.",
    ),
    NativeDef::new("chr", "(i, /)", chr)
        .doc("Return a Unicode string of one character with ordinal i; 0 <= i <= 0x10ffff."),
    NativeDef::new("delattr", "(obj, name, /)", |t, a| {
        name_of(t, a[1])?;
        proto::set_attr_value(t, a[0], a[1], Value::NULL).map(|()| Value::NONE)
    })
    .doc("Deletes the named attribute from the given object.\n\ndelattr(x, 'y') is equivalent to ``del x.y``"),
    NativeDef::new("dir", "(obj=None, /)", dir).doc(
        "dir([object]) -> list of strings\n\nIf called without an argument, return the names in the current scope.\nElse, return an alphabetized list of names comprising (some of) the attributes\nof the given object, and of attributes reachable from it.",
    ),
    NativeDef::new("divmod", "(x, y, /)", |t, a| proto::binary(t, BinOp::DivMod, a[0], a[1]))
        .doc("Return the tuple (x//y, x%y).  Invariant: div*y + mod == x."),
    NativeDef::new("format", "(value, format_spec='', /)", format)
        .doc("Return type(value).__format__(value, format_spec)\n\nMany built-in types implement format_spec according to the\nFormat Specification Mini-language. See help('FORMATTING')\nfor details."),
    NativeDef::new("getattr", "(object, name, default=<unrepresentable>, /)", getattr).doc(
        "getattr(object, name[, default]) -> value\n\nGet a named attribute from an object; getattr(x, 'y') is equivalent to x.y.\nWhen a default argument is given, it is returned when the attribute doesn't\nexist; without it, an exception is raised in that case.",
    ),
    NativeDef::new("hasattr", "(obj, name, /)", hasattr).doc(
        "Return whether the object has an attribute with the given name.\n\nThis is done by calling getattr(obj, name) and catching AttributeError.",
    ),
    NativeDef::new("hash", "(obj, /)", |t, a| proto::hash(t, a[0]).map(|h| int::from_i64(t, h))).doc(
        "Return the hash value for the given object.\n\nTwo objects that compare equal must also have the same hash value, but the\nreverse is not necessarily true.",
    ),
    NativeDef::new("hex", "(number, /)", |t, a| based(t, a[0], 16))
        .doc("Return the hexadecimal representation of an integer.\n\n   >>> hex(12648430)\n   '0xc0ffee'"),
    NativeDef::new("id", "(obj, /)", |t, a| Ok(int::from_u64(t, proto::identity(a[0])))).quick(Quick::Id).doc(
        "Return the identity of an object.\n\nThis is guaranteed to be unique among simultaneously existing objects.\n(CPython uses the object's memory address.)",
    ),
    NativeDef::new("isinstance", "(obj, class_or_tuple, /)", |t, a| proto::is_instance(t, a[0], a[1]).map(Value::bool))
        .quick(Quick::IsInstance)
        .doc("Return whether an object is an instance of a class or of a subclass thereof.\n\nA tuple, as in ``isinstance(x, (A, B, ...))``, may be given as the target to\ncheck against. This is equivalent to ``isinstance(x, A) or isinstance(x, B)\nor ...`` etc."),
    NativeDef::new("issubclass", "(cls, class_or_tuple, /)", |t, a| proto::is_subclass(t, a[0], a[1]).map(Value::bool))
        .quick(Quick::IsSubclass)
        .doc("Return whether 'cls' is derived from another class or is the same class.\n\nA tuple, as in ``issubclass(x, (A, B, ...))``, may be given as the target to\ncheck against. This is equivalent to ``issubclass(x, A) or issubclass(x, B)\nor ...``."),
    NativeDef::new("iter", "(object, sentinel=<unrepresentable>, /)", iter_of).doc(
        "iter(iterable) -> iterator\niter(callable, sentinel) -> iterator\n\nGet an iterator from an object.\nIn the first form, the argument must supply its own iterator, or be a sequence.\nIn the second form, the callable is called until it returns the sentinel.",
    ),
    NativeDef::new("len", "(obj, /)", |t, a| proto::len(t, a[0]).map(|n| int::from_usize(t, n)))
        .quick(Quick::Len)
        .doc("Return the number of items in a container."),
    NativeDef::new("next", "(iterator, default=<unrepresentable>, /)", next).doc(
        "next(iterator[, default])\n\nReturn the next item from the iterator. If default is given and the iterator\nis exhausted, it is returned instead of raising StopIteration.",
    ),
    NativeDef::new("oct", "(number, /)", |t, a| based(t, a[0], 8))
        .doc("Return the octal representation of an integer.\n\n   >>> oct(342391)\n   '0o1234567'"),
    NativeDef::new("ord", "(c, /)", ord)
        .quick(Quick::Ord)
        .doc("Return the ordinal value of a character.\n\nIf the argument is a one-byte string, return the value of that byte."),
    NativeDef::new("pow", "(base, exp, mod=None)", |t, a| {
        if a[2].is_null() { proto::binary(t, BinOp::Pow, a[0], a[1]) } else { proto::pow3(t, a[0], a[1], a[2]) }
    })
    .doc("Equivalent to base**exp with 2 arguments or base**exp % mod with 3 arguments.\n\nSome types, such as ints, are able to use a more efficient algorithm when\ninvoked using the three argument form."),
    NativeDef::new("repr", "(obj, /)", |t, a| proto::repr(t, a[0]).map(Obj::into_value)).doc(
        "Return the canonical string representation of the object.\n\nFor many object types, including most builtins, eval() will return\na copy of the object.",
    ),
    NativeDef::new("round", "(number, ndigits=None)", round).doc(
        "Round a number to a given precision in decimal digits.\n\nThe return value is an integer if ndigits is omitted or None.  Otherwise\nthe return value has the same type as the number.  ndigits may be negative.",
    ),
    NativeDef::new("setattr", "(obj, name, value, /)", |t, a| {
        name_of(t, a[1])?;
        proto::set_attr_value(t, a[0], a[1], a[2]).map(|()| Value::NONE)
    })
    .doc("Sets the named attribute on the given object to the specified value.\n\nsetattr(x, 'y', v) is equivalent to ``x.y = v``"),
    NativeDef::new("vars", "(object=<unrepresentable>, /)", vars).doc(
        "vars([object]) -> dictionary\n\nWithout arguments, equivalent to locals().\nWith an argument, equivalent to object.__dict__.",
    ),
];

fn aiter(t: &mut Thread, a: &[Value]) -> Res {
    let Some(f) = type_of(a[0]).slots.aiter.get() else {
        return Err(t.type_error(format!(
            "'{}' object is not an async iterable",
            type_of(a[0]).name()
        )));
    };
    let it = Obj::own(f(t, a[0])?);
    if !type_of(it.value()).slots.anext.is_set() {
        let got = type_of(it.value()).name();
        return Err(t.type_error(format!(
            "aiter() returned not an async iterator of type '{got}'"
        )));
    }
    Ok(it.into())
}

/// The digits of a small int with sign and prefix.
fn int_digits(n: i64, base: u32, buffer: &mut [u8; 72]) -> &[u8] {
    let (bits, letter) = match base {
        2 => (1, b'b'),
        8 => (3, b'o'),
        _ => (4, b'x'),
    };
    let (mut rest, mut at) = (n.unsigned_abs(), buffer.len());
    loop {
        at -= 1;
        buffer[at] = b"0123456789abcdef"[(rest & ((1 << bits) - 1)) as usize];
        rest >>= bits;
        if rest == 0 {
            break;
        }
    }
    at -= 2;
    buffer[at..at + 2].copy_from_slice(&[b'0', letter]);
    if n < 0 {
        at -= 1;
        buffer[at] = b'-';
    }
    &buffer[at..]
}

/// `bin`, `oct`, `hex`.
fn based(t: &mut Thread, v: Value, base: u32) -> Res {
    if let Some(n) = v.to_int() {
        let mut buffer = [0; 72];
        let digits = int_digits(n, base, &mut buffer);
        let chars = digits.len();
        return Ok(Str::from_text(
            t,
            weft_objects::text::Text {
                bytes: digits,
                chars,
            },
        )
        .into());
    }
    let i = proto::index(t, v)?;
    let text = match (int::as_i64(i.value()), int::to_bigint(i.value())) {
        (Some(n), _) => prefixed(IntRef::Small(n), base),
        (None, Some(n)) => prefixed(IntRef::Big(&n), base),
        (None, None) => return Err(t.type_error("an integer is required".into())),
    };
    match text {
        Ok(s) => Ok(Str::from_string(t, s).into()),
        Err(e) => Err(strings::text_error(t, e)),
    }
}

fn chr(t: &mut Thread, a: &[Value]) -> Res {
    if let Some(n @ 0..128) = a[0].to_int() {
        return Ok(Str::char_value(t, n as u32));
    }
    let i = proto::index(t, a[0])?;
    match int::as_i64(i.value())
        .and_then(|n| n.to_u32())
        .filter(|n| *n < 0x11_0000)
    {
        Some(cp) => Ok(Str::char(t, cp).into()),
        None => Err(t.value_error("chr() arg not in range(0x110000)")),
    }
}

fn ord(t: &mut Thread, a: &[Value]) -> Res {
    let n = if let Some(s) = Str::of(a[0]) {
        if s.len() == 1 {
            return Ok(Value::int(s.char_at(0).into()));
        }
        s.len()
    } else if let Some(b) = bytes::Bytes::of(a[0]) {
        if let [x] = b.as_slice() {
            return Ok(Value::int((*x).into()));
        }
        b.len()
    } else if let Some(b) = bytearray::ByteArray::of(a[0]) {
        let n = b.len(t);
        match b.get(t, 0) {
            Some(x) if n == 1 => return Ok(Value::int(x.into())),
            _ => n,
        }
    } else {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!(
            "ord() expected string of length 1, but {got} found"
        )));
    };
    Err(t.type_error(format!(
        "ord() expected a character, but string of length {n} found"
    )))
}

// --- attributes ---

fn name_of<'a>(t: &Thread, v: Value) -> Res<&'a Str> {
    match Str::of(v) {
        Some(s) => Ok(s),
        None => Err(t.type_error(format!(
            "attribute name must be string, not '{}'",
            type_of(v).name()
        ))),
    }
}

fn getattr(t: &mut Thread, a: &[Value]) -> Res {
    let name = name_of(t, a[1])?;
    if a[2].is_null() {
        return proto::get_attr_value(t, a[0], a[1]);
    }
    match proto::get_attr_opt(t, a[0], name)? {
        Some(v) => Ok(v.into()),
        None => Ok(to_reg(t, a[2].bare())),
    }
}

fn hasattr(t: &mut Thread, a: &[Value]) -> Res {
    let name = name_of(t, a[1])?;
    Ok(Value::bool(proto::get_attr_opt(t, a[0], name)?.is_some()))
}

fn vars(t: &mut Thread, a: &[Value]) -> Res {
    if a[0].is_null() {
        return code::current_locals(t).map(Obj::into_value);
    }
    match proto::get_attr_opt(t, a[0], weft_objects::id!(t, "__dict__"))? {
        Some(d) => Ok(d.into()),
        None => Err(t.type_error("vars() argument must have __dict__ attribute".into())),
    }
}

fn dir(t: &mut Thread, a: &[Value]) -> Res {
    let names = if a[0].is_null() {
        let locals = code::current_locals(t)?;
        proto::call_method(t, locals.value(), "keys", &[])?
    } else {
        match proto::lookup_special(t, a[0], weft_objects::id!(t, "__dir__"))? {
            Some(f) => proto::call(t, f.value(), &[])?,
            None => return Err(t.type_error("object does not provide __dir__".into())),
        }
    };
    let mut names = proto::to_vec(t, names.value())?;
    weft_objects::sort::sort_vec(t, &mut names, None, false)?;
    Ok(List::from_vec(t, names).into())
}

// --- iterators ---

fn iter_of(t: &mut Thread, a: &[Value]) -> Res {
    if a[1].is_null() {
        return proto::iter(t, a[0]).map(Obj::into_value);
    }
    if !proto::is_callable(a[0]) {
        return Err(t.type_error("iter(v, w): v must be callable".into()));
    }
    Ok(iter::new_callable_iter(t, a[0], a[1]).into())
}

fn next(t: &mut Thread, a: &[Value]) -> Res {
    let Some(f) = type_of(a[0]).slots.iter_next.get() else {
        return Err(t.type_error(format!(
            "'{}' object is not an iterator",
            type_of(a[0]).name()
        )));
    };
    let default = a[1];
    match f(t, a[0]) {
        Ok(v) if !v.is_null() => Ok(v),
        Ok(_) if default.is_null() => Err(t.stop_iteration(None)),
        Ok(_) => Ok(to_reg(t, default.bare())),
        Err(e) if default.is_null() || !t.exc_matches(&errors::STOP_ITERATION) => Err(e),
        Err(_) => {
            t.clear_exc();
            Ok(to_reg(t, default.bare()))
        }
    }
}

// --- numbers and text ---

fn round(t: &mut Thread, a: &[Value]) -> Res {
    let plain = a[1].is_null() || a[1].is_none();
    if a[0].is_int() && plain {
        return Ok(a[0]);
    }
    if a[0].is_float() {
        let x = a[0].as_float();
        if plain && x.abs() < 1e15 {
            return Ok(Value::int(x.round_ties_even() as i64));
        }
        if let Some(digits @ 0..16) = a[1].to_int()
            && let Ok(rounded) = weft_objects::text::float::round_digits(x, digits)
            && let Some(v) = Value::try_float(rounded)
        {
            return Ok(v);
        }
    }
    let Some(f) = proto::lookup_special_raw(t, a[0], weft_objects::id!(t, "__round__"))? else {
        return Err(t.type_error(format!(
            "type {} doesn't define __round__ method",
            type_of(a[0]).name()
        )));
    };
    let digits = if a[1].is_null() || a[1].is_none() {
        &[][..]
    } else {
        &a[1..2]
    };
    f.call(t, digits).map(Obj::into_value)
}

fn format(t: &mut Thread, a: &[Value]) -> Res {
    if a[1].is_null() {
        let empty = Str::empty(t);
        return proto::format(t, a[0], Str::this(empty.value())).map(Obj::into_value);
    }
    match Str::of(a[1]) {
        Some(spec) => proto::format(t, a[0], spec).map(Obj::into_value),
        None => Err(t.type_error(format!(
            "format() argument 2 must be str, not {}",
            type_of(a[1]).name()
        ))),
    }
}

/// The frame that called the running native function.
fn frame_of(t: &Thread) -> Option<*mut frame::Frame> {
    frame::current(t)
}
