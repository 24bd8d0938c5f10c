"""The configuration: what wins, what each mistake says, where socket and state lie, and the example file."""

from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from promptd import config
from promptd.config import Config, FileMode, units
from promptd.config import text as config_text
from promptd.config.renamed import RENAMED
from promptd.config.schema import SECTIONS, LibraryConfig, RootConfig
from promptd.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


@pytest.fixture
def refused(tmp_path: Path) -> Any:
    """Return a function that loads a text which must be refused, and gives the error."""

    def load(text: str, environment: dict[str, str] | None = None) -> ConfigError:
        path = tmp_path / "promptd.toml"
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            config.load(path, environment or {})
        return caught.value

    return load


# -- what wins ------------------------------------------------------------------------------------


def test_everything_works_without_a_file() -> None:
    """No file, no environment, no flags: the documented defaults."""
    loaded = config.load(None, {})
    assert loaded == Config()
    assert (loaded.serve.max_request_bytes, loaded.serve.max_reply_bytes) == (1_048_576, 16_777_216)
    assert (loaded.serve.max_connections, loaded.serve.max_connections_per_uid) == (256, 64)


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    """Each layer replaces single keys and leaves their neighbours to the layer below."""
    path = tmp_path / "promptd.toml"
    path.write_text("[cache]\nentries = 1\nsize = 1\nprompt_entries = 1\n")
    environment = {"PROMPTD_CACHE_ENTRIES": "2", "PROMPTD_CACHE_SIZE": "2"}
    cache = config.load(path, environment, {"cache.entries": 3, "cache.hot_set": None}).cache
    assert (cache.entries, cache.size, cache.prompt_entries, cache.hot_set) == (3, 2, 1, 50)


def test_the_environment_can_say_every_type() -> None:
    """Numbers, truth, lists with commas or as JSON, tables as JSON, roots with colons; empty is unset."""
    loaded = config.load(
        None,
        {
            "PROMPTD_WATCH_ENABLED": "false",
            "PROMPTD_WATCH_RESCAN_INTERVAL": "2.5",
            "PROMPTD_WATCH_DEBOUNCE": "50ms",
            "PROMPTD_CACHE_SIZE": "1GiB",
            "PROMPTD_SERVE_ALLOW_UIDS": "1000, 1001",
            "PROMPTD_SERVE_SOCKET_MODE": "0660",
            "PROMPTD_LIBRARY_SUFFIXES": '[".md"]',
            "PROMPTD_LIBRARY_VARIABLES": '{"company": "ACME"}',
            "PROMPTD_ROOTS": "/a:/b",
            "PROMPTD_CACHE_ENTRIES": "",
            "PROMPTD_SKIP": "not ours",
            "PATH": "/bin",
        },
    )
    assert loaded.watch.enabled is False
    assert (loaded.watch.rescan_interval, loaded.watch.debounce, loaded.cache.size) == (2.5, 50, 1 << 30)
    assert loaded.serve.allow_uids == (1000, 1001)
    assert loaded.serve.socket_mode == 0o660
    assert loaded.library.suffixes == (".md",)
    assert loaded.library.variables == {"company": "ACME"}
    assert [root.path for root in loaded.roots] == ["/a", "/b"]
    assert loaded.cache.entries == 200


def test_roots_as_flags_replace_those_of_the_file(tmp_path: Path) -> None:
    """`promptd serve DIR` serves DIR alone; a table keeps its other keys."""
    path = tmp_path / "promptd.toml"
    path.write_text('[[roots]]\npath = "old"\n')
    loaded = config.load(path, {}, {"roots": ["/new", {"path": "/two", "arguments_base": 1}]})
    assert loaded.roots == (RootConfig(path="/new"), RootConfig(path="/two", arguments_base=1))


def test_paths_start_at_the_file_and_home_is_expanded(tmp_path: Path) -> None:
    """A relative path in the file starts at the file's directory; `~` is the given environment's home."""
    path = tmp_path / "promptd.toml"
    path.write_text(
        '[[roots]]\npath = "lib/../library"\n[[roots]]\npath = "~/prompts"\n'
        '[serve]\nsocket = "p.sock"\n[state]\ndirectory = "~"\n'
    )
    loaded = config.load(path, {"HOME": "/home/ann"})
    assert [root.path for root in loaded.roots] == [f"{tmp_path}/library", "/home/ann/prompts"]
    assert (loaded.serve.socket, loaded.state.directory) == (f"{tmp_path}/p.sock", "/home/ann")


# -- what each mistake says -----------------------------------------------------------------------

MISTAKES = [
    ("[cache]\nentires = 3", "cache.entires", 2, "did you mean `cache.entries`?"),
    ("\nentries = 3", "entries", 2, "did you mean `cache.entries`?"),
    ("[cahce]", "cahce", 1, "did you mean `cache`?"),
    ("[zzz]", "zzz", 1, "`promptd config show` lists every key"),
    ("[cache]\nentries = 0", "cache.entries", 2, "is 0; it must be a whole number from 1 to 10000000"),
    ('[cache]\nentries = "x"', "cache.entries", 2, 'is "x"; it must be a whole number'),
    ("[cache]\nentries = true", "cache.entries", 2, "is true; it must be a whole number"),
    ("[watch]\nrescan_interval = nan", "watch.rescan_interval", 2, "it must be a duration from 100ms to 1d"),
    ("[serve]\nrequest_timeout = 0", "serve.request_timeout", 2, "it must be a duration above 0s up to 1d"),
    (
        '[watch]\ndebounce = "5 bananas"',
        "watch.debounce",
        2,
        'is "5 bananas"; it must be a duration from 0ms',
    ),
    ('[watch]\ndebounce = "2h"', "watch.debounce", 2, 'such as "5ms", or a whole number of milliseconds'),
    ('[watch]\ndebounce = "5"', "watch.debounce", 2, 'is "5"; it must be a duration'),
    ('[watch]\ndebounce = "0.5ms"', "watch.debounce", 2, "a whole number of milliseconds"),
    ("[watch]\ndebounce = true", "watch.debounce", 2, "is true; it must be a duration"),
    ('[serve]\nstop_timeout = "1h30m"', "serve.stop_timeout", 2, 'such as "5s", or a number of seconds'),
    ('[cache]\nsize = "150M"', "cache.size", 2, 'it must be a size from 0B to 1TiB, such as "150MB"'),
    ('[cache]\nsize = "2TiB"', "cache.size", 2, 'is "2TiB"; it must be a size from 0B to 1TiB'),
    ("[cache]\nsize = -1", "cache.size", 2, "is -1; it must be a size"),
    ("cache = 3", "cache", 1, "is 3; it must be a table"),
    ("cache.entries = 0", "cache.entries", 1, "it must be a whole number"),
    ("cache = { entries = 0 }", "cache.entries", 1, "it must be a whole number"),
    ("[library]\nonce = 1", "library.once", 2, "it must be true or false"),
    ('[library]\nsuffixes = ["md"]', "library.suffixes[0]", 2, 'it must be an ending such as ".md"'),
    ('[library]\nsuffixes = ".md"', "library.suffixes", 2, "it must be a list"),
    ('[library]\nignore = [""]', "library.ignore[0]", 2, "it must be text, not empty"),
    ('[library.variables]\na = "x"\n"b" = 1', "library.variables.b", 3, "is 1; it must be text"),
    ("[library]\nvariables = 7", "library.variables", 2, "it must be a table, each value text"),
    ('[log]\nlevel = "trace"', "log.level", 2, 'it must be one of "debug", "error", "info", "warning"'),
    ("[serve]\nsocket_mode = 600", "serve.socket_mode", 2, 'it must be octal text such as "0600"'),
    ('[serve]\nsocket_mode = "0999"', "serve.socket_mode", 2, "octal text"),
    ('[serve]\nsocket_mode = "0066"', "serve.socket_mode", 2, "octal text"),
    ('[state]\ndirectory = "\\u0000"', "state.directory", 2, "it must be a path"),
    ("[[roots]]", "roots[0].path", 1, "is missing"),
    ('roots = "x"', "roots", 1, "it must be a list of tables, [[roots]]"),
    ('roots = ["x"]', "roots[0]", 1, "it must be a table"),
    ('[[roots]]\npath = ""', "roots[0].path", 2, "it must be a path"),
    ("[[roots]]\npath='a'\n[[roots]]\npath='b'\ndialect=[]", "roots[1].dialect", 5, "`roots.dialects`"),
    ("[[roots]]\npath='a'\n[[roots]]\npath='./a'", "roots[1].path", 4, "is configured as a root twice"),
    (
        "[watch]\ndebounce = 600",
        "watch.debounce",
        2,
        "is 600ms, which is more than `watch.max_debounce`, 500ms",
    ),
    ("[loading]\nmin_workers = 9", "loading.min_workers", 2, "more than `loading.max_workers`, 8"),
    (
        '[library.aliases]\n"~/x" = "/y"',
        "library.aliases.~/x",
        2,
        "is not inside a root (no roots are configured)",
    ),
    ('[library]\naliases = {x = "../y"}', "library.aliases.x", 2, "is not inside a root"),
]


@pytest.mark.parametrize(("text", "key", "line", "says"), MISTAKES, ids=[row[1] for row in MISTAKES])
def test_a_mistake_names_file_line_key_and_remedy(
    refused: Any, tmp_path: Path, text: str, key: str, line: int, says: str
) -> None:
    """Every mistake says where it is and what would be right, for people and for programs."""
    error = refused(text)
    file = str(tmp_path / "promptd.toml")
    assert (error.details["key"], error.details["line"], error.details["file"]) == (key, line, file)
    assert error.message.startswith(f"{file}, line {line}: ")
    assert says in error.message


def test_the_nearest_spelling_is_a_detail_of_its_own(refused: Any) -> None:
    """A program need not read the sentence."""
    assert refused("[serve]\nsokcet = 'x'").details["nearest"] == "serve.socket"
    assert "nearest" not in refused("[zzz]").details


def test_a_long_value_is_shortened(refused: Any) -> None:
    """A message stays one line a person can read."""
    error = refused(f"[cache]\nentries = '{'x' * 500}'")
    assert len(error.message) < 300
    assert "…" in error.message


@pytest.mark.parametrize("text", ["[serve", "a = 1\na = 2", "a = "])
def test_a_file_that_is_no_toml_names_the_line(refused: Any, text: str) -> None:
    """The parser's own words, with the file and the line."""
    error = refused(text)
    assert "is not TOML" in error.message
    assert error.details["line"] == 1 + text.count("\n")


@pytest.mark.parametrize("text", ["[cache]\nentries = 7\n", "# a comment\r\n[cache]\r\nentries = 7\r\n"])
def test_a_byte_order_mark_is_passed_over(text: str, tmp_path: Path, refused: Any) -> None:
    """As in a component; line numbers stay."""
    path = tmp_path / "promptd.toml"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert config.load(path, {}).cache.entries == 7
    assert refused("\ufeff[cache]\nentrise = 7\n").details["line"] == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[cache]\nentries\u00a0= 7\n", "column 8 is NO-BREAK SPACE (U+00A0): delete it"),
        ("[cache]\n\u200bentries = 7\n", "column 1 is ZERO WIDTH SPACE (U+200B): delete it"),
        ("[cache]\nentries = 7\u2028\n", "column 12 is LINE SEPARATOR (U+2028): delete it"),
        ("[cache]\nentries =\u30007\n", "column 10 is IDEOGRAPHIC SPACE (U+3000): delete it"),
        ("[cache]\n\ufeffentries = 7\n", "column 1 is ZERO WIDTH NO-BREAK SPACE (U+FEFF): delete it"),
        ("[cache]\nentries = 7 \x07\n", "column 13 is a control character (U+0007): delete it"),
    ],
)
def test_a_character_that_nobody_sees_is_named(refused: Any, text: str, says: str) -> None:
    """The line looks right; the error says what is in it, and where."""
    error = refused(text)
    assert error.message.endswith(f"{says}.")
    assert error.details["line"] == 2


def test_what_is_found_wrong_later_has_its_place_too(tmp_path: Path) -> None:
    """A key's file and line, or its variable; an error that names its place already stays."""
    path = tmp_path / "promptd.toml"
    path.write_text('[[roots]]\npath = "."\n[[roots]]\npath = "x"\ndialects = ["nope"]\n')
    with pytest.raises(ConfigError) as caught, config.placing(path, {}):
        raise ConfigError("no such dialect", key="roots[1].dialects")
    assert caught.value.message == f"{path}, line 5: no such dialect"
    assert caught.value.details["line"] == 5
    with (
        pytest.raises(ConfigError, match=r"^PROMPTD_TOKENS_STRATEGY: no"),
        config.placing(path, {"PROMPTD_TOKENS_STRATEGY": "x"}),
    ):
        raise ConfigError("no such strategy", key="tokens.strategy")
    placed = ConfigError("already", key="roots", file="other.toml")
    with pytest.raises(ConfigError) as caught, config.placing(path, {}):
        raise placed
    assert caught.value is placed


def test_a_file_that_cannot_be_read_is_a_configuration_error(tmp_path: Path) -> None:
    """Absent, a directory, not UTF-8: a ConfigError, never an OSError."""
    (tmp_path / "latin").write_bytes(b"# \xff")
    for name, says in (("absent", "No such file"), (".", "directory"), ("latin", "not UTF-8 text (byte 2)")):
        with pytest.raises(ConfigError, match=r".") as caught:
            config.load(tmp_path / name, {})
        assert says in caught.value.message


def test_an_error_in_the_environment_names_the_variable() -> None:
    """There is no line to name, so the variable is."""
    for variable, value, says in (
        ("PROMPTD_CACHE_ENTRIES", "many", "`cache.entries` is"),
        ("PROMPTD_CACHE_ENTIRES", "3", "did you mean `cache.entries`?"),
        ("PROMPTD_LIBRARY_ALIASES", "{]", "it must be a table"),
        ("PROMPTD_LIBRARY_VARIABLES", '{"a": 1}', "`library.variables.a` is 1"),
        ("PROMPTD_WATCH_DEBOUNCE", "501", "more than"),
        ("PROMPTD_WATCH_DEBOUNCE", "5 days", 'is "5 days"; it must be a duration'),
    ):
        with pytest.raises(ConfigError) as caught:
            config.load(None, {variable: value})
        assert caught.value.message.startswith(f"{variable}: ")
        assert says in caught.value.message


def test_the_short_name_of_the_socket_is_the_one_named() -> None:
    """PROMPTD_SOCKET is what the operator wrote."""
    with pytest.raises(ConfigError, match=r"^PROMPTD_SOCKET: `serve.socket` is"):
        config.load(None, {"PROMPTD_SOCKET": "a\0b"})


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_key_is_refused_with_its_new_name(refused: Any, old: str, new: str) -> None:
    """In the file with its line, in the environment with the new variable, and as a flag."""
    section, name = old.split(".")
    error = refused(f"[{section}]\n{name} = 5")
    assert (error.details["key"], error.details["line"], error.details["nearest"]) == (old, 2, new)
    assert error.message.endswith(f"`{old}` was renamed to `{new}`.")
    variable, better = (f"PROMPTD_{key.replace('.', '_').upper()}" for key in (old, new))
    with pytest.raises(ConfigError) as caught:
        config.load(None, {variable: "5"})
    assert caught.value.message == f"{variable}: `{old}` was renamed to `{new}` ({better})."
    with pytest.raises(ConfigError, match=f"^`{old}` was renamed to `{new}`"):
        config.load(None, {}, {old: 5})


def test_old_names_lead_to_keys_that_exist() -> None:
    """And no old name is a key again."""
    paths = {key.path for key in config.schema()}
    assert set(RENAMED.values()) <= paths
    assert not set(RENAMED) & paths


def test_an_unknown_override_is_refused() -> None:
    """A flag is held to the same keys."""
    with pytest.raises(ConfigError, match=r"`serve\.sockt` is not a key; did you mean `serve\.socket`"):
        config.load(None, {}, {"serve.sockt": "x"})


# -- aliases --------------------------------------------------------------------------------------


def test_an_alias_may_be_an_id_prefix_or_a_path_inside_a_root(tmp_path: Path) -> None:
    """Each way of naming a place in the library ends as the same id prefix."""
    path = tmp_path / "promptd.toml"
    path.write_text(
        '[[roots]]\npath = "~/lib"\n[library.aliases]\n'
        'id = "a/b/"\ndot = "./a"\nhidden = ".claude/x"\nroot = ""\n'
        'home = "~/lib/shared"\nabsolute = "/home/ann/lib/"\n'
    )
    aliases = config.load(path, {"HOME": "/home/ann"}).library.aliases
    assert aliases == {
        "id": "a/b",
        "dot": "a",
        "hidden": ".claude/x",
        "root": "",
        "home": "shared",
        "absolute": "",
    }


def test_an_alias_to_a_sibling_of_a_root_is_refused() -> None:
    """`/lib-old` is not inside `/lib`, whatever its letters begin with."""
    for value in ("/lib-old/x", "/lib/../etc", "/"):
        with pytest.raises(ConfigError, match="is not inside a root"):
            config.load(None, {}, {"roots": ["/lib"], "library.aliases": {"x": value}})


# -- where things are -----------------------------------------------------------------------------


def test_the_socket_is_discovered_in_the_documented_order() -> None:
    """Flag, $PROMPTD_SOCKET, the file, the user's runtime directory, the system's."""
    environment = {"PROMPTD_SOCKET": "/env.sock", "XDG_RUNTIME_DIR": "/run/user/7"}
    flagged = config.load(None, environment, {"serve.socket": "/flag.sock"})
    assert config.socket_path(flagged, environment) == "/flag.sock"
    assert config.socket_path(config.load(None, environment), environment) == "/env.sock"
    assert config.socket_path(Config(), environment) == "/env.sock"
    del environment["PROMPTD_SOCKET"]
    system = "/run/promptd/promptd.sock"
    assert config.socket_candidates(Config(), environment) == ("/run/user/7/promptd/promptd.sock", system)
    assert config.socket_candidates(Config(), {}) == (system,)
    assert config.socket_candidates(Config(), {"XDG_RUNTIME_DIR": "relative"}) == (system,)


def test_a_socket_path_that_the_kernel_would_cut_is_refused() -> None:
    """107 bytes fit into sun_path, counted in bytes and not in characters."""
    fitting = "/" + "x" * 106
    assert config.socket_path(config.load(None, {"PROMPTD_SOCKET": fitting}), {}) == fitting
    for long in (fitting + "x", "/" + "é" * 54):
        with pytest.raises(ConfigError, match=r"kernel allows 107.*--socket") as caught:
            config.load(None, {"PROMPTD_SOCKET": long})
        assert caught.value.details["key"] == "serve.socket"


def test_the_state_directory_follows_the_configuration_then_systemd_then_xdg() -> None:
    """The first of several of systemd's; a relative XDG directory is ignored as its specification says."""
    chosen = config.load(None, {}, {"state.directory": "/here"})
    assert config.state_directory(chosen, {"STATE_DIRECTORY": "/there"}) == "/here"
    for environment, expected in (
        ({"STATE_DIRECTORY": "/var/lib/promptd:/var/lib/other"}, "/var/lib/promptd"),
        ({"XDG_STATE_HOME": "/x/"}, "/x/promptd"),
        ({"XDG_STATE_HOME": "x", "HOME": "/home/ann"}, "/home/ann/.local/state/promptd"),
        ({"HOME": "/home/ann"}, "/home/ann/.local/state/promptd"),
    ):
        assert config.state_directory(Config(), environment) == expected


# -- the schema, the example, what is in effect ---------------------------------------------------


def test_the_example_file_is_the_schema_written_out() -> None:
    """`python -c 'from promptd.config import example; print(example(), end="")'` writes it anew."""
    assert EXAMPLE.read_text() == config.example()


def test_the_example_holds_every_key_with_its_default() -> None:
    """Loading the example changes nothing, and no key is left out."""
    assert config.load(EXAMPLE, {}) == Config()
    written = tomli.loads(EXAMPLE.read_text())
    uncommented = EXAMPLE.read_text().replace("\n# ", "\n").replace("\n## ", "\n# ")
    for key in config.schema():
        assert f"\n{key.name} = " in uncommented
        if key.section != "roots":
            expected = list(key.default) if isinstance(key.default, tuple) else key.default
            assert written[key.section][key.name] == expected


def test_every_key_has_a_sentence_and_every_number_a_unit() -> None:
    """Nothing is configured that is not explained."""
    for key in config.schema():
        assert key.doc, key.path
        assert key.unit or "number" not in key.type.split(",")[0], key.path
    paths = [key.path for key in config.schema()]
    assert len(paths) == len(set(paths))
    assert paths[0] == "roots[].path"
    assert "cache.hot_half_life" in paths


def test_what_is_shown_reads_back_equal(tmp_path: Path) -> None:
    """`promptd config show` is itself a valid configuration, quotes and control characters included."""
    nasty = 'a "quoted" \\ back\nslash \x7f \x01 ünïcode 🙂'
    chosen = Config(
        roots=(RootConfig(path="/a b", dialects=("include",)), RootConfig(path='/"c"', arguments_base=1)),
        library=LibraryConfig(aliases={"~/x y": "z"}, variables={nasty: nasty}, ignore=(nasty,)),
    )
    path = tmp_path / "shown.toml"
    path.write_text(config.render(chosen))
    assert config.load(path, {}) == chosen


def test_a_number_alone_is_in_the_unit_of_the_key(tmp_path: Path) -> None:
    """`poll_interval = 25` is 25 ms, `rescan_interval = 25` is 25 s, `size = 25` is 25 bytes."""
    path = tmp_path / "promptd.toml"
    path.write_text("[watch]\npoll_interval = 25\nrescan_interval = 25\n[cache]\nsize = 25\n")
    bare = config.load(path, {})
    path.write_text(
        '[watch]\npoll_interval = "25ms"\nrescan_interval = "25s"\n[cache]\nsize = "25B"\n',
    )
    assert config.load(path, {}) == bare
    assert (bare.watch.poll_interval, bare.watch.rescan_interval, bare.cache.size) == (25, 25.0, 25)


def test_a_flag_takes_the_spellings_of_the_file() -> None:
    """Text with a unit, text without, and a number."""
    for value in ("1500ms", "1.5", 1.5):
        assert config.load(None, {}, {"serve.stop_timeout": value}).serve.stop_timeout == 1.5


QUANTITIES = [(section, *item) for section in SECTIONS for item in config_text.quantities(section).items()]


def test_every_duration_and_size_is_written_with_its_unit() -> None:
    """What a number of seconds or bytes means is to be seen in the file."""
    written = tomli.loads(config.render(Config()))
    assert len(QUANTITIES) > 20
    for section, name, unit in QUANTITIES:
        assert units.number(written[section][name], unit) == getattr(getattr(Config(), section), name)


@given(st.data(), st.sampled_from(QUANTITIES))
def test_a_configuration_with_any_duration_or_size_reads_back_equal(data: Any, key: Any) -> None:
    """Whatever a key's bounds allow is shown so that it means the same."""
    section, name, _ = key
    kind = config_text.bare(config_text.fields_of(section)[name].type)
    low, high = (kind.gt or 0) if kind.gt is not None else kind.ge, kind.le
    if section == "watch" and "debounce" in name:
        low, high = (0, 500) if name == "debounce" else (5, high)  # the rule that spans the two
    numbers = st.integers(low, high) if isinstance(kind, inspect.IntType) else st.floats(low, high)
    value = data.draw(numbers.filter(lambda number: kind.gt is None or number > kind.gt))
    chosen = config.load(None, {}, {f"{section}.{name}": value})
    written = tomli.loads(config.render(chosen))
    assert config.load(None, {}, {f"{section}.{name}": written[section][name]}) == chosen


def test_changed_keys_are_named() -> None:
    """What a reload reports: the dotted paths that differ, roots as a whole."""
    new = config.load(None, {}, {"cache.entries": 3, "log.level": "debug", "roots": ["/a"]})
    assert config.changed_keys(Config(), new) == ["roots", "cache.entries", "log.level"]
    assert config.changed_keys(new, new) == []


def test_permission_bits_are_shown_in_octal() -> None:
    """A mode is written in octal: 0600, not 384."""
    assert str(Config().serve.socket_mode) == "0600"
    assert repr(FileMode(0o660)) == "0660"


def test_a_line_is_found_under_quotes_dots_and_spaces() -> None:
    """Every way TOML has of writing a key."""
    text = """# [cache]
[ "library" . aliases ]
'~/x' = "y"
[[roots]]
  path= "a"
[[ roots ]] # two
x.y = 1
"""
    for path, line in (
        (("library", "aliases", "~/x"), 3),
        (("library", "variables"), None),
        (("roots", 0, "path"), 5),
        (("roots", 1, "x", "y"), 7),
        (("roots", 1, "path"), 6),
        (("cache",), None),
    ):
        assert config_text.line_of(text, path) == line


@given(st.text(max_size=200))
def test_no_text_upsets_the_line_finder(text: str) -> None:
    """Whatever a file contains, looking for a line gives a line of it or None."""
    line = config_text.line_of(text, ("cache", "entries"))
    assert line is None or 1 <= line <= len(text.split("\n"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[tokens.models.m]\ninput = "x"', '`tokens.models.m.input` is "x"; it must be a number'),
        ("[tokens.models.m]\nimput = 3", "did you mean `tokens.models.m.input`?"),
        ("[tokens.models]\nm = 3", "`tokens.models.m` is 3; it must be a table"),
        ('[tokens.strategies]\na = ["comments"]\nb = ["x", 3]', "`tokens.strategies.b[1]` is 3"),
        ('[tokens]\nmodel = "m"', "not one of `tokens.models`: none"),
    ],
)
def test_what_is_wrong_inside_a_table_of_tables_is_named(tmp_path: Path, text: str, said: str) -> None:
    """A price or a pass that is wrong is named with the model or the strategy it stands in."""
    file = tmp_path / "promptd.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(file, {})
    assert said in caught.value.message


def test_models_are_read_and_written(tmp_path: Path) -> None:
    """A model's table reads back equal, whatever is in its name."""
    file = tmp_path / "promptd.toml"
    file.write_text('[tokens.models."claude 4.5"]\ninput = 3\ncalibration = 1.2\n')
    read = config.load(file, {})
    assert read.tokens.models["claude 4.5"].calibration == 1.2
    file.write_text(config.render(read))
    assert config.load(file, {}) == read
