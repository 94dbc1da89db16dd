"""The statistics of a Client for prometheus_client. Not imported by the package.

    client = Client(redis, group=lambda name: name.partition(":")[0])
    prometheus_client.REGISTRY.register(Collector(client))

Several clients need one collector together:

    prometheus_client.REGISTRY.register(Collector({"orders": client, "mail": other}))
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from ._clients import client_of, prometheus_text
from ._store import Store

try:
    from prometheus_client import Metric
    from prometheus_client.registry import Collector as _Collector
except ImportError:
    if not TYPE_CHECKING:
        Metric, _Collector = None, object

__all__ = ["Collector"]

_SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Collector(_Collector):
    """The statistics of a client, for `registry.register()`. The metrics are those of
    Client.prometheus_text(); docs/observability.md lists them. A scrape asks no server. `client` is a
    Client, or what locks take, which with `prefix` names the client that such locks share; or several
    of them by names, which become the label `client`. A registry takes one such collector, and refuses
    another with ValueError. Raises ImportError without prometheus_client. Thread-safe."""

    def __init__(self, client: Store | Mapping[str, Store] = None, *, prefix: str = "") -> None:
        if Metric is None:
            raise ImportError("distributed_lock.prometheus needs prometheus_client: install it with "
                              "`pip install prometheus_client`; Client.prometheus_text() does without")
        self._text: Callable[[], str]
        if isinstance(client, Mapping):
            clients = {name: client_of(each, prefix) for name, each in client.items()}
            self._text = partial(prometheus_text, clients)
            self._text()  # so that a wrong name is told now
        else:
            self._text = client_of(client, prefix).prometheus_text

    def describe(self) -> Iterator[Metric]:
        """The same: what a registry must not get from two collectors."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """All metrics, of one moment."""
        metric: Metric | None = None
        documentation = ""
        for line in self._text().split("\n"):
            if line.startswith("# HELP "):
                documentation = line.split(" ", 3)[3]
            elif line.startswith("# TYPE "):
                if metric is not None:
                    yield metric
                _, _, name, kind = line.split(" ")
                metric = Metric(name.removesuffix("_total"), documentation, kind)
            elif (sample := _SAMPLE.fullmatch(line)) is not None and metric is not None:
                labels = {name: re.sub(r"\\(.)", r"\1", value)
                          for name, value in _LABEL.findall(sample[2] or "")}
                metric.add_sample(sample[1], labels, float(sample[3]))
        if metric is not None:
            yield metric
