"""Pieces of YAML text: values that read back as they are."""

import json
import re
from collections.abc import Sequence

_PLAIN = re.compile(r"^[A-Za-z_/.][A-Za-z0-9_./*-]*$")
_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"))


def quoted(text: str) -> str:
    """A text between quotes; `${` is written so that no variable is looked up."""
    text = text.replace("${", "$${")
    if '"' in text and "'" not in text and "\\" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)


def scalar(text: str) -> str:
    """A text as it can stand in a flow list or mapping: plain where that is safe."""
    return text if _PLAIN.match(text) and text.lower() not in _WORDS else quoted(text)


def flow_list(texts: Sequence[str]) -> str:
    """`[a, "b c"]`."""
    return "[" + ", ".join(map(scalar, texts)) + "]"
