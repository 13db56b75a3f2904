# behavior_metrics: every column of every view that evaluates a behavior model is what
# scikit-learn says of a fit of its own (tools/reference_behavior_metrics.py; its
# output and provenance are in test/reference), and views are made by parallel workers
#
# SOCREC_BANK_MARKETING and SOCREC_IRIS name the folders of the data; each is skipped
# where it is not there.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use lib dirname(__FILE__);
use Data;
use File::Spec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = File::Spec->rel2abs(dirname(__FILE__) . '/../..');

my $node = behavior_node('behavior_metrics');
$node->append_conf('postgresql.conf', 'max_parallel_workers_per_gather = 0');
$node->reload;
$node->safe_psql('postgres', q{
	CREATE TABLE expected (model text, view text, class text, key text, metric text, value float8);
	-- The numbers of a view, as (class, key, metric, value).
	CREATE FUNCTION numbers(view text, key_expression text, condition text) RETURNS TABLE (class text, key text, metric text, value float8) LANGUAGE plpgsql AS $$
	BEGIN
		RETURN QUERY EXECUTE format('SELECT to_jsonb(v) ->> ''class'', (%s)::text, e.key, e.value::float8 FROM %s v, jsonb_each_text(to_jsonb(v)) e
			WHERE NOT v.held_out AND e.key NOT IN (''held_out'', ''class'', ''bin'', ''decile'', ''threshold'', ''actual'', ''predicted'') AND e.value IS NOT NULL AND %s',
			key_expression, view, condition);
	END $$;
});

# What identifies a row of a view, and the rows that the reference has.
my %keys = (
	evaluation => [ 'NULL', 'true' ],
	class_evaluation => [ 'NULL', 'true' ],
	calibration => [ 'bin', 'true' ],
	lift => [ 'decile', 'true' ],
	roc => [ 'round(threshold * 100)', 'round(threshold * 100)::integer % 7 = 0' ],
	confusion => [ q{concat_ws(' ', actual::text, predicted::text)}, 'true' ]);

sub compare
{
	my ($model, $columns, @arguments) = @_;

	$node->safe_psql('postgres', "SELECT socrec.create_behavior_model('$model', " . join(', ', @arguments) . ')');
	for my $view (sort keys %keys)
	{
		next if $view eq 'class_evaluation' && $model ne 'iris';
		my ($wrong, $n, $metrics) = split /\|/, $node->safe_psql('postgres', sprintf(q{
			SELECT string_agg(format('%%s %%s %%s: %%s, expected %%s', coalesce(f.class, e.class), coalesce(f.key, e.key), coalesce(f.metric, e.metric), f.value, e.value), '; ')
					FILTER (WHERE f.value IS NULL OR e.value IS NULL OR abs(f.value - e.value) > 1e-7 * greatest(1, abs(e.value))),
				count(f.value), count(DISTINCT f.metric)
			FROM numbers('%1$s.%2$s', $key$%3$s$key$, '%4$s') f
				FULL JOIN (SELECT * FROM expected WHERE model = '%1$s' AND view = '%2$s') e
				ON ROW(coalesce(f.class, ''), coalesce(f.key, ''), f.metric) = ROW(coalesce(e.class, ''), coalesce(e.key, ''), e.metric)},
			$model, $view, @{ $keys{$view} })), -1;
		is($wrong, '', "$view of $model is that of scikit-learn");
		cmp_ok($n, '>=', $metrics, "$n numbers of $metrics columns were compared");
		is($metrics, $columns->{$view}, 'all there are');
	}
	return;
}

load_csv($node, 'expected', "$root/test/reference/behavior_metrics.csv");
my %columns = (calibration => 8, lift => 5, roc => 7, confusion => 1);
compare('travel', { %columns, evaluation => 9 },
	q{'SELECT *, (mode = ''air'')::integer AS air, (mode = ''train'')::integer AS train, (mode = ''bus'')::integer AS bus FROM travel'},
	"'chosen'", "'{air,train,bus,cost,wait}'", "'conditional'", q{'{"choice_set": "individual"}'});

SKIP:
{
	my $iris = $ENV{SOCREC_IRIS};
	skip 'no iris data: set SOCREC_IRIS to its folder', 18 unless defined $iris && -r "$iris/iris.csv";
	load_csv($node, 'iris', "$iris/iris.csv");
	compare('iris', { %columns, evaluation => 12, class_evaluation => 13 }, "'iris'", "'target'", "'{sepal_length,petal_length,petal_width}'", "'multinomial'",
		q{'{"l2": 1, "standardize": false, "weight": "sepal_width"}'});
}

SKIP:
{
	my $bank = $ENV{SOCREC_BANK_MARKETING};
	skip 'no bank data: set SOCREC_BANK_MARKETING to its folder', 15 unless defined $bank && -r "$bank/bank-additional-full.csv.gz";
	load_csv($node, 'bank', "$bank/bank-additional-full.csv.gz", q{, DELIMITER ';'});
	compare('bank', { %columns, evaluation => 13 }, "'bank'", "'y'", "'{age,euribor3m,job,contact,poutcome}'", "'logistic'", q{'{"positive": "yes", "weight": "campaign"}'});
}

# Workers score the rows, and add up what two groups of many rows can have added up.
$node->safe_psql('postgres', q{
	CREATE TABLE visit AS SELECT i AS id, i / 4 AS set_id, i % 17 / 17.0::float8 AS a, i % 23 / 23.0::float8 AS b, i % 3 AS what, (hashint4(i) & 1023) < 300 + 30 * (i % 17) AS buys,
		i % 4 = 0 AS chosen FROM generate_series(1, 20000) i;
	ANALYZE visit;
	SELECT socrec.create_behavior_model('binary', 'visit', 'buys', '{a,b}', options => '{"holdout": 0.2}');
	SELECT socrec.create_behavior_model('several', 'visit', 'what', '{a,b}', 'multinomial', options => '{"holdout": 0.2}');
	SELECT socrec.create_behavior_model('choice', 'visit', 'chosen', '{a,b}', 'conditional', options => '{"choice_set": "set_id"}')});
my $settings = 'SET max_parallel_workers_per_gather = 2; SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;';
for my $model ('binary', 'several', 'choice')
{
	for my $view (grep { $_ ne 'class_evaluation' || $model eq 'several' } sort keys %keys)
	{
		my $plan = $node->safe_psql('postgres', "$settings EXPLAIN (COSTS off) SELECT * FROM \"$model\".$view");
		like($plan, $model eq 'binary' ? qr/Gather.*Partial/s : qr/Workers Planned/, "$view of $model is made by workers");
		# Sums of workers differ in the last digits.
		my $content = qq{SELECT md5(string_agg(n::text, chr(10) ORDER BY n::text)) FROM (
			SELECT class, key, metric, round(value::numeric, 9) FROM numbers('"$model".$view', \$\$$keys{$view}[0]\$\$, 'true')) n};
		is($node->safe_psql('postgres', "$settings $content"), $node->safe_psql('postgres', $content), 'as by one process');
	}
}

$node->stop;
done_testing();
