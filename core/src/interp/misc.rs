//! The rarer opcodes: displays, formatting, imports, functions, pattern matching, intrinsics.

use super::frames::{constant, name, own_operand, reg, regs, set_reg, take_operand, take_reg};
use super::globals::unbound_local;
use super::run::drop_reg;
use crate::compile::bytecode::{Instr, Op, XA, XB, XC};
use std::sync::atomic::Ordering::Relaxed;
use weft_objects::exception_groups as groups;
use weft_objects::frame::Frame;
use weft_objects::function::Function;
use weft_objects::prelude::*;
use weft_objects::set::Set;
use weft_objects::types::type_flags as tf;

/// Takes `n` consumed registers as handles; NULL ones (unbound) are an error.
fn take_many(t: &mut Thread, f: *mut Frame, first: usize, n: usize) -> Res<Vec<Obj>> {
    let mut items = Vec::with_capacity(n);
    for k in first..first + n {
        let v = take_reg(f, k);
        if v.is_null() {
            return unbound_local(t, f, k);
        }
        items.push(Obj::own(v));
    }
    Ok(items)
}

/// A slice, together with the subscription behind it that consumes it, if there is one: then no slice object need be made.
pub fn build_slice(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    // SAFETY: the pc is behind the instruction, which is not the last one of its code.
    let next = Instr(unsafe { (*(*f).pc).load(Relaxed) });
    let (op, at) = (next.op(), i.a());
    let get = op == Op::GetItem as u8 && next.x() & XC != 0 && next.c() == at;
    let set = op == Op::SetItem as u8 && next.x() & XB != 0 && next.b() == at;
    let del = op == Op::DelItem as u8 && next.x() & XB != 0 && next.b() == at;
    if !(get || set || del) {
        return slice_object(t, f, i);
    }
    let mut parts = [Value::NONE; 3];
    for (k, part) in parts.iter_mut().enumerate().take(i.c()) {
        *part = reg(f, i.b() + k);
    }
    let x = reg(f, if get { next.b() } else { next.a() });
    let v = if set { reg(f, next.c()) } else { Value::NONE };
    if x.is_null() || v.is_null() || parts.iter().any(|p| p.is_null()) {
        return slice_object(t, f, i);
    }
    // SAFETY: as above. An error is the subscription's.
    unsafe { (*f).pc = (*f).pc.add(1) };
    if get {
        let v = weft_objects::slice::get(t, x, parts)?;
        clear_parts(t, f, i);
        let x = take_operand(f, next, XB, next.b());
        set_reg(t, f, next.a(), v);
        drop_reg(t, x);
        return Ok(());
    }
    let v = if set { v } else { Value::NULL };
    weft_objects::slice::set(t, x, parts, v)?;
    clear_parts(t, f, i);
    let x = take_operand(f, next, XA, next.a());
    drop_reg(t, x);
    if set {
        let v = take_operand(f, next, XC, next.c());
        drop_reg(t, v);
    }
    Ok(())
}

fn clear_parts(t: &mut Thread, f: *mut Frame, i: Instr) {
    for k in 0..i.c() {
        let v = take_reg(f, i.b() + k);
        drop_reg(t, v);
    }
}

fn slice_object(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let mut parts = take_many(t, f, i.b(), i.c())?.into_iter();
    let mut part = || parts.next().unwrap_or_else(|| Obj::own(Value::NONE));
    let s = weft_objects::slice::Slice::new(t, part(), part(), part());
    set_reg(t, f, i.a(), s.into_value());
    Ok(())
}

pub fn build_tuple(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let o = Tuple::from_regs(t, regs(f, i.b(), i.c()));
    set_reg(t, f, i.a(), o.into_value());
    Ok(())
}

pub fn build_list(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let o = List::from_regs(t, regs(f, i.b(), i.c()));
    set_reg(t, f, i.a(), o.into_value());
    Ok(())
}

pub fn list_append(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    if reg(f, i.b()).is_null() {
        return unbound_local(t, f, i.b());
    }
    let v = own_operand(t, f, i, XB, i.b());
    // SAFETY: the compiler appends to lists that it has built only.
    unsafe { (*(reg(f, i.a()).ptr() as *const List)).push(t, v) };
    Ok(())
}

pub fn build_set(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let items = take_many(t, f, i.b(), i.c())?;
    let s = Set::new(t);
    for o in &items {
        Set::of_obj(&s).add(t, o.value())?;
    }
    set_reg(t, f, i.a(), s.into_value());
    Ok(())
}

pub fn build_map(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let d = Dict::with_capacity(t, i.c());
    for k in 0..i.c() {
        let v = take_reg(f, i.b() + 2 * k + 1);
        let key = reg(f, i.b() + 2 * k);
        match Str::exact(key) {
            Some(key) => Dict::of_obj(&d).set_str_own(t, key, v),
            None => Dict::of_obj(&d).set_own(t, key, v)?,
        }
        let key = take_reg(f, i.b() + 2 * k);
        drop_reg(t, key);
    }
    set_reg(t, f, i.a(), d.into_value());
    Ok(())
}

pub fn build_string(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let v = weft_objects::str::join_strings(t, regs(f, i.b(), i.c()))?;
    for k in 0..i.c() {
        let old = take_reg(f, i.b() + k);
        drop_reg(t, old);
    }
    set_reg(t, f, i.a(), v);
    Ok(())
}

pub fn make_function(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let code = constant(f, i.b());
    // SAFETY: a running frame keeps its globals and builtins.
    let (globals, builtins) = unsafe { (&*(*f).globals, &*(*f).builtins) };
    let o = Function::new(t, code, globals, builtins);
    if let Some(x) = Function::of(o.value()) {
        let mut at = i.c();
        for (bit, slot) in [
            (1, &x.defaults),
            (2, &x.kwdefaults),
            (4, &x.annotate),
            (8, &x.closure),
        ] {
            if i.arg() & bit != 0 {
                let v = take_reg(f, at);
                slot.set(t, &x.header, v);
                at += 1;
            }
        }
    }
    // Functions of modules and classes are shared from birth, so that calling and binding them counts nothing: like the classes, they are
    // there to stay, and freed by the shared collector.
    // SAFETY: the running frame.
    if unsafe { !(*f).namespace.is_null() } {
        weft_gc::share_for_good(t, &o);
    }
    set_reg(t, f, i.a(), o.into_value());
    Ok(())
}

/// An item of a set comprehension.
pub fn set_add(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let v = bound(t, f, i.b())?;
    let set = reg(f, i.a());
    match Set::exact(set) {
        Some(s) if !type_of(set).is(&weft_objects::set::FROZENSET) => s.add(t, v)?,
        // What a module's code is told are its conditional annotations may be anything.
        _ => {
            let msg = format!("expected a set, not '{}'", type_of(set).name());
            return Err(t.type_error(msg));
        }
    };
    done(t, f, i, XB, i.b())
}

/// An item of a dict comprehension.
pub fn map_add(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let (k, v) = (bound(t, f, i.b())?, bound(t, f, i.c())?);
    if let Some(d) = Dict::exact(reg(f, i.a())) {
        d.set(t, k, v)?;
    }
    done(t, f, i, XB, i.b())?;
    done(t, f, i, XC, i.c())
}

/// Opcodes that are rare enough to be dispatched a second time.
#[inline(never)]
pub fn other(t: &mut Thread, f: *mut Frame, i: Instr, op: Op) -> Res<()> {
    match op {
        Op::ListExtend => {
            let v = bound(t, f, i.b())?;
            extend(t, reg(f, i.a()), v)?;
            done(t, f, i, XB, i.b())
        }
        Op::SetUpdate => {
            let v = bound(t, f, i.b())?;
            if let Some(s) = Set::exact(reg(f, i.a())) {
                s.update(t, v)?;
            }
            done(t, f, i, XB, i.b())
        }
        Op::DictUpdate => {
            let v = bound(t, f, i.b())?;
            dict_update(t, reg(f, i.a()), v)?;
            done(t, f, i, XB, i.b())
        }
        Op::DictMerge => {
            let v = bound(t, f, i.b())?;
            dict_merge(t, reg(f, i.a()), v, reg(f, i.c()))?;
            done(t, f, i, XB, i.b())
        }
        Op::ListToTuple => {
            let items = List::of(reg(f, i.b()))
                .map(|l| l.to_vec(t))
                .unwrap_or_default();
            let x = Tuple::from_vec(t, items);
            done(t, f, i, XB, i.b())?;
            set_reg(t, f, i.a(), x.into_value());
            Ok(())
        }
        Op::Format => format(t, f, i),
        Op::BuildInterpolation => {
            let p = take_many(t, f, i.b(), 4)?;
            let o = weft_objects::template::Interpolation::new(
                t,
                p[0].value(),
                p[1].value(),
                p[2].value(),
                p[3].value(),
            );
            set_reg(t, f, i.a(), o.into_value());
            Ok(())
        }
        Op::BuildTemplate => {
            let mut p = take_many(t, f, i.b(), 2)?.into_iter();
            if let (Some(strings), Some(parts)) = (p.next(), p.next()) {
                let o = weft_objects::template::Template::new(t, strings, parts);
                set_reg(t, f, i.a(), o.into_value());
            }
            Ok(())
        }
        Op::ImportName => {
            let p = take_many(t, f, i.b(), 2)?;
            let level = p[0].value().to_int().unwrap_or(0);
            // SAFETY: a running frame keeps its globals.
            let globals = unsafe { &*(*f).globals };
            let o = crate::import::import_name(t, name(f, i.c()), globals, p[1].value(), level)?;
            set_reg(t, f, i.a(), o.into_value());
            Ok(())
        }
        Op::ImportFrom => {
            let o = crate::import::import_from(t, reg(f, i.b()), name(f, i.c()))?;
            done(t, f, i, XB, i.b())?;
            set_reg(t, f, i.a(), o.into_value());
            Ok(())
        }
        Op::ImportStar => {
            // SAFETY: a running frame.
            let ns = unsafe { (*f).namespace };
            crate::import::import_star(t, reg(f, i.b()), ns)?;
            done(t, f, i, XB, i.b())
        }
        Op::LoadBuildClass => {
            // SAFETY: a running frame keeps its builtins.
            let builtins = unsafe { (*(*f).builtins).header.value() };
            match proto::get_name(t, builtins, weft_objects::id!(t, "__build_class__"))? {
                Some(v) => {
                    set_reg(t, f, i.a(), v);
                    Ok(())
                }
                None => Err(t.raise(&errors::NAME_ERROR, "__build_class__ not found")),
            }
        }
        Op::SetupAnnotations => setup_annotations(t, f),
        Op::CallIntrinsic => super::intrinsics::call(t, f, i),
        Op::MatchMapping => {
            let hit = type_of(bound(t, f, i.b())?).has(tf::MAPPING);
            set_reg(t, f, i.a(), Value::bool(hit));
            Ok(())
        }
        Op::MatchSequence => {
            let hit = type_of(bound(t, f, i.b())?).has(tf::SEQUENCE);
            set_reg(t, f, i.a(), Value::bool(hit));
            Ok(())
        }
        Op::MatchKeys => match_keys(t, f, i),
        Op::GetLen => {
            let v = bound(t, f, i.b())?;
            let n = proto::len(t, v)?;
            let v = weft_objects::int::from_usize(t, n);
            set_reg(t, f, i.a(), v);
            Ok(())
        }
        Op::ExcGroupMatch => {
            let (hit, rest) = groups::except_star(t, reg(f, i.b()), reg(f, i.c()))?;
            done(t, f, i, XC, i.c())?;
            set_reg(t, f, i.a(), hit.map_or(Value::NONE, Obj::into_value));
            set_reg(t, f, i.a() + 1, rest.map_or(Value::NONE, Obj::into_value));
            Ok(())
        }
        Op::PrepReraiseStar => {
            let items = List::of(reg(f, i.c()))
                .map(|l| l.to_vec(t))
                .unwrap_or_default();
            let raised: Vec<Value> = items
                .iter()
                .map(|o| o.value())
                .filter(|v| !v.is_none())
                .collect();
            let o = groups::after_except_star(t, reg(f, i.b()), &raised)?;
            done(t, f, i, XC, i.c())?;
            set_reg(t, f, i.a(), o.map_or(Value::NONE, Obj::into_value));
            Ok(())
        }
        Op::WithExcept => {
            let (exit, self_, exc) = (reg(f, i.b()), reg(f, i.b() + 1), reg(f, i.c()));
            let tb = proto::get_attr(t, exc, weft_objects::id!(t, "__traceback__"))?;
            let all = [self_, type_of(exc).value(), exc, tb.value()];
            let args = if self_.is_null() { &all[1..] } else { &all[..] };
            let v = proto::call_value(t, exit, Args::positional(args))?;
            set_reg(t, f, i.a(), v);
            Ok(())
        }
        _ => Err(t.raise(&errors::SYSTEM_ERROR, "unknown opcode")),
    }
}

/// Register `n`, which must be bound.
fn bound(t: &mut Thread, f: *mut Frame, n: usize) -> Res {
    let v = reg(f, n);
    if v.is_null() {
        unbound_local(t, f, n)
    } else {
        Ok(v)
    }
}

/// Drops a consumed operand.
fn done(t: &mut Thread, f: *mut Frame, i: Instr, flag: u8, n: usize) -> Res<()> {
    let v = take_operand(f, i, flag, n);
    drop_reg(t, v);
    Ok(())
}

fn extend(t: &mut Thread, list: Value, v: Value) -> Res<()> {
    let Some(l) = List::exact(list) else {
        return Ok(());
    };
    if !type_of(v).slots.iter.is_set() && !proto::is_sequence(t, v) {
        let msg = format!(
            "Value after * must be an iterable, not {}",
            type_of(v).name()
        );
        return Err(t.type_error(msg));
    }
    l.extend(t, v)
}

fn dict_update(t: &mut Thread, d: Value, v: Value) -> Res<()> {
    let Some(d) = Dict::exact(d) else {
        return Ok(());
    };
    if Dict::of(v).is_none() && proto::get_attr_opt(t, v, weft_objects::id!(t, "keys"))?.is_none() {
        let msg = format!("'{}' object is not a mapping", type_of(v).name());
        return Err(t.type_error(msg));
    }
    d.update(t, v)
}

/// Adds `**v` to the keyword arguments `d` of a call of `callee`.
fn dict_merge(t: &mut Thread, d: Value, v: Value, callee: Value) -> Res<()> {
    let Some(d) = Dict::exact(d) else {
        return Ok(());
    };
    let pairs = match Dict::exact(v) {
        Some(other) => other.items(t),
        None => {
            let Some(keys) = proto::get_attr_opt(t, v, weft_objects::id!(t, "keys"))? else {
                let name = super::calls::call_name(t, callee);
                let msg = format!(
                    "{name} argument after ** must be a mapping, not {}",
                    type_of(v).name()
                );
                return Err(t.type_error(msg));
            };
            let keys = proto::call(t, keys.value(), &[])?;
            let mut pairs = Vec::new();
            for k in proto::to_vec(t, keys.value())? {
                let item = proto::get_item(t, v, k.value())?;
                pairs.push((k, item));
            }
            pairs
        }
    };
    for (k, item) in pairs {
        if d.contains(t, k.value())? {
            let name = super::calls::call_name(t, callee);
            let key = proto::str(t, k.value())?;
            let key = Str::of(key.value()).map_or(String::new(), |s| s.to_string_lossy());
            return Err(t.type_error(format!(
                "{name} got multiple values for keyword argument '{key}'"
            )));
        }
        d.set(t, k.value(), item.value())?;
    }
    Ok(())
}

fn format(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    use weft_objects::str::Convert;
    let v = bound(t, f, i.b())?;
    let convert = match i.arg() & 3 {
        0 => Convert::None,
        1 => Convert::Str,
        2 => Convert::Repr,
        _ => Convert::Ascii,
    };
    let has_spec = i.arg() & 4 != 0;
    let spec = if has_spec {
        Str::of(reg(f, i.c()))
    } else {
        None
    };
    let s = weft_objects::str::format_value(t, v, spec, convert)?;
    done(t, f, i, XB, i.b())?;
    if has_spec {
        done(t, f, i, XC, i.c())?;
    }
    set_reg(t, f, i.a(), s);
    Ok(())
}

fn setup_annotations(t: &mut Thread, f: *mut Frame) -> Res<()> {
    // SAFETY: a running frame.
    let ns = unsafe { (*f).namespace };
    let key = weft_objects::id!(t, "__annotations__");
    if let Some(d) = Dict::exact(ns) {
        if d.get_str(t, key).is_none() {
            let made = Dict::new(t);
            d.set_str(t, key, made.value());
        }
        return Ok(());
    }
    match proto::get_item(t, ns, key.header.value()) {
        Ok(_) => Ok(()),
        Err(e) if !t.exc_matches(&errors::KEY_ERROR) => Err(e),
        Err(_) => {
            t.clear_exc();
            let made = Dict::new(t);
            proto::set_item(t, ns, key.header.value(), made.value())
        }
    }
}

fn match_keys(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let (subject, keys) = (reg(f, i.b()), reg(f, i.c()));
    let keys: Vec<Obj> = Tuple::of(keys).map(|x| x.to_vec(t)).unwrap_or_default();
    let seen = Set::new(t);
    let mut values = Vec::with_capacity(keys.len());
    let get = if Dict::exact(subject).is_some() {
        None
    } else {
        Some(proto::get_attr(t, subject, weft_objects::id!(t, "get"))?)
    };
    let dummy = Tuple::from_vec(t, vec![Obj::own(Value::int(0))]);
    for k in &keys {
        if !Set::of_obj(&seen).add(t, k.value())? {
            let text = proto::repr(t, k.value())?;
            let text = Str::of(text.value()).map_or(String::new(), |s| s.to_string_lossy());
            return Err(t.value_error(format!("mapping pattern checks duplicate key ({text})")));
        }
        let found = match (&get, Dict::exact(subject)) {
            (None, Some(d)) => d.get(t, k.value())?.map(Obj::own),
            (Some(get), _) => {
                let v = proto::call(t, get.value(), &[k.value(), dummy.value()])?;
                if v.value().same(dummy.value()) {
                    None
                } else {
                    Some(v)
                }
            }
            _ => None,
        };
        match found {
            Some(v) => values.push(v),
            None => {
                set_reg(t, f, i.a(), Value::NONE);
                return Ok(());
            }
        }
    }
    let x = Tuple::from_vec(t, values);
    set_reg(t, f, i.a(), x.into_value());
    Ok(())
}

pub fn match_class(t: &mut Thread, f: *mut Frame, i: Instr, positional: usize) -> Res<()> {
    let subject = bound(t, f, i.b())?;
    let parts = take_many(t, f, i.c(), 2)?;
    let (cls, names) = (parts[0].value(), parts[1].value());
    let Some(class) = Type::of(cls) else {
        return Err(t.type_error("called match pattern must be a class".into()));
    };
    if !proto::is_instance(t, subject, cls)? {
        set_reg(t, f, i.a(), Value::NONE);
        return Ok(());
    }
    let mut found = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    let ok = match_positional(t, subject, class, positional, &mut found, &mut seen)?;
    let names: Vec<Obj> = Tuple::of(names).map(|x| x.to_vec(t)).unwrap_or_default();
    if ok {
        for n in names {
            if !match_attr(t, subject, class, n.value(), &mut found, &mut seen)? {
                set_reg(t, f, i.a(), Value::NONE);
                return Ok(());
            }
        }
    }
    let v = if ok {
        Tuple::from_vec(t, found).into_value()
    } else {
        Value::NONE
    };
    set_reg(t, f, i.a(), v);
    Ok(())
}

fn match_positional(
    t: &mut Thread,
    subject: Value,
    class: &Type,
    positional: usize,
    found: &mut Vec<Obj>,
    seen: &mut Vec<String>,
) -> Res<bool> {
    if positional == 0 {
        return Ok(true);
    }
    let args = proto::get_attr_opt(t, class.value(), weft_objects::id!(t, "__match_args__"))?;
    let args: Vec<Obj> = match &args {
        Some(a) => match Tuple::exact(a.value()) {
            Some(x) => x.to_vec(t),
            None => {
                let msg = format!(
                    "{}.__match_args__ must be a tuple (got {})",
                    class.name(),
                    type_of(a.value()).name()
                );
                return Err(t.type_error(msg));
            }
        },
        None => Vec::new(),
    };
    let self_match = args.is_empty() && class.has(tf::MATCH_SELF);
    let allowed = if self_match { 1 } else { args.len() };
    if positional > allowed {
        let s = if allowed == 1 { "" } else { "s" };
        let msg = format!(
            "{}() accepts {allowed} positional sub-pattern{s} ({positional} given)",
            class.name()
        );
        return Err(t.type_error(msg));
    }
    if self_match {
        found.push(Obj::new(t, subject));
        return Ok(true);
    }
    for n in args.iter().take(positional) {
        if Str::exact(n.value()).is_none() {
            let msg = format!(
                "__match_args__ elements must be strings (got {})",
                type_of(n.value()).name()
            );
            return Err(t.type_error(msg));
        }
        if !match_attr(t, subject, class, n.value(), found, seen)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn match_attr(
    t: &mut Thread,
    subject: Value,
    class: &Type,
    name: Value,
    found: &mut Vec<Obj>,
    seen: &mut Vec<String>,
) -> Res<bool> {
    let Some(key) = Str::of(name) else {
        return Ok(false);
    };
    let text = key.to_string_lossy();
    if seen.contains(&text) {
        let msg = format!(
            "{}() got multiple sub-patterns for attribute '{text}'",
            class.name()
        );
        return Err(t.type_error(msg));
    }
    seen.push(text);
    match proto::get_attr_opt(t, subject, key)? {
        Some(v) => {
            found.push(v);
            Ok(true)
        }
        None => Ok(false),
    }
}
