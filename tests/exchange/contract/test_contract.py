"""Every exchange keeps every promise of the port: one suite, run unchanged on all of them."""

import pytest

from tests.exchange.contract.harness import Implementation, Promise
from tests.exchange.contract.implementations import IMPLEMENTATIONS
from tests.exchange.contract.promises import PROMISES

PAIRS = [
    pytest.param(implementation, promise, id=f"{implementation.name}: {promise.name}".replace(" ", "_"))
    for implementation in IMPLEMENTATIONS
    for promise in PROMISES
    if implementation.can(promise.need)
]


@pytest.fixture
def exchange_under_test(request: pytest.FixtureRequest) -> Implementation:
    """One exchange that has to keep the promises."""
    implementation: Implementation = request.param
    return implementation


@pytest.mark.parametrize("exchange_under_test, promise", PAIRS, indirect=["exchange_under_test"])
def test_an_exchange_keeps_its_promise(exchange_under_test: Implementation, promise: Promise) -> None:
    exchange_under_test.keep(promise)
