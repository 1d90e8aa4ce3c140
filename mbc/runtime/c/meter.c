/* The meter for `mbc profile`: what each kernel took, and what of that each thread computed. */
#define _POSIX_C_SOURCE 200809L

#include "meter.h"

#include <stdlib.h>
#include <time.h>

typedef struct {
  meter meter; /* first */
  double *rows; /* of each step: the time, and the sum that each thread has computed */
} recorder;

static double seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* The pool to run on, and the clock for `mbc_meter_tick`; NULL without memory. Row i of `rows`, of
 * 1 + threads numbers, is written by tick i. */
mbc_pool *mbc_meter_create(mbc_pool *inner, double *rows) {
  recorder *r = malloc(sizeof *r);
  lap *laps = aligned_alloc(_Alignof(lap), inner->threads * sizeof *laps);
  if (!r || !laps) return free(r), free(laps), NULL;
  for (uint32_t i = 0; i < inner->threads; i++) laps[i] = (lap){0};
  meter_set(&r->meter, inner, seconds, laps);
  r->rows = rows;
  return &r->meter.pool;
}

void mbc_meter_tick(void *pool, uint32_t step) {
  const recorder *r = pool;
  uint32_t threads = r->meter.pool.threads;
  double *row = r->rows + (size_t)step * (1 + threads);
  for (uint32_t i = 0; i < threads; i++) row[1 + i] = r->meter.laps[i].busy;
  row[0] = seconds();
}

void mbc_meter_destroy(mbc_pool *pool) {
  recorder *r = (recorder *)pool;
  if (!r) return;
  free(r->meter.laps);
  free(r);
}
