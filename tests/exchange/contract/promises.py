"""All promises, in the order of the telling."""

from tests.exchange.contract import promises_account, promises_orders, promises_stream, promises_swaps
from tests.exchange.contract.harness import PROMISES

__all__ = ["PROMISES", "promises_account", "promises_orders", "promises_stream", "promises_swaps"]
