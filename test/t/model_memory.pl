# A fit that does not fit into maintenance_work_mem is refused, with the numbers,
# before the memory is taken, and the old model stays.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use lib dirname(__FILE__);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Process;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('memory');
$node->init;
# Shared buffers count as a process's own memory once it has touched them.
$node->append_conf('postgresql.conf', "shared_buffers = '2MB'\nmaintenance_work_mem = '512MB'\nsynchronize_seqscans = off");
$node->start;
$node->safe_psql(
    'postgres', q{
    CREATE EXTENSION socrec;
    CREATE UNLOGGED TABLE ratings (user_id integer, item_id integer, rating real);
    INSERT INTO ratings SELECT u, i, 1 + (u * i) % 5 FROM generate_series(1, 40) u, generate_series(1, 40) i WHERE (u * 7 + i * 13) % 5 < 3;
    SELECT name FROM socrec.create_model('films', 'ratings', options => '{"holdout": 0, "k": 10}');
    SELECT name FROM socrec.create_model('people', 'ratings', method => 'user_knn', options => '{"holdout": 0, "k": 10}');
    SELECT name FROM socrec.create_model('base', 'ratings', method => 'baseline', options => '{"holdout": 0}');
    INSERT INTO ratings SELECT u, (u * 7 + n * 13) % 3000, 1 + (u + n) % 5
        FROM generate_series(101, 30100) u, generate_series(1, 30) n;
    CREATE VIEW many_users AS SELECT 1000 * user_id + item_id AS user_id, item_id FROM ratings;
    CREATE VIEW many_texts AS
        SELECT item_id AS user_id, 'an item with a rather long key, number ' || (1000 * user_id + item_id) AS item_id FROM ratings;
    ANALYZE ratings;
});

my $state_query = q{
    SELECT md5(string_agg(i::text, '|' ORDER BY i.id)) FROM films.item i;
    SELECT md5(string_agg(n::text, '|' ORDER BY n.id)) FROM people.user_neighbor n;
    SELECT md5(string_agg(i::text, '|' ORDER BY i.id)) FROM base.item i;
    SELECT m::text FROM socrec.model m ORDER BY m.name;
    SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_t';
};
my $state = $node->safe_psql('postgres', $state_query);

# Run a command in a session of its own under a limit; returns its error and by
# how much the session's memory has grown.
sub run_with
{
    my ($limit, $command) = @_;
    my $session = $node->background_psql('postgres', on_error_stop => 0);
    $session->query('\\set VERBOSITY verbose');
    $session->query("SET maintenance_work_mem = $limit");
    $session->query('SET client_min_messages = warning');
    $session->query('SET work_mem = 64');
    # What any fit needs, such as the library and the catalogs.
    $session->query(q{BEGIN; SELECT socrec.create_model('small', 'SELECT * FROM ratings WHERE user_id < 20', method => 'user_knn'); ROLLBACK});
    $session->query('SELECT count(*) FROM ratings');
    my $pid = $session->query('SELECT pg_backend_pid()');
    my $before = peak_memory($pid);
    $session->{stderr} = '';
    $session->query($command);
    my $error = $session->{stderr};
    my $after = peak_memory($pid);
    $session->quit;
    return ($error, defined $before && defined $after ? $after - $before : undef);
}

my $minimum = $node->safe_psql('postgres', "SELECT min_val FROM pg_settings WHERE name = 'maintenance_work_mem'");
my %commands = (
    'refit of items' => "CALL socrec.refit('films')",
    'refit of users' => "CALL socrec.refit('people')",
    'refit of a baseline' => "CALL socrec.refit('base')",
    'create_model' => "SELECT socrec.create_model('another', 'ratings')",
    'create_model, implicit' => "SELECT socrec.create_model('another', 'ratings', rating_column => NULL, method => 'popular')",
    'many users' => "SELECT count(*) FROM socrec.item_neighbors('SELECT user_id, item_id FROM many_users', k => 5)",
    'many items' => "SELECT count(*) FROM socrec.user_neighbors('SELECT item_id, user_id FROM many_users', k => 5)",
    'many text keys' => "SELECT count(*) FROM socrec.item_neighbors_typed('SELECT user_id, item_id FROM many_texts', NULL::text, k => 0)");

# 900,000 ratings take 18 MB and more.
foreach my $what (sort keys %commands)
{
    # The larger one is where a table of many keys would double next.
    foreach my $limit ($minimum, ($what =~ /^many/ ? 26 : 16) * 1024)
    {
        my ($error, $growth) = run_with($limit, $commands{$what});
        my ($needed, $allowed) = $error =~
          /ERROR:  54000: fitting needs at least (\d+) MB of memory, maintenance_work_mem allows (\d+) MB\n/;

        ok(defined $needed, "$what under $limit kB: refused") or diag($error);
        next if !defined $needed;
        ok($allowed == int($limit / 1024) && $needed > $allowed, "$what under $limit kB: needs $needed MB, is allowed $allowed MB");
        like($error, qr/DETAIL:  \d+ MB are in use and \d+ MB more are needed for \w+, at \d+ rows\.\n.*HINT:  Raise maintenance_work_mem/s,
            "$what under $limit kB: detail and hint");
        SKIP:
        {
            skip 'peak memory is not known', 1 if !defined $growth;
            # Beside the limit: the query's own executor, and what malloc rounds up.
            cmp_ok($growth, '<', $limit / 1024 + 5, "$what under $limit kB: refused before it is taken");
        }
    }
}
is($node->safe_psql('postgres', $state_query), $state, 'the old models, and nothing else');

# The heaps of the neighbors are the largest piece: 3,000 items with 2,000 each.
my ($error, $growth) = run_with(40 * 1024,
    "SELECT count(*) FROM socrec.item_neighbors('SELECT user_id, item_id, rating FROM ratings WHERE user_id < 20000', k => 2000)");
like($error, qr/ERROR:  54000: .*needed for neighbors, at \d+ rows/s, 'room for neighbors is refused');
SKIP:
{
    skip 'peak memory is not known', 1 if !defined $growth;
    cmp_ok($growth, '<', 40, 'before it is taken');
}

# Numbers that no machine has.
($error, $growth) = run_with(40 * 1024,
    "SELECT count(*) FROM socrec.item_neighbors('SELECT user_id, item_id, rating FROM ratings', k => 2000000000)");
like($error, qr/ERROR:  22023: k must be between 0 and 100000, not 2000000000/, 'an absurd k is refused');

# Where there is room, it works, within the limit, and follows the hint.
foreach my $what (sort keys %commands)
{
    next if $what =~ /^create_model/;
    my ($error, $growth) = run_with(512 * 1024, $commands{$what});
    is($error, '', "$what with enough memory") or next;
    SKIP:
    {
        skip 'peak memory is not known', 1 if !defined $growth;
        cmp_ok($growth, '>', 15, "$what: and that much it takes");
    }
}
my $limit = 14;
my $attempts = 0;
while ($attempts++ < 40)
{
    ($error) = run_with($limit * 1024, "CALL socrec.refit('films')");
    last if $error !~ /fitting needs at least (\d+) MB/;
    $limit = $1;
}
is($error, '', 'raising the limit to what the error says leads to a fit');
cmp_ok($limit, '<', 100, "which takes $limit MB");

$node->stop;
done_testing();
