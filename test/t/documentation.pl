# documentation: every statement that README.md shows gives the result that it
# shows, so does an example of docs/behavior.md, and docs/ names every object that a
# user can call
#
# Both sessions are run on the synthetic social network.

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

my @steps = document_steps("$root/README.md");
ok(@steps >= 7, 'the README shows a session');

my $node = PostgreSQL::Test::Cluster->new('documentation');
$node->init;
$node->start;
$node->safe_psql('postgres', slurp_file("$root/tools/social_network.sql"));

run_document($node, $root, @steps);
run_document($node, $root, document_steps("$root/docs/behavior.md", 'From what people like to what they do'));

# Everything but the parts of aggregates, types, operators and casts.
my $names = $node->safe_psql(
	'postgres', q{
	WITH member AS (
		SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
		WHERE d.refclassid = 'pg_extension'::regclass AND e.extname = 'socrec' AND d.deptype = 'e')
	SELECT p.proname FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
	WHERE NOT EXISTS (SELECT FROM pg_aggregate a WHERE p.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn))
		AND NOT EXISTS (SELECT FROM pg_type t WHERE p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend))
		AND NOT EXISTS (SELECT FROM pg_operator o WHERE p.oid = o.oprcode)
		AND NOT EXISTS (SELECT FROM pg_amproc x WHERE p.oid = x.amproc)
		AND NOT EXISTS (SELECT FROM pg_cast c WHERE p.oid = c.castfunc)
	UNION SELECT c.relname FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
	UNION SELECT t.typname FROM member m JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
	WHERE t.typelem = 0 AND t.typrelid = 0
	UNION SELECT o.oprname FROM member m JOIN pg_operator o ON m.classid = 'pg_operator'::regclass AND o.oid = m.objid
	UNION SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'feed'::regnamespace AND c.relkind IN ('r', 'v')
	UNION SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'feed'::regnamespace});
my $docs = join '', map { slurp_file($_) } glob("$root/docs/*.md");
for my $name (split /\n/, $names)
{
	my $word = $name =~ /^\w+$/ ? qr/\b\Q$name\E\b/ : qr/\Q$name\E/;
	like($docs, $word, "docs name $name");
}

$node->stop;
done_testing();
