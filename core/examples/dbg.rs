use weft_core::*;
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::runtime;
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
static WRITE: NativeDef = NativeDef::new("_write", "(s, /)", |_t, a| {
    if let Some(s) = Str::of(a[0]) {
        print!("{}", s.to_string_lossy());
    }
    Ok(Value::NONE)
});
fn main() {
    let mut th = runtime::main_thread(8 << 20);
    let t = &mut *th;
    let (sys_m, b) = start::init_core(t).unwrap();
    let m = Module::of(b.value()).unwrap();
    m.add_function(t, &WRITE);
    let r = (|| -> Res<()> {
        let boot = imp::run_frozen(t, "_frozen_importlib")?;
        import::set_importlib(t, boot.clone());
        let im = imp::make_builtin(t, "_imp")?.unwrap();
        import::modules(t)?.set_str(t, weft_objects::id!(t, "_imp"), im.value());
        proto::call_method(t, boot.value(), "_install", &[sys_m.value(), im.value()])?;
        let mm = Module::new(t, "__main__");
        let mmo = Module::of(mm.value()).unwrap();
        import::modules(t)?.set_str(t, weft_objects::id!(t, "__main__"), mm.value());
        let d = mmo.dict_obj(t);
        mmo.add(t, "__builtins__", b.clone());
        let pre = "class _O:\n    def write(self, s): _write(s)\n    def flush(self): pass\nimport sys\nsys.stdout = sys.stderr = _O()\n";
        for (src, name) in [
            (pre.to_string(), "<pre>".to_string()),
            (
                std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap(),
                "main.py".to_string(),
            ),
        ] {
            let code = compile_api::compile_source(
                t,
                &src,
                &name,
                compile::Mode::Exec,
                &Default::default(),
            )?;
            drop(Obj::own(interp::exec_code(t, code.value(), &d, &d)?));
        }
        Ok(())
    })();
    if r.is_err() {
        sys::hooks::print_uncaught(t);
    }
}
