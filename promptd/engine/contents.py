"""What is known of contents, whatever file or revision has them: shared by all workspaces of one daemon.

Texts, parses and token counts are keyed by digest, so that an unchanged file costs nothing in a second
workspace. What depends on a whole library (variants of components, whose choice rests on its word
frequencies) is not shared.
"""

from promptd.config import Config
from promptd.core.tokens.segments import Segments
from promptd.engine.cache import Cache
from promptd.engine.tokenizer import Tokenizer
from promptd.sources.loader import SharedParses


class Contents:
    """Texts by digest, parses by dialects and digest, counts by segment; used from one thread."""

    def __init__(self, config: Config, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.segments = Segments(tokenizer.count_many, is_additive=tokenizer.is_additive)
        self.texts: Cache[str, str] = Cache(config.cache.entries, config.cache.size)
        self.parses = SharedParses()

    def __repr__(self) -> str:
        return f"<Contents {len(self.texts)} texts, {self.segments!r}>"
