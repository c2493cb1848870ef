"""Ports: the outside in our words. Foreign errors, ids and numbers are translated here, once."""
