"""The fixture that opens gateways, as a test author meets it: what does not come up is said at once."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from sluicegate import BackendFailed, ConfigError
from sluicegate.testing import Delay, OpenGateway, RpcError, Rule, ScriptedBackend
from sluicegate.testing.injections.injector import Injections
from sluicegate.testing.script import Script

Clock = trio.testing.MockClock


def dead(name: str) -> ScriptedBackend:
    backend = ScriptedBackend(name=name)
    backend.refuse = "nobody home"
    return backend


async def test_a_dead_backend_is_said_with_its_reason_when_the_block_would_begin(autojump_clock: Clock, gateway: OpenGateway) -> None:
    with pytest.raises(BackendFailed, match=r"\[inv\] Connect failed: nobody home"):
        async with gateway(ScriptedBackend(name="shop"), dead("inv")):
            raise AssertionError
    assert trio.current_time() == 0


async def test_a_handshake_that_fails_on_purpose_is_said_too(autojump_clock: Clock, gateway: OpenGateway) -> None:
    faults = Injections(Script([Rule(RpcError(-1, "not today"), method="initialize")]))
    with pytest.raises(BackendFailed, match="not today"):
        async with gateway(ScriptedBackend(name="shop"), faults=faults):
            raise AssertionError


async def test_one_that_may_be_down_does_not_keep_the_block_from_beginning(autojump_clock: Clock, gateway: OpenGateway) -> None:
    inventory = dead("inv")
    async with gateway(ScriptedBackend(name="shop"), inventory, may_be_down=["inv"]) as running:
        assert [skipped.namespace for skipped in running.skipped] == ["inv"]
        inventory.refuse = ""
        await running.ready("inv")
        assert (await running.call_tool("inv_echo")).fault is None


async def test_failover_is_written_with_settings_of_single_backends(autojump_clock: Clock, gateway: OpenGateway) -> None:
    primary, spare = ScriptedBackend(RpcError(-32000), name="shop"), ScriptedBackend(Delay(1), name="spare")
    async with gateway(primary, spare, settings={"timeout": {"seconds": 9}}, settings_of={"spare": {"failover_for": "shop"}}) as running:
        assert (await running.call_tool("shop_echo")).text == "echo {} #1"
        assert (primary.calls, spare.calls) == (1, 1)
        assert [one.timeout.seconds for one in running.config.backends] == [9, 9]


@pytest.mark.parametrize("argument", ["settings_of", "may_be_down"])
async def test_a_name_that_no_backend_has_is_said_with_the_nearest(argument: str, autojump_clock: Clock, gateway: OpenGateway) -> None:
    given = {"shopp": {}} if argument == "settings_of" else ["shopp"]
    with pytest.raises(ValueError, match="there is no backend 'shopp'; did you mean 'shop'"):
        gateway(ScriptedBackend(name="shop"), **{argument: given})  # type: ignore[arg-type]


async def test_a_wrong_setting_is_said_with_the_nearest(autojump_clock: Clock, gateway: OpenGateway) -> None:
    with pytest.raises(ConfigError, match="unknown key 'retries'; did you mean 'retry'"):
        async with gateway(ScriptedBackend(name="shop"), settings={"retries": {}}):
            raise AssertionError
