-- behavior_metrics: how good a behavior model's predictions are
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET extra_float_digits = -6;
SET search_path = public, socrec;

-- Rows that are the same everywhere, with weights 0 to 3.
CREATE TABLE visit AS
    SELECT i AS visit_id, i / 4 AS set_id, a, b, i % 4 AS weight, (hashint4(i) & 1023) < 350 + 250 * a AS buys,
        CASE WHEN (hashint4(i) & 1023) < 600 + 400 * a THEN (hashint4(i) & 1) ELSE 2 END AS what, i % 4 = (hashint4(i / 4) & 3) AS chosen
    FROM generate_series(4, 1203) i, LATERAL (SELECT (hashint4(i + 5000) & 65535) / 32768.0::float8 - 1, (hashint4(i + 9000) & 65535) / 32768.0::float8 - 1) x(a, b);
CREATE TABLE repeated AS SELECT v.* FROM visit v, generate_series(1, weight);
-- A choice has one weight; what was not chosen is there as often.  In order, as sums of
-- a set do: average precision tells the last digits of what is almost tied apart.
CREATE VIEW choice AS SELECT v.visit_id, v.set_id, v.a, v.b, v.chosen, 1 + v.set_id % 3 AS weight FROM visit v ORDER BY set_id, visit_id;
CREATE VIEW repeated_choice AS SELECT set_id * 10 + n AS set_id, a, b, chosen FROM choice, generate_series(1, weight) n ORDER BY choice.set_id, n, visit_id;

-- All columns of a view, rounded, in a fixed order.
CREATE FUNCTION content(relation text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT (SELECT string_agg(e.key || '' '' || CASE WHEN e.value ~ ''^-?[0-9.]+(e-?[0-9]+)?$'' THEN round(e.value::numeric, 9)::float8::text
            ELSE coalesce(e.value, ''-'') END, '', '' ORDER BY e.key) FROM jsonb_each_text(to_jsonb(v)) e) FROM %s v ORDER BY 1', relation);
END
$$;
CREATE FUNCTION same(one text, other text, VARIADIC views text[]) RETURNS TABLE (view text, n bigint, same boolean) LANGUAGE sql AS $$
    SELECT v, count(*) FILTER (WHERE c.one), count(*) FILTER (WHERE c.one) > 0 AND count(*) = 2 * count(DISTINCT c.content)
    FROM unnest(views) v, LATERAL (SELECT content(one || '.' || v), true AS one UNION ALL SELECT content(other || '.' || v), false) c(content, one) GROUP BY v ORDER BY v
$$;

-- A weight counts like so many rows, in every view and every family.
SELECT name FROM create_behavior_model('one', 'visit', 'buys', '{a,b}', options => '{"weight": "weight"}')
UNION ALL SELECT name FROM create_behavior_model('other', 'repeated', 'buys', '{a,b}');
SELECT * FROM same('one', 'other', 'evaluation', 'calibration', 'lift', 'roc', 'confusion');
SELECT count(*) FROM one.prediction;
CALL refit('one');
CALL refit('other');
SELECT o.n = p.n AS n, abs(o.log_loss - p.log_loss) < 1e-9 AS log_loss, abs(o.accuracy - p.accuracy) < 1e-9 AS accuracy FROM one.version o, other.version p WHERE o.version = 2 AND p.version = 2;
SELECT drop_model(m) FROM unnest('{one,other}'::text[]) m;
SELECT name FROM create_behavior_model('one', 'visit', 'what', '{a,b}', 'multinomial', '{"weight": "weight"}')
UNION ALL SELECT name FROM create_behavior_model('other', 'repeated', 'what', '{a,b}', 'multinomial');
SELECT * FROM same('one', 'other', 'evaluation', 'class_evaluation', 'calibration', 'lift', 'roc', 'confusion');
SELECT drop_model(m) FROM unnest('{one,other}'::text[]) m;
SELECT name FROM create_behavior_model('one', 'choice', 'chosen', '{a,b}', 'conditional', '{"weight": "weight", "choice_set": "set_id"}')
UNION ALL SELECT name FROM create_behavior_model('other', 'repeated_choice', 'chosen', '{a,b}', 'conditional', '{"choice_set": "set_id"}');
SELECT * FROM same('one', 'other', 'evaluation', 'calibration', 'lift', 'roc', 'confusion');
SELECT drop_model(m) FROM unnest('{one,other}'::text[]) m;
-- weights of classes are how the fit sees them, not how often things happen
SELECT name FROM create_behavior_model('one', 'visit', 'buys', '{a,b}', options => '{"class_weight": {"true": 3}}');
SELECT n, positives FROM one.evaluation;
SELECT drop_model('one');
-- cross_validate has them as well
SELECT name FROM create_behavior_model('one', 'visit', 'buys', '{a,b}', options => '{"weight": "weight"}');
SELECT metric, round(value::numeric, 6) AS value FROM cross_validate(model => 'one', folds => 2) ORDER BY metric;
SELECT sum(v) = (SELECT sum(weight) FROM visit) AS all FROM cross_validate(model => 'one', folds => 3), unnest(fold_values) v WHERE metric = 'n';

-- What the views say, by hand.
SELECT e.n = c.n AS n, abs(e.sse - c.sse) < 1e-9 AS sse, e.brier = e.sse / e.n AS brier, abs(e.accuracy - c.accuracy) < 1e-9 AS accuracy,
    abs(e."precision" - c."precision") < 1e-9 AS "precision", abs(e.recall - c.recall) < 1e-9 AS recall, abs(e.f1 - 2 / (1 / c."precision" + 1 / c.recall)) < 1e-9 AS f1
FROM one.evaluation e, (SELECT sum(weight) AS n, sum(weight * (actual::integer - probability) ^ 2) AS sse,
        sum(weight) FILTER (WHERE actual = predicted) / sum(weight) AS accuracy, sum(weight) FILTER (WHERE actual AND predicted) / sum(weight) FILTER (WHERE predicted) AS "precision",
        sum(weight) FILTER (WHERE actual AND predicted) / sum(weight) FILTER (WHERE actual) AS recall FROM one.prediction) c;
SELECT sum(c.n) = min(e.n) AS n, sum(c.positives) = min(e.positives) AS positives, bool_and(share BETWEEN share_low AND share_high AND mean_probability BETWEEN low AND high) AS within
FROM one.calibration c, one.evaluation e;
SELECT bool_and(l.n = c.n AND l.rate = c.share) AS same, max(l.gain) FILTER (WHERE l.decile = 10) AS gain FROM one.lift l JOIN one.calibration c ON c.bin = 11 - l.decile;
SELECT count(*), bool_and(abs(r.youden - r.true_positive_rate + r.false_positive_rate) < 1e-12 AND r.youden <= e.ks_statistic + 1e-12
    AND abs(r.f1 - 2 / (1 / nullif(r."precision", 0) + 1 / r.true_positive_rate)) < 1e-9) AS consistent FROM one.roc r, one.evaluation e WHERE r.true_positive_rate > 0;
SELECT actual, predicted, n FROM one.confusion ORDER BY 1, 2;
SELECT drop_model('one');

-- The best alternative is a hit; sets in which nothing was chosen say nothing; rho-squared is that of the fit.
SELECT name FROM create_behavior_model('one', 'SELECT * FROM choice UNION ALL SELECT 0, 0, a, b, false, 1 FROM choice WHERE set_id = 1', 'chosen', '{a,b}', 'conditional', '{"choice_set": "set_id"}');
SELECT e.n = f.n AS n, abs(e.log_loss + f.log_likelihood / f.n) < 1e-12 AS log_loss, abs(e.pseudo_r2 - f.pseudo_r2) < 1e-12 AS pseudo_r2, e.accuracy FROM one.evaluation e, one.fit f;
SELECT avg((p.probability = m.best)::integer) AS accuracy FROM one.prediction p JOIN (SELECT set_id, max(probability) AS best FROM one.prediction GROUP BY 1) m USING (set_id) WHERE p.actual;
SELECT sum(n) AS alternatives, sum(positives) AS choices FROM one.calibration;
SELECT drop_model('one');

-- Classes: one against the rest, and their means.
SELECT name FROM create_behavior_model('one', 'visit', 'what', '{a,b}', 'multinomial');
SELECT class, n, positives, auc, accuracy, "precision", recall, f1 FROM one.class_evaluation ORDER BY class;
SELECT abs(e.auc - c.auc) < 1e-12 AS auc, abs(e.weighted_auc - c.weighted_auc) < 1e-12 AS weighted_auc, abs(e.f1 - c.f1) < 1e-12 AS f1, abs(e.sse - c.sse) < 1e-9 AS sse
FROM one.evaluation e, (SELECT avg(auc) AS auc, sum(auc * positives) / sum(positives) AS weighted_auc, avg(f1) AS f1, sum(sse) AS sse FROM one.class_evaluation) c;
SELECT bool_and(p.probabilities = one.score(v) AND p.predicted = one.predict_class(v)) AS same, count(*) FROM (SELECT row_number() OVER () AS n, * FROM one.prediction) p
    JOIN (SELECT row_number() OVER () AS n, v AS v FROM visit v) v USING (n);
SELECT class, count(*), sum(n) AS n FROM one.calibration GROUP BY 1 ORDER BY 1;
SELECT class, count(*), max(selected) AS selected FROM one.roc GROUP BY 1 ORDER BY 1;
SELECT one.classes(), classes FROM one.fit;
SELECT drop_model('one');
SELECT most_probable('{a,b,c}', '{1,3,3}'), most_probable('[0:1]={a,b}', '{1,2}'), most_probable('{NULL}', '{1}') IS NULL AS unknown, most_probable('{}', '{}') IS NULL AS none;
SELECT most_probable('{a,b}', '{1}');
SELECT most_probable('{a,b}', '{1,NULL}');

-- Only one class is held out; a class that was not in the fit is; all probabilities are the same; there is nothing, or no score.
CREATE TABLE single AS SELECT i AS id, (i % 10)::float8 AS x, i % 3 = 0 AS y FROM generate_series(1, 500) i;
SELECT name FROM create_behavior_model('one', 'SELECT id / 50 AS g, x, y OR id < 50 AS y FROM single', 'y', '{x}', options => '{"holdout": 0.1, "seed": 7, "std_errors": "cluster", "cluster": "g"}');
SELECT held_out, n, positives, log_loss IS NOT NULL AS log_loss, auc, average_precision, ks_statistic, recall FROM one.evaluation ORDER BY 1;
SELECT held_out, count(*), count(lift) AS lifts, count(gain) AS gains FROM one.lift GROUP BY 1 ORDER BY 1;
SELECT held_out, count(*), count(false_positive_rate) AS false_positive_rates, count(youden) AS youden FROM one.roc GROUP BY 1 ORDER BY 1;
SELECT drop_model('one');
SELECT name FROM create_behavior_model('one', 'SELECT id / 50 AS g, x, CASE WHEN id < 50 THEN ''new'' WHEN y THEN ''yes'' ELSE ''no'' END AS y FROM single', 'y', '{x}', 'multinomial',
    '{"holdout": 0.1, "seed": 7, "std_errors": "cluster", "cluster": "g"}');
SELECT held_out, n, log_loss, brier, accuracy FROM one.evaluation ORDER BY 1;
SELECT held_out, actual, predicted, n FROM one.confusion WHERE actual = 'new' ORDER BY 1;
SELECT drop_model('one');
SELECT name FROM create_behavior_model('one', 'single', 'y', '{x}', options => '{"l1": 1000}');
SELECT count(DISTINCT probability) FROM one.prediction;
SELECT n, auc, ks_statistic, average_precision - positives / n::float8 AS beyond_chance FROM one.evaluation;
SELECT bin, n, positives, low = high AS alike FROM one.calibration;
SELECT decile, lift, gain FROM one.lift;
TRUNCATE single;
SELECT (SELECT count(*) FROM one.evaluation) + (SELECT count(*) FROM one.calibration) + (SELECT count(*) FROM one.lift) + (SELECT count(*) FROM one.roc) + (SELECT count(*) FROM one.confusion) AS rows;
INSERT INTO single VALUES (1, NULL, true), (2, NULL, false);
SELECT count(*), count(probability) FROM one.prediction;
SELECT (SELECT count(*) FROM one.evaluation) + (SELECT count(*) FROM one.calibration) + (SELECT count(*) FROM one.lift) + (SELECT count(*) FROM one.roc) + (SELECT count(*) FROM one.confusion) AS rows;
-- a threshold selects what has exactly its probability
SELECT bool_and(width_bucket(i / 100.0::float8, (SELECT array_agg(k / 100.0::float8 ORDER BY k) FROM generate_series(0, 100) k)) = i + 1) AS exact FROM generate_series(0, 100) i;
SELECT drop_model('one');
-- a negative weight that came later
SELECT name FROM create_behavior_model('one', 'SELECT a, b, buys, CASE WHEN visit_id > 1200 AND current_setting(''socrec.trap'', true) = ''on'' THEN -1 ELSE weight END AS weight FROM visit', 'buys', '{a,b}',
    options => '{"weight": "weight"}');
SET socrec.trap = 'on';
SELECT * FROM one.evaluation;
SELECT * FROM one.calibration;
RESET socrec.trap;
SELECT drop_model('one');

-- A list of leads: who reads it sees what its owner may see, and needs no more.
CREATE TABLE customer AS SELECT visit_id AS customer_id, 'segment ' || visit_id % 3 AS segment, a, b, CASE WHEN visit_id % 5 = 0 THEN 'gold' ELSE 'base' END AS plan, buys FROM visit
    UNION ALL SELECT 9999, 'segment 0', NULL, 0, 'base', NULL;
SELECT name FROM create_behavior_model('one', 'customer', 'buys', '{a,b,plan}');
CREATE VIEW lead AS
SELECT s.customer_id, s.segment, s.probability, row_number() OVER w AS place, ntile(10) OVER w AS decile,
    sum(s.probability) OVER w AS expected_so_far, r.reasons
FROM (SELECT c.customer_id, c.segment, c AS customer, one.score(c) AS probability FROM customer c OFFSET 0) s
    CROSS JOIN LATERAL (
        SELECT string_agg(e.term || coalesce(' = ' || e.level, ''), ', ' ORDER BY e.effect DESC) AS reasons
        FROM (SELECT e.term, e.level, (e.value - k.mean) * e.estimate AS effect
              FROM one.explain(s.customer) e JOIN one.coefficient k ON (k.term, k.level, k.subscript) IS NOT DISTINCT FROM (e.term, e.level, e.subscript)
              ORDER BY effect DESC LIMIT 3) e
        WHERE e.effect > 0) r
WHERE s.probability IS NOT NULL
WINDOW w AS (ORDER BY s.probability DESC, s.customer_id);
CREATE VIEW own_lead WITH (security_invoker = true) AS SELECT customer_id, one.score(c) AS probability FROM customer c;
CREATE MATERIALIZED VIEW stored_lead AS SELECT * FROM lead;
CREATE UNIQUE INDEX ON stored_lead (customer_id);
SELECT * FROM lead WHERE place <= 4 ORDER BY place;
SELECT count(*), count(DISTINCT decile) AS deciles, max(place) AS places, abs(max(expected_so_far) - sum(probability)) < 1e-9 AS adds_up, count(reasons) AS reasons FROM lead;
-- as many will buy as have, of rows that were fitted
SELECT round(max(expected_so_far)::numeric, 6) AS expected, (SELECT count(*) FROM customer WHERE buys) AS buys FROM lead;
CREATE ROLE behavior_lead;
GRANT USAGE ON SCHEMA public TO behavior_lead;
GRANT SELECT ON lead, own_lead, stored_lead TO behavior_lead;
SET ROLE behavior_lead;
SELECT customer_id, place, reasons FROM lead WHERE place <= 2 ORDER BY place;
SELECT count(*) FROM stored_lead;
SELECT count(*) FROM own_lead;
SELECT count(*) FROM customer;
SELECT count(*) FROM one.evaluation;
SELECT one.score(r) FROM (SELECT 1 AS a, 1 AS b, 'base' AS plan) r;
-- with another message since PostgreSQL 17
\set VERBOSITY sqlstate
REFRESH MATERIALIZED VIEW stored_lead;
\set VERBOSITY default
RESET ROLE;
-- of the source a policy decides: on a view that of its owner, on one of the invoker that of the reader
ALTER TABLE customer ENABLE ROW LEVEL SECURITY;
CREATE POLICY segment ON customer TO behavior_lead USING (segment = 'segment 1');
GRANT SELECT ON customer TO behavior_lead;
GRANT USAGE ON SCHEMA one TO behavior_lead;
SET ROLE behavior_lead;
SELECT (SELECT count(*) FROM lead) AS of_owner, (SELECT count(*) FROM own_lead) AS of_reader, (SELECT n FROM one.evaluation) AS evaluated;
RESET ROLE;
REFRESH MATERIALIZED VIEW CONCURRENTLY stored_lead;
SELECT drop_model('one');
DROP VIEW own_lead;
DROP MATERIALIZED VIEW stored_lead;
DROP VIEW lead;
SELECT drop_model('one');
REVOKE ALL ON SCHEMA public FROM behavior_lead;
DROP TABLE single, customer, visit, repeated CASCADE;
DROP ROLE behavior_lead;
