# Who may do what with a model: PostgreSQL's own privileges, no more and no less,
# and names or texts that try to be more than names.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('privileges');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->start;

sub literal { my ($text) = @_; $text =~ s/'/''/g; return "'$text'"; }
sub name { my ($text) = @_; $text =~ s/"/""/g; return "\"$text\""; }

# Run SQL as a role; returns its output and its messages.
sub run_as
{
    my ($role, $sql) = @_;
    my ($status, $output, $messages) =
      $node->psql('shop', "\\set VERBOSITY verbose\n$sql", extra_params => [ '-U', $role ], on_error_stop => 1);
    return ($output, $messages);
}

sub works
{
    my ($role, $sql, $expected, $test) = @_;
    my ($output, $messages) = run_as($role, $sql);

    if ($messages =~ /ERROR/) { fail($test); diag($messages); }
    elsif (ref $expected) { like($output, $expected, $test); }
    else { is($output, $expected, $test); }
}

sub refused
{
    my ($role, $sql, $error, $test) = @_;
    my ($output, $messages) = run_as($role, $sql);
    like($messages, qr/ERROR:  $error/, $test) or diag("output: $output");
}

# ------------------------------------------------------------------
# An extension that needs no superuser
# ------------------------------------------------------------------

$node->safe_psql(
    'postgres', q{
    CREATE ROLE administrator LOGIN SUPERUSER;
    CREATE ROLE dbo LOGIN;
    CREATE ROLE alice LOGIN;
    CREATE ROLE bob LOGIN;
    CREATE ROLE deputy LOGIN IN ROLE alice;
    CREATE ROLE reader LOGIN;
    CREATE ROLE mallory LOGIN;
    CREATE ROLE outsider LOGIN;
    CREATE DATABASE shop OWNER dbo;
});
works('dbo', 'CREATE EXTENSION socrec', '', 'a database owner creates the extension, no superuser');
works('dbo', 'GRANT CREATE ON DATABASE shop TO alice, bob, mallory; GRANT CREATE ON SCHEMA public TO alice, mallory',
    '', 'and lets others create schemas');
refused('mallory', 'CREATE FUNCTION socrec.planted() RETURNS integer LANGUAGE sql RETURN 1',
    '42501: permission denied for schema socrec', 'nobody else puts anything into the extension');

works(
    'alice', q{
    CREATE TABLE students (name text);
    INSERT INTO students VALUES ('Robert');
    CREATE TABLE ratings (user_id integer, item_id integer, rating real, PRIMARY KEY (user_id, item_id));
    INSERT INTO ratings
        SELECT u, i, 1 + (hashint8extended(u * 1000 + i, 2) & 1) + CASE WHEN u % 2 = i % 2 THEN 3 ELSE 0 END
        FROM generate_series(1, 30) u, generate_series(1, 20) i
        WHERE hashint8extended(u * 1000 + i, 1) & 7 < CASE WHEN u % 2 = i % 2 THEN 6 ELSE 3 END;
    SELECT name FROM socrec.create_model('films', 'ratings', options => '{"holdout": 0.2}');
    SELECT name FROM socrec.create_model('people', 'ratings', method => 'user_knn', options => '{"holdout": 0.2}');
    SELECT count(*) FROM films.recommend(1);
}, "films\npeople\n10", 'any role that may create schemas creates models');
refused('outsider', q{SELECT socrec.create_model('mine', 'SELECT 1 AS user_id, 1 AS item_id, 1 AS rating')},
    '42501: permission denied for database shop', 'others cannot');
refused('bob', q{SELECT socrec.create_model('stolen', 'ratings')},
    '42501: permission denied for table ratings', 'nor from ratings that they cannot read');
works('bob', q{SELECT count(*) FROM pg_namespace WHERE nspname = 'stolen'}, '0', 'which leaves nothing');
works('dbo',
    q{SELECT count(*) FROM pg_proc WHERE prosecdef AND pronamespace::regnamespace::text IN ('socrec', 'films', 'people')},
    '0', 'no function runs as anybody but its caller');

# ------------------------------------------------------------------
# Readers
# ------------------------------------------------------------------

my @reading_ratings = (
    'SELECT count(*) FROM films.recommend(1)', 'SELECT films.predict(1, 1)', 'SELECT films.prediction(1, 1)',
    'SELECT count(*) FROM films.explain(1, 1)', 'SELECT count(*) FROM films.similar_users(1)',
    'SELECT count(*) FROM films.recommendations WHERE user_id = 1', 'SELECT count(*) FROM films.prediction_error',
    'SELECT n FROM films.evaluation', 'SELECT count(*) FROM people.recommend(1)', 'SELECT people.predict(1, 1)');

refused('reader', 'SELECT * FROM films.recommend(1)', '42501: permission denied for schema films', 'without USAGE, no model');
works('alice', 'GRANT USAGE ON SCHEMA films, people TO reader', '', 'USAGE is granted');
works('reader', 'SELECT count(*) FROM films.similar_items(1)', qr/^[1-9]/, 'with it, what the model holds can be read');
refused('reader', $_, '42501: permission denied for table ratings', "without SELECT on the ratings, no $_") foreach @reading_ratings;
works('alice', 'GRANT SELECT ON ratings TO reader, mallory', '', 'SELECT is granted');
works('reader', $_, qr/^\(?[1-9]/, "with it, $_") foreach @reading_ratings;

refused('reader', $_->[0], $_->[1], "a reader cannot: $_->[0]")
  foreach (
    [ q{CALL socrec.refit('films')}, '42501: must be owner of model films' ],
    [ q{SELECT socrec.drop_model('films')}, '42501: must be owner of model films' ],
    [ q{SELECT socrec.drop_model('films', true)}, '42501: must be owner of model films' ],
    [ 'UPDATE films.item SET bias = 0', '42501: permission denied for table item' ],
    [ 'DELETE FROM films.fit', '42501: permission denied for table fit' ],
    [ 'INSERT INTO films.fit SELECT * FROM films.fit', '42501: permission denied for table fit' ],
    [ 'TRUNCATE films.item', '42501: permission denied for table item' ],
    [ 'SELECT people.forget_user(1)', '42501: permission denied for table user_metric' ],
    [ 'CREATE TABLE films.mine ()', '42501: permission denied for schema films' ],
    [ 'TRUNCATE socrec.model', '42501: permission denied for table model' ],
    [ q{UPDATE socrec.model SET source = 'evil' WHERE name = 'films'}, '42501: must be owner of model films' ],
    [ q{DELETE FROM socrec.model WHERE name = 'films'}, '42501: must be owner of model films' ],
    [ q{INSERT INTO socrec.model SELECT (jsonb_populate_record(m, '{"name": "public"}')).* FROM socrec.model m WHERE name = 'films'},
        '42501: must be owner of model public' ]);
works('alice', q{CALL socrec.refit('films'); SELECT count(*) FROM films.recommend(1)}, '10', 'the owner refits');
works('deputy', q{CALL socrec.refit('films'); SELECT count(*) FROM films.recommend(1)}, '10', 'so does a member of the owner');
works('administrator', q{CALL socrec.refit('films'); SELECT count(*) FROM films.recommend(1)}, '10', 'so does a superuser');

# What others of those who may add to a model belongs to its owner.
works('deputy', q{SELECT socrec.log_impressions('films'); SELECT socrec.track_drift('films'); CALL socrec.materialize('people', 3)}, qr/^$/m, 'a member of the owner adds to models');
works('dbo', q{SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text IN ('films', 'people') AND relowner <> 'alice'::regrole}, '0', 'which stay the owner\'s');
works('alice', q{CALL socrec.materialize('people', 3); CALL socrec.refit('films'); SELECT count(*) FROM films.impression}, '0', 'who goes on with them');

# The owner of one model has no say in another.
works('mallory', q{SELECT name FROM socrec.create_model('mine', 'ratings', options => '{"holdout": 0}')}, 'mine', 'another model');
refused('mallory', q{UPDATE socrec.model SET name = 'public' WHERE name = 'mine'}, '42501: must be owner of model public',
    'a row cannot become that of a schema of others');
refused('mallory', q{UPDATE socrec.model SET name = 'films2' WHERE name = 'films'}, '42501: must be owner of model films',
    'nor be taken from them');
works('alice', q{SELECT name, owner, current_rating_count = rating_count AS counted FROM socrec.models ORDER BY name},
    "films|alice|t\nmine|mallory|\npeople|alice|t", 'all see which models there are');

# ------------------------------------------------------------------
# Row-level security
# ------------------------------------------------------------------

works(
    'alice', q{
    CREATE TABLE visits (user_id integer, item_id integer, rating real, PRIMARY KEY (user_id, item_id));
    INSERT INTO visits TABLE ratings;
    ALTER TABLE visits ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON visits FOR SELECT TO reader USING (user_id <= 5);
    GRANT SELECT ON visits TO reader;
    SELECT name FROM socrec.create_model('visited', 'visits', options => '{"holdout": 0.2}');
    SELECT name FROM socrec.create_model('visitors', 'visits', method => 'user_knn', options => '{"holdout": 0.2}');
    GRANT USAGE ON SCHEMA visited, visitors TO reader;
}, "visited\nvisitors", 'models of a table with policies');
foreach my $model ('visited', 'visitors')
{
    my $recommended = "SELECT string_agg(item_id || ':' || round(score::numeric, 6) || source, ' ' ORDER BY rank) FROM $model.recommend";
    my ($of_1) = run_as('alice', "$recommended(1)");
    my ($of_6) = run_as('alice', "$recommended(6)");
    my ($of_stranger) = run_as('alice', "$recommended(-1)");

    isnt($of_6, $of_stranger, "$model: the owner sees all ratings");
    works('reader', "SELECT array_agg(DISTINCT user_id) FROM $model.rating", '{1,2,3,4,5}',
        "$model: the view of the ratings follows the policy");
    works('reader', "SELECT array_agg(DISTINCT user_id) FROM $model.recommendations", '{1,2,3,4,5}',
        "$model: so do recommendations");
    works('reader', "SELECT max(user_id) <= 5 AND count(*) > 0 FROM $model.prediction_error", 't', "$model: so does prediction_error");
    works('reader',
        "SELECT (SELECT n FROM $model.evaluation) = (SELECT count(*) FROM $model.rating r WHERE r.held_out AND r.user_id <= 5)",
        't', "$model: so does evaluation");
    if ($model eq 'visited')
    {
        works('reader', "$recommended(1)", $of_1, "$model: what is seen counts");
        works('reader', "$recommended(6)", $of_stranger, "$model: a user whose ratings are hidden is a stranger");
        my $explained = "SELECT count(*) > 0 FROM generate_series(1, 20) i, $model.explain(6, i) e WHERE reason = 'rated item'";
        works('alice', $explained, 't', "$model: ratings explain");
        works('reader', $explained, 'f', "$model: hidden ratings do not");
    }
    else
    {
        my $explained = "SELECT max(e.user_id) > 5 FROM generate_series(1, 20) i, $model.explain(1, i) e WHERE reason = 'similar user'";
        works('alice', $explained, 't', "$model: similar users explain");
        works('reader', $explained, 'f', "$model: hidden ones do not");
    }
    # One session, one plan, two roles.
    works(
        'administrator', qq{
        PREPARE seen AS SELECT max(user_id) FROM $model.recommendations;
        SET ROLE alice; EXECUTE seen; EXECUTE seen; SET ROLE reader; EXECUTE seen; EXECUTE seen;
        SET ROLE alice; EXECUTE seen},
        "30\n30\n5\n5\n30", "$model: a prepared statement follows the role");
}
works(
    'alice', q{
    ALTER TABLE visits FORCE ROW LEVEL SECURITY;
    CREATE POLICY half ON visits FOR SELECT TO alice USING (user_id <= 10);
    CALL socrec.refit('visited');
    SELECT user_count, (SELECT count(*) FROM visited.rating r WHERE NOT r.held_out AND r.user_id <= 10) = rating_count
        FROM socrec.model WHERE name = 'visited';
}, '10|t', 'a fit reads what its caller may see');

# ------------------------------------------------------------------
# Traps: code of others on the way
# ------------------------------------------------------------------

# Better matches than PostgreSQL's own for the argument types that occur, in a
# schema on everybody's path.
my @traps = (
    'CREATE FUNCTION public.trap(what anyelement) RETURNS anyelement LANGUAGE plpgsql AS
        $$ BEGIN RAISE WARNING \'trapped %\', current_user; RETURN what; END $$',
    'CREATE FUNCTION public.format(text, text) RETURNS text LANGUAGE sql AS
        $$ SELECT public.trap(pg_catalog.format($1, VARIADIC ARRAY[$2])) $$',
    'CREATE FUNCTION public.format(text, text, text) RETURNS text LANGUAGE sql AS
        $$ SELECT public.trap(pg_catalog.format($1, VARIADIC ARRAY[$2, $3])) $$',
    'CREATE FUNCTION public.hash_record_extended(record, integer) RETURNS bigint LANGUAGE plpgsql AS
        $$ BEGIN RETURN public.trap(1::bigint); END $$');
foreach my $trap (
    [ '^', 'float8', 'integer' ], [ '/', 'float8', 'bigint' ], [ '/', 'integer', 'float8' ], [ '*', 'float8', 'integer' ],
    [ '*', 'float8', 'real' ], [ '+', 'float8', 'integer' ], [ '-', 'bigint', 'float8' ])
{
    my ($operator, $left, $right) = @$trap;
    my $function = "trap_" . @traps;
    push @traps, qq{CREATE FUNCTION public.$function($left, $right) RETURNS float8 LANGUAGE sql AS \$\$ SELECT public.trap(1::float8) \$\$;
        CREATE OPERATOR public.$operator (LEFTARG = $left, RIGHTARG = $right, FUNCTION = public.$function)};
}
works('mallory', join(";\n", @traps), '', 'functions and operators that match better than their namesakes');
my (undef, $sprung) = run_as('alice', q{SELECT format('%s', 'x'::text), 2::float8 ^ 2});
like($sprung, qr/WARNING:  01000: trapped alice/, 'do run for who calls them');

foreach my $method ('item_knn', 'user_knn', 'popular', 'baseline')
{
    my (undef, $messages) = run_as(
        'alice', qq{
        SELECT name FROM socrec.create_model('careful', 'ratings', method => '$method', options => '{"holdout": 0.2}');
        SELECT * FROM careful.recommend(1);
        SELECT careful.predict(1, 1);
        SELECT * FROM careful.similar_items(1);
        SELECT * FROM careful.similar_users(1);
        SELECT * FROM careful.explain(1, 1);
        SELECT * FROM careful.evaluation;
        CALL socrec.refit('careful');
        SELECT * FROM socrec.models;
        SELECT socrec.drop_model('careful')});
    is($messages, '', "$method: but for no model");
}

# A look at the list of models runs no code of theirs.
works(
    'mallory', q{
    CREATE FUNCTION mine.spring() RETURNS boolean LANGUAGE plpgsql AS
        $$ BEGIN RAISE WARNING 'trapped %', current_user; RETURN false; END $$;
    DROP SCHEMA IF EXISTS evil;
    CREATE SCHEMA evil;
    CREATE VIEW evil.rating AS SELECT 1 AS user_id, 1 AS item_id, 1::float8 AS rating, mine.spring() AS held_out;
    GRANT USAGE ON SCHEMA evil, mine TO PUBLIC;
    GRANT SELECT ON evil.rating TO PUBLIC;
    INSERT INTO socrec.model SELECT (jsonb_populate_record(m, '{"name": "evil"}')).* FROM socrec.model m WHERE name = 'mine'},
    '', 'a model that is a trap');
foreach my $role ('alice', 'reader', 'dbo', 'administrator')
{
    my ($output, $messages) = run_as($role, 'SELECT * FROM socrec.models ORDER BY name');
    unlike($messages, qr/trapped/, "$role looks at the models, and nothing of theirs runs");
    like($output, qr/^evil\|mallory\|.*^films\|alice\|/ms, "$role sees them");
}
works('mallory',
    'CREATE OR REPLACE VIEW evil.rating AS
        SELECT 1 AS user_id, 1 AS item_id, 1::float8 AS rating, 1 / (random() * 0)::integer = 1 AS held_out',
    '', 'a model that fails');
works($_, q{SELECT count(*) FROM (SELECT * FROM socrec.models WHERE name IN ('evil', 'films') OFFSET 0) m}, '2',
    "does not keep $_ from seeing others")
  foreach ('alice', 'mallory', 'administrator');
works('mallory', q{SELECT socrec.drop_model('evil', true)}, '', 'and is dropped');
works(
    'mallory', join(
        ';',
        'DROP FUNCTION public.trap(anyelement) CASCADE',
        'DROP FUNCTION public.format(text, text), public.format(text, text, text)',
        'DROP FUNCTION public.hash_record_extended(record, integer)',
        map { /OPERATOR public\.(\S+) \(LEFTARG = (\w+), RIGHTARG = (\w+)/ ? "DROP OPERATOR public.$1 ($2, $3)" : () } @traps),
    '', 'the traps are gone');

# ------------------------------------------------------------------
# Names
# ------------------------------------------------------------------

my @names = (
    q{Robert'); DROP TABLE students;--}, q{"; DROP TABLE students; --}, q{100% %s %I %1$I %%}, q{{braces} $1 $$ $x$},
    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x8e\xac", ' ', "new\nline\ttab", q{back\\slash E'\\''}, '/* comment', 'Select', 'x' x 63,
    "\xc3\xa4" x 31);
my $item_names = 0;
foreach my $name (@names)
{
    my $method = ('item_knn', 'user_knn', 'popular', 'baseline')[ $item_names % 4 ];
    my $item = $names[ ++$item_names % @names ];
    my $table = literal(name($name));
    my ($n, $i) = (name($name), name($item));
    my $rating = name("rating of $name" =~ s/^(.{50}).*$/$1/sr);
    my $shown = $name =~ s/[^ -~]/?/gr;

    works(
        'alice', "CREATE TABLE public.$n AS SELECT user_id AS $n, item_id AS $i, rating AS \"R'%s\" FROM ratings;
        SELECT name = "
          . literal($name)
          . " FROM socrec.create_model("
          . join(', ', literal($name), $table, literal($name), literal($item), literal(q{R'%s}), literal($method))
          . ", '{\"holdout\": 0.1}');
        CALL socrec.refit(" . literal($name) . ");
        SELECT count(*) FROM (SELECT r.rank, r.$i, r.score, r.source, r.support FROM $n.recommend(1, 5) r) r;
        SELECT count(*) > 0 FROM (SELECT r.$n, r.$i FROM $n.recommendations r WHERE r.$n = 1) r;
        SELECT $n.predict(1, 1) > 0, count(*) > 0 FROM $n.explain(1, 1);
        SELECT (SELECT count(s.$i) FROM $n.similar_items(1) s) > 0, (SELECT count(s.$n) FROM $n.similar_users(1) s) > 0;
        SELECT e.n = (SELECT count(p.$i) FROM $n.prediction_error p) FROM $n.evaluation e;
        SELECT count(*) FROM socrec.models WHERE name = " . literal($name) . ";
        SELECT socrec.drop_model(" . literal($name) . ");
        SELECT count(*) FROM pg_namespace WHERE nspname = " . literal($name) . ";
        DROP TABLE public.$n",
        "t\n5\nt\nt|t\nt|t\nt\n1\n\n0", "$method of $shown");
}
refused('alice', q{SELECT socrec.create_model(repeat('x', 64), 'ratings')}, '42622: ', 'a name of 64 bytes');
refused('alice', q{SELECT socrec.create_model('', 'ratings')}, '42622: ', 'an empty name');
refused('alice', q{SELECT socrec.create_model('pg_mine', 'ratings')}, '42939: ', 'a reserved name');
refused('alice', q{SELECT socrec.create_model('socrec', 'ratings')}, '42P06: ', q{the extension's own name});
refused('alice', "SELECT socrec.create_model('m', 'ratings', user_column => " . literal('user_id FROM ratings; DROP TABLE students; --') . ')',
    '42703: ', 'a column that is a statement');
refused('alice', q{SELECT socrec.create_model('m', 'ratings', method => 'popular''; DROP TABLE students; --')},
    '22023: unknown method', 'a method that is a statement');
foreach my $option ('similarity', 'center', 'weighting')
{
    refused('alice', qq{SELECT socrec.create_model('m', 'ratings', options => '{"$option": "none''); DROP TABLE students; --"}')},
        qq{22023: option "$option" cannot be "none'\\); DROP TABLE students; --"\n}, "an option $option that is a statement");
}

# ------------------------------------------------------------------
# Sources
# ------------------------------------------------------------------

foreach my $source (
    'SELECT * FROM ratings', 'SELECT * FROM ratings ; ', 'SELECT * FROM ratings -- all of it',
    "SELECT * FROM ratings\n-- all of it\n", '(SELECT * FROM ratings)', '(TABLE ratings) UNION TABLE ratings', 'TABLE ratings',
    'with r AS (SELECT * FROM ratings) SELECT * FROM r', 'SELECT user_id, item_id, rating::integer % 5 AS rating FROM ratings',
    q{SELECT * FROM ratings WHERE '%s %1$I $1 ''); DROP TABLE students; --' <> ''}, 'VALUES (1, 1, 1)', ' public.ratings ', '"ratings"')
{
    my @columns = $source =~ /^VALUES/ ? map { "column$_" } 1 .. 3 : ('user_id', 'item_id', 'rating');
    works('alice',
        "SELECT name FROM socrec.create_model('m', " . join(', ', map { literal($_) } $source, @columns)
          . "); CALL socrec.refit('m'); SELECT rating_count > 0 FROM socrec.model WHERE name = 'm'; SELECT socrec.drop_model('m')",
        "m\nt\n", "source: $source");
}
foreach my $bad (
    [ 'SELECT * FROM ratings; DROP TABLE students', '42601: ' ],
    [ 'SELECT * FROM ratings; SELECT 1', '42601: ' ],
    [ 'SELECT * FROM ratings) AS s; DROP TABLE students; --', '42601: ' ],
    [ 'SELECT * FROM ratings) AS s, (SELECT 1', '42601: ' ],
    [ 'SELECT * FROM ratings /* and', '42601: ' ],
    [ q{SELECT * FROM ratings WHERE 'a' <> 'b}, '42601: ' ],
    [ 'WITH gone AS (DELETE FROM students RETURNING 1) SELECT * FROM ratings', '0A000: ' ],
    [ 'SELECT * INTO stolen FROM ratings', '42601: ' ],
    [ 'DELETE FROM students', '42601: ' ],
    [ 'ratings; DROP TABLE students', '42601: ' ],
    [ 'ratings r', '42601: ' ],
    [ 'generate_series(1, 3)', '42601: ' ],
    [ '-- nothing', '42601: ' ],
    [ '', '42601: ' ],
    [ 'no_such_table', '42P01: ' ])
{
    refused('alice', "SELECT socrec.create_model('m', " . literal($bad->[0]) . ')', $bad->[1], "no source: $bad->[0]");
}
works('alice', q{SELECT * FROM students; SELECT count(*) FROM pg_namespace WHERE nspname = 'm'; SELECT to_regclass('stolen') IS NULL},
    "Robert\n0\nt", 'the students are still there, and nothing else is');
refused('alice', "SELECT count(*) FROM socrec.item_neighbors($_->[0])", $_->[1], "no query: $_->[0]")
  foreach (
    [ q{'SELECT user_id, item_id FROM ratings; DROP TABLE students'}, '42601: ' ],
    [ q{'DELETE FROM students RETURNING 1, 2'}, '42601: ' ],
    [ q{'WITH gone AS (DELETE FROM students RETURNING 1) SELECT user_id, item_id FROM ratings'}, '0A000: ' ],
    [ q{'SELECT user_id, item_id INTO stolen FROM ratings'}, '\w{5}: ' ]);
works('alice', q{SELECT * FROM students; SELECT to_regclass('stolen') IS NULL}, "Robert\nt", 'the students are still there');

# ------------------------------------------------------------------
# Owners come and go
# ------------------------------------------------------------------

works(
    'alice', q{
    DROP SCHEMA people CASCADE;
    SELECT count(*) FROM socrec.model WHERE name = 'people';
    SELECT count(*) FROM socrec.models WHERE name = 'people'},
    "1\n0", 'a dropped schema is no model any more');
refused('alice', q{CALL socrec.refit('people')}, '(42704|3F000): ', 'and cannot be refitted');
works(
    'bob', q{
    SELECT name FROM socrec.create_model('people', 'VALUES (1, 1), (1, 2), (2, 1), (2, 2)', 'column1', 'column2', NULL);
    SELECT owner FROM socrec.models WHERE name = 'people';
    SELECT count(*) FROM socrec.model WHERE name = 'people'},
    "people\nbob\n1", 'but its name can be used again, by anybody');
works(
    'bob', q{
    DROP SCHEMA people CASCADE;
    SELECT socrec.drop_model('people');
    SELECT count(*) FROM socrec.model WHERE name = 'people'},
    "\n0", 'drop_model clears away what DROP SCHEMA has left');

$node->safe_psql('postgres', 'ALTER ROLE alice RENAME TO alicia');
works('alicia', q{CALL socrec.refit('films'); SELECT owner FROM socrec.models WHERE name = 'films'}, 'alicia',
    'a renamed owner keeps the models');
works('administrator', 'GRANT CREATE ON DATABASE shop TO bob; REASSIGN OWNED BY alicia TO bob', '', 'other owner');
works('bob', q{CALL socrec.refit('films'); SELECT owner FROM socrec.models WHERE name = 'films'}, 'bob', 'who can refit the models');
refused('alicia', q{CALL socrec.refit('films')}, '42501: must be owner of model films', 'unlike the old one');
works('bob', q{SELECT socrec.drop_model('films'); SELECT count(*) FROM socrec.models WHERE name = 'films'}, "\n0", 'and drop them');

works('dbo', 'DROP EXTENSION socrec CASCADE', '', 'a database owner drops the extension');

$node->stop;
done_testing();
