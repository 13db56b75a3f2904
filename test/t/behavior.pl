# behavior: models fitted to real and generated data have the estimates, standard
# errors and likelihoods of R, statsmodels and scikit-learn
# (tools/reference_behavior.R, .py and reference_separation.py; their output and provenance are in test/reference)
#
# SOCREC_BANK_MARKETING, SOCREC_HILLSTROM and SOCREC_IRIS name the folders of the
# data; each is skipped where it is not there.

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

my $node = behavior_node('behavior');
$node->safe_psql('postgres', q{
	CREATE TABLE expected (model text, class text, term text, level text, metric text, value float8);
	CREATE TABLE hillstrom (recency integer, history_segment text, history float8, mens integer, womens integer, zip_code text, newbie integer,
		channel text, segment text, visit integer, conversion integer, spend float8);
	-- What a fit has, in the form of the reference.
	CREATE TABLE fitted (class text, term text, level text, metric text, value float8);
	CREATE FUNCTION fit(source text, target text, features text[], family text, options jsonb, error_name text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		DELETE FROM fitted;
		PERFORM socrec.create_behavior_model('trial', source, target, features, family, options);
		INSERT INTO fitted SELECT coalesce(class, ''), CASE term WHEN '(intercept)' THEN 'intercept' ELSE term END, coalesce(level, subscript::text, ''), m, v
			FROM trial.coefficient, LATERAL (VALUES ('estimate', estimate), (error_name, std_error)) u(m, v) WHERE problem IS NULL;
		INSERT INTO fitted SELECT '', '', '', m, v FROM trial.fit,
			LATERAL (VALUES ('log_likelihood', log_likelihood), ('null_log_likelihood', null_log_likelihood), ('aic', aic), ('bic', bic), ('n', n)) u(m, v);
		PERFORM socrec.drop_model('trial');
	END $$;
});

# The model of the reference's name: every value that both have is the same, and
# what the reference has and the fit lacks is of another kind of errors.
sub compare
{
	my ($model, $from, $tolerance, $error_tolerance, $error_name, @arguments) = @_;

	my $file = "$root/test/reference/behavior_$from.csv";
	load_csv($node, 'expected', $file);
	$node->safe_psql('postgres', 'SELECT fit(' . join(', ', @arguments) . ", '$error_name')");
	my $result = $node->safe_psql('postgres', qq{
		SELECT string_agg(format('%s %s %s %s: %s against %s', e.metric, e.class, e.term, e.level, f.value, e.value), '; ')
				FILTER (WHERE f.value IS NULL OR abs(f.value - e.value) > CASE WHEN e.metric LIKE '%error%' THEN $error_tolerance ELSE $tolerance END
					* greatest(1, CASE WHEN e.metric LIKE '%error%' THEN 0 ELSE abs(e.value) END)),
			count(f.value) FILTER (WHERE e.metric = 'estimate'), count(f.value) FILTER (WHERE e.metric = '$error_name')
		FROM expected e LEFT JOIN fitted f ON (f.class, f.term, f.level, f.metric) = (coalesce(e.class, ''), coalesce(e.term, ''), coalesce(e.level, ''), e.metric)
		WHERE e.model = '$model' AND (e.metric NOT LIKE '%error%' OR e.metric = '$error_name') AND e.metric NOT LIKE 'likelihood_ratio%'});
	my ($wrong, $estimates, $errors) = split /\|/, $result, -1;
	is($wrong, '', "$model is that of $from with $error_name");
	cmp_ok($estimates, '>', 1, "$estimates estimates were compared");
	$node->safe_psql('postgres', 'DELETE FROM expected');
	return $errors;
}

my $rows = slurp_file("$root/test/reference/generated_behavior.sql");
$node->safe_psql('postgres', $rows);

# generated data, with all kinds of errors, in memory and by queries
for my $execution ('memory', 'query')
{
	my @model = ("'generated_behavior'", "'y'", "'{x1,x2,x3,x4,x5}'", "'logistic'");
	for my $from ('r', 'python')
	{
		ok(compare('generated', $from, 1e-6, 1e-5, 'std_error', @model, qq{'{"execution": "$execution"}'}), 'with standard errors');
		ok(compare('generated', $from, 1e-6, 1e-5, 'robust_error', @model, qq{'{"execution": "$execution", "std_errors": "robust"}'}), 'with robust errors');
		for my $lambda (0.1, 0.03, 0.01, 0.001)
		{
			for my $alpha (1, 0.5)
			{
				compare("generated_alpha_${alpha}_lambda_$lambda", $from, 1e-4, 1, 'std_error', @model,
					sprintf(q{'{"execution": "%s", "l1": %s, "l2": %s}'}, $execution, 4000 * $lambda * $alpha, 4000 * $lambda * (1 - $alpha)));
			}
		}
	}
	ok(compare('generated', 'python', 1e-6, 1e-5, 'clustered_error_adjusted', @model,
			qq{'{"execution": "$execution", "std_errors": "cluster", "cluster": "g"}'}), 'with errors of clusters');
	compare('generated_ridge', 'python', 1e-6, 1, 'std_error', @model, qq{'{"execution": "$execution", "l2": 1, "standardize": false}'});
	compare('generated_vectors', 'python', 1e-6, 1, 'std_error', q{$$SELECT y, ARRAY[x1, x2, x3, x4, x5] AS x,
			(SELECT socrec.svec_agg((i * i + 37 * i * j + j * j * j) % 60 * 100000007, 1 + j % 3) FROM generate_series(1::bigint, 8) j) AS interests FROM generated_behavior$$},
		"'y'", "'{x,interests}'", "'logistic'", qq{'{"execution": "$execution", "l2": 1, "standardize": false}'});
	ok(compare('generated_weighted', 'r', 1e-6, 1e-5, 'std_error', @model, qq{'{"execution": "$execution", "weight": "w", "offset": "o"}'}),
		'with weights and an offset');
	ok(compare('generated_weighted', 'r', 1e-6, 1e-5, 'robust_error', @model,
			qq{'{"execution": "$execution", "weight": "w", "offset": "o", "std_errors": "robust"}'}), 'with robust errors');
	for my $errors ('std_error', 'robust_error')
	{
		for my $model ('generated_rare', 'generated_levels')
		{
			ok(compare($model, 'r', 1e-6, 1e-5, $errors,
					q{'SELECT *, y AND i % 10 = 0 AS rare, o + 5 AS high, substr(''abc'', i::integer % 3 + 1, 1) AS f FROM generated_behavior'},
					"'rare'", "'{x1,x5,f}'", "'logistic'", sprintf(q{'{"execution": "%s", "weight": "w", "offset": "high", "intercept": %s, "std_errors": "%s"}'},
						$execution, $model eq 'generated_rare' ? 'true' : 'false', $errors eq 'std_error' ? 'model' : 'robust')), 'of a rare outcome with a high offset');
		}
	}
	for my $from ('r', 'python')
	{
		ok(compare('travel_mode', $from, 1e-6, 1e-5, 'std_error',
				q{'SELECT *, (mode = ''air'')::integer AS air, (mode = ''train'')::integer AS train, (mode = ''bus'')::integer AS bus,
					CASE mode WHEN ''air'' THEN income ELSE 0 END AS income_air FROM travel'},
				"'chosen'", "'{air,train,bus,cost,wait,income_air}'", "'conditional'", qq{'{"execution": "$execution", "choice_set": "individual"}'}),
			'with standard errors');
	}
	ok(compare('travel_mode', 'r', 1e-6, 1e-5, 'clustered_error_adjusted',
			q{'SELECT *, individual % 40 AS g, (mode = ''air'')::integer AS air, (mode = ''train'')::integer AS train, (mode = ''bus'')::integer AS bus,
				CASE mode WHEN ''air'' THEN income ELSE 0 END AS income_air FROM travel'},
			"'chosen'", "'{air,train,bus,cost,wait,income_air}'", "'conditional'",
			qq{'{"execution": "$execution", "choice_set": "individual", "std_errors": "cluster", "cluster": "g"}'}), 'with errors of clusters of choice sets');
	for my $lambda (0.1, 0.03, 0.01, 0.001)
	{
		for my $alpha (1, 0.5)
		{
			for my $from ('r', 'python')
			{
				# Of an even number of classes there may be many minima without l2: scikit-learn finds one, glmnet the middle.
				next if $from eq 'python' && $alpha == 1;
				compare("classes_alpha_${alpha}_lambda_$lambda", $from, 1e-4, 1, 'std_error', "'generated_behavior'", "'k'", "'{x1,x2,x3,x4,x5}'", "'multinomial'",
					sprintf(q{'{"execution": "%s", "l1": %s, "l2": %s}'}, $execution, 4000 * $lambda * $alpha, 4000 * $lambda * (1 - $alpha)));
			}
		}
	}
}

# Which coefficients are infinite, by linear programs (tools/reference_separation.py).
$node->safe_psql('postgres', 'CREATE TABLE separation (family text, features integer, infinite text, rows text)');
load_csv($node, 'separation', "$root/test/reference/separation.csv", q{, DELIMITER ';'});
is($node->safe_psql('postgres', q{
	SELECT s.family, count(*), count(*) FILTER (WHERE s.infinite LIKE '%1%'), string_agg(format('%s is said to be %s', s.infinite, f.states), '; ')
			FILTER (WHERE EXISTS (SELECT FROM unnest(f.states) WITH ORDINALITY u(state, n), LATERAL (SELECT substr(s.infinite, n::integer, 1)) e(infinite)
				WHERE (s.family = 'conditional' OR n % (s.features + 1) <> 1) AND (infinite = '0' AND state <> 0 OR infinite = '1' AND state NOT IN (2, 3))))
	FROM separation s, LATERAL socrec.fit_regression(format('SELECT r[i][1], 1::float8, 0::float8, r[i][2]::bigint, NULL::bigint, ARRAY(SELECT r[i][j] FROM generate_series(3, %s) j)
		FROM (SELECT %L::float8[]) a(r), generate_series(1, array_length(r, 1)) i ORDER BY 4', s.features + 2, s.rows), s.features, s.family,
		CASE s.family WHEN 'multinomial' THEN 3 ELSE 2 END, s.family <> 'conditional', false, false, 0, 0, true, 0, 'model', 50, 1e-12, 'memory') f
	GROUP BY 1 ORDER BY 1}), "conditional|100|73|\nlogistic|200|118|\nmultinomial|100|70|", 'what is separated is what linear programs say');

SKIP:
{
	my $bank = $ENV{SOCREC_BANK_MARKETING};
	skip 'no bank data: set SOCREC_BANK_MARKETING to its folder', 6 unless defined $bank && -r "$bank/bank-additional-full.csv.gz";
	load_csv($node, 'bank', "$bank/bank-additional-full.csv.gz", q{, DELIMITER ';'});
	my $columns = 'age,job,marital,education,contact,month,day_of_week,campaign,pdays,previous,poutcome,emp_var_rate,cons_price_idx,cons_conf_idx,euribor3m,nr_employed';
	for my $from ('r', 'python')
	{
		compare('bank', $from, 1e-6, 1e-5, 'std_error', "'bank'", "'y'", "'{$columns}'", "'logistic'", q{'{"positive": "yes"}'});
		compare('bank', $from, 1e-6, 1e-5, 'robust_error', "'bank'", "'y'", "'{$columns}'", "'logistic'", q{'{"positive": "yes", "std_errors": "robust"}'});
	}
	compare('bank_collinear', 'r', 1e-6, 1e-5, 'std_error', "'bank'", "'y'",
		qq{'{age,job,marital,education,housing,loan,contact,month,day_of_week,duration,campaign,pdays,previous,poutcome,emp_var_rate,cons_price_idx,cons_conf_idx,euribor3m,nr_employed}'},
		"'logistic'", q{'{"positive": "yes"}'});
	# Only three have such a default, and none of them said yes.
	$node->safe_psql('postgres', q{SELECT socrec.create_behavior_model('trial', 'bank', 'y', '{age,default,housing,loan}', options => '{"positive": "yes"}')});
	is($node->safe_psql('postgres', q{SELECT string_agg(term || '=' || level || ' ' || problem, ', ' ORDER BY id) FROM trial.coefficient WHERE problem IS NOT NULL}),
		'default=yes separated, loan=unknown collinear', 'what the data does not tell is named');
	$node->safe_psql('postgres', q{SELECT socrec.drop_model('trial')});
}

SKIP:
{
	my $hillstrom = $ENV{SOCREC_HILLSTROM};
	skip 'no Hillstrom data: set SOCREC_HILLSTROM to its folder', 6 unless defined $hillstrom && -r "$hillstrom/hillstrom.csv.gz";
	load_csv($node, 'hillstrom', "$hillstrom/hillstrom.csv.gz");
	my $columns = 'recency,history,mens,womens,zip_code,newbie,channel';
	for my $from ('r', 'python')
	{
		compare('hillstrom', $from, 1e-6, 1e-5, 'std_error', "'hillstrom'", "'visit'", "'{$columns,segment}'", "'logistic'", "'{}'");
		compare('hillstrom', $from, 1e-6, 1e-5, 'robust_error', "'hillstrom'", "'visit'", "'{$columns,segment}'", "'logistic'", q{'{"std_errors": "robust"}'});
		compare('channel', $from, 1e-6, 1e-5, 'std_error', "'hillstrom'", "'channel'", "'{recency,history,mens,womens,newbie,zip_code}'", "'multinomial'", "'{}'");
	}
	compare('hillstrom_nested', 'r', 1e-6, 1e-5, 'std_error', "'hillstrom'", "'visit'", "'{$columns}'", "'logistic'", "'{}'");
	load_csv($node, 'expected', "$root/test/reference/behavior_r.csv");
	$node->safe_psql('postgres', qq{
		SELECT socrec.create_behavior_model('small', 'hillstrom', 'visit', '{$columns}');
		SELECT socrec.create_behavior_model('large', 'hillstrom', 'visit', '{$columns,segment}')});
	is($node->safe_psql('postgres', q{
		SELECT abs(t.chi_square - x.value) < 1e-6, abs(t.p_value / p.value - 1) < 1e-6, t.degrees_of_freedom
		FROM socrec.likelihood_ratio_test('small', 'large') t, expected x, expected p
		WHERE x.metric = 'likelihood_ratio' AND p.metric = 'likelihood_ratio_p_value'}), 't|t|2', 'the likelihood-ratio test is that of R');
	$node->safe_psql('postgres', 'DELETE FROM expected');
}

SKIP:
{
	my $iris = $ENV{SOCREC_IRIS};
	skip 'no iris data: set SOCREC_IRIS to its folder', 25 unless defined $iris && -r "$iris/iris.csv";
	load_csv($node, 'iris', "$iris/iris.csv");
	for my $lambda (0.1, 0.03, 0.01)
	{
		for my $alpha (1, 0.5)
		{
			compare("iris_alpha_${alpha}_lambda_$lambda", $_, 1e-4, 1, 'std_error', "'iris'", "'target'", 'NULL', "'multinomial'",
				sprintf(q{'{"l1": %s, "l2": %s}'}, 150 * $lambda * $alpha, 150 * $lambda * (1 - $alpha))) for ('r', 'python');
		}
	}
	load_csv($node, 'expected', "$root/test/reference/behavior_python.csv");
	$node->safe_psql('postgres', q{SELECT socrec.create_behavior_model('flower', 'iris', 'target', NULL, 'multinomial', '{"l2": 1, "standardize": false}')});
	# scikit-learn has a vector for each class, of which only differences count.
	is($node->safe_psql('postgres', q{
		WITH e AS (SELECT class, row_number() OVER (PARTITION BY class ORDER BY ctid) AS n, value FROM expected WHERE model = 'iris' AND metric = 'estimate')
		SELECT count(*), max(abs(c.estimate - (e.value - r.value))) < 1e-6
		FROM e JOIN e r ON r.class = '0' AND r.n = e.n JOIN flower.coefficient c ON c.class = e.class AND (c.id - 1) % 5 + 1 = e.n}), '10|t',
		'iris is that of scikit-learn');
}

$node->stop;
done_testing();
