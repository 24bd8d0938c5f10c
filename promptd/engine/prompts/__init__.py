"""Building prompts: from compiled components and a request to the text, its account, and what was saved.

`options` says what a request asks for, `shared` holds what outlives one request (vocabulary, variants,
sums of savings), `builder` makes one prompt or says what has to be computed first.
"""
