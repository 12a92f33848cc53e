"""What Prometheus reads: requests, tokens, memory, times."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from chunkwise.engine.complete import Completer, Done

_TIMES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)  # seconds


class Metrics(Collector):
    """Counts of one server, and what its engine holds at the time it is asked."""

    def __init__(self, completer: Completer) -> None:
        self._completer = completer
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "chunkwise_requests", "Requests by path and HTTP status", ["path", "status"], registry=self._registry
        )
        self._tokens = Counter("chunkwise_tokens", "Tokens of ended requests", ["kind"], registry=self._registry)
        self._first = Histogram(
            "chunkwise_time_to_first_token_seconds",
            "From a request to a choice's first token",
            buckets=_TIMES,
            registry=self._registry,
        )
        self._between = Histogram(
            "chunkwise_time_between_tokens_seconds",
            "From a choice's token to its next one",
            buckets=_TIMES,
            registry=self._registry,
        )
        self._registry.register(self)
        completer.on_token = self.token

    def token(self, first: bool, seconds: float) -> None:
        """A token came."""
        (self._first if first else self._between).observe(seconds)

    def done(self, done: Done) -> None:
        """A request has ended."""
        for kind, count in done._asdict().items():
            self._tokens.labels(kind).inc(count)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """What is under way now."""
        load = self._completer.under_way
        requests = GaugeMetricFamily("chunkwise_choices", "Choices under way", labels=["state"])
        requests.add_metric(["running"], load.running)
        requests.add_metric(["waiting"], load.waiting)
        slots = GaugeMetricFamily("chunkwise_kv_slots", "Slots for keys and values, one a token", labels=["state"])
        for state in ("held", "kept", "total"):
            slots.add_metric([state], getattr(load, state))
        return requests, slots

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
