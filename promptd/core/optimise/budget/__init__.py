"""Fitting a prompt to what was asked: a strategy, a budget, an order that caches well, a provider's form.

`shape` knows the pieces of a skeleton as a tree; `whole` puts one through a strategy; `variants`, `knapsack`
and `allocate` choose for each piece what a budget allows; `stable` and `forms` serve prompt caching; `cost`
says what it saves. All pure: counters, word worths, prices and budgets come in as arguments.
"""
