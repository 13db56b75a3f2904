# segment: the inertia of socrec.kmeans on real users is within 1 % of the best of
# ten starts of scikit-learn (tools/reference_segment.py; its output and
# provenance are in test/reference)
#
# SOCREC_MOVIELENS and SOCREC_ONLINE_RETAIL name the folders of the data; either
# is skipped where it is not there.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use File::Spec;
use lib dirname(__FILE__);
use Data;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = File::Spec->rel2abs(dirname(__FILE__) . '/../..');
my $movielens = $ENV{SOCREC_MOVIELENS};
my $retail = $ENV{SOCREC_ONLINE_RETAIL};
my $has_movielens = defined $movielens && -r "$movielens/ratings.csv" && -r "$movielens/movies.csv";
my $has_retail = defined $retail && -r "$retail/onlineretail.csv.gz";

plan skip_all => 'no data: set SOCREC_MOVIELENS or SOCREC_ONLINE_RETAIL to its folder'
  unless $has_movielens || $has_retail;

my $node = PostgreSQL::Test::Cluster->new('segment');
$node->init;
$node->append_conf('postgresql.conf', "jit = off\ntimezone = 'UTC'");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION socrec;
	CREATE TABLE expected (data text, n integer, k integer, inertia float8);
	CREATE TABLE ratings (user_id integer, movie_id integer, rating float8, rated_at bigint);
	CREATE TABLE movies (movie_id integer, title text, genres text);
	CREATE TABLE line (invoice text, stock_code text, description text, quantity integer, invoiced_at timestamp,
		unit_price float8, customer_id text, country text);
	CREATE VIEW movielens AS
		SELECT user_id, ln(1 + count(*)) AS ln_n, avg(rating) AS mean, stddev_pop(rating) AS stddev,
			ln(1 + (max(rated_at) - min(rated_at)) / 86400.0::float8) AS span,
			avg(('Action' = ANY (g))::integer) AS action, avg(('Comedy' = ANY (g))::integer) AS comedy,
			avg(('Drama' = ANY (g))::integer) AS drama, avg(('Horror' = ANY (g))::integer) AS horror,
			avg(('Romance' = ANY (g))::integer) AS romance, avg(('Sci-Fi' = ANY (g))::integer) AS sci_fi
		FROM ratings JOIN (SELECT movie_id, string_to_array(genres, '|') AS g FROM movies) m USING (movie_id)
		GROUP BY user_id ORDER BY user_id;
	CREATE VIEW online_retail AS
		SELECT customer_id, ln(1 + extract(epoch FROM timestamp '2011-12-10' - max(invoiced_at))::float8 / 86400) AS recency,
			ln(1 + count(DISTINCT invoice)::float8) AS frequency, ln(1 + sum(quantity * unit_price)) AS monetary
		FROM line WHERE customer_id <> '' AND quantity > 0 AND unit_price > 0 GROUP BY customer_id ORDER BY customer_id;
});

load_csv($node, 'expected', "$root/test/reference/segment_inertia.csv");
my @data;
if ($has_movielens)
{
	load_csv($node, 'ratings', "$movielens/ratings.csv");
	load_csv($node, 'movies', "$movielens/movies.csv");
	push @data, [ 'movielens', 'integer' ];
}
if ($has_retail)
{
	load_csv($node, 'line', "$retail/onlineretail.csv.gz");
	push @data, [ 'online_retail', 'text' ];
}

for my $case (@data)
{
	my ($name, $type) = @$case;

	is($node->safe_psql('postgres', "SELECT count(*) = (SELECT max(n) FROM expected WHERE data = '$name') FROM $name"), 't',
		"$name has the users of the reference");
	for my $k (split /\n/, $node->safe_psql('postgres', "SELECT k FROM expected WHERE data = '$name' ORDER BY k"))
	{
		my $found = $node->safe_psql('postgres', qq{
			SELECT f.inertia / e.inertia FROM socrec.kmeans('TABLE $name', NULL::$type, $k, seed => 1) f, expected e
			WHERE f.cluster = 0 AND e.data = '$name' AND e.k = $k});
		cmp_ok($found, '<', 1.01, "$name, k = $k: inertia within 1 % of the reference");
		cmp_ok($found, '>', 0.9, "$name, k = $k: inertia of the same features");
	}
}

$node->stop;
done_testing();
