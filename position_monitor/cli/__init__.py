"""The command line: it renders what others decided, and decides nothing. Data on stdout, talk on stderr.

Entry point: `main.main`. One module per command, each with a function `execute` that returns the exit code
(`exit_codes.py`, docs/operations.md).
"""
