# shellcheck shell=bash
# What the commands in this folder share: finding and installing what is needed,
# a private place to work in (the room), running as a user that a server accepts,
# building, and a private server.  Sourced by bash.
#
# A command calls, in this order: need_packages, make_room, build, install_build,
# start_server.  Whatever happens then, leave_room ends every process and removes
# every file.

set -euo pipefail
umask 022

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

say() {
    printf '%s\n' "$*"
}

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# Signals lead through the trap on EXIT, which cleans up.
interrupted=false
interrupt() {
    interrupted=true
    exit "$1"
}

# The outer make, and whoever set up servers of their own in the environment,
# must not reach the builds and servers of these commands.
clean_environment() {
    local name
    for name in $(compgen -e PG); do
        [[ $name == PG_CONFIG ]] || unset "$name"
    done
    unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL GNUMAKEFLAGS
    unset CC COPT PROFILE DATA DESTDIR VPATH TEMP_CONFIG
    unset EXTRA_REGRESS_OPTS PROVE_FLAGS PROVE_TESTS NO_LOCALE ENCODING
    unset CDPATH GREP_OPTIONS
    export LC_ALL=C.UTF-8
}

# --- what is needed ----------------------------------------------------------

# Sets pg_config, version, major and bindir, empty where there is none.
find_server() {
    local candidate
    pg_config='' version='' major='' bindir=''
    for candidate in "${PG_CONFIG:-pg_config}" /usr/lib/postgresql/*/bin/pg_config; do
        [[ $candidate != */* || $candidate == /* ]] || candidate=$PWD/$candidate
        if candidate=$(command -v "$candidate") && version=$("$candidate" --version 2>/dev/null); then
            pg_config=$candidate
            version=${version#PostgreSQL }
            version=${version%% *}
            major=${version%%[!0-9]*}
            bindir=$("$pg_config" --bindir)
            return
        fi
        [[ -z ${PG_CONFIG:-} ]] || die "PG_CONFIG=$PG_CONFIG does not run"
    done
}

has_headers() {
    [[ -n $pg_config && -e $("$pg_config" --pgxs) && -e $("$pg_config" --includedir-server)/postgres.h ]]
}

has_compiler() {
    command -v gcc >/dev/null && printf '#include <stdio.h>\n' | gcc -E - >/dev/null 2>&1
}

# What the Makefile links the module of linear algebra with.
has_blas() {
    local libraries
    for libraries in -lopenblas '-llapack -lblas'; do
        # shellcheck disable=SC2086
        printf 'void spotrf_(void); int main(void) { spotrf_(); }\n' |
            gcc -x c -o /dev/null - $libraries 2>/dev/null && return
    done
    return 1
}

# The newest clang there is, in $clang.
find_clang() {
    local candidate
    clang=''
    for candidate in clang $(compgen -c clang- | grep -E '^clang-[0-9]+$' | sort -t- -k2,2nr -u); do
        if "$candidate" --version >/dev/null 2>&1; then
            clang=$candidate
            return
        fi
    done
}

has_tap() {
    command -v prove >/dev/null && perl -MIPC::Run -MTest::More -MTime::HiRes -e 1 2>/dev/null
}

# The packages for what is missing: without "required" nothing works, without
# "optional" some checks are skipped.
missing_packages() {
    local what=$1 server installed
    required=() optional=()
    find_server
    server=$major
    if [[ -z $server ]]; then
        # A server without headers decides on the headers; else the newest on offer.
        for installed in $(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -t/ -k5,5nr); do
            if [[ -x $installed ]]; then
                server=${installed#/usr/lib/postgresql/}
                server=${server%%/*}
                break
            fi
        done
    fi
    [[ -n $server ]] || server=$(offered_major)
    command -v make >/dev/null || required+=(make)
    has_compiler || required+=(gcc libc6-dev)
    [[ -n $bindir && -x $bindir/postgres ]] || required+=("postgresql${server:+-$server}")
    has_headers || required+=("postgresql-server-dev-${server:-all}")
    has_blas || optional+=(libopenblas-dev)
    if [[ $what == check ]]; then
        has_tap || optional+=(perl libipc-run-perl)
        find_clang
        # The headers' package brings a clang of its own on some systems.
        [[ -n $clang || " ${required[*]}" == *" postgresql-server-dev-"* ]] || optional+=(clang)
    fi
}

# The major version that the distribution's package "postgresql" stands for.
offered_major() {
    { apt-cache depends postgresql 2>/dev/null || true; } |
        sed -nE 's/^ *Depends: postgresql-([0-9]+)$/\1/p' | head -n 1
}

# Runs apt-get as root or through sudo, and shows its last lines if it fails.
apt_get() {
    local log status=0
    local -a apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@")
    ((EUID == 0)) || apt=(sudo -n "${apt[@]}")
    log=$(mktemp)
    "${apt[@]}" </dev/null >"$log" 2>&1 || status=$?
    ((status == 0)) || tail -n 15 "$log" >&2
    rm -f "$log"
    return "$status"
}

# A Debian server package brings a running cluster with it; nobody asked for
# that one, so it is switched off while the package is installed.
no_main_cluster() {
    local conf=/etc/postgresql-common/createcluster.conf
    local -a sudo=()
    ((EUID == 0)) || sudo=(sudo -n)
    case $1 in
        begin)
            apt_get install --no-install-recommends postgresql-common || return
            "${sudo[@]}" cp -p "$conf" "$conf.socrec"
            echo 'create_main_cluster = false' | "${sudo[@]}" tee -a "$conf" >/dev/null
            ;;
        end)
            [[ ! -e $conf.socrec ]] || "${sudo[@]}" mv "$conf.socrec" "$conf"
            ;;
    esac
}

install_packages() {
    local status=0
    case " $*" in
        *" postgresql "* | *" postgresql-"[0-9]*)
            trap 'no_main_cluster end' EXIT
            no_main_cluster begin && apt_get install --no-install-recommends "$@" || status=$?
            no_main_cluster end
            trap - EXIT
            ;;
        *)
            apt_get install --no-install-recommends "$@" || status=$?
            ;;
    esac
    return "$status"
}

# Sees to it that all is there, and ends with a clear message where that is
# beyond this user's means.  $1 is the command: check or demo.
need_packages() {
    local can_install=false
    trap 'interrupt 130' INT
    trap 'interrupt 143' TERM
    trap 'interrupt 129' HUP
    clean_environment
    missing_packages "$1"
    if ((${#required[@]} + ${#optional[@]} > 0)); then
        if command -v apt-get >/dev/null && { ((EUID == 0)) || sudo -n true 2>/dev/null; }; then
            can_install=true
            say "fetching the lists of packages (apt-get update)"
            apt_get update || say "apt-get update failed; going on with the lists that are here"
            missing_packages "$1"
        fi
        if $can_install && ((${#required[@]} > 0)); then
            say "installing ${required[*]}"
            install_packages "${required[@]}" || die "could not install: ${required[*]}"
            missing_packages "$1"
        fi
        if $can_install && ((${#optional[@]} > 0)); then
            say "installing ${optional[*]}"
            install_packages "${optional[@]}" || say "could not install: ${optional[*]}"
            missing_packages "$1"
        fi
        if ((${#required[@]} > 0)); then
            die "missing, in the words of Debian's packages: ${required[*]} ${optional[*]}
As root: apt-get update && apt-get install ${required[*]} ${optional[*]}"
        fi
        if ((${#optional[@]} > 0)); then
            say "going on without what apt-get install ${optional[*]} would bring"
        fi
    fi
    ((major >= 15)) || die "PostgreSQL 15 or newer is needed; $pg_config belongs to $version"
    find_clang
}

# --- the room ----------------------------------------------------------------

room=''
job=''
drop=()

# Runs a command as the user of the private server.
as_server() {
    "${drop[@]}" "$@"
}

# Runs a command in a process group of its own, so that an interrupt is answered
# at once and takes all of it along.
run() {
    local status=0
    set -m
    "$@" </dev/null &
    job=$!
    set +m
    wait "$job" || status=$?
    job=''
    return "$status"
}

# Servers refuse to run as root.
choose_user() {
    local candidate
    server_user=$(id -un)
    ((EUID == 0)) || return 0
    for candidate in postgres nobody; do
        if id -u "$candidate" >/dev/null 2>&1; then
            server_user=$candidate
            drop=(setpriv "--reuid=$candidate" "--regid=$(id -g "$candidate")" --init-groups --)
            return
        fi
    done
    die "root needs a user postgres or nobody to run a server"
}

# A place is fit if the server's user can run programs there and the names of
# sockets in it stay below the system's limit of 107 bytes.  Sets $room, or
# $unfit to the reason.
try_room() {
    local parent=$1 name=$2 dir
    unfit=''
    if [[ ! $parent/$name =~ ^[A-Za-z0-9_./+-]+$ ]]; then
        unfit="make cannot work with the characters in its path"
    elif ((${#parent} + ${#name} > 70)); then
        unfit="its path is too long for a socket"
    elif ! { mkdir -p "$parent" && dir=$(mktemp -d "$parent/$name"); } 2>/dev/null; then
        unfit="it is not writable"
    else
        # Only that user and root may enter, as the server trusts who can.
        ((EUID != 0)) || chown "$server_user" "$dir"
        if as_server sh -c 'cd "$1" && cp /bin/true probe && ./probe && rm probe' - "$dir" 2>/dev/null; then
            room=$dir
            return 0
        fi
        rm -rf "$dir"
        unfit="user $server_user cannot run programs there"
    fi
    return 1
}

make_room() {
    local reason place
    choose_user
    trap leave_room EXIT
    if ! try_room "$root/build" room.XXXXXX; then
        reason=$unfit
        for place in "${TMPDIR:-/tmp}" /tmp /var/tmp; do
            try_room "$place" socrec.XXXXXX && break
        done
        [[ -n $room ]] || die "no place to work in: build/ ($reason), /tmp ($unfit)"
        say "working in $room instead of build/: $reason"
    fi
    ((EUID != 0)) || say "running the server as user $server_user"
    as_server mkdir -p "$room/tmp" "$room/source"
    export HOME=$room TMPDIR=$room/tmp
    unset XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_CACHE_HOME
    tar -C "$root" --exclude=./.git --exclude=./build --exclude=./results --exclude='./output_*' \
        --exclude=./tmp_check --exclude='./socrec--*.sql' --exclude='*.o' --exclude='*.so' --exclude='*.bc' \
        -cf - . | tar -C "$room/source" --no-same-owner -xf -
    ((EUID != 0)) || chown -R "$server_user" "$room/source"
    # The server's user may have no right to be where this was called.
    cd "$room"
}

# Ends everything that was started, removes everything that was made.
leave_room() {
    local pidfile pid stray=false
    trap '' INT TERM HUP
    set +e
    if [[ -n $job ]]; then
        kill -TERM -- "-$job" 2>/dev/null
        for _ in {1..20}; do
            kill -0 -- "-$job" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL -- "-$job" 2>/dev/null
    fi
    if [[ -n $room ]]; then
        while IFS= read -r pidfile; do
            as_server "$bindir/pg_ctl" -D "${pidfile%/*}" -m immediate -w -t 10 stop >/dev/null 2>&1
        done < <(find "$room" -name postmaster.pid 2>/dev/null)
        # One that was interrupted before it wrote its file.
        for pid in /proc/[0-9]*; do
            if [[ $(readlink "$pid/cwd") == "$room"/* && $(readlink "$pid/exe") == */postgres ]]; then
                kill -QUIT "${pid#/proc/}" 2>/dev/null
                stray=true
            fi
        done 2>/dev/null
        ! $stray || sleep 1
        cd /
        rm -rf "$room"
        # Only a check that failed leaves something behind.
        rmdir "$root/build" 2>/dev/null
        room=''
    fi
    return 0
}

# --- building ----------------------------------------------------------------

# Makes a copy of the source and builds it there: build NAME LOG VARIABLE=VALUE...
build() {
    local name=$1 log=$2
    shift 2
    as_server cp -R "$room/source" "$room/$name"
    run as_server make -s --no-print-directory -C "$room/$name" -j "$(nproc 2>/dev/null || echo 2)" \
        "PG_CONFIG=$pg_config" with_llvm=no "$@" all >"$log" 2>&1
}

# How a server can be told to look for an extension elsewhere than in its own
# folders: Debian's setting, PostgreSQL 18's, or else a copy of the server.
extension_mode() {
    local known
    known=$(as_server "$bindir/postgres" --describe-config | cut -f 1)
    if grep -qx extension_destdir <<<"$known"; then
        echo destdir
    elif grep -qx extension_control_path <<<"$known"; then
        echo control_path
    else
        echo copy
    fi
}

# Installs a build below $room/NAME.inst and writes the settings with which a
# server finds it to $room/NAME.conf: install_build NAME
install_build() {
    local name=$1 inst=$room/$1.inst log=$room/install-$1.log mode folder
    mode=$(extension_mode)
    if [[ $mode == copy ]]; then
        # Programs find their libraries and files relative to themselves.
        for folder in "$bindir" "$("$pg_config" --pkglibdir)" "$("$pg_config" --sharedir)"; do
            as_server mkdir -p "$inst$folder"
            as_server cp -R "$folder/." "$inst$folder"
        done
    fi
    as_server make -C "$room/$name" "PG_CONFIG=$pg_config" with_llvm=no "DESTDIR=$inst" install >"$log" 2>&1 ||
        { cat "$log" >&2; die "make install failed"; }
    case $mode in
        destdir)
            echo "extension_destdir = '$inst'"
            ;;
        control_path)
            echo "extension_control_path = '$inst$("$pg_config" --sharedir):\$system'"
            echo "dynamic_library_path = '$inst$("$pg_config" --pkglibdir):\$libdir'"
            ;;
    esac | as_server tee "$room/$name.conf" >/dev/null
}

# Where the programs of a server for an installed build are.
bindir_for() {
    local copy=$room/$1.inst$bindir
    if [[ -x $copy/postgres ]]; then echo "$copy"; else echo "$bindir"; fi
}

# --- the private server ------------------------------------------------------

# Starts a server with an installed build on a socket in the room, and points
# the environment of every client there: start_server NAME
start_server() {
    local name=$1 log=$room/server.start
    server_bindir=$(bindir_for "$name")
    as_server "$server_bindir/initdb" -D "$room/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync \
        >"$log" 2>&1 || { cat "$log" >&2; die "initdb failed"; }
    {
        # Nothing here outlives the command, so nothing has to reach the disk.
        printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$room'" "fsync = off" \
            "full_page_writes = off" "synchronous_commit = off" "max_connections = 40"
        cat "$room/$name.conf"
    } | as_server tee -a "$room/data/postgresql.conf" >/dev/null
    run as_server "$server_bindir/pg_ctl" -D "$room/data" -l "$room/server.log" -w start >"$log" 2>&1 ||
        { cat "$log" "$room/server.log" >&2; die "the server did not start"; }
    export PGHOST=$room PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
}

stop_server() {
    run as_server "$server_bindir/pg_ctl" -D "$room/data" -m fast -w stop >/dev/null
}

# --- the demonstration -------------------------------------------------------

# The data of the demonstration, into the database that the environment names:
# MovieLens from a folder, or without one the synthetic network.  Files are sent
# by psql, as the server's user may not be able to read what this user can.
load_demo() {
    local psql=("$server_bindir/psql" -X -q -v ON_ERROR_STOP=1)
    if [[ -z $1 ]]; then
        "${psql[@]}" -f "$root/tools/social_network.sql"
    else
        "${psql[@]}" -c '
            CREATE TABLE movies (movie_id integer PRIMARY KEY, title text NOT NULL, genres text);
            CREATE TABLE ratings (user_id integer, movie_id integer, rating real, rated_at bigint)' &&
            "${psql[@]}" -c 'COPY movies FROM STDIN WITH (FORMAT csv, HEADER)' <"$1/movies.csv" &&
            "${psql[@]}" -c 'COPY ratings FROM STDIN WITH (FORMAT csv, HEADER)' <"$1/ratings.csv" &&
            "${psql[@]}" -c 'ALTER TABLE ratings ADD PRIMARY KEY (user_id, movie_id)' \
                -c 'CREATE INDEX ON ratings (movie_id)' -c 'ANALYZE movies, ratings'
    fi
}

# What there is to say about it.
tell_demo() {
    local story=demo.sql
    [[ -z $1 ]] || story=demo_movielens.sql
    "$server_bindir/psql" -X -q -P pager=off -f "$root/tools/$story"
}
