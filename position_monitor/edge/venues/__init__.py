"""One venue per module: each implements `edge.exchange.Exchange`."""
