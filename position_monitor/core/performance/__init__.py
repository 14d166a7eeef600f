"""What every exit was worth: the record of a closed position, made from what the venue says of it (exits.md 8).

Entry points: `lives.lives_of` (fills to positions from flat to flat), `making.record_of` (one life to one `Record`)
and `summary.summary_of` (many records to totals). `facts.py` has the venue's rows as plain values. What only a process
can have watched comes in as `Watched`; what is not known is None and is named in the notes, never made up.
"""
