"""The Arrow schemas of the demo's tables; every column's unit stands in its name.

`time_utc` is always the beginning of the hour that a row is about, and powers are that hour's
means, so that the sum of a `_mw` column is MWh. Columns that are the same in every row (the
station, its place) are written out: compressed they cost a few bytes, and each file says by itself
what it is about.
"""

from typing import TYPE_CHECKING, Any, Final

from rootcellar.demo.town import TILTS_DEG, TURBINES

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "atlas_schema",
    "balance_schema",
    "demand_schema",
    "monthly_schema",
    "pv_column",
    "pv_schema",
    "table",
    "weather_schema",
    "wind_column",
    "wind_schema",
]

_HOUR: Final = {"time_utc": "time", "station": "int16"}
_PLACE: Final = {
    "name": "string",
    "latitude_deg": "double",
    "longitude_deg": "double",
    "altitude_m": "double",
}
_CLIMATE: Final = {"temp_air_c": "double", "wind_speed_m_s": "double", "ghi_w_m2": "double"}


def weather_schema() -> "pa.Schema":
    """Hourly weather of one station.

    `ghi` is global, `dhi` diffuse and `bhi` direct irradiance on the horizontal plane; wind is that
    of the mast, 10 m above ground; `radiation_is_measured` tells hourly means from modelled
    instants (see `rootcellar.demo.weather`).
    """
    return _schema(
        _HOUR
        | _PLACE
        | _CLIMATE
        | {
            "dhi_w_m2": "double",
            "bhi_w_m2": "double",
            "pressure_hpa": "double",
            "humidity_pct": "double",
            "radiation_is_measured": "bool",
        }
    )


def pv_schema() -> "pa.Schema":
    """Hourly yield of one kWp of solar modules facing south, at one tilt."""
    return _schema(_HOUR | {"tilt_deg": "int16", "pv_kw_per_kwp": "double"})


def wind_schema() -> "pa.Schema":
    """Hourly yield of one kW of one type of wind turbine; `turbine` is a key of `TURBINES`."""
    return _schema(_HOUR | {"turbine": "string", "wind_kw_per_kw": "double"})


def demand_schema() -> "pa.Schema":
    """Hourly electricity demand of the model town by use, and its sum."""
    return _schema(
        _HOUR
        | {
            "household_mw": "double",
            "trade_mw": "double",
            "heat_pump_mw": "double",
            "demand_mw": "double",
        }
    )


def balance_schema() -> "pa.Schema":
    """Hourly supply and demand of the model town at one station.

    `residual_mw` is demand less sun and wind, negative in a surplus; `stored_mwh` is what the
    batteries hold at the hour's end and `imported_mw` what must come from outside after them. The
    yields of tilts and turbines that were not computed are null.
    """
    return _schema(
        _HOUR
        | _PLACE
        | _CLIMATE
        | {pv_column(tilt): "double" for tilt in TILTS_DEG}
        | {wind_column(key): "double" for key in TURBINES}
        | {
            "pv_mw": "double",
            "wind_mw": "double",
            "demand_mw": "double",
            "residual_mw": "double",
            "stored_mwh": "double",
            "imported_mw": "double",
        }
    )


def atlas_schema() -> "pa.Schema":
    """One row per station: its climate, what a kW yields there, and how the model town fares.

    `self_sufficiency_pct` is the share of demand met in the very hour by the town's own sun and
    wind, `with_battery_pct` the share met when its batteries help. `longest_import_h` is the
    longest run of hours in which, batteries or not, something had to come from outside.
    """
    return _schema(
        {"station": "int16"}
        | _PLACE
        | {
            "temp_mean_c": "double",
            "wind_mean_m_s": "double",
            "ghi_kwh_m2": "double",
            "best_tilt_deg": "int16",
            "pv_kwh_per_kwp": "double",
        }
        | {f"{key}_full_load_h": "double" for key in TURBINES}
        | {
            "demand_mwh": "double",
            "pv_mwh": "double",
            "wind_mwh": "double",
            "self_sufficiency_pct": "double",
            "with_battery_pct": "double",
            "residual_peak_mw": "double",
            "longest_import_h": "int32",
        }
    )


def monthly_schema() -> "pa.Schema":
    """Supply and demand of the model town per station and month of the stations' own clock."""
    return _schema(
        {
            "station": "int16",
            "month": "int8",
            "pv_mwh": "double",
            "wind_mwh": "double",
            "demand_mwh": "double",
        }
    )


def pv_column(tilt_deg: int) -> str:
    """The column of a balance that holds the yield at a tilt."""
    return f"pv_{tilt_deg}deg_kw_per_kwp"


def wind_column(turbine: str) -> str:
    """The column of a balance that holds the yield of a turbine, a key of `TURBINES`."""
    return f"wind_{turbine}_kw_per_kw"


def table(schema: "pa.Schema", rows: int, columns: "dict[str, Any]") -> "pa.Table":
    """A table of that schema from arrays; a value that is no array stands in every row.

    Raises:
        KeyError: A column of the schema is missing.
    """
    import pyarrow as pa  # noqa: PLC0415 - the schemas are declared where pyarrow is not needed

    arrays = []
    for field in schema:
        value = columns[field.name]
        if value is None or isinstance(value, str | int | float):
            arrays.append(pa.repeat(pa.scalar(value, type=field.type), rows))
        else:
            arrays.append(pa.array(value).cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _schema(columns: dict[str, str]) -> "pa.Schema":
    import pyarrow as pa  # noqa: PLC0415 - as above

    types: dict[str, pa.DataType] = {
        "time": pa.timestamp("ms", tz="UTC"),
        "bool": pa.bool_(),
        "int8": pa.int8(),
        "int16": pa.int16(),
        "int32": pa.int32(),
        "double": pa.float64(),
        "string": pa.string(),
    }
    return pa.schema([pa.field(name, types[kind]) for name, kind in columns.items()])
