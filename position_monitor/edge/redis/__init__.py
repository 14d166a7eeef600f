"""Redis: the published state and its events, the lease, and the reader that the command line uses.

Redis is for telling, not for knowing (invariant 9): whatever fails here holds back no stop.
"""
