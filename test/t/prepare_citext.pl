# Keys that are equal in any case (extension citext) are one user and one item,
# in new ratings as in refreshed ones.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('citext');
$node->init;
$node->start;
if ($node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'}) eq '0')
{
    plan skip_all => 'extension citext is not here';
}

# An extension in another schema than the caller's search_path.
$node->safe_psql(
    'postgres', q{
    CREATE EXTENSION socrec;
    CREATE SCHEMA types;
    CREATE EXTENSION citext SCHEMA types;
    CREATE TABLE event (user_id types.citext, item_id types.citext);
    INSERT INTO event VALUES ('Ann', 'Tea'), ('ANN', 'tea '), ('ann', 'milk'), ('Bob', 'TEA'), (' bob', 'milk'), ('cat', 'milk');
});
foreach my $options ('{"incremental": true}', '{"incremental": true, "trim": false}', '{"incremental": true, "min_user_ratings": 2}',
    '{"incremental": true, "drop_duplicates": true, "fold_case": "lower"}')
{
    my $ratings = q{SELECT lower(user_id::text), lower(item_id::text), rating, events FROM log.rating ORDER BY 1, 2};
    $node->safe_psql('postgres', "SELECT count(*) FROM socrec.create_ratings('log', 'event', options => '$options')");
    # Untrimmed, 'tea ' is another item; alike in all, the two count once.
    my $tea = $options =~ /trim|dup/ ? 'ann|tea|1|1' : 'ann|tea|2|2';
    like($node->safe_psql('postgres', $ratings), qr/^\Q$tea\E$/m, "$options: created");
    $node->safe_psql('postgres', q{
        INSERT INTO event VALUES ('aNN', 'tEA'), ('CAT', 'Tea'), ('BOB', 'Milk');
        DELETE FROM event WHERE user_id = 'ANN' AND item_id = 'MILK';
        SELECT count(*) FROM socrec.refresh_ratings('log')});
    my $refreshed = $node->safe_psql('postgres', $ratings);
    $node->safe_psql('postgres', q{INSERT INTO log.change (change) VALUES (0); SELECT count(*) FROM socrec.refresh_ratings('log')});
    is($node->safe_psql('postgres', $ratings), $refreshed, "$options: a refresh is as a rebuild");
    like($refreshed, qr/^bob\|milk\|/m, "$options: there are ratings");
    $node->safe_psql('postgres', q{
        SELECT socrec.drop_ratings('log');
        TRUNCATE event;
        INSERT INTO event VALUES ('Ann', 'Tea'), ('ANN', 'tea '), ('ann', 'milk'), ('Bob', 'TEA'), (' bob', 'milk'), ('cat', 'milk')});
}

$node->stop;
done_testing();
