"""What is told: events, sentences, the published state and its history. The last step, and never an input.

Entry points: `history.after_judging` for the state of positions, `announce` for events, `sentence` for the journal.
Nothing here says more than the read that it comes from (invariants 6 and 17).
"""
