# weights: on MovieLens latest-small those of NumPy, scikit-learn and Surprise
# (tools/reference_weights.py; its output and provenance are in test/reference)
#
# The data set is where SOCREC_MOVIELENS says.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use lib dirname(__FILE__);
use Data;
use File::Spec;
use Process;
use Test::More;

my $root = File::Spec->rel2abs(dirname(__FILE__) . '/../..');

my $node = movielens_node('weights');
my $missing = has_linear_algebra($node) ? '' : 'ease';

sub value
{
	return $node->safe_psql('postgres', shift);
}

value(q{
	CREATE TABLE expected (method text, least integer, binarize boolean, l1 float8, l2 float8, movie_id integer, other_id integer, weight float8);
	CREATE TABLE expected_slope_one (user_id integer, movie_id integer, unweighted float8, weighted float8, support integer);
});
load_csv($node, 'expected', "$root/test/reference/movielens_weights.csv");
load_csv($node, 'expected_slope_one', "$root/test/reference/movielens_slope_one.csv");
value('ANALYZE');

# Weights are stored as real, of magnitude up to 1.  Those that scikit-learn leaves at
# zero are not in the file, nor may they be here.
for my $kind (split /\n/, value("SELECT DISTINCT method, least, binarize, l1, l2 FROM expected WHERE method <> '$missing' ORDER BY 1, 2, 3, 4, 5"))
{
	my ($method, $least, $binarize, $l1, $l2) = split /\|/, $kind;
	my $options = '"k": 0, "l2": ' . $l2 . ', "binarize": ' . ($binarize eq 't' ? 'true' : 'false')
	  . ($method eq 'slim' ? qq{, "l1": $l1, "epochs": 10000} : '');
	my $tolerance = $method eq 'ease' ? 1e-6 : 1e-4;

	is( value(qq{
		WITH w AS MATERIALIZED (
			SELECT * FROM socrec.item_weights('SELECT user_id, movie_id, rating FROM ratings
				WHERE movie_id IN (SELECT movie_id FROM ratings GROUP BY 1 HAVING count(*) >= $least)', '$method', '{$options}')),
		found AS (
			SELECT w.item_id AS movie_id, o.item_id AS other_id, n.weight
			FROM w CROSS JOIN LATERAL socrec.svec_unnest(w.neighbors) n JOIN w o ON o.id = n.id),
		expected AS (
			SELECT * FROM expected
			WHERE (method, least, binarize, l1, l2) = ('$method', $least, '$binarize', $l1, $l2))
		SELECT count(e.weight) > 400, count(*) FILTER (WHERE abs(coalesce(f.weight, 0) - coalesce(e.weight, 0)) > $tolerance)
		FROM expected e FULL JOIN (
			SELECT * FROM found f
			WHERE ('$method' = 'slim' AND other_id IN (SELECT other_id FROM expected))
				OR EXISTS (SELECT FROM expected e WHERE (e.movie_id, e.other_id) = (f.movie_id, f.other_id))) f USING (movie_id, other_id)}),
		't|0', "$method, {$options}: within $tolerance of the reference");
}

# All ratings but those that a hash of the ids sets apart, doubled as Surprise reads
# whole numbers.
for my $weighted ('true', 'false')
{
	my $column = $weighted eq 'true' ? 'weighted' : 'unweighted';

	is( value(qq{
		SELECT count(*) > 1000, count(*) FILTER (WHERE (abs(p.prediction - e.$column) < 1e-6 AND p.support = e.support) IS NOT TRUE)
		FROM expected_slope_one e LEFT JOIN socrec.batch_predict(
			'SELECT user_id, movie_id, 2 * rating FROM ratings WHERE (user_id * 31 + movie_id * 17) % 5 <> 0',
			'SELECT user_id, movie_id FROM expected_slope_one', 0, 0, 'slope_one', '{"k": 0, "weighted": $weighted}') p
			ON p.user_id = e.user_id AND p.item_id = e.movie_id}),
		't|0', "slope_one, weighted $weighted: within 1e-6 of the reference");
}

# Through a model: a tenth is held out, and lists come from the method itself.
for my $method (grep { $_ ne $missing } 'ease', 'slim', 'slope_one')
{
	is( value(qq{
		CREATE VIEW popular_ratings AS SELECT * FROM ratings
			WHERE movie_id IN (SELECT movie_id FROM ratings GROUP BY 1 HAVING count(*) >= 20);
		SELECT rating_count > 60000 FROM socrec.create_model('films', 'popular_ratings', item_column => 'movie_id', method => '$method');
		SELECT count(*), bool_and(r.source = '$method') FROM films.recommend(42, 20) r;
		SELECT rmse < 0.9, coverage > 0.9 FROM films.evaluation;
		SELECT bool_and(abs(e.sum - r.score) < 1e-6)
			FROM films.recommend(42, 20) r, LATERAL (SELECT sum(e.contribution) FROM films.explain(42, r.movie_id) e) e;
		DO 'BEGIN PERFORM socrec.drop_model(''films''); DROP VIEW popular_ratings; END'}),
		"t\n20|t\nt|t\nt", "a model by $method");
}

$node->stop;
done_testing();
