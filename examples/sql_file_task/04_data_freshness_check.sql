-- Fails the task when a table has had no new rows for too long.
--
-- :table             the table to check, catalog.schema.table
-- :timestamp_column  the column that says when a row arrived
-- :max_hours         the highest age of the latest row that is accepted, in hours

WITH measured AS (
  SELECT
    max(IDENTIFIER(:timestamp_column)) AS latest,
    timestampdiff(MINUTE, max(IDENTIFIER(:timestamp_column)), current_timestamp()) / 60.0 AS age_hours
  FROM IDENTIFIER(:table)
)
SELECT
  CASE
    WHEN latest IS NULL
      THEN raise_error(:table || ' has no rows.')
    WHEN age_hours > CAST(:max_hours AS DOUBLE)
      THEN raise_error(concat(
        :table, ': the latest row is ', round(age_hours, 1), ' hours old, at most ', :max_hours, ' hours are accepted.'
      ))
    ELSE 'fresh'
  END AS verdict,
  latest,
  round(age_hours, 1) AS age_hours
FROM measured;
