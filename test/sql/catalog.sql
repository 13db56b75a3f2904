-- catalog: what every object of the extension must have

SET search_path = public, socrec;

-- functions without a comment
SELECT p.oid::regprocedure AS no_comment
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
    AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'socrec')
    AND obj_description(p.oid, 'pg_proc') IS NULL
ORDER BY 1;

-- tables, views and types without a comment
SELECT c.oid::regclass AS no_comment
FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND c.relkind IN ('r', 'v')
    AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'socrec')
    AND obj_description(c.oid, 'pg_class') IS NULL
ORDER BY 1;
SELECT t.oid::regtype AS no_comment
FROM pg_depend d JOIN pg_type t ON t.oid = d.objid
WHERE d.classid = 'pg_type'::regclass AND d.deptype = 'e' AND t.typtype IN ('b', 'c') AND t.typelem = 0
    AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'socrec')
    AND obj_description(t.oid, 'pg_type') IS NULL AND t.typrelid = 0
ORDER BY 1;

-- operators without a comment
SELECT o.oid::regoperator AS no_comment
FROM pg_depend d JOIN pg_operator o ON o.oid = d.objid
WHERE d.classid = 'pg_operator'::regclass AND d.deptype = 'e'
    AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'socrec')
    AND obj_description(o.oid, 'pg_operator') IS NULL
ORDER BY 1;

-- nothing runs with rights other than its caller's
SELECT p.oid::regprocedure AS security_definer
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND p.prosecdef
    AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'socrec');

-- what may not run in a parallel worker: what writes, or runs queries of its own
SELECT p.oid::regprocedure AS not_parallel_safe, p.proparallel
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND p.proparallel <> 's'
    AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'socrec')
ORDER BY p.proname COLLATE "C", 1;

-- aggregates without a combine function, and those with an internal state
SELECT a.aggfnoid AS no_combine_function, a.aggtranstype::regtype AS state
FROM pg_depend d JOIN pg_aggregate a ON a.aggfnoid = d.objid
WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
    AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'socrec')
    AND (a.aggcombinefn = 0 OR a.aggtranstype = 'internal'::regtype)
ORDER BY 1;

-- C functions over types that crash nothing when called with NULL everywhere
DO $$
DECLARE
    f record;
    call text;
BEGIN
    FOR f IN
        SELECT p.oid::regprocedure::text AS signature, p.proretset, p.oid,
            (SELECT string_agg('NULL::' || CASE a.t WHEN 'anyelement'::regtype THEN 'bigint' WHEN 'anycompatiblearray'::regtype THEN 'bigint[]'
                    ELSE format_type(a.t, NULL) END,
                ', ' ORDER BY a.n) FROM unnest(p.proargtypes) WITH ORDINALITY a(t, n)) AS arguments,
            format('%I.%I', n.nspname, p.proname) AS name
        FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND p.prokind = 'f' AND p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'c')
            AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'socrec')
            AND NOT 'internal'::regtype = ANY (p.proargtypes) AND NOT 'cstring'::regtype = ANY (p.proargtypes)
    LOOP
        BEGIN
            EXECUTE format('SELECT %s(%s)', f.name, f.arguments);
        EXCEPTION
            WHEN null_value_not_allowed OR invalid_parameter_value THEN
                NULL;
        END;
    END LOOP;
END
$$;
SELECT 'alive' AS server;

-- one version everywhere
SELECT extversion FROM pg_extension WHERE extname = 'socrec';
