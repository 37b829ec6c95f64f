//! Writing what is found by its name: classes, functions, modules' singletons.

use super::ops::*;
use super::save::Dump;
use super::{PICKLING_ERROR, dotted, from_module, held, import_module, instead, pickling_error};
use super::{repr_text, walk};
use weft_objects::prelude::*;
use weft_objects::runtime;
use weft_objects::singletons::{ELLIPSIS_TYPE, NONE_TYPE, NOT_IMPLEMENTED_TYPE};
use weft_objects::types::TYPE;

impl Dump<'_> {
    /// A class: by its name, but those of the constants have none.
    pub fn save_type(&mut self, t: &mut Thread, v: &Obj) -> Res<()> {
        let of = |ty: &Type| ty.value().same(v.value());
        let constant = if of(&NONE_TYPE) {
            Value::NONE
        } else if of(&NOT_IMPLEMENTED_TYPE) {
            Value::NOT_IMPLEMENTED
        } else if of(&ELLIPSIS_TYPE) {
            Value::ELLIPSIS
        } else {
            return self.save_global(t, v, None);
        };
        let (class, args) = (Obj::new(t, TYPE.value()), Tuple::from_slice(t, &[constant]));
        self.save_call(t, class, args, v)
    }

    /// An object by its name: `name`, or what its `__qualname__` says.
    pub fn save_global(&mut self, t: &mut Thread, v: &Obj, name: Option<&Obj>) -> Res<()> {
        let name = match name {
            Some(name) => name.clone(),
            None => {
                match proto::get_attr_opt(t, v.value(), weft_objects::id!(t, "__qualname__"))? {
                    Some(name) => name,
                    None => proto::get_attr(t, v.value(), weft_objects::id!(t, "__name__"))?,
                }
            }
        };
        let Some(text) = Str::of(name.value()) else {
            let got = type_of(name.value()).name();
            let msg = format!("__qualname__ must be a string, not {got}");
            return Err(t.type_error(msg));
        };
        let path = dotted(t, text);
        let module = which_module(t, v, text, &path)?;
        if self.proto >= 2
            && let Some(code) = extension_code(t, &module, &name)?
        {
            match code {
                0..=0xff => self.out.op(EXT1, &[code as u8]),
                0x100..=0xffff => self.out.op(EXT2, &(code as u16).to_le_bytes()),
                _ => self.out.op(EXT4, &code.to_le_bytes()),
            }
            return Ok(());
        }
        if self.proto >= 4 {
            self.save(t, &module)?;
            self.save(t, &name)?;
            self.out.byte(STACK_GLOBAL);
        } else if let [first, rest @ ..] = path.as_slice()
            && !rest.is_empty()
        {
            self.save_attributes(t, &module, first, rest)?;
        } else {
            self.save_name(t, &module, &name)?;
        }
        self.memoize(t, v.value());
        Ok(())
    }

    /// `getattr(getattr(first, …), …)`, for protocols without dotted names.
    fn save_attributes(
        &mut self,
        t: &mut Thread,
        module: &Obj,
        first: &Obj,
        rest: &[Obj],
    ) -> Res<()> {
        let getattr = runtime::builtin(t, "getattr")?;
        for _ in rest {
            self.save(t, &getattr)?;
            if self.proto < 2 {
                self.out.byte(MARK);
            }
        }
        self.save_name(t, module, first)?;
        for name in rest {
            self.save(t, name)?;
            self.out.byte(if self.proto < 2 { TUPLE } else { TUPLE2 });
            self.out.byte(REDUCE);
        }
        Ok(())
    }

    /// Module and name as lines of text.
    fn save_name(&mut self, t: &mut Thread, module: &Obj, name: &Obj) -> Res<()> {
        let (module, name) = match self.fix_imports {
            true => old_names(t, module, name)?,
            false => (module.clone(), name.clone()),
        };
        self.out.byte(GLOBAL);
        for (text, what) in [(module, "module"), (name, "global")] {
            let line = self.identifier(t, &text, what)?;
            self.out.bytes(&line);
            self.out.bytes(b"\n");
        }
        Ok(())
    }

    fn identifier(&mut self, t: &mut Thread, text: &Obj, what: &str) -> Res<Vec<u8>> {
        use weft_objects::text::codec::Encoding;
        let encoding = match self.proto {
            3.. => Encoding::Utf8,
            _ => Encoding::Ascii,
        };
        let e = match weft_objects::str::codecs::encode(t, encoding, text.value(), None) {
            Ok(line) => return Ok(line),
            Err(e) => e,
        };
        if !t.exc_matches(&errors::UNICODE_ENCODE_ERROR) {
            return Err(e);
        }
        let shown = text_repr(t, text)?;
        let msg = format!(
            "can't pickle {what} identifier {shown} using pickle protocol {}",
            self.proto
        );
        Err(instead(t, held(t, &PICKLING_ERROR), msg))
    }
}

/// `repr(v)` while an exception is pending, which stays so.
fn text_repr(t: &mut Thread, v: &Obj) -> Res<String> {
    let pending = t.take_exc();
    let text = repr_text(t, v.value())?;
    if let Some(e) = pending {
        t.set_exc(e);
    }
    Ok(text)
}

/// The name of the module that has the object under this name.
fn which_module(t: &mut Thread, v: &Obj, name: &Str, path: &[Obj]) -> Res<Obj> {
    let module = proto::get_attr_opt(t, v.value(), weft_objects::id!(t, "__module__"))?;
    if path.iter().any(|p| Str::this(p.value()).is("<locals>")) {
        let shown = repr_text(t, v.value())?;
        let msg = format!("Can't pickle local object {shown}");
        return Err(pickling_error(t, msg));
    }
    let module = match module.filter(|m| !m.value().is_none()) {
        Some(m) => m,
        None => match search_modules(t, v, path)? {
            Some(found) => return Ok(found),
            None => Str::intern(t, "__main__"),
        },
    };
    let found = match import_module(t, module.value()) {
        Ok(m) => walk(t, m, path),
        Err(e) => {
            let caught = t.exc_matches(&errors::IMPORT_ERROR)
                || t.exc_matches(&errors::VALUE_ERROR)
                || t.exc_matches(&errors::KEY_ERROR);
            return Err(if caught { no_module(t, v)? } else { e });
        }
    };
    let what = match found {
        Ok(found) if found.value().same(v.value()) => return Ok(module),
        Ok(_) => "the same object",
        Err(e) if !t.exc_matches(&errors::ATTRIBUTE_ERROR) => return Err(e),
        Err(_) => "found",
    };
    let (shown, place) = (text_repr(t, v)?, place_text(t, &module, name)?);
    let msg = format!("Can't pickle {shown}: it's not {what} as {place}");
    Err(instead(t, held(t, &PICKLING_ERROR), msg))
}

fn place_text(t: &mut Thread, module: &Obj, name: &Str) -> Res<String> {
    let pending = t.take_exc();
    let module = proto::str(t, module.value())?;
    if let Some(e) = pending {
        t.set_exc(e);
    }
    let module = Str::this(module.value()).to_string_lossy();
    Ok(format!("{module}.{}", name.to_string_lossy()))
}

/// The pending exception says why there is no such module.
#[cold]
fn no_module(t: &mut Thread, v: &Obj) -> Res<Raised> {
    let shown = text_repr(t, v)?;
    let Some(e) = t.take_exc() else {
        return Ok(pickling_error(t, format!("Can't pickle {shown}")));
    };
    let why = proto::str(t, e.value())?;
    t.set_exc(e);
    let msg = format!(
        "Can't pickle {shown}: {}",
        Str::this(why.value()).to_string_lossy()
    );
    Ok(instead(t, held(t, &PICKLING_ERROR), msg))
}

/// Looks for an object in all modules.
fn search_modules(t: &mut Thread, v: &Obj, path: &[Obj]) -> Res<Option<Obj>> {
    let modules = runtime::MODULES.of(t).get().unwrap_or(Value::NONE);
    let Some(modules) = Dict::of(modules) else {
        return Ok(None);
    };
    for (name, module) in modules.items(t) {
        let skipped =
            Str::of(name.value()).is_some_and(|n| n.is("__main__") || n.is("__mp_main__"));
        if skipped || module.value().is_none() {
            continue;
        }
        match walk(t, module, path) {
            Ok(found) if found.value().same(v.value()) => return Ok(Some(name)),
            Ok(_) => {}
            Err(e) if !t.exc_matches(&errors::ATTRIBUTE_ERROR) => return Err(e),
            Err(_) => t.clear_exc(),
        }
    }
    Ok(None)
}

/// The number in `copyreg`'s registry.
fn extension_code(t: &mut Thread, module: &Obj, name: &Obj) -> Res<Option<i32>> {
    let registry = from_module(t, "copyreg", "_extension_registry")?;
    let Some(d) = Dict::of(registry.value()).filter(|d| !d.is_empty()) else {
        return Ok(None);
    };
    let key = Tuple::pair(t, module.clone(), name.clone());
    let Some(code) = d.get(t, key.value())?.map(Obj::own) else {
        return Ok(None);
    };
    let n = proto::index_i64(t, code.value())?;
    match i32::try_from(n) {
        Ok(n) if n > 0 => Ok(Some(n)),
        _ => Err(t.runtime_error(format!("extension code {n} is out of range"))),
    }
}

/// The names that Python 2 had for something.
fn old_names(t: &mut Thread, module: &Obj, name: &Obj) -> Res<(Obj, Obj)> {
    compat_names(
        t,
        "REVERSE_NAME_MAPPING",
        "REVERSE_IMPORT_MAPPING",
        module,
        name,
    )
}

/// Names as a pair of tables of `_compat_pickle` maps them.
pub fn compat_names(
    t: &mut Thread,
    names: &'static str,
    modules: &'static str,
    module: &Obj,
    name: &Obj,
) -> Res<(Obj, Obj)> {
    let table = from_module(t, "_compat_pickle", names)?;
    let key = Tuple::pair(t, module.clone(), name.clone());
    if let Some(d) = Dict::of(table.value())
        && let Some(pair) = d.get(t, key.value())?.map(Obj::own)
    {
        return match Tuple::of(pair.value()).map(|p| p.values()) {
            Some([m, n]) if Str::of(*m).is_some() && Str::of(*n).is_some() => {
                Ok((Obj::new(t, *m), Obj::new(t, *n)))
            }
            _ => {
                let got = type_of(pair.value()).name();
                let msg =
                    format!("_compat_pickle.{names} values should be 2-tuples of str, not {got}");
                Err(t.runtime_error(msg))
            }
        };
    }
    let table = from_module(t, "_compat_pickle", modules)?;
    if let Some(d) = Dict::of(table.value())
        && let Some(m) = d.get(t, module.value())?.map(Obj::own)
    {
        if Str::of(m.value()).is_none() {
            let got = type_of(m.value()).name();
            let msg = format!("_compat_pickle.{modules} values should be strings, not {got}");
            return Err(t.runtime_error(msg));
        }
        return Ok((m, name.clone()));
    }
    Ok((module.clone(), name.clone()))
}
