"""An exchange that looks, whenever it is asked for something, whether who asks holds a lock: none may."""

from asyncio import current_task
from collections.abc import Awaitable, Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from engine.exchange.port import Exchange
from engine.runtime.locks import _held_by_task

E = TypeVar("E")
REQUESTS = frozenset(name for name, member in vars(Exchange).items() if iscoroutinefunction(member)) - {"run"}
spans: list[str] = []
"""Every request that was made under a lock, in words; the session fails when it ends with any."""


def audited(kind: type[E]) -> type[E]:
    """Class decorator: a request made by a task that holds a lock fails, and is remembered in ``spans``."""
    for name in sorted(REQUESTS):
        method = getattr(kind, name, None)
        if method is not None:
            setattr(kind, name, _audited(name, method))
    return kind


def _audited(name: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(method)
    async def request(*args: Any, **named: Any) -> Any:
        task = current_task()
        held = _held_by_task.get(task, []) if task is not None else []
        if held:
            spans.append(f"{name} was asked of the exchange while holding {' and '.join(lock.name for lock in held)}")
            raise AssertionError(spans[-1])
        return await method(*args, **named)

    return request
