        CREATE OR REPLACE TABLE mlpatterns.{0}_trips AS
        SELECT 
          * EXCEPT(predicted_trip_type_probs, predicted_trip_type)
        FROM
        ML.PREDICT(MODEL {1}, -- mlpatterns.classify_trips
          (SELECT
          start_date, start_station_name, subscriber_type, member_birth_year, member_gender,
          ST_Distance(start_station_geom, end_station_geom) AS distance
          FROM `bigquery-public-data.san_francisco_bikeshare.bikeshare_trips`)
        )
        WHERE predicted_trip_type = '{0}' AND distance IS NOT NULL
