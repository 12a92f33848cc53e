"""Train the head of `insent-conteb`: writes `src/chunkwise/embed/insent-conteb-minilm.safetensors`.

    python scripts/train_insent.py --data DIR [--lessons FILE]

InfoNCE with two sets of negatives for each question: chunks of the document that holds the answer (in sequence), and
chunks of other documents (in batch); the first weighs WEIGHT. Questions and chunks go through the same head.
`head_training.py` says what is learnt from. Seeded; needs torch; a minute once the vectors are made.
"""

from __future__ import annotations

import numpy as np
import torch
from head_training import LowRank, contrast, lessons, options, recall_within, trained, unit, write

from chunkwise.units import Floats, Ints

WEIGHT = 0.1  # of the negatives from the same document
NEGATIVES = 24  # of each kind


def main() -> None:
    """Read the vectors, train, say how good it is, write the head."""
    chosen = options("Train the head of insent-conteb.")
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    found = lessons(chosen.data, chosen.lessons)
    late, questions = torch.from_numpy(found.late), torch.from_numpy(found.question)
    head = LowRank(late.shape[1])
    of = [np.flatnonzero(found.document == number) for number in range(int(found.document.max()) + 1)]

    def corrected(x: torch.Tensor) -> torch.Tensor:
        return unit(torch.as_tensor(head(x)))

    def loss(rows: Ints) -> torch.Tensor:
        answers = found.answer[rows]
        others = [np.setdiff1d(of[found.document[answer]], answer) for answer in answers.tolist()]
        alone = np.array([len(other) == 0 for other in others])
        inside = np.stack([rng.choice(other if len(other) else [0], NEGATIVES) for other in others])
        outside = rng.integers(len(late), size=inside.shape)
        same = found.document[outside] == found.document[answers][:, None]
        outside = np.where(same, (outside + len(late) // 2) % len(late), outside)
        asked, right = corrected(questions[rows]), corrected(late[answers])
        kept = np.flatnonzero(~alone)
        sequence = contrast(asked[kept], right[kept], corrected(late[inside[kept]]))
        return WEIGHT * sequence + (1 - WEIGHT) * contrast(asked, right, corrected(late[outside]))

    def score(rows: Ints) -> float:
        return recall_within(found, numpy(corrected(questions[rows])), numpy(corrected(late)), rows)

    learn, look = found.held(0)
    plain = score(look)
    best = trained(head, loss, score, learn, look)
    write("insent-conteb", head, chosen.out, rank=f"mean reciprocal rank {best:.4f}, without the head {plain:.4f}")


def numpy(x: torch.Tensor) -> Floats:
    """The values alone."""
    return np.asarray(x.detach().numpy())


if __name__ == "__main__":
    main()
