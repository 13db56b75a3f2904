# A long fit tells how far it is, ends soon after it is cancelled, and leaves
# nothing behind: the old model stays as it was.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

# Seconds from the wish to cancel until the session is free.  A fit looks for
# interrupts every few milliseconds; the rest is for a busy machine.
my $patience = 1;

my $node = PostgreSQL::Test::Cluster->new('cancel');
$node->init;
$node->append_conf('postgresql.conf', "maintenance_work_mem = '1GB'\nmax_wal_size = '1GB'");
$node->start;
$node->safe_psql(
    'postgres', q{
    CREATE EXTENSION socrec;
    CREATE UNLOGGED TABLE ratings (user_id integer, item_id integer, rating real);
    INSERT INTO ratings SELECT u, i, 1 + (u * i) % 5 FROM generate_series(1, 40) u, generate_series(1, 40) i WHERE (u * 7 + i * 13) % 5 < 3;
    SELECT name FROM socrec.create_model('films', 'ratings', options => '{"similarity": "pearson", "center": "none"}');
    SELECT name FROM socrec.create_model('people', 'ratings', method => 'user_knn', options => '{"similarity": "pearson", "center": "none"}');
});

# Everything that a cancelled fit could have changed.
my $state_query = q{
    SELECT md5(string_agg(i::text, '|' ORDER BY i.id)) FROM films.item i;
    SELECT md5(string_agg(n::text, '|' ORDER BY n.id)) FROM people.user_neighbor n;
    SELECT f::text FROM films.fit f;
    SELECT f::text FROM people.fit f;
    SELECT m::text FROM socrec.model m ORDER BY m.name;
    SELECT 'relations', count(*) FROM pg_class;
    SELECT 'schemas', count(*) FROM pg_namespace WHERE nspname !~ '^pg_t';
    SELECT 'functions', count(*) FROM pg_proc;
    SELECT 'temporary files', count(*) FROM pg_ls_tmpdir();
};
my $state = $node->safe_psql('postgres', $state_query);
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

sub check_nothing_left
{
    my ($after) = @_;
    is($node->safe_psql('postgres', $state_query), $state, "$after: the old models, and nothing else");
}

# 2 million ratings of 1500 users, many of each: a fit of some seconds.
$node->safe_psql(
    'postgres', q{
    INSERT INTO ratings
        SELECT u, n + 2500 * (u * n % 2), 1 + (u * 7 + n * 13) % 5
        FROM generate_series(101, 1600) u, generate_series(101, 2500) n
        WHERE (u * 31 + n * n * 17) % 16 < 9;
    ANALYZE ratings;
});

my $session;

sub start_session
{
    $session = $node->background_psql('postgres', on_error_stop => 0);
    $session->query("SET application_name = 'the shop''s own'");
    $session->query('SET work_mem = 64');
    return $session->query('SELECT pg_backend_pid()');
}

# Start a command in the session without waiting for its end.
sub start_command
{
    my ($command) = @_;
    $session->query_until(qr/started/, "\\echo started\n$command;\n");
}

# What other sessions see of the command's progress, as soon as it has come to
# comparing; empty when it ends before.
sub wait_for_progress
{
    my ($pid) = @_;
    my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
    my $running = 0;

    while (time < $deadline)
    {
        my ($state, $name) = split /\|/,
          $node->safe_psql('postgres', "SELECT state, application_name FROM pg_stat_activity WHERE pid = $pid");
        return $name if $name =~ /%/;
        last if $running && $state eq 'idle';
        $running ||= $state eq 'active';
        sleep 0.05;
    }
    return '';
}

# Wait until the command has ended; returns the seconds it took, and the
# messages in between.
sub wait_for_end
{
    my $start = time;

    $session->query('SELECT 1');
    my $took = time - $start;
    my $messages = $session->{stderr};
    $session->{stderr} = '';
    return ($took, $messages);
}

# A fit that ends well; how long it takes sets the limits below.
my $pid = start_session();
my $start = time;
start_command(q{SELECT count(*) FROM socrec.item_neighbors('SELECT user_id, item_id, rating FROM ratings', similarity => 'pearson')});
like(wait_for_progress($pid), qr/^socrec: item neighbors: \d+ % done$/, 'a fit of more than a second shows its progress');
my (undef, $messages) = wait_for_end();
my $duration = time - $start;
my $notices = () = $messages =~ /NOTICE:/g;
unlike($messages, qr/ERROR/, 'a fit left alone succeeds');
cmp_ok($notices, '<=', $duration + 1, 'no more than a notice a second');
is($node->safe_psql('postgres', "SELECT application_name FROM pg_stat_activity WHERE pid = $pid"),
    "the shop's own", 'a session that has fitted has its own name again');

# Progress of both methods, and a fit cancelled by another session.
my %command = (
    'item neighbors' => "CALL socrec.refit('films')",
    'user neighbors' => "SELECT count(*) FROM socrec.user_neighbors('SELECT item_id, user_id, rating FROM ratings', similarity => 'pearson')");

foreach my $what (sort keys %command)
{
    my $command = $command{$what};

    start_command($command);
    like(wait_for_progress($pid), qr/^socrec: $what: \d+ % done$/, "other sessions see the progress of $what");
    $node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
    my ($took, $messages) = wait_for_end();
    cmp_ok($took, '<', $patience, "$what: cancelled at once");
    like($messages, qr/NOTICE:  $what: \d+ % done after \d+ s/, "$what: the session itself is told of its progress");
    like($messages, qr/ERROR:  canceling statement due to user request/, "$what: PostgreSQL's own error");
    is($node->safe_psql('postgres', "SELECT application_name FROM pg_stat_activity WHERE pid = $pid"),
        "the shop's own", "$what: the session has its own name again");
    check_nothing_left("$what, cancelled");
}

# A time limit at several stages: reading, statistics, neighbors.
foreach my $share (2, 10, 25, 60)
{
    my $limit = int($duration * 1000 * $share / 100);

    $session->query("SET statement_timeout = $limit");
    $start = time;
    start_command(q{CALL socrec.refit('films')});
    my (undef, $messages) = wait_for_end();
    cmp_ok(time - $start, '<', $limit / 1000 + $patience, "a refit ends soon after $share % of its time");
    like($messages, qr/ERROR:  canceling statement due to statement timeout/, "$share %: PostgreSQL's own error");
    check_nothing_left("refit, limit at $share %");
}

# A model that is never finished.
$session->query('SET statement_timeout = ' . int($duration * 300));
foreach my $method ('item_knn', 'user_knn')
{
    start_command(
        qq{SELECT socrec.create_model('unfinished', 'ratings', method => '$method',
            options => '{"similarity": "pearson", "center": "none"}')});
    my (undef, $messages) = wait_for_end();
    like($messages, qr/ERROR:  canceling statement due to statement timeout/, "$method: create_model runs into a limit");
    check_nothing_left("create_model, $method");
}

# A caught error gives the name back too.
$session->query("SET statement_timeout = 0");
start_command(q{
    DO $$
    BEGIN
        SET LOCAL maintenance_work_mem = '1GB';
        PERFORM count(*) FROM socrec.item_neighbors('SELECT user_id, item_id, rating FROM ratings', similarity => 'pearson');
    EXCEPTION WHEN query_canceled THEN
        RAISE WARNING 'caught';
    END $$});
wait_for_progress($pid);
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
my (undef, $caught) = wait_for_end();
like($caught, qr/WARNING:  caught/, 'a function can catch the cancellation');
is($node->safe_psql('postgres', "SELECT application_name FROM pg_stat_activity WHERE pid = $pid"),
    "the shop's own", 'and has its own name again');

# A terminated session.
start_command(q{CALL socrec.refit('films')});
wait_for_progress($pid);
$start = time;
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
cmp_ok(time - $start, '<', $patience, 'a terminated session ends at once');
check_nothing_left('terminated');
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server runs on');
unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC|TRAP/, 'no crash');
eval { $session->{run}->finish };

# And nothing keeps a refit from working now.
$node->safe_psql('postgres', q{DELETE FROM ratings WHERE user_id > 100; CALL socrec.refit('films'); CALL socrec.refit('people')});
is( $node->safe_psql('postgres', 'SELECT md5(string_agg(i::text, \'|\' ORDER BY i.id)) FROM films.item i'),
    (split /\n/, $state)[0],
    'the same ratings give the same model again');

$node->stop;
done_testing();
