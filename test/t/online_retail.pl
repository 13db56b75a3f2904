# online_retail: what create_ratings makes of the UCI Online Retail file, as it
# is, equals an independent count (tools/reference_prepare.py; its output and
# provenance are in test/reference)
#
# SOCREC_ONLINE_RETAIL names the folder with onlineretail.csv.gz.

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
my $data = $ENV{SOCREC_ONLINE_RETAIL};

plan skip_all => 'Online Retail is not here: set SOCREC_ONLINE_RETAIL to its folder'
  unless defined $data && -r "$data/onlineretail.csv.gz";

my $node = PostgreSQL::Test::Cluster->new('online_retail');
$node->init;
$node->append_conf('postgresql.conf', "jit = off\nmaintenance_work_mem = 256MB\ntimezone = 'UTC'");
$node->start;

# Everything as text: what is no number or no time is the extension's to find.
$node->safe_psql('postgres', q{
	CREATE EXTENSION socrec;
	CREATE TABLE line (invoice text, stock_code text, description text, quantity text, invoiced_at text,
		unit_price text, customer_id text, country text);
	CREATE TABLE expected (name text, reason text, value float8);
});
load_csv($node, 'line', "$data/onlineretail.csv.gz");
load_csv($node, 'expected', "$root/test/reference/online_retail_report.csv");
is($node->safe_psql('postgres', 'SELECT count(*) FROM line'), 541909, 'the file is the one of 541,909 lines');

my %options = (
	sum       => '{"fold_case": "none"}',
	core      => '{"fold_case": "upper", "combine": "log1p", "min_user_ratings": 5, "min_item_ratings": 10}',
	half_year => '{"fold_case": "upper", "min_user_ratings": 2, "min_item_ratings": 2, "since": "2011-03-01", "until": "2011-09-01"}');

for my $name (sort keys %options)
{
	$node->safe_psql('postgres', qq{
		SELECT socrec.create_ratings('$name', 'line', 'customer_id', 'stock_code', value_column => 'quantity',
			time_column => 'invoiced_at', options => '$options{$name}')});
	is($node->safe_psql('postgres', qq{
		WITH found AS (
			SELECT coalesce(reason, effect) AS reason, rows::float8 AS value FROM socrec.prepare_report('$name')
			UNION ALL SELECT 'sum of ratings', sum(rating) FROM $name.rating)
		SELECT string_agg(format('%s: %s, expected %s', reason, f.value, e.value), '; ')
		FROM found f FULL JOIN (SELECT * FROM expected WHERE name = '$name') e USING (reason)
		WHERE abs(f.value - e.value) < 1e-9 * e.value IS NOT TRUE}), '', "report of $name");
	is($node->safe_psql('postgres', qq{
		SELECT sum(rows) FILTER (WHERE effect = 'read') = sum(rows) FILTER (WHERE effect IN ('dropped', 'merged', 'rating'))
		FROM socrec.prepare_report('$name')}), 't', "the report of $name adds up");
}

done_testing();
