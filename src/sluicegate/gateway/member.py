"""One backend of the fleet as it is now: who is behind it, how calls get there, and what clients see of it."""

from __future__ import annotations

from functools import partial

import attrs

from ..backends.attention import watch
from ..backends.backend import Backend
from ..backends.link import State
from ..config.model import BackendConfig
from ..routing.annotations import Annotated
from ..routing.catalogue import Entry
from ..routing.visibility import Filter, Visibility
from .handles import Policies
from .pipeline import Pipeline
from .shaping_making import shaping_of
from .supervised import Supervised

__all__ = ["Member", "visibility_of"]


@attrs.frozen(eq=False, repr=False)
class Member:
    """A backend and all that is made of its settings. It is never changed: other settings make another one, perhaps of the same backend."""

    supervised: Supervised
    pipeline: Pipeline
    visibility: Visibility
    """What of it clients may see."""

    @classmethod
    def of(cls, supervised: Supervised, pipeline: Pipeline, before: Member | None) -> Member:
        """A new one; of the one ``before`` it takes what follows from the same settings."""
        same = before is not None and before.config == pipeline.config
        return cls(supervised, pipeline, before.visibility if before is not None and same else visibility_of(pipeline.config))

    @property
    def config(self) -> BackendConfig:
        """Its settings."""
        return self.pipeline.config

    @property
    def backend(self) -> Backend:
        """The backend itself."""
        return self.supervised.backend

    @property
    def policies(self) -> Policies:
        """Those of its policies that remember something."""
        return self.pipeline.policies

    @property
    def group(self) -> str:
        """The primary of those that stand in for each other."""
        return self.config.stands_for or self.config.name

    def entry(self, abilities: str) -> Entry:
        """It as the catalogue of clients sees it that can be asked this."""
        config, backend, pipeline = self.config, self.backend, self.pipeline
        is_starting = backend.state is State.STARTING
        return Entry(
            config.name,
            config.effective_namespace,
            pipeline.handler,
            self.visibility,
            backend.offer_to(abilities),
            pipeline.stand_ins,
            is_starting,
            partial(watch, backend),
            pipeline.headers,
        )

    def begin(self) -> None:
        """From now on calls come to it in this way."""
        self.pipeline.begin()
        self.supervised.serve(self.config, self.policies)


def visibility_of(config: BackendConfig) -> Visibility:
    """Stand-ins and canaries are never seen (FLT-5)."""
    return Visibility(
        tools=Filter.parse(config.expose_tools, config.hide_tools),
        resources=Filter.parse(config.expose_resources, config.hide_resources),
        prompts=Filter.parse(config.expose_prompts, config.hide_prompts),
        annotated=Annotated(config.hide_destructive, config.read_only_only),
        shaping=shaping_of(config),
        aliases={alias.from_: alias.to for alias in config.aliases},
        hidden=config.stands_for is not None or (config.mirror_of is not None and config.mirror_hidden),
    )
