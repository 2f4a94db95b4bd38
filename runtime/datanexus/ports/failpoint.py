"""Points at which a test can end the process, before and after every write to the outside.

`@writes` marks a port method. `guarded(port, protocol, reach)` wraps an adapter so that each marked call runs
reach("<port>.<method>:before"), the call, reach("<port>.<method>:after"). What reaching does is the caller's:
nothing in production, SIGKILL to itself in a crash test.
"""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")
Port = TypeVar("Port")
Reach = Callable[[str], None]
_MARK = "__writes__"


def writes(method: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Mark a port method as one that changes something outside."""
    setattr(method, _MARK, True)
    return method


def writing_methods(protocol: type) -> tuple[str, ...]:
    """The names of a port's marked methods, sorted."""
    return tuple(sorted(name for name, member in vars(protocol).items() if getattr(member, _MARK, False)))


def failpoints(protocol: type) -> tuple[str, ...]:
    """All points of a port, in the order in which a call reaches them."""
    name = protocol.__name__.lower()
    return tuple(f"{name}.{method}:{edge}" for method in writing_methods(protocol) for edge in ("before", "after"))


def guarded(port: Port, protocol: type, reach: Reach) -> Port:
    """`port` with its failpoints; every other attribute is passed through."""
    return cast(Port, _Guarded(port, protocol, reach))


class _Guarded:
    """Delegates to a port; marked methods reach their points around the call."""

    def __init__(self, port: object, protocol: type, reach: Reach) -> None:
        self._port = port
        self._name = protocol.__name__.lower()
        self._marked = frozenset(writing_methods(protocol))
        self._reach = reach

    def __getattr__(self, attribute: str) -> Any:
        member = getattr(self._port, attribute)
        if attribute not in self._marked:
            return member

        @functools.wraps(member)
        async def reached(*args: Any, **kwargs: Any) -> Any:
            self._reach(f"{self._name}.{attribute}:before")
            result = await member(*args, **kwargs)
            self._reach(f"{self._name}.{attribute}:after")
            return result

        return reached
