"""`python -m position_monitor` is the command line."""

from __future__ import annotations

import sys

from position_monitor.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
