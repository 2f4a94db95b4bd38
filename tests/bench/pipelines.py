"""The pipelines that are measured, as resources."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

Json = Mapping[str, Any]
TUMBLING: Json = {"tumbling": {"size": "10s"}}
HOPPING: Json = {"hopping": {"size": "60s", "slide": "10s"}}
SESSION: Json = {"session": {"gap": "10s"}}
NDJSON: Json = {"ndjson": {}}
ARROW: Json = {"arrow": {}}


def text(pattern: str) -> Json:
    """Lines by a regular expression with named groups."""
    return {"text": {"pattern": pattern}}


def bids(file: Path, file_format: Json, window: Json, dedup_key: Sequence[str]) -> dict[str, Any]:
    """File → record → exact de-duplication over 5 minutes → one window with four aggregates by auction."""
    return _bids({"files": {"path": str(file), "format": file_format}}, "61s", window, dedup_key)


def bids_by_http() -> dict[str, Any]:
    """The same for records that come by HTTP. The delay has room for bodies that overtake each other."""
    return _bids({"http": {}}, "65s", TUMBLING, ("event_id",))


def prices_by_http(window_ms: int, delay_ms: int) -> dict[str, Any]:
    """The latency benchmark: a window by item that closes many times a second."""
    fields = [
        {"name": "item", "type": "int64"},
        {"name": "price", "type": "int64"},
        {"name": "ts", "type": "timestamp", "formats": ["epochMicros"]},
    ]
    return _resource(
        "prices",
        {
            "sources": [{"name": "prices", "http": {}}],
            "record": {"fields": fields, "eventTime": "ts"},
            "watermark": {"delay": f"{delay_ms}ms"},
            "views": [_view("by_item", "item", {"tumbling": {"size": f"{window_ms}ms"}})],
            "scale": {"partitions": 1},
        },
    )


def _bids(source: Json, delay: str, window: Json, dedup_key: Sequence[str]) -> dict[str, Any]:
    fields = [
        {"name": "event_id", "type": "string"},
        {"name": "auction", "type": "int64"},
        {"name": "price", "type": "int64"},
        {"name": "ts", "type": "timestamp"},
    ]
    return _resource(
        "bids",
        {
            "sources": [{"name": "bids", **source}],
            "record": {"fields": fields, "eventTime": "ts"},
            "dedup": {"key": list(dedup_key), "horizon": "5m"},
            "watermark": {"delay": delay},
            "views": [_view("by_auction", "auction", window)],
            "scale": {"partitions": 1},
        },
    )


def many_keys(file: Path) -> dict[str, Any]:
    """The memory benchmark: a million keys, windows of 20 s, de-duplication over 10 s, all of it live for a while."""
    fields = [
        {"name": "id", "type": "int64"},
        {"name": "key", "type": "int64"},
        {"name": "price", "type": "int64"},
        {"name": "ts", "type": "timestamp", "formats": ["epochMicros"]},
    ]
    return _resource(
        "keys",
        {
            "sources": [{"name": "keys", "files": {"path": str(file), "format": NDJSON}}],
            "record": {"fields": fields, "eventTime": "ts"},
            "dedup": {"key": ["id", "key"], "horizon": "10s"},
            "watermark": {"delay": "5s"},
            "views": [_view("by_key", "key", {"tumbling": {"size": "20s"}})],
            "scale": {"partitions": 1},
        },
    )


def write(resource: Mapping[str, Any], path: Path) -> Path:
    """Put a resource into a file and return its path."""
    path.write_text(yaml.safe_dump(dict(resource), sort_keys=False))
    return path


def _view(name: str, group: str, window: Json) -> dict[str, Any]:
    return {
        "name": name,
        "groupBy": [group],
        "window": dict(window),
        "late": {"to": "drop"},
        "aggregates": [
            {"name": "bids", "expr": "count(*)"},
            {"name": "total", "expr": "sum(price)"},
            {"name": "least", "expr": "min(price)"},
            {"name": "greatest", "expr": "max(price)"},
        ],
    }


def _resource(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "datanexus.io/v1alpha1", "kind": "Pipeline", "metadata": {"name": name}, "spec": spec}
