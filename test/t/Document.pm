# Document: run the SQL that a Markdown document shows, and compare
#
# A block of SQL is run as psql shows it to a person, all blocks of a document in
# order and in one session; a block without a language right behind it is what
# psql must print.

package Document;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(document_steps run_document);

# No document prints this.
my $end = '-- end of a block --';

# The blocks of SQL of a file, or of its section with a heading, and what they must
# print, if it says so.
sub document_steps
{
	my ($file, $heading) = @_;
	my @steps;

	my $text = slurp_file($file);
	($text) = $text =~ /^## \Q$heading\E\n(.*?)(?=^## |\z)/ms or die "$file has no section $heading" if defined $heading;
	while ($text =~ /^```sql\n(.*?)^```\n(?:```\n(.*?)^```\n)?/gms)
	{
		push @steps, [ $1, $2 ];
	}
	return @steps;
}

# Two assertions for each block with an output, one for any other.  folder is
# where psql finds the files that the document names.
sub run_document
{
	my ($node, $folder, @steps) = @_;
	my ($out, $err) = ('', '');
	my $quoted = $folder =~ s/'/''/gr;
	my $sql = join '', "\\cd '$quoted'\n", map { "$_->[0]\\echo '$end'\n" } @steps;

	local $ENV{PGCLIENTENCODING} = 'UTF8';
	run_log(
		[ 'psql', '-X', '-q', '-P', 'pager=off', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', '-' ],
		'<', \$sql, '>', \$out, '2>', \$err);

	# What comes behind the last mark is of the block that failed, or nothing.
	my @printed = split /^\Q$end\E\n/m, $out, -1;
	@printed = ('') unless @printed;
	my $reached = $#printed;
	for my $i (0 .. $#steps)
	{
		my ($block, $expected) = @{ $steps[$i] };
		my ($name) = $block =~ /^(.*)$/m;

		ok($i < $reached, "runs: $name") or diag($i == $reached ? $err : 'not reached');
		is($printed[$i], $expected, "prints: $name") if defined $expected;
	}
}

1;
