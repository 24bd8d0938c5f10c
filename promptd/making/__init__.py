"""Making prompts: from a skeleton and a request to the text, its account, and what was saved.

`wish` says what a request asks for, `fitter` holds what outlives one request (words of the library, variants,
sums of savings), `maker` makes one prompt or says what has to be computed first.
"""
