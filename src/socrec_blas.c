/*
 * socrec_blas.c
 *		The module of linear algebra: BLAS and LAPACK by their Fortran names, behind
 *		the interface of linear.h.
 *
 * It is a library of its own, socrec_blas, built where there are BLAS and LAPACK.
 * A character argument of Fortran has a hidden length at the end.
 */
#include "postgres.h"

#include "fmgr.h"

#include "linear.h"

PG_MODULE_MAGIC;

PGDLLEXPORT const Linear *socrec_linear(void);

/*
 * Declares the routines of one precision and defines a wrapper for each.
 */
#define PRECISION(p, real)                                                                         \
	extern void p##gemm_(const char *, const char *, const int *, const int *, const int *,        \
						 const real *, const real *, const int *, const real *, const int *,       \
						 const real *, real *, const int *, size_t, size_t);                       \
	extern void p##syrk_(const char *, const char *, const int *, const int *, const real *,       \
						 const real *, const int *, const real *, real *, const int *, size_t,     \
						 size_t);                                                                  \
	extern void p##trsm_(const char *, const char *, const char *, const char *, const int *,      \
						 const int *, const real *, const real *, const int *, real *,             \
						 const int *, size_t, size_t, size_t, size_t);                             \
	extern void p##trsv_(const char *, const char *, const char *, const int *, const real *,      \
						 const int *, real *, const int *, size_t, size_t, size_t);                \
	extern void p##potrf_(const char *, const int *, real *, const int *, int *, size_t);          \
	extern void p##potrs_(const char *, const int *, const int *, const real *, const int *,       \
						  real *, const int *, int *, size_t);                                     \
	extern void p##potri_(const char *, const int *, real *, const int *, int *, size_t);          \
                                                                                                   \
	static void p##gemm(char transpose_a, char transpose_b, int m, int n, int k, real alpha,       \
						const real *a, int lda, const real *b, int ldb, real beta, real *c,        \
						int ldc)                                                                   \
	{                                                                                              \
		p##gemm_(&transpose_a, &transpose_b, &m, &n, &k, &alpha, a, &lda, b, &ldb, &beta, c, &ldc, \
				 1, 1);                                                                            \
	}                                                                                              \
                                                                                                   \
	static void p##syrk(char uplo, char transpose, int n, int k, real alpha, const real *a,        \
						int lda, real beta, real *c, int ldc)                                      \
	{                                                                                              \
		p##syrk_(&uplo, &transpose, &n, &k, &alpha, a, &lda, &beta, c, &ldc, 1, 1);                \
	}                                                                                              \
                                                                                                   \
	static void p##trsm(char side, char uplo, char transpose, char diag, int m, int n, real alpha, \
						const real *a, int lda, real *b, int ldb)                                  \
	{                                                                                              \
		p##trsm_(&side, &uplo, &transpose, &diag, &m, &n, &alpha, a, &lda, b, &ldb, 1, 1, 1, 1);   \
	}                                                                                              \
                                                                                                   \
	static void p##trsv(char uplo, char transpose, char diag, int n, const real *a, int lda,       \
						real *b, int step)                                                         \
	{                                                                                              \
		p##trsv_(&uplo, &transpose, &diag, &n, a, &lda, b, &step, 1, 1, 1);                        \
	}                                                                                              \
                                                                                                   \
	static int p##potrf(char uplo, int n, real *a, int lda)                                        \
	{                                                                                              \
		int info;                                                                                  \
                                                                                                   \
		p##potrf_(&uplo, &n, a, &lda, &info, 1);                                                   \
		return info;                                                                               \
	}                                                                                              \
                                                                                                   \
	static void p##potrs(char uplo, int n, int right_sides, const real *a, int lda, real *b,       \
						 int ldb)                                                                  \
	{                                                                                              \
		int info;                                                                                  \
                                                                                                   \
		p##potrs_(&uplo, &n, &right_sides, a, &lda, b, &ldb, &info, 1);                            \
	}                                                                                              \
                                                                                                   \
	static int p##potri(char uplo, int n, real *a, int lda)                                        \
	{                                                                                              \
		int info;                                                                                  \
                                                                                                   \
		p##potri_(&uplo, &n, a, &lda, &info, 1);                                                   \
		return info;                                                                               \
	}

PRECISION(s, float)
PRECISION(d, double)

const Linear *
socrec_linear(void)
{
	static const Linear linear = {sgemm, dgemm,  ssyrk,  dsyrk,  strsm,  dtrsm,  strsv,
								  dtrsv, spotrf, dpotrf, spotrs, dpotrs, spotri, dpotri};

	return &linear;
}
