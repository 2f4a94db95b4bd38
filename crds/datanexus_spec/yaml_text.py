"""YAML text → plain values with the place of each, and every problem that the text itself has.

Stricter than YAML where YAML surprises: no tags, no duplicate keys, no second spelling of booleans, no leading zeros,
no dates; what Kubernetes reads from a file is what is read here. `${NAME}` in a value is replaced from the environment;
`$${` writes `${`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from datanexus_spec.errors import Problem
from datanexus_spec.position import Loc, Place, path_from_loc

DEPTH_MAX = 64  # of a value; a resource has about ten
NODES_MAX = 100_000  # of a file after aliases are followed, so that a few lines cannot become a billion values

_NULL = re.compile(r"^(~|null|Null|NULL|)$")
_INTEGER = re.compile(r"^[-+]?(0|[1-9][0-9]*)$")
_FLOAT = re.compile(r"^[-+]?(0|[1-9][0-9]*)(\.[0-9]*)?([eE][-+]?[0-9]+)?$")
_OLD_BOOLEAN = re.compile(r"^(yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$")
_VARIABLE = re.compile(r"\$(\$\{|\{([^}]*)\})")
_EXPECTED_BUT = re.compile(r"^expected (.*), but (?:found|got) (.*)$")
_TAG = re.compile(r"(?:&\S+\s+)?(![^\s,\]}]*)")
_VARIABLE_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file. `value`: dicts, lists and scalars; what had a problem is None in it."""

    value: Any
    values: Mapping[Loc, Place]
    keys: Mapping[Loc, Place]


@dataclass(slots=True)
class YamlText:
    """A file's text being read; problems gather in `problems`."""

    file: str
    text: str
    environment: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)
    _values: dict[Loc, Place] = field(default_factory=dict)
    _keys: dict[Loc, Place] = field(default_factory=dict)
    _nodes: int = 0

    def documents(self) -> Iterator[Document]:
        """Yield the documents that hold something, in order. After a syntax error nothing follows."""
        try:
            for node in yaml.compose_all(self.text, Loader=yaml.SafeLoader):
                self._values, self._keys = {}, {}
                value = self._value(node, ())
                if value is not None:
                    yield Document(value, self._values, self._keys)
        except yaml.MarkedYAMLError as error:
            self._syntax_problem(error)
        except yaml.reader.ReaderError as error:
            before = self.text[: error.position]
            line, column = before.count("\n") + 1, error.position - before.rfind("\n")
            found = f"the character U+{ord(self.text[error.position]):04X}"
            self.problems.append(Problem(self.file, "", line, column, found, "text without control characters"))
        except RecursionError:
            self.problems.append(Problem(self.file, "", 0, 0, "values inside values without end", _DEPTH_EXPECTED))

    def _syntax_problem(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        told = (error.problem or "no YAML").replace("'<stream end>'", "the end of the file")
        expected = f"YAML ({error.context})" if error.context else "YAML"
        if "'\\t'" in told:
            found, expected = "a tab", "spaces: YAML takes no tabs for indentation"
        elif halves := _EXPECTED_BUT.match(told):
            found, expected = halves[2], f"{halves[1]} ({error.context})" if error.context else halves[1]
        else:
            found = told.removeprefix("found ")
        suggestion = _QUOTE_VARIABLE if mark and self.text[mark.index - 1 : mark.index + 1] == "${" else ""
        self.problems.append(Problem(self.file, "", line, column, found, expected, suggestion))

    def _value(self, node: yaml.Node | None, loc: Loc) -> Any:
        if node is None:
            return None
        self._nodes += 1
        mark = node.start_mark
        text = node.value if isinstance(node, yaml.ScalarNode) else None
        self._values[loc] = Place(mark.line + 1, mark.column + 1, mark.index, node.end_mark.index, text)
        if len(loc) > DEPTH_MAX or self._nodes > NODES_MAX:
            if self._nodes <= NODES_MAX + 1:
                self._problem(loc, "values inside values without end", _DEPTH_EXPECTED)
            self._nodes = max(self._nodes, NODES_MAX + 1)
            return None
        if tag := _TAG.match(self.text, mark.index):
            self._problem(loc, f"the tag {tag[1]}", "a value without a tag")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*loc, index)) for index, item in enumerate(node.value)]
        return self._scalar(node.value, getattr(node, "style", None), loc)

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            mark = key_node.start_mark
            place = Place(mark.line + 1, mark.column + 1, mark.index, key_node.end_mark.index)
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(
                    Problem(self.file, path_from_loc(loc), place.line, place.column, "a key that is no text", "a name")
                )
                continue
            key = key_node.value
            if key in mapping:
                first = self._keys[(*loc, key)]
                self.problems.append(
                    Problem(
                        self.file,
                        path_from_loc((*loc, key)),
                        place.line,
                        place.column,
                        f"'{key}' again (also in line {first.line})",
                        "each key once",
                    )
                )
                continue
            self._keys[(*loc, key)] = place
            mapping[key] = self._value(value_node, (*loc, key))
        return mapping

    def _scalar(self, written: str, style: str | None, loc: Loc) -> Any:
        text = self._substituted(written, loc)
        if text != written:
            self._values[loc] = replace(self._values[loc], text=text)
        if text is None or style is not None:
            return text
        if _NULL.match(text):
            return None
        if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
            return text.lower() == "true"
        if _OLD_BOOLEAN.match(text):
            meant = "true" if text.lower() in ("yes", "on") else "false"
            self._problem(loc, f"{text}, which some read as a boolean", f"{meant}, or the text in quotes: '{text}'")
            return None
        if _INTEGER.match(text):
            return int(text) if len(text) <= 20 else text
        if _FLOAT.match(text):
            return float(text)
        return text

    def _substituted(self, text: str, loc: Loc) -> str | None:
        """The text with `${NAME}` replaced; None when a variable is missing."""
        missing: list[str] = []

        def replacement(match: re.Match[str]) -> str:
            name = match[2]
            if name is None:
                return "${"
            if _VARIABLE_NAME.match(name) is None or name not in self.environment:
                missing.append(name)
                return ""
            return self.environment[name]

        replaced = _VARIABLE.sub(replacement, text)
        for name in missing:
            if _VARIABLE_NAME.match(name):
                self._problem(loc, f"${{{name}}}, which is not set", f"the environment variable {name}")
            else:
                self._problem(loc, f"${{{name}}}", "${NAME}, or $${ where the text itself is meant")
        return None if missing else replaced

    def _problem(self, loc: Loc, found: str, expected: str) -> None:
        place = self._values[loc]
        self.problems.append(Problem(self.file, path_from_loc(loc), place.line, place.column, found, expected))


_QUOTE_VARIABLE = "between braces quote a variable, or write `name: ${NAME}` on a line of its own"
_DEPTH_EXPECTED = f"at most {DEPTH_MAX} levels and {NODES_MAX:,} values"
