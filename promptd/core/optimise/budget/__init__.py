"""Fitting a prompt to what was asked: a strategy, a budget, an order that caches well, a provider's format.

`tree` knows the pieces of a skeleton; `whole_prompt` runs one through a strategy; `candidates` takes the
weakest that fits and `undo` takes back of it what there is room for; `variants`, `options`, `knapsack` and
`allocate` choose for each piece what a budget allows; `cut` and `filling` use up what that leaves;
`stable_first` and `providers` serve prompt caching. All pure: counters, inverse document frequencies and
budgets come in as arguments.
"""
