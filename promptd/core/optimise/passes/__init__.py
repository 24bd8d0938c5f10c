"""Token passes: each a small pure function from a page to edits. `PASSES` is what strategies choose from."""
