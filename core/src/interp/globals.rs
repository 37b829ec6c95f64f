//! Names: globals, builtins, namespaces, closures, and what happens when there is none.

use super::frames::{cache, name, own_operand, reg, set_reg, take_operand, take_reg};
use super::run::drop_reg;
use crate::compile::bytecode::{Instr, XA, XB};
use std::sync::atomic::Ordering::*;
use weft_objects::cell::Cell;
use weft_objects::code::LOCAL_FREE;
use weft_objects::frame::Frame;
use weft_objects::function::Function;
use weft_objects::prelude::*;

/// Moves and copies of registers that are not plain, or unbound.
pub fn move_slow(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    if reg(f, i.b()).is_null() {
        return unbound_local(t, f, i.b());
    }
    let v = own_operand(t, f, i, XB, i.b());
    set_reg(t, f, i.a(), v);
    Ok(())
}

/// Puts the register's word into a new cell.
pub fn make_cell(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let v = take_reg(f, i.a());
    let cell = Cell::new(t, v);
    set_reg(t, f, i.a(), cell.into_value());
    Ok(())
}

pub fn load_deref(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let v = Cell::of_unchecked(reg(f, i.b())).get();
    if v.is_null() {
        return unbound_deref(t, f, i.b());
    }
    let v = to_reg(t, v);
    set_reg(t, f, i.a(), v);
    Ok(())
}

pub fn store_deref(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    if reg(f, i.a()).is_null() {
        return unbound_local(t, f, i.a());
    }
    let v = own_operand(t, f, i, XA, i.a());
    let cell = Cell::of_unchecked(reg(f, i.b()));
    let old = cell.value.replace(t, &cell.header, v);
    drop_reg(t, old);
    Ok(())
}

pub fn delete_deref(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let cell = Cell::of_unchecked(reg(f, i.b()));
    let old = cell.value.take();
    if old.is_null() {
        return unbound_deref(t, f, i.b());
    }
    drop_reg(t, old);
    Ok(())
}

fn globals<'a>(f: *mut Frame) -> &'a Dict {
    // SAFETY: kept alive by the frame's function or namespace.
    unsafe { &*(*f).globals }
}
fn builtins<'a>(f: *mut Frame) -> &'a Dict {
    // SAFETY: as above.
    unsafe { &*(*f).builtins }
}

/// What a cache says of a key's place.
fn word(id: u32, index: u32) -> u64 {
    u64::from(id) << 32 | u64::from(index)
}

/// A global or builtin; fills the caches at `at` and `at + 1`.
fn find<'t>(t: &'t Thread, f: *mut Frame, key: &Str, at: usize) -> Option<Borrowed<'t>> {
    let g = globals(f);
    // What a subclass says goes through its methods.
    Dict::exact(g.header.value())?;
    let place = g.place_of_str(t, key);
    if let Some(v) = g.get_str(t, key) {
        if let Some((id, Some(index))) = place {
            cache(f, at).store(word(id, index), Relaxed);
        }
        return Some(v);
    }
    let b = builtins(f);
    let v = b.get_str(t, key)?;
    if let (Some((id, None)), Some((builtins, Some(index)))) = (place, b.place_of_str(t, key)) {
        // The second word first: whoever sees the first one finds its partner, or an older one that misses.
        cache(f, at + 1).store(word(builtins, index), Release);
        cache(f, at).store(word(id, u32::MAX), Release);
    }
    Some(v)
}

#[cold]
fn name_error(t: &mut Thread, key: &Str) -> Raised {
    let msg = format!("name '{}' is not defined", key.to_string_lossy());
    let e = t.raise(&errors::NAME_ERROR, msg);
    errors::note_name(t, key);
    e
}

/// Whether a name is found by looking into the globals and then the builtins, or they may have a `__getitem__` or `__missing__`.
fn are_plain(f: *mut Frame) -> bool {
    let exact = |d: &Dict| Dict::exact(d.header.value()).is_some();
    exact(globals(f)) && exact(builtins(f))
}

fn built_in(t: &mut Thread, f: *mut Frame, key: &Str) -> Res<Value> {
    let v = proto::get_name(t, builtins(f).header.value(), key)?;
    v.ok_or_else(|| name_error(t, key))
}

/// A global or builtin whose key only says that it is equal to the name, or NameError.
#[cold]
fn find_equal(t: &mut Thread, f: *mut Frame, key: &Str) -> Res<Value> {
    for d in [globals(f), builtins(f)] {
        if let Some(v) = d.get(t, key.header.value())? {
            return Ok(v);
        }
    }
    Err(name_error(t, key))
}

#[inline(never)]
pub fn load(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let key = name(f, i.b());
    let v = if are_plain(f) {
        match find(t, f, key, i.c()) {
            Some(v) => v.to_reg(t),
            None => find_equal(t, f, key)?,
        }
    } else {
        global(t, f, key)?
    };
    set_reg(t, f, i.a(), v);
    Ok(())
}

/// A global or builtin, without a cache.
fn global(t: &mut Thread, f: *mut Frame, key: &Str) -> Res<Value> {
    match proto::get_name(t, globals(f).header.value(), key)? {
        Some(v) => Ok(v),
        None => built_in(t, f, key),
    }
}

#[inline(never)]
pub fn store(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    if reg(f, i.a()).is_null() {
        return unbound_local(t, f, i.a());
    }
    let v = own_operand(t, f, i, XA, i.a());
    let g = globals(f);
    let w = cache(f, i.c()).load(Relaxed);
    let v = match g.set_at(t, (w >> 32) as u32, w as u32, v) {
        Ok(()) => return Ok(()),
        Err(v) => v,
    };
    let key = name(f, i.b());
    let v = Obj::own(v);
    g.set_str(t, key, v.value());
    if let Some((id, Some(index))) = g.place_of_str(t, key) {
        cache(f, i.c()).store(word(id, index), Relaxed);
    }
    Ok(())
}

#[inline(never)]
pub fn delete(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let key = name(f, i.b());
    match globals(f).remove_str(t, key) {
        Some(_) => Ok(()),
        None => Err(name_error(t, key)),
    }
}

fn namespace(f: *mut Frame) -> Value {
    // SAFETY: a running frame.
    unsafe { (*f).namespace }
}

#[inline(never)]
pub fn load_name(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let key = name(f, i.b());
    let ns = namespace(f);
    if !ns.is_null()
        && let Some(v) = proto::get_name(t, ns, key)?
    {
        set_reg(t, f, i.a(), v);
        return Ok(());
    }
    if are_plain(f) {
        return load(t, f, i);
    }
    // As in CPython, which asks globals of a class of their own for names in functions only.
    let v = match globals(f).get_str(t, key).map(|v| v.to_reg(t)) {
        Some(v) => v,
        None => built_in(t, f, key)?,
    };
    set_reg(t, f, i.a(), v);
    Ok(())
}

#[inline(never)]
pub fn store_name(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    if reg(f, i.a()).is_null() {
        return unbound_local(t, f, i.a());
    }
    let v = Obj::own(own_operand(t, f, i, XA, i.a()));
    let key = name(f, i.b());
    let ns = namespace(f);
    match Dict::exact(ns) {
        Some(d) => {
            d.set_str(t, key, v.value());
            Ok(())
        }
        None if ns.is_null() => {
            globals(f).set_str(t, key, v.value());
            Ok(())
        }
        None => proto::set_item(t, ns, key.header.value(), v.value()),
    }
}

#[inline(never)]
pub fn delete_name(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let key = name(f, i.b());
    let ns = namespace(f);
    if let Some(d) = Dict::exact(ns) {
        return match d.remove_str(t, key) {
            Some(_) => Ok(()),
            None => Err(name_error(t, key)),
        };
    }
    match proto::del_item(t, ns, key.header.value()) {
        Err(_) if t.exc_matches(&errors::KEY_ERROR) => {
            t.clear_exc();
            Err(name_error(t, key))
        }
        r => r,
    }
}

pub fn load_locals(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let v = weft_objects::frame::locals(t, f);
    set_reg(t, f, i.a(), v.into_value());
    Ok(())
}

pub fn load_from_dict_or_globals(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let key = name(f, i.c());
    let ns = reg(f, i.b());
    let v = match proto::get_name(t, ns, key)? {
        Some(v) => v,
        None => global(t, f, key)?,
    };
    let ns = take_operand(f, i, XB, i.b());
    set_reg(t, f, i.a(), v);
    drop_reg(t, ns);
    Ok(())
}

pub fn load_from_dict_or_deref(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let key = local_name(f, i.c());
    let ns = reg(f, i.b());
    let v = match proto::get_name(t, ns, key)? {
        Some(v) => v,
        None => {
            let v = Cell::of_unchecked(reg(f, i.c())).get();
            if v.is_null() {
                return unbound_deref(t, f, i.c());
            }
            to_reg(t, v)
        }
    };
    let ns = take_operand(f, i, XB, i.b());
    set_reg(t, f, i.a(), v);
    drop_reg(t, ns);
    Ok(())
}

/// Copies the closure's cells into the registers of the free variables.
pub fn copy_free(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    // SAFETY: a running frame's function is alive.
    let func = unsafe { (*f).func };
    let cells = Function::of(func).and_then(|x| Tuple::exact(x.closure.get()));
    let Some(cells) = cells.filter(|c| c.len() >= i.b()) else {
        return Err(t.raise(
            &errors::SYSTEM_ERROR,
            "a function without the cells that its code needs",
        ));
    };
    for n in 0..i.b() {
        let v = to_reg(t, cells.get(n));
        set_reg(t, f, i.a() + n, v);
    }
    Ok(())
}

fn local_name<'a>(f: *mut Frame, n: usize) -> &'a Str {
    // SAFETY: a running frame's code is alive; names are interned.
    unsafe { &*((&(*(*f).code).body().locals)[n].0.value().ptr() as *const Str) }
}

/// UnboundLocalError for register `n`.
#[cold]
#[inline(never)]
pub fn unbound_local<T>(t: &mut Thread, f: *mut Frame, n: usize) -> Res<T> {
    // SAFETY: a running frame's code is alive.
    let named = unsafe { (*(*f).code).body().locals.len() } > n;
    let name = if named {
        local_name(f, n).to_string_lossy()
    } else {
        String::from("?")
    };
    let msg =
        format!("cannot access local variable '{name}' where it is not associated with a value");
    Err(t.raise(&errors::UNBOUND_LOCAL_ERROR, msg))
}

/// The error for an empty cell in register `n`.
#[cold]
#[inline(never)]
pub fn unbound_deref<T>(t: &mut Thread, f: *mut Frame, n: usize) -> Res<T> {
    // SAFETY: a running frame's code is alive.
    let kind = unsafe { (&(*(*f).code).body().locals)[n].1 };
    if kind != LOCAL_FREE {
        return unbound_local(t, f, n);
    }
    let key = local_name(f, n);
    let msg = format!(
        "cannot access free variable '{}' where it is not associated with a value in enclosing scope",
        key.to_string_lossy()
    );
    let e = t.raise(&errors::NAME_ERROR, msg);
    errors::note_name(t, key);
    Err(e)
}
