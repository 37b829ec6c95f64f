//! Writing objects by what `__reduce_ex__` and its kin say.

use super::ops::*;
use super::save::{Dump, item_note};
use super::{noted, pickling_error, repr_text, type_name};
use weft_objects::prelude::*;
use weft_objects::types::TYPE;

/// What a reducing function has given, checked.
struct Reduced {
    func: Obj,
    args: Obj,
    state: Option<Obj>,
    items: Option<Obj>,
    pairs: Option<Obj>,
    setter: Option<Obj>,
}

impl Dump<'_> {
    /// An object of any class.
    pub fn save_by_reduce(&mut self, t: &mut Thread, v: &Obj) -> Res<()> {
        let ty = Obj::new(t, type_of(v.value()).value());
        if let Some(f) = self.registered(t, &ty)? {
            let r = proto::call(t, f.value(), &[v.value()])?;
            return self.save_reduced(t, v, &r);
        }
        if type_of(v.value()).is_subtype(&TYPE) {
            return self.save_global(t, v, None);
        }
        let reduce_ex = weft_objects::id!(t, "__reduce_ex__");
        let r = match proto::get_attr_opt(t, v.value(), reduce_ex)? {
            Some(f) => proto::call(t, f.value(), &[Value::int(i64::from(self.proto))])?,
            None => {
                let reduce = weft_objects::id!(t, "__reduce__");
                match proto::get_attr_opt(t, v.value(), reduce)? {
                    Some(f) => proto::call(t, f.value(), &[])?,
                    None => {
                        let shown = repr_text(t, v.value())?;
                        let name = type_of(v.value()).name();
                        let msg = format!("can't pickle '{name}' object: {shown}");
                        return Err(pickling_error(t, msg));
                    }
                }
            }
        };
        self.save_reduced(t, v, &r)
    }

    /// The function that the dispatch table has for a class.
    fn registered(&mut self, t: &mut Thread, ty: &Obj) -> Res<Option<Obj>> {
        let table = match (&self.table, &self.default_table) {
            (Some(table), _) | (None, Some(table)) => table.clone(),
            (None, None) => {
                let table = super::from_module(t, "copyreg", "dispatch_table")?;
                self.default_table = Some(table.clone());
                table
            }
        };
        if let Some(d) = Dict::exact(table.value()) {
            return Ok(d.get(t, ty.value())?.map(Obj::own));
        }
        match proto::get_item(t, table.value(), ty.value()) {
            Ok(f) => Ok(Some(f)),
            Err(e) if !t.exc_matches(&errors::KEY_ERROR) => Err(e),
            Err(_) => {
                t.clear_exc();
                Ok(None)
            }
        }
    }

    /// What a reducing function has given for `v`: a global name or a tuple.
    pub fn save_reduced(&mut self, t: &mut Thread, v: &Obj, r: &Obj) -> Res<()> {
        if Str::of(r.value()).is_some() {
            return self.save_global(t, v, Some(r));
        }
        let saved = match read_reduced(t, r.value()) {
            Ok(r) => self.save_parts(t, &r, v),
            Err(e) => Err(e),
        };
        saved.map_err(|e| {
            noted(t, e, |t| {
                format!("when serializing {} object", type_name(t, v.value()))
            })
        })
    }

    /// `v` as the result of a call.
    pub fn save_call(&mut self, t: &mut Thread, func: Obj, args: Obj, v: &Obj) -> Res<()> {
        let r = Reduced {
            func,
            args,
            state: None,
            items: None,
            pairs: None,
            setter: None,
        };
        self.save_parts(t, &r, v)
    }

    fn save_parts(&mut self, t: &mut Thread, r: &Reduced, v: &Obj) -> Res<()> {
        self.enter(t, v)?;
        match self.proto {
            2.. => match name_of(t, &r.func)?.as_deref() {
                Some("__newobj_ex__") => self.save_new_ex(t, r, v)?,
                Some("__newobj__") => self.save_new(t, r, v)?,
                _ => self.save_func(t, r, v)?,
            },
            _ => self.save_func(t, r, v)?,
        }
        // An object that its own arguments lead back to has been written meanwhile: that one is taken.
        match self.p.memo_get(t, v.value()) {
            Some(number) => {
                self.out.byte(POP);
                self.put_get(number);
            }
            None => self.memoize(t, v.value()),
        }
        if let Some(items) = &r.items {
            self.save_items_of(t, items, v)?;
        }
        if let Some(pairs) = &r.pairs {
            self.save_pairs_of(t, pairs, v)?;
        }
        if let Some(state) = &r.state {
            self.save_state(t, state, r.setter.as_ref(), v)?;
        }
        self.leave();
        Ok(())
    }

    /// Saves a part, of which a note tells what it is.
    fn part(&mut self, t: &mut Thread, part: &Obj, v: &Obj, what: &str) -> Res<()> {
        match self.save(t, part) {
            Ok(()) => Ok(()),
            Err(e) => Err(noted(t, e, |t| {
                format!("when serializing {} {what}", type_name(t, v.value()))
            })),
        }
    }

    fn save_func(&mut self, t: &mut Thread, r: &Reduced, v: &Obj) -> Res<()> {
        self.part(t, &r.func, v, "reconstructor")?;
        self.part(t, &r.args, v, "reconstructor arguments")?;
        self.out.byte(REDUCE);
        Ok(())
    }

    /// `copyreg.__newobj__(cls, *args)`
    fn save_new(&mut self, t: &mut Thread, r: &Reduced, v: &Obj) -> Res<()> {
        let args = Tuple::this(r.args.value());
        let n = args.len();
        if n < 1 {
            let msg = format!("__newobj__ expected at least 1 argument, got {n}");
            return Err(pickling_error(t, msg));
        }
        let cls = Obj::new(t, args.get(0));
        class_argument(t, &cls, "__newobj__")?;
        let own = proto::get_attr(t, v.value(), weft_objects::id!(t, "__class__"))?;
        if !own.value().same(cls.value()) {
            let (own, got) = (repr_text(t, own.value())?, repr_text(t, cls.value())?);
            let msg = format!("first argument to __newobj__() must be {own}, not {got}");
            return Err(pickling_error(t, msg));
        }
        self.part(t, &cls, v, "class")?;
        let rest = Tuple::from_slice(t, &args.values()[1..]);
        self.part(t, &rest, v, "__new__ arguments")?;
        self.out.byte(NEWOBJ);
        Ok(())
    }

    /// `copyreg.__newobj_ex__(cls, args, kwargs)`
    fn save_new_ex(&mut self, t: &mut Thread, r: &Reduced, v: &Obj) -> Res<()> {
        let given = Tuple::this(r.args.value()).to_vec(t);
        let [cls, args, kwargs] = given.as_slice() else {
            let n = given.len();
            let msg = format!("__newobj_ex__ expected 3 arguments, got {n}");
            return Err(pickling_error(t, msg));
        };
        class_argument(t, cls, "__newobj_ex__")?;
        if Tuple::of(args.value()).is_none() {
            let got = type_name(t, args.value());
            let msg = format!("second argument to __newobj_ex__() must be a tuple, not {got}");
            return Err(pickling_error(t, msg));
        }
        if Dict::of(kwargs.value()).is_none() {
            let got = type_name(t, kwargs.value());
            let msg = format!("third argument to __newobj_ex__() must be a dict, not {got}");
            return Err(pickling_error(t, msg));
        }
        if self.proto >= 4 {
            self.part(t, cls, v, "class")?;
            self.part(t, args, v, "__new__ arguments")?;
            self.part(t, kwargs, v, "__new__ arguments")?;
            self.out.byte(NEWOBJ_EX);
            return Ok(());
        }
        let call = partial_new(t, cls, args, kwargs)?;
        self.part(t, &call, v, "reconstructor")?;
        let none = Tuple::empty(t);
        self.save(t, &none)?;
        self.out.byte(REDUCE);
        Ok(())
    }

    fn save_state(
        &mut self,
        t: &mut Thread,
        state: &Obj,
        setter: Option<&Obj>,
        v: &Obj,
    ) -> Res<()> {
        let Some(setter) = setter else {
            self.part(t, state, v, "state")?;
            self.out.byte(BUILD);
            return Ok(());
        };
        // A call of the setter, whose result is of no interest.
        self.part(t, setter, v, "state setter")?;
        self.save(t, v)?;
        self.part(t, state, v, "state")?;
        self.out.bytes(&[TUPLE2, REDUCE, POP]);
        Ok(())
    }

    /// The items that an iterator gives, to be appended to `v`.
    fn save_items_of(&mut self, t: &mut Thread, items: &Obj, v: &Obj) -> Res<()> {
        let mut i = 0;
        let mut next = proto::next(t, items.value())?;
        while let Some(first) = next {
            let second = match self.bin {
                true => proto::next(t, items.value())?,
                false => None,
            };
            let Some(second) = second else {
                self.numbered_item(t, v, &first, i)?;
                self.out.byte(APPEND);
                i += 1;
                next = match self.bin {
                    true => None,
                    false => proto::next(t, items.value())?,
                };
                continue;
            };
            self.out.byte(MARK);
            self.numbered_item(t, v, &first, i)?;
            let (mut n, mut item) = (1, Some(second));
            while let Some(x) = item {
                self.numbered_item(t, v, &x, i + n)?;
                n += 1;
                item = match n {
                    BATCH => None,
                    _ => proto::next(t, items.value())?,
                };
            }
            self.out.byte(APPENDS);
            i += n;
            next = match n {
                BATCH => proto::next(t, items.value())?,
                _ => None,
            };
        }
        Ok(())
    }

    fn numbered_item(&mut self, t: &mut Thread, v: &Obj, item: &Obj, i: usize) -> Res<()> {
        self.save(t, item).map_err(|e| item_note(t, e, v, i))
    }

    /// The pairs that an iterator gives, to be set as items of `v`.
    fn save_pairs_of(&mut self, t: &mut Thread, pairs: &Obj, v: &Obj) -> Res<()> {
        let mut next = next_pair(t, pairs)?;
        while let Some((k, x)) = next {
            let second = match self.bin {
                true => next_pair(t, pairs)?,
                false => None,
            };
            let Some(second) = second else {
                self.save_item(t, v, &k, &x)?;
                self.out.byte(SETITEM);
                next = match self.bin {
                    true => None,
                    false => next_pair(t, pairs)?,
                };
                continue;
            };
            self.out.byte(MARK);
            self.save_item(t, v, &k, &x)?;
            let (mut n, mut pair) = (1, Some(second));
            while let Some((k, x)) = pair {
                self.save_item(t, v, &k, &x)?;
                n += 1;
                pair = match n {
                    BATCH => None,
                    _ => next_pair(t, pairs)?,
                };
            }
            self.out.byte(SETITEMS);
            next = match n {
                BATCH => next_pair(t, pairs)?,
                _ => None,
            };
        }
        Ok(())
    }

    /// An id in place of an object.
    pub fn save_persistent(&mut self, t: &mut Thread, id: &Obj) -> Res<()> {
        if self.bin {
            self.save_as(t, id, false)?;
            self.out.byte(BINPERSID);
            return Ok(());
        }
        let text = proto::str(t, id.value())?;
        let text = Str::this(text.value());
        if !text.is_ascii() {
            let msg = "persistent IDs in protocol 0 must be ASCII strings";
            return Err(pickling_error(t, msg));
        }
        self.out.op(PERSID, text.as_bytes());
        self.out.bytes(b"\n");
        Ok(())
    }
}

/// `func.__name__`, if it is a str.
fn name_of(t: &mut Thread, func: &Obj) -> Res<Option<String>> {
    let name = proto::get_attr_opt(t, func.value(), weft_objects::id!(t, "__name__"))?;
    Ok(name.and_then(|n| Some(Str::of(n.value())?.as_str()?.to_owned())))
}

fn class_argument(t: &mut Thread, cls: &Obj, func: &str) -> Res<()> {
    if Type::of(cls.value()).is_some() {
        return Ok(());
    }
    let got = type_name(t, cls.value());
    let msg = format!("first argument to {func}() must be a class, not {got}");
    Err(pickling_error(t, msg))
}

/// `functools.partial(cls.__new__, cls, *args, **kwargs)`
fn partial_new(t: &mut Thread, cls: &Obj, args: &Obj, kwargs: &Obj) -> Res<Obj> {
    let partial = super::from_module(t, "functools", "partial")?;
    let new = proto::get_attr(t, cls.value(), weft_objects::id!(t, "__new__"))?;
    let mut all = vec![new.value(), cls.value()];
    all.extend_from_slice(Tuple::this(args.value()).values());
    let items = Dict::of_obj(kwargs).items(t);
    let names: Vec<Value> = items.iter().map(|(k, _)| k.value()).collect();
    all.extend(items.iter().map(|(_, x)| x.value()));
    let names = Tuple::from_slice(t, &names);
    proto::call_kw(t, partial.value(), Args::new(&all, names.value()))
}

fn next_pair(t: &mut Thread, pairs: &Obj) -> Res<Option<(Obj, Obj)>> {
    let Some(pair) = proto::next(t, pairs.value())? else {
        return Ok(None);
    };
    match Tuple::of(pair.value()).map(|p| p.values()) {
        Some([k, x]) => Ok(Some((Obj::new(t, *k), Obj::new(t, *x)))),
        _ => Err(t.type_error("dict items iterator must return 2-tuples".into())),
    }
}

fn read_reduced(t: &mut Thread, v: Value) -> Res<Reduced> {
    let Some(r) = Tuple::of(v) else {
        let got = type_name(t, v);
        let msg = format!("__reduce__ must return a string or tuple, not {got}");
        return Err(pickling_error(t, msg));
    };
    let n = r.len();
    if !(2..=6).contains(&n) {
        let msg = "tuple returned by __reduce__ must contain 2 through 6 elements";
        return Err(pickling_error(t, msg));
    }
    let at = |i: usize| Some(r.values().get(i)?).filter(|v| !v.is_none()).copied();
    let is_iterator = |v: Value| type_of(v).slots.iter_next.is_set();
    let checks: [(usize, &str, &str, bool); 5] = [
        (0, "first", "callable", proto::is_callable(r.get(0))),
        (1, "second", "a tuple", Tuple::of(r.get(1)).is_some()),
        (3, "fourth", "an iterator", at(3).is_none_or(is_iterator)),
        (4, "fifth", "an iterator", at(4).is_none_or(is_iterator)),
        (5, "sixth", "callable", at(5).is_none_or(proto::is_callable)),
    ];
    for (i, place, what, good) in checks {
        if !good {
            let got = type_name(t, r.get(i));
            let msg = format!(
                "{place} item of the tuple returned by __reduce__ must be {what}, not {got}"
            );
            return Err(pickling_error(t, msg));
        }
    }
    let some = |i| at(i).map(|v| Obj::new(t, v));
    Ok(Reduced {
        func: Obj::new(t, r.get(0)),
        args: Obj::new(t, r.get(1)),
        state: some(2),
        items: some(3),
        pairs: some(4),
        setter: some(5),
    })
}
