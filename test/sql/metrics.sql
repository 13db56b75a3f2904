-- metrics: of predictions, probabilities, scores, ranked lists, and of users

SET search_path = public, socrec;
SET extra_float_digits = 0;

SELECT sse(y, p), mse(y, p), rmse(y, p), mae(y, p)
FROM (VALUES (1, 2), (3, 3), (5, 2.5), (NULL, 4), (4, NULL)) t(y, p);
SELECT sse(y, p), mse(y, p), rmse(y, p), mae(y, p) FROM (VALUES (1, 2)) t(y, p) WHERE false;
SELECT sse(y, p), mse(y, p), rmse(y, p), mae(y, p) FROM (VALUES (1, NULL::real)) t(y, p);
SELECT sse(1, 'NaN');
SELECT mae('infinity', 1);
SELECT sse(1e308, -1e308);

-- against plain SQL, serial and parallel
CREATE TABLE outcome AS
SELECT i % 5 AS g, (hashint4extended(i, 1) & 255)::double precision / 50 AS y,
    (hashint4extended(i, 2) & 255)::double precision / 50 AS p
FROM generate_series(1, 20000) i;
ANALYZE outcome;
CREATE TABLE serial AS SELECT g, sse(y, p), mse(y, p), rmse(y, p), mae(y, p) FROM outcome GROUP BY g;
SELECT count(*) AS groups, max(abs(s.sse - e)) < 1e-6 AS sse, max(abs(s.mse - e / n)) < 1e-10 AS mse,
    max(abs(s.rmse - sqrt(e / n))) < 1e-10 AS rmse, max(abs(s.mae - a)) < 1e-10 AS mae
FROM serial s JOIN (
    SELECT g, sum((y - p) ^ 2) AS e, count(*) AS n, avg(abs(y - p)) AS a FROM outcome GROUP BY g) b USING (g);
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
SELECT max(abs(s.sse - p.sse)) < 1e-8 AS sse, max(abs(s.mse - p.mse)) < 1e-12 AS mse,
    max(abs(s.rmse - p.rmse)) < 1e-12 AS rmse, max(abs(s.mae - p.mae)) < 1e-12 AS mae
FROM serial s JOIN (SELECT g, sse(y, p), mse(y, p), rmse(y, p), mae(y, p) FROM outcome GROUP BY g) p USING (g);
COMMIT;

-- states made by hand are refused
SELECT error_accumulate('{1,2}', 1, 1);
SELECT rmse_final('{1,2,3,4}');
SELECT sse_final(NULL), mse_final(NULL), rmse_final(NULL), mae_final(NULL);

-- r2: errors 1, 0 and 2.5, deviations -2, 0 and 2 from the mean of 3
SELECT r2(y, p), 1 - (1 + 0 + 6.25) / (4 + 0 + 4) AS by_hand
FROM (VALUES (1, 2), (3, 3), (5, 2.5), (NULL, 4), (4, NULL)) t(y, p);
SELECT r2(y, y) AS perfect, r2(y, 2) AS mean, r2(y, 100) AS worse FROM generate_series(1, 3) y;
SELECT r2(4, 4) AS one_row, r2(y, 1) FILTER (WHERE false) AS none FROM (VALUES (1)) t(y);
SELECT r2(4, y) AS constant FROM generate_series(1, 3) y;
-- far from zero, where raw sums would lose every digit
SELECT r2(1e9 + y, 1e9 + y + 0.1) AS far, r2(y, y + 0.1) AS near FROM generate_series(1, 100) y;
SELECT r2('NaN', 1);
SELECT r2(y, -y) FROM (VALUES (1e200), (2e200)) t(y);
SELECT rmse(1e200, -1e200);

-- probabilities: label, probability; -ln of 0.9, 0.5 and 0.8; squares of 0.1, 0.5 and 0.2
SELECT log_loss(l, p), -(ln(0.9) + ln(0.5) + ln(0.8)) / 3 AS log_loss_by_hand, brier(l, p), (0.01 + 0.25 + 0.04) / 3 AS brier_by_hand
FROM (VALUES (true, 0.9), (true, 0.5), (false, 0.2), (NULL, 0.5), (true, NULL)) t(l, p);
-- surely wrong costs -ln of 2^-52, surely right next to nothing
SELECT log_loss(true, 0) / ln(2::float8) AS wrong, log_loss(false, 1) / ln(2::float8) AS wrong_too, log_loss(true, 1) / 2 ^ -52 AS right,
    log_loss(true, 1e-300) / ln(2::float8) AS almost, brier(true, 0), brier(false, 0);
-- a weight counts like so many rows; without one, or with 0, a row is absent
SELECT log_loss(l, p, w) AS log_loss, -(2 * ln(0.9) + 0.5 * ln(0.8)) / 2.5 AS by_hand, brier_score(l, p, w), (2 * 0.01 + 0.5 * 0.04) / 2.5 AS brier_by_hand,
    brier_score(l, p) = brier(l, p) AS same, log_loss(l, p, 0) AS no_weight
FROM (VALUES (true, 0.9, 2), (true, 0.5, NULL), (false, 0.2, 0.5), (false, 0.7, 0)) t(l, p, w);
SELECT log_loss(true, 0.5, -1);
SELECT brier_score(true, 0.5, 'NaN');
-- bins of 0 to 0.5 and 0.5 to 1: |0.2 + 0.4 - 1| and |0.5 + 0.9 + 1 - 2|, of five
SELECT calibration_error(l, p, 2), (0.4 + 0.4) / 5 AS by_hand, calibration_error(l, p, 1), calibration_error(l, p), calibration_error(l, p, 10)
FROM (VALUES (true, 0.2), (false, 0.4), (true, 0.5), (false, 0.9), (true, 1), (NULL, 1), (false, NULL)) t(l, p);
SELECT log_loss(l, p), brier(l, p), calibration_error(l, p), calibration_error(l, p, 3), auc(l, p), average_precision(l, p)
FROM (VALUES (true, 0.5)) t(l, p) WHERE false;
SELECT log_loss(l, p), brier(l, p), calibration_error(l, p), auc(l, p), average_precision(l, p)
FROM (VALUES (true, NULL::float8), (NULL, 0.5)) t(l, p);
SELECT log_loss(true, 1.01);
SELECT brier(true, 'NaN');
SELECT calibration_error(true, -0.1);
SELECT calibration_error(true, 0.5, 0);
SELECT calibration_error(true, 0.5, 10001);
SELECT calibration_error(true, 0.5, NULL);
SELECT calibration_error(true, 0.5, b) FROM generate_series(1, 2) b;

-- scores: of the pairs of 0.9, 0.3 with 0.9, 0.1, three are in order or half
SELECT auc(l, s), (0.5 + 1 + 0 + 1) / 4 AS auc_by_hand, average_precision(l, s), 0.5 * 1 / 2 + 0.5 * 2 / 3 AS by_hand
FROM (VALUES (true, 0.9), (false, 0.9), (true, 0.3), (false, 0.1), (NULL, 1), (true, NULL)) t(l, s);
SELECT auc(l, s) AS all_tied, average_precision(l, s) FROM (VALUES (true, 1), (false, 1), (false, 1), (false, 1)) t(l, s);
SELECT auc(l, s) AS perfect, auc(NOT l, s) AS reversed, average_precision(l, s) FROM (VALUES (true, 2), (true, 3), (false, 1)) t(l, s);
SELECT auc(true, s) AS positives, auc(false, s) AS negatives, average_precision(true, s) AS positives, average_precision(false, s) AS negatives
FROM generate_series(1, 3) s;
SELECT auc(l, s), average_precision(l, s) FROM (VALUES (true, 0.0::float8), (false, '-0'), (true, 1e308), (false, -1e308)) t(l, s);
SELECT auc(true, 'NaN');
SELECT average_precision(true, 'infinity');
-- as a window, whose states are read again and again
SELECT s, auc(s % 3 = 0, s % 4) OVER (ORDER BY s), average_precision(s % 3 = 0, s % 4) OVER (ORDER BY s ROWS 2 PRECEDING)
FROM generate_series(1, 6) s;

-- true and false positive rates from the top: 1/2 and 1/2, 1 and 1/2, 1 and 1
SELECT ks_statistic(l, s), ks_statistic(NOT l, s) AS reversed, ks_statistic(l, 0) AS tied, ks_statistic(true, s) AS positives, ks_statistic(l, s) FILTER (WHERE false) AS none
FROM (VALUES (true, 0.9), (false, 0.9), (true, 0.3), (false, 0.1)) t(l, s);
-- a weight counts like so many rows; without one, or with 0, a row is absent
SELECT w.a = r.a AS auc, w.p = r.p AS average_precision, w.k = r.k AS ks_statistic, w.c = r.c AS calibration_curve, w.e = r.e AS calibration_error, w.a, w.p, w.k, w.e
FROM (SELECT auc(l, s, w) AS a, average_precision(l, s, w) AS p, ks_statistic(l, s, w) AS k, calibration_curve(l, s, w, 4) AS c, calibration_error(l, s, w, 4) AS e
        FROM (VALUES (true, 0.75, 2), (false, 0.75, 3), (true, 0.25, 4), (false, 0.125, 1), (true, 0.5, 0), (false, 1, NULL), (false, 0.5, 2)) t(l, s, w)) w,
    (SELECT auc(l, s) AS a, average_precision(l, s) AS p, ks_statistic(l, s) AS k, calibration_curve(l, s, 4) AS c, calibration_error(l, s, 4) AS e
        FROM (VALUES (true, 0.75, 2), (false, 0.75, 3), (true, 0.25, 4), (false, 0.125, 1), (false, 0.5, 2)) t(l, s, w), generate_series(1, w)) r;
SELECT auc(l, 0.5, 0) IS NULL AS auc, average_precision(l, 0.5, NULL) IS NULL AS average_precision, ks_statistic(l, 0.5, 0) IS NULL AS ks_statistic,
    calibration_curve(l, 0.5, 0, 10) IS NULL AS calibration_curve, calibration_error(l, 0.5, 0, 10) IS NULL AS calibration_error FROM (VALUES (true), (false)) t(l);
SELECT auc(true, 0.5, -1);
SELECT ks_statistic(true, 0.5, 'NaN');
SELECT average_precision(true, 0.5, 'infinity');
SELECT calibration_error(true, 0.5, -1, 10);
SELECT auc(l, 0.5, 1e308) FROM (VALUES (true), (true), (false)) t(l);
-- tenths of the rows: ties lie together, where their middle is
SELECT (b).* FROM (SELECT unnest(calibration_curve(i % 3 = 0, i / 64.0::float8)) AS b FROM generate_series(1, 40) i) c;
SELECT calibration_curve(i = 1, 0.5) AS all_tied FROM generate_series(1, 4) i;
SELECT calibration_curve(true, i / 4.0::float8, 100) AS few FROM generate_series(1, 2) i;
SELECT bin, n FROM unnest((SELECT calibration_curve(i = 0, i / 64.0::float8, 3) FROM generate_series(0, 9) i)) ORDER BY 1;
SELECT calibration_curve(true, 1.5);
SELECT calibration_curve(true, -0.5);
SELECT calibration_curve(true, 0.5, 0);
SELECT calibration_curve(true, 0.5, NULL::integer);
SELECT calibration_curve(true, 0.5, 1, 10001);
SELECT calibration_curve(true, 0.5, b) FROM generate_series(1, 2) b;
-- states made by hand
SELECT auc_final(NULL), ks_statistic_final(NULL), calibration_curve_final(NULL);
SELECT auc_final(score_accumulate(NULL, true, 0.5, 1) || '\x0000000000000000');
SELECT ks_statistic_final(score_accumulate(NULL, true, 0.5, 1) || '\x000000000000f0bf000000000000f0bf');
SELECT calibration_curve_final(set_byte(curve_accumulate(NULL, true, 0.5, 3), 15, 191));

-- ranked lists: one user's relevant items have gains 3, 2, 2 and 1; of these 2, 1 and 3 are at ranks 1, 3 and 5
CREATE TABLE list (user_id integer, rank integer, gain float8);
INSERT INTO list VALUES
    (1, 1, 2), (1, 2, 0), (1, 3, 1), (1, 4, NULL), (1, 5, 3), (1, NULL, 2),
    (2, 1, 0), (2, 2, 1),          -- found at 2
    (3, NULL, 1), (3, NULL, 1),    -- no list
    (4, 1, NULL), (4, 2, 0),       -- nothing relevant
    (5, 2, 1), (5, 4, 1);          -- no rank 1
SELECT user_id, precision_at(rank, gain, 3), recall_at(rank, gain, 3), hit_rate_at(rank, gain, 1) AS hit_1, mrr(rank, gain),
    mrr(rank, gain, 1) AS mrr_1, map_at(rank, gain, 5), map_at(rank, gain, 2) AS map_2, ndcg_at(rank, gain, 3), binary_ndcg_at(rank, gain, 3) AS binary_3
FROM list GROUP BY 1 ORDER BY 1;
SELECT (1 + 2 / 3::float8 + 3 / 5::float8) / 4 AS map, (2 + 1 / 2::float8) / (3 + 2 / log(2, 3) + 2 / 2::float8) AS ndcg,
    (1 + 1 / 2::float8) / (1 + 1 / log(2, 3) + 1 / 2::float8) AS binary_ndcg;
-- the mean is over the users that have something to find
SELECT count(*), count(ndcg), avg(ndcg) FROM (SELECT ndcg_at(rank, gain, 5) AS ndcg FROM list GROUP BY user_id) u;
SELECT precision_at(rank, gain, 3), mrr(rank, gain) FROM list WHERE false;
SELECT precision_at(rank, gain, 10000000), recall_at(rank, gain, 10000000), ndcg_at(rank, gain * 1e307, 5) FROM list WHERE user_id = 1;
SELECT precision_at(0, 1, 3);
SELECT precision_at(-1, NULL, 3);
SELECT ndcg_at(1, -1, 3);
SELECT ndcg_at(1, 'NaN', 3);
SELECT ndcg_at(NULL, 'infinity', 3);
SELECT recall_at(1, 1, 0);
SELECT recall_at(1, 1, 10000001);
SELECT recall_at(1, 1, NULL);
SELECT recall_at(1, 1, k) FROM generate_series(1, 2) k;
SELECT mrr(10000001, 1);
SELECT mrr(10000001, 1, 5);
SELECT map_at(rank, gain, 5) FROM list;

-- the same of arrays, of any type that can be compared
SELECT precision_at(l, r, 3), recall_at(l, r, 3), hit_rate_at(l, r, 1) AS hit_1, mrr(l, r, 9), map_at(l, r, 5),
    ndcg_at(l, r, '{2,1,3,2}', 3), binary_ndcg_at(l, r, 3) AS binary_3
FROM (VALUES (ARRAY[10, 20, 30, 40, 50], ARRAY[10, 30, 50, 60])) t(l, r);
SELECT precision_at(ARRAY[1, 2], ARRAY[2, 3]::bigint[], 2) AS mixed, precision_at(ARRAY['b', 'a'], ARRAY['a', 'c'], 1) AS words,
    recall_at(ARRAY['6ecd8c99-4036-403d-bf84-cf8400f67836']::uuid[], ARRAY['6ecd8c99-4036-403d-bf84-cf8400f67836']::uuid[], 1) AS uuids,
    recall_at(ARRAY[1, 2], ARRAY[2, 2, 3, 3, 3], 2) AS relevant_once, recall_at(ARRAY[1.0, 2], ARRAY[2.00], 2) AS numbers;
SELECT recall_at(ARRAY[]::integer[], ARRAY[1], 2) AS no_list, recall_at(ARRAY[1], ARRAY[]::integer[], 2) AS nothing,
    recall_at(NULL, ARRAY[1], 2) AS null_list, ndcg_at(ARRAY[1, 2], ARRAY[1, 2], '{0,0}', 2) AS no_gain,
    ndcg_at(ARRAY[2, 1], ARRAY[1, 2], '{0,5}', 2) AS one_gain;
SELECT precision_at(ARRAY[1, 2, 1], ARRAY[1], 3);
SELECT precision_at(ARRAY[1, NULL], ARRAY[1], 3);
SELECT precision_at(ARRAY[1], ARRAY[NULL, 1], 3);
SELECT precision_at(ARRAY[1], ARRAY[1], 0);
SELECT ndcg_at(ARRAY[1], ARRAY[1, 2], '{1}', 3);
SELECT ndcg_at(ARRAY[1], ARRAY[1, 1], '{1,2}', 3);
SELECT ndcg_at(ARRAY[1], ARRAY[1, 2], '{1,-2}', 3);
SELECT ndcg_at(ARRAY[1], ARRAY[1, 2], '{1,NULL}', 3);
SELECT mrr(ARRAY['(1,2)'::point], ARRAY['(1,2)'::point], 3);

-- serendipity: of the first three, two are relevant, of which the one at rank 1 was to be expected
SELECT serendipity(rank, gain, rank = 1, 3), serendipity(rank, gain, NULL, 3) AS unexpected, serendipity(rank, gain, true, 3) AS expected
FROM list WHERE user_id = 1;
SELECT serendipity(rank, gain, false, 3) FROM list WHERE user_id = 4;
SELECT serendipity(1, 1, false, NULL);

-- exposures of a catalog of five, two of them never shown: shares 5/8, 2/8, 1/8
SELECT catalog_coverage(n), user_coverage(n), gini(n), exposure_entropy(n),
    5 / 8.0 * log(2, 8 / 5.0) + 2 / 8.0 * log(2, 4) + 1 / 8.0 * log(2, 8) AS entropy_by_hand,
    short_list_share(n, 2), short_list_share(n, 3)
FROM (VALUES (5), (0), (2), (NULL), (1)) t(n);
-- (2 i - n - 1) of ascending 0, 0, 1, 2, 5
SELECT (-4 * 0 - 2 * 0 + 0 * 1 + 2 * 2 + 4 * 5) / (5 * 8.0) AS gini_by_hand;
SELECT gini(n) AS equal, exposure_entropy(n) FROM (VALUES (3), (3), (3), (3)) t(n);
SELECT gini(n) AS nothing, exposure_entropy(n), catalog_coverage(n) FROM (VALUES (0), (0), (NULL)) t(n);
SELECT gini(n) AS one, exposure_entropy(n), catalog_coverage(n) FROM (VALUES (0.3)) t(n);
SELECT gini(n), exposure_entropy(n), catalog_coverage(n), user_coverage(n), short_list_share(n, 1), arp(n), novelty(n, n), repeated_list_share(n::text)
FROM (VALUES (1)) t(n) WHERE false;
SELECT gini(-1);
SELECT catalog_coverage('NaN');
SELECT short_list_share(1, NULL);
SELECT short_list_share(1, 0);

-- three users of five have a list of somebody else; one has none
SELECT repeated_list_share(l::text), repeated_list_share(NULL) AS none
FROM (VALUES (ARRAY[1, 2]), (ARRAY[2, 1]), (ARRAY[1, 2]), (ARRAY[3]), (ARRAY[1, 2]), (NULL)) t(l);

-- one of 8, of 2 and of 1 users: 3, 1 and 0 bits
SELECT novelty(n, 8) FROM (VALUES (1), (4), (8), (NULL)) t(n);
SELECT novelty(0, 8);
SELECT novelty(9, 8);
SELECT novelty(1, 'infinity');
SELECT arp(n) FROM (VALUES (1), (4), (NULL)) t(n);
SELECT arp('infinity');

-- cosines of 1/sqrt(2), 0 and 1/sqrt(2)
SELECT intra_list_diversity(ARRAY['{1:1}', '{1:2,2:2}', '{2:5}']::svec[]), 1 - 2 / sqrt(2) / 3 AS by_hand,
    intra_list_diversity(ARRAY['{1:1}', NULL, '{}', '{1:3}']::svec[]) AS same, intra_list_diversity(ARRAY['{1:1}', '{}']::svec[]) AS one,
    intra_list_diversity('{}'::svec[]) AS empty, intra_list_diversity(NULL::svec[]) AS no_list,
    intra_list_diversity(ARRAY['{1:1}', '{1:-1}']::svec[]) AS opposite;
SELECT intra_list_diversity(similarity) FROM (VALUES (0.5), (0.25), (NULL)) t(similarity);
SELECT intra_list_diversity('NaN'::float8);

-- intervals: the same for the same seed
SELECT (bootstrap_interval(x, 1000, 0.95, 0)).* FROM generate_series(1, 100) x;
SELECT (bootstrap_interval(x)).* FROM generate_series(1, 100) x;
SELECT bootstrap_interval(x, 1000, 0.95, 0) = bootstrap_interval(x) AS usual, bootstrap_interval(x) = bootstrap_interval(x, 1000, 0.95, 1) AS other_seed,
    bootstrap_interval(x) = bootstrap_interval(101 - x) AS other_order, bootstrap_interval(x) = bootstrap_interval(x, 1) AS ratio
FROM generate_series(1, 100) x;
-- five standard errors of 2.9 / 10 hold the mean, and confidence is width
SELECT (b).value - (b).low < 5 * 2.9 AS low, (b).high - (b).value < 5 * 2.9 AS high, (b).low > (wide).low AND (b).high < (wide).high AS narrower
FROM (SELECT bootstrap_interval(x, 2000, 0.5, 3) AS b, bootstrap_interval(x, 2000, 0.99, 3) AS wide FROM generate_series(1, 100) x) s;
SELECT bootstrap_interval(3), bootstrap_interval(x, 10, 0.9, 1) FILTER (WHERE false) AS none, bootstrap_interval(NULL::float8) AS nothing
FROM (VALUES (1)) t(x);
SELECT bootstrap_interval(x, 2 * x) AS constant, bootstrap_interval(x, 0) AS undefined, (bootstrap_interval(x, nullif(x, 3))).n AS pairs
FROM generate_series(1, 5) x;
-- three of four draws have a user in the denominator
SELECT (bootstrap_interval(1, x, 1000, 0.5, 1)).* FROM generate_series(0, 1) x;
SELECT bootstrap_interval('NaN'::float8);
SELECT bootstrap_interval(1, 'infinity');
SELECT bootstrap_interval(1, 0, 0.9, 1);
SELECT bootstrap_interval(1, 1000001, 0.9, 1);
SELECT bootstrap_interval(1, 10, 1, 1);
SELECT bootstrap_interval(1, 10, 'NaN', 1);
SELECT bootstrap_interval(1, 10, 0.9, NULL);
SELECT bootstrap_interval(1, 10, 0.9, s) FROM generate_series(1, 2) s;
SELECT bootstrap_interval(1e308) FROM generate_series(1, 2);

-- two models: differences 1, 2, 3 and -4; with 7 of 16 signs the positive ranks sum to 6 or more, and p is twice that
SELECT (paired_test(a, b, 1000, 0.9, 1)).* FROM (VALUES (2, 1), (4, 2), (6, 3), (0, 4), (NULL, 1), (1, NULL)) t(a, b);
-- t = 3 / (1.5811 / sqrt(5)) of differences 1 to 5; all positive has 2 of 32 signs
SELECT (paired_test(x, 0)).t_p_value, (paired_test(x, 0)).wilcoxon_p_value FROM generate_series(1, 5) x;
SELECT (paired_test(x, x)).* FROM generate_series(1, 5) x;
SELECT (paired_test(1, 0)).*;
SELECT paired_test(1, NULL);
-- with one degree of freedom, t = 3 is an angle
SELECT (paired_test(x, 0)).t_p_value, 1 - 2 * atan(3) / pi() AS by_hand FROM generate_series(1, 2) x;
-- exact up to 50 without ties, normal after it
SELECT n, (SELECT (paired_test(x + 0.25, 0)).wilcoxon_p_value FROM generate_series(-20, n - 21) x) FROM (VALUES (49), (50), (51)) t(n);
SELECT paired_test('NaN', 1);
SELECT paired_test(1e308, -1e308);
SELECT paired_test(1, 2, 10, 0, 1);

-- parallel is serial, combined states and empty ones as well
CREATE TABLE together AS
SELECT g, r2(y, p), log_loss(y > 2, p / 6), brier(y > 2, p / 6), calibration_error(y > 2, p / 6) AS calibration, auc(y > 2, p),
    average_precision(y > 2, p) AS ap, gini(y), exposure_entropy(y) AS entropy, catalog_coverage(y) AS coverage, short_list_share(y, 1) AS short,
    novelty(y + 1, 10) AS novelty, arp(y), repeated_list_share(y::text) AS repeated, paired_test(y, p, 10, 0.9, 1) AS test,
    bootstrap_interval(y, 10, 0.9, 1) AS mean, bootstrap_interval(y, p + 1, 10, 0.9, 1) AS ratio, intra_list_diversity(p) AS ild
FROM outcome GROUP BY g;
CREATE TABLE ranked AS SELECT g, row_number() OVER (PARTITION BY g ORDER BY p, y) AS rank, y AS gain FROM outcome;
ANALYZE ranked;
CREATE TABLE ranked_together AS
SELECT g, precision_at(rank, gain, 500), recall_at(rank, gain, 500), map_at(rank, gain, 500), ndcg_at(rank, gain, 500),
    serendipity(rank, gain, rank % 3 = 0, 500), mrr(rank, gain)
FROM ranked GROUP BY g;
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
SELECT max(abs(s.r2 - p.r2)) < 1e-12 AS r2, max(abs(s.log_loss - p.log_loss)) < 1e-12 AS log_loss, max(abs(s.brier - p.brier)) < 1e-12 AS brier,
    max(abs(s.calibration - p.calibration)) < 1e-12 AS calibration, bool_and(s.auc = p.auc) AS auc, bool_and(s.ap = p.ap) AS ap,
    bool_and(s.gini = p.gini) AS gini, max(abs(s.entropy - p.entropy)) < 1e-12 AS entropy, bool_and(s.coverage = p.coverage) AS coverage,
    bool_and(s.short = p.short) AS short, max(abs(s.novelty - p.novelty)) < 1e-12 AS novelty, max(abs(s.arp - p.arp)) < 1e-12 AS arp,
    bool_and(s.repeated = p.repeated) AS repeated, bool_and(s.test = p.test) AS test, bool_and(s.mean = p.mean) AS mean,
    bool_and(s.ratio = p.ratio) AS ratio, max(abs(s.ild - p.ild)) < 1e-12 AS ild, count(*)
FROM together s JOIN (
    SELECT g, r2(y, p), log_loss(y > 2, p / 6), brier(y > 2, p / 6), calibration_error(y > 2, p / 6) AS calibration, auc(y > 2, p),
        average_precision(y > 2, p) AS ap, gini(y), exposure_entropy(y) AS entropy, catalog_coverage(y) AS coverage, short_list_share(y, 1) AS short,
        novelty(y + 1, 10) AS novelty, arp(y), repeated_list_share(y::text) AS repeated, paired_test(y, p, 10, 0.9, 1) AS test,
        bootstrap_interval(y, 10, 0.9, 1) AS mean, bootstrap_interval(y, p + 1, 10, 0.9, 1) AS ratio, intra_list_diversity(p) AS ild
    FROM outcome GROUP BY g) p USING (g);
SELECT bool_and(s = p) AS ranked, count(*) FROM ranked_together s JOIN (
    SELECT g, precision_at(rank, gain, 500), recall_at(rank, gain, 500), map_at(rank, gain, 500), ndcg_at(rank, gain, 500),
        serendipity(rank, gain, rank % 3 = 0, 500), mrr(rank, gain)
    FROM ranked GROUP BY g) p USING (g);
-- some workers have no row that counts
SELECT auc(y > 2, p) FILTER (WHERE y < 0), gini(y) FILTER (WHERE y < 0), count(*) FROM outcome;
COMMIT;
SELECT combine_lists(NULL, NULL), combine_lists(s, NULL) = s AS left, combine_lists(NULL, s) = s AS right, auc_final(combine_lists(s, s))
FROM (SELECT score_accumulate(score_accumulate(NULL, true, 2), false, 1)) t(s);

-- states made by hand are refused
SELECT r2_accumulate('{1,2}', 1, 1);
SELECT r2_combine('{1,2,3,4}', '{1,2}');
SELECT probability_accumulate('{1}', true, 0.5);
SELECT calibration_error_final('{1,2}');
SELECT calibration_error_final('{}'), calibration_error_final('{0,0,0}');
SELECT mean_final('{1}');
SELECT auc_final('\x00');
SELECT auc_final(decode(repeat('00', 24) || repeat('ff', 8), 'hex'));
SELECT auc_final(decode(repeat('00', 24) || '0200000000000000' || repeat('00', 8), 'hex'));
SELECT auc_final(decode(repeat('00', 24) || '0100000000000000' || repeat('ff', 8), 'hex'));
SELECT auc_final(decode(repeat('00', 32), 'hex')), gini_final(decode(repeat('00', 32), 'hex')), repeated_list_share_final(decode(repeat('00', 32), 'hex'));
SELECT precision_at_final(decode(repeat('00', 32), 'hex'));
SELECT precision_at_final(rank_accumulate(rank_accumulate(NULL, 2, 1, 3), 2, 1, 3));
SELECT precision_at_final(overlay(rank_accumulate(NULL, 2, 1, 3) PLACING '\x0000000000001040' FROM 33));
SELECT bootstrap_interval_final(decode(repeat('00', 32), 'hex'));
SELECT paired_test_final(value_accumulate(NULL, 1));
SELECT combine_lists(rank_accumulate(NULL, 1, 1, 3), rank_accumulate(NULL, 1, 1, 4));
SELECT combine_lists(score_accumulate(NULL, true, 1), '\x0102');
SELECT auc_final(NULL), precision_at_final(NULL), bootstrap_interval_final(NULL), paired_test_final(NULL), gini_final(NULL), r2_final(NULL),
    calibration_error_final(NULL), mean_final(NULL);

DROP TABLE outcome, serial, together, list, ranked, ranked_together;
