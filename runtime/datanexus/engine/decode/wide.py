"""Sixteen or 32 bytes at a time: what text decoding spends its time in, as portable vector instructions.

All of it works on addresses, which `address_of` takes of an array at the beginning of a kernel: an array that goes
through an inlined function is counted by reference, an atomic operation each time, and an array's index is looked at
for being one of Python's negative ones. So nothing is checked here: callers guarantee that the bytes are there, index
to index + 16, or + 32 where it says so, and that the array is an argument of the kernel, which outlives it.
A result bit k stands for byte index + k.
"""

from datanexus.core.kernel import instructions

(
    address_of,
    string_stops,
    digit_stops,
    byte_matches,
    range_hits,
    equal_bytes,
    eight_digits,
    non_ascii,
    byte_at,
    int_at,
    long_at,
    word_at,
    put_byte,
    put_int,
    put_long,
    fetch_ahead,
    lowest_bit,
    copy_sixteen,
    copy_wide,
) = instructions(
    "datanexus.engine.decode.wide_instructions",
    "address_of",
    "string_stops",
    "digit_stops",
    "byte_matches",
    "range_hits",
    "equal_bytes",
    "eight_digits",
    "non_ascii",
    "byte_at",
    "int_at",
    "long_at",
    "word_at",
    "put_byte",
    "put_int",
    "put_long",
    "fetch_ahead",
    "lowest_bit",
    "copy_sixteen",
    "copy_wide",
)
