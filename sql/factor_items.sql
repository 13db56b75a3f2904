-- factor_items: models with factors follow new items between two fits

-- New items, which have ratings but were not fitted: each is folded in from the users
-- who rated it, who are folded in from the items that they rated.  Returns how many.
CREATE FUNCTION fold_in_items(m model) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last integer;
    added integer;
BEGIN
    EXECUTE format('SELECT coalesce(max(id), 0) FROM %I.item', m.name) INTO last;
    EXECUTE socrec.fill_template(m, '
        WITH f AS (SELECT * FROM %1$I.fit LIMIT 1),
        fresh AS MATERIALIZED (
            SELECT r.%2$I, r.%3$I, r.rating FROM %1$I.rating r
            WHERE NOT r.held_out AND NOT EXISTS (SELECT FROM %1$I.item i WHERE i.%3$I %11$s r.%3$I)),
        folded AS MATERIALIZED (
            SELECT u.%2$I, t.factors, coalesce(t.bias, 0) AS bias
            FROM f CROSS JOIN (SELECT DISTINCT n.%2$I FROM fresh n) u CROSS JOIN LATERAL (
                SELECT socrec.factor_exchange(f.prior, socrec.fold_in(f.prior, i.factors, r.rating)) AS factors,
                    sum(r.rating - f.rating_mean - i.bias) / nullif(count(*) + %8$s, 0) AS bias
                FROM %1$I.rating r JOIN %1$I.item i ON i.%3$I %11$s r.%3$I
                WHERE r.%2$I %10$s u.%2$I AND NOT r.held_out) t),
        item AS (
            SELECT n.%3$I, count(*) AS n, avg(n.rating) AS mean, coalesce(sum(n.rating - f.rating_mean - u.bias) / nullif(count(*) + ' || (m.options ->> 'item_regularization') || ', 0), 0) AS bias,
                socrec.fold_in(f.item_prior, u.factors, n.rating) AS factors
            FROM f CROSS JOIN fresh n JOIN folded u ON u.%2$I %10$s n.%2$I
            GROUP BY n.%3$I),
        stored AS (
            INSERT INTO %1$I.item
            SELECT $1 + row_number() OVER (ORDER BY i.n DESC, i.%3$I), i.%3$I, i.n, i.mean, i.bias,
                socrec.factor_score(x.factors, socrec.factor_direction(f.prior, x.factors)), x.factors
            FROM f CROSS JOIN item i CROSS JOIN LATERAL (SELECT socrec.factor_exchange(f.item_prior, i.factors) AS factors OFFSET 0) x
            WHERE i.factors IS NOT NULL
            RETURNING rating_count)
        UPDATE %1$I.fit f SET (item_count, rating_count) = (
            SELECT f.item_count + count(*), f.rating_count + coalesce(sum(s.rating_count), 0) FROM stored s)') USING last;
    EXECUTE format('SELECT max(id) - $1 FROM %I.item', m.name) INTO added USING last;
    IF added > 0 THEN
        EXECUTE socrec.fill_template(m, socrec.factor_template('blocks', last));
    END IF;
    RETURN coalesce(added, 0);
END
$$;

COMMENT ON FUNCTION fold_in_items IS 'adds the items that have got their first ratings since the fit to a model with factors, and returns how many';
