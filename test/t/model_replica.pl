# A physical replica serves a model: everything that reads works there, nothing
# that writes does, and the same goes for a role that may only read.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;
$primary->safe_psql(
    'postgres', q{
    CREATE EXTENSION socrec;
    CREATE TABLE ratings (user_id integer, item_id text, rating real, PRIMARY KEY (user_id, item_id));
    INSERT INTO ratings
        SELECT u, 'item ' || i, 1 + (hashint8extended(u * 1000 + i, 2) & 1) + CASE WHEN u % 2 = i % 2 THEN 3 ELSE 0 END
        FROM generate_series(1, 30) u, generate_series(1, 20) i
        WHERE hashint8extended(u * 1000 + i, 1) & 7 < CASE WHEN u % 2 = i % 2 THEN 6 ELSE 3 END;
    CREATE ROLE reader LOGIN;
    ALTER ROLE reader SET default_transaction_read_only = on;
    CREATE ROLE modeler LOGIN;
    GRANT CREATE ON DATABASE postgres TO modeler;
    GRANT SELECT ON ratings TO reader, modeler;
});

my %rating_column = (item_knn => "'rating'", user_knn => 'NULL', popular => 'NULL', baseline => "'rating'");
my @methods = sort keys %rating_column;

foreach my $method (@methods)
{
    $primary->safe_psql(
        'postgres', qq{
        SELECT name FROM socrec.create_model('$method', 'ratings', rating_column => $rating_column{$method},
            method => '$method', options => '{"holdout": 0.1}');
        GRANT USAGE ON SCHEMA $method TO reader;
    }, extra_params => [ '-U', 'modeler' ]);
}

my $replica = PostgreSQL::Test::Cluster->new('replica');
$primary->backup('base');
$replica->init_from_backup($primary, 'base', has_streaming => 1);
$replica->start;

# Everything that a reader can ask of a model.  Nine digits of it, as a sum
# depends on the order in which a plan finds its rows.
sub answers
{
    my ($node, @options) = @_;

    return $node->safe_psql('postgres', join('', "SET extra_float_digits = -6;\n", map { qq{
            SELECT '$_', r.* FROM $_.recommend(1) r;
            SELECT '$_', r.* FROM $_.recommend(2, n => 3, exclude_seen => false, min_support => 2) r;
            SELECT '$_', $_.predict(1, 'item 2'), $_.predict(1, 'unknown'), $_.predict(-1, 'item 2');
            SELECT '$_', s.* FROM $_.similar_items('item 3') s;
            SELECT '$_', s.* FROM $_.similar_users(3) s;
            SELECT '$_', e.* FROM $_.explain(4, 'item 5') e;
            SELECT '$_', r.* FROM $_.recommendations r WHERE r.user_id < 4;
            SELECT '$_', e.* FROM $_.prediction_error e ORDER BY 2, 3;
            SELECT '$_', e.* FROM $_.evaluation e;
            SELECT '$_', f.* FROM $_.fit f;
            SELECT m.* FROM socrec.models m WHERE m.name = '$_';
        } } @methods), @options);
}

sub wait_for_replica
{
    $primary->wait_for_catchup($replica, 'replay', $primary->lsn('insert'));
}

my @as_reader = (extra_params => [ '-U', 'reader' ]);

wait_for_replica();
my $answers = answers($primary);
like($answers, qr/^$_\|1\|item /m, "$_ recommends") foreach @methods;
is(answers($replica), $answers, 'a replica gives the same answers');
is( $replica->safe_psql('postgres', 'SHOW transaction_read_only', @as_reader), 'on', 'a reader reads only');
my $reader_answers = answers($primary, @as_reader);
is($reader_answers =~ s/^[^\n]*\|modeler\|[^\n]*$//mgr, $answers =~ s/^[^\n]*\|modeler\|[^\n]*$//mgr,
    'a role that reads only gets the same answers');
is(answers($replica, @as_reader), $reader_answers, 'and on the replica too');

# PostgreSQL itself refuses to write.
foreach my $place ([ $replica, 'modeler', 'replica', '' ],
    [ $primary, 'modeler', 'read-only transaction', 'SET default_transaction_read_only = on;' ])
{
    my ($node, $role, $where, $setting) = @$place;

    foreach my $command (
        "CALL socrec.refit('item_knn')",
        "SELECT socrec.drop_model('item_knn')",
        "SELECT socrec.create_model('another', 'ratings')",
        "SELECT user_knn.forget_user(1)")
    {
        my ($status, $output, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\n$setting $command",
            extra_params => [ '-U', $role ]);
        like($error, qr/ERROR:  25006: cannot execute .* in a read-only transaction/, "$where: no $command");
    }
}
is(answers($replica), $answers, 'a replica gives the same answers after refused writes');

# A rating counts on the replica without a refit; then a refit arrives.
my $unseen = $primary->safe_psql('postgres', 'SELECT item_id FROM item_knn.recommend(1, 1)');
$primary->safe_psql('postgres', "INSERT INTO ratings VALUES (1, '$unseen', 5)");
wait_for_replica();
is($replica->safe_psql('postgres', "SELECT count(*) FROM item_knn.recommend(1, 100) WHERE item_id = '$unseen'"),
    0, 'what a user has rated since is not recommended on the replica');
isnt(answers($replica), $answers, 'a rating counts on the replica');
is(answers($replica), answers($primary), 'as it does on the primary');

my $old_fit = $replica->safe_psql('postgres', 'SELECT f.* FROM item_knn.fit f');
$primary->safe_psql(
    'postgres', q{
    INSERT INTO ratings SELECT u, 'new item', 4 FROM generate_series(1, 10) u;
    CALL socrec.refit('item_knn');
    CALL socrec.refit('user_knn')});
wait_for_replica();
isnt($replica->safe_psql('postgres', 'SELECT f.* FROM item_knn.fit f'), $old_fit, 'a refit arrives on the replica');
is(answers($replica), answers($primary), 'the replica gives the answers of the new fit');

# After promotion the models can be refitted there.
$replica->promote;
$replica->safe_psql('postgres', "INSERT INTO ratings VALUES (11, 'new item', 4)");
$replica->safe_psql('postgres', "CALL socrec.refit('$_')", extra_params => [ '-U', 'modeler' ]) foreach @methods;
is( $replica->safe_psql(
        'postgres', q{
        SELECT count(*) FROM socrec.models m
        WHERE m.staleness = 0
            AND m.rating_count + (SELECT count(*) FROM item_knn.rating r WHERE r.held_out) = (SELECT count(*) FROM ratings)},
        extra_params => [ '-U', 'modeler' ]),
    scalar(@methods),
    'a promoted replica refits');

$replica->stop;
$primary->stop;
done_testing();
