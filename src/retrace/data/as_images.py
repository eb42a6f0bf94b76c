"""A data set that a stage reads, in the one form of images."""

from __future__ import annotations

from retrace.data.images import Images
from retrace.stage import Evidence


def as_images(evidence: Evidence) -> Images:
    """The images of an input named in `reads`; ValueError when its arrays are not such images."""
    arrays = evidence.read_arrays()
    return Images(arrays["x"], arrays["y"], evidence.results["classes"])
