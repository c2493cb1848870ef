"""Gridwright's engine: it keeps a ladder of limit orders on an exchange, and true books of them.

Start reading here. An event comes in; ``core`` decides; ``runtime`` reserves the slots,
journals the intent and only then acts; what the exchange answers is an event again:

    exchange -> runtime.coordinator -> core decides -> manager reserves -> journal -> executor -> exchange

``model``     words: frozen values, standard library only
``core``      decisions: plain functions; no clock, dice, file, log or network
``exchange``  ports: the outside in our words; the simulated exchange
``runtime``   acts: locks, slot manager, coordinator, executor, journal, supervision
``remote``    the control socket: the same client interface from another process
``settings``  config.toml to Settings and back, every problem at once
``api``       the one door: ``embed()`` or ``connect()`` gives a client

``engine/DESIGN.md`` has the invariants, the lock table and the dated decisions.
"""
