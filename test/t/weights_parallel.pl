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
	SELECT name FROM socrec.create_model('films', 'sample', method => 'slim', options => '{"k": 20}');
});
my @ease = has_linear_algebra($node) ? ('ease') : ();

sub digest
{
	my ($method) = @_;
	return qq{SELECT md5(string_agg(w::text, ',' ORDER BY id)) FROM socrec.item_weights('SELECT * FROM sample', '$method', '{"k": 20}') w};
}

my %expected;
for my $method (@ease, 'slim', 'slope_one')
{
	$expected{$method} = same_in_workers($node, "socrec_$method", $method, digest($method));
	my ($alone, $launched) = run_debug($node, 'SET max_parallel_workers = 0; ' . digest($method));
	like($launched, qr/socrec_$method in this process and 0 of 2 workers/, '... nor where none are to be had');
	is($alone, $expected{$method}, '... with the same result');
}

# So are the lists of all users, of which there are twenty times as many here.
for my $case ((map { [ $_, '{"k": 50}' ] } @ease, 'slim'), [ 'slope_one', '{"k": 50}' ], [ 'slope_one', '{"weighted": false}' ])
{
	same_in_workers($node, 'socrec_method_lists', "lists of $case->[0], $case->[1]", qq{
		SELECT md5(string_agg(r::text, ',' ORDER BY user_id, rank))
		FROM socrec.batch_recommend('SELECT user_id + 1000 * n, item_id, rating FROM sample, generate_series(1, 20) n', 0, 0, '$case->[0]', '$case->[1]', 15) r});
}

# The libraries start no threads, in the leader or in workers.
SKIP:
{
	skip 'there is no /proc here, or no linear algebra', 1 unless -d '/proc/self/task' && @ease;
	my $session = $node->background_psql('postgres');
	my $pid = $session->query('SELECT pg_backend_pid()');
	$session->query(digest('ease'));
	my @threads = glob "/proc/$pid/task/*";
	is(scalar @threads, 1, 'a session that has used linear algebra has one thread');
	$session->quit;
}

# Refused before it is taken, with the number: 9,000 items need 4 bytes for each pair.
for my $method (@ease, 'slim')
{
	my (undef, $refused) = run_debug($node, qq{SET maintenance_work_mem = '300MB'; SELECT count(*) FROM socrec.item_weights('SELECT * FROM many', '$method')});
	like($refused, qr/ERROR:  fitting needs at least (3[2-9]\d|4\d\d) MB of memory, maintenance_work_mem allows 300 MB/, "$method: refused for its memory");
}

my $state = q{SELECT md5(string_agg(i::text, ',' ORDER BY id)), (SELECT count(*) FROM pg_namespace WHERE nspname = 'unfinished') FROM films.item i};
my @same = (
	[ 'the old model is, and no other', $state, $node->safe_psql('postgres', $state) ],
	[ 'the next fit is none the worse', digest('slim'), $expected{slim} ]);

# The leader is cancelled or ended, or a worker is, when there are workers.
my %fit = (slim => '{"l1": 0.01, "l2": 0.1}', map { $_ => '{}' } @ease);
foreach my $blow (@blows)
{
	foreach my $method (sort keys %fit)
	{
		strike($node, "$method: $blow->[0]", $blow->[1],
			"SELECT count(*) FROM socrec.create_model('unfinished', 'many', method => '$method', options => '$fit{$method}')");
		check_nothing_left($node, $blow->[0], @same);
	}
}
unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC|TRAP/, 'no crash');
$node->stop;

# Libraries that cannot be loaded stand before the right ones.
SKIP:
{
	skip 'linear algebra is not available here anyway', 5 unless @ease;

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
}
done_testing();
