        WITH input_data AS (
           SELECT start_date, start_station_name, subscriber_type, member_birth_year, member_gender,
                  ST_Distance(start_station_geom, end_station_geom) AS distance
           FROM `bigquery-public-data.san_francisco_bikeshare.bikeshare_trips`
        ),

        classified AS (
        SELECT 
          * EXCEPT(predicted_trip_type_probs)
        FROM ML.PREDICT(
          MODEL {0},
          (SELECT * from input_data)
        )
        ),

        evals AS (

        SELECT
          distance, predicted_distance
        FROM ML.PREDICT(
          MODEL {1},
          (SELECT * from classified WHERE predicted_trip_type = 'Typical')
        )
        UNION ALL
        SELECT
          distance, predicted_distance
        FROM ML.PREDICT(
          MODEL {2},
          (SELECT * from classified WHERE predicted_trip_type = 'Long')
        )

        )

        SELECT
           APPROX_QUANTILES(ABS(distance - predicted_distance), 10)[OFFSET(5)] AS median_absolute_error
        FROM
           evals
