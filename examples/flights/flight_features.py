"""What the feature store knows of a flight before it leaves: how late its airport and its carrier have been running,
the weather, the plane, the airline."""

from __future__ import annotations

import penstock as ps

airport = ps.feature_set(
    "airport",
    entities={"origin": "string"},
    timestamp="known_at",
    columns={"dep_delay": "float64"},
    features={
        "late_1h": ps.col("dep_delay").mean().over("1h"),
        "late_6h": ps.col("dep_delay").mean().over("6h"),
        "departures_1h": ps.col("dep_delay").count().over("1h"),
    },
    description="How late flights have left an airport in the last hours, in minutes",
)
carrier = ps.feature_set(
    "carrier",
    entities={"carrier": "string"},
    timestamp="known_at",
    columns={"dep_delay": "float64"},
    features={
        "late_3h": ps.col("dep_delay").mean().over("3h"),
        "worst_3h": ps.col("dep_delay").max().over("3h"),
    },
    description="How late a carrier's flights have left in the last hours, in minutes",
)
weather = ps.feature_set(
    "weather",
    entities={"origin": "string"},
    timestamp="time_hour",
    ttl="6h",
    columns={"wind_speed": "float64", "humid": "float64", "precip": "float64", "visib": "float64"},
    features={
        "wind": ps.col("wind_speed").clip(0, 60),
        "humidity": ps.col("humid"),
        "rain": ps.col("precip"),
        "sight": ps.col("visib"),
    },
    description="The weather at an airport, read every hour",
)
plane = ps.feature_set(
    "plane",
    entities={"tailnum": "string"},
    timestamp="known_at",
    columns={"model": "string", "seats": "int64"},
    features={"model": ps.col("model"), "seats": ps.col("seats")},
    description="The register of planes",
)
airline = ps.feature_set(
    "airline",
    entities={"carrier": "string"},
    timestamp="known_at",
    columns={"name": "string"},
    features={"name": ps.col("name")},
    description="The names of carriers",
)
