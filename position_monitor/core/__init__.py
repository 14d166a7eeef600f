"""What is decided, as pure functions: no clock, no chance, no input or output (invariant 11).

Rooms in the order in which they may know each other; none imports from one that stands later:
`model`, then `exits` (sees the model only) and `observation`, then `evidence`, `book`, `decision`, `publication`.
`tests/test_layers.py` holds them to it.
"""
