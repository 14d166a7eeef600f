"""Requests over HTTP: the transport under ccxt, the budget of request weight, and bounded JSON services.

Nothing is sent without leave of `rate_budget.py`; no body is read further than its limit (invariant 10).
"""
