"""The files that come with the engine: schemas and specs, in a checkout, an editable install or a wheel."""

from pathlib import Path as File

import rulebot


def shipped(folder: str) -> File:
    """Return the folder `schemas` or `specs`: inside the package of a wheel, else beside it in the checkout."""
    package = File(rulebot.__file__).resolve().parent
    inside = package / folder
    return inside if inside.is_dir() else package.parents[1] / folder


def is_packaged(folder: File) -> bool:
    """Say whether a folder lies inside the package of a wheel, where nobody keeps files of their own."""
    return folder.resolve().is_relative_to(File(rulebot.__file__).resolve().parent)
