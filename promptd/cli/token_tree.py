"""Token counts of one prompt: own tokens of each manifest entry, and a prompt without all its variables.

Pure but for `call`, which asks a daemon or an engine. `tokens`, `top` and the tests share it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from promptd.errors import MissingVariable

MAX_UNFILLED = 100  # required variables of one prompt that are left as written

CallMethod = Callable[[str, dict[str, Any]], bytes]


def own_tokens(manifest: Sequence[Mapping[str, Any]]) -> list[int]:
    """Tokens of each entry without those of the entries directly below it.

    If texts meet inside a line the difference may be one token off; sums of whole entries are exact.
    """
    own = [entry["tokens"] for entry in manifest]
    above: list[int] = []
    for index, entry in enumerate(manifest):
        del above[len(entry["chain"]) :]
        if above:
            own[above[-1]] -= entry["tokens"]
        above.append(index)
    return [max(each, 0) for each in own]


def assemble_unfilled(call: CallMethod, params: Mapping[str, Any]) -> bytes:
    """Assemble with every required variable that has no value left as written: `{name}`.

    Raises:
        MissingVariable: more than MAX_UNFILLED variables have no value.
        PromptdError: the prompt cannot be assembled for another reason.
    """
    variables = dict(params.get("variables", {}))
    for _ in range(MAX_UNFILLED):
        try:
            return call("assemble", {**params, "variables": variables})
        except MissingVariable as missing:
            name = str(missing.details["name"])
            variables[name] = f"{{{name}}}"
    raise MissingVariable(f"more than {MAX_UNFILLED} required variables have no value")


def estimate_lines(reply: Mapping[str, Any]) -> list[str]:
    """What the model itself would count, with the factor; nothing if no model was asked for."""
    found = reply.get("estimate")
    if not found:
        return []
    return [
        f"about {found['tokens_estimated']:,} tokens of {found['model']}"
        f" = {found['tokens']:,} ({found['encoding']}) x {found['calibration']:g}"
    ]


def disclosure_lines(reply: Mapping[str, Any]) -> list[str]:
    """What is referenced instead of being in the prompt; nothing if the strategy does not do that."""
    found = reply.get("progressive")
    if not found:
        return []
    references = found["references"]
    if not references:
        return ["nothing is referenced: what is not asked for itself instructs, or is too short"]
    texts = "1 text is" if len(references) == 1 else f"{len(references):,} texts are"
    entry, whole = f"{found['tokens_entry']:,}", f"{found['tokens_all']:,}"
    shares = f"{found['literals']:.1%} of the literals and {found['instructions']:.1%} of the instructions"
    return [
        f"{texts} referenced: {entry} tokens at entry, {whole} with all of it fetched; at entry are {shares}"
    ]
