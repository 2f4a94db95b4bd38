"""From compiled kernels to one extension module: the code around each kernel, written as LLVM's text, and the linking.

What Numba compiled is taken as it is; around each kernel comes a function that Python calls. It reads NumPy's arrays
where NumPy's binary interface lays their fields, so a call costs less than Numba's own: no object is made for it.
Nothing here is loaded by a process that runs kernels.
"""

import subprocess
import sys
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llvmlite import binding as llvm

from datanexus.core.kernel_types import Array, Scalar, Signature, Tuple

# Offsets of PyArrayObject_fields and PyArray_Descr on 64-bit machines; every extension built with NumPy relies on them.
_DATA, _NDIM, _SHAPE, _DESCR, _FLAGS, _BYTE_ORDER, _TYPE_NUMBER = 16, 24, 32, 56, 64, 26, 28
_C_CONTIGUOUS, _ALIGNED, _WRITEABLE = 0x1, 0x100, 0x400
_API_VERSION = 1013  # PYTHON_API_VERSION, the same since Python 2.5
_FASTCALL = 0x80

# NumPy's type numbers of one type (the C type it stands for differs), its size in bytes, its type in LLVM.
_NUMBERS = {
    "boolean": ((0,), 1, "i8"),
    "uint8": ((2,), 1, "i8"),
    "int32": ((5,), 4, "i32"),
    "uint32": ((6,), 4, "i32"),
    "int64": ((7, 9), 8, "i64"),
    "uint64": ((8, 10), 8, "i64"),
    "float64": ((12,), 8, "double"),
}

# The memory of an array that a kernel makes for itself, as compiled code expects it: a count of references first, the
# place of the data 24 bytes on. Numba's own is not there when Numba is not.
_PREAMBLE = f"""
@ndarray = internal global ptr null
@PyExc_TypeError = external global ptr
@PyExc_RuntimeError = external global ptr
@_Py_NoneStruct = external global i8
@numpy_name = internal constant [6 x i8] c"numpy\\00"
@ndarray_name = internal constant [8 x i8] c"ndarray\\00"

declare i32 @PyType_IsSubtype(ptr, ptr)
declare i64 @PyLong_AsLongLong(ptr)
declare i64 @PyLong_AsUnsignedLongLong(ptr)
declare double @PyFloat_AsDouble(ptr)
declare i32 @PyObject_IsTrue(ptr)
declare ptr @PyNumber_Index(ptr)
declare ptr @PyErr_Occurred()
declare ptr @PyErr_Format(ptr, ptr, ...)
declare ptr @PyLong_FromLongLong(i64)
declare ptr @PyLong_FromUnsignedLongLong(i64)
declare ptr @PyBool_FromLong(i64)
declare ptr @PyFloat_FromDouble(double)
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyImport_ImportModule(ptr)
declare ptr @PyObject_GetAttrString(ptr, ptr)
declare ptr @PyModule_Create2(ptr, i32)
declare ptr @malloc(i64)
declare void @free(ptr)
declare double @ldexp(double, i32)

define double @numba_ldexp(double %x, i32 %n) {{
  %y = call double @ldexp(double %x, i32 %n)
  ret double %y
}}

define ptr @NRT_MemInfo_alloc_aligned(i64 %size, i32 %align) {{
  %align64 = zext i32 %align to i64
  %room = add i64 %align64, 64
  %whole = add i64 %size, %room
  %info = call ptr @malloc(i64 %whole)
  %missing = icmp eq ptr %info, null
  br i1 %missing, label %end, label %fill
fill:
  store i64 1, ptr %info
  %after = getelementptr i8, ptr %info, i64 64
  %address = ptrtoint ptr %after to i64
  %below = sub i64 %align64, 1
  %over = add i64 %address, %below
  %mask = sub i64 0, %align64
  %aligned = and i64 %over, %mask
  %data = inttoptr i64 %aligned to ptr
  %place = getelementptr i8, ptr %info, i64 24
  store ptr %data, ptr %place
  br label %end
end:
  ret ptr %info
}}

define void @NRT_MemInfo_call_dtor(ptr %info) {{
  call void @free(ptr %info)
  ret void
}}

define internal i1 @array_fits(ptr %object, i32 %numbers, i32 %dimensions, i32 %needed) noinline {{
  %type_place = getelementptr i8, ptr %object, i64 8
  %type = load ptr, ptr %type_place
  %ndarray_type = load ptr, ptr @ndarray
  %exact = icmp eq ptr %type, %ndarray_type
  br i1 %exact, label %array, label %derived
derived:
  %subtype = call i32 @PyType_IsSubtype(ptr %type, ptr %ndarray_type)
  %is_subtype = icmp ne i32 %subtype, 0
  br i1 %is_subtype, label %array, label %no
array:
  %ndim_place = getelementptr i8, ptr %object, i64 {_NDIM}
  %ndim = load i32, ptr %ndim_place
  %ndim_fits = icmp eq i32 %ndim, %dimensions
  %flags_place = getelementptr i8, ptr %object, i64 {_FLAGS}
  %flags = load i32, ptr %flags_place
  %there = and i32 %flags, %needed
  %flags_fit = icmp eq i32 %there, %needed
  %descr_place = getelementptr i8, ptr %object, i64 {_DESCR}
  %descr = load ptr, ptr %descr_place
  %order_place = getelementptr i8, ptr %descr, i64 {_BYTE_ORDER}
  %order = load i8, ptr %order_place
  %native = icmp ne i8 %order, {ord(">" if sys.byteorder == "little" else "<")}
  %number_place = getelementptr i8, ptr %descr, i64 {_TYPE_NUMBER}
  %number = load i32, ptr %number_place
  %simple = icmp ult i32 %number, 32
  %shift = and i32 %number, 31
  %shifted = lshr i32 %numbers, %shift
  %bit = trunc i32 %shifted to i1
  %both = and i1 %ndim_fits, %flags_fit
  %more = and i1 %native, %simple
  %most = and i1 %both, %more
  %all = and i1 %most, %bit
  ret i1 %all
no:
  ret i1 false
}}
"""


@dataclass(frozen=True, slots=True)
class CompiledKernel:
    """One kernel: its name in the module, and its code for each signature."""

    name: str
    python_name: str
    codes: "tuple[Code, ...]"


@dataclass(frozen=True, slots=True)
class Code:
    """What was compiled for one signature: LLVM's module, the function's name in it, and its types there."""

    signature: Signature
    module: Any
    function: str
    argument_types: tuple[str, ...]


def piece(overload: Any) -> bytes:
    """What Numba compiled for one signature, complete in itself: the function's name and LLVM's module."""
    name = overload.fndesc.llvm_func_name
    module = overload.library._final_module.clone()  # noqa: SLF001  Numba has no other way to it
    # Names of what Numba adds are unique in one process only, and pieces may come from several.
    _hide_all_but(name, module, llvm.Target.from_default_triple().create_target_machine())
    return bytes(name.encode() + b"\0" + module.as_bitcode())


def code(signature: Signature, content: bytes) -> Code:
    """Read a piece."""
    function, _, bitcode = content.partition(b"\0")
    module = llvm.parse_bitcode(bitcode)
    types = tuple(str(argument.type) for argument in module.get_function(function.decode()).arguments)
    return Code(signature, module, function.decode(), types)


def emit_object(kernels: Iterable[CompiledKernel], module_name: str, processor: str) -> bytes:
    """The object code of an extension module that has all these kernels."""
    kernels = list(kernels)
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=processor, features="", opt=3, reloc="pic", codemodel="default")
    whole = llvm.parse_assembly("\n".join(_module_text(kernels, module_name)))
    whole.triple = machine.triple
    whole.data_layout = str(machine.target_data)
    for kernel in kernels:
        for code in kernel.codes:
            whole.link_in(code.module)
    _hide_all_but(f"PyInit_{module_name}", whole, machine)
    whole.verify()
    return bytes(machine.emit_object(whole))


def link(object_code: Path, target: Path) -> None:
    """Make a shared library of object code; what Python and C define stays open until it is loaded."""
    options = ["-shared", "--gc-sections", "--strip-all", "-z", "relro", "-z", "now", "-z", "noexecstack"]
    command = [sys.executable, "-m", "ziglang", "ld.lld", *options, "-o", str(target), str(object_code)]
    subprocess.run(command, check=True)


def _hide_all_but(name: str, module: Any, machine: Any) -> None:
    """Let nothing else be seen from outside, and drop what then is used by nothing."""
    for defined in (*module.functions, *module.global_variables):
        if not defined.is_declaration and defined.name != name:
            defined.linkage = "internal"
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=1)))


def _module_text(kernels: list[CompiledKernel], module_name: str) -> Iterator[str]:
    yield _PREAMBLE
    methods = []
    for kernel in kernels:
        for code in kernel.codes:
            yield f'declare i32 @"{code.function}"({", ".join(code.argument_types)})'
        yield from _wrapper(kernel)
        yield _constant(f"name.{kernel.name}", kernel.name)
        methods.append(f'{_METHOD} {{ptr @"name.{kernel.name}", ptr @"call.{kernel.name}", i32 {_FASTCALL}, ptr null}}')
    methods.append(f"{_METHOD} zeroinitializer")
    yield f"@methods = internal global [{len(methods)} x {_METHOD}] [{', '.join(methods)}]"
    yield _constant("module.name", module_name)
    yield f"@definition = internal global {_DEFINITION} {_definition()}"
    yield from _initialiser(module_name)


_METHOD = "{ptr, ptr, i32, ptr}"
_DEFINITION = "{i64, ptr, ptr, i64, ptr, ptr, ptr, i64, ptr, ptr, ptr, ptr, ptr}"


def _definition() -> str:
    """A PyModuleDef: its head, then name, documentation, size of its state (none), methods, and nothing else."""
    head = "i64 1, ptr null, ptr null, i64 0, ptr null"
    return f"{{{head}, ptr @module.name, ptr null, i64 -1, ptr @methods, ptr null, ptr null, ptr null, ptr null}}"


def _initialiser(module_name: str) -> Iterator[str]:
    yield f"define ptr @PyInit_{module_name}() {{"
    yield "  %numpy = call ptr @PyImport_ImportModule(ptr @numpy_name)"
    yield "  %no_numpy = icmp eq ptr %numpy, null"
    yield "  br i1 %no_numpy, label %failed, label %imported"
    yield "imported:"
    yield "  %type = call ptr @PyObject_GetAttrString(ptr %numpy, ptr @ndarray_name)"
    yield "  store ptr %type, ptr @ndarray"
    yield "  %no_type = icmp eq ptr %type, null"
    yield "  br i1 %no_type, label %failed, label %made"
    yield "made:"
    yield f"  %module = call ptr @PyModule_Create2(ptr @definition, i32 {_API_VERSION})"
    yield "  ret ptr %module"
    yield "failed:"
    yield "  ret ptr null"
    yield "}"


def _constant(name: str, text: str) -> str:
    data = text.encode() + b"\0"
    written = "".join(f"\\{byte:02x}" for byte in data)
    return f'@"{name}" = internal constant [{len(data)} x i8] c"{written}"'


def _wrapper(kernel: CompiledKernel) -> Iterator[str]:
    """What Python calls: the first signature whose arrays are those of the call gets it."""
    signatures = [code.signature for code in kernel.codes]
    arity = len(signatures[0].arguments)
    takes = f"{kernel.python_name} takes {' or '.join(map(str, signatures))}"
    yield _constant(f"count.{kernel.name}", f"{takes}: %zd arguments were given")
    yield _constant(
        f"array.{kernel.name}", f"{takes}: argument %d is no such array (C-contiguous, aligned), but %.200R"
    )
    yield _constant(f"failed.{kernel.name}", f"{kernel.python_name} failed with status %d")
    yield f'define internal ptr @"call.{kernel.name}"(ptr %self, ptr %args, i64 %count) {{'
    yield "  %excinfo = alloca ptr"
    for number, code in enumerate(kernel.codes):
        yield f"  %result{number} = alloca {_memory_type(code.signature.returns)}"
    for position in range(arity):
        yield f"  %place{position} = getelementptr ptr, ptr %args, i64 {position}"
    yield f"  %counted = icmp eq i64 %count, {arity}"
    yield "  br i1 %counted, label %load, label %miscounted"
    yield "load:"
    for position in range(arity):
        yield f"  %object{position} = load ptr, ptr %place{position}"
    yield "  br label %try0"
    for number, code in enumerate(kernel.codes):
        yield from _attempt(kernel, number, code)
    yield "raised:"
    yield "  ret ptr null"
    yield "miscounted:"
    yield "  %type_error1 = load ptr, ptr @PyExc_TypeError"
    yield f'  call ptr (ptr, ptr, ...) @PyErr_Format(ptr %type_error1, ptr @"count.{kernel.name}", i64 %count)'
    yield "  ret ptr null"
    yield f"try{len(kernel.codes)}:"
    yield from _refusal(kernel)
    yield "}"


def _attempt(kernel: CompiledKernel, number: int, code: Code) -> Iterator[str]:
    """Go on to the next signature if an array is not this one's; else convert the scalars, call, and return."""
    yield f"try{number}:"
    for position, word in enumerate(code.signature.arguments):
        if isinstance(word, Array):
            yield (
                f"  %fits{number}.{position} = call i1 @array_fits(ptr %object{position}, i32 {_type_mask(word)}, "
                f"i32 {word.dimensions}, i32 {_needed_flags(word)})"
            )
            following = f"fit{number}.{position}"
            yield f"  br i1 %fits{number}.{position}, label %{following}, label %try{number + 1}"
            yield f"{following}:"
    passed = ["ptr %result" + str(number), "ptr %excinfo"]
    given_types = list(code.argument_types[2:])
    for position, word in enumerate(code.signature.arguments):
        name = f"{number}.{position}"
        if isinstance(word, Array):
            parts, width = yield from _array_parts(name, position, word)
            passed += parts
            del given_types[:width]
        else:
            passed.append((yield from _scalar_in(name, position, word, given_types.pop(0))))
    yield f"  %thread{number} = call ptr @PyEval_SaveThread()"
    yield f'  %status{number} = call i32 @"{code.function}"({", ".join(passed)})'
    yield f"  call void @PyEval_RestoreThread(ptr %thread{number})"
    yield f"  %done{number} = icmp eq i32 %status{number}, 0"
    yield f"  br i1 %done{number}, label %return{number}, label %failed{number}"
    yield f"failed{number}:"
    yield f"  %runtime_error{number} = load ptr, ptr @PyExc_RuntimeError"
    yield (
        f"  call ptr (ptr, ptr, ...) @PyErr_Format(ptr %runtime_error{number}, "
        f'ptr @"failed.{kernel.name}", i32 %status{number})'
    )
    yield "  ret ptr null"
    yield f"return{number}:"
    yield from _returned(number, code.signature.returns)


def _array_parts(name: str, position: int, word: Array) -> Generator[str, None, tuple[list[str], int]]:
    """What Numba's arrays are made of: owner, parent, items, bytes an item, data, shape, strides."""
    size = _NUMBERS[word.dtype.name][1]
    yield f"  %data_place{name} = getelementptr i8, ptr %object{position}, i64 {_DATA}"
    yield f"  %data{name} = load ptr, ptr %data_place{name}"
    yield f"  %shape_place{name} = getelementptr i8, ptr %object{position}, i64 {_SHAPE}"
    yield f"  %shape{name} = load ptr, ptr %shape_place{name}"
    yield f"  %rows{name} = load i64, ptr %shape{name}"
    head = ["ptr null", "ptr null"]
    if word.dimensions == 1:
        tail = [f"i64 %rows{name}", f"i64 {size}"]
        return [*head, f"i64 %rows{name}", f"i64 {size}", f"ptr %data{name}", *tail], 7
    yield f"  %columns_place{name} = getelementptr i64, ptr %shape{name}, i64 1"
    yield f"  %columns{name} = load i64, ptr %columns_place{name}"
    yield f"  %items{name} = mul i64 %rows{name}, %columns{name}"
    yield f"  %stride{name} = mul i64 %columns{name}, {size}"
    tail = [f"i64 %rows{name}", f"i64 %columns{name}", f"i64 %stride{name}", f"i64 {size}"]
    return [*head, f"i64 %items{name}", f"i64 {size}", f"ptr %data{name}", *tail], 9


def _scalar_in(name: str, position: int, word: Scalar, given_type: str) -> Generator[str, None, str]:
    """Convert one number; Python's own error stands where it is none."""
    if word.name == "boolean":
        yield f"  %truth{name} = call i32 @PyObject_IsTrue(ptr %object{position})"
        yield f"  %odd{name} = icmp slt i32 %truth{name}, 0"
        yield f"  br i1 %odd{name}, label %raised, label %scalar{name}"
        yield f"scalar{name}:"
        yield f"  %value{name} = trunc i32 %truth{name} to {given_type}"
        return f"{given_type} %value{name}"
    if word.name == "float64":
        yield f"  %value{name} = call double @PyFloat_AsDouble(ptr %object{position})"
        yield f"  %odd{name} = fcmp oeq double %value{name}, -1.0"
    elif word.name == "uint64":
        yield f"  %index{name} = call ptr @PyNumber_Index(ptr %object{position})"
        yield f"  %none{name} = icmp eq ptr %index{name}, null"
        yield f"  br i1 %none{name}, label %raised, label %indexed{name}"
        yield f"indexed{name}:"
        yield f"  %value{name} = call i64 @PyLong_AsUnsignedLongLong(ptr %index{name})"
        yield f"  call void @Py_DecRef(ptr %index{name})"
        yield f"  %odd{name} = icmp eq i64 %value{name}, -1"
    else:
        yield f"  %value{name} = call i64 @PyLong_AsLongLong(ptr %object{position})"
        yield f"  %odd{name} = icmp eq i64 %value{name}, -1"
    yield f"  br i1 %odd{name}, label %odd_scalar{name}, label %scalar{name}"
    yield f"odd_scalar{name}:"
    yield f"  %error{name} = call ptr @PyErr_Occurred()"
    yield f"  %no_error{name} = icmp eq ptr %error{name}, null"
    yield f"  br i1 %no_error{name}, label %scalar{name}, label %raised"
    yield f"scalar{name}:"
    if given_type in {"i64", "double"}:
        return f"{given_type} %value{name}"
    yield f"  %narrow{name} = trunc i64 %value{name} to {given_type}"
    return f"{given_type} %narrow{name}"


def _returned(number: int, word: Scalar | Tuple) -> Iterator[str]:
    if isinstance(word, Tuple):
        yield f"  %tuple{number} = call ptr @PyTuple_New(i64 {len(word.dtypes)})"
        for index, dtype in enumerate(word.dtypes):
            place = f"%item_place{number}.{index}"
            yield f"  {place} = getelementptr {_memory_type(word)}, ptr %result{number}, i32 0, i32 {index}"
            yield from _scalar_out(f"{number}.{index}", place, dtype)
            yield f"  call i32 @PyTuple_SetItem(ptr %tuple{number}, i64 {index}, ptr %made{number}.{index})"
        yield f"  ret ptr %tuple{number}"
    elif word.name == "void":
        yield "  call void @Py_IncRef(ptr @_Py_NoneStruct)"
        yield "  ret ptr @_Py_NoneStruct"
    else:
        yield from _scalar_out(str(number), f"%result{number}", word)
        yield f"  ret ptr %made{number}"


def _scalar_out(name: str, place: str, word: Scalar) -> Iterator[str]:
    in_memory = _NUMBERS[word.name][2]
    yield f"  %stored{name} = load {in_memory}, ptr {place}"
    if word.name == "float64":
        yield f"  %made{name} = call ptr @PyFloat_FromDouble(double %stored{name})"
        return
    maker = {"boolean": "PyBool_FromLong", "uint64": "PyLong_FromUnsignedLongLong"}.get(
        word.name, "PyLong_FromLongLong"
    )
    extend = "sext" if word.name == "int32" else "zext"
    wide = f"%stored{name}"
    if in_memory != "i64":
        yield f"  %wide{name} = {extend} {in_memory} %stored{name} to i64"
        wide = f"%wide{name}"
    yield f"  %made{name} = call ptr @{maker}(i64 {wide})"


def _refusal(kernel: CompiledKernel) -> Iterator[str]:
    """Name the argument of the last signature tried that is not what it takes."""
    number = len(kernel.codes) - 1
    arrays = [position for position, word in enumerate(kernel.codes[-1].signature.arguments) if isinstance(word, Array)]
    if not arrays:
        yield "  unreachable"
        return
    origins = [f"try{number}", *(f"fit{number}.{position}" for position in arrays[:-1])]
    positions = ", ".join(f"[{position + 1}, %{origin}]" for position, origin in zip(arrays, origins, strict=True))
    objects = ", ".join(f"[%object{position}, %{origin}]" for position, origin in zip(arrays, origins, strict=True))
    yield f"  %position = phi i32 {positions}"
    yield f"  %refused = phi ptr {objects}"
    yield "  %type_error2 = load ptr, ptr @PyExc_TypeError"
    yield (
        "  call ptr (ptr, ptr, ...) @PyErr_Format(ptr %type_error2, "
        f'ptr @"array.{kernel.name}", i32 %position, ptr %refused)'
    )
    yield "  ret ptr null"


def _memory_type(word: Scalar | Tuple) -> str:
    if isinstance(word, Tuple):
        return "{" + ", ".join(_NUMBERS[dtype.name][2] for dtype in word.dtypes) + "}"
    return "ptr" if word.name == "void" else _NUMBERS[word.name][2]


def _type_mask(word: Array) -> int:
    return sum(1 << number for number in _NUMBERS[word.dtype.name][0])


def _needed_flags(word: Array) -> int:
    return _C_CONTIGUOUS | _ALIGNED | (_WRITEABLE if word.written else 0)
