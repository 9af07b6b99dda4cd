"""The encoders: what each is in PyTorch, where it learns, and as tensors, where it runs. Each is one entry here."""

from penstock.multimodal.encoders.conv import CONV
from penstock.multimodal.encoders.dense import DENSE, VECTOR
from penstock.multimodal.encoders.embedding import EMBEDDING
from penstock.multimodal.encoders.form import Form, Weights

FORMS: dict[str, Form] = {"conv": CONV, "dense": DENSE, "embedding": EMBEDDING, "vector": VECTOR}
"""The forms by the encoders' names; `vector` is an array of numbers that enters as it is."""

__all__ = ["FORMS", "Form", "Weights"]
