"""Serving: the simulated gateway from its first instant to the moment somebody stops it."""

import asyncio
from typing import TYPE_CHECKING

import click

from rulebot.cli.say import print_text
from rulebot.model.counted import counted

if TYPE_CHECKING:
    from rulebot.capture.market import CapturedMarket
    from twsim.gateway.embed import RunningGateway
    from twsim.gateway.settings import GatewaySettings


def serve(ctx: click.Context, settings: "GatewaySettings", given: "CapturedMarket | None" = None) -> None:
    """Serve until somebody stops it; `given` is the market instead of the model."""
    import logging

    from rulebot.model.session import CalendarError

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(_serve(settings, given))
    except KeyboardInterrupt:
        print_text("stopped")
    except (ValueError, CalendarError) as problem:
        print_text(f"error: {problem}", err=True)
        ctx.exit(2)
    except OSError as problem:
        print_text(f"error: {_plainly(settings, problem)}", err=True)
        ctx.exit(3)


def _plainly(settings: "GatewaySettings", problem: OSError) -> str:
    import errno

    if problem.errno == errno.EADDRINUSE:
        return f"port {settings.port} on 127.0.0.1 is in use; choose another with --port"
    return f"cannot listen on port {settings.port}: {problem.strerror}"


async def _serve(settings: "GatewaySettings", given: "CapturedMarket | None") -> None:
    import signal

    from twsim.gateway.embed import start_gateway
    from twsim.market.given_market import ReplayedMarket

    running = await start_gateway(settings, market=None if given is None else ReplayedMarket(given.market))
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(each, stopped.set)
        except (NotImplementedError, RuntimeError):
            break  # this system, or this thread, delivers interrupts by exception
    print_text(_banner(settings, running))
    if given is not None:
        print_text(f"SIMULATED market: {given.about}")
    print_text(_next(running))
    ends = {asyncio.ensure_future(stopped.wait()), asyncio.ensure_future(running.failure())}
    try:
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for each_end in done:
            each_end.result()
    finally:
        for end in ends:
            end.cancel()
        await running.stop()
        print_text(_farewell(running))


def _banner(settings: "GatewaySettings", running: "RunningGateway") -> str:
    pace = "as fast as its clients" if settings.speed is None else f"{settings.speed:g} times real time"
    length = counted(settings.days, "session")
    first = running.gateway.hub.timeline.sessions[0].date
    return (
        f"SIMULATED TWS gateway on 127.0.0.1:{running.port} - no real market, no real money\n"
        f"SIMULATED {_accounts(running)}, {length} from {first}, {pace}, seed {settings.seed}"
    )


def _next(running: "RunningGateway") -> str:
    from rulebot.adapters.ib.trouble import is_paper

    mode = "--paper --sim" if is_paper(running.gateway.hub.brokers[0].account) else "--live"
    return f"next: rulebot run {mode} --gateway 127.0.0.1:{running.port} SPECS, or any other TWS client; Ctrl+C ends it"


def _accounts(running: "RunningGateway") -> str:
    names = [each.account for each in running.gateway.hub.brokers]
    return f"account{'' if len(names) == 1 else 's'} {', '.join(names)}"


def _farewell(running: "RunningGateway") -> str:
    done = running.statistics
    return f"SIMULATED gateway stopped: {done.messages} messages, {done.fences} fences"
