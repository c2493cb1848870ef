"""Textual's bindings, made from the one table of keys."""

from textual.binding import Binding, BindingType

from tui.keys import TABLE, Scope


def bindings_for(scope: Scope) -> list[BindingType]:
    """The bindings of one scope."""
    return [
        Binding(",".join(key.keys), key.action, key.label, show=False, id=key.id, priority=key.is_priority)
        for key in TABLE
        if key.scope is scope
    ]
