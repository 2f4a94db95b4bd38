"""A user's query for DuckDB: PostgreSQL's reading, or a refusal that says where and why. Pure.

Invariant: the translated text gives the rows PostgreSQL 15 gives (session in UTC, texts ordered by bytes), or an error
where PostgreSQL gives one; what cannot be so is refused here and listed in docs/reference/query.md. It runs on a
connection prepared with `query.connection.PREPARATION`.
"""

import re

from datanexus.query.catalogue import Catalogue
from datanexus.query.parsing import QueryError, parse_query
from datanexus.query.statement import Queries

_START = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*([A-Za-z]*)", re.DOTALL)
_READING = ("select", "with", "values", "table")


def translate(sql: str, catalogue: Catalogue) -> str:
    """The DuckDB text of one reading statement over the views of a catalogue.

    Raises: QueryError, located in the text, for several statements, for one that does not only read, for unknown names,
    and for whatever could give other rows than in PostgreSQL.
    """
    word = _START.match(sql)
    if word is not None and word[1].lower() not in _READING:
        found = word[1].upper() or sql.strip()[:20] or "nothing"
        raise QueryError(
            f"found {found}, expected SELECT, WITH or VALUES: queries only read",
            line=sql.count("\n", 0, word.start(1)) + 1,
            column=word.start(1) - sql.rfind("\n", 0, word.start(1)),
        )
    source, tree = parse_query(sql)
    queries = Queries(source, catalogue)
    draft = queries.draft(tree, None, {})
    return draft.write(draft.types(), [name for name, _ in draft.columns])
