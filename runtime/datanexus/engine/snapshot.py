"""Snapshots: the state of all partitions at a cut, as immutable blobs named by content.

A segment that did not change since it was last stored is named again, not stored again. The manifest comes last, so
a snapshot exists when its manifest does. A snapshot that cannot be read whole is skipped with a notice; the next older
one serves, with more cuts to replay. Two snapshots are kept.

Names: `<pipeline>/segment-<hash>` and `<pipeline>/manifest-<seq>-<hash>`; hash = xxh3_128 of the content, in hex.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import xxhash

from datanexus.core.emission import NO_WATERMARK, SegmentContents
from datanexus.engine.partition import Partition
from datanexus.ports.blob import Blobs
from datanexus_spec.errors import Corrupt

FORMAT = 1
KEPT = 2
_LENGTH = struct.Struct("<Q")

Batches = Mapping[str, pa.RecordBatch]
SegmentAddress = tuple[int, str, str]  # partition, component, segment key


@dataclass(frozen=True, slots=True)
class Captured:
    """A state taken at a cut, before it is encoded. `fresh`: segments that have to be stored; `kept`: blob names of
    those that are stored already."""

    seq: int
    watermark_us: int
    splits_json: str
    plan_fingerprint: str
    versions: Mapping[SegmentAddress, int]
    fresh: Mapping[SegmentAddress, Batches]
    kept: Mapping[SegmentAddress, str]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A stored state. `partitions[i]`: component → segment key → batches."""

    seq: int
    watermark_us: int
    splits_json: str
    plan_fingerprint: str
    partitions: Sequence[Mapping[str, SegmentContents]]
    blobs: Mapping[SegmentAddress, str]


@dataclass(frozen=True, slots=True)
class OldestKept:
    """The oldest snapshot that recovery could still use: cuts up to it, and input before its splits, may go."""

    seq: int
    splits_json: str


class Snapshots:
    """Takes, stores and loads the snapshots of one pipeline. One `store` at a time."""

    def __init__(self, blobs: Blobs, pipeline: str) -> None:
        self._blobs = blobs
        self._pipeline = pipeline
        self._stored: dict[SegmentAddress, tuple[int, str]] = {}
        self.notices: list[str] = []

    def capture(
        self, seq: int, watermark_us: int, splits_json: str, plan_fingerprint: str, partitions: Sequence[Partition]
    ) -> Captured:
        """Take the state as it is now; what changes later does not change what was captured."""
        versions: dict[SegmentAddress, int] = {}
        fresh: dict[SegmentAddress, Batches] = {}
        kept: dict[SegmentAddress, str] = {}
        for partition in partitions:
            for component, segments in partition.components().items():
                for key, segment in segments.items():
                    address = (partition.number, component, key)
                    versions[address] = segment.version
                    stored = self._stored.get(address)
                    if stored and stored[0] == segment.version:
                        kept[address] = stored[1]
                    else:
                        fresh[address] = segment.batches()
        return Captured(seq, watermark_us, splits_json, plan_fingerprint, versions, fresh, kept)

    async def store(self, captured: Captured) -> OldestKept:
        """Store a captured state and drop what no kept snapshot needs. Returns the oldest snapshot still kept."""
        names = dict(captured.kept)
        for address, batches in captured.fresh.items():
            content = encode(batches)
            names[address] = f"{self._pipeline}/segment-{_digest(content)}"
            await self._blobs.put(names[address], content)
        self._stored = {address: (captured.versions[address], name) for address, name in names.items()}
        manifest = _manifest(captured, names)
        await self._blobs.put(f"{self._pipeline}/manifest-{captured.seq:012d}-{_digest(manifest)}", manifest)
        return await self._collect_garbage()

    async def store_empty(self, splits_json: str, plan_fingerprint: str) -> None:
        """Store an empty state before the first cut that goes on reading where these splits stand (`Reset`)."""
        await self.store(Captured(0, NO_WATERMARK, splits_json, plan_fingerprint, versions={}, fresh={}, kept={}))

    async def newest(self, seq_max: int) -> Loaded | None:
        """The newest snapshot at or before a cut that can be read whole; None when there is none."""
        for name in reversed(await self._manifest_names()):
            if _seq_of(name) > seq_max:
                continue
            try:
                return await self._load(name)
            except Corrupt as damage:
                self.notices.append(f"Snapshot of cut {_seq_of(name)} was skipped: {damage.message}")
        return None

    async def _load(self, name: str) -> Loaded:
        manifest = json.loads(await self._read(name))
        if manifest["format"] != FORMAT:
            raise Corrupt(f"manifest {name} has format {manifest['format']}, not {FORMAT}", reason="SnapshotFormat")
        contents: list[Mapping[str, SegmentContents]] = []
        blobs: dict[SegmentAddress, str] = {}
        for number, components in enumerate(manifest["partitions"]):
            loaded: dict[str, dict[str, Batches]] = {}
            for component, segments in components.items():
                loaded[component] = {key: decode(await self._read(blob)) for key, blob in segments.items()}
                blobs |= {(number, component, key): blob for key, blob in segments.items()}
            contents.append(loaded)
        return Loaded(
            seq=manifest["seq"],
            watermark_us=manifest["watermark_us"],
            splits_json=manifest["splits"],
            plan_fingerprint=manifest["plan"],
            partitions=contents,
            blobs=blobs,
        )

    def remember(self, loaded: Loaded, partitions: Sequence[Partition]) -> None:
        """After a restore: segments that stay as they were loaded need not be stored again."""
        for partition in partitions:
            for component, segments in partition.components().items():
                for key, segment in segments.items():
                    address = (partition.number, component, key)
                    if blob := loaded.blobs.get(address):
                        self._stored[address] = (segment.version, blob)

    async def _read(self, name: str) -> bytes:
        content = await self._blobs.get(name)
        if content is None:
            raise Corrupt(f"blob {name} is missing", reason="SnapshotIncomplete")
        if not name.endswith(_digest(content)):
            raise Corrupt(f"blob {name} does not have the content its name says", reason="SnapshotDamaged")
        return content

    async def _manifest_names(self) -> list[str]:
        return sorted(await self._blobs.names(f"{self._pipeline}/manifest-"), key=lambda name: (_seq_of(name), name))

    async def _collect_garbage(self) -> OldestKept:
        manifests = await self._manifest_names()
        kept = [json.loads(await self._read(name)) for name in manifests[-KEPT:]]
        needed = {
            blob
            for manifest in kept
            for components in manifest["partitions"]
            for segments in components.values()
            for blob in segments.values()
        }
        for name in manifests[:-KEPT]:
            await self._blobs.delete(name)
        for name in await self._blobs.names(f"{self._pipeline}/segment-"):
            if name not in needed:
                await self._blobs.delete(name)
        return OldestKept(kept[0]["seq"], kept[0]["splits"])


def encode(batches: Batches) -> memoryview:
    """Named record batches as bytes: one Arrow IPC stream each, then JSON with names and sizes, then its length.

    Written once into memory of the right size: a state of many gigabytes is not copied on its way.
    """
    sizes = []
    for name, batch in batches.items():
        measured = pa.MockOutputStream()
        _write_stream(measured, batch)
        sizes.append([name, measured.size()])
    trailer = json.dumps(sizes).encode()
    total = sum(size for _, size in sizes)
    buffer = pa.allocate_buffer(total + len(trailer) + _LENGTH.size)
    with pa.FixedSizeBufferWriter(buffer) as writer:
        for batch in batches.values():
            _write_stream(writer, batch)
        writer.write(trailer)
        writer.write(_LENGTH.pack(len(trailer)))
    return memoryview(buffer)


def decode(content: bytes) -> Batches:
    """Read back what `encode` wrote."""
    view = memoryview(content)
    end = len(content) - _LENGTH.size
    (length,) = _LENGTH.unpack(view[end:])
    batches: dict[str, pa.RecordBatch] = {}
    offset = 0
    for name, size in json.loads(bytes(view[end - length : end])):
        with pa.ipc.open_stream(pa.py_buffer(view[offset : offset + size])) as reader:
            batches[name] = reader.read_next_batch()
        offset += size
    return batches


def _write_stream(target: pa.NativeFile, batch: pa.RecordBatch) -> None:
    with pa.ipc.new_stream(target, batch.schema) as writer:
        writer.write_batch(batch)


def _manifest(captured: Captured, names: Mapping[SegmentAddress, str]) -> bytes:
    count = 1 + max((number for number, _, _ in names), default=-1)
    partitions: list[dict[str, dict[str, str]]] = [{} for _ in range(count)]
    for (number, component, key), blob in sorted(names.items()):
        partitions[number].setdefault(component, {})[key] = blob
    return json.dumps(
        {
            "format": FORMAT,
            "seq": captured.seq,
            "watermark_us": captured.watermark_us,
            "plan": captured.plan_fingerprint,
            "splits": captured.splits_json,
            "partitions": partitions,
        },
        separators=(",", ":"),
    ).encode()


def _digest(content: bytes | memoryview) -> str:
    return xxhash.xxh3_128_hexdigest(content)


def _seq_of(manifest_name: str) -> int:
    return int(manifest_name.rsplit("/manifest-", 1)[1].split("-", 1)[0])
