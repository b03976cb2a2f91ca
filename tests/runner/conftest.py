"""Certificates for the tests of TLS; the engine's settings of transports as fakes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from core.certificates import Certificates, make_certificates
from runner.fakes import DatagramSettings, StreamSettings
from sippx.runner import transports


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings are made, and the test gets what they were told."""
    monkeypatch.setattr(transports, "StreamSettings", StreamSettings)
    monkeypatch.setattr(transports, "DatagramSettings", DatagramSettings)
