/* A pool that measures another one: for how long each of its threads computes. */
#ifndef MBC_METER_H
#define MBC_METER_H

#include <stdint.h>

#include "pool.h"

typedef struct {
  _Alignas(128) double busy; /* in the unit of the clock, since the meter was made */
  uint32_t ranges;
} lap;

typedef struct {
  mbc_pool pool; /* first: a meter is a pool */
  mbc_pool *inner;
  double (*clock)(void);
  mbc_task task;
  void *context;
  lap *laps; /* of each thread */
} meter;

static void meter_range(void *context, uint32_t thread, uint32_t begin, uint32_t end) {
  meter *m = context;
  double start = m->clock();
  m->task(m->context, thread, begin, end);
  m->laps[thread].busy += m->clock() - start;
  m->laps[thread].ranges++;
}

static void meter_run(mbc_pool *self, mbc_task task, void *context, uint32_t count, uint32_t grain) {
  meter *m = (meter *)self;
  m->task = task, m->context = context;
  m->inner->run(m->inner, meter_range, m, count, grain);
}

static void meter_set(meter *m, mbc_pool *inner, double (*clock)(void), lap *laps) {
  *m = (meter){{meter_run, inner->threads}, inner, clock, 0, 0, laps};
}

#endif
