"""Names for messages: what was probably meant, and what there is to choose from."""

import difflib

NAMES_SHOWN_MAX = 20


def near(word: str, names: tuple[str, ...] | list[str]) -> str:
    """The name most like a word, or an empty text."""
    lowered = {name.lower(): name for name in names}
    close = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return lowered[close[0]] if close else ""


def one_of(names: tuple[str, ...], what: str) -> str:
    """`one of the columns a, b, c`."""
    shown = ", ".join(names[:NAMES_SHOWN_MAX])
    if not names:
        return f"{what}, of which there are none"
    return f"one of the {what} {shown}{', …' if len(names) > NAMES_SHOWN_MAX else ''}"
