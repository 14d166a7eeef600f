"""The room for drawing: SVG charts, tables and whole pages as text. Pure: no file, no clock, no network, no script.

Every text that is given is escaped by construction (`markup.py`). Colours follow the scheme of the reader's system and
are never the only sign: each kind of mark has a shape or a word of its own. `dashboard/` and the reports draw with it.
"""
