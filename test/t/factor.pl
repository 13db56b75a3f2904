# factor: on MovieLens latest-small, implicit alternating least squares comes to the
# loss that an independent implementation comes to (tools/reference_factor.py; its output
# and provenance are in test/reference)
#
# The data set is where SOCREC_MOVIELENS says.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use lib dirname(__FILE__);
use Data;
use File::Spec;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = File::Spec->rel2abs(dirname(__FILE__) . '/../..');

my $node = movielens_node('factor');

my %losses;
for my $line (split /\n/, slurp_file("$root/test/reference/movielens_factor_losses.csv"))
{
	push @{ $losses{$1} }, $2 if $line =~ /^([\d.]+),\d+,([\d.]+)$/;
}
is(scalar keys %losses, 2, 'there are references');

$node->safe_psql('postgres', 'ALTER TABLE ratings RENAME movie_id TO item_id');

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
