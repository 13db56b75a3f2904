/*
 * svec.h
 *		The sparse vector type: bigint id -> real weight.
 *
 * On disk and in memory, in the byte order of the machine:
 *
 *	offset	bytes	what
 *	0		4		varlena length word
 *	4		1		format version, 1
 *	5		1		flags; bit 0 (SVEC_WIDE): ids take 8 bytes instead of 4
 *	6		2		zero, reserved
 *	8		n * 4|8	ids, strictly ascending, signed
 *	...		n * 4	weights, float4, finite and never zero, same order
 *
 * n follows from the length.  Ids are stored wide only when one of them does
 * not fit into four bytes, so that equal vectors are equal byte for byte.
 */
#ifndef SVEC_H
#define SVEC_H

#include "fmgr.h"

#include "sparse.h"

#define SVEC_VERSION 1
#define SVEC_WIDE 0x01

typedef struct SVec
{
	int32 vl_len_; /* varlena header (do not touch directly!) */
	uint8 version;
	uint8 flags;
	uint16 reserved;
	char data[FLEXIBLE_ARRAY_MEMBER];
} SVec;

#define SVEC_HEADER_SIZE offsetof(SVec, data)

/* Largest number of elements: a result must stay far below 1 GB. */
#define SVEC_MAX_ELEMENTS (16 * 1024 * 1024)

#define DatumGetSVecP(d) ((SVec *) PG_DETOAST_DATUM(d))
#define PG_GETARG_SVEC_P(n) DatumGetSVecP(PG_GETARG_DATUM(n))
#define PG_RETURN_SVEC_P(v) PG_RETURN_POINTER(v)

static inline bool
svec_is_wide(const SVec *v)
{
	return (v->flags & SVEC_WIDE) != 0;
}

static inline int
svec_count(const SVec *v)
{
	return (int) ((VARSIZE(v) - SVEC_HEADER_SIZE) /
				  ((svec_is_wide(v) ? sizeof(int64) : sizeof(int32)) + sizeof(float4)));
}

/* Ids of a narrow vector; only where !svec_is_wide(v). */
static inline int32 *
svec_ids32(const SVec *v)
{
	return (int32 *) v->data;
}

/* Ids of a wide vector; only where svec_is_wide(v). */
static inline int64 *
svec_ids64(const SVec *v)
{
	return (int64 *) v->data;
}

static inline int64
svec_id(const SVec *v, int i)
{
	return svec_is_wide(v) ? svec_ids64(v)[i] : svec_ids32(v)[i];
}

static inline float4 *
svec_weights(const SVec *v)
{
	return (float4 *) (v->data +
					   svec_count(v) * (svec_is_wide(v) ? sizeof(int64) : sizeof(int32)));
}

/* The vector as the kernels of sparse.h take it. */
static inline SparseView
svec_view(const SVec *v)
{
	SparseView view;

	view.n = svec_count(v);
	view.ids32 = svec_is_wide(v) ? NULL : svec_ids32(v);
	view.ids64 = svec_is_wide(v) ? svec_ids64(v) : NULL;
	view.weights = svec_weights(v);
	return view;
}

/*
 * A vector with room for n elements in the current memory context; the caller
 * fills ids (ascending) and weights (finite, not zero).
 */
extern SVec *svec_alloc(int n, bool wide);

#endif /* SVEC_H */
