# Process: what the operating system says of a process of the server

package Process;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';

our @EXPORT = qw(peak_memory);

# The most memory that a process has had so far, in MB; undefined where /proc does
# not say.
sub peak_memory
{
	my ($process) = @_;
	open my $status, '<', "/proc/$process/status" or return;
	my ($kilobytes) = join('', <$status>) =~ /^VmHWM:\s+(\d+) kB/m;
	return defined $kilobytes ? $kilobytes / 1024 : undef;
}

1;
