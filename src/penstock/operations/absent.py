"""Scalar functions that BigQuery documents and we do not have, with the reason: none is approximated."""

from __future__ import annotations

_REASONS = {
    "there is no INTERVAL type: neither a row in Python nor a request in JSON has a value for it; what + and - add to "
    "a date may be an INTERVAL, also one of MAKE_INTERVAL": (
        *("MAKE_INTERVAL", "JUSTIFY_DAYS", "JUSTIFY_HOURS", "JUSTIFY_INTERVAL"),
    ),
    "there is no NUMERIC type; numbers are INT64 and FLOAT64": ("PARSE_NUMERIC", "PARSE_BIGNUMERIC"),
    "there is no JSON type: JSON is text, taken apart by JSON_VALUE, JSON_QUERY, LAX_INT64 and their like, and written "
    "by TO_JSON_STRING": (
        *("PARSE_JSON", "TO_JSON", "JSON_ARRAY", "JSON_OBJECT", "JSON_ARRAY_APPEND", "JSON_ARRAY_INSERT"),
        *("JSON_REMOVE", "JSON_SET", "JSON_STRIP_NULLS", "JSON_KEYS", "JSON_FLATTEN", "BOOL", "INT64", "FLOAT64"),
    ),
    "there are no collations; strings compare by character": ("COLLATE",),
    "DuckDB cannot read bytes that are not UTF-8; CAST raises and SAFE_CAST gives NULL": (
        "SAFE_CONVERT_BYTES_TO_STRING",
    ),
    "write TIMESTAMP_TRUNC, or DIV of UNIX_SECONDS": ("DATE_BUCKET", "DATETIME_BUCKET", "TIMESTAMP_BUCKET"),
    "there is no RANGE type": (
        *("RANGE", "RANGE_CONTAINS", "RANGE_START", "RANGE_END", "RANGE_INTERSECT", "RANGE_OVERLAPS"),
        "GENERATE_RANGE_ARRAY",
    ),
    "there are points only, no lines and polygons": (
        *("ST_AREA", "ST_ASBINARY", "ST_ASGEOJSON", "ST_AZIMUTH", "ST_BOUNDARY", "ST_BOUNDINGBOX", "ST_BUFFER"),
        *("ST_BUFFERWITHTOLERANCE", "ST_CENTROID", "ST_CLOSESTPOINT", "ST_CONTAINS", "ST_CONVEXHULL", "ST_COVEREDBY"),
        *("ST_COVERS", "ST_DIFFERENCE", "ST_DIMENSION", "ST_DISJOINT", "ST_DUMP", "ST_ENDPOINT", "ST_EQUALS"),
        *("ST_EXTERIORRING", "ST_GEOGFROM", "ST_GEOGFROMGEOJSON", "ST_GEOGFROMWKB", "ST_GEOGPOINTFROMGEOHASH"),
        *("ST_GEOMETRYTYPE", "ST_HAUSDORFFDISTANCE", "ST_HAUSDORFFDWITHIN", "ST_INTERIORRINGS", "ST_INTERSECTION"),
        *("ST_INTERSECTS", "ST_INTERSECTSBOX", "ST_ISCLOSED", "ST_ISCOLLECTION", "ST_ISEMPTY", "ST_ISRING"),
        *("ST_LENGTH", "ST_LINEINTERPOLATEPOINT", "ST_LINELOCATEPOINT", "ST_LINESUBSTRING", "ST_MAKELINE"),
        *("ST_MAKEPOLYGON", "ST_MAKEPOLYGONORIENTED", "ST_MAXDISTANCE", "ST_NPOINTS", "ST_NUMGEOMETRIES"),
        *("ST_NUMPOINTS", "ST_PERIMETER", "ST_POINTN", "ST_SIMPLIFY", "ST_SNAPTOGRID", "ST_STARTPOINT"),
        *("ST_TOUCHES", "ST_UNION", "ST_WITHIN", "ST_ANGLE", "S2_CELLIDFROMPOINT", "S2_COVERINGCELLIDS"),
    ),
    "addresses of the network are not features as they stand; read them in the query": (
        *(
            "NET.HOST",
            "NET.IP_FROM_STRING",
            "NET.IP_NET_MASK",
            "NET.IP_TO_STRING",
            "NET.IP_TRUNC",
            "NET.IPV4_FROM_INT64",
        ),
        *("NET.IPV4_TO_INT64", "NET.PUBLIC_SUFFIX", "NET.REG_DOMAIN", "NET.SAFE_IP_FROM_STRING"),
    ),
    "a feature that only fails is none": ("ERROR",),
    "an image is bytes here, and is decoded and brought to a size at once: PENSTOCK.IMAGE(photo, [width, height], "
    "'RGB', 'stretch'), whose pixels differ a little from BigQuery's; PENSTOCK.PIXELS(...) gives them as numbers": (
        *("ML.DECODE_IMAGE", "ML.RESIZE_IMAGE", "ML.CONVERT_COLOR_SPACE", "ML.CONVERT_IMAGE_TYPE"),
    ),
}

ABSENT = {name: reason for reason, names in _REASONS.items() for name in names}
"""BigQuery's name -> why it is not here."""
