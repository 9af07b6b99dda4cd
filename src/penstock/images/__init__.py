"""Images for steps that run in containers: how one is built without a network, and the program that runs it.

Building is in `penstock.images.build`, which nothing loads that only runs steps.
"""

from penstock.images.inspecting import OWN, PYTHON, VERSION, Image, describe_image, own_digest
from penstock.images.runtimes import PROGRAMS, Runtime, complaint, find_runtime, remedied

__all__ = [
    "OWN",
    "PROGRAMS",
    "PYTHON",
    "VERSION",
    "Image",
    "Runtime",
    "complaint",
    "describe_image",
    "find_runtime",
    "own_digest",
    "remedied",
]
