"""The two lanes of JSON are one: what the kernels accept is what the judge accepts, with the same values."""

import json
import os
import random
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from datanexus.engine.decode.json_decoder import JsonDecoder
from datanexus.engine.decode.json_scan import CLEAR
from datanexus.engine.decode.normalise import Decoded
from datanexus.engine.decode.reason import Refusal
from tests.fakes.chunks import text_chunk
from tests.property.decode.lines import MUTATIONS, PLAN, line, members
from tests.property.decode.plain import Object, Refused, plain_row

_LINES = 1_000_000 if os.environ.get("DATANEXUS_SOAK") == "1" else 20_000
_CHUNK = 2_000


class _Counting(JsonDecoder):
    """A decoder that counts what its judge sees."""

    judged = 0

    def _judge(self, line: bytes) -> Any:
        self.judged += 1
        return super()._judge(line)


def _random_lines(rng: random.Random, count: int) -> tuple[list[str], list[bytes]]:
    weights = [len(MUTATIONS) if name == "none" else 1 for name in MUTATIONS]
    names = rng.choices(list(MUTATIONS), weights, k=count)
    lines = [MUTATIONS[name](rng, members(rng)).replace(b"\n", b" ") for name in names]
    return names, lines


def _stored(decoded: Decoded) -> list[list[Any]]:
    """The accepted rows as the judge gives values: integers for times, days and truth, unscaled decimals, UTF-8."""
    columns = []
    for column in decoded.records.columns:
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        elif pa.types.is_date(column.type):
            column = column.cast(pa.int32())
        elif pa.types.is_boolean(column.type):
            column = column.cast(pa.int8())
        values = column.to_pylist()
        if pa.types.is_decimal(column.type):
            values = [None if value is None else int(value.scaleb(column.type.scale)) for value in values]
        elif pa.types.is_string(column.type):
            values = [None if value is None else value.encode() for value in values]
        columns.append(values)
    return [list(row) for row in zip(*columns, strict=True)]


def _strict(decoder: JsonDecoder, text: bytes) -> Any:
    tokens = JsonDecoder._judge(decoder, text)
    return tokens if isinstance(tokens, Refusal) else decoder._normaliser.values(tokens)


def test_the_fast_lane_accepts_what_the_judge_accepts_with_the_same_values() -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    decoder = _Counting(PLAN)
    accepted: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for _ in range(_LINES // _CHUNK):
        names, lines = _random_lines(rng, _CHUNK)
        decoded = decoder.decode(text_chunk(lines))
        decoded.records.validate(full=True)
        found: dict[int, Any] = dict(zip(decoded.rows.tolist(), _stored(decoded), strict=True))
        found |= {rejection.row: rejection for rejection in decoded.rejected}
        assert list(range(len(lines))) == sorted(found)
        for row, text in enumerate(lines):
            expected = _strict(decoder, text)
            if isinstance(expected, Refusal):
                assert expected.at(row) == found[row], (seed, names[row], text[:300])
                refused[names[row]] += 1
            else:
                assert repr(expected) == repr(found[row]), (seed, names[row], text[:300])
                accepted[names[row]] += 1
    for name in MUTATIONS:
        print(f"{name:28} accepted {accepted[name]:6} refused {refused[name]:6}")
        assert accepted[name] + refused[name] > 0
    print(f"lines {_LINES}, judged {decoder.judged}")
    assert len(MUTATIONS) >= 20
    assert decoder.judged < 0.7 * _LINES


def test_the_judge_agrees_with_the_standard_library() -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    decoder = JsonDecoder(PLAN)
    names, lines = _random_lines(rng, _LINES // 4)
    decoded = decoder.decode(text_chunk(lines))
    rows = dict(zip(decoded.rows.tolist(), decoded.records.to_pylist(), strict=True))
    times = dict(zip(decoded.rows.tolist(), decoded.event_time_us.tolist(), strict=True))
    reasons = {rejection.row: rejection for rejection in decoded.rejected}
    for row, text in enumerate(lines):
        try:
            expected = plain_row(text)
        except Refused:
            assert row in reasons, (seed, names[row], text[:300], rows.get(row))
            continue
        assert row in rows, (seed, names[row], text[:300], reasons.get(row))
        assert expected.pop("time") == times[row], (seed, text)
        found = rows[row]
        found.pop("time")
        assert _comparable(expected.pop("extra")) == _comparable(_parsed(found.pop("extra"))), (seed, text)
        assert repr(expected) == repr(found), (seed, text)


def _parsed(text: str | None) -> Any:
    return None if text is None else json.loads(text, object_pairs_hook=Object, parse_int=str, parse_float=str)


def _comparable(value: Any) -> str:
    return json.dumps(value)


def test_clean_lines_never_meet_the_judge() -> None:
    rng = random.Random(7)
    plain = [('"id"', '"Grüße, plain \\"text\\" \\ud83d\\ude00"'), ('"time"', '"2015-05-17T10:05:03.123Z"')]
    rest = [
        ('"n"', "5"),
        ('"x"', "0.1234567890123456789"),
        ('"d"', "1.5"),
        ('"flag"', "true"),
        ('"other"', '{"a":[1]}'),
    ]
    decoder = _Counting(PLAN)
    decoded = decoder.decode(text_chunk([line(rng, [*plain, *rest]) for _ in range(100)]))
    assert np.arange(100).tolist() == decoded.rows.tolist()
    assert 0 == decoder.judged
    assert 0 == CLEAR
