"""What one row costs in each aggregate: `python -m tests.bench.aggregates [function ...]`.

10 000 groups hit at random, batches of 16 384 rows, CPU time of the process. "first" is the mean of the first batches,
in which state grows; "later" the median of those after. Finish and merge are per group. Machines are shared: compare
lines of one run.
"""

import statistics
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import numpy as np
import pyarrow as pa

from datanexus.core.aggregate import AggregateInput, AggregateSpec, FinishContext
from datanexus.core.aggregates.catalog import new_accumulator

GROUPS = 10_000
BATCH = 16_384
BATCHES = 60
FIRST = 5

_INT64, _FLOAT64 = pa.int64(), pa.float64()
_WIDE = pa.decimal128(38, 0)
_TEXT_COUNTS, _INT_COUNTS = (
    pa.list_(pa.struct([("value", entry), ("count", _INT64)])) for entry in (pa.string(), _INT64)
)


def inputs(random: np.random.Generator) -> dict[str, pa.Array]:
    """One batch of each kind of column."""
    whole = random.integers(0, 1_000_000, BATCH)
    floats = np.round(random.lognormal(3.0, 2.0, BATCH), 2)
    decimals = [Decimal(cents).scaleb(-2) for cents in whole.tolist()]
    return {
        "int32": pa.array(whole.astype(np.int32)),
        "int64": pa.array(whole),
        "int64, a tenth null": pa.array(whole, mask=whole % 10 == 0),
        "float64": pa.array(floats),
        "decimal(12,2)": pa.array(decimals, pa.decimal128(12, 2)),
        "string": pa.array([f"/section/{number}/index.html" for number in random.zipf(1.3, BATCH) % 5000]),
    }


CASES: list[tuple[str, str, tuple[float, ...], pa.DataType]] = [
    ("count", "", (), _INT64),
    ("count", "int64, a tenth null", (), _INT64),
    ("sum", "int32", (), _INT64),
    ("sum", "int64", (), _WIDE),
    ("sum", "int64, a tenth null", (), _WIDE),
    ("sum", "float64", (), _FLOAT64),
    ("sum", "decimal(12,2)", (), pa.decimal128(38, 2)),
    ("avg", "int64", (), _FLOAT64),
    ("avg", "float64", (), _FLOAT64),
    ("min", "int64", (), _INT64),
    ("max", "float64", (), _FLOAT64),
    ("max", "decimal(12,2)", (), pa.decimal128(12, 2)),
    ("min", "string", (), pa.string()),
    ("first", "int64", (), _INT64),
    ("last", "float64", (), _FLOAT64),
    ("last", "string", (), pa.string()),
    ("var_samp", "float64", (), _FLOAT64),
    ("stddev_pop", "int64", (), _FLOAT64),
    ("increase", "float64", (), _FLOAT64),
    ("approx_count_distinct", "int64", (), _INT64),
    ("approx_count_distinct", "string", (), _INT64),
    ("approx_quantile", "float64", (0.99,), _FLOAT64),
    ("top_k", "int64", (5,), _INT_COUNTS),
    ("top_k", "string", (5,), _TEXT_COUNTS),
]


def measure(spec: AggregateSpec, values: pa.Array | None, random: np.random.Generator) -> list[float]:
    """ns a row first and later, ns a group of finish and merge, bytes a group."""
    accumulator = new_accumulator(spec)
    accumulator.resize(GROUPS)
    given = AggregateInput(values, None)
    costs = []
    for number in range(BATCHES):
        slots = random.integers(0, GROUPS, BATCH)
        times = np.sort(random.integers(0, 1_000_000, BATCH)) + number * 1_000_000
        costs.append(_seconds(partial(accumulator.update, slots, given, times)) / BATCH)
    every, zeros = np.arange(GROUPS), np.zeros(GROUPS, dtype=np.int64)
    context = FinishContext(zeros, zeros + 1_000_000, zeros, np.zeros(GROUPS), np.zeros(GROUPS, dtype=np.bool_))
    finish = _seconds(lambda: accumulator.finish(every, context)) / GROUPS
    into = new_accumulator(spec)
    into.resize(GROUPS)
    merge = _seconds(lambda: into.merge(every, accumulator, every)) / GROUPS
    later = statistics.median(costs[FIRST:])
    return [1e9 * statistics.mean(costs[:FIRST]), 1e9 * later, 1e9 * finish, 1e9 * merge, accumulator.nbytes / GROUPS]


def main(functions: list[str]) -> None:
    columns = inputs(np.random.default_rng(1))
    print(f"{'aggregate':45} {'first':>8} {'later':>8} ns/row {'finish':>8} {'merge':>8} ns/group {'state':>8} B/group")
    for function, column, parameters, output_type in CASES:
        if functions and function not in functions:
            continue
        values = columns.get(column)
        spec = AggregateSpec(function, None if values is None else values.type, parameters, output_type)
        first, later, finish, merge, state = measure(spec, values, np.random.default_rng(2))
        name = f"{function}({column or '*'})"
        print(
            f"{name:45} {first:8.1f} {later:8.1f}        {finish:8.0f} {merge:8.0f}          {state:8.0f}", flush=True
        )


def _seconds(work: Callable[[], object]) -> float:
    before = time.process_time_ns()
    work()
    return (time.process_time_ns() - before) / 1e9


if __name__ == "__main__":
    main(sys.argv[1:])
