"""Write `docs/recipes.md` from the registry of recipes.

    python scripts/recipe_catalogue.py

A test holds the committed page equal to what this makes.
"""

from __future__ import annotations

import inspect
from itertools import groupby
from pathlib import Path

from chunkwise.recipe import Recipe, recipes

PAGE = Path(__file__).parents[1] / "docs" / "recipes.md"

HEAD = """\
# Recipes

<!-- Written by scripts/recipe_catalogue.py. Change the recipe, not this page. -->

A recipe is a named composition of primitives. A *spec* asks for it by name, with any of its parameters set:
`recursive:size=256,overlap=32`. The specs below show the defaults. `chunkwise recipes` lists the same, and
`chunkwise recipes --json` gives it to programs. Each recipe names the work whose idea it is, the claim that it is held
to, and the test that holds it.
"""

FAMILIES = {
    "segment": "Documents to chunks: `chunkwise index --segmenter SPEC`, `Index.open(..., segmenter=SPEC)`.",
    "layout": "Passages to the order in which a prompt shows them: `Index.pack(..., layout=SPEC, earlier=PACKS)`.",
    "prompt": 'A question and passages to a prompt, from Python: `chunkwise.recipe.build(SPEC, "prompt")`.',
    "retrieve": "A question to candidates: `--retriever SPEC`, `Index.pack(..., retriever=SPEC)`.",
    "compress": "Passages to passages that cost less: `--compressor SPEC`, `Index.pack(..., compressor=SPEC)`.",
    "embed": "Text to vectors: `chunkwise index --vectors eager --embedder SPEC`, `Index.open(..., embedder=SPEC)`.",
    "serve-schedule": "Requests to steps: `chunkwise simulate --recipes SPECS`; placements and overlaps from Python.",
    "survey-eval": "Sweeps that papers made, as grids: `chunkwise compare PATH --preset NAME`.",
    "select": "Candidates and a budget to a selection: `--selector SPEC`, `Index.pack(..., selector=SPEC)`.",
}


def catalogue() -> str:
    """The whole page: every recipe by family and name."""
    parts = [HEAD]
    for family, found in groupby(recipes(), key=lambda one: one.family):
        parts.append(f"## {family}\n" + (f"\n{FAMILIES[family]}\n" if family in FAMILIES else ""))
        parts.extend(map(_entry, found))
    return "\n".join(parts)


def _entry(one: Recipe) -> str:
    lines = [f"- spec: `{one.spec}`"]
    if one.aliases:
        lines.append("- aliases: " + ", ".join(f"`{alias}`" for alias in one.aliases))
    lines += [f"- seed: {one.seed}", f"- claim: {one.claim}", f"- check: `{one.check}`"]
    return f"### {one.name}\n\n{inspect.getdoc(one.build)}\n\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(catalogue(), encoding="utf-8")
