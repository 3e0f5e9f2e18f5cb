"""From the hourly balances of all stations to the atlas: one row each."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from rootcellar.demo.tables import atlas_schema, monthly_schema, pv_column, wind_column
from rootcellar.demo.town import TILTS_DEG, TURBINES
from rootcellar.demo.weather import CLOCK

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["atlas", "monthly"]

# An hour in which less than a kilowatt is missing counts as covered: rounding, not a gap.
_NOTHING_MW = 0.001


def atlas(balances: "Iterable[pa.Table]") -> pa.Table:
    """The atlas of all stations whose balances are given, ordered by station.

    Args:
        balances: Tables of `balance_schema`, in any order.

    Returns:
        A table of `atlas_schema`. Figures of tilts or turbines that were not computed are null.
    """
    rows = sorted((_row(balance) for balance in balances), key=lambda row: int(row["station"]))
    return pa.Table.from_pylist(rows, schema=atlas_schema())


def monthly(balances: "Iterable[pa.Table]") -> pa.Table:
    """Supply and demand of all stations whose balances are given, by station and month.

    Args:
        balances: Tables of `balance_schema`, in any order.

    Returns:
        A table of `monthly_schema`, twelve rows per station.
    """
    rows = [row for balance in balances for row in _months(balance)]
    rows.sort(key=lambda row: (row["station"], row["month"]))
    return pa.Table.from_pylist(rows, schema=monthly_schema())


def _row(balance: pa.Table) -> dict[str, Any]:
    first = balance.slice(0, 1).to_pylist()[0]
    demand_mw, residual_mw, imported_mw = (
        balance[name].to_numpy() for name in ("demand_mw", "residual_mw", "imported_mw")
    )
    demand_mwh = demand_mw.sum()
    place = ("station", "name", "latitude_deg", "longitude_deg", "altitude_m")
    return {
        **{name: first[name] for name in place},
        "temp_mean_c": balance["temp_air_c"].to_numpy().mean(),
        "wind_mean_m_s": balance["wind_speed_m_s"].to_numpy().mean(),
        "ghi_kwh_m2": balance["ghi_w_m2"].to_numpy().sum() / 1000.0,
        **_best_tilt(balance),
        **{f"{key}_full_load_h": _sum(balance, wind_column(key)) for key in TURBINES},
        "demand_mwh": demand_mwh,
        "pv_mwh": balance["pv_mw"].to_numpy().sum(),
        "wind_mwh": balance["wind_mw"].to_numpy().sum(),
        "self_sufficiency_pct": 100.0 * (1 - residual_mw.clip(min=0).sum() / demand_mwh),
        "with_battery_pct": 100.0 * (1 - imported_mw.sum() / demand_mwh),
        "residual_peak_mw": residual_mw.max(),
        "longest_import_h": _longest_run(imported_mw > _NOTHING_MW),
    }


def _best_tilt(balance: pa.Table) -> dict[str, Any]:
    sums = {tilt: _sum(balance, pv_column(tilt)) for tilt in TILTS_DEG}
    known = {tilt: total for tilt, total in sums.items() if total is not None}
    best = max(known, key=lambda tilt: known[tilt])
    return {"best_tilt_deg": best, "pv_kwh_per_kwp": known[best]}


def _sum(balance: pa.Table, column: str) -> float | None:
    values = balance[column]
    return None if values.null_count else float(values.to_numpy().sum())


def _longest_run(states: "np.ndarray[Any, np.dtype[np.bool_]]") -> int:
    """The length of the longest stretch of true values."""
    bounded = np.concatenate(([False], states, [False])).astype(np.int8)
    steps = np.diff(bounded)
    lengths = np.flatnonzero(steps == -1) - np.flatnonzero(steps == 1)
    return int(lengths.max(initial=0))


def _months(balance: pa.Table) -> list[dict[str, Any]]:
    months = pd.DatetimeIndex(balance["time_utc"].to_pandas()).tz_convert(CLOCK).month.to_numpy()
    station = balance["station"][0].as_py()
    names = {"pv_mwh": "pv_mw", "wind_mwh": "wind_mw", "demand_mwh": "demand_mw"}
    sums = {
        name: np.bincount(months, weights=balance[column].to_numpy(), minlength=13)
        for name, column in names.items()
    }
    return [
        {"station": station, "month": month, **{name: sums[name][month] for name in names}}
        for month in range(1, 13)
    ]
