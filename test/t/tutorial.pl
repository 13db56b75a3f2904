# tutorial: every statement that the tutorials show gives the result that they
# show, on the data sets that they are about
#
# SOCREC_ONLINE_RETAIL names the folder with onlineretail.csv.gz, SOCREC_MOVIELENS
# that of MovieLens latest-small, SOCREC_COMPLETE_JOURNEY that of Complete Journey.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use File::Spec;
use lib dirname(__FILE__);
use Document;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = File::Spec->rel2abs(dirname(__FILE__) . '/../..');

for my $tutorial ([ 'tutorial', $ENV{SOCREC_ONLINE_RETAIL}, 'onlineretail.csv.gz', 15 ],
	[ 'tutorial_methods', $ENV{SOCREC_MOVIELENS}, 'ratings.csv', 7 ],
	[ 'tutorial_behavior', $ENV{SOCREC_COMPLETE_JOURNEY}, 'transactions_sample.csv.gz', 9 ])
{
	my ($name, $data, $file, $least) = @$tutorial;

  SKIP:
	{
		skip "the data of docs/$name.md is not here: set SOCREC_ONLINE_RETAIL, SOCREC_MOVIELENS, SOCREC_COMPLETE_JOURNEY", 1
		  unless defined $data && -r "$data/$file";

		my @steps = document_steps("$root/docs/$name.md");
		ok(@steps >= $least && (grep { defined $_->[1] } @steps) >= @steps - 1, "$name shows what it does");

		# Bars need UTF8.
		my $node = PostgreSQL::Test::Cluster->new($name);
		$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
		$node->start;
		run_document($node, $data, @steps);
		$node->stop;
	}
}

done_testing();
