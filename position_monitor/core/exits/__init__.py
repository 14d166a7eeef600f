"""Exit policies: where a position should get out.

Entry point: `policy.levels_for`. A policy sees a position, its instrument, settings and advice; it names prices and
where they came from. It cannot name an order, so it can neither remove nor leave one (invariant 14).
"""
