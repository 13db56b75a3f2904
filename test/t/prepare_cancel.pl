# Creating and refreshing ratings end soon after they are cancelled, or are
# refused when the core does not fit into maintenance_work_mem, and leave nothing
# behind: the old ratings and the log of changes stay as they were.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use lib dirname(__FILE__);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Process;
use Test::More;
use Time::HiRes qw(sleep time);

# Seconds from the wish to cancel until the session is free.  Interrupts are
# looked for every few milliseconds; the rest is for a busy machine.
my $patience = 1;

my $node = PostgreSQL::Test::Cluster->new('cancel');
$node->init;
# Shared buffers count as a process's own memory once it has touched them.
$node->append_conf('postgresql.conf', "shared_buffers = '2MB'\nmaintenance_work_mem = '256MB'\nmax_wal_size = '1GB'\njit = off\nautovacuum = off");
$node->start;
$node->safe_psql(
    'postgres', q{
    CREATE EXTENSION socrec;
    CREATE TABLE event (user_id integer, item_id integer, at text);
    INSERT INTO event SELECT n % 100, n % 77, '2026-01-01' FROM generate_series(1, 20000) n;
    SELECT count(*) FROM socrec.create_ratings('plain', 'event', time_column => 'at');
    SELECT count(*) FROM socrec.create_ratings('log', 'event', time_column => 'at', options => '{"incremental": true, "min_user_ratings": 2}');
});
my $state_query = q{
    SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM plain.pair t;
    SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM plain.rating t;
    SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM log.pair t;
    SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM log.rating t;
    SELECT sum(change), count(*) FROM log.change;
    SELECT r::text FROM socrec.rating_set r ORDER BY r.name;
    SELECT 'relations', count(*) FROM pg_class;
    SELECT 'schemas', count(*) FROM pg_namespace WHERE nspname !~ '^pg_t';
    SELECT 'functions', count(*) FROM pg_proc;
    SELECT 'triggers', count(*) FROM pg_trigger;
    SELECT 'temporary files', count(*) FROM pg_ls_tmpdir();
};
# 150,000 events of as many pairs: a second of work.
$node->safe_psql('postgres', q{
    INSERT INTO event SELECT 1000 + n % 30011, n % 20011, '2026-01-01 10:00:' || n % 60 FROM generate_series(1, 150000) n;
    ANALYZE event});
my $state = $node->safe_psql('postgres', $state_query);

my %command = (
    create => q{SELECT socrec.create_ratings('unfinished', 'event', time_column => 'at', options => '{"min_user_ratings": 2}')},
    create_incremental => q{SELECT socrec.create_ratings('unfinished', 'event', time_column => 'at', options => '{"incremental": true}')},
    dry_run => q{SELECT socrec.create_ratings('unfinished', 'event', time_column => 'at', dry_run => true)},
    refresh => q{SELECT socrec.refresh_ratings('plain')},
    refresh_incremental => q{SELECT socrec.refresh_ratings('log')},
    core => q{SELECT count(*) FROM socrec.rating_core('SELECT DISTINCT user_id, item_id FROM event', NULL::integer, NULL::integer, 3, 3)});

my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query('SELECT pg_backend_pid()');
foreach my $what (sort keys %command)
{
    # How long it takes, undone.
    my $start = time;
    $session->query("BEGIN; $command{$what}; ROLLBACK");
    my $duration = time - $start;

    foreach my $share (15, 50)
    {
        my ($took, $error);
        $session->{stderr} = '';
        $session->query_until(qr/started/, "\\echo started\nBEGIN; $command{$what};\n");
        sleep $duration * $share / 100;
        $node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
        $start = time;
        $session->query('SELECT 1');
        $took = time - $start;
        my $ended = $session->{stderr} !~ /ERROR/;
        $session->query($ended ? 'ROLLBACK' : 'COMMIT');
        SKIP:
        {
            # The machine was faster this time.
            skip "$what ended before it was cancelled", 2 if $ended;
            like($session->{stderr}, qr/ERROR:  canceling statement due to user request/, "$what at $share %: PostgreSQL's own error");
            cmp_ok($took, '<', $patience, "$what at $share %: cancelled at once");
        }
        is($node->safe_psql('postgres', $state_query), $state, "$what at $share %: nothing is left, nothing has changed");
    }
}
$session->quit;

# The core of 150,000 pairs takes 3 MB and more.
foreach my $what (qw(core create refresh_incremental))
{
    foreach my $limit (1, 2)
    {
        $session = $node->background_psql('postgres', on_error_stop => 0);
        $session->query("SET maintenance_work_mem = '${limit}MB'; SET work_mem = '64kB'");
        $session->query(q{SELECT count(*) FROM socrec.rating_core('SELECT 1, 2', NULL::integer, NULL::integer, 2, 2); SELECT count(*) FROM event});
        my $before = peak_memory($session->query('SELECT pg_backend_pid()'));
        $session->{stderr} = '';
        $session->query($command{$what});
        like($session->{stderr}, qr/ERROR:  \S.* needs at least \d+ MB of memory, maintenance_work_mem allows $limit MB\n.*HINT:  Raise maintenance_work_mem/s,
            "$what under $limit MB: refused");
        my $after = peak_memory($session->query('SELECT pg_backend_pid()'));
        $session->quit;
        SKIP:
        {
            # What creates and refreshes has the executor's memory besides.
            last SKIP if $what ne 'core';
            skip 'peak memory is not known', 1 if !defined $before || !defined $after;
            cmp_ok($after - $before, '<', $limit + 5, "$what under $limit MB: refused before it is taken");
        }
        is($node->safe_psql('postgres', $state_query), $state, "$what under $limit MB: nothing is left, nothing has changed");
    }
}

# And nothing keeps a refresh from working now.
$node->safe_psql('postgres', q{SELECT count(*) FROM socrec.refresh_ratings('plain'); SELECT count(*) FROM socrec.refresh_ratings('log')});
is($node->safe_psql('postgres', 'SELECT count(*) > 100000 FROM plain.rating; SELECT count(*) FROM (TABLE log.pair EXCEPT TABLE plain.pair) d'),
    "t\n0", 'the refresh that was cancelled works');

$node->stop;
done_testing();
