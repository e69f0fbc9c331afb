"""The gateway: whether anything listens, whether it is one, and whether it lets us in as a run would be."""

from rulebot.adapters.ib.greet import read_greeting
from rulebot.adapters.ib.greeting import Greeting
from rulebot.adapters.ib.self_check import check_seams
from rulebot.doctor.finding import Finding, Group, fault, fine, outage, unchecked, warning
from rulebot.live.environments import LIVE_PORTS, PAPER_PORTS, listening_port
from rulebot.model.errors import BrokerError, IdInUseError
from rulebot.process.settings import Settings


async def codec() -> Finding:
    """Say whether this ib_async passes on every kind of message, as is proved before each connection."""
    try:
        await check_seams()
    except BrokerError as error:
        return outage(Group.GATEWAY, "ib_async", error)
    return fine(Group.GATEWAY, "ib_async", "passes on every kind of message that is needed")


async def greeted(settings: Settings, *, live: bool, sim: bool) -> tuple[int | None, Greeting | None, list[Finding]]:
    """Return the port, what the gateway says there before anything is asked of it, and what is said of that."""
    port = settings.live_port if live else settings.port
    try:
        port = await listening_port(settings.host, LIVE_PORTS if live else PAPER_PORTS) if port is None else port
        offered = await read_greeting(settings.host, port)
    except BrokerError as error:
        return port, None, [outage(Group.GATEWAY, "connection", error)]
    return port, offered, [_answer(f"{settings.host}:{port}", offered, sim=sim)]


async def own_id(settings: Settings, port: int, *, has_engine: bool, sim: bool) -> Finding:
    """Say whether the client id of a run is free: it is the one that an engine connects with, and never another.

    has_engine: one runs on the store, and has it. sim: nobody knows whose run has it, which may be the person's own.
    """
    name, number = "client id", settings.client_id
    if has_engine:
        return fine(Group.GATEWAY, name, f"{number}, which the engine that runs on this store has")
    try:
        await read_greeting(settings.host, port, number)
    except IdInUseError as error:
        return (warning if sim else fault)(Group.GATEWAY, name, error.message, error.help or "")
    except BrokerError as error:
        return unchecked(Group.GATEWAY, name, f"whether {number} is free: {error.message}", error.help or "")
    return fine(Group.GATEWAY, name, f"{number} is free")


def _answer(where: str, offered: Greeting, *, sim: bool) -> Finding:
    word = "account" if len(offered.accounts) == 1 else "accounts"
    accounts = f"{word} {', '.join(offered.accounts)}"
    if offered.is_simulated and not sim:
        text = f"{where} is a simulated gateway with {accounts}: what follows is about a market that is made up"
        return warning(Group.GATEWAY, "connection", text, "add --sim if that is meant; else give IB's own port")
    return fine(Group.GATEWAY, "connection", f"{where} answers, with {accounts}")
