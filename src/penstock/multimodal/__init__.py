"""Networks that read images, texts and columns, each in several representations: described, trained, run.

What enters are arrays; where they come from is the business of `models`. Training needs PyTorch, running does not.
"""

from penstock.multimodal.spec import Branch, Head, Spec
from penstock.multimodal.tensors import Columns, Ragged

__all__ = ["Branch", "Columns", "Head", "Ragged", "Spec"]
