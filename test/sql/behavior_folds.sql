-- behavior_folds: cross-validation of behavior models where folds lack something
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET extra_float_digits = -6;
SET search_path = public, socrec;

CREATE TABLE pet AS
    SELECT i AS id, sin(i) AS a, cos(i * 3) AS b, CASE WHEN i % 97 = 0 THEN 'ant' WHEN i = 55 THEN 'bee' WHEN sin(i) + sin(i * i) > 0.4 THEN 'cat' ELSE 'dog' END AS kind,
        i % 120 = 7 AS rare, i = 300 AS once, CASE WHEN i = 9 THEN 'odd' WHEN i % 2 = 0 THEN 'even' ELSE 'other' END AS level, i / 50 AS herd
    FROM generate_series(1, 600) i;

-- The folds of each class are as large as can be; the log loss and accuracy of a fold
-- are those of a model of the other rows, and classes that it does not know have probability 0, which costs as 2^-52 does.
CREATE FUNCTION check_folds(target text, family text, folds integer, options jsonb)
RETURNS TABLE (class text, sizes bigint[], log_loss boolean, n boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    fold text;
    likelihood float8;
    losses float8[];
    counts float8[];
    rows bigint;
BEGIN
    PERFORM socrec.create_behavior_model('whole', 'pet', target, '{a,b,level}', family, options);
    SELECT socrec.behavior_fold(m, folds) INTO fold FROM socrec.model m WHERE name = 'whole';
    FOR k IN 0 .. folds - 1 LOOP
        PERFORM socrec.create_behavior_model('part', format('SELECT * FROM pet s WHERE %s <> %s', fold, k), target, '{a,b,level}', family, options - 'reference_class');
        EXECUTE format(CASE family WHEN 'logistic' THEN 'SELECT avg(-ln(CASE WHEN s.%2$I THEN part.score(s) ELSE 1 - part.score(s) END)), count(*) FROM pet s WHERE %1$s = %3$s'
                ELSE 'SELECT avg(-ln(coalesce((part.score(s))[array_position(f.classes, s.%2$I)], 2 ^ -52))), count(*) FROM pet s, part.fit f WHERE %1$s = %3$s' END,
            fold, target, k) INTO likelihood, rows;
        losses := losses || likelihood;
        counts := counts || rows::float8;
        PERFORM socrec.drop_model('part');
    END LOOP;
    RETURN QUERY EXECUTE format('SELECT c.class::text, array_agg(c.n ORDER BY c.n),
            (SELECT max(abs(x - y)) < 1e-9 FROM socrec.cross_validate(model => ''whole'', folds => $1) v, unnest($2, v.fold_values) u(x, y) WHERE v.metric = ''log_loss''),
            (SELECT v.fold_values = $3 FROM socrec.cross_validate(model => ''whole'', folds => $1) v WHERE v.metric = ''n'')
        FROM (SELECT s.%I AS class, %s AS k, count(*) AS n FROM pet s GROUP BY 1, 2) c GROUP BY 1 ORDER BY 1', target, fold) USING folds, losses, counts;
    PERFORM socrec.drop_model('whole');
END
$$;
SET client_min_messages = error;
SELECT * FROM check_folds('kind', 'multinomial', 4, '{"l2": 1}');
SELECT * FROM check_folds('kind', 'multinomial', 3, '{"l1": 1, "reference_class": "bee"}');
SELECT * FROM check_folds('rare', 'logistic', 5, '{"l2": 1}');
SET client_min_messages = warning;
-- a class of one fold is named; so is what leaves nothing to fit
SELECT name FROM create_behavior_model('trial', 'pet', 'kind', '{a,b}', 'multinomial', '{"reference_class": "bee"}');
SELECT metric, value < 10 AS finite FROM cross_validate(model => 'trial', folds => 2) WHERE metric = 'log_loss';
SELECT drop_model('trial');
SELECT name FROM create_behavior_model('trial', 'pet', 'once', '{a,b}', options => '{"l2": 1}');
SELECT cross_validate(model => 'trial', folds => 3);
SELECT drop_model('trial');
-- a fold without the level to compare with compares with another
SELECT name FROM create_behavior_model('trial', 'pet', 'kind', '{a,level}', 'multinomial', '{"reference": {"level": "odd"}, "l2": 1}');
SELECT metric, value < 10 AS finite, cardinality(fold_values) AS folds FROM cross_validate(model => 'trial', folds => 3) WHERE metric = 'log_loss';
SELECT drop_model('trial');
-- whole clusters, and sets of them
SELECT name FROM create_behavior_model('trial', 'SELECT *, herd = 3 AND id % 2 = 0 AS there FROM pet', 'there', '{a,b}', options => '{"std_errors": "cluster", "cluster": "herd"}');
SELECT cross_validate(model => 'trial', folds => 3);
SELECT drop_model('trial');
SELECT name FROM create_behavior_model('trial', 'SELECT *, id / 5 AS meal, herd / 2 AS home, id % 5 = (id / 5) * 3 % 5 AS eaten FROM pet', 'eaten', '{a,b}', 'conditional',
    '{"choice_set": "meal", "std_errors": "cluster", "cluster": "home"}');
SELECT behavior_fold(m, 3) AS fold FROM model m WHERE name = 'trial' \gset
SELECT max(folds) AS of_a_home FROM (SELECT count(DISTINCT :fold) AS folds FROM trial.sample s GROUP BY home) h;
SELECT metric, value FROM cross_validate(model => 'trial', folds => 3) WHERE metric IN ('n', 'log_loss');
SELECT drop_model('trial');
DROP FUNCTION check_folds;
DROP TABLE pet;
