"""Kernels: a name follows from all a kernel is made of, and compiled code takes what its signature says and no more."""

import os
import subprocess
import sys
from pathlib import Path
from types import BuiltinFunctionType
from typing import Any

import numpy as np
import pytest

from datanexus.core.aggregates import exact_sums, extremes
from datanexus.core.kernel import I64, I64_OUT, U64, fingerprint, inlined, kernel
from datanexus.core.kernel_types import float64, int64
from datanexus.engine import kernels
from datanexus.engine.decode.time_scan import days_of_date

ROOT = Path(__file__).parents[3]
SIGNATURE = int64(I64, I64_OUT)
SOURCE = """
def small(x):
    return x {operator} FACTOR

def adds(values, out):
    "{documentation}"
    total = {start}  # {comment}
    for i in range(values.size):
        total += small(values[i])
    out[0] = total
    return total
"""
RUN = """
import sys
sys.argv = ["datanexus", "run", "manifests/samples/web-traffic.yaml", "--data", sys.argv[1]]
from datanexus.cli.app import main
try:
    main()
except SystemExit as end:
    code = end.code
print(code, sorted({"numba", "llvmlite"} & set(sys.modules)))
"""


def made_of(
    operator: str = "*",
    factor: Any = 3,
    start: str = "0",
    documentation: str = "",
    comment: str = "",
    signature: Any = SIGNATURE,
) -> str:
    """The fingerprint of a kernel made of these parts."""
    made: dict[str, Any] = {"__name__": "made", "FACTOR": factor}
    text = SOURCE.format(operator=operator, start=start, documentation=documentation, comment=comment)
    exec(compile(text, "made.py", "exec"), made)  # noqa: S102
    made["small"] = inlined(made["small"])
    return fingerprint(made["adds"], (signature,))


@pytest.mark.parametrize(
    "change",
    [
        {"start": "1"},
        {"operator": "+"},
        {"factor": 4},
        {"factor": 3.0},
        {"factor": np.int64(3)},
        {"factor": np.array([3])},
        {"factor": (3,)},
        {"signature": float64(I64, I64_OUT)},
        {"signature": int64(U64, I64_OUT)},
        {"signature": int64(I64_OUT, I64_OUT)},
    ],
)
def test_a_kernel_has_another_name_when_anything_it_is_made_of_changes(change: dict[str, Any]) -> None:
    assert made_of() != made_of(**change)


def test_a_kernel_keeps_its_name_when_only_what_is_said_about_it_changes() -> None:
    assert made_of() == made_of(documentation="Adds.", comment="from nothing")


def test_a_kernel_made_of_what_has_no_name_is_refused() -> None:
    with pytest.raises(TypeError, match="the kernel small uses FACTOR, a list: expected a number"):
        made_of(factor=[3])


def test_every_kernel_of_the_package_is_compiled() -> None:
    kernels.load_all()
    lacking = {module: sorted(kernels.missing(module)) for module in kernels.processors()}
    assert {} == {module: names for module, names in lacking.items() if names}, "make install compiles them"


def test_a_kernel_that_was_not_compiled_before_is_compiled_where_it_is_declared() -> None:
    @kernel(SIGNATURE)
    def add(values: Any, out: Any) -> int:
        out[0] = values.sum()
        return int(out[0] + 1)

    out = np.zeros(1, np.int64)
    assert not isinstance(add, BuiltinFunctionType)
    assert (7, 6) == (add(np.array([1, 2, 3]), out), out[0])


def test_a_kernel_compiled_here_calls_one_compiled_before() -> None:
    @kernel(int64(int64, int64, int64))
    def twice(year: int, month: int, day: int) -> int:
        return 2 * days_of_date(year, month, day)

    assert isinstance(days_of_date, BuiltinFunctionType)
    assert 2 * days_of_date(2026, 11, 23) == twice(2026, 11, 23)


def count(*, words: Any = None, slots: Any = None, keep: Any = None) -> Any:
    """Count one row of slot 0, with one argument of another kind."""
    given = (
        np.zeros((1, 1), np.int64) if words is None else words,
        np.zeros(1, np.int64) if slots is None else slots,
        np.zeros(0, np.bool_) if keep is None else keep,
    )
    assert exact_sums._count(*given) is None
    return given[0]


def read_only(array: Any) -> Any:
    array.setflags(write=False)
    return array


class Derived(np.ndarray[Any, Any]):
    """An array by descent."""


def test_compiled_code_takes_arrays_that_are_what_its_signature_says() -> None:
    assert isinstance(exact_sums._count, BuiltinFunctionType)
    assert 1 == count()[0, 0]
    assert 1 == count(slots=read_only(np.zeros(1, np.int64)))[0, 0]
    assert 1 == count(slots=np.zeros(1, np.longlong))[0, 0]
    assert 1 == count(slots=np.zeros(1, np.int64).view(Derived))[0, 0]
    assert 0 == count(keep=np.zeros(1, np.bool_))[0, 0]
    assert 3 == count(slots=np.arange(9)[2:5] * 0)[0, 0]


@pytest.mark.parametrize(
    "arguments",
    [
        {"slots": [0]},
        {"slots": None, "words": np.zeros(1, np.int64)},
        {"words": read_only(np.zeros((1, 1), np.int64))},
        {"words": np.zeros((1, 1), np.uint64)},
        {"words": np.zeros((2, 2), np.int64).T[:, ::-1]},
        {"slots": np.zeros(1, np.int32)},
        {"slots": np.zeros(1, np.dtype(">i8"))},
        {"slots": np.zeros(1, np.dtype("M8[us]"))},
        {"slots": np.zeros(4, np.int64)[::2]},
        {"slots": np.zeros(17, np.uint8)[1:9].view(np.int64)},
        {"keep": np.zeros(1, np.uint8)},
    ],
)
def test_compiled_code_refuses_every_other_array(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"_count takes void\(int64\[2d\] written.*: argument [123] is no such array"):
        count(**arguments)


def test_compiled_code_takes_numbers_as_python_does() -> None:
    call: Any = days_of_date
    assert days_of_date(2026, 11, 23) == call(2026, np.int64(11), np.uint8(23))
    for odd, error in ((2026.0, TypeError), ("2026", TypeError), (None, TypeError), (1 << 63, OverflowError)):
        with pytest.raises(error):
            call(odd, 11, 23)
    with pytest.raises(TypeError, match=r"days_of_date takes int64\(int64, int64, int64\): 2 arguments were given"):
        call(2026, 11)


def test_compiled_code_of_several_signatures_takes_the_first_that_fits() -> None:
    for dtype in (np.int64, np.int32):
        words = np.array([[0, np.iinfo(np.int64).max]])
        extremes._extreme(words, np.zeros(2, np.int64), np.array([7, 5], dtype), np.zeros(0, np.bool_), False, False)
        assert 5 in words
    with pytest.raises(TypeError, match=r"_extreme takes .* or .*: argument 3 is no such array"):
        extremes._extreme(words, np.zeros(1, np.int64), np.zeros(1), np.zeros(0, np.bool_), False, False)


def test_a_call_of_compiled_code_holds_on_to_nothing() -> None:
    words, slots, keep = np.zeros((1, 1), np.int64), np.zeros(1, np.int64), np.zeros(0, np.bool_)
    before = [sys.getrefcount(given) for given in (words, slots, keep, None)]
    for _ in range(1000):
        exact_sums._count(words, slots, keep)
    after = [sys.getrefcount(given) for given in (words, slots, keep, None)]
    assert before[:3] == after[:3]
    assert abs(after[3] - before[3]) < 100


def test_a_run_loads_neither_numba_nor_llvm(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "0 []" == done.stdout.splitlines()[-1]


def test_a_processor_that_has_only_what_numpy_needs_runs_other_compiled_code(tmp_path: Path) -> None:
    """NumPy can be told to see less of the processor than there is."""
    found = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", ())
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(found)}
    code = "import datanexus.core.kernel as kernel; print(kernel._COMPILED.__name__)\n" + RUN
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ["datanexus.core.compiled", "0 []"] == [done.stdout.splitlines()[0], done.stdout.splitlines()[-1]]
