# Data: data sets that may not be redistributed with the project, where they are

package Data;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(behavior_node load_csv movielens movielens_node $movielens_missing);

our $movielens_missing = 'MovieLens latest-small is not here: set SOCREC_MOVIELENS to its folder';

# The file of ratings of MovieLens latest-small; undefined where it is not.
sub movielens
{
	my $folder = $ENV{SOCREC_MOVIELENS};
	return defined $folder && -r "$folder/ratings.csv" ? "$folder/ratings.csv" : undef;
}

# Copies a file's lines but comments, the first of them being names of columns; it may be
# compressed.  Options are more of COPY's.
sub load_csv
{
	my ($node, $table, $file, $options) = @_;
	run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'),
			'-c', qq{\\copy $table FROM PROGRAM 'gzip -dcf "$file" | grep -av ^#' WITH (FORMAT csv, HEADER} . ($options // '') . ')' ])
	  or BAIL_OUT("cannot load $file");
	return;
}

# A server with the extension, table travel of choices of a mode of travel, and bank and
# iris without rows.
sub behavior_node
{
	my ($name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', "jit = off\nclient_min_messages = error");
	$node->start;
	$node->safe_psql('postgres', q{
		CREATE EXTENSION socrec;
		CREATE TABLE bank (age integer, job text, marital text, education text, "default" text, housing text, loan text, contact text,
			month text, day_of_week text, duration integer, campaign integer, pdays integer, previous integer, poutcome text,
			emp_var_rate float8, cons_price_idx float8, cons_conf_idx float8, euribor3m float8, nr_employed float8, y text);
		CREATE TABLE iris (sepal_length float8, sepal_width float8, petal_length float8, petal_width float8, target integer);
		CREATE TABLE travel (individual integer, mode text, chosen integer, cost float8, wait float8, income float8);
	});
	load_csv($node, 'travel', dirname(__FILE__) . '/../reference/travel_mode.csv');
	return $node;
}

# A server with the extension and table ratings of MovieLens latest-small; the whole test
# is skipped where that is not.
sub movielens_node
{
	my ($name) = @_;
	my $file = movielens() // plan skip_all => $movielens_missing;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', "jit = off\nmaintenance_work_mem = 512MB\nclient_min_messages = warning");
	$node->start;
	$node->safe_psql('postgres', q{
		CREATE EXTENSION socrec;
		CREATE TABLE ratings (user_id integer, movie_id integer, rating real, rated_at bigint, PRIMARY KEY (user_id, movie_id));
		CREATE INDEX ON ratings (movie_id);
	});
	load_csv($node, 'ratings', $file);
	$node->safe_psql('postgres', 'ANALYZE ratings');
	return $node;
}

1;
