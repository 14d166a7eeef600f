"""Redis: the published state and its events, the lease, and the reader that the command line uses.

Entry points: `state.RedisState` for the daemon, `reader.RedisStateReader` for those who only read. `documents.py` and
`published_values.py` are the two directions of the same contract (docs/redis.md), `lease_states.py` says what may be
believed of the lease. Redis is for telling, not for knowing (invariant 9): whatever fails here holds back no stop.
"""
