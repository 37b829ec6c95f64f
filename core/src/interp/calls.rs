//! Calls: binding arguments to parameters, natives, classes, and Python functions called from native code.

use super::frames::{Enter, constant, push, reg_ptr, set_reg, set_result, take_reg};
use super::globals::unbound_local;
use super::run::{copy_reg, drop_reg, run};
use crate::compile::bytecode::{Instr, Op};
use std::sync::atomic::Ordering::*;
use weft_objects::code::Code;
use weft_objects::frame::Frame;
use weft_objects::function::Function;
use weft_objects::generator::Generator;
use weft_objects::instance::new_instance;
use weft_objects::method::Method;
use weft_objects::method_cache::MethodCache;
use weft_objects::monitor::INSTRUMENTED;
use weft_objects::prelude::*;
use weft_objects::staticmethod::{STATIC_METHOD, Wrapped};
use weft_objects::types::{TYPE, type_flags as tf};

/// Clears the registers of a call that native code has served: callee, self, `argc` arguments.
#[inline(always)]
pub fn clear_call(t: &mut Thread, p: *mut Value, argc: usize) {
    for n in 0..argc + 2 {
        // SAFETY: the registers of a call lie in a row.
        let v = unsafe { std::mem::replace(&mut *p.add(n), Value::NULL) };
        drop_reg(t, v);
    }
}

/// A call with positional arguments.
#[inline(never)]
pub fn call(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<Enter> {
    if t.interrupted() {
        weft_objects::runtime::safepoint(t)?;
    }
    if i.arg() != 0 {
        let v = take_reg(f, i.b() + 1);
        drop_reg(t, v);
    }
    dispatch(t, f, i.a(), i.b(), i.c(), Value::NULL)
}

/// A call whose last arguments are keyword arguments.
#[inline(never)]
pub fn call_kw(t: &mut Thread, f: *mut Frame, i: Instr, ext: Instr) -> Res<Enter> {
    if t.interrupted() {
        weft_objects::runtime::safepoint(t)?;
    }
    if i.arg() != 0 {
        let v = take_reg(f, i.b() + 1);
        drop_reg(t, v);
    }
    dispatch(t, f, i.a(), i.b(), i.c(), constant(f, ext.a()))
}

/// Calls `r[b]` with `argc` arguments from `r[b + 2]` on, the last ones named by `names`.
fn dispatch(
    t: &mut Thread,
    f: *mut Frame,
    dst: usize,
    b: usize,
    argc: usize,
    names: Value,
) -> Res<Enter> {
    let p = reg_ptr(f, b);
    // SAFETY: the registers of a call lie in a row.
    let (callee, self_) = unsafe { (*p, *p.add(1)) };
    if callee.is_null() {
        return unbound_local(t, f, b);
    }
    if let Some(func) = Function::of(callee) {
        let no_self = usize::from(self_.is_null());
        if names.is_null() && makes_generator(t, func, argc + 1 - no_self) {
            // SAFETY: as above; the arguments are moved into the generator.
            let g = unsafe {
                let args = p.add(1 + no_self);
                new_generator(t, callee, func, argc + 1 - no_self, |k| {
                    to_heap(std::mem::replace(&mut *args.add(k), Value::NULL))
                })
            };
            clear_call(t, p, 0);
            set_result(t, f, dst, g.into_value());
            return Ok(Enter::Done);
        }
        return call_function(t, p, func, callee, argc, names, Frame::BELOW, dst);
    }
    if self_.is_null() {
        if let Some(m) = Method::of(callee)
            && type_of(callee).is(&weft_objects::method::METHOD)
        {
            // A bound method is taken apart.
            let (func, obj) = (Obj::new(t, m.func.get()), Obj::new(t, m.self_.get()));
            // SAFETY: as above.
            unsafe {
                *p = func.into_value();
                *p.add(1) = obj.into_value();
            }
            drop_reg(t, callee);
            return dispatch(t, f, dst, b, argc, names);
        }
        if let Some(m) = weft_objects::slotdefs::python_call(t, type_of(callee))
            && Function::of(m.value()).is_some()
        {
            // An instance whose class has a `__call__`: that is called with it.
            let func = m.to_obj(t).into_value();
            // SAFETY: as above.
            unsafe {
                *p = func;
                *p.add(1) = callee;
            }
            return dispatch(t, f, dst, b, argc, names);
        }
        if callee.is_ptr()
            && type_of(callee).is(&TYPE)
            && let Some(e) = construct(t, p, callee, argc, names, dst)?
        {
            return Ok(e);
        }
    }
    let (start, n) = if self_.is_null() {
        (2, argc)
    } else {
        (1, argc + 1)
    };
    // SAFETY: as above.
    let args = Args::new(
        unsafe { std::slice::from_raw_parts(p.add(start), n) },
        names,
    );
    let v = match type_of(callee).slots.call.get() {
        Some(c) => {
            let _guard = t.enter_recursive(" while calling a Python object")?;
            c(t, callee, args)?
        }
        None => return Err(proto::not_callable(t, callee)),
    };
    clear_call(t, p, argc);
    set_result(t, f, dst, v);
    if t.interrupted() {
        weft_objects::runtime::safepoint(t)?;
    }
    Ok(Enter::Done)
}

/// Calls a Python function whose callee, self and arguments lie from `p` on: binds them in place and pushes its frame.
fn call_function(
    t: &mut Thread,
    p: *mut Value,
    func: &Function,
    callee: Value,
    argc: usize,
    names: Value,
    flags: u32,
    dst: usize,
) -> Res<Enter> {
    // SAFETY: the registers of a call lie in a row.
    unsafe {
        let (base, n) = if (*p.add(1)).is_null() {
            *p.add(1) = callee;
            *p = Value::NULL;
            (p.add(2), argc)
        } else {
            (p.add(1), argc + 1)
        };
        let code = func.code();
        if base.wrapping_add(code.nregs as usize + n) > t.regs.limit() {
            return Err(super::frames::too_deep(t));
        }
        let bound = bind(t, func, code, base, n, names);
        let pushed = match bound {
            Ok(n) => push(t, callee, code, base, n, flags, dst as u32),
            Err(e) => Err(e),
        };
        if let Err(e) = pushed {
            // The unwinder clears the registers; those of the callee that go beyond the caller's are cleared here.
            clear_beyond(t, base, code.nlocals as usize + n);
            return Err(e);
        }
        Ok(Enter::Frame)
    }
}

/// Whether all that a call of the function with `n` positional arguments does is to make a generator that has them.
fn makes_generator(t: &Thread, func: &Function, n: usize) -> bool {
    let code = func.code();
    // SAFETY: code is never empty.
    let first = Instr(unsafe { (*code.first).load(Relaxed) });
    code.call_key() == Code::simple_key(n) | (Code::GENERATOR as u64) << 32
        && first.op() == Op::ReturnGenerator as u8
        && t.vm().coroutine_origin_depth.get() == 0
}

/// The generator of such a call; `arg` gives its arguments as counted words.
fn new_generator(
    t: &Thread,
    callee: Value,
    func: &Function,
    n: usize,
    arg: impl Fn(usize) -> Value,
) -> Obj {
    let code = func.code();
    let word = |k| if k < n { arg(k) } else { Value::NULL };
    // SAFETY: the words are counted references that are given up here; behind the first instruction comes another one.
    unsafe {
        Generator::create(
            t,
            callee,
            code,
            code.first.add(1),
            code.nregs as usize,
            word,
        )
    }
}

/// The generator of a generator expression, without a function of its own: its frames take the globals and builtins of the function that
/// it stands in. In a module or class body there is none, and one is made.
#[inline(never)]
pub fn make_gen_expr(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let k = constant(f, i.b());
    let Some(code) = Code::of(k) else {
        return Err(t.raise(&errors::SYSTEM_ERROR, "no code of a generator expression"));
    };
    // SAFETY: code is never empty, and this one begins as the opcode says; a running frame's function, globals and builtins are
    // alive; the operands lie in a row, each is taken once.
    let g = unsafe {
        let first = Instr((*code.first).load(Relaxed));
        // It may report something to tracing tools.
        let op = match first.op() {
            INSTRUMENTED => code.first_op.load(Relaxed),
            op => op,
        };
        let (at, n) = match op == Op::CopyFree as u8 {
            true => (first.a(), first.b()),
            false => (1, 0),
        };
        let start = code.first.add(1 + usize::from(n > 0));
        let made;
        let func = if (*f).func.is_null() {
            made = Function::new(t, k, &*(*f).globals, &*(*f).builtins);
            made.value()
        } else {
            (*f).func
        };
        let p = reg_ptr(f, i.c());
        Generator::create(t, func, code, start, code.nregs as usize, |r| {
            if r == 0 {
                to_heap(std::mem::replace(&mut *p, Value::NULL))
            } else if r >= at && r < at + n {
                to_heap(std::mem::replace(&mut *p.add(1 + r - at), Value::NULL))
            } else {
                Value::NULL
            }
        })
    };
    set_reg(t, f, i.a(), g.into_value());
    Ok(())
}

/// The iterator that the class's `__iter__` gives, if that is a generator function.
pub fn iter_generator(t: &Thread, v: Value) -> Option<Obj> {
    let iter = weft_objects::slotdefs::python_iter(t, type_of(v))?.value();
    let func = Function::of(iter)?;
    if !makes_generator(t, func, 1) {
        return None;
    }
    let own = |_| Obj::new(t, v).into_value();
    Some(new_generator(t, iter, func, 1, own))
}

/// Clears registers from the end of the innermost frame on.
fn clear_beyond(t: &mut Thread, base: *mut Value, n: usize) {
    let mut p = base.max(t.regs.top());
    while p < base.wrapping_add(n) {
        // SAFETY: below the limit, as the caller has checked.
        let v = unsafe { std::mem::replace(&mut *p, Value::NULL) };
        drop_reg(t, v);
        p = p.wrapping_add(1);
    }
}

/// Binds `n` arguments at `base` (the last ones named by `names`) to the parameters, in place. Gives the number of registers that are
/// bound.
fn bind(
    t: &mut Thread,
    func: &Function,
    code: &Code,
    base: *mut Value,
    n: usize,
    names: Value,
) -> Res<usize> {
    let body = code.body();
    let argcount = body.argcount as usize;
    let names = if names.is_null() {
        None
    } else {
        Tuple::exact(names)
    };
    let nkw = names.map_or(0, |x| x.len());
    let npos = n - nkw;
    if code.call_flags & Code::POSITIONAL != 0 && nkw == 0 {
        if npos == argcount {
            return Ok(n);
        }
        // Only defaults are missing.
        let defaults = Tuple::exact(func.defaults.get());
        let have = defaults.map_or(0, |d| d.len());
        if npos < argcount && npos + have >= argcount {
            for k in npos..argcount {
                let v = defaults.map_or(Value::NULL, |d| d.get(k + have - argcount));
                // SAFETY: parameters lie within the registers that the caller has checked.
                unsafe { *base.add(k) = to_reg(t, v) };
            }
            return Ok(argcount);
        }
    }
    if nkw == 0 && body.kwonly == 0 && body.flags & 12 == 4 && npos >= argcount {
        // Only `*args`: the rest becomes its tuple, in place.
        // SAFETY: the caller's registers.
        unsafe {
            let rest = std::slice::from_raw_parts_mut(base.add(argcount), npos - argcount);
            let rest = Tuple::from_regs(t, rest);
            *base.add(argcount) = rest.into_value();
        }
        return Ok(argcount + 1);
    }
    if let Some(n) = bind_in_place(t, func, code, base, npos, names)? {
        return Ok(n);
    }
    bind_slow(t, func, code, base, npos, names)
}

/// Most keyword arguments that [`bind_in_place`] binds.
const IN_PLACE: usize = 16;
/// A keyword argument that is no parameter's.
const EXTRA: u16 = u16::MAX;

/// Binds any kind of arguments, unless there is an error or something unusual to see to: then `None`, and the arguments are as they were.
fn bind_in_place(
    t: &mut Thread,
    func: &Function,
    code: &Code,
    base: *mut Value,
    npos: usize,
    names: Option<&Tuple>,
) -> Res<Option<usize>> {
    let body = code.body();
    let (argcount, total) = (
        body.argcount as usize,
        (body.argcount + body.kwonly) as usize,
    );
    let (has_star, has_star_star) = (body.flags & 4 != 0, body.flags & 8 != 0);
    let names = names.map_or(&[][..], |x| x.values());
    if names.len() > IN_PLACE || npos > argcount && !has_star {
        return Ok(None);
    }
    // Which parameters are named. All names are interned, so that equal ones are the same.
    let mut places = [EXTRA; IN_PLACE];
    for (j, name) in names.iter().enumerate() {
        if Str::exact(*name).is_none_or(|s| !s.is_interned()) {
            return Ok(None);
        }
        let at = (body.posonly as usize..total).find(|&k| body.locals[k].0.value().same(*name));
        match at {
            Some(k) if k >= npos && !places[..j].contains(&(k as u16)) => places[j] = k as u16,
            None if has_star_star => {}
            _ => return Ok(None),
        }
    }
    // SAFETY: parameters lie within the registers that the caller has checked; each word is taken once.
    unsafe {
        let mut given = [Value::NULL; IN_PLACE];
        for (j, v) in given.iter_mut().enumerate().take(names.len()) {
            *v = std::mem::replace(&mut *base.add(npos + j), Value::NULL);
        }
        let rest = if has_star {
            let n = npos.saturating_sub(argcount);
            let items = std::slice::from_raw_parts_mut(base.add(npos.min(argcount)), n);
            Tuple::from_regs(t, items).into_value()
        } else {
            Value::NULL
        };
        for k in npos.min(argcount)..total {
            *base.add(k) = Value::NULL;
        }
        let mut n = total;
        for (v, there) in [(rest, has_star), (Value::NULL, has_star_star)] {
            if there {
                *base.add(n) = v;
                n += 1;
            }
        }
        let extra = has_star_star.then(|| {
            let left = places[..names.len()].iter().filter(|p| **p == EXTRA);
            Dict::with_capacity(t, left.count())
        });
        for (j, name) in names.iter().enumerate() {
            let v = given[j];
            if places[j] != EXTRA {
                *base.add(places[j] as usize) = v;
            } else if let (Some(d), Some(name)) = (&extra, Str::exact(*name)) {
                Dict::of_obj(d).set_str_own(t, name, v);
            }
        }
        if let Some(d) = extra {
            *base.add(n - 1) = d.into_value();
        }
        fill_defaults(t, func, code, base, npos.min(argcount), total)?;
        Ok(Some(n))
    }
}

/// Gives the parameters from `from` on that are unbound their defaults.
///
/// # Safety
/// Parameters must lie within the registers that the caller has checked.
unsafe fn fill_defaults(
    t: &mut Thread,
    func: &Function,
    code: &Code,
    base: *mut Value,
    from: usize,
    total: usize,
) -> Res<()> {
    let argcount = code.body().argcount as usize;
    let unbound = |k: usize| {
        // SAFETY: the caller's promise.
        unsafe { (*base.add(k)).is_null() }
    };
    let defaults = Tuple::exact(func.defaults.get()).map_or(&[][..], |d| d.values());
    for k in (from..argcount).filter(|&k| unbound(k)) {
        if k + defaults.len() < argcount {
            let missing: Vec<usize> = (k..argcount)
                .filter(|&k| unbound(k) && k + defaults.len() < argcount)
                .collect();
            return Err(missing_args(t, func, code, &missing, "positional"));
        }
        // SAFETY: the caller's promise.
        unsafe { *base.add(k) = to_reg(t, defaults[k + defaults.len() - argcount]) };
    }
    let kwdefaults = Dict::of(func.kwdefaults.get());
    let key = |k: usize| Str::of(code.body().locals[k].0.value());
    let named = |t: &Thread, k: usize| Some(kwdefaults?.get_str(t, key(k)?)?.to_reg(t));
    let has = |t: &Thread, k: usize| {
        kwdefaults
            .zip(key(k))
            .is_some_and(|(d, key)| d.get_str(t, key).is_some())
    };
    // Mostly the defaults lie in the order of their parameters.
    let mut place = 0;
    for k in argcount.max(from)..total {
        let there = kwdefaults
            .zip(key(k))
            .and_then(|(d, key)| d.str_at(t, place, key));
        place += u32::from(there.is_some());
        if !unbound(k) {
            continue;
        }
        let there = there.map(|v| v.to_reg(t));
        match there.or_else(|| named(t, k)) {
            // SAFETY: the caller's promise.
            Some(v) => unsafe { *base.add(k) = v },
            None => {
                let missing: Vec<usize> =
                    (k..total).filter(|&k| unbound(k) && !has(t, k)).collect();
                return Err(missing_args(t, func, code, &missing, "keyword-only"));
            }
        }
    }
    Ok(())
}

#[cold]
fn bind_slow(
    t: &mut Thread,
    func: &Function,
    code: &Code,
    base: *mut Value,
    npos: usize,
    names: Option<&Tuple>,
) -> Res<usize> {
    let body = code.body();
    let (argcount, kwonly) = (body.argcount as usize, body.kwonly as usize);
    let (has_star, has_star_star) = (body.flags & 4 != 0, body.flags & 8 != 0);
    let nkw = names.map_or(0, |x| x.len());
    // Take all arguments out, then lay the parameters down.
    let mut given: Vec<Option<Obj>> = (0..npos + nkw)
        .map(|k| {
            // SAFETY: the caller's registers.
            let v = unsafe { std::mem::replace(&mut *base.add(k), Value::NULL) };
            if v.is_null() { None } else { Some(Obj::own(v)) }
        })
        .collect();
    let total = argcount + kwonly;
    let mut params: Vec<Option<Obj>> = Vec::with_capacity(total + 2);
    for g in given.iter_mut().take(npos.min(argcount)) {
        params.push(g.take());
    }
    params.resize_with(total, || None);
    let star = if has_star {
        let rest: Vec<Obj> = given[npos.min(argcount)..npos]
            .iter_mut()
            .filter_map(Option::take)
            .collect();
        Some(Tuple::from_vec(t, rest))
    } else {
        None
    };
    let star_star = if has_star_star {
        Some(Dict::new(t))
    } else {
        None
    };
    let all = names.map_or(&[][..], |x| x.values());
    for k in 0..nkw {
        let key = names.map_or(Value::NULL, |x| x.get(k));
        let Some(v) = given[npos + k].take() else {
            continue;
        };
        bind_keyword(t, func, code, &mut params, key, v, star_star.as_ref(), all)?;
    }
    if npos > argcount && !has_star {
        let kwonly_given = params[argcount..].iter().flatten().count();
        return Err(too_many(t, func, code, npos, kwonly_given));
    }
    let defaults = Tuple::exact(func.defaults.get());
    let have = defaults.map_or(0, |d| d.len());
    let mut missing: Vec<usize> = Vec::new();
    for (k, slot) in params.iter_mut().enumerate().take(argcount) {
        if slot.is_none() {
            match defaults {
                Some(d) if k + have >= argcount => {
                    *slot = Some(Obj::new(t, d.get(k + have - argcount)))
                }
                _ => missing.push(k),
            }
        }
    }
    if !missing.is_empty() {
        return Err(missing_args(t, func, code, &missing, "positional"));
    }
    let kwdefaults = Dict::of(func.kwdefaults.get());
    for (k, slot) in params.iter_mut().enumerate().skip(argcount) {
        if slot.is_none() {
            let key = Str::of(body.locals[k].0.value());
            *slot = kwdefaults
                .zip(key)
                .and_then(|(d, key)| d.get_str(t, key))
                .map(|v| v.to_obj(t));
            if slot.is_none() {
                missing.push(k);
            }
        }
    }
    if !missing.is_empty() {
        return Err(missing_args(t, func, code, &missing, "keyword-only"));
    }
    params.extend(star.map(Some));
    params.extend(star_star.map(Some));
    let n = params.len();
    for (k, v) in params.into_iter().enumerate() {
        // SAFETY: parameters lie within the registers that the caller has checked.
        unsafe { *base.add(k) = v.map_or(Value::NULL, Obj::into_value) };
    }
    Ok(n)
}

fn bind_keyword(
    t: &mut Thread,
    func: &Function,
    code: &Code,
    params: &mut [Option<Obj>],
    key: Value,
    v: Obj,
    star_star: Option<&Obj>,
    names: &[Value],
) -> Res<()> {
    let body = code.body();
    let total = body.argcount as usize + body.kwonly as usize;
    let Some(name) = Str::of(key) else {
        return Err(t.type_error(format!(
            "{}() keywords must be strings",
            func.display_name()
        )));
    };
    let same = |k: usize| {
        let p = body.locals[k].0.value();
        p.same(key) || Str::of(p).is_some_and(|p| p.eq(name))
    };
    if let Some(k) = (body.posonly as usize..total).find(|k| same(*k)) {
        if params[k].is_some() {
            let msg = format!(
                "{}() got multiple values for argument '{}'",
                func.display_name(),
                name.to_string_lossy()
            );
            return Err(t.type_error(msg));
        }
        params[k] = Some(v);
        return Ok(());
    }
    match star_star {
        Some(d) => Dict::of_obj(d).set(t, key, v.value()),
        None => Err(unexpected_keyword(t, func, code, names, name)),
    }
}

/// The error for a keyword argument that there is no parameter for.
#[cold]
fn unexpected_keyword(
    t: &mut Thread,
    func: &Function,
    code: &Code,
    names: &[Value],
    name: &Str,
) -> Raised {
    let body = code.body();
    let given = |p: &Str| {
        names
            .iter()
            .any(|k| Str::of(*k).is_some_and(|k| std::ptr::eq(k, p) || k.eq(p)))
    };
    let positional_only: Vec<String> = body.locals[..body.posonly as usize]
        .iter()
        .filter_map(|l| Str::of(l.0.value()))
        .filter(|p| given(p))
        .map(|p| p.to_string_lossy().to_string())
        .collect();
    let (what, which) = if positional_only.is_empty() {
        (
            "an unexpected keyword argument",
            name.to_string_lossy().to_string(),
        )
    } else {
        (
            "some positional-only arguments passed as keyword arguments:",
            positional_only.join(", "),
        )
    };
    t.type_error(format!("{}() got {what} '{which}'", func.display_name()))
}

#[cold]
fn too_many(
    t: &mut Thread,
    func: &Function,
    code: &Code,
    given: usize,
    kwonly_given: usize,
) -> Raised {
    let argcount = code.body().argcount as usize;
    let have = Tuple::exact(func.defaults.get()).map_or(0, |d| d.len());
    let (plural, takes) = if have > 0 {
        (true, format!("from {} to {argcount}", argcount - have))
    } else {
        (argcount != 1, format!("{argcount}"))
    };
    let extra = if kwonly_given > 0 {
        let s = |n: usize| if n == 1 { "" } else { "s" };
        format!(
            " positional argument{} (and {kwonly_given} keyword-only argument{})",
            s(given),
            s(kwonly_given)
        )
    } else {
        String::new()
    };
    let were = if given == 1 && kwonly_given == 0 {
        "was"
    } else {
        "were"
    };
    let s = if plural { "s" } else { "" };
    let msg = format!(
        "{}() takes {takes} positional argument{s} but {given}{extra} {were} given",
        func.display_name()
    );
    t.type_error(msg)
}

#[cold]
fn missing_args(
    t: &mut Thread,
    func: &Function,
    code: &Code,
    missing: &[usize],
    kind: &str,
) -> Raised {
    let names: Vec<String> = missing
        .iter()
        .map(|&k| {
            format!(
                "'{}'",
                Str::of(code.body().locals[k].0.value())
                    .map_or(String::new(), |s| s.to_string_lossy())
            )
        })
        .collect();
    let list = match names.len() {
        1 => names[0].clone(),
        2 => format!("{} and {}", names[0], names[1]),
        n => format!("{}, and {}", names[..n - 1].join(", "), names[n - 1]),
    };
    let s = if names.len() == 1 { "" } else { "s" };
    let msg = format!(
        "{}() missing {} required {kind} argument{s}: {list}",
        func.display_name(),
        names.len()
    );
    t.type_error(msg)
}

/// A call of a Python class whose `__new__` is `object`'s and whose `__init__` is a Python function: makes the instance and enters
/// `__init__` in this loop.
fn construct(
    t: &mut Thread,
    p: *mut Value,
    callee: Value,
    argc: usize,
    names: Value,
    dst: usize,
) -> Res<Option<Enter>> {
    let cls = Type::of_unchecked(callee);
    let Some(init) = constructor(t, cls) else {
        let word = ctor_word(cls);
        if word & NEW != 0 {
            return construct_by_new(t, p, word, argc, names, dst);
        }
        if word != NO_INIT || argc != 0 {
            return Ok(None);
        }
        let obj = new_instance(t, cls)?;
        clear_call(t, p, 0);
        let f = t.vm().frame_top().wrapping_sub(1);
        set_result(t, f, dst, obj);
        return Ok(Some(Enter::Done));
    };
    let Some(func) = Function::of(init) else {
        return Ok(None);
    };
    let obj = Obj::own(new_instance(t, cls)?);
    let code = func.code();
    // SAFETY: the registers of a call lie in a row.
    unsafe {
        let base = p.add(1);
        if base.wrapping_add(code.nregs as usize + argc + 1) > t.regs.limit() {
            return Err(super::frames::too_deep(t));
        }
        let cls_word = std::mem::replace(&mut *p, to_reg(t, init));
        *base = obj.clone().into_value();
        let bound = bind(t, func, code, base, argc + 1, names);
        let pushed = match bound {
            Ok(n) => push(
                t,
                init,
                code,
                base,
                n,
                Frame::BELOW | Frame::CONSTRUCTOR,
                dst as u32,
            ),
            Err(e) => Err(e),
        };
        if pushed.is_ok() {
            (*t.vm().frame_top().wrapping_sub(1)).instance = obj.into_value();
        }
        drop_reg(t, cls_word);
        if let Err(e) = pushed {
            clear_beyond(t, base, code.nlocals as usize + argc + 1);
            return Err(e);
        }
    }
    Ok(Some(Enter::Frame))
}

/// A call of a Python class whose `__new__` is a Python function and whose `__init__` is `object`'s: what the one gives, as the other does
/// nothing. Enters it in this loop, with the class before the arguments.
fn construct_by_new(
    t: &mut Thread,
    p: *mut Value,
    word: u64,
    argc: usize,
    names: Value,
    dst: usize,
) -> Res<Option<Enter>> {
    // SAFETY: the static method that the class had when the word was made: alive as long as a value of the method cache.
    let new = unsafe { &*((word & !NEW) as *const Wrapped) }
        .callable
        .get();
    let Some(func) = Function::of(new) else {
        return Ok(None);
    };
    let code = func.code();
    if code.call_flags & Code::GENERATOR != 0 {
        return Ok(None);
    }
    // SAFETY: the registers of a call lie in a row.
    unsafe {
        let base = p.add(1);
        if base.wrapping_add(code.nregs as usize + argc + 1) > t.regs.limit() {
            return Err(super::frames::too_deep(t));
        }
        // The class, the names and the arguments lie in a row: kept in case that the instance is another class's.
        *base = if names.is_null() { Value::NONE } else { names };
        let call = Tuple::from_slice(t, std::slice::from_raw_parts(p, argc + 2));
        let new = to_reg(t, new);
        *base = std::mem::replace(&mut *p, new);
        let bound = bind(t, func, code, base, argc + 1, names);
        let pushed = match bound {
            Ok(n) => push(t, new, code, base, n, Frame::BELOW | Frame::NEW, dst as u32),
            Err(e) => Err(e),
        };
        if let Err(e) = pushed {
            clear_beyond(t, base, code.nlocals as usize + argc + 1);
            return Err(e);
        }
        (*t.vm().frame_top().wrapping_sub(1)).instance = call.into_value();
    }
    Ok(Some(Enter::Frame))
}

/// A class whose call takes the long way.
const SLOW: u64 = 1;
/// A class whose call makes a bare instance.
const NO_INIT: u64 = 2;
/// With the address of a static method: a class whose call is one of that.
const NEW: u64 = 4;

/// What is known of calls of the class: zero, one of the two above, or the `__init__` to enter. In its method cache, and so as long as that.
#[inline(always)]
fn ctor_word(cls: &Type) -> u64 {
    // SAFETY: looked at here only.
    unsafe { MethodCache::of(&cls.mcache) }.map_or(0, |mc| mc.ctor.load(Acquire))
}

/// The `__init__` to enter for a call of the class, if it is that simple.
#[inline]
fn constructor(t: &Thread, cls: &Type) -> Option<Value> {
    match ctor_word(cls) {
        0 => learn_constructor(t, cls),
        SLOW | NO_INIT => None,
        v if v & NEW != 0 => None,
        v => Some(Value(v)),
    }
}

#[cold]
fn learn_constructor(t: &Thread, cls: &Type) -> Option<Value> {
    // The cache first: a change of the class from here on takes it away, with what this puts there.
    let key = weft_objects::id!(t, "__init__");
    let (mc, index) = cls.lookup_index(t, key)?;
    let plain_new = cls.slots.new.get().map(|x| x as usize)
        == Some(weft_objects::instance::object_new as *const () as usize);
    let init = mc.value(index);
    let plain_init = cls.slots.init.get().map(|x| x as usize)
        == Some(weft_objects::instance::object_init as *const () as usize);
    let bare = !cls.has(tf::ABSTRACT) && plain_new;
    let simple =
        bare && Function::of(init).is_some_and(|x| x.code().call_flags & Code::GENERATOR == 0);
    let word = if simple {
        init.0
    } else if bare && plain_init {
        NO_INIT
    } else if plain_init && let Some(new) = python_new(t, cls, mc) {
        new.0 | NEW
    } else {
        SLOW
    };
    mc.ctor.store(word, Release);
    if simple { Some(init) } else { None }
}

/// The static method that is the `__new__` of the class, if it is of a Python function and `mc` is still the class's cache.
fn python_new(t: &Thread, cls: &Type, mc: &MethodCache) -> Option<Value> {
    let (now, index) = cls.lookup_index(t, weft_objects::id!(t, "__new__"))?;
    let new = now.value(index);
    if !std::ptr::eq(now, mc) || new.is_null() {
        return None;
    }
    Function::of(Wrapped::of_static(new)?.callable.get())?;
    type_of(new).is(&STATIC_METHOD).then_some(new)
}

/// `f(*args, **kwargs)`.
#[inline(never)]
pub fn call_ex(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<Enter> {
    if t.interrupted() {
        weft_objects::runtime::safepoint(t)?;
    }
    let b = i.b();
    if i.arg() != 0 {
        let v = take_reg(f, b + 1);
        drop_reg(t, v);
    }
    let (callee, self_, star, kw) =
        // SAFETY: four registers in a row.
        unsafe { let p = reg_ptr(f, b); (*p, *p.add(1), *p.add(2), *p.add(3)) };
    if Tuple::exact(star).is_none() {
        let tuple = match List::exact(star).and_then(|l| l.local_items(t)) {
            Some(items) => Tuple::from_slice(t, items),
            None => {
                let items = star_args(t, callee, star)?;
                Tuple::from_vec(t, items)
            }
        };
        set_reg(t, f, b + 2, tuple.into_value());
    }
    // SAFETY: as above.
    let star = unsafe { *reg_ptr(f, b + 2) };
    // The register holds the tuple until the call is over.
    let items: &[Value] = Tuple::exact(star).map_or(&[], |x| x.values());
    let pairs = match Dict::of(kw) {
        Some(d) if !d.is_empty() => d.items(t),
        _ => Vec::new(),
    };
    if pairs.is_empty() {
        let args = Args::positional(items);
        if self_.is_null() {
            return call_spread(t, f, i, callee, args);
        }
        return args.after(self_, |args| call_spread(t, f, i, callee, args));
    }
    let odd = pairs.iter().any(|(k, _)| Str::of(k.value()).is_none());
    if odd && !crate::any_keywords::accepts(t, callee) {
        return Err(t.type_error("keywords must be strings".into()));
    }
    let mut all: Vec<Value> = Vec::with_capacity(items.len() + pairs.len() + 1);
    if !self_.is_null() {
        all.push(self_);
    }
    all.extend_from_slice(items);
    all.extend(pairs.iter().map(|(_, v)| v.value()));
    let names = pairs.iter().map(|(k, _)| k.clone()).collect();
    let names = Tuple::from_vec(t, names);
    call_spread(t, f, i, callee, Args::new(&all, names.value()))
}

/// The call of a `call_ex` whose arguments have been spread out.
fn call_spread(
    t: &mut Thread,
    f: *mut Frame,
    i: Instr,
    callee: Value,
    args: Args<'_>,
) -> Res<Enter> {
    let b = i.b();
    let n = args.all().len();
    if let Some(func) = Function::of(callee) {
        // The frame goes above this one's registers.
        let top = t.regs.top();
        let code = func.code();
        if top.wrapping_add(2 + n + code.nregs as usize) > t.regs.limit() {
            return Err(super::frames::too_deep(t));
        }
        let own = copy_reg(t, callee);
        lay_down(t, top, own, args);
        // SAFETY: just laid down.
        let func_word = unsafe { *top };
        let names = args.names();
        let entered = call_function(t, top, func, func_word, n, names, Frame::BELOW, i.a());
        if entered.is_err() {
            clear_beyond(t, top, 2 + n + code.nlocals as usize);
        }
        let entered = entered?;
        clear_call(t, reg_ptr(f, b), 2);
        return Ok(entered);
    }
    let v = proto::call_value(t, callee, args)?;
    clear_call(t, reg_ptr(f, b), 2);
    set_reg(t, f, i.a(), v);
    Ok(Enter::Done)
}

fn star_args(t: &mut Thread, callee: Value, star: Value) -> Res<Vec<Obj>> {
    let ty = type_of(star);
    if !ty.slots.iter.is_set() && !proto::is_sequence(t, star) {
        let msg = format!(
            "{} argument after * must be an iterable, not {}",
            call_name(t, callee),
            ty.name()
        );
        return Err(t.type_error(msg));
    }
    proto::to_vec(t, star)
}

/// How messages name a callable.
pub fn call_name(t: &mut Thread, callee: Value) -> String {
    if let Some(f) = Function::of(callee) {
        return format!("{}()", with_module(t, f.module.get(), &f.display_name()));
    }
    if let Ok(Some(q)) = proto::get_attr_opt(t, callee, weft_objects::id!(t, "__qualname__"))
        && let Some(q) = Str::of(q.value())
    {
        let text = q.to_string_lossy();
        let module = proto::get_attr_opt(t, callee, weft_objects::id!(t, "__module__"))
            .ok()
            .flatten();
        return format!(
            "{}()",
            with_module(t, module.as_ref().map_or(Value::NONE, |m| m.value()), &text)
        );
    }
    t.clear_exc();
    proto::str(t, callee)
        .ok()
        .and_then(|s| Str::of(s.value()).map(|s| s.to_string_lossy()))
        .unwrap_or_default()
}

fn with_module(_t: &Thread, module: Value, name: &str) -> String {
    match Str::of(module) {
        Some(m) if m.as_bytes() != b"builtins" => format!("{}.{name}", m.to_string_lossy()),
        _ => name.to_string(),
    }
}

/// Writes callee (an owned word), no self and copies of the arguments to the registers from `p` on.
fn lay_down(t: &Thread, p: *mut Value, callee: Value, args: Args<'_>) {
    // SAFETY: the caller has checked the limit; the registers are above all that are in use.
    unsafe {
        *p = callee;
        *p.add(1) = Value::NULL;
        for (k, v) in args.all().iter().enumerate() {
            *p.add(2 + k) = Obj::new(t, *v).into_value();
        }
    }
}

/// Enters a Python function with copies of `args` from an instruction whose operands stay where they are: the frame goes above all
/// registers in use. False: it is no function, or needs more than its positional arguments.
///
/// # Errors
/// RecursionError.
pub fn enter_above(t: &mut Thread, func: Value, args: &[Value], dst: usize) -> Res<bool> {
    let Some(x) = Function::of(func) else {
        return Ok(false);
    };
    let code = x.code();
    let (top, n) = (t.regs.top(), args.len());
    if code.call_key() != Code::simple_key(n)
        || top.wrapping_add(2 + n + code.nregs as usize) > t.regs.limit()
    {
        return Ok(false);
    }
    let own = Obj::new(t, func).into_value();
    // SAFETY: above all registers in use, below the limit.
    unsafe {
        *top = own;
        for (k, v) in args.iter().enumerate() {
            *top.add(1 + k) = Obj::new(t, *v).into_value();
        }
    }
    let pushed = push(
        t,
        own,
        code,
        top.wrapping_add(1),
        n,
        Frame::BELOW,
        dst as u32,
    );
    if pushed.is_err() {
        clear_beyond(t, top, 1 + n);
    }
    pushed.map(|()| true)
}

/// A safepoint before a call by native code, which need not hold what it calls and gives: it is held until it lies in registers.
#[cold]
#[inline(never)]
fn safepoint_holding(t: &mut Thread, callee: Value, args: Args<'_>) -> Res<Vec<Obj>> {
    let all = args.all().iter().copied().chain([callee, args.names()]);
    let held = all.filter(|v| v.is_ptr()).map(|v| Obj::new(t, v)).collect();
    weft_objects::runtime::safepoint(t)?;
    Ok(held)
}

/// The hook for calls of Python functions by native code.
pub fn call_from_native(t: &mut Thread, callee: Value, args: Args<'_>) -> Res {
    let Some(func) = Function::of(callee) else {
        return Err(proto::not_callable(t, callee));
    };
    let top = t.regs.top();
    let code = func.code();
    if top.wrapping_add(2 + args.all().len() + code.nregs as usize) > t.regs.limit() {
        return Err(super::frames::too_deep(t));
    }
    let held = match t.interrupted() {
        true => Some(safepoint_holding(t, callee, args)?),
        false => None,
    };
    let _guard = t.enter_recursive("")?;
    let own = to_reg(t, callee);
    let n = args.all().len();
    if args.names().is_null() && code.call_key() == Code::simple_key(n) {
        // SAFETY: above all registers in use, below the limit.
        unsafe {
            *top = own;
            for (k, v) in args.all().iter().enumerate() {
                *top.add(1 + k) = to_reg(t, *v);
            }
        }
        drop(held);
        let base = top.wrapping_add(1);
        if let Err(e) = push(t, own, code, base, n, Frame::BELOW | Frame::ENTRY, 0) {
            clear_beyond(t, top, 1 + n);
            return Err(e);
        }
        return run(t);
    }
    lay_down(t, top, own, args);
    let entered = call_function(
        t,
        top,
        func,
        own,
        n,
        args.names(),
        Frame::BELOW | Frame::ENTRY,
        0,
    );
    drop(held);
    match entered {
        Ok(_) => run(t),
        Err(e) => {
            clear_beyond(t, top, 2 + n + code.nlocals as usize);
            Err(e)
        }
    }
}

/// Runs a code object in a namespace: modules, class bodies, `exec`.
pub fn run_in_namespace(
    t: &mut Thread,
    code: &Code,
    func: Value,
    globals: &Dict,
    builtins: &Dict,
    namespace: Value,
) -> Res {
    let _guard = t.enter_recursive("")?;
    let top = t.regs.top();
    if top.wrapping_add(code.nregs as usize) > t.regs.limit() {
        return Err(super::frames::too_deep(t));
    }
    push(t, func, code, top, 0, Frame::ENTRY, 0)?;
    let f = t.vm().frame_top().wrapping_sub(1);
    // SAFETY: just pushed.
    unsafe {
        (*f).globals = globals;
        (*f).builtins = builtins;
        (*f).namespace = if namespace.is_null() {
            namespace
        } else {
            Obj::new(t, namespace).into_value()
        };
    }
    run(t)
}
