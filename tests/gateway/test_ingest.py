"""What is sent by HTTP: the answer, the verdicts, the log, and what each refusal says."""

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from backports import zstd

from tests.gateway.served import CLOSING, Answer, Server, line, pipeline, serving, until

JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    small = pipeline("small", sources=[{"name": "in", "http": {"bodyBytesMax": 4096}}])
    shop = pipeline("shop", sources=[{"name": "in", "http": {}}, {"name": "semi", "http": SEMICOLONS}])
    text = "\n---\n".join(json.dumps(one) for one in (shop, small))
    with serving(tmp_path_factory.mktemp("ingest"), text) as running:
        yield running


SEMICOLONS = {"format": {"csv": {"delimiter": ";", "header": False, "columns": ["id", "ts", "n"]}}}


def arrow(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def post(server: Server, body: bytes, media_type: str, source: str = "in", **headers: str) -> Answer:
    return server.send("shop", source, body, Content_Type=media_type, **headers)


def assert_problem(answer: Answer, status: int, reason: str) -> Mapping[str, Any]:
    """The answer is a whole RFC 9457 problem of this kind."""
    assert (status, reason) == (answer.status, answer.json.get("reason")), answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    problem: Mapping[str, Any] = answer.json
    assert f"urn:datanexus:problem:{reason}" == problem["type"]
    assert status == problem["status"]
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"].startswith("/v1/")
    return problem


def test_every_content_type_brings_the_same_records(server: Server) -> None:
    objects = [{"id": "one", "ts": 1_000, "n": 1}, {"id": "two", "ts": 2_000, "n": 2}]

    def named(kind: str) -> list[dict[str, Any]]:
        return [{**record, "id": f"{kind}-{record['id']}"} for record in objects]

    def columns(kind: str) -> pa.Table:
        return pa.Table.from_pylist(named(kind))

    bodies = {
        "ndjson": ("application/x-ndjson", b"\n".join(json.dumps(one).encode() for one in named("ndjson"))),
        "json": (JSON, json.dumps(named("json"), indent=1).encode()),
        "csv": (CSV, b"ts,n,id\n1000,1,csv-one\n2000,2,csv-two"),
        "arrow": (ARROW, arrow(columns("arrow"))),
        "packed": (ARROW, arrow(columns("packed"), compression="zstd")),
    }
    for kind, (media_type, body) in bodies.items():
        expected = {"accepted": 2, "rejected": 0, "rejections": [], "repeated": False}
        assert expected == post(server, body, media_type).json, kind
    assert 2 == post(server, b"semi-one;1000;1\nsemi-two;2000;2\n", CSV, "semi").json["accepted"]
    assert 1 == post(server, CLOSING, "application/x-ndjson").json["accepted"]
    assert 1 == post(server, b"closing-semi;100000000;0", CSV, "semi").json["accepted"]
    expected_ids = sorted(f"{kind}-{name}" for kind in (*bodies, "semi") for name in ("one", "two"))
    ids = "', '".join(expected_ids)
    sql = f"SELECT id FROM shop.each WHERE records = 1 AND id IN ('{ids}') ORDER BY id"
    until(lambda: [[name] for name in expected_ids] == server.query(sql), "the rows")


def test_a_bad_record_is_named_and_its_neighbours_are_taken(server: Server) -> None:
    body = line("good") + b'{"id": 7, "ts": 1}\n' + b"nothing\n" + line("better")
    told = server.send("shop", "in", body).json
    assert (2, 2, [2, 3]) == (told["accepted"], told["rejected"], [one["row"] for one in told["rejections"]])
    assert ["WrongType", "InvalidJson"] == [one["reason"] for one in told["rejections"]]
    assert "id" == told["rejections"][0]["field"]
    assert "found the number 7, expected a string" in told["rejections"][0]["message"]


def test_at_most_a_hundred_rejections_are_listed_and_all_are_counted(server: Server) -> None:
    told = server.send("shop", "in", line("good") + b"bad\n" * 3_000).json
    assert (1, 3_000, 100) == (told["accepted"], told["rejected"], len(told["rejections"]))


def test_a_body_that_hardly_has_a_valid_record_is_refused(server: Server) -> None:
    problem = assert_problem(server.send("shop", "in", b"bad\n" * 20_000), 422, "TooManyRejections")
    assert "nothing of it was kept" in problem["hint"]


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_a_compressed_body_is_read(server: Server, compress: Any) -> None:
    coding = "gzip" if compress is gzip.compress else "zstd"
    body = b"".join(line(f"{coding}-{number}") for number in range(500))
    assert 500 == server.send("shop", "in", compress(body), Content_Encoding=coding).json["accepted"]
    parts = compress(body[: len(body) // 2]) + compress(body[len(body) // 2 :])
    assert 500 == server.send("shop", "in", parts, Content_Encoding=coding).json["accepted"]


def test_a_key_that_comes_again_is_answered_as_before(server: Server) -> None:
    before = server.send("shop", "in", line("once") + b"bad\n", Idempotency_Key='"k-1"')
    again = server.send("shop", "in", line("once") + b"bad\n", Idempotency_Key="k-1")
    assert before.json | {"repeated": True} == again.json
    assert not before.json["repeated"]
    other = server.send("shop", "in", line("twice"), Idempotency_Key="k-1")
    assert_problem(other, 422, "IdempotencyKeyReused")


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        (line("a"), {"Content_Type": "text/plain"}, 415, "UnsupportedContentType"),
        (line("a"), {"Content_Type": ""}, 415, "UnsupportedContentType"),
        (line("a"), {"Content_Type": "application/json; charset=utf-16"}, 415, "UnsupportedCharset"),
        (line("a"), {"Content_Encoding": "br"}, 415, "UnsupportedContentEncoding"),
        (line("a"), {"Content_Encoding": "gzip, zstd"}, 415, "UnsupportedContentEncoding"),
        (line("a"), {"Content_Encoding": "gzip"}, 400, "BrokenCompression"),
        (line("a"), {"Content_Encoding": "zstd"}, 400, "BrokenCompression"),
        (gzip.compress(line("a") * 99)[:-9], {"Content_Encoding": "gzip"}, 400, "TruncatedCompression"),
        (zstd.compress(line("a") * 99)[:-9], {"Content_Encoding": "zstd"}, 400, "TruncatedCompression"),
        (b'[{"id": "a"}, {"id"', {"Content_Type": JSON}, 400, "TruncatedJson"),
        (b"\xff\xfe\n1,2", {"Content_Type": CSV}, 400, "BadCsvHeader"),
        (b"no arrow", {"Content_Type": ARROW}, 400, "NotArrow"),
        (line("a"), {"Idempotency_Key": ""}, 400, "BadIdempotencyKey"),
        (line("a"), {"Idempotency_Key": "x" * 256}, 400, "BadIdempotencyKey"),
    ],
)
def test_each_refusal_says_what_is_wrong_and_logs_nothing(
    server: Server, body: bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    before = server.get("/v1/pipelines/shop")["log_bytes"]
    assert_problem(server.send("shop", "in", body, **headers), status, reason)
    assert server.get("/v1/pipelines/shop")["log_bytes"] <= before


def test_a_stream_cut_in_the_middle_is_no_arrow(server: Server) -> None:
    whole = arrow(pa.table({"id": ["a"] * 5_000, "ts": [1] * 5_000}))
    assert_problem(post(server, whole[: len(whole) // 2], ARROW), 400, "NotArrow")


def test_what_is_not_there_is_named(server: Server) -> None:
    assert_problem(server.send("nobody", "in", line("a")), 404, "NoSuchPipeline")
    problem = assert_problem(server.send("shop", "out", line("a")), 404, "NoSuchSource")
    assert "it has in, semi" in problem["detail"]
    answer = server.ask("GET", "/v1/ingest/shop/in")
    assert_problem(answer, 405, "MethodNotAllowed")
    assert "POST" == answer.headers["allow"]


@pytest.mark.parametrize("body", [b"x" * 5_000, gzip.compress(b"x" * 5_000)], ids=["plain", "decompressed"])
def test_a_body_above_the_sources_bound_is_refused(server: Server, body: bytes) -> None:
    coding = "gzip" if body.startswith(b"\x1f") else "identity"
    problem = assert_problem(server.send("small", "in", body, Content_Encoding=coding), 413, "BodyTooLarge")
    assert 4096 == problem["bytes_max"]
    assert "bodyBytesMax" in problem["hint"]


def test_an_empty_body_is_no_record(server: Server) -> None:
    expected = {"accepted": 0, "rejected": 0, "rejections": [], "repeated": False}
    assert expected == server.send("shop", "in", b"").json
    assert expected == server.send("shop", "in", b"\n\n\n").json


def test_a_mark_at_the_begin_of_a_body_is_passed(server: Server) -> None:
    assert 1 == server.send("shop", "in", b"\xef\xbb\xbf" + line("marked")).json["accepted"]


def test_requests_and_records_are_counted(tmp_path: Path) -> None:
    with serving(tmp_path, pipeline("shop")) as server:
        server.send("shop", "in", line("a") + b"bad\n")
        server.send("shop", "in", line("a"), Content_Type="text/plain")
        server.send("nobody", "in", line("a"))
        text = server.ask("GET", "/metrics").body.decode()
        for expected in (
            'datanexus_ingest_requests_total{pipeline="shop",source="in",status="200"} 1.0',
            'datanexus_ingest_requests_total{pipeline="shop",source="in",status="415"} 1.0',
            'datanexus_ingest_requests_total{pipeline="",source="",status="404"} 1.0',
            'datanexus_ingest_records_total{pipeline="shop",source="in",verdict="accepted"} 1.0',
            'datanexus_ingest_records_total{pipeline="shop",source="in",verdict="rejected"} 1.0',
            'datanexus_pipeline_running{pipeline="shop"} 1.0',
        ):
            assert expected in text
        assert 0 == server.stop()
