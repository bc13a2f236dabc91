-- Fails the task when a table is empty or too many values of one column are missing.
--
-- :table      the table to check, catalog.schema.table
-- :column     the column that must have a value
-- :threshold  the highest share of missing values that is accepted, in percent

WITH measured AS (
  SELECT
    count(*) AS row_count,
    100.0 * count_if(IDENTIFIER(:column) IS NULL) / nullif(count(*), 0) AS missing_percent
  FROM IDENTIFIER(:table)
)
SELECT
  CASE
    WHEN row_count = 0
      THEN raise_error(:table || ' is empty.')
    WHEN missing_percent > CAST(:threshold AS DOUBLE)
      THEN raise_error(concat(
        :table, '.', :column, ': ', round(missing_percent, 2), ' % of the values are missing, at most ',
        :threshold, ' % are accepted.'
      ))
    ELSE 'passed'
  END AS verdict,
  row_count,
  round(missing_percent, 2) AS missing_percent
FROM measured;
