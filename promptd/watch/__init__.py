"""Seeing changes early: events from the operating system in, settled batches out. A hint, never the truth."""
