"""What is told at the end of a run. Pure."""

from collections.abc import Mapping

from datanexus.cli import wording
from datanexus.engine.accounting import IN, LANES, VIEW_LANES, view_counter
from datanexus.wiring import RunSummary


def summary_text(summary: RunSummary) -> str:
    """The run of one pipeline: how it ended, where its records went, what its views took."""
    outcome, name = summary.outcome, summary.plan.pipeline
    rate = outcome.records / summary.seconds if summary.seconds > 0 else 0.0
    how = "finished" if outcome.finished else "stopped"
    cuts = wording.plural(outcome.cuts, "cut")
    records = wording.plural(outcome.records, "record")
    lines = [f"{name} {how}: {records} in {wording.span(summary.seconds)} ({wording.count(rate)}/s), {cuts}"]
    if watermark := wording.instant(outcome.watermark_us):
        lines[0] += f", watermark {watermark}"
    if outcome.replayed_cuts:
        lines.append(f"  recovered by replaying {wording.plural(outcome.replayed_cuts, 'cut')}")
    lanes = " + ".join(f"{lane} {wording.count(summary.totals.get(lane, 0))}" for lane in LANES)
    lines.append(f"  in {wording.count(summary.totals.get(IN, 0))} = {lanes}")
    for view in summary.plan.views:
        parts = [f"{lane} {wording.count(summary.totals.get(view_counter(view.name, lane), 0))}" for lane in VIEW_LANES]
        lines.append(f"  view {view.name}: {', '.join(parts)}")
    return "\n".join(lines) + "\n"


def summary_fields(summary: RunSummary) -> Mapping[str, object]:
    """The same for programs."""
    outcome = summary.outcome
    return {
        "event": "summary",
        "pipeline": summary.plan.pipeline,
        "revision": summary.plan.revision,
        "finished": outcome.finished,
        "records": outcome.records,
        "seconds": round(summary.seconds, 3),
        "cuts": outcome.cuts,
        "replayed_cuts": outcome.replayed_cuts,
        "watermark": wording.instant(outcome.watermark_us) or None,
        "counters": dict(outcome.counters),
        "totals": dict.fromkeys((IN, *LANES), 0) | dict(summary.totals),
        "quarantine_share": summary.quarantine_share,
    }
