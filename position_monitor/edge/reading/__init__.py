"""From the answers of a venue to one observation of the account.

Entry point: `observer.Observer`, whose `account`, `symbols` and `fresh` are the looks of a cycle, of a round and of a
removal. `schedule.py` decides what is read now, from times and from what reads cost; `patience.py` and
`pending_reads.py` see to it that an answer that is late holds up nobody else (invariant 12). What was not read is named
as missing in the observation; nothing is concluded from it (invariant 7).
"""
