"""The page's pure modules, run in the browser that they are for."""

import json
from typing import Any

import pytest

from tests.page.chromium import Visit

pytestmark = pytest.mark.server


def run(visit: Visit, script: str) -> Any:
    """The value of an async function body that may import the page's modules."""
    if visit.page.url == "about:blank":
        visit.page.goto(visit.address)
    return visit.page.evaluate(f"async () => {{ {script} }}")


def test_events_are_the_same_however_the_stream_is_cut(visit: Visit) -> None:
    found = run(visit, """
        const { eventsOf } = await import('/page/js/live.js');
        const text = ['retry: 1000', '', ': still here', '', 'event: snapshot', 'id: a-1', 'data: {"a":', 'data: 1}',
                      '', 'id: a-2', 'event: changes', 'data: {}', '', ''].join('\\n');
        const [whole] = eventsOf(text);
        let same = 0;
        for (let cut = 0; cut <= text.length; cut += 1) {
          const [first, left] = eventsOf(text.slice(0, cut));
          const [second] = eventsOf(left + text.slice(cut));
          same += JSON.stringify([...first, ...second]) === JSON.stringify(whole);
        }
        return { whole, same, cuts: text.length + 1 };
    """)  # fmt: skip
    assert [
        {"type": "snapshot", "id": "a-1", "data": '{"a":\n1}'},
        {"type": "changes", "id": "a-2", "data": "{}"},
    ] == found["whole"]
    assert found["cuts"] == found["same"]


def test_rows_are_bounded_and_the_oldest_windows_go(visit: Visit) -> None:
    found = run(visit, """
        const { Rows, ROWS_MAX } = await import('/page/js/rows.js');
        const rows = new Rows(5);
        const at = (second) => new Date(second * 1000).toISOString();
        const row = (second) => ({ key: `${second}/x`, values: [at(second), at(second + 1), second] });
        const columns = [{ name: 'window_start' }, { name: 'window_end' }, { name: 'n' }];
        rows.takeSnapshot({ seq: 1, watermark: at(0), columns, rows: [row(0)] });
        for (let block = 0; block < 20; block += 1) {
          const appended = Array.from({ length: 1000 }, (_, one) => row(block * 1000 + one));
          rows.takeChanges({ seq: 2 + block, watermark: at(block * 1000 + 990), appended });
        }
        const list = rows.list();
        rows.takeChanges({ seq: 3, watermark: at(0), appended: [], replaced: [], deleted: list.map((one) => one.key) });
        return { size: rows.size, most: ROWS_MAX, first: list.at(-1).values[2], last: list[0].values[2],
                 open: list.filter((one) => !one.final).length };
    """)  # fmt: skip
    # Watermark 19,990, final 5 s later: windows that end after 19,985 are open. An event below the last seq is none.
    assert {"size": 5000, "most": 5000, "first": 15_000, "last": 19_999, "open": 15} == found


def test_no_window_loses_a_part_of_its_groups(visit: Visit) -> None:
    found = run(visit, """
        const { Rows } = await import('/page/js/rows.js');
        const rows = new Rows(0);
        const at = (second) => new Date(second * 1000).toISOString();
        const columns = [{ name: 'window_start' }, { name: 'window_end' }];
        const all = Array.from({ length: 7000 }, (_, one) => Math.floor(one / 300)).map(
          (window, one) => ({ key: `${window}/${one}`, values: [at(window), at(window + 1)] }));
        rows.takeSnapshot({ seq: 1, watermark: at(0), columns, rows: all });
        const sizes = {};
        for (const row of rows.list()) sizes[row.start] = (sizes[row.start] ?? 0) + 1;
        return { sizes: [...new Set(Object.values(sizes))], size: rows.size };
    """)  # fmt: skip
    # 23 windows of 300 groups and a last one of 100: 16 whole windows and the last one fit into 5,000.
    assert {"sizes": [300, 100], "size": 4900} == found


def test_a_table_of_5000_rows_draws_100_of_them(visit: Visit) -> None:
    found = run(visit, """
        const { Table } = await import('/page/js/table.js');
        const table = new Table({ caption: 'many', sort: { name: 'n', down: true } });
        const n = { name: 'n', label: 'n', number: true, value: (row) => row.n, text: (row) => String(row.n) };
        table.setColumns([n]);
        document.body.append(table.element);
        const rows = Array.from({ length: 5000 }, (_, n) => ({ key: n, n: (n * 7919) % 5000 }));
        table.update(rows);
        const first = table.body.rows.length;
        const top = table.body.rows[0].cells[0].textContent;
        table.forth.click();
        return { drawn: first, top, next: table.body.rows[0].cells[0].textContent, range: table.range.textContent };
    """)  # fmt: skip
    assert {"drawn": 100, "top": "4999", "next": "4899", "range": "101–200 of 5,000 rows"} == found


def test_groups_beyond_the_greatest_are_summed_only_where_sums_make_sense(visit: Visit) -> None:
    found = run(visit, """
        const { timeSeries, Slots, isSummable } = await import('/page/js/series.js');
        const rows = [];
        for (let group = 0; group < 9; group += 1) {
          const values = [`g${group}`, group + 1];
          for (const start of [0, 10, 30]) rows.push({ start, end: start + 10, final: start < 30, values });
        }
        const options = { groups: [0], aggregate: 1, windowsMax: 60 };
        const summed = timeSeries(rows, { ...options, summable: true, slots: new Slots() });
        const apart = timeSeries(rows, { ...options, summable: false, slots: new Slots() });
        const words = ['count(*)', 'sum(x)', 'SUM ( x ) FILTER (WHERE y)', 'count(DISTINCT x)', 'avg(x)'];
        return { starts: summed.starts, firstOpen: summed.firstOpen, names: summed.series.map((one) => one.name),
                 rest: summed.series.at(-1).values, gap: apart.series[0].values,
                 apart: apart.series.length, left: apart.rest,
                 summable: words.map((expression) => isSummable({ expression })) };
    """)  # fmt: skip
    assert [0, 10, 20, 30] == found["starts"]
    assert 3 == found["firstOpen"]
    assert ["g8", "g7", "g6", "g5", "g4", "g3", "3 more"] == found["names"]
    assert [6, 6, 0, 6] == found["rest"]
    assert [9, 9, None, 9] == found["gap"]
    assert (6, 3) == (found["apart"], found["left"])
    assert [True, True, True, False, False] == found["summable"]


def test_a_group_keeps_its_colour_while_it_is_drawn(visit: Visit) -> None:
    found = run(visit, """
        const { Slots } = await import('/page/js/series.js');
        const slots = new Slots();
        const told = (names) => Object.fromEntries(slots.assign(names).map(({ name, slot }) => [name, slot]));
        return [told(['a', 'b', 'c']), told(['c', 'a', 'd']), told(['d', 'c', 'b', 'a'])];
    """)  # fmt: skip
    assert [{"a": 1, "b": 2, "c": 3}, {"c": 3, "a": 1, "d": 2}, {"d": 2, "c": 3, "b": 4, "a": 1}] == found


def test_a_drawn_plan_runs_downwards_and_nothing_lies_on_anything(visit: Visit) -> None:
    found = run(visit, """
        const { layout } = await import('/page/js/drawing.js');
        const nodes = ['a', 'b', 'c', 'd', 'e', 'f'].map((id, at) => ({ id, width: 80 + 10 * at, height: 40 }));
        const edges = [['a', 'c'], ['b', 'c'], ['c', 'd'], ['c', 'e'], ['a', 'f'], ['d', 'f'], ['x', 'f']];
        const plan = layout(nodes, edges);
        const meet = (one, other) => one.id < other.id && one.x < other.x + other.width && other.x < one.x + one.width
          && one.y < other.y + other.height && other.y < one.y + one.height;
        const overlaps = plan.nodes.flatMap((one) => plan.nodes.filter((other) => meet(one, other)).map(() => one.id));
        const outside = plan.nodes.filter((one) => one.x < 0 || one.x + one.width > plan.width
          || one.y + one.height > plan.height);
        const up = plan.edges.filter((edge) => edge.from[1] >= edge.to[1]).length;
        return { overlaps, outside, edges: plan.edges.length, up };
    """)  # fmt: skip
    assert {"overlaps": [], "outside": [], "edges": 6, "up": 0} == found


def test_values_are_written_as_people_read_them(visit: Visit) -> None:
    expected = {
        "short(0)": "0",
        "short(7.25)": "7.25",
        "short(482.4)": "482",
        "short(12_345)": "12.3 k",
        "short(999_999)": "1.00 M",
        "bytes(1536)": "1.50 KiB",
        "duration(0.00025)": "250 µs",
        "duration(3.24)": "3.2 s",
        "duration(200)": "3 m 20 s",
        "duration(363570033)": "11.5 y",
        "moment('2015-05-17T15:00:00.000000Z')": "2015-05-17 15:00",
        "moment('2015-05-17T15:00:03.250000Z')": "2015-05-17 15:00:03.25",
        "cell(null, 'int64')": "NULL",
        "cell(9007199254740993n, 'int64')": "9,007,199,254,740,993",
        "cell('123456789012345678901.50', 'decimal128(38, 2)')": "123,456,789,012,345,678,901.50",
        "cell(0.5, 'double')": "0.5000",
    }
    calls = ", ".join(f"[{json.dumps(call)}, f.{call}]" for call in expected)
    found = run(visit, f"const f = await import('/page/js/format.js'); return Object.fromEntries([{calls}]);")
    assert expected == found


def test_whole_numbers_beyond_doubles_stay_exact(visit: Visit) -> None:
    found = run(visit, """
        const { parse } = await import('/page/js/api.js');
        const text = '{"rows": [[9007199254740993, 1.5, "12345678901234567890", -9223372036854775808]]}';
        return parse(text).rows[0].map(String);
    """)  # fmt: skip
    assert ["9007199254740993", "1.5", "12345678901234567890", "-9223372036854775808"] == found
