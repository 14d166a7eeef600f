"""Exit policies: where a position should get out (DESIGN 9).

Entry point: `policies.exits_for`. A policy is all of the policy: everything it may know is in the `ExitView`, and
everything it wants is in the `Exits` it returns. It names prices and where they came from. It cannot name an order, so
it can neither remove nor leave one (invariant 14).

Each policy has a file of its own (`static.py`, `hybrid.py`, `dynamic.py`, `brain.py` with `choice.py`) and is chosen by
the one table in `policies.py`, which gives the floor where a policy fails (S14). The last two share `in_r.py`: they
count in R. All are made of shared pieces: `advice.py` and `distances.py` (how far, in percent or in R), `levels.py`
(from the entry, or anchored to the mark), `liquidation.py` (never too near the liquidation price), `permitted.py`
(prices the venue takes), `targets.py`, `crossed_rungs.py`, `kept_ladders.py` (what may stay where it rests),
`locks.py`, `trail.py`, `time_stop.py`, `stepped_back.py`, `resting_stop.py`, `breach.py`, and `answer.py`, which makes
the `Exits`. What rests, in how many orders and in which size is the business of `core/book`.
"""
