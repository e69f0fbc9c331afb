"""The level of an underlying where no column has it: by put-call parity, of pairs of calls and puts near the money.

For each instant and expiry: the forward is where call and put are worth the same, K + (C - P). The level is the line
through the forwards of the nearest expiries, at no time to expiry; of one expiry, its forward. Interest and dividends
of the few days to it are within the quotes' width.
"""

import polars as pl

PAIRS = 4
"""Pairs of an expiry near the money that its forward needs."""
_NEAR = 5
_LONGEST = 120
"""Days to an expiry whose forward counts."""


def with_levels(rows: pl.DataFrame) -> tuple[pl.DataFrame, int, int]:
    """Return the rows of a session with `underlying` at each instant, and how many got one, or have none."""
    if "underlying" not in rows.columns:
        rows = rows.with_columns(pl.lit(None, dtype=pl.Float64).alias("underlying"))
    rows = rows.with_columns(pl.when(pl.col("underlying") > 0).then(pl.col("underlying")).alias("underlying"))
    if rows["underlying"].null_count() == 0:
        return rows, 0, 0
    known = rows.group_by("time").agg(pl.col("underlying").max().alias("known"))
    lacking = known.filter(pl.col("known").is_null())
    found = parity_levels(rows.join(lacking.select("time"), on="time", how="semi", nulls_equal=True))
    levels = known.join(found, on="time", how="left", nulls_equal=True)
    levels = levels.select("time", pl.coalesce("known", "level").alias("level"))
    rows = rows.join(levels, on="time", how="left", nulls_equal=True, maintain_order="left")
    rows = rows.with_columns(pl.coalesce("underlying", "level").alias("underlying")).drop("level")
    return rows, len(found), levels["level"].null_count()


def parity_levels(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the level at each instant with enough quoted pairs. Shape: columns time, level."""
    days = (pl.col("expiry") - pl.col("date")).dt.total_days()
    sound = (pl.col("bid") > 0) & (pl.col("ask") >= pl.col("bid")) & (days >= 0) & (days <= _LONGEST)
    mids = rows.filter(sound).select(
        "time",
        "root",
        "expiry",
        "strike",
        "right",
        days.alias("days"),
        ((pl.col("bid") + pl.col("ask")) / 2).alias("mid"),
    )
    keys = ["time", "root", "expiry", "strike"]
    calls = mids.filter(pl.col("right") == "C")
    puts = mids.filter(pl.col("right") == "P").select(*keys, pl.col("mid").alias("put"))
    pairs = calls.join(puts, on=keys, nulls_equal=True).with_columns((pl.col("mid") - pl.col("put")).alias("apart"))
    forwards = (
        pairs.sort(pl.col("apart").abs())
        .group_by("time", "root", "expiry", "days")
        .agg((pl.col("strike") + pl.col("apart")).head(_NEAR).median().alias("forward"), pl.len().alias("pairs"))
        .filter(pl.col("pairs") >= PAIRS)
        .sort("days")
    )
    near = forwards.group_by("time", maintain_order=True).head(_NEAR)
    slope = pl.cov("days", "forward") / pl.col("days").var()
    line = (
        pl.col("forward").mean()
        - pl.when(pl.col("days").n_unique() > 1).then(slope).otherwise(0.0) * pl.col("days").mean()
    )
    return near.group_by("time").agg(line.alias("level"))
