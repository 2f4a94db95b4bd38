"""Errors as RFC 9457 problems: the one form in which the gateway says no.

A problem has a `reason` (CamelCase, closed set, the same word as in metrics), a `detail` (which object, what was found,
what was expected) and a `hint` (what to do). `type` is a URN made of the reason.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from datanexus_spec.errors import Conflict, DataNexusError, Incompatible, InvalidInput, InvalidSpec, Unavailable

PROBLEM_MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1  # for what is full at this moment: it empties with the next commits
_TYPE = "urn:datanexus:problem:"
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_STATUSES = {"IdempotencyKeyReused": 422, "TooManyRejections": 422, "BodyTooLarge": 413, "QueryTimeout": 422}
_NOT_THERE = ("NoSuch", "NoData")  # reasons that begin so are about something that does not exist


class Problem(Exception):
    """A request that is refused. `members`: further members of the problem, by name. `is_closing`: the connection is
    given up, as the rest of the request is not read."""

    def __init__(
        self,
        status: int,
        reason: str,
        detail: str,
        hint: str = "",
        *,
        members: Mapping[str, object] | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        is_closing: bool = False,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.hint = hint
        self.members = members or {}
        self.headers = headers
        self.is_closing = is_closing

    def content(self, instance: str) -> dict[str, object]:
        """The problem as a JSON object. `instance`: the path that was asked for."""
        return {
            "type": _TYPE + self.reason,
            "title": _WORD.sub(" ", self.reason).capitalize(),
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "reason": self.reason,
            "hint": self.hint,
            **self.members,
        }

    def encoded(self, instance: str) -> bytes:
        """The body of the answer."""
        return msgspec.json.encode(self.content(instance))


def problem_of(error: DataNexusError) -> Problem:
    """An error of the engine as a problem."""
    members: dict[str, object] = {}
    if isinstance(error, InvalidSpec):
        members["problems"] = [msgspec.to_builtins(problem) for problem in error.problems]
    headers: tuple[tuple[str, str], ...] = ()
    if isinstance(error, Unavailable):
        headers = (("Retry-After", str(RETRY_AFTER_S)),)
    return Problem(_status(error), error.reason, error.message, error.hint, members=members, headers=headers)


def unforeseen() -> Problem:
    """What is said about a bug; what it was stands in the log of the process alone."""
    return Problem(
        500,
        "InternalError",
        "the server met an error of its own while it answered this request",
        "the standard error of `datanexus up` has the details; please report them",
    )


def of_status(status: int, detail: str, headers: tuple[tuple[str, str], ...] = ()) -> Problem:
    """A refusal of the web framework, which knows no reasons."""
    reason = HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")
    hints = {404: "GET /openapi.json lists the addresses", 405: "the header Allow lists the methods of this address"}
    return Problem(status, reason, detail, hints.get(status, ""), headers=headers)


def _status(error: DataNexusError) -> int:
    if isinstance(error, InvalidInput):
        return 404 if error.reason.startswith(_NOT_THERE) else _STATUSES.get(error.reason, 400)
    if isinstance(error, Incompatible):
        return 409
    if isinstance(error, Unavailable | Conflict):
        return 503
    return 500
