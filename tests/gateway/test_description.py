"""OpenAPI tells the truth: every operation answers with a status, a media type and a shape that it names, every example
returns what it says; and whatever is refused is refused by a problem, behind the same guards.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import BaseModel, TypeAdapter

from datanexus.gateway import shapes
from tests.gateway.served import Server, line, pipeline, serving, until

ORDERS = pipeline(
    "orders",
    record={
        "fields": [
            {"name": "id", "type": "string"},
            {"name": "ts", "type": "timestamp"},
            {"name": "amount", "type": "float64"},
        ],
        "eventTime": "ts",
    },
    views=[
        {
            "name": "sales",
            "groupBy": [],
            "window": {"tumbling": {"size": "1h"}},
            "aggregates": [{"name": "orders", "expr": "count(*)"}],
        }
    ],
    sinks=[{"name": "archive", "view": "sales", "files": {"path": "out", "format": {"csv": {}}}}],
)
PLACES = {"pipeline": "orders", "view": "sales", "source": "in"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("described"), ORDERS) as running:
        assert 1 == running.send("orders", "in", b"bad\n").json["rejected"]
        until(lambda: running.counters("orders").get("quarantined", 0) == 1, "the bad record in quarantine")
        yield running


@pytest.fixture(scope="module")
def description(server: Server) -> Mapping[str, Any]:
    described: Mapping[str, Any] = server.get("/openapi.json")
    return described


def operations(description: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    return [(method.upper(), path, one) for path, item in description["paths"].items() for method, one in item.items()]


def address(path: str) -> str:
    for name, value in PLACES.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def model(operation: Mapping[str, Any], media_type: str) -> type[BaseModel] | None:
    """The shape of the answer to a request that is taken."""
    schema = operation["responses"]["200"]["content"][media_type].get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    return getattr(shapes, name) if name else None


def test_every_operation_is_described_with_what_it_refuses(description: Mapping[str, Any]) -> None:
    expected = {
        ("GET", "/v1/info"),
        ("GET", "/v1/pipelines"),
        ("GET", "/v1/pipelines/{pipeline}"),
        ("GET", "/v1/pipelines/{pipeline}/plan"),
        ("GET", "/v1/pipelines/{pipeline}/lateness"),
        ("GET", "/v1/pipelines/{pipeline}/quarantine"),
        ("POST", "/v1/pipelines/{pipeline}/quarantine/replay"),
        ("POST", "/v1/pipelines/{pipeline}/quarantine/purge"),
        ("POST", "/v1/query"),
        ("GET", "/v1/live/{pipeline}/{view}"),
        ("POST", "/v1/ingest/{pipeline}/{source}"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
    }
    assert expected == {(method, path) for method, path, _ in operations(description)}
    for method, path, operation in operations(description):
        if "{" in path:
            assert "404" in operation["responses"], (method, path)
        for status, response in operation["responses"].items():
            if status.startswith(("4", "5")) and path != "/readyz":
                assert ["application/problem+json"] == list(response["content"]), (method, path, status)


def test_every_reading_operation_answers_in_its_shape(server: Server, description: Mapping[str, Any]) -> None:
    asked = 0
    for method, path, operation in operations(description):
        if method != "GET" or path.startswith("/v1/live"):
            continue
        answer = server.ask("GET", address(path))
        media_type = answer.headers["content-type"].partition(";")[0]
        assert 200 == answer.status, path
        assert media_type in operation["responses"]["200"]["content"], path
        shape = model(operation, media_type)
        if shape is not None:
            assert answer.json == TypeAdapter(shape).validate_json(answer.body).model_dump(mode="json"), path
        asked += 1
    assert asked == 9


def test_every_example_of_a_request_is_answered_as_described(server: Server, description: Mapping[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    asked = 0
    for method, path, operation in operations(description):
        if method != "POST":
            continue
        for media_type, content in operation["requestBody"]["content"].items():
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            example = content.get("example", schemas.get(name, {}).get("example"))
            if example is None:
                continue
            given = {"Content-Type": media_type}
            body = example.encode() if isinstance(example, str) else TypeAdapter(dict[str, Any]).dump_json(example)
            answer = server.ask("POST", address(path), body, given)
            assert 200 == answer.status, (path, answer.body)
            shape = model(operation, "application/json")
            assert shape is not None
            shape.model_validate(answer.json)
            told = schemas[shape.__name__].get("example")
            assert told is None or told == answer.json, path
            asked += 1
    assert asked == 4


def test_the_example_of_a_problem_is_one(server: Server, description: Mapping[str, Any]) -> None:
    assert description["components"]["schemas"]["Problem"]["example"] == server.ask("GET", "/v1/pipelines/shop").json


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "reason"),
    [
        ("GET", "/nothing", None, 404, "NotFound"),
        ("GET", "/page/nothing.js", None, 404, "NotFound"),
        ("GET", "/page/../app.py", None, 404, "NotFound"),
        ("GET", "/page/%2e%2e/app.py", None, 404, "NotFound"),
        ("DELETE", "/v1/pipelines", None, 405, "MethodNotAllowed"),
        ("GET", "/v1/query", None, 405, "MethodNotAllowed"),
        ("GET", "/v1/pipelines/nobody", None, 404, "NoSuchPipeline"),
        ("GET", "/v1/pipelines/nobody/plan", None, 404, "NoSuchPipeline"),
        ("GET", "/v1/pipelines/orders/quarantine?limit=0", None, 422, "InvalidRequest"),
        ("GET", "/v1/pipelines/orders/quarantine?after=x", None, 422, "InvalidRequest"),
        ("POST", "/v1/query", {"sql": "DROP TABLE a"}, 400, "InvalidQuery"),
        ("POST", "/v1/query", {"sql": "SELECT * FROM nothing"}, 400, "InvalidQuery"),
        ("POST", "/v1/query", {"sql": "SELECT 1/0"}, 400, "QueryFailed"),
        ("POST", "/v1/query", {"sql": 1}, 422, "InvalidRequest"),
        ("POST", "/v1/query", {"sql": "SELECT 1", "also": 1}, 422, "InvalidRequest"),
        ("POST", "/v1/query", {"sql": "SELECT " + "1" * 70_000}, 422, "InvalidRequest"),
        ("POST", "/v1/query", {"sql": "x" * (5 << 20)}, 413, "BodyTooLarge"),
        ("POST", "/v1/pipelines/orders/quarantine/replay", {}, 422, "NoSelection"),
        ("POST", "/v1/pipelines/orders/quarantine/replay", {"ids": [1], "all": True}, 422, "NoSelection"),
        ("POST", "/v1/pipelines/orders/quarantine/replay", {"all": True, "fixes": {"a": ""}}, 422, "BadFix"),
        ("POST", "/v1/pipelines/orders/quarantine/purge", {"ids": ["a"]}, 422, "InvalidRequest"),
    ],
)
def test_whatever_is_refused_is_refused_by_a_problem(
    server: Server, method: str, path: str, content: object, status: int, reason: str
) -> None:
    answer = server.ask(method, path) if content is None else server.post_json(path, content)
    problem = shapes.ProblemShape.model_validate(answer.json)
    assert (status, reason) == (answer.status, problem.reason)
    assert "application/problem+json" == answer.headers["content-type"]
    assert (status, unquote(path.partition("?")[0])) == (problem.status, problem.instance)
    assert problem.detail


def test_a_body_without_content_type_is_no_request(server: Server) -> None:
    assert 422 == server.ask("POST", "/v1/query", b'{"sql": "SELECT 1"}').status


def test_rows_come_as_the_client_accepts_them(server: Server) -> None:
    asked = b'{"sql": "SELECT 1 AS one, \'a\' AS letter UNION ALL SELECT 2, NULL ORDER BY one", "limit": 1}'
    headers = {"Content-Type": "application/json"}
    as_json = server.ask("POST", "/v1/query", asked, headers)
    assert ([[1, "a"]], True) == (as_json.json["rows"], as_json.json["truncated"])
    as_csv = server.ask("POST", "/v1/query", asked, {**headers, "Accept": "text/csv"})
    assert b"one,letter\n1,a\n" == as_csv.body
    assert "true" == as_csv.headers["x-truncated"]


def test_a_query_without_end_is_ended_and_others_are_answered_meanwhile(server: Server) -> None:
    """A cross join of generated rows takes hours."""
    numbers = "(SELECT 1 AS a UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4)"
    joins = ", ".join(f"{numbers} AS t{index}" for index in range(24))
    answer = server.post_json("/v1/query", {"sql": f"SELECT count(*) FROM {joins}"})
    assert (422, "QueryTimeout") == (answer.status, answer.json["reason"])
    assert [[1]] == server.query("SELECT 1")


@pytest.mark.parametrize("path", ["/", "/v1/info", "/nothing", "/metrics", "/v1/ingest/orders/in"])
def test_every_answer_has_the_guards(server: Server, path: str) -> None:
    headers = server.ask("GET", path).headers
    policy = dict(one.split(" ", 1) for one in headers["content-security-policy"].split("; "))
    assert "'none'" == policy["default-src"]
    assert "'self'" == policy["script-src"] == policy["style-src"] == policy["connect-src"]
    assert "unsafe" not in headers["content-security-policy"]
    assert ("nosniff", "DENY") == (headers["x-content-type-options"], headers["x-frame-options"])
    assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize("path", ["/v1/info", "/v1/ingest/orders/in", "/"])
def test_another_name_for_this_machine_is_not_answered(server: Server, path: str) -> None:
    """A page whose name was led to 127.0.0.1 would be of the same origin as this server."""
    answer = server.ask("GET", path, headers={"Host": f"attacker.example:{server.port}"})
    assert (421, "UnexpectedHost") == (answer.status, answer.json["reason"])
    for host in (f"localhost:{server.port}", f"127.0.0.1:{server.port}", f"[::1]:{server.port}"):
        assert 200 == server.ask("GET", "/v1/info", headers={"Host": host}).status


def test_a_page_of_a_stranger_changes_nothing(server: Server) -> None:
    for path in ("/v1/ingest/orders/in", "/v1/query", "/v1/pipelines/orders/quarantine/purge"):
        answer = server.ask("POST", path, line("a"), {"Origin": "https://attacker.example", "Content-Type": "text/csv"})
        assert (403, "ForeignOrigin") == (answer.status, answer.json["reason"])


def test_the_page_and_its_files_are_served_with_tags(server: Server) -> None:
    page = server.ask("GET", "/")
    assert (200, "text/html; charset=utf-8") == (page.status, page.headers["content-type"])
    assert 304 == server.ask("GET", "/", headers={"If-None-Match": page.headers["etag"]}).status
    script = server.ask("GET", "/page/js/main.js")
    assert (200, "text/javascript; charset=utf-8") == (script.status, script.headers["content-type"])
