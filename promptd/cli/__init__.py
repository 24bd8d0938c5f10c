"""The command line: one small module for each group of commands, loaded only when it is named.

`app` holds the table of commands and the one place where errors become exit codes. Nothing below
this package imports it, and no module here imports more at its top than click and the standard
library: editors and shells call `promptd assemble` while a person waits.
"""
