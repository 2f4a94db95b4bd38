# ruff: noqa: ARG001 - Numba calls intrinsics by position: types first, then values
"""The machine instructions that `addressed` names. Only the compiler loads them."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from datanexus.core.addressed import LINE

_READ, _KEPT_CLOSE, _DATA = 0, 3, 1  # arguments of LLVM's prefetch


@intrinsic
def word_at(typing: Any, address: Any, index: Any) -> Any:
    """The word at an index of the array at an address, as uint64."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load(_place(builder, *arguments))

    return types.uint64(types.int64, types.int64), generate


@intrinsic
def put_word(typing: Any, address: Any, index: Any, word: Any) -> Any:
    """Write a word to an index of the array at an address."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _place(builder, *arguments[:2]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.uint64), generate


@intrinsic
def prefetch_word(typing: Any, address: Any, index: Any) -> Any:
    """Let the cache line of a word be loaded while other work goes on."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        prefetch = builder.module.declare_intrinsic(
            "llvm.prefetch", (byte,), ir.FunctionType(ir.VoidType(), (byte, number, number, number))
        )
        place = builder.bitcast(_place(builder, *arguments), byte)
        builder.call(prefetch, [place, *(number(argument) for argument in (_READ, _KEPT_CLOSE, _DATA))])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def words_alike(typing: Any, address: Any, index: Any, high: Any) -> Any:
    """Of the LINE words from an index on: a bit for each whose upper half is `high`, and how many are not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place, high = _place(builder, *arguments[:2]), arguments[2]
        word, line = ir.IntType(64), ir.VectorType(ir.IntType(64), LINE)
        words = builder.load(builder.bitcast(place, line.as_pointer()), align=8)
        halves = builder.lshr(words, ir.Constant(line, [32] * LINE))
        sought = ir.Constant(line, ir.Undefined)
        for position in range(LINE):
            sought = builder.insert_element(sought, high, ir.IntType(32)(position))
        alike = builder.icmp_unsigned("==", halves, sought)
        filled = builder.icmp_unsigned("!=", words, ir.Constant(line, [0] * LINE))
        bits = [builder.zext(builder.bitcast(mask, ir.IntType(LINE)), word) for mask in (alike, filled)]
        return context.make_tuple(builder, signature.return_type, (bits[0], builder.ctpop(bits[1])))

    return types.UniTuple(types.int64, 2)(types.int64, types.int64, types.uint64), generate


def _place(builder: Any, address: Any, index: Any) -> Any:
    word = ir.IntType(64)
    return builder.gep(builder.inttoptr(address, word.as_pointer()), [index])
