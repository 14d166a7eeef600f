"""The vocabulary: positions, orders, instruments, money and rounding, ids, settings, actions, events, venue traits.

Values and arithmetic, no decisions. Money is `Decimal`; a time is integer ms UTC and its name ends in `_ms`.
An id (`ids.py`) is a pure function of an order's intent (invariant 4).
"""
