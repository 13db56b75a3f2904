# A behavior model fitted in parallel workers is that of one process, to the last bit,
# and that of queries; a fit does without workers where there are none or no shared
# memory for them, counts what it shares as memory, ends with all workers when it is
# stopped or one of them dies, and leaves nothing behind.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use lib dirname(__FILE__);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Process;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('behavior_parallel');
$node->init;

# Segments of shared memory are then files that can be counted, and the only
# workers are those of a fit.
$node->append_conf('postgresql.conf', "jit = off\nwork_mem = 64MB\nmaintenance_work_mem = 1GB\ndynamic_shared_memory_type = mmap\nmax_parallel_workers_per_gather = 0\nmax_wal_size = 1GB");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION socrec;
	-- choice sets and clusters of 1 to 5 rows
	CREATE TABLE visit AS SELECT s.i, i / 20 * 6 + ('{0,1,1,2,2,2,3,3,3,3,4,4,4,4,4,5,5,5,5,5}'::integer[])[1 + i % 20] AS unit, x,
			(hashint4extended(i, 1) & 1023) / 1024.0::float8 < 1 / (1 + exp(x[1] - 2 * x[2] + x[3])) AS y, hashint4extended(i, 2) & 3 AS class
		FROM (SELECT i, array_agg(((hashint4extended(i * 40 + j, 3) & 1023) / 1024.0)::float8 ORDER BY j) AS x
			FROM generate_series(0, 59999) i, generate_series(1, 40) j GROUP BY i) s;
	ALTER TABLE visit ADD COLUMN chosen boolean;
	UPDATE visit v SET chosen = v.i = c.i FROM (SELECT DISTINCT ON (unit) unit, i FROM visit ORDER BY unit, x[1] - x[2] + (hashint4extended(i, 5) & 1023) / 512.0) c WHERE c.unit = v.unit;
	VACUUM ANALYZE visit;
	SELECT socrec.create_behavior_model('small', 'SELECT y, x[1] AS a, x[2] AS b FROM visit LIMIT 1000', 'y');
	CREATE TABLE wide AS SELECT i, class, } . join(', ', map { "x[$_] AS x$_" } 1 .. 40) . q{ FROM visit});

my %query = (
	'logistic' => 'SELECT y::integer::float8, 1::float8, x[40], unit::bigint, (unit / 3)::bigint, x[:39] FROM visit ORDER BY unit, i',
	'multinomial' => 'SELECT class::float8, x[1], 0::float8, unit::bigint, (unit / 3)::bigint, x[2:30] FROM visit ORDER BY unit, i',
	'conditional' => 'SELECT chosen::integer::float8, 1 + x[1], 0::float8, unit::bigint, (unit / 3)::bigint, x[1:40] FROM visit ORDER BY unit, i');
my %shape = ('logistic' => [ 39, 2, 'false', 'true' ], 'multinomial' => [ 29, 4, 'true', 'false' ], 'conditional' => [ 40, 2, 'true', 'false' ]);

# The call of a fit.
sub fit
{
	my ($family, $errors, %more) = @_;
	my ($features, $classes, $weight, $offset) = @{ $shape{$family} };
	my ($l1, $execution) = ($more{l1} // 0, $more{execution} // 'memory');
	my ($iterations, $tolerance) = $more{endless} ? (100000, '1e-300') : (50, '1e-12');

	return "socrec.fit_regression('$query{$family}', $features, '$family', $classes, true, $weight, $offset, $l1, 0, true, 0, "
	  . "'$errors', $iterations, $tolerance, '$execution', 60000)";
}

sub digest
{
	return 'SELECT md5(f::text) FROM ' . fit(@_) . ' f';
}

foreach my $case (
	[ 'logistic', 'model' ],
	[ 'logistic', 'robust' ],
	[ 'logistic', 'cluster' ],
	[ 'logistic', 'model', l1 => 10 ],
	[ 'multinomial', 'robust' ],
	[ 'multinomial', 'cluster' ],
	[ 'conditional', 'model' ],
	[ 'conditional', 'robust' ],
	[ 'conditional', 'cluster' ])
{
	same_in_workers($node, 'socrec_regression', "@$case", digest(@$case));
	is($node->safe_psql('postgres', 'SELECT bool_and(abs(a - b) < 1e-8 AND abs(coalesce(c - d, 0)) < 1e-8) AND min(q.n) = max(m.n) FROM '
			  . fit(@$case) . ' m, ' . fit(@$case, execution => 'query') . ' q, unnest(m.estimates, q.estimates, m.std_errors, q.std_errors) e(a, b, c, d)'),
		't', '... which is that of queries');
}
my ($expected) = run_debug($node, digest('multinomial', 'model'));
unlike((run_debug($node, q{SELECT socrec.refit('small')}))[1], qr/in this process and/, 'no workers for few rows');

# A wrong expectation makes no difference but to speed.
foreach my $rows (1, 59999, 70000)
{
	is((run_debug($node, digest('multinomial', 'model') =~ s/60000\)/$rows)/r))[0], $expected, "the same where $rows rows are expected");
}

# Workers that cannot be had: all are taken.
my ($alone, $launched) = run_debug($node, 'SET max_parallel_workers = 0; ' . digest('multinomial', 'model'));
like($launched, qr/socrec_regression in this process and 0 of 2 workers/, 'no workers where none are free');
is($alone, $expected, '... with the same result');

# More of them than a pass has blocks.
$node->append_conf('postgresql.conf', "max_worker_processes = 40\nmax_parallel_workers = 32");
$node->restart;
is((run_debug($node, 'SET max_parallel_maintenance_workers = 32; ' . digest('multinomial', 'model')))[0], $expected, 'the same by many workers');

# What is shared is memory: 60,000 rows of 31 numbers are 14.2 MB.
my (undef, $refused) = run_debug($node, q{SET maintenance_work_mem = '14MB'; } . digest('multinomial', 'model'));
like($refused, qr/ERROR:  the regression needs at least \d+ MB of memory, maintenance_work_mem allows 14 MB/, 'refused for its memory');
is($node->safe_psql('postgres', q{SET maintenance_work_mem = '14MB'; SELECT executed FROM } . fit('multinomial', 'model', execution => 'auto')), 'query', '... or done by queries');
is($node->safe_psql('postgres', q{SET maintenance_work_mem = '16MB'; SELECT executed FROM } . fit('multinomial', 'model', execution => 'auto')), 'memory', 'what fits is enough');

# No shared memory: its file may not become as large.
SKIP:
{
	skip 'there is no prlimit here', 3 unless system('prlimit --version >/dev/null 2>&1') == 0;
	my ($digest, $limit) = (digest('multinomial', 'model'), '\\! prlimit --pid $PID --fsize');
	my ($results, $fallback) = run_debug($node, "SELECT pg_backend_pid() AS pid \\gset\n\\setenv PID :pid\n$limit=2000000:\n$digest;\n$limit=unlimited:\n$digest");
	like($fallback, qr/no shared memory of \d+ bytes, no workers/, 'no shared memory, no workers');
	is($results, "$expected\n$expected", '... with the same result, and again with workers');
	unlike($fallback, qr/WARNING/, '... and nothing left behind');
}

# A model, and an error that a worker may find.
my ($created, $fits) = run_debug($node, join ';', map {
	"SET max_parallel_maintenance_workers = $_; SELECT name FROM socrec.create_behavior_model('model_$_', 'wide', 'class', NULL, 'multinomial')"
} 0, 2);
like($fits, qr/socrec_regression in this process and [12] of 2 workers/, 'a model is fitted in workers');
is($node->safe_psql('postgres', 'SELECT count(*), count(*) FILTER (WHERE a::text = b::text) FROM model_0.coefficient a JOIN model_2.coefficient b USING (id)'),
	'126|126', '... with the same result');
my (undef, $twice) = run_debug($node, digest('conditional', 'model') =~ s/chosen::integer/(chosen OR unit > 17900)::integer/r);
like($twice, qr/ERROR:  more than one alternative of a choice set was chosen/, 'two chosen alternatives');

my @same = ([ 'the next fit is none the worse', digest('multinomial', 'model'), $expected ]);
check_nothing_left($node, 'an error', @same);

# Stopped at ever later times, in a subtransaction.
my $endless = fit('multinomial', 'model', endless => 1);
my $started = time;
$node->safe_psql('postgres', qq{
	CREATE TABLE stopped (after integer);
	CREATE PROCEDURE stop(after integer) LANGUAGE plpgsql AS \$\$
	BEGIN
		PERFORM $endless;
	EXCEPTION WHEN query_canceled THEN
		INSERT INTO stopped VALUES (after);
	END
	\$\$});
is($node->safe_psql('postgres', 'SET client_min_messages = error'
	  . join('', map { ";\nSET statement_timeout = $_; CALL stop($_)" } 50, 100, 200, 400, 600, 800)
	  . ";\nRESET statement_timeout; SELECT count(*) FROM stopped"), '6', 'a timeout stops it');
cmp_ok(time - $started, '<', 20, '... soon');
check_nothing_left($node, 'stopped', @same);

# The leader is cancelled or ended, or a worker is, when there are workers.
foreach my $blow (@blows)
{
	strike($node, $blow->[0], $blow->[1], "SELECT $endless");
	check_nothing_left($node, $blow->[0], @same);
}
unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC|TRAP/, 'no crash');

$node->stop;
done_testing();
