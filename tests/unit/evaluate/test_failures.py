"""What cannot be computed for a record is a failure of that record, with its reason and values, and of no other."""

from decimal import Decimal
from typing import Any

from datanexus.engine.evaluate.evaluator import compile_aggregate_input, compile_expression
from datanexus.engine.evaluate.faults import Reason
from datanexus.plan.binding import bind_aggregate, bind_expression
from tests.golden.golden_text import assert_golden
from tests.unit.evaluate.samples import SCHEMA, batch, evaluate, values

FAILING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("status + 2147483647", {"status": [1]}),
    ("bytes * 2", {"bytes": [2**62]}),
    ("-bytes", {"bytes": [-(2**63)]}),
    ("abs(status)", {"status": [-(2**31)]}),
    ("bytes / (status - 200)", {"bytes": [5]}),
    ("bytes / -1", {"bytes": [-(2**63)]}),
    ("status % 0", {"status": [7]}),
    ("price / 0", {}),
    ("ratio / 0", {}),
    ("ratio * 1e308::float8 * 100", {"ratio": [1e10]}),
    ("ratio / 1e308::float8", {"ratio": [1e-300]}),
    ("exp(ratio)", {"ratio": [1000.0]}),
    ("sqrt(ratio - 1)", {}),
    ("ln(ratio - ratio)", {}),
    ("power(ratio - 1, 0.5)", {}),
    ("power(ratio - ratio, -1)", {}),
    ("log(1, ratio)", {}),
    ("price::numeric(3, 2) * 1", {"price": [Decimal("12.34")]}),
    ("bytes::numeric * 99999999999999999999999999", {"bytes": [2**62]}),
    ("ratio::numeric(5, 2)", {"ratio": [float("nan")]}),
    ("bytes::int", {"bytes": [2**31]}),
    ("ratio::bigint", {"ratio": [1e19]}),
    ("client::int", {"client": ["12a"]}),
    ("client::int", {"client": ["99999999999"]}),
    ("client::float8", {"client": ["1e999"]}),
    ("client::bool", {"client": ["maybe"]}),
    ("client::timestamptz", {"client": ["2021-02-30 10:00:00Z"]}),
    ("client::date", {"client": ["yesterday"]}),
    ("client::json", {"client": ["{"]}),
    ("client::json", {"client": ["[NaN]"]}),
    ("time + interval '10000 years'", {}),
    ("day + 2147483647", {"day": [1]}),
    ("to_timestamp(ratio)", {"ratio": [1e300]}),
    ("substring(path, 1, -1)", {}),
    ("split_part(path, '/', 0)", {}),
    ("repeat(path, 1000000)", {}),
    ("lpad(path, 2000000)", {}),
    ("doc ->> 'a'", {"doc": ['{"a": "\\u0000"}']}),
    ("doc ->> 'a'", {"doc": ['{"a": "\\ud800"}']}),
)


def test_messages_of_failures() -> None:
    lines = []
    for text, columns in FAILING:
        (failure,) = evaluate(text, **columns).failures
        assert failure.reason in set(Reason)
        lines.append(f"{failure.reason}: {failure.message}\n    values: {failure.values}\n")
    assert_golden("messages/expressions/failures.txt", "\n".join(lines))


def test_every_reason_is_shown_by_an_example() -> None:
    shown = {failure.reason for text, columns in FAILING for failure in evaluate(text, **columns).failures}
    assert set(Reason) == shown


def test_a_failed_row_is_null_and_its_neighbours_are_not() -> None:
    evaluated = evaluate("100 / status", status=[5, 0, None, 20])
    assert [20, None, None, 5] == evaluated.values.to_pylist()
    assert [1] == [failure.row for failure in evaluated.failures]


def test_a_row_fails_once_for_what_failed_first() -> None:
    (failure,) = evaluate("100 / status + bytes * 4", status=[0], bytes=[2**62]).failures
    assert "DivisionByZero" == failure.reason


def test_a_failure_is_not_hidden_by_a_default() -> None:
    assert 1 == len(evaluate("coalesce(100 / status, 1)", status=[0]).failures)


def test_a_branch_that_is_not_reached_never_fails() -> None:
    status = [0, 4, None]
    assert [None, 25, None] == values("CASE WHEN status <> 0 THEN 100 / status END", status=status)
    assert [7, 25, 7] == values("CASE WHEN status > 0 THEN 100 / status ELSE 7 END", status=status)
    assert [False, True, None] == values("status <> 0 AND 100 / status > 0", status=status)
    assert [True, True, None] == values("status = 0 OR 100 / status > 0", status=status)
    assert [0, 4, 100] == values("coalesce(status, 100 / (cached::int))", status=status, cached=[False, False, True])
    assert [1, 2, 2] == values("CASE WHEN status = 0 THEN 1 WHEN 100 / status > 0 THEN 2 ELSE 2 END", status=status)


def test_the_right_side_is_reached_when_the_left_is_null() -> None:
    assert 1 == len(evaluate("cached AND 100 / status > 0", cached=[None], status=[0]).failures)


def test_a_null_operand_hides_no_failure_of_the_other() -> None:
    assert 1 == len(evaluate("bytes + 100 / status", bytes=[None], status=[0]).failures)


def test_an_offset_into_a_batch_changes_nothing() -> None:
    whole = batch(status=[1, 0, 5, None, 0, 7], client=["1", "x", "3", "4", None, "6"])
    run = compile_expression(bind_expression("100 / status + client::int", SCHEMA))
    expected = [None if row in (1, 4) else value for row, value in enumerate([101, None, 23, None, None, 20])]
    assert expected == run(whole).values.to_pylist()
    assert expected[2:] == run(whole.slice(2)).values.to_pylist()
    assert [2] == [failure.row for failure in run(whole.slice(2)).failures]


def test_an_empty_batch_gives_an_empty_column() -> None:
    for text in (
        "100 / status",
        "split_part(path, '/', 2)",
        "doc ->> 'a'",
        "date_trunc('day', time, 'Europe/Berlin')",
        "price / 3",
    ):
        evaluated = compile_expression(bind_expression(text, SCHEMA))(batch().slice(0, 0))
        assert ([], ()) == (evaluated.values.to_pylist(), evaluated.failures)


def test_null_does_not_pass_a_filter_and_unpassed_arguments_do_not_fail() -> None:
    aggregate = bind_aggregate("sum(100 / status) FILTER (WHERE status <> 0)", SCHEMA)
    columns = compile_aggregate_input(aggregate)(batch(status=[5, 0, None]))
    assert columns.values is not None
    assert columns.mask is not None
    assert ([20, None, None], [True, False, False], ()) == (
        columns.values.to_pylist(), columns.mask.tolist(), columns.failures,
    )  # fmt: skip


def test_an_aggregate_without_filter_or_argument_has_none() -> None:
    columns = compile_aggregate_input(bind_aggregate("count(*)", SCHEMA))(batch())
    assert (None, None, ()) == (columns.values, columns.mask, columns.failures)


def test_a_failing_aggregate_argument_names_the_row() -> None:
    columns = compile_aggregate_input(bind_aggregate("sum(100 / status)", SCHEMA))(batch(status=[5, 0]))
    assert [1] == [failure.row for failure in columns.failures]
