"""What to do now: the case of each position, the plan of each symbol, the gate before each write, the verdict.

Entry points: `decide.decide` for a cycle, `event_view.stops_from_event` for an event, `guard.approve_place` and its
like for the gate, `history.after_judging` and `risk.account_risk` for how the positions and the account stand. Stops
come before take-profits, and removals last (invariants 2 and 3). The gate derives the invariants anew from the
observation; only what it approved can reach the exchange.
"""
