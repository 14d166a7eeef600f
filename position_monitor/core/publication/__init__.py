"""What is told: the published state, events of writes, sentences. The last step, and never an input.

Entry points: `position_state.published_positions` for the state of positions, `announce` for events of writes and
reads, `sentence` for the journal. All are made from judgements and from what `decision/history.py` keeps of them.
Nothing here says more than the read that it comes from (invariants 6 and 17).
"""
