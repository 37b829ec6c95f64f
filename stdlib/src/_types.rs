//! `_types`: the built-in types that have no name among the builtins.

use crate::support;
use weft_objects::prelude::*;
use weft_objects::{
    cell, code, descr, frame, function, generator, generic_alias, mappingproxy, method, module,
    namespace, native, singletons, slotdefs, traceback, union,
};

/// `types.CapsuleType`: what extension modules written in C hand pointers to each other in. Weft loads none, so there are no
/// instances.
static CAPSULE: Type = Type::builtin("PyCapsule", 16, &Spec::EMPTY)
    .final_()
    .no_new();

static TYPES: &[(&str, &Type)] = &[
    ("AsyncGeneratorType", &generator::ASYNC_GENERATOR),
    ("BuiltinFunctionType", &native::BUILTIN_FUNCTION),
    ("BuiltinMethodType", &native::BUILTIN_FUNCTION),
    ("CapsuleType", &CAPSULE),
    ("CellType", &cell::CELL),
    (
        "ClassMethodDescriptorType",
        &native::CLASS_METHOD_DESCRIPTOR,
    ),
    ("CodeType", &code::CODE),
    ("CoroutineType", &generator::COROUTINE),
    ("EllipsisType", &singletons::ELLIPSIS_TYPE),
    ("FrameType", &frame::FRAME),
    ("FunctionType", &function::FUNCTION),
    ("GeneratorType", &generator::GENERATOR),
    ("GenericAlias", &generic_alias::GENERIC_ALIAS),
    ("GetSetDescriptorType", &descr::GETSET_DESCRIPTOR),
    ("LambdaType", &function::FUNCTION),
    ("MappingProxyType", &mappingproxy::MAPPINGPROXY),
    ("MemberDescriptorType", &descr::MEMBER_DESCRIPTOR),
    ("MethodDescriptorType", &native::METHOD_DESCRIPTOR),
    ("MethodType", &method::METHOD),
    ("MethodWrapperType", &slotdefs::METHOD_WRAPPER),
    ("ModuleType", &module::MODULE),
    ("NoneType", &singletons::NONE_TYPE),
    ("NotImplementedType", &singletons::NOT_IMPLEMENTED_TYPE),
    ("SimpleNamespace", &namespace::NAMESPACE),
    ("TracebackType", &traceback::TRACEBACK),
    ("UnionType", &union::UNION),
    ("WrapperDescriptorType", &slotdefs::WRAPPER_DESCRIPTOR),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_types", "Define names for built-in types.", &[]);
    for (name, ty) in TYPES {
        ty.ready(t);
        let o = Obj::new(t, ty.value());
        support::add(t, &m, name, o);
    }
    Ok(m)
}
