"""Images for steps that run in containers: how one is built without a network, and the program that runs it."""

from penstock.images.build import OWN, PYTHON, BuiltImage, Image, build_image, describe_image, own_digest
from penstock.images.packages import NAMES, Wanted, wanted
from penstock.images.runtimes import PROGRAMS, Runtime, complaint, find_runtime, remedied

__all__ = [
    "NAMES",
    "OWN",
    "PROGRAMS",
    "PYTHON",
    "BuiltImage",
    "Image",
    "Runtime",
    "Wanted",
    "build_image",
    "complaint",
    "describe_image",
    "find_runtime",
    "own_digest",
    "remedied",
    "wanted",
]
