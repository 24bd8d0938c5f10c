"""The dependency map: the busiest prompts on the left, their dependencies on the right.

Components that several prompts share are drawn in another colour and come first: a change there affects all.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from promptd.support.escape import html as escape

PROMPTS, PARTS = 6, 24
WIDTH, STEP, EDGE = 400, 17, 12
MIDDLE = (160, 226)  # between them the edges
CHARACTERS = 25  # of a name; the whole id is in the title


def draw(prompts: Sequence[Mapping[str, Any]]) -> str:
    """The map as SVG; "" if none of the prompts includes anything."""
    chosen = [prompt for prompt in prompts[:PROMPTS] if prompt.get("components")]
    parts_of = {
        prompt["name"]: [id for id in prompt["components"] if id != prompt["name"]] for prompt in chosen
    }
    shared = Counter(id for ids in parts_of.values() for id in dict.fromkeys(ids))
    ranked = sorted(shared, key=lambda id: (-shared[id], id))
    if not ranked:
        return ""
    parts = ranked[:PARTS]
    height = 2 * EDGE + STEP * max(len(parts), len(parts_of))
    left = _spread(list(parts_of), height)
    right = _spread(parts, height)
    edges = [
        _edge(left[name], right[id], is_shared=shared[id] > 1)
        for name, ids in parts_of.items()
        for id in dict.fromkeys(ids)
        if id in right
    ]
    labels = [_label(name, MIDDLE[0], at, "prompt", "end") for name, at in left.items()]
    labels += [
        _label(id, MIDDLE[1], at, "part shared" if shared[id] > 1 else "part", "start")
        for id, at in right.items()
    ]
    more = len(ranked) - len(parts)
    note = f'<p class="soft small">{more} more components</p>' if more > 0 else ""
    svg = f'<svg class="map" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="dependency map">'
    return f"{svg}{''.join(edges)}{''.join(labels)}</svg>{note}"


def _spread(names: Sequence[str], height: float) -> dict[str, float]:
    gap = (height - 2 * EDGE) / len(names)
    return {name: EDGE + gap * (number + 0.5) for number, name in enumerate(names)}


def _edge(start: float, end: float, *, is_shared: bool) -> str:
    (left, right), kind = MIDDLE, "edge shared" if is_shared else "edge"
    bend = (left + right) / 2
    path = f"M{left + 4},{start:.1f} C{bend},{start:.1f} {bend},{end:.1f} {right - 4},{end:.1f}"
    return f'<path class="{kind}" d="{path}"/>'


def _label(id: str, x: float, y: float, kind: str, anchor: str) -> str:
    mark = " shared" if "shared" in kind else ""
    inward = x - 6 if anchor == "end" else x + 6
    dot = f'<circle class="dot{mark}" cx="{x}" cy="{y:.1f}" r="2.6"/>'
    return (
        f'{dot}<text class="{kind}" x="{inward}" y="{y + 3.8:.1f}" text-anchor="{anchor}">'
        f"<title>{escape(id)}</title>{escape(short(id))}</text>"
    )


def short(id: str) -> str:
    """The end of an id, without its suffix: `…rts/review/stance`."""
    stem = id.rsplit(".", 1)[0] if "." in id.rsplit("/", 1)[-1] else id
    return stem if len(stem) <= CHARACTERS else f"…{stem[-(CHARACTERS - 1) :]}"
