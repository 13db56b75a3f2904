# profile: profiles of MovieLens and Online Retail equal an independent
# computation (tools/reference_profile.py; its output and provenance are in
# test/reference), whether they are stored, brought up to date, or views
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
my $films = $ENV{SOCREC_MOVIELENS};
my $retail = $ENV{SOCREC_ONLINE_RETAIL};
my $has_films = defined $films && -r "$films/ratings.csv" && -r "$films/movies.csv";
my $has_retail = defined $retail && -r "$retail/onlineretail.csv.gz";

plan skip_all => 'no data: set SOCREC_MOVIELENS or SOCREC_ONLINE_RETAIL to its folder'
  unless $has_films || $has_retail;

my $node = PostgreSQL::Test::Cluster->new('profile');
$node->init;
$node->append_conf('postgresql.conf', "jit = off\nmaintenance_work_mem = 256MB\ntimezone = 'UTC'");
$node->start;

# Keys have one order everywhere: ids and ties depend on it.
$node->safe_psql('postgres', q{
	CREATE EXTENSION socrec;
	CREATE TABLE rating (user_id integer, item_id integer, rating float8, second bigint);
	CREATE TABLE film (item_id integer, title text, genres text COLLATE "C");
	CREATE VIEW genre AS SELECT item_id, string_to_table(genres, '|') AS genre FROM film;
	CREATE TABLE line (invoice text, item_id text COLLATE "C", description text, quantity integer, invoiced_at timestamp,
		unit_price float8, user_id integer, country text);
	CREATE VIEW purchase AS SELECT *, quantity * unit_price AS amount FROM line;

	CREATE TABLE expected_user (name text, user_id integer, events float8, items float8, first_at float8, last_at float8, recency_days float8,
		frequency float8, monetary float8, sessions float8, active_days float8, peak_hour float8, value_mean float8, value_stddev float8,
		harshness float8, entropy float8, mainstream float8, recency_score float8, frequency_score float8, monetary_score float8,
		segment text, top_interests text);
	CREATE TABLE expected_vector (name text, vector text, user_id integer, key text, weight float8);
	CREATE TABLE expected_crowd (name text, kind text, key text, id integer, users float8, events float8, popularity float8,
		value_mean float8, idf float8);
	CREATE TABLE expected_sum (name text, metric text, n bigint, sum float8, squares float8, weighted float8);

	-- Equal to a relative tolerance, or both not there.  What is left of a sum of amounts that cancel is no number to compare with.
	CREATE FUNCTION equal(a float8, b float8, tolerance float8) RETURNS boolean IMMUTABLE
	RETURN coalesce(abs(a - b) <= tolerance * abs(b) + 1e-10, a IS NULL AND b IS NULL);
});

# No row of a query that looks for differences, the first of which are shown.
sub no_difference
{
	my ($query, $what) = @_;

	return is($node->safe_psql('postgres', "SELECT * FROM ($query) d LIMIT 10"), '', $what);
}

# Everything that is found, in the shape of what is expected.
sub collect
{
	my ($name, $has_as_of, $has_categories) = @_;
	my $relative = $has_as_of ? '{}' : '{recency_days,recency_score,frequency_score,monetary_score,segment}';

	$node->safe_psql('postgres', qq{
		DROP TABLE IF EXISTS found_user, found_vector, found_crowd, found_number;
		CREATE TABLE found_user AS SELECT p.user_id, f.key, f.value
			FROM $name.user_profile p CROSS JOIN LATERAL jsonb_each_text((to_jsonb(p)
				|| jsonb_build_object('first_at', extract(epoch FROM first_at), 'last_at', extract(epoch FROM last_at)))
				- '{user_id,taste,interests,top_interest}'::text[] - '$relative'::text[]) f;
		CREATE TABLE found_crowd AS SELECT 'item' AS kind, item_id::text AS key, id, users, events, popularity, value_mean, NULL::float8 AS idf FROM $name.item;
		CREATE TABLE found_vector AS SELECT 'taste' AS vector, p.user_id, i.key, v.weight::float8 AS weight
			FROM $name.user_profile p CROSS JOIN LATERAL socrec.svec_unnest(p.taste) v LEFT JOIN found_crowd i ON i.id = v.id
			WHERE abs(v.weight) > 1e-9;
	});
	if ($has_categories)
	{
		$node->safe_psql('postgres', qq{
			INSERT INTO found_crowd SELECT 'category', genre, id, users, NULL, NULL, NULL, idf FROM $name.category;
			INSERT INTO found_vector SELECT 'interest', user_id, genre, weight FROM $name.user_interest WHERE abs(weight) > 1e-9});
	}
	# Numbers, and words as ones, with the id to weight by.
	$node->safe_psql('postgres', q{
		CREATE TABLE found_number AS
			SELECT user_id AS id, key AS metric, value::float8 AS value FROM found_user WHERE key NOT IN ('segment', 'top_interests') AND value IS NOT NULL
			UNION ALL SELECT user_id, 'segment ' || value, 1 FROM found_user WHERE key = 'segment'
			UNION ALL SELECT user_id, format('interest %s %s', n, w), 1 FROM found_user CROSS JOIN string_to_table(value, ', ') WITH ORDINALITY t(w, n)
				WHERE key = 'top_interests' AND value <> ''
			UNION ALL SELECT id, kind || ' ' || m, v FROM found_crowd CROSS JOIN LATERAL (VALUES
				('users', users::float8), ('events', events), ('popularity', popularity), ('value_mean', value_mean), ('idf', idf)) t(m, v) WHERE v IS NOT NULL
			UNION ALL SELECT user_id, vector, weight FROM found_vector});
	return;
}

# What is found against what is expected: of chosen users each number, of all
# users the sums.  Items and categories are written with the first case of their data.
sub compare
{
	my ($name, $what, $has_crowd) = @_;

	cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM expected_user WHERE name = '$name'"), '>', 5, "$what: some users");
	no_difference(qq{
		SELECT user_id, e.key, f.value AS found, e.value AS expected
		FROM (SELECT u.user_id, e.* FROM expected_user u CROSS JOIN LATERAL jsonb_each_text(to_jsonb(u) - '{name,user_id}'::text[]) e WHERE name = '$name') e
			LEFT JOIN found_user f USING (user_id, key)
		WHERE NOT CASE WHEN e.key IN ('segment', 'top_interests') THEN nullif(f.value, '') IS NOT DISTINCT FROM e.value
			ELSE equal(f.value::float8, e.value::float8, 1e-9) END}, '... have the columns expected');
	no_difference(qq{
		SELECT vector, user_id, key, f.weight AS found, e.weight AS expected
		FROM (SELECT * FROM expected_vector WHERE name = '$name') e
			FULL JOIN (SELECT * FROM found_vector WHERE (vector, user_id) IN (SELECT vector, user_id FROM expected_vector WHERE name = '$name')) f
			USING (vector, user_id, key)
		WHERE NOT equal(f.weight, e.weight, 1e-6)}, '... and vectors');
	no_difference(qq{
		SELECT metric, f.n, e.n AS expected_n, f.sum, e.sum AS expected_sum, f.squares, e.squares AS expected_squares, f.weighted, e.weighted AS expected_weighted
		FROM (SELECT * FROM expected_sum WHERE name = '$name') e
			FULL JOIN (SELECT metric, count(*) AS n, sum(value), sum(value * value) AS squares, sum(value * id) AS weighted FROM found_number f
				WHERE metric !~ '^(item|category) ' OR '$has_crowd' GROUP BY metric) f USING (metric)
			CROSS JOIN LATERAL (SELECT CASE WHEN metric IN ('taste', 'interest') THEN 1e-6 ELSE 1e-9 END AS tolerance,
				metric ~ '^(segment|interest) .|_(at|score|days|hour)\$|^(events|items|frequency|sessions)\$' AND metric <> 'recency_days' AS is_whole) t
		WHERE NOT coalesce(f.n = e.n AND CASE WHEN is_whole THEN f.sum = e.sum ELSE equal(f.sum, e.sum, tolerance) END
			AND equal(f.squares, e.squares, tolerance) AND equal(f.weighted, e.weighted, tolerance), false)}, '... and sums over all users');
	no_difference(qq{
		SELECT kind, key, e.id AS expected, f.*
		FROM (SELECT * FROM expected_crowd WHERE name = '$name') e LEFT JOIN found_crowd f USING (kind, key)
		WHERE NOT coalesce(f.id = e.id AND f.users = e.users, false) OR f.events IS DISTINCT FROM e.events
			OR NOT (equal(f.popularity, e.popularity, 1e-9) AND equal(f.value_mean, e.value_mean, 1e-9) AND equal(f.idf, e.idf, 1e-9))},
		'... and items and categories') if $has_crowd;
	return;
}

my $purchases = q{'purchase', value_column => 'amount', time_column => 'invoiced_at'};
my $ratings = q{'rating', value_column => 'rating', time_column => 'second', categories => 'genre', category_column => 'genre'};
my @cases = (
	[ 'retail', $has_retail, qq{$purchases, occasion_column => 'invoice'}, '"as_of": "2011-12-10"' ],
	[ 'retail_mean', $has_retail, $purchases, '"half_life": "90 days", "session_gap": "1 day", "time_zone": "Asia/Kolkata", "taste": "mean"' ],
	[ 'retail_log', $has_retail, $purchases, '"session_gap": "0", "taste": "log1p"' ],
	[ 'films', $has_films, $ratings, '"as_of": "2018-10-01", "time_zone": "America/New_York", "taste": "mean"' ],
	[ 'films_decay', $has_films, $ratings, '"half_life": "180 days", "time_zone": "America/New_York", "taste": "log1p"' ],
	[ 'films_value', $has_films, $ratings, '"half_life": "180 days", "taste": "count", "interest_weight": "value"' ]);

for my $table (qw(user vector crowd sum))
{
	load_csv($node, "expected_$table", "$root/test/reference/profile_$table" . ($table =~ /user|vector|sum/ ? 's' : '') . '.csv');
}
if ($has_retail)
{
	load_csv($node, 'line', "$retail/onlineretail.csv.gz");
	is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT user_id) FROM line'), '541909|4372', 'the file is the one of 541,909 lines');
}
if ($has_films)
{
	load_csv($node, 'rating', "$films/ratings.csv");
	load_csv($node, 'film', "$films/movies.csv");
	is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT user_id) FROM rating'), '100836|610', 'the file is the one of 100,836 ratings');
}

# Create profiles, perhaps change users, compare, drop.
sub check_case
{
	my ($case, $storage, $options, $change) = @_;
	my ($name, $is_here, $arguments, $own_options) = @$case;
	my $what = "$name as a $storage";

  SKIP:
	{
		skip(($name =~ /retail/ ? 'Online Retail is not here: set SOCREC_ONLINE_RETAIL' : 'MovieLens is not here: set SOCREC_MOVIELENS') . ' to its folder', 1)
		  unless $is_here;
		$node->safe_psql('postgres', "SELECT socrec.create_profiles('$name', $arguments, storage => '$storage', options => '{$own_options$options}')");
		if ($change)
		{
			$node->safe_psql('postgres', "$change; SELECT socrec.refresh_profiles('$name')");
			$what .= ', some users anew';
		}
		collect($name, scalar($own_options =~ /as_of/), scalar($name =~ /films/));
		compare($name, $what, $name =~ /_/ ? 0 : 1);
		$node->safe_psql('postgres', "SELECT socrec.drop_profiles('$name')");
	}
	return;
}

for my $case (@cases)
{
	check_case($case, $_, '') for qw(table view);
	# Users that are computed again, by what is stored of all users, come out the same.
	check_case($case, 'table', ', "incremental": true',
		"DELETE FROM $case->[0].activity WHERE user_id % 3 = 1; UPDATE $case->[0].activity SET events = 0, harshness = 0 WHERE user_id % 3 = 2; UPDATE rating SET second = second WHERE user_id % 3 > 0")
	  if $case->[0] =~ /films/;
}

$node->stop;
done_testing();
