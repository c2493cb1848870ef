"""Steering a loopback exchange from outside: one JSON command in, one JSON answer out.

Commands, by ``do``: ``print`` (market, price, amount?), ``place`` and ``cancel`` (an order of the account's owner,
by hand), ``faults`` (chances, values), ``script`` (request, fault, times), ``storm`` (level), ``calm``, ``cut``,
``disconnect``, ``deposit`` (currency, amount), ``permissions``, ``truth``, ``checksum``, ``counts``, ``requests``,
``told`` (the private reports, each with its fate), and of swaps ``funding`` (market, rate, price?) and ``liquidate``
(market).
"""

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.loopback.faults import Fault
from tests.loopback.venue import NewOrder, Side

if TYPE_CHECKING:
    from tests.loopback.server import LoopbackServer

Command = dict[str, Any]


def obey(server: "LoopbackServer", command: Command) -> Command:
    """Do one command. Raises ``ValueError`` for one that is not known."""
    do = _COMMANDS.get(str(command.get("do")))
    if do is None:
        raise ValueError(f"expected one of {', '.join(_COMMANDS)}, found {command.get('do')!r}")
    return do(server, command) or {"ok": True}


def _print(server: "LoopbackServer", command: Command) -> None:
    amount = command.get("amount")
    server.venue.print_trade(command["market"], Decimal(command["price"]), None if amount is None else Decimal(amount))


def _place(server: "LoopbackServer", command: Command) -> Command:
    order = server.venue.place(
        NewOrder(
            market=command["market"],
            side=Side(command["side"]),
            amount=Decimal(command["amount"]),
            price=Decimal(command["price"]),
            client_id=command["client_id"],
        )
    )
    return {"order_id": order.order_id}


def _cancel(server: "LoopbackServer", command: Command) -> None:
    server.venue.cancel(command["market"], client_id=command["client_id"])


def _faults(server: "LoopbackServer", command: Command) -> None:
    for name, chance in command.get("chances", {}).items():
        server.faults.set_chance(Fault(name), chance)
    for name, value in command.get("values", {}).items():
        if not hasattr(server.faults, name):
            raise ValueError(f"expected a value of the faults, found {name!r}")
        setattr(server.faults, name, value)


def _script(server: "LoopbackServer", command: Command) -> None:
    server.faults.script(command["request"], Fault(command["fault"]), command.get("times", 1))


def _storm(server: "LoopbackServer", command: Command) -> None:
    server.faults.storm(command.get("level", 1.0))


def _calm(server: "LoopbackServer", command: Command) -> None:
    server.faults.calm()


def _cut(server: "LoopbackServer", command: Command) -> None:
    server.cut()


def _disconnect(server: "LoopbackServer", command: Command) -> None:
    server.disconnect()


def _deposit(server: "LoopbackServer", command: Command) -> None:
    server.venue.deposit(command["currency"], Decimal(command["amount"]))


def _permissions(server: "LoopbackServer", command: Command) -> None:
    for name in ("may_read", "may_trade", "may_withdraw", "is_ip_bound"):
        if name in command:
            setattr(server.permissions, name, bool(command[name]))


def _truth(server: "LoopbackServer", command: Command) -> Command:
    return {"truth": server.venue.truth(), "checksum": server.venue.checksum()}


def _checksum(server: "LoopbackServer", command: Command) -> Command:
    return {"checksum": server.venue.checksum()}


def _counts(server: "LoopbackServer", command: Command) -> Command:
    return {
        "faults": dict(server.faults.counts),
        "requests": dict(Counter(line.name.value for line in server.requests)),
        "streams": len(server.sockets),
        "errors": [repr(error) for error in server.errors],
    }


def _told(server: "LoopbackServer", command: Command) -> Command:
    newest = list(server.told)[-int(command.get("newest", 100)) :]
    return {"told": [{"at_ms": each.at_ms, "fate": each.fate, "message": each.message} for each in newest]}


def _requests(server: "LoopbackServer", command: Command) -> Command:
    newest = list(server.requests)[-int(command.get("newest", 100)) :]
    return {
        "requests": [
            {
                "name": line.name.value,
                "method": line.method,
                "path": line.path,
                "params": {key: value for key, value in line.params.items() if key != "signature"},
                "at_ms": line.at_ms,
                "executed": line.executed,
                "fault": line.fault and line.fault.value,
                "status": line.status,
            }
            for line in newest
        ]
    }


def _funding(server: "LoopbackServer", command: Command) -> Command:
    price = command.get("price")
    paid = server.venue.settle_funding(
        command["market"], Decimal(command["rate"]), None if price is None else Decimal(price)
    )
    return {"amount": str(paid.amount)}


def _liquidate(server: "LoopbackServer", command: Command) -> Command:
    from tests.loopback.bybit import Bybit

    if not isinstance(server.protocol, Bybit):
        raise ValueError(f"expected an exchange with swaps, found {server.protocol.name}")
    closed = server.protocol.liquidate(command["market"])
    return {"order_id": closed and closed.order_id}


_COMMANDS = {
    "print": _print,
    "place": _place,
    "cancel": _cancel,
    "faults": _faults,
    "script": _script,
    "storm": _storm,
    "calm": _calm,
    "cut": _cut,
    "disconnect": _disconnect,
    "deposit": _deposit,
    "permissions": _permissions,
    "truth": _truth,
    "checksum": _checksum,
    "counts": _counts,
    "requests": _requests,
    "told": _told,
    "funding": _funding,
    "liquidate": _liquidate,
}
