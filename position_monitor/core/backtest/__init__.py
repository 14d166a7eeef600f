"""What the live exit policies would have made of past candles, without flattering them (exits.md 4.10, 4.11, 5).

Entry point: `running.backtest`. Positions of a list of entries are walked through the candles of their symbol. The
decisions are those of the daemon: `core/exits` and `core/book` are asked, on a book of orders that is simulated
(`simulated_position.py`). What is not known of a candle, the order of its extremes, is taken against the position in
the headline and for it in the bound (`walk.py`); both are shown. Between two decisions the walk skips to the next
candle that can change anything (`band.py`, `extremes.py`).
"""
