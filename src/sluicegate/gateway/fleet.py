"""All backends of a gateway: which there are, who supervises them, and the catalogue that follows from them.

There is one way to change them. A change is prepared beside what runs: it is checked as a whole, what it needs is connected to, and all that
follows from it is made. Then it takes effect in one moment, in which nothing waits and nothing fails. What ends before that moment, whatever
the reason, leaves everything as it was; what ends after it has only hurried those that were to go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs
import trio

from ..backends.attention import hand_over, reconsider
from ..backends.backend import Backend
from ..backends.link import Link, StateChange
from ..backends.session import Connector
from ..config.checks.whole import problems
from ..config.model import BackendConfig, Config
from ..config.problem import ConfigError
from ..policies.mirror import Shadow
from ..policies.outlier import Group
from ..protocol.blot import Blot, unblotted
from ..protocol.calls import Layer
from ..protocol.clientele import MANY, Clientele
from ..protocol.credential import Credential
from ..protocol.log_wishes import LogWishes
from ..protocol.task_ids import TaskIds
from ..routing.directory import Directory
from ..sources import Sources
from ..telling.loggers import get_logger
from .catalogues import catalogues_of
from .differences import Change, differences, told
from .edits import Edit
from .handles import Policies
from .member import Member
from .pipeline import blueprint
from .policy_making import PolicyContext, health_of
from .readiness import Readiness
from .supervised import BackendFailed, SkippedBackend, Supervised

__all__ = ["BackendFailed", "Fleet", "SkippedBackend"]

log = get_logger("sluicegate.gateway.fleet")


@attrs.define(eq=False, repr=False)
class Fleet:
    """Has the backends that it is told to have, and keeps the directory in step with them."""

    config: Config
    """Its backends are those that it was told last, the disabled ones included."""
    connect: Callable[[BackendConfig, object], tuple[Connector, Credential | None]]
    """From a backend's settings, and what the program brought for it, to its connector and what that shows."""
    sources: Sources
    nursery: trio.Nursery
    """Where the supervisors live."""
    around: PolicyContext
    directory: Directory
    layers: dict[str, Sequence[Layer]] = attrs.field(factory=dict)
    """Policies of the embedding program, per backend, innermost first."""
    servers: dict[str, object] = attrs.field(factory=dict)
    """What the program brought when the gateway was opened, by name."""
    blot_for: Callable[[BackendConfig], Blot] = lambda _config: unblotted
    """What takes known secrets out of what the operator is told of a backend."""
    clientele: Clientele = MANY
    """Who the gateway's clients are, as backends are told."""
    log_wishes: LogWishes = attrs.field(factory=LogWishes, init=False)
    """How much of the log of backends clients with sessions want."""
    tasks: TaskIds = attrs.field(default=attrs.Factory(lambda self: TaskIds(self.sources.secret), takes_self=True), kw_only=True)
    """Under which ids clients know the tasks of backends."""
    readiness: Readiness = attrs.field(default=attrs.Factory(lambda self: self._readiness(), takes_self=True), init=False)
    """Who asks whether they are there, and who waits for it."""
    _members: Mapping[str, Member] = attrs.field(factory=dict, init=False)
    _groups: dict[str, Group] = attrs.field(factory=dict, init=False)
    """By primary, those that stand in for each other."""
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    """Whose change takes effect next; first come, first served."""

    def _readiness(self) -> Readiness:
        return Readiness(lambda: self._members, self.config.proxy.startup_wait_seconds, self.clientele)

    @property
    def backends(self) -> Mapping[str, Backend]:
        """Every backend by name, in the order of the configuration."""
        return {name: member.backend for name, member in self._members.items()}

    @property
    def configs(self) -> list[BackendConfig]:
        """The settings of every backend that is enabled, in order."""
        return [member.config for member in self._members.values()]

    @property
    def policies(self) -> Mapping[str, Policies]:
        """Of every backend, those of its policies that can be read and moved."""
        return {name: member.policies for name, member in self._members.items()}

    @property
    def shadows(self) -> list[Shadow]:
        """Every mirror, with what became of its copies."""
        return [member.pipeline.shadow for member in self._members.values() if member.pipeline.shadow is not None]

    async def apply(self, edit: Edit) -> bool:
        """Do what is wanted, whole or not at all; then let those end that are no longer needed. Whether there were any.

        A backend that is connected to and has to come up is waited for, and so is one that takes the place of another, which serves until
        then: not longer than at a start, and then it takes the place in any case. A new one comes up behind, as at a start.

        Raises:
            ConfigError: a gateway could not run with these backends.
            BackendFailed: one of those that had to come up did not.
        """
        begun: dict[str, Supervised] = {}
        try:
            if not edit.is_whole:  # whoever changes one backend does not hold up others while it is connected to
                await self._prepare(edit, begun)
            async with self._turn:
                edit = edit.at(self.config)
                leaving = self._commit(await self._prepare(edit, begun), edit, begun)
        finally:
            for supervised in begun.values():
                supervised.stop()
        async with trio.open_nursery() as nursery:
            for supervised in leaving:
                nursery.start_soon(supervised.drain, self.config.proxy.shutdown_timeout_seconds)
        return bool(leaving)

    async def _prepare(self, edit: Edit, begun: dict[str, Supervised]) -> Config:
        """Check what is wanted as things are now, and connect to what that needs and has not ``begun``; all as it is to be."""
        wanted = edit.config(self.config)
        if found := problems(wanted):
            raise ConfigError(found)
        needed = [one for one in wanted.backends if self._needs_link(one, edit) and not self._is_begun(one, edit, begun)]
        fresh = {config.name: self._supervised(config, edit) for config in needed}
        for name, supervised in fresh.items():
            self.nursery.start_soon(supervised.keep)
            if name in begun:
                begun[name].stop()
            begun[name] = supervised
        for config in needed:
            if edit.insists(config):
                await fresh[config.name].comes_up()
        with trio.move_on_after(self.readiness.patience):
            for name in (name for name in fresh if name in self._members):
                await fresh[name].first_attempt()
        return wanted

    def _needs_link(self, config: BackendConfig, edit: Edit) -> bool:
        """Whether it is to run, and cannot be reached as it is now."""
        member = self._members.get(config.name)
        if member is None or not config.enabled:
            return config.enabled
        if self._source(config.name, edit) is not member.supervised.source:
            return True
        changes = differences(member.config, config)
        return Change.LINK in changes or (config.name in edit.anew and not changes)

    def _is_begun(self, config: BackendConfig, edit: Edit, begun: Mapping[str, Supervised]) -> bool:
        """Whether it was connected to already, as it is wanted now."""
        one = begun.get(config.name)
        return one is not None and one.config == config and one.source is self._source(config.name, edit)

    def _source(self, name: str, edit: Edit) -> object:
        """What the program has brought for it."""
        if (given := edit.sources.get(name)) is not None:
            return given
        member = self._members.get(name)
        return self.servers.get(name) if member is None else member.supervised.source

    def _supervised(self, config: BackendConfig, edit: Edit) -> Supervised:
        """A backend, and its supervisor, which nobody has started yet. Who is waited for cannot wait for a client in turn."""
        source, around = self._source(config.name, edit), edit.around or self
        blot = around.blot_for(config)
        clientele = self.clientele.as_known() if edit.insists(config) or config.name in self._members else self.clientele
        (connector, credential), health = around.connect(config, source), health_of(config, blot)
        link = Link(config.name, connector, health=health, strict=config.is_strict, blot=blot, clientele=clientele)
        if config.sessions == "shared" or self.clientele.is_one:  # else nobody with a session is on it
            link.level.clients = self.log_wishes
        return Supervised.of(config, source, link, self.sources.chance, self.config.proxy, self.tasks, credential)

    def _commit(self, config: Config, edit: Edit, begun: dict[str, Supervised]) -> list[Supervised]:
        """Make all that follows, then have it take effect; what has ``begun`` and is taken is no longer in there. Who has to leave."""
        before, running = self._members, [one for one in config.backends if one.enabled]
        links = {one.name: begun[one.name] if self._needs_link(one, edit) else before[one.name].supervised for one in running}
        backends, old = {name: one.backend for name, one in links.items()}, {name: member.pipeline for name, member in before.items()}
        pipelines = blueprint(running, backends, self.around, layers={**self.layers, **edit.layers}, before=old)
        members = {name: Member.of(links[name], pipeline, before.get(name)) for name, pipeline in pipelines.items()}
        catalogues = catalogues_of(members.values(), config)
        begin = None if (around := edit.around) is None else around.made()
        self._members, self.config = members, config  # from here on nothing fails or waits
        self.layers |= edit.layers
        if around is not None and begin is not None:
            self.connect, self.blot_for = around.connect, around.blot_for
            begin()
        taken = [begun.pop(name) for name, supervised in links.items() if begun.get(name) is supervised]
        for member in members.values():
            member.begin()
        for supervised in taken:
            supervised.tell(self._state_changed, self._rebuild)
        self._regroup(before)
        leaving = [(name, member.supervised) for name, member in before.items() if links.get(name) is not member.supervised]
        for name, supervised in leaving:
            if name in members:
                supervised.hush()
                hand_over(supervised.backend, members[name].backend)
        self._forget(before.keys() - {one.name for one in config.backends})
        self.directory.replace(*catalogues)
        for backend in (*self.backends.values(), *(supervised.backend for _name, supervised in leaving)):
            reconsider(backend)
        for supervised in taken:
            self.readiness.introduce(supervised.backend)
        became = told(_settings(before), _settings(members), {supervised.backend.name for supervised in taken})
        if before and became:  # a start is told of as it goes
            log.info("backends have changed", **became)
        return [supervised for _name, supervised in leaving]

    def _forget(self, names: Iterable[str]) -> None:
        """Who comes later under one of these names has nothing of what the program brought for who had it before."""
        for name in names:
            self.layers.pop(name, None)
            self.servers.pop(name, None)

    def _regroup(self, before: Mapping[str, Member]) -> None:
        """Who serves from now on is in its group, and who does not is not: one that is still tried, or only ends its last calls."""
        groups: dict[str, Group] = {}
        primaries = {member.group for member in self._members.values()}
        for name, member in self._members.items():
            old = before.get(name)
            known = self._groups.get(member.group)
            if known is None and old is not None and old.group not in primaries:
                known = self._groups.pop(old.group, None)  # one group, whose primary is another now
            member.policies.join(groups.setdefault(member.group, known or Group()))
        for name, member in before.items():
            now = self._members.get(name)
            if now is None or now.policies.outlier is not member.policies.outlier:
                member.policies.leave()
        self._groups = groups

    def _state_changed(self, change: StateChange) -> None:
        self._rebuild()
        self.readiness.announce(change)

    def _rebuild(self) -> None:
        """Make the catalogue anew and put it in the place of the old one."""
        self.directory.replace(*catalogues_of(self._members.values(), self.config))


def _settings(members: Mapping[str, Member]) -> dict[str, BackendConfig]:
    return {name: member.config for name, member in members.items()}
