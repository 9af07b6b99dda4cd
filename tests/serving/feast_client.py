"""What a user of Feast 0.67 runs, in an environment of its own: its SDK with a penstock server as its online store.

`python feast_client.py URL` registers a feature view with Feast, as a user has it, and prints what the SDK reads.
"""

from __future__ import annotations

import datetime
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Bool, Float64, Int64, String
from feast.value_type import ValueType

TYPES = {"fare": Float64, "trips": Int64, "note": String, "tipped": Bool}


def main(url: str) -> dict[str, Any]:
    """Return what Feast's SDK reads from the server at an address."""
    root = Path(tempfile.mkdtemp())
    source = root / "rides.parquet"
    now = pd.Timestamp.now("UTC")
    pd.DataFrame({"driver": [0], "at": [now], "fare": [0.0], "trips": [0], "note": [""], "tipped": [True]}).to_parquet(
        source
    )
    config = RepoConfig(
        project="book",
        registry=str(root / "registry.db"),
        provider="local",
        entity_key_serialization_version=3,
        online_store={"type": "remote", "path": url},
    )
    store = FeatureStore(config=config)
    driver = Entity(name="driver", join_keys=["driver"], value_type=ValueType.INT64)
    rides = FeatureView(
        name="rides",
        entities=[driver],
        ttl=datetime.timedelta(days=14),
        schema=[Field(name="driver", dtype=Int64), *(Field(name=name, dtype=type) for name, type in TYPES.items())],
        source=FileSource(path=str(source), timestamp_field="at"),
    )
    pricing = FeatureService(name="pricing", features=[rides[["fare", "trips"]]])
    store.apply([driver, rides, pricing])
    references = [f"rides:{name}" for name in TYPES]
    rows = [{"driver": 7}, {"driver": 9}, {"driver": 1}]
    answer = store.get_online_features(features=references, entity_rows=rows)
    keys = [EntityKey(join_keys=["driver"], entity_values=[Value(int64_val=key)]) for key in (7, 1)]
    read = store._get_provider().online_read(config, rides, keys, ["fare", "trips"])
    return {
        "online": answer.to_dict(),
        "statuses": [list(vector.statuses) for vector in answer.proto.results],
        "kinds": [vector.values[0].WhichOneof("val") for vector in answer.proto.results],
        "frame": store.get_online_features(features=["rides:trips"], entity_rows=rows[:2], full_feature_names=True)
        .to_df()
        .to_dict("list"),
        "service": store.get_online_features(features=pricing, entity_rows=rows[:1]).to_dict(),
        "read": [{name: value.WhichOneof("val") for name, value in values.items()} for _, values in read],
        "trips": read[0][1]["trips"].int64_val,
        "event": read[0][0].isoformat(),
    }


if __name__ == "__main__":
    print("@@" + json.dumps(main(sys.argv[1])))
