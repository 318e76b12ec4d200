"""A data folder under construction for every test of this stage."""

import pytest
from harvest_builder import HarvestBuilder


@pytest.fixture
def builder(tmp_path):
    made = HarvestBuilder(tmp_path / "data")
    yield made
    made.close()
