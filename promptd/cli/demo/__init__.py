"""The libraries that ship inside the package, as data: nothing here is imported or run.

`library/` is what `promptd demo` serves, a small but realistic team library that uses every dialect;
`starter/` is what `promptd init` writes. Both are copied out before use, never served in place.
"""
