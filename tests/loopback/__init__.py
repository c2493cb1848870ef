"""The loopback exchange: an account with exact books behind the real protocols of real exchanges, and every fault.

``server.loopback("binance")`` serves on this loop, ``python -m tests.loopback`` in a process of its own.
``venue.py`` is the truth, ``faults.py`` the switches, ``wire.py`` what a protocol must offer, ``binance.py`` and
``bybit.py`` the protocols. Nothing here knows the engine; clients are the unmodified ccxt.
"""
