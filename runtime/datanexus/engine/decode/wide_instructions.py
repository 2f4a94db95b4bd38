"""The machine instructions that `wide` names: portable vector instructions. Only the compiler loads them."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

WIDTH = 16
_BYTES = ir.VectorType(ir.IntType(8), WIDTH)
_INT = types.int64


def _pointer(builder: Any, address: Any, index: Any, item: Any) -> Any:
    first = builder.inttoptr(address, item.as_pointer())
    return builder.gep(first, [index])


def _load(builder: Any, address: Any, index: Any, *, width: int = WIDTH) -> Any:
    pointer = _pointer(builder, address, index, ir.IntType(8))
    loaded = builder.load(builder.bitcast(pointer, ir.VectorType(ir.IntType(8), width).as_pointer()))
    loaded.align = 1
    return loaded


def _splat(byte: int, width: int = WIDTH) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(8), width), [byte] * width)


def _as_word(builder: Any, mask: Any) -> Any:
    return builder.zext(builder.bitcast(mask, ir.IntType(mask.type.count)), ir.IntType(64))


@intrinsic
def address_of(_typing: Any, array: Any) -> Any:
    """Where the items of an array begin. It must stay alive while the address is used."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    return _INT(array), generate


@intrinsic
def string_stops(_typing: Any, _address: Any, _index: Any) -> Any:
    """Bits of the 32 bytes from an index on at which a plain JSON string pauses: control, quote, backslash, non-ASCII.

    All 32 are there.
    """

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        loaded = _load(builder, *args, width=2 * WIDTH)
        # As signed bytes, both the controls and all that is not ASCII lie below the blank.
        mask = builder.icmp_signed("<", loaded, _splat(32, 2 * WIDTH))
        mask = builder.or_(mask, builder.icmp_signed("==", loaded, _splat(34, 2 * WIDTH)))
        mask = builder.or_(mask, builder.icmp_signed("==", loaded, _splat(92, 2 * WIDTH)))
        return _as_word(builder, mask)

    return types.uint64(_INT, _INT), generate


@intrinsic
def digit_stops(_typing: Any, _address: Any, _index: Any) -> Any:
    """Bits of the bytes that are no decimal digits."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        loaded = _load(builder, *args)
        return _as_word(builder, builder.icmp_unsigned(">", builder.sub(loaded, _splat(48)), _splat(9)))

    return types.uint64(_INT, _INT), generate


@intrinsic
def byte_matches(_typing: Any, _address: Any, _index: Any, _byte: Any) -> Any:
    """Bits of the 32 bytes equal to one byte. All of them are there."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        loaded = _load(builder, args[0], args[1], width=2 * WIDTH)
        wanted = builder.insert_element(ir.Constant(_BYTES, ir.Undefined), args[2], ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), 2 * WIDTH), [0] * 2 * WIDTH)
        spread = builder.shuffle_vector(wanted, ir.Constant(_BYTES, ir.Undefined), zeros)
        return _as_word(builder, builder.icmp_signed("==", loaded, spread))

    return types.uint64(_INT, _INT, types.uint8), generate


@intrinsic
def range_hits(_typing: Any, _address: Any, _index: Any, _lows: Any, _widths: Any) -> Any:
    """Bits of the 32 bytes that lie in one of four ranges: byte k of `lows` and as many above it as byte k of `widths`.

    All 32 are there.
    """

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        loaded = _load(builder, args[0], args[1], width=2 * WIDTH)
        four = ir.VectorType(ir.IntType(8), 8)
        lows, widths = (builder.bitcast(word, four) for word in args[2:])
        mask = None
        for place in range(4):
            spread = ir.Constant(ir.VectorType(ir.IntType(32), 2 * WIDTH), [place] * 2 * WIDTH)
            low, width = (
                builder.shuffle_vector(each, ir.Constant(four, ir.Undefined), spread) for each in (lows, widths)
            )
            hit = builder.icmp_unsigned("<=", builder.sub(loaded, low), width)
            mask = hit if mask is None else builder.or_(mask, hit)
        return _as_word(builder, mask)

    return types.uint64(_INT, _INT, _INT, _INT), generate


@intrinsic
def equal_bytes(_typing: Any, _address: Any, _index: Any, _other: Any) -> Any:
    """Bits of the 32 bytes that are equal from two indices on. All of them are there."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        one = _load(builder, args[0], args[1], width=2 * WIDTH)
        other = _load(builder, args[0], args[2], width=2 * WIDTH)
        return _as_word(builder, builder.icmp_signed("==", one, other))

    return types.uint64(_INT, _INT, _INT), generate


@intrinsic
def eight_digits(_typing: Any, _address: Any, _index: Any, _size: Any) -> Any:
    """The number that the first `size` of 8 bytes write; they are 1 to 8 decimal digits. All 8 bytes are there."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        loaded = builder.load(builder.bitcast(_pointer(builder, args[0], args[1], ir.IntType(8)), word.as_pointer()))
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

    return _INT(_INT, _INT, _INT), generate


@intrinsic
def non_ascii(_typing: Any, _address: Any, _index: Any) -> Any:
    """Bits of the bytes above 127 and of zero bytes."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return _as_word(builder, builder.icmp_signed("<", _load(builder, *args), _splat(1)))

    return types.uint64(_INT, _INT), generate


def _reader(item: Any) -> Any:
    """An intrinsic that loads one item of a type."""

    @intrinsic
    def read(_typing: Any, _address: Any, _index: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            return builder.load(_pointer(builder, args[0], args[1], context.get_data_type(item)))

        return item(_INT, _INT), generate

    return read


def _writer(item: Any) -> Any:
    """An intrinsic that stores one item of a type."""

    @intrinsic
    def write(_typing: Any, _address: Any, _index: Any, _value: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            builder.store(args[2], _pointer(builder, args[0], args[1], context.get_data_type(item)))
            return context.get_dummy_value()

        return types.void(_INT, _INT, item), generate

    return write


byte_at, int_at, long_at, word_at = (_reader(item) for item in (types.uint8, types.int32, types.int64, types.uint64))
put_byte, put_int, put_long = (_writer(item) for item in (types.uint8, types.int32, types.int64))


@intrinsic
def fetch_ahead(_typing: Any, _address: Any, _index: Any) -> Any:
    """Ask for the 64 bytes around an index, which need not be there: they are going to be read."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        flag = ir.IntType(32)
        pointer = _pointer(builder, args[0], args[1], ir.IntType(8))
        prefetch = builder.module.declare_intrinsic(
            "llvm.prefetch", [pointer.type], ir.FunctionType(ir.VoidType(), [pointer.type, flag, flag, flag])
        )
        builder.call(prefetch, [pointer, flag(0), flag(3), flag(1)])
        return _context.get_dummy_value()

    return types.void(_INT, _INT), generate


@intrinsic
def lowest_bit(_typing: Any, _word: Any) -> Any:
    """Index of the lowest set bit; the word is not zero."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return _INT(types.uint64), generate


def _copier(width: int) -> Any:
    @intrinsic
    def copy(_typing: Any, _target: Any, _to: Any, _source: Any, _index: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            loaded = _load(builder, args[2], args[3], width=width)
            pointer = _pointer(builder, args[0], args[1], ir.IntType(8))
            stored = builder.store(loaded, builder.bitcast(pointer, loaded.type.as_pointer()))
            stored.align = 1
            return context.get_dummy_value()

        return types.void(_INT, _INT, _INT, _INT), generate

    return copy


# Copy that many bytes: target address, index, source address, index; both have them.
copy_sixteen, copy_wide = _copier(WIDTH), _copier(2 * WIDTH)
