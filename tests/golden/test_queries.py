"""What refused queries say. `UPDATE_GOLDEN=1 pytest tests/golden/test_queries.py` rewrites it."""

from datanexus.query.catalogue import Catalogue
from datanexus.query.parsing import QueryError
from datanexus.query.sqltype import BOOL, FLOAT8, INT8, TEXT, TIMESTAMPTZ, numeric
from datanexus.query.translation import translate
from tests.golden.golden_text import assert_golden

_TRAFFIC = (
    ("window_start", TIMESTAMPTZ),
    ("window_end", TIMESTAMPTZ),
    ("section", TEXT),
    ("requests", INT8),
    ("bytes", numeric(0)),
    ("p99", FLOAT8),
    ("final", BOOL),
)
CATALOGUE = Catalogue(
    {("web_traffic", "traffic"): _TRAFFIC, ("shop", "orders"): _TRAFFIC, ("old_shop", "orders"): _TRAFFIC}
)
QUERIES = (
    "",
    "DROP TABLE traffic",
    "SELECT 1; SELECT 2",
    "SELECT requests FROM traffic WHERE",
    "SELECT 'abc",
    "SELECT * FROM web_traffic.trafic",
    "SELECT * FROM orders",
    'SELECT * FROM "web-traffic".traffic',
    "SELECT reqests FROM traffic",
    "SELECT nothing FROM traffic",
    "SELECT section FROM traffic AS a, traffic AS b",
    "SELECT x.requests FROM traffic AS t",
    "SELECT section, requests FROM traffic GROUP BY section",
    "SELECT section FROM traffic WHERE sum(requests) > 1",
    "SELECT to_char(window_start, 'YYYY') FROM traffic",
    "SELECT string_ag(section, ',') FROM traffic",
    "SELECT requests + section FROM traffic",
    "SELECT requests = section FROM traffic",
    "SELECT CASE WHEN final THEN 1 ELSE section END FROM traffic",
    "SELECT 'x'::integer",
    "SELECT section::numeric FROM traffic",
    "SELECT (bytes / requests)::text FROM traffic",
    "SELECT sqrt(bytes) FROM traffic",
    "SELECT stddev(requests) FROM traffic",
    "SELECT section ~ '(?=a)b' FROM traffic",
    "SELECT regexp_replace(section, 'a|ab', 'x') FROM traffic",
    "SELECT section LIKE 'a\\' FROM traffic",
    "SELECT 1 < 2 = true",
    "SELECT window_start AT TIME ZONE 'Nowhere/City' FROM traffic",
    "SELECT date_trunc('fortnight', window_start) FROM traffic",
    "SELECT row_number() FROM traffic",
    "SELECT sum(requests) OVER (ORDER BY section RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM traffic",
    "SELECT section FROM traffic UNION SELECT requests FROM traffic",
    "SELECT section FROM traffic UNION SELECT section, requests FROM traffic",
    "SELECT DISTINCT section FROM traffic ORDER BY requests",
    "SELECT * FROM (SELECT 1)",
    "WITH RECURSIVE r AS (SELECT 1) SELECT * FROM r",
    "SELECT requests::jsonb FROM traffic",
    "SELECT * FROM traffic LIMIT section",
    "SELECT section FROM traffic GROUP BY ROLLUP(section)",
)


def test_refusals_read_as_kept() -> None:
    """Each query with its message and hint; a query that passes has its translation."""
    lines = []
    for sql in QUERIES:
        lines.append(f"> {sql}")
        try:
            lines.append(translate(sql, CATALOGUE))
        except QueryError as error:
            lines.append(error.message)
            lines.append(f"  hint: {error.hint}" if error.hint else "  no hint")
        lines.append("")
    assert_golden("messages/queries.txt", "\n".join(lines))
