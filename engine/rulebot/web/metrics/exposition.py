"""`GET /metrics`: the samples of this moment in the words of Prometheus. Nothing is counted between two requests."""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

from fastapi import APIRouter, HTTPException, Request, Response

from rulebot.adapters.clock import Clock, WallClock
from rulebot.live.start import Spread
from rulebot.store.place import Place
from rulebot.web.live import Live
from rulebot.web.metrics.samples import (
    ENGINE,
    STORE,
    Kind,
    Metric,
    Sample,
    StoreSamples,
    samples_of_run,
    samples_of_waiting,
)

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family
    from prometheus_client.registry import Collector, CollectorRegistry

NEEDS = "metrics need a package that is not installed: pip install 'rulebot[metrics]'"


class Samples(Protocol):
    """Anything that yields samples."""

    def __call__(self) -> Iterable[Sample]:
        """Return the samples of this moment."""


def router(store: Place, live: Live, clock: Clock | None = None) -> APIRouter:
    """Return the path of the metrics of a store, and of the engine that `live` shows."""
    clock = clock or WallClock()
    found = APIRouter()
    kept = StoreSamples(store)

    def samples() -> Iterable[Sample]:
        """Return what the store knows; what a running engine knows better takes its place."""
        known = {(each.name, each.labels): each for each in kept.now()}
        vitals, picture = live.vitals, live.picture
        if vitals is not None and picture is not None:
            known |= {(each.name, each.labels): each for each in samples_of_run(vitals, picture, live.silence)}
        elif live.waits_for() is not None:
            known |= {(each.name, each.labels): each for each in samples_of_waiting(clock.now())}
        return known.values()

    @found.get("/metrics", include_in_schema=False)
    def metrics(request: Request) -> Response:
        try:
            from prometheus_client.exposition import choose_encoder
        except ModuleNotFoundError as error:
            raise HTTPException(501, NEEDS) from error
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry(samples)), media_type=kind)

    return found


def registry(samples: Samples) -> "CollectorRegistry":
    """Return a registry of these samples and of this process."""
    from prometheus_client import CollectorRegistry, ProcessCollector

    found = CollectorRegistry(auto_describe=False)
    found.register(_collector(samples))
    ProcessCollector(registry=found)
    return found


def _collector(samples: Samples) -> "Collector":
    from prometheus_client.registry import Collector

    class _Collector(Collector):
        def collect(self) -> "Iterator[Family]":
            by_name: dict[str, list[Sample]] = {}
            for sample in samples():
                by_name.setdefault(sample.name, []).append(sample)
            for metric in (*STORE, *ENGINE):
                if found := by_name.pop(metric.name, []):
                    yield _family(metric, found)
            assert not by_name, f"metrics that are not in the catalogue: {', '.join(by_name)}"

    return _Collector()


def _family(metric: Metric, samples: Iterable[Sample]) -> "Family":
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    words = metric.meaning
    if metric.kind is Kind.HISTOGRAM:
        spreads = HistogramMetricFamily(metric.name, words, labels=metric.labels)
        for each in samples:
            assert isinstance(each.value, Spread)
            spreads.add_metric(each.labels, _buckets(each.value), each.value.total)
        return spreads
    family = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    found = family(metric.name, words, labels=metric.labels)
    for each in samples:
        assert not isinstance(each.value, Spread)
        found.add_metric(each.labels, float(each.value))
    return found


def _buckets(spread: Spread) -> list[tuple[str, float]]:
    bounds = [*(f"{bound:g}" if bound < 1 else f"{float(bound)}" for bound in spread.bounds), "+Inf"]
    return list(zip(bounds, accumulate(spread.counts.copy()), strict=True))
