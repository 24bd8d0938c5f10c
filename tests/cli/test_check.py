"""`check`: its report, its exit code, and whether the daemon or this process answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from promptd.cli.check import is_clean, lines
from tests.cli.conftest import FakeDaemon, Run

CLEAN: dict[str, Any] = {
    "components": 1200,
    "edges": 1,
    "directives": 1,
    "dangling": [],
    "cycles": [],
    "unused": ["notes.md"],
    "errors": [],
    "warnings": [],
    "roots": ["/lib"],
    "ok": True,
}
BROKEN: dict[str, Any] = CLEAN | {
    "dangling": [{"id": "a.md", "line": 3, "target": "gone.md", "reason": "no such file"}],
    "cycles": [["b.md:3", "c.md:7", "b.md"]],
    "errors": [{"id": "d.md", "type": "promptd.EncodingError", "message": "not UTF-8 at byte 7"}],
    "warnings": [
        {"kind": "front-matter", "id": "e.md", "line": 2, "message": "not a mapping"},
        {"kind": "scan", "id": "", "line": 0, "message": "cannot list locked/"},
    ],
    "ok": False,
}


def test_the_report_leads_with_places() -> None:
    """Every finding begins with path and line as editors read them; groups have counts; a summary ends it."""
    assert list(lines(BROKEN)) == [
        "Dangling includes (1)",
        "/lib/a.md:3: gone.md (no such file)",
        "",
        "Cycles (1)",
        "/lib/b.md:3: b.md:3 → c.md:7 → b.md",
        "",
        "Invalid components (1)",
        "/lib/d.md: not UTF-8 at byte 7",
        "",
        "Warnings (2)",
        "/lib/e.md:2: not a mapping",
        "cannot list locked/",
        "",
        "Unused (1)",
        "/lib/notes.md",
        "",
        "Found 3 problems in 1,200 components, 1 edge: 1 dangling include, 1 cycle, 1 invalid component, "
        "2 warnings, 1 unused.",
    ]


def test_a_clean_report_is_short() -> None:
    """Without problems there is only the summary; unused components are not a problem."""
    *_, last = lines(CLEAN | {"unused": []})
    assert last.startswith("No problems found in 1,200 components")
    assert is_clean(CLEAN)
    assert not any(is_clean(CLEAN | {key: BROKEN[key]}) for key in ("dangling", "cycles", "errors"))


def test_paths_are_written_as_the_user_wrote_them(tmp_path: Path) -> None:
    """With several roots each finding is shown in the first root that has the file."""
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "a.md").touch()
    written = (str(tmp_path / "one"), str(tmp_path / "two"))
    assert f"{tmp_path}/two/a.md:3: gone.md (no such file)" in list(lines(BROKEN, written))
    assert "d.md: not UTF-8 at byte 7" in list(lines(BROKEN, written)), "in no root: the id as it is"


def test_without_a_directory_the_daemon_is_asked(daemon: FakeDaemon, run: Run) -> None:
    """Exit 0 when clean, 1 when there are problems; `--json` is one object either way."""
    daemon.answers["check"] = CLEAN
    assert run("check").code == 0
    daemon.answers["check"] = BROKEN
    code, out, err = run("check", "--json")
    assert (code, err) == (1, "")
    assert json.loads(out) == BROKEN
    assert out.count(b"\n") == 1


def test_a_running_daemon_goes_before_the_roots_of_a_configuration(
    daemon: FakeDaemon, run: Run, tmp_path: Path
) -> None:
    """With --config and no DIR the daemon that is running is asked."""
    config = tmp_path / "promptd.toml"
    config.write_text('[[roots]]\npath = "."\n')
    daemon.answers["check"] = BROKEN
    assert run("check", "--config", config).code == 1


def test_without_a_directory_or_a_daemon_the_error_says_both_ways(run: Run) -> None:
    """69, naming `promptd check DIR`."""
    code, out, err = run("check")
    assert (code, out) == (69, b"")
    assert "promptd check DIR" in err


FILES = {
    "commands/go.md": "<include>components/a.md</include>\n\n<include>components/gone.md</include>\n",
    "components/a.md": "text\n",
    "components/loop.md": "<include>components/loop.md</include>\n",
}


@pytest.mark.parametrize("by_config", [False, True])
def test_a_directory_is_read_without_a_daemon(by_config: bool, run: Run, library: Any) -> None:
    """The dangling include is named with file and line, by DIR and by the roots of --config alike."""
    root = library(FILES)
    config = root / "promptd.toml"
    config.write_text('[[roots]]\npath = "."\n')
    code, out, err = run("check", "--config", config) if by_config else run("check", root)
    assert (code, err) == (1, "")
    assert f"{root}/commands/go.md:3: components/gone.md" in out.decode()
    report = json.loads(run("check", root, "--json").out)
    assert (report["components"], report["edges"]) == (3, 2)
    assert [(each["id"], each["line"], each["target"]) for each in report["dangling"]] == [
        ("commands/go.md", 3, "components/gone.md")
    ]
    assert report["cycles"] == [["components/loop.md:1", "components/loop.md"]]


def test_aliases_of_the_configuration_apply(run: Run, library: Any) -> None:
    """A directory checked with --config uses the aliases in it."""
    root = library({"commands/a.md": "@~/team/b.md\n", "components/b.md": "b\n"})
    config = root / "promptd.toml"
    config.write_text('[library.aliases]\n"~/team" = "components"\n')
    assert run("check", root, "--config", config).code == 0


def test_what_would_be_lost_without_a_word_is_said_with_file_and_line(run: Run, library: Any) -> None:
    """Doubled and mistyped keys, values and names nothing knows, what is never closed, near names."""
    root = library(
        {
            "a.md": "---\nincludes: [b.md]\nincludes: [c.md]\n---\n{{channel}}\n{{component x}}\n",
            "b.md": "---\nrequird: [c.md]\noptimise: sometimes\n---\n<!-- draft\n",
            "c.md": "---\nvariables:\n  v: {requird: true}\n---\n```\n",
            "d.md": "{{component: commands/servity.md}}\n{{component: commands/severity.md#Setpu}}\n",
            "commands/severity.md": "# Setup\n",
            "E.MD": "x\n",
        }
    )
    lines = run("check", root).out.decode().splitlines()
    for line in (
        f"{root}/a.md:3: `includes` is written twice, on lines 2 and 3: both are used",
        f"{root}/a.md:5: `{{{{channel}}}}` is declared nowhere: it stays as written",
        f"{root}/a.md:6: `{{{{component x}}}}` is text; a component is included by `{{{{component: x}}}}`",
        f"{root}/b.md:2: unknown key `requird`; did you mean `requires`?",
        f"{root}/b.md:3: `optimise` is `sometimes`; it must be one of never, none, conservative, balanced,"
        " aggressive, progressive; taken as never",
        f"{root}/b.md:5: comment opened on line 5 is never closed: directives in it stay literal",
        f"{root}/c.md:3: variable `v`: unknown key `requird`; did you mean `required`?",
        f"{root}/c.md:5: fence opened on line 5 is never closed: directives in it stay literal",
        f"{root}/d.md:1: commands/servity.md (does not exist; did you mean 'commands/severity.md'?)",
        f"{root}/d.md:2: commands/severity.md#Setpu (has no section 'Setpu'; did you mean 'Setup'?)",
        f"{root}/E.MD:1: not a component: the suffix .MD differs in case from .md",
    ):
        assert line in lines
