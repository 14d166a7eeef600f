"""What closed candles say of a market: volatility, trend, the regime in force; and what the AI engine's words mean.

Entry points: `fold.MarketFold` (one symbol, candle by candle, gives a `MarketState`) and `words.meaning_of`.
Invariants: closed candles only, each once and in order; no history is kept, the state of a symbol has a fixed size;
floats inside, cut to six significant digits and made `Decimal` once a candle (S21); the same candles always give the
same state; whatever is missing or doubtful gives no state and says why, never a guess (S20).
"""
