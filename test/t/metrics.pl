# metrics: each equals scikit-learn, SciPy, ranx or NumPy on random rows with ties
# and edge cases (tools/reference_metrics.py; its output and provenance are in
# test/reference); intervals near SciPy's, and independent of the order of rows;
# and what a server must do: work in parallel, stop when told to

use strict;
use warnings FATAL => 'all';

use File::Basename;
use File::Spec;
use lib dirname(__FILE__);
use Data;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $root = File::Spec->rel2abs(dirname(__FILE__) . '/../..');

my $node = PostgreSQL::Test::Cluster->new('metrics');
$node->init;
$node->append_conf('postgresql.conf', 'jit = off');
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION socrec;
	CREATE TABLE metrics_rows (kind text, number integer, a text, b float8);
	CREATE TABLE metrics_lists (number integer, item integer, rank integer, gain float8);
	CREATE TABLE metrics_expected (kind text, number integer, metric text, k integer, value float8);
});
load_csv($node, $_, "$root/test/reference/$_.csv") for qw(metrics_rows metrics_lists metrics_expected);

# Metrics by name of each group of rows, as (kind, number, metric, k, value).
my %calls = (
	error => { map { ($_ => "$_(a::float8, b)") } qw(sse mse rmse mae r2) },
	probability => { map { ($_ => "$_(a::boolean, b)") } qw(log_loss brier) },
	score => { map { ($_ => "$_(a::boolean, b)") } qw(auc average_precision) },
	exposure => { (map { ($_ => "$_(a::float8)") } qw(catalog_coverage gini exposure_entropy)), arp => 'arp(b)', novelty => 'novelty(b, 10)' },
	pair => { map { ($_ => "(paired_test(a::float8, b)).$_") } qw(difference t_p_value wilcoxon_p_value) },
	weighted => { map { ($_ => "$_(((a::float8[])[1] = 1), b, (a::float8[])[2])") } qw(log_loss brier_score auc average_precision ks_statistic) },
	vector => { intra_list_diversity => 'intra_list_diversity(array_agg(a::svec))' });
my @rank_metrics = qw(precision_at recall_at hit_rate_at mrr map_at ndcg_at binary_ndcg_at);
my @found;
for my $kind (sort keys %calls)
{
	push @found, map { "SELECT kind, number, '$_', NULL::integer, $calls{$kind}{$_} FROM metrics_rows WHERE kind = '$kind' GROUP BY 1, 2" }
	  sort keys %{ $calls{$kind} };
}
push @found, map { "SELECT kind, number, 'calibration_error', $_, calibration_error(a::boolean, b, $_) FROM metrics_rows WHERE kind = 'probability' GROUP BY 1, 2" }
  1, 7, 10;
# The bins of a curve as one number each, to which every bin adds something else.
for my $bins (1, 7, 10)
{
	my $arguments = "(a::float8[])[1] = 1, b, (a::float8[])[2], $bins";
	push @found, "SELECT kind, number, 'calibration_error', $bins, calibration_error($arguments) FROM metrics_rows WHERE kind = 'weighted' GROUP BY 1, 2";
	push @found, map { "SELECT kind, number, 'calibration_curve_' || m.metric, $bins, m.value
		FROM (SELECT kind, number, calibration_curve($arguments) AS curve FROM metrics_rows WHERE kind = 'weighted' GROUP BY 1, 2) c,
			LATERAL (SELECT '$_', $_ FROM (SELECT count(*) AS bins, sum(place * c.n) AS n, sum(place * c.mean_probability) AS mean_probability, sum(place * share) AS share
				FROM unnest(c.curve) WITH ORDINALITY c(bin, n, positives, low, high, mean_probability, share, share_low, share_high, place)) s) m(metric, value)" }
	  qw(bins n mean_probability share);
}
push @found, map { my $metric = $_; map { "SELECT 'list', number, '$metric', $_, $metric(rank, gain, $_) FROM metrics_lists GROUP BY 2" } 1, 3, 10, 50 }
  @rank_metrics;

# What differs by more than 1e-9 of itself, or is not there.
sub compare
{
	my ($what, @queries) = @_;

	$node->safe_psql('postgres', "SET search_path = public, socrec;
		CREATE TABLE found (kind text, number integer, metric text, k integer, value float8);
		INSERT INTO found " . join("\nUNION ALL ", @queries));
	is($node->safe_psql('postgres', q{
		SELECT string_agg(format('%s %s %s %s: %s, expected %s', coalesce(f.kind, e.kind), coalesce(f.number, e.number),
			coalesce(f.metric, e.metric), coalesce(f.k, e.k), f.value, e.value), '; ')
		FROM (SELECT * FROM metrics_expected WHERE metric !~ '^(low|high|standard_error|ratio.*)$' AND kind IN (SELECT kind FROM found)) e
		FULL JOIN found f ON ROW(e.kind, e.number, e.metric, coalesce(e.k, 0)) = ROW(f.kind, f.number, f.metric, coalesce(f.k, 0))
		WHERE f.kind IS NULL OR e.kind IS NULL OR (f.value IS NULL) <> (e.value IS NULL)
			OR abs(f.value - e.value) > 1e-9 * abs(e.value)}),
		'', "$what equal the reference");
	cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM found'), '>=', 3, '... and are many');
	$node->safe_psql('postgres', 'DROP TABLE found');
}

compare('metrics of rows', @found);
compare('metrics of arrays', map {
	my $metric = $_;
	my $gains = $metric eq 'ndcg_at' ? ', gains' : '';
	map { "SELECT 'list', number, '$metric', $_, $metric(recommended, relevant$gains, $_) FROM (
		SELECT number, coalesce(array_agg(item ORDER BY rank) FILTER (WHERE rank IS NOT NULL), '{}') AS recommended,
			coalesce(array_agg(item) FILTER (WHERE gain IS NOT NULL), '{}') AS relevant,
			coalesce(array_agg(gain) FILTER (WHERE gain IS NOT NULL), '{}') AS gains
		FROM metrics_lists GROUP BY 1) l" } 1, 3, 10, 50 } @rank_metrics);

# Intervals are those of another random generator: within a fifth of the error.
is($node->safe_psql('postgres', q{
	WITH expected AS (
		SELECT number, max(value) FILTER (WHERE metric = 'low') AS low, max(value) FILTER (WHERE metric = 'high') AS high,
			max(value) FILTER (WHERE metric = 'standard_error') AS error, max(value) FILTER (WHERE metric = 'ratio') AS ratio,
			max(value) FILTER (WHERE metric = 'ratio_low') AS ratio_low, max(value) FILTER (WHERE metric = 'ratio_high') AS ratio_high,
			max(value) FILTER (WHERE metric = 'ratio_standard_error') AS ratio_error
		FROM metrics_expected WHERE kind = 'pair' GROUP BY 1),
	found AS (
		SELECT number, socrec.paired_test(a::float8, b, 20000, 0.9, 5) AS t, socrec.bootstrap_interval(a::float8 - b, 20000, 0.9, 6) AS d,
			socrec.bootstrap_interval(a::float8, b + 3, 20000, 0.9, 7) AS r
		FROM metrics_rows WHERE kind = 'pair' GROUP BY 1)
	SELECT count(*), bool_and(abs((t).low - low) < error / 5 AND abs((t).high - high) < error / 5),
		bool_and(abs((d).low - low) < error / 5 AND abs((d).high - high) < error / 5),
		bool_and(abs((r).value - ratio) < 1e-9 * abs(ratio)),
		bool_and(abs((r).low - ratio_low) < ratio_error / 5 AND abs((r).high - ratio_high) < ratio_error / 5)
	FROM expected JOIN found USING (number) WHERE error IS NOT NULL}),
	'3|t|t|t|t', 'intervals are near those of SciPy');

# The order of rows does not matter, nor who reads them.
$node->safe_psql('postgres', q{
	CREATE TABLE wide AS
	SELECT i, i % 3 AS g, (hashint4extended(i, 1) & 255) < 100 AS label, (hashint4extended(i, 2) & 1023) / 1023.0::float8 AS p
	FROM generate_series(1, 400000) i;
	ANALYZE wide});
my $all = q{SELECT g, ROW(socrec.auc(label, p), socrec.average_precision(label, p), socrec.ks_statistic(label, p), socrec.gini(p),
		socrec.calibration_curve(label, p), socrec.calibration_curve(label, p, mod(i, 4), 7), socrec.auc(label, p, mod(i, 4)), socrec.average_precision(label, p, mod(i, 4)),
		socrec.bootstrap_interval(p, 20, 0.9, 1), socrec.bootstrap_interval(p, label::integer, 20, 0.9, 1), socrec.paired_test(p, label::integer, 20, 0.9, 1),
		socrec.ndcg_at(CASE WHEN label THEN i END, p, 100), socrec.repeated_list_share(p::text))
	FROM %s GROUP BY 1 ORDER BY 1};
my $serial = $node->safe_psql('postgres', 'SET max_parallel_workers_per_gather = 0; ' . sprintf($all, 'wide'));
is($node->safe_psql('postgres', 'SET enable_hashagg = off; ' . sprintf($all, '(SELECT * FROM wide ORDER BY hashint4extended(i, 3)) w')),
	$serial, 'the order of rows does not matter');
my $settings = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;';
is($node->safe_psql('postgres', $settings . sprintf($all, 'wide')), $serial, 'nor workers');
like($node->safe_psql('postgres', "$settings EXPLAIN (COSTS off) " . sprintf($all, 'wide')), qr/Finalize .*\n.*Gather.*Workers Planned: 2.*Partial/s,
	'... which there are');

# Stopped while it draws, and while it sorts.
for my $call ('bootstrap_interval(p, 1000000, 0.9, 1)', 'paired_test(p, p / 2, 1000000, 0.9, 1)')
{
	my $started = time;
	my ($out, $err);
	$node->psql('postgres', "SET statement_timeout = 1000; SELECT socrec.$call FROM wide", stdout => \$out, stderr => \$err);
	like($err, qr/canceling statement due to statement timeout/, "$call is stopped");
	cmp_ok(time - $started, '<', 5, '... soon');
}

$node->stop;
done_testing();
