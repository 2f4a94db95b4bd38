"""Sixteen or 32 bytes at a time: what text decoding spends its time in, as portable vector instructions.

Callers guarantee index + 16 <= len(array), or + 32 where it says so. A result bit k stands for byte index + k.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

WIDTH = 16
_BYTES = ir.VectorType(ir.IntType(8), WIDTH)


def _load(context: Any, builder: Any, array_type: Any, array: Any, index: Any, *, width: int = WIDTH) -> Any:
    pointer = builder.gep(context.make_array(array_type)(context, builder, array).data, [index])
    loaded = builder.load(builder.bitcast(pointer, ir.VectorType(ir.IntType(8), width).as_pointer()))
    loaded.align = 1
    return loaded


def _splat(byte: int, width: int = WIDTH) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(8), width), [byte] * width)


def _as_word(builder: Any, mask: Any) -> Any:
    return builder.zext(builder.bitcast(mask, ir.IntType(mask.type.count)), ir.IntType(64))


@intrinsic
def string_stops(_typing: Any, array: Any, _index: Any) -> Any:
    """Bits of the 32 bytes from an index on at which a plain JSON string pauses: control, quote, backslash, non-ASCII.

    All 32 are there.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loaded = _load(context, builder, signature.args[0], args[0], args[1], width=2 * WIDTH)
        # As signed bytes, both the controls and all that is not ASCII lie below the blank.
        mask = builder.icmp_signed("<", loaded, _splat(32, 2 * WIDTH))
        mask = builder.or_(mask, builder.icmp_signed("==", loaded, _splat(34, 2 * WIDTH)))
        mask = builder.or_(mask, builder.icmp_signed("==", loaded, _splat(92, 2 * WIDTH)))
        return _as_word(builder, mask)

    return types.uint64(array, types.int64), generate


@intrinsic
def digit_stops(_typing: Any, array: Any, _index: Any) -> Any:
    """Bits of the bytes that are no decimal digits."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loaded = _load(context, builder, signature.args[0], *args)
        return _as_word(builder, builder.icmp_unsigned(">", builder.sub(loaded, _splat(48)), _splat(9)))

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
    """Bits of the 32 bytes that are equal from two indices on. All of them are there."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        one = _load(context, builder, signature.args[0], args[0], args[1], width=2 * WIDTH)
        other = _load(context, builder, signature.args[0], args[0], args[2], width=2 * WIDTH)
        return _as_word(builder, builder.icmp_signed("==", one, other))

    return types.uint64(array, types.int64, types.int64), generate


@intrinsic
def eight_digits(_typing: Any, array: Any, _index: Any, _size: Any) -> Any:
    """The number that the first `size` of 8 bytes write; they are 1 to 8 decimal digits. All 8 bytes are there."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        pointer = builder.gep(context.make_array(signature.args[0])(context, builder, args[0]).data, [args[1]])
        loaded = builder.load(builder.bitcast(pointer, word.as_pointer()))
        loaded.align = 1
        # What lies behind the digits is shifted out, zeros come before them; then pairs, fours and all are summed.
        loaded = builder.shl(loaded, builder.sub(word(64), builder.shl(args[2], word(3))))
        value = builder.and_(loaded, word(0x0F0F0F0F0F0F0F0F))
        for shift, factor, mask in (
            (8, 10, 0x00FF00FF00FF00FF),
            (16, 100, 0x0000FFFF0000FFFF),
            (32, 10_000, 2**32 - 1),
        ):
            high = builder.and_(builder.lshr(value, word(shift)), word(mask))
            value = builder.add(builder.mul(builder.and_(value, word(mask)), word(factor)), high)
        return value

    return types.int64(array, types.int64, types.int64), generate


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
