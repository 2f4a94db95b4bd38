"""Raw records to columns: framing, the fast lanes, the strict judges and the normalised record. Does no I/O."""

from datanexus.engine.decode.decoder import Decoder, new_decoder, source_decoder
from datanexus.engine.decode.framing import Frames, frame_csv, frame_documents, frame_lines
from datanexus.engine.decode.normalise import Decoded
from datanexus.engine.decode.raw import raw_of

__all__ = [
    "Decoded",
    "Decoder",
    "Frames",
    "frame_csv",
    "frame_documents",
    "frame_lines",
    "new_decoder",
    "raw_of",
    "source_decoder",
]
