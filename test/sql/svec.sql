SET search_path = public, socrec;

-- Text form
SELECT '{17:4.5, 23:1}'::svec;
SELECT '{}'::svec;
SELECT '  { 23 : 1 ,17:+4.5 , -3 : -.5 , 0:5. }  '::svec;
SELECT E'{\t1\n:\r2}'::svec;
SELECT '{1:0, 2:1, 3:-0.0, 4:0e10}'::svec;
SELECT '{1:1e3, 2:1E-3, 3:0.1, 4:16777217, 5:3.4028235e38, 6:1e-45, 7:1.17549435e-38}'::svec;
SELECT '{9223372036854775807:1, -9223372036854775808:2, 2147483648:3, -2147483649:4}'::svec;
SELECT '{+5:1}'::svec, '{007:1}'::svec, '{-0:1}'::svec;

-- Every float reads back as itself, whatever extra_float_digits says
SET extra_float_digits = 0;
SELECT '{1:0.1, 2:3.4028235e38, 3:1.1754944e-38, 4:0.33333334}'::svec;
RESET extra_float_digits;
SELECT count(*) AS values, bool_and(svec_get((v::text)::svec, 1) = w) AS same
FROM (SELECT w, svec(ARRAY[1], ARRAY[w]) AS v
      FROM (SELECT (sin(i) * 10 ^ (i % 70 - 35))::real AS w FROM generate_series(1, 2000) i) q) q;

-- What is not a vector
\set VERBOSITY verbose
\set SHOW_CONTEXT never
\set show_error 'DO $do$ BEGIN PERFORM 1; END $do$'
CREATE FUNCTION try(input text) RETURNS TABLE (state text, message text, detail text)
LANGUAGE plpgsql AS $$
BEGIN
    state := 'accepted';
    message := input::svec;
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RETURN NEXT;
END
$$;
