"""The environment is right: Python and the packages are those that rulebot and its tests need, as doctor sees them."""

import importlib.metadata as installed
import sys

import pytest

from rulebot.doctor.examine import NAME, Requirement, problem_with, python_and_packages, requirements
from rulebot.doctor.market_checks import Level


@pytest.fixture(scope="module")
def asked() -> list[Requirement]:
    """Return what rulebot asks for, by its metadata."""
    try:
        return requirements(installed.requires(NAME) or [], sys.platform)
    except installed.PackageNotFoundError:
        pytest.skip("rulebot is not installed: these tests run from a checkout alone")


def test_doctor_finds_nothing_wrong(asked: list[Requirement]) -> None:
    found = {each.name: each for each in python_and_packages(None)}
    assert {"python", "rulebot", "packages"} <= set(found)
    assert [each.text for each in found.values() if each.level is not Level.OK] == []


def test_the_packages_of_the_tests_are_there(asked: list[Requirement]) -> None:
    parts = [each for each in asked if each.extra == "test"]
    assert parts
    assert [problem for each in parts if (problem := problem_with(each))] == []


def test_a_package_that_is_not_right_would_be_found() -> None:
    assert problem_with(Requirement("no-such-package", "", "")) == "no-such-package is not installed"
    assert "is too old, 9999 is needed" in problem_with(Requirement("click", "9999", ""))
