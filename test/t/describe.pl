# describe: statistics of MovieLens and Online Retail equal an independent
# computation (tools/reference_describe.py; its output and provenance are in
# test/reference); and what a server must do: start workers or do without, stop
# when told to, scan in parallel, draw bars in any encoding
#
# SOCREC_MOVIELENS and SOCREC_ONLINE_RETAIL name the folders with ratings.csv and
# onlineretail.csv.gz.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use File::Spec;
use lib dirname(__FILE__);
use Data;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Process;
use Test::More;
use Time::HiRes qw(time);

my $root = File::Spec->rel2abs(dirname(__FILE__) . '/../..');
my $retail = $ENV{SOCREC_ONLINE_RETAIL};

my $node = PostgreSQL::Test::Cluster->new('describe');
$node->init;
$node->append_conf('postgresql.conf', "jit = off\nmaintenance_work_mem = 256MB\ntimezone = 'UTC'");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION socrec;
	CREATE TABLE expected (name text, section text, metric text, value float8);
	CREATE TABLE film_rating (user_id integer, item_id integer, rating real, second bigint);
	CREATE TABLE line (n serial, invoice text, stock_code text, description text, quantity integer, invoiced_at timestamp,
		unit_price real, customer_id text, country text);
});

# Every metric of the reference, to a relative 1e-9; quantiles of a sketch to 1 %.
sub compare
{
	my ($name, $call) = @_;

	is($node->safe_psql('postgres', qq{
		WITH found AS MATERIALIZED (SELECT * FROM socrec.describe_ratings($call))
		SELECT string_agg(format('%s, %s: %s, expected %s', section, metric, f.value, e.value), '; ')
		FROM (SELECT * FROM expected WHERE name = '$name') e LEFT JOIN found f USING (section, metric)
		WHERE abs(f.value - e.value) <= abs(e.value) * CASE WHEN '$name' = 'drift' AND metric ~ '^(quantile 0|median)' THEN 0.0101 ELSE 1e-9 END IS NOT TRUE}),
		'', "statistics of $name");
	cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM expected WHERE name = '$name'"), '>', 10, "... are many");
}

load_csv($node, 'expected', "$root/test/reference/statistics.csv");

SKIP:
{
	my $films = movielens() // skip $movielens_missing, 2;
	load_csv($node, 'film_rating', $films);
	compare('films', "'film_rating', time_column => 'second'");
}

SKIP:
{
	skip 'Online Retail is not here: set SOCREC_ONLINE_RETAIL to its folder', 5
	  unless defined $retail && -r "$retail/onlineretail.csv.gz";
	load_csv($node, 'line (invoice, stock_code, description, quantity, invoiced_at, unit_price, customer_id, country)', "$retail/onlineretail.csv.gz");
	compare('retail', "'line', 'customer_id', 'stock_code', 'quantity', 'invoiced_at'");
	compare('drift', "'SELECT customer_id, stock_code, quantity * (1 + n / 1e7::float8) AS rating FROM line', 'customer_id', 'stock_code'");
	is($node->safe_psql('postgres', q{
		SELECT value FROM socrec.describe_ratings('line', 'customer_id', 'stock_code', 'quantity') WHERE metric = 'null users'}),
		135080, 'lines without a customer');
}

# A table that is worth workers.
$node->safe_psql('postgres', q{
	CREATE TABLE wide AS SELECT u AS user_id, (u * i) % 2003 AS item_id, u % 5 AS rating FROM generate_series(1, 400) u, generate_series(1, 1000) i;
	ANALYZE wide});
my $describe = q{SELECT md5(string_agg(d::text, ',' ORDER BY n)) FROM ROWS FROM (socrec.describe_ratings('wide'))
	WITH ORDINALITY AS d(section, metric, value, n)};

my ($parallel, $messages) = run_debug($node, $describe);
like($messages, qr/socrec_overlap in this process and [12] of 2 workers/, 'workers are started');
my ($serial, $none) = run_debug($node, "SET max_parallel_maintenance_workers = 0; $describe");
unlike($none, qr/in this process/, 'no workers where none are allowed');
is($serial, $parallel, '... with the same result');

# Workers that cannot be had: all are taken.
$node->append_conf('postgresql.conf', 'max_parallel_workers = 0');
$node->reload;
my ($alone, $launched) = run_debug($node, $describe);
like($launched, qr/and 0 of 2 workers/, 'no workers where none are free');
is($alone, $parallel, '... with the same result');
$node->append_conf('postgresql.conf', 'max_parallel_workers = 8');
$node->reload;

# No shared memory: its file may not become as large.
SKIP:
{
	skip 'there is no prlimit here', 3 unless system('prlimit --version >/dev/null 2>&1') == 0;
	my ($small, $fallback) = run_debug($node,
		"SELECT pg_backend_pid() AS pid \\gset\n\\setenv PID :pid\n\\! prlimit --pid \$PID --fsize=1000000:\n$describe;\n"
		  . "\\! prlimit --pid \$PID --fsize=unlimited:\n$describe");
	like($fallback, qr/no shared memory of \d+ bytes, no workers/, 'no shared memory, no workers');
	is($small, "$parallel\n$parallel", '... with the same result, and again with workers');
	unlike($fallback, qr/WARNING/, '... and nothing left behind');
}

# Stopped at any stage: in a subtransaction, at ever later times.
my $started = time;
is($node->safe_psql('postgres', q{
	SET client_min_messages = error;
	CREATE TABLE stopped (after integer);
	CREATE PROCEDURE stop(after integer) LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM count(*) FROM socrec.describe_ratings('SELECT * FROM wide, generate_series(1, 3)', options => '{"overlap_work": 1000000000000}');
	EXCEPTION WHEN query_canceled THEN
		INSERT INTO stopped VALUES (after);
	END
	$$} . join('', map { ";\nSET statement_timeout = $_; CALL stop($_)" } 20, 60, 120, 200, 300, 400) . q{;
	RESET statement_timeout;
	SELECT count(*) > 0 FROM stopped}), 't', 'a timeout stops it');
cmp_ok(time - $started, '<', 20, '... soon');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'parallel worker'}),
	'... and its workers');
is((run_debug($node, $describe))[0], $parallel, '... and does no harm');

# The scan, when the planner wants it so, which is seen through a module of contrib.
SKIP:
{
	skip 'auto_explain is not installed', 2 unless $node->psql('postgres', "LOAD 'auto_explain'") == 0;
	my ($scanned) = run_debug($node, q{
		SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_maintenance_workers = 0;
		LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on; SET auto_explain.log_analyze = on;
		} . $describe);
	is($scanned, $parallel, 'a parallel scan has the same result');
	like(slurp_file($node->logfile), qr/Query Text: SELECT s\.user_id.*\n.*Gather .*\n\s+Workers Planned: \d\n\s+Workers Launched: [1-9]/,
		'... and is one');
}

# Bars where there are no blocks to draw with, and where there are.
$node->safe_psql('postgres', "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
is($node->safe_psql('latin', 'CREATE EXTENSION socrec; SELECT socrec.bar(v, 10, 4) FROM unnest(ARRAY[0, 0.1, 5, 10]) v'),
	"\n#\n##\n####", 'bars in LATIN1');

done_testing();
