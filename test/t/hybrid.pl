# hybrid: on MovieLens latest-small, the weights that a hybrid fits are those that
# SciPy finds (tools/reference_hybrid.py) for what the parts, fitted to the training side,
# say of the validation side; and a hybrid with its parts survives pg_dump and restore
#
# The data set may not be redistributed with the project: SOCREC_MOVIELENS names the
# folder that it was unpacked to.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use File::Spec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $data = $ENV{SOCREC_MOVIELENS};
my $file = File::Spec->rel2abs(dirname(__FILE__) . '/../reference/hybrid.csv');

plan skip_all => 'MovieLens latest-small is not here: set SOCREC_MOVIELENS to its folder'
  unless defined $data && -r "$data/ratings.csv";

my $node = PostgreSQL::Test::Cluster->new('hybrid');
$node->init;
$node->append_conf('postgresql.conf', "jit = off\nmaintenance_work_mem = 512MB\nclient_min_messages = warning");
$node->start;

sub value
{
	return $node->safe_psql('postgres', shift);
}

value(q{
	CREATE EXTENSION socrec;
	CREATE TABLE ratings (user_id integer, movie_id integer, rating real, rated_at bigint, PRIMARY KEY (user_id, movie_id));
	CREATE INDEX ON ratings (movie_id);
});
my $rows = slurp_file("$data/ratings.csv");
run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'),
		'-c', 'COPY ratings FROM STDIN WITH (FORMAT csv, HEADER)' ], '<', \$rows)
  or BAIL_OUT('cannot load the ratings');
value(q{
	ANALYZE ratings;
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
