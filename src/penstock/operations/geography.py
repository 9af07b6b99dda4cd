"""Geography: points on a sphere of 6371010 metres, as structs of longitude and latitude in degrees."""

from __future__ import annotations

import math
import re
from typing import Any

from penstock.core.operation import Operation, Parameter, Raises, golden
from penstock.errors import ExpressionError
from penstock.operations.conversion import conversion
from penstock.operations.literals import fails
from penstock.operations.templates import STRING, bound, plain
from penstock.operations.writings import text_of_float

POINT = "struct<longitude float64, latitude float64>"
RADIUS_METRES = 6371010.0
DEGREE = math.pi / 180.0
_FAR = 2.0**40  # what is beyond has no exact rest modulo 360
_ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_WKT = rf"\s*[Pp][Oo][Ii][Nn][Tt]\s*\(\s*({_NUMBER})\s+({_NUMBER})\s*\)\s*"
_reads = re.compile(_WKT, re.ASCII).fullmatch
_CELLS = 2.0**50  # a geohash of 20 characters has 50 bits of each coordinate
_X = Parameter(name="x", types=(POINT,))
_OTHER = Parameter(name="other", types=(POINT,))


def point(longitude: float, latitude: float) -> dict[str, float]:
    """Return a point; a longitude counts modulo 360. Raises outside of the globe."""
    turned = longitude
    if not -180.0 <= longitude <= 180.0 and abs(longitude) < _FAR:
        turned = longitude - 360.0 * math.floor((longitude + 180.0) / 360.0)
    if not (-180.0 <= turned <= 180.0 and -90.0 <= latitude <= 90.0):
        raise ExpressionError(f"no point at longitude {longitude}, latitude {latitude}")
    return {"longitude": turned, "latitude": latitude}


def distance(x: dict[str, Any], other: dict[str, Any]) -> float | None:
    """Return the metres between two points along the sphere (haversine), None if a coordinate is None."""
    if None in x.values() or None in other.values():
        return None
    south, north = x["latitude"] * DEGREE, other["latitude"] * DEGREE
    up = math.sin((north - south) / 2.0)
    along = math.sin((other["longitude"] - x["longitude"]) * DEGREE / 2.0)
    part = up * up + math.cos(south) * math.cos(north) * along * along
    return 2.0 * RADIUS_METRES * math.asin(math.sqrt(min(part, 1.0)))


def text_of_point(x: dict[str, Any]) -> str | None:
    """Return a point as well-known text."""
    if None in x.values():
        return None
    return f"POINT({text_of_float(x['longitude'])} {text_of_float(x['latitude'])})"


def point_of_text(x: str) -> dict[str, float]:
    """Return the point of well-known text; raises for other text."""
    match = _reads(x)
    if match is None:
        raise ExpressionError(f"{x!r} is not the text of a point, POINT(longitude latitude)")
    return point(float(match[1]), float(match[2]))


def geohash(x: dict[str, Any], length: int) -> str | None:
    """Return the name of the cell, of so many characters, in which a point lies."""
    if None in x.values():
        return None
    if not 1 <= length <= 20:
        raise ExpressionError(f"st_geohash: {length} characters; they are 1 to 20")
    cells = [
        int(min(math.floor((x["longitude"] + 180.0) / 360.0 * _CELLS), _CELLS - 1)),
        int(min(math.floor((x["latitude"] + 90.0) / 180.0 * _CELLS), _CELLS - 1)),
    ]
    bits = "".join(pair for both in zip(*(f"{cell:050b}" for cell in cells), strict=True) for pair in both)
    return "".join(_ALPHABET[int(bits[start : start + 5], 2)] for start in range(0, length * 5, 5))


_NO_POINT = fails("no point at that longitude and latitude")
_POINT_SQL = bound(
    "CASE WHEN s.x BETWEEN -180 AND 180 AND s.y BETWEEN -90 AND 90 "
    f"THEN struct_pack(longitude := s.x, latitude := s.y) ELSE {_NO_POINT} END",
    x=f"(CASE WHEN {{0}} BETWEEN -180 AND 180 OR NOT abs({{0}}) < {_FAR!r}e0 THEN {{0}} "
    "ELSE {0} - 360e0 * floor(({0} + 180e0) / 360e0) END)",
    y="{1}",
)
_DISTANCE = bound(
    f"2e0 * {RADIUS_METRES!r}e0 * asin(sqrt(least(s.u * s.u + cos(s.a) * cos(s.b) * s.l * s.l, 1e0)))",
    a=f"{{0}}.latitude * {DEGREE!r}e0",
    b=f"{{1}}.latitude * {DEGREE!r}e0",
    u=f"sin(({{1}}.latitude * {DEGREE!r}e0 - {{0}}.latitude * {DEGREE!r}e0) / 2e0)",
    l=f"sin(({{1}}.longitude - {{0}}.longitude) * {DEGREE!r}e0 / 2e0)",
)
_WRITE = conversion("float64", "string").sql
_AS_TEXT = f"('POINT(' || {_WRITE.format('({0}).longitude')} || ' ' || {_WRITE.format('({0}).latitude')} || ')')"
_FROM_TEXT_SQL = _POINT_SQL.format(*(f"CAST(regexp_extract({{0}}, '{_WKT}', {group}) AS DOUBLE)" for group in (1, 2)))
_BIT = "(CASE WHEN (i + t) % 2 = 0 THEN s.x ELSE s.y END >> (49 - (i + t) // 2)) & 1"


def _cell(name: str, half: int) -> str:
    """Return DuckDB text of a coordinate's cell; the last one holds its upper border."""
    place = f"(({{0}}).{name} + {half}e0) / {half * 2}e0"
    return f"CASE WHEN {place} >= 1 THEN {int(_CELLS) - 1} ELSE CAST(floor({place} * {_CELLS!r}e0) AS BIGINT) END"


_GEOHASH = bound(
    f"CASE WHEN NOT s.n BETWEEN 1 AND 20 THEN {fails('st_geohash: 1 to 20 characters')} ELSE "
    f"array_to_string(list_transform(range(0, s.n * 5, 5), lambda i: substring('{_ALPHABET}', 1 + CAST(list_sum("
    f"list_transform([0, 1, 2, 3, 4], lambda t: ({_BIT}) << (4 - t))) AS BIGINT), 1)), '') END",
    x=_cell("longitude", 180),
    y=_cell("latitude", 90),
    n="{1}",
)
_SEATTLE = {"longitude": -122.35, "latitude": 47.62}
_ORIGIN, _EAST = {"longitude": 0.0, "latitude": 0.0}, {"longitude": 1.0, "latitude": 0.0}
_POLE = {"longitude": 0.0, "latitude": 90.0}
_UNKNOWN = {"longitude": None, "latitude": 0.0}
_TWO = f"{POINT}; {POINT}"


def _coordinate(name: str, which: str) -> Operation:
    return plain(
        name,
        f"The {which} of a point in degrees.",
        f"({{0}}).{which}",
        f"{{0}}[{which!r}]",
        golden((_SEATTLE, _SEATTLE[which]), (_UNKNOWN, _UNKNOWN[which]), (None, None), types=POINT),
        _X,
        result="float64",
        nulls="makes",
    )


OPERATIONS = (
    plain("st_geogpoint", "The point of a longitude (modulo 360) and a latitude; raises where there is none.",
        _POINT_SQL, "point({0}, {1})", golden(
            (-122.35, 47.62, _SEATTLE), (0.0, 90.0, _POLE), (190.0, 0.0, {"longitude": -170.0, "latitude": 0.0}),
            (-180.0, -90.0, {"longitude": -180.0, "latitude": -90.0}), (0.0, 90.1, Raises), (math.inf, 0.0, Raises),
            (math.nan, 0.0, Raises), (0.0, math.nan, Raises), (1e300, 0.0, Raises), (None, 91.0, None),
            (0.0, None, None), types="float64; float64"),
        Parameter(name="x", types=("float64",)), Parameter(name="latitude", types=("float64",)), result=POINT,
        names={"point": point}),
    _coordinate("st_x", "longitude"),
    _coordinate("st_y", "latitude"),
    plain("st_distance", "The metres between two points along the sphere.", _DISTANCE, "distance({0}, {1})", golden(
            (_ORIGIN, _EAST, 111195.10117748393), (_ORIGIN, _POLE, 10007559.105973553), (_SEATTLE, _SEATTLE, 0.0),
            (_ORIGIN, {"longitude": 180.0, "latitude": 0.0}, 20015118.21194711), (_UNKNOWN, _EAST, None),
            (None, _EAST, None), (_EAST, None, None), types=_TWO), _X, _OTHER, result="float64", nulls="makes",
        names={"distance": distance}),
    plain("st_dwithin", "Whether two points are at most so many metres apart.", f"({_DISTANCE} <= {{2}})",
        "(None if (w := distance({0}, {1})) is None else w <= {2})", golden(
            (_ORIGIN, _EAST, 111196.0, True), (_ORIGIN, _EAST, 111195.0, False), (_ORIGIN, _ORIGIN, 0.0, True),
            (_UNKNOWN, _EAST, 1.0, None), (None, _EAST, 1.0, None), (_EAST, _EAST, None, None),
            types=f"{_TWO}; float64"),
        _X, _OTHER, Parameter(name="metres", types=("float64",)), result="bool", nulls="makes",
        names={"distance": distance}),
    plain("st_astext", "The point as well-known text: POINT(longitude latitude).", _AS_TEXT, "text_of_point({0})",
        golden((_SEATTLE, "POINT(-122.35 47.62)"), (_EAST, "POINT(1 0)"), (_UNKNOWN, None), (None, None), types=POINT),
        _X, nulls="makes", names={"text_of_point": text_of_point}),
    plain("st_geogfromtext", "The point of well-known text, POINT(longitude latitude); raises for other shapes.",
        f"CASE WHEN {{0}} IS NULL THEN NULL WHEN regexp_full_match({{0}}, '{_WKT}') "
        f"THEN {_FROM_TEXT_SQL} ELSE {fails('not the text of a point')} END", "point_of_text({0})", golden(
            ("POINT(-122.35 47.62)", _SEATTLE), ("point ( 1e0 .0 )", _EAST), ("POINT(0 91)", Raises),
            ("POINT EMPTY", Raises), ("LINESTRING(0 0, 1 1)", Raises), ("", Raises), (None, None), types="string"),
        STRING, result=POINT, names={"point_of_text": point_of_text}),
    plain("st_geohash", "The name of the cell in which a point lies, of 1 to 20 characters; more of them are a smaller "
        "cell.", _GEOHASH, "geohash({0}, {1})", golden(
            (_SEATTLE, 10, "c22yzugqw7"), (_ORIGIN, 20, "s" + "0" * 19), (_POLE, 3, "upb"), (_SEATTLE, 0, Raises),
            (_SEATTLE, 21, Raises), (_UNKNOWN, 5, None), (None, 0, None), (_EAST, None, None),
            types=f"{POINT}; int64"),
        _X, Parameter(name="maxchars", types=("int64",), default=20), nulls="makes", names={"geohash": geohash}),
)  # fmt: skip
