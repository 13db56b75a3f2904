# Item weights learned in parallel workers are those learned in one process; a fit
# is refused when it would take too much memory, ends with its workers when it is
# stopped or one of them dies, and leaves nothing behind.  Without the libraries of
# linear algebra a server has all but what needs them.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use lib dirname(__FILE__);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Process;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('weights_parallel');
$node->init;

# Segments of shared memory are then files that can be counted, and the only
# workers are those of a fit.
$node->append_conf('postgresql.conf', "jit = off\nmaintenance_work_mem = 1GB\ndynamic_shared_memory_type = mmap\nmax_parallel_workers_per_gather = 0");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION socrec;
	-- items from rated by all to rated by few
	CREATE UNLOGGED TABLE sample AS
		SELECT u AS user_id, i AS item_id, (1 + (hashint4extended(u * 10000 + i, 7) & 7))::real / 2 AS rating
		FROM generate_series(1, 300) u, generate_series(1, 1400) i
		WHERE (hashint4extended(u * 10000 + i, 3) & 1023) < 50000 / (i + 90) + 10;
	-- a fit of some seconds
	CREATE UNLOGGED TABLE many AS
		SELECT u AS user_id, (u * 37 + n * n * 17) % 9000 AS item_id, 1 + (u * 7 + n * 13) % 5 AS rating
		FROM generate_series(1, 2000) u, generate_series(1, 60) n GROUP BY 1, 2, 3;
	DELETE FROM many a USING many b WHERE (a.user_id, a.item_id) = (b.user_id, b.item_id) AND a.rating < b.rating;
	ANALYZE;
	SELECT name FROM socrec.create_model('films', 'sample', method => 'ease', options => '{"k": 20}');
});

sub digest
{
	my ($method) = @_;
	return qq{SELECT md5(string_agg(w::text, ',' ORDER BY id)) FROM socrec.item_weights('SELECT * FROM sample', '$method', '{"k": 20}') w};
}

my %expected;
for my $method ('ease', 'slim', 'slope_one')
{
	my $messages;

	($expected{$method}, $messages) = run_debug($node, digest($method));
	like($messages, qr/socrec_$method in this process and [12] of 2 workers/, "$method: workers are started");
	my ($serial, $none) = run_debug($node, 'SET max_parallel_maintenance_workers = 0; ' . digest($method));
	unlike($none, qr/in this process/, '... but not where none are allowed');
	is($serial, $expected{$method}, '... with the same result');
	my ($alone, $launched) = run_debug($node, 'SET max_parallel_workers = 0; ' . digest($method));
	like($launched, qr/socrec_$method in this process and 0 of 2 workers/, '... nor where none are to be had');
	is($alone, $expected{$method}, '... with the same result');
}

# The libraries start no threads, in the leader or in workers.
SKIP:
{
	skip 'there is no /proc here', 1 unless -d '/proc/self/task';
	my $session = $node->background_psql('postgres');
	my $pid = $session->query('SELECT pg_backend_pid()');
	$session->query(digest('ease'));
	my @threads = glob "/proc/$pid/task/*";
	is(scalar @threads, 1, 'a session that has used linear algebra has one thread');
	$session->quit;
}

# Refused before it is taken, with the number: 9,000 items need 4 bytes for each pair.
for my $method ('ease', 'slim')
{
	my (undef, $refused) = run_debug($node, qq{SET maintenance_work_mem = '300MB'; SELECT count(*) FROM socrec.item_weights('SELECT * FROM many', '$method')});
	like($refused, qr/ERROR:  fitting needs at least (3[2-9]\d|4\d\d) MB of memory, maintenance_work_mem allows 300 MB/, "$method: refused for its memory");
}

my $state_query = q{SELECT md5(string_agg(i::text, ',' ORDER BY id)) FROM films.item i};
my $state = $node->safe_psql('postgres', $state_query);

sub check_nothing_left
{
	my ($after) = @_;

	ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'parallel worker'}),
		"$after: no worker is left");
	is(large_segments($node), 0, '... nor shared memory');
	is($node->safe_psql('postgres', $state_query), $state, '... the old model is');
	is((run_debug($node, digest('ease')))[0], $expected{ease}, '... and the next fit is none the worse');
}

# The leader is cancelled or ended, or a worker is, when there are workers.
my %victim = (
	'the leader is cancelled' => [ 'ease', q{pg_cancel_backend(leader_pid)} ],
	'the leader is terminated' => [ 'slim', q{pg_terminate_backend(leader_pid)} ],
	'a worker is cancelled' => [ 'slim', q{pg_cancel_backend(pid)} ],
	'a worker is terminated' => [ 'ease', q{pg_terminate_backend(pid)} ]);
for my $what (sort keys %victim)
{
	my ($method, $blow) = @{ $victim{$what} };
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query('SELECT pg_backend_pid()');
	my $options = $method eq 'slim' ? '{"l1": 0.01, "l2": 0.1}' : '{}';
	my $started;

	$session->query_until(qr/started/, "\\echo started\nSELECT count(*) FROM socrec.create_model('unfinished', 'many', method => '$method', options => '$options');\n");
	ok($node->poll_query_until('postgres', qq{
			SELECT coalesce(bool_or($blow), false) FROM (
				SELECT pid, leader_pid FROM pg_stat_activity WHERE backend_type = 'parallel worker' AND leader_pid = $pid LIMIT 1) w}),
		"$method: $what");
	$started = time;
	eval { $session->query('SELECT 1') };
	like($session->{stderr}, qr/canceling statement due to user request|terminating (connection|background worker)/,
		'... which is the error that the session gets');
	cmp_ok(time - $started, '<', 3, '... soon');
	eval { $session->quit };
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_namespace WHERE nspname = 'unfinished'}), 0, '... and no model');
	check_nothing_left($what);
}
unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC|TRAP/, 'no crash');
$node->stop;

# Libraries that cannot be loaded stand before the right ones.
my $broken = $node->basedir . '/broken';
mkdir $broken or die;
append_to_file("$broken/$_", '') for qw(libopenblas.so.0 libblas.so.3 liblapack.so.3 libmkl_rt.so.2 libflexiblas.so.3);
{
	local $ENV{LD_LIBRARY_PATH} = $broken;
	$node->start;
}
my ($none, $missing) = run_debug($node, digest('ease'));
like($missing, qr/ERROR:  linear algebra is not available on this server\nDETAIL:  could not load library .*\nHINT:  Install BLAS and LAPACK/,
	'without its libraries ease says so');
is($node->safe_psql('postgres', "\\set VERBOSITY sqlstate\n" . digest('slim')), $expected{slim}, '... slim does without');
is($node->safe_psql('postgres', q{SELECT count(*) FROM films.recommend(1, 5)}), 5, '... and a model recommends');
my ($code) = $node->safe_psql('postgres', qq{DO \$do\$
	BEGIN
		PERFORM * FROM socrec.item_weights('SELECT * FROM sample');
	EXCEPTION WHEN feature_not_supported THEN
		CREATE TABLE caught ();
	END \$do\$;
	SELECT to_regclass('caught')});
is($code, 'caught', '... with the state that stands for it');
$node->stop;
done_testing();
