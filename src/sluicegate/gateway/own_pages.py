"""What a gateway tells about itself over HTTP, beside whether it is there."""

from __future__ import annotations

from functools import partial

from ..frontends.app import App
from ..frontends.key_page import KEY_PATH, key_page
from ..frontends.metadata_pages import metadata_pages
from ..frontends.paths import page
from ..observe.exposition import KIND, Exposition
from ..observe.metrics import Counts
from .credentials import Credentials
from .readings import Readings, families_of
from .recognition import Recognition

__all__ = ["add_pages"]


def add_pages(app: App, readings: Readings, counts: Counts | None, recognition: Recognition, credentials: Credentials) -> None:
    """Add them to the table of paths."""
    may_read = app.endpoint.directory.may_read_pages
    app.paths.add(KEY_PATH, key_page(credentials.published))
    app.paths.add("/mirror", page(readings.mirrors, b"application/json", may_read=may_read))
    if recognition.challenges is not None:
        for path, row in metadata_pages(recognition.challenges.resource, app.admission.allows_host, app.endpoint.refused):
            app.paths.add(path, row)
    if counts is not None:
        app.paths.add("/metrics", page(Exposition(counts, partial(families_of, readings)).render, KIND, may_read=may_read))
