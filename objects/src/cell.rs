//! Cells, which hold the variables that closures share; and the few lines that every object made of slots needs.

use crate::prelude::*;
use crate::types::alloc_instance;

/// Writes the `traverse` and `clear` functions of an object whose references all lie in the named slots.
#[macro_export]
macro_rules! gc_slots {
    ($ty:ty, $traverse:ident, $clear:ident, $($slot:ident),+ $(,)?) => {
        unsafe fn $traverse(
            h: *const $crate::prelude::Header,
            f: &mut dyn FnMut($crate::prelude::Value),
        ) {
            // SAFETY: called with objects of this type alone.
            let o = unsafe { &*(h as *const $ty) };
            $(f(o.$slot.get());)+
        }
        unsafe fn $clear(h: *mut $crate::prelude::Header, t: &$crate::prelude::Thread) {
            // SAFETY: called with a dying object of this type.
            let o = unsafe { &*(h as *const $ty) };
            $(t.drop_value(o.$slot.take_local());)+
        }
    };
}

/// A new zeroed object of the class `ty`, as a handle and as its layout.
///
/// # Safety
/// `T` is the layout of `ty`'s instances, or the start of it, and zero is a valid value of it.
pub unsafe fn fresh<'a, T>(t: &Thread, ty: &Type) -> (Obj, &'a T) {
    let p = alloc_instance(t, ty);
    // SAFETY: just allocated, with this layout.
    unsafe { (Obj::from_raw(Value::from_ptr(p)), &*(p as *const T)) }
}

/// A word with a reference of its own to what `v` refers to, for a slot; NULL stays NULL.
#[inline]
pub fn counted(t: &Thread, v: Value) -> Value {
    if v.is_null() {
        v
    } else {
        Obj::new(t, v).into_value()
    }
}

/// A register word for what a slot holds, None if it is empty.
#[inline]
pub fn or_none(t: &Thread, v: Value) -> Value {
    if v.is_null() {
        Value::NONE
    } else {
        to_reg(t, v)
    }
}

/// An owned handle to what a slot holds.
#[inline]
pub fn own(t: &Thread, slot: &Slot) -> Option<Obj> {
    let v = slot.get();
    if v.is_null() {
        None
    } else {
        Some(Obj::new(t, v))
    }
}

/// One variable of a closure.
#[repr(C)]
pub struct Cell {
    pub header: Header,
    /// NULL: unbound.
    pub value: Slot,
}

impl Cell {
    /// A new cell with a register word, which it takes over (NULL: unbound).
    pub fn new(t: &Thread, v: Value) -> Obj {
        // SAFETY: the layout of cells.
        let (o, c) = unsafe { fresh::<Cell>(t, &CELL) };
        c.value.init(t, &c.header, v);
        o
    }

    #[inline(always)]
    pub fn of<'a>(v: Value) -> Option<&'a Cell> {
        crate::cast_exact(v, &CELL)
    }

    /// The cell in a word that is known to be one.
    #[inline(always)]
    pub fn of_unchecked<'a>(v: Value) -> &'a Cell {
        // SAFETY: the compiler emits cell operations for cells alone.
        unsafe { &*(v.ptr() as *const Cell) }
    }

    /// The contents, borrowed; NULL if unbound.
    #[inline(always)]
    pub fn get(&self) -> Value {
        self.value.get()
    }

    /// Takes over the register word (NULL: unbinds).
    #[inline(always)]
    pub fn set(&self, t: &Thread, v: Value) {
        self.value.set(t, &self.header, v);
    }
}

fn this<'a>(v: Value) -> &'a Cell {
    Cell::of_unchecked(v)
}

fn cell_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("cell", "(contents=None, /)");
    let a = SIG.bind(t, args)?;
    let v = counted(t, a[0]);
    Ok(Cell::new(t, v).into())
}

fn cell_repr(t: &mut Thread, v: Value) -> Res {
    let at = v.ptr() as usize;
    let held = this(v).get();
    let s = if held.is_null() {
        format!("<cell at {at:#x}: empty>")
    } else {
        format!(
            "<cell at {at:#x}: {} object at {:#x}>",
            type_of(held).name(),
            held.bare().0
        )
    };
    Ok(Str::from_string(t, s).into())
}

fn cell_compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let (Some(a), Some(b)) = (Cell::of(a), Cell::of(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    match (own(t, &a.value), own(t, &b.value)) {
        (Some(x), Some(y)) => proto::compare(t, x.value(), y.value(), op),
        (x, y) => Ok(Value::bool(op.of(x.is_some().cmp(&y.is_some())))),
    }
}

fn get_contents(t: &mut Thread, v: Value) -> Res {
    let c = this(v).get();
    if c.is_null() {
        Err(t.value_error("Cell is empty"))
    } else {
        Ok(to_reg(t, c))
    }
}

fn set_contents(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let new = counted(t, new);
    this(v).set(t, new);
    Ok(())
}

gc_slots!(Cell, traverse, clear, value);

/// `types.CellType`
pub static CELL: Type = Type::builtin(
    "cell",
    size_of::<Cell>(),
    &Spec {
        new: Some(cell_new),
        repr: Some(cell_repr),
        compare: Some(cell_compare),
        getset: &[GetSetDef::rw("cell_contents", get_contents, set_contents)],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.final_()
.doc("Create a new cell object.\n\n  contents\n    the contents of the cell. If not specified, the cell will be empty,\n    and \n further attempts to access its cell_contents attribute will\n    raise a ValueError.");
