# tutorial: every statement that docs/tutorial.md shows gives the result that it
# shows, on the UCI Online Retail file
#
# SOCREC_ONLINE_RETAIL names the folder with onlineretail.csv.gz.

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
my $data = $ENV{SOCREC_ONLINE_RETAIL};

plan skip_all => 'Online Retail is not here: set SOCREC_ONLINE_RETAIL to its folder'
  unless defined $data && -r "$data/onlineretail.csv.gz";

my @steps = document_steps("$root/docs/tutorial.md");
ok((grep { defined $_->[1] } @steps) == @steps && @steps >= 15, 'the tutorial shows what it does');

# Bars need UTF8.
my $node = PostgreSQL::Test::Cluster->new('tutorial');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->start;
run_document($node, $data, @steps);

$node->stop;
done_testing();
