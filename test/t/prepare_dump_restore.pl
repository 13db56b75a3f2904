# Ratings survive pg_dump and restore: the log, its triggers and the registry
# come back, and a refresh counts what was logged but not refreshed at the time
# of the dump as well as what is written after the restore.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('dump');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', "timezone = 'UTC'");
$node->start;

my $folder = PostgreSQL::Test::Utils::tempdir();
my @as_analyst = (extra_params => [ '-U', 'analyst' ]);

my $create_events = q{
    CREATE TABLE event (id bigint PRIMARY KEY, "user" uuid, "it""em" text, kind text, amount text, at timestamp);
    INSERT INTO event
        SELECT n, lpad((n * 7 % 41)::text, 32, '0')::uuid, CASE WHEN n % 17 > 0 THEN ' p' || n * n % 23 END,
            CASE n % 5 WHEN 0 THEN 'like' WHEN 1 THEN 'unlike' WHEN 2 THEN 'other' ELSE 'view' END,
            CASE WHEN n % 19 > 0 THEN (n % 9 - 1)::text ELSE 'x' END, timestamp '2026-01-01' + n / 2 * interval '1 hour'
        FROM generate_series(1, 2000) n;
    CREATE INDEX ON event ("user");
    CREATE TABLE parted (user_id integer, item_id integer) PARTITION BY RANGE (user_id);
    CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (10);
    CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (10) TO (20);
    INSERT INTO parted SELECT n % 20, n % 7 FROM generate_series(1, 200) n;
};
my %sets = (
    q{Robert'); DROP TABLE event;--} => [ 'event', '"incremental": true, "keep_rejected": true, "min_item_ratings": 3, "half_life": "30 days", "as_of": "2026-02-01"' ],
    'wide "open"' => [ 'event', '"incremental": true, "since": "2026-01-02", "until": "2026-02-10 12:00"' ],
    'stored' => [ 'event', '"min_user_ratings": 2, "min_item_ratings": 2' ],
    'parts' => [ 'parted', '"incremental": true' ],
    'kept' => [ 'event', '"combine": "last"', 'materialized view' ],
    'seen' => [ 'event', '"min_user_ratings": 2, "combine": "log1p"', 'view' ]);

sub literal { my ($text) = @_; $text =~ s/'/''/g; return "'$text'"; }
sub name { my ($text) = @_; $text =~ s/"/""/g; return "\"$text\""; }

sub create_statement
{
    my ($set, $name) = @_;
    my ($source, $options, $storage) = @{ $sets{$set} };
    my $columns = $source eq 'parted' ? '' : q{, 'user', 'it"em', 'kind', 'amount', 'at', '{"like": 3, "unlike": -3, "view": 1}'};
    return sprintf "SELECT count(*) FROM socrec.create_ratings(%s, '%s'%s, storage => '%s', options => '{%s}');\n",
      literal($name // $set), $source, $columns, $storage // 'table', $options;
}

# All that a set of ratings says.  Nine digits of it, as a sum depends on the
# order in which a plan finds its rows.
sub answers
{
    my ($database, %name) = @_;
    return $node->safe_psql($database, join '', "SET extra_float_digits = -6;\n", map {
        my $set = $_;
        my $schema = name($name{$set} // $set);
        map { sprintf "SELECT %s, '%s', count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM %s.%s t;\n",
            literal($set), $_, $schema, $_ } qw(rating pair report rejected) } sort keys %sets);
}

# What a refresh must come to: the same ratings created anew.
sub answers_anew
{
    my ($database) = @_;
    my %name = map { ($_ => 'anew ' . substr($_, 0, 4)) } keys %sets;
    $node->safe_psql($database, join('', map { create_statement($_, $name{$_}) } sort keys %sets), @as_analyst);
    my $answers = answers($database, %name);
    $node->safe_psql($database, join('', map { 'SELECT socrec.drop_ratings(' . literal($_) . ");\n" } sort values %name), @as_analyst);
    return $answers;
}

sub refresh
{
    my ($database) = @_;
    $node->safe_psql($database, join('', map { 'SELECT count(*) FROM socrec.refresh_ratings(' . literal($_) . ");\n" } sort keys %sets), @as_analyst);
}

# The order of writing tells whether a refresh was one by differences.
my $untouched = q{SELECT count(*) FROM "wide ""open""".pair WHERE xmin = (SELECT xmin FROM "wide ""open""".pair LIMIT 1)};

$node->safe_psql('postgres', 'CREATE ROLE analyst LOGIN CREATEDB');
$node->safe_psql('postgres', 'CREATE DATABASE shop', @as_analyst);
$node->safe_psql('shop', 'CREATE EXTENSION socrec;' . $create_events . join('', map { create_statement($_) } sort keys %sets), @as_analyst);
my $first_answers = answers('shop');
unlike($first_answers, qr/\|rating\|0\|/, 'every set has ratings');

# Logged, and not refreshed.
my $changes = q{
    DELETE FROM event WHERE id % 100 = 3;
    UPDATE event SET "it""em" = 'p1' WHERE id % 100 = 4;
    INSERT INTO event SELECT 5000 + n, lpad('7', 32, '0')::uuid, 'new', 'like', '2', '2026-02-01' FROM generate_series(1, 3) n;
    INSERT INTO parted VALUES (3, 100), (13, 100);
    DELETE FROM parted WHERE user_id = 4;
};
$node->safe_psql('shop', $changes, @as_analyst);
my $stale_answers = answers('shop');

$node->command_ok([ 'pg_dump', '-f', "$folder/plain.sql", $node->connstr('shop') ], 'dump as text');
$node->command_ok([ 'pg_dump', '-U', 'analyst', '-Fc', '-f', "$folder/own", $node->connstr('shop') ], 'dump by the owner, who is no superuser');
refresh('shop');
my $fresh_answers = answers('shop');
isnt($fresh_answers, $stale_answers, 'the changes count in a refresh');
is($fresh_answers, answers_anew('shop'), 'as they do in new ratings');

$node->safe_psql('postgres', "CREATE DATABASE $_", @as_analyst) foreach qw(plain own);
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('plain'), '-f', "$folder/plain.sql" ], 'restore the text');
$node->command_ok([ 'pg_restore', '-U', 'analyst', '--exit-on-error', '--jobs=2', '-d', $node->connstr('own'), "$folder/own" ],
    'restore by the owner, two jobs at once');

my $registry = 'SELECT to_jsonb(r) - ARRAY[\'refreshed_at\', \'tracked\'] FROM socrec.rating_set r ORDER BY name';
my $triggers = q{SELECT tgrelid::regclass, tgname, tgenabled, tgtype, tgparentid = 0 FROM pg_trigger
    WHERE NOT tgisinternal AND tgname LIKE 'socrec%' ORDER BY tgrelid::regclass::text, 2};
foreach my $database (qw(plain own))
{
    is($node->safe_psql($database, $registry), $node->safe_psql('shop', $registry), "$database: the same registry");
    is($node->safe_psql($database, $triggers), $node->safe_psql('shop', $triggers), "$database: the same triggers");
    # A materialized view is filled by the restore, from the events.
    is(join("\n", grep { !/^kept/ } split /\n/, answers($database)), join("\n", grep { !/^kept/ } split /\n/, $stale_answers),
        "$database: the same answers before a refresh");
    refresh($database);
    is(answers($database), $fresh_answers, "$database: a refresh counts what was logged before the dump");
    isnt($node->safe_psql($database, $untouched), $node->safe_psql($database, 'SELECT count(*) FROM "wide ""open""".pair'),
        "$database: and only that");
    $node->safe_psql($database, q{
        UPDATE event SET amount = '4' WHERE id % 100 = 7;
        DELETE FROM event WHERE id % 100 = 8;
        INSERT INTO parted_low VALUES (1, 101);
        TRUNCATE parted_high}, @as_analyst);
    refresh($database);
    my $answers = answers($database);
    isnt($answers, $fresh_answers, "$database: changes are logged after the restore");
    is($answers, answers_anew($database), "$database: and refreshed");
    $node->safe_psql($database, join('', map { 'SELECT socrec.drop_ratings(' . literal($_) . ");\n" } keys %sets), @as_analyst);
    is($node->safe_psql($database, q{
            SELECT count(*) FROM socrec.rating_set;
            SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'socrec_%\_%' AND tgrelid::regclass::text !~ '^socrec\.';
            SELECT count(*) FROM pg_namespace WHERE nspname !~ '^(pg_|public|information_schema|socrec)'}),
        "0\n0\n0", "$database: nothing is left after drop_ratings");
}

$node->stop;
done_testing();
