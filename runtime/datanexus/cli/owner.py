"""Asking the process that holds a data folder, over its HTTP API, instead of opening the folder."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from datanexus.stored_results import owner_address
from datanexus_spec.errors import InvalidInput, Unavailable

ANSWER_S = 60.0  # a little more than a query may take
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Owner:
    """The process at an address. Raises, from every call: InvalidInput for what it refuses, Unavailable when it does
    not answer."""

    data: Path
    address: str

    def get(self, path: str, **parameters: object) -> Any:
        """The JSON at a path of the API."""
        query = urlencode({name: value for name, value in parameters.items() if value is not None})
        return json.loads(self._answer("GET", f"{path}?{query}" if query else path, None, _JSON))

    def post(self, path: str, content: Mapping[str, object]) -> Any:
        """The JSON that answers a JSON body."""
        return json.loads(self.post_for(path, content, _JSON))

    def post_for(self, path: str, content: Mapping[str, object], media_type: str) -> bytes:
        """What answers a JSON body, in a media type."""
        return self._answer("POST", path, json.dumps(content).encode(), media_type)

    def _answer(self, method: str, path: str, body: bytes | None, accept: str) -> bytes:
        connection = http.client.HTTPConnection(self.address, timeout=ANSWER_S)
        try:
            connection.request(method, path, body, {"Content-Type": _JSON, "Accept": accept})
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(
                f"data folder {self.data}: its process at {self.address} does not answer: {error}",
                reason="OwnerSilent",
                hint="it may just be stopping; try again",
            ) from error
        finally:
            connection.close()
        if response.status >= 400:
            raise _refusal(response.status, content)
        return content


def owner_of(data: Path) -> Owner | None:
    """The process that serves a data folder; None when the folder can be opened here."""
    address = owner_address(data)
    return None if address is None else Owner(data, address)


def pipeline_path(pipeline: str, rest: str = "") -> str:
    """The address of a pipeline, or of something of it."""
    return f"/v1/pipelines/{quote(pipeline, safe='')}{rest}"


def _refusal(status: int, content: bytes) -> InvalidInput | Unavailable:
    try:
        problem: Mapping[str, Any] = json.loads(content)
    except ValueError:
        problem = {}
    message = str(problem.get("detail") or f"the server answered {status}")
    kind = InvalidInput if status < 500 else Unavailable
    return kind(message, reason=str(problem.get("reason") or "Refused"), hint=str(problem.get("hint") or ""))
