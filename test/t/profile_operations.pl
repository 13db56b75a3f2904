# Profiles outlive what a database goes through: pg_dump and restore (tables,
# views, the log of changes and its triggers), a replica that can only be read,
# and a refresh or a creation that is cancelled half way.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "timezone = 'UTC'\njit = off\nautovacuum = off");
$node->start;

$node->safe_psql('postgres', q{
	CREATE EXTENSION socrec;
	CREATE TABLE event (user_id text, item_id uuid, amount numeric, at timestamptz);
	INSERT INTO event SELECT 'u' || n % 97, md5((n * n % 101)::text)::uuid, n % 13, timestamptz '2026-01-01' + n * interval '7 minutes' FROM generate_series(1, 5000) n;
	CREATE INDEX ON event (user_id);
	CREATE TABLE topic (item_id uuid, topic text);
	INSERT INTO topic SELECT md5(n::text)::uuid, 'topic ' || n % 9 FROM generate_series(0, 100) n;
	CREATE TABLE parted (user_id integer, item_id integer) PARTITION BY LIST (user_id);
	CREATE TABLE parted_one PARTITION OF parted FOR VALUES IN (1);
	CREATE TABLE parted_two PARTITION OF parted FOR VALUES IN (2);
	INSERT INTO parted SELECT 1 + n % 2, n FROM generate_series(1, 10) n});
my $arguments = q{'event', value_column => 'amount', time_column => 'at', categories => 'topic', category_column => 'topic'};
$node->safe_psql('postgres', qq{
	SELECT socrec.create_profiles('stored', $arguments, options => '{"incremental": true, "as_of": "2026-02-01", "half_life": "9 days"}');
	SELECT socrec.create_profiles('wide "open"', $arguments, storage => 'view', options => '{"as_of": "2026-02-01"}');
	SELECT socrec.create_profiles('parts', 'parted', options => '{"incremental": true}');
	SELECT socrec.segment_users('stored', 3)});
# Changed, but not refreshed when it is dumped.
$node->safe_psql('postgres', q{
	DELETE FROM event WHERE user_id = 'u5';
	UPDATE event SET amount = 100 WHERE user_id = 'u6' AND amount = 3;
	TRUNCATE parted_one});

# All that profiles say.  Nine digits of it, as a sum depends on the order in
# which a plan finds its rows.
sub answers
{
	my ($server, $database) = @_;
	return $server->safe_psql($database, q{
		SET extra_float_digits = -6;
		SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t.user_id)) FROM stored.user_profile t;
		SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t.user_id)) FROM "wide ""open""".user_profile t;
		SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t.user_id, t.rank)) FROM stored.user_interest t;
		SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t.id)) FROM stored.item t;
		SELECT string_agg(t.user_id || ' ' || t.events, ', ' ORDER BY t.user_id) FROM parts.user_profile t;
		SELECT string_agg(t::text, ', ' ORDER BY t.segment_id) FROM stored.segment_summary t;
		SELECT md5(string_agg(t::text, '|' ORDER BY t.user_id)) FROM socrec.lookalike_scores('stored', ARRAY['u1', 'u2']) t;
		SELECT count(*), sum(change) FROM stored.change;
		SELECT count(*), md5(string_agg(concat_ws(',', t.name, t.source, t.options), '|' ORDER BY t.name)) FROM socrec.profile_set t});
}

# What a refresh must come to: the same created anew.
my $anew = qq{
	SELECT count(*) FROM socrec.create_profiles('anew', $arguments, options => '{"as_of": "2026-02-01", "half_life": "9 days"}');
	SELECT count(*) FROM (SELECT * FROM stored.user_profile EXCEPT SELECT * FROM anew.user_profile) d;
	SELECT count(*) FROM (SELECT * FROM anew.user_profile EXCEPT SELECT * FROM stored.user_profile) d;
	SELECT socrec.drop_profiles('anew')};

my $before = answers($node, 'postgres');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'the database is dumped');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump ], 'and restored');
is(answers($node, 'restored'), $before, 'profiles are the same after the restore');
for my $database ('postgres', 'restored')
{
	$node->safe_psql($database, q{INSERT INTO event VALUES ('new', md5('3')::uuid, 5, '2026-01-30'); INSERT INTO parted VALUES (2, 77)});
	$node->safe_psql($database, q{SELECT socrec.refresh_profiles('stored'), socrec.refresh_profiles('parts')});
	is($node->safe_psql($database, q{SELECT count(*) FROM stored.user_profile WHERE user_id = 'u5' OR user_id = 'new' AND events = 1}), 1,
		"$database: what was logged before and after the dump is refreshed");
	is($node->safe_psql($database, 'SELECT string_agg(user_id || $$ $$ || events, $$, $$ ORDER BY user_id) FROM parts.user_profile'), '2 6',
		"$database: a partition that was truncated is seen");
	$node->safe_psql($database, q{SELECT socrec.refresh_profiles('stored', relearn => true)});
	is($node->safe_psql($database, $anew), "1\n0\n0\n", "$database: relearned profiles are those made anew");
}

# A replica answers all questions, and can be promoted.
$node->backup('backup');
my $replica = PostgreSQL::Test::Cluster->new('replica');
$replica->init_from_backup($node, 'backup', has_streaming => 1);
$replica->start;
$node->wait_for_catchup($replica);
is(answers($replica, 'postgres'), answers($node, 'postgres'), 'a replica shows the same');
my ($status, $out, $err) = $replica->psql('postgres', q{SELECT socrec.refresh_profiles('stored')});
like($err, qr/read-only transaction/, 'a replica cannot refresh');
$replica->stop;

# Cancelled half way, all is as before.
$node->safe_psql('postgres', q{
	INSERT INTO event SELECT 'v' || n % 20011, md5((n % 30011)::text)::uuid, n % 13, timestamptz '2026-01-01' + n * interval '3 seconds' FROM generate_series(1, 400000) n;
	ANALYZE event});
my $state_query = q{
	SELECT md5(string_agg(t::text, '|' ORDER BY t.user_id)) FROM stored.activity t;
	SELECT count(*), sum(change) FROM stored.change;
	SELECT count(*) FROM pg_class; SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_t'; SELECT count(*) FROM pg_trigger;
	SELECT t::text FROM socrec.profile_set t ORDER BY name};
my $state = $node->safe_psql('postgres', $state_query);
my %command = (
	create => qq{SELECT socrec.create_profiles('unfinished', $arguments)},
	live => q{SELECT count(*) FROM (TABLE "wide ""open""".user_profile UNION ALL TABLE "wide ""open""".user_profile UNION ALL TABLE "wide ""open""".user_profile) p},
	refresh => q{SELECT socrec.refresh_profiles('stored')},
	relearn => q{SELECT socrec.refresh_profiles('stored', relearn => true)},
	kmeans => q{SELECT count(*) FROM socrec.kmeans('SELECT n, n::bigint * 7919 % 10007, n::bigint * 104729 % 10009 FROM generate_series(1, 200000) n', NULL::integer, 50)});
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query('SELECT pg_backend_pid()');
for my $what (sort keys %command)
{
	for my $delay (0.03, 0.15)
	{
		$session->{stdin} .= "$command{$what};\n\\echo stopped\n";
		$session->{run}->pump_nb;
		sleep $delay;
		my $asked = time;
		$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
		$session->{run}->pump until $session->{stdout} =~ /stopped\n/;
		# Interrupts are looked for every few milliseconds; the rest is for a busy machine.
		cmp_ok(time - $asked, '<', 1, "$what ends soon after it is cancelled, $delay s after it began");
		like($session->{stderr}, qr/canceling statement due to user request/, "$what was cancelled");
		$session->{stdout} = $session->{stderr} = '';
		is($node->safe_psql('postgres', $state_query), $state, "$what leaves all as it was");
	}
}
$session->quit;

# Too little memory is said before it is taken.
(my $refused, $out, $err) = $node->psql('postgres', q{SET maintenance_work_mem = '8MB'; SELECT socrec.refresh_profiles('stored', relearn => true)});
like($err, qr/profiling needs at least \d+ MB of memory, maintenance_work_mem allows 8 MB/, 'too little memory is refused');
is($node->safe_psql('postgres', $state_query), $state, 'and nothing is lost');
$node->safe_psql('postgres', q{SELECT socrec.refresh_profiles('stored', relearn => true)});
is($node->safe_psql('postgres', $anew), "1\n0\n0\n", 'after all that a refresh is right');

$node->stop;
done_testing();
