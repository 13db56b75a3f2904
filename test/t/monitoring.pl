# What a model has logged, what it was and what it is compared with survive dump
# and restore, and are read on a replica.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;

my @as_owner = (extra_params => [ '-U', 'modeler' ]);
$primary->safe_psql('postgres', 'CREATE ROLE modeler LOGIN CREATEDB; CREATE ROLE app LOGIN');
$primary->safe_psql('postgres', 'CREATE DATABASE shop', @as_owner);

# Two circles of taste; a click on the first of every list, and half of the seconds.
$primary->safe_psql('shop', q{
    CREATE EXTENSION socrec;
    CREATE TABLE seen (user_id integer, item_id integer, rating real, PRIMARY KEY (user_id, item_id));
    CREATE INDEX ON seen (item_id);
    INSERT INTO seen
        SELECT u, i, 1 + (hashint8extended(u * 1000 + i, 2) & 1) + CASE WHEN u % 2 = i % 2 THEN 3 ELSE 0 END
        FROM generate_series(1, 40) u, generate_series(1, 30) i
        WHERE hashint8extended(u * 1000 + i, 1) & 7 < CASE WHEN u % 2 = i % 2 THEN 6 ELSE 2 END;
    CREATE TABLE click (user_id integer, item_id integer, at timestamptz, value real);
    SELECT name FROM socrec.create_model('films', 'seen', options => '{"holdout": 0.2, "keep_models": 2}');
    SELECT name FROM socrec.create_model('people', 'seen', method => 'user_knn', options => '{"holdout": 0.2, "keep_models": 1}');
    SELECT socrec.track_outcomes('films', 'click', '3 days'), socrec.track_drift('films'), socrec.log_impressions('people');
    GRANT USAGE ON SCHEMA films TO app;
    GRANT SELECT ON seen TO app;
    GRANT INSERT ON films.impression TO app;
}, @as_owner);

my @as_app = (extra_params => [ '-U', 'app' ]);
is($primary->safe_psql('shop', 'SELECT count(*) FROM generate_series(1, 20) u, films.recommend(u, log => true) r', @as_app),
    200, 'a role that may only insert logs lists');
$primary->safe_psql('shop', q{
    INSERT INTO click SELECT user_id, item_id, at + interval '1 hour', 1 + rank FROM films.impression WHERE rank = 1 OR rank = 2 AND user_id % 2 = 0;
    SELECT count(*) FROM people.recommend(3, log => true);
    INSERT INTO seen SELECT user_id + 100, item_id, rating FROM seen WHERE user_id < 10;
    CALL socrec.refit('films');
    CALL socrec.refit('people');
    INSERT INTO seen SELECT user_id + 200, item_id, 1 FROM seen WHERE user_id < 20;
}, @as_owner);

# All that there is to read.
sub answers
{
    my ($node, $database) = @_;
    my @queries = ((map { "SELECT * FROM films.$_" } qw(impression impression_outcome daily_performance daily_error error_drift input_drift
        reference version former_item former_fit)), (map { "SELECT * FROM people.$_" } qw(impression version former_user_neighbor)),
        'SELECT name, version, options FROM socrec.model', 'SELECT * FROM socrec.alerts()');

    return $node->safe_psql($database, "SET extra_float_digits = -6;\n"
        . join('', map { "SELECT '$_', count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM ($_) t;\n" =~ s/SELECT '(.*?)', count/SELECT \$q\$$1\$q\$, count/r } @queries), @as_owner);
}

my $answers = answers($primary, 'shop');
unlike($answers, qr/(impression|outcome|performance|error|drift|reference|version|former_\w+|alerts\(\))\|0\|/, 'everything has rows');

my $folder = PostgreSQL::Test::Utils::tempdir();
$primary->command_ok([ 'pg_dump', '-U', 'modeler', '-Fc', '-f', "$folder/own", $primary->connstr('shop') ], 'dump by the owner, who is no superuser');
$primary->safe_psql('postgres', 'CREATE DATABASE own', @as_owner);
$primary->command_ok([ 'pg_restore', '-U', 'modeler', '--exit-on-error', '-d', $primary->connstr('own'), "$folder/own" ], 'restore by the owner');
$primary->safe_psql('own', 'ANALYZE', @as_owner);
is(answers($primary, 'own'), $answers, 'the same answers after a restore');
is($primary->safe_psql('own', 'SELECT count(*) FROM films.recommend(1, log => true)', @as_app), 10, 'grants are restored');
is( $primary->safe_psql('own', q{
        CALL socrec.rollback('films');
        CALL socrec.rollback('people');
        SELECT name, version FROM socrec.model ORDER BY name;
        CALL socrec.refit('films');
        SELECT version FROM films.version ORDER BY version;
        SELECT films.forget_user(1), people.forget_user(3);
        SELECT (SELECT count(*) FROM films.impression WHERE user_id = 1) + (SELECT count(*) FROM people.impression WHERE user_id = 3)
            + (SELECT count(*) FROM people.user_neighbor WHERE user_id = 3) + (SELECT count(*) FROM people.former_user_neighbor WHERE user_id = 3);
        SELECT socrec.drop_model('films'), socrec.drop_model('people');
        SELECT count(*) FROM pg_namespace WHERE nspname IN ('films', 'people');
    }, @as_owner),
    "films|1\npeople|1\n1\n2\n3\n|\n0\n|\n0", 'rolled back, refitted, users forgotten and dropped after a restore');

# A replica reads it all, and says that it cannot log.
my $replica = PostgreSQL::Test::Cluster->new('replica');
$primary->backup('base');
$replica->init_from_backup($primary, 'base', has_streaming => 1);
$replica->start;
is(answers($replica, 'shop'), $answers, 'a replica gives the same answers');
my ($status, $output, $error) = $replica->psql('shop', 'SELECT * FROM films.recommend(1, log => true)', @as_owner);
like($error, qr/in a read-only transaction/, 'a replica does not log');
($status, $output, $error) = $replica->psql('shop', "CALL socrec.rollback('films')", @as_owner);
like($error, qr/read-only transaction|during recovery/, 'nor does it roll back');

# The first version comes back to a replica as to the primary.
my $list = 'SELECT * FROM films.similar_items(3) ORDER BY 1';
my $second = $primary->safe_psql('shop', $list, @as_owner);
$primary->safe_psql('shop', "CALL socrec.rollback('films')", @as_owner);
my $first = $primary->safe_psql('shop', $list, @as_owner);
isnt($first, $second, 'the versions differ');
$primary->wait_for_catchup($replica, 'replay', $primary->lsn('insert'));
is($replica->safe_psql('shop', $list, @as_owner), $first, 'a replica follows a rollback');

# A crash in the middle of a refit leaves the version that was.
my $before = answers($primary, 'shop');
my $session = $primary->background_psql('shop', on_error_stop => 0);
$session->query_safe(q{BEGIN; CALL socrec.refit('films'); SELECT 1});
$primary->stop('immediate');
$primary->start;
is(answers($primary, 'shop'), $before, 'after a crash all is as it was before the refit');

$replica->stop;
$primary->stop;
done_testing();
