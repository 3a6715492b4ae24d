"""Event files of TensorBoard, without TensorFlow."""

import os
import socket
import time
from pathlib import Path

import numpy as np

from keras_yat.callbacks._files import File


class EventFile:
    """An event file in a folder, with scalars and histograms.

    `EventFileWriter` of TensorBoard imports TensorFlow where that is installed. Files are
    local.
    """

    def __init__(self, folder: File):
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.plugins.histogram.summary_v2 import histogram_pb
            from tensorboard.plugins.scalar.summary_v2 import scalar_pb
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError as error:
            message = 'Event files need TensorBoard: pip install "keras-yat[tensorboard]"'
            raise ImportError(message) from error
        self._event, self._scalar, self._histogram = Event, scalar_pb, histogram_pb
        Path(folder).mkdir(parents=True, exist_ok=True)
        # The name begins as TensorBoard expects, and sorts by time.
        name = f"events.out.tfevents.{time.time():020.9f}.{socket.gethostname()}.{os.getpid()}"
        self._file = (Path(folder) / f"{name}.keras_yat").open("wb")
        self._records = RecordWriter(self._file)
        self._add(file_version="brain.Event:2")

    def write(
        self, step: int, scalars: dict[str, float], histograms: dict[str, np.ndarray]
    ) -> None:
        """Adds the values of a step."""
        for tag, value in scalars.items():
            self._add(step=step, summary=self._scalar(tag, value))
        for tag, values in histograms.items():
            self._add(step=step, summary=self._histogram(tag, values, buckets=40))
        self._file.flush()

    def _add(self, **content: object) -> None:
        event = self._event(wall_time=time.time(), **content)
        self._records.write(event.SerializeToString())

    def close(self) -> None:
        self._file.close()
