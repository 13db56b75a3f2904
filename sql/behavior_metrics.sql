-- behavior_metrics: how good a behavior model's predictions are
--
-- A model's view prediction has what happened and what was predicted, row by row.
-- What differs between families ends with behavior_outcomes: yes or no, with a
-- probability, for each row, each class or each alternative.  All metrics and views are
-- over these.  With option weight a row counts so many times, as if the table had it
-- so often.  "OFFSET '0'" keeps the planner from computing something for each use
-- of it; as a literal, as the planner takes a number that is to be cast for an offset
-- that parallel workers could not share.

-- One more column, or argument: the weight of a row, with option weight.
CREATE FUNCTION outcome_weight(m model, alias text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN m.options -> 'weight' <> 'null' THEN format(', %s.weight', alias) ELSE '' END;
END;

COMMENT ON FUNCTION outcome_weight IS 'the weight of an outcome of a behavior model as one more column';

-- The query of every row of the sample with what happened and what is predicted.
-- Probability is an expression over a row s; of family multinomial it is an array in the
-- order of classes, an expression as well.  The row has held_out, a hash of all columns,
-- which is worth to be computed once.
CREATE FUNCTION prediction_query(m model, probability text, classes text, condition text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format(CASE m.method
        WHEN 'logistic' THEN 'SELECT s.held_out, %2$s AS actual, %3$s >= 0.5 AS predicted, %3$s AS probability%8$s
            FROM %1$s s WHERE s.%4$I IS NOT NULL AND %5$s'
        WHEN 'conditional' THEN 'SELECT p.*, p.probability >= max(p.probability) OVER (PARTITION BY p.%6$I) AS predicted
            FROM (SELECT s.held_out, s.%6$I, %2$s AS actual, socrec.softmax(%3$s) OVER (PARTITION BY s.%6$I) AS probability%8$s
                FROM %1$s s WHERE s.%4$I IS NOT NULL AND s.%6$I IS NOT NULL AND %5$s) p'
        ELSE 'SELECT p.held_out, p.actual, socrec.most_probable(%7$s, p.probabilities) AS predicted,
                coalesce(p.probabilities[array_position(%7$s, p.actual)], 0) AS probability, p.probabilities%9$s
            FROM (SELECT s.held_out, %2$s AS actual, %3$s AS probabilities%8$s
                FROM %1$s s WHERE s.%4$I IS NOT NULL AND %5$s OFFSET ''0'') p WHERE p.probabilities IS NOT NULL' END,
        CASE WHEN (m.options ->> 'holdout')::float8 > 0 AND m.method <> 'conditional' THEN format('(SELECT * FROM %I.sample OFFSET ''0'')', m.name)
            ELSE format('%I.sample', m.name) END,
        behavior_outcome(m), probability, m.target_column, condition, m.options ->> 'choice_set', classes,
        coalesce(', s.' || quote_ident(m.options ->> 'weight') || '::float8 AS weight', ''),
        outcome_weight(m, 'p'));
END;

COMMENT ON FUNCTION prediction_query IS 'the query of what happened and what is predicted, of the rows of a behavior model';

-- The query of what can be right or wrong in predictions: held_out, class (of family
-- multinomial, each class against the rest), actual and predicted as booleans,
-- probability, and weight with option weight.  A choice set has the weight of what was
-- chosen, and says nothing where nothing was.
CREATE FUNCTION behavior_outcomes(m model, predictions text, classes text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format(CASE m.method
        WHEN 'logistic' THEN 'SELECT p.held_out, p.actual, p.probability >= 0.5 AS predicted, p.probability%3$s
            FROM (SELECT * FROM (%1$s) q OFFSET ''0'') p WHERE p.probability IS NOT NULL%4$s'
        WHEN 'conditional' THEN 'SELECT p.held_out, p.actual, p.predicted, p.probability, p.alternatives%3$s
            FROM (SELECT q.held_out, q.actual, q.predicted, q.probability, count(*) OVER w AS alternatives,
                    count(*) FILTER (WHERE q.actual) OVER w AS chosen%5$s
                FROM (%1$s) q WHERE q.probability IS NOT NULL WINDOW w AS (PARTITION BY q.%6$I)) p WHERE p.chosen > 0%4$s'
        ELSE 'SELECT p.held_out, p.class, p.actual = p.class AS actual, p.predicted = p.class AS predicted, p.probability%3$s
            FROM (SELECT q.held_out, q.actual, q.predicted, unnest(%2$s) AS class, unnest(q.probabilities) AS probability%7$s FROM (%1$s) q) p
            WHERE true%4$s' END,
        predictions, classes, w.p, w.condition, CASE WHEN w.p <> '' THEN ', max(q.weight) FILTER (WHERE q.actual) OVER w AS weight' ELSE '' END,
        m.options ->> 'choice_set', outcome_weight(m, 'q'))
    FROM (SELECT outcome_weight(m, 'p'), CASE WHEN m.options -> 'weight' <> 'null' THEN ' AND p.weight <> 0' ELSE '' END) w(p, condition);
END;

COMMENT ON FUNCTION behavior_outcomes IS 'the query of what can be right or wrong in predictions of a behavior model';

-- How many outcomes p there are for which a condition holds.
CREATE FUNCTION outcome_count(m model, condition text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format(CASE WHEN m.options -> 'weight' <> 'null' THEN 'coalesce(sum(p.weight) FILTER (WHERE %s), 0)' ELSE 'count(*) FILTER (WHERE %s)' END, condition);
END;

COMMENT ON FUNCTION outcome_count IS 'the expression of how many outcomes there are, by weight';

-- What groups outcomes, beside the part of the sample.
CREATE FUNCTION outcome_groups(m model, part text DEFAULT 'p.held_out') RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT nullif(concat_ws(', ', part, CASE m.method WHEN 'multinomial' THEN 'p.class' END), '');
END;

COMMENT ON FUNCTION outcome_groups IS 'the columns by which outcomes of a behavior model are evaluated';

-- The query of metrics of outcomes as yes or no, for each part of the sample and each
-- class; choice_loss is the logarithmic loss of what happened alone.
CREATE FUNCTION outcome_metrics_query(m model, outcomes text, part text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('SELECT p.*, p.brier * p.n AS sse, (p.n - p.positives - p.selected + 2 * p.hits) / nullif(p.n, 0)::float8 AS accuracy,
            p.hits / nullif(p.selected, 0)::float8 AS "precision", p.hits / nullif(p.positives, 0)::float8 AS recall,
            2 * p.hits / nullif(p.selected + p.positives, 0)::float8 AS f1
        FROM (SELECT %1$s%2$s AS n, %3$s AS positives, %4$s AS selected, %5$s AS hits,
                socrec.log_loss(p.actual, p.probability%6$s) AS log_loss, socrec.brier_score(p.actual, p.probability%6$s) AS brier,
                socrec.auc(p.actual, p.probability%6$s) AS auc, socrec.average_precision(p.actual, p.probability%6$s) AS average_precision,
                socrec.ks_statistic(p.actual, p.probability%6$s) AS ks_statistic, socrec.calibration_error(p.actual, p.probability%7$s) AS calibration_error%8$s
            FROM (%9$s) p%10$s) p',
        coalesce(g.groups || ', ', ''), outcome_count(m, 'true'), outcome_count(m, 'p.actual'), outcome_count(m, 'p.predicted'),
        outcome_count(m, 'p.actual AND p.predicted'), g.weight, g.weight || CASE g.weight WHEN '' THEN '' ELSE ', 10' END,
        CASE WHEN m.method <> 'logistic' THEN format(', socrec.log_loss(true, p.probability%s) FILTER (WHERE p.actual) AS choice_loss', g.weight) ELSE '' END
            || CASE m.method WHEN 'conditional' THEN format(', -sum(ln(p.alternatives)%s) FILTER (WHERE p.actual) AS null_log_likelihood', replace(g.weight, ',', ' *')) ELSE '' END,
        outcomes, coalesce(' GROUP BY ' || g.groups, ''))
    FROM (SELECT outcome_groups(m, part), outcome_weight(m, 'p')) g(groups, weight);
END;

COMMENT ON FUNCTION outcome_metrics_query IS 'the query of metrics of the outcomes of a behavior model, for each class';

-- The query of metrics, for each part of the sample ('p.held_out') or all rows (NULL).
-- Of several classes they are means of those of each against the rest; as in
-- scikit-learn, precision is 0 where a class was never predicted, and recall where it
-- never happened.  Of a class that the model does not know the probability is 0, the
-- logarithmic loss that of 2^-52.
CREATE FUNCTION metrics_query(m model, outcomes text, part text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('SELECT %1$s' || CASE m.method
        WHEN 'logistic' THEN 'p.n, p.positives, p.log_loss, p.brier, p.sse, p.auc, p.average_precision, p.ks_statistic, p.calibration_error,
            p.accuracy, p."precision", p.recall, p.f1 FROM (%2$s) p'
        WHEN 'conditional' THEN 'p.positives AS n, p.choice_loss AS log_loss, p.sse / nullif(p.positives, 0) AS brier, p.sse, p.auc, p.average_precision,
            p.calibration_error, p.recall AS accuracy, 1 + p.choice_loss * p.positives / nullif(p.null_log_likelihood, 0) AS pseudo_r2 FROM (%2$s) p'
        ELSE 'p.n, (coalesce(p.choice_loss, 0) + p.unknown * 52 * ln(2::float8)) / p.n AS log_loss, (p.sse + p.unknown) / p.n AS brier, p.sse + p.unknown AS sse,
            p.auc, p.weighted_auc, p.average_precision, p.calibration_error, p.accuracy, p."precision", p.recall, p.f1
            FROM (SELECT %1$smax(p.n) AS n, (max(p.n) - sum(p.positives))::float8 AS unknown, sum(p.choice_loss * p.positives) AS choice_loss, sum(p.sse) AS sse,
                avg(p.auc) AS auc, sum(p.auc * p.positives) / sum(p.positives) FILTER (WHERE p.auc IS NOT NULL) AS weighted_auc,
                avg(p.average_precision) AS average_precision, avg(p.calibration_error) AS calibration_error, sum(p.hits)::float8 / max(p.n) AS accuracy,
                avg(coalesce(p."precision", 0)) FILTER (WHERE p.f1 IS NOT NULL) AS "precision",
                avg(coalesce(p.recall, 0)) FILTER (WHERE p.f1 IS NOT NULL) AS recall, avg(p.f1) AS f1
            FROM (%2$s) p%3$s) p' END,
        coalesce(part || ', ', ''), outcome_metrics_query(m, outcomes, part), CASE m.method WHEN 'multinomial' THEN coalesce(' GROUP BY ' || part, '') ELSE '' END);
END;

COMMENT ON FUNCTION metrics_query IS 'the query of a behavior model''s metrics over the outcomes of its predictions';

CREATE FUNCTION behavior_view_statements(m model) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT array_agg(format(t.statement, m.name, o.outcomes, metrics_query(m, o.outcomes, 'p.held_out'), outcome_metrics_query(m, o.outcomes, 'p.held_out'),
            outcome_groups(m), replace(outcome_groups(m), 'p.', ''), CASE o.weight WHEN '' THEN '' ELSE o.weight || ', 10' END,
            CASE o.weight WHEN '' THEN '::bigint' ELSE '' END, outcome_count(m, 'true'), outcome_count(m, 'p.actual'),
            CASE o.weight WHEN '' THEN '' ELSE ' AND p.weight <> 0' END) ORDER BY t.n)
    FROM (SELECT behavior_outcomes(m, format('SELECT * FROM %I.prediction', m.name), format('%I.classes()', m.name)),
        outcome_weight(m, 'p')) o(outcomes, weight), unnest(ARRAY[
        'COMMENT ON VIEW %1$I.prediction IS ''what happened and what is predicted, row by row''',
        'CREATE VIEW %1$I.evaluation WITH (security_invoker = true) AS %3$s',
        'COMMENT ON VIEW %1$I.evaluation IS ''how good predictions are, over the rows fitted and those held out''',
        'COMMENT ON COLUMN %1$I.evaluation.n IS ''rows or choice sets, by weight''',
        'COMMENT ON COLUMN %1$I.evaluation.sse IS ''M, the sum of (actual - probability)^2''']
        || CASE m.method
        WHEN 'logistic' THEN ARRAY[
        'COMMENT ON COLUMN %1$I.evaluation.accuracy IS ''as precision, recall and f1 with threshold 0.5; roc has others''']
        WHEN 'multinomial' THEN ARRAY[
        'COMMENT ON COLUMN %1$I.evaluation.auc IS ''mean of the classes, each against the rest''',
        'COMMENT ON COLUMN %1$I.evaluation.weighted_auc IS ''the same weighted by how often each class happened''',
        'COMMENT ON COLUMN %1$I.evaluation.precision IS ''as recall and f1 mean of the classes''',
        'CREATE VIEW %1$I.class_evaluation WITH (security_invoker = true) AS
            SELECT %5$s, p.n, p.positives, p.log_loss, p.brier, p.sse, p.auc, p.average_precision, p.ks_statistic, p.calibration_error,
                p.accuracy, p."precision", p.recall, p.f1 FROM (%4$s) p',
        'COMMENT ON VIEW %1$I.class_evaluation IS ''how good predictions of each class are, against the rest''']
        ELSE ARRAY[
        'COMMENT ON COLUMN %1$I.evaluation.accuracy IS ''hit rate: share of sets in which the most probable alternative was chosen''',
        'COMMENT ON COLUMN %1$I.evaluation.auc IS ''as average_precision and calibration_error over alternatives, chosen or not''',
        'COMMENT ON COLUMN %1$I.evaluation.pseudo_r2 IS ''McFadden: against alternatives that are all as probable''']
        END || ARRAY[
        'CREATE VIEW %1$I.calibration WITH (security_invoker = true) AS
            SELECT %5$s, b.bin, b.n%8$s AS n, b.positives%8$s AS positives, b.low, b.high, b.mean_probability, b.share, b.share_low, b.share_high
            FROM (SELECT %5$s, socrec.calibration_curve(p.actual, p.probability%7$s) AS curve FROM (%2$s) p GROUP BY %5$s) p, unnest(p.curve) b',
        'COMMENT ON VIEW %1$I.calibration IS ''tenths of the rows by probability: the mean probability and the share that it happened to''',
        'COMMENT ON COLUMN %1$I.calibration.share_low IS ''with share_high Wilson''''s 95 %% confidence interval of the share''',
        'CREATE VIEW %1$I.lift WITH (security_invoker = true) AS
            SELECT %5$s, 11 - p.bin AS decile, p.n, p.positives, p.share AS rate, p.share / nullif(sum(p.positives) OVER w / sum(p.n) OVER w, 0)::float8 AS lift,
                (sum(p.positives) OVER c / nullif(sum(p.positives) OVER w, 0))::float8 AS gain
            FROM %1$I.calibration p
            WINDOW w AS (PARTITION BY %5$s), c AS (PARTITION BY %5$s ORDER BY p.bin DESC)',
        'COMMENT ON VIEW %1$I.lift IS ''tenths of the rows, the most probable first''',
        'COMMENT ON COLUMN %1$I.lift.lift IS ''the rate as a multiple of that of all rows''',
        'COMMENT ON COLUMN %1$I.lift.gain IS ''share of all positives up to this tenth''',
        'CREATE VIEW %1$I.roc WITH (security_invoker = true) AS
            WITH h AS (SELECT %5$s, width_bucket(p.probability, (SELECT array_agg(i / 100.0::float8 ORDER BY i) FROM generate_series(0, 100) i)) - 1 AS step,
                    %9$s AS n, %10$s AS positives
                FROM (%2$s) p GROUP BY %5$s, step)
            SELECT %5$s, p.step / 100.0::float8 AS threshold, p.selected%8$s AS selected, p.true_positives / nullif(p.positives, 0) AS true_positive_rate,
                (p.selected - p.true_positives) / nullif(p.n - p.positives, 0) AS false_positive_rate, p.true_positives / nullif(p.selected, 0) AS "precision",
                (p.n - p.positives - p.selected + 2 * p.true_positives) / p.n AS accuracy, 2 * p.true_positives / nullif(p.positives + p.selected, 0) AS f1,
                p.true_positives / nullif(p.positives, 0) - (p.selected - p.true_positives) / nullif(p.n - p.positives, 0) AS youden
            FROM (SELECT %5$s, p.step, sum(p.n) OVER c AS selected, sum(p.positives) OVER c AS true_positives, sum(p.n) OVER w AS n, sum(p.positives) OVER w AS positives
                FROM (SELECT %6$s, step, coalesce(h.n, 0)::float8 AS n, coalesce(h.positives, 0)::float8 AS positives
                    FROM (SELECT DISTINCT %6$s FROM h) g CROSS JOIN generate_series(0, 100) step LEFT JOIN h USING (%6$s, step)) p
                WINDOW w AS (PARTITION BY %5$s), c AS (PARTITION BY %5$s ORDER BY p.step DESC)) p',
        'COMMENT ON VIEW %1$I.roc IS ''what each threshold of the probability selects: rates, precision and accuracy''',
        'COMMENT ON COLUMN %1$I.roc.true_positive_rate IS ''recall: share of the positives selected''',
        'COMMENT ON COLUMN %1$I.roc.youden IS ''true_positive_rate - false_positive_rate''',
        'CREATE VIEW %1$I.confusion WITH (security_invoker = true) AS
            SELECT p.held_out, p.actual, p.predicted, %9$s AS n FROM (SELECT * FROM %1$I.prediction OFFSET ''0'') p WHERE p.predicted IS NOT NULL%11$s GROUP BY 1, 2, 3',
        'COMMENT ON VIEW %1$I.confusion IS ''how often something was predicted where it, or something else, happened''',
        'GRANT SELECT ON ALL TABLES IN SCHEMA %1$I TO PUBLIC']) WITH ORDINALITY t(statement, n);
END;

COMMENT ON FUNCTION behavior_view_statements IS 'the statements that create a behavior model''s views of metrics';
