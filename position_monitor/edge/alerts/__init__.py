"""Calling somebody: each way a message goes out, with time-outs and bounds, and with no address in any text.

`targets.py` sends one message to one target, `apprise_child.py` is the process that runs the library apprise,
`delivery.py` queues and tries again. Nothing in here is on the way to a stop: it has tasks of its own, and what cannot
be sent is dropped.
"""
