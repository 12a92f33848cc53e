"""The committed catalogue of recipes is what the registry says."""

from __future__ import annotations

import runpy
from pathlib import Path

from chunkwise.recipe import recipes

ROOT = Path(__file__).parents[1]


def test_the_catalogue_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "recipe_catalogue.py"))["catalogue"]()
    committed = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert committed == made, "run: python scripts/recipe_catalogue.py"
    assert all(f"### {one.name}\n" in committed and f"`{one.spec}`" in committed for one in recipes())
