# A physical replica shows ratings and their report, and refuses to write them;
# what is written on the primary, and its refresh, arrive there.  A subscriber
# of logical replication logs the changes that arrive as any others.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 'logical');
$primary->start;
my $create_tables = q{
    CREATE TABLE event (id integer PRIMARY KEY, user_id integer, item_id text);
    CREATE TABLE parted (id integer, user_id integer, item_id integer, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (100);
    CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (100) TO (1000);
};
$primary->safe_psql(
    'postgres', qq{
    CREATE EXTENSION socrec;
    $create_tables
    INSERT INTO event SELECT n, n % 9, 'item ' || n * n % 13 FROM generate_series(1, 300) n;
    INSERT INTO parted SELECT n, n % 9, n % 5 FROM generate_series(1, 300) n;
    CREATE ROLE reader LOGIN;
    GRANT SELECT ON event TO reader;
    SELECT count(*) FROM socrec.create_ratings('log', 'event', options => '{"incremental": true, "min_item_ratings": 2}');
    SELECT count(*) FROM socrec.create_ratings('seen', 'event', storage => 'view', options => '{"min_item_ratings": 2}');
    GRANT USAGE ON SCHEMA log, seen TO reader;
    GRANT SELECT ON ALL TABLES IN SCHEMA log, seen TO reader;
});
my $replica = PostgreSQL::Test::Cluster->new('replica');
$primary->backup('base');
$replica->init_from_backup($primary, 'base', has_streaming => 1);
$replica->start;

sub answers
{
    my ($node, @options) = @_;
    return $node->safe_psql('postgres', join('', map { qq{
        SELECT * FROM $_.rating ORDER BY 1, 2;
        SELECT * FROM socrec.prepare_report('$_');
        SELECT * FROM $_.report ORDER BY step, reason;
        SELECT count(*) FROM $_.rejected;
        SELECT name, storage, refreshed_at FROM socrec.rating_set WHERE name = '$_';
    } } qw(log seen)), @options);
}

sub wait_for_replica { $primary->wait_for_catchup($replica, 'replay', $primary->lsn('insert')) }

wait_for_replica();
my $answers = answers($primary);
like($answers, qr/^8\|item /m, 'there are ratings');
is(answers($replica), $answers, 'a replica gives the same answers');
is(answers($replica, extra_params => [ '-U', 'reader' ]), $answers, 'to a reader too');
foreach my $command ("socrec.refresh_ratings('log')", "socrec.drop_ratings('log')", "socrec.create_ratings('more', 'event')",
    "socrec.create_ratings('more', 'event', dry_run => true)")
{
    my ($status, $output, $error) = $replica->psql('postgres', "\\set VERBOSITY verbose\nSELECT $command");
    like($error, qr/ERROR:  25006: cannot execute .* in a read-only transaction/, "replica: no $command");
}

$primary->safe_psql('postgres', "INSERT INTO event VALUES (1001, 1, 'item 0'), (1002, 77, 'item 0'); DELETE FROM event WHERE id < 20");
wait_for_replica();
isnt(answers($replica), $answers, 'the view shows new events on the replica');
is($replica->safe_psql('postgres', 'SELECT sum(change), count(*) FROM log.change'), '-17|21', 'the log arrives');
$primary->safe_psql('postgres', q{SELECT count(*) FROM socrec.refresh_ratings('log')});
wait_for_replica();
is(answers($replica), answers($primary), 'a refresh arrives');
is($replica->safe_psql('postgres', 'SELECT count(*) FROM (TABLE log.rating EXCEPT TABLE seen.rating) d'), 0, 'the table is as the view');
$replica->promote;
$replica->safe_psql('postgres', q{DELETE FROM event WHERE user_id = 3; SELECT count(*) FROM socrec.refresh_ratings('log')});
is($replica->safe_psql('postgres', 'SELECT count(*) FROM (TABLE log.rating EXCEPT TABLE seen.rating) d'), 0, 'a promoted replica refreshes');

# A subscriber has ratings of its own.
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(allows_streaming => 'logical');
$subscriber->start;
my $source = $primary->connstr . ' dbname=postgres';
$primary->safe_psql('postgres', 'CREATE PUBLICATION events FOR TABLE event, parted');
$subscriber->safe_psql('postgres', qq{
    CREATE EXTENSION socrec;
    $create_tables
    SELECT count(*) FROM socrec.create_ratings('log', 'event', options => '{"incremental": true}');
    SELECT count(*) FROM socrec.create_ratings('parts', 'parted', options => '{"incremental": true}');
});
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION events CONNECTION '$source' PUBLICATION events");
$subscriber->poll_query_until('postgres', q{SELECT bool_and(srsubstate IN ('r', 's')) FROM pg_subscription_rel})
  or die 'the first copy does not end';

sub check_subscriber
{
    my ($what, $logged) = @_;
    $primary->wait_for_catchup('events');
    is($subscriber->safe_psql('postgres', 'SELECT (SELECT count(*) FROM log.change), (SELECT count(*) FROM parts.change)'), $logged, "$what: logged")
      if defined $logged;
    $subscriber->safe_psql('postgres', "SELECT count(*) FROM socrec.refresh_ratings('log'); SELECT count(*) FROM socrec.refresh_ratings('parts')");
    is($subscriber->safe_psql('postgres', q{
            SELECT 'log', user_id, item_id, count(*) FROM event GROUP BY 1, 2, 3
            EXCEPT SELECT 'log', user_id, item_id, events FROM log.rating;
            SELECT 'parts', user_id, item_id, count(*) FROM parted GROUP BY 1, 2, 3
            EXCEPT SELECT 'parts', user_id, item_id, events FROM parts.rating;
            SELECT (SELECT count(*) > 20 FROM log.rating), (SELECT sum(events) FROM log.rating) = (SELECT count(*) FROM event),
                (SELECT coalesce(sum(events), 0) FROM parts.rating) = (SELECT count(*) FROM parted)}),
        't|t|t', "$what: refreshed");
}
my $rows = $primary->safe_psql('postgres', 'SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM parted)');
check_subscriber('first copy', $rows);
$primary->safe_psql('postgres', q{
    INSERT INTO event VALUES (2001, 1, 'item 2'), (2002, 88, 'item 3');
    UPDATE event SET item_id = 'item 4' WHERE id IN (100, 101);
    DELETE FROM event WHERE id IN (102, 103, 104);
    INSERT INTO parted VALUES (901, 2, 2);
    UPDATE parted SET item_id = 7 WHERE id = 50;
    DELETE FROM parted WHERE id = 150});
check_subscriber('changes', '9|4');
# And what is written on the subscriber itself is logged once.
$subscriber->safe_psql('postgres', q{
    INSERT INTO event VALUES (3001, 1, 'item 2');
    UPDATE event SET item_id = 'item 5' WHERE id = 105;
    SET session_replication_role = replica;
    INSERT INTO event VALUES (3002, 1, 'item 2');
    INSERT INTO parted VALUES (902, 2, 2)});
check_subscriber('own changes', '4|1');
$primary->safe_psql('postgres', 'TRUNCATE event, parted; INSERT INTO event SELECT n, n, n FROM generate_series(1, 30) n');
check_subscriber('truncation');

$_->stop foreach $subscriber, $replica, $primary;
done_testing();
