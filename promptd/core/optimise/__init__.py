"""Strategies and budgets: fewer tokens, with what was removed and what it cost in the account."""
