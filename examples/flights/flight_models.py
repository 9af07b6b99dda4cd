"""How late will a flight arrive, asked an hour before it is to leave? Long delays are rare and of another kind, so a
router sends flights to one of two models; all three look up the same features and are trained and deployed as one."""

from __future__ import annotations

import penstock as ps

known = {
    # what a request says: keys, and what stands in the timetable
    "origin": ps.col("origin"),
    "carrier": ps.col("carrier"),
    "distance": ps.col("distance").log1p(),
    "hour": "EXTRACT(HOUR FROM time_hour AT TIME ZONE 'America/New_York')",
    "weekday": ps.col("time_hour").day_of_week().cast("string"),
    # what the feature store knows: as of that hour in training, online in serving
    "airport_late": ps.feature("airport:late_1h"),
    "airport_late_6h": ps.feature("airport:late_6h"),
    "departures": ps.feature("airport:departures_1h"),
    "carrier_late": ps.feature("carrier:late_3h"),
    "carrier_worst": ps.feature("carrier:worst_3h"),
    "wind": ps.feature("weather:wind"),
    "humidity": ps.feature("weather:humidity"),
    "rain": ps.feature("weather:rain").fill_null(0.0) > 0.01,
    "sight": ps.feature("weather:sight"),
    "seats": ps.feature("plane:seats"),
    # two texts, each in several representations
    "family": ps.feature("plane:model").substr(1, 4),
    "model_length": ps.feature("plane:model").length(),
    "airline_words": ps.feature("airline:name").lower().bag_of_words(16),
    "airline_length": ps.feature("airline:name").word_count(),
}
trees = {"max_iterations": 50, "learn_rate": 0.15, "max_tree_depth": 6}

is_late = ps.model("is_late", type="boosted_tree_classifier", label="is_late", features=known, options=trees)
late = ps.model("late", type="boosted_tree_regressor", label="arr_delay", features=known, options=trees)
usual = ps.model("usual", type="boosted_tree_regressor", label="arr_delay", features=known, options=trees)

arrival = ps.cascade(
    "arrival",
    label="arr_delay",
    metric="mean_absolute_error",
    router=is_late,
    routes=[ps.route(when=ps.col("is_late") > 0.5, use=late)],
    otherwise=usual,
    time="event_timestamp",
    folds=2,
)
