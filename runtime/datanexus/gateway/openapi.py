"""The OpenAPI description: the framework's, and the ingest route that it does not see."""

import functools
from typing import Any

import msgspec
from fastapi import FastAPI

from datanexus.gateway.problem import PROBLEM_MEDIA_TYPE
from datanexus.gateway.shapes import IngestResult, ProblemShape

_REF = "#/components/schemas/{model}"
_PROBLEMS = {
    400: "the body is not what its content type or encoding says",
    404: "no such pipeline or http source",
    408: "the body came too slowly",
    413: "the body is too large, as sent or decompressed",
    415: "another content type, charset or content encoding",
    422: "an Idempotency-Key that came with another body, or a body that hardly has a valid record",
    503: "the log is full or too many bytes are in flight; Retry-After says when to try again",
}
_NDJSON_EXAMPLE = '{"id": "a1", "ts": "2015-05-17T10:05:03Z", "amount": 12.5}\n'


@functools.lru_cache(maxsize=1)
def described(framework: FastAPI) -> bytes:
    """The whole description as JSON."""
    description: dict[str, Any] = framework.openapi()
    schemas = description["components"]["schemas"]
    for model in (IngestResult, ProblemShape):
        schema = model.model_json_schema(ref_template=_REF)
        schemas.update(schema.pop("$defs", {}))
        schemas[schema.get("title", model.__name__)] = schema
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    for path in description["paths"].values():
        for operation in path.values():
            _use_problems(operation)
    description["paths"]["/v1/ingest/{pipeline}/{source}"] = {"post": _ingest()}
    return msgspec.json.encode(description)


def _use_problems(operation: dict[str, Any]) -> None:
    """The framework says that a refused request gets its own JSON; it gets a problem."""
    for status, response in operation["responses"].items():
        if status in ("408", "413") or (status.startswith(("4", "5")) and "Ready" not in str(response.get("content"))):
            response["description"] = response.get("description", "Problem").replace("Validation Error", "Problem")
            response["content"] = {PROBLEM_MEDIA_TYPE: {"schema": _ref("Problem")}}


def _ingest() -> dict[str, Any]:
    text = {"schema": {"type": "string"}}
    return {
        "tags": ["ingestion"],
        "summary": "Send records",
        "description": "Answered when the records survive a crash of the machine. A record that cannot be decoded is "
        "in quarantine and in `rejections`; its neighbours go on. The same Idempotency-Key with the same body is "
        "answered as before, with `repeated: true`, and counts once.",
        "operationId": "ingest",
        "parameters": [
            _parameter("pipeline", "path", "metadata.name of the pipeline"),
            _parameter("source", "path", "name of an http source of the pipeline"),
            _parameter("Idempotency-Key", "header", "1 to 255 characters; kept for repeatWindow of the source"),
            _parameter("Content-Encoding", "header", "gzip or zstd"),
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/x-ndjson": {**text, "example": _NDJSON_EXAMPLE},
                "application/json": {"schema": {}},
                "text/csv": text,
                "application/vnd.apache.arrow.stream": {"schema": {"type": "string", "format": "binary"}},
            },
        },
        "responses": {
            "200": {
                "description": "The records are in the log",
                "content": {"application/json": {"schema": _ref("IngestResult")}},
            },
            **{
                str(status): {"description": text, "content": {PROBLEM_MEDIA_TYPE: {"schema": _ref("Problem")}}}
                for status, text in _PROBLEMS.items()
            },
        },
    }


def _parameter(name: str, place: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "description": text, "schema": {"type": "string"}}


def _ref(model: str) -> dict[str, str]:
    return {"$ref": _REF.format(model=model)}
