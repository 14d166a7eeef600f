"""The page: the protection of accounts on one screen, from Redis alone. A process of its own that can change nothing.

It imports nothing of the daemon but the readers of the contract and the values they give (`tests/test_layers.py`). What
the page cannot show from Redis is missing in the contract. Everything that stands in Redis is text of somebody's.

`watching` reads, `levels` and `documents` make values of it, `fragments` draws, `board` keeps what is newest,
`server` answers.
"""
