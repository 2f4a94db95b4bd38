"""Names of content: the revision of a spec, the fingerprints of state. Pure.

Invariant: what means the same has the same name on every machine; how a file is laid out does not matter.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

from datanexus.plan.expression import Expression
from datanexus.plan.inlining import canonical, canonical_aggregate, definitions_after
from datanexus.plan.physical import (
    DedupPlan,
    GlobalPlan,
    HoppingPlan,
    SessionPlan,
    Step,
    TumblingPlan,
    ViewPlan,
    WindowPlan,
)
from datanexus_spec.durations import Duration

REVISION_DIGITS = 10
FINGERPRINT_DIGITS = 16
# Raised whenever a release gives the same spec another state, so that old state is never read wrongly.
STATE_VERSION = 1
# What may change without making another revision: how it runs, not what it computes.
_NOT_IN_REVISION = ("paused", "pinnedRevision", "rollout")


def revision_of(name: str, spec: Mapping[str, object]) -> str:
    """The revision of a pipeline: the first digits of the hash of its Git-visible content.

    `spec`: the resource's spec as JSON values, only what the user wrote. Left out: `paused`, `pinnedRevision`,
    `rollout` and `scale.workers`.
    """
    content = {key: value for key, value in spec.items() if key not in _NOT_IN_REVISION}
    scale = content.get("scale")
    if isinstance(scale, Mapping):
        content["scale"] = {key: value for key, value in scale.items() if key != "workers"}
        if not content["scale"]:
            del content["scale"]
    return digest({"name": name, "spec": content})[:REVISION_DIGITS]


def revision_name(pipeline: str, revision: str) -> str:
    """The name of a revision as a resource: `web-traffic-628fbce9d7`."""
    return f"{pipeline}-{revision}"


def digest(content: object) -> str:
    """SHA-256 of JSON values in canonical form (sorted keys, no blanks, UTF-8), in hex."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def state_fingerprint(view: ViewPlan, steps: Sequence[Step], conditions: Sequence[Expression]) -> str:
    """The name of all that shapes a view's state: its window, lateness, groups, aggregates, and what filters feed it.

    `conditions`: the filters over the record alone. The view's own `fingerprint` is not read.
    """
    definitions = definitions_after(steps)
    groups = []
    for name, data_type in view.group_by:
        definition = definitions.get(name)
        groups.append([name, str(data_type), canonical(definition)])
    content = {
        "version": STATE_VERSION,
        "window": window_text(view.window),
        "allowedLateness": view.allowed_lateness_us,
        "groupBy": groups,
        "aggregates": [[part.name, canonical_aggregate(part.aggregate, definitions)] for part in view.aggregates],
        "filters": sorted(digest(canonical(condition)) for condition in conditions),
        "twoStage": view.two_stage,
    }
    return digest(content)[:FINGERPRINT_DIGITS]


def shared_fingerprint(
    dedup: DedupPlan | None, event_time: str, partition_key: Sequence[Expression], partitions: int
) -> str:
    """The name of what shapes the state that no view owns: de-duplication, partition key, partitions, event time."""
    content = {
        "version": STATE_VERSION,
        "dedup": None if dedup is None else [list(dedup.key), dedup.horizon_us],
        "eventTime": event_time,
        "partitionKey": [canonical(part) for part in partition_key],
        "partitions": partitions,
    }
    return digest(content)[:FINGERPRINT_DIGITS]


def window_text(window: WindowPlan) -> str:
    """A window in one phrase, durations as the user writes them: `hopping 1m every 10s`."""
    match window:
        case TumblingPlan(size_us=size):
            return f"tumbling {duration_text(size)}"
        case HoppingPlan(size_us=size, slide_us=slide):
            return f"hopping {duration_text(size)} every {duration_text(slide)}"
        case SessionPlan(gap_us=gap):
            return f"session with a gap of {duration_text(gap)}"
        case GlobalPlan(every_us=every):
            return f"global, rewritten every {duration_text(every)}"


def duration_text(duration_us: int) -> str:
    """A duration as the user writes it, in the greatest unit that divides it."""
    return str(Duration(duration_us))
