"""A real exchange's words in ours: pure translation, and the habits of single exchanges.

Nothing here imports the client library; ``engine/exchange/ccxt_exchange.py`` alone does.
"""
