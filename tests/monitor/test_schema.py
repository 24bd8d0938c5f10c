"""The schema that is shipped: generated from the records, and true of what a daemon says."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from promptd import config
from promptd.daemon.lifecycle import Daemon
from promptd.monitor import schema
from promptd.monitor.snapshot import SCHEMA_VERSION, encode
from tests.conftest import Library


def test_the_shipped_file_is_what_the_records_say() -> None:
    """After a change of a record: `make docs`."""
    shipped = Path(schema.__file__).with_name(schema.FILE_NAME).read_text()
    assert shipped == schema.text()
    jsonschema.Draft202012Validator.check_schema(schema.shipped())


@pytest.fixture
def snapshot(library: Library, tmp_path: Path) -> Mapping[str, Any]:
    """A snapshot of a daemon that is put together."""
    environment = {"PROMPTD_STATE_DIRECTORY": str(tmp_path / "state"), "PROMPTD_ALERTS_WARMUP": "0"}
    settings = config.load(None, environment, {"roots": [str(library({"a.md": "A.\n"}))]})
    taken = asyncio.run(Daemon(settings, lambda: settings, environment).monitoring.snapshots.take())
    found = json.loads(encode(taken))
    assert isinstance(found, dict)
    return found


def test_a_snapshot_fits_it(snapshot: Mapping[str, Any]) -> None:
    """Every section that is promised is there, in its form; and no section is there without a promise."""
    jsonschema.validate(snapshot, schema.shipped())
    assert set(snapshot) == set(schema.shipped()["properties"])
    assert snapshot["schema_version"] == SCHEMA_VERSION


@pytest.mark.parametrize(
    "section", ["windows", "targets", "health", "alerts", "prompts", "valid_until_unix_s"]
)
def test_one_that_lacks_a_section_does_not(snapshot: Mapping[str, Any], section: str) -> None:
    """The schema can fail."""
    lacking = {name: value for name, value in snapshot.items() if name != section}
    with pytest.raises(jsonschema.ValidationError, match=section):
        jsonschema.validate(lacking, schema.shipped())
