"""Bytes as text and back: hexadecimal, base 64 and base 32; digests."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Sequence
from typing import Any

from penstock.core.operation import Example, Operation, Parameter, Raises, golden
from penstock.errors import ExpressionError
from penstock.operations.literals import fails
from penstock.operations.templates import STRING, bound, plain

_BYTES = Parameter(name="x", types=("bytes",))
_HEX = "[0-9A-Fa-f]*"
# A last group of fewer bytes ends in padding; the bits that it does not use are 0.
_BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?"
_BASE32 = (
    "(?:[A-Z2-7]{8})*(?:[A-Z2-7][AEIMQUY4]={6}|[A-Z2-7]{3}[AQ]={4}|[A-Z2-7]{4}[ACEGIKMOQSUWY246]={3}|"
    "[A-Z2-7]{6}[AIQY]=)?"
)
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def reading(name: str, form: str, read: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """Return the function that reads text of a form as bytes; it raises for other text."""
    fits = re.compile(form).fullmatch

    def decode(x: str) -> bytes:
        if fits(x) is None:
            raise ExpressionError(f"{name}: {x!r} is no text that it reads")
        return read(x)

    return decode


def _read_base32(x: str) -> bytes:
    import base64

    return base64.b32decode(x)


def to_base32(x: bytes) -> str:
    """Return bytes as text of the letters A to Z and the digits 2 to 7."""
    import base64

    return base64.b32encode(x).decode()


def digest(algorithm: str) -> Callable[[bytes], bytes]:
    """Return the function that gives a digest; the library is loaded at the first one."""

    def compute(x: bytes) -> bytes:
        import hashlib

        return hashlib.new(algorithm, x, usedforsecurity=False).digest()

    return compute


sha512 = digest("sha512")
"""The digest that DuckDB lacks."""


def _digest(
    name: str, meaning: str, examples: tuple[Example, ...], compute: Callable[[bytes], bytes] | None = None
) -> Operation:
    """Return the operation of a digest; one that DuckDB lacks is handed in, for it calls that function."""
    native, compute = f"penstock_{name}" if compute else "", compute or digest(name)

    def sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
        [x] = arguments
        return f"{native}({f'encode({x})' if types[0] == 'string' else x})" if native else f"unhex({name}({x}))"

    return Operation(
        name=name,
        meaning=meaning,
        parameters=(Parameter(name="x", types=("string", "bytes")),),
        result="bytes",
        sql=sql,
        row=lambda a, t: f"{name}({a[0]}{'.encode()' if t[0] == 'string' else ''})",
        names={name: compute},
        examples=examples,
        bigquery=name.upper(),
    )


def _guarded(name: str, form: str, made: str) -> Callable[[Sequence[Any], Sequence[Any]], str]:
    """Return the SQL form of reading text: an error where it is not of the form."""
    refused = fails(f"{name}: no text that it reads")
    return lambda a, t: (
        f"CASE WHEN regexp_full_match({a[0]}, '{form}') THEN {made.format(a[0])} "
        f"WHEN {a[0]} IS NOT NULL THEN {refused} END"
    )


def _reader(name: str, meaning: str, form: str, sql: str, read: Callable[[str], bytes], examples: Any) -> Operation:
    return Operation(
        name=name,
        meaning=meaning,
        parameters=(STRING,),
        result="bytes",
        sql=_guarded(name, form, sql),
        row=lambda a, t: f"{name}({a[0]})",
        names={name: reading(name, form, read)},
        examples=examples,
        bigquery=name.upper(),
    )


_NIBBLES = ", ".join(f"'{number:04b}'" for number in range(16))
_TO_BITS = (
    f"array_to_string(list_transform(string_split(hex({{0}}), ''), lambda c: [{_NIBBLES}]"
    "[strpos('0123456789ABCDEF', c)]), '')"
)
_TO_BASE32 = bound(
    "CASE WHEN s.n = 0 THEN '' ELSE rpad(array_to_string(list_transform(range(0, s.n * 8, 5), lambda i: "
    f"substring('{_DIGITS}', CAST('0b' || rpad(substring(s.b, i + 1, 5), 5, '0') AS INTEGER) + 1, 1)), ''), "
    "CAST((s.n + 4) // 5 * 8 AS INTEGER), '=') END",
    n="octet_length({0})",
    b=_TO_BITS,
)
_BITS = ", ".join(f"'{number:05b}'" for number in range(32))
_FROM_BASE32 = bound(
    "CASE WHEN s.b = '' THEN CAST('' AS BLOB) ELSE unhex(array_to_string(list_transform("
    "range(0, length(s.b) // 8 * 8, 8), lambda i: "
    "printf('%02x', CAST('0b' || substring(s.b, i + 1, 8) AS INTEGER))), '')) END",
    b="array_to_string(list_transform(string_split(rtrim({0}, '='), ''), "
    f"lambda c: CASE WHEN c = '' THEN '' ELSE [{_BITS}][strpos('{_DIGITS}', c)] END), '')",
)

OPERATIONS = (
    plain("to_hex", "The bytes as hexadecimal digits in lower case.", "lower(hex({0}))", "{0}.hex()",
        golden((b"\x00\x01\x02\x03\xaa\xee\xef\xff", "00010203aaeeefff"), (b"", ""), (None, None), types="bytes"),
        _BYTES),
    _reader("from_hex", "The bytes of hexadecimal digits; an odd number of them has a 0 before. Other text raises.",
        _HEX, "unhex({0})", lambda x: bytes.fromhex("0" * (len(x) % 2) + x), golden(
            ("00010203aaeeefff", b"\x00\x01\x02\x03\xaa\xee\xef\xff"), ("0AF", b"\x00\xaf"),
            ("666f6f626172", b"foobar"), ("", b""), ("0x1", Raises), ("a b", Raises), (None, None), types="string")),
    plain("to_base64", "The bytes as base 64 text, padded.", "base64({0})", "to_base64({0}, newline=False).decode()",
        golden((b"\377\340", "/+A="), (b"", ""), (b"a", "YQ=="), (None, None), types="bytes"), _BYTES,
        names={"to_base64": binascii.b2a_base64}),
    _reader("from_base64", "The bytes of padded base 64 text; other text raises.", _BASE64, "from_base64({0})",
        binascii.a2b_base64, golden(
            ("3q2+7w==", b"\xde\xad\xbe\xef"), ("/+A=", b"\377\340"), ("", b""), ("YQ", Raises), ("YR==", Raises),
            ("Y Q=", Raises), (None, None), types="string")),
    plain("to_base32", "The bytes as base 32 text, padded.", _TO_BASE32, "to_base32({0})",
        golden((b"abcde\xff", "MFRGGZDF74======"), (b"", ""), (b"a", "ME======"), (b"abc", "MFRGG==="), (None, None),
            types="bytes"), _BYTES, names={"to_base32": to_base32}),
    _reader("from_base32", "The bytes of padded base 32 text; other text raises.", _BASE32, _FROM_BASE32,
        _read_base32, golden(
            ("MFRGGZDF74======", b"abcde\xff"), ("ME======", b"a"), ("MFRGG===", b"abc"), ("", b""), ("ME", Raises),
            ("me======", Raises), ("MF======", Raises), (None, None), types="string")),
    _digest("md5", "The MD5 digest, 16 bytes.", (
        *golden(("Hello World", bytes.fromhex("b10a8db164e0754105b7a99be72e3fe5")), (None, None),
            ("", bytes.fromhex("d41d8cd98f00b204e9800998ecf8427e")), types="string"),
        *golden((b"\xff", bytes.fromhex("00594fd4f42ba43fc1ca0427a0576295")), types="bytes"))),
    _digest("sha1", "The SHA-1 digest, 20 bytes.", golden(
        ("Hello World", bytes.fromhex("0a4d55a8d778e5022fab701977c5d840bbc486d0")), (None, None),
        ("é", bytes.fromhex("bf15be717ac1b080b4f1c456692825891ff5073d")), types="string")),
    _digest("sha256", "The SHA-256 digest, 32 bytes.", golden(
        ("Hello World", bytes.fromhex("a591a6d40bf420404a011733cfb7b190d62c65bf0bcda32b57b277d9ad9f146e")),
        ("", bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")), (None, None),
        types="string")),
    _digest("sha512", "The SHA-512 digest, 64 bytes.", (
        *golden(("Hello World", bytes.fromhex("2c74fd17edafd80e8447b0d46741ee243b7eb74dd2149a0ab1b9246fb30382f2"
                "7e853d8585719e0e67cbda0daa8f51671064615d645ae27acb15bfb1447f459b")), (None, None), types="string"),
        *golden((b"", bytes.fromhex("cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
                "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e")), types="bytes")), sha512),
)  # fmt: skip
