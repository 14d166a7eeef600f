"""The pure core: decisions only. No I/O, no clock, no randomness, no logging; standard library only."""
