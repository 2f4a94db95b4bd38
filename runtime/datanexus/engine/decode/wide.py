"""Sixteen bytes at a time: the two searches that text decoding spends its time in, as portable vector instructions.

Callers guarantee index + 16 <= len(array). A result bit k stands for byte index + k.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

WIDTH = 16
_BYTES = ir.VectorType(ir.IntType(8), WIDTH)
_MASK = ir.IntType(WIDTH)


def _load(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    pointer = builder.gep(context.make_array(array_type)(context, builder, array).data, [index])
    loaded = builder.load(builder.bitcast(pointer, _BYTES.as_pointer()))
    loaded.align = 1
    return loaded


def _splat(byte: int) -> Any:
    return ir.Constant(_BYTES, [byte] * WIDTH)


def _as_word(builder: Any, mask: Any) -> Any:
    return builder.zext(builder.bitcast(mask, _MASK), ir.IntType(64))


@intrinsic
def string_stops(_typing: Any, array: Any, _index: Any) -> Any:
    """Bits of the bytes at which a plain JSON string pauses: control, quote, backslash, non-ASCII."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loaded = _load(context, builder, signature.args[0], *args)
        # As signed bytes, both the controls and all that is not ASCII lie below the blank.
        mask = builder.icmp_signed("<", loaded, _splat(32))
        mask = builder.or_(mask, builder.icmp_signed("==", loaded, _splat(34)))
        mask = builder.or_(mask, builder.icmp_signed("==", loaded, _splat(92)))
        return _as_word(builder, mask)

    return types.uint64(array, types.int64), generate


@intrinsic
def byte_matches(_typing: Any, array: Any, _index: Any, _byte: Any) -> Any:
    """Bits of the bytes equal to one byte."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loaded = _load(context, builder, signature.args[0], args[0], args[1])
        wanted = builder.insert_element(ir.Constant(_BYTES, ir.Undefined), args[2], ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        spread = builder.shuffle_vector(wanted, ir.Constant(_BYTES, ir.Undefined), zeros)
        return _as_word(builder, builder.icmp_signed("==", loaded, spread))

    return types.uint64(array, types.int64, types.uint8), generate


@intrinsic
def equal_bytes(_typing: Any, array: Any, _index: Any, _other: Any) -> Any:
    """Bits of the bytes that are equal at two indices."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        one = _load(context, builder, signature.args[0], args[0], args[1])
        other = _load(context, builder, signature.args[0], args[0], args[2])
        return _as_word(builder, builder.icmp_signed("==", one, other))

    return types.uint64(array, types.int64, types.int64), generate


@intrinsic
def non_ascii(_typing: Any, array: Any, _index: Any) -> Any:
    """Bits of the bytes above 127 and of zero bytes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loaded = _load(context, builder, signature.args[0], *args)
        return _as_word(builder, builder.icmp_signed("<", loaded, _splat(1)))

    return types.uint64(array, types.int64), generate


@intrinsic
def byte_at(_typing: Any, array: Any, _index: Any) -> Any:
    """One byte; the index is none of Python's negative ones, which costs plain indexing a look at every load."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load(builder.gep(data, [args[1]]))

    return types.uint8(array, types.int64), generate


@intrinsic
def lowest_bit(_typing: Any, _word: Any) -> Any:
    """Index of the lowest set bit; the word is not zero."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@intrinsic
def copy_sixteen(_typing: Any, target: Any, _to: Any, source: Any, _index: Any) -> Any:
    """Copy 16 bytes; both arrays have them behind the given indices."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loaded = _load(context, builder, signature.args[2], args[2], args[3])
        pointer = builder.gep(context.make_array(signature.args[0])(context, builder, args[0]).data, [args[1]])
        stored = builder.store(loaded, builder.bitcast(pointer, _BYTES.as_pointer()))
        stored.align = 1
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64), generate
