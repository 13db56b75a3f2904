# behavior_operations: behavior models by queries in parallel workers, what readers see
# of a refit, and a fit that is canceled

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('behavior_operations');
$node->init;
$node->append_conf('postgresql.conf', "jit = off\nclient_min_messages = error\nmax_parallel_workers_per_gather = 2\nmin_parallel_table_scan_size = 0\nparallel_setup_cost = 0\nparallel_tuple_cost = 0");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION socrec;
	CREATE TABLE visit AS SELECT i AS id, i % 17 / 17.0::float8 AS a, i % 23 / 23.0::float8 AS b, CASE i % 3 WHEN 0 THEN 'x' WHEN 1 THEN 'y' ELSE 'z' END AS c,
		(hashint4(i) & 1023) < 300 + 30 * (i % 17) AS buys FROM generate_series(1, 20000) i;
	ANALYZE visit;
	SELECT socrec.create_behavior_model('buying', 'visit', 'buys', '{a,b,c}', options => '{"holdout": 0.2, "execution": "memory"}');
	SELECT socrec.create_behavior_model('parallel', 'visit', 'buys', '{a,b,c}', options => '{"holdout": 0.2, "execution": "query"}')});

# A pass runs in workers, and gives what memory gives.
like($node->safe_psql('postgres', q{
		EXPLAIN (COSTS off) SELECT socrec.regression_sums(socrec.regression_contribution('{0,1,1,2, 0,0, 0,0, 1,1}', buys::integer, ARRAY[1, a], 1, 0)) FROM visit}),
	qr/Partial Aggregate/, 'a pass is summed up by parallel workers');
is($node->safe_psql('postgres', q{
		SELECT count(*), max(abs(a.estimate - b.estimate)) < 1e-8, max(abs(a.std_error - b.std_error)) < 1e-8
		FROM buying.coefficient a JOIN parallel.coefficient b USING (id)}), '5|t|t', 'the model of parallel workers is that of one process');
like($node->safe_psql('postgres', 'EXPLAIN (COSTS off, VERBOSE) SELECT buying.score(v) FROM visit v'), qr/logistic\(socrec\.row_score\(/, 'score is inlined');

# Readers see the former fit until a refit commits.
my $scores = $node->safe_psql('postgres', 'SELECT md5(string_agg(buying.score(v)::text, chr(10) ORDER BY id)) FROM visit v');
my $refitting = $node->background_psql('postgres');
$node->safe_psql('postgres', 'UPDATE visit SET buys = NOT buys');
$refitting->query_safe(q{BEGIN});
$refitting->query_safe(q{CALL socrec.refit('buying')});
is($node->safe_psql('postgres', 'SELECT md5(string_agg(buying.score(v)::text, chr(10) ORDER BY id)) FROM visit v'), $scores, 'a refit is not seen before its commit');
$refitting->query_safe(q{COMMIT});
$refitting->quit;
isnt($node->safe_psql('postgres', 'SELECT md5(string_agg(buying.score(v)::text, chr(10) ORDER BY id)) FROM visit v'), $scores, 'and is seen then');

# A fit of many seconds stops soon after it is told to.
$node->safe_psql('postgres', q{
	CREATE TABLE wide AS SELECT i % 3 AS y, (SELECT array_agg((hashint8(i::bigint * 5003 + j) & 65535) / 65536.0::float8 ORDER BY j) FROM generate_series(1, 490) j) AS x
	FROM generate_series(1, 3000) i});
for my $execution ('memory', 'query')
{
	my $start = time;
	my ($status, undef, $error) = $node->psql('postgres', qq{
		SET statement_timeout = '500ms';
		SELECT socrec.fit_regression('SELECT y::float8, 1::float8, 0::float8, NULL::bigint, NULL::bigint, x FROM wide', 490, 'multinomial', 3, true, false, false, 0, 0, true, 0, 'robust',
			10000, 1e-300, '$execution')});
	like($error, qr/canceling statement due to statement timeout/, "a fit in $execution can be canceled");
	cmp_ok(time - $start, '<', 5, 'soon');
}

$node->stop;
done_testing();
