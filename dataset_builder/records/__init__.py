"""Rows of a data set, and the pixels behind them."""
