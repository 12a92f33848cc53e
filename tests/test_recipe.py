"""The registry: every recipe can be asked for by name, says whose idea it is, and is held to its claim."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chunkwise import recipe
from chunkwise.errors import UnknownRecipe, UserError
from chunkwise.evaluate.grid import Grid
from chunkwise.recipe import Recipe, build, check, find, recipes, specs
from processes import run
from supplies import SUPPLIES

ROOT = Path(__file__).parents[1]
everyone = pytest.mark.parametrize("made", recipes(), ids=lambda made: f"{made.family}-{made.name}")


@everyone
def test_it_says_whose_idea_it_is_and_what_it_claims(made: Recipe) -> None:
    assert made.seed.strip()
    assert len(made.claim.split()) > 3
    assert made.build.__doc__


@everyone
def test_its_spec_builds_it_again(made: Recipe) -> None:
    assert find(made.name, made.makes) == made
    for spec in (made.name, made.spec):
        built = build(spec, made.makes, SUPPLIES)
        assert callable(built) or isinstance(built, Grid)
    for alias in made.aliases:
        assert find(alias) == made


@everyone
def test_its_claim_is_checked(made: Recipe) -> None:
    path, _, name = made.check.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, made.check


def test_listing_recipes_is_light() -> None:
    """A module that defines recipes imports neither torch nor the grammars."""
    code = """
import sys
from chunkwise.recipe import recipes
assert recipes()
print(*(name for name in ("torch", "tree_sitter", "tokenizers", "pypdf", "httpx") if name in sys.modules))
"""
    assert run(code).strip() == ""


def test_families_and_order() -> None:
    everything = recipes()
    assert everything == sorted(everything, key=lambda made: (made.family, made.name))
    assert recipes("segment") == [made for made in everything if made.family == "segment"]
    assert recipes("none such") == []


@pytest.mark.parametrize(
    ("spec", "family", "says"),
    [
        ("multiscal", None, "multiscale"),
        ("bm25", "segment", "no segment recipe 'bm25'"),
        ("", None, "chunkwise recipes"),
        ("zzzzzz", None, "chunkwise recipes"),
        ("top-k:n=3", "select", "no parameter 'n'"),
        ("top-k:k=three", "select", "a whole number"),
        ("top-k:k=2.5", "select", "a whole number"),
        ("top-p:p=half", "select", "a number"),
        ("top-k:k", "select", "parameter=value"),
        ("bm25:x=1", None, "it has none"),
    ],
)
def test_specs_that_ask_for_what_there_is_not(spec: str, family: str | None, says: str) -> None:
    with pytest.raises(UnknownRecipe, match=says):
        build(spec, family)


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    recipes()
    monkeypatch.setattr(recipe, "_registry", dict(recipe._registry))
    return


def one(size: int = 5, ratio: float = 0.5, fast: bool = False, how: str = "plain") -> Callable[[], tuple[object, ...]]:
    return lambda: (size, ratio, fast, how)


@pytest.mark.usefixtures("scratch")
def test_values_are_read_by_annotation() -> None:
    recipe.recipe("scratch", family="test", seed="A Title", claim="for this test alone", aliases=("sc",))(one)
    assert find("scratch").spec == "scratch:size=5,ratio=0.5,fast=False,how=plain"
    assert build(find("scratch").spec)() == (5, 0.5, False, "plain")
    assert build(" scratch : size = 7 , fast=yes,")() == (7, 0.5, True, "plain")
    assert build("sc:ratio=2")() == (5, 2.0, False, "plain")
    assert build("scratch:how=a=b")() == (5, 0.5, False, "a=b")
    with pytest.raises(UnknownRecipe, match="true or false"):
        build("scratch:fast=perhaps")


@pytest.mark.usefixtures("scratch")
def test_a_name_is_given_once() -> None:
    def elsewhere() -> Callable[[], None]:
        return lambda: None

    elsewhere.__qualname__ = "bm25"  # a function of another module may well be named alike
    with pytest.raises(ValueError, match="taken"):
        recipe.recipe("bm25", family="test", seed="A Title", claim="another one")(elsewhere)


@pytest.mark.parametrize(("seed", "claim"), [("", "a claim"), (" ", "a claim"), ("A Title", ""), ("A Title", "\n")])
def test_no_recipe_without_seed_and_claim(seed: str, claim: str) -> None:
    with pytest.raises(ValueError, match="needs"):
        recipe.recipe("nameless", family="test", seed=seed, claim=claim)


@pytest.mark.usefixtures("scratch")
def test_a_model_that_a_recipe_names_is_supplied_or_asked_for() -> None:
    @recipe.recipe("borrowing", family="test", seed="a paper", claim="a claim")
    def borrowing(size: int = 3, *, embed: object) -> tuple[int, object]:
        return size, embed

    assert find("borrowing").models == ("embed",)
    assert find("borrowing").spec == "borrowing:size=3"
    assert build("borrowing:size=4", supplies={"embed": lambda: "model", "lm": pytest.fail}) == (4, "model")
    with pytest.raises(UserError, match="needs an embedder"):
        build("borrowing")
    with pytest.raises(UnknownRecipe, match="no parameter 'embed'"):
        build("borrowing:embed=x", supplies={"embed": lambda: "model"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("recursive:size=200,overlap=20,semantic", ("recursive:size=200,overlap=20", "semantic")),
        ("fixed, recursive:size=200 ,overlap=20, sentence", ("fixed", "recursive:size=200,overlap=20", "sentence")),
        ("sentence,fixed", ("sentence", "fixed")),
        ("recursive,size=7", ("recursive:size=7",)),
        ("top-k:k=3", ("top-k:k=3",)),
        ("scratch:how=a:b=c,size=1,x", ("scratch:how=a:b=c,size=1", "x")),
        ("http://here:80/v1#m,static", ("http://here:80/v1#m", "static")),
        ("wraps:of=[rrf:k=3,judges=2],width=2,bm25", ("wraps:of=[rrf:k=3,judges=2],width=2", "bm25")),
        ("", ()),
        (" , ,", ()),
    ],
)
def test_a_list_of_specs(text: str, found: tuple[str, ...]) -> None:
    assert specs(text) == found


def test_a_list_cannot_begin_with_a_parameter() -> None:
    with pytest.raises(UnknownRecipe, match="write recipe:size=3"):
        specs("size=3,fixed")


@everyone
def test_its_spec_can_be_checked_without_its_models(made: Recipe) -> None:
    check(made.spec, made.makes)
    with pytest.raises(UnknownRecipe, match="no parameter"):
        check(f"{made.name}:nonesuch=1", made.makes)


@pytest.mark.usefixtures("scratch")
def test_a_recipe_may_be_made_of_another() -> None:
    @recipe.recipe("borrowing", family="test", seed="a paper", claim="a claim")
    def borrowing(size: int = 3, *, embed: object) -> tuple[int, object]:
        return size, embed

    @recipe.recipe("wrapping", family="test", seed="a paper", claim="a claim")
    def wrapping(of: str = "borrowing:size=4", *, build: recipe.BuildOther) -> tuple[str, object]:
        return "wrapped", build(of, "test")

    assert find("wrapping").models == ()
    assert build("wrapping", "test", {"embed": lambda: "model"}) == ("wrapped", (4, "model"))
    assert build("wrapping:of=borrowing:size=9", supplies={"embed": lambda: "model"}) == ("wrapped", (9, "model"))
    check("wrapping:of=borrowing:size=9", "test")
    with pytest.raises(UserError, match="needs an embedder"):
        build("wrapping", "test")
    with pytest.raises(UnknownRecipe, match="nonesuch"):
        check("wrapping:of=nonesuch", "test")
