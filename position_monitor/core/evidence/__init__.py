"""What may be believed, learned from reads, from events and from our own writes.

Entry points: `learning.after_read`, `outcome.after_outcome`, `endings.after_word`; `evidence.Evidence` is the value
they carry on. Evidence is immutable, bounded and lost on restart by design: losing it only makes the daemon more
careful. Adding a stop needs none of it; removing needs much (invariants 2 and 7).
"""
