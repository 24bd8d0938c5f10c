"""What a user might run in his own process instead: Jinja2 with a token count, and a plain script.

Both read the same library and give the same text; `plain` is what people write first. Jinja2 gets its own
copy of the library with the includes in its own syntax.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.libraries import Served
from benchmarks.servers import Missing
from promptd.engine.tokenizer import Tokenizer

Render = Callable[[Mapping[str, str]], tuple[str, int]]
_INCLUDE = re.compile(r"<include>([^<]+)</include>\n")


def jinja(library: Served, directory: str) -> Render:
    """Jinja2 with auto_reload, and a count of the whole text by tiktoken. Raises Missing."""
    try:
        import jinja2
    except ImportError as problem:
        raise Missing("jinja2 is not installed (pip install '.[bench]')") from problem
    for file in Path(library.directory).rglob("*.md"):
        text = _INCLUDE.sub(r"{% include '\1' %}" + "\n", file.read_text(encoding="utf-8"))
        for variable in library.variables:
            text = text.replace("{%s}" % variable, "{{ %s }}" % variable)  # noqa: UP031 - braces
        copy = Path(directory, file.relative_to(library.directory))
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text, encoding="utf-8")
    loader = jinja2.FileSystemLoader(directory)
    environment = jinja2.Environment(loader=loader, auto_reload=True, keep_trailing_newline=True)
    count = _counter()

    def render(values: Mapping[str, str]) -> tuple[str, int]:
        text = environment.get_template(library.name).render(values)
        return text, count(text)

    return render


def plain(library: Served) -> Render:
    """Read, include, replace, count."""
    count = _counter()

    def expand(name: str) -> str:
        text = Path(library.directory, name).read_text(encoding="utf-8")
        return _INCLUDE.sub(lambda found: expand(found[1]), text)

    def render(values: Mapping[str, str]) -> tuple[str, int]:
        text = expand(library.name)
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return text, count(text)

    return render


def _counter() -> Callable[[str], int]:
    tokenizer = Tokenizer()
    tokenizer.load()
    return tokenizer.count
