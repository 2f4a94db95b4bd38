"""Names in data → names in a pipeline: fields, sources, pipelines. Equal input gives equal names."""

import re
from collections.abc import Sequence

from datanexus_spec.names import COLUMN_PATTERN, RESERVED_COLUMNS

LABEL_MAX = 63
_NOT_WORD = re.compile(r"[^A-Za-z0-9_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_EXTENSIONS = re.compile(
    r"(\.(gz|zst|zstd|ndjson|jsonl|json|csv|tsv|txt|log|parquet|arrow|feather|ipc))+$", re.IGNORECASE
)


def field_names(raw: Sequence[str]) -> list[str]:
    """A valid field name for each raw name: the same where it is one, else in snake case; distinct in any case."""
    taken: set[str] = set()
    names = []
    for name in raw:
        made = name if re.fullmatch(COLUMN_PATTERN, name) else _snake(name)
        if made in RESERVED_COLUMNS:
            made += "_"
        made, plain, number = made[:LABEL_MAX], made, 2
        while made.lower() in taken:
            made = f"{plain[: LABEL_MAX - 4]}_{number}"
            number += 1
        taken.add(made.lower())
        names.append(made)
    return names


def pipeline_name(path: str) -> str:
    """A DNS label from a path or pattern."""
    parts = [part for part in path.replace("\\", "/").split("/") if part and not set(part) & set("*?[")]
    stem = _EXTENSIONS.sub("", parts[-1]) if parts else ""
    label = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")
    return label[: LABEL_MAX - 10].strip("-") or "pipeline"


def source_name(pipeline: str) -> str:
    """The source's name, from the pipeline's."""
    return _snake(pipeline)


def _snake(text: str) -> str:
    made = _NOT_WORD.sub("_", _HUMP.sub("_", text)).strip("_").lower() or "field"
    return f"_{made}" if made[0].isdigit() else made
