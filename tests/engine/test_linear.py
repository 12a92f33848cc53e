"""Whatever way a product takes, it is the same product."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from chunkwise.engine import linear as ways
from chunkwise.engine.config import Config, Rotary
from chunkwise.engine.decoder import Decoder
from chunkwise.engine.linear import Linear, WeightInt8, linear
from chunkwise.errors import ModelError
from decoders import said

RANDOM = torch.Generator().manual_seed(1)


@pytest.mark.parametrize("kernel", ["compiled", "packed", "none"])
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 8, 16, 17, 100])
@pytest.mark.parametrize("biased", [False, True])
def test_every_number_of_rows(monkeypatch: pytest.MonkeyPatch, kernel: str, rows: int, biased: bool) -> None:
    def compiled(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return torch.einsum("ti,oi->to", x, weight)

    if kernel != "compiled":
        monkeypatch.setattr(ways, "_kernel", lambda: lambda x, weight: None)
    else:
        monkeypatch.setattr(ways, "_kernel", lambda: compiled)
    monkeypatch.setattr(ways, "packs", lambda: kernel == "packed" and torch.backends.mkldnn.is_available())
    weight, x = torch.randn(24, 40, generator=RANDOM), torch.randn(rows, 40, generator=RANDOM)
    bias = torch.randn(24, generator=RANDOM) if biased else None
    layer, plain = Linear(weight, bias), functional.linear(x, weight, bias)
    for _ in range(2):
        torch.testing.assert_close(layer(x), plain, atol=1e-5, rtol=1e-5)
    many = torch.randn(50, 40, generator=RANDOM)
    torch.testing.assert_close(layer(many), functional.linear(many, weight, bias), atol=1e-5, rtol=1e-5)
    assert torch.equal(layer.weight, weight)


def test_int8_costs_little_and_rounding_coarser_costs_more() -> None:
    """The law of the next token moves by less than 0.01 bit at worst; with weights of 4 bits it would not."""
    shape = {"vocabulary": 200, "width": 128, "layers": 4, "heads": 4, "kv_heads": 2, "head_dim": 32, "inner": 256}
    config = Config("llama", positions=64, rotary=Rotary(32, original=64), **shape)
    tokens = torch.randint(0, 200, (48,), generator=RANDOM)

    def law(decoder: Decoder) -> torch.Tensor:
        return torch.log_softmax(said(decoder, tokens) * 8, -1)  # as peaked as a trained model's: see the assert below

    exact, int8 = (law(Decoder.random(config, 5, quantise=how)) for how in (None, "int8"))
    coarse = Decoder.random(config, 5)
    for layer in coarse.layers:
        for product in (layer.qkv, layer.output, layer.feed.gate_up, layer.feed.down):  # type: ignore[union-attr]
            step = product.weight.abs().amax(1, keepdim=True) / 7  # type: ignore[attr-defined]
            product.weight.copy_((product.weight / step).round() * step)  # type: ignore[attr-defined]
    gap, control = ((exact.exp() * (exact - other)).sum(-1) for other in (int8, law(coarse)))
    entropy = -(exact.exp() * exact).sum(-1).mean()
    assert entropy < 0.8 * torch.log(torch.tensor(200.0))
    assert 0 < gap.max() < 0.01 < control.max()


def test_weights_alone_in_eight_bits() -> None:
    weight, bias = torch.randn(24, 40, generator=RANDOM), torch.randn(24, generator=RANDOM)
    x = torch.randn(3, 40, generator=RANDOM)
    exact = functional.linear(x, weight, bias)
    for how in (WeightInt8(weight, bias), linear(weight, bias, "int8")):
        assert 0 < (how(x) - exact).abs().max() < 0.03 * exact.abs().max()
    zero = WeightInt8(torch.zeros(4, 40))(x)
    assert torch.equal(zero, torch.zeros(3, 4))


def test_what_cannot_be_quantised_to() -> None:
    with pytest.raises(ModelError, match="int3"):
        linear(torch.ones(2, 2), None, "int3")  # type: ignore[arg-type]
