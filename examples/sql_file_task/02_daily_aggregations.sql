-- Rebuilds the last days of gold.daily_sales from the silver tables.
--
-- :catalog    the catalog that holds the schemas silver and gold
-- :days_back  how many days before today are computed again

CREATE TABLE IF NOT EXISTS IDENTIFIER(:catalog || '.gold.daily_sales') (
  sales_date DATE,
  country STRING,
  order_count BIGINT,
  customer_count BIGINT,
  revenue DECIMAL(18, 2),
  updated_at TIMESTAMP
);

-- One MERGE replaces the days in one commit: readers never see a day half done.
MERGE INTO IDENTIFIER(:catalog || '.gold.daily_sales') AS target
USING (
  SELECT
    CAST(orders.ordered_at AS DATE) AS sales_date,
    coalesce(customers.country, 'unknown') AS country,
    count(*) AS order_count,
    count(DISTINCT orders.customer_id) AS customer_count,
    CAST(sum(orders.amount) AS DECIMAL(18, 2)) AS revenue,
    current_timestamp() AS updated_at
  FROM IDENTIFIER(:catalog || '.silver.orders') AS orders
  LEFT JOIN IDENTIFIER(:catalog || '.silver.customers') AS customers
    ON customers.customer_id = orders.customer_id
  WHERE orders.status <> 'cancelled'
    AND CAST(orders.ordered_at AS DATE) >= date_sub(current_date(), CAST(:days_back AS INT))
  GROUP BY ALL
) AS source
ON target.sales_date = source.sales_date AND target.country = source.country
WHEN MATCHED THEN
  UPDATE SET *
WHEN NOT MATCHED THEN
  INSERT *
-- A country whose orders of that day were all cancelled since has no row any more.
WHEN NOT MATCHED BY SOURCE AND target.sales_date >= date_sub(current_date(), CAST(:days_back AS INT)) THEN
  DELETE;
