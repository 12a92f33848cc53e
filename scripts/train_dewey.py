"""Train the heads of `dewey`: writes `src/chunkwise/embed/dewey-minilm.safetensors`.

    python scripts/train_dewey.py --data DIR [--lessons FILE]

Distillation: a chunk's vector from its document's states is to be what the encoder says of the chunk alone, and the
document's, from its windows' first states, the mean of those. The loss is one minus the cosine, and the squared
difference of the similarities within a batch. `head_training.py` says what is learnt from. Seeded; needs torch; a
minute once the vectors are made.
"""

from __future__ import annotations

import numpy as np
import torch
from head_training import LowRank, lessons, options, trained, unit, write

from chunkwise.embed.unit import unit_rows
from chunkwise.units import Ints


def distance(pupil: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """How far the pupil's unit vectors are from the teacher's, and their similarities from the teacher's."""
    apart = (1 - (pupil * teacher).sum(-1)).mean()
    return apart + ((pupil @ pupil.T - teacher @ teacher.T) ** 2).mean()


def main() -> None:
    """Read the vectors, train, say how near they come, write the heads."""
    chosen = options("Train the heads of dewey.")
    torch.manual_seed(0)
    found = lessons(chosen.data, chosen.lessons)
    count = int(found.document.max()) + 1
    taught = unit_rows([found.plain[found.document == number].mean(0) for number in range(count)])
    # One row for each vector there is to learn: chunks, then documents.
    late, plain, lead = (torch.from_numpy(rows) for rows in (found.late, found.plain, found.lead))
    teacher, chunks = torch.cat([plain, torch.from_numpy(taught)]), len(late)
    heads = torch.nn.ModuleDict({"chunk": LowRank(late.shape[1]), "document": LowRank(late.shape[1])})

    def pupils(rows: Ints) -> torch.Tensor:
        x = torch.cat([late, lead])[rows]
        of = torch.from_numpy(rows < chunks)[:, None]
        return unit(torch.where(of, heads["chunk"](x), heads["document"](x)))

    def loss(rows: Ints) -> torch.Tensor:
        return distance(pupils(rows), teacher[rows])

    def near(rows: Ints) -> float:
        return float((pupils(rows) * teacher[rows]).sum(-1).mean().detach())

    owner = np.concatenate([found.document, np.arange(count)])
    learn, look = np.flatnonzero(owner % 5 != 0), np.flatnonzero(owner % 5 == 0)
    parts = {"chunks": look[look < chunks], "documents": look[look >= chunks]}
    before = {name: near(rows) for name, rows in parts.items()}
    trained(heads, loss, near, learn, look, rate=5e-4, decay=0.1)
    with torch.no_grad():
        notes = {name: f"cosine {near(rows):.4f}, without the head {before[name]:.4f}" for name, rows in parts.items()}
    write("dewey", heads, chosen.out, **notes)


if __name__ == "__main__":
    main()
