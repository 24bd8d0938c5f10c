"""Three public prompt compressors, run in an interpreter of their own: JSON lines in, JSON lines out.

    python -m venv peers && peers/bin/pip install compression-prompt promptminify claw-compactor
    peers/bin/python benchmarks/token_peers.py < texts.jsonl

One line in is a JSON string, one line out an object: name of the compressor -> text. One that is not
installed is left out; one that raises for a text gives the text back, which counts in its favour.
"""

import contextlib
import json
import sys
from collections.abc import Callable

Compress = Callable[[str], str]


def compressors() -> dict[str, Compress]:
    """Those that are installed, with their default settings unless the name says otherwise."""
    found: dict[str, Compress] = {}
    with contextlib.suppress(ImportError):
        from claw_compactor.fusion.engine import FusionEngine

        engine = FusionEngine()
        found["claw-compactor"] = lambda text: engine.compress(text)["compressed"]
    with contextlib.suppress(ImportError):
        from promptmin import minify

        found["promptminify"] = lambda text: minify(text, lang="en")["minified"]
    with contextlib.suppress(ImportError):
        from compression_prompt import Compressor, CompressorConfig

        compressor = Compressor(CompressorConfig(target_ratio=0.5))
        found["compression-prompt at 0.5"] = lambda text: compressor.compress(text).compressed
    return found


def attempt(compress: Compress, text: str) -> str:
    """The compressed text, or the text itself if the compressor refuses it."""
    try:
        return compress(text)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return text


def main() -> None:
    """Answer each line."""
    found = compressors()
    answers = sys.stdout
    for line in sys.stdin:
        with contextlib.redirect_stdout(sys.stderr):
            results = {name: attempt(compress, json.loads(line)) for name, compress in found.items()}
        print(json.dumps(results), file=answers, flush=True)


if __name__ == "__main__":
    main()
