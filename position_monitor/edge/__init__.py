"""The thin edges: one external system per room. The failures of others become ours here (`errors.py`).

`exchange.py` is the one view of a venue that everybody else has, `venues/` what implements it. `reading/` makes
observations, `http/`, `streams/` and `redis/` carry, and single modules hold what needs no room: the AI engine, the
backend, the clock, the journal, systemd. An edge decides nothing about orders.
"""
