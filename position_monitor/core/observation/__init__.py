"""What was read from the exchange, and what it amounts to: reads, the live book of a position, its stop cover.

Entry points: `reads.SymbolObservation`, `cover.cover_of`. `cover.why_not_cover` is the one predicate of what a stop
is, and `needs.py` the one table of which fact may hold back which deed (invariants 3 and 6). Events of the stream
(`stream_events.py`) are only described here: an event is no read, and no verdict or removal rests on one.
"""
