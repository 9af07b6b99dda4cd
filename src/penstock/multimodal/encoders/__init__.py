"""The encoders: what each is in PyTorch, where it learns, and as tensors, where it runs. Each is one entry here."""

from penstock.multimodal.encoders.conv import CONV
from penstock.multimodal.encoders.conv1d import CONV1D, CONV1D_OF_NUMBERS
from penstock.multimodal.encoders.dense import DENSE, VECTOR
from penstock.multimodal.encoders.embedding import EMBEDDING
from penstock.multimodal.encoders.form import Form, Weights
from penstock.multimodal.encoders.gru import GRU, GRU_OF_NUMBERS
from penstock.multimodal.encoders.module import MODULE, MODULE_OF_NUMBERS
from penstock.multimodal.encoders.residual import RESIDUAL

FORMS: dict[str, Form] = {
    "conv": CONV,
    "conv1d": CONV1D,
    "conv1d_of_numbers": CONV1D_OF_NUMBERS,
    "dense": DENSE,
    "embedding": EMBEDDING,
    "gru": GRU,
    "gru_of_numbers": GRU_OF_NUMBERS,
    "module": MODULE,
    "module_of_numbers": MODULE_OF_NUMBERS,
    "residual": RESIDUAL,
    "vector": VECTOR,
}
"""The forms by the encoders' names; `vector` is an array of numbers that enters as it is. An encoder that reads
sequences has two: of tokens, and of numbers; a user's own module, of images and of numbers."""

__all__ = ["FORMS", "Form", "Weights"]
