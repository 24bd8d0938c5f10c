"""`top`: a live view of a daemon in a terminal.

`command` is the loop (ask, draw, wait for a key), `state` what is looked at and what a key does to it,
`screen` how it is drawn, `keyboard` the terminal's side. State and screen are pure: they know neither a
socket nor a terminal.
"""
