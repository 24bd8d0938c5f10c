"""docs/protocol.md, and the page it is generated from."""

from pathlib import Path

import pytest

from promptd.cli import protocol_page

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"

UNIT = {
    "title": "Unit",
    "description": "Something removed.",
    "type": "object",
    "properties": {"tokens": {"type": "integer", "description": "How many."}},
    "required": ["tokens"],
}
OPEN = {"type": "object", "description": "whatever there is"}
DESCRIPTION = {
    "methods": [
        {
            "name": "get",
            "summary": "One component.",
            "params": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "description": "Id | name."},
                    "tags": {"type": "array", "items": {"type": "string"}, "default": []},
                    "budget": {
                        "anyOf": [{"type": "integer", "description": "in tokens"}, {"type": "null"}],
                        "default": None,
                    },
                    "depth": {"type": "integer", "minimum": 1, "maximum": 64, "default": 64},
                    "kind": {"enum": ["a", "b"]},
                    "variables": {"type": "object", "additionalProperties": {"type": ["string", "integer"]}},
                },
            },
            "result": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string", "description": "What it is."},
                    "span": {
                        "anyOf": [
                            {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "integer"}]},
                            {"type": "null"},
                        ],
                        "description": "Where.",
                        "default": None,
                    },
                    "removed": {"type": "array", "items": {"$ref": "#/$defs/Unit"}, "default": []},
                },
                "$defs": {"Unit": UNIT},
            },
            "errors": ["promptd.UnknownComponent"],
        },
        {"name": "ping", "summary": "Are you there?", "params": {}, "result": OPEN, "errors": []},
    ],
    "notifications": [{"name": "changed", "summary": "It did.", "params": UNIT}],
    "errors": [{"type": "promptd.UnknownComponent", "code": -32001, "summary": "No such component."}],
    "limits": {"max_request_bytes": 1_048_576},
}


def test_the_page_in_docs_is_what_the_code_says() -> None:
    """docs/protocol.md equals what `make docs` would write."""
    assert PAGE.read_text(encoding="utf-8") == protocol_page.page(
        protocol_page.describe(), protocol_page.examples()
    )


def test_every_part_of_a_description_is_on_the_page() -> None:
    """Parameters, results and records with types and sentences, notifications, errors with codes, limits."""
    lines = protocol_page.page(DESCRIPTION, {"ping": ({}, {"pong": True})}).splitlines()
    for line in (
        "### `get`",
        "| `name` | string | yes | Id \\| name. |",
        "| `tags` | list of string | no | (default `[]`) |",
        "| `budget` | integer or null | no | in tokens |",
        "| `depth` | integer | no | (from 1 to 64, default `64`) |",
        '| `kind` | `"a"` or `"b"` | no |  |',
        "| `variables` | object of string or integer | no |  |",
        "| `id` | string | yes | What it is. |",
        "| `span` | [integer, integer] or null | no | Where. |",
        "| `removed` | list of [Unit](#unit) | no |  |",
        "### Unit",
        "Something removed.",
        "| `tokens` | integer | yes | How many. |",
        "### Notification `changed`",
        "Errors: `promptd.UnknownComponent`",
        "object: whatever there is",
        '  "pong": true',
        "| -32001 | `promptd.UnknownComponent` | No such component. |",
        "| `max_request_bytes` | 1,048,576 |",
    ):
        assert line in lines


def test_the_script_prints_or_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an argument the page goes to stdout, with one into that file."""
    monkeypatch.setattr(protocol_page, "describe", lambda: DESCRIPTION)
    monkeypatch.setattr(protocol_page, "examples", dict)
    assert protocol_page.main([]) == 0
    assert protocol_page.main([str(tmp_path / "page.md")]) == 0
    assert (tmp_path / "page.md").read_text() == capsys.readouterr().out
