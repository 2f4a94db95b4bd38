"""A source in a few words, for plans and messages."""

from datanexus.plan.line_pattern import PRESETS, line_program
from datanexus_spec.format import Format
from datanexus_spec.pipeline import PipelineSource


def source_kind(source: PipelineSource) -> str:
    """Which kind a source is, in the words of the file: `files`, `stdin`, `generator`, …"""
    given = next(attribute for attribute in source.one_of if getattr(source, attribute) is not None)
    return source.file_name(given)


def source_text(source: PipelineSource) -> str:
    """What is read and how it is written: `files access_log/*.log as text (combined)`."""
    if source.files is not None:
        return f"files {source.files.path} as {format_text(source.files.format)}"
    if source.stdin is not None:
        return f"standard input as {format_text(source.stdin.format)}"
    if source.http is not None:
        return f"http, at most {source.http.body_bytes_max:,} bytes a request"
    return source_kind(source)


def line_reading(source: PipelineSource) -> str | None:
    """What takes lines of text apart; None for other formats."""
    given = source.files or source.stdin
    text = None if given is None else given.format.text
    if text is None:
        return None
    if line_program(PRESETS[text.preset] if text.preset else text.pattern or "", ()) is not None:
        return "by the built-in matcher"
    return "by RE2, several times slower (docs/reference/formats.md says what the built-in matcher takes)"


def format_text(written: Format) -> str:
    """A format in the words of the file, with a preset's name."""
    given = next(attribute for attribute in written.one_of if getattr(written, attribute) is not None)
    if written.text is not None:
        return f"text ({written.text.preset or written.text.pattern})"
    return written.file_name(given)
