# factor: on MovieLens latest-small, implicit alternating least squares comes to the
# loss that an independent implementation comes to (tools/reference_factor.py; its output
# and provenance are in test/reference)
#
# The data set may not be redistributed with the project: SOCREC_MOVIELENS names
# the folder that it was unpacked to.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use File::Spec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = File::Spec->rel2abs(dirname(__FILE__) . '/../..');
my $data = $ENV{SOCREC_MOVIELENS};

plan skip_all => 'MovieLens latest-small is not here: set SOCREC_MOVIELENS to its folder'
  unless defined $data && -r "$data/ratings.csv";

my %losses;
for my $line (split /\n/, slurp_file("$root/test/reference/movielens_factor_losses.csv"))
{
	push @{ $losses{$1} }, $2 if $line =~ /^([\d.]+),\d+,([\d.]+)$/;
}
is(scalar keys %losses, 2, 'there are references');

my $node = PostgreSQL::Test::Cluster->new('factor');
$node->init;
$node->append_conf('postgresql.conf', "jit = off\nmaintenance_work_mem = 256MB\nclient_min_messages = warning");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION socrec;
	CREATE TABLE ratings (user_id integer, item_id integer, rating real, rated_at bigint, PRIMARY KEY (user_id, item_id));
});
my $rows = slurp_file("$data/ratings.csv");
run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'),
		'-c', 'COPY ratings FROM STDIN WITH (FORMAT csv, HEADER)' ], '<', \$rows)
  or BAIL_OUT('cannot load the ratings');

# The loss, written out; users as they are folded in.
for my $exponent (sort keys %losses)
{
	my @sorted = sort { $a <=> $b } @{ $losses{$exponent} };
	for my $solver ('cholesky', 'gradients')
	{
		my $loss = $node->safe_psql('postgres', qq{
			SELECT FROM socrec.create_model('liked', 'ratings', rating_column => NULL, method => 'ials',
				options => '{"holdout": 0, "factors": 16, "iterations": 15, "unobserved_weight": 0.3, "regularization": 0.005,
					"regularization_exponent": $exponent, "solver": "$solver"}') m;
			CREATE TEMPORARY TABLE folded AS
				SELECT r.user_id, count(*) AS n, socrec.fold_in(f.prior, i.factors, 1) AS factors
				FROM liked.fit f CROSS JOIN ratings r JOIN liked.item i USING (item_id) GROUP BY 1;
			SELECT round((
				(SELECT sum((1 - socrec.factor_score(u.factors, i.factors)) ^ 2) FROM ratings r JOIN folded u USING (user_id) JOIN liked.item i USING (item_id))
				+ (SELECT 0.3 * sum(socrec.factor_score(u.factors, i.factors) ^ 2) FROM folded u CROSS JOIN liked.item i)
				+ 0.005 * (SELECT sum((n + 0.3 * (SELECT count(*) FROM liked.item)) ^ $exponent * socrec.factor_score(factors, factors)) FROM folded)
				+ 0.005 * (SELECT sum((rating_count + 0.3 * (SELECT count(*) FROM folded)) ^ $exponent * socrec.factor_score(factors, factors)) FROM liked.item)
				)::numeric, 3);
			SELECT FROM socrec.drop_model('liked');});

		# Where a fit ends depends on its start: two in a thousand around all of them.
		$loss =~ s/\s//g;
		cmp_ok($loss, '<', 1.002 * $sorted[-1], "$solver, exponent $exponent: a loss as low as the reference's");
		cmp_ok($loss, '>', 0.998 * $sorted[0], '... and not lower than can be');
	}
}

$node->stop;
done_testing();
