"""The suite can fail: a stub breaks every promise, and each lie of an adapter breaks the promise about it."""

import pytest

from engine.model.errors import GridwrightError
from tests.exchange.contract.harness import SPOT, SWAP, Need, Promise
from tests.exchange.contract.lies import LIES, Lie, lying
from tests.exchange.contract.promises import PROMISES
from tests.exchange.contract.running import in_virtual_time
from tests.exchange.contract.stub import stub

Broken = (AssertionError, pytest.fail.Exception)
"""What a check says of a promise that is not kept."""


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.name)
def test_a_stub_breaks_every_promise(promise: Promise) -> None:
    market = SWAP if promise.need is Need.SWAP else SPOT
    with pytest.raises(Broken):
        in_virtual_time("stub", stub, market).keep(promise)


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: f"{lie[0].__name__}-{lie[2]}")
def test_a_lie_breaks_the_promise_about_it(lie: Lie) -> None:
    kind, market, name = lie
    (promise,) = (promise for promise in PROMISES if promise.name == name)
    with pytest.raises((*Broken, GridwrightError)):
        in_virtual_time(kind.__name__, lying(kind), market).keep(promise)
