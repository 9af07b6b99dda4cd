"""The words in which the server's endpoints are described: operations, parameters, forms, failures."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

FAILURES: dict[int, str] = {
    400: "the body is not of the form that the endpoint takes",
    403: "this server is not configured to answer that",
    404: "nothing has the name in the path",
    409: "the state of the thing does not allow it",
    413: "the body is too large",
    422: "a value or a declaration is wrong; `field` names it where it can",
    500: "the server failed; its log has the details under the id given",
    501: "a package that this needs is not installed on the server",
    507: "the server's disk is full, or cannot be written",
}

TEXT: Json = {"type": "string"}
ARROW = "application/vnd.apache.arrow.stream"
BINARY: Json = {"type": "string", "format": "binary"}
ID: Json = {"type": "object", "properties": {"id": TEXT}, "required": ["id"]}
ERROR_FIELDS: Json = {"code": TEXT, "message": TEXT, "field": {"type": ["string", "null"]}}
ERROR: Json = {
    "type": "object",
    "properties": {"error": {"type": "object", "properties": ERROR_FIELDS, "required": [*ERROR_FIELDS]}},
    "required": ["error"],
}


def operation(
    summary: str,
    parameters: tuple[Json, ...] = (),
    *,
    body: Json | None = None,
    example: Json | None = None,
    uploads: tuple[str, ...] = (),
    parts: Json | None = None,
    takes: str = "application/json",
    status: int = 200,
    answer: Json | None = None,
    media: str = "application/json",
    failures: tuple[int, ...] = (),
) -> Json:
    """Return the description of what one method of a path does; `parts` are those of a body that is a form."""
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    found = {"description": "done", "content": {media: {"schema": answer or {"type": "object"}}}}
    failed = {str(code): {"description": FAILURES[code], "content": error} for code in failures}
    operation: Json = {"summary": summary, "responses": {str(status): found, **failed}}
    if parameters:
        operation["parameters"] = list(parameters)
    taken: Json = {each: {"schema": BINARY} for each in uploads}
    if body is not None:
        taken[takes] = {"schema": body} if example is None else {"schema": body, "example": example}
    if parts is not None:
        taken["multipart/form-data"] = {"schema": parts}
    if taken:
        operation["requestBody"] = {"required": True, "content": taken}
    return operation


def rows(name: str, row: Json) -> Json:
    """Return the schema of a body with a list of rows under a name."""
    return {"type": "object", "properties": {name: {"type": "array", "items": row}}, "required": [name]}


def form(name: str) -> Json:
    """Return the reference to a form's schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def parameter(name: str, place: str, type: str = "string") -> Json:
    """Return a parameter in the path, the query or a header."""
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": type}}
