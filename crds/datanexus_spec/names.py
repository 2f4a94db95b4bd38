"""What things may be called: resources, views, fields, aggregates, sources."""

from collections.abc import Iterable
from difflib import get_close_matches

LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
LABEL_EXPECTED = "a DNS label: at most 63 lower-case letters, digits and '-', with a letter or digit at both ends"
COLUMN_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
COLUMN_EXPECTED = "a name: at most 63 letters, digits and '_', not starting with a digit"

# Columns that every row of a view has besides its own.
RESERVED_COLUMNS = frozenset({"window_start", "window_end", "final", "key_high", "key_low"})
RESERVED_EXPECTED = "a name other than window_start, window_end, final, key_high and key_low, which every view has"


def nearest(word: str, options: Iterable[str]) -> str:
    """The option that was probably meant, whatever its case; empty when none is near."""
    folded = {option.casefold().replace("_", ""): option for option in options}
    near = get_close_matches(word.casefold().replace("_", "").replace("-", ""), folded, n=1, cutoff=0.65)
    return folded[near[0]] if near else ""
