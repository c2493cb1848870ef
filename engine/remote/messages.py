"""The words on the control socket: JSON lines, one request, one reply, checked in full on both sides.

    server -> {"gridwright": "0.1.0", "protocol": 1}
    client -> {"op": "snapshot", "id": 1}
              {"op": "events", "id": 2, "after": 17, "limit": 200}
              {"op": "send", "id": 3, "command": "freeze", "arguments": {"grid": "btc", "slot": 4}}
              {"op": "preflight", "id": 4, "grid": "btc"}
              {"op": "preview", "id": 5, "grid": "btc", "change": {"upper": "70000", "slots": 45}}
    server -> {"id": 1, "ok": ...} | {"id": 1, "error": {"kind": "refused", "message": "..."}}

Amounts travel as decimal strings. A reply to what could not be read has the id null.
"""

import re
from decimal import Decimal
from enum import StrEnum
from math import isfinite
from typing import Annotated, Any

import msgspec

from engine.model.commands import (
    Command,
    CommandDone,
    EditGrid,
    Freeze,
    GridChange,
    LiftBlock,
    Panic,
    Pause,
    Reconcile,
    Resolve,
    Resume,
    SetSpeed,
    Shutdown,
    Stop,
    Thaw,
)
from engine.model.ids import SLOTS_MAX
from engine.model.preflight import EditPreview, Preflight
from engine.model.snapshot import EngineEvent, EngineSnapshot

PROTOCOL = 1
REQUEST_BYTES_MAX = 64 * 1024
REPLY_BYTES_MAX = 64 * 1024 * 1024
EVENTS_MAX = 1000
_GRID_NAME_MAX = 32
_QUESTION_NAME_MAX = 64
_AMOUNT = re.compile(r"[0-9]{1,40}(\.[0-9]{1,40})?(E[+-][0-9]{1,2})?")
"""A price or a size as ``str`` writes a Decimal; its digits are bounded, so that reckoning with it is."""

COMMAND_BY_NAME: dict[str, type[Command]] = {
    "pause": Pause,
    "resume": Resume,
    "freeze": Freeze,
    "thaw": Thaw,
    "stop": Stop,
    "set_speed": SetSpeed,
    "reconcile": Reconcile,
    "resolve": Resolve,
    "panic": Panic,
    "lift": LiftBlock,
    "edit": EditGrid,
    "shutdown": Shutdown,
}
_NAME_BY_COMMAND = {command: name for name, command in COMMAND_BY_NAME.items()}

_Id = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class ErrorKind(StrEnum):
    """Why a request was not done."""

    BAD_REQUEST = "bad_request"
    """It cannot be read, or asks for something that does not exist."""
    REFUSED = "refused"
    """The command makes no sense now."""
    STOPPED = "stopped"
    """The engine has ended."""
    BUSY = "busy"
    """There are too many connections."""
    FAILED = "failed"
    """The engine tried and failed."""


class Hello(msgspec.Struct, frozen=True):
    """The server's first line: the version of the program and of these messages."""

    gridwright: str
    protocol: int


class SnapshotRequest(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="snapshot", forbid_unknown_fields=True
):
    """The engine as it is now."""

    id: _Id


class EventsRequest(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="events", forbid_unknown_fields=True
):
    """The newest events above ``after``."""

    id: _Id
    after: Annotated[int, msgspec.Meta(ge=-1, lt=2**62)] = -1
    limit: Annotated[int, msgspec.Meta(ge=1, le=EVENTS_MAX)] = 200


class SendRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="send", forbid_unknown_fields=True):
    """Do a command."""

    id: _Id
    command: str
    arguments: dict[str, Any]


class ChangeBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A change of a grid; amounts are decimal strings, what is left out stays as it is."""

    lower: str | None = None
    upper: str | None = None
    slots: int | None = None
    size: str | None = None


class EditBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of the command ``edit``."""

    grid: str
    change: ChangeBody


class PreflightRequest(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="preflight", forbid_unknown_fields=True
):
    """The grid as it would be started now."""

    id: _Id
    grid: str


class PreviewRequest(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="preview", forbid_unknown_fields=True
):
    """What a live edit would do."""

    id: _Id
    grid: str
    change: ChangeBody


Request = SnapshotRequest | EventsRequest | SendRequest | PreflightRequest | PreviewRequest


class ErrorBody(msgspec.Struct, frozen=True):
    """``message`` is for a person, in one line."""

    kind: ErrorKind
    message: str


class Reply(msgspec.Struct, frozen=True):
    """What comes back; ``ok`` is left raw until it is known what was asked."""

    id: int | None
    ok: msgspec.Raw = msgspec.Raw(b"null")
    error: ErrorBody | None = None


class BadRequest(ValueError):
    """The line is not a request; ``str()`` says what is wrong with it."""


def encode_line(message: object) -> bytes:
    """A message as one line; text that is not Unicode is refused with ``ValueError``."""
    return msgspec.json.encode(message) + b"\n"


def ok_line(
    request_id: int, result: EngineSnapshot | list[EngineEvent] | CommandDone | Preflight | EditPreview
) -> bytes:
    """The reply to a request that was done."""
    return encode_line({"id": request_id, "ok": result})


def error_line(request_id: int | None, kind: ErrorKind, message: str) -> bytes:
    """The reply to a request that was not done."""
    return encode_line({"id": request_id, "error": ErrorBody(kind, message)})


def request_from_line(line: bytes) -> Request:
    """Read a request.

    Raises:
        BadRequest: anything but a well-formed request.
    """
    try:
        request: Request = _REQUESTS.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"not a request: {error}") from None
    return request


def send_request(request_id: int, command: Command) -> SendRequest:
    """The request to do ``command``."""
    return SendRequest(id=request_id, command=_NAME_BY_COMMAND[type(command)], arguments=msgspec.to_builtins(command))


def body_from_change(change: GridChange) -> ChangeBody:
    """A change as it travels."""
    return ChangeBody(
        lower=None if change.lower is None else str(change.lower),
        upper=None if change.upper is None else str(change.upper),
        slots=change.slots,
        size=None if change.size is None else str(change.size),
    )


def grid_from_request(request: PreflightRequest | PreviewRequest) -> str:
    """The grid that is asked about. Raises ``BadRequest`` where that can be no name."""
    _check_grid(request.grid)
    return request.grid


def change_from_body(body: ChangeBody) -> GridChange:
    """A change as it arrived, every figure checked by itself.

    Raises:
        BadRequest: one of them can be no price, size or number of slots.
    """
    if body.slots is not None and not 1 <= body.slots <= SLOTS_MAX:
        raise BadRequest(f"expected from 1 to {SLOTS_MAX} slots, found {body.slots}")
    return GridChange(
        lower=_amount("lower", body.lower),
        upper=_amount("upper", body.upper),
        slots=body.slots,
        size=_amount("size", body.size),
    )


def _amount(name: str, text: str | None) -> Decimal | None:
    if text is None:
        return None
    value = Decimal(text) if _AMOUNT.fullmatch(text) else Decimal(0)
    if value <= 0:
        raise BadRequest(f"{name}: expected a decimal number above 0 as a string, found {text[:40]!r}")
    return value


def command_from_request(request: SendRequest) -> Command:
    """The command of a request, every argument checked.

    Raises:
        BadRequest: an unknown command, a missing, unknown or impossible argument.
    """
    kind = COMMAND_BY_NAME.get(request.command)
    if kind is None:
        known = ", ".join(COMMAND_BY_NAME)
        raise BadRequest(f"expected a command of {known}, found {request.command[:40]!r}")
    unknown = sorted(request.arguments.keys() - set(kind.__dataclass_fields__))
    if unknown:
        raise BadRequest(f"{request.command} has no argument {unknown[0][:40]!r}")
    try:
        command = _converted(request.arguments, kind)
    except msgspec.ValidationError as error:
        raise BadRequest(f"{request.command}: {error}") from None
    _check(command)
    return command


def _converted(arguments: dict[str, Any], kind: type[Command]) -> Command:
    if kind is EditGrid:
        # By way of a body, which refuses fields that it does not know and amounts that are not strings.
        body = msgspec.convert(arguments, EditBody)
        return EditGrid(grid=body.grid, change=change_from_body(body.change))
    return msgspec.convert(arguments, kind)


def reply_from_line(line: bytes) -> Reply:
    """Read a reply. Raises ``ValueError``."""
    return _REPLIES.decode(line)


def hello_from_line(line: bytes) -> Hello:
    """Read the server's first line. Raises ``ValueError``."""
    return _HELLOS.decode(line)


def snapshot_from_raw(raw: msgspec.Raw) -> EngineSnapshot:
    """Read the result of a snapshot request. Raises ``ValueError``."""
    return _SNAPSHOTS.decode(raw)


def events_from_raw(raw: msgspec.Raw) -> list[EngineEvent]:
    """Read the result of an events request. Raises ``ValueError``."""
    return _EVENTS.decode(raw)


def done_from_raw(raw: msgspec.Raw) -> CommandDone:
    """Read the result of a command. Raises ``ValueError``."""
    return _DONE.decode(raw)


def preflight_from_raw(raw: msgspec.Raw) -> Preflight:
    """Read the result of a pre-flight request. Raises ``ValueError``."""
    return _PREFLIGHTS.decode(raw)


def preview_from_raw(raw: msgspec.Raw) -> EditPreview:
    """Read the result of a preview request. Raises ``ValueError``."""
    return _PREVIEWS.decode(raw)


def _check(command: Command) -> None:
    match command:
        case Pause() | Resume() | Stop() | Reconcile() | Panic() | LiftBlock() | EditGrid():
            _check_grid(command.grid)
        case Freeze() | Thaw():
            _check_grid(command.grid)
            if not 0 <= command.slot < SLOTS_MAX:
                raise BadRequest(f"expected a slot from 0 to {SLOTS_MAX - 1}, found {command.slot}")
        case Resolve():
            _check_grid(command.grid)
            if not 1 <= len(command.name) <= _QUESTION_NAME_MAX:
                raise BadRequest(f"expected the id of a question, at most {_QUESTION_NAME_MAX} characters long")
        case SetSpeed():
            if not isfinite(command.speed) or command.speed < 0:
                raise BadRequest(f"expected a finite speed of at least 0, found {command.speed}")
        case Shutdown():
            pass


def _check_grid(name: str) -> None:
    if not 1 <= len(name) <= _GRID_NAME_MAX:
        raise BadRequest(f"expected the name of a grid, at most {_GRID_NAME_MAX} characters long")


_REQUESTS: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_REPLIES = msgspec.json.Decoder(Reply)
_HELLOS = msgspec.json.Decoder(Hello)
_SNAPSHOTS = msgspec.json.Decoder(EngineSnapshot)
_EVENTS = msgspec.json.Decoder(list[EngineEvent])
_DONE = msgspec.json.Decoder(CommandDone)
_PREFLIGHTS = msgspec.json.Decoder(Preflight)
_PREVIEWS = msgspec.json.Decoder(EditPreview)
