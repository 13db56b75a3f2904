# behavior_service: behavior models in service: who may read, refit and own them,
# jobs, BI tools, dumps by their owner, replicas, and fits that are stopped

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('behavior_service');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "jit = off\nclient_min_messages = error");
$node->start;

# Run SQL as a role: its output, or the error.
sub run_as
{
	my ($role, $sql, $database) = @_;
	my ($status, $output, $error) = $node->psql($database // 'shop', $sql, extra_params => [ '-U', $role ], on_error_stop => 1);
	return $status == 0 ? $output : $error;
}

sub works { my ($role, $sql, $expected, $test) = @_; is(run_as($role, $sql), $expected, $test); return; }
sub refused { my ($role, $sql, $error, $test) = @_; like(run_as($role, $sql), qr/ERROR:  $error/, $test); return; }

# No role but postgres is a superuser; analyst owns the data, the model and the database.
$node->safe_psql('postgres', q{
	CREATE ROLE administrator LOGIN SUPERUSER;
	CREATE ROLE analyst LOGIN;
	CREATE ROLE deputy LOGIN IN ROLE analyst;
	CREATE ROLE job LOGIN;
	CREATE ROLE bi LOGIN;
	ALTER ROLE bi SET default_transaction_read_only = on;
	CREATE ROLE heir LOGIN;
	CREATE DATABASE shop OWNER analyst;
	CREATE DATABASE copy OWNER analyst});
works('analyst', q{
	CREATE EXTENSION socrec;
	CREATE SCHEMA sales;
	CREATE TABLE sales.visit AS SELECT i AS id, i % 17 / 17.0::float8 AS a, CASE i % 3 WHEN 0 THEN 'x' WHEN 1 THEN 'y' ELSE 'z' END AS c,
		CASE i % 4 WHEN 0 THEN 'red' WHEN 1 THEN 'blue' ELSE 'green' END AS color, (hashint4(i) & 1023) < 300 + 30 * (i % 17) AS buys FROM generate_series(1, 2000) i;
	SELECT name FROM socrec.create_behavior_model('buying', 'sales.visit', 'buys', '{a,c}', options => '{"holdout": 0.2, "keep_models": 2}');
	SELECT name FROM socrec.create_behavior_model('coloring', 'sales.visit', 'color', '{a,c}', 'multinomial');
	SELECT name FROM socrec.create_behavior_model('choosing', 'SELECT id / 4 AS g, a, id % 4 = 0 AS chosen FROM sales.visit', 'chosen', '{a}', 'conditional', '{"choice_set": "g"}')},
	"buying\ncoloring\nchoosing", 'a role that may create schemas makes models');

refused('heir', q{SELECT socrec.create_behavior_model('stolen', 'SELECT 1 AS x, true AS y', 'y')}, 'permission denied for database shop', 'others do not');
works('analyst', 'GRANT CREATE ON DATABASE shop TO heir; GRANT USAGE ON SCHEMA sales TO heir', '', 'one of them may');
refused('heir', q{SELECT socrec.create_behavior_model('stolen', 'sales.visit', 'buys')}, 'permission denied for table visit', 'but not from what it cannot read');
works('heir', q{SELECT count(*) FROM pg_namespace WHERE nspname = 'stolen'}, '0', 'which leaves nothing');

# What a BI tool reads, and what it needs for it.
my @tables = map { "buying.$_" } qw(coefficient fit path version);
my @views = ((map { "buying.$_" } qw(sample prediction evaluation calibration lift roc)), 'coloring.prediction', 'coloring.evaluation', 'coloring.confusion',
	'choosing.prediction', 'choosing.evaluation');
my $score = q{SELECT round(buying.score(r)::numeric, 3) BETWEEN 0 AND 1 FROM (SELECT 0.5 AS a, 'x' AS c) r};

refused('bi', $score, 'permission denied for schema buying', 'no USAGE of the schema, no score');
works('analyst', 'GRANT USAGE ON SCHEMA buying, coloring, choosing TO bi, job', '', 'USAGE is granted');
works('bi', $score, 't', 'with it rows are scored');
works('bi', q{SELECT count(*) FROM (SELECT 0.5 AS a, 'x' AS c) r, buying.explain(r)}, '2', 'and explained');
works('bi', "SELECT count(*) >= 0 FROM $_", 't', "and $_ is read") foreach @tables;
works('bi', q{SELECT name, owner, current_rating_count FROM socrec.models WHERE name = 'buying'}, 'buying|analyst|', 'and the list of models');
refused('bi', "SELECT count(*) FROM $_", 'permission denied for table visit', "without SELECT on the source, no $_") foreach @views;
# Views run as who reads them, whatever stands before them; what is stored does not.
works('analyst', q{
	CREATE VIEW sales.evaluation AS TABLE buying.evaluation;
	CREATE MATERIALIZED VIEW sales.calibration AS TABLE buying.calibration;
	GRANT USAGE ON SCHEMA sales TO bi;
	GRANT SELECT ON sales.evaluation, sales.calibration TO bi}, '', 'the owner makes a view and a materialized view of views');
refused('bi', 'TABLE sales.evaluation', 'permission denied for table visit', 'a view in between needs the same');
works('bi', 'SELECT count(*) FROM sales.calibration', '20', 'a materialized view does not');
works('analyst', 'GRANT SELECT ON sales.visit TO bi', '', 'SELECT is granted');
works('bi', "SELECT count(*) > 0 FROM $_", 't', "with it, $_") foreach @views;
works('bi', 'SELECT count(*) > 0 FROM sales.visit v WHERE buying.score(v) > 0.5', 't', 'and a list of leads');
refused('bi', q{CALL socrec.refit('buying')}, 'cannot execute', 'a read-only role refits nothing');

# Row-level security is the reader's.
works('analyst', q{
	ALTER TABLE sales.visit ENABLE ROW LEVEL SECURITY;
	CREATE POLICY few ON sales.visit FOR SELECT TO bi USING (id <= 100)}, '', 'a policy');
works('bi', 'SELECT sum(n) FROM buying.evaluation', '100', 'views show what the reader may see');
works('analyst', 'SELECT sum(n) FROM buying.evaluation; ALTER TABLE sales.visit DISABLE ROW LEVEL SECURITY', '2000', 'and all of it to the owner');

# A scheduled job runs as a role of its own.
refused('job', q{CALL socrec.refit('buying')}, 'must be owner of model buying', 'a job that is not the owner refits nothing');
refused('job', q{CALL socrec.rollback('buying')}, 'must be owner of model buying', 'nor rolls back');
refused('job', q{SELECT socrec.drop_model('buying')}, 'must be owner of model buying', 'nor drops');
refused('job', q{CREATE OR REPLACE FUNCTION buying.score(target anyelement) RETURNS float8 LANGUAGE sql RETURN 1}, 'permission denied for schema buying', 'nor replaces score');
refused('job', q{UPDATE buying.coefficient SET estimate = 0}, 'permission denied for table coefficient', 'nor writes estimates');
works('administrator', 'GRANT analyst TO job', '', 'it becomes a member of the owner');
works('job', q{CALL socrec.refit('buying'); SELECT version FROM socrec.model WHERE name = 'buying'}, '2', 'and refits');
works('deputy', q{CALL socrec.rollback('buying'); SELECT version FROM socrec.model WHERE name = 'buying'}, '1', 'as any member rolls back');
works('administrator', q{CALL socrec.refit('buying'); SELECT version FROM socrec.model WHERE name = 'buying'}, '3', 'so does a superuser');
is($node->safe_psql('shop', q{SELECT count(*) FROM pg_proc WHERE pronamespace = 'buying'::regnamespace AND (prosecdef OR proowner <> 'analyst'::regrole)}), '0',
	'whoever refits, functions stay the owner\'s, and run as their caller');
works('analyst', q{BEGIN; CALL socrec.refit('buying'); ROLLBACK; SELECT version FROM socrec.model WHERE name = 'buying'}, '3', 'a refit that is undone was none');

# All that a model says, as a line of text.
my $answers = q{
	SET extra_float_digits = 1;
	SELECT md5(string_agg(concat_ws(' ', buying.score(v), coloring.score(v)::text, coloring.predict_class(v), choosing.score(v)), ' ' ORDER BY id)) FROM sales.visit v;
	SELECT md5(string_agg(e::text, ' ' ORDER BY e::text)) FROM (SELECT * FROM sales.visit WHERE id <= 50) v, buying.explain(v) e;
	SELECT md5(string_agg(c::text, ' ' ORDER BY id)) FROM buying.coefficient c;
	SELECT round(log_loss::numeric, 9) FROM buying.evaluation ORDER BY held_out;
	SELECT round(log_loss::numeric, 9) FROM coloring.evaluation;
	SELECT round(log_loss::numeric, 9) FROM choosing.evaluation};
my $expected = run_as('analyst', $answers);

# The owner, no superuser, dumps and restores.
my $dump = $node->basedir . '/shop.dump';
my @owner = ('-U', 'analyst');
command_ok([ 'pg_dump', @owner, '-Fc', '-f', $dump, $node->connstr('shop') ], 'the owner dumps');
command_ok([ 'pg_restore', @owner, '-e', '-d', $node->connstr('copy'), $dump ], 'and restores');
is(run_as('analyst', $answers, 'copy'), $expected, 'models answer as before');
is(run_as('bi', 'SELECT count(*) FROM buying.evaluation', 'copy'), '2', 'readers read as before');
is(run_as('analyst', q{SELECT name, target_column, method, version, rating_count, staleness FROM socrec.models ORDER BY 1}, 'copy'),
	run_as('analyst', q{SELECT name, target_column, method, version, rating_count, staleness FROM socrec.models ORDER BY 1}), 'the list of models is the same');
my $catalog = q{
	SELECT p.proname, p.provolatile, p.proparallel, p.procost, p.prorows, p.proacl, obj_description(p.oid, 'pg_proc') FROM pg_proc p WHERE p.pronamespace = 'buying'::regnamespace ORDER BY 1;
	SELECT c.relname, c.reloptions, c.relacl, obj_description(c.oid, 'pg_class') FROM pg_class c WHERE c.relnamespace = 'buying'::regnamespace AND c.relkind IN ('r', 'v') ORDER BY 1};
is(run_as('analyst', $catalog, 'copy'), run_as('analyst', $catalog), 'so are options, grants and comments');
is(run_as('analyst', q{CALL socrec.rollback('buying'); SELECT version FROM socrec.model WHERE name = 'buying'}, 'copy'), '1', 'a version kept before the dump comes back');
is(run_as('analyst', q{CALL socrec.refit('buying'); CALL socrec.refit('coloring'); CALL socrec.refit('choosing');
	SELECT name, version FROM socrec.model ORDER BY 1}, 'copy'), "buying|4\nchoosing|2\ncoloring|2", 'all are refitted');
is(run_as('analyst', q{SELECT count(socrec.drop_model(name, "cascade" => true)) FROM socrec.models}, 'copy'), '3', 'and dropped');
# One schema alone is the model without its row in the registry.
command_ok([ 'pg_dump', @owner, '-n', 'buying', '-f', $dump, $node->connstr('shop') ], 'one model is dumped');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', @owner, '-f', $dump, '-d', $node->connstr('copy') ], 'and restored');
is(run_as('analyst', q{SELECT buying.score(v) BETWEEN 0 AND 1 FROM sales.visit v LIMIT 1}, 'copy'), 't', 'it scores');
like(run_as('analyst', q{CALL socrec.refit('buying')}, 'copy'), qr/model "buying" does not exist/, 'to be refitted, it needs its row');
run_as('analyst', "\\copy (SELECT * FROM socrec.model WHERE name = 'buying') TO '$dump'");
run_as('analyst', "\\copy socrec.model FROM '$dump'", 'copy');
is(run_as('analyst', q{CALL socrec.refit('buying'); SELECT version FROM socrec.model WHERE name = 'buying'}, 'copy'), '4', 'then it is refitted');

# A replica scores and shows; it does not fit.
my $replica = PostgreSQL::Test::Cluster->new('replica');
$node->backup('base');
$replica->init_from_backup($node, 'base', has_streaming => 1);
$replica->start;
$node->wait_for_catchup($replica);
is($replica->safe_psql('shop', $answers, extra_params => [@owner]), $expected, 'a replica answers as its primary');
like(($replica->psql('shop', q{CALL socrec.refit('buying')}, extra_params => [@owner]))[2], qr/cannot execute .* in a read-only transaction|cannot execute .* during recovery/,
	'a replica refits nothing');
run_as('analyst', q{UPDATE sales.visit SET buys = NOT buys; CALL socrec.refit('buying')});
$node->wait_for_catchup($replica);
is($replica->safe_psql('shop', $answers, extra_params => [@owner]), run_as('analyst', $answers), 'and a refit reaches it');
$replica->stop;

# A refit that is stopped, in the middle of it, leaves the former model.
$expected = run_as('analyst', $answers);
run_as('analyst', q{CREATE FUNCTION sales.slow(float8) RETURNS float8 LANGUAGE plpgsql COST 10000 AS 'BEGIN PERFORM pg_sleep(0.001); RETURN $1; END'});
is(run_as('analyst', q{SELECT name FROM socrec.create_behavior_model('slow', 'SELECT sales.slow(a) AS a, c, buys FROM sales.visit WHERE id <= 20', 'buys')}), 'slow', 'a slow model');
my $former = run_as('analyst', 'SELECT string_agg(c::text, chr(10) ORDER BY id) FROM slow.coefficient c');
run_as('administrator', q{CREATE OR REPLACE FUNCTION sales.slow(float8) RETURNS float8 LANGUAGE plpgsql COST 10000 AS 'BEGIN PERFORM pg_sleep(10); RETURN $1; END'});
my $start = time;
like(run_as('analyst', q{SET statement_timeout = '300ms'; CALL socrec.refit('slow')}), qr/canceling statement due to statement timeout/, 'a refit runs into a timeout');
cmp_ok(time - $start, '<', 5, 'soon');
is(run_as('analyst', 'SELECT string_agg(c::text, chr(10) ORDER BY id) FROM slow.coefficient c'), $former, 'and leaves the former fit');
is(run_as('analyst', q{SELECT version FROM socrec.model WHERE name = 'slow'}), '1', 'and its number');
my $refitting = $node->background_psql('shop', extra_params => [@owner], on_error_stop => 0);
$refitting->query_until(qr/begun/, "\\echo begun\nCALL socrec.refit('slow');\n");
ok($node->poll_query_until('shop', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'CALL%' AND wait_event = 'PgSleep'}), 'another is at work');
# Others score, read the evaluation of other models, and list models meanwhile.
is(run_as('analyst', $answers), $expected, 'other models answer meanwhile');
is(run_as('analyst', q{SELECT slow.score(r) > 0 FROM (SELECT 0.1 AS a, 'x' AS c) r}), 't', 'so does the former fit');
$node->safe_psql('shop', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL%' AND pid <> pg_backend_pid()});
ok($node->poll_query_until('shop', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE 'CALL%' AND state = 'active' AND pid <> pg_backend_pid()}), 'until it is canceled');
eval { $refitting->quit };
is(run_as('analyst', q{SELECT version FROM socrec.model WHERE name = 'slow'}), '1', 'which leaves the former version too');

# Models change hands, and go with their owner.
run_as('administrator', q{REVOKE analyst FROM job, deputy; REASSIGN OWNED BY analyst TO heir});
refused('analyst', q{CALL socrec.refit('buying')}, 'must be owner of model buying', 'who has given a model away refits it no more');
works('heir', q{CALL socrec.refit('buying'); SELECT owner FROM socrec.models WHERE name = 'buying'}, 'heir', 'the new owner does');
$node->safe_psql('shop', q{DROP OWNED BY heir CASCADE});
is($node->safe_psql('shop', q{SELECT count(*) FROM pg_namespace WHERE nspname IN ('buying', 'coloring')}), '0', 'models go with what their owner has');
$node->stop;
done_testing();
