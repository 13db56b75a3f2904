# Neighbors in some thousand small random tables are those that plain SQL finds: with
# ties, constant users, single ratings, negative ratings, ratings that are no halves,
# NULLs and huge ids, by every similarity and with random options; and of a table with
# a pair that comes twice nobody has neighbors.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $trials = 2000;

my $node = PostgreSQL::Test::Cluster->new('neighbors_random');
$node->init;
$node->append_conf('postgresql.conf', 'jit = off');
$node->start;
$node->safe_psql('postgres', q{
CREATE EXTENSION socrec;

-- Rows of (user, item, rating) as a query.
CREATE FUNCTION random_table(twice boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	users integer := 1 + floor(random() * 14);
	items integer := 1 + floor(random() * 10);
	density float8 := 0.1 + random() * 0.9;
	offset_id bigint := (ARRAY[0, 9223372036854775000, -9223372036854775808])[1 + floor(random() * 3)];
	kind integer := floor(random() * 5);
	cells text[];
BEGIN
	SELECT array_agg(format('(%s::bigint, %s::bigint, %s::real)', '''' || offset_id + u || '''', '''' || offset_id + i || '''', CASE kind
			WHEN 0 THEN (1 + floor(random() * 10)) / 2 -- halves
			WHEN 1 THEN floor(random() * 9) - 4 -- negative ones and zeros
			WHEN 2 THEN (floor(random() * 7) - 2) / 3 -- thirds
			WHEN 3 THEN 1 + u % 3 -- constant users
			ELSE random() * 5 END))
		INTO cells
		FROM generate_series(1, users) u, generate_series(1, items) i WHERE random() < density;
	cells := coalesce(cells, '{"(1::bigint, 1::bigint, 3::real)"}');
	IF twice THEN
		cells := cells || cells[1 + floor(random() * cardinality(cells))::integer];
	END IF;
	RETURN 'VALUES ' || array_to_string(cells || CASE WHEN random() < 0.2 THEN '{"(1, NULL, 2)","(NULL, 1, 2)","(1, 1, NULL)"}'::text[] ELSE '{}' END, ', ');
END
$$;

-- Items, or users, that have other neighbors than plain SQL says, and the options.
CREATE FUNCTION trial(seed integer, OUT wrong bigint, OUT pairs bigint, OUT options text) LANGUAGE plpgsql AS $$
DECLARE
	query text;
	by_user boolean;
	similarity text;
	center text := 'none';
	k integer;
	support integer;
	shrinkage integer;
	least float8;
BEGIN
	PERFORM setseed(seed / 1e6);
	query := random_table(false);
	by_user := random() < 0.3;
	similarity := (ARRAY['cosine', 'corated_cosine', 'adjusted_cosine', 'pearson', 'jaccard', 'euclidean', 'llr', 'conditional'])[1 + floor(random() * 8)];
	k := 1 + floor(random() * 6);
	support := 1 + floor(random() * 2);
	shrinkage := floor(random() * 2) * floor(random() * 30);
	least := (ARRAY[0, 0, 0.123457, -0.98765])[1 + floor(random() * 4)];
	IF similarity = 'cosine' THEN
		center := (ARRAY['none', 'user', 'item'])[1 + floor(random() * 3)];
	END IF;
	options := format('%s %s k %s support %s shrinkage %s least %s center %s: %s',
		CASE WHEN by_user THEN 'user' ELSE 'item' END, similarity, k, support, shrinkage, least, center, query);
	EXECUTE format('
		WITH s AS (
			SELECT %1$s AS u, %2$s AS i, r::float8 AS r FROM (%3$s) v(a, b, r) WHERE a IS NOT NULL AND b IS NOT NULL AND r IS NOT NULL),
		c AS (
			SELECT u, i, (r - CASE %4$L WHEN %5$L THEN avg(r) OVER (PARTITION BY u) WHEN %6$L THEN avg(r) OVER (PARTITION BY i) ELSE 0 END)::real::float8 AS x,
				(SELECT count(DISTINCT u)::float8 FROM s) AS n_users
			FROM s),
		m AS (SELECT i, count(*)::float8 AS n, sqrt(sum(x * x)) AS norm FROM c GROUP BY i),
		p AS (
			SELECT x.i AS a, y.i AS b, count(*)::float8 AS n, sum(x.x * y.x) AS xy, sum(x.x * x.x) AS xx, sum(y.x * y.x) AS yy,
				corr(x.x, y.x) AS r, sum((x.x - y.x) ^ 2) AS distance, min(x.n_users) AS n_users, max(ma.n) AS na, max(mb.n) AS nb,
				max(ma.norm) * max(mb.norm) AS norms, min(x.x) < max(x.x) - 1e-9 AND min(y.x) < max(y.x) - 1e-9 AS vary
			FROM c x JOIN c y ON x.u = y.u AND x.i <> y.i JOIN m ma ON ma.i = x.i JOIN m mb ON mb.i = y.i GROUP BY x.i, y.i),
		q AS (
			SELECT a, b, n / (n + %7$s) * CASE %8$L
				WHEN ''cosine'' THEN xy / nullif(norms, 0)
				WHEN ''corated_cosine'' THEN xy / nullif(sqrt(xx * yy), 0)
				WHEN ''adjusted_cosine'' THEN xy / nullif(sqrt(xx * yy), 0)
				WHEN ''pearson'' THEN CASE WHEN vary THEN r END
				WHEN ''jaccard'' THEN n / (na + nb - n)
				WHEN ''euclidean'' THEN 1 / (1 + sqrt(distance))
				WHEN ''conditional'' THEN n / (na * sqrt(nb))
				WHEN ''llr'' THEN CASE WHEN n * n_users > na * nb THEN (
					SELECT 2 * sum(t.o * ln(t.o * n_users / t.e)) FROM (VALUES (n, na * nb), (na - n, na * (n_users - nb)),
						(nb - n, (n_users - na) * nb), (n_users - na - nb + n, (n_users - na) * (n_users - nb))) t(o, e) WHERE t.o > 0) ELSE 0 END
				END AS value
			FROM p WHERE n >= %9$s),
		best AS (
			SELECT a, value, row_number() OVER (PARTITION BY a ORDER BY value DESC) AS rank
			FROM q WHERE value > %10$s AND abs(value) > 1e-7),
		expected AS (SELECT a, array_agg(value ORDER BY value DESC) AS list FROM best WHERE rank <= %11$s GROUP BY a),
		f AS MATERIALIZED (
			SELECT id, %12$s_id AS i, neighbors FROM socrec.%12$s_neighbors(%13$L, k => %11$s, similarity => %8$L, min_support => %9$s,
				shrinkage => %7$s, min_similarity => %10$s, center => CASE %8$L WHEN ''adjusted_cosine'' THEN ''none'' ELSE %4$L END)),
		found AS (
			SELECT f.i AS a, array_agg(w.weight::float8 ORDER BY w.weight DESC) AS list,
				bool_and(coalesce(abs(w.weight - q.value) < 1e-5 * greatest(1, q.value), false)) AS right_ones
			FROM f CROSS JOIN LATERAL socrec.svec_unnest(f.neighbors) AS w(id, weight) JOIN f o ON o.id = w.id
				LEFT JOIN q ON q.a = f.i AND q.b = o.i
			GROUP BY f.i)
		SELECT count(*) FILTER (WHERE (e.a IS NOT NULL AND g.a IS NOT NULL AND g.right_ones AND cardinality(e.list) = cardinality(g.list)
				AND (SELECT bool_and(abs(x - y) < 1e-5 * greatest(1, x)) FROM unnest(e.list, g.list) t(x, y))) IS NOT TRUE),
			coalesce(sum(cardinality(e.list)), 0)
		FROM expected e FULL JOIN found g USING (a)',
		CASE WHEN by_user THEN 'b' ELSE 'a' END, CASE WHEN by_user THEN 'a' ELSE 'b' END, query,
		CASE similarity WHEN 'adjusted_cosine' THEN CASE WHEN by_user THEN 'item' ELSE 'user' END ELSE center END,
		CASE WHEN by_user THEN 'item' ELSE 'user' END, CASE WHEN by_user THEN 'user' ELSE 'item' END,
		shrinkage, similarity, support, least, k, CASE WHEN by_user THEN 'user' ELSE 'item' END, query)
	INTO wrong, pairs;
END
$$;

-- Whether a pair that comes twice is refused.
CREATE FUNCTION refuses(seed integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setseed(seed / 1e6);
	PERFORM count(*) FROM socrec.item_neighbors(random_table(true));
	RETURN false;
EXCEPTION WHEN unique_violation THEN
	RETURN true;
END
$$});

my ($wrong, $pairs, $first) = split /\|/, $node->safe_psql('postgres', qq{
	SELECT count(*) FILTER (WHERE t.wrong > 0), sum(t.pairs), coalesce(min(format('seed %s: %s', s, t.options)) FILTER (WHERE t.wrong > 0), '')
	FROM generate_series(1, $trials) s CROSS JOIN LATERAL trial(s) t});
is($wrong, 0, "$trials random tables");
diag($first) if $wrong;
cmp_ok($pairs, '>', 5 * $trials, '... with many neighbors');
is($node->safe_psql('postgres', 'SELECT count(*) FROM generate_series(1, 200) s WHERE NOT refuses(s)'), 0, 'pairs that come twice are refused');

$node->stop;
done_testing();
