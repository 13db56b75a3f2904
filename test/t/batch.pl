# batch: on MovieLens latest-small, what batch_recommend and batch_predict give is
# what models of the same ratings and options give
#
# The data set is where SOCREC_MOVIELENS says.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use lib dirname(__FILE__);
use Data;
use Process;
use Test::More;

my $node = movielens_node('batch');

sub value
{
	return $node->safe_psql('postgres', shift);
}

# A sample of users: every thirtieth, and with them the one with the most ratings.
value(q{
	CREATE TABLE sample AS
		SELECT user_id FROM ratings WHERE user_id % 30 = 7 GROUP BY 1
		UNION SELECT user_id FROM (SELECT user_id FROM ratings GROUP BY 1 ORDER BY count(*) DESC LIMIT 1) most;
	CREATE VIEW often AS
		SELECT * FROM ratings WHERE movie_id IN (SELECT movie_id FROM ratings GROUP BY 1 HAVING count(*) >= 10);
});

my @configurations = (
	[ 'item_knn', 1, '{}' ],
	[ 'item_knn', 0, '{}' ],
	[ 'item_knn', 1, '{"similarity": "pearson", "center": "user", "min_support": 5, "k": 30}' ],
	[ 'item_knn', 1, '{"similarity": "adjusted_cosine", "center": "none", "normalize": true}' ],
	[ 'user_knn', 1, '{}' ],
	[ 'user_knn', 0, '{"weighting": "bm25", "k": 40}' ],
	[ 'user_knn', 1, '{"similarity": "pearson", "center": "item", "k": 40, "shrinkage": 10}' ],
	[ 'ials', 1, '{"factors": 16}' ],
	[ 'ials', 0, '{}' ],
	[ 'als', 1, '{}' ],
	[ 'bayes_mf', 1, '{"factors": 8, "samples": 10}' ],
	[ 'bpr', 0, '{"iterations": 10}' ],
	[ 'popular', 1, '{}' ],
	[ 'popular', 0, '{}' ],
	[ 'baseline', 1, '{"user_regularization": 5, "item_regularization": 3}' ],
	[ 'ease', 1, '{}', 'often' ],
	[ 'ease', 0, '{"binarize": true, "k": 50}', 'often' ],
	[ 'slim', 1, '{}', 'often' ],
	[ 'slope_one', 1, '{}', 'often' ],
	[ 'slope_one', 1, '{"weighted": false, "k": 0}', 'often' ]);

for my $configuration (grep { $_->[0] ne 'ease' || has_linear_algebra($node) } @configurations)
{
	my ($method, $explicit, $options, $source) = @$configuration;
	my $column = $explicit ? "'rating'" : 'NULL';
	$source //= 'ratings';
	my $query = 'SELECT user_id, movie_id' . ($explicit ? ', rating' : '') . " FROM $source";

	# Values to 1e-5, as similarities are single precision and sums run in any
	# order; for the same reason two items of equal score may change places.
	my $result = value(qq{
		SELECT count(*) FROM (SELECT socrec.create_model('films', '$source', item_column => 'movie_id', rating_column => $column,
			method => '$method', options => '$options'::jsonb || '{"holdout": 0}')) m;
		WITH stored AS MATERIALIZED (SELECT s.user_id, r.* FROM sample s CROSS JOIN LATERAL films.recommend(s.user_id, 200) r),
		batch AS MATERIALIZED (
			SELECT b.* FROM socrec.batch_recommend('$query', 0, 0, '$method', '$options', 200) b JOIN sample USING (user_id))
		SELECT count(*) = (SELECT 200 * count(*) FROM sample),
			count(*) FILTER (WHERE (abs(s.score / b.score - 1) < 1e-5 AND s.source = b.source) IS NOT TRUE),
			count(*) FILTER (WHERE s.movie_id <> b.item_id AND abs(s.score / b.score - 1) > 1e-9)
		FROM stored s FULL JOIN batch b USING (user_id, rank);
		CREATE TEMPORARY TABLE pair AS
			SELECT s.user_id, m.movie_id
			FROM sample s CROSS JOIN (SELECT DISTINCT movie_id FROM ratings WHERE movie_id % 50 = 1 UNION ALL SELECT -1) m
			UNION SELECT user_id, movie_id FROM ratings JOIN sample USING (user_id) WHERE movie_id % 10 = 1
			UNION ALL SELECT -1, 1 UNION ALL SELECT -1, -1;
		WITH stored AS MATERIALIZED (
			SELECT p.user_id, s.movie_id, s.prediction, s.source, s.support
			FROM (SELECT user_id, array_agg(movie_id) AS movies FROM pair GROUP BY 1) p
				CROSS JOIN LATERAL films.predictions(p.user_id, p.movies, true) s),
		batch AS MATERIALIZED (
			SELECT * FROM socrec.batch_predict('$query', 'TABLE pair', 0, 0, '$method', '$options'))
		SELECT count(*) > 4000, count(*) FILTER (WHERE
			(abs(s.prediction - b.prediction) < 1e-5 AND s.source = b.source AND s.support = b.support) IS NOT TRUE)
		FROM stored s FULL JOIN batch b ON b.user_id = s.user_id AND b.item_id = s.movie_id;
		SELECT FROM socrec.drop_model('films');});
	is($result, "1\nt|0|0\nt|0", "$method, " . ($explicit ? 'explicit' : 'implicit') . ", $options");
}

$node->stop;
done_testing();
