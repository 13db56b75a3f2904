-- behavior_use: what a user of behavior models can do wrong, call things, and put
-- in the way
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
SET extra_float_digits = -6;

CREATE TABLE customer AS
    SELECT i AS id, i % 41 AS age, CASE i % 3 WHEN 0 THEN 'low' WHEN 1 THEN 'high' ELSE 'middle' END AS plan, i % 5 AS code, date '2024-01-01' + i AS joined,
        NULL::float8 AS empty, 1 + i % 4 AS weight, (hashint4(i) & 1023) < 300 + 10 * (i % 41) AS churned
    FROM generate_series(1, 2000) i;

-- Mistakes: what is wrong, with the value, and what to do.
CREATE FUNCTION trial(options jsonb, features text[] DEFAULT '{age}', target text DEFAULT 'churned', family text DEFAULT 'logistic', source text DEFAULT 'customer')
RETURNS TABLE (message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM socrec.create_behavior_model('trial', source, target, features, family, options);
    RAISE undefined_object USING MESSAGE = 'there was no error';
EXCEPTION
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
        RETURN NEXT;
END
$$;
\x
\pset tuples_only
SELECT * FROM trial('{}', target => 'churn');
SELECT * FROM trial('{}', '{aeg}');
SELECT * FROM trial('{}', '{Age}');
SELECT * FROM trial('{}', '{""}');
SELECT * FROM trial('{}', '{age,NULL}');
SELECT * FROM trial('{}', '{age,age}');
SELECT * FROM trial('{}', '{age,churned}');
SELECT * FROM trial('{}', '{}');
SELECT * FROM trial('{}', '{joined}');
SELECT * FROM trial('{}', '{m}', source => 'SELECT age::numeric::money AS m, churned FROM customer');
SELECT * FROM trial('{}', '{age,empty}');
SELECT * FROM trial('{}', '{age}', 'empty');
SELECT * FROM trial('{}', '{age}', 'plan');
SELECT * FROM trial('{}', '{age}', 'joined');
SELECT * FROM trial('{}', '{age}', 'code');
SELECT * FROM trial('{}', '{age}', 'id', 'multinomial');
SELECT * FROM trial('{}', '{age}', 'churned', 'Logistic');
SELECT * FROM trial('{}', '{age}', 'churned', NULL);
SELECT * FROM trial(NULL);
SELECT * FROM trial('[]');
SELECT * FROM trial('{}', source => 'customers');
CREATE TEMPORARY TABLE passing AS TABLE customer;
SELECT * FROM trial('{}', source => 'passing');
SELECT * FROM trial('{}', NULL, source => 'SELECT age, churned FROM passing');
SELECT * FROM trial('{}', source => 'SELECT * FROM customer WHERE age > $1');
SELECT * FROM trial('{}', source => 'SELECT * FROM customer WHERE agge > 3');
SELECT * FROM trial('{}', source => 'SELECT * FROM customer; SELECT 1');
SELECT * FROM trial('{}', source => 'DELETE FROM customer RETURNING *');
SELECT * FROM trial('{}', source => 'SELECT age, age, churned FROM customer');
SELECT * FROM trial('{}', source => 'SELECT * FROM customer WHERE false');
SELECT * FROM trial('{}', source => 'SELECT age, true AS churned FROM customer');
SELECT * FROM trial('{"positive": "lwo"}', target => 'plan');
SELECT * FROM trial('{"positive": "7"}', target => 'id', source => 'SELECT age, 7 AS id FROM customer');
SELECT * FROM trial('{"positive": true}');
SELECT * FROM trial('{"positive": "low"}', target => 'plan', family => 'multinomial');
SELECT message, hint ~ 'balanced, .*, positive, .*, weight' AS lists FROM trial('{"postive": "true"}');
SELECT * FROM trial('{"l2": -1}');
SELECT * FROM trial('{"l2": "1"}');
SELECT * FROM trial('{"l2": null}');
SELECT * FROM trial('{"path": 5}');
SELECT * FROM trial('{"path": 1, "l1": 1}');
SELECT * FROM trial('{"holdout": 1}');
SELECT * FROM trial('{"holdout": "a tenth"}');
SELECT * FROM trial('{"max_iterations": 0}');
SELECT * FROM trial('{"max_iterations": 2.5}');
SELECT * FROM trial('{"tolerance": 0}');
SELECT * FROM trial('{"intercept": "no"}');
SELECT * FROM trial('{"weight": "wieght"}');
SELECT * FROM trial('{"weight": "plan"}');
SELECT * FROM trial('{"weight": "w"}', source => 'SELECT *, 1 - id % 3 AS w FROM customer');
SELECT * FROM trial('{"weight": "w"}', source => 'SELECT *, 0 AS w FROM customer');
SELECT * FROM trial('{"offset": "joined"}');
SELECT * FROM trial('{"class_weight": {"yes": 3}}');
SELECT * FROM trial('{"class_weight": {"true": -3}}');
SELECT * FROM trial('{"class_weight": {"true": 3}, "balanced": true}');
SELECT * FROM trial('{"reference": {"plan": "low"}}');
SELECT * FROM trial('{"reference": {"plan": "lo"}}', '{age,plan}');
SELECT * FROM trial('{"reference": {"age": "3"}}');
SELECT * FROM trial('{"categorical": ["pln"]}', '{age,plan}');
SELECT * FROM trial('{"categorical": "plan"}', '{age,plan}');
SELECT * FROM trial('{"std_errors": "hc3"}');
SELECT * FROM trial('{"std_errors": "cluster"}');
SELECT * FROM trial('{"cluster": "plan"}');
SELECT * FROM trial('{"std_errors": "cluster", "cluster": "household"}');
SELECT * FROM trial('{"shard": "server"}');
SELECT * FROM trial('{"reference_class": "true"}');
SELECT * FROM trial('{"reference_class": "lwo"}', target => 'plan', family => 'multinomial');
SELECT * FROM trial('{"choice_set": "code"}');
SELECT * FROM trial('{}', family => 'conditional');
SELECT * FROM trial('{"choice_set": "trip"}', family => 'conditional');
SELECT * FROM trial('{"choice_set": "code"}', family => 'conditional');
SELECT * FROM trial('{"choice_set": "code", "balanced": true}', family => 'conditional');
SELECT * FROM trial('{"choice_set": "actual"}', family => 'conditional', source => 'SELECT *, id AS actual FROM customer');
SELECT * FROM trial('{"choice_set": "predicted"}', family => 'conditional', source => 'SELECT *, id AS predicted FROM customer');
SELECT * FROM trial('{"choice_set": "weight", "weight": "age"}', family => 'conditional', source => 'SELECT *, id AS weight FROM customer');
\pset tuples_only
\x

-- A key as a category, of too many levels to look for those that decide.
SELECT name FROM socrec.create_behavior_model('churn', 'SELECT id::text AS key, churned FROM customer', 'churned');
SELECT socrec.drop_model('churn');

-- A column may have a role and be a feature as well.
SELECT name FROM socrec.create_behavior_model('churn', 'customer', 'churned', '{age,weight,plan}', options => '{"weight": "weight", "std_errors": "cluster", "cluster": "plan"}');
SELECT term, level FROM churn.coefficient ORDER BY id;
SELECT socrec.drop_model('churn');

-- An offset that is the same everywhere moves the intercept alone, however far.
SELECT name FROM socrec.create_behavior_model('near', 'customer', 'churned', '{age,plan}', options => '{"l1": 1, "path": 3}');
CREATE FUNCTION moved(o integer, OUT estimates boolean, OUT path boolean, OUT scores boolean) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM socrec.create_behavior_model('far', format('SELECT *, %s AS o FROM customer', o), 'churned', '{age,plan}', options => '{"offset": "o", "l1": 1, "path": 3}');
    estimates := max(abs(a.estimate - b.estimate - CASE WHEN a.id = 1 THEN o ELSE 0 END)) < 1e-8 FROM near.coefficient a JOIN far.coefficient b USING (id);
    path := max(abs(a.estimate - b.estimate - CASE WHEN a.term = '(intercept)' THEN o ELSE 0 END)) < 1e-8
        FROM near.path a JOIN far.path b ON (a.step, a.term, a.level) IS NOT DISTINCT FROM (b.step, b.term, b.level);
    scores := max(abs(near.score(s) - far.score(s))) < 1e-12 FROM far.sample s;
    PERFORM socrec.drop_model('far');
END
$$;
SELECT o AS "offset", m.* FROM unnest('{-7,2,30,1000}'::integer[]) o, moved(o) m;
SELECT socrec.drop_model('near');

-- An enum is a category in its own order; a row to score may have its text.
CREATE TYPE size AS ENUM ('small', 'middle', 'large');
SELECT name FROM socrec.create_behavior_model('churn', 'SELECT churned, age, (ARRAY[''middle'', ''large'', ''small''])[1 + id % 3]::size AS size FROM customer', 'churned');
SELECT term, level FROM churn.coefficient ORDER BY id;
SELECT churn.score(a) = churn.score(b) AS same FROM (SELECT 3 AS age, 'large'::size AS size) a, (SELECT 3 AS age, 'large' AS size) b;
SELECT socrec.drop_model('churn');
DROP TYPE size;

-- Condition number: two features with correlation 1/2, nothing else: the root of
-- (1 + 1/2) / (1 - 1/2) = 3.
SELECT name FROM socrec.create_behavior_model('churn',
    'SELECT a, b, y FROM (VALUES (0, 0, 3), (1, 1, 3), (0, 1, 1), (1, 0, 1)) v(a, b, n), generate_series(1, n), (VALUES (true), (false)) w(y)', 'y');
SELECT round(condition_number::numeric, 2) AS condition_number FROM churn.fit;
SELECT socrec.drop_model('churn');

-- Names in use.
SELECT name FROM socrec.create_behavior_model('churn', 'customer', 'churned', '{age,plan}');
SELECT socrec.create_behavior_model('churn', 'customer', 'churned', '{age}');
SELECT socrec.create_model('churn', 'customer', 'plan', 'code', NULL);
SELECT socrec.create_behavior_model('public', 'customer', 'churned', '{age}');
SELECT socrec.create_behavior_model('pg_churn', 'customer', 'churned', '{age}');
SELECT socrec.create_behavior_model(repeat('x', 64), 'customer', 'churned', '{age}');

-- What can be wrong with a row.
\set VERBOSITY default
SELECT churn.score(1);
SELECT churn.explain(1);
SELECT churn.score(ROW(1, 2));
SELECT churn.score(r) FROM (SELECT 1 AS age, 'low' AS "Plan") r;
SELECT churn.score(r) FROM (SELECT NULL AS age, 'low' AS plan) r;
SELECT churn.score(r) FROM (SELECT 'infinity'::float8 AS age, 'low' AS plan) r;
\set VERBOSITY terse

-- A column that is called otherwise is the same to a refit, not to a row.
ALTER TABLE customer RENAME COLUMN age TO years;
CALL socrec.refit('churn');
SELECT churn.score(c) FROM customer c LIMIT 1;
SELECT churn.score(s) IS NOT NULL AS scored FROM churn.sample s LIMIT 1;
ALTER TABLE customer RENAME COLUMN years TO age;
-- A view that is no more takes what was built on it along; scores remain.
DROP VIEW churn.sample CASCADE;
SELECT churn.score(c) IS NOT NULL AS scored FROM customer c LIMIT 1;
\set VERBOSITY default
CALL socrec.refit('churn');
\set VERBOSITY terse
SELECT name, current_rating_count FROM socrec.models;
SELECT socrec.drop_model('churn');

-- Names and values that could be read as something else.
CREATE TABLE students (name text);
CREATE TABLE "Mixed.Case%s" AS
    SELECT c.age AS "s", c.age % 7 AS "S", c.code AS "features", c.id % 6 AS "q", c.id % 7 AS "c1", c.id % 8 AS "row", c.id % 9 AS "probability", c.id % 10 AS "classes",
        c.id % 11 AS "Robert'); DROP TABLE students", c.id % 12 AS "a.b%I $1", c.id % 13 AS "seven_times_nine_bytes_is_the_longest_name_that_postgresql_has_ok",
        CASE c.id % 5 WHEN 0 THEN 'Robert''); DROP TABLE students; --' WHEN 1 THEN 'NULL' WHEN 2 THEN '{a,"b",NULL}' WHEN 3 THEN E' tab\t\\ %1$s' ELSE '' END AS "level",
        c.id % 3 = 0 AS "actual", c.plan AS "class", c.churned AS "target"
    FROM customer c;
SELECT name FROM socrec.create_behavior_model('Robert''); DROP TABLE students; --', '"Mixed.Case%s"', 'target', options => '{"holdout": 0.3, "missing": "impute"}');
SELECT term, level, problem FROM "Robert'); DROP TABLE students; --".coefficient ORDER BY id;
SELECT held_out, n FROM "Robert'); DROP TABLE students; --".evaluation ORDER BY 1;
SELECT count(*) FROM "Robert'); DROP TABLE students; --".calibration;
SELECT bool_and(abs(socrec.logistic(e.sum) - "Robert'); DROP TABLE students; --".score(m)) < 1e-12) AS explained
FROM "Mixed.Case%s" m, LATERAL (SELECT sum(contribution) FROM "Robert'); DROP TABLE students; --".explain(m)) e;
CALL socrec.refit('Robert''); DROP TABLE students; --');
SELECT count(*) FROM socrec.cross_validate(model => 'Robert''); DROP TABLE students; --', folds => 2);
SELECT socrec.drop_model('Robert''); DROP TABLE students; --');
CREATE FUNCTION rows_of(name text, VARIADIC views text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    CALL socrec.refit(name);
    EXECUTE (SELECT 'SELECT ' || string_agg(format('(SELECT count(*) FROM %I.%I)', name, v), ' + ') FROM unnest(views) v) INTO n;
    PERFORM socrec.cross_validate(model => name, folds => 2);
    PERFORM socrec.drop_model(name);
    RETURN n;
END
$$;
-- each as a class, a weight, an offset (far from 0), a cluster and a choice set
SELECT c AS "column", (socrec.create_behavior_model('M.m%s', '"Mixed.Case%s"', c, '{s,S,q}', 'multinomial', '{"l2": 1}')).method, rows_of('M.m%s', 'evaluation', 'confusion') > 0 AS works
FROM unnest('{level,actual,class,row}'::text[]) c;
SELECT c AS "column", (socrec.create_behavior_model('M.m%s', '"Mixed.Case%s"', 'target', '{s,S,level}',
    options => jsonb_build_object('weight', c, 'offset', c, 'cluster', c, 'std_errors', 'cluster'))).method, rows_of('M.m%s', 'evaluation', 'roc', 'lift', 'calibration') > 0 AS works
FROM unnest('{s,q,c1,row,"Robert''); DROP TABLE students"}'::text[]) c;
SELECT c AS "column", (socrec.create_behavior_model('M.m%s',
    format('SELECT id %% 500 AS %I, age, row_number() OVER (PARTITION BY id %% 500 ORDER BY hashint4(id)) = 1 AS y FROM customer', c), 'y', '{age}', 'conditional',
    jsonb_build_object('choice_set', c))).method, rows_of('M.m%s', 'evaluation') > 0 AS works
FROM unnest('{s,q,p,y2,offset,weight,"Robert''); DROP TABLE students"}'::text[]) c;
SELECT count(*) FROM students;

-- Functions and operators of others that lie in the way are not called.
CREATE SCHEMA trap;
CREATE FUNCTION trap.spring() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
DO $$
DECLARE
    type text;
    operator text;
BEGIN
    FOREACH type IN ARRAY '{float8,integer,bigint,numeric,text,boolean}'::text[] LOOP
        FOREACH operator IN ARRAY '{*,+,-,/,%,&,<>,=,<,>,<=,>=,||}'::text[] LOOP
            EXECUTE format('CREATE FUNCTION trap.%I(%2$s, %2$s) RETURNS %3$s LANGUAGE sql AS ''SELECT trap.spring(); SELECT NULL::%3$s''',
                'op' || ascii(operator) || length(operator) || ascii(right(operator, 1)), type, CASE WHEN operator ~ '[<>=]' THEN 'boolean' ELSE type END);
            EXECUTE format('CREATE OPERATOR trap.%s (LEFTARG = %2$s, RIGHTARG = %2$s, FUNCTION = trap.%3$I)',
                operator, type, 'op' || ascii(operator) || length(operator) || ascii(right(operator, 1)));
        END LOOP;
    END LOOP;
    FOREACH operator IN ARRAY '{unnest,logistic,row_score,row_scores,row_features,softmax,exp,ln,abs,floor,format,sum,avg,count,max}'::text[] LOOP
        EXECUTE format('CREATE FUNCTION trap.%I(VARIADIC "any") RETURNS float8 LANGUAGE internal AS ''pg_last_wal_replay_lsn''', operator);
    END LOOP;
    CREATE TYPE trap.float8 AS (x integer);
    CREATE TYPE trap.text AS (x integer);
END
$$;
SELECT name FROM socrec.create_behavior_model('churn', 'customer', 'churned', '{age,plan}', options => '{"holdout": 0.2, "weight": "weight"}');
SELECT name FROM socrec.create_behavior_model('plan', 'customer', 'plan', '{age,churned}', 'multinomial');
SELECT name FROM socrec.create_behavior_model('choice', 'SELECT id % 500 AS g, age, id <= 500 AS y FROM customer', 'y', '{age}', 'conditional', '{"choice_set": "g"}');
CREATE TABLE free AS
    SELECT c.id, churn.score(c) AS a, plan.score(c) AS b, plan.predict_class(c) AS c, choice.score(c) AS d, e.*, f.*, g.*
    FROM customer c, churn.explain(c) e(t1, l1, s1, v1, e1, c1), plan.explain(c) f(k2, t2, l2, s2, v2, e2, c2), choice.explain(c) g(t3, l3, s3, v3, e3, c3) WHERE id <= 10;
SET search_path = trap, pg_catalog, public;
CREATE TABLE public.trapped AS
    SELECT c.id, churn.score(c) AS a, plan.score(c) AS b, plan.predict_class(c) AS c, choice.score(c) AS d, e.*, f.*, g.*
    FROM customer c, churn.explain(c) e(t1, l1, s1, v1, e1, c1), plan.explain(c) f(k2, t2, l2, s2, v2, e2, c2), choice.explain(c) g(t3, l3, s3, v3, e3, c3)
    WHERE id OPERATOR(pg_catalog.<=) 10;
CALL socrec.refit('churn');
CALL socrec.refit('plan');
CALL socrec.refit('choice');
CREATE TABLE public.metric AS SELECT metric, value FROM socrec.cross_validate(model => 'churn', folds => 2);
SELECT name FROM socrec.create_behavior_model('churn2', 'customer', 'churned', '{age,plan}', options => '{"holdout": 0.2, "weight": "weight", "std_errors": "cluster", "cluster": "code", "missing": "impute"}');
RESET search_path;
SELECT count(*) FROM (TABLE free EXCEPT TABLE trapped) d;
SELECT n FROM churn.evaluation ORDER BY 1;
SELECT socrec.drop_model(name) FROM socrec.models;
DROP SCHEMA trap CASCADE;
DROP TABLE customer, students, "Mixed.Case%s", free, trapped, metric;
DROP FUNCTION trial, rows_of, moved;
