"""An S3 server on loopback, run by the Python of `.venv-s3`: moto's, which checks who asks, and the signature.

It prints its address when it answers, and has the bucket `features`, which the key of the arguments may use.
Where a path has `lost-answers` in it, what is put there is stored, and the first answer to that is that it was not.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable
from typing import Any

ACCOUNT = "123456789012"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def main(key: str, secret: str) -> None:
    from moto import settings
    from moto.iam.models import AccessKey, iam_backends
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from moto.s3.models import s3_backends
    from werkzeug.serving import make_server

    s3_backends[ACCOUNT]["aws"].create_bucket("features", "us-east-1")
    users = iam_backends[ACCOUNT]["aws"]
    user = users.create_user("us-east-1", "tests")
    user.put_policy("everything", json.dumps(EVERYTHING))
    given = AccessKey(user_name="tests", prefix="AKIA", account_id=ACCOUNT)
    given.access_key_id, given.secret_access_key = key, secret
    user.access_keys.append(given)
    users.access_keys[key] = given
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    answer, one = DomainDispatcherApplication(create_backend_app), threading.Lock()
    lost: set[str] = set()

    def in_turn(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        with one:  # it looks whether an object is there, and then puts it; S3 does both in one
            path = environ["PATH_INFO"]
            if environ["REQUEST_METHOD"] == "PUT" and "lost-answers" in path and path not in lost:
                lost.add(path)
                list(answer(environ, lambda *_: None))
                start("503 Slow Down", [("Content-Length", "0")])
                return []
            return answer(environ, start)

    server = make_server("127.0.0.1", 0, in_turn, threaded=True, request_handler=MotoRequestHandler)
    print(f"http://127.0.0.1:{server.port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
