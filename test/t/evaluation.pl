# evaluation: all metrics of item_knn, popular and baseline on MovieLens
# latest-small equal those of an independent implementation
# (tools/reference_evaluation.py; its output and provenance are in test/reference)
#
# The data set is where SOCREC_MOVIELENS says.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use lib dirname(__FILE__);
use Data;
use File::Spec;
use Test::More;

my $root = File::Spec->rel2abs(dirname(__FILE__) . '/../..');

my $node = movielens_node('evaluation');

sub value
{
	return $node->safe_psql('postgres', shift);
}

$node->safe_psql('postgres', q{
	CREATE TABLE expected (split text, method text, segment text, metric text, cutoff integer, value float8, n bigint);
});
load_csv($node, 'expected', "$root/test/reference/movielens_evaluation.csv");
is(value('SELECT count(*) FROM ratings'), 100836, 'the data set is the one of 2018');

# One rating of a user and an instant, so that the last one is not in doubt.
my $call = q{socrec.evaluate_ratings(
	'SELECT DISTINCT ON (user_id, rated_at) * FROM ratings ORDER BY user_id, rated_at, movie_id',
	NULL::integer, NULL::integer, true, ARRAY['item_knn', 'popular', 'baseline'],
	ARRAY[socrec.model_options('item_knn', '{}', true), socrec.model_options('popular', '{}', true),
		socrec.model_options('baseline', '{}', true)]};
for my $split ('global_time', 'leave_last_out')
{
	$node->safe_psql('postgres', qq{
		CREATE TABLE found AS
		SELECT (ARRAY['item_knn', 'popular', 'baseline'])[e.method] AS method, e.segment, e.metric, coalesce(e.cutoff, 0) AS cutoff,
			e.value, coalesce(e.n_measured, -1) AS n
		FROM $call, split => '$split', replicates => 0) e
		WHERE e.kind = 'metric' AND e.fold IS NULL AND e.metric NOT LIKE '%seconds'});
	for my $method ('item_knn', 'popular', 'baseline')
	{
		my $result = value(qq{
			SELECT count(*) > 80, count(e.value) = count(*), count(f.value) = count(*), bool_and(e.n = f.n),
				string_agg(concat_ws(' ', segment, metric, cutoff, e.value, f.value), '; ')
					FILTER (WHERE abs(e.value - f.value) > 1e-6 * greatest(1, abs(e.value)))
			FROM (SELECT * FROM expected WHERE split = '$split' AND method = '$method') e
				FULL JOIN (SELECT * FROM found WHERE method = '$method') f USING (segment, metric, cutoff)});
		is($result, 't|t|t|t|', "$split, $method: every metric");
	}
	$node->safe_psql('postgres', 'DROP TABLE found');
}

# Whole cross-validation: neighbors are better than the baselines, in lists beyond chance.
is( value(qq{
		WITH e AS MATERIALIZED (SELECT * FROM $call, split => 'random', seed => 1) e WHERE fold IS NULL AND segment = 'all')
		SELECT a.metric, bool_and(CASE WHEN a.metric = 'rmse' THEN a.value < b.value ELSE a.low > b.high END)
		FROM e a JOIN e b ON b.method > 1 AND (a.metric, a.cutoff) IS NOT DISTINCT FROM (b.metric, b.cutoff)
		WHERE a.method = 1 AND (a.metric = 'rmse' OR (a.metric = 'ndcg' AND a.cutoff = 10))
		GROUP BY 1 ORDER BY 1}),
	"ndcg|t\nrmse|t", 'item_knn is better than the baselines');

$node->stop;
done_testing();
