/*
 * factor_pack.c
 *		Factor models as they are stored: what is common to all users, and the
 *		equations of one, each in a bytea.
 *
 * All in the byte order of the machine.  A stored value comes from a table that
 * somebody may have written to, so that every length is checked against the value's
 * own.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"

#include "compatibility.h"
#include "equations.h"
#include "factor.h"

#define PRIOR_VERSION 1

#define PRIOR_USER_BIAS 0x01
#define PRIOR_ITEM_BIAS 0x02
#define PRIOR_RATING 0x04 /* the target */

typedef struct PackedPrior
{
	int32 vl_len_; /* varlena header (do not touch directly!) */
	uint8 version;
	uint8 flags;
	uint16 reserved;
	int32 rank;
	int32 n_samples;
	double regularization;
	double exponent;
	double count_offset;
	double data[FLEXIBLE_ARRAY_MEMBER]; /* offset, noise; then floats: precision, shift */
} PackedPrior;

/*
 * Bytes of a prior of that shape.
 */
static Size
packed_size(const FactorShape *shape)
{
	Size solved = factor_solved(shape);
	Size samples = shape->n_samples;

	return offsetof(PackedPrior, data) + samples * 2 * sizeof(double) +
		   samples * solved * (solved + 1) * sizeof(float);
}

static void
point_into(FactorPrior *prior, PackedPrior *packed)
{
	Size solved = factor_solved(&prior->shape);
	Size samples = prior->shape.n_samples;

	prior->offset = packed->data;
	prior->noise = prior->offset + samples;
	prior->precision = (float *) (prior->noise + samples);
	prior->shift = prior->precision + samples * solved * solved;
}

bytea *
factor_prior_pack(const FactorPrior *prior)
{
	const FactorShape *shape = &prior->shape;
	Size size = packed_size(shape);
	Size solved = factor_solved(shape);
	Size samples = shape->n_samples;
	PackedPrior *packed;
	FactorPrior copy = *prior;

	if (size > MaxAllocSize)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a model of %d samples of %d factors is too large to be stored",
							   shape->n_samples, shape->rank)));
	packed = palloc0(size);
	SET_VARSIZE(packed, size);
	packed->version = PRIOR_VERSION;
	packed->flags = (shape->user_bias ? PRIOR_USER_BIAS : 0) |
					(shape->item_bias ? PRIOR_ITEM_BIAS : 0) |
					(prior->target == FACTOR_RATING ? PRIOR_RATING : 0);
	packed->rank = shape->rank;
	packed->n_samples = shape->n_samples;
	packed->regularization = prior->regularization;
	packed->exponent = prior->exponent;
	packed->count_offset = prior->count_offset;
	point_into(&copy, packed);
	memcpy(copy.offset, prior->offset, samples * sizeof(double));
	memcpy(copy.noise, prior->noise, samples * sizeof(double));
	memcpy(copy.precision, prior->precision, samples * solved * solved * sizeof(float));
	memcpy(copy.shift, prior->shift, samples * solved * sizeof(float));
	return (bytea *) packed;
}

/*
 * Read the prior at the beginning of a value of the given size, which lies at a
 * multiple of eight; how many bytes it takes.  It points into the value.
 */
static Size
read_prior(void *value, Size size, FactorPrior *prior)
{
	PackedPrior *packed = value;
	FactorShape *shape = &prior->shape;

	if (size >= offsetof(PackedPrior, data) && packed->version == PRIOR_VERSION &&
		packed->rank >= 1 && packed->rank <= FACTOR_MAX_RANK && packed->n_samples >= 1 &&
		packed->n_samples <= FACTOR_MAX_LENGTH)
	{
		shape->rank = packed->rank;
		shape->n_samples = packed->n_samples;
		shape->user_bias = (packed->flags & PRIOR_USER_BIAS) != 0;
		shape->item_bias = (packed->flags & PRIOR_ITEM_BIAS) != 0;
		prior->target = packed->flags & PRIOR_RATING ? FACTOR_RATING : FACTOR_PREFERENCE;
		prior->regularization = packed->regularization;
		prior->exponent = packed->exponent;
		prior->count_offset = packed->count_offset;
		point_into(prior, packed);
		if (size >= packed_size(shape))
			return packed_size(shape);
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					errmsg("value is not what a factor model knows of all users")));
}

/*
 * The value itself where it can be read in place, else a copy.
 */
static void *
aligned(bytea *value)
{
	void *copy;

	if ((uintptr_t) value % sizeof(double) == 0)
		return value;
	copy = palloc(VARSIZE(value));
	memcpy(copy, value, VARSIZE(value));
	return copy;
}

FactorPrior *
factor_prior_unpack(bytea *packed)
{
	FactorPrior *prior = palloc(sizeof(FactorPrior));
	void *value = aligned(packed);

	if (read_prior(value, VARSIZE(value), prior) != VARSIZE(value))
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("value is not what a factor model knows of all users")));
	return prior;
}

/*
 * A model with that prior and room for its items.
 */
FactorModel *
factor_model_unpack(bytea *packed_prior, int32 n_items, Budget *budget)
{
	FactorPrior *prior = factor_prior_unpack(packed_prior);
	FactorModel *model = factor_model_create(&prior->shape, n_items, budget);
	FactorPrior empty = model->prior;
	Size solved = factor_solved(&prior->shape);
	Size samples = prior->shape.n_samples;

	model->prior = *prior;
	model->prior.offset = memcpy(empty.offset, prior->offset, samples * sizeof(double));
	model->prior.noise = memcpy(empty.noise, prior->noise, samples * sizeof(double));
	model->prior.precision =
		memcpy(empty.precision, prior->precision, samples * solved * solved * sizeof(float));
	model->prior.shift = memcpy(empty.shift, prior->shift, samples * solved * sizeof(float));
	pfree(prior);
	return model;
}

/*
 * The elements of a real[] without nulls, of the given length unless that is 0.
 */
float *
factor_elements(ArrayType *array, int32 *length, int32 wanted)
{
	int32 n = ARR_NDIM(array) == 1 ? ARR_DIMS(array)[0] : 0;

	if (n == 0 || ARR_HASNULL(array) || ARR_ELEMTYPE(array) != FLOAT4OID)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a vector of factors must be an array of numbers without nulls")));
	if (wanted != 0 && n != wanted)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("vector of factors has %d elements, not %d", n, wanted)));
	if (length != NULL)
		*length = n;
	return (float *) ARR_DATA_PTR(array);
}

/*
 * Equations: the prior, with the length of the whole; the number of ratings; then
 * the sums.
 */
static Size
equations_offset(const FactorShape *shape)
{
	return MAXALIGN(packed_size(shape));
}

/*
 * The equations of a user without ratings.
 */
bytea *
equations_pack(bytea *packed_prior)
{
	FactorPrior *prior = factor_prior_unpack(packed_prior);
	Size offset = equations_offset(&prior->shape);
	Size size = offset + (1 + fold_in_sums(&prior->shape)) * sizeof(double);
	bytea *equations;

	if (size > MaxAllocSize)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("equations of %d samples of %d factors are too large",
							   prior->shape.n_samples, prior->shape.rank)));
	equations = palloc0(size);
	memcpy(equations, packed_prior, VARSIZE(packed_prior));
	SET_VARSIZE(equations, size);
	pfree(prior);
	return equations;
}

/*
 * Read equations in place, or a copy of them where they lie unaligned: what is
 * returned.  The number of ratings must be written back by equations_store_count, if it changes.
 */
bytea *
equations_unpack(bytea *packed, FactorPrior *prior, FoldIn *fold)
{
	char *value = aligned(packed);
	Size size = VARSIZE(value);
	double *sums;

	(void) read_prior(value, size, prior);
	if (size !=
		equations_offset(&prior->shape) + (1 + fold_in_sums(&prior->shape)) * sizeof(double))
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("value is not the equations of a user")));
	sums = (double *) (value + equations_offset(&prior->shape));
	fold_in_init(fold, prior, sums + 1);
	fold->n = (int64) sums[0];
	return (bytea *) value;
}

/*
 * Write the number of ratings back, which stands before the sums.
 */
void
equations_store_count(const FoldIn *fold)
{
	fold->a[-1] = fold->n;
}
