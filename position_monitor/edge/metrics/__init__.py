"""Showing figures to Prometheus: as text, in a file, and at a port of this host."""
