"""The command line: renders what others decided. Data on stdout, talk on stderr."""
