"""The closed list of window kinds: a new one is a module here and a line below."""

from collections.abc import Callable, Mapping

from datanexus.core.emission import Global, Hopping, Session, Tumbling, ViewSpec
from datanexus.core.window_state import WindowState
from datanexus.core.windows.global_window import GlobalWindow
from datanexus.core.windows.hopping import hopping_windows
from datanexus.core.windows.session import SessionWindows
from datanexus.core.windows.tumbling import tumbling_windows

_KINDS: Mapping[type, Callable[[ViewSpec], WindowState]] = {
    Tumbling: tumbling_windows,
    Hopping: hopping_windows,
    Session: SessionWindows,
    Global: GlobalWindow,
}


def new_window_state(spec: ViewSpec) -> WindowState:
    """An empty state for the kind of window a view has."""
    return _KINDS[type(spec.window)](spec)
