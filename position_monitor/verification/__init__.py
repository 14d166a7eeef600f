"""An independent look: what rests at the exchange, compared with what Redis claims (`position-monitor verify`).

This room reads both sides with code of its own: it signs, asks, parses and judges cover without `core`, `edge/venues`
or the daemon, so that a mistake there cannot hide itself here. Of the rest of the program it takes the configuration,
and the connection to Redis with the cleaning of foreign texts. `tests/test_layers.py` holds that. It only reads, and a
key without the right to trade is enough.
"""

from position_monitor.verification.differences import Difference, Kind
from position_monitor.verification.expectations import Expectations
from position_monitor.verification.signed_reads import SignedReads, VenueUnread
from position_monitor.verification.verifying import Report, Verification

__all__ = ["Difference", "Expectations", "Kind", "Report", "SignedReads", "VenueUnread", "Verification"]
