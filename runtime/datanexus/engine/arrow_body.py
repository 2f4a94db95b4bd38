"""Arrow IPC streams from strangers: read only what cannot take more memory than it says, and what is well-formed.

A few bytes of Arrow can name gigabytes: compressed buffers, dictionaries that repeat one long value, columns
without buffers and 2^60 rows. All of these are judged from the metadata, before anything is allocated for them.
"""

import struct
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from datanexus_spec.errors import InvalidInput

_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3  # Message.header_type
_NOT_COMPRESSED = -1  # in the place of a buffer's size
_NESTED = (pa.types.is_struct, pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, pa.types.is_map)
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
_FLAT = (*_TEXTS, pa.types.is_fixed_size_binary, pa.types.is_null, pa.types.is_primitive, pa.types.is_decimal)


def read_batches(body: bytes, bytes_max: int) -> Iterator[pa.RecordBatch]:
    """The record batches of a stream, checked in full.

    Raises: InvalidInput when it is no Arrow stream, or takes more than `bytes_max` once read.
    """
    buffer = pa.py_buffer(body)
    try:
        _check_sizes(buffer, bytes_max)
        with pa.ipc.open_stream(buffer) as reader:
            for field in reader.schema:
                _check_type(field.name, field.type)
            for batch in reader:
                batch.validate(full=True)
                _check_repeats(batch, bytes_max)
                yield batch
    except (pa.ArrowException, OSError, struct.error, ValueError, EOFError) as error:
        raise InvalidInput(
            f"the body is no Arrow IPC stream that can be read to its end: {error}",
            reason="NotArrow",
            hint="write it with an Arrow stream writer and send all of it; nothing of it was kept",
        ) from error


def _check_sizes(buffer: pa.Buffer, bytes_max: int) -> None:
    """Rows and buffers as the metadata of each message says, before they are read."""
    total = 0
    messages = pa.ipc.MessageReader.open_stream(buffer)
    while True:
        try:
            message = messages.read_next_message()
        except StopIteration:
            return
        batch = _batch_table(message.metadata.to_pybytes())
        if batch is None:
            continue
        total += _inflated_bytes(batch, message.body)
        if total > bytes_max:
            raise _too_large(total, bytes_max)
        rows = batch.int64(0)
        if rows > max(total, 1) * 8:
            raise InvalidInput(
                f"the body has a batch of {rows:,} rows in {total:,} bytes, less than a bit a row",
                reason="NotArrow",
                hint="each record needs an event time at least",
            )


class _Table:
    """A table of a flatbuffer. Reading outside of it raises struct.error, as nothing of it is trusted."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position
        self._fields = position - _unpack("<i", data, position)

    def _field(self, index: int) -> int:
        """Where a field stands; 0 when it is absent."""
        if 4 + 2 * index >= _unpack("<H", self._data, self._fields):
            return 0
        offset = _unpack("<H", self._data, self._fields + 4 + 2 * index)
        return self._position + offset if offset else 0

    def int64(self, index: int) -> int:
        place = self._field(index)
        return _unpack("<q", self._data, place) if place else 0

    def uint8(self, index: int) -> int:
        place = self._field(index)
        return _unpack("<B", self._data, place) if place else 0

    def table(self, index: int) -> "_Table | None":
        place = self._field(index)
        return _Table(self._data, place + _unpack("<I", self._data, place)) if place else None

    def pairs(self, index: int) -> Iterator[tuple[int, int]]:
        """A vector of structs of two int64."""
        place = self._field(index)
        if not place:
            return
        begin = place + _unpack("<I", self._data, place)
        for number in range(_unpack("<I", self._data, begin)):
            at = begin + 4 + 16 * number
            yield _unpack("<q", self._data, at), _unpack("<q", self._data, at + 8)


def _unpack(form: str, data: bytes, position: int) -> int:
    if position < 0:
        raise struct.error("an offset below zero")
    value: int = struct.unpack_from(form, data, position)[0]
    return value


def _batch_table(metadata: bytes) -> _Table | None:
    """The RecordBatch that a message carries; None for a schema."""
    root = _Table(metadata, _unpack("<I", metadata, 0))
    kind, header = root.uint8(1), root.table(2)
    if header is not None and kind == _DICTIONARY_BATCH:
        return header.table(1)
    return header if kind == _RECORD_BATCH else None


def _inflated_bytes(batch: _Table, body: pa.Buffer | None) -> int:
    """What a batch's buffers take once they are decompressed."""
    content = memoryview(b"" if body is None else body)
    is_compressed = batch.table(3) is not None
    total = 0
    for offset, length in batch.pairs(2):
        size = length
        if is_compressed and length >= 8:
            size = struct.unpack_from("<q", content, offset)[0]
            size = length - 8 if size == _NOT_COMPRESSED else size
        if size < 0 or length < 0 or offset < 0:
            raise struct.error("a size below zero")
        total += size
    return total


def _check_type(name: str, data_type: pa.DataType) -> None:
    if pa.types.is_dictionary(data_type):
        data_type = data_type.value_type
    if any(test(data_type) for test in _NESTED):
        for index in range(data_type.num_fields):
            inner = data_type.field(index)
            if pa.types.is_dictionary(inner.type):
                break
            _check_type(f"{name}.{inner.name}", inner.type)
        else:
            return
    elif any(test(data_type) for test in _FLAT):
        return
    raise InvalidInput(
        f"column `{name}` has the Arrow type {data_type}, which is not taken by HTTP",
        reason="UnsupportedArrowType",
        hint="send plain numbers, texts, times, lists and structs; dictionaries only as whole columns",
    )


def _check_repeats(batch: pa.RecordBatch, bytes_max: int) -> None:
    """Texts that stand once in the body and many times in its records."""
    for column in batch.columns:
        if not pa.types.is_dictionary(column.type) or not any(test(column.type.value_type) for test in _TEXTS):
            continue
        total = pc.sum(pc.binary_length(column.dictionary).take(column.indices)).as_py() or 0
        if total > bytes_max:
            raise _too_large(total, bytes_max)


def _too_large(total: int, bytes_max: int) -> InvalidInput:
    return InvalidInput(
        f"read as records, the body takes at least {total:,} bytes; this source takes at most {bytes_max:,}",
        reason="BodyTooLarge",
        hint="send fewer records at once, or raise bodyBytesMax of the source",
    )
