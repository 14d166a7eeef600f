"""Records of closed positions: watched, read of the venue, and kept in Redis, all beside the loop that protects.

`watching.py` is told what the loop sees anyway, and never waits. `reading.py` asks the venue about one symbol.
`keeping.py` is the task that brings both together, again and again until a record is final. Nothing that protects asks
any of them, and a defect here ends only this task's turn.
"""
