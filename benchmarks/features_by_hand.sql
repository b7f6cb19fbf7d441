-- The features of features/customers as of 2011-12-01 (months), written by hand for DuckDB: the yardstick of bench_features.py.
WITH o AS (
  SELECT customer_id,
    sum(n_orders) FILTER (WHERE period_start >= DATE '2011-11-01') AS orders_1,
    sum(order_days) FILTER (WHERE period_start >= DATE '2011-11-01') AS order_days_1,
    count(*) FILTER (WHERE period_start >= DATE '2011-11-01' AND n_orders > 0) AS active_periods_1,
    sum(spend) FILTER (WHERE period_start >= DATE '2011-11-01') AS spend_1,
    sum(n_orders) FILTER (WHERE period_start >= DATE '2011-09-01') AS orders_3,
    sum(order_days) FILTER (WHERE period_start >= DATE '2011-09-01') AS order_days_3,
    count(*) FILTER (WHERE period_start >= DATE '2011-09-01' AND n_orders > 0) AS active_periods_3,
    sum(spend) FILTER (WHERE period_start >= DATE '2011-09-01') AS spend_3,
    sum(n_orders) FILTER (WHERE period_start >= DATE '2011-06-01') AS orders_6,
    sum(order_days) FILTER (WHERE period_start >= DATE '2011-06-01') AS order_days_6,
    count(*) FILTER (WHERE period_start >= DATE '2011-06-01' AND n_orders > 0) AS active_periods_6,
    sum(spend) FILTER (WHERE period_start >= DATE '2011-06-01') AS spend_6,
    sum(n_orders) FILTER (WHERE period_start >= DATE '2010-12-01') AS orders_12,
    sum(order_days) FILTER (WHERE period_start >= DATE '2010-12-01') AS order_days_12,
    count(*) FILTER (WHERE period_start >= DATE '2010-12-01' AND n_orders > 0) AS active_periods_12,
    sum(spend) FILTER (WHERE period_start >= DATE '2010-12-01') AS spend_12,
    sum(n_orders) FILTER (WHERE period_start = DATE '2011-11-01') AS orders_m1,
    sum(n_orders) FILTER (WHERE period_start = DATE '2011-10-01') AS orders_m2,
    sum(n_orders) FILTER (WHERE period_start = DATE '2011-09-01') AS orders_m3,
    sum(n_orders) FILTER (WHERE period_start = DATE '2011-08-01') AS orders_m4,
    sum(n_orders) FILTER (WHERE period_start = DATE '2011-07-01') AS orders_m5,
    sum(n_orders) FILTER (WHERE period_start = DATE '2011-06-01') AS orders_m6,
    sum(n_orders) FILTER (WHERE period_start = DATE '2011-05-01') AS orders_m7,
    sum(n_orders) FILTER (WHERE period_start = DATE '2011-04-01') AS orders_m8,
    sum(n_orders) FILTER (WHERE period_start = DATE '2011-03-01') AS orders_m9,
    sum(n_orders) FILTER (WHERE period_start = DATE '2011-02-01') AS orders_m10,
    sum(n_orders) FILTER (WHERE period_start = DATE '2011-01-01') AS orders_m11,
    sum(n_orders) FILTER (WHERE period_start = DATE '2010-12-01') AS orders_m12,
    sum(n_orders) FILTER (WHERE period_start BETWEEN DATE '2011-06-01' AND DATE '2011-08-01') AS orders_before_3,
    sum(spend) FILTER (WHERE period_start BETWEEN DATE '2011-06-01' AND DATE '2011-08-01') AS spend_before_3,
    sum(n_orders) FILTER (WHERE period_start BETWEEN DATE '2010-12-01' AND DATE '2011-02-01') AS orders_season_ly,
    sum(spend) FILTER (WHERE period_start BETWEEN DATE '2010-12-01' AND DATE '2011-02-01') AS spend_season_ly,
    sum(n_orders) FILTER (WHERE period_start BETWEEN DATE '2010-09-01' AND DATE '2010-11-01') AS orders_before_season_ly,
    max(max_amount) FILTER (WHERE period_start >= DATE '2010-12-01') AS order_value_max_12,
    sum(spend_sumsq) FILTER (WHERE period_start >= DATE '2010-12-01') AS sumsq_12,
    sum(discount) FILTER (WHERE period_start >= DATE '2010-12-01') AS discount_12,
    sum(n_returns) FILTER (WHERE period_start >= DATE '2011-09-01') AS returns_3,
    sum(n_returns) FILTER (WHERE period_start >= DATE '2010-12-01') AS returns_12,
    sum(returned_amount) FILTER (WHERE period_start >= DATE '2010-12-01') AS returned_12,
    min(min_channel) FILTER (WHERE period_start >= DATE '2010-12-01') AS min_channel,
    max(max_channel) FILTER (WHERE period_start >= DATE '2010-12-01') AS max_channel
  FROM activity_orders
  GROUP BY customer_id
),
l AS (
  SELECT customer_id,
    sum(n_products) AS products,
    sum(n_orders) AS line_orders
  FROM activity_order_lines
  WHERE period_start >= DATE '2010-12-01'
  GROUP BY customer_id
),
by_category AS (
  SELECT customer_id, category, sum(spend) AS spend FROM activity_categories WHERE period_start >= DATE '2010-12-01' GROUP BY customer_id, category
),
g AS (
  SELECT customer_id,
    count(*) AS categories,
    max(spend) AS top,
    sum(spend) AS spend
  FROM by_category
  GROUP BY customer_id
),
m AS (
  SELECT customer_id,
    sum(n_messages) FILTER (WHERE period_start >= DATE '2011-09-01') AS messages_3,
    sum(n_messages) AS messages_12,
    sum(n_in) FILTER (WHERE period_start >= DATE '2011-09-01') AS messages_in_3,
    sum(n_in) AS messages_in_12
  FROM activity_messages
  WHERE period_start >= DATE '2010-12-01'
  GROUP BY customer_id
),
s AS (
  SELECT customer_id,
    sum(n_opened) FILTER (WHERE period_start >= DATE '2011-09-01') AS cases_3,
    sum(n_opened) AS cases_12
  FROM activity_cases
  WHERE period_start >= DATE '2010-12-01'
  GROUP BY customer_id
),
c AS (
  SELECT customer_id,
    sum(n_calls) FILTER (WHERE period_start >= DATE '2011-09-01') AS calls_3,
    sum(n_calls) AS calls_12
  FROM activity_calls
  WHERE period_start >= DATE '2010-12-01'
  GROUP BY customer_id
),
k AS (
  SELECT customer_id,
    sum(n_sent) FILTER (WHERE period_start >= DATE '2011-09-01') AS contacts_3,
    sum(n_sent) AS contacts_12,
    sum(n_opened) AS opened,
    sum(n_clicked) AS clicked
  FROM activity_contacts
  WHERE period_start >= DATE '2010-12-01'
  GROUP BY customer_id
)
SELECT
  e.customer_id,
  DATE '2011-12-01' AS as_of,
  (15309 - e.last_day)::DOUBLE AS recency_days,
  (15309 - e.first_day)::DOUBLE AS tenure_days,
  e.n_orders::DOUBLE AS orders_all,
  e.order_days::DOUBLE AS order_days_all,
  e.gap_days_sum / nullif(e.gaps, 0) AS gap_mean_days,
  sqrt(CASE WHEN e.gaps > 1 THEN greatest((e.gap_days_sumsq - e.gap_days_sum::DOUBLE * e.gap_days_sum / e.gaps) / (e.gaps - 1), 0) END) AS gap_sd_days,
  gap_sd_days / nullif(gap_mean_days, 0) AS gap_cv,
  (15309 - e.last_day) / gap_mean_days AS recency_over_gap,
  coalesce(o.orders_1, 0)::DOUBLE AS orders_1,
  coalesce(o.order_days_1, 0)::DOUBLE AS order_days_1,
  coalesce(o.active_periods_1, 0)::DOUBLE AS active_periods_1,
  coalesce(o.orders_3, 0)::DOUBLE AS orders_3,
  coalesce(o.order_days_3, 0)::DOUBLE AS order_days_3,
  coalesce(o.active_periods_3, 0)::DOUBLE AS active_periods_3,
  coalesce(o.orders_6, 0)::DOUBLE AS orders_6,
  coalesce(o.order_days_6, 0)::DOUBLE AS order_days_6,
  coalesce(o.active_periods_6, 0)::DOUBLE AS active_periods_6,
  coalesce(o.orders_12, 0)::DOUBLE AS orders_12,
  coalesce(o.order_days_12, 0)::DOUBLE AS order_days_12,
  coalesce(o.active_periods_12, 0)::DOUBLE AS active_periods_12,
  coalesce(o.orders_m1, 0)::DOUBLE AS orders_m1,
  coalesce(o.orders_m2, 0)::DOUBLE AS orders_m2,
  coalesce(o.orders_m3, 0)::DOUBLE AS orders_m3,
  coalesce(o.orders_m4, 0)::DOUBLE AS orders_m4,
  coalesce(o.orders_m5, 0)::DOUBLE AS orders_m5,
  coalesce(o.orders_m6, 0)::DOUBLE AS orders_m6,
  coalesce(o.orders_m7, 0)::DOUBLE AS orders_m7,
  coalesce(o.orders_m8, 0)::DOUBLE AS orders_m8,
  coalesce(o.orders_m9, 0)::DOUBLE AS orders_m9,
  coalesce(o.orders_m10, 0)::DOUBLE AS orders_m10,
  coalesce(o.orders_m11, 0)::DOUBLE AS orders_m11,
  coalesce(o.orders_m12, 0)::DOUBLE AS orders_m12,
  coalesce((coalesce(o.orders_3, 0) - coalesce(o.orders_before_3, 0)) / nullif(coalesce(o.orders_3, 0) + coalesce(o.orders_before_3, 0), 0)::DOUBLE, 0) AS orders_trend,
  coalesce(o.orders_3, 0)::DOUBLE / nullif(o.orders_12, 0)::DOUBLE AS orders_share_3_of_12,
  p.mbg_expected_orders,
  p.mbg_alive,
  p.mbg_no_order,
  p.pareto_expected_orders,
  p.pareto_alive,
  p.pareto_no_order,
  coalesce(o.orders_season_ly, 0)::DOUBLE AS orders_season_ly,
  coalesce(o.spend_season_ly, 0)::DOUBLE AS spend_season_ly,
  coalesce(o.orders_before_season_ly, 0)::DOUBLE AS orders_before_season_ly,
  e.spend::DOUBLE AS spend_all,
  coalesce(o.spend_1, 0)::DOUBLE AS spend_1,
  coalesce(o.spend_3, 0)::DOUBLE AS spend_3,
  coalesce(o.spend_6, 0)::DOUBLE AS spend_6,
  coalesce(o.spend_12, 0)::DOUBLE AS spend_12,
  coalesce((coalesce(o.spend_3, 0) - coalesce(o.spend_before_3, 0)) / nullif(coalesce(o.spend_3, 0) + coalesce(o.spend_before_3, 0), 0)::DOUBLE, 0) AS spend_trend,
  o.spend_12::DOUBLE / nullif(o.orders_12, 0)::DOUBLE AS order_value_mean_12,
  o.order_value_max_12::DOUBLE AS order_value_max_12,
  sqrt(CASE WHEN o.orders_12 > 1 THEN greatest((o.sumsq_12::DOUBLE - o.spend_12::DOUBLE * o.spend_12::DOUBLE / o.orders_12::DOUBLE) / (o.orders_12::DOUBLE - 1), 0) END) / order_value_mean_12 AS order_value_cv_12,
  o.discount_12::DOUBLE / nullif(o.spend_12 + o.discount_12, 0)::DOUBLE AS discount_share_12,
  coalesce(g.categories, 0)::DOUBLE AS categories_12,
  g.top::DOUBLE / nullif(g.spend, 0)::DOUBLE AS top_category_share_12,
  l.products::DOUBLE / nullif(l.line_orders, 0)::DOUBLE AS products_per_order_12,
  CASE WHEN o.min_channel = o.max_channel THEN 1.0 WHEN o.min_channel <> o.max_channel THEN 2.0 END::DOUBLE AS channels_12,
  coalesce(o.returns_3, 0)::DOUBLE AS returns_3,
  coalesce(o.returns_12, 0)::DOUBLE AS returns_12,
  coalesce(o.returned_12, 0)::DOUBLE / nullif(o.spend_12, 0)::DOUBLE AS return_share_12,
  coalesce(s.cases_3, 0)::DOUBLE AS cases_3,
  coalesce(s.cases_12, 0)::DOUBLE AS cases_12,
  greatest(e.cases_opened - e.cases_closed, 0)::DOUBLE AS cases_open,
  coalesce(c.calls_3, 0)::DOUBLE AS calls_3,
  coalesce(c.calls_12, 0)::DOUBLE AS calls_12,
  coalesce(m.messages_3, 0)::DOUBLE AS messages_3,
  coalesce(m.messages_in_3, 0)::DOUBLE AS messages_in_3,
  coalesce(k.contacts_3, 0)::DOUBLE AS contacts_3,
  coalesce(m.messages_12, 0)::DOUBLE AS messages_12,
  coalesce(m.messages_in_12, 0)::DOUBLE AS messages_in_12,
  coalesce(k.contacts_12, 0)::DOUBLE AS contacts_12,
  CASE WHEN k.contacts_12 > 0 THEN least(k.opened::DOUBLE / k.contacts_12::DOUBLE, 1) END AS contact_open_share_12,
  CASE WHEN k.contacts_12 > 0 THEN least(k.clicked::DOUBLE / k.contacts_12::DOUBLE, 1) END AS contact_click_share_12
FROM lifetime e
LEFT JOIN o ON o.customer_id = e.customer_id
LEFT JOIN l ON l.customer_id = e.customer_id
LEFT JOIN g ON g.customer_id = e.customer_id
LEFT JOIN m ON m.customer_id = e.customer_id
LEFT JOIN s ON s.customer_id = e.customer_id
LEFT JOIN c ON c.customer_id = e.customer_id
LEFT JOIN k ON k.customer_id = e.customer_id
LEFT JOIN purchase_process p ON p.customer_id = e.customer_id
WHERE e.last_day >= 14944 -- 2010-12-01
