"""The model itself: plain functions over tables, the same before and after."""

import json
from typing import Any
from urllib.request import urlopen

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["base_load_mw", "electricity"]

_WARM_ENOUGH_C = 15.0
_REQUEST_SECONDS = 5


def base_load_mw(model: dict[str, Any]) -> float:
    """Return the load at mild weather: from the grid operator's service, or from the file."""
    if "load_url" not in model:
        return float(model["base_load_mw"])
    with urlopen(model["load_url"], timeout=_REQUEST_SECONDS) as answer:  # noqa: S310  our own file
        return float(json.load(answer)["base_load_mw"])


def electricity(model: dict[str, Any], weather: pa.Table, load_mw: float) -> pa.Table:
    """Return the hourly demand: the base load, and more for each degree below mild."""
    cold_c = pc.max_element_wise(pc.subtract(_WARM_ENOUGH_C, weather["temperature_c"]), 0.0)
    heating_mw = model["heating_mw_per_degree"] / model["heated_share"]
    demand_mw = pc.add(load_mw, pc.multiply(heating_mw, cold_c))
    return pa.table({"hour": weather["hour"], "demand_mw": demand_mw})
