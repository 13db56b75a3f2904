# behavior_distributed: rows of a source that lie on several servers give the models
# that they give on one

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $columns = 'id integer, shard integer, trip integer, a float8, b float8, c text, weight integer, buys boolean, kind text, chosen boolean';
my $hub = PostgreSQL::Test::Cluster->new('hub');
my @servers = map { PostgreSQL::Test::Cluster->new("shard_$_") } 1 .. 2;
foreach my $node ($hub, @servers)
{
	$node->init;
	$node->append_conf('postgresql.conf', "jit = off\nclient_min_messages = error");
	$node->start;
	$node->safe_psql('postgres', "CREATE EXTENSION socrec");
}
if ($hub->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'}) eq '0')
{
	$_->stop foreach $hub, @servers;
	plan skip_all => 'postgres_fdw is not installed';
}

# One part of the rows is here, the others are elsewhere; trips are whole in one part.
$hub->safe_psql('postgres', qq{
	CREATE EXTENSION postgres_fdw;
	CREATE TABLE whole ($columns);
	INSERT INTO whole SELECT r.id, trip % 3, trip, a, b, c, 1 + r.id % 3, u < 0.3 + 0.3 * a + CASE c WHEN 'x' THEN 0.2 ELSE 0 END,
			CASE WHEN u < 0.4 * a THEN 'one' WHEN u < 0.7 THEN 'two' ELSE 'three' END, r.id % 4 = hashint4(trip) & 3
		FROM (SELECT i AS id, i / 4 AS trip, i % 17 / 17.0 AS a, CASE WHEN i % 100 > 0 THEN i % 23 / 23.0 END AS b,
				CASE i % 3 WHEN 0 THEN 'x' WHEN 1 THEN 'y' ELSE 'z' END AS c, (hashint4(i) & 1023) / 1024.0 AS u
			FROM generate_series(0, 3999) i) r;
	CREATE TABLE part ($columns) PARTITION BY LIST (shard);
	CREATE TABLE part_0 PARTITION OF part FOR VALUES IN (0)});
foreach my $i (1 .. 2)
{
	my ($host, $port) = ($servers[ $i - 1 ]->host, $servers[ $i - 1 ]->port);
	$servers[ $i - 1 ]->safe_psql('postgres', "CREATE TABLE part ($columns)");
	$hub->safe_psql('postgres', qq{
		CREATE SERVER shard_$i FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres', extensions 'socrec');
		CREATE USER MAPPING FOR PUBLIC SERVER shard_$i;
		CREATE FOREIGN TABLE part_$i PARTITION OF part FOR VALUES IN ($i) SERVER shard_$i OPTIONS (table_name 'part')});
}
$hub->safe_psql('postgres', 'INSERT INTO part SELECT * FROM whole; ANALYZE whole, part_0, part_1, part_2');
cmp_ok($servers[0]->safe_psql('postgres', 'SELECT count(*) FROM part'), '>', 1000, 'another server has a part of the rows');

# The greatest differences of estimates and standard errors of a model of all rows in
# one place from those of a model of the parts, and how many estimates there are.
sub difference
{
	my ($source, $target, $features, $family, $execution, $options) = @_;
	return $hub->safe_psql('postgres', qq{
		SELECT socrec.create_behavior_model('here', 'whole', '$target', '$features', '$family', '$options' || '{"execution": "memory"}'::jsonb);
		SELECT socrec.create_behavior_model('there', '$source', '$target', '$features', '$family', '$options' || '{"execution": "$execution"}'::jsonb);
		\\o
		SELECT count(*) > 2, bool_and((a.class, a.term, a.level, a.problem) IS NOT DISTINCT FROM (b.class, b.term, b.level, b.problem)),
			max(abs(a.estimate - b.estimate)) < 1e-8, coalesce(max(abs(a.std_error - b.std_error)) < 1e-8, true),
			(SELECT abs(h.log_likelihood - t.log_likelihood) < 1e-8 AND h.dropped_rows = t.dropped_rows FROM here.fit h, there.fit t)
		FROM here.coefficient a FULL JOIN there.coefficient b USING (id);
		\\o /dev/null
		SELECT socrec.drop_model('here'), socrec.drop_model('there')}, extra_params => [ '-o', '/dev/null' ]);
}

foreach my $execution ('memory', 'query')
{
	is(difference('part', 'buys', '{a,b,c}', 'logistic', $execution, '{}'), 't|t|t|t|t', "logistic, $execution");
	is(difference('part', 'buys', '{a,b,c}', 'logistic', $execution, '{"missing": "impute", "weight": "weight", "l2": 1, "std_errors": "robust"}'),
		't|t|t|t|t', "logistic with imputed values, weights and a penalty, $execution");
	is(difference('part', 'buys', '{a,b,c}', 'logistic', $execution, '{"cluster": "trip", "std_errors": "cluster", "holdout": 0.2}'),
		't|t|t|t|t', "logistic with clusters and rows held out, $execution");
	is(difference('part', 'buys', '{a,b,c}', 'logistic', $execution, '{"l1": 5}'), 't|t|t|t|t', "logistic with l1, $execution");
	is(difference('part', 'kind', '{a,b,c}', 'multinomial', $execution, '{}'), 't|t|t|t|t', "multinomial, $execution");
	is(difference('part', 'chosen', '{a,b,c}', 'conditional', $execution, '{"choice_set": "trip"}'), 't|t|t|t|t', "conditional, $execution");
}

# With option shard every server adds up its rows itself, and sends sums alone.
$_->append_conf('postgresql.conf', 'log_statement = all'), $_->reload foreach @servers;
$hub->append_conf('postgresql.conf', 'enable_partitionwise_aggregate = on');
$hub->reload;
foreach my $model ([ 'buys', '{a,b,c,weight}', 'logistic', '{"shard": "shard"}', 'logistic' ],
	[ 'kind', '{a,b,c}', 'multinomial', '{"shard": "shard", "weight": "weight"}', 'multinomial' ],
	[ 'kind', '{a,b,c}', 'logistic', '{"shard": "shard", "positive": "one", "std_errors": "robust"}', 'a level' ])
{
	my ($target, $features, $family, $options, $what) = @$model;
	my @before = map { -s $_->logfile } @servers;
	is(difference('part', $target, $features, $family, 'query', $options), 't|t|t|t|t', "$what, by shards");
	foreach my $i (0, 1)
	{
		my $log = slurp_file($servers[$i]->logfile, $before[$i]);
		my $sums = () = $log =~ /SELECT [^\n]*socrec\.regression_sums\(/g;
		my $selects = () = $log =~ /DECLARE [^\n]* FOR\s+SELECT /g;
		cmp_ok($sums, '>', 4, "$what: server $i summed up $sums times");
		# What else is asked for are classes and levels.
		cmp_ok($selects - $sums, '<=', 2, "$what: server $i sent rows " . ($selects - $sums) . ' times');
	}
}
like($hub->safe_psql('postgres', q{
		EXPLAIN (COSTS off) SELECT socrec.merge_sums(s) FROM (
			SELECT shard, socrec.regression_sums(socrec.regression_contribution('{0,1,1,2, 0,0, 0,0, 1,1}', buys::integer, ARRAY[1, a], 1, 0)) AS s FROM part GROUP BY shard) q}),
	qr/Append\s+->  \w*Aggregate.*part_0.*Foreign Scan.*Foreign Scan/s, 'shards are summed up apart');

$_->stop foreach $hub, @servers;
done_testing();
