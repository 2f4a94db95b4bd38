"""The page at / and its files: read once at the start, served from memory with a tag that changes with the content."""

from dataclasses import dataclass
from pathlib import Path

import xxhash
from starlette.requests import Request
from starlette.responses import Response

from datanexus.gateway.problem import of_status

_FOLDER = Path(__file__).parent / "page"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    tag: str


class PageFiles:
    """All files of the page."""

    def __init__(self) -> None:
        self._files = {
            str(path.relative_to(_FOLDER)): _read(path)
            for path in sorted(_FOLDER.rglob("*"))
            if path.suffix in _TYPES and path.is_file()
        }

    async def index(self, request: Request) -> Response:
        """GET /."""
        return self._answer("index.html", request)

    async def file(self, request: Request) -> Response:
        """GET /page/…"""
        return self._answer(request.path_params["name"], request)

    def _answer(self, name: str, request: Request) -> Response:
        found = self._files.get(name)
        if found is None:
            raise of_status(404, f"found no file of the page `{name}`")
        headers = {"etag": found.tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=headers)
        return Response(found.content, media_type=found.media_type, headers=headers)


def _read(path: Path) -> _File:
    content = path.read_bytes()
    return _File(content, _TYPES[path.suffix], f'"{xxhash.xxh3_64_hexdigest(content)}"')
