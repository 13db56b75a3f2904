# What the measurements share; each script sources it.

sql() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }

median() { sort -n | awk '{a[NR] = $1} END {print a[int((NR + 1) / 2)]}'; }

# measure NAME STATEMENT: adds a line each to the files NAME.seconds, NAME.cpu (of the
# server's process), NAME.memory (MB, the most that it had as its own) and, of what
# the statement returns, NAME.rows in the folder $scratch.  The server must be on
# this machine and /proc of its processes readable.
measure() {
    sql >"$scratch/out" <<SQL
SELECT pg_backend_pid() AS backend \gset
\setenv BACKEND :backend
\timing on
$2;
\timing off
\! awk '{print "CPU: " \$14 + \$15}' /proc/\$BACKEND/stat
\! awk '/^VmHWM/ {n += \$2} /^RssShmem/ {n -= \$2} END {print "Memory: " n / 1024}' /proc/\$BACKEND/status
SQL
    awk '/^Time:/ {print $2 / 1000}' "$scratch/out" >>"$scratch/$1.seconds"
    awk -v tick="$(getconf CLK_TCK)" '/^CPU:/ {print $2 / tick}' "$scratch/out" >>"$scratch/$1.cpu"
    awk '/^Memory:/ {print $2}' "$scratch/out" >>"$scratch/$1.memory"
    grep -vE '^(Time|CPU|Memory):' "$scratch/out" >>"$scratch/$1.rows" || true
}

# medians NAME: the seconds and processor's seconds that measure wrote, medians of them.
medians() {
    printf '%.2f s | %.2f s' "$(median <"$scratch/$1.seconds")" "$(median <"$scratch/$1.cpu")"
}
