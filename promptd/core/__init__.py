"""Parsing, the library and its graph, assembly, token counts and optimisation.

Pure: no clock, file, socket or event loop; bytes, times and numbers come in as arguments.
"""
