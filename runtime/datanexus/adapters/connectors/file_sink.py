"""The Sink port on a folder: one file for each published name. Equal rows give equal bytes.

Files are written whole or not at all. Names a crash left half written are temporary ones and never match a pattern like
`*.parquet`, as they begin with a dot and end in `.tmp`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from datanexus.adapters.connectors import row_text
from datanexus.adapters.durable import remove_file, write_file
from datanexus.adapters.faults import os_fault
from datanexus.plan.physical import SinkPlan

_PARQUET_COMPRESSION = "zstd"
_NAME = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]*")


@dataclass(frozen=True, slots=True)
class FileSink:
    """Files of one sink below a folder, which is made when the first one comes."""

    folder: Path
    plan: SinkPlan

    async def publish(self, name: str, rows: pa.Table) -> None:
        write_file(self._path(name), self._content(rows), what="cannot write the sink file")

    async def retract(self, name: str) -> None:
        remove_file(self._path(name), what="cannot remove the sink file")

    async def clear(self) -> None:
        published = re.compile(rf"\.?{re.escape(self.plan.view)}-\d+-\d+(-end)?\.{self.plan.format}(\.tmp)?")
        try:
            found = [path for path in self.folder.iterdir() if published.fullmatch(path.name)]
        except FileNotFoundError:
            return
        except OSError as error:
            raise os_fault(error, "cannot read the sink's folder", self.folder) from error
        for path in found:
            remove_file(path, what="cannot remove the sink file")

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise AssertionError(f"not a sink name: {name!r}")
        return self.folder / f"{name}.{self.plan.format}"

    def _content(self, rows: pa.Table) -> bytes:
        match self.plan.format:
            case "parquet":
                return _parquet(rows)
            case "ndjson":
                return row_text.ndjson(rows)
            case "csv":
                return row_text.csv(rows)


def _parquet(rows: pa.Table) -> bytes:
    output = pa.BufferOutputStream()
    pq.write_table(rows, output, compression=_PARQUET_COMPRESSION)
    return bytes(output.getvalue())
