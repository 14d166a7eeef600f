"""The venue's WebSocket streams: what happened to the account, and the prices of the mark.

Entry points: `user_stream.UserStream` and `mark_stream.MarkStream`; both are built on the line in `websocket.py`, which
connects again for ever and says when it was cut. A stream wakes the daemon and serves the fast path. Without any stream
everything still works, only later: no decision waits for one.
"""
