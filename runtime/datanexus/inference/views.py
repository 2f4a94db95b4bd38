"""First views worth looking at: windows by the data's span and rate, figures by the fields' values."""

import re
from collections.abc import Sequence
from itertools import pairwise
from math import log

from datanexus.inference.finding import FieldFinding, OrderFinding, ViewDraft
from datanexus.plan.binding import ExpressionError, bind_expression
from datanexus.plan.expression import Column, Schema
from datanexus_spec.datatype import STRING
from datanexus_spec.durations import UNITS_US, Duration

WINDOWS_WANTED = 100  # over the span of the data
RECORDS_WANTED = 5  # in a window
NUMBERS_MAX = 4
GROUPS_MAX = 50  # different values of a column that rows are grouped by
_GROUP_NAME = re.compile(
    r"status|state|type|kind|level|severity|category|country|region|city|zone|host|server|service|method|verb|response"
    r"|code|sensor|device|source|channel|currency|product|event|action|page|section|lang",
    re.IGNORECASE,
)
_CODE_NAME = re.compile(r"status|code|response|id$|nr$|version|port|year|zip|lat$|lon$|lng$", re.IGNORECASE)
_ADDITIVE = re.compile(
    r"amount|total|bytes|count|quantity|qty|price|revenue|cost|fee|sent|received|requests|size|betrag|umsatz|menge|montant",
    re.IGNORECASE,
)
_IDENTIFIER = re.compile(r"(^|_)(id|uuid|guid|key)$|id$", re.IGNORECASE)
_DISTINCT_NAME = re.compile(r"user|client|customer|visitor|session|account|ip$|host|device|member", re.IGNORECASE)
_SIZE_MIN_US = UNITS_US["s"]
_COUNTER_RISES = 0.9  # share of a counter's steps that do not go down
_COUNTER_MIN = 20


def views_of(
    fields: Sequence[FieldFinding], event_time: FieldFinding, order: OrderFinding, taken: Sequence[str]
) -> tuple[ViewDraft, ...]:
    """One view of everything, and one by a column with few values where there is one. `taken`: fields that identify."""
    size_us = window_us(order, _grain_us(event_time))
    rest = [found for found in fields if found is not event_time and found.name not in taken]
    size = str(Duration(size_us))
    figures = [("records", "count(*)"), *_number_figures(rest), *_distinct_figures(rest)]
    why = f"{size} makes about {max(1, order.span_us // size_us):,} windows of what was seen"
    views = [ViewDraft("overview", (), size_us, tuple(_distinct_names(figures, ())), why)]
    group = group_of(rest)
    if group is not None:
        grouped = [("records", "count(*)"), *_number_figures(rest, counters=False)]
        why = f"`{group.name}` has {len(set(group.present))} different values in the sample"
        figures = _distinct_names(grouped, (group.name,))
        views.append(ViewDraft(f"by_{group.name}"[:63], (group.name,), size_us, tuple(figures), why))
    return tuple(views)


def window_us(order: OrderFinding, grain_us: int) -> int:
    """A window that people choose: about a hundred over the span, some records in each, no finer than the times."""
    per_record_us = order.span_us // max(order.records, 1)
    wanted_us = max(order.span_us // WINDOWS_WANTED, 1)
    least_us = max(RECORDS_WANTED * per_record_us, grain_us)
    enough = [window for window in _WINDOWS if window >= least_us] or [_WINDOWS[-1]]
    return min(enough, key=lambda window: abs(log(window / wanted_us)))


_WINDOWS = tuple(
    number * UNITS_US[unit]
    for number, unit in (
        (1, "s"), (5, "s"), (10, "s"), (30, "s"), (1, "m"), (5, "m"), (10, "m"), (15, "m"), (30, "m"),
        (1, "h"), (3, "h"), (6, "h"), (12, "h"), (1, "d"), (7, "d"), (30, "d"),
    )
)  # fmt: skip


def _grain_us(event_time: FieldFinding) -> int:
    """What all times are multiples of: a day where they are dates, a second at least."""
    times = [value for value in event_time.present if isinstance(value, int)]
    grains = (UNITS_US[unit] for unit in ("d", "h", "m"))
    return next((grain for grain in grains if all(time % grain == 0 for time in times)), _SIZE_MIN_US)


def group_of(fields: Sequence[FieldFinding]) -> FieldFinding | None:
    """The column to group by: few values, each of them often; names that people group by come first."""
    candidates = []
    for found in fields:
        if found.type not in ("string", "int64", "bool"):
            continue
        distinct, present = len(set(found.present)), len(found.present)
        is_named = _GROUP_NAME.search(found.raw) is not None
        few = 2 <= distinct <= min(GROUPS_MAX, max(3, present // 4))
        if few and (is_named or (found.type != "int64" and distinct <= 20)) and not _IDENTIFIER.search(found.raw):
            candidates.append((not is_named, found.type == "bool", abs(distinct - 5), found))
    return min(candidates, key=lambda each: each[:3])[3] if candidates else None


def is_counter(found: FieldFinding) -> bool:
    """Whether a number only grows, but for some restarts, and not by the same step as an identity does."""
    numbers = [value for value in found.present if isinstance(value, int)]
    if found.type != "int64" or len(numbers) < _COUNTER_MIN:
        return False
    steps = [later - earlier for earlier, later in pairwise(numbers)]
    return (
        sum(step >= 0 for step in steps) >= _COUNTER_RISES * len(steps)
        and len({step for step in steps if step > 0}) > 2
    )


def _number_figures(fields: Sequence[FieldFinding], *, counters: bool = True) -> list[tuple[str, str]]:
    figures: list[tuple[str, str]] = []
    chosen = 0
    for found in fields:
        if not found.is_number or not found.present or chosen == NUMBERS_MAX:
            continue
        if errors := _error_figure(found):
            figures.append(errors)
            continue
        if _CODE_NAME.search(found.raw) or len(set(found.present)) < 2:
            continue
        column = column_sql(found.name)
        if is_counter(found):
            if counters:
                figures.append((f"{found.name}_per_second", f"rate({column})"))
                chosen += 1
            continue
        chosen += 1
        if _ADDITIVE.search(found.raw):
            figures.append((f"{found.name}_sum", f"sum({column})"))
        else:
            figures.append((f"{found.name}_avg", f"avg({column})"))
        figures.append((f"{found.name}_p99", f"approx_quantile({column}, 0.99)"))
    return figures


def _error_figure(found: FieldFinding) -> tuple[str, str] | None:
    """HTTP status codes: how many are errors."""
    codes = [value for value in found.present if isinstance(value, int)]
    if not re.search(r"status|code|response", found.raw, re.IGNORECASE) or not codes:
        return None
    if not all(100 <= code <= 599 for code in codes):
        return None
    return "errors", f"count(*) FILTER (WHERE {column_sql(found.name)} >= 400)"


def _distinct_figures(fields: Sequence[FieldFinding]) -> list[tuple[str, str]]:
    for found in fields:
        is_one = found.type == "string" or (found.type == "int64" and _IDENTIFIER.search(found.raw))
        if is_one and _DISTINCT_NAME.search(found.raw) and len(set(found.present)) > 1:
            return [(f"{found.name}_distinct", f"approx_count_distinct({column_sql(found.name)})")]
    return []


def _distinct_names(figures: Sequence[tuple[str, str]], taken: Sequence[str]) -> list[tuple[str, str]]:
    seen = {name.lower() for name in taken}
    kept = []
    for name, expression in figures:
        made, number = name[:60], 2
        while made.lower() in seen:
            made, number = f"{name[:60]}_{number}", number + 1
        seen.add(made.lower())
        kept.append((made, expression))
    return kept


def column_sql(name: str) -> str:
    """A column in an expression: quoted where SQL would read the bare name as something else."""
    try:
        read = bind_expression(name, Schema(((name, STRING),))).root
    except ExpressionError:
        return f'"{name}"'
    return name if isinstance(read, Column) else f'"{name}"'
