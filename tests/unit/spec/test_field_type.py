"""Types of record fields: closed, and printed as they are written."""

import pytest

from datanexus_spec.datatype import INT64, decimal
from datanexus_spec.field_type import NAMES, field_type_from_text


@pytest.mark.parametrize("name", [*NAMES, "decimal(12,2)", "decimal(38,38)"])
def test_a_type_prints_as_it_was_written(name: str) -> None:
    assert name == str(field_type_from_text(name))


def test_a_decimal_has_precision_and_scale() -> None:
    assert decimal(12, 2) == field_type_from_text("decimal(12, 2)")
    assert INT64 == field_type_from_text("int64")


@pytest.mark.parametrize(
    "name", ["int", "decimal", "decimal(39,0)", "decimal(0,0)", "decimal(3,4)", "interval", "null"]
)
def test_other_types_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="decimal"):
        field_type_from_text(name)
