# Evaluations, tunings and batches through what a server goes through: a cancel half
# way, too little memory, two sessions at once, pg_dump and restore by an owner who
# is no superuser, a replica.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use lib dirname(__FILE__);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Process;
use Test::More;
use Time::HiRes qw(sleep time);

# Seconds from the wish to cancel until the session is free.  Interrupts are looked
# for every few milliseconds; the rest is for a busy machine.
my $patience = 1;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
# Shared buffers count as a process's own memory once it has touched them.
$node->append_conf('postgresql.conf', qq{
shared_buffers = '2MB'
maintenance_work_mem = '512MB'
synchronize_seqscans = off
jit = off
autovacuum = off
timezone = 'UTC'
client_min_messages = warning});
$node->start;

# Few ratings with a model, and many for what has to be long or large, in a
# database whose owner is no superuser.
$node->safe_psql('postgres', 'CREATE ROLE modeler LOGIN CREATEDB; CREATE ROLE analyst LOGIN; CREATE ROLE heir LOGIN CREATEDB');
my @as_modeler = (extra_params => [ '-U', 'modeler' ]);
$node->safe_psql('postgres', 'CREATE DATABASE shop', @as_modeler);
$node->safe_psql('shop', q{
	CREATE EXTENSION socrec;
	CREATE TABLE visit AS
		SELECT u AS user_id, 'page ' || i AS item_id, (1 + (hashint4extended(u * 1000 + i, 1) & 3))::real AS rating,
			timestamptz '2026-01-01' + (u * 7919 + i * 104729) % 100000 * interval '1 minute' AS at
		FROM generate_series(1, 60) u CROSS JOIN generate_series(1, 40) i
		WHERE (hashint4extended(u * 1000 + i, 2) & 255) < CASE WHEN (u <= 30) = (i <= 20) THEN 128 ELSE 12 END;
	SELECT name FROM socrec.create_model('pages', 'visit');
	SELECT count(*) FROM socrec.evaluate('visit');
	GRANT SELECT ON visit TO analyst;
	CREATE TABLE ratings AS
		SELECT u AS user_id, i AS item_id, 1 + (hashint4extended(u * 10000 + i, 1) & 3) AS rating,
			timestamptz '2026-01-01' + (u * 7919 + i * 104729) % 1000003 * interval '1 minute' AS at
		FROM generate_series(1, 1600) u CROSS JOIN generate_series(1, 1000) i
		WHERE (hashint4extended(u * 10000 + i, 2) & 1023) < 50 + 45000 / (i + 300);
	ANALYZE;
	SELECT name FROM socrec.create_model('films', 'ratings')}, @as_modeler);

sub value
{
	my ($query, $database) = @_;
	return $node->safe_psql($database // 'shop', $query, @as_modeler);
}

# Everything that a call could leave behind.
sub state
{
	return $node->safe_psql('shop', q{
		SELECT 'evaluation', count(*), max(run) FROM socrec.evaluation;
		SELECT 'user_metric', count(*), min(run), max(run) FROM films.user_metric;
		SELECT 'tuning', md5(string_agg(t::text, '|' ORDER BY t.name)) FROM socrec.tuning t;
		SELECT 'trial', md5(string_agg(t::text, '|' ORDER BY t.tuning, t.rung, t.number)) FROM socrec.trial t;
		SELECT 'schemas', count(*) FROM pg_namespace WHERE nspname !~ '^pg_t';
		SELECT 'relations', count(*) FROM pg_class WHERE relpersistence <> 't' AND relnamespace <> 'pg_toast'::regnamespace;
		SELECT 'temporary files', count(*) FROM pg_ls_tmpdir()});
}

sub start_session
{
	my $session = $node->background_psql('shop', on_error_stop => 0, @as_modeler);
	return ($session, $session->query('SELECT pg_backend_pid()'));
}

# Start a command in a session without waiting for its end.
sub start_command
{
	my ($session, $command) = @_;
	$session->query_until(qr/started/, "\\echo started\n$command;\n");
	return;
}

# Wait until a session's command has ended; returns its result and messages.
sub wait_for_end
{
	my ($session) = @_;
	my $output = $session->query('SELECT NULL') =~ s/\n*\z//r;
	my $messages = $session->{stderr};
	$session->{stderr} = '';
	return ($output, $messages);
}

# --- cancelled half way ---

my $query = q{'SELECT user_id, item_id, rating, at FROM ratings'};
my $untimed = q{'SELECT user_id, item_id, rating FROM ratings'};
my $methods = q{methods => '["item_knn", "user_knn"]', options => '{"replicates": 100}'};
# Each with all of its result that does not depend on the clock.
my %command = (
	evaluate => q{SELECT md5(string_agg(concat_ws(',', label, fold, segment, metric, cutoff, value, low, high), '|'
		ORDER BY label, fold, segment, metric, cutoff)) FROM socrec.evaluate(model => 'films', split => 'random', options => '{"replicates": 100}')
		WHERE metric NOT LIKE '%seconds'},
	cross_validate => qq{SELECT md5(string_agg(v::text, '|' ORDER BY v.label, v.metric, v.cutoff)) FROM socrec.cross_validate('ratings', $methods) v
		WHERE metric NOT LIKE '%seconds'},
	compare => qq{SELECT md5(string_agg(c::text, '|' ORDER BY c.label, c.metric, c.cutoff)) FROM socrec.compare('ratings', $methods) c},
	evaluate_ratings => qq{SELECT md5(string_agg(r::text, '|' ORDER BY r::text)) FROM socrec.evaluate_ratings($query, 0, 0, true, '{user_knn}',
		ARRAY[socrec.model_options('user_knn', '{}', true)], split => 'user_k_fold', replicates => 100,
		user_rows => true) r WHERE metric NOT LIKE '%seconds' OR kind = 'user'},
	split_ratings => qq{SELECT sum(hashtext(s::text)) FROM socrec.split_ratings($query, 0, 0, 'strong_generalization') s},
	batch_recommend => qq{SELECT sum(hashtext(b::text)) FROM socrec.batch_recommend($untimed, 0, 0, n => 50) b},
	'batch_recommend, users' => qq{SELECT sum(hashtext(b::text)) FROM socrec.batch_recommend($untimed, 0, 0, 'user_knn', n => 50) b},
	batch_predict => qq{SELECT sum(hashtext(b::text)) FROM socrec.batch_predict($untimed, 'SELECT user_id, item_id FROM ratings', 0, 0) b});

my ($session, $pid) = start_session();
my %duration;
my %result;
for my $what (sort keys %command)
{
	my $start = time;
	$result{$what} = $session->query($command{$what});
	$duration{$what} = time - $start;
	like($result{$what}, qr/^(\w{32}|-?\d+)$/, "$what gives something") or diag($session->{stderr});
}

# Let a command run into a limit of so many seconds, or cancel it then.  When it is
# done before, as the machine may have other work at times, half of that is tried.
sub cancel
{
	my ($command, $seconds, $how) = @_;
	for my $attempt (1 .. 5)
	{
		my $limit = int($seconds * 1000) || 1;
		my $start = time;
		if ($how eq 'limit')
		{
			$session->query("SET statement_timeout = $limit");
			start_command($session, $command);
		}
		else
		{
			start_command($session, $command);
			sleep $seconds;
			$node->safe_psql('shop', "SELECT pg_cancel_backend($pid)");
			$start = time - $seconds;
		}
		my (undef, $messages) = wait_for_end($session);
		my $late = time - $start - $seconds;
		$session->query('RESET statement_timeout');
		return ($late, $messages) if $messages =~ /ERROR/;
		$seconds /= 2;
	}
	return (0, 'never cancelled');
}

my $state = state();
for my $what (sort keys %command)
{
	for my $way ([ 0.05, 'limit' ], [ 0.4, 'request' ])
	{
		my ($share, $how) = @$way;
		my ($late, $messages) = cancel($command{$what}, $share * $duration{$what}, $how);
		my $name = sprintf '%s, %s at %d %%', $what, $how, 100 * $share;
		like($messages, $how eq 'limit' ? qr/ERROR:  canceling statement due to statement timeout/ : qr/ERROR:  canceling statement due to user request/,
			"$name: PostgreSQL's own error");
		cmp_ok($late, '<', $patience, "$name: ends at once");
		is(state(), $state, "$name: nothing is left");
	}
	is($session->query($command{$what}), $result{$what}, "$what: the same call works again");
	$state = state();
}

# --- a tuning that is cancelled ---

my $tune = q{'ratings', grid => '{"k": [3, 10, 30], "shrinkage": [0, 25]}', metric => 'ndcg', options => '{"replicates": 100}'};
sub trials
{
	my ($name, $column) = @_;
	return value("SELECT string_agg($column, E'\\n' ORDER BY number) FROM socrec.trial WHERE tuning = '$name'");
}
my $what_trials = q{concat_ws(' ', number, options, user_share, value, low, high, n)};

# One that is left alone.
my $start = time;
$session->query("CALL socrec.tune('whole', $tune)");
my $tuning_duration = time - $start;
my $best = value(q{SELECT best FROM socrec.tuning WHERE name = 'whole'});
isnt($best, '', 'a tuning finds options');

# In its first moments: nothing of it is there, and the same call begins anew.
$state = state();
my ($late, $messages) = cancel("CALL socrec.tune('cancelled', $tune)", $tuning_duration / 50, 'limit');
like($messages, qr/canceling statement due to statement timeout/, 'a tuning is cancelled before its first trial');
is(state(), $state, 'nothing of it is left');

# With some trials done: they stay, and only the others are made afterwards.
start_command($session, "CALL socrec.tune('cancelled', $tune)");
$node->poll_query_until('shop', "SELECT count(*) >= 2 FROM socrec.trial WHERE tuning = 'cancelled'");
$start = time;
$node->safe_psql('shop', "SELECT pg_cancel_backend($pid)");
(undef, $messages) = wait_for_end($session);
cmp_ok(time - $start, '<', $patience, 'a tuning ends soon after it is cancelled');
like($messages, qr/ERROR:  canceling statement due to user request/, 'with the error of PostgreSQL');
my $done = value(q{SELECT count(*) FROM socrec.trial WHERE tuning = 'cancelled'});
ok($done >= 2 && $done < 6, "the $done trials that were done are kept");
is(value(q{SELECT best, run, finished_at FROM socrec.tuning WHERE name = 'cancelled'}), '||', 'it is not finished');
is(value(q{SELECT count(DISTINCT run) FROM socrec.evaluation WHERE label = 'best'}), 1, 'and has not looked at its test side');
my $times = trials('cancelled', 'at::text');

# A third time when all trials are done and the test side is next.
$node->safe_psql('shop', 'CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1000); RETURN NEW; END $$;
	CREATE TRIGGER hold BEFORE INSERT ON socrec.evaluation EXECUTE FUNCTION hold()');
$session->{stderr} = '';
start_command($session, "CALL socrec.tune('cancelled')");
$node->poll_query_until('shop', "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid AND wait_event = 'PgSleep')");
$node->safe_psql('shop', "SELECT pg_cancel_backend($pid)");
(undef, $messages) = wait_for_end($session);
like($messages, qr/ERROR:  canceling statement due to user request/, 'cancelled while it looks at the test side');
$node->safe_psql('shop', 'DROP TRIGGER hold ON socrec.evaluation; DROP FUNCTION hold');
is(value(q{SELECT best, run, finished_at FROM socrec.tuning WHERE name = 'cancelled'}), '||', 'it is still not finished');
is(value(q{SELECT count(DISTINCT run) FROM socrec.evaluation WHERE label = 'best'}), 1, 'nothing of that look is left');

# By another session to its end.
value(q{CALL socrec.tune('cancelled')});
is(trials('cancelled', $what_trials), trials('whole', $what_trials), 'all trials are those of the tuning that was left alone');
like(trials('cancelled', 'at::text'), qr/^\Q$times\E\n/, 'those that were done were not made again');
is(value(q{SELECT best FROM socrec.tuning WHERE name = 'cancelled'}), $best, 'and the best options are the same');
is(value(q{SELECT count(DISTINCT run) FROM socrec.evaluation WHERE label = 'best'}), 2, 'the test side of each was looked at once');
is( value(q{SELECT count(*) > 100, bool_and(a.value = b.value) FROM socrec.tuning s JOIN socrec.evaluation a ON a.run = s.run
		JOIN socrec.tuning t ON t.name = 'cancelled' JOIN socrec.evaluation b ON b.run = t.run
			AND (b.label, b.fold, b.segment, b.metric, b.cutoff) IS NOT DISTINCT FROM (a.label, a.fold, a.segment, a.metric, a.cutoff)
		WHERE s.name = 'whole' AND a.metric NOT LIKE '%seconds'}), 't|t', 'with the same outcome');
is($session->query(q{CALL socrec.tune('cancelled'); SELECT to_regclass('pg_temp.socrec_training')}), '', 'a session that goes on leaves no table');

# --- two sessions at once ---

my ($other, $other_pid) = start_session();

sub both
{
	my ($command) = @_;
	start_command($session, $command);
	start_command($other, $command);
	my @outputs;
	for my $one ($session, $other)
	{
		my ($output, $messages) = wait_for_end($one);
		is($messages, '', 'no error with two sessions at once');
		push @outputs, $output;
	}
	return @outputs;
}

my @runs = both(q{SELECT DISTINCT run FROM socrec.evaluate('ratings', methods => '["item_knn"]', options => '{"replicates": 100}')});
isnt($runs[0], $runs[1], 'two evaluations at once have numbers of their own');
is( value(qq{SELECT count(*) > 100, count(a.value) = count(*), bool_and(a.value = b.value)
		FROM (SELECT * FROM socrec.evaluation WHERE run = $runs[0]) a FULL JOIN (SELECT * FROM socrec.evaluation WHERE run = $runs[1]) b
			ON (b.label, b.fold, b.segment, b.metric, b.cutoff) IS NOT DISTINCT FROM (a.label, a.fold, a.segment, a.metric, a.cutoff)
		WHERE a.metric NOT LIKE '%seconds'}) =~ s/t\|[tf]\|t/t/r, 't', 'and both are complete');
# The second one of a model waits until the first has committed.
my $evaluate = q{SELECT DISTINCT run FROM socrec.evaluate(model => 'films', options => '{"replicates": 10}')};
$session->query('BEGIN');
$runs[0] = $session->query($evaluate);
start_command($other, $evaluate);
$node->poll_query_until('shop', "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $other_pid");
$session->query('COMMIT');
($runs[1]) = wait_for_end($other);
isnt($runs[0], $runs[1], 'so have two evaluations of a model');
is(value('SELECT DISTINCT run FROM films.user_metric'), $runs[1], 'its users are those of the second');
value(qq{CALL socrec.tune('shared', $tune, budget => '0 s')});
both(q{CALL socrec.tune('shared')});
is(trials('shared', $what_trials), trials('whole', $what_trials), 'two sessions share the trials of a tuning');
is(value(q{SELECT count(DISTINCT run) FROM socrec.evaluation WHERE label = 'best'}), 3, 'and look at the test side once');
$other->quit;
$session->quit;

# --- too little memory ---

# Run a command in a session of its own under a limit; returns its error and by
# how much the session's memory has grown.
sub run_with
{
	my ($limit, $command) = @_;
	my ($own, $process) = start_session();
	$own->query('\\set VERBOSITY verbose');
	$own->query("SET maintenance_work_mem = '${limit}MB'");
	$own->query('SET work_mem = 64');
	# What any call needs, such as the library and the catalogs.
	$own->query(q{SELECT count(*) FROM socrec.compare('visit')});
	$own->query('SELECT count(*) FROM ratings');
	my $before = peak_memory($process);
	$own->{stderr} = '';
	$own->query($command);
	my $error = $own->{stderr};
	my $after = peak_memory($process);
	$own->quit;
	return ($error, defined $before && defined $after ? $after - $before : undef);
}

$state = state();
$command{tune} = "CALL socrec.tune('small', $tune)";
for my $what (sort keys %command)
{
	# The ratings themselves, or what is made of them.
	for my $limit (2, 4)
	{
		my ($error, $growth) = run_with($limit, $command{$what});
		my ($needed, $allowed) =
		  $error =~ /ERROR:  54000: \w+ needs at least (\d+) MB of memory, maintenance_work_mem allows (\d+) MB\n/;
		ok(defined $needed, "$what under $limit MB: refused") or diag($error);
		next if !defined $needed;
		ok($allowed == $limit && $needed > $limit, "$what under $limit MB: needs $needed MB");
		like($error, qr/DETAIL:  \d+ MB are in use and \d+ MB more are needed.*HINT:  Raise maintenance_work_mem/s,
			"$what under $limit MB: detail and hint");
	  SKIP:
		{
			skip 'peak memory is not known', 1 if !defined $growth;
			# Beside the limit: the query's own executor, and what malloc rounds up.
			cmp_ok($growth, '<', $limit + 5, "$what under $limit MB: before it is taken");
		}
	}
}
is(state(), $state, 'nothing is left of what was refused');

# Who follows the hint gets there.
my $limit = 2;
my $error;
for (1 .. 40)
{
	($error) = run_with($limit, $command{compare});
	last if $error !~ /needs at least (\d+) MB/;
	$limit = $1;
}
is($error, '', 'raising the limit to what the error says leads to a comparison');
cmp_ok($limit, '<', 60, "which takes $limit MB");

# --- dump and restore ---

# What there is of two owners, one tuning among it that is not finished.
$node->safe_psql('shop', q{SELECT count(*) FROM socrec.evaluate('visit', methods => '["item_knn"]');
	CALL socrec.tune('theirs', 'visit', grid => '{"k": [2, 5]}')}, extra_params => [ '-U', 'analyst' ]);
value(q{
	DELETE FROM socrec.evaluation WHERE source = 'ratings';
	DELETE FROM socrec.tuning WHERE source = 'ratings';
	SELECT socrec.drop_model('films');
	DROP TABLE ratings;
	SELECT count(*) FROM socrec.evaluate(model => 'pages');
	CALL socrec.tune('finished', 'visit', grid => '{"k": [2, 5, 20]}', metric => 'ndcg');
	CALL socrec.tune('begun', 'visit', grid => '{"k": [2, 5, 20]}', metric => 'ndcg');
	UPDATE socrec.tuning SET best = NULL, run = NULL, finished_at = NULL WHERE name = 'begun';
	DELETE FROM socrec.trial WHERE tuning = 'begun' AND number = 3});

sub history
{
	my ($database) = @_;
	return $node->safe_psql($database, q{
		SELECT 'evaluation', count(*), count(DISTINCT owner), md5(string_agg(e::text, '|' ORDER BY e::text)) FROM socrec.evaluation e;
		SELECT 'tuning', count(*), count(DISTINCT owner), md5(string_agg(t::text, '|' ORDER BY t.name)) FROM socrec.tuning t;
		SELECT 'trial', count(*), count(DISTINCT owner), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM socrec.trial t;
		SELECT 'user_metric', count(*), md5(string_agg(m::text, '|' ORDER BY m::text)) FROM pages.user_metric m});
}

my $history = history('shop');
like($history, qr/^evaluation\|\d{3,}\|2\|.*\ntuning\|3\|2\|.*\ntrial\|7\|2\|.*\nuser_metric\|\d{3,}\|/, 'there is a history of two owners');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->command_ok([ 'pg_dump', '-U', 'modeler', '-Fc', '-f', $dump, $node->connstr('shop') ], 'dump by an owner who is no superuser');

# Restored by the same owner; by another, who becomes that of all objects.
for my $role ('modeler', 'heir')
{
	my @as_role = (extra_params => [ '-U', $role ]);
	my $database = "of_$role";
	$node->safe_psql('postgres', "CREATE DATABASE $database", @as_role);
	$node->command_ok([ 'pg_restore', '-U', $role, '--exit-on-error', $role eq 'heir' ? ('--no-owner', '--no-acl') : (), '-d', $node->connstr($database), $dump ],
		"$role restores");
	is(history($database), $history, "$role: the history is the same");
	$node->safe_psql($database, 'GRANT SELECT ON visit TO analyst', @as_role);
	for my $evaluator ($role, 'analyst')
	{
		is( $node->safe_psql($database, q{
				SELECT count(*) > 100 AND count(DISTINCT run) = 1 AND NOT EXISTS (SELECT FROM socrec.evaluation e WHERE e.run = min(n.run))
				FROM socrec.evaluate('visit', methods => '["item_knn"]') n}, extra_params => [ '-U', $evaluator ]),
			't', "$role: a new run of $evaluator has a number that was not taken");
	}
}
is( value(q{CALL socrec.tune('begun'); SELECT t.best = s.best, t.finished_at > s.finished_at, t.run <> s.run, (SELECT count(*) FROM socrec.trial WHERE tuning = 'begun')
		FROM socrec.tuning t, socrec.tuning s WHERE t.name = 'begun' AND s.name = 'finished'}, 'of_modeler'),
	't|t|t|3', 'a tuning goes on in the restored database');
my ($status, $output);
($status, $output, $error) = $node->psql('of_modeler', q{CALL socrec.tune('begun')}, extra_params => [ '-U', 'analyst' ]);
like($error, qr/must be owner of tuning begun/, 'but not for others');
($status, $output, $error) = $node->psql('of_modeler', q{UPDATE socrec.tuning SET owner = 'analyst' WHERE name = 'begun'}, extra_params => [ '-U', 'analyst' ]);
like($error, qr/must be owner of the rows of tuning/, 'who cannot take it over');
($status, $output, $error) = $node->psql('of_modeler', q{INSERT INTO socrec.trial SELECT 'begun', 'analyst', 0, 4, '{"k": 7}', 1, 1, 1, 1, 1, NULL, now()}, extra_params => [ '-U', 'analyst' ]);
like($error, qr/violates foreign key constraint/, 'and cannot add a trial');

# --- a replica ---

$node->backup('backup');
my $replica = PostgreSQL::Test::Cluster->new('replica');
$replica->init_from_backup($node, 'backup', has_streaming => 1);
$replica->start;
$node->wait_for_catchup($replica, 'replay', $node->lsn('insert'));

my $visits = q{'SELECT user_id, item_id, rating, at FROM visit'};
my %reading = (
	evaluate_ratings => qq{SELECT string_agg(r::text, '|' ORDER BY r::text) FROM socrec.evaluate_ratings($visits, 0, ''::text, true, '{item_knn,user_knn}',
		ARRAY[socrec.model_options('item_knn', '{}', true), socrec.model_options('user_knn', '{}', true)], user_rows => true, prediction_rows => true) r
		WHERE metric NOT LIKE '%seconds' OR kind <> 'metric'},
	split_ratings => qq{SELECT string_agg(s::text, '|' ORDER BY s::text) FROM socrec.split_ratings($visits, 0, ''::text) s},
	compare => q{SELECT string_agg(c::text, '|' ORDER BY c::text) FROM socrec.compare(models => '{pages}') c},
	batch_recommend => q{SELECT string_agg(b::text, '|' ORDER BY b::text) FROM socrec.batch_recommend('SELECT user_id, item_id, rating FROM visit', 0, ''::text) b},
	batch_predict => q{SELECT string_agg(b::text, '|' ORDER BY b::text)
		FROM socrec.batch_predict('SELECT user_id, item_id, rating FROM visit', 'SELECT user_id, item_id FROM visit', 0, ''::text, 'user_knn') b},
	metrics => q{SELECT socrec.rmse(prediction, rating), socrec.auc(rating > 2, prediction), socrec.bootstrap_interval(prediction)
		FROM (SELECT p.prediction, v.rating FROM visit v JOIN socrec.batch_predict('SELECT user_id, item_id, rating FROM visit', 'SELECT user_id, item_id FROM visit', 0, ''::text) p
			USING (user_id, item_id) ORDER BY user_id, item_id) p},
	history => q{SELECT string_agg(e::text, '|' ORDER BY e::text) FROM socrec.evaluation e});
for my $what (sort keys %reading)
{
	my $expected = value($reading{$what});
	cmp_ok(length $expected, '>', 40, "$what says something");
	is($replica->safe_psql('shop', $reading{$what}, @as_modeler), $expected, "$what says the same on a replica");
}
for my $writing (q{SELECT count(*) FROM socrec.evaluate('visit')}, q{SELECT count(*) FROM socrec.evaluate(model => 'pages')},
	q{SELECT count(*) FROM socrec.cross_validate('visit')})
{
	($status, $output, $error) = $replica->psql('shop', "\\set VERBOSITY verbose\n$writing", @as_modeler);
	like($error, qr/ERROR:  25006: cannot keep an evaluation in a read-only transaction\nHINT:  socrec.compare and socrec.evaluate_ratings keep nothing/,
		"a replica keeps no evaluation: $writing");
}
($status, $output, $error) = $replica->psql('shop', "\\set VERBOSITY verbose\nCALL socrec.tune('more', 'visit', grid => '{\"k\": [2]}')", @as_modeler);
like($error, qr/ERROR:  25006: .* read-only transaction/, 'nor does it tune');

unlike(slurp_file($_->logfile), qr/was terminated by signal|PANIC|TRAP/, $_->name . ': no crash') for $node, $replica;
$replica->stop;
$node->stop;
done_testing();
