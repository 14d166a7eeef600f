"""The venue's WebSocket streams: what happened to the account, and the prices of the mark.

A stream wakes the daemon and serves the fast path; everything holds without it, only later.
"""
