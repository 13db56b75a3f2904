# Many at once: models created and dropped side by side, and readers of models
# that are refitted and refreshed all the time against changing ratings.  Each
# reader sees one committed state, whole.

use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('concurrency');
$node->init;
$node->append_conf('postgresql.conf', "max_connections = 50\ndeadlock_timeout = '100ms'\nautovacuum_naptime = '1s'");
$node->start;
$node->safe_psql(
    'postgres', q{
    CREATE EXTENSION socrec;
    CREATE TABLE ratings (user_id integer, item_id integer, rating real, PRIMARY KEY (user_id, item_id));
    INSERT INTO ratings
        SELECT u, i, 1 + (hashint8extended(u * 1000 + i, 2) & 1) + CASE WHEN u % 2 = i % 2 THEN 3 ELSE 0 END
        FROM generate_series(1, 60) u, generate_series(1, 40) i
        WHERE hashint8extended(u * 1000 + i, 1) & 7 < CASE WHEN u % 2 = i % 2 THEN 6 ELSE 3 END;
    CREATE INDEX ON ratings (item_id);
    ANALYZE ratings;
});

my $folder = PostgreSQL::Test::Utils::tempdir();

# Start pgbench with a script; the run is over when it has ended.
sub start_pgbench
{
    my ($name, $script, @options) = @_;
    my $bench = { name => $name, output => '' };

    append_to_file("$folder/$name.sql", $script);
    $bench->{run} = IPC::Run::start(
        [ 'pgbench', '-n', '-f', "$folder/$name.sql", @options, $node->connstr('postgres') ],
        '>', \$bench->{output}, '2>&1',
        IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
    return $bench;
}

# Wait for its end; returns how many times the script has run.
sub finish_pgbench
{
    my ($bench) = @_;
    my $succeeded = $bench->{run}->finish;
    my ($count) = $bench->{output} =~ /number of transactions actually processed: (\d+)/;

    ok($succeeded && $bench->{output} !~ /error|abort/i, "$bench->{name}: no errors") or diag($bench->{output});
    return defined $count ? $count : 0;
}

# ------------------------------------------------------------------
# Ten sessions, ten models, one source
# ------------------------------------------------------------------

# The same model of the same ratings, made alone.
my %digest;
foreach my $method ('item_knn', 'user_knn')
{
    $digest{$method} = $node->safe_psql('postgres', qq{
        SELECT name FROM socrec.create_model('alone', 'ratings', method => '$method', options => '{"holdout": 0}') \\gset
        SELECT md5(string_agg(i::text, '|' ORDER BY i.id)) FROM alone.item i;
        SELECT socrec.drop_model('alone') \\gset});
    $digest{$method} =~ s/\s//g;
}
$node->safe_psql(
    'postgres', qq{
    CREATE FUNCTION check_model(model text, expected text) RETURNS void LANGUAGE plpgsql AS \$\$
    DECLARE
        found text;
        n bigint;
    BEGIN
        EXECUTE format('SELECT md5(string_agg(i::text, ''|'' ORDER BY i.id)) FROM %I.item i', model) INTO found;
        EXECUTE format('SELECT count(*) FROM %I.recommend(1)', model) INTO n;
        IF found IS DISTINCT FROM expected OR n IS DISTINCT FROM 10 THEN
            RAISE 'model %: % and % items, not %', model, found, n, expected;
        END IF;
    END \$\$});
my $fits = finish_pgbench(
    start_pgbench(
        'ten models at once', qq{
    SELECT name FROM socrec.create_model(format('items_%s', :client_id), 'ratings', options => '{"holdout": 0}');
    SELECT check_model(format('items_%s', :client_id), '$digest{item_knn}');
    SELECT name FROM socrec.create_model(format('users_%s', :client_id), 'ratings', method => 'user_knn', options => '{"holdout": 0}');
    CALL socrec.refit(format('items_%s', :client_id));
    SELECT check_model(format('users_%s', :client_id), '$digest{user_knn}');
    SELECT check_model(format('items_%s', :client_id), '$digest{item_knn}');
    SELECT socrec.drop_model(format('items_%s', :client_id));
    SELECT socrec.drop_model(format('users_%s', :client_id));
}, '-c', '10', '-j', '2', '-t', '3'));
is($fits, 30, 'ten sessions create, check, refit and drop their models, three times');
is($node->safe_psql('postgres', q{SELECT count(*) FROM socrec.model; SELECT count(*) FROM pg_namespace WHERE nspname ~ '^(items|users)_'}),
    "0\n0", 'and nothing is left');

# ------------------------------------------------------------------
# Twenty readers of models that change
# ------------------------------------------------------------------

# The digest of all that a reader can see of a model.  Everything is read through
# one snapshot, that of the calling statement.
$node->safe_psql(
    'postgres', q{
    SELECT name FROM socrec.create_model('films', 'ratings', options => '{"holdout": 0.1}');
    SELECT name FROM socrec.create_model('people', 'ratings', method => 'user_knn', rating_column => NULL, options => '{"holdout": 0}');
    SELECT name FROM socrec.create_model('plays', 'ratings', rating_column => NULL, options => '{"holdout": 0, "track_changes": true}');
    CREATE FUNCTION plays_digest() RETURNS text STABLE LANGUAGE sql BEGIN ATOMIC
        SELECT md5(concat_ws('|',
            (SELECT string_agg(i::text, '|' ORDER BY i.id) FROM plays.item i),
            (SELECT f::text FROM plays.fit f),
            (SELECT string_agg(concat_ws(':', r.rank, r.item_id, r.similarity), '|' ORDER BY r.rank) FROM plays.similar_items(1) r),
            (SELECT concat_ws(':', m.rating_count, m.user_count, m.item_count, m.fitted_at) FROM socrec.model m WHERE m.name = 'plays')));
    END;
    CREATE FUNCTION films_digest() RETURNS text STABLE LANGUAGE sql BEGIN ATOMIC
        SELECT md5(concat_ws('|',
            (SELECT string_agg(i::text, '|' ORDER BY i.id) FROM films.item i),
            (SELECT f::text FROM films.fit f),
            (SELECT string_agg(concat_ws(':', r.item_id, round(r.score::numeric, 6), r.source, r.support), '|' ORDER BY r.item_id)
                FROM films.recommend(1, 1000) r),
            (SELECT string_agg(concat_ws(':', r.rank, r.item_id, r.similarity), '|' ORDER BY r.rank) FROM films.similar_items(1) r),
            (SELECT concat_ws(':', m.rating_count, m.user_count, m.item_count, m.fitted_at) FROM socrec.model m WHERE m.name = 'films')));
    END;
    CREATE FUNCTION people_digest() RETURNS text STABLE LANGUAGE sql BEGIN ATOMIC
        SELECT md5(concat_ws('|',
            (SELECT string_agg(i::text, '|' ORDER BY i.id) FROM people.item i),
            (SELECT string_agg(n::text, '|' ORDER BY n.id) FROM people.user_neighbor n),
            (SELECT f::text FROM people.fit f),
            (SELECT concat_ws(':', m.rating_count, m.user_count, m.item_count, m.fitted_at) FROM socrec.model m WHERE m.name = 'people')));
    END;
    -- The committed states, the last one the present one.
    CREATE TABLE state (model text PRIMARY KEY, digest text NOT NULL, version integer NOT NULL);
    INSERT INTO state VALUES ('films', films_digest(), 1), ('people', people_digest(), 1), ('plays', plays_digest(), 1);
    CREATE TABLE history (model text, digest text);
    -- An error unless the digest is that of the present state of the model and the
    -- counts of its parts agree.
    CREATE FUNCTION check_state(model text, digest text, expected text) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
        IF digest IS DISTINCT FROM expected THEN
            RAISE 'reader of % saw %, not %', model, digest, expected;
        END IF;
        RETURN true;
    END $$;
    CREATE FUNCTION check_users(fitted bigint, users bigint, ratings bigint, rated bigint) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
        IF (fitted, ratings) IS DISTINCT FROM (users, rated) THEN
            RAISE 'fit of % users and % ratings, but % and %', fitted, ratings, users, rated;
        END IF;
        RETURN true;
    END $$;
});

# User 1 is read, so is left alone; all others come and go.
my $rate = q{
    \set u random(2, 60)
    \set i random(1, 60)
    INSERT INTO ratings VALUES (:u, :i, 1 + (:u * :i) % 5) ON CONFLICT (user_id, item_id) DO UPDATE SET rating = 6 - ratings.rating;
    DELETE FROM ratings WHERE user_id = 2 + (:u * 7 + :i) % 70 AND item_id = 1 + (:u + :i * 3) % 40;
    INSERT INTO ratings VALUES (60 + :i, :u, 3) ON CONFLICT DO NOTHING;
};
my $refit = q{
    \set chosen random(1, 2)
    BEGIN;
    \if :chosen = 1
    CALL socrec.refit('MODEL');
    \else
    CALL socrec.refresh('MODEL');
    \endif
    UPDATE state SET digest = MODEL_digest(), version = version + 1 WHERE model = 'MODEL';
    INSERT INTO history SELECT model, digest FROM state WHERE model = 'MODEL';
    COMMIT;
};
my $read = q{
    SELECT check_state(s.model, CASE s.model WHEN 'films' THEN films_digest() WHEN 'plays' THEN plays_digest() ELSE people_digest() END, s.digest) FROM state s;
    SELECT check_users(f.user_count, n.users, f.rating_count, n.ratings)
        FROM people.fit f, (SELECT count(*) AS users, sum(rating_count) AS ratings FROM people.user_neighbor) n;
};
my $read_repeatedly = q{
    BEGIN ISOLATION LEVEL REPEATABLE READ;
    SELECT check_state('films', films_digest(), s.digest) FROM state s WHERE s.model = 'films';
    SELECT count(*) FROM films.recommendations WHERE user_id = 1;
    SELECT films.predict(1, 2);
    SELECT check_state('films', films_digest(), s.digest) FROM state s WHERE s.model = 'films';
    SELECT check_state('people', people_digest(), s.digest) FROM state s WHERE s.model = 'people';
    COMMIT;
};

my @seconds = ('-T', '6');
my @benches = (
    start_pgbench('raters', $rate, '-c', '2', '-R', '200', @seconds),
    start_pgbench('films fitted by four', $refit =~ s/MODEL/films/gr, '-c', '4', @seconds),
    start_pgbench('people fitted by three', $refit =~ s/MODEL/people/gr, '-c', '3', @seconds),
    start_pgbench('plays fitted by three', $refit =~ s/MODEL/plays/gr, '-c', '3', @seconds),
    start_pgbench('ten readers', $read, '-c', '10', @seconds),
    start_pgbench('ten readers with prepared statements', $read_repeatedly, '-c', '10', '-M', 'prepared', @seconds));
my %count = map { ($_->{name} => finish_pgbench($_)) } @benches;

cmp_ok($count{$_}, '>=', 10, "$_: $count{$_} times") foreach map { $_->{name} } @benches;
is($node->safe_psql('postgres', 'SELECT model, version - 1 FROM state ORDER BY model'),
    "films|$count{'films fitted by four'}\npeople|$count{'people fitted by three'}\nplays|$count{'plays fitted by three'}", 'no fit is lost');
cmp_ok($node->safe_psql('postgres', 'SELECT min(n) FROM (SELECT count(DISTINCT digest) AS n FROM history GROUP BY model) h'),
    '>=', 5, 'the models did change');
is($node->safe_psql('postgres', 'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()'), 0, 'no deadlocks');
# The server takes autovacuum off a table that somebody else wants to analyze.
unlike(slurp_file($node->logfile), qr/(ERROR|FATAL|PANIC):(?!  canceling autovacuum task)/, 'no errors in the log');

# At rest, a refresh or refit is again what a new model would be.
is( $node->safe_psql('postgres', q{
        CALL socrec.refresh('plays');
        SELECT name FROM socrec.create_model('once', 'ratings', rating_column => NULL, options => '{"holdout": 0}');
        SELECT count(*) FROM once.item o LEFT JOIN plays.item i USING (id, item_id, rating_count) WHERE i.id IS NULL;
        SELECT max(abs(a.weight - b.weight)) < 1e-5 FROM once.item o JOIN plays.item i USING (id),
            socrec.svec_unnest(o.neighbors) a JOIN LATERAL socrec.svec_unnest(i.neighbors) b USING (id)}),
    "once\n0\nt", 'a model refreshed many times equals a new one');
is( $node->safe_psql('postgres', q{
        CALL socrec.refit('people');
        SELECT name FROM socrec.create_model('fresh', 'ratings', method => 'user_knn', rating_column => NULL, options => '{"holdout": 0}');
        SELECT count(*) FROM (TABLE people.user_neighbor EXCEPT TABLE fresh.user_neighbor) n;
        SELECT count(*) FROM (TABLE fresh.item EXCEPT TABLE people.item) i}),
    "fresh\n0\n0", 'a model refitted many times equals a new one');

$node->stop;
done_testing();
