"""Requests to tokens: whatever the scheduler, the memory and the company, each request gets what it would get alone."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.engine.config import Config, Mixture, Rotary
from chunkwise.engine.decoder import Decoder
from chunkwise.engine.kv.spill import Spill
from chunkwise.engine.loop import Engine, Token
from chunkwise.engine.sample import Sampler, transforms
from chunkwise.engine.schedule import Request, Scheduler
from chunkwise.errors import UserError
from chunkwise.recipe import build, recipes

SHAPE = Config("llama", 256, 64, 3, 4, 2, 16, 128, 512, Rotary(16))
GREEDY = Sampler(transforms("temperature:t=0"))
SCHEDULERS = [
    made.name for made in recipes("serve-schedule") if isinstance(build(made.name, "serve-schedule"), Scheduler)
]


@pytest.fixture(scope="module", autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder.random(SHAPE, seed=1)


def drawn(seed: int, length: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, SHAPE.vocabulary, length).astype(np.int32)


def asked(number: int, prompt: np.ndarray, most: int = 10, **more) -> Request:
    return Request(number, len(prompt), most, prompt=prompt, **more)


def alike(prefix: int = 40, lengths: tuple[int, ...] = (3, 30, 1, 50, 7)) -> list[Request]:
    begin = drawn(0, prefix)
    return [asked(i, np.concatenate([begin, drawn(i + 1, length)])) for i, length in enumerate(lengths)]


def plain(decoder: Decoder, request: Request) -> list[int]:
    """Greedy decoding, the whole prefix computed anew for every token in plain float64 attention."""
    tokens = [int(token) for token in request.prompt]
    for _ in range(request.max_tokens):
        logits = decoder(torch.tensor(tokens), Anew(decoder))
        tokens.append(int(logits[0].argmax()))
    return tokens[request.prompt_tokens :]


class Anew:
    def __init__(self, decoder: Decoder) -> None:
        self.rope = decoder.rope

    def __call__(self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        at = torch.arange(len(q))
        q, k = self.rope.rotate(q, at), self.rope.rotate(k, at)
        group = q.shape[1] // k.shape[1]
        k, v = (each.repeat_interleave(group, 1).double() for each in (k, v))
        scores = torch.einsum("thd,nhd->htn", q.double(), k) / math.sqrt(q.shape[-1])
        scores = scores.masked_fill(torch.ones(len(q), len(q)).triu(1).bool(), -math.inf)
        return torch.einsum("htn,nhd->thd", scores.softmax(-1), v).to(q.dtype)


def engine(decoder: Decoder, slots: int = 2000, scheduler: str = "sarathi-serve", **more) -> Engine:
    return Engine(decoder, slots, build(scheduler, "serve-schedule"), **more)


def told(engine: Engine, requests: list[Request], sampler: Sampler = GREEDY) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {request.id: [] for request in requests}
    for token in engine.run(requests, sampler):
        found[token.request.id].append(token.token)
    settled(engine)
    return found


def settled(engine: Engine) -> None:
    """Nothing is held, and every slot can be had."""
    engine.tree.check()
    assert not engine.running
    assert not engine.waiting
    assert engine.free == engine.total


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_scheduler_gives_each_request_what_it_gets_alone(decoder, scheduler):
    expected = {request.id: plain(decoder, request) for request in alike()}
    assert told(engine(decoder, scheduler=scheduler), alike()) == expected


@pytest.mark.parametrize("family", ["dense", "mixture"])
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_however_little_memory_and_budget_there_is(family, data):
    mixture = Mixture(4, 2, 64, (0, 1, 2)) if family == "mixture" else None
    decoder = Decoder.random(replace(SHAPE, mixture=mixture), seed=2)
    requests = [
        asked(i, drawn(data.draw(st.integers(0, 1)), data.draw(st.integers(1, 60))), data.draw(st.integers(1, 6)))
        for i in range(data.draw(st.integers(1, 5)))
    ]
    expected = {request.id: plain(decoder, request) for request in requests}
    slots = max(request.prompt_tokens + request.max_tokens for request in requests) + data.draw(st.integers(0, 60))
    made = engine(decoder, slots, f"sarathi-serve:budget={data.draw(st.integers(1, 40))}")
    with torch.no_grad():
        assert told(made, requests) == expected


def test_a_prompt_passes_the_models_layers_group_after_group_and_gives_what_it_gives_at_once(decoder):
    decodes, long = asked(0, drawn(1, 12), most=12), asked(1, drawn(2, 200), most=4)
    made, seen = engine(decoder, scheduler="layered-prefill:layers=48,groups=16,per=16"), []
    made.add(decodes, GREEDY)
    found = [*made.step()]
    made.add(long, GREEDY)
    while made.waiting or made.running:
        out = made.step()
        found += out
        if long.depth:
            seen.append((long.depth, [token.request.id for token in out]))
    assert seen == [(1, [0]), (2, [0])], "a layer a step, and who decodes gets a token in each"
    for request in (decodes, long):
        assert [token.token for token in found if token.request is request] == plain(decoder, request)
    settled(made)


def test_a_batch_that_is_known_ahead_is_planned(decoder):
    def mixed() -> list[Request]:
        begin = [drawn(group, 64) for group in (100, 101)]
        return [asked(i, np.concatenate([begin[i % 2], drawn(i, 8)]), most=1 + 9 * (i % 2)) for i in range(8)]

    def prompts_put_out(scheduler: str) -> list[int]:
        made = engine(decoder, scheduler=scheduler)
        return list(dict.fromkeys(token.request.id for token in made.run(mixed(), GREEDY)))

    assert prompts_put_out("batchllm:budget=80") == [1, 3, 5, 7, 0, 2, 4, 6], "those first that decode most"
    assert prompts_put_out("fcfs:budget=80") != [1, 3, 5, 7, 0, 2, 4, 6]


def test_a_hit_gives_the_very_bits_of_a_miss(decoder):
    prompt, other = drawn(5, 100), drawn(6, 20)
    cold = engine(decoder, scheduler="sarathi-serve:budget=64")
    missed = [*cold.run([asked(0, prompt)], GREEDY)]
    warm = engine(decoder, scheduler="sarathi-serve:budget=64")
    [*warm.run([asked(1, np.concatenate([prompt[:64], other]))], GREEDY)]
    before = warm.computed
    hit = [*warm.run([asked(0, prompt)], GREEDY)]
    assert warm.reused == 64
    assert warm.computed - before == cold.computed - 64
    assert [(token.token, token.logprob) for token in hit] == [(token.token, token.logprob) for token in missed]


def test_who_begins_alike_waits_for_the_first_and_shares_its_slots(decoder):
    prompt = drawn(7, 200)
    requests = [asked(i, np.concatenate([prompt, drawn(i, 5)]), most=30) for i in range(8)]
    made = engine(decoder)
    for request in requests:
        made.add(request, GREEDY)
    while any(not request.produced for request in requests):
        made.step()
    assert made.computed <= 205 + 7 * 5 + 8 * 8
    used = made.total - made.arena.free_slots
    assert used <= 200 + 8 * (5 + 8), "a shared beginning is stored once"
    for request in requests:
        made.cancel(request)
    settled(made)


def test_namespaces_share_nothing(decoder):
    made = engine(decoder)
    for number, namespace in enumerate(("", "other")):
        made.add(asked(number, drawn(7, 100)), GREEDY, namespace=namespace)
        while made.waiting or made.running:
            made.step()
    assert made.reused == 0


@pytest.mark.parametrize("scheduler", ["sarathi-serve:budget=16", "layered-prefill", "fcfs"])
@pytest.mark.parametrize("steps", range(6))
def test_a_request_that_is_cancelled_anywhere_leaves_nothing_behind(decoder, scheduler, steps):
    stays, goes = asked(0, drawn(1, 40)), asked(1, np.concatenate([drawn(1, 20), drawn(3, 600 // 8)]), 20)
    made, found = engine(decoder, scheduler=scheduler), []
    made.add(stays, GREEDY)
    made.add(goes, GREEDY)
    for _ in range(steps):
        found += made.step()
    made.cancel(goes)
    made.cancel(goes)
    rest = [*made.run()]
    assert all(token.request is stays for token in rest)
    assert [token.token for token in [*found, *rest] if token.request is stays] == plain(decoder, stays)
    settled(made)


def test_a_seed_gives_the_same_tokens_whatever_else_is_in_the_batch(decoder):
    sampler = Sampler(transforms("temperature:t=1.5|min-p:base=0.02"), seed=11)
    alone = told(engine(decoder), [asked(0, drawn(1, 30))], sampler)[0]
    together = told(engine(decoder, scheduler="sarathi-serve:budget=24"), [*alike(), asked(9, drawn(1, 30))], sampler)
    assert together[9] == alone
    assert told(engine(decoder), [asked(0, drawn(1, 30))], replace(sampler, seed=12))[0] != alone


def test_ends_log_probabilities_and_alternatives(decoder):
    request = asked(0, drawn(1, 30))
    first, second = plain(decoder, request)[:2]
    made = engine(decoder)
    made.add(request, GREEDY, ends={second}, alternatives=3)
    tokens = [*made.run()]
    assert [(token.token, token.finish) for token in tokens] == [(first, None), (second, "stop")]
    logits = decoder(torch.from_numpy(request.prompt).long(), Anew(decoder))[0].log_softmax(-1)
    assert tokens[0].logprob == pytest.approx(float(logits[first]), abs=1e-5)
    assert [token for token, _ in tokens[0].best] == logits.topk(3).indices.tolist()
    assert tokens[0].best[0][1] == pytest.approx(tokens[0].logprob, abs=1e-6)


def test_logits_that_are_no_numbers_end_their_request_alone(decoder, monkeypatch):
    real = decoder.logits

    def broken(x: torch.Tensor) -> torch.Tensor:
        logits = real(x)
        if len(logits) == 2:
            logits[1] = math.nan
        return logits

    monkeypatch.setattr(decoder, "logits", broken)
    made = engine(decoder)
    tokens = [*made.run([asked(0, drawn(1, 9)), asked(1, drawn(2, 9))], GREEDY)]
    (wrong,) = (token for token in tokens if token.finish == "error")
    assert (wrong.request.id, wrong.token) == (1, -1)
    assert [token.token for token in tokens if token.request.id == 0] == plain(decoder, asked(0, drawn(1, 9)))
    settled(made)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        (np.empty(0, np.int32), "no tokens"),
        (np.array([256], np.int32), "outside 0 to 255"),
        (np.array([-1], np.int32), "outside 0 to 255"),
        (np.zeros(512, np.int32), "window of 512"),
        (np.zeros(300, np.int32), "memory of 300"),
    ],
)
def test_a_request_that_cannot_be_run_is_refused(decoder, prompt, said):
    made = engine(decoder, 300 if "memory" in said else 1000)
    with pytest.raises(UserError, match=said):
        made.add(asked(0, prompt))
    settled(made)


def test_what_is_asked_for_beyond_the_window_is_cut(decoder):
    request = asked(0, drawn(1, 505), most=1000)
    assert len(told(engine(decoder), [request])[0]) == 512 - 505


def test_keys_and_values_take_the_bytes_that_the_formula_says(decoder):
    made = engine(decoder, 100)
    held = sum(tensor.nbytes for tensors in (made.arena.keys, made.arena.values) for tensor in tensors)
    assert held == made.arena.bytes == 100 * 2 * 3 * 2 * 16 * 4


def test_what_had_to_leave_comes_back_from_the_folder(decoder, tmp_path):
    def spilled(arena):
        return Spill(tmp_path, arena, "a model", 1 << 30)

    first, other = asked(0, drawn(1, 100)), asked(1, drawn(2, 100))
    made = engine(decoder, 150, spilled=spilled)
    once = told(made, [first])[0]
    told(made, [other])
    before = made.computed
    assert told(made, [asked(2, first.prompt)])[2] == once
    assert made.computed - before <= 1 + first.max_tokens
    after = engine(decoder, 150, spilled=spilled)
    assert told(after, [asked(3, first.prompt)])[3] == once
    assert after.reused > 0


def test_tokens_are_told_as_they_come(decoder):
    made = engine(decoder)
    made.add(asked(0, drawn(1, 5)), GREEDY)
    (token,) = made.step()
    assert isinstance(token, Token)
    assert made.running
    made.cancel(token.request)
