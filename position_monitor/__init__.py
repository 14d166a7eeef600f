"""quantum-position-monitor: no open perpetual-futures position is ever without a stop."""

__version__ = "0.1.0"
