# Factors fitted in parallel workers, and lists made in them, are those of one process;
# and a fit ends with all of its workers when it is stopped or one of them dies, is
# refused what does not fit into memory, and leaves nothing behind.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use lib dirname(__FILE__);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Process;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('factor_parallel');
$node->init;
$node->append_conf('postgresql.conf', "jit = off\nmaintenance_work_mem = 1GB\ndynamic_shared_memory_type = mmap\nmax_parallel_workers_per_gather = 0\nmax_wal_size = 1GB");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION socrec;
	-- 250 thousand ratings, of items rated by all to items rated by few
	CREATE UNLOGGED TABLE sample AS
		SELECT u AS user_id, i AS item_id, (1 + (hashint4extended(u * 10000 + i, 7) & 3))::real AS rating
		FROM generate_series(1, 1500) u, generate_series(1, 3000) i
		WHERE (hashint4extended(u * 10000 + i, 3) & 1023) < CASE WHEN u % 5 = i % 5 THEN 60000 ELSE 10000 END / (i + 90) + 10;
	ALTER TABLE sample ADD PRIMARY KEY (user_id, item_id);
	ANALYZE;
	SELECT name FROM socrec.create_model('liked', 'sample', rating_column => NULL, method => 'ials', options => '{"holdout": 0, "factors": 20}');
});

sub fit
{
	my ($query, $options) = @_;
	return qq{SELECT md5(string_agg(f::text, ',' ORDER BY id))
		FROM socrec.item_factors('$query', 0, 'ials', socrec.model_options('ials', '$options', true)) f};
}

foreach my $case (
	[ 'TABLE sample', '{"factors": 20, "iterations": 3}' ],
	[ 'SELECT user_id, item_id FROM sample', '{"factors": 33, "iterations": 2, "seed": 7}' ],
	[ 'TABLE sample', '{"factors": 12, "iterations": 2, "solver": "cholesky"}' ])
{
	same_in_workers($node, 'socrec_ials_solve', $case->[1], fit(@$case));
}
my (undef, $small) = run_debug($node, fit('SELECT * FROM sample WHERE user_id < 100', '{"factors": 10, "iterations": 1}'));
unlike($small, qr/in this process and [12]/, 'no workers for a small table');

# Lists of all users, in workers and without, are those of each by himself.
same_in_workers($node, 'socrec_factor_lists', 'lists',
	q{SELECT md5(string_agg(r::text, ',' ORDER BY user_id, rank)) FROM liked.recommend_all(15) r});
is($node->safe_psql('postgres', q{
	SELECT count(*), count(*) FILTER (WHERE (abs(a.score - b.score) < 1e-5 AND (a.item_id = b.item_id OR abs(a.score - b.score) < 1e-6)) IS NOT TRUE)
	FROM liked.recommend_all(15) a
		FULL JOIN (SELECT u AS user_id, r.* FROM generate_series(1, 1500, 10) u CROSS JOIN LATERAL liked.recommend(u, 15) r) b USING (user_id, rank)
	WHERE user_id % 10 = 1}), '2250|0', '... and for each user by himself');

# Memory: refused before it is taken.
my ($out, $err);
$node->psql('postgres', "SET maintenance_work_mem = '4MB'; " . fit('SELECT * FROM sample WHERE user_id < 500', '{"factors": 256}'), stdout => \$out, stderr => \$err);
like($err, qr/fitting needs at least \d+ MB of memory, maintenance_work_mem allows 4 MB/, 'more memory than is allowed is refused');
like($err, qr/HINT:  Raise maintenance_work_mem/, '... with what to do');

my $state = q{SELECT md5(string_agg(i::text, ',' ORDER BY id)), (SELECT count(*) FROM pg_namespace), (SELECT count(*) FROM liked.item_block) FROM liked.item i};
my @same = ([ 'the old model is, and no other', $state, $node->safe_psql('postgres', $state) ]);

# Stopped at ever later times, in a subtransaction, and soon.
$node->safe_psql('postgres', q{
	CREATE TABLE stopped (after integer);
	CREATE PROCEDURE stop(after integer) LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM count(*) FROM socrec.item_factors('TABLE sample', 0, 'ials', socrec.model_options('ials', '{"factors": 128, "iterations": 100}', true));
	EXCEPTION WHEN query_canceled THEN
		INSERT INTO stopped VALUES (after);
	END
	$$});
my $started = time;
is($node->safe_psql('postgres', 'SET client_min_messages = error'
	  . join('', map { ";\nSET statement_timeout = $_; CALL stop($_)" } 100, 300, 500, 700)
	  . ";\nRESET statement_timeout; SELECT count(*) FROM stopped"), '4', 'a timeout stops it');
cmp_ok(time - $started, '<', 20, '... soon');
check_nothing_left($node, 'stopped', @same);

# The leader is cancelled or ended, or a worker is, in the middle of a refit.
$node->safe_psql('postgres', q{UPDATE socrec.model SET options = options || '{"factors": 128, "iterations": 1000}' WHERE name = 'liked'});
foreach my $blow (@blows)
{
	strike($node, @$blow, q{CALL socrec.refit('liked')});
	check_nothing_left($node, $blow->[0], @same);
}
unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC|TRAP/, 'no crash');

$node->stop;
done_testing();
