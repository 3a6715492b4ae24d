"""Daily maximum temperature of Seattle, 2012 to 2015, which comes with vega-datasets."""

import csv
from datetime import datetime
from importlib import metadata

import numpy as np

from examples.data._base import Series, SeriesSet

FILE = "seattle-weather.csv"


def load() -> Series:
    """1 461 days, in degrees Celsius."""
    try:
        # Not by an import, which needs pandas and reads a table of it.
        files = metadata.files("vega-datasets") or []
    except metadata.PackageNotFoundError as error:
        raise SystemExit(
            f"Not installed: {error}. Install it with: python -m pip install vega-datasets"
        ) from error
    found = next(file for file in files if file.name == FILE)
    with open(found.locate(), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    dates = [datetime.strptime(row["date"], "%Y/%m/%d") for row in rows]
    days = np.array([(date - dates[0]).days for date in dates], "float64")
    values = np.array([float(row["temp_max"]) for row in rows])
    return Series(days / 365.25, values, f"{FILE} of vega-datasets")


DATA_SET = SeriesSet(
    name="seattle_temperature",
    unit="°C",
    source="NOAA, by way of https://github.com/vega/vega-datasets: daily maximum temperature",
    license="public domain",
    load=load,
)
