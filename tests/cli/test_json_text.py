"""What programs read."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sluicegate.cli.json_text import print_json


def test_letters_are_themselves_and_a_number_that_no_float_holds_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A tool's schema or a result may hold such a number; it comes as `Decimal`."""
    print_json([{"é": Decimal("1E+400")}, []])
    assert capsys.readouterr() == ('[\n  {\n    "é": "1E+400"\n  },\n  []\n]\n', "")
