"""What the types say about their fields: the text below each attribute, read from the source by generation only."""

import ast
import inspect
import itertools
import textwrap
from functools import cache

from datanexus_spec.element import Element


@cache
def descriptions(element: type[Element]) -> dict[str, str]:
    """Attribute → its description on one line, those of the parts it inherits from included."""
    texts: dict[str, str] = {}
    for base in reversed(element.__mro__):
        if issubclass(base, Element) and base is not Element:
            texts |= _own_descriptions(base)
    return texts


def _own_descriptions(element: type[Element]) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(element)))
    body = [statement for part in tree.body if isinstance(part, ast.ClassDef) for statement in part.body]
    texts = {}
    for statement, following in itertools.pairwise(body):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            texts[statement.target.id] = " ".join(str(following.value.value).split())
    return texts
