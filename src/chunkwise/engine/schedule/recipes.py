"""Schedulers: who is taken in, what a step is made of, how prompts are cut, what memory is set aside, who gives way."""

from __future__ import annotations

from chunkwise.engine.schedule.admit import by_group, fair, first_come, largest, shortest
from chunkwise.engine.schedule.compose import one_batch, one_prompt, preemptive, prefill_first, stall_free
from chunkwise.engine.schedule.preempt import swap
from chunkwise.engine.schedule.reserve import paged, predicted, worst_case
from chunkwise.engine.schedule.scheduler import Scheduler
from chunkwise.engine.schedule.split import by_layers, by_tokens, not_at_all
from chunkwise.recipe import recipe


@recipe(
    "fcfs",
    family="serve-schedule",
    seed="The plain control: continuous batching, prompts first, as vLLM began",
    claim="whoever comes first is answered first, and memory is taken as it is needed; new prompts stall every decode",
)
def fcfs(budget: int = 8192, seats: int = 256) -> Scheduler:
    """Whole prompts by arrival, in steps of their own; decodes when no prompt can be taken in."""
    return Scheduler(budget, seats, compose=prefill_first, split=not_at_all())


@recipe(
    "sarathi",
    family="serve-schedule",
    seed="SARATHI: Efficient LLM Inference by Piggybacking Decodes with Chunked Prefills",
    claim="decodes that ride on a chunk of prefill cost little, so decode throughput rises against steps of their own",
)
def sarathi(chunk: int = 256, seats: int = 256) -> Scheduler:
    """Steps of at most `chunk` tokens: every decode, and one chunk of one prompt in what is left.

    The chunk is shortened by the decodes, so that together they fill whole tiles of a matrix product when `chunk` does.
    """
    return Scheduler(chunk, seats, compose=one_prompt, split=by_tokens())


@recipe(
    "sarathi-serve",
    family="serve-schedule",
    seed="Taming Throughput-Latency Tradeoff in LLM Inference with Sarathi-Serve",
    claim="no decode waits for a prompt: the longest time between tokens is that of one step of the token budget",
)
def sarathi_serve(budget: int = 512, seats: int = 256) -> Scheduler:
    """Every decode first, then prompts under way, then new ones, until `budget` tokens are in the step.

    budget: the paper profiles for it, the largest whose step keeps to the target for the time between tokens.
    """
    return Scheduler(budget, seats)


@recipe(
    "fastgen-splitfuse",
    family="serve-schedule",
    seed="DeepSpeed-FastGen: High-throughput Text Generation for LLMs via MII and DeepSpeed-Inference",
    claim="every forward pass is near one size, long prompts split and short ones fused, so token latency varies less",
)
def fastgen_splitfuse(size: int = 512, seats: int = 256) -> Scheduler:
    """Forward passes of `size` tokens: decodes, and prompts split or fused to fill the rest exactly.

    A prompt that memory has no place for is passed over by those behind it, so that the pass is filled.
    """
    return Scheduler(size, seats, first_come(skips=True), stall_free, by_tokens())


@recipe(
    "layered-prefill",
    family="serve-schedule",
    seed="From Tokens to Layers: Redefining Stall-Free Scheduling for LLM Serving with Layered Prefill",
    claim="a prompt reads every layer's experts once, where chunks read them once each; no decode waits for it",
)
def layered_prefill(layers: int = 48, groups: int = 16, per: int = 512, budget: int = 8192) -> Scheduler:
    """Prompts of up to `budget` tokens pass a group of layers a step, while all decodes pass all layers.

    layers: of the model; groups: most of them, for prompts of more than 8 `per` tokens (16 for
    Qwen3-30B and 12 for gpt-oss-20b in the paper).
    """
    return Scheduler(budget, 256, compose=one_batch, split=by_layers(layers, groups, per))


@recipe(
    "batchllm",
    family="serve-schedule",
    seed="BatchLLM: Optimizing Large Batched LLM Inference with Global Prefix Sharing and Throughput-oriented "
    "Token Batching",
    claim="a prefix that requests share is computed once for all, and an offline batch is done sooner than by FCFS",
)
def batchllm(budget: int = 8192, seats: int = 8192) -> Scheduler:
    """Groups of one prefix after another, those first that decode most for their prefill; admitted by memory alone.

    What begins alike is found by a prefix tree over all prompts, cut where it saves most. The kernel that attends to a
    shared prefix once for the whole group is not a matter of scheduling. The ratio takes expected output lengths
    (`Request.predicted`), or max_tokens. The rule for the order and the cuts is a reconstruction.
    """
    return Scheduler(budget, seats, by_group(), stall_free, by_tokens(), paged(watermark=0.05))


@recipe(
    "s3",
    family="serve-schedule",
    seed="S^{3}: Increasing GPU Utilization during Generative Inference for Higher Throughput",
    claim="memory set aside by predicted length holds more requests than by the worst case; the mispredicted end too",
)
def s3(buckets: int = 10, longest: int = 0, budget: int = 8192, seats: int = 256) -> Scheduler:
    """Slots for the prompt and the bucket of the predicted length, the largest that fits first.

    A request that outgrows its own is preempted and comes back with twice as many, its tokens computed again. The
    predictor (there a small classifier) is whoever sets `Request.predicted`; retraining it is not part of this.
    longest: what `buckets` divide, 0 for each request's max_tokens.
    """
    reserve = predicted(buckets, longest)
    return Scheduler(budget, seats, largest(reserve.claim), stall_free, by_tokens(), reserve)


@recipe(
    "fastswitch",
    family="serve-schedule",
    seed="FastSwitch: Optimizing Context Switching Efficiency in Fairness-aware Large Language Model Serving",
    claim="fair turns cost few copies: runs of blocks in one, none of what was copied before, and no step waits",
)
def fastswitch(turn: int = 64, run: int = 1024, budget: int = 2048, seats: int = 256) -> Scheduler:
    """Who has had fewer turns of `turn` tokens preempts who has had more; what is preempted is swapped, not dropped.

    A copy moves up to `run` slots that lie together; it runs beside the steps; a copy that is still valid is kept, so
    that only what was added is moved. The paper draws priorities at random as users would; `Request.priority` adds to
    the turns here. Copies kept between the turns of a conversation are not modelled, only those between preemptions.
    """
    return Scheduler(budget, seats, fair(turn), preemptive, by_tokens(), paged(), swap(run, overlapped=True, kept=True))


@recipe(
    "flover",
    family="serve-schedule",
    seed="Flover: A Temporal Fusion Framework for Efficient Autoregressive Model Parallel Inference",
    claim="requests join the running batch at any token and leave it at their own, and are done sooner than in batches",
)
def flover(seats: int = 64, budget: int = 8192) -> Scheduler:
    """One loop over all requests: each joins with its whole prompt, and leaves when it is done.

    Memory is set aside for the most that a request may produce, as for its dense buffers. The buffer in which the last
    row moves into the place of one that is done has no counterpart: slots do not move here.
    """
    return Scheduler(budget, seats, first_come(), stall_free, not_at_all(), worst_case())


@recipe(
    "infinite-sampling",
    family="serve-schedule",
    seed="Infinite Sampling: Efficient and Stable Grouped RL Training for Large Language Models",
    claim="a group of samples passes through few slots, refilled as they come free, in fewer steps than groups in turn",
)
def infinite_sampling(slots: int = 8, budget: int = 2048) -> Scheduler:
    """At most `slots` samples at once; a slot that comes free is taken by the shortest expected one that waits.

    The prompt is shared where the memory shares what begins alike. The paper also balances micro groups by a
    knapsack approximation before the start, and predicts lengths from the first tokens; here `Request.predicted` is
    given. Which samples are produced does not depend on any of this.
    """
    return Scheduler(budget, slots, shortest(), stall_free, by_tokens())


@recipe(
    "mg1-token-limit",
    family="serve-schedule",
    seed="A Queueing Theoretic Perspective on Low-Latency LLM Inference with Variable Token Length",
    claim="with one server, cutting a few long answers short brings the mean wait down as Pollaczek and Khinchine say",
)
def mg1_token_limit(limit: int = 512, budget: int = 8192) -> Scheduler:
    """One request at a time, by arrival, cut short after `limit` tokens.

    With service S = a + b min(N, limit) for N tokens of output and arrivals at rate r, the mean wait is
    r E[S^2] / (2 (1 - r E[S])). `chunkwise.engine.simulate.closed` has the formula, the limit that is best at a price
    of cut tokens, and the wait where batches are served at once.
    """
    return Scheduler(budget, 1, compose=stall_free, split=not_at_all(), limit=limit)
