//! The embedded library as importlib sees it: a path hook for its directory, whose finder is the loader of its modules.

use crate::embedded;
use weft_objects::bytes::Bytes;
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::types::alloc_instance;
use weft_stdlib::support::fs_decode;

/// `EmbeddedImporter(path)`: finds and loads the modules right in one directory of the embedded library.
#[repr(C)]
struct Importer {
    header: Header,
    /// The whole path, as it stands in `sys.path`.
    path: Slot,
}

weft_objects::gc_slots!(Importer, traverse, clear, path);

/// The path of the library's root.
pub fn root() -> String {
    String::from_utf8_lossy(&crate::sys::info::stdlib_dir(crate::start::config())).into_owned()
}

/// A path below the root, relative to it. `None`: it lies elsewhere.
fn inside(path: &str) -> Option<String> {
    let root = root();
    let rest = path.strip_prefix(root.as_str())?;
    if rest.is_empty() {
        return Some(String::new());
    }
    let rest = rest.strip_prefix('/')?;
    Some(rest.trim_end_matches('/').to_string())
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() {
        name.to_string()
    } else {
        format!("{dir}/{name}")
    }
}

/// The code object of a file of the library.
///
/// # Errors
/// SyntaxError; OSError if there is no such file.
pub fn code_of_file(t: &mut Thread, file: &str, filename: &str) -> Res<Obj> {
    let filename = Str::new(t, filename);
    if crate::start::config().optimize == 0
        && let Some(code) = crate::precompiled::code(t, file, &filename)
    {
        return Ok(code);
    }
    let Some(source) = embedded::read(file) else {
        return Err(t.os_error(libc::ENOENT, Some(filename)));
    };
    let source = crate::compile_api::decode(t, &source, filename.value())?;
    crate::imp::compile_module(t, &source, &filename)
}

fn importer_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("EmbeddedImporter", "(path, /)");
    let a = SIG.bind(t, args)?;
    let Some(path) = Str::of(a[0]) else {
        return Err(t.raise(
            &errors::IMPORT_ERROR,
            "only the embedded library's directories are supported",
        ));
    };
    let ours = path
        .as_str()
        .and_then(inside)
        .is_some_and(|dir| embedded::is_dir(&dir));
    if !ours {
        return Err(t.raise(
            &errors::IMPORT_ERROR,
            "not a directory of the embedded library",
        ));
    }
    let p = alloc_instance(t, Type::of_unchecked(cls)) as *mut Importer;
    // SAFETY: just allocated with this layout.
    unsafe {
        (*p).path
            .init(t, &(*p).header, Obj::new(t, a[0]).into_value());
        Ok(Value::from_ptr(p as *const Header))
    }
}

/// The directory (relative to the root) that an importer is for.
fn dir_of(v: Value) -> String {
    // SAFETY: methods of IMPORTER get its instances alone.
    let path = unsafe { (*(v.ptr() as *const Importer)).path.get() };
    Str::of(path)
        .and_then(|p| p.as_str())
        .and_then(inside)
        .unwrap_or_default()
}

/// A module of the library.
struct Found {
    /// Its source, relative to the root.
    file: String,
    package: bool,
}

fn find(dir: &str, fullname: &str) -> Option<Found> {
    let tail = fullname.rsplit('.').next().unwrap_or(fullname);
    let base = join(dir, tail);
    if embedded::is_package(&base) {
        return Some(Found {
            file: format!("{base}/__init__.py"),
            package: true,
        });
    }
    let file = format!("{base}.py");
    embedded::is_file(&file).then_some(Found {
        file,
        package: false,
    })
}

fn name_arg(t: &Thread, v: Value) -> Res<String> {
    match Str::of(v) {
        Some(s) => Ok(s.to_string_lossy()),
        None => Err(t.type_error(format!(
            "module name must be str, not {}",
            type_of(v).name()
        ))),
    }
}

fn found(t: &mut Thread, importer: Value, name: Value) -> Res<Found> {
    let text = name_arg(t, name)?;
    match find(&dir_of(importer), &text) {
        Some(f) => Ok(f),
        None => {
            let shown = Obj::new(t, name);
            let msg = format!("the embedded library has no module named '{text}'");
            Err(t.import_error(&errors::IMPORT_ERROR, msg, Some(shown), None))
        }
    }
}

fn full_path(file: &str) -> String {
    join(&root(), file)
}

/// `find_spec(fullname, target=None)`
fn find_spec(t: &mut Thread, a: &[Value]) -> Res {
    let name = name_arg(t, a[1])?;
    let dir = dir_of(a[0]);
    if name.is_empty() || name.ends_with('.') {
        return Ok(Value::NONE);
    }
    let Some(f) = find(&dir, &name) else {
        let tail = join(&dir, name.rsplit('.').next().unwrap_or(&name));
        if !embedded::is_dir(&tail) {
            return beside(t, a[1], &full_path(&dir), &tail);
        }
        // A directory without __init__.py: a part of a namespace package.
        let spec = new_spec(t, a[1], Value::NONE, None, true)?;
        add_location(t, &spec, &tail)?;
        return Ok(spec.into());
    };
    let spec = new_spec(t, a[1], a[0], Some(&full_path(&f.file)), f.package)?;
    if f.package {
        let dir = f.file.trim_end_matches("/__init__.py").to_string();
        add_location(t, &spec, &dir)?;
    }
    Ok(spec.into())
}

/// The spec of a module that has been put beside the library's files on disk, at `tail` within the library.
fn beside(t: &mut Thread, name: Value, dir: &str, tail: &str) -> Res {
    let base = full_path(tail);
    let is_there = |path: &str| std::path::Path::new(path).exists();
    if !is_there(&base) && !is_there(&format!("{base}.py")) {
        return Ok(Value::NONE);
    }
    let external = crate::import::import_module(t, "_frozen_importlib_external")?;
    let external = external.value();
    let loaders = proto::call_method(t, external, "_get_supported_file_loaders", &[])?;
    let mut args = vec![Str::new(t, dir)];
    args.extend(proto::to_vec(t, loaders.value())?);
    let args: Vec<Value> = args.iter().map(Obj::value).collect();
    let finder = proto::call_method(t, external, "FileFinder", &args)?;
    proto::call_method(t, finder.value(), "find_spec", &[name]).map(Obj::into_value)
}

fn new_spec(
    t: &mut Thread,
    name: Value,
    loader: Value,
    origin: Option<&str>,
    package: bool,
) -> Res<Obj> {
    let bootstrap = crate::import::bootstrap(t)?;
    let class = proto::get_attr(t, bootstrap.value(), weft_objects::id!(t, "ModuleSpec"))?;
    let names = Tuple::from_vec(
        t,
        vec![Str::intern(t, "origin"), Str::intern(t, "is_package")],
    );
    let path = origin.map(|o| Str::new(t, o));
    let args = [
        name,
        loader,
        path.as_ref().map_or(Value::NONE, Obj::value),
        Value::bool(package),
    ];
    let spec = proto::call_kw(t, class.value(), Args::new(&args, names.value()))?;
    if origin.is_some() {
        proto::set_attr(
            t,
            spec.value(),
            weft_objects::id!(t, "_set_fileattr"),
            Value::TRUE,
        )?;
    }
    Ok(spec)
}

fn add_location(t: &mut Thread, spec: &Obj, dir: &str) -> Res<()> {
    let places = proto::get_attr(
        t,
        spec.value(),
        weft_objects::id!(t, "submodule_search_locations"),
    )?;
    let dir = Str::new(t, &full_path(dir));
    proto::call_method(t, places.value(), "append", &[dir.value()]).map(drop)
}

fn get_code(t: &mut Thread, a: &[Value]) -> Res {
    let f = found(t, a[0], a[1])?;
    code_of_file(t, &f.file, &full_path(&f.file)).map(Obj::into_value)
}

/// `exec_module(module)`
fn exec_module(t: &mut Thread, a: &[Value]) -> Res {
    let name = proto::get_attr(t, a[1], weft_objects::id!(t, "__name__"))?;
    // A reload under another name still runs the spec's module.
    let spec = proto::get_attr_opt(t, a[1], weft_objects::id!(t, "__spec__"))?
        .filter(|s| !s.value().is_none());
    let name = match spec {
        Some(spec) => {
            proto::get_attr_opt(t, spec.value(), weft_objects::id!(t, "name"))?.unwrap_or(name)
        }
        None => name,
    };
    let code = Obj::own(get_code(t, &[a[0], name.value()])?);
    let dict = match Module::of(a[1]) {
        Some(m) => m.dict_obj(t),
        None => proto::get_attr(t, a[1], weft_objects::id!(t, "__dict__"))?,
    };
    if let (Some(d), Some(b)) = (
        Dict::of(dict.value()),
        weft_objects::runtime::BUILTINS.of(t).get(),
    ) {
        let key = weft_objects::id!(t, "__builtins__");
        if d.get_str(t, key).is_none() {
            d.set_str(t, key, b);
        }
    }
    drop(Obj::own(crate::interp::exec_code(
        t,
        code.value(),
        &dict,
        &dict,
    )?));
    Ok(Value::NONE)
}

fn get_source(t: &mut Thread, a: &[Value]) -> Res {
    let f = found(t, a[0], a[1])?;
    let Some(bytes) = embedded::read(&f.file) else {
        return Ok(Value::NONE);
    };
    let filename = Str::new(t, &full_path(&f.file));
    let text = crate::compile_api::decode(t, &bytes, filename.value())?;
    Ok(Str::from_string(t, text).into())
}

/// `get_data(path)`
fn get_data(t: &mut Thread, a: &[Value]) -> Res {
    let p = weft_stdlib::support::fspath(t, a[1])?;
    let text = String::from_utf8_lossy(&crate::sys::os_text(p.value())).into_owned();
    match inside(&text).and_then(|f| embedded::read(&f)) {
        Some(bytes) => Ok(Bytes::new(t, &bytes).into()),
        None => Err(t.os_error(libc::ENOENT, Some(p))),
    }
}

fn is_package(t: &mut Thread, a: &[Value]) -> Res {
    found(t, a[0], a[1]).map(|f| Value::bool(f.package))
}

fn get_filename(t: &mut Thread, a: &[Value]) -> Res {
    let f = found(t, a[0], a[1])?;
    Ok(Str::new(t, &full_path(&f.file)).into())
}

/// `iter_modules(prefix='')`, for pkgutil: pairs of a name and whether it is a package.
fn iter_modules(t: &mut Thread, a: &[Value]) -> Res {
    let prefix = if a[1].is_null() {
        String::new()
    } else {
        name_arg(t, a[1])?
    };
    let dir = dir_of(a[0]);
    let mut items = Vec::new();
    for name in embedded::list(&dir) {
        let package = embedded::is_package(&join(&dir, name));
        let base = if package {
            Some(name)
        } else {
            name.strip_suffix(".py").filter(|n| *n != "__init__")
        };
        if let Some(base) = base {
            let name = Str::new(t, &format!("{prefix}{base}"));
            items.push(Tuple::from_slice(t, &[name.value(), Value::bool(package)]));
        }
    }
    let l = List::from_vec(t, items);
    proto::iter(t, l.value()).map(Obj::into_value)
}

/// `get_resource_reader(fullname)`
fn get_resource_reader(t: &mut Thread, a: &[Value]) -> Res {
    let f = found(t, a[0], a[1])?;
    if !f.package {
        return Ok(Value::NONE);
    }
    let m = crate::import::import_module(t, "_weft_resources")?;
    let dir = Str::new(t, &full_path(f.file.trim_end_matches("/__init__.py")));
    let class = proto::get_attr(t, m.value(), weft_objects::id!(t, "EmbeddedReader"))?;
    proto::call(t, class.value(), &[a[0], dir.value()]).map(Obj::into_value)
}

/// `_listdir(path)`: the names right in a directory of the library, or None if there is no such directory.
fn listdir(t: &mut Thread, a: &[Value]) -> Res {
    let path = name_arg(t, a[1])?;
    match inside(&path).filter(|d| embedded::is_dir(d)) {
        Some(dir) => {
            let names = embedded::list(&dir).map(|n| Str::new(t, n)).collect();
            Ok(List::from_vec(t, names).into())
        }
        None => Ok(Value::NONE),
    }
}

fn repr(t: &mut Thread, v: Value) -> Res {
    // SAFETY: an instance.
    let path = Obj::new(t, unsafe { (*(v.ptr() as *const Importer)).path.get() });
    let path = Str::of(path.value()).map_or_else(String::new, |p| p.to_string_lossy());
    Ok(Str::new(t, &format!("<EmbeddedImporter object \"{path}\">")).into())
}

/// `EmbeddedImporter`
pub static IMPORTER: Type = Type::builtin(
    "EmbeddedImporter",
    size_of::<Importer>(),
    &Spec {
        new: Some(importer_new),
        repr: Some(repr),
        methods: &[
            NativeDef::new("find_spec", "($self, fullname, target=None)", find_spec),
            NativeDef::new("create_module", "($self, spec)", |_, _| Ok(Value::NONE)),
            NativeDef::new("exec_module", "($self, module)", exec_module),
            NativeDef::new("get_code", "($self, fullname)", get_code),
            NativeDef::new("get_source", "($self, fullname)", get_source),
            NativeDef::new("get_data", "($self, path)", get_data),
            NativeDef::new("is_package", "($self, fullname)", is_package),
            NativeDef::new("get_filename", "($self, fullname)", get_filename),
            NativeDef::new(
                "get_resource_reader",
                "($self, fullname)",
                get_resource_reader,
            ),
            NativeDef::new("iter_modules", "($self, prefix='')", iter_modules),
            NativeDef::new("invalidate_caches", "($self)", |_, _| Ok(Value::NONE)),
            NativeDef::new("_listdir", "($self, path)", listdir),
        ],
        getset: &[GetSetDef::ro("path", |t, v| {
            // SAFETY: an instance.
            Ok(to_reg(t, unsafe {
                (*(v.ptr() as *const Importer)).path.get()
            }))
        })],
        ..Spec::EMPTY
    },
)
.module("_frozen_importlib_external")
.gc(traverse, clear)
.doc("Finds and loads modules of the library that is inside the program.");

/// Puts the hook before the others.
///
/// # Errors
/// None in practice.
pub fn install(t: &mut Thread) -> Res<()> {
    IMPORTER.ready(t);
    let hooks = weft_objects::runtime::sys_attr(t, "path_hooks");
    if let Some(l) = hooks.as_ref().and_then(|h| List::of(h.value())) {
        l.insert(t, 0, IMPORTER.value());
        let zip = weft_objects::native::BuiltinFunction::new_function(t, &ZIP_HOOK, Value::NULL);
        l.insert(t, 1, zip.into_value());
    }
    Ok(())
}

/// The library's directory, for the end of `sys.path`.
pub fn path_entry(t: &Thread) -> Obj {
    fs_decode(t, root().as_bytes())
}

/// Whether a file is a zip archive: its directory's end record is at the end, maybe followed by a comment.
pub fn is_archive(path: &std::path::Path) -> bool {
    use std::io::{Read, Seek, SeekFrom};
    const RECORD: u64 = 22;
    const LONGEST: u64 = RECORD + 0xffff;
    let Ok(mut f) = std::fs::File::open(path) else {
        return false;
    };
    let Ok(meta) = f.metadata() else { return false };
    if !meta.is_file() || meta.len() < RECORD {
        return false;
    }
    let tail = meta.len().min(LONGEST);
    let mut end = Vec::new();
    if f.seek(SeekFrom::End(-(tail as i64))).is_err() || f.take(tail).read_to_end(&mut end).is_err()
    {
        return false;
    }
    end.windows(4).any(|w| w == b"PK\x05\x06")
}

/// The path hook for archives: the module `zipimport` is loaded when there is one.
fn zip_hook(t: &mut Thread, a: &[Value]) -> Res {
    use std::os::unix::ffi::OsStrExt;
    let path = crate::sys::os_text(a[0]);
    // An entry may go on inside the archive.
    let mut p = Some(std::path::Path::new(std::ffi::OsStr::from_bytes(&path)));
    while let Some(here) = p.filter(|p| !p.as_os_str().is_empty()) {
        if here.is_dir() {
            break;
        }
        if here.is_file() {
            if !is_archive(here) {
                break;
            }
            return zip_importer(t, a[0]);
        }
        p = here.parent();
    }
    Err(t.raise(&errors::IMPORT_ERROR, "not a Zip file"))
}

thread_local! {
    /// This thread is loading `zipimport`: what that imports is not looked for in archives.
    static LOADING_ZIP: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

fn zip_importer(t: &mut Thread, path: Value) -> Res {
    if LOADING_ZIP.replace(true) {
        return Err(t.raise(&errors::IMPORT_ERROR, "zipimport is not loaded yet"));
    }
    let m = crate::import::import_module(t, "zipimport");
    LOADING_ZIP.set(false);
    proto::call_method(t, m?.value(), "zipimporter", &[path]).map(Obj::into_value)
}

static ZIP_HOOK: NativeDef = NativeDef::new("zip_hook", "(path, /)", zip_hook);
