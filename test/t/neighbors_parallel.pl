# Neighbors found in parallel workers are those found in one process; and a fit
# does without workers where there are none, no shared memory for them or no room
# for what they find, ends with all of them when it is stopped or one of them dies,
# and leaves nothing behind.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use lib dirname(__FILE__);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Process;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('neighbors_parallel');
$node->init;

# Segments of shared memory are then files that can be counted, and the only
# workers are those of a search.
$node->append_conf('postgresql.conf', "jit = off\nmaintenance_work_mem = 1GB\ndynamic_shared_memory_type = mmap\nmax_parallel_workers_per_gather = 0\nmax_wal_size = 1GB");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION socrec;
	-- 1 million ratings, items from rated by all to rated by few; halves, or not
	CREATE UNLOGGED TABLE sample AS
		SELECT u AS user_id, i AS item_id, (1 + (hashint4extended(u * 10000 + i, 7) & 7))::real / 2 AS rating
		FROM generate_series(1, 1000) u, generate_series(1, 5000) i
		WHERE (hashint4extended(u * 10000 + i, 3) & 1023) < 100000 / (i + 90) + 30;
	-- 2 million: a search of some seconds
	CREATE UNLOGGED TABLE many AS
		SELECT u AS user_id, n + 2500 * (u * n % 2) AS item_id, 1 + (u * 7 + n * 13) % 5 AS rating
		FROM generate_series(101, 1600) u, generate_series(101, 2500) n
		WHERE (u * 31 + n * n * 17) % 16 < 9;
	ANALYZE;
	CREATE FUNCTION digest(options text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		result text;
	BEGIN
		EXECUTE format('SELECT md5(string_agg(n::text, '','' ORDER BY id)) FROM socrec.item_neighbors(''SELECT * FROM sample'', k => 20, %s) n', options)
			INTO result;
		RETURN result;
	END
	$$;
	SELECT name FROM socrec.create_model('films', 'SELECT * FROM sample WHERE item_id < 100');
});

sub digest
{
	my ($options) = @_;
	return "SELECT digest(\$\$$options\$\$)";
}

# Products that are exact, sums of doubles, support alone, and all sums.
my $cosine = digest(q{similarity => 'cosine'});
my $expected;
foreach my $options (
	q{similarity => 'cosine'},
	q{similarity => 'cosine', center => 'baseline', shrinkage => 100},
	q{similarity => 'cosine', center => 'user', min_support => 5, min_similarity => -1},
	q{similarity => 'jaccard'},
	q{similarity => 'pearson', shrinkage => 10})
{
	my $found = same_in_workers($node, 'socrec_find_neighbors', $options, digest($options));
	$expected //= $found;
}
my ($small, $unshared) = run_debug($node, q{SELECT count(*) FROM socrec.item_neighbors('SELECT * FROM sample WHERE user_id < 10')});
unlike($unshared, qr/in this process/, 'no workers for a small table');

# Users are the same matrix on its side.
same_in_workers($node, 'socrec_find_neighbors', 'neighbors of users',
	q{SELECT md5(string_agg(n::text, ',' ORDER BY id)) FROM socrec.user_neighbors('SELECT * FROM sample', k => 20) n});

# So are the lists of all users: with items, and users, that have no neighbors.
foreach my $case ([ 'item_knn', '{"k": 20}' ], [ 'item_knn', '{"k": 5, "normalize": true, "similarity": "pearson", "center": "user", "min_support": 40}' ],
	[ 'user_knn', '{"k": 20}' ], [ 'user_knn', '{"k": 5, "normalize": true, "center": "none"}' ])
{
	same_in_workers($node, 'socrec_method_lists', "lists of $case->[0], $case->[1]",
		qq{SELECT md5(string_agg(r::text, ',' ORDER BY user_id, rank)) FROM socrec.batch_recommend('TABLE sample', 0, 0, '$case->[0]', '$case->[1]', 15) r});
}

# A model is written by the statement that searches.
my ($models, $fits) = run_debug($node, join ';', map {
	"SET max_parallel_maintenance_workers = $_; SELECT count(*) FROM socrec.create_model('model_$_', 'sample', options => '{\"holdout\": 0}')"
} 0, 2);
like($fits, qr/socrec_find_neighbors in this process and [12] of 2 workers/, 'a model is fitted in workers');
is($node->safe_psql('postgres', 'SELECT count(*), count(*) FILTER (WHERE a::text = b::text) FROM model_0.item a JOIN model_2.item b USING (id)'),
	'5000|5000', '... with the same result');

# Workers that cannot be had: all are taken.
$node->append_conf('postgresql.conf', 'max_parallel_workers = 0');
$node->reload;
my ($alone, $launched) = run_debug($node, $cosine);
like($launched, qr/socrec_find_neighbors in this process and 0 of 2 workers/, 'no workers where none are free');
is($alone, $expected, '... with the same result');
$node->append_conf('postgresql.conf', 'max_parallel_workers = 8');
$node->reload;

# Memory for one process, but not for what others would find.
my ($frugal, $room) = run_debug($node, "SET maintenance_work_mem = '32MB'; SET max_parallel_maintenance_workers = 64; $cosine");
like($room, qr/no room for the neighbors of workers/, 'no workers without room for their neighbors');
is($frugal, $expected, '... with the same result');

# No shared memory: its file may not become as large.
SKIP:
{
	skip 'there is no prlimit here', 3 unless system('prlimit --version >/dev/null 2>&1') == 0;
	my ($unlimited, $fallback) = run_debug($node,
		"SELECT pg_backend_pid() AS pid \\gset\n\\setenv PID :pid\n\\! prlimit --pid \$PID --fsize=2000000:\n$cosine;\n"
		  . "\\! prlimit --pid \$PID --fsize=unlimited:\n$cosine");
	like($fallback, qr/no shared memory of \d+ bytes, no workers/, 'no shared memory, no workers');
	is($unlimited, "$expected\n$expected", '... with the same result, and again with workers');
	unlike($fallback, qr/WARNING/, '... and nothing left behind');
}

my $state = q{SELECT md5(string_agg(i::text, ',' ORDER BY id)), (SELECT count(*) FROM pg_namespace WHERE nspname = 'unfinished') FROM films.item i};
my @same = (
	[ 'the old model is, and no other', $state, $node->safe_psql('postgres', $state) ],
	[ 'the next fit is none the worse', $cosine, $expected ]);

# Stopped at ever later times, in a subtransaction.
my $started = time;
$node->safe_psql('postgres', q{
	CREATE TABLE stopped (after integer);
	CREATE PROCEDURE stop(after integer) LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM count(*) FROM socrec.item_neighbors('SELECT * FROM many', similarity => 'pearson');
	EXCEPTION WHEN query_canceled THEN
		INSERT INTO stopped VALUES (after);
	END
	$$});
is($node->safe_psql('postgres', 'SET client_min_messages = error'
	  . join('', map { ";\nSET statement_timeout = $_; CALL stop($_)" } 100, 300, 500, 700, 900, 1100)
	  . ";\nRESET statement_timeout; SELECT count(*) > 2 FROM stopped"), 't', 'a timeout stops it');
cmp_ok(time - $started, '<', 20, '... soon');
check_nothing_left($node, 'stopped', @same);

# The leader is cancelled or ended, or a worker is, when there are workers.
my $segments;
foreach my $blow (@blows)
{
	$segments = strike($node, @$blow, q{SELECT count(*) FROM socrec.create_model('unfinished', 'many', options => '{"similarity": "pearson", "center": "none"}')});
	check_nothing_left($node, $blow->[0], @same);
}
is($segments, 1, 'there was shared memory meanwhile');
unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC|TRAP/, 'no crash');

$node->stop;
done_testing();
