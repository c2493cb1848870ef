"""Every exchange that keeps the promises."""

from functools import partial

from tests.exchange.contract.harness import SPOT, SWAP
from tests.exchange.contract.harness_ccxt import through_ccxt
from tests.exchange.contract.harness_paper import paper
from tests.exchange.contract.harness_simulated import simulated
from tests.exchange.contract.running import in_real_time, in_virtual_time

IMPLEMENTATIONS = (
    in_virtual_time("simulated spot", simulated, SPOT),
    in_virtual_time("simulated swap", simulated, SWAP),
    in_virtual_time("paper spot", paper, SPOT),
    in_virtual_time("paper swap", paper, SWAP),
    in_real_time("ccxt on binance", partial(through_ccxt, "binance", SPOT), SPOT),
    in_real_time("ccxt on bybit", partial(through_ccxt, "bybit", SPOT), SPOT),
    in_real_time("ccxt on bybit swap", partial(through_ccxt, "bybit", SWAP), SWAP),
)
