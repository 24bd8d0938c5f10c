"""`report`: one self-contained HTML page about a daemon.

`command` reads the snapshot and the history and writes the file; `page` is the page, `charts` and `depmap`
are its SVG, `style.css` its looks. Page, charts and map are pure: values in, text out. Nothing is loaded from
anywhere: no script, no font, no image. Every text that comes from a library is escaped.
"""
