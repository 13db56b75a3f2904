# movielens: neighbors, predictions and recommendations on MovieLens latest-small
# equal those of an independent implementation (tools/reference_knn.py; its output
# and provenance are in test/reference)
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

my $node = movielens_node('movielens');

sub value
{
	return $node->safe_psql('postgres', shift);
}

$node->safe_psql('postgres', q{
	CREATE TABLE expected_neighbors (similarity text, shrinkage float8, min_support integer, movie_id integer, rank integer,
		neighbor_id integer, value float8);
	CREATE TABLE expected_predictions (method text, center text, k integer, shrinkage float8, user_id integer,
		movie_id integer, prediction float8, support integer);
	CREATE TABLE expected_recommendations (feedback text, user_id integer, rank integer, movie_id integer, score float8);
});
load_csv($node, "expected_$_", "$root/test/reference/movielens_$_.csv") for qw(neighbors predictions recommendations);
is(value('SELECT count(*) FROM ratings'), 100836, 'the data set is the one of 2018');

# Similarities are stored as real: seven digits, hence the tolerances.
for my $kind (split /\n/, value('SELECT DISTINCT similarity, shrinkage, min_support FROM expected_neighbors ORDER BY 1, 2, 3'))
{
	my ($similarity, $shrinkage, $support) = split /\|/, $kind;
	my $result = value(qq{
		WITH fitted AS MATERIALIZED (
			SELECT * FROM socrec.item_neighbors('SELECT user_id, movie_id, rating FROM ratings', k => 10,
				similarity => '$similarity', shrinkage => $shrinkage, min_support => $support)),
		found AS (
			SELECT f.item_id, o.item_id AS neighbor_id, w.weight,
				row_number() OVER (PARTITION BY f.id ORDER BY w.weight DESC, w.id) AS rank
			FROM fitted f CROSS JOIN LATERAL socrec.svec_unnest(f.neighbors) AS w(id, weight) JOIN fitted o ON o.id = w.id
			WHERE f.item_id IN (SELECT movie_id FROM expected_neighbors)),
		expected AS (
			SELECT * FROM expected_neighbors
			WHERE similarity = '$similarity' AND shrinkage = $shrinkage AND min_support = $support)
		SELECT count(e.rank) > 300, count(*) = count(e.rank), count(*) = count(f.rank),
			max(abs(f.weight - e.value)) < 1e-6, count(*) FILTER (WHERE e.neighbor_id <> f.neighbor_id)
		FROM expected e FULL JOIN found f ON f.item_id = e.movie_id AND f.rank = e.rank});
	is($result, 't|t|t|t|0', "neighbors: $similarity, shrinkage $shrinkage, support $support");
}

for my $configuration (split /\n/,
	value('SELECT DISTINCT method, center, k, shrinkage FROM expected_predictions ORDER BY 1, 2, 3, 4'))
{
	my ($method, $center, $k, $shrinkage) = split /\|/, $configuration;
	my $result = value(qq{
		SELECT count(*) FROM (SELECT socrec.create_model('films', 'ratings', item_column => 'movie_id', method => '$method',
			options => '{"holdout": 0, "center": "$center", "k": $k, "shrinkage": $shrinkage}')) m;
		SELECT count(*), max(abs(p.prediction - e.prediction)) < 1e-5,
			bool_and((p.source = '$method') = (e.prediction IS NOT NULL)),
			bool_and(p.support = e.support OR e.prediction IS NULL),
			bool_and(p.source IN ('$method', 'baseline'))
		FROM expected_predictions e CROSS JOIN LATERAL films.prediction(e.user_id, e.movie_id) p
		WHERE e.method = '$method' AND e.center = '$center' AND e.k = $k AND e.shrinkage = $shrinkage;
		SELECT FROM socrec.drop_model('films');});
	is($result, "1\n200|t|t|t|t", "predictions: $method, center $center, k $k, shrinkage $shrinkage");
}

for my $feedback ('explicit', 'implicit')
{
	my $rating = $feedback eq 'explicit' ? "'rating'" : 'NULL';
	my $result = value(qq{
		SELECT count(*) FROM (SELECT socrec.create_model('films', 'ratings', item_column => 'movie_id', rating_column => $rating,
			options => '{"holdout": 0}')) m;
		SELECT count(*), count(*) FILTER (WHERE r.movie_id <> e.movie_id), max(abs(r.score / e.score - 1)) < 1e-5,
			bool_and(r.source = 'item_knn')
		FROM expected_recommendations e JOIN LATERAL films.recommend(e.user_id, 10) r ON r.rank = e.rank
		WHERE e.feedback = '$feedback';
		SELECT FROM socrec.drop_model('films');});
	is($result, "1\n200|0|t|t", "recommendations: $feedback, by default options");
}

# The default model, measured on what it did not see.
my %rmse;
for my $method ('item_knn', 'user_knn', 'baseline')
{
	my $result = value(qq{
		SELECT count(*) FROM (SELECT socrec.create_model('films', 'ratings', item_column => 'movie_id', method => '$method')) m;
		SELECT e.rmse, e.n BETWEEN 9500 AND 10500, abs(e.sse - p.sse) < 1e-6, abs(e.rmse - sqrt(p.sse / p.n)) < 1e-9, e.coverage > 0.9
		FROM films.evaluation e, (SELECT count(*) AS n, sum((actual - predicted) ^ 2) AS sse FROM films.prediction_error) p;
		SELECT FROM socrec.drop_model('films');});
	like($result, qr/^1\n[0-9.]+\|t\|t\|t\|t$/, "evaluation of $method adds up");
	($rmse{$method}) = $result =~ /^1\n([0-9.]+)/;
}
cmp_ok($rmse{item_knn}, '<', 0.86, "item_knn: RMSE $rmse{item_knn}");
cmp_ok($rmse{item_knn}, '<', $rmse{baseline}, "neighbors are better than the baseline, RMSE $rmse{baseline}");

$node->stop;
done_testing();
