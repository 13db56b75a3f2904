# pgvector: where that extension can be had, a list of a model with factors comes from
# its approximate index, as docs/factor.md shows, and is nearly the exact one.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('pgvector');
$node->init;
$node->append_conf('postgresql.conf', "jit = off\nmaintenance_work_mem = 256MB");
$node->start;

if ($node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'}) == 0)
{
	$node->stop;
	plan skip_all => 'the extension vector (pgvector) is not installed here';
}

# 3,000 users, 2,000 items of ten kinds: users take most of theirs from two.
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION socrec;
	CREATE EXTENSION vector;
	CREATE TABLE events (user_id integer, item_id integer, PRIMARY KEY (user_id, item_id));
	INSERT INTO events
	SELECT DISTINCT u, CASE WHEN hashint8(u * 1000 + d) & 7 = 0 THEN 1 + (hashint8(u * 1000 + d + 7) & 1023) * 2000 / 1024
		ELSE 1 + CASE WHEN d % 2 = 0 THEN u % 10 ELSE (u / 10) % 10 END + 10 * ((hashint8(u * 977 + d) & 1023) * 200 / 1024) END
	FROM generate_series(1, 3000) u, generate_series(1, 40) d;
	SELECT socrec.create_model('liked', 'events', rating_column => NULL, method => 'ials',
		options => '{"factors": 16, "holdout": 0, "unobserved_weight": 0.1}');
	CREATE INDEX item_factors ON liked.item USING hnsw ((factors::vector(16)) vector_ip_ops);
	CREATE FUNCTION recommend_near(target_user integer, n integer DEFAULT 10) RETURNS TABLE (item_id integer, score float8)
	LANGUAGE plpgsql STABLE AS $$
	DECLARE
		folded real[] := (SELECT socrec.fold_in(f.prior, i.factors, r.rating)
			FROM liked.fit f, liked.rating r JOIN liked.item i USING (item_id) WHERE r.user_id = target_user);
	BEGIN
		RETURN QUERY SELECT i.item_id, -(i.factors::vector(16) <#> folded::vector(16))
			FROM liked.item i
			WHERE NOT EXISTS (SELECT FROM liked.rating r WHERE r.user_id = target_user AND r.item_id = i.item_id)
			ORDER BY i.factors::vector(16) <#> folded::vector(16)
			LIMIT n;
	END
	$$;
});

my $plan = $node->safe_psql('postgres', q{
	SET enable_seqscan = off;
	EXPLAIN (COSTS off) SELECT item_id FROM liked.item ORDER BY factors::vector(16) <#> (SELECT factors FROM liked.item WHERE id = 1)::vector(16) LIMIT 10});
like($plan, qr/Index Scan using item_factors/, 'the index is used');

my ($recall, $difference) = split /\|/, $node->safe_psql('postgres', q{
	SET enable_seqscan = off;
	SET hnsw.ef_search = 200;
	SELECT avg((n.item_id IS NOT NULL)::integer), max(abs(r.score - n.score))
	FROM generate_series(1, 3000, 50) u CROSS JOIN LATERAL liked.recommend(u) r
		LEFT JOIN LATERAL recommend_near(u) n ON n.item_id = r.item_id});
cmp_ok($recall, '>=', 0.95, "recall of the ten best: $recall");
cmp_ok($difference, '<', 1e-4, 'the same scores');

# A refit deletes and inserts; the index follows.
$node->safe_psql('postgres', q{CALL socrec.refit('liked')});
$recall = $node->safe_psql('postgres', q{
	SET enable_seqscan = off;
	SET hnsw.ef_search = 200;
	SELECT avg((n.item_id IS NOT NULL)::integer)
	FROM generate_series(1, 3000, 50) u CROSS JOIN LATERAL liked.recommend(u) r
		LEFT JOIN LATERAL recommend_near(u) n ON n.item_id = r.item_id});
cmp_ok($recall, '>=', 0.95, "recall after a refit: $recall");

$node->stop;
done_testing();
