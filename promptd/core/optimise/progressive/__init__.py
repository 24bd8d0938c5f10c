"""Progressive disclosure: included text becomes one-line references, and nothing is ever rewritten.

`sections` finds what can be fetched by itself, `staying` what of it has to stay in the prompt, `forms` how a
component or a section looks when it is referenced, and `refer` chooses by the knapsack of the budgets. Pure:
texts, counters and inverse document frequencies come in as arguments.
"""
