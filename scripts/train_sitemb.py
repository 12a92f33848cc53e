"""Train the head of `sitemb`: writes `src/chunkwise/embed/sitemb-minilm.safetensors`.

    python scripts/train_sitemb.py --data DIR [--lessons FILE]

The plain similarity stays as it is, and the head's part is added to it: so it learns what the surroundings tell that
the chunk alone does not. InfoNCE against chunks of the same document and of others alike. `head_training.py` says what
is learnt from. Seeded; needs torch; a minute once the vectors are made.
"""

from __future__ import annotations

import numpy as np
import torch
from head_training import LowRank, contrast, lessons, options, recall_within, trained, unit, write

from chunkwise.units import Ints

NEGATIVES = 24


def main() -> None:
    """Read the vectors, train, say how good it is, write the head."""
    chosen = options("Train the head of sitemb.")
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    found = lessons(chosen.data, chosen.lessons)
    plain, late, questions = (torch.from_numpy(rows) for rows in (found.plain, found.late, found.question))
    head = LowRank(late.shape[1], keep=0.5, learnt=True)
    of = [np.flatnonzero(found.document == number) for number in range(int(found.document.max()) + 1)]

    def situated(rows: Ints) -> torch.Tensor:
        return unit(plain[rows] + head(late[rows]))

    def loss(rows: Ints) -> torch.Tensor:
        answers = found.answer[rows]
        inside = np.stack([rng.choice(of[found.document[answer]], NEGATIVES // 2) for answer in answers.tolist()])
        wrong = np.concatenate([inside, rng.integers(len(late), size=inside.shape)], axis=1)
        wrong = np.where(wrong == answers[:, None], (wrong + len(late) // 2) % len(late), wrong)
        return contrast(questions[rows], situated(answers), situated(wrong))

    def score(rows: Ints) -> float:
        chunks = situated(np.arange(len(late))).detach().numpy()
        return recall_within(found, found.question[rows], chunks, rows)

    learn, look = found.held(0)
    before = recall_within(found, found.question[look], found.plain, look)
    best = trained(head, loss, score, learn, look)
    write("sitemb", head, chosen.out, rank=f"mean reciprocal rank {best:.4f}, plain vectors {before:.4f}")


if __name__ == "__main__":
    main()
