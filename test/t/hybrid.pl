# hybrid: on MovieLens latest-small, the weights that a hybrid fits are those that
# SciPy finds (tools/reference_hybrid.py) for what the parts, fitted to the training side,
# say of the validation side; and a hybrid with its parts survives pg_dump and restore
#
# The data set is where SOCREC_MOVIELENS says.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use lib dirname(__FILE__);
use Data;
use File::Spec;
use PostgreSQL::Test::Utils;
use Test::More;

my $file = File::Spec->rel2abs(dirname(__FILE__) . '/../reference/hybrid.csv');

my $node = movielens_node('hybrid');

sub value
{
	return $node->safe_psql('postgres', shift);
}

value(q{
	SELECT FROM socrec.create_model('mix', 'ratings', item_column => 'movie_id', method => 'hybrid',
		options => '{"seed": 3, "holdout": 0, "parts": ["item_knn", "user_knn", "baseline"]}');
});

# Similarities are single precision, and so are places in lists.
my @reference = split /\n/, slurp_file($file);
shift @reference;
is(scalar @reference, 3, 'three parts');
for my $line (@reference)
{
	my ($part, @expected) = split /,/, $line;
	my @fitted = split /\|/, value("SELECT rank_weight, prediction_weight FROM mix.part WHERE label = '$part'");

	cmp_ok(abs($fitted[0] - $expected[0]), '<', 1e-5, "weight of the lists of $part");
	cmp_ok(abs($fitted[1] - $expected[1]), '<', 1e-6, "weight of the predictions of $part");
}

my $folder = PostgreSQL::Test::Utils::tempdir();

# A dump of everything, restored by its owner, says the same and can be fitted again.
my $questions = q{
	SELECT * FROM mix.recommend(42, 5);
	SELECT * FROM mix.predictions(42, ARRAY[1, 2, 3, 1196]);
	SELECT * FROM mix.explain(42, 1196);
	SELECT count(*), sum(rank_weight) FROM mix.part;
	SELECT name, method, version FROM socrec.model ORDER BY name;
};
my $before = value($questions);
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$folder/dump", '-d', $node->connstr('postgres') ], 'dumps');
value('CREATE DATABASE copy');
$node->command_ok([ 'pg_restore', '-e', '-d', $node->connstr('copy'), "$folder/dump" ], 'restores');
is($node->safe_psql('copy', $questions), $before, 'says the same');
$node->safe_psql('copy', q{CALL socrec.refit('mix')});
is($node->safe_psql('copy', q{SELECT string_agg(version::text, ',') FROM socrec.model}), '2,2,2,2', 'can be fitted again');
$node->safe_psql('copy', q{SELECT socrec.drop_model('mix')});
is($node->safe_psql('copy', q{SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'mix%'}), '0', 'and dropped');

$node->stop;
done_testing();
