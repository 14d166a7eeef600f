"""The thin edges: one external system per module; foreign failures become ours here."""
