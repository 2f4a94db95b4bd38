"""Rows as NDJSON or CSV text, a column at a time. Equal rows give equal bytes.

Numbers and decimals are written in full; timestamps as ISO 8601 in UTC, with microseconds where there are any; NaN and
the infinities, which JSON has not, as strings. NULL is `null` in JSON and nothing in CSV, where empty text is quoted.
"""

import pyarrow as pa
import pyarrow.compute as pc

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_NO_FRACTION = r"\.0+Z$"
_CONTROLS = {chr(code): f"\\u{code:04x}" for code in range(32)} | {
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
_NOT_FINITE = {"nan": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}


def ndjson(rows: pa.Table) -> bytes:
    """One JSON object a line, keys in column order."""
    parts: list[pa.Array | str] = []
    for index, name in enumerate(rows.column_names):
        key = f"{'{' if index == 0 else ','}{_json_string(name)}:"
        parts += [key, _json_values(_whole(rows.column(index)))]
    return _lines([*parts, "}\n"], rows.num_rows)


def csv(rows: pa.Table) -> bytes:
    """A header and one line a row, values separated by commas."""
    header = ",".join(_csv_text(pa.array(rows.column_names)).to_pylist()) + "\n"
    parts: list[pa.Array | str] = []
    for index in range(rows.num_columns):
        parts += [*(() if index == 0 else (",",)), _csv_values(_whole(rows.column(index)))]
    return header.encode() + _lines([*parts, "\n"], rows.num_rows)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return pa.concat_arrays(combined.chunks) if isinstance(combined, pa.ChunkedArray) else combined


def _lines(parts: "list[pa.Array | str]", rows: int) -> bytes:
    if not rows:
        return b""
    lines = pc.binary_join_element_wise(*[_as_scalar(part) for part in parts], "")
    return pc.binary_join(pa.ListArray.from_arrays([0, rows], lines), "")[0].as_buffer().to_pybytes()  # type: ignore[no-any-return]


def _as_scalar(part: "pa.Array | str") -> "pa.Array | pa.Scalar":
    return pa.scalar(part) if isinstance(part, str) else part


def _json_values(values: pa.Array) -> pa.Array:
    """Each value as JSON text, without nulls."""
    data_type = values.type
    if pa.types.is_list(data_type):
        text = _json_lists(values)
    elif pa.types.is_struct(data_type):
        text = _json_structs(values)
    elif pa.types.is_string(data_type) or pa.types.is_large_string(data_type):
        text = pc.binary_join_element_wise('"', _json_escaped(values), '"', "")
    elif pa.types.is_floating(data_type):
        text = _json_floats(values)
    elif pa.types.is_temporal(data_type):
        text = pc.binary_join_element_wise('"', _plain_text(values), '"', "")
    else:
        text = _plain_text(values)
    return pc.fill_null(text, "null")


def _json_lists(values: pa.Array) -> pa.Array:
    elements = _json_values(values.flatten())
    lengths = pc.fill_null(pc.list_value_length(values), 0)
    ends = pc.cumulative_sum(lengths.cast(pa.int32()))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, elements), ",")
    text = pc.binary_join_element_wise("[", joined, "]", "")
    return pc.if_else(pc.is_valid(values), text, pa.scalar(None, pa.string()))


def _json_structs(values: pa.Array) -> pa.Array:
    parts: list[pa.Array | str] = []
    for index, field in enumerate(values.type):
        parts += [
            f"{'{' if index == 0 else ','}{_json_string(field.name)}:",
            _json_values(pc.struct_field(values, index)),
        ]
    text = pc.binary_join_element_wise(*[_as_scalar(part) for part in [*parts, "}"]], "")
    return pc.if_else(pc.is_valid(values), text, pa.scalar(None, pa.string()))


def _json_floats(values: pa.Array) -> pa.Array:
    text = values.cast(pa.string())
    for found, written in _NOT_FINITE.items():
        text = pc.if_else(pc.equal(text, found), written, text)
    return text


def _json_escaped(values: pa.Array) -> pa.Array:
    text = pc.replace_substring(values, "\\", "\\\\")
    text = pc.replace_substring(text, '"', '\\"')
    if pc.any(pc.match_substring_regex(text, "[\\x00-\\x1f]")).as_py():
        for found, written in _CONTROLS.items():
            text = pc.replace_substring(text, found, written)
    return text


def _json_string(text: str) -> str:
    return f'"{_json_escaped(pa.array([text]))[0].as_py()}"'


def _csv_values(values: pa.Array) -> pa.Array:
    """Each value as it stands between two commas, without nulls."""
    if pa.types.is_nested(values.type):
        text = _csv_text(pc.if_else(pc.is_valid(values), _json_values(values), pa.scalar(None, pa.string())))
    elif pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        text = _csv_text(values)
    else:
        text = _plain_text(values)
    return pc.fill_null(text, "")


def _csv_text(values: pa.Array) -> pa.Array:
    needs_quotes = pc.or_(pc.match_substring_regex(values, '[",\\r\\n]|^\\s|\\s$'), pc.equal(values, ""))
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(values, '"', '""'), '"', "")
    return pc.if_else(needs_quotes, quoted, values)


def _plain_text(values: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(values.type):
        return pc.replace_substring_regex(pc.strftime(values, _TIME), _NO_FRACTION, "Z")
    return values.cast(pa.string())
