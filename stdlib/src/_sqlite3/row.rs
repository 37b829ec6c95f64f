//! `sqlite3.Row`: a tuple whose items have the columns' names too.

use super::cursor::Cursor;
use crate::support;
use weft_objects::cell;
use weft_objects::prelude::*;
use weft_objects::slice::Slice;
use weft_objects::str::index::has_index;

#[repr(C)]
pub struct Row {
    header: Header,
    data: Slot,
    /// The cursor's description at that time: a tuple, or None.
    description: Slot,
}

weft_objects::gc_slots!(Row, traverse, clear, data, description);

impl Row {
    fn this<'a>(v: Value) -> &'a Row {
        // SAFETY: called with objects of ROW and its subclasses alone.
        unsafe { &*(v.ptr() as *const Row) }
    }
    fn of<'a>(v: Value) -> Option<&'a Row> {
        weft_objects::cast(v, &ROW)
    }
    fn data(&self) -> &Tuple {
        Tuple::this(self.data.get())
    }
    /// The columns' names.
    fn names(&self, t: &Thread) -> Vec<Obj> {
        let columns = Tuple::exact(self.description.get());
        let columns = columns.map_or(&[][..], Tuple::values);
        columns
            .iter()
            .filter_map(|c| Tuple::of(*c))
            .filter(|c| !c.is_empty())
            .map(|c| Obj::new(t, c.get(0)))
            .collect()
    }
}

/// `Row(cursor, data)`
fn new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let args = support::positional(t, cls, &ROW, "Row", args)?;
    let [cursor, data] = *args.pos() else {
        let n = args.pos().len();
        return Err(t.type_error(format!("Row expected 2 arguments, got {n}")));
    };
    let Some(cursor) = Cursor::of(cursor) else {
        let got = type_of(cursor).name();
        return Err(t.type_error(format!(
            "Row() argument 1 must be sqlite3.Cursor, not {got}"
        )));
    };
    if Tuple::of(data).is_none() {
        let got = type_of(data).name();
        return Err(t.type_error(format!("Row() argument 2 must be tuple, not {got}")));
    }
    let description = cursor.description(t);
    // SAFETY: the layout of rows.
    let (o, row) = unsafe { cell::fresh::<Row>(t, Type::of_unchecked(cls)) };
    let data = Obj::new(t, data);
    row.data.init(t, &row.header, data.into_value());
    row.description
        .init(t, &row.header, description.into_value());
    Ok(o.into())
}

/// Whether names are the same but for the case of letters of ASCII.
fn is_named(name: Value, wanted: &Str) -> bool {
    Str::of(name).is_some_and(|s| s.as_bytes().eq_ignore_ascii_case(wanted.as_bytes()))
}

fn get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    let row = Row::this(v);
    if has_index(key) || Slice::of(key).is_some() {
        return proto::get_item_value(t, row.data.get(), key);
    }
    let Some(wanted) = Str::of(key) else {
        return Err(t.index_error("Index must be int or string"));
    };
    let at = row
        .names(t)
        .iter()
        .position(|name| is_named(name.value(), wanted));
    match at.filter(|at| *at < row.data().len()) {
        Some(at) => Ok(to_reg(t, row.data().get(at))),
        None => {
            let key = proto::repr(t, key)?;
            let key = Str::this(key.value()).to_string_lossy();
            Err(t.index_error(format!("No item with key {key}")))
        }
    }
}

fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    if !matches!(op, CmpOp::Eq | CmpOp::Ne) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let (Some(x), Some(y)) = (Row::of(a), Row::of(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    let same = proto::eq(t, x.description.get(), y.description.get())?
        && proto::eq(t, x.data.get(), y.data.get())?;
    Ok(Value::bool(same == matches!(op, CmpOp::Eq)))
}

fn hash(t: &mut Thread, v: Value) -> Res<i64> {
    let row = Row::this(v);
    let description = proto::hash(t, row.description.get())?;
    let h = description ^ proto::hash(t, row.data.get())?;
    Ok(if h == -1 { -2 } else { h })
}

/// `sqlite3.Row`
pub static ROW: Type = Type::builtin(
    "Row",
    size_of::<Row>(),
    &Spec {
        new: Some(new),
        hash: Some(hash),
        compare: Some(compare),
        iter: Some(|t, v| proto::iter(t, Row::this(v).data.get()).map(Obj::into_value)),
        len: Some(|_, v| Ok(Row::this(v).data().len())),
        get_item: Some(get_item),
        methods: &[NativeDef::new("keys", "($self, /)", |t, a| {
            let names = Row::this(a[0]).names(t);
            Ok(List::from_vec(t, names).into())
        })
        .doc("Returns the keys of the row.")],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.module("sqlite3");
