"""The benchmark of `promptd bench`: how fast promptd is on this library, on this machine, today.

Four stages, each a file: `loading` (against a plain loader, in this process), `reduction` (tokens that each
strategy removes, in this process), `caching` and `latency` (requests to a daemon of its own over a real
socket). `results` has what they return, `candidates` finds the prompts, `mix` has the requests, `load` the
client, `judging` the targets and the grade, `suite` the order, `command` the tables. Every figure is measured
in the run that prints it; what could not be measured is None and is not judged. The user's own daemon is not
touched.
"""
