"""How volatility differs by strike in the market of a test: `{-3%: 8, -1%: 2.5, 2%: -1}`."""

from bisect import bisect
from collections.abc import Mapping

from rulebot.model.values import dataclass

AT_THE_MONEY = 0.0


@dataclass(frozen=True, slots=True)
class Smile:
    """Points of volatility (percent a year) above that at the money, by distance of the strike from the level.

    Units: a distance is a part of the level in percent, negative below it. Shape: rising by distance.
    """

    distances: tuple[float, ...]
    points: tuple[float, ...]

    def at(self, distance: float) -> float:
        """Return the points at a distance: on a line between two that are given, beyond them as at the last one."""
        place = bisect(self.distances, distance)
        if place in (0, len(self.distances)):
            return self.points[min(place, len(self.points) - 1)]
        left, right = self.distances[place - 1], self.distances[place]
        part = (distance - left) / (right - left)
        return self.points[place - 1] + part * (self.points[place] - self.points[place - 1])


FLAT = Smile((AT_THE_MONEY,), (0.0,))


def smile(points: Mapping[float, float]) -> Smile:
    """Return the smile of points by distance; at the level itself there are none unless they are given."""
    known = sorted({AT_THE_MONEY: 0.0, **points}.items())
    return Smile(tuple(each for each, _ in known), tuple(each for _, each in known))
