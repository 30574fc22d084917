"""A broker for every file of tests."""

import shutil

import pytest

from broker import make


@pytest.fixture(scope="module")
def broker(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("broker")
    failed_before = request.session.testsfailed
    with make(folder) as started:
        yield started
    if request.session.testsfailed == failed_before:
        shutil.rmtree(folder, ignore_errors=True)  # a spool takes over 100 MiB
