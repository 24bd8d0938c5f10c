"""Fitting a prompt to what was asked: a strategy, a budget, an order that caches well, a provider's format.

`tree` knows the pieces of a skeleton; `whole_prompt` runs one through a strategy; `variants`, `options`,
`knapsack` and `allocate` choose for each piece what a budget allows; `stable_first` and `providers` serve
prompt caching. All pure: counters, inverse document frequencies and budgets come in as arguments.
"""
