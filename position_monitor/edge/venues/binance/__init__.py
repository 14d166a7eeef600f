"""Binance USDⓈ-M futures: the only place that knows its endpoints, fields, numbers and clocks.

Entry points: `connect.connect` for a real connection, `venue.BinanceUsdm` over any other. `rows.py` and the modules
named `..._rows.py` read what it answers, strictly: what is not understood is refused, not guessed (invariant 6).
`writes.py` makes requests, `codes.py` and `failures.py` classify what it says no to, `events.py` reads its stream,
`traits.py` says what it grants and charges.
"""
