"""The paper exchange: a local, strict, Binance-USD-M-compatible venue.

`engine` and everything it imports is pure (no sockets, no clock, no ambient
randomness): the same seed and the same calls give the same world.  `server`
puts HTTP and WebSocket edges around it.
"""
