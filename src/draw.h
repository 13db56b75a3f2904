/*
 * draw.h
 *		Random draws that depend on a seed alone.
 *
 * A stream is made of a seed and two numbers that say what it is for (an iteration
 * and a row, say), so that what is drawn does not depend on who draws, or when.
 *
 * No dependency on the server.
 */
#ifndef DRAW_H
#define DRAW_H

#include <stdint.h>

typedef struct Draw
{
	uint64_t state;
} Draw;

extern Draw draw_stream(uint64_t seed, uint64_t purpose, uint64_t number);
extern uint64_t draw_bits(Draw *draw);
extern int64_t draw_below(Draw *draw, int64_t n);
extern double draw_uniform(Draw *draw);
extern double draw_normal(Draw *draw);
extern void draw_normals(Draw *draw, int32_t n, float *values);
extern double draw_gamma(Draw *draw, double shape);
extern void draw_wishart_factor(Draw *draw, int32_t n, double degrees, double *factor);

#endif /* DRAW_H */
