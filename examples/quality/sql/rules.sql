-- Creates the table of rules in the form of DQX, and a rule for main.shop.orders. Run it once; rules that are added
-- later hold from the next run on.

CREATE SCHEMA IF NOT EXISTS main.etl;

CREATE TABLE IF NOT EXISTS main.etl.dq_rules (
  name STRING,
  criticality STRING,
  check STRUCT<function: STRING, for_each_column: ARRAY<STRING>, arguments: MAP<STRING, STRING>>,
  filter STRING,
  run_config_name STRING COMMENT 'the table that the rule is for',
  user_metadata MAP<STRING, STRING>
) USING DELTA;

INSERT INTO main.etl.dq_rules (name, criticality, check, run_config_name)
SELECT
  'has_order_id',
  'error',
  named_struct(
    'function', 'is_not_null',
    'for_each_column', CAST(NULL AS ARRAY<STRING>),
    'arguments', map('column', 'order_id')
  ),
  'main.shop.orders';
