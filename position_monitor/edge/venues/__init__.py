"""One room per venue. Each gives an `edge.exchange.Exchange` with its traits, and keeps its own numbers to itself.

A venue translates in both directions: its rows become orders and positions in the words of the core, with a tag on what
is ours; its error numbers become a `Refusal`, once. `transport.py` is what a venue needs of a connection.
"""
