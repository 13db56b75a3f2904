#!/usr/bin/env python3
"""k-means inside the database against the road through scikit-learn.

    bench/kmeans.py ROWS [RUNS]

Makes a table of ROWS rows with 20 features in 16 overlapping groups, on the
server that PG* variables name and on its own machine.  Needs numpy, pandas and
scikit-learn; psql does the copying.

Here:   SELECT ... FROM socrec.kmeans(..., k => 10), the rows stored in a table.
Python: COPY to CSV, read it (pandas), standardize, KMeans(10, n_init=10), write
        the clusters to CSV, COPY them into a table.

Both with 10 starts (and here also with the default of 20), at most 300 iterations and a tolerance of 0.0001; here in one
process, Python with one thread and with all.  Prints medians as a Markdown table.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

D, K = 20, 10
FEATURES = [f"f{j}" for j in range(D)]


def psql(*commands, **options):
    arguments = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1"]
    for command in commands:
        arguments += ["-c", command]
    return subprocess.run(arguments, check=True, capture_output=True, text=True, **options).stdout


def make_table(rows):
    columns = ", ".join(
        f"2 * (hashint4(g * 100 + {j}) / 2147483648.0) + sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) AS f{j}"
        for j in range(D))
    psql("SET client_min_messages = warning", "SELECT setseed(0.5)", "DROP TABLE IF EXISTS bench_features",
         f"CREATE TABLE bench_features AS SELECT id, {columns} FROM "
         f"(SELECT id, (random() * 16)::integer AS g FROM generate_series(1, {rows}) id) s",
         "VACUUM ANALYZE bench_features")


def peak_of(pid, stop, peak):
    while not stop.is_set():
        try:
            with open(f"/proc/{pid}/status") as status:
                now = next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))
        except (OSError, StopIteration):
            return
        peak[0] = max(peak[0], now)
        time.sleep(0.005)


def inside(runs):
    """Seconds in all, peak private memory of the server process in MB, inertia."""
    query = f"SELECT id, {', '.join(FEATURES)} FROM bench_features"
    session = subprocess.Popen(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(sql):
        session.stdin.write(sql + ";\n\\echo done\n")
        session.stdin.flush()
        lines = []
        while (line := session.stdout.readline().strip()) != "done":
            if not line and session.poll() is not None:
                sys.exit("psql failed")
            lines.append(line)
        return lines

    pid = ask("SET client_min_messages = warning; SET max_parallel_workers_per_gather = 0; SET maintenance_work_mem = '4GB'; "
              "DROP TABLE IF EXISTS bench_clusters; SELECT pg_backend_pid()")[-1]
    stop, peak = threading.Event(), [0]
    watcher = threading.Thread(target=peak_of, args=(pid, stop, peak))
    watcher.start()
    start = time.perf_counter()
    ask(f"CREATE TABLE bench_clusters AS SELECT * FROM socrec.kmeans('{query}', NULL::integer, {K}, runs => {runs}, silhouette_sample => 0)")
    seconds = time.perf_counter() - start
    stop.set()
    watcher.join()
    inertia = float(ask("SELECT inertia FROM bench_clusters WHERE cluster = 0")[-1])
    session.stdin.close()
    session.wait()
    return {"total": seconds, "memory": peak[0] / 1024, "inertia": inertia}


CHILD = """
import resource, sys, time
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler
start = time.perf_counter()
frame = pd.read_csv(sys.argv[1])
x = StandardScaler().fit_transform(frame.iloc[:, 1:].to_numpy())
read = time.perf_counter()
model = KMeans(%d, n_init=10, max_iter=300, tol=1e-4, random_state=0).fit(x)
fit = time.perf_counter()
pd.DataFrame({"id": frame.id, "cluster": model.labels_}).to_csv(sys.argv[2], header=False, index=False)
print(read - start, fit - read, time.perf_counter() - fit, model.inertia_, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
""" % K


def outside(threads):
    environment = dict(os.environ)
    if threads:
        environment.update(OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads))
    with tempfile.TemporaryDirectory() as folder:
        exported, found = os.path.join(folder, "features.csv"), os.path.join(folder, "clusters.csv")
        start = time.perf_counter()
        psql(f"\\copy bench_features TO '{exported}' CSV HEADER")
        copied = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", CHILD, exported, found], check=True, capture_output=True, text=True, env=environment)
        read, fit, written, inertia, memory = map(float, done.stdout.split())
        psql("SET client_min_messages = warning", "DROP TABLE IF EXISTS bench_outside",
             "CREATE TABLE bench_outside (id integer, cluster integer)", f"\\copy bench_outside FROM '{found}' CSV")
        return {"total": time.perf_counter() - start, "copy out": copied - start, "read": read, "fit": fit, "inertia": inertia, "memory": memory}


def main(rows, runs=3):
    make_table(rows)
    results = {"here": [], "default": [], "one": [], "all": []}
    for _ in range(runs):
        results["here"].append(inside(10))
        results["default"].append(inside(20))
        results["one"].append(outside(1))
        results["all"].append(outside(None))
    median = lambda who, what: statistics.median(r[what] for r in results[who])
    print("| rows | road | total | copy out | read | fit | peak memory | inertia |")
    print("|---|---|---|---|---|---|---|---|")
    for who, name in (("here", "socrec.kmeans, 10 starts"), ("default", "socrec.kmeans, 20 starts (default)")):
        print(f"| {rows} | {name} | {median(who, 'total'):.2f} s | | | | {median(who, 'memory'):.0f} MB | {median(who, 'inertia'):.1f} |")
    for who, name in (("one", "scikit-learn, one thread"), ("all", "scikit-learn, all threads")):
        print(f"| {rows} | {name} | {median(who, 'total'):.2f} s | {median(who, 'copy out'):.2f} s | {median(who, 'read'):.2f} s |"
              f" {median(who, 'fit'):.2f} s | {median(who, 'memory'):.0f} MB | {median(who, 'inertia'):.1f} |")
    psql("DROP TABLE bench_features, bench_clusters, bench_outside")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*map(int, sys.argv[1:]))
