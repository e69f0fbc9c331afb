"""One session: its tape, its surface, its desk, and what they say of an option over the day."""

from datetime import date

import numpy as np
from numpy.typing import NDArray

from rulebot.model.session import Session
from twsim.instrument import Instrument
from twsim.market import listing
from twsim.market.chance import fractions, seeded
from twsim.market.desk import Layout, QuoteEngine
from twsim.market.history import thirty_day_volatility
from twsim.market.path import SessionLevels, usually_done_by
from twsim.market.quotes import Quotes
from twsim.market.scenario import Scenario
from twsim.market.surface import Expiry, ExpiryTerms, Surface, expiry_of
from twsim.market.universe import ASSETS

Floats = NDArray[np.float64]

_BUSIEST = {"SPX": 150_000.0, "SPY": 150_000.0, "QQQ": 150_000.0, "XSP": 12_000.0, "NDX": 4_000.0, "RUT": 6_000.0}
"""What the busiest option of an underlying trades in a session, where its shares do not tell it."""
_ROUND = {"SPX": 25.0, "NDX": 100.0, "RUT": 25.0}


class MarketSession:
    """Everything about one session that does not depend on what time it is."""

    def __init__(
        self, seed: int, session: Session, ordinal: int, previous: dict[str, float], scenario: Scenario
    ) -> None:
        self.seed = seed
        self.session = session
        self.ordinal = ordinal
        self.tape = SessionLevels(seed, session, ordinal, previous, scenario)
        self.surface = Surface(seed, self.tape, scenario.implied)
        self.desk = QuoteEngine(self.surface, scenario, session, ordinal)
        self._done = usually_done_by(session.minutes)
        self._volatilities: dict[str, Floats] = {}
        self._lasts: dict[int, dict[int, float]] = {}
        self._closes: dict[int, float] = {}
        self._closes_before: dict[int, float] = {}
        self._volumes: dict[int, int] = {}
        self._interests: dict[int, int] = {}

    @property
    def date(self) -> date:
        """The session's date."""
        return self.session.date

    def lives(self, contract: Instrument) -> bool:
        """Say whether a contract still trades today."""
        return contract.last_trade_date is None or contract.last_trade_date >= self.date

    def share_done(self, second: int) -> float:
        """Return the part of a day's business that is usually done by a second of it."""
        return float(self._done[second])

    def volatility(self, symbol: str) -> Floats:
        """Return the at-the-money volatility of the coming month at each second of the session, an annual fraction."""
        found = self._volatilities.get(symbol)
        if found is None:
            found = self._volatilities[symbol] = thirty_day_volatility(symbol, self.tape.vix_smooth)
        return found

    def layout(self, options: list[Instrument]) -> Layout:
        """Lay options out as rows."""
        return Layout(options, self.seed, self.date)

    def quotes_at(self, option: Instrument, seconds: list[int]) -> Quotes:
        """Return an option's quotes at seconds of the session, one row each."""
        layout = self.layout([option] * len(seconds))
        rows = [self.surface.terms(layout.expiries[0], second) for second in seconds]
        return self.desk.price(layout, rows, np.arange(len(seconds)))[1]

    def lasts_at(self, option: Instrument, seconds: list[int]) -> list[float]:
        """Return an option's last prices at seconds of the session; each is made once and kept."""
        known = self._lasts.setdefault(option.con_id, {})
        if asked := [second for second in seconds if second not in known]:
            known.update(zip(asked, self.quotes_at(option, asked).last.tolist(), strict=True))
        return [known[second] for second in seconds]

    def close(self, option: Instrument) -> float:
        """Return an option's mark at the close of this session."""
        return self._mark(self._closes, option, self.surface.terms(expiry_of(option), self.tape.seconds))

    def close_before(self, option: Instrument) -> float:
        """Return an option's mark at the close before this session, for a run that did not live that one."""
        return self._mark(self._closes_before, option, self.surface.closing_terms(expiry_of(option)))

    def _mark(self, known: dict[int, float], option: Instrument, terms: ExpiryTerms) -> float:
        if option.con_id not in known:
            layout = self.layout([option])
            priced, _, _ = self.desk.price(layout, [terms], layout.group)
            known[option.con_id] = round(float(priced.value[0]), 2)
        return known[option.con_id]

    def _popularity(self, expiry: Expiry, strikes: Floats, ids: NDArray[np.int64]) -> Floats:
        """Return a figure near 1 for the busiest options of an underlying: at the money, about to expire."""
        terms = self.surface.closing_terms(expiry)
        distance = np.abs(np.log(strikes / terms.forward)) / max(terms.deviation, 0.004)
        days = max((expiry.settles - self.date).days, 0)
        is_round = strikes % _ROUND.get(expiry.symbol, 5.0) == 0.0
        words = seeded(ids, self.seed, 0x10001)
        busy: Floats = (0.5 + fractions(words, 0)) * (0.8 + 0.8 * is_round) * np.exp(-1.1 * distance)
        return busy / (1.0 + days)

    def volumes(self, expiry: Expiry, strikes: Floats, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many contracts of each option of an expiry trade in the session."""
        return (_usual_volume(expiry.symbol) * self._popularity(expiry, strikes, ids)).astype(np.int64)

    def interests(self, expiry: Expiry, strikes: Floats, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the open interest of each option of an expiry; monthlies have more."""
        is_monthly = expiry.settles == listing.third_friday(expiry.settles.year, expiry.settles.month)
        usual = _usual_volume(expiry.symbol) * 0.4 * (4.0 if is_monthly else 1.0)
        return (usual * np.sqrt(self._popularity(expiry, strikes, ids))).astype(np.int64)

    def day_volume(self, option: Instrument) -> int:
        """Return how many contracts of an option trade in the session."""
        found = self._volumes.get(option.con_id)
        if found is None:
            found = self._volumes[option.con_id] = int(self.volumes(expiry_of(option), *_single(option))[0])
        return found

    def open_interest(self, option: Instrument) -> int:
        """Return the open interest of an option."""
        found = self._interests.get(option.con_id)
        if found is None:
            found = self._interests[option.con_id] = int(self.interests(expiry_of(option), *_single(option))[0])
        return found


def _usual_volume(symbol: str) -> float:
    """Return what the busiest option of an underlying trades in a session; roughly it goes with what its shares do."""
    return _BUSIEST.get(symbol) or max(ASSETS[symbol].shares / 1000.0, 1500.0)


def _single(option: Instrument) -> tuple[Floats, NDArray[np.int64]]:
    return np.array([option.strike]), np.array([option.con_id], dtype=np.int64)
