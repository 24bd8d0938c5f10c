"""Exact token counts of assembled prompts: segments, and what later is built on them."""
