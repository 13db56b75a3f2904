# readme: every statement that README.md shows gives the result that it shows
#
# A block of SQL is run, in order, on the synthetic social network; a block
# without a language right behind it is what psql must print.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use File::Spec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = File::Spec->rel2abs(dirname(__FILE__) . '/../..');

my $readme = slurp_file("$root/README.md");
my @steps;
while ($readme =~ /^```sql\n(.*?)^```\n(?:```\n(.*?)^```\n)?/gms)
{
	push @steps, [ $1, $2 ];
}
ok(@steps >= 7, 'the README shows a session');

my $node = PostgreSQL::Test::Cluster->new('readme');
$node->init;
$node->start;
$node->safe_psql('postgres', slurp_file("$root/tools/social_network.sql"));

for my $step (@steps)
{
	my ($sql, $expected) = @$step;
	my ($out, $err);
	my ($name) = $sql =~ /^(.*)$/m;

	# As a person sees it: psql's aligned format, not that of safe_psql.
	my $ok = run_log(
		[ 'psql', '-X', '-q', '-P', 'pager=off', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', '-' ],
		'<', \$sql, '>', \$out, '2>', \$err);
	ok($ok, "runs: $name") or diag($err);
	is($out, $expected, "prints: $name") if defined $expected;
}

$node->stop;
done_testing();
