"""The reads of a look: what to ask the venue for, and what came back, as one observation of the account."""
