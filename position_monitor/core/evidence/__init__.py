"""What may be believed, learned from reads, from events and from our own writes.

Entry points: `learning.after_read`, `outcome.after_outcome`, `endings.after_word`; each takes an `evidence.Evidence`
and gives the next one. It is made of one `Belief` per position and of the writes that were not read back yet. It is
immutable, bounded and lost on restart by design: losing it only makes the daemon more careful. Adding a stop needs none
of it; removing needs much (invariants 2 and 7). The theory is in docs/evidence.md.
"""
