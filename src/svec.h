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

#include "compatibility.h"
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

#define DatumGetSVecP(d) svec_checked((SVec *) PG_DETOAST_DATUM(d))
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
	return (float4 *) (v->data + svec_count(v) * (svec_is_wide(v) ? sizeof(int64) : sizeof(int32)));
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

/* Does an id fit into four bytes? */
static inline bool
svec_is_narrow_id(int64 id)
{
	return id >= PG_INT32_MIN && id <= PG_INT32_MAX;
}

extern Oid svec_type(void);

/*
 * Everything that the format promises, in builds with assertions.
 */
#ifdef USE_ASSERT_CHECKING
#define AssertSVec(v) svec_assert(v)
extern void svec_assert(const SVec *v);
#else
#define AssertSVec(v) ((void) 0)
#endif

/*
 * A stored vector, unless it is of a format that this version does not know.
 */
static inline SVec *
svec_checked(SVec *v)
{
	if (unlikely(v->version != SVEC_VERSION))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("svec has unknown format version %d", v->version)));
	AssertSVec(v);
	return v;
}

/* An element of a vector that is being put together. */
typedef struct SVecElement
{
	int64 id;
	float4 weight;
	int32 position; /* where it was in the input, the caller's to define */
} SVecElement;

/*
 * A vector with room for n elements in the current memory context; the caller
 * fills ids (ascending) and weights (finite, not zero).
 */
extern SVec *svec_alloc(int n, bool wide);
extern SVec *svec_alloc_room(int64 n, bool wide);
extern SVec *svec_shrink(SVec *v, int n);
extern SVec *svec_from_elements(SVecElement *elements, int n, const SVecElement **duplicate);
extern void svec_check_range(const SVec *v);

#endif /* SVEC_H */
