"""A CSV of real readings as a plant with one counter (回放): read as `device import` reads it."""

from __future__ import annotations

from datetime import timedelta

from nenghao.conformance.factory.loads import ReplayLoad
from nenghao.device.sources import csv_file


def load_of(source: csv_file.CsvFile) -> tuple[ReplayLoad, int]:
    """The load that a file's readings make, and the decimals of a count.

    Raises `csv_file.SourceError` for a file that cannot be read, ValueError for amounts below 0.
    """
    read = csv_file.read(source)
    readings = [(reading.time, reading.value) for reading in read.readings]
    return ReplayLoad.of(readings, timedelta(minutes=read.interval))
