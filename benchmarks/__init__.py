"""How fast Gridwright is, as rates and as ratios to yardsticks measured in the same run.

``python -m benchmarks [NAME ...]`` prints one table. Each module has one ``measure()`` that
yields its rows. Machines differ and are shared: read the ratios, then the rates.
"""
