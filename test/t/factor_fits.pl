# Fits in sweeps: workers and one process give the same model; a fit ends with all its
# workers when it is stopped or one of them dies, and leaves nothing behind.  On MovieLens
# latest-small, where it is, errors are those that docs/performance.md tells.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use lib dirname(__FILE__);
use Data;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Process;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('factor_fits');
$node->init;

# Segments of shared memory are then files that can be counted, and the only
# workers are those of a fit.
$node->append_conf('postgresql.conf', "jit = off\nmaintenance_work_mem = 1GB\ndynamic_shared_memory_type = mmap\nmax_parallel_workers_per_gather = 0\nmax_wal_size = 1GB");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION socrec;
	CREATE UNLOGGED TABLE sample AS
		SELECT u AS user_id, i AS item_id, (1 + (hashint4extended(u * 10000 + i, 7) & 7))::real / 2 AS rating
		FROM generate_series(1, 1000) u, generate_series(1, 2000) i
		WHERE (hashint4extended(u * 10000 + i, 3) & 1023) < 50000 / (i + 90) + 30;
	ANALYZE;
	CREATE FUNCTION digest(method text, options jsonb) RETURNS text LANGUAGE sql AS $$
		SELECT md5(string_agg(n::text, ',' ORDER BY id))
		FROM socrec.item_factors('TABLE sample', 0, method, socrec.model_options(method, options, true)) n
	$$;
	SELECT name FROM socrec.create_model('films', 'SELECT * FROM sample WHERE item_id < 100', method => 'als');
});

my $bayes = q{SELECT digest('bayes_mf', '{"samples": 5, "thin": 2, "burn_in": 5}')};
my $expected;
foreach my $fit ($bayes, q{SELECT digest('als', '{}')})
{
	my $fitted = same_in_workers($node, 'socrec_sweep', $fit, $fit);
	$expected //= $fitted;
}
$node->append_conf('postgresql.conf', 'max_parallel_workers = 0');
$node->reload;
my ($alone, $launched) = run_debug($node, $bayes);
like($launched, qr/socrec_sweep in this process and 0 of 2 workers/, 'no workers where none are free');
is($alone, $expected, '... with the same result');
$node->append_conf('postgresql.conf', 'max_parallel_workers = 8');
$node->reload;

my $state = q{SELECT md5(string_agg(i::text, ',' ORDER BY id)), (SELECT count(*) FROM pg_namespace WHERE nspname = 'unfinished') FROM films.item i};
my @same = (
	[ 'the old model is, and no other', $state, $node->safe_psql('postgres', $state) ],
	[ 'the next fit is none the worse', $bayes, $expected ]);

# Stopped at ever later times, in a subtransaction; with one process, too, and bpr.
my $started = time;
$node->safe_psql('postgres', q{
	CREATE TABLE stopped (after integer);
	CREATE PROCEDURE stop(after integer, method text, options jsonb) LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM count(*) FROM socrec.item_factors(CASE method WHEN 'bpr' THEN 'SELECT user_id, item_id FROM sample' ELSE 'TABLE sample' END, 0, method,
			socrec.model_options(method, options, method <> 'bpr'));
	EXCEPTION WHEN query_canceled THEN
		INSERT INTO stopped VALUES (after);
	END
	$$});
is($node->safe_psql('postgres', 'SET client_min_messages = error'
	  . join('', map { ";\nSET statement_timeout = $_; CALL stop($_, 'bayes_mf', '{\"thin\": 1000}'); SET max_parallel_maintenance_workers = 0;"
		  . " CALL stop($_, 'als', '{\"iterations\": 10000}'); CALL stop($_, 'bpr', '{\"iterations\": 10000}'); RESET max_parallel_maintenance_workers" } 100, 400, 700)
	  . ";\nRESET statement_timeout; SELECT count(*) FROM stopped"), '9', 'a timeout stops them');
cmp_ok(time - $started, '<', 20, '... soon');
check_nothing_left($node, 'stopped', @same);

# The leader is cancelled or ended, or a worker is, when there are workers.
foreach my $blow (@blows)
{
	strike($node, @$blow, q{SELECT count(*) FROM socrec.create_model('unfinished', 'sample', method => 'bayes_mf', options => '{"thin": 500}')});
	check_nothing_left($node, $blow->[0], @same);
}
unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC|TRAP/, 'no crash');

SKIP:
{
	my $file = movielens() // skip $movielens_missing, 4;
	$node->safe_psql('postgres', 'CREATE TABLE ratings (user_id integer, movie_id integer, rating real, at bigint)');
	load_csv($node, 'ratings', $file);
	$node->safe_psql('postgres', 'CREATE INDEX ON ratings (user_id); CREATE INDEX ON ratings (movie_id); ANALYZE ratings');

	# The margins are some standard deviations of what another split or seed gives.
	my %limit = (als => 0.855, bayes_mf => 0.842);
	foreach my $method (sort keys %limit)
	{
		$node->safe_psql('postgres', "SELECT socrec.create_model('$method', 'ratings', item_column => 'movie_id', method => '$method')");
		cmp_ok($node->safe_psql('postgres', "SELECT rmse FROM $method.evaluation"), '<', $limit{$method}, "error of $method on MovieLens");
	}
	cmp_ok(abs($node->safe_psql('postgres', q{
		SELECT avg((e.actual BETWEEN i.prediction - 1.645 * i.deviation AND i.prediction + 1.645 * i.deviation)::integer)
		FROM (SELECT * FROM bayes_mf.prediction_error WHERE user_id % 10 = 1 AND source = 'bayes_mf') e
			CROSS JOIN LATERAL bayes_mf.prediction_interval(e.user_id, e.movie_id) i}) - 0.9), '<', 0.03, 'nine in ten ratings are in their interval');
	is($node->safe_psql('postgres', q{
		SELECT count(*) > 50 FROM (
			SELECT e.user_id FROM bayes_mf.prediction_error e GROUP BY 1 HAVING count(*) > 5) u CROSS JOIN LATERAL bayes_mf.recommend(u.user_id, 1) r
		WHERE r.source = 'bayes_mf'}), 't', 'lists of bayes_mf');
}

$node->stop;
done_testing();
