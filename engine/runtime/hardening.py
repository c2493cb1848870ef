"""The process made hard to read from outside, before keys are in its memory: no core dump, no peeking.

Where the system has no such thing the process runs as it is; what could not be done is told, not raised.
"""

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4
"""Source: prctl(2); with 0 there is no core dump, and no other process of this user can attach to this one."""


def harden_process() -> tuple[str, ...]:
    """Forbid core dumps, and on Linux that others look into this process's memory; what could not be done."""
    return tuple(trouble for trouble in (_without_core_dumps(), _without_onlookers()) if trouble)


def _without_core_dumps() -> str:
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError) as error:
        return f"core dumps: expected to forbid them, found: {error}"
    return ""


def _without_onlookers() -> str:
    if sys.platform != "linux":
        return ""
    try:
        answer = ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (OSError, AttributeError) as error:
        return f"memory: expected to close it to other processes, found: {error}"
    return "" if answer == 0 else f"memory: expected to close it to other processes, found: error {ctypes.get_errno()}"
