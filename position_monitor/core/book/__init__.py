"""From a policy's exits and what rests to the book that should rest, and the difference between the two.

Entry point: `desired_book.compared_book`. The invariants of a book live here: the ratchet (8), the two layers of a
stop, sizes and parts, the venue's capacity, the user's own orders (5).
"""
