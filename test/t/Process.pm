# Process: the processes of the server, what the operating system says of them and what
# parallel work leaves

package Process;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';

our @EXPORT = qw(peak_memory run_debug large_segments);

# The most memory that a process has had so far, in MB; undefined where /proc does
# not say.
sub peak_memory
{
	my ($process) = @_;
	open my $status, '<', "/proc/$process/status" or return;
	my ($kilobytes) = join('', <$status>) =~ /^VmHWM:\s+(\d+) kB/m;
	return defined $kilobytes ? $kilobytes / 1024 : undef;
}

# Result and DEBUG1 messages of statements.
sub run_debug
{
	my ($node, $sql) = @_;
	my ($out, $err);

	$node->psql('postgres', "SET client_min_messages = debug1; $sql", stdout => \$out, stderr => \$err);
	return ($out, $err);
}

# How many segments of shared memory there are that are larger than the server's own: what
# a fit that fails could leave.
sub large_segments
{
	my ($node) = @_;
	return scalar grep { -s $_ > 2 * 1024 * 1024 } glob $node->data_dir . '/pg_dynshmem/*';
}

1;
