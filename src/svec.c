/*
 * svec.c
 *		The sparse vector type: building, text and binary form, constructor, casts.
 *
 * Whatever a vector is made from becomes an array of elements first, in the
 * order of the input.  svec_from_elements then sorts it by id, finds duplicates,
 * leaves out zeros and decides how wide the ids are stored; so there is one
 * place that establishes what the format promises.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/syscache.h"

#include "socrec.h"
#include "svec.h"

#define ST_SORT sort_elements
#define ST_ELEMENT_TYPE SVecElement
#define ST_COMPARE(a, b)                                                                           \
	((a)->id != (b)->id ? ((a)->id < (b)->id ? -1 : 1)                                             \
						: ((a)->position > (b)->position) - ((a)->position < (b)->position))
#define ST_SCOPE static
#define ST_CHECK_FOR_INTERRUPTS
#define ST_DEFINE
#include "lib/sort_template.h"

#define too_many_elements()                                                                        \
	(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),                                                      \
	 errmsg("svec cannot have more than %d elements", SVEC_MAX_ELEMENTS))

/* Version of the binary form, which is not that of the stored one. */
#define SVEC_BINARY_VERSION 1

/* Excerpts of the input in error messages are cut to so many bytes. */
#define EXCERPT_LENGTH 32

Oid
svec_type(void)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("svec"),
						   ObjectIdGetDatum(get_namespace_oid("socrec", true)));
}

#ifdef USE_ASSERT_CHECKING
void
svec_assert(const SVec *v)
{
	int n = svec_count(v);
	Size id_size = svec_is_wide(v) ? sizeof(int64) : sizeof(int32);
	const float4 *weights = svec_weights(v);

	Assert(v->version == SVEC_VERSION);
	Assert((v->flags & ~SVEC_WIDE) == 0);
	Assert(v->reserved == 0);
	Assert(n <= SVEC_MAX_ELEMENTS);
	Assert(VARSIZE(v) == SVEC_HEADER_SIZE + n * (id_size + sizeof(float4)));
	for (int i = 0; i < n; i++)
	{
		Assert(i == 0 || svec_id(v, i - 1) < svec_id(v, i));
		Assert(isfinite(weights[i]) && weights[i] != 0);
	}
	Assert(!svec_is_wide(v) || !svec_is_narrow_id(svec_id(v, 0)) ||
		   !svec_is_narrow_id(svec_id(v, n - 1)));
}
#endif

/*
 * Building.
 */

/*
 * A vector with room for n elements, more than it may have in the end: for a
 * result that svec_shrink cuts to size.
 */
SVec *
svec_alloc_room(int64 n, bool wide)
{
	Size size = add_size(SVEC_HEADER_SIZE,
						 mul_size(n, (wide ? sizeof(int64) : sizeof(int32)) + sizeof(float4)));
	SVec *v = palloc(size);

	SET_VARSIZE(v, size);
	v->version = SVEC_VERSION;
	v->flags = wide ? SVEC_WIDE : 0;
	v->reserved = 0;
	return v;
}

SVec *
svec_alloc(int n, bool wide)
{
	if (n < 0 || n > SVEC_MAX_ELEMENTS)
		ereport(ERROR, too_many_elements());
	return svec_alloc_room(n, wide);
}

/*
 * Keep the first n elements of a vector that was made for more, and store their
 * ids narrow where that is possible.  Works in place.
 */
SVec *
svec_shrink(SVec *v, int n)
{
	const float4 *weights = svec_weights(v);
	Size ids_size;

	if (n > SVEC_MAX_ELEMENTS)
		ereport(ERROR, too_many_elements());
	if (svec_is_wide(v) &&
		(n == 0 || (svec_is_narrow_id(svec_id(v, 0)) && svec_is_narrow_id(svec_id(v, n - 1)))))
	{
		for (int i = 0; i < n; i++)
		{
			int32 id = (int32) svec_ids64(v)[i];

			svec_ids32(v)[i] = id;
		}
		v->flags &= ~SVEC_WIDE;
	}
	ids_size = n * (svec_is_wide(v) ? sizeof(int64) : sizeof(int32));
	memmove(v->data + ids_size, weights, n * sizeof(float4));
	SET_VARSIZE(v, SVEC_HEADER_SIZE + ids_size + n * sizeof(float4));
	return v;
}

/*
 * Refuse a result of which a weight has overflowed.
 */
void
svec_check_range(const SVec *v)
{
	const float4 *weights = svec_weights(v);
	int n = svec_count(v);

	for (int i = 0; i < n; i++)
		if (unlikely(!isfinite(weights[i])))
			ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
							errmsg("weight of id " INT64_FORMAT " is out of range for type real",
								   svec_id(v, i))));
}

/*
 * The vector of some elements, whose weights are finite; zeros are left out.
 * The elements are sorted in place.
 *
 * If an id occurs twice the result is NULL, and duplicate the first element, by
 * its position, whose id had occurred before it.
 */
SVec *
svec_from_elements(SVecElement *elements, int n, const SVecElement **duplicate)
{
	int n_kept = 0;
	bool wide = false;
	SVec *v;
	float4 *weights;

	sort_elements(elements, n);
	*duplicate = NULL;
	for (int i = 1; i < n; i++)
		if (elements[i - 1].id == elements[i].id &&
			(*duplicate == NULL || elements[i].position < (*duplicate)->position))
			*duplicate = &elements[i];
	if (*duplicate)
		return NULL;

	for (int i = 0; i < n; i++)
	{
		if (elements[i].weight == 0)
			continue;
		wide |= !svec_is_narrow_id(elements[i].id);
		elements[n_kept++] = elements[i];
	}
	v = svec_alloc(n_kept, wide);
	weights = svec_weights(v);
	for (int i = 0; i < n_kept; i++)
	{
		if (wide)
			svec_ids64(v)[i] = elements[i].id;
		else
			svec_ids32(v)[i] = (int32) elements[i].id;
		weights[i] = elements[i].weight;
	}
	AssertSVec(v);
	return v;
}

/*
 * Text form: {17:4.5, 23:1}
 */

typedef enum ScanResult
{
	SCAN_OK,
	SCAN_NO_NUMBER,
	SCAN_OUT_OF_RANGE
} ScanResult;

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * Read [+-]digits.  On success *at is moved behind it.
 */
static ScanResult
scan_id(const char **at, int64 *id)
{
	const char *c = *at;
	bool negative = *c == '-';
	int64 value = 0;

	if (*c == '-' || *c == '+')
		c++;
	if (!is_digit(*c))
		return SCAN_NO_NUMBER;

	/* The negative range is larger by one. */
	for (; is_digit(*c); c++)
		if (pg_mul_s64_overflow(value, 10, &value) || pg_sub_s64_overflow(value, *c - '0', &value))
			return SCAN_OUT_OF_RANGE;
	if (!negative && value == PG_INT64_MIN)
		return SCAN_OUT_OF_RANGE;
	*id = negative ? value : -value;
	*at = c;
	return SCAN_OK;
}

/*
 * Read a decimal number.  strtof alone would take hexadecimal digits, NaN and
 * infinity as well.  As for type real, a number other than zero that becomes
 * zero is out of range.  On success *at is moved behind the number.
 */
static ScanResult
scan_weight(const char **at, float4 *weight)
{
	const char *c = *at;
	int n_digits = 0;
	char *end;

	if (*c == '-' || *c == '+')
		c++;
	for (; is_digit(*c); c++)
		n_digits++;
	if (*c == '.')
		for (c++; is_digit(*c); c++)
			n_digits++;
	if (n_digits == 0)
		return SCAN_NO_NUMBER;
	if (*c == 'e' || *c == 'E')
	{
		const char *exponent = c + 1;

		if (*exponent == '-' || *exponent == '+')
			exponent++;
		if (is_digit(*exponent))
			for (c = exponent; is_digit(*c); c++)
				;
	}

	errno = 0;
	*weight = strtof(*at, &end);
	if (end != c)
		return SCAN_NO_NUMBER;
	if (isinf(*weight) || (errno == ERANGE && *weight == 0))
		return SCAN_OUT_OF_RANGE;
	*at = c;
	return SCAN_OK;
}

typedef struct Parser
{
	const char *text;
	const char *at;
	Node *escontext; /* where soft errors go, or NULL */
	SVecElement *elements;
	int n;
	int capacity;
} Parser;

/* Position for the user, from 1; all characters up to an error are single bytes. */
static int
character_at(const Parser *parser, const char *at)
{
	return at - parser->text + 1;
}

/* What stands at the parser's position, up to the next delimiter. */
static char *
excerpt(const Parser *parser)
{
	const char *at = parser->at;
	int length = strcspn(at, " \t\n\r\v\f,:{}");

	if (*at == '\0')
		return pstrdup("end of input");
	if (length == 0)
		length = 1;
	return psprintf("\"%.*s%s\"", pg_mbcliplen(at, length, EXCERPT_LENGTH), at,
					length > EXCERPT_LENGTH ? "..." : "");
}

static bool
syntax_error(Parser *parser, const char *expected)
{
	ereturn(parser->escontext, false,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type svec at character %d",
					character_at(parser, parser->at)),
			 errdetail("Expected %s, found %s.", expected, excerpt(parser)),
			 errhint("A sparse vector is written like {17:4.5, 23:1}.")));
}

static bool
range_error(Parser *parser, const char *what, const char *type)
{
	ereturn(parser->escontext, false,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("%s %s at character %d is out of range for type %s", what, excerpt(parser),
					character_at(parser, parser->at), type)));
}

static void
skip_space(Parser *parser)
{
	while (is_space(*parser->at))
		parser->at++;
}

/*
 * Read a punctuation mark and the space around it; false if it is not there.
 */
static bool
accept(Parser *parser, char mark)
{
	skip_space(parser);
	if (*parser->at != mark)
		return false;
	parser->at++;
	skip_space(parser);
	return true;
}

/*
 * Read id : weight.  False after a soft error.
 */
static bool
parse_element(Parser *parser)
{
	SVecElement *element;
	ScanResult result;

	if (parser->n == SVEC_MAX_ELEMENTS)
		ereturn(parser->escontext, false, too_many_elements());
	if (parser->n == parser->capacity)
	{
		parser->capacity *= 2;
		parser->elements = repalloc(parser->elements, parser->capacity * sizeof(SVecElement));
	}
	element = &parser->elements[parser->n++];

	element->position = parser->at - parser->text;
	result = scan_id(&parser->at, &element->id);
	if (result == SCAN_NO_NUMBER)
		return syntax_error(parser, "an integer id");
	if (result == SCAN_OUT_OF_RANGE)
		return range_error(parser, "id", "bigint");

	if (!accept(parser, ':'))
		return syntax_error(parser, "\":\"");

	result = scan_weight(&parser->at, &element->weight);
	if (result == SCAN_NO_NUMBER)
		return syntax_error(parser, "a finite weight");
	if (result == SCAN_OUT_OF_RANGE)
		return range_error(parser, "weight", "real");
	return true;
}

/*
 * The elements of the text.  False after a soft error.
 */
static bool
parse_elements(Parser *parser)
{
	if (!accept(parser, '{'))
		return syntax_error(parser, "\"{\"");
	if (!accept(parser, '}'))
	{
		do
		{
			CHECK_FOR_INTERRUPTS();
			if (!parse_element(parser))
				return false;
		} while (accept(parser, ','));
		if (!accept(parser, '}'))
			return syntax_error(parser, "\",\" or \"}\"");
	}
	if (*parser->at != '\0')
		return syntax_error(parser, "end of input");
	return true;
}

PG_FUNCTION_INFO_V1(socrec_svec_in);
Datum
socrec_svec_in(PG_FUNCTION_ARGS)
{
	Parser parser = {0};
	const SVecElement *duplicate;
	SVec *v;

	parser.text = parser.at = PG_GETARG_CSTRING(0);
	parser.escontext = fcinfo->context;
	parser.capacity = 16;
	parser.elements = palloc(parser.capacity * sizeof(SVecElement));
	if (!parse_elements(&parser))
		PG_RETURN_NULL();

	v = svec_from_elements(parser.elements, parser.n, &duplicate);
	if (!v)
		ereturn(parser.escontext, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("duplicate id " INT64_FORMAT " at character %d", duplicate->id,
						character_at(&parser, parser.text + duplicate->position))));
	pfree(parser.elements);
	PG_RETURN_SVEC_P(v);
}

/*
 * The text form, or with quotes around the ids the JSON form.  Weights have the
 * fewest digits that read back as the same float.
 */
static char *
svec_to_text(const SVec *v, bool quote)
{
	/* A sign and 19 digits, two quotes, colon, comma, two spaces. */
	const int most = 20 + 2 + 4 + FLOAT_SHORTEST_DECIMAL_LEN;
	int n = svec_count(v);
	const float4 *weights = svec_weights(v);
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	for (int i = 0; i < n; i++)
	{
		char *end;

		CHECK_FOR_INTERRUPTS();
		enlargeStringInfo(&text, most);
		end = text.data + text.len;
		if (i > 0)
		{
			*end++ = ',';
			*end++ = ' ';
		}
		if (quote)
			*end++ = '"';
		end += pg_lltoa(svec_id(v, i), end);
		if (quote)
			*end++ = '"';
		*end++ = ':';
		if (quote)
			*end++ = ' ';
		end += float_to_shortest_decimal_bufn(weights[i], end);
		*end = '\0';
		text.len = end - text.data;
	}
	appendStringInfoChar(&text, '}');
	return text.data;
}

PG_FUNCTION_INFO_V1(socrec_svec_out);
Datum
socrec_svec_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(svec_to_text(PG_GETARG_SVEC_P(0), false));
}

/*
 * Binary form: int16 version, int32 number of elements, then for each int64 id
 * and float4 weight, ids ascending; all in network byte order.
 */

PG_FUNCTION_INFO_V1(socrec_svec_recv);
Datum
socrec_svec_recv(PG_FUNCTION_ARGS)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	int version = pq_getmsgint(message, 2);
	int32 n = pq_getmsgint(message, 4);
	int64 last = 0;
	SVec *v;
	float4 *weights;

	if (version != SVEC_BINARY_VERSION)
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("unknown version %d of binary svec", version)));
	if (n < 0 || (message->len - message->cursor) != (int64) n * (sizeof(int64) + sizeof(float4)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("binary svec of %d elements has %d bytes of them", n,
							   message->len - message->cursor)));

	v = svec_alloc(n, true);
	weights = svec_weights(v);
	for (int i = 0; i < n; i++)
	{
		int64 id = pq_getmsgint64(message);
		float4 weight = pq_getmsgfloat4(message);

		if (i > 0 && id <= last)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					 errmsg("id " INT64_FORMAT " of binary svec does not follow " INT64_FORMAT, id,
							last),
					 errhint("Send ids in ascending order and each of them once.")));
		if (!isfinite(weight) || weight == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					 errmsg("weight %g of id " INT64_FORMAT " of binary svec is zero or not finite",
							weight, id)));
		svec_ids64(v)[i] = last = id;
		weights[i] = weight;
	}
	PG_RETURN_SVEC_P(svec_shrink(v, n));
}

PG_FUNCTION_INFO_V1(socrec_svec_send);
Datum
socrec_svec_send(PG_FUNCTION_ARGS)
{
	const SVec *v = PG_GETARG_SVEC_P(0);
	const float4 *weights = svec_weights(v);
	int n = svec_count(v);
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendint16(&message, SVEC_BINARY_VERSION);
	pq_sendint32(&message, n);
	for (int i = 0; i < n; i++)
	{
		pq_sendint64(&message, svec_id(v, i));
		pq_sendfloat4(&message, weights[i]);
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/*
 * Constructors and casts.
 */

static int
plain_array_length(ArrayType *array, const char *what)
{
	if (ARR_NDIM(array) > 1)
		invalid_argument("%s must be a one-dimensional array, not one of %d dimensions", what,
						 ARR_NDIM(array));
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not contain NULL", what),
				 errhint("Leave out elements whose weight is not known.")));
	return ARR_NDIM(array) == 0 ? 0 : ARR_DIMS(array)[0];
}

/*
 * svec(ids bigint[], weights real[])
 */
PG_FUNCTION_INFO_V1(socrec_svec_from_arrays);
Datum
socrec_svec_from_arrays(PG_FUNCTION_ARGS)
{
	ArrayType *id_array = PG_GETARG_ARRAYTYPE_P(0);
	ArrayType *weight_array = PG_GETARG_ARRAYTYPE_P(1);
	int n = plain_array_length(id_array, "ids");
	int n_weights = plain_array_length(weight_array, "weights");
	const int64 *ids = (int64 *) ARR_DATA_PTR(id_array);
	const float4 *weights = (float4 *) ARR_DATA_PTR(weight_array);
	SVecElement *elements;
	const SVecElement *duplicate;
	SVec *v;

	if (n != n_weights)
		invalid_argument("%d ids do not go with %d weights", n, n_weights);
	if (n > SVEC_MAX_ELEMENTS)
		ereport(ERROR, too_many_elements());

	elements = palloc(n * sizeof(SVecElement));
	for (int i = 0; i < n; i++)
	{
		if (!isfinite(weights[i]))
			invalid_argument("weight %g of id " INT64_FORMAT " is not finite", weights[i], ids[i]);
		elements[i].id = ids[i];
		elements[i].weight = weights[i];
		elements[i].position = i + 1;
	}
	v = svec_from_elements(elements, n, &duplicate);
	if (!v)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("duplicate id " INT64_FORMAT " in element %d of the arrays",
							   duplicate->id, duplicate->position),
						errhint("The aggregate svec_agg adds up weights of the same id.")));
	pfree(elements);
	PG_RETURN_SVEC_P(v);
}

PG_FUNCTION_INFO_V1(socrec_svec_to_jsonb);
Datum
socrec_svec_to_jsonb(PG_FUNCTION_ARGS)
{
	char *text = svec_to_text(PG_GETARG_SVEC_P(0), true);

	return DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
}

/*
 * A key of a jsonb object as id.
 */
static int64
id_from_key(const JsonbValue *key)
{
	char *text = pnstrdup(key->val.string.val, key->val.string.len);
	const char *at = text;
	int64 id;
	ScanResult result = scan_id(&at, &id);

	if (result == SCAN_OUT_OF_RANGE)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("key \"%s\" is out of range for type bigint", text)));
	if (result == SCAN_NO_NUMBER || *at != '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
						errmsg("key \"%s\" is not an integer id", text),
						errhint("A sparse vector is an object like {\"17\": 4.5, \"23\": 1}.")));
	pfree(text);
	return id;
}

/*
 * A value of a jsonb object as weight; the id is for error messages.
 */
static float4
weight_from_value(JsonbValue *value, int64 id)
{
	char *text;
	const char *at;
	float4 weight;

	if (value->type != jbvNumeric)
		invalid_argument("weight of id " INT64_FORMAT " is a jsonb %s, not a number", id,
						 JsonbTypeName(value));
	text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
	at = text;
	if (scan_weight(&at, &weight) != SCAN_OK)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("weight of id " INT64_FORMAT " is out of range for type real", id)));
	pfree(text);
	return weight;
}

PG_FUNCTION_INFO_V1(socrec_svec_from_jsonb);
Datum
socrec_svec_from_jsonb(PG_FUNCTION_ARGS)
{
	Jsonb *object = PG_GETARG_JSONB_P(0);
	SVecElement *elements;
	const SVecElement *duplicate;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue value;
	SVec *v;
	int n = 0;

	if (!JB_ROOT_IS_OBJECT(object))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("cannot cast jsonb %s to type svec",
							   JB_ROOT_IS_SCALAR(object) ? "scalar" : "array"),
						errhint("A sparse vector is an object like {\"17\": 4.5, \"23\": 1}.")));
	if (JB_ROOT_COUNT(object) > SVEC_MAX_ELEMENTS)
		ereport(ERROR, too_many_elements());

	elements = palloc(JB_ROOT_COUNT(object) * sizeof(SVecElement));
	iterator = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (token == WJB_KEY)
		{
			elements[n].id = id_from_key(&value);
			elements[n].position = n + 1;
		}
		else if (token == WJB_VALUE)
		{
			elements[n].weight = weight_from_value(&value, elements[n].id);
			n++;
		}
	}

	/* Keys of a jsonb object differ, but "1" and "01" are the same id. */
	v = svec_from_elements(elements, n, &duplicate);
	if (!v)
		invalid_argument("duplicate id " INT64_FORMAT " in jsonb object", duplicate->id);
	pfree(elements);
	PG_RETURN_SVEC_P(v);
}
