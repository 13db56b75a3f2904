# Models that track changes, in operation: who writes ratings needs no right on the
# log; dumps, crashes, replicas and subscribers; a refresh that is cancelled or finds
# no memory leaves the old model and the log.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 'logical');
$node->append_conf('postgresql.conf', "wal_level = logical\nmaintenance_work_mem = '256MB'");
$node->start;
my $create_table = 'CREATE TABLE seen (user_id integer, item_id integer, PRIMARY KEY (user_id, item_id))';
my $options = q{'{"track_changes": true, "holdout": 0, "k": 10}'};
$node->safe_psql(
	'postgres', qq{
	CREATE EXTENSION socrec;
	CREATE ROLE owner LOGIN;
	CREATE ROLE writer LOGIN;
	CREATE ROLE reader LOGIN;
	GRANT CREATE ON DATABASE postgres TO owner;
	GRANT CREATE ON SCHEMA public TO owner;
	SET ROLE owner;
	$create_table;
	INSERT INTO seen SELECT u, i FROM generate_series(1, 1000) u, generate_series(1, 60) i WHERE hashint8(u * 1000 + i) & 1023 < 9000 / (i + 20);
	SELECT name FROM socrec.create_model('films', 'seen', rating_column => NULL, options => $options);
	GRANT USAGE ON SCHEMA films TO reader;
	GRANT SELECT ON seen TO reader;
	GRANT INSERT, DELETE ON seen TO writer;
});

# All that a refresh brings up to date, against a model that is fitted to the same.
my $compare = qq{
	SELECT name FROM socrec.create_model('fresh', 'seen', rating_column => NULL, options => $options) \\gset
	SELECT (SELECT count(*) FROM films.item) = (SELECT count(*) FROM fresh.item),
		bool_and((i.id, i.rating_count) = (f.id, f.rating_count) AND abs(i.norm - f.norm) < 1e-9),
		(SELECT max(abs(a.weight - b.weight)) < 1e-5 FROM films.item i, socrec.svec_unnest(i.neighbors) a,
			LATERAL (SELECT socrec.svec_get(f.neighbors, a.id) AS weight FROM fresh.item f WHERE f.id = i.id) b),
		(SELECT f.rating_count = count(*) FROM films.fit f, seen s GROUP BY f.rating_count)
	FROM films.item i LEFT JOIN fresh.item f USING (item_id);
	SELECT socrec.drop_model('fresh') \\gset
};

sub check_fresh
{
	my ($server, $test) = @_;
	$server->safe_psql('postgres', q{CALL socrec.refresh('films')});
	is($server->safe_psql('postgres', $compare), 't|t|t|t', $test);
}

# ------------------------------------------------------------------
# Rights
# ------------------------------------------------------------------

$node->safe_psql('postgres', 'INSERT INTO seen VALUES (7, 70), (1001, 70)', extra_params => [ '-U', 'writer' ]);
is($node->safe_psql('postgres', 'SELECT count(*) FROM films.change'), 2, 'a writer fills the log');
foreach my $role ('writer', 'reader')
{
	foreach my $relation ('change', 'rating_change', 'candidate')
	{
		my ($status, $output, $error) = $node->psql('postgres', "TABLE films.$relation", extra_params => [ '-U', $role ]);
		like($error, qr/permission denied/, "$role: no $relation");
	}
	my ($status, $output, $error) = $node->psql('postgres', q{CALL socrec.refresh('films')}, extra_params => [ '-U', $role ]);
	like($error, qr/must be owner of model films/, "$role: no refresh");
}
$node->safe_psql('postgres', q{CALL socrec.refresh('films')}, extra_params => [ '-U', 'owner' ]);
check_fresh($node, 'the owner refreshes');
like($node->safe_psql('postgres', 'SELECT item_id FROM films.similar_items(70, 1)', extra_params => [ '-U', 'reader' ]), qr/^\d+$/, 'a new item has neighbors');

# ------------------------------------------------------------------
# Nothing is lost when a refresh fails
# ------------------------------------------------------------------

my $state = q{SELECT md5(string_agg(i::text, '|' ORDER BY i.id)), (SELECT count(*) FROM films.change) FROM films.item i;
	SELECT md5(string_agg(c::text, '|' ORDER BY c.id)) FROM films.candidate c; TABLE films.tracked; SELECT fitted_at FROM socrec.model};
$node->safe_psql('postgres', 'DELETE FROM seen WHERE user_id = 3');
my $before = $node->safe_psql('postgres', $state);
my ($status, $output, $error) = $node->psql('postgres', q{
	BEGIN;
	INSERT INTO seen SELECT u, i FROM generate_series(2001, 5000) u, generate_series(1, 50) i;
	SET maintenance_work_mem = '1MB';
	CALL socrec.refresh('films')});
like($error, qr/fitting needs at least \d+ MB of memory/, 'refused without memory');
is($node->safe_psql('postgres', $state), $before, 'and the old model, the log and what is kept stay');
($status, $output, $error) = $node->psql('postgres', q{
	BEGIN;
	LOCK TABLE films.item IN SHARE MODE;
	SET statement_timeout = '1ms';
	CALL socrec.refresh('films');});
like($error, qr/canceling statement due to statement timeout/, 'cancelled');
is($node->safe_psql('postgres', $state), $before, 'and all stays');
# What is kept was tampered with: a full search, and the right result.
$node->safe_psql('postgres', 'UPDATE films.candidate SET others = others[2:] WHERE id = 1; UPDATE films.candidate SET id = 99999 WHERE id = 2');
check_fresh($node, 'what is stored does not fit');
$node->safe_psql('postgres', 'DELETE FROM seen WHERE user_id = 4; UPDATE films.candidate SET others[1] = -5, norm = 1e300 WHERE id = 3');
check_fresh($node, 'numbers that are none');

# ------------------------------------------------------------------
# Dump and restore, crash, replica, subscriber
# ------------------------------------------------------------------

$node->safe_psql('postgres', 'DELETE FROM seen WHERE user_id = 5');
my $dump = "$PostgreSQL::Test::Utils::tmp_check/films.sql";
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'dump');
my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init;
$restored->start;
$restored->safe_psql('postgres', 'CREATE ROLE owner; CREATE ROLE writer; CREATE ROLE reader');
$restored->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $restored->connstr('postgres') ], 'restore');
is($restored->safe_psql('postgres', 'SELECT count(*) > 0 FROM films.change'), 't', 'the log is restored');
$restored->safe_psql('postgres', 'INSERT INTO seen VALUES (9, 71)');
check_fresh($restored, 'a restored model follows its source');
$restored->stop;

check_fresh($node, 'refreshed before a crash');
$node->safe_psql('postgres', 'INSERT INTO seen VALUES (9, 71), (8, 71)');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM films.candidate), (SELECT count(*) FROM films.change), (SELECT count(*) FROM films.tracked)'), '0|0|0',
	'after a crash nothing is known of changes');
check_fresh($node, 'refreshed after a crash');

my $replica = PostgreSQL::Test::Cluster->new('replica');
$node->backup('base');
$replica->init_from_backup($node, 'base', has_streaming => 1);
$replica->start;
$node->safe_psql('postgres', q{INSERT INTO seen VALUES (11, 72), (12, 72); CALL socrec.refresh('films'); INSERT INTO seen VALUES (13, 72)});
$node->wait_for_catchup($replica, 'replay', $node->lsn('insert'));
my $answers = q{SELECT * FROM films.similar_items(72); SELECT * FROM films.recommend(11); SELECT rating_count FROM films.fit};
is($replica->safe_psql('postgres', $answers), $node->safe_psql('postgres', $answers), 'a replica shows a refreshed model');
($status, $output, $error) = $replica->psql('postgres', q{CALL socrec.refresh('films')});
like($error, qr/read-only transaction/, 'a replica does not refresh');
$replica->promote;
check_fresh($replica, 'a promoted replica does');
$replica->stop;

my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(allows_streaming => 'logical');
$subscriber->start;
my $source = $node->connstr . ' dbname=postgres';
$node->safe_psql('postgres', 'CREATE PUBLICATION seen FOR TABLE seen');
$subscriber->safe_psql('postgres', qq{
	CREATE EXTENSION socrec;
	$create_table;
	SELECT name FROM socrec.create_model('films', 'seen', rating_column => NULL, options => $options);
	CREATE SUBSCRIPTION seen CONNECTION '$source' PUBLICATION seen});
$subscriber->poll_query_until('postgres', q{SELECT bool_and(srsubstate IN ('r', 's')) FROM pg_subscription_rel}) or die 'the first copy does not end';
check_fresh($subscriber, 'a subscriber refreshes what was copied');
$node->safe_psql('postgres', 'INSERT INTO seen VALUES (14, 73), (15, 73); DELETE FROM seen WHERE user_id = 16');
$node->wait_for_catchup('seen');
is($subscriber->safe_psql('postgres', 'SELECT count(DISTINCT user_id) FROM films.change'), 3, 'what arrives is logged');
check_fresh($subscriber, 'and refreshed');

$_->stop foreach $subscriber, $node;
done_testing();
