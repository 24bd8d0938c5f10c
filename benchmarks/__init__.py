"""Measurements. `make bench` writes the table of docs/performance.md; nothing here is installed."""
