"""Strategies and budgets: fewer tokens, and an account of what was removed.

Imported when a strategy or a budget is first asked for, but for `strategies` and `records`, which are light.
"""
