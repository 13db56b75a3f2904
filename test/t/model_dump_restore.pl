# A model survives pg_dump and restore: it gives the same answers, and can be
# refitted and dropped, whoever dumps and whoever restores.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('dump');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->start;

my $folder = PostgreSQL::Test::Utils::tempdir();

sub literal { my ($text) = @_; $text =~ s/'/''/g; return "'$text'"; }
sub name { my ($text) = @_; $text =~ s/"/""/g; return "\"$text\""; }

# The rating table of a model: users and items in two groups of taste, keys of
# the model's types.
sub create_ratings
{
    my ($model) = @_;
    my ($table, $user, $item, $rating) = map { name($model->{$_}) } qw(table user item rating);
    my %key = (
        integer => '%s',
        bigint => '%s + 5000000000',
        uuid => "lpad(%s::text, 32, '0')::uuid",
        'text' => q{'key "' || %s || E'" \\\\ ''%%I'' ' || chr(228)},
        'text COLLATE "C"' => q{CASE %s %% 2 WHEN 0 THEN 'K' ELSE 'k' END || %1$s},
        'character(8)' => "'c' || %s",
        'code' => "'code-' || %s");
    my $u = $key{ $model->{user_type} } =~ s/%(1\$)?s/u/gr =~ s/%%/%/gr;
    my $i = $key{ $model->{item_type} } =~ s/%(1\$)?s/i/gr =~ s/%%/%/gr;

    return qq{
        CREATE TABLE $table ($user $model->{user_type}, $item $model->{item_type}, $rating real, PRIMARY KEY ($user, $item));
        INSERT INTO $table
            SELECT $u, $i, 1 + (hashint8extended(u * 1000 + i, 2) & 1) + CASE WHEN u % 2 = i % 2 THEN 3 ELSE 0 END
            FROM generate_series(1, 30) u, generate_series(1, 20) i
            WHERE hashint8extended(u * 1000 + i, 1) & 7 < CASE WHEN u % 2 = i % 2 THEN 6 ELSE 3 END;
        CREATE INDEX ON $table ($item);
        ANALYZE $table;
    };
}

my %plain = (user => 'user_id', item => 'item_id', rating => 'rating');
my %hostile = (
    user => 'user "id"; %s $1',
    item => q{it'em {%1$I} \\ --},
    rating => "Ra\x{c3}\x{b6}ting /* ");
my @models = (
    {   %hostile, schema => q{Robert'); DROP TABLE students;--}, table => q{tab"le '%I'},
        method => 'item_knn', user_type => 'integer', item_type => 'integer', explicit => 1 },
    {   %plain, schema => 'films', table => 'seen', method => 'item_knn', query => 1,
        user_type => 'bigint', item_type => 'uuid', explicit => 0 },
    {   %hostile, schema => '100% "quoted" {braces} %1$I $$', table => 'liked',
        method => 'user_knn', user_type => 'uuid', item_type => 'text', explicit => 1 },
    {   %plain, schema => 'collated', table => 'visits', method => 'user_knn',
        user_type => 'text COLLATE "C"', item_type => 'text COLLATE "C"', explicit => 0 },
    {   %plain, schema => 'padded', table => 'orders', method => 'item_knn',
        user_type => 'code', item_type => 'character(8)', explicit => 1 },
    {   %plain, schema => 'popular', table => 'clicks', method => 'popular',
        user_type => 'text', item_type => 'code', explicit => 0 },
    {   %hostile, schema => 'x' x 63, table => 'votes', method => 'popular',
        user_type => 'integer', item_type => 'bigint', explicit => 1 },
    {   %plain, schema => 'base', table => 'marks', method => 'baseline',
        user_type => 'bigint', item_type => 'code', explicit => 1 });

sub create_model
{
    my ($model) = @_;
    my $source = name($model->{table});

    $source = "SELECT * FROM $source -- all of it" if $model->{query};
    return sprintf(
        "SELECT name FROM socrec.create_model(%s, %s, %s, %s, %s, %s, '{\"holdout\": 0.2}');\n",
        literal($model->{schema}), literal($source), literal($model->{user}), literal($model->{item}),
        $model->{explicit} ? literal($model->{rating}) : 'NULL', literal($model->{method}));
}

# Everything that a model says, one line for each of its functions and views.
# Nine digits of it, as a sum depends on the order in which a plan finds its rows.
sub answers
{
    my ($database, @options) = @_;
    my $sql = "SET extra_float_digits = -6;\n";

    foreach my $model (@models)
    {
        my ($schema, $user, $item) = map { name($model->{$_}) } qw(schema user item);
        my $users = "(SELECT DISTINCT $user FROM $schema.rating) u";
        my $items = "(SELECT $item FROM $schema.item) i";
        my $some_users = "(SELECT DISTINCT $user FROM $schema.rating ORDER BY $user LIMIT 6) u";
        my $namespace = 'quote_ident(' . literal($model->{schema}) . ')::regnamespace';
        my %queries = (
            recommend => "SELECT u.*, r.* FROM $users, $schema.recommend(u.$user, 5) r",
            recommend_stranger => "SELECT r.* FROM $schema.recommend(NULL) r",
            predict => "SELECT u.*, i.*, $schema.predict(u.$user, i.$item) FROM $some_users, $items",
            similar_items => "SELECT i.* AS target, s.* FROM $items, $schema.similar_items(i.$item) s",
            similar_users => "SELECT u.* AS target, s.* FROM $users, $schema.similar_users(u.$user) s",
            explain => "SELECT u.*, e.* FROM $some_users, $items, $schema.explain(u.$user, i.$item) e",
            recommendations => "SELECT * FROM $schema.recommendations",
            prediction_error => "SELECT * FROM $schema.prediction_error",
            evaluation => "SELECT * FROM $schema.evaluation",
            item => "SELECT * FROM $schema.item",
            fit => "SELECT * FROM $schema.fit",
            comments => "SELECT p.proname, obj_description(p.oid, 'pg_proc') FROM pg_proc p WHERE p.pronamespace = $namespace",
            options => "SELECT c.relname, c.reloptions, c.relacl, obj_description(c.oid, 'pg_class')
                FROM pg_class c WHERE c.relnamespace = $namespace");

        foreach my $what (sort keys %queries)
        {
            next if $what eq 'options' && grep { $_ eq 'no owner' } @options;
            $sql .= sprintf(
                "SELECT %s, '%s', count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM (%s) t;\n",
                literal(substr($model->{schema}, 0, 10)), $what, $queries{$what});
        }
    }
    return $node->safe_psql($database, $sql);
}

# The registry as the models' owner sees it, but for what a fit changes.
sub registry
{
    my ($database, $owner) = @_;
    return $node->safe_psql($database,
        'SELECT m.name, m.source, m.user_column, m.item_column, m.rating_column, m.method, m.options,
            m.user_count, m.item_count, m.rating_count, m.current_rating_count, m.staleness
         FROM socrec.models m ORDER BY m.name', extra_params => [ '-U', $owner ]);
}

sub fit_times
{
    my ($database) = @_;
    return $node->safe_psql($database, 'SELECT name, created_at, fitted_at, fit_duration FROM socrec.model ORDER BY name');
}

my $refit = join('', map { 'CALL socrec.refit(' . literal($_->{schema}) . ");\n" } @models);
my $drop = join('', map { 'SELECT socrec.drop_model(' . literal($_->{schema}) . ");\n" } @models);

# Models of a role that owns its database and is no superuser.
$node->safe_psql('postgres', 'CREATE ROLE modeler LOGIN CREATEDB; CREATE ROLE heir LOGIN CREATEDB; CREATE ROLE reader LOGIN; CREATE ROLE administrator LOGIN SUPERUSER');
$node->safe_psql('postgres', 'CREATE DATABASE shop', extra_params => [ '-U', 'modeler' ]);
$node->safe_psql(
    'shop',
    "CREATE EXTENSION socrec;
     CREATE DOMAIN code AS text CHECK (VALUE ~ '^code');\n"
      . join('', map { create_ratings($_) } @models)
      . join('', map { create_model($_) } @models)
      . 'GRANT USAGE ON SCHEMA films TO reader; GRANT SELECT ON seen TO reader;
         ANALYZE',
    extra_params => [ '-U', 'modeler' ]);

my $answers = answers('shop');
my $registry = registry('shop', 'modeler');
my $times = fit_times('shop');

is(scalar(() = $registry =~ /^/mg), scalar(@models), 'every model is registered');
unlike($answers, qr/\|(recommend|predict|similar_items|similar_users|explain|prediction_error|evaluation|item|fit)\|0\|/,
    'every model has answers');

# Dump as a superuser and as the models' owner, in several formats.
$node->command_ok([ 'pg_dump', '-f', "$folder/plain.sql", $node->connstr('shop') ], 'dump as text');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$folder/custom", $node->connstr('shop') ], 'dump in the custom format');
$node->command_ok([ 'pg_dump', '-U', 'modeler', '-Fc', '-f', "$folder/own", $node->connstr('shop') ],
    'dump by an owner who is no superuser');

# Privileges are not restored when the owner is another one.
sub without_options
{
    my ($answers) = @_;
    return $answers =~ s/^[^\n]*\|options\|[^\n]*(\n|\z)//mgr;
}

# What a restored database must be able to do, its models refitted and dropped by
# this role.
sub check_restored
{
    my ($database, $owner, $role, @options) = @_;
    my $expected = @options ? without_options($answers) : $answers;

    $node->safe_psql($database, 'ANALYZE');
    is(registry($database, $owner), $registry, "$database: the same registry");
    is(fit_times($database), $times, "$database: the same times of creation and fit");
    is(answers($database, @options), $expected, "$database: the same answers");

    my ($status, $output, $error) = $node->psql($database, $refit, extra_params => [ '-U', $role ], on_error_stop => 1);
    is($status, 0, "$database: $role refits every model") or diag($error);
    is(answers($database, @options), $expected, "$database: the same answers after a refit");
    isnt(fit_times($database), $times, "$database: the refit is registered");

    ($status, $output, $error) = $node->psql($database, $drop, extra_params => [ '-U', $role ], on_error_stop => 1);
    is($status, 0, "$database: $role drops every model") or diag($error);
    is( $node->safe_psql($database,
            q{SELECT count(*) FROM socrec.model; SELECT count(*) FROM pg_namespace WHERE nspname !~ '^(pg_|public|information_schema|socrec)'}),
        "0\n0",
        "$database: nothing is left of them");
}

$node->safe_psql('postgres', 'CREATE DATABASE plain; CREATE DATABASE custom');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('plain'), '-f', "$folder/plain.sql" ],
    'restore the text');
is( $node->safe_psql('plain', 'SELECT count(*) FROM films.recommend((SELECT min(user_id) FROM seen))', extra_params => [ '-U', 'reader' ]),
    10, 'grants on a model are restored');
check_restored('plain', 'modeler', 'modeler');

$node->command_ok([ 'pg_restore', '--exit-on-error', '--jobs=2', '-d', $node->connstr('custom'), "$folder/custom" ],
    'restore the custom format, two jobs at once');
check_restored('custom', 'modeler', 'administrator');

$node->safe_psql('postgres', 'CREATE DATABASE own', extra_params => [ '-U', 'modeler' ]);
$node->command_ok([ 'pg_restore', '-U', 'modeler', '--exit-on-error', '-d', $node->connstr('own'), "$folder/own" ],
    'restore by an owner who is no superuser');
check_restored('own', 'modeler', 'modeler');

# Somebody else takes the models over.
$node->safe_psql('postgres', 'CREATE DATABASE taken_over', extra_params => [ '-U', 'heir' ]);
$node->command_ok(
    [ 'pg_restore', '-U', 'heir', '--no-owner', '--no-acl', '--exit-on-error', '-d', $node->connstr('taken_over'), "$folder/own" ],
    'restore by another role that becomes the owner');
check_restored('taken_over', 'heir', 'heir', 'no owner');

$node->stop;
done_testing();
