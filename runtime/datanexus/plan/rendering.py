"""SQL text of columns as the layout and `explain` show them: computed columns written out over the record."""

import re
from collections.abc import Mapping, Sequence

from sqlglot import exp

from datanexus.plan.parsing import parse_expression
from datanexus.plan.physical import SetStep, Step

_PLAIN = re.compile(r"^[a-z_][a-z0-9_]*$")


def column_text(name: str) -> str:
    """A column as SQL: quoted where it is not in lower case."""
    return name if _PLAIN.match(name) else f'"{name}"'


def inlined_texts(steps: Sequence[Step]) -> dict[str, str]:
    """The text of each computed column over the record alone; the user's own text where it reads no computed column."""
    texts: dict[str, str] = {}
    for step in steps:
        if isinstance(step, SetStep):
            texts[step.name] = _inlined_text(step.expression.text, texts)
    return texts


def _inlined_text(text: str, texts: Mapping[str, str]) -> str:
    spans = []
    for column in parse_expression(text).root.find_all(exp.Column):
        name = _name_of(column.this, texts)
        if name is not None:
            spans.append((column.this.meta["start"], column.this.meta["end"] + 1, name))
    for start, end, name in sorted(spans, reverse=True):
        text = f"{text[:start]}({texts[name]}){text[end:]}"
    return text


def _name_of(written: exp.Identifier, texts: Mapping[str, str]) -> str | None:
    """The computed column an identifier names, as binding looks it up; None for a field of the record."""
    names = [written.name] if written.quoted else [written.name.lower(), written.name]
    return next((name for name in names if name in texts), None)
