"""Textual's bindings, made from the one table of keys."""

from textual.binding import Binding, BindingType

from tui.keys import TABLE, Key, Scope


def bindings_for(scope: Scope) -> list[BindingType]:
    """The bindings of one scope."""
    return [binding for key in TABLE if key.scope is scope for binding in _bindings_of(key)]


def _bindings_of(key: Key) -> list[BindingType]:
    """One binding, or one for each of its keys if the action needs to know which it was."""
    if "{key}" not in key.action:
        return [Binding(",".join(key.keys), key.action, key.label, show=False, id=key.id, priority=key.is_priority)]
    return [
        Binding(
            name, key.action.format(key=name), key.label, show=False, id=f"{key.id}_{name}", priority=key.is_priority
        )
        for name in key.keys
    ]
