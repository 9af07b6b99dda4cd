"""Secrets: named where they are declared, read where they are used, masked in everything that is kept."""

from penstock.secrets.addresses import REDIS_PASSWORD, without_password
from penstock.secrets.guarding import guard_output, guarded_output, settle_output
from penstock.secrets.masking import leaked_in, masked
from penstock.secrets.pumping import is_pump
from penstock.secrets.secret import MOUNTED, Secret, finding_secrets, secret

__all__ = [
    "MOUNTED",
    "REDIS_PASSWORD",
    "Secret",
    "finding_secrets",
    "guard_output",
    "guarded_output",
    "is_pump",
    "leaked_in",
    "masked",
    "secret",
    "settle_output",
    "without_password",
]
