"""Binance USD-M futures: the only place that knows its endpoints, fields, numbers and clocks."""
