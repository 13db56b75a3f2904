/*
 * linear.h
 *		Dense linear algebra: BLAS and LAPACK, from a module of its own.
 *
 * Matrices are in column-major order, as in BLAS: element (i, j) of a matrix with
 * leading dimension ld is at [i + j * ld].  In a row-major program the same memory
 * is the transpose, and `lower` is what the program calls upper.
 *
 * No call may take longer than a few 10 ms, as it cannot be interrupted: work in
 * tiles, with CHECK_FOR_INTERRUPTS between.  (A core does 20 to 100 GFLOP/s.)
 * Results may differ in their last digits from processor to processor.
 */
#ifndef LINEAR_H
#define LINEAR_H

/*
 * The routines, by the names and with the arguments of BLAS and LAPACK, numbers by
 * value: s for single precision, d for double.
 *
 * Flags are characters: transpose 'N' or 'T', uplo 'L' or 'U' (the triangle that is
 * read and written), side 'L' or 'R', diag 'N' or 'U' (ones, not read).
 */
typedef struct Linear
{
	/* c = alpha op(a) op(b) + beta c; op(a) is m x k, op(b) k x n, c m x n */
	void (*sgemm)(char transpose_a, char transpose_b, int m, int n, int k, float alpha,
				  const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
	void (*dgemm)(char transpose_a, char transpose_b, int m, int n, int k, double alpha,
				  const double *a, int lda, const double *b, int ldb, double beta, double *c,
				  int ldc);

	/* c = alpha op(a) op(a)' + beta c, one triangle of it; op(a) is n x k, c n x n */
	void (*ssyrk)(char uplo, char transpose, int n, int k, float alpha, const float *a, int lda,
				  float beta, float *c, int ldc);
	void (*dsyrk)(char uplo, char transpose, int n, int k, double alpha, const double *a, int lda,
				  double beta, double *c, int ldc);

	/* Solve op(a) x = alpha b (side L) or x op(a) = alpha b (R); b, m x n, becomes x. */
	void (*strsm)(char side, char uplo, char transpose, char diag, int m, int n, float alpha,
				  const float *a, int lda, float *b, int ldb);
	void (*dtrsm)(char side, char uplo, char transpose, char diag, int m, int n, double alpha,
				  const double *a, int lda, double *b, int ldb);

	/* Solve op(a) x = b for a vector; b, with the given step, becomes x. */
	void (*strsv)(char uplo, char transpose, char diag, int n, const float *a, int lda, float *b,
				  int step);
	void (*dtrsv)(char uplo, char transpose, char diag, int n, const double *a, int lda, double *b,
				  int step);

	/*
	 * Cholesky: a, n x n, becomes its factor.  0, or the order of the leading minor
	 * that is not positive definite.
	 */
	int (*spotrf)(char uplo, int n, float *a, int lda);
	int (*dpotrf)(char uplo, int n, double *a, int lda);

	/* Solve a x = b given the factor of a; b, n x right_sides, becomes x. */
	void (*spotrs)(char uplo, int n, int right_sides, const float *a, int lda, float *b, int ldb);
	void (*dpotrs)(char uplo, int n, int right_sides, const double *a, int lda, double *b, int ldb);

	/*
	 * The factor of a becomes one triangle of the inverse of a.  0, or the place of
	 * a zero on the diagonal.
	 */
	int (*spotri)(char uplo, int n, float *a, int lda);
	int (*dpotri)(char uplo, int n, double *a, int lda);
} Linear;

/* The name of the one function of the module, and of what it returns. */
#define LINEAR_FUNCTION "socrec_linear"
typedef const Linear *(*LinearFunction)(void);

extern const Linear *linear_open(void);
extern void linear_forbid_threads(void);

#endif /* LINEAR_H */
