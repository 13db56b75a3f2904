# Process: the processes of the server, what the operating system says of them and what
# parallel work leaves

package Process;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

our @EXPORT = qw(peak_memory run_debug large_segments has_linear_algebra same_in_workers check_nothing_left strike @blows);

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

# Whether the server has what ease needs.
sub has_linear_algebra
{
	my ($node) = @_;
	return $node->psql('postgres', q{SELECT FROM socrec.item_weights('SELECT 1, 2, 3', 'ease')}) == 0;
}

# How many segments of shared memory there are that are larger than the server's own: what
# a fit that fails could leave.
sub large_segments
{
	my ($node) = @_;
	return scalar grep { -s $_ > 2 * 1024 * 1024 } glob $node->data_dir . '/pg_dynshmem/*';
}

# A query whose work is done by a task in workers gives the same in one process; returns
# what.
sub same_in_workers
{
	my ($node, $task, $what, $query) = @_;
	my ($parallel, $messages) = run_debug($node, $query);
	my ($serial, $none) = run_debug($node, "SET max_parallel_maintenance_workers = 0; $query");

	like($messages, qr/$task in this process and [12] of [12] workers/, "$what: workers are started");
	unlike($none, qr/in this process/, '... but not where none are allowed');
	is($serial, $parallel, '... with the same result');
	return $parallel;
}

# Parallel work that failed leaves no workers and no shared memory, and the same results:
# each of @same is [ what, query, its result ].
sub check_nothing_left
{
	my ($node, $after, @same) = @_;

	ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'parallel worker'}),
		"$after: no worker is left");
	is(large_segments($node), 0, '... nor shared memory');
	is((run_debug($node, $_->[1]))[0], $_->[2], "... $_->[0]") foreach @same;
	return;
}

# Who can end parallel work, and how.
our @blows = (
	[ 'the leader is cancelled', 'pg_cancel_backend(leader_pid)' ],
	[ 'the leader is terminated', 'pg_terminate_backend(leader_pid)' ],
	[ 'a worker is cancelled', 'pg_cancel_backend(pid)' ],
	[ 'a worker is terminated', 'pg_terminate_backend(pid)' ]);

# A statement whose work is ended by one of @blows, once it has a worker, fails with an
# error that says so, and soon.  A worker that has just done its share does not feel the
# blow: it is repeated until the statement ends.  Returns how many segments of shared
# memory there were.
sub strike
{
	my ($node, $what, $blow, $statement) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query('SELECT pg_backend_pid()');
	my $workers = "pg_stat_activity WHERE backend_type = 'parallel worker' AND leader_pid = $pid";
	my $logged = -s $node->logfile;

	$session->query_until(qr/started/, "\\echo started\n$statement;\n");
	$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM $workers");
	my $segments = large_segments($node);
	my $struck = time;
	ok($node->poll_query_until('postgres', qq{
			WITH struck AS MATERIALIZED (SELECT bool_or($blow) FROM (SELECT pid, leader_pid FROM $workers LIMIT 1) w)
			SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid AND state = 'active') FROM struck}), $what);
	cmp_ok(time - $struck, '<', 10, '... which ends it soon');
	eval { $session->query('SELECT 1') };
	# psql may be gone before it could tell.
	like(slurp_file($node->logfile, $logged),
		qr/\[$pid\].*(canceling statement due to user request|terminating (connection|background worker))/,
		'... with the error that the session gets');
	eval { $session->quit };
	return $segments;
}

1;
